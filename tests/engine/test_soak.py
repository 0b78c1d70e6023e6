"""Twenty accounts and a hundred leader trades a minute for ten minutes (`make soak`; SOAK_S shortens it): nothing
lost, nothing doubled, and memory, tasks and descriptors back where they were."""

import asyncio
import gc
import os
import time
from pathlib import Path

import psutil
import pytest

from tests.practice import PracticeDesk, practice, until

SECONDS = float(os.environ.get("SOAK_S", "600"))
TRADES_PER_MIN = 100
_WARM_UP_S = 60.0  # caches fill, pools and idle connections of the first readings come and go
_KEPT_ALIVE_S = 60.0  # idle connections to the venue are let go within this time
_GROWTH_MB = 20.0
_BYTES_AN_ORDER = 4_000  # while the memory for ended orders fills; 3,100 when this was written
_REMEMBERED_MB = 20.0  # when it is full, after some 12,000 orders: then nothing may grow any more
_FULL_AFTER = 600  # trades
_MOVES = (+1, +1, -3, +1)


class Held:
    """What the process holds now."""

    def __init__(self) -> None:
        gc.collect()
        process = psutil.Process()
        self.fds = process.num_fds()
        self.tasks = len(asyncio.all_tasks())
        self.rss_mb = process.memory_info().rss / 2**20

    def __str__(self) -> str:
        return f"{self.fds} fds, {self.tasks} tasks, {self.rss_mb:.0f} MiB"


async def trade(desk: PracticeDesk, seconds: float) -> tuple[int, list[Held]]:
    """The leader trades at an even pace, whatever the desk does; how often, and what was held after each hundred."""
    held: list[Held] = []
    trades = int(seconds * TRADES_PER_MIN / 60) // len(_MOVES) * len(_MOVES)
    started = time.monotonic()
    for number in range(trades):
        await desk.leader(_MOVES[number % len(_MOVES)], seen=False)
        await asyncio.sleep(max(0.0, started + (number + 1) * 60 / TRADES_PER_MIN - time.monotonic()))
        if number % TRADES_PER_MIN == TRADES_PER_MIN - 1:
            held.append(Held())
            print(f"after {number + 1} trades: {held[-1]}", flush=True)
    return trades, held


@pytest.mark.soak
@pytest.mark.timeout(int(SECONDS + _WARM_UP_S + _KEPT_ALIVE_S) + 180)
async def test_t_soak_nothing_is_lost_and_nothing_is_left_behind(state_dir: Path) -> None:
    async with practice(state_dir, "--limit", "syncs_per_hour=100000") as desk:
        before_trades, _ = await trade(desk, min(_WARM_UP_S, SECONDS))
        await desk.settled(10)
        before, signals = Held(), desk.core.tally.signals
        assert signals >= before_trades  # a trade may be filled in pieces
        trades, held = await trade(desk, SECONDS)
        await desk.settled(10)
        await until(lambda: psutil.Process().num_fds() <= before.fds + 2, _KEPT_ALIVE_S, must=False)
        after = Held()  # before the accounting below reads every copy into this process
        await desk.promise_holds(within_s=10)
        assert desk.core.tally.signals >= signals + trades
        assert desk.status().undecided == 0
        kept_mb = min(_REMEMBERED_MB, trades * len(desk.core.followers) * _BYTES_AN_ORDER / 2**20)
        print(f"{trades} trades; before {before}, after {after}; {dict(desk.core.tally.decisions)}")
        assert after.fds <= before.fds + 2
        assert after.tasks <= before.tasks + 2
        assert after.rss_mb <= before.rss_mb + _GROWTH_MB + kept_mb
        if trades > _FULL_AFTER:
            full = held[_FULL_AFTER // TRADES_PER_MIN - 1]
            assert after.rss_mb <= full.rss_mb + _GROWTH_MB / 2
