"""A desk with its leader at Tradovate and its followers at NinjaTrader: real sockets, real database, real faults."""

import asyncio
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from engine.seat import CommandRefused
from schema.records import Decision, GroupConfig
from schema.store import StoreRefused
from tests.engine.test_orders_mode import FAR, Orders, nobody
from tests.practice import PracticeDesk, practice, until

MIXED = ("--venue", "ninjatrader", "--logins", "3", "--accounts-per-login", "3")
FOLLOWERS = [f"DEMO{number}" for number in range(1001, 1010)]
ALLOWED = {"PLACE", "CHANGE", "CANCEL", "CLOSEPOSITION"}


async def verbs(desk: PracticeDesk) -> set[str]:
    received = (await desk.control("state"))["received"]
    return {each["endpoint"] for each in received if each["login"].startswith("desk")}


async def test_copies_of_ninjatrader_followers_are_made_exactly_once(state_dir: Path) -> None:
    """T-DUP: scaled in and out, flipped and closed; every follower stands at its target, no order twice."""
    async with practice(state_dir, *MIXED) as desk:
        venues = {adapter.capabilities.venue for adapter in desk.desk.adapters.values()}
        assert venues == {"tradovate", "ninjatrader"}
        for qty in (2, 1, -1, -4, 2, 5, -8, 3):
            await desk.leader(qty)
            await desk.promise_holds(5.0)
        copies = await desk.decisions()
        assert {copy.decision for copy in copies} <= {Decision.COPIED, Decision.SKIPPED}
        assert sum(copy.decision is Decision.COPIED for copy in copies) >= 7 * 6
        assert await verbs(desk) == {"PLACE"}
        books = await desk.books()
        for account in FOLLOWERS:  # every lot at the venue is a lot in the ledger
            held = {symbol: net for owner, symbol, net in _held(desk) if owner == account}
            assert held == {symbol: books.net(account, symbol) for symbol in held}


def _held(desk: PracticeDesk) -> list[tuple[str, str, int]]:
    return [(owner, symbol, held.net) for owner, symbol, held in desk.core.ledger.positions()]


async def test_connections_broken_in_the_middle_copy_nothing_twice(state_dir: Path) -> None:
    """T-DUP, T-DROP, T-REPLAY: lines break with orders on the way, answers are lost, values come twice and shuffled."""
    async with practice(state_dir, *MIXED) as desk:
        await desk.leader(3)
        await desk.control("events", login="", duplicate=0.3, drop_fills=0.3, reorder=True)
        for account in ("DEMO1001", "DEMO1004"):
            await desk.control("drop_answer", account=account)
        await desk.leader(2)
        for login in ("desk1", "desk3"):
            await desk.control("disconnect", login=login)
        await desk.leader(-4)
        await desk.control("replay", login="")
        await desk.control("clear")
        await until(lambda: all(desk.core.up.values()), 10)
        await desk.leader(1)
        await desk.promise_holds(10)
        await desk.leader(-2)
        await desk.promise_holds(10)
        received = (await desk.control("state"))["received"]
        tags = [each["cl_ord_id"] for each in received if each["endpoint"] == "PLACE"]
        assert len(tags) == len(set(tags))


async def test_flatten_closes_account_by_account_and_verifies_them(state_dir: Path) -> None:
    async with practice(state_dir, *MIXED) as desk:
        await desk.leader(3)
        await desk.promise_holds(5.0)
        result = await desk.desk.flatten("DEMO1002")
        assert not result.not_flat
        books = await desk.books()
        assert sum(books.net("DEMO1002", symbol) != 0 for symbol in ("ESH4", "MESH4")) == 0
        assert sum(books.net(name, symbol) != 0 for name in FOLLOWERS for symbol in ("ESH4", "MESH4")) > 4
        result = await desk.desk.flatten("all")
        assert not result.not_flat
        books = await desk.books()
        assert all(books.net(name, symbol) == 0 for name in FOLLOWERS for symbol in ("ESH4", "MESH4"))
        assert "CLOSEPOSITION" in await verbs(desk) <= ALLOWED


async def test_an_exit_goes_by_file_while_the_port_is_closed(state_dir: Path) -> None:
    folder = state_dir.parent / "ninjatraders"
    async with practice(state_dir, *MIXED, "--limit", f"ninjatrader.folder={folder}") as desk:
        await desk.leader(2)
        await desk.promise_holds(5.0)
        await desk.control("disconnect", login="desk1", refuse_s=3)
        await until(lambda: not desk.core.up["desk1"], 3.0)
        began = time.monotonic()
        await desk.leader(-2)
        books = await desk.books()
        while any(books.net(name, symbol) for name in FOLLOWERS for symbol in ("ESH4", "MESH4")):
            assert time.monotonic() - began < 2.5, "the exits did not leave"
            await asyncio.sleep(0.05)  # the venue's books are polled: they belong to another process
            books = await desk.books()
        await desk.promise_holds(10.0)


async def test_resting_orders_are_mirrored_changed_and_canceled(state_dir: Path) -> None:
    async with practice(state_dir, *MIXED) as desk:
        orders = Orders(desk)
        await orders.begin()
        at = orders.price - FAR
        order_id = await orders.rest(+4, limit=at)

        def rests_at(price: Decimal) -> Callable[[dict[str, list[tuple[str, int, Decimal]]]], bool]:
            return lambda found: all(
                sum(lots for _, lots, _ in rows) == orders.share(name, 4) and {p for _, _, p in rows} <= {price}
                for name, rows in found.items()
            )

        await orders.become(rests_at(at))
        await desk.control("modify", order_id=order_id, qty=4, type="limit", limit=str(at - 5))
        await orders.become(rests_at(at - 5))
        await desk.control("cancel", order_id=order_id)
        await orders.become(nobody)
        await orders.at_target()
        assert await verbs(desk) == {"PLACE", "CHANGE", "CANCEL"}


async def test_a_ninjatrader_account_can_not_lead(state_dir: Path) -> None:
    async with practice(state_dir, *MIXED) as desk:
        with pytest.raises(StoreRefused, match="DEMO1001 can't lead: NinjaTrader tells no executions"):
            await desk.store.put_group(GroupConfig(group="second", leader="DEMO1001"))
        with pytest.raises(CommandRefused, match="DEMO1001 can't lead"):
            await desk.desk.set_group("main", "leader", "DEMO1001")


async def test_t_unknown_an_order_whose_answer_was_lost_is_settled_by_its_id_and_never_sent_again(
    state_dir: Path,
) -> None:
    async with practice(state_dir, *MIXED) as desk:
        await desk.control("drop_answer", account="DEMO1001")
        await desk.leader(2)
        await until(lambda: bool(desk.core.inflight.all()), 2.0)
        await until(lambda: not desk.core.inflight.all(), 8.0)
        copy = next(each for each in await desk.decisions() if each.follower == "DEMO1001")
        assert (copy.decision, copy.filled_qty) == (Decision.COPIED, copy.qty)
        await desk.promise_holds(5.0)
        received = (await desk.control("state", account="DEMO1001"))["received"]
        assert [each["cl_ord_id"] for each in received] == [copy.cl_ord_id]


async def test_t_unknown_an_order_ninjatrader_never_got_ends_as_expired_and_is_never_sent_again(
    state_dir: Path,
) -> None:
    """Nobody says that there is none: it is asked for by its id, then whole truths that leave it out count."""
    async with practice(state_dir, *MIXED) as desk:
        await desk.control("lose_request", account="DEMO1001")
        await desk.leader(2)
        await until(lambda: bool(desk.core.inflight.all()), 2.0)
        await until(lambda: not desk.core.inflight.all(), 12.0)
        copy = next(each for each in await desk.decisions() if each.follower == "DEMO1001")
        assert copy.decision is Decision.EXPIRED and "not sent again" in copy.reason, copy.reason
        assert "asked by tag: the venue lists no order of this id, which proves nothing" in copy.reason
        await desk.promise_holds(5.0)
        books = await desk.books()
        assert books.net("DEMO1001", copy.symbol) == 0
        assert sum(each.cl_ord_id == copy.cl_ord_id for each in books.received) <= 1
