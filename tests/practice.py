"""A practice desk for tests: a real sandbox process, a real database, a desk on the test's own loop.

Reads as a script: `await desk.leader(+2)`, `await desk.settled()`, `desk.faults("silence", ...)`. What is asserted is
what the venue's own books say and what the journal holds.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

from engine.desk import Desk
from engine.recorder import Recorder
from engine.recovery import target_of
from engine.replay import Replayed, replay
from engine.rules import symbol_for
from engine.seat import StatusRow, Topic
from engine.session import sessions
from engine.thread import SWITCH_INTERVAL_S
from schema.clock import SYSTEM_CLOCK, Clock
from schema.records import Copy
from schema.settings import Settings
from schema.store import Store
from schema.vault import Vault
from tui.demo import CHART, GROUP, Sandbox, set_up
from tui.demo_report import Books, account_for, books_of

LEADER = "DEMO1000"
SYMBOL = CHART


class PracticeDesk:
    """One desk against one sandbox."""

    def __init__(self, settings: Settings, sandbox: Sandbox, store: Store, desk: Desk) -> None:
        self.settings = settings
        self.sandbox = sandbox
        self.store = store
        self.desk = desk

    @property
    def core(self) -> Any:
        return self.desk.core

    async def control(self, order: str, **arguments: Any) -> dict[str, Any]:
        return await asyncio.to_thread(self.sandbox.control.order, order, **arguments)

    async def leader(self, signed_qty: int, symbol: str = SYMBOL, *, seen: bool = True) -> None:
        """The leader trades at market from another front end; returns when the desk has seen it or 1 s passed
        (`seen`), or at once."""
        before = self.core.tally.signals
        await self.control(
            "trade", account=LEADER, symbol=symbol, side="buy" if signed_qty > 0 else "sell", qty=abs(signed_qty)
        )
        if seen:
            await until(lambda: self.core.tally.signals > before, 1.0, must=False)

    async def in_and_out(self, trades: int, every_s: float) -> None:
        """The leader buys and sells one in turn, so many times."""
        for number in range(trades):
            await self.leader(-1 if number % 2 else 1)
            await asyncio.sleep(every_s)  # the pace is part of the load

    def now_s(self) -> float:
        return time.monotonic()

    async def books(self) -> Books:
        """What the venue's own books say."""
        return books_of(await self.control("state"))

    def status(self) -> StatusRow:
        self.desk.views.publish(SYSTEM_CLOCK.now_ns())
        row = self.desk.view(Topic.STATUS).rows[0]
        assert isinstance(row, StatusRow)
        return row

    def quiet(self) -> bool:
        """Nothing on the way, nothing unknown, nobody behind."""
        behind = any(state.behind for state in self.core.states.values())
        return not self.core.inflight.all() and not behind and self.desk.idle

    async def settled(self, within_s: float) -> None:
        """Wait until the desk has come to rest."""
        await until(self.quiet, within_s)

    def targets(self) -> dict[str, int | None]:
        """What each follower should hold of its own contract (None: it missed the trade)."""
        return {name: target_of(self.core, follower, SYMBOL) for name, follower in self.core.followers.items()}

    async def off_target(self) -> dict[str, tuple[int | None, int]]:
        """Followers that by the venue's books do not stand at their target: (target, held)."""
        books = await self.books()
        wrong: dict[str, tuple[int | None, int]] = {}
        for name, target in self.targets().items():
            held = books.net(name, symbol_for(self.core.followers[name], SYMBOL))
            if target is not None and held != target:
                wrong[name] = (target, held)
        return wrong

    async def promise_holds(self, within_s: float = 3.0) -> None:
        """0 duplicates, 0 unaccounted, and every follower at its target within `within_s` seconds from now."""
        ends = time.monotonic() + within_s
        await self.settled(within_s)
        while wrong := await self.off_target():
            assert time.monotonic() < ends, f"not at target (target, held): {wrong}"
            await asyncio.sleep(0.05)  # the venue's books are polled: they belong to another process
        await self.desk.journal.flush()
        found = await account_for(self.store, await self.books(), GROUP)
        assert found.unaccounted == 0
        assert found.duplicates == 0

    async def decisions(self) -> list[Copy]:
        await self.desk.journal.flush()
        return [copy for _, copy in await self.store.recent_copies(100_000)]


def sockets_at(path: Path) -> int:
    """How many the kernel holds at a Unix socket's address: who listens, and each that was accepted there."""
    return sum(line.endswith(f" {path}") for line in Path("/proc/net/unix").read_text().splitlines())


async def until(true: Callable[[], bool], within_s: float, *, must: bool = True) -> None:
    """Wait for a condition; fails after `within_s` seconds unless `must` is False."""
    ends = time.monotonic() + within_s
    while not true():
        if time.monotonic() > ends:
            assert not must, f"still not true after {within_s} s: {true}"
            return
        await asyncio.sleep(0.005)


def wait_for(true: Callable[[], bool], within_s: float) -> None:
    """As `until`, for a test without a loop."""
    ends = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < ends, f"still not true after {within_s} s: {true}"
        time.sleep(0.02)


def all_replayed(state_dir: Path) -> list[Replayed]:
    """Every session recorded in a state directory, replayed: T-REPLAY holds for each, killed or closed."""
    found = [replay(path) for path in sessions(state_dir)]
    for replayed in found:
        assert replayed.same, replayed.differences[0]
    return found


def practice_settings(state_dir: Path, **settings: Any) -> Settings:
    """Settings of a practice desk."""
    chosen: dict[str, Any] = {
        "desk": "practice",
        "chart_symbol": SYMBOL,
        "requests_per_min": 600,
        "reconnect_cap_s": 1.0,
    }
    return Settings(state_dir=state_dir, **{**chosen, **settings})


@asynccontextmanager
async def desk_alone(settings: Settings, store: Store) -> AsyncIterator[Desk]:
    """A desk without logins, where no venue is needed."""
    desk = Desk(settings, store, Vault.open(settings), SYSTEM_CLOCK, Random(1), user="ann")
    await desk.open()
    try:
        yield desk
    finally:
        await desk.close()


@asynccontextmanager
async def practice(
    state_dir: Path,
    *options: str,
    requests_per_min: int = 5_000,
    clock: Clock = SYSTEM_CLOCK,
    user: str = "",
    keep_market: bool = False,
    **settings: Any,
) -> AsyncIterator[PracticeDesk]:
    """A desk of one leader and 20 followers with mixed rules, connected and at rest; the market is synthetic, and
    trades only when told to. `clock` is the desk's, `user` whose lists it shows; it may
    keep market data (`keep_market`). Afterwards T-REPLAY holds: what was
    recorded of the desk replays to the same decisions."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)  # as beside the engine's own thread: a venue's library has threads too
    chosen = practice_settings(state_dir, **settings)
    state_dir.mkdir(parents=True, exist_ok=True)
    sandbox = Sandbox(state_dir, "--seed", "7", "--requests-per-min", str(2 * requests_per_min), *options)
    try:
        await set_up(chosen, sandbox.ready, requests_per_min=requests_per_min)
        store = await Store.open(chosen, SYSTEM_CLOCK)
        recorder = Recorder.open(chosen, clock, store.session_id)
        desk = Desk(
            chosen,
            store,
            Vault.open(chosen),
            clock,
            Random(1),
            recorder,
            user=user,
            open_market=store.market if keep_market else None,
        )
        try:
            await desk.open()
            yield PracticeDesk(chosen, sandbox, store, desk)
        finally:
            await desk.close()
            await store.close()
        assert all_replayed(state_dir)[-1].closed
    finally:
        sandbox.stop()
