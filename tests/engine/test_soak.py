"""Twenty accounts and a hundred leader trades a minute, for `SOAK_S` seconds (`make soak`): nothing lost, nothing
doubled, and memory, tasks and descriptors back where they were."""

import asyncio
import gc
import os
from pathlib import Path

import psutil
import pytest

from tests.practice import practice

SECONDS = float(os.environ.get("SOAK_S", "120"))
TRADES_PER_MIN = 100
_GROWTH_MB = 20


@pytest.mark.soak
@pytest.mark.timeout(int(SECONDS) + 120)
async def test_t_soak_nothing_is_lost_and_nothing_is_left_behind(state_dir: Path) -> None:
    process = psutil.Process()
    async with practice(state_dir, "--limit", "syncs_per_hour=100000") as desk:
        for qty in (+1, -1) * 10:  # caches fill, connections open
            await desk.leader(qty)
        await desk.settled(5)
        gc.collect()
        before = (process.num_fds(), len(asyncio.all_tasks()), process.memory_info().rss / 2**20)
        for number in range(int(SECONDS * TRADES_PER_MIN / 60)):
            await desk.leader((+1, +1, -3, +1)[number % 4])
            await asyncio.sleep(60 / TRADES_PER_MIN)  # the pace is what is measured
        await desk.promise_holds(within_s=5)
        gc.collect()
        after = (process.num_fds(), len(asyncio.all_tasks()), process.memory_info().rss / 2**20)
        print(f"fds, tasks, MiB before {before} after {after}; {desk.core.tally.decisions}")
        assert after[0] <= before[0] + 2
        assert after[1] <= before[1] + 2
        assert after[2] <= before[2] + _GROWTH_MB
