"""What a contract's trades add up to: minute bars, the latest ticks, volume by price, the day's figures.

Pure. Fed by the server with every print at the market's own time, read by the market data door. Prices are ticks.
"""

from collections import deque
from dataclasses import dataclass, field, replace
from itertools import takewhile

from brokers.sandbox.book import Book

MINUTE_NS = 60_000_000_000
_BARS_KEPT = 20_000
_TICKS_KEPT = 20_000


@dataclass(slots=True)
class Candle:
    """One bar: `up` volume was bought, `down` sold; an auction's trade counts as bought."""

    start_ns: int
    open: int
    high: int
    low: int
    close: int
    up_volume: int = 0
    down_volume: int = 0
    up_ticks: int = 0
    down_ticks: int = 0

    def add(self, other: "Candle") -> None:
        """Take a later bar into this one."""
        self.high = max(self.high, other.high)
        self.low = min(self.low, other.low)
        self.close = other.close
        self.up_volume += other.up_volume
        self.down_volume += other.down_volume
        self.up_ticks += other.up_ticks
        self.down_ticks += other.down_ticks


@dataclass(slots=True, frozen=True)
class Tick:
    """One trade with the touch as it stood; `aggressor` is +1, -1 or 0 (an auction)."""

    tick_id: int
    at_ns: int
    ticks: int
    size: int
    bid: tuple[int, int] | None
    ask: tuple[int, int] | None
    aggressor: int = 0


@dataclass(slots=True, eq=False)
class TickBars:
    """Bars of trades instead of time: of so many trades (``ticks``), so much volume (``volume``), which cuts a trade in
    two where it must, or so wide a range in price ticks (``range``). Oldest first; the last may still grow."""

    kind: str
    size: int
    bars: list[Candle] = field(default_factory=list[Candle])

    def add(self, tick: Tick) -> None:
        left = tick.size
        while left > 0:
            bar = self.bars[-1] if self.bars else None
            part = left
            if self.kind == "volume":
                room = 0 if bar is None else self.size - bar.up_volume - bar.down_volume
                part = min(left, room or self.size)
            up = tick.ask is None or tick.ticks >= tick.ask[0]
            price = tick.ticks
            new = Candle(tick.at_ns, price, price, price, price, part * up, part * (not up), int(up), int(not up))
            if bar is None or self._full(bar, price):
                self.bars.append(new)
            else:
                bar.add(new)
            left -= part

    def _full(self, bar: Candle, price: int) -> bool:
        match self.kind:
            case "volume":
                return bar.up_volume + bar.down_volume >= self.size
            case "range":
                return max(bar.high, price) - min(bar.low, price) > self.size
            case _:
                return bar.up_ticks + bar.down_ticks >= self.size


@dataclass(slots=True, eq=False)
class ChartBook:
    """See the module's docstring. `volume` counts all prints since the venue opened."""

    bars: deque[Candle] = field(default_factory=lambda: deque[Candle](maxlen=_BARS_KEPT))
    ticks: deque[Tick] = field(default_factory=lambda: deque[Tick](maxlen=_TICKS_KEPT))
    profile: dict[int, int] = field(default_factory=dict[int, int])
    volume: int = 0
    last: tuple[int, int] | None = None
    high: int = 0
    low: int = 0
    first: int = 0

    def on_print(self, at_ns: int, price: int, size: int, aggressor: int, book: Book | None = None) -> None:
        """A trade; `book` (when there is one) tells the touch."""
        up = aggressor >= 0
        start_ns = at_ns - at_ns % MINUTE_NS
        bar = Candle(start_ns, price, price, price, price, size * up, size * (not up), int(up), int(not up))
        if self.bars and self.bars[-1].start_ns == start_ns:
            self.bars[-1].add(bar)
        else:
            self.bars.append(bar)
        if self.last is None:
            self.high = self.low = self.first = price
        self.high, self.low = max(self.high, price), min(self.low, price)
        self.volume += size
        self.last = (price, size)
        self.profile[price] = self.profile.get(price, 0) + size
        touch = (book.touch(1), book.touch(-1)) if book else (None, None)
        self.ticks.append(Tick(self.ticks[-1].tick_id + 1 if self.ticks else 1, at_ns, price, size, *touch, aggressor))

    def candles(self, minutes: int, since_ns: int = 0) -> list[Candle]:
        """Bars of so many minutes each, oldest first, from the one that holds `since_ns`; the newest may still grow."""
        width_ns, merged = minutes * MINUTE_NS, list[Candle]()
        since_ns -= since_ns % width_ns
        recent = list(takewhile(lambda bar: bar.start_ns >= since_ns, reversed(self.bars)))
        for bar in reversed(recent):
            start_ns = bar.start_ns - bar.start_ns % width_ns
            if merged and merged[-1].start_ns == start_ns:
                merged[-1].add(bar)
            else:
                merged.append(replace(bar, start_ns=start_ns))
        return merged

    def ticks_after(self, tick_id: int) -> list[Tick]:
        """The trades after one, oldest first."""
        return list(takewhile(lambda tick: tick.tick_id > tick_id, reversed(self.ticks)))[::-1]
