"""Bringing a follower's orders at rest to what they should be: one request at a time, the newest wish first.

Called after every input of the core that may concern them. What they should be comes from `mirror_plan.py`; answers
are booked by `mirror_answers.py`. Functions of the core; no I/O.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from brokers import adapter as venue
from engine import events as ev
from engine import foreign, mirror_links, mirror_trail
from engine.mirror_book import Change, LeaderOrder, Mirror, Place, price_of, terms_of, words
from engine.mirror_pairs import end_pair, keep_pair, order_row
from engine.mirror_plan import Wants, unfilled_of, wanted
from engine.mirror_terms import Terms, terms_for
from engine.rules import reducing_part, symbol_for
from engine.state import CHASE_NS, FollowerState
from schema.records import (
    Copy,
    Decision,
    Episode,
    FollowerConfig,
    GroupConfig,
    OrderType,
    Side,
    Signal,
    SignalKind,
    Unfilled,
)

if TYPE_CHECKING:
    from engine.core import Core

_FIRST_RETRY_NS = 100_000_000
_LAST_RETRY_NS = 2_000_000_000


def align_after(core: Core, event: ev.AnyInput) -> None:
    """Something happened: bring the orders of those it may concern to what they should be, at once or with the next
    tick. A tick itself looks only at those that something happened to, or that wait for time: a desk at rest costs
    nothing then, however much it has at rest."""
    book = core.mirrored
    match event:
        case ev.Tick():
            _align_due(core)
        case venue.OrderSent() | venue.PositionUpdated() | venue.AccountUpdated():
            pass
        case venue.OrderUpdated() if event.order.order_type is OrderType.MARKET:
            book.stale.add(event.order.account)  # it never rests, and what it brings comes as fills
        case venue.OrderAccepted() if book.get(event.cl_ord_id) is None:
            book.stale.add(event.account)
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
        case ev.PriceSeen():
            if mirror_trail.price_seen(core, event):
                _align_all(core)
        case (
            ev.ConfigLoaded()
            | ev.Flattened()
            | ev.FlattenEnded()
            | venue.StreamUp()
            | ev.SnapshotRead()
            | ev.OrdersFound()
        ):
            _align_all(core)
        case _:
            book.stale.update(book.by_follower)


def _align_due(core: Core) -> None:
    """Time passed."""
    book = core.mirrored
    # What the tick asks for may concern anybody, and so may a trailing stop that is drawn now.
    stale, everybody = book.stale, mirror_trail.time_passed(core) or bool(core.effects)
    book.stale = set()
    due = {
        account
        for (account, _), place in book.places.items()
        if everybody or account in stale or core.flattening.get(account, 0) > book.last_tick_ns or _waits(core, place)
    }
    for account in sorted(due):
        align_follower(core, account)
    book.last_tick_ns = core.now_ns


def _waits(core: Core, place: Place) -> bool:
    """Whether time alone, or an answer that comes or not, may change what is to be done."""
    then_ns = core.mirrored.last_tick_ns
    if place.retries or place.retry_ns > then_ns:
        return True
    return any(
        mirror.flying or mirror.next or mirror.waits_since_ns or mirror.retry_ns > then_ns
        for mirror in place.mirrors.values()
    )


def _align_account(core: Core, account: str) -> None:
    if account in core.followers:
        align_follower(core, account)
    for group in core.leads.get(account, []):
        for follower in core.members.get(group.group, []):
            align_follower(core, follower.account)


def _align_all(core: Core) -> None:
    for account in sorted(core.mirrored.by_follower):
        align_follower(core, account)


def align_follower(core: Core, account: str) -> None:
    follower = core.followers.get(account)
    if follower is None or not core.ledger.known(account):
        return
    for leader_symbol, place in list(core.mirrored.by_follower.get(account, {}).items()):
        _align(core, follower, leader_symbol, place)


def _align(core: Core, follower: FollowerConfig, leader_symbol: str, place: Place) -> None:
    group = core.groups[follower.group]
    if group.leader not in core.mirrored.read:
        return  # what the leader has working is not known yet
    orders = core.mirrored.leaders(group.leader, leader_symbol)
    if not orders and not place.mirrors:
        place.alarmed, place.outside, place.waited, place.overdue = "", False, False, False
        return
    before, mirrors = len(core.effects), len(place.mirrors)
    wants = wanted(core, follower, leader_symbol)
    if _wait_long(core, group, place, wants):
        wants = wanted(core, follower, leader_symbol)
    ids = list(dict.fromkeys((*orders, *place.by_order)))
    missing: list[tuple[LeaderOrder, Signal, Copy]] = []
    # Entries first: what becomes of an entry decides what is asked of the brackets behind it.
    if any(mirror.parent for mirror in place.mirrors.values()):
        ids.sort(key=lambda each: any(mirror.parent for mirror in place.of(each)))
    for order_id in ids:
        order = orders.get(order_id)
        live = [mirror for mirror in place.of(order_id) if mirror.live]
        for mirror in live[:-1]:
            _wish(core, place, mirror, None)
        if live:
            goal = goal_of(place, follower, order, live[-1], wants)
            live[-1].anew = mirror_trail.anew(live[-1].terms, goal)
            _wish(core, place, live[-1], None if live[-1].anew else goal)
        elif order is not None and order.rests and wants.lots.get(order_id):
            missing += _protect(core, group, follower, order, place, wants)
    _place(core, wants, missing)
    _alarm(core, follower, place, wants)
    _clear(core, place, orders)
    if len(core.effects) != before:
        core.mirrored.stale.add(follower.account)
    if missing or len(place.mirrors) != mirrors:  # what is asked for, or over, may have changed what is wanted
        wants = wanted(core, follower, leader_symbol)
    _watch(core, group, follower, leader_symbol, place, wants)


def goal_of(
    place: Place, follower: FollowerConfig, order: LeaderOrder | None, mirror: Mirror, wants: Wants
) -> Terms | None:
    """What a mirror's terms should be; None: it should go."""
    if order is not None and order.working and (not order.rests or mirror_links.follows_entry(place, mirror)):
        # Its entry, here or at the leader, may still fill: its venue gives it the size of what that fills.
        qty, kept = mirror.terms.qty, bool(wants.why)
    else:
        lots = wants.lots.get(mirror.leader_order_id, 0)
        if mirror.closes_only:
            lots = reducing_part(wants.held, lots)
        if lots * mirror.terms.side.sign <= 0:
            return None
        qty, kept = mirror.order.copy.filled_qty + abs(lots), order is None or bool(wants.why)
    here = replace(mirror.terms, qty=qty)
    if order is None or kept:
        return here
    if mirror.refused is not None and not order.rests:
        # The leader's order has filled, and where it stood the market may be past: what is left of this one stays
        # where it is, or goes.
        return here if here != mirror.refused else None
    symbol, trails = mirror.order.copy.symbol, mirror.terms.trail is not None
    goal = terms_for(order.asks, follower, symbol, qty, inverted=follower.rule.invert, trails=trails)
    return mirror_trail.kept(order, mirror.terms, goal)


def _wish(core: Core, place: Place, mirror: Mirror, goal: Terms | None) -> None:
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
    may = mirror.next.journaled and mirror.known and core.now_ns >= mirror.retry_ns
    if may and not mirror_links.venue_acts(core, place, mirror, goal):
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
) -> list[tuple[LeaderOrder, Signal, Copy]]:
    """What is to be placed because it closes a position and is not there: its follower was flat when the leader placed
    it, or its order has ended. Entries are placed by the leader's signal alone: of an order that closes and reverses
    only what closes."""
    symbol = symbol_for(follower, order.symbol)
    lots = reducing_part(foreign.held_by_copies(core, follower.account, symbol), wants.lots[order.order_id])
    if not lots or core.now_ns < place.retry_ns or not core.up.get(core.connection_of(follower.account)):
        return []
    earlier = list(place.of(order.order_id))
    if earlier and not earlier[-1].order.settled:
        return []  # its fills are still on their way here
    for ended in earlier[:-1]:
        core.mirrored.drop(place, ended)
    if earlier and not earlier[-1].anew:
        place.retry_ns = core.now_ns + min(_FIRST_RETRY_NS << min(place.retries, 10), _LAST_RETRY_NS)
        place.retries += 1
        if place.retries == 1 and not earlier[-1].linked:  # a venue that ends one of a pair has no second thoughts
            return []
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
        time_in_force=order.time_in_force,
    )
    return [(order, signal, order_row(core, signal, order, follower, lots, "for what it holds now"))]


def _place(core: Core, wants: Wants, missing: Sequence[tuple[LeaderOrder, Signal, Copy]]) -> None:
    """Commit what is missing. A stop and a target that are all that closes the position, or that the leader's venue
    links, leave together; one that has ended once already goes alone."""
    if len(missing) == 2:
        (first, _, one), (other, _, two) = missing
        exits = sum(1 for order_id, share in wants.shares.items() if share.exit and wants.lots.get(order_id))
        fresh = not any(core.mirrored.place(one.follower, one.leader_symbol).of(o.order_id) for o in (first, other))
        if fresh and (exits == 2 or first.oco_id == other.order_id):
            mirror_links.as_alternatives(core, one, two)
    for _, signal, copy in missing:
        core.commit(signal, [copy])


def _alarm(core: Core, follower: FollowerConfig, place: Place, wants: Wants) -> None:
    """Tell the trader when a venue will not have what protects a position: nothing is opened there until it does."""
    refused, missing = "", False
    for order_id, share in wants.shares.items():
        if not share.exit or not wants.lots.get(order_id):
            continue
        found = place.of(order_id)
        if not any(mirror.live and mirror.order.copy.decision is Decision.COPIED for mirror in found):
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
    late = [mirror for mirror in wants.waiting if core.now_ns - mirror.waits_since_ns >= long_ns]
    overdue = bool(late)
    if late:
        place.unfilled = unfilled_of(group, late)
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
                by_itself = mirror.linked and copy.filled_qty < copy.qty
                done = change.terms is None and (change is mirror.flying or by_itself)
                text = f"its order had ended: {copy.filled_qty} of {copy.qty} filled"
                reason = None if done and mirror.anew else text
                end_pair(core, change, Decision.COPIED if done else Decision.SKIPPED, reason)
        mirror.flying = None
        if mirror.next is not None and mirror.next.journaled:
            mirror.next = None
        if copy.working:
            mirror.order.copy = replace(copy, working=False)
            core.keep(mirror.order)
        order = orders.get(mirror.leader_order_id)
        over = (order is None or not order.working) and mirror.order.settled and mirror.next is None
        if over and not mirror_links.awaited(core, place, mirror):
            core.mirrored.drop(place, mirror)
    for order in [order for order in orders.values() if not order.working]:
        if not any(order.order_id in each.by_order for each in core.mirrored.places.values()):
            del orders[order.order_id]


def _watch(
    core: Core, group: GroupConfig, follower: FollowerConfig, leader_symbol: str, place: Place, wants: Wants
) -> None:
    """Tell recovery when the follower stands where neither its target nor its orders explain, from now on."""
    symbol = symbol_for(follower, leader_symbol)
    if any(core.inflight.on_the_way(follower.account, symbol)):
        return
    target = wants.target
    if target is None:
        return
    held = foreign.held_by_copies(core, follower.account, symbol)
    below, above = foreign.spared(core, follower.account, symbol, target)
    outside = not target + min(wants.low, below) <= held <= target + max(wants.high, above)
    if outside and not place.outside:
        state = core.state(follower.account, leader_symbol)
        state.behind = True
        if place.waited:
            _after_waiting(core, place.unfilled, state, held, target)
    if outside or not wants.waiting:
        place.waited = False
    place.outside = outside


def _after_waiting(core: Core, unfilled: Unfilled, state: FollowerState, held: int, target: int) -> None:
    """What an order that waited too long has not brought: at market now, or left as the group says. What closes always
    goes at market."""
    closing = reducing_part(held, target - held)
    if closing or unfilled is Unfilled.MARKET:
        state.chase_until_ns = core.now_ns + CHASE_NS
    if closing == target - held or unfilled is Unfilled.MARKET:
        return
    state.hopeless = True
    if not held and state.episode is Episode.JOINED:
        state.episode = Episode.MISSED
