"""Live trades and candles reach the database, nothing waits for them, and what had to be dropped is counted, told, and
never called complete."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from engine.market_writer import MarketWriter
from schema.clock import SYSTEM_CLOCK
from schema.driver import JournalDown
from schema.market import FeedGap, MarketEvent, QuoteChanged, Trade
from schema.store import Store
from schema.store_market import TRADES, MarketStore, Origin, StoredBar, Written
from schema.stretches import Stretch
from tests.engine.histories import MINUTE, SOURCE, minutes
from tests.practice import until

EVER = Stretch(0, 10**18)


class Away(MarketStore):
    """A store whose database may be away."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.away = False

    async def put(self, **what: Any) -> Written:
        if self.away:
            raise JournalDown("the database is away")
        return await super().put(**what)


@pytest.fixture
async def market(store: Store) -> AsyncIterator[Away]:
    opened = Away(store._database.connect)  # type: ignore[attr-defined]
    yield opened
    await opened.close()


def trade(ts_ns: int, trade_id: str = "", symbol: str = "ESZ6") -> Trade:
    return Trade(
        source=SOURCE, symbol=symbol, ts_ns=ts_ns, received_ns=ts_ns, price=4800.0, size=1.0, trade_id=trade_id
    )


def gap(since_ns: int, ts_ns: int) -> FeedGap:
    return FeedGap(source=SOURCE, symbol="ESZ6", ts_ns=ts_ns, received_ns=ts_ns, since_ns=since_ns)


async def kept(market: MarketStore, symbol: str = "ESZ6") -> list[Trade]:
    return [each async for page in market.trades(SOURCE, symbol, EVER) for each in page]


async def test_trades_are_complete_from_gap_to_gap_and_the_last_nanosecond_never(market: Away) -> None:
    writer = MarketWriter(market, SYSTEM_CLOCK, lambda event: None, every_s=0.01)
    task = asyncio.create_task(writer.run())
    for ts_ns in (10, 11, 11, 15):
        writer.take(trade(ts_ns))
    writer.take(QuoteChanged(source=SOURCE, symbol="ESZ6", ts_ns=16, received_ns=16, bid=1.0))
    writer.take(gap(15, 20))
    for ts_ns in (20, 30):
        writer.take(trade(ts_ns))
    writer.take(trade(12, symbol="NQZ6"))
    await until(lambda: writer.counts().written == 7, 10)
    assert await market.covered(SOURCE, "ESZ6", TRADES, EVER) == (Stretch(10, 15), Stretch(20, 30))
    assert await market.covered(SOURCE, "NQZ6", TRADES, EVER) == ()
    writer.take(trade(40))
    writer.take(trade(41, symbol="NQZ6"))
    await until(lambda: writer.counts().written == 9, 10)
    assert await market.covered(SOURCE, "ESZ6", TRADES, EVER) == (Stretch(10, 15), Stretch(20, 40))
    assert await market.covered(SOURCE, "NQZ6", TRADES, EVER) == (Stretch(12, 41),)
    assert [each.ts_ns for each in await kept(market)] == [10, 11, 11, 15, 20, 30, 40]
    task.cancel()
    await asyncio.wait([task])


async def test_while_the_database_is_away_what_fits_waits_and_the_rest_is_counted_and_told(market: Away) -> None:
    told: list[MarketEvent] = []
    writer = MarketWriter(market, SYSTEM_CLOCK, told.append, limit=1_000, every_s=0.01)
    market.away = True
    task = asyncio.create_task(writer.run())
    for ts_ns in range(1_500):
        writer.take(trade(ts_ns, str(ts_ns)))
    writer.keep([StoredBar.of(SOURCE, MINUTE, minutes(1, 1)[0], origin=Origin.TICKS, closed=True)])
    await asyncio.sleep(0)
    counts = writer.counts()
    assert (counts.taken, counts.dropped, counts.waiting, counts.written) == (1_501, 501, 1_000, 0)
    assert told == []
    market.away = False
    await until(lambda: bool(told), 10)
    (lost,) = told
    assert isinstance(lost, FeedGap)
    assert (lost.source, lost.symbol, lost.since_ns, lost.missed) == (SOURCE, "ESZ6", 1_000, 501)
    assert lost.ts_ns > 1_499 and lost.reason
    writer.take(trade(2_000, "2000"))
    writer.take(trade(2_001, "2001"))
    await until(lambda: writer.counts().written == 1_002, 10)
    assert await market.covered(SOURCE, "ESZ6", TRADES, EVER) == (Stretch(0, 999), Stretch(2_000, 2_001))
    assert len(await kept(market)) == 1_002
    task.cancel()
    await asyncio.wait([task])


async def test_what_waits_at_the_end_is_written_first(market: Away) -> None:
    writer = MarketWriter(market, SYSTEM_CLOCK, lambda event: None, every_s=60.0)
    task = asyncio.create_task(writer.run())
    writer.take(trade(1))
    await until(lambda: writer.counts().written == 1, 10)  # and now it rests
    bars = minutes(28_000_000, 20)
    writer.keep(StoredBar.of(SOURCE, MINUTE, bar, origin=Origin.TICKS, closed=True) for bar in bars)
    writer.take(trade(2))
    task.cancel()
    await asyncio.wait([task])
    assert len(await kept(market)) == 2
    assert await market.bars(SOURCE, "ESZ6", MINUTE, limit=99) == tuple(bars)


async def test_taking_a_trade_takes_no_time_however_slow_the_database_is(market: Away) -> None:
    """100,000 trades with the database away: each is taken at once, and the queue ends where it says."""
    writer = MarketWriter(market, SYSTEM_CLOCK, lambda event: None, limit=50_000)
    market.away = True
    task = asyncio.create_task(writer.run())
    for ts_ns in range(100_000):
        writer.take(trade(ts_ns, "x"))
    assert writer.counts().waiting == 50_000 and writer.counts().dropped == 50_000
    task.cancel()
    await asyncio.wait([task], timeout=5)
    assert task.done()


async def test_a_row_that_the_database_refuses_costs_only_itself(market: Away) -> None:
    """Among 3,000 trades one without a symbol and one from after the end of time: the others are written."""
    told: list[MarketEvent] = []
    writer = MarketWriter(market, SYSTEM_CLOCK, told.append, every_s=0.01)
    task = asyncio.create_task(writer.run())
    for ts_ns in range(3_000):
        writer.take(trade(ts_ns, symbol="" if ts_ns == 700 else "ESZ6"))
    writer.take(trade(2**63, symbol="NQZ6"))
    bars = minutes(28_000_000, 20)
    writer.keep(StoredBar.of(SOURCE, MINUTE, bar, origin=Origin.TICKS, closed=True) for bar in bars)
    await until(lambda: not writer.counts().waiting, 30)
    counts = writer.counts()
    assert (counts.dropped, counts.written) == (2, 2_999 + len(bars))
    assert len(await kept(market)) == 2_999
    assert await market.bars(SOURCE, "ESZ6", MINUTE, limit=99) == tuple(bars)
    assert {event.symbol for event in told} == {"", "NQZ6"}
    assert not task.done()
    task.cancel()
    await asyncio.wait([task])
