"""A venue for tests: a real HTTP and WebSocket server that says exactly what a test scripts, written from
`protocols/tradovate.md`. It matches nothing; a test says what happens to an order."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import WSMsgType, web

PASSWORD = "canary-password-7f3a"
STAMP = "2026-01-05T15:00:00.000Z"
SYNC_KEYS = (
    "accounts",
    "accountRiskStatuses",
    "marginSnapshots",
    "cashBalances",
    "positions",
    "orders",
    "contracts",
    "commands",
    "commandReports",
    "executionReports",
    "orderVersions",
    "fills",
)


class Client:
    """One connected socket of the adapter."""

    def __init__(self, ws: web.WebSocketResponse) -> None:
        self.ws = ws
        self.synced = 0
        self.authorized = False

    async def send(self, *messages: dict[str, Any]) -> None:
        await self.ws.send_str("a" + json.dumps(list(messages)))


class Venue:
    """State the tests set, and what the adapter did: `requests` is every (endpoint, body) that arrived."""

    def __init__(self) -> None:
        self.accounts = [
            {"id": 101, "name": "DEMO1001", "userId": 7, "active": True},
            {"id": 102, "name": "DEMO1002", "userId": 7, "active": True},
        ]
        self.contracts = [{"id": 501, "name": "ESH4", "contractMaturityId": 601}]
        self.tables: dict[str, list[dict[str, Any]]] = {key: [] for key in SYNC_KEYS}
        self.token = "canary-token-0"
        self.tokens_given = 0
        self.valid = {self.token}
        self.token_life_s = 4800.0
        self.renewals = 0
        self.logins: list[dict[str, Any]] = []
        self.requests: list[tuple[str, Any]] = []
        self.raw_frames: list[str] = []
        self.clients: list[Client] = []
        self.sockets_opened = 0
        self.handshakes_now = 0
        self.handshakes_max = 0
        self.handshake_s = 0.0
        self.refuse_sockets = False
        self.silent = False
        self.split_sync = False
        # Scripts: return an answer (status, data) to override, or None for the ordinary one.
        self.on_login: Callable[[dict[str, Any]], Any] = lambda body: None
        self.on_renew: Callable[[], Any] = lambda: None
        self.on_rest: Callable[[str, Any], Any] = lambda path, body: None
        self.on_ws: Callable[[Client, str, int, Any], Any] = lambda client, path, i, body: None
        self.next_id = 1000
        self.url = ""
        self.ws_url = ""
        self.md_url = ""

    # --- the server --------------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator["Venue"]:
        app = web.Application()
        app.router.add_route("*", "/v1/websocket", self._socket)
        app.router.add_route("*", "/v1/md/websocket", self._socket)
        app.router.add_route("*", "/v1/{path:.*}", self._rest)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        port = site._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/v1"
        self.ws_url = f"ws://127.0.0.1:{port}/v1/websocket"
        self.md_url = f"ws://127.0.0.1:{port}/v1/md/websocket"
        try:
            yield self
        finally:
            for client in self.clients:
                if client.ws._req is not None and client.ws._req.transport is not None:
                    client.ws._req.transport.abort()
            await runner.cleanup()

    @property
    def port(self) -> int:
        return int(self.url.split(":")[2].split("/")[0])

    def new_id(self) -> int:
        self.next_id += 1
        return self.next_id

    def give_token(self) -> dict[str, Any]:
        self.tokens_given += 1
        self.token = f"canary-token-{self.tokens_given}"
        self.valid.add(self.token)
        end = datetime.now(UTC) + timedelta(seconds=self.token_life_s)
        return {
            "accessToken": self.token,
            "mdAccessToken": "canary-md-token",
            "expirationTime": end.isoformat().replace("+00:00", "Z"),
            "userId": 7,
            "userStatus": "Active",
            "name": "desk1",
        }

    async def _rest(self, request: web.Request) -> web.Response:
        path = request.match_info["path"].lower()
        text = await request.text()
        body = json.loads(text) if text else dict(request.query)
        self.requests.append((path, body))
        if path == "auth/accesstokenrequest":
            self.logins.append(body)
            return _reply(self.on_login(body) or (200, self.give_token()))
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if path == "auth/renewaccesstoken":
            self.renewals += 1
            scripted = self.on_renew()
            if asyncio.iscoroutine(scripted):
                scripted = await scripted
            if scripted is None and bearer not in self.valid and bearer != self.token:
                return web.Response(status=401)
            return _reply(scripted or (200, self.give_token()))
        scripted = self.on_rest(path, body)
        if asyncio.iscoroutine(scripted):
            scripted = await scripted
        if scripted is not None:
            return _reply(scripted)
        if bearer not in self.valid:
            return web.Response(status=401, text='"Access is denied"')
        return _reply(self.answer(path, body))

    def answer(self, path: str, body: Any) -> tuple[int, Any]:
        """The ordinary answer of an endpoint."""
        tables = {key.lower(): rows for key, rows in self.tables.items()} | {
            "accounts": self.accounts,
            "contracts": self.contracts,
        }
        entity, _, what = path.partition("/")
        if what == "list":
            plural = {"cashbalance": "cashbalances"}.get(entity, entity + "s")
            return 200, tables.get(plural, [])
        if path == "contract/find":
            found = [row for row in self.contracts if row["name"] == body["name"]]
            return (200, found[0]) if found else (404, "Entity not found")
        if path == "contract/items":
            ids = [int(part) for part in str(body["ids"]).split(",")]
            return 200, [row for row in self.contracts if row["id"] in ids]
        if path == "contract/item":
            found = [row for row in self.contracts if row["id"] == int(body["id"])]
            return (200, found[0]) if found else (404, "Entity not found")
        if path == "contractmaturity/item":
            return 200, {"id": 601, "productId": 701, "expirationMonth": 202403}
        if path == "product/item":
            return 200, {"id": 701, "name": "ES", "tickSize": 0.25, "valuePerPoint": 50}
        if path.startswith("order/"):
            if path in ("order/placeorder", "order/liquidateposition"):
                return 200, {"orderId": self.new_id()}
            return 200, {"commandId": self.new_id()}
        return 404, "Unknown endpoint"

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        if self.refuse_sockets:
            return web.Response(status=503)
        self.handshakes_now += 1
        self.handshakes_max = max(self.handshakes_max, self.handshakes_now)
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await asyncio.sleep(self.handshake_s)
        client = Client(ws)
        self.clients.append(client)
        self.sockets_opened += 1
        await ws.send_str("o")
        counted = True
        async for message in ws:
            if message.type is not WSMsgType.TEXT:
                break
            self.raw_frames.append(message.data)
            if message.data == "[]" or self.silent:
                continue
            path, i, query, text = message.data.split("\n", 3)
            path = path.lower()
            if path == "authorize":
                if counted:
                    counted = False
                    self.handshakes_now -= 1
                client.authorized = text in self.valid or text == "canary-md-token"
                if not client.authorized:
                    await client.send({"i": int(i), "s": 401, "d": "Invalid access token"})
                    continue
                await client.send({"s": 200, "i": int(i)})
                continue
            body = json.loads(text) if text else dict(part.split("=") for part in query.split("&") if part)
            self.requests.append((path, body))
            scripted = self.on_ws(client, path, int(i), body)
            if asyncio.iscoroutine(scripted):
                scripted = await scripted
            if scripted == "nothing":
                continue
            if scripted is None and path == "user/syncrequest":
                client.synced += 1
                await self._send_sync(client, int(i), body)
                continue
            if path.startswith("md/") and scripted is None:
                scripted = (200, {})
            status, data = scripted or self.answer(path, body)
            await client.send({"s": status, "i": int(i), "d": data})
        if counted:
            self.handshakes_now -= 1
        if client in self.clients:
            self.clients.remove(client)
        return ws

    def sync(self, body: Any) -> dict[str, Any]:
        full = dict(self.tables) | {"accounts": self.accounts, "contracts": self.contracts}
        return {key: list(rows) for key, rows in full.items()}

    async def _send_sync(self, client: Client, i: int, body: Any) -> None:
        full = self.sync(body)
        if not self.split_sync:
            await client.send({"s": 200, "i": i, "d": full})
            return
        for key, rows in full.items():
            await client.send({"s": 200, "i": i, "d": {key: rows}})

    # --- what tests make happen --------------------------------------------------------------------------------------

    async def push(self, *entities: tuple[str, Any], event_type: str | None = "Created") -> None:
        """Send entities as one frame of props events to every synchronised socket."""
        messages = []
        for kind, entity in entities:
            data = {"entityType": kind, "entity": entity}
            if event_type is not None:
                data["eventType"] = event_type
            messages.append({"e": "props", "d": data})
        for client in self.clients:
            if client.synced:
                await client.send(*messages)

    async def raw(self, text: str) -> None:
        for client in list(self.clients):
            await client.ws.send_str(text)

    def drop_all(self) -> None:
        for client in list(self.clients):
            client.ws._req.transport.abort()

    def asked(self, path: str) -> list[Any]:
        return [body for endpoint, body in self.requests if endpoint == path]


def _reply(answer: tuple[int, Any]) -> web.Response:
    status, data = answer
    if data is None:
        return web.Response(status=status)
    return web.Response(status=status, text=json.dumps(data), content_type="application/json")


# --- entities as the venue writes them -----------------------------------------------------------------------------


def order(order_id: int, status: str = "Working", *, account: int = 101, contract: int = 501, action: str = "Buy"):
    return {
        "id": order_id,
        "accountId": account,
        "contractId": contract,
        "timestamp": STAMP,
        "action": action,
        "ordStatus": status,
        "admin": False,
    }


def version(order_id: int, qty: int = 1, kind: str = "Market", *, version_id: int = 0, **prices: float):
    return {"id": version_id or order_id + 100_000, "orderId": order_id, "orderQty": qty, "orderType": kind, **prices}


def command(order_id: int, cl_ord_id: str | None = None, *, status: str = "Pending"):
    row = {"id": order_id + 200_000, "orderId": order_id, "timestamp": STAMP, "commandType": "New"}
    row["commandStatus"] = status
    if cl_ord_id is not None:
        row["clOrdId"] = cl_ord_id
    return row


def fill(order_id: int, fill_id: int, qty: int = 1, price: float = 4800.25, *, action: str = "Buy"):
    return {
        "id": fill_id,
        "orderId": order_id,
        "contractId": 501,
        "timestamp": STAMP,
        "action": action,
        "qty": qty,
        "price": price,
        "active": True,
    }


def position(net: int, price: float = 4800.25, *, account: int = 101, position_id: int = 901, stamp: str = STAMP):
    return {
        "id": position_id,
        "accountId": account,
        "contractId": 501,
        "timestamp": stamp,
        "netPos": net,
        "netPrice": price,
    }
