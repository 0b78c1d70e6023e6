"""The shell of manual orders: say what would go, and on the trader's word send it, once, and wait for what comes of it.

`engine/manual_plan.py` says what, `engine/manual.py` decides and follows, `engine/desk.py` owns the one instance. What
is sent is at most what was shown, within a minute of it: by then the market is another.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from decimal import Decimal
from random import Random
from typing import Any

from msgspec.structs import replace

from brokers.adapter import BrokerAdapter
from engine import events as ev
from engine import instruments, manual_plan
from engine.core import Core
from engine.manual import SENT_ALREADY
from engine.manual_book import CHANGE_TAG, MANUAL_TAG
from engine.manual_plan import Around
from engine.manual_rows import terms_of
from engine.market.market import Market
from engine.mirror_terms import is_stop
from engine.rules import symbol_for
from engine.seat import CommandRefused, OrderAct, OrderLine, OrderPlan, Ticket
from schema.clock import Clock
from schema.records import LiveOrder, ManualOrder, ManualState, OrderType
from schema.settings import Settings

SHOWN_FOR_NS = 60_000_000_000
"""How long a preview may be confirmed."""
_POLL_S = 0.02
_FILLED_S = 0.5  # how long a market order that its venue took is waited for
_USED_KEPT = 10_000


class Manuals:
    """`handle` gives the core an input and performs what it asks for; `check` has contracts described by their venues;
    `apart` carries something out in the desk's own task, whatever becomes of who waits for it."""

    def __init__(
        self,
        core: Core,
        adapters: dict[str, BrokerAdapter],
        market: Market,
        clock: Clock,
        random: Random,
        settings: Settings,
        *,
        handle: Callable[[ev.AnyInput], Awaitable[None]],
        check: Callable[[set[tuple[str, str]]], Awaitable[None]],
        apart: Callable[[Coroutine[Any, Any, None]], Awaitable[None]],
    ) -> None:
        self._core = core
        self._adapters = adapters
        self._market = market
        self._clock = clock
        self._random = random
        self._settings = settings
        self._handle = handle
        self._check = check
        self._apart = apart
        self._used: dict[str, None] = {}

    # --- what the seat asks --------------------------------------------------------------------------------------

    async def place(self, ticket: Ticket, shown: OrderPlan | None) -> OrderPlan:
        """See `Seat.place`; the target is an account or a group of the desk. Raises CommandRefused."""
        started_ns = self._clock.now_ns()
        ticket = self._written_out(ticket)
        await self._check(self._contracts(ticket))
        lines = manual_plan.order_lines(self._core, ticket, self._around())
        if shown is not None:
            self._use(shown, OrderAct.PLACE)
            lines = manual_plan.confirmed(lines, shown.lines)
            orders = {line.account: self._order(line, ticket, shown) for line in lines if not line.refused}
            if orders:
                await self._apart(self._send(tuple(orders.values())))
            lines = tuple(self._became(line, orders.get(line.account)) for line in lines)
        return self._plan(OrderAct.PLACE, ticket.target, lines, started_ns, shown)

    async def move(
        self, account: str, order_id: str, price: Decimal, qty: int | None, shown: OrderPlan | None
    ) -> OrderPlan:
        """See `Seat.move`. Raises CommandRefused."""
        started_ns = self._clock.now_ns()
        order = self._working(account, order_id)
        if price <= 0 or not price.is_finite():
            raise CommandRefused(f"price: {price} is no price; write one such as 4795.25.")
        if qty is not None and qty <= 0:
            raise CommandRefused(f"qty: {qty} is no size; write whole lots, 1 or more, or :cancel it.")
        lines = (manual_plan.move_line(self._core, order, price, qty, self._around()),)
        if shown is not None:
            self._use(shown, OrderAct.MOVE)
            lines = await self._change(manual_plan.confirmed(lines, shown.lines), shown, cancel=False)
        return self._plan(OrderAct.MOVE, f"order {order_id} of {account}", lines, started_ns, shown)

    async def cancel(self, target: str, accounts: Sequence[str], what: str, shown: OrderPlan | None) -> OrderPlan:
        """See `Seat.cancel`; `accounts` are the ones that `target` names. Raises CommandRefused."""
        started_ns = self._clock.now_ns()
        lines = manual_plan.cancel_lines(self._core, accounts, what, self._around())
        if shown is not None:
            self._use(shown, OrderAct.CANCEL)
            lines = await self._change(manual_plan.confirmed(lines, shown.lines), shown, cancel=True)
        elif not lines:
            of = f" {what}" if what else ""
            raise CommandRefused(f"order: nothing{of} works on {target}; the orders pane lists what does.")
        about = f"{target} {what}".strip()
        return self._plan(OrderAct.CANCEL, about, lines, started_ns, shown)

    # --- previews ------------------------------------------------------------------------------------------------

    def _written_out(self, ticket: Ticket) -> Ticket:
        """The ticket with its contract's name, and nothing missing or too much. Raises CommandRefused."""
        symbol = (ticket.symbol or self._market.symbol).upper()
        if not symbol:
            raise CommandRefused("symbol: there is no chart whose contract could be meant; name one, such as ESZ6.")
        if ticket.qty <= 0:
            raise CommandRefused(f"qty: {ticket.qty} is no size; write whole lots, 1 or more.")
        kind = ticket.order_type
        if kind is OrderType.TRAILING_STOP:
            raise CommandRefused("type: a trailing stop is not taken here; place a stop and move it.")
        wants = (kind in (OrderType.LIMIT, OrderType.STOP_LIMIT), is_stop(kind))
        for name, price, wanted in zip(("limit", "stop"), (ticket.limit_price, ticket.stop_price), wants, strict=True):
            if wanted and (price is None or not price.is_finite() or price <= 0):
                raise CommandRefused(f"{name}: a {kind.replace('_', ' ')} order needs a price above 0.")
            if not wanted and price is not None:
                raise CommandRefused(f"{name}: a {kind.replace('_', ' ')} order has no {name} price.")
        return replace(ticket, symbol=symbol)

    def _contracts(self, ticket: Ticket) -> set[tuple[str, str]]:
        """What has to be described before the ticket can be judged."""
        core = self._core
        if ticket.target in core.groups:
            members = core.members.get(ticket.target, [])
            pairs = {(core.connection_of(f.account), symbol_for(f, ticket.symbol)) for f in members}
            return {pair for pair in pairs if core.instruments.get(pair) is None}
        return instruments.needed(core, ticket.target, ticket.symbol)

    def _working(self, account: str, order_id: str) -> LiveOrder:
        order = self._core.kept_orders.get((account, order_id))
        if not isinstance(order, LiveOrder):
            raise CommandRefused(f"order: {order_id} does not work on {account}; the orders pane lists what does.")
        return order

    def _around(self) -> Around:
        names = {login.connection: login for login in self._core.config.connections}
        kept = {name: self._settings.adapter(login).reserved_for_exits for name, login in names.items()}
        return Around(
            market=self._price,
            capabilities={name: adapter.capabilities for name, adapter in self._adapters.items()},
            budgets={n: (adapter.health().budget_left, kept.get(n, 0)) for n, adapter in self._adapters.items()},
            most_lots=self._settings.order_lots,
            collar_percent=self._settings.order_collar_percent,
        )

    def _price(self, symbol: str) -> manual_plan.Market:
        age_ns = self._clock.now_ns() - self._market.heard_ns(symbol)
        return manual_plan.Market(price=self._market.mark(symbol), age_ns=max(0, age_ns))

    def _plan(
        self, act: OrderAct, about: str, lines: tuple[OrderLine, ...], started_ns: int, shown: OrderPlan | None
    ) -> OrderPlan:
        now_ns = self._clock.now_ns()
        return OrderPlan(
            plan_id=shown.plan_id if shown else f"{now_ns:x}{self._random.getrandbits(64):016x}",
            act=act,
            about=about,
            lines=lines,
            at_ns=now_ns,
            sent=shown is not None,
            seconds=(now_ns - started_ns) / 1e9,
        )

    def _use(self, shown: OrderPlan, act: OrderAct) -> None:
        """A preview is confirmed once, and soon. Raises CommandRefused."""
        if shown.plan_id in self._used or shown.sent:
            raise CommandRefused(f"Nothing was sent: {SENT_ALREADY}.")
        if shown.act is not act:
            raise CommandRefused(f"Nothing was sent: what was shown is a {shown.act}, not a {act}; look again.")
        if self._clock.now_ns() - shown.at_ns > SHOWN_FOR_NS:
            raise CommandRefused("Nothing was sent: what was shown is more than a minute old; look again.")
        self._used[shown.plan_id] = None
        if len(self._used) > _USED_KEPT:
            del self._used[next(iter(self._used))]

    # --- sending -------------------------------------------------------------------------------------------------

    def _order(self, line: OrderLine, ticket: Ticket, shown: OrderPlan) -> ManualOrder:
        return ManualOrder(
            cl_ord_id=MANUAL_TAG + self._core.digest("manual", shown.plan_id, line.account),
            plan_id=shown.plan_id,
            account=line.account,
            symbol=line.symbol,
            side=line.side,
            qty=line.qty,
            order_type=line.order_type,
            limit_price=line.limit_price,
            stop_price=line.stop_price,
            time_in_force=ticket.time_in_force,
            asked_ns=self._clock.now_ns(),
        )

    async def _send(self, orders: tuple[ManualOrder, ...]) -> None:
        await self._handle(ev.ManualAsked(at_ns=self._clock.now_ns(), orders=orders))
        flights = [self._core.manual.flights[order.cl_ord_id] for order in orders]
        await self._until(lambda: all(f.order.state is not ManualState.PENDING for f in flights), self._answer_s)
        await self._until(lambda: all(f.rests or f.order.state is not ManualState.TAKEN for f in flights), _FILLED_S)

    def _became(self, line: OrderLine, order: ManualOrder | None) -> OrderLine:
        if order is None:
            return line
        now = self._core.manual.flights[order.cl_ord_id].order
        reason = f": {now.reason}" if now.reason else ""
        match now.state:
            case ManualState.NOT_SENT:
                return replace(line, refused=now.reason, outcome=f"not sent{reason}")
            case ManualState.DONE if now.avg_price is not None:
                outcome = f"filled {now.filled_qty} at {round(now.avg_price, 4).normalize():f}{reason}"
            case ManualState.DONE:
                outcome = now.reason or "done"
            case ManualState.TAKEN if line.order_type is not OrderType.MARKET:
                outcome = f"working, order {now.order_id}"
            case ManualState.TAKEN:
                outcome = f"taken, order {now.order_id}; its fills have not come yet"
            case _:
                outcome = f"{now.state}{reason}"
        return replace(line, order_id=now.order_id, outcome=outcome)

    async def _change(self, lines: tuple[OrderLine, ...], shown: OrderPlan, *, cancel: bool) -> tuple[OrderLine, ...]:
        going = [line for line in lines if not line.refused]
        if going:
            await self._apart(self._request(going, shown.plan_id, cancel=cancel))
        return tuple(self._changed(line, shown.plan_id) for line in lines)

    async def _request(self, lines: Sequence[OrderLine], plan_id: str, *, cancel: bool) -> None:
        for line in lines:
            change = ev.ManualChange(
                at_ns=self._clock.now_ns(),
                change_id=plan_id,
                account=line.account,
                order_id=line.order_id,
                terms=None if cancel else terms_of(line),
            )
            await self._handle(change)
        changes = [self._core.manual.changes[self._tag(line, plan_id)] for line in lines]
        await self._until(lambda: all(change.said for change in changes), self._answer_s)

    def _changed(self, line: OrderLine, plan_id: str) -> OrderLine:
        change = self._core.manual.changes.get(self._tag(line, plan_id))
        if line.refused or change is None:
            return line
        said = change.said or "no answer yet: the orders pane shows what comes of it"
        return replace(line, outcome=said, refused=said if change.refused else "")

    def _tag(self, line: OrderLine, plan_id: str) -> str:
        return CHANGE_TAG + self._core.digest(plan_id, line.account, line.order_id)

    @property
    def _answer_s(self) -> float:
        return self._core.limits.deadline_s + 1

    async def _until(self, true: Callable[[], bool], within_s: float) -> None:
        ends_ns = self._clock.now_ns() + int(within_s * 1e9)
        while not true() and self._clock.now_ns() < ends_ns:  # noqa: ASYNC110 - the core has no events to wait for
            await asyncio.sleep(_POLL_S)
