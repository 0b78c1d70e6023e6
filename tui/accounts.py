"""`copydesk accounts`: add a login and its accounts, list them, switch a follower, remove one."""

import asyncio
from decimal import Decimal, InvalidOperation
from pathlib import Path
from random import Random

import click

from brokers.adapter import Credentials, Event, StreamUp
from brokers.registry import VENUES, build_adapter
from engine.rules import RuleRefused, parse_rule
from schema.clock import SYSTEM_CLOCK
from schema.records import (
    AccountConfig,
    ConnectionConfig,
    Environment,
    FollowerConfig,
    GroupConfig,
    Rounding,
    SymbolMap,
    VenueAccount,
)
from schema.settings import Settings
from schema.store import Store
from schema.symbols import UnknownProduct, product
from schema.vault import Vault


def parse_map(text: str) -> SymbolMap:
    """``ES:MES:10`` as a symbol map. Raises click.BadParameter naming what is wrong."""
    parts = text.upper().split(":")
    if len(parts) not in (2, 3):
        raise click.BadParameter(f"map: {text!r} is not leader:follower:lots, such as ES:MES:10.")
    try:
        factor = Decimal(parts[2]) if len(parts) == 3 else Decimal(1)
        roots = [product(root).root for root in parts[:2]]
    except UnknownProduct as unknown:
        raise click.BadParameter(f"map: {unknown}") from None
    except InvalidOperation:
        raise click.BadParameter(f"map: {parts[2]!r} is not a number of lots; write one above 0.") from None
    if not factor.is_finite() or factor <= 0:
        raise click.BadParameter(f"map: {factor} lots would not copy the leader; write a number above 0.")
    return SymbolMap(leader_root=roots[0], follower_root=roots[1], lot_factor=factor)


def parse_rule_words(words: str) -> tuple[str, str, str, bool]:
    """``proportional 0.5 [down|nearest|up] [invert]`` as its parts."""
    parts = words.split()
    if len(parts) < 2:
        raise click.BadParameter(f"rule: {words!r} is not a rule; write one such as 'proportional 0.5'.")
    invert = "invert" in parts[2:]
    roundings = [part for part in parts[2:] if part != "invert"]
    return parts[0], parts[1], roundings[0] if roundings else Rounding.DOWN, invert


async def list_login(config: ConnectionConfig, credentials: Credentials, settings: Settings) -> list[VenueAccount]:
    """Log in once and return the accounts the venue lists; nothing is kept, nothing is traded."""
    events: list[Event] = []
    adapter = build_adapter(config, credentials, settings.adapter(config), SYSTEM_CLOCK, events.append, Random())
    try:
        await adapter.connect()
    finally:
        await adapter.close()
    return [account for event in events if isinstance(event, StreamUp) for account in event.snapshot.accounts]


@click.command()
@click.argument("username")
@click.option("--venue", type=click.Choice(VENUES), default=VENUES[0], show_default=True)
@click.option("--environment", type=click.Choice([e.value for e in Environment]), default="demo", show_default=True)
@click.option("--connection", help="A name for this login on the desk; the user name by default.")
@click.option("--rest-url", default="", help="The venue's REST address, when it is not the usual one.")
@click.option("--ws-url", default="", help="The venue's WebSocket address, when it is not the usual one.")
@click.option("--md-url", default="", help="The venue's market data address, when it is not the usual one.")
@click.option("--requests-per-min", type=click.IntRange(min=1), help="What this login may ask of its venue a minute.")
@click.option("--password", envvar="COPYDESK_PASSWORD", hidden=True)
@click.option("--app-id", default="copydesk", show_default=True, help="The application name the venue gave the key.")
@click.option("--cid", default="", help="The API key's id, where the venue wants one.")
@click.option("--sec", envvar="COPYDESK_SEC", hidden=True, default="")
@click.option("--only", help="Only these accounts of the login, separated by commas; all by default.")
@click.option("--leader", help="Make this account the leader of --group.")
@click.option("--group", default="main", show_default=True)
@click.option("--rule", default="proportional 1", show_default=True, help="The followers' rule.")
@click.option("--map", "maps", multiple=True, help="leader:follower:lots, such as ES:MES:10; may be repeated.")
@click.option("--max-position", type=click.IntRange(min=1), help="The followers' position cap, lots.")
@click.pass_obj
def add(
    config: Path | None,
    username: str,
    venue: str,
    environment: str,
    connection: str | None,
    rest_url: str,
    ws_url: str,
    md_url: str,
    requests_per_min: int | None,
    password: str | None,
    app_id: str,
    cid: str,
    sec: str,
    only: str | None,
    leader: str | None,
    group: str,
    rule: str,
    maps: tuple[str, ...],
    max_position: int | None,
) -> None:
    """Add a login: it is tried first, then stored sealed, and its accounts become followers (or the leader)."""
    from tui.cli import Refused, run, settings_from

    settings = settings_from(config)
    symbols = tuple(parse_map(text) for text in maps)
    try:
        kind, value, rounding, invert = parse_rule_words(rule)
        parsed = parse_rule(kind, value, rounding, invert=invert)
    except RuleRefused as refused:
        raise Refused(str(refused)) from None
    secret = password or click.prompt("Password", hide_input=True, err=True)
    if cid and not sec:
        sec = click.prompt("API secret", hide_input=True, err=True)
    login = ConnectionConfig(
        connection=connection or username,
        venue=venue,
        environment=Environment(environment),
        username=username,
        rest_url=rest_url,
        ws_url=ws_url,
        md_url=md_url,
        requests_per_min=requests_per_min,
    )
    credentials = Credentials(
        username=username, password=secret, app_id=app_id, device_id=f"copydesk-{login.connection}", cid=cid, sec=sec
    )
    found = run(list_login(login, credentials, settings))
    wanted = only.split(",") if only else [account.account for account in found]
    for name in [*wanted, *([leader] if leader else [])]:
        if name not in {account.account for account in found}:
            names = ", ".join(account.account for account in found)
            raise Refused(f"account: the login has no {name}; it has {names}.")
    if login.environment is Environment.LIVE:
        _confirm_live([account for account in found if account.account in wanted])

    async def write() -> None:
        store = await Store.open(settings, SYSTEM_CLOCK)
        try:
            vault = await asyncio.to_thread(Vault.open, settings)
            await store.add_connection(login, vault.seal_credentials(login, credentials))
            for account in found:
                if account.account in wanted:
                    await store.put_account(
                        AccountConfig(
                            account=account.account,
                            connection=login.connection,
                            venue_id=account.venue_id,
                            active=account.active,
                        )
                    )
            if leader:
                await store.put_group(GroupConfig(group=group, leader=leader))
            for name in wanted:
                if name != leader:
                    await store.put_follower(
                        FollowerConfig(
                            account=name, group=group, rule=parsed, symbols=symbols, max_position=max_position
                        )
                    )
        finally:
            await store.close()

    run(write())
    click.echo(f"{login.connection}: {len(wanted)} accounts added to group {group}.")


def _confirm_live(accounts: list[VenueAccount]) -> None:
    """Real money: each account's name is typed once."""
    for account in accounts:
        typed = click.prompt(f"{account.account} trades REAL MONEY. Type its name to allow it", err=True)
        if typed != account.account:
            raise click.ClickException(f"account: {typed!r} is not {account.account}; nothing was added.")


@click.command("list")
@click.pass_obj
def list_accounts(config: Path | None) -> None:
    """Every account with its connection, group and rule."""
    from tui.cli import run, settings_from

    async def work() -> None:
        store = await Store.open(settings_from(config), SYSTEM_CLOCK)
        try:
            desk = await store.load_config()
        finally:
            await store.close()
        leaders = {entry.leader: entry.group for entry in desk.groups}
        followers = {entry.account: entry for entry in desk.followers}
        for account in desk.accounts:
            follower = followers.get(account.account)
            if follower:
                role = f"{follower.group:10} {'on ' if follower.enabled else 'off'} {follower.rule}"
            else:
                role = f"{leaders[account.account]:10} leader" if account.account in leaders else "-"
            click.echo(f"{account.account:16} {account.connection:16} {role}")

    run(work())


@click.command()
@click.argument("account")
@click.pass_obj
def toggle(config: Path | None, account: str) -> None:
    """Switch a follower on or off; a running desk follows at once."""
    from tui.cli import Refused, run, settings_from

    async def work() -> bool:
        store = await Store.open(settings_from(config), SYSTEM_CLOCK)
        try:
            followers = {entry.account: entry for entry in (await store.load_config()).followers}
            if account not in followers:
                raise Refused(f"account: {account} is not a follower; `copydesk accounts list` shows who is.")
            await store.set_enabled(account, not followers[account].enabled)
            return not followers[account].enabled
        finally:
            await store.close()

    click.echo(f"{account} is {'on' if run(work()) else 'off'}.")


@click.command()
@click.argument("account")
@click.pass_obj
def remove(config: Path | None, account: str) -> None:
    """Take an account off the desk; a login without accounts goes with its last one. The history stays."""
    from tui.cli import run, settings_from

    async def work() -> None:
        store = await Store.open(settings_from(config), SYSTEM_CLOCK)
        try:
            await store.remove_account(account)
        finally:
            await store.close()

    run(work())
    click.echo(f"{account} is off the desk.")
