"""A circuit breaker per connection. It gates entries only; the planner never asks it about a reducing order."""


class Breaker:
    """Opens after `failures` failures in a row. After `open_s` seconds the next entries are its probe: one failure
    opens it again at once, one success closes it."""

    def __init__(self, failures: int, open_s: float) -> None:
        self._limit = failures
        self._open_ns = int(open_s * 1e9)
        self._failures = 0
        self._opened_ns = 0

    @property
    def failures(self) -> int:
        """Failures in a row."""
        return self._failures

    def state(self, now_ns: int) -> str:
        """``closed``, ``open``, or ``probing`` when the next entries are its probe."""
        if self._failures < self._limit:
            return "closed"
        return "probing" if self.allows(now_ns) else "open"

    def allows(self, now_ns: int) -> bool:
        """Whether an entry may go now."""
        return self._failures < self._limit or now_ns - self._opened_ns >= self._open_ns

    def failed(self, now_ns: int) -> bool:
        """Count a failure (no proof by the deadline, venue unavailable); True when this one opened the breaker."""
        opens = self._failures + 1 >= self._limit and self.allows(now_ns)
        self._failures += 1
        if opens:
            self._opened_ns = now_ns
        return opens

    def succeeded(self) -> None:
        self._failures = 0
