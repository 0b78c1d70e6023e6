"""Orders on their way: from the plan until nothing more can come of them. Owned by the core, synchronous.

An order that waits for its price leaves the way once the venue has it: it is then at rest, and found by its tag.
"""

from msgspec.structs import replace

from schema.records import Copy, Decision, Fill, OrderType, Signal

_ENDED_KEPT = 5_000
_GONE = (Decision.REJECTED, Decision.EXPIRED, Decision.SKIPPED)


class Question:
    """One order's question by its tag (`engine/finding.py`). `since_ns` is when it became unknown; `left_ns` 0 while no
    question is on its way, `reads_ns` from when a whole reading is asked for beside it, 0 when none is."""

    __slots__ = ("count", "due_ns", "left_ns", "reads_ns", "said", "since_ns")

    def __init__(self, since_ns: int, due_ns: int) -> None:
        self.since_ns = since_ns
        self.due_ns = due_ns
        self.left_ns = 0
        self.count = 0  # questions that came back
        self.reads_ns = 0
        self.said = ""  # the last answer


class InFlight:
    """One copy's order. `copy` is the newest row of the ledger for it."""

    __slots__ = (
        "adopted",
        "asked",
        "copy",
        "deadline_ns",
        "done_filled",
        "ended_short",
        "question",
        "sent",
        "signal",
        "unknown_since_ns",
    )

    def __init__(self, signal: Signal, copy: Copy, deadline_ns: int) -> None:
        self.signal = signal
        self.copy = copy
        self.deadline_ns = deadline_ns
        self.sent = False
        self.unknown_since_ns = 0  # 0: certain
        self.adopted = 0  # lots that only the position shows, in readings that did not list the order
        self.asked = 0  # venue readings since it became unknown that did not show it
        self.question: Question | None = None  # how it is asked for by its tag, while it is unknown
        self.ended_short = False
        self.done_filled = -1  # lots the venue says it filled in all, once the order can trade no more

    @classmethod
    def ended(cls, signal: Signal, copy: Copy) -> "InFlight":
        """An order that came to an end as the journal has it; fills of it may still come."""
        order = cls(signal, copy, 0)
        order.sent, order.done_filled = True, copy.filled_qty
        return order

    @property
    def net_left(self) -> int:
        """Signed lots that will still be filled (or may be, when the outcome is unknown). Nobody can say that of an
        order that waits for its price, so of it only fills that are proven and have not arrived count."""
        if self.rests and self.done_filled < 0:
            return 0
        return self._left * self.copy.side.sign

    @property
    def _left(self) -> int:
        whole = self.copy.qty if self.done_filled < 0 else self.done_filled
        return max(0, whole - self.copy.filled_qty - self.adopted)

    @property
    def rests(self) -> bool:
        """The order waits at the venue for its price."""
        return self.copy.order_type is not OrderType.MARKET

    @property
    def over(self) -> bool:
        """It can trade no more, as far as anyone knows: fills of it may still be on their way here."""
        copy = self.copy
        return self.done_filled >= 0 or copy.filled_qty >= copy.qty or copy.decision in _GONE

    @property
    def settled(self) -> bool:
        """Nothing more can come: every lot is filled, or the order is done and its fills have arrived."""
        return self._left == 0 and not self.unknown_since_ns

    def fill(self, fill: Fill, at_ns: int) -> int:
        """Add one fill to the copy: quantity, average price, time. Returns the signed lots of it that the position
        had not shown before."""
        copy = self.copy
        known = min(self.adopted, fill.qty)
        self.adopted -= known
        filled = copy.filled_qty + fill.qty
        paid = (copy.avg_price or 0) * copy.filled_qty + fill.price * fill.qty
        self.copy = replace(copy, filled_qty=filled, avg_price=paid / filled, filled_ns=at_ns)
        return (fill.qty - known) * fill.side.sign

    def decide(self, decision: Decision, reason: str | None = None) -> None:
        """Set the pair's decision; `reason` None keeps the one it has."""
        self.copy = replace(self.copy, decision=decision, reason=self.copy.reason if reason is None else reason)


class InFlightBook:
    """Every order on its way, by client order id and by (account, symbol), and the newest that came to an end."""

    def __init__(self) -> None:
        self._by_tag: dict[str, InFlight] = {}
        self._ended: dict[str, InFlight] = {}
        self._resting: dict[str, InFlight] = {}
        self._by_place: dict[tuple[str, str], dict[str, InFlight]] = {}

    def add(self, order: InFlight) -> None:
        self._by_tag[order.copy.cl_ord_id] = order
        self._by_place.setdefault((order.copy.follower, order.copy.symbol), {})[order.copy.cl_ord_id] = order

    def get(self, cl_ord_id: str) -> InFlight | None:
        """The order with this tag, still on its way or ended lately: a venue may speak of it again."""
        return self._by_tag.get(cl_ord_id) or self._resting.get(cl_ord_id) or self._ended.get(cl_ord_id)

    def rest(self, order: InFlight) -> None:
        """The venue has it, and it waits for its price: it is on its way no more, and may trade at any time."""
        tag = order.copy.cl_ord_id
        self._by_tag.pop(tag, None)
        self._by_place.get((order.copy.follower, order.copy.symbol), {}).pop(tag, None)
        self._resting[tag] = order

    def doubt(self, order: InFlight) -> None:
        """An order at rest whose state is asked for: on its way again until that is known."""
        if self._resting.pop(order.copy.cl_ord_id, None):
            self.add(order)

    def resting(self) -> list[InFlight]:
        """Orders that wait at their venues."""
        return list(self._resting.values())

    def asking(self, account: str, symbol: str) -> bool:
        """Whether the outcome of an order that may rest there is being asked for."""
        return any(o.rests and o.unknown_since_ns for o in self._by_place.get((account, symbol), {}).values())

    def end(self, order: InFlight) -> None:
        """Nothing more is expected of it."""
        resting = self._resting.pop(order.copy.cl_ord_id, None)
        if self._by_tag.pop(order.copy.cl_ord_id, None) or resting:
            self._ended[order.copy.cl_ord_id] = order
            if len(self._ended) > _ENDED_KEPT:
                del self._ended[next(iter(self._ended))]
        self._by_place.get((order.copy.follower, order.copy.symbol), {}).pop(order.copy.cl_ord_id, None)

    def drop(self, order: InFlight) -> None:
        """It was never to be: what is known of an earlier order with its tag is what counts."""
        tag = order.copy.cl_ord_id
        self._by_tag.pop(tag, None)
        self._by_place.get((order.copy.follower, order.copy.symbol), {}).pop(tag, None)

    def remember(self, order: InFlight) -> None:
        """An order that came to an end before the desk started: the venue may speak of it again."""
        self._ended[order.copy.cl_ord_id] = order

    def at(self, account: str, symbol: str) -> list[InFlight]:
        return list(self._by_place.get((account, symbol), {}).values())

    def all(self) -> list[InFlight]:
        return list(self._by_tag.values())

    def on_the_way(self, account: str, symbol: str) -> tuple[int, int, int]:
        """(signed lots certain to come, lots of unknown buys, lots of unknown sells)."""
        orders = self._by_place.get((account, symbol))
        if not orders:
            return 0, 0, 0
        certain = buys = sells = 0
        for order in orders.values():
            left = order.net_left
            if not order.unknown_since_ns:
                certain += left
            elif left > 0:
                buys += left
            else:
                sells -= left
        return certain, buys, sells
