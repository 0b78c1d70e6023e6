"""The store's part about the market: candles, trades, and which stretches of them are known to be complete.

Written by `engine/market_writer.py` (live) and `engine/backfill.py` (what was), read by the chart and by
`copydesk candles`. Everything goes through sessions of this module's own, which wait neither for the journal's nor
keep it waiting: they are outside its pools, and what they commit is not flushed to the disk at once. After a power
failure the last fraction of a second may be gone, its coverage with it, and is asked for again.

**Why the tables are not cut into days.** A backfill writes days of the past in any order, and a partition is made by a
statement that locks the whole table while rows are on their way; to find the newest 600 candles of a symbol all parts
would be asked. As it is they are one walk along the key. What is too old is found by a BRIN index, which follows the
order in which rows come in, costs next to nothing to write, and is a few pages for a year. Where TimescaleDB is
installed the same two tables are its hypertables (migration 0015), which it cuts by itself, and nothing here differs.

**What replaces what.** A candle that the venue itself told, once it is over, always replaces, and gives way to nothing
but a newer word of the venue's. Anything else is replaced by whatever holds at least as much volume, so that a candle
never shrinks: neither by a page that was read before the last trade, nor by ticks with a gap. A trade is a fact: the
first word of it stays.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Any

import msgspec

from schema.driver import Connection, Row, journal_errors
from schema.market import Aggressor, Interval, Trade
from schema.records import Bar, Record
from schema.stretches import Stretch, Stretches

TRADES = "trades"
"""What coverage calls trades; candles it calls by their interval."""
BATCH = 5_000
_TIMEOUT_S = 30.0
_FORGET_TIMEOUT_S = 600.0
_BREATH = 100  # rows made ready in one go, well under 1 ms: no order waits for a candle
_PAGE = 5_000


class Origin(StrEnum):
    """Whose word a candle is."""

    VENUE = "venue"
    TICKS = "ticks"  # built from trades


class StoredBar(Record, frozen=True):
    """A candle as it is kept. `trades` is how many it holds, 0 where that was not told; `closed`: it is over."""

    source: str
    symbol: str
    interval: str
    start_ns: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    trades: int
    origin: Origin
    closed: bool

    @classmethod
    def of(
        cls, source: str, interval: Interval, bar: Bar, *, origin: Origin, closed: bool, trades: int = 0
    ) -> "StoredBar":
        return cls(
            source=source,
            symbol=bar.symbol,
            interval=str(interval),
            start_ns=bar.start_ns,
            open=bar.open,
            high=bar.high,
            low=bar.low,
            close=bar.close,
            volume=bar.volume,
            trades=trades,
            origin=origin,
            closed=closed,
        )


class Covered(Record, frozen=True):
    """A stretch in which all that begins is stored and finished. `what` is TRADES or an interval."""

    source: str
    symbol: str
    what: str
    stretch: Stretch


class Written(Record, frozen=True):
    """How many rows are new or have changed."""

    bars: int = 0
    trades: int = 0


class _Kind(Record, frozen=True):
    """One of the two tables: what is staged, and how it gets from there into the table."""

    table: str
    columns: tuple[str, ...]
    upsert: str

    @property
    def staged(self) -> str:
        return f"staged_{self.table}"

    def prepare(self) -> str:
        return (
            f"CREATE TEMPORARY TABLE IF NOT EXISTS {self.staged} "
            f"(place bigint NOT NULL, LIKE {self.table}) ON COMMIT DELETE ROWS"
        )


_BARS = _Kind(
    table="bars",
    columns=StoredBar.__struct_fields__,
    # Of the same candle twice in a batch the better word goes in; in the order of the key, so that no two writers wait
    # for each other.
    upsert="""
INSERT INTO bars (source, symbol, "interval", start_ns, "open", high, low, "close", volume, trades, origin, closed)
SELECT DISTINCT ON (source, symbol, "interval", start_ns)
  source, symbol, "interval", start_ns, "open", high, low, "close", volume, trades, origin, closed
FROM staged_bars
ORDER BY source, symbol, "interval", start_ns, (origin = 'venue' AND closed) DESC,
  CASE WHEN origin = 'venue' AND closed THEN 0 ELSE volume END DESC, place DESC
ON CONFLICT (source, symbol, "interval", start_ns) DO UPDATE SET
  "open" = excluded."open", high = excluded.high, low = excluded.low, "close" = excluded."close",
  volume = excluded.volume, trades = excluded.trades, origin = excluded.origin, closed = excluded.closed
WHERE (excluded.origin = 'venue' AND excluded.closed
    OR NOT (bars.origin = 'venue' AND bars.closed) AND excluded.volume >= bars.volume)
  AND (bars."open", bars.high, bars.low, bars."close", bars.volume, bars.trades, bars.origin, bars.closed)
    IS DISTINCT FROM (excluded."open", excluded.high, excluded.low, excluded."close", excluded.volume,
      excluded.trades, excluded.origin, excluded.closed)
""",
)
_TRADES = _Kind(
    table="trades",
    columns=("source", "symbol", "trade_id", "ts_ns", "seq", "price", "size", "aggressor"),
    upsert="""
INSERT INTO trades (source, symbol, trade_id, ts_ns, seq, price, size, aggressor)
SELECT source, symbol, trade_id, ts_ns, seq, price, size, aggressor
FROM staged_trades ORDER BY source, symbol, ts_ns, trade_id, place
ON CONFLICT (source, symbol, ts_ns, trade_id) DO NOTHING
""",
)
_COVER = """
INSERT INTO coverage (source, symbol, what, ranges)
SELECT source, symbol, what, range_agg(int8range(since_ns, until_ns))
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[])
  AS said (source, symbol, what, since_ns, until_ns)
WHERE since_ns < until_ns GROUP BY source, symbol, what ORDER BY source, symbol, what
ON CONFLICT (source, symbol, what) DO UPDATE SET ranges = coverage.ranges + excluded.ranges
"""
_NEWEST_BARS = """
SELECT start_ns, "open", high, low, "close", volume FROM bars
WHERE source = $1 AND symbol = $2 AND "interval" = $3 AND start_ns >= $4 AND start_ns < $5
ORDER BY start_ns DESC LIMIT $6
"""
_VENUE_BARS = """
SELECT start_ns, "open", high, low, "close", volume FROM bars
WHERE source = $1 AND symbol = $2 AND "interval" = $3 AND start_ns >= $4 AND start_ns < $5
  AND origin = 'venue' AND closed ORDER BY start_ns
"""
# An id that is a number sorts as one, among those of the same length.
_TRADES_AFTER = """
SELECT trade_id, ts_ns, seq, price, size, aggressor FROM trades
WHERE source = $1 AND symbol = $2 AND ts_ns >= $3 AND ts_ns < $4
  AND (ts_ns, seq, length(trade_id), trade_id) > ($3, $5, length($6::text), $6::text)
ORDER BY ts_ns, seq, length(trade_id), trade_id LIMIT $7
"""
_COVERED = """
SELECT lower(part) AS since_ns, upper(part) AS until_ns FROM coverage,
  unnest(ranges * int8multirange(int8range($4, $5))) AS part
WHERE source = $1 AND symbol = $2 AND what = $3 ORDER BY 1
"""
# From source to source through the key.
_SOURCES = """
WITH RECURSIVE known AS (
  (SELECT source FROM bars ORDER BY source LIMIT 1)
  UNION ALL
  SELECT (SELECT source FROM bars WHERE source > known.source ORDER BY source LIMIT 1) FROM known
  WHERE known.source IS NOT NULL
)
SELECT source FROM known WHERE EXISTS (
  SELECT FROM bars WHERE bars.source = known.source AND symbol = $1 AND "interval" = $2) ORDER BY source
"""
_FORGET_COVERAGE = """
UPDATE coverage SET ranges = ranges - int8multirange(
  int8range(NULL, CASE what WHEN 'trades' THEN $2::bigint ELSE $1::bigint END))
WHERE lower(ranges) < CASE what WHEN 'trades' THEN $2::bigint ELSE $1::bigint END
"""


class MarketStore:
    """See the module's docstring. `connect` opens a session with the desk's database. For one loop: one that
    runs beside the desk's has a store of its own."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]]) -> None:
        self._writing = _AtHand(connect, writes=True)
        self._reading = _AtHand(connect, writes=False)

    async def close(self) -> None:
        """Let go of the sessions."""
        self._writing.close()
        self._reading.close()

    # --- writing -----------------------------------------------------------------------------------------------------

    async def put(
        self, *, bars: Sequence[StoredBar] = (), trades: Sequence[Trade] = (), covered: Sequence[Covered] = ()
    ) -> Written:
        """Keep rows, `BATCH` of them in a commit, and with the last of them say what they complete. What was put
        before is known again. Raises JournalDown, and then putting the same again is harmless."""
        work: list[tuple[_Kind, Sequence[Any]]] = [
            *((_BARS, bars[at : at + BATCH]) for at in range(0, len(bars), BATCH)),
            *((_TRADES, trades[at : at + BATCH]) for at in range(0, len(trades), BATCH)),
        ]
        changed = {_BARS.table: 0, _TRADES.table: 0}
        async with self._writing.session(_TIMEOUT_S) as session:
            for kind, rows in work[:-1]:
                async with session.transaction():
                    changed[kind.table] += await _put(session, kind, rows)
            async with session.transaction():
                for kind, rows in work[-1:]:
                    changed[kind.table] += await _put(session, kind, rows)
                if covered:
                    await session.execute(
                        _COVER,
                        [_text(each.source) for each in covered],
                        [_text(each.symbol) for each in covered],
                        [each.what for each in covered],
                        [each.stretch.since_ns for each in covered],
                        [each.stretch.until_ns for each in covered],
                    )
        return Written(bars=changed[_BARS.table], trades=changed[_TRADES.table])

    async def forget(self, *, bars_before_ns: int, trades_before_ns: int) -> Written:
        """Delete what begins before these times, its coverage with it; how much that was. Raises JournalDown."""
        async with self._writing.session(_FORGET_TIMEOUT_S) as session, session.transaction():
            await session.execute(_FORGET_COVERAGE, bars_before_ns, trades_before_ns)
            await session.execute("DELETE FROM coverage WHERE isempty(ranges)")
            bars = await session.execute("DELETE FROM bars WHERE start_ns < $1", bars_before_ns)
            trades = await session.execute("DELETE FROM trades WHERE ts_ns < $1", trades_before_ns)
        return Written(bars=_count(bars), trades=_count(trades))

    # --- reading -----------------------------------------------------------------------------------------------------

    async def bars(
        self,
        source: str,
        symbol: str,
        interval: Interval,
        *,
        limit: int,
        since_ns: int = 0,
        until_ns: int = 2**63 - 1,
    ) -> tuple[Bar, ...]:
        """The newest `limit` candles that begin within the time, oldest first. Raises JournalDown."""
        async with self._reading.session(_TIMEOUT_S) as session:
            rows = await session.fetch(_NEWEST_BARS, source, symbol, str(interval), since_ns, until_ns, limit)
        return tuple(_bar(symbol, row) for row in reversed(rows))

    async def sources(self, symbol: str, interval: Interval) -> tuple[str, ...]:
        """The sources of which candles are stored. Raises JournalDown."""
        async with self._reading.session(_TIMEOUT_S) as session:
            return tuple(row[0] for row in await session.fetch(_SOURCES, symbol, str(interval)))

    async def venue_bars(self, source: str, symbol: str, interval: Interval, stretch: Stretch) -> tuple[Bar, ...]:
        """The candles that the venue itself told, finished ones only, oldest first. Raises JournalDown."""
        async with self._reading.session(_TIMEOUT_S) as session:
            rows = await session.fetch(_VENUE_BARS, source, symbol, str(interval), stretch.since_ns, stretch.until_ns)
        return tuple(_bar(symbol, row) for row in rows)

    async def trades(self, source: str, symbol: str, stretch: Stretch) -> AsyncIterator[tuple[Trade, ...]]:
        """Trades within the time as they were made, in pages. Raises JournalDown."""
        after = (stretch.since_ns, -1, "")
        while True:
            async with self._reading.session(_TIMEOUT_S) as session:
                rows = await session.fetch(
                    _TRADES_AFTER, source, symbol, after[0], stretch.until_ns, after[1], after[2], _PAGE
                )
            if rows:
                yield tuple(_trade(source, symbol, row) for row in rows)
                after = (rows[-1]["ts_ns"], rows[-1]["seq"], rows[-1]["trade_id"])
            if len(rows) < _PAGE:
                return

    async def covered(self, source: str, symbol: str, what: Interval | str, stretch: Stretch) -> Stretches:
        """The parts of `stretch` that are known to be complete, in order. Raises JournalDown."""
        async with self._reading.session(_TIMEOUT_S) as session:
            rows = await session.fetch(_COVERED, source, symbol, str(what), stretch.since_ns, stretch.until_ns)
        return tuple(Stretch(row["since_ns"], row["until_ns"]) for row in rows)


class _AtHand:
    """A session that is kept for its next user, one at a time. One that failed in any way is thrown away."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]], *, writes: bool) -> None:
        self._connect = connect
        self._writes = writes
        self._kept: Connection | None = None
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def session(self, timeout_s: float) -> AsyncGenerator[Connection]:
        """Raises JournalDown, also when it takes longer than `timeout_s` in all."""
        async with self._turn, journal_errors(), asyncio.timeout(timeout_s):
            session, self._kept = self._kept, None
            fresh = session is None or session.is_closed()
            if session is None or fresh:
                session = await self._connect()
            try:
                if fresh:
                    await self._introduce(session)
                yield session
            except BaseException:
                session.terminate()
                raise
            self._kept = session

    async def _introduce(self, session: Connection) -> None:
        await session.execute("SELECT set_config('application_name', 'copydesk market', false)")
        if self._writes:
            await session.execute("SET synchronous_commit = off")
            for kind in (_BARS, _TRADES):
                await session.execute(kind.prepare())

    def close(self) -> None:
        if self._kept is not None:
            self._kept.terminate()
            self._kept = None


async def _put(session: Connection, kind: _Kind, rows: Sequence[Any]) -> int:
    await session.copy_records_to_table(kind.staged, records=_staged(kind, rows), columns=("place", *kind.columns))
    return _count(await session.execute(kind.upsert))


async def _staged(kind: _Kind, rows: Sequence[Any]) -> AsyncIterator[tuple[Any, ...]]:
    """Rows for the copy, letting others have their turn between helpings."""
    for place, row in enumerate(rows):
        if place % _BREATH == _BREATH - 1:
            await asyncio.sleep(0)
        values = msgspec.structs.astuple(row) if kind is _BARS else _values(row)
        yield (place, *(_text(value) if isinstance(value, str) else value for value in values))


def _text(value: str) -> str:
    """Postgres can't store a NUL in text, and no source's word may keep the others from being written."""
    return value.replace("\0", "")


def _values(trade: Trade) -> tuple[Any, ...]:
    return (
        trade.source,
        trade.symbol,
        trade.trade_id,
        trade.ts_ns,
        trade.seq,
        trade.price,
        trade.size,
        trade.aggressor,
    )


def _count(tag: str) -> int:
    """``INSERT 0 12`` is 12."""
    return int(tag.rpartition(" ")[2])


def _bar(symbol: str, row: Row) -> Bar:
    return Bar(symbol, row[0], row[1], row[2], row[3], row[4], row[5])


def _trade(source: str, symbol: str, row: Row) -> Trade:
    return Trade(
        source=source,
        symbol=symbol,
        ts_ns=row["ts_ns"],
        received_ns=row["ts_ns"],
        seq=row["seq"],
        price=row["price"],
        size=row["size"],
        aggressor=Aggressor(row["aggressor"]),
        trade_id=row["trade_id"],
    )
