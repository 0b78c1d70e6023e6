"""Contracts and prices at ProjectX: lean hogs are quoted in dollars there, in cents at the exchange."""

from datetime import date
from decimal import Decimal

import msgspec
import pytest

from brokers.projectx import wire
from brokers.projectx.translate import (
    UnknownContract,
    fill_of,
    instrument_of,
    order_of,
    place_body,
    position_of,
    quoted,
    symbol_of,
    symbol_segment,
    theirs,
)
from engine.instruments import disagreement
from schema.records import ApprovedOrder, OrderType, Side

HOGS = "CON.F.US.HE.Z26"
LISTED = b"""{"id":"CON.F.US.HE.Z26","name":"HEZ6","tickSize":0.00025,"tickValue":10,"activeContract":true,
"symbolId":"F.US.HE"}"""


def entity(kind: type, **fields: object) -> object:
    return msgspec.json.decode(msgspec.json.encode(fields), type=kind)


def test_a_scaled_tick_is_the_exchanges_own_and_agrees_with_the_product_table() -> None:
    found = instrument_of(msgspec.json.decode(LISTED, type=wire.Contract), "", date(2026, 11, 25))
    assert (found.symbol, found.tick_size, found.tick_value) == ("HEZ6", Decimal("0.025"), Decimal(10))
    assert (found.month, found.front) == (202612, "HEZ6")
    assert disagreement(found, "projectx") == ""


def test_a_tick_of_the_exchanges_scale_there_would_arm_nobody() -> None:
    other = LISTED.replace(b"0.00025", b"0.025")
    found = instrument_of(msgspec.json.decode(other, type=wire.Contract), "", date(2026, 11, 25))
    assert disagreement(found, "projectx").startswith("tick size of HEZ6 is 2.5 at projectx and 0.025 in the product")


def test_a_month_that_is_not_the_symbols_arms_nobody() -> None:
    found = instrument_of(msgspec.json.decode(LISTED, type=wire.Contract), "", date(2026, 11, 25))
    wrong = msgspec.structs.replace(found, month=203606)
    assert disagreement(wrong, "projectx") == ("month of HEZ6 is 203606 at projectx: not armed, check the symbol map")


def test_prices_go_out_in_dollars_and_come_back_in_cents() -> None:
    made = order(OrderType.LIMIT, limit_price=Decimal("80.025"))
    assert msgspec.json.decode(place_body(made, 7, HOGS))["limitPrice"] == pytest.approx(0.80025)
    assert theirs(Decimal("80.025"), HOGS) == Decimal("0.80025")
    common = {"id": 1, "accountId": 7, "contractId": HOGS, "creationTimestamp": "2026-11-25T12:00:00Z", "size": 1}
    resting = entity(wire.Order, status=1, type=1, side=0, limitPrice=0.80025, **common)
    assert order_of(resting, "A", "", (0, 0)).limit_price == Decimal("80.025")  # type: ignore[arg-type]
    trade = entity(wire.Trade, price=0.8, side=0, orderId=1, voided=False, **common)
    assert fill_of(trade, "A", "").price == Decimal(80)  # type: ignore[arg-type]
    held = entity(wire.Position, type=1, averagePrice=0.8, **common)
    assert position_of(held, "A").avg_price == Decimal(80)  # type: ignore[arg-type]
    assert quoted(0.8, HOGS) == pytest.approx(80)


def test_every_other_price_is_left_alone_to_the_digit() -> None:
    made = order(OrderType.STOP, stop_price=Decimal("4800.250"))
    assert b"4800.250" in place_body(made, 7, "CON.F.US.EP.Z26")
    assert quoted(0.1, "CON.F.US.EP.Z26") == 0.1


def test_names_are_taken_apart_whole() -> None:
    assert symbol_of("CON.F.US.EP.Z26") == "ESZ6"
    assert symbol_segment("ESZ6") == "F.US.EP" and symbol_segment("MESZ6") == "F.US.MES"
    for wrong in ("CON.F.US.EP.Z6", "F.US.EP", "CON.F.US.EP.Z26.X", ""):
        with pytest.raises(UnknownContract):
            symbol_of(wrong)


def order(order_type: OrderType, **prices: Decimal) -> ApprovedOrder:
    return ApprovedOrder(
        account="A",
        venue_account_id="7",
        symbol="HEZ6",
        side=Side.BUY,
        qty=1,
        order_type=order_type,
        cl_ord_id="cd1",
        reducing=False,
        **prices,
    )
