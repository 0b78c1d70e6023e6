"""The page's golden frames byte for byte, and a decoder that nothing can break (`protocols/ninjatrader.md B9`)."""

import time
from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.ninjatrader import wire
from brokers.ninjatrader.names import instrument_name, state_word, status_of, symbol_of
from brokers.ninjatrader.stream import AT_ONCE
from brokers.ninjatrader.values import (
    AvgPrice,
    EntryPrice,
    Fact,
    FilledQty,
    Interface,
    Money,
    NetPosition,
    OrderIds,
    OrderState,
    Price,
    read,
)
from brokers.ninjatrader.wire import Decoder, Overlong, Unread, Value
from schema.records import DoneStatus, LiveStatus, OrderType, Side, TimeInForce
from schema.symbols import UnknownProduct

TODAY = date(2026, 11, 18)


def golden(text: str) -> bytes:
    """A frame of the page, ``·`` for the NUL."""
    return text.replace("·", "\0").encode("ascii")


def bought(**more: object) -> wire.Command:
    chosen: dict[str, object] = {
        "account": "Sim101",
        "instrument": "ES 12-26",
        "side": Side.BUY,
        "qty": 2,
        "order_type": OrderType.MARKET,
        "order_id": "OID1",
        **more,
    }
    return wire.place(**chosen)  # type: ignore[arg-type]


def test_commands_are_the_pages_golden_frames() -> None:
    assert bought().frame == golden("0·PLACE;Sim101;ES 12-26;BUY;2;MARKET;0;0;DAY;;OID1;;·")
    assert wire.cancel("OID1").frame == golden("0·CANCEL;;;;0;;0;0;;;OID1;;·")
    assert wire.close_position("Sim101", "ES 12-26").frame == golden("0·CLOSEPOSITION;Sim101;ES 12-26;;0;;0;0;;;;;·")
    assert wire.subscribe("ES 12-26") == golden("4·ES 12-26·1·")


def test_a_file_leaves_out_what_is_not_meant() -> None:
    command = bought(
        order_type=OrderType.LIMIT, limit_price=Decimal("5000.25"), time_in_force=TimeInForce.GTC, order_id="OID2"
    )
    assert command.line == b"PLACE;Sim101;ES 12-26;BUY;2;LIMIT;5000.25;;GTC;;OID2;;\r\n"
    assert wire.cancel("OID2").line == b"CANCEL;;;;;;;;;;OID2;;\r\n"
    assert wire.close_position("Sim101", "ES 12-26").line == b"CLOSEPOSITION;Sim101;ES 12-26;;;;;;;;;;\r\n"


@pytest.mark.parametrize(
    ("order_type", "prices", "said"),
    [
        (OrderType.STOP, {"stop_price": Decimal("5000.50")}, "STOPMARKET;0;5000.5;DAY"),
        (OrderType.STOP_LIMIT, {"stop_price": Decimal(5000), "limit_price": Decimal(4999)}, "STOPLIMIT;4999;5000;DAY"),
        (OrderType.LIMIT, {"limit_price": Decimal("5E+3")}, "LIMIT;5000;0;DAY"),
        (OrderType.LIMIT, {"limit_price": Decimal("0.0000005")}, "LIMIT;0.0000005;0;DAY"),
        (OrderType.MARKET, {"limit_price": Decimal(7)}, "MARKET;0;0;DAY"),
    ],
)
def test_prices_have_a_point_and_no_exponent(order_type: OrderType, prices: dict[str, Decimal], said: str) -> None:
    assert f";{said};" in bought(order_type=order_type, **prices).frame.decode()


def test_a_change_leaves_a_price_that_is_not_named() -> None:
    command = wire.change(order_id="OID1", qty=3, stop_price=Decimal("4990.25"))
    assert command.frame == golden("0·CHANGE;;;;3;;0;4990.25;;;OID1;;·")


@pytest.mark.parametrize("name", ["", "a;b", "a|b", "a\0b", "a\nb", "Zürich", "\x1b[2J"])
@pytest.mark.parametrize("field", ["account", "instrument", "order_id"])
def test_a_name_that_would_break_out_of_its_field_is_refused(field: str, name: str) -> None:
    with pytest.raises(ValueError, match="can't be written"):
        bought(**{field: name})


@pytest.mark.parametrize("tif", [TimeInForce.IOC, TimeInForce.FOK])
def test_only_day_and_gtc_orders_can_be_said(tif: TimeInForce) -> None:
    with pytest.raises(ValueError, match="day and GTC"):
        bought(time_in_force=tif)


def test_the_two_commands_of_all_accounts_can_not_be_built() -> None:
    """Whatever its functions are given, what they build begins with one of four words, in thirteen fields."""
    word = "FLATTENEVERYTHING"
    made = [bought(account=word, instrument=word, order_id=word), wire.cancel(word), wire.close_position(word, word)]
    made.append(wire.change(order_id=word, qty=1))
    assert {each.fields[0] for each in made} == {"PLACE", "CANCEL", "CLOSEPOSITION", "CHANGE"}
    assert all(len(each.fields) == 13 for each in made)
    for file in Path(wire.__file__).parent.glob("*.py"):  # and no other part of the adapter writes them either
        assert word not in file.read_text() and "CANCELALLORDERS" not in file.read_text(), file.name


# --- in --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "fact"),
    [
        ("2·ATI·True·", Interface(on=True)),
        ("2·ATI·False·", Interface(on=False)),
        ("2·MarketData|ES 12-26|2·5000.25·", Price(instrument="ES 12-26", kind="last", price=Decimal("5000.25"))),
        ("2·MarketData|ES 12-26|1·5000.0·", Price(instrument="ES 12-26", kind="bid", price=Decimal("5000.0"))),
        ("2·Orders|Sim101·OID1·", OrderIds(account="Sim101", ids=("OID1",))),
        ("2·Orders|Sim101·A|B·", OrderIds(account="Sim101", ids=("A", "B"))),
        ("2·OrderStatus|OID1·Working·", OrderState(order_id="OID1", word="working")),
        ("2·Filled|OID1·2·", FilledQty(order_id="OID1", qty=2)),
        ("2·AvgFillPrice|OID1·5000.25·", AvgPrice(order_id="OID1", price=Decimal("5000.25"))),
        ("2·MarketPosition|ES 12-26|Sim101·-2·", NetPosition(account="Sim101", instrument="ES 12-26", net_qty=-2)),
        ("2·AvgEntryPrice|ES 12-26|Sim101·1·", EntryPrice(account="Sim101", instrument="ES 12-26", price=Decimal(1))),
        ("2·CashValue|Sim101·100000·", Money(account="Sim101", kind="CashValue", amount=Decimal(100000))),
        ("2·StopOrders|S1·X·", None),
    ],
)
def test_values_of_the_page_are_read(frame: str, fact: Fact | None) -> None:
    (value,) = Decoder().feed(golden(frame))
    assert isinstance(value, Value)
    assert read(value.key, value.value) == fact


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("Filled|O", "x"), ("Filled|O", "-1"), ("Filled|O", "1,5"), ("Filled|O", "NaN"), ("AvgFillPrice|O", "5.000,25"),
        ("MarketPosition|ES 12-26|A", "1.5"), ("CashValue|A", "1_000"), ("OrderStatus|O", ""), ("MarketData|ES|7", "1"),
    ],
)  # fmt: skip
def test_a_number_in_another_countrys_writing_is_not_guessed(key: str, value: str) -> None:
    assert isinstance(read(key, value), str)


texts = st.binary(max_size=12).map(lambda each: each.replace(b"\0", b""))


@given(st.lists(texts, max_size=40), st.lists(st.integers(0, 300), max_size=8))
def test_any_texts_cut_anywhere_give_the_same_messages_and_none_is_lost(parts: list[bytes], cuts: list[int]) -> None:
    """Every text is a field of a value, or of something that was kept as unread, or the begin of a message to come."""
    data = b"".join(part + b"\0" for part in parts)
    whole = Decoder().feed(data)
    decoder, pieces = Decoder(), sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    cut_up = [m for a, b in pairwise(pieces) for m in decoder.feed(data[a:b])]
    assert cut_up == whole
    told = sum(3 if isinstance(each, Value) else 0 for each in whole)
    told += sum(len(each.texts) for each in whole if isinstance(each, Unread))
    assert 0 <= len(parts) - told <= 5


@given(st.binary(max_size=400))
def test_any_bytes_at_all_are_survived(data: bytes) -> None:
    for each in Decoder().feed(data):
        if isinstance(each, Value):
            read(each.key, each.value)


@given(st.integers(1, 3), st.binary(min_size=1, max_size=6).map(lambda each: b"?" + each.replace(b"\0", b"")))
def test_a_stream_out_of_step_is_in_step_again_after_two_values(count: int, junk: bytes) -> None:
    values = [f"2\0Filled|O{n}\0{n}\0".encode() for n in range(6)]
    found = Decoder().feed((junk + b"\0") * count + b"".join(values))
    read_again = [each for each in found if isinstance(each, Value)]
    assert read_again[-4:] == [Value(key=f"Filled|O{n}", value=str(n)) for n in range(2, 6)]
    assert any(isinstance(each, Unread) for each in found)


def test_a_text_without_an_end_is_not_read_for_ever() -> None:
    decoder = Decoder()
    with pytest.raises(Overlong):
        for _ in range(20):
            decoder.feed(b"x" * 65_536)


# --- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("symbol", "numbers", "words"),
    [("ESZ6", "ES 12-26", "ES DEC26"), ("MESH7", "MES 03-27", "MES MAR27"), ("6EH4", "6E 03-34", "6E MAR34")],
)
def test_contracts_have_their_names_both_ways(symbol: str, numbers: str, words: str) -> None:
    assert instrument_name(symbol, TODAY) == numbers
    assert instrument_name(symbol, TODAY, month_words=True) == words
    for name in (numbers, words, f"{numbers} Globex"):
        assert symbol_of(name) == symbol


@pytest.mark.parametrize("name", ["AAPL", "ES", "ES 13-26", "ES XXX26", "^SP500", ""])
def test_what_is_no_future_has_no_contract(name: str) -> None:
    with pytest.raises(UnknownProduct):
        symbol_of(name)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("Part filled", LiveStatus.WORKING), ("PartFilled", LiveStatus.WORKING),
        ("Partially filled", LiveStatus.WORKING), ("Cancel pending", LiveStatus.WORKING),
        ("ChangeSubmitted", LiveStatus.WORKING), ("Trigger pending", LiveStatus.WORKING),
        ("Initialized", LiveStatus.PENDING), ("Cancelled", DoneStatus.CANCELED), ("Rejected", DoneStatus.REJECTED),
        ("Filled", DoneStatus.FILLED), ("Exploded", None),
    ],
)  # fmt: skip
def test_states_are_known_in_either_spelling(text: str, status: object) -> None:
    assert status_of(state_word(text)) is status


def test_a_long_list_of_orders_costs_by_its_length() -> None:
    """An account's list comes whole with each order of a session, in small pieces: looked through from its beginning
    with each piece, ten times as much would cost a hundred times as long."""

    def cost_s(orders: int) -> float:
        data = golden(f"3·Orders|Sim101·{'|'.join(f'{number:032}' for number in range(orders))}·")
        pieces = [data[at : at + AT_ONCE] for at in range(0, len(data), AT_ONCE)]
        found: list[float] = []
        for _ in range(5):
            decoder, began_s = Decoder(), time.process_time()
            messages = [message for piece in pieces for message in decoder.feed(piece)]
            found.append(time.process_time() - began_s)
            assert len(messages) == 1
        return min(found)

    assert cost_s(30_000) < 40 * cost_s(3_000)
