"""One login's venue is down, slow, lies or spams: what that costs the copies at the three other venues.

The leader and twenty followers, five at each of the four venues. Rounds with the fault take turns with rounds without
it, so that both see the same machine; timed is every copy that is not the faulty login's, from the leader's fill read
to its order's bytes at the socket. The promise: nobody else's p99 changes by more than a quarter.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvloop

from engine.collector import settle
from engine.latency import percentile
from schema.clock import SYSTEM_CLOCK
from tests.bench.figures import Measured
from tests.practice import PracticeDesk, practice, until

LOGINS = {"tradovate": "desk1", "projectx": "desk2", "fix": "desk3", "ninjatrader": "desk4"}
_SPAM_PER_S = 5_000
_GARBLED_PER_S = 200
_ROUNDS = 12
_TRADES = 30
_EVERY_S = 0.05
_LONG_S = 600.0
_LIMIT = 10_000_000
Start = Callable[[PracticeDesk, str], Awaitable[object]]


async def _down(desk: PracticeDesk, login: str) -> None:
    await desk.control("disconnect", login=login, refuse_s=_LONG_S)


async def _slow(desk: PracticeDesk, login: str) -> None:
    await desk.control("latency", login=login, p50_ms=400.0, p95_ms=800.0, max_ms=1_500.0)


async def _lying(desk: PracticeDesk, login: str) -> None:
    """Everything of the session again, all that is new twice and shuffled, and messages that nobody can read."""
    await desk.control("events", login=login, duplicate=1.0, reorder=True)
    await desk.control("babble", login=login, per_s=_GARBLED_PER_S, seconds=_LONG_S, garbled=True)
    await desk.control("replay", login=login)


async def _spamming(desk: PracticeDesk, login: str) -> None:
    await desk.control("babble", login=login, per_s=_SPAM_PER_S, seconds=_LONG_S)


FAULTS: dict[str, Start] = {"down": _down, "slow": _slow, "lying": _lying, "spamming": _spamming}


def measure(rounds: int = _ROUNDS, trades: int = _TRADES) -> Iterator[Measured]:
    """Every venue with every fault: the copies beside it, with those of the same run without it as their floor. Each
    has a desk of its own, so that none has the whole session of those before it to tell again."""
    for venue in LOGINS:
        for fault in FAULTS:
            with (
                tempfile.TemporaryDirectory(prefix="copydesk-bench-") as name,
                asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
            ):
                yield runner.run(_measure(Path(name) / "state", venue, fault, rounds, trades))


async def _measure(state_dir: Path, venue: str, fault: str, rounds: int, trades: int) -> Measured:
    async with four_venues(state_dir) as desk:
        settle()
        await _round(desk, trades, "")  # warm-up
        without, beside = await take_turns(desk, venue, fault, rounds, trades)
        ratio = percentile(sorted(beside), 99) / percentile(sorted(without), 99)
        return Measured(f"copies beside {venue} {fault} (p99 x{ratio:.2f})", "ms", beside, without)


@asynccontextmanager
async def four_venues(state_dir: Path) -> AsyncIterator[PracticeDesk]:
    """A practice desk with a login of five followers at each venue."""
    options = [option for venue in LOGINS for option in ("--venue", venue)]
    options += ["--limit", f"projectx.requests={_LIMIT}"]
    async with practice(state_dir, *options, requests_per_min=_LIMIT // 2) as desk:
        yield desk


async def take_turns(
    desk: PracticeDesk, venue: str, fault: str, rounds: int, trades: int
) -> tuple[list[float], list[float]]:
    """Milliseconds of each copy at the other venues: in so many rounds without the fault, and in as many with it."""
    login = LOGINS[venue]
    without: list[float] = []
    beside: list[float] = []
    for _ in range(rounds):
        without += await _round(desk, trades, login)
        await FAULTS[fault](desk, login)
        beside += await _round(desk, trades, login)
        await desk.control("clear")
        await _well_again(desk, login)
    return without, beside


async def _round(desk: PracticeDesk, trades: int, besides: str) -> list[float]:
    """The leader goes in and out; the milliseconds of each copy that is not at the login `besides`."""
    before_ns = SYSTEM_CLOCK.now_ns()
    await desk.in_and_out(trades, _EVERY_S)
    await desk.desk.journal.flush()
    others = set(desk.core.followers) - set(desk.core.accounts_of(besides))
    return [
        (copy.sent_ns - copy.received_ns) / 1e6
        for signal, copy in await desk.store.recent_copies(trades * len(desk.core.followers) * 2)
        if signal.kind != "correction" and copy.received_ns > before_ns and copy.sent_ns and copy.follower in others
    ]


async def _well_again(desk: PracticeDesk, login: str) -> None:
    """Wait until the login is up and its followers are where they belong, whatever they missed."""
    await until(lambda: desk.desk.adapters[login].health().state == "up", 30)
    await until(desk.quiet, 3, must=False)
    for account in await desk.off_target():
        await desk.desk.resync(account)
    await until(desk.quiet, 15)
