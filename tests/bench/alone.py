"""Two stages of a copy each by itself: the journal's commit of 20 rows, and the core's planning for 20 followers.

At the pace of a busy leader (ten trades a second), because a process that has just been idle is two to three times
slower than in a tight loop. The commit's floor is the smallest commit that waits for the disk.
"""

import asyncio
import tempfile
import time
from pathlib import Path

import uvloop

from brokers.adapter import Filled
from engine import events as ev
from schema.clock import SYSTEM_CLOCK
from schema.records import Rule
from schema.settings import Settings
from schema.store import Store
from tests.bench.figures import Measured
from tests.engine.table import LEADER, MS, Table

_FOLLOWERS = 20
_EVERY_S = 0.1
_WARM_UP = 10
_ROUNDS = 100


def measure() -> list[Measured]:
    commits: list[ev.Commit] = []
    planning = plan(commits)
    with tempfile.TemporaryDirectory(prefix="copydesk-bench-") as name:
        settings = Settings(state_dir=Path(name), desk="bench")
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            committing, floor = runner.run(commit(settings, commits))
    return [
        Measured(f"the core plans one signal, {_FOLLOWERS} followers", "ms", planning),
        Measured(f"the journal commits one signal, {_FOLLOWERS} followers", "ms", committing, floor),
    ]


def plan(commits: list[ev.Commit]) -> list[float]:
    """Milliseconds of `core.process` for a leader's fill; what it asks to commit is added to `commits`."""
    table = Table({f"DEMO{1001 + number}": Rule() for number in range(_FOLLOWERS)})
    samples: list[float] = []
    for number in range(_WARM_UP + _ROUNDS):
        time.sleep(_EVERY_S)
        table.now_ns += 100 * MS
        fill = table.fill(LEADER, -1 if number % 2 else 1, tell=False)
        event = Filled(connection=f"at-{LEADER}", received_ns=table.now_ns, fill=fill)
        started = time.perf_counter()
        effects = table.core.process(event)
        samples.append((time.perf_counter() - started) * 1000)
        (asked,) = [effect for effect in effects if isinstance(effect, ev.Commit)]
        commits.append(asked)
        table.commit(asked)
        table.execute_all()
    return samples[_WARM_UP:]


async def commit(settings: Settings, commits: list[ev.Commit]) -> tuple[list[float], list[float]]:
    """Milliseconds of each commit on a real server, and of the floor in turn with them."""
    store = await Store.open(settings, SYSTEM_CLOCK)
    samples: list[float] = []
    floor: list[float] = []
    try:
        for each in commits:
            await asyncio.sleep(_EVERY_S)
            floor.append(await store.measure_commit_ms(rounds=1))
            await asyncio.sleep(_EVERY_S)
            started = time.perf_counter()
            await store.commit_signal(each.signal, each.copies)
            samples.append((time.perf_counter() - started) * 1000)
    finally:
        await store.close()
    return samples[_WARM_UP:], floor[_WARM_UP:]
