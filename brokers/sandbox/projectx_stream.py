"""What the ProjectX door tells its user hubs: orders, positions, trades, accounts (`protocols/projectx.md 2.3, 2.4`).

Listens to the venue, writes each event down as it stands at that moment, and sends what one loop turn brought after
the answer that caused it. Nothing is kept for a hub that is away: what it misses is lost. Used by `projectx_door.py`.
"""

import asyncio
import itertools
from collections import OrderedDict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from brokers.sandbox.accounts import Holding
from brokers.sandbox.doors import House
from brokers.sandbox.orders import (
    AccountChanged,
    CommandTaken,
    Fill,
    FillsPaired,
    MoneyMoved,
    Order,
    OrderChanged,
    OrderFilled,
    OrderStatus,
    PositionMoved,
    VenueEvent,
    VersionAdded,
)
from brokers.sandbox.projectx_models import account_model, order_model, position_model, trade_model
from brokers.sandbox.settings import ProjectXSettings
from schema.records import OrderType, Record

if TYPE_CHECKING:
    from brokers.sandbox.projectx_hub import Hub

ACCOUNT, ORDER, POSITION, TRADE = "GatewayUserAccount", "GatewayUserOrder", "GatewayUserPosition", "GatewayUserTrade"
_MADE, _CHANGED = 1, 2
_TRADED = 0
_KEPT = 50_000


class Change(Record, frozen=True):
    """One event as it will be told. `entity_type` ``fill`` is what the faults know a trade by."""

    target: str
    account_id: int
    order_id: int
    action: int
    data: dict[str, Any]

    @property
    def entity_type(self) -> str:
        return "fill" if self.target == TRADE else self.target


class Stream:
    """See the module's docstring. `updated_ns` and `profits` are what the lists show beside the venue's own books:
    when an order last changed, and what a fill that closed something earned."""

    def __init__(self, house: House, settings: ProjectXSettings) -> None:
        self.updated_ns: OrderedDict[int, int] = OrderedDict()
        self.profits: OrderedDict[int, Decimal] = OrderedDict()
        self._house = house
        self._venue = house.venue
        self._settings = settings
        self._hubs: list[Hub] = []
        self._pending: list[Change | Fill] = []
        self._scheduled = False
        self._cents = itertools.count()

    def join(self, hub: "Hub") -> None:
        self._hubs.append(hub)

    def leave(self, hub: "Hub") -> None:
        if hub in self._hubs:
            self._hubs.remove(hub)

    def tag(self, order: Order) -> str | None:
        command = self._venue.commands.get(order.command_id)
        return command.origin.cl_ord_id if command else None

    def order(self, order: Order) -> dict[str, Any]:
        """An order as the lists show it now."""
        return order_model(order, self.tag(order), self.updated_ns.get(order.order_id))

    def trade(self, fill: Fill) -> dict[str, Any]:
        return trade_model(fill, self.profits.get(fill.fill_id))

    # --- what the venue tells ----------------------------------------------------------------------------------------

    def on_event(self, event: VenueEvent) -> None:
        match event:
            case CommandTaken() if event.command.kind == "New":
                order = self._venue.orders[event.command.order_id]
                self._order(order, event.command.origin.cl_ord_id, _MADE)
            case OrderChanged():
                self._order(event.order, self.tag(event.order), _CHANGED)
            case VersionAdded() if event.order.command_id and event.order.status is not OrderStatus.SUSPENDED:
                self._order(event.order, self.tag(event.order), _CHANGED)
            case OrderFilled():
                order = self._venue.orders[event.fill.order_id]
                if order.left:
                    self._order(order, self.tag(order), _CHANGED)
                self._put(event.fill)
            case FillsPaired():
                pair = event.pair
                closing = max(pair.buy_fill_id, pair.sell_fill_id)
                earned = pair.contract.money(pair.qty * (pair.sell_ticks - pair.buy_ticks))
                _keep(self.profits, closing, self.profits.get(closing, Decimal(0)) + earned)
            case PositionMoved():
                held = self._venue.accounts[event.account_id].holdings[event.contract.contract_id]
                action = _CHANGED if not held.net or held.bought + held.sold > abs(held.net) else _MADE
                self._put(self._change(POSITION, event.account_id, 0, action, _position(event.account_id, held)))
            case MoneyMoved() | AccountChanged():
                account = self._venue.accounts[event.account_id]
                self._put(self._change(ACCOUNT, event.account_id, 0, _CHANGED, account_model(account)))
            case _:
                pass

    def flush(self) -> None:
        """Send what has happened since the last time."""
        pending, self._pending, self._scheduled = self._pending, [], False
        changes = [self._trade_change(each) if isinstance(each, Fill) else each for each in pending]
        for hub in list(self._hubs) if changes else ():
            mine = [change for change in changes if hub.wants(change)]
            for change in self._house.faults.disturb(hub.login, mine):
                self._send(hub, change)

    def replay(self, login: str) -> int:
        """Tell every hub of a login (of all: '') each order, trade and position of the day once more. Returns how
        many events that was."""
        count = 0
        for hub in list(self._hubs):
            if login not in ("", hub.login):
                continue
            for account_id in hub.session.user.account_ids:
                account = self._venue.accounts[account_id]
                changes = [
                    self._change(ORDER, account_id, order.order_id, _MADE, self.order(order))
                    for order in self._venue.orders.values()
                    if order.account_id == account_id
                ]
                changes += [self._trade_change(fill) for fill in self._venue.fills if fill.account_id == account_id]
                for held in account.holdings.values():
                    changes.append(self._change(POSITION, account_id, 0, _MADE, _position(account_id, held)))
                for change in changes:
                    if hub.wants(change):
                        self._send(hub, change)
                        count += 1
        return count

    def babble(self, hub: "Hub", count: int, *, garbled: bool) -> None:
        """So many records: an account's money, a cent more or less each time, or trades that have no fields."""
        accounts = [self._venue.accounts[each] for each in hub.session.user.account_ids]
        for number in range(count):
            if garbled:
                hub.invoke(TRADE, {"id": "?"})
                continue
            data = account_model(accounts[number % len(accounts)])
            data["balance"] += Decimal(next(self._cents) % 100) / 100
            self._send(hub, self._change(ACCOUNT, data["id"], 0, _CHANGED, data))

    # --- inside ----------------------------------------------------------------------------------------------------

    def _change(self, target: str, account_id: int, order_id: int, action: int, data: dict[str, Any]) -> Change:
        return Change(target=target, account_id=account_id, order_id=order_id, action=action, data=data)

    def _trade_change(self, fill: Fill) -> Change:
        return self._change(TRADE, fill.account_id, fill.order_id, _TRADED, self.trade(fill) | {"commissions": 0})

    def _order(self, order: Order, tag: str | None, action: int) -> None:
        now_ns = self._house.clock.now_ns()
        _keep(self.updated_ns, order.order_id, now_ns)
        at_market = order.terms.order_type is OrderType.MARKET and order.status is OrderStatus.WORKING
        if at_market and not order.filled_qty:
            return  # a market order goes from pending to filled
        data = order_model(order, tag, now_ns)
        if order.parent_id is not None:
            data["parentOrderId"] = order.parent_id
            if order.oco_id is not None and order.terms.order_type is OrderType.LIMIT:
                data["linkedOrderId"] = order.oco_id
        if order.terms.trail is not None:
            data["trailDistance"] = order.sign * (order.contract.ticks(order.terms.trail) or 0)
            data["trailPrice"] = order.terms.trail
        self._put(self._change(ORDER, order.account_id, order.order_id, action, data))

    def _put(self, change: Change | Fill) -> None:
        if not self._hubs:
            return
        self._pending.append(change)
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self.flush)

    def _send(self, hub: "Hub", change: Change) -> None:
        settings = self._settings
        wrapped = settings.wrapped and not (settings.flat_fills and change.target in (TRADE, POSITION))
        hub.invoke(change.target, {"action": change.action, "data": change.data} if wrapped else change.data)


def _position(account_id: int, held: Holding) -> dict[str, Any]:
    """A position with what only the stream says of it."""
    return position_model(account_id, held) | {"contractDisplayName": held.contract.symbol}


def _keep(table: OrderedDict[int, Any], key: int, value: Any) -> None:
    table[key] = value
    if len(table) > _KEPT:
        table.popitem(last=False)
