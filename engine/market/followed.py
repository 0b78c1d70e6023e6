"""One symbol that a feed or a login tells of: what `market.py` keeps of it beside the kernel, and what panes see of it.

Snapshots are made when they are asked for, and are the same object until something changed.
"""

from collections import deque
from collections.abc import Iterable
from decimal import Decimal

from engine.market.charts import Chart
from engine.market.grid import Grid
from engine.market.packing import AGGRESSORS, STATES, Lie
from engine.market.ports import Kernel, Stats
from engine.market.shown import BookLevel, BookShown, OwnOrder, Print, SessionShown, TapeShown, Truth
from schema.market import IntervalKind
from schema.records import Quote, Side

_IDS_KEPT = 20_000
_STATES = {number: state for state, number in STATES.items()}


class Followed:
    """`number` is the symbol's in the kernel, whose figures every call is given as they are `now`. `by_login`: it is a
    login that tells of it, which tells quotes and candles of time of its own."""

    def __init__(
        self, symbol: str, source: str, number: int, price: Grid, size: Grid, *, numbered: bool, by_login: bool
    ) -> None:
        self.symbol, self.source, self.number = symbol, source, number
        self.numbered = numbered
        self.by_login = by_login
        self.repeats = self.dropped = 0
        self._price, self._size = price, size
        self._own: tuple[OwnOrder, ...] = ()
        self._own_version = 0
        self._top: Quote | None = None
        self._top_key: tuple[int, int] = (0, 0)
        self._book: BookShown | None = None
        self._book_key: tuple[int, int, int] = (0, 0, 0)
        self._tape: TapeShown | None = None
        self._tape_key: tuple[int, int] = (0, 0)
        self._ids: set[str] = set()
        self._order: deque[str] = deque()

    def told_before(self, trade_id: str) -> bool:
        """Whether this trade came already, and remember it. What is older than the ids kept is known by its time."""
        if trade_id in self._ids:
            return True
        self._ids.add(trade_id)
        self._order.append(trade_id)
        if len(self._order) > _IDS_KEPT:
            self._ids.discard(self._order.popleft())
        return False

    def feed(self, chart: Chart, kernel: Kernel) -> None:
        """Build the chart's candles from the trades, unless the source draws such candles itself."""
        if not (self.by_login and chart.interval.kind is IntervalKind.TIME):
            chart.fed_by(kernel, self.number, self._price, self._size)

    def own_orders(self, orders: Iterable[tuple[Decimal, Side, int]]) -> None:
        """The desk's working orders now: (price, side, lots)."""
        own = tuple(OwnOrder(price=float(price), side=side, qty=qty) for price, side, qty in orders)
        self._own_version += own != self._own
        self._own = own

    # --- what panes see --------------------------------------------------------------------------------------------

    def top(self, now: Stats) -> Quote | None:
        """Top of book and last trade; None before anything was told."""
        if not now.heard_ns:
            return None
        key = (now.book_version, now.tape_version)
        if self._top is not None and self._top_key == key:
            return self._top
        price, size = self._price, self._size
        self._top_key = key
        self._top = Quote(
            symbol=self.symbol,
            bid=price.value(now.bid) if now.bid_size else None,
            bid_size=size.value(now.bid_size) if now.bid_size else None,
            ask=price.value(now.ask) if now.ask_size else None,
            ask_size=size.value(now.ask_size) if now.ask_size else None,
            last=price.value(now.last) if now.last_ns else None,
            last_size=size.value(now.last_size) if now.last_ns else None,
            venue_ns=now.last_ns,
        )
        return self._top

    def book(self, kernel: Kernel, now: Stats, levels: int) -> BookShown:
        key = (now.book_version, self._own_version, levels)
        if self._book is None or self._book_key != key or self._book.state is not _STATES[now.state]:
            self._book, self._book_key = self._make_book(kernel, now, levels), key
        return self._book

    def tape(self, kernel: Kernel, now: Stats, most: int) -> TapeShown:
        if self._tape is None or self._tape_key != (now.tape_version, most):
            prints = [
                Print(
                    ts_ns=ts_ns,
                    price=self._price.value(price),
                    size=self._size.value(size),
                    aggressor=AGGRESSORS[side],
                    held=Lie(held).words if held else "",
                )
                for ts_ns, price, size, side, held in kernel.tape(self.number, most)
            ]
            self._tape_key = (now.tape_version, most)
            self._tape = TapeShown(
                symbol=self.symbol,
                version=now.tape_version,
                prints=tuple(prints),
                trades=now.prints,
                heard_ns=now.heard_ns,
            )
        return self._tape

    def session(self, now: Stats) -> SessionShown:
        price, size = self._price, self._size
        traded = now.trades > 0
        return SessionShown(
            symbol=self.symbol,
            state=_STATES[now.state],
            since_ns=now.session_ns,
            open=price.value(now.open) if traded else None,
            high=price.value(now.high) if traded else None,
            low=price.value(now.low) if traded else None,
            last=price.value(now.last) if now.last_ns else None,
            vwap=price.value(now.notional / now.volume) if traded else None,
            volume=size.value(now.volume),
            trades=now.trades,
            heard_ns=now.heard_ns,
        )

    def truth(self, now: Stats) -> Truth:
        return Truth(
            symbol=self.symbol,
            source=self.source,
            trades=now.prints,
            changes=now.changes,
            lies=tuple((lie.words, now.lies[lie]) for lie in Lie if now.lies[lie]),
            held=now.held,
            repeats=now.repeats + self.repeats,
            gaps=now.gaps,
            missed=now.missed,
            dropped=self.dropped,
            torn=bool(now.torn),
        )

    def _make_book(self, kernel: Kernel, now: Stats, levels: int) -> BookShown:
        sides: list[tuple[BookLevel, ...]] = []
        elsewhere = list[OwnOrder]()
        for side, number in ((Side.BUY, 1), (Side.SELL, 2)):
            own: dict[int, int] = {}
            for order in self._own:
                if order.side is side:
                    ticks = self._price.units(order.price)
                    own[ticks] = own.get(ticks, 0) + order.qty
            sides.append(
                tuple(
                    BookLevel(
                        price=self._price.value(price),
                        size=self._size.value(size),
                        own=own.pop(price, 0) if own else 0,
                    )
                    for price, size in kernel.book(self.number, number, levels)
                )
            )
            elsewhere += [
                OwnOrder(price=self._price.value(price), side=side, qty=qty) for price, qty in sorted(own.items())
            ]
        return BookShown(
            symbol=self.symbol,
            version=now.book_version + self._own_version,
            bids=sides[0],
            asks=sides[1],
            own_elsewhere=tuple(elsewhere),
            state=_STATES[now.state],
            crossed=bool(now.bid_size and now.ask_size and now.bid > now.ask),
            torn=bool(now.torn),
            changes=now.changes,
            heard_ns=now.book_heard_ns,
            tick_size=self._price.unit,
        )
