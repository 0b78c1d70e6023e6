"""One symbol's trades told once each and in order of their numbers, whatever came twice, late or not at all.

Pure. Numbers prove it (`docs/binance.md` 5, 8): a trade beyond the next one waits until those before it have come, from
the stream or from REST, or until REST or time proves that they will not: that is told as a gap. Used by `feed.py`.
"""

from brokers.binance import SOURCE
from schema.market import FeedGap, MarketEvent, Trade


class Tape:
    """See the module's docstring. A trade's number is its `seq`."""

    def __init__(self, symbol: str, kept: int) -> None:
        self.last_id = -1
        self.duplicates = 0
        self.dropped = 0
        self._symbol = symbol
        self._most = kept
        self._waiting: dict[int, Trade] = {}
        self._told_ns = 0

    @property
    def hole(self) -> bool:
        """Trades are missing before those that wait."""
        return bool(self._waiting)

    def on_trade(self, trade: Trade) -> list[MarketEvent]:
        """A trade of the stream; what is to be told now."""
        if trade.seq <= self.last_id or trade.seq in self._waiting:
            self.duplicates += 1
            return []
        if self.last_id >= 0 and trade.seq > self.last_id + 1:
            if len(self._waiting) >= self._most:
                self.dropped += 1
                return []  # its place is known: it is asked for, or told as missing
            self._waiting[trade.seq] = trade
            return []
        return [self._tell(trade), *self._drain()]

    def on_page(self, asked_id: int, trades: list[Trade]) -> list[MarketEvent]:
        """What REST has from `asked_id` on, by their numbers upwards. A number up to the page's last that is not in it
        does not exist."""
        if not trades:
            return []
        for trade in trades:
            if trade.seq > self.last_id:
                self._waiting.setdefault(trade.seq, trade)
        told = self._drain()
        while asked_id <= self.last_id + 1 and self.last_id < trades[-1].seq:
            told += self._skip_to_next("the venue has no such trades")
            told += self._drain()
        return told

    def give_up(self, reason: str) -> list[MarketEvent]:
        """What is missing before the first that waits will not come."""
        return [*self._skip_to_next(reason), *self._drain()] if self._waiting else []

    def _skip_to_next(self, reason: str) -> list[MarketEvent]:
        following = min(self._waiting)
        trade = self._waiting.pop(following)
        missed = following - self.last_id - 1 if self.last_id >= 0 else 0
        if not missed:
            return [self._tell(trade)]
        gap = FeedGap(
            source=SOURCE,
            symbol=self._symbol,
            ts_ns=trade.ts_ns,
            received_ns=trade.received_ns,
            since_ns=self._told_ns,
            missed=missed,
            reason=f"trades {self.last_id + 1} to {following - 1}: {reason}",
        )
        return [gap, self._tell(trade)]

    def _drain(self) -> list[MarketEvent]:
        told: list[MarketEvent] = []
        while (trade := self._waiting.pop(self.last_id + 1, None)) is not None:
            told.append(self._tell(trade))
        return told

    def _tell(self, trade: Trade) -> Trade:
        self.last_id = trade.seq
        self._told_ns = trade.ts_ns
        return trade
