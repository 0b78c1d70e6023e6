"""Orders that the trader gives from the desk: journaled, sent once, followed to their end. Part of the core; no I/O.

`engine/manuals.py` shows the trader what would go and feeds what he confirms. How such an order stands beside copies:

- On a leader it is an order as from any other front end. What copies it is what its venue tells of it, and nothing
  here: no signal is made from the order itself, so it can't be copied twice.
- On a follower its lots are the trader's, as the lots of an order that he gives elsewhere (`engine/foreign.py`):
  targets, copies, corrections and resyncs reckon with the copies' lots alone, so nothing is taken for drift, corrected
  away or made up for. Against the copies' lots it closes those first, and a follower whose copies are all closed by it
  is out of the leader's open trade. Only the group's policy about strangers is not carried out: the desk knows who it
  was.

An order's row is in the journal before it leaves, under the preview's name and the account's, which the journal takes
once for ever: neither a second confirmation nor a desk that starts again sends it again. An answer that proves nothing
makes it UNKNOWN, and from then on it is asked for (`engine/manual_asking.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from brokers import adapter as venue
from engine import answers, manual_asking, manual_change, manual_gate, manual_rows
from engine import events as ev
from engine.manual_book import Flight
from engine.risk import approve_manual
from schema.records import ManualOrder, ManualState, RejectClass

if TYPE_CHECKING:
    from engine.core import Core

SENT_ALREADY = "this preview was sent already: look again"
_VENUE_TROUBLE = (RejectClass.THROTTLED, RejectClass.UNAVAILABLE)


def recovered(core: Core, event: ev.ManualRecovered) -> None:
    """What the journal knows no end of. One that may have left is asked for, never sent."""
    for order in event.orders:
        flight = Flight(order, 0)
        flight.journaled = True
        core.manual.add(flight)
        if order.state is not ManualState.TAKEN:
            manual_rows.becomes_unknown(core, flight, "the desk stopped while it was on its way")


def asked(core: Core, event: ev.ManualAsked) -> None:
    """The trader confirmed: take the orders in, and ask for the commit of those that may go."""
    deadline_ns = event.at_ns + int(core.limits.deadline_s * 1e9)
    going: list[ManualOrder] = []
    for order in event.orders:
        if order.cl_ord_id in core.manual.flights:
            continue
        lots = order.qty * order.side.sign
        reason = manual_gate.why_not(core, order.account, order.symbol, lots)
        reducing = manual_gate.reduces(core, order.account, order.symbol, lots)
        flight = Flight(replace(order, reducing=reducing, state=ManualState.PENDING), deadline_ns)
        core.manual.add(flight)
        if reason:  # no row of the journal: it never became an intent
            flight.order = replace(flight.order, state=ManualState.NOT_SENT, reason=reason)
            core.manual.settle(flight)
        else:
            going.append(flight.order)
    if going:
        core.emit(ev.CommitManual(orders=tuple(going)))


def committed(core: Core, event: ev.ManualCommitted) -> None:
    """The journal has the orders: what may still go leaves now."""
    batches: dict[str, list[venue.ApprovedOrder]] = {}
    for tag in event.tags:
        flight = core.manual.flights[tag]
        order, account = flight.order, core.accounts.get(flight.order.account)
        if tag not in event.fresh:  # whoever confirmed it first has sent it, and its row is about that
            flight.order = replace(order, state=ManualState.NOT_SENT, reason=SENT_ALREADY)
            core.manual.settle(flight)
            continue
        flight.journaled = True
        lots = order.qty * order.side.sign
        reason = manual_gate.why_not(core, order.account, order.symbol, lots, besides=tag)
        venue_id = account.venue_id if account else ""
        approved = approve_manual(order, venue_id, now_ns=event.at_ns, deadline_ns=flight.deadline_ns)
        if reason or isinstance(approved, str):
            manual_rows.end(core, flight, ManualState.NOT_SENT, reason or str(approved))
        else:
            batches.setdefault(core.connection_of(order.account), []).append(approved)
    for connection, orders in batches.items():
        core.emit(ev.Send(connection=connection, orders=tuple(orders)))


def after(core: Core, event: ev.AnyInput) -> None:
    """The core has handled an input: what it says about manual orders. Called when there are any."""
    if handle := _AFTER.get(type(event)):
        handle(core, event)


def _sent(core: Core, event: venue.OrderSent) -> None:
    if flight := core.manual.flights.get(event.cl_ord_id):
        flight.order = replace(flight.order, sent_ns=event.received_ns)
        manual_rows.keep(core, flight)


def _not_sent(core: Core, event: venue.OrderNotSent) -> None:
    if flight := core.manual.flights.get(event.cl_ord_id):
        manual_rows.end(core, flight, ManualState.NOT_SENT, event.reason)


def _accepted(core: Core, event: venue.OrderAccepted) -> None:
    if flight := core.manual.flights.get(event.cl_ord_id):
        manual_rows.prove(core, flight, event.order_id, event.received_ns)


def _rejected(core: Core, event: venue.OrderRejected) -> None:
    flight = core.manual.flights.get(event.cl_ord_id)
    if flight is None or flight.order.state is ManualState.REJECTED:
        return
    if event.reject_class in _VENUE_TROUBLE:
        answers.venue_failed(core, event.connection)
    else:
        core.breakers[event.connection].succeeded()
    order = flight.order
    order_id, acked_ns = order.order_id or event.order_id, order.acked_ns or event.received_ns
    flight.order = replace(order, order_id=order_id, acked_ns=acked_ns)
    manual_rows.end(core, flight, ManualState.REJECTED, f"{event.reject_class}: {event.text}")


def _unknown(core: Core, event: venue.OrderUnknown) -> None:
    flight = core.manual.flights.get(event.cl_ord_id)
    if flight is not None and flight.order.state is ManualState.PENDING:
        answers.venue_failed(core, event.connection)
        manual_rows.becomes_unknown(core, flight, event.reason)


def _stream_up(core: Core, event: venue.StreamUp) -> None:
    manual_asking.read(core, event.snapshot, core.seq)


def _snapshot_read(core: Core, event: ev.SnapshotRead) -> None:
    manual_asking.read(core, event.snapshot, event.asked_seq)


def _tick(core: Core, event: ev.Tick) -> None:
    manual_asking.tick(core, event.at_ns)
    manual_change.guarded(core, event.at_ns)


_AFTER: dict[type, Callable[[Any, Any], None]] = {
    venue.OrderSent: _sent,
    venue.OrderNotSent: _not_sent,
    venue.OrderAccepted: _accepted,
    venue.OrderRejected: _rejected,
    venue.OrderUnknown: _unknown,
    venue.StreamUp: _stream_up,
    ev.SnapshotRead: _snapshot_read,
    ev.OrdersFound: manual_asking.found,
    ev.ChangeAnswered: manual_change.answered,
    ev.Tick: _tick,
}
