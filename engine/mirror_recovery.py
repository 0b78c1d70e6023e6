"""Mirrored orders after a restart: what the journal knows of them, before any venue was asked. Functions of the core.

Nothing is asked of an order before its venue has shown it. The leader's own snapshot then tells what it did meanwhile:
changes and cancels go to the followers at once, as signals like any other; new entries only when they are not late.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine import events as ev
from engine.inflight import InFlight
from engine.mirror_book import Change, LeaderOrder, Mirror, terms_of
from engine.mirror_pairs import end_pair
from schema.records import Copy, Decision, Signal

if TYPE_CHECKING:
    from engine.core import Core


def recovered(core: Core, event: ev.Recovered) -> None:
    """Take up the leaders' orders, the followers' orders at rest, and the changes that were on their way."""
    for signal in event.leader_orders:
        book = core.mirrored.orders.setdefault((signal.leader, signal.symbol), {})
        known = book.get(signal.source)
        if known is None:
            known = LeaderOrder(signal.leader, signal.source, signal.symbol, terms_of(signal))
            book[signal.source] = known
        known.signals[signal.group] = signal.signal_id
        known.time_in_force = signal.time_in_force
        for follower in core.members.get(signal.group, []):
            core.mirrored.place(follower.account, signal.symbol)  # it may need this order without having one of its own
    open_tags = {copy.cl_ord_id for _, copy in event.open_copies}
    for signal, copy in event.working_copies:
        if copy.cl_ord_id not in open_tags:
            order = InFlight(signal, copy, deadline_ns=0)
            order.sent = True
            core.inflight.rest(order)
            _adopt(core, order)
    by_order = {mirror.order.copy.order_id: mirror for mirror in core.mirrored.all() if mirror.order.copy.order_id}
    for signal, copy in event.open_copies:
        if not copy.cl_ord_id:
            _open_change(core, signal, copy, by_order.get(copy.order_id))


def unknown_order(core: Core, order: InFlight) -> None:
    """An order that was being placed when the desk stopped: its outcome is asked for as any other's."""
    _adopt(core, order)


def _adopt(core: Core, order: InFlight) -> None:
    mirror = Mirror(order, terms_of(order.copy))
    mirror.unseen = True
    core.mirrored.add(mirror)


def _open_change(core: Core, signal: Signal, copy: Copy, mirror: Mirror | None) -> None:
    """A change whose answer nobody heard: what its venue shows of the order will decide it."""
    change = Change(terms_of(copy) if copy.qty else None, (signal, copy))
    change.journaled = True
    core.tally.pair(signal, copy)
    if mirror is None or mirror.flying is not None:
        end_pair(core, change, Decision.EXPIRED, "the desk stopped before it was carried out; what counts came later")
        return
    change.unknown = True
    mirror.flying = change
    end_pair(core, change, Decision.UNKNOWN, "the desk stopped while it was on its way; asking the venue")
