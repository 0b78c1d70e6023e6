"""Panic over real sockets: every account closed at once, whatever else the desk and its venues are busy with."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

from brokers.adapter import BrokerAdapter, VenueError
from engine.seat import FlattenResult
from schema.clock import SYSTEM_CLOCK
from schema.records import Guard, OrderType
from tests.practice import PracticeDesk, practice, until

PER_MIN = 80  # Tradovate's, for a login
NOISE = 2.0  # the bench has the figures; here two cores are shared with whatever else runs


async def everybody_in_with_a_stop(desk: PracticeDesk) -> None:
    """Every account holds a position and has a stop working beside it."""
    await desk.leader(+4)
    await desk.settled(5)
    for account in (await desk.books()).accounts:
        for symbol, net in account.positions.items():
            side, price = ("sell", "3000") if net > 0 else ("buy", "9000")
            await desk.control(
                "trade", account=account.account, symbol=symbol, side=side, qty=abs(net), type="stop", stop=price
            )
    held = (await desk.books()).accounts
    assert len(held) == 21 and all(each.positions and each.working == 1 for each in held)
    await until(lambda: all(desk.desk.exits.book.working(each.account) for each in held), 3)


async def move_stops(desk: PracticeDesk, adapter: BrokerAdapter, accounts: list[str]) -> None:
    """A stop trailed tick by tick for every account of a login, as fast as its budget lets it, and on and on."""
    book, number = desk.desk.exits.book, 0
    while True:
        for account in accounts:
            for order in book.working(account):
                number += 1
                far = Decimal(3000) if next(iter(book.held(account).values()), 1) > 0 else Decimal(9000)
                with contextlib.suppress(VenueError):
                    await adapter.modify(
                        account,
                        order.order_id,
                        qty=1,
                        order_type=OrderType.STOP,
                        stop_price=far + Decimal("0.25") * (number % 40),
                    )
        await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def saturated(desk: PracticeDesk) -> AsyncIterator[None]:
    """Stops are modified on every login until its budget gives no more, and it is kept that way."""
    mine = {name: desk.core.accounts_of(name) for name in desk.desk.adapters}
    tasks = [asyncio.create_task(move_stops(desk, desk.desk.adapters[name], mine[name])) for name in mine]

    def spent() -> bool:
        return all(adapter.health().budget_left <= 27 for adapter in desk.desk.adapters.values())

    try:
        await until(spent, 10)
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def panic(desk: PracticeDesk) -> tuple[FlattenResult, float, float]:
    """The kill switch; what it said, and ms until the venue had read the last exit, and until all were verified."""
    started_ns = SYSTEM_CLOCK.now_ns()
    result = await desk.desk.kill()
    verified_ms = (SYSTEM_CLOCK.now_ns() - started_ns) / 1e6
    received = (await desk.control("state"))["received"]
    exits = [
        each["arrived_ns"]
        for each in received
        if each["arrived_ns"] > started_ns and each["endpoint"] == "order/liquidateposition"
    ]
    return result, (max(exits) - started_ns) / 1e6, verified_ms


async def test_t_panic_under_a_budget_saturated_by_stop_modifications(state_dir: Path) -> None:
    async with practice(state_dir, "--requests-per-min", str(PER_MIN), requests_per_min=PER_MIN) as desk:
        await everybody_in_with_a_stop(desk)
        async with saturated(desk):
            result, sent_ms, verified_ms = await panic(desk)
        print(f"last of 21 exits at the venue after {sent_ms:.0f} ms, all verified flat after {verified_ms:.0f} ms")
        assert result.not_flat == ()
        assert len(result.flat) == 21
        assert {(str(each.positions), each.working) for each in (await desk.books()).accounts} == {("{}", 0)}
        assert sent_ms <= 500 * NOISE
        assert verified_ms <= 3000 * NOISE
        await until(lambda: desk.core.config.guard is Guard.HALT, 1)
        await asyncio.sleep(0.2)
        assert (await desk.store.load_config()).guard is Guard.HALT


async def test_a_hung_login_delays_nobody_and_is_named(state_dir: Path) -> None:
    async with practice(state_dir) as desk:
        await everybody_in_with_a_stop(desk)
        desk.desk.exits.limit_s = 2.0
        hung = set(desk.core.accounts_of("desk3"))
        await desk.control("hang", login="desk3", seconds=60.0)
        started = desk.now_s()
        flattening = asyncio.create_task(desk.desk.flatten("all"))
        others = [account for account in desk.core.accounts if account not in hung]
        await until(lambda: all(desk.desk.exits.book.flat(account) for account in others), 3)
        took_s = desk.now_s() - started
        await until(lambda: desk.status().flatten.startswith("flatten all: 16 of 21 flat"), 1.5)
        assert desk.status().flatten.endswith(f"waiting for {', '.join(sorted(hung)[:3])} and 2 more")
        result = await flattening
        print(f"the other 16 were flat after {took_s * 1000:.0f} ms")
        assert took_s < 1.0
        assert {account for account, _ in result.not_flat} == hung
        assert all("its venue has not shown it flat after 2 s" in reason for _, reason in result.not_flat)
        await until(lambda: desk.status().flatten == "", 1)
        books = {each.account: each for each in (await desk.books()).accounts}
        assert all(not books[account].positions and not books[account].working for account in others)
        await desk.control("clear")
        result = await desk.desk.flatten("all")
        assert result.not_flat == ()
        assert await open_now(desk) == {}


async def open_now(desk: PracticeDesk) -> dict[str, dict[str, int]]:
    """Positions by account, by the venue's own books."""
    return {each.account: each.positions for each in (await desk.books()).accounts if each.positions}


async def test_entries_on_their_way_do_not_stay_open_and_a_seat_that_goes_away_stops_nothing(state_dir: Path) -> None:
    """The venue takes 0.2 to 0.8 s for each request: the copies' orders and the flatten overtake each other."""
    async with practice(state_dir) as desk:
        await desk.control("latency", p50_ms=200.0, p95_ms=800.0)
        await desk.leader(+4)
        asked = asyncio.create_task(desk.desk.flatten("all"))
        await until(lambda: bool(desk.status().flatten), 1)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        await until(lambda: not desk.desk.exits.says(), 12)
        await desk.control("clear")
        await desk.settled(5)
        ends = desk.now_s() + 3
        while await open_now(desk):
            assert desk.now_s() < ends, await open_now(desk)
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        assert await open_now(desk) == {}, "something was opened again"


async def test_who_may_only_reduce_is_closed_and_who_cannot_be_closed_or_read_is_named(state_dir: Path) -> None:
    """T-UNKNOWN: a login that can't be read has nothing open, but nobody can say so."""
    async with practice(state_dir) as desk:
        await desk.leader(+4)
        await desk.settled(5)
        desk.desk.exits.limit_s = 3.0
        for number in (1006, 1007):  # nothing is held in this one, but an order rests
            await desk.control(
                "trade", account=f"DEMO{number}", symbol="MESH4", side="buy", qty=1, type="limit", limit="3000"
            )
        await desk.control("account", account="DEMO1001", liquidate_only=True)
        await desk.control("account", account="DEMO1002", locked=True)
        await desk.control("throttle", login="desk3", count=1000)
        breaker, now_ns = desk.core.breakers["desk2"], SYSTEM_CLOCK.now_ns()
        for _ in range(20):
            breaker.failed(now_ns)
        assert not breaker.allows(now_ns)
        result = await desk.desk.flatten("main")
        not_flat = dict(result.not_flat)
        locked = not_flat.pop("DEMO1002")
        assert "the venue shows +" in locked and "Trading is locked for account DEMO1002" in locked
        assert set(not_flat) == set(desk.core.accounts_of("desk3"))
        assert all(reason.startswith("not verified: ") for reason in not_flat.values())
        books = {each.account: each for each in (await desk.books()).accounts}
        assert all(not books[account].positions and not books[account].working for account in result.flat)
        config = await desk.store.load_config()
        assert {account for account, _ in config.flattened} == set(desk.core.accounts)


async def test_no_configuration_read_in_the_moment_of_a_kill_lifts_its_halt(state_dir: Path) -> None:
    """As when the shell changes something in just that moment."""
    async with practice(state_dir) as desk:

        async def change() -> None:
            for _ in range(15):
                await desk.desk._config_changed()

        for _ in range(10):
            await desk.desk.guard("all", Guard.NONE)
            await until(lambda: desk.desk.idle and desk.core.config.guard is Guard.NONE, 5)
            changing = asyncio.create_task(change())
            killing = asyncio.create_task(desk.desk.kill())
            await until(lambda: desk.core.config.guard is Guard.HALT, 5)
            while not (changing.done() and killing.done() and desk.desk.idle):
                assert desk.core.config.guard is Guard.HALT
                await asyncio.sleep(0)
