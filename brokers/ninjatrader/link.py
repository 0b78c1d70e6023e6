"""The standing connection of one login: open, be told everything, follow, and after every loss do it again until
cancelled. `adapter.py` owns one and hears of it through `Hearer`.
"""

import asyncio
import random as random_module
from typing import Protocol

import stamina
import structlog

from brokers.adapter import VenueUnreachable
from brokers.ninjatrader.stream import INTERFACE_WITHIN_S, LinkLost, Stream
from brokers.ninjatrader.values import Fact, Told
from brokers.text import clean
from schema.clock import Clock
from schema.records import NinjaLogin

log = structlog.get_logger()

STEADY_S = 5.0
"""A connection that held so long is a new beginning: the next wait is short again."""


class Hearer(Protocol):
    """Who hears of the link."""

    def on_fact(self, fact: Fact) -> None:
        """A value came; `told` of the link has taken it in."""
        ...

    def on_unread(self, raw: str, error: str) -> None: ...

    def on_up(self) -> None:
        """Everything was told."""
        ...

    def on_down(self, reason: str, *, was_up: bool) -> None: ...


class Link:
    """See the module's docstring. `told` is what the standing connection was told, anew with each."""

    def __init__(
        self, login: NinjaLogin, clock: Clock, random: random_module.Random, cap_s: float, hearer: Hearer
    ) -> None:
        self.told = Told()
        self.state = "down"
        self.reason = ""
        self.reconnects = 0
        self.last_message_ns = -1
        self._login = login
        self._clock = clock
        self._random = random
        self._cap_s = cap_s
        self._hearer = hearer
        self._stream: Stream | None = None
        self._failures = 0
        self._was_ever_up = False

    async def run(self) -> None:
        """Keep the connection until cancelled. Raises VenueUnreachable when it never came up."""
        try:
            async for attempt in stamina.retry_context(on=self._again, attempts=None, timeout=None):
                with attempt:
                    await self._live_once()
        except LinkLost as lost:
            raise VenueUnreachable(str(lost)) from None

    def _again(self, error: Exception) -> bool | float:
        if not isinstance(error, LinkLost) or not self._was_ever_up:
            return False
        wait_s = min(0.25 * 2.0**self._failures, self._cap_s)
        self._failures = min(self._failures + 1, 16)
        return wait_s * (1.0 + 0.1 * self._random.random())

    async def _live_once(self) -> None:
        """One connection from its opening to its loss, which is raised."""
        self.state, self.told = "connecting", Told()
        up_s, was_up = 0.0, False
        stream: Stream | None = None
        try:
            stream = await Stream.open(self._login, self._hearer.on_unread)
            self.state = "syncing"
            await stream.told_all(self._take, INTERFACE_WITHIN_S)
            self._stream = stream
            self.state, self.reason = "up", ""
            up_s, was_up, self._was_ever_up = asyncio.get_running_loop().time(), True, True
            self._hearer.on_up()
            while True:
                for fact in await stream.facts():
                    self._take(fact)
        except LinkLost as lost:
            error = lost
        except Exception:
            # A fault of ours must not leave the login dead: log it with its trace, then begin anew.
            log.exception("ninjatrader link failed")
            error = LinkLost("the desk could not process what it was told; it connects again")
        finally:
            self._stream, self.state = None, "down"
            if stream is not None:
                stream.abort()
        self.reason = clean(str(error))
        if was_up:
            self.reconnects += 1
            if asyncio.get_running_loop().time() - up_s >= STEADY_S:
                self._failures = 0
        self._hearer.on_down(self.reason, was_up=was_up)
        raise error

    def _take(self, fact: Fact) -> None:
        self.last_message_ns = self._clock.now_ns()
        self.told.take(fact)
        self._hearer.on_fact(fact)

    def refusal(self) -> str:
        """Why nothing can be written now; empty when it can."""
        if self._stream is None:
            return f"no connection to NinjaTrader: {self.reason or 'not connected'}"
        return self._stream.refusal()

    def write(self, data: bytes) -> None:
        """Hand bytes to the socket; `refusal` was asked before."""
        assert self._stream is not None
        self._stream.write(data)
