"""Promises about the stream: it dies visibly, comes back with the truth, tells each fill once, and asks when it is not
told. Against the sandbox's own door over real sockets."""

import asyncio
import logging
import threading
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from brokers.adapter import (
    BarsUpdated,
    Filled,
    LoginRefused,
    MessageUnreadable,
    OrderNotSent,
    OrderSent,
    PositionUpdated,
    QuoteUpdated,
    RequestRefused,
    RequestUnknown,
    StreamDown,
    StreamUp,
    VenueUnreachable,
)
from schema.records import Environment, Side
from tests.brokers.projectx.bench import TIMING, Bench, buy, connected, venue
from tests.brokers.sandbox.projectx_client import ES, MES, YEAR
from tests.brokers.tradovate.bench import until


async def trade(bench: Bench, qty: int = 1, side: str = "buy", account: str = "DEMO1001") -> None:
    """Somebody trades the account from another front end."""
    await bench.control("trade", account=account, side=side, qty=qty)


def told(bench: Bench) -> Counter[str]:
    return Counter(event.fill.fill_id for event in bench.of(Filled))


# --- connecting -----------------------------------------------------------------------------------------------------


async def test_a_wrong_key_is_a_refused_login_and_is_tried_once(tmp_path: Path) -> None:
    async with venue(tmp_path) as at:
        bench = Bench(at, secret="canary-wrong-key")
        for _ in range(2):
            with pytest.raises(LoginRefused, match="user name or key is wrong") as refused:
                await bench.adapter.connect()
            assert "canary" not in str(refused.value)


async def test_a_dead_address_is_unreachable(tmp_path: Path) -> None:
    async with venue(tmp_path) as at:
        for url in ("http://127.0.0.1:9", "https://nowhere.invalid"):
            with pytest.raises(VenueUnreachable, match="cannot be reached"):
                await Bench(at, rest_url=url).adapter.connect()
        with pytest.raises(LoginRefused, match="in clear to example"):
            await Bench(at, rest_url="http://example.com").adapter.connect()


async def test_a_real_money_account_does_not_come_in_by_a_demo_connection(tmp_path: Path) -> None:
    async with venue(tmp_path) as at:
        for account in at.bench.sandbox.venue.accounts.values():
            account.live = True
        with pytest.raises(LoginRefused, match="real money"):
            await Bench(at).adapter.connect()
        bench = Bench(at, environment=Environment.LIVE)
        await bench.adapter.connect()
        await bench.adapter.close()


async def test_the_first_thing_told_is_the_venues_truth(tmp_path: Path) -> None:
    async with venue(tmp_path) as at:
        await at.control("trade", account="DEMO1001", side="buy", qty=3)
        await at.control("trade", account="DEMO1002", side="sell", qty=1, type="limit", limit=4900)
        bench = Bench(at)
        await bench.adapter.connect()
        up = bench.events[0]
        assert isinstance(up, StreamUp) and up.first
        assert up.snapshot.complete == {"DEMO1001", "DEMO1002"}
        assert [(p.account, p.symbol, p.net_qty) for p in up.snapshot.positions] == [("DEMO1001", "ESH4", 3)]
        assert sum(fill.qty for fill in up.snapshot.fills) == 3
        assert [order.account for order in up.snapshot.orders if order.status == "working"] == ["DEMO1002"]
        await bench.adapter.close()
        count = len(bench.events)
        await at.control("trade", account="DEMO1001", side="buy", qty=1)
        await asyncio.sleep(0.2)
        assert len(bench.events) == count  # nothing is told after the close


async def test_closing_leaves_no_thread_behind(tmp_path: Path) -> None:
    """The library's threads wait for bytes for ever unless their socket is shut down."""
    before = {thread.name for thread in threading.enumerate()}
    async with connected(tmp_path) as bench:
        await bench.adapter.watch("ESH4", 60, 10)
        await until(lambda: bench.of(QuoteUpdated), "a quote")
        assert any("Signalrcore" in thread.name for thread in threading.enumerate())
    await until(lambda: {t.name for t in threading.enumerate() if "Signalrcore" in t.name} <= before, "no thread")


# --- payloads -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("door", [{"wrapped": False}, {"wrapped": True}, {"wrapped": True, "flat_fills": True}])
async def test_bare_and_wrapped_payloads_say_the_same(tmp_path: Path, door: dict[str, Any]) -> None:
    async with connected(tmp_path, door) as bench:
        await trade(bench, 2)
        await until(lambda: bench.filled() == 2 and bench.of(PositionUpdated), "the fill and the position")
        assert bench.of(PositionUpdated)[-1].position.net_qty == 2
        await bench.control("trade", account="DEMO1001", side="sell", qty=2)
        await until(lambda: bench.of(PositionUpdated)[-1].position.net_qty == 0, "flat")
        assert not bench.of(MessageUnreadable)


async def test_what_cannot_be_read_is_kept_counted_and_survived(tmp_path: Path) -> None:
    async with connected(tmp_path) as bench:
        hub = next(iter(hub for hub in bench.venue.bench.sandbox.doors["projectx"]._hubs if not hub.market))
        hub.invoke("GatewayUserOrder", {"action": 1, "data": {"id": "x"}})
        hub.invoke("GatewayUserTrade")
        hub.invoke("SomethingNew", {"a": 1})
        hub._outbox.append("not json\x1e")
        hub._wake.set()
        await until(lambda: len(bench.of(MessageUnreadable)) == 3, "three unreadable messages")
        assert bench.adapter.health().unreadable == 3
        await trade(bench)
        await until(lambda: bench.filled() == 1, "the stream goes on")


# --- gaps, duplicates, replays --------------------------------------------------------------------------------------


async def test_duplicated_reordered_and_replayed_events_are_each_told_once(tmp_path: Path) -> None:
    """T-REPLAY at the adapter."""
    async with connected(tmp_path) as bench:
        await bench.control("events", login="desk1", duplicate=1.0, reorder=True, before_answer=True)
        await bench.adapter.place([buy(f"d{number}", account="DEMO1002") for number in range(5)])
        await trade(bench, 2)
        await until(lambda: bench.filled() == 2 and bench.filled("DEMO1002") == 5, "all fills")
        await bench.control("replay", login="desk1")
        await trade(bench, 1)
        await until(lambda: bench.filled() == 3, "the one after the replay")
        assert set(told(bench).values()) == {1}
        ours = {e.fill.cl_ord_id for e in bench.of(Filled) if e.fill.account == "DEMO1002"}
        assert ours == {f"d{number}" for number in range(5)}


async def test_a_broken_hub_comes_back_with_what_the_gap_hid(tmp_path: Path) -> None:
    async with connected(tmp_path) as bench:
        await trade(bench)
        await until(lambda: bench.filled() == 1, "the first fill")
        await bench.control("disconnect", login="desk1", refuse_s=1.0)
        await until(lambda: bench.of(StreamDown), "down")
        await trade(bench, 2)
        await until(lambda: len(bench.of(StreamUp)) == 2, "up again", 8)
        again = bench.of(StreamUp)[1]
        assert not again.first
        assert sum(fill.qty for fill in again.snapshot.fills) == 3
        assert [position.net_qty for position in again.snapshot.positions] == [3]
        await trade(bench, 1)
        await until(lambda: bench.of(PositionUpdated)[-1].position.net_qty == 4, "the stream goes on")
        assert set(told(bench).values()) == {1}
        assert bench.adapter.health().reconnects == 1


async def test_while_the_hub_is_away_the_lists_are_asked_within_two_seconds_and_nothing_is_told_twice(
    tmp_path: Path,
) -> None:
    async with connected(tmp_path) as bench:
        await bench.control("disconnect", login="desk1", refuse_s=60)
        await until(lambda: bench.of(StreamDown), "down")
        await trade(bench, 2)
        await until(lambda: bench.filled() == 2, "the fill, from the lists", 2.0)
        await bench.adapter.place([buy("entry")])
        await until(lambda: bench.of(OrderNotSent, "entry"), "entries wait for the stream")
        await bench.adapter.place([buy("exit", 2, side=Side.SELL, reducing=True)])
        await until(lambda: bench.filled() == 0, "the exit's fill, from the lists", 2.0)
        await bench.control("clear")
        await until(lambda: len(bench.of(StreamUp)) == 2, "up again", 8)
        await bench.control("replay", login="desk1")
        await trade(bench, 1)
        await until(lambda: bench.filled() == 1, "the stream goes on")
        assert set(told(bench).values()) == {1}


async def test_a_silent_hub_is_polled_and_taken_back_without_a_duplicate(tmp_path: Path) -> None:
    """An order was taken and the stream says nothing of it: the lists are asked within 2 s."""
    async with connected(tmp_path, {"ping_s": 15.0}, timing=TIMING) as bench:
        await bench.adapter.instrument("ESH4")
        await bench.control("silence", login="desk1", seconds=2.5)
        began = asyncio.get_running_loop().time()
        await bench.adapter.place([buy("a")])
        await until(lambda: bench.filled() == 1, "the fill, from the lists", 2.0)
        assert asyncio.get_running_loop().time() - began < 2.0
        await asyncio.sleep(2.5)  # the hub speaks again, of what is known already
        await trade(bench, 1)
        await until(lambda: bench.filled() == 2, "the stream goes on")
        assert set(told(bench).values()) == {1}
        assert len(bench.of(OrderSent, "a")) == 1


async def test_a_hub_that_stays_silent_is_opened_anew(tmp_path: Path) -> None:
    timing = type(TIMING)(ping_s=0.3, silent_s=0.4, dead_s=1.0, poll_s=0.3, check_s=0.02)
    async with connected(tmp_path, timing=timing) as bench:
        await bench.control("silence", login="desk1", seconds=1.3)
        await until(lambda: bench.of(StreamDown), "down", 4)
        assert "said nothing for" in bench.of(StreamDown)[0].reason
        await until(lambda: len(bench.of(StreamUp)) == 2, "up again", 6)


async def test_lost_fill_events_are_found_by_the_next_reading(tmp_path: Path) -> None:
    async with connected(tmp_path) as bench:
        await bench.control("events", login="desk1", drop_fills=1.0)
        await trade(bench, 2)
        await until(lambda: bench.of(PositionUpdated), "the position")
        assert bench.filled() == 0
        assert sum(fill.qty for fill in (await bench.adapter.snapshot()).fills) == 2


# --- tokens and sessions --------------------------------------------------------------------------------------------


async def test_an_expired_token_is_renewed_and_the_stream_opened_with_the_new_one(tmp_path: Path) -> None:
    async with connected(tmp_path) as bench:
        await bench.control("expire", login="desk1")
        await until(lambda: bench.of(StreamDown), "down")
        await until(lambda: len(bench.of(StreamUp)) == 2, "up again", 8)
        await trade(bench, 1)
        await until(lambda: bench.filled() == 1, "the stream goes on")


async def test_a_short_token_is_renewed_ahead_of_its_end(tmp_path: Path) -> None:
    async with connected(tmp_path, {"token_lifetime_s": 2.0}) as bench:
        await until(lambda: len(bench.of(StreamUp)) >= 2, "the stream opened with the renewed token", 8)
        await bench.adapter.instrument("MESH4")


async def test_a_storm_of_logouts_ends_the_fight(tmp_path: Path) -> None:
    """Another client takes the session each time: after five in two minutes the desk gives way and says so."""
    async with connected(tmp_path) as bench:
        for number in range(6):
            await until(lambda: bench.adapter.health().state == "up", f"up before logout {number + 1}", 8)
            await bench.control("go_away", login="desk1")
            await until(lambda: len(bench.of(StreamDown)) > number, "down")  # noqa: B023 - awaited in this turn
        await until(lambda: bench.of(StreamDown)[-1].final, "the last one is final")
        assert "another client uses this login" in bench.of(StreamDown)[-1].reason
        assert bench.adapter.health().state == "refused"
        ups = len(bench.of(StreamUp))
        await asyncio.sleep(0.7)
        assert len(bench.of(StreamUp)) == ups
        with pytest.raises(RequestUnknown):
            await bench.adapter.snapshot()


async def test_a_shutdown_word_and_now_and_then_a_logout_are_survived(tmp_path: Path) -> None:
    async with connected(tmp_path) as bench:
        await bench.control("shutdown", login="desk1", text="Maintenance")
        await until(lambda: len(bench.of(StreamUp)) == 2, "up again", 8)
        assert "Maintenance" in bench.of(StreamDown)[0].reason
        await bench.control("go_away", login="desk1")
        await until(lambda: len(bench.of(StreamUp)) == 3, "up again", 8)


# --- reading --------------------------------------------------------------------------------------------------------


async def test_a_failed_reading_is_not_a_flat_account(tmp_path: Path) -> None:
    async with connected(tmp_path) as bench:
        await trade(bench)
        await until(lambda: bench.filled() == 1, "the fill")
        await bench.control("throttle", login="desk1")
        with pytest.raises(RequestUnknown, match="too many requests"):
            await bench.adapter.snapshot()
        with pytest.raises(RequestUnknown, match="paused"):  # 429 is answered by leaving the venue alone
            await bench.adapter.snapshot()
        await asyncio.sleep(2.1)
        assert [p.net_qty for p in (await bench.adapter.snapshot()).positions] == [1]


async def test_a_success_with_nothing_in_it_is_not_a_flat_account(tmp_path: Path) -> None:
    async with connected(tmp_path) as bench:
        await trade(bench)
        await until(lambda: bench.filled() == 1 and bench.of(PositionUpdated), "the fill")
        await bench.control("empty", login="desk1", seconds=30)
        assert (await bench.adapter.snapshot()).complete == {"DEMO1002"}
        assert (await bench.adapter.exposure()).complete == {"DEMO1002"}
        await bench.control("clear")
        for reading in (await bench.adapter.snapshot(), await bench.adapter.exposure()):
            assert reading.complete == {"DEMO1001", "DEMO1002"}
            assert [p.net_qty for p in reading.positions] == [1]


async def test_an_instrument_is_the_venues_own_and_never_a_namesake(tmp_path: Path) -> None:
    async with connected(tmp_path) as bench:
        es, mes = await bench.adapter.instrument("ESH4"), await bench.adapter.instrument("MESH4")
        assert (es.venue_id, es.tick_size, es.tick_value) == (ES, Decimal("0.25"), Decimal("12.50"))
        assert (es.month, es.front, es.expires_ns) == (YEAR * 100 + 3, "ESH4", 0)
        assert (mes.venue_id, mes.root) == (MES, "MES")
        for unknown in ("NQH4", "ESZ9", "nonsense"):
            with pytest.raises(RequestRefused):
                await bench.adapter.instrument(unknown)


async def test_quotes_merge_their_changes_and_bars_come_in_time_order(tmp_path: Path) -> None:
    async with connected(tmp_path) as bench:
        await bench.adapter.watch("ESH4", 60, 30)
        await bench.adapter.watch("ESH4", 60, 30)
        await until(lambda: bench.of(QuoteUpdated) and bench.of(BarsUpdated), "market data")
        await trade(bench, 10)
        await until(lambda: len(bench.of(QuoteUpdated)) > 1, "a change")
        quote = bench.of(QuoteUpdated)[-1].quote
        assert quote.symbol == "ESH4"
        assert quote.bid is not None and quote.ask is not None and quote.bid < quote.ask
        assert quote.last is not None
        bars = bench.of(BarsUpdated)[0].bars
        assert len(bars) == 30
        assert [bar.start_ns for bar in bars] == sorted(bar.start_ns for bar in bars)
        await bench.control("disconnect", login="desk1")
        count = len(bench.of(QuoteUpdated))
        await trade(bench, 5, "sell")
        await until(lambda: len(bench.of(QuoteUpdated)) > count, "market data is back", 8)


# --- secrets and the loop -------------------------------------------------------------------------------------------


async def test_no_token_reaches_a_log(tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: Any) -> None:
    """T-SECRET for this venue: the library would log every invocation with the bearer token in it."""
    caplog.set_level(logging.DEBUG)
    async with connected(tmp_path) as bench:
        assert bench.adapter._connection is not None
        secrets = list(bench.adapter._connection.login.secrets())
        assert all(secrets)
        await bench.control("disconnect", login="desk1", refuse_s=0.3)
        await until(lambda: len(bench.of(StreamUp)) == 2, "up again", 8)
        await bench.adapter.place([buy("a")])
        await until(lambda: bench.filled() == 1, "a fill")
        for secret in secrets:
            assert secret not in repr(bench.adapter) + repr(bench.events)
    said = capfd.readouterr()
    for secret in secrets:
        assert secret not in caplog.text + said.out + said.err


async def test_a_hung_venue_does_not_hold_the_loop(tmp_path: Path) -> None:
    """The library's blocking calls run in threads of their own: the loop's longest turn stays short."""
    async with connected(tmp_path) as bench:
        loop, longest, ends = asyncio.get_running_loop(), 0.0, asyncio.get_running_loop().time() + 1.5
        await bench.control("hang", login="desk1", seconds=1.0)
        await bench.control("disconnect", login="desk1", refuse_s=0.5)
        before = loop.time()
        while before < ends:
            await asyncio.sleep(0.005)
            longest, before = max(longest, loop.time() - before), loop.time()
        assert longest < 0.4, f"the loop stood still for {longest * 1e3:.0f} ms"
