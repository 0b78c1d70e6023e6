"""The counter-examples of the field, each a named scenario: what other desks published as promises and where it failed.

Those that have a home elsewhere: a replayed session (T-REPLAY, test_faults), fills never delivered (T-DROP below and
`dropped_fill_events`), a correction that touches others (T-SCOPE, test_core, test_resync), `[]` taken for flat
(T-UNKNOWN, test_unknown), a whole desk killed (T-DUP, test_crash).
"""

from pathlib import Path

from msgspec.structs import replace

from engine import events as ev
from schema.records import Copy, Decision, FollowerConfig, GroupConfig, Rule, Signal
from schema.settings import Settings
from schema.store import Store
from tests.engine.table import LEADER, S, Table
from tests.practice import practice, until
from tests.schema import rows

ONE = Rule()


def restarted(table: Table, open_copies: tuple[tuple[Signal, Copy], ...] = (), **more: object) -> Table:
    """A new core on what the journal held, with the venue as it is."""
    again = Table(dict.fromkeys(table.core.followers, ONE), connect=False)
    again.now_ns, again.position, again.fills = table.now_ns, table.position, table.fills
    again.orders, again.fill_no, again.journal = table.orders, table.fill_no, table.journal
    again.copies = dict(table.copies)
    latest = {copy.follower: copy for copy in table.copies.values()}
    journaled: dict[str, object] = {
        "open_copies": open_copies,
        "latest_copies": tuple(latest.values()),
        "leader_nets": tuple((leader, symbol, net) for (leader, symbol), net in table.core.leader_nets.items()),
        "seen_fills": frozenset((fill.account, fill.fill_id) for fill in table.fills),
        "baselines": ((LEADER, 1),),
        "lots": tuple(table.core.lots.values()),
    }
    again.feed(ev.Recovered(at_ns=again.now_ns, **{**journaled, **more}))  # type: ignore[arg-type]
    for name in (LEADER, *table.core.followers):
        again.connect(name)
    return again


def test_t_dup_the_same_fill_after_a_restart_makes_no_second_signal_and_no_second_order() -> None:
    """nautilus #3046: ids that changed over a restart doubled what was known already."""
    table = Table({"DEMO1": ONE})
    fill = table.leader(+2)
    table.execute_all()
    again = restarted(table)
    again.tell(fill)
    again.passes(2, ticks=40)
    assert again.take() == []
    assert again.signals == []


def test_t_dup_an_order_in_flight_at_the_kill_is_found_by_its_tag_and_never_given_up_as_rejected() -> None:
    """nautilus #4958: unresolved after its retries it became REJECTED, and filled: an orphan."""
    table = Table({"DEMO1": ONE})
    table.leader(+2)
    (order,) = table.take()
    (copy,) = table.copies.values()
    (signal, _) = next(iter(table.core.recent.values()))
    table.execute(order, tell=False)
    seen = frozenset((f.account, f.fill_id) for f in table.fills if f.account == LEADER)
    again = restarted(table, ((signal, replace(copy, decision=Decision.PENDING)),), seen_fills=seen)
    assert again.last("DEMO1").decision is Decision.COPIED
    assert again.last("DEMO1").filled_qty == 2
    again.passes(3, ticks=60)
    assert again.take() == []
    again.leader(-2)
    again.execute_all()
    assert again.holds("DEMO1") == 0


def test_t_conv_a_leader_that_got_out_while_the_desk_was_away_takes_out_who_got_in_meanwhile() -> None:
    """The leader's login comes up first: what its followers hold is not known yet when its exit is told."""
    table = Table({"DEMO1": ONE})
    table.leader(+2)
    (order,) = table.take()
    ((signal, copy),) = table.core.recent.values()
    table.execute(order, tell=False)
    nets = tuple((leader, symbol, net) for (leader, symbol), net in table.core.leader_nets.items())
    known = frozenset((fill.account, fill.fill_id) for fill in table.fills if fill.account == LEADER)
    table.leader(-2, tell=False)
    again = restarted(table, ((signal, copy),), leader_nets=nets, seen_fills=known)
    again.passes(2, ticks=40)
    assert [(o.side.sign, o.qty) for o in again.execute_all()] == [(-1, 2)]
    assert again.holds("DEMO1") == 0


def test_t_conv_after_a_kill_what_moved_is_counted_from_what_the_last_desk_wrote_not_from_nothing() -> None:
    """Killed before it wrote that the flip was filled, and before its exit left: the exit was taken for filled, since
    the position had "moved" the other way, and the lot stayed for ever."""
    table = Table({"DEMO1": ONE})
    table.leader(-1)
    table.execute_all()
    (written,), known = table.core.lots.values(), {(fill.account, fill.fill_id) for fill in table.fills}
    table.leader(+2)
    table.execute_all()
    table.leader(-1)
    assert [order.qty for order in table.take()] == [1]  # and never reaches the venue
    flip, out = list(table.core.recent.values())[-2:]
    known |= {(fill.account, fill.fill_id) for fill in table.fills if fill.account == LEADER}
    forgotten = (flip[0], replace(flip[1], decision=Decision.PENDING, order_id="", filled_qty=0, avg_price=None))
    again = restarted(table, (forgotten, out), lots=(written,), seen_fills=frozenset(known))
    assert (again.holds("DEMO1"), again.core.lots["DEMO1", "ESH4"].copied) == (1, 1)
    for _ in range(4):
        again.passes(1, ticks=20)
        again.answer_question("DEMO1")
    assert "moved" not in again.last("DEMO1").reason
    assert [(order.side.sign, order.qty) for order in again.execute_all()] == [(-1, 1)]
    assert again.holds("DEMO1") == 0


def test_t_dup_a_fill_inferred_from_the_position_and_then_told_counts_once() -> None:
    """nautilus PR 3493: an inferred fill and the real one were both booked."""
    table = Table({"DEMO1": ONE})
    table.leader(+2)
    (order,) = table.take()
    table.execute(order, tell=False)
    table.passes(0.6)
    table.answer_question("DEMO1")
    assert table.core.ledger.net("DEMO1", "ESH4") == 2
    for fill in [f for f in table.fills if f.account == "DEMO1"]:
        table.tell(fill)
    assert table.core.ledger.net("DEMO1", "ESH4") == 2
    assert table.last("DEMO1").filled_qty == 2
    assert table.core.lots["DEMO1", "ESH4"].copied == 2


def test_t_dup_a_fill_that_came_as_the_desk_was_killed_is_booked_once_and_on_its_copy() -> None:
    """QuantDinger PR 232: the worker restarted and the fill was booked again."""
    table = Table({"DEMO1": ONE})
    table.leader(+2)
    (order,) = table.take()
    table.accept(order)
    (copy,) = table.copies.values()
    (signal, _) = next(iter(table.core.recent.values()))
    table.execute(order, tell=False)
    seen = frozenset((f.account, f.fill_id) for f in table.fills if f.account == LEADER)
    again = restarted(table, short_copies=((signal, copy),), seen_fills=seen, lots=())
    assert (again.last("DEMO1").decision, again.last("DEMO1").filled_qty) == (Decision.COPIED, 2)
    for fill in table.fills:
        again.tell(fill)
    assert again.last("DEMO1").filled_qty == 2
    assert again.core.ledger.net("DEMO1", "ESH4") == 2
    assert again.core.lots["DEMO1", "ESH4"].copied == 2
    assert not [alert for alert in again.alerts if "not the desk's" in alert]


def test_six_orders_given_up_as_dead_that_all_fill_later_are_booked_and_leave_again() -> None:
    """hummingbot #374, #493: six orders it had called lost filled, one after the other, and nobody watched."""
    names = [f"DEMO{number}" for number in range(1, 7)]
    table = Table(dict.fromkeys(names, ONE))
    table.leader(+1)
    orders = table.take()
    table.passes(2.6, ticks=52)
    for _ in range(3):
        table.passes(1.1)
        for name in names:
            table.answer_question(name)
    assert {table.last(name).decision for name in names} == {Decision.EXPIRED}
    for order in orders:
        table.execute(order)
    assert {table.last(name).decision for name in names} == {Decision.COPIED}
    assert sum("after all" in alert for alert in table.alerts) == 6
    table.passes(3, ticks=60)
    exits = table.execute_all()
    assert {(o.account, o.side.sign, o.qty) for o in exits} == {(name, -1, 1) for name in names}
    table.leader(-1)
    table.passes(3, ticks=60)
    table.execute_all()
    assert [table.holds(name) for name in names] == [0] * 6


async def test_t_drop_four_of_eighteen_fills_delivered_and_every_follower_still_converges(state_dir: Path) -> None:
    """LEAN PR 95: the stream delivered 4 of 18 fills while its heartbeats were fine."""
    async with practice(state_dir) as desk:
        await desk.control("events", drop_fills=0.8)
        for qty in (+2, +1, -1, -4, +2):
            await desk.leader(qty)
            await until(lambda: not desk.core.inflight.all(), 5, must=False)
        await desk.promise_holds(within_s=5.0)
        books = await desk.books()
        for name in desk.core.followers:
            for symbol in ("ESH4", "MESH4"):
                assert desk.core.ledger.net(name, symbol) == books.net(name, symbol)


def test_a_kill_between_the_commits_of_two_groups_leaves_neither_without_its_signal() -> None:
    table = Table({"DEMO1": ONE, "DEMO2": ONE})
    table.leader(+2)
    table.execute_all()
    two = (replace(table.config.groups[0]), GroupConfig(group="second", leader=LEADER))
    table.config = replace(table.config, groups=two)
    members = (FollowerConfig(account="DEMO1", group="main"), FollowerConfig(account="DEMO2", group="second"))
    again = Table({"DEMO1": ONE, "DEMO2": ONE}, connect=False)
    again.config = replace(again.config, groups=two)
    again.reconfigure(members)
    again.now_ns, again.position = table.now_ns + 5 * S, table.position
    exit_fill = again.fill(LEADER, -2, tell=False)
    latest = {copy.follower: copy for copy in table.copies.values()}
    signal, _ = next(iter(table.core.recent.values()))
    told = replace(signal, signal_id="main's", side=exit_fill.side, leader_net=0, source=exit_fill.fill_id)
    again.feed(
        ev.Recovered(
            at_ns=again.now_ns,
            open_copies=(),
            latest_copies=tuple(latest.values()),
            leader_nets=((LEADER, "ESH4", 0),),
            seen_fills=frozenset((fill.account, fill.fill_id) for fill in (*table.fills, exit_fill)),
            baselines=((LEADER, 1),),
            lots=tuple(table.core.lots.values()),
            half_signalled=((told, ("second",)),),
        )
    )
    assert len(again.signals) == 1 and again.take() == [], "journaled, and nothing sent before the venue was asked"
    for name in (LEADER, "DEMO1", "DEMO2"):
        again.connect(name)
    again.passes(1, ticks=20)
    assert ("DEMO2", -1, 2) in {(o.account, o.side.sign, o.qty) for o in again.execute_all()}


async def test_the_journal_knows_which_group_a_fill_was_not_committed_for(store: Store, settings: Settings) -> None:
    for number, group in ((1, "main"), (1, "second"), (2, "main")):
        signal = replace(rows.signal(number, net=number), group=group, signal_id=f"{number}-{group}")
        await store.commit_signal(signal, [])
    leader = rows.signal(2, net=2).leader
    ((signal, missing),) = await store.half_signalled(leader, ["main", "second"])
    assert (signal.signal_id, missing) == ("2-main", ["second"])
    await store.commit_signal(replace(signal, group="second", signal_id="2-second"), [])
    assert await store.half_signalled(leader, ["main", "second"]) == []
