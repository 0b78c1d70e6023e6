"""The desk: the only place that wires the engine together, and the shell around the core.

One worker takes inputs in order, feeds the core, and performs its effects: a commit is awaited, then all order bytes
leave in one pass, one task per connection so that a hung venue holds up nobody. Runs on one loop; `engine/thread.py`
gives it a thread of its own and a seat to other threads.
"""

import asyncio
import contextlib
import difflib
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from decimal import Decimal
from random import Random
from typing import Any

import stamina
import structlog
from msgspec.structs import replace

from brokers import adapter as venue
from brokers.feed import Sink
from brokers.finding import unknown
from brokers.registry import VENUE_TABLE, build_adapter
from engine import events as ev
from engine import guards, instruments, late, logins, mirror_trail, practice, preview, returned, rollover
from engine.arming import Arming
from engine.charting import Charting
from engine.collector import collect
from engine.core import Core
from engine.exits import Exits
from engine.export import ExportRefused, counted_rows, export, export_pane, export_report
from engine.export_panes import PANES, REPORT
from engine.flatten import exposure_of
from engine.grouping import Grouping
from engine.inbox import Inbox
from engine.journal import Journal
from engine.latency import Latencies
from engine.layouts import Layouts
from engine.manuals import Manuals
from engine.market_data import MarketData
from engine.newest_config import NewestConfig
from engine.recorder import Recorder
from engine.reported import Report, ReportAsked
from engine.reporting import make_apart
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
from engine.state import CoreLimits
from engine.symbol_search import LIMIT, Match
from engine.tap import MarketTap
from engine.views import Views
from engine.watching import Watching
from engine.why import why
from schema.clock import Clock
from schema.layouts import LayoutEdit
from schema.market import Interval
from schema.records import (
    Bar,
    ConnectionConfig,
    DeskConfig,
    Guard,
    Mode,
    RejectClass,
    Rule,
    TimeInForce,
    VenueAccount,
)
from schema.settings import Settings
from schema.store import CheckedContract, JournalDown, Store, StoreRefused
from schema.store_market import MarketStore
from schema.vault import Vault, VaultError
from schema.watchlists import Edit

TICK_S = 0.05
"""How often the desk publishes what changed."""
_FILLS_REMEMBERED_NS = 7 * 24 * 3_600_000_000_000  # longer than any venue replays, and than a long weekend
_LAG_SAMPLES = 200
_UNREADABLE_EVERY_NS = 1_000_000_000
_QUIET_NS = 2_000_000_000
_ASK_REFUSED_EVERY_NS = 60_000_000_000
_COLLECT_EVERY_NS = 30_000_000_000
_NAMED = 5  # accounts in one alert
_ASK_AGAIN_S = 1.0
_ASK_AGAIN_AT_LEAST_S = 8.0
_Build = Callable[
    [ConnectionConfig, venue.Credentials, venue.AdapterSettings, Clock, venue.Emit, Random], venue.BrokerAdapter
]
log = structlog.get_logger(__name__)


class Desk:
    """Accounts, rules and venues of one configuration, running. A `Seat` for its own loop."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        vault: Vault,
        clock: Clock,
        random: Random,
        recorder: Recorder | None = None,
        *,
        build: _Build | None = None,
        user: str = "",
        sink: Sink | None = None,
        open_market: Callable[[], MarketStore] | None = None,
    ) -> None:
        """`recorder` keeps every input of the core for `copydesk replay`; without one nothing is kept. `build` makes
        the adapter of a login in place of the registry. `user` is whose watchlists and layouts the
        seats see; without, nobody's. `sink` takes what the feeds of the settings say; without one the market does. With
        `open_market` (`Store.market`) market data is kept."""
        self._settings = settings
        self._build = build
        self._store = store
        self._vault = vault
        self._clock = clock
        self._random = random
        self._recorder = recorder
        self.core = Core(CoreLimits.of(settings), Latencies(random))
        self._market_data = MarketData(settings, clock, random, self._alert, sink=sink, open_market=open_market)
        self.market, self.feeds = self._market_data.market, self._market_data.feeds
        self.tap = MarketTap(self.market)
        self.adapters: dict[str, venue.BrokerAdapter] = {}
        self._at_once: dict[str, venue.PlacesAtOnce] = {}
        self._venues: dict[str, str] = {}
        self.journal = Journal(store, clock, store.revive)
        self.exits = Exits(self.core, self.adapters, clock)
        self.resyncs = Resyncs(self.core, self.adapters, self.market, clock, self._in_turn)
        self.manuals = Manuals(
            self.core,
            self.adapters,
            self.market,
            clock,
            random,
            settings,
            handle=self._in_turn,
            check=self._check,
            apart=self._apart,
        )
        self.arming = Arming(self.core, self._health_of, self._reserved_of, settings.chart_symbol or "")
        self.grouping = Grouping(self.core, store, self.adapters, self._configure, self._flush)
        self.watching = Watching(store, self.market, clock, user)
        self.views = Views(self.core, self.market, self.adapters, self.journal, self.watching, settings.desk)
        self.views.feeds = self._market_data.health
        self.layouts = Layouts(store, user)
        self.views.layouts = self.layouts.rows
        self._inbox = Inbox()
        self._unreadable: dict[str, tuple[int, int]] = {}  # by login: when one was told, and how many since were not
        self._turn = asyncio.Lock()
        self._group: asyncio.TaskGroup | None = None
        self._running: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._config = NewestConfig(store.load_config)
        self._signalled_ns = 0
        self._marked: set[str] = set()
        self.charting = Charting(
            settings, self._market_data, self.adapters, self.core.up, self._marked, start=self._start
        )
        self._logins: set[str] = set()  # connected, or trying
        self._refused: set[str] = set()  # whose login its venue refused
        self._asked_day = self.core.rolls.day  # the trading day on which contracts were last read from their venues
        self._checked: dict[tuple[str, str], DeskConfig] = {}  # (leader, symbol) -> the configuration it was whole in
        self._undescribed: set[tuple[str, str]] = set()  # (connection, symbol) that nobody waits for any more

    # --- life ----------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Recover from the journal, connect every login, and start copying. Returns when every connection has come
        up or said why not; the connections that are down go on trying."""
        self._running = asyncio.create_task(self._run(), name="desk")
        ready = asyncio.create_task(self._ready.wait())
        await asyncio.wait({ready, self._running}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self._running.done():
            await self._running

    async def until(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set; raises what ended the desk if it ended by itself."""
        assert self._running is not None
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({stopping, self._running}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if self._running.done():
            await self._running

    async def close(self) -> None:
        """Stop taking signals, leave the venues, write everything down. Positions and orders stay as they are."""
        await self.exits.stop()
        if self._running is not None and not self._running.done():
            self._running.cancel()
        if self._running is not None:
            await asyncio.gather(self._running, return_exceptions=True)
        await asyncio.gather(*(adapter.close() for adapter in self.adapters.values()), return_exceptions=True)
        if not self.journal.down_reason:
            await self.journal.flush()
        if self._recorder is not None:
            self._recorder.close()

    async def _run(self) -> None:
        await self._recover()
        async with asyncio.TaskGroup() as group:
            self._group = group
            group.create_task(self._work(), name="worker")
            group.create_task(self._tick(), name="tick")
            group.create_task(self.journal.run(), name="journal")
            if self._recorder is not None:
                group.create_task(self._recorder.run(self._alert), name="recorder")
            group.create_task(self._store.listen(self._config_changed), name="listen")
            if self.feeds.wanted:
                group.create_task(self.feeds.run(), name="feeds")
            if self.watching.user:
                group.create_task(self._watch_lists(), name="watchlists")
            known = self.core.config.connections
            self._logins |= {login.connection for login in known}
            connects = [group.create_task(self._connect(login), name=login.connection) for login in known]
            group.create_task(self._when_connected(connects))

    async def _recover(self) -> None:
        await self._store.claim(self._settings.desk)
        await self._config.read()
        self._feed(self._config_loaded())
        accounts = list(self.core.accounts)
        since_ns = self._clock.now_ns() - _FILLS_REMEMBERED_NS
        seen = [(a, fill_id) for a in accounts for fill_id in await self._store.seen_fills(a, since_ns)]
        baselines = [(leader, await self._store.baseline(leader)) for leader in self.core.leads]
        several = {leader: [g.group for g in groups] for leader, groups in self.core.leads.items() if len(groups) > 1}
        half = [each for leader, names in several.items() for each in await self._store.half_signalled(leader, names)]
        recovered = ev.Recovered(
            at_ns=self._clock.now_ns(),
            open_copies=tuple(await self._store.open_copies()),
            latest_copies=tuple(await self._store.latest_copies()),
            leader_nets=tuple(await self._store.leader_nets()),
            seen_fills=frozenset(seen),
            fills_since_ns=since_ns,
            baselines=tuple((leader, at_ns) for leader, at_ns in baselines if at_ns is not None),
            short_copies=tuple(await self._store.short_copies()),
            working_copies=tuple(await self._store.working_copies()),
            leader_orders=tuple(await self._store.leader_orders()),
            half_signalled=tuple((signal, tuple(missing)) for signal, missing in half),
            lots=tuple(await self._store.lots()),
            live_orders=frozenset(await self._store.live_orders()),
        )
        await self._handle(recovered)
        if orders := await self._store.open_manual():
            await self._handle(ev.ManualRecovered(at_ns=self._clock.now_ns(), orders=tuple(orders)))
        await self._store.rehearse()

    def _adapter(self, config: ConnectionConfig, credentials: venue.Credentials) -> venue.BrokerAdapter:
        limits = self._settings.adapter(config)
        if self._build is not None:
            return self._build(config, credentials, limits, self._clock, self._emit, self._random)
        return build_adapter(
            config,
            credentials,
            limits,
            self._clock,
            self._emit,
            self._random,
            accounts=self.core.config.accounts,
            sessions=self._store,
        )

    async def _connect(self, config: ConnectionConfig) -> None:
        self._refused.discard(config.connection)
        credentials = self._vault.credentials(config, await self._store.sealed_credentials(config.connection))
        self._venues[config.connection] = config.venue
        adapter = self._adapter(config, credentials)
        self.adapters[config.connection] = adapter
        self._market_data.add_login(adapter)
        self._inbox.put_nowait(
            ev.VenueAbilities(
                at_ns=self._clock.now_ns(),
                connection=config.connection,
                flips=adapter.capabilities.flips,
                links=adapter.capabilities.links_orders,
                trails=isinstance(adapter, venue.Trails) and adapter.capabilities.native_trailing,
                gtc=TimeInForce.GTC in adapter.capabilities.times_in_force,
                finds=adapter.capabilities.client_tag,
                find=adapter.capabilities.find,
                reading=adapter.capabilities.reading,
            )
        )
        if isinstance(adapter, venue.PlacesAtOnce):
            self._at_once[config.connection] = adapter
        while True:
            try:
                await adapter.connect()
                break
            except venue.LoginRefused as refused:
                self._refused.add(config.connection)
                self._inbox.put_nowait(
                    ev.ConnectionRefused(at_ns=self._clock.now_ns(), connection=config.connection, reason=str(refused))
                )
                return
            except venue.VenueUnreachable as unreachable:
                self._emit(
                    venue.StreamDown(
                        connection=config.connection, received_ns=self._clock.now_ns(), reason=str(unreachable)
                    )
                )
                self._ready.set()
                await asyncio.sleep(1.0)
                if self.adapters.get(config.connection) is not adapter:
                    return  # it was taken off the desk meanwhile
        self.charting.connected(adapter)

    def _follow_config(self) -> None:
        """The configuration changed: connect logins that were added, and ask again for contracts that were refused."""
        for login in self.core.config.connections:
            if login.connection not in self._logins:
                self._logins.add(login.connection)
                self._start(self._connect_added(login))
        known = {login.connection for login in self.core.config.connections}
        for connection in self.adapters.keys() - known:
            self._leave(connection)
        self._ask_refused_contracts()

    def _leave(self, connection: str) -> None:
        """A login is on the desk no more: its last account was taken off."""
        adapter = self.adapters.pop(connection)
        self._logins.discard(connection)
        self._at_once.pop(connection, None)
        self._market_data.drop_login(connection)
        self.charting.left(connection)
        text = "its last account was taken off the desk"
        self._emit(venue.StreamDown(connection=connection, received_ns=self._clock.now_ns(), reason=text))
        self._start(adapter.close())

    async def _connect_added(self, login: ConnectionConfig) -> None:
        try:
            await self._connect(login)
        except (VaultError, StoreRefused) as refused:  # this login can't come up; the others go on
            self._logins.discard(login.connection)
            self._alert("alarm", f"{login.connection}: {refused}")

    def _ask_refused_contracts(self) -> None:
        """What a venue refused or had wrong may be right by now: a symbol map, the product table, a new month. And what
        it had right on an earlier day may have rolled."""
        if due := rollover.due(self.core):
            self._start(self._check(due))

    async def _when_connected(self, connects: list[asyncio.Task[None]]) -> None:
        if connects:
            await asyncio.wait(connects)
        await self._inbox.join()  # the core has heard that they are up
        await self._check_known_symbols()
        self._ready.set()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` beside the worker; a venue that will not do it is one sentence for the trader, not the end."""
        assert self._group is not None
        task = self._group.create_task(self._survive(work))
        task.add_done_callback(lambda _: work.close())  # canceled before its first step, it never came to `work`

    async def _survive(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except venue.VenueError as error:
            self._alert("warn", str(error))

    # --- the worker ------------------------------------------------------------------------------------------------

    def _emit(self, event: venue.Event) -> None:
        """The adapters' door: market data goes to the screen's state at once, all else in order to the core."""
        if isinstance(event, venue.QuoteUpdated):
            self._market_data.quote(event)
        elif isinstance(event, venue.BarsUpdated):
            self._market_data.bars(event, self._venues[event.connection])
        elif isinstance(event, venue.MarketTold):
            self._market_data.told(event)
        elif isinstance(event, venue.MessageUnreadable):
            self._tell_unreadable(event)
        else:
            self.exits.book.see(event)
            self._inbox.put_nowait(event, urgent=isinstance(event, venue.Filled) and self._is_urgent(event))

    def _tell_unreadable(self, event: venue.MessageUnreadable) -> None:
        """One alert a second for each login: a venue that sends nothing else must not fill the journal. The rest is
        counted, in the next alert and on the login's row."""
        told_ns, left_out = self._unreadable.get(event.connection, (0, 0))
        if event.received_ns - told_ns < _UNREADABLE_EVERY_NS:
            self._unreadable[event.connection] = (told_ns, left_out + 1)
            return
        self._unreadable[event.connection] = (event.received_ns, 0)
        more = f", and {left_out} before it" if left_out else ""
        self._alert("warn", f"{event.connection}: a message could not be read ({event.error}){more}")

    def _is_urgent(self, event: venue.Filled) -> bool:
        """A leader's fill, where nothing but fills is mirrored: other modes must hear of the order first."""
        groups = self.core.leads.get(event.fill.account, ())
        return bool(groups) and all(group.mode is Mode.FILLS for group in groups)

    async def _work(self) -> None:
        while True:
            event = await self._inbox.get()
            await self._check_symbols(event)
            await self._in_turn(event)
            if isinstance(event, ev.ConfigLoaded):
                self._follow_config()
            if isinstance(event, venue.StreamUp) and self._ready.is_set():
                self._start(self._check_known_symbols())
            self._inbox.handled()

    def _feed(self, event: ev.AnyInput) -> list[ev.AnyEffect]:
        if isinstance(event, ev.ConfigLoaded):  # it may have waited: for another since, or for the kill switch
            event = replace(event, config=self._config.config)
        if self._recorder is None:
            return self.core.process(event)
        self._recorder.input(event)
        effects = self.core.process(event)
        self._recorder.decided(effects)
        return effects

    async def _in_turn(self, event: ev.AnyInput) -> None:
        """For inputs that may ask for commits: two at a time would journal signals in another order than the core made
        them, and a desk that starts again would take an older one for the newest."""
        async with self._turn:
            await self._handle(event)

    async def _handle(self, event: ev.AnyInput) -> None:
        for effect in self._feed(event):
            match effect:
                case ev.Send():
                    self._send(effect)
                case ev.Keep():
                    self._keep(effect)
                case ev.Commit():
                    await self._commit(effect)
                case ev.CommitManual():
                    await self._commit_manual(effect)
                case ev.KeepManual():
                    self.journal.keep_manual(effect.orders)
                case ev.ChangeOrder():
                    self._start(self._change(effect))
                case ev.Ask():
                    self._start(self._ask(effect.connection))
                case ev.AskOrders():
                    self._start(self._find(effect))
                case ev.Disarm():
                    self._start(self._disarm(effect))
                case ev.SetBaseline():
                    await self.journal.set_baseline(effect.leader, effect.at_ns)
                case ev.Alert():
                    self._alert(effect.level, effect.text)

    def _send(self, effect: ev.Send) -> None:
        """Bytes to the socket now, where the adapter can; else in a task of its own."""
        if at_once := self._at_once.get(effect.connection):
            at_once.place_at_once(effect.orders)
        else:
            self._start(self.adapters[effect.connection].place(effect.orders))

    async def _commit(self, effect: ev.Commit) -> None:
        decided_ns = self._signalled_ns = self._clock.now_ns()
        copies = [replace(copy, decided_ns=decided_ns) for copy in effect.copies]
        fresh = await self.journal.commit(effect.signal, copies)
        await self._handle(
            ev.Committed(
                at_ns=self._clock.now_ns(), signal_id=effect.signal.signal_id, fresh=fresh, decided_ns=decided_ns
            )
        )
        await asyncio.sleep(0)  # the orders' tasks run before anything else that is waiting here
        for copy in copies:
            if kept := self.core.recent.get((copy.signal_id, copy.follower)):
                self.views.copy_changed(*kept)

    async def _commit_manual(self, effect: ev.CommitManual) -> None:
        self._signalled_ns = self._clock.now_ns()
        fresh = await self.journal.commit_manual(effect.orders)
        tags = tuple(order.cl_ord_id for order in effect.orders)
        await self._handle(ev.ManualCommitted(at_ns=self._clock.now_ns(), tags=tags, fresh=fresh))

    def _keep(self, effect: ev.Keep) -> None:
        self.journal.keep(effect)
        now_ns = self._clock.now_ns()
        for order in effect.orders:
            self.views.order_changed(order, now_ns)
        for copy in effect.copies:
            if kept := self.core.recent.get((copy.signal_id, copy.follower)):
                self.views.copy_changed(*kept)

    async def _disarm(self, effect: ev.Disarm) -> None:
        with contextlib.suppress(StoreRefused):  # no follower any more: nothing to switch off
            await self.journal.disarm(effect.account, effect.reason)
        if effect.flatten:
            await self.flatten(effect.account)

    async def _change(self, effect: ev.ChangeOrder) -> None:
        """One request about an order at rest, and what is known of it afterwards."""
        terms, outcome, reject_class, text = effect.terms, ev.Outcome.TAKEN, RejectClass.OTHER, ""
        adapter = self.adapters.get(effect.connection)
        try:
            if adapter is None:
                raise venue.RequestRefused("its connection is not running", RejectClass.UNAVAILABLE)
            if terms is None:
                await adapter.cancel(effect.account, effect.order_id)
            elif terms.trail is not None and isinstance(adapter, venue.Trails):
                await adapter.modify_trailing(
                    effect.account, effect.order_id, qty=terms.qty, trail=terms.trail, stop_price=terms.stop_price
                )
            else:
                await adapter.modify(
                    effect.account,
                    effect.order_id,
                    qty=terms.qty,
                    order_type=terms.order_type,
                    limit_price=terms.limit_price,
                    stop_price=terms.stop_price,
                )
        except venue.RequestRefused as refused:
            outcome, reject_class, text = ev.Outcome.REFUSED, refused.reject_class, str(refused)
        except venue.VenueUnreachable as unreachable:
            outcome, reject_class, text = ev.Outcome.REFUSED, RejectClass.UNAVAILABLE, str(unreachable)
        except venue.VenueError as unknown:
            outcome, text = ev.Outcome.UNKNOWN, str(unknown)
        self._inbox.put_nowait(
            ev.ChangeAnswered(
                at_ns=self._clock.now_ns(),
                account=effect.account,
                cl_ord_id=effect.cl_ord_id,
                terms=terms,
                outcome=outcome,
                reject_class=reject_class,
                text=text,
            )
        )

    async def _ask(self, connection: str) -> None:
        asked_seq, adapter = self.core.seq, self.adapters.get(connection)
        if adapter is None:
            return  # taken off the desk
        try:
            snapshot = await adapter.snapshot()
        except venue.VenueError as error:
            self._inbox.put_nowait(ev.AskFailed(at_ns=self._clock.now_ns(), connection=connection, reason=str(error)))
            return
        self.exits.book.read(connection, exposure_of(snapshot))
        self._inbox.put_nowait(
            ev.SnapshotRead(at_ns=self._clock.now_ns(), connection=connection, snapshot=snapshot, asked_seq=asked_seq)
        )

    async def _find(self, effect: ev.AskOrders) -> None:
        asked_ns = self._clock.now_ns()
        try:
            found = await self.adapters[effect.connection].find(effect.wanted)
        except KeyError:
            return  # its login was taken off the desk
        except venue.VenueError as error:
            found = tuple(unknown(wanted, str(error)) for wanted in effect.wanted)
        self._inbox.put_nowait(
            ev.OrdersFound(at_ns=self._clock.now_ns(), connection=effect.connection, asked_ns=asked_ns, found=found)
        )

    def _alert(self, level: str, text: str) -> None:
        log.info("alert", level=level, text=text)
        self.views.alert(self._clock.now_ns(), level, text)
        self.journal.alert(level, text)

    async def _tick(self) -> None:
        """Every 50 ms: time for the core, fresh views, and how late this loop runs."""
        lags = self.views.loop_lags_ms
        collected_ns = asked_ns = self._clock.now_ns()
        while True:
            due_ns = self._clock.now_ns() + int(TICK_S * 1e9)
            await asyncio.sleep(TICK_S)
            now_ns = self._clock.now_ns()
            lags.append((now_ns - due_ns) / 1e6)
            del lags[:-_LAG_SAMPLES]
            quiet = not self.core.inflight.all() and now_ns - self._signalled_ns > _QUIET_NS
            if quiet and now_ns - collected_ns > _COLLECT_EVERY_NS:
                collected_ns = now_ns
                self.views.collect_ms = collect(self._clock)
            if self._inbox.empty() and not self.journal.down_reason:
                self._inbox.put_nowait(ev.Tick(at_ns=now_ns))
                self._price()
            if now_ns - asked_ns > _ASK_REFUSED_EVERY_NS or self._asked_day != self.core.rolls.day:
                asked_ns, self._asked_day = now_ns, self.core.rolls.day
                self._ask_refused_contracts()
            self.views.flatten = self.exits.says()
            self._market_data.frame(now_ns)
            self.tap.frame(now_ns)
            self.views.publish(now_ns)

    def _price(self) -> None:
        """Tell the core the prices that decide whether a late joiner joins, that stops trail, or that say what a cut
        line cost."""
        for symbol in sorted(late.wanted(self.core) | returned.wanted(self.core) | mirror_trail.wanted(self.core)):
            price, heard_ns = self.market.mark(symbol), self.market.heard_ns(symbol)
            if price and heard_ns > self.core.prices.get(symbol, (price, 0))[1]:
                self._inbox.put_nowait(ev.PriceSeen(at_ns=heard_ns, symbol=symbol, price=price))

    # --- contracts -------------------------------------------------------------------------------------------------

    async def _check_symbols(self, event: ev.AnyInput) -> None:
        """Before a leader's first event in a symbol: have its contracts checked, so that its entry may be copied. A
        venue that does not answer is waited for once: everybody else's orders wait with it."""
        if isinstance(event, venue.Filled):
            account, symbol = event.fill.account, event.fill.symbol
        elif isinstance(event, venue.OrderUpdated):
            account, symbol = event.order.account, event.order.symbol
        else:
            return
        if account in self.core.leads and self._checked.get((account, symbol)) is not self.core.config:
            pairs = instruments.needed(self.core, account, symbol)
            await self._check(pairs - self._undescribed)
            for pair in sorted(pairs - self._undescribed - self.core.instruments.keys()):
                if self.core.up.get(pair[0]) and pair[0] in self.adapters:
                    self._undescribed.add(pair)
                    self._start(self._ask_on(pair))
            if not pairs:  # nor will there be any until the configuration changes
                self._checked[account, symbol] = self.core.config

    async def _ask_on(self, pair: tuple[str, str]) -> None:
        """Beside the worker, until the venue describes the contract: those who copy there join the next trade."""
        pause_s = _ASK_AGAIN_S
        while self.core.instruments.get(pair) is None:
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _ASK_AGAIN_AT_LEAST_S)
            await self._check({pair})
        self._undescribed.discard(pair)

    async def _check(self, pairs: set[tuple[str, str]]) -> None:
        asked = [
            instruments.check(self.adapters[connection], connection, symbol, self._clock)
            for connection, symbol in sorted(pairs)
            if self.core.up.get(connection) and connection in self.adapters
        ]
        said: list[CheckedContract] = []
        for checked in await asyncio.gather(*asked):
            if checked is not None:
                await self._handle(checked)
                self._mark(checked)
                if (row := instruments.row(self.core, checked)) is not None:
                    said.append(row)
        if said:
            self._start(self._keep_contracts(said))

    async def _keep_contracts(self, said: list[CheckedContract]) -> None:
        """For `copydesk symbols`; a database that is away hears of it the next time they are read."""
        with contextlib.suppress(JournalDown, StoreRefused):
            await self._store.put_contracts(said)
        self.watching.described.set()

    async def _watch_lists(self) -> None:
        interval_s = self._settings.chart_interval_s
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._store.listen_lists(self.watching.reload))
                group.create_task(self._store.listen_layouts(self.layouts.reload))
                group.create_task(self.watching.list_contracts())
                group.create_task(self._market_data.follow_lists(self.watching))
                group.create_task(self.watching.ask_quotes(self._quoting, self._marked, interval_s, self._alert))
        except Exception as failure:  # noqa: BLE001 - whatever is wrong with a list, it must not end the copying
            log.error("watchlists stopped", kind=type(failure).__name__, reason=str(failure))
            self._alert("warn", "watchlists stand still, and layouts, until the desk is opened again; see the log")

    def _quoting(self) -> venue.BrokerAdapter | None:
        """The first login that is up and offers market data."""
        offering = (name for name, adapter in self.adapters.items() if adapter.capabilities.market_data)
        return next((self.adapters[name] for name in offering if self.core.up.get(name)), None)

    def _mark(self, checked: ev.InstrumentChecked) -> None:
        """Follow the price of whatever may be held, from the first login that offers market data."""
        adapter = self.adapters.get(checked.connection)
        if adapter is None or checked.error or checked.symbol in self._marked or not adapter.capabilities.market_data:
            return
        self.charting.traded(adapter, checked.symbol)
        if checked.symbol in self._marked:
            return
        self._marked.add(checked.symbol)
        self._start(adapter.watch(checked.symbol, self._settings.chart_interval_s, 1))

    async def _check_known_symbols(self) -> None:
        """What leaders hold and what the chart shows is checked before the first signal."""
        symbols = {(owner, symbol) for owner, symbol, _ in self.core.ledger.positions() if owner in self.core.leads}
        if self._settings.chart_symbol and not self._market_data.fed(self._settings.chart_symbol):
            symbols |= {(leader, self._settings.chart_symbol) for leader in self.core.leads}
        for leader, symbol in sorted(symbols):
            await self._check(instruments.needed(self.core, leader, symbol))
        # A login that was down when the trading day began, as many are, is asked now.
        await self._check(rollover.due(self.core))

    # --- the seat --------------------------------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Every input that has come was handled."""
        return self._inbox.empty()

    away = ""

    def view(self, topic: Topic) -> View:
        return self.views.view(topic)

    async def _config_changed(self) -> None:
        try:
            await self._config.read()
        except StoreRefused as refused:  # somebody wrote past the store: what the desk has is good
            self._alert("alarm", f"{refused} The desk keeps the configuration it has.")
            return
        self._inbox.put_nowait(self._config_loaded())

    def _config_loaded(self) -> ev.ConfigLoaded:
        return ev.ConfigLoaded(at_ns=self._clock.now_ns(), config=self._config.config)

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
        return await self.charting.choose(symbol)

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
        self._start(self._ask(self.core.connection_of(account)))  # what it did before is history
        return said

    async def follow(self, account: str, group: str) -> str:
        return await self.grouping.follow(self._account(account), group)

    async def unfollow(self, account: str) -> str:
        return await self.grouping.unfollow(self._account(account))

    async def remove_account(self, account: str) -> str:
        return await self.grouping.remove(self._account(account))

    async def arm_checklist(self, target: str, acknowledged: Sequence[str]) -> ArmPlan:
        followers = self._followers(target)
        await self._check_known_symbols()
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
        self._start(self._ask(connection))  # what they hold
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
