"""A tiny client of the sandbox for its tests: raw frames and requests, written from the protocol page alone."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from brokers.sandbox.server import Options, Sandbox
from brokers.sandbox.settings import DoorSettings
from schema.clock import SYSTEM_CLOCK

DEADLINE_S = 5.0


class RawSocket:
    """One WebSocket: what is sent is text, what comes in is kept in `frames` and, taken apart, in `messages`."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self.frames: list[str] = []
        self.messages: list[dict[str, Any]] = []
        self.closed = False
        self._ids = itertools.count(1)
        self._news = asyncio.Condition()
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for message in self.ws:
            if message.type is aiohttp.WSMsgType.TEXT:
                self.frames.append(message.data)
                if message.data.startswith("a"):
                    self.messages += json.loads(message.data[1:])
            async with self._news:
                self._news.notify_all()
        self.closed = True
        async with self._news:
            self._news.notify_all()

    async def until(self, holds: Callable[[], Any], deadline_s: float = DEADLINE_S) -> Any:
        """What `holds` returns, once it is true."""
        async with asyncio.timeout(deadline_s), self._news:
            await self._news.wait_for(holds)
        return holds()

    async def send(self, text: str) -> None:
        await self.ws.send_str(text)

    async def ask(
        self, endpoint: str, body: Any = "", query: str = "", deadline_s: float = DEADLINE_S
    ) -> dict[str, Any]:
        """Send a request, return its response message."""
        request_id = await self.request(endpoint, body, query)
        return await self.until(lambda: self.answer(request_id), deadline_s)

    async def request(self, endpoint: str, body: Any = "", query: str = "") -> int:
        request_id = next(self._ids)
        text = body if isinstance(body, str) else json.dumps(body)
        await self.send(f"{endpoint}\n{request_id}\n{query}\n{text}")
        return request_id

    def answer(self, request_id: int) -> dict[str, Any] | None:
        return next((message for message in self.messages if message.get("i") == request_id), None)

    def events(self, entity_type: str | None = None) -> list[dict[str, Any]]:
        """The props events so far, entity arrays taken apart: entityType, eventType, entity."""
        found: list[dict[str, Any]] = []
        for message in self.messages:
            if message.get("e") == "props":
                data = message["d"]
                several = data["entity"] if isinstance(data["entity"], list) else [data["entity"]]
                found += [{**data, "entity": entity} for entity in several]
        return [event for event in found if entity_type in (None, event["entityType"])]

    async def close(self) -> None:
        await self.ws.close()
        await self._reader


class Bench:
    """A running sandbox with a client's means: REST, sockets, the control socket."""

    def __init__(self, sandbox: Sandbox, ready: dict[str, Any], http: aiohttp.ClientSession) -> None:
        self.sandbox = sandbox
        self.ready = ready
        self.http = http
        self.sockets: list[RawSocket] = []
        self.tokens: dict[str, dict[str, Any]] = {}

    def login_of(self, name: str) -> dict[str, Any]:
        return next(login for login in self.ready["logins"] if login["username"] == name)

    def account_id(self, login: str = "desk1", number: int = 0) -> int:
        return self.login_of(login)["accounts"][number]["id"]

    async def rest(self, endpoint: str, body: Any = None, token: str = "", query: str = "") -> tuple[int, Any]:
        """Status and body of a REST request; POST with a body, GET without."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = f"{self.ready['rest']}/{endpoint}{'?' + query if query else ''}"
        method = "GET" if body is None else "POST"
        async with self.http.request(method, url, json=body, headers=headers) as response:
            text = await response.text()
            return response.status, json.loads(text) if text else None

    async def login(self, name: str = "desk1") -> dict[str, Any]:
        """Start a session; returns the token response."""
        body = {"name": name, "password": self.login_of(name)["password"], "appId": "test", "cid": 7, "sec": "x"}
        _, answer = await self.rest("auth/accesstokenrequest", body)
        self.tokens[name] = answer
        return answer

    async def open(self, address: str = "ws") -> RawSocket:
        socket = RawSocket(await self.http.ws_connect(self.ready[address]))
        self.sockets.append(socket)
        await socket.until(lambda: socket.frames)
        return socket

    async def synced(self, name: str = "desk1", **sync: Any) -> RawSocket:
        """A socket that is authorised and has synced."""
        token = (self.tokens.get(name) or await self.login(name))["accessToken"]
        socket = await self.open()
        assert (await socket.ask("authorize", token))["s"] == 200
        assert (await socket.ask("user/syncrequest", sync or {"users": [self.tokens[name]["userId"]]}))["s"] == 200
        return socket

    def order(self, login: str = "desk1", **fields: Any) -> dict[str, Any]:
        """The body of a market order for one ES, with changes."""
        body = {"accountId": self.account_id(login), "action": "Buy", "symbol": "ESH4", "orderQty": 1}
        return body | {"orderType": "Market", "isAutomated": True} | fields

    async def control(self, order: str, **fields: Any) -> dict[str, Any]:
        """One order over the real control socket."""
        reader, writer = await asyncio.open_unix_connection(self.ready["control"], limit=1 << 24)
        try:
            writer.write(json.dumps({"order": order, **fields}).encode() + b"\n")
            answer = json.loads(await reader.readline())
        finally:
            writer.close()
        assert answer["ok"], answer
        return answer


@asynccontextmanager
async def running(folder: Path, options: dict[str, Any] | None = None, **door: Any) -> AsyncIterator[Bench]:
    """A sandbox on this loop, without a request budget unless asked for, its market standing still."""
    settings = DoorSettings(**{"requests_per_min": 0, **door})
    sandbox = Sandbox(Options(control=folder / "c.sock", door=settings, **(options or {})), SYSTEM_CLOCK)
    sandbox.market_paused = True
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    running = asyncio.create_task(sandbox.run(ready, stop))
    await asyncio.wait([running, ready], return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        running.result()
    async with aiohttp.ClientSession() as http:
        bench = Bench(sandbox, ready.result(), http)
        try:
            yield bench
        finally:
            for socket in bench.sockets:
                await socket.close()
            stop.set()
            await running
