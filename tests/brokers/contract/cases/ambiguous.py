"""C-1000: submits, cancels and modifies whose answer is lost, late or broken. Only a proven reject is a reject."""

from decimal import Decimal

from brokers.adapter import (
    OrderAccepted,
    OrderNotSent,
    OrderRejected,
    OrderSent,
    OrderUnknown,
    RequestUnknown,
)
from schema.records import OrderType
from tests.brokers.contract.bench import DEADLINE_S, ES, A, Bench, order
from tests.brokers.contract.cards import Group

card = Group("Ambiguous submit, cancel and modify", 1000)


async def _came_to_light(bench: Bench, tag: str) -> None:
    """An order that the venue took: in the end it is accepted here, never rejected, and was asked for once."""
    await bench.until(
        lambda: bench.of(OrderAccepted, tag) and bench.adapter.health().state == "up", f"{tag} is known", 8
    )  # fmt: skip
    assert bench.of(OrderRejected, tag) == bench.of(OrderNotSent, tag) == []
    assert (len(bench.of(OrderSent, tag)), bench.reached(tag)) == (1, 1)


async def _known(bench: Bench, tag: str, qty: int) -> None:
    """Fills told by the stream or in a truth read anew: each once."""

    def lots() -> int:
        ids = {e.fill.fill_id: e.fill.qty for e in bench.fills(tag)}
        for up in bench.ups():
            ids |= {fill.fill_id: fill.qty for fill in up.snapshot.fills if fill.cl_ord_id == tag}
        return sum(ids.values())

    await bench.until(lambda: lots() == qty, f"{qty} lots of {tag} are known", 8)


@card(1001)
async def a_lost_answer_to_an_order_is_no_reject(bench: Bench) -> None:
    """Carried out, never answered: the order is found, its fill told once, nothing is sent again."""
    await bench.adapter.instrument(ES)
    bench.control("drop_answer", account=A)
    await bench.buy("a")
    await _came_to_light(bench, "a")
    await _known(bench, "a", 1)
    assert bench.net() == 1


@card(1005)
async def a_server_error_is_no_reject(bench: Bench) -> None:
    """Carried out and answered by a failure of the server (or of the line): the same."""
    await bench.adapter.instrument(ES)
    bench.control("http_error", account=A, status=503)
    await bench.buy("a")
    await _came_to_light(bench, "a")
    await _known(bench, "a", 1)
    assert bench.net() == 1


@card(1010, line=True)
async def an_order_that_never_arrived_is_unknown_and_stays_unsent(bench: Bench) -> None:
    """The bytes left and were lost with the line: unknown; the venue has no such order, and gets none later."""
    assert bench.line is not None
    await bench.adapter.instrument(ES)
    bench.line.swallow = True
    await bench.buy("a")
    await bench.until(lambda: bench.of(OrderSent, "a") and bench.line and bench.line.swallowed, "the bytes have left")
    bench.line.swallow = False
    bench.line.cut()
    await bench.until(lambda: bench.of(OrderUnknown, "a"), "unknown")
    await bench.back()
    await bench.marker()
    assert [each.cl_ord_id for each in (await bench.adapter.snapshot()).orders if each.cl_ord_id == "a"] == []
    assert bench.reached("a") == 0 and bench.outcomes("a") == ["OrderUnknown"]


@card(1015)
async def an_answer_after_the_deadline_still_counts(bench: Bench) -> None:
    """Unknown when the deadline has passed, and not later; accepted when the answer comes after all."""
    await bench.adapter.instrument(ES)
    bench.control("latency", login="desk1", p50_ms=1_000, p95_ms=1_000)
    await bench.buy("a")
    await bench.until(lambda: bench.of(OrderUnknown, "a"), "unknown", DEADLINE_S + 0.3)
    await bench.until(lambda: bench.of(OrderAccepted, "a"), "the late answer")
    assert bench.outcomes("a") == ["OrderUnknown", "OrderAccepted"]
    assert bench.reached("a") == 1


@card(1020)
async def a_silent_venue_makes_an_order_unknown_once(bench: Bench) -> None:
    """No answer, no event: one OrderUnknown by the deadline; what came of it is known when the venue speaks again."""
    await bench.adapter.instrument(ES)
    bench.control("silence", login="desk1", seconds=30)
    bench.control("latency", login="desk1", p50_ms=900, p95_ms=900)
    await bench.buy("a")
    await bench.until(lambda: bench.of(OrderUnknown, "a"), "unknown", DEADLINE_S + 0.3)
    bench.control("clear")
    await bench.until(lambda: bench.of(OrderAccepted, "a"), "what came of it", 8)
    await bench.until(lambda: bench.net() == 1, "it traded")
    assert bench.outcomes("a") == ["OrderUnknown", "OrderAccepted"]


@card(1025)
async def a_lost_answer_to_a_cancel_is_found_out(bench: Bench) -> None:
    """Carried out, never answered: the request ends as unknown or taken, never as refused; the order is over."""
    order_id = await bench.resting("a")
    bench.control("drop_answer", account=A)
    await bench.maybe(bench.adapter.cancel(A, order_id))
    await bench.until(lambda: bench.adapter.health().state == "up", "up", 8)
    snapshot = await bench.adapter.snapshot()
    assert [o for o in snapshot.orders if o.order_id == order_id and o.status == "working"] == []
    assert len([each for each in bench.asked("cancel") if each["outcome"]]) == 1
    assert (bench.working(), bench.at_venue("a")["status"]) == (0, "Canceled")


async def a_change_that_was_not_shown_is_asked_again(bench: Bench) -> None:
    """Carried out, and nothing told: RequestUnknown, and the old terms are told; the same change again does no harm."""
    order_id, price = await bench.resting("a"), bench.price(-190)
    bench.control("drop_answer", account=A)
    with bench.refused(RequestUnknown):
        await bench.adapter.modify(A, order_id, qty=2, order_type=OrderType.LIMIT, limit_price=price)
    assert bench.shown_order("a").qty == 1 and bench.at_venue("a")["qty"] == 2
    await bench.adapter.modify(A, order_id, qty=2, order_type=OrderType.LIMIT, limit_price=price)
    await bench.until(lambda: bench.shown_order("a").limit_price == price, "the terms are told")
    assert (Decimal(str(bench.at_venue("a")["limit"])), bench.at_venue("a")["qty"]) == (price, 2)


@card(1030, needs="answers_commands", without=a_change_that_was_not_shown_is_asked_again)
async def a_lost_answer_to_a_modify_is_found_out(bench: Bench) -> None:
    """Carried out, never answered: unknown or taken; the new terms are at the venue once and are told."""
    order_id, price = await bench.resting("a"), bench.price(-190)
    bench.control("drop_answer", account=A)
    await bench.maybe(
        bench.adapter.modify(A, order_id, qty=2, order_type=OrderType.LIMIT, limit_price=price)
    )  # fmt: skip
    await bench.until(lambda: bench.adapter.health().state == "up", "up", 8)
    found = [o for o in (await bench.adapter.snapshot()).orders if o.order_id == order_id]
    assert [(o.limit_price, o.qty) for o in found] == [(price, 2)]
    assert (Decimal(str(bench.at_venue("a")["limit"])), len(bench.asked("modify"))) == (price, 1)


@card(1035)
async def a_failure_of_the_server_is_no_refusal_of_a_cancel(bench: Bench) -> None:
    """Carried out and answered by a failure: never RequestRefused."""
    order_id = await bench.resting("a")
    bench.control("http_error", account=A, status=502)
    await bench.maybe(bench.adapter.cancel(A, order_id))
    await bench.until(lambda: bench.adapter.health().state == "up", "up", 8)
    await bench.until(lambda: bench.at_venue("a")["status"] == "Canceled", "gone at the venue")
    assert [o for o in (await bench.adapter.snapshot()).orders if o.status == "working"] == []


@card(1040)
async def a_cancel_is_unknown_at_the_deadline(bench: Bench) -> None:
    """The venue takes its time: RequestUnknown by the deadline, and the cancel that arrives later is told."""
    order_id = await bench.resting("a")
    bench.control("latency", login="desk1", p50_ms=1_000, p95_ms=1_000)
    with bench.refused(RequestUnknown):
        await bench.adapter.cancel(A, order_id)
    assert bench.working() == 1
    await bench.until(lambda: bench.done("a", "canceled"), "the late cancel is told")
    assert len(bench.asked("cancel")) == 1


async def a_late_change_is_unknown(bench: Bench) -> None:
    """The venue takes its time: RequestUnknown by the deadline, one command; the order goes on being ours."""
    order_id, price = await bench.resting("a"), bench.price(-190)
    bench.control("latency", login="desk1", p50_ms=1_000, p95_ms=1_000)
    with bench.refused(RequestUnknown):
        await bench.adapter.modify(A, order_id, qty=1, order_type=OrderType.LIMIT, limit_price=price)
    await bench.until(lambda: Decimal(str(bench.at_venue("a")["limit"])) == price, "the late change")
    assert len(bench.asked("modify")) == 1 and bench.live("a")


@card(1045, needs="answers_commands", without=a_late_change_is_unknown)
async def a_modify_is_unknown_at_the_deadline(bench: Bench) -> None:
    """The venue takes its time: RequestUnknown by the deadline, and the terms that arrive later are told."""
    order_id, price = await bench.resting("a"), bench.price(-190)
    bench.control("latency", login="desk1", p50_ms=1_000, p95_ms=1_000)
    with bench.refused(RequestUnknown):
        await bench.adapter.modify(A, order_id, qty=1, order_type=OrderType.LIMIT, limit_price=price)
    await bench.until(lambda: bench.shown_order("a").limit_price == price, "the late change is told")
    assert len(bench.asked("modify")) == 1


@card(1050)
async def a_lost_answer_to_a_flatten_turns_nothing(bench: Bench) -> None:
    """Carried out, never answered: unknown or done; flat, and never on the other side."""
    await bench.buy("in", 2)
    await bench.filled("in", 2)
    bench.control("drop_answer", account=A)
    await bench.maybe(bench.adapter.liquidate(A, ES, "flat"))
    await bench.until(lambda: bench.adapter.health().state == "up", "up", 8)
    await bench.until(lambda: bench.net() == 0, "flat", 8)
    exposure = await bench.adapter.exposure()
    assert [p for p in exposure.positions if p.net_qty] == []
    assert len([f for f in bench.fills_at_venue() if f["action"] == "Sell"]) >= 1 and bench.net() == 0


@card(1055)
async def unknown_orders_do_not_hold_up_others(bench: Bench) -> None:
    """One answer is lost: the order beside it is told as it stands at the venue, and later ones are as ever."""
    await bench.adapter.instrument(ES)
    bench.control("drop_answer", account=A)
    await bench.place(order("a"), order("b", account="DEMO1002"))
    await _came_to_light(bench, "a")
    if bench.reached("b"):
        await _known(bench, "b", 1)
    else:  # one session for all: it broke with the answer, and what was behind it never arrived
        assert bench.outcomes("b") == ["OrderUnknown"]
    await bench.buy("c")
    await bench.filled("c", 1)
    assert (bench.net(), bench.net("DEMO1002")) == (2, bench.reached("b"))
