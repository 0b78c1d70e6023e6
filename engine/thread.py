"""The engine's own thread: a uvloop loop that owns every venue socket, away from the loop that paints.

Measured in `DESIGN.md` (one process, two threads): with uvloop here and a 0.1 ms switch interval a painting terminal
does not delay orders. `ThreadSeat` is the desk as other threads may use it.
"""

import asyncio
import sys
import threading
from contextlib import suppress
from random import Random
from typing import Any

import uvloop

from engine import health
from engine.asking import AskingSeat
from engine.desk import Desk
from engine.door import Door
from engine.recorder import Recorder
from engine.seat import Seat, Topic, View
from engine.symbol_search import LIMIT, Match
from schema.clock import SYSTEM_CLOCK
from schema.settings import Settings
from schema.store import Store
from schema.vault import Vault
from schema.watchlists import this_user

SWITCH_INTERVAL_S = 0.0001


class EngineThread:
    """Runs one desk until `stop`. Not restartable."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._thread = threading.Thread(target=self._main, name="engine", daemon=True)
        self._up = threading.Event()
        self._failed: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self.desk: Desk | None = None

    def start(self) -> "ThreadSeat":
        """Open the desk and return its seat. Raises what kept the desk from opening."""
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        self._thread.start()
        self._up.wait()
        if self.desk is None or self._loop is None:
            self._thread.join()
            raise self._failed or RuntimeError("the engine's thread ended before the desk was open")
        return ThreadSeat(self.desk, self._loop)

    def stop(self) -> None:
        """Close the desk: venues are left, the journal is written, the database is let go. Waits for it."""
        if self._loop is not None and self._stop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        if self._failed is not None:
            raise self._failed

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The engine's loop, once the desk is open."""
        assert self._loop is not None
        return self._loop

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def join(self, timeout_s: float | None = None) -> None:
        """Wait for the thread to end by itself."""
        self._thread.join(timeout_s)

    def _main(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._run())
        except BaseException as failure:  # noqa: BLE001 - carried to the thread that called start or stop
            self._failed = failure
        finally:
            self._up.set()

    async def _run(self) -> None:
        self._stop = asyncio.Event()
        vault = await asyncio.to_thread(Vault.open, self._settings)
        store = await Store.open(self._settings, SYSTEM_CLOCK)
        try:
            recorder = Recorder.open(self._settings, SYSTEM_CLOCK, store.session_id)
            desk = Desk(
                self._settings,
                store,
                vault,
                SYSTEM_CLOCK,
                Random(),
                recorder,
                user=this_user(),
                open_market=store.market,
            )
            try:
                await desk.open()
                loop = self._loop = asyncio.get_running_loop()
                door = Door(
                    self._settings.state_dir,
                    self._settings.desk,
                    ThreadSeat(desk, loop),
                    desk.tap,
                    alert=lambda level, text: alert_from_elsewhere(desk, loop, level, text),
                )
                door.start()
                self.desk = desk
                self._up.set()
                keeping = asyncio.create_task(health.keep(self._settings.state_dir, desk.view, SYSTEM_CLOCK))
                try:
                    await desk.until(self._stop)
                finally:
                    keeping.cancel()
                    await asyncio.wait([keeping])
                    await asyncio.to_thread(door.stop)  # commands that it runs end on this loop
            finally:
                await desk.close()
        finally:
            await store.close()


def alert_from_elsewhere(desk: Desk, loop: asyncio.AbstractEventLoop, level: str, text: str) -> None:
    """Show an alert of another thread."""
    with suppress(RuntimeError):  # the desk has ended meanwhile
        loop.call_soon_threadsafe(desk.views.alert, SYSTEM_CLOCK.now_ns(), level, text)


class ThreadSeat(AskingSeat):
    """A `Seat` for any thread: views are read as they are, commands run on the engine's loop."""

    away = ""  # it is the desk's own process

    def __init__(self, desk: Desk, loop: asyncio.AbstractEventLoop) -> None:
        self._desk = desk
        self._commands: Seat = desk
        self._loop = loop

    def view(self, topic: Topic) -> View:
        return self._desk.view(topic)

    async def _ask(self, method: str, *arguments: Any) -> Any:
        command = getattr(self._commands, method)(*arguments)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(command, self._loop))

    async def find_symbols(self, text: str, limit: int = LIMIT) -> tuple[Match, ...]:
        return self._desk.watching.find(text, limit)  # here and now: the engine is not asked
