"""The desk's feeds of market data that need no login: run on a thread of their own, handed over in small helpings.

`engine/desk.py` runs one `Feeds` in its TaskGroup when the settings name a source. Reading and decoding happen on the
feeds' own uvloop loop; the desk's loop gets what is new every `_EVERY_S`, summed up (`engine/conflation.py`), and takes
it in helpings of `_HELPING_S`, between which orders have their turn. A batch is handed over when the one before it is
eaten, so nothing piles up on the desk's loop and neither thread ever waits for the other.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from random import Random
from typing import Any, TypeVar

import stamina
import structlog
import uvloop
from msgspec.structs import replace

from brokers.feed import FeedDown, History, Sink
from brokers.feeds import Source, build_source, watched
from engine.conflation import Conflation
from engine.market import Market
from schema.clock import Clock
from schema.market import FeedHealth, Interval, MarketEvent, QuoteChanged, Trade
from schema.records import Bar, Quote
from schema.settings import Settings

_EVERY_S = 0.02
_HELPING_S = 0.0002
_TRADES_KEPT = 20_000
_AGAIN_S, _LONGEST_S = 5.0, 60.0
_END_S = 5.0
Build = Callable[[str, Settings, Clock, Random], Source]
Alert = Callable[[str, str], None]
_Page = TypeVar("_Page")
log = structlog.get_logger(__name__)


class Feeds:
    """See the module's docstring. `sink` and `alert` are called on the loop that called `run`."""

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
    ) -> None:
        self.names = settings.feeds
        self._settings = settings
        self._clock = clock
        self._random = random
        self._sink = sink
        self._alert = alert
        self._build = build
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

    def health(self) -> tuple[FeedHealth, ...]:
        """Each source as it stood at most `_EVERY_S` ago; from any thread."""
        return self._healths

    def history(self, source: str) -> History:
        """The history of a source that runs, for the loop that called `run`. Raises FeedDown."""
        if source not in self.names:
            raise FeedDown(f"source: {source!r} is not turned on; add it to feeds in the settings.")
        return _HistoryThere(self, source)

    async def subscribe(self, source: str, symbols: Iterable[str]) -> None:
        """Also these symbols, from now on. Raises FeedDown."""
        names = tuple(symbols)
        await self.there(lambda: self._source(source).feed.subscribe(names))

    async def unsubscribe(self, source: str, symbols: Iterable[str]) -> None:
        names = tuple(symbols)
        await self.there(lambda: self._source(source).feed.unsubscribe(names))

    async def there(self, ask: Callable[[], Any]) -> Any:
        """Have `ask`'s coroutine run on the feeds' loop, and wait for it."""
        await self._up.wait()
        assert self._there is not None

        async def work() -> Any:
            return await ask()

        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work(), self._there))

    def pages(self, source: str) -> History:
        """On the feeds' loop: a source's own history."""
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
                await source.feed.run(self._kept.put)
            except Exception as failure:  # noqa: BLE001 - market data never ends the desk, whatever is wrong with it
                if self._closing:
                    return
                log.error("feed failed", source=name, error=repr(failure))
                self._tell_here(
                    self._alert, "alarm", f"{name}: its feed failed ({type(failure).__name__}); begun again"
                )
            await asyncio.sleep(_AGAIN_S)

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
        while True:
            await asyncio.sleep(_EVERY_S)
            self._healths = tuple(self._with_ours(source.feed.health()) for source in self._sources.values())
            if self._batch is None and len(self._kept):
                self._batch = self._kept.take()
                self._tell_here(self._arrived.set)

    def _with_ours(self, health: FeedHealth) -> FeedHealth:
        """What the desk itself dropped counts as well."""
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


def quotes_into(market: Market) -> Sink:
    """The sink that marks positions and charts by what a feed says: the top of the book and the last trade."""

    def take(event: MarketEvent) -> None:
        if isinstance(event, QuoteChanged):
            quote = Quote(
                symbol=event.symbol,
                bid=event.bid,
                bid_size=event.bid_size,
                ask=event.ask,
                ask_size=event.ask_size,
                venue_ns=event.ts_ns,
            )
            market.quote(quote, event.received_ns)
        elif isinstance(event, Trade):
            traded = Quote(symbol=event.symbol, last=event.price, last_size=event.size, venue_ns=event.ts_ns)
            market.quote(traded, event.received_ns)

    return take


class _HistoryThere:
    """A source's history whose requests are made on the feeds' loop."""

    def __init__(self, feeds: Feeds, source: str) -> None:
        self.source = source
        self._feeds = feeds

    def bars(self, symbol: str, interval: Interval, since_ns: int, until_ns: int) -> AsyncIterator[tuple[Bar, ...]]:
        return self._pages(lambda: self._feeds.pages(self.source).bars(symbol, interval, since_ns, until_ns))

    def trades(self, symbol: str, since_ns: int, until_ns: int) -> AsyncIterator[tuple[Trade, ...]]:
        return self._pages(lambda: self._feeds.pages(self.source).trades(symbol, since_ns, until_ns))

    async def _pages(self, begin: Callable[[], AsyncIterator[_Page]]) -> AsyncIterator[_Page]:
        opened: list[AsyncIterator[_Page]] = []

        async def following() -> _Page | None:
            if not opened:
                opened.append(begin())
            return await anext(opened[0], None)

        while (page := await self._feeds.there(following)) is not None:
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
