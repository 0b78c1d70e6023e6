"""Where a desk's socket for seats is, and how one is listened at: in the state directory, mode 0600 in a 0700 folder.

`engine/door.py` listens at it, `engine/remote.py` connects to it.
"""

import os
import resource
import socket
import stat
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

FOLDER, NAME = "seats", "desk.sock"
WAITING = 1_024  # who may wait to be let in
_MOST_SEATS = 8_192
_FILES_KEPT_BACK = 512  # of the process, for the venues, the database and the log
_NAME_LIMIT = 107  # bytes of a Unix socket's address


class DoorRefused(Exception):
    """The door can't be opened; one sentence naming the remedy."""


def socket_of(state_dir: Path) -> Path:
    return state_dir / FOLDER / NAME


@contextmanager
def address(path: Path) -> Generator[str]:
    """`path` as the kernel takes it for a socket, however long it is."""
    if len(os.fsencode(path)) <= _NAME_LIMIT:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def listening(path: Path) -> socket.socket:
    """A listening socket at `path`, in place of one that a dead desk left. Raises DoorRefused."""
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.parent.chmod(0o700)
        with address(path) as name:
            _clear(path, name)
            return _bound(path, name)
    except OSError as error:
        raise DoorRefused(
            f"state_dir: {path} can't be opened for seats ({error.strerror}); choose another state_dir."
        ) from None


def _bound(path: Path, name: str) -> socket.socket:
    bound = socket.socket(socket.AF_UNIX)
    try:
        bound.bind(name)
        path.chmod(0o600)  # before it listens, so before anybody can come in
        bound.listen(WAITING)
        bound.setblocking(False)
    except OSError:
        bound.close()
        raise
    return bound


def _clear(path: Path, name: str) -> None:
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise DoorRefused(f"state_dir: {path} is not a socket; move it away, the desk needs its place.")
    with socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(1.0)
        try:
            asking.connect(name)
        except ConnectionRefusedError:
            path.unlink()
            return
        except OSError:  # it takes nobody now, but somebody listens
            pass
    raise DoorRefused(f"state_dir: a desk that runs answers at {path}; stop it or set another state_dir.")


def room_for_seats() -> int:
    """Let this process have as many files open as it may, and say how many of them seats can be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    files = _MOST_SEATS + _FILES_KEPT_BACK if hard == resource.RLIM_INFINITY else hard
    return max(1, min(_MOST_SEATS, files - _FILES_KEPT_BACK))
