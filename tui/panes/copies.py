"""The copy ledger: one row for each leader event and follower, with its decision and the reason."""

from typing import Any, ClassVar

from engine.seat import CopyRow, Topic
from schema.records import Decision
from tui.columns import Cell, Column
from tui.grid import GridPane
from tui.keymap import bindings
from tui.panes.orders import side_cell
from tui.text import average, clock_time, millis, signed

_DECISION_LOOKS = {
    Decision.PENDING: "accent",
    Decision.COPIED: "good",
    Decision.SKIPPED: "dim",
    Decision.REJECTED: "alarm",
    Decision.EXPIRED: "alarm",
    Decision.UNKNOWN: "alarm",
}
_FAILED = (Decision.REJECTED, Decision.EXPIRED, Decision.UNKNOWN)


def _why(row: CopyRow) -> str:
    return " · ".join(part for part in (row.order, row.reason) if part)


COLUMNS: tuple[Column[CopyRow], ...] = (
    Column("time", 12, lambda r, _: Cell(clock_time(r.at_ns, millis_too=True), "dim"), lambda r: r.at_ns),
    Column("follower", 11, lambda r, _: Cell(r.follower), lambda r: r.follower),
    Column("symbol", 6, lambda r, _: Cell(r.symbol), lambda r: r.symbol),
    Column("side", 4, lambda r, _: side_cell(r.side) if r.qty else Cell(""), lambda r: r.side),
    Column("filled", 6, lambda r, _: Cell(f"{r.filled_qty}/{r.qty}" if r.qty else ""), lambda r: r.qty, right=True),
    Column("decision", 8, lambda r, _: Cell(r.decision, _DECISION_LOOKS.get(r.decision, "warn")), lambda r: r.decision),
    Column("ms", 5, lambda r, _: Cell(millis(r.total_ms)), lambda r: r.total_ms, right=True, drop=2),
    Column("reason", 17, lambda r, _: Cell(_why(r), "dim"), _why, drop=1, grow=True),
    Column("target", 6, lambda r, _: Cell(signed(r.target_net), "dim"), lambda r: r.target_net, right=True, drop=4),
    Column("avg price", 10, lambda r, _: Cell(average(r.avg_price)), lambda r: r.avg_price or 0, right=True, drop=3),
    Column("leader", 11, lambda r, _: Cell(r.leader, "dim"), lambda r: r.leader, drop=5),
)  # fmt: skip


class CopiesPane(GridPane[CopyRow]):
    TOPIC = Topic.COPIES
    NAME = "COPIES"
    ROWS = ("copy", "copies")
    EMPTY = "The leader has not traded yet."
    COLUMNS = COLUMNS
    BINDINGS: ClassVar[list[Any]] = bindings("copies")

    def row_key(self, row: CopyRow) -> str:
        return f"{row.signal_id}/{row.follower}"

    def summary(self) -> str:
        failed = sum(row.decision in _FAILED for row in self.rows)
        return f"{failed} failed" if failed else ""

    def detail(self, row: CopyRow) -> str:
        what = f"{row.side} {row.qty} {row.symbol} {row.order}".rstrip() if row.qty else row.symbol
        told = f"{clock_time(row.at_ns, millis_too=True)} {row.follower} {what} · {row.decision}"
        return " · ".join(part for part in (told, row.reason, f"target {signed(row.target_net)}") if part)
