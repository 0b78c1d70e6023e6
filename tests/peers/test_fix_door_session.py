"""The FIX door against an initiator written from the facts page alone (`fix_client.py`).

Heartbeats, resends, resets and the end: `protocols/fix.md` C4.9 to C4.14.
Every test is named for a rule of the page.
"""

import asyncio

from tests.brokers.fix.door import Practice, practice
from tests.peers.fix_client import BOTH, Client, away, stamp, traded

# --- C4.9: heartbeats ------------------------------------------------------------------------------------------------


@BOTH
async def test_rule_9_test_request_is_answered_with_its_112(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        desk.send("1", {112: "any text = at all"})
        await desk.expect({35: "0", 112: "any text = at all"})


@BOTH
async def test_rule_9_idle_venue_sends_heartbeats(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login(heartbeat=1)
        await desk.expect({35: "0", 112: None}, within_s=2.5)
        desk.send("0")
        await desk.expect({35: "0", 112: None}, within_s=2.5)


@BOTH
async def test_rule_9_silent_client_is_asked_and_then_dropped(venue: Practice, version: str) -> None:
    loop = asyncio.get_running_loop()
    async with Client(venue.address, version) as desk:
        await desk.login(heartbeat=1)
        began = loop.time()
        await desk.expect({35: "1"})
        assert 1.0 <= loop.time() - began < 2.2
        await desk.ended(4)
        assert 2.0 <= loop.time() - began < 4
        assert [each.kind for each in desk.came].count("1") == 1


@BOTH
async def test_rule_9_answer_to_the_test_request_keeps_the_session(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login(heartbeat=1)
        for _ in range(2):
            asked = await desk.expect({35: "1"})
            desk.send("0", {112: asked[112]})
        assert [each.kind for each in desk.came].count("5") == 0


# --- C4.10: resend ---------------------------------------------------------------------------------------------------


@BOTH
async def test_rule_10_resend_to_infinity_replays_reports_and_fills_gaps(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await traded(desk)
        first = list(desk.came)
        desk.send("2", {7: 1, 16: 0})
        again = await desk.in_step()
        gap = again[0]
        assert gap.has({35: "4", 34: 1, 36: 3, 43: "Y", 123: "Y"})
        for old, new in zip(first[2:], again[1:], strict=True):
            assert new.has({34: old[34], 43: "Y", 122: old[52], 35: "8", 17: old[17]})
            strip = {9, 10, 43, 52, 122}
            assert [pair for pair in new.fields if pair[0] not in strip] == [
                pair for pair in old.fields if pair[0] not in strip
            ]


@BOTH
async def test_rule_10_range_is_answered_to_its_end_and_no_further(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await traded(desk)
        await desk.in_step()
        desk.send("2", {7: 3, 16: 3})
        (again,) = await desk.in_step()
        assert again.has({34: 3, 35: "8", 43: "Y"})
        desk.send("2", {7: 1, 16: 2})
        (gap,) = await desk.in_step()
        assert gap.has({35: "4", 34: 1, 36: 3, 123: "Y", 43: "Y"})


@BOTH
async def test_rule_10_trailing_admin_messages_are_one_gap(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        for _ in range(3):
            await desk.in_step()
        last = desk.came[-1].seq
        desk.send("2", {7: 2, 16: 0})
        (gap,) = await desk.in_step()
        assert gap.has({35: "4", 34: 2, 36: last + 1, 123: "Y", 43: "Y"})


@BOTH
async def test_rule_10_resend_beyond_what_was_sent_is_survived(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        desk.send("2", {7: 500, 16: 0})
        desk.send("2", {7: 500, 16: 600})
        desk.send("2", {7: 2, 16: 999_999_999})
        said = await desk.in_step()
        assert all(each.seq <= desk.came[-1].seq + 1 for each in said if not each.again)


@BOTH
async def test_rule_10_what_was_missed_while_away_is_replayed_after_the_next_logon(
    venue: Practice, version: str
) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        desk.order(id="REST", body={40: 2, 44: away(venue, -20), 59: 1})
        await desk.expect({35: "8", 11: "REST", 39: 0})
        expected = desk.came[-1].seq + 1
    venue.order("print", symbol="ESH4", limit=str(away(venue, -21)), qty=5, side="sell")
    async with Client(venue.address, version) as back:
        back.out = desk.out
        answer = await back.login()
        assert answer.seq > expected
        back.send("2", {7: expected, 16: 0})
        await back.expect({35: "8", 11: "REST", 39: 2, 43: "Y"})


# --- C4.11 and C4.12: resets -----------------------------------------------------------------------------------------


@BOTH
async def test_rule_11_gap_fill_moves_what_is_expected(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        desk.send("4", {123: "Y", 36: 20})
        desk.out = 20
        assert await desk.in_step() == []


@BOTH
async def test_rule_11_reset_ignores_its_own_number(venue: Practice, version: str) -> None:
    for own in (1, 900):
        async with practice() as fresh, Client(fresh.address, version) as desk:
            await desk.login()
            desk.send("4", {36: 30}, seq=own)
            desk.out = 30
            assert await desk.in_step() == []


@BOTH
async def test_rule_11_reset_backwards_is_rejected_373_5(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        await desk.in_step()
        desk.send("4", {123: "N", 36: 1}, seq=3)
        await desk.expect({35: "3", 373: 5, 371: 36, 372: "4"})
        for number in (3, 4):
            # Whether the rejected reset consumed a number the page does not say: both must leave a session.
            desk.send("0", seq=number, head={43: "Y", 122: stamp()})
        desk.out = 5
        asked = asyncio.ensure_future(desk.in_step())
        await asked


@BOTH
async def test_rule_11_gap_fill_too_low_is_logged_out_unless_possdup(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        await desk.in_step()
        desk.send("4", {123: "Y", 36: 9}, seq=1, head={43: "Y", 122: stamp()})
        assert await desk.in_step() == []
        desk.send("4", {123: "Y", 36: 9}, seq=1)
        (said,) = await desk.ended()
        assert said.has({35: "5", 58: "MsgSeqNum too low, expecting 4 but received 1"})


@BOTH
async def test_rule_11_gap_fill_too_high_is_asked_for(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        desk.send("4", {123: "Y", 36: 12}, seq=8)
        await desk.expect({35: "2", 7: 2, 16: 0})
        desk.send("4", {123: "Y", 36: 12}, seq=2, head={43: "Y", 122: stamp()})
        desk.out = 12
        assert await desk.in_step() == []


@BOTH
async def test_rule_12_logon_with_141_begins_both_sides_at_one(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await traded(desk)
    async with Client(venue.address, version) as desk:
        answer = await desk.login(reset=True)
        assert answer.has({34: 1, 141: "Y"})
        said = await desk.in_step()
        assert said == []
        assert desk.came[-1].seq == 2
        desk.send("2", {7: 1, 16: 0})
        again = await desk.in_step()
        assert "8" not in [each.kind for each in again], "what was before the reset is not of this session"


@BOTH
async def test_rule_12_reset_in_the_middle_begins_both_sides_at_one(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await traded(desk)
        desk.logon(reset=True)
        answer = await desk.expect({35: "A", 141: "Y"})
        assert answer.seq == 1
        await desk.in_step()
        assert desk.came[-1].seq == 2


@BOTH
async def test_numbers_go_on_after_a_disconnect(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        await desk.in_step()
        last = desk.came[-1].seq
    async with Client(venue.address, version) as back:
        back.out = desk.out
        answer = await back.login()
        assert answer.seq == last + 1
        assert await back.in_step() == []


async def test_c1_numbers_begin_at_one_after_every_disconnect_where_the_venue_does_so() -> None:
    async with practice(restart_numbers=True) as venue:
        for _ in range(2):
            async with Client(venue.address) as desk:
                assert (await desk.login()).seq == 1
                assert await desk.in_step() == []


# --- C4.13 and C4.14: the end ----------------------------------------------------------------------------------------


@BOTH
async def test_rule_13_logout_is_answered_and_its_initiator_closes(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        desk.send("5")
        answer = await desk.expect({35: "5"})
        assert answer.seq == 2
    async with Client(venue.address, version) as back:
        back.out = desk.out
        assert (await back.login()).seq == 3


@BOTH
async def test_rule_14_second_logon_is_disconnected_and_the_first_kept(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as first:
        await first.login()
        async with Client(venue.address, version) as second:
            second.logon()
            assert "A" not in [each.kind for each in await second.ended()]
        assert await first.in_step() == []
        name = first.order()
        await first.expect({35: "8", 11: name, 39: 2})
