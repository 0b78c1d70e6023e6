"""Fills the gaps of what is stored: asks a `History` for what coverage lacks, page by page, and stores each page with
what it completes.

A page and its coverage are one commit, so that a backfill may end at any point - canceled, killed, cut off - and the
next one asks for the rest alone; asked twice, nothing changes. Called by `engine/catchup.py` for the running desk and
by `copydesk backfill`.

What has just happened counts as complete only after `SETTLE_NS`: our clock may be ahead of the source's, and a source
may take a moment to finish a candle. A candle of trades, volume or range is over when the next one is told.
"""

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import structlog
from msgspec.structs import replace

from brokers.feed import FeedDown, History
from engine.tickbars import Difference, bars_of, differences, width_ns
from schema.clock import Clock
from schema.market import Interval, S, Trade
from schema.records import Bar, Record
from schema.store_market import TRADES, Covered, MarketStore, Origin, StoredBar
from schema.stretches import Stretch, Stretches, joined, minus

SETTLE_NS = 5 * S
_WORTH_A_REQUEST = 200  # candles: to be told so few again costs less than one more request
_PIECE_NS = 6 * 3_600 * S  # of trades held in memory at a time
_Row = TypeVar("_Row", Bar, Trade)
log = structlog.get_logger(__name__)


class Progress(Record, frozen=True):
    """How far a backfill is: `fraction` of the time that was missing, `rows` candles or trades so far."""

    source: str
    symbol: str
    what: str
    fraction: float
    rows: int


class Filled(Record, frozen=True):
    """What a backfill did. `asked` is what was missing; `rows` were told in `pages`, `changed` of them were new or
    better, and `unsound` could not be kept because their own numbers contradict each other."""

    source: str
    symbol: str
    what: str
    asked: Stretches
    rows: int = 0
    changed: int = 0
    pages: int = 0
    unsound: int = 0


class Checked(Record, frozen=True):
    """How many candles came out of the trades of a time, how many of them the venue was asked for as well, and in what
    those differ from its own."""

    candles: int
    compared: int
    differences: tuple[Difference, ...]


Told = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class _Kind(Generic[_Row]):
    """What candles and trades do not share: how they are asked for and kept. `keep` takes rows, the stretch they
    complete, and whether they are the stretch's last; it returns how many were new."""

    what: str
    width_ns: int
    ask: Callable[[Stretch], AsyncIterator[tuple[_Row, ...]]]
    at_ns: Callable[[_Row], int]
    sound: Callable[[_Row], bool]
    keep: Callable[[Sequence[_Row], Stretch, bool], Awaitable[int]]


def plan(wanted: Stretch, covered: Stretches, width_ns: int) -> Stretches:
    """What to ask for, in order: what is missing of `wanted`, across what is there where that is little. `width_ns` is
    a candle's length, 0 when it has none."""
    return joined(minus(wanted, covered), width_ns * _WORTH_A_REQUEST)


class Backfill:
    """One source's history into the store. `rows_total` counts what it ever told; `told` hears of every page."""

    def __init__(self, history: History, store: MarketStore, clock: Clock, told: Told | None = None) -> None:
        self.rows_total = 0
        self._history = history
        self._source = history.source
        self._store = store
        self._clock = clock
        self._told = told

    async def bars(self, symbol: str, interval: Interval, since_ns: int, until_ns: int) -> Filled:
        """Candles that begin within the time. Raises FeedDown and JournalDown; what was stored until then stays."""
        width = width_ns(interval)
        settled_ns = self._clock.now_ns() - width - SETTLE_NS

        async def keep(bars: Sequence[Bar], complete: Stretch, last: bool) -> int:
            growing_ns = bars[-1].start_ns if bars and last and not width else settled_ns
            rows = [
                StoredBar.of(
                    self._source, interval, bar, origin=Origin.VENUE, closed=bar.start_ns < min(settled_ns, growing_ns)
                )
                for bar in bars
            ]
            covered = self._covered(symbol, str(interval), complete, min(settled_ns, growing_ns))
            return (await self._store.put(bars=rows, covered=covered)).bars

        return await self._fill(
            symbol,
            Stretch(since_ns, min(until_ns, self._clock.now_ns())),
            _Kind(
                what=str(interval),
                width_ns=width,
                ask=lambda asked: self._history.bars(symbol, interval, asked.since_ns, asked.until_ns),
                at_ns=lambda bar: bar.start_ns,
                sound=_sound_bar,
                keep=keep,
            ),
        )

    async def trades(self, symbol: str, since_ns: int, until_ns: int) -> Filled:
        """Trades within the time. Raises FeedDown and JournalDown; what was stored until then stays."""
        settled_ns = self._clock.now_ns() - SETTLE_NS
        named = Named()

        async def keep(trades: Sequence[Trade], complete: Stretch, last: bool) -> int:
            covered = self._covered(symbol, TRADES, complete, settled_ns)
            return (await self._store.put(trades=[named(trade) for trade in trades], covered=covered)).trades

        return await self._fill(
            symbol,
            Stretch(since_ns, min(until_ns, self._clock.now_ns())),
            _Kind(
                what=TRADES,
                width_ns=0,
                ask=lambda asked: self._history.trades(symbol, asked.since_ns, asked.until_ns),
                at_ns=lambda trade: trade.ts_ns,
                sound=_sound_trade,
                keep=keep,
            ),
        )

    async def build(self, symbol: str, interval: Interval, since_ns: int, until_ns: int) -> Checked:
        """Candles of the stored trades, where those are complete: kept where the venue told none, and held against its
        own where it was asked. Raises ValueError for an interval that is no time, and JournalDown."""
        candles = compared = 0
        found: list[Difference] = []
        for part in await self._store.covered(self._source, symbol, TRADES, Stretch(since_ns, until_ns)):
            for piece in _pieces(part, interval):
                trades = [each async for page in self._store.trades(self._source, symbol, piece) for each in page]
                built = list(bars_of(trades, interval))
                rows = [
                    StoredBar.of(self._source, interval, each.bar, origin=Origin.TICKS, closed=True, trades=each.trades)
                    for each in built
                ]
                await self._store.put(bars=rows)
                candles += len(built)
                for asked in await self._store.covered(self._source, symbol, interval, piece):
                    theirs = await self._store.venue_bars(self._source, symbol, interval, asked)
                    ours = [each.bar for each in built if asked.since_ns <= each.bar.start_ns < asked.until_ns]
                    compared += len(ours)
                    found += differences(theirs, ours)
        return Checked(candles=candles, compared=compared, differences=tuple(found))

    async def _fill(self, symbol: str, wanted: Stretch, kind: _Kind[_Row]) -> Filled:
        there = await self._store.covered(self._source, symbol, kind.what, wanted)
        done = Filled(self._source, symbol, kind.what, plan(wanted, there, kind.width_ns))
        missing_ns = sum(stretch.length_ns for stretch in done.asked)
        behind_ns = 0
        for stretch in done.asked:
            at_ns = stretch.since_ns
            held: tuple[_Row, ...] = ()  # a page completes the time up to the next one's first row, or to the end
            async for page in kind.ask(stretch):
                if not page:
                    continue
                self._in_order(symbol, stretch, [kind.at_ns(row) for row in (*held[-1:], *page)], page)
                if held:
                    next_ns = kind.at_ns(page[0])
                    done = await self._keep(done, kind, held, Stretch(at_ns, next_ns), last=False)
                    at_ns = next_ns
                done = replace(done, pages=done.pages + 1, rows=done.rows + len(page))
                self.rows_total += len(page)
                held = page
                self._say(done, (behind_ns + kind.at_ns(page[-1]) - stretch.since_ns) / missing_ns)
            done = await self._keep(done, kind, held, Stretch(at_ns, stretch.until_ns), last=True)
            behind_ns += stretch.length_ns
            self._say(done, behind_ns / missing_ns)
        return done

    async def _keep(
        self, done: Filled, kind: _Kind[_Row], rows: Sequence[_Row], complete: Stretch, *, last: bool
    ) -> Filled:
        sound = [row for row in rows if kind.sound(row)]
        changed = await kind.keep(sound, complete, last)
        unsound = len(rows) - len(sound)
        if unsound:
            log.warning("candles not kept", source=done.source, symbol=done.symbol, what=done.what, count=unsound)
        return replace(done, changed=done.changed + changed, unsound=done.unsound + unsound)

    def _in_order(self, symbol: str, stretch: Stretch, times: list[int], page: Sequence[Bar | Trade]) -> None:
        """Raises FeedDown unless a page is what was asked for: coverage rests on it."""
        wrong = ""
        if times != sorted(times):
            wrong = "out of order"
        elif times[-1] >= stretch.until_ns or times[0] < stretch.since_ns:
            wrong = "from outside of the time it was asked for"
        elif other := next((row.symbol for row in page if row.symbol != symbol), ""):
            wrong = f"of {other} when it was asked for {symbol}"
        if wrong:
            raise FeedDown(f"source: {self._source} told a page {wrong}; it was not stored, try another source.")

    def _covered(self, symbol: str, what: str, complete: Stretch, before_ns: int) -> list[Covered]:
        stretch = Stretch(complete.since_ns, min(complete.until_ns, before_ns))
        return [Covered(self._source, symbol, what, stretch)] if stretch.length_ns else []

    def _say(self, done: Filled, fraction: float) -> None:
        if self._told is not None:
            self._told(Progress(done.source, done.symbol, done.what, min(1.0, fraction), done.rows))


class Named:
    """Gives trades without an id of the source's one: #0, #1, ... within their nanosecond, which is the same whenever
    that nanosecond is told from its first trade on."""

    def __init__(self) -> None:
        self._at_ns = -1
        self._place = 0

    def __call__(self, trade: Trade) -> Trade:
        if trade.trade_id:
            return trade
        self._place = self._place + 1 if trade.ts_ns == self._at_ns else 0
        self._at_ns = trade.ts_ns
        return replace(trade, trade_id=f"#{self._place}", seq=self._place)


def _sound_bar(bar: Bar) -> bool:
    prices = (bar.low, bar.open, bar.close, bar.high)
    return (
        all(map(math.isfinite, (*prices, bar.volume)))
        and bar.low == min(prices)
        and bar.high == max(prices)
        and bar.volume >= 0
    )


def _sound_trade(trade: Trade) -> bool:
    return math.isfinite(trade.price) and math.isfinite(trade.size) and trade.size >= 0


def _pieces(part: Stretch, interval: Interval) -> Iterator[Stretch]:
    """The whole candles of a stretch, no more at a time than is well held in memory."""
    width = width_ns(interval)
    if not width:
        raise ValueError(f"interval: {interval} is not a time; write one such as 1m or 4h.")
    step = max(width, _PIECE_NS // width * width)
    at_ns, end_ns = -(-part.since_ns // width) * width, part.until_ns // width * width
    while at_ns < end_ns:
        yield Stretch(at_ns, min(at_ns + step, end_ns))
        at_ns += step
