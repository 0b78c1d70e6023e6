"""The sandbox with its FIX door in the test's own loop, and adapters on it over real sockets."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from random import Random
from typing import Any, TypeVar

import msgspec

from brokers.adapter import Event, Filled, OrderAccepted, OrderRejected, OrderSent, OrderUnknown, StreamDown, StreamUp
from brokers.fix.adapter import FixAdapter
from brokers.sandbox.control import Control
from brokers.sandbox.server import Login, Options, Sandbox
from brokers.sandbox.settings import FixSettings
from brokers.sessions import MemorySessions, SessionStore
from schema.clock import SYSTEM_CLOCK
from schema.login import AdapterSettings, Credentials
from schema.records import (
    AccountConfig,
    ApprovedOrder,
    ConnectionConfig,
    Environment,
    FixLogin,
    OrderType,
    Side,
)

PASSWORD = "canary-password-7f3a"
ACCOUNTS = ("SIM1", "SIM2")
E = TypeVar("E", bound=Event)


class Practice:
    """One sandbox with a FIX login `DESK` and its accounts SIM1 and SIM2."""

    def __init__(self, sandbox: Sandbox, ready: dict[str, Any]) -> None:
        self.sandbox = sandbox
        self.address = ready["venues"]["fix"]
        self._control = Control(sandbox)

    def order(self, order: str, **arguments: Any) -> dict[str, Any]:
        """An order of the control socket."""
        wish = msgspec.json.encode({"order": order, **arguments})
        answer = self._control.carry_out(wish)
        assert answer["ok"], answer
        return answer

    def net(self, account: str = "SIM1", symbol: str = "ESH4") -> int:
        (found,) = self.order("state", account=account)["accounts"]
        return found["positions"].get(symbol, 0)

    def received(self, kind: str = "D") -> list[str]:
        """Client ids of what the venue was asked, in order."""
        return [each["cl_ord_id"] for each in self.order("state")["received"] if each["endpoint"] == kind]

    def orders(self, account: str = "SIM1") -> list[dict[str, Any]]:
        return self.order("state", account=account)["orders"]

    def price(self, symbol: str = "ESH4") -> Any:
        contract = self.sandbox.venue.catalogue.by_symbol[symbol]
        return contract.price(self.sandbox.venue.mark(contract.contract_id))

    def login(self, version: str, dialect: str) -> ConnectionConfig:
        return ConnectionConfig(
            connection="fix1",
            venue="fix",
            environment=Environment.DEMO,
            username="DESK",
            fix=FixLogin(
                host=self.address["host"],
                port=self.address["port"],
                sender_comp_id="DESK",
                target_comp_id=self.address["target_comp_id"],
                version=version,
                dialect=dialect,
                tls=False,
            ),
        )


class Seat:
    """An adapter and what it told."""

    def __init__(self, adapter: FixAdapter, events: list[Event]) -> None:
        self.adapter = adapter
        self.events = events

    def all(self, kind: type[E], cl_ord_id: str = "") -> list[E]:
        found = [event for event in self.events if isinstance(event, kind)]
        return [event for event in found if not cl_ord_id or _id(event) == cl_ord_id]

    async def one(self, kind: type[E], cl_ord_id: str = "", within_s: float = 3.0) -> E:
        await until(
            lambda: bool(self.all(kind, cl_ord_id)), within_s, f"{kind.__name__} {cl_ord_id}: {self.events[-6:]}"
        )
        return self.all(kind, cl_ord_id)[0]

    async def ups(self, count: int, within_s: float = 6.0) -> StreamUp:
        await until(lambda: len(self.all(StreamUp)) >= count, within_s, "the stream is not up")
        return self.all(StreamUp)[count - 1]

    def outcomes(self, cl_ord_id: str) -> list[str]:
        kinds = (OrderSent, OrderAccepted, OrderRejected, OrderUnknown)
        return [type(e).__name__ for e in self.events if isinstance(e, kinds) and e.cl_ord_id == cl_ord_id]

    def filled(self, cl_ord_id: str) -> int:
        return sum(event.fill.qty for event in self.all(Filled, cl_ord_id))

    async def buy(self, cl_ord_id: str, qty: int = 1, **more: Any) -> None:
        await self.adapter.place([order(cl_ord_id, qty, **more)])


def _id(event: Any) -> str:
    if isinstance(event, Filled):
        return event.fill.cl_ord_id
    return getattr(event, "cl_ord_id", "") or getattr(getattr(event, "order", None), "cl_ord_id", "")


def order(cl_ord_id: str, qty: int = 1, *, account: str = "SIM1", side: Side = Side.BUY, **more: Any) -> ApprovedOrder:
    chosen: dict[str, Any] = {"symbol": "ESH4", "order_type": OrderType.MARKET, "reducing": False, **more}
    return ApprovedOrder(account=account, venue_account_id=account, side=side, qty=qty, cl_ord_id=cl_ord_id, **chosen)


@asynccontextmanager
async def practice(*, accounts: Iterable[str] = ACCOUNTS, **settings: Any) -> AsyncIterator[Practice]:
    """A venue whose market moves only as it likes; it ends with the test."""
    options = Options(
        logins=(
            Login(username="leader", accounts=("DEMO1000",)),
            Login(username="DESK", accounts=tuple(accounts), password=PASSWORD, venue="fix"),
        ),
        seed=7,
        fix=FixSettings(**settings),
    )
    async with running(options) as (sandbox, ready):
        yield Practice(sandbox, ready)


@asynccontextmanager
async def running(options: Options) -> AsyncIterator[tuple[Sandbox, dict[str, Any]]]:
    """A sandbox in this loop, and its ready line."""
    sandbox, stop = Sandbox(options, SYSTEM_CLOCK), asyncio.Event()
    ready: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(sandbox.run(ready, stop))
    try:
        await asyncio.wait({running, ready}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            await running
        yield sandbox, ready.result()
    finally:
        stop.set()
        await running


@asynccontextmanager
async def seat(
    venue: Practice,
    version: str = "FIX.4.4",
    dialect: str = "generic",
    *,
    sessions: SessionStore | None = None,
    connect: bool = True,
    password: str = PASSWORD,
    accounts: Iterable[str] = ACCOUNTS,
    deadline_s: float = 1.0,
    **settings: Any,
) -> AsyncIterator[Seat]:
    """A connected adapter."""
    events: list[Event] = []
    adapter = FixAdapter(
        venue.login(version, dialect),
        Credentials(username="DESK", password=password),
        AdapterSettings(**{"deadline_s": deadline_s, "requests_per_min": 6_000, "reconnect_cap_s": 0.2, **settings}),
        SYSTEM_CLOCK,
        events.append,
        Random(1),
        accounts=[AccountConfig(account=name, connection="fix1", venue_id=name) for name in accounts],
        sessions=sessions or MemorySessions(),
    )
    try:
        if connect:
            await adapter.connect()
        yield Seat(adapter, events)
    finally:
        await adapter.close()


async def until(true: Callable[[], bool], within_s: float = 3.0, what: str = "") -> None:
    ends = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < ends, f"still not true after {within_s} s: {what}"
        await asyncio.sleep(0.005)


def downs(seat: Seat) -> int:
    return len(seat.all(StreamDown))
