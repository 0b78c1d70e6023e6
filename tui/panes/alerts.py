"""The alerts pane: what the desk has told, newest first. The status line shows the newest whatever is filtered here.

What the trader has read is acknowledged (dim, with a tick) and what is acknowledged can be cleared; both are of this
seat alone, and the journal keeps every alert.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

from engine.seat import AlertRow, Topic
from tui.columns import Cell, Column
from tui.grid import GridPane
from tui.keymap import bindings, called
from tui.text import clock_time

_LOOKS = {"alarm": "alarm", "warn": "warn"}
GLYPHS = {"alarm": "‼", "warn": "!", "info": "·"}
LEVELS = (("info", "warn", "alarm"), ("warn", "alarm"), ("alarm",))
"""What is shown, one after the other by key: everything, what warns, alarms alone."""
READ = "✓"


def _level(row: AlertRow, _now: int) -> Cell:
    return Cell(row.level, _LOOKS.get(row.level, "dim"))


COLUMNS: tuple[Column[AlertRow], ...] = (
    Column("time", 8, lambda r, _: Cell(clock_time(r.at_ns), "dim"), lambda r: r.at_ns),
    Column("", 1, lambda r, _: Cell(GLYPHS.get(r.level, "·"), _LOOKS.get(r.level, "dim"))),
    Column("level", 5, _level, lambda r: [*GLYPHS, r.level].index(r.level)),
    Column("alert", 30, lambda r, _: Cell(r.text), None, grow=True),
)
_MARK = 1


class AlertsPane(GridPane[AlertRow]):
    TOPIC = Topic.ALERTS
    NAME = "ALERTS"
    ROWS = ("alert", "alerts")
    EMPTY = "Nothing to report."
    COLUMNS = COLUMNS
    BINDINGS: ClassVar[list[Any]] = bindings("alerts")

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._read: set[str] = set()
        self._cleared: set[str] = set()
        self._levels = 0

    # --- read, cleared, filtered ------------------------------------------------------------------------------------

    def arranged(self, rows: list[AlertRow]) -> list[AlertRow]:
        wanted = LEVELS[self._levels]
        return [
            row
            for row in rows
            if (row.level in wanted or row.level not in GLYPHS) and self.row_key(row) not in self._cleared
        ]

    @property
    def unread(self) -> int:
        """Alerts that warn and were not acknowledged."""
        return sum(row.level in _LOOKS and self.row_key(row) not in self._read for row in self._rows)

    def action_acknowledge(self) -> None:
        """The alert under the cursor was read, or, once more, was not."""
        if (row := self.current) is not None:
            self._read ^= {self.row_key(row)}
            self._look_again()

    def action_acknowledge_all(self) -> None:
        """Every alert that is shown was read."""
        self._read |= {self.row_key(row) for row in self._shown}
        self._look_again()

    def action_clear(self) -> None:
        """Take what was read off this screen."""
        self._cleared |= self._read
        self._look_again()

    def action_next_level(self) -> None:
        """Everything, then what warns, then alarms alone, and so on."""
        self._levels = (self._levels + 1) % len(LEVELS)
        self._look_again()

    def _look_again(self) -> None:
        kept = {self.row_key(row) for row in self._rows}  # of what the desk no longer shows nothing is remembered
        self._read &= kept
        self._cleared &= kept
        self._arrange()

    # --- lines ------------------------------------------------------------------------------------------------------

    def row_key(self, row: AlertRow) -> str:
        return f"{row.at_ns}/{row.text}"

    def cells_of(self, row: AlertRow) -> tuple[Cell, ...]:
        found = super().cells_of(row)
        if self.row_key(row) not in self._read:
            return found
        return tuple(Cell(READ if at == _MARK else cell.text, "dim") for at, cell in enumerate(found))

    def row_state(self, row: AlertRow) -> str:
        return "dim" if self.row_key(row) in self._read else ""

    def summary(self) -> str:
        alarms = sum(row.level == "alarm" and self.row_key(row) not in self._read for row in self._rows)
        levels = ("", "warnings and alarms", "alarms alone")[self._levels]
        said = f"{alarms} alarms" if alarms > 1 else "1 alarm" if alarms else ""
        key = called("alert_level") if levels else ""
        return " · ".join(part for part in (said, f"{levels}, {key} shows more" if levels else "") if part)

    def why_empty(self) -> Sequence[str]:
        if not self._rows:
            return (f" {self.EMPTY}",)
        return (f" Nothing of this level that was not cleared; {called('alert_level')} shows other levels.",)

    def detail(self, row: AlertRow) -> str:
        return row.text
