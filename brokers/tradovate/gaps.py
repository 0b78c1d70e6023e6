"""What the stream left out and the venue must be asked for: a collection, a contract's name, the fills of an order that
is filled. `session.py` calls `completed` after a sync reply and `check` after every event."""

import asyncio
from typing import Any

import msgspec
import stamina
import structlog

from brokers.adapter import VenueError
from brokers.tradovate.connection import Connection
from brokers.tradovate.entities import Command, Contract, Fill, Order, OrderVersion, Position, SyncReply
from brokers.tradovate.stream import Joined

log = structlog.get_logger()
FILLS_WAIT_S = 0.25  # fills may come just after the order that they filled
_LISTS: dict[str, tuple[str, Any]] = {
    "orders": ("order/list", list[Order]),
    "order_versions": ("orderVersion/list", list[OrderVersion]),
    "commands": ("command/list", list[Command]),
    "fills": ("fill/list", list[Fill]),
    "positions": ("position/list", list[Position]),
}


class Gaps:
    """Open questions of one socket's life, each asked once at a time in the socket's own task group."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._naming: set[int] = set()
        self._chasing: set[int] = set()

    async def completed(self, reply: SyncReply) -> SyncReply:
        """The reply with what it does not say of orders and positions read from their lists: any collection may be null
        or absent (`protocols/tradovate.md 1.4`), and what was not said is not a flat account. Raises VenueError."""
        found: dict[str, Any] = {}
        for name, (path, kind) in _LISTS.items():
            if getattr(reply, name) is None:
                found[name] = await self._connection.rest.read(path, kind, needed=True)
        return msgspec.structs.replace(reply, **found) if found else reply

    def check(self, joined: Joined, group: asyncio.TaskGroup) -> None:
        unnamed = joined.unnamed_contracts() - self._naming
        if unnamed:
            self._naming |= unnamed
            group.create_task(self._name_and_release(joined, unnamed))
        short = joined.short_orders() - self._chasing
        if short:
            self._chasing |= short
            group.create_task(self._chase_fills(joined, short))

    async def name_contracts(self, contract_ids: set[int]) -> None:
        """Learn the names of contracts (`items` may return fewer, in another order). Raises VenueError."""
        rest, directory = self._connection.rest, self._connection.directory
        ids = ",".join(str(contract_id) for contract_id in sorted(contract_ids))
        directory.add_contracts(await rest.read("contract/items", list[Contract], {"ids": ids}, needed=True))
        for contract_id in contract_ids - directory.symbols.keys():
            query = {"id": str(contract_id)}
            directory.add_contracts([await rest.read("contract/item", Contract, query, needed=True)])

    async def _name_and_release(self, joined: Joined, contract_ids: set[int]) -> None:
        # A fill waits for this name: keep asking, and if the socket goes first the next snapshot asks again.
        async for attempt in stamina.retry_context(
            on=VenueError, attempts=None, timeout=None, wait_initial=0.2, wait_max=2.0, wait_jitter=0.2
        ):
            with attempt:
                await self.name_contracts(contract_ids)
        joined.release(self._connection.clock.now_ns())

    async def _chase_fills(self, joined: Joined, order_ids: set[int]) -> None:
        """The venue says filled, the fills are not all here: a stream that loses events (T-DROP). Ask for them."""
        await asyncio.sleep(FILLS_WAIT_S)
        still_short = order_ids & joined.short_orders()
        if still_short:
            log.warning("fills missing", connection=self._connection.config.connection, orders=sorted(still_short))
            try:
                async for attempt in stamina.retry_context(
                    on=VenueError, attempts=5, timeout=None, wait_initial=0.2, wait_max=1.0, wait_jitter=0.1
                ):
                    with attempt:
                        fills = await self._connection.rest.read("fill/list", list[Fill], needed=True)
                        now_ns = self._connection.clock.now_ns()
                        for fill in fills:
                            if fill.order_id in still_short:
                                joined.entity(fill, now_ns)
            except VenueError as error:
                log.warning("missing fills not read", connection=self._connection.config.connection, reason=str(error))
            # What the venue does not list now it will not list later: show the order as the venue does.
            joined.fills_are_final(still_short, self._connection.clock.now_ns())
        self._chasing -= order_ids
