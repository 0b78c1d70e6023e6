"""One symbol's depth kept whole by the venue's own procedure: keep events, take a snapshot, apply, begin anew at a jump
(`docs/binance.md` 6). Pure; `feed.py` fetches the snapshots and knows when a connection was lost.

Two additions. A symbol that is quiet has no event to judge a snapshot by: it is shown at once, and is judged by the
first event that comes. And after a lost connection a snapshot is always taken: the changes of that time may be to
levels that never change again.
"""

from collections import deque

from msgspec.structs import replace

from brokers.binance import SOURCE
from brokers.binance.wire import MS, DepthAnswer, DepthEvent, depth_of, snapshot_of
from schema.market import FeedGap, MarketEvent


class Depth:
    """See the module's docstring. While `wants_snapshot`, the book is not in step with the venue's."""

    def __init__(self, symbol: str, kept: int) -> None:
        self.dropped = 0
        self._symbol = symbol
        self._number: int | None = None
        self._kept: deque[tuple[DepthEvent, int]] = deque()
        self._most = kept
        self._newest_ns = 0  # the newest time the venue said
        self._shown_ns = 0  # the time that the newest snapshot was given: what follows is not before
        self._told_ns = 0  # the time of the last that was told
        self._gap: str = ""  # why something was not told since then

    @property
    def wants_snapshot(self) -> bool:
        return self._number is None

    def lost(self, reason: str) -> None:
        """The connection is gone: what comes next does not follow on what was."""
        if self._number is not None:
            self._gap = reason
        self._begin_anew()

    def on_event(self, event: DepthEvent, received_ns: int) -> list[MarketEvent]:
        """An event of the stream; what is to be told of it."""
        self._newest_ns = max(self._newest_ns, event.event_ms * MS)
        if self._number is not None and event.last <= self._number:
            return []
        if self._number is not None and event.first > self._number + 1:
            self._gap = f"depth: {event.first} came after {self._number}"
            self._begin_anew()
        if self._number is None:
            self._keep(event, received_ns)
            return []
        self._number, self._told_ns = event.last, max(event.event_ms * MS, self._shown_ns)
        told = depth_of(event, received_ns)
        return [told if told.ts_ns == self._told_ns else replace(told, ts_ns=self._told_ns)]

    def on_snapshot(self, answer: DepthAnswer, received_ns: int) -> list[MarketEvent]:
        """A snapshot that was asked for; `wants_snapshot` says whether it was too old and another one is needed."""
        if self._number is not None or (self._kept and answer.last_update_id < self._kept[0][0].first):
            return []
        ts_ns = self._shown_ns = max(self._newest_ns or received_ns, self._shown_ns)
        told: list[MarketEvent] = []
        if self._gap:
            told.append(
                FeedGap(
                    source=SOURCE,
                    symbol=self._symbol,
                    ts_ns=ts_ns,
                    received_ns=received_ns,
                    since_ns=self._told_ns or ts_ns,
                    reason=self._gap,
                )
            )
            self._gap = ""
        told.append(snapshot_of(self._symbol, answer, ts_ns, received_ns))
        self._number, self._told_ns = answer.last_update_id, ts_ns
        kept, self._kept = self._kept, deque()
        for event, at_ns in kept:
            told += self.on_event(event, at_ns)
        return told

    def _begin_anew(self) -> None:
        self._number = None
        self._kept.clear()

    def _keep(self, event: DepthEvent, received_ns: int) -> None:
        if len(self._kept) >= self._most:
            self._kept.popleft()
            self.dropped += 1
        self._kept.append((event, received_ns))
