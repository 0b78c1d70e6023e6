"""The session rules of `protocols/fix.md C1, C4`, one scenario a rule, as bytes against the session layer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers.fix import session as fix
from brokers.fix.numbers import Numbers
from brokers.fix.session import Closed, Identity, InStep, LoggedOn, NotUp, Received, Refused, Rules, Session, Unreadable
from brokers.fix.wire import Framer, Message
from tests.brokers.fix.raw import HandClock, checked, when, wrap

ORDER = [(11, "C1"), (1, "SIM1"), (21, "1"), (55, "ESZ6"), (54, "1"), (60, "20261121-02:19:48"), (38, "3"), (40, "1")]
REPORT = "1=SIM1|6=0|11=C1|14=0|17=E2|20=0|37=O1|38=3|39=0|40=1|54=1|55=ESZ6|150=0|151=3|"


class Talk:
    """A session and the venue at its other end, which a test plays."""

    def __init__(
        self,
        version: str = "FIX.4.2",
        *,
        rules: Rules | None = None,
        out: int = 1,
        expected: int = 1,
        logged_on: bool = True,
    ) -> None:
        self.clock = HandClock()
        self.version = version
        self.numbers = Numbers(out=out, expected=expected)
        self.session = Session(
            Identity(begin_string=version, sender="DESK42", target="QT"),
            rules or Rules(heartbeat_s=30, check_clocks=True),
            self.numbers,
            self.clock,
        )
        self.seq = expected
        self.facts: list[fix.Fact] = []
        self.session.start()
        if logged_on:
            self.logon()

    def logon(self, extra: str = "") -> None:
        self.sent()
        self.say("A", "98=0|108=30|" + extra)
        assert self.session.up
        self.facts.clear()

    def frame(
        self,
        msg_type: str,
        body: str = "",
        *,
        seq: int | None = None,
        dup: bool = False,
        original: int | None = 0,
        at_ns: int | None = None,
        sender: str = "QT",
        target: str = "DESK42",
    ) -> bytes:
        number = self.seq if seq is None else seq
        if seq is None:
            self.seq += 1
        at = self.clock.ns if at_ns is None else at_ns
        dup_fields = "43=Y|" if dup else ""
        if dup and original is not None:
            dup_fields += f"122={when(original or at)}|"
        head = f"35={msg_type}|34={number}|49={sender}|52={when(at)}|56={target}|{dup_fields}"
        return wrap(self.version, head + body)

    def say(self, msg_type: str, body: str = "", **how: object) -> None:
        self.bytes_in(self.frame(msg_type, body, **how))  # type: ignore[arg-type]

    def bytes_in(self, data: bytes) -> None:
        self.session.receive(data)
        self.facts += self.session.take_facts()

    def wait(self, seconds: float) -> None:
        self.clock.step(seconds)
        self.session.tick()
        self.facts += self.session.take_facts()

    def sent(self) -> list[dict[str, str]]:
        return checked(self.session.take_bytes())

    def received(self) -> list[str]:
        return [fact.message.get(17) for fact in self.facts if isinstance(fact, Received)]

    @property
    def closed(self) -> Closed:
        assert self.session.closed is not None
        return self.session.closed


# --- logging on -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["FIX.4.2", "FIX.4.4"])
def test_logon_names_version_parties_heartbeat_and_number(version: str) -> None:
    talk = Talk(version, logged_on=False, out=7)
    (logon,) = talk.sent()
    assert list(logon)[:3] == ["8", "9", "35"]
    assert (logon["8"], logon["35"], logon["34"], logon["49"], logon["56"]) == (version, "A", "7", "DESK42", "QT")
    assert (logon["98"], logon["108"]) == ("0", "30")
    assert "141" not in logon
    assert logon["52"] == when(talk.clock.ns)


def test_logon_with_reset_starts_both_sides_at_one() -> None:
    talk = Talk(rules=Rules(reset=True), out=900, expected=400, logged_on=False)
    (logon,) = talk.sent()
    assert (logon["34"], logon["141"]) == ("1", "Y")
    talk.say("A", "98=0|108=30|141=Y|", seq=1)
    assert talk.facts == [LoggedOn(reset=True), InStep()]
    assert (talk.numbers.out, talk.numbers.expected) == (2, 2)


def test_logon_answer_in_order_puts_the_session_up_and_in_step() -> None:
    talk = Talk(logged_on=False, expected=12)
    talk.say("A", "98=0|108=30|")
    assert talk.facts == [LoggedOn(reset=False), InStep()]
    assert talk.numbers.expected == 13


def test_logon_answer_with_141_that_was_not_asked_for_resets_both_sides() -> None:
    talk = Talk(out=50, expected=40, logged_on=False)
    talk.say("A", "98=0|108=30|141=Y|", seq=1)
    assert talk.session.up
    assert (talk.numbers.out, talk.numbers.expected) == (2, 2)


def test_logon_answer_with_another_heartbeat_interval_is_followed() -> None:
    talk = Talk(logged_on=False)
    talk.say("A", "98=0|108=5|")
    talk.sent()
    talk.wait(5)
    assert [m["35"] for m in talk.sent()] == ["0"]


def test_first_message_that_is_no_logon_disconnects() -> None:
    talk = Talk(logged_on=False)
    talk.sent()
    talk.say("0")
    assert talk.closed.reason == "the venue's first message is no logon"
    assert talk.sent() == []


def test_logon_refused_by_logout_says_the_venues_words() -> None:
    talk = Talk(logged_on=False)
    talk.say("5", "58=Invalid password|")
    assert talk.closed == Closed(reason="Invalid password", refused=True)


def test_logon_refused_by_session_reject_says_the_venues_words() -> None:
    talk = Talk(logged_on=False)
    talk.say("3", "45=1|58=Required tag missing|371=553|373=1|")
    assert talk.closed == Closed(reason="Required tag missing", refused=True)


def test_logon_refused_for_a_number_too_low_tells_the_number_wanted() -> None:
    talk = Talk(logged_on=False)
    talk.say("5", "58=MsgSeqNum too low, expecting 57 but received 1|")
    assert talk.closed.wanted == 57
    assert talk.closed.too_low
    assert not talk.closed.refused


def test_logon_from_another_comp_id_disconnects_without_an_answer() -> None:
    talk = Talk(logged_on=False)
    talk.sent()
    talk.say("A", "98=0|108=30|", sender="OTHER")
    assert talk.closed.refused
    assert talk.sent() == []


def test_logon_with_a_clock_two_minutes_off_disconnects_silently() -> None:
    talk = Talk(logged_on=False)
    talk.sent()
    talk.say("A", "98=0|108=30|", at_ns=talk.clock.ns - 121 * 10**9)
    assert "clock" in talk.closed.reason
    assert talk.sent() == []


def test_logon_that_is_not_answered_in_10_s_ends() -> None:
    talk = Talk(logged_on=False)
    talk.wait(9.9)
    assert talk.session.closed is None
    talk.wait(0.2)
    assert "did not answer the logon" in talk.closed.reason


def test_logon_answer_too_high_is_taken_and_the_gap_asked_for() -> None:
    talk = Talk(logged_on=False, expected=3)
    talk.sent()
    talk.say("A", "98=0|108=30|", seq=9)
    assert talk.facts == [LoggedOn(reset=False)]
    (again,) = talk.sent()
    assert (again["35"], again["7"], again["16"]) == ("2", "3", "0")
    talk.say("4", "123=Y|36=10|", seq=3, dup=True)
    assert talk.facts[-1] == InStep()
    assert talk.numbers.expected == 10


def test_logon_answer_too_low_logs_out_and_says_the_numbers_disagree() -> None:
    talk = Talk(logged_on=False, expected=5)
    talk.sent()
    talk.say("A", "98=0|108=30|", seq=2)
    (logout,) = talk.sent()
    assert (logout["35"], logout["58"]) == ("5", "MsgSeqNum too low, expecting 5 but received 2")
    assert talk.closed.too_low


def test_nothing_is_sent_before_the_logon_is_answered() -> None:
    talk = Talk(logged_on=False)
    with pytest.raises(NotUp):
        talk.session.send("D", ORDER)


def test_logon_secrets_are_not_in_a_printed_rule() -> None:
    rules = Rules(logon=((554, "canary-password"),))
    assert "canary" not in repr(rules)
    assert "canary" not in str(rules)


# --- numbers --------------------------------------------------------------------------------------------------------


def test_messages_in_order_are_handed_on_once_each() -> None:
    talk = Talk()
    for number in (1, 2, 3):
        talk.say("8", REPORT.replace("17=E2", f"17=E{number}"))
    assert talk.received() == ["E1", "E2", "E3"]


def test_message_too_high_asks_for_the_gap_once_and_keeps_what_follows() -> None:
    talk = Talk()
    for seq in (4, 5, 6):
        talk.say("8", REPORT.replace("17=E2", f"17=E{seq}"), seq=seq)
    assert [(m["35"], m["7"], m["16"]) for m in talk.sent()] == [("2", "2", "0")]
    assert talk.received() == []
    talk.say("8", REPORT.replace("17=E2", "17=E2"), seq=2, dup=True)
    talk.say("8", REPORT.replace("17=E2", "17=E3"), seq=3, dup=True)
    assert talk.received() == ["E2", "E3", "E4", "E5", "E6"]
    assert talk.facts[-1] == InStep()
    assert talk.numbers.expected == 7


def test_resend_that_repeats_what_waits_here_too_hands_it_on_once() -> None:
    talk = Talk()
    talk.say("8", REPORT.replace("17=E2", "17=E4"), seq=4)
    for seq in (2, 3, 4):
        talk.say("8", REPORT.replace("17=E2", f"17=E{seq}"), seq=seq, dup=True)
    assert talk.received() == ["E2", "E3", "E4"]


def test_second_gap_behind_the_first_is_asked_for_after_it() -> None:
    talk = Talk()
    talk.say("8", REPORT, seq=4)
    talk.say("8", REPORT, seq=9)
    talk.sent()
    talk.say("4", "123=Y|36=4|", seq=2, dup=True)
    (again,) = talk.sent()
    assert (again["35"], again["7"]) == ("2", "5")
    assert InStep() not in talk.facts


def test_gap_that_is_never_filled_ends_the_session() -> None:
    talk = Talk()
    talk.say("8", REPORT, seq=4)
    for seq in range(5, 11):
        talk.say("0", seq=seq)
        talk.wait(14)
    assert "did not send messages 2 to 3 again" in talk.closed.reason


def test_message_too_low_without_possdup_logs_out_and_disconnects() -> None:
    talk = Talk(expected=8)
    talk.sent()
    talk.say("8", REPORT, seq=5)
    (logout,) = talk.sent()
    assert (logout["35"], logout["58"]) == ("5", "MsgSeqNum too low, expecting 9 but received 5")
    assert talk.closed.too_low
    assert talk.received() == []


def test_possdup_already_seen_is_ignored() -> None:
    talk = Talk()
    talk.say("8", REPORT)
    talk.say("8", REPORT, seq=2, dup=True)
    assert talk.received() == ["E2"]
    assert talk.session.up


def test_possdup_seen_without_122_is_rejected_with_371_122_373_1() -> None:
    talk = Talk()
    talk.say("8", REPORT)
    talk.sent()
    talk.say("8", REPORT, seq=2, dup=True, original=None)
    (reject,) = talk.sent()
    assert (reject["35"], reject["45"], reject["371"], reject["373"]) == ("3", "2", "122", "1")
    assert talk.session.up


def test_possdup_with_122_after_52_is_rejected_with_373_10_and_logged_out() -> None:
    talk = Talk()
    talk.say("8", REPORT)
    talk.sent()
    talk.say("8", REPORT, seq=2, dup=True, original=talk.clock.ns + 5 * 10**9)
    reject, logout = talk.sent()
    assert (reject["35"], reject["373"], logout["35"]) == ("3", "10", "5")
    assert talk.session.closed is not None


def test_possdup_that_is_due_is_handed_on_as_sent_again() -> None:
    talk = Talk()
    talk.say("8", REPORT, dup=True)
    (fact,) = talk.facts
    assert isinstance(fact, Received)
    assert fact.again


def test_sending_time_two_minutes_off_is_rejected_with_373_10_and_logged_out() -> None:
    talk = Talk()
    talk.sent()
    talk.say("8", REPORT, at_ns=talk.clock.ns + 121 * 10**9)
    reject, logout = talk.sent()
    assert (reject["35"], reject["373"], logout["35"]) == ("3", "10", "5")
    assert talk.received() == []


def test_sending_time_off_is_taken_where_the_dialect_does_not_check_clocks() -> None:
    talk = Talk(rules=Rules(check_clocks=False))
    talk.say("8", REPORT, at_ns=talk.clock.ns + 500 * 10**9)
    assert talk.received() == ["E2"]


def test_wrong_comp_id_in_the_session_is_rejected_with_373_9_and_logged_out() -> None:
    talk = Talk()
    talk.sent()
    talk.say("8", REPORT, target="OTHER")
    reject, logout = talk.sent()
    assert (reject["35"], reject["58"], reject["373"]) == ("3", "CompID problem", "9")
    assert logout["35"] == "5"
    assert "58" not in logout


def test_wrong_begin_string_is_logged_out_by_name() -> None:
    talk = Talk()
    talk.sent()
    talk.version = "FIX.4.4"
    talk.say("8", REPORT)
    (logout,) = talk.sent()
    assert (logout["35"], logout["58"]) == ("5", "Incorrect BeginString")


def test_missing_number_is_logged_out() -> None:
    talk = Talk()
    talk.sent()
    talk.bytes_in(wrap("FIX.4.2", f"35=0|49=QT|52={when(talk.clock.ns)}|56=DESK42|"))
    assert [m["35"] for m in talk.sent()] == ["5"]
    assert talk.session.closed is not None


# --- garbled bytes --------------------------------------------------------------------------------------------------


def _with(frame: bytes, old: bytes, new: bytes) -> bytes:
    assert old in frame
    return frame.replace(old, new, 1)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda f: f[:-4] + b"999\x01", id="checksum wrong"),
        pytest.param(lambda f: f[:-4] + b"abc\x01", id="checksum no number"),
        pytest.param(lambda f: _with(f, b"\x019=", b"\x019=1"), id="length too long"),
        pytest.param(
            lambda f: f.replace(b"\x019=", b"\x019=0", 1).replace(b"\x0135=", b"\x0135=00", 1), id="length short"
        ),
        pytest.param(lambda f: _with(f, b"\x019=", b"\x019=-"), id="length negative"),
        pytest.param(lambda f: _with(f, b"\x019=", b"\x019=999999"), id="length absurd"),
        pytest.param(lambda f: _with(f, b"\x0135=8", b"\x0134=8"), id="third field not 35"),
        pytest.param(lambda f: _with(f, b"\x019=", b"\x0135=8\x019="), id="second field not 9"),
        pytest.param(lambda f: f[: len(f) // 2], id="cut in the middle"),
        pytest.param(lambda f: b"\x00\xff" * 40, id="no fix at all"),
    ],
)
def test_garbled_message_is_ignored_and_consumes_no_number(spoil: object) -> None:
    talk = Talk()
    talk.sent()
    frame = talk.frame("8", REPORT, seq=2)
    talk.bytes_in(spoil(frame))  # type: ignore[operator]
    talk.say("8", REPORT.replace("17=E2", "17=E3"), seq=3)
    assert [(m["35"], m["7"]) for m in talk.sent()] == [("2", "2")], "the message after it shows the gap"
    talk.say("8", REPORT, seq=2, dup=True)
    assert talk.received() == ["E2", "E3"]
    assert any(isinstance(fact, Unreadable) for fact in talk.facts)
    assert talk.session.up


def test_fields_without_a_tag_are_garbled() -> None:
    talk = Talk()
    inner = b"35=8\x0134=2\x01nonsense\x01"
    head = b"8=FIX.4.2\x019=" + str(len(inner)).encode() + b"\x01"
    talk.bytes_in(head + inner + f"10={sum(head + inner) % 256:03d}\x01".encode())
    assert [fact.error for fact in talk.facts if isinstance(fact, Unreadable)] == ["a field has no tag"]
    assert talk.numbers.expected == 2


def test_messages_cut_anywhere_are_put_together() -> None:
    talk = Talk()
    data = b"".join(talk.frame("8", REPORT.replace("17=E2", f"17=E{n}")) for n in range(1, 4))
    for place in range(len(data)):
        talk.bytes_in(data[place : place + 1])
    assert talk.received() == ["E1", "E2", "E3"]


def test_data_field_may_hold_field_ends() -> None:
    talk = Talk()
    body = REPORT.replace("|", "\x01") + "354=9\x01355=a\x018=FIX.4\x01"
    inner = f"35=8\x0134=2\x0149=QT\x0152={when(talk.clock.ns)}\x0156=DESK42\x01{body}".encode()
    head = b"8=FIX.4.2\x019=" + str(len(inner)).encode() + b"\x01"
    talk.bytes_in(head + inner + f"10={sum(head + inner) % 256:03d}\x01".encode())
    (fact,) = talk.facts
    assert isinstance(fact, Received)
    assert fact.message.get(355) == "a\x018=FIX.4"


# --- messages that are not as they should be ------------------------------------------------------------------------


def test_report_without_a_required_tag_is_rejected_and_its_number_consumed() -> None:
    talk = Talk()
    talk.sent()
    talk.say("8", REPORT.replace("37=O1|", ""))
    (reject,) = talk.sent()
    assert (reject["35"], reject["45"], reject["58"]) == ("3", "2", "Required tag missing")
    assert (reject["371"], reject["372"], reject["373"]) == ("37", "8", "1")
    assert talk.numbers.expected == 3
    assert talk.received() == []


def test_unknown_message_type_is_rejected_with_373_11() -> None:
    talk = Talk()
    talk.sent()
    talk.say("ZZ", "58=what|")
    (reject,) = talk.sent()
    assert (reject["35"], reject["372"], reject["373"]) == ("3", "ZZ", "11")
    assert talk.numbers.expected == 3


def test_known_type_the_desk_does_not_read_is_a_business_reject_380_3() -> None:
    talk = Talk()
    talk.sent()
    talk.say("C", "164=x|94=0|147=y|33=0|")
    (reject,) = talk.sent()
    assert (reject["35"], reject["45"], reject["372"], reject["380"]) == ("j", "2", "C", "3")
    assert reject["58"] == "Unsupported Message Type"


def test_tag_without_a_value_is_rejected_with_373_4() -> None:
    talk = Talk()
    talk.sent()
    talk.say("8", REPORT + "58=|")
    (reject,) = talk.sent()
    assert (reject["371"], reject["373"]) == ("58", "4")


def test_value_outside_its_enumeration_is_rejected_with_373_5() -> None:
    talk = Talk()
    talk.sent()
    talk.say("8", REPORT.replace("54=1", "54=Z"))
    (reject,) = talk.sent()
    assert (reject["371"], reject["373"]) == ("54", "5")


def test_number_that_is_none_is_rejected_with_373_6() -> None:
    talk = Talk()
    talk.sent()
    talk.say("8", REPORT.replace("14=0", "14=lots"))
    (reject,) = talk.sent()
    assert (reject["371"], reject["373"]) == ("14", "6")


def test_group_with_another_count_is_rejected_with_373_16() -> None:
    talk = Talk("FIX.4.4")
    talk.sent()
    talk.say("AP", "1=SIM1|55=ESZ6|702=2|703=TQ|704=3|")
    (reject,) = talk.sent()
    assert (reject["371"], reject["373"]) == ("702", "16")


def test_session_reject_of_ours_is_told_with_its_number_and_words() -> None:
    talk = Talk()
    talk.say("3", "45=8|58=Required tag missing|371=55|372=D|373=1|")
    assert talk.facts == [Refused(seq=8, reason=1, tag="55", text="Required tag missing")]


def test_body_fields_may_come_in_any_order() -> None:
    talk = Talk()
    talk.say("8", "|".join(reversed(REPORT.strip("|").split("|"))) + "|")
    assert talk.received() == ["E2"]


# --- heartbeats -----------------------------------------------------------------------------------------------------


def test_idle_for_the_heartbeat_interval_sends_a_heartbeat() -> None:
    talk = Talk()
    talk.sent()
    talk.wait(29.9)
    assert talk.sent() == []
    talk.wait(0.2)
    (heartbeat,) = talk.sent()
    assert heartbeat["35"] == "0"
    assert "112" not in heartbeat


def test_what_is_sent_puts_the_heartbeat_off() -> None:
    talk = Talk()
    talk.wait(20)
    talk.session.send("D", ORDER)
    talk.sent()
    talk.wait(20)
    assert [m["35"] for m in talk.sent() if m["35"] == "0"] == []


def test_silence_of_1_2_intervals_asks_once_and_2_4_ends() -> None:
    talk = Talk()
    talk.sent()
    talk.wait(36)
    assert [m["35"] for m in talk.sent()] == ["1"]
    talk.wait(30)
    assert [m["35"] for m in talk.sent() if m["35"] == "1"] == []
    talk.wait(7)
    assert "silent" in talk.closed.reason


def test_heartbeat_after_a_test_request_keeps_the_session_up() -> None:
    talk = Talk()
    talk.wait(36)
    asked = next(m for m in talk.sent() if m["35"] == "1")
    talk.say("0", f"112={asked['112']}|")
    talk.wait(36)
    assert [m["35"] for m in talk.sent() if m["35"] == "1"] == ["1"], "asked anew"
    assert talk.session.up


def test_test_request_is_answered_with_the_same_112() -> None:
    talk = Talk()
    talk.sent()
    talk.say("1", "112=PING1|")
    (heartbeat,) = talk.sent()
    assert (heartbeat["35"], heartbeat["112"]) == ("0", "PING1")


# --- resending ------------------------------------------------------------------------------------------------------


def test_new_order_single_is_never_resent() -> None:
    """T-DUP: a resend of everything sends every order as a gap."""
    talk = Talk()
    for number in range(5):
        talk.session.send("D", [(11, f"C{number}"), *ORDER[1:]])
    first = talk.numbers.out
    talk.sent()
    talk.say("2", "7=1|16=0|")
    (fill,) = talk.sent()
    assert (fill["35"], fill["34"], fill["43"], fill["123"], fill["36"]) == ("4", "1", "Y", "Y", str(first))
    assert talk.numbers.out == first, "a resend uses up no number"


def test_kept_message_is_resent_with_its_number_43_and_122_between_gaps() -> None:
    talk = Talk()
    talk.session.send("D", ORDER)
    cancel = talk.session.send("F", [(41, "C1"), (11, "C2"), (55, "ESZ6"), (54, "1")], keep=True)
    talk.session.send("D", ORDER)
    original = talk.sent()[1]
    talk.clock.step(3)
    talk.say("2", "7=1|16=0|")
    before, again, after = talk.sent()
    assert (before["35"], before["34"], before["36"]) == ("4", "1", str(cancel))
    assert (again["35"], again["34"], again["43"], again["122"]) == ("F", str(cancel), "Y", original["52"])
    assert again["52"] == when(talk.clock.ns)
    assert (after["35"], after["34"], after["36"]) == ("4", str(cancel + 1), str(cancel + 2))


def test_resend_of_a_range_ends_where_it_was_asked_to() -> None:
    talk = Talk()
    for _ in range(4):
        talk.session.send("D", ORDER)
    talk.sent()
    talk.say("2", "7=2|16=4|")
    (fill,) = talk.sent()
    assert (fill["34"], fill["36"]) == ("2", "5")


def test_resend_beyond_what_was_sent_is_not_answered_with_the_future() -> None:
    talk = Talk()
    talk.sent()
    talk.say("2", "7=90|16=0|")
    assert talk.sent() == []
    assert talk.session.up


def test_resend_request_in_a_gap_of_its_own_is_answered_at_once() -> None:
    """Two sides that each wait for the other's gap would wait for ever."""
    talk = Talk()
    talk.session.send("D", ORDER)
    talk.sent()
    talk.say("2", "7=1|16=0|", seq=5)
    assert [m["35"] for m in talk.sent()] == ["4", "2"]
    talk.say("4", "123=Y|36=5|", seq=2, dup=True)
    assert talk.numbers.expected == 6
    assert talk.sent() == [], "it was answered when it came"


def test_resend_request_without_its_tags_is_rejected() -> None:
    talk = Talk()
    talk.sent()
    talk.say("2", "7=1|")
    (reject,) = talk.sent()
    assert (reject["35"], reject["371"], reject["373"]) == ("3", "16", "1")


def test_after_a_crash_the_gap_of_reserved_numbers_is_filled_and_no_order_repeated() -> None:
    """T-REPLAY: the process before this one died inside its block of numbers; nothing of it is sent again."""
    talk = Talk(out=2_001, expected=9, logged_on=False)
    (logon,) = talk.sent()
    assert logon["34"] == "2001"
    talk.say("A", "98=0|108=30|", seq=9)
    talk.say("2", "7=1043|16=0|", seq=10)
    (fill,) = talk.sent()
    assert (fill["35"], fill["34"], fill["36"]) == ("4", "1043", "2002")


# --- sequence reset -------------------------------------------------------------------------------------------------


def test_gap_fill_in_order_moves_the_expected_number() -> None:
    talk = Talk()
    talk.say("4", "123=Y|36=20|", seq=2)
    assert talk.numbers.expected == 20


def test_gap_fill_too_high_asks_for_the_gap_before_it() -> None:
    talk = Talk()
    talk.sent()
    talk.say("4", "123=Y|36=20|", seq=9)
    assert [(m["35"], m["7"]) for m in talk.sent()] == [("2", "2")]
    talk.say("4", "123=Y|36=9|", seq=2, dup=True)
    assert talk.numbers.expected == 20


def test_gap_fill_too_low_without_possdup_is_logged_out() -> None:
    talk = Talk(expected=10)
    talk.sent()
    talk.say("4", "123=Y|36=20|", seq=4)
    assert [m["35"] for m in talk.sent()] == ["5"]
    assert talk.session.closed is not None


def test_gap_fill_too_low_with_possdup_is_ignored() -> None:
    talk = Talk(expected=10)
    talk.say("4", "123=Y|36=6|", seq=4, dup=True)
    assert talk.session.up
    assert talk.numbers.expected == 11


def test_gap_fill_backwards_is_rejected() -> None:
    talk = Talk(expected=10)
    talk.sent()
    talk.say("4", "123=Y|36=5|")
    (reject,) = talk.sent()
    assert (reject["371"], reject["373"]) == ("36", "5")
    assert talk.numbers.expected == 12


def test_sequence_reset_ignores_its_own_number() -> None:
    talk = Talk()
    talk.say("4", "36=50|", seq=777)
    assert talk.numbers.expected == 50
    assert talk.session.up


def test_sequence_reset_backwards_is_rejected_with_373_5() -> None:
    talk = Talk(expected=10)
    talk.sent()
    talk.say("4", "123=N|36=3|", seq=3)
    (reject,) = talk.sent()
    assert (reject["35"], reject["371"], reject["373"]) == ("3", "36", "5")
    assert talk.numbers.expected == 11


def test_sequence_reset_frees_what_waited_behind_the_gap() -> None:
    talk = Talk()
    talk.say("8", REPORT, seq=7)
    talk.say("4", "36=7|", seq=2)
    assert talk.received() == ["E2"]
    assert talk.facts[-1] == InStep()


def test_reset_in_the_middle_of_a_session_is_echoed_and_both_begin_at_one() -> None:
    talk = Talk()
    talk.session.send("D", ORDER)
    talk.sent()
    talk.say("A", "98=0|108=30|141=Y|", seq=1)
    (logon,) = talk.sent()
    assert (logon["35"], logon["34"], logon["141"]) == ("A", "1", "Y")
    talk.say("8", REPORT, seq=2)
    assert talk.received() == ["E2"]
    talk.session.send("D", ORDER)
    assert talk.sent()[0]["34"] == "2"


# --- logging out ----------------------------------------------------------------------------------------------------


def test_logout_of_the_venue_is_answered_and_says_why() -> None:
    talk = Talk()
    talk.sent()
    talk.say("5", "58=End of day|")
    assert [m["35"] for m in talk.sent()] == ["5"]
    assert talk.closed.reason == "End of day"
    assert not talk.closed.refused
    assert talk.numbers.expected == 3


def test_our_logout_waits_for_the_answer() -> None:
    talk = Talk()
    talk.sent()
    talk.session.log_out("bye")
    assert [(m["35"], m["58"]) for m in talk.sent()] == [("5", "bye")]
    assert talk.session.closed is None
    talk.say("5")
    assert talk.session.closed is not None
    assert talk.sent() == []


def test_our_logout_does_not_wait_for_ever() -> None:
    talk = Talk()
    talk.session.log_out()
    talk.wait(2.1)
    assert talk.session.closed is not None


def test_reports_that_come_during_our_logout_are_still_handed_on() -> None:
    talk = Talk()
    talk.session.log_out()
    talk.say("8", REPORT)
    assert talk.received() == ["E2"]


def test_nothing_is_sent_after_our_logout() -> None:
    talk = Talk()
    talk.session.log_out()
    with pytest.raises(NotUp):
        talk.session.send("D", ORDER)


def test_nothing_is_taken_in_after_the_end() -> None:
    talk = Talk()
    talk.bytes_in(talk.frame("5") + talk.frame("8", REPORT))
    assert talk.received() == []


def test_logout_for_a_number_too_low_in_the_session_tells_the_number_wanted() -> None:
    talk = Talk()
    talk.say("5", "58=MsgSeqNum too low, expecting 12 but received 2|")
    assert talk.closed.wanted == 12


def test_value_that_would_end_its_field_is_never_sent() -> None:
    talk = Talk()
    talk.sent()
    before = talk.numbers.out
    with pytest.raises(ValueError, match="field end"):
        talk.session.send("D", [(11, "C1\x0140=1")])
    assert talk.sent() == []
    assert talk.numbers.out == before


# --- any bytes ------------------------------------------------------------------------------------------------------


def _frames(data: bytes, cuts: list[int]) -> list[str]:
    framer, found, at = Framer(), [], 0
    for cut in [*sorted({c % (len(data) + 1) for c in cuts}), len(data)]:
        found += [each.get(17) for each in framer.feed(data[at:cut]) if isinstance(each, Message)]
        at = cut
    return found


@given(junk=st.lists(st.binary(max_size=60), min_size=1, max_size=6), cuts=st.lists(st.integers(0, 5000), max_size=8))
def test_any_bytes_between_messages_lose_none_of_them(junk: list[bytes], cuts: list[int]) -> None:
    """However the bytes are cut and whatever stands between them, whole messages come out, in order."""
    frames = [wrap("FIX.4.2", f"35=8|34={n}|49=QT|56=DESK|17=E{n}|") for n in range(len(junk) + 1)]
    data = frames[0] + b"".join(noise + frame for noise, frame in zip(junk, frames[1:], strict=True))
    assert _frames(data, cuts) == [f"E{n}" for n in range(len(frames))]


@given(data=st.binary(max_size=400), cuts=st.lists(st.integers(0, 400), max_size=5))
def test_session_survives_any_bytes(data: bytes, cuts: list[int]) -> None:
    talk = Talk()
    for cut in cuts:
        talk.bytes_in(data[: cut % (len(data) + 1)])
    talk.bytes_in(data)
    assert talk.session.up
