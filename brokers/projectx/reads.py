"""What is read from the venue by request: a contract, the whole truth of the login, what is open. `adapter.py` and
`session.py` call it (`protocols/projectx.md 2.2, 2.3, 2.8`).

An account counts as complete when all of its lists were read and no fill of it came while they were.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from brokers.adapter import Exposure, RequestRefused, RequestUnknown, Snapshot, VenueError, WorkingOrder
from brokers.budget import Lane
from brokers.projectx import wire
from brokers.projectx.connection import Connection
from brokers.projectx.rest import Rest
from brokers.projectx.translate import instrument_of, may_trade, position_of, symbol_of, symbol_segment
from brokers.text import clean
from schema.clock import to_datetime
from schema.records import Instrument, Position, RejectClass, VenueAccount, VenueOrder
from schema.symbols import UnknownProduct
from schema.trading_day import trading_day

_BACK = timedelta(hours=24)
_MARGIN = timedelta(minutes=5)
_ATTEMPTS = 3
LISTS = 4  # of each account


def first_of(group: BaseExceptionGroup[BaseException]) -> Exception:
    """The first plain exception in a group."""
    pending: list[BaseException] = [group]
    while True:
        error = pending.pop(0)
        if isinstance(error, BaseExceptionGroup):
            pending.extend(error.exceptions)  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType]
        elif isinstance(error, Exception):
            return error


async def read_instrument(connection: Connection, symbol: str) -> Instrument:
    """The contract of a symbol, whose id is known to the connection from then on. Raises RequestRefused when the venue
    has no such symbol."""
    found, front = await find_contract(connection.rest, connection.host, symbol)
    connection.contract_ids[symbol] = found.id
    return instrument_of(found, front, trading_day(connection.clock.now_ns()))


async def find_contract(rest: Rest, host: str, symbol: str) -> tuple[wire.Contract, str]:
    """The contract whose symbolId is exactly the symbol's: a search finds micros and strangers, too. When it is not the
    active one, the one that is is looked for; its name, else empty. Raises RequestRefused when the venue has no such
    symbol."""
    try:
        segment = symbol_segment(symbol)
    except UnknownProduct as error:
        raise RequestRefused(str(error), RejectClass.CONTRACT) from None
    asking: tuple[tuple[str, dict[str, object]], ...] = (
        ("Contract/search", {"searchText": symbol, "live": False}),
        ("Contract/available", {"live": False}),
    )
    found: wire.Contract | None = None
    front = ""
    for path, body in asking:
        answer = await rest.read(path, body)
        for contract in answer.contracts or ():
            if contract.symbol_id != segment or contract.tick_size <= 0:
                continue
            try:
                name = symbol_of(contract.id)
            except ValueError:
                continue
            if name == symbol:
                found = contract
            elif contract.active_contract:
                front = name
        if found is not None and (found.active_contract or front):
            break
    if found is None:
        raise RequestRefused(f"{host} has no contract {clean(symbol)}", RejectClass.CONTRACT)
    return found, front


async def list_accounts(connection: Connection, *, lane: Lane = Lane.QUERY, needed: bool = False) -> list[wire.Account]:
    """The login's accounts that may be seen; all become known by their ids."""
    answer = await connection.rest.read("Account/search", {"onlyActiveAccounts": True}, lane=lane, needed=needed)
    accounts = [account for account in answer.accounts or () if account.is_visible]
    for account in accounts:
        connection.facts.accounts[account.id] = VenueAccount(
            account=clean(account.name), venue_id=str(account.id), active=True, readonly=not account.can_trade
        )
    return accounts


@dataclass(slots=True)
class _Lists:
    """What was read of one account."""

    orders: dict[int, wire.Order]
    trades: list[wire.Trade]
    positions: list[wire.Position]


async def read_snapshot(connection: Connection, disturbed: Callable[[], set[int]], *, needed: bool = False) -> Snapshot:
    """Every list of the login. `disturbed` tells, once, which accounts had a fill on the stream since it was asked
    last: those are read again, and left out of `complete` when they never rest. Raises RequestUnknown when any list
    could not be read: a failed query is not a flat account."""
    at_ns = connection.clock.now_ns()
    try:
        accounts = await list_accounts(connection, needed=needed)
        wanted = LISTS * len(accounts)
        if not needed and (refusal := connection.budget.refusal(Lane.QUERY, count=wanted)):
            raise RequestUnknown(f"the venue was not asked: {refusal}")
        disturbed()
        since_ns = at_ns - round((_BACK - _MARGIN).total_seconds() * 1e9)
        working = {account.id: connection.facts.working(account.id, since_ns) for account in accounts}
        lists: dict[int, _Lists] = {}
        again = [account.id for account in accounts]
        for _ in range(_ATTEMPTS):
            async with asyncio.TaskGroup() as group:
                reading = {each: group.create_task(_read_account(connection, each, needed=needed)) for each in again}
            lists |= {account_id: task.result() for account_id, task in reading.items()}
            again = sorted(disturbed() & lists.keys())
            if not again:
                break
    except BaseExceptionGroup as group_error:
        error = first_of(group_error)
        if not isinstance(error, VenueError | ValueError):
            raise
        raise RequestUnknown(f"the venue's lists could not be read: {error}") from None
    except RequestUnknown:
        raise
    except VenueError as error:
        raise RequestUnknown(f"the venue's lists could not be read: {error}") from None
    again += [k for k, each in lists.items() if working[k] & connection.facts.working(k, since_ns) - each.orders.keys()]
    again += [key for key, each in lists.items() if connection.facts.leaves_out(key, each.trades, since_ns)]
    # Only now is anything learned: what was read of a login that could not be read whole is forgotten.
    facts = connection.facts
    return Snapshot(
        at_ns=at_ns,
        accounts=tuple(facts.accounts[account.id] for account in accounts),
        orders=tuple(record for each in lists.values() for record in _orders(connection, each)),
        fills=tuple(
            fill for each in lists.values() for row in each.trades if (fill := facts.learn_fill(row)) is not None
        ),
        positions=tuple(
            position_of(row, facts.name(account_id))
            for account_id, each in lists.items()
            for row in each.positions
            if row.size
        ),
        complete=frozenset(facts.name(account.id) for account in accounts if account.id not in again),
        states=tuple(facts.state(account) for account in accounts),
    )


def _orders(connection: Connection, lists: _Lists) -> Iterator[VenueOrder]:
    """The listed orders, and the brackets that wait for an entry: those are in no list, the stream alone told them."""
    facts = connection.facts
    waiting = [
        order for order in facts.live.values() if order.status == 8 and (order.parent_order_id or 0) in lists.orders
    ]
    for order in (*lists.orders.values(), *waiting):
        if (record := facts.learn_order(order)) is not None:
            yield record


async def _read_account(connection: Connection, account_id: int, *, needed: bool) -> _Lists:
    """The four lists of one account, orders before fills before positions: what is read later holds what was read
    sooner. Raises VenueError."""
    rest = connection.rest
    since = {"startTimestamp": (to_datetime(connection.clock.now_ns()) - _BACK).isoformat()}
    which: dict[str, object] = {"accountId": account_id}
    past = (await rest.read("Order/search", which | since, needed=needed)).orders
    working = (await rest.read("Order/searchOpen", which, needed=needed)).orders
    trades = (await rest.read("Trade/search", which | since, needed=needed)).trades
    positions = (await rest.read("Position/searchOpen", which, needed=needed)).positions
    if past is None or working is None or trades is None or positions is None:
        raise RequestUnknown("an answer of the venue lacks its list")
    orders = {order.id: order for order in (*past, *working)}
    for row in (*orders.values(), *trades, *positions):
        symbol_of(row.contract_id)  # what cannot be read must not be taken for absent
    for position in positions:
        position_of(position, "")
    return _Lists(orders, trades, positions)


async def read_exposure(connection: Connection) -> Exposure:
    """Working orders and positions, from the tokens kept for exits. Raises RequestUnknown."""
    at_ns = connection.clock.now_ns()
    try:
        accounts = await list_accounts(connection, lane=Lane.EXIT)
        async with asyncio.TaskGroup() as group:
            reading = [group.create_task(_read_open(connection, account.id)) for account in accounts]
    except BaseExceptionGroup as group_error:
        error = first_of(group_error)
        if not isinstance(error, VenueError | ValueError):
            raise
        raise RequestUnknown(f"the venue's lists could not be read: {error}") from None
    except VenueError as error:
        raise RequestUnknown(f"the venue's lists could not be read: {error}") from None
    found = [task.result() for task in reading]
    return Exposure(
        at_ns=at_ns,
        complete=frozenset(name for name, _, _ in found if name),
        positions=tuple(each for _, positions, _ in found for each in positions),
        working=tuple(each for _, _, working in found for each in working),
    )


async def _read_open(connection: Connection, account_id: int) -> tuple[str, list[Position], list[WorkingOrder]]:
    """The account's name ('' when its lists cannot be its truth), what it holds and what works. An account that is said
    to hold nothing of what the stream saw it hold is believed when its trades are all listed, too, and one without an
    order that works as far as is known when the list of the day's orders has it."""
    facts = connection.facts
    name, body = facts.name(account_id), {"accountId": account_id}
    since_ns = connection.clock.now_ns() - round((_BACK - _MARGIN).total_seconds() * 1e9)
    before = facts.working(account_id, since_ns)
    orders = await open_orders(connection, account_id)
    if unlisted := before & facts.working(account_id, since_ns) - {order.id for order in orders}:
        since = {"startTimestamp": (to_datetime(connection.clock.now_ns()) - _BACK).isoformat()}
        past = (await connection.rest.read("Order/search", body | since, lane=Lane.EXIT)).orders or []
        if unlisted - {order.id for order in past}:
            name = ""
    answer = await connection.rest.read("Position/searchOpen", dict(body), lane=Lane.EXIT)
    if answer.positions is None:
        raise RequestUnknown("the venue's answer has no positions")
    working = [WorkingOrder(account=name, order_id=str(o.id), symbol=symbol_of(o.contract_id)) for o in orders]
    positions = [position_of(each, name) for each in answer.positions if each.size]
    known = {symbol for symbol, net in facts.held.get(account_id, {}).items() if net}
    if known - {position.symbol for position in positions}:
        since = {"startTimestamp": (to_datetime(connection.clock.now_ns()) - _BACK).isoformat()}
        trades = (await connection.rest.read("Trade/search", body | since, lane=Lane.EXIT)).trades or []
        if facts.leaves_out(account_id, trades, since_ns):
            name = ""
    return name, positions, working


async def open_orders(connection: Connection, account_id: int) -> list[wire.Order]:
    """The account's working orders, listed or, as brackets that wait for their entry, known from the stream alone."""
    answer = await connection.rest.read("Order/searchOpen", {"accountId": account_id}, lane=Lane.EXIT)
    if answer.orders is None:
        raise RequestUnknown("the venue's answer has no orders")
    listed = {order.id: order for order in answer.orders if may_trade(order)}
    waiting = {
        order.id: order
        for order in connection.facts.live.values()
        if order.account_id == account_id and order.status == 8 and (order.parent_order_id or 0) in listed
    }
    return list((waiting | listed).values())
