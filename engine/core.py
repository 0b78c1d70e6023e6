"""The core: every input in, effects out, one at a time and numbered. No await, clock, I/O, randomness or logging.

`engine/desk.py` is the shell that feeds it and performs what it returns. The parts: `planner` decides, `inflight`
follows each order, `answers` books what venues answer, `ledger` holds positions, `recovery` settles what is unknown
and what fell behind.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

from msgspec.structs import replace

from brokers import adapter as venue
from engine import (
    answers,
    finding,
    foreign,
    guards,
    late,
    manual,
    manual_change,
    mirror,
    mirror_answers,
    mirror_links,
    mirror_plan,
    mirror_recovery,
    recovery,
    resync,
    returned,
    rollover,
)
from engine import events as ev
from engine.breaker import Breaker
from engine.inflight import InFlight, InFlightBook
from engine.latency import Latencies
from engine.ledger import Ledger
from engine.manual_book import ManualBook
from engine.mirror_book import MirrorBook
from engine.planner import ASKING, CLOSES_FIRST, FollowerView, correct, plan
from engine.risk import approve
from engine.rules import clash, scale_for, symbol_for
from engine.state import CHASE_NS, CoreLimits, FollowerState, Tally
from schema.records import (
    AccountConfig,
    AccountState,
    Copy,
    Decision,
    DeskConfig,
    Episode,
    Fill,
    FollowerConfig,
    GroupConfig,
    Lots,
    Signal,
    SignalKind,
    VenueOrder,
)

_RECENT_COPIES = 500
_PLAIN = ev.VenueAbilities(at_ns=0, connection="", flips=True)  # what is taken for true of a venue until it is known
_TICK_GRACE_NS = 250_000_000
FLATTEN_HOLD_NS = 15_000_000_000
"""How long a flatten by somebody else may last: until then the desk leaves the closing of the account to it."""


_FLATTEN_GRACE_NS = 1_000_000_000
"""The stream may tell the fills of a flatten a little after the venue was read."""


def digest(*parts: str) -> str:
    """The id of what `parts` name, the same for ever: 20 hex digits of SHA-256."""
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:20]


def _tag(signal: Signal, follower: FollowerConfig) -> str:
    """The client order id of a pair: always the same for the same signal and follower."""
    return "cd" + digest(signal.signal_id, follower.account)


class Core:
    """The desk's decisions. Attributes are for reading (views, tests); only `process` changes them."""

    def __init__(self, limits: CoreLimits, latencies: Latencies) -> None:
        self.limits = limits
        self.seq = 0
        self.config = DeskConfig()
        self.accounts: dict[str, AccountConfig] = {}
        self.groups: dict[str, GroupConfig] = {}
        self.leads: dict[str, list[GroupConfig]] = {}
        self.followers: dict[str, FollowerConfig] = {}
        self.members: dict[str, list[FollowerConfig]] = {}
        self.ledger = Ledger()
        self.inflight = InFlightBook()
        self.mirrored = MirrorBook()
        self.manual = ManualBook()
        self.tally = Tally(latencies)
        self.recent: dict[tuple[str, str], tuple[Signal, Copy]] = {}
        self.states: dict[tuple[str, str], FollowerState] = {}
        self.money: dict[str, AccountState] = {}
        self.up: dict[str, bool] = {}
        self.down_reason: dict[str, str] = {}
        self.abilities: dict[str, ev.VenueAbilities] = {}  # connection -> what its venue can do
        self.breakers: dict[str, Breaker] = {}
        self.leader_nets: dict[tuple[str, str], int] = {}
        self.venue_nets: dict[tuple[str, str], tuple[int, int]] = {}
        self.instruments: dict[tuple[str, str], str] = {}  # (connection, symbol) -> "" or why it may not trade
        self.rolls = rollover.Rolls()
        self.seen_fills: set[tuple[str, str]] = set()
        self.fills_since_ns = 0  # fills older than this are history: those seen then are not remembered any more
        self.baselines: dict[str, int] = {}
        self.last_said_ns: dict[str, int] = {}
        self.asked_ns: dict[str, int] = {}
        self.asked_in_a_row: dict[str, int] = {}  # questions about what is unknown, since nothing was
        self.unread: dict[str, tuple[int, str]] = {}  # connection -> since when its questions fail, and the reason
        self.fill_seqs: dict[str, int] = {}  # account -> number of the input that last changed its position
        self.flattening: dict[str, int] = {}  # account -> until when (ns) somebody else than the copies closes it
        self.flattens: Counter[str] = Counter()  # account -> the desk's own flattens of it that go on
        self.flattened_ns: dict[str, int] = {}  # account -> when it was last flattened
        self.prices: dict[str, tuple[Decimal, int]] = {}  # leader's contract -> price now, and when it was said
        self.entered_ns: dict[tuple[str, str], int] = {}  # (leader, symbol) -> when its open trade began
        self.away: dict[str, returned.Away] = {}  # logins that are down, and what they miss
        self.returning = ""  # the login whose snapshot is being taken in just now
        self.lots: dict[tuple[str, str], Lots] = {}  # (account, symbol) -> whose the lots are, of followers
        self.met: set[str] = set()  # followers whose position was read since they followed
        self.foreign_orders: set[tuple[str, str]] = set()  # (account, order id) that the trader was told of
        self.kept_orders: dict[tuple[str, str], VenueOrder] = {}  # (account, order id) -> as it was last kept
        self.disarming: dict[str, str] = {}  # account -> why it was switched off, until that is stored
        self.now_ns = 0
        self._effects: list[ev.AnyEffect] = []
        self._uncommitted: dict[str, tuple[Signal, list[Copy]]] = {}
        self._handlers: dict[type, Callable[[Any], None]] = {
            ev.ConfigLoaded: self._config_loaded,
            ev.Recovered: self._recovered,
            ev.Committed: self._committed,
            ev.ConnectionRefused: self._refused,
            ev.VenueAbilities: self._abilities,
            ev.InstrumentChecked: self._instrument_checked,
            ev.Flattened: self._flattened,
            ev.ChangeAnswered: partial(mirror_answers.change_answered, self),
            ev.Resync: partial(resync.resync, self),
            ev.ManualRecovered: partial(manual.recovered, self),
            ev.ManualAsked: partial(manual.asked, self),
            ev.ManualCommitted: partial(manual.committed, self),
            ev.ManualChange: partial(manual_change.change, self),
            ev.FlattenEnded: self._flatten_ended,
            ev.PriceSeen: partial(late.price_seen, self),
            ev.AskFailed: partial(recovery.ask_failed, self),
            ev.SnapshotRead: partial(recovery.snapshot_read, self),
            ev.OrdersFound: partial(finding.found, self),
            ev.Tick: partial(recovery.tick, self),
            venue.StreamUp: partial(recovery.stream_up, self),
            venue.StreamDown: self._stream_down,
            venue.OrderSent: partial(answers.sent, self),
            venue.OrderNotSent: partial(answers.not_sent, self),
            venue.OrderAccepted: partial(answers.accepted, self),
            venue.OrderRejected: partial(answers.rejected, self),
            venue.OrderUnknown: partial(answers.unknown, self),
            venue.OrderUpdated: partial(answers.order_updated, self),
            venue.Filled: self.filled,
            venue.PositionUpdated: self._position_updated,
            venue.AccountUpdated: self._account_updated,
        }

    digest = staticmethod(digest)

    # --- the door ---------------------------------------------------------------------------------------------

    def process(self, event: ev.AnyInput) -> list[ev.AnyEffect]:
        """Handle one input and return what is to be done about it, in order."""
        self.seq += 1
        self.now_ns = max(self.now_ns, event.received_ns if isinstance(event, venue.Event) else event.at_ns)
        self._effects = []
        if self.now_ns >= self.rolls.day_ends_ns:
            rollover.new_day(self)
        self._handlers[type(event)](event)
        if self.manual.flights or self.manual.changes:
            manual.after(self, event)
        if self.mirrored.places:
            mirror.align_after(self, event)
        return self._effects

    @property
    def effects(self) -> Sequence[ev.AnyEffect]:
        """What the input that is being handled has asked for so far."""
        return self._effects

    def emit(self, effect: ev.AnyEffect) -> None:
        """Ask the shell for something (also used by `engine/recovery.py`)."""
        self._effects.append(effect)

    # --- configuration ----------------------------------------------------------------------------------------

    def _config_loaded(self, event: ev.ConfigLoaded) -> None:
        config = event.config
        config = replace(config, followers=foreign.still_disarming(self, config.followers))
        self.config = config
        self.accounts = {account.account: account for account in config.accounts}
        self.groups = {group.group: group for group in config.groups}
        self.leads = {}
        for group in config.groups:
            self.leads.setdefault(group.leader, []).append(group)
        turned_on = {f.account for f in config.followers if f.enabled}
        for account in sorted(turned_on & {a for a, f in self.followers.items() if not f.enabled}):
            foreign.back(self, account)
        turned_off = {f.account for f in config.followers if not f.enabled}
        for account in sorted(turned_off & {a for a, f in self.followers.items() if f.enabled}):
            self.leave_episodes(account)
        changed = [
            f for f in config.followers if f.account in self.followers and self.followers[f.account].rule != f.rule
        ]
        self.followers = {follower.account: follower for follower in config.followers}
        for follower in changed:
            self._rescale(follower)
        for account, at_ns in config.flattened:
            if at_ns > self.flattened_ns.get(account, 0):
                self._flatten(account, at_ns)
        self.members = {}
        for follower in config.followers:
            self.members.setdefault(follower.group, []).append(follower)
        for follower in config.followers:
            foreign.meet(self, follower.account)
        rollover.configured(self)
        for connection in config.connections:
            self.breakers.setdefault(
                connection.connection, Breaker(self.limits.breaker_failures, self.limits.breaker_open_s)
            )

    def leave_episodes(self, account: str) -> None:
        """The account takes no further part in the leader's trades that are open now."""
        for (follower, leader_symbol), state in self.states.items():
            if follower == account:
                state.behind = False
                symbol = symbol_for(self.followers[account], leader_symbol) if account in self.followers else ""
                if lots := self.lots.get((account, symbol)):
                    foreign.put(self, replace(lots, copied=0))
                if self.leader_net_for(follower, leader_symbol) != 0:
                    state.episode = Episode.MISSED

    def _rescale(self, follower: FollowerConfig) -> None:
        """A new rule holds for the trade that is open, and for orders at rest, too; the group's drift policy says what
        is sent for it."""
        for (account, leader_symbol), state in self.states.items():
            place = self.mirrored.places.get((account, leader_symbol))
            rests = place is not None and place.live
            if account == follower.account and (rests or state.episode is Episode.JOINED):
                state.scale = self.scale(follower, self.groups[follower.group].leader, leader_symbol)
                state.behind = True
                foreign.led(self, account, symbol_for(follower, leader_symbol))

    def leader_net_for(self, follower: str, leader_symbol: str) -> int:
        """What the follower's leader holds."""
        config = self.followers.get(follower)
        group = self.groups.get(config.group) if config else None
        return self.leader_nets.get((group.leader, leader_symbol), 0) if group else 0

    def _flattened(self, event: ev.Flattened) -> None:
        for account in event.accounts:
            self.flattens[account] += 1
            self._flatten(account, event.at_ns)

    def _flatten(self, account: str, at_ns: int) -> None:
        """Somebody closes the account from `at_ns` on: it leaves the leader's trade, and the copies keep out of it."""
        self.flattened_ns[account] = at_ns
        self.flattening[account] = at_ns + FLATTEN_HOLD_NS
        self.leave_episodes(account)
        foreign.left(self, account)

    def _flatten_ended(self, event: ev.FlattenEnded) -> None:
        for account in event.accounts:
            self.flattens[account] = max(0, self.flattens[account] - 1)
            if not self.flattens[account]:  # else a kill, or another, still says whether it is flat
                self.flattening[account] = event.at_ns + _FLATTEN_GRACE_NS

    def _recovered(self, event: ev.Recovered) -> None:
        self.seen_fills |= event.seen_fills
        self.fills_since_ns = event.fills_since_ns
        self.baselines.update(event.baselines)
        for leader, symbol, net in event.leader_nets:
            self.leader_nets[leader, symbol] = net
        for copy in event.latest_copies:
            self.met.add(copy.follower)
            state = self.state(copy.follower, copy.leader_symbol)
            state.episode = copy.episode
            state.scale = copy.scale or None  # the ledger's 0: it was not known
            state.planned = copy.target_net
            if copy.received_ns <= self.flattened_ns.get(copy.follower, 0):
                if self.leader_net_for(copy.follower, copy.leader_symbol) != 0:
                    state.episode = Episode.MISSED
                continue
            state.behind = (
                copy.decision in (Decision.REJECTED, Decision.EXPIRED, Decision.SKIPPED)
                and copy.target_net != copy.net_before
                and not (guards.held_back(copy.reason) or rollover.held_back(copy.reason))
            )
            # The row of an order at rest does not say where its follower stands; the venue will.
            state.behind = state.behind or bool(copy.leader_order_id)
        self.foreign_orders |= event.live_orders
        foreign.recovered(self, event)
        mirror_recovery.recovered(self, event)
        for signal, copy in event.open_copies:
            if not copy.cl_ord_id:
                continue  # a change of an order at rest
            order = InFlight(signal, copy, deadline_ns=0)
            order.sent = True
            order.unknown_since_ns = self.now_ns
            order.decide(Decision.UNKNOWN, "the desk stopped while it was on its way; asking the venue")
            self.inflight.add(order)
            self.tally.pair(signal, order.copy)
            self.keep(order)
            if copy.leader_order_id:
                mirror_recovery.unknown_order(self, order)
        for signal, groups in event.half_signalled:
            for group in groups:
                self._signal_the_rest(signal, group)

    def _signal_the_rest(self, told: Signal, group: str) -> None:
        """The desk was killed between the commits of one fill: this group gets its signal too. Nothing is known yet of
        what its followers hold, so nothing is sent for it now; what has to go is corrected once it is."""
        signal = replace(told, signal_id=digest("rest", told.signal_id, group), group=group)
        followers = self.members.get(group, [])
        self.signal(signal, followers, leader_before=told.leader_net - told.qty * told.side.sign)
        for follower in followers:
            self.state(follower.account, signal.symbol).behind = True

    # --- connections ------------------------------------------------------------------------------------------

    def connection_of(self, account: str) -> str:
        config = self.accounts.get(account)
        return config.connection if config else ""

    def accounts_of(self, connection: str) -> list[str]:
        return [a.account for a in self.accounts.values() if a.connection == connection]

    def _stream_down(self, event: venue.StreamDown) -> None:
        self.up[event.connection] = False
        self.down_reason[event.connection] = event.reason
        returned.stream_down(self, event)
        self.emit(ev.Alert(level="alarm" if event.final else "warn", text=f"{event.connection}: {event.reason}"))

    def _abilities(self, event: ev.VenueAbilities) -> None:
        self.abilities[event.connection] = event

    def able(self, account: str) -> ev.VenueAbilities:
        """What this account's venue can do."""
        return self.abilities.get(self.connection_of(account), _PLAIN)

    def _refused(self, event: ev.ConnectionRefused) -> None:
        self.up[event.connection] = False
        self.down_reason[event.connection] = event.reason
        self.emit(ev.Alert(level="alarm", text=f"{event.connection}: {event.reason}"))

    def _instrument_checked(self, event: ev.InstrumentChecked) -> None:
        known = self.instruments.get((event.connection, event.symbol))
        self.instruments[event.connection, event.symbol] = event.error
        if event.instrument is not None:
            self.ledger.point_values[event.symbol] = event.instrument.point_value
        if event.error and known != event.error:
            self.emit(ev.Alert(level="alarm", text=f"{event.connection}: {event.error}"))
        rollover.checked(self, event)

    # --- signals ----------------------------------------------------------------------------------------------

    def filled(self, event: venue.Filled) -> None:
        """A fill of an account of the desk, perhaps seen before."""
        fill = event.fill
        if not self.is_new(fill) or fill.venue_ns < self.baselines.get(fill.account, 0):
            return
        self.seen_fills.add((fill.account, fill.fill_id))
        self.ledger.book(fill)
        self.fill_seqs[fill.account] = self.seq
        self.last_said_ns[fill.account] = event.received_ns
        if fill.account in self.leads:
            mirror.leader_fill(self, fill)
            self.leader_filled(fill, event.received_ns)
        answers.copy_filled(self, fill, event.received_ns)
        foreign.filled(self, fill)
        self.emit(ev.Keep(fills=(fill,)))

    def is_new(self, fill: Fill) -> bool:
        """Not seen, and not so old that it may have been seen and forgotten; a fill without a time is as new as any."""
        return (fill.account, fill.fill_id) not in self.seen_fills and not 0 < fill.venue_ns < self.fills_since_ns

    def leader_filled(self, fill: Fill, received_ns: int) -> None:
        """A fill of a leader that was not seen before: a signal for each group it leads."""
        before = self.leader_nets.get((fill.account, fill.symbol), 0)
        after = before + fill.net_qty
        self.leader_nets[fill.account, fill.symbol] = after
        rollover.traded(self, fill.account, fill.symbol)
        late.traded(self, fill.account, fill.symbol, fill.price, fill.venue_ns, before=before, after=after)
        for group in self.leads[fill.account]:
            self.signal(
                Signal(
                    signal_id=digest("fill", fill.venue, fill.account, fill.fill_id, group.group),
                    kind=SignalKind.LEADER_FILL,
                    group=group.group,
                    leader=fill.account,
                    symbol=fill.symbol,
                    side=fill.side,
                    qty=fill.qty,
                    price=fill.price,
                    leader_net=after,
                    source=fill.fill_id,
                    venue_ns=fill.venue_ns,
                    received_ns=received_ns,
                ),
                self.members.get(group.group, []),
                leader_before=before,
            )

    def signal(self, signal: Signal, followers: Sequence[FollowerConfig], *, leader_before: int) -> None:
        """Plan a leader's signal for `followers` and ask for its commit."""
        starts = leader_before == 0 or leader_before * signal.leader_net < 0
        age_s = (self.now_ns - signal.venue_ns) / 1e9
        gate = f"the signal is {age_s:.1f} s old" if age_s > self.limits.deadline_s else ""
        copies: list[Copy] = []
        for follower in followers:
            if starts:
                scale = self.scale(follower, signal.leader, signal.symbol)
                state = self.state(follower.account, signal.symbol)
                place = self.mirrored.places.get((follower.account, signal.symbol))
                # Orders at rest were sized by the scale they began with.
                state.start(state.scale if place is not None and place.live else scale)
                if place is not None and place.takes_part:
                    state.episode = Episode.JOINED
                foreign.new_trade(self, follower, signal.symbol)
            copies.append(self.plan(signal, follower, gate=gate))
        self.commit(signal, copies)

    def plan(self, signal: Signal, follower: FollowerConfig, *, gate: str) -> Copy:
        """One pair's decision; `gate` is a reason of the caller's to open nothing, or ''."""
        copy = plan(signal, self._gated(follower, signal.symbol, gate), tag=_tag(signal, follower))
        return self._opens_later(copy)

    def correct(
        self, signal: Signal, follower: FollowerConfig, delta: int, *, gate: str, target: int | None = None
    ) -> Copy:
        """A correction's decision; `gate` as in `plan`. Without a `target` of the rule it goes where `delta` takes it.
        One that goes less far, because orders at rest explain the rest, makes that no part of the plan."""
        view = self._gated(follower, signal.symbol, gate)
        target = view.net + delta if target is None else target
        return self._opens_later(correct(signal, view, delta, target=target, tag=_tag(signal, follower)))

    def _opens_later(self, copy: Copy) -> Copy:
        """Where a flip takes two orders, the second is a correction that goes once the first has filled, whatever the
        group does about drift."""
        if copy.reason == CLOSES_FIRST:
            self.state(copy.follower, copy.leader_symbol).chase_until_ns = self.now_ns + CHASE_NS
        return copy

    def _gated(self, follower: FollowerConfig, leader_symbol: str, gate: str) -> FollowerView:
        view = self.view(follower, leader_symbol)
        return replace(view, gate=gate) if gate else view

    def commit(self, signal: Signal, copies: Sequence[Copy]) -> None:
        """Count on these copies from now on and ask the shell to journal them."""
        returned.planned(self, signal, copies)
        self._uncommitted[signal.signal_id] = (signal, list(copies))
        deadline_ns = signal.received_ns + int(self.limits.deadline_s * 1e9)
        for copy in copies:
            if copy.leader_order_id:
                mirror.staged(self, signal, copy, deadline_ns)
                continue
            state = self.state(copy.follower, signal.symbol)
            if signal.kind is not SignalKind.CORRECTION:
                foreign.led(self, copy.follower, copy.symbol)
            state.episode = copy.episode
            state.planned = copy.target_net
            coming = self.inflight.on_the_way(copy.follower, copy.symbol)[0] + copy.qty * copy.side.sign
            if copy.target_net != copy.net_before + coming or not self.ledger.known(copy.follower):
                state.behind = True
            if copy.decision is Decision.PENDING:
                self.inflight.add(InFlight(signal, copy, deadline_ns))
            if copy.episode is Episode.MISSED and (follower := self.followers.get(copy.follower)):
                late.missed(self, follower, copy, state)
            if copy.episode is Episode.MISSED and foreign.lots_of(self, copy.follower, copy.symbol).copied:
                state.behind = True
        self.emit(ev.Commit(signal=signal, copies=tuple(copies)))

    def scale(self, follower: FollowerConfig, leader: str, leader_symbol: str) -> Decimal | None:
        """The follower's lots per lot of the leader as things stand now."""
        mine, theirs = self.money.get(follower.account), self.money.get(leader)
        return scale_for(follower, leader_symbol, mine and mine.balance, theirs and theirs.balance)

    def state(self, follower: str, leader_symbol: str) -> FollowerState:
        state = self.states.get((follower, leader_symbol))
        if state is None:
            state = self.states[follower, leader_symbol] = FollowerState()
        return state

    def view(self, follower: FollowerConfig, leader_symbol: str) -> FollowerView:
        """What the planner sees of a follower now."""
        state = self.state(follower.account, leader_symbol)
        symbol = symbol_for(follower, leader_symbol)
        certain, buys, sells = self.inflight.on_the_way(follower.account, symbol)
        net = foreign.held_by_copies(self, follower.account, symbol)
        known = self.ledger.known(follower.account)
        slack_low, slack_high = mirror_plan.slack(self, follower, leader_symbol)
        return FollowerView(
            config=follower,
            symbol=symbol,
            net=net,
            foreign=foreign.lots_of(self, follower.account, symbol).foreign,
            known=known,
            on_the_way=certain,
            unknown_buys=buys,
            unknown_sells=sells,
            slack_low=slack_low,
            slack_high=slack_high,
            flips=self.able(follower.account).flips,
            episode=state.episode,
            scale=state.scale,
            planned=state.planned,
            gate=guards.gate_of(self, follower)
            or self.gate(follower.account, symbol)
            or mirror_plan.unprotected(self, follower.account, leader_symbol),
            off=guards.off_of(self, follower, flat=known and not (net or certain or buys or sells))
            or (f"out: {late.STAYS_OUT}" if state.out else clash(follower, leader_symbol)),
        )

    def gate(self, account: str, symbol: str) -> str:
        """Why nothing may be opened for this account now, or ''."""
        connection = self.connection_of(account)
        if not self.up.get(connection):
            return f"{connection or account} is down: {self.down_reason.get(connection, 'not connected yet')}"
        checked = self.instruments.get((connection, symbol))
        if checked:
            return checked
        if checked is None:
            return f"{symbol} has not been checked with the venue yet"
        if rolling := rollover.gate_of(self, connection, symbol):
            return rolling
        money = self.money.get(account)
        if money and money.liquidate_only:
            return "the venue lets this account only reduce"
        if not self.breakers[connection].allows(self.now_ns):
            return f"breaker of {connection} is open"
        if self.inflight.asking(account, symbol):
            return ASKING
        return ""

    # --- after the journal ------------------------------------------------------------------------------------

    def _committed(self, event: ev.Committed) -> None:
        signal, copies = self._uncommitted.pop(event.signal_id)
        if not event.fresh:
            for copy in copies:
                if copy.decision is Decision.PENDING and (order := self.inflight.get(copy.cl_ord_id)):
                    self.inflight.drop(order)
                    self._send(mirror_links.dropped(self, copy.cl_ord_id, "its signal was in the journal already"))
            mirror.committed(self, event)
            return
        self.tally.signal(signal)
        orders: list[venue.ApprovedOrder] = []
        changed: list[Copy] = []
        for planned in copies:
            copy = replace(planned, decided_ns=event.decided_ns, journaled_ns=event.at_ns)
            self.tally.pair(signal, copy)
            self.remember(signal, copy)
            order = self.inflight.get(copy.cl_ord_id) if copy.decision is Decision.PENDING else None
            if order is None:
                continue
            order.copy = copy
            account, follower = self.accounts.get(copy.follower), self.followers.get(copy.follower)
            reason = guards.gate_of(self, follower) if follower else ""
            if reason and (not copy.reducing or guards.being_flattened(self, copy.follower)):
                # Set while the journal was being written. What of it reduces is planned anew as a correction.
                self.end(order, Decision.SKIPPED, reason)
                self.remember(signal, order.copy)
                changed.append(order.copy)
                orders += mirror_links.dropped(self, copy.cl_ord_id, reason)
                continue
            approved = "the account was taken off the desk before it could be sent"
            if account is not None:
                approved = approve(copy, account.venue_id, now_ns=event.at_ns, deadline_ns=order.deadline_ns)
            if account is None or isinstance(approved, str):
                self.end(order, Decision.EXPIRED, str(approved))
                self.remember(signal, order.copy)
                changed.append(order.copy)
                orders += mirror_links.dropped(self, copy.cl_ord_id, str(approved))
            else:
                orders += mirror_links.approved(self, approved)
        self._send(orders)
        if changed:
            self.emit(ev.Keep(copies=tuple(changed)))
        mirror.committed(self, event)

    def _send(self, orders: Sequence[venue.ApprovedOrder]) -> None:
        batches: dict[str, list[venue.ApprovedOrder]] = {}
        for order in orders:
            batches.setdefault(self.connection_of(order.account), []).append(order)
        for connection, batch in batches.items():
            self.emit(ev.Send(connection=connection, orders=tuple(batch)))

    # --- shared by the parts ------------------------------------------------------------------------------------

    def end(self, order: InFlight, decision: Decision, reason: str) -> None:
        """The order will not trade (further); its follower may have fallen behind, or missed the trade."""
        order.unknown_since_ns = 0
        order.done_filled = order.copy.filled_qty
        self.decide(order, decision, reason)
        state = self.state(order.copy.follower, order.copy.leader_symbol)
        state.behind = True
        self.inflight.end(order)
        certain, buys, sells = self.inflight.on_the_way(order.copy.follower, order.copy.symbol)
        held = foreign.held_by_copies(self, order.copy.follower, order.copy.symbol) or certain or buys or sells
        if not held and state.episode is Episode.JOINED:
            state.episode = Episode.MISSED
            order.copy = replace(order.copy, episode=Episode.MISSED)

    def decide(self, order: InFlight, decision: Decision, reason: str | None = None) -> None:
        """Set a pair's decision and count it; `reason` None keeps the one it has."""
        self.tally.decided(order.signal, order.copy, decision)
        order.decide(decision, reason)

    def keep(self, order: InFlight) -> None:
        """The order's copy changed: show it and store it."""
        self.remember(order.signal, order.copy)
        self.emit(ev.Keep(copies=(order.copy,)))

    def remember(self, signal: Signal, copy: Copy) -> None:
        """Keep the newest copies for the screen."""
        key = (copy.signal_id, copy.follower)
        if key not in self.recent and len(self.recent) >= _RECENT_COPIES:
            del self.recent[next(iter(self.recent))]
        self.recent[key] = (signal, copy)

    def undecided(self, now_ns: int) -> int:
        """Pairs past their deadline without a decision; the desk promises 0."""
        return sum(
            order.copy.decision is Decision.PENDING and now_ns > order.deadline_ns + _TICK_GRACE_NS
            for order in self.inflight.all()
        ) + mirror.undecided(self, now_ns)

    # --- money and positions as the venue says them --------------------------------------------------------------

    def _account_updated(self, event: venue.AccountUpdated) -> None:
        self.money[event.state.account] = event.state
        self.last_said_ns[event.state.account] = event.received_ns
        self.emit(ev.Keep(states=(event.state,)))

    def _position_updated(self, event: venue.PositionUpdated) -> None:
        position = event.position
        self.venue_nets[position.account, position.symbol] = (position.net_qty, event.received_ns)
        self.last_said_ns[position.account] = event.received_ns
        self.emit(ev.Keep(positions=(position,)))
