"""A tiny client of the ProjectX door for its tests: plain HTTP and WebSockets, written from the protocol page alone."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from brokers.sandbox.server import desk_logins
from brokers.sandbox.settings import ProjectXSettings
from schema.symbols import full_month
from tests.brokers.sandbox.raw_client import DEADLINE_S, Bench, running

# The door dates its contracts by its clock: the March of a year ending in 4 that a name means today.
YEAR = full_month("H", "4", datetime.now(UTC).date()) // 100
ES, MES = f"CON.F.US.EP.H{YEAR % 100}", f"CON.F.US.MES.H{YEAR % 100}"
BUY, SELL = 0, 1
LIMIT, MARKET, STOP = 1, 2, 4


class RawHub:
    """One hub connection: messages are what stood between two 0x1E."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self.messages: list[dict[str, Any]] = []
        self.frames: list[str] = []
        self.pings = 0
        self.closed = False
        self._ids = itertools.count(1)
        self._news = asyncio.Condition()
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for message in self.ws:
            if message.type is aiohttp.WSMsgType.TEXT:
                self.frames.append(message.data)
                assert message.data.endswith("\x1e")
                self.messages += [json.loads(part) for part in message.data.split("\x1e")[:-1]]
            elif message.type is aiohttp.WSMsgType.PING:
                self.pings += 1
            async with self._news:
                self._news.notify_all()
        self.closed = True
        async with self._news:
            self._news.notify_all()

    async def until(self, holds: Callable[[], Any], deadline_s: float = DEADLINE_S) -> Any:
        async with asyncio.timeout(deadline_s), self._news:
            await self._news.wait_for(holds)
        return holds()

    async def send(self, message: Any) -> None:
        await self.ws.send_str((message if isinstance(message, str) else json.dumps(message)) + "\x1e")

    async def shake_hands(self) -> None:
        await self.send('{"protocol":"json","version":1}')
        await self.until(lambda: self.messages)
        assert self.messages[0] == {}

    async def invoke(self, target: str, *arguments: Any) -> dict[str, Any]:
        """Call a method of the hub; its completion."""
        number = str(next(self._ids))
        await self.send({"target": target, "arguments": arguments, "invocationId": number, "type": 1})
        return await self.until(lambda: next((m for m in self.messages if m.get("invocationId") == number), None))

    def events(self, target: str) -> list[list[Any]]:
        """The arguments of each event so far."""
        return [m["arguments"] for m in self.messages if m.get("type") == 1 and m["target"] == target]

    def data(self, target: str) -> list[dict[str, Any]]:
        """What the wrapped user events of a kind carry."""
        return [arguments[0]["data"] for arguments in self.events(target)]

    async def close(self) -> None:
        await self.ws.close()
        await self._reader


class ProjectXBench:
    """A running sandbox whose followers are at ProjectX, with a client's means."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.control = bench.control
        self.door = bench.ready["venues"]["projectx"]
        self.tokens: dict[str, str] = {}
        self.hubs: list[RawHub] = []

    def login_of(self, name: str) -> dict[str, Any]:
        return next(login for login in self.door["logins"] if login["username"] == name)

    def account_id(self, login: str = "desk1", number: int = 0) -> int:
        return self.login_of(login)["accounts"][number]["id"]

    async def raw(self, path: str, body: Any = None, token: str = "") -> tuple[int, Any]:
        """Status and body of a POST."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with self.bench.http.post(f"{self.door['rest']}/api/{path}", json=body, headers=headers) as response:
            text = await response.text()
            return response.status, json.loads(text) if text else None

    async def log_in(self, name: str = "desk1") -> str:
        body = {"userName": name, "apiKey": self.login_of(name)["password"]}
        status, answer = await self.raw("Auth/loginKey", body)
        assert (status, answer["success"], answer["errorCode"]) == (200, True, 0)
        self.tokens[name] = answer["token"]
        return answer["token"]

    async def ask(self, path: str, name: str = "desk1", **body: Any) -> dict[str, Any]:
        """An answer with status 200, whatever it says."""
        token = self.tokens.get(name) or await self.log_in(name)
        status, answer = await self.raw(path, body, token)
        assert status == 200, (status, answer)
        return answer

    async def place(self, **fields: Any) -> dict[str, Any]:
        """Place a market order for one ES, with changes."""
        body = {"accountId": self.account_id(), "contractId": ES, "type": MARKET, "side": BUY, "size": 1}
        return await self.ask("Order/place", **(body | fields))

    async def open(self, hub: str = "user", name: str = "desk1", *, negotiate: bool = False) -> RawHub:
        token = self.tokens.get(name) or await self.log_in(name)
        address = self.door[f"{hub}_hub"]
        if negotiate:
            headers = {"Authorization": f"Bearer {token}"}
            async with self.bench.http.post(f"{address}/negotiate?negotiateVersion=1", headers=headers) as response:
                offered = await response.json()
            assert offered["negotiateVersion"] == 1
            assert offered["availableTransports"][0]["transport"] == "WebSockets"
            socket = await self.bench.http.ws_connect(f"{address}?id={offered['connectionToken']}", headers=headers)
        else:
            socket = await self.bench.http.ws_connect(f"{address}?access_token={token}", autoping=False)
        opened = RawHub(socket)
        self.hubs.append(opened)
        await opened.shake_hands()
        return opened

    async def subscribed(self, name: str = "desk1", number: int = 0) -> RawHub:
        """A user hub that follows everything of one account."""
        hub = await self.open(name=name)
        account_id = self.account_id(name, number)
        for target, arguments in (
            ("SubscribeAccounts", []),
            ("SubscribeOrders", [account_id]),
            ("SubscribePositions", [account_id]),
            ("SubscribeTrades", [account_id]),
        ):
            assert (await hub.invoke(target, *arguments)).get("error") is None
        return hub


@asynccontextmanager
async def projectx(folder: Path, **settings: Any) -> AsyncIterator[ProjectXBench]:
    """The leader at Tradovate, two logins of two accounts at ProjectX, the market standing still."""
    options = {
        "logins": desk_logins(2, 2, ("projectx",)),
        "projectx": ProjectXSettings(**{"requests": 0, **settings}),
    }
    async with running(folder, options) as bench:
        started = ProjectXBench(bench)
        try:
            yield started
        finally:
            for hub in started.hubs:
                await hub.close()
