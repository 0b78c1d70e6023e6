"""A whole desk whose login draws the chart keeps its candles without gaps: what is stored is what the venue has."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from brokers.sandbox.server import Login
from engine import health
from engine.desk import Desk
from engine.seat import Candles, Topic
from schema.clock import SYSTEM_CLOCK
from schema.market import FeedHealth, S
from schema.settings import Settings
from schema.store import Store
from schema.store_market import MarketStore
from schema.stretches import Stretch
from schema.vault import Vault
from tests.brokers.sandbox.raw_client import Bench, running
from tests.brokers.test_login_history import MINUTE, VENUES, venues_own
from tests.practice import SYMBOL, until
from tui.demo import set_up

CUTS = 4
EVER = Stretch(0, 1 << 62)


@asynccontextmanager
async def keeping(venue: str, settings: Settings, store: Store, folder: Path) -> AsyncIterator[tuple[Bench, Desk]]:
    """A practice venue whose market trades, and a desk with one login there, which its chart is of and that keeps what
    it tells."""
    logins = (Login(username="one", accounts=("DEMO1", "DEMO2"), venue=venue),)
    async with running(folder, {"logins": logins}) as bench:
        bench.sandbox.market_paused = False
        chosen = settings.model_copy(update={"chart_symbol": SYMBOL, "reconnect_cap_s": 0.2})
        await set_up(chosen, bench.ready)
        desk = Desk(chosen, store, Vault.open(chosen), SYSTEM_CLOCK, Random(1), open_market=store.market)
        await desk.open()
        try:
            yield bench, desk
        finally:
            await desk.close()


def chart(desk: Desk) -> Candles:
    (row,) = desk.view(Topic.CANDLES).rows or (desk.market.candles(SYSTEM_CLOCK.now_ns()),)
    assert isinstance(row, Candles)
    return row


def row_of(desk: Desk) -> FeedHealth:
    (row,) = desk.view(Topic.FEEDS).rows
    assert isinstance(row, FeedHealth)
    return row


def is_up(desk: Desk, reconnects: int) -> bool:
    rows = desk.view(Topic.FEEDS).rows
    return bool(rows) and row_of(desk).ws_state == "up" and row_of(desk).reconnects >= reconnects


@pytest.mark.parametrize("venue", VENUES)
async def test_a_logins_chart_has_no_gap_and_no_candle_twice_through_lost_connections(
    venue: str, settings: Settings, store: Store, market: MarketStore, tmp_path: Path
) -> None:
    async with keeping(venue, settings, store, tmp_path) as (bench, desk):
        await until(lambda: is_up(desk, 0), 15.0)
        badges = {chart(desk).badge}

        def live() -> bool:
            badges.add(chart(desk).badge)
            return chart(desk).badge == "live" and len(chart(desk).bars) > 100

        await until(live, 15.0)  # what ended less than 5 s before is asked for again when it has
        assert badges <= {"loading", "live"}  # a fast venue has told all before the first look
        for number in range(1, CUTS + 1):
            heard = desk.market.quoted(SYMBOL)
            await bench.control("disconnect")
            await until(lambda number=number: is_up(desk, number), 15.0)
            await until(lambda heard=heard: desk.market.quoted(SYMBOL) != heard, 15.0)
        await until(live, 15.0)
        assert "gap" not in badges
        (covered,) = await market.covered(venue, SYMBOL, MINUTE, EVER)
        own = {bar.start_ns: bar for bar in venues_own(bench)}
        stored = await market.bars(venue, SYMBOL, MINUTE, limit=10_000, until_ns=covered.until_ns)
        assert [bar for bar in stored if bar != own.get(bar.start_ns)] == []
        starts = [bar.start_ns for bar in stored]
        assert starts == [start_ns for start_ns in own if start_ns < covered.until_ns] and len(starts) > 100
        assert covered.until_ns > SYSTEM_CLOCK.now_ns() - 3 * MINUTE.count * S
        shown = {bar.start_ns: bar for bar in chart(desk).bars}
        assert [bar for bar in stored if shown.get(bar.start_ns) != bar] == []
        row = row_of(desk)
        assert (row.source, row.ws_state, row.reconnects >= CUTS) == ("one", "up", True)
        assert row.catchup_candles_total >= len(starts) and row.lag_ms > -1_000 and row.last_msg_age_ms >= 0
        report = health.report(desk.view, SYSTEM_CLOCK.now_ns())
        assert report is not None and [feed.source for feed in report.feeds] == ["one"]
