"""The screen over a scripted desk: what keys and commands do, and that nothing remote can harm it."""

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from textual.events import MouseScrollDown

from engine.seat import AccountRow, CommandRefused, FlattenResult
from tests.tui.driving import desk
from tests.tui.scripted_seat import ScriptedSeat
from tui.commands import Export
from tui.dialogs import Confirm, HelpPage, QuitQuestion, StoryPage
from tui.grid import GridPane
from tui.panes.lines import StatusLine


async def test_space_switches_the_follower_under_the_cursor_off_and_on() -> None:
    async with desk() as on:
        await on.pilot.press("down")
        await on.pilot.press("space")
        await on.until(lambda: not on.seat.accounts["DEMO1001"].enabled, "the desk to have it off")
        await on.until(lambda: on.line_of("DEMO1001").startswith("○ DEMO1001    off"), "the row to say off")
        assert "DEMO1001 is off from the next leader event." in on.text
        await on.pilot.press("space")
        await on.until(lambda: on.line_of("DEMO1001").startswith("● DEMO1001    armed"), "the row to say armed")


async def test_a_copy_skipped_while_off_says_why_in_the_ledger() -> None:
    async with desk() as on:
        await on.seat.toggle("DEMO1020")
        on.seat.advance(400)
        await on.shows("switched off")
        assert "skipped" in on.line_of("switched off")


async def test_space_on_the_leader_says_why_it_does_nothing() -> None:
    async with desk() as on:
        await on.pilot.press("space")
        await on.shows("LEAD1000 is the leader; only followers are switched on and off.")
        assert on.seat.accounts["LEAD1000"].enabled


async def test_the_leader_wears_the_crown_and_a_follower_does_not() -> None:
    async with desk() as on:
        crowned = [line for line in on.lines if line.startswith("♛")]
        assert len(crowned) == 1 and "LEAD1000" in crowned[0]


async def test_profit_and_loss_carry_an_arrow_and_a_sign_as_well_as_colour() -> None:
    async with desk() as on:
        on.seat._change("DEMO1001", day_pnl=Decimal("1234.5"))
        on.seat._change("DEMO1002", day_pnl=Decimal("-12.5"))
        on.seat.publish()
        await on.shows("▲ +1,234.50")
        assert "▼ -12.50" in on.line_of("● DEMO1002")


async def test_a_row_under_the_cursor_stays_under_it_when_the_order_changes() -> None:
    async with desk() as on:
        await on.pilot.press("down", "down")
        assert on.app.accounts.current == on.seat.accounts["DEMO1002"]
        await on.pilot.press("s", "s", "s", "s")  # account, state, position, day P&L
        assert on.app.accounts.current is not None and on.app.accounts.current.account == "DEMO1002"
        shown = [row.day_pnl for row in on.app.accounts.shown]
        assert shown == sorted(shown)
        await on.pilot.press("S")
        assert [row.day_pnl for row in on.app.accounts.shown] == sorted(shown, reverse=True)
        assert "day P&L↓" in on.text


async def test_a_filter_shows_only_matching_rows_and_escape_shows_all() -> None:
    async with desk() as on:
        await on.type("/")
        await on.type("1003")
        await on.until(lambda: len(on.app.accounts.shown) == 1, "one row")
        assert "1 of 21 accounts · 20 of 20 followers armed · /1003" in on.text
        await on.pilot.press("enter")
        assert on.app.focused is on.app.accounts
        await on.pilot.press("escape")
        assert len(on.app.accounts.shown) == 21


async def test_a_filter_that_matches_nothing_says_so() -> None:
    async with desk() as on:
        on.app.accounts.set_filter("zzz")
        await on.shows("Nothing matches /zzz; Esc clears it.")


async def test_only_changed_cells_are_repainted() -> None:
    async with desk() as on:
        pane = on.app.accounts
        await on.pilot.pause()
        asked: list[object] = []
        stock = pane.refresh
        pane.refresh = lambda *regions, **options: (asked.extend(regions), stock(*regions, **options))[1]  # type: ignore
        on.seat._change("DEMO1005", copies_ok=99)
        on.seat.publish()
        await on.until(lambda: bool(asked), "a repaint")
        assert [(region.y, region.height) for region in asked] == [(2, 1), (8, 1)]  # type: ignore[attr-defined]
        assert [region.width for region in asked] == [4, 4]  # type: ignore[attr-defined]
        await on.until(lambda: "   99 " in on.line_of("● DEMO1005"), "the new count")


async def test_flatten_all_closes_and_says_what_the_venue_confirmed() -> None:
    async with desk() as on:
        await on.command("flatten all")
        await on.confirmed()
        await on.shows("21 accounts are flat after 0.2 s, checked with the venue.")
        assert await on.seat.open_positions() == 0
        await on.shows("Every account is flat.")


async def test_a_flatten_that_failed_names_who_is_not_flat_and_why() -> None:
    class Stubborn(ScriptedSeat):
        async def flatten(self, target: str) -> FlattenResult:
            return FlattenResult(flat=("DEMO1002",), not_flat=(("DEMO1001", "the market is closed"),), seconds=2.0)

    async with desk(seat=Stubborn()) as on:
        await on.command("flatten all")
        await on.confirmed()
        await on.shows("NOT flat: DEMO1001: the market is closed. 1 account is flat after 2.0 s.")


async def test_a_rule_and_an_export_go_through_from_the_command_line(tmp_path: Path) -> None:
    async with desk() as on:
        await on.command("rule demo1003 fixed 2")
        await on.shows("DEMO1003 now copies fixed 2.")
        target = tmp_path / "copies.csv"
        on.app.carrying.run(Export("copies", str(target), None))
        await on.shows("60 copies written to")
        assert target.read_bytes().count(b"\r\n") == 60


async def test_a_refusal_of_the_desk_is_shown_as_it_was_said() -> None:
    class Refusing(ScriptedSeat):
        async def set_rule(self, account: str, kind: str, value: str) -> str:
            raise CommandRefused("rule: DEMO1001 holds a position; flatten it first.")

    async with desk(seat=Refusing()) as on:
        await on.command("rule DEMO1001 fixed 2")
        await on.shows("rule: DEMO1001 holds a position; flatten it first.")


async def test_a_command_that_breaks_leaves_the_seat_standing_and_no_secret_anywhere() -> None:
    class Broken(ScriptedSeat):
        async def toggle(self, account: str) -> str:
            raise ConnectionError("password=hunter2")

    with capture_logs() as logged:
        async with desk(seat=Broken()) as on:
            await on.pilot.press("down", "space")
            await on.shows("It was not done: ConnectionError.")
            assert "hunter2" not in on.text
    assert [(line["kind"], line["function"]) for line in logged] == [("ConnectionError", "toggle")]
    assert "hunter2" not in str(logged)


async def test_a_bad_command_gets_one_sentence_with_the_nearest_match() -> None:
    async with desk() as on:
        await on.command("toggle DEM1001")
        await on.shows("account: there is no 'DEM1001' here; did you mean DEMO1001?")


async def test_tab_completes_a_command_and_its_account() -> None:
    async with desk() as on:
        await on.type(":")
        await on.type("to")
        await on.pilot.press("tab")
        assert on.app.prompt._input.value == "toggle "
        await on.type("demo100")
        await on.pilot.press("tab")
        assert on.app.prompt._input.value == "toggle DEMO1001"
        await on.pilot.press("tab")
        assert on.app.prompt._input.value == "toggle DEMO1002"
        await on.pilot.press("shift+tab", "enter")
        await on.shows("DEMO1001 is off from the next leader event.")


async def test_the_arrow_keys_bring_earlier_commands_back() -> None:
    async with desk() as on:
        await on.command("toggle DEMO1001")
        await on.shows("DEMO1001 is off")
        await on.command("theme light")
        await on.type(":")
        await on.pilot.press("up", "up")
        assert on.app.prompt._input.value == "toggle DEMO1001"
        await on.pilot.press("down", "down")
        assert on.app.prompt._input.value == ""


async def test_escape_leaves_the_command_line_and_gives_the_focus_back() -> None:
    async with desk() as on:
        await on.pilot.press("3")
        await on.until(lambda: on.app.focused is on.app.orders, "the orders pane")
        await on.type(":")
        await on.type("flatten all")
        await on.pilot.press("escape")
        await on.until(lambda: on.app.focused is on.app.orders, "the focus back on orders")
        assert not on.app.prompt.is_open
        assert await on.seat.open_positions() > 0


async def test_the_theme_changes_the_colours_at_once() -> None:
    async with desk() as on:

        def background() -> object:
            style = on.segments[5][0].style
            return style.bgcolor if style else None

        before = background()
        await on.command("theme light")
        await on.until(lambda: background() != before, "another background")
        assert on.app.theme == "light"


async def test_a_theme_that_does_not_exist_is_named_and_the_desk_opens_anyway() -> None:
    async with desk(theme="dsk") as on:
        await on.shows("theme: there is no 'dsk'; write one of desk, deuteranopia, light.")
        assert on.app.theme == "desk"


async def test_quitting_with_open_positions_asks_first_and_no_means_no() -> None:
    async with desk(signals=3) as on:
        holding = await on.seat.open_positions()
        assert holding > 0
        await on.command("quit")
        await on.until(lambda: isinstance(on.app.screen, QuitQuestion), "the question")
        await on.shows(f"{holding} accounts hold a position.")
        await on.pilot.press("n")
        await on.until(lambda: not isinstance(on.app.screen, QuitQuestion), "the desk again")
        assert on.app.is_running and not on.app._exit
        await on.pilot.press("ctrl+q")
        await on.until(lambda: isinstance(on.app.screen, QuitQuestion), "the question again")
        await on.pilot.press("y")
        await on.until(lambda: on.app._exit, "the end")


async def test_quitting_when_flat_asks_nothing() -> None:
    async with desk(signals=0) as on:
        await on.command("quit")
        await on.until(lambda: on.app._exit, "the end")


async def test_a_desk_that_does_not_answer_can_still_be_left() -> None:
    class Dead(ScriptedSeat):
        async def open_positions(self) -> int:
            await asyncio.Event().wait()
            return 0

    async with desk(seat=Dead()) as on:
        await on.command("quit")
        await on.until(lambda: isinstance(on.app.screen, QuitQuestion), "the question")
        await on.shows("The desk does not answer")


async def test_a_desk_that_blocks_orders_says_why_in_the_status_line() -> None:
    async with desk() as on:
        on.seat.blocked = "the journal can't be written: no space left."
        on.seat.advance(100)
        await on.shows("No order leaves: the journal can't be written: no space left.")
        style = on.segments[1][0].style
        assert style is not None and style.bgcolor is not None and style.bold


async def test_a_silent_desk_is_shown_as_old() -> None:
    async with desk() as on:
        await on.pilot.pause()
        on.app._spoke_s -= 10
        await on.shows("The desk has said nothing for")


async def test_help_lists_every_key_and_every_command() -> None:
    async with desk() as on:
        await on.pilot.press("question_mark")
        await on.until(lambda: isinstance(on.app.screen, HelpPage), "the page")
        await on.shows("Switch the follower under the cursor on or off")
        await on.pilot.press("end")
        await on.shows("leave the desk; asks first")
        await on.pilot.press("pageup")
        await on.shows("switch a follower on or off")
        await on.pilot.press("escape")
        await on.until(lambda: not isinstance(on.app.screen, HelpPage), "the desk again")


async def test_zoom_gives_a_pane_the_screen_and_back() -> None:
    async with desk() as on:
        await on.pilot.press("4")
        await on.until(lambda: on.app.copies.has_focus, "copies")
        await on.pilot.press("z")
        await on.until(lambda: on.app.copies.size.width == 200, "the whole width")
        assert "ACCOUNTS" not in on.text
        await on.pilot.press("z")
        await on.until(lambda: on.app.copies.size.width < 200, "its place again")
        assert "ACCOUNTS" in on.text


HOSTILE = "\x1b]0;owned\x07\x1b[2J\x1b[31m[/oops] [bold]hi[/] \x9b2J\u202egnp\x00\n"


@pytest.mark.parametrize("where", ["why", "alert", "reason", "message"])
async def test_remote_text_can_neither_send_escapes_nor_break_markup(where: str) -> None:
    async with desk() as on:
        if where == "why":
            on.seat._change("DEMO1001", why=HOSTILE, rule=HOSTILE)
            on.app.action_pane("accounts")
            await on.pilot.press("z")
        elif where == "alert":
            on.seat.alert("warn", HOSTILE)
        elif where == "reason":
            row = on.seat.copies[0]
            fields = {name: getattr(row, name) for name in row.__struct_fields__}
            on.seat.copies[0] = type(row)(**{**fields, "reason": HOSTILE})
        else:
            on.app.message.say(HOSTILE, "refused")
        on.seat.publish()
        await on.shows("[/oops] [bold]")
        for character in on.text:
            assert character == "\n" or character.isprintable()
        assert "owned" not in on.text and "\u202e" not in on.text


SIZES = [(80, 24), (120, 40), (200, 50), (60, 15)]


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("theme", ["desk", "light", "deuteranopia"])
async def test_every_size_renders_full_lines_and_panes_do_not_overlap(width: int, height: int, theme: str) -> None:
    async with desk(width, height, theme=theme) as on:
        assert len(on.lines) == height
        for segments in on.segments:
            assert sum(segment.cell_length for segment in segments) == width
            assert all(segment.style is not None for segment in segments)
        visible = [on.app._panes[name] for name in on.app.board.on_screen]
        assert on.app.accounts in visible
        for pane in visible:
            assert on.app.screen.region.contains_region(pane.region), pane
            for other in visible:
                assert other is pane or not pane.region.overlaps(other.region), (pane, other)
        assert "undecided 0" in on.lines[0]


@pytest.mark.parametrize(("width", "shown"), [(80, 2), (120, 5), (200, 5)])
async def test_a_narrow_terminal_shows_what_matters_and_reaches_the_rest_by_number(width: int, shown: int) -> None:
    async with desk(width, 40) as on:
        assert len(on.app.board.on_screen) == shown
        await on.pilot.press("5")
        await on.until(lambda: on.app.candles.has_focus, "the candles")
        await on.shows("CANDLES · ESH4 1m")


async def test_a_terminal_that_changes_its_size_shows_what_fits_the_new_one() -> None:
    async with desk(200, 50) as on:
        for width, height, shown in ((80, 24, 2), (120, 40, 5), (120, 24, 4), (200, 50, 5)):
            await on.pilot.resize_terminal(width, height)
            await on.until(
                lambda shown=shown: len(on.app.board.on_screen) == shown,
                f"{shown} panes at {width}x{height}",
            )


async def test_no_color_draws_without_colour_and_without_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with desk() as on:
        await on.pilot.press("down", "5", "z", "z")
        await on.shows("ACCOUNTS")
        for line in on.segments:
            for segment in line:
                for colour in (segment.style.color, segment.style.bgcolor) if segment.style else ():
                    triplet = colour.triplet if colour else None
                    assert triplet is None or triplet.red == triplet.green == triplet.blue


async def test_an_empty_desk_says_what_to_do() -> None:
    class Empty(ScriptedSeat):
        def _make_accounts(self) -> None:
            pass

    async with desk(seat=Empty()) as on:
        await on.shows("No accounts yet: :add puts a login and its accounts on the desk.")
        assert "Every account is flat." in on.text


async def test_a_thousand_orders_scroll_to_the_last_one() -> None:
    async with desk(signals=30) as on:
        await on.pilot.press("3")
        await on.until(lambda: on.app.orders.has_focus, "orders")
        await on.pilot.press("end")
        last = on.app.orders.shown[-1]
        assert on.app.orders.current is last
        await on.until(lambda: "↓0" in on.line_of("ORDERS"), "the end")
        assert f"order {last.order_id}" in on.app.message.text


async def test_the_mouse_wheel_scrolls_and_the_title_says_where() -> None:
    async with desk() as on:
        await on.shows("COPIES · 60 copies · ↑0")
        on.app.copies.post_message(
            MouseScrollDown(on.app.copies, 1, 5, 0, 1, 0, False, False, False, screen_x=1, screen_y=35)
        )
        await on.until(lambda: "↑0" not in on.line_of("COPIES"), "a scrolled ledger")


async def test_the_picture_of_the_screen_is_written_and_loads_nothing(tmp_path: Path) -> None:
    async with desk() as on:
        on.app.export_svg(str(tmp_path / "desk.svg"))
        picture = (tmp_path / "desk.svg").read_text("utf-8")
        assert "DEMO1001" in picture
        assert "@font-face" not in picture and 'url("http' not in picture


async def test_a_click_on_a_hint_does_what_its_key_does() -> None:
    async with desk() as on:
        x = on.lines[-1].index("z zoom")
        await on.pilot.click(offset=(x, 49))
        await on.until(lambda: on.app.accounts.size.width == 200, "zoom")


async def test_a_click_picks_a_row_and_a_click_on_a_head_orders_by_it() -> None:
    async with desk() as on:
        await on.pilot.click(on.app.accounts, offset=(5, 7))
        current = on.app.accounts.current
        assert isinstance(current, AccountRow) and current.account == "DEMO1004"
        x = on.line_of("day P&L").index("day P&L")
        await on.pilot.click(on.app.accounts, offset=(x + 1, 1))
        await on.shows("day P&L↑")


async def test_rows_fall_out_of_the_memory_of_a_pane_when_they_leave_the_desk() -> None:
    async with desk(signals=30) as on:
        pane: GridPane[object] = on.app.copies  # type: ignore[assignment]
        await on.until(lambda: len(pane.shown) == 500, "a full ledger")
        for _ in range(40):
            on.seat.advance(400)
            await on.pilot.pause(0.06)
        assert len(pane._cells) <= 2 * 500 + 50 + len(pane.shown)


async def test_w_on_a_copy_tells_its_story_and_escape_closes_it() -> None:
    async with desk(80, 24) as on:
        await on.pilot.press("4")
        await on.pilot.press("w")
        await on.until(lambda: isinstance(on.app.screen, StoryPage), "the story")
        row = on.app.copies.current
        assert row is not None
        await on.shows(f"{row.follower} {row.signal_id}")
        await on.pilot.press("end")
        await on.shows("the end of")
        await on.pilot.press("escape")
        await on.until(lambda: not isinstance(on.app.screen, StoryPage), "the desk again")


async def test_why_from_the_command_line_tells_the_last_copy_or_says_why_not() -> None:
    async with desk() as on:
        await on.command("why DEMO1003 10:30")
        await on.shows(f"DEMO1003 {next(c for c in on.seat.copies if c.follower == 'DEMO1003').signal_id} at 10:30")
        await on.pilot.press("escape")
        on.seat.copies.clear()
        await on.command("why DEMO1003")
        await on.shows("account: nothing was copied to DEMO1003 yet.")


async def test_w_where_there_is_no_copy_says_so() -> None:
    async with desk(signals=0) as on:
        await on.pilot.press("4", "w")
        await on.shows("No copy is under the cursor.")


@pytest.mark.parametrize("width", [80, 200])
async def test_the_counter_of_undecided_pairs_is_always_there_and_alarms(width: int) -> None:
    async with desk(width, 24) as on:
        assert "undecided 0" in on.lines[0]
        on.seat.undecided = 3
        on.seat.publish()
        await on.until(lambda: "undecided 3" in on.lines[0], "the counter to say 3")
        calm, alarm = (on.app.query_one(StatusLine)._style(look) for look in ("good", "alarm"))
        at = next(n for n, segment in enumerate(on.segments[0]) if segment.text == "undecided ")
        shown = on.segments[0][at + 1].style
        assert shown is not None
        assert (shown.color, shown.bgcolor) == (alarm.color, alarm.bgcolor) != (calm.color, calm.bgcolor)


async def test_a_flatten_that_runs_is_told_on_the_status_line_until_it_is_over() -> None:
    async with desk() as on:
        on.seat.flattening = "flatten all: 17 of 20 flat, 1.2 s, waiting for DEMO1007"
        on.seat.publish()
        await on.shows("flatten all: 17 of 20 flat, 1.2 s, waiting for DEMO1007")
        assert "17 of 20 flat" in on.lines[1]
        on.seat.flattening = ""
        on.seat.publish()
        await on.until(lambda: "17 of 20 flat" not in on.text, "the end of it")


async def test_a_guard_stands_on_the_status_line_and_at_its_account() -> None:
    async with desk() as on:
        await on.command("halt all")
        await on.until(lambda: "ALL HALT" in on.lines[0], "the guard on top")
        on.seat._change("DEMO1003", state="close-only", why="close only by the trader: DEMO1003")
        on.seat.publish()
        await on.until(lambda: "▼ DEMO1003    close-only" in on.text, "the guard in the account's row")
        await on.pilot.press("j", "j", "j")
        await on.shows("DEMO1003 · close-only · close only by the trader: DEMO1003")
        await on.command("resume all")
        await on.until(lambda: "ALL HALT" not in on.lines[0], "the guard lifted")


async def test_the_kill_switch_takes_two_deliberate_keys() -> None:
    async with desk() as on:
        assert await on.seat.open_positions() > 0
        await on.pilot.press("K")
        await on.until(lambda: on.app.prompt.is_open, "the line with :kill")
        await on.shows(":kill")
        assert await on.seat.open_positions() > 0 and not on.seat.guarded
        await on.pilot.press("escape")
        assert await on.seat.open_positions() > 0 and not on.seat.guarded
        await on.pilot.press("K", "enter")
        await on.until(lambda: isinstance(on.app.screen, Confirm), "the page")
        await on.pilot.press("enter", "enter")
        assert await on.seat.open_positions() > 0 and not on.seat.guarded, "Enter was the second key too"
        await on.confirmed()
        await on.shows("21 accounts are flat after 0.2 s, checked with the venue.")
        assert on.seat.guarded == "all halt"
