"""What reaches the machine that a trader sits at, through ssh and tmux: the bell, notifications, the clipboard.

`tui/app.py` gives it the newest alerts and what is to be copied. All of it is escape sequences in the terminal's own
stream (`TERMINAL.md` 5): BEL passes everywhere; OSC 9 and OSC 777 are notifications and OSC 52 is the clipboard, which
tmux keeps for itself unless they are wrapped for it and it was told to let them pass (`tui/here.py`, `TMUX_LINES`).
"""

import time
from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from engine.seat import AlertRow
from tui.text import clean, counted

Notify = Literal["osc9", "osc777", "bell"]

EVERY_S = 5.0
"""An alarm rings at once; those of the next so many seconds become one ring."""
LONGEST = 200
"""Characters of a notification."""
CLIPBOARD_BYTES = 74_994
"""Base64 that a clipboard sequence may carry: what the tightest of the common terminals take."""


class Copied(NamedTuple):
    """What a copy sends: the sequences, and how many of the lines they hold."""

    sequence: str
    lines: int


def through_tmux(sequence: str) -> str:
    """A sequence wrapped so that tmux hands it on to the terminal outside."""
    return f"\x1bPtmux;{sequence.replace(chr(27), chr(27) * 2)}\x1b\\"


def notification(text: str, notify: Notify, *, tmux: bool) -> str:
    """The bell, and the notification that goes with it."""
    told = clean(text)[:LONGEST]
    if notify == "bell":
        return "\a"
    # A text that begins with a figure is a command of OSC 9 to some; ours begins with a word. Semicolons are OSC 777's.
    sequence = f"\x1b]9;{told}\a" if notify == "osc9" else f"\x1b]777;notify;copydesk;{told.replace(';', ',')}\a"
    return "\a" + (through_tmux(sequence) if tmux else sequence)


def clipboard(lines: Sequence[str], *, tmux: bool) -> Copied:
    """As many whole lines as the clipboard takes."""
    room = CLIPBOARD_BYTES // 4 * 3
    kept = 0
    for line in lines:
        room -= len(line.encode()) + (kept > 0)
        if room < 0:
            break
        kept += 1
    text = b64encode("\n".join(lines[:kept]).encode()).decode()
    sequence = f"\x1b]52;c;{text}\a"
    # With set-clipboard tmux takes the bare one for its own buffer, too; with allow-passthrough the other goes through.
    return Copied(sequence + through_tmux(sequence) if tmux else sequence, kept)


class Laptop:
    """One seat's. `send` writes to the terminal."""

    def __init__(
        self,
        send: Callable[[str], None],
        *,
        tmux: bool,
        notify: Notify = "osc9",
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._send = send
        self._tmux = tmux
        self._notify: Notify = notify
        self._monotonic_s = monotonic_s
        self._newest: AlertRow | None = None
        self._from_ns: int | None = None
        self._away = ""
        self._waiting: list[str] = []
        self._rang_s: float | None = None

    def follow(self, desk: str, now_ns: int, alerts: Sequence[AlertRow], away: str = "") -> None:
        """Look at the newest alerts, newest first, and at why no desk is heard of (`Seat.away`): ring for alarms that
        came since the last look. `now_ns` is the desk's time; what is older than the first look rings nobody."""
        if self._from_ns is None:
            self._from_ns = now_ns
        new = [row for row in reversed(self._since(alerts)) if row.level == "alarm" and row.at_ns > self._from_ns]
        self._waiting += [row.text for row in new]
        if away and not self._away:
            self._waiting.append(away)
        self._away = away
        self._newest = alerts[0] if alerts else self._newest
        now_s = self._monotonic_s()
        if self._waiting and (self._rang_s is None or now_s - self._rang_s >= EVERY_S):
            count, newest = len(self._waiting), self._waiting[-1]
            more = f"{counted(count, 'alarm', 'alarms')}, the newest: " if count > 1 else ""
            self._waiting, self._rang_s = [], now_s
            self._send(notification(f"copydesk {desk}: {more}{newest}", self._notify, tmux=self._tmux))

    def _since(self, alerts: Sequence[AlertRow]) -> Sequence[AlertRow]:
        """Those that came after the newest of the last look."""
        return alerts[: alerts.index(self._newest)] if self._newest in alerts else alerts

    def copy(self, lines: Sequence[str], what: str) -> str:
        """Put lines into the clipboard of the trader's machine; the sentence that says what was sent."""
        copied = clipboard(lines, tmux=self._tmux)
        if not copied.lines:
            return f"{what} is longer than a clipboard takes over a terminal; export it instead."
        self._send(copied.sequence)
        size = sum(len(line.encode()) + 1 for line in lines[: copied.lines]) - 1
        part = "" if copied.lines == len(lines) else f"the first {copied.lines} of {len(lines)} lines of "
        way = " through tmux" if self._tmux else ""
        return f"Sent {part}{what} to your terminal's clipboard{way}: {size:,} bytes."
