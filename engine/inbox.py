"""The desk's inbox: what venues, commands and timers put in, taken out by the one worker, in order.

With two exceptions, for speed. A leader's fill goes before news that cannot change what is planned for it (an order's
new state, a position as the venue counts it, the time). It never passes anything else, above all no other fill, no
reading of a venue and no loss of a connection. And of an account's money only the newest is handled, in the place of
the one that waits: a venue that tells of it thousands of times a second makes nothing else wait.
"""

import asyncio
from collections import deque

from brokers import adapter as venue
from engine import events as ev

_MAY_WAIT = (venue.OrderUpdated, venue.OrderSent, venue.OrderAccepted, venue.PositionUpdated, ev.Tick)


class _Newest:
    """An account's money that waits: a newer one takes its place."""

    __slots__ = ("event",)

    def __init__(self, event: venue.AccountUpdated) -> None:
        self.event = event


class Inbox:
    """A queue for one reader. Not for use from other threads."""

    def __init__(self) -> None:
        self._waiting: deque[ev.AnyInput | _Newest] = deque()
        self._states: dict[tuple[str, str], _Newest] = {}  # the accounts' that wait and may still become newer
        self._unhandled = 0
        self._reader: asyncio.Future[None] | None = None
        self._at_rest = asyncio.Event()
        self._at_rest.set()

    def empty(self) -> bool:
        """Nothing waits; what was taken out last may still be being handled."""
        return not self._waiting

    def put_nowait(self, event: ev.AnyInput, *, urgent: bool = False) -> None:
        """`urgent`: before what may wait."""
        if isinstance(event, venue.AccountUpdated):
            key = (event.connection, event.state.account)
            if (waiting := self._states.get(key)) is not None:
                waiting.event = event
                return
            self._states[key] = newest = _Newest(event)
            self._put(newest, urgent=False)
            return
        if isinstance(event, venue.StreamUp):  # what comes after a reading must not be handled before it
            self._states = {key: each for key, each in self._states.items() if key[0] != event.connection}
        self._put(event, urgent=urgent)

    def _put(self, event: "ev.AnyInput | _Newest", *, urgent: bool) -> None:
        place = len(self._waiting)
        while urgent and place and isinstance(self._waiting[place - 1], _MAY_WAIT):
            place -= 1
        self._waiting.insert(place, event)
        self._unhandled += 1
        self._at_rest.clear()
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    async def get(self) -> ev.AnyInput:
        """The next event, waiting for one; say `handled` when it was."""
        while not self._waiting:
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        event = self._waiting.popleft()
        if not isinstance(event, _Newest):
            return event
        key = (event.event.connection, event.event.state.account)
        if self._states.get(key) is event:
            del self._states[key]
        return event.event

    def handled(self) -> None:
        self._unhandled -= 1
        if not self._unhandled:
            self._at_rest.set()

    async def join(self) -> None:
        """Until everything that was put in has been handled."""
        await self._at_rest.wait()
