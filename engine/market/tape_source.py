"""A recorded session as a feed: the book as it rested, then every change and trade in receive order.

For replays, rehearsals and tests; the file is the sandbox's tape (`brokers/sandbox/market_tape.py`). It may lose its
connection where it is told to, and then does what a good source does: it comes back with the whole book and tells the
trades that were missed, and some that were not, under the ids they had.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

from brokers.feed import FeedDown, Sink
from brokers.sandbox.market_tape import QUIET_NS, TapeRow, read_tape
from engine.market.grid import Grid
from schema.clock import Clock
from schema.market import (
    Aggressor,
    DepthChanged,
    DepthSnapshot,
    FeedHealth,
    Levels,
    MarketEvent,
    SessionChanged,
    SessionState,
    Trade,
)

_AGGRESSORS = {1: Aggressor.BUY, -1: Aggressor.SELL, 0: Aggressor.NONE}
_TOLD_AGAIN = 5
_TURN = 500  # rows between two turns of the loop when nothing is waited for
_SHORTEST_S = 0.002  # shorter waits are made up for by the next longer one

_Event = TypeVar("_Event", bound=MarketEvent)


class TapeSource:
    """See `brokers/feed.py` Feed. `speed` is how fast the market's time runs against ours, 0: nothing is waited for.
    `cuts` are (row, rows): before that row of the tape, counted from 1, the connection is lost for so many rows."""

    source = "tape"

    def __init__(
        self,
        path: Path,
        symbol: str,
        tick_size: float,
        clock: Clock,
        *,
        speed: float = 0.0,
        cuts: Iterable[tuple[int, int]] = (),
    ) -> None:
        self._path, self._symbol, self._clock, self._speed = path, symbol, clock, speed
        self._grid = Grid(tick_size)
        self._tick_size = tick_size
        self._cuts = dict(cuts)
        self._wanted = False
        self._books: dict[int, dict[int, int]] = {1: {}, -1: {}}  # the exchange's, whether connected or not
        self._session = SessionState.PRE_OPEN
        self._state = "down"
        self._reconnects = self._trades = self._changes = self._row = 0
        self._heard_ns = self._ts_ns = 0
        self._due_s = 0.0
        self._sink: Sink | None = None

    async def subscribe(self, symbols: Iterable[str]) -> None:
        for symbol in symbols:
            if symbol != self._symbol:
                raise FeedDown(f"{symbol}: the tape {self._path.name} has {self._symbol} and nothing else.")
            self._wanted = True

    async def unsubscribe(self, symbols: Iterable[str]) -> None:
        self._wanted = self._wanted and self._symbol not in symbols

    def health(self) -> FeedHealth:
        now_ns = self._clock.now_ns()
        return FeedHealth(
            source=self.source,
            ws_state=self._state,
            last_msg_age_ms=(now_ns - self._heard_ns) / 1e6 if self._heard_ns else -1.0,
            reconnects=self._reconnects,
            gaps=0,
            dropped=0,
            catchup_candles_total=0,
            lag_ms=-1.0,  # the tape's clock is of another day
        )

    async def run(self, sink: Sink) -> None:
        """Tell the tape to its end and return. Raises FeedDown when it can't be read."""
        self._sink = sink
        self._state = "up"
        try:
            rows = read_tape(self._path, self._tick_size)
            await self._tell_all(self._rested(rows), rows)
        except ValueError as unreadable:
            raise FeedDown(str(unreadable)) from unreadable
        finally:
            self._state = "down"

    def _rested(self, rows: Iterator[TapeRow]) -> TapeRow | None:
        """The book as it rested, all stamped with one time; the row after it."""
        first = row = next(rows, None)
        while row is not None and first is not None and not row.trade and row.at_ns == first.at_ns:
            self._change(row)
            row = next(rows, None)
        if first is not None:
            self._ts_ns = first.at_ns
            self._tell(self._stamped(SessionChanged)(state=self._session))
            self._tell(self._snapshot())
        return row

    async def _tell_all(self, row: TapeRow | None, rows: Iterator[TapeRow]) -> None:
        down_until = 0
        recent: deque[Trade] = deque(maxlen=_TOLD_AGAIN)
        missed: list[Trade] = []
        while row is not None:
            await self._wait(row.at_ns)
            trade = self._change(row)
            if rows_down := self._cuts.pop(self._row, 0):
                down_until, missed = self._row + rows_down, list(recent)
                self._state = "down"
            elif self._state == "down" and self._row >= down_until:
                self._come_back(missed)
            if trade is not None:
                recent.append(trade)
                missed.append(trade)
                if trade.trade_id == "1":  # the auction that opens the session
                    self._session = SessionState.OPEN
                    if self._state == "up":
                        self._tell(self._stamped(SessionChanged)(state=self._session))
            if self._state == "up":
                levels = ((self._grid.value(row.ticks), float(row.size)),)
                bids, asks = (levels, ()) if row.sign > 0 else ((), levels)
                seq = self._changes
                self._tell(trade or self._stamped(DepthChanged)(bids=bids, asks=asks, seq=seq, first_seq=seq))
            row = next(rows, None)
        if self._state == "down" and missed:  # the tape ends while nothing is heard
            self._come_back(missed)

    def _come_back(self, missed: Iterable[Trade]) -> None:
        self._state = "up"
        self._reconnects += 1
        self._tell(self._stamped(SessionChanged)(state=self._session))
        self._tell(self._snapshot())
        for trade in missed:
            self._tell(trade)

    def _change(self, row: TapeRow) -> Trade | None:
        """What the exchange does: its book changes, or a trade has the next id."""
        self._row += 1
        self._ts_ns = row.at_ns
        if not row.trade:
            self._changes += 1
            self._books[row.sign].pop(row.ticks, None)
            if row.size:
                self._books[row.sign][row.ticks] = row.size
            return None
        self._trades += 1
        return self._stamped(Trade)(
            seq=self._trades,
            price=self._grid.value(row.ticks),
            size=float(row.size),
            aggressor=_AGGRESSORS[row.sign],
            trade_id=str(self._trades),
        )

    def _snapshot(self) -> DepthSnapshot:
        sides: list[Levels] = []
        for sign in (1, -1):
            book = self._books[sign]
            ordered = sorted(book, reverse=sign > 0)
            sides.append(tuple((self._grid.value(ticks), float(book[ticks])) for ticks in ordered))
        return self._stamped(DepthSnapshot)(bids=sides[0], asks=sides[1], seq=self._changes)

    async def _wait(self, at_ns: int) -> None:
        loop = asyncio.get_running_loop()
        quiet_ns = at_ns - self._ts_ns
        if self._speed and 0 < quiet_ns <= QUIET_NS:
            self._due_s = max(self._due_s, loop.time() - 1) + quiet_ns / 1e9 / self._speed
            if self._due_s - loop.time() > _SHORTEST_S:
                await asyncio.sleep(self._due_s - loop.time())
        if self._row % _TURN == 0:
            await asyncio.sleep(0)

    def _stamped(self, event: type[_Event]) -> Callable[..., _Event]:
        return partial(
            event, source=self.source, symbol=self._symbol, ts_ns=self._ts_ns, received_ns=self._clock.now_ns()
        )

    def _tell(self, event: MarketEvent) -> None:
        assert self._sink is not None
        if self._wanted:
            self._heard_ns = event.received_ns
            self._sink(event)
