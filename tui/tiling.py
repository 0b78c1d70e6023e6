"""Where the panes of a layout lie on a screen of some size, and what moving a border between two of them does to it.

Pure, for `tui/board.py`. Sizes are whole cells; between two parts of a row or a column there is one cell of border. A
pane that is hidden, for a small terminal has no room for all, leaves its room to the others and keeps its place.
"""

from collections.abc import Collection, Iterator
from itertools import accumulate
from typing import Literal, NamedTuple

from tui.layout import Direction, Path, Split, Tree, at, panes, path_of, with_ratios

LEAST_WIDTH = 20
LEAST_HEIGHT = 4

Towards = Literal["left", "right", "up", "down"]


class Place(NamedTuple):
    x: int
    y: int
    width: int
    height: int

    @property
    def right(self) -> int:
        return self.x + self.width

    @property
    def bottom(self) -> int:
        return self.y + self.height


class Border(NamedTuple):
    """The border between two neighbours, by their numbers, of the row or column at `path`."""

    path: Path
    before: int
    after: int
    direction: Direction


class Tiling(NamedTuple):
    """Where everything that is shown lies. `lengths` are, by path, those of the parts of a row or column along it; 0
    for one of which nothing is shown."""

    panes: dict[str, Place]
    borders: dict[Border, Place]
    lengths: dict[Path, tuple[int, ...]]


def tiled(tree: Tree, width: int, height: int, shown: Collection[str]) -> Tiling:
    """The places of the panes `shown` of a tree on so many cells."""
    tiling = Tiling({}, {}, {})
    if any(name in shown for name in panes(tree)):
        _lay(tree, (), Place(0, 0, width, height), shown, tiling)
    return tiling


def _lay(tree: Tree, path: Path, place: Place, shown: Collection[str], tiling: Tiling) -> None:
    if isinstance(tree, str):
        tiling.panes[tree] = place
        return
    row = tree.direction == "row"
    there = [index for index, part in enumerate(tree.parts) if any(name in shown for name in panes(part))]
    room = (place.width if row else place.height) - (len(there) - 1)
    leasts = [_least(tree.parts[index], tree.direction, shown) for index in there]
    lengths = _shared(room, [tree.ratios[index] for index in there], leasts)
    by_part = dict(zip(there, lengths, strict=True))
    tiling.lengths[path] = tuple(by_part.get(index, 0) for index in range(len(tree.parts)))
    start = place.x if row else place.y
    before: int | None = None
    for index, length in by_part.items():
        if before is not None:
            where = Place(start, place.y, 1, place.height) if row else Place(place.x, start, place.width, 1)
            tiling.borders[Border(path, before, index, tree.direction)] = where
            start += 1
        part = Place(start, place.y, length, place.height) if row else Place(place.x, start, place.width, length)
        _lay(tree.parts[index], (*path, index), part, shown, tiling)
        start += length
        before = index


def _shared(room: int, ratios: list[float], leasts: list[int]) -> list[int]:
    """`room` cells in whole parts by their ratios, none below its least where all leasts fit."""
    if sum(leasts) > room:
        return _rounded(max(0, room), [float(least) for least in leasts])
    kept: dict[int, int] = {}
    while True:
        free = [index for index in range(len(ratios)) if index not in kept]
        left = room - sum(kept.values())
        whole = sum(ratios[index] for index in free)
        small = [index for index in free if left * ratios[index] / whole < leasts[index]]
        if not small:
            break
        kept |= {index: leasts[index] for index in small}
        if len(small) == len(free):
            break
    free = [index for index in range(len(ratios)) if index not in kept]
    rounded = iter(_rounded(room - sum(kept.values()), [ratios[index] for index in free]))
    return [kept[index] if index in kept else next(rounded) for index in range(len(ratios))]


def _rounded(room: int, ratios: list[float]) -> list[int]:
    """Whole cells that make up `room`, each part within a cell of its share. Ratios that are the cells themselves come
    back as they are."""
    whole = sum(ratios)
    ends = [int(room * end / whole) for end in accumulate(ratios)]
    ends[-1:] = [room] if ends else []
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]


def _least(tree: Tree, direction: Direction, shown: Collection[str]) -> int:
    """The fewest cells in a direction that a part needs for what of it is shown; 0 when nothing is."""
    if isinstance(tree, str):
        return (LEAST_WIDTH if direction == "row" else LEAST_HEIGHT) if tree in shown else 0
    leasts = [least for part in tree.parts if (least := _least(part, direction, shown))]
    return sum(leasts) + len(leasts) - 1 if tree.direction == direction and leasts else max(leasts, default=0)


def fitting(tree: Tree, width: int, height: int, keep: str = "") -> frozenset[str]:
    """The panes of a tree that have room on so many cells: the last ones are left out first, `keep` never."""
    shown = list(panes(tree))

    def lacks(names: Collection[str]) -> int:
        across, down = _least(tree, "row", names) - width, _least(tree, "column", names) - height
        return max(0, across) + max(0, down)

    while len(shown) > 1 and (lack := lacks(shown)):
        droppable = [name for name in reversed(shown) if name != keep]
        helping = (name for name in droppable if lacks([each for each in shown if each != name]) < lack)
        shown.remove(next(helping, droppable[0]))
    return frozenset(shown)


# --- moving borders -----------------------------------------------------------------------------------------------


def moved(tree: Tree, tiling: Tiling, border: Border, cells: int, shown: Collection[str]) -> tuple[Tree, int]:
    """Move a border right or down by so many cells (negative: left or up), both sides keeping their least; the tree,
    and by how much it moved. What was laid out becomes its ratios, so that nothing else stirs."""
    node = at(tree, border.path)
    assert isinstance(node, Split)
    lengths = tiling.lengths[border.path]
    one, other = lengths[border.before], lengths[border.after]
    least_one, least_other = (_least(node.parts[i], border.direction, shown) for i in (border.before, border.after))
    if one + other < least_one + least_other:
        return tree, 0
    by = max(least_one, min(one + cells, one + other - least_other)) - one
    if not by:
        return tree, 0
    # Parts that are hidden keep their size against the others.
    scale = sum(lengths) / sum(ratio for ratio, length in zip(node.ratios, lengths, strict=True) if length)
    ratios = [length or ratio * scale for ratio, length in zip(node.ratios, lengths, strict=True)]
    ratios[border.before], ratios[border.after] = one + by, other - by
    return with_ratios(tree, border.path, ratios), by


def border_of(tree: Tree, tiling: Tiling, pane: str, direction: Direction) -> tuple[Border, int] | None:
    """The border that makes a pane wider (row) or taller (column) when it moves, and whether forward (1) or back (-1);
    None when nothing is beside it in that direction."""
    path = path_of(tree, pane) or ()
    for depth in range(len(path) - 1, -1, -1):
        borders = [each for each in tiling.borders if each.path == path[:depth] and each.direction == direction]
        for border in borders:
            if border.before == path[depth]:
                return border, 1
        for border in borders:
            if border.after == path[depth]:
                return border, -1
    return None


def neighbour(tiling: Tiling, pane: str, towards: Towards) -> str | None:
    """The pane next to another in a direction: of several the one beside most of it; None at the edge."""
    here = tiling.panes.get(pane)
    if here is None:
        return None
    beside = [(_shares(here, place, towards), name) for name, place in _beside(tiling, here, towards)]
    return max(beside, key=lambda each: each[0])[1] if beside else None


def _beside(tiling: Tiling, here: Place, towards: Towards) -> Iterator[tuple[str, Place]]:
    for name, there in tiling.panes.items():
        edges = {
            "left": (there.right + 1, here.x),
            "right": (there.x, here.right + 1),
            "up": (there.bottom + 1, here.y),
            "down": (there.y, here.bottom + 1),
        }
        one, other = edges[towards]
        if one == other and _shares(here, there, towards) > 0:
            yield name, there


def _shares(here: Place, there: Place, towards: Towards) -> int:
    """How many cells of their edges two places share."""
    if towards in ("left", "right"):
        return min(here.bottom, there.bottom) - max(here.y, there.y)
    return min(here.right, there.right) - max(here.x, there.x)
