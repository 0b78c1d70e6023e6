"""The desk: the only place that wires the engine together, and the shell around the core.

One worker takes inputs in order, feeds the core, and performs its effects: a commit is awaited, then all order bytes
leave in one pass, one task per connection so that a hung venue holds up nobody. Runs on one loop; `engine/thread.py`
gives it a thread of its own and a seat to other threads. What seats ask of it is in `desk_commands.py`, what it asks of
venues in `requests.py` and `contracts.py`.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

import structlog
from msgspec.structs import replace

from brokers import adapter as venue
from brokers.feed import Sink
from brokers.registry import build_adapter
from engine import events as ev
from engine import late, mirror_trail, returned, rollover
from engine.arming import Arming
from engine.collector import collect
from engine.contracts import Contracts
from engine.core import Core
from engine.desk_commands import DeskCommands
from engine.exits import Exits
from engine.grouping import Grouping
from engine.inbox import Inbox
from engine.journal import Journal
from engine.latency import Latencies
from engine.layouts import Layouts
from engine.manuals import Manuals
from engine.market_data import MarketData
from engine.newest_config import NewestConfig
from engine.recorder import Recorder
from engine.requests import Requests
from engine.resyncs import Resyncs
from engine.state import CoreLimits
from engine.tap import MarketTap
from engine.views import Views
from engine.watching import Watching
from schema.clock import Clock
from schema.records import (
    ConnectionConfig,
    Mode,
    TimeInForce,
)
from schema.settings import Settings
from schema.store import Store, StoreRefused
from schema.store_market import MarketStore
from schema.vault import Vault, VaultError

TICK_S = 0.05
"""How often the desk publishes what changed."""
_FILLS_REMEMBERED_NS = 7 * 24 * 3_600_000_000_000  # longer than any venue replays, and than a long weekend
_LAG_SAMPLES = 200
_UNREADABLE_EVERY_NS = 1_000_000_000
_QUIET_NS = 2_000_000_000
_ASK_REFUSED_EVERY_NS = 60_000_000_000
_COLLECT_EVERY_NS = 30_000_000_000
_Build = Callable[
    [ConnectionConfig, venue.Credentials, venue.AdapterSettings, Clock, venue.Emit, Random], venue.BrokerAdapter
]
log = structlog.get_logger(__name__)


class Desk(DeskCommands):
    """Accounts, rules and venues of one configuration, running. A `Seat` for its own loop (`desk_commands.py`)."""

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
        self.watching = Watching(store, self.market, clock, user)
        self._inbox = Inbox()
        self._requests = Requests(self.core, self.adapters, self.exits, clock, self._inbox.put_nowait)
        self._contracts = Contracts(
            self.core,
            self.adapters,
            settings,
            store,
            clock,
            self._market_data,
            handle=self._handle,
            start=self._start,
            kept=self.watching.described,
        )
        self.resyncs = Resyncs(self.core, self.adapters, self.market, clock, self._in_turn)
        self.manuals = Manuals(
            self.core,
            self.adapters,
            self.market,
            clock,
            random,
            settings,
            handle=self._in_turn,
            check=self._contracts.check,
            apart=self._apart,
        )
        self.arming = Arming(self.core, self._health_of, self._reserved_of, settings.chart_symbol or "")
        self.grouping = Grouping(self.core, store, self.adapters, self._configure, self._flush)
        self.views = Views(self.core, self.market, self.adapters, self.journal, self.watching, settings.desk)
        self.views.feeds = self._market_data.health
        self.layouts = Layouts(store, user)
        self.views.layouts = self.layouts.rows
        self._unreadable: dict[str, tuple[int, int]] = {}  # by login: when one was told, and how many since were not
        self._turn = asyncio.Lock()
        self._group: asyncio.TaskGroup | None = None
        self._running: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._config = NewestConfig(store.load_config)
        self._signalled_ns = 0
        self._logins: set[str] = set()  # connected, or trying
        self._refused: set[str] = set()  # whose login its venue refused
        self._asked_day = self.core.rolls.day  # the trading day on which contracts were last read from their venues

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

    @property
    def idle(self) -> bool:
        """Every input that has come was handled."""
        return self._inbox.empty()

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
        self._contracts.charting.connected(adapter)

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
        self._contracts.charting.left(connection)
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
            self._start(self._contracts.check(due))

    async def _when_connected(self, connects: list[asyncio.Task[None]]) -> None:
        if connects:
            await asyncio.wait(connects)
        await self._inbox.join()  # the core has heard that they are up
        await self._contracts.check_known()
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
            await self._contracts.before(event)
            await self._in_turn(event)
            if isinstance(event, ev.ConfigLoaded):
                self._follow_config()
            if isinstance(event, venue.StreamUp) and self._ready.is_set():
                self._start(self._contracts.check_known())
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
                    self._start(self._requests.change(effect))
                case ev.Ask():
                    self._start(self._requests.ask(effect.connection))
                case ev.AskOrders():
                    self._start(self._requests.find(effect))
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

    # --- lists, and the configuration --------------------------------------------------------------------------------

    async def _watch_lists(self) -> None:
        interval_s = self._settings.chart_interval_s
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._store.listen_lists(self.watching.reload))
                group.create_task(self._store.listen_layouts(self.layouts.reload))
                group.create_task(self.watching.list_contracts())
                group.create_task(self._market_data.follow_lists(self.watching))
                group.create_task(
                    self.watching.ask_quotes(self._contracts.quoting, self._contracts.marked, interval_s, self._alert)
                )
        except Exception as failure:  # noqa: BLE001 - whatever is wrong with a list, it must not end the copying
            log.error("watchlists stopped", kind=type(failure).__name__, reason=str(failure))
            self._alert("warn", "watchlists stand still, and layouts, until the desk is opened again; see the log")

    async def _config_changed(self) -> None:
        try:
            await self._config.read()
        except StoreRefused as refused:  # somebody wrote past the store: what the desk has is good
            self._alert("alarm", f"{refused} The desk keeps the configuration it has.")
            return
        self._inbox.put_nowait(self._config_loaded())

    def _config_loaded(self) -> ev.ConfigLoaded:
        return ev.ConfigLoaded(at_ns=self._clock.now_ns(), config=self._config.config)
