"""The shell as a trader uses it, for tests: real commands in processes of their own, on a real sandbox venue and a real
embedded database in a state directory of their own."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from brokers.adapter import Credentials
from schema import driver
from schema.clock import SYSTEM_CLOCK
from schema.postgres import EmbeddedPostgres
from schema.settings import load_settings
from schema.store import Store
from schema.vault import Vault
from tui.demo import Sandbox

ROOT = Path(__file__).parents[2]
TOKEN = re.compile(rb"(?<![0-9a-f])[0-9a-f]{80}(?![0-9a-f])")
"""What a token of the sandbox looks like."""


class Shell:
    """The commands of one state directory."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("COPYDESK_")}
        return {**kept, "COPYDESK_STATE_DIR": str(self.state_dir), "COPYDESK_LOG_LEVEL": "debug", **more}

    def __call__(
        self, *arguments: str, password: str = "", typed: str = "", **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run one command to its end. `typed` is its standard input, `variables` more of its environment."""
        more = variables | ({"COPYDESK_PASSWORD": password} if password else {})
        command = [sys.executable, "-m", "tui.cli", *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=self.environment(**more), input=typed.encode(), capture_output=True, timeout=30
        )
        # Decoded here and not by subprocess, which would make every line end the same.
        return subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(), done.stderr.decode())

    def refuses(self, *arguments: str, password: str = "", typed: str = "") -> str:
        """Run a command that must be refused: nothing on standard output, one sentence on standard error."""
        done = self(*arguments, password=password, typed=typed)
        assert done.returncode in (1, 2), (done.returncode, done.stdout, done.stderr)
        assert done.stdout == ""
        assert "Traceback" not in done.stderr
        assert len(done.stderr.splitlines()) == 1, done.stderr
        return done.stderr.rstrip("\n")

    def does(self, *arguments: str, password: str = "", typed: str = "") -> str:
        """Run a command that must work; its standard output."""
        done = self(*arguments, password=password, typed=typed)
        assert done.returncode == 0, (done.stdout, done.stderr)
        return done.stdout

    def files(self) -> dict[str, bytes]:
        """Every file of the state directory: logs, key, and the database's own pages and journal."""
        found = (path for path in self.state_dir.rglob("*") if path.is_file())
        return {str(path.relative_to(self.state_dir)): path.read_bytes() for path in found}

    def credentials(self) -> dict[str, Credentials]:
        """The logins' secrets, unsealed as a desk does it."""

        async def read() -> dict[str, Credentials]:
            settings = load_settings(state_dir=self.state_dir)
            vault, store = Vault.open(settings), await Store.open(settings, SYSTEM_CLOCK)
            try:
                return {
                    each.connection: vault.credentials(each, await store.sealed_credentials(each.connection))
                    for each in (await store.load_config()).connections
                }
            finally:
                await store.close()

        return asyncio.run(read())

    def dump(self) -> dict[str, list[str]]:
        """Every row of every table, as text."""
        return asyncio.run(self._dump())

    async def _dump(self) -> dict[str, list[str]]:
        server = EmbeddedPostgres(self.state_dir)
        session = await driver.connect(await server.start(), timeout=5)
        try:
            tables = await session.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
            return {
                str(name): [str(row[0]) for row in await session.fetch(f'SELECT t::text FROM "{name}" t')]
                for (name,) in (tuple(row) for row in tables)  # type: ignore[call-overload]
            }
        finally:
            await session.close()
            await server.stop()


@contextmanager
def server_kept_up(state_dir: Path) -> Iterator[None]:
    """The state directory's database stays up from one command to the next, as it does beside a running desk."""
    server = EmbeddedPostgres(state_dir)
    asyncio.run(server.start())
    try:
        yield
    finally:
        asyncio.run(server.discard())


@contextmanager
def filled(fill_in: Callable[[Store], Awaitable[None]]) -> Iterator[Shell]:
    """A state directory whose database `fill_in` has written to, and which no desk runs in."""
    folder = Path(tempfile.mkdtemp(prefix="copydesk-test-"))
    folder.chmod(0o711)
    shell = Shell(folder / "state")

    async def fill() -> None:
        store = await Store.open(load_settings(state_dir=shell.state_dir), SYSTEM_CLOCK)
        try:
            await fill_in(store)
        finally:
            await store.close()

    with server_kept_up(shell.state_dir):
        asyncio.run(fill())
        yield shell
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def venue(folder: Path, logins: dict[str, list[str]], *options: str) -> Iterator[Sandbox]:
    """A sandbox process with these logins and accounts."""
    folder.mkdir(parents=True, exist_ok=True)
    described = folder / "logins.json"
    described.write_bytes(msgspec.json.encode([{"username": n, "accounts": a} for n, a in logins.items()]))
    sandbox = Sandbox(folder, "--seed", "7", "--requests-per-min", "2000", "--accounts", str(described), *options)
    try:
        yield sandbox
    finally:
        sandbox.stop()


def password_of(sandbox: Sandbox, username: str) -> str:
    return next(str(login["password"]) for login in sandbox.ready["logins"] if login["username"] == username)


def at(sandbox: Sandbox) -> list[str]:
    """The options that name the sandbox's addresses."""
    ready: dict[str, Any] = sandbox.ready
    return ["--rest-url", ready["rest"], "--ws-url", ready["ws"], "--md-url", ready["md"]]
