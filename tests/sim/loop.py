"""An asyncio loop in virtual time, and the guard that keeps real time and real chance out of a run.

The loop runs no cycle of its own: `World.run` takes one ready callback after another. Which one is drawn from the seed
among the oldest few. asyncio promises more than that (first in, first out), uvloop the same, but nothing in the engine
may lean on it: what must stay in order goes through one queue or one task, as an adapter's events do (`emit` puts them
into the desk's inbox at once), and a task has never more than one step ready. The shuffle stands for sockets, timers
and threads that finish in any order. Timers go off at their time; each callback takes a microsecond.

There are no sockets, threads, signals or subprocesses: whoever asks for one gets NotImplementedError.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.sim.world import World


class Ready:
    """A callback of the desk; what asyncio calls a handle."""

    __slots__ = ("_args", "_call", "_canceled", "_context", "_loop", "_when")

    def __init__(self, loop: SimLoop, call: Callable[..., Any], args: tuple[Any, ...], context: Context | None) -> None:
        self._loop = loop
        self._call = call
        self._args = args
        self._context = context if context is not None else copy_context()
        self._canceled = False
        self._when = 0.0

    def cancel(self) -> None:
        self._canceled = True
        self._args = ()

    def cancelled(self) -> bool:
        return self._canceled

    def when(self) -> float:
        return self._when

    def run(self) -> None:
        if self._canceled:
            return
        try:
            self._context.run(self._call, *self._args)
        except (SystemExit, KeyboardInterrupt, Forbidden):
            raise
        except BaseException as error:  # noqa: BLE001 - as asyncio's own handles do
            self._loop.call_exception_handler({"message": f"callback {self._call}", "exception": error})


class SimLoop(asyncio.AbstractEventLoop):
    """One desk's life. Dropping the loop is `kill -9`: nothing that it still had to do is done."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.ready: list[Ready] = []
        self.failures: list[str] = []
        self.tasks: list[asyncio.Task[Any]] = []  # kept until the end of the run: a dropped task would be closed
        self._base_ns = world.now_ns()

    # --- time and callbacks ------------------------------------------------------------------------------------

    def time(self) -> float:
        return (self.world.now_ns() - self._base_ns) / 1e9

    def call_soon(self, callback: Any, *args: Any, context: Context | None = None) -> Any:
        handle = Ready(self, callback, args, context)
        self.ready.append(handle)
        return handle

    def call_later(self, delay: float, callback: Any, *args: Any, context: Context | None = None) -> Any:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(self, when: float, callback: Any, *args: Any, context: Context | None = None) -> Any:
        handle = Ready(self, callback, args, context)
        handle._when = when
        # One nanosecond more, so that `time()` has reached `when` whatever was rounded.
        self.world.at(self._base_ns + int(when * 1e9) + 1, self.ready.append, handle)
        return handle

    # --- what tasks and futures ask of a loop ------------------------------------------------------------------

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: Any = None, context: Context | None = None) -> Any:
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        task._log_destroy_pending = False
        self.tasks.append(task)
        if len(self.tasks) > 2_000:
            self.tasks = [kept for kept in self.tasks if not kept.done()]
        return task

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self.failures.append(f"{context.get('message')}: {error!r}")


@contextmanager
def running(loop: SimLoop) -> Iterator[SimLoop]:
    """Within, `loop` is asyncio's running loop."""
    before = asyncio._get_running_loop()
    asyncio._set_running_loop(loop)
    try:
        yield loop
    finally:
        asyncio._set_running_loop(before)


# --- the guard ---------------------------------------------------------------------------------------------------


class Forbidden(BaseException):
    """The engine touched real time, real chance, a thread or a socket. No `except Exception` hides it."""


_GUARDED = ("engine", "brokers", "schema")
_REAL: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (time, ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "sleep")),
    (random, ("random", "randint", "randrange", "uniform", "choice", "choices", "sample", "shuffle", "gauss")),
    (random, ("getrandbits", "randbytes", "seed")),
    (os, ("urandom",)),
    (uuid, ("uuid1", "uuid4")),
    (threading.Thread, ("start",)),
    (socket, ("socket", "create_connection")),
)


def _watched(real: Any, name: str) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        caller = sys._getframe(1).f_globals.get("__name__", "")
        if caller.split(".")[0] in _GUARDED:
            raise Forbidden(f"{caller} called {name}: time, chance and the outside are passed in, never taken")
        return real(*args, **kwargs)

    return call


@contextmanager
def guarded() -> Iterator[None]:
    """Within, whatever module of the desk calls one of `_REAL` fails the run. Libraries are let through: what they do
    with it must not reach a decision, which two runs with one hash prove."""
    kept: list[tuple[Any, str, Any]] = []
    try:
        for owner, names in _REAL:
            for name in names:
                real = getattr(owner, name)
                kept.append((owner, name, real))
                setattr(owner, name, _watched(real, f"{getattr(owner, '__name__', owner)}.{name}"))
        yield
    finally:
        for owner, name, real in kept:
            setattr(owner, name, real)


def borrowed_reality() -> list[str]:
    """Names in the engine's modules that are bound to one of the guarded functions, where the guard can't see a call
    (`from time import perf_counter`)."""
    real = {id(getattr(owner, name)) for owner, names in _REAL for name in names}
    return sorted(
        f"{name}.{attribute}"
        for name, module in list(sys.modules.items())
        if name.split(".")[0] == "engine"
        for attribute, value in vars(module).items()
        if callable(value) and id(value) in real
    )
