"""One WebSocket connection of the Binance door: its streams, its requests, its pings, and how it ends
(`docs/binance.md` 2 to 4). `binance_streams.py` feeds it."""

import asyncio
import re
from collections import deque
from typing import Any

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from brokers.sandbox.binance_rest import LOGIN
from brokers.sandbox.doors import House
from brokers.sandbox.settings import BinanceSettings

_METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
_TEXT_ID = re.compile(r"[0-9A-Za-z_-]{0,36}")
_CHECK_S = 0.02
_encode = msgspec.json.Encoder().encode


class Refused(Exception):
    """A request that is answered an error."""

    def __init__(self, code: int, text: str, *, number: Any = msgspec.UNSET) -> None:
        super().__init__(text)
        self.code = code
        self.number = number


class BinanceSocket:
    """See the module's docstring. `send` never waits: a client that does not read is let go."""

    def __init__(
        self, ws: web.WebSocketResponse, request: web.Request, house: House, settings: BinanceSettings
    ) -> None:
        self.streams: dict[str, None] = {}
        self.combined = True
        self.most_in_a_second = 0
        self._ws = ws
        self._request = request
        self._house = house
        self._settings = settings
        self._out: deque[tuple[WSMsgType, bytes]] = deque()
        self._news = asyncio.Event()
        self._came: deque[float] = deque()
        self._pinged: dict[bytes, float] = {}

    async def serve(self) -> None:
        """Until either side ends it."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work()) for work in (self._write, self._keep_time)]
            try:
                async for message in self._ws:
                    if not self._counted() or not self._take(message.type, message.data):
                        break
            finally:
                for task in tasks:
                    task.cancel()
        await self._ws.close()

    def tell(self, stream: str, payload: bytes) -> None:
        """An event of one of its streams."""
        self.send(b'{"stream":"%b","data":%b}' % (stream.encode(), payload) if self.combined else payload)

    def send(self, frame: bytes) -> None:
        faults = self._house.faults
        if faults.left_s(faults.silent_until_ns, LOGIN):
            return
        if faults.frame_cuts(LOGIN):
            self.abort()
            return
        if len(self._out) >= self._settings.queued:
            self.abort()
            return
        self._put(WSMsgType.TEXT, frame)

    def close(self, text: str, code: int = WSCloseCode.GOING_AWAY) -> None:
        """Take leave by a close frame."""
        self._put(WSMsgType.CLOSE, code.to_bytes(2, "big") + text.encode())

    def abort(self) -> None:
        """Break it at once, without a farewell."""
        if self._request.transport is not None:
            self._request.transport.abort()

    # --- inside ------------------------------------------------------------------------------------------------------

    async def _write(self) -> None:
        try:
            while True:
                await self._news.wait()
                self._news.clear()
                while self._out:
                    await self._send(*self._out.popleft())
        except ConnectionError:
            self.abort()

    async def _send(self, kind: WSMsgType, data: bytes) -> None:
        if kind is WSMsgType.TEXT:
            await self._ws.send_str(data.decode())
        elif kind is WSMsgType.PING:
            await self._ws.ping(data)
        elif kind is WSMsgType.PONG:
            await self._ws.pong(data)
        else:
            await self._ws.close(code=int.from_bytes(data[:2], "big"), message=data[2:])

    def _put(self, kind: WSMsgType, data: bytes) -> None:
        self._out.append((kind, data))
        self._news.set()

    async def _keep_time(self) -> None:
        """Pings, what becomes of those without an answer, and the end of its life."""
        loop, settings, faults = asyncio.get_running_loop(), self._settings, self._house.faults
        ends_at, ping_at = loop.time() + settings.life_s, loop.time() + settings.ping_s
        while True:
            await asyncio.sleep(min(_CHECK_S, settings.ping_s))
            now = loop.time()
            if now >= ends_at:
                self.close("24 hours are over")
                return
            if self._pinged and now - min(self._pinged.values()) > settings.pong_within_s:
                self.close("Pong timeout", WSCloseCode.POLICY_VIOLATION)
                return
            if now >= ping_at and not faults.left_s(faults.silent_until_ns, LOGIN):
                ping_at = now + settings.ping_s
                payload = str(self._house.clock.now_ns() // 1_000_000).encode()
                self._pinged[payload] = now
                self._put(WSMsgType.PING, payload)

    def _counted(self) -> bool:
        """Count an incoming message; False: it is one too many."""
        now = asyncio.get_running_loop().time()
        self._came.append(now)
        while self._came[0] <= now - 1.0:
            self._came.popleft()
        self.most_in_a_second = max(self.most_in_a_second, len(self._came))
        if len(self._came) > self._settings.messages_per_s:
            self._house.count(LOGIN, "too many messages")
            self.abort()
            return False
        return True

    def _take(self, kind: WSMsgType, data: Any) -> bool:
        """One frame; False: it ends the connection."""
        if kind is WSMsgType.PONG:
            sent_at = self._pinged.get(bytes(data))
            if sent_at is not None:  # it answers those before it as well
                self._pinged = {payload: at for payload, at in self._pinged.items() if at > sent_at}
        elif kind is WSMsgType.PING:
            self._put(WSMsgType.PONG, bytes(data))
        elif kind is WSMsgType.TEXT:
            self.send(self._answer(data))
            if len(self.streams) > self._settings.streams:
                self._house.count(LOGIN, "too many streams")
                self.abort()
                return False
        return True

    def _answer(self, text: str) -> bytes:
        try:
            number, result = self._carry_out(text)
            return _encode({"result": result, "id": number})
        except Refused as refused:
            said: dict[str, Any] = {"code": refused.code, "msg": str(refused)}
            named = {} if refused.number is msgspec.UNSET else {"id": refused.number}
            return _encode({"error": said} | named if self._settings.wrapped_errors else said | named)

    def _carry_out(self, text: str) -> tuple[Any, Any]:
        try:
            wish = msgspec.json.decode(text)
        except (msgspec.MsgspecError, RecursionError) as error:
            place = re.search(r"byte (\d+)", str(error))
            column = int(place[1]) + 1 if place else len(text)
            raise Refused(3, f"Invalid JSON: expected value at line 1 column {column}") from None
        if not isinstance(wish, dict) or "method" not in wish:
            raise Refused(2, f"Invalid request: missing field `method` at line 1 column {len(text)}")
        wished: dict[str, Any] = wish  # pyright: ignore[reportUnknownVariableType]
        method, number, params = wished["method"], wished.get("id"), wished.get("params")
        if method not in _METHODS:
            known = ", ".join(f"`{each}`" for each in _METHODS)
            raise Refused(
                2, f"Invalid request: unknown variant `{method}`, expected one of {known} at line 1 column 28"
            )
        if not _good_id(number):
            raise Refused(2, "Invalid request: request ID must be an unsigned integer")
        return number, self._perform(method, number, params)

    def _perform(self, method: str, number: Any, params: Any) -> Any:
        if method == "LIST_SUBSCRIPTIONS":
            if params:
                raise Refused(2, "Invalid request: too many parameters")
            return list(self.streams)
        given: list[Any] = list(params) if isinstance(params, list) else []  # pyright: ignore[reportUnknownArgumentType]
        if method in ("SET_PROPERTY", "GET_PROPERTY"):
            return self._property(method, number, given)
        streams = [each for each in given if isinstance(each, str)]
        if not streams or len(streams) != len(given):
            raise Refused(2, "Invalid request: params must be the names of streams")
        if method == "UNSUBSCRIBE":
            for stream in streams:
                self.streams.pop(stream, None)
            return None
        wanted = self.streams | dict.fromkeys(streams)
        if len(wanted) > self._settings.streams and not self._settings.over_streams_disconnects:
            raise Refused(2, f"Invalid request: more than {self._settings.streams} streams", number=number)
        self.streams = wanted
        return None

    def _property(self, method: str, number: Any, given: list[Any]) -> bool | None:
        if not given or not isinstance(given[0], str):
            raise Refused(2, "Invalid request: property name must be a string")
        if len(given) > (2 if method == "SET_PROPERTY" else 1):
            raise Refused(2, "Invalid request: too many parameters")
        if given[0] != "combined":
            raise Refused(0, "Unknown property", number=number)
        if method == "GET_PROPERTY":
            return self.combined
        if len(given) < 2 or not isinstance(given[1], bool):
            raise Refused(1, "Invalid value type: expected Boolean")
        self.combined = given[1]
        return None


def _good_id(number: Any) -> bool:
    if isinstance(number, str):
        return _TEXT_ID.fullmatch(number) is not None
    return number is None or (isinstance(number, int) and not isinstance(number, bool) and abs(number) < 1 << 63)
