"""A whole desk keeps what its feeds and logins tell: candles without gaps on the screen and in the store, health told,
and a copy that never waits for any of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

from engine import health
from engine.desk import Desk
from engine.seat import Candles, Topic, WatchRow
from schema.clock import SYSTEM_CLOCK
from schema.market import FeedHealth, Interval, S
from schema.settings import Settings
from schema.store import Store
from schema.store_market import TRADES, MarketStore
from schema.stretches import Stretch
from schema.vault import Vault
from schema.watchlists import AddSymbols, DeleteList, Watched
from tests.brokers.sandbox.raw_client import Bench, running
from tests.practice import LEADER, SYMBOL, practice, until

ES = "ESUSDT"
MINUTE = Interval.parse("1m")
EVER = Stretch(0, 1 << 62)


@asynccontextmanager
async def keeping(settings: Settings, store: Store, folder: Path, user: str = "") -> AsyncIterator[tuple[Bench, Desk]]:
    """A practice source, and a desk whose chart is of it and that keeps what it tells."""
    async with running(folder, {"feeds": ("binance",), "speed": 1.0}) as bench:
        bench.sandbox.market_paused = False
        at = bench.ready["venues"]["binance"]
        chosen: dict[str, Any] = {"feeds": ("binance",), "binance_symbols": (ES,), "chart_symbol": ES}
        chosen |= {"binance_ws_url": at["ws"], "binance_rest_url": at["rest"]}
        fed = settings.model_copy(update=chosen)
        desk = Desk(fed, store, Vault.open(fed), SYSTEM_CLOCK, Random(1), user=user, open_market=store.market)
        await desk.open()
        try:
            yield bench, desk
        finally:
            await desk.close()


def sockets(bench: Bench) -> list[Any]:
    return list(bench.sandbox.doors["binance"].sockets)  # type: ignore[attr-defined]


def chart(desk: Desk) -> Candles:
    (row,) = desk.view(Topic.CANDLES).rows or (desk.market.candles(SYSTEM_CLOCK.now_ns()),)
    assert isinstance(row, Candles)
    return row


def feed_of(desk: Desk) -> FeedHealth:
    (row,) = desk.feeds.health()
    assert isinstance(row, FeedHealth)
    return row


async def test_a_feeds_chart_goes_from_loading_to_live_and_what_it_shows_is_what_is_stored(
    settings: Settings, store: Store, market: MarketStore, tmp_path: Path
) -> None:
    async with keeping(settings, store, tmp_path) as (_, desk):
        assert chart(desk).badge == "loading"
        # What ended less than 5 s before is asked for again a minute later: the chart loads until then.
        await until(lambda: chart(desk).badge == "live" and len(chart(desk).bars) > 100, 90.0)
        assert (chart(desk).symbol, chart(desk).interval) == (ES, "1m")
        stored = await market.bars("binance", ES, MINUTE, limit=10_000)
        (covered,) = await market.covered("binance", ES, MINUTE, EVER)
        whole = [bar for bar in stored if covered.since_ns <= bar.start_ns < covered.until_ns]
        assert len(whole) > 100
        await until(lambda: set(whole) <= set(chart(desk).bars), 5.0, must=False)
        shown = {bar.start_ns: bar for bar in chart(desk).bars}
        assert [(bar, shown.get(bar.start_ns)) for bar in whole if shown.get(bar.start_ns) != bar] == []
        first_ns = whole[0].start_ns
        starts = [bar.start_ns for bar in chart(desk).bars if bar.start_ns >= first_ns]
        assert starts == list(range(first_ns, starts[-1] + 1, MINUTE.count * S))  # no hole, none twice
        assert set(chart(desk).partial) <= set(starts[-2:])
        await until(lambda: feed_of(desk).catchup_candles_total >= len(stored), 5.0)
        assert feed_of(desk).lag_ms > -1_000 and feed_of(desk).last_msg_age_ms >= 0

        def reported() -> tuple[FeedHealth, ...]:
            told = health.report(desk.view, SYSTEM_CLOCK.now_ns())
            return told.feeds if told is not None else ()

        await until(lambda: any(feed.catchup_candles_total >= len(stored) for feed in reported()), 5.0)
        assert reported()[0].ws_state == "up"


async def test_through_lost_connections_every_trade_is_stored_once_and_the_chart_is_never_gapped(
    settings: Settings, store: Store, market: MarketStore, tmp_path: Path
) -> None:
    async with keeping(settings, store, tmp_path) as (bench, desk):
        await until(lambda: bool(desk.market.truth()) and desk.market.truth()[0].trades > 0, 20.0)
        for number in range(1, 5):
            before = desk.market.quoted(ES)
            for socket in sockets(bench):
                socket.abort()
            await until(lambda number=number: feed_of(desk).reconnects == number, 10.0)
            await until(lambda before=before: desk.market.quoted(ES) != before, 10.0)
            assert chart(desk).badge != "gap"  # what was lost of the book alone concerns no candle
        assert feed_of(desk).gaps >= 4
    (truth,) = desk.market.truth()
    assert (truth.missed, truth.lies) == (0, ())
    stored = [int(each.trade_id) async for page in market.trades("binance", ES, EVER) for each in page]
    assert stored == list(range(stored[0], stored[-1] + 1))
    assert len(stored) >= truth.trades > 4
    assert len(await market.covered("binance", ES, TRADES, EVER)) == 1


async def test_a_source_that_falls_silent_makes_the_chart_stale(
    settings: Settings, store: Store, tmp_path: Path
) -> None:
    async with keeping(settings, store, tmp_path) as (bench, desk):
        await until(lambda: bool(chart(desk).bars), 20.0)
        await bench.control("silence", login="binance", seconds=30.0)
        await until(lambda: chart(desk).badge == "stale", 15.0)


async def test_what_a_feed_has_is_found_and_told_while_it_is_on_a_list(
    settings: Settings, store: Store, tmp_path: Path
) -> None:
    async with keeping(settings, store, tmp_path, user="ann") as (bench, desk):
        await until(lambda: any(each.listed.symbol == "MESUSDT" for each in desk.watching.find("mesus")), 20.0)
        await desk.edit_lists(AddSymbols(name="coins", symbols=(Watched.parse("mesusdt"),)))

        def row() -> WatchRow:
            return desk.watching.lists(SYSTEM_CLOCK.now_ns())[0].rows[0]

        await until(lambda: row().bid is not None, 20.0)
        assert (row().source, row().symbol) == ("binance", "MESUSDT")
        assert len({name for socket in sockets(bench) for name in socket.streams}) == 6
        await desk.edit_lists(DeleteList(name="coins"))
        await until(lambda: len({name for socket in sockets(bench) for name in socket.streams}) == 3, 20.0)
        assert [truth.symbol for truth in desk.market.truth()] == [ES]


async def test_a_logins_finished_candles_are_kept_under_its_venues_name(state_dir: Path) -> None:
    async with practice(state_dir, "--speed", "240", keep_market=True) as on:
        market = on.store.market()
        try:
            async with asyncio.timeout(30):
                while not (sources := await market.sources(SYMBOL, MINUTE)):  # noqa: ASYNC110
                    await asyncio.sleep(0.1)  # the database is polled: another thread writes
            stored = await market.bars(sources[0], SYMBOL, MINUTE, limit=10)
        finally:
            await market.close()
        assert set(sources) <= {"tradovate", "projectx"}
        # What is kept may be there a moment before what the login tells to be shown.
        await until(lambda: any(bar.start_ns > stored[-1].start_ns for bar in chart(on.desk).bars), 10)
        shown = {bar.start_ns: bar for bar in chart(on.desk).bars}
        assert all(shown[bar.start_ns] == bar for bar in stored)
        await on.leader(2)
        await on.promise_holds()
        assert LEADER in on.desk.core.accounts
