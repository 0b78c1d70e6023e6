"""The layout is changed by key and by mouse at every size: panes are split off, closed, carried, sized and zoomed."""

import pytest
from textual.geometry import Region

from tests.tui.driving import Driver, desk
from tui.board import Divider
from tui.layout import Split, panes, written
from tui.tiling import LEAST_WIDTH

SIZES = [(80, 24), (120, 40), (200, 50)]


def dividers(on: Driver) -> list[Divider]:
    return [each for each in on.app.board.query(Divider) if each.display]


def divider(on: Driver, first: str, second: str) -> Divider:
    """The one between two panes that lie side by side or one under the other."""
    one, other = (on.app._panes[name].region for name in (first, second))
    for each in dividers(on):
        at = each.region
        border = each.border
        assert border is not None
        across = at.x in (one.right, other.right) and at.y <= max(one.y, other.y) < at.bottom
        down = at.y in (one.bottom, other.bottom) and at.x <= max(one.x, other.x) < at.right
        if across if border.direction == "row" else down:
            return each
    raise AssertionError((first, second))


def region(on: Driver, name: str) -> Region:
    return on.app._panes[name].region


async def focus(on: Driver, at: Divider) -> None:
    at.focus()
    await on.until(lambda: at.has_focus, "the divider")


async def keys(on: Driver, *pressed: str) -> None:
    """Keys after the one that begins with the layout."""
    await on.pilot.press("ctrl+w", *pressed)


def covers_the_board(on: Driver) -> bool:
    """Whether panes and dividers fill the board without a gap or an overlap."""
    there = [on.app._panes[name].region for name in on.app.board.on_screen] + [each.region for each in dividers(on)]
    area = sum(each.area for each in there)
    overlap = any(a.overlaps(b) for index, a in enumerate(there) for b in there[index + 1 :])
    return area == on.app.board.region.area and not overlap


# --- dividers -----------------------------------------------------------------------------------------------------


async def test_the_arrow_keys_move_the_focused_divider_by_a_cell() -> None:
    async with desk() as on:
        at = divider(on, "accounts", "candles")
        await focus(on, at)
        before = region(on, "accounts").width
        await on.pilot.press("left", "left", "left")
        await on.until(lambda: region(on, "accounts").width == before - 3, "three cells narrower")
        await on.pilot.press("right")
        await on.until(lambda: region(on, "accounts").width == before - 2, "one cell wider")
        assert "Enter reset" in on.lines[-1]
        await on.pilot.press("enter")
        await on.until(lambda: region(on, "accounts").width == before, "the first size")


async def test_tab_reaches_every_pane_and_divider_in_reading_order() -> None:
    async with desk() as on:
        on.enter("watch ESH4")
        await on.until(lambda: region(on, "watch").width > 0, "the watchlist")
        seen = []
        for _ in range(14):
            seen.append(on.app.focused)
            await on.pilot.press("tab")
        assert {on.app._panes[name] for name in on.app.board.on_screen} <= set(seen)
        assert len({widget for widget in seen if isinstance(widget, Divider)}) == 5
        order = [widget.id for widget in seen if widget is not None and widget.id]
        assert order.index("candles") < order.index("watch") < order.index("positions") < order.index("orders")


async def test_a_dragged_divider_follows_the_mouse() -> None:
    async with desk() as on:
        at = divider(on, "accounts", "candles")
        x, before = at.region.x, region(on, "accounts").width
        await on.pilot.mouse_down(offset=(x, 10))
        for to in range(x, x - 15, -1):
            await on.pilot.hover(offset=(to, 10))
        await on.pilot.mouse_up(offset=(x - 15, 10))
        await on.until(lambda: region(on, "accounts").width == before - 15, "fifteen cells narrower")
        assert at.region.x == x - 15
        assert covers_the_board(on)


async def test_a_double_click_brings_the_first_sizes_back() -> None:
    async with desk() as on:
        at = divider(on, "accounts", "candles")
        before = region(on, "accounts").width
        at.action_move(-20)
        await on.until(lambda: region(on, "accounts").width == before - 20, "moved")
        await on.pilot.click(offset=(at.region.x, 10), times=2)
        await on.until(lambda: region(on, "accounts").width == before, "the first size")


async def test_no_pane_is_squeezed_below_its_least_size() -> None:
    async with desk() as on:
        at = divider(on, "accounts", "candles")
        at.action_move(-500)
        await on.until(lambda: region(on, "accounts").width == LEAST_WIDTH, "the least width")
        at.action_move(-1)
        await on.pilot.pause(0.1)
        assert region(on, "accounts").width == LEAST_WIDTH


# --- keys ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "height"), SIZES)
async def test_a_pane_is_split_off_filled_and_closed_by_keys_and_its_neighbour_has_the_room_again(
    width: int,
    height: int,
) -> None:
    async with desk(width, height) as on:
        before, room = on.app.board.on_screen, region(on, "accounts")
        await keys(on, "v")
        await on.until(lambda: len(on.app.board.on_screen) == len(before) + 1, "one pane more")
        (new,) = on.app.board.on_screen - before
        await on.until(lambda: on.app._panes[new].has_focus, "the focus on it")
        await on.until(lambda: region(on, new).x == region(on, "accounts").right + 1, "beside accounts")
        assert abs(region(on, new).width - region(on, "accounts").width) <= 1
        assert covers_the_board(on)
        await keys(on, "n")
        await on.until(lambda: new not in on.app.board.on_screen, "another in its place")
        await keys(on, "x")
        await on.until(lambda: on.app.board.on_screen == before, "the panes of before")
        await on.until(lambda: region(on, "accounts") == room, "their places of before")
        assert on.app.focused is not None and on.app.focused.id in before


async def test_a_pane_split_off_below_stands_below() -> None:
    async with desk() as on:
        before = on.app.board.on_screen
        await keys(on, "s")
        await on.until(lambda: on.app.board.on_screen > before, "a pane that was not shown")
        (new,) = on.app.board.on_screen - before
        await on.until(lambda: region(on, new).y == region(on, "accounts").bottom + 1, "below accounts")
        await on.until(lambda: on.app._panes[new].has_focus, "the focus")


async def test_panes_change_places_and_keep_their_cursor_and_filter() -> None:
    async with desk() as on:
        left, right = region(on, "accounts"), region(on, "candles")
        await on.pilot.press("down", "down")
        on.app.accounts.set_filter("demo")
        at = on.app.accounts.current
        await keys(on, "l")
        await on.until(lambda: region(on, "accounts") == right and region(on, "candles") == left, "changed places")
        assert on.app.accounts.has_focus and on.app.accounts.current is at
        assert on.app.accounts.filter_text == "demo"
        await keys(on, "h")
        await on.until(lambda: region(on, "accounts") == left, "back again")
        await keys(on, "h")
        await on.shows("Nothing is left of accounts.")


async def test_arrows_after_the_layout_key_go_to_the_neighbour() -> None:
    async with desk() as on:
        for side, reached in (
            ("right", "candles"),
            ("down", "positions"),
            ("down", "orders"),
            ("left", "copies"),
            ("up", "accounts"),
        ):
            await keys(on, side)
            await on.until(lambda reached=reached: on.app._panes[reached].has_focus, reached)


async def test_a_pane_grows_and_shrinks_from_inside_and_the_keys_go_on() -> None:
    async with desk() as on:
        width, height = region(on, "accounts").width, region(on, "accounts").height
        await keys(on, *["greater_than_sign"] * 5, *["minus"] * 3)
        await on.until(lambda: region(on, "accounts").width == width + 10, "ten columns more")
        await on.until(lambda: region(on, "accounts").height == height - 3, "three lines less")
        assert "Esc leave" in on.lines[-1]
        await on.pilot.press("less_than_sign", "escape")
        await on.until(lambda: region(on, "accounts").width == width + 8, "two columns less")
        assert "Esc leave" not in on.lines[-1]
        await on.pilot.press("greater_than_sign")
        await on.pilot.pause(0.1)
        assert region(on, "accounts").width == width + 8
        await on.pilot.press("5")
        width = region(on, "candles").width
        await keys(on, "greater_than_sign", "escape")
        await on.until(lambda: region(on, "candles").width == width + 2, "the last one in its row grows too")
        assert covers_the_board(on)


async def test_panes_are_made_even_and_the_last_change_is_taken_back() -> None:
    async with desk(120, 40) as on:
        before = on.app.layouts.tree
        await keys(on, "equals_sign")
        await on.until(
            lambda: abs(region(on, "candles").height - region(on, "orders").height) <= 1, "panes of one height"
        )
        assert abs(region(on, "accounts").width - region(on, "candles").width) <= 1
        await keys(on, "u")
        await on.until(lambda: on.app.layouts.tree == before, "the layout of before")
        await keys(on, "u")
        await on.shows("layout: nothing was changed here since it was shown.")


@pytest.mark.parametrize(("width", "height"), SIZES)
async def test_a_zoomed_pane_has_the_screen_and_the_layout_comes_back(
    width: int,
    height: int,
) -> None:
    async with desk(width, height) as on:
        before = {name: region(on, name) for name in on.app.board.on_screen}
        await on.pilot.press("z")
        await on.until(lambda: region(on, "accounts") == on.app.board.region, "the whole board")
        assert not [each for each in dividers(on) if each.display]
        await on.pilot.press("z")
        await on.until(lambda: {name: region(on, name) for name in on.app.board.on_screen} == before, "as before")


async def test_the_last_pane_stays_and_a_full_layout_says_so() -> None:
    async with desk() as on:
        on.enter("layout charts")
        await on.shows("Layout charts.")
        while len(panes(on.app.layouts.tree)) > 1:
            count = len(panes(on.app.layouts.tree))
            await keys(on, "x")
            await on.until(lambda count=count: len(panes(on.app.layouts.tree)) == count - 1, "one pane less")
        await keys(on, "x")
        await on.shows("is the only one here, so it stays.")
        while len(panes(on.app.layouts.tree)) < len(on.app._panes):
            count = len(panes(on.app.layouts.tree))
            await keys(on, "s" if count % 2 else "v")
            await on.until(lambda count=count: len(panes(on.app.layouts.tree)) == count + 1, "one pane more")
        await keys(on, "v")
        await on.shows("Every pane is in this layout")
        assert covers_the_board(on)


async def test_keys_of_the_layout_do_nothing_to_it_without_the_first_one() -> None:
    async with desk() as on:
        before = on.app.layouts.tree
        await on.pilot.press("v", "x", "n", "h", "u", "equals_sign", "greater_than_sign", "plus", "escape")
        await on.pilot.pause(0.1)
        assert on.app.layouts.tree == before


async def test_typing_takes_the_keys_from_the_layout() -> None:
    async with desk() as on:
        before = on.app.layouts.tree
        await keys(on, "colon")
        await on.until(lambda: on.app.prompt.is_open, "the command line")
        await on.type("xs")
        assert on.app.prompt._input.value == "xs"
        await on.pilot.press("ctrl+w")
        assert on.app.prompt._input.value == ""
        await on.pilot.press("escape")
        assert on.app.layouts.tree == before


async def test_pane_puts_any_pane_into_the_slot_at_hand_and_swaps_one_that_is_elsewhere() -> None:
    async with desk(120, 40) as on:
        slot = region(on, "accounts")
        on.enter("pane alerts")
        await on.until(lambda: region(on, "alerts") == slot and on.app.alerts.has_focus, "alerts in its place")
        assert "accounts" not in on.app.board.on_screen
        other = region(on, "orders")
        on.enter("pane orders")
        await on.until(lambda: region(on, "orders") == slot and region(on, "alerts") == other, "changed places")
        on.enter("pane alrts")
        await on.shows("pane: there is no 'alrts' here; did you mean alerts?")


async def test_steps_of_a_resize_that_come_in_one_burst_are_laid_out_together() -> None:
    async with desk() as on:
        laid_out: list[str] = []
        stock = on.app.board._lay_out

        def counted(*, at_once: bool = True) -> None:
            laid_out.append(written(on.app.layouts.tree))
            stock(at_once=at_once)

        on.app.board._lay_out = counted  # type: ignore[method-assign]
        at = divider(on, "accounts", "candles")
        before = region(on, "accounts").width
        for _ in range(30):
            at.action_move(-1)
        await on.until(lambda: region(on, "accounts").width == before - 30, "thirty cells narrower")
        assert len(laid_out) <= 3


async def test_a_small_terminal_leaves_out_what_has_no_room_and_shows_it_again_when_there_is() -> None:
    async with desk(200, 50) as on:
        on.enter("layout risk")
        await on.until(lambda: "alerts" in on.app.board.on_screen, "the layout")
        await keys(on, "v")
        tree = on.app.layouts.tree
        wide = on.app.board.on_screen
        assert isinstance(tree, Split)
        on.enter("layout mine save")
        await on.shows("Layout mine is saved.")
        await on.pilot.resize_terminal(60, 15)
        await on.until(lambda: on.app.board.on_screen < wide, "fewer panes")
        assert covers_the_board(on)
        on.enter("layout mine")
        await on.shows("have no room")
        await on.pilot.resize_terminal(200, 50)
        await on.until(lambda: on.app.board.on_screen == wide, "all of them")
        assert on.app.layouts.tree == tree
