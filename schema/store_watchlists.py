"""The store's part about watchlists and saved filters, each user's own. Called by the desk for its seats and by
`copydesk watch`.

Of two seats that edit at once one does after the other: neither's edit is lost, whatever both had on their screens.
"""

from schema import tables
from schema.driver import Connection
from schema.store_config import ConfigStore
from schema.watchlists import Edit, ListRefused, SavedFilter, UserLists, Watched, Watchlist, edited, in_order

_EDITING = 1870  # the advisory lock, with the user's name


class WatchlistStore(ConfigStore):
    """Watchlists and filters, through the pool that the journal does not use."""

    async def lists_of(self, user: str) -> UserLists:
        """A user's lists and filters, in one consistent reading."""
        async with self._session() as session, session.transaction(isolation="repeatable_read", readonly=True):
            return await _read(session, user)

    async def edit_lists(self, user: str, edit: Edit) -> str:
        """Make an edit; returns the sentence that says what was done. Raises StoreRefused."""
        async with self._editing(_EDITING, user, ListRefused) as session:
            before = await _read(session, user)
            after, said = edited(before, edit)
            await _write_lists(session, user, before, after)
            await _write_filters(session, user, before, after)
        return said


async def _read(session: Connection, user: str) -> UserLists:
    names = await session.fetch('SELECT name FROM watchlists WHERE "user" = $1', user)
    rows = await session.fetch('SELECT name, source, symbol FROM watched WHERE "user" = $1 ORDER BY name, place', user)
    symbols: dict[str, list[Watched]] = {}
    for row in rows:
        symbols.setdefault(row["name"], []).append(tables.read(row, Watched))
    filters = await session.fetch('SELECT * FROM filters WHERE "user" = $1 ORDER BY name, scope', user)
    return UserLists(
        lists=in_order(Watchlist(name=row["name"], symbols=tuple(symbols.get(row["name"], ()))) for row in names),
        filters=tuple(tables.read(row, SavedFilter) for row in filters),
    )


async def _write_lists(session: Connection, user: str, before: UserLists, after: UserLists) -> None:
    gone = {each.name for each in before.lists} - {each.name for each in after.lists}
    if gone:
        await session.execute('DELETE FROM watchlists WHERE "user" = $1 AND name = ANY($2)', user, list(gone))
    for held in after.lists:
        if held in before.lists:
            continue
        await session.execute(
            'INSERT INTO watchlists ("user", name) VALUES ($1, $2) ON CONFLICT DO NOTHING', user, held.name
        )
        await session.execute('DELETE FROM watched WHERE "user" = $1 AND name = $2', user, held.name)
        await session.execute(
            'INSERT INTO watched ("user", name, source, symbol, place) '
            "SELECT $1, $2, source, symbol, place FROM unnest($3::text[], $4::text[]) "
            "WITH ORDINALITY AS on_list (source, symbol, place)",
            user,
            held.name,
            *tables.arrays(held.symbols, Watched),
        )


async def _write_filters(session: Connection, user: str, before: UserLists, after: UserLists) -> None:
    names = ("user", *tables.fields(SavedFilter))
    parameters = ", ".join(f"${number}" for number in range(1, len(names) + 1))
    for old in before.filters:
        if old not in after.filters:
            await session.execute(
                'DELETE FROM filters WHERE "user" = $1 AND name = $2 AND scope = $3', user, old.name, old.scope
            )
    for new in after.filters:
        if new not in before.filters:
            await session.execute(
                f"INSERT INTO filters ({tables.quoted(names)}) VALUES ({parameters})",  # noqa: S608 - names are ours
                user,
                *tables.values(new),
            )
