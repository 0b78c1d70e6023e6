"""The seat protocol as bytes: what a desk and a seat in another process say to each other over a Unix socket.

`engine/door.py` speaks the desk's side, `engine/remote.py` the seat's; pure. A frame is four bytes of length (big
endian) and so much MessagePack: an array whose first element names the message. A seat says `Hello` and hears `Welcome`
or `Bye`. It follows topics: of each comes one `Whole`, then `Changed`, numbered; whoever finds a number missing throws
the topic away and follows it again. What it asks of the desk is an `Ask`, the method's name and arguments as
`engine/seat.py` declares them, answered by `Answer` or `Refusal` of the same id, in any order. What it listens to of
the market comes as `Told`: the newest state each time, so that a number that was passed over is no loss.
"""

import hashlib
import inspect
from collections.abc import Callable, Iterator
from enum import StrEnum
from functools import cache
from typing import Any, get_type_hints

import msgspec

from engine.market.shown import BookShown, SessionShown, TapeShown, Truth
from engine.row_changes import Items, Runs, difference
from engine.seat import (
    AccountRow,
    AlertRow,
    Candles,
    CopyRow,
    OrderRow,
    PositionRow,
    Row,
    Seat,
    StatusRow,
    Topic,
    View,
    WatchlistRow,
)
from engine.shown import ConnectionShown, CopyTimes, DriftRow, PostgresShown, ProcessShown, StageShown
from schema.layouts import UserLayouts
from schema.market import FeedHealth
from schema.records import Bar, Quote
from schema.watchlists import SavedFilter

VERSION = 1
LONGEST_FRAME = 16 * 2**20
READS = frozenset({"export", "find_symbols", "open_positions", "preview", "report", "sizing", "stored_bars", "why"})
"""What a viewer may ask: it changes nothing at the desk and asks nothing of a venue."""
ROWS: dict[Topic, Any] = {
    Topic.ACCOUNTS: AccountRow,
    Topic.ORDERS: OrderRow,
    Topic.POSITIONS: PositionRow,
    Topic.COPIES: CopyRow,
    Topic.CANDLES: Bar,  # behind their `Candles`, which comes without bars
    Topic.ALERTS: AlertRow,
    Topic.STATUS: StatusRow,
    Topic.WATCHLISTS: WatchlistRow,
    Topic.FILTERS: SavedFilter,
    Topic.LAYOUTS: UserLayouts,
    Topic.FEEDS: FeedHealth,
    Topic.DEPTH: BookShown,
    Topic.TAPE: TapeShown | SessionShown,
    Topic.TRUTH: Truth,
    Topic.DRIFT: DriftRow,
    Topic.HEALTH: ProcessShown | PostgresShown | ConnectionShown,
    Topic.LATENCY: StageShown | CopyTimes,
}


class SeatRole(StrEnum):
    """What a seat may do. It is the seat that says so: a safety catch, as whoever may open the socket is the trader."""

    TRADER = "trader"
    VIEWER = "viewer"


class MarketKind(StrEnum):
    """What of a symbol's market is listened to; depth and tape are what panes see of the chart's symbol."""

    QUOTE = "quote"
    DEPTH = "depth"
    TAPE = "tape"


Shown = Quote | BookShown | TapeShown | None
"""None: nothing is known yet."""


class Message(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """Base of every message."""


# --- what a seat says ----------------------------------------------------------------------------------------------


class Hello(Message, frozen=True):
    """`shape` is `shape()` of a seat that reads rows and asks; empty of one that only listens to the market."""

    version: int
    role: SeatRole
    shape: str = ""


class Follow(Message, frozen=True):
    """Send these topics, each whole at first; again whole for one that is followed already."""

    topics: tuple[Topic, ...]


class Listen(Message, frozen=True):
    """Tell of these symbols' market from now on, beginning with what is known."""

    kind: MarketKind
    symbols: tuple[str, ...]


class Unlisten(Message, frozen=True):
    kind: MarketKind
    symbols: tuple[str, ...]


class Ask(Message, frozen=True):
    """A method of the seat; `arguments` are all of its arguments in order."""

    id: int
    method: str
    arguments: msgspec.Raw


FromSeat = Hello | Follow | Listen | Unlisten | Ask


# --- what the desk says --------------------------------------------------------------------------------------------


class Welcome(Message, frozen=True):
    desk: str


class Bye(Message, frozen=True):
    """The last word before the desk closes a connection, one sentence."""

    reason: str


class Whole(Message, frozen=True):
    """A topic as it stood at `number`. `head` is the chart without its bars, which are the rows of CANDLES."""

    topic: Topic
    number: int
    rows: msgspec.Raw
    head: Candles | None = None


class Changed(Message, frozen=True):
    """What makes the topic's rows of `number` - 1 those of `number` (`engine/row_changes.py`); `rows` are the fresh."""

    topic: Topic
    number: int
    runs: Runs
    rows: msgspec.Raw
    head: Candles | None = None


class Answer(Message, frozen=True):
    id: int
    value: msgspec.Raw


class Refusal(Message, frozen=True):
    """The desk will not, or it failed; one sentence."""

    id: int
    text: str


class Told(Message, frozen=True):
    """A symbol's market at `at_ns` (the desk's clock, ns)."""

    kind: MarketKind
    symbol: str
    number: int
    at_ns: int
    shown: msgspec.Raw


class NotTold(Message, frozen=True):
    """A symbol that will not be told of, one sentence."""

    kind: MarketKind
    symbol: str
    reason: str


FromDesk = Welcome | Bye | Whole | Changed | Answer | Refusal | Told | NotTold

_encoder = msgspec.msgpack.Encoder()
encode = _encoder.encode
decode_from_seat: Callable[[bytes], FromSeat] = msgspec.msgpack.Decoder(FromSeat).decode
decode_from_desk: Callable[[bytes], FromDesk] = msgspec.msgpack.Decoder(FromDesk).decode
_rows_decoders: dict[Topic, msgspec.msgpack.Decoder[tuple[Any, ...]]] = {
    topic: msgspec.msgpack.Decoder(tuple[row, ...]) for topic, row in ROWS.items()
}
_shown_decoders: dict[MarketKind, msgspec.msgpack.Decoder[Any]] = {
    MarketKind.QUOTE: msgspec.msgpack.Decoder(Quote | None),
    MarketKind.DEPTH: msgspec.msgpack.Decoder(BookShown | None),
    MarketKind.TAPE: msgspec.msgpack.Decoder(TapeShown | None),
}


class BadFrame(ValueError):
    """Bytes that are no frame of this protocol."""


def frame(message: FromSeat | FromDesk) -> bytes:
    """A message with its length before it."""
    body = encode(message)
    return len(body).to_bytes(4, "big") + body


class Frames:
    """Cuts what a socket brings into the bodies of frames."""

    def __init__(self, longest: int = LONGEST_FRAME) -> None:
        self._longest = longest
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The frames that are whole by now. Raises BadFrame."""
        self._rest += data
        at = 0
        try:
            while len(self._rest) - at >= 4:
                length = int.from_bytes(self._rest[at : at + 4], "big")
                if length > self._longest:
                    raise BadFrame(f"a frame of {length} bytes is too long")
                if len(self._rest) - at - 4 < length:
                    break
                body = bytes(self._rest[at + 4 : at + 4 + length])
                at += 4 + length
                yield body
        finally:
            del self._rest[:at]


# --- methods -------------------------------------------------------------------------------------------------------


class Method:
    """One method of the seat, as `engine/seat.py` declares it."""

    def __init__(self, name: str) -> None:
        declared = getattr(Seat, name)
        hints = get_type_hints(declared)
        names = [each for each in inspect.signature(declared).parameters if each != "self"]
        self.name = name
        self._arguments = msgspec.msgpack.Decoder(tuple[tuple(hints[each] for each in names)] if names else tuple[()])
        self._value = msgspec.msgpack.Decoder(hints["return"])

    def arguments(self, raw: msgspec.Raw) -> tuple[Any, ...]:
        """Raises msgspec.MsgspecError, whose text may hold a secret."""
        return self._arguments.decode(raw)

    def value(self, raw: msgspec.Raw) -> Any:
        return self._value.decode(raw)


METHODS = {name: Method(name) for name, each in vars(Seat).items() if inspect.iscoroutinefunction(each)}


@cache
def shape() -> str:
    """A mark of every field that rows, arguments and answers have: a field that the other side does not know would be
    dropped without a word, and it may be the limit that the trader chose."""
    asked = [hint for name in METHODS for hint in get_type_hints(getattr(Seat, name)).values()]
    known = msgspec.inspect.multi_type_info([FromSeat, FromDesk, *ROWS.values(), *asked])
    return hashlib.blake2s(repr(known).encode(), digest_size=8).hexdigest()


# --- topics and the market -----------------------------------------------------------------------------------------


def items_of(view: View) -> tuple[Candles | None, Items]:
    """A view as it travels: the rows, or a chart without its bars and the bars."""
    if view.topic is not Topic.CANDLES or not view.rows:
        return None, view.rows
    (chart,) = view.rows
    assert isinstance(chart, Candles)
    return msgspec.structs.replace(chart, bars=()), chart.bars


def rows_of(head: Candles | None, items: Items) -> tuple[Row, ...]:
    """The rows of what travelled."""
    return items if head is None else (msgspec.structs.replace(head, bars=items),)


def decode_rows(topic: Topic, raw: msgspec.Raw) -> Items:
    return _rows_decoders[topic].decode(raw)


def decode_shown(told: Told) -> Shown:
    return _shown_decoders[told.kind].decode(told.shown)


def raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(encode(value))


def whole(topic: Topic, number: int, head: Candles | None, items: Items) -> bytes:
    return frame(Whole(topic, number, raw(items), head))


def changed(topic: Topic, number: int, old: Items, head: Candles | None, items: Items) -> bytes:
    runs, fresh = difference(old, items)
    return frame(Changed(topic, number, runs, raw(fresh), head))
