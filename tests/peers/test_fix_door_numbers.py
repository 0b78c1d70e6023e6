"""The FIX door against an initiator written from the facts page alone (`fix_client.py`).

Logons, sequence numbers, headers and garbled bytes: `protocols/fix.md` C1 and C4.1 to C4.7.
Every test is named for a rule of the page.
"""

import asyncio
from typing import Any

import pytest

from tests.brokers.fix.door import Practice
from tests.peers.fix_client import BOTH, Client, frame, seconds, stamp

# --- C1 and C4.1: the first message ----------------------------------------------------------------------------------


@BOTH
async def test_rule_1_logon_is_answered_with_98_and_108_echoed(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        answer = await desk.login(heartbeat=17)
        assert answer.has({8: version, 34: 1, 49: desk.target, 56: "DESK", 98: 0, 108: 17, 141: None})
        assert desk.password not in repr(answer)
        seconds(answer[52])


@BOTH
async def test_rule_1_first_message_that_is_no_logon_is_disconnected(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        desk.send("0")
        assert [each.kind for each in await desk.ended()] in ([], ["5"])


@pytest.mark.parametrize("wrong", [{"sender": "NOBODY"}, {"target": "ELSEWHERE"}])
@BOTH
async def test_rule_6_wrong_comp_id_in_the_logon_is_a_plain_disconnect(
    venue: Practice, version: str, wrong: dict[str, Any]
) -> None:
    async with Client(venue.address, version) as desk:
        desk.logon(**wrong)
        assert await desk.ended() == []


@BOTH
async def test_bad_password_is_a_logout_with_words_then_the_end(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        desk.logon(password="not-this-one")
        (said,) = await desk.ended()
        assert said.kind == "5"
        assert said[58]
        assert "not-this-one" not in said[58]
    async with Client(venue.address, version) as desk:
        await desk.login()


@BOTH
async def test_rule_6_clock_off_in_the_logon_is_a_silent_disconnect(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        desk.logon(sent=stamp(-130))
        assert await desk.ended() == []


@BOTH
async def test_unknown_begin_string_gets_no_session(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        desk.logon(begin="FIX.4.0")
        assert all(each.kind == "5" for each in await desk.ended())


@BOTH
async def test_logon_without_108_is_refused(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        desk.logon(drop=(108,))
        assert "A" not in [each.kind for each in await desk.ended()]


@BOTH
async def test_times_without_milliseconds_are_read(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        desk.logon(sent=stamp(millis=False))
        await desk.expect({35: "A"})
        desk.send("1", {112: "WHOLE"}, sent=stamp(millis=False))
        await desk.expect({35: "0", 112: "WHOLE"})


# --- C4.2 to C4.5: numbers -------------------------------------------------------------------------------------------


@BOTH
async def test_rule_2_logon_too_high_is_answered_then_the_gap_asked_for(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        desk.logon(seq=5)
        await desk.expect({35: "A"})
        await desk.expect({35: "2", 7: 1, 16: 0})
        desk.send("4", {123: "Y", 36: 6}, seq=1, head={43: "Y", 122: stamp()})
        desk.out = 6
        assert await desk.in_step() == []


@BOTH
async def test_rule_3_too_high_is_asked_for_once_and_what_follows_waits(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        desk.send("1", {112: "FOURTH"}, seq=4)
        desk.send("1", {112: "FIFTH"}, seq=5)
        await desk.expect({35: "2", 7: 2, 16: 0})
        desk.send("1", {112: "SECOND"}, seq=2, head={43: "Y", 122: stamp()})
        desk.send("1", {112: "THIRD"}, seq=3, head={43: "Y", 122: stamp()})
        desk.send("1", {112: "FOURTH"}, seq=4, head={43: "Y", 122: stamp()})
        desk.send("1", {112: "FIFTH"}, seq=5, head={43: "Y", 122: stamp()})
        desk.out = 6
        await desk.in_step()
        said = [each.get(112) for each in desk.came if each.kind == "0" and not each[112].startswith("STEP")]
        assert said == ["SECOND", "THIRD", "FOURTH", "FIFTH"]
        assert [each.kind for each in desk.came].count("2") == 1


@BOTH
async def test_rule_3_orders_behind_a_gap_are_taken_once_and_in_order(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        desk.order(id="A3", seq=3)
        await desk.expect({35: "2", 7: 2, 16: 0})
        assert venue.received() == []
        desk.order(id="A2", seq=2, head={43: "Y", 122: stamp()})
        desk.order(id="A3", seq=3, head={43: "Y", 122: stamp()})
        desk.out = 4
        await desk.in_step()
        assert venue.received() == ["A2", "A3"]
        assert venue.net() == 2


@BOTH
async def test_rule_4_too_low_is_logged_out_with_both_numbers(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        await desk.in_step()
        desk.send("0", seq=1)
        (said,) = await desk.ended()
        assert said.has({35: "5", 58: "MsgSeqNum too low, expecting 3 but received 1"})


@BOTH
async def test_rule_4_logon_too_low_is_logged_out_with_both_numbers(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        await desk.in_step()
    async with Client(venue.address, version) as desk:
        desk.logon()
        (said,) = await desk.ended()
        assert said.has({35: "5", 58: "MsgSeqNum too low, expecting 3 but received 1"})


@BOTH
async def test_rule_5_possdup_already_seen_is_ignored(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        name = desk.order()
        await desk.in_step()
        desk.order(id=name, seq=2, head={43: "Y", 122: stamp(-1)})
        assert await desk.in_step() == []
        assert venue.received() == [name]


@BOTH
async def test_rule_5_possdup_without_122_is_rejected(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        desk.send("0", seq=1, head={43: "Y"})
        await desk.expect({35: "3", 45: 1, 371: 122, 373: 1, 372: "0"})
        assert await desk.in_step() == []


@BOTH
async def test_rule_5_possdup_sent_after_it_was_first_sent_is_rejected_and_logged_out(
    venue: Practice, version: str
) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        desk.send("0", seq=1, head={43: "Y", 122: stamp(60)})
        reject, logout = await desk.ended()
        assert reject.has({35: "3", 373: 10})
        assert logout.kind == "5"


# --- C4.6: header errors ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("off_s", [-130, 130])
@BOTH
async def test_rule_6_clock_off_is_rejected_and_logged_out(venue: Practice, version: str, off_s: int) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        number = desk.send("0", sent=stamp(off_s))
        reject, logout = await desk.ended()
        assert reject.has({35: "3", 45: number, 373: 10})
        assert logout.kind == "5"


@pytest.mark.parametrize("off_s", [-110, 110])
@BOTH
async def test_rule_6_clock_within_two_minutes_is_taken(venue: Practice, version: str, off_s: int) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        desk.send("1", {112: "OFF"}, sent=stamp(off_s))
        await desk.expect({35: "0", 112: "OFF"})


@pytest.mark.parametrize("wrong", [{"sender": "NOBODY"}, {"target": "ELSEWHERE"}])
@BOTH
async def test_rule_6_wrong_comp_id_is_rejected_and_logged_out_without_words(
    venue: Practice, version: str, wrong: dict[str, Any]
) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        number = desk.send("0", **wrong)
        reject, logout = await desk.ended()
        assert reject.has({35: "3", 45: number, 58: "CompID problem", 373: 9})
        assert logout.has({35: "5", 58: None})


@BOTH
async def test_rule_6_wrong_begin_string_is_logged_out(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        desk.send("0", begin="FIX.4.4" if version == "FIX.4.2" else "FIX.4.2")
        (said,) = await desk.ended()
        assert said.has({35: "5", 58: "Incorrect BeginString"})


# --- C4.7: garbled ---------------------------------------------------------------------------------------------------


def _swapped(desk: Client) -> bytes:
    """A message whose second field is not 9, with a right length and checksum for what it has."""
    whole = frame(desk.version, desk.header("0"))
    head, length, rest = whole.split(b"\x01", 2)
    body, _, _ = rest.rpartition(b"10=")
    inner = head + b"\x01" + body.replace(b"\x01", b"\x01" + length + b"\x01", 1)
    return inner + f"10={sum(inner) % 256:03d}\x01".encode()


GARBLED = {
    "bad checksum": lambda desk: frame(desk.version, desk.header("0"), checksum=1),
    "length too short": lambda desk: frame(desk.version, desk.header("0"), length=5),
    "length too long": lambda desk: frame(desk.version, desk.header("0"), length=200),
    "35 before 9": _swapped,
    "34 before 35": lambda desk: frame(
        desk.version, [desk.header("0")[3], *desk.header("0")[:3], *desk.header("0")[4:]]
    ),
    "length no number": lambda desk: frame(desk.version, desk.header("0")).replace(b"\x019=", b"\x019=x", 1),
    "no message at all": lambda desk: b"GET / HTTP/1.1\r\nHost: venue\r\n\r\n",
}


@pytest.mark.parametrize("spoilt", GARBLED)
@BOTH
async def test_rule_7_garbled_is_ignored_and_its_number_not_consumed(
    venue: Practice, version: str, spoilt: str
) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        desk.write(GARBLED[spoilt](desk))
        # The message that follows may be swallowed by a wrong length; the one after it shows the gap or is answered.
        desk.send("1", {112: "FIRST"})
        desk.send("1", {112: "SECOND"})
        while True:
            said = await desk.expect({})
            if said.kind == "2":
                assert said.has({7: 2, 16: 0})
                desk.send("1", {112: "FIRST"}, seq=2, head={43: "Y", 122: stamp()})
                desk.send("1", {112: "SECOND"}, seq=3, head={43: "Y", 122: stamp()})
            elif said.get(112) == "SECOND":
                break
        answers = [each[112] for each in desk.came if each.kind == "0"]
        assert answers == ["FIRST", "SECOND"]
        assert not {"3", "5", "j"} & {each.kind for each in desk.came}


@BOTH
async def test_rule_7_garbled_order_comes_by_later_gap_recovery(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        desk.order(id="LOST", checksum=7)
        desk.send("1", {112: "AFTER"})
        await desk.expect({35: "2", 7: 2, 16: 0})
        desk.order(id="LOST", seq=2, head={43: "Y", 122: stamp()})
        desk.send("4", {123: "Y", 36: 4}, seq=3, head={43: "Y", 122: stamp()})
        await desk.in_step()
        assert venue.received() == ["LOST"]


@BOTH
async def test_messages_cut_anywhere_are_put_together(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        whole = frame(version, [*desk.header("1"), (112, "SLOWLY")])
        for place in range(len(whole)):
            desk.write(whole[place : place + 1])
            await asyncio.sleep(0)
        await desk.expect({35: "0", 112: "SLOWLY"})


@BOTH
async def test_many_messages_in_one_segment_are_all_answered(venue: Practice, version: str) -> None:
    async with Client(venue.address, version) as desk:
        await desk.login()
        whole = b""
        for number in range(2, 52):
            whole += frame(version, [*desk.header("1", number), (112, f"N{number}")])
        desk.write(whole)
        desk.out = 52
        await desk.in_step()
        assert [each[112] for each in desk.came if each.kind == "0"][:50] == [f"N{number}" for number in range(2, 52)]
