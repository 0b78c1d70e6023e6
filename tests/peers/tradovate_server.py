"""A Tradovate venue written from `protocols/tradovate.md` alone: small, it fills market orders at once and rests the
others, and it behaves as the page says a real one may. What it may do is a field of `Habits`."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import WSMsgType, web

from tests.peers.door import words

PASSWORD, SECRET = "canary-password-81", "canary-secret-81"


@dataclass
class Habits:
    token_min: int = 80
    ids_as_strings: bool = False
    entity_arrays: bool = False  # an event's entity is an array of one or more
    one_frame: bool = False  # every event of a step in one `a`
    no_event_type: bool = False
    event_first: bool = False  # the stream tells before the answer
    unknown_extras: bool = False  # fields, enum values, entity types and messages that are not on the page
    null_collections: bool = False  # collections without rows are null, and some absent
    hide_positions: bool = False  # the sync reply says nothing of positions and orders
    split: bool = False
    sync_tickets: int = 0
    captcha_on_login: bool = False
    error_text: str = ""
    beats: bool = True
    late_reject: bool = False
    swallow_answers: bool = False
    refuse: dict[str, Any] | None = None  # answer to the next orders
    order_status: int = 200
    order_text: str | None = None


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class Venue:
    habits: Habits = field(default_factory=Habits)
    url: str = ""
    sessions: list[str] = field(default_factory=list)
    requests: list[tuple[str, Any]] = field(default_factory=list)
    sockets: list["Client"] = field(default_factory=list)
    syncs: int = 0
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    _number: int = 1_000

    def __post_init__(self) -> None:
        self.tables = {
            name: []
            for name in words("order orderVersion command commandReport executionReport fill position cashBalance")
        }
        self.tables["account"] = [
            {
                "id": 11,
                "name": "DEMO11",
                "userId": 5,
                "accountType": "Customer",
                "active": True,
                "legalStatus": "Joint",
            },
            {"id": 12, "name": "DEMO12", "userId": 5, "accountType": "Customer", "active": True},
        ]
        self.tables["contract"] = [{"id": 77, "name": "MNQZ6", "contractMaturityId": 78}]
        self.tables["contractMaturity"] = [{"id": 78, "productId": 79, "expirationMonth": 202612, "isFront": True}]
        self.tables["product"] = [{"id": 79, "name": "MNQ", "exchangeId": 1, "tickSize": 0.25, "valuePerPoint": 2.0}]
        self.tables["cashBalance"] = [
            {
                "id": 91,
                "accountId": 11,
                "amount": 50000.5,
                "realizedPnL": 0,
                "tradeDate": {"year": 2026, "month": 1, "day": 5},
            }
        ]

    def next(self) -> int:
        self._number += 1
        return self._number

    def orders_sent(self) -> list[dict[str, Any]]:
        return [body for endpoint, body in self.requests if endpoint == "order/placeorder"]

    # --- trading: a list of steps, each a list of (entity type, event type, entity) --------------------------------

    def row(self, kind: str, **fields: Any) -> dict[str, Any]:
        entity = {"id": self.next(), **fields}
        self.tables[kind].append(entity)
        return entity

    def place(self, body: dict[str, Any], *, from_elsewhere: bool = False) -> tuple[dict[str, Any], list[Any]]:
        account = next((a for a in self.tables["account"] if a["id"] == int(body.get("accountId", 0))), None)
        if account is None:
            return {"failureReason": "Unauthorized", "failureText": "no such account"}, []
        if not from_elsewhere and self.habits.refuse is not None:
            return self.habits.refuse, []
        order = self.row("order", accountId=account["id"], contractId=77, timestamp=now(), action=body["action"],
                         ordStatus="PendingNew", executionProviderId=3, admin=False)  # fmt: skip
        version = self.row("orderVersion", orderId=order["id"], orderQty=body["orderQty"], orderType=body["orderType"],
                           **{k: body[k] for k in ("price", "stopPrice", "timeInForce") if k in body})  # fmt: skip
        command = self.row("command", orderId=order["id"], timestamp=now(), commandType="New", commandStatus="Pending",
                           senderId=5, userSessionId=1, isAutomated=body.get("isAutomated", False))  # fmt: skip
        if "clOrdId" in body:
            command["clOrdId"] = body["clOrdId"]
        story = [("order", "Created", dict(order)), ("orderVersion", "Created", dict(version)),
                 ("command", "Created", dict(command))]  # fmt: skip
        if self.habits.late_reject and not from_elsewhere:
            order["ordStatus"] = "Rejected"
            why = {"rejectReason": "MaxPosLimitReached", "text": "Max position limit reached", "ordStatus": "Rejected"}
            report = self.row("commandReport", commandId=command["id"], commandStatus="RiskRejected", **why)
            return {"orderId": order["id"]}, [
                *story,
                ("commandReport", "Created", report),
                ("order", "Updated", dict(order)),
            ]
        order["ordStatus"] = "Working"
        story += [("commandReport", "Created", self.row("commandReport", commandId=command["id"], timestamp=now(),
                   commandStatus="AtExecution", ordStatus="Working")), ("order", "Updated", dict(order))]  # fmt: skip
        if body["orderType"] == "Market":
            story += self.fill(order, version["orderQty"], 20_000.25)
        return {"orderId": order["id"]}, story

    def fill(self, order: dict[str, Any], qty: int, price: float) -> list[Any]:
        day = {"year": 2026, "month": 1, "day": 5}
        done = self.row("fill", orderId=order["id"], contractId=77, timestamp=now(), tradeDate=day,
                        action=order["action"], qty=qty, price=price, active=True, finallyPaired=0)  # fmt: skip
        order["ordStatus"] = "Filled"
        held = next((p for p in self.tables["position"] if p["accountId"] == order["accountId"]), None)
        if held is None:
            held = self.row("position", accountId=order["accountId"], contractId=77, netPos=0, timestamp=now(),
                            tradeDate=day, netPrice=None, prevPos=0)  # fmt: skip
        held["netPos"] += qty if order["action"] == "Buy" else -qty
        held["netPrice"] = price if held["netPos"] else None
        return [("fill", "Created", done), ("order", "Updated", dict(order)), ("position", "Updated", dict(held))]

    def end(self, body: dict[str, Any]) -> tuple[dict[str, Any], list[Any]]:
        order = next((o for o in self.tables["order"] if o["id"] == body["orderId"]), None)
        if order is None or order["ordStatus"] != "Working":
            return {"failureReason": "TooLate", "failureText": "Too late"}, []
        order["ordStatus"] = "Canceled"
        command = self.row("command", orderId=order["id"], commandType="Cancel", commandStatus="AtExecution")
        return {"commandId": command["id"]}, [("command", "Created", command), ("order", "Updated", dict(order))]

    def modify(self, body: dict[str, Any]) -> tuple[dict[str, Any], list[Any]]:
        if not {"orderId", "orderQty", "orderType"} <= set(body):
            return {"failureReason": "Unsupported", "failureText": "orderQty and orderType must be sent"}, []
        command = self.row("command", orderId=body["orderId"], commandType="Modify", commandStatus="AtExecution")
        terms = {name: body.get(name) for name in ("orderQty", "orderType", "price", "stopPrice")}
        version = self.row("orderVersion", orderId=body["orderId"], **terms)
        return {"commandId": command["id"]}, [("command", "Created", command), ("orderVersion", "Created", version)]

    def liquidate(self, body: dict[str, Any]) -> tuple[dict[str, Any], list[Any]]:
        story: list[Any] = []
        for order in [o for o in self.tables["order"] if o["accountId"] == body["accountId"]]:
            if order["ordStatus"] == "Working":
                story += self.end({"orderId": order["id"]})[1]
        net = sum(p["netPos"] for p in self.tables["position"] if p["accountId"] == body["accountId"])
        if not net:
            return {}, story
        answer, more = self.place({"accountId": body["accountId"], "action": "Sell" if net > 0 else "Buy",
                                   "orderQty": abs(net), "orderType": "Market"}, from_elsewhere=True)  # fmt: skip
        return answer, story + more

    # --- REST and WebSocket endpoints are the same ------------------------------------------------------------------

    def call(self, endpoint: str, query: dict[str, str], body: Any) -> tuple[int, Any, list[Any]]:
        endpoint = endpoint.lower()
        self.requests.append((endpoint, body))
        acting = {"order/placeorder": self.place, "order/cancelorder": self.end, "order/modifyorder": self.modify,
                  "order/liquidateposition": self.liquidate}  # fmt: skip
        if endpoint in acting:
            if self.habits.order_status != 200:
                return self.habits.order_status, self.habits.order_text, []
            return 200, *acting[endpoint](body)
        entity, _, operation = endpoint.partition("/")
        table = next((rows for name, rows in self.tables.items() if name.lower() == entity), None)
        if table is None:
            return 404, "Not found", []
        given = {**query, **(body or {})}
        match operation:
            case "list":
                return 200, self.told(table), []
            case "items":
                ids = {int(each) for each in given["ids"].split(",")}
                return 200, self.told([row for row in reversed(table) if row["id"] in ids]), []
            case "item" | "find":
                key = "id" if operation == "item" else "name"
                found = [row for row in table if str(row.get(key)) == str(given[key])]
                return (200, self.told(found)[0], []) if found else (404, "Not found", [])
        return 404, "Not found", []

    def told(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        rows = [dict(row) for row in rows]
        for row in rows:
            if self.habits.unknown_extras:
                row |= {"archived": False, "external": {"a": [1]}, "newestField": "x"}
            if self.habits.ids_as_strings:
                row |= {key: str(row[key]) for key in row if key == "id" or key.endswith("Id")}
        return rows

    def token(self) -> dict[str, Any]:
        ends = datetime.now(UTC) + timedelta(minutes=self.habits.token_min)
        return {"accessToken": self.sessions[-1], "mdAccessToken": "md-" + self.sessions[-1],
                "expirationTime": ends.isoformat().replace("+00:00", "Z"), "userStatus": "Active", "userId": 5,
                "name": "desk1", "hasLive": False, "outdatedTaC": False, "hasFunded": False, "hasMarketData": True,
                "outdatedLiquidationPolicy": False, "hibpHint": None, "showKIDs": False}  # fmt: skip

    def log_in(self, body: dict[str, Any]) -> dict[str, Any]:
        self.requests.append(("auth/accesstokenrequest", body))
        if self.habits.captcha_on_login:
            return {"p-ticket": "canary-ticket", "p-time": 60, "p-captcha": True}
        if body.get("password") != PASSWORD or self.habits.error_text:
            return {"errorText": self.habits.error_text or "Incorrect username or password. Please try again."}
        self.sessions.append(f"canary-token-{self.next()}")
        for client in list(self.sockets):
            if client.token not in self.sessions[-2:]:
                client.cut()
        return self.token()

    def tell(self, story: list[Any]) -> None:
        """Everyone who has synced hears it."""
        for client in self.sockets:
            if client.synced:
                client.tell(story)

    def elsewhere(self, action: str, qty: int, account: int = 11) -> int:
        """A trade from another front end; its order id."""
        answer, story = self.place(
            {"accountId": account, "action": action, "orderQty": qty, "orderType": "Market"}, from_elsewhere=True
        )
        self.tell(story)
        return answer["orderId"]

    def replay(self) -> None:
        """The end of the session: every entity again, as just created."""
        kinds = ("order", "orderVersion", "command", "commandReport", "fill", "position")
        self.tell([(kind, "Created", row) for kind in kinds for row in self.tables[kind]])


class Client:
    """One socket."""

    def __init__(self, venue: Venue, ws: web.WebSocketResponse) -> None:
        self.venue = venue
        self.ws = ws
        self.token = ""
        self.synced = False
        self.busy = False
        self.out: asyncio.Queue[str | None] = asyncio.Queue()

    def cut(self) -> None:
        self.out.put_nowait(None)

    def messages(self, *items: dict[str, Any]) -> None:
        self.busy = True
        self.out.put_nowait("a" + json.dumps(list(items)))

    def tell(self, story: list[Any]) -> None:
        habits, events = self.venue.habits, []
        for kind, what, row in story:
            told = self.venue.told([row])
            event: dict[str, Any] = {"entityType": kind, "entity": told if habits.entity_arrays else told[0]}
            if not habits.no_event_type:
                event["eventType"] = what
            events.append({"e": "props", "d": event})
        if habits.unknown_extras:
            events = [
                {"e": "props", "d": {"entityType": "newestThing", "eventType": "Created", "entity": {"id": 1}}},
                {"e": "clock", "d": '{"t":"2019-08-26T16:43:08.599Z","s":20}'},
                {"e": "notOnThePage", "d": [1, 2]},
                *events,
            ]
        if habits.one_frame:
            self.messages(*events)
        else:
            for event in events:
                self.messages(event)

    async def request(self, text: str) -> None:
        if text.strip() == "[]":
            return
        endpoint, number, query, body = [*text.split("\n", 3), "", "", ""][:4]
        i = int(number)
        if endpoint == "authorize":
            self.token = body.strip('"')
            good = self.token in self.venue.sessions[-2:]
            self.messages({"s": 200, "i": i} if good else {"i": 0, "s": 401, "d": "Invalid access token"})
            return
        if self.token not in self.venue.sessions[-2:]:
            self.messages({"s": 401, "i": i, "d": "Access is denied"})
            return
        given = json.loads(body) if body not in ("", "undefined") else None
        if endpoint.lower() == "user/syncrequest":
            self.sync(i, given)
            return
        pairs = dict(pair.split("=", 1) for pair in query.split("&") if "=" in pair)
        status, answer, story = self.venue.call(endpoint, pairs, given)
        if self.venue.habits.event_first:
            self.venue.tell(story)
        if not (self.venue.habits.swallow_answers and endpoint.lower() == "order/placeorder"):
            said = {"s": status, "i": i, "d": answer}
            self.messages(said if answer is not None else {"s": status, "i": i})
        if not self.venue.habits.event_first:
            self.venue.tell(story)

    def sync(self, i: int, body: dict[str, Any]) -> None:
        venue, habits = self.venue, self.venue.habits
        venue.requests.append(("user/syncrequest", body))
        if habits.sync_tickets:
            habits.sync_tickets -= 1
            self.messages({"s": 200, "i": i, "d": {"p-ticket": "t-1", "p-time": 0.2}})
            return
        assert not self.synced, "once per socket"
        self.synced = True
        venue.syncs += 1
        plural = {"accounts": "account", "contracts": "contract", "orders": "order", "orderVersions": "orderVersion",
                  "commands": "command", "commandReports": "commandReport", "executionReports": "executionReport",
                  "fills": "fill", "positions": "position", "cashBalances": "cashBalance"}  # fmt: skip
        reply: dict[str, Any] = {key: venue.told(venue.tables[name]) for key, name in plural.items()}
        reply |= {"users": [{"id": 5, "name": "desk1"}], "currencies": [{"id": 1, "name": "USD"}], "fillPairs": None}
        if habits.hide_positions:
            reply["positions"] = None
            del reply["orders"]
        if habits.null_collections:
            reply = {key: rows or None for key, rows in reply.items() if rows or key != "executionReports"}
        if not habits.split:
            self.messages({"s": 200, "i": i, "d": reply})
            return
        for key in sorted(reply):
            self.messages({"s": 200, "i": i, "d": {key: reply[key]}})
        self.messages({"s": 200, "i": i, "d": {}})


async def _beat(client: Client) -> None:
    """`h` when nothing else was said for 2.5 s."""
    while True:
        await asyncio.sleep(0.5)
        if not client.busy and client.venue.habits.beats:
            client.out.put_nowait("h")
        client.busy = False


async def _write(client: Client) -> None:
    while (frame := await client.out.get()) is not None:
        await client.ws.send_str(frame)
    await client.ws.close()


@asynccontextmanager
async def venue(**habits: Any) -> AsyncIterator[Venue]:
    at = Venue(Habits(**habits))

    async def socket(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(autoping=True)
        await ws.prepare(request)
        client = Client(at, ws)
        await ws.send_str("o")
        at.sockets.append(client)
        tasks = [asyncio.create_task(_beat(client)), asyncio.create_task(_write(client))]
        try:
            async for message in ws:
                if message.type is WSMsgType.TEXT:
                    await client.request(message.data)
        finally:
            at.sockets.remove(client)
            for task in tasks:
                task.cancel()
        return ws

    async def rest(request: web.Request) -> web.Response:
        path = request.match_info["path"].lower()
        text = await request.text()
        body = json.loads(text) if text else None
        if path == "auth/accesstokenrequest":
            return web.json_response(at.log_in(body))
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in at.sessions[-2:]:
            return web.json_response({"errorText": "Access is denied"}, status=401)
        if path == "auth/renewaccesstoken":
            at.requests.append((path, body))
            return web.json_response(at.token())
        status, answer, story = at.call(path, dict(request.query), body)
        at.tell(story)
        if status == 429:
            return web.Response(status=429)
        return web.json_response(answer if not isinstance(answer, str) else {"errorText": answer}, status=status)

    app = web.Application()
    app.router.add_get("/v1/websocket", socket)
    app.router.add_route("*", "/v1/{path:.*}", rest)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    at.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield at
    finally:
        for client in list(at.sockets):
            client.cut()
        await runner.cleanup()
