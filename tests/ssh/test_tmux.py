"""Through a real tmux: what the screen says to the trader's own machine is read from the terminal outside it."""

import os
import re
import subprocess
import sys
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.ssh.server import program
from tests.tui.pty_terminal import LOOKS, Terminal
from tests.tui.scripted_desk import ALARM
from tui.here import TMUX_LINES

pytestmark = pytest.mark.timeout(60)
_COPY = re.compile(rb"\x1b\]52;[a-z]*;([A-Za-z0-9+/=]+)(?:\x07|\x1b\\)")
_TOLD = re.compile(rb"\x1b\](9|777);([^\x07\x1b]*)(?:\x07|\x1b\\)")


class Outside(Terminal):
    """The terminal that tmux is in, and all that came to it. What stands on the screen is asked of tmux, which draws
    with more than the tests' screen understands."""

    tmux: tuple[str, ...] = ()

    def shows(self, text: str, within_s: float = 10.0) -> None:
        self.until(lambda: text in self.captured(), within_s, text)

    def captured(self) -> str:
        done = subprocess.run([*self.tmux, "capture-pane", "-p"], capture_output=True, text=True, check=False)
        return done.stdout

    @property
    def came(self) -> bytes:
        assert self.chunks is not None
        return b"".join(self.chunks)


@contextmanager
def in_tmux(folder: Path, lines: tuple[str, ...], *options: str) -> Iterator[Outside]:
    """The scripted desk at 200x50 in a tmux with a configuration of its own."""
    tmux = program("tmux")
    folder.mkdir(parents=True, exist_ok=True)
    config, socket = folder / "tmux.conf", folder / "socket"
    config.write_text("".join(f"{line}\n" for line in lines))
    ours = [sys.executable, "-m", "tests.tui.scripted_desk", "--events", "200", *options]
    server = (tmux, "-S", str(socket))
    command = [*server, "-f", str(config), "new-session", *ours]
    environment = {name: value for name, value in os.environ.items() if name not in ("TMUX", "TMUX_PANE")}
    try:
        with Outside(command, {**environment, **LOOKS}) as outside:
            outside.answers = True
            outside.chunks = []
            outside.tmux = server
            outside.shows("21 accounts", 20)
            yield outside
    finally:
        subprocess.run([*server, "kill-server"], check=False, capture_output=True)


def test_with_the_three_lines_alarm_copy_and_24_bit_colour_come_through_tmux(state_dir: Path) -> None:
    with in_tmux(state_dir, TMUX_LINES, "--alarm-after", "2") as outside:
        outside.until(lambda: bool(_TOLD.search(outside.came)), 10, "the notification")
        assert b"\a" in _TOLD.sub(b"", _COPY.sub(b"", outside.came)), "no bell of its own"
        found = _TOLD.search(outside.came)
        assert found is not None
        assert found.groups() == (b"9", f"copydesk scripted: {ALARM}".encode())
        outside.press("1j")
        outside.shows("DEMO1001 · armed")
        outside.press("y")
        outside.until(lambda: bool(_COPY.search(outside.came)), 5, "the copy")
        outside.shows("through tmux")
        copied = {b64decode(payload).decode() for payload in _COPY.findall(outside.came)}
        assert len(copied) == 1
        assert copied.pop().split("\t")[1] == "DEMO1001"
        assert b"38;2;" in outside.came


def test_in_a_tmux_as_it_comes_the_bell_passes_and_terminal_says_what_the_rest_needs(state_dir: Path) -> None:
    with in_tmux(state_dir, (), "--alarm-after", "1", "--notify", "osc777") as outside:
        outside.shows(ALARM)
        outside.until(lambda: b"\a" in outside.came, 5, "the bell")
        assert not _TOLD.search(outside.came)
        outside.press(":terminal\r")
        for line in TMUX_LINES:
            outside.shows(line)
