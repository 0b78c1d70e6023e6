"""Promises about orders over the socket: one outcome each, joined facts once, nothing sent twice."""

import json

import pytest

from brokers.adapter import (
    Filled,
    OrderAccepted,
    OrderNotSent,
    OrderRejected,
    OrderSent,
    OrderUnknown,
    OrderUpdated,
    RequestRefused,
    StreamUp,
)
from schema.records import DoneOrder, DoneStatus, LiveOrder, OrderType, RejectClass, Side
from tests.brokers.tradovate.bench import Bench, buy, connected, price, until
from tests.brokers.tradovate.venue import Venue, command, fill, order, version


@pytest.fixture
async def venue():
    async with Venue().serving() as serving:
        yield serving


async def test_connect_tells_the_whole_truth_first(venue: Venue):
    venue.tables["orders"] = [order(1, "Filled")]
    venue.tables["orderVersions"] = [version(1, 2)]
    venue.tables["commands"] = [command(1, "tag-1")]
    venue.tables["fills"] = [fill(1, 11, 2)]
    venue.tables["positions"] = [
        {"id": 9, "accountId": 101, "contractId": 501, "netPos": -2, "netPrice": 4800.5, "timestamp": None}
    ]
    venue.tables["cashBalances"] = [{"id": 5, "accountId": 101, "amount": 50000.25, "realizedPnL": -12.5}]
    async with connected(venue) as bench:
        up = bench.of(StreamUp)[0]
        assert bench.events[0] is up and up.first
        snapshot = up.snapshot
        assert snapshot.complete == {"DEMO1001", "DEMO1002"}
        assert [(p.account, p.symbol, p.net_qty, p.avg_price) for p in snapshot.positions] == [
            ("DEMO1001", "ESH4", -2, price("4800.5"))
        ]
        done = snapshot.orders[0]
        assert isinstance(done, DoneOrder)
        assert (done.cl_ord_id, done.status, done.filled_qty, done.avg_price) == (
            "tag-1",
            DoneStatus.FILLED,
            2,
            price("4800.25"),
        )
        assert [(f.fill_id, f.cl_ord_id, f.account) for f in snapshot.fills] == [("11", "tag-1", "DEMO1001")]
        assert (snapshot.states[0].balance, snapshot.states[0].realized_pnl) == (price("50000.25"), price("-12.5"))
        sync = venue.asked("user/syncrequest")
        assert len(sync) == 1 and sync[0]["users"] == [7] and "fill" in sync[0]["entityTypes"]
        assert bench.of(Filled) == []


async def test_order_leaves_as_the_venue_wants_it_and_is_accepted_once(venue: Venue):
    async with connected(venue) as bench:
        stop = buy("b", order_type=OrderType.STOP, stop_price=price("4810.25"), side=Side.SELL, qty=3)
        await bench.adapter.place([buy("a"), stop])
        await until(lambda: len(bench.of(OrderAccepted)) == 2, "both accepted")
        first, second = venue.asked("order/placeorder")
        assert first == {
            "accountSpec": "DEMO1001",
            "accountId": 101,
            "action": "Buy",
            "symbol": "ESH4",
            "orderQty": 1,
            "orderType": "Market",
            "isAutomated": True,
            "clOrdId": "a",
            "timeInForce": "Day",
        }
        assert (second["orderType"], second["stopPrice"], second["action"]) == ("Stop", 4810.25, "Sell")
        assert "price" not in second
        assert bench.sent_once("a") and bench.sent_once("b")
        order_id = int(bench.of(OrderAccepted, "a")[0].order_id)
        await venue.push(("command", command(order_id, "a")))
        await venue.push(("order", order(order_id)), ("orderVersion", version(order_id)))
        await until(lambda: bench.of(OrderUpdated), "the order")
        assert bench.outcomes("a") == ["OrderAccepted"]


@pytest.mark.parametrize(
    ("reason", "text", "expected"),
    [
        ("MaxPosLimitReached", "Position limit", RejectClass.LIMIT),
        ("UnknownReason", "Insufficient margin\u001b[31m", RejectClass.MARGIN),
        ("SessionClosed", "Closed", RejectClass.MARKET_CLOSED),
        ("LiquidationOnly", "Liquidation only", RejectClass.LOCKED),
        ("InvalidPrice", "Bad tick", RejectClass.PRICE),
    ],
)
async def test_reject_keeps_the_venues_words_and_class(venue: Venue, reason: str, text: str, expected: RejectClass):
    """T-VERBATIM."""
    venue.on_ws = lambda c, path, i, body: (
        (200, {"failureReason": reason, "failureText": text}) if path == "order/placeorder" else None
    )
    async with connected(venue) as bench:
        await bench.adapter.place([buy("a")])
        await until(lambda: bench.of(OrderRejected), "the reject")
        reject = bench.of(OrderRejected)[0]
        assert reject.reject_class is expected
        assert reject.text.startswith(text.split("\u001b")[0]) and "\u001b" not in reject.text
        assert bench.outcomes("a") == ["OrderRejected"]


async def test_late_risk_reject_follows_the_acceptance_once(venue: Venue):
    async with connected(venue) as bench:
        await bench.adapter.place([buy("a")])
        await until(lambda: bench.of(OrderAccepted), "accepted")
        order_id = int(bench.of(OrderAccepted)[0].order_id)
        report = {
            "id": 1,
            "commandId": order_id + 200_000,
            "commandStatus": "RiskRejected",
            "rejectReason": "MaxPosLimitReached",
            "text": "Too many",
        }
        # The reject shows on the order before its reason arrives.
        await venue.push(("command", command(order_id, "a")), ("order", order(order_id, "Rejected")))
        await venue.push(("commandReport", report), ("orderVersion", version(order_id)))
        await until(lambda: bench.of(OrderRejected), "the reject")
        await venue.push(("order", order(order_id, "Rejected")), ("commandReport", report))
        await until(lambda: len(bench.of(OrderUpdated)) >= 1, "the order")
        assert bench.outcomes("a") == ["OrderAccepted", "OrderRejected"]
        assert bench.of(OrderRejected)[0].reject_class is RejectClass.LIMIT
        assert bench.of(OrderRejected)[0].text == "Too many"


async def test_no_answer_is_unknown_once_and_later_proof_still_counts(venue: Venue):
    venue.on_ws = lambda c, path, i, body: "nothing" if path == "order/placeorder" else None
    async with connected(venue) as bench:
        await bench.adapter.place([buy("a")])
        await until(lambda: bench.of(OrderUnknown), "unknown")
        assert bench.outcomes("a") == ["OrderUnknown"]
        await venue.push(("order", order(77)), ("command", command(77, "a")), ("orderVersion", version(77)))
        await venue.push(("fill", fill(77, 1)))
        await until(lambda: bench.of(Filled), "the fill")
        assert bench.outcomes("a") == ["OrderUnknown", "OrderAccepted"]
        assert bench.of(Filled)[0].fill.cl_ord_id == "a"
        assert len(venue.asked("order/placeorder")) == 1


async def test_events_before_the_answer_are_the_acceptance(venue: Venue):
    async def overtaking(client, path, i, body):
        if path != "order/placeorder":
            return None
        await venue.push(("fill", fill(88, 5)), ("order", order(88)), ("orderVersion", version(88)))
        await venue.push(("command", command(88, body["clOrdId"])))
        await client.send({"s": 200, "i": i, "d": {"orderId": 88}})
        return "nothing"

    venue.on_ws = overtaking
    async with connected(venue) as bench:
        await bench.adapter.place([buy("a")])
        await until(lambda: bench.of(Filled), "the fill")
        assert bench.outcomes("a") == ["OrderAccepted"]
        # The fill waited for the client id: it is never shown as somebody else's.
        assert [f.fill.cl_ord_id for f in bench.of(Filled)] == ["a"]
        assert {u.order.cl_ord_id for u in bench.of(OrderUpdated)} == {"a"}


async def test_foreign_fill_is_told_at_once_while_nothing_of_ours_is_open(venue: Venue):
    async with connected(venue) as bench:
        await venue.push(("fill", fill(60, 3, 2)))
        await venue.push(("order", order(60, "Filled")))
        await until(lambda: bench.of(Filled), "the fill, joined by its order")
        found = bench.of(Filled)[0].fill
        assert (found.account, found.cl_ord_id, found.qty, found.price) == ("DEMO1001", "", 2, price("4800.25"))
        assert bench.of(OrderUpdated) == []  # its quantity is not known yet
        await venue.push(("orderVersion", version(60, 2)))
        await until(lambda: bench.of(OrderUpdated), "the order")


async def test_replayed_session_emits_nothing(venue: Venue):
    """T-REPLAY: the venue sends every entity of the session again (1.6 a)."""
    old = [("order", order(1, "Filled")), ("orderVersion", version(1)), ("command", command(1, "x"))]
    venue.tables["orders"] = [order(1, "Filled")]
    venue.tables["orderVersions"] = [version(1)]
    venue.tables["commands"] = [command(1, "x")]
    venue.tables["fills"] = [fill(1, 11)]
    async with connected(venue) as bench:
        new = [("order", order(2)), ("orderVersion", version(2)), ("fill", fill(2, 12)), ("order", order(2, "Filled"))]
        await venue.push(*new)
        await until(lambda: any(isinstance(u.order, DoneOrder) for u in bench.of(OrderUpdated)), "done")
        before = list(bench.events)
        await venue.push(*old, ("fill", fill(1, 11)), *new)
        await venue.push(("orderVersion", version(3)), ("order", order(3)))  # marks the end of the replay
        await until(lambda: bench.of(OrderUpdated)[-1].order.order_id == "3", "the marker")
        assert [e for e in bench.events[len(before) :] if not isinstance(e, OrderUpdated)] == []
        assert len(bench.events) == len(before) + 1


async def test_done_order_never_comes_back_to_life(venue: Venue):
    async with connected(venue) as bench:
        await venue.push(("orderVersion", version(2)), ("order", order(2, "Canceled")))
        await until(lambda: bench.of(OrderUpdated), "canceled")
        await venue.push(("order", order(2, "Working")), ("orderVersion", version(3)), ("order", order(3)))
        await until(lambda: bench.of(OrderUpdated)[-1].order.order_id == "3", "the marker")
        assert not any(isinstance(u.order, LiveOrder) and u.order.order_id == "2" for u in bench.of(OrderUpdated))


async def test_fill_of_an_unknown_contract_waits_for_its_name(venue: Venue):
    async with connected(venue) as bench:
        venue.contracts.append({"id": 777, "name": "NQH4", "contractMaturityId": 601})
        await venue.push(("order", order(5, contract=777)), ("fill", fill(5, 50) | {"contractId": 777}))
        await until(lambda: bench.of(Filled), "the fill")
        assert bench.of(Filled)[0].fill.symbol == "NQH4"
        assert len(venue.asked("contract/items")) == 1


async def test_lost_fills_are_asked_for_before_the_order_is_done(venue: Venue):
    """T-DROP: the venue says filled, the stream never told the fills."""
    async with connected(venue) as bench:
        venue.tables["fills"] = [fill(6, 61, 1), fill(6, 62, 2)]
        await venue.push(("orderVersion", version(6, 3)), ("fill", fill(6, 61, 1)), ("order", order(6, "Filled")))
        await until(lambda: any(isinstance(u.order, DoneOrder) for u in bench.of(OrderUpdated)), "done")
        assert [f.fill.fill_id for f in bench.of(Filled)] == ["61", "62"]
        done = [u.order for u in bench.of(OrderUpdated) if isinstance(u.order, DoneOrder)]
        assert [o.filled_qty for o in done] == [3]
        assert len(venue.asked("fill/list")) == 1
        # Fills that the venue does not list either: the order is shown as the venue shows it.
        await venue.push(("orderVersion", version(8, 2)), ("order", order(8, "Filled")))
        await until(
            lambda: (
                bench.of(OrderUpdated)[-1].order.order_id == "8"
                and isinstance(bench.of(OrderUpdated)[-1].order, DoneOrder)
            ),
            "done",
        )


async def test_modified_order_shows_its_newest_terms(venue: Venue):
    async with connected(venue) as bench:
        await venue.push(("order", order(4)), ("orderVersion", version(4, 2, "Limit", version_id=10, price=4790.25)))
        await venue.push(("orderVersion", version(4, 3, "Limit", version_id=11, price=4791.0)))
        await venue.push(("orderVersion", version(4, 2, "Limit", version_id=10, price=4790.25)))
        await venue.push(("fill", fill(4, 1, 1, 4791.0)), ("fill", fill(4, 2, 1, 4790.5)))
        await until(lambda: bench.of(OrderUpdated) and bench.of(OrderUpdated)[-1].order.filled_qty == 2, "two filled")
        last = bench.of(OrderUpdated)[-1].order
        assert (last.qty, last.limit_price, last.order_type) == (3, price("4791.0"), OrderType.LIMIT)
        assert last.avg_price == price("4790.75")


async def test_throttled_place_is_a_proven_reject_and_entries_pause(venue: Venue):
    venue.on_ws = lambda c, path, i, body: (429, None) if path == "order/placeorder" else None
    async with connected(venue) as bench:
        await bench.adapter.place([buy("a")])
        await until(lambda: bench.of(OrderRejected), "the reject")
        assert bench.of(OrderRejected)[0].reject_class is RejectClass.THROTTLED
        await bench.adapter.place([buy("b"), buy("c", reducing=True)])
        assert bench.outcomes("b") == ["OrderNotSent"]
        assert bench.of(OrderSent, "c")


async def test_p_ticket_on_a_place_is_a_proven_reject(venue: Venue):
    venue.on_ws = lambda c, path, i, body: (200, {"p-ticket": "t", "p-time": 5}) if path == "order/placeorder" else None
    async with connected(venue) as bench:
        await bench.adapter.place([buy("a")])
        await until(lambda: bench.of(OrderRejected), "the reject")
        assert bench.of(OrderRejected)[0].reject_class is RejectClass.THROTTLED
        assert len(venue.asked("order/placeorder")) == 1


async def test_server_error_proves_nothing(venue: Venue):
    venue.on_ws = lambda c, path, i, body: (503, "later") if path == "order/placeorder" else None
    async with connected(venue) as bench:
        await bench.adapter.place([buy("a")])
        await until(lambda: bench.outcomes("a"), "the outcome")
        assert bench.outcomes("a") == ["OrderUnknown"]


async def test_budget_keeps_tokens_for_exits(venue: Venue):
    settings = Bench(venue).adapter._settings
    import msgspec

    tight = msgspec.structs.replace(settings, requests_per_min=12, reserved_for_exits=6)
    async with connected(venue, settings=tight) as bench:
        left = bench.adapter.health().budget_left
        assert left < 12  # login, accounts, socket and sync count
        await bench.adapter.place([buy(f"e{n}") for n in range(8)])
        entries = [f"e{n}" for n in range(8)]
        refused = [tag for tag in entries if bench.of(OrderNotSent, tag)]
        assert len(refused) == 8 - (left - 6)
        assert "request budget" in bench.of(OrderNotSent)[0].reason
        await bench.adapter.place([buy("x", reducing=True)])
        assert bench.of(OrderSent, "x")


async def test_nothing_is_sent_twice(venue: Venue):
    async with connected(venue) as bench:
        await bench.adapter.place([buy("a")])
        with pytest.raises(ValueError, match="already sent"):
            await bench.adapter.place([buy("b"), buy("a")])
        assert [body["clOrdId"] for body in venue.asked("order/placeorder")] in ([], ["a"])
        assert bench.of(OrderSent, "b") == []


async def test_frames_on_the_wire_are_the_four_parts(venue: Venue):
    """Golden frames 2 and 11, and an order (1.4, 1.9)."""
    async with connected(venue) as bench:
        await bench.adapter.place([buy("a")])
        await until(lambda: bench.of(OrderAccepted), "accepted")
        frames = [frame for frame in venue.raw_frames if frame != "[]"]
        assert frames[0] == "authorize\n1\n\n" + venue.token
        endpoint, number, query, body = frames[-1].split("\n", 3)
        assert (endpoint, number.isdecimal(), query) == ("order/placeorder", True, "")
        assert json.loads(body)["clOrdId"] == "a"


async def test_command_that_a_dead_token_stopped_goes_again_with_a_new_one(venue: Venue):
    """The socket answers 401: proven not taken. It goes by REST, once, and the order it was for is canceled."""
    venue.on_ws = lambda c, path, i, body: (401, "Access is denied") if path == "order/cancelorder" else None
    async with connected(venue) as bench:
        await venue.push(("order", order(60)), ("orderVersion", version(60)))
        await until(lambda: bench.of(OrderUpdated), "the order")
        await bench.adapter.cancel("DEMO1001", "60")
        assert [body["orderId"] for body in venue.asked("order/cancelorder")] == [60, 60]


async def test_order_is_not_touched_in_the_name_of_another_account(venue: Venue):
    async with connected(venue) as bench:
        await venue.push(("order", order(60)), ("orderVersion", version(60)))
        await until(lambda: bench.of(OrderUpdated), "the order")
        with pytest.raises(RequestRefused, match="not of account DEMO1002"):
            await bench.adapter.cancel("DEMO1002", "60")
        assert venue.asked("order/cancelorder") == []


async def test_working_order_that_no_list_has_is_not_gone(venue: Venue):
    """T-UNKNOWN: order/list comes empty while the stream says that an order works: the account is not complete."""
    async with connected(venue) as bench:
        await venue.push(("order", order(60)), ("orderVersion", version(60)))
        await until(lambda: bench.of(OrderUpdated), "the order")
        assert (await bench.adapter.exposure()).complete == {"DEMO1002"}
        assert (await bench.adapter.snapshot()).complete == {"DEMO1002"}
        await venue.push(("order", order(60, "Canceled")), event_type="Updated")
        await until(lambda: isinstance(bench.of(OrderUpdated)[-1].order, DoneOrder), "canceled")
        assert (await bench.adapter.exposure()).complete == {"DEMO1001", "DEMO1002"}
