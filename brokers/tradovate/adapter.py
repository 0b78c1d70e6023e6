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
    Exposure,
    Found,
    LoginRefused,
    RequestRefused,
    Requests,
    RequestUnknown,
    Snapshot,
    StreamDown,
    VenueUnreachable,
    Wanted,
)
from brokers.budget import RequestBudget
from brokers.feed import FeedDown
from brokers.own import OwnOrders
from brokers.runner import Runner
from brokers.tradovate import finding, wire
from brokers.tradovate.connection import Connection
from brokers.tradovate.directory import Directory
from brokers.tradovate.entities import Account
from brokers.tradovate.history import TradovateHistory
from brokers.tradovate.http import Addresses, Http, addresses
from brokers.tradovate.login import Login
from brokers.tradovate.market_data import MarketData, Watch
from brokers.tradovate.reads import LISTS, read_exposure, read_instrument, read_snapshot
from brokers.tradovate.rest import Rest
from brokers.tradovate.sending import Sender
from brokers.tradovate.session import Session, first_of
from schema.clock import Clock
from schema.market import FeedHealth
from schema.records import (
    ApprovedOrder,
    ConnectionConfig,
    Environment,
    Instrument,
    OrderType,
    RejectClass,
)

log = structlog.get_logger()

CAPABILITIES = Capabilities(
    venue="tradovate",
    client_tag=True,
    duplicate_tag_rejected=False,  # UNVERIFIED, so not relied on (1.3)
    native_brackets=True,
    native_trailing=True,
    flips=True,
    liquidates=True,
    market_data=True,
    depth=True,
    order_types=frozenset(OrderType),
    links_orders=True,  # placeoco and placeoso, both at absolute prices (1.3)
    find=Requests(once=finding.AT_MOST, each=0),
    reading=Requests(once=LISTS, each=0),
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
        self.capabilities = CAPABILITIES
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
        self._sender = Sender(config, settings, clock, self._emit, self._budget, self._directory, self._own)
        self._runner = Runner(config.connection)
        self._group: asyncio.TaskGroup | None = None
        self._session: Session | None = None
        self._market_data: MarketData | None = None
        self._connection: Connection | None = None
        self._closed = False
        self._was_up = False
        self._refusal = ""

    def __repr__(self) -> str:
        return f"TradovateAdapter({self.config.connection!r})"

    # --- lifecycle -----------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        self._runner.must_be_idle()
        self._closed, self._refusal = False, ""
        urls = addresses(self.config)
        up: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        await self._runner.start(self._run(urls, up), up, self.close)

    async def close(self) -> None:
        self._closed = True
        self._own.close()
        await self._runner.stop()

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
            self._session = session = Session(connection, self._own, self._seen_fills, first=not self._was_up)
            self._market_data = MarketData(connection)
            async with asyncio.TaskGroup() as group:
                self._group = group
                self._sender.attach(connection, session, group)
                helpers = [group.create_task(login.keep_fresh()), group.create_task(self._market_data.run())]
                await session.run(lambda: self._on_first_up(up))
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
            self._sender.detach()
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
        # A token answer without userId: the accounts say whose they are.
        connection.login.user_id = connection.login.user_id or accounts[0].user_id or 0

    def _on_first_up(self, up: asyncio.Future[None]) -> None:
        self._was_up = True
        if not up.done():
            up.set_result(None)

    def _emit(self, event: Event) -> None:
        if not self._closed:
            self._engine_emit(event)

    def _on_identified(self, account_id: int) -> None:
        if self._session is not None:
            self._session.release()

    # --- orders and commands -------------------------------------------------------------------------------------

    async def place(self, orders: Sequence[ApprovedOrder]) -> None:
        self._sender.place(orders)

    def place_at_once(self, orders: Sequence[ApprovedOrder]) -> None:
        self._sender.place(orders)

    async def cancel(self, account: str, order_id: str) -> None:
        await self._sender.cancel(account, order_id)

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
        await self._sender.modify(account, order_id, qty, order_type, limit_price, stop_price)

    async def modify_trailing(
        self, account: str, order_id: str, *, qty: int, trail: Decimal, stop_price: Decimal | None
    ) -> None:
        await self._sender.modify(account, order_id, qty, OrderType.TRAILING_STOP, None, stop_price, trail)

    async def liquidate(self, account: str, symbol: str, cl_ord_id: str) -> None:
        if symbol not in self._directory.contract_ids:
            await self.instrument(symbol)
        await self._sender.liquidate(account, symbol, cl_ord_id)

    # --- reads ---------------------------------------------------------------------------------------------------

    async def instrument(self, symbol: str) -> Instrument:
        return await read_instrument(self._ready(), symbol)

    async def snapshot(self) -> Snapshot:
        return await read_snapshot(self._ready(), self._own, self._lasting(), self._working)

    async def find(self, wanted: Sequence[Wanted]) -> tuple[Found, ...]:
        return await finding.find_orders(self._ready(), self._own, wanted)

    async def exposure(self) -> Exposure:
        return await read_exposure(self._ready(), self._lasting(), self._working)

    def _lasting(self) -> set[tuple[int, int]]:
        """The rows that the stream knows of and a whole reading must list."""
        joined = self._session.joined if self._session is not None else None
        return joined.lasting_rows() if joined is not None else set()

    def _working(self) -> set[tuple[int, int]]:
        """The orders that the stream knows as working."""
        joined = self._session.joined if self._session is not None else None
        return joined.working_orders() if joined is not None else set()

    async def watch(self, symbol: str, interval_s: int, history: int) -> None:
        self._ready()
        if symbol not in self._directory.contract_ids:
            await self.instrument(symbol)  # names the contract, so that its quotes can be told apart
        assert self._market_data is not None
        await self._market_data.watch(Watch(symbol, interval_s, history))

    async def follow(self, symbol: str) -> None:
        """`brokers/adapter.py` TellsMarket."""
        self._ready()
        if symbol not in self._directory.contract_ids:
            await self.instrument(symbol)
        assert self._market_data is not None
        await self._market_data.follow(symbol)

    def market_health(self) -> FeedHealth | None:
        """`brokers/adapter.py` TellsMarket."""
        return self._market_data.health() if self._market_data is not None else None

    def history(self) -> TradovateHistory:
        """`brokers/adapter.py` TellsHistory."""
        if self._market_data is None:
            raise FeedDown(f"source: {self.config.connection} is not connected.")
        return TradovateHistory(self._market_data, self._clock)

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
        elif not self._runner.started:
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
