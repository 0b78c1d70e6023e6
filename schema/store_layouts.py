"""The store's part about layouts of the screen, each user's own. Called by the desk for its seats.

As with watchlists, two seats that edit at once edit one after the other.
"""

from schema import tables
from schema.driver import Connection
from schema.layouts import LayoutEdit, LayoutsRefused, SavedLayout, ShownLayout, UserLayouts, edited
from schema.store_config import ConfigStore

_EDITING = 1871  # the advisory lock, with the user's name


class LayoutStore(ConfigStore):
    """Layouts, through the pool that the journal does not use."""

    async def layouts_of(self, user: str) -> UserLayouts:
        """A user's layouts and what was shown last, in one consistent reading."""
        async with self._session() as session, session.transaction(isolation="repeatable_read", readonly=True):
            return await _read(session, user)

    async def edit_layouts(self, user: str, edit: LayoutEdit) -> str:
        """Make an edit; returns the sentence that says what was done. Raises StoreRefused."""
        async with self._editing(_EDITING, user, LayoutsRefused) as session:
            before = await _read(session, user)
            after, said = edited(before, edit)
            await _write(session, user, before, after)
        return said


async def _read(session: Connection, user: str) -> UserLayouts:
    rows = await session.fetch(
        'SELECT name, tree FROM layouts WHERE "user" = $1 ORDER BY lower(name) COLLATE "C", name COLLATE "C"', user
    )
    shown = await session.fetch('SELECT name, variant, tree FROM layouts_shown WHERE "user" = $1', user)
    return UserLayouts(
        layouts=tuple(tables.read(row, SavedLayout) for row in rows),
        shown=tables.read(shown[0], ShownLayout) if shown else None,
    )


async def _write(session: Connection, user: str, before: UserLayouts, after: UserLayouts) -> None:
    gone = {each.name for each in before.layouts} - {each.name for each in after.layouts}
    if gone:
        await session.execute('DELETE FROM layouts WHERE "user" = $1 AND name = ANY($2)', user, list(gone))
    for layout in after.layouts:
        if layout not in before.layouts:
            await session.execute(
                'INSERT INTO layouts ("user", name, tree) VALUES ($1, $2, $3) '
                'ON CONFLICT ("user", name) DO UPDATE SET tree = excluded.tree',
                user,
                *tables.values(layout),
            )
    if after.shown is not None and after.shown != before.shown:
        await session.execute(
            'INSERT INTO layouts_shown ("user", name, variant, tree) VALUES ($1, $2, $3, $4) '
            'ON CONFLICT ("user") DO UPDATE '
            "SET name = excluded.name, variant = excluded.variant, tree = excluded.tree",
            user,
            *tables.values(after.shown),
        )
