"""The screen in a real terminal of 200x50, against the bars of its design: what it costs, what it sends, how fast it
answers.

Two desks are measured. One out of a script, whose layout has eight panes that all live, takes 5,000 events a second;
its terminal answers as real ones do. A pane that stood still for a second fails the measurement. The other is
`copydesk attach` at a `copydesk engine` that runs, for the time from Enter to the first frame and for the memory of a
seat alone.
"""

import os
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path

import psutil

from tests.bench.figures import Bar, Measured
from tests.tui.pty_terminal import ASK, COLUMNS, LOOKS, ROWS, PtyDesk, Terminal
from tests.tui.shell import Shell

EVENTS_PER_S = 5_000
_KEYS = 150
_WINDOWS, _WINDOW_S = 10, 1.0
_STEPS = 24
_IDLE_S = 5.0
_STARTS = 5
_DIVIDER, _EDGE = "┃", "──"
_TITLES = ("ACCOUNTS", "POSITIONS", "ORDERS", "COPIES", "DEPTH", "CANDLES", "TAPE", "WATCH")


def measure() -> list[Measured]:
    return [*_under_load(), *_idle(), *_starting()]


def _under_load() -> list[Measured]:
    with eight_panes(EVENTS_PER_S) as desk:
        memory = [rss_mb(desk.process.pid)]
        keys = desk.key_to_paint_ms(_KEYS)
        press = zlib.compressobj(6)
        cpu: list[float] = []
        raw: list[float] = []
        packed: list[float] = []
        for _ in range(_WINDOWS):
            before, desk.chunks, shown = desk.reports[-1], [], shown_by_pane(desk)
            started = time.monotonic()
            desk.read_for(_WINDOW_S)
            took_s, after = time.monotonic() - started, desk.reports[-1]
            if still := [title for title, was in shown.items() if shown_by_pane(desk)[title] == was]:
                raise SystemExit(f"nothing changed in {still} within {_WINDOW_S} s")
            cpu.append(100 * (after["seat_cpu_s"] - before["seat_cpu_s"]) / (after["at_s"] - before["at_s"]))
            raw.append(sum(map(len, desk.chunks)) / took_s / 1000)
            packed.append(_packed(press, desk.chunks) / took_s / 1000)
            memory.append(rss_mb(desk.process.pid))
        steps = _steps(desk)
        lag_ms = desk.reports[-1]["lag_p99_ms"]
    named = f"200x50, {EVENTS_PER_S:,} events/s"
    return [
        Measured(f"processor time of the screen, {named}", "%", cpu, bar=Bar(p50=35)),
        Measured(f"sent to the terminal, {named}", "kB/s", raw, bar=Bar(p50=220)),
        Measured("the same as ssh packs it (zlib 6, flushed by frame)", "kB/s", packed, bar=Bar(p50=15)),
        Measured(f"key to paint, {named}", "ms", keys, bar=Bar(p50=15, p99=60)),
        Measured(f"one step of a divider, {named}", "ms", steps, bar=Bar(p50=60)),
        Measured(f"lateness of the paint clock, p99, {named}", "ms", [lag_ms]),
        Measured("memory of the screen and its script", "MB", memory),
        Measured(f"its growth in {_WINDOWS * _WINDOW_S:.0f} s", "MB", [memory[-1] - memory[0]]),
    ]


@contextmanager
def eight_panes(events_per_s: int) -> Generator[PtyDesk]:
    """The scripted desk with eight panes, once it has been watched for two seconds."""
    with PtyDesk("--events", str(events_per_s), "--watch", "--layout", "eight") as desk:
        desk.answers = True
        desk.ready()
        desk.until(lambda: set(shown_by_pane(desk)) == set(_TITLES), 5, f"all of {_TITLES}")
        desk.read_for(2.0)
        yield desk


def shown_by_pane(desk: PtyDesk) -> dict[str, list[str]]:
    """What stands under the title of each pane, as far as its edges."""
    found: dict[str, list[str]] = {}
    for y, line in enumerate(desk.screen.lines):
        for title in _TITLES:
            if (x := line.find(f"{title} ")) >= 0:
                ends = line.find("│", x) % (COLUMNS + 1)
                below = (each[x:ends] for each in desk.screen.lines[y + 1 : ROWS - 2])
                found.setdefault(title, list(takewhile(lambda text: not text.startswith(_EDGE), below)))
    return found


def _steps(desk: PtyDesk) -> list[float]:
    """Milliseconds from an arrow key on the divider between the columns until its line stands elsewhere, whole."""

    def columns() -> set[int]:
        """Where an unbroken focused divider stands."""
        lines = desk.screen.lines[2 : ROWS - 2]
        return {x for x, glyph in enumerate(lines[0]) if glyph == _DIVIDER and all(row[x] == _DIVIDER for row in lines)}

    for _ in range(30):
        if columns():
            break
        desk.press("\t")
        desk.read_for(0.3)
    (at,) = columns()
    took_ms: list[float] = []
    for number in range(_STEPS):
        step = 1 if (number // 6) % 2 == 0 else -1
        at += step
        desk.press("\x1b[C" if step > 0 else "\x1b[D")
        took_ms.append(1000 * desk.until(lambda at=at: columns() == {at}, 5, f"the divider in column {at}"))
        desk.finish_frame(0.2)
    return took_ms


def _packed(press: "zlib._Compress", chunks: list[bytes]) -> int:
    """How many bytes ssh's compression makes of these, flushed after each frame."""
    frames = b"".join(chunks).split(ASK)
    return sum(len(press.compress(frame + ASK)) + len(press.flush(zlib.Z_PARTIAL_FLUSH)) for frame in frames)


def _idle() -> list[Measured]:
    with eight_panes(0) as desk:
        first = desk.reports[-1]
        desk.read_for(_IDLE_S)
        last = desk.reports[-1]
    share = 100 * (last["seat_cpu_s"] - first["seat_cpu_s"]) / (last["at_s"] - first["at_s"])
    return [Measured("processor time of the screen, nothing happens", "%", [share], bar=Bar(p50=3))]


def _starting() -> list[Measured]:
    """`copydesk attach` at a desk without accounts, several times."""
    first_ms: list[float] = []
    memory: list[float] = []
    with tempfile.TemporaryDirectory(prefix="copydesk-bench-") as name:
        Path(name).chmod(0o711)
        shell = Shell(Path(name) / "state")
        engine = subprocess.Popen(
            [sys.executable, "-m", "tui.cli", "engine"],
            env=shell.environment(COPYDESK_LOG_LEVEL="info"),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        try:
            assert engine.stderr is not None
            engine.stderr.readline()  # it runs
            for _ in range(_STARTS):
                started = time.monotonic()
                command = [sys.executable, "-m", "tui.cli", "attach"]
                with Terminal(command, shell.environment(**LOOKS, COPYDESK_LOG_LEVEL="info")) as seat:
                    seat.answers = True
                    seat.until(lambda seat=seat: "ACCOUNTS" in seat.screen.lines[2], 30, "the first frame")
                    first_ms.append((time.monotonic() - started) * 1000)
                    seat.read_for(2.0)
                    memory.append(rss_mb(seat.process.pid))
                    seat.press("\x11")
                    while seat.process.poll() is None and time.monotonic() - started < 30:
                        seat.pump(0.02)
        finally:
            engine.terminate()
            engine.wait(20)
    return [
        Measured("copydesk attach: from Enter to the first frame", "ms", first_ms, bar=Bar(p50=700)),
        Measured("memory of a seat alone", "MB", memory, bar=Bar(p50=120)),
    ]


def rss_mb(pid: int) -> float:
    """Resident memory of a process, MB."""
    return psutil.Process(pid).memory_info().rss / 1e6


def main() -> int:
    """The figures alone: `python -m tests.bench.terminal`; 1 when a bar is not kept."""
    found = measure()
    for each in found:
        print(each.line(), flush=True)
    print(f"load {os.getloadavg()[0]:.1f}")
    return int(not all(each.kept for each in found))


if __name__ == "__main__":
    sys.exit(main())
