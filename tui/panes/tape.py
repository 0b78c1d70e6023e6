"""The tape pane: time and sales of the chart's symbol, newest first.

Every snapshot holds the last trades and how many there were in all, so that what passed between two of them is known
and counted. On the first row it runs; anywhere else, or held by a key, it stands still and counts what comes.
"""

from collections import deque
from decimal import Decimal
from itertools import islice
from typing import Any, ClassVar, NamedTuple

from engine.market.shown import Print, TapeShown, Truth
from engine.seat import Topic, View
from schema.market import Aggressor
from tui.columns import Cell, Column
from tui.grid import GridPane
from tui.keymap import bindings
from tui.panes.ladder import size_text
from tui.text import DOWN, UP, clean, clock_time, price

KEPT = 1_000
SIZES = (0.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0)
"""The least sizes that the keys step through."""
_BIG = 5.0  # times the average size
_BIG_AFTER = 20  # trades: before, an average says nothing
_SIDES = {Aggressor.BUY: ("B", "up", "+"), Aggressor.SELL: ("S", "down", "-"), Aggressor.NONE: ("·", "dim", "")}


class Printed(NamedTuple):
    """One trade of the tape. `number` counts the pane's trades; `big` marks one far above the average so far."""

    number: int
    symbol: str
    told: Print
    big: bool

    @property
    def size(self) -> float:
        return self.told.size

    @property
    def aggressor(self) -> Aggressor:
        return self.told.aggressor


def _price(value: float) -> str:
    return price(Decimal(repr(value)))


def _side(row: Printed, _now: int) -> Cell:
    letter, look, _ = _SIDES[row.aggressor]
    return Cell(letter, look)


def _size(row: Printed, _now: int) -> Cell:
    _, look, sign = _SIDES[row.aggressor]
    return Cell(f"{'◆ ' if row.big else ''}{sign}{size_text(row.size)}", look)


COLUMNS: tuple[Column[Printed], ...] = (
    Column("time", 12, lambda r, _: Cell(clock_time(r.told.ts_ns, millis_too=True), "dim"), drop=2),
    Column("price", 11, lambda r, _: Cell(_price(r.told.price)), lambda r: r.told.price, right=True),
    Column("side", 4, _side),
    Column("size", 9, _size, lambda r: r.size, right=True),
    Column("note", 8, lambda r, _: Cell(f"held: {r.told.held}" if r.told.held else "", "warn"), drop=1, grow=True),
)


class TapePane(GridPane[Printed]):
    """`bought` and `sold` are the lots of aggressors since the pane heard its first trade of the symbol; `unseen`
    trades came between two snapshots that did not hold them."""

    TOPIC = Topic.TAPE
    ALSO = (Topic.TRUTH,)
    NAME = "TAPE"
    ROWS = ("trade", "trades")
    EMPTY = "No trade is told: the chart's symbol needs a login or a feed that tells trades."
    COLUMNS = COLUMNS
    BINDINGS: ClassVar[list[Any]] = bindings("tape")

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._truths: tuple[Truth, ...] = ()
        self._least = 0
        self._begin("")

    def _begin(self, symbol: str) -> None:
        """Forget what was told of another symbol, or before the desk began to count anew."""
        self.symbol = symbol
        self._prints: deque[Printed] = deque(maxlen=KEPT)  # newest first
        self._tape_version = -1
        self._told = 0  # trades that there were in all, as the desk counts
        self._number = 0
        self._sum = 0.0
        self.bought = self.sold = 0.0
        self.unseen = 0
        self._since_ns = 0
        self.held = False
        self._shown_until = 0  # the number of the newest that is on the pane

    # --- data ---------------------------------------------------------------------------------------------------------

    @property
    def paused(self) -> bool:
        """It stands still: held, or the trader is further down."""
        return self.held or self._cursor > 0 or self.scroll_offset.y > 0

    @property
    def came(self) -> int:
        """Trades that came while it stands still, filtered or not."""
        return self._number - self._shown_until

    @property
    def least(self) -> float:
        """Smaller trades are not shown."""
        return SIZES[self._least]

    def show_also(self, view: View) -> None:
        """Take the counters of what was told."""
        self._truths = tuple(row for row in view.rows if isinstance(row, Truth))

    def show(self, view: View, now_ns: int) -> None:
        """Take what the newest snapshot has that the one before had not, whether it is on screen or not."""
        tape = next((row for row in view.rows if isinstance(row, TapeShown)), None)
        if tape is not None and view.version != self._tape_version:
            self._take(tape)
            self._tape_version = view.version
        if not self.size.width:
            return
        if not self.paused:
            self._run(now_ns)
        self._repaint_changed()

    def _take(self, tape: TapeShown) -> None:
        if tape.symbol != self.symbol or tape.trades < self._told:
            self._begin(tape.symbol)
        first = self._told == 0 and not self._prints
        fresh = tape.trades - self._told
        self._told = tape.trades
        new = tuple(islice(tape.prints, min(fresh, len(tape.prints))))
        if not first:
            self.unseen += fresh - len(new)
        for each in reversed(new):
            self._add(each)

    def _add(self, told: Print) -> None:
        big = self._number >= _BIG_AFTER and told.size >= _BIG * self._sum / self._number
        self._number += 1
        self._sum += told.size
        self._since_ns = self._since_ns or told.ts_ns
        if told.aggressor is Aggressor.BUY and not told.held:
            self.bought += told.size
        elif told.aggressor is Aggressor.SELL and not told.held:
            self.sold += told.size
        self._prints.appendleft(Printed(self._number, self.symbol, told, big))

    def _run(self, now_ns: int) -> None:
        """Show the newest, the cursor on it."""
        self._shown_until = self._number
        self._cursor, self._cursor_key = 0, ""
        self.show_rows(self._number, self._passing(), now_ns)

    def _passing(self) -> tuple[Printed, ...]:
        """The trades up to the newest that is on the pane, without those that are too small."""
        return tuple(row for row in self._prints if row.number <= self._shown_until and row.size >= self.least)

    # --- what the grid asks -------------------------------------------------------------------------------------------

    def row_key(self, row: Printed) -> str:
        return str(row.number)

    def row_state(self, row: Printed) -> str:
        return "dim" if row.told.held else "strong" if row.big else ""

    def heading(self) -> str:
        parts = [f"{self.NAME} {clean(self.symbol)}".rstrip()]
        if self.paused:
            parts.append(f"PAUSED, {self.came:,} came")
        return " · ".join(parts)

    def summary(self) -> str:
        delta = self.bought - self.sold
        arrow = UP if delta > 0 else DOWN if delta < 0 else " "
        parts = [f"size>={size_text(self.least)}"] if self.least else []
        parts.append(
            f"delta {arrow} {'+' if delta > 0 else '-' if delta < 0 else ''}{size_text(abs(delta))}"
            f" bought {size_text(self.bought)} sold {size_text(self.sold)}"
        )
        parts += self._lost()
        if self._since_ns:
            parts.append(f"since {clock_time(self._since_ns)}")
        return " · ".join(parts)

    def _lost(self) -> list[str]:
        """What of the market was not told, or not shown: 0 is said, too."""
        truth = next((each for each in self._truths if each.symbol == self.symbol), None)
        if truth is None:
            return [f"unseen {self.unseen:,}"] if self.unseen else []
        said = f"gaps {truth.gaps:,} missed {truth.missed:,} dropped {truth.dropped:,}"
        said += f" held {truth.held:,}" if truth.held else ""
        return [said + (f" unseen {self.unseen:,}" if self.unseen else "")]

    def detail(self, row: Printed) -> str:
        words = {Aggressor.BUY: "a buyer crossed", Aggressor.SELL: "a seller crossed"}
        told = f"{clock_time(row.told.ts_ns, millis_too=True)} {size_text(row.size)} @ {_price(row.told.price)}"
        parts = [told, words.get(row.aggressor, "nobody says who crossed")]
        if row.big:
            parts.append(f"at least {_BIG:.0f} times the average")
        if row.told.held:
            parts.append(f"kept off the candles: {row.told.held}")
        return " · ".join(parts)

    # --- keys ---------------------------------------------------------------------------------------------------------

    def action_hold(self) -> None:
        """Stand still, or run again from the newest."""
        if self.paused:
            self.held = False
            self._resume()
        else:
            self._run(self.now_ns)  # the pane may just have come on screen
            self.held = True
        self._repaint_changed()

    def action_edge(self, last: int) -> None:
        if last:
            super().action_edge(last)
        else:
            self.held = False
            self._resume()

    def _resume(self) -> None:
        self._cursor, self._cursor_key = 0, ""
        self.scroll_to(y=0, animate=False, immediate=True)
        self._run(self.now_ns)

    def action_least(self, by: int) -> None:
        """The next larger or smaller least size."""
        self._least = max(0, min(self._least + by, len(SIZES) - 1))
        self._version = -1
        if self.paused:
            self.show_rows(self._shown_until, self._passing(), self.now_ns)
        else:
            self._run(self.now_ns)
