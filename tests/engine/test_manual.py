"""Orders of the trader's own in the core: journaled before they leave, sent once, followed to their end, and never
taken for a copy, for drift, or for a stranger's."""

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from brokers import adapter as venue
from engine import events as ev
from engine import manual_gate, recovery
from engine.mirror_terms import Terms
from schema.records import (
    DoneOrder,
    DoneStatus,
    DriftPolicy,
    Episode,
    FollowerConfig,
    Foreign,
    Guard,
    LiveOrder,
    LiveStatus,
    ManualOrder,
    ManualState,
    OrderType,
    RejectClass,
    Rule,
    Side,
)
from tests.engine.table import LEADER, MS, Table

ONE = Rule()
FIND = venue.Requests(once=0, each=1)
READ = venue.Requests(once=1, each=1)


def order(table: Table, account: str, lots: int, plan: str = "p1", **terms: Any) -> ManualOrder:
    return ManualOrder(
        cl_ord_id="cm" + table.core.digest(plan, account),
        plan_id=plan,
        account=account,
        symbol="ESH4",
        side=Side.of(lots),
        qty=abs(lots),
        asked_ns=table.now_ns,
        **{"order_type": OrderType.MARKET, **terms},
    )


def give(table: Table, *orders: ManualOrder) -> None:
    table.feed(ev.ManualAsked(at_ns=table.now_ns, orders=orders))


def row(table: Table, tag: str) -> ManualOrder:
    return table.core.manual.flights[tag].order


def rests(table: Table, account: str, lots: int, price: str = "4790", plan: str = "p1") -> ManualOrder:
    """A limit order of the trader's that its venue has."""
    given = order(table, account, lots, plan, order_type=OrderType.LIMIT, limit_price=Decimal(price))
    give(table, given)
    (sent,) = table.take()
    table.accept(sent)
    shown(table, sent.cl_ord_id, account, lots, price)
    return given


def shown(table: Table, tag: str, account: str, lots: int, price: str = "4790", order_id: str = "") -> None:
    live = LiveOrder(
        account=account,
        order_id=order_id or f"o-{tag}",
        symbol="ESH4",
        side=Side.of(lots),
        order_type=OrderType.LIMIT,
        qty=abs(lots),
        limit_price=Decimal(price),
        cl_ord_id=tag,
        status=LiveStatus.WORKING,
    )
    table.feed(venue.OrderUpdated(connection=table.at(account), received_ns=table.now_ns, order=live))


def test_the_row_is_in_the_journal_before_the_order_leaves() -> None:
    table = Table({"DEMO1": ONE})
    table.journal_up = False
    give(table, order(table, "DEMO1", +2))
    assert table.take() == []
    (waiting,) = table.waiting_manual
    table.commit_manual(waiting)
    (sent,) = table.take()
    assert (sent.account, sent.side, sent.qty, sent.reducing) == ("DEMO1", Side.BUY, 2, False)
    table.execute(sent)
    assert table.manual[sent.cl_ord_id].state is ManualState.DONE
    assert (table.manual[sent.cl_ord_id].filled_qty, table.manual[sent.cl_ord_id].avg_price) == (2, 4800)


def test_the_lots_of_a_followers_manual_order_are_no_drift_and_are_never_corrected_or_doubled() -> None:
    table = Table({"DEMO1": ONE}, drift=DriftPolicy.AUTO)
    give(table, order(table, "DEMO1", +3))
    table.execute_all()
    table.passes(5, ticks=50)
    assert table.take() == [], "nothing is corrected"
    table.leader(+2)
    assert [(o.side.sign, o.qty) for o in table.execute_all()] == [(1, 2)], "the copy is the rule's, no more, no less"
    assert table.holds("DEMO1") == 5
    table.passes(5, ticks=50)
    assert list(recovery.drifting(table.core)) == []
    table.leader(-2)
    assert [(o.side.sign, o.qty) for o in table.execute_all()] == [(-1, 2)]
    table.passes(5, ticks=50)
    assert table.take() == []
    assert table.holds("DEMO1") == 3, "the trader's lots stay until he closes them"


def test_what_the_trader_opens_right_after_a_flatten_is_not_taken_for_a_part_of_it() -> None:
    table = Table({"DEMO1": ONE}, drift=DriftPolicy.AUTO)
    table.feed(ev.Flattened(at_ns=table.now_ns, accounts=("DEMO1",)))
    table.feed(ev.FlattenEnded(at_ns=table.now_ns, accounts=("DEMO1",)))
    table.passes(2, ticks=40)
    give(table, order(table, "DEMO1", +2))
    table.execute_all()
    table.leader(+1)
    assert [(o.side.sign, o.qty) for o in table.execute_all()] == [(1, 1)]
    table.leader(-1)
    assert [(o.side.sign, o.qty) for o in table.execute_all()] == [(-1, 1)]
    table.passes(5, ticks=50)
    assert table.take() == []
    assert table.holds("DEMO1") == 2


@pytest.mark.parametrize("policy", [Foreign.DISARM, Foreign.FLATTEN, Foreign.ALERT])
def test_the_groups_policy_about_strangers_is_not_carried_out_for_the_traders_own_orders(policy: Foreign) -> None:
    table = Table({"DEMO1": ONE}, foreign=policy)
    rests(table, "DEMO1", +1)
    give(table, order(table, "DEMO1", +1, "p2"))
    table.execute_all()
    assert table.core.followers["DEMO1"].enabled
    assert not any("not the desk's" in alert for alert in table.alerts)
    table.fill("DEMO1", +1)
    assert table.core.followers["DEMO1"].enabled is (policy is Foreign.ALERT), "a real stranger still is one"


def test_t_dup_an_order_on_the_leader_is_copied_exactly_once() -> None:
    table = Table({"DEMO1": ONE, "DEMO2": Rule(value=Decimal(2))})
    give(table, order(table, LEADER, +2))
    (sent,) = table.take()
    assert sent.account == LEADER
    table.execute(sent)
    assert sorted((o.account, o.side.sign * o.qty) for o in table.execute_all()) == [("DEMO1", 2), ("DEMO2", 4)]
    table.passes(5, ticks=50)
    assert table.take() == []
    assert len(table.signals) == 1


def test_one_preview_sends_once_whoever_confirms_it_again() -> None:
    table = Table({"DEMO1": ONE})
    given = order(table, "DEMO1", +1)
    give(table, given)
    assert len(table.execute_all()) == 1
    give(table, given)
    assert table.take() == []
    other = Table({"DEMO1": ONE})  # the next desk, with the same journal
    other.manual = table.manual
    give(other, given)
    assert other.take() == []
    assert row(other, given.cl_ord_id).state is ManualState.NOT_SENT
    assert other.manual[given.cl_ord_id].state is ManualState.DONE, "the first one's row stays what it is"


@pytest.mark.parametrize("guard", [Guard.HALT, Guard.REDUCE_ONLY, Guard.CLOSE_ONLY])
def test_a_guard_refuses_what_opens_and_lets_what_reduces_pass(guard: Guard) -> None:
    table = Table({"DEMO1": ONE})
    give(table, order(table, "DEMO1", +2))
    table.execute_all()
    table.config = replace(table.config, guard=guard)
    table.feed(ev.ConfigLoaded(at_ns=table.now_ns, config=table.config))
    for number, account in enumerate(("DEMO1", LEADER)):
        given = order(table, account, +1, f"open{number}")
        give(table, given)
        assert table.take() == []
        assert "by the trader: desk" in row(table, given.cl_ord_id).reason
        assert given.cl_ord_id not in table.manual, "what is refused is no intent"
    give(table, order(table, "DEMO1", -2, "close"))
    (sent,) = table.take()
    assert sent.reducing


def test_a_halt_set_while_the_journal_writes_still_holds_the_entry_back() -> None:
    table = Table({"DEMO1": ONE})
    table.journal_up = False
    given = order(table, "DEMO1", +1)
    give(table, given)
    table.config = replace(table.config, guard=Guard.HALT)
    table.feed(ev.ConfigLoaded(at_ns=table.now_ns, config=table.config))
    (waiting,) = table.waiting_manual
    table.commit_manual(waiting)
    assert table.take() == []
    assert table.manual[given.cl_ord_id].state is ManualState.NOT_SENT


def test_an_order_whose_journal_took_too_long_is_not_sent() -> None:
    table = Table({"DEMO1": ONE})
    table.journal_up = False
    given = order(table, "DEMO1", +1)
    give(table, given)
    table.now_ns += 3_000 * MS
    (waiting,) = table.waiting_manual
    table.commit_manual(waiting)
    assert table.take() == []
    assert "deadline" in table.manual[given.cl_ord_id].reason


def test_nothing_is_given_beside_a_flatten_or_where_the_position_is_not_known() -> None:
    table = Table({"DEMO1": ONE, "DEMO2": ONE}, connect=False)
    for name in (LEADER, "DEMO1"):
        table.connect(name)
    table.feed(ev.Flattened(at_ns=table.now_ns, accounts=("DEMO1",)))
    assert manual_gate.why_not(table.core, "DEMO1", "ESH4", -1) == "being flattened by the trader"
    assert manual_gate.why_not(table.core, "DEMO2", "ESH4", -1) == manual_gate.NOT_KNOWN


def test_caps_flips_breakers_and_a_copy_on_its_way_refuse() -> None:
    table = Table({"DEMO1": FollowerConfig(account="DEMO1", group="main", max_position=3, max_order=2)})
    why = manual_gate.why_not
    assert why(table.core, "DEMO1", "ESH4", 3) == "its max_order is 2"
    give(table, order(table, "DEMO1", +2))
    table.execute_all()
    assert why(table.core, "DEMO1", "ESH4", 2) == "its max_position is 3, it would hold +4"
    rests(table, "DEMO1", +1, plan="rests")
    assert why(table.core, "DEMO1", "ESH4", 1) == "its max_position is 3, it would hold +4", "what rests may fill, too"
    table.feed(ev.VenueAbilities(at_ns=table.now_ns, connection="at-DEMO1", flips=False))
    assert why(table.core, "DEMO1", "ESH4", -3) == "its venue takes no order across zero: close +2 first"
    for _ in range(5):
        table.core.breakers["at-DEMO1"].failed(table.now_ns)
    assert why(table.core, "DEMO1", "ESH4", 1) == "breaker of at-DEMO1 is open"
    assert why(table.core, "DEMO1", "ESH4", -2) == "", "a reducing order passes every gate"


def test_lots_that_a_copy_is_closing_are_not_closed_by_hand_beside_it() -> None:
    table = Table({"DEMO1": ONE})
    table.leader(+2)
    table.execute_all()
    table.leader(-2)
    given = order(table, "DEMO1", -2)
    give(table, given)
    assert [o.cl_ord_id[:2] for o in table.take()] == ["cd"]
    assert row(table, given.cl_ord_id).reason == manual_gate.ON_ITS_WAY


def test_copies_closed_by_a_manual_order_leave_the_trade_and_its_exit_opens_nothing() -> None:
    table = Table({"DEMO1": ONE})
    table.leader(+2)
    table.execute_all()
    give(table, order(table, "DEMO1", -2))
    assert [o.reducing for o in table.execute_all()] == [True]
    assert table.core.state("DEMO1", "ESH4").episode is Episode.MISSED
    table.leader(-2)
    table.passes(5, ticks=50)
    assert table.take() == []
    assert table.holds("DEMO1") == 0


def test_two_orders_that_each_would_close_the_position_are_not_both_exits() -> None:
    table = Table({"DEMO1": ONE})
    give(table, order(table, "DEMO1", +2))
    table.execute_all()
    give(table, order(table, "DEMO1", -2, "first"))
    give(table, order(table, "DEMO1", -2, "second"))
    assert [o.reducing for o in table.take()] == [True, False]


def test_t_unknown_an_order_without_an_answer_is_asked_for_by_its_tag_and_never_sent_again() -> None:
    table = Table({"DEMO1": ONE})
    table.can_find("DEMO1", find=FIND, reading=READ)
    give(table, order(table, "DEMO1", +1))
    (sent,) = table.take()
    table.unknown(sent, "the line broke")
    assert table.manual[sent.cl_ord_id].state is ManualState.UNKNOWN
    assert manual_gate.why_not(table.core, "DEMO1", "ESH4", 1) == manual_gate.ASKED
    table.passes(1, ticks=20)
    assert [w.cl_ord_id for _, q in table.questions for w in q.wanted] == [sent.cl_ord_id]
    table.execute(sent, tell=False)
    done = table.orders[sent.cl_ord_id]
    found = venue.Found(
        account="DEMO1",
        cl_ord_id=sent.cl_ord_id,
        finding=venue.Finding.FOUND,
        text="filled",
        order=done,
        fills=(table.fills[-1],),
    )
    table.answer_by_tag((found,))
    assert table.manual[sent.cl_ord_id].state is ManualState.DONE
    table.passes(20, ticks=100)
    assert table.take() == []
    assert table.holds("DEMO1") == table.core.ledger.net("DEMO1", "ESH4") == 1
    assert table.core.lots["DEMO1", "ESH4"].foreign == 1


def test_t_unknown_an_order_that_its_venue_denies_twice_ends_and_is_not_sent_again() -> None:
    table = Table({"DEMO1": ONE})
    table.can_find("DEMO1", find=FIND, reading=READ)
    give(table, order(table, "DEMO1", +1))
    (sent,) = table.take()
    table.unknown(sent, "the line broke")
    absent = venue.Found(account="DEMO1", cl_ord_id=sent.cl_ord_id, finding=venue.Finding.ABSENT, text="none")
    for _ in range(3):
        table.passes(1.2, ticks=24)
        if table.manual[sent.cl_ord_id].state is ManualState.UNKNOWN:
            table.answer_by_tag((absent,))
    assert table.manual[sent.cl_ord_id].state is ManualState.NOT_SENT
    table.passes(20, ticks=100)
    assert table.take() == []


def test_an_order_of_which_nothing_is_heard_is_unknown_after_its_deadline_and_read_for() -> None:
    table = Table({"DEMO1": ONE})
    give(table, order(table, "DEMO1", +1))
    (sent,) = table.take()
    table.passes(4, ticks=80)
    assert table.manual[sent.cl_ord_id].state is ManualState.UNKNOWN
    assert "at-DEMO1" in table.asked
    for _ in range(3):
        table.now_ns += 1_500 * MS
        table.answer_question("DEMO1")
    assert table.manual[sent.cl_ord_id].state is ManualState.NOT_SENT


def test_a_desk_that_starts_asks_for_what_was_on_its_way_and_sends_nothing() -> None:
    table = Table({"DEMO1": ONE}, connect=False)
    pending = order(table, "DEMO1", +1)
    table.feed(ev.ManualRecovered(at_ns=table.now_ns, orders=(pending,)))
    assert row(table, pending.cl_ord_id).state is ManualState.UNKNOWN
    for name in (LEADER, "DEMO1"):
        table.connect(name)
    for _ in range(3):
        table.passes(1.5, ticks=30)
        table.answer_question("DEMO1")
    assert table.take() == []
    assert table.manual[pending.cl_ord_id].state is ManualState.NOT_SENT


def test_lots_that_a_reading_shows_before_their_fill_are_the_traders_and_count_once() -> None:
    table = Table({"DEMO1": ONE})
    give(table, order(table, "DEMO1", +2))
    (sent,) = table.take()
    table.execute(sent, tell=False)
    late, table.fills = table.fills, []  # the reading lists the order and the position, and no fills yet
    table.answer_question("DEMO1")
    assert table.core.lots["DEMO1", "ESH4"].foreign == 2
    table.fills = late
    table.tell(late[-1])
    assert table.core.lots["DEMO1", "ESH4"].foreign == 2
    table.answer_question("DEMO1")
    table.leader(+1)
    assert [(o.side.sign, o.qty) for o in table.execute_all()] == [(1, 1)]
    table.passes(5, ticks=50)
    assert table.take() == []


def test_t_unknown_an_order_that_its_venue_forgets_and_its_position_shows_was_filled() -> None:
    """A venue that lists nothing that is over, and whose answer was lost: the lots are the trader's all the same, and
    the row does not say that nothing was sent."""
    table = Table({"DEMO1": ONE}, drift=DriftPolicy.AUTO)
    table.leader(+1)
    table.execute_all()
    given = order(table, "DEMO1", +2)
    give(table, given)
    (sent,) = table.take()
    table.execute(sent, tell=False)
    table.fills, table.orders = [], {}  # a reading has the position alone
    for _ in range(4):
        table.passes(2, ticks=20)
        table.answer_question("DEMO1")
    ended = table.manual[given.cl_ord_id]
    assert ended.state is ManualState.DONE and ended.reason == "over: the venue lists it no more; 2 of 2 seen"
    assert (table.core.lots["DEMO1", "ESH4"].copied, table.core.lots["DEMO1", "ESH4"].manual) == (1, 2)
    table.leader(-1)
    assert [(o.side.sign, o.qty) for o in table.execute_all()] == [(-1, 1)], "the trader's two stay"


def test_a_rejected_order_says_so_and_counts_trouble_of_the_venue_against_its_breaker() -> None:
    table = Table({"DEMO1": ONE})
    for number in range(5):
        given = order(table, "DEMO1", +1, f"p{number}")
        give(table, given)
        table.reject(table.take()[0], RejectClass.UNAVAILABLE)
        assert table.manual[given.cl_ord_id].state is ManualState.REJECTED
    assert any("rejected: unavailable" in alert for alert in table.alerts)
    assert manual_gate.why_not(table.core, "DEMO1", "ESH4", 1) == "breaker of at-DEMO1 is open"


# --- moves and cancels ------------------------------------------------------------------------------------------------


def change(table: Table, account: str, order_id: str, terms: Terms | None, change_id: str = "c1") -> None:
    table.feed(
        ev.ManualChange(at_ns=table.now_ns, change_id=change_id, account=account, order_id=order_id, terms=terms)
    )


def said(table: Table) -> str:
    return list(table.core.manual.changes.values())[-1].said


def test_a_working_order_is_moved_and_canceled_once_for_each_preview() -> None:
    table = Table({"DEMO1": ONE})
    given = rests(table, "DEMO1", +1)
    to = Terms(side=Side.BUY, qty=1, order_type=OrderType.LIMIT, limit_price=Decimal(4789))
    change(table, "DEMO1", f"o-{given.cl_ord_id}", to)
    change(table, "DEMO1", f"o-{given.cl_ord_id}", to)
    (asked,) = table.changes
    assert asked.terms == to
    answer = ev.ChangeAnswered(
        at_ns=table.now_ns, account="DEMO1", cl_ord_id=asked.cl_ord_id, terms=to, outcome=ev.Outcome.TAKEN
    )
    table.feed(answer)
    assert said(table) == "moved"
    shown(table, given.cl_ord_id, "DEMO1", +1, "4789")
    assert table.manual[given.cl_ord_id].limit_price == 4789
    change(table, "DEMO1", f"o-{given.cl_ord_id}", None, "c2")
    assert table.changes[-1].terms is None
    gone = DoneOrder(
        account="DEMO1",
        order_id=f"o-{given.cl_ord_id}",
        symbol="ESH4",
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        qty=1,
        cl_ord_id=given.cl_ord_id,
        status=DoneStatus.CANCELED,
    )
    table.feed(venue.OrderUpdated(connection="at-DEMO1", received_ns=table.now_ns, order=gone))
    assert table.manual[given.cl_ord_id].state is ManualState.DONE
    change(table, "DEMO1", f"o-{given.cl_ord_id}", None, "c3")
    assert said(table) == "it works no more"
    assert len(table.changes) == 2


def test_a_copys_order_is_left_to_its_leader() -> None:
    table = Table({"DEMO1": ONE})
    shown(table, "cd0123", "DEMO1", +1, order_id="9")
    change(table, "DEMO1", "9", None)
    assert table.changes == []
    assert "follows the leader's" in said(table)


def test_a_change_whose_outcome_is_not_known_has_the_login_read() -> None:
    table = Table({"DEMO1": ONE})
    shown(table, "", LEADER, +1, order_id="9")
    change(table, LEADER, "9", None)
    (asked,) = table.changes
    table.feed(
        ev.ChangeAnswered(
            at_ns=table.now_ns,
            account=LEADER,
            cl_ord_id=asked.cl_ord_id,
            terms=None,
            outcome=ev.Outcome.UNKNOWN,
            text="no answer",
        )
    )
    assert "not known: no answer" in said(table)
    assert table.asked[-1] == f"at-{LEADER}"


def test_a_guard_that_cancels_resting_entries_cancels_the_traders_too_and_leaves_his_exits() -> None:
    table = Table({"DEMO1": ONE})
    entry = rests(table, "DEMO1", +1, plan="entry")
    give(table, order(table, "DEMO1", +2, "in"))
    table.execute_all()
    rests(table, "DEMO1", -2, "4890", plan="exit")
    table.config = replace(table.config, guard=Guard.HALT)
    table.feed(ev.ConfigLoaded(at_ns=table.now_ns, config=table.config))
    table.passes(1, ticks=20)
    assert table.changes == [], "a halt leaves what rests"
    table.config = replace(table.config, guard=Guard.REDUCE_ONLY)
    table.feed(ev.ConfigLoaded(at_ns=table.now_ns, config=table.config))
    table.passes(1, ticks=20)
    assert [(c.order_id, c.terms) for c in table.changes] == [(f"o-{entry.cl_ord_id}", None)]
