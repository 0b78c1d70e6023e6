"""What is not known is shown as not known: over real sockets, with tokens that die, lists that come back empty and
questions that fail. `[]` or an error is never a flat account."""

from pathlib import Path

from engine import events as ev
from engine.seat import AccountRow, Topic
from schema.clock import SYSTEM_CLOCK
from schema.records import Decision, Rule
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
