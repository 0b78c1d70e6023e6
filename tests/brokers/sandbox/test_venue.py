"""The venue without sockets: order types, linked orders, accounts. A clock that is set, ids that count."""

import itertools
from collections.abc import Callable
from decimal import Decimal
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokers.sandbox.accounts import Account
from brokers.sandbox.instruments import Catalogue
from brokers.sandbox.market_synthetic import SyntheticMarket
from brokers.sandbox.order_flow import Leg
from brokers.sandbox.orders import Order, OrderStatus, Origin, Reason, Refused, Terms, VenueEvent
from brokers.sandbox.venue import Venue
from schema.records import OrderType, TimeInForce

MID = 19_200


class SetClock:
    def __init__(self) -> None:
        self.at_ns = 1_700_000_000_000_000_000

    def now_ns(self) -> int:
        return self.at_ns


class Floor:
    """A venue with two accounts, ten contracts at each of five levels a side around 4800.00, last trade 4800.00."""

    def __init__(self) -> None:
        ids = itertools.count(1)
        self.catalogue = Catalogue()
        self.es = self.catalogue.fronts[0]
        self.venue = Venue(self.catalogue, SetClock(), lambda: next(ids))
        self.told: list[VenueEvent] = []
        self.venue.events = self.told.append
        for account_id in (1, 2):
            self.venue.accounts[account_id] = Account(account_id, f"A{account_id}", 1, Decimal(1_000_000))
        for distance in range(5):
            self.level(1, MID - 1 - distance, 10)
            self.level(-1, MID + distance, 10)
        self.trade(MID, 1, 1)

    def level(self, sign: int, ticks: int, size: int) -> None:
        self.venue.market_level(self.es.contract_id, sign, ticks, size)

    def trade(self, ticks: int, size: int, aggressor: int) -> None:
        self.venue.market_trade(self.es.contract_id, ticks, size, aggressor)

    def terms(
        self,
        qty: int = 1,
        limit: int | None = None,
        stop: int | None = None,
        time_in_force: TimeInForce = TimeInForce.DAY,
    ) -> Terms:
        kinds = {
            (True, True): OrderType.MARKET,
            (False, True): OrderType.LIMIT,
            (True, False): OrderType.STOP,
            (False, False): OrderType.STOP_LIMIT,
        }
        return Terms(
            qty=qty,
            order_type=kinds[limit is None, stop is None],
            limit=None if limit is None else self.es.price(limit),
            stop=None if stop is None else self.es.price(stop),
            time_in_force=time_in_force,
        )

    def place(self, sign: int, terms: Terms, account_id: int = 1) -> Order:
        return self.venue.place(account_id, "ESH4", sign, terms, Origin())

    def net(self, account_id: int = 1) -> int:
        return self.venue.accounts[account_id].net(self.es)

    def prices(self, order: Order) -> list[tuple[int, int]]:
        return [(fill.qty, fill.ticks) for fill in self.venue.fills if fill.order_id == order.order_id]


@pytest.fixture
def floor() -> Floor:
    return Floor()


def test_a_market_order_takes_the_depth_that_is_there_level_by_level(floor: Floor) -> None:
    order = floor.place(1, floor.terms(25))
    assert floor.prices(order) == [(10, MID), (10, MID + 1), (5, MID + 2)]
    assert order.status is OrderStatus.FILLED
    assert order.average == Decimal("4800.20")


def test_a_stop_waits_for_a_trade_at_its_price_and_then_takes_the_market(floor: Floor) -> None:
    order = floor.place(-1, floor.terms(2, stop=MID - 2))
    floor.trade(MID - 1, 1, -1)
    assert not floor.prices(order)
    floor.trade(MID - 2, 1, -1)
    assert floor.prices(order) == [(2, MID - 1)]


def test_a_stop_limit_rests_at_its_limit_once_triggered(floor: Floor) -> None:
    order = floor.place(1, floor.terms(12, limit=MID + 1, stop=MID + 1))
    floor.level(-1, MID, 0)
    floor.trade(MID + 1, 1, 1)
    assert floor.prices(order) == [(10, MID + 1)]
    assert order.status is OrderStatus.WORKING
    floor.trade(MID, 5, -1)
    assert order.status is OrderStatus.FILLED


def test_stops_cascade_when_one_accounts_trade_reaches_anothers_stop(floor: Floor) -> None:
    stop = floor.place(1, floor.terms(1, stop=MID + 2), account_id=2)
    floor.place(1, floor.terms(25))
    assert floor.prices(stop) == [(1, MID + 2)]


def test_immediate_or_cancel_and_fill_or_kill_leave_nothing_behind(floor: Floor) -> None:
    some = floor.place(1, floor.terms(15, limit=MID, time_in_force=TimeInForce.IOC))
    assert (some.filled_qty, some.status) == (10, OrderStatus.CANCELED)
    none = floor.place(1, floor.terms(15, limit=MID + 1, time_in_force=TimeInForce.FOK))
    assert (none.filled_qty, none.status) == (0, OrderStatus.CANCELED)
    all_of_it = floor.place(1, floor.terms(15, limit=MID + 2, time_in_force=TimeInForce.FOK))
    assert all_of_it.status is OrderStatus.FILLED


def test_one_cancels_other_and_a_partial_fill_shrinks_the_twin(floor: Floor) -> None:
    floor.place(1, floor.terms(4))
    target, guard = floor.venue.place_oco(
        1,
        "ESH4",
        Leg(sign=-1, terms=floor.terms(4, limit=MID + 9)),
        Leg(sign=-1, terms=floor.terms(4, stop=MID - 9)),
    )
    floor.trade(MID + 10, 1, 1)
    assert (target.left, guard.left) == (3, 3)
    floor.trade(MID + 10, 9, 1)
    assert (target.status, guard.status) == (OrderStatus.FILLED, OrderStatus.CANCELED)
    assert floor.net() == 0


def test_the_twin_of_an_order_that_is_filled_at_once_never_works(floor: Floor) -> None:
    floor.place(1, floor.terms(4))
    target, guard = floor.venue.place_oco(
        1,
        "ESH4",
        Leg(sign=-1, terms=floor.terms(4, limit=MID - 1)),
        Leg(sign=-1, terms=floor.terms(4, stop=MID - 9)),
    )
    assert (target.status, guard.status) == (OrderStatus.FILLED, OrderStatus.CANCELED)
    assert list(floor.venue.live_orders(1)) == []
    floor.trade(MID - 10, 1, -1)
    assert floor.net() == 0


def test_brackets_sleep_until_the_entry_fills_and_die_with_it(floor: Floor) -> None:
    def bracketed(entry: Terms) -> tuple[Order, list[Order]]:
        legs = [
            Leg(sign=-1, terms=floor.terms(2, limit=MID + 9)),
            Leg(sign=-1, terms=floor.terms(2, stop=MID - 9)),
        ]
        return floor.venue.place_oso(1, "ESH4", Leg(sign=1, terms=entry), legs)

    entry, legs = bracketed(floor.terms(2, limit=MID - 3))
    assert [leg.status for leg in legs] == [OrderStatus.SUSPENDED] * 2
    floor.venue.cancel(entry.order_id, Origin())
    assert [leg.status for leg in legs] == [OrderStatus.CANCELED] * 2
    entry, legs = bracketed(floor.terms(2))
    assert [leg.status for leg in legs] == [OrderStatus.WORKING] * 2
    floor.trade(MID - 9, 1, -1)
    assert [leg.status for leg in legs] == [OrderStatus.CANCELED, OrderStatus.FILLED]
    assert floor.net() == 0


def test_brackets_grow_with_the_fills_of_their_entry_and_what_has_not_filled_leaves_them(floor: Floor) -> None:
    legs = [Leg(sign=-1, terms=floor.terms(4, limit=MID + 9)), Leg(sign=-1, terms=floor.terms(4, stop=MID - 20))]
    entry, (target, guard) = floor.venue.place_oso(1, "ESH4", Leg(sign=1, terms=floor.terms(4, limit=MID - 9)), legs)
    floor.trade(MID - 9, 1, -1)
    assert [(leg.status, leg.left) for leg in (target, guard)] == [(OrderStatus.WORKING, 1)] * 2
    floor.trade(MID - 9, 2, -1)
    assert (entry.filled_qty, target.left, guard.left) == (3, 3, 3)
    floor.venue.cancel(entry.order_id, Origin())
    assert [(leg.status, leg.left) for leg in (target, guard)] == [(OrderStatus.WORKING, 3)] * 2
    floor.trade(MID - 20, 1, -1)
    assert (guard.status, target.status, floor.net()) == (OrderStatus.FILLED, OrderStatus.CANCELED, 0)


def test_a_target_that_traded_and_an_entry_that_fills_on_leave_both_legs_of_one_size(floor: Floor) -> None:
    legs = [Leg(sign=-1, terms=floor.terms(4, limit=MID + 9)), Leg(sign=-1, terms=floor.terms(4, stop=MID - 20))]
    _, (target, guard) = floor.venue.place_oso(1, "ESH4", Leg(sign=1, terms=floor.terms(4, limit=MID - 9)), legs)
    floor.trade(MID - 9, 3, -1)
    floor.trade(MID + 10, 1, 1)
    assert (target.left, guard.left, floor.net()) == (2, 2, 2)
    floor.trade(MID - 9, 1, -1)
    assert (target.left, guard.left, floor.net()) == (3, 3, 3)


def test_a_refused_entry_refuses_its_brackets(floor: Floor) -> None:
    floor.venue.accounts[1].max_order = 1
    legs = [Leg(sign=-1, terms=floor.terms(2, stop=MID - 9))]
    with pytest.raises(Refused) as refused:
        floor.venue.place_oso(1, "ESH4", Leg(sign=1, terms=floor.terms(2, limit=MID - 3)), legs)
    assert refused.value.reason is Reason.MAX_ORDER_QTY
    assert {order.status for order in floor.venue.orders.values()} == {OrderStatus.REJECTED}


def test_a_trailing_stop_follows_the_last_trade_and_never_goes_back(floor: Floor) -> None:
    floor.trade(MID, 1, 1)
    contract = floor.venue.catalogue.by_symbol["ESH4"]
    trail = contract.product.tick_size * 10

    def trailing(sign: int, stop: int) -> Order:
        terms = floor.terms(1, stop=stop)
        terms = msgspec.structs.replace(terms, trail=trail)
        return floor.venue.place(1, "ESH4", sign, terms, Origin())

    sell, buy = trailing(-1, MID - 12), trailing(1, MID + 30)
    at: list[tuple[Decimal | None, Decimal | None]] = []
    for ticks in (MID + 1, MID + 6, MID + 2, MID + 7):
        floor.trade(ticks, 1, 1)
        at.append((sell.trigger, buy.trigger))
    wanted = [(MID - 9, MID + 11), (MID - 4, MID + 11), (MID - 4, MID + 11), (MID - 3, MID + 11)]
    assert at == [(contract.price(low), contract.price(high)) for low, high in wanted]
    # Another size leaves it where it has come to; another stop price or distance is a new beginning.
    floor.venue.modify(sell.order_id, msgspec.structs.replace(sell.terms, qty=2), Origin())
    assert sell.trigger == contract.price(MID - 3)
    floor.venue.modify(sell.order_id, msgspec.structs.replace(sell.terms, stop=contract.price(MID - 8)), Origin())
    assert (sell.trigger, sell.status) == (contract.price(MID - 8), OrderStatus.WORKING)
    floor.venue.cancel(buy.order_id, Origin())
    floor.trade(MID - 8, 1, -1)
    assert (sell.status, sell.filled_qty, buy.status) == (OrderStatus.FILLED, 2, OrderStatus.CANCELED)


def test_a_modification_keeps_the_place_only_for_less_of_the_same(floor: Floor) -> None:
    first, second = (floor.place(1, floor.terms(4, limit=MID - 9), account_id) for account_id in (1, 2))
    floor.venue.modify(first.order_id, floor.terms(2, limit=MID - 9), Origin())
    floor.trade(MID - 9, 1, -1)
    assert (first.filled_qty, second.filled_qty) == (1, 0)
    floor.venue.modify(first.order_id, floor.terms(5, limit=MID - 9), Origin())
    floor.trade(MID - 9, 4, -1)
    assert (first.filled_qty, second.filled_qty) == (1, 4)


def test_an_order_that_only_reduces_passes_every_limit_but_the_lock(floor: Floor) -> None:
    account = floor.venue.accounts[1]
    floor.place(1, floor.terms(5))
    account.balance, account.max_position, account.liquidate_only = Decimal(0), 1, True
    with pytest.raises(Refused) as refused:
        floor.place(-1, floor.terms(6))
    assert refused.value.reason is Reason.LIQUIDATION_ONLY
    floor.place(-1, floor.terms(3))
    assert floor.net() == 2
    account.locked = True
    with pytest.raises(Refused):
        floor.place(-1, floor.terms(1))


def test_a_closing_session_expires_day_orders_and_keeps_the_others(floor: Floor) -> None:
    day = floor.place(1, floor.terms(1, limit=MID - 9))
    kept = floor.place(1, floor.terms(1, limit=MID - 9, time_in_force=TimeInForce.GTC))
    floor.venue.close_session()
    assert (day.status, kept.status) == (OrderStatus.EXPIRED, OrderStatus.WORKING)


Step = Callable[[Floor], None]


def _steps() -> st.SearchStrategy[list[tuple[str, int, int, int, int]]]:
    kinds = st.sampled_from(("market", "limit", "stop", "ioc", "cancel", "liquidate", "level", "trade"))
    return st.lists(
        st.tuples(kinds, st.sampled_from((1, 2)), st.sampled_from((1, -1)), st.integers(1, 12), st.integers(-6, 6)),
        max_size=60,
    )


@settings(deadline=None)
@given(_steps())
def test_positions_are_the_sum_of_fills_and_pnl_is_what_the_fills_say(
    steps: list[tuple[str, int, int, int, int]],
) -> None:
    floor = Floor()
    for kind, account_id, sign, qty, away in steps:
        try:
            match kind:
                case "market":
                    floor.place(sign, floor.terms(qty), account_id)
                case "limit":
                    floor.place(sign, floor.terms(qty, limit=MID + away), account_id)
                case "stop":
                    floor.place(sign, floor.terms(qty, stop=MID + away), account_id)
                case "ioc":
                    terms = floor.terms(qty, limit=MID + away, time_in_force=TimeInForce.IOC)
                    floor.place(sign, terms, account_id)
                case "cancel":
                    for order in list(floor.venue.live_orders(account_id))[:1]:
                        floor.venue.cancel(order.order_id, Origin())
                case "liquidate":
                    floor.venue.liquidate(account_id, floor.es.contract_id, Origin())
                case "level":
                    floor.level(sign, MID + away, qty - 1)
                case _:
                    floor.trade(MID + away, qty, sign)
        except Refused:
            pass
    mark = floor.venue.mark(floor.es.contract_id)
    for account in floor.venue.accounts.values():
        fills = [fill for fill in floor.venue.fills if fill.account_id == account.account_id]
        assert account.net(floor.es) == sum(fill.sign * fill.qty for fill in fills)
        cash = -sum(fill.sign * fill.qty * fill.ticks for fill in fills)
        worth = floor.es.money(cash + account.net(floor.es) * mark)
        assert account.realized + account.open_pnl(floor.venue.marks()) == worth
    for order in floor.venue.orders.values():
        mine = [fill for fill in floor.venue.fills if fill.order_id == order.order_id]
        assert order.filled_qty == sum(fill.qty for fill in mine) <= order.terms.qty
        assert (order.status is OrderStatus.FILLED) == (order.left == 0)


def test_the_same_seed_makes_the_same_market() -> None:
    def final(seed: int) -> list[tuple[int, int]]:
        floor = Floor()
        market = SyntheticMarket(Random(seed), floor.catalogue.fronts, 0)
        market.open(floor.venue)
        for _ in range(100):
            market.advance(1_000_000_000)
        book = floor.venue.books[floor.es.contract_id]
        assert book.best_market(1) < book.best_market(-1)  # type: ignore[operator]
        return book.depth(1, 10) + book.depth(-1, 10)

    assert final(7) == final(7) != final(8)
    assert len(final(7)) == 20
