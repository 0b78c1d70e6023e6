"""Latency of the stages of a copy, from its six times. Kept exactly up to a cap, then by uniform sampling."""

import itertools
import math
from random import Random

from engine.seat import LatencySummary
from schema.records import Copy

STAGES = ("decide", "journal", "send", "venue", "total")
_KEPT = 4096


class Stage:
    """Milliseconds seen by one stage; the maximum is exact, percentiles come from up to 4,096 samples."""

    def __init__(self, name: str, random: Random) -> None:
        self.name = name
        self.count = 0
        self.max_ms = 0.0
        self._random = random
        self._kept: list[float] = []

    def add(self, ms: float) -> None:
        self.count += 1
        self.max_ms = max(self.max_ms, ms)
        if len(self._kept) < _KEPT:
            self._kept.append(ms)
        elif (slot := self._random.randrange(self.count)) < _KEPT:
            self._kept[slot] = ms

    def summary(self) -> LatencySummary:
        ordered = sorted(self._kept)
        return LatencySummary(
            stage=self.name, count=self.count, p50=percentile(ordered, 50), p99=percentile(ordered, 99), max=self.max_ms
        )


def percentile(ordered: list[float], percent: float) -> float:
    """The nearest-rank percentile of an ordered list; -1 when it is empty."""
    if not ordered:
        return -1.0
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def stages_of(copy: Copy) -> dict[str, float]:
    """The stages of an answered copy in milliseconds: decide (leader event at our door -> plan), journal (-> commit
    returned), send (-> bytes at the socket), venue (-> first answer), total (leader event -> first answer)."""
    times = (copy.received_ns, copy.decided_ns, copy.journaled_ns, copy.sent_ns, copy.acked_ns)
    if not all(times):
        return {}
    steps = [(later - earlier) / 1e6 for earlier, later in itertools.pairwise(times)]
    return dict(zip(STAGES, [*steps, (copy.acked_ns - copy.received_ns) / 1e6], strict=True))


class Latencies:
    """Every stage for the desk, and the total per follower."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.stages = {name: Stage(name, random) for name in STAGES}
        self.followers: dict[str, Stage] = {}

    def add(self, copy: Copy) -> None:
        for name, ms in stages_of(copy).items():
            self.stages[name].add(ms)
            if name == "total":
                self.followers.setdefault(copy.follower, Stage("total", self._random)).add(ms)

    def summaries(self) -> tuple[LatencySummary, ...]:
        return tuple(stage.summary() for stage in self.stages.values())
