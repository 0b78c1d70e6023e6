"""One login's NinjaTrader: what its commands do at the venue, and the values it has to tell
(`protocols/ninjatrader.md B1, B3, B4`). `ninjatrader_door.py` makes one for each login and hands its values on.

Nothing answers: an order that is refused shows as ``Rejected`` and no more, and what names an account or a contract
that is not there does nothing at all. Strategies (ATM templates) are not modelled: an order that names one is rejected.
"""

import uuid
from collections.abc import Callable
from decimal import Decimal

from brokers.sandbox.accounts import Account
from brokers.sandbox.doors import House, Received, User
from brokers.sandbox.instruments import ListedContract
from brokers.sandbox.ninjatrader_wire import Names, Wish, state_of, text_of, wish
from brokers.sandbox.orders import (
    ExecutionReported,
    MoneyMoved,
    Order,
    OrderAdded,
    OrderChanged,
    OrderFilled,
    Origin,
    PositionMoved,
    Refused,
    Terms,
    VenueEvent,
)
from brokers.sandbox.settings import NinjaTraderSettings
from schema.records import OrderType, Record, TimeInForce


class Said(Record, frozen=True):
    """One value to be told. `entity_type` is ``fill`` where it is a fill's, `order_id` 0 where it is no order's."""

    key: str
    value: str
    entity_type: str = "value"
    order_id: int = 0


class Desktop:
    """See the module's docstring. `cache` holds every value as it stands; `say` is called with each that changed."""

    def __init__(
        self, house: House, user: User, settings: NinjaTraderSettings, names: Names, say: Callable[[Said], None]
    ) -> None:
        self.cache: dict[str, str] = {}
        self.user = user
        self.names = names
        self.interface_on = True
        self.confirm_orders = False
        self._house = house
        self._venue = house.venue
        self._settings = settings
        self._say = say
        self._accounts: dict[str, int] = {}
        self._ids: dict[int, str] = {}  # the venue's order id -> NinjaTrader's
        self._orders: dict[str, int] = {}  # and back
        self._listed: dict[int, list[str]] = {}  # account -> its order ids
        self._groups: dict[str, set[int]] = {}  # OCO id -> orders
        self._group_of: dict[int, str] = {}
        self._placing = ""
        self._muted = False
        for account_id in user.account_ids:
            account = self._venue.accounts[account_id]
            self._accounts[account.name] = account_id
            self._tell_money(account)
            self._listed[account_id] = []
            self._put(f"Orders|{account.name}", "")

    # --- commands ----------------------------------------------------------------------------------------------------

    def carry_out(self, text: str) -> None:
        """One command, from the socket or from a file."""
        found = wish(text)
        account_id = self._account_of(found)
        note = Received(
            endpoint=found.verb if found is not None else text.split(";")[0],
            login=self.user.name,
            account_id=account_id,
            cl_ord_id=(found.order_id or None) if found is not None else None,
            arrived_ns=self._house.clock.now_ns(),
        )
        self._house.received.append(note)
        if found is None:
            note.outcome = "not thirteen fields"
            return
        faults = self._house.faults
        if faults.lost_requests.take(account_id):
            note.outcome = "lost"
            return
        self._muted = bool(faults.hidden_answers.take(account_id) or faults.broken_answers.take(account_id))
        try:
            note.outcome = self._do(found, note, account_id) or "taken"
        except Refused as refused:
            note.outcome, note.order_id = refused.reason.value, refused.order_id
        finally:
            self._muted = False

    def _account_of(self, found: Wish | None) -> int | None:
        if found is None:
            return None
        order = self._venue.orders.get(self._orders.get(found.order_id, 0))
        return self._accounts.get(found.account) if order is None else order.account_id

    def _do(self, found: Wish, note: Received, account_id: int | None) -> str:
        """What came of it in the log's words; empty when it was done. Raises Refused."""
        if found.verb in ("CHANGE", "CANCEL", "CLOSEPOSITION") and account_id is not None:
            refusal = self._house.faults.rejects.take(account_id)
            if refusal is not None:
                return refusal.reason.value
        match found.verb:
            case "PLACE":
                return self._place(found, note)
            case "CHANGE":
                return self._change(found, note)
            case "CANCEL":
                return self._cancel(found, note)
            case "CLOSEPOSITION":
                return self._close(found)
            case "REVERSEPOSITION":
                return self._close(found) or self._place(found, note)
            case "CANCELALLORDERS":
                self._cancel_all()
                return ""
            case "FLATTENEVERYTHING":
                self._cancel_all()
                for account_id in self.user.account_ids:
                    for held in list(self._venue.accounts[account_id].holdings.values()):
                        self._venue.liquidate(account_id, held.contract.contract_id, self._origin())
                return ""
            case "CLOSESTRATEGY":
                return "no such strategy"
            case _:
                return "no such command"

    def _origin(self, order_id: str = "") -> Origin:
        return Origin(cl_ord_id=order_id or None, user_id=self.user.user_id)

    def _place(self, found: Wish, note: Received) -> str:
        account_id, contract = self._accounts.get(found.account), self.names.contract(found.instrument)
        if account_id is None or contract is None:
            return "no such account" if account_id is None else "no such instrument"
        if found.action not in ("BUY", "SELL") or found.order_type is None or found.tif is None:
            return "a parameter is wrong"
        if found.qty is None or found.qty <= 0 or found.qty != found.qty.to_integral_value():
            return "no quantity"
        order_id = found.order_id or self._made(f"{note.arrived_ns}")
        if order_id in self._orders or f"OrderStatus|{order_id}" in self.cache:
            return "duplicate"
        terms = _terms(found, found.order_type, found.tif)
        faults = self._house.faults
        refusal = faults.rejects.take(account_id)
        if refusal is not None or terms is None or found.strategy:
            self._reject(account_id, order_id)
            return refusal.reason.value if refusal is not None else "rejected"
        late = faults.late_rejects.take(account_id)
        self._placing = order_id
        sign = 1 if found.action == "BUY" else -1
        try:
            order = self._venue.place(
                account_id, contract.symbol, sign, terms, self._origin(order_id), held=late is not None
            )
        except Refused:
            if order_id not in self._orders:
                self._reject(account_id, order_id)
            raise
        finally:
            self._placing = ""
        note.order_id = order.order_id
        if late is not None:
            self._house.later(late.after_s, lambda: self._venue.reject_held(order.order_id, late.reason, late.text))
        if found.oco_id and order.status.live:
            self._groups.setdefault(found.oco_id, set()).add(order.order_id)
            self._group_of[order.order_id] = found.oco_id
        return ""

    def _order(self, found: Wish, note: Received) -> Order | None:
        order = self._venue.orders.get(self._orders.get(found.order_id, 0))
        note.order_id = order.order_id if order is not None else None
        return order

    def _change(self, found: Wish, note: Received) -> str:
        """0 leaves a number as it is."""
        order = self._order(found, note)
        if order is None:
            return "no such order"
        if found.qty is None or found.limit is None or found.stop is None:
            return "a parameter is wrong"
        old = order.terms
        terms = Terms(
            qty=int(found.qty) or old.qty,
            order_type=old.order_type,
            limit=found.limit or old.limit,
            stop=found.stop or old.stop,
            time_in_force=old.time_in_force,
        )
        self._venue.modify(order.order_id, terms, self._origin(found.order_id))
        return ""

    def _cancel(self, found: Wish, note: Received) -> str:
        order = self._order(found, note)
        if order is None:
            return "no such order"
        self._venue.cancel(order.order_id, self._origin(found.order_id))
        return ""

    def _close(self, found: Wish) -> str:
        account_id, contract = self._accounts.get(found.account), self.names.contract(found.instrument)
        if account_id is None or contract is None:
            return "no such account" if account_id is None else "no such instrument"
        self._venue.liquidate(account_id, contract.contract_id, self._origin())
        return ""

    def _cancel_all(self) -> None:
        for account_id in self.user.account_ids:
            for order in list(self._venue.live_orders(account_id)):
                if order.status.live:
                    self._venue.cancel(order.order_id, self._origin())

    def _reject(self, account_id: int, order_id: str) -> None:
        """An order that never reached the venue."""
        self._list(account_id, order_id)
        self._put(f"OrderStatus|{order_id}", "Rejected")

    def _made(self, seed: str) -> str:
        """An id as NinjaTrader makes them: a GUID without dashes, upper case."""
        return uuid.uuid5(uuid.NAMESPACE_OID, f"{self.user.name}:{seed}").hex.upper()

    def named(self, order_id: int) -> str:
        """What an order of the venue's is called here; its own number when it is not shown."""
        return self._ids.get(order_id, str(order_id))

    # --- values ------------------------------------------------------------------------------------------------------

    def on_event(self, event: VenueEvent) -> None:
        """Something happened to an account of this login, whoever caused it."""
        match event:
            case OrderAdded():
                self._name(event.order)
                self._tell_state(event.order)
            case OrderChanged():
                self._tell_state(event.order)
                self._end_group(event.order)
            case ExecutionReported() if event.exec_type == "Replaced" and event.order.order_id in self._ids:
                key = f"OrderStatus|{self._ids[event.order.order_id]}"
                if self._settings.tells_changes:
                    words = "ChangeSubmitted" if self._settings.enum_words else "Change submitted"
                    self._put(key, words, order_id=event.order.order_id)
                self._tell_state(event.order)
            case OrderFilled():
                order = self._venue.orders[event.fill.order_id]
                self._tell_state(order)
                self._tell_fills(order)
                self._end_group(order)
            case PositionMoved():
                self._tell_position(self._venue.accounts[event.account_id], event.contract)
            case MoneyMoved():
                self._tell_money(self._venue.accounts[event.account_id])
            case _:
                pass

    def _name(self, order: Order) -> None:
        if not self._placing and not self._settings.shows_foreign:
            return  # somebody else's order
        self._ids[order.order_id] = name = self._placing or self._made(str(order.order_id))
        self._orders[name] = order.order_id
        self._list(order.account_id, name)

    def _list(self, account_id: int, name: str) -> None:
        self._listed[account_id].append(name)
        self._put(f"Orders|{self._venue.accounts[account_id].name}", "|".join(self._listed[account_id]))

    def _tell_state(self, order: Order) -> None:
        if name := self._ids.get(order.order_id):
            state = state_of(order, enum_words=self._settings.enum_words)
            self._put(f"OrderStatus|{name}", state, order_id=order.order_id)

    def _tell_fills(self, order: Order) -> None:
        if name := self._ids.get(order.order_id):
            self._put(f"Filled|{name}", str(order.filled_qty), "fill", order.order_id)
            self._put(f"AvgFillPrice|{name}", text_of(order.average or Decimal(0)), "fill", order.order_id)

    def _tell_position(self, account: Account, contract: ListedContract) -> None:
        held = account.holdings.get(contract.contract_id)
        place = f"{self.names.name(contract)}|{account.name}"
        self._put(f"MarketPosition|{place}", str(held.net if held else 0))
        self._put(f"AvgEntryPrice|{place}", text_of((held.average if held else None) or Decimal(0)))

    def _tell_money(self, account: Account) -> None:
        cash = account.balance + account.realized
        self._put(f"CashValue|{account.name}", text_of(cash))
        self._put(f"BuyingPower|{account.name}", text_of(max(cash - account.margin(initial=True), Decimal(0))))
        self._put(f"RealizedPnL|{account.name}", text_of(account.realized))

    def _put(self, key: str, text: str, entity_type: str = "value", order_id: int = 0) -> None:
        """A value is told when it has changed, and not otherwise."""
        if self.cache.get(key) == text:
            return
        self.cache[key] = text
        if not self._muted:
            self._say(Said(key=key, value=text, entity_type=entity_type, order_id=order_id))

    def _end_group(self, order: Order) -> None:
        """One of an OCO group is filled, or over: the others are canceled."""
        group = self._group_of.get(order.order_id)
        if group is None or (order.status.live and not order.filled_qty):
            return
        for other_id in self._groups.pop(group, set()):
            self._group_of.pop(other_id, None)
            if other_id != order.order_id and self._venue.orders[other_id].status.live:
                self._house.later(0, lambda other_id=other_id: self._cancel_left(other_id))

    def _cancel_left(self, order_id: int) -> None:
        if self._venue.orders[order_id].status.live:
            self._venue.cancel(order_id, self._origin())


def _terms(found: Wish, order_type: OrderType, tif: TimeInForce) -> Terms | None:
    """The order's terms; None when a price that its type needs is missing or is no number."""
    needs_limit = order_type in (OrderType.LIMIT, OrderType.STOP_LIMIT)
    needs_stop = order_type in (OrderType.STOP, OrderType.STOP_LIMIT)
    if found.qty is None or (needs_limit and not found.limit) or (needs_stop and not found.stop):
        return None
    return Terms(
        qty=int(found.qty),
        order_type=order_type,
        limit=found.limit if needs_limit else None,
        stop=found.stop if needs_stop else None,
        time_in_force=tif,
    )
