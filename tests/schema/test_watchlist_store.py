"""Watchlists and filters in the database: kept in order, one user's own, told to every seat, and never lost when two
seats edit one list at once."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from schema import driver
from schema.clock import SYSTEM_CLOCK
from schema.migrate import migrate
from schema.settings import Settings
from schema.store import Store, StoreRefused
from schema.watchlists import (
    AddSymbols,
    DeleteFilter,
    DeleteList,
    MakeList,
    MoveSymbol,
    RemoveSymbols,
    RenameList,
    SaveFilter,
    UserLists,
    Watched,
    filter_of,
)
from tests.schema.rows import before_migration

BTC = Watched(source="binance", symbol="BTCUSDT")


def some(count: int, prefix: str = "S") -> tuple[Watched, ...]:
    return tuple(Watched(source="desk", symbol=f"{prefix}{number}") for number in range(count))


@pytest.fixture
async def other(settings: Settings) -> AsyncIterator[Store]:
    """A second seat's store on the same database."""
    opened = await Store.open(settings, SYSTEM_CLOCK)
    yield opened
    await opened.close()


async def names(store: Store, name: str = "majors", user: str = "ann") -> list[str]:
    lists = {each.name: each for each in (await store.lists_of(user)).lists}
    return [str(each) for each in lists[name].symbols]


async def test_lists_and_filters_come_back_as_they_were_edited_and_are_one_users_own(store: Store) -> None:
    await store.edit_lists("ann", AddSymbols(name="majors", symbols=(*some(3), BTC)))
    await store.edit_lists("ann", MoveSymbol(name="majors", symbol=BTC, by=-2))
    await store.edit_lists("ann", RemoveSymbols(name="majors", symbols=some(1)))
    await store.edit_lists("ann", MakeList(name="Agri"))
    bought = filter_of("mine", ["symbol=ES", "side=buy", "size>=2.5"])
    for each in (bought, filter_of("mine", ["scope=alerts", "account=DEMO1"])):
        await store.edit_lists("ann", SaveFilter(filter=each))
    mine = await store.lists_of("ann")
    assert [each.name for each in mine.lists] == ["Agri", "majors"]
    assert mine.lists[1].symbols == (BTC, *some(3)[1:])
    assert [each.about() for each in mine.filters] == ["scope=alerts account=DEMO1", bought.about()]
    assert await store.lists_of("bob") == UserLists()
    await store.edit_lists("ann", RenameList(name="majors", new_name="MAJORS"))
    assert await names(store, "MAJORS") == ["BTCUSDT", "S1", "S2"]
    await store.edit_lists("ann", DeleteList(name="MAJORS"))
    await store.edit_lists("ann", DeleteFilter(name="mine"))
    assert [each.name for each in (await store.lists_of("ann")).lists] == ["Agri"]


async def test_two_seats_that_edit_one_list_at_once_lose_nothing(store: Store, other: Store) -> None:
    """40 edits from two seats, each begun before the others ended."""
    await store.edit_lists("ann", AddSymbols(name="majors", symbols=some(20)))
    async with asyncio.TaskGroup() as group:
        for number in range(20):
            for seat, prefix in ((store, "L"), (other, "R")):
                added = (Watched(source="desk", symbol=f"{prefix}{number}"),)
                group.create_task(seat.edit_lists("ann", AddSymbols(name="majors", symbols=added)))
            gone = (Watched(source="", symbol=f"S{number}"),)
            group.create_task((store, other)[number % 2].edit_lists("ann", RemoveSymbols(name="majors", symbols=gone)))
            moved = Watched(source="desk", symbol="S19")
            if number < 5:
                group.create_task(other.edit_lists("ann", MoveSymbol(name="majors", symbol=moved, by=-1)))
    left = await names(store)
    assert sorted(left) == sorted(f"{prefix}{number}" for prefix in "LR" for number in range(20))
    for prefix in "LR":
        assert [each for each in left if each.startswith(prefix)] == [f"{prefix}{number}" for number in range(20)]


async def test_two_seats_can_not_pass_the_limit_together(store: Store, other: Store) -> None:
    await store.edit_lists("ann", AddSymbols(name="majors", symbols=some(195)))
    edits = [
        seat.edit_lists("ann", AddSymbols(name="majors", symbols=some(3, prefix)))
        for seat, prefix in ((store, "L"), (other, "R"))
    ]
    done = await asyncio.gather(*edits, return_exceptions=True)
    refused = [each for each in done if isinstance(each, StoreRefused)]
    assert [str(each) for each in refused] == [
        "symbols: majors would hold 201; a list takes 200, put the rest on another."
    ]
    assert len(await names(store)) == 198


async def test_of_two_seats_that_make_one_list_one_makes_it_and_both_have_it(store: Store, other: Store) -> None:
    edits = [
        seat.edit_lists("ann", AddSymbols(name=name, symbols=some(1, name)))
        for seat, name in ((store, "new"), (other, "NEW"))
    ]
    await asyncio.gather(*edits)
    lists = (await store.lists_of("ann")).lists
    assert len(lists) == 1 and sorted(map(str, lists[0].symbols)) == ["NEW0", "new0"]


async def test_another_seat_sees_an_edit_within_100_ms_and_the_configuration_is_not_told(
    store: Store, other: Store
) -> None:
    seen: list[tuple[float, int]] = []
    bell = asyncio.Event()
    told_config = 0
    loop = asyncio.get_running_loop()

    async def changed() -> None:
        lists = (await other.lists_of("ann")).lists
        seen.append((loop.time(), len(lists[0].symbols) if lists else 0))
        bell.set()

    async def config_changed() -> None:
        nonlocal told_config
        told_config += 1

    async def until(count: int) -> float:
        while not seen or seen[-1][1] != count:
            await asyncio.wait_for(bell.wait(), 5)
            bell.clear()
        return seen[-1][0]

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(other.listen_lists(changed)), group.create_task(other.listen(config_changed))]
        await until(0)
        took_ms: list[float] = []
        for number in range(10):
            await store.edit_lists("ann", AddSymbols(name="majors", symbols=some(number + 1)))
            edited_s = loop.time()
            took_ms.append((await until(number + 1) - edited_s) * 1000)
        for task in tasks:
            task.cancel()
    assert sorted(took_ms)[5] <= 100, took_ms
    assert told_config == 1, "an edit of a list made the desk read its configuration"


async def test_an_edit_that_is_refused_or_breaks_changes_nothing(store: Store, settings: Settings) -> None:
    await store.edit_lists("ann", AddSymbols(name="majors", symbols=some(2)))
    with pytest.raises(StoreRefused, match="there is a majors already"):
        await store.edit_lists("ann", MakeList(name="MAJORS"))
    assert settings.database_url is not None
    session = await driver.connect(settings.database_url.get_secret_value(), timeout=5)
    try:
        for place in (0, 201, 1):
            with pytest.raises(driver.CONSTRAINT):
                await session.execute("INSERT INTO watched VALUES ('ann', 'majors', 'desk', 'X', $1)", place)
        with pytest.raises(driver.CONSTRAINT):
            await session.execute("INSERT INTO watchlists VALUES ('ann', 'Majors')")
        with pytest.raises(driver.CONSTRAINT):
            await session.execute("INSERT INTO filters VALUES ('ann', 'x', 'orders', '', '', NULL, 0)")
    finally:
        await session.close()
    assert await names(store) == ["S0", "S1"]


async def test_a_database_of_the_version_before_gets_the_tables(server_url: str) -> None:
    async with before_migration(server_url, "_watchlists") as (session, name):
        assert name in await migrate(session)
        assert await session.fetchval("SELECT count(*) FROM watchlists") == 0
