"""Every trade is told once and in order, or told to be missing (`docs/binance.md` 8)."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from brokers.binance.tape import Tape
from schema.market import FeedGap, MarketEvent, Trade


def trade(number: int) -> Trade:
    return Trade(
        source="binance", symbol="BNBBTC", ts_ns=number * 10, received_ns=1, seq=number, price=1.0, size=1.0,
        trade_id=str(number),
    )  # fmt: skip


def shown(events: list[MarketEvent]) -> list[int | str]:
    return [
        each.seq if isinstance(each, Trade) else f"gap {each.missed}"
        for each in events
        if isinstance(each, (Trade, FeedGap))
    ]


def test_trades_that_follow_are_told_at_once_and_repeats_are_not() -> None:
    tape = Tape("BNBBTC", 100)
    told = [each for number in (7, 8, 8, 7, 9) for each in tape.on_trade(trade(number))]
    assert shown(told) == [7, 8, 9]
    assert (tape.duplicates, tape.hole) == (2, False)


def test_trades_out_of_order_wait_for_the_ones_before() -> None:
    tape = Tape("BNBBTC", 100)
    told = [shown(tape.on_trade(trade(number))) for number in (7, 10, 9, 8, 11)]
    assert told == [[7], [], [], [8, 9, 10], [11]]


def test_a_hole_is_filled_by_what_rest_has() -> None:
    tape = Tape("BNBBTC", 100)
    for number in (7, 11, 12):
        tape.on_trade(trade(number))
    assert tape.hole
    assert shown(tape.on_page(8, [trade(number) for number in (8, 9, 10, 11)])) == [8, 9, 10, 11, 12]
    assert not tape.hole


def test_what_rest_proves_not_to_exist_is_a_gap_with_its_count_and_both_ends() -> None:
    tape = Tape("BNBBTC", 100)
    tape.on_trade(trade(7))
    told = tape.on_page(8, [trade(number) for number in (10, 11, 14)])
    assert shown(told) == ["gap 2", 10, 11, "gap 2", 14]
    gap = told[0]
    assert isinstance(gap, FeedGap)
    assert (gap.since_ns, gap.ts_ns, gap.reason) == (70, 100, "trades 8 to 9: the venue has no such trades")


def test_what_does_not_come_in_time_is_a_gap_and_the_rest_goes_on() -> None:
    tape = Tape("BNBBTC", 100)
    for number in (7, 9, 12):
        tape.on_trade(trade(number))
    assert shown(tape.give_up("too late")) == ["gap 1", 9]
    assert tape.hole
    assert shown(tape.give_up("too late")) == ["gap 2", 12]
    assert tape.give_up("nothing waits") == []


def test_what_waits_is_bounded() -> None:
    tape = Tape("BNBBTC", 2)
    for number in (7, 9, 10, 11, 12):
        tape.on_trade(trade(number))
    assert tape.dropped == 2
    assert shown(tape.on_page(8, [trade(8)])) == [8, 9, 10]
    assert shown(tape.on_trade(trade(13))) == []  # 11 and 12 are missing again, and known to be
    assert tape.hole


@given(st.integers(min_value=0, max_value=1 << 32), st.integers(min_value=2, max_value=150))
def test_whatever_the_stream_does_told_and_missing_are_all_there_is(seed: int, count: int) -> None:
    random, tape, told = Random(seed), Tape("BNBBTC", 40), list[MarketEvent]()
    stream = [number for number in range(1, count + 1) for _ in range(random.choice((0, 1, 1, 1, 2)))]
    for place in range(0, len(stream) - 4, 4):
        if random.random() < 0.3:
            part = stream[place : place + 4]
            random.shuffle(part)
            stream[place : place + 4] = part
    kept = [number for number in range(1, count + 1) if random.random() > 0.05]
    for number in stream:
        told += tape.on_trade(trade(number))
        if tape.hole and random.random() < 0.2:
            asked = tape.last_id + 1
            page = [trade(each) for each in kept if asked <= each <= number][:10]
            told += tape.on_page(asked, page)
        elif tape.hole and random.random() < 0.05:
            told += tape.give_up("too late")
    while tape.hole:
        told += tape.give_up("the end")
    trades = [each.seq for each in told if isinstance(each, Trade)]
    assert trades == sorted(set(trades))
    missed = sum(each.missed for each in told if isinstance(each, FeedGap))
    assert not trades or len(trades) + missed == trades[-1] - trades[0] + 1
