"""Late joiners: whether a follower that missed the entry may join the leader's open trade. Part of the core.

The group's policy decides, once for each follower and trade: `next_flat` waits for the next trade, `never` for the
trader's switch, `no_worse` joins as soon as the price is no worse for the follower than the leader's average entry,
`within` as soon as it is at most `late_ticks` worse, no later than `late_s` after the leader's entry. Only who can
trade now joins: connected, on, not guarded, contract checked, breaker closed. Who left the trade (closed by hand,
flattened) or was refused for good does not. The price is the market's or the leader's own last fill, no older than
five seconds; without one nobody joins.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from msgspec.structs import replace

from engine import events as ev
from engine import foreign, guards
from engine.rules import capped, reducing_part, symbol_for, target_net
from engine.state import FollowerState
from schema.records import (
    Copy,
    Decision,
    Episode,
    FollowerConfig,
    GroupConfig,
    LateJoin,
    Out,
    Side,
    Signal,
    SignalKind,
)
from schema.symbols import UnknownProduct, parse_contract, product

if TYPE_CHECKING:
    from engine.core import Core

_FRESH_NS = 5_000_000_000
_BY_PRICE = (LateJoin.NO_WORSE, LateJoin.WITHIN)
STAYS_OUT = "missed a trade; its group lets it join none until it is switched off and on"


def price_seen(core: Core, event: ev.PriceSeen) -> None:
    """The market's price of a contract that somebody may join in."""
    core.prices[event.symbol] = (event.price, event.at_ns)


def traded(core: Core, leader: str, symbol: str, price: Decimal, venue_ns: int, *, before: int, after: int) -> None:
    """A leader was filled: what that says about the price, and when its trade began."""
    if venue_ns >= core.prices.get(symbol, (price, 0))[1]:
        core.prices[symbol] = (price, venue_ns)
    if after == 0:
        core.entered_ns.pop((leader, symbol), None)
    elif before * after <= 0:
        core.entered_ns[leader, symbol] = venue_ns


def missed(core: Core, follower: FollowerConfig, copy: Copy, state: FollowerState) -> None:
    """A copy says that its follower missed the trade: with `never` that holds until the trader's switch."""
    if core.groups[follower.group].late is LateJoin.NEVER and follower.enabled:
        state.out = True
        foreign.put(core, replace(foreign.lots_of(core, follower.account, copy.symbol), out=Out.ALWAYS))


def wanted(core: Core) -> set[str]:
    """The leaders' contracts whose price decides whether somebody joins now. Only reads."""
    return {
        leader_symbol
        for (account, leader_symbol), state in core.states.items()
        if state.episode is Episode.MISSED
        and (follower := core.followers.get(account))
        and _may(core, follower, leader_symbol, state)
    }


def _may(core: Core, follower: FollowerConfig, leader_symbol: str, state: FollowerState) -> bool:
    """Whether only the price, and nothing the follower did or lacks, keeps it out of the open trade."""
    account, group = follower.account, core.groups[follower.group]
    if state.episode is not Episode.MISSED or state.out or state.tried_late or state.hopeless:
        return False
    if group.late not in _BY_PRICE or not follower.enabled or not core.leader_net_for(account, leader_symbol):
        return False
    symbol = symbol_for(follower, leader_symbol)
    if foreign.lots_of(core, account, symbol).out is not Out.NO or core.inflight.at(account, symbol):
        return False
    known = core.ledger.known(account) and core.ledger.known(group.leader)
    return known and not guards.gate_of(core, follower) and not core.gate(account, symbol)


def join(core: Core) -> None:
    """Let those join whose group's policy allows it now. Called when time passed and when a price came."""
    missed_it = [(key, state) for key, state in core.states.items() if state.episode is Episode.MISSED]
    for (account, leader_symbol), state in missed_it:
        follower = core.followers.get(account)
        if follower is None or not _may(core, follower, leader_symbol, state):
            continue
        price, said_ns = core.prices.get(leader_symbol, (Decimal(0), 0))
        if not price or core.now_ns - said_ns > _FRESH_NS:
            continue
        group = core.groups[follower.group]
        scale = state.scale or core.scale(follower, group.leader, leader_symbol)
        delta = _delta(core, follower, leader_symbol, scale)
        if delta and (why := _allowed(core, group, leader_symbol, price, delta)):
            state.tried_late = True
            _send(core, follower, leader_symbol, scale, delta, why)


def _delta(core: Core, follower: FollowerConfig, leader_symbol: str, scale: Decimal | None) -> int:
    """What the follower would open; 0 when that can't be said, or when something must go first."""
    if scale is None:
        return 0
    held = foreign.held_by_copies(core, follower.account, symbol_for(follower, leader_symbol))
    target = target_net(follower.rule, scale, core.leader_net_for(follower.account, leader_symbol))
    delta = capped(target, held, follower.max_position) - held
    return 0 if reducing_part(held, delta) else delta


def _allowed(core: Core, group: GroupConfig, leader_symbol: str, price: Decimal, delta: int) -> str:
    """Why the policy lets an order of `delta` join at `price`, or ''."""
    entry = core.ledger.avg_price(group.leader, leader_symbol)
    try:
        tick = product(parse_contract(leader_symbol).root).tick_size
    except UnknownProduct:
        return ""
    if not entry:
        return ""
    worse = ((price - entry) if delta > 0 else (entry - price)) / tick
    said = f"{worse.quantize(Decimal('0.1')).normalize():f} ticks worse" if worse > 0 else "no worse"
    if group.late is LateJoin.NO_WORSE:
        return f"joined late, {said} than the leader" if worse <= 0 else ""
    entered_ns = core.entered_ns.get((group.leader, leader_symbol))
    if entered_ns is None:  # it began before this desk started: too long ago to say
        return ""
    age_s = (core.now_ns - entered_ns) / 1e9
    if worse > group.late_ticks or age_s > group.late_s:
        return ""
    return f"joined late, {said} than the leader, {age_s:.0f} s after it"


def _send(
    core: Core, follower: FollowerConfig, leader_symbol: str, scale: Decimal | None, delta: int, why: str
) -> None:
    state = core.state(follower.account, leader_symbol)
    state.episode, state.scale = Episode.JOINED, scale
    signal = Signal(
        signal_id=core.digest("late", follower.account, leader_symbol, str(core.now_ns), str(core.seq)),
        kind=SignalKind.CORRECTION,
        group=follower.group,
        leader=core.groups[follower.group].leader,
        symbol=leader_symbol,
        side=Side.of(delta),
        qty=abs(delta),
        price=Decimal(0),
        leader_net=core.leader_net_for(follower.account, leader_symbol),
        source="late join",
        venue_ns=core.now_ns,
        received_ns=core.now_ns,
    )
    copy = core.correct(signal, follower, delta, gate="")
    if copy.decision is Decision.PENDING:
        core.commit(signal, [replace(copy, reason="; ".join(part for part in (why, copy.reason) if part))])
    else:
        state.episode = Episode.MISSED


def words(core: Core, follower: FollowerConfig, leader_symbol: str) -> str:
    """What a follower that missed the open trade waits for, for the accounts pane."""
    state = core.states.get((follower.account, leader_symbol))
    group = core.groups[follower.group]
    if state is None or state.out:
        return STAYS_OUT
    lots = foreign.lots_of(core, follower.account, symbol_for(follower, leader_symbol))
    if group.late not in _BY_PRICE or state.tried_late or state.hopeless or lots.out is not Out.NO:
        return "missed this trade; joins the next"
    if group.late is LateJoin.NO_WORSE:
        return "missed this trade; joins when the price is no worse than the leader's entry"
    return f"missed this trade; joins within {group.late_ticks} ticks and {group.late_s} s of the leader's entry"
