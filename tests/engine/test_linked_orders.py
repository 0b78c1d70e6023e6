"""Linked orders over real sockets: a real desk and database, the practice venue's own books, followers at Tradovate.

The market of these tests stands still unless a test says what trades.
"""

from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from engine.desk import Desk
from engine.rules import symbol_for
from schema.clock import SYSTEM_CLOCK
from schema.records import DriftPolicy
from schema.vault import Vault
from tests.engine.test_orders_mode import LIVE, Orders, nobody
from tests.practice import LEADER, SYMBOL, practice, until

SYMBOLS = (SYMBOL, "MESH4")
SUSPENDED = "Suspended"


async def orders_of(orders: Orders, **wanted: Any) -> dict[str, list[dict[str, Any]]]:
    """Every follower's orders by the venue's books, of which `wanted` is true."""
    state = await orders.desk.control("state")
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in orders.desk.core.followers}
    for order in state["orders"]:
        if order["account"] in found and all(order[key] == value for key, value in wanted.items()):
            found[order["account"]].append(order)
    return found


async def bracket(orders: Orders, qty: int, limit: Decimal) -> list[int]:
    """The leader places a buy limit with a target above the market's book, which stands still, and a stop behind it."""
    answer = await orders.desk.control(
        "bracket",
        account=LEADER,
        symbol=SYMBOL,
        side="buy",
        qty=qty,
        type="limit",
        limit=str(limit),
        target=str(orders.price + 40),
        guard=str(limit - 10),
    )
    return answer["order_ids"]


async def trade_at(orders: Orders, price: Decimal, side: str) -> None:
    for symbol in SYMBOLS:
        await orders.desk.control("print", symbol=symbol, limit=str(price), qty=900, side=side)


async def held(orders: Orders) -> dict[str, int]:
    books = await orders.desk.books()
    return {n: books.net(n, symbol_for(f, SYMBOL)) for n, f in orders.desk.core.followers.items()}


async def link(orders: Orders, *, links: bool) -> None:
    """Let the desk think what it would of venues that link orders, or of some that don't."""
    abilities = orders.desk.core.abilities
    for able in list(abilities.values()):
        orders.desk.desk._inbox.put_nowait(replace(able, at_ns=SYSTEM_CLOCK.now_ns(), links=links))
    await until(lambda: {able.links for able in abilities.values()} == {links}, 2.0)


async def test_t_prot_a_native_bracket_is_unprotected_for_no_time_at_all(state_dir: Path) -> None:
    async with practice(state_dir) as desk:
        orders = Orders(desk)
        await orders.begin()
        at = orders.price - 20
        everybody = [name for name in desk.core.followers if orders.share(name, 2)]
        takes_part = [name for name in everybody if orders.share(name, 2) > 0]  # an inverted one's stop fills elsewhere
        before = await orders.received()
        await bracket(orders, 2, at)
        await orders.become(lambda found: all(found[name] for name in takes_part))
        assert await orders.placed(before) == {"order/placeoso": len(everybody)}
        asleep = await orders_of(orders, status=SUSPENDED)
        assert {len(asleep[name]) for name in takes_part} == {2}
        await desk.control("latency", p50_ms=300.0, p95_ms=310.0)  # a stop of the desk's own would be that late
        await trade_at(orders, at, "sell")
        state = await desk.control("state")
        books = {name: account["positions"] for account in state["accounts"] if (name := account["account"])}
        entries = {o["order_id"]: o for o in state["orders"] if o["account"] in takes_part and o["parent_id"] is None}
        unprotected: dict[str, int] = {}
        for name in takes_part:
            exits = [o for o in state["orders"] if o["account"] == name and o["parent_id"] in entries]
            (net,) = books[name].values()
            assert [o["status"] for o in exits] == ["Working", "Working"]
            assert {o["qty"] for o in exits} == {abs(net)} == {abs(orders.share(name, 2))}
            first = min(fill["at_ns"] for fill in state["fills"] if fill["order_id"] in entries)
            unprotected[name] = max(0, *(o["placed_ns"] - first for o in exits))
        assert set(unprotected.values()) == {0}
        await desk.control("latency", p50_ms=0)
        await orders.at_target()
        asked = [each["account"] for each in await orders.requests("order/placeorder", before)]
        assert not set(asked) & set(takes_part)
        await trade_at(orders, at - 10, "sell")  # the stop is reached
        await orders.become(nobody)
        await orders.at_target()
        assert set((await held(orders)).values()) == {0}
        assert await orders.decided() == []


async def test_a_leader_that_cancels_its_bracket_costs_one_cancel_for_each_follower(state_dir: Path) -> None:
    async with practice(state_dir) as desk:
        orders = Orders(desk)
        await orders.begin()
        entry, *_ = await bracket(orders, 2, orders.price - 20)
        takes_part = [name for name in desk.core.followers if orders.share(name, 2)]
        await orders.become(lambda found: all(found[name] for name in takes_part))
        await desk.control("cancel", order_id=entry)
        await orders.become(nobody)
        await orders.at_target()
        assert not any((await orders_of(orders, status=SUSPENDED)).values())
        assert len(await orders.requests("order/cancelorder")) == len(takes_part)
        assert await orders.decided() == []


@pytest.mark.parametrize("links", [True, False], ids=["native", "held by the desk"])
async def test_t_orphan_the_oco_race_ends_flat_with_nothing_at_rest_in_2_s(state_dir: Path, links: bool) -> None:
    async with practice(state_dir) as desk:
        orders = Orders(desk)
        await orders.begin(drift=DriftPolicy.EXITS)
        await link(orders, links=links)
        await desk.leader(+4)
        await orders.at_target()
        before, lots = await orders.received(), await held(orders)
        up, down = orders.price + 40, orders.price - 40
        await desk.control("oco", account=LEADER, symbol=SYMBOL, side="sell", qty=4, target=str(up), guard=str(down))
        pairs = {name: 2 for name, net in lots.items() if net}
        await orders.become(lambda found: {n: len(rows) for n, rows in found.items() if rows} == pairs)
        placed = await orders.placed(before)
        assert placed == ({"order/placeoco": len(pairs)} if links else {"order/placeorder": 2 * len(pairs)})
        # Both prices trade before a cancel of the desk's can be there.
        await desk.control("latency", p50_ms=250.0, p95_ms=260.0)
        began_ns = SYSTEM_CLOCK.now_ns()
        await trade_at(orders, up, "buy")
        await trade_at(orders, down, "sell")
        await orders.become(nobody, 3.0)
        await until_flat(orders)
        took_s = (SYSTEM_CLOCK.now_ns() - began_ns) / 1e9
        await desk.control("latency", p50_ms=0)
        await orders.at_target()
        assert set((await held(orders)).values()) == {0}
        assert took_s < 2.0
        raced = [copy for copy in await desk.decisions() if copy.reducing and copy.order_type.value == "market"]
        assert bool(raced) is not links  # at a venue that links them no two legs can fill
        assert await orders.decided() == []


async def until_flat(orders: Orders) -> None:
    ends = SYSTEM_CLOCK.now_ns() + 3_000_000_000
    while any((await held(orders)).values()):
        assert SYSTEM_CLOCK.now_ns() < ends, await held(orders)


async def test_t_dup_a_new_desk_takes_up_linked_orders_and_places_nothing(state_dir: Path) -> None:
    async with practice(state_dir) as desk:
        orders = Orders(desk)
        await orders.begin()
        at = orders.price - 20
        _, _, stop = await bracket(orders, 2, at)
        takes_part = [name for name in desk.core.followers if orders.share(name, 2) > 0]
        await orders.become(lambda found: all(found[name] for name in takes_part))
        before = await orders.received()
        await desk.desk.close()
        await desk.control("modify", order_id=stop, qty=2, type="stop", stop=str(at - 12))
        desk.desk = Desk(desk.settings, desk.store, Vault.open(desk.settings), SYSTEM_CLOCK, Random(1))
        await desk.desk.open()
        ends = SYSTEM_CLOCK.now_ns() + 4_000_000_000
        while True:
            asleep = await orders_of(orders, status=SUSPENDED)
            moved = [any(Decimal(str(o["stop"] or o["limit"])) == at - 12 for o in asleep[n]) for n in takes_part]
            if all(moved):
                break
            assert SYSTEM_CLOCK.now_ns() < ends, asleep
        assert await orders.placed(before) == {}
        await trade_at(orders, at, "sell")
        await orders.at_target()
        live = {n: [o for o in rows if o["status"] in LIVE] for n, rows in (await orders_of(orders)).items()}
        assert {len(live[name]) for name in takes_part} == {2}
        await trade_at(orders, at - 12, "sell")
        await orders.become(nobody)
        await orders.at_target()
        asked = [each["account"] for each in await orders.requests("order/placeorder", before)]
        assert not set(asked) & set(takes_part)
        assert set((await held(orders)).values()) == {0}
        assert await orders.decided() == []
