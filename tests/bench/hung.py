"""One login's venue hangs: what the others' fan-out costs beside it, in turn with rounds in which nobody hangs.

In a hung round the login's requests lie unread while the leader trades on; the orders to it become unknown and are
asked about. Timed is only what leaves for the other logins, leader's fill read to last order sent. Rounds take turns
so that both see the same machine.
"""

import asyncio
import tempfile
from pathlib import Path

import uvloop

from engine.collector import settle
from tests.bench.figures import Measured
from tests.practice import PracticeDesk, practice

HUNG = "desk2"
_ROUNDS = 20
_TRADES = 20
_EVERY_S = 0.1
_LONG_S = 600.0


def measure() -> list[Measured]:
    """The fan-out beside a hung login, with that beside a well one as its floor."""
    with (
        tempfile.TemporaryDirectory(prefix="copydesk-bench-") as name,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        well, hung = runner.run(_measure(Path(name) / "state"))
    return [Measured("fan-out to 15 followers, the login of 5 others hung (floor: not hung)", "ms", hung, well)]


async def _measure(state_dir: Path) -> tuple[list[float], list[float]]:
    async with practice(state_dir, requests_per_min=100_000) as desk:
        settle()
        return await take_turns(desk, _ROUNDS, _TRADES)


async def take_turns(desk: PracticeDesk, rounds: int, trades: int) -> tuple[list[float], list[float]]:
    """Milliseconds of each signal to the logins that never hang: in well rounds, and in hung ones."""
    await _round(desk, trades)  # warm-up
    well: list[float] = []
    hung: list[float] = []
    for number in range(rounds):
        hangs = number % 2 == 1
        if hangs:
            await desk.control("hang", login=HUNG, seconds=_LONG_S)
        signals = await _round(desk, trades)
        if hangs:
            await desk.control("clear")
        await desk.settled(15)
        (hung if hangs else well).extend(await _fan_outs(desk, signals))
    return well, hung


async def _round(desk: PracticeDesk, trades: int) -> int:
    """The leader goes in and out; how many of its signals were seen."""
    before = desk.core.tally.signals
    await desk.in_and_out(trades, _EVERY_S)
    return desk.core.tally.signals - before


async def _fan_outs(desk: PracticeDesk, signals: int) -> list[float]:
    """The newest `signals` of the leader, from the journal."""
    await desk.desk.journal.flush()
    hung = set(desk.core.accounts_of(HUNG))
    sent: dict[str, tuple[int, int]] = {}
    for signal, copy in await desk.store.recent_copies(100_000):
        if signal.kind != "correction" and copy.sent_ns and copy.follower not in hung:
            received_ns, last_ns = sent.get(copy.signal_id, (copy.received_ns, 0))
            sent[copy.signal_id] = (received_ns, max(last_ns, copy.sent_ns))
    newest = sorted(sent.values(), reverse=True)[:signals]
    return [(last_ns - received_ns) / 1e6 for received_ns, last_ns in newest]
