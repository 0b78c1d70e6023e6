"""A seat may ask the desk for the candles of before its chart: those that are stored, of whoever draws it."""

from random import Random

import pytest

from engine.desk import Desk
from engine.seat import CommandRefused
from engine.seat_wire import READS
from schema.clock import SYSTEM_CLOCK
from schema.records import Bar
from schema.settings import Settings
from schema.store import Store
from schema.store_market import MarketStore, Origin, StoredBar
from schema.vault import Vault
from tests.engine.histories import MINUTE, MINUTE_NS, minutes
from tests.practice import desk_alone


async def put(market: MarketStore, source: str, bars: list[Bar]) -> None:
    rows = [StoredBar.of(source, MINUTE, bar, origin=Origin.VENUE, closed=True) for bar in bars]
    await market.put(bars=rows)


async def test_stored_candles_before_a_time_come_newest_last_and_no_more_than_asked_for(
    settings: Settings, store: Store, market: MarketStore
) -> None:
    bars = minutes(28_000_000, 400)
    await put(market, "venue", bars)
    desk = Desk(settings, store, Vault.open(settings), SYSTEM_CLOCK, Random(1), open_market=store.market)
    await desk.open()
    try:
        until_ns = 28_000_200 * MINUTE_NS
        before = tuple(bar for bar in bars if bar.start_ns < until_ns)
        assert await desk.stored_bars("ESZ6", "1m", until_ns, 50) == before[-50:]
        assert await desk.stored_bars("ESZ6", "1m", until_ns, 10**9) == before
        assert await desk.stored_bars("ESZ6", "1m", bars[0].start_ns, 50) == ()
        assert await desk.stored_bars("NQZ6", "1m", until_ns, 50) == ()
        with pytest.raises(CommandRefused, match="interval 'soon' is none; write one such as 1m"):
            await desk.stored_bars("ESZ6", "soon", until_ns, 50)
    finally:
        await desk.close()


async def test_of_several_sources_the_one_that_draws_the_chart_is_read_and_never_two_mixed(
    settings: Settings, store: Store, market: MarketStore
) -> None:
    ours, theirs = minutes(28_000_000, 50), minutes(28_000_025, 50)
    await put(market, "binance", ours)
    await put(market, "another", theirs)
    nobody = {"binance_ws_url": "ws://127.0.0.1:9", "binance_rest_url": "http://127.0.0.1:9"}
    told = {"feeds": ("binance",), "binance_symbols": ("ESZ6",), "chart_symbol": "ESZ6", **nobody}
    chosen = settings.model_copy(update=told)
    desk = Desk(chosen, store, Vault.open(chosen), SYSTEM_CLOCK, Random(1), open_market=store.market)
    await desk.open()
    try:
        assert await desk.stored_bars("ESZ6", "1m", 2**62, 500) == tuple(ours)
    finally:
        await desk.close()


async def test_a_desk_that_keeps_nothing_has_nothing_of_before(settings: Settings, store: Store) -> None:
    async with desk_alone(settings, store) as desk:
        assert await desk.stored_bars("ESZ6", "1m", 2**62, 50) == ()


def test_a_viewer_may_ask_for_them_too() -> None:
    assert "stored_bars" in READS
