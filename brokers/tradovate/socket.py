"""One authorized WebSocket to the venue: handshake, heartbeats, requests and their answers, death by silence.
`session.py` (orders) and `market_data.py` build on it (`protocols/tradovate.md 1.4`)."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Sequence
from weakref import WeakKeyDictionary

import aiohttp
import msgspec
from aiohttp.http_websocket import WSMessageNoDecodeText

from brokers.text import NOT_READ, utf8
from brokers.tradovate import wire
from brokers.tradovate.http import host_of, why
from schema.clock import Clock

BEAT_S = 2.5
SILENCE_S = 10.0
HANDSHAKE_S = 5.0
MAX_HANDSHAKES = 2
MAX_FRAME_BYTES = 64 * 1024 * 1024  # a sync reply at the end of a busy session
STUCK_BYTES = 32 * 1024  # unsent bytes above this: the venue has stopped reading; aiohttp itself waits from 64 KiB


class StreamLost(Exception):
    """The socket is of no more use; the text says why. `wait_s`: the venue asked to stay away that long; `reached`:
    whether it answered at all; `status`: of the refused authorize."""

    def __init__(
        self, reason: str, *, wait_s: float | None = None, reached: bool = True, status: int | None = None
    ) -> None:
        super().__init__(reason)
        self.wait_s = wait_s
        self.reached = reached
        self.status = status


# Shared by all logins of the process on purpose: the venue counts handshakes by host and address, not by login, and a
# desk whose twenty logins reconnect together must not be the storm that gets it locked out. Keyed by loop, so that
# loops (tests, a second engine) never share a semaphore.
_gates: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, asyncio.Semaphore]] = WeakKeyDictionary()


@contextlib.asynccontextmanager
async def handshake_gate(url: str) -> AsyncGenerator[None]:
    """At most two handshakes at a time per host (T-STORM)."""
    gates = _gates.setdefault(asyncio.get_running_loop(), {})
    async with gates.setdefault(host_of(url), asyncio.Semaphore(MAX_HANDSHAKES)):
        yield


# Called with the answer, or with None when the socket was lost before it came.
OnAnswer = Callable[[wire.Envelope | None, int], None]
OnEvent = Callable[[wire.Envelope, int], None]
OnUnreadable = Callable[[bytes, str, int], None]


class VenueSocket:
    """An open, authorized socket. `serve` reads it until it is lost; answers and events are handed over in the order
    of the wire, with the time their frame was read."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse[bool], transport: asyncio.WriteTransport, clock: Clock):
        self.last_message_ns = clock.now_ns()
        self.round_trip_ms = -1.0
        self._ws = ws
        self._transport = transport
        self._clock = clock
        self._next_id = 1  # 1 was the authorize request
        self._waiting: dict[int, tuple[OnAnswer, int, bool]] = {}
        self._lost: StreamLost | None = None

    @property
    def writable(self) -> bool:
        """Whether the venue still takes bytes."""
        return self._lost is None and self._transport.get_write_buffer_size() < STUCK_BYTES

    async def request(
        self, endpoint: str, on_answer: OnAnswer, *, query: str = "", body: bytes = b"", many: bool = False
    ) -> int:
        """Write one request; does not wait unless the socket is stuck (see `writable`). `many`: the answer may come
        in several parts. Raises StreamLost when proven not written."""
        if self._lost is not None:
            raise StreamLost(str(self._lost))
        self._next_id = request_id = self._next_id + 1
        self._waiting[request_id] = (on_answer, self._clock.now_ns(), many)
        try:
            await self._ws.send_frame(wire.request_frame(endpoint, request_id, query, body), aiohttp.WSMsgType.TEXT)
        except ConnectionError:
            # aiohttp raises it before it writes: the transport is closing.
            del self._waiting[request_id]
            raise StreamLost("the connection is closing") from None
        return request_id

    def request_all(self, requests: Sequence[tuple[str, OnAnswer, bytes]]) -> None:
        """Write requests, each its endpoint, the handler of its answer and its body, to the socket in one piece and at
        once: five writes took five times as long. Only while `writable`. Raises StreamLost when proven that none was
        written."""
        if self._lost is not None:
            raise StreamLost(str(self._lost))
        if self._transport.is_closing():
            raise StreamLost("the connection is closing")
        now_ns = self._clock.now_ns()
        payloads: list[bytes] = []
        for endpoint, on_answer, body in requests:
            self._next_id += 1
            self._waiting[self._next_id] = (on_answer, now_ns, False)
            payloads.append(wire.request_frame(endpoint, self._next_id, body=body))
        self._transport.write(wire.text_frames(payloads))

    async def ask(self, endpoint: str, *, query: str = "", body: bytes = b"", timeout_s: float) -> wire.Envelope:
        """One request and its answer. Raises StreamLost (not written), or TimeoutError or ConnectionError when it was
        written and no answer came."""
        answered: asyncio.Future[wire.Envelope] = asyncio.get_running_loop().create_future()

        def settle(envelope: wire.Envelope | None, _: int) -> None:
            if answered.done():
                return
            if envelope is None:
                answered.set_exception(ConnectionError("connection lost before the answer"))
            else:
                answered.set_result(envelope)

        await self.request(endpoint, settle, query=query, body=body)
        async with asyncio.timeout(timeout_s):
            return await answered

    def forget(self, request_id: int) -> None:
        self._waiting.pop(request_id, None)

    def fail(self, reason: StreamLost) -> None:
        """End `serve` with `reason`."""
        if self._lost is None:
            self._lost = reason
            self._transport.close()

    async def serve(self, on_event: OnEvent, on_unreadable: OnUnreadable) -> None:
        """Read until the socket is lost, which is the only way out: raises StreamLost. Requests without an answer are
        told so by `abandon`, which the caller calls once it has said that the stream is down. After each frame of
        messages the engine and the other logins have their turn, before the rest of what came with it is read: a fill
        is copied 0.1 ms sooner, and a venue that sends thousands a second holds up nobody."""
        beats = asyncio.get_running_loop().create_task(self._beat())
        try:
            while True:
                data = await self._receive()
                now_ns = self._clock.now_ns()
                self.last_message_ns = now_ns
                try:
                    frame = wire.parse_frame(data)
                except wire.Unreadable as error:
                    on_unreadable(data, str(error), now_ns)
                    continue
                if isinstance(frame, wire.Messages):
                    for envelope in frame.readable:
                        if envelope.i is not None and envelope.e is None:
                            self._answer(envelope, now_ns)
                        else:
                            on_event(envelope, now_ns)
                    for raw, error in frame.unreadable:
                        on_unreadable(raw, error, now_ns)
                    await asyncio.sleep(0)
                elif isinstance(frame, wire.Closed):
                    raise StreamLost(f"the venue closed the socket: {frame.reason or frame.code}")
        except StreamLost as lost:
            self.fail(lost)
            raise
        finally:
            beats.cancel()
            await asyncio.wait([beats])
            if self._lost is None:
                self.fail(StreamLost("closed by the desk"))
            # A venue that hangs must not hold up the next connection: no closing handshake.
            self._transport.abort()
            await self._ws.close()

    def abandon(self) -> None:
        """Tell every request without an answer that there will be none."""
        waiting, self._waiting = self._waiting, {}
        now_ns = self._clock.now_ns()
        for on_answer, _, _ in waiting.values():
            on_answer(None, now_ns)

    def _answer(self, envelope: wire.Envelope, now_ns: int) -> None:
        request_id = envelope.i or 0
        waiting = self._waiting.get(request_id)
        if waiting is None:
            return
        on_answer, sent_ns, many = waiting
        if not many:
            del self._waiting[request_id]
        self.round_trip_ms = (now_ns - sent_ns) / 1e6
        on_answer(envelope, now_ns)

    async def _receive(self) -> bytes:
        try:
            message = await self._ws.receive(timeout=SILENCE_S)
        except TimeoutError:
            raise StreamLost(f"nothing from the venue for {SILENCE_S:.0f} s") from None
        if self._lost is not None:
            raise self._lost
        return _text(message)

    async def _beat(self) -> None:
        """`[]` every 2.5 s, also while data flows; a stuck socket is left to the silence rule."""
        while True:
            await asyncio.sleep(BEAT_S)
            if self._transport.get_write_buffer_size() < STUCK_BYTES:
                try:
                    await self._ws.send_frame(wire.HEARTBEAT_FRAME, aiohttp.WSMsgType.TEXT)
                except ConnectionError:
                    return  # the reader sees the same end


def _text(message: aiohttp.WSMessage | WSMessageNoDecodeText) -> bytes:
    if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
        data: bytes | str = message.data
        return data.encode() if isinstance(data, str) else utf8(data)
    raise StreamLost("the connection was closed")


async def open_socket(http: aiohttp.ClientSession, url: str, token: str, clock: Clock) -> VenueSocket:
    """Connect, wait for `o`, authorize. Raises StreamLost; its `status` is the venue's when it refused the token."""
    host = host_of(url)
    try:
        async with asyncio.timeout(HANDSHAKE_S):
            ws = await http.ws_connect(
                url,
                max_msg_size=MAX_FRAME_BYTES,
                decode_text=False,
                timeout=aiohttp.ClientWSTimeout(ws_close=0.5),  # pyright: ignore[reportCallIssue] - attrs class
            )
    except aiohttp.WSServerHandshakeError as error:
        raise StreamLost(f"{host} refused the socket: HTTP {error.status}") from None
    except (aiohttp.ClientConnectorError, aiohttp.InvalidURL) as error:
        raise StreamLost(f"{host} cannot be reached: {why(error)}", reached=False) from None
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise StreamLost(f"{host} did not open the socket: {why(error)}") from None
    transport = _transport_of(ws)
    authorized = False
    try:
        async with asyncio.timeout(HANDSHAKE_S):
            await _authorize(ws, token, host)
        authorized = True
    except TimeoutError:
        raise StreamLost(f"{host} did not answer authorize in {HANDSHAKE_S:.0f} s") from None
    except ConnectionError:
        raise StreamLost(f"{host} closed the socket before authorize") from None
    finally:
        if not authorized:
            transport.abort()
            await ws.close()
    return VenueSocket(ws, transport, clock)


def _transport_of(ws: aiohttp.ClientWebSocketResponse[bool]) -> asyncio.WriteTransport:
    """The transport under the socket: how much is unsent is known only there."""
    connection = ws._response.connection  # pyright: ignore[reportPrivateUsage]
    if connection is None or connection.transport is None:
        raise StreamLost("the connection was closed")
    return connection.transport


async def _authorize(ws: aiohttp.ClientWebSocketResponse[bool], token: str, host: str) -> None:
    """`o` first, then the bare token; the answer has no `d` when it is yes, and was seen with id 0 when it is no."""
    sent = False
    while True:
        try:
            frame = wire.parse_frame(_text(await ws.receive()))
        except wire.Unreadable:
            continue
        if isinstance(frame, wire.Closed):
            raise StreamLost(f"{host} closed the socket: {frame.reason or frame.code}")
        if isinstance(frame, wire.Open) and not sent:
            sent = True
            await ws.send_frame(wire.request_frame("authorize", 1, body=token.encode()), aiohttp.WSMsgType.TEXT)
        elif isinstance(frame, wire.Messages):
            for envelope in frame.readable:
                if sent and envelope.i in (0, 1) and envelope.s is not None:
                    if envelope.s != 200:
                        raise StreamLost(f"{host} refused the token", status=envelope.s)
                    return


def error_words(envelope: wire.Envelope) -> str:
    """The error sentence in `d` of an answer that is not 200."""
    try:
        return wire.clean(msgspec.json.decode(envelope.d, type=str))
    except NOT_READ:
        return ""
