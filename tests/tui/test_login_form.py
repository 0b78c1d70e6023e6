"""`:add` and `:sync` over a scripted desk, by keyboard: what was typed stays when it is refused, nothing secret shows,
and what a venue demands is read before anything of it can trade."""

import asyncio
from collections.abc import Sequence

import pytest
from textual.widgets import Input

from brokers.projectx import POLICY
from brokers.registry import VENUE_TABLE
from engine.seat import Chosen, CommandRefused
from schema.login import Credentials
from schema.records import ConnectionConfig, Environment, Rule, VenueAccount
from tests.tui.driving import Driver, desk
from tests.tui.scripted_seat import PASSWORD, ScriptedSeat
from tui.page import Choice, Page, SecretInput

WRONG = "canary-wrong"
SAID = POLICY[:60]


async def fill(on: Driver, **lines: str) -> None:
    """Type into lines by their names, going there with the keys."""
    for name, text in lines.items():
        await reach(on, name)
        line = on.app.focused
        if isinstance(line, Choice):
            for _ in range(len(line.choices)):
                if line.value != text:
                    await on.pilot.press("right")
            assert line.value == text
        else:
            await on.pilot.press("ctrl+u")
            await on.type(text)


async def reach(on: Driver, name: str) -> None:
    """Press Tab until the line (`go`: the button) has the focus."""
    for _ in range(40):
        if on.app.focused is not None and on.app.focused.id == name:
            return
        await on.pilot.press("tab")
    raise AssertionError(f"no key leads to {name}\n{on.text}")


async def go_on(on: Driver) -> None:
    await on.pilot.press("ctrl+g")


async def opened(on: Driver, venue: str = "tradovate", **lines: str) -> None:
    await on.command("add")
    await on.shows("Add a login")
    await fill(on, venue=venue, **lines)


async def tried(on: Driver, venue: str = "tradovate", **lines: str) -> None:
    """The page of accounts of a login that was tried."""
    await opened(on, venue, username="boss", password=PASSWORD, **lines)
    await go_on(on)
    await on.shows("boss has 3 accounts")


def held(on: Driver, name: str) -> str:
    line = on.app.screen.query_one(f"#{name}")
    assert isinstance(line, (Input, Choice))
    return line.value


async def test_a_login_is_added_by_keyboard_alone_and_its_accounts_come_into_the_pane() -> None:
    async with desk() as on:
        await on.command("add")
        await on.shows("Add a login")
        await on.pilot.press("enter", "down")  # over venue and environment
        await on.type("boss")
        await on.pilot.press("enter")
        await on.type(PASSWORD)
        await go_on(on)
        await on.shows("boss has 3 accounts")
        assert "[x] NEW1" in on.text and "[x] NEW2" in on.text
        assert "may not trade" in on.line_of("[ ] NEW3"), "an account that may not trade is picked only by hand"
        await on.pilot.press("down", "space", "down", "down")  # NEW2 is left out; the last line leads out of the list
        assert "[ ] NEW2" in on.text
        assert on.app.focused is not None and on.app.focused.id == "leader"
        await fill(on, rule="proportional 0.5 up", maps="ES:MES:10", max_position="7", armed="yes")
        await go_on(on)
        await on.shows("boss: 1 accounts in group main; connecting.")
        await on.until(lambda: "prop 0.5 up" in on.line_of("● NEW1"), "the account in the pane")
        assert not isinstance(on.app.screen, Page)
        ((login, credentials, chosen),) = on.seat.added
        assert (login.connection, login.venue, login.environment) == ("boss", "tradovate", Environment.DEMO)
        assert (credentials.password, credentials.device_id) == (PASSWORD, "copydesk-boss")
        assert (chosen.leader, str(chosen.rule), chosen.max_position, chosen.armed) == (
            "",
            "proportional 0.5 up",
            7,
            True,
        )
        assert [(each.leader_root, each.follower_root) for each in chosen.symbols] == [("ES", "MES")]
        assert "NEW2" not in on.seat.accounts and "NEW3" not in on.seat.accounts


async def test_nothing_said_about_the_rule_leaves_it_to_the_desk() -> None:
    async with desk() as on:
        await tried(on)
        await go_on(on)
        await on.shows("connecting.")
        assert on.seat.added[0][2] == Chosen(group="main", armed=False)


async def test_a_refused_password_keeps_what_was_typed_and_shows_no_secret() -> None:
    async with desk() as on:
        await opened(on, username="boss", password=WRONG, cid="8", sec="canary-sec", rest_url="https://x.example/v1")
        await go_on(on)
        await on.shows("refused the login of boss: Incorrect username or password.")
        assert held(on, "username") == "boss" and held(on, "rest_url") == "https://x.example/v1"
        assert held(on, "password") == WRONG, "typed once is enough"
        assert "canary" not in on.text
        assert "•" * len(WRONG) in on.text
        await reach(on, "password")
        await on.type(PASSWORD)  # what is hidden is typed anew from its beginning
        assert held(on, "password") == PASSWORD
        await go_on(on)
        await on.shows("boss has 3 accounts")
        assert "canary" not in on.text and on.seat.added == []
        await on.pilot.press("escape")
        await on.shows("Nothing was stored.")
        assert held(on, "username") == "boss"
        await on.pilot.press("escape")
        await on.shows("Nothing was changed.")


async def test_a_secret_is_given_to_no_clipboard() -> None:
    async with desk() as on:
        await opened(on, username="boss", password=WRONG)
        line = on.app.focused
        assert isinstance(line, SecretInput)
        line.select_all()
        await on.pilot.press("ctrl+c", "ctrl+x")
        assert on.app.clipboard == "" and line.value == WRONG


@pytest.mark.parametrize(
    ("lines", "line", "says"),
    [
        ({"username": ""}, "username", "username: it is empty; write what the venue knows you as."),
        ({"password": ""}, "password", "password: it is empty; type the Password"),
        ({"requests_per_min": "none"}, "requests_per_min", "requests_per_min: 'none' is not a whole number"),
    ],
)
async def test_what_is_wrong_is_said_under_its_line(lines: dict[str, str], line: str, says: str) -> None:
    async with desk() as on:
        await opened(on, **{"username": "boss", "password": PASSWORD, **lines})
        await go_on(on)
        await on.shows(says)
        assert on.app.focused is not None and on.app.focused.id == line
        shown = on.app.screen.query_one(f"#error-{line}").region
        assert shown.y == on.app.focused.region.y + 1


@pytest.mark.parametrize(
    ("lines", "line", "says"),
    [
        ({"rule": "double 2"}, "rule", "rule: 'double' is not a kind of rule"),
        ({"rule": "fixed 1.5"}, "rule", "value: a fixed rule holds whole lots"),
        ({"maps": "ES:MESS:10"}, "maps", "map: the product table has no 'MESS'"),
        ({"max_position": "0"}, "max_position", "max_position: '0' is not a whole number"),
        ({"group": "other"}, "leader", "leader: group other has none yet; choose the account that leads it."),
    ],
)
async def test_a_place_that_can_not_be_is_said_under_its_line(lines: dict[str, str], line: str, says: str) -> None:
    async with desk() as on:
        await tried(on)
        await fill(on, **lines)
        await go_on(on)
        await on.shows(says)
        assert on.app.focused is not None and on.app.focused.id == line
        assert on.seat.added == []


async def test_none_picked_is_refused_and_a_picks_all() -> None:
    async with desk() as on:
        await tried(on)
        await on.pilot.press("a")
        assert on.text.count("[x] NEW") == 3
        await on.pilot.press("a")
        await go_on(on)
        await on.shows("picked: no account is; Space picks the one under the cursor")
        assert on.app.focused is not None and on.app.focused.id == "picked"
        await fill(on, leader="NEW2")  # a leader is among them, ticked or not
        await go_on(on)
        await on.shows("boss: 1 accounts in group main")
        assert on.seat.added[0][2].leader == "NEW2" and "NEW2" in on.seat.accounts


async def test_real_money_wants_the_name_of_every_picked_account() -> None:
    async with desk() as on:
        await tried(on, environment="live")
        await go_on(on)
        await on.shows("names: this is REAL MONEY: type their names, with commas, to allow it: NEW1, NEW2.")
        await on.type("NEW1")
        await go_on(on)
        await on.until(lambda: on.app.focused is not None and on.app.focused.id == "names", "the refusal again")
        assert on.seat.added == []
        await on.type(",NEW2")
        await go_on(on)
        await on.shows("boss: 2 accounts in group main")


async def test_a_demo_login_asks_for_no_names() -> None:
    async with desk() as on:
        await tried(on)
        assert "REAL MONEY" not in on.text


async def test_each_venue_shows_its_own_lines() -> None:
    async with desk() as on:
        await opened(on)
        for venue, there, absent in (
            ("projectx", ("API key ", "REST address"), ("API secret", "SenderCompID", "with commas")),
            ("fix", ("SenderCompID", "Dialect", "their names, with commas"), ("API key", "REST address")),
            ("ninjatrader", ("AT interface", "their names, with commas"), ("Password", "REST address")),
            ("tradovate", ("Password", "API secret", "Data address"), ("SenderCompID", "with commas")),
        ):
            await fill(on, venue=venue)
            await on.until(lambda there=there: all(each in on.text for each in there), venue)
            assert not [each for each in absent if each in on.text]


async def test_accounts_that_only_follow_are_not_offered_to_lead() -> None:
    async with desk() as on:
        await opened(on, "ninjatrader", username="pc", ninja_address="127.0.0.1", only="Sim101,Sim102")
        await go_on(on)
        await on.shows("pc has 2 accounts")
        assert not on.app.screen.query("#leader") and on.app.screen.query("#rule")


async def test_what_a_venue_demands_is_read_before_its_accounts_are_added() -> None:
    async with desk() as on:
        await opened(on)
        assert SAID not in on.text
        await fill(on, venue="projectx")
        await on.shows(SAID)
        await fill(on, username="boss", password=PASSWORD)
        await go_on(on)
        await on.shows("boss has 3 accounts")
        assert SAID in on.text
    seat = ScriptedSeat()
    seat.login_venue = "projectx"
    async with desk(seat=seat) as on:
        await on.command("sync login1")
        await on.shows("login1, as its venue has it now")
        assert SAID in on.text


async def test_what_a_venue_demands_is_read_before_an_account_of_it_is_armed() -> None:
    async with desk() as on:
        on.seat._change("DEMO1001", venue="projectx")
        on.seat.publish()
        await on.pilot.press("down", "space")
        await on.until(lambda: not on.seat.accounts["DEMO1001"].enabled, "off without a question")
        await on.until(lambda: on.line_of("DEMO1001").startswith("○"), "the row to say off")
        await on.pilot.press("space")
        await on.shows("Switch DEMO1001 on?")
        assert all(word in on.text for word in POLICY.split())
        assert not on.seat.accounts["DEMO1001"].enabled
        await on.pilot.press("n")
        await on.shows("DEMO1001 stays off.")
        assert not on.seat.accounts["DEMO1001"].enabled
        await on.command("toggle demo1001")
        await on.shows("Switch DEMO1001 on?")
        await on.pilot.press("y")
        await on.until(lambda: on.seat.accounts["DEMO1001"].enabled, "on after the answer")


def test_only_a_venue_that_demands_something_has_a_sentence() -> None:
    assert {name for name, venue in VENUE_TABLE.items() if venue.policy} == {"projectx"}


async def test_sync_shows_what_is_new_and_gone_and_adds_what_is_picked() -> None:
    async with desk() as on:
        await on.command("sync login1")
        await on.shows("login1, as its venue has it now")
        assert "follows in main, on" in on.line_of("DEMO1001           may")
        assert "the venue no longer lists it" in on.line_of("OLD1 ")
        assert "not on the desk" in on.line_of("[ ] NEW1") and "[ ] NEW2" in on.text
        await on.pilot.press("down", "space")
        await go_on(on)
        await on.shows("login1: 1 accounts in group main.")
        assert "NEW2" in on.seat.accounts and "NEW1" not in on.seat.accounts


async def test_sync_with_nothing_new_only_shows() -> None:
    seat = ScriptedSeat()
    seat.not_on_the_desk = ()
    async with desk(seat=seat) as on:
        await on.command("sync login1")
        await on.shows("It has no account that is not on the desk.")
        assert "Put them on the desk" not in on.text
        await on.pilot.press("enter", "escape")
        await on.shows("Nothing was changed.")


async def test_sync_of_a_live_login_wants_the_names_too() -> None:
    seat = ScriptedSeat()
    seat.login_environment = Environment.LIVE
    async with desk(seat=seat) as on:
        await on.command("sync login1")
        await on.shows("login1, as its venue has it now")
        await on.pilot.press("space")
        await go_on(on)
        await on.shows("names: this is REAL MONEY: type its name to allow it: NEW1.")
        assert "NEW1" not in on.seat.accounts
        await on.type("NEW1")
        await go_on(on)
        await on.shows("login1: 1 accounts in group main.")


async def test_a_desk_that_breaks_is_one_sentence_on_the_page() -> None:
    class Broken(ScriptedSeat):
        async def try_login(
            self, login: ConnectionConfig, credentials: Credentials, accounts: Sequence[str]
        ) -> tuple[VenueAccount, ...]:
            raise RuntimeError(f"with {credentials.password}")

    async with desk(seat=Broken()) as on:
        await opened(on, username="boss", password=WRONG)
        await go_on(on)
        await on.shows("It was not done: RuntimeError. The log has the details.")
        assert "canary" not in on.text and held(on, "username") == "boss"


async def test_escape_ends_a_try_but_not_a_store() -> None:
    class Slow(ScriptedSeat):
        def __init__(self) -> None:
            super().__init__()
            self.gate = asyncio.Event()
            self.given_up = False

        async def try_login(
            self, login: ConnectionConfig, credentials: Credentials, accounts: Sequence[str]
        ) -> tuple[VenueAccount, ...]:
            if login.username == "slow":
                try:
                    await self.gate.wait()
                except asyncio.CancelledError:
                    self.given_up = True
                    raise
            return await super().try_login(login, credentials, accounts)

        async def add_login(
            self, login: ConnectionConfig, credentials: Credentials, wanted: Sequence[VenueAccount], chosen: Chosen
        ) -> str:
            await self.gate.wait()
            return await super().add_login(login, credentials, wanted, chosen)

    seat = Slow()
    async with desk(seat=seat) as on:
        await opened(on, username="slow", password=PASSWORD)
        await go_on(on)
        await on.shows("Trying slow at Tradovate")
        await on.pilot.press("escape")
        await on.until(lambda: seat.given_up, "the try to be given up")
        await on.shows("Nothing was changed.")
        await tried(on)
        await go_on(on)
        await on.pilot.press("escape")
        assert isinstance(on.app.screen, Page)
        seat.gate.set()
        await on.shows("boss: 2 accounts in group main; connecting.")


async def test_the_page_fits_a_small_terminal() -> None:
    async with desk(80, 24) as on:
        await opened(on, "projectx", username="boss", password=WRONG)
        await go_on(on)
        await on.shows("refused the login of boss")
        assert "Try it at the venue" in on.text and "Esc leaves" in on.text and SAID in on.text


async def test_a_name_from_the_venue_is_no_command_to_the_terminal() -> None:
    class Foreign(ScriptedSeat):
        async def try_login(
            self, login: ConnectionConfig, credentials: Credentials, accounts: Sequence[str]
        ) -> tuple[VenueAccount, ...]:
            raise CommandRefused("only: \x1b[2J\x1b]52;c;AAAA\x07[red]gone[/red]")

    async with desk(seat=Foreign()) as on:
        await opened(on, username="boss", password=WRONG)
        await go_on(on)
        await on.shows("[red]gone[/red]")
        assert "\x1b" not in on.text


def test_a_rule_as_the_desk_says_it_is_a_rule_the_page_reads() -> None:
    from engine.logins import parse_rule_words

    assert parse_rule_words(str(Rule())) == Rule()
