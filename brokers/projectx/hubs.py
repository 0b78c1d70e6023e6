"""One hub connection through `signalrcore`, whose threads end here: all that leaves this module happens on the loop.

`session.py` and `market_data.py` open one each (`protocols/projectx.md 2.4`, `2.9`). What the library would do, and
what is done instead:

- it logs every message, tokens among them: its logger is shut off, and the token is in the address only, never in the
  headers that it would copy into every invocation;
- it takes a WebSocket's own pings and pongs for messages: they are answered and skipped;
- without its reconnecting it sends no pings: `ping` does, on the caller's beat; reconnecting is the session's work;
- its `stop` waits for a thread that waits for bytes: the socket is shut down first;
- it connects without a limit, calls a refused handshake "connected" and says nothing of a connection that ends within
  the handshake: here opening has a deadline and its own proof, and every end is told;
- it decodes messages with `json` in its thread: here they are handed on as text and decoded once, exactly;
- it takes a frame or a record of any length: what is longer than any message ends the hub.
"""

# signalrcore has no types: what comes from it is Any.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false

import asyncio
import contextlib
import logging
import socket as sockets
import ssl
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import structlog
from signalrcore.messages.invocation_message import InvocationMessage
from signalrcore.messages.ping_message import PingMessage
from signalrcore.protocol.json_hub_protocol import JsonHubProtocol
from signalrcore.transport.sockets.errors import SocketClosedError
from signalrcore.transport.websockets.websocket_client import WebSocketClient
from signalrcore.transport.websockets.websocket_transport import WebsocketTransport

from brokers.projectx import wire
from brokers.text import NOT_READ, clean
from schema.clock import Clock

OPEN_S = 10.0
_READ_PER_S = 5_000  # records, once _READ_AT_ONCE are read: a whole session told again is read in its time
_READ_AT_ONCE = 200
_READ_REST_S = 0.002
_PING, _PONG = 0x9, 0xA
_PORTS = {"https": 443, "wss": 443, "http": 80, "ws": 80}
OnMessage = Callable[[wire.HubMessage, str, int], None]
OnUnreadable = Callable[[str, str, int], None]

log = structlog.get_logger()
_library_log = logging.getLogger("SignalRCoreClient")
_library_log.propagate = False
_library_log.disabled = True


class HubLost(Exception):
    """The hub is gone; one clean sentence. `refused`: the venue would not have us in (a token that is not good)."""

    def __init__(self, text: str, *, refused: bool = False) -> None:
        super().__init__(text)
        self.refused = refused


class HubRefused(Exception):
    """The venue would not do what was invoked; its words."""


class _Records(JsonHubProtocol):
    """Messages stay text; what has no separator yet waits for the rest of it."""

    def __init__(self) -> None:
        super().__init__()
        self._rest = ""

    def parse_messages(self, raw: str) -> Any:
        *whole, self._rest = (self._rest + raw).split(wire.SEPARATOR)
        if len(self._rest) > wire.LONGEST:
            raise ValueError("a message without an end")
        return [record for record in whole if record.strip()]


class _Client(WebSocketClient):
    def create_socket(self) -> Any:
        parts = urlsplit(self.url)
        address = (parts.hostname, parts.port or _PORTS[parts.scheme])
        plain = sockets.create_connection(address, timeout=OPEN_S)
        plain.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY, 1)
        if parts.scheme in ("https", "wss"):
            plain = ssl.create_default_context().wrap_socket(plain, server_hostname=parts.hostname)
        plain.settimeout(None)
        return plain

    def prepare_data(self, data: bytes) -> str:
        return data.decode("utf-8", "replace")

    def _recv_exactly(self, n: int) -> bytes:
        if n > wire.LONGEST:
            raise ValueError("a frame longer than any message")
        data = bytearray(n)
        view, have = memoryview(data), 0
        while have < n:
            read = self.sock.recv_into(view[have:])
            if not read:
                raise SocketClosedError
            have += read
        return bytes(data)

    def _read_one_frame(self) -> Any:
        while True:
            fin, opcode, data = super()._read_one_frame()
            if opcode == _PING:
                self.send(data, opcode=_PONG)
            elif opcode != _PONG:
                return fin, opcode, data

    def dispose(self) -> None:
        with contextlib.suppress(OSError):
            self.sock.shutdown(sockets.SHUT_RDWR)
        super().dispose()


class _Transport(WebsocketTransport):
    def create_client(self) -> Any:
        return _Client(
            url=self.url,
            connection_id=self.connection_id,
            headers=self.headers,
            on_message=self.on_message,
            on_error=self.on_socket_error,
            on_close=self.on_socket_close,
            on_open=self.on_socket_open,
        )

    def on_socket_open(self) -> None:
        try:
            super().on_socket_open()
        except Exception:  # noqa: BLE001 - whatever it is, the thread ends with it and nobody would know
            self._on_close()

    def on_socket_close(self) -> None:
        super().on_socket_close()
        self._on_close()

    def on_socket_error(self, error: Exception) -> None:
        super().on_socket_error(error)
        self._on_close()


class Hub:
    """One connection from `open` to its loss, which is told once by `lost`."""

    def __init__(self, url: str, clock: Clock, on_message: OnMessage, on_unreadable: OnUnreadable) -> None:
        self.last_message_ns = -1
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._url = url
        self._host = urlsplit(url).netloc
        self._clock = clock
        self._on_message = on_message
        self._on_unreadable = on_unreadable
        self._loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._calls: dict[str, asyncio.Future[None]] = {}
        self._numbers = 0
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="projectx hub")
        self._transport: Any = None
        self._records: deque[tuple[str, int]] = deque()
        self._may_read = float(_READ_AT_ONCE)
        self._read_s = 0.0

    async def open(self, token: str) -> None:
        """Connect and shake hands. Raises HubLost."""
        self._transport = _Transport(
            url=f"{self._url}?access_token={token}",
            protocol=_Records(),
            headers={},
            skip_negotiation=True,
            connection_id="",
            on_open=lambda: self._hand_over(self._on_open),
            on_close=lambda: self._hand_over(self.lose, "the venue closed the connection"),
            on_reconnect=lambda: None,
            on_message=self._from_thread,
        )
        try:
            async with asyncio.timeout(OPEN_S):
                await self._loop.run_in_executor(self._threads, self._transport.start)
                await asyncio.wait([self._opened, self.lost], return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            await self.close()
            raise HubLost(f"{self._host} did not open its hub in {OPEN_S:.0f} s") from None
        # The library's errors carry the address, and so the token: they go no further.
        except Exception as error:  # noqa: BLE001 - it raises whatever went wrong, of no common class
            await self.close()
            refused = " 401 " in str(error) or " 403 " in str(error)
            raise HubLost(f"{self._host} does not open its hub: {_why(error)}", refused=refused) from None
        if self.lost.done():
            raise HubLost(self.lost.result())

    async def invoke(self, target: str, *arguments: Any) -> None:
        """Call a method of the hub; returns when the venue has done it. Raises HubRefused or HubLost."""
        self._numbers += 1
        number = str(self._numbers)
        done: asyncio.Future[None] = self._loop.create_future()
        self._calls[number] = done
        await self._send(InvocationMessage(number, target, list(arguments), headers={}))
        try:
            async with asyncio.timeout(OPEN_S):
                await done
        except TimeoutError:
            raise HubLost(f"{self._host} did not answer {target} in {OPEN_S:.0f} s") from None
        finally:
            self._calls.pop(number, None)

    async def ping(self) -> None:
        """A message that says we are there. Raises HubLost."""
        await self._send(PingMessage())

    async def close(self) -> None:
        """Leave; nothing is told after it."""
        if not self.lost.done():
            self.lost.set_result("closed")
        transport, self._transport = self._transport, None
        if transport is not None:
            await self._loop.run_in_executor(self._threads, _stop, transport)
        self._threads.shutdown(wait=False)

    # --- inside ----------------------------------------------------------------------------------------------------

    async def _send(self, message: Any) -> None:
        transport = self._transport
        if transport is None or self.lost.done():
            raise HubLost("the hub is not connected")
        try:
            await self._loop.run_in_executor(self._threads, transport.send, message)
        except Exception as error:  # noqa: BLE001 - the library's own classes, of no common base
            raise HubLost(f"{self._host} takes no messages: {_why(error)}") from None

    def _from_thread(self, records: list[str]) -> None:
        """Hand records over, and read no faster than any trading needs: a flood of them would take the interpreter, and
        the loop, from the copies of all the other logins."""
        self._hand_over(self._on_records, records, self._clock.now_ns())
        now_s = time.monotonic()
        self._may_read += (now_s - self._read_s) * _READ_PER_S
        self._may_read = min(self._may_read, _READ_AT_ONCE) - len(records)
        self._read_s = now_s
        if self._may_read < 0:
            time.sleep(max(_READ_REST_S, -self._may_read / _READ_PER_S))

    def _hand_over(self, act: Callable[..., None], *arguments: Any) -> None:
        """From the library's thread to the loop; a loop that has ended needs nothing any more."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(act, *arguments)

    def _on_open(self) -> None:
        if not self._opened.done():
            self._opened.set_result(None)

    def lose(self, reason: str) -> None:
        """Count the hub as lost: what it was for is over."""
        if not self.lost.done():
            self.lost.set_result(reason)
        for done in self._calls.values():
            if not done.done():
                done.set_exception(HubLost(reason))

    def _on_records(self, records: list[str], now_ns: int) -> None:
        """Take records in one at a time: between two of them the other logins have their turn."""
        waited = bool(self._records)
        self._records.extend((record, now_ns) for record in records)
        if not waited:
            self._next_record()

    def _next_record(self) -> None:
        if self.lost.done():
            self._records.clear()  # everything is read anew
        if self._records:
            self._on_record(*self._records.popleft())
        if self._records:
            self._loop.call_soon(self._next_record)

    def _on_record(self, record: str, now_ns: int) -> None:
        self.last_message_ns = now_ns
        try:
            message = wire.hub_message(record)
        except NOT_READ as error:
            self._on_unreadable(record, str(error), now_ns)
            return
        if message.type == wire.COMPLETION:
            self._complete(message)
        elif message.type == wire.CLOSE:
            self.lose(f"the venue closed the hub: {clean(message.error or 'no reason given')}")
        elif message.type == wire.INVOCATION:
            try:
                self._on_message(message, record, now_ns)
            # A fault of ours must not lose what follows in silence: the hub ends, and everything is read anew.
            except Exception:
                log.exception("hub message failed", host=self._host)
                self.lose("the desk could not process the stream; it resynchronises")

    def _complete(self, message: wire.HubMessage) -> None:
        done = self._calls.get(message.invocation_id or "")
        if done is None or done.done():
            return
        if message.error:
            done.set_exception(HubRefused(clean(message.error)))
        else:
            done.set_result(None)


def _stop(transport: Any) -> None:
    # It closes what may be half open, in whatever state that is.
    with contextlib.suppress(Exception):
        transport.manually_closing = True
        transport._client.running = True
        transport._client.close()


def _why(error: BaseException) -> str:
    """An error of the library without the address that it may carry."""
    if isinstance(error, OSError) and error.strerror:
        return clean(error.strerror, 120)
    for status in ("401", "403", "404", "429", "500", "502", "503"):
        if f" {status} " in str(error):
            return f"it answers {status}"
    return type(error).__name__
