"""Everything the desk knows of the market: quotes of its logins, books, tapes and candles of its feeds.

`engine/desk.py` owns it and feeds it on the engine's loop; nothing here may be touched from another thread. Events are
packed and wait for their batch, which goes to the kernel in one call when it is full, at every frame and before every
answer: a call gives up the GIL, and the desk would wait for a painting screen to give it back, once an event.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from engine.market.charts import KEPT, Chart
from engine.market.followed import Followed
from engine.market.grid import Grid, tick_of
from engine.market.kernel import Choice, open_kernel
from engine.market.packing import RECORD, Lie, Mark, pack
from engine.market.ports import Limits, Stats
from engine.market.shown import BookShown, SessionShown, TapeShown, Truth
from engine.seat import Candles
from schema.market import Interval, IntervalKind, MarketEvent, SymbolListed, Trade
from schema.records import Bar, Quote, Side

_CHART_BARS = 2_000
_STALE_AFTER_NS = 5_000_000_000
_BATCH = {"compiled": 4_096, "python": 32}
"""Records that go to a kernel at once: 0.2 ms of its time."""
_FINEST = 1e-8
"""The tick and step of a source that names none."""


class Market:
    """`symbol` and `interval_s` are the chart's; `version` grows when its quote or bars did, `said_ns` is when."""

    def __init__(self, kernel: Choice = "auto", limits: Limits | None = None) -> None:
        """Raises KernelMissing."""
        self.symbol = ""
        self.interval_s = 60
        self.version = 0
        self.said_ns = 0
        self.kernel = open_kernel(kernel, limits)
        self._quotes: dict[str, Quote] = {}
        self._heard_ns: dict[str, int] = {}
        self._charts: dict[tuple[str, Interval], Chart] = {}
        self._followed: dict[str, Followed] = {}
        self._by_number: dict[int, Followed] = {}
        self._waiting = bytearray()
        self._batch_bytes = _BATCH[self.kernel.name] * RECORD.size
        self.badges: dict[tuple[str, Interval], str] = {}
        """What is known elsewhere of charts whose past is kept (`engine/catchup.py`)."""
        self.dropped = 0
        """Events of symbols that nobody follows."""

    # --- what logins say -----------------------------------------------------------------------------------------

    def quote(self, quote: Quote, received_ns: int) -> None:
        """Merge a partial quote: a field the venue left out keeps its last value."""
        known = self._quotes.get(quote.symbol)
        if known is not None:
            fields = {name: getattr(quote, name) for name in quote.__struct_fields__}
            quote = Quote(**{name: getattr(known, name) if value is None else value for name, value in fields.items()})
        self._quotes[quote.symbol] = quote
        self._heard_ns[quote.symbol] = received_ns
        if quote.symbol == self.symbol:
            self.said_ns = received_ns
            self.version += 1

    def bars(self, symbol: str, interval_s: int, bars: tuple[Bar, ...], received_ns: int) -> None:
        """Take a login's history or its newest bar again; a bar is known by its start."""
        charted = (symbol, interval_s) == (self.symbol, self.interval_s)
        chart = self._charts.get((symbol, _seconds(interval_s)))
        if charted and chart is None:
            chart = self._charts[symbol, _seconds(interval_s)] = Chart(symbol, _seconds(interval_s))
        if chart is None or not bars:
            return
        # Where a feed builds the candles, the login's newest bar may still run, and history is what is whole.
        chart.load(bars, max(bar.start_ns for bar in bars) if chart.fed else None)
        if charted:
            self.said_ns = received_ns
            self.version += 1

    # --- what feeds say ------------------------------------------------------------------------------------------

    def follow(
        self,
        symbol: str,
        *,
        source: str,
        tick_size: float | None = None,
        size_step: float = 1.0,
        numbered: bool = False,
        by_login: bool = False,
    ) -> int:
        """Take a symbol's events from one source; returns its number in the records of `batch`. Repeating it is
        harmless. Without a tick size the product table's counts. `numbered`: the source numbers a symbol's trades
        without holes (`Trade.seq`). `by_login`: a login tells of it, whose quotes and candles of time go on counting.
        Raises ValueError: another source tells of it, or no tick is known."""
        held = self._followed.get(symbol)
        if held is not None:
            if held.source != source:
                raise ValueError(f"{symbol}: {held.source} tells of it already; unfollow it there first.")
            return held.number
        price, size = Grid(tick_of(symbol) if tick_size is None else tick_size), Grid(size_step)
        number = self.kernel.symbol(price.unit, size.unit)
        followed = Followed(symbol, source, number, price, size, numbered=numbered, by_login=by_login)
        self._followed[symbol] = self._by_number[number] = followed
        for (charted, _), chart in self._charts.items():
            if charted == symbol:
                followed.feed(chart, self.kernel)
        return number

    @property
    def followed(self) -> tuple[str, ...]:
        """The symbols that are."""
        return tuple(self._followed)

    def unfollow(self, symbol: str) -> None:
        """Forget a symbol's book, tape and candles."""
        self.flush()
        followed = self._followed.pop(symbol, None)
        if followed is not None:
            del self._by_number[followed.number]
            self.kernel.forget(followed.number)
            for key in [key for key in self._charts if key[0] == symbol]:
                del self._charts[key]

    def take(self, event: MarketEvent) -> None:
        """One event of a feed (`brokers/feed.py` Sink)."""
        followed = self._followed.get(event.symbol)
        if isinstance(event, SymbolListed):
            if followed is None:
                tick, step = event.tick_size or _FINEST, event.size_step or _FINEST
                self.follow(event.symbol, source=event.source, tick_size=tick, size_step=step)
        elif followed is None:
            self.dropped += 1
        elif followed.source != event.source:
            followed.dropped += 1
        elif isinstance(event, Trade) and event.trade_id and followed.told_before(event.trade_id):
            followed.repeats += 1
        else:
            self._waiting += pack(event, followed.number, followed.numbered)
            if len(self._waiting) >= self._batch_bytes:
                self.flush()

    def batch(self, records: bytes | bytearray | memoryview) -> None:
        """Whole records of `packing.RECORD` from a source that decodes by itself, in order after what was taken. Raises
        ValueError when the last one is not whole, and takes none."""
        if len(records) % RECORD.size:
            raise ValueError(f"{len(records) % RECORD.size} bytes behind the last whole record")
        self._waiting += records
        if len(self._waiting) >= self._batch_bytes:
            self.flush()

    def flush(self) -> None:
        if self._waiting:
            self.kernel.apply(self._waiting)
            self._waiting.clear()

    def frame(self) -> tuple[str, ...]:
        """The symbols that changed since the last frame; the desk asks before it publishes."""
        self.flush()
        changed = tuple(sorted(self._by_number[n].symbol for n in self.kernel.dirty() if n in self._by_number))
        if self.symbol in changed:
            self.version += 1
            self.said_ns = max(self.said_ns, self._stats(self._followed[self.symbol]).heard_ns)
        return changed

    # --- marks ---------------------------------------------------------------------------------------------------

    def heard_ns(self, symbol: str) -> int:
        """When the symbol was last quoted; 0 when it never was."""
        followed = self._followed.get(symbol)
        heard_ns = self._stats(followed).heard_ns if followed and not followed.by_login else 0
        return max(heard_ns, self._heard_ns.get(symbol, 0))

    def quoted(self, symbol: str) -> tuple[Quote, int] | None:
        """The newest quote of a symbol, the same object until it changes, and when it came (ns); None when there is
        none."""
        quote = self.top(symbol)
        return None if quote is None else (quote, self.heard_ns(symbol))

    def mark(self, symbol: str) -> Decimal:
        """The price positions in `symbol` are marked at: the last trade, else the middle; 0 when there is none."""
        quote = self.top(symbol)
        if quote is None:
            return Decimal(0)
        if quote.last:
            return Decimal(str(quote.last))
        if quote.bid and quote.ask:
            return Decimal(str((quote.bid + quote.ask) / 2))
        return Decimal(0)

    def top(self, symbol: str) -> Quote | None:
        """Top of book and last trade, of the feed that tells of the symbol, else of the logins."""
        followed = self._followed.get(symbol)
        fed = followed is not None and not followed.by_login
        return (followed.top(self._stats(followed)) if followed and fed else None) or self._quotes.get(symbol)

    # --- what panes see ------------------------------------------------------------------------------------------

    def own_orders(self, symbol: str, orders: Iterable[tuple[Decimal, Side, int]]) -> None:
        """The desk's working orders in a symbol now, (price, side, lots), in place of those said before."""
        followed = self._followed.get(symbol)
        if followed is not None:
            followed.own_orders(orders)

    def book(self, symbol: str, levels: int = 10) -> BookShown | None:
        """None for a symbol that is not followed."""
        followed = self._followed.get(symbol)
        return None if followed is None else followed.book(self.kernel, self._stats(followed), levels)

    def tape(self, symbol: str, most: int = 50) -> TapeShown | None:
        followed = self._followed.get(symbol)
        return None if followed is None else followed.tape(self.kernel, self._stats(followed), most)

    def session(self, symbol: str) -> SessionShown | None:
        followed = self._followed.get(symbol)
        return None if followed is None else followed.session(self._stats(followed))

    def truth(self) -> tuple[Truth, ...]:
        """What was told of every symbol that is followed and what of it could not be, by symbol."""
        return tuple(followed.truth(self._stats(followed)) for _, followed in sorted(self._followed.items()))

    def watch(self, symbol: str, interval: Interval, *, awaits_history: bool = False) -> None:
        """Build candles of this interval from now on; the chart says loading until history came, if it awaits any.
        Repeating it is harmless."""
        if (symbol, interval) in self._charts:
            return
        chart = self._charts[symbol, interval] = Chart(symbol, interval, awaits_history=awaits_history)
        followed = self._followed.get(symbol)
        if followed is not None:
            self.flush()
            followed.feed(chart, self.kernel)

    def choose(self, symbol: str, interval_s: int) -> None:
        """Chart another symbol: what is known of it at once, candles as they come."""
        self.symbol, self.interval_s = symbol, interval_s
        self._charts.setdefault((symbol, _seconds(interval_s)), Chart(symbol, _seconds(interval_s)))
        self.said_ns = self.heard_ns(symbol)
        self.version += 1

    def watched(self) -> tuple[tuple[str, Interval], ...]:
        """Every symbol and interval that candles are built of."""
        return tuple(self._charts)

    def unwatch(self, symbol: str, interval: Interval) -> None:
        chart = self._charts.pop((symbol, interval), None)
        if chart is not None:
            chart.drop()

    def closed_after(self, symbol: str, interval: Interval, start_ns: int) -> tuple[Bar, ...]:
        """The candles of a watched chart that are over, lack nothing, and began after a time, oldest first."""
        chart, followed = self._charts.get((symbol, interval)), self._followed.get(symbol)
        if chart is None or followed is None:
            return ()
        now = self._stats(followed)
        chart.refresh(now.gaps + now.lies[Lie.JUMP])
        return chart.closed_after(start_ns)

    def load(self, symbol: str, interval: Interval, bars: Iterable[Bar], until_ns: int) -> None:
        """History for a watched chart: bars that ended by `until_ns` (the market's time) are whole, and take the place
        of candles that lack something."""
        chart = self._charts.get((symbol, interval))
        if chart is not None:
            chart.load(bars, until_ns)
            self.version += symbol == self.symbol

    def candles(self, now_ns: int) -> Candles:
        """The chart's."""
        return self.chart(self.symbol, _seconds(self.interval_s), now_ns, _CHART_BARS)

    def chart(
        self, symbol: str, interval: Interval, now_ns: int, most: int = 600, indicators: Sequence[str] = ()
    ) -> Candles:
        """The last candles, the open one last, with indicators over them (`indicators.parse_indicator`, ValueError).
        A chart that nobody watches is empty and loading."""
        chart, followed = self._charts.get((symbol, interval)), self._followed.get(symbol)
        bars: tuple[Bar, ...] = ()
        gaps: tuple[int, ...] = ()
        partial: tuple[int, ...] = ()
        heard_ns = max(self._heard_ns.get(symbol, 0), self.said_ns if symbol == self.symbol else 0)
        touches = 0
        if followed is not None:
            now = self._stats(followed)
            heard_ns, touches = max(heard_ns, now.heard_ns), now.gaps + now.lies[Lie.JUMP]
        if chart is not None:
            chart.refresh(touches)
            bars = chart.bars(min(most, KEPT))
            gaps, partial = chart.marked(bars, Mark.GAP), chart.marked(bars, Mark.PARTIAL)
        last = self.mark(symbol)
        kept = self.badges.get((symbol, interval), "live")
        badge = "gap" if gaps and kept == "live" else kept
        if heard_ns and now_ns - heard_ns > _STALE_AFTER_NS:
            badge = "stale"
        if chart is None or not bars or chart.awaits_history:
            badge = "loading"
        return Candles(
            symbol=symbol,
            interval_s=interval.count if interval.kind is IntervalKind.TIME else 0,
            bars=bars,
            last=float(last) if last else bars[-1].close if bars else 0.0,
            badge=badge,
            interval=str(interval),
            gaps=gaps,
            partial=partial,
            lines=chart.lines(indicators, min(most, KEPT)) if chart is not None else (),
        )

    # --- within --------------------------------------------------------------------------------------------------

    def _stats(self, followed: Followed) -> Stats:
        self.flush()
        return self.kernel.stats(followed.number)


def _seconds(interval_s: int) -> Interval:
    return Interval(IntervalKind.TIME, interval_s)
