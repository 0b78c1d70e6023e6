"""A reconnect says what it did: events missed, exits applied, entries skipped and how much worse the price is now."""

from decimal import Decimal
from pathlib import Path

from engine import events as ev
from engine.seat import AlertRow, Topic
from schema.records import RejectClass, Rule
from tests.engine.table import LEADER, S, Table
from tests.practice import PracticeDesk, practice, until

ONE = Rule()


def test_a_followers_login_says_what_it_missed() -> None:
    table = Table({"DEMO1": ONE, "DEMO2": ONE})
    table.leader(+2)
    table.execute_all()
    table.disconnect("DEMO1")
    table.leader(+1)
    table.leader(-3)
    for order in table.take():
        if order.account == "DEMO1":
            table.reject(order, RejectClass.UNAVAILABLE)
        else:
            table.execute(order)
    table.leader(+1)
    table.execute_all()
    table.now_ns += 12 * S
    table.feed(ev.PriceSeen(at_ns=table.now_ns, symbol="ESH4", price=Decimal("4801.75")))
    table.alerts.clear()
    table.connect("DEMO1", first=False)
    assert [alert for alert in table.alerts if "back after" in alert] == [
        "at-DEMO1: back after 12 s: 3 events missed, 1 exit applied, 1 entry skipped (7 ticks worse)"
    ]


def test_a_leaders_login_says_what_it_told_only_now() -> None:
    table = Table({"DEMO1": ONE, "DEMO2": ONE})
    table.leader(+2)
    table.execute_all()
    table.disconnect(LEADER)
    table.leader(-2, tell=False)
    table.leader(+1, tell=False)
    table.now_ns += 10 * S
    table.alerts.clear()
    table.connect(LEADER, first=False)
    assert not [alert for alert in table.alerts if "back after" in alert], "no price yet"
    table.feed(ev.PriceSeen(at_ns=table.now_ns, symbol="ESH4", price=Decimal("4799.5")))
    table.passes(0.1)
    assert [alert for alert in table.alerts if "back after" in alert] == [
        f"at-{LEADER}: back after 10 s: 2 events missed, 2 exits applied, 2 entries skipped (2 ticks better)"
    ]


def test_without_a_price_the_sentence_comes_all_the_same_and_once() -> None:
    table = Table({"DEMO1": ONE})
    table.disconnect("DEMO1")
    table.leader(+1)
    table.now_ns += 8 * S
    table.connect("DEMO1", first=False)
    table.passes(3, ticks=60)
    assert [alert for alert in table.alerts if "back after" in alert] == [
        "at-DEMO1: back after 8 s: 1 event missed, 1 entry skipped"
    ]


def test_a_line_that_missed_nothing_says_so() -> None:
    table = Table({"DEMO1": ONE})
    table.disconnect("DEMO1")
    table.now_ns += 2 * S
    table.connect("DEMO1", first=False)
    assert "at-DEMO1: back after 2 s: nothing missed" in table.alerts


def said(desk: PracticeDesk, login: str) -> list[str]:
    rows = [row for row in desk.desk.view(Topic.ALERTS).rows if isinstance(row, AlertRow)]
    return [row.text for row in rows if row.text.startswith(f"{login}: back after")]


async def test_t_conv_a_login_cut_while_the_leader_trades_catches_up_and_says_how(state_dir: Path) -> None:
    async with practice(state_dir) as desk:
        await desk.leader(+2)
        await desk.promise_holds()
        await desk.control("disconnect", login="desk1", refuse_s=2.0)
        await until(lambda: not desk.core.up["desk1"], 2)
        await desk.leader(-1)
        await desk.leader(-1)
        await desk.leader(-1)
        await until(lambda: desk.core.up["desk1"], 10)
        back = desk.now_s()
        await desk.promise_holds(within_s=3.0)
        assert desk.now_s() - back < 3.0
        await until(lambda: bool(said(desk, "desk1")), 2)
        (text,) = said(desk, "desk1")
        assert "3 events missed" in text and "applied" in text and "skipped (" in text, text
