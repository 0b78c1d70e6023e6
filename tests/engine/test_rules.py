"""T-SIZE: sizing leaves no residue, whatever the leader does and whatever the rule."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.rules import RuleRefused, capped, parse_rule, reducing_part, scale_for, target_net
from schema.records import FollowerConfig, Rounding, Rule, RuleKind, Side
from tests.engine.table import Table
from tests.sim.sizing import run

scales = st.decimals(min_value="0.01", max_value=25, places=2)
rules = st.builds(
    Rule,
    kind=st.just(RuleKind.PROPORTIONAL),
    value=scales,
    rounding=st.sampled_from(Rounding),
    invert=st.booleans(),
)


@settings(max_examples=2_000, deadline=None)
@given(rule=rules, leader=st.integers(-200, 200))
def test_t_size_within_one_lot_and_flat_means_flat(rule: Rule, leader: int) -> None:
    target = target_net(rule, rule.value, leader)
    exact = rule.value * leader * (-1 if rule.invert else 1)
    assert abs(target - exact) < 1
    if leader == 0:
        assert target == 0
    if rule.rounding is Rounding.DOWN:
        assert abs(target) <= abs(exact)


@pytest.mark.parametrize(("value", "leader", "lots"), [("100", 3, 1), ("100", -3, -1), ("200", 3, 2), ("1000", 3, 10)])
@pytest.mark.parametrize("rounding", Rounding)
def test_t_size_a_third_three_times_is_whole(value: str, leader: int, lots: int, rounding: Rounding) -> None:
    """Equities of 50,000 and 150,000: a third is no finite decimal, and must neither lose a lot nor add one."""
    rule = Rule(kind=RuleKind.PERCENT, value=Decimal(value), rounding=rounding)
    follower = FollowerConfig(account="DEMO1", group="main", rule=rule)
    scale = scale_for(follower, "ESH4", Decimal(50_000), Decimal(150_000))
    assert scale is not None
    assert target_net(rule, scale, leader) == lots


def test_t_size_sequences_with_rule_changes_stay_within_a_lot() -> None:
    """20,000 here, a million in `make sim`."""
    assert run(20_000, 1) == []


@settings(max_examples=150, deadline=None)
@given(rule=rules, moves=st.lists(st.integers(-4, 4).filter(bool), min_size=1, max_size=20))
def test_t_size_any_sequence_ends_flat_through_the_core(rule: Rule, moves: list[int]) -> None:
    table = Table({"DEMO1": rule})
    for move in [*moves, -sum(moves)]:
        if move:
            table.leader(move)
            table.execute_all()
            leader = table.core.leader_nets["DEMO1000", "ESH4"]
            assert table.holds("DEMO1") == target_net(rule, rule.value, leader)
    assert table.holds("DEMO1") == 0


@given(st.integers(-20, 20), st.integers(-20, 20), st.integers(0, 20))
def test_a_cap_never_asks_for_a_reduction(target: int, current: int, cap: int) -> None:
    limited = capped(target, current, cap)
    assert abs(limited) <= abs(target)
    if target * current > 0 and abs(target) >= abs(current):
        assert abs(limited) >= abs(current)


@given(st.integers(-20, 20), st.integers(-40, 40))
def test_the_reducing_part_never_crosses_zero(current: int, delta: int) -> None:
    part = reducing_part(current, delta)
    assert abs(current + part) <= abs(current)
    assert part == 0 or Side.of(part) is not Side.of(current)
    assert current == 0 or (current + part) * current >= 0


@pytest.mark.parametrize(
    ("kind", "value", "names"),
    [
        ("proportional", "0", "value"),
        ("proportional", "-1", "value"),
        ("proportional", "x", "value"),
        ("proportional", "NaN", "value"),
        ("proportional", "1e9", "value"),
        ("fixed", "1.5", "value"),
        ("double", "1", "rule"),
    ],
)
def test_a_rule_that_must_not_trade_is_refused_in_one_sentence(kind: str, value: str, names: str) -> None:
    with pytest.raises(RuleRefused) as refused:
        parse_rule(kind, value)
    assert str(refused.value).startswith(names)
    assert str(refused.value).count(".") <= 3
