"""`:add` and `:sync` in a real terminal, by keys typed ahead, with a real desk, database and venue: a login is tried
where it is, what comes of it trades, and its secret is nowhere."""

import asyncio
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from engine.logins import login_of
from schema.clock import SYSTEM_CLOCK
from schema.settings import load_settings
from schema.store import Store
from schema.vault import Vault
from tests.practice import wait_for
from tests.tui.pty_terminal import LOOKS, ROWS, Screen, Terminal
from tests.tui.shell import TOKEN, Shell, at, password_of, server_kept_up, venue
from tui.demo import Sandbox

pytestmark = pytest.mark.timeout(120)
LOGINS = {"boss": ["DEMO1000"], "desk1": ["DEMO1001", "DEMO1002", "DEMO1003"]}
WRONG = "canary-wrong"
UP, RIGHT = "\x1b[A", "\x1b[C"


class Recording(Screen):
    """A screen that remembers every byte."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def feed(self, data: bytes) -> None:
        self.written += data
        super().feed(data)


class Desk(Terminal):
    """`copydesk` on a state directory of its own."""

    def __init__(self, shell: Shell) -> None:
        super().__init__([sys.executable, "-m", "tui.cli"], shell.environment(**LOOKS))
        self.recording = self.screen = Recording()

    def __enter__(self) -> "Desk":
        self.shows("ACCOUNTS · ", 30)
        return self

    def __exit__(self, *gone: object) -> None:
        self.process.terminate()
        ends = time.monotonic() + 15
        while self.process.poll() is None and time.monotonic() < ends:
            self.pump(0.05)
        super().__exit__(*gone)

    def pump(self, for_s: float = 0.0, at_most: int = 65536) -> bool:
        try:
            return super().pump(for_s, at_most)
        except OSError:  # the other end is closed
            return False

    @property
    def text(self) -> str:
        return "\n".join(self.screen.lines)

    def line(self, text: str) -> str:
        return next((line for line in self.screen.lines if text in line), "")

    def shows(self, text: str, within_s: float = 15) -> None:
        self.until(lambda: text in self.text, within_s, repr(text))
        self.finish_frame()

    def says(self, text: str) -> None:
        self.until(lambda: text in self.screen.lines[ROWS - 2], 15, f"{text!r} in the message line")
        self.finish_frame()

    def command(self, line: str, then: str) -> None:
        self.press(f":{line}\r")
        self.shows(then)


@pytest.fixture
def shell(state_dir: Path) -> Iterator[Shell]:
    shell = Shell(state_dir)
    with server_kept_up(state_dir):
        yield shell


def urls(sandbox: Sandbox) -> str:
    """The keys that type a Tradovate door's addresses, from the password's line to the button."""
    rest, ws, md = at(sandbox)[1::2]
    return f"\t\t\t\t\t{rest}\t{ws}\t{md}\t\t"


def nets(sandbox: Sandbox) -> dict[str, Any]:
    return {each["account"]: each["positions"] for each in sandbox.control.order("state")["accounts"]}


def stored(shell: Shell) -> dict[str, list[str]]:
    """Every row but what the screen remembers of its own layout, which it does a moment after it is shown."""
    return {table: rows for table, rows in shell.dump().items() if not table.startswith("layout")}


def nowhere(shell: Shell, desk: Desk, secrets: list[str]) -> None:
    """Not on the screen, not in a log, not in any row or page of the database."""
    files = shell.files()
    assert any(name.endswith(".log") for name in files) and len(desk.recording.written) > 10_000
    said = [desk.recording.written, *("\n".join(rows).encode() for rows in shell.dump().values()), *files.values()]
    for secret in secrets:
        assert not [text for text in said if secret.encode() in text]
    assert not [text for text in said if TOKEN.search(text)]


def test_a_new_desk_is_set_up_from_its_screen_and_copies_and_no_secret_shows(state_dir: Path, shell: Shell) -> None:
    with venue(state_dir.parent / "venue", LOGINS) as sandbox, Desk(shell) as desk:
        passwords = {name: password_of(sandbox, name) for name in LOGINS}
        desk.shows("No accounts yet: :add puts a login and its accounts on the desk.")

        # Refused by the venue: nothing is stored, what was typed stays, and what is hidden stays hidden.
        desk.command("add", "Add a login")
        before = stored(shell)
        desk.press(f"\t\tboss\t{WRONG}{urls(sandbox)}\r")
        desk.shows("refused the login of boss: Incorrect username or password")
        assert stored(shell) == before
        assert "User name       boss " in desk.text and sandbox.ready["ws"] in desk.text
        assert "•" * len(WRONG) in desk.line("Password  ") and "canary" not in desk.text

        # Back to the password, which is typed anew; then the login's account is chosen to lead.
        desk.press(UP * 9 + passwords["boss"] + "\t" * 9 + "\r")
        desk.shows("boss has 1 account")
        assert "[x] DEMO1000" in desk.text
        desk.press("\t" * 7 + "\r")
        desk.shows("leader: group main has none yet; choose the account that leads it.")
        desk.press(RIGHT)
        desk.shows("‹ DEMO1000 ›")
        desk.press("\t" * 6 + "\r")
        desk.says("boss: 1 account in group main; connecting.")
        desk.until(lambda: " armed " in desk.line("♛ DEMO1000"), 15, "the leader in the accounts pane")

        # Two of a login's three accounts, with a rule, armed at once.
        desk.command("add", "Add a login")
        desk.press(f"\t\tdesk1\t{passwords['desk1']}{urls(sandbox)}\r")
        desk.shows("desk1 has 3 accounts")
        desk.press("\x1b[B\x1b[B ")
        desk.shows("[ ] DEMO1003")
        desk.press(f"\t\t\tproportional 0.5 up\t\t\t{RIGHT}\t\r")
        desk.says("desk1: 2 accounts in group main; connecting.")
        for name in ("DEMO1001", "DEMO1002"):
            desk.until(lambda name=name: " armed " in desk.line(f"● {name}"), 15, f"{name} armed")
            desk.until(lambda name=name: " prop 0.5 up " in desk.line(f"● {name}"), 5, f"the rule of {name}")
        assert "DEMO1003" not in desk.text
        sandbox.control.order("trade", account="DEMO1000", side="buy", qty=3, symbol="ESH4")
        held = {"DEMO1000": {"ESH4": 3}, "DEMO1001": {"ESH4": 2}, "DEMO1002": {"ESH4": 2}, "DEMO1003": {}}
        wait_for(lambda: nets(sandbox) == held, 15)  # in as many fills as the book makes of it
        desk.until(lambda: desk.text.count(" copied ") >= 2, 15, "the copies in the ledger")

        # The third is found by asking the venue again; armed by the checklist it joins with the next trade.
        desk.command("sync desk1", "desk1, as its venue has it now")
        assert "follows in main, on" in desk.line("DEMO1001           may trade")
        assert "not on the desk" in desk.line("[ ] DEMO1003")
        desk.press(" " + "\t" * 7 + "\r")
        desk.says("desk1: 1 account in group main.")
        desk.command("arm DEMO1003", "1 of 1 follower passes")
        desk.press("y")
        desk.says("1 follower is armed")
        desk.until(lambda: " armed " in desk.line("● DEMO1003"), 15, "DEMO1003 armed")
        sandbox.control.order("trade", account="DEMO1000", side="sell", qty=3, symbol="ESH4")
        wait_for(lambda: nets(sandbox)["DEMO1001"] == {}, 15)
        sandbox.control.order("trade", account="DEMO1000", side="buy", qty=1, symbol="ESH4")
        wait_for(lambda: nets(sandbox)["DEMO1003"] == {"ESH4": 1}, 15)

        # A second session would end the desk's own.
        desk.command("add", "Add a login")
        desk.press(f"\t\tdesk1\t{passwords['desk1']}{urls(sandbox)}\r")
        desk.shows("username: desk1 is logged in here as desk1; :sync desk1 lists its accounts.")
        desk.press("\x1b")
        desk.says("Nothing was changed.")
        listed = [line.split() for line in shell.does("accounts", "list").splitlines()]
        assert listed == [
            ["DEMO1000", "boss", "main", "leader"],
            ["DEMO1001", "desk1", "main", "on", "proportional", "0.5", "up"],
            ["DEMO1002", "desk1", "main", "on", "proportional", "0.5", "up"],
            ["DEMO1003", "desk1", "main", "on", "proportional", "1"],
        ]
        nowhere(shell, desk, [WRONG, *passwords.values()])
    assert desk.process.returncode == 0


def test_real_money_is_allowed_by_typing_its_names(state_dir: Path, shell: Shell) -> None:
    logins = {"real": ["LIVE1", "LIVE2"], "paper": ["DEMO9"]}
    with venue(state_dir.parent / "venue", logins, "--environment", "live") as sandbox, Desk(shell) as desk:
        passwords = {name: password_of(sandbox, name) for name in logins}
        for name, says in (
            ("paper", "lists no account for paper: check that this login belongs to live"),
            ("real", "real has 2 accounts"),
        ):
            desk.command("add", "Add a login")
            desk.press(f"\t{RIGHT}\t{name}\t{passwords[name]}{urls(sandbox)}\r")
            desk.shows(says)
            if name == "paper":
                desk.press("\x1b")
                desk.says("Nothing was changed.")
        before = stored(shell)
        desk.press("\t" + RIGHT + "\t" * 7 + "\r")
        desk.shows("names: this is REAL MONEY: type their names, with commas, to allow it: LIVE1, LIVE2.")
        assert stored(shell) == before
        desk.press("LIVE1, LIVE2\t\r")
        desk.says("real: 2 accounts in group main; connecting.")
        desk.until(lambda: "♛ LIVE1" in desk.text and "○ LIVE2" in desk.text, 15, "both in the accounts pane")
        nowhere(shell, desk, list(passwords.values()))


async def seal(state_dir: Path, name: str, password: str) -> None:
    """Give a stored login another password."""
    settings = load_settings(state_dir=state_dir)
    vault, store = Vault.open(settings), await Store.open(settings, SYSTEM_CLOCK)
    try:
        login = login_of(await store.load_config(), name)
        credentials = vault.credentials(login, await store.sealed_credentials(name))
        await store.add_connection(login, vault.seal_credentials(login, replace(credentials, password=password)))
    finally:
        await store.close()


def test_a_refused_login_comes_up_with_its_new_password_and_what_it_did_stays(state_dir: Path, shell: Shell) -> None:
    with venue(state_dir.parent / "venue", LOGINS) as sandbox:
        passwords = {name: password_of(sandbox, name) for name in LOGINS}
        shell.does("accounts", "add", "boss", "--leader", "DEMO1000", *at(sandbox), password=passwords["boss"])
        shell.does("accounts", "add", "desk1", "--rule", "fixed 2", *at(sandbox), password=passwords["desk1"])
        shell.does("accounts", "toggle", "DEMO1002")
        listed = shell.does("accounts", "list")
        asyncio.run(seal(state_dir, "desk1", WRONG))
        with Desk(shell) as desk:
            desk.until(lambda: " armed " in desk.line("♛ DEMO1000"), 15, "the leader")
            desk.until(lambda: "Incorrect username or password" in desk.text, 15, "the refusal on the screen")
            desk.command("sync desk1", "login: desk1 can't be read now: ")
            desk.command("add", "Add a login")
            desk.press(f"\t\tdesk1\t{passwords['desk1']}{urls(sandbox)}\r")
            desk.shows("desk1 has 3 accounts")
            desk.press("\t" * 7 + "\r")
            desk.says("desk1: 3 accounts in group main; connecting.")
            desk.until(lambda: " armed " in desk.line("● DEMO1001"), 15, "its follower armed")
            assert shell.does("accounts", "list") == listed
            sandbox.control.order("trade", account="DEMO1000", side="buy", qty=1, symbol="ESH4")
            wait_for(lambda: nets(sandbox)["DEMO1001"] == {"ESH4": 2}, 15)
            assert nets(sandbox)["DEMO1002"] == {}
            nowhere(shell, desk, [WRONG, *passwords.values()])
