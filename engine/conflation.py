"""What waits of a feed until the desk takes it: bounded, so that a slow taker costs memory and news, never order.

Pure. Used by `engine/feeds.py` on the feeds' loop alone. Quotes and depth are summed up: the newest is what counts.
Trades are kept one by one up to a bound; beyond it a symbol's trades are dropped until the taker is there, and what
was dropped is told as a gap. Everything else is kept. What is told of a symbol stays in its order.
"""

import itertools

from msgspec.structs import replace

from schema.market import DepthChanged, DepthSnapshot, FeedGap, Levels, MarketEvent, QuoteChanged, Trade

Key = tuple[str, str, str, int]


class _Dropped:
    """Trades of one symbol that nobody will be told: the first, the newest, and how many."""

    def __init__(self, first: Trade) -> None:
        self.since_ns = first.ts_ns
        self.newest = first
        self.count = 0

    def add(self, trade: Trade) -> None:
        self.newest = trade
        self.count += 1


class Conflation:
    """See the module's docstring. `dropped` counts trades, `gaps` the gaps that were told of them."""

    def __init__(self, trades: int) -> None:
        self.dropped: dict[str, int] = {}
        self.gaps: dict[str, int] = {}
        self._most = trades
        self._trades = 0
        self._waiting: dict[Key, MarketEvent] = {}
        self._lost: dict[tuple[str, str], _Dropped] = {}
        self._numbers = itertools.count()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._lost)

    @property
    def losing(self) -> tuple[tuple[str, str], ...]:
        """(source, symbol) of the trades that were dropped since the last `take`."""
        return tuple(self._lost)

    def put(self, event: MarketEvent) -> None:
        """Take one event in."""
        if isinstance(event, Trade):
            self._put_trade(event)
        elif isinstance(event, QuoteChanged):
            key = ("quote", event.source, event.symbol, 0)
            held = self._waiting.get(key)
            self._waiting[key] = _newer(held, event) if isinstance(held, QuoteChanged) else event
        elif isinstance(event, DepthChanged | DepthSnapshot):
            self._put_depth(event)
        else:
            self._waiting["", event.source, event.symbol, next(self._numbers)] = event

    def take(self) -> list[MarketEvent]:
        """All that waits, and for what was dropped the gaps."""
        taken = list(self._waiting.values())
        for (source, symbol), lost in self._lost.items():
            self.gaps[source] = self.gaps.get(source, 0) + 1
            taken.append(
                FeedGap(
                    source=source,
                    symbol=symbol,
                    ts_ns=lost.newest.ts_ns,
                    received_ns=lost.newest.received_ns,
                    since_ns=lost.since_ns,
                    missed=lost.count,
                    reason="the desk was too slow to take them",
                )
            )
        self._waiting, self._lost, self._trades = {}, {}, 0
        return taken

    def _put_trade(self, trade: Trade) -> None:
        place = (trade.source, trade.symbol)
        if self._trades >= self._most or place in self._lost:
            self._lost.setdefault(place, _Dropped(trade)).add(trade)
            self.dropped[trade.source] = self.dropped.get(trade.source, 0) + 1
            return
        self._trades += 1
        self._waiting["trade", trade.source, trade.symbol, next(self._numbers)] = trade

    def _put_depth(self, event: DepthChanged | DepthSnapshot) -> None:
        key = ("depth", event.source, event.symbol, 0)
        held = self._waiting.get(key)
        if isinstance(event, DepthSnapshot) or held is None:
            # It goes to the end: a gap that was told before it stays before it.
            self._waiting.pop(key, None)
            self._waiting[key] = event
        elif isinstance(held, DepthSnapshot):
            self._waiting[key] = replace(
                held,
                ts_ns=event.ts_ns,
                received_ns=event.received_ns,
                seq=event.seq,
                bids=_merged(held.bids, event.bids, -1, keep_gone=False),
                asks=_merged(held.asks, event.asks, 1, keep_gone=False),
            )
        elif isinstance(held, DepthChanged):
            self._waiting[key] = replace(
                event,
                first_seq=held.first_seq,
                bids=_merged(held.bids, event.bids, -1, keep_gone=True),
                asks=_merged(held.asks, event.asks, 1, keep_gone=True),
            )


def _newer(held: QuoteChanged, quote: QuoteChanged) -> QuoteChanged:
    """Both in one: a field that the newer leaves out keeps what the older said."""
    return replace(
        quote,
        bid=held.bid if quote.bid is None else quote.bid,
        bid_size=held.bid_size if quote.bid_size is None else quote.bid_size,
        ask=held.ask if quote.ask is None else quote.ask,
        ask_size=held.ask_size if quote.ask_size is None else quote.ask_size,
    )


def _merged(older: Levels, newer: Levels, sign: int, *, keep_gone: bool) -> Levels:
    sizes = dict(older) | dict(newer)
    kept = ((price, size) for price, size in sizes.items() if size or keep_gone)
    return tuple(sorted(kept, key=lambda level: level[0] * sign))
