"""The depth pane: the ladder of the chart's symbol around the market, with what the desk's accounts have at rest in it.

The paint clock shows it the newest book; `show_also` gives it the orders, positions, accounts and trades. `ladder.py`
makes the lines. The cursor stays on its price, whatever the market does: `price_at_hand`, `orders_at_hand` and the
message `Asked` are what an order at that price starts from.
"""

from decimal import Decimal
from typing import Any, ClassVar

from textual import events
from textual.message import Message

from engine.market.shown import BookShown, Print, TapeShown
from engine.seat import OrderRow, PositionRow, Topic, View
from schema.symbols import twin_of
from tui.keymap import bindings, called
from tui.panes import ladder as drawing
from tui.panes.drawn import Line, LinePane, Run, fitted
from tui.panes.ladder import Columns, Ladder
from tui.text import clean

_HEAD_LINES = 3  # title, cursor, the columns' names
_LOOKS = (
    "head", "empty", "warn", "bid", "ask", "inside", "bid-bar", "bid-edge", "ask-bar", "last", "traded", "entry",
    "leader", "own", "cursor", "info",
)  # fmt: skip


class DepthPane(LinePane):
    """Follows the market until it is scrolled; `m` follows it again."""

    TOPIC = Topic.DEPTH
    ALSO = (Topic.ORDERS, Topic.POSITIONS, Topic.ACCOUNTS, Topic.TAPE)
    NAME = "DEPTH"
    PREFIX = "depth"
    COMPONENT_CLASSES: ClassVar[set[str]] = LinePane.looks("depth", *_LOOKS)
    BINDINGS: ClassVar[list[Any]] = bindings("depth")

    class Asked(Message):
        """Something is asked for at the price under the cursor. `kind` is the asker's own word (`action_ask`)."""

        def __init__(self, pane: "DepthPane", kind: str, symbol: str, price: Decimal) -> None:
            super().__init__()
            self.pane = pane
            self.kind = kind
            self.symbol = symbol
            self.price = price

        @property
        def control(self) -> "DepthPane":
            return self.pane

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._book: BookShown | None = None
        self._orders: tuple[OrderRow, ...] = ()  # those that may still trade
        self._positions: tuple[PositionRow, ...] = ()
        self._leaders: frozenset[str] = frozenset()
        self._prints: tuple[Print, ...] = ()
        self._tape_symbol = ""
        self._versions: dict[Topic, int] = {}
        self._ladder: Ladder | None = None
        self._now_ns = 0
        self._centre: int | None = None
        self._cursor: int | None = None
        self.follows = True
        """The ladder is centred on the market as that moves."""

    # --- what others may ask ------------------------------------------------------------------------------------------

    @property
    def symbol(self) -> str:
        """Whose book is shown; empty when none is."""
        return self._book.symbol if self._book else ""

    @property
    def price_at_hand(self) -> Decimal | None:
        """The price under the cursor."""
        return None if self._ladder is None or self._cursor is None else self._cursor * self._ladder.tick

    @property
    def orders_at_hand(self) -> tuple[OrderRow, ...]:
        """The orders of the desk's accounts that rest at the price under the cursor, in this contract or its twin."""
        if self._ladder is None or self._cursor is None:
            return ()
        tick, symbols = self._ladder.tick, (self.symbol, twin_of(self.symbol))
        return tuple(
            order
            for order in self._orders
            if order.symbol in symbols
            and (at := drawing.rests_at(order)) is not None
            and drawing.ticks_of(at, tick) == self._cursor
        )

    # --- data ---------------------------------------------------------------------------------------------------------

    def show_also(self, view: View) -> None:
        """Take the newest snapshot of one of `ALSO`; `show` draws it."""
        if self._versions.get(view.topic) == view.version:
            return
        self._versions[view.topic] = view.version
        self._ladder = None
        if view.topic is Topic.ORDERS:
            orders = (row for row in view.rows if isinstance(row, OrderRow))
            self._orders = tuple(order for order in orders if drawing.is_alive(order))
        elif view.topic is Topic.POSITIONS:
            self._positions = tuple(row for row in view.rows if isinstance(row, PositionRow))
        elif view.topic is Topic.ACCOUNTS:
            self._leaders = drawing.leaders_of(view)
        elif view.topic is Topic.TAPE:
            tape = next((row for row in view.rows if isinstance(row, TapeShown)), None)
            self._prints, self._tape_symbol = (tape.prints, tape.symbol) if tape else ((), "")

    def show(self, view: View, now_ns: int) -> None:
        """Take the newest book."""
        if view.version == self._versions.get(Topic.DEPTH) and now_ns == self._now_ns and self._ladder is not None:
            return
        self._versions[Topic.DEPTH], self._now_ns = view.version, now_ns
        book = next((row for row in view.rows if isinstance(row, BookShown)), None)
        if book is None or self._book is None or book.symbol != self._book.symbol:
            self._centre = self._cursor = None
            self.follows = True
        self._book = book
        self._ladder = None
        self.rebuild()

    def forget(self) -> None:
        self._ladder = None
        super().forget()

    def _ladder_now(self, book: BookShown) -> Ladder:
        if self._ladder is None:
            prints = self._prints if self._tape_symbol == book.symbol else ()
            self._ladder = drawing.ladder_of(book, self._orders, self._leaders, self._positions, prints)
        return self._ladder

    # --- drawing ------------------------------------------------------------------------------------------------------

    @property
    def _rows(self) -> int:
        return max(0, self.size.height - _HEAD_LINES)

    def rebuild(self) -> None:
        width, rows = self.size.width, self._rows
        if not width or not self.size.height:
            return
        book = self._book
        if book is None:
            said = Run(" No book is told: the chart's symbol needs a login or a feed that tells depth.", "empty")
            self.draw([self.title([Run(self.NAME)]), fitted([said], width)])
            return
        ladder = self._ladder_now(book)
        market = ladder.market
        if self._cursor is None:
            self._cursor = market
        if market is not None and (self._centre is None or (self.follows and abs(market - self._centre) > rows // 4)):
            self._centre = market
        lines = [self._title(book, ladder), self._info(ladder)]
        if self._centre is None:
            lines.append(fitted([Run(" The book is empty.", "empty")], width))
        else:
            lines += self._ladder_lines(ladder, self._top(self._centre), rows, width)
        self.draw(lines[: self.size.height])

    def _top(self, centre: int) -> int:
        """The price of the first row, in ticks."""
        return centre + self._rows // 2

    def _ladder_lines(self, ladder: Ladder, top: int, rows: int, width: int) -> list[Line]:
        ends = (top, top - max(0, rows - 1))
        columns = Columns.of(width, max(len(drawing.price_text(end, ladder.tick)) for end in ends))
        most = max((*ladder.bids.values(), *ladder.asks.values()), default=0.0)
        lines = [fitted(drawing.head(columns), width, "head")]
        for ticks in range(top, top - rows, -1):
            at_cursor = ticks == self._cursor
            line = drawing.row(ladder, ticks, columns, most, at_cursor)
            lines.append(fitted(line, width, "/cursor" if at_cursor else ""))
        return lines

    def _title(self, book: BookShown, ladder: Ladder) -> Line:
        badge = drawing.badge_of(book, self._now_ns)
        runs = [
            Run(f"{self.NAME} · {clean(book.symbol)} · "),
            Run(badge, "" if badge == "live" else "warn"),
            *(Run(f" · {figure}") for figure in drawing.figures(ladder)),
        ]
        if entry := drawing.entry_text(self._positions, self._leaders, book.symbol):
            runs.append(Run(f" · {entry}"))
        if not self.follows:
            runs.append(Run(f" · scrolled, {called('depth_recentre')} follows"))
        return self.title(runs)

    def _info(self, ladder: Ladder) -> Line:
        if self._cursor is None:
            return fitted([Run(" ", "info")], self.size.width)
        on_screen = self._centre is not None and 0 <= self._top(self._centre) - self._cursor < self._rows
        return fitted([Run(f" {drawing.cursor_text(ladder, self._cursor, on_screen)}", "info")], self.size.width)

    # --- keys and mouse -----------------------------------------------------------------------------------------------

    def move_cursor(self, to: int) -> None:
        """Put the cursor on a price (ticks), and the price in view."""
        if self._centre is None or not self._rows:
            return
        self._cursor = max(1, to)
        top = self._top(self._centre)
        if self._cursor > top:
            self._scroll_by(self._cursor - top)
        elif self._cursor <= top - self._rows:
            self._scroll_by(self._cursor - (top - self._rows + 1))
        self.rebuild()

    def _scroll_by(self, ticks: int) -> None:
        if self._centre is not None:
            self._centre += ticks
            self.follows = False

    def action_price(self, by: int) -> None:
        """Move the cursor by so many ticks, up when above 0."""
        if self._cursor is not None:
            self.move_cursor(self._cursor + by)

    def action_price_page(self, by: int) -> None:
        self.action_price(by * max(1, self._rows - 1))

    def action_touch(self, side: str) -> None:
        """Put the cursor on the best bid or ask."""
        at = None if self._ladder is None else self._ladder.bid if side == "bid" else self._ladder.ask
        if at is not None:
            self.move_cursor(at)

    def action_recentre(self) -> None:
        """Follow the market again, with the cursor on it."""
        self.follows = True
        self._centre = self._cursor = None
        self.rebuild()

    def action_ask(self, kind: str) -> None:
        """Ask for something at the price under the cursor; whoever carries it out listens for `Asked`."""
        price = self.price_at_hand
        if price is not None:
            self.post_message(self.Asked(self, kind, self.symbol, price))

    def _wheel(self, ticks: int) -> None:
        self._scroll_by(ticks)
        self.rebuild()

    def on_mouse_scroll_up(self, _event: events.MouseScrollUp) -> None:
        self._wheel(1)

    def on_mouse_scroll_down(self, _event: events.MouseScrollDown) -> None:
        self._wheel(-1)

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is not None and offset.y >= _HEAD_LINES and self._centre is not None:
            self.move_cursor(self._top(self._centre) - (offset.y - _HEAD_LINES))
