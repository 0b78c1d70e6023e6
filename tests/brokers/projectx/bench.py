"""A ProjectX adapter against the sandbox's own door over real sockets, with everything it told."""

import contextlib
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from brokers.adapter import AdapterSettings, Credentials, Event, Filled, OrderNotSent, OrderSent
from brokers.projectx.adapter import ProjectXAdapter
from brokers.projectx.connection import Timing
from schema.clock import SYSTEM_CLOCK
from schema.records import ApprovedOrder, ConnectionConfig, Environment, OrderType, Side
from tests.brokers.sandbox.projectx_client import ProjectXBench, projectx

E = TypeVar("E")
SETTINGS = AdapterSettings(deadline_s=0.8, reserved_for_exits=20, reconnect_cap_s=0.3)
TIMING = Timing(
    ping_s=0.3,
    silent_s=1.0,
    dead_s=6.0,
    poll_s=0.3,
    expect_s=0.5,
    check_s=0.02,
    bars_s=0.2,
)


class Bench:
    """The adapter of desk1 (accounts DEMO1001 and DEMO1002), its events in order, and the venue it is at."""

    def __init__(self, venue: ProjectXBench, **changes: Any) -> None:
        self.venue = venue
        self.control = venue.control
        self.events: list[Event] = []
        secret = changes.pop("secret", venue.login_of("desk1")["password"])
        settings = changes.pop("settings", SETTINGS)
        timing = changes.pop("timing", TIMING)
        config = ConnectionConfig(
            connection="desk1",
            venue="projectx",
            environment=Environment.DEMO,
            username="desk1",
            rest_url=venue.door["rest"],
            requests_per_min=10_000,
        )
        self.adapter = ProjectXAdapter(
            msgspec.structs.replace(config, **changes),
            Credentials(username="desk1", password=secret),
            settings,
            SYSTEM_CLOCK,
            self.events.append,
            random.Random(1),
            timing,
        )

    def of(self, kind: type[E], cl_ord_id: str | None = None) -> list[E]:
        found = [event for event in self.events if isinstance(event, kind)]
        return found if cl_ord_id is None else [e for e in found if getattr(e, "cl_ord_id", None) == cl_ord_id]

    def outcomes(self, cl_ord_id: str) -> list[str]:
        """Names of the order events of one client id, in order, without OrderSent."""
        return [
            type(event).__name__
            for event in self.events
            if getattr(event, "cl_ord_id", None) == cl_ord_id and not isinstance(event, OrderSent)
        ]

    def sent_once(self, cl_ord_id: str) -> bool:
        return len(self.of(OrderSent, cl_ord_id)) + len(self.of(OrderNotSent, cl_ord_id)) == 1

    def filled(self, account: str = "DEMO1001") -> int:
        """What the fills told so far add up to, signed; each fill id counted as often as it was told."""
        return sum(event.fill.net_qty for event in self.of(Filled) if event.fill.account == account)

    async def books(self, account: str = "DEMO1001") -> dict[str, Any]:
        return (await self.control("state", account=account))["accounts"][0]

    async def received(self, endpoint: str = "order/place") -> list[dict[str, Any]]:
        found = (await self.control("state"))["received"]
        return [each for each in found if each["endpoint"] == endpoint]


@contextlib.asynccontextmanager
async def venue(folder: Path, **settings: Any) -> AsyncIterator[ProjectXBench]:
    """The sandbox with its ProjectX door; an adapter's own second login tells nobody anything unless asked for."""
    async with projectx(folder, **{"ping_s": 0.3, "logout_on_second_login": False} | settings) as started:
        yield started


@contextlib.asynccontextmanager
async def connected(folder: Path, door: dict[str, Any] | None = None, **changes: Any) -> AsyncIterator[Bench]:
    async with venue(folder, **(door or {})) as at:
        bench = Bench(at, **changes)
        await bench.adapter.connect()
        try:
            yield bench
        finally:
            await bench.adapter.close()


def buy(cl_ord_id: str, qty: int = 1, **changes: Any) -> ApprovedOrder:
    order = ApprovedOrder(
        account="DEMO1001",
        venue_account_id="",
        symbol="ESH4",
        side=Side.BUY,
        qty=qty,
        order_type=OrderType.MARKET,
        cl_ord_id=cl_ord_id,
        reducing=False,
    )
    return msgspec.structs.replace(order, **changes)
