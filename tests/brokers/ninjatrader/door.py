"""The sandbox with its NinjaTrader door in the test's own loop, adapters on it over real sockets, a client by hand."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any

from brokers.ninjatrader.adapter import NinjaTraderAdapter
from brokers.sandbox.server import Login, Options, Sandbox
from brokers.sandbox.settings import NinjaTraderSettings
from brokers.sessions import MemorySessions, SessionStore
from schema.clock import SYSTEM_CLOCK
from schema.login import AdapterSettings, Credentials
from schema.records import AccountConfig, ConnectionConfig, Environment, NinjaLogin, NinjaReadings
from tests.brokers.fix import door as fix_door
from tests.brokers.fix.door import Seat, running

ACCOUNTS = ("SIM1", "SIM2")


class Practice(fix_door.Practice):
    """One sandbox with a NinjaTrader `DESK` and its accounts SIM1 and SIM2."""

    def __init__(self, sandbox: Sandbox, ready: dict[str, Any]) -> None:
        super().__init__(sandbox, {"venues": {"fix": ready["venues"]["ninjatrader"]}})

    @property
    def port(self) -> int:
        return self.address["ports"]["DESK"]

    def received(self, kind: str = "PLACE") -> list[str]:
        return super().received(kind)

    def verbs(self) -> list[str]:
        """Every command that came, in order."""
        return [each["endpoint"] for each in self.order("state")["received"]]


@asynccontextmanager
async def practice(*, accounts: Iterable[str] = ACCOUNTS, **settings: Any) -> AsyncIterator[Practice]:
    """A venue whose market moves only as it likes; it ends with the test."""
    options = Options(
        logins=(
            Login(username="leader", accounts=("DEMO1000",)),
            Login(username="DESK", accounts=tuple(accounts), venue="ninjatrader"),
        ),
        seed=7,
        ninjatrader=NinjaTraderSettings(**settings),
    )
    async with running(options) as (sandbox, ready):
        yield Practice(sandbox, ready)


@asynccontextmanager
async def seat(
    port: int,
    *,
    sessions: SessionStore | None = None,
    connect: bool = True,
    accounts: Iterable[str] = ACCOUNTS,
    deadline_s: float = 1.0,
    folder: str = "",
    readings: str = "fresh",
    **settings: Any,
) -> AsyncIterator[Seat]:
    """A connected adapter."""
    events: list[Any] = []
    adapter = NinjaTraderAdapter(
        ConnectionConfig(
            connection="nt1",
            venue="ninjatrader",
            environment=Environment.DEMO,
            username="DESK",
            ninja=NinjaLogin(host="127.0.0.1", port=port, folder=folder, readings=NinjaReadings(readings)),
        ),
        Credentials(username="DESK", password=""),
        AdapterSettings(**{"deadline_s": deadline_s, "reconnect_cap_s": 0.2, **settings}),
        SYSTEM_CLOCK,
        events.append,
        random.Random(1),
        accounts=[AccountConfig(account=name, connection="nt1", venue_id=name) for name in accounts],
        sessions=sessions or MemorySessions(),
    )
    try:
        if connect:
            await adapter.connect()
        yield Seat(adapter, events)
    finally:
        await adapter.close()


class Raw:
    """A client written from the page alone: texts out, values in."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.values: list[tuple[str, str]] = []

    def send(self, *texts: str) -> None:
        self._writer.write(b"".join(text.encode("ascii") + b"\0" for text in texts))

    async def trickle(self, data: bytes) -> None:
        """Byte by byte."""
        for byte in data:
            self._writer.write(bytes([byte]))
            await self._writer.drain()

    def command(self, line: str) -> None:
        self.send("0", line)

    async def next(self, within_s: float = 2.0) -> tuple[str, str]:
        """The next value."""
        async with asyncio.timeout(within_s):
            kind = await self._text()
            assert kind == "2", kind
            self.values.append((await self._text(), await self._text()))
        return self.values[-1]

    async def _text(self) -> str:
        return (await self._reader.readuntil(b"\0"))[:-1].decode("ascii")

    async def until(self, key: str, wanted: str | None = None, within_s: float = 2.0) -> str:
        """Read on until this key has this value (or any)."""
        async with asyncio.timeout(within_s):
            while True:
                found, value = await self.next(within_s)
                if found == key and wanted in (None, value):
                    return value

    async def quiet(self, for_s: float = 0.1) -> list[tuple[str, str]]:
        """Everything that comes until nothing comes for so long."""
        before = len(self.values)
        with suppress(TimeoutError):
            while True:
                await self.next(for_s)
        return self.values[before:]

    @property
    def cache(self) -> dict[str, str]:
        return dict(self.values)

    async def closed(self) -> bool:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await self._text()
        return True


@asynccontextmanager
async def raw(port: int) -> AsyncIterator[Raw]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Raw(reader, writer)
    finally:
        writer.close()
