"""A source that says what a test wants said, about ES by default, a millisecond after the last thing."""

from typing import Any

from engine.market.market import Market
from schema.market import (
    Aggressor,
    DepthChanged,
    DepthSnapshot,
    FeedGap,
    Levels,
    MarketEvent,
    QuoteChanged,
    SessionChanged,
    SessionState,
    Trade,
)

S = 1_000_000_000
MS = 1_000_000
MINUTE = 60 * S
START = 1_703_545_200 * S
"""23:00 UTC, the start of a minute."""


class Teller:
    """`at_ns` is the market's time and ours; each event moves it on by a millisecond first."""

    def __init__(self, market: Market, symbol: str = "ESH4", *, numbered: bool = False, **grid: Any) -> None:
        self.market, self.symbol = market, symbol
        self.at_ns = START
        self.number = market.follow(symbol, source="test", numbered=numbered, **grid)

    def tell(self, event: type[MarketEvent], **fields: Any) -> None:
        self.at_ns += MS
        stamp = {"ts_ns": self.at_ns, "received_ns": self.at_ns}
        self.market.take(event(**{"source": "test", "symbol": self.symbol, **stamp, **fields}))

    def trade(self, price: float, size: float = 1, side: Aggressor = Aggressor.BUY, **fields: Any) -> None:
        self.tell(Trade, price=price, size=size, aggressor=side, **fields)

    def snapshot(self, bids: Levels, asks: Levels, **fields: Any) -> None:
        self.tell(DepthSnapshot, bids=bids, asks=asks, **fields)

    def change(self, bids: Levels = (), asks: Levels = (), **fields: Any) -> None:
        self.tell(DepthChanged, bids=bids, asks=asks, **fields)

    def quote(self, **fields: Any) -> None:
        self.tell(QuoteChanged, **fields)

    def state(self, state: SessionState) -> None:
        self.tell(SessionChanged, state=state)

    def gap(self, since_ns: int, missed: int = 0) -> None:
        self.tell(FeedGap, since_ns=since_ns, missed=missed)

    def lies(self) -> dict[str, int]:
        """What this symbol's source was caught at."""
        return next(dict(truth.lies) for truth in self.market.truth() if truth.symbol == self.symbol)
