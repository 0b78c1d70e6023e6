"""The depth and every trade of a market over the market data socket (`protocols/tradovate.md 1.7`). `market_data.py`
owns one and gives it what comes.

Depth is a whole ladder each time. Trades are a chart of single ticks: quotes are summed up by the venue, and lose some.
After a lost connection the chart is asked for from the last tick on, so that none is lost that the venue still shows.
"""

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import field

from brokers.amounts import LARGEST_NS, time_ns
from brokers.telling import MarketPulse, MarketTeller
from brokers.tradovate.connection import Connection
from schema.clock import to_datetime
from schema.market import OF_DEPTH, Aggressor, DepthSnapshot, Levels, Trade

SOURCE = "tradovate"
_TOLD_KEPT = 5_000  # ids of ticks that are known when they come again: by history and as they happen
_WAITING_MOST = 20_000  # trades while history comes; when there are more, it is taken for through
_MS = 1_000_000
_DIGITS = 9  # of a price: what is left of multiplying by a tick is rounded away


class Level(msgspec.Struct, frozen=True, gc=False):
    price: float
    size: float


class Dom(msgspec.Struct, rename="camel", frozen=True, gc=False):
    contract_id: int
    bids: list[Level] = []
    offers: list[Level] = []
    timestamp: str | None = None


class Tick(msgspec.Struct, frozen=True, gc=False):
    """Offsets from its packet's base; bid and ask, where they are told, as they stood."""

    t: int
    p: int
    s: float
    id: int
    b: int | None = None
    a: int | None = None
    bs: float | None = None
    asks: float | None = field(name="as", default=None)

    @property
    def aggressor(self) -> Aggressor:
        if self.asks is not None and self.a is not None and self.p >= self.a:
            return Aggressor.BUY
        if self.bs is not None and self.b is not None and self.p <= self.b:
            return Aggressor.SELL
        return Aggressor.NONE


class Ticks(msgspec.Struct, frozen=True):
    """A packet of a chart of ticks; `eoh` says that its history is through."""

    bt: int = 0
    bp: int = 0
    ts: float = 0.0
    tks: list[Tick] = []
    eoh: bool = False


class Followed:
    """A market that is followed, over one connection after another."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.last_ns = self.dom_ns = 0
        self.told: dict[str, None] = {}  # ids
        self.waiting: list[Trade] | None = []  # until history is through; None from then on
        self.torn = self.dom_torn = False  # what comes next may not follow what came last


class MarketStream:
    """Every market of a login that is followed."""

    def __init__(self, connection: Connection, pulse: MarketPulse) -> None:
        self._connection = connection
        self._teller = MarketTeller(SOURCE, connection.config.connection, connection.emit, pulse)
        self.followed: dict[str, Followed] = {}

    def begin(self) -> None:
        """A new connection."""
        self.tear()
        for of in self.followed.values():
            of.waiting = []

    def tear(self) -> None:
        """Something was lost, and nobody knows of which market."""
        for of in self.followed.values():
            of.torn = of.dom_torn = True

    def wanted(self, of: Followed) -> dict[str, Any]:
        """Where the chart of ticks is to begin."""
        if not of.last_ns:
            return {"asMuchAsElements": 1}
        return {"asFarAsTimestamp": moment(of.last_ns)}

    def dom(self, dom: Dom, now_ns: int) -> None:
        symbol = self._connection.directory.symbols.get(dom.contract_id, "")
        of = self.followed.get(symbol)
        if of is None:
            return
        ts_ns = time_ns(dom.timestamp) or now_ns
        if of.dom_torn and of.dom_ns:
            self._teller.gap(of.symbol, of.dom_ns, ts_ns, now_ns, f"{OF_DEPTH} ladders were lost")
        of.dom_torn, of.dom_ns = False, ts_ns
        self._teller.tell(
            DepthSnapshot(
                source=SOURCE,
                symbol=symbol,
                ts_ns=ts_ns,
                received_ns=now_ns,
                bids=_levels(dom.bids),
                asks=_levels(dom.offers),
            )
        )

    def ticks(self, of: Followed, packet: Ticks, now_ns: int) -> None:
        """Trades are told in the order of their time; those that happen while history comes wait for its
        end."""
        made = [trade_of(of.symbol, packet, tick, now_ns) for tick in packet.tks]
        trades = sorted((trade for trade in made if trade is not None), key=told_at)
        of.torn |= len(trades) < len(made)
        if of.waiting is None:
            self._tell(of, trades)
            return
        of.waiting += trades
        if packet.eoh or len(of.waiting) > _WAITING_MOST:
            came, of.waiting = sorted(of.waiting, key=told_at), None
            if any(trade.trade_id in of.told for trade in came):
                of.torn = False  # it reaches back to what was told: nothing is missing
            self._tell(of, came)

    def _tell(self, of: Followed, trades: Iterable[Trade]) -> None:
        for trade in trades:
            if trade.trade_id in of.told or (of.torn and trade.ts_ns < of.last_ns):
                continue
            if of.torn and of.last_ns:
                reason = "the venue repeats none of that time"
                self._teller.gap(of.symbol, of.last_ns, trade.ts_ns, trade.received_ns, reason)
            of.torn = False
            of.last_ns = max(of.last_ns, trade.ts_ns)
            of.told[trade.trade_id] = None
            if len(of.told) > _TOLD_KEPT:
                del of.told[next(iter(of.told))]
            self._teller.tell(trade)


def moment(at_ns: int) -> str:
    """A time in a request: whole milliseconds."""
    at = to_datetime(at_ns)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"


def trade_of(symbol: str, packet: Ticks, tick: Tick, now_ns: int) -> Trade | None:
    """None for one whose time is none: what it was is lost."""
    ts_ns = (packet.bt + tick.t) * _MS
    if not 0 < ts_ns <= LARGEST_NS:
        return None
    return Trade(
        source=SOURCE,
        symbol=symbol,
        ts_ns=ts_ns,
        received_ns=now_ns,
        price=round((packet.bp + tick.p) * packet.ts, _DIGITS),
        size=tick.s,
        aggressor=tick.aggressor,
        trade_id=str(tick.id),
    )


def told_at(trade: Trade) -> tuple[int, int]:
    """When it was, and its tick's id."""
    return trade.ts_ns, int(trade.trade_id)


def _levels(levels: list[Level]) -> Levels:
    return tuple((level.price, level.size) for level in levels)
