"""The promises of the core, one venue event at a time."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from schema.records import (
    Decision,
    DriftPolicy,
    Episode,
    FollowerConfig,
    RejectClass,
    Rule,
    RuleKind,
    Side,
    SymbolMap,
)
from tests.engine.table import LEADER, Table

HALF = Rule(value=Decimal("0.5"))
ONE = Rule()


def test_a_leader_fill_reaches_every_follower_once() -> None:
    table = Table({"DEMO1": ONE, "DEMO2": HALF, "DEMO3": Rule(kind=RuleKind.FIXED, value=Decimal(3))})
    table.leader(+4)
    sent = {order.account: order.qty for order in table.execute_all()}
    assert sent == {"DEMO1": 4, "DEMO2": 2, "DEMO3": 3}
    assert [table.last(name).decision for name in sent] == [Decision.COPIED] * 3


def test_no_order_leaves_before_the_journal_holds_it() -> None:
    table = Table({"DEMO1": ONE})
    table.journal_up = False
    table.leader(+1)
    assert table.sent == []
    table.journal_up = True
    table.commit(table.waiting.pop())
    assert [order.qty for order in table.take()] == [1]


def test_an_order_whose_commit_came_after_the_deadline_is_not_sent() -> None:
    table = Table({"DEMO1": ONE})
    table.journal_up = False
    table.leader(+1)
    table.now_ns += 3_000_000_000
    table.commit(table.waiting.pop())
    assert table.sent == []
    assert table.last("DEMO1").decision is Decision.EXPIRED


def test_an_account_taken_off_the_desk_during_the_commit_is_sent_nothing() -> None:
    table = Table({"DEMO1": ONE, "DEMO2": ONE})
    table.journal_up = False
    table.leader(+1)
    left = tuple(account for account in table.config.accounts if account.account != "DEMO1")
    table.config = replace(table.config, accounts=left)
    table.reconfigure(tuple(follower for follower in table.config.followers if follower.account != "DEMO1"))
    table.commit(table.waiting.pop())
    assert [order.account for order in table.take()] == ["DEMO2"]
    assert table.last("DEMO1").decision is Decision.EXPIRED
    assert table.last("DEMO1").reason == "the account was taken off the desk before it could be sent"


def test_t_replay_a_whole_session_again_sends_no_order() -> None:
    table = Table({"DEMO1": ONE})
    for qty in (+1, +2, -3, -1, +1):
        table.leader(qty)
        table.execute_all()
    for fill in list(table.fills):
        table.tell(fill)
    assert table.take() == []
    assert len(table.signals) == 5


def test_fills_older_than_the_first_sight_of_a_leader_are_not_signals() -> None:
    table = Table({"DEMO1": ONE}, connect=False)
    old = table.leader(+1, tell=False)
    table.now_ns += 1_000_000_000
    for name in (LEADER, "DEMO1"):
        table.connect(name)
    table.tell(old)
    assert table.signals == []


def test_a_follower_that_missed_the_entry_never_gets_the_exit() -> None:
    table = Table({"DEMO1": ONE})
    table.configure(enabled=False)
    table.leader(+2)
    table.configure(enabled=True)
    table.leader(-1)
    table.leader(-1)
    assert table.take() == []
    assert "missed the entry" in table.last("DEMO1").reason
    table.leader(+1)
    assert [order.qty for order in table.take()] == [1]


def test_switching_a_follower_off_stops_its_copies_at_once_and_says_why() -> None:
    table = Table({"DEMO1": ONE})
    table.leader(+1)
    table.execute_all()
    table.configure(enabled=False)
    table.leader(+1)
    assert table.take() == []
    assert table.last("DEMO1").reason == "off: switched off by the trader"


def test_a_flip_is_one_signed_delta() -> None:
    table = Table({"DEMO1": ONE})
    table.leader(+2)
    table.execute_all()
    table.leader(-5)
    assert [(order.side.sign, order.qty, order.reducing) for order in table.execute_all()] == [(-1, 5, False)]
    assert table.holds("DEMO1") == -3


def test_a_signal_sees_what_is_still_on_the_way() -> None:
    table = Table({"DEMO1": ONE})
    table.leader(+2)
    first = table.take()
    table.leader(-1)
    second = table.take()
    assert [(o.side.sign, o.qty) for o in first + second] == [(1, 2), (-1, 1)]


def test_a_symbol_map_trades_the_micro_with_its_lot_factor() -> None:
    micro = SymbolMap(leader_root="ES", follower_root="MES", lot_factor=Decimal(10))
    table = Table({"DEMO1": FollowerConfig(account="DEMO1", group="main", rule=HALF, symbols=(micro,))})
    table.leader(+1)
    assert [(o.symbol, o.qty) for o in table.execute_all()] == [("MESH4", 5)]


def test_a_cap_binds_what_opens_and_never_what_reduces() -> None:
    table = Table({"DEMO1": FollowerConfig(account="DEMO1", group="main", max_position=2)})
    table.leader(+5)
    assert [o.qty for o in table.execute_all()] == [2]
    table.leader(-4)
    assert [o.qty for o in table.execute_all()] == [1]
    table.leader(-1)
    assert [o.qty for o in table.execute_all()] == [1]


@pytest.mark.parametrize("drift", [DriftPolicy.EXITS, DriftPolicy.AUTO])
def test_lots_beyond_the_cap_by_an_exit_that_was_lost_go_again(drift: DriftPolicy) -> None:
    """T-CONV: the entry behind a lost exit fills on top of what the exit should have closed."""
    table = Table({"DEMO1": FollowerConfig(account="DEMO1", group="main", max_position=3)}, drift=drift)
    table.leader(+5)
    table.execute_all()
    table.leader(-5)
    (lost,) = table.take()
    table.leader(+5)
    (entry,) = table.take()
    table.execute(entry)
    assert (lost.qty, entry.qty, table.holds("DEMO1")) == (3, 3, 6)
    table.passes(3, ticks=3)
    assert table.take() == [], "the exit may still fill"
    for _ in range(2):
        table.passes(1.1)
        table.answer_question("DEMO1")
    table.passes(0.5)
    (correction,) = table.take()
    assert (correction.side, correction.qty, correction.reducing) == (Side.SELL, 3, True)
    table.execute(correction)
    table.leader(-1)
    table.passes(3, ticks=10)
    assert table.take() == []
    assert table.holds("DEMO1") == 3


def test_lots_beyond_the_cap_are_not_taken_into_the_next_trade() -> None:
    """T-CONV: the leader's next trade reckons with the cap, not with what a lost exit left."""
    table = Table({"DEMO1": FollowerConfig(account="DEMO1", group="main", max_position=3)}, drift=DriftPolicy.SHOW)
    table.leader(+5)
    table.execute_all()
    table.leader(-5)
    table.take()
    table.leader(+5)
    table.execute_all()
    table.passes(3, ticks=3)
    for _ in range(2):
        table.passes(1.1)
        table.answer_question("DEMO1")
    table.passes(1)
    assert (table.take(), table.holds("DEMO1")) == ([], 6)
    table.leader(+1)
    assert [(o.side, o.qty) for o in table.execute_all()] == [(Side.SELL, 3)]
    assert table.last("DEMO1").target_net == table.holds("DEMO1") == 3


def test_a_cap_that_was_lowered_asks_for_no_reduction_and_opens_nothing_more() -> None:
    table = Table({"DEMO1": FollowerConfig(account="DEMO1", group="main", max_position=5)})
    table.leader(+5)
    table.execute_all()
    table.configure(max_position=3)
    table.passes(5, ticks=10)
    table.leader(+1)
    assert table.take() == []
    table.leader(-2)
    assert [(o.side, o.qty) for o in table.execute_all()] == [(Side.SELL, 1)]
    table.leader(+3)
    assert table.take() == []
    assert table.holds("DEMO1") == 4


def test_a_rejected_entry_is_not_tried_again_and_misses_the_trade() -> None:
    table = Table({"DEMO1": ONE})
    table.leader(+1)
    table.reject(table.take()[0], RejectClass.MARGIN)
    table.leader(+1)
    table.passes(5, ticks=50)
    assert table.take() == []
    assert table.last("DEMO1").episode is Episode.MISSED


def test_t_conv_a_rejected_exit_is_tried_until_the_follower_is_flat() -> None:
    table = Table({"DEMO1": ONE})
    table.leader(+2)
    table.execute_all()
    table.leader(-2)
    for _ in range(3):
        table.reject(table.take()[0], RejectClass.UNAVAILABLE)
        table.passes(2.1, ticks=42)
    table.execute_all()
    assert table.holds("DEMO1") == 0
    table.passes(3, ticks=30)
    assert table.take() == []


def test_t_scope_a_correction_touches_only_the_follower_that_fell_behind() -> None:
    table = Table({"DEMO1": ONE, "DEMO2": ONE})
    table.leader(+2)
    table.execute_all()
    table.leader(-2)
    first, second = table.take()
    table.execute(first)
    table.reject(second, RejectClass.OTHER)
    table.passes(1, ticks=20)
    assert {order.account for order in table.take()} == {second.account}


def test_an_unanswered_order_is_unknown_asked_about_and_never_sent_again() -> None:
    table = Table({"DEMO1": ONE})
    table.leader(+1)
    order = table.take()[0]
    table.execute(order, tell=False)
    table.passes(2.6, ticks=52)
    assert table.last("DEMO1").decision is Decision.UNKNOWN
    assert table.asked[-1] == "at-DEMO1"
    table.answer_question("DEMO1")
    assert table.last("DEMO1").decision is Decision.COPIED
    assert table.last("DEMO1").filled_qty == 1
    table.passes(3, ticks=30)
    assert table.take() == []


def test_an_unknown_order_the_venue_does_not_have_expires_after_two_readings() -> None:
    table = Table({"DEMO1": ONE})
    table.leader(+1)
    table.take()
    table.passes(2.6, ticks=52)
    table.answer_question("DEMO1")
    assert table.last("DEMO1").decision is Decision.UNKNOWN
    for _ in range(2):
        table.passes(1.1)
        table.answer_question("DEMO1")
    assert table.last("DEMO1").decision is Decision.EXPIRED
    table.passes(3, ticks=30)
    assert table.take() == []


def test_t_unknown_nothing_unsafe_is_sent_while_an_outcome_is_not_known() -> None:
    table = Table({"DEMO1": ONE})
    table.leader(+1)
    table.execute_all()
    table.leader(+1)
    entry = table.take()[0]
    table.passes(2.6, ticks=52)
    table.leader(-2)
    exits = table.take()
    assert [(o.side.sign, o.qty) for o in exits] == [(-1, 1)], "only the lot that is held for certain"
    table.execute(exits[0])
    table.execute(entry, tell=False)  # the entry had been accepted after all
    table.passes(0.6)
    table.answer_question("DEMO1")
    table.execute_all()
    assert table.holds("DEMO1") == 0


def test_a_reducing_order_passes_a_broken_connection_and_an_open_breaker() -> None:
    """T-BRK: a breaker gates entries only."""
    table = Table({"DEMO1": ONE})
    table.leader(+3)
    table.execute_all()
    for _ in range(5):
        table.core.breakers["at-DEMO1"].failed(table.now_ns)
    table.disconnect("DEMO1")
    table.leader(-2)
    assert [(o.side.sign, o.qty, o.reducing) for o in table.take()] == [(-1, 2, True)]
    table.leader(+2)
    assert "down" in table.last("DEMO1").reason


def test_t_conv_an_exit_missed_while_the_line_was_cut_follows_on_reconnect() -> None:
    table = Table({"DEMO1": ONE})
    table.leader(+2)
    table.execute_all()
    table.disconnect("DEMO1")
    table.leader(-2)
    lost = table.take()[0]
    table.reject(lost, RejectClass.UNAVAILABLE)
    table.now_ns += 1_000_000_000
    table.connect("DEMO1", first=False)
    table.passes(0.5, ticks=10)
    table.execute_all()
    assert table.holds("DEMO1") == 0


def test_leader_fills_missed_in_a_gap_reduce_but_never_open() -> None:
    table = Table({"DEMO1": ONE, "DEMO2": ONE})
    table.leader(+2)
    table.execute_all()
    table.disconnect(LEADER)
    table.leader(-2, tell=False)
    table.leader(+1, tell=False)
    table.now_ns += 10_000_000_000
    table.connect(LEADER, first=False)
    orders = table.execute_all()
    assert {(o.account, o.side.sign, o.qty) for o in orders} == {("DEMO1", -1, 2), ("DEMO2", -1, 2)}
    assert len(table.signals) == 3
    table.passes(5, ticks=50)
    assert table.take() == []
    assert table.holds("DEMO1") == 0


@pytest.mark.parametrize(("policy", "expected"), [(DriftPolicy.AUTO, 2), (DriftPolicy.EXITS, 1), (DriftPolicy.SHOW, 1)])
def test_a_missed_scale_in_is_made_up_only_where_the_policy_says_so(policy: DriftPolicy, expected: int) -> None:
    table = Table({"DEMO1": ONE}, drift=policy)
    table.leader(+1)
    table.execute_all()
    table.leader(+1)
    table.reject(table.take()[0], RejectClass.UNAVAILABLE)
    table.passes(3, ticks=60)
    table.execute_all()
    assert table.holds("DEMO1") == expected


def test_a_rule_change_in_a_trade_moves_the_target() -> None:
    table = Table({"DEMO1": ONE})
    table.leader(+4)
    table.execute_all()
    table.configure(rule=HALF)
    table.passes(0.1)
    table.execute_all()
    assert table.holds("DEMO1") == 2


def test_partial_fills_of_the_leader_leave_no_residue() -> None:
    """T-PARTIAL."""
    table = Table({"DEMO1": HALF, "DEMO2": Rule(value=Decimal("0.3"))})
    for qty in (1, 1, 1, 1, 1, -1, -1, -1, -1, -1):
        table.leader(qty)
        table.execute_all()
    assert (table.holds("DEMO1"), table.holds("DEMO2")) == (0, 0)
