"""Candles that logins tell of the past are the venue's own, however its answers and its lines are cut."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from brokers.adapter import AdapterSettings, Credentials
from brokers.feed import FeedDown, History
from brokers.histories import HISTORY_TABLE
from brokers.sandbox.charts import ChartBook
from brokers.sandbox.instruments import ListedContract
from brokers.sandbox.server import Login
from brokers.tradovate.adapter import TradovateAdapter
from schema.clock import SYSTEM_CLOCK
from schema.market import Interval, S, Trade
from schema.records import Bar, ConnectionConfig, Environment
from tests.brokers.sandbox.raw_client import Bench, running
from tests.practice import SYMBOL

VENUES = ("tradovate", "projectx")
MINUTE = Interval.parse("1m")


def config_of(bench: Bench, venue: str, **changes: Any) -> ConnectionConfig:
    place = bench.ready["venues"][venue]
    chosen: dict[str, Any] = {"rest_url": place["rest"], "ws_url": place.get("ws", ""), "md_url": place.get("md", "")}
    return ConnectionConfig(
        connection="px", venue=venue, environment=Environment.DEMO, username="px", **{**chosen, **changes}
    )


def credentials_of(bench: Bench, venue: str) -> Credentials:
    (login,) = bench.ready["venues"][venue]["logins"]
    return Credentials(username="px", password=login["password"], device_id="one")


@asynccontextmanager
async def at(venue: str, folder: Path, **door: Any) -> AsyncIterator[Bench]:
    """A practice venue with one login, whose market of the last two hours stands still."""
    login = Login(username="px", accounts=("DEMO1",), venue=venue)
    async with running(folder, {"logins": (login,)}, **door) as bench:
        yield bench


def told_by(bench: Bench, venue: str) -> AbstractAsyncContextManager[History]:
    return HISTORY_TABLE[venue](config_of(bench, venue), credentials_of(bench, venue), SYSTEM_CLOCK)


def chart_of(bench: Bench) -> tuple[ListedContract, ChartBook]:
    contract = bench.sandbox.venue.catalogue.by_symbol[SYMBOL]
    return contract, bench.sandbox.charts[contract.contract_id]


def venues_own(bench: Bench, minutes: int = 1) -> list[Bar]:
    """The finished candles, by the venue's own book."""
    contract, chart = chart_of(bench)
    return [
        Bar(
            symbol=SYMBOL,
            start_ns=bar.start_ns,
            open=float(contract.price(bar.open)),
            high=float(contract.price(bar.high)),
            low=float(contract.price(bar.low)),
            close=float(contract.price(bar.close)),
            volume=bar.up_volume + bar.down_volume,
        )
        for bar in chart.candles(minutes)[:-1]
    ]


async def all_bars(history: History, interval: Interval, since_ns: int, until_ns: int) -> list[Bar]:
    return [bar async for page in history.bars(SYMBOL, interval, since_ns, until_ns) for bar in page]


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize(("minutes", "most"), [(1, 40), (15, 3)])
async def test_a_logins_candles_of_the_past_are_the_venues_own(
    venue: str, minutes: int, most: int, tmp_path: Path
) -> None:
    """Also where an answer holds a few of them, and from before the first one on."""
    async with at(venue, tmp_path, chart_elements=most) as bench, told_by(bench, venue) as history:
        expected = venues_own(bench, minutes)
        assert history.source == venue and len(expected) >= 7
        interval = Interval.parse(f"{minutes}m")
        end_ns = expected[-1].start_ns + minutes * 60 * S
        assert await all_bars(history, interval, expected[0].start_ns - 3_600 * S, end_ns) == expected
        within = await all_bars(history, interval, expected[2].start_ns, expected[5].start_ns)
        assert within == expected[2:5]  # the end is not in it
        assert await all_bars(history, interval, 1_000 * S, 100_000 * S) == []


async def test_a_tradovate_logins_trades_of_the_past_are_each_told_once(tmp_path: Path) -> None:
    async with at("tradovate", tmp_path, chart_elements=300) as bench, told_by(bench, "tradovate") as history:
        contract, chart = chart_of(bench)
        ticks = list(chart.ticks)
        since_ns, until_ns = ticks[5].at_ns, ticks[-3].at_ns
        told: list[Trade] = [each async for page in history.trades(SYMBOL, since_ns, until_ns) for each in page]
        # A tick is told to the millisecond.
        expected = [tick for tick in ticks if since_ns <= tick.at_ns // 10**6 * 10**6 < until_ns]
        assert [(int(each.trade_id), each.price, each.size) for each in told] == [
            (tick.tick_id, float(contract.price(tick.ticks)), tick.size) for tick in expected
        ]
        assert len(told) > 1_000


@pytest.mark.parametrize("venue", VENUES)
async def test_a_history_goes_on_over_lines_that_are_cut(venue: str, tmp_path: Path) -> None:
    async with at(venue, tmp_path, chart_elements=20) as bench, told_by(bench, venue) as history:
        expected = venues_own(bench)
        told: list[Bar] = []
        for first in range(0, len(expected), 60):
            last = min(first + 60, len(expected)) - 1
            cutting = asyncio.create_task(bench.control("disconnect"))
            told += await all_bars(history, MINUTE, expected[first].start_ns, expected[last].start_ns + 1)
            await cutting
        assert told == expected


@pytest.mark.parametrize("venue", VENUES)
async def test_what_a_login_can_not_tell_is_one_sentence(venue: str, tmp_path: Path) -> None:
    async with at(venue, tmp_path) as bench, told_by(bench, venue) as history:
        for symbol, interval, words in (
            ("ZZZ9", MINUTE, "ZZZ9|no market|no chart"),
            (SYMBOL, Interval.parse("8r"), "interval: .* no candles of 8r"),
        ):
            with pytest.raises(FeedDown, match=words):
                async with aclosing(history.bars(symbol, interval, 0, 60 * S)) as pages:  # type: ignore[type-var]
                    await anext(pages)


async def test_t_panic_a_history_waits_for_a_token_and_leaves_orders_theirs(tmp_path: Path) -> None:
    """However much is asked of the past, entries and exits have what is kept for them."""
    limits = AdapterSettings(requests_per_min=60, reserved_for_exits=20)
    async with at("tradovate", tmp_path, chart_elements=1) as bench:
        config = config_of(bench, "tradovate", requests_per_min=60)
        adapter = TradovateAdapter(
            config, credentials_of(bench, "tradovate"), limits, SYSTEM_CLOCK, lambda event: None, Random(1)
        )
        await adapter.connect()
        try:
            expected = venues_own(bench)
            asking = [
                asyncio.create_task(all_bars(adapter.history(), MINUTE, bar.start_ns, bar.start_ns + 1))
                for bar in expected
            ]
            done, waiting = await asyncio.wait(asking, timeout=1.0)
            assert done and waiting
            assert adapter.health().budget_left >= 20 + 40 // 2
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
        finally:
            await adapter.close()
