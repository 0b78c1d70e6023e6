"""A desk's charts without gaps: filled when their source connects, after every gap it tells, and when asked."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from brokers.feed import FeedDown, History
from engine.backfill import SETTLE_NS
from engine.badge import Badge
from engine.catchup import Catchup
from engine.keeping import MarketKeeper
from engine.tickbars import bars_of
from schema.market import FeedGap, Interval, S
from schema.records import Bar
from schema.settings import Settings
from schema.store import Store
from schema.store_market import MarketStore, Origin, StoredBar
from schema.stretches import Stretch
from tests.engine.histories import MINUTE, MINUTE_NS, SOURCE, Past, minutes, trades_of
from tests.engine.test_backfill import At
from tests.practice import until

_FIRST = 28_000_000
_HOURS = 4
SPAN_NS = _HOURS * 60 * MINUTE_NS


class Bench:
    """A catch-up that runs, over a venue's past and a clock of our own."""

    def __init__(self, market: MarketStore, past: Past) -> None:
        self.past = past
        self.alerts: list[str] = []
        self.clock = At((_FIRST + _HOURS * 60) * MINUTE_NS)
        self.catchup = Catchup(market, self.history, self.clock, lambda level, text: self.alerts.append(text))

    def history(self, source: str) -> History:
        if source != SOURCE:
            raise FeedDown(f"source: {source!r} is not turned on")
        return self.past


@asynccontextmanager
async def running(market: MarketStore, past: Past) -> AsyncIterator[Bench]:
    bench = Bench(market, past)
    task = asyncio.create_task(bench.catchup.run())
    await asyncio.sleep(0)
    try:
        yield bench
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_a_chart_is_filled_when_it_is_followed_and_after_each_connect_for_what_is_new(
    market: MarketStore,
) -> None:
    full = minutes(_FIRST, _HOURS * 60 + 30)
    async with running(market, Past(full)) as bench:
        chart = bench.catchup.follow(SOURCE, "ESZ6", MINUTE, SPAN_NS)
        assert bench.catchup.badge(chart, -1) is Badge.LOADING
        await until(lambda: bool(chart.covered) and not chart.filling, 10)
        told = bench.catchup.catchup_candles_total(SOURCE)
        assert told == len([bar for bar in full if bar.start_ns < bench.clock.at_ns])
        live = (Stretch(chart.covered[0].until_ns, bench.clock.at_ns),)
        assert bench.catchup.badge(chart, 0.0, live) is Badge.LIVE
        assert bench.catchup.badge(chart, 0.0) is Badge.LOADING  # the candle that grew meanwhile is asked for again
        assert bench.catchup.badge(chart, 60_000.0, live) is Badge.STALE
        bench.clock.at_ns += 30 * MINUTE_NS
        bench.catchup.connected(SOURCE)
        await until(lambda: len(bench.past.asked) >= 2 and not chart.filling, 10)
        assert bench.past.asked[1].since_ns == bench.clock.at_ns - 31 * MINUTE_NS - SETTLE_NS
        assert await market.bars(SOURCE, "ESZ6", MINUTE, limit=10**6) == tuple(full)
        assert bench.alerts == []


async def test_a_candle_with_a_gap_near_its_end_is_whole_a_few_seconds_after_it_and_not_a_minute(
    market: MarketStore,
) -> None:
    full = minutes(_FIRST, _HOURS * 60 + 1)
    async with running(market, Past(full)) as bench:
        bench.clock.at_ns += MINUTE_NS - S // 2
        chart = bench.catchup.follow(SOURCE, "ESZ6", MINUTE, SPAN_NS)
        await until(lambda: bool(chart.covered) and not chart.filling, 10)
        bench.clock.at_ns += SETTLE_NS + 2 * S
        bench.catchup.reload(SOURCE, "ESZ6")  # it is looked at what is due
        await until(lambda: chart.covered[-1].until_ns > full[-1].start_ns, 2)


async def test_a_source_that_is_down_is_told_once_and_tried_again(market: MarketStore) -> None:
    full = minutes(_FIRST, _HOURS * 60)
    past = Past(full)
    past.pages_left = 0
    async with running(market, past) as bench:
        chart = bench.catchup.follow(SOURCE, "ESZ6", MINUTE, SPAN_NS)
        other = bench.catchup.follow("nowhere", "ESZ6", MINUTE, SPAN_NS)
        await until(lambda: chart.failures >= 1 and other.failures >= 1, 10)
        assert bench.catchup.badge(chart, 0.0) is Badge.GAP
        past.pages_left = 10**9
        bench.clock.at_ns += 2 * S
        bench.catchup.connected(SOURCE)
        await until(lambda: not chart.trouble and bool(chart.covered), 10)
        assert await market.bars(SOURCE, "ESZ6", MINUTE, limit=10**6) == tuple(full)
        bench.catchup.connected("nowhere")
        await until(lambda: other.failures >= 2, 10)
    assert sorted(bench.alerts) == [
        "nowhere: candles of ESZ6 are not complete: source: 'nowhere' is not turned on",
        "venue: candles of ESZ6 are not complete: source: the venue is down; try again later.",
    ]


async def test_a_source_with_a_fault_in_it_ends_nothing(market: MarketStore) -> None:
    class Faulty(Past):
        def bars(self, symbol: str, interval: Interval, since_ns: int, until_ns: int) -> AsyncIterator[tuple[Bar, ...]]:
            if self.pages_left == 7:
                raise KeyError("k")
            return super().bars(symbol, interval, since_ns, until_ns)

    full = minutes(_FIRST, _HOURS * 60)
    past = Faulty(full)
    past.pages_left = 7
    async with running(market, past) as bench:
        chart = bench.catchup.follow(SOURCE, "ESZ6", MINUTE, SPAN_NS)
        await until(lambda: chart.failures == 1, 10)
        past.pages_left = 1_000
        bench.catchup.connected(SOURCE)
        await until(lambda: not chart.trouble and bool(chart.covered), 10)
        assert await market.bars(SOURCE, "ESZ6", MINUTE, limit=10**6) == tuple(full)
    assert bench.alerts == ["venue: candles of ESZ6 are not complete: KeyError"]


async def test_what_is_asked_for_by_hand_waits_its_turn_and_may_be_canceled(market: MarketStore) -> None:
    full = minutes(_FIRST, _HOURS * 60)
    async with running(market, Past(full)) as bench:
        bench.clock.at_ns += MINUTE_NS * 10
        end_ns = (_FIRST + 60) * MINUTE_NS
        first = asyncio.create_task(bench.catchup.fill(SOURCE, "ESZ6", MINUTE, _FIRST * MINUTE_NS, end_ns))
        second = asyncio.create_task(bench.catchup.fill(SOURCE, "ESZ6", MINUTE, end_ns, end_ns + 60 * MINUTE_NS))
        await until(lambda: bool(bench.past.asked), 10)
        second.cancel()
        await asyncio.wait([first, second])
        assert second.cancelled() and first.result().changed == len([bar for bar in full if bar.start_ns < end_ns])
        assert len(bench.past.asked) == 1 and bench.catchup.progress() == ()


async def test_a_hundred_disconnects_leave_no_gap_and_no_candle_twice(
    market: MarketStore, store: Store, settings: Settings
) -> None:
    """The feed tells a day's trades but loses a hundred random stretches, and says so each time; its candles are stored
    as they are, with what is missing in them. In the end the store has the venue's own, each once."""
    length = 1_440
    full = minutes(_FIRST, length)
    draw = random.Random(3)
    lost = {_FIRST + draw.randrange(length) for _ in range(100)}
    clock, alerts = At(_FIRST * MINUTE_NS), list[str]()
    keeper = MarketKeeper(
        store.market, lambda source: Past(full, page=500), settings, clock, lambda level, text: alerts.append(text)
    )
    running = asyncio.create_task(keeper.run())
    chart = keeper.catchup.follow(SOURCE, "ESZ6", MINUTE, length * MINUTE_NS)
    for bar in full:
        minute = bar.start_ns // MINUTE_NS
        clock.at_ns = bar.start_ns + MINUTE_NS
        trades = trades_of([bar])
        if minute in lost:
            keeper.take(
                FeedGap(
                    source=SOURCE,
                    symbol="ESZ6",
                    ts_ns=trades[-1].ts_ns,
                    received_ns=trades[-1].ts_ns,
                    since_ns=bar.start_ns,
                )
            )
            trades = trades[-1:]
        for trade in trades:
            keeper.take(trade)
        keeper.keep(
            StoredBar.of(SOURCE, MINUTE, built.bar, origin=Origin.TICKS, closed=True, trades=built.trades)
            for built in bars_of(trades, MINUTE)
        )
        await asyncio.sleep(0)
    clock.at_ns = (_FIRST + length) * MINUTE_NS + 10 * S + MINUTE_NS
    keeper.connected(SOURCE)

    def at_rest() -> bool:
        due = any(due_ns <= clock.at_ns for due_ns in chart.dues)
        return not keeper.writer.counts().waiting and not chart.filling and not due

    await until(at_rest, 30)
    running.cancel()
    await asyncio.wait([running])
    assert await market.bars(SOURCE, "ESZ6", MINUTE, limit=10**6) == tuple(full)
    venue = await market.venue_bars(SOURCE, "ESZ6", MINUTE, Stretch(0, 2**62))
    damaged = {bar.start_ns for bar in full if bar.start_ns // MINUTE_NS in lost}
    assert len(damaged) > 70 and damaged <= {bar.start_ns for bar in venue}
    assert keeper.writer.counts().dropped == 0 and alerts == []
    kept = [each async for page in market.trades(SOURCE, "ESZ6", Stretch(0, 2**62)) for each in page]
    assert len(kept) == keeper.writer.counts().written - len(full) == 4 * len(full) - 3 * len(damaged)
