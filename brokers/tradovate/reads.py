"""What is read from the venue by request: an instrument and the whole truth of the login. `adapter.py` calls it."""

import asyncio

from brokers.adapter import RequestRefused, RequestUnknown, Snapshot, VenueError
from brokers.tradovate.connection import Connection
from brokers.tradovate.entities import (
    Account,
    CashBalance,
    Command,
    Contract,
    ContractMaturity,
    Fill,
    Order,
    OrderVersion,
    Position,
    Product,
    SyncReply,
)
from brokers.tradovate.own import OwnOrders
from brokers.tradovate.session import first_of
from brokers.tradovate.stream import Joined
from brokers.tradovate.wire import clean
from schema.records import Instrument, RejectClass

_LISTS = 7


async def read_instrument(connection: Connection, symbol: str) -> Instrument:
    """Contract, maturity and product of `symbol` (`protocols/tradovate.md 1.8`): tick value is tickSize times
    valuePerPoint. Raises RequestRefused when the venue has no such symbol."""
    rest = connection.rest
    try:
        contract = await rest.read("contract/find", Contract, {"name": symbol})
    except RequestRefused as refused:
        if refused.reject_class is not RejectClass.OTHER:
            raise
        contract = None
    if contract is None or contract.name != symbol or contract.contract_maturity_id is None:
        raise RequestRefused(f"{connection.http.host} has no contract {clean(symbol)}", RejectClass.CONTRACT)
    maturity = await rest.read("contractMaturity/item", ContractMaturity, {"id": str(contract.contract_maturity_id)})
    product = await rest.read("product/item", Product, {"id": str(maturity.product_id)})
    instrument = Instrument(
        symbol=symbol,
        root=clean(product.name),
        tick_size=product.tick_size,
        tick_value=product.tick_size * product.value_per_point,
        venue_id=str(contract.id),
    )
    connection.directory.add_contracts([contract])
    connection.directory.instruments[symbol] = instrument
    return instrument


async def read_snapshot(connection: Connection, own: OwnOrders, lasting: set[tuple[int, int]]) -> Snapshot:
    """Every list of the login, read at the same time. Raises RequestUnknown when any of them could not be read: a
    failed query is not a flat account, and an account whose `lasting` rows are not listed is not complete."""
    rest = connection.rest
    refusal = connection.budget.refusal(reducing=False, count=_LISTS)
    if refusal:
        raise RequestUnknown(f"the venue was not asked: {refusal}")
    at_ns = connection.clock.now_ns()
    try:
        async with asyncio.TaskGroup() as group:
            accounts = group.create_task(rest.read("account/list", list[Account]))
            orders = group.create_task(rest.read("order/list", list[Order]))
            versions = group.create_task(rest.read("orderVersion/list", list[OrderVersion]))
            commands = group.create_task(rest.read("command/list", list[Command]))
            fills = group.create_task(rest.read("fill/list", list[Fill]))
            positions = group.create_task(rest.read("position/list", list[Position]))
            cash = group.create_task(rest.read("cashBalance/list", list[CashBalance]))
        reply = SyncReply(
            accounts=accounts.result(),
            orders=orders.result(),
            order_versions=versions.result(),
            commands=commands.result(),
            fills=fills.result(),
            positions=positions.result(),
            cash_balances=cash.result(),
        )
        joined = Joined(connection.config.connection, connection.directory, own, set(), reply)
        for contract_id in sorted(joined.unnamed_contracts()):
            connection.directory.add_contracts([await rest.read("contract/item", Contract, {"id": str(contract_id)})])
    except BaseExceptionGroup as group_error:
        error = first_of(group_error)
        if not isinstance(error, VenueError):
            raise
        raise RequestUnknown(f"the venue's lists could not be read: {error}") from None
    except VenueError as error:
        raise RequestUnknown(f"the venue's lists could not be read: {error}") from None
    return joined.snapshot(at_ns, lasting)
