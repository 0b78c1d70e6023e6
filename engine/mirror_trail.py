"""Where a leader's trailing stop stands, and what its copies make of that.

A venue that trails stops gets the leader's distance and is left alone. Another distance is another order there: the
copy is canceled, and what protects the position is placed anew as soon as it has ended. Elsewhere the copy is a plain
stop (a limit, for an inverted follower) that the desk moves after the price of the leader's contract: at most once a
second, so that a trend does not spend a login's requests, and never away from the market. Venues need not tell where a
trailing stop has come to (`protocols/tradovate.md 1.3` does not say they do); one that does is believed when it is
nearer than the desk's own reckoning. Functions of the core; no I/O.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from engine import events as ev
from engine.mirror_book import LeaderOrder
from engine.mirror_terms import Terms, on_tick
from schema.records import Mode, OrderType, Side

if TYPE_CHECKING:
    from decimal import Decimal

    from engine.core import Core

_EVERY_NS = 1_000_000_000


def wanted(core: Core) -> set[str]:
    """Contracts whose price the desk trails a stop after. Only reads."""
    return {
        symbol
        for (leader, symbol), book in core.mirrored.orders.items()
        if any(order.rests and order.terms.trail is not None for order in book.values())
        and any(
            follower.rule.invert or not core.able(follower.account).trails
            for group in core.leads.get(leader, [])
            if group.mode is not Mode.FILLS
            for follower in core.members.get(group.group, [])
        )
    }


def price_seen(core: Core, event: ev.PriceSeen) -> bool:
    """The market traded at a price: draw trailing stops after it. Whether one of them is to be moved now."""
    for (_, symbol), book in core.mirrored.orders.items():
        for order in book.values() if symbol == event.symbol else ():
            if order.rests and order.terms.trail is not None:
                side = order.terms.side
                near = on_tick(event.price + side.sign * order.terms.trail, symbol, side)
                order.best = nearer(side, order.best, near)
    return time_passed(core)


def time_passed(core: Core) -> bool:
    """Where copies are drawn to is said once a second. Whether one of them is to be moved now."""
    moved = False
    for book in core.mirrored.orders.values():
        for order in book.values():
            if order.best != order.trigger and core.now_ns - order.trailed_ns >= _EVERY_NS:
                order.trigger, order.trailed_ns, moved = order.best, core.now_ns, True
    return moved


def nearer(side: Side, one: Decimal | None, other: Decimal) -> Decimal:
    """The stop price of the two that the market reaches first."""
    if one is None:
        return other
    return max(one, other) if side is Side.SELL else min(one, other)


def changed(order: LeaderOrder, terms: Terms) -> bool:
    """Whether a leader's order asks for something else than it did. That its venue has drawn a trailing stop nearer is
    the market's doing; that it stands farther off, or has another distance, is the leader's."""
    was = order.terms
    if terms.trail is None or was.trail is None or terms.stop_price is None:
        order.trigger = order.best = terms.stop_price
        return terms != was
    same = replace(terms, stop_price=was.stop_price) == was
    if same and terms.stop_price == was.stop_price:
        return False
    if same and was.stop_price is not None and nearer(terms.side, was.stop_price, terms.stop_price) == terms.stop_price:
        order.trigger = order.best = nearer(terms.side, order.best, terms.stop_price)
        return False
    if terms.trail != was.trail or terms.stop_price != was.stop_price:
        order.trigger = order.best = terms.stop_price
        order.loosened = True
    return True


def anew(has: Terms, goal: Terms | None) -> bool:
    """Whether a copy that its venue trails must be taken out and placed anew to become `goal`: of such an order nothing
    but the lots can be changed (TrailingStopNonOrderQtyModify, `protocols/tradovate.md 1.3`)."""
    return goal is not None and has.trail is not None and replace(goal, qty=has.qty, stop_price=has.stop_price) != has


def kept(order: LeaderOrder, has: Terms, goal: Terms) -> Terms:
    """`goal`, without what would take from a trailing copy what it has gained: a venue that trails says itself where
    the stop stands, and a stop of the desk's never goes back unless the leader's did."""
    if goal.trail is not None and goal.trail == has.trail:
        return replace(goal, stop_price=has.stop_price)
    if order.terms.trail is None or order.loosened or goal.order_type is not has.order_type:
        return goal
    if goal.order_type is OrderType.STOP and goal.stop_price is not None and has.stop_price is not None:
        return replace(goal, stop_price=nearer(goal.side, has.stop_price, goal.stop_price))
    if goal.order_type is OrderType.LIMIT and goal.limit_price is not None and has.limit_price is not None:
        # An inverted copy waits on the other side: what is nearer for a sell stop is nearer for its buy limit.
        nearest = nearer(Side.of(-goal.side.sign), has.limit_price, goal.limit_price)
        return replace(goal, limit_price=nearest)
    return goal
