"""Bytes of Binance's public streams and REST answers to records, and requests to bytes (`docs/binance.md` 4, 5, 7).

Pure. Prices and sizes come as texts and leave as finite floats; what can't be read raises Unreadable and nothing else.
"""

import math
from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation
from typing import TypeVar

import msgspec

from brokers.binance import SOURCE
from brokers.text import clean
from schema.market import Aggressor, DepthChanged, DepthSnapshot, Interval, IntervalKind, Levels, QuoteChanged, Trade
from schema.records import Bar

MS = 1_000_000
INTERVALS = {
    1: "1s", 60: "1m", 180: "3m", 300: "5m", 900: "15m", 1800: "30m", 3600: "1h", 7200: "2h", 14_400: "4h",
    21_600: "6h", 28_800: "8h", 43_200: "12h", 86_400: "1d", 259_200: "3d", 604_800: "1w",
}  # fmt: skip
"""Seconds of a candle -> the venue's name for it; months have no fixed length."""


class Unreadable(Exception):
    """A message that is not as the page says; the text says what is wrong with it, cleaned."""


class TradeEvent(msgspec.Struct, frozen=True, gc=False):
    symbol: str = msgspec.field(name="s")
    trade_id: int = msgspec.field(name="t")
    price: float = msgspec.field(name="p")
    size: float = msgspec.field(name="q")
    traded_ms: int = msgspec.field(name="T")
    event_ms: int = msgspec.field(name="E")
    buyer_made: bool = msgspec.field(name="m")


class QuoteEvent(msgspec.Struct, frozen=True, gc=False):
    number: int = msgspec.field(name="u")
    symbol: str = msgspec.field(name="s")
    bid: float = msgspec.field(name="b")
    bid_size: float = msgspec.field(name="B")
    ask: float = msgspec.field(name="a")
    ask_size: float = msgspec.field(name="A")


class Level(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Whatever follows the two is to be ignored."""

    price: float
    size: float


class DepthEvent(msgspec.Struct, frozen=True):
    symbol: str = msgspec.field(name="s")
    event_ms: int = msgspec.field(name="E")
    first: int = msgspec.field(name="U")
    last: int = msgspec.field(name="u")
    bids: list[Level] = msgspec.field(name="b")
    asks: list[Level] = msgspec.field(name="a")


class Shutdown(msgspec.Struct, frozen=True):
    """The server will end soon."""

    event_ms: int = msgspec.field(name="E", default=0)


class Answer(msgspec.Struct, frozen=True):
    """The answer to a request; `error` is the venue's words, empty when it was done."""

    id: int | str | None
    error: str = ""


class DepthAnswer(msgspec.Struct, frozen=True, rename="camel"):
    last_update_id: int
    bids: list[Level]
    asks: list[Level]


class TradeRow(msgspec.Struct, frozen=True, rename="camel", gc=False):
    id: int
    price: float
    qty: float
    time: int
    is_buyer_maker: bool


class AggregateRow(msgspec.Struct, frozen=True, gc=False):
    first: int = msgspec.field(name="f")
    traded_ms: int = msgspec.field(name="T")


class KlineRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    open_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float


class Limit(msgspec.Struct, frozen=True, rename="camel"):
    rate_limit_type: str
    interval: str
    interval_num: int
    limit: int


class Filter(msgspec.Struct, frozen=True, rename="camel"):
    filter_type: str
    tick_size: str = "0"
    step_size: str = "0"


class SymbolRow(msgspec.Struct, frozen=True):
    symbol: str
    status: str = "TRADING"
    filters: list[Filter] = []

    def step(self, filter_type: str) -> Decimal:
        """The tick of PRICE_FILTER or the lot of LOT_SIZE; 0 when the venue names none."""
        for each in self.filters:
            if each.filter_type == filter_type:
                try:
                    return Decimal(each.tick_size if filter_type == "PRICE_FILTER" else each.step_size).normalize()
                except InvalidOperation:
                    raise Unreadable(f"{self.symbol}: a {filter_type} that is no number") from None
        return Decimal(0)


class ExchangeInfo(msgspec.Struct, frozen=True, rename="camel"):
    symbols: list[SymbolRow]
    rate_limits: list[Limit] = []


class _Refusal(msgspec.Struct, frozen=True):
    code: int = 0
    msg: str = ""


class _Frame(msgspec.Struct, frozen=True):
    """Any text frame: an event in its wrapping, an answer, or an error."""

    stream: str | None = None
    e: str | None = None
    data: msgspec.Raw = msgspec.Raw(b"")
    id: int | str | None = None
    code: int | None = None
    msg: str = ""
    error: _Refusal | None = None
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_Answer = TypeVar("_Answer")
Message = TradeEvent | QuoteEvent | DepthEvent | Shutdown | Answer

_frame = msgspec.json.Decoder(_Frame)
_trade = msgspec.json.Decoder(TradeEvent, strict=False)
_quote = msgspec.json.Decoder(QuoteEvent, strict=False)
_depth = msgspec.json.Decoder(DepthEvent, strict=False)
_shutdown = msgspec.json.Decoder(Shutdown, strict=False)
_snapshot = msgspec.json.Decoder(DepthAnswer, strict=False)
_trades = msgspec.json.Decoder(list[TradeRow], strict=False)
_aggregates = msgspec.json.Decoder(list[AggregateRow], strict=False)
_klines = msgspec.json.Decoder(list[KlineRow], strict=False)
_listing = msgspec.json.Decoder(ExchangeInfo)
_refusal = msgspec.json.Decoder(_Refusal)


def parse(data: bytes) -> Message | None:
    """One frame of a combined connection; None for a stream that the feed does not read. Raises Unreadable."""
    try:
        frame = _frame.decode(data)
        if frame.stream is not None:
            return _event(frame.stream, frame.data)
        if frame.error is not None:
            return Answer(frame.id, _said(frame.error.code, frame.error.msg))
        if frame.code is not None:
            return Answer(frame.id, _said(frame.code, frame.msg))
        if frame.result is not msgspec.UNSET:
            return Answer(frame.id)
        if frame.e == "serverShutdown":
            return Shutdown()
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise Unreadable(clean(str(error), 200)) from None
    raise Unreadable("neither an event nor an answer")


def _event(stream: str, data: msgspec.Raw) -> Message | None:
    if stream == "!serverShutdown":
        return _shutdown.decode(data)
    _, _, kind = stream.partition("@")
    if kind == "trade":
        trade = _trade.decode(data)
        _positive(trade.price, trade.size)
        _numbers(trade.trade_id, trade.traded_ms, trade.event_ms)
        return trade
    if kind == "bookTicker":
        quote = _quote.decode(data)
        _finite((quote.bid, quote.bid_size, quote.ask, quote.ask_size))
        _numbers(quote.number)
        return quote
    if kind in ("depth", "depth@100ms"):
        depth = _depth.decode(data)
        _check_levels(depth.bids, depth.asks)
        _numbers(depth.first, depth.last, depth.event_ms)
        if depth.first > depth.last:
            raise Unreadable(f"a depth update from {depth.first} to {depth.last}")
        return depth
    return None


def _finite(values: Iterable[float]) -> None:
    if not all(0 <= value < math.inf for value in values):
        raise Unreadable("a price or quantity that is none")


def _positive(price: float, size: float) -> None:
    if not (0 < price < math.inf and 0 < size < math.inf):
        raise Unreadable("a trade without a price or a quantity")


def _numbers(*numbers: int) -> None:
    if min(numbers) < 0 or max(numbers) >= 1 << 62:
        raise Unreadable("a number or time that is none")


def _check_levels(*sides: list[Level]) -> None:
    for side in sides:
        for level in side:
            if not (0 < level.price < math.inf and 0 <= level.size < math.inf):
                raise Unreadable("a level without a price or a quantity")


def _said(code: int, msg: str) -> str:
    return f"{clean(msg)} ({code})"


def request(method: str, streams: Sequence[str], number: int) -> str:
    """SUBSCRIBE or UNSUBSCRIBE as it is sent."""
    return msgspec.json.encode({"method": method, "params": list(streams), "id": number}).decode()


# --- records -----------------------------------------------------------------------------------------------------


def trade_of(event: TradeEvent, received_ns: int) -> Trade:
    return Trade(
        source=SOURCE,
        symbol=event.symbol,
        ts_ns=event.traded_ms * MS,
        received_ns=received_ns,
        seq=event.trade_id,
        price=event.price,
        size=event.size,
        aggressor=Aggressor.SELL if event.buyer_made else Aggressor.BUY,
        trade_id=str(event.trade_id),
    )


def quote_of(event: QuoteEvent, received_ns: int) -> QuoteChanged:
    """The venue gives a quote no time: it is told with ours."""
    return QuoteChanged(
        source=SOURCE,
        symbol=event.symbol,
        ts_ns=received_ns,
        received_ns=received_ns,
        seq=event.number,
        bid=event.bid,
        bid_size=event.bid_size,
        ask=event.ask,
        ask_size=event.ask_size,
    )


def depth_of(event: DepthEvent, received_ns: int) -> DepthChanged:
    return DepthChanged(
        source=SOURCE,
        symbol=event.symbol,
        ts_ns=event.event_ms * MS,
        received_ns=received_ns,
        first_seq=event.first,
        seq=event.last,
        bids=_levels(event.bids, -1),
        asks=_levels(event.asks, 1),
    )


def snapshot_of(symbol: str, answer: DepthAnswer, ts_ns: int, received_ns: int) -> DepthSnapshot:
    """The venue gives a snapshot no time: `ts_ns` is the newest that is known of the symbol."""
    return DepthSnapshot(
        source=SOURCE,
        symbol=symbol,
        ts_ns=ts_ns,
        received_ns=received_ns,
        seq=answer.last_update_id,
        bids=_levels(answer.bids, -1),
        asks=_levels(answer.asks, 1),
    )


def _levels(levels: list[Level], sign: int) -> Levels:
    return tuple(sorted(((level.price, level.size) for level in levels), key=lambda level: level[0] * sign))


# --- REST answers ------------------------------------------------------------------------------------------------


def read_depth(data: bytes) -> DepthAnswer:
    answer = _read(_snapshot, data)
    _check_levels(answer.bids, answer.asks)
    _numbers(answer.last_update_id)
    return answer


def read_trades(symbol: str, data: bytes, received_ns: int) -> list[Trade]:
    """A page of trades, by their numbers upwards."""
    rows = _read(_trades, data)
    found: list[Trade] = []
    for row in rows:
        _positive(row.price, row.qty)
        _numbers(row.id, row.time)
        event = TradeEvent(symbol, row.id, row.price, row.qty, row.time, row.time, row.is_buyer_maker)
        found.append(trade_of(event, received_ns))
    return sorted(found, key=lambda trade: trade.seq)


def read_aggregates(data: bytes) -> list[AggregateRow]:
    """Those that are marked invalid are left out."""
    return [row for row in _read(_aggregates, data) if row.first >= 0]


def read_klines(symbol: str, data: bytes) -> list[Bar]:
    bars: list[Bar] = []
    for row in _read(_klines, data):
        _finite((row.open, row.high, row.low, row.close, row.volume))
        _numbers(row.open_ms)
        bars.append(Bar(symbol, row.open_ms * MS, row.open, row.high, row.low, row.close, row.volume))
    return sorted(bars, key=lambda bar: bar.start_ns)


def read_listing(data: bytes) -> ExchangeInfo:
    return _read(_listing, data)


def read_refusal(data: bytes) -> str:
    """The venue's words in an error answer; empty when there are none."""
    try:
        refusal = _refusal.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""
    return _said(refusal.code, refusal.msg) if refusal.msg else ""


def interval_name(interval: Interval) -> str:
    """The venue's name of an interval. Raises ValueError naming those it has."""
    name = INTERVALS.get(interval.count) if interval.kind is IntervalKind.TIME else None
    if name is None:
        raise ValueError(f"{SOURCE} has no candles of {interval}; it has {', '.join(INTERVALS.values())}.")
    return name


def _read(decoder: msgspec.json.Decoder[_Answer], data: bytes) -> _Answer:
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise Unreadable(clean(str(error), 200)) from None
