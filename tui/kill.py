"""`copydesk kill` and `copydesk guard`: what must work from the shell, with or without a running desk. Called by
`tui/cli.py`.

The kill switch needs the database and the vault alone. It first stores the halt and that the accounts are being
flattened, which a running desk follows at once: it opens nothing, and leaves the closing of these accounts to us.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random

import click

from brokers.adapter import BrokerAdapter, VenueError
from brokers.registry import build_adapter
from engine import guards
from engine.flatten import Book, Flatten, Login
from engine.seat import FlattenResult
from schema.clock import SYSTEM_CLOCK
from schema.records import AccountConfig, ConnectionConfig, DeskConfig, Guard
from schema.settings import Settings
from schema.store import JournalDown, Store, StoreRefused
from schema.store_config import nearest
from schema.vault import Vault, VaultError
from tui.shell import Refused, run, settings_with_log
from tui.text import clean, counted

LIMIT_S = 12.0
"""Logging in included; a running desk keeps its hands off for 15 s (`engine/core.py`)."""
_DESK_FOLLOWS_S = 0.2  # a running desk has read its new configuration by then
_CLOSE_S = 2.0


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


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--account", help="Only this account.")
@click.option("--group", help="Only this group: its leader and its followers.")
@click.pass_context
def kill(context: click.Context, yes: bool, account: str | None, group: str | None) -> None:
    """Halt the desk, cancel every working order and close every position, with or without a running desk. Exit code 1
    when an account is not verified flat by its venue."""
    if account and group:
        raise Refused("account: --account and --group are both given; write one of them, or neither for everything.")
    settings = settings_with_log(context.obj)
    target = account or group or "all"

    async def work() -> FlattenResult:
        store = await Store.open(settings, SYSTEM_CLOCK)
        try:
            desk = await store.load_config()
            accounts = _accounts(desk, account, group)
            if not yes:
                await asyncio.to_thread(_confirm, target, len(accounts))
            result = await _kill(settings, store, desk, target, accounts)
            with contextlib.suppress(JournalDown):  # the exits are done; this only spares a later question
                await store.mark_flat(result.flat)
            return result
        finally:
            await store.close()

    result = run(work())
    for name, reason in result.not_flat:
        click.echo(f"{name:16} NOT FLAT: {clean(reason)}", err=True)
    everybody = counted(len(result.flat) + len(result.not_flat), "account", "accounts")
    click.echo(
        f"{len(result.flat)} of {everybody} flat, checked "
        f"with the venue, after {result.seconds:.1f} s. `copydesk guard {target} none` lets entries go again."
    )
    context.exit(1 if result.not_flat else 0)


def _accounts(desk: DeskConfig, account: str | None, group: str | None) -> list[str]:
    """The accounts to close. Raises Refused naming the nearest one there is."""
    everybody = [each.account for each in desk.accounts]
    if account:
        if account not in everybody:
            raise Refused(f"account: there is no {account!r}{nearest(account, everybody)}")
        return [account]
    if group:
        led = next((each for each in desk.groups if each.group == group), None)
        if led is None:
            raise Refused(f"group: there is no {group!r}{nearest(group, (each.group for each in desk.groups))}")
        return [led.leader, *(each.account for each in desk.followers if each.group == group)]
    return everybody


def _confirm(target: str, accounts: int) -> None:
    """Raises Refused unless the target's name is typed."""
    click.echo(
        f"This cancels the working orders of {counted(accounts, 'account', 'accounts')} and closes every position at "
        "market.",
        err=True,
    )
    typed = click.prompt(f"Type {target} to go on", err=True)
    if typed != target:
        raise Refused(f"kill: {typed!r} is not {target}; nothing was done.")


async def _kill(settings: Settings, store: Store, desk: DeskConfig, target: str, accounts: list[str]) -> FlattenResult:
    """Store the halt, log in everywhere at once, close, verify."""
    followers = {follower.account for follower in desk.followers}
    if target not in set(accounts) - followers:  # a leader alone has no guard: it opens nothing by itself
        await store.guard_target(target, Guard.HALT)
    await store.mark_flattened(accounts, SYSTEM_CLOCK.now_ns())
    followed = asyncio.create_task(asyncio.sleep(_DESK_FOLLOWS_S))
    vault = await asyncio.to_thread(Vault.open, settings)
    book = Book()
    logins: list[Login] = []
    unreachable: list[tuple[str, str]] = []
    for connection in desk.connections:
        wanted = {each.account for each in desk.accounts if each.connection == connection.connection}
        mine = tuple(name for name in accounts if name in wanted)
        if not mine:
            continue
        try:
            adapter = await _adapter(settings, store, vault, connection, desk.accounts, book)
        except (VaultError, StoreRefused, VenueError) as error:  # one login that is damaged keeps no other open
            unreachable += [(name, str(error)) for name in mine]
            continue
        ready = _ready(adapter, followed)
        logins.append(Login(connection=connection.connection, accounts=mine, adapter=adapter, ready=ready))

    def told(name: str, seconds: float) -> None:
        click.echo(f"{name:16} flat after {seconds:.1f} s")

    try:
        result = await Flatten(f"kill {target}", logins, book, SYSTEM_CLOCK, told=told, limit_s=LIMIT_S).run()
    finally:
        leaving = [asyncio.create_task(login.adapter.close()) for login in logins]
        if leaving:
            await asyncio.wait(leaving, timeout=_CLOSE_S)
        followed.cancel()
    return FlattenResult(flat=result.flat, not_flat=(*result.not_flat, *unreachable), seconds=result.seconds)


async def _adapter(
    settings: Settings,
    store: Store,
    vault: Vault,
    connection: ConnectionConfig,
    accounts: tuple[AccountConfig, ...],
    book: Book,
) -> BrokerAdapter:
    credentials = vault.credentials(connection, await store.sealed_credentials(connection.connection))
    return build_adapter(
        connection,
        credentials,
        settings.adapter(connection),
        SYSTEM_CLOCK,
        book.see,
        Random(),
        accounts=accounts,
        sessions=store,
    )


def _ready(adapter: BrokerAdapter, followed: asyncio.Task[None]) -> Callable[[], Awaitable[None]]:
    async def ready() -> None:
        await adapter.connect()
        await asyncio.wait([followed])

    return ready
