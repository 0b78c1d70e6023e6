"""A recorded market: streams a tape file into the venue at its own pace.

Pure but for reading the file; the server says how much time has passed. The format is a gzipped CSV with the columns
``ts_utc, event (trade | book), side (trade: buy, sell, none; book: bid, ask), price, size`` in receive order, where a
book row says a level's new total size. All that stands before the first trade is loaded at once, stretches without an
event are skipped, and at its end the tape starts over with its times shifted on.
"""

import gzip
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Protocol

from brokers.sandbox.instruments import ListedContract

_SIGNS = {"bid": 1, "buy": 1, "ask": -1, "sell": -1, "none": 0}
_LEAD_NS = 1_000_000
_PAUSE_NS = 1_000_000_000
QUIET_NS = 5_000_000_000
"""A stretch of the market's own time without an event that is longer than this is skipped."""


class TapeUnreadable(ValueError):
    """The file is not a tape; one sentence naming file, line and what is wrong."""


class Sink(Protocol):
    """Where a market's events go: the venue."""

    def market_reset(self) -> None: ...
    def market_level(self, contract_id: int, sign: int, ticks: int, size: int) -> None: ...
    def market_trade(self, contract_id: int, ticks: int, size: int, aggressor: int) -> None: ...


class Market(Protocol):
    """What drives the venue. `now_ns` is the market's own time, UTC."""

    now_ns: int

    def open(self, sink: Sink) -> None:
        """Put the first book up."""
        ...

    def advance(self, elapsed_ns: int) -> None:
        """Let so much of the market's time pass."""
        ...


class TapeRow(NamedTuple):
    """`sign` is the aggressor's side of a trade or the side of a level: +1, -1, 0 (an auction's trade)."""

    at_ns: int
    trade: bool
    sign: int
    ticks: int
    size: int


def read_tape(path: Path, tick_size: float, skip: int = 0) -> Iterator[TapeRow]:
    """The rows of a tape but the first `skip`, read as they are asked for. Raises TapeUnreadable."""
    days: dict[str, int] = {}
    number = 1
    try:
        with gzip.open(path, "rt", encoding="ascii") as lines:
            header = next(lines, "").strip()
            if header != "ts_utc,event,side,price,size":
                raise TapeUnreadable(f"{path}: the first line is {header[:80]!r}; it must name the columns of a tape.")
            number += skip
            for line in islice(lines, skip, None):
                number += 1
                at, event, side, price, size = line.rstrip("\n").split(",")
                day = days.get(at[:10])
                if day is None:
                    day = days[at[:10]] = int(datetime.fromisoformat(at[:10]).replace(tzinfo=UTC).timestamp())
                seconds = day + int(at[11:13]) * 3600 + int(at[14:16]) * 60 + int(at[17:19])
                at_ns = seconds * 1_000_000_000 + int(at[20:-1].ljust(9, "0"))
                yield TapeRow(at_ns, event == "trade", _SIGNS[side], round(float(price) / tick_size), int(size))
    except (OSError, EOFError, KeyError, UnicodeDecodeError, ValueError) as error:
        if isinstance(error, TapeUnreadable):
            raise
        raise TapeUnreadable(f"{path}, line {number}: not a row of a tape ({error}).") from error


class TapeMarket:
    """Plays a tape into every contract of `contracts` (the micro trades at the same prices in its own book).
    `trades` counts the tape's trades played so far."""

    def __init__(self, path: Path, contracts: Sequence[ListedContract]) -> None:
        self.now_ns: int = 0
        self.trades = 0
        self._path = path
        self._contract_ids = [contract.contract_id for contract in contracts]
        self._tick_size = float(contracts[0].product.tick_size)
        self._shift_ns = 0
        self._first_ns = 0
        self._last_ns = 0
        self._before_trading = 0
        self._opening: dict[tuple[int, int], int] = {}
        self._rows: Iterator[TapeRow] = iter(())
        self._next: TapeRow | None = None
        self._sink: Sink | None = None

    def open(self, sink: Sink) -> None:
        self._sink = sink
        for row in read_tape(self._path, self._tick_size):
            if row.trade:
                self._first_ns = row.at_ns
                break
            self._before_trading += 1
            self._opening[row.sign, row.ticks] = row.size
        else:
            raise TapeUnreadable(f"{self._path}: there is no trade in it.")
        self._rewind()

    def advance(self, elapsed_ns: int) -> None:
        until_ns: int = self.now_ns + elapsed_ns
        while self._next is not None and (at_ns := self._next.at_ns + self._shift_ns) <= until_ns:
            self.now_ns = max(self.now_ns, at_ns)
            self._apply(self._next)
            self._next = next(self._rows, None)
        if self._next is None and until_ns >= self._last_ns + self._shift_ns + _PAUSE_NS:
            self._shift_ns += self._last_ns - self._first_ns + _PAUSE_NS
            self._rewind()
            return
        self.now_ns = until_ns
        if self._next is not None and (gap := self._next.at_ns + self._shift_ns - until_ns) > QUIET_NS:
            self.now_ns += gap

    def _rewind(self) -> None:
        """Put up what stands before the first trade and stop just before it."""
        assert self._sink is not None
        self._sink.market_reset()
        for (sign, ticks), size in self._opening.items():
            for contract_id in self._contract_ids if size else ():
                self._sink.market_level(contract_id, sign, ticks, size)
        self._rows = read_tape(self._path, self._tick_size, self._before_trading)
        self._next = next(self._rows, None)
        self.now_ns = self._first_ns + self._shift_ns - _LEAD_NS

    def _apply(self, row: TapeRow) -> None:
        assert self._sink is not None
        self._last_ns = row.at_ns
        self.trades += row.trade
        for contract_id in self._contract_ids:
            if row.trade:
                self._sink.market_trade(contract_id, row.ticks, row.size, row.sign)
            else:
                self._sink.market_level(contract_id, row.sign, row.ticks, row.size)
