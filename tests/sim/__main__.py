"""`python -m tests.sim --seeds N --first F`: schedules FIRST to FIRST+SEEDS-1 over all cores, then sizing.

Ends with the line `N schedules, 0 violations`; with 1 when there was one, after shrinking the first of them.
"""

import multiprocessing
import sys
import time

import click

from tests.sim import sizing
from tests.sim.plan import draw
from tests.sim.runner import cores, one, run_many
from tests.sim.shrink import shrink


@click.command()
@click.option("--seeds", default=200, show_default=True, help="How many schedules.")
@click.option("--first", default=1, show_default=True, help="The first seed.")
@click.option("--shrinking/--no-shrinking", default=True, help="Look for the fewest faults of the first failing seed.")
@click.option("--sequences", default=0, help="How many sizing sequences to run as well.")
@click.option("--until-broken", is_flag=True, help="Stop at the first violation, and do not look for fewer faults.")
def main(seeds: int, first: int, shrinking: bool, sequences: int, until_broken: bool) -> None:
    """Run SEEDS schedules of 200 leader events and 20 followers."""
    started, broken, done = time.monotonic(), dict[int, str](), 0
    wanted = range(first, first + seeds)
    results = map(one, wanted) if seeds == 1 else run_many(wanted)
    for seed, _, violation in results:
        done += 1
        if violation:
            broken[seed] = violation
            click.echo(f"seed {seed}: {violation}\n  again: make sim SEEDS=1 FIRST={seed}")
            if until_broken:
                break
        if done % 100 == 0 or done == seeds:
            minutes = (time.monotonic() - started) / 60
            click.echo(f"{done} of {seeds} schedules, {done / minutes:.0f} a minute on {cores()} cores")
    if broken and shrinking and not until_broken:
        _explain(min(broken), broken[min(broken)])
    problems = [] if until_broken else _size(sequences)
    for problem in problems[:20]:
        click.echo(problem)
    if sequences and not until_broken:
        click.echo(f"{sequences} sizing sequences, {len(problems)} violations")
    click.echo(f"{done} schedules, {len(broken)} violations")
    sys.exit(1 if broken or problems else 0)


def _size(sequences: int) -> list[str]:
    """T-SIZE over all cores."""
    if not sequences:
        return []
    parts = 10
    with multiprocessing.get_context("spawn").Pool(cores()) as pool:
        found = pool.starmap(sizing.run, [(sequences // parts, part) for part in range(parts)])
    return [problem for problems in found for problem in problems]


def _explain(seed: int, violation: str) -> None:
    plan = draw(seed)
    fewest, runs = shrink(plan, violation.split()[0])
    click.echo(f"seed {seed} still fails with {len(fewest.faults)} of its {len(plan.faults)} faults ({runs} runs):")
    for fault in fewest.faults:
        click.echo(f"  {fault}")


if __name__ == "__main__":
    main()
