"""Layouts in the database: one user's own, the same to the last character, and never half an edit."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from schema.clock import SYSTEM_CLOCK
from schema.layouts import (
    LAYOUTS,
    DeleteLayout,
    LayoutsRefused,
    RememberShown,
    SavedLayout,
    SaveLayout,
    ShownLayout,
    UserLayouts,
    edited,
)
from schema.settings import Settings
from schema.store import Store, StoreRefused

TREE = "row(124.33333333333333:column(27:accounts,19:copies),75:candles)"


def save(name: str, tree: str = TREE) -> SaveLayout:
    return SaveLayout(layout=SavedLayout(name=name, tree=tree))


@pytest.fixture
async def other(settings: Settings) -> AsyncIterator[Store]:
    """A second seat's store on the same database."""
    opened = await Store.open(settings, SYSTEM_CLOCK)
    yield opened
    await opened.close()


async def test_layouts_come_back_as_they_were_saved_and_are_one_users_own(store: Store) -> None:
    assert await store.layouts_of("ann") == UserLayouts()
    assert await store.edit_layouts("ann", save("evening")) == "Layout evening is saved."
    assert await store.edit_layouts("ann", save("Day", "accounts")) == "Layout Day is saved."
    assert await store.edit_layouts("ann", save("EVENING", "row(1:orders,2:accounts)")) == (
        "Layout evening is saved anew."
    )
    shown = ShownLayout(name="evening", variant=2, tree=TREE)
    await store.edit_layouts("ann", RememberShown(shown=shown))
    assert await store.layouts_of("ann") == UserLayouts(
        layouts=(
            SavedLayout(name="Day", tree="accounts"),
            SavedLayout(name="evening", tree="row(1:orders,2:accounts)"),
        ),
        shown=shown,
    )
    assert await store.layouts_of("bob") == UserLayouts()
    assert await store.edit_layouts("ann", DeleteLayout(name="day")) == "Layout Day is deleted."
    await store.edit_layouts("ann", RememberShown(shown=ShownLayout(name="auto")))
    mine = await store.layouts_of("ann")
    assert [each.name for each in mine.layouts] == ["evening"] and mine.shown == ShownLayout(name="auto")


async def test_two_seats_that_save_at_once_lose_nothing(store: Store, other: Store) -> None:
    async with asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task((store, other)[number % 2].edit_layouts("ann", save(f"of {number:02}", f"pane{number}")))
            group.create_task(other.edit_layouts("ann", save("both", f"pane{number}")))
    mine = await store.layouts_of("ann")
    assert [each.name for each in mine.layouts] == ["both", *(f"of {number:02}" for number in range(20))]
    assert [each.tree for each in mine.layouts[1:]] == [f"pane{number}" for number in range(20)]


async def test_another_seat_hears_of_a_layout_and_neither_the_lists_nor_the_configuration_do(
    store: Store, other: Store
) -> None:
    told = dict.fromkeys(("layouts", "lists", "config"), 0)
    bell = asyncio.Event()

    async def hear(what: str) -> None:
        told[what] += 1
        bell.set()

    async def until(count: int) -> None:
        while told["layouts"] < count:
            await asyncio.wait_for(bell.wait(), 5)
            bell.clear()

    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(other.listen_layouts(lambda: hear("layouts"))),
            group.create_task(other.listen_lists(lambda: hear("lists"))),
            group.create_task(other.listen(lambda: hear("config"))),
        ]
        while not all(told.values()):
            await asyncio.wait_for(bell.wait(), 5)
            bell.clear()
        await store.edit_layouts("ann", save("evening"))
        await until(2)
        await store.edit_layouts("ann", RememberShown(shown=ShownLayout(name="evening")))
        await until(3)
        for task in tasks:
            task.cancel()
    assert (told["lists"], told["config"]) == (1, 1)


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (save(" "), "layout: '' is not a name; write 1 to 40 printable characters."),
        (save("a\nb"), "layout: 'a\\nb' is not a name; write 1 to 40 printable characters."),
        (save("x" * 41), f"layout: '{'x' * 41}' is not a name; write 1 to 40 printable characters."),
        (save("a", ""), "layout: a has no panes, so there is nothing to keep."),
        (save("a", "x" * 4001), "layout: its text has more than 4000 characters; leave panes out."),
        (DeleteLayout(name="evning"), "layout: there is no 'evning' of yours; did you mean evening?"),
        (
            RememberShown(shown=ShownLayout(name="a", tree="x" * 4001)),
            "layout: its text has more than 4000 characters; leave panes out.",
        ),
    ],
)
async def test_an_edit_that_can_not_be_made_is_refused_and_changes_nothing(
    store: Store, edit: SaveLayout | DeleteLayout | RememberShown, sentence: str
) -> None:
    await store.edit_layouts("ann", save("evening"))
    before = await store.layouts_of("ann")
    with pytest.raises(StoreRefused) as refused:
        await store.edit_layouts("ann", edit)
    assert str(refused.value) == sentence
    assert await store.layouts_of("ann") == before


def test_there_are_no_more_layouts_than_can_be_kept() -> None:
    mine = UserLayouts()
    for number in range(LAYOUTS):
        mine, _ = edited(mine, save(str(number)))
    with pytest.raises(LayoutsRefused, match="as many as there can be; delete one"):
        edited(mine, save("one more"))
    mine, said = edited(mine, save("7", "accounts"))
    assert said == "Layout 7 is saved anew."
