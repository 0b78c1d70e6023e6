"""Postgres killed while it is written to: nothing acknowledged is lost, nothing is doubled, and work resumes."""

import asyncio
import os
import signal
from collections import Counter
from pathlib import Path
from random import Random

from schema import driver, postgres_home
from schema.clock import SYSTEM_CLOCK
from schema.records import Decision, Position
from schema.settings import load_settings
from schema.store import Batch, Store
from tests.schema import rows

KILLS = 8


async def counted(store: Store) -> tuple[int, Counter[Decision]]:
    """What the journal holds, asked until the database answers."""
    async with asyncio.timeout(10):
        while True:
            try:
                return await store.counts()
            except driver.JournalDown:
                await store.revive()


async def test_every_acknowledged_commit_survives_kill_9_and_none_is_doubled(state_dir: Path) -> None:
    random = Random(7)
    store = await Store.open(load_settings(**{"state_dir": state_dir}), SYSTEM_CLOCK)
    server = store._database.server
    assert server is not None
    names = await rows.desk(store, followers=20)
    acknowledged: list[str] = []
    downs = 0
    stop = asyncio.Event()

    async def journal() -> None:
        """Commit one signal after the other as the engine does: each until it is taken."""
        nonlocal downs
        number = 0
        while not stop.is_set():
            of = rows.signal(number)
            while True:
                try:
                    assert await store.commit_signal(of, rows.copies(of, names)) is True
                    break
                except driver.JournalDown:
                    downs += 1
                    await store.revive()
            acknowledged.append(of.signal_id)
            number += 1

    async def write_behind() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            batch = Batch(positions=(Position(account="A", symbol="ESH4", net_qty=number),))
            try:
                await store.record(batch if number % 2 else Batch())
            except driver.JournalDown:
                await store.revive()

    async def killer() -> None:
        for _ in range(KILLS):
            seen = len(acknowledged)
            async with asyncio.timeout(10):
                while len(acknowledged) < seen + 20:  # noqa: ASYNC110 - the work goes on, which is the point
                    await asyncio.sleep(random.random() / 50)
            pid = server.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
        stop.set()

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for work in (journal, write_behind, killer):
            group.create_task(work())
    signals, pairs = await counted(store)
    assert signals == len(acknowledged) == len(set(acknowledged))
    assert sum(pairs.values()) == signals * len(names)
    print(f"\n{KILLS} kills: {signals} signals, {downs} times down")
    await store.close()
    postgres_home.remove_cluster(postgres_home.prepare_home(state_dir).cluster)
