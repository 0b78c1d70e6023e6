"""The recorder: writes every input of the core to the session's file before the core handles it.

One `write` an input, so a killed desk has recorded all that it handled; what was decided follows 5 ms later. The disk
is made to keep it all (against a power cut) from another thread when half a second was quiet, every 30 s at the latest:
the journal's commits wait for the same disk, and orders for them. The journal in Postgres is what the desk recovers
from; this file is for `copydesk replay`. So a file that can't be written (a full disk, a session over its cap) does not
stop the desk: recording ends, for this session, and an alert says so.
"""

import asyncio
import os
import time
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import structlog

from engine import events as ev
from engine.session import (
    DECIDED,
    END,
    ENDING,
    FORMAT,
    FRAME,
    HEADER,
    INPUT,
    LARGE,
    LONGEST_TICK_NS,
    TICK,
    DecidedUpTo,
    Header,
    decided,
    products_digest,
    sessions,
)
from engine.state import CoreLimits
from schema.clock import Clock, to_datetime
from schema.settings import Settings

_FLUSH_AFTER_S = 0.005  # by then the orders have left
_LOOK_EVERY_S = 0.05
_QUIET_S = 0.5
_LONGEST_UNSYNCED_S = 30.0
_LOST = (OSError, TypeError, ValueError, OverflowError, msgspec.MsgspecError)
log = structlog.get_logger(__name__)


class Recorder:
    """One session's file, from the desk's opening to its end. Owned by the engine's loop; never raises."""

    def __init__(self, path: Path, cap_bytes: int) -> None:
        """`path` is made anew; recording ends when it has grown to `cap_bytes`."""
        self.path = path
        self.trouble = ""  # why recording ended, one sentence
        self.seq = 0
        self._cap = cap_bytes
        self._written = 0
        self._unsynced = False
        self._busy = False
        self._waiting = asyncio.Event()
        self._tick_ns = 0
        self._effects: list[tuple[int, Sequence[ev.AnyEffect]]] = []
        self._encoder = msgspec.msgpack.Encoder()
        self._buffer = bytearray(4096)
        self._fd = -1
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        except OSError as error:
            self._give_up(error)

    @classmethod
    def open(cls, settings: Settings, clock: Clock, session: str) -> "Recorder":
        """The recorder of a desk that opens now; sessions that are too old, or too many, are removed first."""
        now_ns = clock.now_ns()
        prune(settings, to_datetime(now_ns))
        name = f"{to_datetime(now_ns):%Y%m%d-%H%M%S}-{session[:8]}"
        recorder = cls(settings.state_dir / "sessions" / f"{name}{ENDING}", settings.sessions_mb << 20)
        recorder._put(
            HEADER,
            Header(
                format=FORMAT,
                session=name,
                desk=settings.desk,
                started_ns=now_ns,
                limits=CoreLimits.of(settings),
                products=products_digest(),
            ),
        )
        return recorder

    # --- on the order path -----------------------------------------------------------------------------------------

    def input(self, event: ev.AnyInput) -> None:
        """Record an input; call it before the core handles it."""
        self.seq += 1
        if type(event) is not ev.Tick:
            self._put(INPUT, event)
            self._unsynced = self._busy = True
            return
        since_ns = event.at_ns - self._tick_ns
        self._tick_ns = event.at_ns
        if 0 <= since_ns <= LONGEST_TICK_NS:
            self._write(FRAME.pack(TICK, since_ns))
        else:
            self._put(INPUT, event)

    def decided(self, effects: Sequence[ev.AnyEffect]) -> None:
        """Remember what the input led to; `flush` records it."""
        if effects and self._fd >= 0:
            self._effects.append((self.seq, effects))
            self._waiting.set()

    # --- beside it ---------------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Record what was decided since the last flush."""
        self._waiting.clear()
        if self._effects and self._fd >= 0:
            effects, self._effects = self._effects, []
            self._put(DECIDED, DecidedUpTo(seq=self.seq, decided=tuple(decided(*each) for each in effects)))
            self._unsynced = True

    async def run(self, alert: Callable[[str, str], None]) -> None:
        """Flush until cancelled, have the disk keep it, and say through `alert` when recording ended."""
        said = ""
        quiet_s = synced_s = time.monotonic()
        while True:
            self._busy = False
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY_S):  # `wait_for` may swallow the cancellation that ends the desk
                    await self._waiting.wait()
                await asyncio.sleep(_FLUSH_AFTER_S)
            self.flush()
            if self.trouble != said:
                said = self.trouble
                alert("warn", said)
            now_s = time.monotonic()
            quiet_s = now_s if self._busy else quiet_s
            synced_s = synced_s if self._unsynced else now_s
            if now_s - synced_s > (_QUIET_S if now_s - quiet_s > _QUIET_S else _LONGEST_UNSYNCED_S):
                self._unsynced = False
                if self._fd >= 0:
                    await asyncio.to_thread(_sync, os.dup(self._fd))

    def close(self) -> None:
        """The desk is closed: record what is left, and that this is the end."""
        self.flush()
        if self._fd >= 0:
            self._write(FRAME.pack(END, 0))
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _put(self, kind: bytes, record: msgspec.Struct) -> None:
        if self._fd < 0:
            return
        try:
            self._encoder.encode_into(record, self._buffer, FRAME.size)
            if len(self._buffer) <= LARGE:
                FRAME.pack_into(self._buffer, 0, kind, len(self._buffer) - FRAME.size)
                frame: bytes | bytearray = self._buffer
            else:  # a venue's whole truth, never a leader's fill: 0.1 ms for 60 kB, an eighth of the file
                packed = zlib.compress(memoryview(self._buffer)[FRAME.size :], 1)
                frame = FRAME.pack(kind.lower(), len(packed)) + packed
        except _LOST as error:
            self._give_up(error)
        else:
            self._write(frame)

    def _write(self, frame: bytes | bytearray) -> None:
        if self._fd < 0:
            return
        if self._written + len(frame) > self._cap:
            self._give_up(ValueError(f"it has grown to the {self._cap >> 20} MB that sessions_mb allows"))
            return
        try:
            written = os.write(self._fd, frame)
        except OSError as error:
            self._give_up(error)
            return
        self._written += written
        if written < len(frame):
            self._give_up(ValueError("the disk is full"))

    def _give_up(self, error: Exception) -> None:
        """What follows can't be replayed without what is missing: this session's recording ends here."""
        why = error.strerror if isinstance(error, OSError) else str(error)
        self.trouble = f"session recording ended, copying goes on: {why}; replay will know this session up to here"
        log.warning("session recording ended", path=str(self.path), reason=why)
        self._effects = []
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _sync(fd: int) -> None:
    """Have the disk keep what was written; a disk that can't will refuse the next write, which says so."""
    try:
        with suppress(OSError):
            os.fdatasync(fd)
    finally:
        os.close(fd)


def prune(settings: Settings, now: datetime) -> None:
    """Remove the sessions that are older than `sessions_days`, and the oldest while all of them take more than
    `sessions_mb`. One that can't be removed stays."""
    oldest = (now.astimezone(UTC) - timedelta(days=settings.sessions_days)).timestamp()
    kept = 0
    for path in reversed(sessions(settings.state_dir)):
        try:
            found = path.stat()
            kept += found.st_size
            if found.st_mtime < oldest or kept > settings.sessions_mb << 20:
                path.unlink()
        except OSError as error:
            log.warning("session not removed", path=str(path), reason=error.strerror)
