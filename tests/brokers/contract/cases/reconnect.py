"""C-1100: broken lines, and what is true after them."""

from brokers.adapter import OrderAccepted, OrderNotSent, OrderRejected, StreamDown, StreamUp
from schema.records import OrderType
from tests.brokers.contract.bench import ES, A, B, Bench
from tests.brokers.contract.cards import Group

card = Group("Reconnect and resync", 1100)


def _known(bench: Bench, account: str = A) -> dict[str, int]:
    """Lots by fill id, as told by events and by truths."""
    found = {e.fill.fill_id: e.fill.qty for e in bench.fills() if e.fill.account == account}
    for up in bench.ups():
        found |= {fill.fill_id: fill.qty for fill in up.snapshot.fills if fill.account == account}
    return found


@card(1101)
async def a_broken_stream_is_told_and_comes_back(bench: Bench) -> None:
    """StreamDown with a reason, then StreamUp that is not the first; health counts one reconnect."""
    bench.control("disconnect", login="desk1")
    up = await bench.back()
    order = [type(e) for e in bench.events if isinstance(e, StreamUp | StreamDown)]
    assert order == [StreamUp, StreamDown, StreamUp]
    assert not up.first and up.snapshot.complete == {A, B}
    assert not bench.of(StreamDown)[0].final
    assert bench.adapter.health().reconnects == 1
    await bench.marker()


async def only_our_own_is_known_of_the_gap(bench: Bench) -> None:
    """Trades of others in the gap can't be asked for, and health says what positions are made of; our own are known."""
    await bench.resting("a", 2)
    bench.control("disconnect", login="desk1", refuse_s=0.4)
    await bench.down()
    bench.trades_at(bench.price(-201), 2)
    await bench.back()
    await bench.until(lambda: sum(_known(bench).values()) == 2, "our own two lots are known")
    assert "add up to" in bench.adapter.health().reason
    assert [p.net_qty for p in (await bench.adapter.snapshot()).positions if p.account == A] == [2]


@card(1105, needs="tells_gap", without=only_our_own_is_known_of_the_gap)
async def what_happened_in_the_gap_is_in_the_truth(bench: Bench) -> None:
    """Trades while the line was broken: each fill known once, the position right."""
    await bench.buy("a")
    await bench.filled("a", 1)
    bench.control("disconnect", login="desk1", refuse_s=0.4)
    await bench.down()
    bench.foreign(2)
    up = await bench.back()
    await bench.until(lambda: sum(_known(bench).values()) == 3, "three lots are known")
    await bench.marker(A)
    assert [p.net_qty for p in (await bench.adapter.snapshot()).positions if p.account == A] == [4]
    assert up.snapshot.complete == {A, B} and bench.net() == 4


@card(1110)
async def an_order_that_ended_in_the_gap_is_over(bench: Bench) -> None:
    """Canceled elsewhere while the line was broken: the truth does not call it working."""
    order_id = await bench.resting("a")
    bench.control("disconnect", login="desk1", refuse_s=0.4)
    await bench.down()
    bench.control("cancel", order_id=bench.number(order_id))
    up = await bench.back()
    assert [o for o in up.snapshot.orders if o.order_id == order_id and o.status == "working"] == []
    assert [w for w in (await bench.adapter.exposure()).working if w.order_id == order_id] == []


@card(1115)
async def an_order_that_worked_on_is_still_ours(bench: Bench) -> None:
    """At rest before and after the gap: same id, same tag, can be canceled."""
    order_id = await bench.resting("a", 2)
    bench.control("disconnect", login="desk1")
    up = await bench.back()
    found = [o for o in up.snapshot.orders if o.order_id == order_id]
    assert [(o.cl_ord_id, o.qty, o.status, o.limit_price) for o in found] == [("a", 2, "working", bench.price(-200))]
    await bench.adapter.cancel(A, order_id)
    await bench.until(lambda: bench.done("a", "canceled"), "canceled")
    assert bench.working() == 0


@card(1120)
async def an_order_filled_in_the_gap_is_filled_once(bench: Bench) -> None:
    """It rested, the line broke, it was filled: one fill, under its tag."""
    order_id = await bench.resting("a")
    bench.control("disconnect", login="desk1", refuse_s=0.4)
    await bench.down()
    bench.trades_at(bench.price(-201))
    up = await bench.back()
    await bench.until(lambda: sum(_known(bench).values()) == 1, "the fill is known")
    tags = [f.cl_ord_id for f in up.snapshot.fills] + [e.fill.cl_ord_id for e in bench.fills()]
    assert set(tags) == {"a"} and bench.net() == 1
    assert order_id in {f.order_id for f in up.snapshot.fills} | {e.fill.order_id for e in bench.fills()}


@card(1125)
async def entries_wait_for_the_stream(bench: Bench) -> None:
    """While the line is broken no entry leaves: not sent, at once, and not later either."""
    bench.control("disconnect", login="desk1", refuse_s=0.5)
    await bench.down()
    await bench.buy("a")
    await bench.until(lambda: bench.of(OrderNotSent, "a"), "not sent", 1)
    await bench.back()
    await bench.marker()
    assert (bench.reached("a"), bench.net()) == (0, 0)
    await bench.buy("b")
    await bench.filled("b", 1)


async def no_exit_without_a_session(bench: Bench) -> None:
    """An exit that can't leave is not sent, in a sentence, and does not leave later; a flatten is refused."""
    await bench.buy("in")
    await bench.filled("in", 1)
    bench.control("disconnect", login="desk1", refuse_s=0.5)
    await bench.down()
    await bench.sell("out", reducing=True)
    assert len(bench.of(OrderNotSent, "out")) == 1
    with bench.refused():
        await bench.adapter.liquidate(A, ES, "flat")
    await bench.back()
    await bench.marker()
    assert (bench.reached("out"), bench.net()) == (0, 1)


@card(1130, needs="exits_without_stream", without=no_exit_without_a_session)
async def exits_do_not_wait_for_the_stream(bench: Bench) -> None:
    """While the stream is broken an order that reduces leaves and trades, and a flatten closes."""
    await bench.buy("in", 3)
    await bench.filled("in", 3)
    bench.control("disconnect", login="desk1", refuse_s=60)
    await bench.down()
    await bench.sell("out", 1, reducing=True)
    await bench.until(lambda: bench.net() == 2, "one lot less at the venue")
    await bench.until(lambda: bench.of(OrderAccepted, "out"), "accepted")
    await bench.adapter.liquidate(A, ES, "flat")
    assert bench.net() == 0
    bench.control("clear")
    await bench.back()
    await bench.until(lambda: sum(_known(bench).values()) == 6, "all lots are known")


@card(1135, line=True)
async def a_line_cut_in_mid_message_loses_nothing(bench: Bench) -> None:
    """The bytes end somewhere in a message: the stream comes back, each fill is known once."""
    assert bench.line is not None
    await bench.buy("a")
    await bench.filled("a", 1)
    await bench.resting("rest", 2)
    bench.line.cut_at = 37
    bench.trades_at(bench.price(-201), 2)
    await bench.until(lambda: bench.line is not None and bench.line.cuts == 1, "the cut")
    await bench.until(
        lambda: bench.adapter.health().state == "up" and sum(_known(bench).values()) == 3, "three lots", 8
    )
    await bench.marker(A)
    assert bench.net() == 4


@card(1140)
async def three_broken_lines_in_a_row_end_up_right(bench: Bench) -> None:
    """Each time it comes back; nothing is told twice, nothing is lost."""
    await bench.resting("rest", 3)
    for number in range(3):
        bench.trades_at(bench.price(-201 if number == 0 else -1))
        bench.control("disconnect", login="desk1")
        await bench.back(number + 2)
    await bench.until(lambda: sum(_known(bench).values()) == 3, "three lots are known")
    await bench.marker(A)
    assert len(bench.of(StreamDown)) == 3 and bench.adapter.health().reconnects == 3
    assert [p.net_qty for p in (await bench.adapter.snapshot()).positions if p.account == A] == [4]


async def a_closed_line_is_opened_again(bench: Bench) -> None:
    """The venue goes without a word: said so in a sentence of ours, and the adapter comes back by itself."""
    bench.control("shutdown", login="desk1", code="Maintenance", text="Back in a minute")
    down = await bench.down()
    assert "Maintenance" not in down.reason and down.reason
    await bench.back()
    await bench.marker()


@card(1145, needs="reject_reasons", without=a_closed_line_is_opened_again)
async def a_venue_that_says_good_bye_is_met_again(bench: Bench) -> None:
    """Maintenance: the reason is told in the venue's words, and the adapter comes back by itself."""
    bench.control("shutdown", login="desk1", code="Maintenance", text="Back in a minute")
    down = await bench.down()
    assert "Maintenance" in down.reason or "Back in a minute" in down.reason
    await bench.back()
    await bench.marker()


@card(1150)
async def a_venue_that_refuses_for_a_while_is_tried_again(bench: Bench) -> None:
    """New connections are refused for a time: one StreamDown, not one for each try, and up when it is over."""
    bench.control("disconnect", login="desk1", refuse_s=0.8)
    await bench.down()
    assert bench.adapter.health().state != "up"
    await bench.back()
    assert len(bench.of(StreamDown)) == 1 and len(bench.ups()) == 2


@card(1155)
async def an_order_on_its_way_when_the_line_breaks_has_one_outcome(bench: Bench) -> None:
    """Taken by the venue, the answer lost with the line: unknown or accepted, never rejected; found after it."""
    await bench.adapter.instrument(ES)
    bench.control("latency", login="desk1", p50_ms=150, p95_ms=150)
    await bench.buy("a")
    bench.control("disconnect", login="desk1")
    await bench.until(lambda: bench.net() == 1 or bench.of(StreamDown), "on its way")
    bench.control("clear")
    await bench.back()
    await bench.settled()
    assert bench.of(OrderRejected, "a") == []
    await bench.until(
        lambda: bench.reached("a") == 0 or (bench.net() == 1 and sum(_known(bench).values()) == 1), "its truth"
    )  # fmt: skip


@card(1160)
async def nothing_is_told_as_new_that_the_truth_had(bench: Bench) -> None:
    """After a reconnect the truth stands for what came before it: old fills are not told as events again."""
    await bench.buy("a", 2)
    await bench.filled("a", 2)
    bench.control("disconnect", login="desk1")
    await bench.back()
    place = max(n for n, e in enumerate(bench.events) if isinstance(e, StreamUp))
    await bench.marker()
    later = [e for e in bench.events[place:] if getattr(getattr(e, "fill", None), "cl_ord_id", "") == "a"]
    assert later == []


@card(1165)
async def a_new_process_finds_what_the_old_one_left(bench: Bench) -> None:
    """Crash and start: the first truth of a new adapter has the position, the working order and their tags."""
    await bench.buy("a", 2)
    await bench.filled("a", 2)
    order_id = await bench.resting("rest")
    await bench.again()
    up = bench.ups()[-1]
    assert up.first
    assert [p.net_qty for p in up.snapshot.positions if p.account == A] == [2]
    working = [(o.order_id, o.cl_ord_id) for o in up.snapshot.orders if o.status == "working"]
    assert working == [(order_id, "rest")]
    await bench.adapter.modify(A, order_id, qty=1, order_type=OrderType.LIMIT, limit_price=bench.price(-190))
    await bench.adapter.cancel(A, order_id)
    assert bench.working() == 0
