"""The records that every floor passes around: frozen, typed, and free of behaviour that needs I/O.

Conventions: quantities are positive integers of contracts unless the name says `net`; prices and money are
`Decimal`; times are `*_ns` (see `schema/clock.py`); an `account` is the desk-wide account name (the venue's own
account name, e.g. ``DEMO1001``), a `symbol` the contract name with a one-digit year (``ESH4``).
"""

from decimal import Decimal
from enum import StrEnum

import msgspec


class Record(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Base of every record."""


# --- words -----------------------------------------------------------------------------------------------------


class Side(StrEnum):
    BUY = "buy"
    SELL = "sell"

    sign: int  # 1 or -1; kept with the side, since every sum of lots asks for it

    def __init__(self, value: str) -> None:
        self.sign = 1 if value == "buy" else -1

    @classmethod
    def of(cls, signed_qty: int) -> "Side":
        """The side whose sign `signed_qty` has; 0 counts as a buy."""
        return cls.BUY if signed_qty >= 0 else cls.SELL


class OrderType(StrEnum):
    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"
    TRAILING_STOP = "trailing_stop"  # a stop whose price follows the market at a distance, and never back


class TimeInForce(StrEnum):
    DAY = "day"
    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"


class LiveStatus(StrEnum):
    """What an order that may still trade is."""

    PENDING = "pending"
    WORKING = "working"
    SUSPENDED = "suspended"


class DoneStatus(StrEnum):
    """What an order that can trade no more is."""

    FILLED = "filled"
    CANCELED = "canceled"
    REJECTED = "rejected"
    EXPIRED = "expired"


class Environment(StrEnum):
    DEMO = "demo"
    LIVE = "live"


class RejectClass(StrEnum):
    """What follows from a reject, whatever the venue called it."""

    MARGIN = "margin"
    LIMIT = "limit"  # a position or order-size limit
    MARKET_CLOSED = "market_closed"
    PRICE = "price"
    CONTRACT = "contract"
    THROTTLED = "throttled"
    AUTH = "auth"
    LOCKED = "locked"  # the account may only reduce, or not trade at all
    UNAVAILABLE = "unavailable"  # the venue could not take it now; the same order may pass later
    OTHER = "other"


# --- instruments and market data ---------------------------------------------------------------------------------


class Instrument(Record, frozen=True):
    """A contract as its venue describes it. `tick_value` is the money one tick of one contract is worth. `month` is
    YYYYMM, `expires_ns` when it stops trading, `front` the name of the venue's front month of the same root; 0 or ''
    where the venue does not say. `described` is False where a venue describes no contracts: all of it is then the
    product table's word."""

    symbol: str
    root: str
    tick_size: Decimal
    tick_value: Decimal
    venue_id: str = ""
    month: int = 0
    expires_ns: int = 0
    front: str = ""
    described: bool = True

    @property
    def point_value(self) -> Decimal:
        return self.tick_value / self.tick_size


class Quote(Record, frozen=True):
    """Top of book and last trade of a symbol; a field is None until the venue has said it. Prices are floats:
    market data is for looking at and marking, never for an order's price."""

    symbol: str
    bid: float | None = None
    bid_size: float | None = None
    ask: float | None = None
    ask_size: float | None = None
    last: float | None = None
    last_size: float | None = None
    venue_ns: int = 0


class Bar(Record, frozen=True):
    """One candle. `start_ns` is the bar's opening time on the market's own clock."""

    symbol: str
    start_ns: int
    open: float
    high: float
    low: float
    close: float
    volume: float


# --- what a venue tells us -----------------------------------------------------------------------------------------


class VenueAccount(Record, frozen=True):
    """An account as its login lists it; `venue_id` is what the venue wants in orders."""

    account: str
    venue_id: str
    active: bool = True
    readonly: bool = False


class _Order(Record, frozen=True):
    account: str
    order_id: str
    symbol: str
    side: Side
    order_type: OrderType
    qty: int
    filled_qty: int = 0
    avg_price: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    cl_ord_id: str = ""
    text: str = ""
    venue_ns: int = 0
    trail: Decimal | None = None  # of a trailing stop, the distance in price; `stop_price` is where it stands or began
    time_in_force: TimeInForce = TimeInForce.DAY
    oco_id: str = ""  # the order that is canceled when this one fills, where the venue itself links them
    parent_id: str = ""  # the entry whose fill awakes this order, where the venue itself holds it back


class LiveOrder(_Order, frozen=True, kw_only=True, tag="live"):
    """An order that may still trade."""

    status: LiveStatus


class DoneOrder(_Order, frozen=True, kw_only=True, tag="done"):
    """An order that can trade no more."""

    status: DoneStatus


VenueOrder = LiveOrder | DoneOrder


class Fill(Record, frozen=True):
    """One execution. (`venue`, `fill_id`) is unique for ever; `cl_ord_id` is empty when the order was not ours
    or its command is not known. `fee` is the money that it cost, None where the venue has not told."""

    venue: str
    fill_id: str
    account: str
    order_id: str
    symbol: str
    side: Side
    qty: int
    price: Decimal
    venue_ns: int
    cl_ord_id: str = ""
    fee: Decimal | None = None

    @property
    def net_qty(self) -> int:
        return self.qty * self.side.sign


class Position(Record, frozen=True):
    """What an account holds of a symbol. `avg_price` is 0 when flat."""

    account: str
    symbol: str
    net_qty: int
    avg_price: Decimal = Decimal(0)


class AccountState(Record, frozen=True):
    """Money of an account as its venue last said it."""

    account: str
    balance: Decimal = Decimal(0)
    realized_pnl: Decimal = Decimal(0)
    open_pnl: Decimal = Decimal(0)
    margin: Decimal = Decimal(0)
    liquidate_only: bool = False


# --- how the desk is set up ----------------------------------------------------------------------------------------


class RuleKind(StrEnum):
    FIXED = "fixed"  # `value` lots while the leader is in
    PROPORTIONAL = "proportional"  # the leader's position times `value`
    PERCENT = "percent"  # the leader's position times (follower equity / leader equity) times value / 100


class Rounding(StrEnum):
    DOWN = "down"  # toward zero
    NEAREST = "nearest"  # halves away from zero
    UP = "up"  # away from zero


class Rule(Record, frozen=True):
    """How a follower's target comes from the leader's position."""

    kind: RuleKind = RuleKind.PROPORTIONAL
    value: Decimal = Decimal(1)
    rounding: Rounding = Rounding.DOWN
    invert: bool = False

    def __str__(self) -> str:
        words = [self.kind.value, format(self.value.normalize(), "f")]
        if self.rounding is not Rounding.DOWN:
            words.append(self.rounding.value)
        if self.invert:
            words.append("invert")
        return " ".join(words)


class SymbolMap(Record, frozen=True):
    """Trade `follower_root` for `leader_root`, `lot_factor` lots for each of the leader's (ES -> MES: 10)."""

    leader_root: str
    follower_root: str
    lot_factor: Decimal = Decimal(1)


class DriftPolicy(StrEnum):
    """What reconcile does when a follower fell behind its target because a copy failed."""

    SHOW = "show"  # record and alert only
    EXITS = "exits"  # send what reduces; entries wait for the trader or the next signal
    AUTO = "auto"  # send what closes the gap either way, for followers in the episode


class Mode(StrEnum):
    """How a group mirrors its leader."""

    FILLS = "fills"  # at market, when the leader is filled
    ORDERS = "orders"  # the leader's working orders are kept mirrored
    PROTECTIVE = "protective"  # entries as in `fills`, the leader's stops and targets kept mirrored


class Guard(StrEnum):
    """What may still be opened; the strictest of desk, group and follower holds. Nothing of it binds a reduction."""

    NONE = "none"
    HALT = "halt"  # nothing new is opened; entries that rest already stay
    REDUCE_ONLY = "reduce_only"  # as halt, and entries that rest are canceled
    CLOSE_ONLY = "close_only"  # as reduce_only, and whoever gets flat takes no part in trades that start later


class LateJoin(StrEnum):
    """Whether a follower that was away at the entry may join the leader's open trade."""

    NEXT_FLAT = "next_flat"  # not this one: the next trade from flat
    NEVER = "never"  # not until the trader switches it on again
    NO_WORSE = "no_worse"  # when the price is no worse than the leader's average entry
    WITHIN = "within"  # within `late_ticks` of it, and `late_s` seconds of the entry


class Unfilled(StrEnum):
    """What becomes of a follower's resting order when the leader's was filled, `unfilled_s` later."""

    MARKET = "market"
    CANCEL = "cancel"
    LEAVE = "leave"


class Foreign(StrEnum):
    """What follows when somebody else trades on a follower's account."""

    IGNORE = "ignore"
    ALERT = "alert"
    DISARM = "disarm"  # alert, and switch the follower off
    FLATTEN = "flatten"  # alert, switch it off, and flatten it


class FollowerConfig(Record, frozen=True):
    """One follower of a group. The caps bind opening only; None means no cap. `why_off` says why it is not enabled,
    when somebody else than the trader switched it off."""

    account: str
    group: str
    enabled: bool = True
    why_off: str = ""
    guard: Guard = Guard.NONE
    rule: Rule = Rule()
    symbols: tuple[SymbolMap, ...] = ()
    max_position: int | None = None
    max_order: int | None = None


class GroupConfig(Record, frozen=True):
    """A leader and how its group mirrors it. `late_ticks` and `late_s` belong to the late policy `within`; a resting
    copy waits `unfilled_s` seconds after its leader was filled, then `unfilled` says what becomes of it."""

    group: str
    leader: str
    mode: Mode = Mode.FILLS
    drift: DriftPolicy = DriftPolicy.EXITS
    guard: Guard = Guard.NONE
    late: LateJoin = LateJoin.NEXT_FLAT
    late_ticks: int = 4
    late_s: int = 30
    unfilled: Unfilled = Unfilled.MARKET
    unfilled_s: int = 3
    foreign: Foreign = Foreign.ALERT


class FixLogin(Record, frozen=True):
    """Where a FIX session is opened, and as whom. `version` is the BeginString (``FIX.4.2``), `dialect` the name of a
    counterparty in `brokers/fix/dialects.toml`."""

    host: str
    port: int
    sender_comp_id: str
    target_comp_id: str
    version: str = "FIX.4.4"
    dialect: str = "generic"
    tls: bool = True


class NinjaReadings(StrEnum):
    """Where the truth about a NinjaTrader account is read. That a new connection is told everything is not verified."""

    FRESH = "fresh"  # from a new connection each time: what is told there is true now
    CACHE = "cache"  # from what the standing connection was told


class NinjaLogin(Record, frozen=True):
    """Where a NinjaTrader listens, and how it is spoken to. `folder` holds its `incoming` and `outgoing` folders, for
    exits while the port is closed; empty: none. `settle_ms` is how long the values of one fill may come apart,
    `quiet_ms` after how long without a value a new connection has been told everything. `month_words`: contracts are
    called ``ES DEC26``, not ``ES 12-26``."""

    host: str
    port: int = 36_973
    folder: str = ""
    settle_ms: int = 30
    quiet_ms: int = 150
    readings: NinjaReadings = NinjaReadings.FRESH
    month_words: bool = False


class ConnectionConfig(Record, frozen=True):
    """One login at one venue. The secret is sealed in the store and is never part of a record."""

    connection: str
    venue: str
    environment: Environment
    username: str
    rest_url: str = ""  # empty: the venue's own address for the environment
    ws_url: str = ""
    md_url: str = ""
    requests_per_min: int | None = None
    fix: FixLogin | None = None  # of a FIX login only
    ninja: NinjaLogin | None = None  # of a NinjaTrader only


class AccountConfig(Record, frozen=True):
    account: str
    connection: str
    venue_id: str
    active: bool = True


class DeskConfig(Record, frozen=True):
    """The whole configuration that lives in the database. `guard` is the whole desk's; `flattened` says when an account
    was last flattened by the trader (account, ns), by a desk or from the shell; `acknowledged` are the contracts
    (exchange, root, YYYYMM) that go on being opened although they are about to expire."""

    guard: Guard = Guard.NONE
    flattened: tuple[tuple[str, int], ...] = ()
    acknowledged: tuple[tuple[str, str, int], ...] = ()
    connections: tuple[ConnectionConfig, ...] = ()
    accounts: tuple[AccountConfig, ...] = ()
    groups: tuple[GroupConfig, ...] = ()
    followers: tuple[FollowerConfig, ...] = ()


# --- the way of a trade ----------------------------------------------------------------------------------------------


class SignalKind(StrEnum):
    LEADER_FILL = "leader_fill"
    LEADER_POSITION = "leader_position"  # the venue says the leader holds something else than its fills add up to
    CORRECTION = "correction"  # reconcile brings one follower to its target
    LEADER_ORDER = "leader_order"  # an order of the leader is working
    LEADER_CHANGE = "leader_change"  # its quantity or a price of it is another
    LEADER_CANCEL = "leader_cancel"  # it was canceled, or expired


class Signal(Record, frozen=True):
    """A leader event that asks something of every follower, or a correction that asks it of one.

    `signal_id` is a hash of its source, so the same event always has the same id. `leader_net` is the leader's
    position in `symbol` after the event. `venue_ns` is the venue's time of the event, `received_ns` ours. A signal
    about an order of the leader has its id in `source` and its terms in `qty`, `order_type`, the prices and `trail`.
    """

    signal_id: str
    kind: SignalKind
    group: str
    leader: str
    symbol: str
    side: Side
    qty: int
    price: Decimal
    leader_net: int
    source: str  # the fill id, the order id, or what the correction answers
    venue_ns: int
    received_ns: int
    order_type: OrderType = OrderType.MARKET
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.DAY


class Decision(StrEnum):
    """How a (signal, follower) pair ends; PENDING is the only one that is not an end, UNKNOWN is still asking."""

    PENDING = "pending"
    COPIED = "copied"
    SKIPPED = "skipped"
    REJECTED = "rejected"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


class Episode(StrEnum):
    """Where a follower stands in the leader's current trade of a symbol: from flat to flat, a flip starts anew."""

    NONE = "none"
    JOINED = "joined"
    MISSED = "missed"


class Out(StrEnum):
    """How long a follower that missed a trade, or left one, stays out of what its leader does."""

    NO = "no"
    TRADE = "trade"  # of the trade that is open now
    ALWAYS = "always"  # until the trader switches it on again


class Lots(Record, frozen=True):
    """Whose the lots of a follower's position are, signed: what copies brought, and what somebody else did; `manual`
    are those of the latter that the trader gave from the desk. `closed` are the lots of the copies that somebody else
    has closed, in part, since the leader last traded: they stay closed until it does."""

    account: str
    symbol: str
    copied: int = 0
    foreign: int = 0
    out: Out = Out.NO
    manual: int = 0
    closed: int = 0


class Copy(Record, frozen=True):
    """One (signal, follower) pair: the row of the copy ledger. `qty` is 0 when nothing was to be sent.

    `leader_order_id` names the leader's order that this one mirrors. A pair that changes or cancels such an order has
    no tag of its own: `order_id` says which. `working` is true while the order may rest at the venue.

    The six times: received (leader event at our door), decided, journaled (commit returned), sent (bytes handed
    to the socket), acked (venue's first answer), filled (last fill). 0 means it has not happened.
    """

    signal_id: str
    follower: str
    symbol: str
    leader_symbol: str
    decision: Decision
    reason: str = ""
    side: Side = Side.BUY
    qty: int = 0
    target_net: int = 0
    net_before: int = 0
    rule: str = ""  # the rule it was planned by, in words
    on_the_way: int = 0  # signed lots that earlier orders were still to bring when it was planned
    scale: Decimal = Decimal(0)  # follower lots per lot of the leader, taken when the episode started
    reducing: bool = False
    episode: Episode = Episode.NONE
    cl_ord_id: str = ""
    order_id: str = ""
    filled_qty: int = 0
    avg_price: Decimal | None = None
    received_ns: int = 0
    decided_ns: int = 0
    journaled_ns: int = 0
    sent_ns: int = 0
    acked_ns: int = 0
    filled_ns: int = 0
    order_type: OrderType = OrderType.MARKET
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    leader_order_id: str = ""
    working: bool = False
    trail: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.DAY


class ManualState(StrEnum):
    """What is known of an order of the trader's own. The last three are ends."""

    PENDING = "pending"  # on its way
    UNKNOWN = "unknown"  # perhaps at the venue, which is being asked
    TAKEN = "taken"  # the venue has it: it works, or its fills are coming
    DONE = "done"  # it can trade no more: filled, canceled or expired
    REJECTED = "rejected"  # the venue refused it
    NOT_SENT = "not_sent"  # it never got to the venue


class ManualOrder(Record, frozen=True):
    """An order that the trader gave from the desk. `plan_id` names the preview that it was confirmed with."""

    cl_ord_id: str
    plan_id: str
    account: str
    symbol: str
    side: Side
    qty: int
    order_type: OrderType
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.DAY
    reducing: bool = False
    asked_ns: int = 0
    state: ManualState = ManualState.PENDING
    reason: str = ""
    order_id: str = ""
    filled_qty: int = 0
    avg_price: Decimal | None = None
    sent_ns: int = 0
    acked_ns: int = 0


class ApprovedOrder(Record, frozen=True):
    """An order that passed pre-trade risk and whose intent is in the journal: the only thing an adapter sends.

    Only `engine/risk.py` makes one. `reducing` orders may use the request tokens that are kept back for exits.

    Where the venue links orders, one request may place several: `oco` is an order of which the venue cancels one when
    the other fills; `brackets` are exits of an entry that wait at the venue until it fills, two of them each other's
    `oco`. Each has its own tag and its own outcome, the size of the order that carries it, and no orders of its own.
    """

    account: str
    venue_account_id: str
    symbol: str
    side: Side
    qty: int
    order_type: OrderType
    cl_ord_id: str
    reducing: bool
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.DAY
    oco: "ApprovedOrder | None" = None
    brackets: "tuple[ApprovedOrder, ...]" = ()

    @property
    def legs(self) -> "tuple[ApprovedOrder, ...]":
        """This order and those placed with it."""
        return (self, *self.brackets) if self.oco is None else (self, self.oco, *self.brackets)
