"""The watchlist pane: one list of symbols with their prices, in the order the trader gave them."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, ClassVar

from engine.seat import Topic, View, WatchlistRow, WatchRow
from tui.columns import Cell, Column
from tui.grid import GridPane
from tui.keymap import bindings, called
from tui.text import age, clean, price, signed_price


def _price(value: float | None) -> Cell:
    return Cell("-" if value is None else price(Decimal(str(value))), "dim" if value is None else "")


def _change(row: WatchRow, _now: int) -> Cell:
    if row.change is None:
        return Cell("-", "dim")
    return Cell(signed_price(row.change), "up" if row.change > 0 else "down" if row.change < 0 else "dim")


def _percent(row: WatchRow, _now: int) -> Cell:
    if row.change is None or not row.first:
        return Cell("")
    return Cell(f"{row.change / row.first:+.2%}", "dim")


def _heard(row: WatchRow, now: int) -> Cell:
    return Cell(age((now - row.as_of_ns) / 1e9) if row.as_of_ns else "", "dim")


COLUMNS: tuple[Column[WatchRow], ...] = (
    Column("symbol", 10, lambda r, _: Cell(r.symbol, "strong"), lambda r: r.symbol),
    Column("last", 10, lambda r, _: _price(r.last), lambda r: r.last or 0.0, right=True),
    Column("change", 9, _change, lambda r: r.change or 0.0, right=True),
    Column("bid", 10, lambda r, _: _price(r.bid), lambda r: r.bid or 0.0, right=True, drop=2),
    Column("ask", 10, lambda r, _: _price(r.ask), lambda r: r.ask or 0.0, right=True, drop=2),
    Column("%", 7, _percent, lambda r: (r.change or 0.0) / (r.first or 1.0), right=True, drop=3),
    Column("heard", 5, _heard, lambda r: r.as_of_ns, right=True, drop=1),
    Column("source", 8, lambda r, _: Cell(r.source, "dim"), lambda r: r.source, drop=5),
    Column("exchange", 8, lambda r, _: Cell(r.exchange, "dim"), lambda r: r.exchange, drop=6),
    Column("name", 12, lambda r, _: Cell(r.description, "dim"), lambda r: r.description, drop=4, grow=True),
)


class WatchPane(GridPane[WatchRow]):
    """Shows the list that was chosen last, else the first by name."""

    TOPIC = Topic.WATCHLISTS
    NAME = "WATCH"
    ROWS = ("symbol", "symbols")
    EMPTY = "No symbol is watched."
    COLUMNS = COLUMNS
    BINDINGS: ClassVar[list[Any]] = bindings("watch")

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._chosen = ""
        self.names: tuple[str, ...] = ()

    @property
    def list_name(self) -> str:
        """The list that is shown; empty when there is none."""
        same = [name for name in self.names if name.casefold() == self._chosen.casefold()]
        return (same or [*self.names, ""])[0]

    def choose(self, name: str) -> None:
        """Show this list from the next painting on, as soon as there is one."""
        self._chosen = name
        self._cursor, self._cursor_key = 0, ""
        self._version = -1

    def show(self, view: View, now_ns: int) -> None:
        lists = {row.name: row.rows for row in view.rows if isinstance(row, WatchlistRow)}
        self.names = tuple(lists)
        self.show_rows(view.version, lists.get(self.list_name, ()), now_ns)

    def row_key(self, row: WatchRow) -> str:
        return f"{row.source}/{row.symbol}"

    def row_state(self, row: WatchRow) -> str:
        return "" if row.as_of_ns else "dim"

    def heading(self) -> str:
        return f"WATCH {clean(self.list_name)}".rstrip()

    def why_empty(self) -> Sequence[str]:
        return (f" {called('find')} finds a symbol to watch.",)

    def summary(self) -> str:
        return f"{called('next_list')}: {len(self.names) - 1} more" if len(self.names) > 1 else ""

    def detail(self, row: WatchRow) -> str:
        first = "" if row.first is None else f"from {price(Decimal(str(row.first)))}, the first seen this trading day"
        told = f"{row.symbol} {row.description}".strip()
        return " · ".join(part for part in (told, row.exchange, f"source {row.source}", first) if part)
