"""A guard holds entries back at every level, and never an exit; what it held back is not opened by surprise later."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from engine import events as ev
from engine.guards import guard_of, rests_entries
from schema.records import Decision, DriftPolicy, Episode, Guard, RejectClass, Rule
from tests.engine.table import LEADER, S, Table

ONE = Rule()
HALF = Rule(value=Decimal("0.5"))
LEVELS = {"desk": "desk", "group": "group main", "follower": "DEMO1"}
GUARDS = {Guard.HALT: "halted", Guard.REDUCE_ONLY: "reduce only", Guard.CLOSE_ONLY: "close only"}
each_guard = pytest.mark.parametrize("guard", GUARDS)
each_level = pytest.mark.parametrize("level", LEVELS)


def set_guard(table: Table, level: str, guard: Guard) -> None:
    """As the store tells it: the whole configuration again."""
    config = table.config
    if level == "desk":
        config = replace(config, guard=guard)
    elif level == "group":
        config = replace(config, groups=tuple(replace(group, guard=guard) for group in config.groups))
    else:
        config = replace(
            config,
            followers=tuple(replace(f, guard=guard) if f.account == "DEMO1" else f for f in config.followers),
        )
    table.config = config
    table.feed(ev.ConfigLoaded(at_ns=table.now_ns, config=config))


@each_level
@each_guard
def test_an_entry_is_skipped_and_the_reason_names_who_set_the_guard(level: str, guard: Guard) -> None:
    table = Table({"DEMO1": ONE, "DEMO2": ONE})
    set_guard(table, level, guard)
    table.leader(+2)
    assert [order.account for order in table.take()] == (["DEMO2"] if level == "follower" else [])
    copy = table.last("DEMO1")
    assert (copy.decision, copy.reason) == (Decision.SKIPPED, f"{GUARDS[guard]} by the trader: {LEVELS[level]}")


@each_level
@each_guard
def test_a_reduction_passes_every_guard(level: str, guard: Guard) -> None:
    table = Table({"DEMO1": ONE})
    table.leader(+3)
    table.execute_all()
    set_guard(table, level, guard)
    table.leader(-1)
    assert [(order.qty, order.reducing) for order in table.execute_all()] == [(1, True)]
    table.leader(-2)
    assert [(order.qty, order.reducing) for order in table.execute_all()] == [(2, True)]
    assert table.holds("DEMO1") == 0


@each_guard
def test_of_a_flip_only_the_closing_part_is_sent(guard: Guard) -> None:
    table = Table({"DEMO1": ONE})
    table.leader(+2)
    table.execute_all()
    set_guard(table, "desk", guard)
    table.leader(-5)
    assert [(order.qty, order.reducing) for order in table.execute_all()] == [(2, True)]
    table.passes(5, ticks=50)
    set_guard(table, "desk", Guard.NONE)
    table.passes(5, ticks=50)
    assert table.take() == [] and table.holds("DEMO1") == 0


@each_level
@each_guard
def test_who_missed_the_entry_stays_out_of_that_trade_and_joins_the_next(level: str, guard: Guard) -> None:
    table = Table({"DEMO1": ONE})
    set_guard(table, level, guard)
    table.leader(+2)
    set_guard(table, level, Guard.NONE)
    table.passes(5, ticks=50)
    table.leader(+1)
    table.leader(-3)
    assert table.take() == []
    table.leader(-1)
    assert [(order.qty, order.side.sign) for order in table.take()] == [(1, -1)]


@each_guard
def test_what_a_guard_held_back_is_not_corrected_later(guard: Guard) -> None:
    table = Table({"DEMO1": ONE}, drift=DriftPolicy.AUTO)
    table.leader(+1)
    table.execute_all()
    set_guard(table, "desk", guard)
    table.leader(+2)
    table.passes(5, ticks=50)
    assert table.take() == []
    set_guard(table, "desk", Guard.NONE)
    table.passes(10, ticks=100)
    assert table.take() == []
    assert table.core.state("DEMO1", "ESH4").episode is Episode.JOINED


def test_an_entry_that_failed_before_the_guard_is_not_tried_again_under_it() -> None:
    table = Table({"DEMO1": ONE}, drift=DriftPolicy.AUTO)
    table.leader(+1)
    table.execute_all()
    table.leader(+1)
    (order,) = table.take()
    table.reject(order, RejectClass.UNAVAILABLE)
    set_guard(table, "desk", Guard.HALT)
    table.passes(5, ticks=50)
    assert table.take() == []


def test_an_exit_that_failed_is_tried_again_under_a_guard() -> None:
    table = Table({"DEMO1": ONE})
    table.leader(+2)
    table.execute_all()
    set_guard(table, "desk", Guard.CLOSE_ONLY)
    table.leader(-2)
    (order,) = table.take()
    table.reject(order, RejectClass.UNAVAILABLE)
    table.passes(1, ticks=20)
    assert [(order.qty, order.reducing) for order in table.execute_all()] == [(2, True)]


def test_a_guard_set_while_the_journal_is_written_still_holds_the_entry() -> None:
    table = Table({"DEMO1": ONE})
    table.journal_up = False
    table.leader(+2)
    set_guard(table, "desk", Guard.HALT)
    table.journal_up = True
    table.commit(table.waiting.pop())
    assert table.take() == []
    assert table.last("DEMO1").reason == "halted by the trader: desk"


def test_a_flip_on_its_way_to_the_journal_when_the_guard_comes_still_closes() -> None:
    table = Table({"DEMO1": ONE})
    table.leader(+2)
    table.execute_all()
    table.journal_up = False
    table.leader(-3)
    set_guard(table, "desk", Guard.HALT)
    table.journal_up = True
    table.commit(table.waiting.pop())
    table.passes(1, ticks=20)
    assert [(order.qty, order.reducing) for order in table.execute_all()] == [(2, True)]
    assert table.holds("DEMO1") == 0


def test_the_strictest_guard_holds_and_the_desk_is_named_first() -> None:
    table = Table({"DEMO1": ONE})
    follower = lambda: table.core.followers["DEMO1"]  # noqa: E731 - the configuration is replaced by each change
    set_guard(table, "follower", Guard.CLOSE_ONLY)
    set_guard(table, "group", Guard.HALT)
    assert guard_of(table.core, follower()) == (Guard.CLOSE_ONLY, "DEMO1")
    set_guard(table, "desk", Guard.CLOSE_ONLY)
    assert guard_of(table.core, follower()) == (Guard.CLOSE_ONLY, "desk")
    set_guard(table, "follower", Guard.NONE)
    set_guard(table, "desk", Guard.NONE)
    assert guard_of(table.core, follower()) == (Guard.HALT, "group main")


def test_only_a_halt_leaves_resting_entries() -> None:
    table = Table({"DEMO1": ONE})
    rests: dict[Guard, bool] = {}
    for guard in Guard:
        set_guard(table, "group", guard)
        rests[guard] = rests_entries(table.core, table.core.followers["DEMO1"])
    assert rests == {Guard.NONE: True, Guard.HALT: True, Guard.REDUCE_ONLY: False, Guard.CLOSE_ONLY: False}


@pytest.mark.parametrize(("guard", "joins"), [(Guard.HALT, True), (Guard.CLOSE_ONLY, False)])
def test_close_only_keeps_a_flat_follower_out_of_trades_that_start_under_it(guard: Guard, joins: bool) -> None:
    """At half size the leader's first lot asks for nothing: a halt missed no entry, close-only is stricter."""
    table = Table({"DEMO1": HALF})
    set_guard(table, "desk", guard)
    table.leader(+1)
    set_guard(table, "desk", Guard.NONE)
    table.leader(+1)
    assert [order.qty for order in table.take()] == ([1] if joins else [])


def test_a_close_only_follower_that_holds_something_follows_the_leader_out() -> None:
    table = Table({"DEMO1": ONE})
    table.leader(+2)
    table.execute_all()
    set_guard(table, "follower", Guard.CLOSE_ONLY)
    table.leader(+1)
    table.leader(-2)
    assert [order.qty for order in table.execute_all()] == [1]
    table.leader(-1)
    assert [order.qty for order in table.execute_all()] == [1]


# --- flattened -------------------------------------------------------------------------------------------------------


def test_while_an_account_is_flattened_no_copy_touches_it() -> None:
    table = Table({"DEMO1": ONE, "DEMO2": ONE})
    table.leader(+2)
    table.execute_all()
    table.feed(ev.Flattened(at_ns=table.now_ns, accounts=("DEMO1",)))
    table.leader(-1)
    assert [order.account for order in table.execute_all()] == ["DEMO2"]
    table.leader(-1)
    table.leader(+1)  # a new trade
    assert [order.account for order in table.execute_all()] == ["DEMO2", "DEMO2"]
    assert table.last("DEMO1").reason == "being flattened by the trader"
    table.fill("DEMO1", -2)
    table.feed(ev.FlattenEnded(at_ns=table.now_ns, accounts=("DEMO1",)))
    table.passes(5, ticks=50)
    table.leader(-2)  # and the next one
    assert {order.account: order.qty for order in table.execute_all()} == {"DEMO1": 1, "DEMO2": 2}


def test_t_panic_a_flatten_that_ends_within_a_kill_lets_no_copy_in_before_the_kill_is_over() -> None:
    """The kill still waited for another login: this account joined the next trade, and was then called flat."""
    table = Table({"DEMO1": ONE, "DEMO2": ONE})
    everybody = tuple(table.core.accounts)
    table.feed(ev.Flattened(at_ns=table.now_ns, accounts=everybody))
    table.passes(2, ticks=20)
    table.feed(ev.Flattened(at_ns=table.now_ns, accounts=("DEMO1",)))
    table.feed(ev.FlattenEnded(at_ns=table.now_ns, accounts=("DEMO1",)))
    table.passes(3, ticks=30)
    table.leader(+1)
    assert table.take() == []
    assert {table.last(name).reason for name in ("DEMO1", "DEMO2")} == {"being flattened by the trader"}
    table.feed(ev.FlattenEnded(at_ns=table.now_ns, accounts=everybody))
    table.passes(3, ticks=30)
    table.leader(-1)
    table.leader(+2)
    assert [(order.account, order.qty) for order in table.execute_all()] == [("DEMO1", 2), ("DEMO2", 2)]


def test_a_copys_exit_on_its_way_to_the_journal_is_left_to_the_flatten() -> None:
    table = Table({"DEMO1": ONE})
    table.leader(+2)
    table.execute_all()
    table.journal_up = False
    table.leader(-2)
    table.feed(ev.Flattened(at_ns=table.now_ns, accounts=("DEMO1",)))
    table.journal_up = True
    table.commit(table.waiting.pop())
    assert table.take() == []


def test_a_fill_that_comes_late_is_closed_once_the_flatten_is_over_and_not_before() -> None:
    table = Table({"DEMO1": ONE})
    table.leader(+2)
    (order,) = table.take()
    table.feed(ev.Flattened(at_ns=table.now_ns, accounts=("DEMO1",)))
    table.execute(order)
    table.passes(1, ticks=20)
    assert table.take() == []  # the flatten's own next round closes it; two would leave it short
    table.feed(ev.FlattenEnded(at_ns=table.now_ns, accounts=("DEMO1",)))
    table.passes(1, ticks=20)
    assert [(o.qty, o.reducing) for o in table.execute_all()] == [(2, True)]


def test_a_flatten_from_the_shell_takes_the_accounts_out_as_the_desks_own_does() -> None:
    table = Table({"DEMO1": ONE})
    table.leader(+2)
    table.execute_all()
    table.config = replace(table.config, flattened=(("DEMO1", table.now_ns),))
    table.feed(ev.ConfigLoaded(at_ns=table.now_ns, config=table.config))
    table.leader(-2)  # the shell closes the leader as well: answering it would close DEMO1 twice
    table.passes(1, ticks=20)
    assert table.take() == []
    table.fill("DEMO1", -2)
    table.passes(30, ticks=30)
    table.leader(+1)
    assert [order.qty for order in table.take()] == [1]


def test_who_was_flattened_stays_out_of_the_trade_across_a_restart() -> None:
    before = Table({"DEMO1": ONE})
    before.leader(+2)
    before.execute_all()
    after = Table({"DEMO1": ONE}, connect=False)
    after.now_ns = before.now_ns + 60 * S
    after.config = replace(after.config, flattened=(("DEMO1", before.now_ns + S),))
    after.feed(ev.ConfigLoaded(at_ns=after.now_ns, config=after.config))
    recovered = ev.Recovered(
        at_ns=after.now_ns,
        open_copies=(),
        latest_copies=(before.last("DEMO1"),),
        leader_nets=((LEADER, "ESH4", 2),),
        seen_fills=frozenset((fill.account, fill.fill_id) for fill in before.fills),
        baselines=((LEADER, 1),),
    )
    after.feed(recovered)
    after.position[LEADER, "ESH4"] = 2
    after.fill_no = 100
    for name in (LEADER, "DEMO1"):
        after.connect(name)
    after.leader(+1)
    after.passes(5, ticks=50)
    assert after.take() == []
    assert after.last("DEMO1").reason == "missed the entry of this trade"


def test_what_a_guard_held_back_is_not_opened_after_a_restart_either() -> None:
    before = Table({"DEMO1": ONE})
    before.leader(+1)
    before.execute_all()
    set_guard(before, "desk", Guard.HALT)
    before.leader(+2)
    after = Table({"DEMO1": ONE}, connect=False)
    after.now_ns = before.now_ns + 60 * S
    recovered = ev.Recovered(
        at_ns=after.now_ns,
        open_copies=(),
        latest_copies=(before.last("DEMO1"),),
        leader_nets=((LEADER, "ESH4", 3),),
        seen_fills=frozenset((fill.account, fill.fill_id) for fill in before.fills),
        baselines=((LEADER, 1),),
    )
    after.feed(recovered)
    after.position |= {(LEADER, "ESH4"): 3, ("DEMO1", "ESH4"): 1}
    for name in (LEADER, "DEMO1"):
        after.connect(name)
    after.passes(10, ticks=100)
    assert after.take() == []
