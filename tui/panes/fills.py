"""Where the desk's accounts were filled, for the chart: pure functions from orders and copies to lots within bars."""

from collections.abc import Callable, Collection, Iterable
from decimal import Decimal
from typing import NamedTuple

from engine.seat import CopyRow, OrderRow
from schema.records import Side
from schema.symbols import twin_of
from tui.panes.chart import Fills
from tui.panes.ladder import CROWN
from tui.text import average, counted


class Fill(NamedTuple):
    """What one order was filled with. `leader`: it is the leader's; all others count as followers'."""

    at_ns: int
    side: Side
    lots: int
    avg_price: Decimal | None
    leader: bool


def fills_of(
    orders: Iterable[OrderRow], copies: Iterable[CopyRow], symbol: str, leaders: Collection[str]
) -> tuple[Fill, ...]:
    """The fills in a contract or its twin: copies from their ledger, at the time of the leader's event; all other
    orders (the leader's, and those that no copy placed) at their last change."""
    symbols = (symbol, twin_of(symbol))
    found = [
        Fill(order.updated_ns, order.side, order.filled_qty, order.avg_price, order.account in leaders)
        for order in orders
        if order.filled_qty and order.symbol in symbols and (order.origin != "copy" or order.account in leaders)
    ]
    found += [
        Fill(copy.at_ns, copy.side, copy.filled_qty, copy.avg_price, False)
        for copy in copies
        if copy.filled_qty and copy.symbol in symbols
    ]
    return tuple(found)


def by_bar(fills: Iterable[Fill], bar_at: Callable[[int], int]) -> dict[int, list[Fill]]:
    """Fills by the bar that they fell in; those before the first bar are left out."""
    found: dict[int, list[Fill]] = {}
    for fill in fills:
        bar = bar_at(fill.at_ns)
        if bar >= 0:
            found.setdefault(bar, []).append(fill)
    return found


def summed(fills: Iterable[Fill]) -> Fills:
    """What the arrows of a bar stand for."""
    lots = {(leader, side): 0 for leader in (True, False) for side in Side}
    for fill in fills:
        lots[fill.leader, fill.side] += fill.lots
    return Fills(lots[True, Side.BUY], lots[True, Side.SELL], lots[False, Side.BUY], lots[False, Side.SELL])


def told(fills: Collection[Fill]) -> str:
    """``♛ buy 2 @ 4,812.25 · followers buy 40 in 20 orders``: what was filled in a bar; empty for nothing."""
    parts: list[str] = []
    for fill in fills:
        if fill.leader:
            at = f" @ {average(fill.avg_price)}" if fill.avg_price is not None else ""
            parts.append(f"{CROWN} {fill.side} {fill.lots}{at}")
    for side in Side:
        lots = [fill.lots for fill in fills if not fill.leader and fill.side is side]
        if lots:
            parts.append(f"followers {side} {sum(lots)} in {counted(len(lots), 'order', 'orders')}")
    return " · ".join(parts)
