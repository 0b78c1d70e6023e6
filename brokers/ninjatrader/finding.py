"""Orders of ours asked for by their ids, from one reading. `adapter.py` calls it.

NinjaTrader has no question about one order: a new connection is told every value there is, and an order of which there
is any value arrived (`protocols/ninjatrader.md B3`). What is told to a new connection is not promised to be all (B6),
so an order of which nothing was told may have arrived all the same.
"""

from brokers.adapter import Found, Wanted
from brokers.finding import shown, unknown, unlisted
from brokers.ninjatrader.book import Book
from schema.records import ApprovedOrder


def expect(book: Book, wanted: Wanted) -> None:
    """Make the order one of ours, if another process sent it and its row was not kept: its values then count."""
    if wanted.cl_ord_id not in book:
        order = ApprovedOrder(
            account=wanted.account,
            venue_account_id="",
            symbol=wanted.symbol,
            side=wanted.side,
            order_type=wanted.order_type,
            qty=wanted.qty,
            cl_ord_id=wanted.cl_ord_id,
            reducing=False,
        )
        book.open(order, wanted.sent_ns)


def answer(book: Book, wanted: Wanted) -> Found:
    """What the reading that has been taken in shows of the order."""
    entry = book.get(wanted.cl_ord_id)
    if entry is None or not entry.known:
        return unlisted(wanted, "value of this order")
    if not entry.whole:
        return unknown(wanted, "NinjaTrader's values of this order do not fit together yet")
    return shown(wanted, entry.record(), (entry.fill(number) for number in range(1, len(entry.lots) + 1)))
