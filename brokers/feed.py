"""The port of a source of market data that is no broker's login: a public exchange, a recorded tape.

A broker's own market data comes through `brokers/adapter.py`; the desk turns both into the records of
`schema/market.py`.
"""

from collections.abc import AsyncIterator, Callable, Iterable
from typing import Protocol

from schema.market import FeedHealth, Interval, MarketEvent, Trade
from schema.records import Bar

Sink = Callable[[MarketEvent], None]
"""Takes one event at once and never waits; called on the feed's own loop."""


class FeedDown(Exception):
    """The source can't be reached or refuses; the text says why, and what helps."""


class Feed(Protocol):
    """A live source. It reconnects by itself, and tells a FeedGap for every stretch that it could not tell."""

    source: str

    async def run(self, sink: Sink) -> None:
        """Tell what is subscribed to until canceled."""
        ...

    async def subscribe(self, symbols: Iterable[str]) -> None:
        """Trades, quotes and depth of these symbols, too; also while it runs. Repeating it is harmless. Raises FeedDown
        naming a symbol that the source does not have."""
        ...

    async def unsubscribe(self, symbols: Iterable[str]) -> None: ...

    def health(self) -> FeedHealth: ...


class History(Protocol):
    """A source of what was: both ends are the market's time in Unix nanoseconds, `until_ns` excluded. Pages come in
    time order, as the source's limits allow. Raises FeedDown."""

    source: str

    def bars(self, symbol: str, interval: Interval, since_ns: int, until_ns: int) -> AsyncIterator[tuple[Bar, ...]]: ...

    def trades(self, symbol: str, since_ns: int, until_ns: int) -> AsyncIterator[tuple[Trade, ...]]: ...
