"""Promises about the stream and about asking: it dies visibly, comes back with the truth, and exits find a way."""

import asyncio
import random

import msgspec
import pytest

from brokers.adapter import (
    AccountUpdated,
    Filled,
    LoginRefused,
    MessageUnreadable,
    OrderAccepted,
    OrderNotSent,
    OrderRejected,
    OrderSent,
    OrderUnknown,
    OrderUpdated,
    PositionUpdated,
    RequestRefused,
    RequestUnknown,
    StreamDown,
    StreamUp,
)
from brokers.tradovate import socket as socket_module
from brokers.tradovate.session import Backoff
from brokers.tradovate.socket import StreamLost
from schema.records import DoneOrder, OrderType, RejectClass
from tests.brokers.tradovate.bench import SETTINGS, Bench, buy, connected, price, until
from tests.brokers.tradovate.venue import Venue, command, fill, order, position, version


@pytest.fixture
async def venue():
    async with Venue().serving() as serving:
        yield serving


async def back_up(bench: Bench, times: int = 2) -> None:
    await until(lambda: len(bench.of(StreamUp)) == times, "the stream is up again")


async def test_lost_socket_makes_unknown_at_once_and_the_snapshot_tells_more(venue: Venue):
    async def take_and_drop(client, path, i, body):
        if path != "order/placeorder":
            return None
        venue.tables["orders"] = [order(9, "Filled")]
        venue.tables["orderVersions"] = [version(9)]
        venue.tables["commands"] = [command(9, body["clOrdId"])]
        venue.tables["fills"] = [fill(9, 90)]
        venue.drop_all()
        return "nothing"

    venue.on_ws = take_and_drop
    async with connected(venue) as bench:
        await bench.adapter.place([buy("a")])
        await until(lambda: bench.of(OrderUnknown), "unknown")
        await back_up(bench)
        assert bench.outcomes("a") == ["OrderUnknown", "OrderAccepted"]
        assert "lost after the send" in bench.of(OrderUnknown)[0].reason
        up = bench.of(StreamUp)[1]
        assert not up.first
        assert [(o.cl_ord_id, type(o)) for o in up.snapshot.orders] == [("a", DoneOrder)]
        assert [(f.fill_id, f.cl_ord_id) for f in up.snapshot.fills] == [("90", "a")]
        assert bench.of(Filled) == []  # the snapshot told it
        await venue.push(("fill", fill(9, 90)), ("fill", fill(9, 91)))
        await until(lambda: bench.of(Filled), "the new fill")
        assert [f.fill.fill_id for f in bench.of(Filled)] == ["91"]
        assert len(venue.asked("order/placeorder")) == 1


async def test_exits_go_by_rest_while_the_socket_is_down_and_entries_stay(venue: Venue):
    async with connected(venue) as bench:
        venue.refuse_sockets = True
        venue.drop_all()
        await until(lambda: bench.of(StreamDown), "down")
        venue.on_rest = lambda path, body: (
            (200, {"failureReason": "TooLate", "failureText": "late"}) if body.get("clOrdId") == "no" else None
        )
        await bench.adapter.place([buy("in"), buy("out", reducing=True), buy("no", reducing=True)])
        assert bench.outcomes("in") == ["OrderNotSent"]
        await until(lambda: bench.of(OrderAccepted, "out") and bench.of(OrderRejected, "no"), "answers by REST")
        assert bench.outcomes("out") == ["OrderAccepted"] and bench.sent_once("out")
        await bench.adapter.cancel("DEMO1001", "12")
        assert venue.asked("order/cancelorder") == [{"orderId": 12, "isAutomated": True}]
        venue.refuse_sockets = False
        await back_up(bench)


async def test_rest_exit_without_an_answer_is_unknown_and_a_refused_connection_is_not_sent(venue: Venue):
    async with connected(venue) as bench:
        venue.refuse_sockets = True
        venue.drop_all()
        await until(lambda: bench.of(StreamDown), "down")

        async def never(path, body):
            await asyncio.sleep(30)

        venue.on_rest = lambda path, body: never(path, body) if body.get("clOrdId") == "late" else (502, "bad")
        await bench.adapter.place([buy("late", reducing=True), buy("bad", reducing=True)])
        await until(lambda: bench.of(OrderUnknown, "late") and bench.of(OrderUnknown, "bad"), "unknown")
        assert bench.outcomes("late") == ["OrderUnknown"] and bench.outcomes("bad") == ["OrderUnknown"]
        assert bench.sent_once("late") and bench.of(OrderSent, "late")
        bench.adapter._connection.http._base = "http://127.0.0.1:1/v1"
        await bench.adapter.place([buy("gone", reducing=True)])
        await until(lambda: bench.outcomes("gone"), "an outcome")
        assert bench.outcomes("gone") == ["OrderNotSent"] and not bench.of(OrderSent, "gone")


async def test_ten_seconds_of_silence_are_death(venue: Venue, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(socket_module, "SILENCE_S", 0.3)
    async with connected(venue) as bench:
        await until(lambda: bench.of(StreamDown), "down by silence")
        assert "nothing from the venue" in bench.of(StreamDown)[0].reason
        await back_up(bench)


async def test_heartbeats_leave_also_while_data_flows(venue: Venue, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(socket_module, "BEAT_S", 0.05)
    async with connected(venue):
        await until(lambda: venue.raw_frames.count("[]") >= 3, "three heartbeats")


@pytest.mark.parametrize(
    "end",
    [
        'c[3000,"Go away!"]',
        'a[{"e":"shutdown","d":{"reasonCode":"Maintenance","reason":"tonight"}}]',
    ],
)
async def test_the_venue_may_end_the_stream(venue: Venue, end: str):
    async with connected(venue) as bench:
        await venue.raw(end)
        await until(lambda: bench.of(StreamDown), "down")
        assert any(word in bench.of(StreamDown)[0].reason for word in ("Go away!", "tonight"))
        await back_up(bench)


async def test_unreadable_messages_are_kept_and_survived(venue: Venue):
    async with connected(venue) as bench:
        await venue.raw("a[{]")
        await venue.raw('a[{"e":"props","d":{"entityType":"fill","entity":[{"id":"x"}]}},{"i":true}]')
        await venue.push(("position", [position(2)]), event_type=None)
        await until(lambda: bench.of(PositionUpdated), "the stream goes on")
        assert len(bench.of(MessageUnreadable)) == 3 == bench.adapter.health().unreadable
        assert bench.of(StreamDown) == []


async def test_a_row_that_cannot_be_read_makes_its_account_incomplete_and_no_other(venue: Venue):
    venue.tables["positions"] = [position(3, account=102), {"id": 4, "accountId": 101, "contractId": 501}]
    async with connected(venue) as bench:
        assert bench.of(StreamUp)[0].snapshot.complete == {"DEMO1002"}
        assert len(bench.of(MessageUnreadable)) == 1
    venue.tables["positions"] = []
    venue.tables["fills"] = [fill(1, 2) | {"qty": None}]
    async with connected(venue) as bench:
        assert bench.of(StreamUp)[0].snapshot.complete == frozenset()


async def test_split_sync_is_put_together(venue: Venue):
    venue.split_sync = True
    venue.tables["positions"] = [position(3)]
    async with connected(venue) as bench:
        snapshot = bench.of(StreamUp)[0].snapshot
        assert snapshot.positions[0].net_qty == 3 and len(snapshot.complete) == 2


async def test_events_before_the_sync_reply_come_after_the_snapshot(venue: Venue):
    async def early(client, path, i, body):
        if path != "user/syncrequest":
            return None
        client.synced = 1
        await venue.push(("order", order(3)), ("orderVersion", version(3)), ("fill", fill(3, 30)))
        return 200, venue.sync(body)

    venue.on_ws = early
    async with connected(venue) as bench:
        await until(lambda: bench.of(Filled), "the early fill")
        assert isinstance(bench.events[0], StreamUp)


async def test_positions_and_money_are_told_when_they_change(venue: Venue):
    async with connected(venue) as bench:
        new = position(1, stamp="2026-01-05T15:00:02Z")
        await venue.push(("position", new), ("position", position(5, stamp="2026-01-05T15:00:01Z")), ("position", new))
        cash = {"id": 1, "accountId": 101, "amount": 100.5, "realizedPnL": 2}
        risk = {"id": 101, "adminAction": "LiquidateOnlyModeImmediately"}
        await venue.push(
            ("cashBalance", cash),
            ("cashBalance", cash),
            ("accountRiskStatus", risk),
            ("marginSnapshot", {"id": 101, "initialMargin": 12.5}),
        )
        await until(lambda: len(bench.of(AccountUpdated)) == 3, "three states")
        assert [p.position.net_qty for p in bench.of(PositionUpdated)] == [1]
        last = bench.of(AccountUpdated)[-1].state
        assert (last.balance, last.margin, last.liquidate_only) == (price("100.5"), price("12.5"), True)


async def test_at_most_two_handshakes_at_a_time():
    """T-STORM."""
    async with Venue().serving() as venue:
        venue.handshake_s = 0.05
        benches = [Bench(venue) for _ in range(8)]
        await asyncio.gather(*(bench.adapter.connect() for bench in benches))
        venue.drop_all()
        await asyncio.gather(*(back_up(bench) for bench in benches))
        await asyncio.gather(*(bench.adapter.close() for bench in benches))
        assert venue.sockets_opened == 16 and venue.handshakes_max == 2


def test_backoff_doubles_to_the_cap_and_a_venue_that_is_away_is_asked_each_second():
    backoff = Backoff(60.0, random.Random(3))
    waits = [backoff(StreamLost("x")) for _ in range(8)]
    for wait, base in zip(waits, [1, 2, 4, 8, 16, 32, 60, 60], strict=True):
        assert base <= wait <= base * 1.1
    assert backoff(StreamLost("x", reached=False)) == 1.0
    assert backoff(LoginRefused("x")) is False
    backoff.steady()
    assert 1 <= backoff(StreamLost("x")) <= 1.1


async def test_venue_that_returns_is_found_and_nothing_is_lost():
    venue = Venue()
    async with venue.serving():
        port = venue.port
        bench = Bench(venue)
        await bench.adapter.connect()
    await until(lambda: bench.of(StreamDown), "down")
    async with venue.serving(port):
        await back_up(bench)
        await bench.adapter.close()


async def test_login_refused_on_reconnect_is_final(venue: Venue):
    async with connected(venue) as bench:
        venue.valid.clear()
        venue.token = "gone"
        venue.on_login = lambda body: (200, {"errorText": "Locked"})
        venue.drop_all()
        await until(lambda: any(down.final for down in bench.of(StreamDown)), "a final end")
        assert "Locked" in bench.of(StreamDown)[-1].reason
        assert bench.adapter.health().state == "refused"


async def test_sync_p_ticket_is_waited_for(venue: Venue):
    venue.on_ws = lambda c, path, i, body: (
        (200, {"p-ticket": "s", "p-time": 0.05}) if path == "user/syncrequest" and "p-ticket" not in body else None
    )
    async with connected(venue):
        first, second = venue.asked("user/syncrequest")
        assert second == first | {"p-ticket": "s"}


async def test_no_event_after_close(venue: Venue):
    bench = Bench(venue)
    await bench.adapter.connect()
    venue.on_ws = lambda c, path, i, body: "nothing"
    await bench.adapter.place([buy("a")])
    await bench.adapter.close()
    count = len(bench.events)
    venue.drop_all()
    await until(lambda: not venue.clients, "the socket is gone")
    assert len(bench.events) == count
    assert bench.adapter.health().state == "down"
    with pytest.raises(RequestUnknown):
        await bench.adapter.snapshot()


async def test_place_before_connect_never_leaves(venue: Venue):
    bench = Bench(venue)
    await bench.adapter.place([buy("a", reducing=True)])
    assert bench.outcomes("a") == ["OrderNotSent"]


async def test_place_returns_at_once_when_the_venue_stops_reading(venue: Venue):
    async with connected(venue) as bench:
        hold = asyncio.Event()

        async def hang(client, path, i, body):
            await hold.wait()

        venue.on_ws = hang
        socket = bench.adapter._session.socket
        await bench.adapter.place([buy("first")])
        # Fill the kernel's buffers and then the transport's, which no venue that reads would let happen.
        while socket.writable:
            socket._transport.write(b"\x81\xfe\xff\xff\0\0\0\0" + b" " * 65535)
        start = asyncio.get_running_loop().time()
        await bench.adapter.place([buy(f"t{n}") for n in range(50)])
        assert asyncio.get_running_loop().time() - start < 0.1
        assert {tag for n in range(50) for tag in bench.outcomes(f"t{n}")} == {"OrderNotSent"}
        hold.set()


async def test_commands_over_the_socket(venue: Venue):
    async with connected(venue) as bench:
        await bench.adapter.cancel("DEMO1001", "12")
        await bench.adapter.modify(
            "DEMO1001", "12", qty=2, order_type=OrderType.LIMIT, limit_price=price("4790.25"), stop_price=price("1")
        )
        await bench.adapter.liquidate("DEMO1001", "ESH4", "liq-1")
        assert venue.asked("order/modifyorder") == [
            {"orderQty": 2, "orderType": "Limit", "isAutomated": True, "price": 4790.25, "orderId": 12}
        ]
        (liquidate,) = venue.asked("order/liquidateposition")
        assert liquidate == {"accountId": 101, "contractId": 501, "admin": False, "isAutomated": True}
        order_id = venue.next_id
        await venue.push(("order", order(order_id)), ("fill", fill(order_id, 7)))
        await until(lambda: bench.of(Filled), "the closing fill")
        assert bench.of(Filled)[0].fill.cl_ord_id == "liq-1"


async def test_commands_refused_and_unknown_are_told_apart(venue: Venue):
    answers = {
        "1": (200, {"failureReason": "TooLate", "failureText": "Too late"}),
        "2": (500, "oops"),
        "3": "nothing",
        "4": (429, None),
    }
    venue.on_ws = lambda c, path, i, body: answers[str(body["orderId"])] if path == "order/cancelorder" else None
    async with connected(venue) as bench:
        with pytest.raises(RequestRefused, match="Too late"):
            await bench.adapter.cancel("DEMO1001", "1")
        with pytest.raises(RequestUnknown):
            await bench.adapter.cancel("DEMO1001", "2")
        with pytest.raises(RequestUnknown, match="no answer"):
            await bench.adapter.cancel("DEMO1001", "3")
        with pytest.raises(RequestRefused) as throttled:
            await bench.adapter.cancel("DEMO1001", "4")
        assert throttled.value.reject_class is RejectClass.THROTTLED
        with pytest.raises(RequestRefused, match="not an order"):
            await bench.adapter.cancel("DEMO1001", "x")


async def test_snapshot_is_asked_not_remembered(venue: Venue):
    async with connected(venue) as bench:
        venue.tables["orders"] = [order(1, "Filled")]
        venue.tables["orderVersions"] = [version(1, 2)]
        venue.tables["commands"] = [command(1, "tag")]
        venue.tables["fills"] = [fill(1, 11, 2)]
        venue.tables["positions"] = [position(2)]
        snapshot = await bench.adapter.snapshot()
        assert (snapshot.positions[0].net_qty, snapshot.orders[0].cl_ord_id) == (2, "tag")
        assert snapshot.complete == {"DEMO1001", "DEMO1002"}
        # What the snapshot told is still an event when the stream tells it.
        await venue.push(("fill", fill(1, 11, 2)), ("order", order(1, "Filled")), ("orderVersion", version(1, 2)))
        await until(lambda: bench.of(Filled) and bench.of(OrderUpdated), "the events")


@pytest.mark.parametrize("part", ["account", "order", "orderversion", "command", "fill", "position", "cashbalance"])
@pytest.mark.parametrize("answer", [(500, "x"), (200, {"errorText": "no"}), (200, None), (403, "no")])
async def test_a_failed_query_is_not_a_flat_account(venue: Venue, part: str, answer: tuple):
    """T-UNKNOWN."""
    async with connected(venue) as bench:
        venue.on_rest = lambda path, body: answer if path == f"{part}/list" else None
        with pytest.raises(RequestUnknown):
            await bench.adapter.snapshot()


async def test_snapshot_over_budget_asks_nothing(venue: Venue):
    async with connected(venue, settings=msgspec.structs.replace(SETTINGS, requests_per_min=20)) as bench:
        asked = len(venue.requests)
        with pytest.raises(RequestUnknown, match="budget"):
            await bench.adapter.snapshot()
        assert len(venue.requests) == asked


async def test_a_fault_of_the_engine_side_resynchronises(venue: Venue):
    """An event handler that breaks must not leave the login deaf."""
    bench = Bench(venue)
    keep = bench.adapter._engine_emit

    def breaks_once(event):
        keep(event)
        if isinstance(event, Filled) and len(bench.of(Filled)) == 1:
            raise ArithmeticError("broken once")

    bench.adapter._engine_emit = breaks_once
    await bench.adapter.connect()
    await venue.push(("order", order(1)), ("fill", fill(1, 1)))
    await back_up(bench)
    await bench.adapter.close()


async def test_not_sent_names_the_account_that_is_not_ours(venue: Venue):
    async with connected(venue) as bench:
        await bench.adapter.place([buy("a", account="DEMO9")])
        assert "DEMO9" in bench.of(OrderNotSent)[0].reason
