"""Promises about orders that the venue links: one request, every leg its own outcome (`protocols/tradovate.md 1.3`)."""

from typing import Any

import pytest
from msgspec.structs import replace

from brokers.adapter import OrderAccepted, OrderNotSent, OrderRejected, OrderSent, OrderUnknown, OrderUpdated
from schema.records import LiveOrder, LiveStatus, OrderType, RejectClass, Side, TimeInForce
from tests.brokers.tradovate.bench import buy, connected, price, until
from tests.brokers.tradovate.venue import Venue, command, order, version


@pytest.fixture
async def venue():
    async with Venue().serving() as serving:
        yield serving


def exits(first: str, other: str) -> tuple[Any, Any]:
    sell = {"side": Side.SELL, "qty": 2, "reducing": True}
    return (
        buy(first, order_type=OrderType.LIMIT, limit_price=price("4810"), **sell),
        buy(other, order_type=OrderType.STOP, stop_price=price("4780"), **sell),
    )


def answering(endpoint: str, answer: dict[str, Any] | str) -> Any:
    def on_ws(client: Any, path: str, request_id: int, body: Any) -> Any:
        if path != endpoint:
            return None
        return answer if isinstance(answer, str) else (200, answer)

    return on_ws


async def test_a_pair_is_one_request_in_which_each_leg_has_its_own_client_id(venue: Venue):
    venue.on_ws = answering("order/placeoco", {"orderId": 71, "ocoId": 72})
    target, stop = exits("t", "s")
    async with connected(venue) as bench:
        await bench.adapter.place([buy("m"), replace(target, oco=stop), buy("n")])
        await until(lambda: len(bench.of(OrderAccepted)) == 4, "all accepted")
        (asked,) = venue.asked("order/placeoco")
        assert (asked["action"], asked["orderQty"], asked["orderType"], asked["price"], asked["clOrdId"]) == (
            "Sell", 2, "Limit", 4810, "t",
        )  # fmt: skip
        assert asked["isAutomated"] is True
        # Absolute prices, and neither a quantity nor a symbol.
        assert asked["other"] == {
            "action": "Sell", "orderType": "Stop", "stopPrice": 4780, "clOrdId": "s", "timeInForce": "Day",
        }  # fmt: skip
        assert [e["clOrdId"] for e in venue.asked("order/placeorder")] == ["m", "n"]
        assert {e.cl_ord_id: e.order_id for e in bench.of(OrderAccepted) if e.cl_ord_id in "ts"} == {
            "t": "71",
            "s": "72",
        }
        assert {e.cl_ord_id for e in bench.of(OrderSent)} == {"m", "t", "s", "n"}


async def test_an_entry_carries_its_brackets_and_the_stream_says_how_they_hang_together(venue: Venue):
    venue.on_ws = answering("order/placeoso", {"orderId": 70, "oso1Id": 71, "oso2Id": 72})
    target, stop = exits("t", "s")
    entry = buy("e", qty=2, order_type=OrderType.LIMIT, limit_price=price("4790"), brackets=(target, stop))
    async with connected(venue) as bench:
        await bench.adapter.place([entry])
        await until(lambda: len(bench.of(OrderAccepted)) == 3, "all accepted")
        (asked,) = venue.asked("order/placeoso")
        assert [asked[key]["clOrdId"] for key in ("bracket1", "bracket2")] == ["t", "s"]
        assert "other" not in asked and asked["clOrdId"] == "e"
        child = order(72, "Suspended") | {"parentId": 70, "ocoId": 71}
        await venue.push(("command", command(72, "s")), ("order", child), ("orderVersion", version(72, 2)))
        await until(lambda: bench.of(OrderUpdated), "the child")
        shown = bench.of(OrderUpdated)[0].order
        assert isinstance(shown, LiveOrder) and shown.status is LiveStatus.SUSPENDED
        assert (shown.cl_ord_id, shown.parent_id, shown.oco_id) == ("s", "70", "71")
        assert bench.outcomes("s") == ["OrderAccepted"]


async def test_a_refused_request_is_a_reject_of_every_leg_in_the_venues_words(venue: Venue):
    """T-VERBATIM; nothing goes without its stop when that is refused."""
    venue.on_ws = answering("order/placeoso", {"failureReason": "InvalidPrice", "failureText": "Bad stop"})
    target, stop = exits("t", "s")
    async with connected(venue) as bench:
        await bench.adapter.place([buy("e", qty=2, brackets=(target, stop))])
        await until(lambda: len(bench.of(OrderRejected)) == 3, "three rejects")
        assert {(e.reject_class, e.text) for e in bench.of(OrderRejected)} == {(RejectClass.PRICE, "Bad stop")}
        assert [bench.outcomes(tag) for tag in "ets"] == [["OrderRejected"]] * 3
        assert venue.asked("order/placeorder") == []


async def test_a_leg_that_the_answer_does_not_name_is_unknown_until_the_stream_shows_it(venue: Venue):
    venue.on_ws = answering("order/placeoco", {"orderId": 71})
    target, stop = exits("t", "s")
    async with connected(venue) as bench:
        await bench.adapter.place([replace(target, oco=stop)])
        await until(lambda: bench.of(OrderUnknown), "the deadline of the other leg")
        assert (bench.outcomes("t"), bench.outcomes("s")) == (["OrderAccepted"], ["OrderUnknown"])
        await venue.push(("order", order(72)), ("command", command(72, "s")), ("orderVersion", version(72, 2)))
        await until(lambda: bench.of(OrderAccepted, "s"), "the proof")
        assert bench.of(OrderAccepted, "s")[0].order_id == "72"


async def test_no_answer_makes_every_leg_unknown_and_nothing_is_sent_again(venue: Venue):
    venue.on_ws = answering("order/placeoco", "nothing")
    target, stop = exits("t", "s")
    async with connected(venue) as bench:
        pair = replace(target, oco=stop)
        await bench.adapter.place([pair])
        await until(lambda: len(bench.of(OrderUnknown)) == 2, "both unknown")
        with pytest.raises(ValueError, match="nothing is sent twice"):
            await bench.adapter.place([stop])
        assert len(venue.asked("order/placeoco")) == 1


async def test_a_trailing_stop_leaves_with_its_distance_and_is_read_with_it(venue: Venue):
    async with connected(venue) as bench:
        names = {"order_type": OrderType.TRAILING_STOP, "stop_price": price("4780"), "trail": price("12.25")}
        await bench.adapter.place([buy("a", side=Side.SELL, qty=2, **names)])
        await until(lambda: bench.of(OrderAccepted), "accepted")
        (asked,) = venue.asked("order/placeorder")
        assert (asked["orderType"], asked["stopPrice"], asked["pegDifference"]) == ("TrailingStop", 4780, 12.25)
        order_id = bench.of(OrderAccepted)[0].order_id
        await bench.adapter.modify_trailing("DEMO1001", order_id, qty=3, trail=price("10"), stop_price=price("4781.50"))
        (asked,) = venue.asked("order/modifyorder")
        assert (asked["orderQty"], asked["orderType"], asked["stopPrice"], asked["pegDifference"]) == (
            3, "TrailingStop", 4781.5, 10,
        )  # fmt: skip
        for number, extra in (
            (91, {"orderType": "TrailingStop", "stopPrice": 4790, "pegDifference": -7.5, "timeInForce": "GTC"}),
            (92, {"orderType": "TrailingStop", "stopPrice": 4790}),  # without its distance, the nearest the desk knows
        ):
            seen = version(number, 1) | {"price": None} | extra
            await venue.push(("command", command(number, None)), ("order", order(number)), ("orderVersion", seen))
        await until(lambda: len(bench.of(OrderUpdated)) == 2, "two orders from elsewhere")
        first, second = (event.order for event in bench.of(OrderUpdated))
        assert (first.order_type, first.trail, first.stop_price) == (
            OrderType.TRAILING_STOP, price("7.5"), price("4790"),
        )  # fmt: skip
        assert (first.time_in_force, second.time_in_force) == (TimeInForce.GTC, TimeInForce.DAY)
        assert (second.order_type, second.trail) == (OrderType.STOP, None)


async def test_a_spent_budget_keeps_every_leg_back(venue: Venue):
    target, stop = exits("t", "s")
    async with connected(venue, requests_per_min=25) as bench:
        for number in range(30):
            await bench.adapter.place([buy(f"x{number}")])
        await bench.adapter.place([buy("e", qty=2, brackets=(target, stop))])
        assert {e.cl_ord_id for e in bench.of(OrderNotSent)} >= {"e", "t", "s"}
        assert venue.asked("order/placeoso") == []
