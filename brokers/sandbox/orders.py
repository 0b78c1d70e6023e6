"""What the practice venue knows of orders, and the events by which it tells a door what happened.

Used by `venue.py`, which makes them, and by every door. The objects are the venue's own and change later: whoever
wants to keep what an event says copies it while it is being told. Sides are +1 (buy) and -1 (sell), prices ticks.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from brokers.sandbox.instruments import ListedContract
from schema.records import OrderType, Record, TimeInForce


class Reason(StrEnum):
    """Why the venue refuses, in the words of `protocols/tradovate.md 1.3`."""

    ACCOUNT_CLOSED = "AccountClosed"
    TRAILING_UNSUPPORTED = "AdvancedTrailingStopUnsupported"
    COMMAND_PENDING = "AnotherCommandPending"
    BACK_MONTH = "BackMonthProhibited"
    PROVIDER_NOT_CONFIGURED = "ExecutionProviderNotConfigured"
    PROVIDER_UNAVAILABLE = "ExecutionProviderUnavailable"
    INVALID_CONTRACT = "InvalidContract"
    INVALID_PRICE = "InvalidPrice"
    LIQUIDATION_ONLY = "LiquidationOnly"
    LIQUIDATION_BEFORE_EXPIRY = "LiquidationOnlyBeforeExpiration"
    MAX_ORDER_QTY_MISSING = "MaxOrderQtyIsNotSpecified"
    MAX_ORDER_QTY = "MaxOrderQtyLimitReached"
    MAX_POSITION_MISCONFIGURED = "MaxPosLimitMisconfigured"
    MAX_POSITION = "MaxPosLimitReached"
    MAX_TOTAL_POSITION = "MaxTotalPosLimitReached"
    PLAN_REQUIRED = "MultipleAccountPlanRequired"
    NO_QUOTE = "NoQuote"
    NOT_ENOUGH_LIQUIDITY = "NotEnoughLiquidity"
    OTHER = "OtherExecutionRelated"
    PARENT_REJECTED = "ParentRejected"
    RISK_TIMEOUT = "RiskCheckTimeout"
    SESSION_CLOSED = "SessionClosed"
    TOO_LATE = "TooLate"
    LOCKED = "TradingLocked"
    TRAILING_MODIFY = "TrailingStopNonOrderQtyModify"
    UNAUTHORIZED = "Unauthorized"
    UNKNOWN = "UnknownReason"
    UNSUPPORTED = "Unsupported"


class OrderStatus(StrEnum):
    """Values are the wire's words (`protocols/tradovate.md 1.3`)."""

    PENDING = "PendingNew"
    SUSPENDED = "Suspended"
    WORKING = "Working"
    FILLED = "Filled"
    CANCELED = "Canceled"
    REJECTED = "Rejected"
    EXPIRED = "Expired"

    @property
    def live(self) -> bool:
        return self in (OrderStatus.PENDING, OrderStatus.SUSPENDED, OrderStatus.WORKING)


class Terms(Record, frozen=True):
    """What an order asks for: one version of it.

    A stop that follows the market has `trail`, the distance in price; `stop` is then where it begins. One that is
    `touched` waits for the market to come to its price from the better side (market if touched). `expires_ns` ends a
    good-till-date order.
    """

    qty: int
    order_type: OrderType
    limit: Decimal | None = None
    stop: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.DAY
    text: str | None = None
    trail: Decimal | None = None
    touched: bool = False
    expires_ns: int | None = None


class Origin(Record, frozen=True):
    """Who asked: a command's client id and front end. `session_id` 0 is a front end of the venue's own."""

    cl_ord_id: str | None = None
    custom_tag: str | None = None
    automated: bool = False
    user_id: int = 0
    session_id: int = 0


@dataclass(slots=True, eq=False)
class Order:
    """One order. `oco_id` is the order that dies when this one fills, `parent_id` the one whose fill awakes it,
    `offset` how many ticks from that fill its price then is, `trailed` how many its stop has followed the market."""

    order_id: int
    account_id: int
    contract: ListedContract
    sign: int
    terms: Terms
    placed_ns: int
    status: OrderStatus = OrderStatus.PENDING
    filled_qty: int = 0
    filled_ticks: int = 0
    triggered: bool = False
    trailed: int = 0
    oco_id: int | None = None
    parent_id: int | None = None
    offset: int | None = None
    command_id: int = 0
    child_ids: list[int] = field(default_factory=list[int])

    @property
    def left(self) -> int:
        return self.terms.qty - self.filled_qty

    @property
    def trigger(self) -> Decimal | None:
        """Where a trailing stop has come to; None of any other order."""
        if self.terms.trail is None or self.terms.stop is None:
            return None
        return self.terms.stop + self.trailed * self.contract.product.tick_size

    @property
    def average(self) -> Decimal | None:
        """The average fill price; None before the first fill."""
        return self.contract.product.tick_size * self.filled_ticks / self.filled_qty if self.filled_qty else None


class Command(Record, frozen=True):
    """A front end's wish concerning an order: New, Modify or Cancel."""

    command_id: int
    order_id: int
    account_id: int
    kind: str
    at_ns: int
    origin: Origin


class Fill(Record, frozen=True):
    fill_id: int
    order_id: int
    account_id: int
    contract: ListedContract
    sign: int
    qty: int
    ticks: int
    at_ns: int


class Pair(Record, frozen=True):
    """A buy and a sell of one account that closed each other."""

    pair_id: int
    account_id: int
    contract: ListedContract
    buy_fill_id: int
    sell_fill_id: int
    qty: int
    buy_ticks: int
    sell_ticks: int


# --- events, in the past tense ------------------------------------------------------------------------------------


class OrderAdded(Record, frozen=True):
    order: Order


class OrderChanged(Record, frozen=True):
    order: Order


class VersionAdded(Record, frozen=True):
    """The order's terms are now these; `version_id` counts with all other ids."""

    version_id: int
    order: Order
    terms: Terms


class CommandTaken(Record, frozen=True):
    command: Command


class CommandReported(Record, frozen=True):
    """`status` in the wire's words: RiskPassed, RiskRejected, AtExecution, ExecutionRejected, Replaced."""

    report_id: int
    command: Command
    status: str
    order_status: OrderStatus
    at_ns: int
    reason: Reason | None = None
    text: str | None = None


class ExecutionReported(Record, frozen=True):
    """`exec_type` in the wire's words; the order stands as it does at this moment."""

    report_id: int
    order: Order
    command_id: int
    exec_type: str
    at_ns: int
    last_qty: int | None = None
    last_ticks: int | None = None
    reason: Reason | None = None
    text: str | None = None


class OrderFilled(Record, frozen=True):
    fill: Fill


class FillsPaired(Record, frozen=True):
    pair: Pair


class PositionMoved(Record, frozen=True):
    account_id: int
    contract: ListedContract


class MoneyMoved(Record, frozen=True):
    account_id: int


class AccountChanged(Record, frozen=True):
    account_id: int


VenueEvent = (
    OrderAdded
    | OrderChanged
    | VersionAdded
    | CommandTaken
    | CommandReported
    | ExecutionReported
    | OrderFilled
    | FillsPaired
    | PositionMoved
    | MoneyMoved
    | AccountChanged
)


def account_of(event: VenueEvent) -> int:
    """The account an event is about."""
    match event:
        case OrderAdded() | OrderChanged() | VersionAdded() | ExecutionReported():
            return event.order.account_id
        case CommandTaken() | CommandReported():
            return event.command.account_id
        case OrderFilled():
            return event.fill.account_id
        case FillsPaired():
            return event.pair.account_id
        case PositionMoved() | MoneyMoved() | AccountChanged():
            return event.account_id


class Refused(Exception):
    """The venue will not do it. `order_id` is set when an order was made and rejected."""

    def __init__(self, reason: Reason, text: str, order_id: int | None = None) -> None:
        super().__init__(text)
        self.reason = reason
        self.text = text
        self.order_id = order_id
