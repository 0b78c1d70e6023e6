"""Frames of the venue's WebSocket: bytes to messages and requests to bytes, pure. `socket.py` calls it.

A frame from the venue is one type character and optional JSON; a request is exactly one frame of four parts joined by
newlines: endpoint, id, query, body (`protocols/tradovate.md 1.4`).
"""

import os
from collections.abc import Sequence
from struct import Struct

import msgspec
from aiohttp._websocket.helpers import websocket_mask

from brokers.text import KEPT_CHARS as KEPT_CHARS
from brokers.text import NOT_READ
from brokers.text import clean as clean
from brokers.text import redact as redact


class Unreadable(Exception):
    """Bytes from the venue that are not what the protocol says; the text says what was wrong, never the bytes."""


class Open(msgspec.Struct, frozen=True):
    """`o`: the socket is open, authorize may be sent."""


class Heartbeat(msgspec.Struct, frozen=True):
    """`h`."""


class Closed(msgspec.Struct, frozen=True):
    """`c[code, reason]`: the venue closes the socket."""

    code: int
    reason: str


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """One message of an `a[...]` frame: a response (`i`, `s`) or an event (`e`), its data still undecoded."""

    i: int | None = None
    s: int | None = None
    e: str | None = None
    d: msgspec.Raw = msgspec.Raw(b"null")


class Messages(msgspec.Struct, frozen=True):
    """`a[...]`: the messages that could be read, and the raw bytes and error of those that could not."""

    readable: list[Envelope]
    unreadable: list[tuple[bytes, str]]


Frame = Open | Heartbeat | Closed | Messages

_SHORT, _MEDIUM, _LONG = Struct("!BB"), Struct("!BBH"), Struct("!BBQ")
_OPEN, _HEARTBEAT = Open(), Heartbeat()
_envelopes = msgspec.json.Decoder(list[Envelope])
_envelope = msgspec.json.Decoder(Envelope)
_raws = msgspec.json.Decoder(list[msgspec.Raw])
_closing = msgspec.json.Decoder(tuple[int, str])
_encoder = msgspec.json.Encoder(decimal_format="number")


def parse_frame(data: bytes) -> Frame:
    """The frame in `data`. One bad message in an `a[...]` costs only itself; raises Unreadable when nothing of the
    frame can be read."""
    kind = data[:1]
    if kind == b"a":
        try:
            return Messages(readable=_envelopes.decode(data[1:]), unreadable=[])
        except NOT_READ:
            return _one_by_one(data[1:])
    if kind == b"h":
        return _HEARTBEAT
    if kind == b"o":
        return _OPEN
    if kind == b"c":
        try:
            code, reason = _closing.decode(data[1:])
        except NOT_READ:
            code, reason = 0, ""
        return Closed(code, clean(reason))
    raise Unreadable("the frame has an unknown type character")


def _one_by_one(array: bytes) -> Messages:
    try:
        raws = _raws.decode(array)
    except NOT_READ as error:
        raise Unreadable(f"the frame is not a JSON array: {error}") from None
    readable: list[Envelope] = []
    unreadable: list[tuple[bytes, str]] = []
    for raw in raws:
        try:
            readable.append(_envelope.decode(raw))
        except NOT_READ as error:
            unreadable.append((bytes(raw), str(error)))
    return Messages(readable, unreadable)


def request_frame(endpoint: str, request_id: int, query: str = "", body: bytes = b"") -> bytes:
    """The four parts in one frame; the two empty lines stay when query and body are empty."""
    return b"%b\n%d\n%b\n%b" % (endpoint.encode(), request_id, query.encode(), body)


def text_frames(payloads: Sequence[bytes]) -> bytes:
    """Text messages as a client's WebSocket frames (RFC 6455 5.2, masked), one after the other, for a single write."""
    keys = os.urandom(4 * len(payloads))
    parts: list[bytes | bytearray] = []
    for number, payload in enumerate(payloads):
        size, key = len(payload), keys[4 * number : 4 * number + 4]
        if size < 126:
            head = _SHORT.pack(0x81, 0x80 | size)
        elif size < 65_536:
            head = _MEDIUM.pack(0x81, 0x80 | 126, size)
        else:
            head = _LONG.pack(0x81, 0x80 | 127, size)
        masked = bytearray(payload)
        websocket_mask(key, masked)
        parts += (head, key, masked)
    return b"".join(parts)


HEARTBEAT_FRAME = b"[]"


def encode(body: object) -> bytes:
    """A request body as JSON; a Decimal is written as the number it is."""
    return _encoder.encode(body)
