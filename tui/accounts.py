"""`copydesk accounts`: add a login and its accounts, list them, switch a follower, remove one. Called by `tui/cli.py`.

Adding tries the login at its venue first and then stores all of it or nothing; no order is ever sent from here.
"""

import asyncio
import difflib
import os
import sys
from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from random import Random

import click
from msgspec.structs import replace

from brokers.adapter import Credentials, Event, LoginRefused, StreamUp
from brokers.fix.dialect import dialect_of
from brokers.fix.numbers import SessionStore
from brokers.registry import VENUE_TABLE, VENUES, build_adapter
from engine.rules import RuleRefused, parse_rule
from schema.clock import SYSTEM_CLOCK
from schema.lock import holder
from schema.records import (
    AccountConfig,
    ConnectionConfig,
    DeskConfig,
    Environment,
    FixLogin,
    FollowerConfig,
    GroupConfig,
    Record,
    Rounding,
    Rule,
    SymbolMap,
    VenueAccount,
)
from schema.redact import REDACTOR
from schema.settings import Settings
from schema.store import Store
from schema.store_config import ConfigStore
from schema.symbols import UnknownProduct, product
from schema.vault import Vault
from tui.ninjatrader import all_shown, ninja_login
from tui.shell import Refused, run, settings_with_log


def parse_maps(texts: Sequence[str]) -> tuple[SymbolMap, ...]:
    """``ES:MES:10`` and others as symbol maps. Raises Refused naming what is wrong."""
    maps: dict[str, SymbolMap] = {}
    for text in texts:
        entry = _parse_map(text)
        if entry.leader_root in maps:
            raise Refused(f"map: {entry.leader_root} is mapped twice; write one --map for each of the leader's roots.")
        maps[entry.leader_root] = entry
    return tuple(maps.values())


def _parse_map(text: str) -> SymbolMap:
    parts = text.upper().split(":")
    if len(parts) not in (2, 3):
        raise Refused(f"map: {text!r} is not leader:follower:lots; write one such as ES:MES:10.")
    try:
        factor = Decimal(parts[2]) if len(parts) == 3 else Decimal(1)
        roots = [product(root).root for root in parts[:2]]
    except UnknownProduct as unknown:
        raise Refused(f"map: {unknown}") from None
    except InvalidOperation:
        raise Refused(f"map: {parts[2]!r} is not a number of lots; write one above 0.") from None
    if not factor.is_finite() or factor <= 0:
        raise Refused(f"map: {parts[2]} lots would not copy the leader; write a number above 0.")
    return SymbolMap(leader_root=roots[0], follower_root=roots[1], lot_factor=factor)


def parse_rule_words(words: str) -> Rule:
    """``proportional 0.5 [down|nearest|up] [invert]`` as a rule. Raises Refused."""
    parts = words.split()
    if len(parts) < 2:
        raise Refused(f"rule: {words!r} is not a kind and a value; write one such as 'proportional 0.5'.")
    kind, value, *more = parts
    invert = more[-1:] == ["invert"]
    roundings = more[:-1] if invert else more
    if len(roundings) > 1:
        raise Refused(f"rule: {' '.join(more)!r} is too much; after the value come down, nearest or up, then invert.")
    try:
        return parse_rule(kind, value, roundings[0] if roundings else Rounding.DOWN, invert=invert)
    except RuleRefused as refused:
        raise Refused(str(refused)) from None


class Chosen(Record, frozen=True):
    """What the command line says about the accounts it adds. None or empty: as it is, or as is usual."""

    group: str
    leader: str | None
    rule: Rule | None
    symbols: tuple[SymbolMap, ...]
    max_position: int | None


async def list_login(
    config: ConnectionConfig,
    credentials: Credentials,
    settings: Settings,
    accounts: Sequence[AccountConfig] = (),
    sessions: SessionStore | None = None,
) -> list[VenueAccount]:
    """Log in once and return the accounts the venue lists; nothing is traded. `accounts` are those of a venue that
    lists none. A venue whose sessions are numbered counts on from where `sessions` says; nothing else is kept."""
    events: list[Event] = []
    adapter = build_adapter(
        config,
        credentials,
        settings.adapter(config),
        SYSTEM_CLOCK,
        events.append,
        Random(),
        accounts=accounts,
        sessions=sessions,
    )
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
    chosen = Chosen(
        group=group,
        leader=leader,
        rule=None if rule is None else parse_rule_words(rule),
        symbols=parse_maps(maps),
        max_position=max_position,
    )
    login = ConnectionConfig(
        connection=connection or username,
        venue=venue,
        environment=Environment(environment),
        username=username,
        rest_url=rest_url,
        ws_url=ws_url,
        md_url=md_url,
        requests_per_min=requests_per_min,
        fix=_fix_login(fix_address, sender_comp_id, target_comp_id, fix_version, dialect, tls=tls)
        if venue == "fix"
        else None,
        ninja=ninja_login(ninja_address, ninja_folder, ninja_switches, leader) if venue == "ninjatrader" else None,
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
    REDACTOR.register(credentials.password, credentials.sec)
    wished = [name.strip() for name in only.split(",") if name.strip()] if only else []
    if venue == "fix":
        found = run(_try_fix(settings, login, credentials, _given_accounts("FIX", login.connection, wished, leader)))
        wished = [each.account for each in found]
    elif venue == "ninjatrader":
        given = _given_accounts("NinjaTrader", login.connection, wished, leader)
        found = all_shown(given, run(list_login(login, credentials, settings, given)))
        wished = [each.account for each in found]
    else:
        found = run(list_login(login, credentials, settings))
    names = wished or [each.account for each in found]
    if leader and leader not in names:
        names.append(leader)
    wanted = [_named(found, name) for name in names]
    if login.environment is Environment.LIVE:
        _confirm_live(wanted)

    async def work() -> None:
        store = await Store.open(settings, SYSTEM_CLOCK)
        try:
            vault = await asyncio.to_thread(Vault.open, settings)
            sealed = vault.seal_credentials(login, credentials)
            before = await store.load_config()
            async with store.all_or_nothing() as changing:
                await _write(changing, before, login, sealed, wanted, chosen)
        finally:
            await store.close()

    run(work())
    click.echo(f"{login.connection}: {len(wanted)} accounts in group {group}.")
    if pid := holder(settings.state_dir):
        click.echo(f"A desk is running, pid {pid}: it logs in with {login.connection} now.")


async def _write(
    store: ConfigStore,
    before: DeskConfig,
    login: ConnectionConfig,
    sealed: bytes,
    wanted: list[VenueAccount],
    chosen: Chosen,
) -> None:
    """Store the login, its accounts and their places. A follower that is on the desk already keeps what the command
    line does not name: adding a login again for its new password changes no rule and switches nothing on."""
    taken = next((old for old in before.connections if old.connection == login.connection), None)
    if taken is not None and (taken.venue, taken.username) != (login.venue, login.username):
        raise Refused(
            f"connection: {login.connection} is the login {taken.username} at {taken.venue}; "
            "choose another name with --connection."
        )
    await store.add_connection(login, sealed)
    for account in wanted:
        await store.put_account(
            AccountConfig(
                account=account.account,
                connection=login.connection,
                venue_id=account.venue_id,
                active=account.active,
            )
        )
    groups = {entry.group: entry for entry in before.groups}
    if chosen.leader:
        old_group = groups.get(chosen.group, GroupConfig(group=chosen.group, leader=chosen.leader))
        await store.put_group(replace(old_group, leader=chosen.leader))
    elif chosen.group not in groups:
        raise Refused(f"group: there is no {chosen.group}; name the account that leads it with --leader.")
    leads = chosen.leader or groups[chosen.group].leader
    followers = {entry.account: entry for entry in before.followers}
    for account in wanted:
        if account.account != leads:
            old = followers.get(account.account, FollowerConfig(account=account.account, group=chosen.group))
            await store.put_follower(
                replace(
                    old,
                    group=chosen.group,
                    rule=chosen.rule or old.rule,
                    symbols=chosen.symbols or old.symbols,
                    max_position=chosen.max_position or old.max_position,
                )
            )


def _fix_login(address: str | None, sender: str, target: str, version: str, dialect: str, *, tls: bool) -> FixLogin:
    """A FIX session as the command line describes it. Raises Refused naming what is missing."""
    host, _, port = (address or "").rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise Refused(f"fix-address: {address or ''!r} is not HOST:PORT; write one such as fix.example.com:9880.")
    for field, value in (("sender-comp-id", sender), ("target-comp-id", target)):
        if not value:
            raise Refused(f"{field}: a FIX login needs one; the counterparty gave it to you, write it with --{field}.")
    try:
        dialect_of(dialect, version)
    except LoginRefused as refused:
        raise Refused(f"{refused}.") from None
    return FixLogin(
        host=host,
        port=int(port),
        sender_comp_id=sender,
        target_comp_id=target,
        version=version,
        dialect=dialect,
        tls=tls,
    )


def _given_accounts(who: str, connection: str, wished: Sequence[str], leader: str | None) -> list[AccountConfig]:
    """The accounts of a login that lists none: NAME, or NAME=ID where the venue calls it ID. Raises Refused."""
    names = [*wished, *([leader] if leader and leader not in {name.split("=")[0] for name in wished} else [])]
    if not names:
        raise Refused(f"only: {who} lists no accounts; name those of this login with --only, such as --only SIM1,SIM2.")
    pairs = [name.partition("=") for name in names]
    return [AccountConfig(account=name, connection=connection, venue_id=wire or name) for name, _, wire in pairs]


async def _try_fix(
    settings: Settings, login: ConnectionConfig, credentials: Credentials, accounts: list[AccountConfig]
) -> list[VenueAccount]:
    """Log in once, counting on from the session's last numbers: the venue remembers them too."""
    store = await Store.open(settings, SYSTEM_CLOCK)
    try:
        return await list_login(login, credentials, settings, accounts, store)
    finally:
        await store.close()


def _show_policy(venue: str) -> None:
    """What the venue demands of where a desk runs, before anything of it can trade."""
    if policy := VENUE_TABLE[venue].policy:
        click.echo(f"NOTE  {policy}", err=True)


def _ask(what: str) -> str:
    return str(click.prompt(what, hide_input=True, err=True))


def _named(found: list[VenueAccount], name: str) -> VenueAccount:
    """The account of that name. Raises Refused naming the nearest one."""
    known = {account.account: account for account in found}
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(known)}."
        raise Refused(f"account: the login has no {name}; {hint}")
    return known[name]


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
            login = next((each for each in desk.connections if each.connection == connection), None)
            if login is None:
                known = ", ".join(each.connection for each in desk.connections) or "none"
                raise Refused(f"login: there is no {connection}; the desk has {known}.")
            vault = await asyncio.to_thread(Vault.open, settings)
            credentials = vault.credentials(login, await store.sealed_credentials(connection))
            REDACTOR.register(credentials.password, credentials.sec)
            return desk, login, await list_login(login, credentials, settings, desk.accounts, store)
        finally:
            await store.close()

    desk, login, found = run(ask())
    mine = {each.account: each for each in desk.accounts if each.connection == connection}
    missing = [each.account for each in found if each.account not in mine]
    for line in _compared(desk, mine, found):
        click.echo(line)
    names = [name.strip() for name in adding.split(",") if name.strip()] if adding else []
    if adding is None and missing and sys.stdin.isatty():
        typed = click.prompt("Add which (names with commas, empty for none)", default="", show_default=False, err=True)
        names = [name.strip() for name in typed.split(",") if name.strip()]
    if not names:
        return
    _show_policy(login.venue)
    wanted = [_named(found, name) for name in names]
    if login.environment is Environment.LIVE:
        _confirm_live(wanted)

    async def write() -> None:
        store = await Store.open(settings, SYSTEM_CLOCK)
        try:
            sealed = await store.sealed_credentials(connection)
            chosen = Chosen(group=group, leader=None, rule=None, symbols=(), max_position=None)
            async with store.all_or_nothing() as changing:
                await _write(changing, desk, login, sealed, wanted, chosen)
        finally:
            await store.close()

    run(write())
    click.echo(f"{connection}: {len(wanted)} accounts in group {group}.")


def _compared(desk: DeskConfig, mine: dict[str, AccountConfig], found: list[VenueAccount]) -> Iterator[str]:
    """One line an account: what the venue lists, and what the desk does with it."""
    leaders = {entry.leader: entry.group for entry in desk.groups}
    followers = {entry.account: entry for entry in desk.followers}
    for account in found:
        name, state = account.account, "may not trade" if account.readonly or not account.active else "may trade"
        role = "not on the desk"
        if name in mine:
            role = f"leads {leaders[name]}" if name in leaders else "on the desk"
        if name in mine and name in followers:
            role = f"follows in {followers[name].group}, {'on' if followers[name].enabled else 'off'}"
        yield f"{name:16} {state:14} {role}"
    for name in mine.keys() - {account.account for account in found}:
        yield f"{name:16} {'not listed':14} on the desk, but the venue no longer lists it"


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
