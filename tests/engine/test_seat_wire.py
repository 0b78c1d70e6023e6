"""What travels between a desk and its seats, as bytes."""

import os
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from engine import seat_wire as wire
from engine.market.shown import BookLevel, BookShown, Print, SessionShown, TapeShown, Truth
from engine.remote import RemoteSeat
from engine.row_changes import difference, patched
from engine.seat import Row, Seat, Topic, View
from engine.shown import CopyTimes, DriftRow, StageShown
from schema.market import Aggressor, SessionState
from tests.tui.health_rows import connection, postgres, process
from tests.tui.scripted_seat import ScriptedSeat

_SHOWN: dict[Topic, tuple[Row, ...]] = {
    Topic.DRIFT: (
        DriftRow(
            account="DEMO1003",
            group="main",
            symbol="ESH4",
            held=None,
            target=4,
            delta=2,
            foreign=1,
            why="rejected",
            since_ns=7,
            will="nothing",
        ),
    ),
    Topic.HEALTH: (process(), postgres(), connection(breaker="open", failures=5)),
    Topic.LATENCY: (
        StageShown(stage="venue", count=1, p50=1.0, p99=2.0, max=3.0, budget_ms=800.0, over=0),
        CopyTimes(signal_id="S1", follower="DEMO1001", symbol="ESH4", at_ns=7, stages_ms=(-1.0, 2.0), total_ms=2.0),
    ),
}
_MARKET: dict[Topic, tuple[Row, ...]] = {
    Topic.DEPTH: (
        BookShown(
            symbol="ESH4",
            version=3,
            bids=(BookLevel(price=4810.0, size=12.0, own=2),),
            asks=(),
            own_elsewhere=(),
            state=SessionState.OPEN,
            crossed=False,
            torn=True,
            changes=9,
            heard_ns=8,
            tick_size=0.25,
        ),
    ),
    Topic.TAPE: (
        TapeShown(
            symbol="ESH4",
            version=2,
            prints=(Print(ts_ns=7, price=4810.25, size=1.0, aggressor=Aggressor.BUY, held="late"),),
            trades=1,
            heard_ns=8,
        ),
        SessionShown(
            symbol="ESH4",
            state=SessionState.OPEN,
            since_ns=7,
            open=4810.25,
            high=4810.25,
            low=4810.25,
            last=4810.25,
            vwap=None,
            volume=1.0,
            trades=1,
            heard_ns=8,
        ),
    ),
    Topic.TRUTH: (
        Truth(
            symbol="ESH4",
            source="projectx",
            trades=1,
            changes=9,
            lies=(("crossed book", 2),),
            held=1,
            repeats=0,
            gaps=1,
            missed=4,
            dropped=0,
            torn=True,
        ),
    ),
}


@given(st.lists(st.integers(1_000, 1_030)), st.lists(st.integers(1_000, 1_030)), st.data())
def test_a_difference_makes_the_new_rows_of_the_old(old: list[int], fresh: list[int], data: st.DataObject) -> None:
    rows = [(each,) for each in old]
    pool = [*rows, *((each,) for each in fresh)]
    new = tuple(data.draw(st.lists(st.sampled_from(pool)))) if pool else ()
    runs, more = difference(tuple(rows), new)
    assert patched(tuple(rows), runs, more) == new


def test_twenty_new_rows_on_top_of_five_hundred_are_twenty_rows_on_the_wire() -> None:
    old = tuple((number,) for number in range(500))
    new = (*((-number,) for number in range(1, 21)), *old[:480])
    runs, fresh = difference(old, new)
    assert runs == ((20, 0, 480),) and len(fresh) == 20
    changed = (*old[:7], (7_000,), *old[8:])
    runs, fresh = difference(old, changed)
    assert runs == ((0, 0, 7), (1, 8, 500)) and fresh == ((7_000,),)


@given(st.lists(st.binary(max_size=40)), st.integers(1, 7))
def test_frames_are_cut_where_they_end_however_the_bytes_come(bodies: list[bytes], step: int) -> None:
    data = b"".join(len(body).to_bytes(4, "big") + body for body in bodies)
    frames = wire.Frames()
    assert [body for at in range(0, len(data), step) for body in frames.feed(data[at : at + step])] == bodies


def test_a_view_of_every_topic_survives_the_journey() -> None:
    seat = ScriptedSeat(publish_every=100)
    seat.advance(1_200)
    for topic in Topic:
        view = View(topic=topic, version=1, rows=_MARKET.get(topic) or _SHOWN.get(topic) or seat.view(topic).rows)
        head, items = wire.items_of(view)
        message = wire.decode_from_desk(wire.whole(topic, 1, head, items)[4:])
        assert isinstance(message, wire.Whole)
        assert wire.rows_of(message.head, wire.decode_rows(topic, message.rows)) == view.rows


def test_every_method_and_topic_of_the_seat_travels_and_the_far_seat_has_them_all() -> None:
    wanted = {name for name in vars(Seat) if not name.startswith("_")}
    assert wanted - {"view", "away"} == set(wire.METHODS)
    assert all(hasattr(RemoteSeat, name) for name in wire.METHODS)
    assert set(wire.METHODS) > wire.READS
    assert set(wire.ROWS) == set(Topic)


def test_the_shape_of_what_travels_is_the_same_in_every_process_of_one_copydesk() -> None:
    print_it = "from engine import seat_wire; print(seat_wire.shape(), end='')"
    environment = {**os.environ, "PYTHONHASHSEED": "4711"}
    done = subprocess.run([sys.executable, "-c", print_it], env=environment, capture_output=True, check=True)
    assert done.stdout.decode() == wire.shape()
