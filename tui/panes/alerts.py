"""The alerts pane: what the desk has told, newest first. The status line shows the newest whatever is filtered here."""

from engine.seat import AlertRow, Topic
from tui.columns import Cell, Column
from tui.grid import GridPane
from tui.text import clock_time

_LOOKS = {"alarm": "alarm", "warn": "warn"}

COLUMNS: tuple[Column[AlertRow], ...] = (
    Column("time", 8, lambda r, _: Cell(clock_time(r.at_ns), "dim"), lambda r: r.at_ns),
    Column("level", 5, lambda r, _: Cell(r.level, _LOOKS.get(r.level, "dim")), lambda r: r.level),
    Column("alert", 30, lambda r, _: Cell(r.text), None, grow=True),
)


class AlertsPane(GridPane[AlertRow]):
    TOPIC = Topic.ALERTS
    NAME = "ALERTS"
    ROWS = ("alert", "alerts")
    EMPTY = "Nothing to report."
    COLUMNS = COLUMNS

    def row_key(self, row: AlertRow) -> str:
        return f"{row.at_ns}/{row.text}"

    def summary(self) -> str:
        alarms = sum(row.level == "alarm" for row in self.rows)
        return f"{alarms} alarms" if alarms > 1 else "1 alarm" if alarms else ""

    def detail(self, row: AlertRow) -> str:
        return row.text
