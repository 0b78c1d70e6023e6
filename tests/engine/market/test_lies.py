"""What a source says that can't be is counted by symbol and kind, shown, and never reaches a candle unsaid."""

import math

import pytest

from engine.market.kernel import Choice, why_missing
from engine.market.market import Market
from engine.market.ports import Limits
from schema.market import Aggressor, DepthChanged, FeedGap, Interval, SessionState, Trade
from schema.records import Bar
from tests.engine.market.telling import MINUTE, MS, START, S, Teller

ONE_MINUTE = Interval.parse("1m")


@pytest.fixture
def es(market: Market) -> Teller:
    teller = Teller(market)
    market.watch("ESH4", ONE_MINUTE)
    teller.snapshot(bids=((4800.0, 5), (4799.75, 7)), asks=((4800.25, 6), (4800.5, 8)))
    teller.trade(4800.25, 2)
    return teller


def bars(teller: Teller) -> tuple[Bar, ...]:
    return teller.market.chart(teller.symbol, ONE_MINUTE, teller.at_ns).bars


def closes(teller: Teller) -> list[float]:
    return [bar.close for bar in bars(teller)]


def test_a_trade_at_price_0_or_none_is_shown_on_the_tape_and_stays_off_the_candles(es: Teller) -> None:
    before = bars(es)
    for price in (0.0, math.nan, math.inf):
        es.trade(price)
    assert es.lies() == {"price 0 or none": 3}
    assert bars(es) == before
    (truth,) = es.market.truth()
    assert (truth.held, truth.trades) == (3, 4)
    tape = es.market.tape("ESH4")
    assert tape is not None
    assert [print_.held for print_ in tape.prints] == ["price 0 or none"] * 3 + [""]


@pytest.mark.parametrize("size", [-1.0, 0.0, math.nan])
def test_a_trade_of_no_size_is_held(es: Teller, size: float) -> None:
    before = bars(es)
    es.trade(4800.5, size)
    assert es.lies() == {"size below 0 or none": 1}
    assert bars(es) == before


def test_a_price_off_the_tick_is_held_so_a_wrong_tick_size_shows(es: Teller) -> None:
    before = bars(es)
    es.trade(4800.3)
    es.trade(4800.5, 0.5)
    assert es.lies() == {"price or size off the contract's grid": 2}
    assert bars(es) == before


def test_a_trade_of_an_earlier_time_is_held_and_the_next_one_counts(es: Teller) -> None:
    es.trade(4800.75, ts_ns=es.at_ns - 5 * MS)
    es.trade(4800.5)
    assert es.lies() == {"time went back": 1}
    assert closes(es) == [4800.5]


def test_a_trade_from_the_future_is_held_and_does_not_make_the_present_late(es: Teller) -> None:
    es.trade(4800.75, ts_ns=es.at_ns + 3_600 * S)
    es.trade(4800.5)
    assert es.lies() == {"time ahead of ours": 1}
    assert closes(es) == [4800.5]


def test_a_trade_far_outside_the_book_is_held_and_one_a_little_outside_counts(es: Teller) -> None:
    es.trade(4950.0)
    es.trade(4600.0)
    es.trade(4805.25)
    assert es.lies() == {"trade far outside the book": 2}
    assert closes(es) == [4805.25]


def test_a_book_that_went_quiet_judges_nobody(es: Teller) -> None:
    """The market left while the book's line was dead: trades must not vanish for ever."""
    es.at_ns += 6 * S
    es.trade(4950.0)
    assert es.lies() == {}
    assert closes(es) == [4950.0]


def test_a_crossed_book_is_counted_once_when_it_stays_so_and_may_be_crossed_within_a_message(es: Teller) -> None:
    at_ns = es.at_ns + MS
    es.change(bids=((4800.25, 3),), asks=((4800.0, 1), (4800.0, 0), (4800.25, 0)))  # one message, one time
    assert es.lies() == {}
    es.change(asks=((4799.0, 1),))
    book = es.market.book("ESH4")
    assert book is not None and book.crossed
    es.at_ns += 5 * MS
    es.trade(4800.25)
    es.change(bids=((4798.0, 1),))
    assert es.lies() == {"book crossed": 1}
    es.change(asks=((4799.0, 0),))
    es.change(asks=((4799.0, 1),))
    es.at_ns += 5 * MS
    es.trade(4800.25)
    assert es.lies() == {"book crossed": 2}
    assert at_ns < es.at_ns


def test_a_book_may_stand_crossed_before_the_auction_and_the_auctions_trade_counts(es: Teller) -> None:
    es.state(SessionState.PRE_OPEN)
    es.snapshot(bids=((4830.0, 5),), asks=((4790.0, 6),))
    for _ in range(10):
        es.at_ns += S
        es.change(bids=((4820.0, 1),))
    es.state(SessionState.OPEN)
    es.trade(4815.0, 44, Aggressor.NONE)
    es.at_ns -= MS
    es.snapshot(bids=((4814.75, 5),), asks=((4815.0, 6),))
    assert es.lies() == {}
    assert closes(es)[-1] == 4815.0


def test_levels_that_lie_leave_the_book_as_it_was(es: Teller) -> None:
    before = es.market.book("ESH4")
    es.change(bids=((0.0, 5), (4799.5, -3), (4799.6, 1), (math.nan, 1)), asks=((4801.0, math.inf),))
    after = es.market.book("ESH4")
    assert before is not None and after is not None
    assert (after.bids, after.asks) == (before.bids, before.asks)
    assert es.lies() == {
        "price 0 or none": 2,
        "size below 0 or none": 2,
        "price or size off the contract's grid": 1,
    }


def test_numbers_that_jump_tear_the_book_until_a_snapshot_and_old_news_is_no_news(es: Teller) -> None:
    es.change(bids=((4799.5, 1),), first_seq=10, seq=12)
    es.change(bids=((4799.25, 1),), first_seq=13, seq=15)
    assert es.lies() == {}
    es.change(bids=((4799.25, 9),), first_seq=11, seq=14)
    book = es.market.book("ESH4")
    assert book is not None and [level.size for level in book.bids] == [5, 7, 1, 1] and not book.torn
    es.change(bids=((4799.0, 1),), first_seq=20, seq=21)
    book = es.market.book("ESH4")
    assert book is not None and book.torn
    (truth,) = es.market.truth()
    assert (truth.lies, truth.missed, truth.repeats, truth.torn) == ((("numbers jumped", 1),), 4, 1, True)
    es.snapshot(bids=((4800.0, 1),), asks=(), seq=30)
    book = es.market.book("ESH4")
    assert book is not None and not book.torn
    es.change(bids=((4799.0, 1),), first_seq=31, seq=31)
    assert es.lies() == {"numbers jumped": 1}


def test_a_book_that_goes_back_in_time_is_believed_and_counted_once_a_message(es: Teller) -> None:
    es.change(bids=((4799.5, 1), (4799.25, 1)), ts_ns=es.at_ns - S)
    book = es.market.book("ESH4")
    assert es.lies() == {"time went back": 1}
    assert book is not None and len(book.bids) == 4


def test_numbered_trades_that_jump_mark_the_candles_they_may_be_missing_from(market: Market) -> None:
    es = Teller(market, numbered=True)
    market.watch("ESH4", ONE_MINUTE)
    es.trade(4800.0, seq=1)
    es.at_ns += MINUTE
    es.trade(4801.0, seq=2)
    es.at_ns += MINUTE
    es.trade(4802.0, seq=3)
    es.trade(4802.0, seq=3)
    es.at_ns += MINUTE
    es.trade(4803.0, seq=9)
    es.at_ns += MINUTE
    es.trade(4804.0, seq=10)
    chart = market.chart("ESH4", ONE_MINUTE, es.at_ns)
    assert [bar.close for bar in chart.bars] == [4800.0, 4801.0, 4802.0, 4803.0, 4804.0]
    assert chart.gaps == (START + 2 * MINUTE, START + 3 * MINUTE)
    assert chart.badge == "gap"
    (truth,) = market.truth()
    assert (truth.lies, truth.missed, truth.repeats) == ((("numbers jumped", 1),), 5, 1)


def test_a_trade_told_twice_by_its_id_counts_once(es: Teller) -> None:
    for trade_id in ("a7", "a8", "a7", "a8", "a9"):
        es.trade(4800.0, 1, trade_id=trade_id)
    (truth,) = es.market.truth()
    assert (truth.repeats, truth.trades, bars(es)[-1].volume) == (2, 4, 5)


def test_another_sources_word_and_an_unknown_symbols_are_dropped_and_counted(es: Teller) -> None:
    before = bars(es)
    es.trade(4800.0, source="other")
    es.trade(4800.0, symbol="NQH4")
    (truth,) = es.market.truth()
    assert (truth.dropped, es.market.dropped) == (1, 1)
    assert bars(es) == before
    with pytest.raises(ValueError, match="test tells of it already"):
        es.market.follow("ESH4", source="other")


def test_a_days_new_numbers_are_not_taken_for_repeats(market: Market) -> None:
    es = Teller(market, numbered=True)
    es.trade(4800.0, seq=900)
    es.state(SessionState.CLOSED)
    es.state(SessionState.PRE_OPEN)
    es.state(SessionState.OPEN)
    es.trade(4801.0, seq=1)
    assert market.truth()[0].repeats == 0
    session = market.session("ESH4")
    assert session is not None and (session.open, session.trades) == (4801.0, 1)


def test_nothing_that_is_counted_is_ever_lost(es: Teller) -> None:
    """Every event told ends in exactly one of the counters."""
    told = 0
    for number in range(3_000):
        told += 1
        if number % 7 == 0:
            es.trade(0.0 if number % 14 else 4800.0, trade_id=str(number // 3))
        elif number % 5 == 0:
            es.tell(Trade, price=4800.0, size=1, source="other")
        else:
            es.tell(DepthChanged, bids=((4799.75, number % 9),))
        if number % 100 == 0:
            es.tell(FeedGap, since_ns=es.at_ns - MS)
    (truth,) = es.market.truth()
    # Before them there were the fixture's trade and snapshot, which is five records.
    assert truth.trades - 1 + truth.repeats + truth.dropped + truth.changes - 5 == told
    assert truth.gaps == 30


@pytest.mark.parametrize("choice", ["compiled", "python"])
def test_what_is_still_believed_is_believed_to_the_last_tick_and_nanosecond(choice: Choice) -> None:
    """The bounds are inclusive, in both kernels: one more is a lie."""
    if choice == "compiled" and why_missing():
        pytest.skip(f"there is no compiled kernel here: {why_missing()}")
    limits = Limits(crossed_ns=MS, ahead_ns=7, fresh_ns=2 * MS, far_ticks=4, far_ratio=0.0)
    es = Teller(Market(choice, limits))
    es.snapshot(bids=((4800.0, 5),), asks=((4800.25, 6),))
    for price, far in ((4801.25, False), (4801.5, True), (4799.0, False), (4798.75, True)):
        es.at_ns -= MS
        held = es.lies().get("trade far outside the book", 0)
        es.trade(price)
        assert es.lies().get("trade far outside the book", 0) - held == far
    es.trade(4900.0, received_ns=es.at_ns + MS - 1 + 2 * MS)  # the book was heard of 2 ms and a little before
    es.at_ns -= 1
    assert es.lies()["trade far outside the book"] == 2
    es.trade(4800.0, ts_ns=es.at_ns + MS + 7)
    assert "time ahead of ours" not in es.lies()
    es.trade(4800.0, ts_ns=es.at_ns + MS + 8)
    assert es.lies()["time ahead of ours"] == 1
    es.change(bids=((4801.0, 1),))
    es.change(bids=((4790.0, 1),))
    assert "book crossed" not in es.lies()
    es.at_ns -= MS - 1
    es.change(bids=((4790.0, 1),))
    assert es.lies()["book crossed"] == 1


def test_quotes_have_a_time_of_their_own(market: Market) -> None:
    """A source that gives its quotes no time has them stamped with ours, a little after its book's: no lie."""
    feed = Teller(market)
    feed.snapshot(bids=((4800.0, 5),), asks=((4800.25, 5),))
    for _ in range(3):
        feed.quote(bid=4800.0, bid_size=6, ts_ns=feed.at_ns + 3 * MS)
        feed.change(bids=((4799.75, 2),))
    assert feed.lies() == {}
    feed.quote(bid=4800.0, bid_size=6, ts_ns=feed.at_ns - 3 * MS)
    assert feed.lies() == {"time went back": 1}


def test_a_gap_of_depth_alone_is_counted_and_marks_no_candle(market: Market) -> None:
    market.watch("ESH4", ONE_MINUTE)
    feed = Teller(market)
    feed.trade(4800.0)
    feed.tell(FeedGap, since_ns=feed.at_ns - MS, reason="depth: the line was lost")
    feed.trade(4800.25)
    assert market.chart("ESH4", ONE_MINUTE, feed.at_ns).gaps == ()
    assert market.truth()[0].gaps == 1
    feed.gap(feed.at_ns - MS, missed=1)
    assert market.chart("ESH4", ONE_MINUTE, feed.at_ns).gaps != ()
