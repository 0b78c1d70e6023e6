"""`python -m tests.sim.mutants`: every mutant must be caught within 500 seeds."""

import sys

import click

from tests.sim.mutants import caught, patches


@click.command()
@click.option("--seeds", default=500, show_default=True, help="How many seeds a mutant may survive.")
@click.option("--only", default="", help="Only mutants whose name has this in it.")
def main(seeds: int, only: str) -> None:
    """Run the simulation against each seeded bug."""
    survivors = 0
    chosen = [patch for patch in patches() if only in patch.name]
    for patch in chosen:
        line = caught(patch, seeds)
        survivors += not line
        click.echo(f"{patch.stem}: {f'caught, {line}' if line else f'NOT caught within {seeds} seeds'}")
    click.echo(f"{len(chosen)} mutants, {survivors} survivors")
    sys.exit(1 if survivors else 0)


if __name__ == "__main__":
    main()
