"""Dividers move by key and by mouse, panes keep a least size, and a double click brings the first sizes back."""

from tests.tui.driving import Driver, desk
from tui.split import LEAST_WIDTH, Divider, Split


def outer(on: Driver) -> Split:
    return on.app.query_one("#root", Split)


async def focus(on: Driver, divider: Divider) -> None:
    divider.focus()
    await on.until(lambda: divider.has_focus, "the divider")


async def test_the_arrow_keys_move_the_focused_divider_by_a_cell() -> None:
    async with desk() as on:
        divider = outer(on).dividers[0]
        await focus(on, divider)
        before = on.app.accounts.size.width
        await on.pilot.press("left", "left", "left")
        await on.until(lambda: on.app.accounts.size.width == before - 3, "three cells narrower")
        await on.pilot.press("right")
        await on.until(lambda: on.app.accounts.size.width == before - 2, "one cell wider")
        assert "Enter reset" in on.lines[-1]
        await on.pilot.press("enter")
        await on.until(lambda: on.app.accounts.size.width == before, "the first size")


async def test_tab_reaches_every_pane_and_divider() -> None:
    async with desk() as on:
        await on.command("watch ESH4")
        await on.until(lambda: on.app.watchlist.region.width > 0, "the watchlist")
        seen = set()
        for _ in range(14):
            seen.add(on.app.focused)
            await on.pilot.press("tab")
        assert {pane for name, pane in on.app._panes.items() if name != "alerts"} <= seen
        assert len([widget for widget in seen if isinstance(widget, Divider)]) == 5


async def test_a_dragged_divider_follows_the_mouse() -> None:
    async with desk() as on:
        x, before = outer(on).dividers[0].region.x, on.app.accounts.size.width
        await on.pilot.mouse_down(offset=(x, 10))
        for at in range(x, x - 15, -1):
            await on.pilot.hover(offset=(at, 10))
        await on.pilot.mouse_up(offset=(x - 15, 10))
        await on.until(lambda: on.app.accounts.size.width == before - 15, "fifteen cells narrower")
        assert outer(on).dividers[0].region.x == x - 15


async def test_a_double_click_brings_the_first_sizes_back() -> None:
    async with desk() as on:
        before = on.app.accounts.size.width
        outer(on).move(0, -20)
        await on.until(lambda: on.app.accounts.size.width == before - 20, "moved")
        await on.pilot.click(offset=(outer(on).dividers[0].region.x, 10), times=2)
        await on.until(lambda: on.app.accounts.size.width == before, "the first size")


async def test_no_pane_is_squeezed_below_its_least_size() -> None:
    async with desk() as on:
        outer(on).move(0, -500)
        await on.until(lambda: on.app.accounts.size.width == LEAST_WIDTH, "the least width")
        assert outer(on).move(0, -1) == 0


async def test_a_divider_moved_where_a_pane_is_hidden_moves_its_visible_neighbours() -> None:
    async with desk(120, 24) as on:
        right = outer(on).panes[1]
        assert isinstance(right, Split)
        assert not on.app.orders.display
        before = on.app.candles.size.height
        right.move(0, -2)
        await on.until(lambda: on.app.candles.size.height == before - 2, "two lines lower")
        assert not right.dividers[1].display
