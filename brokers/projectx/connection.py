"""What the parts of one logged-in connection share; `adapter.py` builds it at every connect."""

import random as random_module
from dataclasses import dataclass

from brokers.adapter import AdapterSettings, Emit, LoginRefused, VenueError
from brokers.budget import RequestBudget
from brokers.projectx.facts import Facts
from brokers.projectx.http import Addresses
from brokers.projectx.hubs import HubLost
from brokers.projectx.login import Login
from brokers.projectx.rest import Rest
from schema.clock import Clock
from schema.records import ConnectionConfig


@dataclass(frozen=True, slots=True)
class Timing:
    """How the hubs are watched, seconds (`protocols/projectx.md 2.4, 2.6`). The venue pings every 15 s: after
    `silent_s` without a message the lists are asked every `poll_s`, after `dead_s` the hub is opened anew. An order
    the venue took and the stream says nothing of for `expect_s` starts the asking, too. More than `logouts`
    GatewayLogouts in `logouts_s` are somebody else who fights for this session: we give way."""

    ping_s: float = 10.0
    silent_s: float = 17.0
    dead_s: float = 32.0
    poll_s: float = 2.0
    expect_s: float = 1.0
    check_s: float = 0.1
    logouts: int = 5
    logouts_s: float = 120.0
    steady_s: float = 5.0
    bars_s: float = 3.0


@dataclass(frozen=True, slots=True, repr=False)
class Connection:
    config: ConnectionConfig
    settings: AdapterSettings
    timing: Timing
    clock: Clock
    random: random_module.Random
    emit: Emit
    urls: Addresses
    host: str
    login: Login
    rest: Rest
    budget: RequestBudget
    facts: Facts
    contract_ids: dict[str, str]  # symbol -> the venue's id


class Backoff:
    """How long to stay away after each failure: 1, 2, 4 ... seconds up to the cap, and at most 10 % more."""

    def __init__(self, cap_s: float, random: random_module.Random) -> None:
        self._cap_s = cap_s
        self._random = random
        self._failures = 0

    def steady(self) -> None:
        self._failures = 0

    def __call__(self, error: BaseException) -> bool | float:
        """stamina's hook: seconds to wait, or False when waiting does not help."""
        if isinstance(error, LoginRefused) or not isinstance(error, HubLost | VenueError):
            return False
        wait_s = min(0.25 * 2.0**self._failures, self._cap_s)
        self._failures = min(self._failures + 1, 16)
        return wait_s * (1.0 + 0.1 * self._random.random())
