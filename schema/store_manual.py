"""The store's part about orders that the trader gives from the desk. Called by `engine/journal.py`, and by a desk that
starts for those whose end it does not know.

`commit_manual` stands between a confirmed preview and its orders, as `commit_signal` does for copies: of one preview an
account gets one order, whoever confirms it again, and however often. What becomes of them is
written behind (`Batch`).
"""

# ruff: noqa: S608 - table and column names in statements are this package's own

from collections.abc import Sequence

from schema import driver, tables
from schema.records import ManualOrder
from schema.store_journal import JournalStore

_TIMEOUT_S = 2.0
_INSERT = (
    f"INSERT INTO manual_orders ({tables.quoted((*tables.fields(ManualOrder), 'session'))}) "
    f"SELECT rows.*, $1 FROM {tables.unnest(ManualOrder, 2)} AS rows ON CONFLICT DO NOTHING RETURNING cl_ord_id"
)
_MINE = "SELECT cl_ord_id FROM manual_orders WHERE cl_ord_id = ANY($1) AND session = $2"
_OPEN = "SELECT * FROM manual_orders WHERE state IN ('pending', 'unknown', 'taken') ORDER BY asked_ns, cl_ord_id"


class ManualStore(JournalStore):
    """Manual orders, through the journal's own sessions."""

    async def commit_manual(self, orders: Sequence[ManualOrder]) -> frozenset[str]:
        """Make these orders durable in one round trip, all or none. Returns the tags of those that the journal did not
        hold already: nothing else of them may be sent. Raises JournalDown; then try again with the same orders: what
        the failed attempt committed after all is among the tags of the next one, because those never left."""
        tags = [order.cl_ord_id for order in orders]
        async with self._database.commit_session() as session:
            retried = [tag for tag in tags if tag in self._perhaps_written]
            self._perhaps_written.update(tags)
            rows = tables.arrays(orders, ManualOrder)
            written = await session.fetch(_INSERT, self.session_id, *rows, timeout=_TIMEOUT_S)
            fresh = {row["cl_ord_id"] for row in written}
            if retried:
                mine = await session.fetch(_MINE, retried, self.session_id, timeout=_TIMEOUT_S)
                fresh |= {row["cl_ord_id"] for row in mine}
        self._perhaps_written.difference_update(tags)
        return frozenset(fresh)

    async def manual_orders(self) -> list[ManualOrder]:
        """Every manual order there was, oldest first. Raises JournalDown."""
        return await self._read_manual("SELECT * FROM manual_orders ORDER BY asked_ns, cl_ord_id")

    async def open_manual(self) -> list[ManualOrder]:
        """Manual orders without an end, oldest first. Raises JournalDown."""
        return await self._read_manual(_OPEN)

    async def _read_manual(self, statement: str) -> list[ManualOrder]:
        async with driver.session(self._database.journal, _TIMEOUT_S) as session:
            rows = await session.fetch(statement)
        return [tables.read(row, ManualOrder) for row in rows]
