"""The feed against the door over real sockets: a sandbox on this loop, the market fast, everything told collected."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

from brokers.binance.limits import Limits
from brokers.binance.source import BinanceSource
from brokers.sandbox.binance_door import BinanceDoor
from brokers.sandbox.control import Control
from brokers.sandbox.settings import BinanceSettings
from schema.clock import SYSTEM_CLOCK
from schema.market import DepthChanged, DepthSnapshot, FeedGap, FeedHealth, MarketEvent, QuoteChanged, Trade
from tests.brokers.sandbox.raw_client import running
from tests.practice import until

QUICK: dict[str, Any] = {
    "first_wait_s": 0.01,
    "longest_wait_s": 0.1,
    "steady_s": 0.0,
    "reorder_s": 0.05,
    "snapshot_pause_s": 0.02,
    "overlap_s": 0.2,
    "give_up_s": 5.0,
}
"""The feed's limits at a test's scale; what the venue limits (messages, streams, attempts, weight) is left alone."""


class Collected:
    """A sink, and what must be true of what it was told."""

    def __init__(self) -> None:
        self.events: list[MarketEvent] = []
        self.books: dict[str, dict[tuple[int, float], float]] = defaultdict(dict)
        self.numbers: dict[str, int] = {}
        self.last_id: dict[str, int] = {}
        self.first_id: dict[str, int] = {}
        self.missed = 0
        self.depth_gaps = 0
        self.snapshots = 0
        self.wrong: list[str] = []
        self._owned_up: set[str] = set()

    def __call__(self, event: MarketEvent) -> None:
        self.events.append(event)
        symbol = event.symbol
        if isinstance(event, FeedGap):
            if event.missed:
                self.missed += event.missed
                self.last_id[symbol] += event.missed
            else:
                self.depth_gaps += 1
                self._owned_up.add(symbol)
        elif isinstance(event, Trade):
            if symbol in self.last_id and event.seq != self.last_id[symbol] + 1:
                self.wrong.append(f"{symbol}: trade {event.seq} after {self.last_id[symbol]}")
            self.first_id.setdefault(symbol, event.seq)
            self.last_id[symbol] = event.seq
        elif isinstance(event, DepthSnapshot):
            self.snapshots += 1
            if symbol in self.numbers and symbol not in self._owned_up:
                self.wrong.append(f"{symbol}: a new book at {event.seq} without a gap")
            self._owned_up.discard(symbol)
            self.books[symbol] = {(1, p): s for p, s in event.bids} | {(-1, p): s for p, s in event.asks}
            self.numbers[symbol] = event.seq
        elif isinstance(event, DepthChanged):
            if event.first_seq > self.numbers[symbol] + 1:
                self.wrong.append(f"{symbol}: depth {event.first_seq} after {self.numbers[symbol]}")
            self.numbers[symbol] = event.seq
            book = self.books[symbol]
            for sign, levels in ((1, event.bids), (-1, event.asks)):
                for price, size in levels:
                    book.pop((sign, price), None) if not size else book.__setitem__((sign, price), size)

    def of(self, kind: type[MarketEvent]) -> list[Any]:
        return [event for event in self.events if type(event) is kind]

    def quotes(self, symbol: str) -> list[QuoteChanged]:
        return [event for event in self.of(QuoteChanged) if event.symbol == symbol]


class FeedBench:
    """See the module's docstring."""

    def __init__(self, sandbox: Any, addresses: dict[str, Any], source: BinanceSource) -> None:
        self.sandbox = sandbox
        self.addresses = addresses
        self.source = source
        self.feed = source.feed
        self.told = Collected()
        door = sandbox.doors["binance"]
        assert isinstance(door, BinanceDoor)
        self.door = door

    def begin(self) -> None:
        """Run the feed."""
        self._running = asyncio.create_task(self.feed.run(self.told))

    async def end(self) -> None:
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)

    def control(self, order: str, **wish: Any) -> dict[str, Any]:
        answer = Control(self.sandbox).carry_out(json.dumps({"order": order, **wish}).encode())
        assert answer["ok"], answer
        return answer

    def faults(self, order: str, **wish: Any) -> dict[str, Any]:
        return self.control(order, login="binance", **wish)

    def play(self, on: bool = True) -> None:
        self.sandbox.market_paused = not on

    def health(self) -> FeedHealth:
        return self.feed.health()

    def requests(self, kind: str) -> int:
        return self.sandbox.house.requests.get("binance", {}).get(kind, 0)

    def venue_book(self, symbol: str) -> dict[tuple[int, float], float]:
        market = self.door.markets[symbol]
        tick = float(market.contract.product.tick_size)
        return {(sign, ticks * tick): float(size) for sign in (1, -1) for ticks, size in market.side(sign, 5000)}

    def caught_up(self, *symbols: str) -> bool:
        """All that the venue has was told."""
        for symbol in symbols:
            market = self.door.markets[symbol]
            market.catch_up()
            if self.told.last_id.get(symbol) != market.last_trade_id:
                return False
            if self.told.numbers.get(symbol) != market.number:
                return False
        return True

    async def settled(self, *symbols: str, within_s: float = 10.0) -> None:
        """The market stands still, and the feed has told all of it."""
        self.play(on=False)
        await until(lambda: self.caught_up(*symbols), within_s)

    async def until(self, true: Callable[[], bool], within_s: float = 10.0) -> None:
        await until(true, within_s)

    async def another_trade(self) -> None:
        """From now on."""
        seen = len(self.told.of(Trade))
        await self.until(lambda: len(self.told.of(Trade)) > seen)

    def prove(self, *symbols: str) -> None:
        """Every trade once and in order or told as missing; every new book owned up to; every book the venue's."""
        assert self.told.wrong == []
        for symbol in symbols:
            trades = [trade for trade in self.told.of(Trade) if trade.symbol == symbol]
            assert len({trade.trade_id for trade in trades}) == len(trades)
            assert self.told.books[symbol] == self.venue_book(symbol)
        assert self.health().gaps == len(self.told.of(FeedGap))


@asynccontextmanager
async def practised(
    folder: Path, *, speed: float = 20.0, door: dict[str, Any] | None = None, **limits: Any
) -> AsyncIterator[FeedBench]:
    """A door and a feed that runs against it, nothing subscribed to yet, the market playing."""
    options = {"feeds": ("binance",), "binance": BinanceSettings(**(door or {})), "speed": speed}
    async with running(folder, options) as bench:
        addresses = bench.ready["venues"]["binance"]
        source = BinanceSource(
            SYSTEM_CLOCK,
            Random(7),
            ws_url=addresses["ws"],
            rest_url=addresses["rest"],
            limits=Limits(**{**QUICK, **limits}),
        )
        made = FeedBench(bench.sandbox, addresses, source)
        made.play()
        made.begin()
        try:
            yield made
        finally:
            await made.end()
            await source.close()
