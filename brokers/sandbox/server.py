"""The sandbox as a running venue: market, doors, control socket and leader on one event loop.

The composition root of the package: `__main__.py` runs it as a process, tests may run it in their own loop.
"""

import asyncio
import itertools
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from aiohttp import web

from brokers.sandbox.accounts import Account
from brokers.sandbox.charts import ChartBook
from brokers.sandbox.control import Control
from brokers.sandbox.instruments import Catalogue
from brokers.sandbox.leader import Leader
from brokers.sandbox.market_synthetic import SyntheticMarket
from brokers.sandbox.market_tape import Market, TapeMarket
from brokers.sandbox.order_flow import Print
from brokers.sandbox.settings import DoorSettings
from brokers.sandbox.tradovate_auth import User
from brokers.sandbox.tradovate_door import Door
from brokers.sandbox.tradovate_rest import TradovateRest
from brokers.sandbox.tradovate_socket import Socket
from brokers.sandbox.venue import Venue
from schema.clock import Clock
from schema.records import Record

_MARKET_STEP_S = 0.01
_FIRST_USER_ID = 15_001
_FIRST_ACCOUNT_ID = 425_001


class Login(Record, frozen=True):
    """A login to offer, with the names of its accounts; no password: one is drawn from the seed."""

    username: str
    accounts: tuple[str, ...]
    password: str = ""


def desk_logins(logins: int = 4, accounts_per_login: int = 5) -> tuple[Login, ...]:
    """The usual layout: a leader's login with DEMO1000, then logins desk1, desk2, ... with DEMO1001 and on."""
    names = (f"DEMO{number}" for number in itertools.count(1001))
    desks = (
        Login(username=f"desk{number}", accounts=tuple(itertools.islice(names, accounts_per_login)))
        for number in range(1, logins + 1)
    )
    return (Login(username="leader", accounts=("DEMO1000",)), *desks)


class Options(Record, frozen=True):
    """How a sandbox is set up. `speed` is the market's time per real time; the first login leads."""

    logins: tuple[Login, ...] = desk_logins()
    tape: Path | None = None
    speed: float = 1.0
    seed: int = 1
    port: int = 0
    control: Path | None = None
    balance: Decimal = Decimal(250_000)
    leader_on: bool = False
    leader_pace_s: float = 0.5
    door: DoorSettings = DoorSettings()


class Sandbox:
    """See the module's docstring. `clock` is the wall clock: orders and fills carry its time."""

    def __init__(self, options: Options, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        # Ids begin with the wall clock's milliseconds, so that no two runs give the same id to two fills.
        ids = itertools.count(clock.now_ns() // 1_000_000)
        catalogue = Catalogue()
        self.venue = Venue(catalogue, clock, lambda: next(ids))
        self.charts = {contract.contract_id: ChartBook() for contract in catalogue.fronts}
        self.market: Market = self._make_market(catalogue)
        self.door = Door(self.venue, self.market, self.charts, clock, self._random("door"), options.door)
        self.logins: list[dict[str, Any]] = []
        self.sockets: set[Socket] = set()
        self.market_paused = False
        self.leading = asyncio.Event()
        self.leader_pace_s = options.leader_pace_s
        self._add_logins()
        self.leader = Leader(self.venue, next(iter(self.venue.accounts)), catalogue.fronts[0], self._random("leader"))
        if options.leader_on:
            self.leading.set()
        self.door.auth.session_ended = self._end_session
        self.venue.prints = self._on_print
        self.market.open(self.venue)

    def sockets_of(self, login: str) -> list[Socket]:
        """The open sockets of a login; of all for ''."""
        return [socket for socket in self.sockets if login in ("", socket.login)]

    async def run(self, ready: "asyncio.Future[dict[str, Any]]", stop: asyncio.Event) -> None:
        """Open the doors, set `ready` to the ready line, live until `stop`. Raises OSError, in a group, when an
        address is taken."""
        try:
            async with asyncio.TaskGroup() as group:
                await self._live(group, ready, stop)
                raise _Stopped
        except* _Stopped:
            pass

    # --- inside ------------------------------------------------------------------------------------------------------

    async def _live(
        self, group: asyncio.TaskGroup, ready: "asyncio.Future[dict[str, Any]]", stop: asyncio.Event
    ) -> None:
        rest = TradovateRest(self.door, self.sockets, group)

        def later(after_s: float, act: Callable[[], None]) -> None:
            group.create_task(_after(after_s, act))

        self.door.trading.later = later
        runner = web.AppRunner(rest.application(), access_log=None, handle_signals=False, shutdown_timeout=0.2)
        await runner.setup()
        control: asyncio.Server | None = None
        try:
            await web.TCPSite(runner, "127.0.0.1", self._options.port).start()
            if self._options.control is not None:
                control = await self._open_control(self._options.control, group)
            for loop in (self._play(), self._quote(), self._lead()):
                group.create_task(loop)
            ready.set_result(self._ready_line(runner.addresses[0][1]))
            await stop.wait()
        finally:
            for socket in list(self.sockets):
                socket.abort()
            await runner.cleanup()
            if control is not None and self._options.control is not None:
                control.close()
                self._options.control.unlink(missing_ok=True)

    def _random(self, purpose: str) -> Random:
        return Random(f"{self._options.seed}:{purpose}")

    def _make_market(self, catalogue: Catalogue) -> Market:
        if self._options.tape is not None:
            return TapeMarket(self._options.tape, catalogue.fronts)
        made_up = SyntheticMarket(self._random("market"), catalogue.fronts, self._clock.now_ns())
        for trade in made_up.past():
            for chart in self.charts.values():
                chart.on_print(trade.at_ns, trade.ticks, trade.size, trade.aggressor)
        return made_up

    def _add_logins(self) -> None:
        passwords = self._random("passwords")
        account_id = _FIRST_ACCOUNT_ID
        for number, login in enumerate(self._options.logins):
            drawn = f"{passwords.getrandbits(64):016x}"
            user = User(_FIRST_USER_ID + number, login.username, login.password or drawn)
            self.door.add_user(user)
            shown: list[dict[str, Any]] = []
            for name in login.accounts:
                account = Account(
                    account_id, name, user.user_id, self._options.balance, live=not name.startswith("DEMO")
                )
                self.venue.accounts[account_id] = account
                self.door.records.add_account(account)
                user.account_ids.append(account_id)
                shown.append({"name": name, "id": account_id})
                account_id += 1
            self.logins.append({"username": user.name, "password": user.password, "accounts": shown})

    def _ready_line(self, port: int) -> dict[str, Any]:
        return {
            "ready": True,
            "rest": f"http://127.0.0.1:{port}/v1",
            "ws": f"ws://127.0.0.1:{port}/v1/websocket",
            "md": f"ws://127.0.0.1:{port}/v1/md/websocket",
            "control": str(self._options.control) if self._options.control else None,
            "logins": self.logins,
        }

    async def _open_control(self, path: Path, group: asyncio.TaskGroup) -> asyncio.Server:
        control = Control(self)

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            group.create_task(control.serve(reader, writer))

        server = await asyncio.start_unix_server(connected, path=path)
        path.chmod(0o600)
        return server

    def _on_print(self, trade: Print) -> None:
        book = self.venue.books[trade.contract.contract_id]
        chart = self.charts[trade.contract.contract_id]
        chart.on_print(self.market.now_ns, trade.ticks, trade.qty, trade.aggressor, book)

    def _end_session(self, session: object) -> None:
        """A user's third login: the oldest session's sockets close without a word."""
        for socket in list(self.sockets):
            if socket.session is session:
                socket.go_away(frame=False)

    async def _play(self) -> None:
        """Drive the market at its speed."""
        then = time.perf_counter_ns()
        while True:
            await asyncio.sleep(_MARKET_STEP_S)
            now = time.perf_counter_ns()
            if not self.market_paused:
                self.market.advance(round((now - then) * self._options.speed))
            then = now

    async def _quote(self) -> None:
        while True:
            await asyncio.sleep(1 / self._options.door.quotes_per_s)
            self.door.market_data.pump()

    async def _lead(self) -> None:
        while True:
            await self.leading.wait()
            self.leader.step()
            await asyncio.sleep(self.leader_pace_s)


class _Stopped(Exception):
    """Ends everything that still runs when the venue was told to stop."""


async def _after(after_s: float, act: Callable[[], None]) -> None:
    await asyncio.sleep(after_s)
    act()
