"""A login as the desk holds it, through the port alone, against a venue that somebody else wrote."""

import contextlib
import random
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any, TypeVar

from brokers.adapter import AdapterSettings, Credentials, Event, Filled
from brokers.registry import build_adapter
from schema.clock import SYSTEM_CLOCK
from schema.records import ApprovedOrder, ConnectionConfig, Environment, OrderType, Side

E = TypeVar("E")


class Seat:
    """The adapter and what it told."""

    def __init__(self, venue: str, url: str, secret: str, **settings: Any) -> None:
        self.events: list[Event] = []
        self.adapter = build_adapter(
            ConnectionConfig(
                connection="desk1",
                venue=venue,
                environment=Environment.DEMO,
                username="desk1",
                rest_url=url,
                requests_per_min=10_000,
            ),
            Credentials(username="desk1", password=secret, sec="canary-secret-81", device_id="peer"),
            AdapterSettings(**({"deadline_s": 0.8, "reconnect_cap_s": 0.3} | settings)),
            SYSTEM_CLOCK,
            self.events.append,
            random.Random(1),
        )

    def of(self, kind: type[E], cl_ord_id: str | None = None) -> list[E]:
        found = [event for event in self.events if isinstance(event, kind)]
        return found if cl_ord_id is None else [e for e in found if getattr(e, "cl_ord_id", None) == cl_ord_id]

    def told(self, cl_ord_id: str) -> list[str]:
        """What became of one order of ours, in order."""
        return [type(e).__name__ for e in self.events if getattr(e, "cl_ord_id", None) == cl_ord_id]

    def net(self, account: str) -> int:
        return sum(e.fill.net_qty for e in self.of(Filled) if e.fill.account == account)


def order(account: str, symbol: str, cl_ord_id: str, qty: int = 1, **changes: Any) -> ApprovedOrder:
    """A buy at market, unless `changes` say otherwise; `limit_price` or `stop_price` make it such an order."""
    fields: dict[str, Any] = {
        "account": account,
        "venue_account_id": "",
        "symbol": symbol,
        "side": Side.BUY,
        "qty": qty,
        "order_type": OrderType.MARKET,
        "cl_ord_id": cl_ord_id,
        "reducing": False,
    }
    for name in ("limit_price", "stop_price"):
        if name in changes:
            changes[name] = Decimal(str(changes[name]))
            changes.setdefault("order_type", OrderType.LIMIT if name == "limit_price" else OrderType.STOP)
    return ApprovedOrder(**(fields | changes))


@contextlib.asynccontextmanager
async def seated(venue: str, url: str, secret: str, **settings: Any) -> AsyncIterator[Seat]:
    seat = Seat(venue, url, secret, **settings)
    await seat.adapter.connect()
    try:
        yield seat
    finally:
        await seat.adapter.close()
