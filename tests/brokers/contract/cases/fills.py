"""C-700: partial fills."""

from decimal import Decimal

from brokers.adapter import Filled, OrderUpdated
from schema.records import OrderType
from tests.brokers.contract.bench import MES, A, Bench
from tests.brokers.contract.cards import Group

card = Group("Partial fills", 700)


@card(701)
async def a_limit_fills_in_parts(bench: Bench) -> None:
    """Two trades of the market: two fills of their own ids; the order is working with one, over with both."""
    order_id = await bench.resting("a", 2)
    bench.trades_at(bench.price(-201), 1)
    await bench.filled("a", 1)
    await bench.until(lambda: bench.shown_order("a").filled_qty == 1, "one of two")
    assert bench.live("a") and bench.working() == 1
    bench.trades_at(bench.price(-1), 1)
    await bench.filled("a", 2)
    await bench.until(lambda: bench.done("a", "filled"), "both")
    assert len({event.fill.fill_id for event in bench.fills("a")}) == 2
    assert {event.fill.order_id for event in bench.fills("a")} == {order_id}
    assert bench.net() == 2


async def a_fill_is_a_difference(bench: Bench) -> None:
    """A large market order: as many lots as the venue booked, each at a price between the best and the worst of them,
    and in all what was paid, to the tick."""
    await bench.buy("a", 90, symbol=MES)
    fills = await bench.filled("a", 90)
    booked = [(Decimal(str(f["price"])), f["qty"]) for f in bench.fills_at_venue()]
    prices = [price for price, _ in booked]
    assert len(set(prices)) > 1, "the order should have gone through several prices"
    assert all(min(prices) <= event.fill.price <= max(prices) for event in fills)
    paid = sum(event.fill.price * event.fill.qty for event in fills)
    assert paid == sum(price * qty for price, qty in booked)
    await bench.until(lambda: bench.position(A, MES) == 90, "the position")


@card(705, needs="executions", without=a_fill_is_a_difference)
async def an_order_through_several_prices_is_each_fill_at_its_own(bench: Bench) -> None:
    """A large market order: what is told is lot for lot and price for price what the venue booked."""
    await bench.buy("a", 90, symbol=MES)
    fills = await bench.filled("a", 90)
    told = sorted((event.fill.price, event.fill.qty) for event in fills)
    assert told == sorted((Decimal(str(f["price"])), f["qty"]) for f in bench.fills_at_venue())
    assert len({price for price, _ in told}) > 1
    await bench.until(lambda: bench.position(A, MES) == 90, "the position")


@card(710)
async def a_cancel_of_the_rest_keeps_what_was_filled(bench: Bench) -> None:
    """One of three filled, then canceled: over with one, and one lot is held."""
    order_id = await bench.resting("a", 3)
    bench.trades_at(bench.price(-201), 1)
    await bench.filled("a", 1)
    await bench.adapter.cancel(A, order_id)
    await bench.until(lambda: bench.done("a", "canceled"), "canceled")
    assert (bench.shown_order("a").filled_qty, bench.shown_order("a").qty) == (1, 3)
    assert (bench.net(), bench.told_net(), bench.working()) == (1, 1, 0)


@card(715)
async def a_partly_filled_order_can_be_modified(bench: Bench) -> None:
    """One of three filled, then moved to the market: three in all, all under the same id."""
    order_id = await bench.resting("a", 3)
    bench.trades_at(bench.price(-201), 1)
    await bench.filled("a", 1)
    await bench.adapter.modify(A, order_id, qty=3, order_type=OrderType.LIMIT, limit_price=bench.price(400))
    fills = await bench.filled("a", 3)
    await bench.until(lambda: bench.done("a", "filled"), "filled")
    assert {event.fill.order_id for event in fills} == {order_id}
    assert bench.net() == 3


@card(720)
async def a_quantity_below_what_is_filled_is_refused(bench: Bench) -> None:
    """An order of which two are filled can't become an order of one."""
    order_id = await bench.resting("a", 3)
    bench.trades_at(bench.price(-201), 2)
    await bench.filled("a", 2)
    await bench.until(lambda: bench.shown_order("a").filled_qty == 2, "two of three")
    with bench.refused():
        await bench.adapter.modify(A, order_id, qty=1, order_type=OrderType.LIMIT, limit_price=bench.price(-210))
    assert (bench.working(), bench.at_venue("a")["qty"]) == (1, 3)


@card(725)
async def a_filled_quantity_only_grows(bench: Bench) -> None:
    """T-PARTIAL: whatever comes in whichever order, no event shows less filled than an earlier one."""
    await bench.resting("a", 5)
    for _ in range(5):
        bench.trades_at(bench.price(-201) if bench.price() > bench.shown_order("a").limit_price else bench.price(-1))
    await bench.filled("a", 5)
    await bench.until(lambda: bench.done("a", "filled"), "filled")
    seen = [event.order.filled_qty for event in bench.of(OrderUpdated, "a")]
    assert seen == sorted(seen) and seen[-1] == 5
    assert bench.net() == 5


@card(730)
async def several_partial_closes_leave_nothing(bench: Bench) -> None:
    """T-PARTIAL: five in, out in three parts: flat at the venue and here."""
    await bench.buy("in", 5)
    await bench.filled("in", 5)
    for tag, qty in (("o1", 1), ("o2", 3), ("o3", 1)):
        await bench.sell(tag, qty, reducing=True)
        await bench.filled(tag, qty)
    await bench.until(lambda: bench.position() == 0, "flat is told")
    assert (bench.net(), bench.told_net()) == (0, 0)
    assert len(bench.of(Filled)) >= 4
