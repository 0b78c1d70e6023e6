"""What is read from the venue by request: an instrument and the whole truth of the login. `adapter.py` calls it."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from decimal import Decimal

import msgspec

from brokers.adapter import Exposure, RequestRefused, RequestUnknown, Snapshot, VenueError, WorkingOrder
from brokers.amounts import time_ns
from brokers.budget import Lane
from brokers.own import OwnOrders
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
from brokers.tradovate.session import first_of
from brokers.tradovate.stream import Joined
from brokers.tradovate.translate import may_trade
from brokers.tradovate.wire import clean
from schema.records import Instrument, RejectClass
from schema.records import Position as PositionRecord
from schema.symbols import UnknownProduct, parse_contract

LISTS = 7
_SUGGESTED = 10


async def read_instrument(connection: Connection, symbol: str) -> Instrument:
    """Contract, maturity and product of `symbol` (`protocols/tradovate.md 1.8`): tick value is tickSize times
    valuePerPoint; when it is not the front month, that one is looked for. Raises RequestRefused when the venue has no
    such symbol."""
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
    connection.directory.add_contracts([contract])
    return Instrument(
        symbol=symbol,
        root=clean(product.name),
        tick_size=product.tick_size,
        tick_value=product.tick_size * product.value_per_point,
        venue_id=str(contract.id),
        month=maturity.expiration_month,
        expires_ns=time_ns(maturity.expiration_date),
        front=symbol if maturity.is_front else await _front(connection, clean(product.name), maturity),
    )


async def _front(connection: Connection, root: str, besides: ContractMaturity) -> str:
    """The name of the product's front month, which is another than `besides`; '' when the venue does not say which, or
    can't be asked now: what a contract is does not depend on it."""
    if besides.is_front is None:
        return ""
    rest = connection.rest
    with suppress(VenueError):
        suggested = await rest.read("contract/suggest", list[Contract], {"t": root, "l": str(_SUGGESTED)})
        months = {each.contract_maturity_id: each.name for each in suggested if _root_of(each.name) == root}
        ids = ",".join(str(each) for each in months if each is not None)
        if ids:
            maturities = await rest.read("contractMaturity/items", list[ContractMaturity], {"ids": ids})
            for each in maturities:
                if each.is_front and each.product_id == besides.product_id:
                    return clean(months[each.id])
    return ""


def _root_of(name: str) -> str:
    try:
        return parse_contract(name).root
    except UnknownProduct:
        return ""


Working = Callable[[], set[tuple[int, int]]]
"""(account id, order id) of the orders that the stream knows as working, whenever it is asked."""


def _unlisted(before: set[tuple[int, int]], working: Working, listed: Iterable[Order]) -> set[int]:
    """Accounts with an order that works, as the stream says before the reading and after it, and that no list has."""
    ids = {order.id for order in listed}
    return {account_id for account_id, order_id in before & working() if order_id not in ids}


async def read_snapshot(
    connection: Connection, own: OwnOrders, lasting: set[tuple[int, int]], working: Working
) -> Snapshot:
    """Every list of the login, read at the same time. Raises RequestUnknown when any of them could not be read: a
    failed query is not a flat account, and an account whose `lasting` rows or `working` orders are not listed is not
    complete."""
    before = working()
    rest = connection.rest
    refusal = connection.budget.refusal(Lane.QUERY, count=LISTS)
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
    doubtful = {connection.directory.account_name(each) for each in _unlisted(before, working, orders.result())}
    snapshot = joined.snapshot(at_ns, lasting)
    return msgspec.structs.replace(snapshot, complete=snapshot.complete - doubtful)


async def read_exposure(connection: Connection, lasting: set[tuple[int, int]], working: Working) -> Exposure:
    """Accounts, orders and positions of the login, from the tokens kept for exits: the least that tells who is flat.
    An account whose `lasting` position rows or `working` orders are not listed is not complete. Raises RequestUnknown
    when any of the lists could not be read."""
    before = working()
    rest, directory = connection.rest, connection.directory
    at_ns = connection.clock.now_ns()
    try:
        async with asyncio.TaskGroup() as group:
            listed = group.create_task(rest.read("account/list", list[Account], lane=Lane.EXIT))
            orders = group.create_task(rest.read("order/list", list[Order], lane=Lane.EXIT))
            positions = group.create_task(rest.read("position/list", list[Position], lane=Lane.EXIT))
        directory.add_accounts(listed.result())
        live = [order for order in orders.result() if may_trade(order.ord_status)]
        open_now = [position for position in positions.result() if position.net_pos]
        unnamed = {each.contract_id for each in (*live, *open_now)} - directory.symbols.keys() - {None}
        for contract_id in sorted(unnamed, key=str):
            query = {"id": str(contract_id)}
            directory.add_contracts([await rest.read("contract/item", Contract, query, lane=Lane.EXIT)])
    except BaseExceptionGroup as group_error:
        error = first_of(group_error)
        if not isinstance(error, VenueError):
            raise
        raise RequestUnknown(f"the venue's lists could not be read: {error}") from None
    except VenueError as error:
        raise RequestUnknown(f"the venue's lists could not be read: {error}") from None
    rows = {(position.account_id, position.contract_id) for position in positions.result()}
    doubtful = {
        account_id for account_id, contract_id in lasting if contract_id and (account_id, contract_id) not in rows
    }
    doubtful |= _unlisted(before, working, orders.result())
    names = {account_id: account.account for account_id, account in directory.accounts.items()}
    return Exposure(
        at_ns=at_ns,
        complete=frozenset(names[account.id] for account in listed.result() if account.id not in doubtful),
        positions=tuple(
            PositionRecord(
                account=names.get(each.account_id, ""),
                symbol=directory.symbols[each.contract_id],
                net_qty=each.net_pos,
                avg_price=each.net_price or Decimal(0),
            )
            for each in open_now
        ),
        working=tuple(
            WorkingOrder(
                account=names.get(each.account_id, ""),
                order_id=str(each.id),
                symbol=directory.symbols.get(each.contract_id or 0, ""),
            )
            for each in live
        ),
    )
