"""The book as panes see it: levels, the desk's own orders in it, top of book, quotes, conflation."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.market.grid import Grid
from engine.market.kernel import Choice
from engine.market.market import Market
from engine.market.packing import pack
from engine.market.shown import BookLevel, OwnOrder
from schema.market import Interval, SessionState, Trade
from schema.records import Quote, Side
from tests.engine.market.telling import Teller

LADDER = tuple((4800.0 - 0.25 * n, 10 + n) for n in range(40))
ASKS = tuple((4800.25 + 0.25 * n, 20 + n) for n in range(40))


def test_ten_levels_are_served_and_all_are_kept(market: Market) -> None:
    es = Teller(market)
    es.snapshot(bids=LADDER, asks=ASKS)
    es.change(bids=((4800.0, 0), (4799.75, 0)), asks=((4800.25, 99),))
    book = market.book("ESH4")
    assert book is not None
    assert [(level.price, level.size) for level in book.bids] == list(LADDER[2:12])
    assert (book.asks[0].size, len(book.asks)) == (99, 10)
    whole = market.book("ESH4", levels=1_000)
    assert whole is not None and (len(whole.bids), len(whole.asks)) == (38, 40)
    es.snapshot(bids=((4700.0, 1),), asks=())
    book = market.book("ESH4")
    assert book is not None and ([level.price for level in book.bids], book.asks) == ([4700.0], ())


def test_own_working_orders_are_marked_at_their_level_and_listed_where_none_is_shown(market: Market) -> None:
    es = Teller(market)
    es.snapshot(bids=LADDER, asks=ASKS)
    first = market.book("ESH4")
    market.own_orders(
        "ESH4",
        [
            (Decimal("4799.75"), Side.BUY, 2),
            (Decimal("4799.75"), Side.BUY, 3),
            (Decimal("4800.25"), Side.SELL, 1),
            (Decimal("4700.00"), Side.BUY, 4),
            (Decimal("4800.25"), Side.BUY, 9),
        ],
    )
    book = market.book("ESH4")
    assert first is not None and book is not None and book.version > first.version
    assert [level.own for level in book.bids[:3]] == [0, 5, 0]
    assert book.asks[0] == BookLevel(price=4800.25, size=20, own=1)
    assert book.own_elsewhere == (
        OwnOrder(price=4700.0, side=Side.BUY, qty=4),
        OwnOrder(price=4800.25, side=Side.BUY, qty=9),
    )
    market.own_orders("ESH4", [])
    book = market.book("ESH4")
    assert book is not None and not any(level.own for level in (*book.bids, *book.asks)) and not book.own_elsewhere


def test_quotes_alone_make_a_book_of_one_level_and_a_half_said_quote_keeps_the_rest(market: Market) -> None:
    es = Teller(market)
    es.quote(bid=4800.0)
    assert market.mark("ESH4") == 0
    es.quote(bid_size=5, ask=4800.25, ask_size=6)
    top = market.top("ESH4")
    assert top is not None and (top.bid, top.bid_size, top.ask, top.ask_size) == (4800.0, 5, 4800.25, 6)
    es.quote(bid=4799.5)
    book = market.book("ESH4")
    assert book is not None and book.bids == (BookLevel(price=4799.5, size=5),)
    es.quote(ask=0.0, ask_size=0)
    top = market.top("ESH4")
    assert top is not None and (top.ask, top.ask_size) == (None, None)
    assert es.lies() == {}


def test_a_quote_takes_away_the_levels_it_is_worse_than(market: Market) -> None:
    es = Teller(market)
    es.snapshot(bids=LADDER, asks=ASKS)
    es.quote(bid=4799.5, bid_size=3)
    book = market.book("ESH4", 3)
    assert book is not None
    assert [(level.price, level.size) for level in book.bids] == [(4799.5, 3), (4799.25, 13), (4799.0, 14)]


def test_positions_are_marked_at_a_feeds_last_trade_and_held_trades_mark_nothing(market: Market) -> None:
    market.quote(Quote(symbol="ESH4", last=4700.0), 5)
    es = Teller(market)
    assert market.mark("ESH4") == Decimal("4700.0")
    es.snapshot(bids=LADDER, asks=ASKS)
    assert market.mark("ESH4") == Decimal("4800.125")
    es.trade(4800.25)
    es.trade(9999.0)
    assert market.mark("ESH4") == Decimal("4800.25")
    assert market.heard_ns("ESH4") == es.at_ns


def test_a_frame_names_what_changed_since_the_last_one_and_views_are_made_again_only_then(market: Market) -> None:
    es, nq = Teller(market), Teller(market, "NQH4")
    market.symbol = "ESH4"
    version = market.version
    for _ in range(5_000):
        es.change(bids=((4800.0, 1),))
        es.trade(4800.0)
    nq.quote(bid=17_000.0, bid_size=1)
    assert market.frame() == ("ESH4", "NQH4")
    assert (market.version, market.said_ns) == (version + 1, es.at_ns)
    book, tape = market.book("ESH4"), market.tape("ESH4")
    assert book is not None and book.changes == 5_000
    assert market.frame() == ()
    assert market.book("ESH4") is book and market.tape("ESH4") is tape
    es.change(bids=((4800.0, 2),))
    assert market.frame() == ("ESH4",)
    assert market.book("ESH4") is not book and market.tape("ESH4") is tape


def test_a_symbol_that_is_let_go_is_forgotten_and_may_come_back_from_another_source(market: Market) -> None:
    es = Teller(market)
    market.watch("ESH4", Interval.parse("1m"))
    es.trade(4800.0)
    market.unfollow("ESH4")
    assert market.book("ESH4") is market.session("ESH4") is market.tape("ESH4") is None
    es.trade(4801.0)
    assert (market.truth(), market.dropped) == ((), 1)
    market.follow("ESH4", source="other")
    es.trade(4802.0, source="other")
    session = market.session("ESH4")
    assert session is not None and (session.trades, session.open) == (1, 4802.0)


def test_sessions_begin_anew_and_a_halt_is_no_end(market: Market) -> None:
    es = Teller(market)
    es.trade(4800.0, 3)
    es.state(SessionState.HALTED)
    es.state(SessionState.OPEN)
    es.trade(4810.0, 1)
    session = market.session("ESH4")
    assert session is not None
    assert (session.open, session.high, session.low, session.last) == (4800.0, 4810.0, 4800.0, 4810.0)
    assert (session.volume, session.vwap, session.trades) == (4, 4802.5, 2)
    for state in (SessionState.CLOSED, SessionState.PRE_OPEN):
        es.state(state)
    session = market.session("ESH4")
    assert session is not None
    assert (session.state, session.open, session.volume, session.vwap) == (SessionState.PRE_OPEN, None, 0, None)


def test_fractions_of_a_coin_add_up_exactly(market: Market) -> None:
    coin = Teller(market, "BTCUSDT", tick_size=0.01, size_step=0.00001)
    for _ in range(10_000):
        coin.trade(64_123.45, 0.00003)
    coin.trade(64_123.47, 0.1)
    session = market.session("BTCUSDT")
    assert session is not None and (session.volume, session.last) == (0.4, 64_123.47)


def test_whole_batches_and_single_events_are_one_stream_and_half_a_record_is_refused(market: Market) -> None:
    es = Teller(market)
    es.trade(4800.0, 1)
    two = Trade(source="test", symbol="ESH4", ts_ns=es.at_ns, received_ns=es.at_ns, price=4801.0, size=2)
    made = b"".join(pack(event, es.number, False) for event in (two, replace(two, size=3.0)))
    with pytest.raises(ValueError, match="1 bytes behind"):
        market.batch(made + b"!")
    market.batch(made)
    es.trade(4802.0, 4)
    tape = market.tape("ESH4")
    assert tape is not None and [print_.size for print_ in tape.prints] == [4, 3, 2, 1]


@given(st.sampled_from([0.25, 0.01, 0.00005, 0.03125, 5.0, 2.5, 1e-8, 0.1]), st.integers(-(10**9), 10**9))
def test_prices_come_back_as_their_decimals(unit: float, units: int) -> None:
    grid = Grid(unit)
    assert grid.units(grid.value(units)) == units
    assert grid.value(units) == float(Decimal(str(unit)) * units)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 40), st.integers(0, 5)), max_size=120))
def test_a_book_is_what_its_changes_add_up_to(changes: list[tuple[bool, int, int]]) -> None:
    for choice in _CHOICES:
        market = Market(choice)
        es = Teller(market)
        plain: dict[bool, dict[float, int]] = {True: {}, False: {}}
        for bid, ticks, size in changes:
            price = ticks * 0.25
            plain[bid].pop(price, None)
            if size:
                plain[bid][price] = size
            es.change(**{"bids" if bid else "asks": ((price, size),)})
        book = market.book("ESH4", levels=100)
        assert book is not None
        assert [(level.price, level.size) for level in book.bids] == sorted(plain[True].items(), reverse=True)
        assert [(level.price, level.size) for level in book.asks] == sorted(plain[False].items())


_CHOICES: tuple[Choice, ...] = ("auto", "python")
