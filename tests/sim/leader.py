"""The leader at its own platform: it trades, rests orders, and keeps exits for what it holds. Called by `schedule.py`.

What it wants of an order that its venue refuses, it does not get; everything else shows at the venue at once.
"""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING

from brokers.sandbox.orders import Order, Origin, Refused, Terms
from schema.records import OrderType, Side
from tests.sim.plan import LEADER, MAX_NET, Move

if TYPE_CHECKING:
    from random import Random

    from tests.sim.venue import Exchange

SYMBOL = "ESH4"
_RESTING = 3  # entries at rest at once
_STOP_TICKS = 160  # far: only the largest swings together reach it
_NEAREST_TICKS = 4  # of the first target


class Leader:
    """`exits` says which orders it keeps for its position: none, stop, bracket or legs."""

    def __init__(self, exchange: Exchange, random: Random, exits: str) -> None:
        self._exchange = exchange
        self._random = random
        self._exits = exits
        self._entries: list[Order] = []
        self._stops: list[Order] = []
        self._targets: list[Order] = []

    @property
    def net(self) -> int:
        return self._exchange.net(LEADER, SYMBOL)

    @property
    def covered(self) -> bool:
        """Whether its own stop covers all it holds."""
        return self.net != 0 and sum(order.left * order.sign for order in self._live(self._stops)) == -self.net

    def does(self, move: Move) -> None:
        with suppress(Refused):
            match move.act:
                case "trade":
                    self.trade(move.qty)
                case "swing":
                    self._exchange.move_market(move.ticks)
                case "limit" | "stop":
                    self._rest(move)
                case _:
                    self._change(move)
        self.protect()

    def trade(self, qty: int) -> None:
        """At market, never far beyond what it may hold: others may have closed or filled something meanwhile."""
        self._exchange.move_market(self._random.choice((-1, 0, 0, 1)))
        if abs(self.net + qty) > MAX_NET:
            qty = -self.net or -qty
        self._exchange.trade(LEADER, SYMBOL, qty)

    def out(self) -> None:
        """Cancel everything, close everything."""
        for order in self._exchange.working(LEADER):
            if order.status.live:
                self._exchange.venue.cancel(order.order_id, Origin())
        if self.net:
            self._exchange.trade(LEADER, SYMBOL, -self.net)

    # --- orders that rest --------------------------------------------------------------------------------------------

    def _live(self, orders: list[Order]) -> list[Order]:
        orders[:] = [order for order in orders if order.status.live]
        return orders

    def _price(self, ticks: int) -> Decimal:
        return Decimal(self._exchange.ticks + ticks) / 4

    def _rest(self, move: Move) -> None:
        """An entry: a limit on this side of the market, or a stop beyond it."""
        entries, sign = self._live(self._entries), 1 if move.qty > 0 else -1
        coming = sum(order.left for order in entries if order.sign == sign)
        if len(entries) < _RESTING and abs(self.net + sign * coming + move.qty) <= MAX_NET:
            away = abs(move.ticks) + 1
            stop = move.act == "stop"
            entries.append(self._place(move.qty, sign * away if stop else -sign * away, stop=stop))

    def _place(self, qty: int, ticks: int, *, stop: bool) -> Order:
        return self._exchange.place(LEADER, SYMBOL, Side.of(qty), self._terms(abs(qty), self._price(ticks), stop=stop))

    def _terms(self, qty: int, price: Decimal, *, stop: bool) -> Terms:
        if stop:
            return Terms(qty=qty, order_type=OrderType.STOP, stop=price)
        return Terms(qty=qty, order_type=OrderType.LIMIT, limit=price)

    def _change(self, move: Move) -> None:
        """One of its entries is moved, or canceled."""
        entries = [order for order in self._live(self._entries) if not order.triggered]
        if not entries:
            return
        order = self._random.choice(entries)
        if move.act == "cancel":
            self._exchange.venue.cancel(order.order_id, Origin())
            return
        stop = order.terms.order_type is OrderType.STOP
        away = (abs(move.ticks) + 1) * order.sign * (1 if stop else -1)
        terms = self._terms(order.terms.qty, self._price(away), stop=stop)
        self._exchange.venue.modify(order.order_id, terms, Origin())

    # --- exits -------------------------------------------------------------------------------------------------------

    def protect(self) -> None:
        """Bring the exits to what is held now; now and then at another price, too."""
        lots = abs(self.net)
        half = (lots + 1) // 2
        split = [half, lots - half] if self._exits == "legs" else [lots]
        self._keep(self._stops, [lots] if self._exits != "none" else [], stop=True)
        self._keep(self._targets, split if self._exits in ("bracket", "legs") else [], stop=False)

    def _keep(self, orders: list[Order], lots: list[int], *, stop: bool) -> None:
        venue, sign = self._exchange.venue, -1 if self.net > 0 else 1
        if any(order.triggered for order in self._live(orders)):
            return  # it is trading just now
        for order in list(orders):
            if order.sign != sign or not self.net:
                venue.cancel(order.order_id, Origin())
        self._live(orders)
        for order in orders[len([qty for qty in lots if qty]) :]:
            venue.cancel(order.order_id, Origin())
        for number, qty in enumerate(lots):
            away = _STOP_TICKS if stop else _NEAREST_TICKS * (1 + number)
            ticks = (away + self._random.randrange(12)) * (sign if stop else -sign)
            if number < len(orders) and orders[number].status.live:
                self._resize(orders[number], qty, ticks, stop=stop)
            elif qty:
                with suppress(Refused):
                    orders.append(self._place(sign * qty, ticks, stop=stop))

    def _resize(self, order: Order, qty: int, ticks: int, *, stop: bool) -> None:
        price = order.terms.stop if stop else order.terms.limit
        if self._random.random() < 0.2:
            price = self._price(ticks)
        assert price is not None
        terms = self._terms(order.filled_qty + qty, price, stop=stop)
        if terms != order.terms:
            with suppress(Refused):
                self._exchange.venue.modify(order.order_id, terms, Origin())
