"""The simulation in the suite: 60 seeds hold, a seed is the same run everywhere, and the guard guards.

`make sim SEEDS=2000 FIRST=1` runs more. Mutants, which prove that it can fail, are in `test_mutants.py`.
"""

import gc
import os
import subprocess
import sys
import time
import warnings

import pytest

from engine.desk import Desk
from schema.records import Mode
from tests.sim.loop import Forbidden, borrowed_reality, guarded
from tests.sim.plan import Plan, draw
from tests.sim.runner import one
from tests.sim.schedule import Schedule

SEEDS = int(os.environ.get("SEEDS", "60"))
FIRST = int(os.environ.get("FIRST", "1"))
TOGETHER = 10  # in one test, so that the suite's processes share them


@pytest.mark.timeout(600)
@pytest.mark.parametrize("first", range(FIRST, FIRST + SEEDS, TOGETHER))
def test_every_promise_holds_under_seeded_schedules(first: int) -> None:
    """T-DUP, T-LEDGER, T-CONV, T-SCOPE, T-BRK, T-PANIC, T-WAL and T-UNKNOWN, in `tests/sim/invariants.py`."""
    broken: dict[str, str] = {}
    for seed in range(first, min(first + TOGETHER, FIRST + SEEDS)):
        _, _, violation = one(seed)
        if violation:
            broken[f"make sim SEEDS=1 FIRST={seed}"] = violation
    assert broken == {}


def test_schedules_draw_every_mode_every_kind_of_exit_and_venues_with_and_without_each_ability() -> None:
    plans = [draw(seed) for seed in range(1, 101)]
    mirroring = [plan for plan in plans if plan.config.groups[0].mode is not Mode.FILLS]
    assert {plan.config.groups[0].mode for plan in plans} == set(Mode)
    kinds = {"none", "stop", "bracket", "legs", "oco", "trail", "trail oco"}
    assert {plan.exits for plan in mirroring} == kinds
    assert any(move.act == "with exits" for plan in mirroring for move in plan.moves)
    for name in ("flips", "duplicate_tag_rejected", "links", "trails", "trails_shown", "trails_moved", "finds"):
        assert {getattr(able, name) for plan in plans for _, able in plan.abilities} == {True, False}, name


def test_linked_orders_and_trailing_stops_leave_in_a_schedule_of_a_leader_that_has_both() -> None:
    seed = next(seed for seed in range(1, 400) if _links_and_trails(draw(seed)))
    run = Schedule(draw(seed))
    run.run()
    sent = list(run.books.left.values())
    assert any(order.oco is not None for order in sent)
    assert any(order.trail is not None for order in sent)


def _links_and_trails(plan: Plan) -> bool:
    both = any(able.links and able.trails for login, able in plan.abilities if login != "login0")
    return plan.exits == "trail oco" and plan.config.groups[0].mode is not Mode.FILLS and both


def test_a_desk_that_is_killed_leaves_no_request_behind_that_never_began() -> None:
    """Seed 2 kills it with changes of orders at rest about to leave."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        Schedule(draw(2)).run()
        gc.collect()
    assert [str(warning.message) for warning in said if "never awaited" in str(warning.message)] == []


def test_the_same_seed_gives_the_same_journal_in_any_process() -> None:
    said: list[str] = []
    for hash_seed in ("1", "4242"):
        command = "from tests.sim.runner import one; print(one(11)[1:], one(12)[1:])"
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", command],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        said.append(done.stdout)
    assert said[0] == said[1]
    assert said[0].strip()
    assert one(11)[1] != one(12)[1]


def test_the_engine_takes_neither_time_nor_chance_from_the_machine() -> None:
    """The guard sees calls through a module; a name bound at import is found by looking."""
    assert Desk.__module__ == "engine.desk"
    borrowed = {name for name in borrowed_reality() if not name.startswith("engine.thread.")}
    assert borrowed == set()


def test_the_guard_fails_a_run_that_reads_a_real_clock() -> None:
    module = {"__name__": "engine.something"}
    exec("import time\ndef now():\n    return time.monotonic()", module)
    with guarded(), pytest.raises(Forbidden, match=r"engine.something called time.monotonic"):
        module["now"]()  # type: ignore[operator]
    with guarded():
        time.monotonic()
