"""The way of a copy in five stages, against what each may take. Fed by `engine/views.py` with every copy that changes;
the latency pane shows it.

detect: the leader's fill at its venue -> at our door; publish: -> in the journal; fan-out: -> bytes at the socket;
venue: -> the venue's first answer; collect: -> the last fill. A venue whose clock is ahead of ours gives no detect.
"""

import itertools
from collections import OrderedDict
from random import Random

from engine.latency import Stage
from engine.shown import CopyTimes, StageShown
from schema.records import Copy, Decision, OrderType, Signal, SignalKind

BUDGET_MS = {"detect": 50.0, "publish": 25.0, "fan-out": 10.0, "venue": 800.0, "collect": 50.0, "total": 1000.0}
STAGES = tuple(BUDGET_MS)[:-1]
SLA_MS = 3000.0
"""What no copy may take: an order that is not with its venue by then is not sent."""
UNKNOWN_MS = -1.0
_COPIES_SHOWN = 40
_REMEMBERED = 2_000


def times_of(signal: Signal, copy: Copy) -> CopyTimes | None:
    """The stages of a copy that is filled; None of one that waits for a price, is not filled, or corrects."""
    at = (copy.received_ns, copy.journaled_ns, copy.sent_ns, copy.acked_ns)
    filled = copy.decision is Decision.COPIED and copy.qty and copy.filled_qty >= copy.qty
    if not filled or not all(at) or copy.order_type is not OrderType.MARKET:
        return None
    if signal.kind is not SignalKind.LEADER_FILL:
        return None
    steps = [(later - earlier) / 1e6 for earlier, later in itertools.pairwise(at)]
    detect = (copy.received_ns - signal.venue_ns) / 1e6 if 0 < signal.venue_ns <= copy.received_ns else UNKNOWN_MS
    # A fill may come before the answer: then nothing was left to collect.
    collect = max(0.0, (copy.filled_ns - copy.acked_ns) / 1e6) if copy.filled_ns else UNKNOWN_MS
    stages = (detect, *steps, collect)
    return CopyTimes(
        signal_id=copy.signal_id,
        follower=copy.follower,
        symbol=copy.symbol,
        at_ns=copy.received_ns,
        stages_ms=stages,
        total_ms=sum(ms for ms in stages if ms >= 0),
    )


class Waterfall:
    """Each copy counts once, when it is filled."""

    def __init__(self, random: Random) -> None:
        self._stages = {name: Stage(name, random) for name in BUDGET_MS}
        self._over = dict.fromkeys(BUDGET_MS, 0)
        self._copies: OrderedDict[tuple[str, str], CopyTimes] = OrderedDict()
        self._shown: tuple[StageShown | CopyTimes, ...] = ()
        self._fresh = False

    def add(self, signal: Signal, copy: Copy) -> None:
        key = (copy.signal_id, copy.follower)
        if key in self._copies or (times := times_of(signal, copy)) is None:
            return
        self._copies[key] = times
        if len(self._copies) > _REMEMBERED:
            self._copies.popitem(last=False)
        for name, ms in zip(BUDGET_MS, (*times.stages_ms, times.total_ms), strict=True):
            if ms >= 0:
                self._stages[name].add(ms)
                self._over[name] += ms > BUDGET_MS[name]
        self._fresh = True

    def rows(self) -> tuple[StageShown | CopyTimes, ...]:
        """The stages with the total behind them, then the newest copies, newest first."""
        if self._fresh:
            self._fresh = False
            newest = itertools.islice(reversed(self._copies.values()), _COPIES_SHOWN)
            self._shown = (*(self._stage(name) for name in BUDGET_MS), *newest)
        return self._shown

    def _stage(self, name: str) -> StageShown:
        found = self._stages[name].summary()
        return StageShown(
            stage=name,
            count=found.count,
            p50=found.p50,
            p99=found.p99,
            max=found.max,
            budget_ms=BUDGET_MS[name],
            over=self._over[name],
        )
