"""What one login knows of its orders, fills and positions, from execution reports. Pure; `adapter.py` owns one.

Orders are chains: each replace or cancel has a new ClOrdID (11) whose 41 names the last accepted one
(`protocols/fix.md C3`). The desk knows a chain by its first id and by the first OrderID (37) the venue gave it.
A fill is booked once, because an order's filled quantity (14) only grows: what is repeated, under whatever numbers,
says nothing new. When 14 says more than the fills that came, the missing quantity is booked as one fill at the price
that makes the venue's own average (6) right.
"""

from collections.abc import Iterable
from decimal import Context, Decimal

import msgspec

from brokers.budget import Lane, lane_of
from brokers.fix.reports import Kind, Report
from brokers.fix.words import TIMES_IN_FORCE, stamp
from schema.fix import SavedRow
from schema.records import (
    ApprovedOrder,
    DoneOrder,
    DoneStatus,
    Fill,
    LiveOrder,
    LiveStatus,
    OrderType,
    Position,
    Record,
    Side,
    TimeInForce,
    VenueOrder,
)

VENUE = "fix"
KEPT_NS = 2 * 86_400_000_000_000
"""How long ended orders and fills are kept: longer than any session lasts without a weekend."""
ASKED_AT_MOST = 5
"""How often an order that the venue never showed is asked for."""
_PLACES = Decimal("1e-9")
_WIDE = Context(prec=60)
"""Wide enough for any sum of quantities times prices that passed the reader."""


def _rounded(price: Decimal) -> Decimal:
    return price.quantize(_PLACES, context=_WIDE).normalize(_WIDE)


class NewOrder(Record, frozen=True):
    """An order as it leaves: one that was approved, or the market order that closes what an account holds."""

    account: str
    venue_account_id: str
    symbol: str
    side: Side
    qty: int
    order_type: OrderType
    cl_ord_id: str
    lane: Lane
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.DAY

    @classmethod
    def of(cls, order: ApprovedOrder) -> "NewOrder":
        return cls(
            account=order.account,
            venue_account_id=order.venue_account_id or order.account,
            symbol=order.symbol,
            side=order.side,
            qty=order.qty,
            order_type=order.order_type,
            cl_ord_id=order.cl_ord_id,
            lane=lane_of(order),
            limit_price=order.limit_price,
            stop_price=order.stop_price,
            time_in_force=order.time_in_force,
        )


class Entry(msgspec.Struct):
    """One order, with all its versions. `known` is false until the venue showed it; `last` is the ClOrdID it accepted
    last, `ids` all it had."""

    root: str
    account: str
    symbol: str
    side: Side
    order_type: OrderType
    qty: int
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    tif: str = "0"
    order_id: str = ""
    last: str = ""
    ids: list[str] = []
    replaced: list[str] = []  # those of versions that are no more
    filled_qty: int = 0
    value: Decimal = Decimal(0)
    done: str = ""
    live: str = LiveStatus.PENDING
    known: bool = False
    text: str = ""
    venue_ns: int = 0
    day: str = ""  # when it was first seen, for ids that are unique for a day only
    corrections: int = 0
    taken_back: list[str] = []  # ExecIDs of those
    reports: int = 0
    missing: int = 0
    learned_ns: int = 0

    def record(self) -> VenueOrder:
        """The order as the port shows it."""
        average = self.value / self.filled_qty if self.filled_qty else None
        if self.done:
            return DoneOrder(
                account=self.account,
                order_id=self.order_id,
                symbol=self.symbol,
                side=self.side,
                order_type=self.order_type,
                qty=self.qty,
                filled_qty=self.filled_qty,
                avg_price=average,
                limit_price=self.limit_price,
                stop_price=self.stop_price,
                cl_ord_id=self.root,
                text=self.text,
                venue_ns=self.venue_ns,
                status=DoneStatus(self.done),
            )
        return LiveOrder(
            account=self.account,
            order_id=self.order_id,
            symbol=self.symbol,
            side=self.side,
            order_type=self.order_type,
            qty=self.qty,
            filled_qty=self.filled_qty,
            avg_price=average,
            limit_price=self.limit_price,
            stop_price=self.stop_price,
            cl_ord_id=self.root,
            text=self.text,
            venue_ns=self.venue_ns,
            status=LiveStatus(self.live),
        )


class Holding(msgspec.Struct):
    """A position from fills; `cost` is quantity times price of what is open."""

    account: str
    symbol: str
    net: int = 0
    cost: Decimal = Decimal(0)

    def trade(self, signed_qty: int, price: Decimal) -> None:
        if self.net * signed_qty >= 0:
            self.cost += abs(signed_qty) * price
        elif abs(signed_qty) <= abs(self.net):
            self.cost -= self.cost * abs(signed_qty) / abs(self.net)
        else:
            self.cost = (abs(signed_qty) - abs(self.net)) * price
        self.net += signed_qty

    def record(self) -> Position:
        average = _rounded(self.cost / abs(self.net)) if self.net else Decimal(0)
        return Position(account=self.account, symbol=self.symbol, net_qty=self.net, avg_price=average)


class Booked(msgspec.Struct):
    """What a report changed: the order as it stands, fills that are new, the position after them; `duplicate` when the
    venue says that the id was used before and the report is about no order of its own."""

    entry: Entry
    fills: list[Fill]
    position: Position | None = None
    duplicate: bool = False
    corrected: bool = False


class Book:
    """See the module's docstring. `accounts` are the login's; a report without an account belongs to its order's, or
    to the only one there is."""

    def __init__(self) -> None:
        self.accounts: dict[str, str] = {}  # the venue's name -> ours
        self.holdings: dict[tuple[str, str], Holding] = {}
        self.fills: dict[str, Fill] = {}
        self.now_ns = 0  # when what is being booked was learned
        self._learned: dict[str, int] = {}
        self._entries: dict[str, Entry] = {}  # by root
        self._by_id: dict[str, Entry] = {}  # by every ClOrdID it had
        self._by_order: dict[str, Entry] = {}
        self._changed: set[tuple[str, str]] = set()
        self._gone: set[tuple[str, str]] = set()

    # --- our own orders --------------------------------------------------------------------------------------------

    def open(self, order: NewOrder, wire_id: str) -> Entry:
        """An order that is about to leave."""
        entry = Entry(
            root=order.cl_ord_id,
            account=order.account,
            symbol=order.symbol,
            side=order.side,
            order_type=order.order_type,
            qty=order.qty,
            limit_price=order.limit_price,
            stop_price=order.stop_price,
            tif=TIMES_IN_FORCE[order.time_in_force],
            last=wire_id,
            ids=[wire_id],
        )
        self._add(entry)
        return entry

    def never_left(self, entry: Entry) -> None:
        """It did not leave after all."""
        self._drop(entry)

    def name(self, entry: Entry, wire_id: str) -> None:
        """A cancel or a replace of the order is about to leave under this id."""
        entry.ids.append(wire_id)
        self._by_id[wire_id] = entry
        self._touch(entry)

    def __contains__(self, cl_ord_id: str) -> bool:
        return cl_ord_id in self._entries

    def entry(self, account: str, order_id: str) -> Entry | None:
        """An order by the id the port gave it."""
        found = self._by_order.get(order_id)
        return found if found is not None and found.account == account else None

    def by_id(self, wire_id: str) -> Entry | None:
        return self._by_id.get(wire_id)

    def by_root(self, cl_ord_id: str) -> Entry | None:
        """An order by the id that the desk knows it by."""
        return self._entries.get(cl_ord_id)

    def fills_of(self, entry: Entry) -> list[Fill]:
        return [fill for fill in self.fills.values() if fill.cl_ord_id == entry.root]

    def live(self, account: str = "", symbol: str = "") -> list[Entry]:
        """Orders that may still trade, those that the venue has not shown yet among them."""
        return [
            entry
            for entry in self._entries.values()
            if not entry.done and account in ("", entry.account) and symbol in ("", entry.symbol)
        ]

    def reject(self, entry: Entry, text: str) -> None:
        """Proven never to have been taken."""
        entry.done, entry.text, entry.known = DoneStatus.REJECTED, text, bool(entry.order_id)
        self._touch(entry)

    def end(self, entry: Entry, status: DoneStatus, text: str) -> None:
        """It can trade no more."""
        entry.done, entry.text = status, text
        self._touch(entry)

    def absent(self, entry: Entry) -> None:
        """The venue was asked and does not have it. It stays findable: a report that comes late still counts."""
        entry.missing += 1
        if entry.missing >= ASKED_AT_MOST:
            self.end(entry, DoneStatus.EXPIRED, "the venue never had it")

    # --- reports ---------------------------------------------------------------------------------------------------

    def book(self, report: Report) -> Booked | str:
        """Take a report in; a sentence when it can't be booked."""
        entry = self._find(report)
        if entry is not None and report.kind is Kind.REJECTED and report.reject_reason == "6" and _other(entry, report):
            return Booked(entry=entry, fills=[], duplicate=True)
        if entry is None:
            made = self._foreign(report)
            if isinstance(made, str):
                return made
            entry = made
        booked = Booked(entry=entry, fills=[])
        if not entry.known and entry.done:
            entry.done = ""  # taken for lost or refused, and there after all
        entry.known = True
        entry.reports += 1
        entry.learned_ns = max(entry.learned_ns, self.now_ns)
        entry.day = entry.day or stamp(report.venue_ns)[:8]
        if not entry.order_id and report.order_id not in ("", "NONE", "0"):
            entry.order_id = report.order_id
        if report.order_id not in ("", "NONE", "0"):
            self._by_order.setdefault(report.order_id, entry)
        if report.kind is not Kind.TAKEN_BACK:
            booked.fills = self._fills(entry, report)
        elif report.exec_id in entry.taken_back:
            return booked  # it says what was true then
        else:
            booked.fills = self._take_back(entry, report)
            booked.corrected = True
        if report.kind is not Kind.PENDING or entry.reports == 1:
            self._terms(entry, report)
        self._status(entry, report)
        entry.venue_ns = max(entry.venue_ns, report.venue_ns)
        if report.text:
            entry.text = report.text
        self._touch(entry)
        if booked.fills or booked.corrected:
            booked.position = self.holding(entry.account, entry.symbol).record()
        return booked

    def _find(self, report: Report) -> Entry | None:
        for wire_id in (report.cl_ord_id, report.orig_cl_ord_id):
            if wire_id and wire_id in self._by_id:
                return self._by_id[wire_id]
        return self._by_order.get(report.order_id)

    def _foreign(self, report: Report) -> Entry | str:
        """An order that somebody else sent, or a process of which nothing is left."""
        account = self._account(report.account)
        if not account:
            return f"its account {report.account or '(none)'} is not of this login"
        if not report.symbol:
            return "it names no contract and no order the desk knows"
        root = report.orig_cl_ord_id or report.cl_ord_id or report.order_id
        entry = Entry(
            root=root,
            account=account,
            symbol=report.symbol,
            side=report.side,
            order_type=report.order_type or OrderType.MARKET,
            qty=report.qty or report.cum_qty,
            last=report.cl_ord_id,
            ids=[each for each in dict.fromkeys((root, report.cl_ord_id)) if each],
        )
        self._add(entry)
        return entry

    def _account(self, wire: str) -> str:
        if wire:
            return self.accounts.get(wire, "")
        return next(iter(self.accounts.values())) if len(self.accounts) == 1 else ""

    def _fills(self, entry: Entry, report: Report) -> list[Fill]:
        """The fills of a report that are new, missed ones first."""
        news = report.cum_qty - entry.filled_qty
        if news <= 0:
            return []
        own = min(report.last_qty, news) if report.kind is Kind.TRADE else 0
        own_px = report.last_px or report.avg_px or Decimal(0)
        found: list[Fill] = []
        if news > own:
            missed = news - own
            whole = (report.avg_px or Decimal(0)) * report.cum_qty - entry.value - own * own_px
            price = _rounded(whole / missed)
            if price <= 0:  # the venue said no average: the nearest price it did say
                price = report.last_px or report.limit_price or entry.limit_price or Decimal(0)
            found.append(self._fill(entry, report, missed, price))
        if own:
            found.append(self._fill(entry, report, own, own_px))
        return found

    def _fill(self, entry: Entry, report: Report, qty: int, price: Decimal) -> Fill:
        """Book a fill. Its id is the order's and the quantity filled with it, not the ExecID: a fill that is learned
        from a status, after its own report was lost, has the same name as the one that was lost."""
        cum_qty = entry.filled_qty + qty
        again = f".{entry.corrections}" if entry.corrections else ""
        fill = Fill(
            venue=VENUE,
            fill_id=f"{entry.day}-{entry.order_id or report.order_id}@{cum_qty}{again}",
            account=entry.account,
            order_id=entry.order_id,
            symbol=entry.symbol,
            side=entry.side,
            qty=qty,
            price=price,
            venue_ns=report.venue_ns,
            cl_ord_id=entry.root,
        )
        self.fills[fill.fill_id] = fill
        self._learned[fill.fill_id] = self.now_ns
        self._changed.add(("fill", fill.fill_id))
        entry.filled_qty += qty
        entry.value += qty * price
        self.holding(entry.account, entry.symbol).trade(fill.net_qty, price)
        self._changed.add(("position", f"{entry.account}\t{entry.symbol}"))
        return fill

    def _take_back(self, entry: Entry, report: Report) -> list[Fill]:
        """A fill was canceled or corrected: the order's filled quantity and average are what the venue says now. A
        correction to more contracts is a fill of them."""
        entry.corrections += 1
        entry.taken_back.append(report.exec_id)
        self._changed.add(("position", f"{entry.account}\t{entry.symbol}"))
        lost = entry.filled_qty - report.cum_qty
        if lost < 0:
            return self._fills(entry, report)
        before = entry.value / entry.filled_qty if entry.filled_qty else Decimal(0)
        average = report.avg_px if report.avg_px is not None else before
        value = average * report.cum_qty
        held = self.holding(entry.account, entry.symbol)
        if lost > 0:
            held.trade(-lost * entry.side.sign, (entry.value - value) / lost)
        elif held.net * entry.side.sign > 0:
            held.cost += value - entry.value
        entry.filled_qty, entry.value = report.cum_qty, value
        return []

    def _terms(self, entry: Entry, report: Report) -> None:
        """What the order asks for now. Only an accepted replace makes its new ClOrdID the order's (C3); one whose
        report was lost is told by the id under which a status shows the order. What is said of a version that was
        replaced since, late or again, changes nothing."""
        named = report.cl_ord_id
        learned = report.kind is Kind.STATUS and isinstance(report.status, LiveStatus) and named in entry.ids
        if named and (report.kind is Kind.REPLACED or (learned and _newer(entry, named))):
            if named in entry.replaced:
                return
            if entry.last and entry.last != named:
                entry.replaced.append(entry.last)
            entry.last = named
            if named not in entry.ids:
                entry.ids.append(named)
            self._by_id[named] = entry
        if report.kind is Kind.TAKEN_BACK or report.status is DoneStatus.REJECTED or named in entry.replaced:
            return
        if report.qty:
            entry.qty = report.qty
        if report.order_type is not None:
            entry.order_type = report.order_type
        if report.limit_price is not None:
            entry.limit_price = report.limit_price or None
        if report.stop_price is not None:
            entry.stop_price = report.stop_price or None

    def _status(self, entry: Entry, report: Report) -> None:
        """A repeated or late report never wakes an order that has ended; a correction of its fills may."""
        if report.kind is Kind.TAKEN_BACK:
            entry.done = ""
        if entry.done:
            return
        if isinstance(report.status, DoneStatus):
            entry.done = report.status
        elif not (report.status is LiveStatus.PENDING and entry.live != LiveStatus.PENDING):
            entry.live = report.status

    # --- positions -------------------------------------------------------------------------------------------------

    def holding(self, account: str, symbol: str) -> Holding:
        held = self.holdings.get((account, symbol))
        if held is None:
            held = self.holdings[account, symbol] = Holding(account=account, symbol=symbol)
        return held

    def adopt(self, account: str, positions: Iterable[tuple[str, int, Decimal]]) -> None:
        """The venue's own word on what an account holds: (symbol, net, average price); what it does not name is
        flat."""
        told = {symbol: (net, price) for symbol, net, price in positions}
        for symbol in told.keys() | {symbol for owner, symbol in self.holdings if owner == account}:
            net, price = told.get(symbol, (0, Decimal(0)))
            held = self.holding(account, symbol)
            if held.net != net:
                held.net, held.cost = net, abs(net) * price
                self._changed.add(("position", f"{account}\t{symbol}"))

    def positions(self) -> tuple[Position, ...]:
        return tuple(held.record() for held in self.holdings.values() if held.net)

    def orders(self, since_ns: int = 0) -> tuple[VenueOrder, ...]:
        """Every order the venue has shown that is open, or about which something was learned since `since_ns`."""
        return tuple(
            entry.record()
            for entry in self._entries.values()
            if entry.known and entry.order_id and (not entry.done or entry.learned_ns >= since_ns)
        )

    def fills_since(self, since_ns: int) -> tuple[Fill, ...]:
        """Fills that were learned since `since_ns`, whenever they happened."""
        return tuple(fill for key, fill in self.fills.items() if self._learned.get(key, 0) >= since_ns)

    # --- outliving the process -------------------------------------------------------------------------------------

    def load(self, rows: Iterable[SavedRow]) -> None:
        """Take up what another process kept."""
        for row in rows:
            match row.kind:
                case "order":
                    self._add(msgspec.json.decode(row.body, type=Entry))
                case "fill":
                    self.fills[row.key] = msgspec.json.decode(row.body, type=Fill)
                case "position":
                    held = msgspec.json.decode(row.body, type=Holding)
                    self.holdings[held.account, held.symbol] = held
                case _:
                    pass
        self._changed.clear()

    def forget_old(self, now_ns: int) -> None:
        """Let go of what ended long ago, by our own clock where it is known: a venue's may be days off."""
        before_ns = now_ns - KEPT_NS
        for entry in [e for e in self._entries.values() if e.done and max(e.venue_ns, e.learned_ns) < before_ns]:
            self._drop(entry)
        for key, fill in list(self.fills.items()):
            if max(fill.venue_ns, self._learned.get(key, 0)) >= before_ns or fill.cl_ord_id in self._entries:
                continue
            del self.fills[key]
            self._learned.pop(key, None)
            self._gone.add(("fill", key))

    def take_changes(self) -> tuple[list[SavedRow], list[tuple[str, str]]]:
        """Rows that changed and rows that are gone since the last time."""
        rows: list[SavedRow] = []
        for kind, key in sorted(self._changed - self._gone):
            found: msgspec.Struct | None
            if kind == "order":
                found = self._entries.get(key)
            elif kind == "fill":
                found = self.fills.get(key)
            else:
                account, _, symbol = key.partition("\t")
                found = self.holdings.get((account, symbol))
            if found is not None:
                rows.append(SavedRow(kind=kind, key=key, body=msgspec.json.encode(found)))
        gone = sorted(self._gone)
        self._changed.clear()
        self._gone.clear()
        return rows, gone

    def changed_again(self, rows: Iterable[SavedRow], gone: Iterable[tuple[str, str]]) -> None:
        """These could not be kept after all."""
        self._changed.update((row.kind, row.key) for row in rows)
        self._gone.update(gone)

    def _add(self, entry: Entry) -> None:
        self._entries[entry.root] = entry
        for wire_id in entry.ids:
            self._by_id[wire_id] = entry
        if entry.order_id:
            self._by_order[entry.order_id] = entry
        self._touch(entry)

    def _touch(self, entry: Entry) -> None:
        self._changed.add(("order", entry.root))
        self._gone.discard(("order", entry.root))

    def _drop(self, entry: Entry) -> None:
        self._entries.pop(entry.root, None)
        for wire_id in entry.ids:
            self._by_id.pop(wire_id, None)
        self._by_order = {key: each for key, each in self._by_order.items() if each is not entry}
        self._changed.discard(("order", entry.root))
        self._gone.add(("order", entry.root))


def _newer(entry: Entry, wire_id: str) -> bool:
    """Whether an id left after the one that was accepted last."""
    return entry.last not in entry.ids or entry.ids.index(wire_id) > entry.ids.index(entry.last)


def _other(entry: Entry, report: Report) -> bool:
    """Whether a reject as a duplicate is about another order than the one that has the id: the venue gave that one an
    OrderID of its own, or has not shown ours yet."""
    return not entry.order_id or report.order_id != entry.order_id
