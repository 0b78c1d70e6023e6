"""The store: everything of the desk that must outlive it. Opened by the engine's thread and by the shell commands.

Nine parts, one idea each: the configuration (`store_config.py`), contracts (`store_contracts.py`), watchlists and
filters (`store_watchlists.py`), layouts of the screen (`store_layouts.py`), the journal (`store_journal.py`), manual
orders (`store_manual.py`), what is read back (`store_query.py`), the story of a copy (`store_why.py`), and the state of
FIX sessions (`store_fix.py`). All raise JournalDown while it can't be used. Candles and trades are beside it
(`store_market.py`), and so is what reports are made from (`store_report.py`).
"""

from collections.abc import Awaitable, Callable

import stamina

from schema.clock import Clock
from schema.database import open_database
from schema.driver import JournalDown as JournalDown
from schema.driver import journal_errors
from schema.settings import Settings
from schema.store_config import StoreRefused as StoreRefused
from schema.store_contracts import CheckedContract as CheckedContract
from schema.store_contracts import ContractStore
from schema.store_fix import FixStore
from schema.store_journal import AlertRecord as AlertRecord
from schema.store_journal import Batch as Batch
from schema.store_layouts import LayoutStore
from schema.store_listen import CONFIG, LAYOUTS, WATCHLISTS, listen_once
from schema.store_manual import ManualStore
from schema.store_market import MarketStore
from schema.store_query import QueryStore
from schema.store_report import ReportStore
from schema.store_watchlists import WatchlistStore
from schema.store_why import WhyStore

_LONGEST_WAIT_S = 1.0


class Store(ContractStore, WatchlistStore, LayoutStore, ManualStore, QueryStore, WhyStore, FixStore):
    """One open database. Not to be shared between loops."""

    @classmethod
    async def open(cls, settings: Settings, clock: Clock) -> "Store":
        """Open the database that `settings` name, starting our own when they name none, and migrate it. Raises
        PostgresError."""
        return cls(await open_database(settings), clock)

    async def close(self) -> None:
        """Let go of the database; our own server stops when nobody else uses it."""
        await self._database.close()

    def market(self) -> MarketStore:
        """Candles and trades in this database, through sessions of their own; to be closed by whoever asked for it."""
        return MarketStore(self._database.connect)

    def reports(self) -> ReportStore:
        """What reports are made from, through sessions of their own, on whatever thread and loop."""
        return ReportStore(self._database.connect)

    async def revive(self) -> None:
        """Start our own server again if it died; never raises."""
        await self._database.revive()

    async def listen(self, changed: Callable[[], Awaitable[None]]) -> None:
        """Await `changed` after every change of the configuration by anybody, and once whenever changes may have been
        missed, at the start too; runs until cancelled, through every loss of the database."""
        await self._listen(CONFIG, changed)

    async def listen_lists(self, changed: Callable[[], Awaitable[None]]) -> None:
        """As `listen`, for watchlists and filters."""
        await self._listen(WATCHLISTS, changed)

    async def listen_layouts(self, changed: Callable[[], Awaitable[None]]) -> None:
        """As `listen`, for layouts of the screen."""
        await self._listen(LAYOUTS, changed)

    async def _listen(self, channel: str, changed: Callable[[], Awaitable[None]]) -> None:
        async for attempt in stamina.retry_context(
            on=JournalDown, attempts=None, timeout=None, wait_initial=0.05, wait_max=_LONGEST_WAIT_S
        ):
            with attempt:
                async with journal_errors():
                    await listen_once(self._database, channel, changed)
