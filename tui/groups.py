"""`copydesk groups`: how each group mirrors its leader, listed and changed from the shell. A running desk follows."""

from pathlib import Path

import click

from schema.clock import SYSTEM_CLOCK
from schema.group_words import FIELDS, described
from schema.store import Store
from tui.shell import run, settings_with_log


@click.group()
def groups() -> None:
    """How groups mirror their leaders: list, set."""


@groups.command("list")
@click.pass_obj
def list_groups(config: Path | None) -> None:
    """Every group with its settings and how many follow."""
    settings = settings_with_log(config)

    async def work() -> None:
        store = await Store.open(settings, SYSTEM_CLOCK)
        try:
            desk = await store.load_config()
        finally:
            await store.close()
        for group in desk.groups:
            followers = sum(follower.group == group.group for follower in desk.followers)
            click.echo(f"{group.group:12} {followers:3} followers  guard={group.guard} {described(group)}")

    run(work())


@groups.command("set", help=f"Change a group's settings, all of them or none. FIELD is {', '.join(FIELDS)}.")
@click.argument("group")
@click.argument("changes", metavar="FIELD=VALUE...", nargs=-1, required=True)
@click.pass_obj
def set_group(config: Path | None, group: str, changes: tuple[str, ...]) -> None:
    settings = settings_with_log(config)

    async def work() -> str:
        store = await Store.open(settings, SYSTEM_CLOCK)
        try:
            return described(await store.change_group(group, changes))
        finally:
            await store.close()

    click.echo(f"{group}: {run(work())}")
