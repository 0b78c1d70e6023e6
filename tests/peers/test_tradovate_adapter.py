"""The Tradovate adapter against a venue written from the page alone (`tradovate_server.py`), through the port."""

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
from schema.records import DoneOrder, LiveOrder, OrderType, RejectClass, Side
from tests.peers.desk import Seat, order, seated
from tests.peers.door import until
from tests.peers.tradovate_server import PASSWORD, SECRET, Venue, venue

ALL = {"entity_arrays": True, "one_frame": True, "no_event_type": True, "unknown_extras": True}
WAYS: list[dict[str, Any]] = [
    {},
    {"token_min": 90, "event_first": True},
    {"ids_as_strings": True, "null_collections": True},
    {**ALL},
    {**ALL, "event_first": True, "split": True, "ids_as_strings": True},
    {"sync_tickets": 1, "split": True},
]


def sit(at: Venue) -> Any:
    return seated("tradovate", at.url, PASSWORD)


@pytest.mark.parametrize("ways", WAYS, ids=lambda ways: "+".join(ways) or "plain")
async def test_a_trade_is_told_once_and_whole_however_the_venue_tells_it(ways: dict[str, Any]) -> None:
    async with venue(**ways) as at, sit(at) as seat:
        up = seat.of(StreamUp)[0]
        assert up.first
        assert {account.account for account in up.snapshot.accounts} == {"DEMO11", "DEMO12"}
        assert up.snapshot.complete == {"DEMO11", "DEMO12"}
        instrument = await seat.adapter.instrument("MNQZ6")
        assert (instrument.tick_size, instrument.tick_value) == (0.25, 0.5)
        await seat.adapter.place([order("DEMO11", "MNQZ6", "a", 2), order("DEMO12", "MNQZ6", "b", 1)])
        await until(lambda: seat.net("DEMO11") == 2 and seat.net("DEMO12") == 1)
        for tag in ("a", "b"):
            await until(lambda tag=tag: seat.of(OrderAccepted, tag))
            assert seat.told(tag) == ["OrderSent", "OrderAccepted"]
        fills = [event.fill for event in seat.of(Filled)]
        assert {fill.cl_ord_id for fill in fills} == {"a", "b"}
        assert len(fills) == 2
        done = [e.order for e in seat.of(OrderUpdated) if isinstance(e.order, DoneOrder)]
        await until(lambda: len([e for e in seat.of(OrderUpdated) if isinstance(e.order, DoneOrder)]) == 2)
        assert {each.filled_qty for each in done} <= {1, 2}
        sent = at.orders_sent()
        assert all(body["isAutomated"] is True for body in sent)
        assert {body["accountId"] for body in sent} == {11, 12}


async def test_orders_rest_change_and_end_and_a_liquidation_leaves_nothing() -> None:
    async with venue(**ALL) as at, sit(at) as seat:
        await seat.adapter.place([order("DEMO11", "MNQZ6", "l", limit_price=19_990)])
        [taken] = await until(lambda: seat.of(OrderAccepted, "l"))
        await seat.adapter.modify("DEMO11", taken.order_id, qty=2, order_type=OrderType.LIMIT, limit_price=19_995)
        await until(lambda: any(e.order.qty == 2 for e in seat.of(OrderUpdated)))
        latest = [e.order for e in seat.of(OrderUpdated)][-1]
        assert isinstance(latest, LiveOrder)
        assert latest.limit_price == 19_995
        await seat.adapter.cancel("DEMO11", taken.order_id)
        await until(lambda: isinstance(seat.of(OrderUpdated)[-1].order, DoneOrder))
        with pytest.raises(RequestRefused, match="Too late"):
            await seat.adapter.cancel("DEMO11", taken.order_id)
        await seat.adapter.place(
            [order("DEMO11", "MNQZ6", "m", 3), order("DEMO11", "MNQZ6", "s", stop_price=19_000, side=Side.SELL)]
        )
        await until(lambda: seat.net("DEMO11") == 3)
        await seat.adapter.liquidate("DEMO11", "MNQZ6", "flat")
        await until(lambda: seat.net("DEMO11") == 0)
        exposure = await seat.adapter.exposure()
        assert not exposure.positions
        assert not exposure.working
        assert exposure.complete == {"DEMO11", "DEMO12"}


async def test_a_session_told_again_brings_no_second_fill() -> None:
    async with venue(**ALL) as at, sit(at) as seat:
        await seat.adapter.place([order("DEMO11", "MNQZ6", "a", 2)])
        at.elsewhere("Buy", 1)
        await until(lambda: seat.net("DEMO11") == 3)
        told = len(seat.events)
        at.replay()
        at.elsewhere("Sell", 1)
        await until(lambda: seat.net("DEMO11") == 2)
        assert len(seat.of(Filled)) == 3
        assert not [e for e in seat.events[told:] if isinstance(e, OrderUpdated) and e.order.cl_ord_id == "a"]


async def test_what_a_gap_hid_comes_with_the_next_snapshot_and_nothing_comes_twice() -> None:
    async with venue() as at, sit(at) as seat:
        await seat.adapter.place([order("DEMO11", "MNQZ6", "a", 1)])
        await until(lambda: seat.net("DEMO11") == 1)
        at.sockets[0].out.put_nowait('c[3000,"Go away!"]')
        at.sockets[0].synced = False
        at.elsewhere("Buy", 2)
        await until(lambda: len(seat.of(StreamUp)) == 2)
        assert "Go away!" in seat.of(StreamDown)[0].reason
        snapshot = seat.of(StreamUp)[1].snapshot
        assert [(p.account, p.net_qty) for p in snapshot.positions if p.net_qty] == [("DEMO11", 3)]
        assert sum(fill.net_qty for fill in snapshot.fills) == 3
        assert len(seat.of(Filled)) == 1, "the gap's fill is the snapshot's to tell"
        at.elsewhere("Sell", 3)
        await until(lambda: len(seat.of(Filled)) == 2)


@pytest.mark.parametrize("end", ["shutdown", "third login"])
async def test_a_connection_that_the_venue_ends_is_taken_up_again(end: str) -> None:
    async with venue() as at, sit(at) as seat:
        if end == "shutdown":
            at.sockets[0].messages({"e": "shutdown", "d": {"reasonCode": "ConnectionQuotaReached"}})
        else:
            for _ in range(2):
                at.log_in({"password": PASSWORD})
        await until(lambda: len(seat.of(StreamUp)) == 2, 8)
        await seat.adapter.place([order("DEMO11", "MNQZ6", "after")])
        await until(lambda: seat.net("DEMO11") == 1)


async def test_silence_of_ten_seconds_is_a_lost_connection() -> None:
    async with venue(beats=False) as at, sit(at) as seat:
        await until(lambda: seat.of(StreamDown), 12)
        await until(lambda: len(seat.of(StreamUp)) == 2, 3)


@pytest.mark.parametrize(
    ("habits", "reject", "words"),
    [
        ({"refuse": {"failureReason": "MaxPosLimitReached", "failureText": "5 at most"}}, RejectClass.LIMIT, "5 at"),
        ({"refuse": {"failureReason": "SessionClosed", "orderId": 5}}, RejectClass.MARKET_CLOSED, "SessionClosed"),
        ({"refuse": {"errorText": "Not enough margin"}}, RejectClass.MARGIN, "margin"),
        ({"refuse": {"failureReason": "ReasonOfTomorrow", "failureText": "new"}}, RejectClass.OTHER, "new"),
        ({"refuse": {"violations": [{"value": {"max": 64}, "description": "too long"}]}}, RejectClass.OTHER, "long"),
        ({"refuse": {"p-ticket": "t", "p-time": 5, "p-captcha": None}}, RejectClass.THROTTLED, "too many"),
        ({"refuse": {"p-ticket": "t", "p-time": "5"}}, RejectClass.THROTTLED, "too many"),
        ({"late_reject": True}, RejectClass.LIMIT, "Max position"),
        ({"order_status": 429}, RejectClass.THROTTLED, "too many"),
        ({"order_status": 423}, RejectClass.THROTTLED, "too many"),
        ({"order_status": 400, "order_text": "Malformed body"}, RejectClass.OTHER, "Malformed body"),
        ({"order_status": 403, "order_text": "no access"}, RejectClass.AUTH, "no access"),
    ],
)  # fmt: skip
async def test_a_refusal_is_a_reject_of_its_class_in_the_venues_words(
    habits: dict[str, Any], reject: RejectClass, words: str
) -> None:
    async with venue(**habits) as at, sit(at) as seat:
        await seat.adapter.place([order("DEMO11", "MNQZ6", "r")])
        [told] = await until(lambda: seat.of(OrderRejected, "r"))
        assert told.reject_class is reject
        assert words in told.text
        assert not seat.of(OrderUnknown)
        assert len(at.orders_sent()) == 1


@pytest.mark.parametrize("habits", [{"swallow_answers": True}, {"order_status": 500}, {"refuse": {}}])
async def test_an_order_without_a_proof_is_unknown_or_proved_by_the_stream_and_never_sent_again(
    habits: dict[str, Any],
) -> None:
    async with venue(**habits) as at, sit(at) as seat:
        await seat.adapter.place([order("DEMO11", "MNQZ6", "u")])
        await until(lambda: seat.of(OrderUnknown, "u") or seat.of(OrderAccepted, "u"))
        assert bool(seat.of(OrderAccepted, "u")) == ("swallow_answers" in habits)
        assert len(at.orders_sent()) == 1


async def test_collections_that_a_sync_reply_leaves_out_are_not_taken_for_empty() -> None:
    async with venue(hide_positions=True) as at:
        at.elsewhere("Buy", 4)
        async with sit(at) as seat:
            snapshot = seat.of(StreamUp)[0].snapshot
            held = {p.account: p.net_qty for p in snapshot.positions if p.net_qty}
            assert held == {"DEMO11": 4} or "DEMO11" not in snapshot.complete


@pytest.mark.parametrize(
    ("habits", "words"),
    [
        ({"error_text": "App is not registered"}, "App is not registered"),
        ({"captcha_on_login": True}, "captcha"),
    ],
)
async def test_a_refused_login_says_why_once(habits: dict[str, Any], words: str) -> None:
    async with venue(**habits) as at:
        seat = Seat("tradovate", at.url, PASSWORD)
        with pytest.raises(LoginRefused, match=words):
            await seat.adapter.connect()
        await seat.adapter.close()
        assert len([e for e, _ in at.requests if e == "auth/accesstokenrequest"]) == 1


async def test_no_secret_is_logged_or_told(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    async with venue() as at, sit(at) as seat:
        token = at.sessions[-1]
        at.sockets[0].messages(
            {"e": "props", "d": {"entityType": "fill", "entity": {"id": "x", "leak": f"{token} {PASSWORD} {SECRET}"}}}
        )
        at.sockets[0].out.put_nowait(f"z{token}")
        await until(lambda: seat.adapter.health().unreadable == 2)
        out = capsys.readouterr()
        everything = caplog.text + out.out + out.err + repr(seat.events) + json.dumps([str(e) for e in seat.events])
        assert "canary" not in everything
