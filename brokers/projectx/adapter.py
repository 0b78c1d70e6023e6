"""The production adapter of ProjectX (TopstepX and other firms' gateways): the port of `brokers/adapter.py` over one
login's HTTP requests and hubs. `engine/desk.py` builds one per connection. Facts: `protocols/projectx.md`.
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
from brokers.projectx import POLICY, finding
from brokers.projectx.connection import Connection, Timing
from brokers.projectx.facts import Facts
from brokers.projectx.history import ProjectXHistory
from brokers.projectx.http import Addresses, Http, addresses
from brokers.projectx.login import Login
from brokers.projectx.market_data import MarketData, Watch
from brokers.projectx.poll import Poll
from brokers.projectx.reads import LISTS, first_of, list_accounts, read_exposure, read_instrument, read_snapshot
from brokers.projectx.rest import Rest
from brokers.projectx.sending import Sender
from brokers.projectx.session import Session
from brokers.projectx.translate import ORDER_TYPES, TIMES_IN_FORCE
from brokers.runner import Runner
from schema.clock import Clock
from schema.market import FeedHealth
from schema.records import ApprovedOrder, ConnectionConfig, Environment, Instrument, OrderType

log = structlog.get_logger()

REQUESTS_PER_MIN = 200  # per user, and so for all accounts of the login together
BARS_PER_MIN = 50  # the page says 50 in 30 s, an older copy of it 30
_HISTORY_PAGE = 500  # candles in an answer that the desk reads beside its orders
CAPABILITIES = Capabilities(
    venue="projectx",
    client_tag=True,
    duplicate_tag_rejected=True,
    native_brackets=True,
    native_trailing=False,  # what trailPrice means is not verified
    flips=True,
    liquidates=True,
    market_data=True,
    depth=True,
    order_types=ORDER_TYPES,
    times_in_force=TIMES_IN_FORCE,
    policy=POLICY,
    find=Requests(once=0, each=finding.AT_MOST),
    reading=Requests(once=1, each=LISTS),
)


class ProjectXAdapter:
    """One login at a ProjectX gateway (see `brokers.adapter.BrokerAdapter` for the contract of every method)."""

    def __init__(
        self,
        config: ConnectionConfig,
        credentials: Credentials,
        settings: AdapterSettings,
        clock: Clock,
        emit: Emit,
        random: random_module.Random,
        timing: Timing | None = None,
    ) -> None:
        self.config = config
        self.capabilities = CAPABILITIES
        self._credentials = credentials
        self._settings = settings
        self._timing = timing or Timing()
        self._clock = clock
        self._engine_emit = emit
        self._random = random
        per_min = config.requests_per_min or REQUESTS_PER_MIN
        self._budget = RequestBudget(clock, per_min, settings.reserved_for_exits)
        self._own = OwnOrders(config.connection, clock, settings.deadline_s, self._emit, self._on_identified)
        self._facts = Facts(config.connection, clock, self._own, self._emit)
        self._sender = Sender(config, clock, self._emit, self._own)
        self._contract_ids: dict[str, str] = {}
        self._runner = Runner(config.connection)
        self._connection: Connection | None = None
        self._session: Session | None = None
        self._market_data: MarketData | None = None
        self._alive = False
        self._closed = False
        self._was_up = False
        self._refusal = ""

    def __repr__(self) -> str:
        return f"ProjectXAdapter({self.config.connection!r})"

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
        bars = RequestBudget(self._clock, BARS_PER_MIN, 0)
        self._connection = connection = Connection(
            config=self.config,
            settings=self._settings,
            timing=self._timing,
            clock=self._clock,
            random=self._random,
            emit=self._emit,
            urls=urls,
            host=http.host,
            login=login,
            rest=Rest(http, login, self._budget, bars),
            budget=self._budget,
            facts=self._facts,
            contract_ids=self._contract_ids,
        )
        try:
            await login.log_in()
            await self._meet_accounts(connection)
            poll = Poll(connection)
            self._session = session = Session(connection, poll, first=not self._was_up)
            self._market_data = MarketData(connection)
            async with asyncio.TaskGroup() as group:
                self._alive = True
                self._sender.attach(connection, session, poll, group)
                helpers = [
                    group.create_task(each) for each in (login.keep_fresh(), poll.run(), self._market_data.run())
                ]
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
            self._alive = False
            self._sender.detach()
            await login.close()
            await http.close()

    async def _meet_accounts(self, connection: Connection) -> None:
        """The accounts of the login, and whether they belong to the environment it is set to."""
        config, host = self.config, connection.host
        try:
            accounts = await list_accounts(connection, needed=True)
        except (RequestRefused, RequestUnknown) as error:
            raise VenueUnreachable(str(error)) from None
        if not accounts:
            raise LoginRefused(f"{host} lists no active account for {config.username}: check the login and rest_url")
        real = next((each for each in accounts if not each.simulated), None)
        if config.environment is Environment.DEMO and real is not None:
            raise LoginRefused(
                f"connection {config.connection} is set to demo but lists {self._facts.name(real.id)}, which trades "
                'real money: set its environment to "live" or use another login'
            )

    def _on_first_up(self, up: asyncio.Future[None]) -> None:
        self._was_up = True
        if not up.done():
            up.set_result(None)

    def _emit(self, event: Event) -> None:
        if not self._closed:
            self._engine_emit(event)

    def _on_identified(self, account_id: int) -> None:
        self._facts.release(self._clock.now_ns())

    # --- orders and commands -------------------------------------------------------------------------------------

    async def place(self, orders: Sequence[ApprovedOrder]) -> None:
        self._sender.place(orders)
        await asyncio.sleep(0)  # the requests start

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

    async def liquidate(self, account: str, symbol: str, cl_ord_id: str) -> None:
        await self._sender.liquidate(account, symbol, cl_ord_id)

    # --- reads ---------------------------------------------------------------------------------------------------

    async def instrument(self, symbol: str) -> Instrument:
        return await read_instrument(self._ready(), symbol)

    async def snapshot(self) -> Snapshot:
        connection = self._ready()
        assert self._session is not None
        return await read_snapshot(connection, self._session.disturbed)

    async def find(self, wanted: Sequence[Wanted]) -> tuple[Found, ...]:
        return await finding.find_orders(self._ready(), wanted)

    async def exposure(self) -> Exposure:
        return await read_exposure(self._ready())

    async def watch(self, symbol: str, interval_s: int, history: int) -> None:
        self._ready()
        if symbol not in self._contract_ids:
            await self.instrument(symbol)
        assert self._market_data is not None
        await self._market_data.watch(Watch(symbol, interval_s, history))

    async def follow(self, symbol: str) -> None:
        """`brokers/adapter.py` TellsMarket."""
        self._ready()
        if symbol not in self._contract_ids:
            await self.instrument(symbol)
        assert self._market_data is not None
        await self._market_data.follow(symbol)

    def market_health(self) -> FeedHealth | None:
        """`brokers/adapter.py` TellsMarket."""
        return self._market_data.health() if self._market_data is not None else None

    def history(self) -> ProjectXHistory:
        """`brokers/adapter.py` TellsHistory."""
        if self._connection is None:
            raise FeedDown(f"source: {self.config.connection} is not connected.")
        connection = self._connection
        return ProjectXHistory(connection.rest, connection.host, ids=connection.contract_ids, page=_HISTORY_PAGE)

    def _ready(self) -> Connection:
        if self._connection is None or not self._alive:
            raise RequestUnknown(f"connection {self.config.connection} is not connected")
        return self._connection

    def health(self) -> ConnectionHealth:
        session = self._session
        hub = session.hub if session is not None else None
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
            last_message_ns=hub.last_message_ns if hub is not None else -1,
            reconnects=session.reconnects if session is not None else 0,
            unreadable=session.unreadable if session is not None else 0,
            budget_per_min=self._budget.per_min,
            budget_left=self._budget.left(),
            round_trip_ms=-1.0,
        )
