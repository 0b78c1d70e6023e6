"""Market events as the kernel takes them: records of 56 bytes, one for every level, quote, trade and gap.

Used by `market.py` for single events; a source that decodes whole batches writes such records itself.
"""

import math
import struct
from enum import IntEnum, IntFlag

from schema.market import (
    Aggressor,
    DepthChanged,
    DepthSnapshot,
    FeedGap,
    MarketEvent,
    QuoteChanged,
    SessionChanged,
    SessionState,
    Trade,
)

RECORD = struct.Struct("=qqqqddIBBH")
"""ts_ns, received_ns, first, seq, price, size, symbol, kind, side, 0: `cd_record` of kernel.c. `first` and `seq` are 0
where the numbers of a message need not follow those of the last."""


class Kind(IntEnum):
    TRADE = 1
    LEVEL = 2  # a level's new total; 0 takes it away
    CLEAR = 3  # a snapshot begins: the book is empty
    QUOTE = 4  # one side of the top; a NaN was not said
    SESSION = 5  # `side` is the state
    GAP = 6  # from `first` to `ts_ns`, of `size` messages; with a `side` it is the book's alone


class Mark(IntFlag):
    """What a candle is not sure of."""

    GAP = 1  # something was not told in its time
    PARTIAL = 2  # it had begun before the desk heard of the symbol


class Lie(IntEnum):
    """What a source said that can't be. A trade that lies stays off the candles."""

    PRICE = 1
    SIZE = 2
    OFF_GRID = 3
    BACK = 4
    AHEAD = 5
    JUMP = 6
    CROSSED = 7
    OUTSIDE = 8

    @property
    def words(self) -> str:
        return _WORDS[self]


_WORDS = {
    Lie.PRICE: "price 0 or none",
    Lie.SIZE: "size below 0 or none",
    Lie.OFF_GRID: "price or size off the contract's grid",
    Lie.BACK: "time went back",
    Lie.AHEAD: "time ahead of ours",
    Lie.JUMP: "numbers jumped",
    Lie.CROSSED: "book crossed",
    Lie.OUTSIDE: "trade far outside the book",
}
SIDES = {Aggressor.BUY: 1, Aggressor.SELL: 2, Aggressor.NONE: 0}
AGGRESSORS = (Aggressor.NONE, Aggressor.BUY, Aggressor.SELL)
STATES = {state: number for number, state in enumerate(SessionState, 1)}
_NOT_SAID = math.nan


def pack(event: MarketEvent, symbol: int, numbered: bool) -> bytes:
    """The records of one event. `numbered`: every trade's `seq` follows that of the last one."""
    head = (event.ts_ns, event.received_ns)
    match event:
        case Trade():
            first = event.seq if numbered else 0
            size, side = event.size, SIDES[event.aggressor]
            return RECORD.pack(*head, first, event.seq, event.price, size, symbol, Kind.TRADE, side, 0)
        case QuoteChanged():
            records = b""
            sides = ((1, event.bid, event.bid_size), (2, event.ask, event.ask_size))
            for side, price, size in sides:
                if price is not None or size is not None:
                    price, size = _NOT_SAID if price is None else price, _NOT_SAID if size is None else size
                    records += RECORD.pack(*head, 0, event.seq, price, size, symbol, Kind.QUOTE, side, 0)
            return records
        case DepthSnapshot() | DepthChanged():
            first = event.first_seq if isinstance(event, DepthChanged) else 0
            records = [
                RECORD.pack(*head, first, event.seq, price, size, symbol, Kind.LEVEL, side, 0)
                for side, levels in ((1, event.bids), (2, event.asks))
                for price, size in levels
            ]
            if isinstance(event, DepthSnapshot):
                records.insert(0, RECORD.pack(*head, 0, event.seq, 0, 0, symbol, Kind.CLEAR, 0, 0))
            return b"".join(records)
        case SessionChanged():
            return RECORD.pack(*head, 0, event.seq, 0, 0, symbol, Kind.SESSION, STATES[event.state], 0)
        case FeedGap():
            return RECORD.pack(*head, event.since_ns, 0, 0, event.missed, symbol, Kind.GAP, event.of_depth, 0)
        case _:
            raise TypeError(f"{type(event).__name__} is no market event")
