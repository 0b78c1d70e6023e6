"""The store's part for `copydesk why`: one copy, and everything the journal holds about it.

Called by `engine/why.py`. Every query walks an index, so the answer does not take longer as the ledger grows.
"""

# ruff: noqa: S608 - table and column names in statements are this package's own

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from schema import driver, tables
from schema.driver import Connection, Row
from schema.records import Copy, DoneOrder, Fill, LiveOrder, LiveStatus, Record, Signal, SignalKind, VenueOrder
from schema.store_config import StorePart
from schema.store_plans import expand

_TIMEOUT_S = 5.0
_CORRECTIONS = 5
_PAIR = "SELECT c.*, {} FROM copies c JOIN signals s USING (signal_id) ".format(
    ", ".join(f's."{name}" AS "s_{name}"' for name in tables.fields(Signal))
)
AT_OR_BEFORE = (
    f"{_PAIR}WHERE c.follower = $1 AND c.received_ns >= $2 AND c.received_ns < $3 "
    "ORDER BY c.received_ns DESC, c.seq DESC LIMIT 1"
)
"""The newest copy of an account in a time: account, first ns, first ns after it."""
OF_SIGNAL = f"{_PAIR}WHERE c.signal_id = $1 AND c.follower = $2"
AFTER = (
    f"{_PAIR}WHERE c.follower = $1 AND c.leader_symbol = $2 AND c.seq > "
    "(SELECT seq FROM copies WHERE signal_id = $3 AND follower = $1) ORDER BY c.seq LIMIT $4"
)
"""The copies of an account in a leader's symbol that came after that of a signal."""
FILLS = "SELECT * FROM fills WHERE account = $1 AND order_id = $2 ORDER BY venue_ns, fill_id"


class Told(Record, frozen=True):
    """A pair with the venue's last word on its order, the order's fills, and the corrections up to the leader's next
    event, oldest first."""

    signal: Signal
    copy: Copy
    order: VenueOrder | None
    fills: tuple[Fill, ...]
    corrections: tuple[tuple[Signal, Copy], ...]


class WhyStore(StorePart):
    """Reads; raises JournalDown."""

    async def told_at(self, account: str, since_ns: int, until_ns: int) -> Told | None:
        """The newest copy to `account` whose leader event came from `since_ns` up to and without `until_ns`."""
        async with self._telling() as session:
            return await _told(session, await session.fetchrow(AT_OR_BEFORE, account, since_ns, until_ns))

    async def told_of(self, signal_id: str, account: str) -> Told | None:
        """The copy of a signal to `account`."""
        async with self._telling() as session:
            return await _told(session, await session.fetchrow(OF_SIGNAL, signal_id, account))

    @asynccontextmanager
    async def _telling(self) -> AsyncGenerator[Connection]:
        async with driver.session(self._database.journal, _TIMEOUT_S) as session:
            await expand(session)
            async with session.transaction(isolation="repeatable_read", readonly=True):
                yield session


async def _told(session: Connection, row: Row | None) -> Told | None:
    if row is None:
        return None
    signal, copy = _pair(row)
    order: VenueOrder | None = None
    fills: list[Fill] = []
    if copy.order_id:
        seen = await session.fetchrow(
            "SELECT * FROM orders WHERE account = $1 AND order_id = $2", copy.follower, copy.order_id
        )
        if seen is not None:
            order = tables.read(seen, LiveOrder if seen["status"] in set(LiveStatus) else DoneOrder)
        fills = [tables.read(fill, Fill) for fill in await session.fetch(FILLS, copy.follower, copy.order_id)]
    later = await session.fetch(AFTER, copy.follower, copy.leader_symbol, copy.signal_id, _CORRECTIONS)
    corrections: list[tuple[Signal, Copy]] = []
    for each in later:
        if each["s_kind"] != SignalKind.CORRECTION:
            break
        corrections.append(_pair(each))
    return Told(signal=signal, copy=copy, order=order, fills=tuple(fills), corrections=tuple(corrections))


def _pair(row: Row) -> tuple[Signal, Copy]:
    return tables.read(row, Signal, prefix="s_"), tables.read(row, Copy)
