"""Orders of the trader's own over real sockets, a real journal and the practice venue's own books, at every venue."""

import asyncio
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from engine.desk import Desk
from engine.seat import AccountRow, CommandRefused, OrderPlan, OrderRow, Ticket, Topic
from schema.clock import SYSTEM_CLOCK
from schema.records import DoneOrder, DoneStatus, Guard, ManualState, OrderType, Side
from schema.vault import Vault
from tests.engine.test_orders_mode import Orders, nobody
from tests.practice import LEADER, SYMBOL, PracticeDesk, practice, until

FAR = Decimal(40)
FEW = ("--logins", "2", "--accounts-per-login", "2")
VENUES = {
    "tradovate": FEW,
    "projectx": ("--venue", "projectx", "--limit", "projectx.requests=0", *FEW),
    "fix": ("--venue", "fix", *FEW),
    "ninjatrader": ("--venue", "ninjatrader", *FEW),
}


class Trader:
    """What the tests ask of a desk."""

    def __init__(self, desk: PracticeDesk) -> None:
        self.desk = desk
        self.follower = sorted(desk.core.followers)[0]

    async def price(self) -> Decimal:
        """The market's price, which stands still from now on."""
        await until(lambda: bool(self.desk.desk.market.mark(SYMBOL)), 3.0)
        await self.desk.control("market", paused=True)
        return Decimal(str(self.desk.desk.market.mark(SYMBOL))).quantize(Decimal(1))

    async def give(self, target: str, lots: int, symbol: str = SYMBOL, **terms: Any) -> OrderPlan:
        """Shown, then sent."""
        ticket = ticket_for(target, lots, symbol, **terms)
        return await self.desk.desk.place(ticket, await self.desk.desk.place(ticket))

    async def tags(self) -> Counter[str]:
        """How often the venue has each manual order, whoever it is of."""
        orders = (await self.desk.control("state"))["orders"]
        return Counter(each["cl_ord_id"] for each in orders if (each["cl_ord_id"] or "").startswith("cm"))

    async def works(self, account: str) -> list[tuple[int, Decimal]]:
        """Signed lots and price of what rests, by the venue's books."""
        found = (await self.desk.control("state"))["orders"]
        mine = [e for e in found if e["account"] == account and e["status"] in ("Working", "PendingNew")]
        return [((1 if e["action"] == "Buy" else -1) * e["qty"], Decimal(str(e["limit"]))) for e in mine]

    async def holds(self, account: str, symbol: str = SYMBOL) -> int:
        return (await self.desk.books()).net(account, symbol)


def order_of(order_id: str, status: DoneStatus) -> DoneOrder:
    return DoneOrder(
        account=LEADER,
        order_id=order_id,
        symbol=SYMBOL,
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        qty=1,
        status=status,
    )


def ticket_for(target: str, lots: int, symbol: str = SYMBOL, **terms: Any) -> Ticket:
    return Ticket(target=target, side=Side.of(lots), qty=abs(lots), symbol=symbol, **terms)


@pytest.mark.parametrize("name", VENUES)
async def test_t_dup_place_move_and_cancel_at_a_follower_beside_its_copies(name: str, state_dir: Path) -> None:
    async with practice(state_dir, *VENUES[name]) as desk:
        trader = Trader(desk)
        account, price = trader.follower, await trader.price()
        able = desk.desk.adapters[desk.core.connection_of(account)].capabilities
        assert able.venue == name
        before = len((await desk.control("state"))["received"])
        ticket = ticket_for(account, +1)
        shown = await desk.desk.place(ticket)
        assert [line.refused for line in shown.lines] == [""]
        assert len((await desk.control("state"))["received"]) == before, "looking sends no trading request"
        done = await desk.desk.place(ticket, shown)
        assert done.sent and done.lines[0].outcome.startswith("filled 1 at"), done.lines
        with pytest.raises(CommandRefused, match="sent already"):
            await desk.desk.place(ticket, shown)
        await desk.leader(+2)
        await desk.settled(5)
        copied = desk.core.lots[account, SYMBOL].copied
        assert copied and await trader.holds(account) == copied + 1
        at = price - FAR
        rested = (await trader.give(account, +1, order_type=OrderType.LIMIT, limit_price=at)).lines[0]
        assert rested.outcome.startswith("working, order"), rested
        await until(lambda: (account, rested.order_id) in desk.core.kept_orders, 3)
        shown = await desk.desk.move(account, rested.order_id, at - 5)
        moved = await desk.desk.move(account, rested.order_id, at - 5, None, shown)
        assert moved.lines[0].outcome == "moved", moved.lines
        await _becomes(trader, account, [(1, at - 5)])
        shown = await desk.desk.cancel(account)
        canceled = await desk.desk.cancel(account, "", shown)
        assert [line.outcome for line in canceled.lines] == ["canceled"]
        await _becomes(trader, account, [])
        await desk.leader(-2)
        await desk.settled(5)
        assert await trader.holds(account) == 1, "the copies left, the trader's lot stayed"
        assert set((await trader.tags()).values()) <= {1}
        assert not [row for row in desk.desk.view(Topic.ALERTS).rows if "not the desk's" in str(row)]
        await desk.desk.journal.flush()
        assert await desk.store.open_manual() == []


async def _becomes(trader: Trader, account: str, wanted: list[tuple[int, Decimal]]) -> None:
    ends = SYSTEM_CLOCK.now_ns() + 4_000_000_000
    while (found := await trader.works(account)) != wanted:
        assert SYSTEM_CLOCK.now_ns() < ends, f"at rest: {found}"
        await asyncio.sleep(0.05)  # the venue's books are polled: they belong to another process


async def test_an_order_on_the_leader_is_copied_once_and_a_groups_goes_to_each_follower_by_its_rule(
    state_dir: Path,
) -> None:
    async with practice(state_dir, *FEW) as desk:
        trader = Trader(desk)
        done = await trader.give(LEADER, +2)
        assert done.lines[0].copies == len(desk.core.followers) and done.lines[0].outcome.startswith("filled 2")
        await desk.promise_holds()
        assert await trader.holds(LEADER) == 2
        targets = desk.targets()
        shares = await trader.give("main", +2)
        assert [line.account for line in shares.lines if not line.refused] == sorted(desk.core.followers)
        assert all(line.outcome.startswith("filled") for line in shares.lines)
        await desk.settled(3)
        books = await desk.books()
        for line in shares.lines:
            target = targets[line.account]
            assert target is not None
            assert books.net(line.account, line.symbol) == target + line.qty * line.side.sign
        assert await trader.holds(LEADER) == 2, "the group's order is its followers'"
        desk.status()
        rows = [row for row in desk.desk.view(Topic.ACCOUNTS).rows if isinstance(row, AccountRow)]
        assert {row.state for row in rows} == {"armed"}, "nobody is out of sync by it"
        orders = [row for row in desk.desk.view(Topic.ORDERS).rows if isinstance(row, OrderRow)]
        origins = {row.origin for row in orders if row.cl_ord_id.startswith("cm")}
        assert origins == {"manual"}


async def test_an_order_at_rest_on_the_leader_is_mirrored_moved_and_canceled_once(state_dir: Path) -> None:
    async with practice(state_dir, *FEW) as desk:
        orders, trader = Orders(desk), Trader(desk)
        await orders.begin()
        at = orders.price - FAR

        def rest_at(price: Decimal) -> Callable[[dict[str, list[tuple[str, int, Decimal]]]], bool]:
            return lambda found: all(
                [(lots, p) for _, lots, p in rows] == [(orders.share(name, 2), price)] for name, rows in found.items()
            )

        rested = (await trader.give(LEADER, +2, order_type=OrderType.LIMIT, limit_price=at)).lines[0]
        await orders.become(rest_at(at))
        shown = await desk.desk.move(LEADER, rested.order_id, at - 5)
        assert (await desk.desk.move(LEADER, rested.order_id, at - 5, None, shown)).lines[0].outcome == "moved"
        await orders.become(rest_at(at - 5))
        ended = order_of(rested.order_id, DoneStatus.CANCELED)
        for number in range(600):
            desk.desk.views.order_changed(replace(ended, order_id=f"ended {number}"), 1)
        desk.status()
        rows = [row for row in desk.desk.view(Topic.ORDERS).rows if isinstance(row, OrderRow)]
        assert len(rows) == 500 and any(row.order_id == rested.order_id for row in rows), "what works stays in sight"
        shown = await desk.desk.cancel("main")
        assert [(line.account, line.origin) for line in shown.lines] == [(LEADER, "manual")], "copies follow"
        await desk.desk.cancel("main", "", shown)
        await orders.become(nobody)
        assert await orders.sent_twice() == []


async def test_a_halt_and_the_kill_switch_refuse_what_opens(state_dir: Path) -> None:
    async with practice(state_dir, *FEW) as desk:
        trader = Trader(desk)
        await trader.give(trader.follower, +1)
        ticket = ticket_for(trader.follower, +1)
        shown = await desk.desk.place(ticket)
        await desk.desk.guard("all", Guard.HALT)
        late = await desk.desk.place(ticket, shown)
        assert late.orders == 0 and "halted by the trader" in late.lines[0].refused
        assert (await trader.give(LEADER, +1)).orders == 0
        assert (await trader.give(trader.follower, -1)).lines[0].outcome.startswith("filled 1"), "exits go"
        await desk.desk.guard("all", Guard.NONE)
        shown = await desk.desk.place(ticket)
        await desk.desk.kill()
        assert (await desk.desk.place(ticket, shown)).orders == 0
        assert await trader.holds(trader.follower) == 0


async def test_t_unknown_a_lost_answer_is_asked_for_and_the_order_is_there_once(state_dir: Path) -> None:
    async with practice(state_dir, *FEW) as desk:
        trader = Trader(desk)
        await desk.control("drop_answer", account=trader.follower)
        await desk.control("silence", login=desk.core.connection_of(trader.follower), seconds=4)
        done = await trader.give(trader.follower, +1)
        assert done.lines[0].outcome.startswith(("unknown", "filled")), done.lines
        (flight,) = desk.core.manual.flights.values()
        await until(lambda: flight.order.state is ManualState.DONE, 10)
        assert set((await trader.tags()).values()) == {1}
        await until(lambda: desk.core.lots[trader.follower, SYMBOL].manual == 1, 5)
        assert await trader.holds(trader.follower) == 1


async def test_t_dup_a_desk_that_dies_between_journal_and_send_does_not_send_it_when_it_starts(
    state_dir: Path,
) -> None:
    async with practice(state_dir, *FEW) as desk:
        trader = Trader(desk)
        ticket = ticket_for(trader.follower, +1)
        shown = await desk.desk.place(ticket)
        desk.desk._send = lambda _effect: None  # type: ignore[method-assign] - it dies before it writes a byte
        dying = asyncio.create_task(desk.desk.place(ticket, shown))
        await until(lambda: any(f.journaled for f in desk.core.manual.flights.values()), 3)
        (pending,) = await desk.store.open_manual()
        assert pending.state is ManualState.PENDING
        dying.cancel()
        await desk.desk.close()
        again = Desk(desk.settings, desk.store, Vault.open(desk.settings), SYSTEM_CLOCK, Random(2))
        await again.open()
        try:
            flight = again.core.manual.flights[pending.cl_ord_id]
            await until(lambda: flight.order.state is ManualState.NOT_SENT, 15)
            assert await trader.tags() == {}
            late = await again.place(ticket, shown)
            assert late.orders == 0 or not late.lines[0].outcome.startswith("filled")
            assert await trader.tags() == {}
            fresh = await again.place(ticket, await again.place(ticket))
            assert fresh.lines[0].outcome.startswith("filled 1")
        finally:
            await again.close()


async def test_a_preview_that_is_old_or_for_something_else_sends_nothing(state_dir: Path) -> None:
    async with practice(state_dir, *FEW) as desk:
        ticket = ticket_for(LEADER, +1)
        shown = await desk.desk.place(ticket)
        old = OrderPlan(
            **{**{n: getattr(shown, n) for n in shown.__struct_fields__}, "at_ns": shown.at_ns - 61 * 10**9}
        )
        with pytest.raises(CommandRefused, match="more than a minute old"):
            await desk.desk.place(ticket, old)
        with pytest.raises(CommandRefused, match="not a cancel"):
            await desk.desk.cancel(LEADER, "", shown)
        bigger = await desk.desk.place(ticket_for(LEADER, +3), shown)
        assert bigger.orders == 0 and "changed since" in bigger.lines[0].refused
        for wrong, words in (
            (ticket_for("DEMO999", +1), "there is no DEMO999"),
            (ticket_for("all", +1), "one account or one group"),
            (ticket_for(LEADER, +1, order_type=OrderType.LIMIT), "limit: a limit order needs a price"),
            (ticket_for(LEADER, +1, limit_price=Decimal(1)), "a market order has no limit price"),
        ):
            with pytest.raises(CommandRefused, match=words):
                await desk.desk.place(wrong)
        (unknown,) = (await desk.desk.place(ticket_for(LEADER, +1, "XXH4"))).lines
        assert unknown.refused
