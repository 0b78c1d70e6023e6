"""The rows of the trader's own orders, and what venues show of them. Functions of the core; no I/O.

Only proof decides: an order, a fill or an answer that says yes, or one that says no. `engine/manual.py` and
`engine/manual_asking.py` call it, and `engine/answers.py` with what the venues show.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from engine import events as ev
from engine.manual_book import Flight
from engine.mirror_book import waits_for
from engine.mirror_terms import Terms
from engine.seat import OrderLine, Ticket
from schema.records import DoneOrder, DoneStatus, Fill, ManualOrder, ManualState, VenueOrder

if TYPE_CHECKING:
    from engine.core import Core

FIRST_NS = 500_000_000
"""How long an order whose outcome is unknown may still show itself before it is asked for."""


def terms_of(order: ManualOrder | OrderLine | Ticket) -> Terms:
    """What an order asks for."""
    return Terms(
        side=order.side,
        qty=order.qty,
        order_type=order.order_type,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
    )


def said(order: ManualOrder) -> str:
    """An order in words: ``DEMO1001: buy 2 ESZ6 limit 4795.25``."""
    return f"{order.account}: {order.side} {order.qty} {order.symbol} {waits_for(terms_of(order))}".rstrip()


def order_seen(core: Core, seen: VenueOrder, at_ns: int) -> None:
    """The venue showed an order, by stream, by reading or when asked: if it is one of the trader's, it stands so."""
    flight = core.manual.of(seen)
    if flight is None:
        return
    flight.seen_seq, flight.absent = core.seq, 0
    flight.shown = max(flight.shown, seen.filled_qty)
    if flight.ended and flight.order.state is not ManualState.NOT_SENT:
        return
    if isinstance(seen, DoneOrder) and seen.status is DoneStatus.REJECTED:
        end(core, flight, ManualState.REJECTED, seen.text or "rejected")
        return
    prove(core, flight, seen.order_id, at_ns)
    if isinstance(seen, DoneOrder):
        flight.done_filled = max(seen.filled_qty, flight.order.filled_qty)
        if flight.done_filled < flight.order.qty and not flight.order.reason:
            text = f"{seen.status}: {flight.done_filled} of {flight.order.qty} filled"
            flight.order = replace(flight.order, reason=text)
        settled(core, flight)
    elif flight.rests and seen.qty > 0:
        now = replace(flight.order, qty=seen.qty, limit_price=seen.limit_price, stop_price=seen.stop_price)
        if now != flight.order:
            flight.order = now
            keep(core, flight)


def filled(core: Core, fill: Fill, at_ns: int) -> None:
    """A fill that was not seen before: if it is of one of the trader's orders, it goes to its row."""
    if flight := core.manual.of(fill):
        prove(core, flight, fill.order_id, at_ns)
        flight.fill(fill)
        keep(core, flight)
        settled(core, flight)


def settled(core: Core, flight: Flight) -> None:
    """End it when nothing more can come: every lot is filled, or it is over and what it filled has come."""
    over = flight.done_filled >= 0 or flight.order.filled_qty >= flight.order.qty
    if over and not flight.left and not flight.ended:
        end(core, flight, ManualState.DONE, flight.order.reason)


def prove(core: Core, flight: Flight, order_id: str, at_ns: int) -> None:
    """The venue has it, whatever was thought of it before."""
    order = flight.order
    flight.unknown_since_ns = flight.left_ns = 0
    if order.state is ManualState.DONE or (order.state is ManualState.TAKEN and order.order_id):
        return
    if order.state in (ManualState.REJECTED, ManualState.NOT_SENT):
        text = f"{said(order)}: the venue has it after all (it was {order.state}: {order.reason})"
        core.emit(ev.Alert(level="alarm", text=text))
        flight.done_filled = -1
    elif order.state is ManualState.UNKNOWN:
        core.emit(ev.Alert(level="info", text=f"{said(order)}: the venue has it"))
    if breaker := core.breakers.get(core.connection_of(order.account)):
        breaker.succeeded()
    flight.order = replace(
        order,
        state=ManualState.TAKEN,
        reason="",
        order_id=order.order_id or order_id,
        acked_ns=order.acked_ns or at_ns,
    )
    keep(core, flight)


def becomes_unknown(core: Core, flight: Flight, reason: str) -> None:
    """No proof either way: it is asked for, and never sent again."""
    flight.unknown_since_ns = max(1, core.now_ns)
    flight.absent = flight.questions = flight.left_ns = 0
    flight.due_ns = core.now_ns + FIRST_NS
    flight.order = replace(flight.order, state=ManualState.UNKNOWN, reason=f"{reason}; asking the venue")
    core.emit(ev.Alert(level="warn", text=f"{said(flight.order)}: {flight.order.reason}"))
    keep(core, flight)


def end(core: Core, flight: Flight, state: ManualState, reason: str) -> None:
    """It will not trade any more; what is no plain fill or cancel is told the trader."""
    flight.unknown_since_ns = flight.left_ns = 0
    flight.order = replace(flight.order, state=state, reason=reason)
    if state is not ManualState.DONE:
        core.emit(ev.Alert(level="warn", text=f"{said(flight.order)}: {state.replace('_', ' ')}: {reason}"))
    keep(core, flight)


def keep(core: Core, flight: Flight) -> None:
    """Its row changed: store it, when the journal has it."""
    core.manual.settle(flight)
    if flight.journaled:
        core.emit(ev.KeepManual(orders=(flight.order,)))
