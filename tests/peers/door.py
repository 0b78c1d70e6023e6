"""The sandbox as an outsider meets it: a process of its own, its ready line, and its control socket. Nothing of
`brokers` is imported here: clients written from the protocol pages speak to it over the wire alone."""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any


class Door:
    """A running sandbox. `ready` is its ready line."""

    def __init__(self, *options: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="copydesk-peers-")
        self._control_path = Path(self._folder.name) / "control"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tui.cli", "sandbox", "--control", str(self._control_path), "--seed", "7", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        self.ready: dict[str, Any] = json.loads(self._process.stdout.readline())

    def logins(self, venue: str) -> list[dict[str, Any]]:
        return self.ready["venues"][venue]["logins"]

    async def control(self, order: str, **fields: Any) -> dict[str, Any]:
        """An order of the control socket; its answer."""
        reader, writer = await asyncio.open_unix_connection(self._control_path, limit=1 << 24)
        writer.write(json.dumps({"order": order, **fields}).encode() + b"\n")
        answer = json.loads(await reader.readline())
        writer.close()
        assert answer["ok"], answer
        return answer

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(10)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._folder.cleanup()


@asynccontextmanager
async def door(*options: str) -> AsyncIterator[Door]:
    opened = await asyncio.to_thread(Door, *options)
    try:
        yield opened
    finally:
        await asyncio.to_thread(opened.close)


def words(text: str) -> list[str]:
    return text.split()


async def until(true: Callable[[], Any], within_s: float = 5.0, what: str = "") -> Any:
    """Wait for something true and return it."""
    ends = time.monotonic() + within_s
    while not (found := true()):
        assert time.monotonic() < ends, f"not within {within_s} s: {what or true}"
        await asyncio.sleep(0.005)
    return found
