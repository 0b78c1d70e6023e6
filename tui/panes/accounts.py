"""The accounts pane: who leads, who follows, what each may do now and how its copies went."""

from typing import Any, ClassVar

from engine.seat import AccountRow, Role, Topic
from schema.records import Environment
from tui.columns import Cell, Column
from tui.grid import GridPane
from tui.keymap import bindings
from tui.text import age, millis, money, pnl_look

_STATE_LOOKS = {
    "armed": "good",
    "halted": "warn",
    "reduce-only": "warn",
    "close-only": "warn",
    "syncing": "accent",
    "out-of-sync": "warn",
    "disarmed": "warn",
    "unknown": "alarm",
    "down": "alarm",
    "refused": "alarm",
    "off": "dim",
}


def _mark(row: AccountRow, _now: int) -> Cell:
    if row.role is Role.LEADER:
        return Cell("♛", "leader")
    if row.role is Role.NONE:
        return Cell("")
    return Cell("●", "good") if row.enabled else Cell("○", "dim")


def _position(row: AccountRow, _now: int) -> Cell:
    if row.position == "?":
        return Cell("?", "alarm")
    return Cell(row.position, "dim" if row.position == "flat" else "strong")


def _venue(row: AccountRow, _now: int) -> Cell:
    if row.environment is Environment.LIVE:
        return Cell(f"{row.venue} LIVE", "warn")
    return Cell(f"{row.venue} demo", "dim")


def _heard(row: AccountRow, now_ns: int) -> Cell:
    if row.as_of_ns <= 0:
        return Cell("never", "warn")
    seconds = (now_ns - row.as_of_ns) / 1e9
    return Cell(age(seconds), "warn" if seconds >= 120 else "dim")


def _budget(row: AccountRow, _now: int) -> Cell:
    if row.budget_per_min <= 0:
        return Cell("-", "dim")
    low = row.budget_left * 5 < row.budget_per_min
    return Cell(f"{row.budget_left}/{row.budget_per_min}", "warn" if low else "dim")


def _count(value: int, look: str) -> Cell:
    return Cell(str(value), look if value else "dim")


def _latency(value_ms: float) -> Cell:
    return Cell(millis(value_ms), "dim" if value_ms < 0 else "")


COLUMNS: tuple[Column[AccountRow], ...] = (
    Column("", 1, _mark),
    Column("account", 11, lambda r, _: Cell(r.account, "leader" if r.role is Role.LEADER else ""), lambda r: r.account),
    Column("state", 11, lambda r, _: Cell(r.state, _STATE_LOOKS.get(r.state, "warn")), lambda r: r.state),
    Column("position", 9, _position, lambda r: r.net_qty, right=True),
    Column("day P&L", 12, lambda r, _: Cell(money(r.day_pnl), pnl_look(r.day_pnl)), lambda r: r.day_pnl, right=True),
    Column("ok", 4, lambda r, _: _count(r.copies_ok, ""), lambda r: r.copies_ok, right=True),
    Column("fail", 4, lambda r, _: _count(r.copies_failed, "alarm"), lambda r: r.copies_failed, right=True),
    Column("p50", 5, lambda r, _: _latency(r.latency_p50_ms), lambda r: r.latency_p50_ms, right=True, drop=1),
    Column("p99", 5, lambda r, _: _latency(r.latency_p99_ms), lambda r: r.latency_p99_ms, right=True, drop=2),
    Column("skip", 4, lambda r, _: _count(r.copies_skipped, ""), lambda r: r.copies_skipped, right=True, drop=3),
    Column(
        "open P&L",
        12,
        lambda r, _: Cell(money(r.open_pnl), pnl_look(r.open_pnl)),
        lambda r: r.open_pnl,
        right=True,
        drop=4,
    ),
    Column("rule", 18, lambda r, _: Cell(r.rule.replace("proportional", "prop")), lambda r: r.rule, drop=5),
    Column("budget", 7, _budget, lambda r: r.budget_left, right=True, drop=6),
    Column("heard", 5, _heard, lambda r: r.as_of_ns, right=True, drop=7),
    Column("balance", 12, lambda r, _: Cell(f"{r.balance:,.2f}"), lambda r: r.balance, right=True, drop=9),
    Column("group", 8, lambda r, _: Cell(r.group, "dim"), lambda r: r.group, drop=11),
    Column("connection", 10, lambda r, _: Cell(r.connection, "dim"), lambda r: r.connection, drop=12),
    Column("venue", 14, _venue, lambda r: r.venue, drop=10),
    Column("why", 12, lambda r, _: Cell(r.why, "dim"), lambda r: r.why, drop=8, grow=True),
)


class AccountsPane(GridPane[AccountRow]):
    TOPIC = Topic.ACCOUNTS
    NAME = "ACCOUNTS"
    ROWS = ("account", "accounts")
    EMPTY = "No accounts yet: :add puts a login and its accounts on the desk."
    COLUMNS = COLUMNS
    BINDINGS: ClassVar[list[Any]] = bindings("accounts")

    def row_key(self, row: AccountRow) -> str:
        return row.account

    def row_state(self, row: AccountRow) -> str:
        return "dim" if row.role is Role.FOLLOWER and not row.enabled else ""

    def summary(self) -> str:
        followers = [row for row in self.rows if row.role is Role.FOLLOWER]
        armed = sum(row.state == "armed" for row in followers)
        return f"{armed} of {len(followers)} followers armed" if followers else ""

    def detail(self, row: AccountRow) -> str:
        parts = [row.account, row.state, row.why, row.rule, f"{row.venue} {row.environment}", row.connection]
        return " · ".join(part for part in parts if part)
