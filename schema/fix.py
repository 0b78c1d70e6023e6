"""What a session leaves in the database for the next process. Used by `brokers/fix`, by `brokers/ninjatrader` (rows
only, without numbers) and the store."""

from schema.records import Record


class SavedRow(Record, frozen=True):
    """One thing that was learned in a session (an order, a fill, a position), as its adapter encoded it."""

    kind: str
    key: str
    body: bytes


class Saved(Record, frozen=True):
    """A session between two processes. `out` is a number that was never sent, `expected` the next one to receive;
    `started_ns` is when the numbers last began at 1."""

    out: int = 1
    expected: int = 1
    started_ns: int = 0
    rows: tuple[SavedRow, ...] = ()
