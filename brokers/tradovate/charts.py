"""What a chart is on the market data socket: how it is asked for, and what its packets hold (`protocols/tradovate.md
1.7`). `market_data.py` draws live ones, `history.py` reads what was."""

from typing import Any

import msgspec

from brokers.amounts import time_ns
from brokers.tradovate.market_stream import Ticks
from schema.records import Bar

MINUTE_BARS, TICKS = "MinuteBar", "Tick"


class WireBar(msgspec.Struct, rename="camel", frozen=True, gc=False):
    timestamp: str
    open: float
    high: float
    low: float
    close: float
    up_volume: float = 0
    down_volume: float = 0


class Chart(Ticks, frozen=True, kw_only=True):
    """One packet."""

    id: int
    bars: list[WireBar] = msgspec.field(default_factory=list[WireBar])


class ChartEvent(msgspec.Struct, frozen=True):
    charts: list[Chart] = []


class ChartIds(msgspec.Struct, rename="camel", frozen=True):
    historical_id: int | None = None
    realtime_id: int | None = None
    subscription_id: int | None = None
    error_text: str | None = None

    @property
    def all(self) -> set[int]:
        return {each for each in (self.historical_id, self.realtime_id, self.subscription_id) if each is not None}


def chart_request(symbol: str, time_range: dict[str, Any], *, kind: str, size: int = 1) -> dict[str, Any]:
    """The body of `md/getchart`: of `size` minutes, or ticks."""
    return {
        "symbol": symbol,
        "chartDescription": {
            "underlyingType": kind,
            "elementSize": size,
            "elementSizeUnit": "UnderlyingUnits",
            "withHistogram": False,
        },
        "timeRange": time_range,
    }


def bar_of(symbol: str, bar: WireBar) -> Bar:
    return Bar(
        symbol=symbol,
        start_ns=time_ns(bar.timestamp),
        open=bar.open,
        high=bar.high,
        low=bar.low,
        close=bar.close,
        volume=bar.up_volume + bar.down_volume,
    )
