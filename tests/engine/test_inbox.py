"""The inbox keeps the order of everything, but for a leader's fill, which passes only what cannot change its plan."""

import asyncio
from dataclasses import dataclass
from decimal import Decimal

from brokers import adapter as venue
from engine import events as ev
from engine.inbox import Inbox
from schema.records import AccountState, DeskConfig, LiveOrder, LiveStatus, OrderType, Side
from tests.schema import rows


@dataclass
class Desk:
    """Puts events in and reads what comes out."""

    inbox: Inbox

    def puts(self, *events: ev.AnyInput) -> None:
        for event in events:
            self.inbox.put_nowait(event)

    async def reads(self) -> list[ev.AnyInput]:
        taken: list[ev.AnyInput] = []
        while not self.inbox.empty():
            taken.append(await self.inbox.get())
            self.inbox.handled()
        return taken


def order(number: int) -> venue.OrderUpdated:
    live = LiveOrder(
        account="L", order_id=str(number), symbol="ESH4", side=Side.BUY, order_type=OrderType.MARKET, qty=1,
        status=LiveStatus.WORKING,
    )  # fmt: skip
    return venue.OrderUpdated(connection="c", received_ns=number, order=live)


def fill(number: int) -> venue.Filled:
    return venue.Filled(connection="c", received_ns=number, fill=rows.fill(number, "L"))


async def test_a_leaders_fill_passes_news_of_orders_and_the_time() -> None:
    desk = Desk(Inbox())
    desk.puts(order(1), ev.Tick(at_ns=2))
    desk.inbox.put_nowait(fill(3), urgent=True)
    desk.puts(order(4))
    assert await desk.reads() == [fill(3), order(1), ev.Tick(at_ns=2), order(4)]


async def test_it_passes_no_other_fill_no_reading_and_no_loss_of_the_connection() -> None:
    down = venue.StreamDown(connection="c", received_ns=1, reason="gone")
    config = ev.ConfigLoaded(at_ns=1, config=DeskConfig())
    rejected = venue.OrderNotSent(connection="c", received_ns=1, account="F", cl_ord_id="x", reason="no")
    for stays_before in (fill(1), down, config, rejected):
        desk = Desk(Inbox())
        desk.puts(stays_before, order(2))
        desk.inbox.put_nowait(fill(3), urgent=True)
        desk.inbox.put_nowait(fill(4), urgent=True)
        assert await desk.reads() == [stays_before, fill(3), fill(4), order(2)]


EMPTY = venue.Snapshot(at_ns=2, accounts=(), complete=frozenset(), positions=(), orders=(), fills=(), states=())


def money(number: int, account: str = "L") -> venue.AccountUpdated:
    state = AccountState(account=account, balance=Decimal(number), realized_pnl=Decimal(0))
    return venue.AccountUpdated(connection="c", received_ns=number, state=state)


async def test_of_an_accounts_money_only_the_newest_is_handled_and_never_before_a_reading_that_is_older() -> None:
    desk = Desk(Inbox())
    desk.puts(money(1), order(2), money(3), money(4, "F"), money(5))
    assert await desk.reads() == [money(5), order(2), money(4, "F")]
    up = venue.StreamUp(connection="c", received_ns=2, first=False, snapshot=EMPTY)
    desk.puts(money(1), up, money(3), money(4))
    assert await desk.reads() == [money(1), up, money(4)]
    await desk.inbox.join()


async def test_a_reader_that_waits_is_woken_and_join_waits_for_the_handling() -> None:
    inbox = Inbox()
    reading = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)
    inbox.put_nowait(order(1))
    joining = asyncio.create_task(inbox.join())
    assert await reading == order(1)
    await asyncio.sleep(0)
    assert not joining.done()
    inbox.handled()
    await joining
    cancelled = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.gather(cancelled, return_exceptions=True)
    inbox.put_nowait(order(2))
    assert await inbox.get() == order(2)
