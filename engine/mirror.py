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

from typing import TYPE_CHECKING

from msgspec.structs import replace

from brokers import adapter as venue
from engine import events as ev
from engine import foreign, guards
from engine.inflight import InFlight
from engine.mirror_book import Change, LeaderOrder, Mirror, Place, is_working, price_of, terms_of, words
from engine.mirror_plan import Wants, unprotected, wanted
from engine.mirror_terms import Terms, terms_for
from engine.rules import reducing_part, symbol_for
from engine.state import CHASE_NS, FollowerState
from schema.records import (
    Copy,
    Decision,
    DoneOrder,
    DoneStatus,
    Episode,
    Fill,
    FollowerConfig,
    GroupConfig,
    Mode,
    Side,
    Signal,
    SignalKind,
    Unfilled,
    VenueOrder,
)

if TYPE_CHECKING:
    from engine.core import Core

_FIRST_RETRY_NS = 100_000_000
_LAST_RETRY_NS = 2_000_000_000

# --- what the leader does -------------------------------------------------------------------------------------------


def leader_order(core: Core, seen: VenueOrder, at_ns: int) -> None:
    """A leader's venue showed one of its orders: a signal for each mirroring group when its terms are news."""
    groups = [group for group in core.leads.get(seen.account, []) if group.mode is not Mode.FILLS]
    if not groups:
        return
    book = core.mirrored.orders.setdefault((seen.account, seen.symbol), {})
    known, terms = book.get(seen.order_id), terms_of(seen)
    if known is None:
        if not is_working(seen) or not terms.readable:
            return
        known = book[seen.order_id] = LeaderOrder(seen.account, seen.order_id, seen.symbol, terms)
        known.venue_ns = seen.venue_ns
        kind = SignalKind.LEADER_ORDER
    elif not known.working:
        return
    elif isinstance(seen, DoneOrder):
        known.working = False
        kind = None if seen.status is DoneStatus.FILLED else SignalKind.LEADER_CANCEL
    else:
        kind = SignalKind.LEADER_CHANGE if terms != known.terms and terms.readable else None
        known.terms = terms if terms.readable else known.terms
    known.shown = max(known.shown, seen.filled_qty)
    known.seen_seq = core.seq
    if kind is not None:
        for group in groups:
            _signal(core, group, known, kind, at_ns)


def leader_fill(core: Core, fill: Fill) -> None:
    """A leader's fill that was not seen before, told before its signal is planned."""
    order = core.mirrored.leaders(fill.account, fill.symbol).get(fill.order_id)
    if order is not None:
        order.counted += fill.qty


def _signal(core: Core, group: GroupConfig, order: LeaderOrder, kind: SignalKind, at_ns: int) -> None:
    earlier = order.signals.get(group.group, "")
    if kind is SignalKind.LEADER_ORDER:
        signal_id = core.digest("order", order.account, order.order_id, group.group)
    else:
        signal_id = core.digest(kind, order.account, order.order_id, group.group, earlier, words(order.terms))
    order.signals[group.group] = signal_id
    terms, leader_net = order.terms, core.leader_nets.get((order.account, order.symbol), 0)
    signal = Signal(
        signal_id=signal_id,
        kind=kind,
        group=group.group,
        leader=order.account,
        symbol=order.symbol,
        side=terms.side,
        qty=terms.qty,
        price=price_of(terms),
        leader_net=leader_net,
        source=order.order_id,
        venue_ns=order.venue_ns if kind is SignalKind.LEADER_ORDER else 0,
        received_ns=at_ns,
        order_type=terms.order_type,
        limit_price=terms.limit_price,
        stop_price=terms.stop_price,
    )
    age_s = (core.now_ns - order.venue_ns) / 1e9
    new = kind is SignalKind.LEADER_ORDER
    late = f"the leader's order is {age_s:.1f} s old" if new and age_s > core.limits.deadline_s else ""
    copies: list[Copy] = []
    for follower in core.members.get(group.group, []):
        state = core.state(follower.account, order.symbol)
        if leader_net == 0 and not core.mirrored.place(follower.account, order.symbol).live:
            state.scale = core.scale(follower, order.account, order.symbol)
        copies.append(_pair(core, signal, order, follower, late))
    core.commit(signal, copies)


def _pair(core: Core, signal: Signal, order: LeaderOrder, follower: FollowerConfig, late: str) -> Copy:
    """What one signal about an order asks of one follower."""
    wants = wanted(core, follower, order.symbol)
    place = core.mirrored.place(follower.account, order.symbol)
    live = [mirror for mirror in place.of(order.order_id) if mirror.live]
    if live:
        return _pair_of_live(core, signal, follower, live[-1], _goal(follower, order, live[-1], wants))
    if signal.kind is SignalKind.LEADER_CANCEL:
        return _row(core, signal, follower, Decision.SKIPPED, wants.why or "it has no working order for it")
    lots = wants.lots.get(order.order_id, 0)
    if not lots:
        share = wants.share(order.order_id)
        idle = "it holds nothing that this order would close" if share.exit else "its share of the order is 0 lots"
        return _row(core, signal, follower, Decision.SKIPPED, wants.why or idle)
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
        return _row(core, signal, follower, Decision.SKIPPED, reason)
    return _order_row(core, signal, order, follower, lots, "")


def _pair_of_live(core: Core, signal: Signal, follower: FollowerConfig, mirror: Mirror, goal: Terms | None) -> Copy:
    now = mirror.flying.terms if mirror.flying else mirror.terms
    if mirror.next is None and goal == now:
        return _row(core, signal, follower, Decision.SKIPPED, "its order stands as it should")
    row = _row(core, signal, follower, Decision.PENDING, "cancel" if goal is None else "", goal)
    copy = replace(row, order_id=mirror.order.copy.order_id, reducing=goal is None or mirror.order.copy.reducing)
    if mirror.next is not None:
        end_pair(core, mirror.next, Decision.SKIPPED, "a later change of the leader took its place")
    mirror.next = Change(goal, (signal, copy))
    core.mirrored.by_signal.setdefault(signal.signal_id, []).append((mirror, mirror.next))
    return copy


def _row(
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
        scale=state.scale or 0,  # type: ignore[arg-type]
        episode=state.episode,
        received_ns=signal.received_ns,
        order_type=terms.order_type if terms else signal.order_type,
        limit_price=terms.limit_price if terms else None,
        stop_price=terms.stop_price if terms else None,
        leader_order_id=signal.source,
    )


def _order_row(
    core: Core, signal: Signal, order: LeaderOrder, follower: FollowerConfig, lots: int, reason: str
) -> Copy:
    symbol = symbol_for(follower, order.symbol)
    terms = terms_for(order.terms, follower, symbol, abs(lots), inverted=follower.rule.invert)
    row = _row(core, signal, follower, Decision.PENDING, reason, terms)
    return replace(
        row,
        leader_order_id=order.order_id,
        reducing=reducing_part(row.net_before, lots) == lots,
        cl_ord_id="cd" + core.digest(signal.signal_id, follower.account),
        working=True,
    )


# --- the journal's commit -------------------------------------------------------------------------------------------


def staged(core: Core, signal: Signal, copy: Copy, deadline_ns: int) -> None:
    """A pair about an order is on its way to the journal: count on the order it would place."""
    if copy.decision is Decision.PENDING and copy.cl_ord_id:
        order = InFlight(signal, copy, deadline_ns)
        core.inflight.add(order)
        core.mirrored.add(Mirror(order, terms_of(copy)))


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
        _align_follower(core, mirror.order.copy.follower)


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
    late_ns = now_ns - int(core.limits.deadline_s * 1e9) - _FIRST_RETRY_NS * 3
    return sum(
        change is not None
        and change.pair is not None
        and change.pair[1].decision is Decision.PENDING
        and change.pair[0].received_ns < late_ns
        for mirror in core.mirrored.all()
        for change in (mirror.flying, mirror.next)
    )


# --- bringing a follower's orders to what they should be ------------------------------------------------------------


def align_after(core: Core, event: ev.AnyInput) -> None:
    """Something happened: bring the orders of those it may concern to what they should be."""
    match event:
        case venue.OrderUpdated():
            _align_account(core, event.order.account)
        case venue.Filled():
            _align_account(core, event.fill.account)
        case (
            venue.OrderAccepted()
            | venue.OrderRejected()
            | venue.OrderUnknown()
            | venue.OrderNotSent()
            | ev.ChangeAnswered()
        ):
            _align_account(core, event.account)
        case ev.Tick() | ev.ConfigLoaded() | ev.Flattened() | ev.FlattenEnded() | venue.StreamUp() | ev.SnapshotRead():
            _align_all(core)
        case _:
            pass


def _align_account(core: Core, account: str) -> None:
    if account in core.followers:
        _align_follower(core, account)
    for group in core.leads.get(account, []):
        for follower in core.members.get(group.group, []):
            _align_follower(core, follower.account)


def _align_all(core: Core) -> None:
    for account in sorted({account for account, _ in core.mirrored.places}):
        _align_follower(core, account)


def _align_follower(core: Core, account: str) -> None:
    follower = core.followers.get(account)
    if follower is None or not core.ledger.known(account):
        return
    for (name, leader_symbol), place in list(core.mirrored.places.items()):
        if name == account:
            _align(core, follower, leader_symbol, place)


def _align(core: Core, follower: FollowerConfig, leader_symbol: str, place: Place) -> None:
    group = core.groups[follower.group]
    if group.leader not in core.mirrored.read:
        return  # what the leader has working is not known yet
    orders = core.mirrored.leaders(group.leader, leader_symbol)
    if not orders and not place.mirrors:
        place.alarmed, place.outside, place.waited, place.overdue = "", False, False, False
        return
    wants = wanted(core, follower, leader_symbol)
    if _wait_long(core, group, place, wants):
        wants = wanted(core, follower, leader_symbol)
    for order_id in {**orders, **{mirror.leader_order_id: None for mirror in place.mirrors.values()}}:
        order = orders.get(order_id)
        live = [mirror for mirror in place.of(order_id) if mirror.live]
        for mirror in live[:-1]:
            _wish(core, mirror, None)
        if live:
            _wish(core, live[-1], _goal(follower, order, live[-1], wants))
        elif order is not None and order.working and wants.lots.get(order_id):
            _protect(core, group, follower, order, place, wants)
    _alarm(core, follower, place, wants)
    _clear(core, place, orders)
    _watch(core, group, follower, leader_symbol, place)


def _goal(follower: FollowerConfig, order: LeaderOrder | None, mirror: Mirror, wants: Wants) -> Terms | None:
    """What a mirror's terms should be; None: it should go."""
    lots = wants.lots.get(mirror.leader_order_id, 0)
    if lots * mirror.terms.side.sign <= 0:
        return None
    qty = mirror.order.copy.filled_qty + abs(lots)
    if order is None or wants.why:
        return replace(mirror.terms, qty=qty)
    symbol = mirror.order.copy.symbol
    return terms_for(order.terms, follower, symbol, qty, inverted=follower.rule.invert)


def _wish(core: Core, mirror: Mirror, goal: Terms | None) -> None:
    """Want these terms of an order at rest; what is wanted last counts."""
    if mirror.flying is not None:
        if mirror.next is not None:
            mirror.next.terms = goal
        elif goal != mirror.flying.terms:
            mirror.next = Change(goal)
        return
    if goal == mirror.terms:
        if mirror.next is not None and mirror.next.journaled:
            end_pair(core, mirror.next, Decision.COPIED)
            mirror.next = None
        mirror.retries = 0
        return
    if goal is not None and goal == mirror.refused:
        if mirror.next is not None and mirror.next.journaled:
            end_pair(core, mirror.next, Decision.REJECTED, "the venue has refused these terms")
            mirror.next = None
        return
    if mirror.next is None:
        mirror.next = Change(goal)
    mirror.next.terms = goal
    if mirror.next.journaled and mirror.known and core.now_ns >= mirror.retry_ns:
        _request(core, mirror, mirror.next)


def _request(core: Core, mirror: Mirror, change: Change) -> None:
    copy = mirror.order.copy
    mirror.flying, mirror.next = change, None
    change.seq = core.seq
    if change.pair is not None:
        signal, row = change.pair
        change.pair = signal, replace(row, sent_ns=core.now_ns, order_id=copy.order_id)
        keep_pair(core, change)
    connection = core.connection_of(copy.follower)
    core.emit(
        ev.ChangeOrder(
            connection=connection,
            account=copy.follower,
            order_id=copy.order_id,
            cl_ord_id=copy.cl_ord_id,
            reducing=copy.reducing,
            terms=change.terms,
        )
    )


def _protect(
    core: Core, group: GroupConfig, follower: FollowerConfig, order: LeaderOrder, place: Place, wants: Wants
) -> None:
    """Place what closes a position and is not there: its follower was flat when the leader placed it, or its order
    has ended. Entries are placed by the leader's signal alone."""
    lots = wants.lots[order.order_id]
    symbol = symbol_for(follower, order.symbol)
    held = foreign.held_by_copies(core, follower.account, symbol)
    if (
        reducing_part(held, lots) != lots
        or core.now_ns < place.retry_ns
        or not core.up.get(core.connection_of(follower.account))
    ):
        return
    earlier = place.of(order.order_id)
    if earlier and not earlier[-1].order.settled:
        return  # its fills are still on their way here
    for ended in earlier[:-1]:
        core.mirrored.drop(place, ended)
    if earlier:
        place.retry_ns = core.now_ns + min(_FIRST_RETRY_NS << min(place.retries, 10), _LAST_RETRY_NS)
        place.retries += 1
        if place.retries == 1:
            return
    signal = Signal(
        signal_id=core.digest("protect", follower.account, order.order_id, str(core.now_ns), str(core.seq)),
        kind=SignalKind.CORRECTION,
        group=group.group,
        leader=order.account,
        symbol=order.symbol,
        side=Side.of(lots),
        qty=abs(lots),
        price=price_of(order.terms),
        leader_net=core.leader_nets.get((order.account, order.symbol), 0),
        source=f"order {order.order_id}",
        venue_ns=core.now_ns,
        received_ns=core.now_ns,
        order_type=order.terms.order_type,
    )
    core.commit(signal, [_order_row(core, signal, order, follower, lots, "for what it holds now")])


def _alarm(core: Core, follower: FollowerConfig, place: Place, wants: Wants) -> None:
    """Tell the trader when a venue will not have what protects a position: nothing is opened there until it does."""
    refused, missing = "", False
    for order_id, share in wants.shares.items():
        found = place.of(order_id)
        kept = any(mirror.live and mirror.order.copy.decision is Decision.COPIED for mirror in found)
        if share.exit and wants.lots.get(order_id) and not kept:
            missing = True
            copies = [m.order.copy for m in found if m.order.copy.decision is Decision.REJECTED]
            refused = next((f"{words(terms_of(copy))}: {copy.reason}" for copy in copies), refused)
    if refused and not place.alarmed:
        text = f"{follower.account}: its venue refused to protect its position ({refused}); nothing is opened there"
        core.emit(ev.Alert(level="alarm", text=text))
    if not missing:
        place.retries = 0
    place.alarmed = refused


def _wait_long(core: Core, group: GroupConfig, place: Place, wants: Wants) -> bool:
    """Keep the time that orders wait after their leader's has filled; whether one has waited long enough just now."""
    for mirror in place.mirrors.values():
        if mirror not in wants.waiting:
            mirror.waits_since_ns = 0
    for mirror in wants.waiting:
        mirror.waits_since_ns = mirror.waits_since_ns or core.now_ns
    long_ns = group.unfilled_s * 1_000_000_000
    overdue = any(core.now_ns - mirror.waits_since_ns >= long_ns for mirror in wants.waiting)
    news = overdue and not place.overdue
    place.overdue = overdue
    place.waited = place.waited or overdue
    return news


def _clear(core: Core, place: Place, orders: dict[str, LeaderOrder]) -> None:
    """Forget what has ended, once nothing can come of it."""
    for mirror in list(place.mirrors.values()):
        if mirror.live:
            continue
        copy = mirror.order.copy
        for change in (mirror.flying, mirror.next):
            if change is not None and change.journaled:
                done = change.terms is None and change is mirror.flying
                end_pair(
                    core,
                    change,
                    Decision.COPIED if done else Decision.SKIPPED,
                    f"its order had ended: {copy.filled_qty} of {copy.qty} filled",
                )
        mirror.flying = None
        if mirror.next is not None and mirror.next.journaled:
            mirror.next = None
        if copy.working:
            mirror.order.copy = replace(copy, working=False)
            core.keep(mirror.order)
        order = orders.get(mirror.leader_order_id)
        if (order is None or not order.working) and mirror.order.settled and mirror.next is None:
            core.mirrored.drop(place, mirror)
    for order in [order for order in orders.values() if not order.working]:
        if not any(m.leader_order_id == order.order_id for m in core.mirrored.all()):
            del orders[order.order_id]


def _watch(core: Core, group: GroupConfig, follower: FollowerConfig, leader_symbol: str, place: Place) -> None:
    """Tell recovery when the follower stands where neither its target nor its orders explain, from now on."""
    symbol = symbol_for(follower, leader_symbol)
    wants = wanted(core, follower, leader_symbol)
    target = wants.target
    if target is None or any(core.inflight.on_the_way(follower.account, symbol)):
        return
    held = foreign.held_by_copies(core, follower.account, symbol)
    outside = not target + wants.low <= held <= target + wants.high
    if outside and not place.outside:
        state = core.state(follower.account, leader_symbol)
        state.behind = True
        if place.waited:
            _after_waiting(core, group, state, held, target)
    if outside or not wants.waiting:
        place.waited = False
    place.outside = outside


def _after_waiting(core: Core, group: GroupConfig, state: FollowerState, held: int, target: int) -> None:
    """What an order that waited too long has not brought: at market now, or left as the group says."""
    if reducing_part(held, target - held) == target - held or group.unfilled is Unfilled.MARKET:
        state.chase_until_ns = core.now_ns + CHASE_NS
        return
    state.hopeless = True
    if not held and state.episode is Episode.JOINED:
        state.episode = Episode.MISSED


def seen_leader(core: Core, leader: str, orders: tuple[VenueOrder, ...], asked_seq: int, at_ns: int) -> None:
    """Everything a leader has working was read: news as from the stream, and what is gone counts as canceled."""
    core.mirrored.read.add(leader)
    mine = {order.order_id: order for order in orders if order.account == leader}
    for order in mine.values():
        leader_order(core, order, at_ns)
    groups = [group for group in core.leads.get(leader, []) if group.mode is not Mode.FILLS]
    for (name, _), book in list(core.mirrored.orders.items()):
        for order in [o for o in book.values() if name == leader and o.working and o.order_id not in mine]:
            if order.seen_seq <= asked_seq:
                order.working = False
                for group in groups:
                    _signal(core, group, order, SignalKind.LEADER_CANCEL, at_ns)
