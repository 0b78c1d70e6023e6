"""The port through which a login leaves what its next process must know: a FIX session's numbers, orders of which the
venue says too little. `schema/store_fix.py` is the production half, on Postgres; `MemorySessions` forgets with the
process.
"""

from collections.abc import Iterable
from typing import Protocol

from schema.fix import Saved


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
