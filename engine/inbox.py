"""The desk's inbox: what venues, commands and timers put in, taken out by the one worker, in order.

With one exception, for speed: a leader's fill goes before news that cannot change what is planned for it (an order's
new state, a position as the venue counts it, the time). It never passes anything else, above all no other fill, no
reading of a venue and no loss of a connection.
"""

import asyncio
from collections import deque

from brokers import adapter as venue
from engine import events as ev

_MAY_WAIT = (venue.OrderUpdated, venue.OrderSent, venue.OrderAccepted, venue.PositionUpdated, ev.Tick)


class Inbox:
    """A queue for one reader. Not for use from other threads."""

    def __init__(self) -> None:
        self._waiting: deque[ev.AnyInput] = deque()
        self._unhandled = 0
        self._reader: asyncio.Future[None] | None = None
        self._at_rest = asyncio.Event()
        self._at_rest.set()

    def empty(self) -> bool:
        """Nothing waits; what was taken out last may still be being handled."""
        return not self._waiting

    def put_nowait(self, event: ev.AnyInput, *, urgent: bool = False) -> None:
        """`urgent`: before what may wait."""
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
        return self._waiting.popleft()

    def handled(self) -> None:
        self._unhandled -= 1
        if not self._unhandled:
            self._at_rest.set()

    async def join(self) -> None:
        """Until everything that was put in has been handled."""
        await self._at_rest.wait()
