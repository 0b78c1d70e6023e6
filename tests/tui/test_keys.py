"""Keys and commands on the screen: every key is pressed, none trades by itself, and what asks shows it first."""

from pathlib import Path
from typing import Any

import pytest

from engine.reported import ReportAsked
from engine.seat import LoginAccounts
from engine.shown import PracticeLogin
from schema.login import Credentials
from schema.records import ConnectionConfig, Environment, VenueAccount
from tests.tui.driving import Driver, desk
from tests.tui.scripted_seat import PASSWORD, ScriptedSeat
from tui.app import CopydeskApp
from tui.arm_page import ArmPage
from tui.dialogs import Confirm, HelpPage
from tui.history import History
from tui.keymap import CONTEXTS, KEYS, OPENS, Key
from tui.login_form import NewAccountsPage, SyncPage
from tui.palette import Palette
from tui.report_page import ReportPage
from tui.textpage import TextPage
from tui.user_keys import keymap_of_values

TRADES = ("flatten", "kill", "resync", "place", "move", "cancel", "set_rule")
PRACTICE = ConnectionConfig(connection="boss", venue="tradovate", environment=Environment.DEMO, username="boss")
SHOWN_AT = {"resync": 1, "place": 1, "move": 4, "cancel": 2}
"""Where among its arguments a command has what it showed; without it, it only shows."""


class SpySeat(ScriptedSeat):
    """Notes what was asked of it that may send an order."""

    def __init__(self) -> None:
        super().__init__(publish_every=100)
        self.traded: list[str] = []

    def __getattribute__(self, name: str) -> Any:
        found = object.__getattribute__(self, name)
        if name not in TRADES:
            return found

        def noted(*given: Any, **named: Any) -> Any:
            if name not in SHOWN_AT or len(given) > SHOWN_AT[name] or named.get("shown") is not None:
                self.traded.append(name)
            return found(*given, **named)

        return noted


async def go(on: Driver, context: str) -> None:
    """Have the keys of a context at hand."""
    app = on.app
    app.trading.ladder.disarm()  # the key before may have armed it, and two keys may trade
    if context in app._panes:
        app.action_pane(context)
    elif context == "grid":
        app.action_pane("accounts")
    elif context == "split":
        app.screen.query("Divider").first().focus()
    elif context == "prompt":
        await on.pilot.press("colon")
    elif context == "layout":
        await on.pilot.press("ctrl+w")
    elif context == "choose":
        await on.pilot.press("ctrl+p")
        await on.until(lambda: isinstance(app.screen, Palette), "the palette")
    elif context == "confirm":
        app.push_screen(Confirm("Do it?", does="do it"))
        await on.until(lambda: isinstance(app.screen, Confirm), "the page")
    elif context == "report":
        app.push_screen(ReportPage(on.seat, await on.seat.report(ReportAsked()), lambda _: None))
        await on.until(lambda: isinstance(app.screen, ReportPage), "the report")
    elif context == "text":
        app.push_screen(TextPage("line\n" * 200))
        await on.until(lambda: isinstance(app.screen, TextPage), "the page")
    elif context in ("page", "choice", "pick"):
        found = [VenueAccount(account=name, venue_id=name) for name in ("NEW1", "NEW2")]
        app.push_screen(NewAccountsPage(on.seat, PRACTICE, Credentials(username="boss", password="x"), found))
        await on.until(lambda: bool(app.screen.query("NewAccountsPage #picked")), "the form")
        app.screen.query_one({"page": "#group", "choice": "#armed", "pick": "#picked"}[context]).focus()
    elif context == "arm":
        app.push_screen(ArmPage(on.seat, await on.seat.arm_checklist("main", ())))
        await on.until(lambda: isinstance(app.screen, ArmPage), "the checklist")
    await on.pilot.pause()


@pytest.mark.parametrize("context", CONTEXTS)
async def test_no_single_key_trades_in_any_context_and_each_is_taken(
    context: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pressed where it works, every key of the table reaches its action, and none reaches what sends an order."""
    monkeypatch.chdir(tmp_path)  # a key writes a report there
    seat = SpySeat()
    seat.advance(800)
    taken: set[str] = set()
    async with desk(seat=seat) as on:
        run = on.app.run_action

        async def noted(action: Any, *args: Any, **options: Any) -> bool:
            if done := await run(action, *args, **options):
                taken.add(str(action))
            return done

        on.app.run_action = noted  # type: ignore[method-assign]
        keys = [key for key in KEYS if key.context == context and key.id not in ("quit", "run", "choose")]
        for key in keys:
            await go(on, context)
            before = on.app.screen
            await on.pilot.press(key.keys.split(",")[0])
            await on.pilot.pause()
            for second, page in (("confirm", Confirm), ("arm_them", ArmPage)):
                if isinstance(on.app.screen, page) and on.app.screen is not before:
                    assert key.id in OPENS[second]
            while len(on.app.screen_stack) > 1:
                on.app.pop_screen()
            if on.app.prompt.is_open:
                on.app.prompt.action_leave()
                if on.app.prompt.is_open:
                    on.app.prompt.action_leave()
            await on.pilot.pause()
        assert [key.id for key in keys if expected(key) not in taken] == []
        assert seat.traded == []


def expected(key: Key) -> str:
    return f"app.guarded('{key.id}')" if key.disabled else key.action


async def test_one_key_presses_the_button_of_a_form_from_any_line_and_none_that_is_not_there() -> None:
    seat = ScriptedSeat(publish_every=100)
    seat.practice = (PracticeLogin(PRACTICE, Credentials(username="boss", password=PASSWORD), ("NEW1",)),)
    seat.advance(400)
    async with desk(seat=seat) as on:
        await on.pilot.press("1", "a")
        await on.shows("presses the button")
        await on.pilot.press("right", "ctrl+g")
        await on.shows("Put them on the desk")
        await on.pilot.press("ctrl+g")
        await on.shows("connecting.")
        on.app.push_screen(SyncPage(seat, LoginAccounts("boss", "tradovate", Environment.DEMO, ())))
        await on.shows("It has no account that is not on the desk.")
        await on.pilot.press("ctrl+g", "escape")
        await on.until(lambda: len(on.app.screen_stack) == 1, "the page's end")


async def test_texts_call_a_key_what_the_trader_does() -> None:
    wanted = {"find": "F5", "page_go": "F6", "arm_details": "F7", "unfilter": "F8", "run": "Ctrl+O", "ladder_arm": "F9"}
    seat = ScriptedSeat(publish_every=100)
    seat.advance(800)
    app = CopydeskApp(seat, keymap=keymap_of_values({"keys": wanted}, "keys.toml"))
    async with app.run_test(size=(200, 50)) as pilot:
        on = Driver(app, seat, pilot)
        await on.shows("DEMO1001")
        await pilot.press("6")
        await on.shows("F5 finds a symbol to watch.")
        await pilot.press("8", "b")
        await on.shows("The ladder is not armed: F9 arms it")
        await pilot.press("1", "slash", *"zzz", "ctrl+o")
        await on.shows("Nothing matches /zzz; F8 clears it.")
        await pilot.press("f8", "A")
        await on.shows("F7  every check")
        await pilot.press("f7")
        await on.shows("F7  only what is to be said")
        await pilot.press("escape", "a")
        await on.shows("F6 presses the button")
        await pilot.press("escape", "colon", *"resync all")
        await on.shows("Ctrl+O reads the venues")


async def test_every_key_that_can_be_disabled_says_why_and_does_nothing() -> None:
    class Empty(ScriptedSeat):
        def _make_accounts(self) -> None:
            pass

    for key in (each for each in KEYS if each.disabled and each.context in ("accounts", "copies", "watch")):
        async with desk(seat=Empty()) as on:
            reason = on.app.why_not(key)
            assert reason
            await go(on, key.context)
            await on.pilot.press(key.keys.split(",")[0])
            await on.shows(reason)


async def test_f_on_an_account_shows_what_closes_and_only_y_closes_it() -> None:
    async with desk() as on:
        await on.pilot.press("down", "F")
        await on.until(lambda: isinstance(on.app.screen, Confirm), "the page")
        await on.shows("Flatten DEMO1001: closes +2 ESH4 on DEMO1001.")
        await on.pilot.press("enter", "space", "F", "n")
        await on.shows("Nothing was sent.")
        assert on.seat.accounts["DEMO1001"].net_qty == 2
        await on.pilot.press("F")
        await on.confirmed()
        await on.shows("1 account is flat after 0.2 s, checked with the venue.")
        assert on.seat.accounts["DEMO1001"].net_qty == 0 and on.seat.accounts["DEMO1002"].net_qty != 0


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("flatten DEMO1003", "Now: closes +2 ESH4 on DEMO1003"),
        ("kill", "Now: halts the desk, closes +2 ESH4 on"),
        ("rule DEMO1003 fixed 1", "leader +2 ESH4, target +1 ESH4, holds +2"),
        ("toggle DEMO1003", "Now: DEMO1003 goes off; it holds +2 ESH4, which stays."),
        ("halt all", "Now: 20 followers: open nothing; resting entries stay"),
        ("set main leader DEMO1003", "Now: refused, as "),
        ("resync DEMO1003", "Now: 1 follower at target as far as is known"),
    ],
)
async def test_a_command_says_while_it_is_typed_what_it_would_do_now(line: str, says: str) -> None:
    async with desk() as on:
        await on.type(":")
        await on.until(lambda: on.app.prompt.is_open, "the line")
        await on.type(line)
        await on.shows(says)


async def test_the_palette_finds_a_key_by_what_it_does_and_what_needs_a_second_key_still_asks() -> None:
    async with desk() as on:
        await on.pilot.press("ctrl+p")
        await on.until(lambda: isinstance(on.app.screen, Palette), "the palette")
        await on.type("zoom")
        await on.pilot.press("enter")
        await on.until(lambda: on.app.accounts.size.width == 200, "zoom")
        await on.pilot.press("ctrl+p")
        await on.until(lambda: isinstance(on.app.screen, Palette), "the palette again")
        await on.type("halt desk flatten")
        await on.shows(":kill")
        await on.pilot.press("enter")
        await on.until(lambda: isinstance(on.app.screen, Confirm), "the page that asks")
        assert await on.seat.open_positions() > 0


async def test_help_has_the_pane_at_hand_first_and_is_searched_with_a_count() -> None:
    async with desk() as on:
        await on.pilot.press("4", "question_mark")
        await on.until(lambda: isinstance(on.app.screen, HelpPage), "the page")
        page = on.app.screen
        assert isinstance(page, HelpPage)
        assert page.text.lines[0] == "In the copy ledger, now"
        await on.pilot.press("slash")
        await on.type("divider")
        await on.pilot.press("enter")
        await on.until(lambda: page.foot.startswith(f"/divider  1 of {len(page.text.matches)}"), "the count")
        assert len(page.text.matches) > 2
        await on.pilot.press("N")
        assert page.foot.startswith(f"/divider  {len(page.text.matches)} of")
        await on.pilot.press("escape")
        assert on.app.screen is page
        await on.pilot.press("escape")
        await on.until(lambda: on.app.screen is not page, "the desk")


async def test_ctrl_r_finds_an_earlier_command_and_enter_only_takes_it_into_the_line() -> None:
    async with desk() as on:
        await on.command("toggle DEMO1001")
        await on.shows("DEMO1001 is off")
        await on.command("theme light")
        await on.type(":")
        await on.pilot.press("ctrl+r")
        await on.type("togg")
        await on.shows("1 of 1   :toggle DEMO1001")
        await on.pilot.press("enter")
        assert on.app.prompt._input.value == "toggle DEMO1001" and on.app.prompt.is_open
        assert not on.seat.accounts["DEMO1001"].enabled


def test_the_history_lasts_is_the_users_alone_and_holds_no_secret(tmp_path: Path) -> None:
    file = tmp_path / "history"
    one = History(file)
    for line in ("flatten all", "add", "export x password=hunter2", "theme light"):
        one.remember(line)
        one.keep(line)
    one.remember("hunter2-alone")  # never understood, so never kept
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_text() == "flatten all\ntheme light\n"
    assert History(file).lines == ["flatten all", "theme light"]
    assert History(file).matching("FLAT") == ["flatten all"]


async def test_a_hint_under_the_mouse_says_what_its_key_does_or_why_it_cant() -> None:
    async with desk() as on:
        x = on.lines[-1].index("Space")
        await on.pilot.hover(offset=(x, 49))
        await on.shows("Switch the follower under the cursor on or off")
        assert "Not now: LEAD1000 is the leader" in on.lines[-1]
