"""The pairs of mirrored orders: their rows of the copy ledger, and their decisions. Functions of the core; no I/O.

`engine/mirror.py` makes them from the leader's signals, `engine/mirror_align.py` from what a position needs.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from msgspec.structs import replace

from engine import events as ev
from engine import foreign
from engine.mirror_book import Change, LeaderOrder
from engine.mirror_terms import Terms, terms_for
from engine.rules import reducing_part, symbol_for
from schema.records import (
    Copy,
    Decision,
    FollowerConfig,
    Signal,
    TimeInForce,
)

if TYPE_CHECKING:
    from engine.core import Core

_GRACE_NS = 300_000_000
_UNKNOWN = Decimal(0)


def pair_row(
    core: Core, signal: Signal, follower: FollowerConfig, decision: Decision, reason: str, terms: Terms | None = None
) -> Copy:
    """A pair's row. Where the follower stands in the trade is not changed by an order that rests."""
    state = core.state(follower.account, signal.symbol)
    symbol = symbol_for(follower, signal.symbol)
    net = foreign.held_by_copies(core, follower.account, symbol)
    return Copy(
        signal_id=signal.signal_id,
        follower=follower.account,
        symbol=symbol,
        leader_symbol=signal.symbol,
        decision=decision,
        reason=reason,
        side=terms.side if terms else signal.side,
        qty=terms.qty if terms else 0,
        target_net=net,
        net_before=net,
        scale=state.scale or _UNKNOWN,
        episode=state.episode,
        received_ns=signal.received_ns,
        order_type=terms.order_type if terms else signal.order_type,
        limit_price=terms.limit_price if terms else None,
        stop_price=terms.stop_price if terms else None,
        trail=terms.trail if terms else None,
        leader_order_id=signal.source,
    )


def order_row(core: Core, signal: Signal, order: LeaderOrder, follower: FollowerConfig, lots: int, reason: str) -> Copy:
    symbol = symbol_for(follower, order.symbol)
    invert, trails = follower.rule.invert, core.able(follower.account).trails
    terms = terms_for(order.asks, follower, symbol, abs(lots), inverted=invert, trails=trails)
    lasts = order.time_in_force is TimeInForce.GTC
    if lasts and not core.able(follower.account).gtc:
        reason, lasts = "; ".join(filter(None, (reason, "for the day: its venue has no GTC"))), False
    row = pair_row(core, signal, follower, Decision.PENDING, reason, terms)
    return replace(
        row,
        time_in_force=TimeInForce.GTC if lasts else TimeInForce.DAY,
        leader_order_id=order.order_id,
        reducing=reducing_part(row.net_before, lots) == lots,
        cl_ord_id="cd" + core.digest(signal.signal_id, follower.account),
        working=True,
    )


def keep_pair(core: Core, change: Change) -> None:
    if change.pair is not None:
        signal, copy = change.pair
        core.remember(signal, copy)
        core.emit(ev.Keep(copies=(copy,)))


def end_pair(core: Core, change: Change, decision: Decision, reason: str | None = None) -> None:
    """Decide the pair that hangs on a change, if one does; a decision is final unless it was UNKNOWN."""
    if change.pair is None:
        return
    signal, copy = change.pair
    if copy.decision not in (Decision.PENDING, Decision.UNKNOWN):
        return
    core.tally.decided(signal, copy, decision)
    change.pair = signal, replace(copy, decision=decision, reason=copy.reason if reason is None else reason)
    keep_pair(core, change)


def undecided(core: Core, now_ns: int) -> int:
    """Pairs of changes past their deadline without a decision."""
    late_ns = now_ns - int(core.limits.deadline_s * 1e9) - _GRACE_NS
    return sum(
        change is not None
        and change.pair is not None
        and change.pair[1].decision is Decision.PENDING
        and change.pair[0].received_ns < late_ns
        for mirror in core.mirrored.all()
        for change in (mirror.flying, mirror.next)
    )
