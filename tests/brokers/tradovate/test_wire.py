"""Frames and answers, byte for byte (`protocols/tradovate.md 1.4`, `1.9`)."""

import contextlib
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.amounts import time_ns
from brokers.tradovate import wire
from brokers.tradovate.answers import Refused, Taken, Unproven, judge
from brokers.tradovate.entities import Order, props_entities
from brokers.tradovate.translate import reject_class
from schema.records import RejectClass


def test_golden_frames_from_the_venue():
    assert wire.parse_frame(b"o") == wire.Open()
    assert wire.parse_frame(b"h") == wire.Heartbeat()
    assert wire.parse_frame(b'c[3000,"Go away!"]') == wire.Closed(3000, "Go away!")
    yes = wire.parse_frame(b'a[{"s":200,"i":1}]')
    assert isinstance(yes, wire.Messages) and (yes.readable[0].s, yes.readable[0].i) == (200, 1)
    no = wire.parse_frame(b'a[{"i":0,"s":401,"d":"Invalid access token"}]')
    assert isinstance(no, wire.Messages) and bytes(no.readable[0].d) == b'"Invalid access token"'
    clock = wire.parse_frame(b'a[{"e":"clock","d":"{\\"t\\":\\"2019-08-26T16:43:08.599Z\\",\\"s\\":20}"}]')
    assert isinstance(clock, wire.Messages) and clock.readable[0].e == "clock"


def test_golden_order_event():
    frame = wire.parse_frame(
        b'a[{"e":"props","d":{"entityType":"order","eventType":"Created","entity":{"id":210518,"accountId":25,'
        b'"contractId":560901,"timestamp":"2016-11-04T00:02:36.626Z","action":"Sell","ordStatus":"PendingNew",'
        b'"admin":false}}}]'
    )
    assert isinstance(frame, wire.Messages)
    entities, unreadable = props_entities(frame.readable[0].d)
    assert unreadable == []
    (order,) = entities
    assert isinstance(order, Order)
    assert (order.id, order.account_id, order.action, order.ord_status) == (210518, 25, "Sell", "PendingNew")
    assert time_ns(order.timestamp) == 1_478_217_756_626_000_000


def test_golden_requests():
    assert wire.request_frame("authorize", 1, body=b"token") == b"authorize\n1\n\ntoken"
    assert wire.request_frame("executionReport/list", 4) == b"executionReport/list\n4\n\n"
    assert (
        wire.request_frame("tradingPermission/ldeps", 8, "masterids=1") == b"tradingPermission/ldeps\n8\nmasterids=1\n"
    )
    assert wire.HEARTBEAT_FRAME == b"[]"
    assert wire.encode({"price": Decimal("4800.10")}) == b'{"price":4800.10}'


def test_one_bad_message_costs_only_itself():
    frame = wire.parse_frame(b'a[{"i":1,"s":200},{"i":"x"},7,{"e":"props","d":{}}]')
    assert isinstance(frame, wire.Messages)
    assert len(frame.readable) == 2 and [raw for raw, _ in frame.unreadable] == [b'{"i":"x"}', b"7"]


def test_entities_may_come_as_an_array_without_event_type():
    data = msgspec.Raw(
        b'{"entityType":"Order","entity":[{"id":1,"accountId":2,"action":"Buy"},{"id":"x"},'
        b'{"id":3,"accountId":2,"action":"Sell"}]}'
    )
    entities, unreadable = props_entities(data)
    assert [entity.id for entity in entities] == [1, 3] and len(unreadable) == 1
    assert props_entities(msgspec.Raw(b'{"entityType":"userPlugin","entity":{"id":1}}')) == ([], [])
    deleted = msgspec.Raw(b'{"entityType":"order","eventType":"Deleted","entity":{"id":1}}')
    assert props_entities(deleted) == ([], [])


@given(st.binary(max_size=80))
def test_no_bytes_do_more_than_be_unreadable(data: bytes):
    try:
        frame = wire.parse_frame(data)
    except wire.Unreadable:
        return
    if isinstance(frame, wire.Messages):
        for envelope in frame.readable:
            with contextlib.suppress(msgspec.DecodeError):
                props_entities(envelope.d)
            judge(200, envelope.d, needs_order_id=True)


@given(st.text())
def test_what_reaches_the_screen_prints(text: str):
    assert wire.clean(text).isprintable()
    assert wire.clean("a\x1b[31m\x9b\u202eb\n") == "a [31m b"


@pytest.mark.parametrize(
    ("status", "data", "expected"),
    [
        (200, b'{"orderId":5}', Taken(5)),
        (200, b'{"orderId":5,"failureReason":"Success","failureText":""}', Taken(5)),
        (200, b"{}", Unproven("the venue's answer names no order")),
        (200, b"<html>", Unproven("the venue's answer cannot be read")),
        (500, b"", Unproven("the venue answers 500, which proves nothing")),
        (0, b"null", Unproven("the venue answers 0, which proves nothing")),
        (200, b'{"errorText":"no such contract"}', Refused(RejectClass.OTHER, "no such contract")),
        (
            200,
            b'{"violations":[{"constraint":"min","value":0,"description":"qty"}]}',
            Refused(RejectClass.OTHER, "qty"),
        ),
        (400, b'"bad"', Refused(RejectClass.OTHER, "the venue answers 400: bad")),
        (401, b"", Refused(RejectClass.AUTH, "the venue answers 401: no access", token_dead=True)),
    ],
)
def test_only_proof_is_an_outcome(status: int, data: bytes, expected: object):
    assert judge(status, data, needs_order_id=True) == expected


def test_every_failure_reason_has_a_class():
    reasons = [
        "AccountClosed",
        "AdvancedTrailingStopUnsupported",
        "AnotherCommandPending",
        "BackMonthProhibited",
        "ExecutionProviderNotConfigured",
        "ExecutionProviderUnavailable",
        "InvalidContract",
        "InvalidPrice",
        "LiquidationOnly",
        "LiquidationOnlyBeforeExpiration",
        "MaxOrderQtyIsNotSpecified",
        "MaxOrderQtyLimitReached",
        "MaxPosLimitMisconfigured",
        "MaxPosLimitReached",
        "MaxTotalPosLimitReached",
        "MultipleAccountPlanRequired",
        "NoQuote",
        "NotEnoughLiquidity",
        "OtherExecutionRelated",
        "ParentRejected",
        "RiskCheckTimeout",
        "SessionClosed",
        "TooLate",
        "TradingLocked",
        "TrailingStopNonOrderQtyModify",
        "Unauthorized",
        "UnknownReason",
        "Unsupported",
    ]
    other = {reason for reason in reasons if reject_class(reason, "") is RejectClass.OTHER}
    assert other == {
        "AdvancedTrailingStopUnsupported",
        "OtherExecutionRelated",
        "ParentRejected",
        "TooLate",
        "TrailingStopNonOrderQtyModify",
        "UnknownReason",
        "Unsupported",
    }
    assert reject_class("OtherExecutionRelated", "Not enough Buying Power") is RejectClass.MARGIN


def test_secrets_are_cut_out_of_what_is_kept():
    raw = b'{"token":"abc\\"def","x":"abc\\"def' + b"y" * 5000
    kept = wire.redact(raw, ['abc"def'])
    assert "abc" not in kept and "[redacted]" in kept and len(kept) <= wire.KEPT_CHARS
