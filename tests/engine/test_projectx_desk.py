"""A whole desk with its leader at Tradovate and its followers at ProjectX: real sockets, real database, real faults."""

import asyncio
import time
from pathlib import Path

from schema.records import Decision
from tests.practice import practice, until

PLACED = "order/place"
MIXED = ("--venue", "projectx", "--limit", "projectx.requests=0")


async def test_copies_of_projectx_followers_are_made_exactly_once(state_dir: Path) -> None:
    """T-DUP: scaled in and out, flipped and closed; every follower stands at its target, no request twice."""
    async with practice(state_dir, *MIXED) as desk:
        venues = {connection.connection: connection.venue for connection in desk.core.config.connections}
        assert venues["leader"] == "tradovate" and venues["desk1"] == "projectx"
        for qty in (2, 1, -1, -4, 2):
            await desk.leader(qty)
            await desk.promise_holds(5.0)
        copies = await desk.decisions()
        assert {copy.decision for copy in copies} <= {Decision.COPIED, Decision.SKIPPED}
        received = (await desk.control("state"))["received"]
        assert {each["endpoint"] for each in received if each["login"].startswith("desk")} == {PLACED}
        assert sum(1 for each in received if each["endpoint"] == PLACED) > 20


async def test_an_exit_is_copied_though_the_followers_hubs_are_away(state_dir: Path) -> None:
    async with practice(state_dir, *MIXED) as desk:
        await desk.leader(2)
        await desk.promise_holds(5.0)
        await desk.control("disconnect", login="desk1", refuse_s=3)
        await until(lambda: not desk.core.up["desk1"], 3.0)
        began = time.monotonic()
        await desk.leader(-2)
        while any(
            net
            for account in (await desk.books()).accounts
            for symbol, net in account.positions.items()
            if account.account != "DEMO1000"
        ):
            assert time.monotonic() - began < 3.0, "the exits did not leave"
            await asyncio.sleep(0.05)
        await desk.promise_holds(8.0)


async def test_lost_answers_at_projectx_are_settled_by_asking(state_dir: Path) -> None:
    """Accept-then-silence for three followers: unknown, asked by tag, copied; nothing is sent again."""
    async with practice(state_dir, *MIXED) as desk:
        for account in ("DEMO1001", "DEMO1002", "DEMO1006"):
            await desk.control("drop_answer", account=account)
        await desk.control("silence", login="desk1", seconds=2)
        await desk.leader(2)
        await desk.promise_holds(10.0)
        received = (await desk.control("state"))["received"]
        tags = [each["cl_ord_id"] for each in received if each["endpoint"] == PLACED]
        assert len(tags) == len(set(tags))
