"""Linked orders: brackets and one-cancels-other pairs, native where the venue links them, else held by the desk."""

from decimal import Decimal

import pytest

from schema.records import (
    Decision,
    DoneStatus,
    DriftPolicy,
    FollowerConfig,
    Guard,
    LiveOrder,
    LiveStatus,
    Mode,
    OrderType,
    RejectClass,
    Rounding,
    Rule,
    Side,
    SymbolMap,
    Unfilled,
)
from tests.engine.mirror_table import MirrorTable, reborn
from tests.engine.table import LEADER

ONE = Rule()
HALF = Rule(value=Decimal("0.5"))
D = Decimal


def table(*rules: Rule | FollowerConfig, links: bool = True, **group: object) -> MirrorTable:
    followers = {f"DEMO{number}": rule for number, rule in enumerate(rules or (ONE,), start=1)}
    group = {"mode": Mode.ORDERS, "drift": DriftPolicy.EXITS, **group}
    desk = MirrorTable(followers, **group)  # type: ignore[arg-type]
    if links:
        desk.links()
    return desk


def tag_of(desk: MirrorTable, account: str, kind: OrderType, side: Side = Side.SELL) -> str:
    """The follower's newest order of a kind."""
    return [
        key
        for key, order in desk.orders.items()
        if order.account == account and order.order_type is kind and order.side is side and order.cl_ord_id
    ][-1]


def rows(desk: MirrorTable, account: str) -> list[tuple[Decision, str]]:
    return [(copy.decision, copy.reason) for (_, name), copy in desk.copies.items() if name == account]


def at_rest(desk: MirrorTable, account: str = "DEMO1") -> None:
    """Nothing is wanted of anything any more, and every pair has its decision."""
    desk.passes(4, ticks=40)
    desk.answer()
    desk.passes(1, ticks=10)
    assert desk.take() == []
    assert desk.changes == []
    assert desk.core.undecided(desk.now_ns) == 0
    assert all(decision not in (Decision.PENDING, Decision.UNKNOWN) for decision, _ in rows(desk, account))
    assert desk.core.mirrored.links == {}


# --- an entry with its brackets ---------------------------------------------------------------------------------------


def test_t_prot_a_leaders_bracket_is_one_request_with_its_exits_in_it() -> None:
    desk = table(ONE, HALF)
    desk.bracket("L1", +2, limit="4790", target="4800", stop="4785")
    first, second = desk.work()
    assert [(leg.side, leg.qty, leg.order_type, leg.limit_price, leg.stop_price) for leg in first.legs] == [
        (Side.BUY, 2, OrderType.LIMIT, D(4790), None),
        (Side.SELL, 2, OrderType.LIMIT, D(4800), None),
        (Side.SELL, 2, OrderType.STOP, None, D(4785)),
    ]
    assert {leg.qty for leg in second.legs} == {1}
    assert len({leg.cl_ord_id for leg in (*first.legs, *second.legs)}) == 6
    assert [decision for decision, _ in rows(desk, "DEMO1")] == [Decision.COPIED] * 3
    desk.leader_fills("L1")
    desk.trades(tag_of(desk, "DEMO1", OrderType.LIMIT, Side.BUY))
    assert desk.take() == []
    assert desk.working("DEMO1") == [("limit", -2, D(4800)), ("stop", -2, D(4785))]
    desk.trades(tag_of(desk, "DEMO2", OrderType.LIMIT, Side.BUY))
    at_rest(desk)


def test_nothing_of_a_bracket_leaves_before_the_journal_holds_every_pair_of_it() -> None:
    desk = table()
    desk.journal_up = False
    desk.bracket("L1", +1, limit="4790", target="4800", stop="4785")
    commits, desk.waiting = desk.waiting, []
    assert len(commits) == 3
    for commit in commits:
        assert desk.sent == []
        desk.commit(commit)
    assert [len(order.legs) for order in desk.take()] == [3]


def test_a_venue_that_links_nothing_gets_the_entry_alone_and_the_exits_when_it_has_filled() -> None:
    desk = table(links=False)
    desk.bracket("L1", +2, limit="4790", target="4800", stop="4785")
    assert [order.legs[1:] for order in desk.work()] == [()]
    desk.leader_fills("L1")
    desk.trades(desk.tags("DEMO1")[0])
    assert [len(order.legs) for order in desk.work()] == [1, 1]
    assert desk.working("DEMO1") == [("limit", -2, D(4800)), ("stop", -2, D(4785))]
    at_rest(desk)


def test_in_one_group_each_follower_is_protected_as_its_venue_can() -> None:
    desk = table(ONE, ONE, links=False)
    desk.links("DEMO1")
    desk.bracket("L1", +1, limit="4790", target="4800", stop="4785")
    assert [len(order.legs) for order in desk.work()] == [3, 1]
    assert (Decision.SKIPPED, "it is placed when its entry fills") in rows(desk, "DEMO2")
    desk.leader_fills("L1")
    for name in ("DEMO1", "DEMO2"):
        desk.trades(tag_of(desk, name, OrderType.LIMIT, Side.BUY))
    assert [(order.account, len(order.legs)) for order in desk.work()] == [("DEMO2", 1), ("DEMO2", 1)]
    assert desk.working("DEMO1") == desk.working("DEMO2")
    at_rest(desk)
    at_rest(desk, "DEMO2")


def test_a_follower_that_fills_before_its_leader_keeps_the_brackets_that_its_venue_awoke() -> None:
    desk = table()
    desk.bracket("L1", +2, limit="4790", target="4800", stop="4785")
    desk.work()
    entry = tag_of(desk, "DEMO1", OrderType.LIMIT, Side.BUY)
    desk.trades(entry, 1)
    desk.passes(2, ticks=20)
    assert desk.changes == []
    assert [row for row in desk.working("DEMO1") if row[1] < 0] == [("limit", -1, D(4800)), ("stop", -1, D(4785))]
    desk.trades(entry)
    desk.passes(2, ticks=20)
    desk.leader_fills("L1")
    assert desk.working("DEMO1") == [("limit", -2, D(4800)), ("stop", -2, D(4785))]
    at_rest(desk)


def test_partial_fills_of_the_leader_ask_nothing_of_brackets_that_the_venue_sizes() -> None:
    desk = table(HALF)
    desk.bracket("L1", +4, limit="4790", target="4800", stop="4785")
    desk.work()
    for _ in range(4):
        desk.leader_fills("L1", 1)
        desk.passes(0.2, ticks=4)
    entry = tag_of(desk, "DEMO1", OrderType.LIMIT, Side.BUY)
    desk.trades(entry, 1)
    desk.passes(0.2, ticks=4)
    desk.trades(entry, 1)
    assert desk.changes == []
    assert desk.working("DEMO1") == [("limit", -2, D(4800)), ("stop", -2, D(4785))]
    at_rest(desk)


def test_a_stop_that_the_leader_moves_behind_its_entry_moves_at_the_venue() -> None:
    desk = table()
    desk.bracket("L1", +1, limit="4790", target="4800", stop="4785")
    desk.work()
    desk.move("L1S", stop_price=D(4786))
    assert [(c.terms and c.terms.stop_price) for c in desk.answer()] == [D(4786)]
    assert desk.last("DEMO1").decision is Decision.COPIED
    moved = desk.orders[tag_of(desk, "DEMO1", OrderType.STOP)]
    assert isinstance(moved, LiveOrder) and (moved.status, moved.stop_price) == (LiveStatus.SUSPENDED, D(4786))
    at_rest(desk)


def test_a_canceled_entry_takes_its_brackets_with_it_and_no_cancel_of_them_is_sent() -> None:
    desk = table()
    desk.bracket("L1", +1, limit="4790", target="4800", stop="4785")
    desk.work()
    desk.gone("L1")
    desk.gone("L1T")
    desk.gone("L1S")
    (asked,) = desk.answer()
    assert asked.terms is None and desk.orders[asked.cl_ord_id].side is Side.BUY
    assert desk.working("DEMO1") == []
    at_rest(desk)
    assert {decision for decision, _ in rows(desk, "DEMO1")} == {Decision.COPIED}


def test_a_cancel_that_came_too_late_leaves_no_bracket_and_no_lots() -> None:
    """T-ORPHAN: the entry fills while its cancel is on its way."""
    desk = table()
    desk.bracket("L1", +2, limit="4790", target="4800", stop="4785")
    desk.work()
    for leg in ("L1", "L1T", "L1S"):
        desk.gone(leg)
    desk.trades(tag_of(desk, "DEMO1", OrderType.LIMIT, Side.BUY))
    for _ in range(6):
        desk.answer()
        desk.work()
        desk.passes(0.3, ticks=6)
    assert desk.holds("DEMO1") == 0
    assert desk.working("DEMO1") == []
    at_rest(desk)


def test_a_refused_bracket_refuses_its_entry_and_nothing_is_placed_without_its_stop() -> None:
    desk = table()
    desk.bracket("L1", +1, limit="4790", target="4800", stop="4785")
    (order,) = desk.take()
    for leg in order.legs:
        desk.reject(leg, RejectClass.PRICE)
    desk.passes(3, ticks=30)
    assert desk.take() == []
    assert [decision for decision, _ in rows(desk, "DEMO1")] == [Decision.REJECTED] * 3


def test_a_guard_set_while_the_journal_was_written_keeps_the_whole_bracket_back() -> None:
    desk = table()
    desk.journal_up = False
    desk.bracket("L1", +1, limit="4790", target="4800", stop="4785")
    commits, desk.waiting, desk.journal_up = desk.waiting, [], True
    desk.configure(guard=Guard.HALT)
    for commit in commits:
        desk.commit(commit)
    assert desk.take() == []
    assert [decision for decision, _ in rows(desk, "DEMO1")] == [Decision.SKIPPED] * 3
    at_rest(desk)


@pytest.mark.parametrize("unfilled", list(Unfilled))
def test_an_entry_that_waits_too_long_is_protected_whatever_becomes_of_it(unfilled: Unfilled) -> None:
    desk = table(unfilled=unfilled, unfilled_s=1)
    desk.bracket("L1", +2, limit="4790", target="4800", stop="4785")
    desk.work()
    desk.leader_fills("L1")
    for _ in range(12):
        desk.passes(0.3, ticks=6)
        desk.answer()
        desk.work()
    exits = [row for row in desk.working("DEMO1") if row[1] < 0]
    match unfilled:
        case Unfilled.MARKET:
            assert desk.holds("DEMO1") == 2
            assert exits == [("limit", -2, D(4800)), ("stop", -2, D(4785))]
        case Unfilled.CANCEL:
            assert (desk.holds("DEMO1"), exits) == (0, [])
        case Unfilled.LEAVE:
            assert (desk.holds("DEMO1"), len(exits)) == (0, 2)


def test_brackets_of_another_size_than_the_entry_are_held_by_the_desk() -> None:
    desk = table()
    desk.rest("T1", -1, limit="4800", status=LiveStatus.SUSPENDED, parent_id="L1")
    desk.rest("S1", -2, stop="4785", status=LiveStatus.SUSPENDED, parent_id="L1")
    desk.rest("L1", +2, limit="4790")
    assert [len(order.legs) for order in desk.work()] == [1]


def test_a_micro_and_an_inverted_follower_get_their_own_bracket() -> None:
    micro = SymbolMap(leader_root="ES", follower_root="MES", lot_factor=D(10))
    desk = table(FollowerConfig(account="DEMO1", group="main", symbols=(micro,)), Rule(invert=True))
    desk.bracket("L1", +1, limit="4790", target="4800", stop="4785")
    first, second = desk.work()
    assert [(leg.symbol, leg.qty) for leg in first.legs] == [("MESH4", 10)] * 3
    assert [(leg.side, leg.order_type, leg.limit_price or leg.stop_price) for leg in second.legs] == [
        (Side.SELL, OrderType.STOP, D(4790)),
        (Side.BUY, OrderType.STOP, D(4800)),
        (Side.BUY, OrderType.LIMIT, D(4785)),
    ]


# --- one cancels other ------------------------------------------------------------------------------------------------


def protected(*rules: Rule, links: bool = True, lots: int = 2) -> MirrorTable:
    """The leader and its followers hold `lots`, with a target and a stop at rest."""
    desk = table(*rules, links=links)
    desk.leader(lots)
    desk.work()
    desk.oco("X", -lots, target="4810", stop="4780")
    desk.work()
    return desk


def test_a_pair_of_the_leader_is_one_request_of_two_linked_orders() -> None:
    desk = table(ONE, Rule(value=D("1.5"), rounding=Rounding.UP))
    desk.leader(+1)
    desk.work()
    desk.oco("X", -1, target="4810", stop="4780")
    orders = desk.work()
    assert [[(leg.order_type, leg.qty) for leg in order.legs] for order in orders] == [
        [(OrderType.LIMIT, 1), (OrderType.STOP, 1)],
        [(OrderType.LIMIT, 2), (OrderType.STOP, 2)],
    ]
    at_rest(desk)


def test_a_twin_that_does_not_come_holds_nothing_up_for_long() -> None:
    desk = table()
    desk.leader(+1)
    desk.work()
    desk.rest("XS", -1, stop="4780", oco_id="XT")
    assert desk.take() == []
    desk.passes(0.15, ticks=3)
    assert [(o.order_type, o.legs[1:]) for o in desk.work()] == [(OrderType.STOP, ())]
    desk.rest("XT", -1, limit="4810", oco_id="XS")
    assert [(o.order_type, o.legs[1:]) for o in desk.work()] == [(OrderType.LIMIT, ())]
    at_rest(desk)


def test_a_pair_that_is_journaled_too_late_leaves_nothing_behind_and_the_stop_is_planned_anew() -> None:
    desk = table()
    desk.leader(+2)
    desk.work()
    desk.journal_up = False
    desk.oco("X", -2, target="4810", stop="4780")
    desk.passes(3.0, ticks=1)
    commits, desk.waiting, desk.journal_up = desk.waiting, [], True
    for commit in commits:
        desk.commit(commit)
    assert desk.take() == []
    assert [reason.split(":")[0] for decision, reason in rows(desk, "DEMO1") if decision is Decision.EXPIRED]
    desk.passes(2.0, ticks=40)
    assert sorted(leg.order_type for order in desk.work() for leg in order.legs) == [OrderType.LIMIT, OrderType.STOP]
    at_rest(desk)


def test_the_twin_that_its_venue_cancels_is_no_surprise() -> None:
    desk = protected()
    desk.trades(tag_of(desk, "DEMO1", OrderType.LIMIT))
    assert desk.changes == []
    assert (Decision.COPIED, "its venue canceled it when its twin was filled") in rows(desk, "DEMO1")
    desk.leader_fills("XT")
    at_rest(desk)
    assert (desk.holds("DEMO1"), desk.working("DEMO1")) == (0, [])


def test_a_partial_fill_leaves_the_resizing_to_the_venue() -> None:
    desk = protected(lots=4)
    desk.trades(tag_of(desk, "DEMO1", OrderType.LIMIT), 1)
    desk.leader_fills("XT", 1)
    desk.passes(1, ticks=10)
    assert desk.changes == []
    assert desk.working("DEMO1") == [("limit", -3, D(4810)), ("stop", -3, D(4780))]
    at_rest(desk)


def test_t_orphan_a_venue_that_forgets_the_twin_is_helped_after_a_moment() -> None:
    desk = protected()
    target, stop = tag_of(desk, "DEMO1", OrderType.LIMIT), tag_of(desk, "DEMO1", OrderType.STOP)
    link = desk.orders[stop]
    desk.trades(target, tell=False)
    desk.put(stop, link, tell=False)  # its venue did not cancel it
    desk.tell(desk.fills[-1])
    desk.show(desk.orders[target])
    assert desk.changes == []
    desk.passes(0.4, ticks=8)
    assert [(change.cl_ord_id, change.terms) for change in desk.answer()] == [(stop, None)]
    assert desk.working("DEMO1") == []


@pytest.mark.parametrize("links", [True, False])
def test_the_oco_race_in_which_both_legs_fill_is_put_right_at_once(links: bool) -> None:
    desk = protected(links=links)
    target, stop = tag_of(desk, "DEMO1", OrderType.LIMIT), tag_of(desk, "DEMO1", OrderType.STOP)
    both = desk.orders[stop]
    desk.trades(target)
    desk.put(stop, both, tell=False)
    desk.trades(stop)  # it traded before the venue's cancel reached its market
    desk.answer()
    desk.passes(0.2, ticks=4)
    assert [(o.qty, o.side, o.order_type, o.reducing) for o in desk.work()] == [(2, Side.BUY, OrderType.MARKET, True)]
    desk.leader_fills("XT")
    at_rest(desk)
    assert (desk.holds("DEMO1"), desk.working("DEMO1")) == (0, [])


def test_a_leg_that_the_leader_moves_keeps_its_link() -> None:
    desk = protected()
    desk.move("XS", stop_price=D(4785))
    assert [(c.terms and c.terms.stop_price) for c in desk.answer()] == [D(4785)]
    desk.trades(tag_of(desk, "DEMO1", OrderType.STOP))
    assert desk.working("DEMO1") == []
    at_rest(desk)


def test_a_leg_that_is_made_smaller_leaves_no_lot_without_a_stop() -> None:
    """T-PROT: when the smaller target fills, the venue cancels the whole stop; the rest gets one at once."""
    desk = protected(lots=4)
    desk.move("XT", qty=2)
    desk.answer()
    desk.leader_fills("XT", tell=True)
    desk.trades(tag_of(desk, "DEMO1", OrderType.LIMIT))
    desk.rest("S2", -2, stop="4780")
    for _ in range(4):
        desk.passes(0.1, ticks=2)
        desk.work()
    stops = sum(lots for kind, lots, _ in desk.working("DEMO1") if kind == "stop")
    assert stops == -desk.holds("DEMO1") == -2


def test_a_pair_that_the_venue_will_not_link_is_placed_leg_by_leg() -> None:
    desk = table()
    desk.leader(+1)
    desk.work()
    desk.oco("X", -1, target="4810", stop="4780")
    (pair,) = desk.take()
    for leg in pair.legs:
        desk.reject(leg, RejectClass.OTHER)
    for _ in range(4):
        desk.passes(0.2, ticks=4)
        assert all(len(order.legs) == 1 for order in desk.work())
    assert desk.working("DEMO1") == [("limit", -1, D(4810)), ("stop", -1, D(4780))]


def test_more_than_two_legs_are_held_by_the_desk() -> None:
    desk = table()
    desk.leader(+4)
    desk.rest("T1", -2, limit="4810")
    desk.rest("T2", -2, limit="4820")
    desk.rest("S1", -4, stop="4780")
    orders = desk.take()
    assert {len(order.legs) for order in orders} == {1}
    entry = next(order for order in orders if order.order_type is OrderType.MARKET)
    desk.execute(entry)
    for order in [*(o for o in orders if o is not entry), *desk.take()]:
        desk.settle(order)
    assert [lots for _, lots, _ in desk.working("DEMO1")] == [-2, -2, -4]


def test_what_an_entry_at_market_needs_is_placed_as_one_pair_when_it_has_filled() -> None:
    desk = table()
    desk.leader(+2)
    (entry,) = desk.take()
    desk.oco("X", -2, target="4810", stop="4780")
    assert desk.take() == []
    desk.execute(entry)
    (pair,) = desk.work()
    assert [(leg.order_type, leg.qty) for leg in pair.legs] == [(OrderType.LIMIT, 2), (OrderType.STOP, 2)]
    at_rest(desk)


# --- a restart --------------------------------------------------------------------------------------------------------


def test_a_new_desk_takes_up_brackets_at_rest_and_sends_nothing() -> None:
    desk = table()
    desk.bracket("L1", +2, limit="4790", target="4800", stop="4785")
    desk.work()
    new = reborn(desk)
    new.links()
    for account in (LEADER, "DEMO1"):
        new.connect(account)
    new.passes(1, ticks=10)
    assert (new.take(), new.changes) == ([], [])
    new.leader_fills("L1")
    new.trades(tag_of(new, "DEMO1", OrderType.LIMIT, Side.BUY), 1)
    new.passes(1, ticks=10)
    assert (new.take(), new.changes) == ([], [])
    new.trades(tag_of(new, "DEMO1", OrderType.LIMIT, Side.BUY))
    new.trades(tag_of(new, "DEMO1", OrderType.STOP))
    new.leader_fills("L1S")
    at_rest(new)
    assert (new.holds("DEMO1"), new.working("DEMO1")) == (0, [])


def test_a_new_desk_cancels_an_entry_whose_leader_canceled_meanwhile_with_one_request() -> None:
    desk = table()
    desk.bracket("L1", +2, limit="4790", target="4800", stop="4785")
    desk.work()
    for leg in ("L1", "L1T", "L1S"):
        desk.gone(leg, DoneStatus.CANCELED, tell=False)
    new = reborn(desk)
    new.links()
    for account in ("DEMO1", LEADER):
        new.connect(account)
    assert [(change.terms, new.orders[change.cl_ord_id].side) for change in new.answer()] == [(None, Side.BUY)]
    new.passes(1, ticks=10)
    assert new.working("DEMO1") == []
    at_rest(new)


def test_a_desk_killed_between_the_commits_of_a_bracket_sends_none_of_it_twice() -> None:
    desk = table()
    desk.journal_up = False
    desk.bracket("L1", +1, limit="4790", target="4800", stop="4785")
    desk.commit(desk.waiting.pop(0))  # the target's pair is in the journal, and nothing has left
    assert desk.take() == []
    new = reborn(desk)
    new.links()
    for account in ("DEMO1", LEADER):
        new.connect(account)
    tags = [leg.cl_ord_id for order in new.take() for leg in order.legs]
    assert len(tags) == len(set(tags))
    assert not set(tags) & {copy.cl_ord_id for copy in desk.copies.values()}


# --- every combination of what a venue can do -------------------------------------------------------------------------


@pytest.mark.parametrize("trails", [True, False])
@pytest.mark.parametrize("links", [True, False])
def test_t_prot_whatever_the_venue_can_a_filled_entry_has_its_target_and_its_trailing_stop(
    links: bool, trails: bool
) -> None:
    desk = MirrorTable({"DEMO1": ONE}, mode=Mode.ORDERS, drift=DriftPolicy.EXITS)
    desk.can("DEMO1", links=links, trails=trails)
    names = {"status": LiveStatus.SUSPENDED, "parent_id": "L1"}
    desk.rest("L1T", -2, limit="4810", oco_id="L1S", **names)
    desk.rest("L1S", -2, stop="4780", trail="10", oco_id="L1T", **names)
    desk.rest("L1", +2, limit="4790")
    desk.work()
    desk.leader_fills("L1")
    desk.trades(tag_of(desk, "DEMO1", OrderType.LIMIT, Side.BUY))
    orders = desk.work()  # one round trip later at most
    assert [len(order.legs) for order in orders] == ([] if links else [1, 1])
    assert desk.working("DEMO1") == [("limit", -2, D(4810)), ("trailing_stop" if trails else "stop", -2, D(4780))]
    desk.trades(tag_of(desk, "DEMO1", OrderType.LIMIT))
    desk.leader_fills("L1T")
    desk.answer()
    at_rest(desk)
    assert (desk.holds("DEMO1"), desk.working("DEMO1")) == (0, [])
