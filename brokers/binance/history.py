"""Binance spot as a `History`: candles and trades in pages of 1,000, as fast as the request weight allows
(`docs/binance.md` 7). Built by `source.py`."""

from collections.abc import AsyncIterator

from brokers.binance import SOURCE, wire
from brokers.binance.limits import Limits
from brokers.binance.listing import Listing
from brokers.binance.rest import Rest
from brokers.feed import FeedDown
from schema.market import Interval, Trade
from schema.records import Bar


class BinanceHistory:
    """See the module's docstring. `candles` counts what was told."""

    source = SOURCE

    def __init__(self, rest: Rest, listing: Listing, limits: Limits) -> None:
        self.candles = 0
        self._rest = rest
        self._listing = listing
        self._limits = limits

    async def bars(
        self, symbol: str, interval: Interval, since_ns: int, until_ns: int
    ) -> AsyncIterator[tuple[Bar, ...]]:
        """Candles that open within the time. One without a trade is there as well, with volume 0; the newest may still
        grow. Raises FeedDown, also for an interval that the venue does not have."""
        try:
            name = wire.interval_name(interval)
        except ValueError as error:
            raise FeedDown(f"interval: {error}") from None
        (listed,) = await self._listing.require([symbol])
        since_ms, last_ms = _up(since_ns), _up(until_ns) - 1
        while since_ms <= last_ms:
            found = await self._rest.klines(listed.symbol, name, since_ms, last_ms)
            bars = tuple(
                bar for bar in found if since_ns <= bar.start_ns < until_ns and bar.start_ns // wire.MS >= since_ms
            )
            if not bars:
                return
            self.candles += len(bars)
            yield bars
            since_ms = bars[-1].start_ns // wire.MS + 1
            if len(found) < self._limits.page:
                return

    async def trades(self, symbol: str, since_ns: int, until_ns: int) -> AsyncIterator[tuple[Trade, ...]]:
        """Trades within the time, each once. Raises FeedDown."""
        (listed,) = await self._listing.require([symbol])
        from_id = await self._rest.first_trade_id(listed.symbol, since_ns // wire.MS, _up(until_ns) - 1)
        while from_id is not None:
            found = await self._rest.trades(listed.symbol, from_id)
            fresh = [trade for trade in found if trade.seq >= from_id]
            within = tuple(trade for trade in fresh if since_ns <= trade.ts_ns < until_ns)
            if within:
                yield within
            if len(found) < self._limits.page or not fresh or fresh[-1].ts_ns >= until_ns:
                return
            from_id = fresh[-1].seq + 1


def _up(at_ns: int) -> int:
    """The first whole millisecond at or after a time."""
    return -(-at_ns // wire.MS)
