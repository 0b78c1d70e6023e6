"""Market data as every source tells it, once its adapter has read it: one stream for books, tape, candles, the store.

Prices and sizes are floats: market data is for looking at and for marking, never for an order's price (`records.py`).
`ts_ns` is the market's own time, `received_ns` ours when the bytes came, both Unix nanoseconds; `seq` is the source's
own number of the message, 0 where it has none. A trade's or quote's symbol is the source's name in capitals.
"""

import re
from enum import StrEnum

from schema.records import Record

S = 1_000_000_000
OF_DEPTH = "depth:"
"""How the reason of a gap begins that concerns the book alone."""
Levels = tuple[tuple[float, float], ...]
"""(price, size) from the best outwards. In a change the size is the level's new total, and 0 takes the level away."""


class Aggressor(StrEnum):
    """Who crossed the spread."""

    BUY = "buy"
    SELL = "sell"
    NONE = "none"


class SessionState(StrEnum):
    PRE_OPEN = "pre-open"  # orders are taken and nothing trades: the book may stand crossed
    OPEN = "open"
    HALTED = "halted"
    CLOSED = "closed"


class MarketEvent(Record, frozen=True, kw_only=True):
    """What happened to one symbol at one source."""

    source: str
    symbol: str
    ts_ns: int
    received_ns: int
    seq: int = 0


class Trade(MarketEvent, frozen=True, kw_only=True):
    price: float
    size: float
    aggressor: Aggressor = Aggressor.NONE
    trade_id: str = ""  # the source's own; two trades of one symbol never share it


class QuoteChanged(MarketEvent, frozen=True, kw_only=True):
    """The top of the book. A side that is None was not said and stays."""

    bid: float | None = None
    bid_size: float | None = None
    ask: float | None = None
    ask_size: float | None = None


class DepthChanged(MarketEvent, frozen=True, kw_only=True):
    """Levels that changed. `first_seq` is the first number that this message covers where a source sums several up;
    `seq` is the last."""

    bids: Levels = ()
    asks: Levels = ()
    first_seq: int = 0


class DepthSnapshot(MarketEvent, frozen=True, kw_only=True):
    """The whole book as far as the source shows it: what was known before is forgotten."""

    bids: Levels
    asks: Levels


class SessionChanged(MarketEvent, frozen=True, kw_only=True):
    state: SessionState


class SymbolListed(MarketEvent, frozen=True, kw_only=True):
    """A source begins to tell of a symbol: said before anything else of it, and again whenever it begins anew.
    `tick_size` and `size_step` are 0 where the source names none."""

    tick_size: float
    size_step: float


class FeedGap(MarketEvent, frozen=True, kw_only=True):
    """Something was not told: from the last thing that was (`since_ns`) to the first thing after (`ts_ns`), both the
    market's time. `missed` is 0 where the source does not let it be counted."""

    since_ns: int
    missed: int = 0
    reason: str = ""

    @property
    def of_depth(self) -> bool:
        """Only the book was not told, which the source's next snapshot makes good: no trade and no candle lacks
        anything."""
        return self.missed == 0 and self.reason.startswith(OF_DEPTH)


class IntervalKind(StrEnum):
    TIME = "s"  # seconds
    TICK = "t"  # trades
    VOLUME = "v"  # contracts
    RANGE = "r"  # ticks between high and low


_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_FORM = re.compile(r"([1-9]\d{0,6})([smhdtvr])")


class Interval(Record, frozen=True):
    """What one candle holds: so many seconds, trades, contracts or ticks of range."""

    kind: IntervalKind
    count: int

    @classmethod
    def parse(cls, text: str) -> "Interval":
        """``30s 1m 4h 1d 500t 1000v 8r``. Raises ValueError naming what is wrong."""
        found = _FORM.fullmatch(text.strip().lower())
        if found is None:
            raise ValueError(f"interval {text!r} is none; write one such as 1m, 4h, 500t, 1000v or 8r.")
        count, unit = int(found[1]), found[2]
        if unit in _UNITS:
            return cls(IntervalKind.TIME, count * _UNITS[unit])
        return cls(IntervalKind(unit), count)

    def __str__(self) -> str:
        if self.kind is IntervalKind.TIME:
            for unit in ("d", "h", "m"):
                if self.count % _UNITS[unit] == 0:
                    return f"{self.count // _UNITS[unit]}{unit}"
        return f"{self.count}{self.kind}"


class FeedHealth(Record, frozen=True):
    """One feed now, as `copydesk health` shows it. `last_msg_age_ms` and `lag_ms` (ours behind the market's clock, of
    the newest message) are -1 before the first message."""

    source: str
    ws_state: str
    last_msg_age_ms: float
    reconnects: int
    gaps: int
    dropped: int
    catchup_candles_total: int
    lag_ms: float
