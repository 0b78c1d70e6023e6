"""The market hub's events: quotes (whole, then what changed), trades and depth (`protocols/projectx.md 2.4, 2.7`).

`projectx_door.py` calls `pump` with the hubs, so many times a second.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from brokers.sandbox.doors import House
from brokers.sandbox.instruments import ListedContract
from brokers.sandbox.projectx_call import stamp
from brokers.sandbox.projectx_models import symbol_id
from brokers.sandbox.settings import ProjectXSettings

if TYPE_CHECKING:
    from brokers.sandbox.projectx_hub import Hub

QUOTE, TRADE, DEPTH = "GatewayQuote", "GatewayTrade", "GatewayDepth"
_DOM_ASK, _DOM_BID, _DOM_RESET = 1, 2, 6


class MarketData:
    """See the module's docstring."""

    def __init__(self, house: House, contracts: dict[str, ListedContract], settings: ProjectXSettings) -> None:
        self._house = house
        self._contracts = contracts
        self._settings = settings

    def pump(self, hubs: Iterable["Hub"]) -> None:
        """Tell every market hub what has changed since the last time."""
        for hub in hubs:
            for kind, key in sorted((kind, str(key)) for kind, key in hub.subscribed):
                contract = self._contracts[key]
                if not contract.front:
                    continue
                if kind == "quotes":
                    self._tell_quote(hub, key, contract)
                elif kind == "trades":
                    self._tell_trades(hub, key, contract)
                else:
                    self._tell_depth(hub, key, contract)

    def _tell_quote(self, hub: "Hub", key: str, contract: ListedContract) -> None:
        now = self._quote(contract)
        before: dict[str, Any] = hub.told.get(("quotes", key), {})
        changed = {name: value for name, value in now.items() if value != before.get(name)}
        if not changed:
            return
        hub.told["quotes", key] = now
        at = stamp(self._house.market.now_ns)
        hub.invoke(QUOTE, key, {"symbol": now["symbol"]} | changed | {"lastUpdated": at, "timestamp": at})

    def _quote(self, contract: ListedContract) -> dict[str, Any]:
        """All that is known of a contract's top; what is not is left out."""
        book, chart = self._house.venue.books[contract.contract_id], self._house.charts[contract.contract_id]
        quote: dict[str, Any] = {"symbol": symbol_id(contract), "symbolName": contract.symbol}
        for name, side in (("bestBid", 1), ("bestAsk", -1)):
            if (touch := book.touch(side)) is not None:
                quote[name] = contract.price(touch[0])
        if chart.last is not None:
            last, first = contract.price(chart.last[0]), contract.price(chart.first)
            quote |= {
                "lastPrice": last,
                "change": last - first,
                "changePercent": round((last - first) / first * 100, 2) if first else Decimal(0),
                "open": first,
                "high": contract.price(chart.high),
                "low": contract.price(chart.low),
                "volume": chart.volume,
            }
        return quote

    def _tell_trades(self, hub: "Hub", key: str, contract: ListedContract) -> None:
        chart = self._house.charts[contract.contract_id]
        newest = chart.ticks[-1].tick_id if chart.ticks else 0
        before: int | None = hub.told.get(("trades", key))
        hub.told["trades", key] = newest
        if before is None or newest == before:
            return
        rows = [
            {
                "symbolId": symbol_id(contract),
                "price": contract.price(tick.ticks),
                "timestamp": stamp(tick.at_ns),
                "type": 1 if tick.bid is not None and tick.ticks <= tick.bid[0] else 0,
                "volume": tick.size,
            }
            for tick in chart.ticks_after(before)
        ]
        self._send_rows(hub, TRADE, key, rows)

    def _tell_depth(self, hub: "Hub", key: str, contract: ListedContract) -> None:
        book, levels = self._house.venue.books[contract.contract_id], self._settings.depth_levels
        now = {(side, ticks): size for side in (1, -1) for ticks, size in book.depth(side, levels)}
        before: dict[tuple[int, int], int] | None = hub.told.get(("depth", key))
        hub.told["depth", key] = now
        at = stamp(self._house.market.now_ns)
        rows: list[dict[str, Any]] = []
        if before is None:
            before = {}
            rows.append({"timestamp": at, "type": _DOM_RESET, "price": 0, "volume": 0, "currentVolume": 0})
        for side, ticks in dict.fromkeys((*before, *now)):
            size = now.get((side, ticks), 0)
            if size != before.get((side, ticks)):
                kind = _DOM_BID if side > 0 else _DOM_ASK
                price = contract.price(ticks)
                rows.append({"timestamp": at, "type": kind, "price": price, "volume": size, "currentVolume": size})
        self._send_rows(hub, DEPTH, key, rows)

    def _send_rows(self, hub: "Hub", target: str, key: str, rows: list[dict[str, Any]]) -> None:
        if len(rows) > 1 and self._settings.batch_market_data:
            hub.invoke(target, key, rows)
        else:
            for row in rows:
                hub.invoke(target, key, row)
