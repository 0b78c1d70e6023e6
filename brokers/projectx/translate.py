"""The venue's numbers to the desk's words and back, pure (`protocols/projectx.md 2.3`, `2.8`)."""

from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any

from brokers.amounts import time_ns
from brokers.projectx import wire
from brokers.text import clean
from schema.records import (
    ApprovedOrder,
    DoneOrder,
    DoneStatus,
    Fill,
    Instrument,
    LiveOrder,
    LiveStatus,
    OrderType,
    Position,
    RejectClass,
    Side,
    TimeInForce,
    VenueOrder,
)
from schema.symbols import UnknownProduct, full_month, parse_contract
from schema.venue_symbols import parts, price_scale, venue_product

VENUE = "projectx"
MARKET, REJECTED, SUSPENDED = 2, 5, 8
_TYPES = {1: OrderType.LIMIT, 2: OrderType.MARKET, 3: OrderType.STOP_LIMIT, 4: OrderType.STOP, 5: OrderType.STOP}
_WIRE_TYPES = {OrderType.LIMIT: 1, OrderType.MARKET: 2, OrderType.STOP: 4}
ORDER_TYPES = frozenset(_WIRE_TYPES)
"""What the desk sends: whether the venue takes a stop-limit (3) is not verified."""
TIMES_IN_FORCE = frozenset((TimeInForce.DAY,))
"""An order has no field for it (2.3) and rests until it ends; that it outlasts its session is said nowhere."""
_LIVE = {1: LiveStatus.WORKING, 6: LiveStatus.PENDING, 7: LiveStatus.WORKING, 8: LiveStatus.SUSPENDED}
_DONE = {2: DoneStatus.FILLED, 3: DoneStatus.CANCELED, 4: DoneStatus.EXPIRED, 5: DoneStatus.REJECTED}
_PLACE_CLASSES = {
    1: RejectClass.AUTH,
    3: RejectClass.MARGIN,
    4: RejectClass.LIMIT,
    5: RejectClass.MARKET_CLOSED,
    8: RejectClass.CONTRACT,
    9: RejectClass.CONTRACT,
    10: RejectClass.LOCKED,
}
_PRICE_WORDS = ("price", "tick")
_MARGIN_WORDS = ("margin", "buying power", "insufficient")
_LIMIT_WORDS = ("max", "limit exceeded", "position limit")


class UnknownContract(ValueError):
    """A contract id that is not of the form the desk knows; one sentence."""


def place_body(order: ApprovedOrder, account_id: int, contract_id: str) -> bytes:
    """Every field is written, zeros too: a buy's side is 0."""
    body = {
        "accountId": account_id,
        "contractId": contract_id,
        "type": _WIRE_TYPES[order.order_type],
        "side": 0 if order.side is Side.BUY else 1,
        "size": order.qty,
        "limitPrice": theirs(order.limit_price, contract_id) if order.order_type is OrderType.LIMIT else None,
        "stopPrice": theirs(order.stop_price, contract_id) if order.order_type is OrderType.STOP else None,
        "trailPrice": None,
        "customTag": order.cl_ord_id,
    }
    return wire.encode(body)


@lru_cache(maxsize=4096)
def symbol_of(contract_id: str) -> str:
    """``CON.F.US.EP.H24`` is ESH4. Raises UnknownContract."""
    try:
        contract = parts(VENUE, contract_id)
    except UnknownProduct:
        raise UnknownContract(f"{clean(contract_id, 80)} is not a contract id of this venue") from None
    return f"{contract.root}{contract.month}{contract.year[-1]}"


def symbol_segment(symbol: str) -> str:
    """The symbolId a contract's own must equal: ESH4's is F.US.EP."""
    return venue_product(VENUE, parse_contract(symbol).root)


@lru_cache(maxsize=4096)
def _scale(contract_id: str) -> Decimal | None:
    """What prices are multiplied with here; None when they are the exchange's own, as almost everywhere."""
    scale = price_scale(VENUE, parts(VENUE, contract_id).root)
    return None if scale == 1 else scale


def quotes_differ(contract_id: str) -> bool:
    """Whether prices of a contract are not written as the exchange writes them."""
    return _scale(contract_id) is not None


def theirs(price: Decimal | None, contract_id: str) -> Decimal | None:
    """The venue's form of a price (lean hogs are quoted in dollars here, in cents at the exchange)."""
    scale = _scale(contract_id)
    return price if scale is None or price is None else price * scale


def ours(price: Decimal, contract_id: str) -> Decimal:
    """The exchange's form of a price of the venue."""
    scale = _scale(contract_id)
    return price if scale is None else price / scale


def _ours_or_none(price: Decimal | None, contract_id: str) -> Decimal | None:
    return None if price is None else ours(price, contract_id)


def quoted(price: float, contract_id: str) -> float:
    """As `ours`, of market data."""
    scale = _scale(contract_id)
    return price if scale is None else price / float(scale)


def instrument_of(contract: wire.Contract, front: str, today: date) -> Instrument:
    """What the venue says of a contract: its tick in the exchange's prices, its month, and which one is active, this
    or `front`. It tells no expiry. Raises UnknownContract."""
    symbol, name = symbol_of(contract.id), parts(VENUE, contract.id)
    return Instrument(
        symbol=symbol,
        root=name.root,
        tick_size=ours(contract.tick_size, contract.id),
        tick_value=contract.tick_value,
        venue_id=contract.id,
        month=full_month(name.month, name.year, today),
        front=symbol if contract.active_contract else front,
    )


def side_of(number: int) -> Side:
    return Side.SELL if number == 1 else Side.BUY


def reject_class(code: int, words: str) -> RejectClass:
    """What follows from a refused order: by its code, and for the code that says only "rejected" by its words."""
    if code in _PLACE_CLASSES:
        return _PLACE_CLASSES[code]
    lower = words.lower()
    for cls, known in (
        (RejectClass.MARGIN, _MARGIN_WORDS),
        (RejectClass.LIMIT, _LIMIT_WORDS),
        (RejectClass.PRICE, _PRICE_WORDS),
    ):
        if any(word in lower for word in known):
            return cls
    return RejectClass.OTHER


def order_of(entity: wire.Order, account: str, cl_ord_id: str, links: tuple[int, int]) -> VenueOrder:
    """`links` are the ids of the entry that awakes it and of the order that ends with it, which only the stream tells
    (2.3); 0: none. A status that is not on the page counts as pending, which claims the least; 7 (a cancel is on its
    way) still works. Raises UnknownContract."""
    order_type = _TYPES.get(entity.type, OrderType.MARKET)
    terms: dict[str, Any] = {
        "account": account,
        "order_id": str(entity.id),
        "symbol": symbol_of(entity.contract_id),
        "side": side_of(entity.side),
        "order_type": order_type,
        "qty": entity.size,
        "filled_qty": entity.fill_volume or 0,
        "avg_price": _ours_or_none(entity.filled_price, entity.contract_id),
        "limit_price": _ours_or_none(entity.limit_price, entity.contract_id),
        "stop_price": _ours_or_none(entity.stop_price, entity.contract_id),
        "cl_ord_id": cl_ord_id,
        "parent_id": str(links[0] or ""),
        "oco_id": str(links[1] or ""),
        "venue_ns": time_ns(entity.update_timestamp or entity.creation_timestamp),
    }
    done = _DONE.get(entity.status)
    if done is not None:
        return DoneOrder(status=done, **terms)
    return LiveOrder(status=_LIVE.get(entity.status, LiveStatus.PENDING), **terms)


def may_trade(entity: wire.Order) -> bool:
    return entity.status not in _DONE


def fill_of(entity: wire.Trade, account: str, cl_ord_id: str) -> Fill:
    """Raises UnknownContract."""
    return Fill(
        venue=VENUE,
        fill_id=str(entity.id),
        account=account,
        order_id=str(entity.order_id),
        symbol=symbol_of(entity.contract_id),
        side=side_of(entity.side),
        qty=entity.size,
        price=ours(entity.price, entity.contract_id),
        venue_ns=time_ns(entity.creation_timestamp),
        cl_ord_id=cl_ord_id,
        fee=entity.fees,
    )


def position_of(entity: wire.Position, account: str) -> Position:
    """A position; one of size 0 is closed. Raises UnknownContract, or ValueError when its side cannot be told."""
    if entity.size and entity.type not in (1, 2):
        raise ValueError(f"a position of {entity.size} is neither long nor short (type {entity.type})")
    net = entity.size if entity.type == 1 else -entity.size
    return Position(
        account=account,
        symbol=symbol_of(entity.contract_id),
        net_qty=net,
        avg_price=ours(entity.average_price or Decimal(0), entity.contract_id) if net else Decimal(0),
    )
