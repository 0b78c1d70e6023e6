"""A ProjectX client written from `protocols/projectx.md` alone: REST by aiohttp, the hubs as SignalR's JSON protocol by
hand."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.peers.door import until

RS = "\x1e"


class Gateway:
    """REST with one login."""

    def __init__(self, session: aiohttp.ClientSession, base: str, login: dict[str, Any]) -> None:
        self.session = session
        self.base = base.rstrip("/").removesuffix("/api")
        self.login = login
        self.token = ""

    async def raw(self, path: str, body: Any = None, *, token: str | None = None, method: str = "POST") -> Any:
        """Status, content type and text."""
        bearer = self.token if token is None else token
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        async with self.session.request(method, f"{self.base}/api/{path}", json=body, headers=headers) as answer:
            return answer.status, answer.content_type, await answer.text()

    async def post(self, path: str, **body: Any) -> dict[str, Any]:
        """An answer with HTTP 200; whether it succeeded is in it."""
        status, _, text = await self.raw(path, body)
        assert status == 200, (path, status, text)
        answer = json.loads(text)
        assert {"success", "errorCode", "errorMessage"} <= set(answer), answer
        return answer

    async def good(self, path: str, **body: Any) -> dict[str, Any]:
        answer = await self.post(path, **body)
        assert answer["success"] is True, answer
        assert answer["errorCode"] == 0, answer
        return answer

    async def log_in(self) -> dict[str, Any]:
        answer = await self.post("Auth/loginKey", userName=self.login["username"], apiKey=self.login["password"])
        if answer["success"]:
            self.token = answer["token"]
        return answer


class Hub:
    """One hub connection. `messages` is everything the server said, `closed` whether it ended."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self.messages: list[dict[str, Any]] = []
        self.ws_pings = 0
        self.closed = False
        self._numbers = iter(range(1, 1_000_000))

    async def read(self) -> None:
        kept = ""
        async for message in self.ws:
            if message.type is aiohttp.WSMsgType.PING:
                self.ws_pings += 1
                continue
            assert message.type is aiohttp.WSMsgType.TEXT, message
            *whole, kept = (kept + message.data).split(RS)
            self.messages += [json.loads(each) for each in whole]
        assert not kept, "every message ends with 0x1E"
        self.closed = True

    async def send(self, message: dict[str, Any]) -> None:
        await self.ws.send_str(json.dumps(message) + RS)

    async def invoke(self, target: str, *arguments: Any, **extra: Any) -> dict[str, Any]:
        number = str(next(self._numbers))
        await self.send({"target": target, "arguments": list(arguments), "invocationId": number, "type": 1} | extra)
        return (await until(lambda: [m for m in self.messages if m.get("invocationId") == number]))[0]

    def events(self, target: str) -> list[list[Any]]:
        return [m["arguments"] for m in self.messages if m.get("type") == 1 and m["target"] == target]

    def data(self, target: str) -> list[dict[str, Any]]:
        """The payloads of user events, out of their wrapper if they are in one."""
        found = [arguments[0] for arguments in self.events(target)]
        return [each["data"] if set(each) == {"action", "data"} else each for each in found]


@asynccontextmanager
async def hub(gateway: Gateway, url: str, *, negotiate: bool = False, token: str | None = None) -> AsyncIterator[Hub]:
    """An open hub after its handshake. `url` is http(s) or ws(s)."""
    http = url.replace("ws", "http", 1) if url.startswith("ws") else url
    bearer = gateway.token if token is None else token
    if negotiate:
        headers = {"Authorization": f"Bearer {bearer}"}
        async with gateway.session.post(f"{http}/negotiate?negotiateVersion=1", headers=headers) as answer:
            assert answer.status == 200, answer.status
            found = await answer.json()
        assert found["negotiateVersion"] == 1
        assert found["connectionId"]
        websockets = [each for each in found["availableTransports"] if each["transport"] == "WebSockets"]
        assert websockets[0]["transferFormats"] == ["Text", "Binary"]
        target = f"{http}?id={found['connectionToken']}&access_token={bearer}"
    else:
        target = f"{http}?access_token={bearer}"
    async with gateway.session.ws_connect(target, autoping=False) as ws:
        opened = Hub(ws)
        reading = asyncio.create_task(opened.read())
        await ws.send_str('{"protocol":"json","version":1}' + RS)
        assert await until(lambda: opened.messages) == [{}]
        opened.messages.clear()
        await opened.send({"type": 6})
        try:
            yield opened
        finally:
            await ws.close()
            await reading


@asynccontextmanager
async def gateway(base: str, login: dict[str, Any], *, log_in: bool = True) -> AsyncIterator[Gateway]:
    async with aiohttp.ClientSession() as session:
        opened = Gateway(session, base, login)
        if log_in:
            assert (await opened.log_in())["success"]
        yield opened
