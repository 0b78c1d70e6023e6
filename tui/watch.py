"""`copydesk watch`: the user's watchlists, listed and changed from the shell. A running desk's seats follow at once."""

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import click

from engine.symbol_search import SymbolIndex
from engine.watching import resolve
from schema.clock import SYSTEM_CLOCK
from schema.listed import contracts
from schema.store import Store
from schema.trading_day import trading_day
from schema.watchlists import AddSymbols, DeleteList, RemoveSymbols, Watched, this_user
from tui.shell import with_store


@click.group(invoke_without_command=True)
@click.pass_context
def watch(context: click.Context) -> None:
    """Your watchlists: list (also without a word), add, remove, delete."""
    if context.invoked_subcommand is None:
        context.invoke(list_watched)


@watch.command("list")
@click.pass_obj
def list_watched(config: Path | None) -> None:
    """Every list with its symbols in order."""

    async def work(store: Store) -> str:
        mine = await store.lists_of(this_user())
        width = max((len(each.name) for each in mine.lists), default=0)
        lines = [f"{each.name:<{width}}  {' '.join(map(str, each.symbols))}".rstrip() for each in mine.lists]
        return "\n".join(lines) or "Nothing is watched yet; `copydesk watch add NAME ESZ6` makes a list."

    _say(config, work)


@watch.command()
@click.argument("name", metavar="LIST")
@click.argument("symbols", metavar="SYMBOL...", nargs=-1, required=True)
@click.pass_obj
def add(config: Path | None, name: str, symbols: tuple[str, ...]) -> None:
    """Put symbols (ESZ6, or SOURCE:SYMBOL of a feed) at the end of a list, which is made when there is none."""

    async def work(store: Store) -> str:
        today = trading_day(SYSTEM_CLOCK.now_ns())
        index = SymbolIndex(contracts(today, await store.contracts()))
        found = tuple(resolve(index, Watched.parse(symbol), today, any_source=True) for symbol in symbols)
        return await store.edit_lists(this_user(), AddSymbols(name=name, symbols=found))

    _say(config, work)


@watch.command()
@click.argument("name", metavar="LIST")
@click.argument("symbols", metavar="SYMBOL...", nargs=-1, required=True)
@click.pass_obj
def remove(config: Path | None, name: str, symbols: tuple[str, ...]) -> None:
    """Take symbols off a list."""
    gone = tuple(Watched.parse(symbol) for symbol in symbols)
    _say(config, lambda store: store.edit_lists(this_user(), RemoveSymbols(name=name, symbols=gone)))


@watch.command()
@click.argument("name", metavar="LIST")
@click.pass_obj
def delete(config: Path | None, name: str) -> None:
    """Delete a list."""
    _say(config, lambda store: store.edit_lists(this_user(), DeleteList(name=name)))


def _say(config: Path | None, work: Callable[[Store], Coroutine[Any, Any, str]]) -> None:
    click.echo(with_store(config, work))
