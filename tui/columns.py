"""The columns of a table: what a cell is, and which columns a width has room for. `tui/grid.py` draws them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

R = TypeVar("R")


class Cell(NamedTuple):
    """A cell's text and its look: the name of a ``grid--`` component class, or empty for plain text."""

    text: str
    look: str = ""


@dataclass(frozen=True, slots=True)
class Column(Generic[R]):
    """A column. `drop` orders what a narrow pane leaves out, highest first, 0 never; `grow` takes spare width.
    `cell` gets the row and the desk's time; `sort` is what the column is ordered by, None where order is no use."""

    title: str
    width: int
    cell: Callable[[R, int], Cell]
    sort: Callable[[R], Any] | None = None
    right: bool = False
    drop: int = 0
    grow: bool = False


class Placed(NamedTuple):
    """A column where the current width has put it."""

    column: int
    x: int
    width: int


def place(columns: Sequence[Column[Any]], width: int) -> tuple[Placed, ...]:
    """Columns for `width` cells: the dispensable ones left out, spare width given to those that grow."""
    kept = list(range(len(columns)))
    while sum(columns[i].width + 1 for i in kept) > width:
        droppable = [i for i in kept if columns[i].drop]
        if not droppable:
            break
        kept.remove(max(droppable, key=lambda i: (columns[i].drop, i)))
    spare = max(0, width - sum(columns[i].width + 1 for i in kept))
    growing = [i for i in kept if columns[i].grow]
    placed: list[Placed] = []
    x = 0
    for i in kept:
        column_width = columns[i].width + (spare // len(growing) if i in growing else 0)
        column_width = min(column_width, width - x)
        if column_width <= 0:
            break
        placed.append(Placed(i, x, column_width))
        x += column_width + 1
    return tuple(placed)
