"""What a feed tells, on its way into the store: a bounded queue, and one writer that nobody waits for.

`take` is a sink (`brokers/feed.py`) and `keep` takes finished candles; both return at once. While the database can't be
used, or is slower than the market, the newest `limit` rows wait and what comes above that is dropped: counted, and told
as a FeedGap like any other stretch that was not told, so that a backfill brings it back. The trading journal is not in
this: the store's sessions are its own (`schema/store_market.py`).

A symbol's trades are known to be complete from the first one after a gap up to the newest one written: of the newest
nanosecond there may be more to come.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from itertools import islice

import structlog

from brokers.feed import Sink
from engine.backfill import Named
from schema.clock import Clock
from schema.driver import JournalDown
from schema.market import FeedGap, MarketEvent, Trade
from schema.records import Record
from schema.store_market import BATCH, TRADES, Covered, MarketStore, StoredBar
from schema.stretches import Stretch

_LIMIT = 200_000
_EVERY_S = 0.25
_AGAIN_S, _LONGEST_S = 0.5, 10.0
_END_S = 2.0
log = structlog.get_logger(__name__)


class WriterCounts(Record, frozen=True):
    """Since the start: rows taken, written and dropped, and those that wait now."""

    taken: int
    written: int
    dropped: int
    waiting: int


class MarketWriter:
    """See the module's docstring. For one loop; `told` hears of what had to be dropped."""

    def __init__(
        self, store: MarketStore, clock: Clock, told: Sink, *, limit: int = _LIMIT, every_s: float = _EVERY_S
    ) -> None:
        self._store = store
        self._clock = clock
        self._told = told
        self._limit = limit
        self._every_s = every_s
        self._trades: deque[tuple[int, Trade]] = deque()  # with the time since when nothing was missed
        self._bars: deque[StoredBar] = deque()
        self._named: dict[tuple[str, str], Named] = {}
        self._whole_since: dict[tuple[str, str], int] = {}
        self._lost: dict[tuple[str, str], tuple[int, int, int]] = {}  # since, until, how many
        self._taken = self._written = self._dropped = 0
        self._batch = BATCH
        self._some = asyncio.Event()

    def counts(self) -> WriterCounts:
        return WriterCounts(
            taken=self._taken,
            written=self._written,
            dropped=self._dropped,
            waiting=len(self._trades) + len(self._bars),
        )

    def take(self, event: MarketEvent) -> None:
        """Keep a trade, and learn of a gap; other events are nothing to the store."""
        if isinstance(event, Trade):
            self._take(event)
        elif isinstance(event, FeedGap) and not event.of_depth:
            self._whole_since.pop((event.source, event.symbol), None)

    def keep(self, bars: Iterable[StoredBar]) -> None:
        """Keep candles."""
        for bar in bars:
            self._taken += 1
            if self._full():
                self._drop(bar.source, bar.symbol, bar.start_ns)
            else:
                self._bars.append(bar)
        self._some.set()

    async def run(self) -> None:
        """Write until canceled, through every loss of the database. What waits at the end is written if it can be at
        once; else the next start asks the source for it again, since it is not covered."""
        failures = 0
        try:
            while True:
                await self._some.wait()
                try:
                    await self._write()
                    failures = 0
                except JournalDown as down:
                    failures += 1
                    if failures == 1:
                        log.warning("market data waits", reason=str(down), rows=self.counts().waiting)
                    await asyncio.sleep(min(_AGAIN_S * 2 ** min(failures, 10), _LONGEST_S))
                    continue
                self._tell_lost()
                if not self._trades and not self._bars:
                    self._some.clear()
                    await asyncio.sleep(self._every_s)
        finally:
            try:
                async with asyncio.timeout(_END_S):
                    while self._trades or self._bars:
                        await self._write()
            except (JournalDown, TimeoutError):
                log.warning("market data not written", rows=self.counts().waiting)

    def _take(self, trade: Trade) -> None:
        key = (trade.source, trade.symbol)
        self._taken += 1
        if self._full():
            self._drop(*key, trade.ts_ns)
            return
        whole_since_ns = self._whole_since.setdefault(key, trade.ts_ns)
        self._trades.append((whole_since_ns, self._named.setdefault(key, Named())(trade)))
        self._some.set()

    def _full(self) -> bool:
        return len(self._trades) + len(self._bars) >= self._limit

    def _drop(self, source: str, symbol: str, ts_ns: int) -> None:
        key = (source, symbol)
        self._dropped += 1
        self._whole_since.pop(key, None)
        since_ns, until_ns, count = self._lost.get(key, (ts_ns, ts_ns, 0))
        self._lost[key] = (min(since_ns, ts_ns), max(until_ns, ts_ns), count + 1)

    def _tell_lost(self) -> None:
        if self._full():
            return
        lost, self._lost = self._lost, {}
        for (source, symbol), (since_ns, until_ns, count) in lost.items():
            log.error("market data dropped", source=source, symbol=symbol, rows=count)
            self._told(
                FeedGap(
                    source=source,
                    symbol=symbol,
                    ts_ns=until_ns + 1,
                    received_ns=self._clock.now_ns(),
                    since_ns=since_ns,
                    missed=count,
                    reason="the database was slower than the market",
                )
            )

    async def _write(self) -> None:
        """The oldest rows, trades first; they stay at the head of their queue until they are written. A batch that the
        database refuses is tried again in halves, until the row that it does not take is alone, and is dropped."""
        waiting = list(islice(self._trades, self._batch))
        bars = [] if waiting else list(islice(self._bars, self._batch))
        try:
            await self._store.put(bars=bars, trades=[trade for _, trade in waiting], covered=_complete(waiting))
        except JournalDown:
            raise
        except Exception as refused:  # noqa: BLE001 - whatever is wrong with a row, it ends neither this nor the desk
            self._batch = max(1, self._batch // 2)
            if len(waiting) + len(bars) > 1:
                return
            row = waiting[0][1] if waiting else bars[0]
            log.error("market data refused", source=row.source, symbol=row.symbol, error=repr(refused))
            self._drop(row.source, row.symbol, row.ts_ns if isinstance(row, Trade) else row.start_ns)
        else:
            self._batch = min(BATCH, self._batch * 2)
            self._written += len(waiting) + len(bars)
        for _ in waiting:
            self._trades.popleft()
        for _ in bars:
            self._bars.popleft()


def _complete(waiting: Iterable[tuple[int, Trade]]) -> list[Covered]:
    """What trades complete once they are written: since the last gap before them, up to the newest."""
    ends: dict[tuple[str, str, int], int] = {}
    for since_ns, trade in waiting:
        key = (trade.source, trade.symbol, since_ns)
        ends[key] = max(ends.get(key, since_ns), trade.ts_ns)
    return [
        Covered(source, symbol, TRADES, Stretch(since_ns, until_ns))
        for (source, symbol, since_ns), until_ns in ends.items()
        if since_ns < until_ns
    ]
