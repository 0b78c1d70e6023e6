"""The shell of a resync: read the venues, say what would go, and on the trader's word send it, exits before entries.

`engine/resync.py` decides, `engine/desk.py` owns the one instance. A venue that can't be read now leaves its followers
out: nothing is corrected from what was true some time ago.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from brokers.adapter import BrokerAdapter, VenueError
from engine import events as ev
from engine import resync
from engine.core import Core
from engine.market.market import Market
from engine.seat import ResyncLine, ResyncPlan
from schema.clock import Clock

_READ_S = 3.0
_POLL_S = 0.02


class Resyncs:
    """`handle` gives the core an input and performs what it asks for."""

    def __init__(
        self,
        core: Core,
        adapters: dict[str, BrokerAdapter],
        market: Market,
        clock: Clock,
        handle: Callable[[ev.AnyInput], Awaitable[None]],
    ) -> None:
        self._core = core
        self._adapters = adapters
        self._market = market
        self._clock = clock
        self._handle = handle

    async def resync(self, target: str, followers: tuple[str, ...], shown: ResyncPlan | None) -> ResyncPlan:
        """See `Seat.resync`; `followers` are the ones that `target` names."""
        started_ns = self._clock.now_ns()
        unread = await self._read(followers)
        readable = [account for account in followers if account not in unread]
        lines = resync.lines(self._core, readable, self._market.mark)
        if shown is not None:
            lines = resync.confirmed(lines, shown)
            await self._send(lines)
        return ResyncPlan(
            target=target,
            accounts=len(followers),
            lines=lines,
            unread=tuple(sorted(unread.items())),
            sent=shown is not None,
            seconds=(self._clock.now_ns() - started_ns) / 1e9,
        )

    async def _read(self, followers: Iterable[str]) -> dict[str, str]:
        """Ask every venue concerned at once; returns the followers that can't be corrected now, and why."""
        core = self._core
        leaders = {follower: core.groups[core.followers[follower].group].leader for follower in followers}
        connections = sorted({core.connection_of(account) for pair in leaders.items() for account in pair})
        answers = await asyncio.gather(*(self._ask(connection) for connection in connections))
        unread: dict[str, str] = {}
        for connection, (complete, why) in zip(connections, answers, strict=True):
            for account in core.accounts_of(connection):
                if account not in complete:
                    unread[account] = why or "the venue's answer leaves it out"
        reasons = {follower: unread.get(follower, "") for follower in leaders}
        for follower, leader in leaders.items():
            if leader in unread and not reasons[follower]:
                reasons[follower] = f"its leader {leader}: {unread[leader]}"
        return {follower: why for follower, why in reasons.items() if why}

    async def _ask(self, connection: str) -> tuple[frozenset[str], str]:
        """The accounts that were read, and why the others were not."""
        adapter = self._adapters.get(connection)
        if adapter is None or not self._core.up.get(connection):
            return frozenset(), f"{connection} is down: {self._core.down_reason.get(connection) or 'not connected yet'}"
        asked_seq = self._core.seq
        try:
            async with asyncio.timeout(_READ_S):
                snapshot = await adapter.snapshot()
        except VenueError as error:
            return frozenset(), str(error)
        except TimeoutError:
            return frozenset(), f"{connection} did not answer within {_READ_S:g} s"
        now_ns = self._clock.now_ns()
        await self._handle(ev.SnapshotRead(at_ns=now_ns, connection=connection, snapshot=snapshot, asked_seq=asked_seq))
        return snapshot.complete, ""

    async def _send(self, lines: Iterable[ResyncLine]) -> None:
        going = [line for line in lines if line.delta]
        for entries in (False, True):
            places = resync.places(going, entries=entries)
            if not places:
                continue
            await self._handle(ev.Resync(at_ns=self._clock.now_ns(), places=places, entries=entries))
            await self._settled(going)

    async def _settled(self, lines: list[ResyncLine]) -> None:
        """Wait until every order of these lines has come to an end, or is being asked about."""
        ends_ns = self._clock.now_ns() + int((self._core.limits.deadline_s + 1) * 1e9)
        while self._clock.now_ns() < ends_ns and any(  # noqa: ASYNC110 - the core has no events to wait for
            self._core.inflight.at(line.account, line.symbol) for line in lines
        ):
            await asyncio.sleep(_POLL_S)
