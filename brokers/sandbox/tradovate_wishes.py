"""What the Tradovate door's order requests may hold, and the terms they ask for (`protocols/tradovate.md 1.3`).

Read by `tradovate_orders.py` and `tradovate_strategies.py`.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from brokers.sandbox.orders import Reason, Refused, Terms
from brokers.sandbox.tradovate_call import Malformed
from brokers.sandbox.tradovate_records import (
    GOOD_TILL_DATE,
    ORDER_TYPES,
    TIMES_IN_FORCE,
    TOUCHED,
    TRAILING_TYPES,
    order_type_word,
)
from schema.clock import from_datetime
from schema.records import OrderType, TimeInForce

_TYPES = {word.lower(): order_type for order_type, word in ORDER_TYPES.items()}
_TIMES = {word.lower(): time_in_force for time_in_force, word in TIMES_IN_FORCE.items()}
_TRAILING = {word.lower(): order_type for order_type, word in TRAILING_TYPES.items()}
_UNSUPPORTED_TYPES = ("qts",)
_LONGEST = 64  # characters of clOrdId, symbol, accountSpec
_SIGNS = {"buy": 1, "sell": -1}
Price = Decimal | None


class TermsBody(msgspec.Struct, rename="camel", kw_only=True):
    """What every order body may hold. `customTag50` and `isAutomated` are kept with the command."""

    order_type: str
    cl_ord_id: str | int | None = None
    price: Price = None
    stop_price: Price = None
    peg_difference: Price = None
    time_in_force: str | None = None
    expire_time: datetime | None = None
    text: str | None = None
    activation_time: datetime | None = None
    custom_tag50: str | None = None
    is_automated: bool = False


class LegBody(TermsBody, kw_only=True):
    action: str


class OrderBody(LegBody, kw_only=True):
    """Of order/placeorder, and of a strategy's entry."""

    symbol: str
    order_qty: int
    account_id: int | None = None
    account_spec: str | None = None


class OcoBody(OrderBody, kw_only=True):
    other: LegBody


class OsoBody(OrderBody, kw_only=True):
    bracket1: LegBody
    bracket2: LegBody | None = None


class DryRun(msgspec.Struct, kw_only=True):
    orders: list[OrderBody] | None = None


class ModifyBody(TermsBody, kw_only=True):
    order_id: int
    order_qty: int


class CancelBody(msgspec.Struct, rename="camel", kw_only=True):
    order_id: int
    cl_ord_id: str | int | None = None
    custom_tag50: str | None = None
    is_automated: bool = False


class LiquidateBody(msgspec.Struct, rename="camel", kw_only=True):
    account_id: int
    contract_id: int
    custom_tag50: str | None = None
    is_automated: bool = False


def sign_of(action: str) -> int:
    if action.lower() not in _SIGNS:
        raise Malformed("action must be Buy or Sell")
    return _SIGNS[action.lower()]


def terms_of(body: TermsBody, qty: int) -> Callable[[], Terms]:
    """The terms a body asks for: what can't be read is malformed now, what the venue does not trade is refused when
    the terms are made."""
    word, time_in_force = body.order_type.lower(), TimeInForce.DAY
    touched, trailing = word == TOUCHED.lower(), word in _TRAILING
    order_type = OrderType.STOP if touched else _TRAILING.get(word) or _TYPES.get(word)
    if order_type is None and word not in _UNSUPPORTED_TYPES:
        raise Malformed(f"orderType {body.order_type} is unknown")
    for field, name in (("cl_ord_id", "clOrdId"), ("symbol", "symbol"), ("account_spec", "accountSpec")):
        if len(str(getattr(body, field, None) or "")) > _LONGEST:
            raise Malformed(f"{name} is longer than {_LONGEST} characters")
    if qty < 1:
        raise Malformed("orderQty must be 1 or more")
    for name, price in (
        ("price", body.price),
        ("stopPrice", body.stop_price),
        ("pegDifference", body.peg_difference),
    ):
        if price is not None and not price.is_finite():
            raise Malformed(f"{name} must be a number")
    if body.time_in_force:
        if body.time_in_force.lower() not in (*_TIMES, GOOD_TILL_DATE.lower()):
            raise Malformed(f"timeInForce {body.time_in_force} is unknown")
        time_in_force = _TIMES.get(body.time_in_force.lower())
        if time_in_force is None and body.expire_time is None:
            raise Malformed("expireTime is missing")

    def made() -> Terms:
        if order_type is None:
            raise Refused(Reason.UNSUPPORTED, f"{body.order_type} orders are not supported by this venue")
        if trailing and body.peg_difference is None:
            raise Refused(Reason.INVALID_PRICE, "pegDifference is missing")
        limited = order_type in (OrderType.LIMIT, OrderType.STOP_LIMIT)
        stopped = order_type in (OrderType.STOP, OrderType.STOP_LIMIT)
        # The page does not say in which of the two a market-if-touched order has its price.
        stop = body.price if touched and body.stop_price is None else body.stop_price
        return Terms(
            qty=qty,
            order_type=order_type,
            limit=body.price if limited or touched else None,
            stop=stop if stopped else None,
            time_in_force=time_in_force or TimeInForce.GTC,
            text=body.text,
            trail=body.peg_difference if trailing else None,
            touched=touched,
            expires_ns=time_ns(body.expire_time) if time_in_force is None and body.expire_time else None,
        )

    return made


def only_another_qty(now: Terms, body: ModifyBody) -> Terms:
    """Of a trailing stop nothing but the quantity may be changed; what is not given stays."""
    given = ((body.price, now.limit), (body.stop_price, now.stop), (body.peg_difference, now.trail))
    if body.order_type.lower() != order_type_word(now).lower() or any(new not in (None, old) for new, old in given):
        raise Refused(Reason.TRAILING_MODIFY, "Only the quantity of a trailing stop can be changed")
    return msgspec.structs.replace(now, qty=body.order_qty)


def time_ns(at: datetime) -> int:
    return from_datetime(at if at.tzinfo else at.replace(tzinfo=UTC))
