"""Indicators are TA-Lib's to 1e-9, on the recorded session and on random walks, and are updated a candle at a time."""

import asyncio
import math
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import talib

from engine.market.indicators import KINDS, Value, parse_indicator
from engine.market.market import Market
from engine.market.tape_source import TapeSource
from schema.clock import SYSTEM_CLOCK
from schema.market import Interval
from schema.records import Bar

MINUTE = 60_000_000_000


def walk(seed: int, count: int = 1_500) -> list[Bar]:
    """A market that trends, jumps and stands still, three days of minutes and more for long ones."""
    random = Random(seed)
    price, bars = 4_800.0, list[Bar]()
    for number in range(count):
        calm = random.random() < 0.1
        path = [price := max(0.25, price + (0 if calm else 0.25 * random.randint(-12, 12))) for _ in range(6)]
        bars.append(
            Bar(
                symbol="ESH4",
                start_ns=number * 3 * MINUTE,
                open=path[0],
                high=max(path),
                low=min(path),
                close=path[-1],
                volume=float(random.randint(0 if calm else 1, 500)),
            )
        )
    return bars


async def recorded(tape: Path, interval: str) -> list[Bar]:
    market = Market()
    source = TapeSource(tape, "ESH4", 0.25, SYSTEM_CLOCK)
    await source.subscribe(["ESH4"])
    market.follow("ESH4", source="tape")
    market.watch("ESH4", Interval.parse(interval))
    await source.run(market.take)
    return list(market.chart("ESH4", Interval.parse(interval), SYSTEM_CLOCK.now_ns(), most=5_000).bars)


def ours(text: str, bars: list[Bar]) -> list[tuple[Value, ...]]:
    """The values at each close; and each open candle's provisional ones are those it closes with."""
    indicator = parse_indicator(text)
    rows: list[tuple[Value, ...]] = []
    for bar in bars:
        provisional = indicator.peek(bar)
        assert indicator.peek(bar) == provisional
        rows.append(indicator.close(bar))
        assert rows[-1] == provisional
    return rows


def theirs(text: str, bars: list[Bar]) -> list[Any]:
    """TA-Lib's columns; its own has no VWAP, which is two sums of NumPy's a day."""
    high, low, close, volume = (
        np.array([getattr(b, name) for b in bars], dtype=float) for name in ("high", "low", "close", "volume")
    )
    kind, *numbers = text.split(":")
    n = [int(number) for number in numbers]
    match kind:
        case "sma":
            return [talib.SMA(close, n[0])]
        case "ema":
            return [talib.EMA(close, n[0])]
        case "rsi":
            return [talib.RSI(close, n[0])]
        case "macd":
            return list(talib.MACD(close, *n))
        case "bb":
            return list(talib.BBANDS(close, n[0], float(n[1]), float(n[1])))
        case "atr":
            return [talib.ATR(high, low, close, n[0])]
        case _:
            days = np.array([bar.start_ns // (1_440 * MINUTE) for bar in bars])
            money, sums = (high + low + close) / 3 * volume, np.zeros(len(bars))
            for day in np.unique(days):
                at = days == day
                sums[at] = np.cumsum(money[at]) / np.cumsum(volume[at])
            return [sums]


SETTINGS = [
    *("sma:20", "sma:2", "ema:9", "ema:50", "vwap", "rsi:14", "rsi:2", "macd:12:26:9", "macd:5:35:5"),
    *("bb:20:2", "bb:5:3", "atr:14", "atr:3"),
]


def assert_equal(text: str, bars: list[Bar]) -> None:
    got, compared = ours(text, bars), 0
    for column, reference in enumerate(theirs(text, bars)):
        for at, value in enumerate(reference):
            if not math.isnan(value):
                mine = got[at][column]
                assert mine is not None, f"{text}: nothing at candle {at}"
                assert math.isclose(mine, value, rel_tol=1e-9, abs_tol=1e-9 * (1 if "macd" in text else 0)), (
                    f"{text}, column {column}, candle {at}: {mine!r} is not {value!r}"
                )
                compared += 1
    assert compared >= len(bars) // 2


@pytest.mark.parametrize("text", SETTINGS)
@pytest.mark.parametrize("seed", range(2))
def test_an_indicator_is_the_references_on_a_random_walk(text: str, seed: int) -> None:
    assert_equal(text, walk(seed))


@pytest.fixture(scope="module")
def evening(tape: Path) -> list[Bar]:
    return asyncio.run(recorded(tape, "15s"))


@pytest.mark.parametrize("text", SETTINGS)
def test_an_indicator_is_the_references_on_the_recorded_session(text: str, evening: list[Bar]) -> None:
    assert_equal(text, evening)


@pytest.mark.parametrize("text", ["macd:1:2:1", "rsi:2", "atr:1", "ema:1"])
def test_what_stands_still_divides_by_nothing(text: str) -> None:
    still = [Bar(symbol="X", start_ns=n * MINUTE, open=5, high=5, low=5, close=5, volume=0) for n in range(50)]
    assert all(value in (None, 0.0, 5.0) for row in ours(text, still) for value in row)
    assert {row[0] for row in ours("vwap", still)} == {None}


def test_every_kind_can_be_had_by_its_name_alone_and_says_its_names() -> None:
    assert KINDS == ("sma", "ema", "vwap", "rsi", "macd", "bb", "atr")
    named = [parse_indicator(kind).names for kind in KINDS]
    assert named[4] == ("macd 12 26", "macd signal 9", "macd histogram")
    assert [len(names) for names in named] == [1, 1, 1, 1, 3, 3, 1]
    assert len(parse_indicator("BB:5:2.5").peek(walk(1, 1)[0])) == 3


@pytest.mark.parametrize(
    "text", ["sma:x", "sma:0", "sma:20:3", "macd:26:12:9", "bb:20:0", "bb:20:-1", "ema:1.5", "sma:"]
)
def test_an_indicator_that_cannot_be_read_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="can't be read; write"):
        parse_indicator(text)


def test_a_day_of_volume_begins_where_it_is_told_to() -> None:
    bars = walk(3, 600)
    at = [row[0] for row in ours("vwap:82800", bars)]
    first = next(n for n, bar in enumerate(bars) if bar.start_ns >= 82_800 * 10**9)
    assert at[first] == pytest.approx((bars[first].high + bars[first].low + bars[first].close) / 3)
