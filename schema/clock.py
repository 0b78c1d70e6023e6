"""The one source of time. Everything that decides takes a `Clock`, so that tests and the simulation own it.

Times are integers: nanoseconds since the Unix epoch, UTC, named `*_ns`. The system clock is anchored once at
import and then runs on the monotonic counter, so that latencies never go negative when NTP steps the wall clock.
"""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where a component reads the time."""

    def now_ns(self) -> int:
        """Nanoseconds since the Unix epoch, UTC; never runs backwards."""
        ...


class SystemClock:
    """The machine's clock: wall time at construction plus the monotonic counter since."""

    def __init__(self) -> None:
        self._anchor_ns = time.time_ns() - time.perf_counter_ns()

    def now_ns(self) -> int:
        return self._anchor_ns + time.perf_counter_ns()


SYSTEM_CLOCK = SystemClock()


def to_datetime(at_ns: int) -> datetime:
    """The UTC datetime of `at_ns`, cut to microseconds."""
    seconds, rest = divmod(at_ns, 1_000_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // 1_000)


def from_datetime(at: datetime) -> int:
    """Nanoseconds since the epoch of an aware datetime."""
    whole = int(at.replace(microsecond=0).timestamp())
    return whole * 1_000_000_000 + at.microsecond * 1_000
