"""T-SIZE: random sequences of a leader's positions and rule changes, in millions; `make sim` runs it beside the seeds.

The engine's own sizing against exact fractions: leader flat means follower flat; otherwise the follower is less than
one lot from its exact share, on the right side of it for its rounding, whatever came before and whatever the rule was.
"""

from decimal import Decimal
from fractions import Fraction
from random import Random

from engine.rules import scale_for, target_net
from schema.records import FollowerConfig, Rounding, Rule, RuleKind

_VALUES = tuple(Decimal(number) / 100 for number in (1, 7, 10, 25, 33, 50, 66, 75, 99, 100, 125, 150, 200, 333, 1000))
_EQUITIES = tuple(Decimal(number) for number in (1_000, 25_000, 50_000, 75_000, 100_000, 150_000, 333_333))
_RULES = tuple(
    Rule(
        kind=kind,
        value=max(Decimal(1), value.to_integral_value())
        if kind is RuleKind.FIXED
        else value * 100 ** (kind == "percent"),
        rounding=rounding,
        invert=invert,
    )
    for kind in RuleKind
    for value in _VALUES
    for rounding in Rounding
    for invert in (False, True)
)


def exact_share(rule: Rule, leader_net: int, equity: Decimal, leader_equity: Decimal) -> Fraction:
    """What the rule asks for, unrounded and signed."""
    sign = -1 if rule.invert else 1
    value = Fraction(rule.value)
    if rule.kind is RuleKind.FIXED:
        return sign * value * ((leader_net > 0) - (leader_net < 0))
    if rule.kind is RuleKind.PERCENT:
        value = Fraction(equity) / Fraction(leader_equity) * value / 100
    return sign * value * leader_net


def wrong(rule: Rule, leader_net: int, held: int, exact: Fraction) -> str:
    """Why `held` is not what the rule asks for, or ''."""
    if leader_net == 0:
        return f"leader flat, follower {held:+d}" if held else ""
    if abs(held - exact) >= 1:
        return f"{held:+d} is a lot or more from {float(exact)}"
    if rule.rounding is Rounding.DOWN and abs(held) > abs(exact):
        return f"{held:+d} is more than {float(exact)}"
    if rule.rounding is Rounding.UP and abs(held) < abs(exact):
        return f"{held:+d} is less than {float(exact)}"
    return ""


def run(sequences: int, seed: int) -> list[str]:
    """What went wrong in so many sequences of six moves each."""
    random, problems = Random(f"sizing {seed}"), list[str]()
    pick, count = random.random, len(_RULES)
    for _ in range(sequences):
        net = 0
        rule = _RULES[int(pick() * count)]
        equity, leader_equity = (_EQUITIES[int(pick() * len(_EQUITIES))] for _ in range(2))
        for step in range(6):
            if pick() < 0.15:
                rule = _RULES[int(pick() * count)]  # the trader changes it while the trade is open
            net = 0 if step == 5 else net + int(pick() * 9) - 4
            scale = scale_for(FollowerConfig(account="", group="", rule=rule), "ESH4", equity, leader_equity)
            assert scale is not None
            held = target_net(rule, scale, net)
            if text := wrong(rule, net, held, exact_share(rule, net, equity, leader_equity)):
                problems.append(f"T-SIZE {rule} of leader {net:+d}, {equity} to {leader_equity}: {text}")
    return problems
