"""Fixtures every test may use: a real embedded Postgres for the whole run, and a fresh migrated database for a test.

`state_dir` is a folder the server's account can enter, also when the tests run as root (pytest's own `tmp_path` is
not); `settings` and `store` are a desk's on a database of its own.
"""

import asyncio
import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from schema import driver
from schema.clock import SYSTEM_CLOCK
from schema.migrate import migrate
from schema.postgres import EmbeddedPostgres
from schema.settings import Settings, load_settings
from schema.store import Store
from schema.store_market import MarketStore

_TEMPLATE = "ready_made"
_TAPE = Path(os.environ.get("COPYDESK_TAPE", Path(__file__).parents[2] / "shared/data/es-h4-2023-12-25.csv.gz"))
_numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def _no_foreign_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may have a desk of their own: its settings and its database are out of bounds."""
    for variable in list(os.environ):
        if variable.startswith("COPYDESK_") and variable != "COPYDESK_TAPE":
            monkeypatch.delenv(variable)


@pytest.fixture(scope="session")
def tape() -> Path:
    """A recorded session, which is not ours to publish."""
    if not _TAPE.exists():
        pytest.skip(f"the recorded tape is not here: {_TAPE}")
    return _TAPE


def _enterable_dir() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="copydesk-test-"))
    folder.chmod(0o711)
    return folder


@pytest.fixture
def state_dir() -> Iterator[Path]:
    """An empty place for a state directory."""
    folder = _enterable_dir()
    yield folder / "state"
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """The address of the run's own Postgres, as an outside one would be given."""
    folder = _enterable_dir()
    server = EmbeddedPostgres(folder / "state")

    async def start() -> str:
        dsn = await server.start()
        session = await driver.connect(dsn, timeout=5)
        await session.execute(f"CREATE DATABASE {_TEMPLATE}")
        await session.close()
        session = await driver.connect(_in(dsn, _TEMPLATE), timeout=5)
        await migrate(session)
        await session.close()
        return dsn

    yield asyncio.run(start())
    asyncio.run(server.discard())
    shutil.rmtree(folder, ignore_errors=True)


def _in(dsn: str, database: str) -> str:
    return dsn.replace("/postgres?", f"/{database}?")


@pytest.fixture
async def database_url(server_url: str) -> AsyncIterator[str]:
    """The address of a fresh database with the desk's tables and nothing in them."""
    name = f"test_{next(_numbers)}"
    session = await driver.connect(server_url, timeout=5)
    await session.execute(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
    yield _in(server_url, name)
    await session.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await session.close()


@pytest.fixture
def settings(database_url: str, state_dir: Path) -> Settings:
    """A desk's settings on that database."""
    extra: dict[str, Any] = {"database_url": database_url, "state_dir": state_dir}
    return load_settings(**extra)


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    """An open store on that database."""
    opened = await Store.open(settings, SYSTEM_CLOCK)
    yield opened
    await opened.close()


@pytest.fixture
async def market(store: Store) -> AsyncIterator[MarketStore]:
    """The candles and trades of that database."""
    opened = store.market()
    yield opened
    await opened.close()


_ALONE = ("bench/", "engine/test_panic.py", "ssh/test_sshd.py", "tui/test_pty.py", "tui/test_pty_desk.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that measure run by themselves (`make test`)."""
    for item in items:
        if item.path.relative_to(Path(__file__).parent).as_posix().startswith(_ALONE):
            item.add_marker("alone")
