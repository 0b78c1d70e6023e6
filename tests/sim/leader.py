"""The leader at its own platform: it trades, rests orders, and keeps exits for what it holds. Called by `schedule.py`.

What it wants of an order that its venue refuses, it does not get; everything else shows at the venue at once.
"""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING

from msgspec.structs import replace

from brokers.sandbox.order_flow import Leg
from brokers.sandbox.orders import Order, OrderStatus, Origin, Refused, Terms
from schema.records import OrderType, Side
from tests.sim.plan import LEADER, MAX_NET, Move

if TYPE_CHECKING:
    from random import Random

    from tests.sim.venue import Exchange

SYMBOL = "ESH4"
_RESTING = 3  # entries at rest at once
_STOP_TICKS = 160  # far: only the largest swings together reach it
_NEAREST_TICKS = 4  # of the first target
_TRAIL_TICKS = 30  # at least


class Leader:
    """`exits` says which orders it keeps for its position: none, stop, bracket, legs, oco, or trail (oco). Its venue
    may let it change how far a stop trails (`moves_trails`)."""

    def __init__(self, exchange: Exchange, random: Random, exits: str, *, moves_trails: bool = False) -> None:
        self._exchange = exchange
        self._random = random
        self._exits = exits
        self._moves_trails = moves_trails
        self._behind: list[tuple[Order, list[Order]]] = []  # entries, and the exits that wait behind them
        self._entries: list[Order] = []
        self._stops: list[Order] = []
        self._targets: list[Order] = []

    @property
    def net(self) -> int:
        return self._exchange.net(LEADER, SYMBOL)

    @property
    def covered(self) -> bool:
        """Whether its own stops cover all it holds."""
        behind = [order for _, exits in self._behind for order in exits if order.terms.order_type is OrderType.STOP]
        stops = {*self._live(self._stops), *(order for order in behind if order.status is OrderStatus.WORKING)}
        return self.net != 0 and sum(order.left * order.sign for order in stops) == -self.net

    def does(self, move: Move) -> None:
        with suppress(Refused):
            match move.act:
                case "trade":
                    self.trade(move.qty)
                case "swing":
                    self._exchange.move_market(move.ticks)
                case "limit" | "stop" | "with exits":
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
            ticks = sign * away if stop else -sign * away
            if move.act == "with exits":
                entries.append(self._place_with_exits(move.qty, ticks))
            else:
                entries.append(self._place(move.qty, ticks, stop=stop))

    def _place_with_exits(self, qty: int, ticks: int) -> Order:
        sign, lots = (1 if qty > 0 else -1), abs(qty)
        target = self._terms(
            lots, self._price(ticks + sign * (_NEAREST_TICKS + self._random.randrange(12))), stop=False
        )
        legs = [Leg(sign=-sign, terms=self._stop_terms(lots, -sign)), Leg(sign=-sign, terms=target)]
        entry = Leg(sign=sign, terms=self._terms(lots, self._price(ticks), stop=False))
        parent, exits = self._exchange.venue.place_oso(self._exchange.ids[LEADER], SYMBOL, entry, legs)
        self._behind.append((parent, exits))
        return parent

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
        self._take_over()
        if any(entry.status.live and entry.filled_qty for entry, _ in self._behind):
            return  # its venue sizes the exits while the entry fills
        lots = abs(self.net)
        if "oco" in self._exits and lots and not self._live(self._stops) and not self._live(self._targets):
            self._link(lots)
        half = (lots + 1) // 2
        split = [half, lots - half] if self._exits == "legs" else [lots]
        self._keep(self._stops, [lots] if self._exits != "none" else [], stop=True)
        targets = self._exits in ("bracket", "legs") or "oco" in self._exits
        self._keep(self._targets, split if targets else [], stop=False)

    def _take_over(self) -> None:
        """Exits whose entry can fill no more are the leader's own to change."""
        for entry, exits in list(self._behind):
            if not entry.status.live:
                self._behind.remove((entry, exits))
                for order in exits:
                    (self._stops if order.terms.order_type is OrderType.STOP else self._targets).append(order)

    def _link(self, lots: int) -> None:
        """A stop and a target of which its venue cancels one when the other fills."""
        sign = -1 if self.net > 0 else 1
        away = _NEAREST_TICKS + self._random.randrange(12)
        target = self._terms(lots, self._price(-sign * away), stop=False)
        legs = [Leg(sign=sign, terms=self._stop_terms(lots, sign)), Leg(sign=sign, terms=target)]
        with suppress(Refused):
            stop, other = self._exchange.venue.place_oco(self._exchange.ids[LEADER], SYMBOL, *legs)
            self._stops.append(stop)
            self._targets.append(other)

    def _stop_terms(self, qty: int, sign: int) -> Terms:
        """A stop that closes with orders of `sign`, far from the market, or one that follows it."""
        if "trail" not in self._exits:
            return self._terms(qty, self._price(sign * (_STOP_TICKS + self._random.randrange(12))), stop=True)
        ticks = _TRAIL_TICKS + self._random.randrange(30)
        return replace(self._terms(qty, self._price(sign * ticks), stop=True), trail=Decimal(ticks) / 4)

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
            away = _NEAREST_TICKS * (1 + number) + self._random.randrange(12)
            other = self._stop_terms(qty, sign) if stop else self._terms(qty, self._price(-sign * away), stop=False)
            if number < len(orders) and orders[number].status.live:
                self._resize(orders[number], qty, other)
            elif qty:
                with suppress(Refused):
                    orders.append(self._exchange.place(LEADER, SYMBOL, Side.of(sign), other))

    def trails_otherwise(self) -> None:
        """Where its venue lets it, its stop trails by another distance from now on."""
        for order in self._live(self._stops) if self._moves_trails else ():
            if order.terms.trail is not None:
                with suppress(Refused):
                    self._exchange.venue.modify(order.order_id, self._stop_terms(order.terms.qty, order.sign), Origin())

    def _resize(self, order: Order, qty: int, other: Terms) -> None:
        """Another size, and now and then `other` terms."""
        terms, moves = order.terms, self._random.random() < 0.2
        if moves and (terms.trail is None or self._moves_trails):
            terms = other
        terms = replace(terms, qty=order.filled_qty + qty)
        if terms != order.terms:
            with suppress(Refused):
                self._exchange.venue.modify(order.order_id, terms, Origin())
