"""What venues answer about our orders, booked on the copies they belong to. Functions of the core; no I/O.

Only proof decides: an answer that says no, an order or a fill that shows yes. Everything else is UNKNOWN, asked about
by `engine/recovery.py` and never sent again. Proof that comes late still wins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from brokers import adapter as venue
from engine import events as ev
from engine import foreign, manual_rows, mirror, mirror_answers, mirror_links
from engine.inflight import InFlight
from schema.records import Decision, DoneOrder, DoneStatus, Episode, Fill, RejectClass, VenueOrder

if TYPE_CHECKING:
    from engine.core import Core

_HOPELESS = {RejectClass.MARGIN, RejectClass.LIMIT, RejectClass.LOCKED, RejectClass.CONTRACT, RejectClass.AUTH}
_ORDERS_KEPT = 5_000
_VENUE_TROUBLE = {RejectClass.THROTTLED, RejectClass.UNAVAILABLE}


def sent(core: Core, event: venue.OrderSent) -> None:
    if order := core.inflight.get(event.cl_ord_id):
        order.sent = True
        order.copy = replace(order.copy, sent_ns=event.received_ns)


def not_sent(core: Core, event: venue.OrderNotSent) -> None:
    if order := core.inflight.get(event.cl_ord_id):
        core.end(order, Decision.SKIPPED, f"not sent: {event.reason}")
        core.keep(order)


def accepted(core: Core, event: venue.OrderAccepted) -> None:
    if order := core.inflight.get(event.cl_ord_id):
        _prove(core, order, event.order_id, event.received_ns)
        core.keep(order)


def rejected(core: Core, event: venue.OrderRejected) -> None:
    order = core.inflight.get(event.cl_ord_id)
    if order is None or order.copy.decision is Decision.REJECTED:
        return
    if not mirror_links.waits_for_entry(core, event.cl_ord_id):  # of such a one the venue says nothing but that
        core.state(order.copy.follower, order.copy.leader_symbol).hopeless = event.reject_class in _HOPELESS
    order.copy = replace(
        order.copy,
        order_id=order.copy.order_id or event.order_id,
        acked_ns=order.copy.acked_ns or event.received_ns,
    )
    if event.reject_class in _VENUE_TROUBLE:
        venue_failed(core, event.connection)
    else:
        core.breakers[event.connection].succeeded()
    core.end(order, Decision.REJECTED, f"{event.reject_class}: {event.text}")
    core.keep(order)


def unknown(core: Core, event: venue.OrderUnknown) -> None:
    order = core.inflight.get(event.cl_ord_id)
    if order is not None and order.copy.decision is Decision.PENDING:
        becomes_unknown(core, order, event.reason)


def becomes_unknown(core: Core, order: InFlight, reason: str) -> None:
    """No proof either way: the pair is UNKNOWN, the venue is asked, and nothing is sent again."""
    order.unknown_since_ns = core.now_ns
    core.decide(order, Decision.UNKNOWN, reason)
    core.state(order.copy.follower, order.copy.leader_symbol).behind = True
    venue_failed(core, core.connection_of(order.copy.follower))
    core.keep(order)


def venue_failed(core: Core, connection: str) -> None:
    """Count a failure of the connection itself against its breaker."""
    if core.breakers[connection].failed(core.now_ns):
        core.emit(ev.Alert(level="alarm", text=f"{connection}: breaker open, entries stop, exits still go"))


def order_updated(core: Core, event: venue.OrderUpdated) -> None:
    core.last_said_ns[event.order.account] = event.received_ns
    if news(core, event.order):
        core.emit(ev.Keep(orders=(event.order,)))
    order_seen(core, event.order, event.received_ns)
    mirror.leader_order(core, event.order, event.received_ns)


def news(core: Core, order: VenueOrder) -> bool:
    """Whether an order stands otherwise than it was last kept: a reading lists a whole session, again and again."""
    key = (order.account, order.order_id)
    if core.kept_orders.get(key) == order:
        return False
    if key not in core.kept_orders and len(core.kept_orders) >= _ORDERS_KEPT:
        del core.kept_orders[next(iter(core.kept_orders))]
    core.kept_orders[key] = order
    return True


def order_seen(core: Core, seen: VenueOrder, at_ns: int) -> None:
    """The venue showed an order, by stream or by reading: settle what it says about one of ours."""
    manual_rows.order_seen(core, seen, at_ns)
    foreign.seen(core, seen)
    order = core.inflight.get(seen.cl_ord_id) if seen.cl_ord_id else None
    if order is None or order.copy.decision is Decision.REJECTED:
        return
    known = order.copy
    if isinstance(seen, DoneOrder) and order.done_filled >= 0 and order.settled and known.decision is Decision.COPIED:
        return  # a reading lists the whole session; what has had its end needs no second one
    if isinstance(seen, DoneOrder) and seen.status is DoneStatus.REJECTED:
        core.end(order, Decision.REJECTED, seen.text or "rejected")
    else:
        _prove(core, order, seen.order_id, at_ns)
        mirror_answers.own_seen(core, seen)
        if isinstance(seen, DoneOrder):
            order.done_filled = max(seen.filled_qty, order.copy.filled_qty)
            if order.done_filled < order.copy.qty and not order.ended_short:
                order.ended_short = True
                text = f"{seen.status}: {order.done_filled} of {order.copy.qty} filled"
                core.decide(order, Decision.COPIED, mirror_links.ended_by_venue(core, seen) or text)
                core.state(order.copy.follower, order.copy.leader_symbol).behind = True
            if order.settled:
                core.inflight.end(order)
    if order.copy != known:
        core.keep(order)


def copy_filled(core: Core, fill: Fill, at_ns: int) -> None:
    """A fill, if it is of one of our orders, goes to its copy, or to the row of the trader's own order."""
    manual_rows.filled(core, fill, at_ns)
    order = core.inflight.get(fill.cl_ord_id) if fill.cl_ord_id else None
    if order is None:
        return
    _prove(core, order, fill.order_id, at_ns)
    foreign.copied(core, fill.account, fill.symbol, order.fill(fill, at_ns))
    state = core.state(order.copy.follower, order.copy.leader_symbol)
    if state.episode is Episode.MISSED and foreign.lots_of(core, fill.account, fill.symbol).copied:
        state.behind = True
    if order.settled:
        core.inflight.end(order)
    core.keep(order)


def _prove(core: Core, order: InFlight, order_id: str, at_ns: int) -> None:
    """The venue has the order: whatever was thought of it before, it was copied."""
    copy = order.copy
    if copy.decision in (Decision.EXPIRED, Decision.REJECTED, Decision.SKIPPED):
        text = f"{copy.follower}: the venue has {copy.cl_ord_id} after all (it was {copy.decision}: {copy.reason})"
        core.emit(ev.Alert(level="alarm", text=text))
        order.done_filled = -1
        core.state(copy.follower, copy.leader_symbol).behind = True
    order.unknown_since_ns = 0
    if not copy.order_id or not copy.acked_ns:  # else it was proven before
        order.copy = replace(copy, order_id=copy.order_id or order_id, acked_ns=copy.acked_ns or at_ns)
    if copy.decision is not Decision.COPIED:
        core.decide(order, Decision.COPIED, "" if copy.decision is not Decision.PENDING else None)
        core.breakers[core.connection_of(copy.follower)].succeeded()
    if not copy.acked_ns:
        core.tally.answered(order.copy)
    if order.rests and not order.over:
        core.inflight.rest(order)
