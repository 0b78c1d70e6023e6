"""The request budget of one login: a rolling minute of requests, some of them kept back for what reduces risk.

Adapters ask it before every request that a venue counts. Nothing queues here: a request is allowed now or it is not,
so an exit never waits behind an entry (`protocols/tradovate.md 1.5`). Each lane leaves something to the ones before
it: a storm of modifications takes nothing from entries, and nothing of the reserve.
"""

from collections import deque
from enum import IntEnum

from schema.clock import Clock
from schema.records import ApprovedOrder, OrderType

WINDOW_S = 60.0
FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 3600.0  # a venue that said 429 is asked to be left alone for an hour at most
_NS = 1_000_000_000


class Lane(IntEnum):
    """What a request is for, the most urgent first."""

    EXIT = 0  # closes something, or verifies that it is closed
    CANCEL = 1
    PROTECTIVE = 2  # a resting order that reduces
    ENTRY = 3
    FIND = 4  # the outcome of one order that is not known; whoever waits for it can neither enter nor be corrected
    MODIFY = 5
    QUERY = 6
    HISTORY = 7  # of the market: what is asked for again later, and no trade waits for


def lane_of(order: ApprovedOrder) -> Lane:
    """The lane of a request that places an order."""
    if not order.reducing:
        return Lane.ENTRY
    return Lane.EXIT if order.order_type is OrderType.MARKET else Lane.PROTECTIVE


class RequestBudget:
    """Counts requests of the last minute. `per_min` is the venue's limit, `reserved` how many of them are kept back for
    exits, cancels and protective orders."""

    def __init__(self, clock: Clock, per_min: int, reserved: int) -> None:
        self.per_min = per_min
        self.reserved = min(reserved, per_min)
        others = self.per_min - self.reserved
        self._leaves = {
            Lane.EXIT: 0,
            Lane.CANCEL: self.reserved // 4,
            Lane.PROTECTIVE: self.reserved // 2,
            Lane.ENTRY: self.reserved,
            Lane.FIND: self.reserved + others // 16,
            Lane.MODIFY: self.reserved + others // 8,
            Lane.QUERY: self.reserved + others // 4,
            Lane.HISTORY: self.reserved + others // 2,
        }
        self._clock = clock
        self._spent: deque[int] = deque()
        self._paused_until_ns = 0
        self._pause_s = 0.0

    def left(self) -> int:
        """Requests still allowed in the current window, the reserve included."""
        self._forget(self._clock.now_ns())
        return max(0, self.per_min - len(self._spent))

    def refusal(self, lane: Lane, count: int = 1) -> str:
        """Why `count` requests may not be made now; empty when they may. Counts nothing."""
        return self._refusal(self._clock.now_ns(), lane, count)

    def _refusal(self, now_ns: int, lane: Lane, count: int) -> str:
        self._forget(now_ns)
        if max(0, self.per_min - len(self._spent)) - self._leaves[lane] < count:
            return f"request budget spent: {self.per_min} a minute, {self.reserved} of them kept for exits"
        if now_ns < self._paused_until_ns and lane >= Lane.ENTRY:
            pause_s = (self._paused_until_ns - now_ns) / _NS
            return f"request budget paused for {pause_s:.1f} s more: the venue said too many requests"
        return ""

    def take(self, lane: Lane) -> str:
        """Count one request if it is allowed: empty, or why it is not."""
        now_ns = self._clock.now_ns()
        refusal = self._refusal(now_ns, lane, 1)
        if not refusal:
            self._spent.append(now_ns)
        return refusal

    def spend(self) -> None:
        """Count a request that is made in any case (login, renewal, synchronisation)."""
        self._spent.append(self._clock.now_ns())

    def throttled(self, wait_s: float | None = None) -> None:
        """The venue said too many: what does not reduce pauses, for `wait_s` when the venue named a time, else twice
        as long as the last time if that was within the last minute."""
        now = self._clock.now_ns()
        if wait_s is None:
            if now < self._paused_until_ns:
                return  # the same storm: its other answers teach nothing new
            recent = now - self._paused_until_ns < WINDOW_S * _NS
            self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S) if recent and self._pause_s else FIRST_PAUSE_S
            wait_s = self._pause_s
        self._paused_until_ns = max(self._paused_until_ns, now + int(min(wait_s, LONGEST_PAUSE_S) * _NS))

    def _forget(self, now_ns: int) -> None:
        before = now_ns - int(WINDOW_S * _NS)
        spent = self._spent
        while spent and spent[0] <= before:
            spent.popleft()
