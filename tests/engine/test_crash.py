"""The desk is killed in the middle of fan-outs, over and over, against a venue and a Postgres that go on living."""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from statistics import median

import pytest

from schema.clock import SYSTEM_CLOCK
from schema.settings import Settings
from schema.store import Store
from tests.practice import LEADER, SYMBOL, all_replayed, practice_settings, wait_for
from tui.demo import GROUP, Sandbox, set_up
from tui.demo_report import Account, account_for, books_of

ROOT = Path(__file__).parents[2]
SOAK_POINTS = int(os.environ.get("POINTS", "300"))
READY_S = 5.0
_SLOWEST_POINT_S = 8


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
        if self.process.stdout.readline() != b"ready\n":
            self.kill()
            raise AssertionError((state_dir / "crash.log").read_text()[-3000:])
        self.ready_s = time.monotonic() - started

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.mark.timeout(25 * _SLOWEST_POINT_S)
def test_t_dup_killed_at_25_moments_of_a_fan_out_nothing_is_doubled_or_lost(state_dir: Path) -> None:
    kill_at(25, Random(7), state_dir)


@pytest.mark.soak
@pytest.mark.timeout(SOAK_POINTS * _SLOWEST_POINT_S)
def test_t_dup_killed_at_300_moments_of_a_fan_out_nothing_is_doubled_or_lost(state_dir: Path) -> None:
    """`make soak`; POINTS says how many."""
    kill_at(SOAK_POINTS, Random(11), state_dir)


def kill_at(points: int, random: Random, state_dir: Path) -> None:
    """Kill the desk at so many moments drawn from `random`, then hold the journal against the venue's books."""
    settings = practice_settings(state_dir)
    state_dir.mkdir()
    sandbox = Sandbox(state_dir, "--seed", "7", "--requests-per-min", "0", "--limit", "syncs_per_hour=10000")
    desk: CrashDesk | None = None
    ready: list[float] = []
    leader_net = 0
    try:
        asyncio.run(set_up(settings, sandbox.ready, requests_per_min=5_000))
        for _ in range(points):
            desk = CrashDesk(state_dir)
            ready.append(desk.ready_s)
            for _ in range(random.randint(1, 2)):
                move = random.choice([m for m in (-2, -1, 1, 2) if abs(leader_net + m) <= 4])
                leader_net += move
                side = "buy" if move > 0 else "sell"
                sandbox.control.order("trade", account=LEADER, symbol=SYMBOL, side=side, qty=abs(move))
                time.sleep(random.uniform(0, 0.015))
            desk.kill()
        desk = CrashDesk(state_dir)
        ready.append(desk.ready_s)
        accounts: list[Account] = []

        def at_rest() -> bool:
            accounts.append(asyncio.run(_account(settings, sandbox)))
            return not (accounts[-1].unaccounted or accounts[-1].open)

        wait_for(at_rest, 10.0)
        print(f"{points} kills: {accounts[-1]}; ready again: median {median(ready):.2f} s, worst {max(ready):.2f} s")
        assert accounts[-1].duplicates == 0
        assert accounts[-1].signals >= points
        desk.kill()
        replayed = all_replayed(state_dir)
        assert len(replayed) == points + 1
        assert sum(each.decisions for each in replayed) > 0
        assert max(ready) < READY_S
    finally:
        if desk is not None:
            desk.kill()
        sandbox.stop()
        asyncio.run(_stop_server(settings))


async def _account(settings: Settings, sandbox: Sandbox) -> Account:
    store = await Store.open(settings, SYSTEM_CLOCK)
    try:
        return await account_for(store, books_of(sandbox.control.order("state")), GROUP)
    finally:
        await store.close()


async def _stop_server(settings: Settings) -> None:
    """The killed desk's Postgres lives on for the next one; here there is none."""
    await (await Store.open(settings, SYSTEM_CLOCK)).close()
