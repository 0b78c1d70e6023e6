"""C-1400: request budgets, penalties, and answers that are none."""

import asyncio

from brokers.adapter import Exposure, OrderNotSent, OrderRejected, RequestUnknown
from schema.records import OrderType, RejectClass
from tests.brokers.contract.bench import A, B, Bench
from tests.brokers.contract.cards import Group

card = Group("Limits and penalties", 1400)


@card(1401)
async def a_spent_budget_keeps_entries_back_and_lets_exits_go(bench: Bench) -> None:
    """T-PANIC: entries beyond the budget are not sent, in a sentence; an exit still leaves."""
    await bench.again(settings={"requests_per_min": 40, "reserved_for_exits": 25})
    await bench.buy("in")
    await bench.filled("in", 1)
    for number in range(40):
        await bench.buy(f"e{number}", order_type=OrderType.LIMIT, limit_price=bench.price(-4_000))
    await bench.until(lambda: all(bench.outcomes(t) or t in bench.of_not_sent() for t in bench.placed), "all decided")
    assert len(bench.of_not_sent()) >= 20
    assert "budget" in bench.of(OrderNotSent)[0].reason
    await bench.sell("out", reducing=True)
    await bench.filled("out", 1)


@card(1405)
async def the_venue_is_never_asked_for_more_than_the_budget(bench: Bench) -> None:
    """Whatever is wanted in a minute, no more than the budget reaches the venue."""
    await bench.again(settings={"requests_per_min": 30, "reserved_for_exits": 5})
    for number in range(60):
        await bench.buy(f"e{number}", order_type=OrderType.LIMIT, limit_price=bench.price(-4_000))
    await bench.until(lambda: all(bench.outcomes(t) or t in bench.of_not_sent() for t in bench.placed), "all decided")
    assert 0 < len(bench.asked("place")) <= 25
    assert bench.adapter.health().budget_left <= 30 - len(bench.asked("place"))


async def nothing_is_called_too_many(bench: Bench) -> None:
    """The venue has no such answer: orders, exits and reads go on, by the desk's own budget alone."""
    bench.control("throttle", login="desk1")
    await bench.buy("in", 2)
    await bench.filled("in", 2)
    assert [p.net_qty for p in (await bench.adapter.exposure()).positions if p.account == A] == [2]
    await bench.sell("out", 2, reducing=True)
    await bench.filled("out", 2)
    assert bench.of(OrderRejected) == [] and bench.net() == 0


@card(1410, needs="throttles", without=nothing_is_called_too_many)
async def too_many_is_a_proven_no(bench: Bench) -> None:
    """The venue says too many requests: THROTTLED, once; exits go on."""
    await bench.buy("in")
    await bench.filled("in", 1)
    bench.control("throttle", login="desk1")
    await bench.buy("a")
    await bench.outcome("a")
    (told,) = bench.of(OrderRejected, "a")
    assert told.reject_class is RejectClass.THROTTLED
    await bench.sell("out", reducing=True)
    await bench.filled("out", 1)
    assert bench.net() == 0


@card(1415, needs="throttles", without=nothing_is_called_too_many)
async def entries_rest_after_too_many(bench: Bench) -> None:
    """After a "too many" the venue is left alone for a while: the next entry is not sent."""
    await bench.adapter.instrument("ESH4")
    bench.control("throttle", login="desk1")
    await bench.buy("a")
    await bench.outcome("a")
    await bench.buy("b")
    await bench.until(lambda: bench.of(OrderNotSent, "b"), "not sent", 1)
    assert "too many" in bench.of(OrderNotSent, "b")[0].reason
    assert bench.reached("b") == 0


@card(1420, needs="throttles", without=nothing_is_called_too_many)
async def a_read_that_is_refused_is_not_a_flat_account(bench: Bench) -> None:
    """T-UNKNOWN: the venue answers a read with "too many": RequestUnknown, and later the truth."""
    bench.foreign(2)
    await bench.until(lambda: bench.told_net() == 2, "the trade")
    await bench.resting("rest")
    bench.control("throttle", login="desk1", count=20)
    with bench.refused(RequestUnknown):
        await bench.adapter.exposure()
    bench.control("clear")
    exposure = await bench.adapter.exposure()
    assert [p.net_qty for p in exposure.positions if p.account == A] == [2]
    assert len(exposure.working) == 1


@card(1425, line=True)
async def a_read_that_is_not_answered_is_not_a_flat_account(bench: Bench) -> None:
    """T-UNKNOWN: the line breaks under a read: RequestUnknown or, asked again, the truth; never an empty one."""
    assert bench.line is not None
    await bench.buy("in", 2)
    await bench.filled("in", 2)
    await bench.resting("rest")
    bench.line.swallow, opened = True, bench.line.opened
    reading = asyncio.ensure_future(bench.adapter.exposure())
    await bench.until(  # a question, or the new connection that is one
        lambda: bench.line and (bench.line.swallowed or bench.line.opened > opened), "the question has left"
    )
    bench.line.swallow = False
    bench.line.cut()
    readings: list[Exposure] = []
    try:
        readings.append(await reading)  # asked again over a new line, which is safe for a read
    except RequestUnknown as unknown:
        bench.said.append(str(unknown))
    await bench.until(lambda: bench.adapter.health().state == "up", "up", 8)
    readings.append(await bench.adapter.exposure())
    for exposure in readings:
        assert [p.net_qty for p in exposure.positions if p.account == A] == [2] and len(exposure.working) == 1


@card(1427, line=True)
async def a_torn_reading_is_not_a_flat_account(bench: Bench) -> None:
    """T-UNKNOWN: a reading that is torn in the middle is RequestUnknown or the truth, never an empty one."""
    assert bench.line is not None
    await bench.buy("in", 2)
    await bench.filled("in", 2)
    for cut_at in (1, 60, 200):
        bench.line.cut_at = cut_at
        try:
            exposure = await bench.adapter.exposure()
        except RequestUnknown as unknown:
            bench.said.append(str(unknown))
        else:
            assert [p.net_qty for p in exposure.positions if p.account == A] == [2]
        await bench.until(lambda: bench.adapter.health().state == "up", "up", 8)
    bench.line.cut_at = 0
    assert [p.net_qty for p in (await bench.adapter.exposure()).positions if p.account == A] == [2]


async def none_is_an_answer(bench: Bench) -> None:
    """Lists say how many they hold: with the fault ordered, the truth is still whole and right."""
    await bench.buy("in", 2)
    await bench.filled("in", 2)
    bench.control("empty", login="desk1", seconds=30)
    snapshot = await bench.adapter.snapshot()
    assert snapshot.complete == {A, B}
    assert [p.net_qty for p in snapshot.positions if p.account == A] == [2]


@card(1430, needs="uncounted_lists", without=none_is_an_answer)
async def an_empty_list_is_not_a_flat_account(bench: Bench) -> None:
    """T-UNKNOWN: the lists come empty, with success: what is known to be open is not called complete."""
    await bench.buy("in", 2)
    await bench.filled("in", 2)
    await bench.until(lambda: bench.position() == 2, "the position")
    await bench.resting("rest", account=B)
    bench.control("empty", login="desk1", seconds=30)
    for reading in (await bench.adapter.snapshot(), await bench.adapter.exposure()):
        assert A not in reading.complete and B not in reading.complete
    bench.control("clear")
    exposure = await bench.adapter.exposure()
    assert exposure.complete == {A, B}
    assert [p.net_qty for p in exposure.positions if p.net_qty] == [2] and len(exposure.working) == 1
