"""The FIX door against an initiator written from the facts page alone (`fix_client.py`).

Orders, replaces and cancels: `protocols/fix.md` C3.
Every test is named for a rule of the page.
"""

from decimal import Decimal

import pytest

from tests.brokers.fix.door import Practice
from tests.peers.fix_client import BOTH, Client, away, seconds

# --- C3: orders ------------------------------------------------------------------------------------------------------


@BOTH
async def test_c3_market_order_is_new_then_filled_in_each_versions_words(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        name = desk.order(body={38: 3})
        new = await desk.expect({35: "8", 11: name, 150: 0, 39: 0})
        assert new.has({38: 3, 14: 0, 151: 3, 54: 1, 55: "ESH4", 1: "SIM1"})
        assert Decimal(new[6]) == 0
        done = new
        filled = 0
        while done[39] != "2":
            done = await desk.expect({35: "8", 11: name})
            filled += int(done[32])
            part, whole = ("1", "2") if version == "FIX.4.2" else ("F", "F")
            assert done[150] == (whole if done[39] == "2" else part)
            assert int(done[14]) == filled
            assert int(done[151]) == 3 - filled
            assert Decimal(done[31]) > 0
            assert done[37] == new[37]
        assert Decimal(done[6]) > 0
        ids = [each[17] for each in desk.came if each.kind == "8"]
        assert len(ids) == len(set(ids))
        seconds(done[60])
        assert venue.net() == 3


PRICES = {
    "limit below": ({40: 2}, {44: -20}),
    "stop above": ({40: 3}, {99: 20}),
    "stop limit above": ({40: 4}, {44: 21, 99: 20}),
}


@pytest.mark.parametrize("tif", [0, 1])
@pytest.mark.parametrize("what", PRICES)
@BOTH
async def test_c3_resting_order_of_every_type_shows_its_terms(
    venue: Practice, version: str, what: str, tif: int
) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        kind, far = PRICES[what]
        prices = {tag: away(venue, points) for tag, points in far.items()}
        name = desk.order(body={**kind, **prices, 59: tif, 38: 2})
        new = await desk.expect({35: "8", 11: name, 39: 0})
        assert new.has({**kind, 59: tif, 38: 2, 151: 2, 14: 0})
        for tag, price in prices.items():
            assert Decimal(new[tag]) == price
        assert await desk.in_step() == []
        name2 = desk.cancel(name)
        done = await desk.expect({35: "8", 39: 4})
        assert done.has({11: name2, 41: name, 150: 4, 151: 0, 14: 0, 37: new[37]})


@BOTH
async def test_c3_immediate_or_cancel_takes_what_there_is_and_ends(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        far = desk.order(body={40: 2, 44: away(venue, -20), 59: 3})
        done = await desk.expect({35: "8", 11: far, 151: 0})
        assert done[39] in "4C"
        assert venue.net() == 0
        near = desk.order(body={40: 2, 44: away(venue, 20), 59: 3})
        await desk.expect({35: "8", 11: near, 39: 2})


@BOTH
async def test_c3_fill_or_kill_fills_whole_or_not_at_all(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        far = desk.order(body={40: 2, 44: away(venue, -20), 59: 4, 38: 2})
        done = await desk.expect({35: "8", 11: far, 151: 0})
        assert done[39] in "4C"
        near = desk.order(body={40: 2, 44: away(venue, 20), 59: 4, 38: 2})
        await desk.expect({35: "8", 11: near, 39: 2, 14: 2})


@BOTH
async def test_c3_good_till_date_needs_its_date(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        desk.order(body={40: 2, 44: away(venue, -20), 59: 6})
        await desk.expect({35: "j", 372: "D", 380: 5})
        assert venue.orders() == []


@BOTH
async def test_c3_partial_fills_add_up(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        price = away(venue, -20)
        name = desk.order(body={40: 2, 44: price, 38: 3})
        await desk.expect({35: "8", 11: name, 39: 0})
        venue.order("print", symbol="ESH4", limit=str(price - 1), qty=1, side="sell")
        part = await desk.expect({35: "8", 11: name, 39: 1})
        assert part.has({14: 1, 151: 2, 32: 1, 150: "1" if version == "FIX.4.2" else "F"})
        name2 = desk.cancel(name)
        done = await desk.expect({35: "8", 39: 4})
        assert done.has({11: name2, 41: name, 14: 1, 151: 0, 150: 4})
        assert Decimal(done[6]) == Decimal(part[6])


# --- C3: replace and cancel ------------------------------------------------------------------------------------------


@BOTH
async def test_c3_chain_names_the_last_accepted_id(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        price = away(venue, -20)
        first = desk.order(body={40: 2, 44: price, 59: 1})
        new = await desk.expect({35: "8", 11: first, 39: 0})
        second = desk.replace(first, body={38: 2, 44: price + 1, 59: 1})
        done = await desk.expect({35: "8", 11: second, 150: 5})
        assert done.has({41: first, 37: new[37], 38: 2, 14: 0, 151: 2})
        assert done[39] == "5" if version == "FIX.4.2" else done[39] in "05"
        assert Decimal(done[44]) == price + 1
        third = desk.replace(second, body={38: 1, 44: price, 59: 1})
        await desk.expect({35: "8", 11: third, 150: 5, 41: second})
        stale = desk.cancel(first)
        refused = await desk.expect({35: "9", 11: stale})
        assert refused.has({41: first, 434: 1})
        assert refused[102] in "01"
        last = desk.cancel(third)
        await desk.expect({35: "8", 11: last, 41: third, 39: 4, 37: new[37]})


@BOTH
async def test_c3_refused_replace_leaves_the_order_under_its_old_id(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        price = away(venue, -20)
        first = desk.order(body={40: 2, 44: price})
        new = await desk.expect({35: "8", 11: first, 39: 0})
        venue.order("reject", account="SIM1", text="Not just now")
        second = desk.replace(first, body={44: price + 1})
        refused = await desk.expect({35: "9", 11: second})
        assert refused.has({41: first, 434: 2, 37: new[37], 39: 0, 58: "Not just now"})
        last = desk.cancel(first)
        await desk.expect({35: "8", 11: last, 41: first, 39: 4})


@BOTH
async def test_c3_cancel_of_an_unknown_order_is_102_1(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        name = desk.cancel("NEVER")
        refused = await desk.expect({35: "9", 11: name})
        assert refused.has({41: "NEVER", 102: 1, 434: 1, 37: "NONE", 39: 8})
        name = desk.replace("NEVER", body={44: away(venue, -20)})
        refused = await desk.expect({35: "9", 11: name})
        assert refused.has({41: "NEVER", 102: 1, 434: 2, 37: "NONE", 39: 8})


@BOTH
async def test_c3_cancel_of_a_filled_order_is_102_0(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        first = desk.order()
        done = await desk.expect({35: "8", 11: first, 39: 2})
        name = desk.cancel(first)
        assert (await desk.expect({35: "9", 11: name})).has({41: first, 102: 0, 434: 1, 39: 2, 37: done[37]})
        name = desk.replace(first, body={44: away(venue, -20)})
        assert (await desk.expect({35: "9", 11: name})).has({41: first, 102: 0, 434: 2, 39: 2, 37: done[37]})


@BOTH
async def test_c3_cancel_under_an_id_already_used_is_refused(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        first = desk.order(body={40: 2, 44: away(venue, -20)})
        await desk.expect({35: "8", 11: first, 39: 0})
        desk.cancel(first, id=first)
        refused = await desk.expect({35: "9", 11: first})
        assert refused.has({41: first, 434: 1, 39: 0})
        assert version == "FIX.4.2" or refused[102] == "6"
        (order,) = venue.orders()
        assert order["status"] == "Working"


@BOTH
async def test_c3_replace_can_not_take_what_is_filled_back(venue: Practice, version: str) -> None:
    """38 is the whole order's: less than what is filled is refused, exactly that much ends it or is refused."""
    async with Client(venue.address, version) as desk:
        await desk.login()
        price = away(venue, -20)
        first = desk.order(body={40: 2, 44: price, 38: 3})
        await desk.expect({35: "8", 11: first, 39: 0})
        venue.order("print", symbol="ESH4", limit=str(price - 1), qty=2, side="sell")
        await desk.expect({35: "8", 11: first, 39: 1, 14: 2})
        name = desk.replace(first, body={44: price, 38: 1})
        said = await desk.expect({})
        assert said.has({35: "9", 11: name, 434: 2}) or said.has({35: "8", 11: name, 151: 0, 14: 2})
        current = first if said.kind == "9" else name
        if said.kind == "9":
            name = desk.replace(current, body={44: price, 38: 5})
            done = await desk.expect({35: "8", 11: name, 150: 5})
            assert done.has({38: 5, 14: 2, 151: 3})
        assert venue.net() == 2
