"""Orders of ours asked for by their client ids, with the fewest requests. `adapter.py` calls it.

The client id is on Command alone, quantity and prices on OrderVersion, what traded on Fill (`protocols/tradovate.md
1.3`): the list of commands names the order, its fills show whether it traded in full, and only of one that did not are
the order itself and its terms asked for. All that are asked for together share these requests: two, or four. No page
says when a command is listed, so a list that leaves one out proves nothing.
"""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from brokers.adapter import Found, RequestUnknown, VenueError, Wanted
from brokers.budget import Lane
from brokers.finding import shown, unknown, unlisted
from brokers.own import OwnOrders
from brokers.tradovate.connection import Connection
from brokers.tradovate.entities import Command, Contract, Fill, Order, OrderVersion
from brokers.tradovate.orders import OrderJoin
from brokers.tradovate.translate import may_trade
from schema.records import DoneStatus, OrderType, Side

T = TypeVar("T")
AT_MOST = 4
_AT_LEAST = 2


async def find_orders(connection: Connection, own: OwnOrders, wanted: Sequence[Wanted]) -> tuple[Found, ...]:
    """What the venue shows of each. Raises RequestUnknown when it could not be asked."""
    if refusal := connection.budget.refusal(Lane.FIND, count=_AT_LEAST):
        raise RequestUnknown(f"not asked: {refusal}")
    try:
        return await _Finder(connection, own).find(wanted)
    except RequestUnknown:
        raise
    except VenueError as error:
        raise RequestUnknown(str(error)) from None


class _Finder:
    """One question: what was read for it so far, by order id."""

    def __init__(self, connection: Connection, own: OwnOrders) -> None:
        self._connection = connection
        self._directory = connection.directory
        self._own = own
        self._commands: dict[str, Command] = {}  # by client id
        self._orders: dict[int, Order] = {}
        self._versions: dict[int, list[OrderVersion]] = {}
        self._fills: dict[int, dict[int, Fill]] = {}

    async def find(self, wanted: Sequence[Wanted]) -> tuple[Found, ...]:
        await self._name(wanted)
        named = {each.order_id: tag for tag, each in self._commands.items()}
        by_tag = {each.cl_ord_id: each for each in wanted}
        at_market = [order_id for order_id, tag in named.items() if by_tag[tag].order_type is OrderType.MARKET]
        await self._read_fills(at_market)
        for order_id in at_market:
            self._whole(by_tag[named[order_id]], order_id)
        others = [order_id for order_id in named if order_id not in self._orders]
        if others:
            await self._read_orders(others, by_tag, named)
        await self._name_contracts()
        return tuple(self._found(each) for each in wanted)

    async def _name(self, wanted: Sequence[Wanted]) -> None:
        """The orders' ids, from the list of commands where the venue has not told them yet."""
        nameless = {each.cl_ord_id for each in wanted if not each.order_id.isdecimal()}
        if nameless:
            for command in await self._connection.rest.read("command/list", list[Command], lane=Lane.FIND):
                if command.command_type in (None, "New") and command.cl_ord_id in nameless:
                    self._commands.setdefault(command.cl_ord_id, command)
        for each in wanted:
            if each.cl_ord_id not in nameless:
                self._commands[each.cl_ord_id] = Command(
                    id=0, order_id=int(each.order_id), command_type="New", cl_ord_id=each.cl_ord_id
                )

    def _whole(self, wanted: Wanted, order_id: int) -> None:
        """A market order whose fills are all there is told by them: it has no other end."""
        fills = self._fills.get(order_id, {}).values()
        if sum(fill.qty for fill in fills) < wanted.qty:
            return
        self._orders[order_id] = Order(
            id=order_id,
            account_id=self._directory.account_ids[wanted.account],
            action="Buy" if wanted.side is Side.BUY else "Sell",
            contract_id=next(iter(fills)).contract_id or self._directory.contract_ids.get(wanted.symbol),
            timestamp=max(fill.timestamp or "" for fill in fills),
            ord_status="Filled",
        )
        self._versions[order_id] = [_at_market(order_id, wanted.qty)]

    async def _read_orders(self, order_ids: list[int], wanted: dict[str, Wanted], named: dict[int, str]) -> None:
        """The orders themselves and their terms; then what they filled, which is then no older than their status."""
        rest = self._connection.rest
        for order in await rest.read("order/items", list[Order], {"ids": _list(order_ids)}, lane=Lane.FIND):
            self._orders[order.id] = order
        resting = [each for each in order_ids if wanted[named[each]].order_type is not OrderType.MARKET]
        if resting:
            for version in await self._of("orderVersion", list[OrderVersion], resting):
                self._versions.setdefault(version.order_id, []).append(version)
        for order_id in set(order_ids) - set(resting):
            self._versions[order_id] = [_at_market(order_id, wanted[named[order_id]].qty)]
        ended = [each for each in order_ids if each in self._orders and not may_trade(self._orders[each].ord_status)]
        await self._read_fills(set(ended) | set(resting))

    async def _read_fills(self, order_ids: Iterable[int]) -> None:
        wanted = sorted(order_ids)
        for fill in await self._of("fill", list[Fill], wanted) if wanted else ():
            self._fills.setdefault(fill.order_id, {})[fill.id] = fill

    async def _of(self, entity: str, kind: type[list[T]], order_ids: list[int]) -> list[T]:
        """What belongs to these orders."""
        if len(order_ids) == 1:
            path, query = f"{entity}/deps", {"masterid": str(order_ids[0])}
        else:
            path, query = f"{entity}/ldeps", {"masterids": _list(order_ids)}
        return await self._connection.rest.read(path, kind, query, lane=Lane.FIND)

    async def _name_contracts(self) -> None:
        contracts = {order.contract_id for order in self._orders.values()} - self._directory.symbols.keys() - {None}
        for contract_id in sorted(contracts, key=str):
            query = {"id": str(contract_id)}
            contract = await self._connection.rest.read("contract/item", Contract, query, lane=Lane.FIND)
            self._directory.add_contracts([contract])

    def _found(self, wanted: Wanted) -> Found:
        command = self._commands.get(wanted.cl_ord_id)
        if command is None:
            return unlisted(wanted, "command of this id")
        order_id = command.order_id
        if order_id not in self._orders:
            return unknown(wanted, f"the venue names it {order_id} and shows no such order")
        fills = self._fills.get(order_id, {})
        join = OrderJoin(self._connection.config.connection, self._directory, self._own, set(), None)
        join.load([self._orders[order_id]], self._versions.get(order_id, ()), [command], (), fills.values())
        orders, records = join.records()
        if not orders or order_id not in self._versions:
            return unknown(wanted, f"the venue shows order {order_id} without what it is about")
        order = orders[0]
        if order.status is DoneStatus.FILLED and order.filled_qty < order.qty:
            return unknown(wanted, f"order {order_id} is filled, and the venue does not list all of its fills yet")
        if order.status is not DoneStatus.REJECTED:
            self._own.accepted(wanted.cl_ord_id, order_id)  # the stream may tell of it later, and without the tag
        return shown(wanted, order, records)


def _at_market(order_id: int, qty: int) -> OrderVersion:
    """The terms of a market order are never changed: they are what was sent."""
    return OrderVersion(id=0, order_id=order_id, order_qty=qty, order_type="Market")


def _list(ids: Iterable[int]) -> str:
    return ",".join(str(each) for each in ids)
