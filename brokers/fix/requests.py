"""The bodies of what is asked of the venue, field by field (`protocols/fix.md C3`). Pure; `adapter.py` sends them."""

from contextlib import suppress
from decimal import Decimal

from brokers.fix import tags
from brokers.fix.book import Entry, NewOrder
from brokers.fix.dialect import Dialect
from brokers.fix.words import ORDER_TYPES, SIDES, TIMES_IN_FORCE, price_text, stamp
from schema.records import OrderType
from schema.symbols import UnknownProduct, parse_contract, product

Fields = list[tuple[int, str]]


def new_order(order: NewOrder, wire_id: str, dialect: Dialect, now_ns: int) -> Fields:
    """NewOrderSingle (D)."""
    fields: Fields = [
        (tags.CL_ORD_ID, wire_id),
        (tags.ACCOUNT, order.venue_account_id),
        (tags.HANDL_INST, dialect.handl_inst),
        *_contract(order.symbol, dialect),
        (tags.SIDE, SIDES[order.side]),
        (tags.TRANSACT_TIME, stamp(now_ns)),
        *_terms(order.qty, order.order_type, order.limit_price, order.stop_price),
    ]
    fields.append((tags.TIME_IN_FORCE, TIMES_IN_FORCE[order.time_in_force]))
    return fields


def replace_order(
    entry: Entry,
    account: str,
    wire_id: str,
    dialect: Dialect,
    now_ns: int,
    *,
    qty: int,
    order_type: OrderType,
    limit_price: Decimal | None,
    stop_price: Decimal | None,
) -> Fields:
    """OrderCancelReplaceRequest (G)."""
    return [
        *_chain(entry, wire_id),
        (tags.ACCOUNT, account),
        (tags.HANDL_INST, dialect.handl_inst),
        *_contract(entry.symbol, dialect),
        (tags.SIDE, SIDES[entry.side]),
        (tags.TRANSACT_TIME, stamp(now_ns)),
        *_terms(qty, order_type, limit_price, stop_price),
        (tags.TIME_IN_FORCE, entry.tif),
    ]


def cancel_order(entry: Entry, account: str, wire_id: str, dialect: Dialect, now_ns: int) -> Fields:
    """OrderCancelRequest (F)."""
    return [
        *_chain(entry, wire_id),
        (tags.ACCOUNT, account),
        *_contract(entry.symbol, dialect),
        (tags.SIDE, SIDES[entry.side]),
        (tags.TRANSACT_TIME, stamp(now_ns)),
        (tags.ORDER_QTY, str(entry.qty)),
    ]


def order_status(entry: Entry, account: str, dialect: Dialect) -> Fields:
    """OrderStatusRequest (H)."""
    fields: Fields = [(tags.CL_ORD_ID, entry.last or entry.root)]
    if entry.order_id:
        fields.append((tags.ORDER_ID, entry.order_id))
    return [*fields, (tags.ACCOUNT, account), *_contract(entry.symbol, dialect), (tags.SIDE, SIDES[entry.side])]


def mass_status(request_id: str) -> Fields:
    """OrderMassStatusRequest (AF) for all orders of the session."""
    return [(tags.MASS_STATUS_REQ_ID, request_id), (tags.MASS_STATUS_REQ_TYPE, "7")]


def positions(request_id: str, account: str, now_ns: int) -> Fields:
    """RequestForPositions (AN) of one account."""
    at = stamp(now_ns)
    return [
        (tags.POS_REQ_ID, request_id),
        (tags.POS_REQ_TYPE, "0"),
        (tags.NO_PARTY_IDS, "1"),
        (tags.PARTY_ID, account),
        (tags.PARTY_ID_SOURCE, "D"),
        (tags.PARTY_ROLE, "38"),
        (tags.ACCOUNT, account),
        (tags.ACCOUNT_TYPE, "1"),
        (tags.CLEARING_BUSINESS_DATE, at[:8]),
        (tags.TRANSACT_TIME, at),
    ]


def _chain(entry: Entry, wire_id: str) -> Fields:
    fields: Fields = [(tags.ORIG_CL_ORD_ID, entry.last or entry.root), (tags.CL_ORD_ID, wire_id)]
    if entry.order_id:
        fields.append((tags.ORDER_ID, entry.order_id))
    return fields


def _contract(symbol: str, dialect: Dialect) -> Fields:
    fields: Fields = [(tags.SYMBOL, symbol)]
    if dialect.security_type:
        fields.append((tags.SECURITY_TYPE, dialect.security_type))
    if dialect.exchange:
        with suppress(UnknownProduct):  # then the venue knows the contract by its name, or refuses it
            fields.append((tags.SECURITY_EXCHANGE, product(parse_contract(symbol).root).exchange))
    return fields


def _terms(qty: int, order_type: OrderType, limit_price: Decimal | None, stop_price: Decimal | None) -> Fields:
    """Quantity, type and the prices that the type has; a price it does not have would be refused."""
    fields: Fields = [(tags.ORDER_QTY, str(qty)), (tags.ORD_TYPE, ORDER_TYPES[order_type])]
    if limit_price is not None and order_type in (OrderType.LIMIT, OrderType.STOP_LIMIT):
        fields.append((tags.PRICE, price_text(limit_price)))
    if stop_price is not None and order_type in (OrderType.STOP, OrderType.STOP_LIMIT):
        fields.append((tags.STOP_PX, price_text(stop_price)))
    return fields
