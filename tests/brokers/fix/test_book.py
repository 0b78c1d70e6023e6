"""What reports of both versions add up to: the facts page's own frames, missed fills, corrections, chains."""

from decimal import Decimal

import pytest

from brokers.fix.book import Book, Booked
from brokers.fix.reports import Kind, Report, read_report
from brokers.fix.wire import Framer, Message, encode
from schema.records import DoneOrder, DoneStatus, LiveOrder, LiveStatus
from tests.brokers.fix.raw import checked, golden, wrap

NS = 1_000_000_000
START_NS = 1_795_227_588 * NS  # 2026-11-21 02:19:48, the frames' own time

GOLDEN = """
8=FIX.4.2|9=69|35=A|49=DESK42|56=QT|34=1|52=20261121-02:19:48.541|98=0|108=30|141=Y|10=099|
8=FIX.4.2|9=69|35=A|34=1|49=QT|52=20261121-02:19:48.541|56=DESK42|98=0|108=30|141=Y|10=099|
8=FIX.4.2|9=118|35=D|49=DESK42|56=QT|34=2|52=20261121-02:19:48.541|11=C1|1=SIM1|21=1|55=ESZ6|54=1|60=20261121-02:19:48|38=3|40=1|59=0|10=250|
8=FIX.4.2|9=166|35=8|34=2|49=QT|52=20261121-02:19:48.542|56=DESK42|1=SIM1|6=0|11=C1|14=0|17=E2|20=0|31=0|32=0|37=O1|38=3|39=0|40=1|54=1|55=ESZ6|59=0|60=20261121-02:19:48|150=0|151=3|10=055|
8=FIX.4.2|9=178|35=8|34=3|49=QT|52=20261121-02:19:48.542|56=DESK42|1=SIM1|6=5000.25|11=C1|14=1|17=E3|20=0|31=5000.25|32=1|37=O1|38=3|39=1|40=1|54=1|55=ESZ6|59=0|60=20261121-02:19:48|150=1|151=2|10=147|
8=FIX.4.2|9=178|35=8|34=4|49=QT|52=20261121-02:19:48.542|56=DESK42|1=SIM1|6=5000.25|11=C1|14=3|17=E4|20=0|31=5000.25|32=2|37=O1|38=3|39=2|40=1|54=1|55=ESZ6|59=0|60=20261121-02:19:48|150=2|151=0|10=152|
8=FIX.4.2|9=183|35=8|34=6|49=QT|52=20261121-02:19:48.595|56=DESK42|1=SIM1|6=0|11=C3|14=0|17=E7|20=0|31=0|32=0|37=O5|38=2|39=5|40=2|41=C2|44=4991.25|54=1|55=ESZ6|59=1|60=20261121-02:19:48|150=5|151=2|10=129|
8=FIX.4.2|9=183|35=8|34=7|49=QT|52=20261121-02:19:48.595|56=DESK42|1=SIM1|6=0|11=C4|14=0|17=E8|20=0|31=0|32=0|37=O5|38=2|39=4|40=2|41=C3|44=4991.25|54=1|55=ESZ6|59=1|60=20261121-02:19:48|150=4|151=0|10=129|
8=FIX.4.2|9=86|35=9|34=8|49=QT|52=20261121-02:19:48.595|56=DESK42|11=C5|37=O1|39=2|41=C1|102=0|434=1|10=098|
8=FIX.4.2|9=194|35=8|34=9|49=QT|52=20261121-02:19:48.595|56=DESK42|1=SIM1|6=0|11=C1|14=0|17=E10|20=0|31=0|32=0|37=O9|38=1|39=8|40=1|54=1|55=ESZ6|58=Duplicate ClOrdID|59=0|60=20261121-02:19:48|103=6|150=8|151=0|10=088|
8=FIX.4.2|9=100|35=3|34=10|49=QT|52=20261121-02:19:48.596|56=DESK42|45=8|58=Required tag missing|371=55|372=D|373=1|10=025|
8=FIX.4.2|9=97|35=j|34=11|49=QT|52=20261121-02:19:48.596|56=DESK42|45=9|58=Unsupported Message Type|372=H|380=3|10=139|
8=FIX.4.2|9=62|35=0|34=12|49=QT|52=20261121-02:19:48.596|56=DESK42|112=PING1|10=114|
8=FIX.4.2|9=197|35=8|34=2|43=Y|49=QT|52=20261121-02:19:48.596|56=DESK42|122=20261121-02:19:48.542|1=SIM1|6=0|11=C1|14=0|17=E2|20=0|31=0|32=0|37=O1|38=3|39=0|40=1|54=1|55=ESZ6|59=0|60=20261121-02:19:48|150=0|151=3|10=070|
8=FIX.4.4|9=173|35=8|34=4|49=QT|52=20261121-02:20:19.750|56=DESK44|1=SIM1|6=5000.25|11=C1|14=3|17=E4|31=5000.25|32=2|37=O1|38=3|39=2|40=1|54=1|55=ESZ6|59=0|60=20261121-02:20:19|150=F|151=0|10=200|
8=FIX.4.4|9=113|35=j|34=8|49=QT|52=20261121-02:19:51.644|56=DESK44|45=8|58=Conditionally Required Field Missing (55)|372=D|380=5|10=190|
""".strip().splitlines()  # noqa: E501 - frames as the engine wrote them (protocols/fix.md C9)


def read(line: str) -> Message:
    (found,) = Framer().feed(golden(line))
    assert isinstance(found, Message)
    return found


@pytest.mark.parametrize("line", GOLDEN, ids=lambda line: line.split("|")[2] + "," + line.split("|")[3])
def test_golden_frame_is_read_and_written_again_to_the_byte(line: str) -> None:
    message = read(line)
    inner = [field for field in message.fields if field[0] not in (8, 9, 35, 10)]
    assert encode(message.get(8), message.msg_type, inner) == golden(line)


def book() -> Book:
    found = Book()
    found.accounts = {"SIM1": "SIM1"}
    return found


def report(version: str = "FIX.4.2", **fields: str) -> Report:
    """A report with the usual fields, some of them changed: ``report(_150="1", _39="1")``."""
    usual = {"1": "SIM1", "6": "0", "11": "C1", "14": "0", "17": "E1", "20": "0", "31": "0", "32": "0", "37": "O1",
             "38": "3", "39": "0", "40": "2", "44": "5000", "54": "1", "55": "ESZ6", "60": "20261121-02:19:48",
             "150": "0", "151": "3"}  # fmt: skip
    usual |= {tag.lstrip("_"): value for tag, value in fields.items()}
    if version != "FIX.4.2":
        del usual["20"]
    body = "35=8|34=2|49=QT|52=20261121-02:19:48.542|56=DESK|" + "".join(f"{t}={v}|" for t, v in usual.items() if v)
    (message,) = Framer().feed(wrap(version, body))
    assert isinstance(message, Message)
    found = read_report(message)
    assert isinstance(found, Report), found
    return found


def fill(cum: int, last: int, px: str = "5000", avg: str = "", version: str = "FIX.4.2", **more: str) -> Report:
    whole = cum == 3
    kind = "F" if version != "FIX.4.2" else ("2" if whole else "1")
    fields = {"_14": str(cum), "_32": str(last), "_31": px, "_6": avg or px, "_150": kind, "_17": f"E{cum}"}
    return report(version, **{**fields, "_39": "2" if whole else "1", **more})


def booked(on: Book, what: Report) -> Booked:
    found = on.book(what)
    assert isinstance(found, Booked), found
    return found


def test_golden_order_of_4_2_is_three_bought_at_5000_25() -> None:
    on = book()
    fills = [each for line in GOLDEN[3:6] for each in booked(on, _report_of(line)).fills]
    assert [(each.qty, each.price) for each in fills] == [(1, Decimal("5000.25")), (2, Decimal("5000.25"))]
    (order,) = on.orders()
    assert isinstance(order, DoneOrder)
    assert (order.status, order.filled_qty, order.cl_ord_id) == (DoneStatus.FILLED, 3, "C1")
    assert on.positions()[0].net_qty == 3


def test_golden_chain_of_4_2_ends_canceled_under_its_first_id() -> None:
    on = book()
    booked(on, report(_11="C2", _37="O5", _38="1"))
    for line in GOLDEN[6:8]:
        booked(on, _report_of(line))
    (order,) = on.orders()
    assert isinstance(order, DoneOrder)
    assert (order.cl_ord_id, order.order_id, order.status) == ("C2", "O5", DoneStatus.CANCELED)


def test_golden_duplicate_reject_leaves_the_order_that_has_the_id_alone() -> None:
    on = book()
    for line in GOLDEN[3:6]:
        booked(on, _report_of(line))
    assert booked(on, _report_of(GOLDEN[9])).duplicate
    assert on.orders()[0].filled_qty == 3
    assert isinstance(on.orders()[0], DoneOrder)
    assert on.orders()[0].status is DoneStatus.FILLED


def _report_of(line: str) -> Report:
    found = read_report(read(line))
    assert isinstance(found, Report)
    return found


@pytest.mark.parametrize(
    ("version", "fields", "kind"),
    [
        ("FIX.4.2", {"_150": "0"}, Kind.NEW),
        ("FIX.4.2", {"_150": "1", "_32": "1", "_14": "1"}, Kind.TRADE),
        ("FIX.4.2", {"_150": "2", "_32": "3", "_14": "3"}, Kind.TRADE),
        ("FIX.4.2", {"_150": "1", "_32": "0"}, Kind.STATUS),
        ("FIX.4.2", {"_150": "2", "_20": "1"}, Kind.TAKEN_BACK),
        ("FIX.4.2", {"_150": "2", "_20": "2"}, Kind.TAKEN_BACK),
        ("FIX.4.2", {"_150": "0", "_20": "3"}, Kind.STATUS),
        ("FIX.4.2", {"_150": "5"}, Kind.REPLACED),
        ("FIX.4.2", {"_150": "6"}, Kind.PENDING),
        ("FIX.4.2", {"_150": "8", "_39": "8"}, Kind.REJECTED),
        ("FIX.4.2", {"_150": "C", "_39": "C"}, Kind.OTHER),
        ("FIX.4.4", {"_150": "F", "_32": "1", "_14": "1"}, Kind.TRADE),
        ("FIX.4.4", {"_150": "G"}, Kind.TAKEN_BACK),
        ("FIX.4.4", {"_150": "H"}, Kind.TAKEN_BACK),
        ("FIX.4.4", {"_150": "I"}, Kind.STATUS),
        ("FIX.4.4", {"_150": "A", "_39": "A"}, Kind.PENDING),
        ("FIX.4.4", {"_150": "E", "_39": "E"}, Kind.PENDING),
        ("FIX.4.4", {"_150": "4", "_39": "4"}, Kind.OTHER),
    ],
)
def test_both_versions_say_the_same_in_their_own_way(version: str, fields: dict[str, str], kind: Kind) -> None:
    assert report(version, **fields).kind is kind


def test_fill_is_booked_once_however_often_it_comes() -> None:
    on = book()
    assert len(booked(on, fill(1, 1)).fills) == 1
    assert booked(on, fill(1, 1)).fills == []
    assert booked(on, fill(1, 1, _17="OTHER")).fills == []
    assert on.positions()[0].net_qty == 1


def test_fill_before_the_new_report_is_taken_and_the_late_new_wakes_nothing() -> None:
    on = book()
    booked(on, fill(3, 3))
    booked(on, report(_150="0", _39="0"))
    assert isinstance(on.orders()[0], DoneOrder)
    assert on.positions()[0].net_qty == 3


@pytest.mark.parametrize("version", ["FIX.4.2", "FIX.4.4"])
def test_missed_fills_are_booked_at_the_price_that_makes_the_average_right(version: str) -> None:
    on = book()
    first = booked(on, fill(3, 1, px="5003", avg="5001", version=version)).fills
    assert [(each.qty, each.price) for each in first] == [(2, Decimal("5000")), (1, Decimal("5003"))]
    assert on.orders()[0].avg_price == Decimal("5001")


def test_status_that_shows_more_filled_is_one_fill_with_the_name_the_lost_one_had() -> None:
    """A fill learned from a status, after its own report was lost, is the same fill to whoever saw it before."""
    lost = booked(book(), fill(3, 3)).fills[0]
    found = booked(book(), report(_20="3", _150="2", _39="2", _14="3", _6="5000")).fills[0]
    assert found == lost


def test_fill_taken_back_moves_the_position_and_the_next_one_has_another_name() -> None:
    on = book()
    first = booked(on, fill(3, 3)).fills[0]
    back = booked(on, fill(1, 0, _20="1", _39="1", _150="1", _6="5000"))
    assert back.corrected
    assert on.positions()[0].net_qty == 1
    again = booked(on, fill(3, 2, avg="5000")).fills[0]
    assert again.fill_id != first.fill_id
    assert on.positions()[0].net_qty == 3


def test_pending_cancel_and_replace_leave_the_order_as_it_is() -> None:
    on = book()
    booked(on, report())
    booked(on, report(_11="C2", _41="C1", _150="E", _39="E", _38="9"))
    booked(on, report(_11="C3", _41="C1", _150="6", _39="6"))
    (order,) = on.orders()
    assert isinstance(order, LiveOrder)
    assert (order.qty, order.cl_ord_id, order.status) == (3, "C1", LiveStatus.WORKING)


def test_unsolicited_cancel_without_41_ends_the_order() -> None:
    on = book()
    booked(on, report())
    booked(on, report(_150="4", _39="4"))
    assert isinstance(on.orders()[0], DoneOrder)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"_1": "OTHER"}, "not of this login"),
        ({"_55": ""}, "names no contract"),
    ],
)
def test_report_that_can_not_be_placed_is_said_not_guessed(fields: dict[str, str], why: str) -> None:
    found = book().book(report(**fields))
    assert isinstance(found, str)
    assert why in found


def test_half_a_contract_is_not_booked() -> None:
    body = "35=8|34=2|49=QT|52=20261121-02:19:48.542|56=DESK|11=C1|17=E1|37=O1|39=1|54=1|14=0.5|32=0.5|150=1|"
    (message,) = Framer().feed(wrap("FIX.4.2", body))
    assert isinstance(message, Message)
    assert isinstance(read_report(message), str)


def test_position_turns_with_the_right_average() -> None:
    on = book()
    booked(on, fill(3, 3, px="5000"))
    booked(on, fill(3, 3, px="5010", _11="C2", _37="O2", _54="2"))
    assert on.positions() == ()
    booked(on, fill(3, 3, px="5020", _11="C3", _37="O3", _54="2"))
    (position,) = on.positions()
    assert (position.net_qty, position.avg_price) == (-3, Decimal("5020"))


def test_book_is_the_same_after_being_kept_and_taken_up() -> None:
    on = book()
    booked(on, fill(1, 1))
    booked(on, report(_11="C2", _37="O2"))
    rows, gone = on.take_changes()
    assert gone == []
    assert on.take_changes() == ([], [])
    other = book()
    other.load(rows)
    assert (other.orders(), other.positions(), other.fills) == (on.orders(), on.positions(), on.fills)
    assert booked(other, fill(1, 1)).fills == []


def test_checked_reads_what_encode_writes() -> None:
    (found,) = checked(encode("FIX.4.4", "0", [(34, "1"), (49, "A"), (56, "B"), (52, "20261121-02:19:48.542")]))
    assert found["35"] == "0"


def test_fills_of_a_venue_whose_clock_is_days_behind_are_not_forgotten_at_the_next_start() -> None:
    on = book()
    on.now_ns = START_NS + 10 * 86_400 * NS
    booked(on, fill(3, 3))
    rows, _ = on.take_changes()
    other = book()
    other.load(rows)
    other.forget_old(on.now_ns + NS)
    assert len(other.fills) == 1
    other.forget_old(on.now_ns + 3 * 86_400 * NS)
    assert (other.fills, other.orders()) == ({}, ())
