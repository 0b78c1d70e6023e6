"""The FIX door against an initiator written from the facts page alone (`fix_client.py`).

What is wrong inside a message: `protocols/fix.md` C4.8 and C4.15, and limits it is silent about.
Every test is named for a rule of the page.
"""

import asyncio
from typing import Any

import pytest

from tests.brokers.fix.door import Practice, practice
from tests.peers.fix_client import BOTH, Client, away, frame, stamp, whole

# --- C4.8, C4.15: what is wrong in a message -------------------------------------------------------------------------

REQUIRED = {
    "FIX.4.2": {
        "D": (11, 21, 55, 54, 60, 40),
        "G": (41, 11, 21, 55, 54, 60, 40),
        "F": (41, 11, 55, 54, 60),
        "H": (11, 55, 54),
        "V": (262, 263, 264, 267, 146),
        "1": (112,),
        "2": (7, 16),
        "4": (36,),
    },
    "FIX.4.4": {
        "D": (11, 54, 60, 40),
        "G": (41, 11, 54, 60, 40),
        "F": (41, 11, 54, 60),
        "H": (11, 54),
        "V": (262, 263, 264, 267, 146),
        "q": (11, 530, 60),
        "AN": (710, 724, 1, 581, 60, 715),
        "1": (112,),
        "2": (7, 16),
        "4": (36,),
    },
}


@pytest.mark.parametrize(
    ("version", "kind", "tag"),
    [(version, kind, tag) for version, kinds in REQUIRED.items() for kind, tags in kinds.items() for tag in tags],
)
async def test_rule_8_missing_required_tag_is_rejected_and_its_number_consumed(
    venue: Practice, version: str, kind: str, tag: int
) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        group = {267: (267, 269), 146: (146, 55)}.get(tag, (tag,)) if kind == "V" else (tag,)
        number = desk.send(kind, [(each, value) for each, value in whole(kind) if each not in group])
        await desk.expect({35: "3", 45: number, 58: "Required tag missing", 371: tag, 372: kind, 373: 1})
        assert await desk.in_step() == []
        assert venue.orders() == []


@BOTH
async def test_rule_8_invalid_message_type_is_rejected_373_11(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        number = desk.send("ZZ", {58: "what is this"})
        await desk.expect({35: "3", 45: number, 372: "ZZ", 373: 11})
        assert await desk.in_step() == []


@pytest.mark.parametrize(("kind", "body"), [("6", {23: "I1", 28: "N", 55: "ESH4", 54: 1, 27: "S"}), ("B", {148: "x"})])
@BOTH
async def test_rule_8_known_type_that_is_not_supported_is_a_business_reject(
    venue: Practice, version: str, kind: str, body: dict[int, Any]
) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        lines: list[tuple[int, Any]] = [(33, 1), (58, "line")] if kind == "B" else []
        number = desk.send(kind, [*body.items(), *lines])
        await desk.expect({35: "j", 45: number, 372: kind, 380: 3, 58: "Unsupported Message Type"})
        assert await desk.in_step() == []


@BOTH
async def test_missing_55_is_each_versions_own_reject(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        desk.order(body={55: None})
        if version == "FIX.4.2":
            await desk.expect({35: "3", 371: 55, 372: "D", 373: 1})
        else:
            await desk.expect({35: "j", 372: "D", 380: 5, 58: "Conditionally Required Field Missing (55)"})


@pytest.mark.parametrize("missing", [{40: 2}, {40: 3}, {40: 4, 44: 4000}])
@BOTH
async def test_price_that_the_type_demands_is_missed(venue: Practice, version: str, missing: dict[int, Any]) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        name = desk.order(body=missing)
        said = await desk.expect({})
        assert said.kind in "8j3"
        if said.kind == "8":
            assert said.has({11: name, 39: 8, 150: 8})
        if said.kind == "j":
            assert said.has({372: "D", 380: 5})
        assert venue.orders() == [] or all(each["status"] == "Rejected" for each in venue.orders())
        assert await desk.in_step() == []


BAD_FIELDS = {
    "value outside its enumeration, side": ({54: "Z"}, 54, 5),
    "value outside its enumeration, type": ({40: "Z"}, 40, 5),
    "value outside its enumeration, time in force": ({59: "Z"}, 59, 5),
    "quantity that is no number": ({38: "many"}, 38, 6),
    "price that is no number": ({40: 2, 44: "1,5"}, 44, 6),
    "price that is not finite": ({40: 2, 44: "NaN"}, 44, 6),
    "price in powers of ten": ({40: 2, 44: "4e3"}, 44, 6),
    "time that is none": ({60: "yesterday"}, 60, 6),
    "no value": ({58: ""}, 58, 4),
}


@pytest.mark.parametrize("what", BAD_FIELDS)
@BOTH
async def test_rule_15_bad_field_is_rejected_with_its_reason(venue: Practice, version: str, what: str) -> None:
    body, tag, reason = BAD_FIELDS[what]
    async with Client(venue.address, version) as desk:
        await desk.login()
        number = desk.out
        desk.order(body=body)
        said = await desk.expect({35: "3", 45: number, 371: tag, 372: "D", 373: reason})
        if reason == 5:
            assert said[58] == "Value is incorrect (out of range) for this tag"
        assert await desk.in_step() == []
        assert venue.orders() == []


@BOTH
async def test_tag_that_comes_twice_never_places_an_order_by_guess(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        body = [*whole("D"), (38, "7")]
        number = desk.send("D", body)
        said = await desk.expect({35: "3", 45: number, 372: "D"})
        assert version == "FIX.4.2" or said.has({371: 38, 373: 13})
        assert venue.orders() == []


async def test_rule_15_group_with_another_count_is_rejected_373_16() -> None:
    async with practice() as venue, Client(venue.address, "FIX.4.4") as desk:
        await desk.login()
        number = desk.send("V", [(tag, "3" if tag == 267 else value) for tag, value in whole("V")])
        words = "Incorrect NumInGroup count for repeating group"
        await desk.expect({35: "3", 45: number, 372: "V", 373: 16, 371: 267, 58: words})
        assert await desk.in_step() == []


@BOTH
async def test_rule_16_order_of_body_fields_is_free(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        desk.send("D", sorted(whole("D"), key=lambda pair: -pair[0]))
        await desk.expect({35: "8", 11: "R1", 39: 2})


@BOTH
async def test_header_fields_may_come_in_any_order_after_the_third(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        kind, *rest = desk.header("1")
        desk.write(frame(version, [kind, *reversed(rest), (112, "TURNED")]))
        desk.out += 1
        await desk.expect({35: "0", 112: "TURNED"})


@BOTH
async def test_number_that_is_missing_ends_the_session(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        desk.send("0", drop=(34,))
        assert all(each.kind in "35" for each in await desk.ended())


@BOTH
async def test_sending_time_that_is_missing_is_never_taken(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        desk.order(drop=(52,))
        await desk.expect({35: "3", 371: 52, 373: 1})
        assert venue.orders() == []


# --- limits the page is silent about ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [{98: 1}, {108: "soon"}, {108: -1}, {108: "9" * 5_000}, {98: ""}],
    ids=["98=1", "words", "-1", "huge", "98="],
)
@BOTH
async def test_logon_with_a_bad_interval_or_encryption_gets_no_session(
    venue: Practice, version: str, body: dict[int, Any]
) -> None:
    async with Client(venue.address, version) as desk:
        desk.logon(body=body)
        assert [each.kind for each in await desk.ended()] in ([], ["5"])
    async with Client(venue.address, version) as desk:
        desk.out = 2
        desk.logon(reset=True)
        await desk.expect({35: "A"})


@BOTH
async def test_interval_of_zero_is_no_heartbeats_and_no_test_requests(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        assert (await desk.login(heartbeat=0))[108] == "0"
        loop = asyncio.get_running_loop()
        until = loop.time() + 1.5
        while loop.time() < until:
            assert [each.kind for each in desk.came] == ["A"]
            await asyncio.sleep(0.05)
        assert await desk.in_step() == []


@pytest.mark.parametrize("field", ["34", "9", "36", "7"])
@BOTH
async def test_number_of_thousands_of_digits_harms_nobody(venue: Practice, version: str, field: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        huge = "9" * 5_000
        if field == "9":
            desk.write(frame(version, desk.header("0")).replace(b"\x019=", b"\x019=" + huge.encode(), 1))
        elif field == "34":
            desk.write(frame(version, [(tag, huge if tag == 34 else value) for tag, value in desk.header("0")]))
        elif field == "36":
            desk.send("4", {123: "N", 36: huge})
        else:
            desk.send("2", {7: huge, 16: huge})
    async with Client(venue.address, version) as back:
        await back.login(reset=True)
        assert await back.in_step() == []


@BOTH
async def test_header_field_that_comes_twice_is_rejected(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        number = desk.send("1", {49: "DESK", 112: "TWICE"})
        said = await desk.expect({35: "3", 45: number, 371: 49})
        assert said.get(373) == (None if version == "FIX.4.2" else "13")


@BOTH
async def test_type_and_duration_this_venue_has_no_use_for_are_103_11(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        price = away(venue, -20)
        later = desk.order(body={40: 2, 44: price, 59: 6, 432: stamp(3 * 86_400)[:8]})
        await desk.expect({35: "8", 11: later, 39: 8, 150: 8, 103: 11})
        touched = desk.order(body={40: "J", 44: price})
        if version == "FIX.4.2":
            await desk.expect({35: "3", 371: 40, 373: 5})
        else:
            await desk.expect({35: "8", 11: touched, 39: 8, 150: 8, 103: 11})
        assert venue.orders() == []
