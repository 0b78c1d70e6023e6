"""The venue's words to the desk's and back, pure. `orders.py`, `money.py` and `adapter.py` call it."""

from decimal import Decimal

import msgspec

from brokers.tradovate.entities import Position as WirePosition
from schema.records import (
    ApprovedOrder,
    DoneStatus,
    LiveStatus,
    OrderType,
    Position,
    RejectClass,
    Side,
    TimeInForce,
)

# `protocols/tradovate.md 1.3`; the types that the desk never sends show as the nearest it knows, and so does a trailing
# stop that does not say its distance.
_ORDER_TYPES = {
    "Market": OrderType.MARKET,
    "Limit": OrderType.LIMIT,
    "MIT": OrderType.STOP,
    "Stop": OrderType.STOP,
    "TrailingStop": OrderType.TRAILING_STOP,
    "StopLimit": OrderType.STOP_LIMIT,
    "TrailingStopLimit": OrderType.STOP_LIMIT,
    "QTS": OrderType.LIMIT,
}
_WIRE_TYPES = {
    OrderType.MARKET: "Market",
    OrderType.LIMIT: "Limit",
    OrderType.STOP: "Stop",
    OrderType.STOP_LIMIT: "StopLimit",
    OrderType.TRAILING_STOP: "TrailingStop",
}
_WIRE_TIMES = {
    TimeInForce.DAY: "Day",
    TimeInForce.GTC: "GTC",
    TimeInForce.IOC: "IOC",
    TimeInForce.FOK: "FOK",
}
_TIMES = {word: time_in_force for time_in_force, word in _WIRE_TIMES.items()}
_LIVE = {
    "PendingNew": LiveStatus.PENDING,
    "Working": LiveStatus.WORKING,
    "PendingCancel": LiveStatus.WORKING,
    "PendingReplace": LiveStatus.WORKING,
    "Suspended": LiveStatus.SUSPENDED,
}
_DONE = {
    "Filled": DoneStatus.FILLED,
    "Canceled": DoneStatus.CANCELED,
    "Rejected": DoneStatus.REJECTED,
    "Expired": DoneStatus.EXPIRED,
}
_REJECTS = {
    "AccountClosed": RejectClass.LOCKED,
    "LiquidationOnly": RejectClass.LOCKED,
    "LiquidationOnlyBeforeExpiration": RejectClass.LOCKED,
    "TradingLocked": RejectClass.LOCKED,
    "AnotherCommandPending": RejectClass.UNAVAILABLE,
    "ExecutionProviderNotConfigured": RejectClass.UNAVAILABLE,
    "ExecutionProviderUnavailable": RejectClass.UNAVAILABLE,
    "NoQuote": RejectClass.UNAVAILABLE,
    "NotEnoughLiquidity": RejectClass.UNAVAILABLE,
    "RiskCheckTimeout": RejectClass.UNAVAILABLE,
    "BackMonthProhibited": RejectClass.CONTRACT,
    "InvalidContract": RejectClass.CONTRACT,
    "InvalidPrice": RejectClass.PRICE,
    "MaxOrderQtyIsNotSpecified": RejectClass.LIMIT,
    "MaxOrderQtyLimitReached": RejectClass.LIMIT,
    "MaxPosLimitMisconfigured": RejectClass.LIMIT,
    "MaxPosLimitReached": RejectClass.LIMIT,
    "MaxTotalPosLimitReached": RejectClass.LIMIT,
    "MultipleAccountPlanRequired": RejectClass.AUTH,
    "Unauthorized": RejectClass.AUTH,
    "SessionClosed": RejectClass.MARKET_CLOSED,
}
_MARGIN_WORDS = ("margin", "buying power", "insufficient fund", "not enough fund")


class OrderTerms(msgspec.Struct, rename="camel", frozen=True, omit_defaults=True, gc=False):
    """What placeorder and modifyorder share. `is_automated` is mandatory for orders that no one clicked; of a trailing
    stop `stop_price` is the first trigger and `peg_difference` the distance."""

    order_qty: int
    order_type: str
    is_automated: bool
    price: Decimal | None = None
    stop_price: Decimal | None = None
    peg_difference: Decimal | None = None


class LinkedLeg(msgspec.Struct, rename="camel", frozen=True, omit_defaults=True, gc=False):
    """`other` or `bracketN` of a linked order: absolute prices, the size and symbol of the order that carries it
    (`protocols/tradovate.md 1.3`)."""

    action: str
    order_type: str
    cl_ord_id: str
    time_in_force: str
    price: Decimal | None = None
    stop_price: Decimal | None = None
    peg_difference: Decimal | None = None


class PlaceOrder(OrderTerms, frozen=True, kw_only=True):
    """Body of order/placeorder, and with legs of order/placeoco and order/placeoso: the id in `account_id` and the
    name in `account_spec`, as clients send them (`protocols/tradovate.md 1.2`)."""

    account_spec: str
    account_id: int
    action: str
    symbol: str
    cl_ord_id: str
    time_in_force: str
    other: LinkedLeg | None = None
    bracket1: LinkedLeg | None = None
    bracket2: LinkedLeg | None = None


class ModifyOrder(OrderTerms, frozen=True, kw_only=True):
    """Body of order/modifyorder: quantity and type are resent even when only a price changes."""

    order_id: int


def place_body(order: ApprovedOrder, account_id: int) -> PlaceOrder:
    """The venue's form of `order`. Only the prices that its type takes are written: a Stop has no `price`
    (`protocols/tradovate.md 1.3`)."""
    limit_price, stop_price = _prices(order.order_type, order.limit_price, order.stop_price)
    return PlaceOrder(
        account_spec=order.account,
        account_id=account_id,
        action=_action(order.side),
        symbol=order.symbol,
        order_qty=order.qty,
        order_type=_WIRE_TYPES[order.order_type],
        price=limit_price,
        stop_price=stop_price,
        peg_difference=order.trail,
        cl_ord_id=order.cl_ord_id,
        time_in_force=_WIRE_TIMES[order.time_in_force],
        is_automated=True,
        other=_leg(order.oco) if order.oco is not None else None,
        bracket1=_leg(order.brackets[0]) if order.brackets else None,
        bracket2=_leg(order.brackets[1]) if len(order.brackets) > 1 else None,
    )


def place_endpoint(order: ApprovedOrder) -> str:
    """Where `place_body` of this order goes."""
    return "order/placeoco" if order.oco is not None else "order/placeoso" if order.brackets else "order/placeorder"


def _leg(order: ApprovedOrder) -> LinkedLeg:
    limit_price, stop_price = _prices(order.order_type, order.limit_price, order.stop_price)
    return LinkedLeg(
        action=_action(order.side),
        order_type=_WIRE_TYPES[order.order_type],
        cl_ord_id=order.cl_ord_id,
        time_in_force=_WIRE_TIMES[order.time_in_force],
        price=limit_price,
        stop_price=stop_price,
        peg_difference=order.trail,
    )


def _action(side: Side) -> str:
    return "Buy" if side is Side.BUY else "Sell"


def modify_body(
    order_id: int,
    qty: int,
    order_type: OrderType,
    limit_price: Decimal | None,
    stop_price: Decimal | None,
    trail: Decimal | None = None,
) -> ModifyOrder:
    limit_price, stop_price = _prices(order_type, limit_price, stop_price)
    return ModifyOrder(
        order_id=order_id,
        order_qty=qty,
        order_type=_WIRE_TYPES[order_type],
        price=limit_price,
        stop_price=stop_price,
        peg_difference=trail,
        is_automated=True,
    )


def _prices(
    order_type: OrderType, limit_price: Decimal | None, stop_price: Decimal | None
) -> tuple[Decimal | None, Decimal | None]:
    return (
        limit_price if order_type in (OrderType.LIMIT, OrderType.STOP_LIMIT) else None,
        stop_price if order_type in (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP) else None,
    )


def side_of(action: str) -> Side:
    return Side.SELL if action == "Sell" else Side.BUY


def order_type_of(word: str | None, trail: Decimal | None) -> OrderType:
    kind = _ORDER_TYPES.get(word or "", OrderType.MARKET)
    return OrderType.STOP if kind is OrderType.TRAILING_STOP and not trail else kind


def time_in_force_of(word: str | None) -> TimeInForce:
    """A word that the desk does not know (GTD) counts as a day order's, which claims the least."""
    return _TIMES.get(word or "", TimeInForce.DAY)


def status_of(word: str | None, *, filled: bool) -> LiveStatus | DoneStatus:
    """`Completed` ends an order without saying how: filled when all of it traded, else expired. A word that is not
    on the page counts as pending, which claims the least."""
    if word == "Completed":
        return DoneStatus.FILLED if filled else DoneStatus.EXPIRED
    return _DONE.get(word or "") or _LIVE.get(word or "", LiveStatus.PENDING)


def may_trade(word: str | None) -> bool:
    """Whether an order of this status may still trade; an unknown word counts as one that may."""
    return isinstance(status_of(word, filled=True), LiveStatus)


def reject_class(reason: str | None, words: str) -> RejectClass:
    """What follows from a failureReason or rejectReason. The enum has no word for margin: that is in the text, which
    then says more than the reason does."""
    lower = words.lower()
    if any(word in lower for word in _MARGIN_WORDS):
        return RejectClass.MARGIN
    return _REJECTS.get(reason or "", RejectClass.OTHER)


def position_of(entity: WirePosition, account: str, symbol: str) -> Position:
    """A flat row stays with netPos 0 and perhaps an old price; ours says 0 (`protocols/tradovate.md 1.3`)."""
    return Position(
        account=account,
        symbol=symbol,
        net_qty=entity.net_pos,
        avg_price=(entity.net_price or Decimal(0)) if entity.net_pos else Decimal(0),
    )
