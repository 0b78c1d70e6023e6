"""C-900: duplicates of a client tag."""

import pytest

from brokers.adapter import OrderAccepted, OrderRejected
from tests.brokers.contract.bench import ES, A, Bench, order
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


@card(935)
async def a_tag_is_the_accounts_way_home(bench: Bench) -> None:
    """Orders of the same size and side at the same time are told apart by their tags alone."""
    await bench.place(order("a"), order("b"), order("c"))
    for tag in "abc":
        await bench.filled(tag, 1)
    ids = {tag: bench.of(OrderAccepted, tag)[0].order_id for tag in "abc"}
    assert len(set(ids.values())) == 3
    assert ids == {tag: bench.named(bench.at_venue(tag)["order_id"]) for tag in "abc"}
