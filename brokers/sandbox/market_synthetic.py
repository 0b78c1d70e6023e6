"""A made-up market: a random walk with ten levels a side, drawn from a seed.

Pure: randomness is passed in, the server says how much time has passed. The same seed gives the same market as long
as nobody trades with it. Used where there is no tape.
"""

from collections.abc import Sequence
from random import Random

from brokers.sandbox.instruments import ListedContract
from brokers.sandbox.market_tape import Sink
from schema.records import Record

LEVELS = 10
EVENTS_PER_S = 35.0
_TRADE_SHARE = 0.2
_MINUTE_NS = 60_000_000_000


class PastTrade(Record, frozen=True):
    """A trade from before the venue opened, for the charts."""

    at_ns: int
    ticks: int
    size: int
    aggressor: int


class SyntheticMarket:
    """Quotes `contracts` at the same prices and sizes. `start_ns` is the market's time at the opening."""

    def __init__(
        self, random: Random, contracts: Sequence[ListedContract], start_ns: int, mid_ticks: int = 4800 * 4
    ) -> None:
        self.now_ns = start_ns
        self._random = random
        self._contract_ids = [contract.contract_id for contract in contracts]
        self._start_ns = start_ns
        self._mid = mid_ticks
        self._next_ns = start_ns
        self._shown: dict[int, dict[int, int]] = {1: {}, -1: {}}
        self._sink: Sink | None = None

    def past(self, minutes: int = 120) -> list[PastTrade]:
        """Trades of the minutes before the opening, oldest first; they end at the opening price."""
        price, trades = self._mid, list[PastTrade]()
        for step in range(minutes * 12):
            at_ns = self._start_ns - (step + 1) * _MINUTE_NS // 12
            aggressor = self._random.choice((1, -1))
            trades.append(PastTrade(at_ns=at_ns, ticks=price, size=self._random.randint(5, 120), aggressor=aggressor))
            price += self._random.choice((-2, -1, -1, 0, 0, 0, 1, 1, 2))
        return trades[::-1]

    def open(self, sink: Sink) -> None:
        self._sink = sink
        sink.market_reset()
        for distance in range(LEVELS):
            self._set(1, self._mid - 1 - distance, self._size())
            self._set(-1, self._mid + distance, self._size())
        self._trade(self._random.choice((1, -1)), 1)

    def advance(self, elapsed_ns: int) -> None:
        until_ns = self.now_ns + elapsed_ns
        while self._next_ns <= until_ns:
            self.now_ns = max(self.now_ns, self._next_ns)
            self._step()
            self._next_ns += 1 + round(self._random.expovariate(EVENTS_PER_S) * 1e9)
        self.now_ns = until_ns

    def _step(self) -> None:
        if self._random.random() < _TRADE_SHARE:
            self._trade(self._random.choice((1, -1)), 1 + round(self._random.expovariate(1 / 6)))
            return
        sign = self._random.choice((1, -1))
        price = self._touch(sign) - sign * min(int(self._random.expovariate(0.4)), LEVELS - 1)
        self._set(sign, price, self._size())

    def _touch(self, sign: int) -> int:
        return max(self._shown[sign], key=lambda price: price * sign)

    def _trade(self, aggressor: int, size: int) -> None:
        assert self._sink is not None
        price = self._touch(-aggressor)
        size = min(size, self._shown[-aggressor][price])
        for contract_id in self._contract_ids:
            self._sink.market_trade(contract_id, price, size, aggressor)
        left = self._shown[-aggressor][price] - size
        # A thin touch gives way now and then before it is used up: this is what makes the price walk.
        if left < 6 and self._random.random() < 0.5:
            left = 0
        self._set(-aggressor, price, left)
        if not left:
            self._walk(aggressor, price)

    def _walk(self, direction: int, price: int) -> None:
        """The touch that stood at `price` is gone: the other side steps up to it, both ladders keep their length."""
        self._set(direction, price, self._size())
        self._set(direction, price - direction * LEVELS, 0)
        self._set(-direction, price + direction * LEVELS, self._size())

    def _set(self, sign: int, price: int, size: int) -> None:
        assert self._sink is not None
        if size:
            self._shown[sign][price] = size
        else:
            self._shown[sign].pop(price, None)
        for contract_id in self._contract_ids:
            self._sink.market_level(contract_id, sign, price, size)

    def _size(self) -> int:
        return 4 + round(self._random.expovariate(1 / 18))
