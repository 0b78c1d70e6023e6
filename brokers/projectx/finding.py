"""Orders of ours asked for by their tags: one list of an account's orders, and its trades when one of them traded.
`adapter.py` calls it (`protocols/projectx.md 2.3`: after a timeout, search by tag).

Brackets that wait for their entry (status 8) are in no list, and no page says when an order is listed: a list that
leaves a tag out proves nothing.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from brokers.adapter import Found, RequestUnknown, VenueError, Wanted
from brokers.budget import Lane
from brokers.finding import shown, unknown, unlisted
from brokers.projectx import wire
from brokers.projectx.connection import Connection
from brokers.projectx.translate import UnknownContract, fill_of
from schema.clock import to_datetime

AT_MOST = 2
_MARGIN = timedelta(minutes=5)  # the venue's clock is not ours


async def find_orders(connection: Connection, wanted: Sequence[Wanted]) -> tuple[Found, ...]:
    """What the venue shows of each. Raises RequestUnknown when it could not be asked."""
    by_account: dict[str, list[Wanted]] = {}
    for each in wanted:
        by_account.setdefault(each.account, []).append(each)
    if refusal := connection.budget.refusal(Lane.FIND, count=len(by_account)):
        raise RequestUnknown(f"not asked: {refusal}")
    answers = await asyncio.gather(*(_of_account(connection, name, mine) for name, mine in by_account.items()))
    found = {each.cl_ord_id: each for answer in answers for each in answer}
    return tuple(found[each.cl_ord_id] for each in wanted)


async def _of_account(connection: Connection, account: str, wanted: list[Wanted]) -> list[Found]:
    facts = connection.facts
    account_id = next((key for key, each in facts.accounts.items() if each.account == account), 0)
    since = to_datetime(min(each.sent_ns for each in wanted)) - _MARGIN
    period = {"accountId": account_id, "startTimestamp": since.isoformat()}
    try:
        orders = (await connection.rest.read("Order/search", period, lane=Lane.FIND)).orders
        if orders is None:
            raise RequestUnknown("the venue's answer has no orders")
        named = {each.cl_ord_id: order for each in wanted for order in orders if _is(order, each)}
        trades: list[wire.Trade] | None = []
        if any(order.fill_volume for order in named.values()):
            trades = (await connection.rest.read("Trade/search", dict(period), lane=Lane.FIND)).trades
        if trades is None:
            raise RequestUnknown("the venue's answer has no trades")
    except VenueError as error:
        return [unknown(each, str(error)) for each in wanted]
    return [_found(connection, each, named.get(each.cl_ord_id), trades) for each in wanted]


def _is(order: wire.Order, wanted: Wanted) -> bool:
    return str(order.id) == wanted.order_id if wanted.order_id else order.custom_tag == wanted.cl_ord_id


def _found(connection: Connection, wanted: Wanted, order: wire.Order | None, trades: list[wire.Trade]) -> Found:
    """What the order and its trades show; they are told as the stream tells them, too."""
    if order is None:
        return unlisted(wanted, "order of this tag")
    mine = [trade for trade in trades if trade.order_id == order.id and not trade.voided]
    if sum(trade.size for trade in mine) != (order.fill_volume or 0):
        return unknown(wanted, f"order {order.id} traded, and the venue does not list all of its trades yet")
    now_ns = connection.clock.now_ns()
    try:
        record = connection.facts.record(order, wanted.account, wanted.cl_ord_id)
        fills = [fill_of(trade, wanted.account, wanted.cl_ord_id) for trade in mine]
    except UnknownContract as error:
        return unknown(wanted, str(error))
    connection.facts.order(order, now_ns)
    for trade in mine:
        connection.facts.trade(trade, now_ns)
    return shown(wanted, record, fills)
