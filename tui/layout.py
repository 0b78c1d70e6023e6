"""Layouts as data: a tree of rows and columns whose leaves are names of panes, and every change of one.

`tui/board.py` shows one, `tui/layouts.py` keeps and changes it; where a pane comes to lie is `tui/tiling.py`. Every
function here takes a tree and returns another. A pane is in a tree at most once, and a tree has at least one pane.

Written down a tree reads ``row(124:column(27:accounts,19:copies),75:candles)``: the numbers are ratios, shares of the
length that is there, so that a layout fits any terminal. Written and read again it is the same to the last bit.
"""

import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

Direction = Literal["row", "column"]
"""A row's parts stand side by side, a column's one under the other."""
LEAST_RATIO, MOST_RATIO = 1e-3, 1e6
LONGEST_TEXT = 4000
DEEPEST = 16
_TOKEN = re.compile(r"\s*([a-z][a-z0-9_]*|[0-9.]+(?:e[+-]?[0-9]+)?|[(),:])")


class LayoutRefused(ValueError):
    """A change that can't be made, or a text that is no layout; the text is one sentence."""


@dataclass(frozen=True, slots=True)
class Split:
    """Two or more parts in a row or a column, each with its ratio."""

    direction: Direction
    parts: tuple["Tree", ...]
    ratios: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.parts) < 2 or len(self.parts) != len(self.ratios):
            raise LayoutRefused("layout: a row or a column has two or more parts, each with its ratio.")
        if not all(LEAST_RATIO <= ratio <= MOST_RATIO for ratio in self.ratios):
            raise LayoutRefused(f"layout: a ratio is a number from {LEAST_RATIO} to {MOST_RATIO:.0f}.")


Tree = str | Split
Path = tuple[int, ...]
"""Which part of which part ...; empty for the whole tree."""


def panes(tree: Tree) -> tuple[str, ...]:
    """Its panes in reading order."""
    return (tree,) if isinstance(tree, str) else tuple(name for part in tree.parts for name in panes(part))


def path_of(tree: Tree, pane: str) -> Path | None:
    """Where a pane is; None when it is not in the tree."""
    if isinstance(tree, str):
        return () if tree == pane else None
    for index, part in enumerate(tree.parts):
        if (path := path_of(part, pane)) is not None:
            return (index, *path)
    return None


def at(tree: Tree, path: Path) -> Tree:
    """The part at a path of this tree."""
    for index in path:
        assert isinstance(tree, Split)
        tree = tree.parts[index]
    return tree


# --- changes ------------------------------------------------------------------------------------------------------


def split(tree: Tree, pane: str, direction: Direction, new: str) -> Tree:
    """Put the pane `new` beside (row) or below (column) `pane`, which gives it half of its room; one that is elsewhere
    leaves its place."""
    _must_have(tree, pane)
    if new == pane:
        raise LayoutRefused(f"pane: {pane} can't stand beside itself; name another.")
    rest = close(tree, new) if new in panes(tree) else tree
    beside = _changed(rest, lambda leaf: Split(direction, (leaf, new), (1.0, 1.0)) if leaf == pane else leaf)
    assert beside is not None
    return beside


def close(tree: Tree, pane: str) -> Tree:
    """Take a pane out; its neighbours have its room."""
    _must_have(tree, pane)
    rest = only(tree, set(panes(tree)) - {pane})
    if rest is None:
        raise LayoutRefused(f"pane: {pane} is the only one here, so it stays.")
    return rest


def put(tree: Tree, pane: str, new: str) -> Tree:
    """Show `new` where `pane` is; if it is elsewhere in the tree, the two change places."""
    _must_have(tree, pane)
    return _renamed(tree, {pane: new, new: pane})


def swap(tree: Tree, one: str, other: str) -> Tree:
    """Let two panes change places."""
    _must_have(tree, other)
    return put(tree, one, other)


def equal(tree: Tree) -> Tree:
    """As much room for each pane as for any other, as far as rows and columns allow."""
    if isinstance(tree, str):
        return tree
    ratios = tuple(float(_across(part, tree.direction)) for part in tree.parts)
    return Split(tree.direction, tuple(equal(part) for part in tree.parts), ratios)


def only(tree: Tree, names: Collection[str]) -> Tree | None:
    """The tree without any other pane than these; None when nothing is left."""
    if set(panes(tree)) <= set(names):
        return tree
    return _changed(tree, lambda leaf: leaf if leaf in names else None)


def with_ratios(tree: Tree, path: Path, ratios: Sequence[float]) -> Tree:
    """Give the row or column at `path` these ratios."""
    if not path:
        assert isinstance(tree, Split)
        return replace(tree, ratios=_in_bounds(ratios))
    assert isinstance(tree, Split)
    first, *rest = path
    parts = [with_ratios(part, tuple(rest), ratios) if i == first else part for i, part in enumerate(tree.parts)]
    return replace(tree, parts=tuple(parts))


def _must_have(tree: Tree, pane: str) -> None:
    if pane not in panes(tree):
        raise LayoutRefused(f"pane: {pane} is not in this layout.")


def _renamed(tree: Tree, names: Mapping[str, str]) -> Tree:
    if isinstance(tree, str):
        return names.get(tree, tree)
    return replace(tree, parts=tuple(_renamed(part, names) for part in tree.parts))


def _across(tree: Tree, direction: Direction) -> int:
    """How many panes stand one after the other in a direction, at most."""
    if isinstance(tree, str):
        return 1
    counts = [_across(part, direction) for part in tree.parts]
    return sum(counts) if tree.direction == direction else max(counts)


def _changed(tree: Tree, change: Callable[[str], Tree | None]) -> Tree | None:
    """Every leaf changed or, where None, taken out. A row in a row becomes part of it, so that its panes can be moved
    and resized as neighbours, and a row of one part is that part."""
    if isinstance(tree, str):
        return change(tree)
    parts: list[Tree] = []
    ratios: list[float] = []
    for part, ratio in zip(tree.parts, tree.ratios, strict=True):
        new = _changed(part, change)
        if isinstance(new, Split) and new.direction == tree.direction:
            whole = sum(new.ratios)
            parts += new.parts
            ratios += [ratio * share / whole for share in new.ratios]
        elif new is not None:
            parts.append(new)
            ratios.append(ratio)
    if len(parts) < 2:
        return parts[0] if parts else None
    return Split(tree.direction, tuple(parts), _in_bounds(ratios))


def _in_bounds(ratios: Iterable[float]) -> tuple[float, ...]:
    return tuple(min(max(float(ratio), LEAST_RATIO), MOST_RATIO) for ratio in ratios)


# --- written down -------------------------------------------------------------------------------------------------


def written(tree: Tree) -> str:
    """The tree as text; `parse` gives the same tree back."""
    if isinstance(tree, str):
        return tree
    parts = (f"{_number(ratio)}:{written(part)}" for part, ratio in zip(tree.parts, tree.ratios, strict=True))
    return f"{tree.direction}({','.join(parts)})"


def _number(ratio: float) -> str:
    return str(int(ratio)) if ratio.is_integer() else repr(ratio)


def parse(text: str) -> Tree:
    """The tree that `written` wrote. Raises LayoutRefused."""
    if len(text) > LONGEST_TEXT:
        raise LayoutRefused(f"layout: it is longer than {LONGEST_TEXT} characters.")
    reader = _Reader(text)
    tree = reader.tree(0)
    reader.expect("")
    names = panes(tree)
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise LayoutRefused(f"layout: the pane {twice} is in it twice.")
    return tree


class _Reader:
    """Reads one text from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text.strip()
        self._at = 0

    def _next(self) -> str:
        found = _TOKEN.match(self._text, self._at)
        return found[1] if found else ""

    def _take(self) -> str:
        found = _TOKEN.match(self._text, self._at)
        if found is None:
            raise self._wrong("a pane, row or column")
        self._at = found.end()
        return found[1]

    def expect(self, token: str) -> None:
        if self._next() != token or (not token and self._at < len(self._text)):
            raise self._wrong(f"{token!r}" if token else "its end")
        if token:
            self._take()

    def tree(self, depth: int) -> Tree:
        if depth > DEEPEST:
            raise LayoutRefused(f"layout: it is nested deeper than {DEEPEST} rows and columns.")
        word = self._take()
        if not word[0].isalpha():
            raise self._wrong("a pane, row or column")
        if self._next() != "(":
            return word
        if word not in ("row", "column"):
            raise LayoutRefused(f"layout: {word!r} is neither row nor column.")
        self.expect("(")
        parts: list[Tree] = []
        ratios: list[float] = []
        while True:
            ratios.append(self._ratio())
            self.expect(":")
            parts.append(self.tree(depth + 1))
            if self._next() != ",":
                break
            self.expect(",")
        self.expect(")")
        return Split("row" if word == "row" else "column", tuple(parts), tuple(ratios))

    def _ratio(self) -> float:
        word = self._take()
        try:
            ratio = float(word)
        except ValueError:
            raise LayoutRefused(f"layout: {word!r} is not a ratio.") from None
        if not math.isfinite(ratio):
            raise LayoutRefused(f"layout: {word!r} is not a ratio.")
        return ratio

    def _wrong(self, wanted: str) -> LayoutRefused:
        return LayoutRefused(f"layout: {wanted} is missing at character {self._at + 1}.")
