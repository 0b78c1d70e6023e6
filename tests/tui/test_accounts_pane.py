"""The accounts pane: groups under their headings, columns for every width, and its keys."""

from decimal import Decimal

import pytest

from engine.seat import Role
from tests.tui.driving import Driver, desk
from tests.tui.scripted_seat import ScriptedSeat
from tui.columns import place
from tui.panes.accounts import COLUMNS, GLYPHS

STATES = (
    "armed",
    "off",
    "syncing",
    "out-of-sync",
    "disarmed",
    "locked",
    "halted",
    "reduce-only",
    "close-only",
    "unknown",
    "down",
    "refused",
)


def two_groups() -> ScriptedSeat:
    """DEMO1016 to DEMO1020 follow in scalp, which DEMO1015 leads; DEMO1014 is in no group."""
    seat = ScriptedSeat(publish_every=100)
    seat.advance(400)
    for number in range(1016, 1021):
        seat._change(f"DEMO{number}", group="scalp")
    seat._change("DEMO1015", group="scalp", role=Role.LEADER)
    seat._change("DEMO1014", group="", role=Role.NONE, enabled=False, state="off")
    seat.publish()
    return seat


def heading(on: Driver, name: str) -> str:
    return next((line for line in on.lines if line[2:].startswith(f"{name} ")), "")


async def test_each_group_has_a_heading_with_its_totals() -> None:
    seat = two_groups()
    for number, money in ((1016, "100.25"), (1017, "-20")):
        seat._change(f"DEMO{number}", day_pnl=Decimal(money), open_pnl=Decimal("1"), working=2, copies_failed=3)
    for number in (1015, 1018, 1019, 1020):
        seat._change(f"DEMO{number}", day_pnl=Decimal(0), open_pnl=Decimal(0), copies_ok=1, copies_failed=0)
    seat._change("DEMO1020", enabled=False, state="off")
    seat.publish()
    async with desk(seat=seat) as on:
        names = [line[2:14].strip() for line in on.lines[4:] if line[:2] in ("▾ ", "▸ ")]
        assert names == ["main", "scalp", "in no group"]
        said = heading(on, "scalp").split("│")[0].split()
        assert said[:10] == ["▾", "scalp", "4/5", "armed", "6", "hold", "▲", "+80.25", "▲", "+2.00"]
        assert said[10:13] == ["4", "6", "6"]  # working, ok (one each of four, and of the two), failed
        rows = [line[2:13].strip() for line in on.lines]
        assert rows.index("scalp") < rows.index("DEMO1015") < rows.index("DEMO1020") < rows.index("in no group")
        assert rows.index("in no group") < rows.index("DEMO1014")
        assert "21 accounts" in on.lines[2]


async def test_a_group_folds_into_its_heading_and_back_and_the_cursor_stays_with_it() -> None:
    async with desk(seat=two_groups()) as on:
        pane = on.app.accounts
        await on.pilot.press("down", "c")
        await on.until(lambda: "▸ main" in on.text, "the folded group")
        assert "DEMO1001" not in "\n".join(line[:60] for line in on.lines[3:30])
        assert pane.group_at_hand == "main" and pane.current is None
        assert "21 accounts" in on.lines[2]
        await on.pilot.press("down")
        assert pane.current is not None and pane.current.account == "DEMO1015"
        await on.pilot.press("up", "c")
        await on.until(lambda: "▾ main" in on.text, "the group again")
        assert pane.current is not None and pane.current.account == "LEAD1000"
        await on.pilot.press("C")
        assert [len(pane.shown), pane.group_at_hand] == [0, "main"]
        await on.pilot.press("C")
        assert len(pane.shown) == 21


async def test_the_cursor_stands_on_accounts_and_not_on_headings() -> None:
    async with desk(seat=two_groups()) as on:
        pane = on.app.accounts
        for _ in range(26):
            await on.pilot.press("down")
            assert pane.current is not None
        assert pane.current is not None and pane.current.account == "DEMO1014"
        await on.pilot.press("home")
        assert pane.current.account == "LEAD1000"


async def test_a_filter_finds_accounts_of_a_folded_group() -> None:
    async with desk(seat=two_groups()) as on:
        await on.pilot.press("C")
        on.app.accounts.set_filter("1018")
        await on.shows("DEMO1018")
        assert [row.account for row in on.app.accounts.shown] == ["DEMO1018"]
        assert "1 of 21 accounts" in on.lines[2]


async def test_every_state_is_shown_by_word_and_by_glyph() -> None:
    seat = ScriptedSeat(publish_every=100)
    for number, state in enumerate(STATES, 1001):
        seat._change(f"DEMO{number}", state=state, enabled=state != "off")
    seat.publish()
    async with desk(seat=seat) as on:
        for number, state in enumerate(STATES, 1001):
            row = on.line_of(f"{GLYPHS[state]} DEMO{number}")
            assert row[2:26].split() == [f"DEMO{number}", state]
    assert len(set(GLYPHS.values())) == len(GLYPHS) == len(STATES)


@pytest.mark.parametrize(
    ("width", "has", "lacks"),
    [
        (80, ("account", "state", "position", "day P&L", "open P&L", "ok", "fail"), ("rule", "budget")),
        (120, ("work", "p50", "p99", "skip", "rule"), ("budget", "venue", "balance", "group")),
        (200, ("heard", "why", "balance", "connection", "venue"), ()),
    ],
)
def test_columns_leave_in_the_order_a_trader_can_spare_them(
    width: int, has: tuple[str, ...], lacks: tuple[str, ...]
) -> None:
    placed = place(COLUMNS, width)
    shown = {COLUMNS[each.column].title for each in placed}
    assert set(has) <= shown and not set(lacks) & shown
    assert max(each.x + each.width for each in placed) <= width


async def test_at_80_columns_a_row_is_whole_and_money_has_its_sign() -> None:
    seat = two_groups()
    seat._change("DEMO1002", day_pnl=Decimal("-1234.5"), open_pnl=Decimal("12.5"), position="+12 MESH4", net_qty=12)
    seat.publish()
    async with desk(80, 24, seat=seat) as on:
        row = on.line_of("● DEMO1002")
        assert all(text in row for text in ("armed", "+12 MESH4", "▼ -1,234.50", "▲ +12.50"))
        assert "…" not in row


async def test_a_leader_is_not_changed_while_somebody_holds_and_is_once_all_are_flat() -> None:
    async with desk() as on:
        await on.pilot.press("down", "L")
        await on.shows("LEAD1000 leads main now and will be in no group.")
        await on.pilot.press("n")
        await on.shows("Nothing was changed.")
        await on.pilot.press("L", "y")
        await on.shows("leader: LEAD1000 has")
        assert on.seat.accounts["LEAD1000"].role is Role.LEADER
        await on.seat.flatten("all")
        await on.pilot.press("L", "y")
        await on.shows("DEMO1001 leads main.")
        await on.until(lambda: on.line_of("♛").split()[1] == "DEMO1001", "the crown on its head")
        assert "· LEAD1000    no group" in on.text


async def test_the_leader_says_why_it_can_not_be_made_leader_or_moved() -> None:
    async with desk() as on:
        for key in ("L", "m"):
            await on.pilot.press(key)
            await on.shows("LEAD1000 leads main already.")
        await on.pilot.press("u")
        await on.shows("LEAD1000 follows in no group.")


async def test_an_account_goes_into_a_group_off_and_out_of_it_by_keys() -> None:
    seat = two_groups()
    async with desk(seat=seat) as on:
        await on.pilot.press("end", "m")
        await on.shows("Put DEMO1014 into a group")
        await on.pilot.press("right", "enter", "enter")
        await on.shows("DEMO1014 follows in scalp, off: A arms it by the checklist.")
        assert not seat.accounts["DEMO1014"].enabled
        await on.until(lambda: on.app.accounts.group_at_hand == "scalp", "the cursor with it")
        await on.pilot.press("u")
        await on.shows("DEMO1014 follows in scalp. Out of it, it copies nothing")
        await on.pilot.press("y")
        await on.shows("DEMO1014 is out of its group; it stays on the desk.")


async def test_an_account_is_removed_after_a_question_and_never_with_a_position() -> None:
    async with desk() as on:
        await on.pilot.press("down", "X")
        await on.shows("DEMO1001 comes off the desk")
        await on.pilot.press("y")
        await on.shows("account: DEMO1001 has")
        await on.seat.flatten("all")
        await on.pilot.press("X", "y")
        await on.shows("DEMO1001 is off the desk.")
        assert "DEMO1001" not in on.seat.accounts


async def test_the_same_is_done_by_commands() -> None:
    async with desk(signals=0) as on:
        await on.command("group demo1002 none")
        await on.pilot.press("y")
        await on.shows("DEMO1002 is out of its group")
        await on.command("group demo1002 main")
        await on.shows("DEMO1002 follows in main, off")
        await on.command("lead demo1003 fresh")
        await on.shows("fresh is a new group.")
        await on.pilot.press("y")
        await on.shows("DEMO1003 leads fresh.")
        await on.command("remove demo1004")
        await on.pilot.press("y")
        await on.shows("DEMO1004 is off the desk.")


async def test_an_empty_desk_says_what_to_do_next_and_its_keys_do_it() -> None:
    seat = ScriptedSeat()
    seat.accounts.clear()
    seat.publish()
    async with desk(seat=seat) as on:
        await on.shows("No accounts yet: :add puts a login and its accounts on the desk.")
        assert all(text in on.text for text in ("1  a  adds a login", "3  A  opens the checklist", "copydesk sandbox"))
        await on.pilot.press("a")
        await on.shows("Add a login")
        await on.pilot.press("escape")
        await on.shows("Nothing was changed.")


async def test_an_empty_desk_fits_80_columns() -> None:
    seat = ScriptedSeat()
    seat.accounts.clear()
    seat.publish()
    async with desk(80, 24, seat=seat) as on:
        assert "…" not in on.lines[3]
        assert all(f"{number}  " in on.text for number in (1, 2, 3))
