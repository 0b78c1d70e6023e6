"""One book's matching: price, then time, and never better for the account than the market allowed."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from brokers.sandbox.book import MARKET, Book, Match

PRICES = st.integers(95, 105)
SIZES = st.integers(1, 9)
SIDES = st.sampled_from((1, -1))


class BookMachine(RuleBasedStateMachine):
    """Any sequence of market events and orders, against a model that only counts."""

    @initialize()
    def start(self) -> None:
        self.book = Book()
        self.orders: dict[int, dict[str, Any]] = {}
        self.count = 0

    def check(self, matches: list[Match], most_of_market: int | None = None) -> None:
        for match in matches:
            assert match.qty > 0
            ids = [(order_id, sign) for order_id, sign in ((match.buy_id, 1), (match.sell_id, -1)) if order_id]
            assert ids, "a match has at least one side of ours"
            for order_id, sign in ids:
                order = self.orders[order_id]
                assert order["sign"] == sign
                order["left"] -= match.qty
                assert order["left"] >= 0, "no order is filled beyond its size"
                if order["limit"] is not None:
                    assert (order["limit"] - match.price) * sign >= 0, "no fill through a limit"
        if most_of_market is not None:
            for sign in (1, -1):
                ours = sum(m.qty for m in matches if m.printed and (m.buy_id if sign > 0 else m.sell_id) != MARKET)
                assert ours <= most_of_market, "a print fills no more than its size"
        self.orders = {key: order for key, order in self.orders.items() if order["left"]}

    @rule(sign=SIDES, price=PRICES, size=st.integers(0, 9))
    def level(self, sign: int, price: int, size: int) -> None:
        self.check(self.book.set_level(sign, price, size))

    @rule(price=PRICES, size=SIZES, aggressor=st.sampled_from((1, -1, 0)))
    def trade(self, price: int, size: int, aggressor: int) -> None:
        self.check(self.book.trade(price, size, aggressor), size)

    @rule(sign=SIDES, qty=SIZES, limit=st.none() | PRICES)
    def enter(self, sign: int, qty: int, limit: int | None) -> None:
        self.count += 1
        there = sum(size for _, size in self.book.depth(-sign, 99))
        there += sum(o["left"] for o in self.orders.values() if o["sign"] == -sign and o["limit"] is None)
        self.orders[self.count] = {"sign": sign, "left": qty, "limit": limit}
        matches = self.book.enter(self.count, sign, qty, limit)
        assert sum(match.qty for match in matches if self.count in (match.buy_id, match.sell_id)) <= there
        self.check(matches)

    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        if self.orders:
            order_id = data.draw(st.sampled_from(sorted(self.orders)))
            assert self.book.withdraw(order_id) == self.orders.pop(order_id)["left"]

    @invariant()
    def what_is_shown_is_what_rests(self) -> None:
        for sign in (1, -1):
            ours = sum(o["left"] for o in self.orders.values() if o["sign"] == sign and o["limit"] is not None)
            market = sum(self.book.market_size(sign, price) for price in range(90, 111))
            assert sum(size for _, size in self.book.depth(sign, 99)) == ours + market


TestBook = BookMachine.TestCase


@given(st.lists(SIZES, min_size=2, max_size=8), st.integers(1, 60))
def test_orders_at_one_price_fill_first_in_first_out(sizes: list[int], traded: int) -> None:
    book = Book()
    for order_id, qty in enumerate(sizes, start=1):
        book.enter(order_id, 1, qty, 100)
    filled = {match.buy_id: match.qty for match in book.trade(100, traded, -1)}
    left = traded
    for order_id, qty in enumerate(sizes, start=1):
        assert filled.get(order_id, 0) == min(qty, left)
        left -= min(qty, left)


def test_an_order_waits_for_what_stood_there_before_it() -> None:
    book = Book()
    book.set_level(1, 100, 10)
    book.enter(1, 1, 3, 100)
    assert book.trade(100, 8, -1) == []
    book.set_level(1, 100, 30)
    matches = book.trade(100, 4, -1)
    assert [(m.buy_id, m.qty, m.price) for m in matches] == [(1, 2, 100)]


def test_a_level_that_shrinks_is_canceled_from_behind_the_order() -> None:
    book = Book()
    book.set_level(1, 100, 10)
    book.enter(1, 1, 3, 100)
    book.set_level(1, 100, 6)
    assert book.trade(100, 6, -1) == []
    assert sum(m.qty for m in book.trade(100, 1, -1)) == 1


def test_a_print_through_the_price_fills_at_the_orders_price() -> None:
    book = Book()
    book.set_level(1, 100, 10)
    book.enter(1, 1, 3, 100)
    assert [(m.qty, m.price) for m in book.trade(99, 2, -1)] == [(2, 100)]


def test_size_taken_stays_taken_until_the_tape_says_the_level_anew() -> None:
    book = Book()
    book.set_level(-1, 101, 5)
    book.set_level(-1, 102, 5)
    assert [(m.qty, m.price) for m in book.enter(1, 1, 7, None)] == [(5, 101), (2, 102)]
    assert [(m.qty, m.price) for m in book.enter(2, 1, 2, None)] == [(2, 102)]
    book.set_level(-1, 101, 4)
    assert [(m.qty, m.price) for m in book.enter(3, 1, 2, None)] == [(2, 101)]


def test_the_rest_of_a_market_order_waits_first_in_line_for_depth() -> None:
    book = Book()
    book.set_level(-1, 101, 2)
    assert sum(m.qty for m in book.enter(1, 1, 5, None)) == 2
    assert [(m.buy_id, m.qty, m.price) for m in book.set_level(-1, 103, 2)] == [(1, 2, 103)]
    assert [(m.buy_id, m.sell_id, m.qty) for m in book.enter(2, -1, 4, 99)] == [(1, 2, 1)]
    assert book.withdraw(2) == 3


def test_a_resting_order_trades_with_opposite_liquidity_that_arrives_across_it() -> None:
    book = Book()
    book.set_level(1, 98, 5)
    book.set_level(-1, 102, 5)
    book.enter(1, 1, 4, 100)
    assert [(m.qty, m.price) for m in book.set_level(-1, 100, 3)] == [(3, 100)]
    assert book.market_size(-1, 100) == 0


def test_nothing_is_concluded_from_a_market_that_stands_crossed() -> None:
    book = Book()
    book.set_level(1, 100, 5)
    book.enter(1, 1, 4, 100)
    assert book.set_level(-1, 100, 3) == []
    assert [(m.qty, m.price) for m in book.set_level(1, 100, 0)] == []
    assert [(m.qty, m.price) for m in book.set_level(-1, 101, 3)] == [(3, 100)]


def test_shrinking_keeps_the_place_in_the_queue() -> None:
    book = Book()
    book.enter(1, 1, 5, 100)
    book.enter(2, 1, 5, 100)
    book.shrink(1, 2)
    assert [(m.buy_id, m.qty) for m in book.trade(100, 4, -1)] == [(1, 2), (2, 2)]
