"""Request limits of the Tradovate door (`protocols/tradovate.md 1.5`): budgets per user, p-tickets per endpoint.

Used by `tradovate_door.py` before a request is carried out. Times come from the clock passed in.
"""

from collections import defaultdict, deque
from random import Random

from brokers.sandbox.settings import DoorSettings
from brokers.sandbox.tradovate_call import Answer, Call
from schema.clock import Clock
from schema.records import Record

_HOUR_NS = 3_600_000_000_000
_MINUTE_NS = 60_000_000_000
_UNCOUNTED = ("authorize", "auth/accesstokenrequest", "auth/oauthtoken")


class _Rule(Record, frozen=True):
    """An endpoint's hourly limit. `wait_s` is the p-time; `captcha`: no program gets past it."""

    per_hour: int
    wait_s: int
    captcha: bool = False
    failures_only: bool = False


class _Ticket(Record, frozen=True):
    endpoint: str
    ready_ns: int
    captcha: bool


class Limits:
    """See the module's docstring."""

    def __init__(self, settings: DoorSettings, clock: Clock, random: Random) -> None:
        self._settings = settings
        self._clock = clock
        self._random = random
        self._spent: dict[str, deque[int]] = defaultdict(deque)
        self._warned: set[str] = set()
        self._locked_until_ns: dict[str, int] = {}
        self._calls: dict[str, deque[int]] = defaultdict(deque)
        self._tickets: dict[str, _Ticket] = {}
        self._rules = {
            "auth/accesstokenrequest": _Rule(
                per_hour=settings.failed_logins_per_hour, wait_s=15, captcha=True, failures_only=True
            ),
            "auth/renewaccesstoken": _Rule(per_hour=settings.renewals_per_hour, wait_s=15),
            "auth/me": _Rule(per_hour=settings.me_per_hour, wait_s=15),
            "user/syncrequest": _Rule(per_hour=settings.syncs_per_hour, wait_s=3),
        }

    def over_budget(self, call: Call) -> Answer | None:
        """The refusal of a user who asks too much: 423 the first time, then 429, both without a body."""
        if call.endpoint in _UNCOUNTED or not self._settings.requests_per_min:
            return None
        now, login = self._clock.now_ns(), call.login
        if self._locked_until_ns.get(login, 0) > now:
            return Answer(status=429)
        spent = self._spent[login]
        while spent and spent[0] <= now - _MINUTE_NS:
            spent.popleft()
        if len(spent) < self._settings.requests_per_min:
            spent.append(now)
            self._warned.discard(login)
            return None
        if login not in self._warned:
            self._warned.add(login)
            return Answer(status=423)
        self._locked_until_ns[login] = now + round(self._settings.lockout_s * 1e9)
        return Answer(status=429)

    def ticketed(self, call: Call) -> Answer | None:
        """The p-ticket that stands between this call and its endpoint; None when the way is free."""
        rule = self._rules.get(call.endpoint)
        if (shown := call.arguments.get("p-ticket")) is not None:
            ticket = self._tickets.get(str(shown))
            if ticket and ticket.endpoint == call.endpoint and not ticket.captcha:
                if ticket.ready_ns <= self._clock.now_ns():
                    del self._tickets[str(shown)]
                    return None
                return self.ticket(call.endpoint, (ticket.ready_ns - self._clock.now_ns()) / 1e9, captcha=False)
        if rule is None:
            return None
        calls, now = self._calls[call.endpoint], self._clock.now_ns()
        while calls and calls[0] <= now - _HOUR_NS:
            calls.popleft()
        if len(calls) >= rule.per_hour:
            return self.ticket(call.endpoint, rule.wait_s, captcha=rule.captcha)
        if not rule.failures_only:
            calls.append(now)
        return None

    def failed(self, endpoint: str) -> None:
        """A call of an endpoint of which only failures count has failed."""
        rule = self._rules.get(endpoint)
        if rule is not None and rule.failures_only:
            self._calls[endpoint].append(self._clock.now_ns())

    def ticket(self, endpoint: str, wait_s: float, *, captcha: bool) -> Answer:
        """A new p-ticket, valid for `endpoint` once the wait is over."""
        name = f"{self._random.getrandbits(128):032x}"
        ready_ns = self._clock.now_ns() + round(wait_s * 1e9)
        self._tickets[name] = _Ticket(endpoint=endpoint, ready_ns=ready_ns, captcha=captcha)
        data: dict[str, str | int | bool] = {"p-ticket": name, "p-time": max(1, -int(-wait_s // 1)) if wait_s else 0}
        return Answer(data=data | {"p-captcha": True} if captcha else data)
