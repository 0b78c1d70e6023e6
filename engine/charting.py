"""Which contract the desk's chart, ladder and tape show, and the login that tells of it. `engine/desk.py` owns one.

It is the settings' contract; without one, the first that a leader trades; and from then on what a trader chose. All
seats of a desk look at the same one.
"""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from brokers import adapter as venue
from brokers.adapter import BrokerAdapter
from engine.market_data import MarketData
from engine.seat import CommandRefused
from schema.settings import Settings
from schema.symbols import UnknownProduct, parse_contract

_BARS = 240
Start = Callable[[Coroutine[Any, Any, None]], None]
"""Runs work beside the desk's; a venue that will not do it is a sentence for the trader."""


class Charting:
    """`adapters` are the desk's by login, `up` says which of them are, and `marked` holds the symbols whose price is
    followed for positions, to which the chart's is added."""

    def __init__(
        self,
        settings: Settings,
        market_data: MarketData,
        adapters: Mapping[str, BrokerAdapter],
        up: Mapping[str, bool],
        marked: set[str],
        start: Start,
    ) -> None:
        self._preset = settings.chart_symbol or ""
        self._interval_s = settings.chart_interval_s
        self._data = market_data
        self._adapters = adapters
        self._up = up
        self._marked = marked
        self._start = start
        self._told_by: dict[str, str] = {}  # each symbol that was charted, and the login that tells of it

    @property
    def _symbol(self) -> str:
        return self._data.market.symbol

    def connected(self, adapter: BrokerAdapter) -> None:
        """A login is there: it draws the settings' contract, or the one whose login has left, if nobody does."""
        symbol = self._symbol or self._preset
        if symbol and _draws(adapter) and not self._data.fed(symbol) and symbol not in self._told_by:
            self._draw(adapter, symbol)

    def traded(self, adapter: BrokerAdapter, symbol: str) -> None:
        """A leader trades a contract that this login has."""
        if not self._symbol and not self._preset and _draws(adapter):
            self._draw(adapter, symbol)

    def left(self, connection: str) -> None:
        """A login was taken off the desk: what it told, another tells."""
        self._told_by = {symbol: by for symbol, by in self._told_by.items() if by != connection}
        other = self._offering()
        if other is not None:
            self.connected(other)

    async def choose(self, text: str) -> str:
        """Show another contract. Raises CommandRefused."""
        symbol = text.strip().upper()
        if not self._data.fed(symbol) and symbol not in self._told_by:
            try:
                parse_contract(symbol)
            except UnknownProduct as unknown:
                raise CommandRefused(f"symbol: {unknown}") from None
            adapter = self._offering()
            if adapter is None:
                raise CommandRefused(
                    f"symbol: no login that is up tells candles, so {symbol} can't be drawn; :add one."
                )
            try:
                await adapter.instrument(symbol)
            except venue.VenueError as error:
                raise CommandRefused(f"symbol: {adapter.config.connection} does not know {symbol}: {error}") from None
            self._draw(adapter, symbol)
        self._data.market.choose(symbol, self._interval_s)
        return f"The chart, the ladder and the tape show {symbol}."

    def _offering(self) -> BrokerAdapter | None:
        return next((one for name, one in self._adapters.items() if self._up.get(name) and _draws(one)), None)

    def _draw(self, adapter: BrokerAdapter, symbol: str) -> None:
        self._data.market.choose(symbol, self._interval_s)
        self._told_by[symbol] = adapter.config.connection
        self._marked.add(symbol)
        self._start(adapter.watch(symbol, self._interval_s, _BARS))
        self._start(self._data.follow(adapter, symbol))


def _draws(adapter: BrokerAdapter) -> bool:
    return adapter.capabilities.market_data and adapter.capabilities.bars
