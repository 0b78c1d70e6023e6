"""Watchlists, filters and symbol search for the seats: lists with their live prices, edits, and the index.

`engine/desk.py` runs it beside the copying, which it never touches: lists are stored and told apart from the
configuration, prices are read from what the screen's market data holds already, five times a second, and quotes of
symbols that nothing else follows are asked for one a second.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from datetime import date

import structlog

from brokers.adapter import BrokerAdapter, VenueError
from engine.market.market import Market
from engine.seat import CommandRefused, WatchlistRow, WatchRow
from engine.symbol_search import LIMIT, Match, SymbolIndex
from schema.clock import Clock
from schema.listed import DESK, Listed, contracts, listed
from schema.records import Quote
from schema.store import JournalDown, Store, StoreRefused
from schema.symbols import UnknownProduct, key_of
from schema.trading_day import trading_day
from schema.watchlists import AddSymbols, Edit, SavedFilter, UserLists, Watched
from schema.words import near_words

Quoted = Callable[[str], tuple[Quote, int] | None]
"""The newest quote of a source's symbol and when it came (ns), or None."""
_LOOK_EVERY_NS = 200_000_000
_ASK_EVERY_S = 1.0
_LIST_EVERY_S, _LIST_AFTER_S = 3_600.0, 2.0
_ASK_AGAIN_NS = 60_000_000_000
_ASKED_AT_MOST = 100
"""Contracts whose quotes are asked of a login for lists alone: each may cost two of its requests."""
log = structlog.get_logger(__name__)


class Watching:
    """The lists and filters of one user, and what can be looked up."""

    def __init__(self, store: Store, market: Market, clock: Clock, user: str) -> None:
        self._store = store
        self._clock = clock
        self.user = user
        self._quoted: dict[str, Quoted] = {DESK: market.quoted}
        self._listings: dict[str, tuple[Listed, ...]] = {}
        self._indexing = asyncio.Lock()
        self._index = SymbolIndex()
        self._reading = asyncio.Lock()
        self.described = asyncio.Event()  # set when a venue described a contract
        self._mine = UserLists()
        self._rows: dict[Watched, WatchRow] = {}
        self._seen: dict[Watched, Quote | None] = {}
        self._firsts: dict[Watched, tuple[date, float]] = {}
        self._lists: tuple[WatchlistRow, ...] = ()
        self._looked_ns = 0
        self._stale = False
        self._not_before_ns: dict[str, int] = {}

    # --- what seats see --------------------------------------------------------------------------------------------

    @property
    def filters(self) -> tuple[SavedFilter, ...]:
        return self._mine.filters

    def lists(self, now_ns: int) -> tuple[WatchlistRow, ...]:
        """Every list with its prices; a row whose quote did not change is the one it was. Prices are looked at five
        times a second, an edit is seen at once."""
        if not self._stale and now_ns - self._looked_ns < _LOOK_EVERY_NS:
            return self._lists
        self._looked_ns, today, moved = now_ns, trading_day(now_ns), self._stale
        for watched in self._rows:
            quoted = self._quoted[watched.source](watched.symbol) if watched.source in self._quoted else None
            if quoted is not None and quoted[0] is not self._seen.get(watched):
                self._seen[watched] = quoted[0]
                self._rows[watched] = self._priced(watched, *quoted, today)
                moved = True
        if moved:
            self._lists = tuple(
                WatchlistRow(name=each.name, rows=tuple(self._rows[watched] for watched in each.symbols))
                for each in self._mine.lists
            )
        self._stale = False
        return self._lists

    def _priced(self, watched: Watched, quote: Quote, heard_ns: int, today: date) -> WatchRow:
        middle = (quote.bid + quote.ask) / 2 if quote.bid is not None and quote.ask is not None else None
        price = quote.last if quote.last is not None else middle
        first = self._firsts.get(watched)
        if price is not None and (first is None or first[0] != today):
            first = self._firsts[watched] = (today, price)
        known = self._rows[watched]
        return WatchRow(
            source=watched.source,
            symbol=watched.symbol,
            description=known.description,
            exchange=known.exchange,
            bid=quote.bid,
            ask=quote.ask,
            last=quote.last,
            change=None if price is None or first is None else price - first[1],
            first=None if first is None else first[1],
            as_of_ns=heard_ns,
        )

    def find(self, text: str, limit: int = LIMIT) -> tuple[Match, ...]:
        """What the typed text may mean, best first; safe from any thread."""
        return self._index.find(text, limit)

    # --- edits -----------------------------------------------------------------------------------------------------

    async def edit(self, edit: Edit) -> str:
        """Make an edit for this seat and all others of its user. Raises CommandRefused."""
        if not self.user:
            raise CommandRefused("lists: this desk runs for nobody, so there are no lists.")
        if isinstance(edit, AddSymbols):
            today = trading_day(self._clock.now_ns())
            found = tuple(resolve(self._index, each, today) for each in edit.symbols)
            edit = AddSymbols(name=edit.name, symbols=found)
        try:
            said = await self._store.edit_lists(self.user, edit)
            await self.reload()
        except StoreRefused as refused:
            raise CommandRefused(str(refused)) from None
        except JournalDown as down:
            raise CommandRefused(f"lists: they can't be changed now: {down}.") from None
        return said

    async def reload(self) -> None:
        """Read the lists again: this or another seat changed them. Raises JournalDown."""
        async with self._reading:  # in turn, so that what was read last is what was written last
            self._take(await self._store.lists_of(self.user))

    def _take(self, mine: UserLists) -> None:
        self._mine = mine
        wanted = dict.fromkeys(watched for each in self._mine.lists for watched in each.symbols)
        self._rows = {watched: self._rows.get(watched) or self._bare(watched) for watched in wanted}
        self._seen = {watched: quote for watched, quote in self._seen.items() if watched in wanted}
        self._not_before_ns.clear()
        self._stale = True

    def _bare(self, watched: Watched) -> WatchRow:
        """A row before its first quote."""
        named = (each for each in self._index.named(watched.symbol) if each.source == watched.source)
        known = next(named, Listed(source=watched.source, symbol=watched.symbol))
        return WatchRow(
            source=watched.source, symbol=watched.symbol, description=known.description, exchange=known.exchange
        )

    # --- what there is ---------------------------------------------------------------------------------------------

    async def list_contracts(self) -> None:
        """Run until cancelled: let the desk's own contracts be found, the product table's and those that venues have
        described; anew each hour, and a while after a venue described one: then there may be something to copy."""
        while True:
            try:
                said = await self._store.contracts()
            except JournalDown as down:
                log.warning("contracts of venues are not searched", reason=str(down))
                said = []
            today = trading_day(self._clock.now_ns())
            await self.add_listing(DESK, await asyncio.to_thread(contracts, today, said))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LIST_EVERY_S):
                    await self.described.wait()
            await asyncio.sleep(_LIST_AFTER_S)
            self.described.clear()

    async def add_listing(self, source: str, listing: Iterable[Listed], quoted: Quoted | None = None) -> None:
        """Let a source's symbols be found, in place of those it listed before, and with `quoted` their prices be shown.
        The index is made on another thread: of 55,000 it takes half a second."""
        if quoted is not None:
            self._quoted[source] = quoted
        async with self._indexing:
            new = tuple(listing)
            if new == self._listings.get(source):
                return
            self._listings[source] = new
            everything = [each for one in self._listings.values() for each in one]
            self._index = await asyncio.to_thread(SymbolIndex, everything)
        for watched, row in self._rows.items():
            if watched.source == source and not row.description:
                self._seen.pop(watched, None)
                self._rows[watched] = self._bare(watched)
                self._stale = True

    # --- quotes ----------------------------------------------------------------------------------------------------

    async def ask_quotes(
        self,
        login: Callable[[], BrokerAdapter | None],
        followed: set[str],
        interval_s: int,
        alert: Callable[[str, str], None],
    ) -> None:
        """Run until cancelled: have the quotes of contracts on lists told by `login`, the one that offers market data
        now, one a second. `followed` are those whose quotes are told already; those that will be are added."""
        told: set[str] = set()
        asked: set[str] = set()
        while True:
            await asyncio.sleep(_ASK_EVERY_S)
            adapter, symbol = login(), self._next_to_ask(followed)
            if adapter is None or symbol is None or len(asked | {symbol}) > _ASKED_AT_MOST:
                continue
            asked.add(symbol)
            try:
                await adapter.watch(symbol, interval_s, 1)
                followed.add(symbol)
            except VenueError as error:
                self._not_before_ns[symbol] = self._clock.now_ns() + _ASK_AGAIN_NS
                if symbol not in told:
                    told.add(symbol)
                    alert("warn", f"{symbol}: no quotes for the watchlist: {error}")

    def of(self, source: str) -> frozenset[str]:
        """The symbols of a source that are on any list."""
        return frozenset(watched.symbol for watched in self._rows if watched.source == source)

    def _next_to_ask(self, followed: set[str]) -> str | None:
        now_ns = self._clock.now_ns()
        for watched in self._rows:
            symbol = watched.symbol
            if watched.source == DESK and symbol not in followed and self._not_before_ns.get(symbol, 0) <= now_ns:
                return symbol
        return None


def resolve(index: SymbolIndex, asked: Watched, today: date, *, any_source: bool = False) -> Watched:
    """The symbol that a word means: of several sources the desk's own contract, else the first by name. A contract of
    the product table need not be listed, and with `any_source` nor need a symbol whose source is named. Raises
    CommandRefused with the nearest there is."""
    source = asked.source.casefold()
    named = [each for each in index.named(asked.symbol) if source in ("", each.source.casefold())]
    if named:
        best = min(named, key=lambda each: (each.source != DESK, each.source, each.symbol))
        return Watched(source=best.source, symbol=best.symbol)
    if source in ("", DESK):
        try:
            known = listed(key_of(asked.symbol.upper(), today), today)
            return Watched(source=known.source, symbol=known.symbol)
        except UnknownProduct:
            pass
    elif any_source and asked.symbol:
        return Watched(source=source, symbol=asked.symbol.upper())
    word = f"{asked.source}:{asked.symbol}" if source else asked.symbol
    near = near_words(
        word, [match.listed.symbol for match in index.find(asked.symbol, 1)], "; search for a part of its name"
    )
    raise CommandRefused(f"symbol: there is no {word!r} here{near}")
