"""Small pieces of the core's state: its limits, where a follower stands, and the tally of decisions."""

from collections import Counter
from decimal import Decimal

from engine.latency import Latencies
from schema.records import Copy, Decision, Episode, Record, Signal, SignalKind
from schema.settings import Settings


class CoreLimits(Record, frozen=True):
    """The settings the core decides by. Seconds unless the name says otherwise."""

    deadline_s: float = 2.5
    breaker_failures: int = 5
    breaker_open_s: float = 10.0
    reconcile_every_s: float = 60.0

    @classmethod
    def of(cls, settings: Settings) -> "CoreLimits":
        return cls(
            deadline_s=settings.deadline_s,
            breaker_failures=settings.breaker_failures,
            breaker_open_s=settings.breaker_open_s,
            reconcile_every_s=settings.reconcile_every_s,
        )


CHASE_NS = 10_000_000_000
"""How long what an earlier order did not bring may be sent at market for the same trade."""


class FollowerState:
    """Where a follower stands in the leader's trade of one symbol."""

    __slots__ = (
        "attempts", "behind", "chase_until_ns", "episode", "hopeless", "out", "planned", "retry_ns", "scale",
        "tried_late",
    )  # fmt: skip

    def __init__(self) -> None:
        self.episode = Episode.NONE
        self.scale: Decimal | None = None
        self.planned = 0  # signed lots that the newest row of the trade asked it to hold
        self.behind = False  # a copy failed or was held back: recovery looks at it until it stands at its target
        self.hopeless = False  # the venue's last reject will not go away by trying again
        self.out = False  # stays out of every trade until the trader switches it on again
        self.tried_late = False  # joining the open trade was tried, which is done once
        self.attempts = 0  # corrections since the last signal
        self.retry_ns = 0
        self.chase_until_ns = 0  # until then what it lacks is sent at market, whatever the group does about drift

    def start(self, scale: Decimal | None) -> None:
        """A new trade of the leader begins: whoever missed the last one may join this one."""
        if self.episode is Episode.MISSED and not self.out:
            self.episode = Episode.NONE
        self.scale = scale
        self.planned = 0
        self.hopeless = False
        self.tried_late = False
        self.attempts = 0


class Tally:
    """How leader signals and their pairs were decided since the desk opened; corrections are not counted as pairs."""

    def __init__(self, latencies: Latencies) -> None:
        self.signals = 0
        self.decisions: Counter[Decision] = Counter()
        self.followers: dict[str, Counter[Decision]] = {}
        self.latencies = latencies

    def signal(self, signal: Signal) -> None:
        self.signals += signal.kind is not SignalKind.CORRECTION

    def pair(self, signal: Signal, copy: Copy) -> None:
        """A pair appears with its first decision."""
        if signal.kind is not SignalKind.CORRECTION:
            self.decisions[copy.decision] += 1
            self._of(copy.follower)[copy.decision] += 1

    def decided(self, signal: Signal, copy: Copy, decision: Decision) -> None:
        """A pair's decision changes from `copy.decision` to `decision`."""
        if signal.kind is not SignalKind.CORRECTION:
            for counter in (self.decisions, self._of(copy.follower)):
                counter[copy.decision] -= 1
                counter[decision] += 1

    def _of(self, follower: str) -> Counter[Decision]:
        counter = self.followers.get(follower)
        if counter is None:
            counter = self.followers[follower] = Counter()
        return counter

    def answered(self, copy: Copy) -> None:
        self.latencies.add(copy)

    @property
    def pairs(self) -> int:
        return sum(self.decisions.values())
