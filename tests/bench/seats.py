"""What seats in other processes cost the copies: one `copydesk attach` that paints, and thousands of listeners.

The leader and twenty followers; rounds alone, rounds with the seat and rounds with the listeners take turns, so that
all see the same machine. Timed is each trade, from the leader's fill read to its last order's bytes at the socket.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvloop

from engine.collector import settle
from engine.latency import percentile
from engine.seat import Topic
from engine.thread import SWITCH_INTERVAL_S
from schema.clock import SYSTEM_CLOCK
from schema.records import SignalKind
from tests.bench import subscribers
from tests.bench.fanout import in_pty
from tests.bench.figures import Measured
from tests.practice import PracticeDesk, practice, until

_ROUNDS, _TRADES, _EVERY_S = 10, 40, 0.1
_TIMES_PER_S = subscribers.MESSAGES_PER_S / subscribers.SUBSCRIBERS
_PAINTS_S = 2.0  # its first frame is out
_LONG_S = 600.0


def measure() -> list[Measured]:
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    with (
        tempfile.TemporaryDirectory(prefix="copydesk-bench-") as name,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        Path(name).chmod(0o711)
        return runner.run(_measure(Path(name) / "state"))


async def _measure(state_dir: Path) -> list[Measured]:
    alone: list[float] = []
    with_seat: list[float] = []
    with_listeners: list[float] = []
    told, heard_s = 0, 0.0
    async with practice(state_dir) as at, subscribers.opened(at.desk, state_dir) as door:
        subscribers.list_symbols(at.desk.market)
        settle()
        await _round(at)  # warm-up
        for _ in range(_ROUNDS):
            alone += await _round(at)
            async with _attached(state_dir):
                await until(lambda: door.counts().subscriptions == len(Topic), 20)
                await asyncio.sleep(_PAINTS_S)
                with_seat += await _round(at)
            async with subscribers.listeners(door.path, subscribers.SUBSCRIBERS) as children:
                subscribers.say(children, b"measure\n")
                started = time.monotonic()
                quoting = asyncio.create_task(subscribers.quote(at.desk.market, _TIMES_PER_S, _LONG_S))
                with_listeners += await _round(at)
                quoting.cancel()
                await asyncio.wait([quoting])
                heard_s += time.monotonic() - started
                told += sum(len(json.loads(ages)) for ages in await subscribers.ask(children, b"tell\n"))
    assert told > 0.9 * subscribers.MESSAGES_PER_S * heard_s, f"{told} messages in {heard_s:.1f} s"
    return [
        _beside("one seat attached", with_seat, alone),
        _beside(f"{subscribers.SUBSCRIBERS:,} listeners, {told / heard_s:,.0f} messages/s", with_listeners, alone),
    ]


def _beside(what: str, beside: list[float], alone: list[float]) -> Measured:
    ratio = percentile(sorted(beside), 99) / percentile(sorted(alone), 99)
    return Measured(f"decision to last order sent, {what} (floor: nobody, p99 x{ratio:.2f})", "ms", beside, alone)


@asynccontextmanager
async def _attached(state_dir: Path) -> AsyncIterator[None]:
    """A seat in a terminal of its own, read by a process of its own; it hangs up at the end."""
    terminal = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.seats"),
        env={**os.environ, "COPYDESK_STATE_DIR": str(state_dir)},
        stdout=DEVNULL,
    )
    try:
        yield
        assert terminal.returncode is None, "the seat has ended"
    finally:
        if terminal.returncode is None:
            terminal.terminate()
        await terminal.wait()


async def _round(at: PracticeDesk) -> list[float]:
    """The leader goes in and out; milliseconds of each trade from its fill read to its last order sent."""
    before_ns = SYSTEM_CLOCK.now_ns()
    await at.in_and_out(_TRADES, _EVERY_S)
    await at.settled(10)
    await at.desk.journal.flush()
    took_ms: dict[str, float] = defaultdict(float)
    for signal, copy in await at.store.recent_copies(2 * _TRADES * len(at.core.followers)):
        if signal.kind is SignalKind.LEADER_FILL and copy.received_ns > before_ns and copy.sent_ns:
            took_ms[signal.signal_id] = max(took_ms[signal.signal_id], (copy.sent_ns - copy.received_ns) / 1e6)
    return list(took_ms.values())


if __name__ == "__main__":
    sys.exit(in_pty([sys.executable, "-m", "tui.cli", "attach"], Path(os.devnull)))
