"""What the core knows of the orders that the trader gives from the desk. Data and small questions about it;
`engine/manual.py` decides."""

from msgspec.structs import replace

from schema.records import Fill, ManualOrder, ManualState, OrderType, VenueOrder

MANUAL_TAG = "cm"
"""What the client order id of a manual order begins with; ``cd`` is a copy's, ``cf`` a flatten's."""
CHANGE_TAG = "cx"
"""What names the request that changes or cancels a working order for the trader."""

ENDS = (ManualState.DONE, ManualState.REJECTED, ManualState.NOT_SENT)
_ENDED_KEPT = 2_000
_CHANGES_KEPT = 500


class Flight:
    """One manual order. `order` is the newest row of the journal for it; the rest is how it is asked for while its
    outcome is unknown."""

    __slots__ = (
        "absent",
        "adopted",
        "cancel_ns",
        "deadline_ns",
        "done_filled",
        "due_ns",
        "journaled",
        "left_ns",
        "order",
        "questions",
        "seen_seq",
        "shown",
        "unknown_since_ns",
    )

    def __init__(self, order: ManualOrder, deadline_ns: int) -> None:
        self.order = order
        self.deadline_ns = deadline_ns
        self.journaled = False
        self.unknown_since_ns = 0  # 0: certain
        self.seen_seq = 0  # number of the input that last showed it at the venue
        self.shown = 0  # lots filled, as its venue last showed the order
        self.done_filled = -1  # lots filled in all, once the venue has shown that it can trade no more
        self.adopted = 0  # lots that only the position has shown so far
        self.cancel_ns = 0  # when a guard last had it canceled
        self.absent = 0  # answers since it became unknown, or is listed no more, that left it out
        self.questions = 0  # questions by its tag that came back
        self.left_ns = 0  # when a question left that has not come back
        self.due_ns = 0

    @property
    def ended(self) -> bool:
        return self.order.state in ENDS

    @property
    def rests(self) -> bool:
        """Whether it waits at the venue for its price."""
        return self.order.order_type is not OrderType.MARKET

    @property
    def left(self) -> int:
        """Signed lots that may still come, and that no fill and no position has shown yet."""
        whole = self.order.qty if self.done_filled < 0 else self.done_filled
        return max(0, whole - self.order.filled_qty - self.adopted) * self.order.side.sign

    def fill(self, fill: Fill) -> None:
        """Add one fill to the row."""
        order = self.order
        filled = order.filled_qty + fill.qty
        paid = (order.avg_price or 0) * order.filled_qty + fill.price * fill.qty
        self.order = replace(order, filled_qty=filled, avg_price=paid / filled)


class Change:
    """One request about a working order; `said` is what came of it, empty while nobody knows."""

    __slots__ = ("asked_ns", "cancel", "change_id", "refused", "said")

    def __init__(self, change_id: str, asked_ns: int, *, cancel: bool) -> None:
        self.change_id = change_id
        self.asked_ns = asked_ns
        self.cancel = cancel
        self.said = ""
        self.refused = False


class ManualBook:
    """Every manual order that may still trade, and the newest that can't, by tag and by the venue's own id."""

    def __init__(self) -> None:
        self.flights: dict[str, Flight] = {}
        self.changes: dict[str, Change] = {}  # by the tag of the request
        self._open: dict[str, Flight] = {}
        self._by_id: dict[tuple[str, str], Flight] = {}

    def add(self, flight: Flight) -> None:
        """Know of an order from now on."""
        self.flights[flight.order.cl_ord_id] = flight
        if not flight.ended:
            self._open[flight.order.cl_ord_id] = flight
        if flight.order.order_id:
            self._by_id[flight.order.account, flight.order.order_id] = flight
        if len(self.flights) - len(self._open) > _ENDED_KEPT:
            oldest = next(tag for tag in self.flights if tag not in self._open)
            gone = self.flights.pop(oldest)
            self._by_id.pop((gone.order.account, gone.order.order_id), None)

    def settle(self, flight: Flight) -> None:
        """Its row changed: keep what is open apart from what has ended."""
        tag = flight.order.cl_ord_id
        if flight.ended:
            self._open.pop(tag, None)
        else:
            self._open[tag] = flight
        if flight.order.order_id:
            self._by_id[flight.order.account, flight.order.order_id] = flight

    def changed(self, tag: str, change: Change) -> None:
        """Know of a request from now on."""
        self.changes[tag] = change
        if len(self.changes) > _CHANGES_KEPT:
            del self.changes[next(iter(self.changes))]

    def of(self, told: Fill | VenueOrder) -> Flight | None:
        """The manual order that a fill or an order of a venue is, if it is one: by its tag, else by its id."""
        if told.cl_ord_id:
            return self.flights.get(told.cl_ord_id)
        return self._by_id.get((told.account, told.order_id))

    def mine(self, told: Fill | VenueOrder) -> bool:
        """Whether it is the trader's own from the desk, also when it is too old to be known."""
        return told.cl_ord_id.startswith(MANUAL_TAG) or self.of(told) is not None

    def shown_before(self, fill: Fill) -> int:
        """The signed lots of a fill that is new which the position has shown already; asked once for each fill."""
        flight = self.of(fill)
        if flight is None:
            return 0
        known = min(flight.adopted, fill.qty)
        flight.adopted -= known
        return known * fill.side.sign

    @property
    def open(self) -> list[Flight]:
        """Those that may still trade."""
        return list(self._open.values())

    def at(self, account: str, symbol: str) -> list[Flight]:
        """Those of one account and contract that may still trade."""
        return [f for f in self._open.values() if f.order.account == account and f.order.symbol == symbol]

    def coming(self, account: str, symbol: str, besides: str = "") -> int:
        """Signed lots that market orders on their way will bring, or may; `besides` is the tag of one that is left
        out."""
        orders = (flight for flight in self.at(account, symbol) if flight.order.cl_ord_id != besides)
        return sum(flight.left for flight in orders if not flight.rests)

    def resting(self, account: str, symbol: str, lots: int, besides: str = "") -> int:
        """Signed lots that orders at rest may bring, of those that go the way of `lots`; `besides` as for `coming`."""
        orders = (flight for flight in self.at(account, symbol) if flight.order.cl_ord_id != besides)
        return sum(flight.left for flight in orders if flight.rests and flight.left * lots > 0)

    def asking(self, account: str, symbol: str) -> bool:
        """Whether the outcome of one is being asked for."""
        return any(flight.unknown_since_ns for flight in self.at(account, symbol))

    def pending(self, account: str) -> bool:
        """Whether one that left may still bring this account something by itself."""
        return any(
            flight.order.account == account and flight.order.sent_ns and (flight.unknown_since_ns or not flight.rests)
            for flight in self._open.values()
        )
