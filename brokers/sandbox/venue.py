"""The practice venue: what a front end may wish of it. Pure and synchronous.

Every door (`tradovate_*.py`), the scripted leader and the control socket call these methods; what came of it is told
to `events` (see `order_flow.py`). Every wish raises Refused when the venue will not do it.
"""

import contextlib

from brokers.sandbox.order_flow import Leg, OrderFlow
from brokers.sandbox.orders import (
    AccountChanged,
    Command,
    Order,
    OrderStatus,
    Origin,
    Reason,
    Refused,
    Terms,
    VersionAdded,
)
from schema.records import OrderType

_PLACE_KEEPING = ("order_type", "limit", "stop", "trail", "touched")  # an order that keeps all of these keeps its place


class Venue(OrderFlow):
    """See the module's docstring."""

    def place(
        self, account_id: int, symbol: str, sign: int, terms: Terms, origin: Origin, *, held: bool = False
    ) -> Order:
        """A new order. `held`: taken in but left pending until `reject_held` refuses it."""
        contract = self._contract(symbol, terms)
        order = self._make(self._account(account_id), contract, Leg(sign=sign, terms=terms, origin=origin))
        if not held:
            self._admit(order)
            self._activate(order)
        return order

    def reject_held(self, order_id: int, reason: Reason, text: str) -> None:
        """Risk refuses an order that was taken in `held`."""
        if self.orders[order_id].status is OrderStatus.PENDING:
            self._reject(self.orders[order_id], reason, text)

    def release_held(self, order_id: int) -> None:
        """Risk lets an order go that was taken in `held`."""
        order = self.orders[order_id]
        if order.status is OrderStatus.PENDING:
            with contextlib.suppress(Refused):  # told as a reject
                self._admit(order)
                self._activate(order)

    def expire(self, order_id: int) -> None:
        """The date until which an order was good has come."""
        order = self.orders[order_id]
        if order.status.live:
            self._end(order, OrderStatus.EXPIRED, "Expired", order.command_id)

    def check(self, account_id: int, symbol: str, sign: int, terms: Terms) -> None:
        """What `place` would say, without placing anything."""
        account, contract = self._account(account_id), self._contract(symbol, terms)
        if not self.session_open:
            raise Refused(Reason.SESSION_CLOSED, "The session is closed")
        self._check_stop_side(contract, sign, terms)
        order = Order(order_id=0, account_id=account_id, contract=contract, sign=sign, terms=terms, placed_ns=0)
        account.check(order, self.live_orders(account_id), self.marks())

    def place_oco(self, account_id: int, symbol: str, first: Leg, other: Leg) -> tuple[Order, Order]:
        """Two orders, of which the second dies with the first fill of the other, and the other way round."""
        account = self._account(account_id)
        contract = self._contract(symbol, first.terms, other.terms)
        ids = (self._next_id(), self._next_id())
        pair = (
            self._make(account, contract, first, order_id=ids[0], oco_id=ids[1]),
            self._make(account, contract, other, order_id=ids[1], oco_id=ids[0]),
        )
        for order in pair:
            try:
                self._admit(order)
            except Refused as refused:
                for twin in pair:
                    if twin.status.live:
                        self._reject(twin, refused.reason, refused.text)
                raise
        for order in pair:
            if order.status.live:  # the first may have been filled at once, and the other canceled with it
                self._activate(order)
        return pair

    def place_oso(self, account_id: int, symbol: str, entry: Leg, brackets: list[Leg]) -> tuple[Order, list[Order]]:
        """An entry whose fill awakes one or two bracket orders; two are one-cancels-other of each other."""
        account = self._account(account_id)
        contract = self._contract(symbol, entry.terms, *(leg.terms for leg in brackets))
        parent = self._make(account, contract, entry)
        ids = [self._next_id() for _ in brackets]
        for number, leg in enumerate(brackets):
            twin = ids[1 - number] if len(ids) == 2 else None
            child = self._make(
                account, contract, leg, order_id=ids[number], oco_id=twin, parent_id=parent.order_id, suspended=True
            )
            parent.child_ids.append(child.order_id)
        try:
            self._admit(parent)
        except Refused:
            for child_id in ids:
                self._reject(self.orders[child_id], Reason.PARENT_REJECTED, "The entry was rejected")
            raise
        self._activate(parent)
        return parent, [self.orders[child_id] for child_id in ids]

    def modify(self, order_id: int, terms: Terms, origin: Origin) -> Command:
        """Replace an order's terms. Less of the same keeps its place in the queue; any other change goes to the
        end of it."""
        order = self.orders[order_id]
        command = self._command(order, "Modify", origin)
        try:
            if not order.status.live:
                raise Refused(Reason.TOO_LATE, f"Order is {order.status}")
            if terms.qty <= order.filled_qty:
                raise Refused(Reason.TOO_LATE, f"{order.filled_qty} are filled already")
            if not order.triggered or terms.order_type is not order.terms.order_type:
                self._check_terms(order.contract, terms)
            if order.status is OrderStatus.WORKING and not order.triggered:
                self._check_stop_side(order.contract, order.sign, terms)
            old, order.terms = order.terms, terms
            try:
                self.accounts[order.account_id].check(order, self.live_orders(order.account_id), self.marks())
            except Refused:
                order.terms = old
                raise
        except Refused as refused:
            self._report(command, "RiskRejected", order, refused.reason, refused.text)
            raise
        self._report(command, "RiskPassed", order)
        self.events(VersionAdded(version_id=self._next_id(), order=order, terms=terms))
        self._execution(order, command.command_id, "Replaced")
        self._report(command, "AtExecution", order)
        if order.status is not OrderStatus.WORKING:
            return command
        book = self.books[order.contract.contract_id]
        same = all(getattr(old, name) == getattr(terms, name) for name in _PLACE_KEEPING)
        if same and terms.qty <= old.qty:
            if order not in self._stops[order.contract.contract_id]:
                book.shrink(order.order_id, order.left)
            return command
        self._withdraw(order)
        if (old.stop, old.trail) != (terms.stop, terms.trail):
            order.trailed = 0
        self._enter(order)
        return command

    def cancel(self, order_id: int, origin: Origin) -> Command:
        """Take an order out of the market."""
        order = self.orders[order_id]
        command = self._command(order, "Cancel", origin)
        if not order.status.live:
            text = f"Order is {order.status}"
            self._report(command, "ExecutionRejected", order, Reason.TOO_LATE, text)
            raise Refused(Reason.TOO_LATE, text)
        self._report(command, "AtExecution", order)
        self._end(order, OrderStatus.CANCELED, "Canceled", command.command_id)
        return command

    def liquidate(self, account_id: int, contract_id: int, origin: Origin) -> Order | None:
        """Cancel the account's orders in a contract, then close its position at market. None: it was flat."""
        contract = self.catalogue.by_id[contract_id]
        account = self._account(account_id)
        if account.locked:
            raise Refused(Reason.LOCKED, f"Trading is locked for account {account.name}")
        for order in list(self.live_orders(account_id)):
            if order.contract is contract and order.status.live:
                self.cancel(order.order_id, Origin(user_id=origin.user_id, session_id=origin.session_id))
        net = account.net(contract)
        if not net:
            return None
        terms = Terms(qty=abs(net), order_type=OrderType.MARKET)
        return self.place(account_id, contract.symbol, -1 if net > 0 else 1, terms, origin)

    def account_changed(self, account_id: int) -> None:
        """Tell the doors that an account's flags were changed from outside."""
        self.events(AccountChanged(account_id=account_id))
