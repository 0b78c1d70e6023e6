"""The chart's bars as it draws them: merged to the interval that is chosen, with studies over those, and merged again
to cells when it is zoomed out. Pure; `candles.py` has one.

A new snapshot differs from the one before in its last bar, now and then in one more: only what hangs on those is made
again. Studies are the engine's own (`engine/market/indicators.py`), so that a value here is the value there.
"""

from bisect import bisect_right
from collections.abc import Sequence

from engine.market.indicators import Indicator, Values, parse_indicator
from schema.records import Bar
from schema.symbols import UnknownProduct, parse_contract
from schema.trading_day import ends_ns, trading_day

_NS = 1_000_000_000
_DAY_NS = 86_400 * _NS
INTERVALS_S = (1, 5, 15, 30, 60, 300, 900, 1_800, 3_600, 14_400, 86_400)


def day_offset_ns(symbol: str, at_ns: int) -> int:
    """When the symbol's day begins, after midnight UTC: 17:00 Chicago as it is then for a futures contract."""
    try:
        parse_contract(symbol)
    except UnknownProduct:
        return 0
    return ends_ns(trading_day(at_ns)) % _DAY_NS


def merged(bars: Sequence[Bar], start_ns: int) -> Bar:
    """Consecutive bars as one that begins at `start_ns`."""
    if len(bars) == 1 and bars[0].start_ns == start_ns:
        return bars[0]
    return Bar(
        symbol=bars[0].symbol,
        start_ns=start_ns,
        open=bars[0].open,
        high=max(bar.high for bar in bars),
        low=min(bar.low for bar in bars),
        close=bars[-1].close,
        volume=sum(bar.volume for bar in bars),
    )


class Merging:
    """Bars put together by the clock; `width_ns` 0 leaves each as it is. `first` holds the place of each one's first
    bar among those it was made of."""

    def __init__(self, width_ns: int, offset_ns: int) -> None:
        self.bars: list[Bar] = []
        self.first: list[int] = []
        self._width_ns = width_ns
        self._offset_ns = offset_ns

    def _start(self, bar: Bar) -> int:
        if not self._width_ns:
            return bar.start_ns
        return (bar.start_ns - self._offset_ns) // self._width_ns * self._width_ns + self._offset_ns

    def take(self, source: Sequence[Bar], same: int) -> int:
        """Take bars of which the first `same` are those of the last time; how many of `bars` are so, too."""
        keep = bisect_right(self.first, same - 1) - 1 if same and self.first else 0
        if keep >= 0 and same < len(source) and keep < len(self.bars):
            # The one that the last known bar is in gets no more of them if the next one begins another.
            keep += self.bars[keep].start_ns != self._start(source[same]) and self._ends_at(keep) == same
        keep = max(0, keep)
        at = self.first[keep] if keep < len(self.first) else (same if keep else 0)
        del self.bars[keep:], self.first[keep:]
        while at < len(source):
            start_ns, stop = self._start(source[at]), at + 1
            if self._width_ns:
                while stop < len(source) and self._start(source[stop]) == start_ns:
                    stop += 1
            self.bars.append(merged(source[at:stop], start_ns))
            self.first.append(at)
            at = stop
        return keep

    def _ends_at(self, index: int) -> int:
        """Where the bars of one end; of the last one it is not known."""
        return self.first[index + 1] if index + 1 < len(self.first) else -1


class Study:
    """An indicator over the chart's bars; every closed bar is taken once."""

    def __init__(self, text: str, day_starts_s: int) -> None:
        self.text = text
        self._form = f"{text}:{day_starts_s}" if text == "vwap" else text
        self._indicator: Indicator[object] = parse_indicator(self._form)
        self._closed: list[Values] = []
        self.rows: list[Values] = []

    @property
    def names(self) -> tuple[str, ...]:
        return self._indicator.names

    def take(self, bars: Sequence[Bar], same: int) -> None:
        """Take bars of which the first `same` are those of the last time, the open one last."""
        if same < len(self._closed):
            self._indicator, self._closed = parse_indicator(self._form), []
        for bar in bars[len(self._closed) : max(0, len(bars) - 1)]:
            self._closed.append(self._indicator.close(bar))
        self.rows = [*self._closed, self._indicator.peek(bars[-1])] if bars else []


class Series:
    """`cells` are what is drawn, one for each column; `values` has a row for each cell."""

    def __init__(self) -> None:
        self.base: list[Bar] = []
        self.base_s = 60
        self.interval_s = 60
        self.zoom = 1
        """Bars in a cell."""
        self._wanted: tuple[str, ...] = ()
        self._interval, self._zoomed = Merging(0, 0), Merging(0, 0)
        self._studies: dict[str, Study] = {}

    # --- what is chosen -----------------------------------------------------------------------------------------------

    def choose(self, *, interval_s: int | None = None, zoom: int | None = None) -> None:
        """Draw another interval, or so many bars in a cell."""
        self.interval_s = interval_s or self.interval_s
        self.zoom = zoom or self.zoom
        self._again()

    def want(self, texts: Sequence[str]) -> None:
        """Have these studies (`engine/market/indicators.py`) and no others."""
        self._wanted = tuple(texts)
        self._study(0)

    @property
    def intervals_s(self) -> tuple[int, ...]:
        """Those that bars of the base can be merged to."""
        return (self.base_s, *(each for each in INTERVALS_S if each > self.base_s and each % self.base_s == 0))

    # --- bars ---------------------------------------------------------------------------------------------------------

    def take(self, bars: Sequence[Bar], base_s: int) -> None:
        """The bars as they are now, the open one last, each of `base_s` seconds (0: not of time)."""
        held = self.base
        closed = len(held) - 1
        same = closed if 0 < closed <= len(bars) and list(bars[:closed]) == held[:closed] else 0
        if base_s != self.base_s or (bars and held and bars[0].symbol != held[0].symbol):
            self.base_s = self.interval_s = base_s
            self.base = list(bars)
            self._again()
            return
        self.base = list(bars)
        self._follow(same)

    def _again(self) -> None:
        newest_ns = self.base[-1].start_ns if self.base else 0
        offset_ns = day_offset_ns(self.base[-1].symbol, newest_ns) if self.base else 0
        merges = self.base_s and self.interval_s > self.base_s
        self._interval = Merging(self.interval_s * _NS if merges else 0, offset_ns)
        self._zoomed = Merging(self.interval_s * _NS * self.zoom if self.base_s and self.zoom > 1 else 0, offset_ns)
        self._studies = {}
        self._follow(0)

    def _follow(self, same: int) -> None:
        same = self._interval.take(self.base, same)
        self._zoomed.take(self._interval.bars, same)
        self._study(same)

    def _study(self, same: int) -> None:
        bars = self._interval.bars
        known = self._studies if bars else {}
        day_s = day_offset_ns(bars[-1].symbol, bars[-1].start_ns) // _NS if bars else 0
        self._studies = {text: known.get(text) or Study(text, day_s) for text in (self._wanted if bars else ())}
        for text, study in self._studies.items():
            study.take(bars, same if text in known else 0)

    # --- what is drawn ------------------------------------------------------------------------------------------------

    @property
    def cells(self) -> list[Bar]:
        return self._zoomed.bars

    def lines(self, text: str, first: int, stop: int) -> list[tuple[str, list[float | None]]]:
        """A study's lines by name: the value at the last bar of each of the cells from `first` to before `stop`."""
        study = self._studies.get(text)
        if study is None:
            return []
        places = [self._last_bar(cell) for cell in range(first, stop)]
        return [(name, [study.rows[place][at] for place in places]) for at, name in enumerate(study.names)]

    def _last_bar(self, cell: int) -> int:
        firsts = self._zoomed.first
        return (firsts[cell + 1] if cell + 1 < len(firsts) else len(self._interval.bars)) - 1

    def cell_at(self, at_ns: int) -> int:
        """The cell that a moment falls in; -1 before the first."""
        return bisect_right(self.cells, at_ns, key=lambda bar: bar.start_ns) - 1
