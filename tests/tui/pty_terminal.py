"""A terminal for tests: a desk in a real pty, and its screen as a terminal would hold it.

`Screen` understands what the desk sends (cursor moves, text, line feeds) and skips every other sequence.
"""

import fcntl
import json
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from codecs import getincrementaldecoder
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[2]
COLUMNS, ROWS = 200, 50
LOOKS = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8"}
ASK, ANSWER = b"\x1b[5n", b"\x1b[0n"
_SEQUENCE = re.compile("\x1b\\[([0-?]*)[ -/]*([@-~])|\x1b[\\]P].*?(?:\x07|\x1b\\\\)|\x1b[ -/]*[0-~]", re.DOTALL)
_UNFINISHED = re.compile("\x1b(?:\\[[0-?]*[ -/]*)?$")


class Screen:
    """What a terminal of `columns` x `rows` shows after the bytes it was fed."""

    def __init__(self, columns: int = COLUMNS, rows: int = ROWS) -> None:
        self.cells = [[" "] * columns for _ in range(rows)]
        self._row = self._column = 0
        self._decode = getincrementaldecoder("utf-8")().decode
        self._rest = ""

    def feed(self, data: bytes) -> None:
        text = self._rest + self._decode(data)
        cut = _UNFINISHED.search(text)
        self._rest = text[cut.start() :] if cut else ""
        text = text[: cut.start()] if cut else text
        at = 0
        for sequence in _SEQUENCE.finditer(text):
            self._print(text[at : sequence.start()])
            at = sequence.end()
            if sequence.group(2) == "H":
                row, _, column = sequence.group(1).partition(";")
                self._row, self._column = int(row or 1) - 1, int(column or 1) - 1
        self._print(text[at:])

    def _print(self, text: str) -> None:
        for character in text:
            if character == "\n":
                self._row, self._column = self._row + 1, 0
            elif character >= " ":
                if self._row < len(self.cells) and self._column < len(self.cells[0]):
                    self.cells[self._row][self._column] = character
                self._column += 1

    @property
    def lines(self) -> list[str]:
        return ["".join(row) for row in self.cells]


class Terminal:
    """A process in a pty of its own. Use as a context manager; ends the process on leaving."""

    def __init__(
        self,
        command: list[str],
        environment: dict[str, str],
        *,
        ignore_hup: bool = False,
        pass_fds: tuple[int, ...] = (),
    ) -> None:
        self.screen = Screen()
        self.bytes_read = 0
        self.answers = False
        """Whether it says, as real ones do, that it has come so far (DSR)."""
        self._cut = b""
        self.chunks: list[bytes] | None = None
        """What was read, piece by piece, once a test has put a list here."""
        self.master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.before = termios.tcgetattr(slave)

        def own_terminal() -> None:
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            if ignore_hup:
                signal.signal(signal.SIGHUP, signal.SIG_IGN)

        self.process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=ROOT,
            preexec_fn=own_terminal,
            pass_fds=pass_fds,
            env=environment,
        )
        self.slave: int | None = slave

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for fd in (self.master, self.slave):
            if fd is not None and fd >= 0:
                os.close(fd)

    def pump(self, for_s: float = 0.0, at_most: int = 65536) -> bool:
        """Read what the desk has written, waiting up to `for_s`; whether anything came."""
        if not select.select([self.master], [], [], for_s)[0]:
            return False
        data = os.read(self.master, at_most)
        self.bytes_read += len(data)
        self.screen.feed(data)
        if self.chunks is not None:
            self.chunks.append(data)
        asked = (self._cut + data).count(ASK)
        self._cut = data[1 - len(ASK) :]
        if self.answers and asked:
            os.write(self.master, ANSWER * asked)
        return True

    def until(self, holds: Callable[[], bool], within_s: float, what: str) -> float:
        """Read until `holds`; how many seconds it took. Fails with `what` and the screen after `within_s`."""
        started = time.monotonic()
        while not holds():
            if time.monotonic() - started > within_s:
                raise AssertionError(f"not within {within_s} s: {what}\n" + "\n".join(self.screen.lines))
            self.pump(0.005)
        return time.monotonic() - started

    def finish_frame(self, at_most_s: float = 0.5) -> None:
        """Read on until the desk pauses: what was read so far may have ended inside a frame, as a pty takes 4 kB."""
        ends = time.monotonic() + at_most_s
        while self.pump(0.01) and time.monotonic() < ends:
            pass

    def read_for(self, seconds: float) -> None:
        """Be a terminal that reads, for so long."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            self.pump(0.01)

    def drain(self) -> int:
        """Read all that has been written by now; how many bytes it was."""
        before = self.bytes_read
        while self.pump():
            pass
        return self.bytes_read - before

    def press(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def hang_up(self) -> None:
        """Close our side of the terminal."""
        if self.slave is not None:
            os.close(self.slave)
            self.slave = None
        os.close(self.master)
        self.master = -1


class PtyDesk(Terminal):
    """The scripted desk in a pty, with the reports it writes beside its screen."""

    def __init__(self, *arguments: str, ignore_hup: bool = False, **environment: str) -> None:
        self.reports: list[dict[str, Any]] = []
        report_out, report_in = os.pipe()
        super().__init__(
            [sys.executable, "-m", "tests.tui.scripted_desk", "--report", str(report_in), *arguments],
            {**os.environ, **LOOKS, **environment},
            ignore_hup=ignore_hup,
            pass_fds=(report_in,),
        )
        os.close(report_in)
        self._reports_out = report_out
        self._listener = threading.Thread(target=self._listen)
        self._listener.start()

    def _listen(self) -> None:
        with os.fdopen(self._reports_out) as lines:
            for line in lines:
                self.reports.append(json.loads(line))

    def __exit__(self, *gone: object) -> None:
        super().__exit__(*gone)
        self._listener.join()

    def ready(self) -> None:
        self.until(lambda: "21 accounts" in self.screen.lines[2], 15, "the accounts pane")

    def key_to_paint_ms(self, keys: int) -> list[float]:
        """Milliseconds from each of so many cursor keys to the line about its row, read; keys fall at every phase of
        the paint clock."""
        took_ms: list[float] = []
        row = 0
        for number in range(keys):
            step = 1 if (number // 20) % 2 == 0 else -1
            row += step
            name = f"DEMO{1000 + row}" if row else "LEAD1000"
            self.press("j" if step > 0 else "k")
            took = self.until(lambda name=name: self.screen.lines[ROWS - 2].startswith(f" {name} "), 5, name)
            took_ms.append(took * 1000)
            self.read_for(0.013 * (number % 5))
        return took_ms

    def report(self, kind: str, within_s: float) -> dict[str, Any]:
        """The first report of a kind, waiting for it."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            found = next((report for report in self.reports if report["kind"] == kind), None)
            if found is not None:
                return found
            self._listener.join(0.01)
        raise AssertionError(f"no report {kind!r} within {within_s} s; exit code {self.process.poll()}")
