"""`copydesk symbols`: the contracts of the desk as its venues described them, what each venue calls one, and the
acknowledgement that lets one be opened until it expires. With or without a running desk, which follows."""

from collections.abc import Sequence
from pathlib import Path

import click

from engine.rollover import acknowledged, days_left, in_days, to_acknowledge
from engine.symbol_search import SymbolIndex
from schema.clock import SYSTEM_CLOCK
from schema.expiry import expires_ns, front_of, rule_of
from schema.listed import contracts
from schema.records import DeskConfig
from schema.store import CheckedContract, Store
from schema.symbols import ContractKey, UnknownProduct, key_of, product
from schema.trading_day import trading_day
from schema.venue_symbols import render, venues
from tui.shell import Refused, with_store
from tui.text import clean


@click.group()
def symbols() -> None:
    """Contracts: list, search, show, ack."""


@symbols.command("list")
@click.option("--venue", type=click.Choice(venues()), help="Only logins of this venue.")
@click.pass_obj
def list_symbols(config: Path | None, venue: str | None) -> None:
    """Every contract that a desk had checked with a venue: ticks, expiry, front month, acknowledged."""

    async def work(store: Store) -> None:
        desk, said = await store.load_config(), await store.contracts()
        of_venue = {login.connection: login.venue for login in desk.connections}
        lines = {_line(of_venue[each.connection], each, desk): None for each in said}
        shown = [line for line in lines if venue is None or line.startswith(f"{venue} ")]
        click.echo("\n".join(shown) or "No venue has described a contract yet; a desk that opens asks for its own.")

    with_store(config, work)


@symbols.command("show")
@click.argument("contract")
@click.pass_obj
def show_symbol(config: Path | None, contract: str) -> None:
    """One contract (ESZ6): its key, its name at each venue, ticks, expiry and what venues said of it."""

    async def work(store: Store) -> None:
        desk, said = await store.load_config(), await store.contracts()
        of_venue = {login.connection: login.venue for login in desk.connections}
        mine = [each for each in said if each.symbol == contract.upper()]
        key = mine[0].key if mine else _key(contract)
        click.echo("\n".join(_story(key, mine, desk, of_venue)))

    with_store(config, work)


@symbols.command("ack")
@click.argument("contract")
@click.pass_obj
def acknowledge(config: Path | None, contract: str) -> None:
    """Go on opening in a contract (ESZ6) that expires within 7 days; a running desk follows at once."""

    async def work(store: Store) -> None:
        known = {each.key: each.expires_ns for each in await store.contracts()}
        key = to_acknowledge(contract, known, SYSTEM_CLOCK.now_ns())
        await store.acknowledge(key)
        click.echo(acknowledged(key))

    with_store(config, work)


@symbols.command("search")
@click.argument("text", nargs=-1, required=True)
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.pass_obj
def search_symbols(config: Path | None, text: tuple[str, ...], limit: int) -> None:
    """Contracts by symbol, name or a venue's name, or with a slip: `copydesk symbols search micro nasdaq`."""

    async def work(store: Store) -> None:
        index = SymbolIndex(contracts(trading_day(SYSTEM_CLOCK.now_ns()), await store.contracts()))
        found = [match.listed for match in index.find(" ".join(text), limit)]
        if not found:
            raise Refused(f"text: nothing is called {' '.join(text)!r}; try a root (ES) or a part of a name.")
        click.echo("\n".join(f"{each.symbol:8} {each.exchange:6} {clean(each.description)}" for each in found))

    with_store(config, work)


def _key(contract: str) -> ContractKey:
    try:
        return key_of(contract.upper(), trading_day(SYSTEM_CLOCK.now_ns()))
    except UnknownProduct as unknown:
        raise Refused(f"contract: {unknown}") from None


def _line(venue: str, said: CheckedContract, desk: DeskConfig) -> str:
    notes = [_front(said)]
    notes += ["acknowledged"] if _acknowledged(said.key, desk) else []
    notes += [] if said.described else ["not described by the venue: checked against the product table only"]
    notes += [said.error] if said.error else []
    ticks = f"{said.tick_size.normalize():f}/{said.tick_value.normalize():f}"
    return f"{venue:10} {said.symbol:7} {said.key!s:18} {ticks:14} {_expiry(said.expires_ns):34} {', '.join(notes)}"


def _story(key: ContractKey, said: Sequence[CheckedContract], desk: DeskConfig, of_venue: dict[str, str]) -> list[str]:
    known, now_ns = product(key.root), SYSTEM_CLOCK.now_ns()
    front = front_of(key.root, trading_day(now_ns)).symbol
    lines = [
        f"{key.symbol}  {key}  {known.name}",
        f"tick size {known.tick_size.normalize():f}, tick value {known.tick_value.normalize():f}",
        f"by the product table: {_expiry(expires_ns(key))} ({rule_of(key.root).about}), front month {front}",
        f"acknowledged: {'yes' if _acknowledged(key, desk) else 'no'}",
    ]
    lines += [f"{venue:12} {render(venue, key)}" for venue in venues()]
    lines += [f"{each.connection}: {_line(of_venue[each.connection], each, desk)}" for each in said]
    return lines


def _front(said: CheckedContract) -> str:
    if not said.front:
        return "front month not said"
    return "front" if said.front == said.symbol else f"front is {said.front}"


def _acknowledged(key: ContractKey, desk: DeskConfig) -> bool:
    return (key.exchange, key.root, key.month) in desk.acknowledged


def _expiry(at_ns: int) -> str:
    now_ns = SYSTEM_CLOCK.now_ns()
    verb = "expired" if now_ns >= at_ns else "expires"
    days = days_left(at_ns, now_ns)
    return f"{verb} {trading_day(at_ns)}" + ("" if verb == "expired" else f" ({in_days(days)})")
