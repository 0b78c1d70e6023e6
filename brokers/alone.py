"""Orders that carry others (`ApprovedOrder.legs`), at venues that link none: adapters without `links_orders` ask here
first in `place`. The desk sends such an adapter none; a mistake of ours must not become an entry without its stop."""

from collections.abc import Sequence

from brokers.adapter import Emit, OrderNotSent
from schema.clock import Clock
from schema.records import ApprovedOrder


def alone(orders: Sequence[ApprovedOrder], connection: str, clock: Clock, emit: Emit) -> list[ApprovedOrder]:
    """The orders that carry no others. Of those that do, every leg is told as not sent."""
    for leg in (leg for order in orders if len(order.legs) > 1 for leg in order.legs):
        emit(
            OrderNotSent(
                connection=connection,
                received_ns=clock.now_ns(),
                account=leg.account,
                cl_ord_id=leg.cl_ord_id,
                reason="this venue places no orders that are linked: send them one by one",
            )
        )
    return [order for order in orders if len(order.legs) == 1]
