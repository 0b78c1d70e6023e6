"""C-1300: flatten, which is `liquidate` of an account's contract, and what it leaves alone."""

from brokers.adapter import RequestUnknown
from schema.records import OrderType
from tests.brokers.contract.bench import ES, MES, A, B, Bench
from tests.brokers.contract.cards import Group

card = Group("Flatten", 1300)


@card(1301)
async def a_long_position_is_closed_and_its_orders_are_gone(bench: Bench) -> None:
    """T-ORPHAN: working orders canceled, position closed, told as flat."""
    await bench.buy("in", 3)
    await bench.filled("in", 3)
    await bench.resting("rest")
    await bench.sell("stop", 3, order_type=OrderType.STOP, stop_price=bench.price(-120))
    await bench.until(lambda: bench.live("stop"), "the stop rests")
    await bench.adapter.liquidate(A, ES, "flat")
    await bench.until(lambda: (bench.net(), bench.working()) == (0, 0), "flat, and nothing works")
    await bench.until(lambda: bench.position() == 0 and bench.told_net() == 0, "flat is told")
    await bench.until(lambda: bench.done("rest", "canceled") and bench.done("stop", "canceled"), "both orders are over")
    assert (bench.net(), bench.working()) == (0, 0)


async def a_close_trades_without_a_tag(bench: Bench) -> None:
    """What a flatten trades is told in full, and under no tag: it is not claimed for one by its size alone."""
    await bench.buy("in", 3)
    await bench.filled("in", 3)
    await bench.adapter.liquidate(A, ES, "flat")
    await bench.until(lambda: bench.told_net() == 0, "flat is told")
    assert {e.fill.cl_ord_id for e in bench.fills() if e.fill.net_qty < 0} == {""}


@card(1303, needs="tags_closes", without=a_close_trades_without_a_tag)
async def a_flatten_trades_under_its_own_tag(bench: Bench) -> None:
    """Each fill of a flatten carries the flatten's tag, whoever opened the position."""
    await bench.buy("in", 2)
    await bench.filled("in", 2)
    bench.foreign(1)
    await bench.until(lambda: bench.told_net() == 3, "the foreign trade")
    await bench.adapter.liquidate(A, ES, "flat")
    await bench.until(lambda: bench.told_net() == 0, "flat is told")
    assert {e.fill.cl_ord_id for e in bench.fills() if e.fill.net_qty < 0} == {"flat"}


@card(1305)
async def a_short_position_is_closed(bench: Bench) -> None:
    """A short is bought back, lot for lot."""
    await bench.sell("in", 2)
    await bench.filled("in", 2)
    await bench.adapter.liquidate(A, ES, "flat")
    await bench.until(lambda: bench.net() == 0 and bench.told_net() == 0, "flat")
    assert sum(e.fill.net_qty for e in bench.fills() if e.fill.net_qty > 0) == 2


@card(1310)
async def a_flat_account_trades_nothing(bench: Bench) -> None:
    """There is nothing to close: no order, no fill, no error."""
    await bench.adapter.liquidate(A, ES, "flat")
    await bench.marker()
    assert bench.net() == 0 and bench.fills_at_venue() == []


@card(1315)
async def orders_at_rest_of_a_flat_account_are_canceled(bench: Bench) -> None:
    """T-ORPHAN: flat with orders working: they are gone, and nothing is traded."""
    await bench.resting("rest")
    await bench.adapter.liquidate(A, ES, "flat")
    await bench.until(lambda: bench.working() == 0, "nothing works")
    await bench.until(lambda: bench.done("rest", "canceled"), "told")
    assert bench.fills_at_venue() == []


@card(1320)
async def twice_never_turns_the_position(bench: Bench) -> None:
    """Two flattens at once and one after: flat, never on the other side."""
    import asyncio

    await bench.buy("in", 3)
    await bench.filled("in", 3)
    outcomes = await asyncio.gather(
        bench.maybe(bench.adapter.liquidate(A, ES, "flat1")), bench.maybe(bench.adapter.liquidate(A, ES, "flat2"))
    )
    assert len(outcomes) == 2
    await bench.until(lambda: bench.net() == 0, "flat")
    await bench.maybe(bench.adapter.liquidate(A, ES, "flat3"))
    await bench.marker()
    assert bench.net() == 0
    assert sum(f["qty"] for f in bench.fills_at_venue() if f["action"] == "Sell") == 3


@card(1325)
async def another_contract_and_another_account_are_left_alone(bench: Bench) -> None:
    """T-SCOPE: positions and orders that were not named stay as they are."""
    await bench.buy("in", 2)
    await bench.buy("micro", 4, symbol=MES)
    await bench.buy("other", 1, account=B)
    for tag, qty in (("in", 2), ("micro", 4), ("other", 1)):
        await bench.filled(tag, qty)
    await bench.resting("keep", symbol=MES, limit_price=bench.price(-200, MES))
    await bench.resting("keep2", account=B)
    await bench.adapter.liquidate(A, ES, "flat")
    await bench.until(lambda: bench.net() == bench.told_net() == 0, "flat, and told")
    await bench.marker(A)
    assert (bench.net(A, MES), bench.net(B)) == (4, 1)
    assert (bench.working(A), bench.working(B)) == (1, 1)


@card(1330)
async def a_position_of_others_is_closed_too(bench: Bench) -> None:
    """What somebody else opened on the account is closed like our own."""
    bench.foreign(2)
    await bench.until(lambda: bench.told_net() == 2, "the foreign trade")
    bench.foreign(1, type="limit", limit=str(bench.price(-200)))
    await bench.marker()
    await bench.adapter.liquidate(A, ES, "flat")
    await bench.until(lambda: (bench.net(), bench.working()) == (0, 0), "flat, and nothing works")
    await bench.until(lambda: bench.told_net() == 0, "told")
    assert sum(f["qty"] for f in bench.fills_at_venue() if f["action"] == "Sell") == 2


async def a_flatten_nobody_answers_is_unknown(bench: Bench) -> None:
    """Refused without a word: unknown at the deadline, the position stays and is shown; the next try closes."""
    await bench.buy("in", 2)
    await bench.filled("in", 2)
    bench.control("reject", account=A, text="Not during the auction")
    with bench.refused(RequestUnknown):
        await bench.adapter.liquidate(A, ES, "flat1")
    assert bench.net() == 2
    assert [p.net_qty for p in (await bench.adapter.exposure()).positions] == [2]
    await bench.adapter.liquidate(A, ES, "flat2")
    await bench.until(lambda: bench.net() == 0, "flat")


@card(1335, needs="answers_commands", without=a_flatten_nobody_answers_is_unknown)
async def a_flatten_the_venue_refuses_says_so(bench: Bench) -> None:
    """The venue refuses the close: RequestRefused with its words; the position stays, and the next try closes."""
    await bench.buy("in", 2)
    await bench.filled("in", 2)
    bench.control("reject", account=A, text="Not during the auction")
    with bench.refused() as words:
        await bench.adapter.liquidate(A, ES, "flat1")
    assert "Not during the auction" in words[0] and bench.net() == 2
    await bench.adapter.liquidate(A, ES, "flat2")
    await bench.until(lambda: bench.net() == 0, "flat")


@card(1340)
async def a_flatten_is_not_held_back_by_a_spent_budget(bench: Bench) -> None:
    """T-PANIC: entries have used up what they may: the flatten leaves all the same."""
    await bench.again(settings={"requests_per_min": 40, "reserved_for_exits": 25})
    await bench.buy("in", 2)
    await bench.filled("in", 2)
    for number in range(40):
        await bench.buy(f"e{number}", order_type=OrderType.LIMIT, limit_price=bench.price(-4_000))
    assert bench.of_not_sent(), "the budget should be spent"
    await bench.until(lambda: all(bench.outcomes(t) or t in bench.of_not_sent() for t in bench.placed), "all decided")
    for entry in [o for o in bench.control("state", account=A)["orders"] if o["status"] == "Working"]:
        bench.control("cancel", order_id=entry["order_id"])
    await bench.marker()
    await bench.adapter.liquidate(A, ES, "flat")
    await bench.until(lambda: bench.net() == 0, "flat")
    assert bench.working() == 0
