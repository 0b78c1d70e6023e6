"""Execution reports of both versions as one kind of fact (`protocols/fix.md C3`). Pure; `book.py` books them.

4.2 says in 20 what a report is about (new, cancel, correct, status) and in 150 what happened (1 and 2 are fills); 4.4
says all of it in 150 (F is a fill, H and G take one back, I is a status).
"""

from decimal import Decimal
from enum import StrEnum

from brokers.fix import tags
from brokers.fix.wire import Message
from brokers.fix.words import order_type_of, parse_time, side_of, status_of, text_of
from schema.records import DoneStatus, LiveStatus, OrderType, Record, Side


class Kind(StrEnum):
    NEW = "new"
    TRADE = "trade"
    TAKEN_BACK = "taken back"  # a fill was canceled or corrected
    REPLACED = "replaced"
    PENDING = "pending"  # a new order, cancel or replace was received and is not decided
    REJECTED = "rejected"
    STATUS = "status"
    OTHER = "other"  # canceled, expired, suspended, restated


class Report(Record, frozen=True):
    """One execution report. Quantities are contracts; `price` and `last_px` are None when the report has none."""

    kind: Kind
    status: LiveStatus | DoneStatus
    cl_ord_id: str
    orig_cl_ord_id: str
    order_id: str
    exec_id: str
    account: str
    symbol: str
    side: Side
    order_type: OrderType | None
    qty: int | None
    cum_qty: int
    avg_px: Decimal | None
    last_qty: int
    last_px: Decimal | None
    limit_price: Decimal | None
    stop_price: Decimal | None
    text: str
    reject_reason: str
    mass_id: str
    venue_ns: int


_KINDS = {
    "0": Kind.NEW,
    "1": Kind.TRADE,
    "2": Kind.TRADE,
    "5": Kind.REPLACED,
    "6": Kind.PENDING,
    "8": Kind.REJECTED,
    "A": Kind.PENDING,
    "E": Kind.PENDING,
    "F": Kind.TRADE,
    "G": Kind.TAKEN_BACK,
    "H": Kind.TAKEN_BACK,
    "I": Kind.STATUS,
}


_IDS = (tags.CL_ORD_ID, tags.ORIG_CL_ORD_ID, tags.ORDER_ID, tags.EXEC_ID, tags.ORD_REJ_REASON, tags.MASS_STATUS_REQ_ID)
_LONGEST_ID = 400


def read_report(message: Message) -> Report | str:
    """The report of a message that passed `checks.py`, or in one sentence why it can't be booked."""
    side, status = side_of(message.get(tags.SIDE)), status_of(message.get(tags.ORD_STATUS))
    cum_qty, last_qty, qty = (_count(message, tag) for tag in (tags.CUM_QTY, tags.LAST_QTY, tags.ORDER_QTY))
    if side is None or status is None or cum_qty is None:
        return "its side, status or filled quantity is not one the desk trades"
    if (message.has(tags.LAST_QTY) and last_qty is None) or (message.has(tags.ORDER_QTY) and qty is None):
        return "its quantity is no whole number of contracts"
    if not all(_plain(message.get(tag)) for tag in _IDS):
        return "one of its ids is longer than any, or holds characters that do not print"
    transaction = message.get(tags.EXEC_TRANS_TYPE, "0")
    kind = _KINDS.get(message.get(tags.EXEC_TYPE), Kind.OTHER)
    if transaction in ("1", "2"):
        kind = Kind.TAKEN_BACK
    elif transaction == "3":
        kind = Kind.STATUS
    if kind is Kind.STATUS and message.get(tags.ORD_STATUS) in ("6", "E"):
        kind = Kind.PENDING
    elif kind is Kind.TRADE and not last_qty:
        kind = Kind.STATUS  # some venues repeat 150=1 or 2 without a fill
    return Report(
        kind=kind,
        status=status,
        cl_ord_id=message.get(tags.CL_ORD_ID),
        orig_cl_ord_id=message.get(tags.ORIG_CL_ORD_ID),
        order_id=message.get(tags.ORDER_ID),
        exec_id=message.get(tags.EXEC_ID),
        account=text_of(message.get(tags.ACCOUNT)),
        symbol=text_of(message.get(tags.SYMBOL)),
        side=side,
        order_type=order_type_of(message.get(tags.ORD_TYPE)) if message.has(tags.ORD_TYPE) else None,
        qty=qty,
        cum_qty=cum_qty,
        avg_px=message.decimal(tags.AVG_PX),
        last_qty=last_qty or 0,
        last_px=message.decimal(tags.LAST_PX),
        limit_price=message.decimal(tags.PRICE),
        stop_price=message.decimal(tags.STOP_PX),
        text=text_of(message.get(tags.TEXT)),
        reject_reason=message.get(tags.ORD_REJ_REASON),
        mass_id=message.get(tags.MASS_STATUS_REQ_ID),
        venue_ns=_time(message),
    )


def _plain(text: str) -> bool:
    return len(text) <= _LONGEST_ID and text.isprintable()


def _count(message: Message, tag: int) -> int | None:
    value = message.decimal(tag)
    return int(value) if value is not None and value == value.to_integral_value() and value >= 0 else None


def _time(message: Message) -> int:
    """When it happened: 60, or when the report was first sent."""
    for tag in (tags.TRANSACT_TIME, tags.ORIG_SENDING_TIME, tags.SENDING_TIME):
        at_ns = parse_time(message.get(tag))
        if at_ns is not None:
            return at_ns
    return 0
