"""A Tradovate client written from `protocols/tradovate.md` alone, as an outsider would: aiohttp, JSON and the page."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.peers.door import until


class Answer:
    """An HTTP answer: its status, its JSON (None when the body is empty) and its text."""

    def __init__(self, status: int, text: str) -> None:
        self.status = status
        self.text = text
        self.json: Any = json.loads(text) if text[:1] in ("{", "[") else (text or None)


class Rest:
    """REST with one login."""

    def __init__(self, session: aiohttp.ClientSession, base: str, login: dict[str, Any]) -> None:
        self.session = session
        self.base = base
        self.login = login
        self.token: str | None = None
        self.token_answer: dict[str, Any] = {}

    async def call(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> Answer:
        """`path` may have a query; `token` '' sends none."""
        bearer = self.token if token is None else token
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        async with self.session.request(method, f"{self.base}/{path}", json=body, headers=headers) as answer:
            return Answer(answer.status, await answer.text())

    async def get(self, path: str) -> Any:
        answer = await self.call("GET", path)
        assert answer.status == 200, (path, answer.status, answer.text)
        return answer.json

    async def post(self, path: str, body: Any) -> Any:
        answer = await self.call("POST", path, body)
        assert answer.status == 200, (path, answer.status, answer.text)
        return answer.json

    def credentials(self) -> dict[str, Any]:
        return {
            "name": self.login["username"],
            "password": self.login["password"],
            "appId": "Outsider",
            "appVersion": "1.0",
            "deviceId": "0b7f7c1e-peer",
            "cid": 8,
            "sec": "f03741b6-f634-48d6-9308-c8fb871150c2",
        }

    async def log_in(self, **changed: Any) -> dict[str, Any]:
        answer = await self.call("POST", "auth/accesstokenrequest", self.credentials() | changed, token="")
        assert answer.status == 200, answer.text
        if "accessToken" in answer.json:
            self.token = answer.json["accessToken"]
            self.token_answer = answer.json
        return answer.json


class Socket:
    """One WebSocket. `frames` are the text frames as they came, `events` and `answers` what was in the `a` frames."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self.frames: list[str] = []
        self.events: list[dict[str, Any]] = []
        self.answers: list[dict[str, Any]] = []
        self.closed = False
        self._numbers = iter(range(2, 1_000_000))

    async def read(self) -> None:
        async for message in self.ws:
            assert message.type is aiohttp.WSMsgType.TEXT, message
            frame: str = message.data
            self.frames.append(frame)
            assert frame[0] in "ohac", frame
            if frame[0] in "oh":
                assert len(frame) == 1, frame
                continue
            items = json.loads(frame[1:])
            assert isinstance(items, list), frame
            if frame[0] == "a":
                assert items, "an `a` frame has 1..n messages"
                for item in items:
                    (self.events if "e" in item else self.answers).append(item)
        self.closed = True

    async def raw(self, text: str) -> None:
        await self.ws.send_str(text)

    async def call(self, endpoint: str, query: str = "", body: Any = "") -> dict[str, Any]:
        """A request and its answer, ``{"i", "s", "d"?}``."""
        number = next(self._numbers)
        await self.raw(f"{endpoint}\n{number}\n{query}\n{body if isinstance(body, str) else json.dumps(body)}")
        return await self.answer(number)

    async def answer(self, number: int, within_s: float = 5.0) -> dict[str, Any]:
        found = await until(lambda: [a for a in self.answers if a.get("i") == number], within_s, f"answer {number}")
        return found[0]

    def props(self, entity_type: str | None = None) -> list[dict[str, Any]]:
        """The entities told by `props` events, in order."""
        found: list[dict[str, Any]] = []
        for event in self.events:
            if event["e"] == "props" and entity_type in (None, event["d"]["entityType"]):
                entity = event["d"]["entity"]
                found += entity if isinstance(entity, list) else [entity]
        return found

    def of(self, kind: str) -> list[Any]:
        return [event["d"] for event in self.events if event["e"] == kind]

    async def wait(self, true: Callable[[], Any], within_s: float = 5.0) -> Any:
        return await until(true, within_s)


@asynccontextmanager
async def socket(
    session: aiohttp.ClientSession, url: str, token: str | None = None, *, beat: bool = True
) -> AsyncIterator[Socket]:
    """An open socket, authorised when there is a token; the client's heartbeat `[]` runs every 2.5 s."""
    async with session.ws_connect(url, autoping=True) as ws:
        opened = Socket(ws)
        reading = asyncio.create_task(opened.read())

        async def beats() -> None:
            while not ws.closed:
                await ws.send_str("[]")
                await asyncio.sleep(2.5)

        await until(lambda: opened.frames, what="the open frame")
        assert opened.frames[0] == "o"
        beating = asyncio.create_task(beats()) if beat else None
        try:
            if token is not None:
                await opened.raw(f"authorize\n1\n\n{token}")
                assert await opened.answer(1) == {"s": 200, "i": 1}
            yield opened
        finally:
            if beating is not None:
                beating.cancel()
            await ws.close()
            await reading


@asynccontextmanager
async def rest(base: str, login: dict[str, Any], *, log_in: bool = True) -> AsyncIterator[Rest]:
    async with aiohttp.ClientSession() as session:
        opened = Rest(session, base, login)
        if log_in:
            await opened.log_in()
        yield opened
