"""The faults that are ordered through the control socket, and the questions by which the doors meet them.

Pure: randomness and clock are passed in. `control.py` sets the fields, doors ask; `clear` makes everything well again.
Where a fault names a login, '' stands for every login; where it names an account, None stands for every account.
"""

import math
from collections import defaultdict
from decimal import Decimal
from random import Random
from typing import Generic, Protocol, TypeVar

from brokers.sandbox.orders import Reason
from schema.clock import Clock
from schema.records import Record

What = TypeVar("What")


class Told(Protocol):
    """One event of a door's stream. `order_id` is 0 for what belongs to no one order."""

    @property
    def entity_type(self) -> str: ...
    @property
    def order_id(self) -> int: ...


TellT = TypeVar("TellT", bound=Told)
_Z95 = 1.6448536269514722


class Latency(Record, frozen=True):
    """A lognormal distribution by two of its percentiles, milliseconds; nothing takes longer than `max_ms`."""

    p50_ms: float
    p95_ms: float
    max_ms: float = math.inf


class Refusal(Record, frozen=True):
    """A reject to give; `after_s` is how long a late one lets the order live."""

    reason: Reason
    text: str
    after_s: float = 0.0


class Ticketing(Record, frozen=True):
    wait_s: float
    captcha: bool


class EventFaults(Record, frozen=True):
    """What happens to a login's events: the share that comes twice, the share of fills that never comes, whether an
    order's events come shuffled, and whether they come before the answer to the request that caused them."""

    duplicate: float = 0.0
    drop_fills: float = 0.0
    reorder: bool = False
    before_answer: bool = False


class Listing(Record, frozen=True):
    """What is told of a contract that is not as the venue has it: its tick size (None: the right one), when it expires
    (None: when it does), or, with `listed` False, that there is no such contract."""

    tick_size: Decimal | None = None
    listed: bool = True
    expires_ns: int | None = None


class Counted(Generic[What]):
    """Something that happens to the next n requests, of one subject (an account, a login, an endpoint) or of all."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int | str | None, int, What]] = []

    def add(self, subject: int | str | None, count: int, what: What) -> None:
        self._waiting.append((subject, count, what))

    def take(self, subject: int | str | None) -> What | None:
        """What happens to this one, if anything does."""
        for number, (wanted, count, what) in enumerate(self._waiting):
            if wanted is None or wanted == subject:
                self._waiting[number : number + 1] = [(wanted, count - 1, what)] if count > 1 else []
                return what
        return None


class Faults:
    """See the module's docstring."""

    def __init__(self, random: Random, clock: Clock) -> None:
        self._random = random
        self._clock = clock
        # Whoever sits out one of these looks at it again and again: they are emptied, never replaced.
        self.refuse_until_ns: dict[str, int] = {}
        self.silent_until_ns: dict[str, int] = {}
        self.hanging_until_ns: dict[str, int] = {}
        self.empty_until_ns: dict[str, int] = {}
        self.babbling_until_ns: dict[str, int] = {}
        self.clear()

    def clear(self) -> None:
        """No faults any more. Orders held for a late reject are still refused."""
        self.latency: dict[str, Latency] = {}
        self.rejects: Counted[Refusal] = Counted()
        self.late_rejects: Counted[Refusal] = Counted()
        self.lost_requests: Counted[bool] = Counted()
        self.hidden_answers: Counted[bool] = Counted()
        self.broken_answers: Counted[int] = Counted()
        self.throttles: Counted[int] = Counted()
        self.tickets: Counted[Ticketing] = Counted()
        self.events: dict[str, EventFaults] = {}
        self.frames_left: dict[str, int] = {}
        self.listings: dict[tuple[str, str], Listing] = {}
        for timed in (
            self.refuse_until_ns,
            self.silent_until_ns,
            self.hanging_until_ns,
            self.empty_until_ns,
            self.babbling_until_ns,
        ):
            timed.clear()

    def delay_s(self, login: str) -> float:
        """How long this request waits before the venue sees it."""
        latency = self.latency.get(login) or self.latency.get("")
        if latency is None:
            return 0.0
        sigma = math.log(max(latency.p95_ms / latency.p50_ms, 1.0)) / _Z95
        return min(self._random.lognormvariate(math.log(latency.p50_ms), sigma), latency.max_ms) / 1_000

    def events_of(self, login: str) -> EventFaults:
        return self.events.get(login) or self.events.get("") or EventFaults()

    def listing(self, login: str, symbol: str) -> Listing:
        """How a contract is told to a login."""
        return self.listings.get((login, symbol)) or self.listings.get(("", symbol)) or Listing()

    def left_s(self, until_ns: dict[str, int], login: str) -> float:
        """Seconds that a timed fault still holds for a login; 0 when it does not."""
        until = max(until_ns.get(login, 0), until_ns.get("", 0))
        return max(0.0, (until - self._clock.now_ns()) / 1e9)

    def frame_cuts(self, login: str) -> bool:
        """Count one frame about to be sent on a login's user sockets: do its connections break here?"""
        for key in (login, ""):
            if key in self.frames_left:
                self.frames_left[key] -= 1
                if self.frames_left[key] <= 0:
                    del self.frames_left[key]
                    return True
        return False

    def loses_fill(self, login: str) -> bool:
        """Whether the message of a fill never comes."""
        share = self.events_of(login).drop_fills
        return bool(share) and self._random.random() < share

    def tells_twice(self, login: str) -> bool:
        """Whether a message comes once more."""
        share = self.events_of(login).duplicate
        return bool(share) and self._random.random() < share

    def disturb(self, login: str, changes: list[TellT]) -> list[TellT]:
        """The events as they reach a login's sockets; those of entity type ``fill`` are the fills."""
        fault = self.events_of(login)
        kept: list[TellT] = []
        for change in changes:
            if change.entity_type == "fill" and fault.drop_fills and self._random.random() < fault.drop_fills:
                continue
            twice = fault.duplicate and self._random.random() < fault.duplicate
            kept += [change, change] if twice else [change]
        if not fault.reorder:
            return kept
        places: dict[int, list[int]] = defaultdict(list)
        for place, change in enumerate(kept):
            if change.order_id:  # positions and money belong to no one order and stay in order
                places[change.order_id].append(place)
        shuffled = list(kept)
        for mine in places.values():
            for place, source in zip(mine, self._random.sample(mine, len(mine)), strict=True):
                shuffled[place] = kept[source]
        return shuffled
