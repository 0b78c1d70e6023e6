"""An adapter under test with everything it told, and waiting for a condition with a deadline."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from brokers.adapter import AdapterSettings, Credentials, Event, OrderNotSent, OrderSent
from brokers.tradovate.adapter import TradovateAdapter
from schema.clock import SYSTEM_CLOCK
from schema.records import ApprovedOrder, ConnectionConfig, Environment, OrderType, Side
from tests.brokers.tradovate.venue import PASSWORD, Venue

E = TypeVar("E")
SETTINGS = AdapterSettings(deadline_s=0.6, requests_per_min=600, reserved_for_exits=20, reconnect_cap_s=0.2)


async def until(condition: Callable[[], Any], what: str, deadline_s: float = 5.0) -> None:
    """Wait for a condition; the test fails with `what` when the deadline passes first."""
    end = asyncio.get_running_loop().time() + deadline_s
    while not condition():
        assert asyncio.get_running_loop().time() < end, f"not within {deadline_s} s: {what}"
        await asyncio.sleep(0.005)


class Bench:
    """The adapter, and its events in order."""

    def __init__(self, venue: Venue, **changes: Any) -> None:
        self.venue = venue
        self.events: list[Event] = []
        settings = changes.pop("settings", SETTINGS)
        password = changes.pop("password", PASSWORD)
        config = ConnectionConfig(
            connection="desk1",
            venue="tradovate",
            environment=Environment.DEMO,
            username="desk1",
            rest_url=venue.url,
            ws_url=venue.ws_url,
            md_url=venue.md_url,
        )
        self.adapter = TradovateAdapter(
            msgspec.structs.replace(config, **changes),
            Credentials(username="desk1", password=password, device_id="bench"),
            settings,
            SYSTEM_CLOCK,
            self.events.append,
            random.Random(1),
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


@contextlib.asynccontextmanager
async def connected(venue: Venue, **changes: Any) -> AsyncIterator[Bench]:
    bench = Bench(venue, **changes)
    await bench.adapter.connect()
    try:
        yield bench
    finally:
        await bench.adapter.close()


def buy(cl_ord_id: str, qty: int = 1, **changes: Any) -> ApprovedOrder:
    order = ApprovedOrder(
        account="DEMO1001",
        venue_account_id="101",
        symbol="ESH4",
        side=Side.BUY,
        qty=qty,
        order_type=OrderType.MARKET,
        cl_ord_id=cl_ord_id,
        reducing=False,
    )
    return msgspec.structs.replace(order, **changes)


def price(text: str) -> Decimal:
    return Decimal(text)
