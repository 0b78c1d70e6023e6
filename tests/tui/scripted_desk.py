"""The desk's screen over a scripted seat: ``python -m tests.tui.scripted_desk`` shows it, the pty tests measure it.

`--report FD` writes a JSON line every 100 ms to an inherited descriptor: how late the paint loop ran, the process's
CPU seconds, the beats of a thread that stands where the engine would be, and with `--lines` the screen's own text.
"""

import argparse
import gc
import json
import os
import sys
import threading
import time

from engine.collector import collect, settle
from schema.clock import SYSTEM_CLOCK
from schema.layouts import SavedLayout, UserLayouts
from schema.watchlists import UserLists, Watched, Watchlist
from tests.tui.scripted_seat import ScriptedSeat
from tui.app import CopydeskApp
from tui.sit import sit

ALARM = "DEMO1003 is NOT flat: the venue does not answer"
WATCHED = tuple(Watched(source="contracts", symbol=name) for name in ("ESH4", "NQH4", "CLG4", "GCG4"))
EIGHT = (
    "row(92:column(16:accounts,10:positions,10:orders,10:copies),36:depth,"
    "70:column(24:candles,22:row(38:tape,31:watch)))"
)
"""Eight panes at 200x50, all of them live."""
COLLECT_EVERY_S = 30.0
"""As the desk collects garbage by hand (`engine/desk.py`)."""


class Feed(threading.Thread):
    """Plays `per_s` events a second in the way an engine would: in batches, published 20 times a second."""

    def __init__(self, seat: ScriptedSeat, per_s: int, stop_after_s: float) -> None:
        super().__init__(name="feed", daemon=True)
        self._seat = seat
        self._per_s = per_s
        self._stop_after_s = stop_after_s
        self.beats = 0
        self.alarm_at_s = 0.0
        self.over = threading.Event()

    def run(self) -> None:
        started = time.monotonic()
        played, collected = 0, started
        while not self.over.wait(0.01):
            self.beats += 1
            elapsed = time.monotonic() - started
            if self.alarm_at_s and time.monotonic() > self.alarm_at_s:
                self.alarm_at_s = 0.0
                self._seat.alert("alarm", ALARM)
                self._seat.publish()
            if self._stop_after_s and elapsed > self._stop_after_s:
                continue
            if time.monotonic() - collected > COLLECT_EVERY_S:
                collected = time.monotonic()
                collect(SYSTEM_CLOCK)
            due = int(elapsed * self._per_s)
            self._seat.advance(min(due - played, self._per_s))
            played = due


class ReportingApp(CopydeskApp):
    """The app, telling a test what it holds to be on the screen. `REPORT_FD` and `FEED` are set by `main`."""

    REPORT_FD = -1
    LINES = False
    FEED: Feed

    def on_ready(self) -> None:
        self._painted = 0
        if self.REPORT_FD >= 0:
            self.set_interval(0.1, self._report)

    def post_display_hook(self) -> None:
        self._painted = getattr(self, "_painted", 0) + 1

    def _report(self) -> None:
        lines: list[str] = []
        if self.LINES:
            lines = ["".join(segment.text for segment in strip) for strip in self.screen._compositor.render_strips()]
        report(
            self.REPORT_FD,
            kind="screen",
            lag_max_ms=self.clock.max_lag_ms,
            lag_p99_ms=self.clock.lag_p99_ms,
            stalled=self.stalled,
            painted=self._painted,
            beats=self.FEED.beats,
            lines=lines,
        )
        self.clock.max_lag_ms = 0.0


def report(fd: int, **values: object) -> None:
    # Called on the thread of the screen, whose own seconds are apart.
    values |= {"at_s": time.monotonic(), "cpu_s": time.process_time(), "seat_cpu_s": time.thread_time()}
    os.write(fd, json.dumps(values).encode() + b"\n")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=2000, help="events a second")
    parser.add_argument("--feed-for", type=float, default=0.0, help="seconds until the feed stops; 0 never")
    parser.add_argument("--report", type=int, default=-1, help="descriptor for JSON lines")
    parser.add_argument("--lines", action="store_true", help="put the screen's text into the report")
    parser.add_argument("--after", type=float, default=0.0, help="seconds to live on after the screen is gone")
    parser.add_argument("--theme", default="desk")
    parser.add_argument("--alarm-after", type=float, default=0.0, help="seconds from the first frame to an alarm")
    parser.add_argument("--watch", action="store_true", help="have a watchlist")
    parser.add_argument("--layout", default="", help="the layout of a name; `eight` is EIGHT")
    parser.add_argument("--glyphs", default="auto")
    parser.add_argument("--notify", default="osc9")
    parser.add_argument("--no-mouse", action="store_true")
    options = parser.parse_args()
    sys.setswitchinterval(0.0001)
    seat = ScriptedSeat(publish_every=max(1, options.events // 20))
    if options.watch:
        seat.mine = UserLists(lists=(Watchlist(name="mine", symbols=WATCHED),))
    if options.layout == "eight":
        seat.layouts = UserLayouts(layouts=(SavedLayout(name="eight", tree=EIGHT),))
    seat.advance(1200)  # three signals: everybody holds something
    feed = Feed(seat, options.events, options.feed_for)

    def painted() -> None:
        settle()
        feed.alarm_at_s = options.alarm_after and time.monotonic() + options.alarm_after

    feed.start()
    if options.report >= 0:
        import tui.sit

        ReportingApp.REPORT_FD, ReportingApp.FEED, ReportingApp.LINES = options.report, feed, options.lines
        tui.sit.CopydeskApp = ReportingApp  # type: ignore[misc]
    app = sit(
        seat,
        theme=options.theme,
        mouse=not options.no_mouse,
        glyphs=options.glyphs,
        notify=options.notify,
        layout=options.layout,
        after_first_paint=painted,
    )
    if options.report >= 0:
        report(options.report, kind="left", hung_up=app.hung_up, terminated=app.terminated, beats=feed.beats)
        ends = time.monotonic() + options.after
        while time.monotonic() < ends:
            feed.over.wait(0.2)
            report(
                options.report,
                kind="after",
                beats=feed.beats,
                threads=[thread.name for thread in threading.enumerate()],
            )
    feed.over.set()
    feed.join()
    gc.unfreeze()


if __name__ == "__main__":
    main()
