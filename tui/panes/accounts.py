"""The accounts pane: who leads, who follows, what each may do now and how its copies went; one heading line with totals
above each group, which a key folds. On an empty desk it says what to do next."""

from collections.abc import Sequence
from typing import Any, ClassVar

from engine.seat import AccountRow, Role, Topic
from schema.records import Environment
from tui.columns import Cell, Column
from tui.grid import GridPane
from tui.keymap import bindings, called
from tui.panes.groups import GroupTotals, cells, totals
from tui.text import age, millis, money, plain_money, pnl_look

_STATE_LOOKS = {
    "armed": "good",
    "halted": "warn",
    "reduce-only": "warn",
    "close-only": "warn",
    "locked": "alarm",
    "syncing": "accent",
    "out-of-sync": "warn",
    "disarmed": "warn",
    "unknown": "alarm",
    "down": "alarm",
    "refused": "alarm",
    "off": "dim",
}
GLYPHS = {
    "armed": "●",
    "off": "○",
    "syncing": "◌",
    "out-of-sync": "≠",
    "disarmed": "⊘",
    "locked": "▣",
    "halted": "■",
    "reduce-only": "▽",
    "close-only": "▼",
    "unknown": "?",
    "down": "✕",
    "refused": "⊗",
}
"""A follower's state at a glance; the word stands beside it."""


def _mark(row: AccountRow, _now: int) -> Cell:
    if row.role is Role.LEADER:
        return Cell("♛", "leader")
    if row.role is Role.NONE:
        return Cell("·", "dim")
    return Cell(GLYPHS.get(row.state, "?"), _STATE_LOOKS.get(row.state, "warn"))


def _state(row: AccountRow, _now: int) -> Cell:
    if row.role is Role.NONE and row.state == "off":
        return Cell("no group", "dim")
    return Cell(row.state, _STATE_LOOKS.get(row.state, "warn"))


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


def _working(row: AccountRow, _now: int) -> Cell:
    return Cell(str(row.working) if row.working else "", "accent")


def _latency(value_ms: float) -> Cell:
    return Cell(millis(value_ms), "dim" if value_ms < 0 else "")


COLUMNS: tuple[Column[AccountRow], ...] = (
    Column("", 1, _mark),
    Column("account", 11, lambda r, _: Cell(r.account, "leader" if r.role is Role.LEADER else ""), lambda r: r.account),
    Column("state", 11, _state, lambda r: r.state),
    Column("position", 9, _position, lambda r: r.net_qty, right=True),
    Column("day P&L", 12, lambda r, _: Cell(money(r.day_pnl), pnl_look(r.day_pnl)), lambda r: r.day_pnl, right=True),
    Column(
        "open P&L",
        12,
        lambda r, _: Cell(money(r.open_pnl), pnl_look(r.open_pnl)),
        lambda r: r.open_pnl,
        right=True,
        drop=1,
    ),
    Column("work", 4, _working, lambda r: r.working, right=True, drop=2),
    Column("ok", 4, lambda r, _: _count(r.copies_ok, ""), lambda r: r.copies_ok, right=True),
    Column("fail", 4, lambda r, _: _count(r.copies_failed, "alarm"), lambda r: r.copies_failed, right=True),
    Column("p50", 5, lambda r, _: _latency(r.latency_p50_ms), lambda r: r.latency_p50_ms, right=True, drop=3),
    Column("p99", 5, lambda r, _: _latency(r.latency_p99_ms), lambda r: r.latency_p99_ms, right=True, drop=4),
    Column("skip", 4, lambda r, _: _count(r.copies_skipped, ""), lambda r: r.copies_skipped, right=True, drop=5),
    Column("rule", 18, lambda r, _: Cell(r.rule.replace("proportional", "prop")), lambda r: r.rule, drop=6),
    Column("budget", 7, _budget, lambda r: r.budget_left, right=True, drop=7),
    Column("heard", 5, _heard, lambda r: r.as_of_ns, right=True, drop=8),
    Column("balance", 12, lambda r, _: Cell(plain_money(r.balance)), lambda r: r.balance, right=True, drop=10),
    Column("group", 8, lambda r, _: Cell(r.group, "dim"), lambda r: r.group, drop=13),
    Column("connection", 10, lambda r, _: Cell(r.connection, "dim"), lambda r: r.connection, drop=12),
    Column("venue", 14, _venue, lambda r: r.venue, drop=11),
    Column("why", 12, lambda r, _: Cell(r.why, "dim"), lambda r: r.why, drop=9, grow=True),
)
_TITLES = tuple(column.title for column in COLUMNS)

Line = AccountRow | GroupTotals


class AccountsPane(GridPane[Any]):
    """Its rows are accounts, its lines accounts and headings. `shown`, `rows` and `current` are of accounts alone."""

    TOPIC = Topic.ACCOUNTS
    NAME = "ACCOUNTS"
    ROWS = ("account", "accounts")
    EMPTY = "No accounts yet: :add puts a login and its accounts on the desk."
    COLUMNS = COLUMNS
    BINDINGS: ClassVar[list[Any]] = bindings("accounts")

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._folded: set[str] = set()

    # --- groups -----------------------------------------------------------------------------------------------------

    def arranged(self, rows: list[Any]) -> list[Any]:
        """Each group's accounts under its heading, groups by name, those in none last."""
        of: dict[str, list[AccountRow]] = {}
        for row in rows:
            of.setdefault(row.group, []).append(row)
        whole: dict[str, list[AccountRow]] = {name: [] for name in of}
        for row in self._rows:
            if row.group in whole:
                whole[row.group].append(row)
        narrowed = len(rows) < len(self._rows)
        lines: list[Line] = []
        for name in sorted(of, key=lambda name: (not name, name)):
            folded = name in self._folded and not narrowed  # what a filter found is shown
            lines.append(totals(name, whole[name], folded=folded))
            if not folded:
                lines += of[name]
        return lines

    def selectable(self, row: Any) -> bool:
        """A heading only while it stands for its accounts."""
        return not isinstance(row, GroupTotals) or row.folded

    def count(self, rows: Sequence[Any]) -> int:
        return sum(row.accounts if isinstance(row, GroupTotals) and row.folded else 1 for row in rows) - sum(
            isinstance(row, GroupTotals) and not row.folded for row in rows
        )

    def action_fold(self) -> None:
        """Fold the group at hand into its heading, or unfold it."""
        line = self._line_at_hand
        if line is None:
            return
        self._folded ^= {line.group}
        self._arrange()
        at = next(
            (i for i, each in enumerate(self._shown) if isinstance(each, GroupTotals) and each.group == line.group), 0
        )
        self.move_cursor(at)

    def action_fold_all(self) -> None:
        """Fold every group, or, when all are, unfold them."""
        names = {row.group for row in self._rows}
        self._folded = set() if names <= self._folded else names
        self._arrange()
        self.move_cursor(0)

    # --- what others see --------------------------------------------------------------------------------------------

    @property
    def _line_at_hand(self) -> Line | None:
        return self._shown[self._cursor] if self._shown else None

    @property
    def current(self) -> AccountRow | None:
        """The account under the cursor; None on a heading."""
        line = self._line_at_hand
        return line if isinstance(line, AccountRow) else None

    @property
    def group_at_hand(self) -> str:
        """The group of the line under the cursor; empty when it is in none."""
        line = self._line_at_hand
        return line.group if line is not None else ""

    @property
    def shown(self) -> Sequence[AccountRow]:
        """The accounts on screen, filtered and in order."""
        return [row for row in self._shown if isinstance(row, AccountRow)]

    # --- lines ------------------------------------------------------------------------------------------------------

    def row_key(self, row: Any) -> str:
        return f"/{row.group}" if isinstance(row, GroupTotals) else row.account

    def cells_of(self, row: Any) -> tuple[Cell, ...]:
        return cells(row, _TITLES) if isinstance(row, GroupTotals) else super().cells_of(row)

    def row_state(self, row: Any) -> str:
        if isinstance(row, GroupTotals):
            return "accent"
        return "dim" if row.role is Role.FOLLOWER and not row.enabled else ""

    def summary(self) -> str:
        followers = [row for row in self._rows if row.role is Role.FOLLOWER]
        armed = sum(row.state == "armed" for row in followers)
        if followers:
            off = f", {called('arm')} arms" if any(row.state == "off" for row in followers) else ""
            return f"{armed} of {len(followers)} followers armed{off}"
        if self._rows and not any(row.role is Role.LEADER for row in self._rows):
            return f"none leads yet: {called('lead')} makes one the leader"
        return f"nobody follows yet: {called('add_login')} adds a login" if self._rows else ""

    def detail(self, row: Any) -> str:
        if isinstance(row, GroupTotals):
            led = f"led by {row.leader}" if row.leader else "nobody leads it"
            return f"{row.name} · {led} · {row.armed} of {row.followers} followers armed"
        parts = [row.account, row.state, row.why, row.rule, f"{row.venue} {row.environment}", row.connection]
        return " · ".join(part for part in parts if part)

    def why_empty(self) -> Sequence[str]:
        """The way from here to a group that copies."""
        add, lead, arm = (called(name) for name in ("add_login", "lead", "arm"))
        return (
            f" {self.EMPTY}",
            "",
            f" 1  {add}  adds a login: venue, user name, password. It is tried at its venue, then its accounts are",
            "       listed: choose the one that leads, and which of them follow.",
            f" 2  {add}  again for each further login: its accounts follow in the same group.",
            f" 3  {arm}  opens the checklist of the group, and arms who passes it.",
            "",
            f" Another leader is chosen by {lead} on an account. {called('help')} shows every key.",
            "",
            " To practise without a broker, run `copydesk sandbox` in another terminal: the page that",
            f" {add} opens then offers its logins, ready to go. `copydesk demo` shows a desk at work.",
        )
