"""C-1600: bad, truncated and torn messages. One that can't be read is kept, counted, and survived."""

from brokers.adapter import MessageUnreadable, StreamDown
from schema.records import OrderType
from tests.brokers.contract.bench import MES, SECRET, A, Bench, order
from tests.brokers.contract.cards import Group

card = Group("Bad and truncated messages", 1600)


@card(1601, line=True)
async def what_can_not_be_read_is_kept_and_counted(bench: Bench) -> None:
    """Each unreadable message is told once, as it came, and counted; the stream goes on and did not break."""
    await bench.marker()
    count = bench.venue.garble(bench)
    await bench.until(lambda: len(bench.of(MessageUnreadable)) == count, "all told")
    assert bench.adapter.health().unreadable == count
    assert all(event.error and event.raw for event in bench.of(MessageUnreadable))
    await bench.buy("a")
    await bench.filled("a", 1)
    assert bench.of(StreamDown) == []


@card(1605, line=True)
async def what_can_not_be_read_is_short_and_holds_no_secret(bench: Bench) -> None:
    """What is kept of it is capped, one line fit for a log, without the login's secret."""
    await bench.marker()
    count = bench.venue.garble(bench)
    await bench.until(lambda: len(bench.of(MessageUnreadable)) == count, "all told")
    for event in bench.of(MessageUnreadable):
        assert len(event.raw) <= 1_024 and len(event.error) <= 1_024
        assert SECRET not in event.raw + event.error


@card(1610, line=True)
async def messages_may_come_in_pieces(bench: Bench) -> None:
    """Every message arrives in pieces of five bytes: orders, fills, cancels as ever."""
    assert bench.line is not None
    bench.line.piece = 5
    await bench.buy("a", 2)
    await bench.filled("a", 2)
    order_id = await bench.resting("rest")
    await bench.adapter.cancel(A, order_id)
    await bench.until(lambda: bench.done("rest", "canceled") and bench.done("a", "filled"), "both over")
    assert bench.of(MessageUnreadable) == bench.of(StreamDown) == []


@card(1615, line=True)
async def many_messages_may_come_at_once(bench: Bench) -> None:
    """A burst in one piece: nothing of it is lost or told twice."""
    await bench.place(*(order(f"m{number}", 4, symbol=MES) for number in range(15)))
    await bench.until(lambda: bench.told_net(A, MES) == 60, "all fills")
    await bench.until(lambda: all(bench.done(f"m{number}") for number in range(15)), "all over")
    assert bench.net(A, MES) == 60 and bench.of(MessageUnreadable) == []


@card(1620, line=True, connect=False)
async def a_line_that_breaks_while_connecting_is_no_login(bench: Bench) -> None:
    """Cut after 1, 60 and 400 bytes: `connect` ends as unreachable or up; a broken line is not a wrong password."""
    from brokers.adapter import LoginRefused, VenueUnreachable

    assert bench.line is not None
    for cut_at in (1, 60, 400):
        adapter = bench.build()
        bench.line.cut_at = cut_at
        try:
            await adapter.connect()
        except (VenueUnreachable, LoginRefused) as error:
            bench.said.append(str(error))
            assert isinstance(error, VenueUnreachable), error
            assert adapter.health().state != "up"
        else:
            assert adapter.health().state in ("up", "syncing", "connecting", "down")
        await adapter.close()
    bench.line.cut_at = 0


@card(1625, line=True)
async def a_torn_answer_to_an_order_is_unknown_not_rejected(bench: Bench) -> None:
    """The answer ends in mid-message: never a reject; what the venue did is known after the line is back."""
    assert bench.line is not None
    await bench.adapter.instrument("ESH4")
    price = bench.price(-200)
    bench.line.cut_at = 20
    await bench.buy("a", order_type=OrderType.LIMIT, limit_price=price)
    await bench.until(lambda: bench.outcomes("a"), "an outcome")
    assert "OrderRejected" not in bench.outcomes("a")
    await bench.until(lambda: bench.adapter.health().state == "up", "up", 8)
    snapshot = await bench.adapter.snapshot()
    assert [o.cl_ord_id for o in snapshot.orders if o.status == "working"] == ["a"] * bench.working()
    assert bench.reached("a") == bench.working()
