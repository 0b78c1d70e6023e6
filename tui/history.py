"""The commands that were typed, kept across starts for each user of the machine. `tui/commandline.py` asks it.

A line goes into the file once it was understood as a command; until then it may be anything, a password pasted into
the wrong place among it, and is remembered by this seat alone. Lines that look like a secret are not kept at all.
"""

import os
import re
from pathlib import Path

import structlog

from schema.watchlists import this_user

KEPT = 500
_SECRET = re.compile(
    r"passw|passphrase|secret|token|credential|api.?key|\bsec\b|\bkey\s*=|^\s*:?\s*add\b",
    re.IGNORECASE,
)

_log = structlog.get_logger()


def history_file(state_dir: Path) -> Path:
    """Where the commands of this user are kept."""
    return state_dir / f"history-{re.sub('[^A-Za-z0-9._-]', '_', this_user())}"


class History:
    """Oldest first. Without a `file`, or with one that can't be used, it lasts as long as the seat."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self.lines: list[str] = self._read()

    def remember(self, line: str) -> None:
        """For the arrow keys of this seat, whatever it is, unless it may hold a secret."""
        if line and not _SECRET.search(line) and line.isprintable() and self.lines[-1:] != [line]:
            self.lines = [*self.lines[-KEPT + 1 :], line]

    def keep(self, line: str) -> None:
        """In the file, now that it was understood as a command."""
        if self._file is None or not line or _SECRET.search(line) or not line.isprintable():
            return
        try:
            self._append(f"{line}\n")
        except OSError as failure:
            self._give_up(failure)

    def matching(self, text: str) -> list[str]:
        """The lines that hold every word of `text`, whatever its case; the newest first, each once."""
        words = text.casefold().split()
        newest = dict.fromkeys(reversed(self.lines))
        return [line for line in newest if all(word in line.casefold() for word in words)]

    # --- the file -----------------------------------------------------------------------------------------------------

    def _read(self) -> list[str]:
        if self._file is None:
            return []
        try:
            lines = self._file.read_text("utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return []
        except OSError as failure:
            self._give_up(failure)
            return []
        good = [line for line in lines if line and line.isprintable() and not _SECRET.search(line)]
        if len(lines) > 2 * KEPT:
            self._shorten(good[-KEPT:])
        return good[-KEPT:]

    def _append(self, text: str) -> None:
        """One write, so that the lines of two seats never mix."""
        assert self._file is not None
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self._file, flags, 0o600)
        try:
            os.fchmod(descriptor, 0o600)  # it may be there with another mode
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)

    def _shorten(self, lines: list[str]) -> None:
        assert self._file is not None
        new = self._file.with_name(f"{self._file.name}.{os.getpid()}")
        try:
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in lines)
            new.replace(self._file)
        except OSError as failure:
            self._give_up(failure)

    def _give_up(self, failure: OSError) -> None:
        _log.warning("the history of commands is not kept", file=str(self._file), error=failure.strerror)
        self._file = None
