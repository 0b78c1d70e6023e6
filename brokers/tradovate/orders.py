"""Orders and fills joined from the venue's entities: Order has no quantity, OrderVersion no client id, Fill no
account (`protocols/tradovate.md 1.3`). `stream.py` feeds it the snapshot and then every event, in any order.

A fact is emitted when it is whole and once: a fill waits for its order, an order for its version, both for the
contract's name, and for the client id while they could be an order of ours whose venue id is not known yet.
"""

from collections import deque
from collections.abc import Iterable
from decimal import Decimal

from brokers.adapter import Emit, Filled, OrderUpdated
from brokers.amounts import time_ns
from brokers.own import OwnOrders
from brokers.tradovate.directory import Directory
from brokers.tradovate.entities import Command, CommandReport, ExecutionReport, Fill, Order, OrderVersion
from brokers.tradovate.translate import order_type_of, reject_class, side_of, status_of, time_in_force_of
from brokers.tradovate.wire import clean
from schema.records import (
    DoneOrder,
    DoneStatus,
    LiveOrder,
    LiveStatus,
    OrderType,
    RejectClass,
    VenueOrder,
)
from schema.records import Fill as FillRecord

VENUE = "tradovate"
_REJECTED = ("RiskRejected", "ExecutionRejected")
ENDED_KEPT = 1_000
"""Ended orders a login keeps whole; of older ones it keeps the id, so that a replayed session still emits nothing."""


class JoinedOrder:
    """Everything known of one order of the venue."""

    __slots__ = (
        "cl_ord_id",
        "commands",
        "fills",
        "fills_final",
        "named",
        "order",
        "reject",
        "shown",
        "status",
        "text",
        "venue_ns",
        "version",
    )

    def __init__(self) -> None:
        self.order: Order | None = None
        self.version: OrderVersion | None = None
        self.status: LiveStatus | DoneStatus = LiveStatus.PENDING
        self.venue_ns = 0
        self.named = False  # its New command was seen, with or without a client id
        self.cl_ord_id = ""
        self.commands: list[int] = []
        self.fills: dict[int, Fill] = {}
        self.fills_final = False
        self.reject: RejectClass | None = None
        self.text = ""
        self.shown: VenueOrder | None = None

    @property
    def filled_qty(self) -> int:
        return sum(fill.qty for fill in self.fills.values())

    @property
    def avg_price(self) -> Decimal | None:
        filled = self.filled_qty
        if not filled:
            return None
        return sum((fill.price * fill.qty for fill in self.fills.values()), Decimal(0)) / filled


class OrderJoin:
    """The join of one login since its last snapshot. `seen` are the fill ids that reached the engine in this process:
    they outlive the join, so a replayed session emits nothing (`protocols/tradovate.md 1.6 a`)."""

    def __init__(
        self, connection: str, directory: Directory, own: OwnOrders, seen: set[int], emit: Emit | None
    ) -> None:
        self._connection = connection
        self._directory = directory
        self._own = own
        self._seen = seen
        self._emit = emit  # None: collecting a snapshot
        self._orders: dict[int, JoinedOrder] = {}
        self._commands: dict[int, Command] = {}
        self._early: dict[int, list[CommandReport | ExecutionReport]] = {}  # reports that overtook their command
        self._held: dict[int, JoinedOrder] = {}  # order id -> has something to emit and may not yet
        self._unnamed: set[int] = set()
        self._short: set[int] = set()
        self._ended: deque[int] = deque()  # told as done, the oldest first
        self._gone: set[int] = set()  # ended long ago, and forgotten but for this

    # --- entities in ---------------------------------------------------------------------------------------------

    def order(self, entity: Order, now_ns: int) -> None:
        if entity.id in self._gone:
            return
        joined = self._joined(entity.id)
        joined.order = entity
        if entity.contract_id is not None and entity.contract_id not in self._directory.symbols:
            self._unnamed.add(entity.contract_id)
        joined.venue_ns = max(joined.venue_ns, time_ns(entity.timestamp))
        status = status_of(entity.ord_status, filled=self._all_filled(joined))
        if _may_follow(joined.status, status):
            joined.status = status
        self._touch(entity.id, joined, now_ns)

    def version(self, entity: OrderVersion, now_ns: int) -> None:
        if entity.order_id in self._gone:
            return
        joined = self._joined(entity.order_id)
        if joined.version is None or entity.id >= joined.version.id:
            joined.version = entity
            self._touch(entity.order_id, joined, now_ns)

    def command(self, entity: Command, now_ns: int) -> None:
        if entity.order_id in self._gone:
            self._early.pop(entity.id, None)
            return
        joined = self._joined(entity.order_id)
        if entity.id not in self._commands:
            joined.commands.append(entity.id)
        self._commands[entity.id] = entity
        if entity.command_type in (None, "New"):
            joined.named = True
            if entity.cl_ord_id:
                joined.cl_ord_id = clean(entity.cl_ord_id)
                if self._emit is not None and entity.command_status not in _REJECTED:
                    self._own.accepted(joined.cl_ord_id, entity.order_id)
            if entity.command_status in _REJECTED:
                joined.status = DoneStatus.REJECTED  # the report says why
        for report in self._early.pop(entity.id, ()):
            self._report(report, entity, joined)
        self._touch(entity.order_id, joined, now_ns)

    def report(self, entity: CommandReport | ExecutionReport, now_ns: int) -> None:
        """What became of a command; only the reject of a New command says something about the order."""
        if entity.command_id is None:
            return
        command = self._commands.get(entity.command_id)
        if command is None:
            self._early.setdefault(entity.command_id, []).append(entity)
            return
        joined = self._joined(command.order_id)
        self._report(entity, command, joined)
        self._touch(command.order_id, joined, now_ns)

    def _report(self, entity: CommandReport | ExecutionReport, command: Command, joined: JoinedOrder) -> None:
        if isinstance(entity, CommandReport):
            rejected = entity.command_status in _REJECTED
        else:
            rejected = entity.exec_type == "Rejected"
        if rejected and command.command_type in (None, "New") and joined.reject is None:
            words = clean(entity.text or entity.reject_reason or "")
            joined.reject = reject_class(entity.reject_reason, words)
            joined.text = words
            joined.status = DoneStatus.REJECTED

    def fill(self, entity: Fill, now_ns: int) -> None:
        if entity.order_id in self._gone:
            return
        joined = self._joined(entity.order_id)
        if entity.id in joined.fills:
            return
        joined.fills[entity.id] = entity
        self._touch(entity.order_id, joined, now_ns)

    # --- facts out -----------------------------------------------------------------------------------------------

    def release(self, now_ns: int) -> None:
        """Something that facts waited for became known: a contract's name, an account, a client id."""
        for order_id, joined in list(self._held.items()):
            self._touch(order_id, joined, now_ns)

    def working(self) -> set[tuple[int, int]]:
        """(account id, order id) of every order that may still trade."""
        return {
            (joined.order.account_id, order_id)
            for order_id, joined in self._orders.items()
            if joined.order is not None and isinstance(joined.status, LiveStatus)
        }

    def owner(self, order_id: int) -> str | None:
        """The account of an order; None when it is not known."""
        joined = self._orders.get(order_id)
        order = joined.order if joined is not None else None
        return self._directory.account_name(order.account_id) if order is not None else None

    def unnamed_contracts(self) -> set[int]:
        """Contract ids that facts wait for."""
        self._unnamed -= self._directory.symbols.keys()
        return set(self._unnamed)

    def _touch(self, order_id: int, joined: JoinedOrder, now_ns: int) -> None:
        if self._emit is None:
            return
        whole = self._whole(order_id, joined)
        if whole is None:
            self._held[order_id] = joined
            return
        account, symbol, cl_ord_id = whole
        self._held.pop(order_id, None)
        self._prove(order_id, joined, cl_ord_id)
        for fill in joined.fills.values():
            if fill.id not in self._seen:
                self._seen.add(fill.id)
                record = _fill_record(fill, account, symbol, cl_ord_id)
                self._emit(Filled(connection=self._connection, received_ns=now_ns, fill=record))
        if joined.version is None:
            self._held[order_id] = joined
            return
        record = _order_record(order_id, joined, account, symbol, cl_ord_id, self._told_status(order_id, joined))
        if record != joined.shown:
            if isinstance(record, DoneOrder) and not isinstance(joined.shown, DoneOrder):
                self._ended.append(order_id)
            joined.shown = record
            self._emit(OrderUpdated(connection=self._connection, received_ns=now_ns, order=record))
            self._forget()

    def _forget(self) -> None:
        """Keep the newest of the ended orders: a login that trades all day must not grow all day."""
        while len(self._ended) > ENDED_KEPT:
            order_id = self._ended.popleft()
            for command_id in self._orders.pop(order_id).commands:
                del self._commands[command_id]
            self._held.pop(order_id, None)
            self._gone.add(order_id)
            self._own.forget(order_id)

    def _told_status(self, order_id: int, joined: JoinedOrder) -> LiveStatus | DoneStatus:
        """A filled order whose fills have not all come still works: done is told with its fills, never before."""
        if joined.status is DoneStatus.FILLED and not joined.fills_final and not self._all_filled(joined):
            self._short.add(order_id)
            return LiveStatus.WORKING
        self._short.discard(order_id)
        return joined.status

    def short_orders(self) -> set[int]:
        return set(self._short)

    def fills_are_final(self, order_ids: set[int], now_ns: int) -> None:
        for order_id in order_ids - self._gone:
            joined = self._joined(order_id)
            joined.fills_final = True
            self._touch(order_id, joined, now_ns)

    def _prove(self, order_id: int, joined: JoinedOrder, cl_ord_id: str) -> None:
        """Tell an order of this process what the stream proves about it."""
        if not cl_ord_id:
            return
        if joined.status is DoneStatus.REJECTED:
            if joined.reject is not None:
                self._own.rejected(cl_ord_id, order_id, joined.reject, joined.text)
            else:
                self._own.rejected_without_reason(cl_ord_id, order_id)
        else:
            self._own.accepted(cl_ord_id, order_id)

    def _whole(self, order_id: int, joined: JoinedOrder) -> tuple[str, str, str] | None:
        """Account, symbol and client id, or None while one of them must be waited for."""
        order = joined.order
        if order is None or order.contract_id is None:
            return None
        account = self._directory.account_name(order.account_id)
        symbol = self._directory.symbols.get(order.contract_id)
        if account is None or symbol is None:
            return None
        cl_ord_id = self._tag(order_id, joined)
        if (
            not cl_ord_id
            and not joined.named
            and self._own.may_be_ours(order.account_id, symbol, side_of(order.action))
        ):
            return None
        return account, symbol, cl_ord_id

    def _tag(self, order_id: int, joined: JoinedOrder) -> str:
        return self._own.tag_of(order_id) or joined.cl_ord_id

    def _joined(self, order_id: int) -> JoinedOrder:
        joined = self._orders.get(order_id)
        if joined is None:
            joined = self._orders[order_id] = JoinedOrder()
        return joined

    def _all_filled(self, joined: JoinedOrder) -> bool:
        version = joined.version
        return version is not None and joined.filled_qty >= (version.order_qty or 0) > 0

    # --- the snapshot --------------------------------------------------------------------------------------------

    def start_emitting(self, emit: Emit) -> None:
        """The snapshot was handed over: from here on facts are emitted, except those it held."""
        for order_id, joined in self._orders.items():
            self._seen.update(joined.fills)
            whole = self._whole(order_id, joined)
            if whole is not None and joined.version is not None:
                joined.shown = _order_record(order_id, joined, *whole, joined.status)
                joined.fills_final = isinstance(joined.status, DoneStatus)
                if joined.fills_final:
                    self._ended.append(order_id)
        self._emit = emit

    def prove_all(self) -> None:
        """Settle orders of this process that the snapshot proves."""
        for order_id, joined in list(self._orders.items()):
            self._prove(order_id, joined, self._tag(order_id, joined))

    def records(self) -> tuple[tuple[VenueOrder, ...], tuple[FillRecord, ...]]:
        """All orders and fills whose account and contract are known."""
        orders: list[VenueOrder] = []
        fills: list[FillRecord] = []
        for order_id, joined in self._orders.items():
            order = joined.order
            if order is None or order.contract_id is None:
                continue
            account = self._directory.account_name(order.account_id)
            symbol = self._directory.symbols.get(order.contract_id)
            if account is None or symbol is None:
                continue
            tag = self._tag(order_id, joined)
            orders.append(_order_record(order_id, joined, account, symbol, tag, joined.status))
            fills.extend(_fill_record(fill, account, symbol, tag) for fill in joined.fills.values())
        return tuple(orders), tuple(fills)

    def load(
        self,
        orders: Iterable[Order],
        versions: Iterable[OrderVersion],
        commands: Iterable[Command],
        reports: Iterable[CommandReport | ExecutionReport],
        fills: Iterable[Fill],
    ) -> None:
        """Take in a whole snapshot."""
        for version in versions:
            self.version(version, 0)
        for fill in fills:
            self.fill(fill, 0)
        for command in commands:
            self.command(command, 0)
        for report in reports:
            self.report(report, 0)
        for order in orders:
            self.order(order, 0)


def _may_follow(now: LiveStatus | DoneStatus, new: LiveStatus | DoneStatus) -> bool:
    """Whether a status may replace another: a replayed or reordered event never wakes an order that is done, nor
    makes a working one pending."""
    if isinstance(now, DoneStatus):
        return False
    return not (new is LiveStatus.PENDING and now is not LiveStatus.PENDING)


def _order_record(
    order_id: int,
    joined: JoinedOrder,
    account: str,
    symbol: str,
    cl_ord_id: str,
    status: LiveStatus | DoneStatus,
) -> VenueOrder:
    order, version = joined.order, joined.version
    assert order is not None
    filled_qty = joined.filled_qty
    # Without its version (a snapshot that lacks it) the order is at least as large as what traded.
    qty = filled_qty if version is None else (version.order_qty or filled_qty)
    trail = abs(version.peg_difference) if version is not None and version.peg_difference else None
    order_type = OrderType.MARKET if version is None else order_type_of(version.order_type, trail)
    trail = trail if order_type is OrderType.TRAILING_STOP else None
    limit_price = version.price if version is not None else None
    stop_price = version.stop_price if version is not None else None
    time_in_force = time_in_force_of(version.time_in_force if version is not None else None)
    if isinstance(status, DoneStatus):
        return DoneOrder(
            account=account,
            order_id=str(order_id),
            symbol=symbol,
            side=side_of(order.action),
            order_type=order_type,
            qty=qty,
            filled_qty=filled_qty,
            avg_price=joined.avg_price,
            limit_price=limit_price,
            stop_price=stop_price,
            trail=trail,
            time_in_force=time_in_force,
            cl_ord_id=cl_ord_id,
            text=joined.text,
            venue_ns=joined.venue_ns,
            oco_id=_linked(order.oco_id),
            parent_id=_linked(order.parent_id),
            status=status,
        )
    return LiveOrder(
        account=account,
        order_id=str(order_id),
        symbol=symbol,
        side=side_of(order.action),
        order_type=order_type,
        qty=qty,
        filled_qty=filled_qty,
        avg_price=joined.avg_price,
        limit_price=limit_price,
        stop_price=stop_price,
        trail=trail,
        time_in_force=time_in_force,
        cl_ord_id=cl_ord_id,
        text=joined.text,
        venue_ns=joined.venue_ns,
        oco_id=_linked(order.oco_id),
        parent_id=_linked(order.parent_id),
        status=status,
    )


def _linked(order_id: int | None) -> str:
    return str(order_id) if order_id else ""


def _fill_record(fill: Fill, account: str, symbol: str, cl_ord_id: str) -> FillRecord:
    return FillRecord(
        venue=VENUE,
        fill_id=str(fill.id),
        account=account,
        order_id=str(fill.order_id),
        symbol=symbol,
        side=side_of(fill.action),
        qty=fill.qty,
        price=fill.price,
        venue_ns=time_ns(fill.timestamp),
        cl_ord_id=cl_ord_id,
    )
