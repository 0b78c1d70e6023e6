"""Everything that keeps the market's past, in one piece: the writer of what feeds tell, the backfills of what they did
not, and the forgetting of what is too old.

`engine/feeds.py` runs one on the feeds' own loop, away from the copying, gives it every market event (`take`),
finished candles (`keep`) and the news that a source is up (`connected`). Its sessions with the database are its own,
one for live data and one for backfills, so that neither waits for the other.
"""

import asyncio
from collections.abc import Callable, Iterable

from brokers.feed import History
from engine.catchup import Alert, Catchup, Loaded
from engine.market_writer import MarketWriter
from engine.retention import keep_forgetting
from schema.clock import Clock
from schema.market import Interval, MarketEvent
from schema.records import Bar
from schema.settings import Settings
from schema.store_market import MarketStore, StoredBar

MOST_READ = 5_000
"""Candles that a screen may ask for at once."""


class MarketKeeper:
    """See the module's docstring. `open_market` makes a store (`Store.market`); `history_of` gives the history of a
    source by name, or raises FeedDown."""

    def __init__(
        self,
        open_market: Callable[[], MarketStore],
        history_of: Callable[[str], History],
        settings: Settings,
        clock: Clock,
        alert: Alert,
        loaded: Loaded | None = None,
    ) -> None:
        self._live, self._past = open_market(), open_market()
        self._settings = settings
        self._clock = clock
        self.catchup = Catchup(self._past, history_of, clock, alert, loaded)
        self.writer = MarketWriter(self._live, clock, self.catchup.take)

    def take(self, event: MarketEvent) -> None:
        """A sink for every market event; returns at once."""
        self.writer.take(event)
        self.catchup.take(event)

    def keep(self, bars: Iterable[StoredBar]) -> None:
        """Candles that are over, or grow; returns at once."""
        self.writer.keep(bars)

    def connected(self, source: str) -> None:
        """A source is up (again)."""
        self.catchup.connected(source)

    async def stored(self, source: str, symbol: str, interval: Interval, until_ns: int, limit: int) -> tuple[Bar, ...]:
        """The newest `limit` candles (at most `MOST_READ`) that begin before `until_ns`, oldest first: the source's,
        or, where none of its are kept, those of the first that has any. Raises JournalDown."""
        known = await self._live.sources(symbol, interval)
        if not known:
            return ()
        chosen = source if source in known else known[0]
        least = max(1, min(limit, MOST_READ))
        return await self._live.bars(chosen, symbol, interval, limit=least, until_ns=until_ns)

    async def run(self) -> None:
        """Until canceled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.writer.run())
                group.create_task(self.catchup.run())
                group.create_task(keep_forgetting(self._past, self._settings, self._clock))
        finally:
            await self._live.close()
            await self._past.close()
