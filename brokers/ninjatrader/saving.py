"""The desk's orders at NinjaTrader, written down behind the sends, for the next process: the server says nothing of an
order's contract, side or price, and a fill can't be told without them. `adapter.py` runs one.

They are kept where the sessions of other logins are (`schema/store_fix.py`), without numbers.
"""

import asyncio

import structlog

from brokers.ninjatrader.book import Book
from brokers.sessions import SessionStore
from schema.clock import Clock
from schema.driver import JournalDown
from schema.fix import Saved

log = structlog.get_logger()
EVERY_S = 0.1


class Saving:
    """See the module's docstring."""

    def __init__(self, connection: str, store: SessionStore, book: Book, clock: Clock) -> None:
        self._connection = connection
        self._store = store
        self._book = book
        self._clock = clock
        self._dirty = asyncio.Event()

    async def load(self) -> None:
        """Take up what was kept. Raises JournalDown."""
        self._book.load((await self._store.load_fix(self._connection)).rows)
        self._book.forget_old(self._clock.now_ns())

    def touched(self) -> None:
        """Something may have changed."""
        self._dirty.set()

    async def run(self) -> None:
        """Write changes down until cancelled. While the database is away they wait; sending goes on."""
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            if not await self.save():
                self._dirty.set()
            await asyncio.sleep(EVERY_S)

    async def save(self) -> bool:
        """Keep everything as it stands now; whether the database took it."""
        rows, gone = self._book.take_changes()
        if not rows and not gone:
            return True
        try:
            await self._store.save_fix(self._connection, Saved(rows=tuple(rows)), gone)
        except JournalDown as down:
            log.warning("orders at ninjatrader not kept", connection=self._connection, reason=str(down))
            self._book.changed_again(rows, gone)
            return False
        except BaseException:
            self._book.changed_again(rows, gone)
            raise
        return True
