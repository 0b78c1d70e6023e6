"""What a market-data kernel is asked and what it answers: the port that kernel.c (`kernel.py`) and `twin.py` share.

Everything is whole ticks, whole steps of size and nanoseconds; `market.py` makes prices of them.
"""

import struct
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

Print = tuple[int, int, int, int, int]
"""ts_ns, price, size, side (1 buyer, 2 seller), the lie that kept it off the candles or 0."""

CANDLE = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.0)
CANDLE_FORM = struct.Struct("=11qd")
STATS_FORM = struct.Struct("=36qd")


class Limits(msgspec.Struct, frozen=True):
    """What is still believed. A book may stand crossed for `crossed_ns` while the market is open; a source's clock
    may be `ahead_ns` of ours; a trade may be `far_ticks` or `far_ratio` of the price outside a book that was heard of
    in the last `fresh_ns`, whichever is more. `tape_kept` trades of a symbol are kept."""

    crossed_ns: int = 1_000_000
    ahead_ns: int = 10_000_000_000
    fresh_ns: int = 5_000_000_000
    far_ticks: int = 20
    tape_kept: int = 1_024
    far_ratio: float = 0.01


class Candle(msgspec.Struct, gc=False):
    """One candle. A candle of time starts on its grid, the others with their first trade; `end_ns` is its last trade.
    `bought` and `sold` are the parts of `volume` whose aggressor is known; `notional` is price times size, summed;
    `flags` are `packing.Mark`s."""

    start_ns: int
    end_ns: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    bought: int
    sold: int
    trades: int
    flags: int
    notional: float

    def copy(self) -> "Candle":
        return Candle(*msgspec.structs.astuple(self))


class Stats(msgspec.Struct):
    """One symbol now. A side whose size is 0 is not there. The session's figures begin at `session_ns`, its first
    trade. `torn`: numbers jumped, and the book may be wrong until the next snapshot. `lies` counts by `packing.Lie`."""

    heard_ns: int = 0
    book_heard_ns: int = 0
    joined_ns: int = 0
    state: int = 0
    torn: int = 0
    bid: int = 0
    bid_size: int = 0
    ask: int = 0
    ask_size: int = 0
    last: int = 0
    last_size: int = 0
    last_ns: int = 0
    session_ns: int = 0
    open: int = 0
    high: int = 0
    low: int = 0
    volume: int = 0
    trades: int = 0
    prints: int = 0
    changes: int = 0
    held: int = 0
    repeats: int = 0
    gaps: int = 0
    missed: int = 0
    book_version: int = 0
    tape_version: int = 0
    candle_version: int = 0
    notional: float = 0.0
    lies: list[int] = msgspec.field(default_factory=lambda: [0] * 9)

    def copy(self) -> "Stats":
        return msgspec.structs.replace(self, lies=self.lies.copy())

    @classmethod
    def of(cls, raw: Any) -> "Stats":
        """From the bytes of a `cd_stats`."""
        found = STATS_FORM.unpack(raw)
        return cls(*found[:24], *found[33:], lies=list(found[24:33]))


class Kernel(Protocol):
    """See kernel.c. A number of a symbol or series is only ever one that this kernel gave out. Not for two threads."""

    name: str

    def symbol(self, tick: float, step: float) -> int: ...

    def forget(self, symbol: int) -> None: ...

    def series(self, symbol: int, kind: int, width: int, kept: int) -> int: ...

    def drop(self, series: int) -> None: ...

    def apply(self, records: bytes | bytearray | memoryview) -> None:
        """Whole records; what stands behind the last whole one raises ValueError (struct.error in the twin)."""
        ...

    def book(self, symbol: int, side: int, most: int) -> Sequence[tuple[int, int]]:
        """(price, size), the best first."""
        ...

    def tape(self, symbol: int, most: int) -> Sequence[Print]:
        """The newest first."""
        ...

    def opened(self, series: int) -> int:
        """How many candles there ever were; all but the last are closed."""
        ...

    def candles(self, series: int, first: int, most: int) -> Sequence[Candle]: ...

    def stats(self, symbol: int) -> Stats: ...

    def dirty(self) -> list[int]:
        """Symbols that changed since this was last asked."""
        ...

    def refused(self) -> int:
        """Records that named no symbol or made no sense."""
        ...
