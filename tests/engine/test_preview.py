"""The preview of a rule is what the engine then does: every step of it, traded for real on the practice table."""

import itertools
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokers import adapter as venue
from engine import events as ev
from engine.preview import PATH, preview, steps
from engine.shown import RulePreview
from schema.records import AccountState, DriftPolicy, FollowerConfig, Rounding, Rule, RuleKind, SymbolMap
from tests.engine.table import LEADER, Table

NAME = "DEMO1001"
MICRO = (SymbolMap(leader_root="ES", follower_root="MES", lot_factor=Decimal(10)),)


def traded(follower: FollowerConfig, *, flips: bool = True) -> tuple[RulePreview, list[int]]:
    """The preview, and what the follower holds after each step when the leader really goes along the path."""
    table = Table({NAME: follower}, drift=DriftPolicy.AUTO)
    table.feed(ev.VenueAbilities(at_ns=table.now_ns, connection=f"at-{NAME}", flips=flips))
    symbol = "MESH4" if follower.symbols else "ESH4"
    shown = preview(table.core, table.core.followers[NAME], "ESH4")
    held: list[int] = []
    for before, after in itertools.pairwise(PATH):
        table.leader(after - before)
        for _ in range(6):
            table.execute_all()
            table.passes(0.5)
        held.append(table.holds(NAME, symbol))
    return shown, held


RULES = st.builds(
    Rule,
    kind=st.sampled_from(RuleKind),
    value=st.integers(1, 30).map(lambda n: Decimal(n)),
    rounding=st.sampled_from(Rounding),
    invert=st.booleans(),
) | st.builds(
    Rule,
    value=st.sampled_from(["0.1", "0.25", "0.3333", "0.5", "0.75", "1.5", "2.2"]).map(Decimal),
    rounding=st.sampled_from(Rounding),
    invert=st.booleans(),
)


@settings(max_examples=25, deadline=None)
@given(RULES, st.sampled_from([None, 1, 4, 9]), st.booleans(), st.booleans())
def test_what_is_shown_is_what_the_engine_does(rule: Rule, cap: int | None, micro: bool, flips: bool) -> None:
    follower = FollowerConfig(account=NAME, group="main", rule=rule, max_position=cap, symbols=MICRO if micro else ())
    shown, held = traded(follower, flips=flips)
    assert [step.held for step in shown.steps] == held
    assert [(step.leader_before, step.leader_net) for step in shown.steps] == list(itertools.pairwise(PATH))
    before = 0
    for step in shown.steps:
        assert step.held - before == step.order
        before = step.held


def test_the_path_has_one_to_ten_lots_partial_exits_and_flips_both_ways() -> None:
    assert set(range(11)) <= set(PATH)
    moves = list(itertools.pairwise(PATH))
    assert any(a > b > 0 for a, b in moves) and any(a < b < 0 for a, b in moves)
    assert any(a > 0 > b for a, b in moves) and any(a < 0 < b for a, b in moves)
    assert PATH[0] == PATH[-1] == 0


def test_the_worked_example_half_of_the_leader_rounded_down() -> None:
    follower = FollowerConfig(account=NAME, group="main", rule=Rule(value=Decimal("0.5")))
    shown, _ = traded(follower)
    assert [step.held for step in shown.steps] == [0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 3, 2, 0, 0, 1, -1, 0, 1, 0]


def test_a_flip_at_a_venue_that_takes_none_is_two_orders_and_says_so() -> None:
    follower = FollowerConfig(account=NAME, group="main")
    table = Table({NAME: follower})
    table.feed(ev.VenueAbilities(at_ns=table.now_ns, connection=f"at-{NAME}", flips=False))
    flip = next(s for s in preview(table.core, follower, "ESH4").steps if (s.leader_before, s.leader_net) == (3, -3))
    assert flip.order == -6 and "two orders" in flip.note


def test_a_percent_rule_takes_the_equities_and_says_when_one_is_missing() -> None:
    follower = FollowerConfig(account=NAME, group="main", rule=Rule(kind=RuleKind.PERCENT, value=Decimal(100)))
    table = Table({NAME: follower})
    richer = AccountState(account=NAME, balance=Decimal(100_000))
    table.feed(venue.AccountUpdated(connection=f"at-{NAME}", received_ns=table.now_ns, state=richer))
    assert preview(table.core, follower, "ESH4").steps[9].held == 20
    del table.core.money[LEADER]
    found = preview(table.core, follower, "ESH4")
    assert "percent needs the equities" in found.note and {step.order for step in found.steps} == {0}


def test_a_preview_changes_nothing_and_leaves_a_guard_and_a_switch_aside() -> None:
    follower = FollowerConfig(account=NAME, group="main", enabled=False)
    table = Table({NAME: follower})
    before = (table.core.seq, dict(table.core.states))
    assert [step.held for step in preview(table.core, follower, "ESH4").steps][:3] == [1, 2, 3]
    assert (table.core.seq, dict(table.core.states)) == before and table.take() == []


@pytest.mark.parametrize("cap", [1, 3])
def test_a_cap_binds_what_is_opened(cap: int) -> None:
    follower = FollowerConfig(account=NAME, group="main", max_position=cap)
    found = steps(follower, "ESH4", "ESH4", Decimal(1), flips=True)
    assert max(abs(step.held) for step in found) == cap
