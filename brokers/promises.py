"""The promise kept for every order this process sends: after OrderSent exactly one of accepted, rejected or unknown by
the deadline, whichever proof comes first (`brokers/adapter.py`, place). A reject may follow an acceptance.
"""

from brokers.adapter import Emit, OrderAccepted, OrderRejected, OrderUnknown
from schema.clock import Clock
from schema.records import RejectClass

KEPT = 20_000
"""Orders whose outcome is remembered: a reject may come after the acceptance."""


class _Promise:
    __slots__ = ("account", "due_ns", "told")

    def __init__(self, account: str, due_ns: int) -> None:
        self.account = account
        self.due_ns = due_ns
        self.told = ""  # "", accepted, rejected, unknown


class Promises:
    """Every order of this process, by client id. `tick` looks at the deadlines."""

    def __init__(self, connection: str, clock: Clock, deadline_s: float, emit: Emit) -> None:
        self._connection = connection
        self._clock = clock
        self._deadline_ns = int(deadline_s * 1e9)
        self._emit = emit
        self._all: dict[str, _Promise] = {}
        self._open: dict[str, _Promise] = {}

    def __contains__(self, cl_ord_id: str) -> bool:
        return cl_ord_id in self._all

    def made(self, account: str, cl_ord_id: str) -> None:
        """The order's bytes are about to leave."""
        promise = _Promise(account, self._clock.now_ns() + self._deadline_ns)
        self._all[cl_ord_id] = self._open[cl_ord_id] = promise
        if len(self._all) > KEPT:
            del self._all[next(iter(self._all))]

    def never_left(self, cl_ord_id: str) -> None:
        """Its bytes were proven not to have left."""
        self._all.pop(cl_ord_id, None)
        self._open.pop(cl_ord_id, None)

    def accepted(self, cl_ord_id: str, order_id: str) -> None:
        promise = self._all.get(cl_ord_id)
        if promise is None or promise.told in ("accepted", "rejected"):
            return
        promise.told = "accepted"
        self._open.pop(cl_ord_id, None)
        self._emit(
            OrderAccepted(
                connection=self._connection,
                received_ns=self._clock.now_ns(),
                account=promise.account,
                cl_ord_id=cl_ord_id,
                order_id=order_id,
            )
        )

    def rejected(self, cl_ord_id: str, order_id: str, reject_class: RejectClass, text: str) -> None:
        promise = self._all.get(cl_ord_id)
        if promise is None or promise.told == "rejected":
            return
        promise.told = "rejected"
        self._open.pop(cl_ord_id, None)
        self._emit(
            OrderRejected(
                connection=self._connection,
                received_ns=self._clock.now_ns(),
                account=promise.account,
                cl_ord_id=cl_ord_id,
                order_id=order_id,
                reject_class=reject_class,
                text=text,
            )
        )

    def unknown(self, cl_ord_id: str, reason: str) -> None:
        promise = self._open.pop(cl_ord_id, None)
        if promise is None:
            return
        promise.told = "unknown"
        self._emit(
            OrderUnknown(
                connection=self._connection,
                received_ns=self._clock.now_ns(),
                account=promise.account,
                cl_ord_id=cl_ord_id,
                reason=reason,
            )
        )

    def lost(self) -> None:
        """The connection is gone: what was sent and not answered may have been taken."""
        for cl_ord_id in list(self._open):
            self.unknown(cl_ord_id, "connection lost after the send")

    def tick(self) -> None:
        now_ns = self._clock.now_ns()
        for cl_ord_id, promise in list(self._open.items()):
            if now_ns < promise.due_ns:
                break  # they are due in the order they were made
            self.unknown(cl_ord_id, "no answer from the venue by the deadline")
