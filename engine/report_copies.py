"""How followers were copied to: outcomes with their reasons, slippage against the leader, and the delay of every stage.
Pure; `engine/report.py` calls it.

A copy's stages are the desk's budget (FIELD.md 7.1) over its six times: *detect* from the leader's fill at its venue to
our door, *publish* to the end of the journal's commit (normalised, planned, durable), *fan-out* to its bytes at the
socket, *venue* to the venue's first answer, *collect* to its last fill, *total* from the leader's fill to the last
of the follower. An order that rests waits for its price and no one else, so it has neither of the last two; *detect* is
of copies that a fill of the leader asked for.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal

from engine.latency import percentile
from engine.report_books import Tick, Ticks, money, product_of
from engine.reported import Bin, Delay, Outcomes, Reason, Slippage, Spread
from schema.records import Decision, OrderType, SignalKind
from schema.store_report import CopyFact

BUDGET_MS = {
    "detect": 50.0,
    "publish": 25.0,
    "fan-out": 10.0,
    "venue": 800.0,
    "collect": 50.0,
    "total": 1000.0,
}
"""What each stage may take; the sum of the five is 935 ms."""
SLA_MS = 3000.0
TOTAL = "total"
_FOUR_DECIMALS = Decimal("0.0001")
_MOST_BINS = 40


# --- outcomes --------------------------------------------------------------------------------------------------------


def outcomes(copies: Iterable[CopyFact]) -> Outcomes:
    """Count them."""
    decisions: Counter[str] = Counter()
    corrections = 0
    for copy in copies:
        if copy.kind == SignalKind.CORRECTION:
            corrections += 1
        else:
            decisions[copy.decision] += 1
    return Outcomes(
        pairs=decisions.total(),
        copied=decisions[Decision.COPIED],
        skipped=decisions[Decision.SKIPPED],
        rejected=decisions[Decision.REJECTED],
        expired=decisions[Decision.EXPIRED],
        unknown=decisions[Decision.UNKNOWN],
        pending=decisions[Decision.PENDING],
        corrections=corrections,
    )


def reasons(copies: Iterable[CopyFact]) -> tuple[Reason, ...]:
    """Of the pairs that were not copied, the most frequent first."""
    counted: Counter[tuple[str, str]] = Counter(
        (copy.decision, copy.reason)
        for copy in copies
        if copy.kind != SignalKind.CORRECTION and copy.decision != Decision.COPIED
    )
    ordered = sorted(counted.items(), key=lambda each: (-each[1], each[0]))
    return tuple(Reason(decision=decision, reason=reason, count=count) for (decision, reason), count in ordered)


# --- slippage --------------------------------------------------------------------------------------------------------


class Slip:
    """One copy's slippage: above 0 the follower got the worse price."""

    __slots__ = ("lots", "money", "ticks")

    def __init__(self, worse: Decimal, tick: Tick, lots: int) -> None:
        self.ticks = worse / tick.size
        self.money = self.ticks * tick.value * lots
        self.lots = lots


def slip_of(copy: CopyFact, ticks: Ticks) -> Slip | None:
    """None where it was not filled, or its price can't be held against a leader's."""
    if not was_filled(copy) or copy.avg_price is None or copy.leader_price is None:
        return None
    tick = ticks.of(copy.follower, copy.symbol)
    if tick is None or not _same_market(copy.symbol, copy.leader_symbol):
        return None
    return Slip((copy.avg_price - copy.leader_price) * copy.sign, tick, copy.filled_qty)


def was_filled(copy: CopyFact) -> bool:
    """Whether a leader's event brought the follower lots."""
    return copy.kind != SignalKind.CORRECTION and copy.filled_qty > 0


def _same_market(symbol: str, other: str) -> bool:
    """One contract, or a contract and its smaller twin: they have one price."""
    if symbol == other:
        return True
    mine, theirs = product_of(symbol), product_of(other)
    return mine is not None and theirs is not None and (mine.micro == theirs.root or theirs.micro == mine.root)


def slippage(slips: Sequence[Slip]) -> Slippage | None:
    """None where there is none to tell of."""
    if not slips:
        return None
    return Slippage(
        copies=len(slips),
        lots=sum(slip.lots for slip in slips),
        ticks=_spread([slip.ticks for slip in slips]),
        money=_spread([slip.money for slip in slips]),
    )


def _spread(values: Sequence[Decimal]) -> Spread:
    ordered = sorted(values)
    total = sum(ordered, Decimal(0))

    def rank(percent: int) -> Decimal:
        return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]

    p50, p95 = rank(50), rank(95)
    return Spread(
        mean=money((total / len(ordered)).quantize(_FOUR_DECIMALS)),
        p50=money(p50.quantize(_FOUR_DECIMALS)),
        p95=money(p95.quantize(_FOUR_DECIMALS)),
        worst=money(ordered[-1].quantize(_FOUR_DECIMALS)),
        total=money(total.quantize(_FOUR_DECIMALS)),
    )


# --- delays ----------------------------------------------------------------------------------------------------------


def stages_ms(copy: CopyFact) -> dict[str, float]:
    """Those stages of a copy that have come to an end. A leader's venue whose clock is ahead of ours told of its fill
    before it happened here: that took no time."""
    if copy.kind == SignalKind.CORRECTION or copy.decision != Decision.COPIED or not copy.qty or not copy.sent_ns:
        return {}
    times = {
        "publish": (copy.received_ns, copy.journaled_ns),
        "fan-out": (copy.journaled_ns, copy.sent_ns),
        "venue": (copy.sent_ns, copy.acked_ns),
    }
    begun_ns = copy.received_ns
    if copy.kind == SignalKind.LEADER_FILL:
        begun_ns = min(copy.venue_ns, begun_ns) if copy.venue_ns else begun_ns
        times["detect"] = (begun_ns, copy.received_ns)
    if copy.order_type == OrderType.MARKET and copy.filled_qty >= copy.qty:
        times["collect"] = (copy.acked_ns, copy.filled_ns)
        times[TOTAL] = (begun_ns, copy.filled_ns)
    # A fill may be heard of before the answer to its order: then there was nothing to wait for.
    return {stage: max(0, to_ns - from_ns) / 1e6 for stage, (from_ns, to_ns) in times.items() if from_ns and to_ns}


def delay(stage: str, values_ms: Iterable[float]) -> Delay:
    """The figures of one stage; a stage without any has -1."""
    ordered = sorted(values_ms)
    budget_ms = BUDGET_MS[stage]
    return Delay(
        stage=stage,
        count=len(ordered),
        p50=percentile(ordered, 50),
        p99=percentile(ordered, 99),
        max=ordered[-1] if ordered else -1.0,
        budget_ms=budget_ms,
        over=sum(value > budget_ms for value in ordered),
    )


class Delays:
    """The stages of all copies, and the total of each follower."""

    def __init__(self, copies: Iterable[CopyFact]) -> None:
        self.stages: dict[str, list[float]] = {stage: [] for stage in BUDGET_MS}
        self.totals: defaultdict[str, list[float]] = defaultdict(list)
        for copy in copies:
            for stage, ms in stages_ms(copy).items():
                self.stages[stage].append(ms)
                if stage == TOTAL:
                    self.totals[copy.follower].append(ms)

    def table(self) -> tuple[Delay, ...]:
        return tuple(delay(stage, values) for stage, values in self.stages.items())

    def total_of(self, account: str) -> Delay | None:
        values = self.totals.get(account)
        return delay(TOTAL, values) if values else None


# --- what is drawn ---------------------------------------------------------------------------------------------------


def tick_bins(slips: Sequence[Slip]) -> tuple[Bin, ...]:
    """How many copies slipped by how many ticks, of whole ticks each (of several where there are too many)."""
    return _bins([slip.ticks for slip in slips], Decimal(1))


def delay_bins(values_ms: Sequence[float]) -> tuple[Bin, ...]:
    """How many copies took how long in all, ms. What the slowest hundredth took is one bin, the last."""
    ordered = sorted(values_ms)
    if not ordered:
        return ()
    usual = [Decimal(repr(value)) for value in ordered[: max(1, math.ceil(len(ordered) * 99 / 100))]]
    width = _round_width(usual[-1] / 20)
    bins = list(_bins(usual, width))
    slow = ordered[len(usual) :]
    if slow:
        bins.append(Bin(low=bins[-1].high, high=Decimal(repr(math.ceil(slow[-1] + 1))), count=len(slow)))
    return tuple(bins)


def _bins(values: Sequence[Decimal], width: Decimal) -> tuple[Bin, ...]:
    if not values:
        return ()
    lowest, highest = math.floor(min(values) / width), math.floor(max(values) / width)
    while highest - lowest >= _MOST_BINS:
        width *= 2
        lowest, highest = math.floor(min(values) / width), math.floor(max(values) / width)
    counted = Counter(math.floor(value / width) for value in values)
    return tuple(Bin(low=at * width, high=(at + 1) * width, count=counted[at]) for at in range(lowest, highest + 1))


def _round_width(about: Decimal) -> Decimal:
    """1, 2 or 5 times a power of ten, not below `about`."""
    power = Decimal(10) ** math.floor(math.log10(max(about, Decimal("0.01"))))
    return next(power * step for step in (1, 2, 5, 10) if power * step >= about)
