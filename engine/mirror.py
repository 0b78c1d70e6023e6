"""Mirrored orders: the leader's working orders, kept as orders at rest of its followers. Functions of the core; no I/O.

Every change of a leader's order is a signal with one pair for each follower, journaled before anything leaves. What a
follower's orders should be is computed anew whenever something moved (`mirror_plan.py`), compared with what its venue
has, and one request at a time brings each order nearer: the newest wish replaces older ones, so a stop that moves with
every tick costs one request for each answer of the venue.

A fill of the leader's order is not copied at market while the follower's own order waits for it. When that has not
filled after the group's `unfilled_s`, an entry does as `unfilled` says; an exit always goes at market then, because a
flat leader means flat followers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from engine import events as ev
from engine import foreign, guards, mirror_links, mirror_trail
from engine.inflight import InFlight
from engine.mirror_align import align_after as align_after
from engine.mirror_align import align_follower, goal_of
from engine.mirror_book import Change, LeaderOrder, Mirror, is_held, is_working, price_of, terms_of, words
from engine.mirror_pairs import end_pair, keep_pair, order_row, pair_row
from engine.mirror_pairs import undecided as undecided
from engine.mirror_plan import unprotected, wanted
from engine.mirror_terms import Terms
from engine.rules import reducing_part, symbol_for
from schema.records import (
    Copy,
    Decision,
    DoneOrder,
    DoneStatus,
    Fill,
    FollowerConfig,
    GroupConfig,
    Mode,
    Signal,
    SignalKind,
    VenueOrder,
)

if TYPE_CHECKING:
    from engine.core import Core


_PLACED_ANEW = "taken out and placed anew: its venue changes nothing of a trailing stop but the lots"


def leader_order(core: Core, seen: VenueOrder, at_ns: int) -> None:
    """A leader's venue showed one of its orders: a signal for each mirroring group when its terms are news."""
    groups = _mirroring(core, seen.account)
    if not groups:
        return
    book = core.mirrored.orders.setdefault((seen.account, seen.symbol), {})
    known, terms = book.get(seen.order_id), terms_of(seen)
    new = known is None
    if known is None:
        if not (is_working(seen) or is_held(seen)) or not terms.readable:
            return
        known = book[seen.order_id] = LeaderOrder(seen.account, seen.order_id, seen.symbol, terms)
        known.venue_ns = seen.venue_ns
    elif not known.working:
        return
    known.oco_id, known.parent_id = seen.oco_id or known.oco_id, seen.parent_id or known.parent_id
    known.shown = max(known.shown, seen.filled_qty)
    known.seen_seq = core.seq
    if isinstance(seen, DoneOrder):
        known.working = False
        _tell_alone(core, groups, known, at_ns)
        if seen.status is not DoneStatus.FILLED:
            _tell_gone(core, groups, known, at_ns)
        return
    changed = terms.readable and mirror_trail.changed(known, terms)
    known.terms = terms if terms.readable else known.terms
    known.time_in_force = seen.time_in_force
    awoke = is_working(seen) and (new or known.held)
    known.held = is_held(seen) or (known.held and not is_working(seen))
    if awoke:
        _awoke(core, groups, known, at_ns)
    elif changed and not known.alone_since_ns:
        for group in groups:
            if group.group in known.signals or not known.held:
                _tell(core, group, [known], SignalKind.LEADER_CHANGE, at_ns)


def _awoke(core: Core, groups: Sequence[GroupConfig], order: LeaderOrder, at_ns: int) -> None:
    """An order of a leader rests in its market from now on. The one that its venue links with it is told together
    with it."""
    if mirror_links.twin_to_come(core, order, groups):
        order.alone_since_ns = core.now_ns
        return
    twin = core.mirrored.leaders(order.account, order.symbol).get(order.oco_id)
    together = [twin, order] if twin is not None and twin.working and twin.alone_since_ns else [order]
    for each in together:
        each.alone_since_ns = 0
    for group in groups:
        _tell(core, group, together, SignalKind.LEADER_ORDER, at_ns)


def _tell_alone(core: Core, groups: Sequence[GroupConfig], order: LeaderOrder, at_ns: int) -> None:
    """The order that was to be told with this one does not come, or too late."""
    if order.alone_since_ns:
        order.alone_since_ns = 0
        for group in groups:
            _tell(core, group, [order], SignalKind.LEADER_ORDER, at_ns)


def _tell_gone(core: Core, groups: Sequence[GroupConfig], order: LeaderOrder, at_ns: int) -> None:
    for group in groups:
        if group.group in order.signals or not order.held:
            _tell(core, group, [order], SignalKind.LEADER_CANCEL, at_ns)


def tell_waiting(core: Core, now_ns: int) -> None:
    """Time passed: an order whose twin has not come goes alone."""
    for (leader, _), book in list(core.mirrored.orders.items()):
        for order in list(book.values()):
            if order.alone_since_ns and now_ns - order.alone_since_ns > mirror_links.TWIN_WAIT_NS:
                _tell_alone(core, _mirroring(core, leader), order, now_ns)


def leader_fill(core: Core, fill: Fill) -> None:
    """A leader's fill that was not seen before, told before its signal is planned."""
    order = core.mirrored.leaders(fill.account, fill.symbol).get(fill.order_id)
    if order is not None:
        order.counted += fill.qty


def seen_leader(core: Core, leader: str, orders: tuple[VenueOrder, ...], asked_seq: int, at_ns: int) -> None:
    """Everything a leader has working was read: news as from the stream, and what is gone counts as canceled."""
    core.mirrored.read.add(leader)
    mine = {order.order_id: order for order in orders if order.account == leader}
    for order in sorted(mine.values(), key=is_working):  # what waits behind an entry is known before that is told
        leader_order(core, order, at_ns)
    groups = _mirroring(core, leader)
    for (name, _), book in list(core.mirrored.orders.items()):
        for order in [o for o in book.values() if name == leader and o.working and o.order_id not in mine]:
            if order.seen_seq <= asked_seq:
                order.working = False
                _tell_alone(core, groups, order, at_ns)
                _tell_gone(core, groups, order, at_ns)


def _mirroring(core: Core, leader: str) -> list[GroupConfig]:
    return [group for group in core.leads.get(leader, []) if group.mode is not Mode.FILLS]


def _tell(core: Core, group: GroupConfig, orders: Sequence[LeaderOrder], kind: SignalKind, at_ns: int) -> None:
    """One group's signals about orders of its leader, planned in one go: a new entry with the brackets behind it, or
    two orders that their venue links. The entry's is committed last, so that nothing leaves without its brackets."""
    new = kind is SignalKind.LEADER_ORDER
    entry = orders[0] if new and len(orders) == 1 and group.mode is Mode.ORDERS else None
    brackets = mirror_links.brackets_of(core, group, entry) if entry is not None else []
    asked = [*brackets, *orders]
    signals = [_signal(core, group, order, kind, at_ns) for order in asked]
    rows: list[list[Copy]] = [[] for _ in asked]
    for follower in core.members.get(group.group, []):
        copies = [_pair_in(core, signal, order, follower) for signal, order in zip(signals, asked, strict=True)]
        if entry is not None and brackets:
            legs = list(zip(signals, brackets, copies, strict=False))
            copies = [*mirror_links.with_brackets(core, follower, copies[-1], legs), copies[-1]]
        elif len(copies) == 2:
            mirror_links.as_alternatives(core, *copies)
        for row, copy in zip(rows, copies, strict=True):
            row.append(copy)
    for signal, row in zip(signals, rows, strict=True):
        core.commit(signal, row)


def _signal(core: Core, group: GroupConfig, order: LeaderOrder, kind: SignalKind, at_ns: int) -> Signal:
    earlier = order.signals.get(group.group, "")
    if kind is SignalKind.LEADER_ORDER and earlier:
        kind = SignalKind.LEADER_CHANGE  # it was told when its entry was placed, and rests only now
    if kind is SignalKind.LEADER_ORDER:
        signal_id = core.digest("order", order.account, order.order_id, group.group)
    else:
        signal_id = core.digest(kind, order.account, order.order_id, group.group, earlier, words(order.terms))
    order.signals[group.group] = signal_id
    terms = order.terms
    return Signal(
        signal_id=signal_id,
        kind=kind,
        group=group.group,
        leader=order.account,
        symbol=order.symbol,
        side=terms.side,
        qty=terms.qty,
        price=price_of(terms),
        leader_net=core.leader_nets.get((order.account, order.symbol), 0),
        source=order.order_id,
        venue_ns=order.venue_ns if kind is SignalKind.LEADER_ORDER else 0,
        received_ns=at_ns,
        order_type=terms.order_type,
        limit_price=terms.limit_price,
        stop_price=terms.stop_price,
        trail=terms.trail,
        time_in_force=order.time_in_force,
    )


def _pair_in(core: Core, signal: Signal, order: LeaderOrder, follower: FollowerConfig) -> Copy:
    """One pair, with the scale that the follower begins a trade with."""
    age_s = (core.now_ns - order.venue_ns) / 1e9
    new = signal.kind is SignalKind.LEADER_ORDER
    late = f"the leader's order is {age_s:.1f} s old" if new and age_s > core.limits.deadline_s else ""
    state = core.state(follower.account, order.symbol)
    if signal.leader_net == 0 and not core.mirrored.place(follower.account, order.symbol).live:
        state.scale = core.scale(follower, order.account, order.symbol)
    return _pair(core, signal, order, follower, late)


def _pair(core: Core, signal: Signal, order: LeaderOrder, follower: FollowerConfig, late: str) -> Copy:
    """What one signal about an order asks of one follower."""
    wants = wanted(core, follower, order.symbol)
    place = core.mirrored.place(follower.account, order.symbol)
    live = [mirror for mirror in place.of(order.order_id) if mirror.live]
    if live:
        return _pair_of_live(core, signal, follower, live[-1], goal_of(place, follower, order, live[-1], wants))
    if signal.kind is SignalKind.LEADER_CANCEL:
        had = any(mirror.linked for mirror in place.of(order.order_id))
        gone = "its venue has ended its own order for it already" if had else "it has no working order for it"
        return pair_row(core, signal, follower, Decision.SKIPPED, wants.why or gone)
    lots = wants.lots.get(order.order_id, 0)
    if not lots:
        share = wants.share(order.order_id)
        idle = "it holds nothing that this order would close" if share.exit else "its share of the order is 0 lots"
        return pair_row(core, signal, follower, Decision.SKIPPED, wants.why or idle)
    held = foreign.held_by_copies(core, follower.account, symbol_for(follower, order.symbol))
    closes = reducing_part(held, lots) == lots
    reason = late or guards.gate_of(core, follower) or core.gate(follower.account, symbol_for(follower, order.symbol))
    if not core.ledger.known(follower.account):
        reason = "position is not known yet"
    elif place.of(order.order_id):
        reason = "its own order for it has ended"
    else:
        reason = reason or unprotected(core, follower.account, order.symbol)
    if reason and not closes:
        return pair_row(core, signal, follower, Decision.SKIPPED, reason)
    return order_row(core, signal, order, follower, lots, "")


def _pair_of_live(core: Core, signal: Signal, follower: FollowerConfig, mirror: Mirror, goal: Terms | None) -> Copy:
    now = mirror.flying.terms if mirror.flying else mirror.terms
    if mirror.next is None and goal == now:
        return pair_row(core, signal, follower, Decision.SKIPPED, "its order stands as it should")
    reason = _PLACED_ANEW if mirror_trail.anew(mirror.terms, goal) else "cancel" if goal is None else ""
    row = pair_row(core, signal, follower, Decision.PENDING, reason, goal)
    copy = replace(row, order_id=mirror.order.copy.order_id, reducing=goal is None or mirror.order.copy.reducing)
    if mirror.next is not None:
        end_pair(core, mirror.next, Decision.SKIPPED, "a later change of the leader took its place")
    mirror.next = Change(goal, (signal, copy))
    core.mirrored.by_signal.setdefault(signal.signal_id, []).append((mirror, mirror.next))
    return copy


def staged(core: Core, signal: Signal, copy: Copy, deadline_ns: int) -> None:
    """A pair about an order is on its way to the journal: count on the order it would place."""
    if copy.decision is Decision.PENDING and copy.cl_ord_id:
        order = InFlight(signal, copy, deadline_ns)
        core.inflight.add(order)
        mirror = Mirror(order, terms_of(copy))
        core.mirrored.add(mirror)
        mirror_links.placed(core, mirror)


def committed(core: Core, event: ev.Committed) -> None:
    """The journal holds the pairs of a signal: what they ask of orders at rest may leave. Of a signal that it held
    already nothing is placed."""
    if not event.fresh:
        for place in core.mirrored.places.values():
            for mirror in [m for m in place.mirrors.values() if m.order.signal.signal_id == event.signal_id]:
                core.mirrored.drop(place, mirror)
    for mirror, change in core.mirrored.by_signal.pop(event.signal_id, []):
        change.journaled = True
        if change.pair is None:
            continue
        if not event.fresh:
            change.pair = None  # decided in the journal already; the desk wants it all the same
        else:
            signal, copy = change.pair
            change.pair = signal, replace(copy, decided_ns=event.decided_ns, journaled_ns=event.at_ns)
            if copy.decision is not Decision.PENDING:
                keep_pair(core, change)
        align_follower(core, mirror.order.copy.follower)
