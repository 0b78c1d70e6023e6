"""The port of `brokers/adapter.py` over simulated wires: the desk's end of one login, whose venue's end is `login.py`.

The adapter keeps the port's contract with the production's own parts: `brokers.budget` for requests and `brokers.own`
for the promise of exactly one outcome per order; what it sends is judged by the login's `witness`.
"""

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from brokers import adapter as port
from brokers.budget import Lane, RequestBudget, lane_of
from brokers.own import OwnOrder, OwnOrders, never_twice
from brokers.sandbox.orders import Origin, Terms
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
from tests.sim.login import Answer, Login
from tests.sim.venue import Told
from tests.sim.world import World

_LISTS = 7
_FINDING = 4
_EXPOSURE_LISTS = 3


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
            client_tag=able.finds,
            duplicate_tag_rejected=able.duplicate_tag_rejected,
            native_brackets=able.links,
            native_trailing=able.trails,
            links_orders=able.links,
            flips=able.flips,
            liquidates=True,
            market_data=login.prices,
            bars=False,
            order_types=frozenset(OrderType),
            find=port.Requests(once=_FINDING, each=0),
            reading=port.Requests(once=_LISTS, each=0),
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
        never_twice((leg.cl_ord_id for order in orders for leg in order.legs), self._own)
        told = [event for order in orders for event in self._place(order)]
        for event in told:
            self._emit(event)

    def _place(self, order: ApprovedOrder) -> list[port.Event]:
        """One request, with the orders that leave in it; what is told of each of them."""
        if not self._up and not order.reducing:
            return self._not_sent(order, "no connection to the venue")
        left = self._budget.left()
        lane = lane_of(order)
        refusal = self._budget.take(lane)
        if refusal:
            if lane is Lane.EXIT:
                self._login.witness.exit_refused(order, left, refusal)
            return self._not_sent(order, refusal)
        for leg in order.legs:
            self._login.witness.leaves(leg)
        own = [self._own.sent(leg.cl_ord_id, leg.account, 0, leg.symbol, leg.side) for leg in order.legs]
        by_rest = not self._up
        self._login.place(order, lambda answer: self._answered(own, by_rest, answer))
        now_ns, name = self._world.now_ns(), self.config.connection
        return [
            port.OrderSent(connection=name, received_ns=now_ns, account=leg.account, cl_ord_id=leg.cl_ord_id)
            for leg in order.legs
        ]

    def _not_sent(self, order: ApprovedOrder, reason: str) -> list[port.Event]:
        now_ns, name = self._world.now_ns(), self.config.connection
        return [
            port.OrderNotSent(
                connection=name, received_ns=now_ns, account=leg.account, cl_ord_id=leg.cl_ord_id, reason=reason
            )
            for leg in order.legs
        ]

    def _answered(self, own: Sequence[OwnOrder], by_rest: bool, answer: Answer) -> None:
        """What the answer proves; a leg that it does not name is left to the stream, a refusal is one of all legs."""
        if not self.alive or not (by_rest or self._up):
            return
        if answer.kind == "accepted":
            for leg, order_id in zip(own, answer.order_ids, strict=False):
                self._own.accepted(leg.cl_ord_id, order_id)
        elif answer.kind == "rejected":
            if answer.reject is RejectClass.THROTTLED:
                self._budget.throttled(answer.wait_s)
            order_id = next(iter(answer.order_ids), 0)
            for leg in own:
                self._own.rejected(leg.cl_ord_id, order_id if leg is own[0] else 0, answer.reject, answer.text)
        else:
            for leg in own:
                self._own.unknown(leg, answer.text)

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
        terms = Terms(qty=qty, order_type=order_type, limit=limit_price, stop=stop_price)
        await self._change(lambda: self._login.modify(int(order_id), terms), lane=Lane.MODIFY)

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

    async def find(self, wanted: Sequence[port.Wanted]) -> tuple[port.Found, ...]:
        if not self.capabilities.client_tag:
            raise port.RequestRefused("this venue finds no order by its tag")
        if refusal := self._budget.refusal(Lane.FIND, _FINDING):
            raise port.RequestUnknown(f"not asked: {refusal}")
        for _ in range(_FINDING):
            self._budget.spend()
        if self._world.now_ns() < self._login.faults.unreachable_until_ns:
            raise port.RequestUnknown("no answer from the venue")
        found = await self._round_trip(lambda answer: self._login.find(wanted, answer), 10.0)
        if isinstance(found, Exception):
            raise found
        return found

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
        self._login.watched.add(symbol)
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


class TrailingAdapter(SimAdapter):
    """Our end of a login whose venue trails stops by itself."""

    async def modify_trailing(
        self, account: str, order_id: str, *, qty: int, trail: Decimal, stop_price: Decimal | None
    ) -> None:
        terms = Terms(qty=qty, order_type=OrderType.STOP, stop=stop_price, trail=trail)
        await self._change(lambda: self._login.modify(int(order_id), terms), lane=Lane.MODIFY)
