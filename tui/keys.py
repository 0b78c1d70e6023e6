"""`copydesk keys`: the key table with the trader's own keys in it, as text, for the README, or as a keys.toml."""

import sys
from pathlib import Path

import click

from tui.shell import settings_from


@click.command("keys")
@click.option("--markdown", is_flag=True, help="As the README has them.")
@click.option("--toml", "as_toml", is_flag=True, help="As a keys.toml to begin with.")
@click.pass_obj
def keys(config: Path | None, markdown: bool, as_toml: bool) -> None:
    """Print every key: its id, what it is called, and what it does. Mistakes in keys.toml go to standard error, a
    sentence each, and the exit code is 1."""
    from tui.keymap import key_table_markdown
    from tui.user_keys import key_table_text, key_table_toml, keymap_from

    keymap = keymap_from(settings_from(config).keys_file)
    table = key_table_markdown if markdown else key_table_toml if as_toml else key_table_text
    click.echo(table(keymap).rstrip())
    for mistake in keymap.mistakes:
        click.echo(mistake, err=True)
    sys.exit(1 if keymap.mistakes else 0)
