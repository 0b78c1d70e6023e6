"""The store keeps what it was given: the journal's commit, the write-behind batch, and what is read back at start."""

import asyncio
import json
import statistics
from decimal import Decimal
from time import perf_counter

import pytest
from msgspec.structs import replace

from schema import driver
from schema.clock import SYSTEM_CLOCK
from schema.records import (
    AccountState,
    Copy,
    Decision,
    DoneOrder,
    DoneStatus,
    Environment,
    Episode,
    FollowerConfig,
    LiveOrder,
    LiveStatus,
    OrderType,
    Position,
    Rounding,
    Rule,
    RuleKind,
    Side,
    SignalKind,
    SymbolMap,
)
from schema.settings import Settings
from schema.store import AlertRecord, Batch, Store
from tests.schema import rows


async def test_configuration_comes_back_as_it_was_given(store: Store) -> None:
    await rows.desk(store, followers=2)
    special = FollowerConfig(
        account="DEMO1002",
        group="main",
        enabled=False,
        rule=Rule(kind=RuleKind.PERCENT, value=Decimal("12.50"), rounding=Rounding.NEAREST, invert=True),
        symbols=(SymbolMap(leader_root="ES", follower_root="MES", lot_factor=Decimal(10)),),
        max_position=4,
        max_order=2,
    )
    await store.put_follower(special)
    config = await store.load_config()
    assert config.connections == (rows.connection(),)
    assert config.connections[0].environment is Environment.DEMO
    assert [account.account for account in config.accounts] == ["DEMO1000", "DEMO1001", "DEMO1002"]
    assert config.groups[0].leader == "DEMO1000"
    assert config.followers[1] == special
    assert await store.sealed_credentials("desk1") == b"sealed"


async def test_a_signal_and_its_copies_are_one_commit_and_only_the_first_counts(store: Store) -> None:
    names = await rows.desk(store, followers=3)
    signal = rows.signal(1)
    pairs = rows.copies(signal, names)
    assert await store.commit_signal(signal, pairs) is True
    assert await store.open_copies() == [(signal, copy) for copy in pairs]
    other = [replace(copy, qty=99) for copy in pairs]
    assert await store.commit_signal(signal, other) is False
    assert [copy.qty for _, copy in await store.open_copies()] == [1, 1, 1]
    assert await store.counts() == (1, {Decision.PENDING: 3})


async def test_a_signal_another_desk_committed_is_not_ours_to_send(settings: Settings, store: Store) -> None:
    other = await Store.open(settings, SYSTEM_CLOCK)
    try:
        signal = rows.signal(1)
        assert await store.commit_signal(signal, rows.copies(signal, ["A"])) is True
        assert await other.commit_signal(signal, rows.copies(signal, ["A"])) is False
    finally:
        await other.close()


async def test_t_wal_a_signal_told_again_is_not_ours_to_send_when_the_answer_about_it_is_lost(store: Store) -> None:
    """A leader's order that is told again after its end has the id that it had; its first rows are about then."""
    names = await rows.desk(store, followers=1)
    signal = rows.signal(1)
    again = replace(signal, received_ns=signal.received_ns + 1)
    assert await store.commit_signal(signal, rows.copies(signal, names)) is True
    for told, ours in ((again, False), (signal, True)):
        store._perhaps_written.add(told.signal_id)  # its first attempt got no answer
        assert await store.commit_signal(told, rows.copies(told, names)) is ours


async def test_a_copy_whose_reason_holds_a_nul_or_a_backslash_is_committed(store: Store) -> None:
    names = await rows.desk(store, followers=1)
    signal = rows.signal(1)
    (pair,) = rows.copies(signal, names)
    pair = replace(pair, reason='nul\0 "quoted" \\u0000 \\', scale=Decimal("0.3333333333333333333333333333"))
    assert await store.commit_signal(signal, [pair]) is True
    assert await store.open_copies() == [(signal, replace(pair, reason='nul "quoted" \\u0000 \\'))]


async def test_a_rehearsed_commit_leaves_nothing(store: Store) -> None:
    await store.rehearse()
    await store.rehearse()
    assert await store.counts() == (0, {})


async def test_a_batch_written_twice_leaves_the_same_rows(store: Store) -> None:
    names = await rows.desk(store, followers=2)
    signal = rows.signal(1)
    pairs = rows.copies(signal, names)
    await store.commit_signal(signal, pairs)
    ended = [
        replace(
            copy, decision=Decision.COPIED, order_id="7", filled_qty=1, avg_price=Decimal("4800.50"), reason="nul\0",
            episode=Episode.JOINED, sent_ns=1, acked_ns=2, filled_ns=3,
        )
        for copy in pairs
    ]  # fmt: skip
    live = LiveOrder(
        account="DEMO1001", order_id="7", symbol="ESH4", side=Side.BUY, order_type=OrderType.LIMIT, qty=1,
        limit_price=Decimal("4800.25"), status=LiveStatus.WORKING, text='said "no", then yes',
    )  # fmt: skip
    done = DoneOrder(
        account="DEMO1001", order_id="8", symbol="ESH4", side=Side.SELL, order_type=OrderType.MARKET, qty=2,
        filled_qty=2, avg_price=Decimal("4801"), status=DoneStatus.FILLED,
    )  # fmt: skip
    batch = Batch(
        copies=tuple(ended),
        fills=(rows.fill(1, "DEMO1001"), rows.fill(2, "DEMO1002")),
        orders=(live, done),
        positions=(Position(account="DEMO1001", symbol="ESH4", net_qty=-1, avg_price=Decimal("4801.5")),),
        states=(AccountState(account="DEMO1001", balance=Decimal("50000.10")),),
        alerts=(AlertRecord(at_ns=1, level="info", text="hello"),),
    )
    await store.record(batch)
    await store.record(replace(batch, alerts=()))
    assert await store.open_copies() == []
    assert [copy for _, copy in reversed(await store.recent_copies(10))] == [replace(c, reason="nul") for c in ended]
    assert sorted(await store.recent_orders(10), key=lambda order: order.order_id) == [live, done]
    assert await store.seen_fills("DEMO1001") == {"fill-1"}
    assert await store.counts() == (1, {Decision.COPIED: 2})


async def test_an_empty_batch_still_proves_the_database_is_there(store: Store) -> None:
    await store.record(Batch())


async def test_start_recovers_newest_copy_and_leader_position_of_each_key(store: Store) -> None:
    names = await rows.desk(store, followers=2)
    for number, (symbol, net) in enumerate([("ESH4", 1), ("NQH4", 4), ("ESH4", 2), ("ESH4", -3)]):
        signal = rows.signal(number, net=net, symbol=symbol)
        await store.commit_signal(signal, rows.copies(signal, names))
    correction = rows.signal(9, net=-3, kind=SignalKind.CORRECTION)
    await store.commit_signal(correction, rows.copies(correction, names[:1]))
    newest = {(copy.follower, copy.leader_symbol): copy.signal_id for copy in await store.latest_copies()}
    assert newest == {
        ("DEMO1001", "ESH4"): "signal-9",
        ("DEMO1001", "NQH4"): "signal-1",
        ("DEMO1002", "ESH4"): "signal-3",
        ("DEMO1002", "NQH4"): "signal-1",
    }
    assert sorted(await store.leader_nets()) == [(rows.LEADER, "ESH4", -3), (rows.LEADER, "NQH4", 4)]
    assert await store.counts("main") == (4, {Decision.PENDING: 8})


async def test_a_leader_fill_with_a_committed_signal_is_seen_although_the_fill_was_never_written(store: Store) -> None:
    await store.commit_signal(rows.signal(5), [])
    assert await store.seen_fills(rows.LEADER) == {"fill-5"}


async def test_the_first_baseline_stands(store: Store) -> None:
    assert await store.baseline(rows.LEADER) is None
    await store.set_baseline(rows.LEADER, 5)
    await store.set_baseline(rows.LEADER, 9)
    assert await store.baseline(rows.LEADER) == 5


async def test_no_two_copies_carry_the_same_client_order_id(store: Store) -> None:
    first, second = rows.signal(1), rows.signal(2)
    await store.commit_signal(first, rows.copies(first, ["A"]))
    twin = [replace(copy, cl_ord_id="cd-signal-1-A") for copy in rows.copies(second, ["A"])]
    await store.commit_signal(second, twin)
    with pytest.raises(driver.CONSTRAINT):
        await store.record(Batch())


async def test_a_plan_whose_desk_was_killed_is_expanded_once_by_whoever_reads_next(
    settings: Settings, store: Store
) -> None:
    names = await rows.desk(store, followers=3)
    for number in range(5):
        signal = rows.signal(number)
        await store.commit_signal(signal, rows.copies(signal, names))
    others = [await Store.open(settings, SYSTEM_CLOCK) for _ in range(4)]
    try:
        found = await asyncio.gather(*(other.recent_copies(100) for other in others), store.recent_copies(100))
    finally:
        await asyncio.gather(*(other.close() for other in others))
    expected = [(rows.signal(n), copy) for n in range(5) for copy in rows.copies(rows.signal(n), names)]
    assert all(list(reversed(each)) == expected for each in found)


async def test_a_plan_of_an_older_version_gets_the_defaults_of_what_it_does_not_know(store: Store) -> None:
    names = await rows.desk(store, followers=1)
    signal = rows.signal(1)
    await store.commit_signal(signal, [])
    async with store._database.commit_session() as session:
        least = {"signal_id": "signal-1", "follower": names[0], "symbol": "ESH4", "leader_symbol": "ESH4"}
        document = json.dumps([{**least, "decision": "skipped"}])
        await session.execute(f"INSERT INTO plans (copies) VALUES ('{document}')")
    ((_, copy),) = await store.recent_copies(10)
    assert copy == Copy(
        signal_id="signal-1", follower=names[0], symbol="ESH4", leader_symbol="ESH4", decision=Decision.SKIPPED
    )


async def test_a_commit_of_twenty_copies_is_quick(store: Store) -> None:
    names = await rows.desk(store)
    took: list[float] = []
    for number in range(300):
        signal = rows.signal(number)
        pairs = rows.copies(signal, names)
        started = perf_counter()
        assert await store.commit_signal(signal, pairs)
        took.append((perf_counter() - started) * 1e3)
    took = sorted(took[20:])
    p50, p99 = statistics.median(took), took[int(len(took) * 0.99)]
    print(f"\ncommit of 1 signal and 20 copies: p50 {p50:.2f} ms, p99 {p99:.2f} ms, max {took[-1]:.2f} ms")
    print(f"smallest durable commit here: {await store.measure_commit_ms():.2f} ms")
    assert p50 < 10


async def test_fills_older_than_asked_for_are_not_read_back_and_those_without_a_time_are(store: Store) -> None:
    old, new, timeless = rows.fill(1, "DEMO1001"), rows.fill(2, "DEMO1001"), rows.fill(3, "DEMO1001")
    await store.record(Batch(fills=(old, new, replace(timeless, venue_ns=0))))
    assert await store.seen_fills("DEMO1001", new.venue_ns) == {"fill-2", "fill-3"}
    await store.commit_signal(rows.signal(5), [])
    await store.commit_signal(rows.signal(6), [])
    assert await store.seen_fills(rows.LEADER, rows.signal(6).venue_ns) == {"fill-6"}
