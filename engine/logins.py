"""Logins and their accounts: tried at their venue first, then stored whole or not at all. No order is sent from here.

`engine/desk.py` calls it for a seat (the form on the screen), `tui/accounts.py` for the shell, `tui/doctor.py` to try
what is stored.
"""

import asyncio
import difflib
from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from random import Random

import msgspec
from msgspec.structs import replace

from brokers.adapter import Credentials, Event, LoginRefused, StreamUp
from brokers.fix.dialect import dialect_of
from brokers.registry import VENUE_TABLE, build_adapter, capabilities_of
from brokers.sessions import SessionStore
from engine.rules import RuleRefused, parse_rule
from engine.seat import Chosen, CommandRefused, LoginAccount
from schema.clock import SYSTEM_CLOCK
from schema.login import FOLLOW_ONLY
from schema.records import (
    AccountConfig,
    ConnectionConfig,
    DeskConfig,
    FixLogin,
    FollowerConfig,
    GroupConfig,
    NinjaLogin,
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

_NINJA_PORT = 36_973
_NINJA_SWITCHES = ("readings", "settle_ms", "quiet_ms", "month_words")

# --- what is typed ---------------------------------------------------------------------------------------------------


def words_of(text: str) -> list[str]:
    """Names separated by commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def parse_maps(texts: Sequence[str]) -> tuple[SymbolMap, ...]:
    """``ES:MES:10`` and others as symbol maps. Raises CommandRefused naming what is wrong."""
    maps: dict[str, SymbolMap] = {}
    for text in texts:
        entry = _parse_map(text)
        if entry.leader_root in maps:
            raise CommandRefused(f"map: {entry.leader_root} is mapped twice; write one for each of the leader's roots.")
        maps[entry.leader_root] = entry
    return tuple(maps.values())


def _parse_map(text: str) -> SymbolMap:
    parts = text.upper().split(":")
    if len(parts) not in (2, 3):
        raise CommandRefused(f"map: {text!r} is not leader:follower:lots; write one such as ES:MES:10.")
    try:
        factor = Decimal(parts[2]) if len(parts) == 3 else Decimal(1)
        roots = [product(root).root for root in parts[:2]]
    except UnknownProduct as unknown:
        raise CommandRefused(f"map: {unknown}") from None
    except InvalidOperation:
        raise CommandRefused(f"map: {parts[2]!r} is not a number of lots; write one above 0.") from None
    if not factor.is_finite() or factor <= 0:
        raise CommandRefused(f"map: {parts[2]} lots would not copy the leader; write a number above 0.")
    return SymbolMap(leader_root=roots[0], follower_root=roots[1], lot_factor=factor)


def parse_rule_words(words: str) -> Rule:
    """``proportional 0.5 [down|nearest|up] [invert]`` as a rule. Raises CommandRefused."""
    parts = words.split()
    if len(parts) < 2:
        raise CommandRefused(f"rule: {words!r} is not a kind and a value; write one such as 'proportional 0.5'.")
    kind, value, *more = parts
    invert = more[-1:] == ["invert"]
    roundings = more[:-1] if invert else more
    if len(roundings) > 1:
        raise CommandRefused(
            f"rule: {' '.join(more)!r} is too much; after the value come down, nearest or up, then invert."
        )
    try:
        return parse_rule(kind, value, roundings[0] if roundings else Rounding.DOWN, invert=invert)
    except RuleRefused as refused:
        raise CommandRefused(str(refused)) from None


def fix_login(address: str, sender: str, target: str, version: str, dialect: str, *, tls: bool) -> FixLogin:
    """A FIX session as it is described. Raises CommandRefused naming what is missing."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise CommandRefused(f"fix-address: {address!r} is not HOST:PORT; write one such as fix.example.com:9880.")
    for field, value in (("sender-comp-id", sender), ("target-comp-id", target)):
        if not value:
            raise CommandRefused(f"{field}: a FIX login needs one; write what the counterparty gave you.")
    try:
        dialect_of(dialect, version)
    except LoginRefused as refused:
        raise CommandRefused(f"{refused}.") from None
    return FixLogin(
        host=host,
        port=int(port),
        sender_comp_id=sender,
        target_comp_id=target,
        version=version,
        dialect=dialect,
        tls=tls,
    )


def ninja_login(address: str, folder: str, switches: Sequence[str], leader: str) -> NinjaLogin:
    """Where a NinjaTrader listens, as it is described. Raises CommandRefused naming what is wrong."""
    if leader:
        raise CommandRefused(f"leader: {leader} can't lead: {FOLLOW_ONLY['ninjatrader']}.")
    host, colon, port = address.partition(":")
    if not host or (colon and not (port.isdecimal() and 0 < int(port) < 65_536)):
        raise CommandRefused(
            f"ninja-address: {address!r} is not HOST:PORT; write where its AT interface can be reached, such as "
            f"127.0.0.1:{_NINJA_PORT}."
        )
    if folder and not (Path(folder) / "incoming").is_dir():
        raise CommandRefused(
            f"ninja-folder: {folder} has no folder named incoming; write the path of NinjaTrader's own documents "
            "folder, such as '/mnt/NinjaTrader 8'."
        )
    given: dict[str, object] = {"host": host, "port": int(port) if colon else _NINJA_PORT, "folder": folder}
    for switch in switches:
        name, _, value = switch.partition("=")
        if name not in _NINJA_SWITCHES:
            raise CommandRefused(f"ninja: there is no {name!r}; there are {', '.join(_NINJA_SWITCHES)}.")
        given[name] = value
    try:
        login = msgspec.convert(given, NinjaLogin, strict=False)
    except msgspec.ValidationError as error:
        raise CommandRefused(f"ninja: {error}; write one such as readings=cache or settle_ms=50.") from None
    if login.settle_ms < 0 or login.quiet_ms < 10:
        raise CommandRefused("ninja: settle_ms is 0 or more and quiet_ms 10 or more; both are milliseconds.")
    return login


# --- at the venue ----------------------------------------------------------------------------------------------------


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


async def try_login(
    config: ConnectionConfig,
    credentials: Credentials,
    settings: Settings,
    sessions: SessionStore | None,
    wished: Sequence[str],
) -> list[VenueAccount]:
    """Log in once and return the accounts that may be added: those the venue lists, or, where it lists none, those
    that are `wished` for. Raises VenueError, CommandRefused; `sessions` is as for `list_login`."""
    REDACTOR.register(credentials.password, credentials.sec)
    venue = VENUE_TABLE[config.venue]
    # In a thread: the first login at a venue imports its adapter, and orders must not wait for that.
    able = await asyncio.to_thread(capabilities_of, config.venue)
    if able.lists_accounts:
        return await list_login(config, credentials, settings)
    if not wished:
        raise CommandRefused(
            f"only: {venue.name} lists no accounts; name those of this login, such as SIM1,SIM2 (NAME=ID where the "
            "venue calls one ID)."
        )
    given = [_given(config.connection, name) for name in wished]
    found = await list_login(config, credentials, settings, given, sessions)
    shown = {each.account for each in found}
    for each in given:
        if each.account not in shown:  # a wrong name there is answered by nothing, for ever
            raise CommandRefused(
                f"account: {venue.name} shows nothing of {each.venue_id}; write its Account Name (not the display "
                "name) exactly as the venue has it, and see that its connection there is on."
            )
    return found


def _given(connection: str, name: str) -> AccountConfig:
    account, _, wire = name.partition("=")
    return AccountConfig(account=account, connection=connection, venue_id=wire or account)


def named(found: Sequence[VenueAccount], names: Sequence[str]) -> list[VenueAccount]:
    """The accounts of these names (``NAME=ID`` names NAME). Raises CommandRefused naming the nearest one."""
    known = {account.account: account for account in found}
    for name in (name.partition("=")[0] for name in names):
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(known)}."
            raise CommandRefused(f"account: the login has no {name}; {hint}")
    return [known[name.partition("=")[0]] for name in dict.fromkeys(names)]


def compared(desk: DeskConfig, connection: str, found: Sequence[VenueAccount]) -> Iterator[LoginAccount]:
    """What a login lists beside what the desk has of it."""
    mine = {each.account for each in desk.accounts if each.connection == connection}
    leaders = {entry.leader: entry.group for entry in desk.groups}
    followers = {entry.account: entry for entry in desk.followers}
    for account in found:
        name, state = account.account, "may not trade" if account.readonly or not account.active else "may trade"
        role = "not on the desk"
        if name in mine:
            role = f"leads {leaders[name]}" if name in leaders else "on the desk"
        if name in mine and name in followers:
            role = f"follows in {followers[name].group}, {'on' if followers[name].enabled else 'off'}"
        yield LoginAccount(account=name, state=state, role=role, mine=name in mine)
    for name in sorted(mine - {account.account for account in found}):
        gone = "on the desk, but the venue no longer lists it"
        yield LoginAccount(account=name, state="not listed", role=gone, mine=True)


def login_of(desk: DeskConfig, connection: str) -> ConnectionConfig:
    """The login of this name. Raises CommandRefused naming those the desk has."""
    for login in desk.connections:
        if login.connection == connection:
            return login
    known = ", ".join(login.connection for login in desk.connections) or "none"
    raise CommandRefused(f"login: there is no {connection}; the desk has {known}.")


def must_be_free(desk: DeskConfig, login: ConnectionConfig) -> None:
    """Raises CommandRefused when another login has this one's name: to store it would put that one's accounts at
    another venue, or a practice account where there is real money."""
    taken = next((old for old in desk.connections if old.connection == login.connection), None)
    if taken is None:
        return
    if (taken.venue, taken.username, taken.environment) != (login.venue, login.username, login.environment):
        raise CommandRefused(
            f"connection: {login.connection} is the {taken.environment} login {taken.username} at {taken.venue}; "
            "choose another name for this one."
        )


def accounts_in(count: int, group: str) -> str:
    """``1 account in group main``."""
    return f"{count} account{'s' if count != 1 else ''} in group {group}"


# --- on the desk -----------------------------------------------------------------------------------------------------


async def add_login(
    store: Store,
    vault: Vault,
    login: ConnectionConfig,
    credentials: Credentials,
    wanted: Sequence[VenueAccount],
    chosen: Chosen,
) -> None:
    """Store a login with its secret, its accounts and their places. Raises StoreRefused, CommandRefused."""
    await _add(store, login, vault.seal_credentials(login, credentials), wanted, chosen)


async def add_accounts(store: Store, login: ConnectionConfig, wanted: Sequence[VenueAccount], chosen: Chosen) -> None:
    """Store accounts of a login that is on the desk. Raises StoreRefused, CommandRefused."""
    await _add(store, login, await store.sealed_credentials(login.connection), wanted, chosen)


async def _add(
    store: Store, login: ConnectionConfig, sealed: bytes, wanted: Sequence[VenueAccount], chosen: Chosen
) -> None:
    before = await store.load_config()
    async with store.all_or_nothing() as changing:
        await _write(changing, before, login, sealed, wanted, chosen)


async def _write(
    store: ConfigStore,
    before: DeskConfig,
    login: ConnectionConfig,
    sealed: bytes,
    wanted: Sequence[VenueAccount],
    chosen: Chosen,
) -> None:
    """A follower that is on the desk already keeps what is not chosen: adding a login again for its new password
    changes no rule and switches nothing on."""
    must_be_free(before, login)
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
        raise CommandRefused(f"group: there is no {chosen.group}; name the account that leads it.")
    leads = chosen.leader or groups[chosen.group].leader
    followers = {entry.account: entry for entry in before.followers}
    for account in wanted:
        if account.account != leads:
            fresh = FollowerConfig(account=account.account, group=chosen.group, enabled=chosen.armed)
            old = followers.get(account.account, fresh)
            await store.put_follower(
                replace(
                    old,
                    group=chosen.group,
                    rule=chosen.rule or old.rule,
                    symbols=chosen.symbols or old.symbols,
                    max_position=chosen.max_position or old.max_position,
                )
            )
