"""Orders mode: the leader's working orders are kept mirrored, one venue event at a time."""

from decimal import Decimal

import pytest

from engine import events as ev
from schema.records import (
    Decision,
    DoneStatus,
    DriftPolicy,
    Episode,
    FollowerConfig,
    Guard,
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

ONE = Rule()
HALF = Rule(value=Decimal("0.5"))
D = Decimal


def table(*rules: Rule | FollowerConfig, drift: DriftPolicy = DriftPolicy.EXITS, **group: object) -> MirrorTable:
    followers = {f"DEMO{number}": rule for number, rule in enumerate(rules or (ONE,), start=1)}
    return MirrorTable(followers, drift=drift, **{"mode": Mode.ORDERS, **group})


def sent(desk: MirrorTable) -> list[tuple[str, int, str, Decimal | None, Decimal | None]]:
    return [(o.account, o.qty * o.side.sign, o.order_type.value, o.limit_price, o.stop_price) for o in desk.work()]


# --- place, change, cancel --------------------------------------------------------------------------------------------


def test_a_working_order_of_the_leader_rests_at_every_follower() -> None:
    desk = table(ONE, HALF, Rule(value=D(2)))
    desk.rest("L1", +2, limit="4790.25")
    assert sent(desk) == [
        ("DEMO1", +2, "limit", D("4790.25"), None),
        ("DEMO2", +1, "limit", D("4790.25"), None),
        ("DEMO3", +4, "limit", D("4790.25"), None),
    ]
    assert {desk.last(f"DEMO{n}").decision for n in (1, 2, 3)} == {Decision.COPIED}


@pytest.mark.parametrize(
    ("limit", "stop", "kind"), [("4790", None, "limit"), (None, "4810", "stop"), ("4811", "4810", "stop_limit")]
)
def test_every_kind_of_order_keeps_its_kind_and_its_prices(limit: str | None, stop: str | None, kind: str) -> None:
    desk = table()
    desk.rest("L1", +1, limit=limit, stop=stop)
    assert sent(desk) == [("DEMO1", +1, kind, limit and D(limit), stop and D(stop))]


def test_no_order_at_rest_leaves_before_the_journal_holds_it() -> None:
    desk = table()
    desk.journal_up = False
    desk.rest("L1", +1, limit="4790")
    assert desk.sent == []
    desk.journal_up = True
    desk.commit(desk.waiting.pop())
    assert len(desk.work()) == 1
    desk.journal_up = False
    desk.move("L1", limit_price=D(4791))
    assert desk.changes == []
    desk.journal_up = True
    desk.commit(desk.waiting.pop())
    assert [change.terms and change.terms.limit_price for change in desk.changes] == [D(4791)]


def test_the_same_order_told_again_is_placed_once() -> None:
    desk = table()
    desk.rest("L1", +1, limit="4790")
    desk.work()
    desk.show(desk.orders["L1"])
    desk.connect("DEMO1000", first=False)
    assert desk.take() == []
    assert desk.changes == []
    assert len(desk.signals) == 1


def test_an_order_told_again_after_its_end_leaves_the_ledger_and_the_tally_as_they_were() -> None:
    """Venues list what is over, and replay it as it was."""
    desk = table()
    desk.rest("L1", +1, limit="4790")
    desk.work()
    told, (tag,) = desk.orders["L1"], desk.tags("DEMO1")
    desk.gone("L1")
    desk.answer()
    ended, counted = desk.orders[tag], dict(desk.core.tally.decisions)
    desk.passes(1, ticks=20)
    desk.show(told)
    desk.passes(1, ticks=20)
    desk.show(ended)
    assert desk.take() == []
    assert desk.core.tally.decisions == counted
    assert desk.last("DEMO1").decision is Decision.COPIED


def test_an_order_held_back_behind_its_entry_is_not_placed_before_it_works() -> None:
    desk = table()
    desk.rest("L1", -1, stop="4780", status=LiveStatus.SUSPENDED)
    assert desk.take() == []
    assert desk.signals == []


def test_a_change_of_the_leader_changes_the_followers_orders() -> None:
    desk = table(ONE, HALF)
    desk.rest("L1", +2, limit="4790")
    desk.work()
    desk.move("L1", limit_price=D(4791), qty=4)
    asked = desk.answer()
    assert [(c.account, c.terms and (c.terms.qty, c.terms.limit_price)) for c in asked] == [
        ("DEMO1", (4, D(4791))),
        ("DEMO2", (2, D(4791))),
    ]
    assert desk.working("DEMO2") == [("limit", +2, D(4791))]
    assert desk.last("DEMO1").decision is Decision.COPIED


def test_a_storm_of_changes_costs_one_request_for_each_answer_and_the_newest_wins() -> None:
    desk = table()
    desk.leader(+1)
    desk.work()
    desk.rest("L1", -1, stop="4780")
    desk.work()
    asked: list[Decimal | None] = []
    for tick in range(1, 21):
        desk.move("L1", stop_price=D(4780) + D(tick) / 4)
        if tick % 5 == 0:
            asked += [c.terms.stop_price for c in desk.answer() if c.terms]
    while desk.changes:
        asked += [c.terms.stop_price for c in desk.answer() if c.terms]
    assert asked == [D("4780.25"), D("4781.25"), D("4782.50"), D("4783.75"), D("4785")]
    assert desk.working("DEMO1") == [("stop", -1, D(4785))]
    decisions = [copy.decision for copy in desk.copies.values() if not copy.cl_ord_id]
    assert decisions.count(Decision.COPIED) == 5
    assert decisions.count(Decision.SKIPPED) == 15
    assert desk.core.undecided(desk.now_ns) == 0


def test_a_cancel_outranks_a_change() -> None:
    desk = table()
    desk.rest("L1", +1, limit="4790")
    desk.work()
    desk.move("L1", limit_price=D(4791))
    desk.move("L1", limit_price=D(4792))
    desk.gone("L1")
    desk.answer()
    assert [change.terms for change in desk.changes] == [None]
    desk.answer()
    assert desk.working("DEMO1") == []
    assert desk.last("DEMO1").decision is Decision.COPIED


def test_a_cancel_that_comes_before_the_venue_has_the_order_waits_for_it() -> None:
    desk = table()
    desk.rest("L1", +1, limit="4790")
    (order,) = desk.take()
    desk.gone("L1")
    assert desk.changes == []
    desk.settle(order)
    assert [change.terms for change in desk.changes] == [None]


def test_a_cancel_of_an_order_that_has_filled_brings_the_follower_back() -> None:
    desk = table()
    desk.rest("L1", +2, limit="4790")
    desk.work()
    desk.gone("L1")
    (tag,) = desk.tags("DEMO1")
    desk.trades(tag)
    (change,) = desk.changes
    desk.answer(change)
    desk.passes(0.1, ticks=2)
    assert [(o.side, o.qty, o.order_type, o.reducing) for o in desk.work()] == [(Side.SELL, 2, OrderType.MARKET, True)]
    assert desk.holds("DEMO1") == 0


def test_a_change_of_an_order_that_is_gone_is_refused_and_nothing_is_placed_again() -> None:
    desk = table()
    desk.rest("L1", +1, limit="4790")
    desk.work()
    (tag,) = desk.tags("DEMO1")
    desk.gone(tag, tell=False)
    desk.move("L1", limit_price=D(4791))
    desk.answer()
    assert desk.last("DEMO1").decision is Decision.REJECTED
    desk.answer_question("DEMO1")
    desk.passes(5, ticks=20)
    assert desk.changes == []
    assert desk.take() == []


def test_a_change_without_an_answer_is_asked_about_and_not_repeated_blindly() -> None:
    desk = table()
    desk.rest("L1", +1, limit="4790")
    desk.work()
    desk.move("L1", limit_price=D(4791))
    (change,) = desk.changes
    desk.changes = []
    desk.said(change, ev.Outcome.UNKNOWN, text="no answer")
    assert desk.last("DEMO1").decision is Decision.UNKNOWN
    desk.passes(1, ticks=10)
    assert desk.changes == []
    assert "at-DEMO1" in desk.asked
    desk.answer_question("DEMO1")
    assert desk.last("DEMO1").decision is Decision.REJECTED
    assert [c.terms and c.terms.limit_price for c in desk.changes] == [D(4791)]
    desk.answer()
    assert desk.working("DEMO1") == [("limit", 1, D(4791))]


def test_a_change_that_took_effect_without_an_answer_is_not_asked_for_again() -> None:
    desk = table()
    desk.rest("L1", +1, limit="4790")
    desk.work()
    desk.move("L1", limit_price=D(4791))
    (change,) = desk.changes
    desk.changes = []
    desk.said(change, ev.Outcome.UNKNOWN, text="no answer")
    tag = change.cl_ord_id
    desk.move(tag, limit_price=D(4791), tell=False)
    desk.answer_question("DEMO1")
    assert desk.changes == []
    assert desk.last("DEMO1").decision is Decision.COPIED


def test_a_throttled_change_is_wanted_again_after_a_while() -> None:
    desk = table()
    desk.rest("L1", +1, limit="4790")
    desk.work()
    desk.move("L1", limit_price=D(4791))
    (change,) = desk.changes
    desk.changes = []
    desk.said(change, ev.Outcome.REFUSED, RejectClass.THROTTLED, "budget spent")
    assert desk.changes == []
    desk.passes(0.3, ticks=6)
    assert [c.terms and c.terms.limit_price for c in desk.answer()] == [D(4791)]
    assert desk.last("DEMO1").decision is Decision.COPIED


# --- fills ------------------------------------------------------------------------------------------------------------


def test_a_fill_of_the_leaders_order_is_not_copied_at_market_beside_its_mirror() -> None:
    desk = table(ONE, HALF)
    desk.rest("L1", +2, limit="4790")
    desk.work()
    desk.leader_fills("L1")
    assert desk.take() == []
    assert desk.last("DEMO1").reason == "its own order at rest works for it"
    for name in ("DEMO1", "DEMO2"):
        desk.trades(desk.tags(name)[0])
    desk.passes(5, ticks=20)
    assert desk.take() == []
    assert (desk.holds("DEMO1"), desk.holds("DEMO2")) == (2, 1)


def test_a_follower_filled_before_its_leader_keeps_what_it_got() -> None:
    desk = table()
    desk.rest("L1", +2, limit="4790")
    desk.work()
    desk.trades(desk.tags("DEMO1")[0])
    desk.passes(5, ticks=20)
    assert desk.take() == []
    desk.leader_fills("L1")
    desk.passes(1, ticks=5)
    assert desk.take() == []
    assert desk.holds("DEMO1") == 2


def test_t_partial_partial_fills_never_accumulate_a_rounding_error() -> None:
    desk = table(HALF, Rule(value=D("1.5")), Rule(value=D("0.5"), rounding=Rounding.UP))
    desk.rest("L1", +5, limit="4790")
    desk.work()
    for qty in (1, 2, 1, 1):
        desk.leader_fills("L1", qty)
        desk.answer()
    for name in ("DEMO1", "DEMO2", "DEMO3"):
        for tag in desk.tags(name):
            desk.trades(tag)
    desk.passes(5, ticks=20)
    assert desk.work() == []
    assert [desk.holds(f"DEMO{n}") for n in (1, 2, 3)] == [2, 7, 3]


def test_the_leaders_market_orders_are_copied_at_market_beside_what_rests() -> None:
    desk = table()
    desk.rest("L1", +2, limit="4790")
    desk.work()
    desk.leader(+1)
    assert [(o.qty, o.order_type) for o in desk.work()] == [(1, OrderType.MARKET)]
    assert desk.working("DEMO1") == [("limit", 2, D(4790))]


def test_a_leader_that_cancels_the_rest_of_a_partial_leaves_the_follower_its_share() -> None:
    desk = table(unfilled_s=3)
    desk.rest("L1", +4, limit="4790")
    desk.work()
    desk.leader_fills("L1", 2)
    desk.gone("L1")
    desk.answer()
    assert desk.working("DEMO1") == [("limit", 2, D(4790))]
    desk.trades(desk.tags("DEMO1")[0])
    desk.passes(5, ticks=20)
    assert desk.take() == []
    assert desk.holds("DEMO1") == 2


# --- when the leader is filled and the follower is not ----------------------------------------------------------------


@pytest.mark.parametrize("drift", list(DriftPolicy))
def test_unfilled_market_cancels_waits_for_the_outcome_and_then_trades(drift: DriftPolicy) -> None:
    desk = table(unfilled=Unfilled.MARKET, unfilled_s=3, drift=drift)
    desk.rest("L1", +2, limit="4790")
    desk.work()
    desk.leader_fills("L1")
    desk.passes(2.9, ticks=20)
    assert desk.changes == []
    desk.passes(0.2, ticks=4)
    (cancel,) = desk.changes
    assert cancel.terms is None
    desk.passes(1, ticks=20)
    assert desk.take() == []
    desk.answer()
    desk.passes(0.2, ticks=4)
    assert [(o.qty, o.side, o.order_type) for o in desk.work()] == [(2, Side.BUY, OrderType.MARKET)]
    assert desk.holds("DEMO1") == 2


def test_unfilled_market_trades_only_what_the_order_had_not_filled_when_it_was_canceled() -> None:
    desk = table(unfilled_s=3)
    desk.rest("L1", +3, limit="4790")
    desk.work()
    desk.leader_fills("L1")
    desk.passes(3.1, ticks=20)
    (cancel,) = desk.changes
    desk.trades(cancel.cl_ord_id, 2)
    desk.answer()
    desk.passes(0.2, ticks=4)
    assert [o.qty for o in desk.work()] == [1]
    assert desk.holds("DEMO1") == 3


def test_unfilled_cancel_takes_the_rest_out_and_leaves_it() -> None:
    desk = table(unfilled=Unfilled.CANCEL, unfilled_s=3, drift=DriftPolicy.AUTO)
    desk.rest("L1", +2, limit="4790")
    desk.work()
    desk.leader_fills("L1")
    desk.passes(3.1, ticks=20)
    desk.answer()
    desk.passes(10, ticks=50)
    assert desk.take() == []
    assert desk.working("DEMO1") == []
    assert desk.core.state("DEMO1", "ESH4").episode is Episode.MISSED
    desk.leader(-2)
    assert desk.take() == []


def test_unfilled_leave_leaves_it_until_the_leader_is_out() -> None:
    desk = table(unfilled=Unfilled.LEAVE, unfilled_s=3)
    desk.rest("L1", +2, limit="4790")
    desk.work()
    desk.leader_fills("L1")
    desk.passes(60, ticks=20)
    assert desk.changes == []
    desk.leader(-2)
    assert desk.take() == []
    assert [change.terms for change in desk.answer()] == [None]
    assert desk.working("DEMO1") == []


@pytest.mark.parametrize("unfilled", list(Unfilled))
def test_t_conv_an_exit_that_does_not_fill_always_goes_at_market(unfilled: Unfilled) -> None:
    desk = table(unfilled=unfilled, unfilled_s=2, drift=DriftPolicy.SHOW)
    desk.leader(+2)
    desk.work()
    desk.rest("L1", -2, limit="4820")
    desk.work()
    desk.leader_fills("L1")
    desk.passes(2.1, ticks=20)
    desk.answer()
    desk.passes(0.2, ticks=4)
    assert [(o.qty, o.side, o.reducing) for o in desk.work()] == [(2, Side.SELL, True)]
    assert desk.holds("DEMO1") == 0


# --- brackets ---------------------------------------------------------------------------------------------------------


def test_legs_of_a_bracket_add_up_to_the_followers_position() -> None:
    desk = table(HALF, Rule(value=D("1.5")), Rule(value=D("0.34")))
    desk.leader(+5)
    desk.work()
    desk.rest("T1", -2, limit="4810")
    desk.rest("T2", -3, limit="4820")
    desk.rest("S1", -5, stop="4780")
    desk.work()
    for number in (1, 2, 3):
        name = f"DEMO{number}"
        held = desk.holds(name)
        targets = sum(lots for kind, lots, _ in desk.working(name) if kind == "limit")
        stops = sum(lots for kind, lots, _ in desk.working(name) if kind == "stop")
        assert (targets, stops) == (-held, -held), name


def test_a_follower_whose_entry_waits_has_no_stop_that_would_open_a_position() -> None:
    desk = table()
    desk.rest("L1", +2, limit="4790")
    desk.work()
    desk.leader_fills("L1")
    desk.rest("S1", -2, stop="4780")
    assert desk.take() == []
    assert desk.last("DEMO1").reason == "it holds nothing that this order would close"
    desk.trades(desk.tags("DEMO1")[0], 1)
    assert sent(desk) == [("DEMO1", -1, "stop", None, D(4780))]
    desk.trades(desk.tags("DEMO1")[0])
    desk.answer()
    assert desk.working("DEMO1") == [("stop", -2, D(4780))]


def test_when_a_target_fills_its_stop_is_taken_out_at_once() -> None:
    desk = table()
    desk.leader(+2)
    desk.work()
    desk.rest("T1", -2, limit="4810")
    desk.rest("S1", -2, stop="4780")
    target, stop = [order.cl_ord_id for order in desk.work()]
    desk.trades(target)
    assert [(change.cl_ord_id, change.terms) for change in desk.changes] == [(stop, None)]
    desk.answer()
    desk.leader_fills("T1")
    desk.gone("S1")
    desk.passes(5, ticks=20)
    assert desk.work() == []
    assert desk.working("DEMO1") == []
    assert desk.holds("DEMO1") == 0


def test_a_target_that_fills_in_part_makes_the_stop_smaller() -> None:
    desk = table()
    desk.leader(+4)
    desk.work()
    desk.rest("T1", -2, limit="4810")
    desk.rest("S1", -4, stop="4780")
    target, _ = [order.cl_ord_id for order in desk.work()]
    desk.trades(target)
    desk.leader_fills("T1")
    desk.move("S1", qty=2)
    desk.answer()
    assert desk.working("DEMO1") == [("stop", -2, D(4780))]


def test_the_oco_race_in_which_both_legs_fill_is_put_right_at_once() -> None:
    desk = table(drift=DriftPolicy.EXITS)
    desk.leader(+2)
    desk.work()
    desk.rest("T1", -2, limit="4810")
    desk.rest("S1", -2, stop="4780")
    target, stop = [order.cl_ord_id for order in desk.work()]
    desk.trades(target)
    desk.trades(stop)  # before the cancel lands
    desk.answer()
    desk.passes(0.1, ticks=2)
    assert [(o.qty, o.side, o.order_type, o.reducing) for o in desk.work()] == [(2, Side.BUY, OrderType.MARKET, True)]
    desk.leader_fills("T1")
    desk.gone("S1")
    desk.passes(5, ticks=20)
    assert desk.work() == []
    assert desk.holds("DEMO1") == 0


def test_t_orphan_a_flat_follower_has_nothing_at_rest_after_its_leader_got_out() -> None:
    desk = table()
    desk.leader(+2)
    desk.work()
    desk.rest("T1", -2, limit="4810")
    desk.rest("S1", -2, stop="4780")
    desk.work()
    desk.gone("T1")
    desk.gone("S1")
    desk.leader(-2)
    desk.work()
    desk.answer()
    desk.passes(2, ticks=20)
    desk.answer()
    assert desk.working("DEMO1") == []
    assert desk.holds("DEMO1") == 0


# --- rules, maps, inversion -------------------------------------------------------------------------------------------


def test_a_micro_has_the_leaders_price_and_its_own_lots() -> None:
    micro = SymbolMap(leader_root="ES", follower_root="MES", lot_factor=D(10))
    desk = table(FollowerConfig(account="DEMO1", group="main", rule=HALF, symbols=(micro,)))
    desk.rest("L1", +1, limit="4790.25")
    assert [(o.symbol, o.qty, o.limit_price) for o in desk.work()] == [("MESH4", 5, D("4790.25"))]


def test_an_order_can_not_rest_in_a_contract_of_another_price() -> None:
    other = SymbolMap(leader_root="ES", follower_root="NQ")
    desk = table(FollowerConfig(account="DEMO1", group="main", symbols=(other,)))
    desk.rest("L1", +1, limit="4790.25")
    assert desk.take() == []
    assert desk.last("DEMO1").reason.startswith("symbols: ES orders can't rest in NQ")


@pytest.mark.parametrize(
    ("signed", "limit", "stop", "kind"),
    [(+1, "4790", None, "stop"), (-1, "4810", None, "stop"), (+1, None, "4810", "limit"), (-1, None, "4790", "limit")],
)
def test_an_inverted_follower_trades_at_the_same_price_with_the_opposite_kind(
    signed: int, limit: str | None, stop: str | None, kind: str
) -> None:
    desk = table(Rule(invert=True))
    desk.rest("L1", signed, limit=limit, stop=stop)
    price = D(limit or stop or "0")
    expected = (price, None) if kind == "limit" else (None, price)
    assert sent(desk) == [("DEMO1", -signed, kind, *expected)]


# --- who takes part ---------------------------------------------------------------------------------------------------


def test_a_follower_that_is_off_gets_no_order_and_one_that_is_switched_off_loses_its_entries() -> None:
    desk = table()
    desk.rest("L1", +1, limit="4790")
    desk.work()
    desk.configure(enabled=False)
    assert [change.terms for change in desk.answer()] == [None]
    desk.rest("L2", +1, limit="4789")
    assert desk.take() == []
    assert desk.last("DEMO1").reason == "off: switched off by the trader"


def test_a_follower_that_is_switched_off_keeps_what_protects_it() -> None:
    desk = table()
    desk.leader(+1)
    desk.work()
    desk.rest("S1", -1, stop="4780")
    desk.work()
    desk.configure(enabled=False)
    desk.passes(1, ticks=5)
    assert desk.changes == []
    assert desk.working("DEMO1") == [("stop", -1, D(4780))]


def test_a_halt_lets_entries_rest_and_a_stricter_guard_takes_them_out() -> None:
    desk = table()
    desk.rest("L1", +1, limit="4790")
    desk.work()
    desk.configure(guard=Guard.HALT)
    assert desk.changes == []
    desk.rest("L2", +1, limit="4789")
    assert desk.take() == []
    desk.configure(guard=Guard.REDUCE_ONLY)
    assert [change.terms for change in desk.answer()] == [None]


def test_an_order_that_was_placed_too_long_ago_opens_nothing() -> None:
    desk = table()
    desk.rest("L1", +1, limit="4790", age_s=10)
    assert desk.take() == []
    assert desk.last("DEMO1").reason == "the leader's order is 10.0 s old"


def test_an_entry_that_its_venue_refused_follows_the_fill_at_market() -> None:
    desk = table()
    desk.rest("L1", +1, limit="4790")
    (order,) = desk.take()
    desk.reject(order, RejectClass.PRICE)
    desk.leader_fills("L1")
    assert [(o.qty, o.order_type) for o in desk.work()] == [(1, OrderType.MARKET)]


def test_an_entry_canceled_at_the_followers_venue_is_not_placed_again() -> None:
    desk = table()
    desk.rest("L1", +1, limit="4790")
    desk.work()
    desk.gone(desk.tags("DEMO1")[0])
    desk.move("L1", limit_price=D(4791))
    desk.passes(5, ticks=20)
    assert desk.take() == []
    assert desk.last("DEMO1").reason == "its own order for it has ended"


def test_t_prot_a_stop_that_ended_at_the_followers_venue_is_placed_again() -> None:
    desk = table()
    desk.leader(+1)
    desk.work()
    desk.rest("S1", -1, stop="4780")
    desk.work()
    desk.gone(desk.tags("DEMO1")[0], DoneStatus.EXPIRED)
    desk.passes(1, ticks=20)
    assert sent(desk) == [("DEMO1", -1, "stop", None, D(4780))]


# --- a restart ------------------------------------------------------------------------------------------------------


def back(desk: MirrorTable) -> MirrorTable:
    new = reborn(desk)
    for account in new.core.accounts:
        new.connect(account)
    return new


def test_t_dup_a_restart_takes_up_orders_at_rest_and_sends_nothing() -> None:
    desk = table(ONE, HALF)
    desk.leader(+2)
    desk.work()
    desk.rest("S1", -2, stop="4780")
    desk.rest("L1", +2, limit="4790")
    desk.work()
    desk = back(desk)
    desk.passes(5, ticks=50)
    assert desk.take() == []
    assert desk.changes == []
    desk.move("S1", stop_price=D(4785))
    assert [c.terms and (c.terms.qty, c.terms.stop_price) for c in desk.answer()] == [(2, D(4785)), (1, D(4785))]
    for name, lots in (("DEMO1", 2), ("DEMO2", 1)):
        assert desk.working(name) == [("limit", lots, D(4790)), ("stop", -lots, D(4785))]


def test_what_the_leader_changed_while_the_desk_was_away_is_done_at_once() -> None:
    desk = table()
    desk.leader(+2)
    desk.work()
    desk.rest("S1", -2, stop="4780")
    desk.rest("L1", +1, limit="4790")
    desk.work()
    desk.move("S1", stop_price=D(4790), tell=False)
    desk.gone("L1", tell=False)
    desk = back(desk)
    asked = desk.answer()
    assert {c.terms and c.terms.stop_price for c in asked} == {D(4790), None}
    assert desk.working("DEMO1") == [("stop", -2, D(4790))]
    assert [c.decision for c in desk.copies.values()].count(Decision.COPIED) == 5


def test_an_order_whose_placing_nobody_heard_of_is_asked_for_and_kept() -> None:
    desk = table()
    desk.rest("L1", +1, limit="4790")
    (order,) = desk.take()
    desk.settle(order, tell=False)
    desk = back(desk)
    desk.passes(5, ticks=50)
    assert desk.take() == []
    assert desk.last("DEMO1").decision is Decision.COPIED
    desk.gone("L1")
    assert [c.terms for c in desk.answer()] == [None]
    assert desk.working("DEMO1") == []


def test_an_order_that_never_left_is_not_sent_again_after_a_restart() -> None:
    desk = table()
    desk.rest("L1", +1, limit="4790")
    desk.take()
    desk = back(desk)
    for _ in range(3):
        desk.passes(1.1, ticks=10)
        desk.answer_question("DEMO1")
    assert desk.take() == []
    assert desk.last("DEMO1").decision is Decision.EXPIRED


def test_t_prot_a_stop_that_never_left_is_placed_after_a_restart() -> None:
    desk = table()
    desk.leader(+1)
    desk.work()
    desk.rest("S1", -1, stop="4780")
    desk.take()
    desk = back(desk)
    for _ in range(3):
        desk.passes(1.1, ticks=10)
        desk.answer_question("DEMO1")
    assert [o.stop_price for o in desk.work()] == [D(4780)]


def test_a_change_whose_answer_was_lost_with_the_desk_is_decided_by_what_the_venue_shows() -> None:
    desk = table()
    desk.rest("L1", +1, limit="4790")
    desk.work()
    desk.move("L1", limit_price=D(4791))
    (change,) = desk.changes
    desk.move(change.cl_ord_id, limit_price=D(4791), tell=False)
    desk = back(desk)
    assert desk.last("DEMO1").decision is Decision.COPIED
    assert desk.changes == []


def test_a_leader_filled_while_the_desk_was_away_is_followed_by_the_order_that_waits() -> None:
    desk = table(unfilled_s=3)
    desk.rest("L1", +2, limit="4790")
    desk.work()
    desk.leader_fills("L1", tell=False)
    desk = back(desk)
    desk.passes(2.5, ticks=20)
    assert desk.take() == []
    desk.passes(1, ticks=20)
    desk.answer()
    desk.passes(0.2, ticks=4)
    assert [o.qty for o in desk.work()] == [2]


def test_an_order_at_rest_that_the_venue_lists_no_more_is_asked_about_and_given_up() -> None:
    desk = table()
    desk.rest("L1", +1, limit="4790")
    desk.work()
    del desk.orders[desk.tags("DEMO1")[0]]
    for _ in range(4):
        desk.passes(1.1, ticks=10)
        desk.answer_question("DEMO1")
    assert "DEMO1" not in {m.order.copy.follower for m in desk.core.mirrored.all() if m.live}
    assert desk.take() == []


# --- protective mode ------------------------------------------------------------------------------------------------


def protective(*rules: Rule | FollowerConfig, **group: object) -> MirrorTable:
    return table(*rules, mode=Mode.PROTECTIVE, **group)


def test_protective_mode_copies_entries_by_fill_and_mirrors_what_protects() -> None:
    desk = protective(HALF)
    desk.rest("L1", +4, limit="4790")
    assert desk.take() == []
    desk.leader_fills("L1")
    assert [(o.qty, o.order_type) for o in desk.work()] == [(2, OrderType.MARKET)]
    desk.rest("S1", -4, stop="4780")
    desk.rest("T1", -4, limit="4820")
    assert sent(desk) == [("DEMO1", -2, "stop", None, D(4780)), ("DEMO1", -2, "limit", D(4820), None)]
    desk.move("S1", stop_price=D(4785))
    desk.answer()
    assert desk.working("DEMO1") == [("limit", -2, D(4820)), ("stop", -2, D(4785))]


def test_protective_mode_grows_the_stop_with_the_position() -> None:
    desk = protective(HALF)
    desk.leader(+2)
    desk.work()
    desk.rest("S1", -2, stop="4780")
    desk.work()
    desk.leader(+2)
    desk.move("S1", qty=4)
    desk.work()
    desk.answer()
    assert desk.working("DEMO1") == [("stop", -2, D(4780))]


def test_protective_mode_mirrors_of_a_stop_and_reverse_only_what_closes() -> None:
    desk = protective()
    desk.leader(+2)
    desk.work()
    desk.rest("S1", -5, stop="4780")
    assert sent(desk) == [("DEMO1", -2, "stop", None, D(4780))]
    desk.trades(desk.tags("DEMO1")[0])
    desk.leader_fills("S1")
    assert [(o.qty * o.side.sign, o.order_type) for o in desk.work()] == [(-3, OrderType.MARKET)]
    assert desk.holds("DEMO1") == -3


def test_t_orphan_protective_orders_go_when_the_position_does() -> None:
    desk = protective()
    desk.leader(+2)
    desk.work()
    desk.rest("S1", -2, stop="4780")
    desk.work()
    desk.leader(-2)
    desk.work()
    assert [change.terms for change in desk.answer()] == [None]
    assert desk.working("DEMO1") == []


def test_a_stop_that_its_venue_refuses_is_an_alarm_and_nothing_is_opened_beside_it() -> None:
    desk = protective(drift=DriftPolicy.AUTO)
    desk.leader(+1)
    desk.work()
    desk.rest("S1", -1, stop="4780")
    (stop,) = desk.take()
    desk.reject(stop, RejectClass.PRICE)
    assert [text for text in desk.alerts if "refused to protect" in text]
    desk.leader(+1)
    assert [o for o in desk.take() if o.order_type is OrderType.MARKET] == []
    assert "its protective order was refused" in desk.last("DEMO1").reason
    desk.passes(3, ticks=30)
    (again,) = [o for o in desk.take() if o.order_type is OrderType.STOP]
    desk.settle(again)
    desk.passes(3, ticks=30)
    assert (desk.work()[0].qty, desk.holds("DEMO1")) == (1, 2)
    assert len([text for text in desk.alerts if "refused to protect" in text]) == 1


# --- flips ----------------------------------------------------------------------------------------------------------


def one_way(desk: MirrorTable) -> MirrorTable:
    desk.feed(ev.VenueAbilities(at_ns=desk.now_ns, connection="at-DEMO1", flips=False))
    return desk


@pytest.mark.parametrize("mode", [Mode.FILLS, Mode.ORDERS])
def test_where_a_venue_can_not_flip_the_open_waits_for_the_fill_of_the_close(mode: Mode) -> None:
    desk = one_way(table(mode=mode))
    desk.leader(+2)
    desk.work()
    desk.leader(-5)
    (close,) = desk.take()
    assert (close.qty, close.reducing) == (2, True)
    desk.passes(1, ticks=20)
    assert desk.take() == []
    desk.execute(close)
    desk.passes(0.1, ticks=2)
    assert [(o.qty * o.side.sign, o.reducing) for o in desk.work()] == [(-3, False)]
    assert desk.holds("DEMO1") == -3


def test_where_a_venue_can_not_flip_a_resting_reverse_closes_and_the_rest_follows_the_fill() -> None:
    desk = one_way(table())
    desk.leader(+2)
    desk.work()
    desk.rest("S1", -5, stop="4780")
    assert sent(desk) == [("DEMO1", -2, "stop", None, D(4780))]
    desk.trades(desk.tags("DEMO1")[0])
    desk.leader_fills("S1")
    assert [o.qty for o in desk.work()] == [3]
    assert desk.holds("DEMO1") == -3


def test_a_flip_by_one_resting_order_is_mirrored_as_one() -> None:
    desk = table()
    desk.leader(+2)
    desk.work()
    desk.rest("S1", -5, stop="4780")
    assert sent(desk) == [("DEMO1", -5, "stop", None, D(4780))]
    desk.trades(desk.tags("DEMO1")[0])
    desk.leader_fills("S1")
    desk.passes(5, ticks=20)
    assert desk.work() == []
    assert desk.holds("DEMO1") == -3


def test_one_trade_after_another_each_goes_as_the_group_says() -> None:
    desk = table(unfilled=Unfilled.MARKET, unfilled_s=1)
    for number in range(3):
        desk.rest(f"L{number}", +2, limit="4790")
        desk.work()
        desk.leader_fills(f"L{number}")
        desk.passes(1.1, ticks=20)
        desk.answer()
        desk.passes(0.2, ticks=4)
        desk.work()
        assert desk.holds("DEMO1") == 2
        desk.leader(-2)
        desk.work()
    assert desk.holds("DEMO1") == 0


@pytest.mark.parametrize("mode", Mode)
def test_what_the_trader_closes_by_hand_is_opened_again_by_nothing_but_the_leaders_next_trade(mode: Mode) -> None:
    desk = table(ONE, drift=DriftPolicy.AUTO, mode=mode)
    desk.leader(+2)
    desk.work()
    desk.rest("S1", -2, stop="4790")
    desk.work()
    desk.fill("DEMO1", -1)
    for seen in (desk, reborn(desk)):
        for _ in range(3):
            seen.passes(2, ticks=20)
            assert [order for order in seen.work() if order.order_type is OrderType.MARKET] == []
            seen.answer()
        assert seen.holds("DEMO1") == 1
    desk.leader(+1)
    assert [(o.side.sign, o.qty) for o in desk.work() if o.order_type is OrderType.MARKET] == [(1, 2)]
    desk.leader(-3)
    desk.work()
    desk.passes(2, ticks=20)
    desk.work()
    assert desk.holds("DEMO1") == 0


def test_lots_closed_by_hand_are_opened_by_a_new_rule_and_explain_no_lots_beyond_flat() -> None:
    desk = table(ONE, drift=DriftPolicy.AUTO, mode=Mode.PROTECTIVE)
    desk.leader(+3)
    desk.work()
    desk.fill("DEMO1", -2)
    desk.passes(2, ticks=20)
    assert desk.work() == []
    desk.configure(rule=HALF)
    desk.passes(2, ticks=20)
    assert desk.work() == [], "half of three is what it holds"
    desk.configure(rule=ONE)
    desk.passes(2, ticks=20)
    assert [(o.side.sign, o.qty) for o in desk.work()] == [(1, 2)]


@pytest.mark.parametrize("unfilled", Unfilled)
def test_an_exit_of_the_last_trade_is_no_entry_of_the_next(unfilled: Unfilled) -> None:
    """The leader's stop fills, the follower's does not, and the leader goes the other way: the follower goes along at
    market, whatever becomes of entries that do not fill, and its old stop goes."""
    desk = table(ONE, drift=DriftPolicy.AUTO, unfilled=unfilled, unfilled_s=2)
    desk.leader(-3)
    desk.work()
    desk.rest("S1", +3, stop="4820")
    desk.work()
    desk.leader_fills("S1")
    desk.leader(+3)
    for _ in range(4):
        desk.work()
        desk.passes(1, ticks=20)
        desk.answer()
    desk.work()
    assert (desk.holds("DEMO1"), desk.working("DEMO1")) == (+3, [])
