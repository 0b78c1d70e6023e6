"""Orders mode over real sockets: a real desk, a real database, and the practice venue's own books.

The market of these tests stands still, so an order at rest stays there until somebody trades with it.
"""

import asyncio
from collections import Counter
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from msgspec.structs import replace

from engine.desk import Desk
from engine.rules import capped, symbol_for, target_net
from schema.clock import SYSTEM_CLOCK
from schema.records import Copy, Decision, DriftPolicy, Mode, OrderType, Unfilled
from schema.vault import Vault
from tests.practice import LEADER, SYMBOL, PracticeDesk, practice, until

LIVE = ("Working", "PendingNew")
FAR = Decimal(400)  # points from the market: nothing trades there


class Orders:
    """A practice desk whose group mirrors orders, and what its tests say."""

    def __init__(self, desk: PracticeDesk) -> None:
        self.desk = desk
        self.price = Decimal(0)

    async def begin(self, mode: Mode = Mode.ORDERS, **changes: Any) -> None:
        """Set the group's mode, learn the market's price, and stop the market there."""
        (group,) = self.desk.core.groups.values()
        wanted = replace(group, mode=mode, **changes)
        await self.desk.store.put_group(wanted)
        await until(lambda: self.desk.core.groups[group.group] == wanted, 3.0)
        await until(lambda: bool(self.desk.desk.market.mark(SYMBOL)), 3.0)
        self.price = Decimal(str(self.desk.desk.market.mark(SYMBOL))).quantize(Decimal(1))
        await self.desk.control("market", paused=True)

    async def rest(self, signed_qty: int, account: str = LEADER, **prices: Decimal) -> int:
        """A front end places an order that waits; returns its id."""
        kind = "_".join(sorted(prices, reverse=True))
        answer = await self.desk.control(
            "trade",
            account=account,
            symbol=SYMBOL,
            side="buy" if signed_qty > 0 else "sell",
            qty=abs(signed_qty),
            type=kind,
            **{name: str(price) for name, price in prices.items()},
        )
        return int(answer["order_id"])

    async def working(self) -> dict[str, list[tuple[str, int, Decimal]]]:
        """Every follower's orders at rest, by the venue's books: (type, signed lots left, price)."""
        state = await self.desk.control("state")
        found: dict[str, list[tuple[str, int, Decimal]]] = {name: [] for name in self.desk.core.followers}
        for order in state["orders"]:
            if order["status"] in LIVE and order["account"] in found:
                left = (order["qty"] - order["filled"]) * (1 if order["action"] == "Buy" else -1)
                price = order["limit"] if order["type"] == "limit" else order["stop"]
                found[order["account"]].append((order["type"], left, Decimal(str(price))))
        return {name: sorted(orders) for name, orders in found.items()}

    def share(self, name: str, leader_net: int) -> int:
        """What a follower should hold when the leader holds so much from flat."""
        core = self.desk.core
        follower = core.followers[name]
        scale = core.scale(follower, LEADER, SYMBOL)
        return capped(target_net(follower.rule, scale, leader_net), 0, follower.max_position)

    async def become(self, true: Any, within_s: float = 4.0) -> None:
        """Wait until the venue's books satisfy `true`, which is given what rests at each follower."""
        ends = SYSTEM_CLOCK.now_ns() + int(within_s * 1e9)
        while not true(found := await self.working()):
            assert SYSTEM_CLOCK.now_ns() < ends, f"at rest: {found}"
            await asyncio.sleep(0.05)  # the venue's books are polled: they belong to another process

    async def requests(self, endpoint: str, since: int = 0) -> list[dict[str, Any]]:
        state = await self.desk.control("state", since=since)
        return [each for each in state["received"] if each["endpoint"] == endpoint]

    async def received(self) -> int:
        return len((await self.desk.control("state"))["received"])

    async def placed(self, since: int = 0) -> Counter[str]:
        """How many orders the venue was asked for, by endpoint."""
        state = await self.desk.control("state", since=since)
        return Counter(e["endpoint"] for e in state["received"] if e["endpoint"].startswith("order/place"))

    async def sent_twice(self) -> list[str]:
        state = await self.desk.control("state")
        tags = Counter(order["cl_ord_id"] for order in state["orders"])
        return [tag for tag, count in tags.items() if tag and count > 1]

    async def at_target(self, within_s: float = 4.0) -> None:
        """Every follower stands at its target by the venue's books, with no pair undecided and none sent twice."""
        await self.desk.settled(within_s)
        ends = SYSTEM_CLOCK.now_ns() + int(within_s * 1e9)
        while wrong := await self.desk.off_target():
            assert SYSTEM_CLOCK.now_ns() < ends, f"not at target (target, held): {wrong}"
            await asyncio.sleep(0.05)
        assert await self.sent_twice() == []
        assert self.desk.core.undecided(SYSTEM_CLOCK.now_ns()) == 0

    async def decided(self) -> list[Copy]:
        return [copy for copy in await self.desk.decisions() if copy.decision is Decision.PENDING]


def nobody(found: dict[str, list[Any]]) -> bool:
    return not any(found.values())


async def test_an_order_of_the_leader_is_placed_moved_and_canceled_at_twenty_followers(state_dir: Path) -> None:
    async with practice(state_dir) as desk:
        orders = Orders(desk)
        await orders.begin()
        at = orders.price - FAR
        order_id = await orders.rest(+4, limit=at)

        def rests_at(price: Decimal) -> Any:
            return lambda found: all(
                sum(lots for _, lots, _ in rows) == orders.share(name, 4) and {p for _, _, p in rows} <= {price}
                for name, rows in found.items()
            )

        await orders.become(rests_at(at))
        found = await orders.working()
        assert {kind for rows in found.values() for kind, _, _ in rows} == {"limit", "stop"}  # two are inverted
        await desk.control("modify", order_id=order_id, qty=4, type="limit", limit=str(at - 1))
        await orders.become(rests_at(at - 1))
        assert len(await orders.requests("order/modifyorder")) == sum(bool(rows) for rows in found.values())
        await desk.control("cancel", order_id=order_id)
        await orders.become(nobody)
        await orders.at_target()
        assert await orders.decided() == []


async def test_a_storm_of_stop_moves_costs_one_request_per_answer(state_dir: Path) -> None:
    async with practice(state_dir) as desk:
        orders = Orders(desk)
        await orders.begin(Mode.PROTECTIVE)
        await desk.control("market", paused=False)
        await desk.leader(+2)
        await orders.at_target()
        await desk.control("market", paused=True)
        at = orders.price - FAR
        order_id = await orders.rest(-2, stop=at)
        await orders.become(lambda found: all(found[n] for n in found if orders.share(n, 2) > 0))
        await desk.control("latency", p50_ms=200.0, p95_ms=210.0)
        moves = 60
        for tick in range(1, moves + 1):
            await desk.control("modify", order_id=order_id, qty=2, type="stop", stop=str(at + Decimal(tick) / 4))
            await asyncio.sleep(0.01)  # as the market moves it
        last = at + Decimal(moves) / 4
        await orders.become(lambda found: all(p == last for rows in found.values() for k, _, p in rows if k == "stop"))
        await desk.control("latency", p50_ms=0)
        asked = Counter(each["account"] for each in await orders.requests("order/modifyorder"))
        assert max(asked.values()) <= 12, asked
        assert await orders.decided() == []


async def test_what_does_not_fill_goes_as_the_group_says(state_dir: Path) -> None:
    """The leader moves its limit into the market; the followers' venue does not let theirs follow."""
    async with practice(state_dir) as desk:
        orders = Orders(desk)
        for unfilled in Unfilled:
            await orders.begin(unfilled=unfilled, unfilled_s=1)
            order_id = await orders.rest(+2, limit=orders.price - FAR)
            await orders.become(lambda found: all(rows for n, rows in found.items() if orders.share(n, 2)))
            names = [name for name in desk.core.followers if orders.share(name, 2)]
            for name in names:
                await desk.control("reject", account=name, count=1, reason="InvalidPrice", text="not there")
            await desk.control("modify", order_id=order_id, qty=2, type="limit", limit=str(orders.price + 50))
            await until(lambda: desk.core.leader_nets.get((LEADER, SYMBOL)) == 2, 3.0)
            if unfilled is Unfilled.LEAVE:
                await asyncio.sleep(1.5)  # longer than the group would wait
                found = await orders.working()
                assert all(found[name] for name in names)
            else:
                await orders.become(nobody)
                await orders.at_target()
            books = await desk.books()
            held = {name: books.net(name, symbol_for(desk.core.followers[name], SYMBOL)) for name in names}
            if unfilled is Unfilled.MARKET:
                assert held == {name: orders.share(name, 2) for name in names}
            else:
                assert set(held.values()) == {0}
            await desk.control("clear")
            await desk.leader(-2)
            await orders.become(nobody)
            await orders.at_target()


async def test_legs_add_up_and_the_race_of_two_legs_is_put_right(state_dir: Path) -> None:
    async with practice(state_dir) as desk:
        orders = Orders(desk)
        await orders.begin(drift=DriftPolicy.EXITS)
        await desk.leader(+4)
        await orders.at_target()
        up, down = orders.price + 40, orders.price - 40
        first = await orders.rest(-2, limit=up)
        await orders.rest(-2, limit=up + 40)
        stop = await orders.rest(-4, stop=down)
        books = await desk.books()
        held = {n: books.net(n, symbol_for(f, SYMBOL)) for n, f in desk.core.followers.items()}

        def legs_sum_up(found: dict[str, list[tuple[str, int, Decimal]]]) -> bool:
            above = {n: sum(lots for _, lots, price in rows if price > orders.price) for n, rows in found.items()}
            below = {n: sum(lots for _, lots, price in rows if price < orders.price) for n, rows in found.items()}
            return above == below == {n: -lots for n, lots in held.items()}

        await orders.become(legs_sum_up)
        assert first
        # The followers' cancels take long: their stops trade although their targets have.
        await desk.control("latency", p50_ms=400.0, p95_ms=420.0)
        for symbol in (SYMBOL, "MESH4"):
            await desk.control("print", symbol=symbol, limit=str(up + 40), qty=500, side="buy")
        await desk.control("cancel", order_id=stop)
        for symbol in (SYMBOL, "MESH4"):
            await desk.control("print", symbol=symbol, limit=str(down), qty=500, side="sell")
        await desk.control("latency", p50_ms=0)
        await orders.become(nobody)
        await orders.at_target()
        books = await desk.books()
        after = {n: books.net(n, symbol_for(f, SYMBOL)) for n, f in desk.core.followers.items()}
        assert set(after.values()) == {0}
        raced = [copy for copy in await desk.decisions() if copy.reducing and copy.order_type is OrderType.MARKET]
        assert raced  # or the race was not run


async def test_t_dup_a_new_desk_takes_up_what_rests_and_does_what_its_leader_did_meanwhile(state_dir: Path) -> None:
    async with practice(state_dir) as desk:
        orders = Orders(desk)
        await orders.begin()
        await desk.leader(+2)
        await orders.at_target()
        at = orders.price - FAR
        stop = await orders.rest(-2, stop=at)
        entry = await orders.rest(+2, limit=at - 10)
        legs = {n: bool(orders.share(n, 2)) + (orders.share(n, 4) != orders.share(n, 2)) for n in desk.core.followers}
        await orders.become(lambda found: {n: len(rows) for n, rows in found.items()} == legs)
        before = await orders.received()
        await desk.desk.close()
        await desk.control("modify", order_id=stop, qty=2, type="stop", stop=str(at + 5))
        await desk.control("cancel", order_id=entry)
        desk.desk = Desk(desk.settings, desk.store, Vault.open(desk.settings), SYSTEM_CLOCK, Random(1))
        await desk.desk.open()
        await orders.become(
            lambda found: (
                all({p for _, _, p in rows} <= {at + 5} for rows in found.values())
                and all(len(found[n]) == 1 for n in found if orders.share(n, 2))
            )
        )
        await orders.at_target()
        assert await orders.requests("order/placeorder", before) == []
        assert await orders.decided() == []
