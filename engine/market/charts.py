"""One symbol's candles of one interval: what the kernel builds from trades, what history says, indicators over both.

`market.py` keeps one for every symbol and interval that is watched. A candle that may lack trades gives way to
history's as soon as that is there; a venue that draws its own candles has a chart of history alone.
"""

from collections.abc import Iterable, Sequence
from itertools import islice

from engine.market.grid import Grid
from engine.market.indicators import Indicator, Values, parse_indicator
from engine.market.packing import Mark
from engine.market.ports import Candle, Kernel
from engine.seat import Line
from schema.market import Interval, IntervalKind
from schema.records import Bar

KEPT = 5_000
_NS = 1_000_000_000
_KINDS = {IntervalKind.TIME: 1, IntervalKind.TICK: 2, IntervalKind.VOLUME: 3, IntervalKind.RANGE: 4}


class Chart:
    """`awaits_history`: the badge says loading until there was some."""

    def __init__(self, symbol: str, interval: Interval, *, awaits_history: bool = False) -> None:
        self.symbol = symbol
        self.interval = interval
        self.awaits_history = awaits_history
        self._kernel: Kernel | None = None
        self._series = -1
        self._price = self._size = Grid(1.0)
        self._history: dict[int, Bar] = {}
        self._closed: list[Bar] = []
        self._marks: dict[int, Mark] = {}  # closed bars that lack something
        self._open: Bar | None = None
        self._open_mark = Mark(0)
        self._folded = 0  # candles of the kernel that are in `_closed`
        self._traded = True  # the open one is not history's: when the kernel's first begins, that one is over
        self._touches: int = 0
        self._stale = False  # history came: everything is put together again
        self._lines: dict[str, tuple[Indicator[object], list[Values]]] = {}

    def fed_by(self, kernel: Kernel, symbol: int, price: Grid, size: Grid) -> None:
        """Build candles from the trades of a symbol of the kernel."""
        width = self.interval.count
        if self.interval.kind is IntervalKind.TIME:
            width *= _NS
        elif self.interval.kind is IntervalKind.VOLUME:
            width = max(1, size.units(float(width)))
        self._kernel, self._price, self._size = kernel, price, size
        self._series = kernel.series(symbol, _KINDS[self.interval.kind], width, KEPT)

    @property
    def fed(self) -> bool:
        return self._kernel is not None

    def drop(self) -> None:
        """Stop building; the chart is of no use afterwards."""
        if self._kernel is not None:
            self._kernel.drop(self._series)

    def load(self, bars: Iterable[Bar], until_ns: int | None = None) -> None:
        """Take history, or a running bar again; a bar is known by its start. Bars that end after `until_ns` are not
        whole yet and left out (None: all are taken)."""
        width = self.interval.count * _NS if self.interval.kind is IntervalKind.TIME else 0
        for bar in bars:
            if until_ns is None or bar.start_ns + width <= until_ns:
                self._history[bar.start_ns] = bar
        if len(self._history) > KEPT:
            self._history = {start: self._history[start] for start in sorted(self._history)[-KEPT:]}
        self._stale = True
        self.awaits_history = False

    def refresh(self, touches: int) -> None:
        """Take what the kernel has by now. `touches` grows with everything that may mark candles afterwards."""
        if self._stale or touches != self._touches:
            self._stale, self._touches = False, touches
            self._rebuild()
        elif self._kernel is not None:
            self._follow(self._kernel)

    def bars(self, most: int) -> tuple[Bar, ...]:
        """The last so many, the open one last."""
        if self._open is None:
            return ()
        return (*islice(self._closed, max(0, len(self._closed) + 1 - most), None), self._open)

    def closed_after(self, start_ns: int) -> tuple[Bar, ...]:
        """Those that are over, bear no mark and began after a time."""
        found: list[Bar] = []
        for bar in reversed(self._closed):
            if bar.start_ns <= start_ns:
                break
            if bar.start_ns not in self._marks:
                found.append(bar)
        return tuple(reversed(found))

    def marked(self, bars: Sequence[Bar], mark: Mark) -> tuple[int, ...]:
        """The starts of those bars that bear a mark."""
        found = [bar.start_ns for bar in bars[:-1] if self._marks and self._marks.get(bar.start_ns, Mark(0)) & mark]
        if bars and self._open_mark & mark:
            found.append(bars[-1].start_ns)
        return tuple(found)

    def lines(self, wanted: Sequence[str], most: int) -> tuple[Line, ...]:
        """The indicators over the last so many bars. Raises ValueError for one that is none."""
        made: list[Line] = []
        for text in wanted if self._open else ():
            if text not in self._lines:
                indicator = parse_indicator(text)
                self._lines[text] = (indicator, [indicator.close(bar) for bar in self._closed])
            indicator, closed = self._lines[text]
            assert self._open is not None
            rows = [*closed[max(0, len(closed) + 1 - most) :], indicator.peek(self._open)]
            for at, name in enumerate(indicator.names):
                made.append(Line(name=name, values=tuple(row[at] for row in rows)))
        return tuple(made)

    # --- putting together ----------------------------------------------------------------------------------------

    def _follow(self, kernel: Kernel) -> None:
        opened = kernel.opened(self._series)
        if opened - self._folded > KEPT or (opened and not self._traded):
            self._rebuild()
            return
        for candle in kernel.candles(self._series, max(self._folded, opened - KEPT), KEPT) if opened else ():
            self._folded += 1
            bar = self._bar(candle)
            if self._folded < opened:
                self._close(bar, Mark(candle.flags))
            else:
                self._folded -= 1  # the open one comes again
                self._open, self._open_mark = bar, Mark(candle.flags)

    def _rebuild(self) -> None:
        rows: dict[int, tuple[Bar, Mark]] = {}
        candles: Sequence[Candle] = ()
        if self._kernel is not None:
            self._folded = max(0, self._kernel.opened(self._series) - 1)
            candles = self._kernel.candles(self._series, 0, KEPT)
        self._traded = bool(candles)
        timed = self.interval.kind is IntervalKind.TIME
        first_ns = candles[0].start_ns if candles else None
        for start_ns in sorted(self._history):
            if timed or first_ns is None or start_ns < first_ns:
                rows[start_ns] = (self._history[start_ns], Mark(0))
        ordered = list(rows.values())
        if timed:
            for at, candle in enumerate(candles):
                if not (candle.flags and at < len(candles) - 1 and candle.start_ns in rows):
                    rows[candle.start_ns] = (self._bar(candle), Mark(candle.flags))
            ordered = [rows[start_ns] for start_ns in sorted(rows)]
        else:  # several candles of trades may begin in the same nanosecond
            ordered += [(self._bar(candle), Mark(candle.flags)) for candle in candles]
        self._closed, self._marks, self._open, self._open_mark = [], {}, None, Mark(0)
        self._lines = {text: (parse_indicator(text), []) for text in self._lines}
        for bar, mark in ordered[:-1][-KEPT:]:
            self._close(bar, mark)
        if ordered:
            self._open, self._open_mark = ordered[-1]

    def _close(self, bar: Bar, mark: Mark) -> None:
        self._closed.append(bar)
        if mark:
            self._marks[bar.start_ns] = mark
        for indicator, values in self._lines.values():
            values.append(indicator.close(bar))
        if len(self._closed) >= 2 * KEPT:
            gone = len(self._closed) - KEPT
            for old in self._closed[:gone]:
                self._marks.pop(old.start_ns, None)
            del self._closed[:gone]
            for _, values in self._lines.values():
                del values[:gone]

    def _bar(self, candle: Candle) -> Bar:
        return Bar(
            symbol=self.symbol,
            start_ns=candle.start_ns,
            open=self._price.value(candle.open),
            high=self._price.value(candle.high),
            low=self._price.value(candle.low),
            close=self._price.value(candle.close),
            volume=self._size.value(candle.volume),
        )
