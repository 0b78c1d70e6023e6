"""The FIX door against an initiator written from the facts page alone (`fix_client.py`).

Duplicates, rejects, status, positions, data and T4: `protocols/fix.md` C2, C3 and C6.
Every test is named for a rule of the page.
"""

from decimal import Decimal

import pytest

from tests.brokers.fix.door import Practice, practice
from tests.peers.fix_client import BOTH, Client, Fields, away, frame, stamp, traded, whole

# --- C3: duplicates --------------------------------------------------------------------------------------------------


@BOTH
async def test_c3_duplicate_client_id_is_103_6_and_the_order_untouched(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        name = desk.order(body={40: 2, 44: away(venue, -20)})
        await desk.expect({35: "8", 11: name, 39: 0})
        desk.order(id=name)
        refused = await desk.expect({35: "8", 11: name, 39: 8, 150: 8})
        assert refused.has({103: 6, 151: 0, 14: 0})
        assert refused[58]
        assert venue.net() == 0
        assert [each["status"] for each in venue.orders()] == ["Working"]


@BOTH
async def test_c3_client_id_is_remembered_across_sessions_and_resets(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await traded(desk)
    async with Client(venue.address, version) as back:
        await back.login(reset=True)
        back.order(id="C2" if "C2" in venue.received() else venue.received()[0])
        await back.expect({35: "8", 39: 8, 103: 6})
        assert venue.net() == 1


@BOTH
async def test_c3_possresend_of_a_known_order_is_ignored_and_of_a_new_one_taken(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        name = desk.order()
        await desk.expect({35: "8", 11: name, 39: 2})
        desk.order(id=name, head={97: "Y"})
        said = await desk.in_step()
        assert all(each.kind == "8" and each[39] == "2" for each in said), said
        assert venue.net() == 1
        fresh = desk.order(id="FRESH", head={97: "Y"})
        await desk.expect({35: "8", 11: fresh, 39: 2})
        assert venue.net() == 2


# --- C3: rejects -----------------------------------------------------------------------------------------------------


@BOTH
async def test_c3_unknown_symbol_is_103_1(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        name = desk.order(body={55: "NOSUCH9"})
        assert (await desk.expect({35: "8", 11: name, 39: 8})).has({150: 8, 103: 1, 55: "NOSUCH9", 151: 0})


@BOTH
async def test_c3_market_closed_is_103_2(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        venue.order("session", open=False)
        name = desk.order()
        assert (await desk.expect({35: "8", 11: name, 39: 8})).has({150: 8, 103: 2})


@BOTH
async def test_c3_order_beyond_the_limit_is_103_3(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        venue.order("account", account="SIM1", max_order=2)
        name = desk.order(body={38: 3})
        assert (await desk.expect({35: "8", 11: name, 39: 8})).has({150: 8, 103: 3})


@BOTH
async def test_c3_words_of_the_venue_come_verbatim(venue: Practice, version: str) -> None:
    words = "Margin: need 1,200.50 USD; have 3 (see desk) = no"
    async with Client(venue.address, version) as desk:
        await desk.login()
        venue.order("reject", account="SIM1", text=words)
        name = desk.order()
        assert (await desk.expect({35: "8", 11: name, 39: 8}))[58] == words


@BOTH
async def test_c3_account_of_another_login_is_refused(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        for account in ("DEMO1000", "NOBODY"):
            name = desk.order(body={1: account})
            await desk.expect({35: "8", 11: name, 39: 8, 150: 8})


@pytest.mark.parametrize("qty", ["0", "-1", "1.5"])
@BOTH
async def test_c3_quantity_no_order_can_have_is_refused(venue: Practice, version: str, qty: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        desk.order(body={38: qty})
        said = await desk.expect({})
        assert said.has({35: "8", 39: 8}) or said.kind == "3"
        assert venue.net() == 0
        assert all(each["status"] == "Rejected" for each in venue.orders())


@BOTH
async def test_c3_quantity_and_price_may_have_trailing_zeros(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        price = away(venue, -20)
        name = desk.order(body={40: 2, 38: "2.00", 44: f"{price:.4f}"})
        new = await desk.expect({35: "8", 11: name, 39: 0})
        assert Decimal(new[38]) == 2
        assert Decimal(new[44]) == price


@BOTH
async def test_c3_price_off_the_tick_is_refused(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        name = desk.order(body={40: 2, 44: away(venue, -20) + Decimal("0.13")})
        await desk.expect({35: "8", 11: name, 39: 8, 150: 8})


# --- C3 and C6: status ----------------------------------------------------------------------------------------------


@BOTH
async def test_c3_status_request_is_answered_with_the_order_as_it_is(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        price = away(venue, -20)
        name = desk.order(body={40: 2, 44: price, 38: 3})
        new = await desk.expect({35: "8", 11: name, 39: 0})
        venue.order("print", symbol="ESH4", limit=str(price - 1), qty=1, side="sell")
        await desk.expect({35: "8", 11: name, 39: 1})
        desk.send("H", {11: name, 1: "SIM1", 55: "ESH4", 54: 1})
        said = await desk.expect({35: "8", 11: name})
        assert said.has({39: 1, 14: 1, 151: 2, 37: new[37]})
        assert said.has({20: 3}) if version == "FIX.4.2" else said.has({150: "I"})
        assert said.get(32) in (None, "0"), "a status is not a fill"


@BOTH
async def test_c3_status_of_an_unknown_order_says_so(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        desk.send("H", {11: "NEVER", 1: "SIM1", 55: "ESH4", 54: 1})
        said = await desk.expect({})
        assert said.has({35: "8", 11: "NEVER", 39: 8}) or said.has({35: "j", 380: 1}), said


async def test_c3_mass_cancel_ends_every_working_order_and_is_reported() -> None:
    async with practice() as venue, Client(venue.address, "FIX.4.4") as desk:
        venue.order("market", paused=True)
        await desk.login()
        names = [desk.order(body={40: 2, 44: away(venue, -20)}) for _ in range(3)]
        for name in names:
            await desk.expect({35: "8", 11: name, 39: 0})
        desk.send("q", {11: "ALL", 530: 7, 60: stamp(), 1: "SIM1"})
        said = await desk.in_step()
        kinds = [each.kind for each in said]
        if "j" in kinds:  # a venue need not have it; it then says 380=3
            pytest.fail(f"mass cancel is on the page: {said}")
        report = next(each for each in said if each.kind == "r")
        assert report.has({11: "ALL", 530: 7, 531: 7})
        assert len([each for each in said if each.kind == "8" and each[39] == "4"]) == 3
        assert all(each["status"] == "Canceled" for each in venue.orders())


async def test_c2_positions_are_reported_on_request() -> None:
    async with practice() as venue, Client(venue.address, "FIX.4.4") as desk:
        venue.order("market", paused=True)
        await desk.login()
        desk.order(body={38: 2})
        desk.order(body={38: 1, 54: 2})
        await desk.in_step()
        request = {710: "P1", 724: 0, 1: "SIM1", 581: 1, 60: stamp(), 715: stamp()[:8]}
        desk.send("AN", request)
        answer = await desk.expect({35: "AO", 710: "P1"})
        assert answer[727] == "1"
        report = await desk.expect({35: "AP", 710: "P1"})
        assert report.has({1: "SIM1", 55: "ESH4"})
        assert int(report[704]) == 1
        desk.send("AN", {**request, 710: "P2", 1: "SIM2"})
        answer = await desk.expect({35: "AO", 710: "P2"})
        assert answer[727] == "0"


async def test_c2_positions_in_4_2_are_no_message_type() -> None:
    async with practice() as venue, Client(venue.address, "FIX.4.2") as desk:
        await desk.login()
        desk.send("AN", whole("AN"))
        await desk.expect({35: "3", 372: "AN", 373: 11})


# --- C6: market data --------------------------------------------------------------------------------------------------


@BOTH
async def test_c6_market_data_is_a_snapshot_then_increments_or_a_reject(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        desk.send("V", whole("V"))
        said = await desk.expect({})
        assert said.kind in "WYj", said
        if said.kind == "W":
            assert said.has({262: "M1", 55: "ESH4"})
            assert int(said[268]) == len(said.all(269))
        else:
            assert said.has({262: "M1"}) if said.kind == "Y" else said.has({372: "V", 380: 3})


# --- T4 ---------------------------------------------------------------------------------------------------------------

LICENCE = "112A04B0-5AAF-42F4-994E-FA7CB959C60B"


def _t4(desk: Client) -> None:
    """T4's Logon, as its sample on the page: an application's name in 49, the login in 553."""
    desk.sender, desk.out = "T4Example", 1
    options: Fields = [(384, "2"), (372, "d"), (372, "D")]
    desk.send("A", [(91, LICENCE), (90, "36"), (98, "0"), (108, "30"), (553, "DESK"), (554, desk.password), *options])


async def test_c1_t4_logon_is_answered_with_the_password_hidden_and_begins_at_one_every_time(venue: Practice) -> None:
    for _ in range(2):
        async with Client(venue.address) as desk:
            _t4(desk)
            answer = await desk.expect({35: "A"})
            assert answer.has({34: 1, 50: "T4FIX", 56: "T4Example", 98: 0, 108: 30, 554: "***"})
            assert answer[1408]
            assert await desk.in_step() == []


async def test_c1_t4_bad_logon_is_a_logout_with_words(venue: Practice) -> None:
    async with Client(venue.address) as desk:
        desk.password = "wrong"
        _t4(desk)
        (said,) = await desk.ended()
        assert said.has({35: "5", 56: "T4Example"})
        assert said[58]


async def test_c1_data_field_may_hold_a_field_end(venue: Practice) -> None:
    async with Client(venue.address) as desk:
        raw = [(95, "7"), (96, "a\x01b=c\x01d"), (98, "0"), (108, "30"), (553, "DESK"), (554, desk.password)]
        desk.write(frame("FIX.4.2", [*desk.header("A"), *raw]))
        desk.out += 1
        await desk.expect({35: "A"})
        assert await desk.in_step() == []


@pytest.mark.parametrize("side", [1, 2])
async def test_c3_t4_flatten_closes_what_the_account_holds_and_has_working(venue: Practice, side: int) -> None:
    async with Client(venue.address) as desk:
        _t4(desk)
        await desk.expect({35: "A"})
        desk.order(body={38: 2, 54: side})
        desk.order(body={40: 2, 44: away(venue, -20)})
        await desk.in_step()
        assert abs(venue.net()) == 2
        desk.order(id="FLAT", body={40: "F", 54: 0, 38: None})
        await desk.expect({35: "8", 11: "FLAT", 39: 2, 14: 2})
        assert venue.net() == 0
        assert {each["status"] for each in venue.orders()} == {"Filled", "Canceled"}
        desk.order(id="FLAT2", body={40: "F", 54: 0})
        await desk.expect({35: "8", 11: "FLAT2", 39: 8})


async def test_c2_t4_collateral_inquiry_names_the_accounts(venue: Practice) -> None:
    async with Client(venue.address) as desk:
        _t4(desk)
        await desk.expect({35: "A"})
        desk.send("BB", {909: "Q1", 263: 0, 896: 0})
        reports = [await desk.expect({35: "BA", 909: "Q1"}) for _ in range(2)]
        assert {each[1] for each in reports} == {"SIM1", "SIM2"}
        assert all(each[448] for each in reports)


async def test_flatten_and_collateral_are_t4s_alone(venue: Practice) -> None:
    async with Client(venue.address) as desk:
        await desk.login()
        desk.send("BB", {909: "Q1", 263: 0, 896: 0})
        await desk.expect({35: "3", 372: "BB", 373: 11})
        desk.order(body={40: "F", 54: 0})
        await desk.expect({35: "3", 372: "D", 373: 5})
