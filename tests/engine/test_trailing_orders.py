"""Trailing stops over real sockets: the venue's own at Tradovate, drawn by the desk elsewhere."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from schema.clock import SYSTEM_CLOCK
from tests.engine.test_orders_mode import LIVE, Orders, nobody
from tests.practice import LEADER, SYMBOL, practice

TRAIL = Decimal(10)


async def stops(orders: Orders, names: list[str]) -> dict[str, list[dict[str, Any]]]:
    """What waits at these followers, by the venue's books."""
    state = await orders.desk.control("state")
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for order in state["orders"]:
        if order["account"] in found and order["status"] in LIVE:
            found[order["account"]].append(order)
    return found


async def become(orders: Orders, names: list[str], true: Any, within_s: float = 5.0) -> dict[str, list[dict[str, Any]]]:
    ends = SYSTEM_CLOCK.now_ns() + int(within_s * 1e9)
    while True:
        found = await stops(orders, names)
        if all(len(rows) == 1 and true(rows[0]) for rows in found.values()):
            return found
        assert SYSTEM_CLOCK.now_ns() < ends, found


async def trades(orders: Orders, price: Decimal, side: str) -> None:
    for symbol in (SYMBOL, "MESH4"):
        await orders.desk.control("print", symbol=symbol, limit=str(price), qty=1, side=side)


async def trailing(orders: Orders, lots: int, stop: Decimal) -> int:
    answer = await orders.desk.control(
        "trade",
        account=LEADER,
        symbol=SYMBOL,
        side="sell",
        qty=lots,
        type="trailing_stop",
        stop=str(stop),
        trail=str(TRAIL),
    )
    return answer["order_id"]


def at(order: dict[str, Any], name: str) -> Decimal | None:
    return None if order[name] is None else Decimal(str(order[name]))


@pytest.mark.parametrize("venue", ["tradovate", "projectx"])
async def test_a_trailing_stop_is_never_farther_off_than_it_was_and_takes_everybody_out(
    state_dir: Path, venue: str
) -> None:
    async with practice(state_dir, "--venue", venue) as desk:
        native = venue == "tradovate"
        orders = Orders(desk)
        await orders.begin()
        await desk.leader(+2)
        await orders.at_target()
        names = [name for name in desk.core.followers if orders.share(name, 2) > 0]
        market = orders.price
        await trades(orders, market, "buy")
        await trailing(orders, 2, market - TRAIL - 2)
        kind = "trailing_stop" if native else "stop"
        first = market - TRAIL - 2
        found = await become(orders, names, lambda o: o["type"] == kind and at(o, "stop") >= first)
        assert {at(rows[0], "trail") for rows in found.values()} == {TRAIL if native else None}
        where = "trigger" if native else "stop"
        before = await orders.received()
        for step in (3, 1, 5):  # it comes back once, and the stops stay
            await trades(orders, market + step, "buy")
            top = max(step, 3) if step < 5 else 5
            await become(orders, names, lambda o, top=top: at(o, where) == market + top - TRAIL)
        moves = {name: 0 for name in names}
        for each in (await desk.control("state", since=before))["received"]:
            if each["account"] in moves and "modify" in each["endpoint"].lower():
                moves[each["account"]] += 1
        assert set(moves.values()) == {0} if native else max(moves.values()) <= 3
        await trades(orders, market + 5 - TRAIL, "sell")
        await orders.become(nobody, 6.0)
        await orders.at_target()
        books = await desk.books()
        assert {books.net(name, symbol) for name in names for symbol in (SYMBOL, "MESH4")} == {0}
        assert await orders.decided() == []
