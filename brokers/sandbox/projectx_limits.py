"""Request limits of the ProjectX door: rolling windows per user, answered 429 (`protocols/projectx.md 2.5`)."""

from collections import defaultdict, deque

from brokers.sandbox.settings import ProjectXSettings
from schema.clock import Clock

BARS = "history/retrievebars"


class Limits:
    def __init__(self, settings: ProjectXSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._spent: dict[tuple[str, bool], deque[int]] = defaultdict(deque)

    def over(self, login: str, endpoint: str) -> bool:
        """Count a request; True when the user has none left."""
        bars = endpoint == BARS
        settings = self._settings
        limit, window_s = (
            (settings.bars, settings.bars_window_s) if bars else (settings.requests, settings.requests_window_s)
        )
        if not limit:
            return False
        spent, now_ns = self._spent[login, bars], self._clock.now_ns()
        while spent and spent[0] <= now_ns - window_s * 1e9:
            spent.popleft()
        if len(spent) >= limit:
            return True
        spent.append(now_ns)
        return False
