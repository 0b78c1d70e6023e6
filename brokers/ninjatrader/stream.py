"""One TCP connection to NinjaTrader (`protocols/ninjatrader.md B1, B6`): opened, read as messages, written to.

`link.py` keeps one standing; `reading` opens one, is told everything, and closes it. There is no login and no
handshake: the first thing that counts is the value that says whether the AT interface is on.
"""

import asyncio
import socket
import time
from collections.abc import Callable

from brokers.adapter import RequestUnknown, VenueError
from brokers.ninjatrader.values import Fact, Interface, Told, read
from brokers.ninjatrader.wire import Decoder, Overlong, Unread, Value
from schema.records import NinjaLogin

OPEN_WITHIN_S = 5.0
INTERFACE_WITHIN_S = 10.0
"""How long the vendor's own client waits to be told whether the interface is on."""
UNREAD_AT_MOST = 262_144
"""Bytes NinjaTrader may leave unread before nothing more is written to it."""
AT_ONCE = 512
"""Bytes that are taken in, ten values or so, before the other logins have their turn, however much is told."""
OFF = "its AT interface is off: switch it on in NinjaTrader's Control Center, under Tools"


class LinkLost(VenueError):
    """The connection is gone, or says nothing that counts."""


class Stream:
    """See the module's docstring. The protocol has no mark for the end of what is told to a new connection: it is taken
    for all when nothing came for `quiet_s`. `on_unread` is called with what could not be read, and why."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        place: str,
        quiet_s: float,
        on_unread: Callable[[str, str], None],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._place = place
        self._quiet_s = quiet_s
        self._on_unread = on_unread
        self._decoder = Decoder()

    @classmethod
    async def open(cls, login: NinjaLogin, on_unread: Callable[[str, str], None]) -> "Stream":
        """Raises LinkLost."""
        place = f"NinjaTrader at {login.host}:{login.port}"
        try:
            async with asyncio.timeout(OPEN_WITHIN_S):
                reader, writer = await asyncio.open_connection(login.host, login.port, limit=1 << 20)
        except (OSError, TimeoutError) as error:
            raise LinkLost(f"{place} can't be reached ({type(error).__name__})") from None
        _notice_a_dead_host(writer)
        return cls(reader, writer, place, login.quiet_ms / 1_000, on_unread)

    async def facts(self) -> list[Fact]:
        """The next facts. Raises LinkLost, also when the interface was switched off."""
        try:
            data = await self._reader.read(AT_ONCE)
            if not data:
                raise LinkLost(f"{self._place} closed the connection")
            messages = self._decoder.feed(data)
        except OSError as error:
            raise LinkLost(f"the connection to {self._place} is lost ({type(error).__name__})") from None
        except Overlong as error:
            self._on_unread("", str(error))
            raise LinkLost(f"{self._place}: {error}") from None
        await asyncio.sleep(0)
        found = [fact for message in messages if (fact := self._read(message)) is not None]
        if any(isinstance(fact, Interface) and not fact.on for fact in found):
            raise LinkLost(f"{self._place}: {OFF}")
        return found

    def _read(self, message: Value | Unread) -> Fact | None:
        if isinstance(message, Unread):
            self._on_unread(" ".join(message.texts), "it is no value")
            return None
        fact = read(message.key, message.value)
        if isinstance(fact, str):
            self._on_unread(f"{message.key} = {message.value}", fact)
            return None
        return fact

    async def told_all(self, take: Callable[[Fact], None], within_s: float) -> bool:
        """Wait until the interface is said to be on, and then until everything was told; False when values were still
        coming after `within_s`. Raises LinkLost."""
        ends_s = time.monotonic() + within_s
        on = False
        while True:
            wait_s = self._quiet_s if on else ends_s - time.monotonic()
            try:
                async with asyncio.timeout(wait_s):
                    facts = await self.facts()
            except TimeoutError:
                if on:
                    return True
                raise LinkLost(f"{self._place} does not say whether its AT interface is on") from None
            for fact in facts:
                on = on or isinstance(fact, Interface)
                take(fact)
            if on and time.monotonic() > ends_s:
                return False

    def refusal(self) -> str:
        """Why nothing can be written now; empty when it can."""
        if self._writer.transport.is_closing():
            return "the connection to NinjaTrader is closing"
        if self._writer.transport.get_write_buffer_size() > UNREAD_AT_MOST:
            return "NinjaTrader does not read what it is sent"
        return ""

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    def abort(self) -> None:
        self._writer.transport.abort()


async def reading(login: NinjaLogin, within_s: float, on_unread: Callable[[str, str], None]) -> Told:
    """Everything NinjaTrader tells a new connection. Raises RequestUnknown."""
    told = Told()
    try:
        async with asyncio.timeout(within_s):
            stream = await Stream.open(login, on_unread)
            try:
                if not await stream.told_all(told.take, within_s * 0.8):
                    raise RequestUnknown("NinjaTrader's values kept changing while they were read")
            finally:
                stream.abort()
    except LinkLost as lost:
        raise RequestUnknown(str(lost)) from None
    except TimeoutError:
        raise RequestUnknown(f"NinjaTrader at {login.host}:{login.port} told nothing within {within_s:g} s") from None
    return told


def _notice_a_dead_host(writer: asyncio.StreamWriter) -> None:
    """The protocol has no heartbeat: the host's own are what tells a dead line from a quiet one."""
    raw = writer.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, seconds in (("TCP_KEEPIDLE", 5), ("TCP_KEEPINTVL", 2), ("TCP_KEEPCNT", 3)):
            if hasattr(socket, name):
                raw.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), seconds)
