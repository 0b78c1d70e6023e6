"""What the venue allows, kept to before it has to say so: messages on a connection, connections, request weight
(`docs/binance.md` 3, 7.2, 7.3). Used by `socket.py`, `shards.py` and `rest.py`."""

import asyncio
from collections import deque

from brokers.feed import FeedDown
from schema.records import Record

MINUTE_S = 60.0


class Limits(Record, frozen=True):
    """Times are seconds. Everything is on the careful side of the page; tests turn it down to their scale.

    A message every `message_every_s` stays below 5 a second with room for pongs, whatever the network bunches.
    `attempts` connections in `attempts_window_s`; `weight_share` of the request weight is ours, the rest is for
    others at this address. `renew_after_s` is before the 24th hour, `overlap_s` how long both connections live.
    A connection without anything for `silence_s`, not even a ping, is dead. A trade that is missing is waited for
    `reorder_s`, then asked for, `fill_pages` pages of 1,000 at most and `fill_s` at most; then it is a gap.
    """

    message_every_s: float = 0.35
    streams_per_connection: int = 1024
    params_per_message: int = 200
    attempts: int = 250
    attempts_window_s: float = 300.0
    weight_share: float = 0.8
    renew_after_s: float = 23 * 3600.0
    overlap_s: float = 3.0
    silence_s: float = 50.0
    open_s: float = 10.0
    first_wait_s: float = 0.25
    longest_wait_s: float = 60.0
    steady_s: float = 10.0
    reorder_s: float = 0.25
    fill_pages: int = 20
    fill_s: float = 20.0
    snapshot_levels: int = 1000
    snapshot_pause_s: float = 0.5
    kept_trades: int = 50_000
    kept_updates: int = 2_000
    page: int = 1000
    request_s: float = 10.0
    give_up_s: float = 60.0


class Rolling:
    """At most `limit` in any `window_s` seconds; whoever wants more waits in line."""

    def __init__(self, limit: int, window_s: float) -> None:
        self._limit = limit
        self._window_s = window_s
        self._taken: deque[float] = deque()
        self._line = asyncio.Lock()

    async def take(self) -> None:
        loop = asyncio.get_running_loop()
        async with self._line:
            while len(self._taken) >= self._limit:
                wait_s = self._taken[0] + self._window_s - loop.time()
                if wait_s > 0:
                    await asyncio.sleep(wait_s)
                else:
                    self._taken.popleft()
            self._taken.append(loop.time())


class Attempts(Rolling):
    """Connections of this address: so many in a window, and two handshakes at a time (T-STORM)."""

    def __init__(self, limit: int, window_s: float) -> None:
        super().__init__(limit, window_s)
        self.at_once = asyncio.Semaphore(2)


class Weights:
    """The request weight of this address over the last minute: ours, and what the venue says was used beside it."""

    def __init__(self, share: float, per_min: int = 6000) -> None:
        self.per_min = per_min
        self._share = share
        self._spent: deque[tuple[float, int]] = deque()
        self._closed_until = 0.0
        self._closed_why = ""
        self._line = asyncio.Lock()

    async def spend(self, weight: int, give_up_s: float) -> None:
        """Wait until `weight` more is allowed. Raises FeedDown when the venue wants to be left alone longer than
        `give_up_s`."""
        loop = asyncio.get_running_loop()
        async with self._line:
            while (wait_s := self._wait_s(weight, loop.time())) > 0:
                if self._closed_until - loop.time() > give_up_s:
                    left_s = self._closed_until - loop.time()
                    raise FeedDown(f"{self._closed_why}; it takes no requests for {left_s:.0f} s more.")
                await asyncio.sleep(wait_s)
            self._spent.append((loop.time(), weight))

    def saw(self, used: int) -> None:
        """The venue's own count of the minute: what we do not know of was spent by others at this address."""
        now = asyncio.get_running_loop().time()
        others = used - self.used(now)
        if others > 0:
            self._spent.append((now, others))

    def closed(self, for_s: float, why: str) -> None:
        """The venue said too many: nothing for so long."""
        self._closed_until = max(self._closed_until, asyncio.get_running_loop().time() + for_s)
        self._closed_why = why

    def used(self, now: float) -> int:
        while self._spent and self._spent[0][0] <= now - MINUTE_S:
            self._spent.popleft()
        return sum(weight for _, weight in self._spent)

    def _wait_s(self, weight: int, now: float) -> float:
        if now < self._closed_until:
            return self._closed_until - now
        allowed = max(self.per_min * self._share, weight)
        used = self.used(now)
        for at, spent in self._spent:
            if used + weight <= allowed:
                break
            used -= spent
            if used + weight <= allowed:
                return max(at + MINUTE_S - now, 0.001)
        return 0.0
