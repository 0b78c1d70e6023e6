"""The store's part for FIX sessions: numbers of both directions and what was learned up to them, in one commit.

Called by `brokers/fix`, and by `brokers/ninjatrader` for rows alone, through `brokers/sessions.py`.
"""

from collections.abc import Iterable

from schema import driver
from schema.fix import Saved, SavedRow
from schema.store_config import StorePart

_TIMEOUT_S = 5.0


class FixStore(StorePart):
    """FIX sessions. A signal's commit has a session of its own and never waits for them."""

    async def load_fix(self, connection: str) -> Saved:
        """The session of a connection; `Saved()` when it never was. Raises JournalDown."""
        async with (
            driver.session(self._database.journal, _TIMEOUT_S) as session,
            session.transaction(isolation="repeatable_read", readonly=True),
        ):
            head = await session.fetchrow(
                "SELECT next_out, next_in, started_ns FROM fix_sessions WHERE connection = $1", connection
            )
            rows = await session.fetch("SELECT kind, key, body FROM fix_rows WHERE connection = $1", connection)
        if head is None:
            return Saved()
        return Saved(
            out=head["next_out"],
            expected=head["next_in"],
            started_ns=head["started_ns"],
            rows=tuple(SavedRow(kind=row["kind"], key=row["key"], body=bytes(row["body"])) for row in rows),
        )

    async def save_fix(self, connection: str, saved: Saved, gone: Iterable[tuple[str, str]]) -> None:
        """Keep the numbers and rows of a session and forget `gone`, all or nothing. Raises JournalDown."""
        lost = list(gone)
        async with driver.session(self._database.journal, _TIMEOUT_S) as session, session.transaction():
            await session.execute(
                "INSERT INTO fix_sessions (connection, next_out, next_in, started_ns) VALUES ($1, $2, $3, $4) "
                "ON CONFLICT (connection) DO UPDATE SET next_out = excluded.next_out, next_in = excluded.next_in, "
                "started_ns = excluded.started_ns",
                connection,
                saved.out,
                saved.expected,
                saved.started_ns,
            )
            if lost:
                await session.execute(
                    "DELETE FROM fix_rows USING unnest($2::text[], $3::text[]) AS lost (kind, key) "
                    "WHERE connection = $1 AND fix_rows.kind = lost.kind AND fix_rows.key = lost.key",
                    connection,
                    [kind for kind, _ in lost],
                    [key for _, key in lost],
                )
            if saved.rows:
                await session.execute(
                    "INSERT INTO fix_rows (connection, kind, key, body) "
                    "SELECT $1, r.* FROM unnest($2::text[], $3::text[], $4::bytea[]) AS r "
                    "ON CONFLICT (connection, kind, key) DO UPDATE SET body = excluded.body",
                    connection,
                    [row.kind for row in saved.rows],
                    [row.key for row in saved.rows],
                    [row.body for row in saved.rows],
                )
