"""The drift pane's rows say what the desk then does."""

from decimal import Decimal

from msgspec.structs import replace

from brokers import adapter as venue
from engine.drift import Drift
from engine.shown import DriftRow
from schema.records import DriftPolicy, Foreign, Guard, RejectClass, Rule
from tests.engine.table import LEADER, S, Table

ONE = Rule()
A, B = "DEMO1001", "DEMO1002"


def rows(table: Table, drift: Drift | None = None) -> dict[str, DriftRow]:
    return {row.account: row for row in (drift or Drift(table.core)).rows()}


def refused(policy: DriftPolicy, reject: RejectClass = RejectClass.UNAVAILABLE) -> Table:
    """The leader bought 2 and 2 more; the first follower was refused the second time, the other one follows."""
    table = Table({A: ONE, B: ONE}, drift=policy)
    table.leader(+2)
    table.execute_all()
    table.leader(+2)
    for order in table.take():
        if order.account == A:
            table.reject(order, reject)
        else:
            table.execute(order)
    return table


def test_a_refused_copy_is_shown_with_the_venue_s_words_and_the_next_try() -> None:
    table = refused(DriftPolicy.AUTO)
    row = rows(table)[A]
    assert list(rows(table)) == [A]
    assert (row.held, row.target, row.delta, row.foreign) == (2, 4, 2, 0)
    assert row.why.startswith("rejected: ") and "no" in row.why
    assert row.will.startswith("an entry of 2 goes")
    table.passes(3, ticks=60)
    (order, *_) = table.take()
    assert (order.account, order.qty) == (A, 2), "what was said is done"


def test_a_group_that_only_shows_says_that_nothing_goes_by_itself() -> None:
    table = refused(DriftPolicy.SHOW)
    assert rows(table)[A].will == "nothing by itself, its group only shows drift; :resync DEMO1001"
    table.passes(5, ticks=50)
    assert table.take() == []


def test_a_group_that_corrects_exits_alone_says_so_of_an_entry_and_sends_an_exit() -> None:
    table = refused(DriftPolicy.EXITS)
    will = rows(table)[A].will
    assert will == "nothing, its group corrects exits only; :resync DEMO1001"
    table.passes(5, ticks=50)
    assert table.take() == []
    table = Table({A: ONE}, drift=DriftPolicy.EXITS)
    table.leader(+2)
    table.execute_all()
    table.leader(-2)
    table.reject(table.take()[0], RejectClass.UNAVAILABLE)
    row = rows(table)[A]
    assert (row.held, row.target, row.delta) == (2, 0, -2) and row.will.startswith("an exit of 2 goes")
    table.passes(3, ticks=60)
    assert [order.qty for order in table.take()] == [2]


def test_lots_of_somebody_else_are_named_and_left_alone() -> None:
    table = Table({A: ONE}, foreign=Foreign.IGNORE)
    table.leader(+1)
    table.execute_all()
    table.fill(A, +3)
    row = rows(table)[A]
    assert (row.held, row.target, row.delta, row.foreign) == (4, 1, 0, 3)
    assert row.why == "lots that are not the desk's"
    assert row.will == "nothing: those lots are yours; :flatten DEMO1001 closes them"
    table.passes(5, ticks=50)
    assert table.take() == []


def test_a_guard_holds_an_entry_back_and_is_named() -> None:
    table = refused(DriftPolicy.AUTO)
    table.reconfigure(tuple(replace(f, guard=Guard.HALT) for f in table.config.followers))
    assert "entry held back: halted by the trader" in rows(table)[A].will


def test_a_follower_whose_login_is_down_is_off_target_for_that() -> None:
    table = refused(DriftPolicy.AUTO)
    table.disconnect(A)
    row = rows(table)[A]
    assert row.why == "at-DEMO1001 is down: line cut"
    assert row.will == "its venue is read again once at-DEMO1001 is up"


def test_what_is_not_known_is_shown_as_not_known() -> None:
    table = Table({A: ONE, B: ONE}, connect=False)
    for name in (LEADER, B):
        table.connect(name)
    row = rows(table)[A]
    assert row.held is None and row.target is None and "is down" in row.why
    empty = replace(table.snapshot(A), complete=frozenset())
    table.feed(venue.StreamUp(connection=f"at-{A}", received_ns=table.now_ns, first=True, snapshot=empty))
    assert rows(table)[A].why == "the venue has not said what it holds"
    assert list(rows(table)) == [A]


def test_since_when_is_remembered_until_it_is_over() -> None:
    table = refused(DriftPolicy.SHOW)
    drift = Drift(table.core)
    began_ns = rows(table, drift)[A].since_ns
    table.passes(30, ticks=10)
    assert rows(table, drift)[A].since_ns == began_ns < table.now_ns
    table.leader(-4)
    table.execute_all()
    table.passes(1)
    assert rows(table, drift) == {}
    table.leader(+2)
    order = next(order for order in table.take() if order.account == A)
    table.reject(order, RejectClass.UNAVAILABLE)
    table.passes(1)
    found = rows(table, drift)
    assert A not in found or found[A].since_ns > began_ns


def test_followers_at_target_are_not_there_and_looking_changes_nothing() -> None:
    table = Table({A: ONE, B: Rule(value=Decimal("0.5"))})
    table.leader(+3)
    table.execute_all()
    seq = table.core.seq
    table.now_ns += S
    assert rows(table) == {} and table.core.seq == seq
