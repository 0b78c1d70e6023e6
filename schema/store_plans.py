"""From plan to rows: the copies that a signal's commit left as one document become rows of the ledger.

Called by the store's other parts in the session that reads or changes copies next. Whoever comes first takes the plan
and makes the rows in one statement, so a plan is never expanded twice and never lost, whoever was killed in between.
"""

# ruff: noqa: S608 - table and column names in statements are this package's own

from schema import tables
from schema.driver import Connection
from schema.records import Copy


def _expand_sql() -> str:
    names = tables.fields(Copy)
    return (
        "WITH taken AS (DELETE FROM plans RETURNING seq, copies) "
        f"INSERT INTO copies ({tables.quoted(names)}) SELECT {tables.or_defaults(Copy, 'rows')} FROM taken, "
        f"LATERAL ROWS FROM (json_to_recordset(taken.copies::json) AS ({tables.columns(Copy)})) "
        f"WITH ORDINALITY AS rows ({tables.quoted(names)}, place) ORDER BY taken.seq, rows.place"
    )


_EXPAND = _expand_sql()


async def expand(session: Connection) -> None:
    """Make the rows of every plan that has none yet; with nothing to do it costs one round trip. Raises what asyncpg
    raises: a constraint, when two copies are the same pair or carry the same client order id."""
    await session.execute(_EXPAND)
