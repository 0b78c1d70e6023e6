"""The desk is killed in the middle of fan-outs, over and over, against a venue and a Postgres that go on living."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from schema.clock import SYSTEM_CLOCK
from schema.store import Store
from tests.practice import LEADER, SYMBOL, practice_settings, wait_for
from tui.demo import GROUP, Sandbox, set_up
from tui.demo_report import account_for, venue_books

ROOT = Path(__file__).parents[2]
KILLS = 50
READY_S = 5.0


class CrashDesk:
    """The desk as a child process."""

    def __init__(self, state_dir: Path) -> None:
        started = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.engine.crash_desk", str(state_dir)],
            stdout=subprocess.PIPE,
            stderr=(state_dir / "crash.log").open("ab"),
            cwd=ROOT,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n", (state_dir / "crash.log").read_text()[-3000:]
        self.ready_s = time.monotonic() - started

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.mark.timeout(400)
def test_t_dup_killed_at_50_moments_of_a_fan_out_nothing_is_doubled_or_lost(tmp_path: Path) -> None:
    random = Random(7)
    settings = practice_settings(tmp_path)
    sandbox = Sandbox(tmp_path, "--seed", "7", "--requests-per-min", "60000", "--leader-script", "off")
    desk: CrashDesk | None = None
    ready: list[float] = []
    leader_net = 0
    try:
        asyncio.run(set_up(settings, sandbox.ready))
        for _ in range(KILLS):
            desk = CrashDesk(tmp_path)
            ready.append(desk.ready_s)
            for _ in range(random.randint(1, 2)):
                move = random.choice([m for m in (-2, -1, 1, 2) if abs(leader_net + m) <= 4])
                leader_net += move
                sandbox.control.order(
                    "trade", account=LEADER, symbol=SYMBOL, action="Buy" if move > 0 else "Sell", qty=abs(move)
                )
                time.sleep(random.uniform(0, 0.015))
            desk.kill()
        desk = CrashDesk(tmp_path)
        ready.append(desk.ready_s)

        def at_rest() -> bool:
            books = venue_books(sandbox.control.order("state"))
            found = asyncio.run(_account(settings, books))
            return not (found.unaccounted or found.duplicates or found.open)

        wait_for(at_rest, 10.0)
        desk.kill()
        desk = None
        print(f"ready after kill -9: median {sorted(ready)[len(ready) // 2]:.2f} s, worst {max(ready):.2f} s")
        assert max(ready) < READY_S
    finally:
        if desk is not None:
            desk.kill()
        sandbox.stop()
        asyncio.run(_close(settings))
