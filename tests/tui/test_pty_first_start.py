"""From the first start to an armed group, by keyboard, in a real terminal, with nothing but what the screen says."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from brokers.sandbox.client import ANNOUNCED, SandboxControl
from tests.practice import wait_for
from tests.tui.shell import ROOT, Shell, server_kept_up
from tests.tui.test_pty_login import RIGHT, Desk

pytestmark = pytest.mark.timeout(120)


@contextmanager
def practice_venue(state_dir: Path, *options: str) -> Iterator[SandboxControl]:
    """`copydesk sandbox` in another terminal."""
    control = state_dir.parent / "control.sock"
    command = [sys.executable, "-m", "tui.cli", "sandbox", "--no-exit-with-parent", "--control", str(control), *options]
    process = subprocess.Popen(command, cwd=ROOT, env=Shell(state_dir).environment(), stdout=subprocess.DEVNULL)
    try:
        wait_for((state_dir / ANNOUNCED).exists, 20)
        yield SandboxControl(control)
    finally:
        process.terminate()
        process.wait(20)


def nets(control: SandboxControl) -> dict[str, Any]:
    return {each["account"]: each["positions"] for each in control.order("state")["accounts"]}


def test_a_new_user_arms_twenty_followers_of_the_practice_venue_by_keyboard(state_dir: Path) -> None:
    shell = Shell(state_dir)
    with server_kept_up(state_dir), practice_venue(state_dir) as control, Desk(shell) as desk:
        began = time.monotonic()
        desk.shows("No accounts yet: :add puts a login and its accounts on the desk.")
        desk.shows("1  a  adds a login")
        for number, login in enumerate(("leader", "desk1", "desk2", "desk3", "desk4")):
            desk.press("a")
            desk.shows("Add a login")
            desk.press(RIGHT)
            desk.shows(f"‹ {login} at Tradovate ›")
            desk.press("\r\r")
            desk.shows(f"{login} has {5 if number else 1} account")
            if not number:
                desk.shows("‹ DEMO1000 ›")  # on an empty desk the practice login's account is offered as leader
            desk.press("\t" * 7 + "\r")
            desk.says(f"{login}: {5 if number else 1} account")
        desk.shows("0 of 20 followers armed, A arms")
        desk.press("A")
        desk.shows("Arm main: 20 of 20 followers pass, 0 on already")
        desk.press("y")
        desk.says("20 followers are armed from the next leader event on.")
        desk.shows("20 of 20 followers armed")
        assert time.monotonic() - began < 60
        control.order("trade", account="DEMO1000", side="buy", qty=2, symbol="ESH4")
        wait_for(lambda: sum(held == {"ESH4": 2} for held in nets(control).values()) == 21, 15)
    assert desk.process.returncode == 0
