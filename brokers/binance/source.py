"""Binance spot put together: one listing and one request weight for the feed and the history. `brokers/feeds.py` builds
it; both live on the loop that made them."""

from random import Random

from brokers.binance import SOURCE
from brokers.binance.feed import BinanceFeed
from brokers.binance.history import BinanceHistory
from brokers.binance.limits import Limits
from brokers.binance.listing import Listing
from brokers.binance.rest import Rest
from schema.clock import Clock
from schema.listed import Listed

WS_URL = "wss://stream.binance.com:9443"
REST_URL = "https://api.binance.com"


class BinanceSource:
    """Empty addresses are the public ones (`docs/binance.md` 1)."""

    source = SOURCE

    def __init__(
        self, clock: Clock, random: Random, *, ws_url: str = "", rest_url: str = "", limits: Limits | None = None
    ) -> None:
        limits = limits or Limits()
        self.rest = Rest(rest_url or REST_URL, clock, limits)
        self.listing = Listing(self.rest)
        self.history = BinanceHistory(self.rest, self.listing, limits)
        self.feed = BinanceFeed(
            ws_url or WS_URL, self.rest, self.listing, clock, random, limits, lambda: self.history.candles
        )

    async def symbols(self) -> tuple[Listed, ...]:
        return tuple(
            Listed(source=SOURCE, symbol=each.symbol, exchange="Binance spot") for each in await self.listing.all()
        )

    async def close(self) -> None:
        """Let the REST connections go; the feed's end with its `run`."""
        await self.rest.close()
