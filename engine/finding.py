"""Orders whose outcome is unknown are asked for by their tags, before anybody reads the whole login. Functions of the
core; no I/O. `engine/recovery.py` calls it at every tick.

A question by tag is one to four requests, a whole reading of a login seven and more. So the tag is first: half a second
after the outcome became unknown, or at once when the order left a second ago. When that brought nothing a reading is
asked for beside it, at once, or, when the venue's list leaves the tag out, once an absence counts (`unlisted.py`); and
the question again, each time after twice as long. Where so many orders of a login are unknown that one reading takes
fewer requests than their questions, the reading is first, and only what it leaves open is asked for by tag.

An answer that shows the order settles it. One that shows nothing, or none, settles nothing. A venue that itself says
that it has no such order is believed when it says so twice, a second after the order became unknown (`unlisted.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from brokers import adapter as venue
from engine import answers, unlisted
from engine import events as ev
from engine.inflight import InFlight, Question

if TYPE_CHECKING:
    from engine.core import Core

_FIRST_NS = 500_000_000
_HAD_ITS_TIME_NS = 1_000_000_000
_AGAIN_NS = 2_000_000_000
_LAST_NS = 8_000_000_000
_SAYS = "; asked by tag: "


def tick(core: Core, now_ns: int) -> set[str]:
    """Send the questions that are due. Returns the logins that must be read whole for the sake of unknown orders."""
    reading: set[str] = set()
    due: dict[str, list[InFlight]] = {}
    for order in core.inflight.all():
        if not order.unknown_since_ns:
            if order.question is not None and not order.question.left_ns:
                order.question = None
            continue
        connection = core.connection_of(order.copy.follower)
        if not core.able(order.copy.follower).finds:
            reading.add(connection)
            continue
        question = _question(order)
        late = question.left_ns and now_ns - question.left_ns > core.limits.deadline_s * 1e9
        if late or 0 < question.reads_ns <= now_ns:
            reading.add(connection)
        if not question.left_ns and now_ns >= question.due_ns and core.up.get(connection):
            due.setdefault(connection, []).append(order)
    for connection, orders in due.items():
        if not _read_instead(core, connection, orders):
            _ask(core, connection, orders)
        else:
            reading.add(connection)
    return reading


def _question(order: InFlight) -> Question:
    """The order's question; a new one each time that it becomes unknown."""
    since_ns, left_ns = order.unknown_since_ns, max(order.copy.sent_ns, order.copy.journaled_ns)
    if order.question is None or order.question.since_ns != since_ns:
        due_ns = min(since_ns + _FIRST_NS, max(since_ns, left_ns + _HAD_ITS_TIME_NS))
        order.question = Question(since_ns, due_ns)
    return order.question


def _read_instead(core: Core, connection: str, orders: list[InFlight]) -> bool:
    """Whether one reading is the cheaper question: then it is asked, and what it leaves open is asked for later."""
    able = core.abilities[connection]
    asking, reading = able.find.of(len(orders)), able.reading.of(len(core.accounts_of(connection)))
    fresh = [order for order in orders if not _question(order).reads_ns]
    if asking <= reading or not fresh:
        return False
    text = (
        f"{connection}: the outcome of {len(orders)} orders is unknown; one reading of the login ({reading} requests) "
        f"is asked for instead of questions by tag ({asking})"
    )
    core.emit(ev.Alert(level="info", text=text))
    for order in orders:
        question = _question(order)
        question.reads_ns = core.now_ns
        question.due_ns = core.now_ns + _AGAIN_NS
    return True


def _ask(core: Core, connection: str, orders: list[InFlight]) -> None:
    wanted: list[venue.Wanted] = []
    for order in orders:
        _question(order).left_ns = core.now_ns
        copy = order.copy
        wanted.append(
            venue.Wanted(
                account=copy.follower,
                cl_ord_id=copy.cl_ord_id,
                order_id=copy.order_id,
                symbol=copy.symbol,
                side=copy.side,
                order_type=copy.order_type,
                qty=copy.qty,
                sent_ns=copy.sent_ns or copy.journaled_ns or copy.received_ns,
            )
        )
    core.emit(ev.AskOrders(connection=connection, wanted=tuple(wanted)))


def found(core: Core, event: ev.OrdersFound) -> None:
    """The answers to a question. What they show is booked as what the stream or a reading shows."""
    for each in event.found:
        order = core.inflight.get(each.cl_ord_id)
        for fill in each.fills:
            core.filled(venue.Filled(connection=event.connection, received_ns=event.at_ns, fill=fill))
        if each.order is not None:
            core.last_said_ns[each.account] = event.at_ns
            core.emit(ev.Keep(orders=(each.order,)))
            answers.order_seen(core, each.order, event.at_ns)
        if order is not None and order.question is not None and order.question.left_ns:
            _note(core, order, each, event.asked_ns)


def _note(core: Core, order: InFlight, each: venue.Found, asked_ns: int) -> None:
    """Put into the ledger what the tag told, and decide how the order is asked for from here on."""
    question = _question(order) if order.unknown_since_ns else order.question
    assert question is not None
    question.left_ns = 0
    question.count += 1
    question.said = each.text
    if each.finding is venue.Finding.ABSENT and not order.copy.order_id:
        question.due_ns = core.now_ns + unlisted.AFTER_NS  # from then on a second one counts
    else:
        question.due_ns = core.now_ns + min(_AGAIN_NS << min(question.count - 1, 8), _LAST_NS)
        waits = each.finding is venue.Finding.UNLISTED
        reads_ns = max(core.now_ns, question.since_ns + unlisted.AFTER_NS) if waits else core.now_ns
        question.reads_ns = question.reads_ns or reads_ns
    if order.unknown_since_ns and each.finding is venue.Finding.ABSENT and not order.copy.order_id:
        unlisted.absent(core, order, asked_ns)
    if order.unknown_since_ns or each.finding is venue.Finding.FOUND:
        reason = order.copy.reason.partition(_SAYS)[0]
        core.decide(order, order.copy.decision, f"{reason}{_SAYS}{each.text}".removeprefix("; "))
        core.keep(order)
