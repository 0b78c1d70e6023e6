"""The store's reading part: what the engine recovers from at start, and what reports and the shell count.

Every query walks an index in the order it answers, so starting stays fast when the ledger is years long.
"""

from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from schema import driver, tables
from schema.driver import Connection
from schema.records import Copy, Decision, DoneOrder, LiveOrder, LiveStatus, Lots, Signal, SignalKind, VenueOrder
from schema.store_config import StorePart
from schema.store_plans import expand

_TIMEOUT_S = 5.0
_DAY_NS = 24 * 3600 * 1_000_000_000
_SIGNAL_COLUMNS = ", ".join(f's."{name}" AS "s_{name}"' for name in tables.fields(Signal))

# The newest row of each key, by jumping from key to key through the index.
_LATEST_COPIES = """
WITH RECURSIVE keys AS (
  (SELECT follower, leader_symbol FROM copies ORDER BY follower, leader_symbol LIMIT 1)
  UNION ALL
  SELECT next.* FROM keys, LATERAL (
    SELECT follower, leader_symbol FROM copies
    WHERE (follower, leader_symbol) > (keys.follower, keys.leader_symbol)
    ORDER BY follower, leader_symbol LIMIT 1) AS next
)
SELECT newest.* FROM keys, LATERAL (
  SELECT * FROM copies WHERE follower = keys.follower AND leader_symbol = keys.leader_symbol
  ORDER BY seq DESC LIMIT 1) AS newest
"""
_LEADER_NETS = """
WITH RECURSIVE keys AS (
  (SELECT leader, symbol FROM signals ORDER BY leader, symbol LIMIT 1)
  UNION ALL
  SELECT next.* FROM keys, LATERAL (
    SELECT leader, symbol FROM signals WHERE (leader, symbol) > (keys.leader, keys.symbol)
    ORDER BY leader, symbol LIMIT 1) AS next
)
SELECT newest.* FROM keys, LATERAL (
  SELECT leader, symbol, leader_net FROM signals WHERE leader = keys.leader AND symbol = keys.symbol
  ORDER BY seq DESC LIMIT 1) AS newest
"""
_LEADER_ORDERS = """
SELECT DISTINCT ON (leader, source, "group") * FROM signals
WHERE kind IN ('leader_order', 'leader_change', 'leader_cancel') AND received_ns > $1
ORDER BY leader, source, "group", seq DESC
"""


class QueryStore(StorePart):
    """Reads; raises JournalDown."""

    async def open_copies(self) -> list[tuple[Signal, Copy]]:
        """Pairs without an end, oldest first: what was on its way when the desk stopped."""
        async with self._reading() as session:
            rows = await session.fetch(
                f"SELECT c.*, {_SIGNAL_COLUMNS} FROM copies c JOIN signals s USING (signal_id) "  # noqa: S608 - ours
                "WHERE c.decision IN ('pending', 'unknown') ORDER BY c.seq"
            )
        return [(tables.read(row, Signal, prefix="s_"), tables.read(row, Copy)) for row in rows]

    async def short_copies(self) -> list[tuple[Signal, Copy]]:
        """Pairs whose order the venue took, and whose fills have not all been booked, of the last day."""
        async with self._reading() as session:
            rows = await session.fetch(
                f"SELECT c.*, {_SIGNAL_COLUMNS} FROM copies c JOIN signals s USING (signal_id) "  # noqa: S608 - ours
                "WHERE c.decision = 'copied' AND c.filled_qty < c.qty AND c.received_ns > $1 AND c.cl_ord_id <> '' "
                "AND NOT c.working ORDER BY c.seq",
                self._clock.now_ns() - _DAY_NS,
            )
        return [(tables.read(row, Signal, prefix="s_"), tables.read(row, Copy)) for row in rows]

    async def working_copies(self) -> list[tuple[Signal, Copy]]:
        """Mirrored orders that may rest at their venues, oldest first."""
        async with self._reading() as session:
            rows = await session.fetch(
                f"SELECT c.*, {_SIGNAL_COLUMNS} FROM copies c JOIN signals s USING (signal_id) "  # noqa: S608 - ours
                "WHERE c.working ORDER BY c.seq"
            )
        return [(tables.read(row, Signal, prefix="s_"), tables.read(row, Copy)) for row in rows]

    async def leader_orders(self) -> list[Signal]:
        """What followers were last told of each order of a leader that was not canceled, of the last days."""
        async with self._reading() as session:
            rows = await session.fetch(_LEADER_ORDERS, self._clock.now_ns() - 4 * _DAY_NS)
        found = [tables.read(row, Signal) for row in rows]
        return [signal for signal in found if signal.kind is not SignalKind.LEADER_CANCEL]

    async def lots(self) -> list[Lots]:
        """Whose the lots of each follower's positions are."""
        async with self._reading() as session:
            return [tables.read(row, Lots) for row in await session.fetch("SELECT * FROM lots")]

    async def live_orders(self) -> list[tuple[str, str]]:
        """(account, order id) of the followers' orders that were working when they were last heard of."""
        async with self._reading() as session:
            rows = await session.fetch(
                "SELECT account, order_id FROM orders JOIN followers USING (account) WHERE status = ANY($1)",
                [str(status) for status in LiveStatus],
            )
        return [(row["account"], row["order_id"]) for row in rows]

    async def latest_copies(self) -> list[Copy]:
        """The newest copy of each (follower, leader symbol): where each follower stands in its episode."""
        async with self._reading() as session:
            return [tables.read(row, Copy) for row in await session.fetch(_LATEST_COPIES)]

    async def leader_nets(self) -> list[tuple[str, str, int]]:
        """(leader, symbol, net after its newest signal)."""
        async with self._reading() as session:
            return [(row["leader"], row["symbol"], row["leader_net"]) for row in await session.fetch(_LEADER_NETS)]

    async def half_signalled(self, leader: str, groups: Sequence[str]) -> list[tuple[Signal, list[str]]]:
        """A leader's newest fill in each contract that has a signal for some of `groups` and none for the others:
        (one of its signals, the groups without). Only the newest can be: the desk commits group after group."""
        found: list[tuple[Signal, list[str]]] = []
        async with self._reading() as session:
            for symbol in {row["symbol"] for row in await session.fetch(_LEADER_NETS) if row["leader"] == leader}:
                rows = await session.fetch(
                    "SELECT * FROM signals WHERE leader = $1 AND symbol = $2 AND kind = $3 ORDER BY seq DESC LIMIT $4",
                    leader,
                    symbol,
                    SignalKind.LEADER_FILL,
                    len(groups),
                )
                newest = [tables.read(row, Signal) for row in rows]
                signalled = {signal.group for signal in newest if signal.source == newest[0].source}
                if missing := sorted(set(groups) - signalled if signalled else ()):
                    found.append((newest[0], missing))
        return found

    async def seen_fills(self, account: str, since_ns: int = 0) -> set[str]:
        """The fill ids of an account that are booked already, of what traded from `since_ns` on or has no time. A
        fill whose signal was committed counts, even when the desk was killed before the fill itself was written."""
        async with self._reading() as session:
            rows = await session.fetch(
                "SELECT fill_id FROM fills WHERE account = $1 AND (venue_ns >= $3 OR venue_ns = 0) "
                "UNION SELECT source FROM signals WHERE leader = $1 AND kind = $2 AND (venue_ns >= $3 OR venue_ns = 0)",
                account,
                SignalKind.LEADER_FILL,
                since_ns,
            )
        return {row["fill_id"] for row in rows}

    async def baseline(self, leader: str) -> int | None:
        """When a leader was first seen, ns; None when it never was."""
        async with self._reading() as session:
            return await session.fetchval("SELECT at_ns FROM baselines WHERE leader = $1", leader)

    async def counts(self, group: str | None = None) -> tuple[int, Counter[Decision]]:
        """How many leader signals there are, and how their pairs were decided; of one group, or of all. Corrections
        are not among them."""
        where = "s.kind <> 'correction' AND ($1::text IS NULL OR s.\"group\" = $1)"
        async with self._reading() as session:
            signals: int = await session.fetchval(f"SELECT count(*) FROM signals s WHERE {where}", group)  # noqa: S608
            rows = await session.fetch(
                "SELECT c.decision, count(*) AS pairs FROM copies c JOIN signals s USING (signal_id) "  # noqa: S608
                f"WHERE {where} GROUP BY c.decision",
                group,
            )
        return signals, Counter({Decision(row["decision"]): row["pairs"] for row in rows})

    async def recent_copies(self, limit: int) -> list[tuple[Signal, Copy]]:
        """The newest copies with their signals, newest first."""
        async with self._reading() as session:
            rows = await session.fetch(
                f"SELECT c.*, {_SIGNAL_COLUMNS} FROM copies c JOIN signals s USING (signal_id) "  # noqa: S608 - ours
                "ORDER BY s.seq DESC, c.seq DESC LIMIT $1",
                limit,
            )
        return [(tables.read(row, Signal, prefix="s_"), tables.read(row, Copy)) for row in rows]

    async def recent_orders(self, limit: int) -> list[VenueOrder]:
        """The orders that changed last, newest first."""
        async with self._reading() as session:
            rows = await session.fetch("SELECT * FROM orders ORDER BY updated_ns DESC LIMIT $1", limit)
        live = set(LiveStatus)
        return [tables.read(row, LiveOrder if row["status"] in live else DoneOrder) for row in rows]

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[Connection]:
        """A session with one consistent view of everything, for `engine/export.py`. Raises JournalDown."""
        async with self._reading() as session, session.transaction(isolation="repeatable_read", readonly=True):
            yield session

    @asynccontextmanager
    async def _reading(self) -> AsyncGenerator[Connection]:
        async with driver.session(self._database.journal, _TIMEOUT_S) as session:
            await expand(session)
            yield session
