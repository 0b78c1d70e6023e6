"""The promise under each fault, over real sockets: 0 duplicates, 0 unaccounted, and every follower at its target
within 3 s of the fault's end.

Every scenario is the same session: a trade is open, the fault begins, the leader scales in, out and flips while it
lasts, the fault ends, and the books of the venue are compared with the journal.
"""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from schema.records import Decision
from tests.practice import SYMBOL, PracticeDesk, practice, until

Order = tuple[str, dict[str, Any]]

# Orders of the sandbox's control socket (brokers/sandbox/control.py); `seconds` is how long the fault lasts.
FAULTS: dict[str, tuple[list[Order], float]] = {
    "latency": ([("latency", {"p50_ms": 200.0, "p95_ms": 800.0})], 5.0),  # it ends when the last late request landed
    "latency_beyond_the_deadline": ([("latency", {"login": "desk2", "p50_ms": 3_000.0, "p95_ms": 4_000.0})], 5.0),
    "reject": ([("reject", {"count": 15, "reason": "OtherExecutionRelated", "text": "no thanks"})], 1.0),
    "late_reject": ([("late_reject", {"count": 10, "after_s": 0.3})], 1.0),
    "accept_then_drop_the_answer": ([("drop_answer", {"count": 15})], 1.0),
    "server_error_after_accept": ([("http_error", {"count": 15, "status": 502})], 1.0),
    "disconnect_now": ([("disconnect", {"login": "desk1"}), ("disconnect", {"login": "desk3"})], 1.0),
    "disconnect_at_the_third_frame": ([("disconnect", {"login": "desk1", "frame": 3})], 1.0),
    "disconnect_of_everybody": ([("disconnect", {"refuse_s": 2.0})], 2.0),
    "disconnect_of_the_leader": ([("disconnect", {"login": "leader", "refuse_s": 1.0})], 1.0),
    "duplicated_events": ([("events", {"duplicate": 1.0})], 1.0),
    "reordered_events": ([("events", {"reorder": True, "duplicate": 0.5})], 1.0),
    "events_before_the_answer": ([("events", {"before_answer": True})], 1.0),
    "dropped_fill_events": ([("events", {"drop_fills": 0.8})], 2.0),
    "too_many_requests": ([("throttle", {"login": "desk4", "count": 12})], 1.0),
    "penalty_ticket": ([("ticket", {"endpoint": "order/placeorder", "count": 10, "wait_s": 0.5})], 1.0),
    "penalty_ticket_on_sync": (
        [("ticket", {"endpoint": "user/syncrequest", "count": 2, "wait_s": 0.5}), ("disconnect", {"login": "desk2"})],
        1.5,
    ),
    "expired_token": ([("expire", {})], 1.0),
    "silence": ([("silence", {"login": "desk2", "seconds": 3.0})], 3.0),
    "hung_venue": ([("hang", {"login": "desk3", "seconds": 3.0})], 3.0),
}  # fmt: skip


async def trade_through(desk: PracticeDesk) -> None:
    """The leader scales in, out, flips and stays in a trade."""
    for qty in (+1, -2, +1, -4, +1):
        await desk.leader(qty)
        await asyncio.sleep(0.05)  # as a trader would: one after the other, not waiting for the copies


@pytest.mark.parametrize("fault", FAULTS)
async def test_the_promise_holds_under(fault: str, state_dir: Path) -> None:
    orders, seconds = FAULTS[fault]
    async with practice(state_dir) as desk:
        await desk.leader(+2)
        await desk.promise_holds()
        for order, arguments in orders:
            await desk.control(order, **arguments)
        started = desk.now_s()
        await trade_through(desk)
        await asyncio.sleep(max(0.0, started + seconds - desk.now_s()))
        await desk.control("clear")
        await desk.promise_holds(within_s=3.0)
        if "disconnect" in fault:
            cut = sum(adapter.health().reconnects for adapter in desk.desk.adapters.values())
            assert cut > 0, "the lines were cut"
        await desk.leader(+3)  # flat: whatever happened to a follower, it is out
        await desk.promise_holds(within_s=3.0)
        assert not (await desk.off_target())


async def test_t_replay_of_the_whole_session_sends_no_order(state_dir: Path) -> None:
    async with practice(state_dir) as desk:
        for qty in (+2, -1, -2, +1, +1):
            await desk.leader(qty)
            await desk.settled(5)
        received = len((await desk.books()).received)
        signals = desk.core.tally.signals
        for login in ("", "leader", ""):
            told = await desk.control("replay", login=login)
            assert told["events"] > 0
        await desk.leader(+1)
        await desk.promise_holds()
        assert desk.core.tally.signals == signals + 1
        assert len((await desk.books()).received) <= received + 20


async def test_a_silent_connection_is_given_up_and_its_exits_go_all_the_same(state_dir: Path) -> None:
    async with practice(state_dir) as desk:
        await desk.leader(+2)
        await desk.promise_holds()
        await desk.control("silence", login="desk2", seconds=12.0)
        await desk.leader(-2)
        await until(lambda: not desk.core.up["desk2"], 14)
        await until(lambda: desk.core.up["desk2"], 10)
        await desk.promise_holds(within_s=3.0)


async def test_one_hung_venue_delays_no_other(state_dir: Path) -> None:
    """T-FAN: the copies of 15 followers are answered within a second while the other login's venue hangs."""
    async with practice(state_dir) as desk:
        await desk.control("hang", login="desk3", seconds=5.0)
        await desk.leader(+2)
        hung = {name for name, account in desk.core.accounts.items() if account.connection == "desk3"}

        def others_are_done() -> bool:
            copies = [c for _, c in desk.core.recent.values() if c.follower not in hung]
            return bool(copies) and all(c.decision is not Decision.PENDING for c in copies)

        await until(others_are_done, 1.0)
        await desk.control("clear")
        await desk.settled(6)
        await desk.promise_holds(within_s=3.0)


async def test_a_hung_venue_that_does_not_describe_a_new_contract_is_waited_for_once(state_dir: Path) -> None:
    """T-FAN: every event of the leader's waited for it anew, and so did each exit, deadline and question of the others
    that came behind; and once it answers, its own followers take part without being waited for."""
    async with practice(state_dir, chart_symbol="MESH4") as desk:
        await desk.control("latency", login="desk3", p50_ms=4_000.0, p95_ms=4_000.0)
        hung = {name for name, account in desk.core.accounts.items() if account.connection == "desk3"}

        def others_have(signals: int) -> bool:
            copies = [c for s, c in desk.core.recent.values() if c.follower not in hung and s.symbol == SYMBOL]
            done = [c for c in copies if c.decision is not Decision.PENDING]
            return len({c.signal_id for c in done}) == signals and len(done) == len(copies)

        await desk.leader(+2, seen=False)
        await until(lambda: others_have(1), 3.0)
        for signals in (2, 3, 4):
            await desk.leader(-1 if signals % 2 else +1, seen=False)
            await until(lambda signals=signals: others_have(signals), 1.0)
        await desk.control("clear")
        await until(lambda: desk.core.instruments.get(("desk3", SYMBOL)) == "", 10.0)
        await desk.settled(6)  # its orders in the contract that it had described land until then
        await desk.promise_holds(within_s=3.0)
