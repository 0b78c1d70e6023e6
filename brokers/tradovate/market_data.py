"""Quotes and bars over the market data socket, which lives and dies apart from the order stream. `adapter.py` owns
one; it runs from the first of its calls on (`protocols/tradovate.md 1.7`). Depth and trades of what is followed are
`market_stream.py`'s; `history.py` reads charts of the past over the same socket."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import stamina
import structlog
from msgspec import field

from brokers.adapter import BarsUpdated, QuoteUpdated, RequestRefused, RequestUnknown, VenueError, VenueUnreachable
from brokers.amounts import time_ns
from brokers.budget import Lane
from brokers.telling import MarketPulse
from brokers.text import NOT_READ
from brokers.tradovate import wire
from brokers.tradovate.charts import MINUTE_BARS, TICKS, Chart, ChartEvent, ChartIds, bar_of, chart_request
from brokers.tradovate.connection import Connection
from brokers.tradovate.entities import read_penalty
from brokers.tradovate.market_stream import Dom, Followed, MarketStream
from brokers.tradovate.session import Backoff
from brokers.tradovate.socket import StreamLost, VenueSocket, error_words, handshake_gate, open_socket
from schema.market import FeedHealth
from schema.records import Quote, RejectClass

log = structlog.get_logger()
_ENDPOINTS = {
    "quotes": "md/subscribequote",
    "depth": "md/subscribedom",
    "bars": "md/getchart",
    "ticks": "md/getchart",
}
UNCLAIMED_CHARTS = 64  # packets that overtook the answer naming their ids
_CANCEL = "md/cancelchart"
_AWAY_S = 10.0  # how long a reading waits for the socket
_QUIET_S = 10.0  # a history that says nothing more for so long will not end


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


class _Subscribe(msgspec.Struct):
    symbol: str


class Watch(msgspec.Struct, frozen=True):
    symbol: str
    interval_s: int
    history: int


_Draw = Callable[[Chart, int], None]
"""Takes a packet of one chart, and when it came."""


class HeldBack(RequestRefused):
    """The venue takes the same request after `wait_s`, with this ticket (`1.5`)."""

    def __init__(self, ticket: str, wait_s: float) -> None:
        super().__init__("the venue holds charts back: too many requests", RejectClass.THROTTLED)
        self.ticket = ticket
        self.wait_s = wait_s


class _Reading:
    """A chart's history on its way."""

    def __init__(self) -> None:
        self.packets: list[Chart] = []
        self.ids: set[int] = set()
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.quiet = asyncio.timeout(_QUIET_S)

    def draw(self, chart: Chart, _: int) -> None:
        if self.ended.done() or self.quiet.expired():
            return
        self.packets.append(chart)
        self.quiet.reschedule(asyncio.get_running_loop().time() + _QUIET_S)
        if chart.eoh:
            self.ended.set_result(None)

    def fail(self, error: VenueError) -> None:
        if not self.ended.done():
            self.ended.set_exception(error)


_market_event = msgspec.json.Decoder(_MarketEvent)
_chart_event = msgspec.json.Decoder(ChartEvent)
_chart_ids = msgspec.json.Decoder(ChartIds)


class MarketData:
    """What is watched, and the socket that feeds it. Its troubles are logged and never raised."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._watches: dict[tuple[str, int], Watch] = {}
        self._quoted: set[str] = set()  # symbols subscribed on the present socket
        self._charts: dict[int, _Draw] = {}  # by the historical and real-time ids of the present socket
        self._pulse = MarketPulse(connection.config.connection, connection.clock)
        self._stream = MarketStream(connection, self._pulse)
        self._unclaimed: dict[int, list[Chart]] = {}
        self._readings: set[_Reading] = set()
        self._quotes: dict[str, Quote] = {}
        self._wanted = asyncio.Event()
        self._socket: VenueSocket | None = None
        self._up = asyncio.Event()
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
        self._want()
        if self._socket is not None:
            await self._subscribe(self._socket, watch)

    async def follow(self, symbol: str) -> None:
        """As `watch`, for depth and trades."""
        self._must_have_url()
        if symbol in self._stream.followed:
            return
        of = self._stream.followed[symbol] = Followed(symbol)
        self._want()
        if self._socket is not None:
            await self._follow(self._socket, of)

    async def read_chart(self, body: dict[str, Any]) -> list[Chart]:
        """The packets of a chart's history, once all have come; the chart is then ended. Raises RequestRefused
        (THROTTLED: it may be asked for later; HeldBack: with a ticket), RequestUnknown when it did not come whole, and
        VenueUnreachable when the socket is away."""
        self._must_have_url()
        self._want()
        try:
            async with asyncio.timeout(_AWAY_S):
                await self._up.wait()
        except TimeoutError:
            raise VenueUnreachable("market data is away") from None
        socket, budget = self._socket, self._connection.budget
        if socket is None:
            raise VenueUnreachable("market data is away")
        if refusal := budget.take(Lane.HISTORY):
            raise RequestRefused(refusal, RejectClass.THROTTLED)
        reading = _Reading()
        self._readings.add(reading)
        try:
            async with reading.quiet:
                await socket.request(_ENDPOINTS["bars"], partial(self._on_reading, reading), body=wire.encode(body))
                await reading.ended
        except TimeoutError:
            raise RequestUnknown("the venue told a chart not to its end") from None
        except StreamLost as lost:
            raise VenueUnreachable(str(lost)) from None
        finally:
            self._readings.discard(reading)
            await self._end_chart(socket, reading)
        return reading.packets

    def _want(self) -> None:
        self._pulse.wanted()
        self._wanted.set()

    def health(self) -> FeedHealth | None:
        """`TellsMarket.market_health`."""
        if self._socket is not None:
            self._pulse.heard(self._socket.last_message_ns)
        return self._pulse.health()

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
            self._quoted, self._charts, self._unclaimed = set(), {}, {}
            # No group: one that is canceled while its socket is lost would tell of the loss alone, and never end.
            serving = asyncio.create_task(socket.serve(self._on_event, self._on_unreadable))
            try:
                self._stream.begin()
                asked: set[Watch | Followed] = set()
                while left := {*self._watches.values(), *self._stream.followed.values()} - asked:
                    for each in left:  # more may be wanted meanwhile
                        await (self._subscribe(socket, each) if isinstance(each, Watch) else self._follow(socket, each))
                    asked |= left
                self._socket = socket
                self._backoff.steady()
                self._pulse.up()
                self._up.set()
                await serving
            finally:
                serving.cancel()
                await asyncio.gather(serving, return_exceptions=True)
        except (StreamLost, VenueError) as plain:
            error = plain
        except Exception:  # a fault of ours in market data must not end the login: log it with its trace, start afresh
            log.exception("market data failed", connection=connection.config.connection)
            error = StreamLost("the desk could not process market data; it subscribes again")
        finally:
            self._up.clear()
            if self._socket is not None:
                self._pulse.heard(self._socket.last_message_ns)
            self._socket = None
            self._pulse.down()
            for reading in self._readings:
                reading.fail(RequestUnknown("market data was lost while it told a chart"))
        log.warning("market data down", connection=connection.config.connection, reason=wire.clean(str(error)))
        raise error

    async def _subscribe(self, socket: VenueSocket, watch: Watch) -> None:
        """Quotes once per symbol, bars once per symbol and interval."""

        if watch.symbol not in self._quoted:
            self._quoted.add(watch.symbol)
            await self._ask(socket, watch.symbol, "quotes", wire.encode(_Subscribe(watch.symbol)))
        far = {"asMuchAsElements": watch.history}
        chart = chart_request(watch.symbol, far, kind=MINUTE_BARS, size=watch.interval_s // 60)
        await self._ask(socket, watch.symbol, "bars", wire.encode(chart), partial(self._tell_bars, watch))

    async def _follow(self, socket: VenueSocket, of: Followed) -> None:
        await self._ask(socket, of.symbol, "depth", wire.encode(_Subscribe(of.symbol)))
        ticks = chart_request(of.symbol, self._stream.wanted(of), kind=TICKS)
        await self._ask(socket, of.symbol, "ticks", wire.encode(ticks), partial(self._stream.ticks, of))

    async def _ask(self, socket: VenueSocket, symbol: str, what: str, body: bytes, draw: _Draw | None = None) -> None:
        """Subscribe to one thing of a symbol; `draw` takes the packets of a chart."""

        def on_answer(envelope: wire.Envelope | None, now_ns: int) -> None:
            if envelope is None:
                return
            if draw is not None:
                ids = self._claim(draw, envelope, now_ns)
                if not ids.all:
                    self._refused(symbol, what, wire.clean(ids.error_text or "no chart id"))
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

    def _claim(self, draw: _Draw, envelope: wire.Envelope, now_ns: int) -> ChartIds:
        """The ids of a chart, whose packets are `draw`'s from now on; without any it was refused."""
        try:
            ids = _chart_ids.decode(envelope.d) if envelope.s == 200 else ChartIds(error_text=error_words(envelope))
        except NOT_READ:
            ids = ChartIds(error_text="the answer cannot be read")
        for chart_id in ids.all:
            self._charts[chart_id] = draw
            for chart in self._unclaimed.pop(chart_id, ()):
                draw(chart, now_ns)
        return ids

    def _on_reading(self, reading: _Reading, envelope: wire.Envelope | None, now_ns: int) -> None:
        if envelope is None:
            reading.fail(RequestUnknown("market data was lost before a chart was told"))
        elif reading not in self._readings:
            self._claim(_let_go, envelope, now_ns)  # nobody waited so long
        elif envelope.s in (423, 429):
            self._connection.budget.throttled()
            reading.fail(RequestRefused(f"the venue answers {envelope.s}", RejectClass.THROTTLED))
        elif envelope.s == 200 and (penalty := read_penalty(bytes(envelope.d))) is not None:
            refused = RequestRefused("the venue wants a person to prove one: wait 1 h")
            reading.fail(refused if penalty.captcha else HeldBack(penalty.ticket or "", penalty.wait_s))
        else:
            ids = self._claim(reading.draw, envelope, now_ns)
            reading.ids = ids.all
            if not ids.all:
                words = ids.error_text or f"it answers {envelope.s}"
                reading.fail(RequestRefused(f"the venue draws no such chart: {wire.clean(words)}"))

    async def _end_chart(self, socket: VenueSocket, reading: _Reading) -> None:
        """Which of its ids ends a chart is not verified (`1.7`): each is said. What comes all the same is let go."""
        if socket is not self._socket:
            return
        self._charts |= dict.fromkeys(reading.ids, _let_go)
        for chart_id in reading.ids:
            if self._connection.budget.take(Lane.HISTORY):
                return
            try:
                await socket.request(_CANCEL, _let_go, body=wire.encode({"subscriptionId": chart_id}))
            except StreamLost:
                return

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
        self._pulse.dropped += 1
        log.warning(
            "market data unreadable",
            connection=self._connection.config.connection,
            error=wire.clean(error),
            size=len(raw),
        )

    def _on_chart(self, chart: Chart, now_ns: int) -> None:
        draw = self._charts.get(chart.id)
        if draw is not None:
            draw(chart, now_ns)
        elif len(self._unclaimed) < UNCLAIMED_CHARTS:
            self._unclaimed.setdefault(chart.id, []).append(chart)

    def _tell_bars(self, watch: Watch, chart: Chart, now_ns: int) -> None:
        if not chart.bars:
            return
        bars = sorted((bar_of(watch.symbol, bar) for bar in chart.bars), key=lambda bar: bar.start_ns)
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
        self._pulse.said(after.venue_ns, now_ns)
        self._connection.emit(
            QuoteUpdated(connection=self._connection.config.connection, received_ns=now_ns, quote=after)
        )


def _let_go(_: object, __: int) -> None:
    """For packets and answers that nobody waits for."""
