"""The paint clock: one timer that decides when each pane looks at the desk, and measures how late the loop runs.

`tui/app.py` owns one. Panes are painted at their own rates from the newest snapshots, however many events came in
between.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

TICKS_PER_S = 20
_LAGS_KEPT = 1000


@dataclass(slots=True)
class _Painter:
    paint: Callable[[], None]
    every: int
    due: int = 0


class PaintClock:
    """Call `tick` `TICKS_PER_S` times a second."""

    def __init__(self, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._monotonic_s = monotonic_s
        self._painters: list[_Painter] = []
        self._last_s: float | None = None
        self._lags_ms: deque[float] = deque(maxlen=_LAGS_KEPT)
        self.max_lag_ms = 0.0

    def add(self, paint: Callable[[], None], per_s: int) -> None:
        """Paint `per_s` times a second (at most TICKS_PER_S)."""
        self._painters.append(_Painter(paint, max(1, TICKS_PER_S // per_s)))

    def tick(self, hold: bool) -> None:
        """One beat: measure how late it is, then, unless on `hold`, paint what is due."""
        now_s = self._monotonic_s()
        if self._last_s is not None:
            lag_ms = max(0.0, (now_s - self._last_s) * 1000 - 1000 / TICKS_PER_S)
            self._lags_ms.append(lag_ms)
            self.max_lag_ms = max(self.max_lag_ms, lag_ms)
        self._last_s = now_s
        if hold:
            return
        for painter in self._painters:
            painter.due -= 1
            if painter.due <= 0:
                painter.due = painter.every
                painter.paint()

    @property
    def lag_p99_ms(self) -> float:
        """How late a beat is, 99th percentile of the last 1,000 beats."""
        if not self._lags_ms:
            return 0.0
        ordered = sorted(self._lags_ms)
        return ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
