"""Two writers for one account: of two desks on one database only one copies (FIELD F19)."""

import os
from contextlib import suppress

import pytest

from schema import driver
from schema.clock import SYSTEM_CLOCK
from schema.settings import Settings
from schema.store import JournalDown, Store, StoreRefused
from tests.schema import rows


async def cut_commits(settings: Settings) -> None:
    """End the sessions that hold a lease, as a restart of the server would."""
    assert settings.database_url is not None
    session = await driver.connect(settings.database_url.get_secret_value(), timeout=5)
    await session.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
    await session.close()


async def test_the_second_desk_on_a_database_is_refused_and_told_who_copies(settings: Settings, store: Store) -> None:
    await store.claim("one")
    other = await Store.open(settings, SYSTEM_CLOCK)
    try:
        with pytest.raises(StoreRefused, match=rf"database_url: desk one \(pid {os.getpid()} on .*\) copies with"):
            await other.claim("two")
        await store.close()
        await other.claim("two")
    finally:
        await other.close()


async def test_a_lease_outlives_its_session_and_is_never_shared(settings: Settings, store: Store) -> None:
    await store.claim("one")
    await cut_commits(settings)
    signal = rows.signal(1)
    with suppress(JournalDown):  # unless the session's end was noticed first
        await store.commit_signal(signal, [])
    assert await store.commit_signal(signal, []) in (True, False)
    assert await store.counts() == (1, {})
    other = await Store.open(settings, SYSTEM_CLOCK)
    try:
        await cut_commits(settings)
        await other.claim("two")
        for _ in range(2):
            with pytest.raises(JournalDown):
                await store.commit_signal(rows.signal(2), [])
        assert await store.counts() == (1, {})
    finally:
        await other.close()
