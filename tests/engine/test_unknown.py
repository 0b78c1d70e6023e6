"""What is not known is shown as not known: over real sockets, with tokens that die, lists that come back empty and
questions that fail. `[]` or an error is never a flat account."""

from pathlib import Path

from engine import events as ev
from engine.seat import AccountRow, Topic
from schema.clock import SYSTEM_CLOCK
from schema.records import Decision, Foreign, LiveOrder, LiveStatus, Rule, Side
from tests.engine.table import Table
from tests.practice import PracticeDesk, practice, until

ONE = Rule()


def row(desk: PracticeDesk, account: str) -> AccountRow:
    desk.desk.views.publish(SYSTEM_CLOCK.now_ns())
    rows = [r for r in desk.desk.view(Topic.ACCOUNTS).rows if isinstance(r, AccountRow)]
    return next(r for r in rows if r.account == account)


async def test_t_unknown_empty_lists_are_not_flat_accounts(state_dir: Path) -> None:
    async with practice(state_dir) as desk:
        await desk.leader(+2)
        await desk.promise_holds()
        held = {name: desk.core.ledger.net(name, "ESH4") for name in desk.core.followers}
        sent = len((await desk.books()).received)
        await desk.control("empty", seconds=30)
        snapshot = await desk.desk.adapters["desk1"].snapshot()
        assert snapshot.complete == frozenset(), "[] with status 200 is no reading of an account that holds something"
        plan = await desk.desk.resync("all")
        assert plan.lines == () and {account for account, _ in plan.unread} == set(held)
        await until(lambda: "desk1" in desk.core.unread, 2)
        assert {name: desk.core.ledger.net(name, "ESH4") for name in desk.core.followers} == held
        await desk.control("clear")
        await until(lambda: not desk.core.unread, 5)
        assert len((await desk.books()).received) == sent, "nothing was corrected by what was not known"
        await desk.leader(-2)
        await desk.promise_holds()


async def test_t_unknown_an_exit_whose_answer_was_lost_is_settled_after_the_lists_come_back(state_dir: Path) -> None:
    """The exit is accepted, its answer and its fills never come, the token dies, and every list is `[]`."""
    async with practice(state_dir) as desk:
        victim = sorted(desk.core.followers)[0]
        await desk.leader(+2)
        await desk.promise_holds()
        assert (await desk.books()).net(victim, "ESH4") != 0
        login = desk.core.connection_of(victim)
        await desk.control("silence", login=login, seconds=5.0)
        await desk.control("empty", login=login, seconds=5.0)
        await desk.control("drop_answer", account=victim, count=1)
        await desk.leader(-2)
        await desk.control("expire", login=login)
        await until(lambda: any(order.copy.decision is Decision.UNKNOWN for order in desk.core.inflight.all()), 4)
        assert desk.core.ledger.net(victim, "ESH4") != 0
        await until(lambda: desk.core.ledger.net(victim, "ESH4") == 0, 12)
        await desk.promise_holds(within_s=3.0)
        copies = [c for c in await desk.decisions() if c.follower == victim]
        assert [c.decision for c in copies] == [Decision.COPIED, Decision.COPIED], "found out, and not sent again"


def test_a_login_whose_questions_fail_is_asked_less_often_and_told_once() -> None:
    table = Table({"DEMO1": ONE})
    table.leader(+1)
    (order,) = table.take()
    table.passes(2.6, ticks=52)
    table.asked.clear()
    for _ in range(400):
        asked = len(table.asked)
        table.passes(0.05)
        for connection in table.asked[asked:]:
            table.feed(ev.AskFailed(at_ns=table.now_ns, connection=connection, reason="the venue answers 502"))
    assert 10 <= table.asked.count("at-DEMO1") <= 16, "20 s: briskly at first, then every 2 s"
    assert sum("502" in alert for alert in table.alerts) == 1
    assert table.core.unread["at-DEMO1"][1] == "the venue answers 502"
    table.execute(order, tell=False)
    table.answer_question("DEMO1")
    assert table.core.unread == {}
    assert table.last("DEMO1").decision is Decision.COPIED


def unheard(table: Table, move: int) -> None:
    """The leader trades, the follower's order is accepted and fills, and of its end and its fills nothing is heard."""
    table.leader(move)
    (order,) = table.take()
    table.accept(order)
    table.execute(order, tell=False)


def forget(table: Table) -> None:
    """The venue lists nothing any more that is over: only the positions show it."""
    table.orders.clear()
    table.fills.clear()


def test_t_unknown_an_accepted_order_that_the_venue_forgot_is_over_and_its_lots_are_the_copies() -> None:
    table = Table({"DEMO1": ONE}, foreign=Foreign.IGNORE)
    unheard(table, +3)
    forget(table)
    table.passes(0.2)
    table.answer_question("DEMO1")
    (order,) = table.core.inflight.all()
    assert order.unknown_since_ns, "one reading proves nothing"
    assert table.core.ledger.net("DEMO1", "ESH4") == 3
    assert table.core.inflight.on_the_way("DEMO1", "ESH4") == (0, 0, 0), "its lots are in the position already"
    table.passes(1, ticks=20)
    assert "at-DEMO1" in table.asked, "the venue is asked again at once"
    table.answer_question("DEMO1")
    assert table.core.inflight.all() == []
    row = table.last("DEMO1")
    assert (row.decision, row.filled_qty) == (Decision.COPIED, 0), "no fill is made up"
    assert "lists it no more" in row.reason and "3 of its lots" in row.reason
    assert table.core.lots["DEMO1", "ESH4"].copied == 3
    table.passes(2, ticks=20)
    assert table.take() == []
    table.fill("DEMO1", -3)
    table.leader(-3)
    assert table.take() == [], "closed by hand: the leader's exit has nothing left to close"
    assert table.holds("DEMO1") == 0


def test_t_unknown_an_exit_while_an_accepted_order_is_forgotten_closes_its_lots_once() -> None:
    table = Table({"DEMO1": ONE})
    unheard(table, +3)
    forget(table)
    table.passes(0.2)
    table.answer_question("DEMO1")
    table.leader(-3)
    assert [(o.side, o.qty) for o in table.execute_all()] == [(Side.SELL, 3)]
    table.passes(1.2)
    table.answer_question("DEMO1")
    table.passes(3, ticks=20)
    assert table.take() == []
    assert table.holds("DEMO1") == 0
    assert table.core.inflight.all() == []


def test_t_unknown_an_accepted_order_that_was_canceled_unheard_and_forgotten_is_made_up_for() -> None:
    table = Table({"DEMO1": ONE})
    table.leader(+3)
    (order,) = table.take()
    table.accept(order)
    for _ in range(2):
        table.passes(1.1)
        table.answer_question("DEMO1")
    table.passes(0.5)
    (again,) = table.take()
    assert (again.side, again.qty) == (Side.BUY, 3)
    assert again.cl_ord_id != order.cl_ord_id
    table.execute(again)
    assert table.holds("DEMO1") == 3


def test_t_unknown_an_accepted_order_that_is_listed_late_or_still_works_stays_on_its_way() -> None:
    table = Table({"DEMO1": ONE})
    table.leader(+3)
    (order,) = table.take()
    table.accept(order)
    table.passes(0.2)
    table.answer_question("DEMO1")
    table.execute(order, tell=False)
    done = table.orders[order.cl_ord_id]
    fields = {f: getattr(done, f) for f in done.__struct_fields__ if f not in ("status", "text", "filled_qty")}
    table.orders[order.cl_ord_id] = LiveOrder(status=LiveStatus.WORKING, **fields)
    kept, table.fills, table.position = table.fills, [], {}
    for _ in range(4):
        table.passes(1.1)
        table.answer_question("DEMO1")
    assert [o.unknown_since_ns for o in table.core.inflight.all()] == [0]
    assert table.take() == []
    table.orders[order.cl_ord_id], table.position = done, {("DEMO1", "ESH4"): 3}
    for fill in kept:
        table.tell(fill)
    table.passes(1, ticks=4)
    assert (table.core.inflight.all(), table.take()) == ([], [])
    assert table.core.lots["DEMO1", "ESH4"].copied == table.core.ledger.net("DEMO1", "ESH4") == 3
