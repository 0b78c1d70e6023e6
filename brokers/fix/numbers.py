"""What of a session must outlive the process, and the port through which it does. `schema/store_fix.py` is the
production half, on Postgres; `MemorySessions` forgets with the process.

Numbers going out are reserved in blocks, ahead of use, so that no order waits for a commit: after a crash the session
goes on at the end of its block, the venue sees a gap, asks for what was in it, and is told by a gap fill that nothing
is repeated. Numbers coming in are written down behind their messages, in one commit with what was learned from them:
after a crash the venue is asked for the rest again.
"""

from collections.abc import Iterable
from typing import Protocol

from schema.fix import Saved as Saved
from schema.fix import SavedRow as SavedRow
from schema.records import Record

BLOCK = 1_000
"""Numbers reserved at a time."""


class Numbers:
    """The numbers of one session as they stand: `out` is the next one to send, `expected` the next one to receive.
    `sent` keeps, by number, the messages that a resend repeats; all others it fills as a gap."""

    def __init__(self, out: int = 1, expected: int = 1, started_ns: int = 0) -> None:
        self.out = out
        self.expected = expected
        self.started_ns = started_ns
        self.sent: dict[int, Sent] = {}
        self.resets = 0

    def reset(self, now_ns: int) -> None:
        """Both sides begin at 1 again."""
        self.out = self.expected = 1
        self.started_ns = now_ns
        self.sent.clear()
        self.resets += 1


class Sent(Record, frozen=True):
    """A message that a resend repeats: its type, its body's fields and when it was first sent (52)."""

    msg_type: str
    fields: tuple[tuple[int, str], ...]
    sending_time: str


class SessionStore(Protocol):
    """Where sessions are kept, by connection. Both methods raise `schema.driver.JournalDown`."""

    async def load_fix(self, connection: str) -> Saved:
        """What was kept; `Saved()` for a session that never was."""
        ...

    async def save_fix(self, connection: str, saved: Saved, gone: Iterable[tuple[str, str]]) -> None:
        """Keep the numbers and these rows, replace older rows of the same kind and key, and forget `gone`, all in one
        commit."""
        ...


class MemorySessions:
    """Sessions that live as long as this object: for tests, and for looking at a login without a desk."""

    def __init__(self) -> None:
        self._saved: dict[str, Saved] = {}

    async def load_fix(self, connection: str) -> Saved:
        return self._saved.get(connection, Saved())

    async def save_fix(self, connection: str, saved: Saved, gone: Iterable[tuple[str, str]]) -> None:
        rows = {(row.kind, row.key): row for row in self._saved.get(connection, Saved()).rows}
        rows |= {(row.kind, row.key): row for row in saved.rows}
        for key in gone:
            rows.pop(key, None)
        self._saved[connection] = Saved(
            out=saved.out, expected=saved.expected, started_ns=saved.started_ns, rows=tuple(rows.values())
        )
