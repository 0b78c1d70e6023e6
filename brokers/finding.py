"""The answers of `BrokerAdapter.find` in words that every adapter shares: the ledger of copies shows them."""

from collections.abc import Iterable

from brokers.adapter import Finding, Found, Wanted
from schema.records import Fill, VenueOrder


def shown(wanted: Wanted, order: VenueOrder, fills: Iterable[Fill]) -> Found:
    """The venue has the order."""
    filled = f"{order.filled_qty} of {order.qty} filled"
    return Found(
        account=wanted.account,
        cl_ord_id=wanted.cl_ord_id,
        finding=Finding.FOUND,
        text=f"the venue has it as {order.order_id}, {order.status}, {filled}",
        order=order,
        fills=tuple(fills),
    )


def absent(wanted: Wanted, text: str) -> Found:
    """The venue itself says that it has none of this id."""
    return Found(account=wanted.account, cl_ord_id=wanted.cl_ord_id, finding=Finding.ABSENT, text=text)


def unlisted(wanted: Wanted, what: str) -> Found:
    """A list that should name the order does not."""
    text = f"the venue lists no {what}, which proves nothing"
    return Found(account=wanted.account, cl_ord_id=wanted.cl_ord_id, finding=Finding.UNLISTED, text=text)


def unknown(wanted: Wanted, text: str) -> Found:
    """Nothing is proven, as `text` says."""
    return Found(account=wanted.account, cl_ord_id=wanted.cl_ord_id, finding=Finding.UNKNOWN, text=text)
