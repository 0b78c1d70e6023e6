"""The planner: what one signal asks of one follower. Pure: records in, one `Copy` out; no clock, no I/O.

A follower's order is `target - (held + on the way)`. What reduces passes every gate; gates bind the part of an order
that opens. A follower that missed the entry of the leader's trade (the episode) gets none of the rest of it. While an
earlier order's outcome is unknown, only what is safe in every possible outcome is sent.
"""

from decimal import Decimal

from msgspec.structs import replace

from engine.rules import capped, reducing_part, target_net
from schema.records import Copy, Decision, Episode, FollowerConfig, Record, Side, Signal

_ASKING = "an earlier order's outcome is being asked for"


class FollowerView(Record, frozen=True):
    """All the planner may know of a follower. `on_the_way` is what certain orders will still fill (signed);
    `unknown_buys` and `unknown_sells` are lots of orders whose outcome is being asked for. `gate` is empty, or says
    why nothing may be opened now; `off` is empty, or says why nothing at all may be copied."""

    config: FollowerConfig
    symbol: str
    net: int
    known: bool
    on_the_way: int = 0
    unknown_buys: int = 0
    unknown_sells: int = 0
    episode: Episode = Episode.NONE
    scale: Decimal | None = None
    gate: str = ""
    off: str = ""


def plan(signal: Signal, view: FollowerView, *, tag: str) -> Copy:
    """The decision for one pair: PENDING with an order to send, or SKIPPED with the reason. `tag` is the client
    order id the order would carry; `view.episode` is where the follower stood before the signal."""
    current = view.net + view.on_the_way
    flat = signal.leader_net == 0
    missed = Episode.NONE if flat else Episode.MISSED
    joined = Episode.NONE if flat else Episode.JOINED
    copy = replace(_unplanned(signal, view, tag), episode=missed)
    if view.off:
        return _skipped(copy, view.off)
    if view.episode is Episode.MISSED:
        return _skipped(copy, "missed the entry of this trade")
    if view.scale is None:
        return _skipped(copy, "equity of follower or leader is not known yet")
    target = capped(target_net(view.config.rule, view.scale, signal.leader_net), current, view.config.max_position)
    copy = replace(copy, target_net=target, episode=joined)
    if not view.known:
        new = view.episode is Episode.NONE
        return _skipped(replace(copy, episode=missed if new else joined), "position is not known yet")
    low, high = current - view.unknown_sells, current + view.unknown_buys
    if low <= target <= high:
        return _skipped(copy, f"at target {target:+d}" if low == high else _ASKING)
    # The nearest possible position decides: an order for more would be wrong in some outcome.
    nearest = low if target < low else high
    gate = view.gate or (_ASKING if low != high else "")
    return _ordered(copy, nearest, target - nearest, gate, view.config.max_order, missed)


def correct(signal: Signal, view: FollowerView, delta: int, *, tag: str) -> Copy:
    """The copy that brings a follower `delta` lots nearer to its target; gates bind what opens, as in `plan`."""
    copy = replace(_unplanned(signal, view, tag), target_net=view.net + delta, episode=view.episode)
    missed = Episode.NONE if signal.leader_net == 0 else Episode.MISSED
    return _ordered(copy, view.net, delta, view.gate, view.config.max_order, missed)


def _unplanned(signal: Signal, view: FollowerView, tag: str) -> Copy:
    return Copy(
        signal_id=signal.signal_id,
        follower=view.config.account,
        symbol=view.symbol,
        leader_symbol=signal.symbol,
        decision=Decision.SKIPPED,
        cl_ord_id=tag,
        net_before=view.net,
        target_net=view.net,
        scale=view.scale or Decimal(0),
        received_ns=signal.received_ns,
    )


def _ordered(copy: Copy, current: int, delta: int, gate: str, max_order: int | None, missed: Episode) -> Copy:
    """The order for `delta`, less what a gate or the order cap holds back of its opening part."""
    reducing = reducing_part(current, delta)
    opening = delta - reducing
    reason = ""
    if opening and gate:
        reason = f"entry held back: {gate}" if reducing else gate
        opening = 0
        if current + reducing == 0:
            copy = replace(copy, episode=missed)
    elif max_order is not None and abs(opening) > max_order:
        reason = f"cut to max_order {max_order}"
        opening = max_order if opening > 0 else -max_order
    order = reducing + opening
    if not order:
        return _skipped(copy, reason)
    return replace(
        copy,
        decision=Decision.PENDING,
        reason=reason,
        side=Side.of(order),
        qty=abs(order),
        reducing=not opening,
    )


def _skipped(copy: Copy, reason: str) -> Copy:
    return replace(copy, reason=reason, cl_ord_id="")
