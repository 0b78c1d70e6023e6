"""The arm checklist: each thing that would keep a follower from copying is a FAIL of that follower alone."""

from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from brokers import adapter as venue
from brokers.adapter import ConnectionHealth
from engine import events as ev
from engine.arming import Arming
from engine.seat import AccountRow, CommandRefused, Topic
from engine.shown import ArmLine, Verdict
from schema.records import (
    AccountState,
    FollowerConfig,
    Guard,
    Instrument,
    Rule,
    RuleKind,
    SymbolMap,
)
from tests.engine.table import LEADER, MS, S, Table
from tests.practice import practice, until

ONE = Rule()
A, B = "DEMO1001", "DEMO1002"
DAY = 86_400 * S


def off(name: str, **changes: object) -> FollowerConfig:
    return FollowerConfig(account=name, group="main", enabled=False, **changes)  # type: ignore[arg-type]


def table_of(**changes: object) -> Table:
    """Two followers that are off; `changes` are of the first one."""
    return Table({A: off(A, **changes), B: off(B)})


def health(left: int) -> ConnectionHealth:
    return ConnectionHealth(
        connection="",
        state="up",
        reason="",
        last_message_ns=0,
        reconnects=0,
        unreadable=0,
        budget_per_min=80,
        budget_left=left,
        round_trip_ms=1.0,
    )


def lines(table: Table, *, acknowledged: tuple[str, ...] = (), left: int = 80, chart: str = "ESH4") -> list[ArmLine]:
    spent = {f"at-{A}": left}
    arming = Arming(table.core, lambda at: health(spent.get(at, 80)), lambda _: 20, chart)
    return list(arming.lines((A, B), acknowledged))


def fails(line: ArmLine) -> dict[str, str]:
    return {check.name: check.reason for check in line.checks if check.verdict is Verdict.FAIL}


def notes(line: ArmLine) -> dict[str, str]:
    return {check.name: check.reason for check in line.checks if check.verdict is Verdict.NOTE}


def only_first_fails(found: list[ArmLine], name: str, *said: str) -> None:
    first, second = found
    assert list(fails(first)) == [name] and not first.passes
    assert all(text in fails(first)[name] for text in said), fails(first)
    assert second.passes, fails(second)


def test_a_follower_at_a_well_desk_passes_and_what_is_not_known_yet_is_a_note() -> None:
    table = table_of()
    for line in lines(table):
        assert line.passes and not line.on
        assert list(notes(line)) == ["clock"]
    names = [check.name for check in lines(table)[0].checks]
    assert names == [
        "connection",
        "position",
        "contract",
        "expiry",
        "foreign",
        "rule",
        "budget",
        "breaker",
        "guard",
        "policy",
        "leader",
        "clock",
    ]


def test_a_connection_that_is_down_fails_with_its_reason() -> None:
    table = table_of()
    table.disconnect(A)
    only_first_fails(lines(table), "connection", "at-DEMO1001 is down: line cut")


def test_a_position_that_the_venue_has_not_said_fails() -> None:
    table = Table({A: off(A), B: off(B)}, connect=False)
    for name in (LEADER, B):
        table.connect(name)
    nothing = replace(table.snapshot(A), complete=frozenset())
    table.feed(venue.StreamUp(connection=f"at-{A}", received_ns=table.now_ns, first=True, snapshot=nothing))
    table.feed(ev.InstrumentChecked(at_ns=table.now_ns, connection=f"at-{A}", symbol="ESH4", instrument=None))
    only_first_fails(lines(table), "position", "the venue has not said what it holds")


def test_a_login_whose_questions_fail_is_no_known_position() -> None:
    table = table_of()
    table.feed(ev.AskFailed(at_ns=table.now_ns, connection=f"at-{A}", reason="HTTP 500"))
    only_first_fails(lines(table), "position", "HTTP 500")


def test_a_contract_that_its_venue_has_otherwise_fails_and_one_that_was_not_asked_too() -> None:
    table = table_of()
    error = "tick size of ESH4 is 0.5 at tradovate"
    checked = ev.InstrumentChecked(
        at_ns=table.now_ns, connection=f"at-{A}", symbol="ESH4", instrument=None, error=error
    )
    table.feed(checked)
    only_first_fails(lines(table), "contract", error)
    unasked = table_of(symbols=(SymbolMap(leader_root="ES", follower_root="NQ"),))
    only_first_fails(lines(unasked), "contract", "NQH4 has not been checked with the venue yet")


def test_before_the_leader_has_traded_no_contract_is_known_which_keeps_nobody() -> None:
    found = lines(table_of(), chart="")
    assert "checked before the leader's first entry" in notes(found[0])["contract"] and found[0].passes


def test_a_contract_near_its_expiry_fails_until_it_is_acknowledged() -> None:
    table = table_of()
    found = Instrument(
        symbol="ESH4",
        root="ES",
        tick_size=Decimal("0.25"),
        tick_value=Decimal("12.5"),
        expires_ns=table.now_ns + 3 * DAY,
    )
    table.feed(ev.InstrumentChecked(at_ns=table.now_ns, connection=f"at-{A}", symbol="ESH4", instrument=found))
    only_first_fails(lines(table), "expiry", "ESH4 expires in", ":ack ESH4")


def test_lots_that_are_not_the_desks_are_said_and_keep_nobody() -> None:
    table = table_of()
    table.fill(A, +3)
    first, second = lines(table)
    assert first.passes and "+3 ESH4 not the desk's" in notes(first)["foreign"]
    assert "foreign" not in notes(second)


def test_a_percent_rule_without_an_equity_fails() -> None:
    table = table_of(rule=Rule(kind=RuleKind.PERCENT, value=Decimal(100)))
    assert lines(table)[0].passes
    del table.core.money[A]
    only_first_fails(lines(table), "rule", "percent needs equities", A)


def test_a_budget_of_which_only_what_exits_need_is_left_fails() -> None:
    assert lines(table_of(), left=21)[0].passes
    only_first_fails(lines(table_of(), left=20), "budget", "20 of 80", "kept for exits")


def test_an_open_breaker_fails() -> None:
    table = table_of()
    for _ in range(table.core.limits.breaker_failures):
        table.core.breakers[f"at-{A}"].failed(table.now_ns)
    only_first_fails(lines(table), "breaker", "breaker of at-DEMO1001 is open")


def test_a_guard_and_a_venue_s_lock_fail() -> None:
    only_first_fails(lines(table_of(guard=Guard.HALT)), "guard", "halted by the trader")
    table = table_of()
    locked = AccountState(account=A, balance=Decimal(1), liquidate_only=True)
    table.feed(venue.AccountUpdated(connection=f"at-{A}", received_ns=table.now_ns, state=locked))
    only_first_fails(lines(table), "guard", "only reduce")


def test_a_venue_s_demand_fails_until_the_trader_took_note_of_it() -> None:
    table = table_of()
    connections = tuple(
        replace(each, venue="projectx") if each.connection == f"at-{A}" else each for each in table.config.connections
    )
    table.config = replace(table.config, connections=connections)
    table.reconfigure(table.config.followers)
    only_first_fails(lines(table), "policy", "ProjectX")
    assert lines(table, acknowledged=("projectx",))[0].passes
    arming = Arming(table.core, lambda _: None, lambda _: 0)
    assert [each.venue for each in arming.policies((A, B))] == ["projectx"]


def test_a_leader_that_is_away_or_follows_itself_fails_all_of_its_followers() -> None:
    table = table_of()
    table.disconnect(LEADER)
    for line in lines(table):
        assert "its leader DEMO1000: at-DEMO1000 is down" in fails(line)["leader"]


def test_a_leader_that_holds_something_is_said_to_who_would_miss_that_trade() -> None:
    table = table_of()
    table.leader(+2)
    first, _ = lines(table)
    assert first.passes and "its leader holds +2 ESH4" in notes(first)["leader"]


@pytest.mark.parametrize(("late_s", "said"), [(4.0, "+4.0 s"), (-3.0, "-3.0 s")])
def test_clocks_that_are_apart_fail_before_entries_are_lost_to_it(late_s: float, said: str) -> None:
    table = table_of()
    table.passes(60)
    fill = table.leader(+1, tell=False)
    table.tell(replace(fill, venue_ns=table.now_ns - int(late_s * S)))
    for line in lines(table):
        assert said in fails(line)["clock"] and "set this machine's clock" in fails(line)["clock"]


def test_one_fill_that_waited_for_a_lost_line_says_nothing_of_the_clock() -> None:
    table = table_of()
    table.passes(60)
    late = table.leader(+1, tell=False)
    table.tell(replace(late, venue_ns=table.now_ns - 30 * S))
    table.leader(-1)
    table.now_ns += 10 * MS
    assert "clock" not in fails(lines(table)[0]) and "clock" not in notes(lines(table)[0])


async def test_a_practice_desk_arms_who_passes_and_nobody_else(state_dir: Path) -> None:
    """The whole way at real venues: off, one halted, one whose login is down, one at a venue with a demand."""
    async with practice(state_dir, "--venue", "tradovate", "--venue", "projectx", chart_symbol="ESH4") as desk:
        names = sorted(desk.core.followers)
        for name in names:
            await desk.desk.toggle(name)
        venues = {each.connection: each.venue for each in desk.core.config.connections}
        at = {name: desk.core.connection_of(name) for name in names}
        plain = [name for name in names if venues[at[name]] == "tradovate"]
        with_demand = [name for name in names if venues[at[name]] == "projectx"]
        halted = plain[0]
        cut = at[plain[-1]]
        down = [name for name in plain if at[name] == cut]
        await desk.desk.guard(halted, Guard.HALT)
        await desk.desk.adapters[cut].close()
        desk.desk._emit(venue.StreamDown(connection=cut, received_ns=desk.core.now_ns, reason="line cut"))
        await until(lambda: not desk.core.up[cut], 5)
        plan = await desk.desk.arm_checklist("main", ())
        verdicts = {line.account: fails(line) for line in plan.lines}
        assert list(verdicts[halted]) == ["guard"]
        assert all(list(verdicts[name]) == ["connection"] for name in down)
        assert all(list(verdicts[name]) == ["policy"] for name in with_demand)
        wanted = set(plain) - {halted} - set(down)
        assert set(plan.ready) == wanted and wanted
        assert [policy.venue for policy in plan.policies] == ["projectx"]
        done = await desk.desk.arm(names, ())
        assert set(done.armed) == wanted
        on = {
            row.account
            for row in desk.desk.view(Topic.ACCOUNTS).rows
            if isinstance(row, AccountRow) and row.enabled and row.account in names
        }
        assert on == wanted == {name for name in names if desk.core.followers[name].enabled}
        done = await desk.desk.arm(names, ("projectx",))
        assert set(done.armed) == set(with_demand)
        with pytest.raises(CommandRefused, match="is no follower"):
            await desk.desk.arm_checklist("DEMO1000", ())
