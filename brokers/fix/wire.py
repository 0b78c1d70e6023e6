"""Bytes to messages and back. Pure; called by `session.py`. Messages are written with `simplefix`.

They are cut and read here: simplefix's parser checks neither length (9) nor checksum (10), and raises in the middle of
its buffer for bytes that are no message. A frame that is wrong in any way is garbled: skipped, counted, its number not
consumed (`protocols/fix.md C4 7`).
"""

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

import msgspec
import simplefix  # pyright: ignore[reportMissingTypeStubs]
from simplefix import data  # pyright: ignore[reportMissingTypeStubs]

from brokers.fix import tags
from schema.records import Record

SOH = b"\x01"
LARGEST = 65_536
"""Bytes of a message's body at most; a length above it is garbled."""
_START = b"8=FIX"
_TRAILER = 7  # 10=nnn and its end
_DATA: dict[int, int] = dict(data.RAW_DATA)
"""Data fields by the tag of their length."""
_NUMBER = re.compile(r"[-+]?0*[0-9]{1,9}(\.[0-9]{0,40})?|[-+]?\.[0-9]{1,40}")
_HEAD = re.compile(rb"8=FIXT?\.\d\.\d\x019=\d+\x0135=")
_LONGEST_HEAD = 32  # 8=FIXT.1.1 and 9= with its digits


class Message(Record, frozen=True):
    """One message: its fields in the order of the wire. Values are text; bytes that are no ASCII are Latin-1."""

    fields: tuple[tuple[int, str], ...]
    first: dict[int, str] = msgspec.field(default_factory=dict[int, str])
    """The first value of each tag, for `get`: a report is asked for some seventy."""

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "first", dict(reversed(self.fields)))

    def get(self, tag: int, default: str = "") -> str:
        """The first value of a tag, or `default`."""
        return self.first.get(tag, default)

    def has(self, tag: int) -> bool:
        return tag in self.first

    def number(self, tag: int) -> int | None:
        """A whole number of up to 18 digits, or None when it is missing or not one."""
        text = self.get(tag)
        return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None

    def decimal(self, tag: int) -> Decimal | None:
        """A price or a quantity, or None when it is missing or none that a market has: FIX writes a minus, digits and a
        point, and nothing else; beyond nine digits it is nobody's."""
        text = self.get(tag)
        return Decimal(text) if _NUMBER.fullmatch(text) else None

    @property
    def msg_type(self) -> str:
        return self.get(tags.MSG_TYPE)

    @property
    def seq(self) -> int | None:
        return self.number(tags.MSG_SEQ_NUM)

    def groups(self, first: int) -> list["Message"]:
        """The entries of a repeating group whose entries begin with tag `first`: each runs to the next one."""
        found: list[list[tuple[int, str]]] = []
        for name, value in self.fields:
            if name == first:
                found.append([])
            if found and name != tags.CHECKSUM:
                found[-1].append((name, value))
        return [Message(fields=tuple(entry)) for entry in found]

    def __str__(self) -> str:
        """The message for a log: `|` between fields, secrets hidden."""
        return "|".join(f"{name}={'***' if name in tags.SECRETS else value}" for name, value in self.fields)


class Garbled(Record, frozen=True):
    """Bytes that are not a message, and why."""

    raw: str
    error: str


def checksum(data: bytes) -> int:
    return sum(data) % 256


class Framer:
    """Cuts a stream of bytes into messages. Never raises; what is not a message comes out as Garbled."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> Iterator[Message | Garbled]:
        """The messages that `data` completes."""
        self._buffer += data
        while True:
            start = self._buffer.find(_START)
            if start < 0:
                keep = len(_START) - 1  # the start may be cut in two
                if len(self._buffer) > LARGEST:
                    yield self._drop(len(self._buffer) - keep, "no message begins in it")
                return
            if start > 0:
                yield self._drop(start, "bytes before a message")
            size, error = self._size()
            if error:
                yield self._drop(self._next_start(), error)
            elif not size or len(self._buffer) < size:
                if not self._cut_short():
                    return
                yield self._drop(self._next_start(), "the body length (9) is wrong")
            else:
                frame = self._buffer[:size]
                fault = _fault(frame)
                if fault:
                    yield self._drop(self._next_start(), fault)
                    continue
                message = decode(frame)
                if message is None:
                    yield self._drop(size, "a field has no tag")
                    continue
                self._buffer = self._buffer[size:]
                yield message

    def _size(self) -> tuple[int, str]:
        """How long the message at the start of the buffer is (0: not to be seen yet), or what is wrong with it."""
        first = self._buffer.find(SOH)
        second = self._buffer.find(SOH, first + 1) if first > 0 else -1
        if second < 0:
            return 0, "the head never ends" if len(self._buffer) > _LONGEST_HEAD else ""
        length = self._buffer[first + 1 : second]
        if not length.startswith(b"9="):
            return 0, "the second field is not the body length (9)"
        digits = length[2:]
        if not digits.isdigit() or len(digits) > 6 or int(digits) > LARGEST:
            return 0, "the body length (9) is no length"
        return second + 1 + int(digits) + _TRAILER, ""

    def _cut_short(self) -> bool:
        """Whether a message that waits for more bytes already has another one's head behind it: its length is wrong or
        its end was lost, and waiting for it would swallow what follows."""
        return _HEAD.search(self._buffer, 1) is not None

    def _next_start(self) -> int:
        """Where the next message begins: a garbled one is skipped up to it, or whole."""
        found = _HEAD.search(self._buffer, 1)
        if found is not None:
            return found.start()
        end = self._buffer.find(SOH + b"10=")
        if end >= 0:
            close = self._buffer.find(SOH, end + 1)
            if close >= 0:
                return close + 1
        return len(self._buffer)

    def _drop(self, count: int, error: str) -> Garbled:
        raw, self._buffer = self._buffer[:count], self._buffer[count:]
        return Garbled(raw=shown(raw), error=error)


def _fault(frame: bytes) -> str:
    """What is wrong with a frame of the length it claims, or ''."""
    body = frame[:-_TRAILER]
    trailer = frame[-_TRAILER:]
    if not body.endswith(SOH) or not trailer.startswith(b"10=") or not trailer.endswith(SOH):
        return "the body length (9) is wrong"
    if not trailer[3:6].isdigit() or int(trailer[3:6]) != checksum(body):
        return "the checksum (10) is wrong"
    third = body.find(SOH, body.find(SOH) + 1) + 1
    if not body[third:].startswith(b"35="):
        return "the third field is not the message type (35)"
    return ""


def decode(frame: bytes) -> Message | None:
    """The message of a frame with the right length and checksum; None when a field of it has no tag. Empty values are
    kept: the session refuses them by name. A data field, which may hold a field's end, is read by the length before
    it when that length is right, else like any other."""
    fields: list[tuple[int, str]] = []
    at, data_tag, data_length = 0, 0, 0
    while at < len(frame):
        equals = frame.find(b"=", at)
        name = frame[at:equals]
        if equals < 0 or not name.isdigit() or len(name) > 9 or name.startswith(b"0"):
            return None
        tag, begin = int(name), equals + 1
        end = begin + data_length
        if tag != data_tag or frame[end : end + 1] != SOH:
            end = frame.find(SOH, begin)
        if end < 0:
            return None
        value = frame[begin:end].decode("latin-1")
        fields.append((tag, value))
        data_tag = _DATA.get(tag, 0)
        data_length = int(value) if data_tag and value.isascii() and value.isdigit() and len(value) < 7 else 0
        data_tag = data_tag if data_length else 0
        at = end + 1
    return Message(fields=tuple(fields))


def encode(begin_string: str, msg_type: str, fields: Iterable[tuple[int, str]]) -> bytes:
    """A message as bytes; `fields` follow 8, 9 and 35 in their order. Raises ValueError for a value that would end
    its field: it would be read as another one."""
    message: Any = simplefix.FixMessage()
    message.append_pair(tags.BEGIN_STRING, begin_string)
    message.append_pair(tags.MSG_TYPE, msg_type)
    for name, value in fields:
        if "\x01" in value or not value:
            raise ValueError(f"field {name} can't be sent: {'it is empty' if not value else 'it holds a field end'}")
        message.append_pair(name, value.encode("latin-1", "replace"))
    return bytes(message.encode())


def shown(raw: bytes) -> str:
    """Bytes for a log: capped, printable, secrets hidden as far as fields can be told apart."""
    fields = raw[:512].split(SOH)
    words: list[str] = []
    for field in fields:
        name, equals, value = field.decode("latin-1").partition("=")
        secret = name.isascii() and name.isdigit() and int(name[:9]) in tags.SECRETS
        words.append(f"{name}=***" if secret else name + equals + value)
    return "".join(c if c.isprintable() else "?" for c in "|".join(words))
