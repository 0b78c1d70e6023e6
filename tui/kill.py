"""`copydesk guard`: what may be opened, from the shell, with or without a running desk. Called by `tui/cli.py`."""

from pathlib import Path

import click

from engine import guards
from schema.clock import SYSTEM_CLOCK
from schema.records import Guard
from schema.store import Store
from tui.shell import run, settings_with_log


@click.command()
@click.argument("target", metavar="FOLLOWER|GROUP|all")
@click.argument("guard", type=click.Choice([guard.value for guard in Guard]))
@click.pass_obj
def guard(config: Path | None, target: str, guard: str) -> None:
    """What a follower, a group or the whole desk may open; a running desk follows at once. Exits always go."""
    settings = settings_with_log(config)

    async def work() -> None:
        store = await Store.open(settings, SYSTEM_CLOCK)
        try:
            await store.guard_target(target, Guard(guard))
        finally:
            await store.close()

    run(work())
    click.echo(guards.sentence(target, Guard(guard)))
