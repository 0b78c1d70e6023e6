"""The orders pane: every order of the desk's accounts, newest first."""

from engine.seat import OrderRow, Topic
from schema.records import Side
from tui.columns import Cell, Column
from tui.grid import GridPane
from tui.text import average, clock_time, price

_STATUS_LOOKS = {
    "filled": "good",
    "working": "accent",
    "pending": "accent",
    "suspended": "warn",
    "canceled": "dim",
    "rejected": "alarm",
    "expired": "warn",
}
_TYPES = {"market": "mkt", "limit": "lmt", "stop": "stp", "stop_limit": "stl"}
_LIVE = ("working", "pending", "suspended")


def side_cell(side: Side) -> Cell:
    return Cell("buy", "up") if side is Side.BUY else Cell("sell", "down")


def _asked_price(row: OrderRow, _now: int) -> Cell:
    parts = [price(value) for value in (row.stop_price, row.limit_price) if value is not None]
    return Cell("/".join(parts))


def _origin(row: OrderRow, _now: int) -> Cell:
    return Cell(row.origin, "warn" if row.origin == "foreign" else "dim")


COLUMNS: tuple[Column[OrderRow], ...] = (
    Column("time", 8, lambda r, _: Cell(clock_time(r.updated_ns), "dim"), lambda r: r.updated_ns, drop=1),
    Column("account", 11, lambda r, _: Cell(r.account, "leader" if r.origin == "leader" else ""), lambda r: r.account),
    Column("symbol", 6, lambda r, _: Cell(r.symbol), lambda r: r.symbol),
    Column("side", 4, lambda r, _: side_cell(r.side), lambda r: r.side),
    Column("filled", 6, lambda r, _: Cell(f"{r.filled_qty}/{r.qty}"), lambda r: r.qty, right=True),
    Column("status", 8, lambda r, _: Cell(r.status, _STATUS_LOOKS.get(r.status, "")), lambda r: r.status),
    Column("type", 4, lambda r, _: Cell(_TYPES.get(r.order_type, r.order_type), "dim"), lambda r: r.order_type, drop=3),
    Column("avg price", 10, lambda r, _: Cell(average(r.avg_price)), lambda r: r.avg_price or 0, right=True, drop=2),
    Column("price", 9, _asked_price, None, right=True, drop=4),
    Column("origin", 7, _origin, lambda r: r.origin, drop=5),
    Column("order", 12, lambda r, _: Cell(r.order_id, "dim"), lambda r: r.order_id, drop=7),
    Column("venue said", 10, lambda r, _: Cell(r.text, "dim"), None, drop=6, grow=True),
)  # fmt: skip


class OrdersPane(GridPane[OrderRow]):
    TOPIC = Topic.ORDERS
    NAME = "ORDERS"
    ROWS = ("order", "orders")
    EMPTY = "No orders yet."
    COLUMNS = COLUMNS

    def row_key(self, row: OrderRow) -> str:
        return f"{row.account}/{row.order_id}/{row.cl_ord_id}"

    def summary(self) -> str:
        working = sum(row.status in _LIVE for row in self.rows)
        return f"{working} working" if working else ""

    def detail(self, row: OrderRow) -> str:
        told = f"{row.account} {row.side} {row.qty} {row.symbol} {row.order_type} · {row.status}"
        return " · ".join(part for part in (told, row.text, f"order {row.order_id}", row.cl_ord_id) if part)
