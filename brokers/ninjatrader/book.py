"""What one login knows of its own orders, and the fills that it derives, from values. Pure; `adapter.py` owns one.

NinjaTrader tells of an order a state, a filled quantity and an average price, each by itself and in no order that is
promised (`protocols/ninjatrader.md B4`). What changed is told once it has settled: nothing new for `settle_ns`.

A fill is one lot. Its id is the order's and the lot's number, so that whoever derives it, from whichever pieces it was
told in, gives it the same name: after a reconnect, a replay or a restart nothing is booked twice. The prices of lots
that were learned together are the two ticks around their average, in the numbers that make their sum right to the
tick; a single lot's price is therefore exact.
"""

from collections.abc import Iterable, Iterator
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import msgspec

from brokers.adapter import Wanted
from brokers.ninjatrader.names import VENUE, status_of
from brokers.ninjatrader.values import AvgPrice, FilledQty, OrderState, Told
from schema.fix import SavedRow
from schema.records import (
    ApprovedOrder,
    DoneOrder,
    DoneStatus,
    Fill,
    LiveOrder,
    LiveStatus,
    OrderType,
    Record,
    Side,
    VenueOrder,
)
from schema.symbols import UnknownProduct, parse_contract, product

KEPT_NS = 2 * 86_400_000_000_000
"""How long ended orders are kept: longer than a session lasts without a weekend."""
_FINEST = Decimal("0.0000001")
NO_REASON = "NinjaTrader rejected it and tells no reason here; its Log tab has it"


class Lot(msgspec.Struct, array_like=True):
    price: Decimal
    learned_ns: int


class Entry(msgspec.Struct):
    """One order; one that is not `ours` has no terms that are known. `filled` and `average` are the newest values;
    `lots` what was made fills of. `known` is false until NinjaTrader showed it; `word` is the newest state."""

    order_id: str
    account: str
    symbol: str
    side: Side
    order_type: OrderType
    qty: int
    limit_price: Decimal | None
    stop_price: Decimal | None
    sent_ns: int
    known: bool = False
    word: str = ""
    filled: int = 0
    average: Decimal | None = None
    lots: list[Lot] = []
    changed_ns: int = 0  # when something came that is not told yet; 0: all is told
    seen_ns: int = 0
    ours: bool = True
    asked: bool = False  # a reading begun after it was sent told nothing of it

    @property
    def status(self) -> LiveStatus | DoneStatus:
        return status_of(self.word) or LiveStatus.PENDING

    @property
    def done(self) -> bool:
        return isinstance(self.status, DoneStatus)

    @property
    def whole(self) -> bool:
        """Whether the values are of one piece: as many lots as the state says, each with a price."""
        if self.ours and self.status is DoneStatus.FILLED and self.filled < self.qty:
            return False
        return self.filled <= len(self.lots) or self.average is not None

    @property
    def value(self) -> Decimal:
        return sum((lot.price for lot in self.lots), Decimal(0))

    def record(self) -> VenueOrder:
        """The order as the port shows it."""
        status = self.status
        filled = len(self.lots)
        shown: dict[str, Any] = {
            "account": self.account,
            "order_id": self.order_id,
            "symbol": self.symbol,
            "side": self.side,
            "order_type": self.order_type,
            "qty": self.qty,
            "filled_qty": filled,
            "avg_price": (self.value / filled).normalize() if filled else None,
            "limit_price": self.limit_price,
            "stop_price": self.stop_price,
            "cl_ord_id": self.order_id if self.ours else "",
            "text": NO_REASON if status is DoneStatus.REJECTED else "",
            "venue_ns": self.seen_ns,
        }
        return (
            DoneOrder(**shown, status=status) if isinstance(status, DoneStatus) else LiveOrder(**shown, status=status)
        )

    def fill(self, number: int) -> Fill:
        """The fill of lot `number`, from 1."""
        lot = self.lots[number - 1]
        return Fill(
            venue=VENUE,
            fill_id=f"{self.order_id}@{number}",
            account=self.account,
            order_id=self.order_id,
            symbol=self.symbol,
            side=self.side,
            qty=1,
            price=lot.price,
            venue_ns=lot.learned_ns,
            cl_ord_id=self.order_id if self.ours else "",
        )


class Settled(Record, frozen=True, gc=True):
    """What became certain of an order: new fills, and the order when it is to be shown."""

    entry: Entry
    fills: tuple[Fill, ...]


class Book:
    """See the module's docstring."""

    def __init__(self, settle_ns: int) -> None:
        self.went_back = 0  # values that were smaller than before
        self.repriced = 0  # averages that came out different after their lots were told
        self._settle_ns = settle_ns
        self._entries: dict[str, Entry] = {}
        self._unsettled: dict[str, Entry] = {}
        self._unheard: dict[str, Entry] = {}  # of these NinjaTrader has told nothing
        self._changed: set[str] = set()
        self._gone: set[str] = set()

    def __contains__(self, order_id: str) -> bool:
        return order_id in self._entries

    def get(self, order_id: str) -> Entry | None:
        return self._entries.get(order_id)

    def entries(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def open(self, order: ApprovedOrder, now_ns: int) -> Entry:
        """An order that is about to leave."""
        return self._add(order, now_ns, order.limit_price, order.stop_price)

    def recall(self, wanted: Wanted) -> Entry:
        """An order of the desk's that is not here, or was taken for somebody else's, by what is known of it elsewhere:
        not its prices. Lots that were told stay as they are."""
        taken = self._entries.get(wanted.cl_ord_id)
        entry = self._add(wanted, wanted.sent_ns, None, None)
        entry.lots = taken.lots if taken is not None else []
        self._unsettled.pop(entry.order_id, None)
        return entry

    def _add(
        self, order: ApprovedOrder | Wanted, sent_ns: int, limit_price: Decimal | None, stop_price: Decimal | None
    ) -> Entry:
        entry = Entry(
            order_id=order.cl_ord_id,
            account=order.account,
            symbol=order.symbol,
            side=order.side,
            order_type=order.order_type,
            qty=order.qty,
            limit_price=limit_price,
            stop_price=stop_price,
            sent_ns=sent_ns,
        )
        self._entries[entry.order_id] = self._unheard[entry.order_id] = entry
        self._changed.add(entry.order_id)
        return entry

    def meet(
        self, order_id: str, account: str, symbol: str, side: Side, filled: int, average: Decimal, now_ns: int
    ) -> None:
        """An order of somebody else of which it is known by now what it trades."""
        self._entries[order_id] = entry = Entry(
            order_id=order_id,
            account=account,
            symbol=symbol,
            side=side,
            order_type=OrderType.MARKET,
            qty=filled,
            limit_price=None,
            stop_price=None,
            sent_ns=now_ns,
            known=True,
            word="filled",
            filled=filled,
            average=average,
            changed_ns=now_ns - self._settle_ns,
            seen_ns=now_ns,
            ours=False,
        )
        self._unsettled[order_id] = entry
        self._changed.add(order_id)

    def signed(self, account: str, symbol: str) -> int:
        """What all orders known here filled of a contract, in all."""
        return sum(
            entry.filled * entry.side.sign
            for entry in self._entries.values()
            if entry.account == account and entry.symbol == symbol
        )

    def never_left(self, entry: Entry) -> None:
        """It did not leave after all."""
        self._drop(entry)

    def retold(self, entry: Entry) -> None:
        """The desk itself changed the order's terms; they are kept."""
        self._changed.add(entry.order_id)

    # --- values ------------------------------------------------------------------------------------------------------

    def take(self, fact: OrderState | FilledQty | AvgPrice, now_ns: int) -> Entry | None:
        """Take a value in; the order it is about when that is the desk's and the value says something new."""
        entry = self._entries.get(fact.order_id)
        if entry is None or not self._news(entry, fact):
            return None
        entry.known = True
        self._unheard.pop(entry.order_id, None)
        entry.seen_ns = now_ns
        entry.changed_ns = now_ns
        self._unsettled[entry.order_id] = entry
        self._changed.add(entry.order_id)
        return entry

    def _news(self, entry: Entry, fact: OrderState | FilledQty | AvgPrice) -> bool:
        match fact:
            case OrderState():
                if entry.done or fact.word == entry.word:
                    return not entry.known  # what has ended does not wake up again
                entry.word = fact.word
            case FilledQty():
                if fact.qty <= entry.filled:
                    self.went_back += fact.qty < entry.filled
                    return not entry.known
                entry.filled = fact.qty
            case AvgPrice():
                if fact.price in (entry.average, 0):  # nothing is filled at no price: it is not known yet
                    return False
                entry.average = fact.price
        return True

    def take_told(self, told: Told, entries: Iterable[Entry], now_ns: int) -> list[Entry]:
        """Take in what a connection was told of these orders; those about which it had news."""
        found: dict[str, Entry] = {}
        for entry in entries:
            order_id = entry.order_id
            facts: list[OrderState | FilledQty | AvgPrice] = []
            if order_id in told.averages:
                facts.append(AvgPrice(order_id=order_id, price=told.averages[order_id]))
            if order_id in told.filled:
                facts.append(FilledQty(order_id=order_id, qty=told.filled[order_id]))
            if order_id in told.words:
                facts.append(OrderState(order_id=order_id, word=told.words[order_id]))
            for fact in facts:
                if self.take(fact, now_ns):
                    found[order_id] = entry
        return list(found.values())

    def take_all(self, told: Told, asked_ns: int, now_ns: int) -> list[Entry]:
        """Take in everything that a reading begun at `asked_ns` was told; the orders about which it had news."""
        found = self.take_told(told, list(self._entries.values()), now_ns)
        for entry in self._unheard.values():
            entry.asked = entry.asked or entry.sent_ns < asked_ns
        for entry in self._entries.values():
            order_id = entry.order_id
            if (
                not entry.whole
                and 0 < entry.filled == told.filled.get(order_id)
                and told.words.get(order_id) == "filled"
            ):
                entry.qty = entry.filled  # somebody made it smaller
        return found

    def settle(self, now_ns: int, *, everything: bool = False) -> list[Settled]:
        """What has settled by now (`everything`: take the values as they stand)."""
        due = [e for e in self._unsettled.values() if everything or now_ns - e.changed_ns >= self._settle_ns]
        found: list[Settled] = []
        for entry in due:
            fills = self._fills(entry, now_ns)
            if entry.whole:
                del self._unsettled[entry.order_id]
                entry.changed_ns = 0
                found.append(Settled(entry=entry, fills=fills))
            elif fills:
                found.append(Settled(entry=entry, fills=fills))
        return found

    def _fills(self, entry: Entry, now_ns: int) -> tuple[Fill, ...]:
        """The lots that are new, as fills."""
        told, average = len(entry.lots), entry.average
        if average is None:
            return ()
        tick = _tick(entry.symbol)
        ticks = int(((average * entry.filled - entry.value) / tick).to_integral_value(ROUND_HALF_EVEN))
        news = entry.filled - told
        if news <= 0:
            self.repriced += bool(ticks)
            return ()
        low, high = divmod(ticks, news)
        for number in range(news):
            entry.lots.append(Lot(price=tick * (low + (number >= news - high)), learned_ns=now_ns))
        return tuple(entry.fill(number) for number in range(told + 1, entry.filled + 1))

    @property
    def unsettled(self) -> bool:
        return bool(self._unsettled)

    def doubtful(self, before_ns: int) -> bool:
        """Whether the values of an order have not been of one piece since `before_ns`, or nothing came of one that was
        sent before it and was not asked for since: something was not told."""
        return any(entry.changed_ns <= before_ns for entry in self._unsettled.values()) or any(
            entry.sent_ns <= before_ns and not entry.asked for entry in self._unheard.values()
        )

    def unanswered(self) -> set[str]:
        """Accounts with an order that NinjaTrader has not shown yet."""
        return {entry.account for entry in self._unheard.values()}

    # --- outliving the process -----------------------------------------------------------------------------------

    def load(self, rows: Iterable[SavedRow]) -> None:
        """Take up what another process kept."""
        for row in rows:
            entry = msgspec.json.decode(row.body, type=Entry)
            self._entries[entry.order_id] = entry
            if not entry.known:
                self._unheard[entry.order_id] = entry
            if entry.changed_ns:
                self._unsettled[entry.order_id] = entry
        self._changed.clear()

    def forget_old(self, now_ns: int) -> None:
        """Let go of what ended long ago, and of what was never shown for as long."""
        before_ns = now_ns - KEPT_NS
        for entry in [e for e in self._entries.values() if max(e.sent_ns, e.seen_ns) < before_ns]:
            if entry.done or not entry.known:
                self._drop(entry)

    def take_changes(self) -> tuple[list[SavedRow], list[tuple[str, str]]]:
        """Rows that changed and rows that are gone since the last time."""
        rows = [
            SavedRow(kind="order", key=key, body=msgspec.json.encode(self._entries[key]))
            for key in sorted(self._changed & self._entries.keys())
        ]
        gone = [("order", key) for key in sorted(self._gone)]
        self._changed.clear()
        self._gone.clear()
        return rows, gone

    def changed_again(self, rows: Iterable[SavedRow], gone: Iterable[tuple[str, str]]) -> None:
        """These could not be kept after all."""
        self._changed.update(row.key for row in rows)
        self._gone.update(key for _, key in gone)

    def _drop(self, entry: Entry) -> None:
        self._entries.pop(entry.order_id, None)
        self._unsettled.pop(entry.order_id, None)
        self._unheard.pop(entry.order_id, None)
        self._changed.discard(entry.order_id)
        self._gone.add(entry.order_id)


def _tick(symbol: str) -> Decimal:
    """The tick of a contract; of what somebody else trades and the product table does not have, a finer one."""
    try:
        return product(parse_contract(symbol).root).tick_size
    except UnknownProduct:
        return _FINEST
