"""Orders that the desk did not send: what the trader does in NinjaTrader's own windows, and what CLOSEPOSITION sends.

NinjaTrader tells of such an order its account, its filled quantity and its average price, but neither contract nor
side (`protocols/ninjatrader.md B1, B4`). The position tells the rest when it can be meant one way only: what one
account's strangers have filled is exactly what one contract of it moved by, beyond the desk's own fills. Then their
lots are fills like any other. When it can't be told, nothing is made up: the position itself is what is known. Pure;
`adapter.py` owns one.
"""

from decimal import Decimal

import msgspec

from brokers.ninjatrader.book import Book
from brokers.ninjatrader.directory import Directory
from brokers.ninjatrader.values import AvgPrice, FilledQty, Told
from schema.records import Side

GIVE_UP_NS = 1_000_000_000
"""Values that belong together come closer than this; what does not add up by then never will."""


class _Stranger(msgspec.Struct):
    account: str
    since_ns: int
    filled: int = 0
    average: Decimal | None = None


class Strangers:
    """See the module's docstring. Accounts are NinjaTrader's names until an order is the book's."""

    def __init__(self, book: Book, settle_ns: int) -> None:
        self._book = book
        self._settle_ns = settle_ns
        self._history: set[str] = set()  # filled before the desk looked: of these nothing more is told
        self._waiting: dict[str, _Stranger] = {}
        self._bases: dict[tuple[str, str], int] = {}  # (account, instrument) -> net that the fills do not explain
        self._averages: dict[str, Decimal] = {}

    @property
    def waiting(self) -> bool:
        """Whether something was filled that no contract is known of."""
        return bool(self._waiting)

    def rebase(self, told: Told, directory: Directory) -> None:
        """Count from here: what is held and filled now is explained by what was before."""
        self._history = {order_id for order_id, qty in told.filled.items() if qty and order_id not in self._book}
        self._waiting.clear()
        self._averages.clear()
        self._bases.clear()
        for theirs in directory.ours:
            self._rebase_one(theirs, told, directory)

    def _rebase_one(self, theirs: str, told: Told, directory: Directory) -> None:
        mine = {order_id for order_id, each in self._waiting.items() if each.account == theirs}
        self._history |= mine
        self._waiting = {order_id: each for order_id, each in self._waiting.items() if order_id not in mine}
        for (owner, instrument), net in told.nets.items():
            if owner == theirs:
                explained = self._book.signed(directory.ours[theirs], directory.learn(instrument))
                self._bases[owner, instrument] = net - explained

    def take(self, fact: FilledQty | AvgPrice, told: Told, now_ns: int) -> bool:
        """A value of an order that is not the desk's; whether something may follow from it."""
        order_id = fact.order_id
        if isinstance(fact, AvgPrice):
            self._averages[order_id] = fact.price
            if order_id in self._waiting:
                self._waiting[order_id].average = fact.price
            return order_id in self._waiting
        account = told.account_of(order_id)
        if not account or not fact.qty or order_id in self._history:
            return False
        stranger = self._waiting.setdefault(order_id, _Stranger(account=account, since_ns=now_ns))
        stranger.filled = max(stranger.filled, fact.qty)
        stranger.average = self._averages.get(order_id)
        return True

    def catch_up(self, told: Told, directory: Directory, now_ns: int) -> None:
        """`told` is whole: what it says was filled since the last look needs no time to settle."""
        self._averages |= told.averages
        for order_id, qty in told.filled.items():
            if order_id not in self._book:
                self.take(FilledQty(order_id=order_id, qty=qty), told, now_ns)
        self.meet(told, directory, now_ns + self._settle_ns)

    def meet(self, told: Told, directory: Directory, now_ns: int) -> None:
        """Give the orders that wait to the contracts that moved: they are the book's from then on."""
        for theirs in {each.account for each in self._waiting.values()}:
            mine = {order_id: each for order_id, each in self._waiting.items() if each.account == theirs}
            if theirs not in directory.ours:
                self._waiting = {key: each for key, each in self._waiting.items() if key not in mine}
                continue
            moved = self._moved(theirs, told, directory)
            settled = all(each.average and now_ns - each.since_ns >= self._settle_ns for each in mine.values())
            if settled and [sum(each.filled for each in mine.values())] == [abs(net) for net in moved.values()]:
                ((symbol, net),) = moved.items()
                for order_id, each in mine.items():
                    del self._waiting[order_id]
                    self._averages.pop(order_id, None)
                    if each.average:
                        account = directory.ours[theirs]
                        self._book.meet(order_id, account, symbol, Side.of(net), each.filled, each.average, now_ns)
            elif any(now_ns - each.since_ns >= GIVE_UP_NS for each in mine.values()):
                self._rebase_one(theirs, told, directory)

    def _moved(self, theirs: str, told: Told, directory: Directory) -> dict[str, int]:
        """Contracts of an account that hold something else than the fills explain."""
        found: dict[str, int] = {}
        for (owner, instrument), net in told.nets.items():
            symbol = directory.learn(instrument)
            if owner == theirs:
                rest = net - self._book.signed(directory.ours[theirs], symbol) - self._bases.get((owner, instrument), 0)
                if rest:
                    found[symbol] = rest
        return found
