"""What every pane must keep to, whatever it shows: no venue's words command the terminal, no gain is told by colour
alone, and a shared screen names no account and no money."""

import re
from decimal import Decimal
from typing import Any

import pytest
from msgspec import structs

from engine.reported import ReportAsked
from engine.seat import AccountRow, Topic, View
from schema.listed import Listed
from schema.watchlists import UserLists, Watched, Watchlist
from tests.tui.driving import Driver, desk
from tests.tui.scripted_seat import ScriptedSeat
from tui.app import CopydeskApp
from tui.columns import Cell
from tui.glyphs import ascii_only
from tui.grid import GridPane
from tui.here import ALL, MANY, Here
from tui.panes.registry import PANES
from tui.report_page import ReportPage
from tui.text import MASK, hidden, hide, real_names

HOSTILE = "\x1b]0;taken\x07\x1b[2J\x9b31m[/bold]\u202eXX"
SIGNS = ("▲", "▼", "+", "-", "buy", "sell", "long", "short", "bid", "ask")
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e]")
MONEY = re.compile(r"[▲▼] [+-][\d,]+\.\d\d|50,0\d\d\.\d\d")


@pytest.fixture(autouse=True)
def _shown_afterwards() -> Any:
    yield
    hide(None)


def a_seat(*, watching: bool = True) -> ScriptedSeat:
    seat = ScriptedSeat(publish_every=100)
    watched = tuple(Watched(source="contracts", symbol=name) for name in ("ESH4", "NQH4"))
    if watching:
        seat.mine = UserLists(lists=(Watchlist(name="mine", symbols=watched),))
    seat.advance(1200)
    seat.alert("alarm", "DEMO1003 is NOT flat: equity 48,211.50 is too little")
    seat.publish()
    return seat


def poisoned(value: Any) -> Any:
    """A row with `HOSTILE` at the end of every text in it that a venue or another program could have written."""
    if isinstance(value, tuple):
        return tuple(poisoned(each) for each in value)
    if not hasattr(value, "__struct_fields__"):
        return value
    changed: dict[str, Any] = {}
    for name in value.__struct_fields__:
        old = getattr(value, name)
        if type(old) is str and name not in ("badge", "interval", "level"):
            changed[name] = old + HOSTILE
        elif isinstance(old, tuple) or hasattr(old, "__struct_fields__"):
            changed[name] = poisoned(old)
    return structs.replace(value, **changed)


class HostileSeat(ScriptedSeat):
    def view(self, topic: Topic) -> View:
        view = super().view(topic)
        return View(topic=topic, version=view.version, rows=poisoned(view.rows))


def cells(driver: Driver) -> list[tuple[str, Cell]]:
    """Every cell of every table with its pane's name, on screen or not."""
    found: list[tuple[str, Cell]] = []
    for pane in driver.app.query(GridPane):
        pane.show(driver.app._seat.view(pane.TOPIC), driver.seat.now_ns)
        found += [(pane.NAME, cell) for row in pane.rows for cell in pane.cells_of(row)]
    return found


async def test_no_pane_hands_a_venues_escape_sequences_to_the_terminal() -> None:
    seat = HostileSeat(publish_every=100)
    seat.advance(1200)
    seat.alert("alarm", "told")
    seat.publish()
    async with desk(seat=seat) as driver:
        for name in PANES:
            driver.app.action_pane(name)
            await driver.pilot.pause(0.1)
            for line in driver.lines:
                assert not CONTROL.search(line), (name, line)
        assert "XX" in driver.text, "the hostile text never came to the screen: the test shows nothing"
        assert len({pane for pane, _ in cells(driver)}) >= 5
        assert not [cell for _, cell in cells(driver) if CONTROL.search(cell.text)]


async def test_no_pane_tells_a_gain_from_a_loss_by_colour_alone() -> None:
    async with desk(seat=a_seat()) as driver:
        told = [(pane, cell) for pane, cell in cells(driver) if cell.look in ("up", "down")]
        assert {"ACCOUNTS", "POSITIONS", "ORDERS", "COPIES"} <= {pane for pane, _ in told}
        assert [(pane, cell) for pane, cell in told if not cell.text.lower().startswith(SIGNS)] == []
        ups, downs = ({cell.text.lower()[:1] for _, cell in told if cell.look == look} for look in ("up", "down"))
        assert not ups & downs, "the same sign for both"


async def test_a_shared_screen_shows_no_money_and_no_account_and_shows_them_again() -> None:
    seat = a_seat(watching=False)  # the change of a price looks like money, and is none
    async with desk(seat=seat) as driver:
        await driver.shows("DEMO1003")
        assert MONEY.search(driver.text)
        await driver.pilot.press("dollar_sign")
        await driver.until(lambda: "DEMO1003" not in driver.text, "the account's name gone")
        secrets = [*seat.accounts, *{row.connection for row in seat.accounts.values()}]
        for name in PANES:
            driver.app.action_pane(name)
            await driver.pilot.pause(0.3)
            told = re.sub(r"CANDLES · .*", "", driver.text)  # the change of a price
            assert not MONEY.search(told), (name, MONEY.search(told))
            assert "48,211" not in driver.text
            assert name != "alerts" or "acct-03 is NOT flat" in driver.text
            assert [secret for secret in secrets if re.search(rf"\b{secret}\b", driver.text)] == [], name
        assert MASK in driver.lines[0], "the day's profit in the status line"
        await driver.command("why DEMO1003")
        await driver.shows("acct-03 S3")
        assert "DEMO1003" not in driver.text
        await driver.pilot.press("escape")
        await driver.until(lambda: len(driver.app.screen_stack) == 1, "the page's end")
        await driver.type("1j")
        await driver.until(lambda: "acct-" in driver.app.message.text, "the row in full")
        await driver.pilot.press("dollar_sign")
        await driver.shows("DEMO1003")
        assert MONEY.search(driver.text)


async def test_an_account_that_comes_while_names_are_hidden_is_hidden() -> None:
    seat = a_seat()
    async with desk(seat=seat) as driver:
        await driver.pilot.press("dollar_sign")
        await driver.until(hidden, "hiding")
        seat.accounts["VERYNEW7"] = structs.replace(
            seat.accounts["DEMO1001"], account="VERYNEW7", connection="newlogin"
        )
        seat.publish()
        await driver.until(lambda: "acct-21" in driver.text, "its stand-in")
        assert "VERYNEW7" not in driver.text and "newlogin" not in driver.text


async def test_a_login_that_is_called_leader_takes_the_word_from_nobody() -> None:
    seat = a_seat()
    seat.accounts["LEAD1000"] = structs.replace(seat.accounts["LEAD1000"], connection="leader")
    seat.publish()
    async with desk(seat=seat) as driver:
        await driver.pilot.press("dollar_sign")
        await driver.until(hidden, "hiding")
        await driver.command("flatten all")
        await driver.shows("acct-00  leader ")


async def test_a_copy_says_what_was_sent_and_holds_what_is_on_the_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    async with desk(seat=a_seat()) as driver:
        monkeypatch.setattr(driver.app.laptop, "_send", sent.append)
        await driver.type("1jy")
        await driver.shows("Sent the row under the cursor of ACCOUNTS to your terminal's clipboard: ")
        await driver.type("Y")
        await driver.shows("Sent ACCOUNTS, 22 rows to your terminal's clipboard: ")
        await driver.until(lambda: len(sent) == 2, "both copies")
    from base64 import b64decode

    row, pane = (b64decode(each.removeprefix("\x1b]52;c;").removesuffix("\a")).decode() for each in sent)
    assert row.split("\t")[1:3] == ["DEMO1001", "armed"]
    assert len(pane.splitlines()) == 23 and pane.splitlines()[0].split("\t")[1] == "account"
    assert "▲" not in pane and "▼" not in pane


async def test_an_alarm_of_the_desk_rings_while_a_page_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    seat = a_seat()
    async with desk(seat=seat) as driver:
        monkeypatch.setattr(driver.app.laptop, "_send", sent.append)
        await driver.pilot.press("question_mark")
        seat.now_ns += 1_000_000_000
        seat.alert("alarm", "the journal can't be written")
        seat.publish()
        await driver.until(lambda: bool(sent), "the bell")
    assert sent == ["\a\x1b]9;copydesk scripted: the journal can't be written\a"]


async def screen_at(here: Here, **options: Any) -> tuple[str, list[Any]]:
    """The screen's text and its styles on a terminal."""
    app = CopydeskApp(a_seat(), here=here, **options)
    async with app.run_test(size=(200, 50)) as pilot:
        driver = Driver(app, app._seat, pilot)  # type: ignore[arg-type]
        await driver.shows("DEMO1003")
        styles = [segment.style for line in driver.segments for segment in line]
        return driver.text, styles


async def test_without_colour_the_screen_has_none_and_still_shows_where_one_is() -> None:
    here = Here(term="xterm", colours=0, encoding="utf-8", tmux=False, ssh=False)
    _, styles = await screen_at(here)
    assert not [style for style in styles if style and (style.color or style.bgcolor)]
    assert [style for style in styles if style and style.reverse], "neither focus nor cursor is seen"


async def test_every_glyph_of_the_screen_has_a_stand_in_of_its_own_in_ascii() -> None:
    text, _ = await screen_at(Here(term="xterm", colours=MANY, encoding="utf-8", tmux=False, ssh=False))
    glyphs = sorted({glyph for glyph in text if not glyph.isascii()})
    assert len(glyphs) > 10
    assert [glyph for glyph in glyphs if ascii_only(glyph) == "?"] == []


async def test_sixteen_colours_have_their_own_shades() -> None:
    wide, narrow = (
        CopydeskApp(a_seat(), here=Here(term="xterm", colours=colours, encoding="utf-8", tmux=False, ssh=False))
        for colours in (ALL, 16)
    )
    assert wide.current_theme.variables != narrow.current_theme.variables


def test_what_is_hidden_is_hidden_in_any_case_and_only_whole() -> None:
    from tui.text import clean, money

    hide({"DEMO1": "acct-00", "lead": "login-1"})
    assert clean("demo1 DEMO10 DEMO1, cd-DEMO1 leads lead") == "acct-00 DEMO10 acct-00, cd-acct-00 leads login-1"
    assert clean("equity 12,000.50 and $5,000; 3 lots at 4812.25") == f"equity {MASK} and ${MASK}; 3 lots at 4812.25"
    assert money(Decimal(5)) == MASK
    hide(None)
    assert clean("demo1 equity 5") == "demo1 equity 5"


async def test_what_is_hidden_is_typed_by_what_stands_for_it() -> None:
    seat = a_seat()
    async with desk(seat=seat) as driver:
        await driver.command("why DEMO1002")
        await driver.until(lambda: len(driver.app.screen_stack) == 2, "its page")
        await driver.pilot.press("escape", "dollar_sign")
        await driver.until(hidden, "hiding")
        await driver.type(":buy acct-0")
        await driver.shows("acct-01  acct-02  acct-03")
        await driver.type("3 2 ESH4")
        await driver.shows("buy 2 ESH4 at market on acct-03")
        assert f"worth {MASK} · {MASK} a tick" in driver.text
        await driver.pilot.press("enter")
        await driver.shows("y  send 1 order")
        assert not re.search(r"480,\d\d\d", driver.text), "what the order is worth"
        await driver.pilot.press("y")
        await driver.shows("acct-03: filled")
        await driver.type(":")
        await driver.pilot.press("up", "up")
        await driver.shows(":why acct-02")
        await driver.pilot.press("ctrl+r")
        await driver.type("acct-03")
        await driver.shows(":buy acct-03 2 ESH4")
        await driver.pilot.press("escape", "escape")
        await driver.type("1/acct-03")
        await driver.shows("ACCOUNTS · 1 of 21 accounts")
        assert "DEMO10" not in driver.text
    assert driver.app._history.lines[-1] == "buy DEMO1003 2 ESH4", "the name itself, for a screen that hides nothing"


async def test_a_shared_screen_gives_no_profit_away_by_an_average_price() -> None:
    async with desk(seat=a_seat()) as driver:

        def averages() -> list[str]:
            return [
                pane.cells_of(row)[at].text
                for pane in driver.app.query(GridPane)
                for at, column in enumerate(pane.COLUMNS)
                if column.title == "avg price"
                for row in pane.rows
            ]

        driver.app.action_pane("depth")
        await driver.shows("♛ +2 @ 4,810.25")
        assert sum(cell.startswith("4,8") for cell in averages()) > 100
        await driver.pilot.press("dollar_sign")
        await driver.shows(f"♛ +2 @ {MASK}")
        assert set(averages()) <= {"", MASK}
        assert driver.app._panes["depth"]._ladder.entry is None, "the row of the entry"
        await driver.pilot.press("dollar_sign")
        await driver.shows("♛ +2 @ 4,810.25")


async def test_a_report_names_no_account_even_one_that_left_the_desk() -> None:
    seat = a_seat()
    async with desk(seat=seat) as driver:
        await driver.pilot.press("dollar_sign")
        await driver.until(hidden, "hiding")
        told = await seat.report(ReportAsked())
        names = {line.account for line in told.accounts} | {line.connection for line in told.accounts}
        assert names - {*seat.accounts} - {row.connection for row in seat.accounts.values()}, "all are on the desk"
        await driver.command("report")
        await driver.shows("BY FIRM")
        page = driver.app.screen
        assert isinstance(page, ReportPage)
        shown = "\n".join(page.text.lines)
        assert [name for name in names if re.search(rf"\b{name}\b", shown)] == []
        assert "acct-" in shown and "login-" in shown


def test_what_stands_for_a_name_is_never_a_name_that_is_known() -> None:
    hide({"acct-00": "acct-01", "DEMO1": "acct-00", "DEMO2": "acct-02"})
    assert real_names("buy acct-02") == "buy DEMO2"
    assert real_names("buy acct-00") == "buy acct-00", "an account of that name is meant"
    assert real_names("buy ACCT-021 acct-02x") == "buy ACCT-021 acct-02x"


def test_rows_of_the_desk_are_what_is_poisoned() -> None:
    row = next(iter(a_seat().accounts.values()))
    bad = poisoned(row)
    assert isinstance(bad, AccountRow) and HOSTILE in bad.account and HOSTILE in bad.why
    assert poisoned(Listed(source="a", symbol="b")).symbol.endswith(HOSTILE)
