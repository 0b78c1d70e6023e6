"""`copydesk accounts`: add a login and its accounts, list them, switch a follower, remove one. Called by `tui/cli.py`.

Adding tries the login at its venue first and then stores all of it or nothing; no order is ever sent from here.
"""

import asyncio
import os
import sys
from pathlib import Path

import click

from brokers.adapter import Credentials
from brokers.registry import VENUE_TABLE, VENUES, capabilities_of
from engine.logins import (
    accounts_in,
    add_accounts,
    add_login,
    compared,
    fix_login,
    list_login,
    login_of,
    named,
    ninja_login,
    parse_maps,
    parse_rule_words,
    try_login,
    words_of,
)
from engine.seat import Chosen
from schema.clock import SYSTEM_CLOCK
from schema.lock import holder
from schema.records import (
    ConnectionConfig,
    DeskConfig,
    Environment,
    VenueAccount,
)
from schema.store import Store
from schema.vault import Vault
from tui.shell import Refused, refusals, run, settings_with_log


@click.command()
@click.argument("username")
@click.option("--venue", type=click.Choice(VENUES), default=VENUES[0], show_default=True)
@click.option("--environment", type=click.Choice([e.value for e in Environment]), default="demo", show_default=True)
@click.option("--connection", help="A name for this login on the desk; the user name by default.")
@click.option("--rest-url", default="", help="The venue's REST address, when it is not the usual one.")
@click.option("--ws-url", default="", help="The venue's WebSocket address, when it is not the usual one.")
@click.option("--md-url", default="", help="The venue's market data address, when it is not the usual one.")
@click.option("--requests-per-min", type=click.IntRange(min=1), help="What this login may ask of its venue a minute.")
@click.option("--fix-address", help="FIX: the counterparty's HOST:PORT.")
@click.option("--sender-comp-id", default="", help="FIX: who this desk is (tag 49).")
@click.option("--target-comp-id", default="", help="FIX: who the counterparty is (tag 56).")
@click.option("--fix-version", type=click.Choice(["FIX.4.2", "FIX.4.4"]), default="FIX.4.4", show_default=True)
@click.option("--dialect", default="generic", show_default=True, help="FIX: a name in dialects.toml.")
@click.option("--tls/--no-tls", default=True, show_default=True, help="FIX: whether the connection is encrypted.")
@click.option("--ninja-address", help="NinjaTrader: HOST:PORT of its AT interface; without :PORT, 36973.")
@click.option(
    "--ninja-folder", default="", help="NinjaTrader: its documents folder, for exits while the port is closed."
)
@click.option(
    "--ninja", "ninja_switches", multiple=True, metavar="NAME=VALUE", help="NinjaTrader: readings=cache and such."
)
@click.option("--app-id", default="copydesk", show_default=True, help="The application name the venue gave the key.")
@click.option("--cid", default="", help="The API key's id, where the venue wants one.")
@click.option("--only", help="Only these accounts of the login, separated by commas; all by default.")
@click.option("--leader", help="Make this account the leader of --group.")
@click.option("--group", default="main", show_default=True)
@click.option("--rule", help="The followers' rule, such as 'proportional 0.5'; 'proportional 1' when nothing is said.")
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
    fix_address: str | None,
    sender_comp_id: str,
    target_comp_id: str,
    fix_version: str,
    dialect: str,
    tls: bool,
    ninja_address: str | None,
    ninja_folder: str,
    ninja_switches: tuple[str, ...],
    app_id: str,
    cid: str,
    only: str | None,
    leader: str | None,
    group: str,
    rule: str | None,
    maps: tuple[str, ...],
    max_position: int | None,
) -> None:
    """Add a login: it is tried first, then stored sealed, and its accounts become followers (or the leader).

    The password (at ProjectX the API key) is asked for, or taken from COPYDESK_PASSWORD; the API secret likewise, or
    from COPYDESK_SEC."""
    settings = settings_with_log(config)
    _show_policy(venue)
    with refusals():
        chosen = Chosen(
            group=group,
            leader=leader or "",
            rule=None if rule is None else parse_rule_words(rule),
            symbols=parse_maps(maps),
            max_position=max_position,
        )
        fix = None
        if venue == "fix":
            fix = fix_login(fix_address or "", sender_comp_id, target_comp_id, fix_version, dialect, tls=tls)
        ninja = None
        if venue == "ninjatrader":
            ninja = ninja_login(ninja_address or "", ninja_folder, ninja_switches, leader or "")
    login = ConnectionConfig(
        connection=connection or username,
        venue=venue,
        environment=Environment(environment),
        username=username,
        rest_url=rest_url,
        ws_url=ws_url,
        md_url=md_url,
        requests_per_min=requests_per_min,
        fix=fix,
        ninja=ninja,
    )
    proof = VENUE_TABLE[venue].proof
    credentials = Credentials(
        username=username,
        password=(os.environ.get("COPYDESK_PASSWORD") or _ask(proof)) if proof else "",
        app_id=app_id,
        device_id=f"copydesk-{login.connection}",
        cid=cid,
        sec=os.environ.get("COPYDESK_SEC") or (_ask("API secret") if cid else ""),
    )
    wished = words_of(only or "")
    listing = capabilities_of(venue).lists_accounts
    if leader and not listing and leader not in {name.split("=")[0] for name in wished}:
        wished.append(leader)

    async def try_it() -> list[VenueAccount]:
        if listing:  # without a database: of a login that is refused nothing is left, not even that
            return await try_login(login, credentials, settings, None, wished)
        store = await Store.open(settings, SYSTEM_CLOCK)
        try:
            return await try_login(login, credentials, settings, store, wished)
        finally:
            await store.close()

    found = run(try_it())
    names = wished or [each.account for each in found]
    with refusals():
        wanted = named(found, [*names, leader] if leader else names)
    if login.environment is Environment.LIVE:
        _confirm_live(wanted)

    async def work() -> None:
        store = await Store.open(settings, SYSTEM_CLOCK)
        try:
            await add_login(store, await asyncio.to_thread(Vault.open, settings), login, credentials, wanted, chosen)
        finally:
            await store.close()

    run(work())
    click.echo(f"{login.connection}: {accounts_in(len(wanted), group)}.")
    if pid := holder(settings.state_dir):
        click.echo(f"A desk is running, pid {pid}: it logs in with {login.connection} now.")


def _show_policy(venue: str) -> None:
    """What the venue demands of where a desk runs, before anything of it can trade."""
    if policy := VENUE_TABLE[venue].policy:
        click.echo(f"NOTE  {policy}", err=True)


def _ask(what: str) -> str:
    return str(click.prompt(what, hide_input=True, err=True))


def _confirm_live(accounts: list[VenueAccount]) -> None:
    """Real money: each account's name is typed once."""
    for account in accounts:
        typed = click.prompt(f"{account.account} trades REAL MONEY. Type its name to allow it", err=True)
        if typed != account.account:
            raise Refused(f"account: {typed!r} is not {account.account}; nothing was added.")


@click.command("list")
@click.pass_obj
def list_accounts(config: Path | None) -> None:
    """Every account with its connection, group and rule."""
    settings = settings_with_log(config)

    async def work() -> None:
        store = await Store.open(settings, SYSTEM_CLOCK)
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
@click.argument("connection", metavar="LOGIN")
@click.option("--add", "adding", help="Make these accounts followers, separated by commas.")
@click.option("--group", default="main", show_default=True, help="The group they follow in.")
@click.pass_obj
def sync(config: Path | None, connection: str, adding: str | None, group: str) -> None:
    """List a login's accounts as its venue has them now, beside the desk's, and add the ones you pick."""
    settings = settings_with_log(config)
    if pid := holder(settings.state_dir):
        raise Refused(f"login: a desk is running, pid {pid}, and a second login could end its session; stop it first.")

    async def ask() -> tuple[DeskConfig, ConnectionConfig, list[VenueAccount]]:
        store = await Store.open(settings, SYSTEM_CLOCK)
        try:
            desk = await store.load_config()
            login = login_of(desk, connection)
            vault = await asyncio.to_thread(Vault.open, settings)
            credentials = vault.credentials(login, await store.sealed_credentials(connection))
            return desk, login, await list_login(login, credentials, settings, desk.accounts, store)
        finally:
            await store.close()

    desk, login, found = run(ask())
    listed = list(compared(desk, connection, found))
    missing = [each.account for each in listed if not each.mine]
    for each in listed:
        click.echo(f"{each.account:16} {each.state:14} {each.role}")
    names = words_of(adding or "")
    if adding is None and missing and sys.stdin.isatty():
        typed = click.prompt("Add which (names with commas, empty for none)", default="", show_default=False, err=True)
        names = words_of(typed)
    if not names:
        return
    _show_policy(login.venue)
    with refusals():
        wanted = named(found, names)
    if login.environment is Environment.LIVE:
        _confirm_live(wanted)

    async def write() -> None:
        store = await Store.open(settings, SYSTEM_CLOCK)
        try:
            await add_accounts(store, login, wanted, Chosen(group=group))
        finally:
            await store.close()

    run(write())
    click.echo(f"{connection}: {accounts_in(len(wanted), group)}.")


@click.command()
@click.argument("account")
@click.pass_obj
def toggle(config: Path | None, account: str) -> None:
    """Switch a follower on or off; a running desk follows at once."""
    settings = settings_with_log(config)

    async def work() -> bool:
        store = await Store.open(settings, SYSTEM_CLOCK)
        try:
            desk = await store.load_config()
            followers = {entry.account: entry for entry in desk.followers}
            if account not in followers:
                raise Refused(f"account: {account} is not a follower; `copydesk accounts list` shows who is.")
            if not followers[account].enabled:
                venues = {each.connection: each.venue for each in desk.connections}
                _show_policy(next(venues[each.connection] for each in desk.accounts if each.account == account))
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
    settings = settings_with_log(config)

    async def work() -> None:
        store = await Store.open(settings, SYSTEM_CLOCK)
        try:
            await store.remove_account(account)
        finally:
            await store.close()

    run(work())
    click.echo(f"{account} is off the desk.")


@click.group()
def accounts() -> None:
    """Logins and their accounts: add, list, sync, toggle, remove."""


for _command in (add, list_accounts, sync, remove, toggle):
    accounts.add_command(_command)
