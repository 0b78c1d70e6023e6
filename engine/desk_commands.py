"""What seats ask of a desk, carried out on its loop: the half of `engine/desk.py` that traders call. Each method is
declared in `engine/seat.py`.
"""

import asyncio
import difflib
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from decimal import Decimal
from typing import Any

import stamina
from msgspec.structs import replace

from brokers import adapter as venue
from brokers.registry import VENUE_TABLE
from engine import events as ev
from engine import guards, logins, practice, preview, rollover
from engine.arming import Arming
from engine.contracts import Contracts
from engine.core import Core
from engine.exits import Exits
from engine.export import ExportRefused, counted_rows, export, export_pane, export_report
from engine.export_panes import PANES, REPORT
from engine.grouping import Grouping
from engine.inbox import Inbox
from engine.journal import Journal
from engine.layouts import Layouts
from engine.manuals import Manuals
from engine.market_data import MarketData
from engine.newest_config import NewestConfig
from engine.reported import Report, ReportAsked
from engine.reporting import make_apart
from engine.requests import Requests
from engine.resyncs import Resyncs
from engine.rules import RuleRefused, parse_rule
from engine.seat import (
    Chosen,
    CommandRefused,
    FlattenResult,
    LoginAccounts,
    OrderPlan,
    ResyncPlan,
    Ticket,
    Topic,
    View,
)
from engine.shown import ArmPlan, PracticeLogin, RulePreview
from engine.symbol_search import LIMIT, Match
from engine.views import Views
from engine.watching import Watching
from engine.why import why
from schema.clock import Clock
from schema.layouts import LayoutEdit
from schema.market import Interval
from schema.records import Bar, ConnectionConfig, Guard, Rule, VenueAccount
from schema.settings import Settings
from schema.store import JournalDown, Store, StoreRefused
from schema.vault import Vault
from schema.watchlists import Edit

_NAMED = 5  # accounts in one alert


class DeskCommands(ABC):
    """A `Seat` for the desk's own loop; `Desk` gives it what it works with."""

    core: Core
    adapters: dict[str, venue.BrokerAdapter]
    journal: Journal
    exits: Exits
    resyncs: Resyncs
    manuals: Manuals
    arming: Arming
    grouping: Grouping
    watching: Watching
    layouts: Layouts
    views: Views
    _settings: Settings
    _store: Store
    _vault: Vault
    _clock: Clock
    _config: NewestConfig
    _contracts: Contracts
    _requests: Requests
    _market_data: MarketData
    _inbox: Inbox
    _group: asyncio.TaskGroup | None
    _logins: set[str]
    _refused: set[str]

    @abstractmethod
    async def _handle(self, event: ev.AnyInput) -> None:
        """Have the core take an input in, and perform its effects."""

    @abstractmethod
    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run work beside the worker."""

    @abstractmethod
    def _alert(self, level: str, text: str) -> None:
        """Tell the trader."""

    @abstractmethod
    def _config_loaded(self) -> ev.ConfigLoaded:
        """The newest configuration, as an input."""

    @abstractmethod
    def _follow_config(self) -> None:
        """The configuration changed: connect and leave logins."""

    away = ""

    def view(self, topic: Topic) -> View:
        return self.views.view(topic)

    async def toggle(self, account: str) -> str:
        follower = self.core.followers.get(self._account(account))
        if follower is None:
            raise CommandRefused(f"account: {account} is not a follower; only followers can be switched off.")
        await self._configure(self._store.set_enabled(account, not follower.enabled))
        return f"{account} is {'off: copies to it stop' if follower.enabled else 'on: it joins the next trade'}."

    async def set_rule(self, account: str, kind: str, value: str) -> str:
        follower = self.core.followers.get(self._account(account))
        if follower is None:
            raise CommandRefused(f"account: {account} is not a follower; only followers have a rule.")
        try:
            rule = parse_rule(kind, value, follower.rule.rounding, invert=follower.rule.invert)
        except RuleRefused as refused:
            raise CommandRefused(str(refused)) from None
        await self._configure(self._store.set_rule(account, rule))
        return f"{account} now copies {rule}."

    async def guard(self, target: str, guard: Guard) -> str:
        await self._configure(self._store.guard_target(target, guard))
        said = guards.sentence(target, guard)
        self._alert("info" if guard is Guard.NONE else "warn", said)
        return said

    async def chart(self, symbol: str) -> str:
        return await self._contracts.charting.choose(symbol)

    async def acknowledge(self, contract: str) -> str:
        key = rollover.to_acknowledge(contract, rollover.contracts_of(self.core), self._clock.now_ns())
        await self._configure(self._store.acknowledge(key))
        said = rollover.acknowledged(key)
        self._alert("warn", said)
        return said

    async def kill(self) -> FlattenResult:
        """Halted in memory first, so that no database keeps an exit waiting; then for good, beside the exits."""
        self._config.halt()
        await self._handle(self._config_loaded())
        self._alert("alarm", "kill switch: the desk is halted and every account is flattened, by the trader")
        self._start(self._remember(self._store_halt, "the halt"))
        return await self.flatten("all")

    async def _store_halt(self) -> None:
        await self._store.set_guard(Guard.HALT)
        self._config.halt_stored()

    async def _remember(self, write: Callable[[], Awaitable[None]], what: str) -> None:
        """Store what an exit must not wait for, as soon as the database takes it."""
        async for attempt in stamina.retry_context(
            on=JournalDown, attempts=None, timeout=None, wait_initial=0.05, wait_max=0.5, wait_jitter=0
        ):
            with attempt:
                try:
                    await write()
                except JournalDown:
                    if attempt.num == 1:
                        self._alert("alarm", f"{what} can't be stored while the database is away; it holds meanwhile")
                    raise

    async def set_group(self, group: str, field: str, value: str) -> str:
        known = self.core.groups.get(group)
        if field == "leader" and known is not None and value != known.leader:
            for account in (*self._accounts(group), value):
                if not self.core.ledger.known(account) or account in self.core.ledger.open_accounts():
                    text = f"leader: {group} changes its leader only when flat; {account} is not, or is not known."
                    raise CommandRefused(text)
            await self.grouping.at_rest("leader", dict.fromkeys((*self._accounts(group), value)))
        await self._configure(self._store.change_group(group, [f"{field}={value}"]))
        return f"{group}: {field} is {value} from the next leader event on."

    async def sizing(self, account: str) -> tuple[Rule, int | None]:
        follower = self.core.followers[self._followers(account)[0]]
        return follower.rule, follower.max_position

    async def set_size(self, target: str, rule: Rule, max_position: int | None) -> str:
        return await self.grouping.size(self._followers(target), rule, max_position)

    async def preview(self, account: str, rule: Rule, max_position: int | None) -> RulePreview:
        (account,) = self._followers(account)[:1]
        follower = replace(self.core.followers[account], rule=rule, max_position=max_position)
        return preview.preview(self.core, follower, self._settings.chart_symbol or "")

    async def lead(self, account: str, group: str) -> str:
        said = await self.grouping.lead(self._account(account), group)
        self._start(self._requests.ask(self.core.connection_of(account)))  # what it did before is history
        return said

    async def follow(self, account: str, group: str) -> str:
        return await self.grouping.follow(self._account(account), group)

    async def unfollow(self, account: str) -> str:
        return await self.grouping.unfollow(self._account(account))

    async def remove_account(self, account: str) -> str:
        return await self.grouping.remove(self._account(account))

    async def arm_checklist(self, target: str, acknowledged: Sequence[str]) -> ArmPlan:
        followers = self._followers(target)
        await self._contracts.check_known()
        return ArmPlan(
            target=target,
            lines=self.arming.lines(followers, acknowledged),
            policies=self.arming.policies(followers),
        )

    async def arm(self, accounts: Sequence[str], acknowledged: Sequence[str]) -> ArmPlan:
        followers = [follower for account in accounts for follower in self._followers(account)]
        plan = ArmPlan(target="", lines=self.arming.lines(followers, acknowledged))
        if plan.ready:
            await self.grouping.arm(plan.ready)
            who = ", ".join(plan.ready) if len(plan.ready) <= _NAMED else f"{len(plan.ready)} followers"
            self._alert("info", f"{who} armed by the trader")
        return replace(plan, lines=self.arming.lines(followers, acknowledged), armed=plan.ready)

    def _followers(self, target: str) -> tuple[str, ...]:
        """The followers that `target` names. Raises CommandRefused when there is none."""
        found = tuple(account for account in self._accounts(target) if account in self.core.followers)
        if not found:
            raise CommandRefused(f"account: {target} is no follower and has none; put accounts into its group first.")
        return found

    def _health_of(self, connection: str) -> venue.ConnectionHealth | None:
        return self.adapters[connection].health() if connection in self.adapters else None

    def _reserved_of(self, connection: str) -> int:
        login = next(login for login in self.core.config.connections if login.connection == connection)
        return self._settings.adapter(login).reserved_for_exits

    async def _flush(self) -> None:
        if not self.journal.down_reason:
            await self.journal.flush()

    async def _configure(self, write: Coroutine[Any, Any, object]) -> None:
        """Store a change of configuration and have the core follow it before the next signal."""
        if self.journal.down_reason:
            write.close()
            raise CommandRefused(self.journal.down_reason)
        try:
            await write
            await self._config.read()
        except (StoreRefused, JournalDown) as refused:
            raise CommandRefused(str(refused)) from None
        await self._handle(self._config_loaded())
        self._follow_config()
        self.views.publish(self._clock.now_ns())

    async def try_login(
        self, login: ConnectionConfig, credentials: venue.Credentials, accounts: Sequence[str]
    ) -> tuple[VenueAccount, ...]:
        logins.must_be_free(self.core.config, login)
        for known in self.core.config.connections:
            same = (known.venue, known.username, known.environment) == (login.venue, login.username, login.environment)
            if same and known.connection not in self._refused:
                # A venue may end a user's oldest session for a new one: it would be the desk's.
                raise CommandRefused(
                    f"username: {login.username} is logged in here as {known.connection}; "
                    f":sync {known.connection} lists its accounts."
                )
        try:
            return tuple(await logins.try_login(login, credentials, self._settings, self._store, accounts))
        except (venue.VenueError, StoreRefused, JournalDown) as refused:
            raise CommandRefused(str(refused)) from None

    async def add_login(
        self, login: ConnectionConfig, credentials: venue.Credentials, wanted: Sequence[VenueAccount], chosen: Chosen
    ) -> str:
        await self._configure(self._store_login(login, credentials, wanted, chosen))
        return f"{login.connection}: {logins.accounts_in(len(wanted), chosen.group)}; connecting."

    async def _store_login(
        self, login: ConnectionConfig, credentials: venue.Credentials, wanted: Sequence[VenueAccount], chosen: Chosen
    ) -> None:
        await logins.add_login(self._store, self._vault, login, credentials, wanted, chosen)
        if login.connection in self._refused:  # with another password it is worth another try
            self._logins.discard(login.connection)

    async def practice_logins(self) -> tuple[PracticeLogin, ...]:
        return await asyncio.to_thread(practice.logins, self._settings.state_dir, self.core.config)

    async def login_accounts(self, connection: str) -> LoginAccounts:
        login, found = await self._listed(connection)
        return LoginAccounts(
            connection=connection,
            venue=login.venue,
            environment=login.environment,
            accounts=tuple(logins.compared(self.core.config, connection, found)),
        )

    async def add_accounts(self, connection: str, accounts: Sequence[str], chosen: Chosen) -> str:
        login, found = await self._listed(connection)
        wanted = logins.named(found, accounts)
        await self._configure(logins.add_accounts(self._store, login, wanted, chosen))
        self._start(self._requests.ask(connection))  # what they hold
        return f"{connection}: {logins.accounts_in(len(wanted), chosen.group)}."

    async def _listed(self, connection: str) -> tuple[ConnectionConfig, tuple[VenueAccount, ...]]:
        """A login of the desk, and its accounts as its venue lists them now."""
        login = logins.login_of(self.core.config, connection)
        adapter = self.adapters.get(connection)
        if adapter is None:
            raise CommandRefused(f"login: {connection} is not running; look at the alerts for why.")
        if not adapter.capabilities.lists_accounts:
            raise CommandRefused(
                f"login: {VENUE_TABLE[login.venue].name} lists no accounts; leave the desk and name all of them with "
                f"`copydesk accounts add {connection} --only NAME,NAME`."
            )
        try:
            return login, (await adapter.snapshot()).accounts
        except venue.VenueError as error:
            raise CommandRefused(f"login: {connection} can't be read now: {error}") from None

    async def flatten(self, target: str) -> FlattenResult:
        assert self._group is not None
        # The desk's own task: a seat that goes away meanwhile leaves nothing half closed.
        return await asyncio.shield(self._group.create_task(self._flatten(target, self._accounts(target))))

    async def _flatten(self, target: str, accounts: tuple[str, ...]) -> FlattenResult:
        at_ns = self._clock.now_ns()
        await self._handle(ev.Flattened(at_ns=at_ns, accounts=accounts))
        self._alert("warn", f"flatten {target}: {len(accounts)} accounts, by the trader")
        # Neither waits for the journal: a database that is away keeps nobody from closing.
        self._start(self._remember(lambda: self._store.mark_flattened(accounts, at_ns), "the flatten"))
        result = await self.exits.flatten(target, accounts)
        # In line with the venues' events, so that the core has booked what they brought.
        self._inbox.put_nowait(ev.FlattenEnded(at_ns=self._clock.now_ns(), accounts=accounts))
        for account, reason in result.not_flat:
            self._alert("alarm", f"{account} is NOT flat: {reason}")
        return result

    async def resync(self, target: str, shown: ResyncPlan | None = None) -> ResyncPlan:
        if self.journal.down_reason:
            raise CommandRefused(self.journal.down_reason)
        followers = tuple(account for account in self._accounts(target) if account in self.core.followers)
        if not followers:
            raise CommandRefused(f"account: {target} is not a follower; only followers are brought to a target.")
        if shown is not None:
            self._alert("warn", f"resync {target}: {shown.orders} orders, by the trader")
        plan = await self.resyncs.resync(target, followers, shown)
        self.views.publish(self._clock.now_ns())
        return plan

    async def place(self, ticket: Ticket, shown: OrderPlan | None = None) -> OrderPlan:
        if self.journal.down_reason:
            raise CommandRefused(self.journal.down_reason)
        if ticket.target == "all":
            raise CommandRefused("target: an order is for one account or one group; name it.")
        if ticket.target not in self.core.groups:
            self._account(ticket.target)
        return self._shown(await self.manuals.place(ticket, shown), f"{ticket.side} for {ticket.target}")

    async def move(
        self, account: str, order_id: str, price: Decimal, qty: int | None = None, shown: OrderPlan | None = None
    ) -> OrderPlan:
        if self.journal.down_reason:
            raise CommandRefused(self.journal.down_reason)
        moved = await self.manuals.move(self._account(account), order_id, price, qty, shown)
        return self._shown(moved, f"order {order_id} of {account} to {price:f}")

    async def cancel(self, target: str, what: str = "", shown: OrderPlan | None = None) -> OrderPlan:
        """Does not wait for the journal: a database that is away keeps nobody from canceling."""
        canceled = await self.manuals.cancel(target, self._accounts(target), what, shown)
        return self._shown(canceled, f"cancel on {canceled.about}")

    def _shown(self, plan: OrderPlan, what: str) -> OrderPlan:
        if plan.sent:
            self._alert("info", f"{what}: {plan.orders} of {len(plan.lines)} sent, by the trader")
        self.views.publish(self._clock.now_ns())
        return plan

    async def _apart(self, work: Coroutine[Any, Any, None]) -> None:
        """In a task of the desk's own: a seat that goes away meanwhile leaves nothing half sent."""
        assert self._group is not None
        await asyncio.shield(self._group.create_task(work))

    async def export(self, what: str, path: str, account: str | None = None) -> str:
        if account:
            self._account(account)
        if not self.journal.down_reason:
            await self.journal.flush()
        try:
            if what in PANES:
                rows = export_pane(self.view, what, path, account)
            elif what == REPORT:
                rows = export_report(await self._report(ReportAsked(account=account)), path)
            else:
                rows = await export(self._store, what, path, account=account)
        except ExportRefused as refused:
            raise CommandRefused(str(refused)) from None
        return f"{counted_rows(what, rows)} written to {path}."

    async def report(self, asked: ReportAsked) -> Report:
        if not self.journal.down_reason:
            await self.journal.flush()
        return await self._report(asked)

    async def _report(self, asked: ReportAsked) -> Report:
        """Made on a thread of its own, beside the orders."""
        try:
            return await asyncio.to_thread(make_apart, self._store.reports(), asked, self._clock.now_ns())
        except JournalDown as down:
            raise CommandRefused(f"report: the journal can't be read now: {down}.") from None

    async def why(self, account: str, at: str | None = None, signal_id: str | None = None) -> str:
        if not self.journal.down_reason:
            await self.journal.flush()
        try:
            told = await why(self._store, account, at, now_ns=self._clock.now_ns(), signal_id=signal_id)
        except JournalDown as down:
            raise CommandRefused(f"why: the journal can't be read now: {down}.") from None
        return told.as_text()

    async def find_symbols(self, text: str, limit: int = LIMIT) -> tuple[Match, ...]:
        return self.watching.find(text, limit)

    async def edit_lists(self, edit: Edit) -> str:
        said = await self.watching.edit(edit)
        self.views.publish(self._clock.now_ns())
        return said

    async def edit_layouts(self, edit: LayoutEdit) -> str:
        said = await self.layouts.edit(edit)
        self.views.publish(self._clock.now_ns())
        return said

    async def stored_bars(self, symbol: str, interval: str, until_ns: int, limit: int) -> tuple[Bar, ...]:
        try:
            of = Interval.parse(interval)
        except ValueError as error:
            raise CommandRefused(str(error)) from None
        try:
            return await self._market_data.stored(symbol, of, until_ns, limit)
        except JournalDown as down:
            raise CommandRefused(f"candles: what is stored can't be read now: {down}.") from None

    async def open_positions(self) -> int:
        return len(self.core.ledger.open_accounts())

    def _accounts(self, target: str) -> tuple[str, ...]:
        if target == "all":
            return tuple(self.core.accounts)
        if group := self.core.groups.get(target):
            return (group.leader, *(follower.account for follower in self.core.members.get(target, [])))
        return (self._account(target),)

    def _account(self, name: str) -> str:
        if name in self.core.accounts:
            return name
        near = difflib.get_close_matches(name, [*self.core.accounts, *self.core.groups], n=1)
        hint = f"; did you mean {near[0]}?" if near else "."
        raise CommandRefused(f"account: there is no {name}{hint}")
