"""The venue's end of one login: what becomes of requests and events on their way. `wires.py` has the desk's end.

Every message travels: requests up, answers and stream events down in order, unless a fault of the login says otherwise.
What arrives is shown to `witness`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from brokers import adapter as port
from brokers.finding import unlisted
from brokers.sandbox.orders import Order, Origin, Reason, Refused, Terms
from brokers.tradovate.translate import reject_class
from schema.records import ApprovedOrder, OrderType, Quote, Record, RejectClass
from tests.sim.plan import Abilities
from tests.sim.venue import Exchange, Told
from tests.sim.world import World

if TYPE_CHECKING:
    from tests.sim.wires import SimAdapter

_NAMES_ALL = 0.8  # how often the answer to linked orders names all of them
_COUNTED = ("lose_requests", "lose_answers", "late_answers", "errors", "rejects")


class Witness:
    """Sees what leaves the desk and what reaches the venue; `invariants.py` has the real one."""

    def leaves(self, order: ApprovedOrder) -> None: ...
    def arrives(self, order: ApprovedOrder) -> None: ...
    def exit_refused(self, order: ApprovedOrder, budget_left: int, reason: str) -> None: ...


class Answer(Record, frozen=True):
    """What the venue answers to a request that places orders: "accepted", "rejected", or "unknown" where what it says
    proves nothing. `order_ids` are the orders it names, the one that carries the others first."""

    kind: str
    order_ids: tuple[int, ...] = ()
    reject: RejectClass = RejectClass.OTHER
    text: str = ""
    wait_s: float | None = None


class LoginFaults:
    """What is wrong with one login now; times are virtual."""

    def __init__(self) -> None:
        self.unreachable_until_ns = 0
        self.slow_until_ns = 0
        self.slow_s = 0.0
        self.hung_until_ns = 0
        self.throttled_until_ns = 0
        self.no_reading_until_ns = 0
        self.partial_until_ns = 0
        self.torn_until_ns = 0
        self.duplicate_until_ns = 0
        self.reorder_until_ns = 0
        self.drop_until_ns = 0
        self.drop_share = 0.0
        self.lose_requests = 0
        self.lose_answers = 0
        self.late_answers = 0
        self.late_s = 0.0
        self.errors = 0  # accepted, and answered 5xx
        self.rejects: list[tuple[Reason, str]] = []

    def last(self, now_ns: int) -> bool:
        """Whether anything is wrong still."""
        return any(value if name in _COUNTED else name.endswith("_ns") and value > now_ns
                   for name, value in vars(self).items())  # fmt: skip


class Login:
    """The venue's end: what becomes of requests and events on their way."""

    def __init__(
        self,
        world: World,
        exchange: Exchange,
        name: str,
        accounts: Sequence[str],
        witness: Witness,
        abilities: Abilities,
    ) -> None:
        self.world = world
        self.exchange = exchange
        self.name = name
        self.accounts = list(accounts)
        self.faults = LoginFaults()
        self.witness = witness
        self.adapter: SimAdapter | None = None
        self.abilities = abilities
        self.ill_ns = 0  # until when something was wrong here, as far as is known yet
        self.stream = 0  # number of the stream session; 0: no stream
        self.prices = False  # whether it has market data
        self.watched: set[str] = set()  # contracts whose price it tells
        self.tell_all: Callable[[], None] = lambda: None
        self._tags: set[str] = set()
        self._sessions = 0
        self._down_ns = 0
        self._up_ns = 0

    # --- the wires -------------------------------------------------------------------------------------------------

    def _way_ns(self) -> int:
        world, faults = self.world, self.faults
        now_ns = world.now_ns()
        way_s = 0.001 + world.random.random() * (self.abilities.way_s - 0.001)
        if now_ns < faults.slow_until_ns:
            way_s += world.random.random() * faults.slow_s
        return max(now_ns, faults.hung_until_ns) + int(way_s * 1e9)

    def up(self, call: Callable[..., Any], *args: Any) -> None:
        """A request travels to the venue, in order."""
        self._up_ns = max(self._up_ns + 1, self._way_ns())
        self.world.at(self._up_ns, call, *args)

    def down(self, call: Callable[..., Any], *args: Any) -> None:
        """An answer or an event travels to the desk, in order."""
        self._down_ns = max(self._down_ns + 1, self._way_ns())
        self.world.at(self._down_ns, call, *args)

    # --- the stream ------------------------------------------------------------------------------------------------

    def subscribe(self, adapter: SimAdapter) -> None:
        """A stream begins: the snapshot first, then everything that happens from now on."""
        self._sessions += 1
        self.stream = self._sessions
        self.adapter = adapter
        self.down(adapter.synchronised, self.stream, self._snapshot())

    def _snapshot(self) -> port.Snapshot:
        if self.world.now_ns() < self.faults.partial_until_ns:
            whole = [name for name in self.accounts if self.world.random.random() < 0.5]
            return self.exchange.snapshot(self.accounts, whole)
        return self.exchange.snapshot(self.accounts)

    def cut(self) -> None:
        """The stream breaks. What is on its way down is lost; requests on their way up may still arrive."""
        if self.stream and self.adapter is not None:
            self.stream = 0
            self.adapter.lost()

    def tell(self, told: list[Told]) -> None:
        """Events of this login's accounts, as they happened."""
        if not self.stream or self.adapter is None:
            return
        world, faults = self.world, self.faults
        now_ns, draw = world.now_ns(), world.random.random
        if now_ns < faults.drop_until_ns:
            told = [one for one in told if draw() >= faults.drop_share]
        if now_ns < faults.reorder_until_ns:
            world.random.shuffle(told)
        if told:
            self.down(self.adapter.streamed, self.stream, told)
        if now_ns < faults.duplicate_until_ns and told:
            world.after(draw() * 0.5, self._again, self.stream, told)

    def quote(self, symbol: str, price: float) -> None:
        """The market's price, if anybody here watches it."""
        if self.stream and self.adapter is not None and symbol in self.watched:
            self.down(
                self.adapter.streamed, self.stream, [(port.QuoteUpdated, {"quote": Quote(symbol=symbol, last=price)})]
            )

    def _again(self, stream: int, told: list[Told]) -> None:
        if stream == self.stream and self.adapter is not None:
            self.down(self.adapter.streamed, stream, told)

    def replay(self) -> None:
        """The venue tells again what it lists: every order and every fill of every account."""
        told: list[Told] = []
        for name in self.accounts:
            told += [(port.OrderUpdated, {"order": order}) for order in self.exchange.orders[name].values()]
            told += [(port.Filled, {"fill": fill}) for fill in self.exchange.listed[name]]
        if told:
            self._again(self.stream, told)

    # --- requests --------------------------------------------------------------------------------------------------

    def place(self, order: ApprovedOrder, answer: Callable[[Answer], None]) -> None:
        """An order's bytes are on the wire; `answer` gets what comes back, if anything does."""
        if self._takes("lose_requests"):
            return
        self.up(self._place, order, answer)

    def _takes(self, name: str) -> bool:
        left: int = getattr(self.faults, name)
        if left:
            setattr(self.faults, name, left - 1)
        return bool(left)

    def _place(self, order: ApprovedOrder, answer: Callable[[Answer], None]) -> None:
        faults = self.faults
        if self.world.now_ns() < faults.throttled_until_ns:
            wait_s = (faults.throttled_until_ns - self.world.now_ns()) / 1e9
            text = "429 too many requests"
            self.down(answer, Answer("rejected", reject=RejectClass.THROTTLED, text=text, wait_s=wait_s))
            return
        for leg in order.legs:
            self.witness.arrives(leg)
        try:
            if faults.rejects:
                reason, text = faults.rejects.pop()
                raise Refused(reason, text)
            self._may(order)
            made = self.exchange.place_all(order)
        except Refused as refused:
            self.tell_all()
            named = (refused.order_id,) if refused.order_id else ()
            kind = reject_class(refused.reason, refused.text)
            self.down(answer, Answer("rejected", named, kind, refused.text))
            return
        self._answer(answer, made)
        self.tell_all()

    def _may(self, order: ApprovedOrder) -> None:
        """What this venue refuses and others take. Raises Refused."""
        tags = {leg.cl_ord_id for leg in order.legs}
        if self.abilities.duplicate_tag_rejected and tags & self._tags:
            raise Refused(Reason.OTHER, "The client order id was used before")
        self._tags |= tags
        if len(tags) > 1 and not self.abilities.links:
            raise Refused(Reason.UNSUPPORTED, "Orders are not linked here")
        if any(leg.trail is not None for leg in order.legs) and not self.abilities.trails:
            raise Refused(Reason.TRAILING_UNSUPPORTED, "Stops are not trailed here")
        net = self.exchange.net(order.account, order.symbol)
        crosses = net * order.side.sign < 0 and order.qty > abs(net)
        if crosses and order.order_type is OrderType.MARKET and not self.abilities.flips:
            raise Refused(Reason.OTHER, "An order may not take the position across zero")

    def _answer(self, answer: Callable[[Answer], None], made: Sequence[Order]) -> None:
        if self._takes("lose_answers"):
            return
        order_ids = tuple(order.order_id for order in made)
        if len(made) > 1 and self.world.random.random() > _NAMES_ALL:
            order_ids = order_ids[:1]
        if self._takes("errors"):
            self.down(answer, Answer("unknown", text="the venue answers 502, which proves nothing"))
        elif self._takes("late_answers"):
            self.world.after(self.faults.late_s, self.down, answer, Answer("accepted", order_ids))
        else:
            self.down(answer, Answer("accepted", order_ids))

    def modify(self, order_id: int, terms: Terms) -> None:
        """Another version of an order. Of a stop that the venue trails only the lots change; one that tells where it
        has come to may hear its own word of a moment ago. Raises Refused."""
        venue = self.exchange.venue
        order = venue.orders[order_id]
        if order.terms.trail is not None:
            same = (terms.order_type, terms.trail) == (order.terms.order_type, order.terms.trail)
            if not same or not (self.abilities.trails_shown or terms.stop in (None, order.terms.stop)):
                raise Refused(Reason.TRAILING_MODIFY, "Only the quantity of a trailing stop can be changed")
            terms = replace(order.terms, qty=terms.qty)
        venue.modify(order_id, terms, Origin())

    def change(self, act: Callable[[], Any], answer: Callable[[Exception | None], None]) -> None:
        """A cancel, a modification or a liquidation."""
        if not self._takes("lose_requests"):
            self.up(self._change, act, answer)

    def _change(self, act: Callable[[], Any], answer: Callable[[Exception | None], None]) -> None:
        error: Exception | None = None
        if self.world.now_ns() < self.faults.throttled_until_ns:
            error = port.RequestRefused("429 too many requests", RejectClass.THROTTLED)
        else:
            try:
                act()
            except Refused as refused:
                error = port.RequestRefused(refused.text, reject_class(refused.reason, refused.text))
            except KeyError:
                error = port.RequestRefused("there is no such order")
            self.tell_all()
            if self._takes("lose_answers"):
                return
        self.down(answer, error)

    def read(self, answer: Callable[[Any], None]) -> None:
        """The lists of the login. Torn: what trades between the reading of one list and the next is in one of them."""
        if self.world.now_ns() < self.faults.torn_until_ns:
            self.up(self._read_first, answer)
        else:
            self.up(self._read, answer)

    def _read(self, answer: Callable[[Any], None]) -> None:
        if self.world.now_ns() < self.faults.no_reading_until_ns:
            self.down(answer, port.RequestUnknown("401: the venue's lists could not be read"))
        else:
            self.down(answer, self._snapshot())

    def find(self, wanted: Sequence[port.Wanted], answer: Callable[[Any], None]) -> None:
        """The venue is asked for orders by their tags."""
        self.up(self._find, wanted, answer)

    def _find(self, wanted: Sequence[port.Wanted], answer: Callable[[Any], None]) -> None:
        faults, now_ns = self.faults, self.world.now_ns()
        if self._takes("lose_answers"):
            return
        if now_ns < faults.no_reading_until_ns or now_ns < faults.throttled_until_ns:
            self.down(answer, port.RequestUnknown("429 too many requests"))
            return
        empty = now_ns < faults.partial_until_ns and self.world.random.random() < 0.5
        found = tuple(unlisted(each, "order") if empty else self.exchange.find(each) for each in wanted)
        if self._takes("late_answers"):
            self.world.after(faults.late_s, self.down, answer, found)
        else:
            self.down(answer, found)

    def _read_first(self, answer: Callable[[Any], None]) -> None:
        self.up(self._read_second, answer, self._snapshot())

    def _read_second(self, answer: Callable[[Any], None], first: port.Snapshot) -> None:
        second = self._snapshot()
        older, newer = (first, second) if self.world.random.random() < 0.5 else (second, first)
        self.down(
            answer,
            port.Snapshot(
                at_ns=first.at_ns,
                accounts=first.accounts,
                complete=first.complete & second.complete,
                positions=older.positions,
                orders=newer.orders,
                fills=newer.fills,
                states=first.states,
            ),
        )
