"""The FIX adapter, through its port, against an acceptor written from the facts page alone (`fix_server.py`): every
test is something a venue may do by the page (C3 to C5), however nasty.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, cast

import pytest

from brokers.adapter import (
    Filled,
    MessageUnreadable,
    OrderAccepted,
    OrderRejected,
    OrderUnknown,
    OrderUpdated,
    RequestRefused,
    RequestUnknown,
    StreamDown,
)
from brokers.sessions import MemorySessions
from schema.records import DoneStatus, LiveOrder, OrderType
from tests.brokers.fix.door import Practice, Seat, seat, until
from tests.peers.fix_client import BOTH
from tests.peers.fix_server import Server

PX = Decimal("5000.25")


@asynccontextmanager
async def desk(version: str, dialect: str = "generic", **more: Any) -> AsyncIterator[tuple[Server, Seat]]:
    """A venue and an adapter that is up on it."""
    async with (
        Server(version) as venue,
        seat(cast(Practice, venue), version, dialect, accounts=("SIM1",), **more) as on,
    ):
        yield venue, on


async def resting(venue: Server, on: Seat, name: str = "C1", qty: int = 3) -> None:
    await on.buy(name, qty, order_type=OrderType.LIMIT, limit_price=Decimal("4990.25"))
    await venue.expect({35: "D", 11: name})
    venue.tell(name, "0", qty=qty, body={40: 2, 44: "4990.25"})
    await on.one(OrderAccepted, name)


async def net(on: Seat) -> int:
    """What the reports added up to, by the adapter's own word."""
    held = on.adapter._book.holdings.get(("SIM1", "ESH4"))  # pyright: ignore[reportPrivateUsage]
    return held.net if held is not None else 0


async def settled(venue: Server, on: Seat) -> None:
    """All that was said up to now has been taken in."""
    await venue.in_step()
    assert on.adapter.health().state == "up", on.adapter.health().reason


# --- C4.2, C4.3, C4.9: logons and gaps ----------------------------------------------------------------------------


@BOTH
async def test_logon_answered_too_high_is_followed_by_one_resend_request(version: str) -> None:
    async with Server(version) as venue:
        venue.out = 7
        async with seat(cast(Practice, venue), version, accounts=("SIM1",)) as on:
            (asked,) = venue.kinds("2")
            assert asked.has({7: 1, 16: 0})
            await settled(venue, on)


@BOTH
async def test_test_request_while_the_gap_is_open_is_answered(version: str) -> None:
    async with Server(version) as venue:
        venue.mute = {"2"}
        venue.out = 4

        async def gap() -> None:
            await venue.expect({35: "2", 7: 1, 16: 0})
            venue.say("1", {112: "IN THE GAP"})
            venue.say("4", {123: "Y", 36: 3}, seq=1, again=True)
            venue.say("1", {112: "OLD"}, seq=3, again=True)
            venue.say("A", {98: 0, 108: 30}, seq=4, again=True)
            venue.say("1", {112: "IN THE GAP"}, seq=5, again=True)

        filling = asyncio.create_task(gap())
        async with seat(cast(Practice, venue), version, accounts=("SIM1",)) as on:
            await filling
            await settled(venue, on)
            answers = [each.get(112) for each in venue.kinds("0")]
            assert [each for each in answers if each == "IN THE GAP"] == ["IN THE GAP"]
            assert len(venue.kinds("2")) == 1


@BOTH
async def test_fill_in_a_gap_is_booked_once_with_live_messages_between(version: str) -> None:
    async with desk(version) as (venue, on):
        venue.mute = {"2"}
        await resting(venue, on)
        lost = venue.report("C1", "1", qty=3, cum=1, fill=(1, PX), exec_id="F1")
        later = venue.report("C1", "1", qty=3, cum=2, fill=(1, PX), exec_id="F2")
        number = venue.out - 2
        venue.write(later)
        await venue.expect({35: "2", 7: number, 16: 0})
        venue.tell("C1", "2", qty=3, cum=3, fill=(1, PX), exec_id="F3")
        assert lost
        for again, (status, cum) in enumerate([("1", 1), ("1", 2), ("2", 3)]):
            venue.tell("C1", status, qty=3, cum=cum, fill=(1, PX), exec_id=f"F{cum}", seq=number + again, again=True)
        await settled(venue, on)
        assert [each.fill.qty for each in on.all(Filled, "C1")] == [1, 1, 1]
        assert await net(on) == 3


@BOTH
async def test_gap_fill_over_a_message_that_is_here_already_loses_no_fill(version: str) -> None:
    async with desk(version) as (venue, on):
        venue.mute = {"2"}
        await resting(venue, on)
        number = venue.out
        venue.out += 1
        venue.tell("C1", "2", qty=3, cum=3, fill=(3, PX))
        await venue.expect({35: "2", 7: number, 16: 0})
        venue.say("4", {123: "Y", 36: venue.out}, seq=number, again=True)
        await settled(venue, on)
        assert on.filled("C1") == 3


@BOTH
async def test_reset_over_a_message_that_is_here_already_loses_no_fill(version: str) -> None:
    async with desk(version) as (venue, on):
        venue.mute = {"2"}
        await resting(venue, on)
        number = venue.out
        venue.out += 1
        venue.tell("C1", "2", qty=3, cum=3, fill=(3, PX))
        await venue.expect({35: "2", 7: number, 16: 0})
        venue.say("4", {36: venue.out}, seq=1)
        await settled(venue, on)
        assert on.filled("C1") == 3


@BOTH
async def test_reset_forward_is_followed_and_backward_rejected(version: str) -> None:
    async with desk(version) as (venue, on):
        venue.say("4", {123: "N", 36: 100}, seq=1)
        venue.out = 100
        await settled(venue, on)
        venue.say("4", {36: 5}, seq=1)
        await venue.expect({35: "3", 371: 36, 373: 5})
        await settled(venue, on)


@BOTH
async def test_venue_resets_both_sides_in_the_middle(version: str) -> None:
    async with desk(version) as (venue, on):
        await resting(venue, on)
        venue.out = 1
        venue.say("A", {98: 0, 108: 30, 141: "Y"})
        answer = await venue.expect({35: "A", 141: "Y"})
        assert answer.seq == 1
        venue.tell("C1", "2", qty=3, cum=3, fill=(3, PX))
        await settled(venue, on)
        assert on.filled("C1") == 3
        assert venue.came[-1].seq < 5


@BOTH
async def test_resend_of_everything_brings_no_order_and_ends_where_it_should(version: str) -> None:
    async with desk(version) as (venue, on):
        for number in range(5):
            await resting(venue, on, f"C{number}")
        await settled(venue, on)
        last = venue.came[-1].seq
        start = len(venue.came)
        venue.say("2", {7: 1, 16: 0})
        await settled(venue, on)
        again = venue.came[start:]
        assert "D" not in [each.kind for each in again]
        reached = 1
        for each in (each for each in again if each.again):
            assert each.seq == reached
            reached = int(each[36]) if each.kind == "4" else each.seq + 1
        assert reached == last + 1


@BOTH
async def test_too_low_without_possdup_is_a_logout_with_both_numbers_and_a_new_session(version: str) -> None:
    async with desk(version) as (venue, on):
        expected = venue.out
        venue.say("0", seq=1)
        said = await venue.expect({35: "5"})
        assert said[58] == f"MsgSeqNum too low, expecting {expected} but received 1"
        await on.ups(2)


# --- C4.9: patience ---------------------------------------------------------------------------------------------------


@BOTH
async def test_late_heartbeats_are_asked_for_and_the_session_stays(version: str) -> None:
    async with Server(version) as venue:
        venue.heartbeat = 1
        async with seat(cast(Practice, venue), version, accounts=("SIM1",)) as on:
            for _ in range(2):
                await venue.expect({35: "1"}, 4)
            assert on.all(StreamDown) == []
            venue.mute = {"1"}
            await until(lambda: bool(on.all(StreamDown)), 5)


# --- C4.7: bytes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("piece", [1, 7])
@BOTH
async def test_reports_cut_anywhere_are_put_together(version: str, piece: int) -> None:
    async with desk(version) as (venue, on):
        await resting(venue, on)
        raw = venue.report("C1", "1", qty=3, cum=1, fill=(1, PX)) + venue.report("C1", "2", qty=3, cum=3, fill=(2, PX))
        await venue.slowly(raw, piece)
        await settled(venue, on)
        assert on.filled("C1") == 3


@BOTH
async def test_garbled_fill_is_counted_and_comes_by_the_gap(version: str) -> None:
    async with desk(version) as (venue, on):
        venue.mute = {"2"}
        await resting(venue, on)
        number = venue.out
        venue.write(venue.report("C1", "2", qty=3, cum=3, fill=(3, PX), checksum=1))
        venue.say("0")
        await venue.expect({35: "2", 7: number, 16: 0})
        venue.tell("C1", "2", qty=3, cum=3, fill=(3, PX), seq=number, again=True)
        venue.say("4", {123: "Y", 36: venue.out}, seq=number + 1, again=True)
        await settled(venue, on)
        assert on.filled("C1") == 3
        assert len(on.all(MessageUnreadable)) == on.adapter.health().unreadable == 1


POISON: dict[str, dict[int, Any]] = {
    "quantity of thousands of digits": {14: "9" * 5_000},
    "price of thousands of digits": {31: "9" * 5_000, 6: "9" * 5_000},
    "quantity in powers of ten": {14: "1e999999"},
    "price in powers of ten": {31: "1e999999", 6: "1e999999"},
    "price beyond any market": {31: "9" * 27, 6: "9" * 27},
    "quantity beyond any order": {14: "9" * 17, 32: "9" * 17, 38: "9" * 17},
    "half a contract": {14: "0.5", 32: "0.5"},
    "price that is not a number": {31: "NaN", 6: "Infinity"},
    "underscores": {14: "1_0", 32: "1_0"},
}


@pytest.mark.parametrize("what", POISON)
@BOTH
async def test_poisonous_report_is_counted_and_the_session_goes_on(version: str, what: str) -> None:
    async with desk(version) as (venue, on):
        await resting(venue, on)
        venue.tell("C1", "1", qty=3, cum=1, fill=(1, PX), body=POISON[what])
        await settled(venue, on)
        assert on.adapter.health().unreadable == 1
        assert on.filled("C1") == 0
        venue.tell("C1", "2", qty=3, cum=3, fill=(3, PX))
        await settled(venue, on)
        assert on.filled("C1") == 3
        assert on.all(StreamDown) == []


@pytest.mark.parametrize("tag", [34, 36, 108, 112, 45])
@BOTH
async def test_number_of_thousands_of_digits_ends_at_most_the_session(version: str, tag: int) -> None:
    async with desk(version) as (venue, on):
        kind = {34: "0", 36: "4", 108: "A", 112: "1", 45: "3"}[tag]
        if tag == 34:
            venue.say(kind, seq=int("9" * 4_000))
        else:
            venue.out = 1 if tag == 108 else venue.out
            more = {98: 0, 141: "Y"} if tag == 108 else {123: "N"} if tag == 36 else {}
            venue.say(kind, {**more, tag: "9" * 5_000}, seq=1 if tag == 36 else None)
        venue.say("1", {112: "STILL THERE"})
        await until(lambda: venue.logons > 1 or "STILL THERE" in [each.get(112) for each in venue.kinds("0")])
        if venue.logons > 1:
            await on.ups(2)
        await on.buy("AFTER")
        await venue.expect({35: "D", 11: "AFTER"})


# --- C3: fills, whatever their order ----------------------------------------------------------------------------------


@BOTH
async def test_fill_before_the_new_report_counts_once(version: str) -> None:
    async with desk(version) as (venue, on):
        await on.buy("C1", 2)
        await venue.expect({35: "D", 11: "C1"})
        venue.tell("C1", "1", qty=2, cum=1, fill=(1, PX))
        venue.tell("C1", "0", qty=2)
        venue.tell("C1", "2", qty=2, cum=2, fill=(1, PX))
        await settled(venue, on)
        assert [each.fill.qty for each in on.all(Filled, "C1")] == [1, 1]
        assert on.outcomes("C1") == ["OrderSent", "OrderAccepted"]


@BOTH
async def test_fills_replayed_under_old_and_new_numbers_count_once(version: str) -> None:
    async with desk(version) as (venue, on):
        await resting(venue, on)
        number = venue.out
        venue.tell("C1", "1", qty=3, cum=1, fill=(1, PX), exec_id="F1")
        venue.tell("C1", "2", qty=3, cum=3, fill=(2, PX), exec_id="F2")
        venue.tell("C1", "1", qty=3, cum=1, fill=(1, PX), exec_id="F1", seq=number, again=True)
        venue.tell("C1", "1", qty=3, cum=1, fill=(1, PX), exec_id="F1", head={97: "Y"})
        venue.tell("C1", "2", qty=3, cum=3, fill=(2, PX), exec_id="F2", head={97: "Y"})
        await settled(venue, on)
        assert [each.fill.qty for each in on.all(Filled, "C1")] == [1, 2]
        assert await net(on) == 3


@BOTH
async def test_report_of_an_order_nobody_knows_is_shown_and_counted(version: str) -> None:
    async with desk(version) as (venue, on):
        venue.tell("OTHER", "2", qty=2, cum=2, fill=(2, PX))
        await settled(venue, on)
        assert on.filled("OTHER") == 2
        shown = on.all(OrderUpdated, "OTHER")[-1].order
        assert (shown.qty, shown.filled_qty) == (2, 2)


@BOTH
async def test_report_of_another_logins_account_is_counted_not_booked(version: str) -> None:
    async with desk(version) as (venue, on):
        venue.tell("OTHER", "2", qty=2, cum=2, fill=(2, PX), body={1: "SOMEBODY"})
        await settled(venue, on)
        assert on.all(Filled) == []
        assert on.adapter.health().unreadable == 1


def taken_back(version: str, correct: bool) -> dict[str, Any]:
    if version == "FIX.4.2":
        return {"transaction": 2 if correct else 1, "kind": "1"}
    return {"kind": "G" if correct else "H"}


@BOTH
async def test_canceled_fill_is_taken_back_once_however_often_it_is_said(version: str) -> None:
    async with desk(version) as (venue, on):
        await resting(venue, on)
        venue.tell("C1", "1", qty=3, cum=1, fill=(1, PX), exec_id="F1")
        venue.tell("C1", "1", qty=3, cum=2, fill=(1, PX), exec_id="F2")
        bust = {"qty": 3, "cum": 1, "fill": (1, PX), "exec_id": "B1", "body": {19: "F2"}, **taken_back(version, False)}
        venue.tell("C1", "1", **{**bust})
        await settled(venue, on)
        assert await net(on) == 1
        venue.tell("C1", "1", qty=3, cum=2, fill=(1, PX), exec_id="F3")
        await settled(venue, on)
        assert await net(on) == 2
        venue.tell("C1", "1", **{**bust}, head={97: "Y"})
        await settled(venue, on)
        assert await net(on) == 2, "the same correction again takes nothing back"
        assert sum(each.fill.qty for each in on.all(Filled, "C1")) == 3


@BOTH
async def test_corrected_price_moves_the_average_and_no_quantity(version: str) -> None:
    async with desk(version) as (venue, on):
        await resting(venue, on)
        venue.tell("C1", "2", qty=3, cum=3, fill=(3, PX), exec_id="F1")
        venue.tell(
            "C1", "2", qty=3, cum=3, fill=(3, PX + 1), exec_id="G1", body={19: "F1"}, **taken_back(version, True)
        )
        await settled(venue, on)
        assert await net(on) == 3
        shown = on.all(OrderUpdated, "C1")[-1].order
        assert shown.avg_price == PX + 1
        assert shown.filled_qty == 3


@BOTH
async def test_correction_that_adds_contracts_is_a_fill(version: str) -> None:
    async with desk(version) as (venue, on):
        await resting(venue, on)
        venue.tell("C1", "1", qty=3, cum=1, fill=(1, PX), exec_id="F1")
        venue.tell("C1", "1", qty=3, cum=2, fill=(2, PX), exec_id="G1", body={19: "F1"}, **taken_back(version, True))
        await settled(venue, on)
        assert await net(on) == 2
        assert on.filled("C1") == 2


@BOTH
async def test_canceled_fill_without_an_average_is_taken_back(version: str) -> None:
    async with desk(version) as (venue, on):
        await resting(venue, on)
        venue.tell("C1", "1", qty=3, cum=2, fill=(2, PX), exec_id="F1")
        bust = {"qty": 3, "cum": 0, "fill": (2, PX), "body": {19: "F1", 6: None}, **taken_back(version, False)}
        venue.tell("C1", "0", **bust)
        await settled(venue, on)
        assert await net(on) == 0


# --- C3: commands -----------------------------------------------------------------------------------------------------


@BOTH
async def test_cancel_that_a_fill_overtook_is_refused_with_the_fill_booked(version: str) -> None:
    async with desk(version) as (venue, on):
        await resting(venue, on)
        asked = asyncio.create_task(on.adapter.cancel("SIM1", "V-C1"))
        request = await venue.expect({35: "F", 41: "C1"})
        venue.tell("C1", "2", qty=3, cum=3, fill=(3, PX))
        venue.say("9", {37: "V-C1", 11: request[11], 41: "C1", 39: 2, 102: 0, 434: 1, 58: "Too late to cancel"})
        with pytest.raises(RequestRefused):
            await asked
        await settled(venue, on)
        assert on.filled("C1") == 3


@BOTH
async def test_cancel_with_a_partial_fill_in_flight_ends_with_what_was_filled(version: str) -> None:
    async with desk(version) as (venue, on):
        await resting(venue, on)
        asked = asyncio.create_task(on.adapter.cancel("SIM1", "V-C1"))
        request = await venue.expect({35: "F", 41: "C1"})
        chain = {11: request[11], 41: "C1", 37: "V-C1"}
        venue.tell(request[11], "6", qty=3, kind="6", body=chain)
        await settled(venue, on)
        assert not asked.done(), "a pending cancel is not a cancel"
        venue.tell(
            "C1",
            "6" if version == "FIX.4.2" else "1",
            qty=3,
            cum=1,
            fill=(1, PX),
            kind="1" if version == "FIX.4.2" else "F",
        )
        venue.tell(request[11], "4", qty=3, cum=1, avg=PX, body=chain)
        await asked
        await settled(venue, on)
        shown = on.all(OrderUpdated, "C1")[-1].order
        assert (shown.status, shown.filled_qty) == (DoneStatus.CANCELED, 1)
        assert on.filled("C1") == 1


@BOTH
async def test_late_new_report_does_not_undo_a_replace(version: str) -> None:
    async with desk(version) as (venue, on):
        await resting(venue, on)
        change = asyncio.create_task(
            on.adapter.modify("SIM1", "V-C1", qty=5, order_type=OrderType.LIMIT, limit_price=Decimal("4991.25"))
        )
        request = await venue.expect({35: "G", 41: "C1"})
        chain = {11: request[11], 41: "C1", 37: "V-C1", 40: 2}
        venue.tell(request[11], "E", qty=3, kind="E", body={**chain, 44: "4990.25"})
        venue.tell(request[11], "5" if version == "FIX.4.2" else "0", qty=5, kind="5", body={**chain, 44: "4991.25"})
        await change
        venue.tell("C1", "0", qty=3, body={40: 2, 44: "4990.25"}, head={97: "Y"})
        await settled(venue, on)
        shown = on.all(OrderUpdated, "C1")[-1].order
        assert (shown.qty, shown.limit_price) == (5, Decimal("4991.25"))
        again = asyncio.create_task(on.adapter.cancel("SIM1", "V-C1"))
        asked = await venue.expect({35: "F", 41: request[11]})
        venue.tell(asked[11], "4", qty=5, body={11: asked[11], 41: request[11], 37: "V-C1"})
        await again


@BOTH
async def test_refused_replace_leaves_the_old_id_for_the_next_command(version: str) -> None:
    async with desk(version) as (venue, on):
        await resting(venue, on)
        change = asyncio.create_task(
            on.adapter.modify("SIM1", "V-C1", qty=5, order_type=OrderType.LIMIT, limit_price=Decimal("4991.25"))
        )
        request = await venue.expect({35: "G", 41: "C1"})
        venue.tell(request[11], "E", qty=3, kind="E", body={11: request[11], 41: "C1", 37: "V-C1"})
        venue.say("9", {37: "V-C1", 11: request[11], 41: "C1", 39: 0, 102: 3, 434: 2, 58: "Not now"})
        with pytest.raises(RequestRefused, match="Not now"):
            await change
        again = asyncio.create_task(on.adapter.cancel("SIM1", "V-C1"))
        asked = await venue.expect({35: "F", 41: "C1"})
        venue.tell(asked[11], "4", qty=3, body={11: asked[11], 41: "C1", 37: "V-C1"})
        await again


@pytest.mark.parametrize("dialect", ["generic-reset", "t4"])
async def test_replace_whose_answer_was_lost_is_learned_by_asking_and_the_chain_goes_on(dialect: str) -> None:
    version = "FIX.4.2" if dialect == "t4" else "FIX.4.4"
    async with Server(version) as venue, seat(cast(Practice, venue), version, dialect, accounts=("SIM1",)) as on:
        if dialect == "t4":
            venue.on_logon = lambda message: _from_one(venue, message)
        await resting(venue, on)
        change = asyncio.create_task(
            on.adapter.modify("SIM1", "V-C1", qty=5, order_type=OrderType.LIMIT, limit_price=Decimal("4991.25"))
        )
        request = await venue.expect({35: "G", 41: "C1"})
        order = {11: request[11], 37: "V-C1", 39: "0", 38: 5, 40: 2, 44: "4991.25", 14: 0, 151: 5}
        venue.orders = {"C1": order, request[11]: order}
        venue.cut()
        with pytest.raises(RequestUnknown):
            await change
        await on.ups(2)
        shown = on.all(OrderUpdated, "C1")[-1:] or [None]
        snapshot = await on.adapter.snapshot()
        (found,) = [each for each in snapshot.orders if isinstance(each, LiveOrder)]
        assert (found.qty, found.limit_price) == (5, Decimal("4991.25")), shown
        again = asyncio.create_task(on.adapter.cancel("SIM1", "V-C1"))
        asked = await venue.expect({35: "F"})
        assert asked[41] == request[11], "41 is the last accepted id"
        venue.tell(asked[11], "4", qty=5, body={11: asked[11], 41: request[11], 37: "V-C1"})
        await again


def _from_one(venue: Server, message: Any) -> None:
    venue.out = 1
    venue.welcome(message)


@BOTH
async def test_unsolicited_cancel_that_names_only_its_order_id_ends_it(version: str) -> None:
    async with desk(version) as (venue, on):
        await resting(venue, on)
        venue.tell("C1", "4", qty=3, body={11: None, 37: "V-C1", 58: "Exchange canceled"})
        await settled(venue, on)
        shown = on.all(OrderUpdated, "C1")[-1].order
        assert (shown.status, shown.text) == (DoneStatus.CANCELED, "Exchange canceled")


@BOTH
async def test_restated_order_has_its_new_size(version: str) -> None:
    async with desk(version) as (venue, on):
        await resting(venue, on)
        venue.tell("C1", "0", qty=2, kind="D", body={378: 5})
        await settled(venue, on)
        assert on.all(OrderUpdated, "C1")[-1].order.qty == 2


@pytest.mark.parametrize(
    ("status", "word"), [("C", DoneStatus.EXPIRED), ("3", DoneStatus.EXPIRED), ("4", DoneStatus.CANCELED)]
)
@BOTH
async def test_order_ends_by_the_venues_word(version: str, status: str, word: DoneStatus) -> None:
    async with desk(version) as (venue, on):
        await resting(venue, on)
        venue.tell("C1", status, qty=3)
        await settled(venue, on)
        assert on.all(OrderUpdated, "C1")[-1].order.status == word


# --- C3: rejects ------------------------------------------------------------------------------------------------------


@BOTH
async def test_reject_says_the_venues_own_words(version: str) -> None:
    async with desk(version) as (venue, on):
        await on.buy("C1")
        await venue.expect({35: "D", 11: "C1"})
        venue.tell("C1", "8", body={103: 99, 58: "Margin: need 1,200.50; have 3"})
        assert (await on.one(OrderRejected, "C1")).text == "Margin: need 1,200.50; have 3"


@BOTH
async def test_session_reject_and_business_reject_prove_that_an_order_was_not_taken(version: str) -> None:
    async with desk(version) as (venue, on):
        await on.buy("C1")
        first = await venue.expect({35: "D", 11: "C1"})
        venue.say("3", {45: first.seq, 371: 55, 372: "D", 373: 5, 58: "Bad"})
        await on.one(OrderRejected, "C1")
        await on.buy("C2")
        second = await venue.expect({35: "D", 11: "C2"})
        venue.say("j", {45: second.seq, 372: "D", 380: 2, 58: "Unknown Security"})
        await on.one(OrderRejected, "C2")


@BOTH
async def test_duplicate_id_is_unknown_and_asked_for(version: str) -> None:
    async with desk(version) as (venue, on):
        await on.buy("C1")
        await venue.expect({35: "D", 11: "C1"})
        venue.tell("C1", "8", body={37: "R-1", 103: 6, 58: "Duplicate ClOrdID"})
        await on.one(OrderUnknown, "C1")
        assert on.all(OrderRejected, "C1") == []


@BOTH
async def test_order_rejected_after_it_was_accepted_is_rejected(version: str) -> None:
    async with desk(version) as (venue, on):
        await resting(venue, on)
        venue.tell("C1", "8", qty=3, body={103: 0, 58: "Pulled by risk"})
        assert (await on.one(OrderRejected, "C1")).text == "Pulled by risk"


# --- C4.13, C6: the end and the truth after it ------------------------------------------------------------------------


@BOTH
async def test_logout_is_answered_and_the_desk_comes_back(version: str) -> None:
    async with desk(version) as (venue, on):
        venue.say("5", {58: "Back at six"})
        await venue.expect({35: "5"})
        await on.ups(2)
        assert on.all(StreamDown)[0].reason == "Back at six"


@BOTH
async def test_order_cut_off_in_the_middle_is_asked_for_and_never_sent_again(version: str) -> None:
    async with desk(version, sessions=MemorySessions()) as (venue, on):
        await on.buy("C1", 2)
        await venue.expect({35: "D", 11: "C1"})
        order = {11: "C1", 37: "V-C1", 39: "2", 38: 2, 14: 2, 151: 0, 6: PX, 40: 1}
        venue.orders = {"C1": order}
        venue.held = {"SIM1": {"ESH4": 2}}
        venue.cut()
        await on.ups(2)
        assert len(venue.kinds("D")) == 1
        truth = await on.adapter.snapshot()
        assert sum(fill.qty for fill in truth.fills if fill.cl_ord_id == "C1") == 2
        assert [position.net_qty for position in truth.positions] == [2]


async def test_no_orders_is_no_orders_in_whatever_words() -> None:
    async with Server("FIX.4.4") as venue:
        venue.mute = {"AF"}

        async def nothing() -> None:
            asked = await venue.expect({35: "AF"})
            none = {
                150: "I",
                39: "8",
                37: "NONE",
                11: None,
                1: None,
                38: None,
                55: None,
                584: asked[584],
                58: "No orders",
            }
            venue.tell("X", "8", body=none)

        answering = asyncio.create_task(nothing())
        async with seat(cast(Practice, venue), accounts=("SIM1",)) as on:
            await answering
            assert (await on.ups(1)).snapshot.complete == {"SIM1"}


@BOTH
async def test_news_and_unknown_kinds_are_refused_or_read_over_and_nothing_stops(version: str) -> None:
    async with desk(version) as (venue, on):
        venue.say("B", [(148, "Maintenance tonight"), (33, "1"), (58, "At six")])
        venue.say("h", {336: "DAY", 340: 2})
        number = venue.out
        venue.say("ZZ", {58: "?"})
        await venue.expect({35: "3", 45: number, 372: "ZZ", 373: 11})
        await settled(venue, on)
