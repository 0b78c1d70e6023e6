"""Orders and commands on their way out, each one HTTP request, all of a fan-out at once. `adapter.py` owns one.

Nothing is sent twice: a request without a proven answer is unknown, and what it led to is asked by its customTag
(`protocols/projectx.md 2.3`). Entries wait for the stream that would tell how they ended; exits do not.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from decimal import Decimal

from brokers.adapter import (
    Emit,
    LoginRefused,
    OrderSent,
    RequestRefused,
    RequestUnknown,
    VenueError,
    VenueUnreachable,
)
from brokers.alone import alone
from brokers.budget import Lane, lane_of
from brokers.own import OwnOrder, OwnOrders, never_twice, not_sent
from brokers.projectx import wire
from brokers.projectx.connection import Connection
from brokers.projectx.poll import Poll
from brokers.projectx.reads import open_orders, read_instrument
from brokers.projectx.rest import Said, TokenDead
from brokers.projectx.session import Session
from brokers.projectx.translate import (
    ORDER_TYPES,
    TIMES_IN_FORCE,
    place_body,
    quotes_differ,
    reject_class,
    symbol_of,
    theirs,
)
from schema.clock import Clock, to_datetime
from schema.records import ApprovedOrder, ConnectionConfig, OrderType, RejectClass

_UNPROVEN = (2, 6, 7)  # rejected, pending, unknown: an order may stand at the venue all the same
_NOT_FOUND = 2
_GONE = (2,)  # PositionNotFound: it is flat
_CLOSE_UNPROVEN = (6, 7)


class Sender:
    """Everything of one login that leaves and could change an order."""

    def __init__(self, config: ConnectionConfig, clock: Clock, emit: Emit, own: OwnOrders) -> None:
        self._config = config
        self._clock = clock
        self._emit = emit
        self._own = own
        self._connection: Connection | None = None
        self._session: Session | None = None
        self._poll: Poll | None = None
        self._group: asyncio.TaskGroup | None = None

    def attach(self, connection: Connection, session: Session, poll: Poll, group: asyncio.TaskGroup) -> None:
        """The login is up; `group` holds the requests under way."""
        self._connection, self._session, self._poll, self._group = connection, session, poll, group

    def detach(self) -> None:
        self._group = None

    def place(self, orders: Sequence[ApprovedOrder]) -> None:
        """Start every order's request, exits first; what may not leave is told at once."""
        never_twice((leg.cl_ord_id for order in orders for leg in order.legs), self._own)
        for order in sorted(alone(orders, self._config.connection, self._clock, self._emit), key=lane_of):
            self._start(order)

    def _start(self, order: ApprovedOrder) -> None:
        connection, group = self._connection, self._group
        if connection is None or group is None:
            self._not_sent(order, "no connection to the venue: not connected")
            return
        account_id = next((key for key, each in connection.facts.accounts.items() if each.account == order.account), 0)
        refusal = ""
        if not account_id:
            refusal = f"account {order.account} is not of this connection"
        elif order.order_type not in ORDER_TYPES:
            refusal = f"{order.order_type} orders are not placed at this venue"
        elif order.time_in_force not in TIMES_IN_FORCE:
            refusal = f"this venue knows no {order.time_in_force} orders"
        elif not order.reducing and (self._session is None or not self._session.up):
            reason = self._session.reason if self._session is not None else ""
            refusal = f"no connection to the venue: {reason or 'not connected'}"
        else:
            refusal = connection.budget.refusal(lane_of(order))
        if refusal:
            self._not_sent(order, refusal)
            return
        own = self._own.sent(order.cl_ord_id, order.account, account_id, order.symbol, order.side)
        group.create_task(self._place(connection, order, own, account_id))

    async def _place(self, connection: Connection, order: ApprovedOrder, own: OwnOrder, account_id: int) -> None:
        handed, generation = False, connection.login.generation

        def on_handed() -> None:
            nonlocal handed
            handed = True
            self._emit(
                OrderSent(
                    connection=self._config.connection,
                    received_ns=self._clock.now_ns(),
                    account=order.account,
                    cl_ord_id=order.cl_ord_id,
                )
            )

        try:
            contract_id = connection.contract_ids.get(order.symbol)
            if contract_id is None:
                contract_id = (await read_instrument(connection, order.symbol)).venue_id
            body = place_body(order, account_id, contract_id)
            answer = await connection.rest.command("Order/place", body, lane=lane_of(order), handed=on_handed)
        except RequestUnknown as unknown:
            if handed:
                self._own.unknown(own, str(unknown))
            else:
                self._never_left(order, own, str(unknown))
        except TokenDead as dead:
            self._reject(own, dead)
            await self._renew(connection, generation)
        except Said as said:
            await self._judge(connection, own, said)
        except RequestRefused as refused:
            if handed:
                self._reject(own, refused)
            else:
                self._never_left(order, own, str(refused))
        except (VenueUnreachable, LoginRefused) as never:
            self._never_left(order, own, str(never))
        else:
            if answer.order_id is None:
                self._own.unknown(own, "the venue's answer names no order")
                return
            self._own.accepted(own.cl_ord_id, answer.order_id)
            if self._poll is not None:
                self._poll.expect(account_id, answer.order_id)

    def _reject(self, own: OwnOrder, refused: RequestRefused) -> None:
        self._own.rejected(own.cl_ord_id, 0, refused.reject_class, str(refused))

    def _never_left(self, order: ApprovedOrder, own: OwnOrder, reason: str) -> None:
        self._own.never_left(own)
        self._not_sent(order, reason)

    async def _renew(self, connection: Connection, stale: int) -> None:
        with contextlib.suppress(VenueUnreachable, LoginRefused):  # the stream meets the same, and says so
            await connection.login.renewed(stale)

    async def _judge(self, connection: Connection, own: OwnOrder, said: Said) -> None:
        """A refusal by code. Some codes have left an order in the market: those are a reject only when the venue has no
        live order of this tag; and "tag in use" may be the echo of our own first delivery."""
        reject = reject_class(said.code, str(said))
        if said.code not in _UNPROVEN or own.cl_ord_id in connection.facts.refused_tags:
            self._own.rejected(own.cl_ord_id, 0, reject, str(said))
            return
        if "tag" in str(said).lower() and "in use" in str(said).lower():
            self._own.unknown(own, f"{said}; asking the venue for the order that has it")
            if order_id := connection.facts.order_with(own.cl_ord_id):
                self._own.accepted(own.cl_ord_id, order_id)
            return
        try:
            found = [o for o in await open_orders(connection, own.account_id) if o.custom_tag == own.cl_ord_id]
            recent = await connection.rest.read(
                "Order/search",
                {"accountId": own.account_id, "startTimestamp": _minutes_ago(self._clock, 5)},
                lane=Lane.EXIT,
            )
        except VenueError as error:
            self._own.unknown(own, f"{said}; whether an order stands could not be read: {error}")
            return
        found += [o for o in recent.orders or () if o.custom_tag == own.cl_ord_id]
        if any(order.status != 5 for order in found):
            self._own.accepted(own.cl_ord_id, found[0].id)
            now_ns = self._clock.now_ns()
            for order in found:
                connection.facts.order(order, now_ns)
        else:
            self._own.rejected(own.cl_ord_id, 0, reject, str(said))

    def _not_sent(self, order: ApprovedOrder, reason: str) -> None:
        for event in not_sent(order, self._config.connection, self._clock.now_ns(), reason):
            self._emit(event)

    # --- commands ------------------------------------------------------------------------------------------------

    async def cancel(self, account: str, order_id: str, *, lane: Lane = Lane.CANCEL) -> None:
        """Raises RequestRefused or RequestUnknown."""
        connection, account_id = self._ready(account)
        body = {"accountId": account_id, "orderId": _number(order_id)}
        try:
            await self._command(connection, "Order/cancel", body, lane, unproven=(4, 5))
        except Said as said:
            if said.code == _NOT_FOUND:
                connection.facts.live.pop(_number(order_id), None)
            raise

    async def modify(
        self,
        account: str,
        order_id: str,
        qty: int,
        order_type: OrderType,
        limit_price: Decimal | None,
        stop_price: Decimal | None,
    ) -> None:
        """Raises RequestRefused or RequestUnknown."""
        connection, account_id = self._ready(account)
        number = _number(order_id)
        limit = limit_price if order_type in (OrderType.LIMIT, OrderType.STOP_LIMIT) else None
        stop = stop_price if order_type in (OrderType.STOP, OrderType.STOP_LIMIT) else None
        known = connection.facts.live.get(number)
        if known is not None:
            limit, stop = theirs(limit, known.contract_id), theirs(stop, known.contract_id)
        elif any(quotes_differ(contract_id) for contract_id in connection.contract_ids.values()):
            raise RequestRefused(f"the contract of order {number} is not known yet, nor how its prices are written")
        body = {
            "accountId": account_id,
            "orderId": number,
            "size": qty,
            "limitPrice": limit,
            "stopPrice": stop,
            "trailPrice": None,
        }
        await self._command(connection, "Order/modify", body, Lane.MODIFY, unproven=(4, 5))

    async def liquidate(self, account: str, symbol: str, cl_ord_id: str) -> None:
        """Cancel what works in the contract, close it, and sweep: closing leaves brackets behind, and one of them could
        open a new position. Raises RequestRefused or RequestUnknown."""
        connection, account_id = self._ready(account)
        never_twice((cl_ord_id,), self._own)
        self._own.use_up(cl_ord_id)
        if symbol not in connection.contract_ids:
            await read_instrument(connection, symbol)
        await self._sweep(connection, account, account_id, symbol)
        connection.facts.closing(cl_ord_id, account_id, symbol)
        body = {"accountId": account_id, "contractId": connection.contract_ids[symbol]}
        try:
            await self._command(connection, "Position/closeContract", body, Lane.EXIT, unproven=_CLOSE_UNPROVEN)
        except Said as said:
            if said.code not in _GONE:
                raise
        await self._sweep(connection, account, account_id, symbol)

    async def _sweep(self, connection: Connection, account: str, account_id: int, symbol: str) -> None:
        """Cancel the account's working orders in a contract; one that has just ended needs none."""
        try:
            working = await open_orders(connection, account_id)
        except (VenueUnreachable, LoginRefused) as error:
            raise RequestUnknown(str(error)) from None
        mine = [order for order in working if symbol_of(order.contract_id) == symbol]
        outcomes = await asyncio.gather(
            *(self.cancel(account, str(order.id), lane=Lane.EXIT) for order in mine), return_exceptions=True
        )
        for outcome in outcomes:
            if isinstance(outcome, BaseException) and not isinstance(outcome, Said):
                raise outcome

    def _ready(self, account: str) -> tuple[Connection, int]:
        connection = self._connection
        if connection is None or self._group is None:
            raise RequestRefused(f"connection {self._config.connection} is not connected", RejectClass.UNAVAILABLE)
        for account_id, known in connection.facts.accounts.items():
            if known.account == account:
                return connection, account_id
        raise RequestRefused(f"account {account} is not of this connection")

    async def _command(
        self, connection: Connection, path: str, body: Mapping[str, object], lane: Lane, *, unproven: tuple[int, ...]
    ) -> None:
        """One command; one that a dead token stopped is proven not taken and goes again with a new one."""
        timeout_s = connection.settings.deadline_s
        data = wire.encode(body)
        generation = connection.login.generation
        try:
            try:
                await connection.rest.command(path, data, lane=lane, timeout_s=timeout_s)
            except TokenDead:
                await connection.login.renewed(generation)
                await connection.rest.command(path, data, lane=lane, timeout_s=timeout_s)
        except (VenueUnreachable, LoginRefused) as not_taken:
            raise RequestRefused(str(not_taken), RejectClass.UNAVAILABLE) from None
        except Said as said:
            if said.code in unproven:
                raise RequestUnknown(f"{said}: whether it was taken is not known") from None
            raise


def _number(order_id: str) -> int:
    if not order_id.isdecimal():
        raise RequestRefused(f"order {order_id!r} is not an order of this venue: its ids are numbers")
    return int(order_id)


def _minutes_ago(clock: Clock, minutes: int) -> str:
    return to_datetime(clock.now_ns() - minutes * 60_000_000_000).isoformat()
