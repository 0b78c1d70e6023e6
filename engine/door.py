"""The desk's door: a Unix socket at which seats in other processes sit down (`engine/seat_wire.py` is what is said).

`engine/thread.py` opens one in the state directory. Everything happens on the door's own thread and uvloop loop: views
are read as any screen reads them, encoded once whatever the number of seats, and nothing that a seat does or leaves
undone is waited for. A seat that does not read is conflated (`engine/seated.py`); one whose unread bytes do not move
for `patience_s` is dropped with a word.
"""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import structlog
import uvloop

from engine import seat_wire as wire
from engine.published import PublishedMarket, PublishedTopic
from engine.seat import Seat, Topic
from engine.seat_commands import SeatCommands
from engine.seat_socket import WAITING, listening, room_for_seats, socket_of
from engine.seated import GRACE_S, Seated
from engine.tap import MOST_WANTED, Key, MarketTap, Taken
from schema.records import Record

PATIENCE_S = 10.0
_EVERY_S = 0.05
_LOOK_EVERY_S = 0.25
_HELPING_S = 0.001
log = structlog.get_logger(__name__)


class Counts(Record, frozen=True):
    """What the door holds now. `subscriptions` are the topics followed and the symbols listened to, of all seats;
    `wanted` what of the market is listened to at all; `asked` commands that run; `tasks` those of its loop."""

    seats: int
    subscriptions: int
    wanted: int
    asked: int
    dropped: int
    tasks: int


class Door:
    """See the module's docstring. `desk` must be a seat for any thread (`ThreadSeat`). `alert` is called on the door's
    thread. Not reusable."""

    def __init__(
        self,
        state_dir: Path,
        name: str,
        desk: Seat,
        tap: MarketTap,
        *,
        alert: Callable[[str, str], None] | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.path = socket_of(state_dir)
        self._name = name
        self._desk = desk
        self._tap = tap
        self._alert = alert
        self._patience_s = patience_s
        self._most_seats = 0
        self._seats: dict[Seated, None] = {}
        self._topics: dict[Topic, PublishedTopic] = {}
        self._markets: dict[Key, PublishedMarket] = {}
        self._wants = 0  # how often listening to something began
        self._due: dict[PublishedTopic | PublishedMarket, None] = {}  # newer than what its seats were told
        self._something_due = asyncio.Event()
        self._empty = asyncio.Event()
        self._dropped = 0
        self._commands: SeatCommands | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._main, name="door", daemon=True)
        self._socket: socket.socket | None = None

    # --- from any thread -----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Listen. Raises DoorRefused."""
        self._most_seats = room_for_seats()
        self._socket = listening(self.path)
        self._thread.start()
        self._up.wait()

    def stop(self) -> None:
        """Say goodbye to every seat, and wait for the thread's end."""
        if self._loop is not None and self._stop is not None:
            with suppress(RuntimeError):  # it has ended by itself
                self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def counts(self) -> Counts:
        return Counts(
            seats=len(self._seats),
            subscriptions=sum(len(seat.has) for seat in tuple(self._seats)),
            wanted=len(self._markets),
            asked=len(self._commands) if self._commands is not None else 0,
            dropped=self._dropped,
            tasks=len(asyncio.all_tasks(self._loop)) if self._loop is not None else 0,
        )

    # --- the thread ----------------------------------------------------------------------------------------------

    def _main(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._run())
        except Exception as failure:  # a thread has nobody above it; the desk hears of it and goes on
            log.exception("door ended")
            if self._alert is not None:
                self._alert(
                    "alarm", f"nobody can sit down at this desk any more ({type(failure).__name__}); restart it"
                )
        finally:
            self._tap.hand, self._tap.wanted = None, {}
            if self._socket is not None:
                self._socket.close()
            self.path.unlink(missing_ok=True)
            self._up.set()

    async def _run(self) -> None:
        loop = self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._tap.hand = self._handed
        async with asyncio.TaskGroup() as group:
            commands = self._commands = SeatCommands(self._desk, group)
            server = await loop.create_unix_server(lambda: Seated(self), sock=self._socket, backlog=WAITING)
            try:
                self._up.set()
                running = [group.create_task(work) for work in (self._publish(), self._tell(), self._look())]
                await self._stop.wait()
                for task in running:
                    task.cancel()
                commands.cancel()
            finally:
                server.close()
            for seat in tuple(self._seats):
                seat.leave("The desk was closed.")
            with suppress(TimeoutError):
                async with asyncio.timeout(2 * GRACE_S):
                    while self._seats:
                        self._empty.clear()
                        await self._empty.wait()

    async def _publish(self) -> None:
        """Take the newest view of every topic that somebody follows. What still has to be told is not made newer: each
        seat would need the whole of it."""
        while True:
            await asyncio.sleep(_EVERY_S)
            for topic, published in self._topics.items():
                if published.seats and published not in self._due and published.advance(self._desk.view(topic)):
                    self._owe(published)

    def _owe(self, what: PublishedTopic | PublishedMarket) -> None:
        self._due[what] = None
        self._something_due.set()

    async def _tell(self) -> None:
        """Hand out what is due in helpings, between which seats are heard."""
        loop = asyncio.get_running_loop()
        while True:
            await self._something_due.wait()
            self._something_due.clear()
            ends_at = loop.time() + _HELPING_S
            while self._due:
                what = next(iter(self._due))
                del self._due[what]
                for seat in tuple(what.seats):
                    seat.tell(what)
                    if loop.time() >= ends_at:
                        await asyncio.sleep(0)
                        ends_at = loop.time() + _HELPING_S

    async def _look(self) -> None:
        """Drop seats that have not read for too long."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            now = asyncio.get_running_loop().time()
            for seat in tuple(self._seats):
                if seat.unread_for_s(now) > self._patience_s:
                    self._dropped += 1
                    log.info("seat dropped", role=seat.role)
                    seat.leave(f"seats: this seat read nothing for {self._patience_s:g} s and was dropped.")

    # --- the market, from the engine's loop ------------------------------------------------------------------------

    def _handed(self, at_ns: int, taken: Taken) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # the door has closed meanwhile
                self._loop.call_soon_threadsafe(self._take, at_ns, taken)

    def _take(self, at_ns: int, taken: Taken) -> None:
        for key, shown in taken:
            market = self._markets.get(key)
            if market is not None:
                market.advance(at_ns, shown)
                self._owe(market)

    # --- seats -----------------------------------------------------------------------------------------------------

    def came(self, seat: Seated) -> None:
        self._seats[seat] = None
        if len(self._seats) > self._most_seats:
            seat.leave(f"seats: {self._most_seats} sit here already, which is as many as this process may serve.")

    def left(self, seat: Seated) -> None:
        self._seats.pop(seat, None)
        self._unlisten(seat, [key for key, market in self._markets.items() if market in seat.has])
        for what in seat.has:
            what.seats.pop(seat, None)
        seat.has.clear()
        self._empty.set()

    def said(self, seat: Seated, message: wire.FromSeat) -> None:
        if isinstance(message, wire.Hello):
            self._greet(seat, message)
        elif seat.role is None:
            seat.leave("seats: a seat begins with its greeting.")
        elif isinstance(message, wire.Follow):
            for topic in message.topics:
                self._follow(seat, topic)
        elif isinstance(message, wire.Listen):
            for symbol in message.symbols:
                self._listen(seat, (message.kind, symbol.upper()))
        elif isinstance(message, wire.Unlisten):
            self._unlisten(seat, [(message.kind, symbol.upper()) for symbol in message.symbols])
        else:
            assert self._commands is not None  # there before the first seat
            self._commands.ask(seat, message)

    def _greet(self, seat: Seated, hello: wire.Hello) -> None:
        if hello.version != wire.VERSION:
            seat.leave(
                f"seats: this desk speaks version {wire.VERSION} of the seat protocol and this seat {hello.version}; "
                "use a copydesk of the desk's version."
            )
            return
        if hello.shape not in ("", wire.shape()):
            seat.leave("seats: this seat is of another copydesk than the desk; restart the desk with the newer one.")
            return
        seat.role = hello.role
        seat.answer(wire.Welcome(self._name))

    def _follow(self, seat: Seated, topic: Topic) -> None:
        view = self._desk.view(topic)
        published = self._topics.get(topic)
        if published is None:
            published = self._topics[topic] = PublishedTopic(view)
        elif published not in self._due and published.advance(view):
            self._owe(published)
        self._tell_from_now_on(seat, published)

    def _listen(self, seat: Seated, key: Key) -> None:
        market = self._markets.get(key)
        if market is None:
            if len(self._markets) >= MOST_WANTED:
                said = f"seats: {MOST_WANTED} symbols are listened to already, which is as many as the desk tells of."
                seat.answer(wire.NotTold(*key, said))
                return
            market = self._markets[key] = PublishedMarket(*key)
            self._wants += 1
            self._tap.wanted = {**self._tap.wanted, key: self._wants}
        self._tell_from_now_on(seat, market)

    def _tell_from_now_on(self, seat: Seated, what: PublishedTopic | PublishedMarket) -> None:
        seat.has[what] = 0
        what.seats[seat] = None
        seat.tell(what)

    def _unlisten(self, seat: Seated, keys: Iterable[Key]) -> None:
        gone: set[Key] = set()
        for key in keys:
            market = self._markets.get(key)
            if market is not None and seat.has.pop(market, None) is not None:
                del market.seats[seat]
                if not market.seats:
                    del self._markets[key]
                    gone.add(key)
        if gone:
            self._tap.wanted = {key: number for key, number in self._tap.wanted.items() if key not in gone}
