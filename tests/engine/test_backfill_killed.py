"""A backfill that is killed with -9, again and again, loses nothing that it had finished and ends exactly."""

import asyncio
import sys
from pathlib import Path

from engine.backfill import Backfill
from schema.clock import SYSTEM_CLOCK
from schema.store import Store
from schema.stretches import Stretch
from tests.engine.histories import MINUTE, MINUTE_NS, SOURCE, Past, minutes

ROOT = Path(__file__).parents[2]
_FIRST, _LENGTH = 28_000_000, 12_000
WHOLE = Stretch(_FIRST * MINUTE_NS, (_FIRST + _LENGTH) * MINUTE_NS)


async def test_a_backfill_killed_in_the_middle_goes_on_where_its_last_commit_was(
    store: Store, database_url: str
) -> None:
    full = minutes(_FIRST, _LENGTH)
    market = store.market()
    try:
        reached_ns = WHOLE.since_ns
        for pages in (1, 7, 12, 3, 20):
            command = [sys.executable, "-m", "tests.engine.backfill_child", database_url, str(_FIRST), str(_LENGTH)]
            child = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
            assert child.stdout is not None
            while int(await child.stdout.readline()) < pages:
                pass
            child.kill()
            await child.wait()
            covered = await market.covered(SOURCE, "ESZ6", MINUTE, WHOLE)
            kept = await market.bars(SOURCE, "ESZ6", MINUTE, limit=10**6)
            # One whole stretch from the beginning on, and every candle in it; at most the page in flight is beyond it.
            assert len(covered) <= 1
            done_ns = covered[0].until_ns if covered else WHOLE.since_ns
            assert done_ns >= reached_ns
            assert kept[: len([bar for bar in full if bar.start_ns < done_ns])] == tuple(
                bar for bar in full if bar.start_ns < done_ns
            )
            assert set(kept) <= set(full)
            reached_ns = done_ns
        assert WHOLE.since_ns < reached_ns < WHOLE.until_ns
        past = Past(full, page=1_000)
        await Backfill(past, market, SYSTEM_CLOCK).bars("ESZ6", MINUTE, WHOLE.since_ns, WHOLE.until_ns)
        assert past.asked == [Stretch(reached_ns, WHOLE.until_ns)]
        assert await market.bars(SOURCE, "ESZ6", MINUTE, limit=10**6) == tuple(full)
        assert await market.covered(SOURCE, "ESZ6", MINUTE, WHOLE) == (WHOLE,)
    finally:
        await market.close()
