"""What panes and `copydesk health` see of the market: immutable, conflated, the newest state alone.

`market.py` makes them on the engine's loop; read one on any thread. Ages count from `heard_ns`, ours, Unix nanoseconds.
Counters are since the desk follows the symbol. Those with a tag are rows of one topic, and say which they are.
"""

from schema.market import Aggressor, SessionState
from schema.records import Record, Side


class BookLevel(Record, frozen=True):
    """`own` are the desk's working lots at that price."""

    price: float
    size: float
    own: int = 0


class OwnOrder(Record, frozen=True):
    price: float
    side: Side
    qty: int


class BookShown(Record, frozen=True):
    """The best levels, best first. `own_elsewhere` are working orders at prices that no level shown has. `crossed`: it
    stands crossed now, which before an auction it may; `torn`: numbers jumped, and until the next snapshot the book may
    be wrong. `changes` counts every change there was, shown or not. Prices are multiples of `tick_size`."""

    symbol: str
    version: int
    bids: tuple[BookLevel, ...]
    asks: tuple[BookLevel, ...]
    own_elsewhere: tuple[OwnOrder, ...]
    state: SessionState
    crossed: bool
    torn: bool
    changes: int
    heard_ns: int
    tick_size: float


class Print(Record, frozen=True):
    """One trade. `held` says why it is kept off the candles; empty when it is not."""

    ts_ns: int
    price: float
    size: float
    aggressor: Aggressor
    held: str = ""


class TapeShown(Record, frozen=True, tag=True):
    """The last trades, newest first; `trades` counts all there were."""

    symbol: str
    version: int
    prints: tuple[Print, ...]
    trades: int
    heard_ns: int


class SessionShown(Record, frozen=True, tag=True):
    """The session's figures since `since_ns`, its first trade in the market's time; None before it. Figures of a
    source that tells no sessions are since the desk follows the symbol."""

    symbol: str
    state: SessionState
    since_ns: int
    open: float | None
    high: float | None
    low: float | None
    last: float | None
    vwap: float | None
    volume: float
    trades: int
    heard_ns: int


class Truth(Record, frozen=True):
    """What one source told of one symbol, and what of it could not be. `lies` are (what, how often), those there were.
    `held` trades are off the candles; `repeats` were told before; `dropped` came from a source that is not followed;
    `missed` messages were skipped by the numbers or said to be lost."""

    symbol: str
    source: str
    trades: int
    changes: int
    lies: tuple[tuple[str, int], ...]
    held: int
    repeats: int
    gaps: int
    missed: int
    dropped: int
    torn: bool
