"""The promise kept for every order this process sends: after OrderSent exactly one of accepted, rejected or unknown
by the deadline, whichever proof comes first (`brokers/adapter.py`, place). Every adapter that
sends by itself keeps one.
"""

import asyncio
import heapq
from collections.abc import Callable, Container, Iterable

from brokers.adapter import Emit, OrderAccepted, OrderNotSent, OrderRejected, OrderUnknown
from schema.clock import Clock
from schema.records import ApprovedOrder, RejectClass, Side

REASON_WAIT_S = 0.1  # a reject's reason may come just after the reject itself


def never_twice(cl_ord_ids: Iterable[str], known: Container[str]) -> None:
    """Raises ValueError, before a byte leaves, when a client id was used before or stands there twice."""
    seen: set[str] = set()
    for cl_ord_id in cl_ord_ids:
        if cl_ord_id in known or cl_ord_id in seen:
            raise ValueError(f"order {cl_ord_id} was already sent; nothing is sent twice")
        seen.add(cl_ord_id)


def not_sent(order: ApprovedOrder, connection: str, now_ns: int, reason: str) -> list[OrderNotSent]:
    """What is told of an order that does not leave, and of every one that it carries."""
    return [
        OrderNotSent(
            connection=connection, received_ns=now_ns, account=leg.account, cl_ord_id=leg.cl_ord_id, reason=reason
        )
        for leg in order.legs
    ]


class OwnOrder:
    """One order of this process on its way. `order_id` is 0 until the venue told it."""

    __slots__ = ("accepted", "account", "account_id", "cl_ord_id", "order_id", "rejected", "side", "symbol", "unknown")

    def __init__(self, cl_ord_id: str, account: str, account_id: int, symbol: str, side: Side | None) -> None:
        self.cl_ord_id = cl_ord_id
        self.account = account
        self.account_id = account_id
        self.symbol = symbol
        self.side = side
        self.order_id = 0
        self.accepted = False
        self.rejected = False
        self.unknown = False

    @property
    def open(self) -> bool:
        """No outcome yet."""
        return not (self.accepted or self.rejected or self.unknown)


class OwnOrders:
    """Every order this process sent, by client id. `on_identified(account_id)` is called when an order's venue id, or
    that there will be none, became known: events of that account that waited for it may go on."""

    def __init__(
        self, connection: str, clock: Clock, deadline_s: float, emit: Emit, on_identified: Callable[[int], None]
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._deadline_s = deadline_s
        self._emit = emit
        self._on_identified = on_identified
        self._orders: dict[str, OwnOrder] = {}
        self._tags: dict[int, str] = {}  # order id -> cl_ord_id
        self._past: set[str] = set()  # client ids of orders that ended long ago
        self._nameless: dict[int, set[OwnOrder]] = {}  # account id -> sent, venue's id not known
        self._due: list[tuple[float, int, OwnOrder, RejectClass | None, str]] = []
        self._sequence = 0
        self._timer: asyncio.TimerHandle | None = None

    def __contains__(self, cl_ord_id: str) -> bool:
        return cl_ord_id in self._orders or cl_ord_id in self._past

    def forget(self, order_id: int) -> None:
        """The order ended long ago: keep no more of it than its client id, which is never sent again."""
        if tag := self._tags.pop(order_id, ""):
            self._orders.pop(tag, None)
            self._past.add(tag)

    def use_up(self, cl_ord_id: str) -> None:
        """A client id that left with something that is not an order of its own: it is never sent again."""
        self._past.add(cl_ord_id)

    def tag_of(self, order_id: int) -> str:
        """The client id of an order of this process by the venue's id; empty when it is not ours."""
        return self._tags.get(order_id, "")

    def may_be_ours(self, account_id: int, symbol: str, side: Side) -> bool:
        """Whether an order that names no client id could be one that was sent and has no venue id yet."""
        return any(own.symbol == symbol and own.side in (None, side) for own in self._nameless.get(account_id, ()))

    def sent(
        self, cl_ord_id: str, account: str, account_id: int, symbol: str, side: Side | None, *, promise: bool = True
    ) -> OwnOrder:
        """Register before the bytes leave: the venue's event may overtake its answer. Without `promise` (a
        liquidation, whose answer its caller awaits) no outcome is emitted."""
        own = OwnOrder(cl_ord_id, account, account_id, symbol, side)
        self._orders[cl_ord_id] = own
        self._nameless.setdefault(account_id, set()).add(own)
        own.unknown = not promise
        self._schedule(own, self._deadline_s, None, "no answer from the venue by the deadline")
        return own

    def never_left(self, own: OwnOrder) -> None:
        """The bytes were proven not to have left after all."""
        del self._orders[own.cl_ord_id]
        own.unknown = True  # its deadline finds nothing to say
        self._named(own)

    def accepted(self, cl_ord_id: str, order_id: int) -> None:
        own = self._orders.get(cl_ord_id)
        if own is None:
            return
        if own.order_id == 0:
            own.order_id = order_id
            self._tags[order_id] = cl_ord_id
        if not own.accepted and not own.rejected:
            own.accepted = True
            self._tell(own, order_id)
        self._named(own)

    def _tell(self, own: OwnOrder, order_id: int) -> None:
        self._emit(
            OrderAccepted(
                connection=self._connection,
                received_ns=self._clock.now_ns(),
                account=own.account,
                cl_ord_id=own.cl_ord_id,
                order_id=str(order_id),
            )
        )

    def rejected(self, cl_ord_id: str, order_id: int, reject: RejectClass, text: str) -> None:
        """Proven: it will not trade, or not any further."""
        own = self._orders.get(cl_ord_id)
        if own is None:
            return
        if order_id and own.order_id == 0:
            own.order_id = order_id
            self._tags[order_id] = cl_ord_id
        if not own.rejected:
            own.rejected = True
            self._emit(
                OrderRejected(
                    connection=self._connection,
                    received_ns=self._clock.now_ns(),
                    account=own.account,
                    cl_ord_id=cl_ord_id,
                    order_id=str(order_id) if order_id else "",
                    reject_class=reject,
                    text=text,
                )
            )
        self._named(own)

    def rejected_without_reason(self, cl_ord_id: str, order_id: int) -> None:
        """The order shows as rejected but nothing said why yet: tell it, with or without a reason, very soon."""
        own = self._orders.get(cl_ord_id)
        if own is None or own.rejected:
            return
        if own.order_id == 0:
            own.order_id = order_id
            self._tags[order_id] = cl_ord_id
        self._schedule(own, REASON_WAIT_S, RejectClass.OTHER, "rejected; the venue gave no reason")
        self._named(own)

    def unknown(self, own: OwnOrder, reason: str) -> None:
        if own.open:
            own.unknown = True
            self._emit(
                OrderUnknown(
                    connection=self._connection,
                    received_ns=self._clock.now_ns(),
                    account=own.account,
                    cl_ord_id=own.cl_ord_id,
                    reason=reason,
                )
            )
        self._named(own)

    def _named(self, own: OwnOrder) -> None:
        nameless = self._nameless.get(own.account_id)
        if nameless and own in nameless:
            nameless.remove(own)
            self._on_identified(own.account_id)

    # --- deadlines: one timer for all orders ---------------------------------------------------------------------

    def _schedule(self, own: OwnOrder, after_s: float, reject: RejectClass | None, text: str) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + after_s
        self._sequence += 1
        heapq.heappush(self._due, (due, self._sequence, own, reject, text))
        if self._due[0][1] == self._sequence:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = loop.call_at(due, self._expire)

    def _expire(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        while self._due and self._due[0][0] <= loop.time() + 0.0005:
            _, _, own, reject, text = heapq.heappop(self._due)
            if reject is None:
                self.unknown(own, text)
            else:
                self.rejected(own.cl_ord_id, own.order_id, reject, text)
        if self._due:
            self._timer = loop.call_at(self._due[0][0], self._expire)

    def close(self) -> None:
        """No event is emitted after this."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._due.clear()
