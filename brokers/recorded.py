"""A recorded session's file as a `History`: its trades, so that candles can be built of them.

A gzipped CSV with the columns ``ts_utc, event, side, price, size`` in the order they were received; rows whose event is
``trade`` are trades, ``side`` who crossed the spread. Used by `copydesk backfill --tape`.
"""

import asyncio
import csv
import gzip
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from brokers.feed import FeedDown
from schema.clock import from_datetime
from schema.market import Aggressor, Interval, Trade
from schema.records import Bar

SOURCE = "tape"
_COLUMNS = ["ts_utc", "event", "side", "price", "size"]
_PAGE = 1_000
_SECONDS_END = len("2023-12-25T23:00:00")


class RecordedHistory:
    """See the module's docstring. A file does not say of what it is: whatever symbol is asked for."""

    source = SOURCE

    def __init__(self, path: Path) -> None:
        self._path = path

    async def bars(
        self, symbol: str, interval: Interval, since_ns: int, until_ns: int
    ) -> AsyncIterator[tuple[Bar, ...]]:
        """Raises FeedDown: there are none in the file."""
        raise FeedDown(f"tape: {self._path} holds trades and no candles; add --trades to build them.")
        yield ()  # a generator by its form

    async def trades(self, symbol: str, since_ns: int, until_ns: int) -> AsyncIterator[tuple[Trade, ...]]:
        """Raises FeedDown naming the file and the line that can't be read."""
        rows = self._rows(symbol, since_ns, until_ns)
        while page := await asyncio.to_thread(lambda: tuple(islice(rows, _PAGE))):
            yield page

    def _rows(self, symbol: str, since_ns: int, until_ns: int) -> Iterator[Trade]:
        line = 1
        try:
            with gzip.open(self._path, "rt", encoding="ascii", newline="") as file:
                rows = csv.reader(file)
                if next(rows, None) != _COLUMNS:
                    raise ValueError(f"its columns are not {','.join(_COLUMNS)}")
                for row in rows:
                    line = rows.line_num
                    at, event, side, price, size = row
                    if event == "trade" and since_ns <= (at_ns := _time_ns(at)) < until_ns:
                        yield Trade(
                            source=SOURCE,
                            symbol=symbol,
                            ts_ns=at_ns,
                            received_ns=at_ns,
                            price=float(price),
                            size=float(size),
                            aggressor=Aggressor(side),
                        )
        except (OSError, EOFError, UnicodeDecodeError, ValueError, csv.Error) as error:
            raise FeedDown(f"tape: {self._path}, line {line}: can't be read ({error}); name a recorded file.") from None


def _time_ns(text: str) -> int:
    """``2023-12-25T23:00:00.123456789Z`` in nanoseconds. Raises ValueError."""
    whole, rest = text[:_SECONDS_END], text[_SECONDS_END + 1 : -1]
    return from_datetime(datetime.fromisoformat(whole).replace(tzinfo=UTC)) + int(rest.ljust(9, "0"))
