"""C-900: duplicates of a client tag."""

import pytest

from brokers.adapter import OrderAccepted, OrderRejected
from brokers.sessions import MemorySessions
from schema.records import OrderType
from tests.brokers.contract.bench import ES, A, Bench, is_sentence, order
from tests.brokers.contract.cards import Group

card = Group("Duplicates of a client tag", 900)


@card(901)
async def a_tag_is_sent_once(bench: Bench) -> None:
    """T-DUP: placing the same tag again raises, and the venue saw it once."""
    await bench.buy("a")
    await bench.filled("a", 1)
    with pytest.raises(ValueError, match="nothing is sent twice"):
        await bench.adapter.place([order("a")])
    await bench.marker()
    assert (bench.reached("a"), bench.net()) == (1, 1)


@card(905)
async def a_tag_twice_in_one_pass_sends_nothing(bench: Bench) -> None:
    """T-DUP: two orders of one tag in one call raise before a byte has left."""
    with pytest.raises(ValueError, match="nothing is sent twice"):
        await bench.adapter.place([order("a"), order("b"), order("a")])
    await bench.marker()
    assert bench.nothing_reached()
    assert bench.outcomes("a") == bench.outcomes("b") == []


@card(910)
async def a_tag_with_a_new_neighbour_sends_neither(bench: Bench) -> None:
    """T-DUP: a used tag beside a new one: the call raises and the new one has not left."""
    await bench.buy("a")
    await bench.outcome("a")
    with pytest.raises(ValueError, match="nothing is sent twice"):
        await bench.adapter.place([order("b"), order("a")])
    await bench.marker()
    assert bench.reached("b") == 0 and bench.reached("a") == 1


@card(915)
async def a_rejected_tag_is_used_up(bench: Bench) -> None:
    """T-DUP: a tag whose order was refused is not sent again."""
    bench.control("reject", account=A)
    await bench.buy("a")
    await bench.outcome("a")
    assert bench.outcomes("a") == ["OrderRejected"]
    with pytest.raises(ValueError, match="nothing is sent twice"):
        await bench.adapter.place([order("a")])
    assert bench.reached("a") == 1


@card(920)
async def a_tag_is_used_up_across_a_reconnect(bench: Bench) -> None:
    """T-DUP: what was sent before the line broke is not sent after it."""
    await bench.buy("a")
    await bench.filled("a", 1)
    bench.control("disconnect", login="desk1")
    await bench.back()
    with pytest.raises(ValueError, match="nothing is sent twice"):
        await bench.adapter.place([order("a")])
    assert (bench.reached("a"), bench.net()) == (1, 1)


@card(925)
async def a_flatten_has_a_tag_of_its_own(bench: Bench) -> None:
    """T-DUP: a liquidation under a tag that an order has is a mistake of ours, and closes nothing."""
    await bench.buy("a", 2)
    await bench.filled("a", 2)
    with pytest.raises(ValueError, match="nothing is sent twice"):
        await bench.adapter.liquidate(A, ES, "a")
    await bench.marker()
    assert bench.net() == 2


async def the_adapter_itself_remembers(bench: Bench) -> None:
    """The venue is not relied on: the adapter refuses a tag it has sent, and nothing reaches the venue."""
    await bench.buy("a")
    await bench.filled("a", 1)
    with pytest.raises(ValueError, match="nothing is sent twice"):
        await bench.adapter.place([order("a")])
    assert bench.reached("a") == 1


@card(930, needs="duplicate_tag_rejected", without=the_adapter_itself_remembers)
async def a_tag_the_venue_has_is_asked_about(bench: Bench) -> None:
    """A new process sends a tag that the venue has: it refuses, and the adapter finds the order that has it instead
    of calling it rejected."""
    await bench.buy("a")
    await bench.filled("a", 1)
    await bench.again()
    await bench.adapter.place([order("a")])
    await bench.until(lambda: len(bench.of(OrderAccepted, "a")) == 2, "the order that has the tag")
    assert bench.of(OrderRejected, "a") == []
    assert bench.net() == 1
    bench.placed.clear()  # two processes sent it, as the card wants
    bench.events.clear()


async def finding_is_refused(bench: Bench) -> None:
    """Orders carry no id of ours: asking for one by it is refused in a sentence."""
    with bench.refused() as words:
        await bench.adapter.find([bench.wanted("a")])
    assert words[0] and bench.nothing_reached()


@card(940, needs="client_tag", without=finding_is_refused)
async def an_order_is_found_by_its_tag(bench: Bench) -> None:
    """T-UNKNOWN: over, at rest with a part of it filled, and rejected: each as it stands at the venue, with the fills
    that it has there under the names that the stream gave them, in the order that was asked."""
    await bench.buy("over", 2)
    await bench.filled("over", 2)
    order_id = await bench.resting("rest", 3)
    bench.trades_at(bench.price(-201), 1)
    await bench.filled("rest", 1)
    bench.control("reject", account=A)
    await bench.buy("refused")
    await bench.outcome("refused")
    wanted = [bench.wanted("rest", 3, order_type=OrderType.LIMIT), bench.wanted("over", 2), bench.wanted("refused")]
    rest, over, refused = await bench.adapter.find(wanted)
    assert (rest.finding, over.finding) == ("found", "found")
    assert rest.order is not None and over.order is not None
    assert (rest.order.order_id, rest.order.status, rest.order.filled_qty) == (order_id, "working", 1)
    assert (over.order.status, over.order.filled_qty) == ("filled", 2)
    for found, lots in ((rest, 1), (over, 2)):
        assert sum(fill.qty for fill in found.fills) == lots
        assert {fill.fill_id for fill in found.fills} == {e.fill.fill_id for e in bench.fills(found.cl_ord_id)}
    assert refused.finding != "found" or (refused.order is not None and refused.order.status == "rejected")
    assert refused.fills == () and all(is_sentence(each.text) for each in (rest, over, refused))


@card(945, needs="client_tag", without=finding_is_refused)
async def an_order_that_was_never_sent_is_not_found(bench: Bench) -> None:
    """T-UNKNOWN: absent where the venue itself says so, else unlisted or unknown; never found, never with fills."""
    await bench.buy("a")
    await bench.filled("a", 1)
    never, there = await bench.adapter.find([bench.wanted("never"), bench.wanted("a")])
    assert never.finding in ("absent", "unlisted", "unknown") and never.order is None and never.fills == ()
    assert there.finding == "found" and is_sentence(never.text)
    assert bench.reached("never") == 0


@card(950, needs="client_tag", without=finding_is_refused)
async def an_order_whose_answer_was_lost_is_found(bench: Bench) -> None:
    """T-UNKNOWN: carried out, never answered, in the process before: the next one finds it with its fill."""
    await bench.adapter.instrument(ES)
    bench.control("drop_answer", account=A)
    await bench.buy("a", 2)
    await bench.until(lambda: bench.net() == 2, "it traded")
    await bench.outcome("a")
    bench.sessions = MemorySessions()
    await bench.again()
    await bench.until(lambda: bench.adapter.health().state == "up", "up", 8)
    (found,) = await bench.adapter.find([bench.wanted("a", 2)])
    assert found.finding == "found" and found.order is not None
    assert (found.order.status, sum(fill.qty for fill in found.fills)) == ("filled", 2)
    assert bench.reached("a") == 1 and bench.net() == 2


@card(935)
async def a_tag_is_the_accounts_way_home(bench: Bench) -> None:
    """Orders of the same size and side at the same time are told apart by their tags alone."""
    await bench.place(order("a"), order("b"), order("c"))
    for tag in "abc":
        await bench.filled(tag, 1)
    ids = {tag: bench.of(OrderAccepted, tag)[0].order_id for tag in "abc"}
    assert len(set(ids.values())) == 3
    assert ids == {tag: bench.named(bench.at_venue(tag)["order_id"]) for tag in "abc"}
