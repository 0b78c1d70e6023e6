"""The desk's market data in one piece: what logins and feeds say becomes books, candles and quotes, and is kept; what
of it can't be is told.

`engine/desk.py` owns one. Here, on the desk's loop, is only what is shown and marked by: reading, decoding and keeping
are on the feeds' thread (`engine/feeds.py`), and nothing here waits for it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from random import Random

import structlog
from msgspec.structs import replace

from brokers.adapter import BarsUpdated, BrokerAdapter, MarketTold, QuoteUpdated, TellsHistory, TellsMarket
from brokers.feed import FeedDown, Sink
from brokers.feeds import watched
from engine.badge import Badge
from engine.feeds import Alert, Feeds
from engine.market.market import Market
from engine.watching import Watching
from schema.clock import Clock
from schema.market import FeedGap, FeedHealth, Interval, IntervalKind, MarketEvent, Trade
from schema.records import Bar
from schema.settings import Settings
from schema.store_market import MarketStore, Origin, StoredBar

_LOOK_EVERY_NS = 1_000_000_000
_LIES_EVERY_NS = 60_000_000_000
_FOLLOW_EVERY_S = 1.0
_AGAIN_S = 60.0
_LIST_EVERY_S = 3_600.0
log = structlog.get_logger(__name__)


class MarketData:
    """`market` is what panes and positions are shown by, `feeds` the sources without a login. `sink` takes what they
    say in the market's place; with `open_market` (`Store.market`) what feeds and logins tell is kept."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        random: Random,
        alert: Alert,
        *,
        sink: Sink | None = None,
        open_market: Callable[[], MarketStore] | None = None,
    ) -> None:
        self.market = Market(settings.market_kernel)
        self.feeds = Feeds(
            settings,
            clock,
            random,
            sink or self.market.take,
            alert,
            open_market=open_market,
            loaded=self.market.load,
        )
        self._clock = clock
        self._alert = alert
        self._keeps = open_market is not None
        self._interval = Interval(IntervalKind.TIME, settings.chart_interval_s)
        self._fed = {symbol: name for name in settings.feeds for symbol in watched(name, settings)}
        self._newest_ns = dict.fromkeys(self._fed, clock.now_ns())  # of the candles that were handed to be kept
        self._running: dict[tuple[str, str, int], Bar] = {}  # each login's newest, which may still grow
        self._logins: dict[str, tuple[str, TellsMarket]] = {}  # each with its venue
        self._charted: dict[str, str] = {}  # by venue: the login that tells of the chart
        self._loading: dict[tuple[str, Interval], str] = {}  # until the one that fills it says more
        self._healths: tuple[FeedHealth, ...] = ()
        self._told: list[MarketEvent] = []  # by logins, and not yet handed on to be kept
        self._lies: dict[tuple[str, str], tuple[int, int]] = {}  # how many were told of, and when
        self._looked_ns = 0
        for symbol in self._fed:
            self.market.watch(symbol, self._interval, awaits_history=self._keeps)
        if settings.chart_symbol in self._fed:
            self.market.symbol, self.market.interval_s = settings.chart_symbol, settings.chart_interval_s

    def fed(self, symbol: str) -> bool:
        """A feed tells of it, and no login needs to."""
        return symbol in self._fed

    def quote(self, event: QuoteUpdated) -> None:
        self.market.quote(event.quote, event.received_ns)

    def bars(self, event: BarsUpdated, venue: str) -> None:
        """A login's candles: shown, and kept under its venue's name once the next one has begun, as a backfill does."""
        self.market.bars(event.symbol, event.interval_s, event.bars, event.received_ns)
        if not self._keeps or not event.bars:
            return
        key = (event.connection, event.symbol, event.interval_s)
        held = self._running.get(key)
        told = {bar.start_ns: bar for bar in ((held, *event.bars) if held else event.bars)}
        newest = self._running[key] = told.pop(max(told))
        over = [told[start_ns] for start_ns in sorted(told) if start_ns < newest.start_ns]
        self._keep(venue, Interval(IntervalKind.TIME, event.interval_s), over, Origin.VENUE)

    def add_login(self, adapter: BrokerAdapter) -> None:
        """Hear how its market connection is."""
        if isinstance(adapter, TellsMarket):
            self._logins[adapter.config.connection] = (adapter.config.venue, adapter)

    def drop_login(self, connection: str) -> None:
        """Hear no more of it."""
        self._logins.pop(connection, None)

    def health(self) -> tuple[FeedHealth, ...]:
        """The feeds, and the market connection of each login that was asked for any."""
        return (*self.feeds.health(), *self._healths)

    async def follow(self, adapter: BrokerAdapter, symbol: str) -> None:
        """Have a login tell a contract's depth and trades, and keep its candles without gaps: as far as it tells them.
        Errors as `TellsMarket.follow`."""
        venue = adapter.config.venue
        if isinstance(adapter, TellsMarket):
            self.market.follow(symbol, source=venue, by_login=True)
            await adapter.follow(symbol)
        if isinstance(adapter, TellsHistory) and self._keeps:
            self._charted[venue] = adapter.config.connection
            self._loading = {(symbol, self._interval): str(Badge.LOADING)}
            self.feeds.follow_login(venue, _OfLogin(venue, adapter), symbol, self._interval)

    async def stored(self, symbol: str, interval: Interval, until_ns: int, limit: int) -> tuple[Bar, ...]:
        """The newest candles kept of a symbol that begin before a time, oldest first, of whoever draws it here. Raises
        JournalDown."""
        drawing = self._fed.get(symbol) or next(iter(self._charted), "")
        return await self.feeds.stored(drawing, symbol, interval, until_ns, limit)

    def told(self, event: MarketTold) -> None:
        """By a login, of a market that is followed."""
        self.market.take(event.event)
        if self._keeps and isinstance(event.event, Trade | FeedGap):
            self._told.append(event.event)

    async def follow_lists(self, watching: Watching) -> None:
        """Run until canceled: let what the feeds have be found, and what of it is on lists be told."""
        async with asyncio.TaskGroup() as group:
            for name in self.feeds.names:
                group.create_task(self._list(name, watching))
                group.create_task(self._follow(name, watching))

    async def _list(self, name: str, watching: Watching) -> None:
        """Anew each hour: a source has new symbols now and then."""
        while True:
            try:
                listing = await self.feeds.symbols(name)
            except FeedDown as down:
                log.warning("symbols of a feed are not searched", source=name, reason=str(down))
                await asyncio.sleep(_AGAIN_S)
                continue
            await watching.add_listing(name, listing, self.market.quoted)
            await asyncio.sleep(_LIST_EVERY_S)

    async def _follow(self, name: str, watching: Watching) -> None:
        told = frozenset(symbol for symbol, source in self._fed.items() if source == name)
        followed, refused = set[str](), dict[str, int]()  # a symbol, and when it is asked for again
        while True:
            await asyncio.sleep(_FOLLOW_EVERY_S)
            wanted, now_ns = watching.of(name) - told, self._clock.now_ns()
            for symbol in followed - wanted:
                await self.feeds.unsubscribe(name, [symbol])
                self.market.unfollow(symbol)
                followed.discard(symbol)
            for symbol in sorted(wanted - followed):
                if refused.get(symbol, 0) > now_ns:
                    continue
                try:
                    await self.feeds.subscribe(name, [symbol])
                    followed.add(symbol)
                except FeedDown as down:
                    if symbol not in refused:
                        self._alert("warn", f"{symbol}: no quotes for the watchlist: {down}")
                    refused[symbol] = now_ns + int(_AGAIN_S * 1e9)

    def frame(self, now_ns: int) -> None:
        """Before the desk publishes: take what came, and hand on what is to be kept; candles that are over once a
        second."""
        self._hear_logins()
        self.market.badges = self._loading | self.feeds.badges()
        self.market.frame()
        if self._told:
            self.feeds.keep_told(tuple(self._told))
            self._told.clear()
        if now_ns - self._looked_ns < _LOOK_EVERY_NS:
            return
        self._looked_ns = now_ns
        self._tell_lies(now_ns)
        if not self._keeps:
            return
        for symbol, name in self._fed.items():
            over = self.market.closed_after(symbol, self._interval, self._newest_ns[symbol])
            if over:
                self._newest_ns[symbol] = over[-1].start_ns
                self._keep(name, self._interval, over, Origin.TICKS)

    def _hear_logins(self) -> None:
        found: list[FeedHealth] = []
        for connection, (venue, adapter) in self._logins.items():
            health = adapter.market_health()
            if health is None:
                continue
            if self._charted.get(venue) == connection:
                self.feeds.hear_login(venue, health)
                health = replace(health, catchup_candles_total=self.feeds.caught_up(venue))
            found.append(health)
        self._healths = tuple(found)

    def _tell_lies(self, now_ns: int) -> None:
        """An alert for each kind at each symbol, once a minute at most."""
        for truth in self.market.truth():
            for what, count in truth.lies:
                told, told_ns = self._lies.get((truth.symbol, what), (0, 0))
                if count > told and now_ns - told_ns >= _LIES_EVERY_NS:
                    self._lies[truth.symbol, what] = (count, now_ns)
                    held = f"; {truth.held} of its trades are kept off the candles" if truth.held else ""
                    self._alert("warn", f"{truth.source} said what can't be of {truth.symbol}: {what}, {count}x{held}")

    def _keep(self, source: str, interval: Interval, over: list[Bar] | tuple[Bar, ...], origin: Origin) -> None:
        if over:
            self.feeds.keep(tuple(StoredBar.of(source, interval, bar, origin=origin, closed=True) for bar in over))


class _OfLogin:
    """The history of an adapter as it is when it is asked, which need not be connected before."""

    def __init__(self, source: str, adapter: TellsHistory) -> None:
        self.source = source
        self._adapter = adapter

    def bars(self, symbol: str, interval: Interval, since_ns: int, until_ns: int) -> AsyncIterator[tuple[Bar, ...]]:
        return self._adapter.history().bars(symbol, interval, since_ns, until_ns)

    def trades(self, symbol: str, since_ns: int, until_ns: int) -> AsyncIterator[tuple[Trade, ...]]:
        return self._adapter.history().trades(symbol, since_ns, until_ns)
