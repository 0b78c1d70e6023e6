"""What is kept of the market is as long as the settings say."""

import asyncio

from engine.retention import keep_forgetting
from schema.clock import SYSTEM_CLOCK
from schema.market import S, Trade
from schema.settings import Settings
from schema.store import Store
from schema.store_market import TRADES, Covered, Origin, StoredBar
from schema.stretches import Stretch
from tests.engine.histories import MINUTE, SOURCE, minutes
from tests.engine.test_backfill import At

DAY_NS = 86_400 * S


async def test_candles_and_trades_go_when_their_days_are_over_and_stay_until_then(
    store: Store, settings: Settings
) -> None:
    now_ns = SYSTEM_CLOCK.now_ns() // DAY_NS * DAY_NS
    clock, settings = At(now_ns), settings.model_copy(update={"bars_days": 10, "trades_days": 2})
    market = store.market()
    (bar,) = minutes(1, 1)
    ages = range(0, 20)
    await market.put(
        bars=[
            StoredBar.of(
                SOURCE,
                MINUTE,
                type(bar)(bar.symbol, now_ns - age * DAY_NS, 1.0, 1.0, 1.0, 1.0, 1.0),
                origin=Origin.VENUE,
                closed=True,
            )
            for age in ages
        ],
        trades=[
            Trade(source=SOURCE, symbol="ESZ6", ts_ns=at_ns, received_ns=at_ns, price=1.0, size=1.0, trade_id="1")
            for at_ns in (now_ns - age * DAY_NS for age in ages)
        ],
        covered=[Covered(SOURCE, "ESZ6", what, Stretch(now_ns - 20 * DAY_NS, now_ns)) for what in ("1m", TRADES)],
    )
    tidying = asyncio.create_task(keep_forgetting(market, settings, clock, every_s=0.01))

    async def oldest_days() -> tuple[int, int]:
        kept = await market.bars(SOURCE, "ESZ6", MINUTE, limit=99)
        trades = [each async for page in market.trades(SOURCE, "ESZ6", Stretch(0, 2**62)) for each in page]
        return (now_ns - kept[0].start_ns) // DAY_NS, (now_ns - trades[0].ts_ns) // DAY_NS

    async with asyncio.timeout(10):
        while await oldest_days() != (10, 2):
            pass
        clock.at_ns += DAY_NS
        while await oldest_days() != (9, 1):
            pass
    for what, days in (("1m", 9), (TRADES, 1)):
        covered = await market.covered(SOURCE, "ESZ6", what, Stretch(0, 2**62))
        assert covered == (Stretch(now_ns - days * DAY_NS, now_ns),)
    tidying.cancel()
    await asyncio.wait([tidying])
    await market.close()
