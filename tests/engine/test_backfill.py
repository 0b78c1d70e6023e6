"""A backfill ends with exactly what the venue has, whatever was there before and wherever it was cut off."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from brokers.feed import FeedDown
from engine.backfill import Backfill, Filled, Progress
from engine.tickbars import bars_of, differences
from schema import driver
from schema.clock import SYSTEM_CLOCK
from schema.market import Interval, S
from schema.records import Bar
from schema.store_market import TRADES, Covered, MarketStore, Origin, StoredBar
from schema.stretches import Stretch, joined
from tests.engine.histories import MINUTE, MINUTE_NS, SOURCE, Past, minutes, stretches_of, trades_of

_FIRST = 28_000_000  # minutes since 1970: 2023
_LENGTH = 1_500
WHOLE = Stretch(_FIRST * MINUTE_NS, (_FIRST + _LENGTH) * MINUTE_NS)
_numbers = count(1)


class At:
    """A clock that stands where it is put."""

    def __init__(self, now_ns: int) -> None:
        self.at_ns = now_ns

    def now_ns(self) -> int:
        return self.at_ns


@pytest.fixture(scope="module")
def own_url(server_url: str) -> Iterator[str]:
    """A database for all examples of a property, each of which uses a symbol of its own."""

    async def say(statement: str) -> None:
        session = await driver.connect(server_url, timeout=5)
        await session.execute(statement)
        await session.close()

    asyncio.run(say("CREATE DATABASE backfilled TEMPLATE ready_made"))
    yield server_url.replace("/postgres?", "/backfilled?")
    asyncio.run(say("DROP DATABASE backfilled WITH (FORCE)"))


def stored(bar: Bar, origin: Origin = Origin.VENUE) -> StoredBar:
    return StoredBar.of(SOURCE, MINUTE, bar, origin=origin, closed=True)


async def kept(market: MarketStore, symbol: str = "ESZ6") -> tuple[Bar, ...]:
    return await market.bars(SOURCE, symbol, MINUTE, limit=10**6)


async def fill(market: MarketStore, past: Past, symbol: str = "ESZ6", whole: Stretch = WHOLE) -> Filled:
    return await Backfill(past, market, SYSTEM_CLOCK).bars(symbol, MINUTE, whole.since_ns, whole.until_ns)


@given(
    gaps=st.lists(st.tuples(st.integers(0, _LENGTH - 1), st.integers(1, 40)), min_size=100, max_size=100),
    page=st.integers(1, 400),
    cut_off_after=st.lists(st.integers(0, 5), max_size=4),
)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_hundred_random_gaps_are_refilled_to_exactly_the_full_set(
    own_url: str, gaps: list[tuple[int, int]], page: int, cut_off_after: list[int]
) -> None:
    """Also when the source goes down in the middle, again and again; nothing is asked for that was known already, but
    where that spares a request."""
    symbol = f"S{next(_numbers)}"
    full = minutes(_FIRST, _LENGTH, symbol)
    missing = {_FIRST + at for since, length in gaps for at in range(since, min(since + length, _LENGTH))}
    there = set(range(_FIRST, _FIRST + _LENGTH)) - missing

    async def work() -> None:
        market = MarketStore(lambda: driver.connect(own_url, timeout=5))
        try:
            await market.put(
                bars=[stored(bar) for bar in full if bar.start_ns // MINUTE_NS in there],
                covered=[Covered(SOURCE, symbol, "1m", stretch) for stretch in stretches_of(there)],
            )
            past = Past(full, page=page)
            for pages in cut_off_after:
                past.pages_left = pages
                with suppress(FeedDown):
                    await fill(market, past, symbol)
            past.pages_left = 10**9
            await fill(market, past, symbol)
            assert await kept(market, symbol) == tuple(full)
            assert await market.covered(SOURCE, symbol, MINUTE, WHOLE) == (WHOLE,)
            assert joined(past.asked, 200 * MINUTE_NS) == joined(stretches_of(missing), 200 * MINUTE_NS)
            again = await fill(market, past, symbol)
            assert (again.asked, again.rows, again.changed) == ((), 0, 0)
        finally:
            await market.close()

    asyncio.run(work())


async def test_every_page_is_kept_but_the_one_that_may_go_on_and_progress_says_how_far(market: MarketStore) -> None:
    full = minutes(_FIRST, _LENGTH)
    past, heard = Past(full, page=100), list[Progress]()
    past.pages_left = 4
    filling = Backfill(past, market, SYSTEM_CLOCK, heard.append)
    with pytest.raises(FeedDown):
        await filling.bars("ESZ6", MINUTE, WHOLE.since_ns, WHOLE.until_ns)
    assert await kept(market) == tuple(full[:300])
    (covered,) = await market.covered(SOURCE, "ESZ6", MINUTE, WHOLE)
    assert covered == Stretch(WHOLE.since_ns, full[300].start_ns)
    past.pages_left = 10**9
    await filling.bars("ESZ6", MINUTE, WHOLE.since_ns, WHOLE.until_ns)
    assert past.asked[1] == Stretch(full[300].start_ns, WHOLE.until_ns)
    assert await kept(market) == tuple(full)
    assert filling.rows_total == len(full) + 100
    fractions = [each.fraction for each in heard[4:]]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0
    assert heard[3].rows == 400 and 0.2 < heard[3].fraction < 0.4


async def test_a_canceled_backfill_keeps_what_it_has_and_is_resumed(market: MarketStore) -> None:
    full = minutes(_FIRST, _LENGTH)
    reached = asyncio.Event()

    class Slow(Past):
        async def bars(
            self, symbol: str, interval: Interval, since_ns: int, until_ns: int
        ) -> AsyncIterator[tuple[Bar, ...]]:
            async for page in super().bars(symbol, interval, since_ns, until_ns):
                yield page
                if self.told == 3:
                    reached.set()
                    await asyncio.Event().wait()

    running = asyncio.create_task(fill(market, Slow(full)))
    await asyncio.wait_for(reached.wait(), 10)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await kept(market) == tuple(full[:100])
    past = Past(full)
    await fill(market, past)
    assert past.asked == [Stretch(full[100].start_ns, WHOLE.until_ns)]
    assert await kept(market) == tuple(full)


async def test_the_growing_candle_is_kept_as_one_that_may_change_and_asked_for_again(market: MarketStore) -> None:
    full = minutes(_FIRST, 30)
    clock = At(full[-1].start_ns + 20 * S)
    early = replace(full[-1], volume=full[-1].volume - 0.5, close=full[-1].open)
    await Backfill(Past([*full[:-1], early]), market, clock).bars("ESZ6", MINUTE, full[0].start_ns, 2**62)
    assert (await kept(market))[-1] == early
    (covered,) = await market.covered(SOURCE, "ESZ6", MINUTE, Stretch(0, 2**62))
    assert covered.until_ns == clock.at_ns - MINUTE_NS - 5 * S
    past = Past(full)
    clock.at_ns += 2 * MINUTE_NS
    await Backfill(past, market, clock).bars("ESZ6", MINUTE, full[0].start_ns, 2**62)
    assert await kept(market) == tuple(full)
    assert past.asked == [Stretch(covered.until_ns, clock.at_ns)]


async def test_of_candles_of_ticks_the_last_one_may_go_on(market: MarketStore) -> None:
    ticks, bars = Interval.parse("500t"), minutes(_FIRST, 30)
    past = Past(bars)
    filling = Backfill(past, market, SYSTEM_CLOCK)
    await filling.bars("ESZ6", ticks, bars[0].start_ns, WHOLE.until_ns)
    (covered,) = await market.covered(SOURCE, "ESZ6", ticks, WHOLE)
    assert covered.until_ns == bars[-1].start_ns
    await filling.bars("ESZ6", ticks, bars[0].start_ns, WHOLE.until_ns)
    assert past.asked[1].since_ns == bars[-1].start_ns
    assert await market.bars(SOURCE, "ESZ6", ticks, limit=99) == tuple(bars)


@pytest.mark.parametrize("wrong", ["out of order", "outside of the time", "of NQZ6"])
async def test_a_page_that_is_not_what_was_asked_for_covers_nothing(market: MarketStore, wrong: str) -> None:
    bars = minutes(_FIRST, 10)

    class Wrong(Past):
        async def bars(
            self, symbol: str, interval: Interval, since_ns: int, until_ns: int
        ) -> AsyncIterator[tuple[Bar, ...]]:
            if wrong == "out of order":
                yield (bars[1], bars[0])
            elif wrong == "of NQZ6":
                yield (replace(bars[0], symbol="NQZ6"),)
            else:
                yield (bars[0], replace(bars[1], start_ns=until_ns))

    with pytest.raises(FeedDown, match=wrong):
        await fill(market, Wrong())
    assert await kept(market) == () and await market.covered(SOURCE, "ESZ6", MINUTE, WHOLE) == ()


async def test_a_candle_that_contradicts_itself_is_counted_and_not_kept(market: MarketStore) -> None:
    bars = minutes(_FIRST, 12)
    broken = [replace(bars[2], high=bars[2].low - 1), replace(bars[3], volume=float("nan"))]
    done = await fill(market, Past([*bars[:2], *broken, *bars[4:]]))
    assert (done.unsound, done.rows, done.changed) == (2, len(bars), len(bars) - 2)
    assert await kept(market) == (*bars[:2], *bars[4:])


async def test_trades_without_ids_are_kept_once_though_a_page_ends_within_their_nanosecond(
    market: MarketStore,
) -> None:
    trades = trades_of(minutes(_FIRST, 40))
    for page, cut_off_after in ((3, 5), (7, 4), (50, 10**9)):
        past = Past(trades=trades, page=page)
        past.pages_left = cut_off_after
        with suppress(FeedDown):
            await Backfill(past, market, SYSTEM_CLOCK).trades("ESZ6", WHOLE.since_ns, WHOLE.until_ns)
    found = [each async for some in market.trades(SOURCE, "ESZ6", WHOLE) for each in some]
    assert [(each.ts_ns, each.price, each.size) for each in found] == [(t.ts_ns, t.price, t.size) for t in trades]
    assert await market.covered(SOURCE, "ESZ6", TRADES, WHOLE) == (WHOLE,)


async def test_candles_of_trades_are_the_venues_own_or_the_difference_is_told(market: MarketStore) -> None:
    bars = minutes(_FIRST, 300)
    lied = [replace(bars[5], close=bars[5].low, volume=bars[5].volume + 2), *bars[6:]]  # and bars[:5] are not told
    past = Past(lied, trades_of(bars))
    filling = Backfill(past, market, SYSTEM_CLOCK)
    end_ns = (_FIRST + 300) * MINUTE_NS
    await filling.trades("ESZ6", WHOLE.since_ns, end_ns)
    await filling.bars("ESZ6", MINUTE, WHOLE.since_ns, end_ns)
    checked = await filling.build("ESZ6", MINUTE, WHOLE.since_ns, end_ns)
    assert (checked.candles, checked.compared) == (len(bars), len(bars))
    told = {(each.start_ns, each.field, each.only) for each in checked.differences}
    changed = {"volume"} | ({"close"} if bars[5].close != bars[5].low else set())
    assert told == {(bar.start_ns, "", "trades") for bar in bars[:5]} | {
        (bars[5].start_ns, field, "") for field in changed
    }
    # The venue's own stay as it told them, the others are those of the trades.
    assert await kept(market) == (*bars[:5], *lied)
    assert (await filling.build("ESZ6", MINUTE, WHOLE.since_ns, end_ns)) == checked


async def test_where_trades_are_not_complete_no_candle_is_built(market: MarketStore) -> None:
    bars = minutes(_FIRST, 60)
    trades = trades_of(bars)
    filling = Backfill(Past(bars, trades), market, SYSTEM_CLOCK)
    since_ns, until_ns = (_FIRST + 10) * MINUTE_NS + 1, (_FIRST + 40) * MINUTE_NS + 30 * S
    await filling.trades("ESZ6", since_ns, until_ns)
    await filling.build("ESZ6", MINUTE, WHOLE.since_ns, WHOLE.until_ns)
    assert await kept(market) == tuple(bar for bar in bars if _FIRST + 11 <= bar.start_ns // MINUTE_NS < _FIRST + 40)


def test_candles_of_trades_are_of_time_alone() -> None:
    with pytest.raises(ValueError, match="interval: 500t is not a time"):
        list(bars_of([], Interval.parse("500t")))


def test_a_candle_without_volume_is_no_difference() -> None:
    bar = Bar("ESZ6", MINUTE_NS, 1.0, 1.0, 1.0, 1.0, 0.0)
    assert differences([bar], []) == ()
    assert [str(each) for each in differences([replace(bar, volume=1.0)], [])] == ["only by the venue"]
