"""The adapter against the sandbox's NinjaTrader door over real sockets: orders, commands, faults, restarts."""

import asyncio
from decimal import Decimal
from itertools import pairwise

import pytest

from brokers.adapter import (
    Filled,
    OrderAccepted,
    OrderNotSent,
    OrderRejected,
    OrderUnknown,
    OrderUpdated,
    PositionUpdated,
    QuoteUpdated,
    RequestRefused,
    RequestUnknown,
    StreamDown,
    StreamUp,
    VenueUnreachable,
)
from brokers.sessions import MemorySessions
from schema.records import DoneOrder, DoneStatus, LiveOrder, OrderType, Side, TimeInForce
from tests.brokers.fix.door import Seat, order, until
from tests.brokers.ninjatrader.door import Practice, practice, seat


def last_of(on: Seat, cl_ord_id: str) -> object:
    return on.all(OrderUpdated, cl_ord_id)[-1].order


async def done(on: Seat, cl_ord_id: str, status: DoneStatus = DoneStatus.FILLED) -> DoneOrder:
    def ended() -> bool:
        seen = on.all(OrderUpdated, cl_ord_id)
        return bool(seen) and isinstance(seen[-1].order, DoneOrder)

    await until(ended, 4.0, f"{cl_ord_id} did not end: {on.events[-5:]}")
    found = last_of(on, cl_ord_id)
    assert isinstance(found, DoneOrder)
    assert found.status is status
    return found


async def resting(on: Seat, cl_ord_id: str, price: Decimal, qty: int = 2) -> str:
    await on.buy(cl_ord_id, qty, order_type=OrderType.LIMIT, limit_price=price)
    return (await on.one(OrderUpdated, cl_ord_id)).order.order_id


# --- orders ---------------------------------------------------------------------------------------------------------


async def test_market_order_is_sent_accepted_and_filled_lot_by_lot() -> None:
    async with practice() as venue, seat(venue.port) as on:
        up = on.all(StreamUp)[0]
        assert up.first and up.snapshot.complete == {"SIM1", "SIM2"}
        await on.buy("C1", 3)
        last = await done(on, "C1")
        assert on.outcomes("C1") == ["OrderSent", "OrderAccepted"]
        assert venue.net() == 3 and venue.received() == ["C1"]
        fills = [event.fill for event in on.all(Filled, "C1")]
        assert [fill.fill_id for fill in fills] == ["C1@1", "C1@2", "C1@3"]
        assert (last.filled_qty, last.order_id, last.cl_ord_id) == (3, "C1", "C1")
        booked = venue.order("state", account="SIM1")["fills"]
        assert sum(fill.price for fill in fills) == sum(each["price"] * each["qty"] for each in booked)
        assert all(fill.price % Decimal("0.25") == 0 for fill in fills)
        await until(lambda: any(e.position.net_qty == 3 for e in on.all(PositionUpdated)))


@pytest.mark.parametrize("words", [True, False])
async def test_partial_fills_come_as_they_happen(words: bool) -> None:
    """T-PARTIAL, in either spelling of the states."""
    async with practice(enum_words=words) as venue, seat(venue.port) as on:
        price = venue.price() - 50
        await resting(on, "C1", price, 5)
        for qty in (2, 1):
            before = on.filled("C1")
            venue.order("print", symbol="ESH4", limit=str(price - 1), qty=qty, side="sell")
            await until(lambda before=before, qty=qty: on.filled("C1") == before + qty)
        shown = last_of(on, "C1")
        assert isinstance(shown, LiveOrder)
        assert (shown.filled_qty, shown.qty, shown.avg_price) == (3, 5, price)
        assert venue.net() == 3


@pytest.mark.parametrize("kind", [OrderType.LIMIT, OrderType.STOP, OrderType.STOP_LIMIT])
async def test_resting_order_shows_its_terms(kind: OrderType) -> None:
    async with practice() as venue, seat(venue.port) as on:
        last = venue.price()
        prices = {
            OrderType.LIMIT: {"limit_price": last - 50},
            OrderType.STOP: {"stop_price": last + 50},
            OrderType.STOP_LIMIT: {"stop_price": last + 50, "limit_price": last + 51},
        }[kind]
        await on.buy("C1", 2, order_type=kind, time_in_force=TimeInForce.GTC, **prices)
        shown = (await on.one(OrderUpdated, "C1")).order
        assert isinstance(shown, LiveOrder)
        assert (shown.order_type, shown.qty) == (kind, 2)
        (booked,) = venue.orders()
        assert (booked["limit"], booked["stop"]) == (prices.get("limit_price"), prices.get("stop_price"))


async def test_modify_and_cancel_are_proven_by_the_orders_state() -> None:
    async with practice() as venue, seat(venue.port) as on:
        low = venue.price() - 50
        order_id = await resting(on, "C1", low)
        for qty in (3, 4):
            await on.adapter.modify("SIM1", order_id, qty=qty, order_type=OrderType.LIMIT, limit_price=low - qty)
        (booked,) = venue.orders()
        assert (booked["qty"], booked["limit"]) == (4, low - 4)
        shown = last_of(on, "C1")
        assert isinstance(shown, LiveOrder) and (shown.qty, shown.limit_price) == (4, low - 4)
        with pytest.raises(RequestRefused, match="can't make"):
            await on.adapter.modify("SIM1", order_id, qty=4, order_type=OrderType.STOP, stop_price=low)
        await on.adapter.cancel("SIM1", order_id)
        await done(on, "C1", DoneStatus.CANCELED)
        with pytest.raises(RequestRefused, match="too late"):
            await on.adapter.cancel("SIM1", order_id)
        with pytest.raises(RequestRefused, match="not known"):
            await on.adapter.cancel("SIM1", "12345")


async def test_reject_without_a_reason_is_a_reject() -> None:
    """T-VERBATIM: there are no words on this wire, and none are made up."""
    async with practice() as venue, seat(venue.port) as on:
        venue.order("reject", account="SIM1", text="Insufficient margin")
        await on.buy("C1")
        rejected = await on.one(OrderRejected, "C1")
        assert "no reason" in rejected.text and "margin" not in rejected.text
        assert (await done(on, "C1", DoneStatus.REJECTED)).filled_qty == 0


async def test_reject_may_follow_the_acceptance() -> None:
    async with practice() as venue, seat(venue.port) as on:
        venue.order("late_reject", account="SIM1", after_s=0.1)
        await on.buy("C1")
        await on.one(OrderRejected, "C1")
        assert on.outcomes("C1") == ["OrderSent", "OrderAccepted", "OrderRejected"]


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"time_in_force": TimeInForce.IOC}, "day and GTC"),
        ({"account": "SIM9"}, "not of this connection"),
        ({"symbol": "XXH4"}, "product table"),
    ],
)
async def test_what_can_not_be_said_is_not_sent(more: dict[str, object], sentence: str) -> None:
    async with practice() as venue, seat(venue.port) as on:
        await on.adapter.place([order("C1", **more)])  # type: ignore[arg-type]
        assert sentence in on.all(OrderNotSent, "C1")[0].reason
        assert not venue.verbs()


async def test_no_id_is_sent_twice() -> None:
    async with practice() as venue, seat(venue.port) as on:
        await on.buy("C1")
        with pytest.raises(ValueError, match="already sent"):
            await on.buy("C1")
        await done(on, "C1")
        assert venue.received() == ["C1"]


async def test_quotes_come_of_watched_contracts_and_again_after_a_reconnect() -> None:
    async with practice() as venue, seat(venue.port) as on:
        await on.adapter.watch("ESH4", 60, 10)
        await until(lambda: any(e.quote.bid and e.quote.ask for e in on.all(QuoteUpdated)))
        venue.order("disconnect", login="DESK")
        await on.ups(2)
        before = len(on.all(QuoteUpdated))
        await until(lambda: len(on.all(QuoteUpdated)) > before)


# --- close ----------------------------------------------------------------------------------------------------------


async def test_close_is_for_one_account_and_one_contract_alone() -> None:
    async with practice() as venue, seat(venue.port) as on:
        for account, symbol in (("SIM1", "ESH4"), ("SIM1", "MESH4"), ("SIM2", "ESH4")):
            await on.buy(f"{account}{symbol}", 2, account=account, symbol=symbol)
            await done(on, f"{account}{symbol}")
        await resting(on, "R1", venue.price() - 50)
        await on.adapter.liquidate("SIM1", "ESH4", "cf1")
        exposure = await on.adapter.exposure()
        held = {(each.account, each.symbol): each.net_qty for each in exposure.positions}
        assert held == {("SIM1", "MESH4"): 2, ("SIM2", "ESH4"): 2}
        assert not exposure.working and exposure.complete == {"SIM1", "SIM2"}
        await on.adapter.liquidate("SIM1", "ESH4", "cf2")  # flat already: harmless
        assert venue.net() == 0
        with pytest.raises(ValueError, match="already sent"):
            await on.adapter.liquidate("SIM1", "ESH4", "cf2")


async def test_orders_of_other_front_ends_are_working_and_can_be_canceled() -> None:
    async with practice() as venue, seat(venue.port) as on:
        price = str(venue.price() - 50)
        venue.order("trade", account="SIM1", side="buy", qty=1, type="limit", limit=price)
        (working,) = (await on.adapter.exposure()).working
        assert working.account == "SIM1"
        await on.adapter.cancel("SIM1", working.order_id)
        assert not (await on.adapter.exposure()).working


# --- faults ---------------------------------------------------------------------------------------------------------


async def test_lost_answer_is_unknown_then_read_and_never_sent_again() -> None:
    async with practice() as venue, seat(venue.port, deadline_s=0.4) as on:
        venue.order("drop_answer", account="SIM1")
        await on.buy("C1", 2)
        await on.one(OrderUnknown, "C1")
        snapshot = await on.adapter.snapshot()
        assert [(each.cl_ord_id, each.filled_qty) for each in snapshot.orders] == [("C1", 2)]
        assert on.outcomes("C1") == ["OrderSent", "OrderUnknown", "OrderAccepted"]
        assert on.filled("C1") == 2 and venue.received() == ["C1"]


async def test_order_that_never_arrived_is_left_out_by_a_reading_of_its_account() -> None:
    """A name that NinjaTrader does not have is answered by nothing; only a new connection shows it is not there."""
    async with practice(accounts=("SIM1",)) as venue, seat(venue.port, deadline_s=0.3) as on:
        await on.adapter.place([order("C1", symbol="NQH4")])
        await on.one(OrderUnknown, "C1")
        snapshot = await on.adapter.snapshot()
        assert not snapshot.orders and "SIM1" in snapshot.complete


async def test_the_standing_connections_memory_proves_no_absence() -> None:
    async with practice() as venue, seat(venue.port, deadline_s=0.3, readings="cache") as on:
        venue.order("drop_answer", account="SIM1")
        await on.buy("C1", 2)
        await on.one(OrderUnknown, "C1")
        assert (await on.adapter.snapshot()).complete == {"SIM2"}


async def test_silence_is_no_reading() -> None:
    """T-UNKNOWN"""
    async with practice() as venue, seat(venue.port, deadline_s=0.3) as on:
        venue.order("silence", login="DESK", seconds=5)
        with pytest.raises(RequestUnknown):
            await on.adapter.exposure()


async def test_an_account_nothing_is_told_of_is_not_known_and_not_flat() -> None:
    """T-UNKNOWN"""
    async with practice() as venue, seat(venue.port, accounts=("SIM1", "SIM9")) as on:
        assert on.all(StreamUp)[0].snapshot.complete == {"SIM1"}
        assert "SIM9" in on.adapter.health().reason
        venue.order("empty", login="DESK", seconds=5)
        assert not (await on.adapter.exposure()).complete


async def test_fills_in_a_gap_come_once_with_the_reconnect() -> None:
    """T-DUP, T-DROP: the line breaks with an order at rest, which is filled meanwhile."""
    async with practice() as venue, seat(venue.port) as on:
        price = venue.price() - 50
        await resting(on, "C1", price, 3)
        venue.order("disconnect", login="DESK", refuse_s=0.4)
        await on.one(StreamDown)
        venue.order("print", symbol="ESH4", limit=str(price - 1), qty=3, side="sell")
        await on.ups(2)
        assert (await done(on, "C1")).filled_qty == 3
        assert [event.fill.fill_id for event in on.all(Filled)] == ["C1@1", "C1@2", "C1@3"]


async def test_replayed_values_bring_no_fill() -> None:
    """T-REPLAY"""
    async with practice() as venue, seat(venue.port) as on:
        await on.buy("C1", 2)
        await done(on, "C1")
        for _ in range(3):
            venue.order("replay", login="DESK")
        venue.order("disconnect", login="DESK")
        await on.ups(2)
        await on.adapter.snapshot()
        assert len(on.all(Filled)) == 2


async def test_values_told_twice_shuffled_and_lost_add_up() -> None:
    """T-DROP: what was not told is asked for, without anybody's order to."""
    async with practice() as venue, seat(venue.port) as on:
        venue.order("events", login="DESK", duplicate=0.4, drop_fills=0.5, reorder=True)
        for number in range(12):
            await on.buy(f"C{number}", 1 + number % 3, side=Side.BUY if number % 2 else Side.SELL)
        await until(lambda: sum(on.filled(f"C{n}") for n in range(12)) == 24, 10, "lots are missing")
        ids = [event.fill.fill_id for event in on.all(Filled)]
        assert len(ids) == len(set(ids)) == 24
        assert sum(event.fill.net_qty for event in on.all(Filled)) == venue.net()


async def test_interface_switched_off_is_a_lost_connection() -> None:
    async with practice() as venue, seat(venue.port) as on:
        venue.order("go_away", login="DESK")
        down = await on.one(StreamDown)
        assert "AT interface is off" in down.reason
        await on.buy("C1")
        assert on.all(OrderNotSent, "C1")
        await on.ups(2)
        await on.buy("C2")
        await done(on, "C2")


async def test_interface_that_is_off_at_the_start_says_what_to_do() -> None:
    async with practice() as venue, seat(venue.port, connect=False) as on:
        venue.order("go_away", login="DESK")
        with pytest.raises(VenueUnreachable, match="Control Center"):
            await on.adapter.connect()


async def test_another_process_takes_the_orders_up_without_repeating_a_fill() -> None:
    sessions = MemorySessions()
    async with practice() as venue:
        price = venue.price() - 50
        async with seat(venue.port, sessions=sessions) as on:
            await resting(on, "C1", price, 3)
            venue.order("print", symbol="ESH4", limit=str(price - 1), qty=1, side="sell")
            await until(lambda: on.filled("C1") == 1)
        venue.order("print", symbol="ESH4", limit=str(price - 1), qty=1, side="sell")
        async with seat(venue.port, sessions=sessions) as on:
            (up,) = on.all(StreamUp)
            assert [fill.fill_id for fill in up.snapshot.fills] == ["C1@1", "C1@2"]
            assert [event.fill.fill_id for event in on.all(Filled)] == ["C1@2"]
            (shown,) = up.snapshot.orders
            assert isinstance(shown, LiveOrder) and (shown.filled_qty, shown.limit_price) == (2, price)
            await on.adapter.cancel("SIM1", "C1")


async def test_deadline_holds_for_every_order_of_a_venue_that_hangs() -> None:
    async with practice() as venue, seat(venue.port, deadline_s=0.3) as on:
        venue.order("hang", login="DESK", seconds=1)
        await on.adapter.place([order(f"C{n}") for n in range(5)])
        for n in range(5):
            await on.one(OrderUnknown, f"C{n}", within_s=0.8)
        for n in range(5):
            await on.one(OrderAccepted, f"C{n}")
            assert on.outcomes(f"C{n}") == ["OrderSent", "OrderUnknown", "OrderAccepted"]
        assert venue.received() == [f"C{n}" for n in range(5)]


async def test_unread_messages_are_kept_counted_and_survived(unused_tcp_port: int) -> None:
    """A server that talks nonsense between its values."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"2\0ATI\0True\0")
        writer.write(b"2\0CashValue|SIM1\x001.000,50\x002\0CashValue|SIM1\x001000.5\0")
        writer.write(b"9\0\x1b[31mnonsense\0" + b"2\0Orders|SIM1\0\0")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", unused_tcp_port)
    async with server, seat(unused_tcp_port) as on:
        up = on.all(StreamUp)[0]
        assert up.snapshot.complete == {"SIM1"}
        assert [str(each.balance) for each in up.snapshot.states] == ["1000.5"]
        assert on.adapter.health().unreadable == 2


# --- what never crosses the wire ------------------------------------------------------------------------------------


async def test_no_command_that_reaches_every_account_ever_crosses_the_wire() -> None:
    """Every call of the port, through a relay that keeps what the desk wrote: every command is one of four, and names
    its order or its account."""
    written = bytearray()
    async with practice() as venue:

        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            theirs, to_them = await asyncio.open_connection("127.0.0.1", venue.port)

            async def pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter, keep: bool) -> None:
                while data := await source.read(65_536):
                    if keep:
                        written.extend(data)
                    sink.write(data)
                sink.close()

            await asyncio.gather(pipe(reader, to_them, True), pipe(theirs, writer, False), return_exceptions=True)

        server = await asyncio.start_server(relay, "127.0.0.1", 0)
        async with server, seat(server.sockets[0].getsockname()[1]) as on:
            await exercise(venue, on)
    texts = bytes(written).decode("ascii").split("\0")
    commands = [text for before, text in pairwise(texts) if before == "0" and ";" in text]
    assert {text.split(";")[0] for text in commands} == {"PLACE", "CHANGE", "CANCEL", "CLOSEPOSITION"}
    for fields in (text.split(";") for text in commands):
        assert len(fields) == 13
        assert fields[10] or (fields[0] == "CLOSEPOSITION" and fields[1] and fields[2])
    for word in ("FLATTENEVERYTHING", "CANCELALLORDERS"):
        assert word.encode() not in bytes(written).upper()
    assert venue.verbs() == [text.split(";")[0] for text in commands]


async def exercise(venue: Practice, on: Seat) -> None:
    """Every method of the port."""
    low = venue.price() - 50
    for account in ("SIM1", "SIM2"):
        await on.buy(f"M{account}", 2, account=account)
        await done(on, f"M{account}")
    order_id = await resting(on, "C1", low)
    await on.adapter.modify("SIM1", order_id, qty=3, order_type=OrderType.LIMIT, limit_price=low - 1)
    await on.adapter.cancel("SIM1", order_id)
    await on.adapter.watch("ESH4", 60, 1)
    await on.adapter.instrument("ESH4")
    await on.adapter.snapshot()
    for account in ("SIM1", "SIM2"):
        await on.adapter.liquidate(account, "ESH4", f"cf{account}")
    exposure = await on.adapter.exposure()
    assert not exposure.positions and not exposure.working


# --- orders of others -----------------------------------------------------------------------------------------------


async def test_a_traders_own_fill_is_told_when_the_position_shows_what_it_was() -> None:
    async with practice() as venue, seat(venue.port) as on:
        await on.buy("C1", 2)
        await done(on, "C1")
        venue.order("trade", account="SIM1", side="sell", qty=3, symbol="ESH4")
        await until(lambda: len(on.all(Filled)) == 5)
        theirs = [event.fill for event in on.all(Filled) if not event.fill.cl_ord_id]
        assert {(fill.symbol, fill.side, fill.qty) for fill in theirs} == {("ESH4", Side.SELL, 1)}
        booked = venue.order("state", account="SIM1")["fills"]
        total = sum(each["price"] * each["qty"] for each in booked)
        assert sum(event.fill.price for event in on.all(Filled)) == total
        assert not [event for event in on.all(OrderUpdated) if event.order.cl_ord_id != "C1"]
        venue.order("disconnect", login="DESK")
        await on.ups(2)
        assert len(on.all(Filled)) == 5


async def test_a_close_brings_its_fills_too() -> None:
    async with practice() as venue, seat(venue.port) as on:
        await on.buy("C1", 3)
        await done(on, "C1")
        await on.adapter.liquidate("SIM1", "ESH4", "cf1")
        await until(lambda: sum(event.fill.net_qty for event in on.all(Filled)) == 0 and len(on.all(Filled)) == 6)


async def test_what_can_be_meant_in_two_ways_is_not_made_a_fill() -> None:
    """Without the ids of others, or when two contracts moved at once, only the position is known."""
    async with practice(shows_foreign=False) as venue, seat(venue.port) as on:
        venue.order("trade", account="SIM1", side="sell", qty=3, symbol="ESH4")
        await until(lambda: any(event.position.net_qty == -3 for event in on.all(PositionUpdated)))
        await on.buy("C1", 1)
        await done(on, "C1")
        assert on.filled("C1") == len(on.all(Filled)) == 1
    async with practice() as venue, seat(venue.port) as on:
        for symbol in ("ESH4", "MESH4"):
            venue.order("trade", account="SIM1", side="buy", qty=1, symbol=symbol)
        await until(lambda: len({e.position.symbol for e in on.all(PositionUpdated)}) == 2)
        await until(lambda: not on.adapter._strangers.waiting)  # type: ignore[attr-defined]
        assert not on.all(Filled)
        venue.order("trade", account="SIM1", side="buy", qty=2, symbol="ESH4")  # and from then on it is clear again
        await until(lambda: len(on.all(Filled)) == 2)


async def test_a_server_that_tells_a_new_connection_nothing_can_be_traded_and_read_from_memory() -> None:
    """That everything is told again is not verified: without it the accounts are known by what changes."""
    async with practice(tells_everything=False) as venue, seat(venue.port, readings="cache") as on:
        assert not on.all(StreamUp)[0].snapshot.complete
        await on.buy("C1", 2)
        await done(on, "C1")
        snapshot = await on.adapter.snapshot()
        assert snapshot.complete == {"SIM1"}
        assert [(each.symbol, each.net_qty) for each in snapshot.positions] == [("ESH4", 2)]
        assert [each.filled_qty for each in snapshot.orders] == [2]
    async with practice(tells_everything=False) as venue, seat(venue.port) as on:
        await on.buy("C1", 2)
        await done(on, "C1")
        assert not (await on.adapter.snapshot()).complete


async def test_an_order_made_smaller_by_somebody_else_ends_all_the_same() -> None:
    async with practice() as venue, seat(venue.port) as on:
        price = venue.price() - 50
        await resting(on, "C1", price, 5)
        (booked,) = venue.orders()
        venue.order("modify", order_id=booked["order_id"], qty=2, type="limit", limit=str(price))
        venue.order("print", symbol="ESH4", limit=str(price - 1), qty=2, side="sell")
        assert (await done(on, "C1")).filled_qty == 2


async def test_a_partial_fill_is_no_proof_of_a_change() -> None:
    async with practice(tells_changes=False) as venue, seat(venue.port, deadline_s=0.4) as on:
        price = venue.price() - 50
        order_id = await resting(on, "C1", price, 5)
        venue.order("drop_answer", account="SIM1")
        change = asyncio.ensure_future(
            on.adapter.modify("SIM1", order_id, qty=4, order_type=OrderType.LIMIT, limit_price=price)
        )
        await until(lambda: "CHANGE" in venue.verbs())
        venue.order("print", symbol="ESH4", limit=str(price - 1), qty=1, side="sell")
        with pytest.raises(RequestUnknown):
            await change
        await until(lambda: on.filled("C1") == 1)
