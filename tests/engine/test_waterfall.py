"""The stages of a copy: what counts, how long each took, and against which budget."""

from decimal import Decimal
from random import Random

import pytest
from msgspec.structs import replace

from engine.shown import CopyTimes, StageShown
from engine.waterfall import BUDGET_MS, STAGES, Waterfall, times_of
from schema.records import Copy, Decision, OrderType, Side, Signal, SignalKind
from tests.engine.table import MS

AT = 1_000_000_000_000
SIGNAL = Signal(
    signal_id="S1",
    kind=SignalKind.LEADER_FILL,
    group="main",
    leader="DEMO1000",
    symbol="ESH4",
    side=Side.BUY,
    qty=1,
    price=Decimal(4800),
    leader_net=1,
    source="1",
    venue_ns=AT,
    received_ns=AT + 20 * MS,
)
COPY = Copy(
    signal_id="S1",
    follower="DEMO1001",
    symbol="ESH4",
    leader_symbol="ESH4",
    decision=Decision.COPIED,
    qty=1,
    filled_qty=1,
    received_ns=AT + 20 * MS,
    decided_ns=AT + 21 * MS,
    journaled_ns=AT + 24 * MS,
    sent_ns=AT + 25 * MS,
    acked_ns=AT + 125 * MS,
    filled_ns=AT + 132 * MS,
)


def stages(waterfall: Waterfall) -> dict[str, StageShown]:
    return {row.stage: row for row in waterfall.rows() if isinstance(row, StageShown)}


def test_the_five_stages_are_the_differences_of_the_six_times_and_add_up() -> None:
    times = times_of(SIGNAL, COPY)
    assert times is not None
    assert dict(zip(STAGES, times.stages_ms, strict=True)) == {
        "detect": 20.0,
        "publish": 4.0,
        "fan-out": 1.0,
        "venue": 100.0,
        "collect": 7.0,
    }
    assert times.total_ms == 132.0


@pytest.mark.parametrize(
    "changed",
    [
        {"decision": Decision.REJECTED},
        {"decision": Decision.PENDING},
        {"filled_qty": 0},
        {"order_type": OrderType.LIMIT},
        {"acked_ns": 0},
        {"qty": 0, "filled_qty": 0},
    ],
)
def test_what_is_not_filled_at_market_is_not_timed(changed: dict[str, object]) -> None:
    assert times_of(SIGNAL, replace(COPY, **changed)) is None
    assert times_of(replace(SIGNAL, kind=SignalKind.CORRECTION), COPY) is None


def test_a_venue_whose_clock_is_ahead_gives_no_time_of_detecting() -> None:
    times = times_of(replace(SIGNAL, venue_ns=AT + 21 * MS), COPY)
    assert times is not None and times.stages_ms[0] == -1.0 and times.total_ms == 112.0


def test_a_fill_that_came_before_the_answer_left_nothing_to_collect() -> None:
    times = times_of(SIGNAL, replace(COPY, filled_ns=AT + 120 * MS))
    assert times is not None and times.stages_ms[-1] == 0.0


def test_each_copy_counts_once_and_what_is_over_its_budget_is_counted() -> None:
    waterfall = Waterfall(Random(1))
    assert waterfall.rows() == ()
    slow = replace(COPY, follower="DEMO1002", sent_ns=AT + 40 * MS)  # 16 ms of the 10 that a fan-out may take
    for copy in (COPY, COPY, slow, replace(COPY, follower="DEMO1003", filled_qty=0)):
        waterfall.add(SIGNAL, copy)
    found = stages(waterfall)
    assert list(found) == list(BUDGET_MS)
    assert {row.count for row in found.values()} == {2}
    assert (found["fan-out"].over, found["fan-out"].max, found["fan-out"].budget_ms) == (1, 16.0, 10.0)
    assert sum(row.over for row in found.values()) == 1
    newest = [row.follower for row in waterfall.rows() if isinstance(row, CopyTimes)]
    assert newest == ["DEMO1002", "DEMO1001"]


def test_the_rows_are_the_same_object_until_something_is_new() -> None:
    waterfall = Waterfall(Random(1))
    waterfall.add(SIGNAL, COPY)
    first = waterfall.rows()
    assert waterfall.rows() is first
    waterfall.add(SIGNAL, replace(COPY, follower="DEMO1009"))
    assert waterfall.rows() is not first
