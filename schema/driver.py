"""asyncpg as this floor sees it: typed (the package has no type stubs), and its errors sorted into two kinds.

A connection that is gone or a server that can't work now is `JournalDown`: wait, then try again. Everything else is
raised as it is: a refusal by a constraint, or a mistake of ours. Called by the other modules of the store only.
"""

from collections.abc import AsyncGenerator, AsyncIterable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol, cast

import asyncpg  # pyright: ignore[reportMissingTypeStubs]
from asyncpg import exceptions  # pyright: ignore[reportMissingTypeStubs]

_api: Any = asyncpg
_errors: Any = exceptions

_AWAY_CLASSES = ("08", "53", "57", "58")
"""SQLSTATE classes of a server that can't work now: connection, resources, operator intervention, system error."""
_READ_ONLY = "25006"

UNREACHABLE: tuple[type[Exception], ...] = (OSError, TimeoutError, _errors.PostgresConnectionError)
"""Nobody answers where a server should be."""
NOT_READY: tuple[type[Exception], ...] = (*UNREACHABLE, _errors.CannotConnectNowError)
"""Nobody answers, or a server that is just starting or stopping."""
LOGIN_REFUSED: type[Exception] = _errors.InvalidAuthorizationSpecificationError
NO_DATABASE: type[Exception] = _errors.InvalidCatalogNameError
POSTGRES_REFUSED: type[Exception] = _errors.PostgresError
BAD_ADDRESS: tuple[type[Exception], ...] = (_errors.ClientConfigurationError, ValueError)
CONSTRAINT: type[Exception] = _errors.IntegrityConstraintViolationError


class JournalDown(Exception):
    """The database can't be used now; nothing may be sent until it can. The text is fit for the screen."""


class Row(Protocol):
    """One row: values by column name or place."""

    def __getitem__(self, key: str | int) -> Any: ...

    def items(self) -> Sequence[tuple[str, Any]]: ...


class Column(Protocol):
    """One column of an answer."""

    name: str


class Statement(Protocol):
    """A statement the server has read already."""

    def get_attributes(self) -> Sequence[Column]: ...

    def cursor(self, *args: Any, prefetch: int) -> AsyncIterable[Row]: ...


class Connection(Protocol):
    """One session with the server."""

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str: ...

    async def fetch(self, query: str, *args: Any, timeout: float | None = None) -> list[Row]: ...

    async def fetchrow(self, query: str, *args: Any, timeout: float | None = None) -> Row | None: ...

    async def fetchval(self, query: str, *args: Any, timeout: float | None = None) -> Any: ...

    def transaction(
        self, *, readonly: bool = False, isolation: str | None = None
    ) -> AbstractAsyncContextManager[Any]: ...

    async def prepare(self, query: str) -> Statement: ...

    async def copy_records_to_table(
        self, table_name: str, *, records: AsyncIterable[Sequence[Any]], columns: Sequence[str]
    ) -> str: ...

    async def add_listener(self, channel: str, callback: Callable[..., None]) -> None: ...

    def add_termination_listener(self, callback: Callable[[Any], None]) -> None: ...

    async def close(self, *, timeout: float | None = None) -> None: ...

    def is_closed(self) -> bool: ...

    def terminate(self) -> None: ...


class Pool(Protocol):
    """Sessions to borrow."""

    def acquire(self, *, timeout: float | None = None) -> AbstractAsyncContextManager[Connection]: ...

    async def close(self) -> None: ...

    def terminate(self) -> None: ...


class _Plain(_api.Connection):
    """A session that is not reset when it goes back to its pool: nothing here leaves state in one, and the reset would
    cost the journal's commit another round trip."""

    def get_reset_query(self) -> str:
        return ""


async def connect(dsn: str, *, timeout: float) -> Connection:
    """One session outside any pool. Raises what asyncpg raises."""
    return cast(Connection, await _api.connect(dsn, timeout=timeout))


async def create_pool(dsn: str, *, smallest: int, largest: int, timeout: float) -> Pool:
    """A pool with `smallest` sessions open. `timeout` bounds connecting and every statement that says no other, in
    seconds. Raises what asyncpg raises."""
    return cast(
        Pool,
        await _api.create_pool(
            dsn,
            min_size=smallest,
            max_size=largest,
            timeout=timeout,
            command_timeout=timeout,
            max_inactive_connection_lifetime=0,
            connection_class=_Plain,
            server_settings={"application_name": "copydesk", "timezone": "UTC"},
        ),
    )


@asynccontextmanager
async def journal_errors() -> AsyncGenerator[None]:
    """Turn every sign of a database that can't be used now into JournalDown."""
    try:
        yield
    except Exception as error:
        if not is_down(error):
            raise
        raise JournalDown(f"Postgres can't be used ({_short(error)})") from error


@asynccontextmanager
async def session(pool: Pool, timeout: float) -> AsyncGenerator[Connection]:
    """A session of the pool, had within `timeout` seconds. One that failed is thrown away, not given back: it may be
    in the middle of something. Raises JournalDown."""
    async with journal_errors(), pool.acquire(timeout=timeout) as connection:
        try:
            yield connection
        except Exception as error:
            if is_down(error):
                connection.terminate()
            raise


def is_down(error: Exception) -> bool:
    """Whether `error` means that the database can't be used now."""
    if isinstance(error, (OSError, TimeoutError, _errors.InternalClientError)):
        return True  # the last: the session died between two of its messages
    if isinstance(error, _errors.InterfaceError):
        # Its subclasses that are also ValueErrors are about our arguments, not about the connection.
        return not isinstance(error, ValueError)
    sqlstate = str(getattr(error, "sqlstate", None) or "")
    return sqlstate[:2] in _AWAY_CLASSES or sqlstate == _READ_ONLY


def _short(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error).splitlines()[0] if str(error) else type(error).__name__
