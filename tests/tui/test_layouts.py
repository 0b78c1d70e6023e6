"""Layouts of a name: saved, shown, deleted, and exactly as they were when the screen is opened again."""

import pytest

from schema.layouts import SavedLayout, ShownLayout, UserLayouts
from tests.tui.driving import Driver, desk
from tests.tui.scripted_seat import ScriptedSeat
from tui.dialogs import StoryPage
from tui.jump import JumpPage, letters_for
from tui.layout import panes, parse, written
from tui.panes.registry import PANES
from tui.presets import PRESETS

SIZES = [(80, 24), (120, 40), (200, 50)]


def seat_with(*layouts: tuple[str, str], shown: ShownLayout | None = None) -> ScriptedSeat:
    seat = ScriptedSeat(publish_every=100)
    seat.layouts = UserLayouts(layouts=tuple(SavedLayout(name=name, tree=tree) for name, tree in layouts), shown=shown)
    seat.publish()
    return seat


def places(on: Driver) -> dict[str, object]:
    return {name: on.app._panes[name].region for name in on.app.board.on_screen}


async def built_by_keys(on: Driver) -> None:
    """A layout that nobody ships."""
    await on.pilot.press("ctrl+w", "v", "ctrl+w", "greater_than_sign", "greater_than_sign", "minus", "escape")
    await on.pilot.press("ctrl+w", "s", "ctrl+w", "h", "ctrl+w", "plus", "plus", "escape")
    await on.until(lambda: on.app.layouts.changed and len(on.app._screen_stack) == 1, "a changed layout")


@pytest.mark.parametrize(("width", "height"), SIZES)
async def test_a_saved_layout_comes_back_exactly_when_the_screen_is_opened_again(width: int, height: int) -> None:
    seat = seat_with()
    async with desk(width, height, seat=seat) as on:
        await built_by_keys(on)
        on.enter("layout mine save")
        await on.shows("Layout mine is saved.")
        tree, at = on.app.layouts.tree, places(on)
        assert on.app.layouts.name == "mine" and not on.app.layouts.changed
        await on.app.remember_layout()
    async with desk(width, height, seat=seat) as on:
        assert on.app.layouts.name == "mine"
        assert on.app.layouts.tree == tree  # ratios too
        await on.until(lambda: places(on) == at, "every pane where it was")


@pytest.mark.parametrize(("width", "height"), SIZES)
async def test_what_was_changed_and_not_saved_comes_back_too_and_showing_the_name_again_undoes_it(
    width: int, height: int
) -> None:
    seat = seat_with(("mine", "column(3:orders,2:accounts)"))
    async with desk(width, height, seat=seat, layout="mine") as on:
        await on.pilot.press("ctrl+w", "plus", "plus", "escape")
        await on.until(lambda: on.app.layouts.changed, "a change")
        tree = on.app.layouts.tree
        await on.until(lambda: seat.layouts is not None and seat.layouts.shown is not None, "it to be remembered")
    async with desk(width, height, seat=seat) as on:
        assert on.app.layouts.name == "mine" and on.app.layouts.changed and on.app.layouts.tree == tree
        on.enter("layout mine")
        await on.shows("Layout mine.")
        assert written(on.app.layouts.tree) == "column(3:orders,2:accounts)"


async def test_leaving_remembers_what_was_just_changed() -> None:
    seat = seat_with()
    async with desk(signals=0, seat=seat) as on:
        on.enter("layout risk")
        await on.pilot.press("ctrl+q")
        await on.until(lambda: on.app._exit, "the end")
    assert seat.layouts is not None and seat.layouts.shown == ShownLayout(name="risk")


async def test_another_layout_that_is_asked_for_at_the_start_wins_over_the_last_one() -> None:
    async with desk(seat=seat_with(shown=ShownLayout(name="risk")), layout="charts") as on:
        assert on.app.layouts.name == "charts"
        await on.until(lambda: "candles" in on.app.board.on_screen, "the chart")
        assert on.app.focused is on.app.candles


async def test_an_unknown_layout_is_named_with_the_nearest_and_the_desk_opens_as_it_was() -> None:
    seat = seat_with(("evening", "row(1:orders,1:alerts)"), shown=ShownLayout(name="evening"))
    async with desk(seat=seat, layout="trde") as on:
        await on.shows("layout: there is no 'trde'; did you mean trade?")
        assert on.app.layouts.name == "evening"
        on.enter("layout evning")
        await on.shows("layout: there is no 'evning'; did you mean evening?")


async def test_layouts_that_are_read_late_are_shown_as_soon_as_they_are_known() -> None:
    seat = ScriptedSeat(publish_every=100)
    seat.layouts = None
    seat._views = {**seat._views}
    seat.publish()
    async with desk(seat=seat, layout="evening") as on:
        assert on.app.layouts.name == "auto"
        seat.layouts = UserLayouts(layouts=(SavedLayout(name="evening", tree="row(1:orders,1:alerts)"),))
        seat.publish()
        await on.until(lambda: on.app.board.on_screen == {"orders", "alerts"}, "the layout")
        assert on.app.focused is not None and on.app.focused.id in ("orders", "alerts")


async def test_a_preset_can_not_be_saved_over_and_one_of_the_users_own_stands_before_it_with_a_word() -> None:
    async with desk(seat=seat_with(("risk", "row(1:orders,1:alerts)"))) as on:
        on.enter("layout trade save")
        await on.shows("layout: trade comes with copydesk and stays as it is; take another name for yours.")
        on.enter("layout trade delete")
        await on.shows("layout: trade comes with copydesk, so it can't be deleted.")
        on.enter("layout risk")
        await on.shows("Layout risk: it stands before the preset of that name.")


async def test_a_layout_with_a_pane_of_another_version_is_shown_without_it_and_says_so() -> None:
    async with desk(seat=seat_with(("new", "row(2:orders,1:hologram,1:alerts)"), ("odd", "hologram"))) as on:
        on.enter("layout new")
        await on.shows("Layout new: this version has no pane hologram.")
        assert panes(on.app.layouts.tree) == ("orders", "alerts")
        on.enter("layout odd")
        await on.shows("layout: this version has none of the panes of odd: hologram.")
        assert on.app.layouts.name == "new"


async def test_a_layout_that_can_not_be_read_is_refused_and_the_screen_stays() -> None:
    seat = seat_with(("bad", "row(1:orders"), shown=ShownLayout(name="bad"))
    async with desk(seat=seat) as on:
        await on.shows("bad can't be shown: layout: ')' is missing at character 13. Layout auto is shown.")
        on.enter("layout bad")
        await on.shows("bad can't be shown: layout: ')' is missing at character 13.")


async def test_layouts_are_listed_and_deleted() -> None:
    async with desk(seat=seat_with(("evening", "row(1:orders,1:alerts)"))) as on:
        on.enter("layout EVENING")
        await on.shows("Layout evening.")
        on.enter("layouts")
        await on.until(lambda: isinstance(on.app.screen, StoryPage), "the page")
        await on.shows("evening is shown.")
        assert "orders, alerts" in on.line_of("  evening  ")
        await on.pilot.press("escape")
        await on.command("layout evening delete")
        await on.shows("Layout evening is deleted.")
        await on.until(lambda: on.app.layouts.name == "auto" and "accounts" in on.app.board.on_screen, "auto")


@pytest.mark.parametrize(("width", "height"), SIZES)
async def test_every_preset_is_drawn_whole_at_every_size(width: int, height: int) -> None:
    async with desk(width, height) as on:
        for name in PRESETS:
            on.enter(f"layout {name}")
            await on.shows(f"Layout {name}.")
            assert set(panes(on.app.layouts.tree)) <= set(PANES)
            for segments in on.segments:
                assert sum(segment.cell_length for segment in segments) == width


async def test_another_terminal_size_shows_the_variant_for_it_and_keeps_what_was_changed_in_each() -> None:
    async with desk(200, 50) as on:
        await on.pilot.press("ctrl+w", "greater_than_sign", "escape")
        await on.until(lambda: on.app.layouts.changed, "a change")
        wide = on.app.layouts.tree
        await on.pilot.resize_terminal(80, 24)
        await on.until(lambda: on.app.board.on_screen == {"accounts", "copies"}, "the small one")
        assert not on.app.layouts.changed
        await on.pilot.resize_terminal(200, 50)
        await on.until(lambda: on.app.layouts.tree == wide, "the wide one as it was changed")


async def test_tab_completes_layouts_and_panes() -> None:
    async with desk(seat=seat_with(("evening", "row(1:orders,1:alerts)"))) as on:
        await on.type(":layout ev")
        await on.pilot.press("tab")
        assert on.app.prompt._input.value == "layout evening"
        await on.pilot.press("escape")
        await on.type(":pane al")
        await on.pilot.press("tab")
        assert on.app.prompt._input.value == "pane alerts"


async def test_a_layout_that_the_desk_does_not_keep_is_said_and_shown_all_the_same() -> None:
    class Viewer(ScriptedSeat):
        async def edit_layouts(self, edit: object) -> str:
            from engine.seat import CommandRefused

            raise CommandRefused("edit_layouts: this seat is a viewer's, which changes nothing.")

    async with desk(seat=Viewer()) as on:
        on.enter("layout risk")
        await on.shows("Layout risk.")
        on.enter("layout mine save")
        await on.shows("this seat is a viewer's")
        assert on.app.layouts.name == "risk"


# --- jumping ------------------------------------------------------------------------------------------------------


def test_each_pane_has_a_letter_of_its_own() -> None:
    letters = letters_for(("accounts", "alerts", "candles", "copies", "aaa"))
    assert letters == {"a": "accounts", "l": "alerts", "c": "candles", "o": "copies", "b": "aaa"}
    assert len(letters_for(PANES)) == len(PANES)


async def test_jump_mode_shows_a_letter_on_each_title_and_goes_where_one_says() -> None:
    async with desk() as on:
        letters = {name: letter for letter, name in letters_for(on.app._panes).items()}
        await on.pilot.press("J")
        await on.until(lambda: isinstance(on.app.screen, JumpPage), "the letters")
        for name in on.app.board.on_screen:
            x, y = on.app._panes[name].region.offset
            await on.until(lambda x=x, y=y, name=name: on.lines[y][x:].startswith(f" {letters[name]}  {name} "), name)
        await on.pilot.press(letters["orders"])
        await on.until(lambda: on.app.orders.has_focus and not isinstance(on.app.screen, JumpPage), "orders")
        await on.pilot.press("J", letters["positions"])
        await on.until(lambda: on.app.positions.has_focus, "positions, in one burst")
        await on.pilot.press("J", "escape")
        await on.until(lambda: not isinstance(on.app.screen, JumpPage), "the desk again")
        assert on.app.positions.has_focus
        await on.pilot.press("J", letters["alerts"])
        await on.until(lambda: on.app.alerts.has_focus and on.app.board.on_screen == {"alerts"}, "the one not shown")


async def test_a_terminal_that_changes_its_size_ends_jump_mode() -> None:
    async with desk() as on:
        await on.pilot.press("J")
        await on.until(lambda: isinstance(on.app.screen, JumpPage), "the letters")
        await on.pilot.resize_terminal(120, 40)
        await on.until(lambda: not isinstance(on.app.screen, JumpPage), "the desk")


def test_text_of_a_layout_is_its_tree() -> None:
    assert parse(written(parse("row(124:accounts,75.5:orders)"))) == parse("row(124:accounts,75.5:orders)")
