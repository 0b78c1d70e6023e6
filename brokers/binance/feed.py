"""Binance spot as a `Feed`: trades once each and in order, quotes, depth in step with the venue, and a gap told for
whatever was not (`docs/binance.md` 5, 6, 8). Built by `source.py`; runs on one loop.

What comes from the sockets is told at once and never waits: what must be fetched (a snapshot, missing trades) is
fetched beside it, within the request weight.
"""

import asyncio
from collections.abc import Callable, Iterable
from random import Random

import aiohttp
import structlog

from brokers.binance import SOURCE, wire
from brokers.binance.depth import Depth
from brokers.binance.limits import Attempts, Limits
from brokers.binance.listing import Listed, Listing
from brokers.binance.rest import Rest
from brokers.binance.shards import Shard
from brokers.binance.tape import Tape
from brokers.feed import FeedDown, Sink
from brokers.text import KEPT_CHARS, clean
from schema.clock import Clock
from schema.market import FeedGap, FeedHealth, MarketEvent, SessionChanged, SessionState, SymbolListed

log = structlog.get_logger(__name__)
_TRADE, _QUOTE, _DEPTH = "trade", "bookTicker", "depth@100ms"


class _Symbol:
    """All that is kept of one symbol."""

    def __init__(self, listed: Listed, limits: Limits) -> None:
        self.listed = listed
        self.depth = Depth(listed.symbol, limits.kept_updates)
        self.tape = Tape(listed.symbol, limits.kept_trades)
        self.quote_number = -1
        self.filling: asyncio.Task[None] | None = None
        self.syncing: asyncio.Task[None] | None = None
        self.check_trades = False  # trades may have been missed: ask, however quiet the symbol is

    @property
    def streams(self) -> tuple[str, str, str]:
        name = self.listed.symbol.lower()
        return f"{name}@{_TRADE}", f"{name}@{_QUOTE}", f"{name}@{_DEPTH}"


class BinanceFeed:
    """See the module's docstring. `candles` says how many candles were caught up over REST."""

    source = SOURCE

    def __init__(
        self,
        ws_url: str,
        rest: Rest,
        listing: Listing,
        clock: Clock,
        random: Random,
        limits: Limits,
        candles: Callable[[], int],
    ) -> None:
        self._url = ws_url
        self._rest = rest
        self._listing = listing
        self._clock = clock
        self._random = random
        self._limits = limits
        self._candles = candles
        self._attempts = Attempts(limits.attempts, limits.attempts_window_s)
        self._symbols: dict[str, _Symbol] = {}
        self._shards: list[Shard] = []
        self._sink: Sink | None = None
        self._http: aiohttp.ClientSession | None = None
        self._group: asyncio.TaskGroup | None = None
        self._gaps = 0
        self._unreadable = 0
        self._gone_dropped = 0  # of symbols that were left
        self._last_ns = -1
        self._lag_ms = -1.0

    # --- the port --------------------------------------------------------------------------------------------------

    async def run(self, sink: Sink) -> None:
        try:
            async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as group:
                self._sink, self._http, self._group = sink, http, group
                for each in self._symbols.values():
                    each.filling = each.syncing = None
                    each.depth.lost("depth: the feed was begun again")
                    self._say_listed(each)
                for shard in self._shards:
                    group.create_task(shard.run(http))
                try:
                    await asyncio.get_running_loop().create_future()
                finally:
                    self._sink = self._http = self._group = None  # what comes while it ends starts nothing more
        finally:
            self._sink = self._http = self._group = None

    async def subscribe(self, symbols: Iterable[str]) -> None:
        for listed in await self._listing.require(symbols):
            if listed.symbol in self._symbols:
                continue
            each = self._symbols[listed.symbol] = _Symbol(listed, self._limits)
            self._say_listed(each)
            for stream in each.streams:
                self._shard_with_room().add([stream])

    async def unsubscribe(self, symbols: Iterable[str]) -> None:
        for symbol in symbols:
            each = self._symbols.pop(symbol.strip().upper(), None)
            if each is None:
                continue
            self._gone_dropped += each.depth.dropped + each.tape.dropped
            for task in (each.filling, each.syncing):
                if task is not None:
                    task.cancel()
            for stream in each.streams:
                for shard in self._shards:
                    if stream in shard.streams:
                        shard.remove([stream])

    def health(self) -> FeedHealth:
        now_ns, states = self._clock.now_ns(), {shard.state for shard in self._shards if shard.streams}
        kept = sum(each.depth.dropped + each.tape.dropped for each in self._symbols.values())
        return FeedHealth(
            source=SOURCE,
            ws_state="off" if self._sink is None else "idle" if not states else _together(states),
            last_msg_age_ms=(now_ns - self._last_ns) / 1e6 if self._last_ns >= 0 else -1.0,
            reconnects=sum(shard.reconnects for shard in self._shards),
            gaps=self._gaps,
            dropped=kept + self._gone_dropped + self._unreadable,
            catchup_candles_total=self._candles(),
            lag_ms=self._lag_ms,
        )

    # --- connections -----------------------------------------------------------------------------------------------

    def _shard_with_room(self) -> Shard:
        for shard in self._shards:
            if shard.room > 0:
                return shard
        shard = Shard(
            self._url, self._limits, self._random, self._attempts, self, self._on_message, self._on_unreadable
        )
        self._shards.append(shard)
        if self._group is not None and self._http is not None:
            self._group.create_task(shard.run(self._http))
        return shard

    def on_up(self, streams: Iterable[str]) -> None:
        """`shards.Owner`: what came before may be missing."""
        for each, kind in self._by_symbol(streams):
            if kind == _DEPTH:
                self._sync(each)
            elif kind == _TRADE and each.tape.last_id >= 0:
                each.check_trades = True
                self._fill(each)
            elif kind == _QUOTE:
                each.quote_number = -1

    def on_down(self, streams: Iterable[str], reason: str) -> None:
        for each, kind in self._by_symbol(streams):
            if kind == _DEPTH:
                if each.syncing is not None:
                    each.syncing.cancel()
                    each.syncing = None
                each.depth.lost(f"depth: {reason}")

    def _by_symbol(self, streams: Iterable[str]) -> list[tuple[_Symbol, str]]:
        parts = (stream.partition("@") for stream in streams)
        return [(self._symbols[name.upper()], kind) for name, _, kind in parts if name.upper() in self._symbols]

    # --- messages --------------------------------------------------------------------------------------------------

    def _on_message(self, message: wire.Message) -> None:
        now_ns = self._last_ns = self._clock.now_ns()
        if isinstance(message, wire.TradeEvent):
            if (each := self._symbols.get(message.symbol)) is not None:
                self._lag_ms = (now_ns - message.event_ms * wire.MS) / 1e6
                dropped = each.tape.dropped
                self._tell(each.tape.on_trade(wire.trade_of(message, now_ns)))
                each.check_trades |= each.tape.dropped > dropped
                if each.tape.hole:
                    self._fill(each)
        elif isinstance(message, wire.DepthEvent):
            if (each := self._symbols.get(message.symbol)) is not None:
                self._lag_ms = (now_ns - message.event_ms * wire.MS) / 1e6
                self._tell(each.depth.on_event(message, now_ns))
                if each.depth.wants_snapshot:
                    self._sync(each)
        elif isinstance(message, wire.QuoteEvent):
            each = self._symbols.get(message.symbol)
            if each is not None and message.number > each.quote_number:
                each.quote_number = message.number
                self._tell([wire.quote_of(message, now_ns)])

    def _on_unreadable(self, raw: bytes, error: str) -> None:
        """Kept in the log and counted; what it was shows as missing by its number."""
        self._last_ns = self._clock.now_ns()
        self._unreadable += 1
        if self._unreadable & (self._unreadable - 1) == 0:  # the 1st, 2nd, 4th, ...: a flood does not fill the disk
            text = clean(raw.decode("utf-8", "replace"), KEPT_CHARS)
            log.warning("feed message unreadable", source=SOURCE, error=error, raw=text, so_far=self._unreadable)

    def _tell(self, events: list[MarketEvent]) -> None:
        if self._sink is None:
            return
        for event in events:
            if isinstance(event, FeedGap):
                self._gaps += 1
                log.warning("feed gap", source=SOURCE, symbol=event.symbol, missed=event.missed, reason=event.reason)
            self._sink(event)

    def _say_listed(self, each: _Symbol) -> None:
        """What comes before all else of a symbol: its grid, and whether it is traded."""
        now_ns, listed = self._clock.now_ns(), each.listed
        state = SessionState.OPEN if listed.trading else SessionState.HALTED
        self._tell(
            [
                SymbolListed(
                    source=SOURCE,
                    symbol=listed.symbol,
                    ts_ns=now_ns,
                    received_ns=now_ns,
                    tick_size=float(listed.tick_size),
                    size_step=float(listed.lot_size),
                ),
                SessionChanged(source=SOURCE, symbol=listed.symbol, ts_ns=now_ns, received_ns=now_ns, state=state),
            ]
        )

    # --- what must be fetched --------------------------------------------------------------------------------------

    def _sync(self, each: _Symbol) -> None:
        """Have a snapshot fetched, once at a time."""
        if self._group and each.depth.wants_snapshot and (each.syncing is None or each.syncing.done()):
            each.syncing = self._group.create_task(self._fetch_snapshot(each))

    async def _fetch_snapshot(self, each: _Symbol) -> None:
        pause_s = self._limits.snapshot_pause_s
        while each.depth.wants_snapshot:
            try:
                answer = await self._rest.depth(each.listed.symbol)
            except FeedDown as down:
                log.warning("feed snapshot failed", source=SOURCE, symbol=each.listed.symbol, reason=str(down))
            else:
                self._tell(each.depth.on_snapshot(answer, self._clock.now_ns()))
            if each.depth.wants_snapshot:
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, self._limits.longest_wait_s)

    def _fill(self, each: _Symbol) -> None:
        """Have missing trades fetched, once at a time."""
        if self._group and (each.filling is None or each.filling.done()):
            each.filling = self._group.create_task(self._fetch_trades(each))

    async def _fetch_trades(self, each: _Symbol) -> None:
        """What is missing may be on its way still; then REST has it; and what REST will not say in time is a gap."""
        limits, loop, tape = self._limits, asyncio.get_running_loop(), each.tape
        if not each.check_trades:
            await asyncio.sleep(limits.reorder_s)
        ends_at, pages, pause_s = loop.time() + limits.fill_s, 0, limits.reorder_s
        while tape.hole or each.check_trades:
            each.check_trades = False
            asked_id, full, why = tape.last_id + 1, False, "the venue did not say them in time"
            try:
                async with asyncio.timeout_at(max(ends_at, loop.time() + limits.reorder_s)):
                    page = await self._rest.trades(each.listed.symbol, asked_id)
            except FeedDown as down:
                why = str(down)
            except TimeoutError:
                pass
            else:
                self._tell(tape.on_page(asked_id, page))
                pages, full = pages + 1, len(page) >= limits.page
            if pages >= limits.fill_pages:
                self._tell(tape.give_up(f"more than {limits.fill_pages * limits.page} at once are not asked for"))
                pages, full = 0, False
            elif tape.hole and not full and loop.time() > ends_at:
                self._tell(tape.give_up(why))
                ends_at, pause_s = loop.time() + limits.fill_s, limits.reorder_s
            elif full:
                each.check_trades, ends_at = True, loop.time() + limits.fill_s
            if tape.hole and not full:
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, limits.fill_s / 5)


def _together(states: set[str]) -> str:
    return states.pop() if len(states) == 1 else "partly up" if "up" in states else "connecting"
