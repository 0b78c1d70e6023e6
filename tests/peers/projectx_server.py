"""A ProjectX gateway written from `protocols/projectx.md` alone: market orders fill at once, others rest, and it
behaves as the page says a real one may. What it may do is a field of `Habits`."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import WSMsgType, web

KEY = "canary-key-82"
RS = "\x1e"
CONTRACT, SYMBOL_ID = "CON.F.US.ENQ.Z26", "F.US.ENQ"
PRICE = 20_000.25


@dataclass
class Habits:
    wrap: str = "all"  # all, none, orders
    arrays: bool = False  # an argument's payload is an array of rows
    extras: bool = False  # fields, numbers, methods and message types that are not on the page
    nulls: bool = False  # what may be null is null or absent
    number_strings: bool = False
    event_first: bool = False
    split_records: bool = False  # a record is cut over frames, and several share one
    pending_s: float = 0.008
    refuse: dict[str, Any] | None = None
    refused_order_lives: bool = False
    status: int = 200
    swallow: bool = False  # orders are taken and never answered
    deaf: bool = False  # events are lost
    new_token: bool = True
    tags_used: str = "Custom tag already in use"


def now() -> str:
    return datetime.now(UTC).isoformat()


def jwt(number: int) -> str:
    def part(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'none'})}.{part({'exp': int(time.time()) + 86_400, 'n': number})}.canary{number}"


@dataclass
class Gateway:
    habits: Habits = field(default_factory=Habits)
    url: str = ""
    tokens: list[str] = field(default_factory=list)
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    hubs: list["Hub"] = field(default_factory=list)
    orders: dict[int, dict[str, Any]] = field(default_factory=dict)
    trades: list[dict[str, Any]] = field(default_factory=list)
    held: dict[int, int] = field(default_factory=dict)
    tags: set[tuple[int, str]] = field(default_factory=set)
    accounts: list[dict[str, Any]] = field(
        default_factory=lambda: [
            {"id": 21, "name": "PX-21", "balance": 50_000.5, "canTrade": True, "isVisible": True, "simulated": True},
            {"id": 22, "name": "PX-22", "balance": 50_000, "canTrade": True, "isVisible": True, "simulated": True},
        ]
    )
    _number: int = 3_345_169_270

    def next(self) -> int:
        self._number += 1
        return self._number

    def placed(self) -> list[dict[str, Any]]:
        return [body for path, body in self.requests if path == "order/place"]

    # --- what is shown of things -----------------------------------------------------------------------------------

    def shown(self, row: dict[str, Any], *, streamed: bool) -> dict[str, Any]:
        shown = dict(row)
        if not streamed:
            for key in ("parentOrderId", "linkedOrderId"):
                shown.pop(key, None)
        if self.habits.nulls:
            shown = {key: value for key, value in shown.items() if value is not None}
            for key in ("fees", "updateTimestamp", "voided"):
                if key in shown:
                    shown[key] = None
        if self.habits.number_strings:
            for key in ("price", "averagePrice", "filledPrice", "limitPrice", "stopPrice", "balance"):
                if shown.get(key) is not None:
                    shown[key] = str(shown[key])
        if self.habits.extras:
            shown |= {"contractDisplayName": "NQZ6", "commissions": 0.37, "trailDistance": -40, "newestField": {"a": 1}}
        return shown

    def tell(self, target: str, action: int, *rows: dict[str, Any]) -> None:
        if self.habits.deaf:
            return
        user = [hub for hub in self.hubs if hub.kind == "user"]
        method = target.removeprefix("GatewayUser") + "s"
        for hub in user:
            mine = [row for row in rows if (method, row.get("accountId")) in hub.following or method == "Accounts"]
            if not mine:
                continue
            data: Any = [self.shown(row, streamed=True) for row in mine]
            groups = [data] if self.habits.arrays else data
            for each in groups:
                wrap = self.habits.wrap == "all" or (self.habits.wrap == "orders" and target == "GatewayUserOrder")
                hub.say(
                    {"type": 1, "target": target, "arguments": [{"action": action, "data": each} if wrap else each]}
                )

    # --- trading -----------------------------------------------------------------------------------------------------

    async def place(self, body: dict[str, Any]) -> dict[str, Any]:
        account = body["accountId"]
        if account not in [each["id"] for each in self.accounts]:
            return failed(1, orderId=None)
        if body["contractId"] != CONTRACT:
            return failed(8, orderId=None)
        tag = body.get("customTag")
        if tag and (account, tag) in self.tags:
            return failed(2, self.habits.tags_used, orderId=None)
        if tag:
            self.tags.add((account, tag))
        if self.habits.refuse is not None and not self.habits.refused_order_lives:
            return self.habits.refuse
        order = self.order(body, status=6)
        self.tell("GatewayUserOrder", 1, order)
        if body["type"] == 2:
            if self.habits.event_first:
                self.fill(order)
            else:
                asyncio.get_running_loop().call_later(self.habits.pending_s, self.fill, order)
        else:
            order["status"] = 1
            self.tell("GatewayUserOrder", 2, order)
        if self.habits.refuse is not None:
            return self.habits.refuse
        return good(orderId=order["id"])

    def order(self, body: dict[str, Any], status: int) -> dict[str, Any]:
        order = {"id": self.next(), "accountId": body["accountId"], "contractId": CONTRACT, "symbolId": SYMBOL_ID,
                 "creationTimestamp": now(), "updateTimestamp": None, "status": status, "type": body["type"],
                 "side": body["side"], "size": body["size"], "limitPrice": body.get("limitPrice"),
                 "stopPrice": body.get("stopPrice"), "fillVolume": 0, "filledPrice": None,
                 "customTag": body.get("customTag")}  # fmt: skip
        self.orders[order["id"]] = order
        return order

    def fill(self, order: dict[str, Any]) -> None:
        account, sign = order["accountId"], 1 if order["side"] == 0 else -1
        before = self.held.get(account, 0)
        self.held[account] = before + sign * order["size"]
        trade = {"id": self.next(), "accountId": account, "contractId": CONTRACT, "creationTimestamp": now(),
                 "price": PRICE, "profitAndLoss": None if before * sign >= 0 else 10.0, "fees": 0.37,
                 "side": order["side"], "size": order["size"], "voided": False, "orderId": order["id"]}  # fmt: skip
        self.trades.append(trade)
        order |= {"status": 2, "fillVolume": order["size"], "filledPrice": PRICE, "updateTimestamp": now()}
        self.tell("GatewayUserTrade", 0, trade)
        self.tell("GatewayUserOrder", 2, order)
        self.tell("GatewayUserPosition", 2 if before else 1, self.position(account))
        self.tell("GatewayUserAccount", 2, self.accounts[0] if account == 21 else self.accounts[1])

    def position(self, account: int) -> dict[str, Any]:
        net = self.held.get(account, 0)
        return {"id": 456 + account, "accountId": account, "contractId": CONTRACT, "creationTimestamp": now(),
                "type": 0 if not net else 1 if net > 0 else 2, "size": abs(net),
                "averagePrice": PRICE if net else 0}  # fmt: skip

    def elsewhere(self, side: int, size: int, account: int = 21) -> None:
        """A trade from another front end."""
        order = self.order({"accountId": account, "type": 2, "side": side, "size": size}, status=6)
        self.tell("GatewayUserOrder", 1, order)
        self.fill(order)

    async def call(self, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        path = path.lower()
        self.requests.append((path, body))
        habits, account = self.habits, body.get("accountId")
        mine = [order for order in self.orders.values() if order["accountId"] == account]
        listed = [self.shown(order, streamed=False) for order in mine if order["status"] != 8]
        match path:
            case "auth/validate":
                if not habits.new_token:
                    return good(newToken=None)
                self.tokens.append(jwt(self.next()))
                return good(newToken=self.tokens[-1])
            case "account/search":
                return good(accounts=[self.shown(each, streamed=False) for each in self.accounts])
            case "contract/search":
                noise = {"id": "CON.F.US.MNQ.Z26", "name": "MNQZ6", "tickSize": 0.25, "tickValue": 0.5,
                         "activeContract": True, "symbolId": "F.US.MNQ"}  # fmt: skip
                wanted = noise | {"id": CONTRACT, "name": "NQZ6", "tickValue": 5.0, "symbolId": SYMBOL_ID}
                return good(contracts=[noise, wanted])
            case "contract/available":
                return good(contracts=[])
            case "order/place":
                answer = await self.place(body)
                return None if habits.swallow else answer
            case "order/search":
                return good(orders=listed)
            case "order/searchopen":
                return good(orders=[order for order in listed if order["status"] in (1, 6)])
            case "trade/search":
                return good(trades=[self.shown(t, streamed=False) for t in self.trades if t["accountId"] == account])
            case "position/searchopen":
                row = self.position(account or 0)
                return good(positions=[self.shown(row, streamed=False)] if row["size"] else [])
            case "order/cancel" | "order/modify":
                order = self.orders.get(body["orderId"])
                if order is None or order["accountId"] != account:
                    return failed(2)
                if order["status"] not in (1, 6):
                    return failed(3, "Order is not open")
                if path == "order/cancel":
                    order["status"] = 3
                else:
                    order |= {
                        key: body[key] for key in ("size", "limitPrice", "stopPrice") if body.get(key) is not None
                    }
                self.tell("GatewayUserOrder", 2, order)
                return good()
            case "position/closecontract":
                net = self.held.get(account or 0, 0)
                if not net:
                    return failed(2)
                self.elsewhere(1 if net > 0 else 0, abs(net), account or 0)
                return good()
        raise AssertionError(f"not on the page, or not needed: {path}")


def good(**more: Any) -> dict[str, Any]:
    return {**more, "success": True, "errorCode": 0, "errorMessage": None}


def failed(code: int, words: str | None = None, **more: Any) -> dict[str, Any]:
    return {**more, "success": False, "errorCode": code, "errorMessage": words}


class Hub:
    """One hub connection."""

    def __init__(self, gateway: Gateway, kind: str, ws: web.WebSocketResponse) -> None:
        self.gateway = gateway
        self.kind = kind
        self.ws = ws
        self.following: set[tuple[str, int | None]] = set()
        self.out: asyncio.Queue[str | None] = asyncio.Queue()
        self.ready = asyncio.Event()

    def say(self, *messages: dict[str, Any]) -> None:
        text = "".join(json.dumps(message) + RS for message in messages)
        if self.gateway.habits.split_records:
            middle = len(text) // 2
            self.out.put_nowait(text[:middle])
            self.out.put_nowait(text[middle:])
        else:
            self.out.put_nowait(text)

    def cut(self) -> None:
        self.out.put_nowait(None)

    async def write(self) -> None:
        while (text := await self.out.get()) is not None:
            await self.ws.send_str(text)
        await self.ws.close()

    async def beat(self) -> None:
        await self.ready.wait()
        while True:
            self.say({"type": 6})
            await asyncio.sleep(5)

    def hear(self, text: str) -> None:
        for record in text.split(RS):
            if record.strip():
                self.message(json.loads(record))

    def message(self, message: dict[str, Any]) -> None:
        if "protocol" in message:
            assert message == {"protocol": "json", "version": 1}
            self.out.put_nowait("{}" + RS + ('{"type":6}' + RS if self.gateway.habits.extras else ""))
            self.ready.set()
            return
        if message.get("type") != 1:
            return
        method, arguments = message["target"].lower(), message["arguments"]
        found = next(
            (n for n in ("Accounts", "Orders", "Positions", "Trades") if method == f"subscribe{n.lower()}"), ""
        )
        done: dict[str, Any] = {"type": 3, "invocationId": message.get("invocationId")}
        if not found or (found != "Accounts" and not isinstance(arguments[0], int)):
            self.say(done | {"error": "Method does not exist."})
            return
        self.following.add((found, arguments[0] if arguments else None))
        done |= {} if self.gateway.habits.nulls else {"result": None}
        if self.gateway.habits.extras:
            tomorrow = {"type": 1, "target": "GatewayOfTomorrow", "arguments": [{"a": 1}, 2]}
            self.say(tomorrow, {"type": 9, "sequenceId": 3}, {"type": 8, "sequenceId": 3}, done)
        else:
            self.say(done)


@asynccontextmanager
async def gateway(**habits: Any) -> AsyncIterator[Gateway]:
    at = Gateway(Habits(**habits))

    def bearer(request: web.Request) -> str:
        return request.headers.get("Authorization", "").removeprefix("Bearer ")

    async def api(request: web.Request) -> web.Response:
        path = request.match_info["path"]
        body = json.loads(await request.text() or "{}")
        if path.lower() == "auth/loginkey":
            at.requests.append(("auth/loginkey", body))
            if body != {"userName": "desk1", "apiKey": KEY}:
                return web.json_response(failed(3, token=None))
            at.tokens.append(jwt(at.next()))
            return web.json_response(good(token=at.tokens[-1]))
        if bearer(request) not in at.tokens:
            return web.Response(status=401)
        if at.habits.status != 200 and path.lower() == "order/place":
            at.requests.append((path.lower(), body))
            return web.Response(status=at.habits.status)
        answer = await at.call(path, body)
        if answer is None:
            await asyncio.sleep(30)
        return web.json_response(answer)

    async def hub(request: web.Request) -> web.StreamResponse:
        token = request.query.get("access_token") or bearer(request)
        if token not in at.tokens:
            return web.Response(status=401)
        ws = web.WebSocketResponse(autoping=True)
        await ws.prepare(request)
        mine = Hub(at, request.match_info["kind"], ws)
        at.hubs.append(mine)
        tasks = [asyncio.create_task(mine.write()), asyncio.create_task(mine.beat())]
        try:
            async for message in ws:
                if message.type is WSMsgType.TEXT:
                    mine.hear(message.data)
        finally:
            at.hubs.remove(mine)
            for task in tasks:
                task.cancel()
        return ws

    app = web.Application()
    app.router.add_get("/hubs/{kind}", hub)
    app.router.add_post("/api/{path:.*}", api)
    runner = web.AppRunner(app, shutdown_timeout=0.2)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    at.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield at
    finally:
        for each in list(at.hubs):
            each.cut()
        await runner.cleanup()
