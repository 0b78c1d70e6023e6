"""The task that keeps one login's connection, from `connect` to `close`. Every adapter owns one."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any


class Runner:
    """See the module's docstring. The task may end by itself; `started` says whether there is one to stop."""

    def __init__(self, connection: str) -> None:
        self._connection = connection
        self._task: asyncio.Task[None] | None = None

    @property
    def started(self) -> bool:
        return self._task is not None

    def must_be_idle(self) -> None:
        """Raises RuntimeError while the task runs: to connect twice is a mistake of ours."""
        if self._task is not None and not self._task.done():
            raise RuntimeError(f"connection {self._connection} is already connected")

    async def start(
        self, run: Coroutine[Any, Any, None], up: asyncio.Future[None], close: Callable[[], Awaitable[None]]
    ) -> None:
        """Run until `up` is done, and on from there. Raises what `run` ends with before that. Whoever gives up waiting
        has `close` called."""
        self._task = task = asyncio.get_running_loop().create_task(run)
        try:
            await asyncio.wait([task, up], return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await close()
            raise
        if not up.done():
            self._task = None
            await task  # raises what the first attempt ended with

    async def stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
