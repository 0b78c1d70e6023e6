"""One seed's run: the whole production desk between a simulated venue and a simulated disk, through its plan.

The leader trades, things go wrong, the trader interferes; then the faults end and everything must come to rest, first
as it stands, then with the leader flat, then in a new trade in which every follower takes part, then flat again.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import structlog

from engine import desk as desk_module
from engine.desk import Desk
from engine.seat import CommandRefused, Ticket
from schema.login import Credentials
from schema.records import Guard, OrderType, Side, Signal
from schema.settings import Settings
from schema.store import JournalDown
from tests.sim import faults
from tests.sim.invariants import Books
from tests.sim.leader import Leader
from tests.sim.login import Login
from tests.sim.loop import Forbidden, SimLoop, guarded, running
from tests.sim.plan import LEADER, Abilities, Move, Plan
from tests.sim.store import Disk, JournalFaults, SimStore
from tests.sim.venue import DEPTH, Exchange
from tests.sim.wires import SimAdapter, TrailingAdapter
from tests.sim.world import S, Violation, World

_CHECK_S = 0.25


class _Vault:
    """Opens nothing: the simulated venue takes any login."""

    def credentials(self, config: Any, sealed: bytes) -> Credentials:
        return Credentials(username=config.username, password="")


class Schedule:
    """See the module's docstring."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.world = World(Random(f"world {plan.seed}"))
        self.disk = Disk(plan.config)
        self.journal = JournalFaults()
        self.exchange = Exchange(self.world, dict(plan.balances))
        self.exchange.listed_s = {follower.account: plan.listed_s for follower in plan.config.followers}
        abilities = dict(plan.abilities)
        home = {account.account: account.connection for account in plan.config.accounts}
        self.exchange.trails_shown = {name for name in home if abilities.get(home[name], Abilities()).trails_shown}
        moves_trails = abilities.get(home[LEADER], Abilities()).trails_moved
        self.leader = Leader(self.exchange, self.world.random, plan.exits, moves_trails=moves_trails)
        self.books = Books(self)
        self.logins = {
            connection.connection: Login(
                self.world,
                self.exchange,
                connection.connection,
                [a.account for a in plan.config.accounts if a.connection == connection.connection],
                self.books,
                abilities.get(connection.connection, Abilities()),
            )
            for connection in plan.config.connections
        }
        self.home = {name: self.logins[connection] for name, connection in home.items()}
        if "trail" in plan.exits:
            self.home[LEADER].prices = True
            self.exchange.traded = self.home[LEADER].quote
        for login in self.logins.values():
            login.tell_all = self.tell_all
        self.settings = Settings(
            state_dir=Path("/nowhere"), reconcile_every_s=plan.reconcile_s, requests_per_min=5_000, desk="sim"
        )
        self.desk: Desk | None = None
        self.lives: list[SimLoop] = []
        self.healed = False  # the faults have ended, and there was time to put things right
        self.opened = False  # the desk of this life has said that it is up
        self.publish: Callable[[int], None] = lambda now_ns: None  # builds the views: nobody looks, but at rest
        self.disk.committed = self._committed
        self.world.crash = self.crash

    # --- the desk's life -------------------------------------------------------------------------------------------

    def start(self) -> None:
        """A new desk on what the journal kept."""
        loop = SimLoop(self.world)
        self.lives.append(loop)
        self.world.loop = loop
        asyncio._set_running_loop(loop)
        life = len(self.lives)
        store = SimStore(self.world, self.disk, self.journal, f"session {life}")
        adapters = self._adapter
        self.opened = False
        self.desk = desk = Desk(
            self.settings,
            store,  # type: ignore[arg-type]
            _Vault(),  # type: ignore[arg-type]
            self.world,
            Random(f"desk {self.plan.seed} {life}"),
            build=adapters,  # type: ignore[arg-type]
        )
        self.publish, desk.views.publish = desk.views.publish, lambda now_ns: None
        loop.create_task(self._live(desk, loop))

    async def _live(self, desk: Desk, loop: SimLoop) -> None:
        """Open the desk and stay with it. One that ends because its journal was away is started again, as a service
        manager would; any other end is a violation."""
        try:
            await desk.open()
            self.opened = True
            await desk.until(asyncio.Event())
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever ends a desk is to be judged
            if isinstance(error, Forbidden) or not _only_journal(error):
                loop.failures.append(f"T-ALIVE the desk ended by itself: {_innermost(error)!r}")
            elif self.desk is desk:
                self.crash()

    def _adapter(self, config: Any, _: Any, settings: Any, clock: Any, emit: Any, random: Any) -> SimAdapter:
        login = self.logins[config.connection]
        kind = TrailingAdapter if login.abilities.trails else SimAdapter
        return kind(config, settings, self.world, emit, login)

    def crash(self) -> None:
        """kill -9: the loop and all it held are gone, and after a while the desk is started again."""
        if self.desk is None:
            return
        for adapter in self.desk.adapters.values():
            adapter.alive = False  # type: ignore[attr-defined]
        for login in self.logins.values():
            login.stream, login.adapter = 0, None
            login.watched.clear()
        self.desk = self.world.loop = None
        self.world.crash_after = 0
        self.world.after(0.2 + self.world.random.random() * 2.0, self.start)

    def command(self, name: str, *args: str) -> None:
        """The trader types something; a refusal is an answer."""
        if self.desk is None or not self.opened or self.world.loop is None:
            return
        self.books.commanded(name, args)
        self.world.loop.create_task(self._command(self.desk, name, args))

    async def _command(self, desk: Desk, name: str, args: tuple[str, ...]) -> None:
        with suppress(CommandRefused, JournalDown):
            if name == "confirm_resync":
                await desk.resync(*args, shown=await desk.resync(*args))
            elif name == "manual":
                await self._manual(desk, *args)
            elif name == "move_manual":
                account, order_id, price = args[0], args[1], Decimal(args[2])
                shown = await desk.move(account, order_id, price)
                self.books.hand.said(await desk.move(account, order_id, price, shown=shown))
            elif name == "cancel_manual":
                self.books.hand.said(await desk.cancel(*args, shown=await desk.cancel(*args)), canceled=True)
            elif name == "kill":
                self.books.killed(await desk.kill())
            else:
                await getattr(desk, name)(*args)

    async def _manual(self, desk: Desk, account: str, lots: str, limit: str) -> None:
        """An order by hand is looked at, and confirmed twice at once: it goes once."""
        ticket = Ticket(
            target=account,
            side=Side.of(int(lots)),
            qty=abs(int(lots)),
            symbol=self.books.symbol(account),
            order_type=OrderType.LIMIT if limit else OrderType.MARKET,
            limit_price=Decimal(limit) if limit else None,
        )
        shown = await desk.place(ticket)
        both = await asyncio.gather(*(desk.place(ticket, shown) for _ in range(2)), return_exceptions=True)
        for failed in both:
            if not isinstance(failed, BaseException):
                self.books.hand.said(failed)
            elif not isinstance(failed, CommandRefused):
                raise failed

    # --- what the venue and the trader do ----------------------------------------------------------------------------

    def tell_all(self) -> None:
        """Tell every login what happened at the venue."""
        batches: dict[Login, list[Any]] = {}
        for account, told in self.exchange.drain():
            batches.setdefault(self.home[account], []).append(told)
        for login, events in batches.items():
            login.tell(events)

    def move(self, qty: int) -> None:
        """The leader trades."""
        self.does(Move(at_s=0.0, qty=qty))

    def does(self, move: Move) -> None:
        """The leader does something."""
        self.leader.does(move)
        self.tell_all()

    def refill(self) -> None:
        """In a thin market liquidity comes back now and then."""
        self.exchange.refill()
        self.leader.protect()
        self.tell_all()
        if self.exchange.depth < DEPTH:
            self.world.after(0.1, self.refill)

    def deep(self) -> None:
        self.exchange.depth = DEPTH
        self.refill()

    def reduce_only(self, account: str, only: bool) -> None:
        """The venue lets the account only reduce, or trade freely again."""
        account_id = self.exchange.ids[account]
        self.exchange.venue.accounts[account_id].liquidate_only = only
        self.exchange.venue.account_changed(account_id)
        self.tell_all()

    def _committed(self, signal: Signal, copies: Any) -> None:
        self.books.committed(signal, copies)

    # --- the run -----------------------------------------------------------------------------------------------------

    def run(self, script: Callable[[], None] | None = None) -> None:
        """The plan, or a script instead of it. Raises Violation."""
        with running_quietly():
            try:
                with guarded():
                    (script or self._run)()
            except Forbidden as forbidden:
                raise Violation(f"T-REAL {forbidden}") from None
            finally:
                self._bury()

    def _run(self) -> None:
        world, plan = self.world, self.plan
        self.start()
        self._for(2.0)
        begin_ns = world.now_ns()
        for fault in plan.faults:
            world.at(begin_ns + int(fault.at_s * S), faults.apply, self, fault)
        for move in plan.moves:
            world.at(begin_ns + int(move.at_s * S), self.does, move)
        self._for(plan.ends_s)
        self.heal()
        self.rest()
        self.books.at_rest("after the faults")
        self.flat()
        self.books.at_rest("with the leader flat")
        self.books.everybody_joins()
        self.rest()
        self.move(3)
        self._for(1.0)
        self.move(-1)
        self._for(1.0)
        self.leader.trails_otherwise()
        self.tell_all()
        self.command("guard", "all", Guard.HALT)  # what protects stays
        self._for(4.0)
        self.command("guard", "all", Guard.NONE)
        self.rest()
        self.books.at_rest("in a new trade", whole=True)
        if self.books.hand.wanted:
            self._orders_by_hand()
        self.move(-2 - self.leader.net)
        self.rest()
        self.books.at_rest("across", whole=True)
        self.flat()
        self.books.at_rest("at the end")
        self.books.hand.t_stays("at the end")
        for account in sorted(self.books.hand.accounts):
            self.command("cancel_manual", account)
        self._for(2.0)
        self.books.hand.t_orphan("at the end")
        self.books.all_decided()

    def _orders_by_hand(self) -> None:
        """While nothing else happens, the trader trades some followers by hand, rests an order at another, and trades
        the leader: now it is certain whose lots are whose."""
        random = Random(f"by hand {self.plan.seed}")
        names = [follower.account for follower in random.sample(self.plan.config.followers, 7)]
        copied = self.books.hand.copies_filled()
        for name in names[1:]:
            self.command("manual", name, str(random.choice((-2, -1, -1, 1, 2))), "")
        self.command("manual", names[0], "1", faults.resting_price(self, 1, near=False))
        self._for(1.0)
        self.rest()
        self.books.at_rest("after orders by hand", whole=True)
        self.books.hand.t_untouched("after orders by hand", copied)
        self.command("manual", LEADER, "1", "")
        self._for(1.0)
        self.leader.protect()
        self.tell_all()
        self.rest()
        self.books.at_rest("after the leader traded by hand", whole=True)

    def flat(self) -> None:
        """The leader cancels what it has working and closes, and everything comes to rest."""
        self.leader.out()
        self.tell_all()
        self.rest()

    def heal(self) -> None:
        """Whatever still lasts ends; the desk, if it is down, comes up."""
        self.world.crash_after = 0
        self._for(6.5)
        for login in self.logins.values():
            login.faults.__init__()
        self.journal.__init__()
        self.deep()
        for account in self.exchange.ids:
            faults.take_out(self, account)
        self._for(10.0)
        self.healed = True

    def rest(self) -> None:
        """Until nothing has happened from one reading of every venue to the next; at most two minutes."""
        quiet_ns = self.world.now_ns()
        for _ in range(int(120 / _CHECK_S)):
            self._for(_CHECK_S)
            if not self.books.quiet():
                quiet_ns = self.world.now_ns()
            elif self.world.now_ns() - quiet_ns > int((self.plan.reconcile_s + 1.0) * S):
                return
        raise Violation(f"T-CONV no rest within two minutes after the faults ended: {self.books.why_not_quiet()}")

    def _for(self, seconds: float) -> None:
        ends_ns = self.world.now_ns() + int(seconds * S)
        while self.world.now_ns() < ends_ns:
            self.world.run(min(ends_ns, self.world.now_ns() + int(_CHECK_S * S)))
            self.books.step()

    def _bury(self) -> None:
        """Take every desk apart, so that none is taken apart by the collector."""
        self.world.random.seed(0)
        for loop in self.lives:
            with running(loop):
                for _ in range(5):
                    for task in loop.tasks:
                        task.cancel()
                    while loop.ready:
                        loop.ready.pop(0).run()
                    if all(task.done() for task in loop.tasks):
                        break
            for task in loop.tasks:
                if task.done() and not task.cancelled():
                    task.exception()
        asyncio._set_running_loop(None)

    @property
    def hash(self) -> str:
        """Of every commit and every row written behind, in order."""
        return self.disk.history.hexdigest()[:16]


def _only_journal(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(_only_journal(each) for each in error.exceptions)
    return isinstance(error, JournalDown)


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


@contextmanager
def running_quietly() -> Iterator[None]:
    """The desk's log is not written, and no collection is run by hand: one desk is not the process here."""
    kept, collect = structlog.get_config(), desk_module.collect
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    desk_module.collect = lambda clock: 0.0
    try:
        yield
    finally:
        desk_module.collect = collect
        structlog.configure(**kept)
