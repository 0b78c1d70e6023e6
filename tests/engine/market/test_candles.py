"""Candles of every kind of interval; gaps mark them, history mends them, the badge says how far to trust them."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.market.charts import KEPT
from engine.market.market import Market
from schema.market import Aggressor, Interval
from schema.records import Bar
from tests.engine.market.telling import MINUTE, MS, START, S, Teller

ONE_MINUTE = Interval.parse("1m")


def shape(bars: tuple[Bar, ...]) -> list[tuple[float, ...]]:
    return [(bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in bars]


def watched(market: Market, interval: str) -> tuple[Teller, Callable[[], list[tuple[float, ...]]]]:
    es = Teller(market)
    kind = Interval.parse(interval)
    market.watch("ESH4", kind)
    return es, lambda: shape(market.chart("ESH4", kind, es.at_ns).bars)


def a_bar(minute: int, close: float, volume: float = 9) -> Bar:
    start_ns = START + minute * MINUTE
    return Bar(symbol="ESH4", start_ns=start_ns, open=1.0, high=close, low=1.0, close=close, volume=volume)


def test_a_candle_of_ticks_holds_so_many_trades(market: Market) -> None:
    es, bars = watched(market, "3t")
    for price in (4800.0, 4801.0, 4799.0, 4802.0):
        es.trade(price, 2)
    assert bars() == [(4800, 4801, 4799, 4799, 6), (4802, 4802, 4802, 4802, 2)]


def test_a_candle_of_volume_cuts_a_trade_in_two_and_a_huge_one_in_many(market: Market) -> None:
    es, bars = watched(market, "10v")
    es.trade(4800.0, 7)
    es.trade(4801.0, 5)
    assert bars() == [(4800, 4801, 4800, 4801, 10), (4801, 4801, 4801, 4801, 2)]
    es.trade(4802.0, 31)
    assert [bar[4] for bar in bars()] == [10, 10, 10, 10, 3]
    es.trade(4803.0, 10**12 + 4)
    found = market.chart("ESH4", Interval.parse("10v"), es.at_ns, most=KEPT).bars
    assert (len(found), found[-1].volume, {bar.volume for bar in found[:-1]}) == (KEPT, 7, {10})


def test_a_candle_of_range_closes_before_it_is_wider_than_that(market: Market) -> None:
    es, bars = watched(market, "4r")
    for price in (4800.0, 4801.0, 4800.5, 4801.25, 4790.0):
        es.trade(price)
    assert [bar[:4] for bar in bars()] == [
        (4800, 4801, 4800, 4800.5),
        (4801.25, 4801.25, 4801.25, 4801.25),
        (4790, 4790, 4790, 4790),
    ]


def test_a_minute_without_a_trade_has_no_candle_and_each_stands_on_its_minute(market: Market) -> None:
    es, bars = watched(market, "1m")
    es.trade(4800.0)
    es.at_ns = START + 3 * MINUTE - MS
    es.trade(4801.0)
    assert len(bars()) == 2
    starts = [bar.start_ns for bar in market.chart("ESH4", ONE_MINUTE, es.at_ns).bars]
    assert starts == [START, START + 3 * MINUTE]


def test_a_desk_that_comes_in_the_middle_of_a_candle_says_so(market: Market) -> None:
    es, _ = watched(market, "1m")
    es.at_ns = START + 20 * S
    es.trade(4800.0)
    es.at_ns = START + MINUTE
    es.trade(4801.0)
    chart = market.chart("ESH4", ONE_MINUTE, es.at_ns)
    assert (chart.partial, chart.gaps, chart.badge) == ((START,), (), "live")


def test_a_gap_marks_every_candle_it_touches_and_no_other(market: Market) -> None:
    es, _ = watched(market, "1m")
    for minute in range(4):
        es.at_ns = START + minute * MINUTE
        es.trade(4800.0 + minute)
    es.at_ns = START + 5 * MINUTE + 10 * S
    es.gap(since_ns=START + 2 * MINUTE + 30 * S, missed=7)
    es.trade(4805.0)
    es.at_ns = START + 6 * MINUTE
    es.trade(4806.0)
    chart = market.chart("ESH4", ONE_MINUTE, es.at_ns)
    assert chart.gaps == tuple(START + minute * MINUTE for minute in (2, 3, 5))
    assert chart.badge == "gap"
    (truth,) = market.truth()
    assert (truth.gaps, truth.missed) == (1, 7)


def test_a_gap_touches_the_open_candle_of_trades_whatever_its_time(market: Market) -> None:
    es, _ = watched(market, "5t")
    es.trade(4800.0)
    es.at_ns += S
    es.gap(since_ns=es.at_ns - MS)
    for _ in range(6):
        es.trade(4800.0)
    chart = market.chart("ESH4", Interval.parse("5t"), es.at_ns)
    assert chart.gaps == (chart.bars[0].start_ns,)


def test_history_mends_what_lacks_trades_and_fills_what_was_missed(market: Market) -> None:
    es, _ = watched(market, "1m")
    es.at_ns = START + 30 * S
    es.trade(4800.0)
    es.at_ns = START + 3 * MINUTE
    es.gap(since_ns=START + 30 * S)
    es.trade(4803.0)
    es.at_ns = START + 4 * MINUTE
    es.trade(4804.0)
    chart = market.chart("ESH4", ONE_MINUTE, es.at_ns)
    assert (chart.badge, len(chart.bars)) == ("gap", 3)
    # The last of these had not ended when history was asked: it is not whole and must not be taken for it.
    market.load("ESH4", ONE_MINUTE, [a_bar(n, 50.0 + n) for n in range(-2, 5)], START + 4 * MINUTE)
    chart = market.chart("ESH4", ONE_MINUTE, es.at_ns)
    assert [bar.close for bar in chart.bars] == [48, 49, 50, 51, 52, 53, 4804]
    assert (chart.badge, chart.gaps, chart.partial) == ("live", (), ())


def test_history_never_replaces_what_the_desk_saw_whole(market: Market) -> None:
    es, _ = watched(market, "1m")
    for minute in range(1, 4):
        es.at_ns = START + minute * MINUTE
        es.trade(4800.0 + minute)
    market.load("ESH4", ONE_MINUTE, [a_bar(n, 50.0 + n) for n in range(3)], START + 3 * MINUTE)
    closes = [bar.close for bar in market.chart("ESH4", ONE_MINUTE, es.at_ns).bars]
    assert closes == [50, 51, 4802, 4803]


def test_history_of_candles_of_trades_ends_where_ours_begin(market: Market) -> None:
    interval = Interval.parse("2t")
    market.watch("ESH4", interval)
    es = Teller(market)
    es.at_ns = START + MINUTE
    for price in (4800.0, 4801.0, 4802.0):
        es.trade(price)
    market.load("ESH4", interval, [a_bar(n, 40.0 + n) for n in range(4)], START + 10 * MINUTE)
    closes = [bar.close for bar in market.chart("ESH4", interval, es.at_ns).bars]
    assert closes == [40, 41, 4801, 4802]


def test_the_badge_says_loading_until_history_came_then_live_then_stale_and_does_not_flap(market: Market) -> None:
    market.watch("ESH4", ONE_MINUTE, awaits_history=True)
    es = Teller(market)
    badges: list[str] = []

    def look() -> None:
        badges.append(market.chart("ESH4", ONE_MINUTE, es.at_ns).badge)

    look()
    es.trade(4800.0)
    look()
    market.load("ESH4", ONE_MINUTE, [a_bar(-1, 4800.0)], START)
    for _ in range(100):
        es.trade(4800.0)
        look()
    es.at_ns += 6 * S
    look()
    es.trade(4800.0)
    look()
    assert badges == ["loading", "loading", *["live"] * 100, "stale", "live"]


def test_a_chart_that_is_not_watched_is_empty_and_one_that_is_let_go_costs_nothing(market: Market) -> None:
    es, bars = watched(market, "1m")
    es.trade(4800.0)
    assert len(bars()) == 1
    market.unwatch("ESH4", ONE_MINUTE)
    es.trade(4800.0)
    chart = market.chart("ESH4", ONE_MINUTE, es.at_ns)
    assert (chart.bars, chart.badge) == ((), "loading")
    market.watch("ESH4", ONE_MINUTE)
    es.trade(4802.0)
    assert bars() == [(4802, 4802, 4802, 4802, 1)]


def test_a_logins_own_bars_make_a_chart_where_no_feed_tells(market: Market) -> None:
    market.symbol = "ESH4"
    assert market.candles(START).badge == "loading"
    market.bars("ESH4", 60, tuple(a_bar(n, 10.0 + n) for n in range(3)), START)
    market.bars("ESH4", 60, (a_bar(2, 99.0), a_bar(3, 20.0)), START + S)
    market.bars("ESH4", 300, (a_bar(9, 1.0),), START + S)
    market.bars("NQH4", 60, (a_bar(9, 1.0),), START + S)
    candles = market.candles(START + S)
    assert [bar.close for bar in candles.bars] == [10, 11, 99, 20]
    assert (candles.badge, candles.last, candles.interval_s, candles.interval) == ("live", 20, 60, "1m")
    assert market.candles(START + 7 * S).badge == "stale"


def test_more_candles_than_are_kept_push_out_the_oldest_and_indicators_stay_beside_their_bars(market: Market) -> None:
    es, _ = watched(market, "1t")
    interval = Interval.parse("1t")
    for number in range(2 * KEPT + 500):
        es.trade(4800.0 + 0.25 * (number % 40))
        if number % 97 == 0:
            market.chart("ESH4", interval, es.at_ns, most=5, indicators=("sma:2",))
    chart = market.chart("ESH4", interval, es.at_ns, most=KEPT, indicators=("sma:2",))
    assert len(chart.bars) == KEPT
    (line,) = chart.lines
    assert len(line.values) == KEPT
    means = [(a.close + b.close) / 2 for a, b in zip(chart.bars, chart.bars[1:], strict=False)]
    assert list(line.values[1:]) == means


def test_an_indicator_follows_the_open_candle_without_remembering_it(market: Market) -> None:
    es, _ = watched(market, "1m")

    def line() -> tuple[float | None, ...]:
        return market.chart("ESH4", ONE_MINUTE, es.at_ns, indicators=["sma:2"]).lines[0].values

    es.trade(4800.0)
    es.at_ns = START + MINUTE
    es.trade(4810.0)
    assert line() == (None, 4805.0)
    es.trade(4820.0)
    assert line() == (None, 4810.0)
    es.at_ns = START + 2 * MINUTE
    es.trade(4840.0)
    assert line() == (None, 4810.0, 4830.0)
    market.load("ESH4", ONE_MINUTE, [a_bar(-1, 4790.0)], START)
    assert line() == (None, 4795.0, 4810.0, 4830.0)


def test_an_indicator_that_is_none_is_refused_by_name(market: Market) -> None:
    es, _ = watched(market, "1m")
    es.trade(4800.0)
    with pytest.raises(ValueError, match="'magic' is none; there are sma, ema"):
        market.chart("ESH4", ONE_MINUTE, es.at_ns, indicators=["magic"])


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 90), st.integers(-20, 20), st.integers(1, 9)), min_size=1, max_size=150),
    st.sampled_from(["7s", "1m", "4h", "3t", "10v", "3r"]),
    st.lists(st.integers(0, 150), max_size=5),
)
def test_candles_lose_no_trade_and_no_lot_however_often_they_are_looked_at(
    trades: list[tuple[int, int, int]], interval: str, looks: list[int]
) -> None:
    market = Market()
    es, bars = watched(market, interval)
    for number, (seconds, ticks, size) in enumerate(trades):
        es.at_ns += seconds * S
        es.trade(4800.0 + ticks * 0.25, size, Aggressor.SELL)
        if number in looks:
            bars()
    found = market.chart("ESH4", Interval.parse(interval), es.at_ns).bars
    assert sum(bar.volume for bar in found) == sum(size for *_, size in trades)
    assert max(bar.high for bar in found) == 4800.0 + max(ticks for _, ticks, _ in trades) * 0.25
    assert min(bar.low for bar in found) == 4800.0 + min(ticks for _, ticks, _ in trades) * 0.25
    assert (found[0].open, found[-1].close) == (4800.0 + trades[0][1] * 0.25, 4800.0 + trades[-1][1] * 0.25)
    fresh = Market()
    other, again = watched(fresh, interval)
    for seconds, ticks, size in trades:
        other.at_ns += seconds * S
        other.trade(4800.0 + ticks * 0.25, size, Aggressor.SELL)
    assert bars() == again()


def test_the_newest_of_history_stays_when_the_first_trade_begins_a_candle(market: Market) -> None:
    es, bars = watched(market, "1m")
    market.load("ESH4", ONE_MINUTE, [a_bar(-2, 4790.0), a_bar(-1, 4791.0)], START)
    assert [bar[3] for bar in bars()] == [4790, 4791]
    es.trade(4800.0)
    assert [bar[3] for bar in bars()] == [4790, 4791, 4800]
