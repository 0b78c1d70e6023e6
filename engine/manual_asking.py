"""A manual order whose outcome is unknown is asked for until its venue shows it, or has left it out twice. Functions of
the core; no I/O. The same rules as of copies (`engine/finding.py`, `engine/unlisted.py`), which say why.

It is asked for by its tag where the venue can, and the login is read whole where that is not enough. Nothing that comes
of it sends the order again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from brokers import adapter as venue
from engine import answers, foreign, manual_rows
from engine import events as ev
from engine.manual_book import Flight
from engine.unlisted import AFTER_NS, Moved
from schema.records import ManualState

if TYPE_CHECKING:
    from engine.core import Core

_AGAIN_NS = 2_000_000_000
_LAST_NS = 8_000_000_000
_BRISK_NS = 5_000_000_000  # so long a login is read every second for it, then half as often
_LEFT_OUT = 2  # so many answers without it are believed


def tick(core: Core, now_ns: int) -> None:
    """Time passed: what has had its deadline is unknown, and what is unknown is asked for when that is due."""
    for flight in core.manual.open:
        order = flight.order
        if order.state is ManualState.PENDING and flight.journaled and now_ns > flight.deadline_ns:
            answers.venue_failed(core, core.connection_of(order.account))
            manual_rows.becomes_unknown(core, flight, f"no answer within {core.limits.deadline_s:g} s")
        if flight.unknown_since_ns:
            _ask(core, flight, now_ns)


def _ask(core: Core, flight: Flight, now_ns: int) -> None:
    order, connection = flight.order, core.connection_of(flight.order.account)
    if not core.up.get(connection) or (now_ns < flight.due_ns and not flight.questions):
        return
    finds = core.able(order.account).finds
    if finds and not flight.left_ns and now_ns >= flight.due_ns:
        flight.left_ns = now_ns
        flight.due_ns = now_ns + _AGAIN_NS  # by then a reading is asked for beside it
        wanted = venue.Wanted(
            account=order.account,
            cl_ord_id=order.cl_ord_id,
            order_id=order.order_id,
            symbol=order.symbol,
            side=order.side,
            order_type=order.order_type,
            qty=order.qty,
            sent_ns=order.sent_ns or order.asked_ns,
        )
        core.emit(ev.AskOrders(connection=connection, wanted=(wanted,)))
    brisk = now_ns - flight.unknown_since_ns < _BRISK_NS
    pause_ns = AFTER_NS if brisk else _AGAIN_NS
    late = 0 < flight.left_ns < now_ns and now_ns >= flight.due_ns  # the question has not come back
    if (flight.questions or late or not finds) and now_ns - core.asked_ns.get(connection, 0) >= pause_ns:
        core.asked_ns[connection] = now_ns
        core.emit(ev.Ask(connection=connection))


def found(core: Core, event: ev.OrdersFound) -> None:
    """The answers to questions by tag; what they show is booked already."""
    for each in event.found:
        flight = core.manual.flights.get(each.cl_ord_id)
        if flight is None or not flight.left_ns:
            continue
        flight.left_ns = 0
        flight.questions += 1
        flight.due_ns = core.now_ns + min(_AGAIN_NS << min(flight.questions - 1, 8), _LAST_NS)
        if not flight.unknown_since_ns:
            continue
        if each.finding is venue.Finding.ABSENT and not flight.order.order_id:
            flight.due_ns = core.now_ns + AFTER_NS
            _left_out(core, flight, event.asked_ns)
        elif flight.order.state is ManualState.UNKNOWN:
            reason = f"{flight.order.reason.partition('; asked by tag')[0]}; asked by tag: {each.text}"
            flight.order = replace(flight.order, reason=reason)
            manual_rows.keep(core, flight)


def read(core: Core, snapshot: venue.Snapshot, asked_seq: int) -> None:
    """A login was read, as of input `asked_seq`: settle the orders that it leaves out."""
    listed = {(order.account, order.order_id) for order in snapshot.orders}
    listed |= {(order.account, order.cl_ord_id) for order in snapshot.orders if order.cl_ord_id}
    for flight in core.manual.open:
        order = flight.order
        names = {(order.account, order.order_id), (order.account, order.cl_ord_id)}
        if order.account not in snapshot.complete or names & listed or flight.seen_seq >= max(1, asked_seq):
            continue
        if flight.unknown_since_ns and _asked_by_tag(core, flight):
            _left_out(core, flight, snapshot.at_ns)
        elif order.state is ManualState.TAKEN and snapshot.at_ns - order.acked_ns >= AFTER_NS:
            _listed_no_more(core, flight)


def _asked_by_tag(core: Core, flight: Flight) -> bool:
    return flight.questions > 0 or not core.able(flight.order.account).finds


def _left_out(core: Core, flight: Flight, at_ns: int) -> None:
    """An answer as of `at_ns` that does not have it."""
    if at_ns - max(flight.order.sent_ns, flight.order.asked_ns, flight.unknown_since_ns) < AFTER_NS:
        return
    flight.absent += 1
    if flight.absent < _LEFT_OUT:
        return
    if flight.order.order_id or flight.adopted:  # a venue may forget what its position still shows
        _over(core, flight)
    else:
        text = f"the venue has no such order ({flight.absent} answers without it); not sent again"
        manual_rows.end(core, flight, ManualState.NOT_SENT, text)


def _listed_no_more(core: Core, flight: Flight) -> None:
    """The venue had it; a venue may forget an order that is over before the desk heard its end."""
    flight.absent += 1
    if flight.absent >= _LEFT_OUT:
        _over(core, flight)


def _over(core: Core, flight: Flight) -> None:
    seen = flight.order.filled_qty + flight.adopted
    text = f"over: the venue lists it no more; {seen} of {flight.order.qty} seen"
    manual_rows.end(core, flight, ManualState.DONE, text)


def explain(core: Core, adopted: frozenset[str], moved: Moved) -> None:
    """A reading was taken in, with the positions of `adopted` accounts. Lots of a manual order that these show before
    its fills have come are the trader's: else a follower's copies would be reckoned with them. `moved` is what nothing
    else has explained so far."""
    for flight in core.manual.open:
        order = flight.order
        if order.account not in adopted or order.account not in core.followers:
            continue
        place = (order.account, order.symbol)
        lots = flight.left if flight.done_filled >= 0 else _come(core, flight, moved.get(place, 0))
        if not lots:
            continue
        flight.adopted += abs(lots)
        moved[place] = moved.get(place, 0) - lots
        foreign.traders(core, core.followers[order.account], order.symbol, lots, manual=True)
        manual_rows.settled(core, flight)


def _come(core: Core, flight: Flight, came: int) -> int:
    """What of the lots that came may be those of an order that is not over."""
    order, way = flight.order, core.inflight.on_the_way(flight.order.account, flight.order.symbol)
    if flight.unknown_since_ns:
        can = 0 if any(way[1:]) else flight.left  # a copy's outcome is unknown too: its own question will tell
    elif order.state is ManualState.PENDING and order.sent_ns:
        can = 0 if any(way) else flight.left
    else:
        can = max(0, flight.shown - order.filled_qty - flight.adopted) * order.side.sign
    return min(came, can, key=abs) if came * can > 0 else 0
