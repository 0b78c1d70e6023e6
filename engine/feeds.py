"""The desk's feeds of market data that need no login: run on a thread of their own, handed over in small helpings.

`engine/market_data.py` runs one `Feeds` when the settings name a source or market data is kept. Reading, decoding and
keeping happen on the feeds' own uvloop loop; the desk's loop gets what is new every `_EVERY_S`, summed up
(`engine/conflation.py`), and takes it in helpings of `_HELPING_S`, between which orders have their turn. A batch is
handed over when the one before it is eaten, so nothing piles up on the desk's loop and neither thread ever waits for
the other. What is kept is all that was told, whatever the desk's loop was too slow to take (`engine/keeping.py`).
"""

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from random import Random
from typing import Any, TypeVar

import stamina
import structlog
import uvloop
from msgspec.structs import replace

from brokers.feed import FeedDown, History, Sink
from brokers.feeds import Source, build_source, watched
from engine.catchup import Chart
from engine.conflation import Conflation
from engine.keeping import MarketKeeper
from schema.clock import Clock
from schema.listed import Listed
from schema.market import FeedHealth, Interval, IntervalKind, MarketEvent, S, Trade
from schema.records import Bar
from schema.settings import Settings
from schema.store_market import MarketStore, StoredBar

_EVERY_S = 0.02
_HELPING_S = 0.0002
_TRADES_KEPT = 20_000
_AGAIN_S, _LONGEST_S = 5.0, 60.0
_END_S = 5.0
_BADGES_EVERY = 10  # hand-overs
_KEPT_BARS = 240
"""So many candles of what the settings watch are kept without gaps."""
Build = Callable[[str, Settings, Clock, Random], Source]
Alert = Callable[[str, str], None]
Loaded = Callable[[str, Interval, tuple[Bar, ...], int], None]
"""Hears of a symbol's newest candles after they were filled, and of the time up to which they are whole."""
Ask = Callable[[], Awaitable[Any]]
_Page = TypeVar("_Page")
log = structlog.get_logger(__name__)


class Feeds:
    """See the module's docstring. `sink`, `alert` and `loaded` are called on the loop that called `run`. With
    `open_market` (`Store.market`) what is told is kept, and candles of what the settings watch have no gaps."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        random: Random,
        sink: Sink,
        alert: Alert,
        *,
        build: Build = build_source,
        trades_kept: int = _TRADES_KEPT,
        open_market: Callable[[], MarketStore] | None = None,
        loaded: Loaded | None = None,
    ) -> None:
        self.names = settings.feeds
        self._settings = settings
        self._clock = clock
        self._random = random
        self._sink = sink
        self._alert = alert
        self._build = build
        self._open_market = open_market
        self._loaded = loaded
        self._keeper: MarketKeeper | None = None
        self._badges: dict[tuple[str, Interval], str] = {}
        self._were_up: set[tuple[str, int]] = set()
        self._logins: dict[str, History] = {}  # by venue, for the loop that called `run`
        self._login_series: tuple[tuple[str, str, Interval], ...] = ()
        self._login_series_kept = 0  # so many of them the keeper has
        self._heard: dict[str, FeedHealth] = {}
        self._caught_up: dict[str, int] = {}
        self._kept = Conflation(trades_kept)
        self._sources: dict[str, Source] = {}
        self._healths: tuple[FeedHealth, ...] = tuple(_off(name) for name in self.names)
        self._batch: list[MarketEvent] | None = None  # handed over and not yet eaten
        self._there: asyncio.AbstractEventLoop | None = None
        self._here: asyncio.AbstractEventLoop | None = None
        self._arrived = asyncio.Event()
        self._up = asyncio.Event()
        self._stop: asyncio.Event | None = None
        self._ended: asyncio.Future[None] | None = None
        self._closing = False
        self._sink_failed = False

    async def run(self) -> None:
        """Until canceled. A source that fails alerts and is tried again: the desk goes on without it."""
        self._here = asyncio.get_running_loop()
        self._ended = self._here.create_future()
        thread = threading.Thread(target=self._main, name="feeds", daemon=True)
        thread.start()
        try:
            await self._eat()
        finally:
            self._closing = True
            if self._there is not None and self._stop is not None:
                self._there.call_soon_threadsafe(self._stop.set)
            await asyncio.wait([self._ended], timeout=_END_S)
            if self._ended.done():
                thread.join(_END_S)  # it said so with its last line

    @property
    def wanted(self) -> bool:
        """There is something to run for."""
        return bool(self.names) or self._open_market is not None

    def badges(self) -> dict[tuple[str, Interval], str]:
        """What the charts whose past is kept say of themselves, by (symbol, interval); from any thread."""
        return self._badges

    def keep(self, bars: tuple[StoredBar, ...]) -> None:
        """Have candles kept, if anything is; from any thread, and nothing is waited for."""
        if self._there is not None and not self._closing:
            self._there.call_soon_threadsafe(self._keep_there, bars)

    def keep_told(self, events: tuple[MarketEvent, ...]) -> None:
        """Have what logins told kept; as `keep`."""
        if self._there is not None and not self._closing:
            self._there.call_soon_threadsafe(self._keep_told_there, events)

    def follow_login(self, source: str, history: History, symbol: str, interval: Interval) -> None:
        """Keep the candles of a symbol that a login tells without gaps, too, if anything is kept. `source` is its
        venue; `history` is for the loop that called `run`, and asked there."""
        self._logins[source] = history
        self._login_series = (*self._login_series, (source, symbol, interval))
        if self._there is not None and not self._closing:
            self._there.call_soon_threadsafe(self._follow_logins)

    def hear_login(self, source: str, health: FeedHealth) -> None:
        """How the market connection of the login that tells of a venue's markets is; nothing is waited for."""
        self._heard[source] = health

    def caught_up(self, source: str) -> int:
        """Candles of a source that were asked for and told since the start; from any thread."""
        return self._caught_up.get(source, 0)

    def health(self) -> tuple[FeedHealth, ...]:
        """Each source as it stood at most `_EVERY_S` ago; from any thread."""
        return self._healths

    def history(self, source: str) -> History:
        """The history of a source that runs, for the loop that called `run`. Raises FeedDown."""
        if source not in self.names:
            raise FeedDown(f"source: {source!r} is not turned on; add it to feeds in the settings.")
        return _HistoryElsewhere(source, lambda: self.pages(source), self.there)

    async def stored(self, source: str, symbol: str, interval: Interval, until_ns: int, limit: int) -> tuple[Bar, ...]:
        """The newest candles kept (`MarketKeeper.stored`); none when nothing is kept. Raises JournalDown."""

        async def ask() -> tuple[Bar, ...]:
            keeper = self._keeper
            return () if keeper is None else await keeper.stored(source, symbol, interval, until_ns, limit)

        return await self.there(ask) if self.wanted else ()

    async def subscribe(self, source: str, symbols: Iterable[str]) -> None:
        """Also these symbols, from now on. Raises FeedDown."""
        names = tuple(symbols)
        await self.there(lambda: self._source(source).feed.subscribe(names))

    async def unsubscribe(self, source: str, symbols: Iterable[str]) -> None:
        names = tuple(symbols)
        await self.there(lambda: self._source(source).feed.unsubscribe(names))

    async def symbols(self, source: str) -> tuple[Listed, ...]:
        """All that a source has. Raises FeedDown."""
        return await self.there(lambda: self._source(source).symbols())

    async def there(self, ask: Ask) -> Any:
        """Have `ask`'s coroutine run on the feeds' loop, and wait for it."""
        await self._up.wait()
        assert self._there is not None
        return await _on(self._there, ask)

    async def _here_too(self, ask: Ask) -> Any:
        """From the feeds' loop: have `ask`'s coroutine run on the loop that called `run`, and wait for it."""
        assert self._here is not None
        return await _on(self._here, ask)

    def pages(self, source: str) -> History:
        """On the feeds' loop: a source's own history. Raises FeedDown."""
        if source in self._logins:
            return _HistoryElsewhere(source, lambda: self._logins[source], self._here_too)
        return self._source(source).history

    def _source(self, source: str) -> Source:
        if source not in self._sources:
            raise FeedDown(f"source: {source!r} is not turned on; add it to feeds in the settings.")
        return self._sources[source]

    # --- the desk's loop -------------------------------------------------------------------------------------------

    async def _eat(self) -> None:
        """Hand events to the sink a helping at a time."""
        loop = asyncio.get_running_loop()
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            ends_at = loop.time() + _HELPING_S
            for event in self._batch or ():
                self._give(event)
                if loop.time() >= ends_at:
                    await asyncio.sleep(0)
                    ends_at = loop.time() + _HELPING_S
            self._batch = None

    def _give(self, event: MarketEvent) -> None:
        try:
            self._sink(event)
        except Exception as failure:  # noqa: BLE001 - what shows market data never ends the desk, whatever is wrong with it
            log.error("market data not taken", symbol=event.symbol, error=repr(failure))
            if not self._sink_failed:
                self._sink_failed = True
                self._alert("alarm", f"market data of {event.symbol} is not shown: {type(failure).__name__}")

    # --- the feeds' loop -------------------------------------------------------------------------------------------

    def _main(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._run_there())
        except Exception as failure:  # noqa: BLE001 - a thread has nobody above it; the desk hears of it and goes on
            log.error("feeds ended", error=repr(failure))
            self._tell_here(self._alert, "alarm", f"market data ended: {type(failure).__name__}; restart the desk")
        finally:
            self._tell_here(self._set_ended)

    async def _run_there(self) -> None:
        self._stop, self._there = asyncio.Event(), asyncio.get_running_loop()
        for name in self.names:
            self._sources[name] = self._build(name, self._settings, self._clock, self._random)
        self._tell_here(self._up.set)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._hand_over())]
                if self._open_market is not None:
                    tasks.append(group.create_task(self._run_keeper(self._open_market)))
                for name, source in self._sources.items():
                    tasks.append(group.create_task(self._hold(name, source)))
                    tasks += [
                        group.create_task(self._watch(name, source, symbol)) for symbol in watched(name, self._settings)
                    ]
                if not self._closing:
                    await self._stop.wait()
                for task in tasks:
                    task.cancel()
        finally:
            for source in self._sources.values():
                await source.close()

    async def _hold(self, name: str, source: Source) -> None:
        """A feed reconnects by itself; if it ends all the same, that is a fault in it: said aloud, and begun again."""
        while True:
            try:
                await source.feed.run(self._put)
            except Exception as failure:  # noqa: BLE001 - market data never ends the desk, whatever is wrong with it
                if self._closing:
                    return
                log.error("feed failed", source=name, error=repr(failure))
                self._tell_here(
                    self._alert, "alarm", f"{name}: its feed failed ({type(failure).__name__}); begun again"
                )
            await asyncio.sleep(_AGAIN_S)

    def _put(self, event: MarketEvent) -> None:
        if self._keeper is not None:
            self._keeper.take(event)
        self._kept.put(event)

    async def _run_keeper(self, open_market: Callable[[], MarketStore]) -> None:
        """Keeping that fails is said, and market data goes on without it."""
        keeper = self._keeper = MarketKeeper(
            open_market, self.pages, self._settings, self._clock, self._alert_here, self._loaded_here
        )
        interval = Interval(IntervalKind.TIME, self._settings.chart_interval_s)
        for name in self.names:
            for symbol in watched(name, self._settings):
                keeper.catchup.follow(name, symbol, interval, _KEPT_BARS * interval.count * S)
        self._follow_logins()
        try:
            await keeper.run()
        except Exception as failure:  # noqa: BLE001 - whatever is wrong with what is kept, the desk goes on without it
            log.error("market data is not kept", error=repr(failure))
            self._alert_here("alarm", f"market data is not kept any more: {type(failure).__name__}; restart the desk")
        finally:
            self._keeper = None

    def _follow_logins(self) -> None:
        if self._keeper is not None:
            for source, symbol, interval in self._login_series[self._login_series_kept :]:
                self._keeper.catchup.follow(source, symbol, interval, _KEPT_BARS * interval.count * S)
            self._login_series_kept = len(self._login_series)

    def _keep_there(self, bars: tuple[StoredBar, ...]) -> None:
        if self._keeper is not None:
            self._keeper.keep(bars)

    def _keep_told_there(self, events: tuple[MarketEvent, ...]) -> None:
        if self._keeper is not None:
            for event in events:
                self._keeper.take(event)

    def _alert_here(self, level: str, text: str) -> None:
        self._tell_here(self._alert, level, text)

    def _loaded_here(self, chart: Chart, bars: tuple[Bar, ...], until_ns: int) -> None:
        if self._loaded is not None:
            self._tell_here(self._loaded, chart.symbol, chart.interval, bars, until_ns)

    async def _watch(self, name: str, source: Source, symbol: str) -> None:
        """Subscribe to a symbol of the settings, as soon as the source takes it."""
        async for attempt in stamina.retry_context(
            on=FeedDown, attempts=None, timeout=None, wait_initial=_AGAIN_S, wait_max=_LONGEST_S
        ):
            with attempt:
                try:
                    await source.feed.subscribe([symbol])
                except FeedDown as down:
                    if attempt.num == 1:
                        self._tell_here(self._alert, "warn", f"{name}: {down}")
                    raise

    async def _hand_over(self) -> None:
        for turn in itertools.count():
            await asyncio.sleep(_EVERY_S)
            self._healths = tuple(self._with_ours(source.feed.health()) for source in self._sources.values())
            if self._keeper is not None:
                self._tell_keeper(self._keeper, with_badges=turn % _BADGES_EVERY == 0)
            if self._batch is None and len(self._kept):
                if self._keeper is not None:
                    for name, symbol in self._kept.losing:
                        self._keeper.catchup.reload(name, symbol)
                self._batch = self._kept.take()
                self._tell_here(self._arrived.set)

    def _tell_keeper(self, keeper: MarketKeeper, *, with_badges: bool) -> None:
        """Which sources came up, so that what happened meanwhile is asked for."""
        # A login's line may have come back since the last look: it is another one then.
        up = {(health.source, 0) for health in self._healths if health.ws_state == "up"}
        up |= {(source, health.reconnects) for source, health in self._heard.items() if health.ws_state == "up"}
        for name, _ in up - self._were_up:
            keeper.connected(name)
        self._were_up = up
        ages = {health.source: health.last_msg_age_ms for health in self._healths}
        ages |= {source: health.last_msg_age_ms for source, health in self._heard.items()}
        self._caught_up = {source: keeper.catchup.catchup_candles_total(source) for source in self._heard}
        if with_badges:
            self._badges = {
                series: badge
                for source, age_ms in ages.items()
                for series, badge in keeper.catchup.badges(source, age_ms).items()
            }

    def _with_ours(self, health: FeedHealth) -> FeedHealth:
        """What the desk itself dropped counts as well, and as caught up what was caught up for what is kept."""
        if self._keeper is not None:
            caught_up = self._keeper.catchup.catchup_candles_total(health.source)
            health = replace(health, catchup_candles_total=caught_up)
        return replace(
            health,
            gaps=health.gaps + self._kept.gaps.get(health.source, 0),
            dropped=health.dropped + self._kept.dropped.get(health.source, 0),
        )

    def _tell_here(self, act: Callable[..., None], *arguments: Any) -> None:
        assert self._here is not None
        if not self._here.is_closed():
            self._here.call_soon_threadsafe(act, *arguments)

    def _set_ended(self) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)


async def _on(loop: asyncio.AbstractEventLoop, ask: Ask) -> Any:
    async def work() -> Any:
        return await ask()

    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work(), loop))


class _HistoryElsewhere:
    """A source's history whose requests are made on another loop: by `run` there, of what `history` says there."""

    def __init__(self, source: str, history: Callable[[], History], run: Callable[[Ask], Awaitable[Any]]) -> None:
        self.source = source
        self._history = history
        self._run = run

    def bars(self, symbol: str, interval: Interval, since_ns: int, until_ns: int) -> AsyncIterator[tuple[Bar, ...]]:
        return self._pages(lambda: self._history().bars(symbol, interval, since_ns, until_ns))

    def trades(self, symbol: str, since_ns: int, until_ns: int) -> AsyncIterator[tuple[Trade, ...]]:
        return self._pages(lambda: self._history().trades(symbol, since_ns, until_ns))

    async def _pages(self, begin: Callable[[], AsyncIterator[_Page]]) -> AsyncIterator[_Page]:
        opened: list[AsyncIterator[_Page]] = []

        async def following() -> _Page | None:
            if not opened:
                opened.append(begin())
            return await anext(opened[0], None)

        while (page := await self._run(following)) is not None:
            yield page


def _off(name: str) -> FeedHealth:
    return FeedHealth(
        source=name,
        ws_state="off",
        last_msg_age_ms=-1.0,
        reconnects=0,
        gaps=0,
        dropped=0,
        catchup_candles_total=0,
        lag_ms=-1.0,
    )
