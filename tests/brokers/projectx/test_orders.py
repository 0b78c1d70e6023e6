"""Promises about orders, kept against the real door: each sent once, each outcome proven or called unknown."""

import asyncio
from decimal import Decimal
from pathlib import Path

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
    RequestUnknown,
)
from schema.records import DoneOrder, LiveOrder, OrderType, RejectClass, Side, TimeInForce
from tests.brokers.projectx.bench import SETTINGS, Bench, buy, connected
from tests.brokers.tradovate.bench import until


def settled(bench: Bench, cl_ord_id: str):
    return lambda: bench.outcomes(cl_ord_id)


async def test_a_market_order_is_sent_accepted_and_filled_once(tmp_path: Path) -> None:
    async with connected(tmp_path) as bench:
        await bench.adapter.place([buy("a", 2), buy("b", 1, account="DEMO1002", side=Side.SELL)])
        await until(lambda: bench.filled() == 2 and bench.filled("DEMO1002") == -1, "both fills")
        for tag in ("a", "b"):
            assert bench.sent_once(tag)
            assert bench.outcomes(tag)[0] == "OrderAccepted"
        assert {event.fill.cl_ord_id for event in bench.of(Filled)} == {"a", "b"}
        assert [each["cl_ord_id"] for each in await bench.received()] in (["a", "b"], ["b", "a"])


async def test_the_same_client_id_is_never_sent_twice(tmp_path: Path) -> None:
    """T-DUP at the adapter."""
    async with connected(tmp_path) as bench:
        await bench.adapter.place([buy("a")])
        await until(settled(bench, "a"), "the first")
        with pytest.raises(ValueError, match="nothing is sent twice"):
            await bench.adapter.place([buy("a")])
        assert len(await bench.received()) == 1


@pytest.mark.parametrize(
    ("reason", "reject_class"),
    [
        ("NotEnoughLiquidity", RejectClass.MARGIN),
        ("MaxPosLimitReached", RejectClass.LIMIT),
        ("SessionClosed", RejectClass.MARKET_CLOSED),
        ("InvalidContract", RejectClass.CONTRACT),
        ("TradingLocked", RejectClass.LOCKED),
        ("OtherExecutionRelated", RejectClass.OTHER),
    ],
)
async def test_a_reject_carries_the_venues_words_and_a_class(
    tmp_path: Path, reason: str, reject_class: RejectClass
) -> None:
    async with connected(tmp_path) as bench:
        await bench.control("reject", account="DEMO1001", reason=reason, text="The venue says no")
        await bench.adapter.place([buy("a")])
        await until(settled(bench, "a"), "the reject")
        rejected = bench.of(OrderRejected, "a")[0]
        assert (rejected.reject_class, rejected.text) == (reject_class, "place: The venue says no")
        assert bench.outcomes("a") == ["OrderRejected"]


async def test_a_reject_of_the_books_is_told_once_with_its_reason(tmp_path: Path) -> None:
    """The stream's bare status 5 and the answer's words are one reject."""
    async with connected(tmp_path) as bench:
        await bench.adapter.place([buy("a", 500)])
        await until(settled(bench, "a"), "the reject")
        await asyncio.sleep(0.3)
        assert bench.outcomes("a") == ["OrderRejected"]
        assert "above 100" in bench.of(OrderRejected, "a")[0].text


async def test_a_late_reject_follows_the_acceptance(tmp_path: Path) -> None:
    async with connected(tmp_path) as bench:
        await bench.control("late_reject", account="DEMO1001", after_s=0.1)
        await bench.adapter.place([buy("a")])
        await until(lambda: bench.of(OrderRejected, "a"), "the late reject")
        assert bench.outcomes("a") == ["OrderAccepted", "OrderRejected"]


async def test_a_lost_answer_is_unknown_and_the_stream_or_the_lists_say_what_became_of_it(tmp_path: Path) -> None:
    """Accept-then-silence: the order is at the venue once, the desk knows it, nothing is sent again."""
    async with connected(tmp_path) as bench:
        await bench.adapter.instrument("ESH4")
        await bench.control("silence", login="desk1", seconds=1.5)
        await bench.control("drop_answer", account="DEMO1001")
        await bench.adapter.place([buy("a")])
        await until(lambda: bench.of(OrderUnknown, "a"), "unknown")
        assert bench.sent_once("a")
        snapshot = await bench.adapter.snapshot()
        assert [(order.cl_ord_id, order.filled_qty) for order in snapshot.orders] == [("a", 1)]
        assert [fill.cl_ord_id for fill in snapshot.fills] == ["a"]
        assert bench.outcomes("a") == ["OrderUnknown", "OrderAccepted"]
        assert len(await bench.received()) == 1


async def test_a_5xx_after_accept_is_not_a_reject(tmp_path: Path) -> None:
    async with connected(tmp_path) as bench:
        await bench.control("http_error", account="DEMO1001", status=503)
        await bench.adapter.place([buy("a")])
        await until(lambda: bench.filled() == 1, "the fill")
        assert "OrderRejected" not in bench.outcomes("a")
        assert len(await bench.received()) == 1


async def test_no_answer_by_the_deadline_is_unknown_until_it_comes(tmp_path: Path) -> None:
    async with connected(tmp_path) as bench:
        await bench.adapter.instrument("ESH4")
        await bench.control("latency", login="desk1", p50_ms=1_500, p95_ms=1_501)
        await bench.adapter.place([buy("a")])
        await until(lambda: bench.of(OrderUnknown, "a"), "unknown at the deadline", SETTINGS.deadline_s + 0.4)
        await until(lambda: bench.of(OrderAccepted, "a"), "the late answer")
        assert len(await bench.received()) == 1


async def test_a_tag_in_use_is_asked_about_and_not_taken_for_a_reject(tmp_path: Path) -> None:
    async with connected(tmp_path) as bench:
        await bench.venue.place(customTag="a")
        await bench.adapter.place([buy("a")])
        await until(settled(bench, "a"), "an outcome")
        assert not bench.of(OrderRejected, "a")
        await until(lambda: "OrderAccepted" in bench.outcomes("a"), "the order that has the tag")
        assert (await bench.books())["positions"] == {"ESH4": 1}


async def test_a_refusal_that_left_an_order_is_found_out(tmp_path: Path) -> None:
    """errorCode 2 is a reject only when no order of the tag stands at the venue."""
    async with connected(tmp_path) as bench:
        await bench.adapter.instrument("ESH4")
        # The venue itself takes an order of this tag and refuses the request, as in Position Brackets mode.
        token = bench.venue.tokens.get("desk1") or await bench.venue.log_in()
        assert token
        await bench.control("reject", account="DEMO1001", reason="OtherExecutionRelated", text="Brackets refused")
        await bench.control("trade", account="DEMO1001", side="buy", qty=1, cl_ord_id="a")
        await bench.adapter.place([buy("a")])
        await until(settled(bench, "a"), "an outcome")
        await asyncio.sleep(0.2)
        assert "OrderRejected" not in bench.outcomes("a")


async def test_429_is_a_proven_no_and_pauses_entries_only(tmp_path: Path) -> None:
    async with connected(tmp_path) as bench:
        await bench.adapter.instrument("ESH4")
        await bench.control("throttle", login="desk1")
        await bench.adapter.place([buy("a")])
        await until(settled(bench, "a"), "the refusal")
        assert bench.of(OrderRejected, "a")[0].reject_class is RejectClass.THROTTLED
        await bench.adapter.place([buy("b"), buy("c", side=Side.SELL, reducing=True)])
        await until(lambda: bench.filled() == -1, "the exit")
        assert "too many requests" in bench.of(OrderNotSent, "b")[0].reason


async def test_the_budget_keeps_a_reserve_for_exits(tmp_path: Path) -> None:
    """T-RATE at the adapter: what the venue allows in a minute is never exceeded, and an exit still leaves."""
    async with connected(tmp_path, {"requests": 60}, requests_per_min=60) as bench:
        await bench.adapter.place([buy(f"e{number}") for number in range(60)])
        await until(lambda: all(bench.sent_once(f"e{number}") for number in range(60)), "all decided")
        refused = len(bench.of(OrderNotSent))
        assert refused > 20
        await bench.adapter.place([buy("x", side=Side.SELL, reducing=True)])
        await until(settled(bench, "x"), "the exit")
        assert bench.outcomes("x")[0] == "OrderAccepted"
        assert not [each for each in await bench.received() if "429" in each["outcome"]]


async def test_an_expired_token_costs_no_command_and_rejects_an_order(tmp_path: Path) -> None:
    async with connected(tmp_path) as bench:
        await bench.adapter.instrument("ESH4")
        await bench.adapter.place([buy("rest", order_type=OrderType.LIMIT, limit_price=Decimal("4000.25"))])
        await until(lambda: bench.of(OrderUpdated), "working")
        order_id = bench.of(OrderAccepted, "rest")[0].order_id
        await bench.control("expire", login="desk1")
        await bench.adapter.cancel("DEMO1001", order_id)
        await until(lambda: isinstance(bench.of(OrderUpdated)[-1].order, DoneOrder), "canceled")
        assert len(await bench.received("order/cancel")) == 1


async def test_working_orders_are_modified_and_canceled(tmp_path: Path) -> None:
    async with connected(tmp_path) as bench:
        await bench.adapter.place([buy("a", 2, order_type=OrderType.LIMIT, limit_price=Decimal("4000.25"))])
        await until(lambda: [u for u in bench.of(OrderUpdated) if u.order.status == "working"], "working")
        order_id = bench.of(OrderAccepted, "a")[0].order_id
        await bench.adapter.modify(
            "DEMO1001", order_id, qty=1, order_type=OrderType.LIMIT, limit_price=Decimal("4000.50")
        )
        await until(lambda: bench.of(OrderUpdated)[-1].order.limit_price == Decimal("4000.50"), "the new price")
        assert isinstance(bench.of(OrderUpdated)[-1].order, LiveOrder)
        with pytest.raises(RequestRefused, match="not a multiple"):
            await bench.adapter.modify(
                "DEMO1001", order_id, qty=1, order_type=OrderType.LIMIT, limit_price=Decimal("4000.13")
            )
        await bench.adapter.cancel("DEMO1001", order_id)
        await until(lambda: isinstance(bench.of(OrderUpdated)[-1].order, DoneOrder), "canceled")
        with pytest.raises(RequestRefused, match="Canceled"):
            await bench.adapter.cancel("DEMO1001", order_id)
        await bench.control("drop_answer", account="DEMO1001")
        with pytest.raises(RequestUnknown):
            await bench.adapter.cancel("DEMO1001", order_id)


async def test_what_the_venue_cannot_do_never_leaves(tmp_path: Path) -> None:
    async with connected(tmp_path) as bench:
        await bench.adapter.place(
            [
                buy("sl", order_type=OrderType.STOP_LIMIT, limit_price=Decimal(4800), stop_price=Decimal(4800)),
                buy("ioc", time_in_force=TimeInForce.IOC),
                buy("stranger", account="DEMO1003"),
                buy("symbol", symbol="NQH4"),
            ]
        )
        await until(lambda: len(bench.of(OrderNotSent)) == 4, "four refusals")
        assert await bench.received() == []
        assert not bench.of(OrderSent)


async def test_liquidate_cancels_closes_and_sweeps_the_brackets_that_closing_leaves(tmp_path: Path) -> None:
    async with connected(tmp_path) as bench:
        brackets = {"stopLossBracket": {"ticks": -400, "type": 4}, "takeProfitBracket": {"ticks": 400, "type": 1}}
        await bench.venue.place(size=2, customTag="elsewhere", **brackets)
        await bench.venue.place(type=1, size=1, limitPrice=4000.25)
        await until(lambda: bench.filled() == 2, "the entry")
        await bench.adapter.liquidate("DEMO1001", "ESH4", "close-1")
        found = await bench.books()
        assert (found["positions"], found["working"]) == ({}, 0)
        await until(lambda: bench.filled() == 0, "the closing fills")
        assert {event.fill.cl_ord_id for event in bench.of(Filled) if event.fill.net_qty < 0} == {"close-1"}
        await bench.adapter.liquidate("DEMO1001", "ESH4", "close-2")  # flat already: nothing to do, nothing wrong
        exposure = await bench.adapter.exposure()
        assert exposure.complete == {"DEMO1001", "DEMO1002"}
        assert (exposure.positions, exposure.working) == ((), ())


async def test_brackets_keep_their_links_though_lists_do_not_say_them(tmp_path: Path) -> None:
    """parentOrderId and linkedOrderId are the stream's alone, and the stop does not name its target (2.3)."""
    async with connected(tmp_path) as bench:
        brackets = {"stopLossBracket": {"ticks": -400, "type": 4}, "takeProfitBracket": {"ticks": 400, "type": 1}}
        entry = (await bench.venue.place(size=2, **brackets))["orderId"]
        await until(lambda: bench.filled() == 2, "the entry")
        snapshot = await bench.adapter.snapshot()
        stop, target = sorted(
            (o for o in snapshot.orders if o.status == "working"), key=lambda o: o.order_type != "stop"
        )
        assert (stop.parent_id, target.parent_id) == (str(entry), str(entry))
        assert (stop.oco_id, target.oco_id) == (target.order_id, stop.order_id)


async def test_brackets_that_wait_for_their_entry_are_open_though_no_list_has_them(tmp_path: Path) -> None:
    async with connected(tmp_path) as bench:
        brackets = {"stopLossBracket": {"ticks": -40, "type": 4}, "takeProfitBracket": {"ticks": 40, "type": 1}}
        await bench.venue.place(type=1, size=1, limitPrice=4000.25, **brackets)
        await until(lambda: len({u.order.order_id for u in bench.of(OrderUpdated)}) == 3, "entry and children")
        assert len((await bench.adapter.exposure()).working) == 3
        await bench.adapter.liquidate("DEMO1001", "ESH4", "x")
        assert (await bench.books())["working"] == 0
        assert (await bench.adapter.exposure()).working == ()
