"""The latency pane: each stage of a copy against what it may take, as bars, and below it the newest copies, each as one
bar of its five stages.

A stage's bar is as long as its p99 is of the budget, with a mark where the budget ends; the mark and the word stand for
the colour as well. `engine/waterfall.py` says what the stages are.
"""

from collections.abc import Sequence
from typing import ClassVar

from engine.seat import Topic, View
from engine.shown import CopyTimes, StageShown
from engine.waterfall import BUDGET_MS, SLA_MS, STAGES
from schema.records import Record
from tui.columns import Cell, Column
from tui.grid import GridPane
from tui.text import clock_time, millis

BAR = 30
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_LETTERS = {"detect": "d", "publish": "p", "fan-out": "f", "venue": "v", "collect": "c"}


class LatencyLine(Record, frozen=True):
    """One line: a stage of all copies, or one copy."""

    key: str
    name: str
    p50: str
    p99: str
    max: str
    budget: str
    bar: str
    said: str
    look: str


def bar(share: float, width: int = BAR) -> str:
    """A bar of `share` of its width, in eighths of a cell; what is more than all of it ends in ``▶``."""
    if share > 1:
        return "█" * (width - 1) + "▶"
    cells, eighths = divmod(round(max(0.0, share) * width * 8), 8)
    return "█" * cells + (_EIGHTHS[eighths] if eighths else "")


def stage_line(row: StageShown) -> LatencyLine:
    over = row.p99 > row.budget_ms
    worst = row.max > SLA_MS and row.stage == "total"
    look = "alarm" if worst else "warn" if over else "good" if row.count else "dim"
    said = f"{row.over} of {row.count} over" if row.over else "in budget" if row.count else "no copy yet"
    if worst:
        said = f"{said}, the longest above {SLA_MS / 1e3:g} s"
    budget = bar(row.p99 / row.budget_ms).ljust(BAR) if row.count else " " * BAR
    return LatencyLine(
        key=row.stage,
        name=row.stage,
        p50=_shown(row.p50, row.count),
        p99=_shown(row.p99, row.count),
        max=_shown(row.max, row.count),
        budget=f"{row.budget_ms:g}",
        bar=f"{budget}┃",
        said=said,
        look=look,
    )


def _shown(ms: float, count: int) -> str:
    return millis(ms) if count else "-"


def copy_bar(row: CopyTimes, scale_ms: float, width: int = BAR) -> str:
    """The five stages one after the other, a letter for each cell of its time; every stage that took time has one."""
    cells: list[str] = []
    for stage, ms in zip(STAGES, row.stages_ms, strict=True):
        if ms > 0:
            cells.append(_LETTERS[stage] * max(1, round(ms / scale_ms * width)))
    return "".join(cells)[: width + 1]


def copy_line(row: CopyTimes, scale_ms: float) -> LatencyLine:
    over = [f"{stage} {millis(ms)}" for stage, ms in zip(STAGES, row.stages_ms, strict=True) if ms > BUDGET_MS[stage]]
    told = " ".join(
        f"{_LETTERS[stage]} {millis(ms) if ms >= 0 else '?'}" for stage, ms in zip(STAGES, row.stages_ms, strict=True)
    )
    late = row.total_ms > BUDGET_MS["total"]
    return LatencyLine(
        key=f"{row.signal_id}/{row.follower}",
        name=row.follower,
        p50="",
        p99="",
        max=millis(row.total_ms),
        budget=clock_time(row.at_ns)[:8],
        bar=copy_bar(row, scale_ms),
        said=f"over: {', '.join(over)} · {told}" if over else told,
        look="alarm" if row.total_ms > SLA_MS else "warn" if late or over else "",
    )


COLUMNS: tuple[Column[LatencyLine], ...] = (
    Column("stage", 11, lambda r, _: Cell(r.name, "strong")),
    Column("p50", 5, lambda r, _: Cell(r.p50), right=True, drop=2),
    Column("p99", 5, lambda r, _: Cell(r.p99, r.look), right=True, drop=1),
    Column("max", 5, lambda r, _: Cell(r.max, r.look), right=True),
    Column("budget", 8, lambda r, _: Cell(r.budget, "dim"), right=True),
    Column("", BAR + 1, lambda r, _: Cell(r.bar, r.look or "accent"), drop=3),
    Column("and", 20, lambda r, _: Cell(r.said, r.look if r.look in ("warn", "alarm") else "dim"), grow=True),
)


class LatencyPane(GridPane[LatencyLine]):
    TOPIC = Topic.LATENCY
    NAME = "LATENCY"
    ROWS = ("copy", "copies")
    EMPTY = "No copy was filled yet: the stages are timed from the first on."
    COLUMNS: ClassVar[Sequence[Column[LatencyLine]]] = COLUMNS

    def show(self, view: View, now_ns: int) -> None:
        if view.version == self._version:
            return
        stages = [row for row in view.rows if isinstance(row, StageShown)]
        copies = [row for row in view.rows if isinstance(row, CopyTimes)]
        scale_ms = max((row.total_ms for row in copies), default=1.0) or 1.0
        lines = [*map(stage_line, stages), *(copy_line(row, scale_ms) for row in copies)]
        self.show_rows(view.version, lines, now_ns)

    def row_key(self, row: LatencyLine) -> str:
        return row.key

    def count(self, rows: Sequence[LatencyLine]) -> int:
        return sum(row.key not in BUDGET_MS for row in rows)

    def summary(self) -> str:
        over = [row.name for row in self.rows if row.key in BUDGET_MS and row.look in ("warn", "alarm")]
        legend = "bars: p99 of budget ┃ · copies: detect publish fan-out venue collect"
        return f"OVER BUDGET: {', '.join(over)}" if over else legend

    def detail(self, row: LatencyLine) -> str:
        return f"{row.name} · {row.said}"
