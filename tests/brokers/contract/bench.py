"""The bench of a card: a sandbox with one venue's door, an adapter at it over real sockets, everything it told, and
what the venue has in its books. Every card has its own, so none can soil another.

Accounts A and B are of the login under test, C is somebody else's. `audit` holds for every card, whatever it did.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from decimal import Decimal
from random import Random
from typing import Any, TypeVar

import msgspec

from brokers.adapter import (
    AdapterSettings,
    BrokerAdapter,
    Credentials,
    Event,
    Exposure,
    Filled,
    OrderAccepted,
    OrderNotSent,
    OrderRejected,
    OrderSent,
    OrderUnknown,
    OrderUpdated,
    PositionUpdated,
    RequestRefused,
    RequestUnknown,
    StreamDown,
    StreamUp,
    VenueError,
    Wanted,
)
from brokers.sandbox.control import Control
from brokers.sandbox.server import Login, Options, Sandbox
from brokers.sessions import MemorySessions
from schema.clock import SYSTEM_CLOCK
from schema.records import (
    AccountConfig,
    ApprovedOrder,
    DoneOrder,
    Environment,
    LiveOrder,
    OrderType,
    Side,
    VenueOrder,
)
from tests.brokers.contract.line import Line, line_to
from tests.brokers.contract.venue import CONNECTION, USERNAME, Fact, Seat, Venue

E = TypeVar("E", bound=Event)
SECRET = "canary-secret-7f3a"
A, B, C = "DEMO1001", "DEMO1002", "DEMO1003"
ES, MES = "ESH4", "MESH4"
DEADLINE_S = 0.6
SETTINGS = AdapterSettings(
    deadline_s=DEADLINE_S, requests_per_min=6_000, reserved_for_exits=20, reconnect_cap_s=0.2
)  # fmt: skip
_ORDER_EVENTS = (OrderAccepted, OrderRejected, OrderUnknown)
_ORDERLY = (
    ["OrderAccepted"],
    ["OrderRejected"],
    ["OrderUnknown"],
    ["OrderAccepted", "OrderRejected"],
    ["OrderUnknown", "OrderAccepted"],
    ["OrderUnknown", "OrderRejected"],
    ["OrderUnknown", "OrderAccepted", "OrderRejected"],
)


class Bench:
    limit = OrderType.LIMIT

    """See the module's docstring."""

    def __init__(self, venue: Venue, sandbox: Sandbox, door: dict[str, Any], line: Line | None, need: str) -> None:
        self.venue = venue
        self.sandbox = sandbox
        self.line = line
        self.fact: Fact | None = venue.facts.get(need)
        self.events: list[Event] = []
        self.said: list[str] = []  # every error's words
        self.placed: list[str] = []
        self.door = door
        self.sessions = MemorySessions()
        self.adapter: BrokerAdapter = self.build()
        self._control = Control(sandbox)
        self._closed_at: int | None = None

    def build(self, *, secret: str = SECRET, **changes: Any) -> BrokerAdapter:
        """An adapter of the login, not connected. Later ones are as a new process's, at the same venue."""
        seat = Seat(
            door=self.door,
            port=changes.pop("port", 0) or (self.line.port if self.line is not None else _port(self.door)),
            emit=self.events.append,
            clock=SYSTEM_CLOCK,
            random=Random(1),
            sessions=self.sessions,
            credentials=Credentials(username=USERNAME, password=secret, device_id="contract"),
            settings=msgspec.structs.replace(SETTINGS, **changes.pop("settings", {})),
            environment=changes.pop("environment", Environment.DEMO),
            accounts=tuple(AccountConfig(account=name, connection=CONNECTION, venue_id=name) for name in (A, B)),
        )
        assert not changes
        return self.venue.build(seat)

    async def again(self, **changes: Any) -> BrokerAdapter:
        """Leave the venue and come back with an adapter of these settings."""
        await self.close()
        self._closed_at = None
        self.adapter = self.build(**changes)
        await self.adapter.connect()
        return self.adapter

    async def close(self) -> None:
        await self.adapter.close()
        self._closed_at = len(self.events)

    # --- the venue ---------------------------------------------------------------------------------------------------

    def control(self, order: str, **fields: Any) -> dict[str, Any]:
        """An order of the control socket (`brokers/sandbox/control.py`)."""
        answer = self._control.carry_out(msgspec.json.encode({"order": order, **fields}))
        assert answer["ok"], answer
        return answer

    def net(self, account: str = A, symbol: str = ES) -> int:
        """What the venue says an account holds."""
        (found,) = self.control("state", account=account)["accounts"]
        return found["positions"].get(symbol, 0)

    def working(self, account: str = A) -> int:
        """How many orders of an account work at the venue."""
        (found,) = self.control("state", account=account)["accounts"]
        return found["working"]

    def at_venue(self, tag: str) -> dict[str, Any]:
        """The venue's one order of a client id."""
        found = [order for order in self.control("state")["orders"] if order["cl_ord_id"] == tag]
        assert len(found) == 1, f"{tag}: the venue has {len(found)}"
        return found[0]

    def order(self, order_id: int) -> dict[str, Any]:
        (found,) = [order for order in self.control("state")["orders"] if order["order_id"] == order_id]
        return found

    def named(self, order_id: int) -> str:
        """What the adapter calls an order of the venue's."""
        return self.venue.named(self, order_id)

    def number(self, named: str) -> int:
        """The venue's own id of an order that the adapter calls so."""
        (found,) = [
            each["order_id"] for each in self.control("state")["orders"] if self.named(each["order_id"]) == named
        ]
        return found

    def fills_at_venue(self, account: str = A) -> list[dict[str, Any]]:
        return self.control("state", account=account)["fills"]

    def asked(self, kind: str) -> list[dict[str, Any]]:
        """The trading requests of one kind (place, modify, cancel, close) that reached the venue."""
        endpoint = getattr(self.venue, kind)
        return [
            each for each in self.control("state")["received"] if each["endpoint"] == endpoint
        ]  # fmt: skip

    def reached(self, tag: str) -> int:
        """How often the venue was asked to place an order of this client id."""
        return sum(1 for each in self.asked("place") if each["cl_ord_id"] == tag)

    def nothing_reached(self) -> bool:
        """Whether no trading request at all came to the venue."""
        return not self.control("state")["received"]

    def foreign(self, qty: int = 1, side: str = "buy", account: str = A, **terms: Any) -> int:
        """Somebody trades an account of the login from another front end; the order's id."""
        return self.control("trade", account=account, side=side, qty=qty, **terms)["order_id"]

    def price(self, away: int = 0, symbol: str = ES) -> Decimal:
        """The last price, so many ticks higher."""
        contract = self.sandbox.venue.catalogue.by_symbol[symbol]
        return contract.price(self.sandbox.venue.mark(contract.contract_id) + away)

    def trades_at(self, price: Decimal, qty: int = 1, *, symbol: str = ES) -> None:
        """The market trades at a price, far enough through the book to fill what rests there."""
        aggressor = "sell" if price < self.price(symbol=symbol) else "buy"
        self.control("print", symbol=symbol, limit=str(price), qty=qty, side=aggressor)

    # --- the adapter -------------------------------------------------------------------------------------------------

    async def place(self, *orders: ApprovedOrder) -> None:
        self.placed += [leg.cl_ord_id for order in orders for leg in order.legs]
        await self.adapter.place(orders)

    async def buy(self, tag: str, qty: int = 1, **changes: Any) -> None:
        await self.place(order(tag, qty, **changes))

    async def sell(self, tag: str, qty: int = 1, **changes: Any) -> None:
        await self.place(order(tag, qty, side=Side.SELL, **changes))

    async def resting(self, tag: str, qty: int = 1, away: int = -200, **changes: Any) -> str:
        """A limit order that rests, a buy unless told otherwise; its venue id."""
        await self.buy(tag, qty, **{"order_type": OrderType.LIMIT, "limit_price": self.price(away), **changes})
        await self.until(lambda: self.shown(tag) is not None and self.live(tag), f"{tag} rests")
        return self.shown_order(tag).order_id

    def wanted(self, tag: str, qty: int = 1, **changes: Any) -> Wanted:
        """A question about an order of this test (`order`), of which the venue's id is not known."""
        about = order(tag, qty, **changes)
        return Wanted(
            account=about.account,
            cl_ord_id=tag,
            order_id="",
            symbol=about.symbol,
            side=about.side,
            order_type=about.order_type,
            qty=qty,
            sent_ns=SYSTEM_CLOCK.now_ns() - 5_000_000_000,
        )

    async def filled(self, tag: str, qty: int) -> list[Filled]:
        """Wait until so many lots of an order were told as filled."""
        await self.until(
            lambda: sum(event.fill.qty for event in self.fills(tag)) == qty, f"{qty} lots of {tag} filled"
        )  # fmt: skip
        return self.fills(tag)

    def rename(self, account: str, name: str) -> None:
        """The venue calls an account by another name, which tells its kind."""
        (found,) = [each for each in self.sandbox.venue.accounts.values() if each.name == account]
        found.name, found.live = name, not name.startswith("DEMO")

    async def marker(self, account: str = B) -> None:
        """A foreign trade, and wait until it is told: what the stream said before it was handled."""
        order_id = self.named(self.foreign(account=account))
        await self.until(lambda: any(e.fill.order_id == order_id for e in self.of(Filled)), "the marker")

    @contextmanager
    def refused(self, *kinds: type[VenueError]) -> Iterator[list[str]]:
        """The block must end in one of these errors (RequestRefused when none is named): one sentence of words."""
        words: list[str] = []
        wanted: tuple[type[VenueError], ...] = kinds or (RequestRefused,)
        try:
            yield words
        except VenueError as error:
            if not isinstance(error, wanted):
                raise
            self.said.append(str(error))
            words.append(str(error))
            assert is_sentence(str(error)), error
        else:
            raise AssertionError(f"not refused: expected {[kind.__name__ for kind in wanted]}")

    async def maybe(self, request: Awaitable[None]) -> str:
        """A request whose outcome may be unknown to the adapter: empty when it was taken, or the words. A refusal
        fails the card: it would be a lie."""
        try:
            await request
        except RequestUnknown as unknown:
            self.said.append(str(unknown))
            assert is_sentence(str(unknown))
            return str(unknown)
        return ""

    # --- what it told ------------------------------------------------------------------------------------------------

    def of(self, kind: type[E], tag: str = "") -> list[E]:
        return [event for event in self.events if isinstance(event, kind) and tag in ("", _tag(event))]

    def of_rejects(self, tag: str) -> list[OrderRejected]:
        return self.of(OrderRejected, tag)

    def of_not_sent(self) -> set[str]:
        """Client ids of orders that were not sent."""
        return {event.cl_ord_id for event in self.of(OrderNotSent)}

    @staticmethod
    def tag_of(event: Event) -> str:
        """The client id that an event is about; empty when it is about none."""
        return _tag(event)

    def fills(self, tag: str = "") -> list[Filled]:
        return self.of(Filled, tag)

    def told_net(self, account: str = A, symbol: str = ES) -> int:
        """What the fills told so far add up to."""
        return sum(e.fill.net_qty for e in self.of(Filled) if (e.fill.account, e.fill.symbol) == (account, symbol))

    def position(self, account: str = A, symbol: str = ES) -> int | None:
        """The position told last."""
        told = [e.position for e in self.of(PositionUpdated)]
        return next((p.net_qty for p in reversed(told) if (p.account, p.symbol) == (account, symbol)), None)

    def outcomes(self, tag: str) -> list[str]:
        return [
            type(event).__name__ for event in self.events if isinstance(event, _ORDER_EVENTS) and _tag(event) == tag
        ]

    def shown(self, tag: str) -> VenueOrder | None:
        """An order as it was told last."""
        found = self.of(OrderUpdated, tag)
        return found[-1].order if found else None

    def shown_order(self, tag: str) -> VenueOrder:
        found = self.shown(tag)
        assert found is not None, f"{tag} was never told"
        return found

    def live(self, tag: str) -> bool:
        found = self.shown(tag)
        return isinstance(found, LiveOrder) and found.status == "working"

    def done(self, tag: str, status: str = "") -> bool:
        found = self.shown(tag)
        return isinstance(found, DoneOrder) and status in ("", found.status)

    def ups(self) -> list[StreamUp]:
        return self.of(StreamUp)

    async def until(self, condition: Callable[[], Any], what: str, within_s: float = 4.0) -> None:
        """Wait for a condition; the card fails with `what` when it does not come true."""
        ends = time.monotonic() + within_s
        while not condition():
            told = "".join(f"\n  {event}" for event in self.events[-8:])
            assert time.monotonic() < ends, f"not within {within_s} s: {what}; told last:{told}"
            await asyncio.sleep(0.003)

    async def outcome(self, tag: str) -> list[str]:
        """Wait for the first outcome of an order."""
        await self.until(lambda: self.outcomes(tag) or self.of(OrderNotSent, tag), f"an outcome of {tag}")
        return self.outcomes(tag)

    async def known(self, order_id: str) -> None:
        """Wait until an order of somebody else's is told, or, where orders are told without terms, is seen to work."""
        if self.adapter.capabilities.tells_terms:
            await self.until(lambda: any(e.order.order_id == order_id for e in self.of(OrderUpdated)), "it is told")
            return
        await self.until_read(lambda exposure: order_id in {each.order_id for each in exposure.working}, "it works")

    async def until_read(self, condition: Callable[[Exposure], bool], what: str) -> None:
        """As `until`, of what is open as the adapter reads it."""
        ends = time.monotonic() + 4.0
        while not condition(exposure := await self.adapter.exposure()):
            assert time.monotonic() < ends, f"not within 4 s: {what}; read last: {exposure}"
            await asyncio.sleep(0.02)

    async def back(self, ups: int = 2) -> StreamUp:
        """Wait until the stream is up for the nth time."""
        await self.until(lambda: len(self.ups()) >= ups and self.adapter.health().state == "up", "up again", 8)
        return self.ups()[ups - 1]

    async def down(self) -> StreamDown:
        await self.until(lambda: self.of(StreamDown), "the stream is down", 8)
        return self.of(StreamDown)[0]

    # --- what holds for every card -----------------------------------------------------------------------------------

    async def settled(self) -> None:
        """Every order that was sent has an outcome by the deadline."""
        await self.until(
            lambda: all(self.outcomes(tag) for tag in self.placed if self.of(OrderSent, tag)), "an outcome for each"
        )

    def audit(self) -> None:
        """Called when the card is over and the adapter closed."""
        for tag in self.placed:
            left = [type(e).__name__ for e in self.events if isinstance(e, OrderSent | OrderNotSent) and _tag(e) == tag]
            assert len(left) == 1, f"{tag}: {left}"
            if left == ["OrderNotSent"]:
                assert self.outcomes(tag) == [], f"{tag} was not sent and has an outcome"
                assert self.reached(tag) == 0, f"{tag} was not sent and reached the venue"
            else:
                assert self.outcomes(tag) in _ORDERLY, f"{tag}: {self.outcomes(tag)}"
                assert self.reached(tag) <= 1, f"{tag} reached the venue {self.reached(tag)} times"
        told = Counter((event.fill.account, event.fill.fill_id) for event in self.fills())
        assert not [fill for fill, count in told.items() if count > 1], "a fill was told twice"
        assert self._closed_at in (None, len(self.events)), f"told after the close: {self.events[self._closed_at :]}"
        assert all(event.connection == CONNECTION for event in self.events)
        for event in self.of(OrderNotSent) + self.of(OrderUnknown) + self.of(StreamDown):
            assert is_sentence(event.reason), event
        words = "\n".join([repr(self.events), repr(self.adapter), repr(self.adapter.health()), *self.said])
        assert SECRET not in words, "the login's secret was told"


def order(tag: str, qty: int = 1, **changes: Any) -> ApprovedOrder:
    """A market order of account A to buy ES, with changes."""
    chosen: dict[str, Any] = {"account": A, "symbol": ES, "side": Side.BUY, "order_type": OrderType.MARKET} | changes
    chosen = {"venue_account_id": chosen["account"], "reducing": False} | chosen
    return ApprovedOrder(qty=qty, cl_ord_id=tag, **chosen)


def is_sentence(words: str) -> bool:
    """Words that fit on one line of a screen and say something."""
    return 3 < len(words) < 400 and words.isprintable()


def _tag(event: Any) -> str:
    return getattr(getattr(event, "fill", None) or getattr(event, "order", None) or event, "cl_ord_id", "")


def _port(door: dict[str, Any]) -> int:
    return door.get("port") or door.get("ports", {}).get(USERNAME) or int(door["rest"].split(":")[2].split("/")[0])


@asynccontextmanager
async def bench_at(
    venue: Venue, *, need: str = "", line: bool = False, accounts: tuple[str, ...] = (A, B)
) -> AsyncIterator[Bench]:
    """A bench whose market stands still. The adapter is not connected."""
    logins = (
        Login(username="leader", accounts=("DEMO1000",)),
        Login(username=USERNAME, accounts=accounts, password=SECRET, venue=venue.door),
        Login(username="other", accounts=(C,), venue=venue.door),
    )
    sandbox = Sandbox(Options(logins=logins, seed=7, **venue.options), SYSTEM_CLOCK)
    sandbox.market_paused = True
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    running = asyncio.create_task(sandbox.run(ready, stop))
    await asyncio.wait([running, ready], return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        running.result()
    try:
        door = ready.result()["venues"][venue.door]
        async with AsyncExitStack() as stack:
            between = await stack.enter_async_context(line_to(_port(door))) if line else None
            bench = Bench(venue, sandbox, door, between, need)
            try:
                yield bench
            finally:
                await bench.close()
                await asyncio.sleep(0)
    finally:
        stop.set()
        await running
