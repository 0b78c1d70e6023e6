"""The positions pane: what each account holds, what its rule asks for, and the difference."""

from engine.seat import PositionRow, Role, Topic
from tui.columns import Cell, Column
from tui.grid import GridPane
from tui.text import age, average, money, pnl_look, signed


def _target(row: PositionRow, _now: int) -> Cell:
    return Cell("" if row.target_net is None else signed(row.target_net), "dim")


def _mark_price(row: PositionRow, _now: int) -> Cell:
    return Cell(f"{row.mark:,.2f}" if row.mark else "no mark", "" if row.mark else "warn")


COLUMNS: tuple[Column[PositionRow], ...] = (
    Column("account", 11, lambda r, _: Cell(r.account, "leader" if r.role is Role.LEADER else ""), lambda r: r.account),
    Column("symbol", 6, lambda r, _: Cell(r.symbol), lambda r: r.symbol),
    Column("net", 5, lambda r, _: Cell(signed(r.net_qty), "strong" if r.net_qty else "dim"), lambda r: r.net_qty, True),
    Column("target", 6, _target, lambda r: r.target_net or 0, right=True),
    Column("drift", 5, lambda r, _: Cell(r.drift, "alarm"), lambda r: r.drift, right=True),
    Column(
        "open P&L", 11, lambda r, _: Cell(money(r.open_pnl), pnl_look(r.open_pnl)), lambda r: r.open_pnl, True, drop=1
    ),
    Column("avg price", 10, lambda r, _: Cell(average(r.avg_price)), lambda r: r.avg_price, right=True, drop=3),
    Column("mark", 10, _mark_price, lambda r: r.mark, right=True, drop=4),
    Column(
        "realised",
        12,
        lambda r, _: Cell(money(r.realized_pnl), pnl_look(r.realized_pnl)),
        lambda r: r.realized_pnl,
        right=True,
        drop=2,
    ),
    Column("heard", 5, lambda r, now: Cell(age((now - r.as_of_ns) / 1e9), "dim"), lambda r: r.as_of_ns, True, drop=6),
    Column("group", 8, lambda r, _: Cell(r.group, "dim"), lambda r: r.group, drop=5, grow=True),
)


class PositionsPane(GridPane[PositionRow]):
    TOPIC = Topic.POSITIONS
    NAME = "POSITIONS"
    ROWS = ("position", "positions")
    EMPTY = "Every account is flat."
    COLUMNS = COLUMNS

    def row_key(self, row: PositionRow) -> str:
        return f"{row.account}/{row.symbol}"

    def row_state(self, row: PositionRow) -> str:
        return "" if row.net_qty or row.target_net else "dim"

    def summary(self) -> str:
        adrift = sum(bool(row.drift) for row in self.rows)
        return f"{adrift} off target" if adrift else ""

    def detail(self, row: PositionRow) -> str:
        target = "" if row.target_net is None else f" · its rule asks for {signed(row.target_net)}"
        return f"{row.account} holds {signed(row.net_qty)} {row.symbol}{target}"
