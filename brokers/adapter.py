"""The port: everything the engine may ask of a venue, and everything a venue may tell the engine.

An adapter owns one login. It is built with an `emit` callback and calls it, on the engine's loop, with the events
below, in the order they came off the wire. It never decides, never retries an order, and never guesses: an outcome
that is not proven is `OrderUnknown`.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Protocol, runtime_checkable

from brokers.feed import History
from schema.login import AdapterSettings as AdapterSettings
from schema.login import Credentials as Credentials
from schema.market import FeedHealth, MarketEvent
from schema.records import (
    AccountState,
    ApprovedOrder,
    Bar,
    ConnectionConfig,
    Fill,
    Instrument,
    OrderType,
    Position,
    Quote,
    Record,
    RejectClass,
    Side,
    TimeInForce,
    VenueAccount,
    VenueOrder,
)

# --- errors, named by who must act ---------------------------------------------------------------------------------


class VenueError(Exception):
    """Base of everything an adapter raises. The text is one sentence fit for the screen; it holds no secret."""


class LoginRefused(VenueError):
    """A person must act: the venue refused the login (wrong password, closed account, wrong environment)."""


class VenueUnreachable(VenueError):
    """Wait or check the host: nothing was sent, or nothing that matters was lost. Safe to try again."""


class RequestRefused(VenueError):
    """Do not try again as it is: the venue understood and said no (`reject_class`, the venue's own words)."""

    def __init__(self, text: str, reject_class: RejectClass = RejectClass.OTHER) -> None:
        super().__init__(text)
        self.reject_class = reject_class


class RequestUnknown(VenueError):
    """Ask before acting: the request may or may not have taken effect (timeout, 5xx, lost connection)."""


# --- what a venue tells the engine ----------------------------------------------------------------------------------


class Event(Record, frozen=True, tag=True):
    """Base of events. `connection` names the login, `received_ns` when its bytes were read."""

    connection: str
    received_ns: int


class StreamUp(Event, frozen=True):
    """The order stream is live and synchronised: `snapshot` is the venue's whole truth about this login.

    Sent after every (re)connect, after the snapshot was read and before any later stream event. `first` is true
    for the first one of this adapter's life.
    """

    first: bool
    snapshot: "Snapshot"


class StreamDown(Event, frozen=True):
    """The order stream is gone; the adapter is reconnecting by itself unless `final` (then a person must act)."""

    reason: str
    final: bool = False


class OrderAccepted(Event, frozen=True):
    """The venue took our order (its direct answer, or the first stream event that proves it)."""

    account: str
    cl_ord_id: str
    order_id: str


class OrderRejected(Event, frozen=True):
    """Proven not accepted, or rejected later: the order will not trade (further). `text` is the venue's own words."""

    account: str
    cl_ord_id: str
    order_id: str
    reject_class: RejectClass
    text: str


class OrderUnknown(Event, frozen=True):
    """Sent, or perhaps sent, and no proof either way."""

    account: str
    cl_ord_id: str
    reason: str


class OrderNotSent(Event, frozen=True):
    """Proven never to have left: no bytes were written (budget spent, no connection)."""

    account: str
    cl_ord_id: str
    reason: str


class OrderSent(Event, frozen=True):
    """The order's bytes were handed to the socket; `received_ns` is that moment."""

    account: str
    cl_ord_id: str


class OrderUpdated(Event, frozen=True):
    """An order's state changed, ours or foreign."""

    order: VenueOrder


class Filled(Event, frozen=True):
    """One execution. The adapter may repeat itself after a replay; intake drops what it has seen."""

    fill: Fill


class PositionUpdated(Event, frozen=True):
    position: Position


class AccountUpdated(Event, frozen=True):
    state: AccountState


class QuoteUpdated(Event, frozen=True):
    quote: Quote


class BarsUpdated(Event, frozen=True):
    """Bars of one symbol in time order: history, or the newest bar again with its latest values."""

    symbol: str
    interval_s: int
    bars: tuple[Bar, ...]


class MarketTold(Event, frozen=True):
    """Depth or a trade of a market that is followed (`TellsMarket`), or what of it was missed; its `source` is the
    venue's name."""

    event: MarketEvent


class MessageUnreadable(Event, frozen=True):
    """A message that could not be read: kept (redacted, capped), counted, and survived."""

    raw: str
    error: str


# --- what a venue is asked --------------------------------------------------------------------------------------------


class Snapshot(Record, frozen=True):
    """The venue's truth about one login at `at_ns`. `complete` names the accounts whose every part was read;
    what is missing for an account is not known, and never means flat. `fills` are those the venue still lists."""

    at_ns: int
    accounts: tuple[VenueAccount, ...]
    complete: frozenset[str]
    positions: tuple[Position, ...]
    orders: tuple[VenueOrder, ...]
    fills: tuple[Fill, ...]
    states: tuple[AccountState, ...]


class WorkingOrder(Record, frozen=True):
    """An order that may still trade, by what a cancel needs. `symbol` is empty when the venue did not say."""

    account: str
    order_id: str
    symbol: str


class Exposure(Record, frozen=True):
    """What a login's accounts hold and have working at `at_ns`, and nothing else. `complete` names the accounts that
    were read: of those, what is not listed is not there; any other account is not known, and never flat."""

    at_ns: int
    complete: frozenset[str]
    positions: tuple[Position, ...]
    working: tuple[WorkingOrder, ...]


class Wanted(Record, frozen=True):
    """One order of ours that its venue is asked for. `order_id` is empty when the venue never told it; `sent_ns` is no
    later than when it left."""

    account: str
    cl_ord_id: str
    order_id: str
    symbol: str
    side: Side
    order_type: OrderType
    qty: int
    sent_ns: int


class Finding(StrEnum):
    """What an answer about one order proves. ABSENT: the venue itself says that it has none of this id. UNLISTED: its
    list shows none, which proves nothing. UNKNOWN: it did not say, or not all of it."""

    FOUND = "found"
    ABSENT = "absent"
    UNLISTED = "unlisted"
    UNKNOWN = "unknown"


class Found(Record, frozen=True):
    """A venue's answer about one order: `order` (when FOUND) and all its fills as they are now. `text` says in a few
    words what was answered."""

    account: str
    cl_ord_id: str
    finding: Finding
    text: str
    order: VenueOrder | None = None
    fills: tuple[Fill, ...] = ()


class Requests(Record, frozen=True):
    """How many requests something takes: `once`, and `each` for every order or account it is about."""

    once: int
    each: int

    def of(self, count: int) -> int:
        return self.once + self.each * count


class Capabilities(Record, frozen=True):
    """What a venue can do; a test that needs a flag is asserted to be refused without it. The table of them all is
    in `docs/adapters.md`."""

    venue: str
    client_tag: bool  # orders carry our id, and `find` finds them by it
    duplicate_tag_rejected: bool  # the venue itself refuses a client id it has seen
    native_brackets: bool  # the venue itself knows brackets, in whatever form
    native_trailing: bool  # trailing stops rest at the venue; its adapter is then a `Trails`
    flips: bool  # one order may cross zero
    liquidates: bool  # one request closes a position
    market_data: bool  # prices of the market
    order_types: frozenset[OrderType]
    bars: bool = True  # its market data has bars, and a history of them; its adapter is then a `TellsHistory`
    depth: bool = False  # its market data has the book's depth and every trade; its adapter is then a `TellsMarket`
    links_orders: bool = False  # one request places two exits that cancel each other, or an entry with its exits
    times_in_force: frozenset[TimeInForce] = frozenset(TimeInForce)
    lists_accounts: bool = True  # the venue says which accounts a login has
    lists_positions: bool = True  # what an account holds can be asked, also what it held before the first connect
    account_money: bool = True  # balances and profit are told
    describes_contracts: bool = True  # tick size and value are the venue's own word
    authenticates: bool = True  # the venue checks a secret of the login's
    tokens_expire: bool = True  # a login has a token that ends
    answers_commands: bool = True  # a command is answered: one that was refused is known to be
    reject_reasons: bool = True  # a refusal says why
    tells_terms: bool = True  # what an order of another front end is about is told
    executions: bool = True  # fills are the venue's own word, each with its price
    tags_closes: bool = True  # fills of a `liquidate` carry its client id
    throttles: bool = True  # the venue says when it was asked for too much
    exits_without_stream: bool = True  # what reduces can leave while the order stream is down
    tells_gap: bool = True  # what others did while the stream was away can be learned when it is back
    uncounted_lists: bool = True  # an empty list may be a fault: nothing in it says that there is nothing
    policy: str = ""  # what the venue demands of where a desk runs, one sentence to show before an account is armed
    find: Requests = Requests(once=0, each=1)  # what `find` takes at most, by orders
    reading: Requests = Requests(once=1, each=0)  # what `snapshot` takes, by accounts


class ConnectionHealth(Record, frozen=True):
    """What the health and accounts panes show of a login. Ages are -1 when nothing was received yet."""

    connection: str
    state: str  # down, connecting, syncing, up, refused
    reason: str
    last_message_ns: int
    reconnects: int
    unreadable: int
    budget_per_min: int
    budget_left: int  # requests still allowed in the current window, the reserve included
    round_trip_ms: float


Emit = Callable[[Event], None]


class BrokerAdapter(Protocol):
    """One login at one venue."""

    config: ConnectionConfig
    capabilities: Capabilities

    async def connect(self) -> None:
        """Log in and start the streams; returns once the first `StreamUp` was emitted, and then keeps the
        connection up until `close`. Raises LoginRefused or VenueUnreachable when the first attempt fails."""
        ...

    async def close(self) -> None:
        """Leave the venue: no event is emitted after this returns. Working orders stay where they are."""
        ...

    async def instrument(self, symbol: str) -> Instrument:
        """The contract as the venue has it. Raises RequestRefused when it has no such symbol."""
        ...

    async def place(self, orders: Sequence[ApprovedOrder]) -> None:
        """Write all orders to the wire in one pass, then return; answers arrive as events. Each order gets
        exactly one of OrderSent or OrderNotSent, and after OrderSent one of OrderAccepted, OrderRejected or
        OrderUnknown at the latest when the deadline of the adapter's settings has passed. Nothing is sent twice.
        An order that carries others (`ApprovedOrder.legs`) is one request, and its promises are kept for each leg; it
        is only given to an adapter whose capabilities say `links_orders`."""
        ...

    async def cancel(self, account: str, order_id: str) -> None:
        """Ask for a cancel; returns when the venue took the request. Raises RequestRefused or RequestUnknown."""
        ...

    async def modify(
        self,
        account: str,
        order_id: str,
        *,
        qty: int,
        order_type: OrderType,
        limit_price: Decimal | None = None,
        stop_price: Decimal | None = None,
    ) -> None:
        """Replace an order's terms; same returns and errors as `cancel`."""
        ...

    async def liquidate(self, account: str, symbol: str, cl_ord_id: str) -> None:
        """Cancel the account's working orders in `symbol`, then close the position at market; same returns and
        errors as `cancel`. A request, not a guarantee: the caller verifies."""
        ...

    async def snapshot(self) -> Snapshot:
        """Read the venue's truth now, by request (not from the stream's memory). Raises RequestUnknown when any
        part could not be read: a failed query is not a flat account."""
        ...

    async def find(self, wanted: Sequence[Wanted]) -> tuple[Found, ...]:
        """Ask for these orders of ours by their client ids, or by the venue's where it is known, with the fewest
        requests that tell their state and their fills; one answer for each, in the same order. The requests are of
        `Lane.FIND`: they take nothing of what is kept for exits. Raises RequestUnknown when nothing was learned of any
        of them; only a venue without `client_tag` raises RequestRefused."""
        ...

    async def exposure(self) -> Exposure:
        """Read what is open now, by request, with the fewest requests that tell it and from the tokens kept for exits.
        Raises RequestUnknown when any part could not be read."""
        ...

    async def watch(self, symbol: str, interval_s: int, history: int) -> None:
        """Start quotes and bars of `symbol` (the last `history` bars first). Repeating it is harmless."""
        ...

    def health(self) -> ConnectionHealth: ...


@runtime_checkable
class Trails(Protocol):
    """An adapter whose venue trails stops by itself."""

    async def modify_trailing(
        self, account: str, order_id: str, *, qty: int, trail: Decimal, stop_price: Decimal | None
    ) -> None:
        """Replace a trailing stop's terms; as `BrokerAdapter.modify`."""
        ...


@runtime_checkable
class TellsMarket(Protocol):
    """An adapter whose venue tells the depth of a market's book, and every trade."""

    async def follow(self, symbol: str) -> None:
        """Tell of `symbol` as MarketTold from now on, also over later connections; what could not be told is a FeedGap,
        before the first thing after it. No trade that bears an id is told twice. Repeating it is harmless. Errors as
        `BrokerAdapter.watch`."""
        ...

    def market_health(self) -> FeedHealth | None:
        """How the connection that tells the market is, `source` being the login's name; None before anything was asked
        of it. `catchup_candles_total` is 0: the adapter asks for none by itself."""
        ...


@runtime_checkable
class TellsHistory(Protocol):
    """An adapter whose venue tells candles of the past."""

    def history(self) -> History:
        """For the loop of the adapter. Its requests are of `Lane.HISTORY`, the last to get a token, and wait for it; a
        connection that is away is waited for a while. `source` is the venue's name. Raises FeedDown before the first
        connection."""
        ...


@runtime_checkable
class PlacesAtOnce(Protocol):
    """An adapter that can write orders without waiting for anything. The desk then has no task between its journal
    and the wire."""

    def place_at_once(self, orders: Sequence[ApprovedOrder]) -> None:
        """As `BrokerAdapter.place`; the bytes have left when it returns."""
        ...
