"""C-100: connecting, who a login is, and leaving."""

import asyncio
import socket
import threading

import pytest

from brokers.adapter import LoginRefused, OrderNotSent, RequestRefused, RequestUnknown, StreamUp, VenueUnreachable
from tests.brokers.contract.bench import ES, SECRET, A, B, Bench
from tests.brokers.contract.cards import Group

card = Group("Connect and identity", 100)


@card(101, connect=False)
async def the_whole_truth_comes_first(bench: Bench) -> None:
    """The first event is StreamUp, `first`, and every account of the login is complete in it."""
    await bench.adapter.connect()
    up = bench.events[0]
    assert isinstance(up, StreamUp) and up.first
    assert up.snapshot.complete == {A, B}
    assert {each.account for each in up.snapshot.accounts} == {A, B}
    assert len(bench.ups()) == 1
    assert bench.nothing_reached()


@card(105)
async def a_second_connect_is_a_mistake_of_ours(bench: Bench) -> None:
    """`connect` on a connection that is up raises, and disturbs nothing."""
    with pytest.raises(RuntimeError, match="already connected"):
        await bench.adapter.connect()
    await bench.marker()
    assert len(bench.ups()) == 1


async def nothing_is_proven(bench: Bench) -> None:
    """The venue asks for no secret: the login comes up with any, and none is ever written to the line."""
    assert bench.line is not None
    adapter = bench.build(secret="canary-wrong-secret")
    await adapter.connect()
    assert adapter.health().state == "up"
    await adapter.close()
    assert b"canary" not in bench.line.sent


@card(110, needs="authenticates", without=nothing_is_proven, connect=False, line=True)
async def a_wrong_secret_is_refused_by_name(bench: Bench) -> None:
    """A wrong secret is LoginRefused, in one sentence without the secret, each time it is tried."""
    for _ in range(2):
        adapter = bench.build(secret="canary-wrong-secret")
        with bench.refused(LoginRefused) as words:
            await adapter.connect()
        await adapter.close()
        assert "canary" not in words[0]
    assert bench.ups() == []


@card(115, connect=False)
async def a_dead_address_is_unreachable(bench: Bench) -> None:
    """Nobody listens: VenueUnreachable, which is safe to try again."""
    adapter = bench.build(port=9)
    with bench.refused(VenueUnreachable):
        await adapter.connect()
    await adapter.close()
    assert bench.events == []
    await bench.adapter.connect()
    assert bench.adapter.health().state == "up"


@card(120)
async def nothing_is_told_after_the_close(bench: Bench) -> None:
    """`close` ends the events; what works at the venue goes on working and trading."""
    order_id = await bench.resting("rest")
    await bench.close()
    count = len(bench.events)
    assert bench.working() == 1
    bench.trades_at(bench.price(-250))
    assert bench.order(bench.number(order_id))["filled"] == 1
    await bench.adapter.close()  # once more is harmless
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(bench.events) == count


@card(125, connect=False)
async def a_close_before_the_connect_is_harmless(bench: Bench) -> None:
    """An adapter that never connected can be closed, and connected afterwards."""
    await bench.adapter.close()
    assert bench.events == []
    await bench.adapter.connect()
    assert len(bench.ups()) == 1


@card(130)
async def an_adapter_connects_again_after_its_close(bench: Bench) -> None:
    """The second connect tells the truth anew, and that it is not the first."""
    await bench.close()
    bench._closed_at = None
    await bench.adapter.connect()
    assert [up.first for up in bench.ups()] == [True, False]
    assert bench.ups()[1].snapshot.complete == {A, B}
    await bench.marker()


@card(135, connect=False)
async def nothing_is_asked_of_a_venue_that_is_not_connected(bench: Bench) -> None:
    """Reads are unknown, commands refused, orders not sent: nothing leaves, nothing is called flat."""
    adapter = bench.adapter
    for read in (adapter.snapshot, adapter.exposure):
        with bench.refused(RequestUnknown):
            await read()
    with bench.refused(RequestRefused, RequestUnknown):
        await adapter.cancel(A, "1")
    with bench.refused(RequestRefused, RequestUnknown):
        await adapter.liquidate(A, ES, "flat")
    await bench.buy("a")
    assert len(bench.of(OrderNotSent, "a")) == 1
    assert bench.nothing_reached()
    assert adapter.health().state == "down"


async def no_token_ends(bench: Bench) -> None:
    """There is nothing to expire: the session goes on and orders leave."""
    assert bench.control("expire")["tokens"] == 0
    await bench.buy("a")
    await bench.filled("a", 1)
    assert len(bench.ups()) == 1


@card(140, needs="tokens_expire", without=no_token_ends)
async def an_expired_login_is_renewed(bench: Bench) -> None:
    """The token ends before its time: the adapter renews it, and the stream and the orders go on."""
    assert bench.control("expire", login="desk1")["tokens"] >= 1
    order_id = bench.foreign(type="limit", limit=str(bench.price(-200)))
    await bench.adapter.cancel(A, bench.named(order_id))
    assert bench.order(order_id)["status"] == "Canceled"
    await bench.until(lambda: bench.adapter.health().state == "up", "up", 8)
    await bench.marker()
    await bench.buy("a")
    await bench.filled("a", 1)


@card(145)
async def health_says_how_the_login_is(bench: Bench) -> None:
    """State, age of the last message, reconnects and what is left of the budget; never the secret."""
    await bench.marker()
    health = bench.adapter.health()
    assert (health.connection, health.state, health.reconnects, health.unreadable) == ("desk1", "up", 0, 0)
    assert health.last_message_ns > 0
    assert 0 < health.budget_left <= health.budget_per_min
    assert SECRET not in repr(bench.adapter) + repr(health)


@card(150, connect=False)
async def a_connect_that_is_given_up_leaves_nothing_running(bench: Bench) -> None:
    """Canceling `connect` while the venue hangs ends it: no task, no thread, no event."""
    before = asyncio.all_tasks()
    threads = {thread.name for thread in threading.enumerate()}
    with socket.create_server(("127.0.0.1", 0)) as deaf:  # takes connections and never answers
        adapter = bench.build(port=deaf.getsockname()[1])
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(adapter.connect(), 0.3)
        await adapter.close()
    await bench.until(lambda: not asyncio.all_tasks() - before, "no task is left")
    await bench.until(lambda: {thread.name for thread in threading.enumerate()} <= threads, "no thread is left")
    assert bench.events == []


async def any_environment(bench: Bench) -> None:
    """The venue says of no account which kind it is: an account that is not in the configuration is not traded."""
    await bench.adapter.connect()
    await bench.buy("a", account="DEMO1003")
    assert len(bench.of(OrderNotSent, "a")) == 1
    assert bench.nothing_reached()


@card(155, needs="lists_accounts", without=any_environment, connect=False)
async def accounts_of_the_other_kind_do_not_come_in(bench: Bench) -> None:
    """A connection set to demo refuses real accounts, one set to live refuses practice accounts."""
    environment, account = bench.venue.other_kind
    if account != A:
        bench.rename(A, account)
    adapter = bench.build(environment=environment)
    with bench.refused(LoginRefused) as words:
        await adapter.connect()
    await adapter.close()
    assert account in words[0] and environment.value in words[0]
    assert bench.events == []


@card(160)
async def a_login_is_one_session_however_often_it_trades(bench: Bench) -> None:
    """Orders, reads and commands use the session that is there: the stream comes up once."""
    for number in range(3):
        await bench.buy(f"a{number}")
        await bench.filled(f"a{number}", 1)
        await bench.adapter.snapshot()
    assert len(bench.ups()) == 1
    assert bench.adapter.health().reconnects == 0


@card(165, connect=False)
async def an_event_says_whose_it_is_and_when(bench: Bench) -> None:
    """Every event names its connection and when its bytes were read."""
    await bench.adapter.connect()
    await bench.buy("a")
    await bench.filled("a", 1)
    assert {event.connection for event in bench.events} == {"desk1"}
    assert all(event.received_ns > 1_600_000_000_000_000_000 for event in bench.events)
