"""T-UNKNOWN: orders asked for by their ids at the NinjaTrader door: what its values prove, and what they don't."""

import pytest

from brokers.adapter import Filled, OrderUnknown, OrderUpdated, RequestUnknown, Wanted
from schema.clock import SYSTEM_CLOCK
from schema.records import DoneStatus, LiveStatus, OrderType, Side
from tests.brokers.fix.door import Seat, until
from tests.brokers.ninjatrader.door import practice, seat


def wanted(cl_ord_id: str, qty: int = 2, *, account: str = "SIM1", kind: OrderType = OrderType.MARKET) -> Wanted:
    return Wanted(
        account=account,
        cl_ord_id=cl_ord_id,
        order_id="",
        symbol="ESH4",
        side=Side.BUY,
        order_type=kind,
        qty=qty,
        sent_ns=SYSTEM_CLOCK.now_ns() - 10_000_000_000,
    )


async def filled(on: Seat, cl_ord_id: str, qty: int) -> None:
    await until(lambda: on.filled(cl_ord_id) == qty)


async def test_any_value_of_an_order_shows_that_it_arrived() -> None:
    """Its answer was lost and it trades: found with its lots, which are then told as if the stream had told them."""
    async with practice() as venue, seat(venue.port, deadline_s=0.3) as on:
        venue.order("drop_answer", account="SIM1")
        await on.buy("C1", 2)
        await on.one(OrderUnknown, "C1")
        (found,) = await on.adapter.find([wanted("C1")])
        assert found.finding == "found" and found.order is not None
        assert (found.order.status, found.order.filled_qty) == (DoneStatus.FILLED, 2)
        assert [fill.fill_id for fill in found.fills] == ["C1@1", "C1@2"]
        assert on.outcomes("C1") == ["OrderSent", "OrderUnknown", "OrderAccepted"]
        assert [event.fill.fill_id for event in on.all(Filled)] == ["C1@1", "C1@2"]
        assert venue.received() == ["C1"]


@pytest.mark.parametrize("readings", ["fresh", "cache"])
async def test_an_order_that_nobody_wrote_down_is_found_by_what_is_asked(readings: str) -> None:
    """Another process sent it and died before it kept anything: no value says what it trades, the question does."""
    async with practice() as venue:
        async with seat(venue.port) as before:
            await before.buy("C1", 2)
            await filled(before, "C1", 2)
        async with seat(venue.port, readings=readings) as on:
            (found,) = await on.adapter.find([wanted("C1")])
            assert found.finding == "found" and found.order is not None
            assert (found.order.symbol, found.order.side, found.order.filled_qty) == ("ESH4", Side.BUY, 2)
            assert [fill.fill_id for fill in found.fills] == ["C1@1", "C1@2"]
            assert sum(fill.price for fill in found.fills) == sum(e.fill.price for e in before.all(Filled))
            with pytest.raises(ValueError, match="already sent"):
                await on.buy("C1", 2)
            assert venue.received() == ["C1"]


async def test_an_order_that_was_taken_for_somebody_elses_is_known_again_and_its_lots_keep_their_names() -> None:
    """It rests when the next process comes, and fills before that asks for it."""
    async with practice() as venue:
        price = venue.price() - 50
        async with seat(venue.port) as before:
            await before.buy("C1", 3, order_type=OrderType.LIMIT, limit_price=price)
            await before.one(OrderUpdated, "C1")
        async with seat(venue.port) as on:
            venue.order("print", symbol="ESH4", limit=str(price - 1), qty=1, side="sell")
            await until(lambda: [event.fill.cl_ord_id for event in on.all(Filled)] == [""])
            (found,) = await on.adapter.find([wanted("C1", 3, kind=OrderType.LIMIT)])
            assert found.order is not None and found.order.status is LiveStatus.WORKING
            assert [(fill.fill_id, fill.cl_ord_id) for fill in found.fills] == [("C1@1", "C1")]
            venue.order("print", symbol="ESH4", limit=str(price - 1), qty=2, side="sell")
            await filled(on, "C1", 2)
            assert [event.fill.fill_id for event in on.all(Filled)] == ["C1@1", "C1@2", "C1@3"]
            venue.order("trade", account="SIM1", side="buy", qty=1, symbol="ESH4")
            await until(lambda: len(on.all(Filled)) == 4)  # and others are still told apart


async def test_an_order_at_rest_is_found_working_with_what_it_filled() -> None:
    async with practice() as venue, seat(venue.port) as on:
        price = venue.price() - 50
        await on.buy("C1", 3, order_type=OrderType.LIMIT, limit_price=price)
        await on.one(OrderUpdated, "C1")
        venue.order("print", symbol="ESH4", limit=str(price - 1), qty=1, side="sell")
        await filled(on, "C1", 1)
        (found,) = await on.adapter.find([wanted("C1", 3, kind=OrderType.LIMIT)])
        assert found.order is not None and found.order.status is LiveStatus.WORKING
        assert (found.order.limit_price, len(found.fills)) == (price, 1)


async def test_that_nothing_is_told_of_an_order_proves_nothing() -> None:
    """B6: not of one that the venue never got, not where a new connection is told nothing, not of an account that is
    not shown: never absent."""
    async with practice(accounts=("SIM1",)) as venue, seat(venue.port, accounts=("SIM1", "SIM2"), deadline_s=0.3) as on:
        venue.order("lose_request", account="SIM1")
        await on.buy("C1", 2)
        await on.one(OrderUnknown, "C1")
        asked = [wanted("C1"), wanted("never"), wanted("hidden", account="SIM2"), wanted("other", account="SIM7")]
        answers = await on.adapter.find(asked)
        assert [found.finding for found in answers] == ["unlisted", "unlisted", "unknown", "unknown"]
        assert [found.cl_ord_id for found in answers] == ["C1", "never", "hidden", "other"]
        assert "proves nothing" in answers[0].text and "tells nothing of SIM2" in answers[2].text
        venue.order("empty", login="DESK", seconds=5)
        (found,) = await on.adapter.find([wanted("C1")])
        assert found.finding == "unknown" and not found.fills
        assert on.outcomes("C1") == ["OrderSent", "OrderUnknown"]


async def test_an_order_of_another_account_is_not_found_in_the_name_of_this_one() -> None:
    async with practice() as venue:
        async with seat(venue.port) as before:
            await before.buy("C1", 2)
            await filled(before, "C1", 2)
        async with seat(venue.port) as on:
            (found,) = await on.adapter.find([wanted("C1", account="SIM2")])
            assert (found.finding, found.fills) == ("unknown", ())
            assert not on.all(Filled)


async def test_a_filled_order_whose_fills_are_not_all_told_is_unknown() -> None:
    """The state came, quantity and price did not: nothing is concluded until they do."""
    async with practice() as venue, seat(venue.port, readings="cache") as on:
        venue.order("events", login="DESK", drop_fills=1.0)
        await on.buy("C1", 2)
        await until(lambda: on.outcomes("C1") == ["OrderSent", "OrderAccepted"])
        await until(lambda: venue.net() == 2)
        (found,) = await on.adapter.find([wanted("C1")])
        assert found.finding == "unknown" and "not told all of its fills" in found.text


async def test_a_question_that_is_not_answered_teaches_nothing() -> None:
    async with practice() as venue, seat(venue.port, deadline_s=0.3) as on:
        await on.buy("C1", 2)
        await filled(on, "C1", 2)
        venue.order("silence", login="DESK", seconds=5)
        with pytest.raises(RequestUnknown):
            await on.adapter.find([wanted("C1")])
        await on.adapter.close()
        with pytest.raises(RequestUnknown, match="not connected"):
            await on.adapter.find([wanted("C1")])


async def test_a_lost_answer_is_looked_for_without_being_asked_and_once() -> None:
    async with practice() as venue, seat(venue.port, deadline_s=0.3) as on:
        venue.order("lose_request", account="SIM2")
        venue.order("drop_answer", account="SIM1")
        await on.buy("C1", 2)
        await on.buy("C2", 2, account="SIM2")
        await until(lambda: on.outcomes("C1")[-1:] == ["OrderAccepted"], 4)
        await filled(on, "C1", 2)
        assert on.outcomes("C2") == ["OrderSent", "OrderUnknown"]
        book = on.adapter._book  # type: ignore[attr-defined]
        await until(lambda: not book.doubtful(SYSTEM_CLOCK.now_ns() - 1_000_000_000), 4)
