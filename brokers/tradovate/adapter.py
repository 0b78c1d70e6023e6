"""The production adapter of Tradovate: the port of `brokers/adapter.py` over one login's REST and sockets.
`engine/desk.py` builds one per connection. Facts: `protocols/tradovate.md`.

Orders leave over the socket; when it is down, reducing orders and commands leave over REST and entries do not leave.
"""

import asyncio
import random as random_module
from collections.abc import Sequence
from decimal import Decimal

import structlog

from brokers.adapter import (
    AdapterSettings,
    Capabilities,
    ConnectionHealth,
    Credentials,
    Emit,
    Event,
    LoginRefused,
    OrderNotSent,
    OrderSent,
    RequestRefused,
    RequestUnknown,
    Snapshot,
    StreamDown,
    VenueUnreachable,
)
from brokers.budget import RequestBudget
from brokers.tradovate import wire
from brokers.tradovate.answers import Outcome, Refused, Taken, judge
from brokers.tradovate.connection import Connection
from brokers.tradovate.directory import Directory
from brokers.tradovate.entities import Account
from brokers.tradovate.http import Addresses, Http, addresses
from brokers.tradovate.login import Login
from brokers.tradovate.market_data import MarketData, Watch
from brokers.tradovate.own import OwnOrder, OwnOrders
from brokers.tradovate.reads import read_instrument, read_snapshot
from brokers.tradovate.rest import Rest, taken_or_raise
from brokers.tradovate.session import Session, first_of
from brokers.tradovate.socket import OnAnswer, StreamLost
from brokers.tradovate.translate import modify_body, place_body
from schema.clock import Clock
from schema.records import (
    ApprovedOrder,
    ConnectionConfig,
    Environment,
    Instrument,
    OrderType,
    RejectClass,
)

log = structlog.get_logger()

_CAPABILITIES = Capabilities(
    venue="tradovate",
    client_tag=True,
    duplicate_tag_rejected=False,  # UNVERIFIED, so not relied on (1.3)
    native_brackets=True,
    native_trailing=True,
    flips=True,
    liquidates=True,
    market_data=True,
    order_types=frozenset(OrderType),
)


class TradovateAdapter:
    """One login at Tradovate (see `brokers.adapter.BrokerAdapter` for the contract of every method)."""

    def __init__(
        self,
        config: ConnectionConfig,
        credentials: Credentials,
        settings: AdapterSettings,
        clock: Clock,
        emit: Emit,
        random: random_module.Random,
    ) -> None:
        self.config = config
        self.capabilities = _CAPABILITIES
        self._credentials = credentials
        self._settings = settings
        self._clock = clock
        self._engine_emit = emit
        self._random = random
        self._budget = RequestBudget(
            clock, config.requests_per_min or settings.requests_per_min, settings.reserved_for_exits
        )
        self._directory = Directory()
        self._seen_fills: set[int] = set()
        self._own = OwnOrders(config.connection, clock, settings.deadline_s, self._emit, self._on_identified)
        self._runner: asyncio.Task[None] | None = None
        self._group: asyncio.TaskGroup | None = None
        self._session: Session | None = None
        self._market_data: MarketData | None = None
        self._connection: Connection | None = None
        self._closed = False
        self._refusal = ""

    def __repr__(self) -> str:
        return f"TradovateAdapter({self.config.connection!r})"

    # --- lifecycle -----------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        if self._runner is not None:
            raise RuntimeError(f"connection {self.config.connection} is already connected")
        self._closed = False
        urls = addresses(self.config)
        loop = asyncio.get_running_loop()
        up: asyncio.Future[None] = loop.create_future()
        self._runner = runner = loop.create_task(self._run(urls, up))
        try:
            await asyncio.wait([runner, up], return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await self.close()
            raise
        if not up.done():
            self._runner = None
            await runner  # raises what the first attempt ended with

    async def close(self) -> None:
        self._closed = True
        self._own.close()
        runner, self._runner = self._runner, None
        if runner is not None:
            runner.cancel()
            await asyncio.wait([runner])

    async def _run(self, urls: Addresses, up: asyncio.Future[None]) -> None:
        """Everything that runs for this login, until closed or refused."""
        http = Http(urls.rest)
        login = Login(self.config, self._credentials, http, self._budget, self._clock)
        rest = Rest(http, login, self._budget)
        self._connection = connection = Connection(
            config=self.config,
            settings=self._settings,
            clock=self._clock,
            random=self._random,
            emit=self._emit,
            urls=urls,
            http=http,
            login=login,
            rest=rest,
            budget=self._budget,
            directory=self._directory,
        )
        try:
            await login.log_in()
            await self._list_accounts(connection)
            self._session = session = Session(connection, self._own, self._seen_fills)
            self._market_data = MarketData(connection)
            async with asyncio.TaskGroup() as group:
                self._group = group
                helpers = [group.create_task(login.keep_fresh()), group.create_task(self._market_data.run())]
                await session.run(lambda: None if up.done() else up.set_result(None))
                for helper in helpers:
                    helper.cancel()
        except LoginRefused as refusal:
            self._refusal = str(refusal)
            raise
        except BaseExceptionGroup as group_error:
            error = first_of(group_error)
            if isinstance(error, LoginRefused | VenueUnreachable):
                self._refusal = str(error)
                raise error from None
            # Only a fault of ours comes here. The stream is over and nobody awaits this task: say it, and stop.
            log.error("connection failed", connection=self.config.connection, exc_info=group_error)
            if not up.done():
                raise
            self._emit(
                StreamDown(
                    connection=self.config.connection,
                    received_ns=self._clock.now_ns(),
                    reason="the connection failed inside the desk; restart the desk",
                    final=True,
                )
            )
        finally:
            self._group = None
            await login.close()
            await http.close()

    async def _list_accounts(self, connection: Connection) -> None:
        """The accounts of the login, and whether they belong to the environment it is set to (`1.6 d`)."""
        config, host = self.config, connection.http.host
        try:
            accounts = await connection.rest.read("account/list", list[Account], needed=True)
        except RequestRefused as refused:
            if refused.reject_class is RejectClass.AUTH:
                raise LoginRefused(
                    f"{host} gives {config.username} a token but no access to accounts: "
                    f"check that this login belongs to {config.environment.value}"
                ) from None
            raise VenueUnreachable(str(refused)) from None
        except RequestUnknown as unknown:
            raise VenueUnreachable(str(unknown)) from None
        if not accounts:
            raise LoginRefused(
                f"{host} lists no account for {config.username}: "
                f"check that this login belongs to {config.environment.value}"
            )
        demo = next((account.name for account in accounts if account.name.upper().startswith("DEMO")), None)
        if config.environment is Environment.LIVE and demo is not None:
            raise LoginRefused(
                f"connection {config.connection} is set to live but lists the demo account {wire.clean(demo)}: "
                'set its environment to "demo" or use a live login'
            )
        self._directory.add_accounts(accounts)

    def _emit(self, event: Event) -> None:
        if not self._closed:
            self._engine_emit(event)

    def _on_identified(self, account_id: int) -> None:
        if self._session is not None:
            self._session.release()

    # --- orders --------------------------------------------------------------------------------------------------

    async def place(self, orders: Sequence[ApprovedOrder]) -> None:
        for order in orders:
            if order.cl_ord_id in self._own:
                raise ValueError(f"order {order.cl_ord_id} was already sent; nothing is sent twice")
        for order in orders:
            account_id = self._directory.account_ids.get(order.account)
            if account_id is None:
                self._not_sent(order, f"account {order.account} is not of connection {self.config.connection}")
                continue
            session = self._session
            socket = session.socket if session is not None else None
            if socket is None or not socket.writable:
                self._place_without_socket(order, account_id)
                continue
            refusal = self._budget.take(order.reducing)
            if refusal:
                self._not_sent(order, refusal)
                continue
            own = self._register(order, account_id)
            try:
                await socket.request(
                    "order/placeorder",
                    self._on_placed(own),
                    body=wire.encode(place_body(order, account_id)),
                )
            except StreamLost as lost:
                self._own.never_left(own)
                self._not_sent(order, str(lost))
                continue
            self._sent(order, self._clock.now_ns())

    def _register(self, order: ApprovedOrder, account_id: int) -> OwnOrder:
        return self._own.sent(order.cl_ord_id, order.account, account_id, order.symbol, order.side)

    def _on_placed(self, own: OwnOrder) -> OnAnswer:
        def on_answer(envelope: wire.Envelope | None, now_ns: int) -> None:
            if envelope is None:
                self._own.unknown(own, "connection lost after the send")
            else:
                self._settle(own, judge(envelope.s or 0, envelope.d, needs_order_id=True))

        return on_answer

    def _settle(self, own: OwnOrder, outcome: Outcome) -> None:
        """Tell what the venue's own answer proves."""
        if isinstance(outcome, Taken):
            self._own.accepted(own.cl_ord_id, outcome.order_id)
        elif isinstance(outcome, Refused):
            self._learn(outcome)
            self._own.rejected(own.cl_ord_id, outcome.order_id, outcome.reject_class, outcome.text)
        else:
            self._own.unknown(own, outcome.reason)

    def _learn(self, outcome: Outcome) -> None:
        connection, session = self._connection, self._session
        if connection is not None:
            connection.rest.learn(outcome)
        if isinstance(outcome, Refused) and outcome.token_dead and session is not None:
            session.reauthorize()

    def _place_without_socket(self, order: ApprovedOrder, account_id: int) -> None:
        """Exits go by REST; an entry can wait for the stream that would tell how it ended."""
        if self._group is None or not order.reducing:
            reason = self._session.reason if self._session is not None else ""
            self._not_sent(order, f"no connection to the venue: {reason or 'not connected'}")
            return
        own = self._register(order, account_id)
        self._group.create_task(self._place_by_rest(order, own, wire.encode(place_body(order, account_id))))

    async def _place_by_rest(self, order: ApprovedOrder, own: OwnOrder, body: bytes) -> None:
        connection = self._connection
        assert connection is not None
        handed_ns = self._clock.now_ns()
        try:
            outcome = await connection.rest.command(
                "order/placeorder",
                body,
                reducing=order.reducing,
                order=True,
                # Ends before the deadline of the promise, which then has this answer to tell.
                timeout_s=self._settings.deadline_s * 0.9,
            )
        except (VenueUnreachable, RequestRefused) as not_sent:
            self._own.never_left(own)
            self._not_sent(order, str(not_sent))
            return
        except RequestUnknown as unknown:
            self._sent(order, handed_ns)
            self._own.unknown(own, str(unknown))
            return
        self._sent(order, handed_ns)
        self._settle(own, outcome)

    def _sent(self, order: ApprovedOrder, at_ns: int) -> None:
        self._emit(
            OrderSent(
                connection=self.config.connection,
                received_ns=at_ns,
                account=order.account,
                cl_ord_id=order.cl_ord_id,
            )
        )

    def _not_sent(self, order: ApprovedOrder, reason: str) -> None:
        self._emit(
            OrderNotSent(
                connection=self.config.connection,
                received_ns=self._clock.now_ns(),
                account=order.account,
                cl_ord_id=order.cl_ord_id,
                reason=reason,
            )
        )

    # --- commands ------------------------------------------------------------------------------------------------

    async def cancel(self, account: str, order_id: str) -> None:
        body = wire.encode({"orderId": _number(order_id), "isAutomated": True})
        taken_or_raise(await self._command("order/cancelorder", body, reducing=True))

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
        body = wire.encode(modify_body(_number(order_id), qty, order_type, limit_price, stop_price))
        taken_or_raise(await self._command("order/modifyorder", body, reducing=False))

    async def liquidate(self, account: str, symbol: str, cl_ord_id: str) -> None:
        account_id = self._directory.account_ids.get(account)
        if account_id is None:
            raise RequestRefused(f"account {account} is not of connection {self.config.connection}")
        if cl_ord_id in self._own:
            raise ValueError(f"order {cl_ord_id} was already sent; nothing is sent twice")
        contract_id = self._directory.contract_ids.get(symbol)
        if contract_id is None:
            await self.instrument(symbol)
            contract_id = self._directory.contract_ids[symbol]
        body = wire.encode({"accountId": account_id, "contractId": contract_id, "admin": False, "isAutomated": True})
        own = self._own.sent(cl_ord_id, account, account_id, symbol, None, promise=False)
        try:
            taken = taken_or_raise(await self._command("order/liquidateposition", body, reducing=True))
        except (RequestRefused, VenueUnreachable):
            self._own.never_left(own)
            raise
        if taken.order_id:
            self._own.accepted(cl_ord_id, taken.order_id)

    async def _command(self, path: str, body: bytes, *, reducing: bool) -> Outcome:
        """Over the socket, or over REST when it is down. Raises RequestRefused or RequestUnknown."""
        connection, session = self._connection, self._session
        if connection is None or session is None or self._group is None:
            raise RequestRefused(f"connection {self.config.connection} is not connected", RejectClass.UNAVAILABLE)
        socket = session.socket
        if socket is None or not socket.writable:
            try:
                return await connection.rest.command(
                    path, body, reducing=reducing, order=False, timeout_s=self._settings.deadline_s
                )
            except VenueUnreachable as unreachable:
                raise RequestRefused(str(unreachable), RejectClass.UNAVAILABLE) from None
        refusal = self._budget.take(reducing)
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
        return outcome

    # --- reads ---------------------------------------------------------------------------------------------------

    async def instrument(self, symbol: str) -> Instrument:
        known = self._directory.instruments.get(symbol)
        return known if known is not None else await read_instrument(self._ready(), symbol)

    async def snapshot(self) -> Snapshot:
        return await read_snapshot(self._ready(), self._own)

    async def watch(self, symbol: str, interval_s: int, history: int) -> None:
        self._ready()
        await self.instrument(symbol)  # names the contract, so that its quotes can be told apart
        assert self._market_data is not None
        await self._market_data.watch(Watch(symbol, interval_s, history))

    def _ready(self) -> Connection:
        if self._connection is None or self._group is None:
            raise RequestUnknown(f"connection {self.config.connection} is not connected")
        return self._connection

    def health(self) -> ConnectionHealth:
        session = self._session
        latest = session.latest if session is not None else None
        state = session.state if session is not None else "down"
        reason = session.reason if session is not None else ""
        if self._refusal:
            state, reason = "refused", self._refusal
        elif self._runner is None:
            state = "down"
        elif session is None:
            state = "connecting"
        return ConnectionHealth(
            connection=self.config.connection,
            state=state,
            reason=reason,
            last_message_ns=latest.last_message_ns if latest is not None else -1,
            reconnects=session.reconnects if session is not None else 0,
            unreadable=session.unreadable if session is not None else 0,
            budget_per_min=self._budget.per_min,
            budget_left=self._budget.left(),
            round_trip_ms=latest.round_trip_ms if latest is not None else -1.0,
        )


def _number(order_id: str) -> int:
    if not order_id.isdecimal():
        raise RequestRefused(f"order {order_id!r} is not an order of this venue: its ids are numbers")
    return int(order_id)
