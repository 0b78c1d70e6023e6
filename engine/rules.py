"""Sizing: what a follower should hold when the leader holds so much. Pure; called by the planner and by reconcile.

Scaling is applied to the leader's *position*, never to a fill, so rounding cannot accumulate: leader flat means
follower flat, and otherwise the follower is within one lot of its exact share.
"""

from decimal import ROUND_DOWN, ROUND_HALF_UP, ROUND_UP, Decimal, InvalidOperation
from functools import lru_cache

from schema.records import FollowerConfig, Rounding, Rule, RuleKind, SymbolMap
from schema.symbols import UnknownProduct, follower_symbol, parse_contract

_ROUNDINGS = {Rounding.DOWN: ROUND_DOWN, Rounding.NEAREST: ROUND_HALF_UP, Rounding.UP: ROUND_UP}
_LARGEST_VALUE = Decimal(1000)
_EXACT_PLACES = 9


class RuleRefused(ValueError):
    """A rule that must not trade; the text is one sentence naming the field and the remedy."""


def parse_rule(kind: str, value: str, rounding: str = "down", *, invert: bool = False) -> Rule:
    """A rule from words a trader typed. Raises RuleRefused for an unknown kind or a value that is not above 0."""
    if kind not in set(RuleKind):
        raise RuleRefused(f"rule: {kind!r} is not a kind of rule; write fixed, proportional or percent.")
    if rounding not in set(Rounding):
        raise RuleRefused(f"rounding: {rounding!r} is not known; write down, nearest or up.")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise RuleRefused(f"value: {value!r} is not a number; write one above 0, such as 0.5.") from None
    if not number.is_finite() or not 0 < number <= _LARGEST_VALUE:
        raise RuleRefused(f"value: {value} would not copy the leader; write a number above 0, up to {_LARGEST_VALUE}.")
    if kind == RuleKind.FIXED and number != number.to_integral_value():
        raise RuleRefused(f"value: a fixed rule holds whole lots, {value} is not; write 1, 2, 3 and so on.")
    return Rule(kind=RuleKind(kind), value=number, rounding=Rounding(rounding), invert=invert)


def rule_of(words: str) -> Rule | None:
    """The rule that `str` made into these words; None when they are empty or no rule's."""
    match words.split():
        case kind, value, *rest:
            rounding = next((word for word in rest if word in set(Rounding)), Rounding.DOWN)
            try:
                return parse_rule(kind, value, rounding, invert="invert" in rest)
            except RuleRefused:
                return None
        case _:
            return None


def map_for(follower: FollowerConfig, leader_symbol: str) -> SymbolMap | None:
    """The follower's symbol map for a contract of the leader, or None when it trades the same one. A name that is no
    contract has no map: the check with the venue then keeps it from trading."""
    return _entry(follower.symbols, leader_symbol) if follower.symbols else None


def _entry(symbols: tuple[SymbolMap, ...], leader_symbol: str) -> SymbolMap | None:
    try:
        root = parse_contract(leader_symbol).root
    except UnknownProduct:
        return None
    return next((entry for entry in symbols if entry.leader_root == root), None)


def symbol_for(follower: FollowerConfig, leader_symbol: str) -> str:
    """The contract the follower trades for `leader_symbol`: same month, mapped root."""
    if not follower.symbols:
        return leader_symbol
    return _mapped(follower.symbols, leader_symbol)


@lru_cache(maxsize=4096)
def _mapped(symbols: tuple[SymbolMap, ...], leader_symbol: str) -> str:
    """What a map makes of a contract: asked for with every input, of every follower."""
    entry = _entry(symbols, leader_symbol)
    return follower_symbol(leader_symbol, entry) if entry else leader_symbol


def clash(follower: FollowerConfig, leader_symbol: str) -> str:
    """Why the follower can't copy a contract at all, or '': what it trades for another one is that contract itself, and
    a position has one writer."""
    if not follower.symbols or map_for(follower, leader_symbol):
        return ""
    try:
        root = parse_contract(leader_symbol).root
    except UnknownProduct:
        return ""
    other = next((entry.leader_root for entry in follower.symbols if entry.follower_root == root), "")
    return f"{root} is what this follower trades for {other}: {root} itself is not copied" if other else ""


def may_trade(follower: FollowerConfig, symbol: str) -> bool:
    """Whether a contract is one that the follower's map leads to, whatever the leader trades."""
    try:
        root = parse_contract(symbol).root
    except UnknownProduct:
        return True
    mapped_to = {entry.follower_root for entry in follower.symbols}
    return root in mapped_to or root not in {entry.leader_root for entry in follower.symbols}


def scale_for(
    follower: FollowerConfig, leader_symbol: str, equity: Decimal | None, leader_equity: Decimal | None
) -> Decimal | None:
    """Follower lots for each lot of the leader, or None when the rule needs an equity nobody has said yet.

    Of a `fixed` rule it is the lots held while the leader is in. Equities are in account currency; the planner
    takes the scale once when an episode starts, so a percent rule does not trade on every tick of equity.
    """
    rule = follower.rule
    if rule.kind is RuleKind.FIXED:
        return rule.value
    entry = map_for(follower, leader_symbol)
    factor = entry.lot_factor if entry else Decimal(1)
    if rule.kind is RuleKind.PROPORTIONAL:
        return rule.value * factor
    if equity is None or leader_equity is None or leader_equity <= 0:
        return None
    return max(equity, Decimal(0)) / leader_equity * rule.value / 100 * factor


@lru_cache(maxsize=4096)
def target_net(rule: Rule, scale: Decimal, leader_net: int) -> int:
    """The signed position the rule asks for when the leader holds `leader_net`; 0 when the leader is flat."""
    if leader_net == 0:
        return 0
    exact = scale if rule.kind is RuleKind.FIXED else scale * abs(leader_net)
    exact = round(exact, _EXACT_PLACES)  # a scale of 1/3 is not quite one: three of them are one lot, not none
    lots = int(exact.to_integral_value(_ROUNDINGS[rule.rounding]))
    sign = 1 if leader_net > 0 else -1
    return -sign * lots if rule.invert else sign * lots


def capped(target: int, current: int, max_position: int | None) -> int:
    """`target` under the follower's position cap. The cap binds opening only: it never asks for a reduction of what
    the follower holds by plan (`meant`). Lots that came beyond the cap by accident are no part of `current`."""
    if max_position is None or abs(target) <= max_position:
        return target
    same_side = current * target > 0
    lots = max(max_position, min(abs(current), abs(target)) if same_side else 0)
    return lots if target > 0 else -lots


def meant(held: int, planned: int) -> int:
    """The part of `held` (signed lots) that the newest plan asked for; the rest came by accident, as when an exit was
    lost and the entry behind it filled."""
    if held * planned <= 0:
        return 0
    return min(held, planned, key=abs)


def reducing_part(current: int, delta: int) -> int:
    """The part of `delta` that brings `current` toward zero and not across it (signed, 0 when there is none)."""
    if current * delta >= 0:
        return 0
    return delta if abs(delta) <= abs(current) else -current
