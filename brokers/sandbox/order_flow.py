"""The way of an order through the practice venue: made, admitted by risk, entered in the book, filled, ended.

Pure and synchronous. `venue.py` builds the front ends' wishes on it; a market (`market_tape.py`,
`market_synthetic.py`) drives `market_level` and `market_trade`. What happened is told to `events`, trades to `prints`.
Clock and ids are passed in, so a simulation can own them.
"""

from collections.abc import Callable, Iterator

import msgspec

from brokers.sandbox.accounts import Account, Holding
from brokers.sandbox.book import Book, Match
from brokers.sandbox.instruments import Catalogue, ListedContract
from brokers.sandbox.orders import (
    Command,
    CommandReported,
    CommandTaken,
    ExecutionReported,
    Fill,
    FillsPaired,
    MoneyMoved,
    Order,
    OrderAdded,
    OrderChanged,
    OrderFilled,
    OrderStatus,
    Origin,
    PositionMoved,
    Reason,
    Refused,
    Terms,
    VenueEvent,
    VersionAdded,
)
from schema.clock import Clock
from schema.records import OrderType, Record, TimeInForce

STOPS = (OrderType.STOP, OrderType.STOP_LIMIT)
LIMITS = (OrderType.LIMIT, OrderType.STOP_LIMIT)


class Leg(Record, frozen=True):
    """One order of a linked pair or of a bracket: its side (+1, -1), terms and the front end's marks. A bracket's
    `offset` puts its price so many ticks from the entry's average fill, once the entry has been filled."""

    sign: int
    terms: Terms
    origin: Origin = Origin()
    offset: int | None = None


class Print(Record, frozen=True):
    """A trade for the tape: `aggressor` is +1, -1 or 0 (an auction)."""

    contract: ListedContract
    ticks: int
    qty: int
    aggressor: int


class OrderFlow:
    """See the module's docstring."""

    def __init__(self, catalogue: Catalogue, clock: Clock, next_id: Callable[[], int]) -> None:
        self.catalogue = catalogue
        self.accounts: dict[int, Account] = {}
        self.orders: dict[int, Order] = {}
        self.commands: dict[int, Command] = {}
        self.fills: list[Fill] = []
        self.books = {contract.contract_id: Book() for contract in catalogue.fronts}
        self.last: dict[int, int] = {}
        self.session_open = True
        self.events: Callable[[VenueEvent], None] = lambda _: None
        self.prints: Callable[[Print], None] = lambda _: None
        self._clock = clock
        self._next_id = next_id
        self._live: dict[int, dict[int, Order]] = {}
        self._stops: dict[int, list[Order]] = {key: [] for key in self.books}

    # --- reading ---------------------------------------------------------------------------------------------------

    def mark(self, contract_id: int) -> int:
        """The price positions are valued at, ticks: the last trade, before the first one the best bid, else 0."""
        if contract_id in self.last:
            return self.last[contract_id]
        return self.books[contract_id].best_market(1) or 0

    def marks(self) -> dict[int, int]:
        return {key: self.mark(key) for key in self.books}

    def live_orders(self, account_id: int) -> Iterator[Order]:
        mine = self._live.get(account_id, {})
        for order in list(mine.values()):
            if order.status.live:
                yield order
            else:
                del mine[order.order_id]

    # --- the market ------------------------------------------------------------------------------------------------

    def market_reset(self) -> None:
        """A new session's book is about to be loaded; orders stay."""
        for book in self.books.values():
            book.clear_market()

    def market_level(self, contract_id: int, sign: int, ticks: int, size: int) -> None:
        """The market's total size at a price of a side is now `size`."""
        matches = self.books[contract_id].set_level(sign, ticks, size)
        if matches:
            self._absorb(self.catalogue.by_id[contract_id], matches)

    def market_trade(self, contract_id: int, ticks: int, size: int, aggressor: int) -> None:
        """The market traded among itself."""
        contract = self.catalogue.by_id[contract_id]
        self.last[contract_id] = ticks
        self.prints(Print(contract=contract, ticks=ticks, qty=size, aggressor=aggressor))
        self._absorb(contract, self.books[contract_id].trade(ticks, size, aggressor))
        self._check_stops(contract, ticks)

    def close_session(self) -> None:
        """No new orders from now on; day orders expire."""
        self.session_open = False
        for order in [order for account_id in self.accounts for order in self.live_orders(account_id)]:
            if order.status.live and order.terms.time_in_force is TimeInForce.DAY:
                self._end(order, OrderStatus.EXPIRED, "Expired", order.command_id)

    # --- the way of an order -----------------------------------------------------------------------------------------

    def _account(self, account_id: int) -> Account:
        account = self.accounts.get(account_id)
        if account is None:
            raise Refused(Reason.UNAUTHORIZED, f"There is no account {account_id}")
        return account

    def new_id(self) -> int:
        """An id that nothing else at this venue has."""
        return self._next_id()

    def listed(self, symbol: str) -> ListedContract:
        """The front contract of this name. Raises Refused."""
        return self._contract(symbol)

    def _contract(self, symbol: str, *terms: Terms) -> ListedContract:
        contract = self.catalogue.by_symbol.get(symbol)
        if contract is None:
            raise Refused(Reason.INVALID_CONTRACT, f"There is no contract {symbol}")
        if not contract.front:
            raise Refused(Reason.BACK_MONTH, f"{symbol} is not the front month")
        for each in terms:
            self._check_terms(contract, each)
        return contract

    def _check_terms(self, contract: ListedContract, terms: Terms) -> None:
        for name, price, wanted in (
            ("price", terms.limit, terms.order_type in LIMITS),
            ("stopPrice", terms.stop, terms.order_type in STOPS),
        ):
            if wanted and price is None:
                raise Refused(Reason.INVALID_PRICE, f"{name} is missing")
            if wanted and price is not None and (price <= 0 or contract.ticks(price) is None):
                raise Refused(Reason.INVALID_PRICE, f"{name} {price} is not a multiple of {contract.product.tick_size}")
        if terms.trail is not None and (terms.trail <= 0 or contract.ticks(terms.trail) is None):
            raise Refused(Reason.INVALID_PRICE, f"{terms.trail} is not a distance to trail at")

    def _check_stop_side(self, contract: ListedContract, sign: int, terms: Terms) -> None:
        last = self.last.get(contract.contract_id)
        if terms.order_type in STOPS and terms.stop is not None and last is not None and not terms.touched:
            ticks = contract.ticks(terms.stop)
            if ticks is not None and (ticks - last) * sign <= 0:
                side = "above" if sign > 0 else "below"
                raise Refused(
                    Reason.INVALID_PRICE, f"stopPrice {terms.stop} is not {side} the last price {contract.price(last)}"
                )

    def _make(
        self,
        account: Account,
        contract: ListedContract,
        leg: Leg,
        *,
        order_id: int = 0,
        oco_id: int | None = None,
        parent_id: int | None = None,
        suspended: bool = False,
    ) -> Order:
        order = Order(
            order_id=order_id or self._next_id(),
            account_id=account.account_id,
            contract=contract,
            sign=leg.sign,
            terms=leg.terms,
            placed_ns=self._clock.now_ns(),
            oco_id=oco_id,
            parent_id=parent_id,
            offset=leg.offset,
            status=OrderStatus.SUSPENDED if suspended else OrderStatus.PENDING,
        )
        self.orders[order.order_id] = order
        self._live.setdefault(order.account_id, {})[order.order_id] = order
        self.events(OrderAdded(order=order))
        self.events(VersionAdded(version_id=self._next_id(), order=order, terms=leg.terms))
        order.command_id = self._command(order, "New", leg.origin).command_id
        return order

    def _admit(self, order: Order) -> None:
        """Risk: passes the order on, or rejects it and raises."""
        try:
            if not self.session_open:
                raise Refused(Reason.SESSION_CLOSED, "The session is closed")
            self._check_stop_side(order.contract, order.sign, order.terms)
            self.accounts[order.account_id].check(order, self.live_orders(order.account_id), self.marks())
        except Refused as refused:
            self._reject(order, refused.reason, refused.text)
            raise Refused(refused.reason, refused.text, order.order_id) from None

    def _reject(self, order: Order, reason: Reason, text: str) -> None:
        order.status = OrderStatus.REJECTED
        self._report(self.commands[order.command_id], "RiskRejected", order, reason, text)
        self._execution(order, order.command_id, "Rejected", reason=reason, text=text)
        self.events(OrderChanged(order=order))

    def _activate(self, order: Order) -> None:
        """An admitted order becomes working and meets the book."""
        command = self.commands[order.command_id]
        self._report(command, "RiskPassed", order)
        order.status = OrderStatus.WORKING
        self._report(command, "AtExecution", order)
        self._execution(order, order.command_id, "New")
        self.events(OrderChanged(order=order))
        self._enter(order)

    def _enter(self, order: Order) -> None:
        contract, terms = order.contract, order.terms
        if terms.order_type in STOPS and not order.triggered:
            self._stops[contract.contract_id].append(order)
            if terms.touched and contract.contract_id in self.last:
                self._check_stops(contract, self.last[contract.contract_id], only=order)
            return
        book = self.books[contract.contract_id]
        limit = contract.ticks(terms.limit) if terms.order_type in LIMITS and terms.limit is not None else None
        if limit is not None:
            limit += order.trailed
        if terms.time_in_force is TimeInForce.FOK and book.available(order.sign, limit) < order.left:
            self._end(order, OrderStatus.CANCELED, "Canceled", order.command_id, "Not all of it can be filled at once")
            return
        self._absorb(contract, book.enter(order.order_id, order.sign, order.left, limit))
        if terms.time_in_force in (TimeInForce.IOC, TimeInForce.FOK) and order.status.live:
            self._end(order, OrderStatus.CANCELED, "Canceled", order.command_id, "The rest can't be filled at once")

    def _withdraw(self, order: Order) -> None:
        """Out of the book or the stops, whatever it was in."""
        stops = self._stops[order.contract.contract_id]
        if order in stops:
            stops.remove(order)
        else:
            self.books[order.contract.contract_id].withdraw(order.order_id)

    def _end(self, order: Order, status: OrderStatus, exec_type: str, command_id: int, text: str | None = None) -> None:
        """The order is canceled or expires; what hangs on it is put right."""
        self._withdraw(order)
        order.status = status
        self._execution(order, command_id, exec_type, text=text)
        self.events(OrderChanged(order=order))
        self._awake_children(order)

    # --- fills -------------------------------------------------------------------------------------------------------

    def _absorb(self, contract: ListedContract, matches: list[Match]) -> None:
        """Book what the book matched, then do what follows from it."""
        filled: list[tuple[Order, int]] = []
        for match in matches:
            if not match.printed:
                self.last[contract.contract_id] = match.price
                self.prints(Print(contract=contract, ticks=match.price, qty=match.qty, aggressor=match.aggressor))
            for order_id, sign in ((match.buy_id, 1), (match.sell_id, -1)):
                if order_id:
                    order = self.orders[order_id]
                    self._fill(order, sign, match)
                    filled.append((order, match.qty))
        for order, qty in filled:
            self._after_fill(order, qty)
        for price in {match.price: None for match in matches}:
            self._check_stops(contract, price)

    def _fill(self, order: Order, sign: int, match: Match) -> None:
        contract, account = order.contract, self.accounts[order.account_id]
        order.filled_qty += match.qty
        order.filled_ticks += match.qty * match.price
        fill = Fill(
            fill_id=self._next_id(),
            order_id=order.order_id,
            account_id=order.account_id,
            contract=contract,
            sign=sign,
            qty=match.qty,
            ticks=match.price,
            at_ns=self._clock.now_ns(),
        )
        self.fills.append(fill)
        if not order.left:
            order.status = OrderStatus.FILLED
        self._execution(order, order.command_id, "Trade", last_qty=match.qty, last_ticks=match.price)
        self.events(OrderFilled(fill=fill))
        if not order.left:
            self.events(OrderChanged(order=order))
        held = account.holdings.get(contract.contract_id)
        if held is None:
            held = account.holdings[contract.contract_id] = Holding(self._next_id(), contract)
        pairs = held.apply(fill, self._next_id)
        self.events(PositionMoved(account_id=account.account_id, contract=contract))
        for pair in pairs:
            self.events(FillsPaired(pair=pair))
        self.events(MoneyMoved(account_id=account.account_id))

    def _after_fill(self, order: Order, qty: int) -> None:
        twin = self.orders.get(order.oco_id) if order.oco_id else None
        if twin is not None and twin.status.live:
            if not order.left or twin.left <= qty:
                self._end(twin, OrderStatus.CANCELED, "Canceled", twin.command_id, "The other order was filled")
            else:
                self._resize(twin, twin.terms.qty - qty)
        self._awake_children(order, qty)

    def _awake_children(self, parent: Order, qty: int = 0) -> None:
        """The parent has filled `qty` lots (more), or has ended: its brackets work for as much as it has filled, or go
        with it. Those that take their price from the fill wait for the whole of it."""
        ended = not parent.status.live
        for child_id in parent.child_ids:
            child = self.orders[child_id]
            if child.status is OrderStatus.WORKING and qty and child.offset is None:
                self._resize(child, child.terms.qty + qty)
            if child.status is not OrderStatus.SUSPENDED or (child.offset is not None and not ended):
                continue
            if parent.filled_qty:
                if child.terms.qty != parent.filled_qty:
                    self._resize(child, parent.filled_qty)
                if child.offset is not None:
                    self._price(child, round(parent.filled_ticks / parent.filled_qty) + child.offset)
                self._activate(child)
            elif ended:
                self._end(child, OrderStatus.CANCELED, "Canceled", child.command_id, "The entry was not filled")

    def _resize(self, order: Order, qty: int) -> None:
        """The venue itself gives a linked order another size."""
        grows = qty > order.terms.qty
        order.terms = msgspec.structs.replace(order.terms, qty=qty)
        self.events(VersionAdded(version_id=self._next_id(), order=order, terms=order.terms))
        if order.status is OrderStatus.WORKING and order not in self._stops[order.contract.contract_id]:
            if grows:
                self._withdraw(order)
                self._enter(order)
            else:
                self.books[order.contract.contract_id].shrink(order.order_id, order.left)

    def _price(self, order: Order, ticks: int) -> None:
        """A bracket gets the price that its entry's fill gives it."""
        price = order.contract.price(ticks)
        named = {"stop": price} if order.terms.order_type is OrderType.STOP else {"limit": price}
        order.terms = msgspec.structs.replace(order.terms, **named)
        self.events(VersionAdded(version_id=self._next_id(), order=order, terms=order.terms))

    def _check_stops(self, contract: ListedContract, ticks: int, *, only: Order | None = None) -> None:
        """A trade at `ticks` wakes the stops it reached, in the order they came, and draws the trailing ones after it.
        `only`: one of them."""
        waiting = self._stops[contract.contract_id]
        asked = waiting if only is None else [only]
        reached = [order for order in asked if self._reached(order, ticks)]
        for order in asked:
            if order.terms.trail is not None and order not in reached:
                self._trail(order, ticks)
        for order in reached:
            if order in waiting:  # an earlier one's fill may have canceled it
                waiting.remove(order)
                order.triggered = True
                self._enter(order)

    def _reached(self, order: Order, ticks: int) -> bool:
        beyond = (ticks - self._stop_ticks(order)) * order.sign
        return beyond <= 0 if order.terms.touched else beyond >= 0

    def _trail(self, order: Order, ticks: int) -> None:
        """The stop keeps its distance from the best price the market has reached."""
        distance = order.contract.ticks(order.terms.trail) if order.terms.trail is not None else None
        assert distance is not None
        behind = (self._stop_ticks(order) - ticks) * order.sign - distance
        if behind > 0:
            order.trailed -= behind * order.sign

    def _stop_ticks(self, order: Order) -> int:
        assert order.terms.stop is not None
        ticks = order.contract.ticks(order.terms.stop)
        assert ticks is not None
        return ticks + order.trailed

    # --- telling -----------------------------------------------------------------------------------------------------

    def _command(self, order: Order, kind: str, origin: Origin) -> Command:
        command = Command(
            command_id=self._next_id(),
            order_id=order.order_id,
            account_id=order.account_id,
            kind=kind,
            at_ns=self._clock.now_ns(),
            origin=origin,
        )
        self.commands[command.command_id] = command
        self.events(CommandTaken(command=command))
        return command

    def _report(
        self, command: Command, status: str, order: Order, reason: Reason | None = None, text: str | None = None
    ) -> None:
        self.events(
            CommandReported(
                report_id=self._next_id(),
                command=command,
                status=status,
                order_status=order.status,
                at_ns=self._clock.now_ns(),
                reason=reason,
                text=text,
            )
        )

    def _execution(
        self,
        order: Order,
        command_id: int,
        exec_type: str,
        *,
        last_qty: int | None = None,
        last_ticks: int | None = None,
        reason: Reason | None = None,
        text: str | None = None,
    ) -> None:
        self.events(
            ExecutionReported(
                report_id=self._next_id(),
                order=order,
                command_id=command_id,
                exec_type=exec_type,
                at_ns=self._clock.now_ns(),
                last_qty=last_qty,
                last_ticks=last_ticks,
                reason=reason,
                text=text,
            )
        )
