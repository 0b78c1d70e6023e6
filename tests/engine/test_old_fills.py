"""Fills are not remembered for ever; those too old to be remembered are history, whoever tells of them again."""

from engine import events as ev
from schema.records import Rule
from tests.engine.table import LEADER, Table

ONE = Rule()
HOUR_NS = 3_600_000_000_000


def restarted(table: Table, hours: int) -> Table:
    """A new core, so many hours later, that remembers no fill: all are older than it looks back."""
    again = Table({"DEMO1": ONE}, connect=False)
    again.now_ns = table.now_ns + hours * HOUR_NS
    again.position, again.fills, again.fill_no = table.position, table.fills, table.fill_no
    again.feed(
        ev.Recovered(
            at_ns=again.now_ns,
            open_copies=(),
            latest_copies=tuple(table.copies.values()),
            leader_nets=((LEADER, "ESH4", table.core.leader_nets[LEADER, "ESH4"]),),
            seen_fills=frozenset(),
            baselines=((LEADER, 1),),
            fills_since_ns=again.now_ns - HOUR_NS,
        )
    )
    return again


def test_t_replay_fills_older_than_the_desk_looks_back_send_no_order_and_move_no_position() -> None:
    table = Table({"DEMO1": ONE})
    table.leader(+2)
    table.execute_all()
    old = list(table.fills)
    again = restarted(table, hours=2)
    for name in (LEADER, "DEMO1"):
        again.connect(name)  # the venue's snapshot lists them
    for fill in old:
        again.tell(fill)  # and its stream replays them
    assert again.take() == []
    assert (again.holds(LEADER), again.holds("DEMO1")) == (2, 2)
    assert again.core.leader_nets[LEADER, "ESH4"] == 2
    again.leader(-2)
    assert [(order.side.sign, order.qty) for order in again.execute_all()] == [(-1, 2)]


def test_a_leader_that_traded_unseen_so_long_ago_is_followed_by_its_position() -> None:
    table = Table({"DEMO1": ONE})
    table.leader(+2)
    table.execute_all()
    table.leader(-2, tell=False)  # while no desk ran
    again = restarted(table, hours=2)
    for name in ("DEMO1", LEADER):
        again.connect(name)
    assert [(order.side.sign, order.qty) for order in again.execute_all()] == [(-1, 2)]
    assert again.holds("DEMO1") == 0
