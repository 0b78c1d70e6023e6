"""C-1200: replays, duplicates, disorder, and fills that never come."""

from brokers.adapter import Filled, OrderAccepted, OrderUpdated
from schema.records import LiveOrder
from tests.brokers.contract.bench import A, B, Bench, order
from tests.brokers.contract.cards import Group

card = Group("Replays, duplicates and lost events", 1200)


@card(1201)
async def a_replayed_session_tells_nothing(bench: Bench) -> None:
    """T-REPLAY: the venue tells the whole session again as if it were new: no fill, no acceptance, no order."""
    await bench.buy("a", 2)
    await bench.filled("a", 2)
    await bench.resting("rest")
    bench.foreign(1)
    await bench.until(lambda: bench.told_net() == 3, "all told")
    await bench.marker()
    place = len(bench.events)
    assert bench.control("replay", login="desk1")["events"] > 0
    await bench.marker()
    later = bench.events[place:]
    assert len([e for e in later if isinstance(e, Filled)]) == 1, "only the marker's"
    assert [e for e in later if isinstance(e, OrderAccepted)] == []
    assert bench.live("rest") and bench.done("a")


@card(1205)
async def a_replay_wakes_no_order_that_is_over(bench: Bench) -> None:
    """T-REPLAY: orders that ended stay ended, however often their beginnings are told."""
    order_id = await bench.resting("a")
    await bench.adapter.cancel(A, order_id)
    await bench.buy("b")
    await bench.filled("b", 1)
    await bench.until(lambda: bench.done("a") and bench.done("b"), "both over")
    place = len(bench.events)
    bench.control("replay", login="desk1")
    bench.control("replay", login="desk1")
    await bench.marker()
    woken = [e for e in bench.events[place:] if isinstance(e, OrderUpdated) and isinstance(e.order, LiveOrder)]
    assert [e for e in woken if e.order.cl_ord_id in ("a", "b")] == []
    assert bench.done("a", "canceled") and bench.done("b", "filled")


@card(1210)
async def a_replay_after_a_reconnect_tells_nothing(bench: Bench) -> None:
    """T-REPLAY: what was told before the gap, and what the truth after it had, is not told again."""
    await bench.buy("a")
    await bench.filled("a", 1)
    await bench.resting("rest", 2)
    bench.control("disconnect", login="desk1", refuse_s=0.3)
    await bench.down()
    bench.trades_at(bench.price(-201), 2)
    await bench.back()
    bench.control("replay", login="desk1")
    await bench.marker()
    known = {e.fill.fill_id: e.fill.qty for e in bench.fills() if e.fill.account == A}
    known |= {f.fill_id: f.qty for up in bench.ups() for f in up.snapshot.fills if f.account == A}
    assert sum(known.values()) == sum(f["qty"] for f in bench.fills_at_venue())
    assert sum(e.fill.qty for e in bench.fills("a")) == 1


@card(1215)
async def what_comes_twice_is_told_once(bench: Bench) -> None:
    """T-DUP: every event of the venue comes twice: each fill, acceptance and end of an order is told once."""
    bench.control("events", login="desk1", duplicate=1.0)
    await bench.buy("a", 2)
    await bench.filled("a", 2)
    await bench.until(lambda: bench.done("a"), "over")
    await bench.marker()
    assert len(bench.of(OrderAccepted, "a")) == 1
    assert [e.order.filled_qty for e in bench.of(OrderUpdated, "a") if not isinstance(e.order, LiveOrder)] == [2]
    assert bench.told_net() == 2


@card(1220)
async def disorder_ends_in_the_truth(bench: Bench) -> None:
    """The events of an order come shuffled, and twice: in the end each is told once, and as the venue has it."""
    bench.control("events", login="desk1", duplicate=0.5, reorder=True)
    tags = [f"d{number}" for number in range(8)]
    await bench.place(*(order(tag, 2, account=(A, B)[n % 2]) for n, tag in enumerate(tags)))
    await bench.until(lambda: bench.told_net(A) == bench.told_net(B) == 8, "all fills")
    await bench.until(lambda: all(bench.done(tag, "filled") for tag in tags), "all over")
    assert (bench.net(A), bench.net(B)) == (8, 8)
    assert [bench.shown_order(tag).filled_qty for tag in tags] == [2] * 8


@card(1225)
async def an_event_may_come_before_the_answer(bench: Bench) -> None:
    """The stream tells an order before the request is answered: one acceptance, and the fill is ours."""
    bench.control("events", login="desk1", before_answer=True)
    await bench.buy("a")
    (fill,) = await bench.filled("a", 1)
    await bench.until(lambda: bench.of(OrderAccepted, "a"), "accepted")
    assert fill.fill.cl_ord_id == "a"
    assert bench.outcomes("a") == ["OrderAccepted"]


@card(1230)
async def fills_that_never_came_are_found_by_asking(bench: Bench) -> None:
    """T-DROP: the stream loses every fill: a truth read anew has them, each once."""
    bench.control("events", login="desk1", drop_fills=1.0)
    await bench.buy("a", 2)
    await bench.until(lambda: bench.net() == 2, "it traded")
    bench.control("events", login="desk1")
    snapshot = await bench.adapter.snapshot()
    lots = {f.fill_id: f.qty for f in snapshot.fills if f.account == A}
    lots |= {e.fill.fill_id: e.fill.qty for e in bench.fills("a")}
    assert sum(lots.values()) == 2
    assert [p.net_qty for p in snapshot.positions if p.account == A] == [2]


@card(1235)
async def a_position_without_its_fills_is_still_right(bench: Bench) -> None:
    """T-DROP: with fills lost, exposure is what the venue holds, not what the stream said."""
    bench.control("events", login="desk1", drop_fills=1.0)
    bench.foreign(3)
    await bench.until(lambda: bench.net() == 3, "it traded")
    bench.control("events", login="desk1")
    bench.foreign(1)
    await bench.until(lambda: bench.told_net() >= 1, "the stream goes on")
    exposure = await bench.adapter.exposure()
    assert [p.net_qty for p in exposure.positions if p.account == A] == [4]
