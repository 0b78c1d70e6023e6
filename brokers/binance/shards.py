"""Streams dealt to connections: up to 1,024 on each, reopened when lost, renewed before the venue's 24 hours end.

A renewal overlaps: the new connection is subscribed before the old one goes, so that nothing is missed, and numbers
sort out what comes twice (`docs/binance.md` 8). `feed.py` owns the shards and is told of every coming and going.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from random import Random
from typing import Any, Protocol

import aiohttp
import stamina
import structlog

from brokers.binance import SOURCE
from brokers.binance.limits import Attempts, Limits
from brokers.binance.socket import OnMessage, OnUnreadable, StreamLost, StreamSocket, open_socket

_NOTHING = "nothing is subscribed to any more"
log = structlog.get_logger(__name__)


class Owner(Protocol):
    """What a shard tells."""

    def on_up(self, streams: Iterable[str]) -> None:
        """These are subscribed to, on a connection that follows on none: what came before it may be missing."""
        ...

    def on_down(self, streams: Iterable[str], reason: str) -> None:
        """Their connection is gone; the shard opens another."""
        ...


class Shard:
    """Holds `streams`, at most `limits.streams_per_connection`, from `run` until it is canceled."""

    def __init__(
        self,
        url: str,
        limits: Limits,
        random: Random,
        attempts: Attempts,
        owner: Owner,
        on_message: OnMessage,
        on_unreadable: OnUnreadable,
    ) -> None:
        self.state = "connecting"
        self.reason = ""
        self.reconnects = 0
        self.renewals = 0
        self.streams: set[str] = set()
        self._url = url
        self._limits = limits
        self._random = random
        self._attempts = attempts
        self._owner = owner
        self._on_message = on_message
        self._on_unreadable = on_unreadable
        self._changed = asyncio.Event()
        self._failures = 0
        self._was_up = False

    @property
    def room(self) -> int:
        return self._limits.streams_per_connection - len(self.streams)

    def add(self, streams: Iterable[str]) -> None:
        self.streams.update(streams)
        self._changed.set()

    def remove(self, streams: Iterable[str]) -> None:
        self.streams.difference_update(streams)
        self._changed.set()

    async def run(self, http: aiohttp.ClientSession) -> None:
        async for attempt in stamina.retry_context(on=self._again, attempts=None, timeout=None):
            with attempt:
                await self._live(http)

    def _again(self, error: BaseException) -> bool | float:
        """stamina's hook: how long to stay away, doubled with every failure in a row, and no two shards together."""
        if not isinstance(error, StreamLost):
            return False
        wait_s = min(self._limits.first_wait_s * 2.0 ** min(self._failures, 16), self._limits.longest_wait_s)
        self._failures += 1
        return wait_s * (0.5 + self._random.random())

    async def _live(self, http: aiohttp.ClientSession) -> None:
        """From the first connection until there is none left. Raises StreamLost."""
        while not self.streams:
            self._changed.clear()
            await self._changed.wait()
        self.state = "connecting"
        async with asyncio.TaskGroup() as group:
            current: StreamSocket | None = None
            try:
                current = await self._open(http, group, follows=False)
                self.state, self.reason = "up", ""
                self.reconnects += self._was_up
                self._was_up = True
                while True:
                    await self._until_due(current)
                    if current.lost.done():
                        raise StreamLost(current.lost.result())
                    current = await self._renew(http, group, current)
            except StreamLost as lost:
                if current is not None:
                    steady = asyncio.get_running_loop().time() - current.opened_at > self._limits.steady_s
                    self._failures = 0 if steady else self._failures
                self._owner.on_down(set(self.streams), str(lost))
                self.state, self.reason = "down", str(lost)
                log.warning("feed connection lost", source=SOURCE, reason=str(lost))
                failed = lost
            finally:
                if current is not None:
                    await current.close()
        raise failed

    async def _open(self, http: aiohttp.ClientSession, group: asyncio.TaskGroup, *, follows: bool) -> StreamSocket:
        """A connection with every stream on it. Raises StreamLost."""
        async with self._attempts.at_once:
            await self._attempts.take()
            if not self.streams:
                raise StreamLost(_NOTHING)
            socket = await open_socket(http, self._url, min(self.streams), self._limits)
        group.create_task(socket.serve(self._on_message, self._on_unreadable))
        try:
            if not follows:
                self._owner.on_up(set(socket.streams))
            await self._reconcile(socket, told=not follows)
        except BaseException:
            await socket.close()
            raise
        return socket

    async def _reconcile(self, socket: StreamSocket, *, told: bool = True) -> None:
        while socket.streams != self.streams:
            if extra := socket.streams - self.streams:
                await socket.unsubscribe(extra)
            if missing := self.streams - socket.streams:
                part = set(sorted(missing)[: self._limits.params_per_message])
                await socket.subscribe(part)
                if told:
                    self._owner.on_up(part)

    async def _until_due(self, socket: StreamSocket) -> None:
        """Until the connection is lost, will end, or is old; meanwhile it follows what is subscribed to."""
        loop = asyncio.get_running_loop()
        due_at = socket.opened_at + self._limits.renew_after_s
        while not socket.lost.done() and not socket.ending.is_set() and loop.time() < due_at:
            self._changed.clear()
            await self._reconcile(socket)
            if not self.streams:
                self._was_up = False
                raise StreamLost(_NOTHING)
            await _first(due_at - loop.time(), socket.lost, self._changed.wait, socket.ending.wait)

    async def _renew(self, http: aiohttp.ClientSession, group: asyncio.TaskGroup, old: StreamSocket) -> StreamSocket:
        """The connection after `old`, which goes once both have lived for a while. While none can be had `old` stays,
        until it is lost. Raises StreamLost."""
        wait_s = self._limits.first_wait_s
        while True:
            try:
                fresh = await self._open(http, group, follows=True)
                break
            except StreamLost as failed:
                log.warning("feed renewal failed", source=SOURCE, reason=str(failed))
                await _first(wait_s, old.lost)
                wait_s = min(wait_s * 2, self._limits.longest_wait_s)
                if old.lost.done():
                    raise StreamLost(old.lost.result()) from None
        if old.lost.done():
            # It went before the new one was there: what came between is missing.
            self._owner.on_down(set(self.streams), old.lost.result())
            self._owner.on_up(set(fresh.streams))
        else:
            self._owner.on_up(fresh.streams - old.streams)
            await _first(self._limits.overlap_s, fresh.lost)
        if fresh.lost.done() and not old.lost.done():
            await _first(wait_s, old.lost)
            return old  # due still: it is renewed again
        self.renewals += 1
        await old.close()
        return fresh


async def _first(
    within_s: float, future: "asyncio.Future[str]", *waits: Callable[[], Coroutine[Any, Any, Any]]
) -> None:
    """Until `future` is done, one of `waits` is over, or the time is."""
    tasks = [asyncio.create_task(wait()) for wait in waits]
    try:
        await asyncio.wait([future, *tasks], timeout=max(within_s, 0), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
