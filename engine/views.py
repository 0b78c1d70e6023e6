"""What the seats see: rows built from the core on the engine's loop, published as immutable views.

Orders and copies are kept as rows and changed one at a time; accounts, positions and status are rebuilt when something
changed, at most twenty times a second. Reading a view is one attribute load, safe from any thread.
"""

import os
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import TypeVar

import psutil

from brokers.adapter import BrokerAdapter
from engine import foreign, guards, late, recovery, rollover
from engine.core import Core
from engine.drift import Drift
from engine.journal import Journal
from engine.latency import percentile
from engine.market.market import Market
from engine.mirror_book import terms_of, waits_for
from engine.rules import may_trade, symbol_for
from engine.seat import (
    AccountRow,
    AlertRow,
    CopyRow,
    OrderRow,
    PositionRow,
    Role,
    Row,
    StatusRow,
    Topic,
    View,
)
from engine.vitals import Vitals
from engine.watching import Watching
from engine.waterfall import Waterfall
from schema.layouts import UserLayouts
from schema.market import FeedHealth
from schema.records import (
    Copy,
    Decision,
    Environment,
    Episode,
    FollowerConfig,
    Guard,
    LiveOrder,
    LiveStatus,
    Side,
    Signal,
    VenueOrder,
)

_ORDERS_KEPT = 500
_COPIES_KEPT = 500
_ALERTS_KEPT = 200
_UNREAD_FOR_NS = 5_000_000_000  # a login whose questions fail for so long is shown as unknown
_SLOW_EVERY_NS = 1_000_000_000
_LIVE = tuple(LiveStatus)
_FAILED = (Decision.REJECTED, Decision.EXPIRED, Decision.UNKNOWN)

_Kept = TypeVar("_Kept", OrderRow, CopyRow)


class Views:
    """Builds and holds the newest view of every topic."""

    def __init__(
        self,
        core: Core,
        market: Market,
        adapters: dict[str, BrokerAdapter],
        journal: Journal,
        watching: Watching,
        desk: str,
    ) -> None:
        self._core = core
        self._market = market
        self._adapters = adapters
        self._journal = journal
        self._watching = watching
        self._desk = desk
        self._process = psutil.Process()
        self._orders: dict[tuple[str, str], OrderRow] = {}
        self._copies: dict[tuple[str, str], CopyRow] = {}
        self._changed_orders: dict[tuple[str, str], tuple[VenueOrder, int]] = {}
        self._changed_copies: dict[tuple[str, str], tuple[Signal, Copy]] = {}
        self._alerts: list[AlertRow] = []
        self._views = {topic: View(topic=topic, version=0, rows=()) for topic in Topic}
        self._seen: dict[Topic, object] = {}
        self._slow_ns = 0
        self._latencies: dict[str, tuple[float, float]] = {}
        self._summaries = core.tally.latencies.summaries()
        self._rss_mb = 0.0
        self._drift = Drift(core)
        self._vitals = Vitals(core, adapters, journal)
        self._waterfall = Waterfall(Random(1))
        self._working: Counter[str] = Counter()
        self.loop_lags_ms: list[float] = []  # how late the loop ran lately
        self.flatten = ""  # how a flatten that runs stands
        self.collect_ms = -1.0
        self.feeds: Callable[[], tuple[FeedHealth, ...]] = tuple
        self.layouts: Callable[[], tuple[UserLayouts, ...]] = tuple

    def view(self, topic: Topic) -> View:
        return self._views[topic]

    # --- changes as they happen --------------------------------------------------------------------------------

    def order_changed(self, order: VenueOrder, at_ns: int) -> None:
        """Show this order at the next publishing: making rows would keep orders waiting."""
        self._changed_orders[order.account, order.order_id] = (order, at_ns)

    def copy_changed(self, signal: Signal, copy: Copy) -> None:
        """Show this copy at the next publishing."""
        self._changed_copies[copy.signal_id, copy.follower] = (signal, copy)

    def _show_order(self, order: VenueOrder, at_ns: int) -> None:
        copied = self._core.inflight.get(order.cl_ord_id) is not None or order.cl_ord_id.startswith("cd")
        manual = self._core.manual.mine(order)
        others = "leader" if order.account in self._core.leads else "foreign"
        origin = "copy" if copied else "manual" if manual else others
        _put(
            self._orders,
            (order.account, order.order_id),
            OrderRow(
                account=order.account,
                order_id=order.order_id,
                cl_ord_id=order.cl_ord_id,
                origin=origin,
                symbol=order.symbol,
                side=order.side,
                order_type=order.order_type,
                qty=order.qty,
                filled_qty=order.filled_qty,
                avg_price=order.avg_price,
                limit_price=order.limit_price,
                stop_price=order.stop_price,
                status=str(order.status),
                text=order.text,
                updated_ns=order.venue_ns or at_ns,
            ),
            _ORDERS_KEPT,
            stays=lambda row: row.status in _LIVE,
        )

    def _show_copy(self, signal: Signal, copy: Copy) -> None:
        self._waterfall.add(signal, copy)
        total_ns = copy.acked_ns - copy.received_ns if copy.acked_ns else 0
        _put(
            self._copies,
            (copy.signal_id, copy.follower),
            CopyRow(
                signal_id=copy.signal_id,
                follower=copy.follower,
                leader=signal.leader,
                kind=str(signal.kind),
                at_ns=copy.received_ns,
                symbol=copy.symbol,
                side=copy.side,
                qty=copy.qty,
                filled_qty=copy.filled_qty,
                avg_price=copy.avg_price,
                target_net=copy.target_net,
                decision=copy.decision,
                reason=copy.reason,
                total_ms=total_ns / 1e6 if total_ns else -1.0,
                order=waits_for(terms_of(copy)),
            ),
            _COPIES_KEPT,
        )

    def alert(self, at_ns: int, level: str, text: str) -> None:
        self._alerts.insert(0, AlertRow(at_ns=at_ns, level=level, text=text))
        del self._alerts[_ALERTS_KEPT:]

    # --- publishing --------------------------------------------------------------------------------------------

    def publish(self, now_ns: int) -> None:
        """Publish every topic whose rows changed since the last time."""
        core = self._core
        slow = now_ns - self._slow_ns >= _SLOW_EVERY_NS
        if slow:
            self._slow_ns = now_ns
            self._refresh_slow()
        moved = (core.seq, self._market.version, slow and now_ns)
        if self._seen.get(Topic.ACCOUNTS) != moved:
            self._seen[Topic.ACCOUNTS] = moved
            self._publish(Topic.POSITIONS, tuple(self._positions()))
            self._publish(Topic.ACCOUNTS, tuple(self._accounts()))
            self._publish(Topic.DRIFT, self._drift.rows())
        for order, at_ns in self._changed_orders.values():
            self._show_order(order, at_ns)
        if slow or self._changed_orders:
            self._mark_own_orders()
        for signal, copy in self._changed_copies.values():
            self._show_copy(signal, copy)
        self._changed_orders.clear()
        self._changed_copies.clear()
        self._publish_kept(Topic.ORDERS, self._orders)
        self._publish_kept(Topic.COPIES, self._copies)
        self._publish(Topic.ALERTS, tuple(self._alerts))
        if self._seen.get(Topic.CANDLES) != (self._market.version, self._slow_ns):
            self._seen[Topic.CANDLES] = (self._market.version, self._slow_ns)
            self._publish(Topic.CANDLES, (self._market.candles(now_ns),))
        self._publish_market(self._market.symbol)
        self._publish(Topic.WATCHLISTS, self._watching.lists(now_ns))
        self._publish(Topic.FILTERS, self._watching.filters)
        self._publish(Topic.LAYOUTS, self.layouts())
        self._publish(Topic.STATUS, (self._status(now_ns),))

    def _publish(self, topic: Topic, rows: tuple[Row, ...]) -> None:
        held = self._views[topic]
        if rows != held.rows:
            self._views[topic] = View(topic=topic, version=held.version + 1, rows=rows)

    def _publish_kept(
        self, topic: Topic, rows: dict[tuple[str, str], OrderRow] | dict[tuple[str, str], CopyRow]
    ) -> None:
        newest = tuple(reversed(rows.values()))
        held = self._views[topic]
        # Rows are replaced, never changed, so comparing identities is enough and cheap.
        if len(newest) != len(held.rows) or any(a is not b for a, b in zip(newest, held.rows, strict=True)):
            self._views[topic] = View(topic=topic, version=held.version + 1, rows=newest)

    def _publish_market(self, symbol: str) -> None:
        """What is told of the chart's symbol."""
        book = self._market.book(symbol)
        self._publish(Topic.DEPTH, (book,) if book is not None else ())
        tape, session = self._market.tape(symbol), self._market.session(symbol)
        self._publish(Topic.TAPE, (tape, session) if tape is not None and session is not None else ())

    def _mark_own_orders(self) -> None:
        """In the books, all that work."""
        working: dict[str, list[tuple[Decimal, Side, int]]] = {symbol: [] for symbol in self._market.followed}
        for row in self._orders.values():
            price = row.limit_price or row.stop_price
            if row.status == LiveStatus.WORKING and price and row.symbol in working:
                working[row.symbol].append((price, row.side, row.qty - row.filled_qty))
        for symbol, orders in working.items():
            self._market.own_orders(symbol, orders)

    def _refresh_slow(self) -> None:
        latencies = self._core.tally.latencies
        self._summaries = latencies.summaries()
        for account, stage in latencies.followers.items():
            summary = stage.summary()
            self._latencies[account] = (summary.p50, summary.p99)
        self._rss_mb = self._process.memory_info().rss / 2**20
        live = (order.account for order in self._core.kept_orders.values() if isinstance(order, LiveOrder))
        self._working = Counter(live)
        self._publish(Topic.FEEDS, self.feeds())
        self._publish(Topic.TRUTH, self._market.truth())
        process = self._vitals.process(self.loop_lags_ms, self.collect_ms)
        self._publish(Topic.HEALTH, (process, self._vitals.postgres(), *self._vitals.connections()))
        self._publish(Topic.LATENCY, self._waterfall.rows())

    def _accounts(self) -> list[AccountRow]:
        core = self._core
        open_pnl: dict[str, Decimal] = {}
        realized: dict[str, Decimal] = {}
        for account, symbol, holding in core.ledger.positions():
            points = core.ledger.point_values.get(symbol, Decimal(1))
            open_pnl[account] = open_pnl.get(account, Decimal(0)) + holding.open_pnl(self._market.mark(symbol), points)
            realized[account] = realized.get(account, Decimal(0)) + holding.realized
        environments = {c.connection: (c.venue, c.environment) for c in core.config.connections}
        leaders = {group.leader: group.group for group in core.config.groups}
        adrift = {
            follower.account: f"holds {held:+d} {symbol}, its rule says {target:+d}"
            + _foreign_text(core, follower.account, symbol)
            for follower, symbol, target, held in recovery.drifting(core)
        }
        ordered = sorted(core.accounts.values(), key=lambda a: (a.account not in leaders, a.account))
        rows: list[AccountRow] = []
        for config in ordered:
            account = config.account
            follower = core.followers.get(account)
            role = Role.LEADER if account in leaders else Role.FOLLOWER if follower else Role.NONE
            state, why = self._state(account, adrift)
            money = core.money.get(account)
            tally = core.tally.followers.get(account, Counter[Decision]())
            p50, p99 = self._latencies.get(account, (-1.0, -1.0))
            health = self._adapters[config.connection].health() if config.connection in self._adapters else None
            venue, environment = environments.get(config.connection, ("", Environment.DEMO))
            held = [(s, h.net) for a, s, h in core.ledger.positions() if a == account and h.net]
            rows.append(
                AccountRow(
                    account=account,
                    connection=config.connection,
                    venue=venue,
                    environment=environment,
                    group=follower.group if follower else leaders.get(account, ""),
                    role=role,
                    enabled=follower.enabled if follower else role is Role.LEADER,
                    state=state,
                    why=why,
                    rule=_rule_text(follower) if follower else "",
                    position=_position_text(held) if core.ledger.known(account) else "?",
                    net_qty=sum(net for _, net in held),
                    day_pnl=(money.realized_pnl if money else realized.get(account, Decimal(0)))
                    + open_pnl.get(account, Decimal(0)),
                    open_pnl=open_pnl.get(account, Decimal(0)),
                    balance=money.balance if money else Decimal(0),
                    copies_ok=tally[Decision.COPIED],
                    copies_failed=sum(tally[decision] for decision in _FAILED),
                    copies_skipped=tally[Decision.SKIPPED],
                    latency_p50_ms=p50,
                    latency_p99_ms=p99,
                    budget_left=health.budget_left if health else 0,
                    budget_per_min=health.budget_per_min if health else 0,
                    as_of_ns=core.last_said_ns.get(account, 0),
                    working=self._working[account],
                )
            )
        return rows

    def _state(self, account: str, adrift: dict[str, str]) -> tuple[str, str]:
        core = self._core
        connection = core.connection_of(account)
        follower = core.followers.get(account)
        if not core.up.get(connection):
            reason = core.down_reason.get(connection, "not connected yet")
            refused = connection in self._adapters and self._adapters[connection].health().state == "refused"
            return ("refused" if refused else "down"), reason
        unread = ""
        if connection in core.unread:
            since_ns, reason = core.unread[connection]
            if core.now_ns - since_ns < _UNREAD_FOR_NS:
                reason = ""
            unread = reason and f"not read for {(core.now_ns - since_ns) / 1e9:.0f} s: {reason}"
        if not core.ledger.known(account):
            return "unknown", unread or "the venue has not said what it holds"
        money = core.money.get(account)
        locked = "the venue lets this account only reduce" if money is not None and money.liquidate_only else ""
        if follower is None:
            if locked:
                return "locked", locked
            return "armed" if account in core.leads else "off", ""
        if not follower.enabled:
            return "off", follower.why_off or "switched off by the trader"
        guard, _ = guards.guard_of(core, follower)
        if guard is not Guard.NONE:
            why = guards.gate_of(core, follower)
            state = guards.WORDS[guard].replace(" ", "-")
            return state, f"{why}; {adrift[account]}" if account in adrift else why
        for (checked_on, symbol), error in core.instruments.items():
            if checked_on == connection and error and may_trade(follower, symbol):
                return "disarmed", error
        if rolling := rollover.why_disarmed(core, follower):
            return "disarmed", f"{rolling}; {adrift[account]}" if account in adrift else rolling
        if any(order.unknown_since_ns for order in core.inflight.all() if order.copy.follower == account):
            return "syncing", unread or "an order's outcome is being asked for"
        if unread:
            return "unknown", unread
        if locked:
            return "locked", f"{locked}; {adrift[account]}" if account in adrift else locked
        if account in adrift:
            return "out-of-sync", adrift[account]
        for (name, symbol), missing in core.states.items():
            out = name == account and missing.episode is Episode.MISSED
            if out and (missing.out or core.leader_net_for(account, symbol)):
                return "armed", late.words(core, follower, symbol)
        return "armed", ""

    def _positions(self) -> list[PositionRow]:
        core = self._core
        leaders = {group.leader: group.group for group in core.config.groups}
        leader_symbols = {symbol for _, symbol in core.leader_nets}
        rows: list[PositionRow] = []
        for account, symbol, holding in sorted(
            core.ledger.positions(), key=lambda p: (p[0] not in leaders, p[0], p[1])
        ):
            follower = core.followers.get(account)
            target = None
            if follower:
                sources = [s for s in leader_symbols if symbol_for(follower, s) == symbol]
                target = recovery.target_of(core, follower, sources[0]) if sources else None
            if not holding.net and not target and not holding.realized:
                continue
            mark = self._market.mark(symbol)
            drift = "" if target is None or target == holding.net else f"{holding.net - target:+d}"
            rows.append(
                PositionRow(
                    account=account,
                    group=follower.group if follower else leaders.get(account, ""),
                    role=Role.LEADER if account in leaders else Role.FOLLOWER if follower else Role.NONE,
                    symbol=symbol,
                    net_qty=holding.net,
                    target_net=target,
                    avg_price=holding.avg_price,
                    mark=float(mark),
                    open_pnl=holding.open_pnl(mark, core.ledger.point_values.get(symbol, Decimal(1))),
                    realized_pnl=holding.realized,
                    drift=drift,
                    as_of_ns=core.last_said_ns.get(account, 0),
                )
            )
        return rows

    def _status(self, now_ns: int) -> StatusRow:
        core = self._core
        count = core.tally.decisions
        rows = [row for row in self._views[Topic.ACCOUNTS].rows if isinstance(row, AccountRow)]
        return StatusRow(
            desk=self._desk,
            pid=os.getpid(),
            guard=guards.summary(core),
            flatten=self.flatten,
            now_ns=now_ns // 1_000_000_000 * 1_000_000_000,
            blocked=self._journal.down_reason,
            journal_ok=not self._journal.down_reason,
            connections_up=sum(bool(core.up.get(login.connection)) for login in core.config.connections),
            connections=len(core.config.connections),
            signals=core.tally.signals,
            pairs=core.tally.pairs,
            copied=count[Decision.COPIED],
            skipped=count[Decision.SKIPPED],
            rejected=count[Decision.REJECTED],
            expired=count[Decision.EXPIRED],
            unknown=count[Decision.UNKNOWN],
            undecided=core.undecided(now_ns),
            drifting=sum(row.state == "out-of-sync" for row in rows),
            latency=self._summaries,
            loop_lag_p99_ms=percentile(sorted(self.loop_lags_ms), 99),
            rss_mb=self._rss_mb,
            collect_ms=self.collect_ms,
            feed_age_ms=(now_ns - self._market.said_ns) // 100_000_000 * 100.0 if self._market.said_ns else -1.0,
            day_pnl=sum((row.day_pnl for row in rows), Decimal(0)),
            open_pnl=sum((row.open_pnl for row in rows), Decimal(0)),
        )


def _foreign_text(core: Core, account: str, symbol: str) -> str:
    lots = foreign.lots_of(core, account, symbol).foreign
    return f"; {lots:+d} of them not the desk's" if lots else ""


def _put(
    rows: dict[tuple[str, str], _Kept],
    key: tuple[str, str],
    row: _Kept,
    kept: int,
    stays: Callable[[_Kept], bool] = lambda _: False,
) -> None:
    """Keep the newest rows; of older ones those that `stays` names go last."""
    if key not in rows and len(rows) >= kept:
        del rows[next((each for each, old in rows.items() if not stays(old)), next(iter(rows)))]
    rows[key] = row


def _position_text(held: list[tuple[str, int]]) -> str:
    return " ".join(f"{net:+d} {symbol}" for symbol, net in sorted(held)) or "flat"


def _rule_text(follower: FollowerConfig) -> str:
    maps = [f"{m.leader_root}>{m.follower_root}x{m.lot_factor.normalize():f}" for m in follower.symbols]
    return " ".join([str(follower.rule), *maps])
