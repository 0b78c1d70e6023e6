"""The sandbox as a running venue: market, doors, control socket and leader on one event loop.

The composition root of the package: `__main__.py` runs it as a process, tests may run it in their own loop.

**Doors.** There is one matching engine, one market and one set of faults (`doors.House`), and a door for each venue
that a login is for, each with its own addresses. To add a door: write `NAME_*.py` with a class that is a
`doors.VenueDoor` and takes a House and its own settings, give `Options` a field for those settings (its limits may then
be set by ``--limit NAME.limit=N``), and put one line into `_build_doors`. Logins, accounts, faults, the leader,
the control socket and the ready line need no change.
"""

import asyncio
import itertools
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from brokers.sandbox.accounts import Account
from brokers.sandbox.binance_door import BinanceDoor
from brokers.sandbox.charts import ChartBook
from brokers.sandbox.control import Control
from brokers.sandbox.doors import House, User, VenueDoor
from brokers.sandbox.faults import Faults
from brokers.sandbox.fix_front import FixFront
from brokers.sandbox.instruments import Catalogue
from brokers.sandbox.leader import Leader
from brokers.sandbox.market_synthetic import SyntheticMarket
from brokers.sandbox.market_tape import Market, TapeMarket
from brokers.sandbox.ninjatrader_door import NinjaTraderDoor
from brokers.sandbox.order_flow import Print
from brokers.sandbox.orders import VenueEvent, account_of
from brokers.sandbox.projectx_door import ProjectXDoor
from brokers.sandbox.settings import BinanceSettings, DoorSettings, FixSettings, NinjaTraderSettings, ProjectXSettings
from brokers.sandbox.tradovate_front import TradovateFront
from brokers.sandbox.venue import Venue
from schema.clock import Clock
from schema.records import Record
from schema.trading_day import trading_day

_MARKET_STEP_S = 0.01
_FIRST_USER_ID = 15_001
_FIRST_ACCOUNT_ID = 425_001
TRADOVATE = "tradovate"


class Login(Record, frozen=True):
    """A login to offer at the door of `venue`, with the names of its accounts; no password: one is drawn from the
    seed."""

    username: str
    accounts: tuple[str, ...]
    password: str = ""
    venue: str = TRADOVATE


def desk_logins(
    logins: int = 4, accounts_per_login: int = 5, venues: tuple[str, ...] = (TRADOVATE,)
) -> tuple[Login, ...]:
    """The usual layout: a leader's login with DEMO1000 at Tradovate, then logins desk1, desk2, ... with DEMO1001 and
    on, dealt to `venues` in turn."""
    names = (f"DEMO{number}" for number in itertools.count(1001))
    desks = (
        Login(
            username=f"desk{number}",
            accounts=tuple(itertools.islice(names, accounts_per_login)),
            venue=venues[(number - 1) % len(venues)],
        )
        for number in range(1, logins + 1)
    )
    return (Login(username="leader", accounts=("DEMO1000",)), *desks)


class Options(Record, frozen=True):
    """How a sandbox is set up. `speed` is the market's time per real time; the first login leads. `port` is the
    Tradovate door's; the others take free ones. `door` holds its settings, other doors' have their venue's name.
    `feeds` are doors of public market data, which have no logins."""

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
    projectx: ProjectXSettings = ProjectXSettings()
    fix: FixSettings = FixSettings()
    ninjatrader: NinjaTraderSettings = NinjaTraderSettings()
    binance: BinanceSettings = BinanceSettings()
    feeds: tuple[str, ...] = ()


class Sandbox:
    """See the module's docstring. `clock` is the wall clock: orders and fills carry its time."""

    def __init__(self, options: Options, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        # Ids begin with the wall clock's milliseconds, so that no two runs give the same id to two fills.
        ids = itertools.count(clock.now_ns() // 1_000_000)
        catalogue = Catalogue(today=trading_day(clock.now_ns()))
        self.venue = Venue(catalogue, clock, lambda: next(ids))
        self.charts = {contract.contract_id: ChartBook() for contract in catalogue.fronts}
        self.market: Market = self._make_market(catalogue)
        self.house = House(
            venue=self.venue,
            market=self.market,
            charts=self.charts,
            clock=clock,
            faults=Faults(self._random("faults"), clock),
            random=self._random,
        )
        self.doors: dict[str, VenueDoor] = _build_doors(self.house, options)
        self.logins: dict[str, list[dict[str, Any]]] = {venue: [] for venue in self.doors}
        self._door_of: dict[int, VenueDoor] = {}
        self.venue.events = self._on_event
        self.market_paused = False
        self.leading = asyncio.Event()
        self.leader_pace_s = options.leader_pace_s
        self._add_logins()
        self.leader = Leader(self.venue, next(iter(self.venue.accounts)), catalogue.fronts[0], self._random("leader"))
        if options.leader_on:
            self.leading.set()
        self.venue.prints = self._on_print
        self.market.open(self.venue)

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
        def later(after_s: float, act: Callable[[], None]) -> None:
            group.create_task(_after(after_s, act))

        self.house.later = later
        control: asyncio.Server | None = None
        try:
            addresses: dict[str, dict[str, Any]] = {}
            for venue, door in self.doors.items():
                port = self._options.port if venue == TRADOVATE else 0
                addresses[venue] = await door.open(port, group)
            if self._options.control is not None:
                control = await self._open_control(self._options.control, group)
            for loop in (self._play(), self._quote(), self._lead()):
                group.create_task(loop)
            ready.set_result(self._ready_line(addresses))
            await stop.wait()
        finally:
            for door in self.doors.values():
                await door.close()
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
            door = self.doors[login.venue]
            shown: list[dict[str, Any]] = []
            for name in login.accounts:
                self.venue.accounts[account_id] = Account(
                    account_id, name, user.user_id, self._options.balance, live=not name.startswith("DEMO")
                )
                self._door_of[account_id] = door
                user.account_ids.append(account_id)
                shown.append({"name": name, "id": account_id})
                account_id += 1
            door.add_user(user)
            self.logins[login.venue].append({"username": user.name, "password": user.password, "accounts": shown})

    def _on_event(self, event: VenueEvent) -> None:
        self._door_of[account_of(event)].on_event(event)

    def _ready_line(self, addresses: dict[str, dict[str, Any]]) -> dict[str, Any]:
        """``venues`` has each door's addresses and logins; the Tradovate door's stand at the top as well."""
        return {
            "ready": True,
            **addresses[TRADOVATE],
            "control": str(self._options.control) if self._options.control else None,
            "logins": self.logins[TRADOVATE],
            "venues": {venue: {**addresses[venue], "logins": self.logins[venue]} for venue in self.doors},
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
            for door in self.doors.values():
                door.quote()

    async def _lead(self) -> None:
        while True:
            await self.leading.wait()
            self.leader.step()
            await asyncio.sleep(self.leader_pace_s)


def _build_doors(house: House, options: Options) -> dict[str, VenueDoor]:
    """The Tradovate door, one for each other venue that a login is for, and the feeds'. Raises UnknownVenue."""
    known: dict[str, Callable[[], VenueDoor]] = {
        TRADOVATE: lambda: TradovateFront(house, options.door),
        "projectx": lambda: ProjectXDoor(house, options.projectx),
        "fix": lambda: FixFront(house, options.fix),
        "ninjatrader": lambda: NinjaTraderDoor(house, options.ninjatrader),
        "binance": lambda: BinanceDoor(house, options.binance),
    }
    wanted = dict.fromkeys((TRADOVATE, *(login.venue for login in options.logins), *options.feeds))
    for venue in wanted:
        if venue not in known:
            raise UnknownVenue(f"the sandbox has no door for {venue!r}; it has {', '.join(known)}.")
    return {venue: known[venue]() for venue in wanted}


class UnknownVenue(ValueError):
    """A login is for a venue that has no door here; one sentence."""


class _Stopped(Exception):
    """Ends everything that still runs when the venue was told to stop."""


async def _after(after_s: float, act: Callable[[], None]) -> None:
    await asyncio.sleep(after_s)
    act()
