"""Quotes over the market hub and bars over HTTP; both live and die apart from the order stream. `adapter.py` owns one.
Depth and trades of what is followed are `market_stream.py`'s.

`protocols/projectx.md 2.4, 2.5, 2.7`: a quote after the first names only what changed; bars have a budget of their own.
"""

import asyncio
from datetime import timedelta

import msgspec
import stamina
import structlog

from brokers.adapter import BarsUpdated, QuoteUpdated, RequestRefused, VenueError
from brokers.amounts import time_ns
from brokers.projectx import wire
from brokers.projectx.connection import Backoff, Connection
from brokers.projectx.hubs import Hub, HubLost, HubRefused
from brokers.projectx.market_stream import DEPTH, SUBSCRIBE, TRADES, MarketStream
from brokers.projectx.translate import quoted, symbol_of
from brokers.telling import MarketPulse
from brokers.text import NOT_READ, clean
from schema.clock import to_datetime
from schema.market import FeedHealth
from schema.records import Bar, Quote

log = structlog.get_logger()
_UNITS = ((86_400, 4), (3_600, 3), (60, 2), (1, 1))
_WEEKEND = timedelta(days=4)
_NEWEST = 2
_QUOTES, _SUBSCRIBE_QUOTES = "GatewayQuote", "SubscribeContractQuotes"


class Watch(msgspec.Struct, frozen=True):
    symbol: str
    interval_s: int
    history: int


class MarketData:
    """What is watched, and the hub that feeds it. Its troubles are logged and never raised."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._watches: dict[tuple[str, int], Watch] = {}
        self._told: set[tuple[str, int]] = set()
        self._pulse = MarketPulse(connection.config.connection, connection.clock)
        self._stream = MarketStream(connection, self._pulse)
        self._quotes: dict[str, Quote] = {}
        self._wanted = asyncio.Event()
        self._hub: Hub | None = None
        self._backoff = Backoff(connection.settings.reconnect_cap_s, connection.random)

    async def watch(self, watch: Watch) -> None:
        """Register, and subscribe at once when the hub is up. Raises RequestRefused for bars that do not exist."""
        if watch.interval_s < 1:
            raise RequestRefused(f"bars of {watch.interval_s} s do not exist: use 1 s or more")
        key = (watch.symbol, watch.interval_s)
        if key in self._watches:
            return
        self._watches[key] = watch
        self._want()
        if self._hub is not None:
            await self._subscribe(self._hub, _SUBSCRIBE_QUOTES, watch.symbol)

    async def follow(self, symbol: str) -> None:
        """As `watch`, for depth and trades."""
        if not self._stream.add(symbol):
            return
        self._want()
        if self._hub is not None:
            for what in SUBSCRIBE:
                await self._subscribe(self._hub, what, symbol)

    def _want(self) -> None:
        self._pulse.wanted()
        self._wanted.set()

    def health(self) -> FeedHealth | None:
        """`TellsMarket.market_health`."""
        if self._hub is not None:
            self._pulse.heard(self._hub.last_message_ns)
        return self._pulse.health()

    async def run(self) -> None:
        """Hold the hub up and the bars new from the first watch on, for as long as the login lasts."""
        await self._wanted.wait()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_bars())
            async for attempt in stamina.retry_context(on=self._again, attempts=None, timeout=None):
                with attempt:
                    await self._live_once()

    def _again(self, error: BaseException) -> bool | float:
        if not isinstance(error, Exception):
            return False  # stamina asks for cancellation too
        # A refused login is the order stream's to tell; market data just waits for whatever comes.
        return self._backoff(error) or self._connection.settings.reconnect_cap_s

    # --- quotes ----------------------------------------------------------------------------------------------------

    async def _live_once(self) -> None:
        connection, timing = self._connection, self._connection.timing
        hub = Hub(connection.urls.market_hub, connection.clock, self._on_message, self._on_unreadable)
        loop = asyncio.get_running_loop()
        try:
            await hub.open(await connection.login.fresh())
            generation, pinged_s = connection.login.generation, loop.time()
            self._stream.begin()
            asked: set[tuple[str, str]] = set()
            while left := self._subscriptions() - asked:
                for what, symbol in left:  # more may be wanted meanwhile
                    await self._subscribe(hub, what, symbol)
                asked |= left
            self._hub = hub
            self._backoff.steady()
            self._pulse.up()
            while not hub.lost.done():
                await asyncio.wait([hub.lost], timeout=timing.check_s)
                if connection.login.generation != generation:
                    raise HubLost("the login has a new token")
                if (connection.clock.now_ns() - hub.last_message_ns) / 1e9 > timing.dead_s:
                    raise HubLost("the venue says nothing more")
                if loop.time() - pinged_s >= timing.ping_s:
                    pinged_s = loop.time()
                    await hub.ping()
            raise HubLost(hub.lost.result())
        except (HubLost, VenueError) as error:
            log.warning("market data down", connection=connection.config.connection, reason=clean(str(error)))
            raise
        finally:
            self._pulse.heard(hub.last_message_ns)
            self._pulse.down()
            self._hub = None
            await hub.close()

    def _subscriptions(self) -> set[tuple[str, str]]:
        quotes = {(_SUBSCRIBE_QUOTES, watch.symbol) for watch in self._watches.values()}
        return quotes | {(what, symbol) for symbol in self._stream.symbols for what in SUBSCRIBE}

    async def _subscribe(self, hub: Hub, what: str, symbol: str) -> None:
        try:
            await hub.invoke(what, self._connection.contract_ids[symbol])
        except HubRefused as refused:
            log.warning(
                "market data refused",
                connection=self._connection.config.connection,
                symbol=symbol,
                what=what,
                reason=str(refused),
            )

    def _on_message(self, message: wire.HubMessage, record: str, now_ns: int) -> None:
        if message.target == "GatewayLogout" and self._hub is not None:
            self._hub.lose("the venue ended the session (GatewayLogout)")
        if message.target not in (_QUOTES, TRADES, DEPTH):
            return
        try:
            contract_id, data = message.arguments
            contract = msgspec.json.decode(contract_id, type=str)
            if message.target != _QUOTES:
                self._stream.take(message.target, contract, list(wire.rows(data)), now_ns)
                return
            for row in wire.rows(data):
                self._tell(contract, wire.read(row, wire.Quote), now_ns)
        except (*NOT_READ, ValueError) as error:
            self._on_unreadable(record, str(error), now_ns)

    def _tell(self, contract_id: str, change: wire.Quote, now_ns: int) -> None:
        """What is not in a change stays as it was. The venue gives no sizes. Raises UnknownContract."""
        symbol = symbol_of(contract_id)
        before = self._quotes.get(symbol) or Quote(symbol=symbol)
        after = Quote(
            symbol=symbol,
            bid=before.bid if change.best_bid is None else quoted(change.best_bid, contract_id),
            ask=before.ask if change.best_ask is None else quoted(change.best_ask, contract_id),
            last=before.last if change.last_price is None else quoted(change.last_price, contract_id),
            venue_ns=time_ns(change.timestamp),
        )
        self._quotes[symbol] = after
        self._pulse.said(after.venue_ns, now_ns)
        self._connection.emit(
            QuoteUpdated(connection=self._connection.config.connection, received_ns=now_ns, quote=after)
        )

    def _on_unreadable(self, raw: str, error: str, now_ns: int) -> None:
        """A lost tick is not worth an event: the next one carries the price."""
        self._pulse.dropped += 1
        connection = self._connection.config.connection
        log.warning("market data unreadable", connection=connection, error=clean(error), size=len(raw))

    # --- bars --------------------------------------------------------------------------------------------------------

    async def _keep_bars(self) -> None:
        while True:
            for key, watch in list(self._watches.items()):
                try:
                    await self._ask_bars(watch, _NEWEST if key in self._told else watch.history)
                    self._told.add(key)
                except VenueError as error:
                    connection = self._connection.config.connection
                    log.warning("bars not read", connection=connection, symbol=watch.symbol, reason=clean(str(error)))
            await asyncio.sleep(self._connection.timing.bars_s)

    async def _ask_bars(self, watch: Watch, count: int) -> None:
        connection = self._connection
        unit, number = unit_of(watch.interval_s)
        now = to_datetime(connection.clock.now_ns())
        body: dict[str, object] = {
            "contractId": connection.contract_ids[watch.symbol],
            "live": False,
            "startTime": (now - timedelta(seconds=watch.interval_s * count) - _WEEKEND).isoformat(),
            "endTime": (now + timedelta(minutes=1)).isoformat(),
            "unit": unit,
            "unitNumber": number,
            "limit": max(1, count),
            "includePartialBar": True,
        }
        answer = await connection.rest.read("History/retrieveBars", body)
        contract_id = connection.contract_ids[watch.symbol]
        bars = sorted(
            (bar_of(watch.symbol, contract_id, bar) for bar in answer.bars or ()), key=lambda bar: bar.start_ns
        )
        if bars:
            connection.emit(
                BarsUpdated(
                    connection=connection.config.connection,
                    received_ns=connection.clock.now_ns(),
                    symbol=watch.symbol,
                    interval_s=watch.interval_s,
                    bars=tuple(bars),
                )
            )


def unit_of(interval_s: int) -> tuple[int, int]:
    """How the venue says an interval: its code of the largest unit that fits, and how many of it."""
    unit_s, unit = next(each for each in _UNITS if interval_s % each[0] == 0)
    return unit, interval_s // unit_s


def bar_of(symbol: str, contract_id: str, bar: wire.Bar) -> Bar:
    low, high = quoted(bar.l, contract_id), quoted(bar.h, contract_id)
    opened, closed = quoted(bar.o, contract_id), quoted(bar.c, contract_id)
    return Bar(symbol=symbol, start_ns=time_ns(bar.t), open=opened, high=high, low=low, close=closed, volume=bar.v)
