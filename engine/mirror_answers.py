"""What venues answer about changes of orders at rest, and what they show of these. Functions of the core; no I/O.

As with orders, only proof decides: a change without an answer is UNKNOWN, the venue is asked, and what it shows then is
what the order is. A change is wanted again only after the venue has said what it has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from brokers import adapter as venue
from engine import events as ev
from engine import mirror_links
from engine.mirror import seen_leader, tell_waiting
from engine.mirror_book import Change, Mirror, terms_of, words
from engine.mirror_pairs import end_pair
from engine.mirror_terms import Terms
from schema.records import Decision, LiveOrder, RejectClass, VenueOrder

if TYPE_CHECKING:
    from engine.core import Core

_LATER = (RejectClass.THROTTLED, RejectClass.UNAVAILABLE)
_FIRST_RETRY_NS = 100_000_000
_LAST_RETRY_NS = 2_000_000_000
_SHOWN_AFTER_NS = 1_000_000_000


def change_answered(core: Core, event: ev.ChangeAnswered) -> None:
    """The venue's answer to the one request about an order at rest."""
    mirror = core.mirrored.get(event.cl_ord_id)
    change = mirror.flying if mirror is not None else None
    if mirror is None or change is None or change.terms != event.terms:
        return
    match event.outcome:
        case ev.Outcome.TAKEN:
            _taken(core, mirror, change)
        case ev.Outcome.UNKNOWN:
            change.unknown = True
            end_pair(core, change, Decision.UNKNOWN, f"{event.text}; asking the venue")
        case ev.Outcome.REFUSED:
            _refused(core, mirror, change, event)


def _taken(core: Core, mirror: Mirror, change: Change) -> None:
    mirror.retries = 0
    mirror.refused = None
    if change.terms is None:
        change.acked_ns = core.now_ns  # it has ended once its venue shows it so
        return
    _now_has(mirror, change.terms)
    mirror.flying = None
    _acked(core, change)
    end_pair(core, change, Decision.COPIED)
    core.keep(mirror.order)


def _acked(core: Core, change: Change) -> None:
    if change.pair is not None:
        signal, copy = change.pair
        change.pair = signal, replace(copy, acked_ns=copy.acked_ns or core.now_ns)


def _refused(core: Core, mirror: Mirror, change: Change, event: ev.ChangeAnswered) -> None:
    mirror.flying = None
    mirror.retries += 1
    mirror.retry_ns = core.now_ns + min(_FIRST_RETRY_NS << min(mirror.retries, 10), _LAST_RETRY_NS)
    if event.reject_class in _LATER:
        if mirror.next is None:
            mirror.next = change  # proven not taken, so it is wanted still
        else:
            end_pair(core, change, Decision.SKIPPED, "a later change of the leader took its place")
        return
    end_pair(core, change, Decision.REJECTED, f"{event.reject_class}: {event.text}")
    copy = mirror.order.copy
    if change.terms is not None:
        mirror.refused = change.terms
        if copy.reducing:
            text = f"{copy.follower}: {copy.symbol} {words(mirror.terms)} could not be changed: {event.text}"
            core.emit(ev.Alert(level="alarm", text=text))
    # Perhaps the order is not what the desk thinks it is: have it shown.
    mirror.unseen = True


def own_seen(core: Core, seen: VenueOrder) -> None:
    """A venue showed an order; when it is a mirror's, these are its terms now."""
    mirror = core.mirrored.get(seen.cl_ord_id) if seen.cl_ord_id else None
    if mirror is None:
        return
    mirror.seen_seq = core.seq
    mirror_links.shown(core, mirror, seen)
    if isinstance(seen, LiveOrder):
        mirror.unseen = False
        _now_has(mirror, terms_of(seen))


def _now_has(mirror: Mirror, terms: Terms) -> None:
    """The venue has the order with these terms."""
    mirror.terms = terms
    mirror.order.copy = replace(
        mirror.order.copy,
        qty=terms.qty,
        limit_price=terms.limit_price,
        stop_price=terms.stop_price,
        trail=terms.trail,
    )


def snapshot_read(core: Core, snapshot: venue.Snapshot, asked_seq: int, at_ns: int) -> None:
    """A venue showed everything it has, as of input `asked_seq`: settle requests that nobody answered, and orders it
    lists no more."""
    listed = {order.cl_ord_id for order in snapshot.orders if order.cl_ord_id}
    for mirror in list(core.mirrored.all()):
        copy = mirror.order.copy
        if copy.follower not in snapshot.complete or not mirror.live:
            continue
        if mirror.tag in listed:
            change = mirror.flying
            if change is not None and (change.unknown or change.acked_ns) and change.seq < asked_seq:
                mirror.flying = None
                taken = change.terms is not None and change.terms == mirror.terms
                reason = "" if taken else "the venue did not take it"
                end_pair(core, change, Decision.COPIED if taken else Decision.REJECTED, reason)
        elif mirror.seen_seq < asked_seq and copy.decision is Decision.COPIED:
            mirror.order.unknown_since_ns = core.now_ns
            core.inflight.doubt(mirror.order)
            core.decide(mirror.order, Decision.UNKNOWN, "the venue lists it no more; asking")
            core.keep(mirror.order)
    for account in sorted(snapshot.complete):
        if account in core.leads:
            seen_leader(core, account, snapshot.orders, asked_seq, at_ns)


def tick(core: Core, now_ns: int) -> None:
    """Time passed: pairs whose deadline has come are decided."""
    tell_waiting(core, now_ns)
    deadline_ns = int(core.limits.deadline_s * 1e9)
    for mirror in core.mirrored.all():
        if mirror.flying is None and mirror.next is None:
            continue
        for change in (mirror.flying, mirror.next):
            if change is None or change.pair is None or not change.journaled:
                continue
            signal, copy = change.pair
            if copy.decision is not Decision.PENDING or now_ns - signal.received_ns <= deadline_ns:
                continue
            if change is mirror.flying and not change.acked_ns:
                change.unknown = True
                text = f"no answer within {core.limits.deadline_s:g} s; asking the venue"
                end_pair(core, change, Decision.UNKNOWN, text)
            elif change is mirror.next:
                end_pair(core, change, Decision.SKIPPED, "it could not leave in time; the desk goes on trying")
                change.pair = None


def asking(core: Core) -> set[str]:
    """Connections that are to be asked what they have."""
    found: set[str] = set()
    for mirror in core.mirrored.all():
        change = mirror.flying
        if change is None and not mirror.unseen:
            continue
        lost = change is not None and (
            change.unknown or (change.acked_ns and core.now_ns - change.acked_ns > _SHOWN_AFTER_NS)
        )
        if mirror.live and (mirror.unseen or lost):
            found.add(core.connection_of(mirror.order.copy.follower))
    return found
