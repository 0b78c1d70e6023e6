"""Candles of trades, and where two tellings of the same candles differ. Pure.

`engine/backfill.py` builds what a source does not tell, and holds what it does tell against its own trades.
"""

import math
from collections.abc import Iterable, Iterator, Sequence

from schema.market import Interval, IntervalKind, S, Trade
from schema.records import Bar, Record

_SAME = 1e-9  # of the larger number: sums of sizes that are no whole numbers end in other digits
_FIELDS = ("open", "high", "low", "close", "volume")


class Built(Record, frozen=True):
    """A candle and how many trades it holds."""

    bar: Bar
    trades: int


class Difference(Record, frozen=True):
    """What one candle has by the venue and by its trades; `field` is empty, and both numbers 0, when only one of the
    two has it at all (`only`)."""

    start_ns: int
    field: str = ""
    venue: float = 0.0
    trades: float = 0.0
    only: str = ""

    def __str__(self) -> str:
        if self.only:
            return f"only by the {self.only}"
        return f"{self.field} {self.venue:g} by the venue, {self.trades:g} by the trades"


def width_ns(interval: Interval) -> int:
    """How long a candle lasts; 0 where the market says that."""
    return interval.count * S if interval.kind is IntervalKind.TIME else 0


def bars_of(trades: Iterable[Trade], interval: Interval) -> Iterator[Built]:
    """The candles of trades in the order they were made; of time alone, from whole multiples of the interval since 1970
    on. A time without a trade has none. Raises ValueError for another kind."""
    width = width_ns(interval)
    if not width:
        raise ValueError(f"interval: {interval} is not a time; write one such as 1m or 4h.")
    growing: Built | None = None
    for trade in trades:
        start_ns = trade.ts_ns - trade.ts_ns % width
        if growing is not None and growing.bar.start_ns == start_ns:
            growing = Built(bar=_with(growing.bar, trade), trades=growing.trades + 1)
            continue
        if growing is not None:
            yield growing
        first = Bar(trade.symbol, start_ns, trade.price, trade.price, trade.price, trade.price, trade.size)
        growing = Built(bar=first, trades=1)
    if growing is not None:
        yield growing


def _with(bar: Bar, trade: Trade) -> Bar:
    high, low = max(bar.high, trade.price), min(bar.low, trade.price)
    return Bar(bar.symbol, bar.start_ns, bar.open, high, low, trade.price, bar.volume + trade.size)


def differences(venue: Sequence[Bar], built: Sequence[Bar]) -> tuple[Difference, ...]:
    """Every field in which two tellings differ, and every candle that only one of them has, in time order. A candle in
    which nothing was traded may be there or not."""
    theirs = {bar.start_ns: bar for bar in venue if bar.volume}
    ours = {bar.start_ns: bar for bar in built}
    found: list[Difference] = []
    for start_ns in sorted(theirs.keys() | ours.keys()):
        told, made = theirs.get(start_ns), ours.get(start_ns)
        if told is None or made is None:
            found.append(Difference(start_ns=start_ns, only="trades" if told is None else "venue"))
            continue
        for field in _FIELDS:
            one, other = getattr(told, field), getattr(made, field)
            if not math.isclose(one, other, rel_tol=_SAME):
                found.append(Difference(start_ns=start_ns, field=field, venue=one, trades=other))
    return tuple(found)
