"""The seat in a real pty: quick under load, patient with a terminal that stalls, gone when the terminal is."""

import os
import signal
import termios
import time

import pytest

from tests.tui.pty_terminal import PtyDesk

pytestmark = pytest.mark.timeout(90)
KEYS = 120


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def test_a_key_is_painted_within_80_ms_and_the_seat_takes_a_third_of_a_core_at_2000_events_a_second() -> None:
    with PtyDesk("--events", "2000") as desk:
        desk.ready()
        desk.read_for(1.0)
        took_ms = desk.key_to_paint_ms(KEYS)
        first, bytes_before = desk.reports[-1], desk.bytes_read
        desk.read_for(5.0)
        last, bytes_after = desk.reports[-1], desk.bytes_read
    wall_s = last["at_s"] - first["at_s"]
    cpu = (last["cpu_s"] - first["cpu_s"]) / wall_s
    print(
        f"key to paint p50 {percentile(took_ms, 0.5):.1f} p99 {percentile(took_ms, 0.99):.1f} ms, "
        f"cpu {cpu:.0%}, {(bytes_after - bytes_before) / wall_s / 1000:.0f} kB/s, "
        f"{(last['painted'] - first['painted']) / wall_s:.0f} frames/s, loop lag p99 {last['lag_p99_ms']:.1f} ms"
    )
    assert percentile(took_ms, 0.99) <= 80
    assert cpu <= 0.35


def test_a_terminal_that_stops_reading_delays_no_paint_tick_and_is_right_half_a_second_after_it_reads_again() -> None:
    with PtyDesk("--events", "2000", "--feed-for", "6", "--lines") as desk:
        desk.ready()
        desk.read_for(1.0)
        before = len(desk.reports)
        time.sleep(5.0)  # the fault under test: a terminal that reads nothing for this long
        stalled = desk.reports[before:]
        lag_ms = max(report["lag_max_ms"] for report in stalled)
        beats = stalled[-1]["beats"] - stalled[0]["beats"]
        print(f"stalled 5 s: loop lag max {lag_ms:.0f} ms, beats beside it {beats}")
        assert all(report["stalled"] for report in stalled[5:]), "the terminal never stalled; the test shows nothing"
        assert lag_ms <= 80
        desk.read_for(0.5)
        took_s = desk.until(lambda: desk.reports[-1]["lines"] == desk.screen.lines, 2, "the screen as the app has it")
        assert took_s <= 0.2, "later than half a second and the time between two reports"


def test_a_slow_link_gets_fewer_frames_and_a_right_screen_and_delays_no_paint_tick() -> None:
    with PtyDesk("--events", "4000", "--feed-for", "5", "--lines") as desk:
        desk.ready()
        before = len(desk.reports)
        ends = time.monotonic() + 5
        while time.monotonic() < ends:  # about 20 kB/s
            desk.pump(0.05, at_most=1024)
            desk._listener.join(0.05)
        slow = desk.reports[before:]
        assert any(report["stalled"] for report in slow), "the link kept up; the test shows nothing"
        assert slow[-1]["painted"] > slow[0]["painted"], "nothing was painted at all"
        assert max(report["lag_max_ms"] for report in slow) <= 80
        desk.read_for(0.5)
        desk.until(lambda: desk.reports[-1]["lines"] == desk.screen.lines, 2, "the screen as the app has it")


@pytest.mark.parametrize("ignore_hup", [False, True], ids=["SIGHUP default", "SIGHUP ignored"])
def test_a_hang_up_closes_the_seat_within_2_s_and_the_engines_thread_goes_on(ignore_hup: bool) -> None:
    with PtyDesk("--after", "4", ignore_hup=ignore_hup) as desk:
        desk.ready()
        desk.hang_up()
        gone_s = time.monotonic()
        left = desk.report("left", within_s=5)
        assert left["hung_up"] is True
        assert left["at_s"] - gone_s < 2
        assert desk.process.wait(timeout=15) == 0
        after = [report for report in desk.reports if report["kind"] == "after"]
        wall_s = after[-1]["at_s"] - after[0]["at_s"]
        cpu = (after[-1]["cpu_s"] - after[0]["cpu_s"]) / wall_s
        assert after[-1]["beats"] - after[0]["beats"] > 20 * wall_s, "the thread beside the screen did not go on"
        assert after[-1]["threads"] == ["MainThread", "feed"], "something of the screen is still running"
        print(f"left after {left['at_s'] - gone_s:.2f} s, cpu afterwards {cpu:.0%} with the feed running")


def test_nothing_spins_after_a_hang_up() -> None:
    with PtyDesk("--after", "3", "--events", "0") as desk:
        desk.ready()
        desk.hang_up()
        desk.report("left", within_s=5)
        assert desk.process.wait(timeout=15) == 0
        after = [report for report in desk.reports if report["kind"] == "after"]
    assert (after[-1]["cpu_s"] - after[0]["cpu_s"]) / (after[-1]["at_s"] - after[0]["at_s"]) < 0.10


def test_a_hang_up_while_the_terminal_is_stalled_still_closes_the_seat() -> None:
    with PtyDesk("--events", "2000") as desk:
        desk.ready()
        seen = len(desk.reports)
        deadline = time.monotonic() + 10
        while not any(report["stalled"] for report in desk.reports[seen:]) and time.monotonic() < deadline:
            desk._listener.join(0.01)
        desk.hang_up()
        assert desk.report("left", within_s=2)["hung_up"] is True
        assert desk.process.wait(timeout=10) == 0


def test_a_sigterm_on_a_stalled_terminal_ends_the_seat_within_2_s() -> None:
    with PtyDesk("--events", "2000") as desk:
        desk.ready()
        seen = len(desk.reports)
        deadline = time.monotonic() + 10
        while not any(report["stalled"] for report in desk.reports[seen:]) and time.monotonic() < deadline:
            desk._listener.join(0.01)
        desk.process.send_signal(signal.SIGTERM)
        left = desk.report("left", within_s=2)
        assert (left["terminated"], left["hung_up"]) == (True, False)


def test_quitting_gives_the_terminal_back_as_it_was() -> None:
    with PtyDesk("--events", "0") as desk:
        desk.ready()
        desk.press("\x11")  # Ctrl+Q
        desk.until(lambda: "y  quit" in "".join(desk.screen.lines), 5, "the question")
        assert desk.process.poll() is None
        desk.press("y")
        desk.report("left", within_s=5)
        desk.read_for(0.2)
        assert desk.slave is not None
        assert termios.tcgetattr(desk.slave)[:4] == desk.before[:4]
        assert desk.process.wait(timeout=10) == 0


def test_a_terminal_that_cannot_place_text_is_refused_in_one_sentence() -> None:
    with PtyDesk(TERM="dumb") as desk:
        while desk.process.poll() is None:
            desk.pump(0.05)
        desk.read_for(0.1)
        text = "".join(line.strip() for line in desk.screen.lines)
        assert desk.process.returncode != 0
        assert "TERM" in text
        assert os.path.basename(__file__) not in text


def test_what_is_typed_in_one_burst_after_a_colon_reaches_the_line_and_no_pane() -> None:
    with PtyDesk("--events", "0") as desk:
        desk.ready()
        desk.press("jj:flatten nobody\r")
        desk.until(lambda: "nobody" in "\n".join(desk.screen.lines[-4:]), 5, "the refusal of the command")
        assert "20 of 20 followers armed" in desk.screen.lines[2], "a space in the command switched a follower off"


def test_what_is_typed_in_one_burst_after_a_panes_number_reaches_that_pane_and_no_other() -> None:
    with PtyDesk("--events", "0") as desk:
        desk.ready()
        desk.press("jj4  \t1j4/DEMO1003:\r")
        desk.until(lambda: "/demo1003:" in "\n".join(desk.screen.lines), 5, "the filter")
        filtered = next(line for line in desk.screen.lines if "/demo1003:" in line)
        assert filtered.startswith(" COPIES") or filtered.startswith("▌COPIES")
        desk.read_for(0.2)
        assert "20 of 20 followers armed" in desk.screen.lines[2], (
            "a space meant for the ledger switched a follower off"
        )
