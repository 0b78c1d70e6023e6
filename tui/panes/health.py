"""The health pane: the process, the database, each login and each feed, one line each, with what is wrong in words."""

import os
from collections.abc import Callable, Sequence
from typing import Any

from engine.seat import Topic, View
from engine.shown import ConnectionShown, PostgresShown, ProcessShown
from schema.market import FeedHealth
from schema.records import Record
from tui.columns import Cell, Column
from tui.grid import GridPane
from tui.text import clean, counted, millis

LAG_BAR_MS = 50.0
"""A loop that is later than this at p99 keeps orders waiting."""
_GLYPHS = {"good": "●", "warn": "!", "alarm": "✕", "dim": "○"}
_UP = {
    "up": "good",
    "idle": "good",
    "starting": "accent",
    "connecting": "accent",
    "syncing": "accent",
    "reconnecting": "warn",
}


class HealthLine(Record, frozen=True):
    """One line. Milliseconds are -1 where there are none; `heard_ns` is when it last spoke, 0 where it does not say."""

    kind: str
    name: str
    state: str
    look: str
    heard_s: float
    p50_ms: float
    p99_ms: float
    again: str
    budget: str
    told: str


def process_line(row: ProcessShown) -> HealthLine:
    slow = row.loop_lag_p99_ms > LAG_BAR_MS
    told = [
        f"memory {row.rss_mb:.0f} MB",
        counted(row.tasks, "task", "tasks"),
        counted(row.threads, "thread", "threads"),
    ]
    told += [f"{row.fds} files"] if row.fds >= 0 else []
    told += [f"last full collection {millis(row.collect_ms)} ms"] if row.collect_ms >= 0 else []
    return HealthLine(
        kind="process",
        name=f"pid {row.pid}",
        state="slow" if slow else "up",
        look="warn" if slow else "good",
        heard_s=-1.0,
        p50_ms=row.loop_lag_p50_ms,
        p99_ms=row.loop_lag_p99_ms,
        again="",
        budget="",
        told=", ".join(told),
    )


def postgres_line(row: PostgresShown) -> HealthLine:
    told = [row.reason] if row.reason else []
    told += (
        [f"{counted(row.commits, 'commit', 'commits')}, the longest {millis(row.commit_max_ms)} ms"]
        if row.commits
        else []
    )
    told += [f"{counted(row.waiting, 'row', 'rows')} waiting"] if row.waiting else ["nothing waiting"]
    told += [f"last write {millis(row.flush_ms)} ms"] if row.flush_ms >= 0 else []
    return HealthLine(
        kind="journal",
        name="postgres",
        state="up" if row.up else "down",
        look="good" if row.up else "alarm",
        heard_s=-1.0,
        p50_ms=row.commit_p50_ms,
        p99_ms=row.commit_p99_ms,
        again="",
        budget="",
        told=", ".join(told),
    )


def connection_line(row: ConnectionShown, now_ns: int) -> HealthLine:
    told = [row.reason] if row.reason and row.state != "up" else []
    if row.breaker != "closed":
        told.append(
            f"breaker {row.breaker} after {counted(row.failures, 'failure', 'failures')}: entries wait, exits go"
        )
    told += [f"{row.unreadable} messages unreadable"] if row.unreadable else []
    told += [f"{row.venue} {row.environment}", counted(row.accounts, "account", "accounts")]
    look = _UP.get(row.state, "alarm")
    return HealthLine(
        kind="login",
        name=row.connection,
        state=row.state,
        look="warn" if look == "good" and row.breaker != "closed" else look,
        heard_s=(now_ns - row.heard_ns) / 1e9 if row.heard_ns else -1.0,
        p50_ms=row.round_trip_ms,
        p99_ms=-1.0,
        again=str(row.reconnects) if row.reconnects else "",
        budget=f"{row.budget_left}/{row.budget_per_min}" if row.budget_per_min > 0 else "",
        told=", ".join(told),
    )


def feed_line(row: FeedHealth) -> HealthLine:
    told = [f"lag {millis(row.lag_ms)} ms"] if row.lag_ms >= 0 else []
    told += [counted(row.gaps, "gap", "gaps")] if row.gaps else []
    told += [f"{row.dropped} dropped"] if row.dropped else []
    told += [f"{row.catchup_candles_total} candles caught up"] if row.catchup_candles_total else []
    return HealthLine(
        kind="feed",
        name=row.source,
        state=row.ws_state,
        look=_UP.get(row.ws_state, "alarm"),
        heard_s=row.last_msg_age_ms / 1e3 if row.last_msg_age_ms >= 0 else -1.0,
        p50_ms=-1.0,
        p99_ms=-1.0,
        again=str(row.reconnects) if row.reconnects else "",
        budget="",
        told=", ".join(told),
    )


def seat_line(environment: Callable[[str], str | None]) -> HealthLine:
    """This seat's own terminal: what becomes of it when the line drops."""
    tmux = bool(environment("TMUX"))
    remote = bool(environment("SSH_TTY") or environment("SSH_CONNECTION"))
    exposed = remote and not tmux
    return HealthLine(
        kind="seat",
        name="terminal",
        state="in tmux" if tmux else "no tmux",
        look="good" if tmux else "warn" if exposed else "dim",
        heard_s=-1.0,
        p50_ms=-1.0,
        p99_ms=-1.0,
        again="",
        budget="",
        told="over ssh without tmux: when the line drops the desk goes on and this screen is gone"
        if exposed
        else "over ssh"
        if remote
        else "on this machine",
    )


def heard(seconds: float) -> str:
    """How long ago, in steps that seldom repaint."""
    if seconds < 0:
        return ""
    if seconds < 10:
        return f"{seconds:.0f}s"
    return f"{seconds // 10 * 10:.0f}s" if seconds < 60 else f"{seconds // 60:.0f}m" if seconds < 3600 else "1h+"


def _heard(row: HealthLine, _now: int) -> Cell:
    return Cell(heard(row.heard_s), "warn" if row.heard_s >= 30 else "dim")


def _ms(value_ms: float) -> Cell:
    return Cell(millis(value_ms) if value_ms >= 0 else "", "warn" if value_ms > LAG_BAR_MS else "")


COLUMNS: tuple[Column[HealthLine], ...] = (
    Column("", 1, lambda r, _: Cell(_GLYPHS.get(r.look, "◌"), r.look)),
    Column("what", 7, lambda r, _: Cell(r.kind, "dim"), lambda r: r.kind),
    Column("name", 12, lambda r, _: Cell(r.name, "strong"), lambda r: r.name),
    Column("state", 12, lambda r, _: Cell(r.state, r.look), lambda r: r.state),
    Column("heard", 5, _heard, lambda r: r.heard_s, right=True, drop=1),
    Column("p50", 5, lambda r, _: _ms(r.p50_ms), lambda r: r.p50_ms, right=True, drop=2),
    Column("p99", 5, lambda r, _: _ms(r.p99_ms), lambda r: r.p99_ms, right=True, drop=3),
    Column("again", 5, lambda r, _: Cell(r.again, "warn"), lambda r: r.again, right=True, drop=5),
    Column("budget", 9, lambda r, _: Cell(r.budget, "dim"), lambda r: r.budget, right=True, drop=4),
    Column("and", 24, lambda r, _: Cell(r.told, "dim"), None, grow=True),
)


class HealthPane(GridPane[HealthLine]):
    """Also reads `Topic.FEEDS` (`show_also`). Ages are told in whole seconds, so it repaints once a second at most."""

    TOPIC = Topic.HEALTH
    NAME = "HEALTH"
    ROWS = ("part", "parts")
    EMPTY = "The desk has not said yet how it is."
    COLUMNS = COLUMNS

    def __init__(self, *, id: str | None = None, environment: Callable[[str], str | None] = os.environ.get) -> None:
        super().__init__(id=id)
        self._environment = environment
        self._feeds: Sequence[FeedHealth] = ()
        self._feeds_version = -1
        self._turn = 0
        self._taken: tuple[int, int] = (-1, -1)

    def show_also(self, view: View) -> None:
        self._feeds = [row for row in view.rows if isinstance(row, FeedHealth)]
        self._feeds_version = view.version

    def show(self, view: View, now_ns: int) -> None:
        if (view.version, self._feeds_version) == self._taken:
            return
        self._taken = (view.version, self._feeds_version)
        self._turn += 1
        self.show_rows(self._turn, self._lines(view.rows, now_ns), now_ns)

    def _lines(self, rows: Sequence[Any], now_ns: int) -> list[HealthLine]:
        lines: list[HealthLine] = []
        for row in rows:
            match row:
                case ProcessShown():
                    lines.append(process_line(row))
                case PostgresShown():
                    lines.append(postgres_line(row))
                case ConnectionShown():
                    lines.append(connection_line(row, now_ns))
                case _:
                    continue
        return [*lines, *map(feed_line, self._feeds), seat_line(self._environment)] if lines else []

    def row_key(self, row: HealthLine) -> str:
        return f"{row.kind}/{row.name}"

    def summary(self) -> str:
        bad = [row for row in self.rows if row.look in ("alarm", "warn")]
        return f"{len(bad)} not well: {', '.join(clean(row.name) for row in bad[:3])}" if bad else "all well"

    def detail(self, row: HealthLine) -> str:
        return " · ".join(part for part in (f"{row.kind} {row.name}", row.state, row.told) if part)
