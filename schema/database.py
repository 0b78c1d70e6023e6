"""The database of one desk: its own embedded Postgres, or an outside one; migrated, behind two pools.

Called by `schema/store.py`. The tiny pool is for logins' sealed secrets and the configuration, so that a busy journal
can't keep the shell or a settings change waiting, and the other way round.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import structlog

from schema import driver
from schema.driver import Connection, Pool
from schema.migrate import migrate
from schema.postgres import EmbeddedPostgres, PostgresError
from schema.settings import Settings

_TIMEOUT_S = 5.0
_CLOSE_TIMEOUT_S = 2.0
_LEASE = 1869  # the advisory lock of the one desk that copies with a database
log = structlog.get_logger(__name__)


class DatabaseTaken(driver.JournalDown):
    """Another desk copies with this database; the text names it."""


class Database:
    """An open database. `journal` is the pool for everything but secrets and configuration, which use `config`."""

    def __init__(self, dsn: str, journal: Pool, config: Pool, server: EmbeddedPostgres | None) -> None:
        self._dsn = dsn  # may hold a password: never shown
        self.journal = journal
        self.config = config
        self.server = server
        self._at_hand: Connection | None = None
        self._hand = asyncio.Lock()
        self._claimed_as = ""

    @asynccontextmanager
    async def commit_session(self) -> AsyncGenerator[Connection]:
        """The session that signals are committed in, always at hand: to borrow one from a pool costs two tasks, and
        every order would wait for them. For one user at a time; one that failed in any way is thrown away, and the
        next user opens another. After `claim` it holds the desk's lease, so that what commits is the only desk that
        does. Raises JournalDown."""
        async with self._hand, driver.journal_errors():
            held, self._at_hand = self._at_hand, None
            fresh = held is None or held.is_closed()
            if held is None or fresh:
                held = await driver.connect(self._dsn, timeout=_TIMEOUT_S)
            try:
                if self._claimed_as and fresh:
                    await _take_lease(held, self._claimed_as)
                yield held
            except BaseException:
                held.terminate()
                raise
            self._at_hand = held

    async def claim(self, owner: str) -> None:
        """Be the one desk that copies with this database, until it is closed. `owner` is what another desk is told.
        Raises DatabaseTaken when there is one already, JournalDown."""
        self._claimed_as = owner
        async with self._hand:
            if self._at_hand is not None:
                self._at_hand.terminate()
                self._at_hand = None
        async with self.commit_session():
            pass

    async def connect(self) -> Connection:
        """A session outside the pools, for listening. Raises JournalDown."""
        async with driver.journal_errors():
            return await driver.connect(self._dsn, timeout=_TIMEOUT_S)

    async def revive(self) -> None:
        """Start our own server again if it died; never raises. An outside server is waited for."""
        if self.server is not None:
            try:
                await self.server.ensure()
            except PostgresError as error:
                log.error("postgres does not start", reason=str(error))

    async def close(self) -> None:
        """Let go of the database; our own server is stopped when nobody else uses it."""
        if self._at_hand is not None:
            self._at_hand.terminate()
        for pool in (self.journal, self.config):
            try:
                async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                    await pool.close()
            except TimeoutError:
                pool.terminate()
        if self.server is not None:
            await self.server.stop()


async def _take_lease(session: Connection, owner: str) -> None:
    await session.fetchval("SELECT set_config('application_name', $1, false)", owner[:63])
    if await session.fetchval("SELECT pg_try_advisory_lock($1)", _LEASE):
        return
    holder = await session.fetchval(
        "SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid) "
        "WHERE locktype = 'advisory' AND granted AND classid = 0 AND objid = $1 AND datname = current_database()",
        _LEASE,
    )
    raise DatabaseTaken(f"{holder or 'another desk'} copies with this database")


async def open_database(settings: Settings) -> Database:
    """Open `settings.database_url`, or the embedded server of `settings.state_dir`, and bring its tables up to date.
    Raises PostgresError, whose text holds no password."""
    if settings.database_url is not None:
        return await _open(settings.database_url.get_secret_value(), None)
    server = EmbeddedPostgres(settings.state_dir)
    dsn = await server.start()
    try:
        return await _open(dsn, server)
    except BaseException:
        await server.stop()
        raise


async def _open(dsn: str, server: EmbeddedPostgres | None) -> Database:
    try:
        connection = await driver.connect(dsn, timeout=_TIMEOUT_S)
        try:
            await migrate(connection)
        finally:
            await connection.close(timeout=_TIMEOUT_S)
        journal = await driver.create_pool(dsn, smallest=2, largest=8, timeout=_TIMEOUT_S)
        config = await driver.create_pool(dsn, smallest=0, largest=2, timeout=_TIMEOUT_S)
    # `from None`: a driver's error may hold the whole address, and the address a password.
    except driver.UNREACHABLE as error:
        raise PostgresError(
            f"database_url: nobody answers at {_place(dsn)} ({type(error).__name__}); check the host and the port."
        ) from None
    except driver.LOGIN_REFUSED:
        raise PostgresError(
            f"database_url: Postgres at {_place(dsn)} refused the login; correct the user or the password."
        ) from None
    except driver.NO_DATABASE:
        raise PostgresError(
            f"database_url: Postgres at {_place(dsn)} has no such database; create it or correct the name."
        ) from None
    except driver.POSTGRES_REFUSED as error:
        raise PostgresError(f"database_url: Postgres at {_place(dsn)} refused: {error}.") from None
    except driver.BAD_ADDRESS:
        raise PostgresError(
            "database_url: it is not a Postgres address; write one like postgresql://user:password@host:5432/name."
        ) from None
    return Database(dsn, journal, config, server)


def _place(dsn: str) -> str:
    """Host and port of an address, never its user or password."""
    try:
        parts = urlsplit(dsn)
        return f"{parts.hostname or 'the local socket'}:{parts.port or 5432}"
    except ValueError:
        return "that address"
