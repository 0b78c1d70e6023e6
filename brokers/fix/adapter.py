"""The production adapter of FIX 4.2 and 4.4: the port of `brokers/adapter.py` over one session. `engine/desk.py` builds
one per connection. Facts: `protocols/fix.md`; what differs by counterparty: `dialects.toml`.

An order leaves once. What became of it is told by reports, or asked by status requests; a lost session makes it
unknown, and nothing is ever repeated for it.
"""

import asyncio
import random as random_module
from collections.abc import Sequence
from decimal import Decimal

import structlog
from msgspec.structs import replace

from brokers.adapter import (
    AdapterSettings,
    Capabilities,
    ConnectionHealth,
    Credentials,
    Emit,
    Event,
    Exposure,
    Filled,
    Found,
    LoginRefused,
    MessageUnreadable,
    OrderNotSent,
    OrderSent,
    OrderUpdated,
    PositionUpdated,
    RequestRefused,
    Requests,
    RequestUnknown,
    Snapshot,
    StreamDown,
    StreamUp,
    VenueUnreachable,
    Wanted,
    WorkingOrder,
)
from brokers.alone import alone
from brokers.budget import Lane, RequestBudget
from brokers.described import described
from brokers.finding import absent, shown, unknown
from brokers.fix import requests, tags
from brokers.fix.asking import Asking, Unsupported
from brokers.fix.book import VENUE, Book, Booked, Entry, NewOrder
from brokers.fix.dialect import dialect_of, dialects
from brokers.fix.link import Link
from brokers.fix.reports import Kind, Report, read_report
from brokers.fix.saving import Saving
from brokers.fix.session import Fact, NotUp, Received, Refused, Unreadable
from brokers.fix.wire import Message
from brokers.fix.words import ORDER_TYPES, business_class, reject_class, text_of
from brokers.own import never_twice
from brokers.promises import Promises
from brokers.runner import Runner
from brokers.sessions import SessionStore
from brokers.text import KEPT_CHARS, clean
from schema.clock import Clock
from schema.driver import JournalDown
from schema.records import (
    AccountConfig,
    ApprovedOrder,
    ConnectionConfig,
    DoneStatus,
    Instrument,
    LiveOrder,
    OrderType,
    RejectClass,
    Side,
    VenueAccount,
    VenueOrder,
)

log = structlog.get_logger()

CANCEL_WAIT_S = 1.0
"""How long a close waits for the cancels before it; then it leaves all the same: it reduces."""

FORGET_EVERY_NS = 600_000_000_000
SHOWN_KEPT = 20_000
RECENT_NS = 600_000_000_000
"""A snapshot after the first lists what ended or was learned within this time, and all that is open."""
NUMBERS_KEPT = 5_000
NAMELESS = ("", "NONE", "0", "UNKNOWN", "[N/A]")
"""What venues write for an OrderID (37) when there is no order."""

CAPABILITIES = Capabilities(
    venue=VENUE,
    client_tag=True,
    duplicate_tag_rejected=False,  # a convention of counterparties (103=6), so not relied on (C3)
    native_brackets=False,
    native_trailing=False,
    flips=True,
    liquidates=False,  # `liquidate` is cancels and an opposite market order
    market_data=False,
    bars=False,
    order_types=frozenset(ORDER_TYPES),
    find=Requests(once=0, each=1),
    reading=Requests(once=1, each=1),
    lists_accounts=False,
    account_money=False,
    describes_contracts=False,
    tokens_expire=False,
    exits_without_stream=False,  # there is one session, and orders have no other way
    uncounted_lists=False,  # reports say how many they are (727, 911)
)


class FixAdapter:
    """One FIX session (see `brokers.adapter.BrokerAdapter` for the contract of every method). FIX lists no accounts:
    they are given. `sessions` keeps the session's numbers and what was learned in it."""

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
        self.capabilities = _capabilities(config)
        self._credentials = credentials
        self._settings = settings
        self._clock = clock
        self._engine_emit = emit
        self._random = random
        self._accounts = {account.account: account for account in accounts}
        self._budget = RequestBudget(
            clock, config.requests_per_min or settings.requests_per_min, settings.reserved_for_exits
        )
        self._book = Book()
        self._book.accounts = {account.venue_id or account.account: account.account for account in accounts}
        self._saving = Saving(config.connection, sessions, self._book, clock)
        self._promises = Promises(config.connection, clock, settings.deadline_s, self._emit)
        self._asking = Asking(settings.deadline_s)
        self._link: Link | None = None
        self._runner = Runner(config.connection)
        self._up: asyncio.Future[None] | None = None
        self._orders_by_seq: dict[int, Entry] = {}
        self._shown: dict[str, VenueOrder] = {}  # by root, as last told, but for the time: what says nothing new is not
        self._sent_ns: dict[str, int] = {}
        self._told = False  # a StreamUp was emitted for the session that is up
        self._first = True
        self._closed = False
        self._loaded = False
        self._no_mass_status = False
        self._finding: set[str] = set()  # status questions about one order, which say nothing of what it left
        self._truth = asyncio.Lock()
        self._latest_id = 0
        self._forgot_ns = clock.now_ns()
        self._unreadable = 0
        self._round_trip_ms = -1.0

    def __repr__(self) -> str:
        return f"FixAdapter({self.config.connection!r})"

    # --- lifecycle -----------------------------------------------------------------------------------------------

    async def connect(self) -> None:
        self._runner.must_be_idle()
        fix = self.config.fix
        if fix is None:
            raise LoginRefused(f"connection {self.config.connection} has no FIX session set up; add it again")
        self._dialect, self._version = dialect_of(fix.dialect, fix.version), fix.version
        self._closed = False
        if not self._loaded:
            try:
                await self._saving.load()
            except JournalDown as down:
                raise VenueUnreachable(f"the session's numbers can't be read: {down}") from None
            self._loaded = True
        self._link = Link(
            self.config,
            fix,
            self._credentials,
            self._dialect,
            self._settings,
            self._clock,
            self._random,
            self._saving,
            self,
        )
        self._up = asyncio.get_running_loop().create_future()
        await self._runner.start(self._link.run(), self._up, self.close)

    async def close(self) -> None:
        if self._link is not None:
            await self._link.leave()
        self._closed, self._told = True, False
        await self._runner.stop()
        if self._loaded:
            await self._saving.close()

    def _emit(self, event: Event) -> None:
        if not self._closed:
            self._engine_emit(event)

    # --- what the link tells -------------------------------------------------------------------------------------

    def on_fact(self, fact: Fact) -> None:
        match fact:
            case Received():
                self._on_message(fact.message)
            case Refused():
                self._on_session_reject(fact)
            case Unreadable():
                self._cannot_read(fact.raw, fact.error)
            case _:
                pass

    async def synchronise(self) -> None:
        at_ns = self._clock.now_ns()
        await self._read_truth(Lane.EXIT)
        # Nothing awaits from here to the end: no event can come between the snapshot and what follows it.
        first, self._first, self._told = self._first, False, True
        log.info("order stream up", connection=self.config.connection, first=first)
        self._emit(
            StreamUp(
                connection=self.config.connection,
                received_ns=self._clock.now_ns(),
                first=first,
                snapshot=self._snapshot(at_ns, since_ns=0 if first else self._recently()),
            )
        )
        if self._up is not None and not self._up.done():
            self._up.set_result(None)

    def on_down(self, reason: str, *, was_up: bool, final: bool) -> None:
        self._told = False
        self._orders_by_seq.clear()
        self._shown.clear()
        self._promises.lost()
        self._asking.lost()
        if was_up:
            log.warning("order stream down", connection=self.config.connection, reason=reason, final=final)
            self._emit(
                StreamDown(
                    connection=self.config.connection,
                    received_ns=self._clock.now_ns(),
                    reason=reason,
                    final=final,
                )
            )

    def on_tick(self) -> None:
        self._promises.tick()
        now_ns = self._clock.now_ns()
        if now_ns - self._forgot_ns > FORGET_EVERY_NS:
            self._forgot_ns = now_ns
            self._book.forget_old(now_ns)

    def _cannot_read(self, raw: str, error: str) -> None:
        self._unreadable += 1
        self._emit(
            MessageUnreadable(
                connection=self.config.connection,
                received_ns=self._clock.now_ns(),
                raw=clean(raw, KEPT_CHARS),
                error=clean(error),
            )
        )

    # --- messages in ---------------------------------------------------------------------------------------------

    def _on_message(self, message: Message) -> None:
        match message.msg_type:
            case tags.EXECUTION_REPORT:
                report = read_report(message)
                if isinstance(report, str):
                    self._cannot_read(str(message)[:512], report)
                else:
                    self._on_report(report, message)
            case tags.CANCEL_REJECT:
                text = text_of(message.get(tags.TEXT)) or f"reason {message.get(tags.CXL_REJ_REASON) or 'not given'}"
                self._asking.failed(message.get(tags.CL_ORD_ID), RequestRefused(text, reject_class("", text)))
            case tags.BUSINESS_REJECT:
                self._on_business_reject(message)
            case tags.POSITION_ACK:
                self._asking.position_ack(message)
            case tags.POSITION_REPORT:
                self._asking.position_report(message)
            case _:
                pass

    def _on_report(self, report: Report, message: Message) -> None:
        if report.mass_id and (
            message.number(tags.TOT_NUM_REPORTS) == 0
            or (report.status is DoneStatus.REJECTED and report.order_id.upper() in NAMELESS)
        ):
            self._asking.none_there(report.mass_id)
            return
        if self._not_there(report):
            return
        self._book.now_ns = self._clock.now_ns()
        booked = self._book.book(report)
        if isinstance(booked, str):
            self._cannot_read(str(message)[:512], booked)
            return
        entry = booked.entry
        if booked.duplicate:
            self._promises.unknown(entry.root, f"the venue says it had this id before: {report.text}")
            return
        self._prove(entry, report)
        if self._told:
            self._tell(booked)
        self._settle(entry, report)
        self._asking.answered(_status_question(entry))
        if report.mass_id:
            last = message.get(tags.LAST_RPT_REQUESTED) == "Y"
            self._asking.reported(report.mass_id, message.number(tags.TOT_NUM_REPORTS), last=last)

    def _not_there(self, report: Report) -> bool:
        """Whether a report says that the venue has no such order: the answer to a question about one it never got, or
        has let go of."""
        if report.status is not DoneStatus.REJECTED or report.kind not in (Kind.STATUS, Kind.REJECTED):
            return False
        entry = self._book.by_id(report.cl_ord_id)
        nameless = report.order_id.upper() in NAMELESS
        if entry is None or not (report.reject_reason == "5" or (report.kind is Kind.STATUS and nameless)):
            return False
        if not self._asking.question_of(None, _status_question(entry)):
            return False
        self._gone(entry)
        return True

    def _gone(self, entry: Entry) -> None:
        if entry.known and _status_question(entry) in self._finding:
            # What it filled at the end may have been lost: a reading of the positions decides, not this.
            self._asking.failed(_status_question(entry), RequestRefused("the venue has no such order any more"))
            return
        if entry.known and not entry.done:
            self._book.end(entry, DoneStatus.EXPIRED, "the venue has no such order any more")
            if self._told:
                self._tell(Booked(entry=entry, fills=[]))
        elif not entry.known:
            self._book.absent(entry)
        self._asking.answered(_status_question(entry))

    def _prove(self, entry: Entry, report: Report) -> None:
        """Tell an order of this process what the report proves about it."""
        sent_ns = self._sent_ns.pop(entry.root, 0)
        if sent_ns:
            self._round_trip_ms = (self._clock.now_ns() - sent_ns) / 1e6
        if entry.done == DoneStatus.REJECTED:
            text = report.text or "rejected; the venue gave no reason"
            found = reject_class(report.reject_reason, text)
            self._promises.rejected(entry.root, entry.order_id, found, text)
            self._asking.failed(_order_question(entry), RequestRefused(text, found))
        else:
            self._promises.accepted(entry.root, entry.order_id)
            self._asking.answered(_order_question(entry))

    def _tell(self, booked: Booked) -> None:
        connection, now_ns = self.config.connection, self._clock.now_ns()
        for fill in booked.fills:
            self._emit(Filled(connection=connection, received_ns=now_ns, fill=fill))
        if booked.entry.order_id:
            order = booked.entry.record()
            if replace(order, venue_ns=0) != self._shown.get(booked.entry.root):
                self._shown[booked.entry.root] = replace(order, venue_ns=0)
                self._emit(OrderUpdated(connection=connection, received_ns=now_ns, order=order))
                if len(self._shown) > SHOWN_KEPT:
                    del self._shown[next(iter(self._shown))]
        if booked.position is not None:
            self._emit(PositionUpdated(connection=connection, received_ns=now_ns, position=booked.position))

    def _settle(self, entry: Entry, report: Report) -> None:
        """End the commands that this report answers. That one is pending is no answer yet (C3: 39=6 and E)."""
        if report.kind is Kind.PENDING and not entry.done:
            return
        for wire_id in entry.ids[1:]:
            if entry.done == DoneStatus.CANCELED or wire_id == report.cl_ord_id:
                self._asking.answered(wire_id)
            elif entry.done:
                self._asking.failed(wire_id, RequestRefused(f"too late: the order is {entry.done}"))

    def _on_business_reject(self, message: Message) -> None:
        reason, text = message.get(tags.BUSINESS_REJECT_REASON), text_of(message.get(tags.TEXT))
        seq, ref_id = message.number(tags.REF_SEQ_NUM), message.get(tags.BUSINESS_REJECT_REF_ID)
        entry = self._orders_by_seq.pop(seq or 0, None)
        if entry is None and message.get(tags.REF_MSG_TYPE) == tags.NEW_ORDER:
            entry = self._book.by_id(ref_id)
        if entry is not None:
            self._refused(entry, business_class(reason, text), text or f"refused, reason {reason}")
            return
        question = self._asking.question_of(seq, ref_id)
        if reason == "1" and question.startswith("status "):
            entry = self._book.by_id(question.removeprefix("status "))
            if entry is not None:
                self._gone(entry)
                return
        if question:
            self._asking.business_reject(question, reason, text)

    def _on_session_reject(self, fact: Refused) -> None:
        text = f"{fact.text or 'rejected'} (tag {fact.tag})" if fact.tag else fact.text or "rejected"
        entry = self._orders_by_seq.pop(fact.seq, None)
        if entry is not None:
            self._refused(entry, RejectClass.OTHER, text)
            return
        question = self._asking.question_of(fact.seq)
        if question:
            self._asking.session_reject(question, fact.reason, text)

    def _refused(self, entry: Entry, found: RejectClass, text: str) -> None:
        """Proven never to have reached the venue's books, unless the venue has shown it after all."""
        if entry.known:
            return
        if found is RejectClass.THROTTLED:
            self._budget.throttled()
        self._book.reject(entry, text)
        self._promises.rejected(entry.root, "", found, text)
        self._asking.failed(_order_question(entry), RequestRefused(text, found))

    # --- orders --------------------------------------------------------------------------------------------------

    async def place(self, orders: Sequence[ApprovedOrder]) -> None:
        self.place_at_once(orders)

    def place_at_once(self, orders: Sequence[ApprovedOrder]) -> None:
        never_twice((leg.cl_ord_id for order in orders for leg in order.legs), self._book)
        # Bytes first, all in one write: what the engine does with each OrderSent must not delay the next order.
        told: list[Event] = []
        for order in alone(orders, self.config.connection, self._clock, told.append):
            reason = self._put(NewOrder.of(order))
            now_ns = self._clock.now_ns()
            if reason:
                told.append(
                    OrderNotSent(
                        connection=self.config.connection,
                        received_ns=now_ns,
                        account=order.account,
                        cl_ord_id=order.cl_ord_id,
                        reason=reason,
                    )
                )
            else:
                self._promises.made(order.account, order.cl_ord_id)
                told.append(
                    OrderSent(
                        connection=self.config.connection,
                        received_ns=now_ns,
                        account=order.account,
                        cl_ord_id=order.cl_ord_id,
                    )
                )
        if self._link is not None:
            self._link.flush()
        for event in told:
            self._emit(event)

    def _put(self, order: NewOrder) -> str:
        """Put a new order in line to be written; empty, or why it was not."""
        if order.account not in self._accounts:
            return f"account {order.account} is not of this connection"
        if self._link is None or not self._told:
            return "no session with the venue: not connected"
        reason = self._link.refusal() or self._budget.take(order.lane)
        if reason:
            return reason
        wire_id = order.cl_ord_id[: self._dialect.longest_id or None]
        entry = self._book.open(order, wire_id)
        now_ns = self._clock.now_ns()
        try:
            seq = self._link.put(tags.NEW_ORDER, requests.new_order(order, wire_id, self._dialect, now_ns))
        except (NotUp, ValueError) as error:
            self._book.never_left(entry)
            return str(error)
        self._orders_by_seq[seq] = entry
        if len(self._orders_by_seq) > NUMBERS_KEPT:
            del self._orders_by_seq[next(iter(self._orders_by_seq))]
        self._sent_ns[entry.root] = now_ns
        return ""

    async def cancel(self, account: str, order_id: str) -> None:
        entry = self._working(account, order_id)
        wire_id = self._next_id()
        fields = requests.cancel_order(entry, self._wire_account(account), wire_id, self._dialect, self._clock.now_ns())
        await self._command(tags.CANCEL, entry, wire_id, fields, Lane.CANCEL)

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
        entry = self._working(account, order_id)
        wire_id = self._next_id()
        fields = requests.replace_order(
            entry,
            self._wire_account(account),
            wire_id,
            self._dialect,
            self._clock.now_ns(),
            qty=qty,
            order_type=order_type,
            limit_price=limit_price,
            stop_price=stop_price,
        )
        await self._command(tags.REPLACE, entry, wire_id, fields, Lane.MODIFY)

    def _working(self, account: str, order_id: str) -> Entry:
        entry = self._book.entry(account, order_id)
        if entry is None:
            raise RequestRefused(f"order {order_id} of {account} is not known in this session")
        if entry.done:
            raise RequestRefused(f"too late: order {order_id} is {entry.done}")
        return entry

    async def _command(self, msg_type: str, entry: Entry, wire_id: str, fields: requests.Fields, lane: Lane) -> None:
        """Send a cancel or a replace and wait for what becomes of it. Raises RequestRefused, RequestUnknown."""
        keep = msg_type == tags.CANCEL and self._dialect.resend_cancels
        future = self._ask(wire_id, msg_type, fields, lane, keep=keep, entry=entry)
        try:
            await self._asking.wait([(wire_id, future)], "the command")
        except Unsupported as unsupported:
            raise RequestRefused(str(unsupported)) from None

    def _ask(
        self,
        question: str,
        msg_type: str,
        fields: requests.Fields,
        lane: Lane,
        *,
        keep: bool = False,
        many: bool = False,
        entry: Entry | None = None,
    ) -> "asyncio.Future[None]":
        """Send a question. Raises RequestRefused: it did not leave."""
        reason = self._link.refusal() if self._link is not None else "not connected"
        if reason or self._link is None:
            raise RequestRefused(f"not sent: {reason}", RejectClass.UNAVAILABLE)
        reason = self._budget.take(lane)
        if reason:
            raise RequestRefused(f"not sent: {reason}", RejectClass.THROTTLED)
        future = self._asking.open_many(question) if many else self._asking.open(question)
        if entry is not None:
            self._book.name(entry, question)
        try:
            seq = self._link.put(msg_type, fields, keep=keep)
        except (NotUp, ValueError) as error:
            raise RequestRefused(f"not sent: {error}", RejectClass.UNAVAILABLE) from None
        self._asking.sent(question, seq)
        self._link.flush()
        return future

    def _next_id(self) -> str:
        """An id that no process of this login has used: microseconds, never twice the same."""
        self._latest_id = max(self._latest_id + 1, self._clock.now_ns() // 1_000)
        return f"x{self._latest_id:x}"

    def _wire_account(self, account: str) -> str:
        found = self._accounts.get(account)
        return (found.venue_id or found.account) if found is not None else account

    async def liquidate(self, account: str, symbol: str, cl_ord_id: str) -> None:
        """FIX has no request for it: every working order of the contract is canceled, then what is held is closed at
        market. What already closes it, and is on its way, is counted."""
        if account not in self._accounts:
            raise RequestRefused(f"account {account} is not of this connection")
        never_twice((cl_ord_id,), self._book)
        if not self._told:  # what the book adds up to is not what is held now: nothing may look flat by it
            reason = self._link.reason if self._link is not None else ""
            raise RequestRefused(f"not sent: {reason or 'not connected'}", RejectClass.UNAVAILABLE)
        await self._cancel_all(account, symbol)
        net = self._book.holding(account, symbol).net
        if not net:
            return
        side = Side.SELL if net > 0 else Side.BUY
        coming = sum(each.qty - each.filled_qty for each in self._book.live(account, symbol) if each.side is side)
        qty = abs(net) - coming
        if qty <= 0:
            raise RequestUnknown(f"orders that close {abs(net)} {symbol} of {account} are on their way, unanswered")
        order = NewOrder(
            account=account,
            venue_account_id=self._wire_account(account),
            symbol=symbol,
            side=side,
            qty=qty,
            order_type=OrderType.MARKET,
            cl_ord_id=cl_ord_id,
            lane=Lane.EXIT,
        )
        question = f"order {cl_ord_id}"
        future = self._asking.open(question)
        reason = self._put(order)
        if reason:
            self._asking.failed(question, RequestRefused(reason))
            raise RequestRefused(f"not sent: {reason}", RejectClass.UNAVAILABLE)
        assert self._link is not None
        self._link.flush()
        await self._asking.wait([(question, future)], "the closing order")

    async def _cancel_all(self, account: str, symbol: str) -> None:
        """Ask for the cancel of every working order and wait a little; a close does not wait for a venue that does not
        answer."""
        cancels = [
            asyncio.ensure_future(self.cancel(account, entry.order_id))
            for entry in self._book.live(account, symbol)
            if entry.order_id
        ]
        if not cancels:
            return
        _, pending = await asyncio.wait(cancels, timeout=CANCEL_WAIT_S)
        for each in pending:
            each.cancel()
        refusals = [error for each in cancels if each.done() and not each.cancelled() and (error := each.exception())]
        for error in refusals:
            if not isinstance(error, RequestRefused | RequestUnknown):
                raise error

    # --- reads ---------------------------------------------------------------------------------------------------

    async def _read_truth(self, lane: Lane) -> None:
        """Bring the book to what the venue says now. Raises RequestUnknown when any part could not be read."""
        async with self._truth:
            try:
                await self._read_orders(lane)
                if self._dialect.asks_positions(self._version):
                    await self._read_positions(lane)
            except (RequestRefused, Unsupported) as refused:
                raise RequestUnknown(f"the venue could not be read: {refused}") from None

    async def _read_orders(self, lane: Lane) -> None:
        waiting = self._book.live()
        if self._dialect.asks_all_orders(self._version) and not self._no_mass_status:
            seen_before = {id(entry): entry.reports for entry in waiting}
            question = f"m{self._next_id()}"
            future = self._ask(question, tags.MASS_STATUS, requests.mass_status(question), lane, many=True)
            try:
                await self._asking.wait([(question, future)], "the status of all orders")
            except Unsupported:
                self._no_mass_status = True
            waiting = [entry for entry in waiting if not entry.done and entry.reports == seen_before[id(entry)]]
        asked: list[tuple[str, asyncio.Future[None]]] = []
        for entry in waiting:
            question = _status_question(entry)
            fields = requests.order_status(entry, self._wire_account(entry.account), self._dialect)
            asked.append((question, self._ask(question, tags.ORDER_STATUS, fields, lane)))
        await self._asking.wait(asked, "an order's status")

    async def _read_positions(self, lane: Lane) -> None:
        for account in self._accounts:
            wire = self._wire_account(account)
            question = f"p{self._next_id()}"
            fields = requests.positions(question, wire, self._clock.now_ns())
            future = self._ask(question, tags.POSITION_REQUEST, fields, lane, many=True)
            answer = self._asking.answers(question)
            try:
                await self._asking.wait([(question, future)], f"the positions of {account}")
            except Unsupported as unsupported:
                raise RequestUnknown(
                    f"the venue tells no positions ({unsupported}); choose a dialect that adds up executions"
                ) from None
            self._book.adopt(account, answer.positions())

    def _recently(self) -> int:
        return self._clock.now_ns() - RECENT_NS

    def _snapshot(self, at_ns: int, since_ns: int) -> Snapshot:
        return Snapshot(
            at_ns=at_ns,
            accounts=tuple(
                VenueAccount(account=each.account, venue_id=each.venue_id or each.account, active=each.active)
                for each in self._accounts.values()
            ),
            complete=frozenset(self._accounts),
            positions=self._book.positions(),
            orders=self._book.orders(since_ns),
            fills=self._book.fills_since(since_ns),
            states=(),
        )

    async def snapshot(self) -> Snapshot:
        self._ready()
        at_ns = self._clock.now_ns()
        await self._read_truth(Lane.QUERY)
        return self._snapshot(at_ns, self._recently())

    async def find(self, wanted: Sequence[Wanted]) -> tuple[Found, ...]:
        self._ready()
        if not self._dialect.order_status:
            raise RequestRefused("this counterparty answers no status request")
        return tuple(await asyncio.gather(*(self._find(each) for each in wanted)))

    async def _find(self, wanted: Wanted) -> Found:
        """One status request (H). It comes behind the order itself, so "no such order" is proof."""
        entry = self._book.by_root(wanted.cl_ord_id) or self._book.open(
            NewOrder(
                account=wanted.account,
                venue_account_id=self._wire_account(wanted.account),
                symbol=wanted.symbol,
                side=wanted.side,
                qty=wanted.qty,
                order_type=wanted.order_type,
                cl_ord_id=wanted.cl_ord_id,
                lane=Lane.FIND,
            ),
            wanted.cl_ord_id[: self._dialect.longest_id or None],
        )
        question, reports, missing = _status_question(entry), entry.reports, entry.missing
        fields = requests.order_status(entry, self._wire_account(entry.account), self._dialect)
        self._finding.add(question)
        try:
            future = self._ask(question, tags.ORDER_STATUS, fields, Lane.FIND)
            await self._asking.wait([(question, future)], "the order's status")
        except (RequestRefused, RequestUnknown, Unsupported) as error:
            return unknown(wanted, str(error))
        finally:
            self._finding.discard(question)
        if entry.missing > missing:
            return absent(wanted, "the venue says that it has no such order")
        if entry.reports == reports or not entry.order_id:
            return unknown(wanted, "the venue's answer names no order")
        return shown(wanted, entry.record(), self._book.fills_of(entry))

    async def exposure(self) -> Exposure:
        self._ready()
        at_ns = self._clock.now_ns()
        await self._read_truth(Lane.EXIT)
        working = tuple(
            WorkingOrder(account=order.account, order_id=order.order_id, symbol=order.symbol)
            for order in self._book.orders()
            if isinstance(order, LiveOrder)
        )
        return Exposure(
            at_ns=at_ns, complete=frozenset(self._accounts), positions=self._book.positions(), working=working
        )

    def _ready(self) -> None:
        if self._link is None or not self._told:
            raise RequestUnknown(f"connection {self.config.connection} is not connected")

    async def instrument(self, symbol: str) -> Instrument:
        """Standard FIX does not describe contracts: this is the product table's word, and the venue's own refusal of a
        contract it does not have comes with the first order (C6)."""
        return described(symbol, symbol)

    async def watch(self, symbol: str, interval_s: int, history: int) -> None:
        self._ready()
        raise RequestRefused("this login has no market data; watch the contract at another one")

    def health(self) -> ConnectionHealth:
        link = self._link
        reason = link.reason if link is not None else ""
        if link is not None and link.state == "up" and not self._dialect.asks_positions(self._version):
            reason = "positions are what the reports of this session add up to"
        return ConnectionHealth(
            connection=self.config.connection,
            state=link.state if link is not None else "down",
            reason=reason,
            last_message_ns=link.last_message_ns if link is not None else -1,
            reconnects=link.reconnects if link is not None else 0,
            unreadable=self._unreadable,
            budget_per_min=self._budget.per_min,
            budget_left=self._budget.left(),
            round_trip_ms=self._round_trip_ms,
        )


def _capabilities(config: ConnectionConfig) -> Capabilities:
    """What a counterparty can do; of a login that can't connect, what the standard has. In 4.2 a reading takes a
    request for each open order, so at least as many as are asked for."""
    fix = config.fix
    dialect = dialects().get(fix.dialect) if fix is not None else None
    if dialect is None or fix is None:
        return CAPABILITIES
    reading = Requests(once=int(dialect.asks_all_orders(fix.version)), each=1)
    return replace(
        CAPABILITIES,
        client_tag=dialect.order_status,
        reading=reading,
        lists_positions=dialect.asks_positions(fix.version),
        tells_gap=dialect.numbers == "keep" or dialect.asks_positions(fix.version),
    )


def _status_question(entry: Entry) -> str:
    return f"status {entry.ids[0]}"


def _order_question(entry: Entry) -> str:
    return f"order {entry.root}"
