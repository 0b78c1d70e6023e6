"""Orders that a venue no longer lists, or never did. Functions of the core; no I/O.

A venue may forget an order that is over before the desk heard its end. What it filled is then in the position alone.
From the first reading that leaves it out its outcome is unknown, so that nothing is planned that would be wrong in
either case; after a second one and a grace it is over, but never before the venue was asked for that one order by its
tag, where it can be (`finding.py`): a list may be wrong. No fill is made up: lots by which the position moved in such a
reading, and which nothing else explains, are the copies' (`foreign.copied`), and the row says what is known.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from brokers import adapter as venue
from engine import foreign
from engine.inflight import InFlight
from schema.records import Decision, Fill

if TYPE_CHECKING:
    from engine.core import Core

AFTER_NS = 1_000_000_000  # a venue may list an order a little after it took it
_READINGS = 2

Moved = dict[tuple[str, str], int]
"""(account, symbol) -> signed lots by which a reading moved the desk's position, without the fills it lists."""


def unexplained(core: Core, moved: Moved, fills: Iterable[Fill], adopted: frozenset[str]) -> Moved:
    """What is left of `moved` when the `fills` that were news and the missing fills of finished orders are taken off.
    The latter also where an `adopted` account did not move: what stood against them is still to be explained. Called
    before they are given to their copies."""
    left = dict(moved)
    for fill in fills:
        if (fill.account, fill.symbol) in left:
            left[fill.account, fill.symbol] -= fill.net_qty
    for order in (*core.inflight.all(), *core.inflight.resting()):
        if order.copy.follower in adopted and order.done_filled >= 0 and not order.unknown_since_ns:
            place = (order.copy.follower, order.copy.symbol)
            left[place] = left.get(place, 0) - order.net_left
    return left


def read(core: Core, snapshot: venue.Snapshot, adopted: frozenset[str], moved: Moved) -> None:
    """A reading was taken in, with the positions of `adopted` accounts: settle the orders that it leaves out."""
    listed = {(order.account, order.order_id) for order in snapshot.orders}
    listed |= {(order.account, order.cl_ord_id) for order in snapshot.orders}
    for order in core.inflight.all():
        copy = order.copy
        accepted = bool(copy.order_id) and not order.rests
        tags = {(copy.follower, copy.order_id), (copy.follower, copy.cl_ord_id)}
        if copy.follower not in (adopted if accepted else snapshot.complete) or tags & listed:
            continue
        if accepted and order.done_filled < 0 and not order.unknown_since_ns and copy.acked_ns < snapshot.at_ns:
            order.unknown_since_ns, order.asked = max(1, core.now_ns), 0
        if not order.unknown_since_ns:
            continue
        _explain(core, order, moved)
        since_ns = max(copy.sent_ns, copy.journaled_ns, copy.acked_ns if accepted else order.unknown_since_ns)
        if not accepted and snapshot.at_ns - since_ns < AFTER_NS:
            continue
        order.asked += 1
        if order.asked >= _READINGS and snapshot.at_ns - since_ns >= AFTER_NS and _asked_by_tag(core, order):
            _end(core, order, accepted=accepted)


def absent(core: Core, order: InFlight, asked_ns: int) -> None:
    """Asked at `asked_ns` for this one order, the venue itself said that it has none: as good as a reading without it.
    For orders that it never accepted."""
    since_ns = max(order.copy.sent_ns, order.copy.journaled_ns, order.unknown_since_ns)
    order.asked += 1
    if order.asked >= _READINGS and asked_ns - since_ns >= AFTER_NS:
        _end(core, order, accepted=False)


def _asked_by_tag(core: Core, order: InFlight) -> bool:
    """Whether that was done since it became unknown, or can't be done at its venue."""
    if not core.able(order.copy.follower).finds:
        return True
    return order.question is not None and order.question.count > 0


def _explain(core: Core, order: InFlight, moved: Moved) -> None:
    """Lots that came into the position unseen, as far as this order can have brought them."""
    copy = order.copy
    came, can = moved.get((copy.follower, copy.symbol), 0), order.net_left
    if came * can > 0:
        part = min(came, can, key=abs)
        order.adopted += abs(part)
        moved[copy.follower, copy.symbol] = came - part
        foreign.copied(core, copy.follower, copy.symbol, part)


def _end(core: Core, order: InFlight, *, accepted: bool) -> None:
    copy = order.copy
    question = order.question
    said = f"asked by tag: {question.said}; " if question is not None and question.count else ""
    seen = f"; the position moved by {order.adopted} of its lots meanwhile" if order.adopted else ""
    if not accepted:
        text = f"the venue has no such order ({said}{order.asked} answers without it){seen}; not sent again"
        core.end(order, Decision.EXPIRED, text)
    else:
        order.unknown_since_ns = 0
        order.done_filled = copy.filled_qty
        core.decide(
            order,
            Decision.COPIED,
            f"over: the venue lists it no more; {said}{copy.filled_qty} of {copy.qty} seen{seen}",
        )
        core.state(copy.follower, copy.leader_symbol).behind = True
        core.inflight.end(order)
    core.keep(order)
