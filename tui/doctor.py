"""`copydesk doctor`: what would keep the desk from working well here, one line each."""

import os
import sys
import time
from pathlib import Path

import click

from brokers.adapter import VenueError
from brokers.registry import VENUE_TABLE
from engine.logins import list_login
from schema.clock import SYSTEM_CLOCK
from schema.lock import holder
from schema.logs import open_log
from schema.postgres import PostgresError
from schema.records import AccountConfig, ConnectionConfig
from schema.settings import Settings, SettingsError, load_settings
from schema.store import Store, StoreRefused
from schema.vault import Vault, VaultError
from tui.here import look, told
from tui.shell import unusable
from tui.text import clean


class Findings:
    """Prints each finding and remembers whether one failed."""

    def __init__(self) -> None:
        self.failed = False

    def say(self, good: bool, text: str) -> None:
        self.failed |= not good
        click.echo(f"{'PASS' if good else 'FAIL'}  {clean(text)}")

    def note(self, text: str) -> None:
        click.echo(f"NOTE  {clean(text)}")


async def examine(config: Path | None) -> int:
    """Run every check; exit code 1 when one failed."""
    findings = Findings()
    findings.say(sys.version_info >= (3, 11), f"Python {sys.version.split()[0]}")
    _terminal(findings)
    try:
        settings = load_settings(config)
    except SettingsError as error:
        findings.say(False, str(error))
        return 1
    try:
        open_log(settings)
        pid = holder(settings.state_dir)
    except OSError as error:
        findings.say(False, unusable(settings, error))
        return 1
    findings.say(True, f"settings read; state in {settings.state_dir}")
    findings.note(f"a desk is running here, pid {pid}" if pid else "no desk is running here")
    await _database(findings, settings, running=pid is not None)
    return int(findings.failed)


def _terminal(findings: Findings) -> None:
    if not sys.stdout.isatty():
        findings.note("standard output is not a terminal: the screen was not checked")
        return
    here = look(os.environ, sys.stdout.encoding or "")
    if here.refusal:
        findings.say(False, here.refusal)
        return
    first, *more = told(here)
    findings.say(True, first)
    for each in more:
        findings.note(each)


async def _database(findings: Findings, settings: Settings, *, running: bool) -> None:
    started = time.perf_counter()
    try:
        store = await Store.open(settings, SYSTEM_CLOCK)
    except (PostgresError, StoreRefused) as error:
        findings.say(False, str(error))
        return
    try:
        findings.say(True, f"Postgres answers after {(time.perf_counter() - started) * 1000:.0f} ms")
        commit_ms = await store.measure_commit_ms()
        findings.say(commit_ms < 20, f"a durable commit takes {commit_ms:.2f} ms (median of 50)")
        try:
            vault = Vault.open(settings)
        except VaultError as error:
            findings.say(False, str(error))
            return
        desk = await store.load_config()
        connections = desk.connections
        if not connections:
            findings.note("no login yet: `copydesk accounts add --help`, or `copydesk demo` to practise")
        if connections and running:
            # A venue may end the oldest session of a user for a new one: it would be the desk's.
            findings.note("logins were not tried: the running desk shows how they are, on its accounts pane")
            return
        for policy in sorted({VENUE_TABLE[each.venue].policy for each in connections} - {""}):
            findings.note(policy)
        for connection in connections:
            await _login(findings, settings, store, vault, connection, desk.accounts)
    finally:
        await store.close()


async def _login(
    findings: Findings,
    settings: Settings,
    store: Store,
    vault: Vault,
    connection: ConnectionConfig,
    known: tuple[AccountConfig, ...],
) -> None:
    try:
        credentials = vault.credentials(connection, await store.sealed_credentials(connection.connection))
        started = time.perf_counter()
        accounts = await list_login(connection, credentials, settings, known, store)
    except (VenueError, VaultError) as error:
        findings.say(False, f"{connection.connection}: {error}")
        return
    took_ms = (time.perf_counter() - started) * 1000
    findings.say(True, f"{connection.connection}: {len(accounts)} accounts, logged in within {took_ms:.0f} ms")
    listed = {account.account for account in accounts}
    mine = {account.account for account in known if account.connection == connection.connection}
    for name in sorted(mine - listed):
        findings.say(False, f"{connection.connection}: its venue shows nothing of {name}")
