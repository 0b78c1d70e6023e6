"""What a chart waits for its stored candles, and what live trades cost on their way into the database.

On an embedded Postgres with 200,000 candles of ten symbols. The floor of a read is the driver's own fetch of the same
rows; the floor of a write is the driver's own copy of them into a table that keeps no order.
"""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from engine.latency import percentile
from schema.clock import SYSTEM_CLOCK
from schema.market import Interval, S, Trade
from schema.postgres import EmbeddedPostgres
from schema.records import Bar
from schema.settings import Settings
from schema.store import Store
from schema.store_market import BATCH, MarketStore, Origin, StoredBar
from tests.bench.figures import Measured

LIMIT = 600
P95_MS = 5.0
_SYMBOLS, _BARS, _READS, _WRITES = 10, 20_000, 300, 20
_MINUTE = Interval.parse("1m")
_FETCH = (
    'SELECT start_ns, "open", high, low, "close", volume FROM bars '
    'WHERE source = $1 AND symbol = $2 AND "interval" = $3 ORDER BY start_ns DESC LIMIT $4'
)


def measure() -> list[Measured]:
    read_ms, read_floor_ms, write_ms, write_floor_ms = asyncio.run(_measure())
    p95 = percentile(sorted(read_ms), 95)
    return [
        Measured(f"{LIMIT} candles from the store (p95 {p95:.2f})", "ms", read_ms, read_floor_ms),
        Measured(f"{BATCH:,} new trades into the store", "ms", write_ms, write_floor_ms),
    ]


async def reads_ms() -> tuple[list[float], list[float]]:
    """What each read took, and its floor."""
    read, floor, _, _ = await _measure(writes=0)
    return read, floor


async def _measure(writes: int = _WRITES) -> tuple[list[float], list[float], list[float], list[float]]:
    folder = Path(tempfile.mkdtemp(prefix="copydesk-bench-"))
    folder.chmod(0o711)
    settings = Settings(state_dir=folder / "state")
    store = await Store.open(settings, SYSTEM_CLOCK)
    market = store.market()
    try:
        await _fill(market)
        read, floor = list[float](), list[float]()
        async with store.reading() as session:
            for number in range(_READS):
                symbol = f"S{number % _SYMBOLS}"
                started = time.perf_counter()
                bars = await market.bars("bench", symbol, _MINUTE, limit=LIMIT)
                read.append((time.perf_counter() - started) * 1e3)
                started = time.perf_counter()
                rows = await session.fetch(_FETCH, "bench", symbol, "1m", LIMIT)
                floor.append((time.perf_counter() - started) * 1e3)
                if len(bars) != LIMIT or len(rows) != LIMIT:
                    raise SystemExit("the store has fewer candles than were put in")
        write, write_floor = await _writes(store, market, writes)
        return read, floor, write, write_floor
    finally:
        await market.close()
        await store.close()
        await EmbeddedPostgres(settings.state_dir).discard()


async def _fill(market: MarketStore) -> None:
    for symbol in range(_SYMBOLS):
        bars = (
            Bar(f"S{symbol}", at * 60 * S, 4800.0 + at % 7, 4810.0, 4790.0, 4800.0 + at % 5, float(at % 97))
            for at in range(_BARS)
        )
        await market.put(bars=[StoredBar.of("bench", _MINUTE, bar, origin=Origin.VENUE, closed=True) for bar in bars])


async def _writes(store: Store, market: MarketStore, writes: int) -> tuple[list[float], list[float]]:
    took, floor = list[float](), list[float]()
    async with store._database.commit_session() as session:  # type: ignore[attr-defined]
        await session.execute("CREATE TEMPORARY TABLE floor (symbol text, ts_ns bigint, price double precision)")
    for number in range(writes):
        trades = [
            Trade(source="bench", symbol="S1", ts_ns=at, received_ns=at, price=4800.0, size=1.0, trade_id=str(at))
            for at in range(number * BATCH, (number + 1) * BATCH)
        ]
        started = time.perf_counter()
        await market.put(trades=trades)
        took.append((time.perf_counter() - started) * 1e3)
        started = time.perf_counter()
        async with store._database.commit_session() as session:  # type: ignore[attr-defined]
            await session.copy_records_to_table("floor", records=_rows(trades), columns=("symbol", "ts_ns", "price"))
        floor.append((time.perf_counter() - started) * 1e3)
    return took, floor


async def _rows(trades: list[Trade]) -> AsyncIterator[tuple[str, int, float]]:
    for trade in trades:
        yield trade.symbol, trade.ts_ns, trade.price
