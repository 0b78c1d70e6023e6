"""What happens to the core besides venue events, and what the core wants done. Data only.

Every input is numbered by the core; effects are returned, not performed (`DESIGN.md`, the way a trade takes).
"""

from decimal import Decimal
from enum import StrEnum

from brokers.adapter import Event, Found, Requests, Snapshot, Wanted
from engine.mirror_terms import Terms
from schema.records import (
    AccountState,
    ApprovedOrder,
    Copy,
    DeskConfig,
    Fill,
    Instrument,
    Lots,
    ManualOrder,
    Position,
    Record,
    RejectClass,
    Signal,
    VenueOrder,
)

# --- inputs ------------------------------------------------------------------------------------------------------


class Input(Record, frozen=True, tag=True):
    """Base of what the shell tells the core. `at_ns` is when it happened."""

    at_ns: int


class ConfigLoaded(Input, frozen=True):
    config: DeskConfig


class Recovered(Input, frozen=True):
    """What the journal knows at start, before any venue was asked."""

    open_copies: tuple[tuple[Signal, Copy], ...]
    latest_copies: tuple[Copy, ...]
    leader_nets: tuple[tuple[str, str, int], ...]  # (leader, symbol, net after its newest signal)
    seen_fills: frozenset[tuple[str, str]]  # (account, fill id), of fills from `fills_since_ns` on
    baselines: tuple[tuple[str, int], ...]  # (leader, first seen ns)
    short_copies: tuple[tuple[Signal, Copy], ...] = ()  # copied, and their fills have not all come
    working_copies: tuple[tuple[Signal, Copy], ...] = ()  # they may rest at their venues
    leader_orders: tuple[Signal, ...] = ()  # what followers were last told of each order of a leader
    half_signalled: tuple[tuple[Signal, tuple[str, ...]], ...] = ()  # (a fill's signal, groups that have none of it)
    lots: tuple[Lots, ...] = ()
    live_orders: frozenset[tuple[str, str]] = frozenset()  # (account, order id) of orders that were working
    fills_since_ns: int = 0  # what traded before it is history, whether or not it was seen then


class Committed(Input, frozen=True):
    """The journal holds the signal and all its copies. `fresh` is False when it already did."""

    signal_id: str
    fresh: bool
    decided_ns: int


class SnapshotRead(Input, frozen=True):
    """A venue answered a question about a login. `asked_seq` is the core's number when the question left."""

    connection: str
    snapshot: Snapshot
    asked_seq: int


class AskFailed(Input, frozen=True):
    """A venue did not answer a question about a login: what it holds is not known, and is not flat."""

    connection: str
    reason: str


class OrdersFound(Input, frozen=True):
    """A venue answered, or did not, a question about orders of ours, asked at `asked_ns`."""

    connection: str
    asked_ns: int
    found: tuple[Found, ...]


class InstrumentChecked(Input, frozen=True):
    """A venue described a contract, or said why not (`error`)."""

    connection: str
    symbol: str
    instrument: Instrument | None
    error: str = ""


class VenueAbilities(Input, frozen=True):
    """What the venue of a login can do: `flips` when one order may take a position across zero, `links` when one
    request places orders that the venue itself links, `trails` when it trails stops, `gtc` when an order may outlast
    its session, `finds` when an order can be asked for by its tag; what that takes by orders, and a whole reading by
    accounts."""

    connection: str
    flips: bool
    links: bool = False
    trails: bool = False
    gtc: bool = False
    finds: bool = False
    find: Requests = Requests(once=0, each=1)
    reading: Requests = Requests(once=1, each=0)


class ConnectionRefused(Input, frozen=True):
    """A login that cannot come up until a person acts."""

    connection: str
    reason: str


class Flattened(Input, frozen=True):
    """The trader flattens these accounts: they leave the leader's current trade, and copies keep out of them."""

    accounts: tuple[str, ...]


class FlattenEnded(Input, frozen=True):
    """The flatten of these accounts is over: what copies may still bring is corrected again, trades may be joined."""

    accounts: tuple[str, ...]


class Outcome(StrEnum):
    """What is known of a request: UNKNOWN when it may or may not have taken effect."""

    TAKEN = "taken"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class ChangeAnswered(Input, frozen=True):
    """A venue's answer to a ChangeOrder, with the terms that it asked for; `text` are its words when it refused."""

    account: str
    cl_ord_id: str
    terms: Terms | None
    outcome: Outcome
    reject_class: RejectClass = RejectClass.OTHER
    text: str = ""


class Resync(Input, frozen=True):
    """The trader confirmed that these (follower, leader's contract, signed lots) go to their targets: first what
    reduces (`entries` False), then the rest."""

    places: tuple[tuple[str, str, int], ...]
    entries: bool


class ManualRecovered(Input, frozen=True):
    """The trader's own orders of which the journal knows no end, at start."""

    orders: tuple[ManualOrder, ...]


class ManualAsked(Input, frozen=True):
    """The trader confirmed these orders, as they were shown to him."""

    orders: tuple[ManualOrder, ...]


class ManualCommitted(Input, frozen=True):
    """The journal holds the orders of a CommitManual; `fresh` are the tags of those that it did not hold before."""

    tags: tuple[str, ...]
    fresh: frozenset[str]


class ManualChange(Input, frozen=True):
    """The trader confirmed that a working order gets these terms, or is canceled (None). `change_id` is new each time
    that he is shown something."""

    change_id: str
    account: str
    order_id: str
    terms: Terms | None


class PriceSeen(Input, frozen=True):
    """The market's price of a leader's contract, asked for by `late.wanted`; `at_ns` is when the venue said it."""

    symbol: str
    price: Decimal


class Tick(Input, frozen=True):
    """Time passed."""


AnyInput = Event | Input

# --- effects -----------------------------------------------------------------------------------------------------


class Effect(Record, frozen=True, tag=True):
    """Base of what the core asks the shell to do."""


class Commit(Effect, frozen=True):
    """Journal the signal and its copies in one commit, then tell the core; no order leaves before."""

    signal: Signal
    copies: tuple[Copy, ...]


class CommitManual(Effect, frozen=True):
    """Journal these orders of the trader's in one commit, then tell the core; none leaves before."""

    orders: tuple[ManualOrder, ...]


class KeepManual(Effect, frozen=True):
    """What became of the trader's orders, to store when there is time."""

    orders: tuple[ManualOrder, ...]


class Send(Effect, frozen=True):
    """Hand these orders to one connection, in one pass."""

    connection: str
    orders: tuple[ApprovedOrder, ...]


class ChangeOrder(Effect, frozen=True):
    """Give an order at rest these terms, or cancel it (None); the answer comes back as ChangeAnswered."""

    connection: str
    account: str
    order_id: str
    cl_ord_id: str
    reducing: bool
    terms: Terms | None


class Ask(Effect, frozen=True):
    """Ask a venue what is true of a login; the answer comes back as SnapshotRead."""

    connection: str


class AskOrders(Effect, frozen=True):
    """Ask a venue for these orders by their tags; the answer comes back as OrdersFound."""

    connection: str
    wanted: tuple[Wanted, ...]


class SetBaseline(Effect, frozen=True):
    """Remember when a leader was first seen: its older fills are history, never signals."""

    leader: str
    at_ns: int


class Keep(Effect, frozen=True):
    """Rows to store when there is time: none of it gates an order, all of it can be asked of the venue again."""

    copies: tuple[Copy, ...] = ()
    fills: tuple[Fill, ...] = ()
    orders: tuple[VenueOrder, ...] = ()
    positions: tuple[Position, ...] = ()
    states: tuple[AccountState, ...] = ()
    lots: tuple[Lots, ...] = ()


class Disarm(Effect, frozen=True):
    """Store that a follower is off, and why; with `flatten`, also flatten it."""

    account: str
    reason: str
    flatten: bool


class Alert(Effect, frozen=True):
    """One sentence for the trader. `level` is info, warn or alarm."""

    level: str
    text: str


AnyEffect = (
    Commit | CommitManual | KeepManual | Send | ChangeOrder | Ask | AskOrders | Disarm | SetBaseline | Keep | Alert
)
