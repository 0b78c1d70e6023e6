"""The seat: all that a screen may see of the desk and ask of it. `engine/desk.py` provides it, `tui/` uses it.

Snapshots are immutable and conflated: a topic's version grows when its rows changed, and reading one is safe from
any thread and never waits for the engine. Row values are for showing; the truth is in the ledger and the journal.
"""

from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from engine.market.shown import BookShown, SessionShown, TapeShown, Truth
from engine.reported import Report, ReportAsked
from engine.shown import (
    ArmPlan,
    ConnectionShown,
    CopyTimes,
    DriftRow,
    PostgresShown,
    PracticeLogin,
    ProcessShown,
    RulePreview,
    StageShown,
)
from engine.symbol_search import LIMIT, Match
from schema.layouts import LayoutEdit, UserLayouts
from schema.login import Credentials
from schema.market import FeedHealth
from schema.records import (
    Bar,
    ConnectionConfig,
    Decision,
    Environment,
    Guard,
    OrderType,
    Record,
    Rule,
    Side,
    SymbolMap,
    TimeInForce,
    VenueAccount,
)
from schema.watchlists import Edit, SavedFilter


class Topic(StrEnum):
    ACCOUNTS = "accounts"
    ORDERS = "orders"
    POSITIONS = "positions"
    COPIES = "copies"
    CANDLES = "candles"
    ALERTS = "alerts"
    STATUS = "status"
    WATCHLISTS = "watchlists"
    FILTERS = "filters"
    LAYOUTS = "layouts"  # `schema.layouts.UserLayouts` in one row; none until they were read
    FEEDS = (
        "feeds"  # `schema.market.FeedHealth` of each source that needs no login, and of the logins that tell a market
    )
    DEPTH = "depth"  # `engine.market.shown.BookShown` of the chart's symbol, where somebody tells it
    TAPE = "tape"  # its TapeShown and SessionShown
    TRUTH = "truth"  # Truth of each symbol whose market is told: what was lost and what can't be
    DRIFT = "drift"  # `engine.shown.DriftRow` of each follower that does not stand at its target
    HEALTH = "health"  # ProcessShown, PostgresShown, then a ConnectionShown of each login
    LATENCY = "latency"  # a StageShown of each stage of a copy, then the CopyTimes of the newest


class Role(StrEnum):
    LEADER = "leader"
    FOLLOWER = "follower"
    NONE = "none"


class AccountRow(Record, frozen=True):
    """One account. `state` is off, armed, halted, reduce-only, close-only, locked (by its venue), syncing, out-of-sync,
    disarmed, down, refused or unknown; `why` says why it is not armed. `position` is text (``+2 ESH4``;
    ``flat``; ``?`` when not known). Latencies are leader event received -> venue's answer, ms, -1 when none yet.
    `as_of_ns` is when the venue last spoke of the account, `working` counts the orders that may trade there."""

    account: str
    connection: str
    venue: str
    environment: Environment
    group: str
    role: Role
    enabled: bool
    state: str
    why: str
    rule: str
    position: str
    net_qty: int
    day_pnl: Decimal
    open_pnl: Decimal
    balance: Decimal
    copies_ok: int
    copies_failed: int
    copies_skipped: int
    latency_p50_ms: float
    latency_p99_ms: float
    budget_left: int
    budget_per_min: int
    as_of_ns: int
    working: int = 0


class OrderRow(Record, frozen=True):
    """One order, newest first in the snapshot (the last 500; those that may still trade go last). `origin` is copy,
    manual (of the trader's, from the desk), leader or foreign."""

    account: str
    order_id: str
    cl_ord_id: str
    origin: str
    symbol: str
    side: Side
    order_type: OrderType
    qty: int
    filled_qty: int
    avg_price: Decimal | None
    limit_price: Decimal | None
    stop_price: Decimal | None
    status: str
    text: str
    updated_ns: int


class PositionRow(Record, frozen=True):
    """One position. `target_net` is what the rule asks for now (None for a leader or an account without a group),
    `mark` the last price used for `open_pnl` (0 when there is none)."""

    account: str
    group: str
    role: Role
    symbol: str
    net_qty: int
    target_net: int | None
    avg_price: Decimal
    mark: float
    open_pnl: Decimal
    realized_pnl: Decimal
    drift: str
    as_of_ns: int


class CopyRow(Record, frozen=True):
    """One (signal, follower) pair of the copy ledger, newest first (the last 500)."""

    signal_id: str
    follower: str
    leader: str
    kind: str
    at_ns: int
    symbol: str
    side: Side
    qty: int
    filled_qty: int
    avg_price: Decimal | None
    target_net: int
    decision: Decision
    reason: str
    total_ms: float
    order: str = ""  # type and price of an order that waits for one: ``stop 4795.25``


class Line(Record, frozen=True):
    """An indicator over candles: a value for each of the last bars, the open one's provisional; None where there is
    none."""

    name: str
    values: tuple[float | None, ...]


class Candles(Record, frozen=True):
    """The bars of a symbol in time order, the open one last (the topic has exactly one row). `badge` is loading, live,
    gap (a bar shown may lack trades) or stale. `gaps` and `partial` are the starts of bars that may lack some, because
    a source lost them or the desk came in the middle. `interval_s` is 0 where `interval` (``500t``) is none of time."""

    symbol: str
    interval_s: int
    bars: tuple[Bar, ...]
    last: float
    badge: str
    interval: str = ""
    gaps: tuple[int, ...] = ()
    partial: tuple[int, ...] = ()
    lines: tuple[Line, ...] = ()


class AlertRow(Record, frozen=True):
    """Newest first (the last 200). `level` is info, warn or alarm."""

    at_ns: int
    level: str
    text: str


class LatencySummary(Record, frozen=True):
    """Percentiles of one stage since the desk opened, milliseconds."""

    stage: str  # decide, journal, send, venue, total
    count: int
    p50: float
    p99: float
    max: float


class StatusRow(Record, frozen=True):
    """The desk as a whole (a topic with exactly one row). `blocked` is empty, or one sentence saying why no order
    leaves. `undecided` counts pairs past their deadline without a decision and must be 0. `guard` is empty, or what the
    trader guards (``desk halted``); `flatten` is empty, or how the flatten that runs stands."""

    desk: str
    pid: int
    now_ns: int
    blocked: str
    journal_ok: bool
    connections_up: int
    connections: int
    signals: int
    pairs: int
    copied: int
    skipped: int
    rejected: int
    expired: int
    unknown: int
    undecided: int
    drifting: int
    latency: tuple[LatencySummary, ...]
    loop_lag_p99_ms: float
    rss_mb: float
    feed_age_ms: float
    day_pnl: Decimal
    open_pnl: Decimal
    guard: str = ""
    flatten: str = ""
    collect_ms: float = -1.0  # the last full garbage collection, run by hand when nothing was copied


class WatchRow(Record, frozen=True):
    """One symbol of a list. A price is None until it is known. `change` is the price (the last trade, else the middle)
    against `first`, the first that this desk saw in the trading day; `as_of_ns` is when the quote came, 0 for never."""

    source: str
    symbol: str
    description: str = ""
    exchange: str = ""
    bid: float | None = None
    ask: float | None = None
    last: float | None = None
    change: float | None = None
    first: float | None = None
    as_of_ns: int = 0


class WatchlistRow(Record, frozen=True):
    """One list in its order; lists come by name."""

    name: str
    rows: tuple[WatchRow, ...]


Row = (
    AccountRow
    | OrderRow
    | PositionRow
    | CopyRow
    | Candles
    | AlertRow
    | StatusRow
    | WatchlistRow
    | FeedHealth
    | SavedFilter  # of the topic FILTERS
    | UserLayouts
    | BookShown
    | TapeShown
    | SessionShown
    | Truth
    | DriftRow
    | ProcessShown
    | PostgresShown
    | ConnectionShown
    | StageShown
    | CopyTimes
)


class View(Record, frozen=True):
    """One topic as it stood at `version`."""

    topic: Topic
    version: int
    rows: tuple[Row, ...]


class Chosen(Record, frozen=True):
    """What is chosen for accounts that are added. None or empty: as it is, or as is usual."""

    group: str = "main"
    leader: str = ""
    rule: Rule | None = None
    symbols: tuple[SymbolMap, ...] = ()
    max_position: int | None = None
    armed: bool = True  # new followers copy from the next trade on, without the checklist


class LoginAccount(Record, frozen=True):
    """An account as its login lists it now: whether its venue lets it trade, and what the desk does with it."""

    account: str
    state: str
    role: str
    mine: bool


class LoginAccounts(Record, frozen=True):
    """A login of the desk, and its accounts as its venue lists them now beside the desk's own."""

    connection: str
    venue: str
    environment: Environment
    accounts: tuple[LoginAccount, ...]


class CommandRefused(Exception):
    """The desk will not do it; the text is one sentence naming the field and the remedy."""


class FlattenResult(Record, frozen=True):
    """How a flatten ended: who is flat and verified by the venue, and who is not, with the reason."""

    flat: tuple[str, ...]
    not_flat: tuple[tuple[str, str], ...]
    seconds: float


class ResyncLine(Record, frozen=True):
    """What a resync would do for one follower in one contract. `held` and `target` are signed lots (None: not known);
    `foreign` of those held are not the desk's. `delta` is the signed lots of the order that would go, 0 for none, and
    `note` then says why. `entry_price` is the leader's average entry, `price` the market now, `ticks_worse` how much
    worse now is for that order (below 0: better)."""

    account: str
    symbol: str
    leader_symbol: str
    held: int | None
    target: int | None
    delta: int
    entry_price: Decimal | None = None
    price: Decimal | None = None
    ticks_worse: int | None = None
    foreign: int = 0
    note: str = ""


class ResyncPlan(Record, frozen=True):
    """What a resync of `target` would do, or, with `sent`, what it did. `unread` names accounts whose venue could not
    be asked, with the reason: nothing is sent for them."""

    target: str
    accounts: int
    lines: tuple[ResyncLine, ...]
    unread: tuple[tuple[str, str], ...] = ()
    sent: bool = False
    seconds: float = 0.0

    @property
    def orders(self) -> int:
        """How many orders would go, or went."""
        return sum(line.delta != 0 for line in self.lines)


class Ticket(Record, frozen=True):
    """An order that the trader writes: for an account, or for a group, whose followers then each get what their rule
    makes of `qty`. `symbol` empty: the chart's. A limit or stop price is in the leader's contract for a group."""

    target: str
    side: Side
    qty: int
    symbol: str = ""
    order_type: OrderType = OrderType.MARKET
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.DAY


class OrderLine(Record, frozen=True):
    """What the trader's word would do at one account: place an order, or, with an `order_id`, move or cancel one.
    `refused` says why nothing is sent, `note` what else is to be known. `held` are signed lots (None: not known),
    `market` is the price now and `ticks` how far the order's price is from it (below 0: it would trade at once);
    `notional` and `tick_value` are money, of the whole order. `copies`: so many followers copy it. `outcome` is what
    came of it once it was sent."""

    account: str
    symbol: str
    side: Side
    qty: int
    order_type: OrderType
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    order_id: str = ""
    origin: str = ""
    live: bool = False
    held: int | None = None
    market: Decimal | None = None
    ticks: int | None = None
    notional: Decimal | None = None
    tick_value: Decimal | None = None
    copies: int = 0
    refused: str = ""
    note: str = ""
    outcome: str = ""


class OrderAct(StrEnum):
    PLACE = "place"
    MOVE = "move"
    CANCEL = "cancel"


class OrderPlan(Record, frozen=True):
    """What an order, a move or a cancel of the trader would do, or, with `sent`, what came of it. `plan_id` is new for
    each preview, and each is sent once."""

    plan_id: str
    act: OrderAct
    about: str
    lines: tuple[OrderLine, ...]
    at_ns: int
    sent: bool = False
    seconds: float = 0.0

    @property
    def orders(self) -> int:
        """How many requests would go, or went."""
        return sum(not line.refused for line in self.lines)


class Seat(Protocol):
    """The desk as a screen sees it. Commands raise CommandRefused and return one sentence saying what was done."""

    @property
    def away(self) -> str:
        """Empty, or one sentence saying why this seat hears of no desk now: what it shows is old."""
        ...

    def view(self, topic: Topic) -> View:
        """The newest snapshot of a topic; safe from any thread, never blocks."""
        ...

    async def toggle(self, account: str) -> str:
        """Enable or disable a follower; its copies stop or start with the next leader event."""
        ...

    async def set_rule(self, account: str, kind: str, value: str) -> str: ...

    async def set_group(self, group: str, field: str, value: str) -> str:
        """Change one setting of a group (see `schema/group_words.py`), from the next leader event on."""
        ...

    async def sizing(self, account: str) -> tuple[Rule, int | None]:
        """A follower's rule and its position cap as they are."""
        ...

    async def set_size(self, target: str, rule: Rule, max_position: int | None) -> str:
        """Give a follower, or every follower of a group, a rule and a position cap (None: no cap)."""
        ...

    async def preview(self, account: str, rule: Rule, max_position: int | None) -> RulePreview:
        """What that would do for one follower, along a path of its leader; nothing is changed."""
        ...

    async def lead(self, account: str, group: str) -> str:
        """Have an account lead a group, made when there is none; refused unless all of it are at rest at their
        venues: no position, no working order."""
        ...

    async def follow(self, account: str, group: str) -> str:
        """Put an account into a group as a follower that is off; one that follows elsewhere must be at rest."""
        ...

    async def unfollow(self, account: str) -> str:
        """Take a follower that is at rest out of its group."""
        ...

    async def remove_account(self, account: str) -> str:
        """Take an account that is at rest off the desk, and its login with the last one. Its history stays."""
        ...

    async def arm_checklist(self, target: str, acknowledged: Sequence[str]) -> ArmPlan:
        """What would keep the followers of an account, a group or ``all`` from copying; nothing is changed.
        `acknowledged` are the venues whose policy the trader took note of."""
        ...

    async def arm(self, accounts: Sequence[str], acknowledged: Sequence[str]) -> ArmPlan:
        """Switch on those of these followers that pass the checklist now; the checklist as it is then."""
        ...

    async def guard(self, target: str, guard: Guard) -> str:
        """Set what a follower, a group or ``all`` (the whole desk) may open; `Guard.NONE` lifts it."""
        ...

    async def chart(self, symbol: str) -> str:
        """Have the chart, the ladder and the tape of every seat show a contract (``ESZ6``), or a feed's symbol."""
        ...

    async def acknowledge(self, contract: str) -> str:
        """Go on opening in a contract (``ESZ6``) that expires within 7 days; one that has expired is refused."""
        ...

    async def kill(self) -> FlattenResult:
        """The kill switch: halt the whole desk, then flatten every account."""
        ...

    async def flatten(self, target: str) -> FlattenResult:
        """Cancel working orders and close positions of an account, a group or ``all``, then verify with the venue."""
        ...

    async def resync(self, target: str, shown: ResyncPlan | None = None) -> ResyncPlan:
        """Without `shown`: read the venue and say what would bring the followers of an account, a group or ``all`` to
        their targets; nothing is sent. With it: send what it showed, exits first, entries once those are done."""
        ...

    async def place(self, ticket: Ticket, shown: OrderPlan | None = None) -> OrderPlan:
        """Without `shown`: say what an order would be at each account, and what refuses it; nothing is sent. With it:
        send what it showed, once, and wait for what comes of it."""
        ...

    async def move(
        self, account: str, order_id: str, price: Decimal, qty: int | None = None, shown: OrderPlan | None = None
    ) -> OrderPlan:
        """Give a working order another price (of a stop limit the stop's, its limit keeps its distance) and size; as
        `place`. Not for copies, which follow the leader's order."""
        ...

    async def cancel(self, target: str, what: str = "", shown: OrderPlan | None = None) -> OrderPlan:
        """Cancel what works on an account, a group (its leader too) or ``all``: everything, one contract, or one order
        by its id; as `place`. Not for copies."""
        ...

    async def export(self, what: str, path: str, account: str | None = None) -> str:
        """Write what `copydesk export` can as CSV to `path`, the same bytes."""
        ...

    async def report(self, asked: ReportAsked) -> Report:
        """What was earned and how it was copied on some trading days, as `copydesk report` tells it."""
        ...

    async def why(self, account: str, at: str | None = None, signal_id: str | None = None) -> str:
        """The story of one copy, as lines of text: the account's copy of `signal_id`, its newest at or before the
        time `at` (``14:32``), or its last."""
        ...

    async def try_login(
        self, login: ConnectionConfig, credentials: Credentials, accounts: Sequence[str]
    ) -> tuple[VenueAccount, ...]:
        """Log in at the venue once and say which accounts the login has (at a venue that lists none, those named in
        `accounts`). Nothing is stored."""
        ...

    async def add_login(
        self, login: ConnectionConfig, credentials: Credentials, wanted: Sequence[VenueAccount], chosen: Chosen
    ) -> str:
        """Store a login that was tried, with these of its accounts, and connect it."""
        ...

    async def practice_logins(self) -> tuple[PracticeLogin, ...]:
        """The logins of the practice venue that runs on the desk's machine, without those that are on the desk."""
        ...

    async def login_accounts(self, connection: str) -> LoginAccounts:
        """The accounts that a login of the desk has at its venue now, beside the desk's own."""
        ...

    async def add_accounts(self, connection: str, accounts: Sequence[str], chosen: Chosen) -> str:
        """Put more accounts of a login on the desk."""
        ...

    async def find_symbols(self, text: str, limit: int = LIMIT) -> tuple[Match, ...]:
        """What may be meant by what was typed so far, best first, in a millisecond."""
        ...

    async def edit_lists(self, edit: Edit) -> str:
        """Add to, take off, move in, make, rename or delete a watchlist, or save or delete a filter, for every seat of
        this user. A symbol may be named without its source, in any case."""
        ...

    async def edit_layouts(self, edit: LayoutEdit) -> str:
        """Save or delete a layout of the screen, for every seat of this user, or remember what a seat shows."""
        ...

    async def stored_bars(self, symbol: str, interval: str, until_ns: int, limit: int) -> tuple[Bar, ...]:
        """The newest `limit` stored candles (at most 5,000) of a symbol in an interval (``1m``) that begin before
        `until_ns`, oldest first; none where none are stored."""
        ...

    async def open_positions(self) -> int:
        """How many accounts hold a position, for the question before quitting."""
        ...
