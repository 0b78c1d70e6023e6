"""One seat at the desk's door: its connection, what it follows, and what it is still owed.

Made by `engine/door.py` for each that comes in, on the door's thread. It is written nothing while the kernel takes no
more; what changes meanwhile it is owed, and gets the newest of once it reads.
"""

import asyncio
import socket
from collections import deque
from typing import Protocol, cast

import msgspec

from engine import seat_wire as wire
from engine.published import Published
from engine.seat_wire import SeatRole

MOST_ASKED = 64
"""Commands of one seat that may run at once, and answers that may wait for it to read."""
GRACE_S = 1.0  # for the last word to be read
_UNREAD_BYTES = 65_536  # in the kernel: enough for a frame, little enough that it is not old news
_LONGEST_FROM_SEAT = 2**20


class Host(Protocol):
    """The door, as a seat knows it."""

    def came(self, seat: "Seated") -> None: ...

    def said(self, seat: "Seated", message: wire.FromSeat) -> None: ...

    def left(self, seat: "Seated") -> None: ...


class Seated(asyncio.Protocol):
    """`role` is None until it has greeted; `has` the number that it has of each thing it follows (0: it has none
    yet); `asked` how many of its commands run."""

    def __init__(self, door: Host) -> None:
        self.role: SeatRole | None = None
        self.has: dict[Published, int] = {}
        self.asked = 0
        self._door = door
        self._frames = wire.Frames(_LONGEST_FROM_SEAT)
        self._transport: asyncio.Transport | None = None
        self._closing = False
        self._answers: deque[bytes] = deque()
        self._owed: dict[Published, None] = {}  # made when it can be written
        self._full_since: float | None = None  # the kernel takes no more
        self._unread = 0

    # --- the transport's side ------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own does not say that it is one
        self._transport.set_write_buffer_limits(high=0)  # told as soon as the kernel takes no more
        sock = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _UNREAD_BYTES)
        self._door.came(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = True
        self._door.left(self)

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        try:
            for body in self._frames.feed(data):
                self._door.said(self, wire.decode_from_seat(body))
                if self._closing:
                    return
        except (wire.BadFrame, msgspec.MsgspecError):  # whose text could show what was typed into a form
            self.leave("seats: what this seat says is not the seat protocol; use a copydesk of the desk's version.")

    def pause_writing(self) -> None:
        self._full_since = asyncio.get_running_loop().time()

    def resume_writing(self) -> None:
        self._full_since = None
        while self._answers and self._full_since is None:
            self._write(self._answers.popleft())
        while self._owed and self._full_since is None:
            what = next(iter(self._owed))
            del self._owed[what]
            self.tell(what)

    # --- the door's side -----------------------------------------------------------------------------------------

    def answer(self, message: wire.FromDesk) -> None:
        """It has to read answers: each is written, in order."""
        if self._full_since is None:
            self._write(wire.frame(message))
        elif len(self._answers) < MOST_ASKED:
            self._answers.append(wire.frame(message))
        else:
            self.leave("seats: this seat asks and does not read the answers.")

    def tell(self, what: Published) -> None:
        """Bring it up to date in what it follows; later, if it does not read now."""
        number = self.has.get(what)
        if number is None or number == what.number:
            return
        if self._full_since is not None:
            self._owed[what] = None
            return
        self.has[what] = what.number
        self._write(what.frame_after(number))

    def unread_for_s(self, now: float) -> float:
        """How long the kernel has taken none of what waits for it. `now` is the loop's time."""
        if self._full_since is None or self._transport is None or self._closing:
            return 0.0
        unread = self._transport.get_write_buffer_size()
        if unread != self._unread:
            self._unread, self._full_since = unread, now
        return now - self._full_since

    def leave(self, reason: str) -> None:
        """Say the last word and close, whether it is read or not."""
        if self._closing or self._transport is None:
            return
        self._closing = True
        transport = self._transport
        transport.write(wire.frame(wire.Bye(reason)))
        transport.close()
        # The bytes before it may never be taken, and a close waits for them.
        asyncio.get_running_loop().call_later(GRACE_S, transport.abort)

    def _write(self, frame: bytes) -> None:
        if not self._closing and self._transport is not None:
            self._transport.write(frame)
