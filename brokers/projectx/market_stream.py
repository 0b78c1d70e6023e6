"""The depth and every trade of a market over the market hub (`protocols/projectx.md 2.4, 2.6, 2.7`). `market_data.py`
owns one and gives it what comes.

The venue numbers nothing and repeats nothing: what happens while a connection is away is lost, and told as a gap.
"""

from enum import IntEnum

from brokers.amounts import time_ns
from brokers.projectx import wire
from brokers.projectx.connection import Connection
from brokers.projectx.translate import quoted, symbol_of
from brokers.telling import MarketPulse, MarketTeller
from brokers.text import NOT_READ
from schema.market import OF_DEPTH, Aggressor, DepthChanged, DepthSnapshot, Trade

SOURCE = "projectx"
TRADES, DEPTH = "GatewayTrade", "GatewayDepth"
SUBSCRIBE = ("SubscribeContractTrades", "SubscribeContractMarketDepth")
_AGGRESSORS = {0: Aggressor.BUY, 1: Aggressor.SELL}


class _Dom(IntEnum):
    """What a row of depth is about; the others (trades, highs and lows) are no levels."""

    ASK = 1
    BID = 2
    BEST_ASK = 3
    BEST_BID = 4
    RESET = 6
    NEW_BEST_BID = 9
    NEW_BEST_ASK = 10


_BIDS = (_Dom.BID, _Dom.BEST_BID, _Dom.NEW_BEST_BID)
_ASKS = (_Dom.ASK, _Dom.BEST_ASK, _Dom.NEW_BEST_ASK)


class _Followed:
    def __init__(self) -> None:
        self.trade_ns = self.depth_ns = 0  # of the last one told
        self.trades_torn = self.depth_torn = False  # what comes next may not follow it


class MarketStream:
    """Every market of a login that is followed."""

    def __init__(self, connection: Connection, pulse: MarketPulse) -> None:
        self._teller = MarketTeller(SOURCE, connection.config.connection, connection.emit, pulse)
        self._followed: dict[str, _Followed] = {}

    @property
    def symbols(self) -> frozenset[str]:
        return frozenset(self._followed)

    def add(self, symbol: str) -> bool:
        """Whether it is new."""
        if symbol in self._followed:
            return False
        self._followed[symbol] = _Followed()
        return True

    def begin(self) -> None:
        """A new connection."""
        for of in self._followed.values():
            of.trades_torn = of.depth_torn = True

    def take(self, target: str, contract_id: str, rows: list[bytes], now_ns: int) -> None:
        """One message, or nothing of it: then the next one tells of a gap. Raises one of NOT_READ, and
        UnknownContract."""
        symbol = symbol_of(contract_id)
        of = self._followed.get(symbol)
        if of is None:
            return
        try:
            if target == TRADES:
                for trade in [wire.read(row, wire.MarketTrade) for row in rows]:
                    self._trade(of, symbol, contract_id, trade, now_ns)
            else:
                self._depth(of, symbol, contract_id, [wire.read(row, wire.Depth) for row in rows], now_ns)
        except NOT_READ:
            of.trades_torn, of.depth_torn = of.trades_torn or target == TRADES, of.depth_torn or target == DEPTH
            raise

    def _trade(self, of: _Followed, symbol: str, contract_id: str, trade: wire.MarketTrade, now_ns: int) -> None:
        ts_ns = time_ns(trade.timestamp) or now_ns
        if of.trades_torn and of.trade_ns:
            self._teller.gap(symbol, of.trade_ns, ts_ns, now_ns, "trades were lost, and the venue repeats none")
        of.trades_torn, of.trade_ns = False, ts_ns
        self._teller.tell(
            Trade(
                source=SOURCE,
                symbol=symbol,
                ts_ns=ts_ns,
                received_ns=now_ns,
                price=quoted(trade.price, contract_id),
                size=trade.volume,
                aggressor=_AGGRESSORS.get(trade.type, Aggressor.NONE),
            )
        )

    def _depth(self, of: _Followed, symbol: str, contract_id: str, rows: list[wire.Depth], now_ns: int) -> None:
        """One change of all the rows; from a reset on, a whole book."""
        resets = [at for at, row in enumerate(rows) if row.type == _Dom.RESET]
        if resets:
            rows = rows[resets[-1] :]
        bids, asks = (
            tuple((quoted(row.price, contract_id), row.volume) for row in rows if row.type in kinds)
            for kinds in (_BIDS, _ASKS)
        )
        if not (resets or bids or asks):
            return
        ts_ns = max((time_ns(row.timestamp) for row in rows), default=0) or now_ns
        if of.depth_torn and of.depth_ns:
            self._teller.gap(symbol, of.depth_ns, ts_ns, now_ns, f"{OF_DEPTH} changes were lost")
        of.depth_torn, of.depth_ns = False, ts_ns
        kind = DepthSnapshot if resets else DepthChanged
        self._teller.tell(kind(source=SOURCE, symbol=symbol, ts_ns=ts_ns, received_ns=now_ns, bids=bids, asks=asks))
