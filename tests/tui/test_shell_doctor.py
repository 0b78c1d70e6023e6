"""`copydesk doctor`: PASS or FAIL a line, and an exit code that says whether anything failed."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree

import pytest

from tests.tui.shell import Shell, at, password_of, server_kept_up, venue


@pytest.fixture
def shell(state_dir: Path) -> Shell:
    return Shell(state_dir)


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="copydesk-test-"))
    yield made
    rmtree(made, ignore_errors=True)


def test_a_fresh_machine_passes(shell: Shell) -> None:
    done = shell("doctor")
    assert (done.returncode, done.stderr) == (0, "")
    assert "FAIL" not in done.stdout
    assert "PASS  Postgres answers after " in done.stdout
    assert "NOTE  no desk is running here" in done.stdout
    assert "NOTE  no login yet: `copydesk accounts add --help`" in done.stdout


def test_each_login_is_tried_and_one_that_fails_is_named(shell: Shell, folder: Path) -> None:
    logins = {"leader": ["DEMO1000"], "desk1": ["DEMO1001", "DEMO1002"]}
    with server_kept_up(shell.state_dir):
        with venue(folder, logins) as sandbox:
            port = sandbox.ready["rest"].split(":")[2].split("/")[0]
            for name, more in (("leader", ["--leader", "DEMO1000"]), ("desk1", [])):
                shell.does("accounts", "add", name, *more, *at(sandbox), password=password_of(sandbox, name))
            done = shell("doctor")
            assert (done.returncode, done.stderr) == (0, "")
            assert "PASS  leader: 1 accounts, logged in within" in done.stdout
            assert "PASS  desk1: 2 accounts, logged in within" in done.stdout
            assert sandbox.control.order("state")["received"] == []
            old = password_of(sandbox, "desk1")
        # The same venue again, from another seed: the passwords have changed.
        with venue(folder, logins, "--seed", "8", "--port", port) as sandbox:
            assert password_of(sandbox, "desk1") != old
            done = shell("doctor")
            assert (done.returncode, done.stderr) == (1, "")
            assert f"FAIL  desk1: 127.0.0.1:{port} refused the login of desk1: Incorrect username" in done.stdout
            assert old not in done.stdout
        done = shell("doctor")
        assert done.returncode == 1
        assert f"FAIL  desk1: 127.0.0.1:{port} cannot be reached (Connection refused)" in done.stdout


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("COPYDESK_DEADLINE", "1", "FAIL  environment: there is no setting COPYDESK_DEADLINE; did you mean"),
        ("COPYDESK_DEADLINE_S", "-1", "FAIL  environment: COPYDESK_DEADLINE_S: deadline_s = '-1'"),
        ("COPYDESK_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/x", "FAIL  database_url: nobody answers at 127"),
    ],
)
def test_wrong_settings_fail(shell: Shell, variable: str, value: str, says: str) -> None:
    done = shell("doctor", **{variable: value})
    assert (done.returncode, done.stderr) == (1, "")
    assert says in done.stdout
