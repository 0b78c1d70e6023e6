"""A seat at a desk in another process: the same `Seat`, over the socket of `engine/door.py`.

`tui/attach.py` runs the screen on one. It has a thread of its own, comes back by itself when the desk does, and says in
`away` why it hears of no desk meanwhile: what it shows is then old.
"""

import asyncio
import itertools
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import msgspec
import structlog
import uvloop

from engine import seat_wire as wire
from engine.asking import AskingSeat
from engine.row_changes import DoesNotFit, Items, patched
from engine.seat import CommandRefused, Topic, View
from engine.seat_socket import address, socket_of
from engine.seat_wire import SeatRole

_AGAIN_S = 0.25
_GREETING_S = 5.0
_NO_ROOM_S = 0.01
log = structlog.get_logger(__name__)


class NoDesk(Exception):
    """Nobody can sit down; one sentence naming the remedy."""


class Link(asyncio.Protocol):
    """One connection of a seat: says its greeting, hands each message to `heard`. `ended` is done when it is gone."""

    def __init__(self, hello: wire.Hello, heard: Callable[[wire.FromDesk], None]) -> None:
        self._hello = hello
        self._heard = heard
        self._frames = wire.Frames()
        self._transport: asyncio.Transport | None = None
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own does not say that it is one
        self.say(self._hello)

    def data_received(self, data: bytes) -> None:
        try:
            for body in self._frames.feed(data):
                self._heard(wire.decode_from_desk(body))
        except (wire.BadFrame, DoesNotFit, msgspec.MsgspecError) as bad:
            log.error("the desk's message can't be read", kind=type(bad).__name__)
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)

    def say(self, message: wire.FromSeat) -> None:
        if self._transport is not None:
            self._transport.write(wire.frame(message))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


async def connect(path: Path, hello: wire.Hello, heard: Callable[[wire.FromDesk], None]) -> Link:
    """Greet the desk whose socket is at `path`. Raises OSError when none listens."""
    loop = asyncio.get_running_loop()
    with address(path) as name:
        connected = socket.socket(socket.AF_UNIX)
        try:
            connected.setblocking(False)
            while True:
                try:
                    connected.connect(name)
                    break
                except BlockingIOError:  # so many come at once that there is no room to wait at the door
                    await asyncio.sleep(_NO_ROOM_S)
            _, link = await loop.create_unix_connection(lambda: Link(hello, heard), sock=connected)
        except BaseException:
            connected.close()
            raise
    return link


class RemoteSeat(AskingSeat):
    """See the module's docstring. Safe from any thread. Not restartable."""

    def __init__(self, state_dir: Path, role: SeatRole = SeatRole.TRADER) -> None:
        self.path = socket_of(state_dir)
        self.away = "The desk does not answer."
        self._hello = wire.Hello(wire.VERSION, role, wire.shape())
        self._views = {topic: View(topic=topic, version=0, rows=()) for topic in Topic}
        self._items: dict[Topic, Items] = {}
        self._numbers: dict[Topic, int] = {}
        self._missing = set(Topic)
        self._bye = ""
        self._link: Link | None = None
        self._asked: dict[int, asyncio.Future[msgspec.Raw]] = {}
        self._ids = itertools.count(1)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._settled = threading.Event()  # whole, or known not to become so
        self._thread = threading.Thread(target=self._main, name="seat", daemon=True)

    def start(self, within_s: float = _GREETING_S) -> None:
        """Sit down; returns when every topic is whole. Raises NoDesk."""
        self._thread.start()
        self._settled.wait(within_s)
        if self.away:
            reason = self._bye or self.away
            self.stop()
            raise NoDesk(reason)

    def stop(self) -> None:
        """Leave. The desk goes on."""
        loop, stop = self._loop, self._stop
        if loop is not None and stop is not None:
            with suppress(RuntimeError):  # it has ended by itself
                loop.call_soon_threadsafe(stop.set)
        self._thread.join()

    def view(self, topic: Topic) -> View:
        return self._views[topic]

    # --- the thread ----------------------------------------------------------------------------------------------

    def _main(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._run())
        finally:
            self.away = self.away or "This seat has ended."
            self._settled.set()

    async def _run(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        stopping = asyncio.create_task(self._stop.wait())
        try:
            while not stopping.done():
                await self._sit(stopping)
                await asyncio.wait({stopping}, timeout=_AGAIN_S)
        finally:
            stopping.cancel()

    async def _sit(self, stopping: "asyncio.Task[bool]") -> None:
        """One connection, from its greeting to its end."""
        self._bye = ""
        try:
            link = await connect(self.path, self._hello, self._heard)
        except OSError:
            self._lost("No desk runs here; start it with `copydesk` or `copydesk engine`.")
            return
        self._link = link
        self._missing = set(Topic)
        link.say(wire.Follow(tuple(Topic)))
        try:
            await asyncio.wait({stopping, link.ended}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            link.close()
            self._link = None
            self._lost(self._bye or "The desk has gone away.")

    def _lost(self, reason: str) -> None:
        self.away = reason
        self._settled.set()
        for future in self._asked.values():
            if not future.done():
                future.set_exception(
                    CommandRefused("The desk went away before it answered: look at what came of it once it is back.")
                )

    def _heard(self, message: wire.FromDesk) -> None:
        if isinstance(message, wire.Whole):
            self._take(message, wire.decode_rows(message.topic, message.rows))
        elif isinstance(message, wire.Changed):
            self._change(message)
        elif isinstance(message, wire.Answer):
            if (future := self._asked.get(message.id)) is not None and not future.done():
                future.set_result(message.value)
        elif isinstance(message, wire.Refusal):
            if (future := self._asked.get(message.id)) is not None and not future.done():
                future.set_exception(CommandRefused(message.text))
        elif isinstance(message, wire.Bye):
            self._bye = message.reason

    def _change(self, change: wire.Changed) -> None:
        topic = change.topic
        if topic in self._missing:
            return  # it comes whole
        if change.number != self._numbers[topic] + 1:
            log.warning("a change is missing", topic=topic, had=self._numbers[topic], came=change.number)
            self._missing.add(topic)
            assert self._link is not None
            self._link.say(wire.Follow((topic,)))
            return
        fresh = wire.decode_rows(topic, change.rows)
        self._take(change, patched(self._items[topic], change.runs, fresh))

    def _take(self, message: wire.Whole | wire.Changed, items: Items) -> None:
        """A version of our own: a desk that starts again begins to count anew."""
        topic = message.topic
        self._numbers[topic], self._items[topic] = message.number, items
        version = self._views[topic].version + 1
        self._views[topic] = View(topic=topic, version=version, rows=wire.rows_of(message.head, items))
        self._missing.discard(topic)
        if not self._missing and (self.away or not self._settled.is_set()):
            self.away = ""
            self._settled.set()

    # --- commands ------------------------------------------------------------------------------------------------

    async def _ask(self, method: str, *arguments: Any) -> Any:
        assert self._loop is not None
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._there(method, arguments), self._loop))

    async def _there(self, method: str, arguments: tuple[Any, ...]) -> Any:
        if self._link is None:
            raise CommandRefused(f"Not done: {self.away}")
        number = next(self._ids)
        self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            self._link.say(wire.Ask(number, method, wire.raw(arguments)))
            return wire.METHODS[method].value(await self._asked[number])
        finally:
            del self._asked[number]

    async def export(self, what: str, path: str, account: str | None = None) -> str:
        """The desk writes the file, where this process would: it may run in another folder."""
        return await super().export(what, str(Path(path).absolute()), account)
