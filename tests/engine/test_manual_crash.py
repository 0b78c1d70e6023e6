"""The desk is killed while orders by hand go through its door: what left is there once, what did not never comes."""

import asyncio
import os
from collections import Counter
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from engine.manual_gate import ASKED
from engine.remote import RemoteSeat
from engine.seat import CommandRefused, Ticket
from schema.clock import SYSTEM_CLOCK
from schema.records import ManualOrder, ManualState, Side
from schema.settings import Settings
from schema.store import Store
from tests.engine.test_crash import CrashDesk
from tests.practice import SYMBOL, all_replayed, practice_settings, wait_for
from tui.demo import GROUP, Sandbox, set_up

KILLS = int(os.environ.get("POINTS", "60"))


@pytest.mark.soak
@pytest.mark.timeout(KILLS * 12)
def test_t_dup_killed_many_times_while_orders_by_hand_go_none_is_doubled_or_sent_later(state_dir: Path) -> None:
    """`make soak`; POINTS says how often."""
    kill_while_trading(KILLS, Random(6), state_dir)


def kill_while_trading(kills: int, random: Random, state_dir: Path) -> None:
    """Kill the desk at so many moments behind a confirmation, then hold the journal against the venue's books."""
    settings = practice_settings(state_dir)
    state_dir.mkdir()
    few = ("--logins", "2", "--accounts-per-login", "3")
    sandbox = Sandbox(state_dir, "--seed", "7", "--requests-per-min", "0", "--limit", "syncs_per_hour=10000", *few)
    desk: CrashDesk | None = None
    try:
        asyncio.run(set_up(settings, sandbox.ready, requests_per_min=5_000))
        for _ in range(kills):
            desk = CrashDesk(state_dir)
            trade(state_dir, desk, random.uniform(0, 0.08))
        desk = CrashDesk(state_dir)
        wait_for(lambda: not asyncio.run(rows(settings, every=False)), 20.0)
        orders = sandbox.control.order("state")["orders"]
        there = Counter(each["cl_ord_id"] for each in orders if (each["cl_ord_id"] or "").startswith("cm"))
        filled = {each["cl_ord_id"]: each["filled"] for each in orders}
        journal = asyncio.run(rows(settings, every=True))
        print(f"{kills} kills: {Counter(row.state for row in journal)}, {len(there)} at the venue")
        assert journal, "no kill came behind a commit"
        assert set(there.values()) <= {1}
        assert set(there) <= {row.cl_ord_id for row in journal}, "nothing is there that the journal does not know"
        for row in journal:
            if row.state is ManualState.NOT_SENT:
                assert not filled.get(row.cl_ord_id)
            else:
                assert filled[row.cl_ord_id] == row.qty
        desk.kill()
        assert len(all_replayed(state_dir)) == kills + 1
    finally:
        if desk is not None:
            desk.kill()
        sandbox.stop()
        asyncio.run(_stop_server(settings))


def trade(state_dir: Path, desk: CrashDesk, after_s: float) -> None:
    """Confirm an order for the whole group, and kill the desk so soon after."""
    seat = RemoteSeat(state_dir)
    seat.start()

    async def confirm() -> None:
        ticket = Ticket(target=GROUP, side=Side.BUY, qty=1, symbol=SYMBOL)
        shown = await seat.place(ticket)
        async with asyncio.timeout(20):
            while any(ASKED in line.refused for line in shown.lines):  # what the kill before left unknown
                await asyncio.sleep(0.1)
                shown = await seat.place(ticket)
        sending = asyncio.create_task(seat.place(ticket, shown))
        await asyncio.sleep(after_s)  # the moment of the kill is what is drawn
        desk.kill()
        with suppress(CommandRefused):
            await sending

    try:
        asyncio.run(confirm())
    finally:
        desk.kill()
        seat.stop()


async def rows(settings: Settings, *, every: bool) -> list[ManualOrder]:
    store = await Store.open(settings, SYSTEM_CLOCK)
    try:
        return await store.manual_orders() if every else await store.open_manual()
    finally:
        await store.close()


async def _stop_server(settings: Settings) -> None:
    await (await Store.open(settings, SYSTEM_CLOCK)).close()
