"""Migrations run once, in order, and never on a database they do not fit."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from schema import driver
from schema.driver import Connection
from schema.migrate import Migration, MigrationRefused, migrate, migrations

FIRST = Migration(name="0001_a", sql="CREATE TABLE a (x int)", checksum="1")
SECOND = Migration(name="0002_b", sql="CREATE TABLE b (x int)", checksum="2")


@pytest.fixture
async def empty(server_url: str) -> AsyncIterator[tuple[Connection, Connection]]:
    """Two sessions on a database with nothing in it."""
    admin = await driver.connect(server_url, timeout=5)
    await admin.execute("DROP DATABASE IF EXISTS bare WITH (FORCE)")
    await admin.execute("CREATE DATABASE bare")
    url = server_url.replace("/postgres?", "/bare?")
    sessions = (await driver.connect(url, timeout=5), await driver.connect(url, timeout=5))
    yield sessions
    for session in sessions:
        await session.close()
    await admin.execute("DROP DATABASE bare WITH (FORCE)")
    await admin.close()


async def test_each_runs_once_in_order(empty: tuple[Connection, Connection]) -> None:
    session, _ = empty
    assert await migrate(session, [FIRST]) == ["0001_a"]
    assert await migrate(session, [FIRST, SECOND]) == ["0002_b"]
    assert await migrate(session, [FIRST, SECOND]) == []


async def test_two_desks_at_once_migrate_once(empty: tuple[Connection, Connection]) -> None:
    applied = await asyncio.gather(*(migrate(session, [FIRST, SECOND]) for session in empty))
    assert sorted(applied) == [[], ["0001_a", "0002_b"]]


async def test_an_edited_migration_is_refused(empty: tuple[Connection, Connection]) -> None:
    session, _ = empty
    await migrate(session, [FIRST])
    with pytest.raises(MigrationRefused) as refused:
        await migrate(session, [replace(FIRST, checksum="9"), SECOND])
    assert str(refused.value) == (
        "database: migration 0001_a was edited after it was applied; restore the file and make the change in a new one."
    )
    assert await session.fetchval("SELECT to_regclass('b')") is None


async def test_a_database_newer_than_the_desk_is_refused(empty: tuple[Connection, Connection]) -> None:
    session, _ = empty
    await migrate(session, [FIRST, SECOND])
    with pytest.raises(MigrationRefused) as refused:
        await migrate(session, [FIRST])
    assert str(refused.value) == (
        "database: it has migration 0002_b, this copydesk is older; install a newer one."
    )  # fmt: skip


async def test_a_migration_that_fails_leaves_nothing(empty: tuple[Connection, Connection]) -> None:
    session, _ = empty
    broken = replace(SECOND, sql="CREATE TABLE b (x int); SELECT 1 / 0")
    with pytest.raises(driver.POSTGRES_REFUSED):
        await migrate(session, [FIRST, broken])
    assert await session.fetchval("SELECT to_regclass('a')") is None
    assert await migrate(session, [FIRST, SECOND]) == ["0001_a", "0002_b"]


def test_each_of_the_real_ones_has_a_number_of_its_own() -> None:
    numbers = [int(migration.name[:4]) for migration in migrations()]
    assert numbers[0] == 1
    assert numbers == sorted(set(numbers))
