"""The drift pane: every follower that does not stand at its target, why, since when, and what will be done about it."""

from engine.seat import Topic
from engine.shown import DriftRow
from tui.columns import Cell, Column
from tui.grid import GridPane
from tui.text import age, clock_time, signed


def _held(row: DriftRow, _now: int) -> Cell:
    return Cell("?", "alarm") if row.held is None else Cell(signed(row.held), "strong" if row.held else "dim")


def _target(row: DriftRow, _now: int) -> Cell:
    return Cell("?" if row.target is None else signed(row.target), "dim")


def _delta(row: DriftRow, _now: int) -> Cell:
    return Cell(f"{row.delta:+}" if row.delta else "", "alarm")


def _foreign(row: DriftRow, _now: int) -> Cell:
    return Cell(f"{row.foreign:+}" if row.foreign else "", "warn")


def _for(row: DriftRow, now_ns: int) -> Cell:
    seconds = (now_ns - row.since_ns) / 1e9
    return Cell(age(seconds) or "now", "warn" if seconds >= 60 else "dim")


COLUMNS: tuple[Column[DriftRow], ...] = (
    Column("follower", 11, lambda r, _: Cell(r.account), lambda r: r.account),
    Column("symbol", 6, lambda r, _: Cell(r.symbol), lambda r: r.symbol),
    Column("held", 5, _held, lambda r: r.held or 0, right=True),
    Column("target", 6, _target, lambda r: r.target or 0, right=True),
    Column("delta", 5, _delta, lambda r: r.delta, right=True),
    Column("for", 4, _for, lambda r: r.since_ns, right=True),
    Column("others", 6, _foreign, lambda r: r.foreign, right=True, drop=2),
    Column("why", 26, lambda r, _: Cell(r.why), lambda r: r.why, drop=1, grow=True),
    Column("what will be done", 30, lambda r, _: Cell(r.will, "dim"), lambda r: r.will, grow=True),
    Column("group", 8, lambda r, _: Cell(r.group, "dim"), lambda r: r.group, drop=3),
)


class DriftPane(GridPane[DriftRow]):
    TOPIC = Topic.DRIFT
    NAME = "DRIFT"
    ROWS = ("follower off target", "followers off target")
    EMPTY = "Every follower that is on stands at its target."
    COLUMNS = COLUMNS

    def row_key(self, row: DriftRow) -> str:
        return f"{row.account}/{row.symbol}"

    def summary(self) -> str:
        unknown = sum(row.held is None for row in self.rows)
        return f"{unknown} not known" if unknown else ""

    def detail(self, row: DriftRow) -> str:
        held = "not known what it holds" if row.held is None else f"holds {signed(row.held)} {row.symbol}"
        target = "" if row.target is None else f"its rule says {signed(row.target)}"
        others = f"{row.foreign:+} of them not the desk's" if row.foreign else ""
        since = f"since {clock_time(row.since_ns)} UTC"
        return " · ".join(
            part for part in (f"{row.account} {held}", target, others, since, row.why, f"then: {row.will}") if part
        )
