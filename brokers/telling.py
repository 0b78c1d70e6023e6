"""How an adapter tells of a market that is followed (`adapter.py` TellsMarket): the same at every venue."""

from brokers.adapter import Emit, MarketTold
from schema.market import FeedGap, MarketEvent


class MarketTeller:
    """For one login at the venue that is the `source`."""

    def __init__(self, source: str, connection: str, emit: Emit) -> None:
        self.source = source
        self._connection = connection
        self._emit = emit

    def tell(self, event: MarketEvent) -> None:
        self._emit(MarketTold(connection=self._connection, received_ns=event.received_ns, event=event))

    def gap(self, symbol: str, since_ns: int, ts_ns: int, now_ns: int, reason: str) -> None:
        """What was not told between the last thing that was and the first one after."""
        self.tell(
            FeedGap(
                source=self.source,
                symbol=symbol,
                ts_ns=ts_ns,
                received_ns=now_ns,
                since_ns=since_ns,
                reason=reason,
            )
        )
