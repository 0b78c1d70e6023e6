"""A practice table for the core: a leader, followers, and a venue that is a few dictionaries, driven by hand.

Time moves only when told to. What the core wants sent is collected in `sent`; the test answers in the venue's stead.
"""

from decimal import Decimal
from random import Random

from msgspec.structs import replace

from brokers import adapter as venue
from engine import events as ev
from engine.core import Core
from engine.latency import Latencies
from engine.state import CoreLimits
from schema.records import (
    AccountConfig,
    AccountState,
    ApprovedOrder,
    ConnectionConfig,
    Copy,
    DeskConfig,
    DoneOrder,
    DoneStatus,
    DriftPolicy,
    Environment,
    Fill,
    FollowerConfig,
    GroupConfig,
    ManualOrder,
    OrderType,
    Position,
    RejectClass,
    Rule,
    Side,
    Signal,
    VenueAccount,
    VenueOrder,
)

LEADER = "DEMO1000"
MS = 1_000_000
S = 1_000_000_000


class Table:
    """`followers` maps an account to its rule or its whole config; each account has a connection of its own, unless all
    followers are accounts of one login (`shared`)."""

    def __init__(
        self,
        followers: dict[str, Rule | FollowerConfig],
        *,
        drift: DriftPolicy = DriftPolicy.AUTO,
        connect: bool = True,
        shared: str = "",
        **group: object,
    ) -> None:
        self.now_ns = 1_000 * S
        self.shared = shared
        self.core = Core(CoreLimits(), Latencies(Random(1)))
        self.sent: list[ApprovedOrder] = []
        self.changes: list[ev.ChangeOrder] = []
        self.alerts: list[str] = []
        self.copies: dict[tuple[str, str], Copy] = {}
        self.signals: list[str] = []
        self.asked: list[str] = []
        self.questions: list[tuple[int, ev.AskOrders]] = []  # when, and for which orders
        self.journal: set[str] = set()
        self.stored: dict[str, Signal] = {}
        self.journal_up = True
        self.waiting: list[ev.Commit] = []
        self.waiting_manual: list[ev.CommitManual] = []
        self.manual: dict[str, ManualOrder] = {}  # as the journal has them
        self.fill_no = 0
        self.position: dict[tuple[str, str], int] = {}
        self.fills: list[Fill] = []
        self.orders: dict[str, VenueOrder] = {}
        configs = tuple(
            rule if isinstance(rule, FollowerConfig) else FollowerConfig(account=name, group="main", rule=rule)
            for name, rule in followers.items()
        )
        names = [LEADER, *followers]
        self.config = DeskConfig(
            connections=tuple(
                ConnectionConfig(connection=name, venue="tradovate", environment=Environment.DEMO, username=name)
                for name in dict.fromkeys(self.at(n) for n in names)
            ),
            accounts=tuple(AccountConfig(account=n, connection=self.at(n), venue_id=n[4:]) for n in names),
            groups=(GroupConfig(group="main", leader=LEADER, drift=drift, **group),),  # type: ignore[arg-type]
            followers=configs,
        )
        self.feed(ev.ConfigLoaded(at_ns=self.now_ns, config=self.config))
        if connect:
            for name in names[:2] if shared else names:
                self.connect(name)

    def at(self, account: str) -> str:
        """The connection of an account."""
        return self.shared if self.shared and account != LEADER else f"at-{account}"

    def beside(self, account: str) -> list[str]:
        """The accounts of an account's login."""
        return [each.account for each in self.config.accounts if each.connection == self.at(account)]

    # --- the shell's part --------------------------------------------------------------------------------------

    def feed(self, event: ev.AnyInput) -> None:
        for effect in self.core.process(event):
            if isinstance(effect, ev.Commit):
                if self.journal_up:
                    self.commit(effect)
                else:
                    self.waiting.append(effect)
            elif isinstance(effect, ev.CommitManual):
                if self.journal_up:
                    self.commit_manual(effect)
                else:
                    self.waiting_manual.append(effect)
            elif isinstance(effect, ev.KeepManual):
                self.manual |= {order.cl_ord_id: order for order in effect.orders}
            elif isinstance(effect, ev.Send):
                self.sent += effect.orders
                for order in [leg for each in effect.orders for leg in each.legs]:
                    self.feed(
                        venue.OrderSent(
                            connection=effect.connection,
                            received_ns=self.now_ns,
                            account=order.account,
                            cl_ord_id=order.cl_ord_id,
                        )
                    )
            elif isinstance(effect, ev.ChangeOrder):
                self.changes.append(effect)
            elif isinstance(effect, ev.Alert):
                self.alerts.append(effect.text)
            elif isinstance(effect, ev.Ask):
                self.asked.append(effect.connection)
            elif isinstance(effect, ev.AskOrders):
                self.questions.append((self.now_ns, effect))
            elif isinstance(effect, ev.Keep):
                for copy in effect.copies:
                    self.copies[copy.signal_id, copy.follower] = copy

    def commit(self, effect: ev.Commit) -> None:
        fresh = effect.signal.signal_id not in self.journal
        self.journal.add(effect.signal.signal_id)
        self.stored.setdefault(effect.signal.signal_id, effect.signal)
        if fresh:
            self.signals.append(effect.signal.signal_id)
            for copy in effect.copies:
                self.copies[copy.signal_id, copy.follower] = copy
        self.feed(
            ev.Committed(at_ns=self.now_ns, signal_id=effect.signal.signal_id, fresh=fresh, decided_ns=self.now_ns)
        )

    def commit_manual(self, effect: ev.CommitManual) -> None:
        there = {(order.plan_id, order.account) for order in self.manual.values()}
        fresh = {order.cl_ord_id: order for order in effect.orders if (order.plan_id, order.account) not in there}
        self.manual |= fresh
        tags = tuple(order.cl_ord_id for order in effect.orders)
        self.feed(ev.ManualCommitted(at_ns=self.now_ns, tags=tags, fresh=frozenset(fresh)))

    def passes(self, seconds: float, *, ticks: int = 1) -> None:
        for _ in range(ticks):
            self.now_ns += int(seconds * S / ticks)
            self.feed(ev.Tick(at_ns=self.now_ns))

    # --- the venue's part --------------------------------------------------------------------------------------

    def connect(self, account: str, *, first: bool = True) -> None:
        connection = self.at(account)
        self.feed(
            venue.StreamUp(
                connection=connection,
                received_ns=self.now_ns,
                first=first,
                snapshot=self.snapshot(*self.beside(account)),
            )
        )
        for symbol in ("ESH4", "MESH4"):
            self.feed(ev.InstrumentChecked(at_ns=self.now_ns, connection=connection, symbol=symbol, instrument=None))

    def disconnect(self, account: str) -> None:
        self.feed(venue.StreamDown(connection=self.at(account), received_ns=self.now_ns, reason="line cut"))

    def snapshot(self, *accounts: str) -> venue.Snapshot:
        return venue.Snapshot(
            at_ns=self.now_ns,
            accounts=tuple(VenueAccount(account=account, venue_id=account[4:]) for account in accounts),
            complete=frozenset(accounts),
            positions=tuple(
                Position(account=a, symbol=s, net_qty=net) for (a, s), net in self.position.items() if a in accounts
            ),
            orders=tuple(order for order in self.orders.values() if order.account in accounts),
            fills=tuple(fill for fill in self.fills if fill.account in accounts),
            states=tuple(AccountState(account=account, balance=Decimal(50_000)) for account in accounts),
        )

    def fill(self, account: str, signed_qty: int, symbol: str = "ESH4", tag: str = "", *, tell: bool = True) -> Fill:
        """The venue executes; with `tell` False nobody hears of it until the next snapshot."""
        self.fill_no += 1
        fill = Fill(
            venue="tradovate",
            fill_id=str(self.fill_no),
            account=account,
            order_id=f"o-{tag or self.fill_no}",
            symbol=symbol,
            side=Side.of(signed_qty),
            qty=abs(signed_qty),
            price=Decimal(4800),
            venue_ns=self.now_ns,
            cl_ord_id=tag,
        )
        self.fills.append(fill)
        self.position[account, symbol] = self.position.get((account, symbol), 0) + signed_qty
        if tell:
            self.tell(fill)
        return fill

    def tell(self, fill: Fill) -> None:
        self.feed(venue.Filled(connection=self.at(fill.account), received_ns=self.now_ns, fill=fill))

    def leader(self, signed_qty: int, *, tell: bool = True) -> Fill:
        self.now_ns += 10 * MS
        return self.fill(LEADER, signed_qty, tell=tell)

    def take(self) -> list[ApprovedOrder]:
        """The orders sent since the last take."""
        sent, self.sent = self.sent, []
        return sent

    def execute(self, order: ApprovedOrder, *, tell: bool = True) -> None:
        """The venue takes and fills one order."""
        self.orders[order.cl_ord_id] = DoneOrder(
            account=order.account,
            order_id=f"o-{order.cl_ord_id}",
            symbol=order.symbol,
            side=order.side,
            order_type=OrderType.MARKET,
            qty=order.qty,
            filled_qty=order.qty,
            cl_ord_id=order.cl_ord_id,
            status=DoneStatus.FILLED,
        )
        if tell:
            self.accept(order)
        self.fill(order.account, order.qty * order.side.sign, order.symbol, order.cl_ord_id, tell=tell)

    def accept(self, order: ApprovedOrder) -> None:
        self.feed(
            venue.OrderAccepted(
                connection=self.at(order.account),
                received_ns=self.now_ns,
                account=order.account,
                cl_ord_id=order.cl_ord_id,
                order_id=f"o-{order.cl_ord_id}",
            )
        )

    def unknown(self, order: ApprovedOrder, reason: str) -> None:
        self.feed(
            venue.OrderUnknown(
                connection=self.at(order.account),
                received_ns=self.now_ns,
                account=order.account,
                cl_ord_id=order.cl_ord_id,
                reason=reason,
            )
        )

    def reject(self, order: ApprovedOrder, reject_class: RejectClass = RejectClass.OTHER) -> None:
        self.feed(
            venue.OrderRejected(
                connection=self.at(order.account),
                received_ns=self.now_ns,
                account=order.account,
                cl_ord_id=order.cl_ord_id,
                order_id="",
                reject_class=reject_class,
                text="no",
            )
        )

    def execute_all(self) -> list[ApprovedOrder]:
        orders = self.take()
        for order in orders:
            self.execute(order)
        return orders

    def answer_question(self, *accounts: str) -> None:
        """The login of these accounts is read."""
        self.feed(
            ev.SnapshotRead(
                at_ns=self.now_ns,
                connection=self.at(accounts[0]),
                snapshot=self.snapshot(*accounts),
                asked_seq=self.core.seq,
            )
        )

    def can_find(self, account: str, *, find: venue.Requests, reading: venue.Requests) -> None:
        """The venue of an account finds orders by their tags."""
        abilities = ev.VenueAbilities(
            at_ns=self.now_ns, connection=self.at(account), flips=True, finds=True, find=find, reading=reading
        )
        self.feed(abilities)

    def answer_by_tag(self, found: tuple[venue.Found, ...]) -> None:
        """The venue answers the newest question by tag."""
        asked_ns, question = self.questions[-1]
        self.feed(ev.OrdersFound(at_ns=self.now_ns, connection=question.connection, asked_ns=asked_ns, found=found))

    def configure(self, **changes: object) -> None:
        """Change every follower's config by field."""
        self.reconfigure(tuple(replace(f, **changes) for f in self.config.followers))

    def reconfigure(self, followers: tuple[FollowerConfig, ...]) -> None:
        """Give the followers these configurations."""
        self.config = replace(self.config, followers=followers)
        self.feed(ev.ConfigLoaded(at_ns=self.now_ns, config=self.config))

    # --- what a test asks --------------------------------------------------------------------------------------

    def last(self, follower: str) -> Copy:
        """The newest copy of a follower."""
        return [copy for (_, name), copy in self.copies.items() if name == follower][-1]

    def holds(self, account: str, symbol: str = "ESH4") -> int:
        """What the venue says the account holds."""
        return self.position.get((account, symbol), 0)
