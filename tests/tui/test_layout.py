"""Whatever is done to a layout: each pane at most once, ratios above 0, never an empty tree; text and tree are one."""

from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.layout import (
    LEAST_RATIO,
    MOST_RATIO,
    LayoutRefused,
    Split,
    Tree,
    close,
    equal,
    only,
    panes,
    parse,
    path_of,
    put,
    split,
    swap,
    written,
)
from tui.panes.registry import PANES
from tui.presets import AUTO, PRESETS
from tui.tiling import LEAST_HEIGHT, LEAST_WIDTH, border_of, fitting, moved, neighbour, tiled

NAMES = ("accounts", "orders", "positions", "copies", "candles", "depth", "tape", "watch", "drift", "alerts", "health")
DESK = "row(124:column(27:accounts,19:copies),75:column(20:candles,14:positions,12:orders))"


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """Any tree of some of the panes, rows in rows too."""
    names = draw(st.permutations(NAMES))[: draw(st.integers(1, len(NAMES)))]

    def build(part: list[str]) -> Tree:
        if len(part) == 1:
            return part[0]
        cuts = draw(st.sets(st.integers(1, len(part) - 1), min_size=1, max_size=3))
        edges = [0, *sorted(cuts), len(part)]
        parts = tuple(build(part[a:b]) for a, b in pairwise(edges))
        ratios = tuple(draw(st.floats(LEAST_RATIO, MOST_RATIO)) for _ in parts)
        return Split(draw(st.sampled_from(("row", "column"))), parts, ratios)

    return build(list(names))


def sound(tree: Tree) -> None:
    names = panes(tree)
    assert names and len(names) == len(set(names))

    def walk(part: Tree) -> None:
        if isinstance(part, Split):
            assert len(part.parts) == len(part.ratios) >= 2
            assert all(LEAST_RATIO <= ratio <= MOST_RATIO for ratio in part.ratios)
            for each in part.parts:
                walk(each)

    walk(tree)


OPERATIONS: dict[str, Callable[[Tree, str, str], Tree]] = {
    "split right": lambda tree, one, other: split(tree, one, "row", other),
    "split below": lambda tree, one, other: split(tree, one, "column", other),
    "close": lambda tree, one, _other: close(tree, one),
    "put": put,
    "swap": swap,
    "equal": lambda tree, _one, _other: equal(tree),
}


@given(trees(), st.lists(st.tuples(st.sampled_from(list(OPERATIONS)), st.sampled_from(NAMES), st.sampled_from(NAMES))))
def test_whatever_is_done_to_a_layout_it_stays_one(tree: Tree, steps: list[tuple[str, str, str]]) -> None:
    for name, one, other in steps:
        before = set(panes(tree))
        try:
            tree = OPERATIONS[name](tree, one, other)
        except LayoutRefused as refused:
            assert str(refused).endswith(".")
            continue
        sound(tree)
        after = set(panes(tree))
        expected = {
            "split right": before | {other},
            "split below": before | {other},
            "close": before - {one},
            "put": before - {one} | {other} if other not in before else before,
        }.get(name, before)
        assert after == expected, name
    assert parse(written(tree)) == tree


@given(trees())
def test_a_layout_written_down_and_read_again_is_the_same_to_the_last_bit(tree: Tree) -> None:
    assert parse(written(tree)) == tree


@given(trees(), st.sampled_from(NAMES), st.sampled_from(NAMES))
def test_a_pane_that_is_split_off_and_closed_leaves_the_other_panes_their_order(tree: Tree, one: str, new: str) -> None:
    if one not in panes(tree) or new in panes(tree):
        return
    again = close(split(tree, one, "row", new), new)
    assert panes(again) == panes(tree)


def test_a_split_gives_half_of_the_room_and_a_row_in_a_row_is_one_row() -> None:
    assert written(split("accounts", "accounts", "row", "tape")) == "row(1:accounts,1:tape)"
    tree = parse("row(60:accounts,40:copies)")
    assert written(split(tree, "accounts", "row", "tape")) == "row(30:accounts,30:tape,40:copies)"
    assert written(split(tree, "accounts", "column", "tape")) == "row(60:column(1:accounts,1:tape),40:copies)"


def test_a_closed_pane_leaves_its_room_to_its_neighbours_and_no_row_of_one() -> None:
    tree = parse(DESK)
    tree = close(tree, "copies")
    assert written(tree) == "row(124:accounts,75:column(20:candles,14:positions,12:orders))"
    assert written(close(tree, "accounts")) == "column(20:candles,14:positions,12:orders)"


def test_a_pane_put_where_another_is_takes_its_place_or_changes_with_it() -> None:
    tree = parse(DESK)
    assert panes(put(tree, "candles", "tape")) == ("accounts", "copies", "tape", "positions", "orders")
    assert panes(put(tree, "candles", "copies")) == ("accounts", "candles", "copies", "positions", "orders")


def test_even_panes_are_of_one_size_across_nested_rows() -> None:
    assert written(equal(parse("row(1:accounts,7:row(3:tape,9:depth))"))) == "row(1:accounts,2:row(1:tape,1:depth))"
    assert written(equal(parse(DESK))).startswith("row(1:column(1:accounts,1:copies),1:column(1:")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "layout: a pane, row or column is missing at character 1."),
        ("row(1:a", "layout: ')' is missing at character 8."),
        ("row(1:a)", "layout: a row or a column has two or more parts, each with its ratio."),
        ("row(1:a,0:b)", "layout: a ratio is a number from 0.001 to 1000000."),
        ("row(1:a,1:a)", "layout: the pane a is in it twice."),
        ("row(1:a,1:b) c", "layout: its end is missing at character 13."),
        ("grid(1:a,1:b)", "layout: 'grid' is neither row nor column."),
        ("row(1.1.1:a,1:b)", "layout: '1.1.1' is not a ratio."),
        ("row(" * 40, "layout: 'row' is not a ratio."),
        ("row(1:" * 40, "layout: it is nested deeper than 16 rows and columns."),
        ("a" * 5000, "layout: it is longer than 4000 characters."),
    ],
)
def test_a_text_that_is_no_layout_is_refused_with_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(LayoutRefused) as refused:
        parse(text)
    assert str(refused.value) == sentence


@given(st.text(alphabet="row(column,:1.5e)ab ", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(LayoutRefused):
        sound(parse(text))


# --- where everything lies ----------------------------------------------------------------------------------------


@given(trees(), st.integers(1, 240), st.integers(1, 80), st.sampled_from(NAMES))
def test_panes_and_borders_fill_the_screen_without_a_gap(tree: Tree, width: int, height: int, keep: str) -> None:
    shown = fitting(tree, width, height, keep)
    assert shown <= set(panes(tree)) and shown
    assert keep in shown or keep not in panes(tree)
    tiling = tiled(tree, width, height, shown)
    assert set(tiling.panes) == shown
    cells = [0] * (width * height)
    for place in (*tiling.panes.values(), *tiling.borders.values()):
        for y in range(place.y, place.bottom):
            for x in range(place.x, place.right):
                cells[y * width + x] += 1
    assert set(cells) == {1}
    if len(shown) > 1:
        assert all(p.width >= LEAST_WIDTH and p.height >= LEAST_HEIGHT for p in tiling.panes.values())


@given(trees(), st.data())
def test_a_border_moves_by_what_it_says_and_nothing_else_stirs(tree: Tree, data: st.DataObject) -> None:
    width, height = data.draw(st.integers(60, 240)), data.draw(st.integers(20, 80))
    shown = fitting(tree, width, height)
    tiling = tiled(tree, width, height, shown)
    if not tiling.borders:
        return
    border = data.draw(st.sampled_from(sorted(tiling.borders)))
    cells = data.draw(st.integers(-60, 60))
    after, by = moved(tree, tiling, border, cells, shown)
    sound(after)
    assert panes(after) == panes(tree) and abs(by) <= abs(cells) and by * cells >= 0
    new = tiled(after, width, height, shown)
    lengths = list(tiling.lengths[border.path])
    lengths[border.before] += by
    lengths[border.after] -= by
    assert new.lengths[border.path] == tuple(lengths)
    assert all(p.width >= LEAST_WIDTH and p.height >= LEAST_HEIGHT for p in new.panes.values())


@given(trees(), st.sampled_from(NAMES))
def test_neighbours_are_neighbours_of_each_other_and_a_pane_grows_towards_one(tree: Tree, pane: str) -> None:
    tiling = tiled(tree, 400, 200, panes(tree))
    if pane not in tiling.panes:
        return
    for side, back in (("left", "right"), ("up", "down")):
        beside = neighbour(tiling, pane, side)  # type: ignore[arg-type]
        if beside is not None:
            here, there = tiling.panes[pane], tiling.panes[beside]
            assert (there.right + 1 == here.x) if side == "left" else (there.bottom + 1 == here.y)
            assert neighbour(tiling, beside, back) is not None  # type: ignore[arg-type]
    for direction in ("row", "column"):
        found = border_of(tree, tiling, pane, direction)  # type: ignore[arg-type]
        if found is None:
            continue
        border, sign = found
        after, by = moved(tree, tiling, border, 2 * sign, panes(tree))
        place = tiled(after, 400, 200, panes(tree)).panes[pane]
        grown = place.width if direction == "row" else place.height
        was = tiling.panes[pane].width if direction == "row" else tiling.panes[pane].height
        assert grown >= was
        if path_of(tree, pane) == (*border.path, border.before if sign > 0 else border.after):
            assert grown == was + abs(by)


def test_the_last_panes_are_left_out_first_and_the_one_at_hand_never() -> None:
    tree = parse(DESK)
    assert fitting(tree, 199, 46) == set(panes(tree))
    assert fitting(tree, 60, 11) == {"accounts", "copies", "candles", "positions"}
    assert fitting(tree, 60, 11, keep="orders") == {"accounts", "copies", "candles", "orders"}
    assert fitting(tree, 30, 5) == {"accounts"}


# --- presets ------------------------------------------------------------------------------------------------------

ALL = {
    *NAMES,
    "latency",
}


def test_every_pane_is_in_a_preset_and_every_preset_fits_the_size_it_is_for() -> None:
    assert {name for preset in PRESETS.values() for each in preset.variants for name in panes(each.tree)} == ALL
    for preset in PRESETS.values():
        for width, height in ((80, 24), (110, 24), (110, 30), (120, 40), (170, 30), (200, 50)):
            tree = preset.variants[preset.for_size(width, height)].tree
            if preset.name not in ("120x40", "200x50"):  # asked for by that name elsewhere, as much is shown as fits
                assert fitting(tree, width, height - 4) == set(panes(tree)), (preset.name, width, height)
    assert {"tape", "trade", "copies", "charts", "risk", "80x24", "120x40", "200x50", AUTO} == set(PRESETS)


def test_a_pane_that_is_not_there_yet_is_left_out_of_a_preset_without_a_gap() -> None:
    for preset in PRESETS.values():
        for each in preset.variants:
            tree = only(each.tree, PANES)
            assert tree is None or set(panes(tree)) == set(panes(each.tree)) & set(PANES)
