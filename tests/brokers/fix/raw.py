"""FIX by hand, for tests: bytes from fields and back, sharing nothing with the code under test."""

from datetime import UTC, datetime
from typing import Any

NS = 1_000_000_000
START_NS = int(datetime(2026, 11, 21, 2, 19, 48, tzinfo=UTC).timestamp()) * NS


class HandClock:
    """A clock that moves when told to."""

    def __init__(self, now_ns: int = START_NS) -> None:
        self.ns = now_ns

    def now_ns(self) -> int:
        return self.ns

    def step(self, seconds: float) -> None:
        self.ns += int(seconds * NS)


def when(ns: int) -> str:
    at = datetime.fromtimestamp(ns / NS, UTC)
    return at.strftime("%Y%m%d-%H:%M:%S.") + f"{at.microsecond // 1000:03d}"


def wrap(begin_string: str, body: str) -> bytes:
    """A body of `tag=value|...|` as a message with its length and checksum."""
    inner = body.replace("|", "\x01").encode("latin-1")
    head = f"8={begin_string}\x019={len(inner)}\x01".encode()
    return head + inner + f"10={sum(head + inner) % 256:03d}\x01".encode()


def golden(line: str) -> bytes:
    """A frame of the facts page, ``|`` for the field end."""
    return line.strip().replace("|", "\x01").encode("latin-1")


def split(data: bytes) -> list[dict[str, str]]:
    """Messages as dictionaries of their fields (a repeated tag keeps its last value)."""
    found: list[dict[str, str]] = []
    for field in data.decode("latin-1").split("\x01")[:-1]:
        tag, _, value = field.partition("=")
        if tag == "8":
            found.append({})
        found[-1][tag] = value
    return found


def checked(data: bytes) -> list[dict[str, str]]:
    """As `split`, after checking every message's length, checksum and the order of its first and last fields."""
    rest = data
    while rest:
        first = rest.index(b"\x01")
        second = rest.index(b"\x01", first + 1)
        assert rest.startswith(b"8=FIX.")
        assert rest[first + 1 :].startswith(b"9=")
        assert rest[second + 1 :].startswith(b"35=")
        end = second + 1 + int(rest[first + 3 : second])
        assert rest[end : end + 7] == f"10={sum(rest[:end]) % 256:03d}\x01".encode()
        rest = rest[end + 7 :]
    return split(data)


def has(message: dict[str, str], **wanted: Any) -> bool:
    """Whether a message has these fields: ``has(message, _35="8", _39="2")``."""
    return all(message.get(tag.lstrip("_")) == str(value) for tag, value in wanted.items())
