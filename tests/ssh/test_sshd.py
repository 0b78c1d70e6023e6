"""The practice desk through a real sshd: a line that breaks ends no copying, a slow line delays no order and shows no
old screen, and one sits down again from anywhere."""

import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from schema.lock import holder
from tests.practice import LEADER, wait_for
from tests.ssh.server import Sshd
from tests.ssh.slow_line import SlowLine
from tests.tui.practice_terminal import PracticeTerminal
from tests.tui.pty_terminal import LOOKS, Terminal
from tests.tui.shell import Shell

pytestmark = pytest.mark.timeout(120)
TRADE_EVERY_S = 0.1
SLOW_PER_S = 20_000.0
OPEN_S, SLOW_S = 3.0, 8.0
OLDEST_S = 4.0
"""Two frames of all that changed: one shown and one on its way."""
_TIME = re.compile(r"\b\d\d:\d\d:\d\d\.\d{3}\b")


@pytest.fixture
def sshd(state_dir: Path) -> Iterator[Sshd]:
    with Sshd(state_dir.parent / "sshd") as server:
        yield server


class DeskOverSsh(PracticeTerminal):
    """The practice desk at the far end of `ssh -tt`; `process` is the client, `pid` the desk."""

    def __init__(self, sshd: Sshd, state_dir: Path, *, port: int = 0) -> None:
        self._sshd = sshd
        self._port = port
        super().__init__(state_dir)
        self.answers = True

    def command(self, arguments: list[str]) -> list[str]:
        variables = {name: value for name, value in self.variables().items() if name not in os.environ}
        return self._sshd.client(arguments, variables, port=self._port)

    @property
    def pid(self) -> int:
        found = holder(self._home)
        assert found is not None, "no desk runs"
        return found

    def __exit__(self, *gone: object) -> None:
        pid = holder(self._home)
        super().__exit__(*gone)
        if pid is not None and psutil.pid_exists(pid):
            os.kill(pid, signal.SIGKILL)


class SeatOverSsh(Terminal):
    """`copydesk attach` at the far end of `ssh -tt`."""

    def __init__(self, sshd: Sshd, state_dir: Path, *options: str) -> None:
        environment = Shell(state_dir).environment(**LOOKS)
        there = {name: value for name, value in environment.items() if name not in os.environ}
        command = sshd.client([sys.executable, "-m", "tui.cli", "attach", *options], there)
        super().__init__(command, environment)
        self.answers = True

    def shows(self, text: str, within_s: float = 15.0) -> float:
        return self.until(lambda: text in "\n".join(self.screen.lines), within_s, repr(text))


def test_a_desk_goes_on_copying_when_the_client_is_killed_and_attach_shows_everything_over_another_connection(
    sshd: Sshd, state_dir: Path
) -> None:
    with DeskOverSsh(sshd, state_dir) as desk:
        desk.leader_trades(+2)
        desk.until(lambda: not desk.off_screen(), 5, "the trade on the screen, through ssh")
        pid = desk.pid
        desk.process.kill()  # the laptop's lid, the train's tunnel
        desk.wait_until(desk.screen_is_gone, 10, "the screen's end")
        before = desk.accounted().signals
        desk.leader_trades(+1)
        found = desk.promise_holds()
        assert found.signals == before + 1 and desk.pid == pid
        with SeatOverSsh(sshd, state_dir, "--demo") as seat:
            seat.shows("20 of 20 followers armed")
            held = desk.held()
            assert held[LEADER] == "+3 ESH4"
            for name, position in held.items():
                seat.until(lambda n=name, p=position: f" {p} " in row_of(seat, n), 5, f"{name} {position}")
            seat.press(":toggle DEMO1003\r")
            seat.shows("DEMO1003 is off: copies to it stop")
            seat.press(":quit\r")
            wait_for(lambda: (seat.pump(0.02), seat.process.poll() is not None)[1], 10)
            assert seat.process.wait(10) == 0
        assert desk.pid == pid, "the seat's end was the desk's"
        os.kill(pid, signal.SIGTERM)
        desk.wait_until(lambda: not psutil.pid_exists(pid) or holder(desk.home) is None, 10, "the desk's end")


def row_of(seat: Terminal, name: str) -> str:
    return next((line for line in seat.screen.lines if line[2:].startswith(f"{name} ")), "")


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def keep_trading(desk: DeskOverSsh, for_s: float) -> list[float]:
    """The leader goes in and out every 100 ms; how old the screen's clock was each time, seconds."""
    ages: list[float] = []
    for number in range(round(for_s / TRADE_EVERY_S)):
        desk.leader_trades(-2 if number % 2 else +2)
        desk.read_for(TRADE_EVERY_S)
        ages.append(screen_age_s(desk))
    return ages


def screen_age_s(desk: Terminal) -> float:
    """How old the newest copy in the ledger on the screen is; the leader trades ten times a second."""
    newest = max(_TIME.findall("\n".join(desk.screen.lines)))
    hours, minutes, seconds = newest.split(":")
    return (time.time() - int(hours) * 3600 - int(minutes) * 60 - float(seconds)) % 86_400


def slow_run(sshd: Sshd, state_dir: Path) -> dict[str, Any]:
    with SlowLine(sshd.port) as line, DeskOverSsh(sshd, state_dir, port=line.port) as desk:
        desk.read_for(1.0)
        passed = line.passed
        keep_trading(desk, OPEN_S)
        open_per_s = (line.passed - passed) / OPEN_S
        slow_ns, passed = time.time_ns(), line.passed
        line.per_s = SLOW_PER_S
        ages = keep_trading(desk, SLOW_S)
        slow_per_s = (line.passed - passed) / SLOW_S
        desk.leader_trades(+3)
        desk.read_for(0.3)
        line.per_s, open_ns = None, time.time_ns()
        took_s = desk.until(lambda: not desk.off_screen(), 5, "the screen as the venue's books have it")
        desk.leader_trades(-3)
        keep_trading(desk, OPEN_S)
        delays = desk.delays_ms()
        desk.promise_holds()
        os.kill(desk.pid, signal.SIGTERM)
        desk.wait_until(lambda: (desk.pump(0.02), desk.process.poll() is not None)[1], 10, "the client's end")
    slow = [ms for at_ns, ms in delays.items() if slow_ns <= at_ns < open_ns]
    fast = [ms for at_ns, ms in delays.items() if not slow_ns <= at_ns < open_ns]
    print(
        f"leader's fill to last order at the venue p50/p99: open line {percentile(fast, 0.5):.1f}/"
        f"{percentile(fast, 0.99):.1f} ms at {open_per_s / 1000:.0f} kB/s, at {slow_per_s / 1000:.0f} kB/s "
        f"{percentile(slow, 0.5):.1f}/{percentile(slow, 0.99):.1f} ms; screen at most {max(ages):.1f} s old, right "
        f"{took_s:.2f} s after the line was open again"
    )
    assert open_per_s > 1.5 * SLOW_PER_S and slow_per_s < 1.2 * SLOW_PER_S, "the line was never too slow"
    assert len(fast) >= 25 and len(slow) >= 40, "the desk did not copy all the while"
    return {"fast": fast, "slow": slow, "took_s": took_s, "age_s": max(ages)}


def test_a_line_of_20_kB_a_second_delays_no_order_and_shows_no_old_screen(sshd: Sshd, state_dir: Path) -> None:
    found = slow_run(sshd, state_dir)
    if percentile(found["slow"], 0.99) > percentile(found["fast"], 0.99) + 25:  # once more: others use this machine
        found = slow_run(sshd, state_dir.parent / "again")
    assert percentile(found["slow"], 0.99) <= percentile(found["fast"], 0.99) + 25
    assert found["took_s"] <= 1.0
    assert found["age_s"] <= OLDEST_S, "frames were queued up and not left out"
