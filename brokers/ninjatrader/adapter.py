"""The production adapter of NinjaTrader: the port of `brokers/adapter.py` over its ATI socket. `engine/desk.py` builds
one per connection. Facts: `protocols/ninjatrader.md`.

The protocol is a cache that is pushed: values come when they change, a new connection is told them all. So a reading is
a new connection (`stream.reading`), a fill is a difference between two values (`book.py`), and an account is what the
trader called it: there is no list. What was not told is not known, and is never flat.
"""

import asyncio
import random as random_module
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import structlog
from msgspec.structs import replace

from brokers.adapter import (
    AccountUpdated,
    AdapterSettings,
    ConnectionHealth,
    Credentials,
    Emit,
    Event,
    Exposure,
    Filled,
    Found,
    LoginRefused,
    MessageUnreadable,
    OrderUpdated,
    PositionUpdated,
    QuoteUpdated,
    RequestRefused,
    RequestUnknown,
    Snapshot,
    StreamDown,
    StreamUp,
    VenueUnreachable,
    Wanted,
)
from brokers.budget import RequestBudget
from brokers.described import described
from brokers.ninjatrader import finding, shown, wire
from brokers.ninjatrader.book import NO_REASON, Book, Entry
from brokers.ninjatrader.capabilities import CAPABILITIES as CAPABILITIES
from brokers.ninjatrader.capabilities import capabilities_of
from brokers.ninjatrader.directory import Directory
from brokers.ninjatrader.files import Files
from brokers.ninjatrader.link import Link
from brokers.ninjatrader.saving import Saving
from brokers.ninjatrader.sending import Sender
from brokers.ninjatrader.strangers import Strangers
from brokers.ninjatrader.stream import reading
from brokers.ninjatrader.values import (
    AvgPrice,
    EntryPrice,
    Fact,
    FilledQty,
    Money,
    NetPosition,
    OrderState,
    Price,
    Told,
)
from brokers.promises import Promises
from brokers.runner import Runner
from brokers.sessions import SessionStore
from brokers.text import clean
from schema.clock import Clock
from schema.driver import JournalDown
from schema.records import (
    AccountConfig,
    ApprovedOrder,
    ConnectionConfig,
    DoneStatus,
    Instrument,
    NinjaLogin,
    NinjaReadings,
    OrderType,
    Quote,
    RejectClass,
)
from schema.symbols import UnknownProduct

log = structlog.get_logger()

COMMANDS_PER_MIN = 1_200
"""No limit is documented; this one keeps a fault of ours from flooding somebody's desktop."""
RECENT_NS = 600_000_000_000
"""A snapshot after the first lists what ended or was filled within this time, and all that is open."""
DOUBT_NS = 1_000_000_000
"""Values of one order that do not fit together for so long: something was not told."""
LOOK_EVERY_S = 0.25
LONGEST_PAUSE_S = 30.0
FORGET_EVERY_NS = 600_000_000_000


class NinjaTraderAdapter:
    """One NinjaTrader (see `brokers.adapter.BrokerAdapter` for the contract of every method). `sessions` keeps the
    desk's orders there for the next process."""

    def __init__(
        self,
        config: ConnectionConfig,
        credentials: Credentials,
        settings: AdapterSettings,
        clock: Clock,
        emit: Emit,
        random: random_module.Random,
        *,
        accounts: Sequence[AccountConfig],
        sessions: SessionStore,
    ) -> None:
        self.config = config
        self._login = login = config.ninja or NinjaLogin(host="")
        self.capabilities = capabilities_of(login)
        self._settings = settings
        self._clock = clock
        self._engine_emit = emit
        self._random = random
        self._directory = Directory(accounts, clock, month_words=login.month_words)
        self._budget = RequestBudget(clock, config.requests_per_min or COMMANDS_PER_MIN, settings.reserved_for_exits)
        self._book = Book(login.settle_ms * 1_000_000)
        self._saving = Saving(config.connection, sessions, self._book, clock)
        self._promises = Promises(config.connection, clock, settings.deadline_s, self._emit)
        self._sender = Sender(
            config.connection,
            settings.deadline_s,
            clock,
            self._emit,
            self._book,
            self._promises,
            self._budget,
            Files(Path(login.folder), clock) if login.folder else None,
            self._directory,
            self._on_order,
        )
        self._link: Link | None = None
        self._runner = Runner(config.connection)
        self._up: asyncio.Future[None] | None = None
        self._strangers = Strangers(self._book, login.settle_ms * 1_000_000)
        self._quotes: dict[str, Quote] = {}  # of watched contracts
        self._settling: asyncio.TimerHandle | None = None
        self._truth = asyncio.Lock()
        self._told = False  # a StreamUp was emitted for the connection that is up
        self._first = True
        self._loaded = False
        self._closed = False
        self._unreadable = 0

    def __repr__(self) -> str:
        return f"NinjaTraderAdapter({self.config.connection!r})"

    # --- lifecycle -----------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        self._runner.must_be_idle()
        if self.config.ninja is None:
            raise LoginRefused(f"connection {self.config.connection} has no NinjaTrader set up; add it again")
        if not self._loaded:
            try:
                await self._saving.load()
            except JournalDown as down:
                raise VenueUnreachable(f"the orders sent before can't be read: {down}") from None
            self._loaded = True
        self._closed = False
        link = Link(self._login, self._clock, self._random, self._settings.reconnect_cap_s, self)
        self._link = self._sender.link = link
        self._up = asyncio.get_running_loop().create_future()
        await self._runner.start(self._run(link), self._up, self.close)

    async def _run(self, link: Link) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                helpers = [group.create_task(each) for each in (self._saving.run(), self._look())]
                try:
                    await link.run()
                finally:
                    for helper in helpers:
                        helper.cancel()
        except BaseExceptionGroup as several:
            unreachable = several.subgroup(VenueUnreachable)
            if unreachable is not None:
                raise unreachable.exceptions[0] from None
            # Only a fault of ours comes here. The stream is over and nobody awaits this task: say it, and stop.
            log.error("connection failed", connection=self.config.connection, exc_info=several)
            if self._up is None or not self._up.done():
                raise
            self._told = False
            self._tell(StreamDown, reason="the connection failed inside the desk; restart the desk", final=True)

    async def close(self) -> None:
        self._closed, self._told = True, False
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None
        await self._runner.stop()
        self._sender.close()
        if self._loaded:
            await self._saving.save()

    def _emit(self, event: Event) -> None:
        if not self._closed:
            self._engine_emit(event)

    async def _look(self) -> None:
        """Ask when the values of an order have not fitted together for a while: one of them was not told."""
        pause_s, forgot_ns = LOOK_EVERY_S, self._clock.now_ns()
        while True:
            await asyncio.sleep(pause_s)
            now_ns = self._clock.now_ns()
            if not self._told or not self._book.doubtful(now_ns - DOUBT_NS):
                pause_s = LOOK_EVERY_S
            else:
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
                try:
                    await self._read_truth()
                except RequestUnknown as unknown:
                    log.info("ninjatrader not read", connection=self.config.connection, reason=str(unknown))
            if now_ns - forgot_ns > FORGET_EVERY_NS:
                forgot_ns = now_ns
                self._book.forget_old(now_ns)
                if self._told and self._link is not None:
                    self._strangers.rebase(self._link.told, self._directory)

    # --- what the link tells -------------------------------------------------------------------------------------

    def on_fact(self, fact: Fact) -> None:
        match fact:
            case OrderState() | FilledQty() | AvgPrice():
                self._on_order(fact)
            case NetPosition() | EntryPrice():
                self._directory.learn(fact.instrument)
                if self._told and fact.account in self._directory.ours and self._link is not None:
                    position = shown.position(self._link.told, self._directory, fact.account, fact.instrument)
                    self._tell(PositionUpdated, position=position)
            case Money():
                state = shown.state(self._link.told, self._directory, fact.account) if self._link is not None else None
                if self._told and state is not None:
                    self._tell(AccountUpdated, state=state)
            case Price():
                self._on_price(fact)
            case _:
                pass
        self._sender.on_fact(fact)

    def _tell(self, kind: type[Event], **what: object) -> None:
        self._emit(kind(connection=self.config.connection, received_ns=self._clock.now_ns(), **what))

    def on_unread(self, raw: str, error: str) -> None:
        self._unreadable += 1
        self._tell(MessageUnreadable, raw=clean(raw), error=clean(error))

    def on_up(self) -> None:
        link = self._link
        assert link is not None
        for symbol in self._quotes:
            link.write(wire.subscribe(self._directory.instrument(symbol)))
        # Nothing awaits from here to the end: no event can come between the snapshot and what follows it.
        at_ns = self._clock.now_ns()
        if not self._first:
            self._strangers.catch_up(link.told, self._directory, at_ns)
        self._settle(everything=True)
        self._strangers.rebase(link.told, self._directory)
        first, self._first, self._told = self._first, False, True
        log.info("order stream up", connection=self.config.connection, first=first)
        since_ns = 0 if first else self._recently()
        complete = self._complete(link.told)
        snapshot = shown.snapshot(link.told, self._book, self._directory, complete, at_ns=at_ns, since_ns=since_ns)
        self._tell(StreamUp, first=first, snapshot=snapshot)
        if self._up is not None and not self._up.done():
            self._up.set_result(None)

    def on_down(self, reason: str, *, was_up: bool) -> None:
        self._told = False
        self._sender.lost()
        if was_up:
            log.warning("order stream down", connection=self.config.connection, reason=reason, final=False)
            self._tell(StreamDown, reason=reason)

    def _on_order(self, fact: OrderState | FilledQty | AvgPrice) -> None:
        now_ns = self._clock.now_ns()
        entry = self._book.take(fact, now_ns)
        if entry is not None:
            self._prove(entry)
            self._settle_soon()
        elif (
            self._told
            and self._link is not None
            and not isinstance(fact, OrderState)
            and fact.order_id not in self._book
            and self._strangers.take(fact, self._link.told, now_ns)
        ):
            self._settle_soon()

    def _prove(self, entry: Entry) -> None:
        """Any value of an order shows that it arrived (B3)."""
        if entry.status is DoneStatus.REJECTED and not entry.filled:
            self._promises.rejected(entry.order_id, entry.order_id, RejectClass.OTHER, NO_REASON)
        else:
            self._promises.accepted(entry.order_id, entry.order_id)

    def _settle_soon(self) -> None:
        self._saving.touched()
        if self._settling is None and not self._closed:
            after_s = (self._login.settle_ms + 1) / 1_000
            self._settling = asyncio.get_running_loop().call_later(after_s, self._settled)

    def _settled(self) -> None:
        self._settling = None
        if self._told and self._link is not None:
            self._strangers.meet(self._link.told, self._directory, self._clock.now_ns())
        self._settle()
        if self._book.unsettled or (self._told and self._strangers.waiting):
            self._settle_soon()

    def _settle(self, *, everything: bool = False) -> None:
        """Tell what has settled: fills first, then the order as it stands."""
        for each in self._book.settle(self._clock.now_ns(), everything=everything):
            for fill in each.fills:
                self._tell(Filled, fill=fill)
            if each.entry.ours:
                self._tell(OrderUpdated, order=each.entry.record())
        self._saving.touched()

    def _on_price(self, fact: Price) -> None:
        symbol = self._directory.learn(fact.instrument)
        if (known := self._quotes.get(symbol)) is not None:
            self._quotes[symbol] = quote = replace(known, **{fact.kind: float(fact.price)})
            self._tell(QuoteUpdated, quote=quote)

    # --- orders and commands -------------------------------------------------------------------------------------

    async def place(self, orders: Sequence[ApprovedOrder]) -> None:
        try:
            await self._sender.place(orders)
        finally:
            self._saving.touched()

    async def cancel(self, account: str, order_id: str) -> None:
        await self._sender.cancel(account, order_id)

    async def modify(
        self,
        account: str,
        order_id: str,
        *,
        qty: int,
        order_type: OrderType,
        limit_price: Decimal | None = None,
        stop_price: Decimal | None = None,
    ) -> None:
        await self._sender.modify(
            account, order_id, qty=qty, order_type=order_type, limit_price=limit_price, stop_price=stop_price
        )
        entry = self._book.get(order_id)
        if entry is not None and self._told:
            self._tell(OrderUpdated, order=entry.record())
        self._saving.touched()

    async def liquidate(self, account: str, symbol: str, cl_ord_id: str) -> None:
        await self._sender.liquidate(account, symbol, cl_ord_id)

    # --- reads ---------------------------------------------------------------------------------------------------

    async def _read_truth(self, wanted: Sequence[Wanted] = ()) -> Told:
        """What NinjaTrader says now; what it says of the desk's orders, and of those `wanted`, is told at once. Raises
        RequestUnknown."""
        link = self._ready()
        if self._login.readings is NinjaReadings.CACHE:
            recalled = finding.recall(link.told, self._book, self._directory, wanted)
            for entry in self._book.take_told(link.told, recalled, self._clock.now_ns()):
                self._prove(entry)
            if recalled:
                self._strangers.rebase(link.told, self._directory)
            self._settle(everything=True)
            return link.told
        async with self._truth:
            asked_ns = self._clock.now_ns()
            told = await reading(self._login, self._settings.deadline_s, self.on_unread)
        recalled = finding.recall(told, self._book, self._directory, wanted)
        for entry in self._book.take_all(told, asked_ns, self._clock.now_ns()):
            self._prove(entry)
        for _, instrument in told.nets:
            self._directory.learn(instrument)
        if self._strangers.waiting or recalled:  # they belong to what was read: after it they would count twice
            self._strangers.catch_up(link.told, self._directory, self._clock.now_ns())
            self._strangers.rebase(link.told, self._directory)
        self._settle(everything=True)
        return told

    def _complete(self, told: Told) -> frozenset[str]:
        """Accounts of which everything was told. The standing connection's memory can't say of an order without an
        answer that it never came; a new connection can."""
        shown = {self._directory.ours[theirs] for theirs in told.shown if theirs in self._directory.ours}
        if self._login.readings is NinjaReadings.CACHE:
            shown -= self._book.unanswered()
        return frozenset(shown)

    def _recently(self) -> int:
        return self._clock.now_ns() - RECENT_NS

    async def snapshot(self) -> Snapshot:
        at_ns = self._clock.now_ns()
        told = await self._read_truth()
        complete = self._complete(told)
        return shown.snapshot(told, self._book, self._directory, complete, at_ns=at_ns, since_ns=self._recently())

    async def find(self, wanted: Sequence[Wanted]) -> tuple[Found, ...]:
        told = await self._read_truth(wanted)
        return finding.answers(told, self._book, self._directory, wanted)

    async def exposure(self) -> Exposure:
        at_ns = self._clock.now_ns()
        told = await self._read_truth()
        return shown.exposure(told, self._book, self._directory, self._complete(told), at_ns=at_ns)

    async def instrument(self, symbol: str) -> Instrument:
        """NinjaTrader does not describe contracts here: this is the product table's word."""
        return described(symbol, self._instrument(symbol))

    def _instrument(self, symbol: str) -> str:
        """Raises RequestRefused: the product table does not have it."""
        try:
            return self._directory.instrument(symbol)
        except UnknownProduct as unknown:
            raise RequestRefused(str(unknown), RejectClass.CONTRACT) from None

    async def watch(self, symbol: str, interval_s: int, history: int) -> None:
        """Prices only: there are no bars and no history here. A contract that NinjaTrader does not have is told
        nothing of (B6)."""
        link, subscription = self._ready(), wire.subscribe(self._instrument(symbol))
        self._quotes.setdefault(symbol, Quote(symbol=symbol))
        link.write(subscription)

    def _ready(self) -> Link:
        if self._link is None or not self._told:
            raise RequestUnknown(f"connection {self.config.connection} is not connected")
        return self._link

    def health(self) -> ConnectionHealth:
        link = self._link
        reason = link.reason if link is not None else ""
        if link is not None and self._told:
            hidden = sorted(ours for ours, theirs in self._directory.theirs.items() if theirs not in link.told.shown)
            if hidden:
                reason = f"NinjaTrader tells nothing of {', '.join(hidden[:3])}"
            elif self._book.went_back:
                reason = f"{self._book.went_back} filled quantities were smaller than before"
        return ConnectionHealth(
            connection=self.config.connection,
            state=link.state if link is not None else "down",
            reason=reason,
            last_message_ns=link.last_message_ns if link is not None else -1,
            reconnects=link.reconnects if link is not None else 0,
            unreadable=self._unreadable,
            budget_per_min=self._budget.per_min,
            budget_left=self._budget.left(),
            round_trip_ms=-1.0,
        )
