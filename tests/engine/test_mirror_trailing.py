"""Trailing stops of the leader: native where the venue trails, else moved by the desk, and never back."""

from decimal import Decimal

import pytest

from schema.records import (
    ApprovedOrder,
    Decision,
    DriftPolicy,
    FollowerConfig,
    LiveStatus,
    Mode,
    OrderType,
    Rule,
    Side,
    SymbolMap,
    TimeInForce,
)
from tests.engine.mirror_table import MirrorTable, reborn
from tests.engine.table import LEADER

ONE = Rule()
D = Decimal


def table(*rules: Rule | FollowerConfig, trails: bool = False, lots: int = 2) -> MirrorTable:
    """The leader and its followers hold `lots`, and the leader has a trailing stop 10 points behind."""
    followers = {f"DEMO{number}": rule for number, rule in enumerate(rules or (ONE,), start=1)}
    desk = MirrorTable(followers, mode=Mode.ORDERS, drift=DriftPolicy.EXITS)
    for name in followers:
        desk.can(name, trails=trails, gtc=trails)
    desk.leader(lots)
    desk.work()
    desk.rest("S1", -lots, stop="4790", trail="10")
    return desk


def stops(desk: MirrorTable, account: str = "DEMO1") -> list[tuple[str, int, Decimal | None]]:
    return desk.working(account)


def placed(desk: MirrorTable) -> list[ApprovedOrder]:
    return desk.work()


def moved(desk: MirrorTable) -> list[Decimal | None]:
    return [change.terms and (change.terms.stop_price or change.terms.limit_price) for change in desk.answer()]


def test_a_venue_that_trails_gets_the_distance_and_is_left_alone() -> None:
    desk = table(trails=True)
    (order,) = placed(desk)
    assert (order.order_type, order.side, order.stop_price, order.trail) == (
        OrderType.TRAILING_STOP, Side.SELL, D(4790), D(10),
    )  # fmt: skip
    assert desk.core.mirrored.orders  # the desk needs no price for it
    for at in ("4805", "4820", "4810"):
        desk.price(at)
    assert desk.changes == []
    tag = desk.tags("DEMO1")[0]
    desk.move(tag, stop_price=D(4810))  # where its venue shows it
    desk.passes(2, ticks=20)
    assert desk.changes == []
    assert desk.core.undecided(desk.now_ns) == 0


def test_elsewhere_the_desk_draws_a_plain_stop_after_the_market_and_never_back() -> None:
    desk = table()
    (order,) = placed(desk)
    assert (order.order_type, order.stop_price, order.trail) == (OrderType.STOP, D(4790), None)
    asked: list[Decimal | None] = []
    for at in ("4801", "4805.25", "4799", "4805", "4806", "4790"):
        desk.price(at)
        asked += moved(desk)
    assert asked == [D(4791), D("4795.25"), D(4796)]
    assert stops(desk) == [("stop", -2, D(4796))]


def test_a_trend_costs_one_request_a_second_and_the_newest_price_wins() -> None:
    desk = table()
    placed(desk)
    asked: list[Decimal | None] = []
    for step in range(1, 41):
        desk.price(str(D(4800) + D(step) / 4), after_s=0.1)
        asked += moved(desk)
    desk.passes(1.0, ticks=20)  # nothing trades any more
    asked += moved(desk)
    assert 3 <= len(asked) <= 6, asked
    assert asked == sorted(asked)  # type: ignore[type-var]
    assert stops(desk) == [("stop", -2, D(4800))]


def test_while_a_move_has_no_answer_the_next_ones_wait_and_only_the_newest_goes() -> None:
    desk = table()
    placed(desk)
    for at in ("4803", "4807", "4811"):
        desk.price(at)
    assert [change.terms and change.terms.stop_price for change in desk.changes] == [D(4793)]
    assert moved(desk) == [D(4793)]
    assert moved(desk) == [D(4801)]
    assert desk.changes == []


def test_the_leaders_own_changes_of_it_are_followed_also_farther_off() -> None:
    desk = table(ONE, ONE)
    desk.can("DEMO2", trails=True)
    desk.gone("S1")
    desk.rest("S2", -2, stop="4790", trail="10")
    desk.work()
    desk.answer()
    desk.price("4810")
    moved(desk)
    desk.move("S2", trail=D(20), stop_price=D(4785))
    asked = {change.account: change.terms for change in desk.answer()}
    assert asked["DEMO1"].stop_price == D(4785)
    assert asked["DEMO2"] is None, "of what a venue trails it changes only the lots: another distance is another order"
    (order,) = placed(desk)
    assert (order.account, order.order_type, order.qty) == ("DEMO2", OrderType.TRAILING_STOP, 2)
    assert (order.trail, order.stop_price) == (D(20), D(4785))
    desk.gone("S2")
    desk.answer()
    assert stops(desk) == stops(desk, "DEMO2") == []
    assert desk.last("DEMO1").decision is Decision.COPIED


def test_t_prot_a_trailing_stop_that_is_placed_anew_is_so_as_soon_as_the_old_one_has_ended_and_is_told_as_that() -> (
    None
):
    desk = table(trails=True)
    desk.work()
    desk.move("S1", qty=1)
    (smaller,) = desk.answer()
    assert smaller.terms is not None
    assert (smaller.terms.qty, smaller.terms.trail) == (1, D(10)), "the lots alone are a change as any other"
    desk.move("S1", qty=2)
    desk.answer()
    began_ns = desk.now_ns
    desk.move("S1", trail=D(20), stop_price=D(4785))
    change = desk.last("DEMO1")
    assert (change.decision, change.trail) == (Decision.PENDING, D(20))
    assert "placed anew" in change.reason
    (cancel,) = desk.changes
    assert cancel.terms is None
    assert desk.take() == [], "two stops at once would close twice"
    desk.answer()
    assert [order.trail for order in desk.take()] == [D(20)]
    assert desk.now_ns - began_ns < 100_000_000
    (decided,) = [copy for copy in desk.copies.values() if "placed anew" in copy.reason]
    assert decided.decision is Decision.COPIED


def test_a_leader_whose_stop_trails_no_more_has_a_plain_stop_at_its_followers() -> None:
    desk = table(trails=True)
    desk.work()
    desk.move("S1", order_type=OrderType.STOP, trail=None, stop_price=D(4795))
    desk.answer()
    (order,) = placed(desk)
    assert (order.order_type, order.stop_price, order.trail) == (OrderType.STOP, D(4795), None)
    assert stops(desk) == [("stop", -2, D(4795))]


def test_a_venue_that_tells_where_the_leaders_stands_is_believed_and_costs_no_pair() -> None:
    desk = table()
    placed(desk)
    signals = len(desk.signals)
    for at in ("4792", "4794", "4797"):
        desk.move("S1", stop_price=D(at))
    desk.answer()
    desk.answer()
    assert stops(desk) == [("stop", -2, D(4797))]
    assert len(desk.signals) == signals


@pytest.mark.parametrize("trails", [True, False])
def test_a_micro_keeps_the_distance_in_price(trails: bool) -> None:
    micro = SymbolMap(leader_root="ES", follower_root="MES", lot_factor=D(10))
    desk = table(FollowerConfig(account="DEMO1", group="main", symbols=(micro,)), trails=trails)
    (order,) = placed(desk)
    assert (order.symbol, order.qty, order.stop_price, order.trail) == ("MESH4", 20, D(4790), D(10) if trails else None)
    desk.price("4802")
    assert moved(desk) == ([] if trails else [D(4792)])


@pytest.mark.parametrize("trails", [True, False])
def test_an_inverted_follower_waits_where_the_leaders_stands_with_a_limit_that_the_desk_moves(trails: bool) -> None:
    desk = table(Rule(invert=True), trails=trails)
    (order,) = placed(desk)
    assert (order.side, order.order_type, order.limit_price) == (Side.BUY, OrderType.LIMIT, D(4790))
    for at in ("4805", "4800", "4808"):
        desk.price(at)
        moved(desk)
    assert stops(desk) == [("limit", 2, D(4798))]


def test_a_short_leaders_trailing_stop_comes_down() -> None:
    desk = MirrorTable({"DEMO1": ONE}, mode=Mode.ORDERS)
    desk.leader(-1)
    desk.work()
    desk.rest("S1", +1, stop="4810", trail="10")
    desk.work()
    for at in ("4797.75", "4803", "4790"):
        desk.price(at)
        moved(desk)
    assert stops(desk) == [("stop", 1, D(4800))]


def test_a_new_desk_does_not_put_back_what_the_last_one_had_drawn() -> None:
    desk = table()
    placed(desk)
    desk.price("4820")
    moved(desk)
    new = reborn(desk)
    new.can("DEMO1")
    for account in (LEADER, "DEMO1"):
        new.connect(account)
    new.passes(1, ticks=10)
    new.price("4805")
    assert new.changes == []
    assert new.take() == []
    new.price("4822")
    assert [change.terms and change.terms.stop_price for change in new.answer()] == [D(4812)]


def test_a_leader_stopped_out_by_its_trailing_stop_leaves_nobody_in() -> None:
    desk = table(ONE, ONE)
    desk.can("DEMO2", trails=True)
    placed(desk)
    desk.leader_fills("S1")
    for name in ("DEMO1", "DEMO2"):
        desk.trades(desk.tags(name)[0])
    desk.passes(4, ticks=40)
    assert desk.take() == []
    assert [desk.holds(name) for name in ("DEMO1", "DEMO2")] == [0, 0]


def test_a_trailing_stop_without_its_price_or_its_distance_is_not_guessed() -> None:
    desk = table()
    desk.work()
    signals = len(desk.signals)
    for names in ({"stop_price": None}, {"trail": None}):
        desk.move("S1", **names)
    assert len(desk.signals) == signals
    assert desk.changes == []


def test_a_leaders_trailing_bracket_leaves_with_its_entry() -> None:
    desk = MirrorTable({"DEMO1": ONE}, mode=Mode.ORDERS)
    desk.can("DEMO1", links=True, trails=True)
    names = {"status": LiveStatus.SUSPENDED, "parent_id": "L1"}
    desk.rest("L1T", -1, limit="4810", oco_id="L1S", **names)
    desk.rest("L1S", -1, stop="4780", trail="10", oco_id="L1T", **names)
    desk.rest("L1", +1, limit="4790")
    (order,) = desk.work()
    assert [(leg.order_type, leg.trail) for leg in order.brackets] == [
        (OrderType.LIMIT, None),
        (OrderType.TRAILING_STOP, D(10)),
    ]


# --- how long an order lasts ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gtc", [True, False])
def test_a_copy_lasts_as_long_as_the_leaders_order_where_its_venue_can(gtc: bool) -> None:
    desk = MirrorTable({"DEMO1": ONE}, mode=Mode.ORDERS)
    desk.can("DEMO1", gtc=gtc)
    desk.rest("L1", +1, limit="4790", time_in_force=TimeInForce.GTC)
    (order,) = desk.work()
    assert order.time_in_force is (TimeInForce.GTC if gtc else TimeInForce.DAY)
    copy = desk.last("DEMO1")
    assert copy.time_in_force is order.time_in_force
    assert copy.reason == ("" if gtc else "for the day: its venue has no GTC")
    desk.rest("L2", +1, limit="4789")
    assert [order.time_in_force for order in desk.work()] == [TimeInForce.DAY]


def test_what_protects_a_position_lasts_as_long_as_the_leaders_order_also_after_a_restart() -> None:
    desk = MirrorTable({"DEMO1": ONE}, mode=Mode.ORDERS)
    desk.can("DEMO1", gtc=True)
    desk.leader(+1)
    (entry,) = desk.take()
    desk.rest("S1", -1, stop="4780", time_in_force=TimeInForce.GTC)
    new = reborn(desk)
    new.can("DEMO1", gtc=True)
    new.execute(entry, tell=False)
    for account in (LEADER, "DEMO1"):
        new.connect(account)
    new.passes(1, ticks=10)
    assert [(order.order_type, order.time_in_force) for order in new.work()] == [(OrderType.STOP, TimeInForce.GTC)]
