"""Orders and commands on their way out: over the socket in one pass, over REST when it is down. `adapter.py` owns one.

Entries never leave by REST: the stream that would tell how they ended is down. Nothing is sent twice.
"""

import asyncio
from collections.abc import Sequence
from decimal import Decimal

from brokers.adapter import (
    AdapterSettings,
    Emit,
    Event,
    LoginRefused,
    OrderSent,
    RequestRefused,
    RequestUnknown,
    VenueUnreachable,
)
from brokers.budget import Lane, RequestBudget, lane_of
from brokers.own import OwnOrder, OwnOrders, never_twice, not_sent
from brokers.tradovate import wire
from brokers.tradovate.answers import Outcome, Refused, Taken, judge
from brokers.tradovate.connection import Connection
from brokers.tradovate.directory import Directory
from brokers.tradovate.rest import taken_or_raise
from brokers.tradovate.session import Session
from brokers.tradovate.socket import OnAnswer, StreamLost, VenueSocket
from brokers.tradovate.translate import modify_body, place_body, place_endpoint
from schema.clock import Clock
from schema.records import ApprovedOrder, ConnectionConfig, OrderType, RejectClass


class Sender:
    """Everything of one login that leaves and could change an order."""

    def __init__(
        self,
        config: ConnectionConfig,
        settings: AdapterSettings,
        clock: Clock,
        emit: Emit,
        budget: RequestBudget,
        directory: Directory,
        own: OwnOrders,
    ) -> None:
        self.config = config
        self._settings = settings
        self._clock = clock
        self._emit = emit
        self._budget = budget
        self._directory = directory
        self._own = own
        self._connection: Connection | None = None
        self._session: Session | None = None
        self._group: asyncio.TaskGroup | None = None

    def attach(self, connection: Connection, session: Session, group: asyncio.TaskGroup) -> None:
        """The login is up; `group` holds the requests that go by REST."""
        self._connection, self._session, self._group = connection, session, group

    def detach(self) -> None:
        self._group = None

    def place(self, orders: Sequence[ApprovedOrder]) -> None:
        """See `brokers/adapter.py`, place_at_once."""
        never_twice((leg.cl_ord_id for order in orders for leg in order.legs), self._own)
        # Bytes first: what the engine does with each OrderSent must not delay the next order.
        told: list[Event] = []
        leaving: list[tuple[ApprovedOrder, list[OwnOrder], bytes]] = []
        socket = self._session.socket if self._session is not None else None
        for order in orders:
            account_id = self._directory.account_ids.get(order.account)
            if account_id is None:
                told.extend(self._not_sent(order, f"account {order.account} is not of this connection"))
            elif socket is None or not socket.writable:
                told.extend(self._place_without_socket(order, account_id))
            elif refusal := self._budget.take(lane_of(order)):
                told.extend(self._not_sent(order, refusal))
            else:
                body = wire.encode(place_body(order, account_id))
                leaving.append((order, self._register(order, account_id), body))
        if leaving and socket is not None:
            told.extend(self._write(socket, leaving))
        self._tell(told)

    def _write(
        self, socket: VenueSocket, leaving: Sequence[tuple[ApprovedOrder, list[OwnOrder], bytes]]
    ) -> list[Event]:
        try:
            socket.request_all([(place_endpoint(order), self._on_placed(own), body) for order, own, body in leaving])
        except StreamLost as lost:
            for _, own, _ in leaving:
                self._never_left(own)
            return [event for order, _, _ in leaving for event in self._not_sent(order, str(lost))]
        at_ns = self._clock.now_ns()
        return [event for order, _, _ in leaving for event in self._sent(order, at_ns)]

    def _register(self, order: ApprovedOrder, account_id: int) -> list[OwnOrder]:
        """Every order of the request, the one that carries the others first."""
        return [self._own.sent(leg.cl_ord_id, leg.account, account_id, leg.symbol, leg.side) for leg in order.legs]

    def _never_left(self, own: Sequence[OwnOrder]) -> None:
        for leg in own:
            self._own.never_left(leg)

    def _on_placed(self, own: Sequence[OwnOrder]) -> OnAnswer:
        def on_answer(envelope: wire.Envelope | None, now_ns: int) -> None:
            if envelope is None:
                self._unknown(own, "connection lost after the send")
            else:
                self._settle(own, judge(envelope.s or 0, envelope.d, needs_order_id=True))

        return on_answer

    def _settle(self, own: Sequence[OwnOrder], outcome: Outcome) -> None:
        """Tell what the venue's own answer proves. A leg that the answer does not name is left to the stream, or to
        its deadline; a refusal is one of all legs."""
        if isinstance(outcome, Taken):
            for leg, order_id in zip(own, (outcome.order_id, *outcome.linked), strict=False):
                self._own.accepted(leg.cl_ord_id, order_id)
        elif isinstance(outcome, Refused):
            self._learn(outcome)
            for leg in own:
                order_id = outcome.order_id if leg is own[0] else 0
                self._own.rejected(leg.cl_ord_id, order_id, outcome.reject_class, outcome.text)
        else:
            self._unknown(own, outcome.reason)

    def _unknown(self, own: Sequence[OwnOrder], reason: str) -> None:
        for leg in own:
            self._own.unknown(leg, reason)

    def _learn(self, outcome: Outcome) -> None:
        connection, session = self._connection, self._session
        if connection is not None:
            connection.rest.learn(outcome)
        if isinstance(outcome, Refused) and outcome.token_dead and session is not None:
            session.reauthorize()

    def _place_without_socket(self, order: ApprovedOrder, account_id: int) -> list[Event]:
        """Exits go by REST; an entry can wait for the stream that would tell how it ended."""
        if self._group is None or not order.reducing:
            reason = self._session.reason if self._session is not None else ""
            return self._not_sent(order, f"no connection to the venue: {reason or 'not connected'}")
        own = self._register(order, account_id)
        self._group.create_task(self._place_by_rest(order, own, wire.encode(place_body(order, account_id))))
        return []

    async def _place_by_rest(self, order: ApprovedOrder, own: Sequence[OwnOrder], body: bytes) -> None:
        connection = self._connection
        assert connection is not None
        handed_ns = self._clock.now_ns()
        try:
            outcome = await connection.rest.command(
                place_endpoint(order),
                body,
                lane=lane_of(order),
                order=True,
                # Ends before the deadline of the promise, which then has this answer to tell.
                timeout_s=self._settings.deadline_s * 0.9,
            )
        except (VenueUnreachable, RequestRefused) as not_sent:
            self._never_left(own)
            self._tell(self._not_sent(order, str(not_sent)))
            return
        except RequestUnknown as unknown:
            self._tell(self._sent(order, handed_ns))
            self._unknown(own, str(unknown))
            return
        self._tell(self._sent(order, handed_ns))
        self._settle(own, outcome)

    def _tell(self, events: Sequence[Event]) -> None:
        for event in events:
            self._emit(event)

    def _sent(self, order: ApprovedOrder, at_ns: int) -> list[Event]:
        """What is told of every leg of an order that left."""
        name = self.config.connection
        return [
            OrderSent(connection=name, received_ns=at_ns, account=leg.account, cl_ord_id=leg.cl_ord_id)
            for leg in order.legs
        ]

    def _not_sent(self, order: ApprovedOrder, reason: str) -> list[Event]:
        return [*not_sent(order, self.config.connection, self._clock.now_ns(), reason)]

    # --- commands ------------------------------------------------------------------------------------------------

    async def cancel(self, account: str, order_id: str) -> None:
        self._check_owner(account, order_id)
        body = wire.encode({"orderId": _number(order_id), "isAutomated": True})
        taken_or_raise(await self._command("order/cancelorder", body, lane=Lane.CANCEL))

    async def modify(
        self,
        account: str,
        order_id: str,
        qty: int,
        order_type: OrderType,
        limit_price: Decimal | None,
        stop_price: Decimal | None,
        trail: Decimal | None = None,
    ) -> None:
        self._check_owner(account, order_id)
        body = wire.encode(modify_body(_number(order_id), qty, order_type, limit_price, stop_price, trail))
        taken_or_raise(await self._command("order/modifyorder", body, lane=Lane.MODIFY))

    def _check_owner(self, account: str, order_id: str) -> None:
        """The venue takes an order's id alone: what is known to be another account's is refused here."""
        if account not in self._directory.account_ids:
            raise RequestRefused(f"account {account} is not of this connection")
        joined = self._session.joined if self._session is not None else None
        owner = joined.owner(_number(order_id)) if joined is not None else None
        if owner not in (None, account):
            raise RequestRefused(f"order {order_id} is not of account {account}")

    async def liquidate(self, account: str, symbol: str, cl_ord_id: str) -> None:
        """The caller has made the contract of `symbol` known."""
        account_id = self._directory.account_ids.get(account)
        if account_id is None:
            raise RequestRefused(f"account {account} is not of this connection")
        never_twice((cl_ord_id,), self._own)
        contract_id = self._directory.contract_ids[symbol]
        body = wire.encode({"accountId": account_id, "contractId": contract_id, "admin": False, "isAutomated": True})
        own = self._own.sent(cl_ord_id, account, account_id, symbol, None, promise=False)
        try:
            taken = taken_or_raise(await self._command("order/liquidateposition", body, lane=Lane.EXIT))
        except (RequestRefused, VenueUnreachable):
            self._own.never_left(own)
            raise
        if taken.order_id:
            self._own.accepted(cl_ord_id, taken.order_id)

    async def _command(self, path: str, body: bytes, *, lane: Lane) -> Outcome:
        """Over the socket, or over REST when it is down. Raises RequestRefused or RequestUnknown."""
        connection, session = self._connection, self._session
        if connection is None or session is None or self._group is None:
            raise RequestRefused(f"connection {self.config.connection} is not connected", RejectClass.UNAVAILABLE)
        socket = session.socket
        if socket is None or not socket.writable:
            return await self._by_rest(connection, path, body, lane)
        refusal = self._budget.take(lane)
        if refusal:
            raise RequestRefused(refusal, RejectClass.THROTTLED)
        try:
            answer = await socket.ask(path, body=body, timeout_s=self._settings.deadline_s)
        except StreamLost as lost:
            raise RequestRefused(f"not sent: {lost}", RejectClass.UNAVAILABLE) from None
        except TimeoutError:
            raise RequestUnknown(f"no answer from the venue in {self._settings.deadline_s:g} s") from None
        except ConnectionError:
            raise RequestUnknown("connection lost after the send") from None
        outcome = judge(answer.s or 0, answer.d, needs_order_id=False)
        self._learn(outcome)
        if isinstance(outcome, Refused) and outcome.token_dead:  # proven not taken: it goes again with a new token
            return await self._by_rest(connection, path, body, lane)
        return outcome

    async def _by_rest(self, connection: Connection, path: str, body: bytes, lane: Lane) -> Outcome:
        try:
            return await connection.rest.command(
                path, body, lane=lane, order=False, timeout_s=self._settings.deadline_s
            )
        except (VenueUnreachable, LoginRefused) as not_taken:
            raise RequestRefused(str(not_taken), RejectClass.UNAVAILABLE) from None


def _number(order_id: str) -> int:
    if not order_id.isdecimal():
        raise RequestRefused(f"order {order_id!r} is not an order of this venue: its ids are numbers")
    return int(order_id)
