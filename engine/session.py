"""A recorded session: every input of the core in order, and what was decided, as one append-only file.

`engine/recorder.py` writes it, `engine/replay.py` reads it. A file is a row of frames: one byte that says what it is,
four that say how long (big-endian), then MessagePack. A tick, of which there are twenty a second, is its kind and the
nanoseconds since the tick before. A frame that was cut short (kill -9, a full disk) ends the session, and is said.
"""

import hashlib
import os
import struct
import zlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Union

import msgspec

from brokers import adapter as venue
from engine import events as ev
from engine.state import CoreLimits
from schema.records import Copy, Record

FORMAT = 1
ENDING = ".inputs"
HEADER, INPUT, TICK, DECIDED, END = b"H", b"I", b"T", b"D", b"E"
FRAME = struct.Struct(">cI")
LONGEST_TICK_NS = 2**32 - 1
LARGE = 8192
"""Frames of more bytes are packed by zlib, and their kind is the small letter."""


class SessionRefused(Exception):
    """A session that can't be read; the text is one sentence naming the remedy."""


class Header(Record, frozen=True):
    """What a session began with. `products` is a digest of the product table."""

    format: int
    session: str
    desk: str
    started_ns: int
    limits: CoreLimits
    products: str


class Decided(Record, frozen=True):
    """What one input led to: a digest of all effects, their names, and the copies of its commits."""

    seq: int
    digest: bytes
    effects: str
    copies: tuple[Copy, ...] = ()


class DecidedUpTo(Record, frozen=True):
    """The effects of all inputs up to number `seq` that are not in an earlier frame; an input left out had none."""

    seq: int
    decided: tuple[Decided, ...]


@dataclass(frozen=True, slots=True)
class Torn:
    """The file ends inside a frame, `lost` bytes of which are there."""

    lost: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The desk was closed in order; every decision is recorded."""


Frame = Header | ev.AnyInput | DecidedUpTo | Torn | Ended

_effects = msgspec.msgpack.Encoder(order="deterministic")


def decided(seq: int, effects: Sequence[ev.AnyEffect]) -> Decided:
    """The record of what input number `seq` led to."""
    return Decided(
        seq=seq,
        digest=hashlib.blake2b(_effects.encode(effects), digest_size=8).digest(),
        effects=" ".join(type(effect).__name__ for effect in effects),
        copies=tuple(copy for effect in effects if isinstance(effect, ev.Commit) for copy in effect.copies),
    )


def products_digest() -> str:
    """Which product table this desk has, expiry rules included."""
    read = b"".join(files("schema").joinpath(name).read_bytes() for name in ("products.toml", "expiries.toml"))
    return hashlib.sha256(read).hexdigest()[:16]


def _leaves(kind: type[Any]) -> list[type[Any]]:
    below = kind.__subclasses__()
    return [leaf for each in below for leaf in _leaves(each)] if below else [kind]


@cache
def _decoders() -> tuple[msgspec.msgpack.Decoder[Any], ...]:
    inputs: Any = Union[tuple([*_leaves(ev.Input), *_leaves(venue.Event)])]  # noqa: UP007 - made at run time
    return tuple(msgspec.msgpack.Decoder(kind) for kind in (Header, inputs, DecidedUpTo))


def read_header(path: Path) -> Header:
    """How a session began. Raises SessionRefused."""
    frames = read(path)
    try:
        first = next(frames, None)
    finally:
        frames.close()
    if not isinstance(first, Header):
        raise SessionRefused(
            f"{path.name}: it is not a recorded session; choose one that `copydesk replay --list` shows."
        )
    return first


def read(path: Path) -> Generator[Frame]:
    """The frames of a session in the order they were written. Raises SessionRefused when it can't be read, or was
    recorded by a desk that spoke of other things."""
    headers, inputs, decisions = _decoders()
    tick_ns = 0
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            while head := file.read(FRAME.size):
                if len(head) < FRAME.size:
                    yield Torn(len(head))
                    return
                kind, length = FRAME.unpack(head)
                if kind == TICK:
                    tick_ns += length
                    yield ev.Tick(at_ns=tick_ns)
                    continue
                if length > size - file.tell():
                    yield Torn(len(head) + size - file.tell())
                    return
                body = file.read(length)
                if kind.islower():
                    kind, body = kind.upper(), zlib.decompress(body)
                if kind == INPUT:
                    event = inputs.decode(body)
                    if type(event) is ev.Tick:
                        tick_ns = event.at_ns
                    yield event
                elif kind == DECIDED:
                    yield decisions.decode(body)
                elif kind == HEADER:
                    yield _checked(path, headers.decode(body))
                elif kind == END:
                    yield Ended()
                else:
                    raise SessionRefused(f"{path.name}: it is damaged at byte {file.tell() - length}; choose another.")
    except OSError as error:
        raise SessionRefused(f"{path.name}: it can't be read ({error.strerror}); check its permissions.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, zlib.error):
        raise SessionRefused(
            f"{path.name}: it can't be understood: it is damaged, or another version of the desk recorded it; choose "
            "another one."
        ) from None


def _checked(path: Path, header: Header) -> Header:
    if header.format != FORMAT:
        raise SessionRefused(
            f"{path.name}: it has format {header.format}, this desk reads {FORMAT}; use the desk that recorded it."
        )
    return header


def sessions(folder: Path) -> list[Path]:
    """The recorded sessions of a state directory, oldest first."""
    return sorted((folder / "sessions").glob(f"*{ENDING}"))
