"""One FIX session as its initiator, without I/O: bytes in, bytes and facts out (`protocols/fix.md C1, C4`).

`connection.py` owns one for each transport connection and drives it: `start`, `receive` with what was read, `tick` now
and then, `send` for application messages; after each it writes `take_bytes` and handles `take_facts`, and closes the
transport when `closed` is set. The numbers outlive it (`numbers.py`).
"""

from collections.abc import Sequence

from brokers.fix import tags
from brokers.fix.checks import fault_of
from brokers.fix.numbers import Numbers, Sent
from brokers.fix.wire import Framer, Garbled, Message, encode
from brokers.fix.words import parse_time, stamp
from schema.clock import Clock
from schema.records import Record

_NS = 1_000_000_000
LOGON_WITHIN_S = 10.0
LOGOUT_WITHIN_S = 2.0
TEST_AFTER = 1.2
GIVE_UP_AFTER = 2.4
"""Heartbeat intervals of silence before a test request, and before the connection counts as lost (C4 9)."""
LONGEST_HEARTBEAT_S = 3_600
"""A longer interval that a venue answers a logon with is not followed: a dead line would not be seen."""
CLOCKS_APART_S = 120
QUEUE_AT_MOST = 10_000
"""Messages kept behind a gap; more would be a venue that never fills it."""


class Identity(Record, frozen=True):
    """Who talks to whom, in which version (``FIX.4.2``)."""

    begin_string: str
    sender: str
    target: str


class Rules(Record, frozen=True):
    """How a session is opened. `logon` are further fields of the Logon, secrets among them. `reset` begins at 1 on both
    sides, with 141=Y unless `say_reset` is off. `check_clocks` refuses messages whose 52 is 120 s off."""

    heartbeat_s: int = 30
    reset: bool = False
    say_reset: bool = True
    check_clocks: bool = True
    logon: tuple[tuple[int, str], ...] = ()
    header: tuple[tuple[int, str], ...] = ()

    def __repr__(self) -> str:
        return f"Rules(heartbeat_s={self.heartbeat_s}, reset={self.reset}, ...)"


class LoggedOn(Record, frozen=True):
    """The venue took the logon. `reset` tells that both sides began at 1; what was missed comes before `InStep`."""

    reset: bool


class InStep(Record, frozen=True):
    """No gap is open: everything the venue sent up to now was received. Told after each LoggedOn, and after a gap."""


class Received(Record, frozen=True):
    """An application message, in order and once. `again` for one that was sent before (43=Y)."""

    message: Message
    again: bool


class Refused(Record, frozen=True):
    """The venue's session refused a message of ours (35=3); it never reached the business behind it."""

    seq: int
    reason: int
    tag: str
    text: str


class Unreadable(Record, frozen=True):
    """Bytes or a message that could not be taken; survived."""

    raw: str
    error: str


class Closed(Record, frozen=True):
    """The session is over. `refused`: the venue said no to the logon. `too_low`: the two sides disagree on numbers and
    the same logon would fail again; `wanted` is the number the venue expects of us, when it said it."""

    reason: str
    refused: bool = False
    too_low: bool = False
    wanted: int = 0


Fact = LoggedOn | InStep | Received | Refused | Unreadable | Closed


class NotUp(Exception):
    """Nothing was sent: the session is not up."""


class Session:
    """See the module's docstring. Single use: one transport connection."""

    def __init__(self, identity: Identity, rules: Rules, numbers: Numbers, clock: Clock) -> None:
        self.identity = identity
        self.numbers = numbers
        self.up = False
        self.closed: Closed | None = None
        self.last_received_ns = 0
        self._rules = rules
        self._clock = clock
        self._framer = Framer()
        self._out: list[bytes] = []
        self._facts: list[Fact] = []
        self._heartbeat_ns = rules.heartbeat_s * _NS
        self._last_sent_ns = 0
        self._heard_ns = 0
        self._started_ns = 0
        self._tested = False
        self._leaving_ns = 0
        self._ahead: dict[int, Message] = {}
        self._resend_to = 0  # highest number a resend that was asked for must bring; 0: none is outstanding
        self._resend_ns = 0

    # --- for the shell ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        """The transport is open: log on."""
        self._started_ns = self._heard_ns = self._clock.now_ns()
        if self._rules.reset:
            self.numbers.reset(self._started_ns)
        fields = [(tags.ENCRYPT_METHOD, "0"), (tags.HEART_BT_INT, str(self._rules.heartbeat_s))]
        if self._rules.reset and self._rules.say_reset:
            fields.append((tags.RESET_SEQ_NUM, "Y"))
        self._send(tags.LOGON, [*fields, *self._rules.logon])

    def receive(self, data: bytes) -> None:
        """Take in what was read."""
        for found in self._framer.feed(data):
            if self.closed is not None:
                return
            self.last_received_ns = self._clock.now_ns()
            if isinstance(found, Garbled):
                self._facts.append(Unreadable(raw=found.raw, error=found.error))
            else:
                self._heard_ns = self.last_received_ns
                self._tested = False
                self._take(found)

    def send(self, msg_type: str, fields: Sequence[tuple[int, str]], *, keep: bool = False) -> int:
        """Send an application message and return its number. With `keep` a resend repeats it; otherwise a resend fills
        it as a gap, for ever. Raises NotUp when the session is not up, ValueError for a value that can't be sent."""
        if not self.up or self._leaving_ns:
            raise NotUp("the session is not up")
        return self._send(msg_type, fields, keep=keep)

    def tick(self) -> None:
        """Time passed: heartbeats, test requests, patience."""
        if self.closed is not None:
            return
        now_ns = self._clock.now_ns()
        if self._leaving_ns:
            if now_ns - self._leaving_ns > LOGOUT_WITHIN_S * _NS:
                self._close("logged out; the venue did not answer it")
        elif not self.up:
            if now_ns - self._started_ns > LOGON_WITHIN_S * _NS:
                self._close(f"the venue did not answer the logon in {LOGON_WITHIN_S:g} s")
        elif now_ns - self._heard_ns >= GIVE_UP_AFTER * self._heartbeat_ns:
            self._close(f"the venue was silent for {(now_ns - self._heard_ns) / _NS:.0f} s")
        elif self._resend_to and now_ns - self._resend_ns > GIVE_UP_AFTER * self._heartbeat_ns:
            self._close(f"the venue did not send messages {self.numbers.expected} to {self._resend_to} again")
        elif not self._tested and now_ns - self._heard_ns >= TEST_AFTER * self._heartbeat_ns:
            self._tested = True
            self._send(tags.TEST_REQUEST, [(tags.TEST_REQ_ID, f"silent since {self._heard_ns // 1_000_000}")])
        elif now_ns - self._last_sent_ns >= self._heartbeat_ns:
            self._send(tags.HEARTBEAT, [])

    def log_out(self, text: str = "") -> None:
        """Say goodbye; the session is closed when the venue answers, or 2 s later."""
        if self.closed is None and not self._leaving_ns:
            if self._started_ns:
                self._send(tags.LOGOUT, [(tags.TEXT, text)] if text else [])
            self._leaving_ns = self._clock.now_ns()

    def lost(self, reason: str) -> None:
        """The transport is gone."""
        if self.closed is None:
            self._close(reason)

    def take_bytes(self) -> bytes:
        out, self._out = b"".join(self._out), []
        return out

    def take_facts(self) -> list[Fact]:
        facts, self._facts = self._facts, []
        return facts

    # --- a message in ----------------------------------------------------------------------------------------------

    def _take(self, message: Message) -> None:
        seq = message.seq
        if message.get(tags.BEGIN_STRING) != self.identity.begin_string:
            self._leave("Incorrect BeginString")
        elif not self.up and message.msg_type not in (tags.LOGON, tags.LOGOUT, tags.REJECT):
            self._close("the venue's first message is no logon")
        elif not self._known_parties(message) or not self._clock_agrees(message):
            return
        elif seq is None or seq == 0:
            self._leave("MsgSeqNum (34) is missing")
        elif message.msg_type == tags.LOGON:
            self._logon(message, seq)
        elif not self.up and message.msg_type == tags.REJECT:
            self._close(_words(message) or "the venue rejected the logon", refused=True)
        elif message.msg_type == tags.LOGOUT:
            self._logout(message, seq)
        elif message.msg_type == tags.SEQUENCE_RESET and message.get(tags.GAP_FILL) != "Y":
            self._reset(message, seq)
        elif seq > self.numbers.expected:
            if message.msg_type == tags.RESEND_REQUEST:
                self._resend(message)  # two sides that wait for each other's gap would wait for ever
            self._gap(message, seq)
        elif seq < self.numbers.expected:
            self._seen(message, seq)
        else:
            self._next(message, seq)
            self._catch_up()

    def _known_parties(self, message: Message) -> bool:
        if (message.get(tags.SENDER_COMP_ID), message.get(tags.TARGET_COMP_ID)) == (
            self.identity.target,
            self.identity.sender,
        ):
            return True
        if not self.up:
            self._close("the venue answered the logon with other comp ids; check sender and target", refused=True)
        else:
            self._reject(message, tags.COMP_ID, 0, "CompID problem")
            self._leave("")
        return False

    def _clock_agrees(self, message: Message) -> bool:
        at_ns = parse_time(message.get(tags.SENDING_TIME))
        if at_ns is not None and (
            not self._rules.check_clocks or abs(at_ns - self._clock.now_ns()) <= CLOCKS_APART_S * _NS
        ):
            return True
        if not self.up:
            self._close("the venue's clock and this machine's are over 120 s apart, or it sent no time (52)")
        elif at_ns is None:
            self._reject(message, tags.REQUIRED_MISSING, tags.SENDING_TIME, "Required tag missing")
            self._consume(message)
        else:
            self._reject(message, tags.SENDING_TIME_ACCURACY, tags.SENDING_TIME, "SendingTime accuracy problem")
            self._leave("SendingTime accuracy problem")
        return False

    def _consume(self, message: Message) -> None:
        if message.seq == self.numbers.expected:
            self.numbers.expected += 1
            self._catch_up()

    def _gap(self, message: Message, seq: int) -> None:
        """Something before this one is missing: ask for it once, and keep this one."""
        if len(self._ahead) >= QUEUE_AT_MOST:
            self._close("too many messages behind a gap that the venue does not fill")
            return
        self._ahead[seq] = message
        if not self._resend_to:
            self._ask_again(seq)

    def _ask_again(self, seq: int) -> None:
        self._resend_to, self._resend_ns = seq - 1, self._clock.now_ns()
        self._send(tags.RESEND_REQUEST, [(tags.BEGIN_SEQ_NO, str(self.numbers.expected)), (tags.END_SEQ_NO, "0")])

    def _seen(self, message: Message, seq: int) -> None:
        """A number that was received before: harmless only when it says so."""
        if message.get(tags.POSS_DUP) != "Y":
            text = f"MsgSeqNum too low, expecting {self.numbers.expected} but received {seq}"
            self._leave(text, too_low=True)
        elif message.msg_type == tags.SEQUENCE_RESET:
            return
        elif not message.has(tags.ORIG_SENDING_TIME):
            self._reject(message, tags.REQUIRED_MISSING, tags.ORIG_SENDING_TIME, "Required tag missing")
        elif not _ordered(message):
            self._reject(message, tags.SENDING_TIME_ACCURACY, tags.ORIG_SENDING_TIME, "SendingTime accuracy problem")
            self._leave("SendingTime accuracy problem")

    def _next(self, message: Message, seq: int) -> None:
        """The message that is due."""
        self._resend_ns = self._clock.now_ns()
        if message.msg_type == tags.SEQUENCE_RESET:
            self._fill(message, seq)
            return
        self.numbers.expected = seq + 1
        fault = fault_of(message)
        if fault is not None:
            if fault.unsupported:
                self._send(
                    tags.BUSINESS_REJECT,
                    [
                        (tags.REF_SEQ_NUM, str(seq)),
                        (tags.TEXT, fault.text),
                        (tags.REF_MSG_TYPE, message.msg_type),
                        (tags.BUSINESS_REJECT_REASON, "3"),
                    ],
                )
            else:
                self._reject(message, fault.reason, fault.tag, fault.text)
            self._facts.append(Unreadable(raw=str(message)[:512], error=fault.text))
            return
        match message.msg_type:
            case tags.HEARTBEAT:
                pass
            case tags.TEST_REQUEST:
                self._send(tags.HEARTBEAT, [(tags.TEST_REQ_ID, message.get(tags.TEST_REQ_ID))])
            case tags.RESEND_REQUEST:
                self._resend(message)
            case tags.REJECT:
                self._facts.append(
                    Refused(
                        seq=message.number(tags.REF_SEQ_NUM) or 0,
                        reason=message.number(tags.SESSION_REJECT_REASON) or 0,
                        tag=message.get(tags.REF_TAG_ID),
                        text=_words(message),
                    )
                )
            case _:
                self._facts.append(Received(message=message, again=message.get(tags.POSS_DUP) == "Y"))

    def _catch_up(self) -> None:
        """Messages that waited behind a gap, as far as they follow now."""
        while self.closed is None and not self._leaving_ns:
            waiting = self._ahead.pop(self.numbers.expected, None)
            if waiting is None:
                break
            if waiting.msg_type in (tags.RESEND_REQUEST, tags.LOGON):  # answered when it came
                self.numbers.expected += 1
            else:
                self._next(waiting, self.numbers.expected)
        for seq in [seq for seq in self._ahead if seq < self.numbers.expected]:
            del self._ahead[seq]
        if self.closed is None and self._resend_to and self.numbers.expected > self._resend_to:
            self._resend_to = 0
            if self._ahead:
                self._ask_again(min(self._ahead))
            else:
                self._facts.append(InStep())

    # --- messages of the session itself ----------------------------------------------------------------------------

    def _logon(self, message: Message, seq: int) -> None:
        reset = message.get(tags.RESET_SEQ_NUM) == "Y"
        if self.up:
            if reset and seq == 1:
                self._reset_by_venue(message)
            elif seq > self.numbers.expected:
                self._gap(message, seq)
            elif seq < self.numbers.expected:
                self._seen(message, seq)
            else:
                self.numbers.expected = seq + 1
                self._catch_up()
            return
        if reset and not self._rules.reset:
            self.numbers.reset(self._clock.now_ns())
            self.numbers.out = 2  # our logon was the first of the new count
        heartbeat_s = message.number(tags.HEART_BT_INT)
        if heartbeat_s and heartbeat_s <= LONGEST_HEARTBEAT_S:
            self._heartbeat_ns = heartbeat_s * _NS
        if seq < self.numbers.expected and message.get(tags.POSS_DUP) != "Y":
            text = f"MsgSeqNum too low, expecting {self.numbers.expected} but received {seq}"
            self._leave(text, too_low=True)
            return
        self.up = True
        self._facts.append(LoggedOn(reset=reset or self._rules.reset))
        if seq > self.numbers.expected:
            self._gap(message, seq)
        else:
            self.numbers.expected = max(self.numbers.expected, seq + 1)
            self._facts.append(InStep())

    def _reset_by_venue(self, message: Message) -> None:
        """Both sides begin at 1 in the middle of a session (C4 12)."""
        self.numbers.reset(self._clock.now_ns())
        self._ahead.clear()
        self._resend_to = 0
        self.numbers.expected = 2
        self._send(
            tags.LOGON,
            [
                (tags.ENCRYPT_METHOD, "0"),
                (tags.HEART_BT_INT, message.get(tags.HEART_BT_INT) or str(self._rules.heartbeat_s)),
                (tags.RESET_SEQ_NUM, "Y"),
            ],
        )
        self._facts.append(LoggedOn(reset=True))
        self._facts.append(InStep())

    def _logout(self, message: Message, seq: int) -> None:
        words = _words(message)
        if seq == self.numbers.expected:
            self.numbers.expected += 1
        if not self.up:
            wanted = _wanted(words)
            self._close(words or "the venue answered the logon with a logout", refused=not wanted, wanted=wanted)
        elif self._leaving_ns:
            self._close(words or "logged out")
        else:
            self._send(tags.LOGOUT, [])
            wanted = _wanted(words)
            self._close(words or "the venue logged out", too_low=bool(wanted), wanted=wanted)

    def _reset(self, message: Message, seq: int) -> None:
        """SequenceReset-Reset: its own number is not looked at (C4 11)."""
        new = message.number(tags.NEW_SEQ_NO)
        if new is None:
            self._reject(message, tags.REQUIRED_MISSING, tags.NEW_SEQ_NO, "Required tag missing")
            self._consume(message)
        elif new < self.numbers.expected:
            self._reject(message, tags.BAD_VALUE, tags.NEW_SEQ_NO, "Value is incorrect (out of range) for this tag")
        else:
            self._skip_to(new)
            self._catch_up()

    def _skip_to(self, new: int) -> None:
        """The venue goes on at `new`. What it skips and is here already was said all the same: a report that came
        live is not unsaid because the venue does not say it twice."""
        for seq in sorted(seq for seq in self._ahead if seq < new):
            message = self._ahead.pop(seq)
            fault = fault_of(message)
            if fault is not None:
                self._facts.append(Unreadable(raw=str(message)[:512], error=fault.text))
            elif message.msg_type not in tags.ADMIN:
                self._facts.append(Received(message=message, again=message.get(tags.POSS_DUP) == "Y"))
        self.numbers.expected = new

    def _fill(self, message: Message, seq: int) -> None:
        """SequenceReset-GapFill: what is skipped is not for us."""
        new = message.number(tags.NEW_SEQ_NO)
        if new is None or new <= seq:
            self.numbers.expected = seq + 1
            reason = tags.REQUIRED_MISSING if new is None else tags.BAD_VALUE
            text = "Required tag missing" if new is None else "Value is incorrect (out of range) for this tag"
            self._reject(message, reason, tags.NEW_SEQ_NO, text)
        else:
            self._skip_to(new)

    def _resend(self, message: Message) -> None:
        """Answer a ResendRequest: kept messages again with 43=Y and 122, everything else as gaps (C4 10)."""
        begin, end = message.number(tags.BEGIN_SEQ_NO), message.number(tags.END_SEQ_NO)
        if begin is None or end is None:
            tag = tags.BEGIN_SEQ_NO if begin is None else tags.END_SEQ_NO
            self._reject(message, tags.REQUIRED_MISSING, tag, "Required tag missing")
            return
        begin = max(begin, 1)
        last = self.numbers.out - 1
        end = last if end == 0 else min(end, last)
        gap_from = begin
        for seq in sorted(seq for seq in self.numbers.sent if begin <= seq <= end):
            self._gap_fill(gap_from, seq)
            kept = self.numbers.sent[seq]
            self._write(kept.msg_type, seq, kept.fields, original=kept.sending_time)
            gap_from = seq + 1
        self._gap_fill(gap_from, end + 1)

    def _gap_fill(self, first: int, following: int) -> None:
        if first < following:
            fields = [(tags.GAP_FILL, "Y"), (tags.NEW_SEQ_NO, str(following))]
            self._write(tags.SEQUENCE_RESET, first, fields, original=stamp(self._clock.now_ns()))

    def _reject(self, message: Message, reason: int, tag: int, text: str) -> None:
        fields = [(tags.REF_SEQ_NUM, message.get(tags.MSG_SEQ_NUM) or "0"), (tags.TEXT, text)]
        if tag:
            fields.append((tags.REF_TAG_ID, str(tag)))
        fields += [(tags.REF_MSG_TYPE, message.msg_type or "?"), (tags.SESSION_REJECT_REASON, str(reason))]
        self._send(tags.REJECT, fields)

    def _leave(self, text: str, *, too_low: bool = False) -> None:
        """The venue breaks the rules: log out and hang up."""
        self._send(tags.LOGOUT, [(tags.TEXT, text)] if text else [])
        self._close(text or "the venue broke the rules of the session", too_low=too_low)

    def _close(self, reason: str, *, refused: bool = False, too_low: bool = False, wanted: int = 0) -> None:
        self.up = False
        self.closed = Closed(reason=reason, refused=refused, too_low=too_low or bool(wanted), wanted=wanted)
        self._facts.append(self.closed)

    # --- out -------------------------------------------------------------------------------------------------------

    def _send(self, msg_type: str, fields: Sequence[tuple[int, str]], *, keep: bool = False) -> int:
        seq = self.numbers.out
        at = self._write(msg_type, seq, fields)
        self.numbers.out = seq + 1
        if keep:
            self.numbers.sent[seq] = Sent(msg_type=msg_type, fields=tuple(fields), sending_time=at)
        return seq

    def _write(self, msg_type: str, seq: int, fields: Sequence[tuple[int, str]], *, original: str = "") -> str:
        now_ns = self._clock.now_ns()
        at = stamp(now_ns)
        header = [
            (tags.SENDER_COMP_ID, self.identity.sender),
            (tags.TARGET_COMP_ID, self.identity.target),
            (tags.MSG_SEQ_NUM, str(seq)),
            *self._rules.header,
        ]
        if original:
            header += [(tags.POSS_DUP, "Y"), (tags.SENDING_TIME, at), (tags.ORIG_SENDING_TIME, original)]
        else:
            header.append((tags.SENDING_TIME, at))
        self._out.append(encode(self.identity.begin_string, msg_type, [*header, *fields]))
        self._last_sent_ns = now_ns
        return at


def _words(message: Message) -> str:
    """The venue's own words (58), fit for a screen."""
    return "".join(c for c in message.get(tags.TEXT)[:300] if c.isprintable())


def _wanted(text: str) -> int:
    """The number a venue says it expects, when it logs out because ours is too low (C4 4); else 0."""
    before, expecting, after = text.partition("expecting ")
    digits = after.split(" ")[0].strip(".,;") if expecting and "low" in before.lower() else ""
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else 0


def _ordered(message: Message) -> bool:
    """Whether a repeated message was first sent before it was sent again."""
    original, again = parse_time(message.get(tags.ORIG_SENDING_TIME)), parse_time(message.get(tags.SENDING_TIME))
    return original is not None and again is not None and original <= again
