"""`copydesk accounts`: what can't be right is refused with one sentence; then nothing is stored and nothing sent."""

import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.logins import parse_maps, parse_rule_words
from engine.seat import CommandRefused
from tests.tui.shell import Shell, at, password_of, server_kept_up, venue
from tui.demo import Sandbox

WRONG_PASSWORD = "canary-wrong-password"
LOGINS = {"leader": ["DEMO1000"], "desk1": ["DEMO1001", "DEMO1002"], "desk2": ["DEMO2000", "DEMO2001"]}


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="copydesk-test-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="module")
def sandbox(folder: Path) -> Iterator[Sandbox]:
    with venue(folder / "venue", LOGINS) as running:
        yield running


@pytest.fixture(scope="module")
def shell(folder: Path, sandbox: Sandbox) -> Iterator[Shell]:
    """A desk with two groups: DEMO1000 leads main, in which desk1 follows; DEMO2000 leads other."""
    shell = Shell(folder / "state")
    with server_kept_up(shell.state_dir):
        for options in (
            ["leader", "--leader", "DEMO1000"],
            ["desk1", "--rule", "proportional 0.5 up", "--map", "ES:MES:10", "--max-position", "7"],
            ["desk2", "--leader", "DEMO2000", "--only", "DEMO2000", "--group", "other"],
        ):
            shell.does("accounts", "add", *options, *at(sandbox), password=password_of(sandbox, options[0]))
        yield shell


def refused(shell: Shell, sandbox: Sandbox, *arguments: str, password: str = "", typed: str = "") -> str:
    """The sentence, after proving that nothing was stored or sent and that the password is nowhere."""
    before = shell.dump()
    sentence = shell.refuses("accounts", "add", *arguments, password=password or WRONG_PASSWORD, typed=typed)
    after = shell.dump()
    assert after == before
    books = sandbox.control.order("state")
    assert books["received"] == [] and books["orders"] == []
    log = (shell.state_dir / "copydesk.log").read_text()
    for secret in (WRONG_PASSWORD, *(str(login["password"]) for login in sandbox.ready["logins"])):
        assert secret not in sentence + log + str(after)
    return sentence


def test_a_wrong_password_is_refused(shell: Shell, sandbox: Sandbox) -> None:
    said = refused(shell, sandbox, "desk2", "--group", "other", *at(sandbox))
    assert "refused the login of desk2: Incorrect username or password" in said


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("https://nowhere.invalid/v1", "nowhere.invalid cannot be reached ("),
        ("http://broker.example/v1", "would send the password in clear to broker.example: write https://"),
        ("ftp://broker.example", "rest_url of connection desk2 is not an address: write it as https://host/v1"),
    ],
)
def test_a_wrong_host_is_refused(shell: Shell, sandbox: Sandbox, url: str, says: str) -> None:
    assert says in refused(shell, sandbox, "desk2", "--rest-url", url)


def test_a_closed_port_is_refused(shell: Shell, sandbox: Sandbox) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listened on: nobody else can answer there
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        said = refused(shell, sandbox, "desk2", "--rest-url", f"http://{place}/v1")
    assert said == f"{place} cannot be reached (Connection refused): check the address and the network"


def test_a_host_that_is_no_venue_is_refused(shell: Shell, sandbox: Sandbox) -> None:
    url = sandbox.ready["rest"].replace("/v1", "/v9")
    assert url != sandbox.ready["rest"]
    assert "check the address and the API key" in refused(shell, sandbox, "desk2", "--rest-url", url)


def test_a_demo_host_is_refused_for_a_live_login(shell: Shell, sandbox: Sandbox) -> None:
    url = "https://demo.tradovateapi.com/v1"
    said = refused(shell, sandbox, "desk2", "--environment", "live", "--rest-url", url)
    assert "is the venue's demo host but the connection is live" in said


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--rule", "proportional 0"], "value: 0 would not copy the leader; write a number above 0, up to 1000."),
        (["--rule", "-1"], "rule: '-1' is not a kind and a value; write one such as 'proportional 0.5'."),
        (["--rule", "x"], "rule: 'x' is not a kind and a value; write one such as 'proportional 0.5'."),
        (["--rule", "fixed 1.5"], "value: a fixed rule holds whole lots, 1.5 is not; write 1, 2, 3 and so on."),
        (["--map", "ES:MESS:10"], "map: the product table has no 'MESS'; did you mean MES?"),
    ],
)
def test_a_rule_or_a_map_that_could_not_trade_is_refused(
    shell: Shell, sandbox: Sandbox, options: list[str], says: str
) -> None:
    assert refused(shell, sandbox, "desk2", "--group", "other", *options, *at(sandbox)) == says


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("proportional -1", "value: -1 would not copy the leader; write a number above 0"),
        ("proportional nan", "value: nan would not copy the leader"),
        ("proportional x", "value: 'x' is not a number; write one above 0"),
        ("", "rule: '' is not a kind and a value"),
        ("double 2", "rule: 'double' is not a kind of rule; write fixed, proportional or percent."),
        ("proportional 1 sideways", "rounding: 'sideways' is not known; write down, nearest or up."),
        ("proportional 1 up down", "rule: 'up down' is too much"),
        ("proportional 1 invert up", "rule: 'invert up' is too much"),
    ],
)
def test_words_that_are_no_rule_are_refused(words: str, says: str) -> None:
    with pytest.raises(CommandRefused) as refusal:
        parse_rule_words(words)
    assert says in str(refusal.value)


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        (["EZ:MES:10"], "map: the product table has no 'EZ'; did you mean"),
        (["ES"], "map: 'ES' is not leader:follower:lots"),
        (["ES:MES:x"], "map: 'X' is not a number of lots"),
        (["ES:MES:0"], "map: 0 lots would not copy the leader"),
        (["ES:MES:inf"], "map: INF lots would not copy the leader"),
        (["ES:MES:10", "ES:NQ"], "map: ES is mapped twice"),
    ],
)
def test_entries_that_are_no_symbol_map_are_refused(entries: list[str], says: str) -> None:
    with pytest.raises(CommandRefused) as refusal:
        parse_maps(entries)
    assert says in str(refusal.value)


@pytest.mark.parametrize(
    ("login", "options", "says"),
    [
        ("desk1", ["--group", "other"], "account: DEMO1001 already follows in group main and can't follow in other"),
        ("desk1", ["--connection", "again"], "account: DEMO1001 already belongs to connection desk1"),
        (
            "desk1",
            ["--connection", "leader"],
            "connection: leader is the demo login leader at tradovate; choose another",
        ),
        ("desk1", ["--leader", "DEMO1002", "--group", "new"], "leader: DEMO1002 follows in group main"),
        ("desk2", ["--group", "none"], "group: there is no none; name the account that leads it."),
        ("desk2", ["--group", "main"], "account: DEMO2000 leads group other and can't follow in main."),
        ("desk2", ["--only", "DEMO2002"], "account: the login has no DEMO2002; did you mean DEMO200"),
        ("desk2", ["--leader", "nobody"], "account: the login has no nobody; it has DEMO2000, DEMO2001."),
        ("desk2", ["--max-position", "0"], "Invalid value for '--max-position': 0 is not in the range x>=1."),
        ("desk2", ["--venue", "nyse"], "Invalid value for '--venue': 'nyse' is not"),
        ("desk2", ["--colour", "red"], "No such option '--colour'"),
    ],
)
def test_an_account_in_the_wrong_place_is_refused(
    shell: Shell, sandbox: Sandbox, login: str, options: list[str], says: str
) -> None:
    assert says in refused(shell, sandbox, login, *options, *at(sandbox), password=password_of(sandbox, login))


def test_what_was_added_stands_there_and_adding_again_changes_no_rule(shell: Shell, sandbox: Sandbox) -> None:
    listed = shell.does("accounts", "list").splitlines()
    assert [line.split() for line in listed] == [
        ["DEMO1000", "leader", "main", "leader"],
        ["DEMO1001", "desk1", "main", "on", "proportional", "0.5", "up"],
        ["DEMO1002", "desk1", "main", "on", "proportional", "0.5", "up"],
        ["DEMO2000", "desk2", "other", "leader"],
    ]
    assert shell.does("accounts", "toggle", "DEMO1002") == "DEMO1002 is off.\n"
    before = shell.does("accounts", "list")
    shell.does("accounts", "add", "desk1", *at(sandbox), password=password_of(sandbox, "desk1"))
    assert shell.does("accounts", "list") == before
    assert shell.does("accounts", "toggle", "DEMO1002") == "DEMO1002 is on.\n"


def test_an_account_that_is_not_there_is_refused(shell: Shell) -> None:
    assert shell.refuses("accounts", "toggle", "DEMO1000") == (
        "account: DEMO1000 is not a follower; `copydesk accounts list` shows who is."
    )
    assert shell.refuses("accounts", "remove", "DEMO1003") == (
        "account: there is no 'DEMO1003'; did you mean DEMO1002?"
    )
    assert "leads group main with 2 followers" in shell.refuses("accounts", "remove", "DEMO1000")


def test_live_wants_the_accounts_name_and_a_demo_login_is_not_live(folder: Path) -> None:
    shell = Shell(folder / "live")
    logins = {"real": ["LIVE1"], "paper": ["DEMO9"]}
    with server_kept_up(shell.state_dir), venue(folder / "venue2", logins, "--environment", "live") as sandbox:
        live = ["--environment", "live", *at(sandbox)]
        said = refused(shell, sandbox, "paper", *live, password=password_of(sandbox, "paper"))
        assert "lists no account for paper: check that this login belongs to live" in said
        add = ["accounts", "add", "real", "--leader", "LIVE1", *live]
        for typed, says in (("LIVE2\n", "account: 'LIVE2' is not LIVE1; nothing was added."), ("", "Stopped.")):
            done = shell(*add, password=password_of(sandbox, "real"), typed=typed)
            assert done.returncode == 1 and says in done.stderr and "Traceback" not in done.stderr
            assert not shell.dump().get("connections")
        shell.does(*add, password=password_of(sandbox, "real"), typed="LIVE1\n")
        assert "LIVE1" in shell.does("accounts", "list")


def test_a_name_that_is_nobodys_is_refused_by_every_command_that_takes_one(shell: Shell) -> None:
    assert shell.refuses("why", "NOBODY") == "account: there is no follower NOBODY."
    assert shell.refuses("guard", "nobody", "halt").startswith("account: nobody is not a follower; ")
