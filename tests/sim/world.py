"""The simulated world: virtual time, and everything that happens outside the desk in the order it happens.

Venue, wires, disk and trader are callbacks in one heap, keyed by virtual nanoseconds; the desk is a `SimLoop` beside
it (`loop.py`). One step is one callback of either side. Nothing here reads a clock; every choice comes from `random`.
"""

import heapq
from collections.abc import Callable
from random import Random
from typing import Any

from tests.sim.loop import SimLoop

START_NS = 1_700_000_000_000_000_000
MS = 1_000_000
S = 1_000_000_000
_STEP_NS = 1_000  # what one callback of the desk takes
_WINDOW = 6  # how far a callback that is ready may be overtaken by younger ones


class Violation(Exception):
    """A promise was broken; the text starts with the T-name it stands for."""


class World:
    """The clock (`now_ns`), the heap of what is to come, and the desk's loop while a desk is alive."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.loop: SimLoop | None = None
        self.steps = 0
        self.crash_after = 0  # desk callbacks until `crash` is called; 0: never
        self.crash: Callable[[], None] = lambda: None
        self._now_ns = START_NS
        self._heap: list[tuple[int, int, Callable[..., Any], tuple[Any, ...]]] = []
        self._number = 0
        self._draw = random.random

    def now_ns(self) -> int:
        return self._now_ns

    @property
    def elapsed_s(self) -> float:
        return (self._now_ns - START_NS) / 1e9

    def at(self, at_ns: int, call: Callable[..., Any], *args: Any) -> None:
        """Call at a virtual time; at the same time, in the order of asking."""
        self._number += 1
        heapq.heappush(self._heap, (at_ns, self._number, call, args))

    def after(self, seconds: float, call: Callable[..., Any], *args: Any) -> None:
        self.at(self._now_ns + int(seconds * S), call, *args)

    def run(self, until_ns: int) -> None:
        """Let everything happen up to `until_ns`."""
        heap = self._heap
        while True:
            loop = self.loop
            ready = loop.ready if loop is not None else None
            if ready and (not heap or heap[0][0] > self._now_ns or self._draw() < 0.5):
                self._now_ns += _STEP_NS
                count = len(ready)
                handle = ready.pop(int(self._draw() * min(count, _WINDOW)) if count > 1 else 0)
                handle.run()
                self.steps += 1
                if self.crash_after:
                    self.crash_after -= 1
                    if not self.crash_after:
                        self.crash()
                continue
            if not heap or heap[0][0] > until_ns:
                self._now_ns = max(self._now_ns, until_ns)
                return
            at_ns, _, call, args = heapq.heappop(heap)
            self._now_ns = max(self._now_ns, at_ns)
            call(*args)

    def run_for(self, seconds: float) -> None:
        self.run(self._now_ns + int(seconds * S))
