"""Market data at the Tradovate door: quotes, depth, histograms and charts (`protocols/tradovate.md 1.7`).

Subscriptions belong to a socket and go with it. `pump` is called by the server at the quotes' pace and sends what has
changed; timestamps are the market's own time. A chart's history comes with its historicalId, then `eoh`, then the
newest bar again and again with its realtimeId.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from brokers.sandbox.charts import Candle, ChartBook, Tick, TickBars
from brokers.sandbox.instruments import ListedContract
from brokers.sandbox.settings import DoorSettings
from brokers.sandbox.tradovate_call import Answer, Call, Handler, Malformed, NotFound, encode
from brokers.sandbox.tradovate_entities import timestamp, trade_date
from brokers.sandbox.venue import Venue
from schema.clock import from_datetime, to_datetime

if TYPE_CHECKING:
    from brokers.sandbox.tradovate_socket import Socket

_DOM_LEVELS = 10
_BARS_IN_PACKET = 250
_DAY_MINUTES = 1440
_RAW = ("UnderlyingUnits", 1)
_BAR_UNITS = ("UnderlyingUnits",)
_TICK_BARS = {"UnderlyingUnits": "ticks", "Volume": "volume", "Range": "range"}


class _Symbol(msgspec.Struct):
    symbol: str | int


class _Description(msgspec.Struct, rename="camel"):
    underlying_type: str
    element_size: int = 1
    element_size_unit: str = "UnderlyingUnits"
    with_histogram: bool = False


class _Range(msgspec.Struct, rename="camel"):
    closest_timestamp: str | None = None
    closest_tick_id: int | None = None
    as_far_as_timestamp: str | None = None
    as_much_as_elements: int | None = None


class _Chart(msgspec.Struct, rename="camel"):
    symbol: str | int
    chart_description: _Description
    time_range: _Range = msgspec.field(default_factory=_Range)


class _Cancel(msgspec.Struct, rename="camel"):
    subscription_id: int


@dataclass(slots=True, eq=False)
class _ChartSubscription:
    contract: ListedContract
    historical_id: int
    realtime_id: int
    minutes: int  # 0: ticks, or bars of them
    time_range: _Range
    tick_bars: TickBars | None = None
    told_history: bool = False
    last_bar: tuple[int, ...] = ()
    last_tick: int = 0


@dataclass(slots=True, eq=False)
class _Listener:
    """What one socket has subscribed, by kind and contract, with what it was told last."""

    quotes: dict[int, dict[str, Any]] = field(default_factory=dict[int, dict[str, Any]])
    doms: dict[int, bytes] = field(default_factory=dict[int, bytes])
    histograms: dict[int, int] = field(default_factory=dict[int, int])
    charts: list[_ChartSubscription] = field(default_factory=list[_ChartSubscription])


class MarketData:
    """See the module's docstring. `market_ns` tells the market's own time."""

    def __init__(
        self, venue: Venue, charts: dict[int, ChartBook], market_ns: Callable[[], int], settings: DoorSettings
    ) -> None:
        self._venue = venue
        self._charts = charts
        self._market_ns = market_ns
        self._settings = settings
        self._listeners: dict[Socket, _Listener] = {}
        self._ids = 0
        self._pumps = 0

    def routes(self) -> dict[str, Handler]:
        def unsubscribe(kind: str) -> Handler:
            return lambda call: self._unsubscribe(call, kind)

        return {
            "md/subscribequote": lambda call: self._subscribe(call, "quotes", dict[str, Any]()),
            "md/subscribedom": lambda call: self._subscribe(call, "doms", b""),
            "md/subscribehistogram": lambda call: self._subscribe(call, "histograms", -1),
            "md/unsubscribequote": unsubscribe("quotes"),
            "md/unsubscribedom": unsubscribe("doms"),
            "md/unsubscribehistogram": unsubscribe("histograms"),
            "md/getchart": self._get_chart,
            "md/cancelchart": self._cancel_chart,
        }

    def leave(self, socket: "Socket") -> None:
        self._listeners.pop(socket, None)

    def pump(self) -> None:
        """Tell every socket what has changed since the last time."""
        self._pumps += 1
        every_dom = max(1, round(self._settings.quotes_per_s / self._settings.doms_per_s))
        every_chart = max(1, round(self._settings.quotes_per_s / self._settings.charts_per_s))
        quotes = {key: self._entries(key) for key in self._charts} if self._listeners else {}
        for socket, listener in list(self._listeners.items()):
            self._tell_quotes(socket, listener, quotes)
            if self._pumps % every_dom == 0:
                self._tell_depth(socket, listener)
            for chart in listener.charts:
                if not chart.told_history:
                    chart.told_history = True
                    self._tell_history(socket, chart)
                elif self._pumps % every_chart == 0:
                    self._tell_newest(socket, chart)

    # --- subscribing ---------------------------------------------------------------------------------------------

    def _contract(self, symbol: str | int) -> ListedContract:
        catalogue = self._venue.catalogue
        found = catalogue.by_symbol.get(str(symbol))
        if found is None and str(symbol).isdigit():
            found = catalogue.by_id.get(int(symbol))
        if found is None or found.contract_id not in self._charts:
            raise NotFound(f"There is no market for {symbol}")
        return found

    def _listener(self, call: Call) -> "_Listener":
        if call.socket is None:
            raise Malformed("Market data needs a WebSocket")
        return self._listeners.setdefault(call.socket, _Listener())

    def _subscribe(self, call: Call, kind: str, nothing_yet: Any) -> Answer:
        contract, listener = self._contract(call.body(_Symbol).symbol), self._listener(call)
        getattr(listener, kind)[contract.contract_id] = nothing_yet
        self._ids += 1
        return Answer(data={"mode": "RealTime", "subscriptionId": self._ids})

    def _unsubscribe(self, call: Call, kind: str) -> Answer:
        contract = self._contract(call.body(_Symbol).symbol)
        getattr(self._listener(call), kind).pop(contract.contract_id, None)
        return Answer(data={})

    def _get_chart(self, call: Call) -> Answer:
        wish = call.body(_Chart)
        kind, size = wish.chart_description.underlying_type.lower(), wish.chart_description.element_size
        unit = wish.chart_description.element_size_unit or "UnderlyingUnits"
        if kind not in ("minutebar", "dailybar", "tick") or unit not in (_TICK_BARS if kind == "tick" else _BAR_UNITS):
            what = "minute bars, daily bars, ticks, and of ticks bars by count, volume and range"
            return Answer(data={"errorText": f"This venue draws charts of {what}"})
        if size < 1:
            raise Malformed("elementSize must be 1 or more")
        if wish.time_range == _Range():
            return Answer(data={"errorText": "timeRange must say where the chart ends or begins, or how long it is"})
        contract, listener = self._contract(wish.symbol), self._listener(call)
        for stamp in (wish.time_range.closest_timestamp, wish.time_range.as_far_as_timestamp):
            _moment(stamp)
        self._ids += 2
        listener.charts.append(
            _ChartSubscription(
                contract=contract,
                historical_id=self._ids,
                realtime_id=self._ids - 1,
                minutes={"minutebar": size, "dailybar": size * _DAY_MINUTES, "tick": 0}[kind],
                time_range=wish.time_range,
                tick_bars=TickBars(_TICK_BARS[unit], size) if kind == "tick" and (unit, size) != _RAW else None,
            )
        )
        return Answer(data={"historicalId": self._ids, "realtimeId": self._ids - 1})

    def _cancel_chart(self, call: Call) -> Answer:
        """Either of a chart's two ids ends it: clients send the one or the other."""
        listener, wanted = self._listener(call), call.body(_Cancel).subscription_id
        listener.charts = [c for c in listener.charts if wanted not in (c.historical_id, c.realtime_id)]
        return Answer(data={})

    # --- quotes and depth ----------------------------------------------------------------------------------------

    def _entries(self, contract_id: int) -> dict[str, Any]:
        contract, book, chart = self._venue.catalogue.by_id[contract_id], *self._of(contract_id)
        entries: dict[str, Any] = {}
        for name, touch in (("Bid", book.touch(1)), ("Offer", book.touch(-1)), ("Trade", chart.last)):
            if touch is not None:
                entries[name] = {"price": contract.price(touch[0]), "size": touch[1]}
        if chart.last is not None:
            entries["TotalTradeVolume"] = {"size": chart.volume}
            for name, ticks in (("LowPrice", chart.low), ("HighPrice", chart.high), ("OpeningPrice", chart.first)):
                entries[name] = {"price": contract.price(ticks)}
        return entries

    def _of(self, contract_id: int) -> tuple[Any, ChartBook]:
        return self._venue.books[contract_id], self._charts[contract_id]

    def _tell_quotes(self, socket: "Socket", listener: _Listener, quotes: dict[int, dict[str, Any]]) -> None:
        changed: list[dict[str, Any]] = []
        for contract_id, told in listener.quotes.items():
            entries = quotes[contract_id]
            news = {name: entry for name, entry in entries.items() if told.get(name) != entry}
            if news:
                listener.quotes[contract_id] = entries
                changed.append({"timestamp": timestamp(self._market_ns()), "contractId": contract_id, "entries": news})
        if changed:
            socket.send_messages([encode({"e": "md", "d": {"quotes": changed}})])

    def _tell_depth(self, socket: "Socket", listener: _Listener) -> None:
        for contract_id, told in listener.doms.items():
            contract, book = self._venue.catalogue.by_id[contract_id], self._venue.books[contract_id]
            sides = {
                name: [{"price": contract.price(at), "size": size} for at, size in book.depth(sign, _DOM_LEVELS)]
                for name, sign in (("bids", 1), ("offers", -1))
            }
            if (ladder := encode(sides)) != told:
                listener.doms[contract_id] = ladder
                dom = {"contractId": contract_id, "timestamp": timestamp(self._market_ns()), **sides}
                socket.send_messages([encode({"e": "md", "d": {"doms": [dom]}})])
        for contract_id, told_volume in listener.histograms.items():
            contract, chart = self._venue.catalogue.by_id[contract_id], self._charts[contract_id]
            if chart.volume == told_volume:
                continue
            listener.histograms[contract_id] = chart.volume
            histogram = {
                "contractId": contract_id,
                "timestamp": timestamp(self._market_ns()),
                "tradeDate": trade_date(self._market_ns()),
                "base": contract.price(chart.first),
                "items": {str(ticks - chart.first): size for ticks, size in chart.profile.items()},
                "refresh": told_volume < 0,
            }
            socket.send_messages([encode({"e": "md", "d": {"histograms": [histogram]}})])

    # --- charts --------------------------------------------------------------------------------------------------

    def _tell_history(self, socket: "Socket", chart: _ChartSubscription) -> None:
        book, wanted = self._charts[chart.contract.contract_id], chart.time_range
        until = _moment(wanted.closest_timestamp) or self._market_ns()
        since = _moment(wanted.as_far_as_timestamp) or 0
        most = self._settings.chart_elements
        count = min(wanted.as_much_as_elements or most, most)
        if chart.minutes:
            bars = [bar for bar in book.candles(chart.minutes, since) if bar.start_ns <= until]
            bars = bars[-count:]
            self._send_history(socket, chart, bars)
            chart.last_bar = _figures(bars[-1]) if bars else ()
        else:
            newest = wanted.closest_tick_id
            ticks = [
                tick
                for tick in book.ticks
                if since <= tick.at_ns <= until and (newest is None or tick.tick_id <= newest)
            ]
            chart.last_tick = book.ticks[-1].tick_id if book.ticks else 0
            if chart.tick_bars is None:
                self._send_ticks(socket, chart, chart.historical_id, ticks[-count:])
            else:
                for tick in ticks:
                    chart.tick_bars.add(tick)
                self._send_history(socket, chart, chart.tick_bars.bars[-count:])
                del chart.tick_bars.bars[:-1]
        socket.send_messages([encode({"e": "chart", "d": {"charts": [{"id": chart.historical_id, "eoh": True}]}})])

    def _tell_newest(self, socket: "Socket", chart: _ChartSubscription) -> None:
        book = self._charts[chart.contract.contract_id]
        if chart.minutes:
            told_from = chart.last_bar[0] if chart.last_bar else 0
            bars = book.candles(chart.minutes, told_from)
            if bars and _figures(bars[-1]) != chart.last_bar:
                chart.last_bar = _figures(bars[-1])
                self._send_bars(socket, chart, chart.realtime_id, bars)
            return
        ticks = book.ticks_after(chart.last_tick)
        if ticks:
            chart.last_tick = ticks[-1].tick_id
            if chart.tick_bars is not None:
                for tick in ticks:
                    chart.tick_bars.add(tick)
                self._send_bars(socket, chart, chart.realtime_id, chart.tick_bars.bars)
                del chart.tick_bars.bars[:-1]
                return
            self._send_ticks(socket, chart, chart.realtime_id, ticks)

    def _send_history(self, socket: "Socket", chart: _ChartSubscription, bars: list[Candle]) -> None:
        for start in range(0, len(bars), _BARS_IN_PACKET):
            self._send_bars(socket, chart, chart.historical_id, bars[start : start + _BARS_IN_PACKET])

    def _send_bars(self, socket: "Socket", chart: _ChartSubscription, chart_id: int, bars: list[Candle]) -> None:
        price = chart.contract.price
        shown = [
            {
                "timestamp": timestamp(bar.start_ns),
                "open": price(bar.open),
                "high": price(bar.high),
                "low": price(bar.low),
                "close": price(bar.close),
                "upVolume": bar.up_volume,
                "downVolume": bar.down_volume,
                "upTicks": bar.up_ticks,
                "downTicks": bar.down_ticks,
                "bidVolume": bar.down_volume,
                "offerVolume": bar.up_volume,
            }
            for bar in bars
        ]
        packet = {"id": chart_id, "td": _yyyymmdd(bars[-1].start_ns), "bars": shown}
        socket.send_messages([encode({"e": "chart", "d": {"charts": [packet]}})])

    def _send_ticks(self, socket: "Socket", chart: _ChartSubscription, chart_id: int, ticks: list[Tick]) -> None:
        if not ticks:
            return
        base_ms, base = ticks[0].at_ns // 1_000_000, ticks[0].ticks
        shown: list[dict[str, int]] = []
        for tick in ticks:
            each = {"t": tick.at_ns // 1_000_000 - base_ms, "p": tick.ticks - base, "s": tick.size, "id": tick.tick_id}
            for price_key, size_key, touch in (("b", "bs", tick.bid), ("a", "as", tick.ask)):
                if touch is not None:
                    each |= {price_key: touch[0] - base, size_key: touch[1]}
            shown.append(each)
        packet = {
            "id": chart_id,
            "s": "db",
            "td": _yyyymmdd(ticks[-1].at_ns),
            "bp": base,
            "bt": base_ms,
            "ts": chart.contract.product.tick_size,
            "tks": shown,
        }
        socket.send_messages([encode({"e": "chart", "d": {"charts": [packet]}})])


def _figures(bar: Candle) -> tuple[int, ...]:
    return (bar.start_ns, bar.high, bar.low, bar.close, bar.up_volume, bar.down_volume)


def _yyyymmdd(at_ns: int) -> int:
    at = to_datetime(at_ns)
    return at.year * 10_000 + at.month * 100 + at.day


def _moment(text: str | None) -> int | None:
    """A time of a request in ns; None when it gives none. Raises Malformed."""
    if not text:
        return None
    try:
        return from_datetime(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        raise Malformed(f"{text} is not a time") from None
