"""What waits for the desk is bounded, summed up without a loss of truth, and what was dropped is said."""

from hypothesis import given
from hypothesis import strategies as st

from engine.conflation import Conflation
from schema.market import DepthChanged, DepthSnapshot, FeedGap, Levels, MarketEvent, QuoteChanged, Trade

AT = {"source": "binance", "symbol": "BTCUSDT", "ts_ns": 1, "received_ns": 2}


def trade(number: int, symbol: str = "BTCUSDT") -> Trade:
    return Trade(source="binance", symbol=symbol, ts_ns=number, received_ns=number, seq=number, price=1.0, size=1.0)


def changed(first: int, last: int, bids: Levels = (), asks: Levels = ()) -> DepthChanged:
    return DepthChanged(**AT, first_seq=first, seq=last, bids=bids, asks=asks)


def kept(*events: MarketEvent, trades: int = 100) -> list[MarketEvent]:
    conflation = Conflation(trades)
    for event in events:
        conflation.put(event)
    return conflation.take()


def test_trades_are_kept_one_by_one_and_in_order() -> None:
    assert [event.seq for event in kept(trade(1), trade(2, "ETHUSDT"), trade(3))] == [1, 2, 3]


def test_quotes_become_the_newest_and_a_side_that_was_not_said_stays() -> None:
    told = kept(
        QuoteChanged(**AT, bid=1.0, bid_size=5.0), QuoteChanged(**AT, ask=2.0, seq=9), QuoteChanged(**AT, bid=1.5)
    )
    assert told == [QuoteChanged(**AT, bid=1.5, bid_size=5.0, ask=2.0)]


def test_depth_changes_become_one_with_both_ends_of_their_range() -> None:
    told = kept(changed(1, 3, ((10.0, 1.0), (9.0, 2.0))), changed(4, 6, ((10.0, 0.0),), ((11.0, 4.0),)))
    assert told == [changed(1, 6, ((10.0, 0.0), (9.0, 2.0)), ((11.0, 4.0),))]


def test_a_change_goes_into_a_snapshot_that_waits() -> None:
    snapshot = DepthSnapshot(**AT, seq=3, bids=((10.0, 1.0), (9.0, 2.0)), asks=((11.0, 1.0),))
    (told,) = kept(snapshot, changed(4, 6, ((10.0, 0.0), (9.5, 7.0))))
    assert isinstance(told, DepthSnapshot)
    assert (told.seq, told.bids, told.asks) == (6, ((9.5, 7.0), (9.0, 2.0)), ((11.0, 1.0),))


def test_a_new_book_takes_the_place_of_what_waits_after_the_gap_that_explains_it() -> None:
    gap = FeedGap(**AT, since_ns=0, reason="depth: closed")
    snapshot = DepthSnapshot(**AT, seq=9, bids=(), asks=())
    assert kept(changed(1, 3, ((10.0, 1.0),)), gap, snapshot) == [gap, snapshot]


def test_trades_beyond_the_bound_are_dropped_and_told_as_one_gap_for_each_symbol() -> None:
    conflation = Conflation(2)
    for number in range(1, 6):
        conflation.put(trade(number))
        conflation.put(trade(number, "ETHUSDT"))
    told = conflation.take()
    assert [(type(event).__name__, event.symbol) for event in told] == [
        ("Trade", "BTCUSDT"), ("Trade", "ETHUSDT"), ("FeedGap", "BTCUSDT"), ("FeedGap", "ETHUSDT"),
    ]  # fmt: skip
    assert [event.missed for event in told if isinstance(event, FeedGap)] == [4, 4]
    assert (conflation.dropped, conflation.gaps) == ({"binance": 8}, {"binance": 2})
    conflation.put(trade(6))
    assert conflation.take() == [trade(6)]


CHANGES = st.lists(st.tuples(st.sampled_from((8.0, 9.0, 10.0, 11.0)), st.sampled_from((0.0, 1.0, 2.0))), max_size=4)


def booked(events: list[MarketEvent]) -> dict[float, float]:
    book: dict[float, float] = {}
    for event in events:
        if isinstance(event, DepthSnapshot):
            book = dict(event.bids)
        elif isinstance(event, DepthChanged):
            for price, size in event.bids:
                book.pop(price, None) if not size else book.__setitem__(price, size)
    return book


@given(st.lists(st.tuples(st.sampled_from("scct"), CHANGES), max_size=30), st.integers(min_value=0, max_value=30))
def test_whenever_it_is_taken_the_book_and_the_trades_come_out_the_same(steps: list, take_at: int) -> None:
    conflation, whole, taken = Conflation(1_000), list[MarketEvent](), list[MarketEvent]()
    for number, (kind, levels) in enumerate(steps):
        bids = tuple(dict(levels).items())
        event: MarketEvent = (
            DepthSnapshot(**AT, seq=number, bids=tuple(level for level in bids if level[1]), asks=())
            if kind == "s"
            else trade(number)
            if kind == "t"
            else changed(number, number, bids)
        )
        whole.append(event)
        conflation.put(event)
        if number == take_at:
            taken += conflation.take()
    taken += conflation.take()
    assert booked(taken) == booked(whole)
    assert [e for e in taken if isinstance(e, Trade)] == [e for e in whole if isinstance(e, Trade)]
