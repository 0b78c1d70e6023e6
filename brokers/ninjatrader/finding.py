"""Orders of ours asked for by their ids, all with one new connection: it is told every value, and any value of an order
shows that it arrived (`protocols/ninjatrader.md B3, B6`). `adapter.py` calls it.

That none is told proves nothing. What a new connection is told is not verified, a NinjaTrader that was started anew has
forgotten ids, and a command is never answered: nobody says that there is no such order.
"""

from collections.abc import Sequence

from brokers.adapter import Found, Wanted
from brokers.finding import shown, unknown, unlisted
from brokers.ninjatrader.book import Book, Entry
from brokers.ninjatrader.directory import Directory
from brokers.ninjatrader.values import Told


def recall(told: Told, book: Book, directory: Directory, wanted: Sequence[Wanted]) -> list[Entry]:
    """Open orders that another process sent and could not write down: what is asked says what they trade, which no
    value does. Not those that NinjaTrader lists with another account."""
    return [
        book.recall(each)
        for each in wanted
        if _is_new(book.get(each.cl_ord_id), each) and _may_hold(told, each.cl_ord_id, directory.account(each.account))
    ]


def _is_new(entry: Entry | None, wanted: Wanted) -> bool:
    """Whether the order is not here, or was taken for somebody else's of the same account, contract and side."""
    if entry is None:
        return True
    same = (entry.account, entry.symbol, entry.side) == (wanted.account, wanted.symbol, wanted.side)
    return same and not entry.ours


def _may_hold(told: Told, order_id: str, theirs: str) -> bool:
    return bool(theirs) and told.account_of(order_id) in ("", theirs)


def answers(told: Told, book: Book, directory: Directory, wanted: Sequence[Wanted]) -> tuple[Found, ...]:
    """What was told of each. The book has taken it in."""
    return tuple(_answer(told, book, directory, each) for each in wanted)


def _answer(told: Told, book: Book, directory: Directory, wanted: Wanted) -> Found:
    entry, theirs = book.get(wanted.cl_ord_id), directory.account(wanted.account)
    if (
        entry is None
        or not entry.ours
        or entry.account != wanted.account
        or not _may_hold(told, wanted.cl_ord_id, theirs)
    ):
        return unknown(wanted, f"order {wanted.cl_ord_id} is not one of {wanted.account} here")
    is_told = wanted.cl_ord_id in told.words or wanted.cl_ord_id in told.filled
    if is_told or (entry.known and entry.done):
        if not entry.whole:
            return unknown(wanted, "NinjaTrader has it, and has not told all of its fills yet")
        return shown(wanted, entry.record(), (entry.fill(number) for number in range(1, len(entry.lots) + 1)))
    if told.account_of(wanted.cl_ord_id):
        return unknown(wanted, "NinjaTrader lists its id without a state")
    if theirs not in told.shown:
        return unknown(wanted, f"NinjaTrader tells nothing of {wanted.account}")
    return unlisted(wanted, "order of this id")
