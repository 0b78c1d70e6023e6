"""Resync: what would bring followers back to their targets, shown first, then sent, exits before entries. Functions of
the core; no I/O. `engine/desk.py` reads the venue before it asks for the lines, and again waits between the two passes.

A trader who confirms the lines has decided for each of them, so a follower that missed the trade joins it here. What is
sent is at most what was shown: a line that is different by then is left out and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import TYPE_CHECKING

from msgspec.structs import replace

from engine import events as ev
from engine import foreign, guards
from engine.rules import capped, clash, meant, reducing_part, symbol_for, target_net
from engine.seat import ResyncLine, ResyncPlan
from schema.records import Decision, Episode, FollowerConfig, Side, Signal, SignalKind
from schema.symbols import UnknownProduct, parse_contract, product

if TYPE_CHECKING:
    from engine.core import Core

CHANGED = "changed since it was shown: look again"


def lines(core: Core, accounts: Iterable[str], price_of: Callable[[str], Decimal]) -> tuple[ResyncLine, ...]:
    """One line for each of `accounts` (followers) and contract where held and target differ or one is not known.
    `price_of` gives the market's price of a contract now, 0 when there is none."""
    found: list[ResyncLine] = []
    for account in accounts:
        follower = core.followers[account]
        leader = core.groups[follower.group].leader
        for leader_symbol in leader_symbols(core, follower):
            line = _line(core, follower, leader, leader_symbol, price_of(leader_symbol))
            if line.held != line.target or line.held is None:
                found.append(line)
    return tuple(found)


def leader_symbols(core: Core, follower: FollowerConfig) -> list[str]:
    """The leader's contracts that ask something of this follower, by name."""
    leader = core.groups[follower.group].leader
    named = {symbol for account, symbol in core.leader_nets if account == leader}
    named |= {symbol for account, symbol in core.states if account == follower.account}
    return sorted(symbol for symbol in named if not clash(follower, symbol))


def _line(core: Core, follower: FollowerConfig, leader: str, leader_symbol: str, price: Decimal) -> ResyncLine:
    account, symbol = follower.account, symbol_for(follower, leader_symbol)
    known = core.ledger.known(account) and core.ledger.known(leader)
    held, own = core.ledger.net(account, symbol), foreign.held_by_copies(core, account, symbol)
    target = _target(core, follower, leader, leader_symbol)
    entry = core.ledger.avg_price(leader, leader_symbol)
    delta, note = 0, ""
    if not known:
        note = "not known: the venue has not said what it or its leader holds"
    elif not follower.enabled:
        note = "switched off: left alone"
    elif target is None:
        note = "its target is not known: an equity is missing"
    elif core.inflight.at(account, symbol):
        note = "an order is on its way: look again"
    else:
        delta = target - own
        reducing = reducing_part(own, delta)
        gate = guards.gate_of(core, follower) or core.gate(account, symbol)
        if delta != reducing and gate:
            delta, note = reducing, f"entry held back: {gate}"
    if held != own:
        note = f"{note}; {held - own:+d} not the desk's: left alone".removeprefix("; ")
    return ResyncLine(
        account=account,
        symbol=symbol,
        leader_symbol=leader_symbol,
        held=held if known else None,
        foreign=held - own,
        target=target,
        delta=delta,
        entry_price=entry if entry else None,
        price=price if price else None,
        ticks_worse=ticks_worse(leader_symbol, entry, price, delta),
        note=note,
    )


def ticks_worse(leader_symbol: str, entry: Decimal, price: Decimal, direction: int) -> int | None:
    """How many ticks worse `price` is than the leader's `entry` for an order of `direction` (signed; below 0: better),
    or None when one of them is not known."""
    if not entry or not price or not direction:
        return None
    try:
        tick = product(parse_contract(leader_symbol).root).tick_size
    except UnknownProduct:
        return None
    worse = price - entry if direction > 0 else entry - price
    return int((worse / tick).to_integral_value())


def _target(core: Core, follower: FollowerConfig, leader: str, leader_symbol: str) -> int | None:
    """What the rule asks for, whether or not the follower missed the trade; None when an equity is missing."""
    leader_net = core.leader_net_for(follower.account, leader_symbol)
    if leader_net == 0:
        return 0
    state = core.states.get((follower.account, leader_symbol))  # only read: looking may change nothing
    scale = (state and state.scale) or core.scale(follower, leader, leader_symbol)
    if scale is None:
        return None
    held = foreign.held_by_copies(core, follower.account, symbol_for(follower, leader_symbol))
    if state is not None and state.episode is Episode.JOINED:
        held = meant(held, state.planned)
    return capped(target_net(follower.rule, scale, leader_net), held, follower.max_position)


def confirmed(now: Iterable[ResyncLine], shown: ResyncPlan) -> tuple[ResyncLine, ...]:
    """The lines as they are now; those that ask for something else than what was shown are left out, and say so."""
    before = {(line.account, line.symbol): line.delta for line in shown.lines}
    return tuple(
        line
        if line.delta == before.get((line.account, line.symbol), 0)
        else replace(line, delta=0, note=line.note or CHANGED)
        for line in now
    )


def places(lines: Iterable[ResyncLine], *, entries: bool) -> tuple[tuple[str, str, int], ...]:
    """The (follower, leader's contract, signed lots) of the lines that a pass may send: those that open anything come
    in the second one too."""
    return tuple(
        (line.account, line.leader_symbol, line.delta)
        for line in lines
        if line.delta and (not entries or reducing_part((line.held or 0) - line.foreign, line.delta) != line.delta)
    )


def resync(core: Core, event: ev.Resync) -> None:
    """Send a correction for each line: with `entries` False only what reduces, with True what is still missing of a
    line that opens. Never more than the line's own lots, never the other way."""
    for account, leader_symbol, lots in event.places:
        follower = core.followers.get(account)
        if follower is None or not follower.enabled or not core.ledger.known(account):
            continue
        leader, symbol = core.groups[follower.group].leader, symbol_for(follower, leader_symbol)
        if core.inflight.at(account, symbol) or guards.being_flattened(core, account):
            continue
        target, held = _target(core, follower, leader, leader_symbol), foreign.held_by_copies(core, account, symbol)
        if target is None:
            continue
        delta = target - held if event.entries else reducing_part(held, target - held)
        if delta * lots > 0 and abs(delta) <= abs(lots):
            _send(core, follower, leader, leader_symbol, delta)


def _send(core: Core, follower: FollowerConfig, leader: str, leader_symbol: str, delta: int) -> None:
    state = core.state(follower.account, leader_symbol)
    leader_net = core.leader_net_for(follower.account, leader_symbol)
    symbol = symbol_for(follower, leader_symbol)
    opens = reducing_part(foreign.held_by_copies(core, follower.account, symbol), delta) != delta
    missed = state.episode
    if opens and leader_net:
        state.episode = Episode.JOINED
        state.scale = state.scale or core.scale(follower, leader, leader_symbol)
    state.hopeless, state.attempts = False, 0
    signal = Signal(
        signal_id=core.digest("resync", follower.account, leader_symbol, str(core.now_ns), str(core.seq)),
        kind=SignalKind.CORRECTION,
        group=follower.group,
        leader=leader,
        symbol=leader_symbol,
        side=Side.of(delta),
        qty=abs(delta),
        price=Decimal(0),
        leader_net=leader_net,
        source="resync by the trader",
        venue_ns=core.now_ns,
        received_ns=core.now_ns,
    )
    copy = core.correct(signal, follower, delta, gate="")
    if copy.decision is Decision.PENDING:
        core.commit(signal, [copy])
    else:
        state.episode = missed
