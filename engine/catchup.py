"""What the desk keeps without gaps: every candle series that somebody looks at, filled when its source connects, after
every gap it tells, and on demand.

`engine/feeds.py` runs one, gives it every market event (`take` is a sink) and says when a source is up. Each source has
one backfill at a time, as its limits are one: charts first in the order they were asked for. A candle in which a gap
lies is asked for again once it is over. A source that can't be reached is tried again, less and less often; the alert
says so once.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from brokers.feed import FeedDown, History
from engine.backfill import SETTLE_NS, Backfill, Filled, Progress
from engine.badge import Badge, badge
from engine.tickbars import width_ns
from schema.clock import Clock
from schema.driver import JournalDown
from schema.market import FeedGap, Interval, MarketEvent, S, Trade
from schema.records import Bar
from schema.store_market import MarketStore
from schema.stretches import Stretch, Stretches

_AGAIN_S, _LONGEST_S = 1.0, 60.0
_SHOWN = 600
Alert = Callable[[str, str], None]
log = structlog.get_logger(__name__)


@dataclass(eq=False, slots=True)
class Chart:
    """One series that is kept without gaps over the last `span_ns`. `covered` is what was known to be complete of it
    when it was last filled, `trouble` why that failed (empty: it did not). `dues` are the times to fill it at."""

    source: str
    symbol: str
    interval: Interval
    span_ns: int
    covered: Stretches = ()
    filling: bool = False
    fraction: float = 0.0
    trouble: str = ""
    failures: int = 0
    dues: set[int] = field(default_factory=set[int])


Loaded = Callable[[Chart, tuple[Bar, ...], int], None]
"""Hears of the newest candles of a series after it was filled, and of the time up to which they are whole."""


class Catchup:
    """See the module's docstring. `history_of` gives the history of a source by name, or raises FeedDown."""

    def __init__(
        self,
        store: MarketStore,
        history_of: Callable[[str], History],
        clock: Clock,
        alert: Alert,
        loaded: Loaded | None = None,
    ) -> None:
        self._store = store
        self._history_of = history_of
        self._clock = clock
        self._alert = alert
        self._loaded = loaded
        self._live_since: dict[tuple[str, str], int] = {}  # when the feed began to tell every trade of a symbol
        self._charts: list[Chart] = []
        self._turns: dict[str, asyncio.Lock] = {}
        self._bells: dict[str, asyncio.Event] = {}
        self._totals: dict[str, int] = {}
        self._running: dict[str, Progress] = {}
        self._group: asyncio.TaskGroup | None = None

    # --- what is kept ------------------------------------------------------------------------------------------------

    def follow(self, source: str, symbol: str, interval: Interval, span_ns: int) -> Chart:
        """Keep a series without gaps from now on."""
        chart = Chart(source=source, symbol=symbol, interval=interval, span_ns=span_ns)
        self._charts.append(chart)
        if source not in self._bells:
            self._bells[source] = asyncio.Event()
            if self._group is not None:
                self._group.create_task(self._work(source))
        self._after(chart, self._clock.now_ns())
        return chart

    def unfollow(self, chart: Chart) -> None:
        """Ask for it no more; what is being asked for is finished."""
        self._charts = [each for each in self._charts if each is not chart]

    def connected(self, source: str) -> None:
        """A source is up (again)."""
        for chart in self._of(source):
            self._after(chart, self._clock.now_ns())

    def take(self, event: MarketEvent) -> None:
        """After a gap, ask for what was not told; once more when the candle in which the gap ended is over. A gap of
        depth alone is none: candles lack nothing."""
        if isinstance(event, Trade):
            self._live_since.setdefault((event.source, event.symbol), event.ts_ns)
        elif isinstance(event, FeedGap) and not event.of_depth:
            self._live_since.pop((event.source, event.symbol), None)
            for chart in self._of(event.source):
                if chart.symbol == event.symbol:
                    self._after(chart, event.ts_ns)

    def reload(self, source: str, symbol: str) -> None:
        """Whoever shows a symbol's candles was too slow for its trades: when what grows now is over, fill once more."""
        for chart in self._of(source):
            if chart.symbol == symbol:
                width, now_ns = width_ns(chart.interval) or S, self._clock.now_ns()
                self._due(chart, now_ns - now_ns % width + width + SETTLE_NS + S)

    async def fill(self, source: str, symbol: str, interval: Interval, since_ns: int, until_ns: int) -> Filled:
        """Fill any time of any series, in the source's turn. Ends where it stands when the caller is canceled. Raises
        FeedDown and JournalDown."""
        async with self._turns.setdefault(source, asyncio.Lock()):
            backfill = Backfill(self._history_of(source), self._store, self._clock, self._told)
            try:
                return await backfill.bars(symbol, interval, since_ns, until_ns)
            finally:
                self._running.pop(source, None)
                self._totals[source] = self.catchup_candles_total(source) + backfill.rows_total

    # --- what is shown -----------------------------------------------------------------------------------------------

    def catchup_candles_total(self, source: str) -> int:
        """Candles that were asked for and told since the start (`FeedHealth.catchup_candles_total`)."""
        return self._totals.get(source, 0)

    def progress(self) -> tuple[Progress, ...]:
        """The backfill that runs at each source, if one does."""
        return tuple(self._running.values())

    def badges(self, source: str, last_msg_age_ms: float) -> dict[tuple[str, Interval], str]:
        """What each chart of a source says of itself: of (symbol, interval)."""
        return {(c.symbol, c.interval): str(self.badge(c, last_msg_age_ms)) for c in self._of(source)}

    def badge(self, chart: Chart, last_msg_age_ms: float, live: Stretches = ()) -> Badge:
        """What a chart says of itself; `live` is what its feed has told without a gap, beyond what `take` heard. The
        candle in which the feed began to tell lacks its beginning until it is over: that candle bears a mark, and the
        chart is live all the same. What will be asked for when it is over is as good as being asked for."""
        now_ns = self._clock.now_ns()
        since_ns = self._live_since.get((chart.source, chart.symbol))
        if since_ns is not None:
            width = width_ns(chart.interval) or 1
            # Between the beginning of the candle before and its own none begins, so nothing can be missing.
            live = (*live, Stretch(since_ns - since_ns % width - width + 1, now_ns))
        return badge(
            since_ns=now_ns - chart.span_ns,
            now_ns=now_ns,
            covered=(*chart.covered, *live),
            last_msg_age_ms=last_msg_age_ms,
            filling=chart.filling or (bool(chart.dues) and not chart.trouble),
        )

    # --- inside ------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until canceled."""
        async with asyncio.TaskGroup() as self._group:
            for source in self._bells:
                self._group.create_task(self._work(source))
            await asyncio.Event().wait()

    async def _work(self, source: str) -> None:
        bell = self._bells[source]
        while True:
            bell.clear()
            chart = min((each for each in self._of(source) if each.dues), key=lambda each: min(each.dues), default=None)
            wait_ns = min(chart.dues) - self._clock.now_ns() if chart else 0
            if chart is None or wait_ns > 0:
                try:
                    async with asyncio.timeout(wait_ns / S if chart else None):
                        await bell.wait()
                except TimeoutError:
                    pass
                continue
            await self._fill_chart(chart)

    async def _fill_chart(self, chart: Chart) -> None:
        now_ns = self._clock.now_ns()
        chart.dues = {due_ns for due_ns in chart.dues if due_ns > now_ns}
        chart.filling, chart.fraction = True, 0.0
        since_ns = now_ns - chart.span_ns
        wanted = Stretch(since_ns - since_ns % (width_ns(chart.interval) or 1), now_ns)  # a whole candle first
        try:
            await self.fill(chart.source, chart.symbol, chart.interval, wanted.since_ns, wanted.until_ns)
            chart.failures, chart.trouble = 0, ""
        except (FeedDown, JournalDown) as down:
            self._failed(chart, str(down))
        except Exception as failure:  # a chart never ends the desk, whatever is wrong with its source
            log.exception("backfill failed", source=chart.source, symbol=chart.symbol)
            self._failed(chart, type(failure).__name__)
        finally:
            chart.filling = False
        try:
            chart.covered = await self._store.covered(chart.source, chart.symbol, chart.interval, wanted)
            if self._loaded is not None and chart.covered:
                bars = await self._store.bars(chart.source, chart.symbol, chart.interval, limit=_SHOWN)
                # What begins within the coverage is whole, however late it ends.
                self._loaded(chart, bars, chart.covered[-1].until_ns + width_ns(chart.interval))
        except JournalDown as down:
            log.warning("candles not read", symbol=chart.symbol, reason=str(down))

    def _failed(self, chart: Chart, why: str) -> None:
        """Say it once, and try again later, less and less often."""
        chart.failures += 1
        chart.trouble = why
        if chart.failures == 1:
            self._alert("warn", f"{chart.source}: candles of {chart.symbol} are not complete: {why}")
        wait_s = min(_AGAIN_S * 2 ** min(chart.failures - 1, 10), _LONGEST_S)
        self._due(chart, self._clock.now_ns() + int(wait_s * S))

    def _told(self, progress: Progress) -> None:
        self._running[progress.source] = progress
        for chart in self._of(progress.source):
            if chart.filling and (chart.symbol, str(chart.interval)) == (progress.symbol, progress.what):
                chart.fraction = progress.fraction

    def _of(self, source: str) -> list[Chart]:
        return [chart for chart in self._charts if chart.source == source]

    def _after(self, chart: Chart, gap_ended_ns: int) -> None:
        """Fill now, as soon as the candle that has just ended and the one that goes on are settled, and once more when
        what was told first after a gap is over however late that was."""
        now_ns, width = self._clock.now_ns(), width_ns(chart.interval)
        last_ns = max(now_ns, gap_ended_ns)
        self._due(chart, now_ns)
        begun_ns = last_ns - last_ns % width if width else last_ns
        for edge_ns in (begun_ns, begun_ns + width, last_ns + width):
            if edge_ns + SETTLE_NS + S > now_ns:
                self._due(chart, edge_ns + SETTLE_NS + S)

    def _due(self, chart: Chart, at_ns: int) -> None:
        chart.dues.add(at_ns)
        self._bells[chart.source].set()
