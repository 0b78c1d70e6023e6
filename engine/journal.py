"""The journal: a signal and its copies are one commit before any order leaves; everything else is written behind.

While Postgres is away `commit` waits and nothing is sent; the desk says so through `down_reason` and goes on by
itself when the server is back. Rows written behind are kept in memory until then, the newest of each key.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import stamina
import structlog

from engine import events as ev
from schema.clock import Clock
from schema.records import AccountState, Copy, Fill, Lots, ManualOrder, Position, Signal, VenueOrder
from schema.store import AlertRecord, Batch, JournalDown, Store

_FLUSH_EVERY_S = 0.05
_PROBE_EVERY_S = 1.0
_COMMITS_KEPT = 500
_T = TypeVar("_T")
log = structlog.get_logger(__name__)


class Journal:
    """The desk's only writer of what happened. Runs on the engine's loop."""

    def __init__(self, store: Store, clock: Clock, revive: Callable[[], Awaitable[None]]) -> None:
        self.down_reason = ""
        self._store = store
        self._clock = clock
        self._revive = revive
        self._copies: dict[tuple[str, str], Copy] = {}
        self._fills: dict[tuple[str, str, str], Fill] = {}
        self._orders: dict[tuple[str, str], VenueOrder] = {}
        self._positions: dict[tuple[str, str], Position] = {}
        self._states: dict[str, AccountState] = {}
        self._lots: dict[tuple[str, str], Lots] = {}
        self._manual: dict[str, ManualOrder] = {}
        self._alerts: list[AlertRecord] = []
        self._writing = asyncio.Lock()
        self.commits_ms: deque[float] = deque(maxlen=_COMMITS_KEPT)  # of signals: what orders waited for
        self.flush_ms = -1.0  # the last write behind

    async def commit(self, signal: Signal, copies: Sequence[Copy]) -> bool:
        """Make the signal and its copies durable; False when the journal already held the signal. Waits for
        Postgres as long as it takes."""
        began_ns = self._clock.now_ns()
        fresh = await self._insist(lambda: self._store.commit_signal(signal, copies))
        self.commits_ms.append((self._clock.now_ns() - began_ns) / 1e6)
        return fresh

    async def commit_manual(self, orders: Sequence[ManualOrder]) -> frozenset[str]:
        """Make orders of the trader's durable; returns the tags of those the journal did not hold already. Waits for
        Postgres as `commit` does."""
        return await self._insist(lambda: self._store.commit_manual(orders))

    async def set_baseline(self, leader: str, at_ns: int) -> None:
        """Remember when a leader was first seen; waits for Postgres as `commit` does."""
        await self._insist(lambda: self._store.set_baseline(leader, at_ns))

    async def disarm(self, account: str, why: str) -> None:
        """Store that a follower is off; waits for Postgres as `commit` does. Raises StoreRefused."""
        await self._insist(lambda: self._store.set_enabled(account, False, why))

    async def _insist(self, write: Callable[[], Awaitable[_T]]) -> _T:
        with contextlib.suppress(JournalDown):
            # The retrying itself takes 0.1 ms, for which no order is to wait while all is well.
            return await self._try(write)
        async for attempt in stamina.retry_context(
            on=JournalDown, attempts=None, timeout=None, wait_initial=0.05, wait_max=0.5, wait_jitter=0
        ):
            with attempt:
                return await self._try(write)
        raise AssertionError("retry_context without limits ends only by returning")

    async def _try(self, write: Callable[[], Awaitable[_T]]) -> _T:
        try:
            result = await write()
        except JournalDown as down:
            await self._went_down(down)
            raise
        self.down_reason = ""
        return result

    async def _went_down(self, down: JournalDown) -> None:
        if not self.down_reason:
            log.warning("journal down", reason=str(down))
        self.down_reason = f"journal down, no order leaves: {down}"
        await self._revive()

    def keep(self, effect: ev.Keep) -> None:
        """Write these rows when there is time."""
        for copy in effect.copies:
            self._copies[copy.signal_id, copy.follower] = copy
        for fill in effect.fills:
            self._fills[fill.venue, fill.account, fill.fill_id] = fill
        for order in effect.orders:
            self._orders[order.account, order.order_id] = order
        for position in effect.positions:
            self._positions[position.account, position.symbol] = position
        for state in effect.states:
            self._states[state.account] = state
        for lots in effect.lots:
            self._lots[lots.account, lots.symbol] = lots

    def keep_manual(self, orders: Sequence[ManualOrder]) -> None:
        """Write what became of the trader's orders when there is time."""
        for order in orders:
            self._manual[order.cl_ord_id] = order

    def alert(self, level: str, text: str) -> None:
        """Write an alert when there is time."""
        self._alerts.append(AlertRecord(at_ns=self._clock.now_ns(), level=level, text=text))

    async def flush(self) -> None:
        """Write everything kept so far. Raises JournalDown, and then keeps it still."""
        async with self._writing:
            batch = Batch(
                copies=tuple(self._copies.values()),
                fills=tuple(self._fills.values()),
                orders=tuple(self._orders.values()),
                positions=tuple(self._positions.values()),
                states=tuple(self._states.values()),
                lots=tuple(self._lots.values()),
                manual=tuple(self._manual.values()),
                alerts=tuple(self._alerts),
            )
            taken = (self._copies, self._fills, self._orders, self._positions, self._states, self._lots, self._manual)
            self._copies, self._fills, self._orders, self._positions, self._states = {}, {}, {}, {}, {}
            self._lots, self._manual, self._alerts = {}, {}, []
            began_ns = self._clock.now_ns()
            try:
                await self._store.record(batch)
            except BaseException:
                copies, fills, orders, positions, states, lots, manual = taken
                self._copies = {**copies, **self._copies}
                self._fills = {**fills, **self._fills}
                self._orders = {**orders, **self._orders}
                self._positions = {**positions, **self._positions}
                self._states = {**states, **self._states}
                self._lots = {**lots, **self._lots}
                self._manual = {**manual, **self._manual}
                self._alerts = [*batch.alerts, *self._alerts]
                raise
            self.down_reason = ""
            self.flush_ms = (self._clock.now_ns() - began_ns) / 1e6

    @property
    def waiting_rows(self) -> int:
        """Rows that are still to be written behind."""
        rows = (self._copies, self._fills, self._orders, self._positions, self._states, self._lots, self._manual)
        return sum(map(len, rows)) + len(self._alerts)

    @property
    def _waiting(self) -> bool:
        return self.waiting_rows > 0

    async def run(self) -> None:
        """Write behind until cancelled; with nothing to write, look once a second whether Postgres is there."""
        idle_s = 0.0
        while True:
            await asyncio.sleep(_FLUSH_EVERY_S)
            idle_s = 0.0 if self._waiting else idle_s + _FLUSH_EVERY_S
            if not self._waiting and idle_s < _PROBE_EVERY_S:
                continue
            idle_s = 0.0
            try:
                await self.flush()
            except JournalDown as down:
                await self._went_down(down)
