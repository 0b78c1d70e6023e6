"""Contracts and acknowledgements in the database, and the migration that brings them to a desk that has run before."""

import asyncio
from decimal import Decimal

import pytest
from msgspec.structs import replace

from schema import driver
from schema.migrate import migrate
from schema.records import ConnectionConfig, Environment
from schema.store import CheckedContract, Store
from schema.symbols import ContractKey
from tests.schema.rows import before_migration

KEY = ContractKey(exchange="CME", root="ES", month=202612)
SAID = CheckedContract(
    connection="demo",
    symbol="ESZ6",
    exchange="CME",
    root="ES",
    month=202612,
    venue_symbol="ESZ6",
    tick_size=Decimal("0.25"),
    tick_value=Decimal("12.50"),
    expires_ns=1,
    front="ESZ6",
    described=True,
    error="",
    checked_ns=2,
)
LOGIN = ConnectionConfig(connection="demo", venue="tradovate", environment=Environment.DEMO, username="demo")


async def test_what_a_venue_said_last_stands_and_goes_with_its_login(store: Store) -> None:
    await store.add_connection(LOGIN, b"sealed")
    await store.put_contracts([SAID, replace(SAID, connection="nobody")])
    later = replace(SAID, front="ESH7", described=False, error="symbol: no", checked_ns=3)
    await store.put_contracts([later])
    assert await store.contracts() == [later]


async def test_an_acknowledgement_is_in_the_configuration_once_and_is_told_to_running_desks(store: Store) -> None:
    told = asyncio.Event()

    async def changed() -> None:
        if (await store.load_config()).acknowledged:
            told.set()

    async with asyncio.TaskGroup() as group:
        listening = group.create_task(store.listen(changed))
        await store.acknowledge(KEY)
        await store.acknowledge(KEY)
        await asyncio.wait_for(told.wait(), 5)
        listening.cancel()
    assert (await store.load_config()).acknowledged == (("CME", "ES", 202612),)


async def test_a_database_of_the_version_before_is_brought_along_with_its_logins(server_url: str) -> None:
    async with before_migration(server_url, "_contracts") as (session, name):
        await session.execute(
            "INSERT INTO connections (connection, venue, environment, username, rest_url, ws_url, md_url, sealed) "
            "VALUES ('demo', 'tradovate', 'demo', 'demo', '', '', '', 'x')"
        )
        assert name in await migrate(session)
        assert await session.fetchval("SELECT count(*) FROM connections") == 1
        assert await session.fetchval("SELECT count(*) FROM contracts") == 0
        await session.execute("INSERT INTO acknowledged VALUES ('CME', 'ES', 202612, 1)")
        with pytest.raises(driver.POSTGRES_REFUSED):
            await session.execute("INSERT INTO acknowledged VALUES ('CME', 'ES', 202613, 1)")
