"""What of a session must outlive the process; `brokers/sessions.py` is the port through which it does.

Numbers going out are reserved in blocks, ahead of use, so that no order waits for a commit: after a crash the session
goes on at the end of its block, the venue sees a gap, asks for what was in it, and is told by a gap fill that nothing
is repeated. Numbers coming in are written down behind their messages, in one commit with what was learned from them:
after a crash the venue is asked for the rest again.
"""

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
