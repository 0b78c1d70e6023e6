"""What the sandbox's doors share, and what every door must be: the room between the one venue and the protocols.

`server.py` makes one `House` and builds each door on it; `control.py` speaks to doors through `VenueDoor` alone. A
login, and so each of its accounts, belongs to exactly one door; events of an account are told to that door only.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol

from aiohttp import web

from brokers.sandbox.charts import ChartBook
from brokers.sandbox.faults import Faults
from brokers.sandbox.market_tape import Market
from brokers.sandbox.orders import VenueEvent
from brokers.sandbox.venue import Venue
from schema.clock import Clock

_CHECK_S = 0.05


async def sit_out(faults: Faults, until_ns: dict[str, int], login: str) -> None:
    """Wait for the end of a timed fault, which an order of the control socket may move meanwhile."""
    while left_s := faults.left_s(until_ns, login):  # noqa: ASYNC110 - the end is a time, and moves
        await asyncio.sleep(min(left_s, _CHECK_S))


@dataclass(slots=True, eq=False)
class User:
    """A login of any door. `password` is what its protocol calls the secret. `repr` shows no password."""

    user_id: int
    name: str
    password: str = field(repr=False)
    account_ids: list[int] = field(default_factory=list[int])


@dataclass(slots=True, eq=False)
class Received:
    """One trading request as it came in, at whatever door. `outcome` is empty until it is known."""

    endpoint: str
    login: str
    account_id: int | None
    cl_ord_id: str | None
    arrived_ns: int
    outcome: str = ""
    order_id: int | None = None


@dataclass(slots=True, eq=False)
class House:
    """What every door stands on. `faults` name logins and accounts, so one set serves all doors; `received` is the
    record of every trading request, `requests` how many of each kind every login made; `random` gives a generator of
    its own for each purpose; `later` acts after so many seconds."""

    venue: Venue
    market: Market
    charts: dict[int, ChartBook]
    clock: Clock
    faults: Faults
    random: Callable[[str], Random]
    received: list[Received] = field(default_factory=list[Received])
    requests: dict[str, Counter[str]] = field(default_factory=dict[str, Counter[str]])
    later: Callable[[float, Callable[[], None]], None] = lambda _after, act: act()

    def count(self, login: str, kind: str) -> None:
        """A login made a request of this kind."""
        self.requests.setdefault(login, Counter())[kind] += 1


async def listen(application: web.Application, port: int) -> tuple[web.AppRunner, int]:
    """Serve on 127.0.0.1 (`port` 0: any free one); what to clean up when the door closes, and the port. Raises OSError
    when it is taken."""
    runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    return runner, runner.addresses[0][1]


class VenueDoor(Protocol):
    """One venue's protocol. A `login` of '' means every login of this door."""

    def add_user(self, user: User) -> None:
        """A login that may come in; its accounts exist already."""
        ...

    def on_event(self, event: VenueEvent) -> None:
        """Something happened to an account of one of this door's logins."""
        ...

    async def open(self, port: int, tasks: asyncio.TaskGroup) -> dict[str, Any]:
        """Listen on 127.0.0.1 (`port` 0: any free one); returns the door's addresses for the ready line. `tasks`
        outlives every connection. Raises OSError when the port is taken."""
        ...

    async def close(self) -> None:
        """Break every connection and stop listening."""
        ...

    def quote(self) -> None:
        """Send what is due of market data; called `quotes_per_s` times a second."""
        ...

    # --- faults that act at once; each returns how many sockets, events or tokens it concerned ---------------------

    def disconnect(self, login: str) -> int: ...
    def expire(self, login: str) -> int: ...
    def replay(self, login: str) -> int: ...
    def shutdown(self, login: str, code: str, text: str) -> int: ...
    def go_away(self, login: str) -> int: ...

    def babble(self, login: str, count: int, *, garbled: bool) -> int:
        """Send each connection of a login so many messages that nobody asked for: true ones that change no position
        (its money by another cent, an order's status once more), or `garbled` ones that nobody can read."""
        ...
