"""The venue of the simulation: the sandbox's own matching engine, and the records in which its port speaks.

`Exchange` owns one `brokers.sandbox.venue.Venue`, a market that refills itself, and a `Login` (`login.py`) for each
connection. Everything an order does is told to its login the moment it happens; how and whether that arrives is the
login's affair.
"""

from collections import deque
from collections.abc import Callable, Iterable
from decimal import Decimal
from itertools import count
from typing import Any

from brokers.adapter import AccountUpdated, Filled, Found, OrderUpdated, PositionUpdated, Snapshot, Wanted
from brokers.finding import shown, unlisted
from brokers.sandbox.accounts import Account
from brokers.sandbox.instruments import Catalogue
from brokers.sandbox.order_flow import Leg
from brokers.sandbox.orders import (
    AccountChanged,
    Order,
    OrderChanged,
    OrderFilled,
    OrderStatus,
    Origin,
    PositionMoved,
    Terms,
    VenueEvent,
    VersionAdded,
)
from brokers.sandbox.orders import Fill as VenueFill
from brokers.sandbox.venue import Venue
from schema.records import (
    AccountState,
    ApprovedOrder,
    DoneOrder,
    DoneStatus,
    Fill,
    Instrument,
    LiveOrder,
    LiveStatus,
    OrderType,
    Position,
    Side,
    VenueAccount,
    VenueOrder,
)
from tests.sim.world import S, World

DEPTH = 10_000
_START_TICKS = 20_000
_LIVE = {
    OrderStatus.PENDING: LiveStatus.PENDING,
    OrderStatus.SUSPENDED: LiveStatus.SUSPENDED,
    OrderStatus.WORKING: LiveStatus.WORKING,
}
_DONE = {
    OrderStatus.FILLED: DoneStatus.FILLED,
    OrderStatus.CANCELED: DoneStatus.CANCELED,
    OrderStatus.REJECTED: DoneStatus.REJECTED,
    OrderStatus.EXPIRED: DoneStatus.EXPIRED,
}
_NAME = "tradovate"
LISTED_S = 70
"""How long the venue lists what is over, unless `listed_s` says otherwise; what is older is only in the positions."""
StreamEvent = type[OrderUpdated] | type[Filled] | type[PositionUpdated] | type[AccountUpdated]
Told = tuple[StreamEvent, dict[str, object]]


class Exchange:
    """One venue with all its accounts. `logins` maps an account name to whom its events go."""

    def __init__(self, world: World, balances: dict[str, Decimal]) -> None:
        numbers = count(1_000)
        self.world = world
        self.venue = Venue(Catalogue(), world, lambda: next(numbers))
        self.venue.events = self._heard
        self._hears: dict[type, Callable[[Any], None]] = {
            OrderFilled: self._filled,
            OrderChanged: self._changed,
            VersionAdded: self._versioned,
            PositionMoved: self._moved,
            AccountChanged: self._account_changed,
        }
        self.ids: dict[str, int] = {}
        self.names: dict[int, str] = {}
        self.fills: dict[str, list[Fill]] = {}
        self.listed: dict[str, deque[Fill]] = {}
        self.orders: dict[str, dict[str, VenueOrder]] = {}
        self.nets: dict[tuple[str, str], int] = {}
        self.told: list[tuple[str, Told]] = []
        self.depth = DEPTH
        self.listed_s: dict[str, int] = {}
        self.trails_shown: set[str] = set()  # accounts that are told where their trailing stops have come to
        self.traded: Callable[[str, float], None] = lambda symbol, price: None  # a contract of the leader's, and where
        self._behind: set[int] = set()  # orders behind an entry that were told already
        self._trailing: dict[int, tuple[Order, int]] = {}  # orders that trail, and how far they were told to have come
        self._ticks = _START_TICKS
        for number, (name, balance) in enumerate(balances.items()):
            account_id = 100 + number
            self.venue.accounts[account_id] = Account(account_id, name, 1, balance, max_order=None)
            self.ids[name], self.names[account_id] = account_id, name
            self.fills[name], self.listed[name], self.orders[name] = [], deque(), {}
        self.move_market(0)

    # --- the market ----------------------------------------------------------------------------------------------

    def move_market(self, ticks: int) -> None:
        """The market goes up or down and shows `depth` on both sides again."""
        self._ticks += ticks
        for contract in self.venue.catalogue.fronts:
            book = self.venue.books[contract.contract_id]
            book.clear_market()
            for sign in (1, -1):
                at = self._ticks - (1 if sign > 0 else 0)
                for step in range(1 if self.depth >= DEPTH else 3):
                    self.venue.market_level(contract.contract_id, sign, at - sign * step, self.depth)
            if ticks:
                self.venue.market_trade(contract.contract_id, self._ticks, 1, 1 if ticks > 0 else -1)
                self.traded(contract.symbol, float(contract.price(self._ticks)))
        if self._trailing:
            self._tell_trailed()

    def _tell_trailed(self) -> None:
        """Where trailing stops have come to, for whom the venue tells it."""
        for order_id, (order, told) in list(self._trailing.items()):
            if not order.status.live:
                del self._trailing[order_id]
            elif order.trailed != told:
                self._trailing[order_id] = order, order.trailed
                self._changed(OrderChanged(order=order))

    def refill(self) -> None:
        """The market shows its depth again; what waited for it trades."""
        self.move_market(0)

    @property
    def ticks(self) -> int:
        """Where the market is."""
        return self._ticks

    # --- orders --------------------------------------------------------------------------------------------------

    def place(self, account: str, symbol: str, side: Side, terms: Terms, tag: str = "") -> Order:
        """Raises brokers.sandbox.orders.Refused."""
        return self.venue.place(self.ids[account], symbol, side.sign, terms, Origin(cl_ord_id=tag or None))

    def place_all(self, order: ApprovedOrder) -> list[Order]:
        """A follower's order with those that it carries; the venue links them. Raises Refused: then of all of them."""
        legs = [
            Leg(
                sign=leg.side.sign,
                terms=Terms(
                    qty=order.qty,
                    order_type=OrderType.STOP if leg.trail is not None else leg.order_type,
                    limit=leg.limit_price,
                    stop=leg.stop_price,
                    trail=leg.trail,
                    time_in_force=leg.time_in_force,
                ),
                origin=Origin(cl_ord_id=leg.cl_ord_id or None),
            )
            for leg in order.legs
        ]
        account_id, symbol = self.ids[order.account], order.symbol
        if order.brackets:
            entry, brackets = self.venue.place_oso(account_id, symbol, legs[0], legs[1:])
            return [entry, *brackets]
        if order.oco is not None:
            return list(self.venue.place_oco(account_id, symbol, *legs))
        return [self.venue.place(account_id, symbol, legs[0].sign, legs[0].terms, legs[0].origin)]

    def trade(self, account: str, symbol: str, signed_qty: int) -> Order:
        """Somebody trades at market by hand."""
        terms = Terms(qty=abs(signed_qty), order_type=OrderType.MARKET)
        return self.place(account, symbol, Side.of(signed_qty), terms)

    def working(self, account: str) -> list[Order]:
        return list(self.venue.live_orders(self.ids[account]))

    # --- telling -------------------------------------------------------------------------------------------------

    def drain(self) -> list[tuple[str, Told]]:
        """What happened since the last time, for whoever tells the logins."""
        told, self.told = self.told, []
        return told

    def _heard(self, event: VenueEvent) -> None:
        if hears := self._hears.get(type(event)):
            hears(event)

    def _filled(self, event: OrderFilled) -> None:
        fill = self._fill(event.fill)
        self.fills[fill.account].append(fill)
        self.listed[fill.account].append(fill)
        self.told.append((fill.account, (Filled, {"fill": fill})))

    def _versioned(self, event: VersionAdded) -> None:
        if event.order.command_id:  # else: the first version of an order that is not in yet
            self._changed(event)

    def _changed(self, event: OrderChanged | VersionAdded) -> None:
        for child_id in event.order.child_ids:
            if child_id not in self._behind:  # what waits behind an entry is told before that
                self._behind.add(child_id)
                self._changed(OrderChanged(order=self.venue.orders[child_id]))
        order = self._order(event.order)
        if order.trail is not None and order.account in self.trails_shown:
            self._trailing.setdefault(event.order.order_id, (event.order, event.order.trailed))
        self.orders[order.account].pop(order.order_id, None)  # the newest stays last
        self.orders[order.account][order.order_id] = order
        self.told.append((order.account, (OrderUpdated, {"order": order})))

    def _moved(self, event: PositionMoved) -> None:
        position = self._position(event.account_id, event.contract.symbol)
        self.nets[position.account, position.symbol] = position.net_qty
        self.told.append((position.account, (PositionUpdated, {"position": position})))

    def _account_changed(self, event: AccountChanged) -> None:
        name = self.names[event.account_id]
        self.told.append((name, (AccountUpdated, {"state": self.state(name)})))

    def tag_of(self, order: Order) -> str:
        return self.venue.commands[order.command_id].origin.cl_ord_id or ""

    def _fill(self, fill: VenueFill) -> Fill:
        return Fill(
            venue=_NAME,
            fill_id=str(fill.fill_id),
            account=self.names[fill.account_id],
            order_id=str(fill.order_id),
            symbol=fill.contract.symbol,
            side=Side.of(fill.sign),
            qty=fill.qty,
            price=fill.contract.price(fill.ticks),
            venue_ns=fill.at_ns,
            cl_ord_id=self.tag_of(self.venue.orders[fill.order_id]),
        )

    def _order(self, order: Order) -> VenueOrder:
        terms, name = order.terms, self.names[order.account_id]
        trails = terms.trail is not None
        common = {
            "account": name,
            "order_id": str(order.order_id),
            "symbol": order.contract.symbol,
            "side": Side.of(order.sign),
            "order_type": OrderType.TRAILING_STOP if trails else terms.order_type,
            "qty": terms.qty,
            "filled_qty": order.filled_qty,
            "avg_price": order.average,
            "limit_price": terms.limit,
            "stop_price": order.trigger if trails and name in self.trails_shown else terms.stop,
            "trail": terms.trail,
            "oco_id": str(order.oco_id or ""),
            "parent_id": str(order.parent_id or ""),
            "cl_ord_id": self.tag_of(order) if order.command_id else "",
            "venue_ns": self.world.now_ns(),
        }
        if order.status in _LIVE:
            return LiveOrder(status=_LIVE[order.status], **common)
        return DoneOrder(status=_DONE[order.status], **common)

    def _position(self, account_id: int, symbol: str) -> Position:
        contract = self.venue.catalogue.by_symbol[symbol]
        held = self.venue.accounts[account_id].holdings[contract.contract_id]
        return Position(
            account=self.names[account_id], symbol=symbol, net_qty=held.net, avg_price=held.average or Decimal(0)
        )

    def state(self, account: str) -> AccountState:
        found = self.venue.accounts[self.ids[account]]
        return AccountState(account=account, balance=found.balance, liquidate_only=found.liquidate_only)

    # --- reading -------------------------------------------------------------------------------------------------

    def net(self, account: str, symbol: str) -> int:
        return self.nets.get((account, symbol), 0)

    def snapshot(self, accounts: Iterable[str], complete: Iterable[str] | None = None) -> Snapshot:
        """The whole truth about some accounts; of those that are not `complete` nothing is listed."""
        names = list(accounts)
        whole = names if complete is None else list(complete)
        self._forget(whole)
        return Snapshot(
            at_ns=self.world.now_ns(),
            accounts=tuple(VenueAccount(account=name, venue_id=str(self.ids[name])) for name in names),
            complete=frozenset(whole),
            positions=tuple(
                self._position(self.ids[name], contract.symbol)
                for name in whole
                for contract in self.venue.catalogue.fronts
                if contract.contract_id in self.venue.accounts[self.ids[name]].holdings
            ),
            orders=tuple(order for name in whole for order in self.orders[name].values()),
            fills=tuple(fill for name in whole for fill in self.listed[name]),
            states=tuple(self.state(name) for name in whole),
        )

    def find(self, wanted: Wanted) -> Found:
        """One order by its tag, with the fills of it that are still listed."""
        self._forget([wanted.account])
        for order in self.orders[wanted.account].values():
            if wanted.cl_ord_id == order.cl_ord_id:
                fills = [fill for fill in self.listed[wanted.account] if fill.order_id == order.order_id]
                return shown(wanted, order, fills)
        return unlisted(wanted, "order")

    def _forget(self, accounts: Iterable[str]) -> None:
        for name in accounts:
            since_ns = self.world.now_ns() - self.listed_s.get(name, LISTED_S) * S
            fills, orders = self.listed[name], self.orders[name]
            while fills and fills[0].venue_ns < since_ns:
                fills.popleft()
            for order in list(orders.values()):
                if order.venue_ns >= since_ns:
                    break
                if isinstance(order, DoneOrder):
                    del orders[order.order_id]

    def instrument(self, symbol: str) -> Instrument:
        contract = self.venue.catalogue.by_symbol[symbol]
        return Instrument(
            symbol=symbol,
            root=contract.product.root,
            tick_size=contract.product.tick_size,
            tick_value=contract.product.tick_value,
            venue_id=str(contract.contract_id),
        )
