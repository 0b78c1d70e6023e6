"""Quotes and bars over the market data socket, which lives and dies apart from the order stream. `adapter.py` owns
one; it runs from the first `watch` or `follow` on (`protocols/tradovate.md 1.7`). Depth and trades of what is followed
are `market_stream.py`'s."""

import asyncio
from collections.abc import Callable
from functools import partial

import msgspec
import stamina
import structlog
from msgspec import field

from brokers.adapter import BarsUpdated, QuoteUpdated, RequestRefused, VenueError
from brokers.amounts import time_ns
from brokers.text import NOT_READ
from brokers.tradovate import wire
from brokers.tradovate.connection import Connection
from brokers.tradovate.market_stream import Dom, Followed, MarketStream, Ticks, requests
from brokers.tradovate.session import Backoff, first_of
from brokers.tradovate.socket import StreamLost, VenueSocket, error_words, handshake_gate, open_socket
from schema.records import Bar, Quote

log = structlog.get_logger()
_ENDPOINTS = {
    "quotes": "md/subscribequote",
    "depth": "md/subscribedom",
    "bars": "md/getchart",
    "ticks": "md/getchart",
}
UNCLAIMED_CHARTS = 64  # packets that overtook the answer naming their ids


class _PriceSize(msgspec.Struct, frozen=True, gc=False):
    price: float | None = None
    size: float | None = None  # fractional sizes exist (`1.6 e`)


class _Entries(msgspec.Struct, frozen=True, gc=False):
    bid: _PriceSize | None = field(name="Bid", default=None)
    offer: _PriceSize | None = field(name="Offer", default=None)
    trade: _PriceSize | None = field(name="Trade", default=None)


class _WireQuote(msgspec.Struct, rename="camel", frozen=True, gc=False):
    contract_id: int
    entries: _Entries
    timestamp: str | None = None


class _MarketEvent(msgspec.Struct, frozen=True):
    quotes: list[_WireQuote] = []
    doms: list[Dom] = []


class _WireBar(msgspec.Struct, rename="camel", frozen=True, gc=False):
    timestamp: str
    open: float
    high: float
    low: float
    close: float
    up_volume: float = 0
    down_volume: float = 0


class _Chart(Ticks, frozen=True, kw_only=True):
    id: int
    bars: list[_WireBar] = msgspec.field(default_factory=list[_WireBar])


class _ChartEvent(msgspec.Struct, frozen=True):
    charts: list[_Chart] = []


class _ChartIds(msgspec.Struct, rename="camel", frozen=True):
    historical_id: int | None = None
    realtime_id: int | None = None
    subscription_id: int | None = None
    error_text: str | None = None


class _Subscribe(msgspec.Struct):
    symbol: str


class _ChartDescription(msgspec.Struct, rename="camel"):
    element_size: int
    underlying_type: str = "MinuteBar"
    element_size_unit: str = "UnderlyingUnits"
    with_histogram: bool = False


class _TimeRange(msgspec.Struct, rename="camel"):
    as_much_as_elements: int


class _GetChart(msgspec.Struct, rename="camel"):
    symbol: str
    chart_description: _ChartDescription
    time_range: _TimeRange


class Watch(msgspec.Struct, frozen=True):
    symbol: str
    interval_s: int
    history: int


_Draw = Callable[[_Chart, int], None]
"""Takes a packet of one chart, and when it came."""

_market_event = msgspec.json.Decoder(_MarketEvent)
_chart_event = msgspec.json.Decoder(_ChartEvent)
_chart_ids = msgspec.json.Decoder(_ChartIds)


class MarketData:
    """What is watched, and the socket that feeds it. Its troubles are logged and never raised."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._watches: dict[tuple[str, int], Watch] = {}
        self._quoted: set[str] = set()  # symbols subscribed on the present socket
        self._charts: dict[int, _Draw] = {}  # by the historical and real-time ids of the present socket
        self._stream = MarketStream(connection)
        self._unclaimed: dict[int, list[_Chart]] = {}
        self._quotes: dict[str, Quote] = {}
        self._wanted = asyncio.Event()
        self._socket: VenueSocket | None = None
        self._backoff = Backoff(connection.settings.reconnect_cap_s, connection.random)

    async def watch(self, watch: Watch) -> None:
        """Register, and subscribe at once when the socket is up. Raises RequestRefused where there is no market data
        or no such bar."""
        self._must_have_url()
        if watch.interval_s <= 0 or watch.interval_s % 60:
            raise RequestRefused(f"bars of {watch.interval_s} s do not exist here: use a multiple of 60 s")
        key = (watch.symbol, watch.interval_s)
        if key in self._watches:
            return
        self._watches[key] = watch
        self._wanted.set()
        if self._socket is not None:
            await self._subscribe(self._socket, watch)

    async def follow(self, symbol: str) -> None:
        """As `watch`, for depth and trades."""
        self._must_have_url()
        if symbol in self._stream.followed:
            return
        of = self._stream.followed[symbol] = Followed(symbol)
        self._wanted.set()
        if self._socket is not None:
            await self._follow(self._socket, of)

    def _must_have_url(self) -> None:
        if not self._connection.urls.market_data:
            raise RequestRefused(
                f"connection {self._connection.config.connection} has its own rest_url but no md_url: "
                "set md_url to watch a market"
            )

    async def run(self) -> None:
        """Hold the socket up from the first of them on, for as long as the login lasts."""
        await self._wanted.wait()
        async for attempt in stamina.retry_context(on=self._again, attempts=None, timeout=None):
            with attempt:
                await self._live_once()

    def _again(self, error: BaseException) -> bool | float:
        if not isinstance(error, Exception):
            return False  # stamina asks for cancellation too
        # A refused login is the order stream's to tell; market data just waits for whatever comes.
        return self._backoff(error) or self._connection.settings.reconnect_cap_s

    async def _live_once(self) -> None:
        connection = self._connection
        error: Exception = StreamLost("")
        try:
            await connection.login.fresh()
            generation = connection.login.generation
            try:
                async with handshake_gate(connection.urls.market_data):
                    connection.budget.spend()
                    socket = await open_socket(
                        connection.http.session,
                        connection.urls.market_data,
                        connection.login.market_data_token,
                        connection.clock,
                    )
            except StreamLost as lost:
                if lost.status == 401:
                    await connection.login.renewed(generation)
                raise
            async with asyncio.TaskGroup() as group:
                self._quoted, self._charts, self._unclaimed = set(), {}, {}
                group.create_task(socket.serve(self._on_event, self._on_unreadable))
                self._stream.begin()
                asked: set[Watch | Followed] = set()
                while left := {*self._watches.values(), *self._stream.followed.values()} - asked:
                    for each in left:  # more may be wanted meanwhile
                        await (self._subscribe(socket, each) if isinstance(each, Watch) else self._follow(socket, each))
                    asked |= left
                self._socket = socket
                self._backoff.steady()
        except BaseExceptionGroup as group_error:
            error = first_of(group_error)
            if not isinstance(error, StreamLost | VenueError):
                # A fault of ours in market data must not end the login: log it with its trace and start afresh.
                log.error("market data failed", connection=connection.config.connection, exc_info=group_error)
                error = StreamLost("the desk could not process market data; it subscribes again")
        except (StreamLost, VenueError) as plain:
            error = plain
        finally:
            self._socket = None
        log.warning("market data down", connection=connection.config.connection, reason=wire.clean(str(error)))
        raise error

    async def _subscribe(self, socket: VenueSocket, watch: Watch) -> None:
        """Quotes once per symbol, bars once per symbol and interval."""

        if watch.symbol not in self._quoted:
            self._quoted.add(watch.symbol)
            await self._ask(socket, watch.symbol, "quotes", wire.encode(_Subscribe(watch.symbol)))
        chart = _GetChart(
            symbol=watch.symbol,
            chart_description=_ChartDescription(element_size=watch.interval_s // 60),
            time_range=_TimeRange(as_much_as_elements=watch.history),
        )
        await self._ask(socket, watch.symbol, "bars", wire.encode(chart), partial(self._tell_bars, watch))

    async def _follow(self, socket: VenueSocket, of: Followed) -> None:
        depth, ticks = requests(of.symbol, self._stream.wanted(of))
        await self._ask(socket, of.symbol, "depth", depth)
        await self._ask(socket, of.symbol, "ticks", ticks, partial(self._stream.ticks, of))

    async def _ask(self, socket: VenueSocket, symbol: str, what: str, body: bytes, draw: _Draw | None = None) -> None:
        """Subscribe to one thing of a symbol; `draw` takes the packets of a chart."""

        def on_answer(envelope: wire.Envelope | None, now_ns: int) -> None:
            if envelope is None:
                return
            if draw is not None:
                self._claim(symbol, what, draw, envelope, now_ns)
            elif envelope.s != 200:
                self._refused(symbol, what, error_words(envelope) or str(envelope.s))

        self._connection.budget.spend()
        await socket.request(_ENDPOINTS[what], on_answer, body=body)

    def _refused(self, symbol: str, what: str, words: str) -> None:
        log.warning(
            "market data refused",
            connection=self._connection.config.connection,
            symbol=symbol,
            what=what,
            reason=words,
        )

    def _claim(self, symbol: str, what: str, draw: _Draw, envelope: wire.Envelope, now_ns: int) -> None:
        try:
            ids = _chart_ids.decode(envelope.d) if envelope.s == 200 else _ChartIds(error_text=error_words(envelope))
        except NOT_READ:
            ids = _ChartIds(error_text="the answer cannot be read")
        mine = {ids.historical_id, ids.realtime_id, ids.subscription_id} - {None}
        if not mine:
            self._refused(symbol, what, wire.clean(ids.error_text or "no chart id"))
        for chart_id in mine:
            assert chart_id is not None
            self._charts[chart_id] = draw
            for chart in self._unclaimed.pop(chart_id, ()):
                draw(chart, now_ns)

    def _on_event(self, envelope: wire.Envelope, now_ns: int) -> None:
        try:
            if envelope.e == "md":
                told = _market_event.decode(envelope.d)
                for quote in told.quotes:
                    self._tell_quote(quote, now_ns)
                for dom in told.doms:
                    self._stream.dom(dom, now_ns)
            elif envelope.e == "chart":
                for chart in _chart_event.decode(envelope.d).charts:
                    self._on_chart(chart, now_ns)
            elif envelope.e == "shutdown":
                raise StreamLost("the venue shuts market data down")
        except NOT_READ as error:
            self._on_unreadable(bytes(envelope.d), str(error), now_ns)

    def _on_unreadable(self, raw: bytes, error: str, now_ns: int) -> None:
        """A lost quote is not worth an event: the next one carries the price."""
        self._stream.tear()
        log.warning(
            "market data unreadable",
            connection=self._connection.config.connection,
            error=wire.clean(error),
            size=len(raw),
        )

    def _on_chart(self, chart: _Chart, now_ns: int) -> None:
        draw = self._charts.get(chart.id)
        if draw is not None:
            draw(chart, now_ns)
        elif len(self._unclaimed) < UNCLAIMED_CHARTS:
            self._unclaimed.setdefault(chart.id, []).append(chart)

    def _tell_bars(self, watch: Watch, chart: _Chart, now_ns: int) -> None:
        if not chart.bars:
            return
        bars = sorted(
            (
                Bar(
                    symbol=watch.symbol,
                    start_ns=time_ns(bar.timestamp),
                    open=bar.open,
                    high=bar.high,
                    low=bar.low,
                    close=bar.close,
                    volume=bar.up_volume + bar.down_volume,
                )
                for bar in chart.bars
            ),
            key=lambda bar: bar.start_ns,
        )
        self._connection.emit(
            BarsUpdated(
                connection=self._connection.config.connection,
                received_ns=now_ns,
                symbol=watch.symbol,
                interval_s=watch.interval_s,
                bars=tuple(bars),
            )
        )

    def _tell_quote(self, quote: _WireQuote, now_ns: int) -> None:
        """Entries are partial: what is not in this one stays as it was."""
        symbol = self._connection.directory.symbols.get(quote.contract_id)
        if symbol is None:
            return
        before = self._quotes.get(symbol) or Quote(symbol=symbol)
        bid, offer, trade = quote.entries.bid, quote.entries.offer, quote.entries.trade
        after = Quote(
            symbol=symbol,
            bid=before.bid if bid is None else bid.price,
            bid_size=before.bid_size if bid is None else bid.size,
            ask=before.ask if offer is None else offer.price,
            ask_size=before.ask_size if offer is None else offer.size,
            last=before.last if trade is None else trade.price,
            last_size=before.last_size if trade is None else trade.size,
            venue_ns=time_ns(quote.timestamp),
        )
        self._quotes[symbol] = after
        self._connection.emit(
            QuoteUpdated(connection=self._connection.config.connection, received_ns=now_ns, quote=after)
        )
