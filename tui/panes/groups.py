"""The headings of the accounts pane: a group's totals, one line above its accounts. Pure; `tui/panes/accounts.py` puts
them between the rows."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from engine.seat import AccountRow, Role
from schema.records import Record
from tui.columns import Cell
from tui.text import clean, millis, money, plain_money, pnl_look

NO_GROUP = "in no group"


class GroupTotals(Record, frozen=True):
    """A group as a line. `group` is empty for the accounts that are in none."""

    group: str
    leader: str
    accounts: int
    followers: int
    armed: int
    holding: int
    working: int
    day_pnl: Decimal
    open_pnl: Decimal
    balance: Decimal
    copies_ok: int
    copies_failed: int
    copies_skipped: int
    latency_p99_ms: float
    folded: bool

    @property
    def name(self) -> str:
        return self.group or NO_GROUP


def totals(group: str, rows: Sequence[AccountRow], *, folded: bool) -> GroupTotals:
    """The totals of a group's rows. Money is the followers' and the leader's together: it is the trader's all."""
    followers = [row for row in rows if row.role is Role.FOLLOWER]
    return GroupTotals(
        group=group,
        leader=next((row.account for row in rows if row.role is Role.LEADER), ""),
        accounts=len(rows),
        followers=len(followers),
        armed=sum(row.state == "armed" for row in followers),
        holding=sum(row.net_qty != 0 for row in rows),
        working=sum(row.working for row in rows),
        day_pnl=sum((row.day_pnl for row in rows), Decimal(0)),
        open_pnl=sum((row.open_pnl for row in rows), Decimal(0)),
        balance=sum((row.balance for row in rows), Decimal(0)),
        copies_ok=sum(row.copies_ok for row in rows),
        copies_failed=sum(row.copies_failed for row in rows),
        copies_skipped=sum(row.copies_skipped for row in rows),
        latency_p99_ms=max((row.latency_p99_ms for row in rows), default=-1.0),
        folded=folded,
    )


def cells(of: GroupTotals, titles: Iterable[str]) -> tuple[Cell, ...]:
    """The cells of a heading, under the columns of the accounts."""
    said = {
        "": Cell("▸" if of.folded else "▾", "accent"),
        "account": Cell(clean(of.name), "accent"),
        "state": Cell(f"{of.armed}/{of.followers} armed" if of.followers else "", _armed_look(of)),
        "position": Cell(f"{of.holding} hold" if of.holding else "flat", "dim"),
        "day P&L": Cell(money(of.day_pnl), pnl_look(of.day_pnl)),
        "open P&L": Cell(money(of.open_pnl), pnl_look(of.open_pnl)),
        "work": Cell(str(of.working) if of.working else "", "accent"),
        "ok": Cell(str(of.copies_ok), "dim"),
        "fail": Cell(str(of.copies_failed), "alarm" if of.copies_failed else "dim"),
        "skip": Cell(str(of.copies_skipped), "dim"),
        "p99": Cell(millis(of.latency_p99_ms), "dim"),
        "balance": Cell(plain_money(of.balance), "dim"),
        "why": Cell(f"led by {clean(of.leader)}" if of.leader else "", "dim"),
    }
    return tuple(said.get(title, Cell("")) for title in titles)


def _armed_look(of: GroupTotals) -> str:
    return "good" if of.followers and of.armed == of.followers else "warn"
