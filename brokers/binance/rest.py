"""The venue's REST endpoints: paced by weight, asked again when that helps, one sentence when it does not
(`docs/binance.md` 7). `feed.py`, `history.py` and `listing.py` call it."""

import math

import aiohttp
import stamina
import structlog

from brokers.binance import SOURCE, wire
from brokers.binance.limits import Limits, Weights
from brokers.feed import FeedDown
from brokers.text import clean
from schema.clock import Clock
from schema.market import Trade
from schema.records import Bar

_DEPTH_WEIGHTS = ((100, 5), (500, 25), (1000, 50), (5000, 250))
_TRADES_WEIGHT, _AGGREGATES_WEIGHT, _KLINES_WEIGHT, _LISTING_WEIGHT = 25, 4, 2, 20
_LONGEST_BAN_S = 3 * 24 * 3600.0
_TOO_MANY = {
    403: ("keeps this address out", 120.0),
    418: ("bans this address", 120.0),
    429: ("says too many requests", 60.0),
}
"""What these answers say, and for how many seconds nothing is asked where the venue names no time."""
log = structlog.get_logger(__name__)


class _Again(Exception):
    """Asking once more may help."""


class Rest:
    """One pool of connections to `base_url`, and the weight that its address has left."""

    def __init__(self, base_url: str, clock: Clock, limits: Limits) -> None:
        self.weights = Weights(limits.weight_share)
        self.requests = 0
        self._base = base_url.rstrip("/")
        self._clock = clock
        self._limits = limits
        self._http: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._http is not None:
            await self._http.close()
            self._http = None

    async def listing(self) -> wire.ExchangeInfo:
        """Raises FeedDown, as every method here does."""
        info = wire.read_listing(await self._get("exchangeInfo", _LISTING_WEIGHT, {}))
        for limit in info.rate_limits:
            if (limit.rate_limit_type, limit.interval, limit.interval_num) == ("REQUEST_WEIGHT", "MINUTE", 1):
                self.weights.per_min = limit.limit
        return info

    async def depth(self, symbol: str) -> wire.DepthAnswer:
        levels = self._limits.snapshot_levels
        weight = next(weight for up_to, weight in _DEPTH_WEIGHTS if levels <= up_to)
        return wire.read_depth(await self._get("depth", weight, {"symbol": symbol, "limit": levels}))

    async def trades(self, symbol: str, from_id: int) -> list[Trade]:
        """Up to a page of trades from `from_id` on."""
        query = {"symbol": symbol, "fromId": from_id, "limit": self._limits.page}
        data = await self._get("historicalTrades", _TRADES_WEIGHT, query)
        return wire.read_trades(symbol, data, self._clock.now_ns())

    async def first_trade_id(self, symbol: str, since_ms: int, until_ms: int) -> int | None:
        """The number of the first trade from `since_ms` to `until_ms`; None when there was none."""
        query = {"symbol": symbol, "startTime": since_ms, "endTime": until_ms, "limit": 1}
        rows = wire.read_aggregates(await self._get("aggTrades", _AGGREGATES_WEIGHT, query))
        return rows[0].first if rows else None

    async def klines(self, symbol: str, interval: str, since_ms: int, until_ms: int) -> list[Bar]:
        """Up to a page of candles that open from `since_ms` to `until_ms`, both included."""
        query = {
            "symbol": symbol,
            "interval": interval,
            "startTime": since_ms,
            "endTime": until_ms,
            "limit": self._limits.page,
        }
        return wire.read_klines(symbol, await self._get("klines", _KLINES_WEIGHT, query))

    # --- inside ----------------------------------------------------------------------------------------------------

    async def _get(self, endpoint: str, weight: int, query: dict[str, str | int]) -> bytes:
        limits = self._limits
        try:
            async for attempt in stamina.retry_context(
                on=_Again,
                attempts=None,
                timeout=limits.give_up_s,
                wait_initial=limits.first_wait_s,
                wait_max=limits.longest_wait_s / 4,
                wait_jitter=limits.first_wait_s,
            ):
                with attempt:
                    await self.weights.spend(weight, limits.give_up_s)
                    return await self._once(endpoint, query)
        except _Again as again:
            raise FeedDown(f"{again}; asked again for {limits.give_up_s:.0f} s.") from None
        except wire.Unreadable as unreadable:
            raise FeedDown(f"{SOURCE} answered {endpoint} with what can't be read: {unreadable}.") from None
        raise AssertionError("the retries end by a return or an error")

    async def _once(self, endpoint: str, query: dict[str, str | int]) -> bytes:
        if self._http is None:
            self._http = aiohttp.ClientSession()
        self.requests += 1
        timeout = aiohttp.ClientTimeout(total=self._limits.request_s)
        url = f"{self._base}/api/v3/{endpoint}"
        try:
            async with self._http.get(url, params=query, timeout=timeout, allow_redirects=False) as answer:
                data = await answer.read()
                self._count(answer.headers.get("X-MBX-USED-WEIGHT-1M", ""))
                if answer.status == 200:
                    return data
                raise self._refusal(endpoint, answer.status, answer.headers.get("Retry-After", ""), data)
        except aiohttp.InvalidURL:
            raise FeedDown(f"binance_rest_url {self._base!r} is no address; write it as https://host.") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            why = "no answer in time" if isinstance(error, TimeoutError) else clean(str(error), 120)
            raise _Again(f"{SOURCE} can't be reached at {self._base} ({why})") from None

    def _count(self, used: str) -> None:
        if used.isascii() and used.isdigit() and len(used) < 9:
            self.weights.saw(int(used))

    def _refusal(self, endpoint: str, status: int, retry_after: str, data: bytes) -> _Again | FeedDown:
        """What an answer that is not 200 means."""
        text = wire.read_refusal(data)
        words = f": {text}" if text else ""
        if status in _TOO_MANY:
            said, usual_s = _TOO_MANY[status]
            wait_s = min(_seconds(retry_after, usual_s), _LONGEST_BAN_S)
            why = f"{SOURCE} {said} (HTTP {status}){words}"
            log.warning("feed throttled", source=SOURCE, status=status, wait_s=wait_s)
            self.weights.closed(wait_s, why)
            return _Again(why)
        if status == 451:
            return FeedDown(
                f"{SOURCE} serves nobody from here (HTTP 451): turn it off, or set binance_rest_url and "
                "binance_ws_url to an address that serves this country."
            )
        if status >= 500:
            return _Again(f"{SOURCE} fails at {endpoint} (HTTP {status}){words}")
        return FeedDown(f"{SOURCE} refuses {endpoint} (HTTP {status}){words}.")


def _seconds(text: str, usual_s: float) -> float:
    try:
        seconds = float(text)
    except ValueError:
        return usual_s
    return seconds if 0 <= seconds < math.inf else usual_s
