"""C-300: market, limit and stop orders."""

from decimal import Decimal

from brokers.adapter import Filled, OrderAccepted, OrderNotSent, OrderSent, OrderUpdated, PositionUpdated
from schema.records import DoneOrder, LiveOrder, OrderType, Side, TimeInForce
from tests.brokers.contract.bench import ES, MES, A, B, Bench, order
from tests.brokers.contract.cards import Group

card = Group("Market, limit and stop orders", 300)


@card(301)
async def a_market_order_is_sent_accepted_and_filled_once(bench: Bench) -> None:
    """Sent before all else, accepted once, filled once; the venue was asked once and holds it."""
    await bench.buy("a")
    await bench.filled("a", 1)
    await bench.until(lambda: bench.done("a", "filled") and bench.position() == 1, "the order and the position")
    mine = [type(e) for e in bench.events if bench.tag_of(e) == "a"]
    assert mine[0] is OrderSent
    assert mine.count(OrderSent) == mine.count(OrderAccepted) == mine.count(Filled) == 1
    assert bench.reached("a") == 1
    assert (bench.net(), bench.at_venue("a")["status"]) == (1, "Filled")
    assert bench.fills("a")[0].fill.side is Side.BUY


@card(305)
async def a_sell_is_a_sell(bench: Bench) -> None:
    """A market order to sell makes the account short, and is told as a sell."""
    await bench.sell("a", 2)
    await bench.filled("a", 2)
    await bench.until(lambda: bench.position() == -2, "short")
    assert (bench.net(), bench.at_venue("a")["action"]) == (-2, "Sell")
    assert {event.fill.side for event in bench.fills("a")} == {Side.SELL}


@card(310)
async def fills_are_told_before_their_order_is_over(bench: Bench) -> None:
    """When an order is told as filled, its fills have been told: their sum is what the order says."""
    await bench.buy("a", 3)
    await bench.until(lambda: bench.done("a"), "the order is over")
    over = next(
        place
        for place, event in enumerate(bench.events)
        if isinstance(event, OrderUpdated) and isinstance(event.order, DoneOrder) and event.order.cl_ord_id == "a"
    )
    before = [event.fill.qty for event in bench.events[:over] if isinstance(event, Filled)]
    assert sum(before) == 3 == bench.shown_order("a").filled_qty


@card(315)
async def a_limit_rests_with_its_terms(bench: Bench) -> None:
    """A limit below the market is working at its price, at the venue and in what is told; nothing is filled."""
    price = bench.price(-200)
    await bench.resting("a", 2)
    shown = bench.shown_order("a")
    assert isinstance(shown, LiveOrder)
    assert (shown.order_type, shown.qty, shown.filled_qty, shown.limit_price) == (OrderType.LIMIT, 2, 0, price)
    at_venue = bench.at_venue("a")
    assert (at_venue["type"], at_venue["qty"], Decimal(str(at_venue["limit"]))) == ("limit", 2, price)
    assert bench.fills("a") == [] and bench.net() == 0


@card(320)
async def a_limit_through_the_market_fills_at_its_price_or_better(bench: Bench) -> None:
    """A limit that crosses the book trades at once, never worse than it says."""
    limit = bench.price(40)
    await bench.buy("a", 2, order_type=OrderType.LIMIT, limit_price=limit)
    fills = await bench.filled("a", 2)
    assert all(event.fill.price <= limit for event in fills)
    assert bench.net() == 2


@card(325)
async def a_stop_waits_for_its_price(bench: Bench) -> None:
    """A stop rests with its trigger and no limit, and trades when the market has traded there."""
    stop = bench.price(40)
    await bench.resting("a", order_type=OrderType.STOP, limit_price=None, stop_price=stop)
    shown = bench.shown_order("a")
    assert (shown.order_type, shown.stop_price) == (OrderType.STOP, stop)
    assert bench.net() == 0
    bench.trades_at(stop)
    await bench.filled("a", 1)
    assert bench.net() == 1


async def no_stop_limit(bench: Bench) -> None:
    """The order is not sent, in one sentence, and nothing reaches the venue."""
    price = bench.price(40)
    await bench.buy("a", order_type=OrderType.STOP_LIMIT, limit_price=price, stop_price=price)
    await bench.outcome("a")
    assert len(bench.of(OrderNotSent, "a")) == 1
    assert "stop_limit" in bench.of(OrderNotSent, "a")[0].reason
    assert bench.nothing_reached()


@card(330, needs="order_types:stop_limit", without=no_stop_limit)
async def a_stop_limit_keeps_both_its_prices(bench: Bench) -> None:
    """A stop-limit rests with its trigger and its limit, and trades no worse than the limit."""
    stop, limit = bench.price(40), bench.price(44)
    await bench.resting("a", order_type=OrderType.STOP_LIMIT, limit_price=limit, stop_price=stop)
    shown = bench.shown_order("a")
    assert (shown.order_type, shown.stop_price, shown.limit_price) == (OrderType.STOP_LIMIT, stop, limit)
    bench.trades_at(stop)
    assert all(event.fill.price <= limit for event in await bench.filled("a", 1))


async def no_immediate_orders(bench: Bench) -> None:
    """An order that must end at once is not sent, in one sentence: here it would rest."""
    far = bench.price(-200)
    for tag, time_in_force in (("ioc", TimeInForce.IOC), ("fok", TimeInForce.FOK)):
        await bench.buy(tag, order_type=OrderType.LIMIT, limit_price=far, time_in_force=time_in_force)
        await bench.outcome(tag)
        assert len(bench.of(OrderNotSent, tag)) == 1
    assert bench.nothing_reached()


@card(335, needs="times_in_force:ioc", without=no_immediate_orders)
async def immediate_or_cancel_leaves_nothing_at_rest(bench: Bench) -> None:
    """What does not trade at once is canceled by the venue, and told."""
    await bench.buy("a", order_type=OrderType.LIMIT, limit_price=bench.price(-200), time_in_force=TimeInForce.IOC)
    await bench.until(lambda: bench.done("a", "canceled"), "canceled")
    assert (bench.working(), bench.net(), bench.fills("a")) == (0, 0, [])


@card(340, needs="times_in_force:fok", without=no_immediate_orders)
async def fill_or_kill_is_all_or_nothing(bench: Bench) -> None:
    """More than the book holds at the price is canceled whole."""
    await bench.buy(
        "a", 90, order_type=OrderType.LIMIT, limit_price=bench.price(1), time_in_force=TimeInForce.FOK
    )  # fmt: skip
    await bench.until(lambda: bench.done("a"), "over")
    assert (bench.at_venue("a")["filled"], bench.net(), bench.fills("a")) == (0, 0, [])


@card(345)
async def twenty_orders_leave_in_one_pass(bench: Bench) -> None:
    """Twenty orders at once: each sent once, each accepted and filled once."""
    tags = [f"m{number}" for number in range(20)]
    await bench.place(*(order(tag, account=(A, B)[n % 2]) for n, tag in enumerate(tags)))
    await bench.until(lambda: bench.told_net(A) == 10 and bench.told_net(B) == 10, "twenty fills")
    assert [bench.reached(tag) for tag in tags] == [1] * 20
    assert [bench.outcomes(tag) for tag in tags] == [["OrderAccepted"]] * 20
    assert (bench.net(A), bench.net(B)) == (10, 10)


@card(350)
async def a_price_arrives_as_it_was_given(bench: Bench) -> None:
    """Prices are exact to the tick on the way there and back, in a contract and in its micro."""
    es, mes = bench.price(-199), bench.price(-198, MES)
    await bench.resting("a", limit_price=es)
    await bench.resting("b", limit_price=mes, symbol=MES)
    for tag, price in (("a", es), ("b", mes)):
        assert Decimal(str(bench.at_venue(tag)["limit"])) == price == bench.shown_order(tag).limit_price
    assert [bench.at_venue(tag)["symbol"] for tag in ("a", "b")] == [ES, MES]


@card(355)
async def contracts_are_kept_apart(bench: Bench) -> None:
    """Positions of a contract and its micro are two positions."""
    await bench.buy("a", 2)
    await bench.sell("b", 3, symbol=MES)
    await bench.filled("a", 2)
    await bench.filled("b", 3)
    await bench.until(lambda: (bench.position(), bench.position(A, MES)) == (2, -3), "both positions")
    assert (bench.net(), bench.net(A, MES)) == (2, -3)


async def never_through_zero(bench: Bench) -> None:
    """One order closes at most what is held: the rest needs an order of its own."""
    await bench.buy("a", 1)
    await bench.filled("a", 1)
    await bench.sell("b", 1)
    await bench.filled("b", 1)
    assert bench.net() == 0


@card(360, needs="flips", without=never_through_zero)
async def one_order_may_cross_zero(bench: Bench) -> None:
    """Long one, sell three: short two, with the average price of the new side."""
    await bench.buy("a", 1)
    await bench.filled("a", 1)
    await bench.sell("b", 3)
    fills = await bench.filled("b", 3)
    await bench.until(lambda: bench.position() == -2, "short two")
    assert bench.net() == -2
    told = [e.position for e in bench.of(PositionUpdated) if e.position.net_qty == -2][-1]
    assert min(e.fill.price for e in fills) <= told.avg_price <= max(e.fill.price for e in fills)


@card(365)
async def the_venues_id_is_the_same_everywhere(bench: Bench) -> None:
    """Acceptance, order and fills name one venue id, which is the venue's own."""
    await bench.buy("a", 2)
    await bench.filled("a", 2)
    await bench.until(lambda: bench.done("a"), "over")
    ids = {bench.of(OrderAccepted, "a")[0].order_id, bench.shown_order("a").order_id}
    ids |= {event.fill.order_id for event in bench.fills("a")}
    assert ids == {bench.named(bench.at_venue("a")["order_id"])}


@card(370)
async def a_reducing_order_leaves_as_any_other(bench: Bench) -> None:
    """An order that reduces, at market or at rest, reaches the venue with its own side and size."""
    await bench.buy("in", 2)
    await bench.filled("in", 2)
    await bench.sell("out", 1, reducing=True)
    await bench.filled("out", 1)
    await bench.sell("stop", 1, reducing=True, order_type=OrderType.STOP, stop_price=bench.price(-80))
    await bench.until(lambda: bench.live("stop"), "the stop rests")
    assert (bench.net(), bench.working()) == (1, 1)


@card(375)
async def an_average_price_is_the_fills_own(bench: Bench) -> None:
    """What an order says it paid is what its fills add up to, at the venue and here."""
    await bench.buy("a", 90, symbol=MES)
    fills = await bench.filled("a", 90)
    await bench.until(lambda: bench.done("a"), "over")
    paid = sum(event.fill.price * event.fill.qty for event in fills) / 90
    assert len({event.fill.price for event in fills}) > 1, "the order should have gone through several prices"
    shown = bench.shown_order("a").avg_price
    assert shown is not None and abs(shown - paid) < Decimal("0.0001")
    books = sum(Decimal(str(f["price"])) * f["qty"] for f in bench.fills_at_venue()) / 90
    assert abs(books - paid) < Decimal("0.0001")
