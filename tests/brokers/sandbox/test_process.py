"""The sandbox as its own process: the ready line, and an end that leaves nothing behind."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from brokers.sandbox.client import SandboxControl, SandboxRefused


@contextmanager
def process(*options: str) -> Iterator[tuple[subprocess.Popen[bytes], dict[str, Any]]]:
    with subprocess.Popen(
        [sys.executable, "-m", "brokers.sandbox", *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as started:
        assert started.stdout is not None
        try:
            yield started, json.loads(started.stdout.readline())
        finally:
            started.kill()


def test_the_ready_line_names_addresses_logins_and_accounts(tmp_path: Path) -> None:
    with process("--control", str(tmp_path / "c"), "--logins", "2", "--accounts-per-login", "3", "--seed", "5") as (
        started,
        ready,
    ):
        assert ready["ready"] is True
        assert ready["rest"].startswith("http://127.0.0.1:")
        assert [login["username"] for login in ready["logins"]] == ["leader", "desk1", "desk2"]
        names = [account["name"] for login in ready["logins"] for account in login["accounts"]]
        assert names == [f"DEMO{number}" for number in range(1000, 1007)]
        control = SandboxControl(tmp_path / "c")
        assert len(control.order("state")["accounts"]) == 7
        with pytest.raises(SandboxRefused, match="there is no order"):
            control.order("nonsense")
        control.close()
        assert (tmp_path / "c").stat().st_mode & 0o777 == 0o600
        started.send_signal(signal.SIGTERM)
        assert started.wait(5) == 0
        assert not (tmp_path / "c").exists()
    with process("--seed", "5") as (_, again):
        passwords = [login["password"] for login in again["logins"][:3]]
        assert passwords == [login["password"] for login in ready["logins"]]


def test_it_ends_when_its_parents_pipe_closes() -> None:
    with process() as (started, _):
        assert started.stdin is not None
        started.stdin.close()
        assert started.wait(5) == 0


def test_logins_may_be_given_in_a_file(tmp_path: Path) -> None:
    wanted = [{"username": "boss", "password": "secret", "accounts": ["B1"]}, {"username": "x", "accounts": ["D1"]}]
    (tmp_path / "logins.json").write_text(json.dumps(wanted))
    with process("--accounts", str(tmp_path / "logins.json")) as (_, ready):
        assert [login["accounts"][0]["name"] for login in ready["logins"]] == ["B1", "D1"]
        assert ready["logins"][0]["password"] == "secret"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--limit", "nonsense=1"], "there is no 'nonsense'"),
        (["--limit", "me_per_hour=x"], "me_per_hour"),
        (["--accounts", "nowhere.json"], "nowhere.json"),
        (["--tape", __file__], "not a row of a tape"),
    ],
)
def test_a_wrong_option_gets_one_sentence(options: list[str], says: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "brokers.sandbox", *options], capture_output=True, text=True, timeout=20, check=False
    )
    assert done.returncode != 0
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_taken_port_gets_one_sentence() -> None:
    with process() as (_, ready):
        port = ready["rest"].split(":")[2].split("/")[0]
        done = subprocess.run(
            [sys.executable, "-m", "brokers.sandbox", "--port", port], capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert port in done.stderr
        assert "Traceback" not in done.stderr


def test_the_ready_line_lists_each_venues_addresses_and_logins() -> None:
    with process("--logins", "2", "--venue", "tradovate") as (_, ready):
        at_tradovate = ready["venues"]["tradovate"]
        assert at_tradovate == {key: ready[key] for key in ("rest", "ws", "md", "logins")}
    done = subprocess.run(
        [sys.executable, "-m", "brokers.sandbox", "--venue", "nowhere"], capture_output=True, text=True, check=False
    )
    assert "no door for 'nowhere'" in done.stderr
    assert "Traceback" not in done.stderr
