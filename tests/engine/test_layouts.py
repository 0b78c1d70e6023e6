"""A running desk hands its user's layouts to every seat, through the real database."""

from pathlib import Path

import pytest

from engine.seat import CommandRefused, Topic
from schema.clock import SYSTEM_CLOCK
from schema.layouts import DeleteLayout, RememberShown, SavedLayout, SaveLayout, ShownLayout, UserLayouts
from schema.store import Store
from tests.practice import practice, until


def save(name: str, tree: str = "row(2:accounts,1:orders)") -> SaveLayout:
    return SaveLayout(layout=SavedLayout(name=name, tree=tree))


async def test_a_seat_saves_shows_and_deletes_layouts_and_another_desks_edit_is_seen(state_dir: Path) -> None:
    async with practice(state_dir, user="ann") as on:
        await until(lambda: on.desk.view(Topic.LAYOUTS).rows == (UserLayouts(),), 5)
        assert await on.desk.edit_layouts(save("evening")) == "Layout evening is saved."
        (mine,) = on.desk.view(Topic.LAYOUTS).rows
        assert isinstance(mine, UserLayouts) and [each.name for each in mine.layouts] == ["evening"]
        shown = ShownLayout(name="evening", tree="accounts")
        assert await on.desk.edit_layouts(RememberShown(shown=shown)) == ""
        with pytest.raises(CommandRefused, match="layout: there is no 'evning' of yours; did you mean evening"):
            await on.desk.edit_layouts(DeleteLayout(name="evning"))
        other = await Store.open(on.settings, SYSTEM_CLOCK)
        try:
            await other.edit_layouts("ann", save("day"))
            await other.edit_layouts("bob", save("night"))

            def names() -> list[str]:
                (row,) = on.desk.view(Topic.LAYOUTS).rows
                assert isinstance(row, UserLayouts)
                return [each.name for each in row.layouts]

            await until(lambda: names() == ["day", "evening"], 5)
            assert (await other.layouts_of("ann")).shown == shown
        finally:
            await other.close()


async def test_a_desk_that_runs_for_nobody_keeps_no_layout_and_says_so(state_dir: Path) -> None:
    async with practice(state_dir) as on:
        with pytest.raises(CommandRefused, match="layout: this desk runs for nobody, so none is kept"):
            await on.desk.edit_layouts(save("evening"))
