"""Moves and cancels of working orders by the trader. Functions of the core; no I/O.

Any order that works on an account of the desk can be moved or canceled, whoever placed it, but a copy's: those are kept
as the leader's order is, so that is the one to move. On a leader the copies follow what its venue shows, as ever. A
cancel passes every gate; a move passes those that the order would pass if it were placed now.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine import events as ev
from engine import guards, manual_gate
from engine.foreign import COPY_TAG
from engine.manual_book import CHANGE_TAG, Change
from engine.mirror_terms import Terms
from schema.records import Guard, LiveOrder, OrderType, VenueOrder

if TYPE_CHECKING:
    from engine.core import Core

_STRICT = (Guard.REDUCE_ONLY, Guard.CLOSE_ONLY)
_AGAIN_NS = 2_000_000_000
A_COPY = "a copy's order: it follows the leader's, so move or cancel that one"
GONE = "it works no more"


def working(core: Core, account: str) -> list[LiveOrder]:
    """What works on an account as its venue last showed it, oldest first."""
    orders = (order for (owner, _), order in core.kept_orders.items() if owner == account)
    return [order for order in orders if isinstance(order, LiveOrder)]


def is_copy(core: Core, order: VenueOrder) -> bool:
    """Whether an order is a copy's."""
    return order.cl_ord_id.startswith(COPY_TAG) or core.inflight.get(order.cl_ord_id) is not None


def why_not(core: Core, order: VenueOrder | None, terms: Terms | None) -> str:
    """Why an order may not get these terms (None: be canceled) now, or ''."""
    if not isinstance(order, LiveOrder):
        return GONE
    if is_copy(core, order):
        return A_COPY
    if guards.being_flattened(core, order.account):
        return "being flattened by the trader"
    if terms is None:
        return ""
    if order.order_type is OrderType.TRAILING_STOP:
        return "a trailing stop follows the market by itself: cancel it and place another"
    left = max(0, terms.qty - order.filled_qty)
    if not left:
        return f"{order.filled_qty} of its lots are filled already: cancel it instead"
    return manual_gate.why_not(core, order.account, order.symbol, left * order.side.sign)


def change(core: Core, event: ev.ManualChange) -> None:
    """The trader confirmed a move or a cancel: ask for it, once for each preview."""
    tag = CHANGE_TAG + core.digest(event.change_id, event.account, event.order_id)
    if tag in core.manual.changes:
        return
    asked = Change(event.change_id, core.now_ns, cancel=event.terms is None)
    core.manual.changed(tag, asked)
    order = core.kept_orders.get((event.account, event.order_id))
    asked.said = why_not(core, order, event.terms)
    asked.refused = bool(asked.said)
    if order is not None and not asked.refused:
        _request(core, order, tag, event.terms)


def _request(core: Core, order: VenueOrder, tag: str, terms: Terms | None) -> None:
    left = ((terms.qty if terms else order.qty) - order.filled_qty) * order.side.sign
    core.emit(
        ev.ChangeOrder(
            connection=core.connection_of(order.account),
            account=order.account,
            order_id=order.order_id,
            cl_ord_id=tag,
            reducing=terms is None or manual_gate.reduces(core, order.account, order.symbol, left),
            terms=terms,
        )
    )


def answered(core: Core, event: ev.ChangeAnswered) -> None:
    """The venue's answer. One that proves nothing has the login read: what it shows then is what the order is."""
    asked = core.manual.changes.get(event.cl_ord_id)
    if asked is None or asked.said:
        return
    what = "cancel" if asked.cancel else "move"
    match event.outcome:
        case ev.Outcome.TAKEN:
            asked.said = "canceled" if asked.cancel else "moved"
            return
        case ev.Outcome.REFUSED:
            asked.said, asked.refused = f"the venue refused the {what}: {event.text}", True
        case ev.Outcome.UNKNOWN:
            asked.said, asked.refused = f"whether the venue took the {what} is not known: {event.text}; asking", True
    core.emit(ev.Alert(level="warn", text=f"{event.account}: {asked.said}"))
    connection = core.connection_of(event.account)
    if core.up.get(connection):
        core.asked_ns[connection] = core.now_ns
        core.emit(ev.Ask(connection=connection))


def guarded(core: Core, now_ns: int) -> None:
    """A guard that cancels resting entries cancels the trader's, too."""
    for flight in core.manual.open:
        order = flight.order
        if not flight.rests or not order.order_id or now_ns - flight.cancel_ns < _AGAIN_NS:
            continue
        if manual_gate.guard_of(core, order.account)[0] not in _STRICT:
            continue
        kept = core.kept_orders.get((order.account, order.order_id))
        if not isinstance(kept, LiveOrder) or manual_gate.reduces(core, order.account, order.symbol, flight.left):
            continue
        flight.cancel_ns = now_ns
        tag = CHANGE_TAG + core.digest("guard", order.account, order.order_id, str(now_ns))
        core.manual.changed(tag, Change("guard", now_ns, cancel=True))
        _request(core, kept, tag, None)
