"""C-400 and C-500: modify and cancel."""

from decimal import Decimal

from brokers.adapter import Filled, OrderUpdated, RequestRefused, RequestUnknown
from schema.records import DoneOrder, OrderType
from tests.brokers.contract.bench import A, B, Bench
from tests.brokers.contract.cards import Group

modify = Group("Modify", 400)
cancel = Group("Cancel", 500)


async def _to(bench: Bench, order_id: str, price: Decimal, qty: int = 1, account: str = A) -> None:
    await bench.adapter.modify(account, order_id, qty=qty, order_type=OrderType.LIMIT, limit_price=price)


@modify(401)
async def a_limit_moves_to_its_new_price(bench: Bench) -> None:
    """The same order at the venue, with the new price; asked once; told with the id it had."""
    order_id, price = await bench.resting("a"), bench.price(-190)
    await _to(bench, order_id, price)
    await bench.until(lambda: bench.shown_order("a").limit_price == price, "the new price is told")
    assert (bench.shown_order("a").order_id, bench.live("a")) == (order_id, True)
    assert Decimal(str(bench.at_venue("a")["limit"])) == price
    assert (len(bench.asked("modify")), bench.working()) == (1, 1)


@modify(405)
async def a_quantity_grows_and_shrinks(bench: Bench) -> None:
    """More and then less of the same order, price unchanged."""
    order_id, price = await bench.resting("a", 2), bench.price(-200)
    for qty in (5, 1):
        await _to(bench, order_id, price, qty)
        await bench.until(lambda qty=qty: bench.shown_order("a").qty == qty, f"{qty} told")
        assert (bench.at_venue("a")["qty"], bench.shown_order("a").limit_price) == (qty, price)


@modify(410)
async def a_stop_moves_its_trigger(bench: Bench) -> None:
    """A stop's new trigger is at the venue, and it fires there and not at the old one."""
    old, new = bench.price(40), bench.price(60)
    order_id = await bench.resting("a", order_type=OrderType.STOP, limit_price=None, stop_price=old)
    await bench.adapter.modify(A, order_id, qty=1, order_type=OrderType.STOP, stop_price=new)
    await bench.until(lambda: bench.shown_order("a").stop_price == new, "the new trigger is told")
    bench.trades_at(old)
    await bench.marker()
    assert bench.fills("a") == []
    bench.trades_at(new)
    await bench.filled("a", 1)


@modify(415)
async def the_newest_terms_win(bench: Bench) -> None:
    """Two changes one after the other: the venue and what is told have the second."""
    order_id = await bench.resting("a")
    for away in (-190, -180):
        await _to(bench, order_id, bench.price(away))
    await bench.until(lambda: bench.shown_order("a").limit_price == bench.price(-180), "the second price")
    assert Decimal(str(bench.at_venue("a")["limit"])) == bench.price(-180)
    await bench.marker()
    assert bench.shown_order("a").limit_price == bench.price(-180)


@modify(420)
async def a_modified_order_fills_as_itself(bench: Bench) -> None:
    """Fills after a change carry the client id and the venue id that the order always had."""
    order_id = await bench.resting("a")
    await _to(bench, order_id, bench.price(40))
    fills = await bench.filled("a", 1)
    assert {event.fill.order_id for event in fills} == {order_id}
    assert bench.net() == 1


async def a_change_that_shows_nothing_is_unknown(bench: Bench) -> None:
    """The venue refuses terms without a word: RequestUnknown, the old terms go on being told; the next change holds."""
    order_id, price = await bench.resting("a"), bench.price(-200)
    with bench.refused(RequestUnknown):
        await _to(bench, order_id, price + Decimal("0.10"))
    assert (bench.shown_order("a").limit_price, bench.live("a")) == (price, True)
    assert Decimal(str(bench.at_venue("a")["limit"])) == price
    await _to(bench, order_id, bench.price(-190))
    await bench.until(lambda: bench.shown_order("a").limit_price == bench.price(-190), "the next change is taken")


@modify(425, needs="answers_commands", without=a_change_that_shows_nothing_is_unknown)
async def terms_the_venue_refuses_leave_the_order_as_it_was(bench: Bench) -> None:
    """A price between two ticks is RequestRefused in the venue's words; the order rests on at its old terms."""
    order_id, price = await bench.resting("a"), bench.price(-200)
    with bench.refused() as words:
        await _to(bench, order_id, price + Decimal("0.10"))
    assert "multiple" in words[0]
    await bench.marker()
    assert (bench.shown_order("a").limit_price, bench.live("a")) == (price, True)
    assert Decimal(str(bench.at_venue("a")["limit"])) == price
    await _to(bench, order_id, bench.price(-190))
    await bench.until(lambda: bench.shown_order("a").limit_price == bench.price(-190), "the next change is taken")


@modify(430)
async def an_order_that_is_over_is_not_modified(bench: Bench) -> None:
    """RequestRefused, and the order stays over."""
    order_id = await bench.resting("a")
    await bench.adapter.cancel(A, order_id)
    await bench.until(lambda: bench.done("a"), "over")
    with bench.refused():
        await _to(bench, order_id, bench.price(-190))
    assert bench.done("a") and bench.working() == 0


@modify(435)
async def an_unknown_order_is_not_modified(bench: Bench) -> None:
    """An id that the venue never gave is refused; nothing changes."""
    await bench.resting("a")
    with bench.refused():
        await _to(bench, "424242", bench.price(-190))
    assert (bench.working(), bench.shown_order("a").limit_price) == (1, bench.price(-200))


async def terms_of_others_are_not_made_up(bench: Bench) -> None:
    """Terms changed at another front end show nowhere: the order is still ours, and trades as the venue has it."""
    order_id, price = await bench.resting("a"), bench.price(-150)
    bench.control("modify", order_id=bench.number(order_id), qty=3, type="limit", limit=str(price))
    await bench.marker(B)
    assert (bench.shown_order("a").order_id, bench.live("a")) == (order_id, True)
    bench.trades_at(bench.price(-151), 1)
    await bench.filled("a", 1)


@modify(440, needs="tells_terms", without=terms_of_others_are_not_made_up)
async def what_others_modify_is_told(bench: Bench) -> None:
    """Terms changed at another front end are shown, and the order is still ours."""
    order_id, price = await bench.resting("a"), bench.price(-150)
    bench.control("modify", order_id=bench.number(order_id), qty=3, type="limit", limit=str(price))
    await bench.until(lambda: bench.shown_order("a").limit_price == price, "the change is told")
    assert (bench.shown_order("a").qty, bench.shown_order("a").order_id) == (3, order_id)


@modify(445)
async def an_order_is_modified_by_its_own_account(bench: Bench) -> None:
    """An order of one account can't be changed in the name of another; both stay as they are."""
    order_id, price = await bench.resting("a"), bench.price(-200)
    with bench.refused():
        await _to(bench, order_id, bench.price(-190), account=B)
    assert Decimal(str(bench.at_venue("a")["limit"])) == price


@cancel(501)
async def a_working_order_is_canceled_once(bench: Bench) -> None:
    """Asked once, gone at the venue, told as canceled once and as nothing else after it."""
    order_id = await bench.resting("a")
    await bench.adapter.cancel(A, order_id)
    await bench.until(lambda: bench.done("a", "canceled"), "canceled")
    await bench.marker()
    over = [e for e in bench.of(OrderUpdated, "a") if isinstance(e.order, DoneOrder)]
    assert len(over) == 1 and bench.done("a", "canceled")
    assert (len(bench.asked("cancel")), bench.working(), bench.fills("a")) == (1, 0, [])


@cancel(505)
async def an_order_that_is_filled_is_not_canceled(bench: Bench) -> None:
    """RequestRefused: too late; the fill stays."""
    await bench.buy("a")
    await bench.filled("a", 1)
    await bench.until(lambda: bench.done("a", "filled"), "filled")
    with bench.refused():
        await bench.adapter.cancel(A, bench.shown_order("a").order_id)
    assert bench.done("a", "filled") and bench.net() == 1


@cancel(510)
async def an_order_is_not_canceled_twice(bench: Bench) -> None:
    """The second cancel of an order is refused, in words."""
    order_id = await bench.resting("a")
    await bench.adapter.cancel(A, order_id)
    await bench.until(lambda: bench.done("a"), "canceled")
    with bench.refused(RequestRefused):
        await bench.adapter.cancel(A, order_id)
    assert bench.done("a", "canceled")


@cancel(515)
async def an_unknown_order_is_not_canceled(bench: Bench) -> None:
    """An id that the venue never gave is refused; what works goes on working."""
    await bench.resting("a")
    with bench.refused():
        await bench.adapter.cancel(A, "424242")
    assert bench.working() == 1 and bench.live("a")


async def a_cancel_that_shows_nothing_is_unknown(bench: Bench) -> None:
    """The venue refuses it without a word: RequestUnknown; the order goes on working, and the next cancel takes it."""
    order_id = await bench.resting("a")
    bench.control("reject", account=A, text="Not in this phase of the session")
    with bench.refused(RequestUnknown):
        await bench.adapter.cancel(A, order_id)
    assert bench.working() == 1 and bench.live("a")
    await bench.adapter.cancel(A, order_id)
    await bench.until(lambda: bench.done("a", "canceled"), "canceled")


@cancel(520, needs="answers_commands", without=a_cancel_that_shows_nothing_is_unknown)
async def a_cancel_the_venue_refuses_says_its_words(bench: Bench) -> None:
    """RequestRefused with the venue's text; the order goes on working."""
    order_id = await bench.resting("a")
    bench.control("reject", account=A, text="Not in this phase of the session")
    with bench.refused() as words:
        await bench.adapter.cancel(A, order_id)
    assert "Not in this phase of the session" in words[0]
    await bench.marker()
    assert bench.working() == 1 and bench.live("a")


@cancel(525)
async def a_cancel_from_elsewhere_is_told(bench: Bench) -> None:
    """Somebody cancels our order at another front end: it is over here, too."""
    order_id = await bench.resting("a")
    bench.control("cancel", order_id=bench.number(order_id))
    await bench.until(lambda: bench.done("a", "canceled"), "canceled")
    assert bench.asked("cancel") == []


@cancel(530)
async def an_order_of_others_can_be_canceled(bench: Bench) -> None:
    """What another front end placed on an account of ours can be taken out of the market."""
    order_id = bench.foreign(type="limit", limit=str(bench.price(-200)))
    await bench.known(bench.named(order_id))
    await bench.adapter.cancel(A, bench.named(order_id))
    assert bench.order(order_id)["status"] == "Canceled"


@cancel(535)
async def a_cancel_after_a_modify_finds_the_order(bench: Bench) -> None:
    """The venue's id still works after the order was changed twice."""
    order_id = await bench.resting("a")
    for away in (-190, -180):
        await _to(bench, order_id, bench.price(away))
    await bench.adapter.cancel(A, order_id)
    await bench.until(lambda: bench.done("a", "canceled"), "canceled")
    assert bench.working() == 0


@cancel(540)
async def a_cancel_takes_one_order_and_no_other(bench: Bench) -> None:
    """Of three orders at rest on two accounts, the one that was named is gone."""
    await bench.resting("a")
    order_id = await bench.resting("b", away=-210)
    await bench.resting("c", account=B)
    await bench.adapter.cancel(A, order_id)
    await bench.until(lambda: bench.done("b"), "canceled")
    assert (bench.working(A), bench.working(B)) == (1, 1)
    assert bench.live("a") and bench.live("c")
    assert bench.of(Filled) == []
