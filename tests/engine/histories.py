"""Histories for tests: a venue's whole past, told in pages as its limits allow, that may be cut off at any page; and
every stretch it was asked for."""

import random
from collections.abc import AsyncIterator, Iterable, Sequence
from itertools import groupby

from brokers.feed import FeedDown
from schema.market import Aggressor, Interval, S, Trade
from schema.records import Bar
from schema.stretches import Stretch

MINUTE = Interval.parse("1m")
MINUTE_NS = 60 * S
SOURCE = "venue"


def minutes(since: int, count: int, symbol: str = "ESZ6") -> list[Bar]:
    """Candles of a walk, the same for the same minutes; every seventh minute nothing is traded."""
    found: list[Bar] = []
    for minute in range(since, since + count):
        draw = random.Random(minute)
        if draw.randrange(7):
            a, b, c, d = sorted(4800 + draw.randrange(-40, 41) / 4 for _ in range(4))
            found.append(Bar(symbol, minute * MINUTE_NS, b, d, a, c, float(draw.randrange(1, 500))))
    return found


def trades_of(bars: Iterable[Bar]) -> list[Trade]:
    """Trades without ids that make these candles: open, low, high, close, two at a time in one nanosecond."""
    found: list[Trade] = []
    for bar in bars:
        sizes = (bar.volume - 3, 1.0, 1.0, 1.0) if bar.volume > 3 else (bar.volume, 0.0, 0.0, 0.0)
        for place, (price, size) in enumerate(zip((bar.open, bar.low, bar.high, bar.close), sizes, strict=True)):
            at_ns = bar.start_ns + place // 2 * S
            found.append(
                Trade(
                    source=SOURCE,
                    symbol=bar.symbol,
                    ts_ns=at_ns,
                    received_ns=at_ns,
                    price=price,
                    size=size,
                    aggressor=Aggressor.BUY,
                )
            )
    return found


class Past:
    """See the module's docstring. With `pages_left` at 0 the next page is not told and the source is down."""

    source = SOURCE

    def __init__(self, bars: Sequence[Bar] = (), trades: Sequence[Trade] = (), page: int = 50) -> None:
        self.all_bars = list(bars)
        self.all_trades = list(trades)
        self.page = page
        self.pages_left = 10**9
        self.asked: list[Stretch] = []
        self.told = 0

    async def bars(
        self, symbol: str, interval: Interval, since_ns: int, until_ns: int
    ) -> AsyncIterator[tuple[Bar, ...]]:
        self.asked.append(Stretch(since_ns, until_ns))
        within = [bar for bar in self.all_bars if bar.symbol == symbol and since_ns <= bar.start_ns < until_ns]
        for at in range(0, len(within), self.page):
            self._count()
            yield tuple(within[at : at + self.page])

    async def trades(self, symbol: str, since_ns: int, until_ns: int) -> AsyncIterator[tuple[Trade, ...]]:
        self.asked.append(Stretch(since_ns, until_ns))
        within = [each for each in self.all_trades if each.symbol == symbol and since_ns <= each.ts_ns < until_ns]
        for at in range(0, len(within), self.page):
            self._count()
            yield tuple(within[at : at + self.page])

    def _count(self) -> None:
        if not self.pages_left:
            raise FeedDown("source: the venue is down; try again later.")
        self.pages_left -= 1
        self.told += 1


def stretches_of(missing: Iterable[int]) -> list[Stretch]:
    """Minutes as stretches of time."""
    runs = groupby(enumerate(sorted(missing)), lambda pair: pair[1] - pair[0])
    found = [[minute for _, minute in run] for _, run in runs]
    return [Stretch(run[0] * MINUTE_NS, (run[-1] + 1) * MINUTE_NS) for run in found]
