"""What a command would do if it were sent now: the sentence shown while it is typed, and the page before it is sent.

Pure: reads the seat's snapshots and asks nobody. The desk decides anew, from what its venues say, once it is told to.
Called by `tui/app.py` while a line is typed, and by `tui/carrying.py` for the page that asks.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

from msgspec.structs import replace

from engine.rules import RuleRefused, parse_rule, scale_for, symbol_for, target_net
from engine.seat import AccountRow, OrderRow, PositionRow, Role, Topic
from schema.records import FollowerConfig, Guard, Rounding, Rule, SymbolMap
from tui import commands, trading
from tui.keymap import called
from tui.text import counted, money, price, signed
from tui.ticket import Look

ORDERS_SEEN = 500
"""As many orders as a snapshot has (`OrderRow`); with so many there may be older ones at work."""
_NAMED = 3

_R = TypeVar("_R")


def foresee(command: commands.Command, look: Look) -> str:
    """What `command` would do now, in one line with numbers; empty where there is nothing to foresee."""
    match command:
        case commands.Flatten(target):
            return f"Now: {closing(target, look).says}."
        case commands.Kill():
            return f"Now: halts the desk, {closing('all', look).says}."
        case commands.Resync(target):
            return _resync(target, look)
        case commands.SetRule(account, kind, value):
            return _rule(account, kind, value, look)
        case commands.SetGroup(group, field, value):
            return _group(group, field, value, look)
        case commands.SetGuard(target, guard):
            return _guard(target, guard, look)
        case commands.Toggle(account):
            return _toggle(account, look)
        case commands.PlaceOrder() | commands.MoveOrder() | commands.CancelOrders():
            return trading.foresee(command, look)
        case _:
            return ""


# --- closing --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Closing:
    """What a flatten would close and cancel. `rows` are for the page that asks (`HEADS`): the accounts that hold
    something, have orders at work or are not known. `says` is the same in one line."""

    accounts: int
    rows: tuple[tuple[str, ...], ...]
    says: str
    notes: tuple[str, ...]


HEADS = ("account", "role", "holds", "open P&L", "orders", "canceled with it")


def closing(target: str, look: Look) -> Closing:
    """What flattening an account, a group or ``all`` would do, as far as the snapshots know."""
    accounts = _named(target, look)
    names = {row.account for row in accounts}
    held = [row for row in _rows(look, Topic.POSITIONS, PositionRow) if row.account in names and row.net_qty]
    working = [row for row in trading.working(look) if row.account in names]
    unknown = {row.account for row in accounts if row.position == "?"}
    rows: list[tuple[str, ...]] = []
    for row in accounts:
        holds = [each for each in held if each.account == row.account]
        orders = [each for each in working if each.account == row.account]
        if not holds and not orders and row.account not in unknown:
            continue
        rows.append(
            (
                row.account,
                str(row.role),
                "?" if row.account in unknown else "  ".join(_lots(each) for each in holds) or "flat",
                money(sum((each.open_pnl for each in holds), Decimal(0))) if holds else "",
                str(len(orders) or ""),
                "  ".join(_order(each) for each in orders[:_NAMED]) + (" …" if len(orders) > _NAMED else ""),
            )
        )
    at_least = "at least " if len(look(Topic.ORDERS).rows) >= ORDERS_SEEN else ""
    parts = [f"closes {_positions(held)}" if held else "closes nothing"]
    if working or at_least:
        parts.append(f"cancels {at_least}{counted(len(working), 'order', 'orders')}")
    if unknown:
        parts.append(f"{counted(len(unknown), 'account is', 'accounts are')} not known")
    still = len(accounts) - len(rows)
    return Closing(
        accounts=len(accounts),
        rows=tuple(rows),
        says=", ".join(parts),
        notes=(
            *((f"{counted(still, 'account is', 'accounts are')} flat, without an order.",) if still else ()),
            "What changes until then is closed too, and each venue is asked whether it is flat.",
        ),
    )


def _positions(held: Sequence[PositionRow]) -> str:
    """``+2 ESH4 on 7 accounts, -10 MESH4 on DEMO1003``; the most common first."""
    holders: dict[tuple[str, int], list[str]] = {}
    for row in held:
        holders.setdefault((row.symbol, row.net_qty), []).append(row.account)
    common = sorted(holders.items(), key=lambda each: -len(each[1]))
    parts = [
        f"{signed(net)} {symbol} on {names[0] if len(names) == 1 else counted(len(names), 'account', 'accounts')}"
        for (symbol, net), names in common[:_NAMED]
    ]
    if rest := sum(len(names) for _, names in common[_NAMED:]):
        parts.append(counted(rest, "more position", "more positions"))
    return ", ".join(parts)


def _lots(row: PositionRow) -> str:
    return f"{signed(row.net_qty)} {row.symbol}"


def _order(row: OrderRow) -> str:
    at = row.limit_price if row.limit_price is not None else row.stop_price
    where = "" if at is None else f" @ {price(at)}"
    return f"{row.side} {row.qty - row.filled_qty} {row.symbol} {row.order_type}{where}"


# --- the others -----------------------------------------------------------------------------------------------------


def _resync(target: str, look: Look) -> str:
    """By the targets that the snapshots have; the plan that is sent comes from the venues."""
    names = {row.account for row in _named(target, look) if row.role is Role.FOLLOWER}
    off = [
        row
        for row in _rows(look, Topic.POSITIONS, PositionRow)
        if row.account in names and row.target_net is not None and row.target_net != row.net_qty
    ]
    followers = counted(len(names), "follower", "followers")
    if not off:
        reads = f"{called('run')} reads the venues and shows what would be sent"
        return f"Now: {followers} at target as far as is known; {reads}."
    lots = Counter[str]()
    for row in off:
        delta = (row.target_net or 0) - row.net_qty
        lots[f"{'buys' if delta > 0 else 'sells'} {abs(delta)} {row.symbol}"] += 1
    parts = [f"{what} on {counted(count, 'account', 'accounts')}" for what, count in lots.most_common(_NAMED)]
    more = f", {len(lots) - _NAMED} more" if len(lots) > _NAMED else ""
    return f"Now: {', '.join(parts)}{more}; {called('run')} reads the venues and shows it, nothing is sent before."


def _toggle(account: str, look: Look) -> str:
    row = next(iter(_named(account, look)), None)
    if row is None:
        return ""
    keeps = "" if row.position in ("flat", "?") else f"; it holds {row.position}"
    if row.enabled:
        return f"Now: {account} goes off{keeps}{', which stays' if keeps else ''}."
    return f"Now: {account} goes on{keeps}."


_GUARDED = {
    Guard.NONE: "may open again",
    Guard.HALT: "open nothing; resting entries stay",
    Guard.REDUCE_ONLY: "open nothing, and their resting entries are canceled",
    Guard.CLOSE_ONLY: "open nothing, have their resting entries canceled, and join no trade once flat",
}


def _guard(target: str, guard: Guard, look: Look) -> str:
    followers = [row for row in _named(target, look) if row.role is Role.FOLLOWER]
    names = {row.account for row in followers}
    resting = sum(row.account in names for row in trading.working(look))
    holding = sum(row.position not in ("flat", "?") for row in followers)
    stands = f"{counted(holding, 'holds', 'hold')} a position, {counted(resting, 'order rests', 'orders rest')}"
    return f"Now: {counted(len(followers), 'follower', 'followers')}: {_GUARDED[guard]} ({stands})."


def _group(group: str, field: str, value: str, look: Look) -> str:
    members = [row for row in _rows(look, Topic.ACCOUNTS, AccountRow) if row.group == group]
    followers = counted(sum(row.role is Role.FOLLOWER for row in members), "follower", "followers")
    if field != "leader":
        return f"Now: {field} becomes {value} for the {followers} of {group}, from the next leader event on."
    holding = [row.account for row in members if row.position != "flat"]
    if holding:
        named = ", ".join(holding[:_NAMED]) + (" …" if len(holding) > _NAMED else "")
        return (
            f"Now: refused, as {named} {'is' if len(holding) == 1 else 'are'} not flat; a leader changes when all are."
        )
    return f"Now: {value} leads the {followers} of {group}."


def _rule(account: str, kind: str, value: str, look: Look) -> str:
    """The follower's target under the new rule, for each contract that its leader holds."""
    rows = _rows(look, Topic.ACCOUNTS, AccountRow)
    row = next((each for each in rows if each.account == account), None)
    if row is None:
        return ""
    leader = next((each for each in rows if each.role is Role.LEADER and each.group == row.group), None)
    try:
        rule = _like(row.rule, parse_rule(kind, value))
    except RuleRefused:
        return ""
    says = f"Now: {account} copies {rule} instead of {row.rule or 'nothing'}"
    if leader is None:
        return f"{says}."
    positions = _rows(look, Topic.POSITIONS, PositionRow)
    follower = FollowerConfig(account=account, group=row.group, rule=rule, symbols=_maps(row.rule))
    parts: list[str] = []
    for lead in positions:
        if lead.account != leader.account or not lead.net_qty:
            continue
        symbol = symbol_for(follower, lead.symbol)
        holds = next((each.net_qty for each in positions if (each.account, each.symbol) == (account, symbol)), 0)
        scale = scale_for(follower, lead.symbol, row.balance or None, leader.balance or None)
        wants = "not known yet" if scale is None else signed(target_net(rule, scale, lead.net_qty))
        parts.append(f"leader {_lots(lead)}, target {wants} {symbol}, holds {signed(holds)}")
    return f"{says}; {'; '.join(parts) if parts else 'the leader is flat'}. Caps come on top."


def _like(words: str, rule: Rule) -> Rule:
    """`rule` with the rounding and the side of the rule that is told in `words` (`AccountRow.rule`)."""
    told = words.split()
    rounding = next((each for each in Rounding if each in told), Rounding.DOWN)
    return replace(rule, rounding=rounding, invert="invert" in told)


def _maps(words: str) -> tuple[SymbolMap, ...]:
    """The symbol maps told in `words`: ``ES>MESx10``."""
    found: list[SymbolMap] = []
    for word in words.split():
        leader_root, arrow, rest = word.partition(">")
        follower_root, times, factor = rest.rpartition("x")
        if arrow and times:
            found.append(SymbolMap(leader_root=leader_root, follower_root=follower_root, lot_factor=Decimal(factor)))
    return tuple(found)


# --- reading the snapshots ------------------------------------------------------------------------------------------


def _named(target: str, look: Look) -> list[AccountRow]:
    """The accounts that a target names, as the desk reads it."""
    rows = _rows(look, Topic.ACCOUNTS, AccountRow)
    if target == "all":
        return rows
    return [row for row in rows if row.group == target] or [row for row in rows if row.account == target]


def _rows(look: Look, topic: Topic, kind: type[_R]) -> list[_R]:
    rows: Iterable[object] = look(topic).rows
    return [row for row in rows if isinstance(row, kind)]
