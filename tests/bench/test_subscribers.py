"""Listeners at the door, fewer than the benchmark's: none waits, and nothing of them is left."""

from pathlib import Path

from engine.latency import percentile
from schema.settings import Settings
from schema.store import Store
from tests.bench import subscribers
from tests.practice import desk_alone


async def test_three_hundred_listeners_hear_at_once_and_leave_nothing(
    settings: Settings, store: Store, state_dir: Path
) -> None:
    async with desk_alone(settings, store) as desk:
        ages = await subscribers.run(desk, state_dir, 300, 900, 1.5)
    assert len(ages) >= 0.9 * 900 * 1.5
    assert percentile(sorted(ages), 99) <= subscribers.BAR_MS
