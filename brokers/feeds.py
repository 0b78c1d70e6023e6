"""The sources of market data that need no login: one row each. A source is imported when it is first built.

`engine/feeds.py` builds the ones that the settings name (`schema.settings.FEEDS`).
"""

from collections.abc import Callable
from random import Random
from typing import Protocol

from brokers.feed import Feed, History
from schema.clock import Clock
from schema.listed import Listed
from schema.settings import Settings


class Source(Protocol):
    """A feed and a history of one source, for the loop that built them."""

    @property
    def feed(self) -> Feed: ...

    @property
    def history(self) -> History: ...

    async def symbols(self) -> tuple[Listed, ...]:
        """All that it has. Raises FeedDown."""
        ...

    async def close(self) -> None:
        """Let go of what outlives the feed's `run`."""
        ...


class FeedRow(Protocol):
    """Builds a source."""

    def __call__(self, settings: Settings, clock: Clock, random: Random) -> Source: ...


def _binance(settings: Settings, clock: Clock, random: Random) -> Source:
    from brokers.binance.source import BinanceSource

    return BinanceSource(clock, random, ws_url=settings.binance_ws_url, rest_url=settings.binance_rest_url)


FEED_TABLE: dict[str, FeedRow] = {"binance": _binance}

_WATCHED: dict[str, Callable[[Settings], tuple[str, ...]]] = {"binance": lambda settings: settings.binance_symbols}


def build_source(name: str, settings: Settings, clock: Clock, random: Random) -> Source:
    """The source of a name in `schema.settings.FEEDS`, not yet running. To be called on the loop that it will live
    on."""
    return FEED_TABLE[name](settings, clock, random)


def watched(name: str, settings: Settings) -> tuple[str, ...]:
    """The symbols that the settings want of a source."""
    return _WATCHED[name](settings)
