"""Listening for changes made by another seat or by the shell. Called by `Store.listen` and its like."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from schema.database import Database
from schema.driver import JournalDown

CONFIG, WATCHLISTS, LAYOUTS = "copydesk_config", "copydesk_watchlists", "copydesk_layouts"


async def listen_once(database: Database, channel: str, changed: Callable[[], Awaitable[None]]) -> None:
    """Listen on a session of its own until it is lost, and then raise JournalDown. `changed` is awaited once at first.
    Changes that come in a burst, as one command makes, are told once."""
    connection = await database.connect()
    bell = asyncio.Event()
    lost = False

    def told(*_: Any) -> None:
        bell.set()

    def gone(_: Any) -> None:
        nonlocal lost
        lost = True
        bell.set()

    try:
        connection.add_termination_listener(gone)
        await connection.add_listener(channel, told)
        bell.set()
        while True:
            await bell.wait()
            bell.clear()
            if lost:
                raise JournalDown("the session that listens for changes was lost")
            await changed()
    finally:
        connection.terminate()
