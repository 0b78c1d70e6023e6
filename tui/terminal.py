"""The terminal, patiently: a driver whose writes never block and whose reads notice that the other end is gone.

`tui/patient.py` runs the app on it and `tui/sit.py` asks `check_terminal` before starting. The stock driver
writes through a queue of 30 and then blocks the event loop, and spins on a terminal that hung up; this one keeps
what the terminal has not taken, reports `stalled`, and ends its input at the first end of file.

Between here and a terminal behind ssh lie megabytes of buffers, so that a slow line would show the desk as it was a
minute ago. So each frame ends with a question that every terminal answers (DSR, ``CSI 5 n``), and while the answer is
out for longer than the line's own round trip the terminal is as stalled as one that takes no bytes. One that never
answered the first question is not asked again.
"""

import os
import re
import select
import sys
import time
from codecs import getincrementaldecoder
from collections import deque
from typing import Any, Protocol, cast

from textual import constants
from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

from tui.glyphs import ascii_only
from tui.here import Here, look

CLOSE_WAIT_S = 0.3
"""How long leaving waits for a terminal that does not read."""
LEAST_WAIT_S = 0.06
"""An answer may take so long, or twice the shortest round trip, before frames wait for it."""
LOST_S = 5.0
"""An answer that takes longer is taken for lost: one frame goes, with a question of its own."""
ASK, ANSWER = "\x1b[5n", "\x1b[0n"
_BEGUN = re.compile("\x1b\\[0?$")


class TerminalWatcher(Protocol):
    """What the driver tells the app it draws for, and asks it: whether the terminal knows ASCII only."""

    ascii_only: bool

    def terminal_drained(self, stalled_s: float) -> None: ...

    def terminal_gone(self) -> None: ...


def check_terminal() -> str | None:
    """One sentence saying why the screen can't be shown here and what to do, or None when it can."""
    stdin, stderr = sys.__stdin__, sys.__stderr__
    if stdin is None or stderr is None or not stdin.isatty() or not stderr.isatty():
        return (
            "copydesk draws on a terminal, and standard input or standard error is not one: run it without redirection."
        )
    return this_terminal().refusal


def this_terminal() -> Here:
    """The terminal that this process has."""
    return look(os.environ, getattr(sys.__stderr__, "encoding", None) or "")


def hung_up(fd: int) -> bool:
    """Whether the terminal behind `fd` is gone."""
    poll = select.poll()
    poll.register(fd, 0)
    return bool(poll.poll(0))  # with no event asked for, only hang-up, error and invalid are ever reported


class PatientDriver(LinuxDriver):
    """Textual's Linux driver with its output on a non-blocking descriptor and its input on the event loop.

    Everything runs on the app's loop. Overrides `write`, `flush`, `close`, `disable_input`, `run_input_thread`,
    `send_message`, `start_application_mode` and `_get_terminal_size`; the stock writer and input threads start, find
    nothing to do, and end.
    """

    def __init__(self, app: Any, **options: Any) -> None:
        super().__init__(app, **options)
        self._watcher = cast(TerminalWatcher, app)
        self._unsent = bytearray()
        self._pump_due = False
        self._stalled_at: float | None = None
        self._shared = False
        self._out = self._open_output()
        self._reading = False
        self._gone = False
        self._parser = XTermParser(self._debug)
        self._decode = getincrementaldecoder("utf-8")(errors="replace").decode
        self._answers = False
        self._asked_s: deque[float] = deque()
        self._shortest_s = 1.0
        self._last_s = 0.0
        self._held = False
        self._begun = ""
        self._begun_s = 0.0
        self.typed_s = -1.0
        """When something was last typed, on the monotonic clock."""

    # --- output -----------------------------------------------------------------------------------------------

    def _open_output(self) -> int:
        """A descriptor of our own, so that non-blocking mode is not forced on the shell that shares ours."""
        assert self._file is not None  # check_terminal saw to it
        stderr = self._file.fileno()
        flags = os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            return os.open(os.ttyname(stderr), flags)
        except OSError:  # another user's terminal (su, sudo) or one not mounted here
            self._shared = True
            own = os.dup(stderr)
            os.set_blocking(own, False)
            return own

    def _get_terminal_size(self) -> tuple[int, int]:
        """Columns and rows of the terminal itself: an inherited COLUMNS or LINES tells of another one, for ever."""
        try:
            columns, rows = os.get_terminal_size(self._out)
        except OSError:  # it is gone
            columns = rows = 0
        return (columns, rows) if columns and rows else super()._get_terminal_size()

    @property
    def stalled(self) -> bool:
        """Whether the terminal still has to take what was written to it, or to show it."""
        if not (self._blocked or self._waits()):
            return False
        self._held = True
        return True

    @property
    def _blocked(self) -> bool:
        return self._stalled_at is not None

    def write(self, data: str) -> None:
        if self._gone:
            return
        if self._watcher.ascii_only:
            data = ascii_only(data)
        self._unsent += data.encode("utf-8", "replace")
        if not self._pump_due and not self._blocked:
            self._pump_due = True
            self._loop.call_soon(self._pump)

    def flush(self) -> None:
        if not self._blocked:
            self._pump()

    def _pump(self) -> None:
        """Hand the terminal what it takes now; the loop calls again when it takes more."""
        self._pump_due = False
        try:
            while self._unsent:
                del self._unsent[: os.write(self._out, self._unsent[:65536])]
        except BlockingIOError:
            if self._stalled_at is None:
                self._stalled_at = time.monotonic()
                self._loop.add_writer(self._out, self._pump)
            return
        except OSError:  # the other end is gone
            self._lose()
            return
        if self._stalled_at is not None:
            stalled_s = time.monotonic() - self._stalled_at
            self._stalled_at = None
            self._loop.remove_writer(self._out)
            self._freed(stalled_s)

    # --- what the terminal has shown ------------------------------------------------------------------------------

    def frame_sent(self) -> None:
        """A frame was written: ask the terminal to say when it has come to its end."""
        if self._answers and not self._gone:
            self._asked_s.append(time.monotonic())
            self.write(ASK)
            self.flush()

    def _waits(self) -> bool:
        """Whether an answer is out for longer than the way there and back takes."""
        if not self._answers or not self._asked_s:
            return False
        out_s = time.monotonic() - self._asked_s[0]
        if out_s > LOST_S:
            self._asked_s.clear()
            return False
        usual_s = max(LEAST_WAIT_S, 2 * self._shortest_s)
        return out_s > usual_s or self._last_s > usual_s  # over a slow line one frame at a time

    def _answered(self, count: int) -> None:
        self._answers = True
        for _ in range(min(count, len(self._asked_s))):
            self._last_s = time.monotonic() - self._asked_s.popleft()
            self._shortest_s = min(self._shortest_s, self._last_s)
        if self._held and not self._blocked and not self._waits():
            self._freed(0.0)

    def _freed(self, stalled_s: float) -> None:
        """Frames may go again, after so long without the terminal taking a byte."""
        if not self._waits():
            self._held = False
            self._watcher.terminal_drained(stalled_s)

    def close(self) -> None:
        """Give the terminal a moment to take its last bytes, then let go of it whether it did or not."""
        self._loop.remove_writer(self._out)
        poll = select.poll()
        poll.register(self._out, select.POLLOUT)
        deadline = time.monotonic() + CLOSE_WAIT_S
        while self._unsent and not self._gone and time.monotonic() < deadline:
            if poll.poll(20):
                try:
                    del self._unsent[: os.write(self._out, self._unsent[:4096])]
                except BlockingIOError:
                    continue
                except OSError:
                    break
        self._gone = True
        if self._shared:
            os.set_blocking(self._out, True)
        os.close(self._out)
        super().close()

    # --- input ------------------------------------------------------------------------------------------------

    def start_application_mode(self) -> None:
        """Also called by SIGCONT, which the kernel sends along with SIGHUP when the terminal goes away."""
        if self._gone or hung_up(self.fileno):
            return
        if self._writer_thread is not None:
            self._writer_thread.stop()  # or every stop and continue would leave one behind
        super().start_application_mode()
        self._answers = False
        self._asked_s = deque([time.monotonic()])
        self.write(ASK)
        if not self._reading:
            self._reading = True
            self._loop.add_reader(self.fileno, self._readable)

    def run_input_thread(self) -> None:
        """Nothing: input is read on the loop, which an end of file can't make spin."""

    def send_message(self, message: Any) -> None:
        self._app.post_message(message)

    def _readable(self) -> None:
        try:
            data = os.read(self.fileno, 4096)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lose()
            return
        text = self._without_answers(self._begun + self._decode(data))
        if text:  # without any the parser takes it for the end
            self.typed_s = time.monotonic()
            self._deliver(self._parser.feed(text))
        elif not self._begun:
            return
        # A lone escape is a key only once nothing has followed it.
        self._loop.call_later(constants.ESCAPE_DELAY + 0.005, self._tick)

    def _without_answers(self, text: str) -> str:
        """What was typed. The parser knows no such answer and would make keys of it; one that is cut in two waits for
        its rest."""
        begun = _BEGUN.search(text)
        self._begun = begun[0] if begun else ""
        self._begun_s = time.monotonic()
        text = text[: begun.start()] if begun else text
        if count := text.count(ANSWER):
            self._answered(count)
            text = text.replace(ANSWER, "")
        return text

    def _tick(self) -> None:
        if self._gone:
            return
        if self._begun and time.monotonic() - self._begun_s > constants.ESCAPE_DELAY:  # Alt and a bracket; no answer
            text, self._begun = self._begun, ""
            self._deliver(self._parser.feed(text))
        self._deliver(self._parser.tick())

    def _deliver(self, messages: Any) -> None:
        message: Message
        for message in messages:
            self.process_message(message)

    def disable_input(self) -> None:
        self._stop_reading()
        self._await_answers()
        super().disable_input()

    def _await_answers(self) -> None:
        """Take the answers that are still on their way: a shell would take them for typing."""
        poll = select.poll()
        poll.register(self.fileno, select.POLLIN)
        deadline = time.monotonic() + CLOSE_WAIT_S
        while self._answers and self._asked_s and not self._gone and time.monotonic() < deadline:
            if poll.poll(20):
                try:
                    data = os.read(self.fileno, 4096)
                except OSError:
                    return
                if not data:
                    return
                for _ in range(min(data.count(ANSWER.encode()), len(self._asked_s))):
                    self._asked_s.popleft()

    def _stop_reading(self) -> None:
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self.fileno)

    # --- the end ----------------------------------------------------------------------------------------------

    def check_hung_up(self) -> None:
        """Notice a terminal that is gone; the app calls this twice a second."""
        if not self._gone and (hung_up(self.fileno) or hung_up(self._out)):
            self._lose()
        elif self._held and not self.stalled:  # an answer that was lost
            self._freed(0.0)

    def _lose(self) -> None:
        if self._gone:
            return
        self._gone = True
        self._unsent.clear()
        self._stop_reading()
        self._loop.remove_writer(self._out)
        self._stalled_at = None
        self._watcher.terminal_gone()
