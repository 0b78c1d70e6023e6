"""The page's payloads are read as the page says, and nothing that is not one brings the reader down."""

import contextlib
import json
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.binance import wire
from schema.market import Aggressor, Interval
from schema.records import Bar
from tests.brokers.binance.page import combined, payload

NOW_NS = 1_672_515_782_200_000_000


def test_a_trade_says_price_size_number_and_who_crossed() -> None:
    event = wire.parse(combined("bnbbtc@trade", payload("<s>@trade")))
    assert isinstance(event, wire.TradeEvent)
    trade = wire.trade_of(event, NOW_NS)
    assert (trade.symbol, trade.price, trade.size, trade.trade_id, trade.seq) == (
        "BNBBTC",
        0.001,
        100.0,
        "12345",
        12345,
    )
    assert (trade.ts_ns, trade.received_ns) == (1_672_515_782_136_000_000, NOW_NS)
    assert trade.aggressor is Aggressor.SELL  # the buyer was the maker


def test_a_quote_says_both_sides_and_its_number() -> None:
    event = wire.parse(combined("bnbusdt@bookTicker", payload("<s>@bookTicker")))
    assert isinstance(event, wire.QuoteEvent)
    quote = wire.quote_of(event, NOW_NS)
    assert (quote.bid, quote.bid_size, quote.ask, quote.ask_size) == (25.3519, 31.21, 25.3652, 40.66)
    assert (quote.symbol, quote.seq, quote.ts_ns) == ("BNBUSDT", 400900217, NOW_NS)


@pytest.mark.parametrize("stream", ["bnbbtc@depth", "bnbbtc@depth@100ms"])
def test_a_depth_update_says_its_range_and_new_totals(stream: str) -> None:
    event = wire.parse(combined(stream, payload("<s>@depth")))
    assert isinstance(event, wire.DepthEvent)
    depth = wire.depth_of(event, NOW_NS)
    assert (depth.first_seq, depth.seq, depth.bids, depth.asks) == (157, 160, ((0.0024, 10.0),), ((0.0026, 100.0),))


def test_a_level_may_have_a_third_element_to_ignore() -> None:
    data = payload("<s>@depth").replace(b'["0.0024","10"]', b'["0.0024","10",[]],["0.0025","0",[]]')
    event = wire.parse(combined("bnbbtc@depth", data))
    assert isinstance(event, wire.DepthEvent)
    assert wire.depth_of(event, NOW_NS).bids == ((0.0025, 0.0), (0.0024, 10.0))  # from the best outwards


def test_answers_and_errors_name_their_request() -> None:
    assert wire.parse(b'{"result":null,"id":312}') == wire.Answer(312)
    assert wire.parse(b'{"code": 2, "msg": "Invalid request: too many parameters"}') == wire.Answer(
        None, "Invalid request: too many parameters (2)"
    )
    assert wire.parse(b'{"error":{"code":0,"msg":"Unknown property"},"id":7}') == wire.Answer(7, "Unknown property (0)")


def test_a_shutdown_is_known_and_a_stream_that_is_not_read_is_none() -> None:
    data = b'{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770123456789}}'
    assert wire.parse(data) == wire.Shutdown(1770123456789)
    assert wire.parse(b'{"e":"serverShutdown","E":1770123456789}') == wire.Shutdown()
    assert wire.parse(combined("bnbbtc@aggTrade", payload("<s>@aggTrade"))) is None


def test_rest_answers_are_read() -> None:
    depth = wire.read_depth(payload("/api/v3/depth"))
    assert (depth.last_update_id, depth.bids, depth.asks) == (
        1027024,
        [wire.Level(4.0, 431.0)],
        [wire.Level(4.000002, 12.0)],
    )
    (trade,) = wire.read_trades("BNBBTC", payload("/api/v3/trades"), NOW_NS)
    assert (trade.trade_id, trade.price, trade.size, trade.aggressor) == ("28457", 4.000001, 12.0, Aggressor.SELL)
    (row,) = wire.read_aggregates(payload("/api/v3/aggTrades"))
    assert (row.first, row.traded_ms) == (27781, 1498793709153)
    assert wire.read_klines("BNBBTC", payload("/api/v3/klines")) == [
        Bar("BNBBTC", 1499040000000 * wire.MS, 0.0163479, 0.8, 0.015758, 0.015771, 148976.11427815)
    ]


def test_the_listing_says_tick_and_lot() -> None:
    symbol = (
        b'{"symbol":"ETHBTC","status":"TRADING","filters":['
        b'{"filterType":"PRICE_FILTER","minPrice":"0.00000100","maxPrice":"100000.00000000","tickSize":"0.00000100"},'
        b'{"filterType":"LOT_SIZE","minQty":"0.00100000","maxQty":"100000.00000000","stepSize":"0.00100000"}]}'
    )
    limit = b'{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":6000}'
    info = wire.read_listing(b'{"rateLimits":[%b],"symbols":[%b]}' % (limit, symbol))
    assert info.symbols[0].step("PRICE_FILTER") == Decimal("0.000001")
    assert info.symbols[0].step("LOT_SIZE") == Decimal("0.001")
    assert info.rate_limits[0].limit == 6000


@pytest.mark.parametrize(
    "wrong",
    [
        {"p": "nan"}, {"p": "inf"}, {"p": "-1"}, {"p": "0"}, {"q": "0"}, {"q": ""}, {"p": None}, {"t": -1},
        {"t": "x"}, {"T": 1 << 63}, {"m": "maybe"}, {"s": 5},
    ],
)  # fmt: skip
def test_a_trade_that_is_none_is_unreadable(wrong: dict[str, object]) -> None:
    data = json.dumps(json.loads(payload("<s>@trade")) | wrong).encode()
    with pytest.raises(wire.Unreadable):
        wire.parse(combined("bnbbtc@trade", data))


def test_an_interval_the_venue_has_not_is_refused_by_name() -> None:
    assert wire.interval_name(Interval.parse("15m")) == "15m"
    assert wire.interval_name(Interval.parse("1d")) == "1d"
    for text in ("7m", "500t", "1000v"):
        with pytest.raises(ValueError, match=rf"binance has no candles of {text}; it has 1s, 1m"):
            wire.interval_name(Interval.parse(text))


KINDS = ("trade", "bookTicker", "depth", "depth@100ms", "depth5", "kline_1m", "")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("etspqTEmuUbaBA"), inner, max_size=8),
    max_leaves=24,
)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_unreadable(data: bytes) -> None:
    with contextlib.suppress(wire.Unreadable):
        wire.parse(data)
    for read in (wire.read_depth, wire.read_listing, wire.read_aggregates):
        with contextlib.suppress(wire.Unreadable):
            read(data)
    assert isinstance(wire.read_refusal(data), str)


@given(st.sampled_from(KINDS), JSON)
def test_any_json_in_a_stream_is_read_or_unreadable(kind: str, data: object) -> None:
    raw = msgspec.json.encode({"stream": f"bnbbtc@{kind}", "data": data})
    try:
        message = wire.parse(raw)
    except wire.Unreadable:
        return
    if isinstance(message, wire.TradeEvent):
        assert wire.trade_of(message, NOW_NS).price > 0
    elif isinstance(message, wire.DepthEvent):
        assert wire.depth_of(message, NOW_NS).seq >= message.first


@given(
    st.sampled_from(("<s>@trade", "<s>@bookTicker", "<s>@depth")),
    st.integers(min_value=0, max_value=400),
    st.integers(min_value=0, max_value=255),
)
def test_a_damaged_payload_never_gets_through_as_an_infinite_price(cell: str, at: int, byte: int) -> None:
    data = bytearray(combined(f"bnbbtc@{cell[4:]}", payload(cell)))
    data[at % len(data)] = byte
    try:
        message = wire.parse(bytes(data))
    except wire.Unreadable:
        return
    if isinstance(message, wire.TradeEvent):
        assert 0 < message.price < float("inf")
