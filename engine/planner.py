"""The planner: what one signal asks of one follower. Pure: records in, one `Copy` out; no clock, no I/O.

A follower's order is `target - (held + on the way)`. What reduces passes every gate; gates bind the part of an order
that opens. A follower that missed the entry of the leader's trade (the episode) gets none of the rest of it. While an
earlier order's outcome is unknown, only what is safe in every possible outcome is sent.
"""

from decimal import Decimal
from functools import lru_cache

from engine.rules import capped, meant, reducing_part, target_net
from schema.records import Copy, Decision, Episode, FollowerConfig, Record, Rule, Side, Signal

_ZERO = Decimal(0)
CLOSES_FIRST = "closes first: its venue takes no order across zero"
ASKING = "an earlier order's outcome is being asked for"


class FollowerView(Record, frozen=True):
    """All the planner may know of a follower. `on_the_way` is what certain orders will still fill (signed);
    `unknown_buys` and `unknown_sells` are lots of orders whose outcome is being asked for. Its own orders at rest
    explain a position from `slack_low` (0 or less) to `slack_high` lots off its target. `flips`: one order may take
    it across zero. `planned` is what it was last asked to hold in this trade: lots beyond it, and beyond the cap, came
    by accident. `gate` is empty, or says why nothing may be opened now; `off` is empty, or says why nothing at all may
    be copied."""

    config: FollowerConfig
    symbol: str
    net: int
    known: bool
    on_the_way: int = 0
    unknown_buys: int = 0
    unknown_sells: int = 0
    slack_low: int = 0
    slack_high: int = 0
    flips: bool = True
    episode: Episode = Episode.NONE
    scale: Decimal | None = None
    planned: int = 0
    foreign: int = 0  # signed lots of others on the same account: the venue nets them with the copies'
    gate: str = ""
    off: str = ""


def plan(signal: Signal, view: FollowerView, *, tag: str) -> Copy:
    """The decision for one pair: PENDING with an order to send, or SKIPPED with the reason. `tag` is the client
    order id the order would carry; `view.episode` is where the follower stood before the signal."""
    current = view.net + view.on_the_way
    missed, joined = _episodes(signal)
    if view.off:
        return _pair(signal, view, view.net, missed, view.off)
    if view.episode is Episode.MISSED:
        return _pair(signal, view, view.net, missed, "missed the entry of this trade")
    if view.scale is None:
        return _pair(signal, view, view.net, missed, "equity of follower or leader is not known yet")
    asked = target_net(view.config.rule, view.scale, signal.leader_net)
    target = capped(asked, meant(current, view.planned), view.config.max_position)
    if not view.known:
        new = view.episode is Episode.NONE
        return _pair(signal, view, target, missed if new else joined, "position is not known yet")
    low, high = current - view.unknown_sells, current + view.unknown_buys
    least, most = target + view.slack_low, target + view.slack_high
    if low <= most and least <= high:
        reason = f"at target {target:+d}" if low <= target <= high else "its own order at rest works for it"
        return _pair(signal, view, target, joined, reason if low == high else ASKING)
    # The nearest possible position decides: an order for more would be wrong in some outcome.
    nearest, goal = (low, most) if most < low else (high, least)
    gate = view.gate or (ASKING if low != high else "")
    return _ordered(signal, view, target, joined, tag, nearest, goal - nearest, gate)


def correct(signal: Signal, view: FollowerView, delta: int, *, target: int, tag: str) -> Copy:
    """The copy that brings a follower `delta` lots nearer to `target`, or as near as its own orders at rest explain;
    gates bind what opens, as in `plan`."""
    return _ordered(signal, view, target, view.episode, tag, view.net, delta, view.gate)


def _episodes(signal: Signal) -> tuple[Episode, Episode]:
    """Where a follower stands after the signal if it missed it, and if it takes part."""
    return (Episode.NONE, Episode.NONE) if signal.leader_net == 0 else (Episode.MISSED, Episode.JOINED)


def _ordered(
    signal: Signal,
    view: FollowerView,
    target: int,
    episode: Episode,
    tag: str,
    current: int,
    delta: int,
    gate: str,
) -> Copy:
    """The order for `delta`, less what a gate or the order cap holds back of its opening part."""
    reducing = reducing_part(current, delta)
    opening = delta - reducing
    max_order = view.config.max_order
    reason = ""
    if opening and gate:
        reason = f"entry held back: {gate}" if reducing else gate
        opening = 0
        if current + reducing == 0:
            episode, _ = _episodes(signal)
    elif max_order is not None and abs(opening) > max_order:
        reason = f"cut to max_order {max_order}"
        opening = max_order if opening > 0 else -max_order
    order = reducing + opening
    closing = reducing_part(current + view.foreign, order)
    if closing and order != closing and not view.flips:
        reason, order = CLOSES_FIRST, closing
    return _pair(signal, view, target, episode, reason, tag, order, reducing=reducing_part(current, order) == order)


@lru_cache(1024)
def _text(rule: Rule) -> str:
    """The rule in words: every copy carries it, and to write it anew took a tenth of the planning."""
    return str(rule)


def _pair(
    signal: Signal,
    view: FollowerView,
    target: int,
    episode: Episode,
    reason: str,
    tag: str = "",
    order: int = 0,
    *,
    reducing: bool = False,
) -> Copy:
    """The row of the ledger: with an order of signed lots, or skipped. Made once, since orders wait for it."""
    return Copy(
        signal_id=signal.signal_id,
        follower=view.config.account,
        symbol=view.symbol,
        leader_symbol=signal.symbol,
        decision=Decision.PENDING if order else Decision.SKIPPED,
        reason=reason,
        side=Side.of(order) if order else Side.BUY,
        qty=abs(order),
        target_net=target,
        net_before=view.net,
        rule=_text(view.config.rule),
        on_the_way=view.on_the_way,
        scale=view.scale or _ZERO,
        reducing=reducing and order != 0,
        episode=episode,
        cl_ord_id=tag if order else "",
        received_ns=signal.received_ns,
    )
