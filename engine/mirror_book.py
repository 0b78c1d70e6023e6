"""What the core knows of mirrored orders: the leaders' working orders, and the followers' copies of them.

Data and small questions about it; `engine/mirror.py` decides, `engine/mirror_answers.py` books what venues say.
"""

from collections.abc import Iterator
from decimal import Decimal

from msgspec.structs import replace

from engine.inflight import InFlight
from engine.mirror_terms import Rung, Terms
from schema.records import (
    ApprovedOrder,
    Copy,
    LiveOrder,
    LiveStatus,
    OrderType,
    Signal,
    SignalKind,
    TimeInForce,
    Unfilled,
    VenueOrder,
)


class LeaderOrder:
    """An order of a leader that rests, or rested while a copy of it still does. `signals` holds each group's newest
    signal about it. While `held` it waits behind its entry, `parent_id`; while `alone_since_ns` is set it waits, for a
    moment, for the order that its venue links with it, `oco_id`: copies of the two are placed together. `trigger` is
    where a trailing stop stands now (`mirror_trail.py`); `loosened` when the leader itself has put it farther off."""

    __slots__ = (
        "account", "alone_since_ns", "best", "counted", "held", "loosened", "oco_id", "order_id", "parent_id",
        "seen_seq", "shown", "signals", "symbol", "terms", "time_in_force", "trailed_ns", "trigger", "venue_ns",
        "working",
    )  # fmt: skip

    def __init__(self, account: str, order_id: str, symbol: str, terms: Terms) -> None:
        self.account = account
        self.order_id = order_id
        self.symbol = symbol
        self.terms = terms
        self.working = True
        self.shown = 0  # lots filled, as its venue last showed the order
        self.counted = 0  # and as its fills that came add up to
        self.venue_ns = 0
        self.seen_seq = 0  # number of the core's input that last showed it
        self.signals: dict[str, str] = {}
        self.held = False
        self.alone_since_ns = 0
        self.oco_id = ""
        self.parent_id = ""
        self.time_in_force = TimeInForce.DAY
        self.trigger = terms.stop_price
        self.best = terms.stop_price  # where a trailing stop would stand if its copies followed every price
        self.trailed_ns = 0
        self.loosened = False

    @property
    def asks(self) -> Terms:
        """Its terms, with a trailing stop where it stands now."""
        return self.terms if self.terms.trail is None else replace(self.terms, stop_price=self.trigger)

    @property
    def rests(self) -> bool:
        """It waits in its market, and its followers were told."""
        return self.working and not self.held and not self.alone_since_ns

    @property
    def filled(self) -> int:
        return max(self.shown, self.counted)

    @property
    def rung(self) -> Rung:
        return Rung(order_id=self.order_id, terms=self.asks, left=max(0, self.terms.qty - self.filled))


class Change:
    """New terms (None: a cancel) wanted of an order at rest. `pair` is the (signal, copy) whose decision hangs on it,
    and None when the desk itself wants it; a pair must be journaled before the request leaves."""

    __slots__ = ("acked_ns", "journaled", "pair", "seq", "terms", "unknown")

    def __init__(self, terms: Terms | None, pair: tuple[Signal, Copy] | None = None) -> None:
        self.terms = terms
        self.pair = pair
        self.journaled = pair is None
        self.seq = 0  # number of the core's input at which it left
        self.acked_ns = 0
        self.unknown = False


class Mirror:
    """A follower's copy of one order of its leader. `terms` is what its venue has; `flying` is the one request about
    it that waits for an answer, `next` what is wanted after that: the newest wish replaces older ones. `oco` and
    `parent` name orders that its venue links with it: by their tags, as they were placed, or by the venue's ids, as it
    shows them."""

    __slots__ = (
        "anew", "ended_ns", "flying", "next", "oco", "order", "parent", "refused", "retries", "retry_ns", "seen_seq",
        "terms", "unseen", "waits_since_ns",
    )  # fmt: skip

    def __init__(self, order: InFlight, terms: Terms) -> None:
        self.order = order
        self.terms = terms
        self.flying: Change | None = None
        self.next: Change | None = None
        self.refused: Terms | None = None  # terms its venue will not have
        self.retries = 0
        self.retry_ns = 0
        self.seen_seq = 0  # number of the core's input that last showed it
        self.unseen = False  # known from the journal alone
        self.waits_since_ns = 0  # since when its leader's order has filled and it has not
        self.anew = False  # it is taken out to be placed anew with other terms
        self.oco = ""
        self.parent = ""
        self.ended_ns = 0  # when its venue showed that it had ended

    @property
    def tag(self) -> str:
        return self.order.copy.cl_ord_id

    @property
    def leader_order_id(self) -> str:
        return self.order.copy.leader_order_id

    @property
    def live(self) -> bool:
        """It may still trade."""
        return not self.order.over

    @property
    def closes_only(self) -> bool:
        """The desk placed it for a position that was there, by no signal of the leader: it may not open anything."""
        return self.order.signal.kind is SignalKind.CORRECTION

    @property
    def linked(self) -> bool:
        """Its venue may end it by itself, with an order that it links with it."""
        return bool(self.oco or self.parent)

    @property
    def moved_ns(self) -> int:
        """When it last traded or ended."""
        return max(self.ended_ns, self.order.copy.filled_ns)

    @property
    def left(self) -> int:
        """Lots that may still be filled."""
        return max(0, self.terms.qty - self.order.copy.filled_qty) if self.live else 0

    @property
    def known(self) -> bool:
        """Its venue has it and said so: it can be changed."""
        return self.live and bool(self.order.copy.order_id) and not self.order.unknown_since_ns and not self.unseen


class Link:
    """Orders of one follower that leave in one request, once the journal holds the pairs of all of them: an entry with
    its `brackets`, or two exits that cancel each other. `tags[0]` carries the others."""

    __slots__ = ("brackets", "ready", "tags")

    def __init__(self, tags: tuple[str, ...], *, brackets: bool) -> None:
        self.tags = tags
        self.brackets = brackets
        self.ready: dict[str, ApprovedOrder] = {}


class Place:
    """One follower's mirrored orders of one of its leader's contracts, by tag, and by the leader's order (`by_order`,
    oldest first). Only the book adds and drops."""

    __slots__ = ("alarmed", "by_order", "mirrors", "outside", "overdue", "retries", "retry_ns", "unfilled", "waited")

    def __init__(self) -> None:
        self.mirrors: dict[str, Mirror] = {}
        self.by_order: dict[str, list[Mirror]] = {}
        self.outside = False  # it stands where neither its target nor its orders explain
        self.overdue = False  # an order of it has waited long enough, and is being taken out
        self.waited = False  # what it lacks now is what such an order did not bring
        self.unfilled = Unfilled.MARKET  # and what becomes of that
        self.alarmed = ""  # the leader's protective order that its venue refuses a copy of
        self.retries = 0
        self.retry_ns = 0

    def named(self, name: str) -> Mirror | None:
        """A mirror by its tag or by its venue's id."""
        found = self.mirrors.get(name)
        return found or next((m for m in self.mirrors.values() if name and m.order.copy.order_id == name), None)

    def of(self, leader_order_id: str) -> list[Mirror]:
        return self.by_order.get(leader_order_id, [])

    @property
    def live(self) -> bool:
        return any(mirror.live for mirror in self.mirrors.values())

    @property
    def takes_part(self) -> bool:
        """An order of it waits for its price or has traded: its follower does not miss what the leader begins."""
        return any(mirror.live or mirror.order.copy.filled_qty for mirror in self.mirrors.values())


class MirrorBook:
    """Everything mirrored. Owned by the core."""

    def __init__(self) -> None:
        self.orders: dict[tuple[str, str], dict[str, LeaderOrder]] = {}  # (leader, symbol)
        self.places: dict[tuple[str, str], Place] = {}  # (follower, leader's symbol)
        self.by_follower: dict[str, dict[str, Place]] = {}  # the same places, by the follower and then the symbol
        self.by_tag: dict[str, tuple[Place, Mirror]] = {}
        self.by_signal: dict[str, list[tuple[Mirror, Change]]] = {}  # signals that wait for their commit
        self.stale: set[str] = set()  # followers whose orders the next tick looks at
        self.last_tick_ns = 0
        self.read: set[str] = set()  # leaders of whom it is known what they have working
        self.links: dict[str, Link] = {}  # by tag, orders that leave together and have not left

    def leaders(self, leader: str, symbol: str) -> dict[str, LeaderOrder]:
        return self.orders.get((leader, symbol), {})

    def place(self, follower: str, leader_symbol: str) -> Place:
        place = self.places.get((follower, leader_symbol))
        if place is None:
            place = self.places[follower, leader_symbol] = Place()
            self.by_follower.setdefault(follower, {})[leader_symbol] = place
        return place

    def add(self, mirror: Mirror) -> None:
        copy = mirror.order.copy
        place = self.place(copy.follower, copy.leader_symbol)
        if copy.cl_ord_id in place.mirrors:
            self.drop(place, place.mirrors[copy.cl_ord_id])
        place.mirrors[copy.cl_ord_id] = mirror
        place.by_order.setdefault(copy.leader_order_id, []).append(mirror)
        self.by_tag[copy.cl_ord_id] = (place, mirror)

    def drop(self, place: Place, mirror: Mirror) -> None:
        if place.mirrors.pop(mirror.tag, None):
            of_order = place.by_order[mirror.leader_order_id]
            of_order.remove(mirror)
            if not of_order:
                del place.by_order[mirror.leader_order_id]
        self.by_tag.pop(mirror.tag, None)

    def get(self, tag: str) -> Mirror | None:
        found = self.by_tag.get(tag)
        return found[1] if found else None

    def all(self) -> Iterator[Mirror]:
        for place in self.places.values():
            yield from place.mirrors.values()


def terms_of(order: VenueOrder | Copy | Signal) -> Terms:
    """What an order asks for, from any record that says so. Only the prices of its kind count."""
    limited = order.order_type in (OrderType.LIMIT, OrderType.STOP_LIMIT)
    trails = order.order_type is OrderType.TRAILING_STOP
    stopped = trails or order.order_type in (OrderType.STOP, OrderType.STOP_LIMIT)
    return Terms(
        side=order.side,
        qty=order.qty,
        order_type=order.order_type,
        limit_price=order.limit_price if limited else None,
        stop_price=order.stop_price if stopped else None,
        trail=order.trail if trails else None,
    )


def is_working(order: VenueOrder) -> bool:
    """Whether it rests in its market: not while it is suspended behind an entry, nor before its venue took it."""
    return isinstance(order, LiveOrder) and order.status is LiveStatus.WORKING


def is_held(order: VenueOrder) -> bool:
    """Whether its venue holds it back until its entry has filled."""
    return isinstance(order, LiveOrder) and order.status is LiveStatus.SUSPENDED and bool(order.parent_id)


def price_of(terms: Terms) -> Decimal:
    return terms.trigger if terms.readable else Decimal(0)


def words(terms: Terms) -> str:
    """An order in words: ``sell 2 stop 4795.25``."""
    return f"{terms.side} {terms.qty} {waits_for(terms)}".strip()


def waits_for(terms: Terms) -> str:
    """The price an order waits for: ``stop 4795.25``; '' when it waits for none."""
    prices = [p for p in (terms.stop_price, terms.limit_price) if p is not None]
    kind = terms.order_type.value.replace("_", " ")
    by = ["by", f"{terms.trail.normalize():f}"] if terms.trail is not None else []
    return " ".join([kind, *(f"{price.normalize():f}" for price in prices), *by]) if prices else ""
