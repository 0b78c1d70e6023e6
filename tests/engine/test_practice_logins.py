"""`copydesk sandbox` says where it is, and a desk offers its logins for as long as it runs."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from msgspec.structs import replace

from brokers.sandbox.client import ANNOUNCED
from engine import practice
from schema.records import DeskConfig
from tests.practice import wait_for
from tests.tui.shell import ROOT, Shell


def started(state_dir: Path, *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tui.cli", "sandbox", "--no-exit-with-parent", *options]
    process = subprocess.Popen(
        command, cwd=ROOT, env=Shell(state_dir).environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    wait_for((state_dir / ANNOUNCED).exists, 20)
    return process


def test_a_practice_venue_is_offered_while_it_runs_and_not_after(state_dir: Path) -> None:
    assert practice.logins(state_dir, DeskConfig()) == ()
    venues = [word for venue in ("tradovate", "projectx", "fix", "ninjatrader") for word in ("--venue", venue)]
    process = started(state_dir, *venues, "--accounts-per-login", "3")
    try:
        assert (state_dir / ANNOUNCED).stat().st_mode & 0o777 == 0o600
        found = practice.logins(state_dir, DeskConfig())
        assert [(each.login.username, each.login.venue) for each in found] == [
            ("leader", "tradovate"),
            ("desk1", "tradovate"),
            ("desk2", "projectx"),
            ("desk3", "fix"),
            ("desk4", "ninjatrader"),
        ]
        assert found[1].accounts == ("DEMO1001", "DEMO1002", "DEMO1003")
        assert found[1].login.rest_url.startswith("http://127.0.0.1") and found[1].credentials.password
        assert found[3].login.fix is not None and found[4].login.ninja is not None
        assert found[1].credentials.password not in repr(found)
        on_the_desk = DeskConfig(connections=(replace(found[1].login, connection="mine"),))
        assert "desk1" not in [each.login.username for each in practice.logins(state_dir, on_the_desk)]
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    assert not (state_dir / ANNOUNCED).exists()
    assert practice.logins(state_dir, DeskConfig()) == ()


def test_what_a_killed_practice_venue_left_behind_is_not_offered(state_dir: Path) -> None:
    process = started(state_dir)
    process.kill()
    process.communicate(timeout=20)
    left = state_dir / ANNOUNCED
    assert left.exists() and practice.logins(state_dir, DeskConfig()) == ()
    left.write_text(f'{{"pid": {os.getpid()}, "venues": 7}}')
    assert practice.logins(state_dir, DeskConfig()) == ()
