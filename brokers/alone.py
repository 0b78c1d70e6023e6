"""Orders that carry others (`ApprovedOrder.legs`), at venues that link none: adapters without `links_orders` ask here
first in `place`. The desk sends such an adapter none; a mistake of ours must not become an entry without its stop."""

from collections.abc import Sequence

from brokers.adapter import Emit
from brokers.own import not_sent
from schema.clock import Clock
from schema.records import ApprovedOrder


def alone(orders: Sequence[ApprovedOrder], connection: str, clock: Clock, emit: Emit) -> list[ApprovedOrder]:
    """The orders that carry no others. Of those that do, every leg is told as not sent."""
    reason = "this venue places no orders that are linked: send them one by one"
    for order in orders:
        if len(order.legs) > 1:
            for event in not_sent(order, connection, clock.now_ns(), reason):
                emit(event)
    return [order for order in orders if len(order.legs) == 1]
