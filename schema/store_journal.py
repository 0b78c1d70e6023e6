"""The store's journal part. `commit_signal` stands between a plan and its orders; `record` is written behind them.

Called by `engine/journal.py` only. A signal and its copies are one statement: one round trip, one commit, flushed to
disk before it returns. The copies travel as one document, a plan; their rows are made behind the orders
(`expand` in `store_plans.py`), before anybody reads or changes copies.
"""

# ruff: noqa: S608 - table and column names in statements are this package's own

import os
import socket
from collections.abc import Sequence
from decimal import Decimal
from statistics import median
from time import perf_counter
from typing import Any
from uuid import uuid4

import stamina

from schema import driver, tables
from schema.clock import Clock
from schema.database import Database, DatabaseTaken
from schema.records import (
    AccountState,
    Copy,
    Fill,
    LiveOrder,
    Lots,
    ManualOrder,
    Position,
    Record,
    Side,
    Signal,
    SignalKind,
    VenueOrder,
)
from schema.store_config import StorePart, StoreRefused
from schema.store_plans import expand

_TIMEOUT_S = 2.0
_PREDECESSOR_S = 3.0
_ORDER = LiveOrder  # both order types have the same columns


class AlertRecord(Record, frozen=True):
    """One sentence the trader was shown. `level` is info, warn or alarm."""

    at_ns: int
    level: str
    text: str


class Batch(Record, frozen=True):
    """Rows to write behind: the newest of each key. Copies and manual orders must have been
    committed before."""

    copies: tuple[Copy, ...] = ()
    fills: tuple[Fill, ...] = ()
    orders: tuple[VenueOrder, ...] = ()
    positions: tuple[Position, ...] = ()
    states: tuple[AccountState, ...] = ()
    lots: tuple[Lots, ...] = ()
    manual: tuple[ManualOrder, ...] = ()
    alerts: tuple[AlertRecord, ...] = ()


def _commit_sql() -> str:
    signal = ("session", *tables.fields(Signal))
    parameters = ", ".join(f"${number}" for number in range(1, len(signal) + 1))
    return (
        f"WITH fresh AS (INSERT INTO signals ({tables.quoted(signal)}) VALUES ({parameters}) "
        "ON CONFLICT (signal_id) DO NOTHING RETURNING signal_id), "
        f"planned AS (INSERT INTO plans (copies) SELECT ${len(signal) + 1} FROM fresh) "
        "SELECT EXISTS (SELECT FROM fresh)"
    )


def _upsert_sql(table: str, kind: type[Record], key: Sequence[str]) -> str:
    names = tables.fields(kind)
    return (
        f"INSERT INTO {table} ({tables.quoted(names)}, updated_ns) "
        f"SELECT rows.*, $1 FROM {tables.unnest(kind, 2)} AS rows "
        f"ON CONFLICT ({tables.quoted(key)}) DO UPDATE SET {tables.excluded((*names, 'updated_ns'), key)}"
    )


def _update_sql(table: str, kind: type[Record], key: Sequence[str], kept: Sequence[str]) -> str:
    names = tables.fields(kind)
    changes = ", ".join(f'"{name}" = rows."{name}"' for name in names if name not in kept)
    where = " AND ".join(f"{table}.{name} = rows.{name}" for name in key)
    return f"UPDATE {table} SET {changes} FROM {tables.unnest(kind)} AS rows ({tables.quoted(names)}) WHERE {where}"


def _insert_sql(table: str, kind: type[Record], conflict: str = "") -> str:
    return f"INSERT INTO {table} ({tables.quoted(tables.fields(kind))}) SELECT * FROM {tables.unnest(kind)} {conflict}"


_COMMIT = _commit_sql()
_UPDATE_COPIES = _update_sql("copies", Copy, ("signal_id", "follower"), ("signal_id", "follower", "cl_ord_id"))
_CONFIRMED = ("cl_ord_id", "plan_id", "account", "symbol", "side", "time_in_force", "reducing", "asked_ns")
_UPDATE_MANUAL = _update_sql("manual_orders", ManualOrder, ("cl_ord_id",), _CONFIRMED)
_INSERT_FILLS = _insert_sql("fills", Fill, "ON CONFLICT DO NOTHING")
_INSERT_ALERTS = _insert_sql("alerts", AlertRecord)
_UPSERT_ORDERS = _upsert_sql("orders", _ORDER, ("account", "order_id"))
_UPSERT_POSITIONS = _upsert_sql("positions", Position, ("account", "symbol"))
# Whether the signal there is this very one: a leader's order that is told again after its end has the same id.
_MINE = "SELECT session = $2 AND received_ns = $3 FROM signals WHERE signal_id = $1"
_UPSERT_LOTS = _upsert_sql("lots", Lots, ("account", "symbol"))
_UPSERT_STATES = _upsert_sql("account_states", AccountState, ("account",))


class JournalStore(StorePart):
    """What happened, as it happens."""

    def __init__(self, database: Database, clock: Clock) -> None:
        super().__init__(database, clock)
        self.session_id = uuid4().hex  # of this opening of a desk
        self._perhaps_written: set[str] = set()

    async def commit_signal(self, signal: Signal, copies: Sequence[Copy]) -> bool:
        """Make a signal and all its copies durable, in one round trip. False when the journal already held the signal:
        then nothing was written, and nothing may be sent for it. Raises JournalDown; then try again with the same
        signal: if the failed attempt was committed after all, the next one says True, because its orders never left.
        """
        parameters: list[Any] = [self.session_id, *tables.values(signal), tables.document(copies)]
        async with self._database.commit_session() as session:
            retried = signal.signal_id in self._perhaps_written
            self._perhaps_written.add(signal.signal_id)
            fresh: bool = await session.fetchval(_COMMIT, *parameters, timeout=_TIMEOUT_S)
            if not fresh and retried:
                fresh = await session.fetchval(_MINE, signal.signal_id, self.session_id, signal.received_ns)
        self._perhaps_written.discard(signal.signal_id)
        return fresh

    async def claim(self, desk: str) -> None:
        """Be the one desk that copies with this database. A predecessor that was killed may hold it a moment longer.
        Raises StoreRefused, whose text names the desk that copies, and JournalDown."""
        owner = f"desk {desk} (pid {os.getpid()} on {socket.gethostname()})"
        try:
            async for attempt in stamina.retry_context(
                on=DatabaseTaken, attempts=None, timeout=_PREDECESSOR_S, wait_initial=0.05, wait_max=0.2
            ):
                with attempt:
                    await self._database.claim(owner)
        except DatabaseTaken as taken:
            raise StoreRefused(
                f"database_url: {taken}; stop that desk first, or give this one a database of its own."
            ) from None

    async def rehearse(self) -> None:
        """Run a commit and take it back: the first one in a session takes 5 ms longer, and no order is to wait for
        that. Raises JournalDown."""
        nobody = Signal(
            signal_id="rehearsal",
            kind=SignalKind.CORRECTION,
            group="",
            leader="",
            symbol="",
            side=Side.BUY,
            qty=0,
            price=Decimal(0),
            leader_net=0,
            source="",
            venue_ns=0,
            received_ns=0,
        )
        async with self._database.commit_session() as session:
            await session.execute("BEGIN", timeout=_TIMEOUT_S)
            await session.fetchval(_COMMIT, self.session_id, *tables.values(nobody), "[]", timeout=_TIMEOUT_S)
            await session.execute("ROLLBACK", timeout=_TIMEOUT_S)

    async def record(self, batch: Batch) -> None:
        """Write a batch in one transaction; writing one twice changes nothing but its alerts. An empty batch proves
        that the database is there. Raises JournalDown."""
        now_ns = self._clock.now_ns()
        async with driver.session(self._database.journal, _TIMEOUT_S) as session, session.transaction():
            await expand(session)
            if batch.copies:
                await session.execute(_UPDATE_COPIES, *tables.arrays(batch.copies, Copy))
            if batch.fills:
                await session.execute(_INSERT_FILLS, *tables.arrays(batch.fills, Fill))
            if batch.orders:
                await session.execute(_UPSERT_ORDERS, now_ns, *tables.arrays(batch.orders, _ORDER))
            if batch.positions:
                await session.execute(_UPSERT_POSITIONS, now_ns, *tables.arrays(batch.positions, Position))
            if batch.states:
                await session.execute(_UPSERT_STATES, now_ns, *tables.arrays(batch.states, AccountState))
            if batch.lots:
                await session.execute(_UPSERT_LOTS, now_ns, *tables.arrays(batch.lots, Lots))
            if batch.manual:
                await session.execute(_UPDATE_MANUAL, *tables.arrays(batch.manual, ManualOrder))
            if batch.alerts:
                await session.execute(_INSERT_ALERTS, *tables.arrays(batch.alerts, AlertRecord))

    async def set_baseline(self, leader: str, at_ns: int) -> None:
        """Remember when a leader was first seen; the first answer stands. Raises JournalDown."""
        async with driver.session(self._database.journal, _TIMEOUT_S) as session:
            await session.execute(
                "INSERT INTO baselines (leader, at_ns) VALUES ($1, $2) ON CONFLICT DO NOTHING", leader, at_ns
            )

    async def measure_commit_ms(self, rounds: int = 50) -> float:
        """How long a durable commit takes here: the median of so many, in milliseconds. Raises JournalDown."""
        took: list[float] = []
        async with driver.session(self._database.journal, _TIMEOUT_S) as session:
            # The smallest thing that makes a transaction wait for the disk.
            for _ in range(rounds):
                started = perf_counter()
                await session.fetchval("SELECT pg_logical_emit_message(true, 'copydesk', 'how long')")
                took.append((perf_counter() - started) * 1e3)
        return median(took)
