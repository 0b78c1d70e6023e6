"""Values on the wire and in our records: times, prices, sides, order types, reject reasons. Pure."""

from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache

from brokers.amounts import LARGEST_NS
from schema.clock import from_datetime, to_datetime
from schema.records import DoneStatus, LiveStatus, OrderType, RejectClass, Side, TimeInForce

SIDES = {Side.BUY: "1", Side.SELL: "2"}
ORDER_TYPES = {OrderType.MARKET: "1", OrderType.LIMIT: "2", OrderType.STOP: "3", OrderType.STOP_LIMIT: "4"}
TIMES_IN_FORCE = {TimeInForce.DAY: "0", TimeInForce.GTC: "1", TimeInForce.IOC: "3", TimeInForce.FOK: "4"}
_SIDES = {wire: side for side, wire in SIDES.items()}
_ORDER_TYPES = {wire: kind for kind, wire in ORDER_TYPES.items()}
_STATUSES: dict[str, LiveStatus | DoneStatus] = {
    "0": LiveStatus.WORKING,
    "1": LiveStatus.WORKING,
    "2": DoneStatus.FILLED,
    "3": DoneStatus.EXPIRED,  # done for day
    "4": DoneStatus.CANCELED,
    "5": LiveStatus.WORKING,  # replaced
    "6": LiveStatus.WORKING,  # a cancel is pending
    "7": LiveStatus.SUSPENDED,
    "8": DoneStatus.REJECTED,
    "9": LiveStatus.SUSPENDED,
    "A": LiveStatus.PENDING,
    "C": DoneStatus.EXPIRED,
    "E": LiveStatus.WORKING,  # a replace is pending
}
_REJECTS = {
    "1": RejectClass.CONTRACT,
    "2": RejectClass.MARKET_CLOSED,
    "3": RejectClass.LIMIT,
    "13": RejectClass.LIMIT,
    "15": RejectClass.LOCKED,
}
_MARGIN_WORDS = ("margin", "buying power")
_WORDS = (
    *((words, RejectClass.MARGIN) for words in _MARGIN_WORDS),
    ("closed", RejectClass.MARKET_CLOSED),
    ("session", RejectClass.MARKET_CLOSED),
    ("limit exceeded", RejectClass.LIMIT),
    ("max position", RejectClass.LIMIT),
    ("max order", RejectClass.LIMIT),
    ("exceeds limit", RejectClass.LIMIT),
    ("throttle", RejectClass.THROTTLED),
    ("too many", RejectClass.THROTTLED),
    ("liquidat", RejectClass.LOCKED),
    ("locked", RejectClass.LOCKED),
    ("disabled", RejectClass.LOCKED),
    ("not authorized", RejectClass.AUTH),
    ("permission", RejectClass.AUTH),
    ("unknown symbol", RejectClass.CONTRACT),
    ("unknown security", RejectClass.CONTRACT),
    ("contract", RejectClass.CONTRACT),
    ("price", RejectClass.PRICE),
    ("tick", RejectClass.PRICE),
    ("not available", RejectClass.UNAVAILABLE),
    ("unavailable", RejectClass.UNAVAILABLE),
)


def stamp(at_ns: int) -> str:
    """``20261121-02:19:48.541``: UTC with milliseconds."""
    at = to_datetime(at_ns)
    return f"{at:%Y%m%d-%H:%M:%S}.{at.microsecond // 1000:03d}"


@lru_cache(maxsize=256)
def parse_time(text: str) -> int | None:
    """A UTC timestamp with or without a fraction of a second, in ns; None when it is none."""
    head, _, fraction = text.partition(".")
    if len(head) != 17 or not text.isascii() or (fraction and not fraction.isdigit()):
        return None
    try:
        at = datetime.strptime(head, "%Y%m%d-%H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    at_ns = from_datetime(at) + (int(fraction[:9].ljust(9, "0")) if fraction else 0)
    return at_ns if 0 <= at_ns <= LARGEST_NS else None


def price_text(price: Decimal) -> str:
    """A price as plain decimals, as short as it is exact."""
    text = format(price, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def side_of(wire: str) -> Side | None:
    """Buys and sells; every kind of selling is a sell."""
    return Side.SELL if wire in ("5", "6") else _SIDES.get(wire)


def order_type_of(wire: str) -> OrderType:
    """An order type the desk does not know counts as market: it is shown, never sent."""
    return _ORDER_TYPES.get(wire, OrderType.MARKET)


def status_of(wire: str) -> LiveStatus | DoneStatus | None:
    """What OrdStatus (39) means; None for one that is not in the standard."""
    return _STATUSES.get(wire)


def reject_class(reason: str, text: str) -> RejectClass:
    """What follows from OrdRejReason (103) and the venue's words (58), which say more than "other", and more than
    "exceeds limit" where it is money that lacks."""
    known, lower = _REJECTS.get(reason), text.lower()
    if known is not None and not (known is RejectClass.LIMIT and any(words in lower for words in _MARGIN_WORDS)):
        return known
    return next((found for words, found in _WORDS if words in lower), RejectClass.OTHER)


def business_class(reason: str, text: str) -> RejectClass:
    """The same for BusinessRejectReason (380)."""
    if reason == "4":
        return RejectClass.UNAVAILABLE
    if reason == "6":
        return RejectClass.AUTH
    return RejectClass.CONTRACT if reason == "2" else reject_class("", text)


def text_of(words: str) -> str:
    """The venue's words, fit for a screen."""
    return "".join(c for c in words[:300] if c.isprintable())
