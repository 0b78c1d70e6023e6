"""How the desk is, once a second, in a file that any process may read: `copydesk health` shows it.

A file, and not a question to the desk: a desk that hangs answers nothing, and its file says since when. Written beside
the engine (`engine/thread.py`); it is one JSON object, replaced as a whole, readable by the desk's user alone.
"""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import structlog

from engine.market.shown import Truth
from engine.seat import StatusRow, Topic, View
from schema.clock import Clock
from schema.market import FeedHealth
from schema.records import Record

FILE_NAME = "health.json"
EVERY_S = 1.0
log = structlog.get_logger(__name__)


class HealthReport(Record, frozen=True):
    """The desk of process `pid` as it was at `at_ns`. Where a number is not known yet it is -1."""

    pid: int
    desk: str
    at_ns: int
    blocked: str
    journal_ok: bool
    connections_up: int
    connections: int
    undecided: int
    drifting: int
    loop_lag_p99_ms: float
    rss_mb: float
    feeds: tuple[FeedHealth, ...]
    markets: tuple[Truth, ...]


def report(view: Callable[[Topic], View], now_ns: int) -> HealthReport | None:
    """From the views; None before the desk has published any."""
    status = next((row for row in view(Topic.STATUS).rows if isinstance(row, StatusRow)), None)
    if status is None:
        return None
    return HealthReport(
        pid=status.pid,
        desk=status.desk,
        at_ns=now_ns,
        blocked=status.blocked,
        journal_ok=status.journal_ok,
        connections_up=status.connections_up,
        connections=status.connections,
        undecided=status.undecided,
        drifting=status.drifting,
        loop_lag_p99_ms=status.loop_lag_p99_ms,
        rss_mb=status.rss_mb,
        feeds=tuple(row for row in view(Topic.FEEDS).rows if isinstance(row, FeedHealth)),
        markets=tuple(row for row in view(Topic.TRUTH).rows if isinstance(row, Truth)),
    )


async def keep(state_dir: Path, view: Callable[[Topic], View], clock: Clock) -> None:
    """Write the report every second until canceled. A disk that takes none is logged once."""
    complained = False
    while True:
        found = report(view, clock.now_ns())
        if found is not None:
            try:
                await asyncio.to_thread(_write, state_dir / FILE_NAME, msgspec.json.encode(found))
            except OSError as error:
                if not complained:
                    log.warning("health not written", error=error.strerror)
                complained = True
        await asyncio.sleep(EVERY_S)


def read(state_dir: Path) -> HealthReport | None:
    """The last report; None when there is none that can be read."""
    try:
        return msgspec.json.decode((state_dir / FILE_NAME).read_bytes(), type=HealthReport)
    except (OSError, msgspec.MsgspecError):
        return None


def _write(path: Path, data: bytes) -> None:
    beside = path.with_suffix(".new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, data)
    finally:
        os.close(descriptor)
    beside.replace(path)
