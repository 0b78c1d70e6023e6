"""Forgets candles and trades that are older than the settings keep them. `engine/desk.py` runs it beside the copying;
the deleting happens in the database, through the market data's own session."""

import asyncio

import structlog

from schema.clock import Clock
from schema.driver import JournalDown
from schema.market import S
from schema.settings import Settings
from schema.store_market import MarketStore, Written

_DAY_NS = 86_400 * S
_EVERY_S = 3_600.0
log = structlog.get_logger(__name__)


async def forget_old(market: MarketStore, settings: Settings, clock: Clock) -> Written:
    """Once; how much that was. Raises JournalDown."""
    now_ns = clock.now_ns()
    return await market.forget(
        bars_before_ns=now_ns - settings.bars_days * _DAY_NS, trades_before_ns=now_ns - settings.trades_days * _DAY_NS
    )


async def keep_forgetting(market: MarketStore, settings: Settings, clock: Clock, every_s: float = _EVERY_S) -> None:
    """At once and then every hour, until canceled; while the database is away, the next time."""
    while True:
        try:
            gone = await forget_old(market, settings, clock)
            if gone.bars or gone.trades:
                log.info("old market data forgotten", bars=gone.bars, trades=gone.trades)
        except JournalDown as down:
            log.warning("old market data not forgotten", reason=str(down))
        await asyncio.sleep(every_s)
