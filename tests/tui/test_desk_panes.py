"""Drift, health, latency and alerts against scripted rows, at every width."""

import pytest

from engine.shown import CopyTimes, DriftRow, StageShown
from engine.waterfall import BUDGET_MS
from schema.market import FeedHealth
from tests.tui.driving import Driver, desk
from tests.tui.health_rows import connection, postgres, process
from tests.tui.scripted_seat import START_NS, ScriptedSeat
from tui.panes.health import HealthLine, seat_line
from tui.panes.latency import BAR, bar, copy_bar, stage_line

S = 1_000_000_000
WIDTHS = pytest.mark.parametrize("width", [80, 120, 200])


async def zoomed(on: Driver, name: str) -> None:
    """The pane alone on the screen."""
    on.app.action_pane(name)
    if not on.app.board.zoomed:
        on.app.action_zoom()
    await on.until(lambda: on.app._panes[name].size.width == on.app.size.width, f"{name} alone")


def row_of(on: Driver, text: str) -> str:
    """The row with this text, which titles and the status line may have as well."""
    return next((line for line in on.lines[3:] if text in line), "")


def adrift() -> ScriptedSeat:
    seat = ScriptedSeat(publish_every=100)
    seat.drift = (
        DriftRow(
            account="DEMO1003",
            group="main",
            symbol="ESH4",
            held=2,
            target=4,
            delta=2,
            foreign=0,
            why="rejected: margin",
            since_ns=START_NS - 95 * S,
            will="an entry of 2 goes in 3 s",
        ),
        DriftRow(
            account="DEMO1004",
            group="main",
            symbol="",
            held=None,
            target=None,
            delta=0,
            foreign=0,
            why="login1 is down: no answer",
            since_ns=START_NS,
            will="the venue is asked again",
        ),
    )
    seat.publish()
    return seat


@WIDTHS
async def test_drift_says_who_is_off_by_how_much_since_when_and_what_follows(width: int) -> None:
    async with desk(width, 40, seat=adrift()) as on:
        await zoomed(on, "drift")
        await on.shows("DRIFT · 2 followers off target · 1 not known")
        row = row_of(on, "DEMO1003")
        assert row.split()[1:6] == ["ESH4", "+2", "+4", "+2", "1m"]
        assert "an entry of 2 goes in 3 s"[:24] in row
        assert row_of(on, "DEMO1004").split()[1:3] == ["?", "?"]
        if width > 80:
            assert "rejected: margin" in row


async def test_drift_of_nobody_says_so() -> None:
    async with desk() as on:
        await zoomed(on, "drift")
        await on.shows("Every follower that is on stands at its target.")


@WIDTHS
async def test_health_tells_each_login_the_process_and_the_database_in_words(width: int) -> None:
    seat = ScriptedSeat(publish_every=100)
    seat.health = (
        process(),
        postgres(),
        connection(),
        connection(connection="login2", state="down", reason="no answer", reconnects=3, heard_ns=START_NS - 70 * S),
        connection(connection="login3", breaker="open", failures=5),
    )
    seat.publish()
    async with desk(width, 40, seat=seat) as on:
        await zoomed(on, "health")
        await on.shows("not well: login2, login3")
        assert row_of(on, "login1").split()[:5] == ["●", "login", "login1", "up", "4s"]
        down = row_of(on, "login2 ")
        assert down.split()[:5] == ["✕", "login", "login2", "down", "1m"] and "no answer" in down
        assert "breaker open" in row_of(on, "login3 ")
        assert row_of(on, "postgres").split()[:4] == ["●", "journal", "postgres", "up"]
        assert row_of(on, "pid 7").split()[1:5] == ["process", "pid", "7", "up"]
        if width == 200:
            assert "3 rows waiting" in row_of(on, "postgres") and "1.90" in row_of(on, "postgres")
            assert "44 tasks" in row_of(on, "pid 7") and "61 files" in row_of(on, "pid 7")


async def test_a_database_that_is_away_and_a_slow_loop_are_not_well() -> None:
    seat = ScriptedSeat(publish_every=100)
    seat.health = (process(lag_p99_ms=80.0), postgres("journal down, no order leaves: gone"), connection())
    seat.publish()
    async with desk(seat=seat) as on:
        await zoomed(on, "health")
        await on.shows("2 not well: pid 7, postgres")
        assert "slow" in row_of(on, "pid 7") and "no order leaves: gone" in row_of(on, "postgres")


async def test_health_has_the_feeds_of_the_other_topic() -> None:
    seat = ScriptedSeat(publish_every=100)
    seat.health = (process(), postgres())
    seat.publish()
    async with desk(seat=seat) as on:
        await zoomed(on, "health")
        pane = on.app._panes["health"]
        feed = FeedHealth(
            source="binance",
            ws_state="reconnecting",
            last_msg_age_ms=42_000.0,
            reconnects=2,
            gaps=1,
            dropped=0,
            catchup_candles_total=9,
            lag_ms=31.0,
        )
        pane._feeds, pane._feeds_version = [feed], 99
        pane.show(seat.view(pane.TOPIC), START_NS)
        await on.shows("reconnecting")
        row = row_of(on, "binance")
        assert row.split()[:5] == ["!", "feed", "binance", "reconnecting", "40s"]
        assert "1 gap" in row and "9 candles caught up" in row


@pytest.mark.parametrize(
    ("environment", "state", "look"),
    [
        ({"TMUX": "/tmp/x", "SSH_TTY": "/dev/pts/1"}, "in tmux", "good"),
        ({"SSH_TTY": "/dev/pts/1"}, "no tmux", "warn"),
        ({}, "no tmux", "dim"),
    ],
)
def test_health_says_whether_the_seat_outlives_its_line(environment: dict[str, str], state: str, look: str) -> None:
    line: HealthLine = seat_line(environment.get)
    assert (line.state, line.look) == (state, look)


def stage(name: str, p99: float, over: int = 0, longest: float = 0.0) -> StageShown:
    return StageShown(
        stage=name, count=40, p50=p99 / 2, p99=p99, max=longest or p99, budget_ms=BUDGET_MS[name], over=over
    )


def timed() -> ScriptedSeat:
    seat = ScriptedSeat(publish_every=100)
    seat.times = (
        stage("detect", 12.0),
        stage("publish", 2.0),
        stage("fan-out", 14.0, over=3),
        stage("venue", 400.0),
        stage("collect", 5.0),
        stage("total", 430.0),
        CopyTimes(
            signal_id="S1",
            follower="DEMO1001",
            symbol="ESH4",
            at_ns=START_NS,
            stages_ms=(10.0, 2.0, 1.0, 80.0, 7.0),
            total_ms=100.0,
        ),
        CopyTimes(
            signal_id="S1",
            follower="DEMO1002",
            symbol="ESH4",
            at_ns=START_NS,
            stages_ms=(-1.0, 2.0, 11.0, 30.0, 7.0),
            total_ms=50.0,
        ),
    )
    seat.publish()
    return seat


@WIDTHS
async def test_latency_has_each_stage_against_its_budget_and_each_copy_as_a_waterfall(width: int) -> None:
    async with desk(width, 40, seat=timed()) as on:
        await zoomed(on, "latency")
        await on.shows("LATENCY · 2 copies · OVER BUDGET: fan-out")
        assert "3 of 40 over" in row_of(on, "fan-out ")
        assert "in budget" in row_of(on, "venue ")
        if width > 80:
            assert "▶┃" in row_of(on, "fan-out ")
            half = row_of(on, "venue ")
            assert half.count("█") == BAR // 2 and "┃" in half
            assert "ddd" in row_of(on, "DEMO1001") and "vvvvvvvv" in row_of(on, "DEMO1001")
            assert "over: fan-out 11.0" in row_of(on, "DEMO1002")


def test_a_bar_is_as_long_as_its_share_and_says_when_there_is_more() -> None:
    assert bar(0.0) == "" and bar(0.5, 10) == "█████" and bar(1.0, 10) == "█" * 10
    assert bar(1.01, 10) == "█" * 9 + "▶"
    assert bar(0.0125, 10) == "▏"


def test_every_stage_that_took_time_is_in_the_waterfall_and_it_keeps_its_width() -> None:
    row = CopyTimes(
        signal_id="S", follower="D", symbol="E", at_ns=1, stages_ms=(0.01, 0.01, 0.01, 99.0, 0.01), total_ms=99.04
    )
    drawn = copy_bar(row, 99.04)
    assert len(drawn) <= BAR + 1 and set(drawn) >= set("dpfv")


def test_a_total_above_the_promise_is_an_alarm() -> None:
    assert stage_line(stage("total", 900.0, longest=3_100.0)).look == "alarm"
    assert stage_line(stage("total", 900.0)).look == "good"
    assert stage_line(stage("venue", 801.0, over=1)).look == "warn"


def told() -> ScriptedSeat:
    seat = ScriptedSeat(publish_every=100)
    seat.alerts.clear()
    for level, text in (("info", "joined late"), ("warn", "margin is low"), ("alarm", "NOT flat")):
        seat.now_ns += S
        seat.alert(level, text)
    seat.publish()
    return seat


@WIDTHS
async def test_alerts_show_their_level_by_word_and_glyph(width: int) -> None:
    async with desk(width, 40, seat=told()) as on:
        await zoomed(on, "alerts")
        await on.shows("ALERTS · 3 alerts · 1 alarm")
        assert row_of(on, "NOT flat").split()[1:3] in (["‼", "alarm"],)
        assert "! warn" in row_of(on, "margin is low") and "· info" in row_of(on, "joined late")


async def test_alerts_are_filtered_by_level_read_and_cleared_by_keys() -> None:
    async with desk(120, 40, seat=told()) as on:
        await zoomed(on, "alerts")
        pane = on.app.alerts
        pane.focus()
        await on.pilot.press("v")
        await on.until(lambda: len(pane.shown) == 2, "warnings and alarms")
        await on.pilot.press("v")
        await on.until(lambda: [row.text for row in pane.shown] == ["NOT flat"], "alarms alone")
        await on.pilot.press("v")
        await on.until(lambda: len(pane.shown) == 3, "everything")
        await on.pilot.press("home", "x")
        await on.until(lambda: "✓ alarm" in row_of(on, "NOT flat"), "the tick")
        assert "1 alarm" not in on.lines[2] and pane.unread == 1
        await on.pilot.press("c")
        await on.until(lambda: len(pane.shown) == 2, "it cleared")
        await on.pilot.press("X", "c")
        await on.shows("Nothing of this level that was not cleared; v shows other levels.")
        on.seat.now_ns += S
        on.seat.alert("alarm", "another")
        on.seat.publish()
        await on.shows("another")
