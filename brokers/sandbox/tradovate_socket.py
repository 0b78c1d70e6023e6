"""One WebSocket at the Tradovate door: framing, heartbeats, authorisation (`protocols/tradovate.md 1.4`).

Made by `server.py` for each connection to the user or the market data address; both take every request.
"""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import msgspec
from aiohttp import WSMsgType, web

from brokers.sandbox.doors import Received, sit_out
from brokers.sandbox.tradovate_auth import Session
from brokers.sandbox.tradovate_call import Answer, Call, Malformed, encode, endpoint_name, read_arguments
from brokers.sandbox.tradovate_door import Door

_CHECK_S = 0.1
GO_AWAY = 'c[3000,"Go away!"]'


class Socket:
    """See the module's docstring. `tasks` outlives the socket: what was asked is done though nobody listens.
    `frame_sent` is told of each frame before it leaves; True breaks the connection instead."""

    def __init__(
        self,
        door: Door,
        ws: web.WebSocketResponse,
        transport: asyncio.BaseTransport | None,
        tasks: asyncio.TaskGroup,
        frame_sent: Callable[["Socket"], bool],
    ) -> None:
        self.session: Session | None = None
        self._door = door
        self._ws = ws
        self._transport = transport
        self._tasks = tasks
        self._frame_sent = frame_sent
        self._outbox: list[str] = []
        self._wake = asyncio.Event()
        self._closing = False
        self._parts: list[dict[str, Any]] = []
        self._opened_ns = self._sent_ns = self._heard_ns = door.clock.now_ns()

    @property
    def login(self) -> str:
        return self.session.user.name if self.session else ""

    # --- sending -------------------------------------------------------------------------------------------------

    def send_messages(self, messages: list[bytes]) -> None:
        """One `a` frame with these messages. Never fails: a socket that is gone drops them."""
        self._put("a[" + b",".join(messages).decode() + "]")

    def split_next_answer(self, parts: list[dict[str, Any]]) -> None:
        """The answer about to be given comes after these parts, each a response with the same id."""
        self._parts = parts

    def go_away(self, *, frame: bool = True) -> None:
        """Close, with or without saying so, once what is waiting has been sent."""
        if frame:
            self._put(GO_AWAY)
        self._closing = True
        self._wake.set()

    def abort(self) -> None:
        """Break the connection without a word."""
        if self._transport is not None:
            cast(asyncio.WriteTransport, self._transport).abort()  # uvloop's is none of asyncio's classes

    def _put(self, frame: str) -> None:
        if not self._closing:
            self._outbox.append(frame)
            self._wake.set()

    def _answer(self, request_id: int, answer: Answer) -> None:
        if answer.undelivered:
            return
        parts, self._parts = self._parts, []
        for part in parts:
            self.send_messages([encode({"s": answer.status, "i": request_id, "d": part})])
        message: dict[str, Any] = {"s": answer.status, "i": request_id}
        if answer.data is not None:
            message["d"] = answer.data
        self.send_messages([encode(message)])

    # --- the three loops -----------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Live until either side closes."""
        self._put("o")
        try:
            async with asyncio.TaskGroup() as group:
                others = [group.create_task(self._write()), group.create_task(self._watch())]
                try:
                    await self._read()
                finally:
                    for task in others:
                        task.cancel()
        finally:
            self._closing = True
            self._door.stream.leave(self)
            self._door.market_data.leave(self)

    async def _read(self) -> None:
        async for message in self._ws:
            await sit_out(self._door.faults, self._door.faults.hanging_until_ns, self.login)
            self._heard_ns = self._door.clock.now_ns()
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                text = message.data if isinstance(message.data, str) else message.data.decode("utf-8", "replace")
                self._on_frame(text)

    async def _write(self) -> None:
        faults = self._door.faults
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._outbox:
                    await sit_out(faults, faults.silent_until_ns, self.login)
                    if self._frame_sent(self):
                        return
                    await self._ws.send_str(self._outbox.pop(0))
                    self._sent_ns = self._door.clock.now_ns()
                if self._closing:
                    await self._ws.close()
                    return
        except ConnectionError:
            self.abort()

    async def _watch(self) -> None:
        """Heartbeats when idle; the end for who does not authorise or has fallen silent."""
        settings = self._door.settings
        while True:
            await asyncio.sleep(_CHECK_S)
            now_ns = self._door.clock.now_ns()
            if now_ns - self._sent_ns >= settings.heartbeat_s * 1e9 and not self._outbox:
                self._put("h")
            late = self.session is None and now_ns - self._opened_ns > settings.authorize_within_s * 1e9
            if late or now_ns - self._heard_ns > settings.client_silence_s * 1e9:
                self.go_away()
                return

    # --- requests ------------------------------------------------------------------------------------------------

    def _on_frame(self, text: str) -> None:
        if not text.strip() or text.strip() == "[]":
            return
        endpoint, number, query, body = [*text.split("\n", 3), "", "", ""][:4]
        try:
            request_id = int(number)
        except ValueError:
            self._answer(0, Answer(status=400, data="The second line must be the request's id"))
            return
        endpoint = endpoint_name(endpoint)
        if endpoint == "authorize":
            self._authorize(request_id, body or query)
            return
        try:
            arguments = read_arguments(query, body)
        except Malformed as error:
            self._answer(request_id, Answer(status=400, data=str(error)))
            return
        call = Call(
            endpoint=endpoint,
            arguments=arguments,
            arrived_ns=self._heard_ns,
            session=self.session if self.session and self._door.auth.alive(self.session) else None,
            socket=self,
        )
        refusal, received = self._door.admit(call)
        if refusal is not None:
            self._answer(request_id, refusal)
        elif delay_s := self._door.faults.delay_s(self.login):
            self._tasks.create_task(self._perform_later(call, received, request_id, delay_s))
        else:
            self._perform(call, received, request_id)

    async def _perform_later(self, call: Call, received: Received | None, request_id: int, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        self._perform(call, received, request_id)

    def _perform(self, call: Call, received: Received | None, request_id: int) -> None:
        answer = self._door.perform(call, received)
        if self._door.faults.events_of(call.login).before_answer:
            self._door.stream.flush()
        self._answer(request_id, answer)

    def _authorize(self, request_id: int, body: str) -> None:
        token = body.strip()
        if token.startswith('"'):
            try:
                token = msgspec.json.decode(token, type=str)
            except (msgspec.DecodeError, RecursionError):
                token = ""
        session = self._door.auth.session(token)
        if session is None:
            self._answer(request_id, Answer(status=401, data="Invalid access token"))
            return
        self.session = session
        if self._door.faults.left_s(self._door.faults.refuse_until_ns, self.login):
            self.abort()
            return
        self._answer(request_id, Answer())
