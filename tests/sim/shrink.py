"""The fewest faults with which a failing seed still fails: delta debugging over the plan's fault list."""

from collections.abc import Sequence

from msgspec.structs import replace

from tests.sim.plan import Fault, Plan
from tests.sim.schedule import Schedule
from tests.sim.world import Violation


def failure(plan: Plan) -> str:
    """What a plan breaks, or ''."""
    try:
        Schedule(plan).run()
    except Violation as violation:
        return str(violation)
    return ""


def shrink(plan: Plan, name: str, runs: int = 150) -> tuple[Plan, int]:
    """The smallest plan found within so many runs that breaks the same promise (the T-name), and the runs it took."""
    faults: Sequence[Fault] = plan.faults
    taken, parts = 0, 2
    while faults and taken < runs:
        size = max(1, len(faults) // parts)
        for start in range(0, len(faults), size):
            fewer = tuple(faults[:start]) + tuple(faults[start + size :])
            taken += 1
            if failure(replace(plan, faults=fewer)).startswith(name):
                faults, parts = fewer, max(2, parts - 1)
                break
            if taken >= runs:
                break
        else:
            if size == 1:
                break
            parts = min(len(faults), parts * 2)
    return replace(plan, faults=tuple(faults)), taken
