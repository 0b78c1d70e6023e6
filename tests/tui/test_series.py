"""Merged bars and studies: whatever comes in whatever order, what is drawn is what all of it at once would give."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.market.indicators import parse_indicator
from schema.records import Bar
from tui.panes.series import Series, day_offset_ns

MINUTE_NS = 60_000_000_000
START_NS = 1_703_500_200_000_000_000  # 2023-12-25 10:30 UTC, a round minute
STUDIES = ("sma:20", "vwap", "macd:12:26:9")


def bars(count: int, seed: int = 1, first: int = 0) -> list[Bar]:
    random, price, made = Random(seed), 4_800.0, []
    for index in range(first, first + count):
        moves = [price + random.randint(-6, 6) * 0.25 for _ in range(4)]
        made.append(
            Bar(
                symbol="ESH4",
                start_ns=START_NS + index * MINUTE_NS,
                open=price,
                high=max(price, *moves),
                low=min(price, *moves),
                close=moves[-1],
                volume=float(random.randint(1, 90)),
            )
        )
        price = moves[-1]
    return made


def fresh(shown: list[Bar], interval_s: int, zoom: int) -> Series:
    series = Series()
    series.want(STUDIES)
    series.take(shown, 60)
    series.choose(interval_s=interval_s, zoom=zoom)
    return series


def told(series: Series) -> list[object]:
    return [series.cells, *(series.lines(text, 0, len(series.cells)) for text in STUDIES)]


def test_five_minutes_are_the_first_open_the_last_close_and_all_between() -> None:
    minutes = bars(12)
    series = fresh(minutes, 300, 1)
    assert [bar.start_ns for bar in series.cells] == [START_NS, START_NS + 5 * MINUTE_NS, START_NS + 10 * MINUTE_NS]
    for cell, part in zip(series.cells, (minutes[:5], minutes[5:10], minutes[10:]), strict=True):
        assert (cell.open, cell.close) == (part[0].open, part[-1].close)
        assert (cell.high, cell.low) == (max(bar.high for bar in part), min(bar.low for bar in part))
        assert cell.volume == sum(bar.volume for bar in part)


@given(
    st.lists(st.sampled_from(["grow", "next", "skip", "older", "fall"]), max_size=30),
    st.sampled_from([60, 300, 900]),
    st.sampled_from([1, 2, 5]),
)
def test_what_came_bit_by_bit_is_what_all_at_once_would_give(steps: list[str], interval_s: int, zoom: int) -> None:
    every = bars(400)
    low, high = 100, 160
    now = every[low:high]
    series = fresh(now, interval_s, zoom)
    for step in steps:
        if step == "grow":
            last = now[-1]
            now = [*now[:-1], replace(last, volume=last.volume + 1)]
        elif step == "next":
            high += 1
            now = [*now, every[high - 1]]
        elif step == "skip":  # a gap of minutes
            high += 7
            now = [*now, every[high - 1]]
        elif step == "older":
            low -= 3
            now = [*every[low : low + 3], *now]
        elif len(now) > 20:
            now = now[2:]
        series.take(now, 60)
        assert told(series) == told(fresh(now, interval_s, zoom))


@pytest.mark.parametrize("text", ["sma:20", "ema:9", "bb:20:2", "rsi:14", "macd:12:26:9", "atr:14"])
def test_a_study_is_the_engines_own(text: str) -> None:
    shown = bars(90)
    series = Series()
    series.want([text])
    series.take(shown, 60)
    indicator = parse_indicator(text)
    rows = [*(indicator.close(bar) for bar in shown[:-1]), indicator.peek(shown[-1])]
    lines = series.lines(text, 0, 90)
    assert [name for name, _ in lines] == list(indicator.names)
    assert [values for _, values in lines] == [list(column) for column in zip(*rows, strict=True)]


def test_vwap_begins_with_the_trading_day_in_chicago() -> None:
    assert day_offset_ns("ESH4", START_NS) == 23 * 3_600_000_000_000  # winter: 17:00 there is 23:00 UTC
    assert day_offset_ns("BTCUSDT", START_NS) == 0
    evening = bars(60, first=12 * 60 + 15)  # from 22:45
    series = Series()
    series.want(["vwap"])
    series.take(evening, 60)
    ((_, values),) = series.lines("vwap", 0, 60)
    first = evening[15]
    assert values[15] == pytest.approx((first.high + first.low + first.close) / 3), "23:00 is a new day"


def test_only_intervals_that_the_bars_can_make_are_offered() -> None:
    series = Series()
    series.take(bars(3), 60)
    assert series.intervals_s == (60, 300, 900, 1_800, 3_600, 14_400, 86_400)
    series.take(bars(3), 45)
    assert series.intervals_s == (45, 900, 1_800, 3_600, 14_400, 86_400)


def test_the_cell_of_a_moment_is_the_one_that_began_before_it() -> None:
    series = fresh(bars(10), 300, 1)
    assert [series.cell_at(START_NS + at * MINUTE_NS) for at in (-1, 0, 4, 5, 100)] == [-1, 0, 0, 1, 1]
