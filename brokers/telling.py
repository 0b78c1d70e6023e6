"""How an adapter tells of a market that is followed (`adapter.py` TellsMarket): the same at every venue."""

from brokers.adapter import Emit, MarketTold
from schema.clock import Clock
from schema.market import FeedGap, FeedHealth, MarketEvent


class MarketPulse:
    """How a login's market connection is (`TellsMarket.market_health`): the adapter says here what happens to it."""

    def __init__(self, connection: str, clock: Clock) -> None:
        self.gaps = self.dropped = 0
        self._connection = connection
        self._clock = clock
        self._state = ""  # nothing was asked of it yet
        self._opened = 0
        self._heard_ns = -1
        self._lag_ms = -1.0

    def wanted(self) -> None:
        """Something is asked of it."""
        self._state = self._state or "connecting"

    def up(self) -> None:
        self._state = "up"
        self._opened += 1

    def down(self) -> None:
        self._state = "down"

    def heard(self, now_ns: int) -> None:
        """Anything at all came."""
        self._heard_ns = max(self._heard_ns, now_ns)

    def said(self, venue_ns: int, now_ns: int) -> None:
        """Something came that happened at `venue_ns` (0: it does not say)."""
        self.heard(now_ns)
        if venue_ns > 0:
            self._lag_ms = (now_ns - venue_ns) / 1e6

    def health(self) -> FeedHealth | None:
        """None before anything was asked of it."""
        if not self._state:
            return None
        age_ms = max(0.0, (self._clock.now_ns() - self._heard_ns) / 1e6) if self._heard_ns >= 0 else -1.0
        return FeedHealth(
            source=self._connection,
            ws_state=self._state,
            last_msg_age_ms=age_ms,
            reconnects=max(0, self._opened - 1),
            gaps=self.gaps,
            dropped=self.dropped,
            catchup_candles_total=0,
            lag_ms=self._lag_ms,
        )


class MarketTeller:
    """For one login at the venue that is the `source`."""

    def __init__(self, source: str, connection: str, emit: Emit, pulse: MarketPulse) -> None:
        self.source = source
        self._connection = connection
        self._emit = emit
        self._pulse = pulse

    def tell(self, event: MarketEvent) -> None:
        self._pulse.said(event.ts_ns, event.received_ns)
        self._emit(MarketTold(connection=self._connection, received_ns=event.received_ns, event=event))

    def gap(self, symbol: str, since_ns: int, ts_ns: int, now_ns: int, reason: str) -> None:
        """What was not told between the last thing that was and the first one after."""
        self._pulse.gaps += 1
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
