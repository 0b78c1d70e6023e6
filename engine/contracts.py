"""Which contracts venues have described: asked for before a leader's first event in a symbol, and anew each trading
day. What has been described is marked to the market from then on. `engine/desk.py` owns one.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping

from brokers import adapter as venue
from engine import events as ev
from engine import instruments, rollover
from engine.charting import Charting, Start
from engine.core import Core
from engine.market_data import MarketData
from schema.clock import Clock
from schema.records import DeskConfig
from schema.settings import Settings
from schema.store import CheckedContract, JournalDown, Store, StoreRefused

_ASK_AGAIN_S = 1.0
_ASK_AGAIN_AT_LEAST_S = 8.0


class Contracts:
    """`handle` has the core take an input in, `start` runs work beside the desk's, `kept` is set when contracts were
    written down."""

    def __init__(
        self,
        core: Core,
        adapters: Mapping[str, venue.BrokerAdapter],
        settings: Settings,
        store: Store,
        clock: Clock,
        market_data: MarketData,
        *,
        handle: Callable[[ev.AnyInput], Awaitable[None]],
        start: Start,
        kept: asyncio.Event,
    ) -> None:
        self._core = core
        self._adapters = adapters
        self._settings = settings
        self._store = store
        self._clock = clock
        self._fed = market_data.fed
        self._handle = handle
        self._start = start
        self._kept = kept
        self.marked: set[str] = set()  # whose price is followed
        self.charting = Charting(settings, market_data, adapters, core.up, self.marked, start)
        self._checked: dict[tuple[str, str], DeskConfig] = {}  # (leader, symbol) -> the configuration it was whole in
        self._undescribed: set[tuple[str, str]] = set()  # (connection, symbol) that nobody waits for any more

    async def before(self, event: ev.AnyInput) -> None:
        """Before a leader's first event in a symbol: have its contracts checked, so that its entry may be copied. A
        venue that does not answer is waited for once: everybody else's orders wait with it."""
        if isinstance(event, venue.Filled):
            account, symbol = event.fill.account, event.fill.symbol
        elif isinstance(event, venue.OrderUpdated):
            account, symbol = event.order.account, event.order.symbol
        else:
            return
        if account in self._core.leads and self._checked.get((account, symbol)) is not self._core.config:
            pairs = instruments.needed(self._core, account, symbol)
            await self.check(pairs - self._undescribed)
            for pair in sorted(pairs - self._undescribed - self._core.instruments.keys()):
                if self._core.up.get(pair[0]) and pair[0] in self._adapters:
                    self._undescribed.add(pair)
                    self._start(self._ask_on(pair))
            if not pairs:  # nor will there be any until the configuration changes
                self._checked[account, symbol] = self._core.config

    async def _ask_on(self, pair: tuple[str, str]) -> None:
        """Beside the worker, until the venue describes the contract: those who copy there join the next trade."""
        pause_s = _ASK_AGAIN_S
        while self._core.instruments.get(pair) is None:
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _ASK_AGAIN_AT_LEAST_S)
            await self.check({pair})
        self._undescribed.discard(pair)

    async def check(self, pairs: set[tuple[str, str]]) -> None:
        """Have venues describe contracts (login, contract), those of logins that are up."""
        asked = [
            instruments.check(self._adapters[connection], connection, symbol, self._clock)
            for connection, symbol in sorted(pairs)
            if self._core.up.get(connection) and connection in self._adapters
        ]
        said: list[CheckedContract] = []
        for checked in await asyncio.gather(*asked):
            if checked is not None:
                await self._handle(checked)
                self._mark(checked)
                if (row := instruments.row(self._core, checked)) is not None:
                    said.append(row)
        if said:
            self._start(self._keep(said))

    async def _keep(self, said: list[CheckedContract]) -> None:
        """For `copydesk symbols`; a database that is away hears of it the next time they are read."""
        with contextlib.suppress(JournalDown, StoreRefused):
            await self._store.put_contracts(said)
        self._kept.set()

    def quoting(self) -> venue.BrokerAdapter | None:
        """The first login that is up and offers market data."""
        offering = (name for name, adapter in self._adapters.items() if adapter.capabilities.market_data)
        return next((self._adapters[name] for name in offering if self._core.up.get(name)), None)

    def _mark(self, checked: ev.InstrumentChecked) -> None:
        """Follow the price of whatever may be held, from the first login that offers market data."""
        adapter = self._adapters.get(checked.connection)
        if adapter is None or checked.error or checked.symbol in self.marked or not adapter.capabilities.market_data:
            return
        self.charting.traded(adapter, checked.symbol)
        if checked.symbol in self.marked:
            return
        self.marked.add(checked.symbol)
        self._start(adapter.watch(checked.symbol, self._settings.chart_interval_s, 1))

    async def check_known(self) -> None:
        """What leaders hold and what the chart shows is checked before the first signal."""
        symbols = {(owner, symbol) for owner, symbol, _ in self._core.ledger.positions() if owner in self._core.leads}
        if self._settings.chart_symbol and not self._fed(self._settings.chart_symbol):
            symbols |= {(leader, self._settings.chart_symbol) for leader in self._core.leads}
        for leader, symbol in sorted(symbols):
            await self.check(instruments.needed(self._core, leader, symbol))
        # A login that was down when the trading day began, as many are, is asked now.
        await self.check(rollover.due(self._core))
