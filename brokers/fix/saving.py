"""A FIX session's numbers and what was learned, written down behind the messages. `link.py` runs one.

What is kept is one cut: the book as it stands after every message below `expected`, and an outgoing number that was
never used.
"""

import asyncio

import msgspec
import structlog

from brokers.fix.book import Book
from brokers.fix.numbers import BLOCK, Numbers, Sent
from brokers.sessions import SessionStore
from schema.clock import Clock
from schema.driver import JournalDown
from schema.fix import Saved, SavedRow

log = structlog.get_logger()
EVERY_S = 0.1
KEPT_FOR_RESEND = 200
"""Messages kept to be repeated; what is older is filled as a gap."""


class Saving:
    """See the module's docstring."""

    def __init__(self, connection: str, store: SessionStore, book: Book, clock: Clock) -> None:
        self.numbers = Numbers()
        self._connection = connection
        self._store = store
        self._book = book
        self._clock = clock
        self._reserved = 0
        self._resets = 0
        self._dirty = asyncio.Event()
        self._kept: set[int] = set()
        self._writing = asyncio.Lock()

    async def load(self) -> None:
        """Take up what was kept. Raises JournalDown."""
        saved = await self._store.load_fix(self._connection)
        self.numbers = Numbers(saved.out, saved.expected, saved.started_ns or self._clock.now_ns())
        self._reserved = saved.out
        for row in saved.rows:
            if row.kind == "sent":
                self.numbers.sent[int(row.key)] = msgspec.json.decode(row.body, type=Sent)
        self._kept = set(self.numbers.sent)
        self._book.load(saved.rows)
        self._book.forget_old(self._clock.now_ns())

    async def reserve(self) -> None:
        """Make sure that the numbers of the next messages are kept as used. Raises JournalDown."""
        await self.save(self.numbers.out + BLOCK)

    def touched(self) -> None:
        """Something may have changed."""
        self._dirty.set()

    async def run(self) -> None:
        """Write changes down until cancelled. While the database is away they wait; sending goes on."""
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            try:
                low = self.numbers.out + BLOCK // 2 > self._reserved or self.numbers.resets != self._resets
                await self.save(self.numbers.out + BLOCK if low else self._reserved)
            except JournalDown as down:
                log.warning("fix session not kept", connection=self._connection, reason=str(down))
                self._dirty.set()
            await asyncio.sleep(EVERY_S)

    async def close(self) -> None:
        """Write down where the session ended, exactly: the next one goes on without a gap."""
        try:
            await self.save(self.numbers.out)
        except JournalDown as down:
            log.warning("fix session not kept", connection=self._connection, reason=str(down))

    async def save(self, out: int) -> None:
        """Keep everything as it stands now. Raises JournalDown, and then keeps it for the next time."""
        async with self._writing:
            numbers = self.numbers
            for seq in sorted(numbers.sent)[:-KEPT_FOR_RESEND]:
                del numbers.sent[seq]
            fresh = [seq for seq in numbers.sent if seq not in self._kept]
            stale = [("sent", str(seq)) for seq in self._kept - numbers.sent.keys()]
            rows, gone = self._book.take_changes()
            sent = [SavedRow(kind="sent", key=str(seq), body=msgspec.json.encode(numbers.sent[seq])) for seq in fresh]
            resets, kept = numbers.resets, set(numbers.sent)
            saved = Saved(out=out, expected=numbers.expected, started_ns=numbers.started_ns, rows=(*rows, *sent))
            try:
                await self._store.save_fix(self._connection, saved, [*gone, *stale])
            except BaseException:
                self._book.changed_again(rows, gone)
                raise
            self._reserved, self._resets, self._kept = out, resets, kept
