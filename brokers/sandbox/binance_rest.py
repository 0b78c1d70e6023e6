"""The REST endpoints of the Binance door (`docs/binance.md` 7). Made by `binance_door.py`."""

import asyncio
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

import msgspec
from aiohttp import web

from brokers.sandbox.binance_limits import Limits, Refusal
from brokers.sandbox.binance_tape import INTERVALS, MS, Kline, SymbolMarket, Traded, following, quantity
from brokers.sandbox.doors import House
from brokers.sandbox.settings import BinanceSettings

LOGIN = "binance"
"""What faults and counters call this door: it has no logins."""
_DEPTH_WEIGHTS = ((100, 5), (500, 25), (1000, 50))
_DEEPEST_WEIGHT = 250
_WEIGHTS = {"exchangeInfo": 20, "trades": 25, "historicalTrades": 25, "aggTrades": 4, "klines": 2, "ping": 1, "time": 1}
_ZONE = re.compile(r"([+-]?)(\d{1,2})(?::(\d{2}))?")
_CHECK_S = 0.05
_MOST_ROWS = 1_000
_encode = msgspec.json.Encoder().encode


class BadRequest(Exception):
    """A request that the venue refuses, with its code."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class BinanceRest:
    """See the module's docstring."""

    def __init__(
        self, house: House, settings: BinanceSettings, limits: Limits, markets: Mapping[str, SymbolMarket]
    ) -> None:
        self._house = house
        self._settings = settings
        self._limits = limits
        self._markets = markets
        self._routes: dict[str, Callable[[Mapping[str, str]], Any]] = {
            "ping": lambda _: {},
            "time": lambda _: {"serverTime": self._now_ms()},
            "exchangeInfo": self._exchange_info,
            "depth": self._depth,
            "trades": self._trades,
            "historicalTrades": self._historical_trades,
            "aggTrades": self._aggregates,
            "klines": self._klines,
        }

    async def serve(self, request: web.Request) -> web.StreamResponse:
        endpoint, house = request.match_info["endpoint"], self._house
        if endpoint not in self._routes:
            return web.Response(status=404)
        if request.method != "GET":
            return web.Response(status=405, headers={"Allow": "GET"})
        house.count(LOGIN, endpoint)
        address = request.remote or ""
        if house.faults.throttles.take(LOGIN):
            return self._refuse(address, self._limits.throttled(address))
        if (refusal := self._limits.request(address, self._weight(endpoint, request.query))) is not None:
            return self._refuse(address, refusal)
        while left_s := house.faults.left_s(house.faults.hanging_until_ns, LOGIN):  # noqa: ASYNC110 - the end moves
            await asyncio.sleep(min(left_s, _CHECK_S))
        if delay_s := house.faults.delay_s(LOGIN):
            await asyncio.sleep(delay_s)
        try:
            answer = self._routes[endpoint](request.query)
        except BadRequest as bad:
            return self._say(address, 400, {"code": bad.code, "msg": str(bad)})
        if isinstance(answer, list) and house.faults.left_s(house.faults.empty_until_ns, LOGIN):
            answer = []
        return self._say(address, 200, answer)

    def _say(self, address: str, status: int, answer: Any) -> web.Response:
        used = str(self._limits.used(address))
        headers = {"X-MBX-USED-WEIGHT": used, "X-MBX-USED-WEIGHT-1M": used}
        return web.Response(status=status, body=_encode(answer), content_type="application/json", headers=headers)

    def _refuse(self, address: str, refusal: Refusal) -> web.Response:
        answer = self._say(address, refusal.status, {"code": -1003, "msg": refusal.text})
        answer.headers["Retry-After"] = str(refusal.retry_after_s)
        return answer

    def _weight(self, endpoint: str, query: Mapping[str, str]) -> int:
        if endpoint != "depth":
            return _WEIGHTS[endpoint]
        asked = query.get("limit", "100")
        limit = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 9 else 100
        return next((weight for up_to, weight in _DEPTH_WEIGHTS if limit <= up_to), _DEEPEST_WEIGHT)

    def _now_ms(self) -> int:
        return self._house.market.now_ns // MS

    # --- endpoints ---------------------------------------------------------------------------------------------------

    def _exchange_info(self, query: Mapping[str, str]) -> dict[str, Any]:
        if "symbol" in query and "symbols" in query:
            raise BadRequest(-1128, "Combination of optional parameters invalid.")
        wanted = list(self._markets)
        if "symbol" in query:
            wanted = [query["symbol"]]
        elif "symbols" in query:
            try:
                wanted = msgspec.json.decode(unquote(query["symbols"]), type=list[str])
            except msgspec.MsgspecError:
                raise BadRequest(-1100, "Illegal characters found in parameter 'symbols'.") from None
        if any(symbol not in self._markets for symbol in wanted):
            raise BadRequest(-1121, "Invalid symbol.")
        return {
            "timezone": "UTC",
            "serverTime": self._now_ms(),
            "rateLimits": [
                _limit("REQUEST_WEIGHT", 1, self._settings.weight),
                _limit("RAW_REQUESTS", 5, 61_000),
            ],
            "exchangeFilters": [],
            "symbols": [_listed(self._markets[symbol]) for symbol in wanted],
        }

    def _depth(self, query: Mapping[str, str]) -> dict[str, Any]:
        market = self._market(query)
        limit = min(_whole(query, "limit", 100) or 0, 5_000)
        if limit < 1:
            raise BadRequest(-1130, "Data sent for parameter 'limit' is not valid.")
        market.catch_up()
        return {
            "lastUpdateId": market.number,
            "bids": [market.level(*level) for level in market.side(1, limit)],
            "asks": [market.level(*level) for level in market.side(-1, limit)],
        }

    def _trades(self, query: Mapping[str, str]) -> list[Any]:
        market, limit = self._market(query), _rows(query)
        return [_trade(market, trade) for trade in market.newest(limit)]

    def _historical_trades(self, query: Mapping[str, str]) -> list[Any]:
        market, limit, from_id = self._market(query), _rows(query), _whole(query, "fromId")
        found = market.newest(limit) if from_id is None else market.trades_from(from_id, limit)
        return [_trade(market, trade) for trade in found]

    def _aggregates(self, query: Mapping[str, str]) -> list[Any]:
        """Every print of the sandbox is one taker's trade at one price, and so its own aggregate."""
        market, limit, from_id = self._market(query), _rows(query), _whole(query, "fromId")
        start_ms, end_ms = _whole(query, "startTime"), _whole(query, "endTime")
        if from_id is not None and (start_ms is not None or end_ms is not None):
            raise BadRequest(-1128, "Combination of optional parameters invalid.")
        if from_id is not None:
            found = market.trades_from(from_id, limit)
        else:
            found = market.trades_between(start_ms, end_ms, limit)
        return [aggregate(market, trade) for trade in found]

    def _klines(self, query: Mapping[str, str]) -> list[Any]:
        market, limit = self._market(query), _rows(query)
        interval = query.get("interval", "")
        if not interval:
            raise _missing("interval")
        if interval not in INTERVALS:
            raise BadRequest(-1120, "Invalid interval.")
        start_ms, end_ms = _whole(query, "startTime"), _whole(query, "endTime")
        shift_ms = _zone_ms(query.get("timeZone", "0"))
        found = market.klines(interval, start_ms, end_ms, limit, shift_ms)
        return [_kline(market, kline, following(interval, kline.start_ms, shift_ms)) for kline in found]

    def _market(self, query: Mapping[str, str]) -> SymbolMarket:
        symbol = query.get("symbol", "")
        if not symbol:
            raise _missing("symbol")
        if symbol not in self._markets:
            raise BadRequest(-1121, "Invalid symbol.")
        self._markets[symbol].catch_up()
        return self._markets[symbol]


def _missing(name: str) -> BadRequest:
    return BadRequest(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def _whole(query: Mapping[str, str], name: str, usual: int | None = None) -> int | None:
    if name not in query:
        return usual
    text = query[name]
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise BadRequest(-1100, f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'.")
    return int(text)


def _rows(query: Mapping[str, str]) -> int:
    limit = _whole(query, "limit", 500) or 0
    if limit < 1:
        raise BadRequest(-1130, "Data sent for parameter 'limit' is not valid.")
    return min(limit, _MOST_ROWS)


def _zone_ms(text: str) -> int:
    found = _ZONE.fullmatch(text)
    minutes = int(found[2]) * 60 + int(found[3] or 0) if found else 0
    minutes = -minutes if found and found[1] == "-" else minutes
    if found is None or not -720 <= minutes <= 840:
        raise BadRequest(-1130, "Data sent for parameter 'timeZone' is not valid.")
    return minutes * 60_000


def _limit(kind: str, minutes: int, limit: int) -> dict[str, Any]:
    return {"rateLimitType": kind, "interval": "MINUTE", "intervalNum": minutes, "limit": limit}


def _listed(market: SymbolMarket) -> dict[str, Any]:
    tick = f"{market.contract.product.tick_size:.8f}"
    return {
        "symbol": market.symbol,
        "status": "TRADING",
        "baseAsset": market.contract.product.root,
        "baseAssetPrecision": 8,
        "quoteAsset": "USDT",
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "orderTypes": ["LIMIT", "MARKET"],
        "isSpotTradingAllowed": True,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000.00000000", "tickSize": tick},
            {
                "filterType": "LOT_SIZE",
                "minQty": quantity(1),
                "maxQty": quantity(100_000),
                "stepSize": quantity(1),
            },
        ],
        "permissions": ["SPOT"],
    }


def _trade(market: SymbolMarket, trade: Traded) -> dict[str, Any]:
    return {
        "id": trade.trade_id,
        "price": market.price(trade.ticks),
        "qty": quantity(trade.qty),
        "quoteQty": market.money(trade.ticks * trade.qty),
        "time": trade.at_ms,
        "isBuyerMaker": trade.seller,
        "isBestMatch": True,
    }


def aggregate(market: SymbolMarket, trade: Traded) -> dict[str, Any]:
    """As REST and the stream have it alike."""
    return {
        "a": trade.trade_id,
        "p": market.price(trade.ticks),
        "q": quantity(trade.qty),
        "f": trade.trade_id,
        "l": trade.trade_id,
        "T": trade.at_ms,
        "m": trade.seller,
        "M": True,
    }


def _kline(market: SymbolMarket, kline: Kline, next_ms: int) -> list[Any]:
    return [
        kline.start_ms,
        market.price(kline.open),
        market.price(kline.high),
        market.price(kline.low),
        market.price(kline.close),
        quantity(kline.qty),
        next_ms - 1,
        market.money(kline.quote),
        kline.count,
        quantity(kline.taker_qty),
        market.money(kline.taker_quote),
        "0",
    ]
