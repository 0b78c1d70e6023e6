"""The ProjectX adapter against a gateway written from the page alone (`projectx_server.py`), through the port."""

import json
import logging
from typing import Any

import pytest

from brokers.adapter import (
    Filled,
    LoginRefused,
    OrderAccepted,
    OrderRejected,
    OrderUnknown,
    OrderUpdated,
    RequestRefused,
    StreamDown,
    StreamUp,
)
from schema.records import DoneOrder, OrderType, RejectClass
from tests.peers.desk import Seat, order, seated
from tests.peers.door import until
from tests.peers.projectx_server import KEY, Gateway, gateway

WAYS: list[dict[str, Any]] = [
    {},
    {"wrap": "none", "event_first": True},
    {"wrap": "orders", "nulls": True},
    {"arrays": True, "extras": True},
    {"arrays": True, "wrap": "none", "number_strings": True, "new_token": False},
    {"split_records": True, "extras": True, "nulls": True},
]


def sit(at: Gateway) -> Any:
    return seated("projectx", at.url, KEY)


@pytest.mark.parametrize("ways", WAYS, ids=lambda ways: "+".join(ways) or "plain")
async def test_a_trade_is_told_once_and_whole_however_the_gateway_tells_it(ways: dict[str, Any]) -> None:
    async with gateway(**ways) as at, sit(at) as seat:
        up = seat.of(StreamUp)[0]
        assert up.snapshot.complete == {"PX-21", "PX-22"}
        instrument = await seat.adapter.instrument("NQZ6")
        assert (instrument.venue_id, instrument.tick_value) == ("CON.F.US.ENQ.Z26", 5)
        await seat.adapter.place([order("PX-21", "NQZ6", "a", 2), order("PX-22", "NQZ6", "b", 1)])
        await until(lambda: seat.net("PX-21") == 2 and seat.net("PX-22") == 1)
        for tag in ("a", "b"):
            await until(lambda tag=tag: seat.of(OrderAccepted, tag))
            assert seat.told(tag) == ["OrderSent", "OrderAccepted"]
        assert {event.fill.cl_ord_id for event in seat.of(Filled)} == {"a", "b"}
        at.elsewhere(1, 2)
        await until(lambda: seat.net("PX-21") == 0)
        assert len(seat.of(Filled)) == 3
        await until(lambda: len([e for e in seat.of(OrderUpdated) if isinstance(e.order, DoneOrder)]) == 3)
        assert seat.adapter.health().unreadable == 0


async def test_orders_rest_change_and_end_and_a_liquidation_leaves_nothing() -> None:
    async with gateway() as at, sit(at) as seat:
        await seat.adapter.place([order("PX-21", "NQZ6", "l", limit_price=19_990)])
        [taken] = await until(lambda: seat.of(OrderAccepted, "l"))
        await seat.adapter.modify("PX-21", taken.order_id, qty=2, order_type=OrderType.LIMIT, limit_price=19_995)
        await until(lambda: seat.of(OrderUpdated) and seat.of(OrderUpdated)[-1].order.limit_price == 19_995)
        await seat.adapter.cancel("PX-21", taken.order_id)
        await until(lambda: isinstance(seat.of(OrderUpdated)[-1].order, DoneOrder))
        with pytest.raises(RequestRefused):
            await seat.adapter.cancel("PX-21", taken.order_id)
        await seat.adapter.place([order("PX-21", "NQZ6", "m", 3), order("PX-21", "NQZ6", "s", limit_price=19_000)])
        await until(lambda: seat.net("PX-21") == 3 and seat.of(OrderAccepted, "s"))
        await seat.adapter.liquidate("PX-21", "NQZ6", "flat")
        await until(lambda: seat.net("PX-21") == 0)
        exposure = await seat.adapter.exposure()
        assert not exposure.positions
        assert not exposure.working


@pytest.mark.parametrize("end", ["close message", "cut", "GatewayLogout"])
async def test_what_a_gap_hid_is_read_and_nothing_comes_twice(end: str) -> None:
    async with gateway() as at, sit(at) as seat:
        await seat.adapter.place([order("PX-21", "NQZ6", "a")])
        await until(lambda: seat.net("PX-21") == 1)
        at.habits.deaf = True
        at.elsewhere(0, 2)
        match end:
            case "close message":
                error = "Server returned an error on close: Connection closed with an error."
                at.hubs[0].say({"type": 7, "error": error, "allowReconnect": True})
            case "cut":
                at.hubs[0].cut()
            case _:
                at.hubs[0].say({"type": 1, "target": "GatewayLogout", "arguments": ["Session expired"]})
        await until(lambda: seat.of(StreamDown))
        at.habits.deaf = False
        await until(lambda: len(seat.of(StreamUp)) == 2, 8)
        snapshot = seat.of(StreamUp)[1].snapshot
        assert {(p.account, p.net_qty) for p in snapshot.positions} == {("PX-21", 3)}
        assert sum(fill.net_qty for fill in snapshot.fills) == 3
        at.elsewhere(1, 3)
        await until(lambda: seat.net("PX-21") in (-2, 0))
        assert len({event.fill.fill_id for event in seat.of(Filled)}) == len(seat.of(Filled))


async def test_a_taken_order_of_which_the_stream_says_nothing_is_asked_for() -> None:
    async with gateway(deaf=True) as at, sit(at) as seat:
        await seat.adapter.place([order("PX-21", "NQZ6", "q", 2)])
        await until(lambda: seat.net("PX-21") == 2)
        assert seat.told("q") == ["OrderSent", "OrderAccepted"]


async def test_a_bracket_asleep_is_not_working_and_one_awake_is() -> None:
    async with gateway() as at, sit(at) as seat:
        parent = at.order({"accountId": 21, "type": 1, "side": 0, "size": 1, "limitPrice": 19_990}, status=1)
        child = at.order({"accountId": 21, "type": 4, "side": 1, "size": 1}, status=8)
        child |= {"parentOrderId": parent["id"], "customTag": "x-SL"}
        at.tell("GatewayUserOrder", 1, parent, child)
        await until(lambda: len(seat.of(OrderUpdated)) == 2)
        exposure = await seat.adapter.exposure()
        assert {each.order_id for each in exposure.working} == {str(parent["id"]), str(child["id"])}
        at.fill(parent)
        child |= {"status": 1, "stopPrice": 19_980.0}
        at.tell("GatewayUserOrder", 2, child)
        await until(lambda: any(e.order.stop_price == 19_980 for e in seat.of(OrderUpdated)))
        await seat.adapter.liquidate("PX-21", "NQZ6", "flat")
        assert child["status"] == 3, "the orphan stop is swept"


@pytest.mark.parametrize(
    ("habits", "reject", "words"),
    [
        ({"refuse": {"success": False, "errorCode": 3, "errorMessage": None}}, RejectClass.MARGIN, "3"),
        ({"refuse": {"success": False, "errorCode": 5, "errorMessage": "Closed"}}, RejectClass.MARKET_CLOSED, "Closed"),
        ({"refuse": {"success": False, "errorCode": 10, "errorMessage": "", "orderId": 0}}, RejectClass.LOCKED, "10"),
        ({"refuse": {"success": False, "errorCode": 2, "errorMessage": "Price is off"}}, RejectClass.PRICE, "Price"),
        ({"refuse": {"success": False, "errorCode": 77, "errorMessage": "New"}}, RejectClass.OTHER, "New"),
        ({"status": 429}, RejectClass.THROTTLED, "too many"),
        ({"status": 401}, RejectClass.AUTH, "401"),
    ],
)
async def test_a_refusal_is_a_reject_of_its_class(habits: dict[str, Any], reject: RejectClass, words: str) -> None:
    async with gateway(**habits) as at, sit(at) as seat:
        await seat.adapter.place([order("PX-21", "NQZ6", "r")])
        [told] = await until(lambda: seat.of(OrderRejected, "r"))
        assert told.reject_class is reject
        assert words in told.text
        assert not seat.of(OrderUnknown)
        assert len(at.placed()) == 1


@pytest.mark.parametrize(
    "words", ["Custom tag already in use", "The specified custom tag already in use.", "DuplicateTag"]
)
async def test_a_tag_that_is_in_use_never_leads_to_a_second_order(words: str) -> None:
    async with gateway(tags_used=words) as at, sit(at) as seat:
        at.tags.add((21, "d"))
        mine = at.order({"accountId": 21, "type": 2, "side": 0, "size": 1, "customTag": "d"}, status=6)
        at.fill(mine)  # the first delivery, whose answer nobody saw
        await seat.adapter.place([order("PX-21", "NQZ6", "d")])
        await until(lambda: seat.of(OrderAccepted, "d") or seat.of(OrderUnknown, "d"))
        assert not seat.of(OrderRejected, "d")
        assert len(at.placed()) == 1
        assert at.held[21] == 1


async def test_an_order_that_was_refused_and_lives_is_found() -> None:
    refusal = {"orderId": None, "success": False, "errorCode": 2, "errorMessage": "Brackets cannot be used"}
    async with gateway(refuse=refusal, refused_order_lives=True) as at, sit(at) as seat:
        await seat.adapter.place([order("PX-21", "NQZ6", "z")])
        await until(lambda: seat.of(OrderAccepted, "z"))
        await until(lambda: seat.net("PX-21") == 1)
        assert len(at.placed()) == 1


@pytest.mark.parametrize("habits", [{"swallow": True, "deaf": True}, {"status": 502}])
async def test_an_order_without_a_proof_is_unknown_and_never_sent_again(habits: dict[str, Any]) -> None:
    async with gateway(**habits) as at, sit(at) as seat:
        await seat.adapter.place([order("PX-21", "NQZ6", "u")])
        await until(lambda: seat.of(OrderUnknown, "u"))
        assert len(at.placed()) == 1


async def test_a_refused_key_says_so_once() -> None:
    async with gateway() as at:
        seat = Seat("projectx", at.url, "wrong")
        with pytest.raises(LoginRefused, match="user name or key"):
            await seat.adapter.connect()
        await seat.adapter.close()
        assert [path for path, _ in at.requests] == ["auth/loginkey"]


async def test_a_fight_over_the_session_is_given_up_with_one_sentence() -> None:
    async with gateway() as at, sit(at) as seat:
        for count in range(6):
            await until(lambda count=count: len(seat.of(StreamUp)) == count + 1, 8)
            at.hubs[0].say({"type": 1, "target": "GatewayLogout", "arguments": []})
            await until(lambda count=count: len(seat.of(StreamDown)) > count)
        [end] = await until(lambda: [e for e in seat.of(StreamDown) if e.final])
        assert "another client" in end.reason


async def test_no_secret_is_logged_or_told(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    async with gateway() as at, sit(at) as seat:
        bad = {"id": "x", "leak": f"{at.tokens[-1]} {KEY}"}
        at.hubs[0].say({"type": 1, "target": "GatewayUserTrade", "arguments": [bad]})
        await until(lambda: seat.adapter.health().unreadable == 1)
        out = capsys.readouterr()
        everything = caplog.text + out.out + out.err + repr(seat.events) + json.dumps([str(e) for e in seat.events])
        assert "canary" not in everything
        assert at.tokens[-1] not in everything
