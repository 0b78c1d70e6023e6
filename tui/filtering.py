"""Saved filters over the rows of panes: which row a filter shows. `tui/app.py` gives the panes what this makes."""

from collections.abc import Callable

from engine.seat import AlertRow, OrderRow
from schema.market import Aggressor, Trade
from schema.records import Side
from schema.watchlists import SavedFilter
from tui.panes.tape import Printed

_SIDES = {Aggressor.BUY: Side.BUY, Aggressor.SELL: Side.SELL, Aggressor.NONE: None}


def passing(saved: SavedFilter) -> Callable[[OrderRow | AlertRow | Trade | Printed], bool]:
    """Whether a row of the filter's scope is shown."""

    def passes(row: OrderRow | AlertRow | Trade | Printed) -> bool:
        if isinstance(row, AlertRow):
            return saved.passes_text(row.text)
        if isinstance(row, Trade | Printed):
            return saved.passes(row.symbol, _SIDES[row.aggressor], row.size)
        return saved.passes(row.symbol, row.side, row.qty, row.account)

    return passes
