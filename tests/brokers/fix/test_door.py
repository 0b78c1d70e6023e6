"""The adapter against the sandbox's FIX door, both versions over real sockets: orders, commands, faults, restarts."""

import asyncio

import pytest

from brokers.adapter import (
    Filled,
    LoginRefused,
    OrderAccepted,
    OrderNotSent,
    OrderRejected,
    OrderUnknown,
    OrderUpdated,
    RequestRefused,
    RequestUnknown,
    StreamDown,
    StreamUp,
)
from brokers.sessions import MemorySessions
from schema.records import DoneOrder, DoneStatus, LiveOrder, OrderType, RejectClass, Side
from tests.brokers.fix.door import Seat, downs, order, practice, seat, until

BOTH = pytest.mark.parametrize("version", ["FIX.4.2", "FIX.4.4"])


def live_id(on: Seat, cl_ord_id: str) -> str:
    return next(e.order.order_id for e in on.all(OrderUpdated, cl_ord_id) if isinstance(e.order, LiveOrder))


async def resting(on: Seat, cl_ord_id: str, price: object, qty: int = 2, **more: object) -> str:
    """A limit order far from the market; its order id."""
    await on.buy(cl_ord_id, qty, order_type=OrderType.LIMIT, limit_price=price, **more)
    await on.one(OrderAccepted, cl_ord_id)
    return (await on.one(OrderUpdated, cl_ord_id)).order.order_id


# --- orders ---------------------------------------------------------------------------------------------------------


@BOTH
async def test_market_order_is_sent_accepted_and_filled(version: str) -> None:
    async with practice() as venue, seat(venue, version) as on:
        assert on.all(StreamUp)[0].first
        await on.buy("C1", 3)
        await until(lambda: on.filled("C1") == 3)
        assert on.outcomes("C1") == ["OrderSent", "OrderAccepted"]
        assert venue.net() == 3
        assert venue.received() == ["C1"]
        last = on.all(OrderUpdated, "C1")[-1].order
        assert isinstance(last, DoneOrder)
        assert (last.status, last.filled_qty) == (DoneStatus.FILLED, 3)


@BOTH
@pytest.mark.parametrize("kind", [OrderType.LIMIT, OrderType.STOP, OrderType.STOP_LIMIT])
async def test_resting_order_shows_its_terms(version: str, kind: OrderType) -> None:
    async with practice() as venue, seat(venue, version) as on:
        last = venue.price()
        prices = {
            OrderType.LIMIT: {"limit_price": last - 50},
            OrderType.STOP: {"stop_price": last + 50},
            OrderType.STOP_LIMIT: {"stop_price": last + 50, "limit_price": last + 51},
        }[kind]
        await on.buy("C1", 2, order_type=kind, **prices)
        shown = (await on.one(OrderUpdated, "C1")).order
        assert isinstance(shown, LiveOrder)
        assert (shown.order_type, shown.qty) == (kind, 2)
        assert (shown.limit_price, shown.stop_price) == (prices.get("limit_price"), prices.get("stop_price"))


@BOTH
async def test_modify_and_cancel_follow_the_chain_of_client_ids(version: str) -> None:
    async with practice() as venue, seat(venue, version) as on:
        low = venue.price() - 50
        order_id = await resting(on, "C1", low)
        for qty in (3, 4, 5):
            await on.adapter.modify("SIM1", order_id, qty=qty, order_type=OrderType.LIMIT, limit_price=low - qty)
        (shown,) = venue.orders()
        assert (shown["qty"], shown["limit"], shown["status"]) == (5, low - 5, "Working")
        await on.adapter.cancel("SIM1", order_id)
        assert venue.orders()[0]["status"] == "Canceled"
        last = on.all(OrderUpdated, "C1")[-1].order
        assert isinstance(last, DoneOrder)
        assert (last.status, last.order_id, last.cl_ord_id) == (DoneStatus.CANCELED, order_id, "C1")
        assert len(set(venue.received("G") + venue.received("F"))) == 4


@BOTH
async def test_cancel_of_a_filled_order_is_refused(version: str) -> None:
    async with practice() as venue, seat(venue, version) as on:
        await on.buy("C1")
        await until(lambda: on.filled("C1") == 1)
        with pytest.raises(RequestRefused, match="too late"):
            await on.adapter.cancel("SIM1", on.all(OrderUpdated)[-1].order.order_id)
        with pytest.raises(RequestRefused, match="not known"):
            await on.adapter.cancel("SIM1", "12345")


@BOTH
async def test_replace_the_venue_refuses_leaves_the_order_as_it_was(version: str) -> None:
    async with practice() as venue, seat(venue, version) as on:
        low = venue.price() - 50
        order_id = await resting(on, "C1", low)
        with pytest.raises(RequestRefused):
            await on.adapter.modify(
                "SIM1", order_id, qty=2, order_type=OrderType.LIMIT, limit_price=low + type(low)("0.1")
            )
        await on.adapter.modify("SIM1", order_id, qty=1, order_type=OrderType.LIMIT, limit_price=low)
        assert venue.orders()[0]["qty"] == 1


@BOTH
@pytest.mark.parametrize(
    ("reason", "text", "found"),
    [
        ("SessionClosed", "The session is closed", RejectClass.MARKET_CLOSED),
        ("MaxPosLimitReached", "Too large", RejectClass.LIMIT),
        ("InvalidContract", "No such contract", RejectClass.CONTRACT),
        ("OtherExecutionRelated", "Insufficient margin", RejectClass.MARGIN),
    ],
)
async def test_reject_has_its_class_and_the_venues_words(
    version: str, reason: str, text: str, found: RejectClass
) -> None:
    async with practice() as venue, seat(venue, version) as on:
        venue.order("reject", account="SIM1", reason=reason, text=text)
        await on.buy("C1")
        rejected = await on.one(OrderRejected, "C1")
        assert (rejected.reject_class, rejected.text) == (found, text)
        assert on.outcomes("C1") == ["OrderSent", "OrderRejected"]
        assert venue.net() == 0


@BOTH
async def test_order_refused_late_was_accepted_and_then_rejected(version: str) -> None:
    async with practice() as venue, seat(venue, version) as on:
        venue.order("late_reject", account="SIM1", after_s=0.05, text="Insufficient margin")
        await on.buy("C1")
        rejected = await on.one(OrderRejected, "C1")
        assert rejected.reject_class is RejectClass.MARGIN
        assert venue.net() == 0


@BOTH
async def test_throttled_order_is_rejected_as_such(version: str) -> None:
    async with practice() as venue, seat(venue, version) as on:
        venue.order("throttle", login="DESK")
        await on.buy("C1")
        assert (await on.one(OrderRejected, "C1")).reject_class is RejectClass.THROTTLED
        await on.buy("C2")  # the venue is left alone for a while, but for what reduces
        await on.buy("C3", side=Side.SELL, reducing=True)
        assert "too many" in (await on.one(OrderNotSent, "C2")).reason
        await until(lambda: on.filled("C3") == 1)
        assert venue.received() == ["C1", "C3"]


@BOTH
async def test_flatten_without_a_session_is_refused_though_the_book_looks_flat(version: str) -> None:
    async with practice() as venue, seat(venue, version, connect=False) as on:
        with pytest.raises(RequestRefused, match="not connected"):
            await on.adapter.liquidate("SIM1", "ESH4", "x")


async def test_order_the_session_itself_refuses_is_proven_not_accepted() -> None:
    """35=3 names the number of the order it refuses; nothing of it reached the venue."""
    async with practice() as venue, seat(venue, "FIX.4.2") as on:
        await on.buy("C1", symbol="ESH4", account="SIM1", order_type=OrderType.LIMIT)  # no price: 38 and 40 stand
        rejected = await on.one(OrderRejected, "C1")
        assert "missing" in rejected.text
        assert venue.net() == 0


async def test_same_client_id_is_never_sent_twice() -> None:
    """T-DUP at the adapter: refused before a byte leaves."""
    async with practice() as venue, seat(venue) as on:
        await on.buy("C1")
        with pytest.raises(ValueError, match="sent twice"):
            await on.buy("C1")
        await until(lambda: on.filled("C1") == 1)
        assert venue.received() == ["C1"]


@BOTH
async def test_client_id_the_venue_had_before_is_unknown_not_rejected(version: str) -> None:
    """103=6 says that an order with this id exists: it must be asked for, never taken for refused."""
    async with practice() as venue:
        async with seat(venue, version) as on:
            await on.buy("C1", 2)
            await until(lambda: on.filled("C1") == 2)
        async with seat(venue, version, "generic-reset") as again:
            await again.buy("C1", 2)
            await again.one(OrderUnknown, "C1")
            snapshot = await again.adapter.snapshot()
            (found,) = [each for each in snapshot.orders if each.cl_ord_id == "C1"]
            assert found.filled_qty == 2
        assert venue.net() == 2


async def test_twenty_orders_leave_in_one_pass() -> None:
    async with practice() as venue, seat(venue) as on:
        await on.adapter.place([order(f"C{n}", account=("SIM1", "SIM2")[n % 2]) for n in range(20)])
        await until(lambda: all(on.filled(f"C{n}") == 1 for n in range(20)))
        assert venue.received() == [f"C{n}" for n in range(20)]
        assert (venue.net("SIM1"), venue.net("SIM2")) == (10, 10)


async def test_account_of_another_login_is_not_sent() -> None:
    async with practice() as venue, seat(venue) as on:
        await on.adapter.place([order("C1", account="OTHER")])
        assert "not of this connection" in (await on.one(OrderNotSent, "C1")).reason
        assert venue.received() == []


async def test_budget_spent_keeps_entries_back_and_lets_exits_go() -> None:
    async with practice() as venue, seat(venue, requests_per_min=30, reserved_for_exits=20) as on:
        for number in range(12):
            await on.buy(f"C{number}")
        assert "budget" in (await on.one(OrderNotSent, "C11")).reason
        await on.adapter.place([order("X1", 1, side=Side.SELL, reducing=True)])
        await on.one(OrderAccepted, "X1")


# --- reading and closing ------------------------------------------------------------------------------------------


@BOTH
async def test_snapshot_is_the_venues_truth(version: str) -> None:
    async with practice() as venue, seat(venue, version) as on:
        await on.buy("C1", 3)
        await until(lambda: on.filled("C1") == 3)
        await resting(on, "C2", venue.price() - 50)
        snapshot = await on.adapter.snapshot()
        assert snapshot.complete == {"SIM1", "SIM2"}
        assert [(p.account, p.symbol, p.net_qty) for p in snapshot.positions] == [("SIM1", "ESH4", 3)]
        states = {each.cl_ord_id: type(each).__name__ for each in snapshot.orders}
        assert states == {"C1": "DoneOrder", "C2": "LiveOrder"}
        assert sum(fill.qty for fill in snapshot.fills) == 3


async def test_position_of_before_the_first_connect_is_asked_for_in_4_4() -> None:
    async with practice() as venue:
        venue.order("trade", account="SIM1", side="sell", qty=4)
        async with seat(venue) as on:
            (position,) = on.all(StreamUp)[0].snapshot.positions
            assert position.net_qty == -4


@BOTH
async def test_foreign_order_on_the_account_is_shown(version: str) -> None:
    async with practice() as venue, seat(venue, version) as on:
        venue.order("trade", account="SIM2", side="buy", qty=2)
        await until(lambda: bool(on.all(Filled)))
        fill = on.all(Filled)[0].fill
        assert (fill.account, fill.qty) == ("SIM2", 2)
        assert (await on.adapter.snapshot()).positions[0].net_qty == 2


@BOTH
async def test_liquidate_cancels_and_closes(version: str) -> None:
    async with practice() as venue, seat(venue, version) as on:
        await on.buy("C1", 3)
        await until(lambda: on.filled("C1") == 3)
        await resting(on, "C2", venue.price() - 50)
        await resting(on, "C3", venue.price() - 60)
        await on.adapter.liquidate("SIM1", "ESH4", "X1")
        await until(lambda: venue.net() == 0)
        assert [each["status"] for each in venue.orders()] == ["Filled", "Canceled", "Canceled", "Filled"]
        exposure = await on.adapter.exposure()
        assert exposure.complete == {"SIM1", "SIM2"}
        assert not exposure.positions
        assert not exposure.working


async def test_liquidate_of_a_flat_account_sends_no_order() -> None:
    async with practice() as venue, seat(venue) as on:
        await on.adapter.liquidate("SIM1", "ESH4", "X1")
        assert venue.received() == []


async def test_liquidate_twice_never_turns_the_position() -> None:
    async with practice() as venue, seat(venue, deadline_s=0.3) as on:
        await on.buy("C1", 3)
        await until(lambda: on.filled("C1") == 3)
        venue.order("latency", login="DESK", p50_ms=600, p95_ms=600)
        with pytest.raises(RequestUnknown):
            await on.adapter.liquidate("SIM1", "ESH4", "X1")
        with pytest.raises(RequestUnknown, match="on their way"):
            await on.adapter.liquidate("SIM1", "ESH4", "X2")
        await until(lambda: venue.net() == 0)
        await asyncio.sleep(0.7)
        assert venue.net() == 0
        assert venue.received() == ["C1", "X1"]


# --- faults ---------------------------------------------------------------------------------------------------------


@BOTH
async def test_lost_answer_is_unknown_and_found_by_asking_not_by_sending_again(version: str) -> None:
    """T-UNK: the venue took the order and the line broke before it said so."""
    async with practice() as venue, seat(venue, version) as on:
        venue.order("drop_answer", account="SIM1")
        await on.buy("C1", 2)
        await on.one(OrderUnknown, "C1")
        up = await on.ups(2)
        assert not up.first
        assert [f.qty for f in up.snapshot.fills if f.cl_ord_id == "C1"] == [2]
        assert up.snapshot.positions[0].net_qty == 2
        assert venue.received() == ["C1"]


@BOTH
async def test_order_the_venue_never_got_is_not_in_the_snapshot(version: str) -> None:
    async with practice() as venue, seat(venue, version, deadline_s=0.4) as on:
        venue.order("hang", login="DESK", seconds=0.6)
        await on.buy("C1")
        await on.one(OrderUnknown, "C1")
        venue.order("disconnect", login="DESK")
        venue.order("clear")
        up = await on.ups(2)
        assert venue.received() == []
        assert [each for each in up.snapshot.orders if each.cl_ord_id == "C1"] == []
        assert up.snapshot.complete == {"SIM1", "SIM2"}
        assert on.outcomes("C1") == ["OrderSent", "OrderUnknown"]


@BOTH
async def test_fill_that_never_came_is_asked_for_when_the_next_message_shows_the_gap(version: str) -> None:
    async with practice() as venue, seat(venue, version) as on:
        venue.order("events", login="DESK", drop_fills=1.0)
        await on.buy("C1")
        await on.one(OrderAccepted, "C1")
        venue.order("clear")
        await resting(on, "C2", venue.price() - 50)
        await until(lambda: on.filled("C1") == 1)
        assert downs(on) == 0


@BOTH
async def test_replayed_session_books_nothing_twice(version: str) -> None:
    """T-REPLAY: every report again, with 43=Y."""
    async with practice() as venue, seat(venue, version) as on:
        for number in range(5):
            await on.buy(f"C{number}", 2)
        await until(lambda: all(on.filled(f"C{n}") == 2 for n in range(5)))
        before = len(on.events)
        assert venue.order("replay", login="DESK")["events"] >= 10
        await resting(on, "C9", venue.price() - 50)
        assert on.all(Filled)[-1] in on.events[:before]
        assert (await on.adapter.snapshot()).positions[0].net_qty == 10


@BOTH
async def test_messages_that_come_twice_are_booked_once(version: str) -> None:
    async with practice() as venue, seat(venue, version) as on:
        venue.order("events", login="DESK", duplicate=1.0)
        for number in range(5):
            await on.buy(f"C{number}", 2)
        await until(lambda: all(on.filled(f"C{n}") == 2 for n in range(5)))
        await asyncio.sleep(0.05)
        assert all(on.filled(f"C{n}") == 2 for n in range(5))
        assert downs(on) == 0


@BOTH
async def test_disconnect_comes_back_with_what_happened_meanwhile(version: str) -> None:
    async with practice() as venue, seat(venue, version) as on:
        order_id = await resting(on, "C1", venue.price() - 50)
        venue.order("disconnect", login="DESK", refuse_s=0.3)
        await until(lambda: downs(on) == 1)
        await on.buy("C2")
        assert "no session" in (await on.one(OrderNotSent, "C2")).reason
        venue.order("trade", account="SIM1", side="buy", qty=3)
        venue.order("cancel", order_id=int(order_id))
        up = await on.ups(2)
        assert [p.net_qty for p in up.snapshot.positions] == [3]
        (found,) = [each for each in up.snapshot.orders if each.cl_ord_id == "C1"]
        assert isinstance(found, DoneOrder)


@BOTH
async def test_silent_venue_is_unknown_at_the_deadline(version: str) -> None:
    async with practice() as venue, seat(venue, version, deadline_s=0.3) as on:
        venue.order("silence", login="DESK", seconds=0.8)
        await on.buy("C1")
        unknown = await on.one(OrderUnknown, "C1")
        assert "deadline" in unknown.reason
        with pytest.raises(RequestUnknown):
            await on.adapter.snapshot()
        await asyncio.sleep(0.9)
        await resting(on, "C2", venue.price() - 50)
        await until(lambda: on.filled("C1") == 1)
        assert on.outcomes("C1") == ["OrderSent", "OrderUnknown", "OrderAccepted"]


async def test_wrong_password_is_refused_and_not_in_the_text() -> None:
    async with practice() as venue, seat(venue, connect=False, password="canary-wrong-1") as on:
        with pytest.raises(LoginRefused) as refused:
            await on.adapter.connect()
        assert "Invalid username or password" in str(refused.value)
        assert "canary" not in str(refused.value) + repr(on.adapter)
        assert on.adapter.health().state == "refused"


async def test_second_session_of_the_same_login_leaves_the_first_alone() -> None:
    async with practice() as venue, seat(venue) as on:
        async with seat(venue, connect=False) as other:
            with pytest.raises(Exception, match="closed the connection"):
                await other.adapter.connect()
        await on.buy("C1")
        await until(lambda: on.filled("C1") == 1)
        assert downs(on) == 0


async def test_venue_logout_is_followed_by_a_new_session() -> None:
    async with practice() as venue, seat(venue) as on:
        venue.order("shutdown", login="DESK", code="Maintenance", text="Back soon")
        await on.ups(2)
        (down,) = on.all(StreamDown)
        assert down.reason == "Maintenance: Back soon"


# --- numbers over restarts ----------------------------------------------------------------------------------------


@BOTH
async def test_numbers_go_on_after_a_clean_restart(version: str) -> None:
    sessions = MemorySessions()
    async with practice() as venue:
        async with seat(venue, version, sessions=sessions) as on:
            await on.buy("C1", 2)
            await until(lambda: on.filled("C1") == 2)
        memory = venue.sandbox.doors["fix"]._memories["DESK", version]  # type: ignore[attr-defined]
        assert sessions._saved["fix1"].out == memory.expected
        async with seat(venue, version, sessions=sessions) as on:
            snapshot = on.all(StreamUp)[0].snapshot
            assert [p.net_qty for p in snapshot.positions] == [2]
            assert sum(f.qty for f in snapshot.fills) == 2
            await on.buy("C2")
            await until(lambda: on.filled("C2") == 1)
        assert venue.received() == ["C1", "C2"]


@BOTH
async def test_process_that_wrote_nothing_down_is_told_the_number_the_venue_expects(version: str) -> None:
    """The numbers of the process before are lost: the venue says what it expects, and both go on without a reset."""
    async with practice() as venue:
        async with seat(venue, version) as on:
            await on.buy("C1", 2)
            await until(lambda: on.filled("C1") == 2)
        async with seat(venue, version, sessions=MemorySessions()) as on:
            await on.buy("C2")
            await until(lambda: on.filled("C2") == 1)
            assert on.all(StreamUp)[0].snapshot.positions[0].net_qty == 2
        assert venue.received() == ["C1", "C2"]


@BOTH
async def test_reset_at_every_logon_reads_the_truth_by_asking(version: str) -> None:
    async with practice() as venue, seat(venue, version, "generic-reset") as on:
        order_id = await resting(on, "C1", venue.price() - 50)
        venue.order("disconnect", login="DESK", refuse_s=0.2)
        await until(lambda: downs(on) == 1)
        venue.order("cancel", order_id=int(order_id))
        up = await on.ups(2)
        (found,) = [each for each in up.snapshot.orders if each.cl_ord_id == "C1"]
        assert isinstance(found, DoneOrder)


async def test_t4_begins_at_one_after_every_disconnect_and_misses_nothing() -> None:
    async with practice(restart_numbers=True, check_clocks=False) as venue, seat(venue, "FIX.4.2", "t4") as on:
        order_id = await resting(on, "cd0123456789abcdef0123", venue.price() - 50)
        venue.order("drop_answer", account="SIM1")
        await on.buy("cdfedcba98765432100123", 2)
        await on.ups(2)
        snapshot = await on.adapter.snapshot()
        assert snapshot.positions[0].net_qty == 2
        assert all(len(each) <= 20 for each in venue.received())
        assert {each.cl_ord_id for each in snapshot.orders} == {"cd0123456789abcdef0123", "cdfedcba98765432100123"}
        await on.adapter.cancel("SIM1", order_id)
        assert venue.received("F")


@BOTH
async def test_truth_that_can_not_be_read_is_read_again_and_the_login_comes_back(version: str) -> None:
    """The session is up and the venue answers no question: that is neither flat nor the end of the login."""
    async with practice() as venue, seat(venue, version, deadline_s=0.2) as on:
        await on.buy("C1", 2)
        await until(lambda: on.filled("C1") == 2)
        await resting(on, "C2", venue.price() - 50)
        venue.order("latency", login="DESK", p50_ms=900, p95_ms=900)
        venue.order("disconnect", login="DESK")
        await until(lambda: downs(on) == 1)
        await asyncio.sleep(0.6)
        assert len(on.all(StreamUp)) == 1
        venue.order("clear")
        up = await on.ups(2)
        assert [p.net_qty for p in up.snapshot.positions] == [2]
