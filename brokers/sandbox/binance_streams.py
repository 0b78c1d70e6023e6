"""What the Binance door's streams say: the market's events as payloads, to every connection that has their stream
(`docs/binance.md` 5). `binance_door.py` calls `pump`, so many times a second."""

import re
from collections.abc import Iterable, Mapping
from random import Random
from typing import Any

import msgspec

from brokers.sandbox.binance_rest import LOGIN, aggregate
from brokers.sandbox.binance_socket import BinanceSocket
from brokers.sandbox.binance_tape import INTERVALS, MS, Kline, SymbolMarket, Traded, following, quantity
from brokers.sandbox.doors import House
from brokers.sandbox.settings import BinanceSettings

_NS = 1_000_000_000
_PARTIAL = re.compile(r"depth(5|10|20)")
_SLOW = 10  # the 1000 ms streams, in depth_s
_encode = msgspec.json.Encoder().encode
Event = tuple[str, bytes]
"""(stream, payload)"""


class _Cursor:
    """How far one symbol has been told."""

    def __init__(self, market: SymbolMarket) -> None:
        self.trade_id = market.last_trade_id
        self.touch: tuple[Any, ...] = ()
        self.numbers = {"depth": market.number, "depth@100ms": market.number}
        self.klines: dict[str, tuple[int, int]] = {}


class Streams:
    """See the module's docstring."""

    def __init__(self, house: House, settings: BinanceSettings, markets: Mapping[str, SymbolMarket]) -> None:
        self._house = house
        self._settings = settings
        self._markets = markets
        self._random: Random = house.random("binance streams")
        self._cursors = {symbol: _Cursor(market) for symbol, market in markets.items()}
        self._due_ns: dict[str, int] = {}

    def begin(self) -> None:
        """What has happened by now is told to nobody."""
        for symbol, market in self._markets.items():
            market.catch_up()
            self._cursors[symbol] = _Cursor(market)

    def pump(self, sockets: Iterable[BinanceSocket]) -> None:
        """Tell every connection what has happened since the last time."""
        listening = list(sockets)
        wanted = {stream for socket in listening for stream in socket.streams}
        due = {kind for kind in ("depth", "depth@100ms", "1s", "klines") if self._is_due(kind)}
        events: list[Event] = []
        for symbol, market in self._markets.items():
            market.catch_up()
            name = symbol.lower()
            kinds = {stream.partition("@")[2] for stream in wanted if stream.partition("@")[0] == name}
            events += [(f"{name}@{kind}", payload) for kind, payload in self._of_symbol(market, kinds, due)]
        faults = self._house.faults
        if faults.events_of(LOGIN).reorder:
            self._random.shuffle(events)
        for socket in listening:
            for stream, payload in events:
                if stream in socket.streams and not faults.loses_fill(LOGIN):
                    socket.tell(stream, payload)
                    if faults.tells_twice(LOGIN):
                        socket.tell(stream, payload)

    def shutdown(self, socket: BinanceSocket) -> None:
        """Say that the server will end."""
        socket.tell("!serverShutdown", _encode({"e": "serverShutdown", "E": self._now_ms()}))

    # --- inside ------------------------------------------------------------------------------------------------------

    def _is_due(self, kind: str) -> bool:
        settings, now_ns = self._settings, self._house.clock.now_ns()
        every_s = {
            "depth": settings.depth_s * _SLOW,
            "depth@100ms": settings.depth_s,
            "1s": settings.kline_s,
            "klines": settings.kline_s * 2,
        }[kind]
        if now_ns < self._due_ns.get(kind, 0):
            return False
        self._due_ns[kind] = now_ns + round(every_s * _NS)
        return True

    def _now_ms(self) -> int:
        return self._house.market.now_ns // MS

    def _of_symbol(self, market: SymbolMarket, kinds: set[str], due: set[str]) -> list[tuple[str, bytes]]:
        """(kind, payload) of what one symbol's streams say now."""
        cursor, now_ms, told = self._cursors[market.symbol], self._now_ms(), list[tuple[str, bytes]]()
        fresh = market.trades_from(cursor.trade_id + 1, market.last_trade_id - cursor.trade_id)
        cursor.trade_id = market.last_trade_id
        for trade in fresh if kinds & {"trade", "aggTrade"} else ():
            told.append(("trade", _trade(market, trade, now_ms)))
            whole = {"e": "aggTrade", "E": now_ms, "s": market.symbol} | aggregate(market, trade)
            told.append(("aggTrade", _encode(whole)))
        if "bookTicker" in kinds:
            told += self._touch(market, cursor)
        for kind in ("depth", "depth@100ms"):
            if kind in due:
                told += self._depth(market, cursor, kind, kinds, now_ms)
        for kind in sorted(kinds):
            interval = kind.removeprefix("kline_")
            if kind != interval and interval in INTERVALS and ("1s" if interval == "1s" else "klines") in due:
                told += self._klines(market, cursor, interval, now_ms)
        return told

    def _touch(self, market: SymbolMarket, cursor: _Cursor) -> list[tuple[str, bytes]]:
        bids, asks = market.side(1, 1), market.side(-1, 1)
        now = (*bids, *asks)
        if now == cursor.touch or not bids or not asks:
            return []
        cursor.touch = now
        payload = {
            "u": market.number,
            "s": market.symbol,
            "b": market.price(bids[0][0]),
            "B": quantity(bids[0][1]),
            "a": market.price(asks[0][0]),
            "A": quantity(asks[0][1]),
        }
        return [("bookTicker", _encode(payload))]

    def _depth(
        self, market: SymbolMarket, cursor: _Cursor, speed: str, kinds: set[str], now_ms: int
    ) -> list[tuple[str, bytes]]:
        first, cursor.numbers[speed] = cursor.numbers[speed] + 1, market.number
        if first > market.number:
            return []
        wide, told = self._settings.three_wide_levels, list[tuple[str, bytes]]()
        if speed in kinds:
            changed = market.changed(first)
            sides = {
                sign: [
                    market.level(ticks, size, three_wide=wide) for (of, ticks), size in changed.items() if of == sign
                ]
                for sign in (1, -1)
            }
            payload = {
                "e": "depthUpdate",
                "E": now_ms,
                "s": market.symbol,
                "U": first,
                "u": market.number,
                "b": sides[1],
                "a": sides[-1],
            }
            told.append((speed, _encode(payload)))
        for kind in kinds:
            name, _, rate = kind.partition("@")
            found = _PARTIAL.fullmatch(name)
            if found and (rate == "100ms") == (speed == "depth@100ms"):
                told.append((kind, _encode(self._partial(market, int(found[1])))))
        return told

    def _partial(self, market: SymbolMarket, levels: int) -> dict[str, Any]:
        wide = self._settings.three_wide_levels
        return {
            "lastUpdateId": market.number,
            "bids": [market.level(*level, three_wide=wide) for level in market.side(1, levels)],
            "asks": [market.level(*level, three_wide=wide) for level in market.side(-1, levels)],
        }

    def _klines(self, market: SymbolMarket, cursor: _Cursor, interval: str, now_ms: int) -> list[tuple[str, bytes]]:
        """The newest candle where it changed, and the last word on one that has closed."""
        newest = market.klines(interval, None, None, 2)
        told_start, told_count = cursor.klines.get(interval, (-1, -1))
        told: list[tuple[str, bytes]] = []
        for kline in newest:
            changed = (kline.start_ms, kline.count) != (told_start, told_count)
            closes = kline.start_ms == told_start and kline is not newest[-1]
            if kline is newest[-1] and not changed:
                continue
            if kline is newest[-1] or closes:
                told.append((f"kline_{interval}", _kline(market, kline, interval, now_ms, closed=closes)))
        if newest:
            cursor.klines[interval] = (newest[-1].start_ms, newest[-1].count)
        return told


def _trade(market: SymbolMarket, trade: Traded, now_ms: int) -> bytes:
    payload = {
        "e": "trade",
        "E": now_ms,
        "s": market.symbol,
        "t": trade.trade_id,
        "p": market.price(trade.ticks),
        "q": quantity(trade.qty),
        "T": trade.at_ms,
        "m": trade.seller,
        "M": True,
    }
    return _encode(payload)


def _kline(market: SymbolMarket, kline: Kline, interval: str, now_ms: int, *, closed: bool) -> bytes:
    candle = {
        "t": kline.start_ms,
        "T": following(interval, kline.start_ms) - 1,
        "s": market.symbol,
        "i": interval,
        "f": kline.first_id,
        "L": kline.last_id,
        "o": market.price(kline.open),
        "c": market.price(kline.close),
        "h": market.price(kline.high),
        "l": market.price(kline.low),
        "v": quantity(kline.qty),
        "n": kline.count,
        "x": closed,
        "q": market.money(kline.quote),
        "V": quantity(kline.taker_qty),
        "Q": market.money(kline.taker_quote),
        "B": "0",
    }
    return _encode({"e": "kline", "E": now_ms, "s": market.symbol, "k": candle})
