"""The port of `brokers/adapter.py` over simulated wires: `Login` is the venue's end of one login, `SimAdapter` ours.

Every message travels: requests up, answers and stream events down in order, unless a fault of the login says
otherwise. The adapter keeps the port's contract with the production's own parts: `brokers.budget` for requests and
`brokers.own` for the promise of exactly one outcome per order; what it sends is judged by `witness`.
"""

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from brokers import adapter as port
from brokers.budget import Lane, RequestBudget
from brokers.own import OwnOrder, OwnOrders
from brokers.sandbox.orders import Order, Origin, Reason, Refused, Terms
from brokers.tradovate.translate import reject_class
from engine.flatten import exposure_of
from schema.records import (
    ApprovedOrder,
    ConnectionConfig,
    DoneOrder,
    DoneStatus,
    Fill,
    Instrument,
    OrderType,
    RejectClass,
    VenueOrder,
)
from tests.sim.plan import Abilities
from tests.sim.venue import Exchange, Told
from tests.sim.world import World

_LISTS = 7
_EXPOSURE_LISTS = 3
_T = TypeVar("_T")
_COUNTED = ("lose_requests", "lose_answers", "late_answers", "errors", "rejects")


class Witness:
    """Sees what leaves the desk and what reaches the venue; `invariants.py` has the real one."""

    def leaves(self, order: ApprovedOrder) -> None: ...
    def arrives(self, order: ApprovedOrder) -> None: ...
    def exit_refused(self, order: ApprovedOrder, budget_left: int, reason: str) -> None: ...


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

    def subscribe(self, adapter: "SimAdapter") -> None:
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

    def place(self, order: ApprovedOrder, answer: Callable[..., None]) -> None:
        """An order's bytes are on the wire; `answer(kind, ...)` gets what comes back, if anything does."""
        if self._takes("lose_requests"):
            return
        self.up(self._place, order, answer)

    def _takes(self, name: str) -> bool:
        left: int = getattr(self.faults, name)
        if left:
            setattr(self.faults, name, left - 1)
        return bool(left)

    def _place(self, order: ApprovedOrder, answer: Callable[..., None]) -> None:
        faults = self.faults
        if self.world.now_ns() < faults.throttled_until_ns:
            wait_s = (faults.throttled_until_ns - self.world.now_ns()) / 1e9
            self.down(answer, "rejected", 0, RejectClass.THROTTLED, "429 too many requests", wait_s)
            return
        self.witness.arrives(order)
        terms = Terms(
            qty=order.qty,
            order_type=order.order_type,
            limit=order.limit_price,
            stop=order.stop_price,
            time_in_force=order.time_in_force,
        )
        try:
            if faults.rejects:
                reason, text = faults.rejects.pop()
                raise Refused(reason, text)
            self._may(order)
            made = self.exchange.place(order.account, order.symbol, order.side, terms, order.cl_ord_id)
        except Refused as refused:
            self.tell_all()
            kind = reject_class(refused.reason, refused.text)
            self.down(answer, "rejected", refused.order_id or 0, kind, refused.text, None)
            return
        self._answer(answer, made)
        self.tell_all()

    def _may(self, order: ApprovedOrder) -> None:
        """What this venue refuses and others take. Raises Refused."""
        if self.abilities.duplicate_tag_rejected and order.cl_ord_id in self._tags:
            raise Refused(Reason.OTHER, "The client order id was used before")
        self._tags.add(order.cl_ord_id)
        net = self.exchange.net(order.account, order.symbol)
        crosses = net * order.side.sign < 0 and order.qty > abs(net)
        if crosses and order.order_type is OrderType.MARKET and not self.abilities.flips:
            raise Refused(Reason.OTHER, "An order may not take the position across zero")

    def _answer(self, answer: Callable[..., None], made: Order) -> None:
        if self._takes("lose_answers"):
            return
        if self._takes("errors"):
            self.down(answer, "unknown", 0, None, "the venue answers 502, which proves nothing", None)
        elif self._takes("late_answers"):
            self.world.after(self.faults.late_s, self.down, answer, "accepted", made.order_id, None, "", None)
        else:
            self.down(answer, "accepted", made.order_id, None, "", None)

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


class SimAdapter:
    """Our end of one login, for one desk's life."""

    def __init__(
        self,
        config: ConnectionConfig,
        settings: port.AdapterSettings,
        world: World,
        emit: port.Emit,
        login: Login,
    ) -> None:
        self.config = config
        able = login.abilities
        self.capabilities = port.Capabilities(
            venue=config.venue,
            client_tag=True,
            duplicate_tag_rejected=able.duplicate_tag_rejected,
            native_brackets=able.native_brackets,
            native_trailing=able.native_trailing,
            flips=able.flips,
            liquidates=True,
            market_data=False,
            order_types=frozenset(OrderType),
        )
        self.alive = True
        self._settings = settings
        self._world = world
        self._engine_emit = emit
        self._login = login
        self._budget = RequestBudget(
            world, config.requests_per_min or settings.requests_per_min, settings.reserved_for_exits
        )
        self._own = OwnOrders(config.connection, world, settings.deadline_s, self._emit, lambda _: None)
        self._up = False
        self._was_up = False
        self._wanted = False
        self._reconnects = 0
        self._known: dict[str, Instrument] = {}
        self._first_up: asyncio.Future[None] | None = None

    def _emit(self, event: port.Event) -> None:
        if self.alive:
            self._engine_emit(event)

    # --- life ------------------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        self._wanted = True
        self._first_up = asyncio.get_running_loop().create_future()
        self._dial()
        await self._first_up

    def _dial(self) -> None:
        if not self.alive or not self._wanted:
            return
        if self._world.now_ns() < self._login.faults.unreachable_until_ns:
            if self._first_up is not None and not self._first_up.done():
                self._wanted = False
                self._first_up.set_exception(port.VenueUnreachable("the venue does not answer"))
            else:
                self._world.after(0.3 + self._world.random.random() * 0.7, self._dial)
            return
        self._login.up(self._login.subscribe, self)

    def synchronised(self, stream: int, snapshot: port.Snapshot) -> None:
        if not self.alive or stream != self._login.stream:
            return
        self._up = True
        self._emit(
            port.StreamUp(
                connection=self.config.connection,
                received_ns=self._world.now_ns(),
                first=not self._was_up,
                snapshot=snapshot,
            )
        )
        for order in snapshot.orders:
            self._proves(order)
        self._was_up = True
        if self._first_up is not None and not self._first_up.done():
            self._first_up.set_result(None)

    def lost(self) -> None:
        """The stream broke: what was sent and not answered is unknown, and the line is dialled again."""
        if not self.alive:
            return
        was_up, self._up = self._up, False
        for own in list(self._own._orders.values()):
            self._own.unknown(own, "connection lost after the send")
        if was_up:
            self._reconnects += 1
            self._emit(
                port.StreamDown(
                    connection=self.config.connection, received_ns=self._world.now_ns(), reason="the stream was lost"
                )
            )
        self._world.after(0.2 + self._world.random.random() * 0.5, self._dial)

    async def close(self) -> None:
        self.alive = False
        self._own.close()

    # --- the stream ------------------------------------------------------------------------------------------------

    def streamed(self, stream: int, told: list[Told]) -> None:
        if not self.alive or not self._up or stream != self._login.stream:
            return
        now_ns, connection = self._world.now_ns(), self.config.connection
        for kind, fields in told:
            record: Any = fields.get("order") or fields.get("fill")
            if record is not None:
                self._proves(record)
            self._engine_emit(kind(connection=connection, received_ns=now_ns, **fields))

    def _proves(self, record: VenueOrder | Fill) -> None:
        own = self._own._orders.get(record.cl_ord_id) if record.cl_ord_id else None
        if own is None:
            return
        rejects = isinstance(record, DoneOrder) and record.status is DoneStatus.REJECTED
        if own.accepted and own.order_id and not rejects:
            return  # proven before: readings list a whole session
        if rejects:
            self._own.rejected_without_reason(record.cl_ord_id, int(record.order_id))
        else:
            self._own.accepted(record.cl_ord_id, int(record.order_id))

    # --- orders ----------------------------------------------------------------------------------------------------

    async def place(self, orders: Sequence[port.ApprovedOrder]) -> None:
        self.place_at_once(orders)

    def place_at_once(self, orders: Sequence[port.ApprovedOrder]) -> None:
        told: list[port.Event] = []
        for order in orders:
            if order.cl_ord_id in self._own:
                raise ValueError(f"order {order.cl_ord_id} was already sent; nothing is sent twice")
            told.append(self._place(order))
        for event in told:
            self._emit(event)

    def _place(self, order: ApprovedOrder) -> port.Event:
        now_ns = self._world.now_ns()
        names = {"connection": self.config.connection, "account": order.account, "cl_ord_id": order.cl_ord_id}
        if not self._up and not order.reducing:
            return port.OrderNotSent(received_ns=now_ns, reason="no connection to the venue", **names)
        left = self._budget.left()
        lane = Lane.ENTRY
        if order.reducing:
            lane = Lane.EXIT if order.order_type is OrderType.MARKET else Lane.PROTECTIVE
        refusal = self._budget.take(lane)
        if refusal:
            if lane is Lane.EXIT:
                self._login.witness.exit_refused(order, left, refusal)
            return port.OrderNotSent(received_ns=now_ns, reason=refusal, **names)
        self._login.witness.leaves(order)
        own = self._own.sent(order.cl_ord_id, order.account, 0, order.symbol, order.side)
        by_rest = not self._up
        self._login.place(order, lambda *answer: self._answered(own, by_rest, *answer))
        return port.OrderSent(received_ns=now_ns, **names)

    def _answered(
        self, own: OwnOrder, by_rest: bool, kind: str, order_id: int, reject: Any, text: str, wait_s: float | None
    ) -> None:
        if not self.alive or not (by_rest or self._up):
            return
        if kind == "accepted":
            self._own.accepted(own.cl_ord_id, order_id)
        elif kind == "rejected":
            if reject is RejectClass.THROTTLED:
                self._budget.throttled(wait_s)
            self._own.rejected(own.cl_ord_id, order_id, reject, text)
        else:
            self._own.unknown(own, text)

    async def cancel(self, account: str, order_id: str) -> None:
        venue = self._login.exchange.venue
        await self._change(lambda: venue.cancel(int(order_id), Origin()), lane=Lane.CANCEL)

    async def modify(
        self,
        account: str,
        order_id: str,
        *,
        qty: int,
        order_type: OrderType,
        limit_price: Decimal | None = None,
        stop_price: Decimal | None = None,
    ) -> None:
        venue = self._login.exchange.venue
        terms = Terms(qty=qty, order_type=order_type, limit=limit_price, stop=stop_price)
        await self._change(lambda: venue.modify(int(order_id), terms, Origin()), lane=Lane.MODIFY)

    async def liquidate(self, account: str, symbol: str, cl_ord_id: str) -> None:
        exchange = self._login.exchange
        contract = exchange.venue.catalogue.by_symbol[symbol]
        origin = Origin(cl_ord_id=cl_ord_id)
        await self._change(
            lambda: exchange.venue.liquidate(exchange.ids[account], contract.contract_id, origin), lane=Lane.EXIT
        )

    async def _change(self, act: Callable[[], Any], *, lane: Lane) -> None:
        refusal = self._budget.take(lane)
        if refusal:
            raise port.RequestRefused(refusal, RejectClass.THROTTLED)
        error = await self._round_trip(lambda answer: self._login.change(act, answer), self._settings.deadline_s)
        if error is not None:
            raise error

    # --- reads -----------------------------------------------------------------------------------------------------

    async def instrument(self, symbol: str) -> Instrument:
        if symbol not in self._known:
            self._budget.spend()
            found = await self._round_trip(
                lambda answer: self._login.up(self._login.down, answer, self._login.exchange.instrument(symbol)), 10.0
            )
            self._known[symbol] = found
        return self._known[symbol]

    async def snapshot(self) -> port.Snapshot:
        refusal = self._budget.refusal(Lane.QUERY, _LISTS)
        if refusal:
            raise port.RequestUnknown(f"the venue was not asked: {refusal}")
        for _ in range(_LISTS):
            self._budget.spend()
        if self._world.now_ns() < self._login.faults.unreachable_until_ns:
            raise port.RequestUnknown("the venue's lists could not be read: no answer")
        read = await self._round_trip(self._login.read, 10.0)
        if isinstance(read, Exception):
            raise read
        for order in read.orders:
            self._proves(order)
        return read

    async def exposure(self) -> port.Exposure:
        for _ in range(_EXPOSURE_LISTS):
            if refusal := self._budget.take(Lane.EXIT):
                raise port.RequestUnknown(f"the venue was not asked: {refusal}")
        if self._world.now_ns() < self._login.faults.unreachable_until_ns:
            raise port.RequestUnknown("the venue's lists could not be read: no answer")
        read = await self._round_trip(self._login.read, 10.0)
        if isinstance(read, Exception):
            raise read
        return exposure_of(read)

    @property
    def spare_requests(self) -> int:
        """Requests an entry may still make now."""
        return self._budget.left() - self._budget.reserved if not self._budget.refusal(Lane.ENTRY) else 0

    @property
    def may_read(self) -> bool:
        """Whether the budget still lets the venue be read."""
        return not self._budget.refusal(Lane.QUERY, _LISTS)

    async def watch(self, symbol: str, interval_s: int, history: int) -> None:
        await asyncio.sleep(0)

    async def _round_trip(self, ask: Callable[[Callable[[Any], None]], None], timeout_s: float) -> Any:
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def answered(value: Any) -> None:
            if not answer.done():
                answer.set_result(value)

        ask(answered)
        try:
            async with asyncio.timeout(timeout_s):
                return await answer
        except TimeoutError:
            raise port.RequestUnknown(f"no answer from the venue in {timeout_s:g} s") from None

    def health(self) -> port.ConnectionHealth:
        return port.ConnectionHealth(
            connection=self.config.connection,
            state="up" if self._up else "down",
            reason="",
            last_message_ns=-1,
            reconnects=self._reconnects,
            unreadable=0,
            budget_per_min=self._budget.per_min,
            budget_left=self._budget.left(),
            round_trip_ms=-1.0,
        )
