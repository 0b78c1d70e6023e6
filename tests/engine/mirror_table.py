"""A practice table for mirrored orders: a venue that keeps orders at rest, driven by hand (`table.py` is its ground).

The leader's orders are placed, moved, filled and canceled by word; what the desk sends is taken in, answered and
filled by word too.
"""

from decimal import Decimal

from msgspec.structs import replace

from brokers import adapter as venue
from engine import events as ev
from schema.records import (
    ApprovedOrder,
    Decision,
    DoneOrder,
    DoneStatus,
    Fill,
    LiveOrder,
    LiveStatus,
    OrderType,
    RejectClass,
    Side,
    Signal,
    SignalKind,
    TimeInForce,
    VenueOrder,
)
from tests.engine.table import LEADER, MS, Table


class MirrorTable(Table):
    """Every order that rests is in `orders` by its tag (a follower's) or its id (the leader's)."""

    def links(self, *accounts: str) -> None:
        """These accounts' venues (all, when none is named) link orders that are placed together."""
        for account in accounts or [each for each in self.core.accounts if each != LEADER]:
            self.can(account, links=True)

    def can(self, account: str, **abilities: bool) -> None:
        """What an account's venue can do."""
        able = {"flips": True, **abilities}
        self.feed(ev.VenueAbilities(at_ns=self.now_ns, connection=f"at-{account}", **able))

    def price(self, price: str, symbol: str = "ESH4", *, after_s: float = 1.0) -> None:
        """The market of a leader's contract trades there."""
        self.now_ns += int(after_s * 1e9)
        self.feed(ev.PriceSeen(at_ns=self.now_ns, symbol=symbol, price=Decimal(price)))

    # --- the leader --------------------------------------------------------------------------------------------

    def bracket(
        self, order_id: str, signed_qty: int, *, limit: str, target: str | None = None, stop: str | None = None
    ) -> None:
        """The leader places an entry with exits behind it, ``<id>T`` and ``<id>S``: its venue shows these first."""
        legs = [(f"{order_id}T", "limit", target), (f"{order_id}S", "stop", stop)]
        both = target is not None and stop is not None
        for number, (leg_id, kind, at) in enumerate(legs):
            if at is not None:
                twin = legs[1 - number][0] if both else ""
                names = {"status": LiveStatus.SUSPENDED, "parent_id": order_id, "oco_id": twin}
                self.rest(leg_id, -signed_qty, **{kind: at}, **names)
        self.rest(order_id, signed_qty, limit=limit)

    def oco(self, order_id: str, signed_qty: int, *, target: str, stop: str) -> None:
        """The leader places a target and a stop of which its venue cancels one when the other fills."""
        self.rest(f"{order_id}T", signed_qty, limit=target, oco_id=f"{order_id}S")
        self.rest(f"{order_id}S", signed_qty, stop=stop, oco_id=f"{order_id}T")

    def rest(
        self,
        order_id: str,
        signed_qty: int,
        *,
        limit: str | None = None,
        stop: str | None = None,
        trail: str | None = None,
        time_in_force: TimeInForce = TimeInForce.DAY,
        status: LiveStatus = LiveStatus.WORKING,
        age_s: float = 0.0,
        oco_id: str = "",
        parent_id: str = "",
    ) -> None:
        """The leader places an order that waits for its price."""
        self.now_ns += 10 * MS
        both = limit is not None and stop is not None
        kind = OrderType.STOP_LIMIT if both else OrderType.LIMIT if limit is not None else OrderType.STOP
        order = LiveOrder(
            account=LEADER,
            order_id=order_id,
            symbol="ESH4",
            side=Side.of(signed_qty),
            order_type=OrderType.TRAILING_STOP if trail is not None else kind,
            qty=abs(signed_qty),
            limit_price=None if limit is None else Decimal(limit),
            stop_price=None if stop is None else Decimal(stop),
            trail=None if trail is None else Decimal(trail),
            time_in_force=time_in_force,
            venue_ns=self.now_ns - int(age_s * 1e9),
            status=status,
            oco_id=oco_id,
            parent_id=parent_id,
        )
        self.show(order)

    def move(self, order_id: str, *, tell: bool = True, **changes: object) -> None:
        """The leader changes an order: `limit_price`, `stop_price`, `qty`."""
        order = replace(self.orders[order_id], **changes)
        self.orders[order_id] = order
        if tell:
            self.show(order)

    def gone(self, order_id: str, status: DoneStatus = DoneStatus.CANCELED, *, tell: bool = True) -> None:
        """An order ends."""
        order = done(self.orders[order_id], status)
        self.put(order_id, order, tell=tell)
        self.take_brackets(order, tell=tell)

    def leader_fills(self, order_id: str, qty: int | None = None, *, tell: bool = True) -> Fill:
        """The leader's order trades, all that is left of it or `qty` lots."""
        return self.trades(order_id, qty, tell=tell)

    # --- any order at rest -------------------------------------------------------------------------------------

    def show(self, order: VenueOrder) -> None:
        self.orders[order.cl_ord_id or order.order_id] = order
        self.feed(
            venue.OrderUpdated(connection=f"at-{order.account}", received_ns=self.now_ns, order=order),
        )

    def trades(self, key: str, qty: int | None = None, *, tell: bool = True) -> Fill:
        """An order at rest trades: its fill is told first, then the order."""
        self.now_ns += 10 * MS
        order = self.orders[key]
        qty = order.qty - order.filled_qty if qty is None else qty
        filled = replace(order, filled_qty=order.filled_qty + qty)
        self.orders[key] = filled if filled.filled_qty < filled.qty else done(filled, DoneStatus.FILLED)
        self.fill_no += 1
        fill = Fill(
            venue="tradovate",
            fill_id=str(self.fill_no),
            account=order.account,
            order_id=order.order_id,
            symbol=order.symbol,
            side=order.side,
            qty=qty,
            price=order.limit_price or order.stop_price or Decimal(4800),
            venue_ns=self.now_ns,
            cl_ord_id=order.cl_ord_id,
        )
        self.fills.append(fill)
        place = order.account, order.symbol
        self.position[place] = self.position.get(place, 0) + qty * order.side.sign
        if tell:
            self.tell(fill)
            self.show(self.orders[key])
        self.linked_follow(key, qty, tell=tell)
        return fill

    def linked_follow(self, key: str, qty: int, *, tell: bool) -> None:
        """What the venue does by itself when an order has traded: its brackets awake, its twin gets smaller or ends."""
        order = self.orders[key]
        for name, other in list(self.orders.items()):
            if not isinstance(other, LiveOrder) or other.account != order.account:
                continue
            if other.parent_id == order.order_id and other.status is LiveStatus.SUSPENDED:
                self.put(name, replace(other, status=LiveStatus.WORKING, qty=order.filled_qty), tell=tell)
            elif other.parent_id == order.order_id:
                self.put(name, replace(other, qty=other.qty + qty), tell=tell)
            elif order.order_id and other.oco_id == order.order_id:
                over = isinstance(order, DoneOrder) or other.qty - other.filled_qty <= qty
                self.put(
                    name, done(other, DoneStatus.CANCELED) if over else replace(other, qty=other.qty - qty), tell=tell
                )

    def put(self, key: str, order: VenueOrder, *, tell: bool) -> None:
        self.orders[key] = order
        if tell:
            self.show(order)

    # --- a follower's venue --------------------------------------------------------------------------------------

    def work(self, *, tell: bool = True) -> list[ApprovedOrder]:
        """The venues take every order sent: those with a price rest, those at market trade."""
        orders = self.take()
        for order in orders:
            if order.order_type is OrderType.MARKET:
                self.execute(order)
            else:
                self.settle(order, tell=tell)
        return orders

    def settle(self, order: ApprovedOrder, *, tell: bool = True) -> None:
        """One order rests at its venue, with those placed with it."""
        ids = [f"o-{leg.cl_ord_id}" for leg in order.brackets]
        twins = [*reversed(ids)] if len(ids) == 2 else [""] * len(ids)
        for leg, twin in zip(order.brackets, twins, strict=True):
            names = {"status": LiveStatus.SUSPENDED, "parent_id": f"o-{order.cl_ord_id}", "oco_id": twin}
            self.rest_one(replace(leg, qty=order.qty), tell=tell, **names)
        self.rest_one(order, tell=tell, oco_id=f"o-{order.oco.cl_ord_id}" if order.oco else "")
        if order.oco:
            self.rest_one(replace(order.oco, qty=order.qty), tell=tell, oco_id=f"o-{order.cl_ord_id}")

    def rest_one(self, order: ApprovedOrder, *, tell: bool, **names: object) -> None:
        resting = LiveOrder(
            account=order.account,
            order_id=f"o-{order.cl_ord_id}",
            symbol=order.symbol,
            side=order.side,
            order_type=order.order_type,
            qty=order.qty,
            limit_price=order.limit_price,
            stop_price=order.stop_price,
            trail=order.trail,
            time_in_force=order.time_in_force,
            cl_ord_id=order.cl_ord_id,
            venue_ns=self.now_ns,
            **{"status": LiveStatus.WORKING, **names},  # type: ignore[arg-type]
        )
        self.orders[order.cl_ord_id] = resting
        if tell:
            self.accept(order)
            self.show(resting)

    def answer(self, change: ev.ChangeOrder | None = None, *, show: bool = True) -> list[ev.ChangeOrder]:
        """The venues carry out the changes asked for until now (or one), and say so."""
        changes = [change] if change else list(self.changes)
        self.changes = [c for c in self.changes if c not in changes]
        for each in changes:
            order = self.orders[each.cl_ord_id]
            if isinstance(order, DoneOrder):
                self.said(each, ev.Outcome.REFUSED, text="TooLate: order is done")
                continue
            terms = each.terms
            if terms is not None and terms.qty <= order.filled_qty:
                self.said(each, ev.Outcome.REFUSED, text=f"TooLate: {order.filled_qty} are filled already")
                continue
            if terms is None:
                order = done(order, DoneStatus.CANCELED)
            else:
                prices = {"limit_price": terms.limit_price, "stop_price": terms.stop_price, "trail": terms.trail}
                order = replace(order, qty=terms.qty, **prices)
            self.orders[each.cl_ord_id] = order
            self.said(each, ev.Outcome.TAKEN)
            if show:
                self.show(order)
            if terms is None:
                self.take_brackets(order, tell=show)
        return changes

    def take_brackets(self, entry: VenueOrder, *, tell: bool) -> None:
        """The venue cancels what waits behind an entry that has ended."""
        for name, child in list(self.orders.items()):
            behind = child.parent_id == entry.order_id and child.account == entry.account
            if behind and isinstance(child, LiveOrder) and child.status is LiveStatus.SUSPENDED:
                self.put(name, done(child, DoneStatus.CANCELED), tell=tell)

    def said(
        self,
        change: ev.ChangeOrder,
        outcome: ev.Outcome,
        reject_class: RejectClass = RejectClass.OTHER,
        text: str = "",
    ) -> None:
        self.feed(
            ev.ChangeAnswered(
                at_ns=self.now_ns,
                account=change.account,
                cl_ord_id=change.cl_ord_id,
                terms=change.terms,
                outcome=outcome,
                reject_class=reject_class,
                text=text,
            )
        )

    def working(self, account: str) -> list[tuple[str, int, Decimal | None]]:
        """What rests at an account's venue: (type, signed lots left, price), by type."""
        return sorted(
            (order.order_type.value, (order.qty - order.filled_qty) * order.side.sign, price(order))
            for order in self.orders.values()
            if order.account == account and isinstance(order, LiveOrder)
        )

    def tags(self, account: str) -> list[str]:
        return [key for key, order in self.orders.items() if order.account == account and isinstance(order, LiveOrder)]


def reborn(old: MirrorTable) -> MirrorTable:
    """The desk is killed and started again: a new core, the same venue, and what the journal holds."""
    new = MirrorTable({}, connect=False)
    new.now_ns, new.config, new.fill_no = old.now_ns, old.config, old.fill_no
    new.position, new.fills, new.orders, new.copies = old.position, old.fills, old.orders, dict(old.copies)
    new.journal, new.stored = old.journal, dict(old.stored)
    stored = [(new.stored[copy.signal_id], copy) for copy in new.copies.values()]
    newest: dict[tuple[str, str, str], Signal] = {}
    for signal in new.stored.values():
        if signal.kind in (SignalKind.LEADER_ORDER, SignalKind.LEADER_CHANGE, SignalKind.LEADER_CANCEL):
            newest[signal.leader, signal.source, signal.group] = signal
    nets = {(signal.leader, signal.symbol): signal.leader_net for signal in new.stored.values()}
    new.feed(ev.ConfigLoaded(at_ns=new.now_ns, config=new.config))
    new.feed(
        ev.Recovered(
            at_ns=new.now_ns,
            open_copies=tuple(p for p in stored if p[1].decision in (Decision.PENDING, Decision.UNKNOWN)),
            latest_copies=tuple({(c.follower, c.leader_symbol): c for _, c in stored}.values()),
            leader_nets=tuple((leader, symbol, net) for (leader, symbol), net in nets.items()),
            seen_fills=frozenset(old.core.seen_fills),
            baselines=tuple(old.core.baselines.items()),
            lots=tuple(old.core.lots.values()),
            working_copies=tuple(pair for pair in stored if pair[1].working),
            leader_orders=tuple(s for s in newest.values() if s.kind is not SignalKind.LEADER_CANCEL),
        )
    )
    return new


def price(order: VenueOrder) -> Decimal | None:
    return order.stop_price if order.stop_price is not None else order.limit_price


def done(order: VenueOrder, status: DoneStatus) -> DoneOrder:
    names = [name for name in LiveOrder.__struct_fields__ if name != "status"]
    return DoneOrder(**{name: getattr(order, name) for name in names}, status=status)
