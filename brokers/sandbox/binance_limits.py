"""Limits of the Binance door: request weight of an address with its bans, and connection attempts
(`docs/binance.md` 3.3, 7.2, 7.3). Used by `binance_rest.py` and `binance_streams.py`."""

from collections import defaultdict, deque

from brokers.sandbox.settings import BinanceSettings
from schema.clock import Clock
from schema.records import Record

_NS = 1_000_000_000
_MINUTE_NS = 60 * _NS


class Refusal(Record, frozen=True):
    status: int
    retry_after_s: int
    text: str


class Limits:
    """`most` is the most weight that any minute was asked for, `refused` how many requests were, for tests."""

    def __init__(self, settings: BinanceSettings, clock: Clock) -> None:
        self.most = 0
        self.refused = 0
        self.attempts = 0
        self._settings = settings
        self._clock = clock
        self._spent: dict[str, deque[tuple[int, int]]] = defaultdict(deque)
        self._beyond: dict[str, int] = defaultdict(int)
        self._bans: dict[str, tuple[int, float]] = {}
        self._attempts: dict[str, deque[int]] = defaultdict(deque)

    def request(self, address: str, weight: int) -> Refusal | None:
        """Count a request; what it is refused with."""
        settings, now_ns = self._settings, self._clock.now_ns()
        until_ns, last_s = self._bans.get(address, (0, 0.0))
        if now_ns < until_ns:
            return self._banned(until_ns, now_ns)
        used = self.used(address)
        self.most = max(self.most, used + weight)
        if used + weight <= settings.weight:
            self._spent[address].append((now_ns, weight))
            return None
        self._beyond[address] += 1
        if self._beyond[address] > settings.patience:
            self._beyond[address] = 0
            ban_s = min(max(settings.ban_s, last_s * 2), settings.longest_ban_s)
            self._bans[address] = (now_ns + round(ban_s * _NS), ban_s)
            return self._banned(now_ns + round(ban_s * _NS), now_ns)
        return self.throttled(address)

    def throttled(self, address: str) -> Refusal:
        """What too many requests are answered."""
        self.refused += 1
        now_ns = self._clock.now_ns()
        ends_ns = now_ns - now_ns % _MINUTE_NS + _MINUTE_NS
        if not self._settings.weight_minute_by_clock and self._spent[address]:
            ends_ns = self._spent[address][0][0] + _MINUTE_NS
        text = (
            f"Too much request weight used; current limit is {self._settings.weight} request weight per 1 MINUTE. "
            "Please use WebSocket Streams for live updates to avoid polling the API."
        )
        return Refusal(status=429, retry_after_s=_up(ends_ns - now_ns), text=text)

    def used(self, address: str) -> int:
        """The weight of the current minute."""
        now_ns, spent = self._clock.now_ns(), self._spent[address]
        begins_ns = now_ns - now_ns % _MINUTE_NS if self._settings.weight_minute_by_clock else now_ns - _MINUTE_NS
        while spent and spent[0][0] < begins_ns:
            spent.popleft()
        if not spent:
            self._beyond[address] = 0
        return sum(weight for _, weight in spent)

    def attempt(self, address: str) -> bool:
        """Count a connection attempt; whether it may come in."""
        now_ns, made = self._clock.now_ns(), self._attempts[address]
        self.attempts += 1
        made.append(now_ns)
        while made[0] <= now_ns - self._settings.attempts_window_s * _NS:
            made.popleft()
        return len(made) <= self._settings.attempts

    def _banned(self, until_ns: int, now_ns: int) -> Refusal:
        self.refused += 1
        text = (
            f"Way too much request weight used; IP banned until {until_ns // 1_000_000}. "
            "Please use WebSocket Streams for live updates to avoid bans."
        )
        return Refusal(status=418, retry_after_s=_up(until_ns - now_ns), text=text)


def _up(ns: int) -> int:
    return -(-ns // _NS)
