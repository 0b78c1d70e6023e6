"""Tradovate as a `History`: charts of the market data socket, read backwards (`protocols/tradovate.md 1.7`).

A reply ends at the time that was asked for and reaches back as far as the venue likes; the next one ends where it
began. So that what is told comes oldest first, a long time is read in windows.

`logged_in` is a login of its own without an order stream: the second of the two sessions that the venue gives a user
(`1.1`), so that a running desk keeps its own; `brokers/histories.py` opens it for the shell. A desk's adapter gives its
own market data socket.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

from brokers.adapter import AdapterSettings, Credentials, RequestRefused
from brokers.budget import RequestBudget
from brokers.feed import FeedDown
from brokers.patience import patiently
from brokers.tradovate.charts import MINUTE_BARS, TICKS, Chart, bar_of, chart_request
from brokers.tradovate.connection import Connection
from brokers.tradovate.directory import Directory
from brokers.tradovate.http import Http, addresses
from brokers.tradovate.login import Login
from brokers.tradovate.market_data import HeldBack, MarketData
from brokers.tradovate.market_stream import SOURCE, moment, told_at, trade_of
from brokers.tradovate.rest import Rest
from schema.clock import Clock
from schema.market import Interval, IntervalKind, S, Trade
from schema.records import Bar, ConnectionConfig

_MINUTE_S = 60
_MS = 1_000_000
_WINDOW = 4_000  # candles
_TRADES_NS = 3_600 * S
_BREATH = 50  # rows read in one go, well under 1 ms: no order waits for them
_LONGEST_PENALTY_S = 60.0
_PER_MIN = 120  # requests of a login of its own, of which a history may make half; a desk beside it counts its own


_Row = TypeVar("_Row", Bar, Trade)


class TradovateHistory:
    """See the module's docstring. `window` is how many candles are held at a time."""

    source = SOURCE

    def __init__(self, market: MarketData, clock: Clock, *, window: int = _WINDOW) -> None:
        self._market = market
        self._clock = clock
        self._window = window

    async def bars(
        self, symbol: str, interval: Interval, since_ns: int, until_ns: int
    ) -> AsyncIterator[tuple[Bar, ...]]:
        """The newest may still grow. Raises FeedDown, also for candles that are no whole minutes."""
        if interval.kind is not IntervalKind.TIME or interval.count % _MINUTE_S:
            raise FeedDown(f"interval: Tradovate draws no candles of {interval}; write minutes such as 1m or 4h.")
        width_ns, minutes = interval.count * S, interval.count // _MINUTE_S
        for at_ns in range(since_ns, until_ns, self._window * width_ns):
            end_ns = min(at_ns + self._window * width_ns, until_ns)
            page: dict[int, Bar] = {}
            closest_ns = end_ns - 1
            while True:
                ranged = {"closestTimestamp": moment(closest_ns), "asFarAsTimestamp": moment(at_ns)}
                packets = await self._read(symbol, ranged, kind=MINUTE_BARS, size=minutes)
                told = await _at_leisure(packets, partial(_bars_of, symbol))
                fresh = {
                    bar.start_ns: bar for bar in told if at_ns <= bar.start_ns < end_ns and bar.start_ns not in page
                }
                page |= fresh
                if not fresh or min(fresh) < at_ns + width_ns:
                    break
                closest_ns = min(fresh)
            if page:
                yield tuple(page[start_ns] for start_ns in sorted(page))

    async def trades(self, symbol: str, since_ns: int, until_ns: int) -> AsyncIterator[tuple[Trade, ...]]:
        """Each once, by the id of its tick, as far back as the venue keeps them. Raises FeedDown, also for a tick
        without a time."""
        for at_ns in range(since_ns, until_ns, _TRADES_NS):
            end_ns = min(at_ns + _TRADES_NS, until_ns)
            page: dict[str, Trade] = {}
            closest: dict[str, Any] = {"closestTimestamp": moment(end_ns + _MS)}  # ticks are told to the millisecond
            while True:
                ranged = {**closest, "asFarAsTimestamp": moment(at_ns)}
                packets = await self._read(symbol, ranged, kind=TICKS)
                told = await _at_leisure(packets, partial(_trades_of, symbol, self._clock.now_ns()))
                fresh = [each for each in told if at_ns <= each.ts_ns < end_ns and each.trade_id not in page]
                page |= {each.trade_id: each for each in fresh}
                if not fresh:
                    break
                closest = {"closestTickId": int(min(fresh, key=told_at).trade_id)}
            if page:
                yield tuple(sorted(page.values(), key=told_at))

    async def _read(self, symbol: str, ranged: dict[str, Any], *, kind: str, size: int = 1) -> list[Chart]:
        """Raises FeedDown."""
        body = chart_request(symbol, ranged, kind=kind, size=size)

        async def ask() -> list[Chart]:
            try:
                return await self._market.read_chart(body)
            except HeldBack as held:
                if held.wait_s > _LONGEST_PENALTY_S:
                    raise RequestRefused(f"{held}; it lets none through for {held.wait_s:.0f} s") from None
                await asyncio.sleep(held.wait_s)
                return await self._market.read_chart({**body, "p-ticket": held.ticket})

        return await patiently(ask)


def _bars_of(symbol: str, packet: Chart, first: int, last: int) -> list[Bar]:
    return [bar_of(symbol, bar) for bar in packet.bars[first:last]]


def _trades_of(symbol: str, now_ns: int, packet: Chart, first: int, last: int) -> list[Trade]:
    found: list[Trade] = []
    for tick in packet.tks[first:last]:
        trade = trade_of(symbol, packet, tick, now_ns)
        if trade is None:
            raise FeedDown(f"source: Tradovate told a tick of {symbol} without a time; ask for another time.")
        found.append(trade)
    return found


async def _at_leisure(packets: Sequence[Chart], rows_of: Callable[[Chart, int, int], list[_Row]]) -> list[_Row]:
    """The rows of packets, letting others have their turn between helpings."""
    found: list[_Row] = []
    for packet in packets:
        for first in range(0, max(len(packet.bars), len(packet.tks)), _BREATH):
            found += rows_of(packet, first, first + _BREATH)
            await asyncio.sleep(0)
    return found


@asynccontextmanager
async def logged_in(
    config: ConnectionConfig, credentials: Credentials, clock: Clock
) -> AsyncGenerator[TradovateHistory]:
    """The history of a login, over a socket of its own. Raises LoginRefused or VenueUnreachable."""
    urls = addresses(config)
    http, budget = Http(urls.rest), RequestBudget(clock, _PER_MIN, 0)
    login = Login(config, credentials, http, budget, clock)
    connection = Connection(
        config=config,
        settings=AdapterSettings(),
        clock=clock,
        random=random.Random(),
        emit=lambda event: None,  # only what is asked for is looked at
        urls=urls,
        http=http,
        login=login,
        rest=Rest(http, login, budget),
        budget=budget,
        directory=Directory(),
    )
    market = MarketData(connection)
    try:
        await login.log_in()
        helpers = [asyncio.create_task(login.keep_fresh()), asyncio.create_task(market.run())]
        try:  # no group: it would wrap what ends the caller
            yield TradovateHistory(market, clock)
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)
    finally:
        await login.close()
        await http.close()
