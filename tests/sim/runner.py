"""Many seeds over all cores: `run_many` is what `make sim` and the mutants call."""

import gc
import multiprocessing
import os
from collections.abc import Iterator, Sequence

from tests.sim.plan import draw
from tests.sim.schedule import Schedule
from tests.sim.world import Violation

Result = tuple[int, str, str]  # seed, the journal's hash, what was broken


def one(seed: int) -> Result:
    """One seed, whole. Collections wait until it is over, and look at nothing but what it made."""
    gc.freeze()
    gc.disable()
    try:
        return _run(seed)
    finally:
        gc.collect()
        gc.enable()
        gc.unfreeze()


def _run(seed: int) -> Result:
    """Anything that is not a violation is one too: the machine must not pass over its own faults."""
    schedule = Schedule(draw(seed))
    try:
        schedule.run()
    except Violation as violation:
        return seed, schedule.hash, str(violation)
    except Exception as error:  # noqa: BLE001 - see the docstring
        return seed, schedule.hash, f"T-ALIVE the run itself failed: {error!r}"
    return seed, schedule.hash, ""


def cores() -> int:
    """The cores to use: fewer when tests run beside each other."""
    return max(1, len(os.sched_getaffinity(0)) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


def run_many(seeds: Sequence[int], processes: int = 0) -> Iterator[Result]:
    """Results as they come, in no order."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes or cores()) as pool:
        yield from pool.imap_unordered(one, seeds, chunksize=2)
