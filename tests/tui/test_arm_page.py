"""The arm checklist on its page: PASS and FAIL with reasons, and only who passes is armed."""

from engine.shown import ArmCheck, ArmPlan, VenuePolicy, Verdict
from tests.tui.driving import Driver, desk
from tests.tui.scripted_seat import ScriptedSeat
from tui.arm_page import ArmPage

DOWN = ArmCheck(name="connection", verdict=Verdict.FAIL, reason="login1 is down: no answer")


def switched_off(*failing: str) -> ScriptedSeat:
    seat = ScriptedSeat(publish_every=100)
    for number in range(1001, 1006):
        seat._change(f"DEMO{number}", enabled=False, state="off")
    seat.failing = dict.fromkeys(failing, DOWN)
    seat.publish()
    return seat


async def opened(on: Driver) -> ArmPage:
    await on.pilot.press("A")
    await on.until(lambda: isinstance(on.app.screen, ArmPage), "the checklist")
    page = on.app.screen
    assert isinstance(page, ArmPage)
    return page


async def test_only_who_passes_is_armed_and_who_fails_says_why() -> None:
    seat = switched_off("DEMO1003")
    async with desk(seat=seat) as on:
        await opened(on)
        await on.shows("Arm main: 19 of 20 followers pass, 15 on already")
        assert "✓ PASS  DEMO1001" in on.text
        failed = on.lines.index(on.line_of("✗ FAIL  DEMO1003"))
        assert "login1 is down: no answer" in on.lines[failed + 1]
        assert "y  arm 4 followers" in on.text
        assert not seat.accounts["DEMO1001"].enabled  # looking arms nobody
        await on.pilot.press("y")
        await on.shows("4 followers are armed from the next leader event on.")
        assert [seat.accounts[f"DEMO{n}"].enabled for n in range(1001, 1006)] == [True, True, False, True, True]


async def test_a_venue_s_demand_is_shown_and_must_be_taken_note_of() -> None:
    seat = switched_off()
    seat.policies = (VenuePolicy(venue="projectx", text="Only from the trader's own machine."),)
    async with desk(seat=seat) as on:
        await opened(on)
        await on.shows("Only from the trader's own machine.")
        await on.pilot.press("y")
        await on.shows("None of those that are off passes")
        assert not seat.accounts["DEMO1001"].enabled
        await on.pilot.press("p")
        await on.shows("y  arm 5 followers")
        assert "Only from the trader's own machine." not in on.text
        await on.pilot.press("y")
        await on.shows("5 followers are armed from the next leader event on.")


async def test_whoever_fails_in_the_moment_of_arming_is_left_off_and_named() -> None:
    class Changing(ScriptedSeat):
        async def arm(self, accounts: object, acknowledged: object) -> ArmPlan:
            self.failing["DEMO1002"] = DOWN
            return await super().arm(accounts, acknowledged)  # type: ignore[arg-type]

    seat = Changing(publish_every=100)
    for number in (1001, 1002):
        seat._change(f"DEMO{number}", enabled=False, state="off")
    seat.publish()
    async with desk(seat=seat) as on:
        await opened(on)
        await on.shows("y  arm 2 followers")
        await on.pilot.press("y")
        await on.shows(
            "1 follower is armed from the next leader event on. Left off: DEMO1002: login1 is down: no answer."
        )
        assert seat.accounts["DEMO1001"].enabled and not seat.accounts["DEMO1002"].enabled


async def test_looking_again_shows_what_is_so_now() -> None:
    seat = switched_off("DEMO1003")
    async with desk(seat=seat) as on:
        await opened(on)
        await on.shows("FAIL  DEMO1003")
        seat.failing.clear()
        await on.pilot.press("r")
        await on.shows("✓ PASS  DEMO1003")


async def test_escape_arms_nobody() -> None:
    seat = switched_off()
    async with desk(seat=seat) as on:
        await opened(on)
        await on.pilot.press("escape")
        await on.shows("Nothing was changed.")
        assert not seat.accounts["DEMO1001"].enabled


async def test_what_is_so_for_all_is_said_once() -> None:
    seat = switched_off()
    seat.failing = {
        name: ArmCheck(name="clock", verdict=Verdict.NOTE, reason="not compared yet") for name in seat.accounts
    }
    async with desk(seat=seat) as on:
        page = await opened(on)
        await on.shows("all of them")
        assert on.text.count("not compared yet") == 1
        await on.pilot.press("d")
        await on.shows("as it should be")
        assert page.plan.ready


async def test_the_checklist_of_one_follower_is_opened_by_its_command() -> None:
    async with desk(seat=switched_off()) as on:
        await on.command("arm demo1002")
        await on.shows("Arm DEMO1002: 1 of 1 follower passes, 0 on already")
