"""The order ticket: a page on which an order is written, and the question before an order, a move or a cancel is sent.
Opened by `tui/trading.py`.

The page's button only shows what would go; the question's own key sends it. So whatever is held down or typed ahead,
two deliberate keys stand between a page and an order.
"""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import msgspec
from textual.widgets import Input

from engine.seat import Candles, CommandRefused, OrderPlan, Seat, Ticket, Topic, View, WatchlistRow
from schema.records import OrderType, Side, TimeInForce
from schema.symbols import UnknownProduct, parse_contract, product
from tui.dialogs import Confirm
from tui.order_words import HEADS, BadOrder, away_words, came_of, line_row, lots, number, ticket_words
from tui.page import Choice, Field, Page
from tui.text import counted, exact_money, real_names, whole_money, without_names

Look = Callable[[Topic], View]
"""The newest snapshot of a topic."""
_TYPES = {
    "market": OrderType.MARKET,
    "limit": OrderType.LIMIT,
    "stop": OrderType.STOP,
    "stop limit": OrderType.STOP_LIMIT,
}
_LOOKS_PER_S = 4
_FIELDS = (
    Field("target", "Target", "an account, or a group's followers", ("account",)),
    Field("side", "Side", choices=("buy", "sell"), value="buy"),
    Field("qty", "Lots", "whole lots; for a group the leader's", ("size",)),
    Field("symbol", "Contract", "such as ESZ6; empty: the chart's"),
    Field("type", "Type", choices=tuple(_TYPES), value="market"),
    Field("limit", "Limit", "the worst price it trades at", ("price",)),
    Field("stop", "Stop", "the price that wakes it"),
    Field("tif", "Lasts", choices=tuple(map(str, TimeInForce)), value="day"),
)


class OrderQuestion(Confirm):
    """What would be sent, a line for each account or order. With nothing to send it can only be closed."""

    def __init__(self, plan: OrderPlan, about: str) -> None:
        real = any(line.live and not line.refused for line in plan.lines)
        does = {"place": "send", "move": "move", "cancel": "cancel"}[plan.act]
        super().__init__(
            f"{'REAL MONEY: ' if real else ''}{about}",
            [line_row(line) for line in plan.lines],
            f"{does} {counted(plan.orders, 'order', 'orders')}" if plan.orders else "",
            heads=HEADS,
            leave="send nothing",
        )


class TicketPage(Page):
    """An order as it is written: what it is worth and how far from the market it is stands above it all the time."""

    GO_ON = "Show what goes"

    def __init__(self, seat: Seat, begun: Ticket) -> None:
        values = {
            "target": without_names(begun.target),
            "side": str(begun.side),
            "qty": str(begun.qty) if begun.qty else "",
            "symbol": begun.symbol,
            "type": next(name for name, kind in _TYPES.items() if kind is begun.order_type),
            "limit": _plain(begun.limit_price),
            "stop": _plain(begun.stop_price),
            "tif": str(begun.time_in_force),
        }
        super().__init__(seat, "Order ticket", [replace(field, value=values[field.name]) for field in _FIELDS])

    def on_mount(self) -> None:
        self._show_lines()
        self.set_interval(1 / _LOOKS_PER_S, self._look)

    def on_choice_changed(self, event: Choice.Changed) -> None:
        event.stop()
        self._show_lines()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._look()

    def _show_lines(self) -> None:
        """Only the prices that the type has."""
        kind = _TYPES[self.text("type")]
        self.query_one("#line-limit").display = kind in (OrderType.LIMIT, OrderType.STOP_LIMIT)
        self.query_one("#line-stop").display = kind in (OrderType.STOP, OrderType.STOP_LIMIT)
        self._look()

    def _look(self) -> None:
        try:
            self.note(beside_market(self.ticket(), self._seat.view))
        except CommandRefused as refused:
            self.note(str(refused))

    def ticket(self) -> Ticket:
        """What the lines say. Raises CommandRefused."""
        kind = _TYPES[self.text("type")]
        limited, stopped = (
            kind in (OrderType.LIMIT, OrderType.STOP_LIMIT),
            kind in (OrderType.STOP, OrderType.STOP_LIMIT),
        )
        if not self.text("target"):
            raise CommandRefused("target: it is empty; write an account or a group.")
        try:
            return Ticket(
                target=real_names(self.text("target")),
                side=Side(self.text("side")),
                qty=lots(self.text("qty")),
                symbol=self.text("symbol").upper(),
                order_type=kind,
                limit_price=number("limit", self.text("limit")) if limited else None,
                stop_price=number("stop", self.text("stop")) if stopped else None,
                time_in_force=TimeInForce(self.text("tif")),
            )
        except BadOrder as bad:
            raise CommandRefused(str(bad)) from None

    async def go_on(self) -> str:
        ticket = self.ticket()
        self.say("Asking the desk …")
        shown = await self._seat.place(ticket)
        if not await self.app.push_screen_wait(OrderQuestion(shown, ticket_words(ticket))):
            self.say("Nothing was sent.")
            return ""
        said, whole = came_of(await self._seat.place(ticket, shown))
        if not whole:
            raise CommandRefused(said)
        return said


def _plain(price: Decimal | None) -> str:
    return "" if price is None else f"{price.normalize():f}"


def last_price(look: Look, symbol: str) -> Decimal | None:
    """The last price that this screen has of a contract: the chart's, else a watchlist's."""
    for row in look(Topic.CANDLES).rows:
        if isinstance(row, Candles) and row.symbol == symbol and row.last:
            return Decimal(str(row.last))
    for held in look(Topic.WATCHLISTS).rows:
        for watched in held.rows if isinstance(held, WatchlistRow) else ():
            if watched.symbol == symbol and watched.last:
                return Decimal(str(watched.last))
    return None


def chart_symbol(look: Look) -> str:
    """The contract of the chart; empty when there is none."""
    return next((row.symbol for row in look(Topic.CANDLES).rows if isinstance(row, Candles)), "")


def beside_market(ticket: Ticket, look: Look) -> str:
    """A ticket in words beside the market as the screen has it: price, size, distance and worth."""
    ticket = ticket if ticket.symbol else msgspec.structs.replace(ticket, symbol=chart_symbol(look))
    market = last_price(look, ticket.symbol) if ticket.symbol else None
    said = [ticket_words(ticket)]
    said.append("the market's price is not known here" if market is None else f"market {market.normalize():f}")
    try:
        about = product(parse_contract(ticket.symbol).root)
    except UnknownProduct:
        return " · ".join(said)
    at = ticket.stop_price or ticket.limit_price
    if market is not None and at is not None:
        stops = ticket.stop_price is not None
        upward = (ticket.side is Side.BUY) == stops
        ticks = int(((at - market if upward else market - at) / about.tick_size).to_integral_value())
        said.append(f"{away_words(ticks)} away" if ticks > 0 else away_words(ticks))
    price = ticket.limit_price or ticket.stop_price or market
    if price is not None:
        said.append(f"worth {whole_money(price * about.point_value * ticket.qty)}")
    said.append(f"{exact_money(about.tick_value * ticket.qty)} a tick")
    return " · ".join(said)
