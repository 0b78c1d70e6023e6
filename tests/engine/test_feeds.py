"""The desk's feeds: on their own thread, handed over in helpings, and never the end of the desk."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from brokers.feed import FeedDown, Sink
from brokers.feeds import FEED_TABLE
from engine import health
from engine.desk import Desk
from engine.feeds import Feeds
from engine.seat import Topic
from schema.clock import SYSTEM_CLOCK
from schema.market import FeedGap, FeedHealth, Interval, MarketEvent, QuoteChanged, Trade
from schema.settings import FEEDS, Settings
from schema.store import Store
from schema.vault import Vault
from tests.brokers.sandbox.raw_client import Bench, running
from tests.practice import until

ES, MES = "ESUSDT", "MESUSDT"


class Alerts(list[tuple[str, str]]):
    def __call__(self, level: str, text: str) -> None:
        self.append((level, text))


@asynccontextmanager
async def door(folder: Path) -> AsyncIterator[tuple[Bench, dict[str, Any]]]:
    """A practice source, and the settings that turn it on."""
    async with running(folder, {"feeds": ("binance",), "speed": 10.0}) as bench:
        bench.sandbox.market_paused = False
        at = bench.ready["venues"]["binance"]
        yield bench, {"feeds": ("binance",), "binance_ws_url": at["ws"], "binance_rest_url": at["rest"]}


@asynccontextmanager
async def fed(settings: Settings, sink: Sink, alerts: Alerts, **given: Any) -> AsyncIterator[Feeds]:
    feeds = Feeds(settings, SYSTEM_CLOCK, Random(1), sink, alerts, **given)
    task = asyncio.create_task(feeds.run())
    try:
        yield feeds
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert not [thread for thread in threading.enumerate() if thread.name == "feeds"]


def test_every_feed_of_the_settings_has_a_row() -> None:
    assert tuple(FEED_TABLE) == FEEDS


async def test_what_the_settings_watch_reaches_the_sink_on_the_desks_thread(tmp_path: Path) -> None:
    told, threads, alerts = list[MarketEvent](), set[int](), Alerts()

    def sink(event: MarketEvent) -> None:
        told.append(event)
        threads.add(threading.get_ident())

    async with door(tmp_path) as (_, chosen):
        settings = Settings(state_dir=tmp_path, binance_symbols=("esusdt",), **chosen)
        async with fed(settings, sink, alerts) as feeds:
            await until(lambda: {type(event) for event in told} >= {Trade, QuoteChanged}, 10.0)
            assert {event.symbol for event in told} == {ES}
            await feeds.subscribe("binance", [MES])
            await until(lambda: any(event.symbol == MES for event in told), 10.0)
            with pytest.raises(FeedDown, match="did you mean ESUSDT"):
                await feeds.subscribe("binance", ["ESUSD"])
            with pytest.raises(FeedDown, match="'kraken' is not turned on"):
                feeds.history("kraken")
            pages = [p async for p in feeds.history("binance").bars(ES, Interval.parse("1m"), 0, 1 << 62)]
            assert sum(map(len, pages)) > 100
            await until(lambda: feeds.health()[0].catchup_candles_total == sum(map(len, pages)), 2.0)
            assert feeds.health()[0].ws_state == "up"
        trades = [event.seq for event in told if isinstance(event, Trade) and event.symbol == ES]
        assert trades == list(range(trades[0], trades[0] + len(trades)))
        assert threads == {threading.get_ident()}
        assert alerts == []


class Flood:
    """A feed that says as much as it can; a source of it."""

    source = "binance"

    def __init__(self, total: int) -> None:
        self.feed = self.history = self
        self.total = total
        self.said = 0

    async def run(self, sink: Sink) -> None:
        while self.said < self.total:
            for _ in range(200):
                self.said += 1
                sink(
                    Trade(
                        source="binance", symbol=ES, ts_ns=self.said, received_ns=1, seq=self.said, price=1.0, size=1.0
                    )
                )
            await asyncio.sleep(0)
        await asyncio.get_running_loop().create_future()

    async def subscribe(self, symbols: Any) -> None: ...
    async def unsubscribe(self, symbols: Any) -> None: ...
    async def close(self) -> None: ...

    def health(self) -> FeedHealth:
        return FeedHealth("binance", "up", 0.0, 0, 0, 0, 0, 0.0)


async def test_a_flood_is_eaten_in_helpings_and_what_is_too_much_is_a_gap(tmp_path: Path) -> None:
    """A sink of 20 us an event can't keep up: the desk's loop turns all the same, and nothing is dropped unsaid."""
    told: list[MarketEvent] = []
    in_a_turn, most = 0, 0

    def sink(event: MarketEvent) -> None:
        nonlocal in_a_turn, most
        told.append(event)
        in_a_turn += 1
        most = max(most, in_a_turn)
        ends = time.perf_counter() + 20e-6
        while time.perf_counter() < ends:
            pass

    async def turns() -> None:
        nonlocal in_a_turn
        while True:
            in_a_turn = 0
            await asyncio.sleep(0)

    def accounted() -> int:
        return sum(event.missed if isinstance(event, FeedGap) else 1 for event in told)

    flood = Flood(60_000)
    settings = Settings(state_dir=tmp_path, feeds=("binance",))
    async with fed(settings, sink, Alerts(), build=lambda *_: flood, trades_kept=5_000) as feeds:
        turning = asyncio.create_task(turns())
        await until(lambda: accounted() == flood.total, 30.0)
        turning.cancel()
        assert most <= 25  # a helping is 0.2 ms, ten such events; never a batch
        gaps = [event for event in told if isinstance(event, FeedGap)]
        assert gaps
        await until(lambda: feeds.health()[0].dropped == sum(gap.missed for gap in gaps), 2.0)
        assert feeds.health()[0].gaps == len(gaps)
    last = 0
    for event in told:
        last += event.missed if isinstance(event, FeedGap) else 1
        assert not isinstance(event, Trade) or event.seq == last


async def test_a_sink_that_fails_and_a_feed_that_fails_are_said_and_end_nothing(tmp_path: Path) -> None:
    alerts = Alerts()

    class Broken(Flood):
        async def run(self, sink: Sink) -> None:
            sink(Trade(source="binance", symbol=ES, ts_ns=1, received_ns=1, price=1.0, size=1.0))
            raise ZeroDivisionError

    def sink(_: MarketEvent) -> None:
        raise KeyError("no such pane")

    settings = Settings(state_dir=tmp_path, feeds=("binance",))
    async with fed(settings, sink, alerts, build=lambda *_: Broken(0)) as feeds:
        await until(lambda: len(alerts) == 2, 5.0)
        assert sorted(alerts) == [
            ("alarm", "binance: its feed failed (ZeroDivisionError); begun again"),
            ("alarm", f"market data of {ES} is not shown: KeyError"),
        ]
        assert feeds.health()[0].ws_state == "up"


async def test_a_desk_shows_its_feeds_and_health_reads_them_from_outside(
    settings: Settings, store: Store, tmp_path: Path
) -> None:
    told: list[MarketEvent] = []
    async with door(tmp_path) as (bench, chosen):
        with_feeds = settings.model_copy(update={**chosen, "binance_symbols": (ES,)})
        desk = Desk(with_feeds, store, Vault.open(with_feeds), SYSTEM_CLOCK, Random(1), sink=told.append)
        await desk.open()
        try:
            await until(lambda: any(isinstance(event, Trade) for event in told), 10.0)
            await until(lambda: any(row.ws_state == "up" for row in desk.view(Topic.FEEDS).rows), 5.0)  # type: ignore[union-attr]
            keeping = asyncio.create_task(health.keep(settings.state_dir, desk.view, SYSTEM_CLOCK))
            await until(lambda: health.read(settings.state_dir) is not None, 5.0)
            keeping.cancel()
            file = settings.state_dir / health.FILE_NAME
            assert file.stat().st_mode & 0o777 == 0o600
            (feed,) = json.loads(file.read_bytes())["feeds"]
            assert set(feed) == {
                "source", "ws_state", "last_msg_age_ms", "reconnects", "gaps", "dropped", "catchup_candles_total",
                "lag_ms",
            }  # fmt: skip
            assert (feed["source"], feed["ws_state"], feed["reconnects"]) == ("binance", "up", 0)
            for socket in list(bench.sandbox.doors["binance"].sockets):  # type: ignore[attr-defined]
                socket.abort()
            await until(lambda: desk.view(Topic.FEEDS).rows[0].reconnects == 1, 10.0)  # type: ignore[union-attr]
        finally:
            await desk.close()


async def test_without_a_sink_the_market_marks_by_the_feeds(settings: Settings, store: Store, tmp_path: Path) -> None:
    async with door(tmp_path) as (_, chosen):
        with_feeds = settings.model_copy(update={**chosen, "binance_symbols": (ES,)})
        desk = Desk(with_feeds, store, Vault.open(with_feeds), SYSTEM_CLOCK, Random(1))
        await desk.open()
        try:
            await until(lambda: desk.market.mark(ES) > 4_000, 10.0)
        finally:
            await desk.close()


async def test_a_desk_without_feeds_has_no_thread_for_them(settings: Settings, store: Store) -> None:
    desk = Desk(settings, store, Vault.open(settings), SYSTEM_CLOCK, Random(1))
    await desk.open()
    try:
        assert not [thread for thread in threading.enumerate() if thread.name == "feeds"]
        assert desk.view(Topic.FEEDS).rows == ()
    finally:
        await desk.close()
