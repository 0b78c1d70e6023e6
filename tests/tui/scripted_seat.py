"""A desk out of a script: a complete `Seat` whose leader trades a seeded walk, for driving the screen without venues.

One leader and 20 followers. Time is the script's own; `advance` plays one market event, and the same seed and number
of events always give the same rows. Commands do what they say to the rows. Safe to read from any thread.
"""

import threading
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from random import Random

from msgspec import structs

from engine.market.shown import BookLevel, BookShown, Print, SessionShown, TapeShown, Truth
from engine.report import report
from engine.reported import Report, ReportAsked
from engine.reporting import days_of
from engine.seat import (
    AccountRow,
    AlertRow,
    Candles,
    Chosen,
    CommandRefused,
    CopyRow,
    FlattenResult,
    LatencySummary,
    LoginAccount,
    LoginAccounts,
    OrderAct,
    OrderLine,
    OrderPlan,
    OrderRow,
    PositionRow,
    ResyncLine,
    ResyncPlan,
    Role,
    Row,
    StatusRow,
    Ticket,
    Topic,
    View,
    WatchlistRow,
    WatchRow,
)
from engine.shown import (
    ArmCheck,
    ArmLine,
    ArmPlan,
    ConnectionShown,
    CopyTimes,
    DriftRow,
    PostgresShown,
    PracticeLogin,
    PreviewStep,
    ProcessShown,
    RulePreview,
    StageShown,
    VenuePolicy,
    Verdict,
)
from engine.symbol_search import LIMIT, Match, SymbolIndex
from engine.watching import resolve
from schema.group_words import GroupRefused, changed
from schema.layouts import LayoutEdit, LayoutsRefused, UserLayouts
from schema.layouts import edited as layouts_edited
from schema.listed import Listed, contracts
from schema.login import Credentials
from schema.market import Aggressor, SessionState
from schema.records import (
    Bar,
    ConnectionConfig,
    Decision,
    Environment,
    GroupConfig,
    Guard,
    OrderType,
    Rule,
    Side,
    VenueAccount,
)
from schema.store_report import ReportFacts
from schema.watchlists import AddSymbols, Edit, ListRefused, UserLists, Watched, edited
from tests.report_book import DAY, ENDS_NS, book_facts

START_NS = 1_703_500_200_000_000_000  # 2023-12-25 10:30 UTC
EVENT_NS = 20_000_000
EVENTS_PER_SIGNAL = 400
FOLLOWERS = 20
TICK = 0.25
PASSWORD = "canary-right"
RULES = ("proportional 1", "fixed 1", "proportional 0.5", "percent 100")


class ScriptedSeat:
    """Publishes on `publish`, which `advance` calls every `publish_every` events."""

    away = ""

    def __init__(self, seed: int = 7, publish_every: int = 1) -> None:
        self._random = Random(seed)
        self._lock = threading.Lock()
        self._publish_every = publish_every
        self.asked: list[tuple[str, bool]] = []  # what of the trader's orders was asked, and whether to send it
        self.events = 0
        self.signals = 0
        self.now_ns = START_NS
        self.price = 4812.25
        self.leader_net = 0
        self.blocked = ""
        self.guarded = ""
        self.acknowledged: list[str] = []
        self.charted: list[str] = []
        self.added: list[tuple[ConnectionConfig, Credentials, Chosen]] = []
        self.not_on_the_desk: tuple[str, ...] = ("NEW1", "NEW2")
        self.login_venue = "tradovate"
        self.login_environment = Environment.DEMO
        self.flattening = ""
        self.undecided = 0
        self.drift: tuple[DriftRow, ...] = ()
        self.health: tuple[ProcessShown | PostgresShown | ConnectionShown, ...] = ()
        self.times: tuple[StageShown | CopyTimes, ...] = ()
        self.failing: dict[str, ArmCheck] = {}  # by follower: what keeps it from being armed
        self.policies: tuple[VenuePolicy, ...] = ()
        self.practice: tuple[PracticeLogin, ...] = ()
        self.sizes: dict[str, tuple[Rule, int | None]] = {}
        self.bars: list[Bar] = []
        self.accounts: dict[str, AccountRow] = {}
        self.orders: list[OrderRow] = []
        self.copies: list[CopyRow] = []
        self.alerts: list[AlertRow] = []
        self.prints: list[Print] = []  # newest first
        self.trades = 0
        self.torn = False
        self.stored: tuple[Bar, ...] = ()  # candles of before the chart, oldest first
        self.stored_asked: list[tuple[str, str, int, int]] = []
        self.mine = UserLists()
        self.layouts: UserLayouts | None = UserLayouts()  # None: not read yet
        self.index = SymbolIndex(contracts(date(2023, 12, 25)))
        self._views = {topic: View(topic=topic, version=0, rows=()) for topic in Topic}
        self._make_accounts()
        self._make_history()
        self.publish()

    # --- the script -----------------------------------------------------------------------------------------------

    def _make_accounts(self) -> None:
        for index in range(FOLLOWERS + 1):
            leader = index == 0
            name = "LEAD1000" if leader else f"DEMO{1000 + index}"
            self.accounts[name] = self._account(
                name,
                connection="lead" if leader else f"login{1 + (index - 1) // 5}",
                role=Role.LEADER if leader else Role.FOLLOWER,
                rule="" if leader else RULES[index % len(RULES)],
            )

    def _account(self, name: str, connection: str = "", role: Role = Role.FOLLOWER, rule: str = "") -> AccountRow:
        return AccountRow(
            account=name,
            connection=connection,
            venue="tradovate",
            environment=Environment.DEMO,
            group="main",
            role=role,
            enabled=True,
            state="armed",
            why="",
            rule=rule,
            position="flat",
            net_qty=0,
            day_pnl=Decimal(0),
            open_pnl=Decimal(0),
            balance=Decimal(50_000),
            copies_ok=0,
            copies_failed=0,
            copies_skipped=0,
            latency_p50_ms=-1.0,
            latency_p99_ms=-1.0,
            budget_left=600,
            budget_per_min=600,
            as_of_ns=self.now_ns,
        )

    def _make_history(self) -> None:
        first_ns = START_NS // 60_000_000_000 * 60_000_000_000 - 240 * 60_000_000_000
        price = self.price
        for minute in range(240):
            moves = [price + self._random.randint(-6, 6) * TICK for _ in range(4)]
            close = moves[-1]
            self.bars.append(
                Bar(
                    symbol="ESH4",
                    start_ns=first_ns + minute * 60_000_000_000,
                    open=price,
                    high=max(price, *moves),
                    low=min(price, *moves),
                    close=close,
                    volume=float(self._random.randint(50, 900)),
                )
            )
            price = close
        self.price = price

    def advance(self, events: int = 1) -> None:
        """Play `events` market events."""
        for _ in range(events):
            with self._lock:
                self._event()
            if self.events % self._publish_every == 0:
                self.publish()

    def _event(self) -> None:
        self.events += 1
        self.now_ns += EVENT_NS
        self.price += self._random.choice((-TICK, 0.0, 0.0, TICK))
        self._trade_bar()
        self.trade(self.price, 1.0 + self.events % 4, (Aggressor.BUY, Aggressor.SELL)[self.events % 2])
        names = list(self.accounts)
        self._mark(names[self.events % len(names)])
        if self.events % EVENTS_PER_SIGNAL == 0:
            self._signal()

    def _trade_bar(self) -> None:
        start_ns = self.now_ns // 60_000_000_000 * 60_000_000_000
        bar = self.bars[-1]
        if bar.start_ns == start_ns:
            high, low = max(bar.high, self.price), min(bar.low, self.price)
            self.bars[-1] = Bar(
                symbol="ESH4",
                start_ns=start_ns,
                open=bar.open,
                high=high,
                low=low,
                close=self.price,
                volume=bar.volume + 1,
            )
        else:
            p = self.price
            self.bars.append(Bar(symbol="ESH4", start_ns=start_ns, open=p, high=p, low=p, close=p, volume=1.0))
            del self.bars[:-400]

    def trade(self, price: float, size: float, aggressor: Aggressor, held: str = "") -> None:
        """One more on the tape."""
        self.trades += 1
        self.prints.insert(0, Print(ts_ns=self.now_ns, price=price, size=size, aggressor=aggressor, held=held))
        del self.prints[50:]

    def book(self) -> BookShown:
        """Ten levels a side: the price is the best ask, a tick under it the best bid; deeper levels are larger."""
        return BookShown(
            symbol="ESH4",
            version=self.events,
            bids=tuple(BookLevel(price=self.price - TICK * (1 + i), size=10.0 * (i + 1)) for i in range(10)),
            asks=tuple(BookLevel(price=self.price + TICK * i, size=5.0 * (i + 1)) for i in range(10)),
            own_elsewhere=(),
            state=SessionState.OPEN,
            crossed=False,
            torn=self.torn,
            changes=self.events,
            heard_ns=self.now_ns,
            tick_size=TICK,
        )

    def _tape(self) -> tuple[Row, ...]:
        session = SessionShown(
            symbol="ESH4",
            state=SessionState.OPEN,
            since_ns=START_NS,
            open=self.bars[0].open,
            high=max(bar.high for bar in self.bars),
            low=min(bar.low for bar in self.bars),
            last=self.price,
            vwap=None,
            volume=float(self.trades),
            trades=self.trades,
            heard_ns=self.now_ns,
        )
        prints = tuple(self.prints)
        return (
            TapeShown(symbol="ESH4", version=self.trades, prints=prints, trades=self.trades, heard_ns=self.now_ns),
            session,
        )

    def _truth(self) -> Truth:
        return Truth(
            symbol="ESH4",
            source="script",
            trades=self.trades,
            changes=self.events,
            lies=(),
            held=0,
            repeats=0,
            gaps=1,
            missed=3,
            dropped=0,
            torn=self.torn,
        )

    def _mark(self, name: str) -> None:
        row = self.accounts[name]
        move = Decimal(str(self._random.choice((-12.5, 12.5)))) * row.net_qty
        self._change(
            name,
            open_pnl=row.open_pnl + move if row.net_qty else Decimal(0),
            day_pnl=row.day_pnl + move,
            budget_left=self._random.randint(540, 600),
            as_of_ns=self.now_ns,
        )

    def _change(self, name: str, **changes: object) -> None:
        row = self.accounts[name]
        fields = {field: getattr(row, field) for field in row.__struct_fields__}
        self.accounts[name] = AccountRow(**{**fields, **changes})

    def _signal(self) -> None:
        """The leader trades; every enabled follower copies, one is refused now and then."""
        self.signals += 1
        side = Side.BUY if self.leader_net <= 0 else Side.SELL
        self.leader_net = self.leader_net + 2 * side.sign
        self._hold("LEAD1000", self.leader_net)
        for index in range(1, FOLLOWERS + 1):
            self._copy(f"DEMO{1000 + index}", side, refused=(self.signals + index) % 37 == 0)
        del self.orders[500:], self.copies[500:]

    def _hold(self, name: str, net_qty: int) -> None:
        self._change(name, net_qty=net_qty, position=f"{net_qty:+} ESH4" if net_qty else "flat")

    def _copy(self, name: str, side: Side, refused: bool) -> None:
        row = self.accounts[name]
        decision = Decision.REJECTED if refused else Decision.COPIED if row.enabled else Decision.SKIPPED
        reason = {Decision.REJECTED: "margin: not enough buying power", Decision.SKIPPED: "switched off"}.get(
            decision, ""
        )
        filled = decision is Decision.COPIED
        price = Decimal(str(self.price))
        latency_ms = 0.4 + self._random.random() * 2
        self.copies.insert(
            0,
            CopyRow(
                signal_id=f"S{self.signals}",
                follower=name,
                leader="LEAD1000",
                kind="leader_fill",
                at_ns=self.now_ns,
                symbol="ESH4",
                side=side,
                qty=2 if decision is not Decision.SKIPPED else 0,
                filled_qty=2 if filled else 0,
                avg_price=price if filled else None,
                target_net=self.leader_net,
                decision=decision,
                reason=reason,
                total_ms=latency_ms if filled else -1.0,
            ),
        )
        if decision is not Decision.SKIPPED:
            self.orders.insert(
                0,
                OrderRow(
                    account=name,
                    order_id=str(100_000 + len(self.orders) + self.signals * 20),
                    cl_ord_id=f"cd{self.signals}-{name}",
                    origin="copy",
                    symbol="ESH4",
                    side=side,
                    order_type=OrderType.MARKET,
                    qty=2,
                    filled_qty=2 if filled else 0,
                    avg_price=price if filled else None,
                    limit_price=None,
                    stop_price=None,
                    status="filled" if filled else "rejected",
                    text=reason,
                    updated_ns=self.now_ns,
                ),
            )
        if filled:
            self._hold(name, row.net_qty + 2 * side.sign)
            self._change(name, copies_ok=row.copies_ok + 1, latency_p50_ms=latency_ms, latency_p99_ms=latency_ms + 1.5)
        elif refused:
            self._change(name, copies_failed=row.copies_failed + 1)
            self.alert("warn", f"{name}: {reason}")
        else:
            self._change(name, copies_skipped=row.copies_skipped + 1)

    def alert(self, level: str, text: str) -> None:
        self.alerts.insert(0, AlertRow(at_ns=self.now_ns, level=level, text=text))
        del self.alerts[200:]

    # --- what a screen sees ---------------------------------------------------------------------------------------

    def view(self, topic: Topic) -> View:
        return self._views[topic]

    def publish(self) -> None:
        """Make what happened visible; a topic whose rows did not change keeps its version."""
        with self._lock:
            accounts = tuple(self.accounts.values())
            rows: dict[Topic, tuple[Row, ...]] = {
                Topic.ACCOUNTS: accounts,
                Topic.ORDERS: tuple(self.orders),
                Topic.POSITIONS: tuple(self._position(row) for row in accounts if row.net_qty),
                Topic.COPIES: tuple(self.copies),
                Topic.CANDLES: (
                    Candles(symbol="ESH4", interval_s=60, bars=tuple(self.bars), last=self.price, badge="live"),
                ),
                Topic.DEPTH: (self.book(),),
                Topic.TAPE: self._tape(),
                Topic.TRUTH: (self._truth(),),
                Topic.ALERTS: tuple(self.alerts),
                Topic.WATCHLISTS: tuple(
                    WatchlistRow(name=each.name, rows=tuple(self._watched(on) for on in each.symbols))
                    for each in self.mine.lists
                ),
                Topic.FILTERS: self.mine.filters,
                Topic.LAYOUTS: () if self.layouts is None else (self.layouts,),
                Topic.DRIFT: self.drift,
                Topic.HEALTH: self.health,
                Topic.LATENCY: self.times,
                Topic.STATUS: (self._status(accounts),),
            }
            for topic, newest in rows.items():
                held = self._views[topic]
                if newest != held.rows:
                    self._views[topic] = View(topic=topic, version=held.version + 1, rows=newest)

    def _watched(self, on: Watched) -> WatchRow:
        """ESH4 moves with the script; nobody quotes the others."""
        known = next(iter(self.index.named(on.symbol)), Listed(source=on.source, symbol=on.symbol))
        bare = WatchRow(source=on.source, symbol=on.symbol, description=known.description, exchange=known.exchange)
        if on.symbol != "ESH4":
            return bare
        priced = {
            "bid": self.price - TICK,
            "ask": self.price,
            "last": self.price,
            "first": 4800.0,
            "change": self.price - 4800.0,
            "as_of_ns": self.now_ns,
        }
        return structs.replace(bare, **priced)

    def _position(self, row: AccountRow) -> PositionRow:
        return PositionRow(
            account=row.account,
            group=row.group,
            role=row.role,
            symbol="ESH4",
            net_qty=row.net_qty,
            target_net=None if row.role is Role.LEADER else self.leader_net,
            avg_price=Decimal("4810.25"),
            mark=self.price,
            open_pnl=row.open_pnl,
            realized_pnl=row.day_pnl - row.open_pnl,
            drift=""
            if row.role is Role.LEADER or row.net_qty == self.leader_net
            else f"{row.net_qty - self.leader_net:+}",
            as_of_ns=row.as_of_ns,
        )

    def _status(self, accounts: tuple[AccountRow, ...]) -> StatusRow:
        return StatusRow(
            desk="scripted",
            pid=1,
            now_ns=self.now_ns // 1_000_000_000 * 1_000_000_000,
            blocked=self.blocked,
            guard=self.guarded,
            flatten=self.flattening,
            journal_ok=True,
            connections_up=5,
            connections=5,
            signals=self.signals,
            pairs=self.signals * FOLLOWERS,
            copied=sum(row.copies_ok for row in accounts),
            skipped=sum(row.copies_skipped for row in accounts),
            rejected=sum(row.copies_failed for row in accounts),
            expired=0,
            unknown=0,
            undecided=self.undecided,
            drifting=0,
            latency=(LatencySummary(stage="total", count=self.signals, p50=0.82, p99=2.31, max=4.1),),
            loop_lag_p99_ms=0.4,
            rss_mb=88.0,
            feed_age_ms=100.0,
            day_pnl=sum((row.day_pnl for row in accounts), Decimal(0)),
            open_pnl=sum((row.open_pnl for row in accounts), Decimal(0)),
        )

    # --- commands -------------------------------------------------------------------------------------------------

    async def toggle(self, account: str) -> str:
        row = self.accounts[account]
        if row.role is not Role.FOLLOWER:
            raise CommandRefused(f"{account} is the leader; only followers are switched on and off.")
        enabled = not row.enabled
        with self._lock:
            self._change(account, enabled=enabled, state="armed" if enabled else "off")
        self.publish()
        return f"{account} is {'on' if enabled else 'off'} from the next leader event."

    async def set_rule(self, account: str, kind: str, value: str) -> str:
        with self._lock:
            self._change(account, rule=f"{kind} {value}")
        self.publish()
        return f"{account} now copies {kind} {value}."

    async def sizing(self, account: str) -> tuple[Rule, int | None]:
        return self.sizes.get(account, (Rule(), None))

    async def set_size(self, target: str, rule: Rule, max_position: int | None) -> str:
        named = [name for name in self._followers(target)]
        with self._lock:
            for name in named:
                self.sizes[name] = (rule, max_position)
                self._change(name, rule=str(rule))
        self.publish()
        return f"{target} now copies {rule}."

    async def preview(self, account: str, rule: Rule, max_position: int | None) -> RulePreview:
        """One step, for one lot of the leader: as many lots as the rule says."""
        lots = min(int(rule.value), max_position or 1_000)
        step = PreviewStep(leader_before=0, leader_net=1, order=lots, held=lots)
        return RulePreview(account=account, leader_symbol="ESH4", symbol="ESH4", steps=(step,))

    async def lead(self, account: str, group: str) -> str:
        held = [name for name, row in self.accounts.items() if row.group == group and row.net_qty]
        if held:
            raise CommandRefused(f"leader: {held[0]} has {self.accounts[held[0]].position}; :flatten {held[0]} first.")
        with self._lock:
            for name, row in self.accounts.items():
                if row.role is Role.LEADER and row.group == group:
                    self._change(name, role=Role.NONE, group="", state="off")
            self._change(account, role=Role.LEADER, group=group, enabled=True, state="armed", rule="")
        self.publish()
        return f"{account} leads {group}."

    async def follow(self, account: str, group: str) -> str:
        with self._lock:
            self._change(account, role=Role.FOLLOWER, group=group, enabled=False, state="off", rule=str(Rule()))
        self.publish()
        return f"{account} follows in {group}, off: A arms it by the checklist."

    async def unfollow(self, account: str) -> str:
        with self._lock:
            self._change(account, role=Role.NONE, group="", enabled=False, state="off", rule="")
        self.publish()
        return f"{account} is out of its group; it stays on the desk."

    async def remove_account(self, account: str) -> str:
        if self.accounts[account].net_qty:
            raise CommandRefused(f"account: {account} has {self.accounts[account].position}; :flatten {account} first.")
        with self._lock:
            del self.accounts[account]
        self.publish()
        return f"{account} is off the desk."

    async def arm_checklist(self, target: str, acknowledged: Sequence[str]) -> ArmPlan:
        lines = tuple(self._checked(name, acknowledged) for name in self._followers(target))
        return ArmPlan(target=target, lines=lines, policies=self.policies)

    async def arm(self, accounts: Sequence[str], acknowledged: Sequence[str]) -> ArmPlan:
        plan = ArmPlan(target="", lines=tuple(self._checked(name, acknowledged) for name in accounts))
        with self._lock:
            for name in plan.ready:
                self._change(name, enabled=True, state="armed")
        self.publish()
        return structs.replace(plan, armed=plan.ready)

    def _checked(self, name: str, acknowledged: Sequence[str]) -> ArmLine:
        """Everything is well but what the script says; a policy fails until it was acknowledged."""
        unread = [each.venue for each in self.policies if each.venue not in acknowledged]
        row = self.accounts[name]
        checks = [ArmCheck(name="connection", verdict=Verdict.PASS)]
        checks += (
            [ArmCheck(name="policy", verdict=Verdict.FAIL, reason=f"{unread[0]} demands something")] if unread else []
        )
        checks += [self.failing[name]] if name in self.failing else []
        return ArmLine(account=name, group=row.group, on=row.enabled, checks=tuple(checks))

    def _followers(self, target: str) -> list[str]:
        found = [n for n, row in self.accounts.items() if row.role is Role.FOLLOWER and target in ("all", row.group, n)]
        if not found:
            raise CommandRefused(f"account: {target} is no follower and has none; put accounts into its group first.")
        return found

    async def set_group(self, group: str, field: str, value: str) -> str:
        try:
            changed(GroupConfig(group=group, leader="LEAD1000"), [f"{field}={value}"])
        except GroupRefused as refused:
            raise CommandRefused(str(refused)) from None
        return f"{group}: {field} is {value} from the next leader event on."

    async def guard(self, target: str, guard: Guard) -> str:
        with self._lock:
            self.guarded = "" if guard is Guard.NONE else f"{target} {guard}"
        self.publish()
        return f"{target} is {guard}."

    async def chart(self, symbol: str) -> str:
        with self._lock:
            self.charted.append(symbol)
        return f"The chart, the ladder and the tape show {symbol}."

    async def acknowledge(self, contract: str) -> str:
        with self._lock:
            self.acknowledged.append(contract)
        return f"{contract} is acknowledged."

    async def kill(self) -> FlattenResult:
        await self.guard("all", Guard.HALT)
        return await self.flatten("all")

    async def flatten(self, target: str) -> FlattenResult:
        done: list[str] = []
        with self._lock:
            for name, row in self.accounts.items():
                if target in ("all", row.group, name):
                    self._hold(name, 0)
                    done.append(name)
        self.publish()
        return FlattenResult(flat=tuple(done), not_flat=(), seconds=0.2)

    async def resync(self, target: str, shown: ResyncPlan | None = None) -> ResyncPlan:
        """Everybody's target is what the leader holds."""
        named = [
            row
            for name, row in self.accounts.items()
            if row.role is Role.FOLLOWER and target in ("all", row.group, name)
        ]
        lines = tuple(
            ResyncLine(
                account=row.account,
                symbol="ESH4",
                leader_symbol="ESH4",
                held=row.net_qty,
                target=self.leader_net,
                delta=self.leader_net - row.net_qty,
                entry_price=Decimal("4810.25"),
                price=Decimal("4811.50"),
                ticks_worse=5,
            )
            for row in named
            if row.net_qty != self.leader_net
        )
        if shown is not None:
            with self._lock:
                for line in lines:
                    self._hold(line.account, self.leader_net)
            self.publish()
        return ResyncPlan(target=target, accounts=len(named), lines=lines, sent=shown is not None, seconds=0.1)

    async def place(self, ticket: Ticket, shown: OrderPlan | None = None) -> OrderPlan:
        """Every follower of a group gets the leader's size; a market order is filled at once, any other rests."""
        named = [
            row
            for row in self.accounts.values()
            if ticket.target == row.account or (ticket.target == row.group and row.role is Role.FOLLOWER)
        ]
        if not named:
            raise CommandRefused(f"account: there is no {ticket.target}.")
        market = Decimal(str(self.price))
        lines = tuple(
            OrderLine(
                account=row.account,
                symbol=ticket.symbol or "ESH4",
                side=ticket.side,
                qty=ticket.qty,
                order_type=ticket.order_type,
                limit_price=ticket.limit_price,
                stop_price=ticket.stop_price,
                held=row.net_qty,
                market=market,
                copies=FOLLOWERS if row.role is Role.LEADER else 0,
                refused="off: switched off by the trader" if not row.enabled else "",
            )
            for row in named
        )
        return self._planned(OrderAct.PLACE, ticket.target, lines, shown, self._placed)

    def _placed(self, line: OrderLine) -> str:
        fills = line.order_type is OrderType.MARKET
        order_id = str(500_000 + len(self.orders))
        self.orders.insert(
            0,
            OrderRow(
                account=line.account,
                order_id=order_id,
                cl_ord_id=f"cm{order_id}",
                origin="manual",
                symbol=line.symbol,
                side=line.side,
                order_type=line.order_type,
                qty=line.qty,
                filled_qty=line.qty if fills else 0,
                avg_price=line.market if fills else None,
                limit_price=line.limit_price,
                stop_price=line.stop_price,
                status="filled" if fills else "working",
                text="",
                updated_ns=self.now_ns,
            ),
        )
        if not fills:
            return f"working, order {order_id}"
        self._hold(line.account, self.accounts[line.account].net_qty + line.qty * line.side.sign)
        return f"filled {line.qty} at {line.market}"

    async def move(
        self, account: str, order_id: str, price: Decimal, qty: int | None = None, shown: OrderPlan | None = None
    ) -> OrderPlan:
        rows = [row for row in self.orders if (row.account, row.order_id) == (account, order_id)]
        lines = tuple(
            structs.replace(
                self._line_of(row),
                limit_price=price if row.limit_price else None,
                stop_price=price if row.stop_price else None,
                qty=qty or row.qty,
            )
            for row in rows
        )
        return self._planned(OrderAct.MOVE, order_id, lines, shown, self._moved)

    def _moved(self, line: OrderLine) -> str:
        at = next(n for n, row in enumerate(self.orders) if row.order_id == line.order_id)
        prices = {"limit_price": line.limit_price, "stop_price": line.stop_price, "qty": line.qty}
        self.orders[at] = structs.replace(self.orders[at], **prices)
        return "moved"

    async def cancel(self, target: str, what: str = "", shown: OrderPlan | None = None) -> OrderPlan:
        rows = [
            row
            for row in self.orders
            if row.status == "working"
            and target in ("all", row.account, self.accounts[row.account].group)
            and what in ("", row.order_id, row.symbol)
        ]
        if not rows and shown is None:
            raise CommandRefused(f"order: nothing works on {target}; the orders pane lists what does.")
        return self._planned(OrderAct.CANCEL, target, tuple(map(self._line_of, rows)), shown, self._canceled)

    def _canceled(self, line: OrderLine) -> str:
        at = next(n for n, row in enumerate(self.orders) if row.order_id == line.order_id)
        self.orders[at] = structs.replace(self.orders[at], status="canceled")
        return "canceled"

    def _line_of(self, row: OrderRow) -> OrderLine:
        return OrderLine(
            account=row.account,
            symbol=row.symbol,
            side=row.side,
            qty=row.qty,
            order_type=row.order_type,
            limit_price=row.limit_price,
            stop_price=row.stop_price,
            order_id=row.order_id,
            origin=row.origin,
            market=Decimal(str(self.price)),
            held=self.accounts[row.account].net_qty,
        )

    def _planned(
        self,
        act: OrderAct,
        about: str,
        lines: tuple[OrderLine, ...],
        shown: OrderPlan | None,
        do: Callable[[OrderLine], str],
    ) -> OrderPlan:
        self.asked.append((str(act), shown is not None))
        if shown is not None:
            with self._lock:
                lines = tuple(line if line.refused else structs.replace(line, outcome=do(line)) for line in lines)
            self.publish()
        return OrderPlan(
            plan_id=shown.plan_id if shown else f"plan{len(self.asked)}",
            act=act,
            about=about,
            lines=lines,
            at_ns=self.now_ns,
            sent=shown is not None,
            seconds=0.1,
        )

    async def export(self, what: str, path: str, account: str | None = None) -> str:
        rows = [row for row in self.view(Topic(what)).rows if account in (None, getattr(row, "account", None))]
        text = "".join(",".join(str(getattr(row, field)) for field in row.__struct_fields__) + "\r\n" for row in rows)
        Path(path).write_bytes(text.encode())
        return f"{len(rows)} {what} written to {path}."

    async def report(self, asked: ReportAsked) -> Report:
        """The script's trades are nobody's fills: the book of `tests/report_book.py` on its day, and nothing on others;
        without a day, that one."""
        since, until = days_of(asked, ENDS_NS - 1)
        return report(book_facts() if since == DAY else ReportFacts(), since, until, ENDS_NS - 1)

    async def why(self, account: str, at: str | None = None, signal_id: str | None = None) -> str:
        if account not in self.accounts:
            raise CommandRefused(f"account: there is no follower {account}.")
        found = [c for c in self.copies if c.follower == account and signal_id in (None, c.signal_id)]
        if not found:
            raise CommandRefused(f"account: nothing was copied to {account} yet.")
        story = [f"{account} {found[0].signal_id} at {at}", *(f"line {number}" for number in range(60))]
        return "\n".join([*story, f"the end of {found[0].reason}"])

    async def try_login(
        self, login: ConnectionConfig, credentials: Credentials, accounts: Sequence[str]
    ) -> tuple[VenueAccount, ...]:
        """The password is `PASSWORD`, and the login has three accounts, one of which may not trade; where a venue
        lists none, those that are named."""
        if credentials.password not in (PASSWORD, ""):
            raise CommandRefused(f"127.0.0.1 refused the login of {login.username}: Incorrect username or password.")
        names = accounts or ("NEW1", "NEW2", "NEW3")
        return tuple(VenueAccount(account=name, venue_id=name, active=True, readonly=name == "NEW3") for name in names)

    async def add_login(
        self, login: ConnectionConfig, credentials: Credentials, wanted: Sequence[VenueAccount], chosen: Chosen
    ) -> str:
        if chosen.group != "main":
            raise CommandRefused(f"group: there is no {chosen.group}; name the account that leads it.")
        self.added.append((login, credentials, chosen))
        self._seat_accounts(login, [each.account for each in wanted], chosen)
        return f"{login.connection}: {len(wanted)} accounts in group main; connecting."

    async def practice_logins(self) -> tuple[PracticeLogin, ...]:
        return self.practice

    async def login_accounts(self, connection: str) -> LoginAccounts:
        return LoginAccounts(
            connection=connection,
            venue=self.login_venue,
            environment=self.login_environment,
            accounts=(
                LoginAccount(account="DEMO1001", state="may trade", role="follows in main, on", mine=True),
                LoginAccount(account="OLD1", state="not listed", role="the venue no longer lists it", mine=True),
                *(
                    LoginAccount(account=name, state="may trade", role="not on the desk", mine=False)
                    for name in self.not_on_the_desk
                ),
            ),
        )

    async def add_accounts(self, connection: str, accounts: Sequence[str], chosen: Chosen) -> str:
        login = ConnectionConfig(
            connection=connection,
            venue=self.login_venue,
            environment=self.login_environment,
            username=connection,
        )
        self._seat_accounts(login, accounts, chosen)
        return f"{connection}: {len(accounts)} accounts in group {chosen.group}."

    def _seat_accounts(self, login: ConnectionConfig, accounts: Sequence[str], chosen: Chosen) -> None:
        with self._lock:
            for name in accounts:
                self.accounts[name] = self._account(name)
                self._change(
                    name,
                    account=name,
                    connection=login.connection,
                    venue=login.venue,
                    environment=login.environment,
                    role=Role.LEADER if name == chosen.leader else Role.FOLLOWER,
                    group=chosen.group,
                    enabled=chosen.armed or name == chosen.leader,
                    state="armed" if chosen.armed or name == chosen.leader else "off",
                    rule=str(chosen.rule or Rule()),
                )
        self.publish()

    async def find_symbols(self, text: str, limit: int = LIMIT) -> tuple[Match, ...]:
        return self.index.find(text, limit)

    async def edit_lists(self, edit: Edit) -> str:
        try:
            if isinstance(edit, AddSymbols):
                found = tuple(resolve(self.index, each, date(2023, 12, 25)) for each in edit.symbols)
                edit = AddSymbols(name=edit.name, symbols=found)
            with self._lock:
                self.mine, said = edited(self.mine, edit)
        except ListRefused as refused:
            raise CommandRefused(str(refused)) from None
        self.publish()
        return said

    async def edit_layouts(self, edit: LayoutEdit) -> str:
        try:
            with self._lock:
                self.layouts, said = layouts_edited(self.layouts or UserLayouts(), edit)
        except LayoutsRefused as refused:
            raise CommandRefused(str(refused)) from None
        self.publish()
        return said

    async def stored_bars(self, symbol: str, interval: str, until_ns: int, limit: int) -> tuple[Bar, ...]:
        self.stored_asked.append((symbol, interval, until_ns, limit))
        return tuple(bar for bar in self.stored if bar.start_ns < until_ns)[-limit:]

    async def open_positions(self) -> int:
        return sum(row.net_qty != 0 for row in self.accounts.values())
