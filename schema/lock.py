"""One desk per state directory: a locked pid file. The lock is the kernel's, so a killed desk leaves none behind.

Called by the shell commands that open a desk, and by `copydesk doctor`, which only looks.
"""

import fcntl
import os
from pathlib import Path
from types import TracebackType


class StateDirBusy(Exception):
    """Another desk runs on this state directory; the text names its pid."""


def _path(state_dir: Path) -> Path:
    return state_dir / "desk.pid"


class StateDirLock:
    """Held for as long as the desk runs: `with StateDirLock(state_dir):`. Raises StateDirBusy."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._fd = -1

    def __enter__(self) -> "StateDirLock":
        self._state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._fd = os.open(_path(self._state_dir), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(self._fd, 20, 0).decode() or "?"
            os.close(self._fd)
            raise StateDirBusy(
                f"state_dir: a desk is already running on {self._state_dir}, pid {pid}; "
                "stop it or set another state_dir."
            ) from None
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, str(os.getpid()).encode(), 0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._fd)


def holder(state_dir: Path) -> int | None:
    """The pid of the desk that runs on `state_dir`, or None."""
    try:
        fd = os.open(_path(state_dir), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return int(os.pread(fd, 20, 0) or b"0")
    finally:
        os.close(fd)
    return None
