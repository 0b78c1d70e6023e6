"""`copydesk attach` in real terminals at a real desk: what one trader does another sees, no seat ends the desk."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.practice import wait_for
from tests.tui.practice_terminal import PracticeTerminal
from tests.tui.pty_terminal import LOOKS, Terminal
from tests.tui.shell import Shell

pytestmark = pytest.mark.timeout(90)


class Seat(Terminal):
    """`copydesk attach` at 200x50."""

    def __init__(self, state_dir: Path, *options: str) -> None:
        command = [sys.executable, "-m", "tui.cli", "attach", *options]
        super().__init__(command, Shell(state_dir).environment(**LOOKS))

    def shows(self, text: str, within_s: float = 10.0) -> float:
        return self.until(lambda: text in "\n".join(self.screen.lines), within_s, repr(text))

    def ends(self) -> int:
        deadline = time.monotonic() + 10
        while self.process.poll() is None and time.monotonic() < deadline:
            if self.master >= 0:
                try:
                    self.pump(0.02)
                except OSError:
                    break
        return self.process.wait(10)


def test_seats_see_what_the_other_does_and_neither_a_seat_that_goes_nor_the_desks_own_terminal_ends_the_desk(
    state_dir: Path,
) -> None:
    with PracticeTerminal(state_dir) as desk, Seat(state_dir, "--demo") as trader:
        trader.shows("20 of 20 followers armed")
        with Seat(state_dir, "--demo", "--viewer") as viewer:
            viewer.shows("20 of 20 followers armed")
            trader.press(":toggle DEMO1003\r")
            trader.shows("DEMO1003 is off: copies to it stop")
            viewer.shows("○ DEMO1003    off ")
            desk.shows("○ DEMO1003    off ")
            viewer.press(":toggle DEMO1004\r")
            viewer.shows("toggle: this seat is a viewer's, which changes nothing; sit down without --viewer.")
            desk.leader_trades(+2)  # positions are open: leaving asks nothing all the same
            viewer.shows("+2 ESH4")
            viewer.press(":quit\r")
            assert viewer.ends() == 0
        desk.promise_holds()
        trader.hang_up()
        assert trader.ends() == 0
        desk.hang_up()
        desk.wait_until(desk.screen_is_gone, 5, "the screen's end")
        desk.leader_trades(+1)
        with Seat(state_dir, "--demo") as again:
            again.shows("+3 ESH4")
            desk.terminate()
            again.shows("NO DESK IS HEARD OF. What is shown is from ")
            again.press(":toggle DEMO1004\r")
            again.shows("Not done: ")
            again.press(":quit\r")
            assert again.ends() == 0


@contextmanager
def engine(shell: Shell) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tui.cli", "engine"],
        env=shell.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline().decode()
        assert f"pid {process.pid}; `copydesk attach` sits down at it." in line, line
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        process.stdout.close()


def test_an_engine_without_a_terminal_is_sat_down_at_started_again_and_come_back_to(state_dir: Path) -> None:
    shell = Shell(state_dir)
    assert shell.refuses("attach") == "No desk runs here; start it with `copydesk` or `copydesk engine`."
    with engine(shell) as running:
        assert "a desk is already running" in shell.refuses("engine")
        seat = Seat(state_dir)
        seat.shows("connections 0/0")
        os.kill(running.pid, signal.SIGHUP)  # as of a terminal that it may have been started from
        assert "copydesk draws on a terminal" in shell.refuses("attach")
    with seat:
        seat.shows("NO DESK IS HEARD OF")
        with engine(shell):
            seat.shows("connections 0/0")
            wait_for(lambda: seat.pump(0.1) or "NO DESK" not in seat.screen.lines[0], 5)
            seat.press(":quit\r")
            assert seat.ends() == 0
