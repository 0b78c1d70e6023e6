"""Candles and trades in a real Postgres: known again, replaced only by a better word, covered exactly, forgotten in
time."""

import asyncio
import random
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.driver import JournalDown
from schema.market import Aggressor, Interval, Trade
from schema.records import Bar
from schema.store import Store
from schema.store_market import BATCH, TRADES, Covered, MarketStore, Origin, StoredBar, Written
from schema.stretches import Stretch, joined, minus

S = 1_000_000_000
MINUTE = Interval.parse("1m")
MINUTE_NS = 60 * S
EVER = Stretch(0, 10**18)


def candle(minute: int, close: float = 4800.25, volume: float = 10.0, symbol: str = "ESH4") -> Bar:
    return Bar(symbol, minute * MINUTE_NS, 4800.0, max(4801.0, close), min(4799.5, close), close, volume)


def kept(bar: Bar, origin: Origin = Origin.VENUE, closed: bool = True, trades: int = 0) -> StoredBar:
    return StoredBar.of("tape", MINUTE, bar, origin=origin, closed=closed, trades=trades)


def trade(ts_ns: int, trade_id: str, price: float = 4800.0, seq: int = 0, size: float = 1.0) -> Trade:
    return Trade(
        source="tape",
        symbol="ESH4",
        ts_ns=ts_ns,
        received_ns=ts_ns,
        seq=seq,
        price=price,
        size=size,
        aggressor=Aggressor.BUY,
        trade_id=trade_id,
    )


async def all_of(market: MarketStore, limit: int = 100_000) -> tuple[Bar, ...]:
    return await market.bars("tape", "ESH4", MINUTE, limit=limit)


async def traded(market: MarketStore, stretch: Stretch = EVER) -> list[Trade]:
    return [each async for page in market.trades("tape", "ESH4", stretch) for each in page]


async def test_the_same_candles_put_again_change_nothing(market: MarketStore) -> None:
    bars = [candle(minute, volume=minute) for minute in range(2 * BATCH + 7)]
    rows = [kept(bar) for bar in bars]
    assert await market.put(bars=rows) == Written(bars=len(bars))
    assert await all_of(market) == tuple(bars)
    random.Random(1).shuffle(rows)
    assert await market.put(bars=rows) == Written(bars=0)
    assert await all_of(market) == tuple(bars)


async def test_the_newest_candles_come_oldest_first_and_within_the_time(market: MarketStore) -> None:
    await market.put(bars=[kept(candle(minute)) for minute in range(100)])
    newest = await all_of(market, limit=3)
    assert [bar.start_ns // MINUTE_NS for bar in newest] == [97, 98, 99]
    within = await market.bars("tape", "ESH4", MINUTE, limit=3, since_ns=8 * MINUTE_NS, until_ns=10 * MINUTE_NS)
    assert [bar.start_ns // MINUTE_NS for bar in within] == [8, 9]
    assert await market.bars("other", "ESH4", MINUTE, limit=3) == ()
    assert await market.bars("tape", "ESH4", Interval.parse("2m"), limit=3) == ()


@pytest.mark.parametrize(
    ("old", "new", "stays"),
    [
        (kept(candle(1, 4800.25)), kept(candle(1, 4800.5, volume=9.0)), "new"),  # a correction of the venue's
        (kept(candle(1)), kept(candle(1, 4800.5, volume=99.0), Origin.TICKS), "old"),
        (kept(candle(1)), kept(candle(1, 4800.5, volume=9.0), closed=False), "old"),  # a page from before its end
        (kept(candle(1), closed=False), kept(candle(1, 4800.5, volume=9.0), closed=False), "old"),
        (kept(candle(1), closed=False), kept(candle(1, 4800.5, volume=11.0), closed=False), "new"),
        (kept(candle(1), closed=False), kept(candle(1, 4800.5, volume=11.0), Origin.TICKS), "new"),
        (kept(candle(1), Origin.TICKS), kept(candle(1, 4800.5, volume=11.0), Origin.TICKS), "new"),
        (kept(candle(1), Origin.TICKS), kept(candle(1, 4800.5, volume=9.0), Origin.TICKS), "old"),  # ticks with a gap
        (kept(candle(1), Origin.TICKS), kept(candle(1, 4800.5, volume=9.0)), "new"),
    ],
)
@pytest.mark.parametrize("together", [False, True])
async def test_only_the_venues_word_or_a_fuller_candle_replaces(
    market: MarketStore, old: StoredBar, new: StoredBar, stays: str, together: bool
) -> None:
    """Also when both come in one batch."""
    for rows in [[old, new]] if together else [[old], [new]]:
        await market.put(bars=rows)
    (found,) = await all_of(market)
    assert found.close == (new if stays == "new" else old).close


async def test_a_trade_is_kept_once_and_trades_come_back_as_they_were_made(market: MarketStore) -> None:
    trades = [trade(7 + number // 3, str(number)) for number in range(3 * BATCH)]
    assert await market.put(trades=trades[:BATCH]) == Written(trades=BATCH)
    assert await market.put(trades=trades) == Written(trades=2 * BATCH)
    assert await market.put(trades=trades) == Written()
    assert [each.trade_id for each in await traded(market)] == [each.trade_id for each in trades]
    part = await traded(market, Stretch(9, 11))
    assert [each.ts_ns for each in part] == [9] * 3 + [10] * 3
    assert part[0].price == 4800.0 and part[0].aggressor is Aggressor.BUY


async def test_names_are_data_whatever_is_in_them(market: MarketStore, store: Store) -> None:
    name = "'); DROP TABLE bars; --\0 \\ \" é"
    await market.put(
        bars=[StoredBar.of(name, MINUTE, candle(1, symbol=name), origin=Origin.VENUE, closed=True)],
        covered=[Covered(source=name, symbol=name, what="1m", stretch=Stretch(0, 9))],
    )
    plain = name.replace("\0", "")
    assert len(await market.bars(plain, plain, MINUTE, limit=9)) == 1


ranges = st.lists(
    st.builds(lambda since, length: Stretch(since, since + length), st.integers(0, 500), st.integers(0, 60)),
    max_size=30,
)


def points(stretches: Iterable[Stretch]) -> set[int]:
    return {at for each in stretches for at in range(each.since_ns, each.until_ns)}


@given(wanted=st.builds(Stretch, st.integers(0, 300), st.integers(0, 600)), taken=ranges, apart=st.integers(0, 20))
def test_what_is_missing_is_what_nobody_took(wanted: Stretch, taken: list[Stretch], apart: int) -> None:
    left = minus(wanted, taken)
    assert points(left) == points([wanted]) - points(taken)
    assert left == joined(left) and all(each.length_ns for each in left)
    wide = joined(taken, apart)
    assert points(taken) <= points(wide)
    assert all(second.since_ns - first.until_ns > apart for first, second in pairwise(wide))


async def test_coverage_is_what_was_said_to_be_complete(market: MarketStore) -> None:
    """By the database's own arithmetic, in whatever order and however often it was said."""
    draw = random.Random(7)
    for number in range(25):
        symbol, said = f"S{number}", [_drawn(draw) for _ in range(draw.randrange(30))]
        rows = [Covered(source="tape", symbol=symbol, what="1m", stretch=each) for each in said]
        await market.put(covered=rows[:7])
        for row in rows[5:]:
            await market.put(covered=[row])
        asked = Stretch(draw.randrange(200), 200 + draw.randrange(400))
        found = await market.covered("tape", symbol, MINUTE, asked)
        assert points(found) == points(said) & points([asked])
        assert found == joined(found)
        assert await market.covered("tape", symbol, TRADES, asked) == ()


def _drawn(draw: random.Random) -> Stretch:
    since = draw.randrange(500)
    return Stretch(since, since + draw.randrange(60))


async def test_what_is_too_old_is_forgotten_and_no_longer_covered(market: MarketStore, store: Store) -> None:
    await market.put(
        bars=[kept(candle(minute)) for minute in range(100)],
        trades=[trade(minute * MINUTE_NS, str(minute)) for minute in range(100)],
        covered=[
            Covered(source="tape", symbol="ESH4", what="1m", stretch=Stretch(0, 100 * MINUTE_NS)),
            Covered(source="tape", symbol="ESH4", what=TRADES, stretch=Stretch(0, 100 * MINUTE_NS)),
            Covered(source="tape", symbol="NQH4", what="1m", stretch=Stretch(0, 20 * MINUTE_NS)),
        ],
    )
    gone = await market.forget(bars_before_ns=40 * MINUTE_NS, trades_before_ns=90 * MINUTE_NS)
    assert gone == Written(bars=40, trades=90)
    assert [bar.start_ns // MINUTE_NS for bar in await all_of(market)] == list(range(40, 100))
    assert [each.trade_id for each in await traded(market)] == [str(minute) for minute in range(90, 100)]
    end_ns = 100 * MINUTE_NS
    assert await market.covered("tape", "ESH4", MINUTE, EVER) == (Stretch(40 * MINUTE_NS, end_ns),)
    assert await market.covered("tape", "ESH4", TRADES, EVER) == (Stretch(90 * MINUTE_NS, end_ns),)
    assert await market.covered("tape", "NQH4", MINUTE, EVER) == ()
    assert await market.forget(bars_before_ns=40 * MINUTE_NS, trades_before_ns=90 * MINUTE_NS) == Written()


async def test_a_write_that_was_cut_off_leaves_all_of_its_last_batch_or_nothing(market: MarketStore) -> None:
    """A canceled write and its coverage are one; the store goes on with a new session."""
    rows = [kept(candle(minute)) for minute in range(BATCH)]
    covered = [Covered(source="tape", symbol="ESH4", what="1m", stretch=Stretch(0, BATCH * MINUTE_NS))]
    for turns in (1, 5, 20, 60):
        write = asyncio.create_task(market.put(bars=rows, covered=covered))
        for _ in range(turns):
            await asyncio.sleep(0)
        write.cancel()
        await asyncio.wait([write])
        known = await market.covered("tape", "ESH4", MINUTE, EVER)
        assert (len(await all_of(market)), bool(known)) in ((0, False), (BATCH, True))
    await market.put(bars=rows, covered=covered)
    assert len(await all_of(market)) == BATCH


async def test_a_long_write_keeps_no_commit_of_the_journal_waiting(market: MarketStore, store: Store) -> None:
    """The journal's own session works on while 40,000 candles go in, and the loop is never held for long."""
    rows = [kept(candle(minute)) for minute in range(40_000)]
    write = asyncio.create_task(market.put(bars=rows))
    while not await all_of(market, limit=1):
        assert not write.done()
    commits = 0
    while not write.done():
        async with store._database.commit_session() as session, session.transaction():  # type: ignore[attr-defined]
            await session.execute("INSERT INTO alerts (at_ns, level, text) VALUES (1, 'info', 'x')")
        commits += 1
    assert commits >= 10
    assert (await write).bars == 40_000


async def test_a_lost_session_is_replaced_by_the_next_use(market: MarketStore, store: Store) -> None:
    await market.put(bars=[kept(candle(1))])
    async with store._database.commit_session() as session:  # type: ignore[attr-defined]
        await session.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'copydesk market' AND datname = current_database()"
        )
    for _ in range(2):
        try:
            await market.put(bars=[kept(candle(2))])
        except JournalDown:
            continue
    assert len(await all_of(market)) == 2
