"""The acceptor's side of a FIX session (`protocols/fix.md C1, C4`), without I/O. `fix_front.py` drives one for each
login; its numbers and what it sent outlive every connection.

Written from the facts page: it must satisfy initiators that we did not write.
"""

import string
from collections.abc import Callable
from dataclasses import dataclass, field

from brokers.sandbox.fix_wire import Fields, Frame, build, seconds_of, timestamp
from brokers.sandbox.settings import FixSettings
from schema.clock import Clock

ADMIN = ("0", "1", "2", "3", "4", "5", "A")
_KINDS = set("0123456789ABCDEFGHJKLMNPQRSTVWXYZabcdefghijklmnopqrstuvwxyz")
_OLD_KINDS = {"FIX.4.2": _KINDS - set("nopqrstuvwxyz")}
_NEEDS: dict[str, tuple[int, ...]] = {
    "1": (112,),
    "2": (7, 16),
    "4": (36,),
    "3": (45,),
    "A": (98, 108),
}
_GROUPS = {73: 11, 78: 79, 146: 55, 267: 269, 384: 372, 453: 448, 802: 523}
"""Repeating groups by their count: the tag that every entry begins with."""
_ONCE = frozenset({8, 9, 34, 35, 43, 49, 50, 52, 56, 57, 97, 122})
_OUT_OF_RANGE = "Value is incorrect (out of range) for this tag"
_LEAVE_WITHIN_S = 2.0


@dataclass(slots=True)
class Sent:
    kind: str
    fields: Fields
    at: str


@dataclass(slots=True)
class Memory:
    """What of a session outlives its connections."""

    out: int = 1
    expected: int = 1
    rejected: int = 0  # messages of ours that the other side refused (35=3)
    sent: dict[int, Sent] = field(default_factory=dict[int, Sent])

    def reset(self) -> None:
        self.out = self.expected = 1
        self.sent.clear()


class Acceptor:
    """One connection of a login that has logged on. `write` takes bytes, `hang_up` closes the transport, `business`
    gets every application message once and in order. `t4`: the client's Logon is of that dialect (C1)."""

    def __init__(
        self,
        version: str,
        sender: str,
        target: str,
        memory: Memory,
        settings: FixSettings,
        clock: Clock,
        write: Callable[[bytes], None],
        hang_up: Callable[[], None],
        business: Callable[[Frame], None],
        *,
        t4: bool = False,
    ) -> None:
        self.version = version
        self.sender = sender
        self.target = target
        self.memory = memory
        self.settings = settings
        self.clock = clock
        self.write = write
        self.hang_up = hang_up
        self.business = business
        self.t4 = t4
        self.up = False
        self.over = False
        self.heartbeat_s = 30  # 0: none, and no patience either
        self.heard_ns = self.said_ns = clock.now_ns()
        self.tested = False
        self.leaving_ns = 0  # when a Logout was sent; whoever sent the first one closes the connection (C4 13)
        self._early: dict[int, Frame] = {}
        self._asked_to = 0

    # --- out ---------------------------------------------------------------------------------------------------------

    def send(self, kind: str, fields: Fields, *, lose: bool = False) -> None:
        """Number a message, keep it if it is the application's, and write it (unless it gets `lose`d: then its number
        is used all the same). Without a connection it waits for a resend."""
        seq = self.memory.out
        self.memory.out += 1
        at = timestamp(self.clock.now_ns())
        if kind not in ADMIN:
            self.memory.sent[seq] = Sent(kind, fields, at)
            if len(self.memory.sent) > self.settings.kept_messages:
                del self.memory.sent[next(iter(self.memory.sent))]
        if self.up and not self.over and not lose:
            self._put(kind, seq, fields, at)

    def again(self, seq: int) -> None:
        """Write a message that was sent before once more, as a resend does."""
        sent = self.memory.sent.get(seq)
        if sent is not None and self.up:
            self._put(sent.kind, seq, sent.fields, timestamp(self.clock.now_ns()), original=sent.at)

    def _put(self, kind: str, seq: int, fields: Fields, at: str, original: str = "") -> None:
        head: Fields = [(34, str(seq))]
        if original:
            head.append((43, "Y"))
        head += [(49, self.sender), *([(50, "T4FIX")] if self.t4 else []), (52, at), (56, self.target)]
        if original:
            head.append((122, original))
        self.said_ns = self.clock.now_ns()
        self.write(build(self.version, kind, head + fields))

    def reject(self, frame: Frame, reason: int, text: str, tag: int = 0) -> None:
        """35=3, with the number of the message that was wrong. 4.2 has no words for reasons above 11."""
        fields: Fields = [(45, frame[34] or "0"), (58, text)]
        if tag:
            fields.append((371, str(tag)))
        why: Fields = [(373, str(reason))] if reason <= 11 or self.version != "FIX.4.2" else []
        self.send("3", [*fields, (372, frame.kind or "?"), *why])

    def business_reject(self, frame: Frame, reason: int, text: str) -> None:
        """35=j."""
        self.send("j", [(45, frame[34]), (58, text), (372, frame.kind), (380, str(reason))])

    def log_out(self, text: str = "") -> None:
        self.send("5", [(58, text)] if text else [])
        self.leaving_ns = self.clock.now_ns()

    def end(self) -> None:
        if not self.over:
            self.over = True
            self.up = False
            self.hang_up()

    def _throw_out(self, text: str = "") -> None:
        self.log_out(text)
        self.end()

    # --- time --------------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Heartbeats and patience (C4 9)."""
        if not self.up or self.over:
            return
        now = self.clock.now_ns()
        quiet_s = (now - self.heard_ns) / 1e9
        if self.leaving_ns:
            if now - self.leaving_ns > _LEAVE_WITHIN_S * 1e9:
                self.end()
        elif not self.heartbeat_s:
            pass
        elif quiet_s >= 2.4 * self.heartbeat_s:
            self.end()
        elif quiet_s >= 1.2 * self.heartbeat_s and not self.tested:
            self.tested = True
            self.send("1", [(112, "TEST")])
        elif now - self.said_ns >= self.heartbeat_s * 1_000_000_000:
            self.send("0", [])

    # --- in ----------------------------------------------------------------------------------------------------------

    def first(self, frame: Frame) -> None:
        """The Logon; who it is was checked before."""
        if not self._right_time(frame):
            self.end()
            return
        seq = frame.number(34)
        if frame[141] == "Y" or self.settings.restart_numbers or self.t4:
            self.memory.reset()
        self.up = True
        if (fault := _logon_fault(frame)) is not None:
            self._throw_out(fault)
            return
        self.heartbeat_s = frame.number(108)
        if seq < self.memory.expected and frame[43] != "Y":
            self._throw_out(f"MsgSeqNum too low, expecting {self.memory.expected} but received {frame[34]}")
            return
        answer: Fields = [(98, "0"), (108, frame[108])]
        if frame[141] == "Y":
            answer.append((141, "Y"))
        if self.t4:
            answer += [(554, "***"), (1408, "practice")]
        self.send("A", answer)
        if seq > self.memory.expected:
            self._ask(seq, frame)
        else:
            self.memory.expected = seq + 1

    def take(self, frame: Frame) -> None:
        """Any later message."""
        self.heard_ns, self.tested = self.clock.now_ns(), False
        if self.leaving_ns and frame.kind != "5":
            return
        if frame[8] != self.version:
            self._throw_out("Incorrect BeginString")
        elif (missing := next((tag for tag in (49, 56, 52) if tag not in frame), 0)) and 34 in frame:
            self._consume(frame)
            self.reject(frame, 1, "Required tag missing", missing)
        elif (frame[49], frame[56]) != (self.target, self.sender):
            self._consume(frame)
            self.reject(frame, 9, "CompID problem")
            self._throw_out()
        elif not self._right_time(frame):
            self._consume(frame)
            self.reject(frame, 10, "SendingTime accuracy problem", 52)
            self._throw_out()
        elif frame.number(34) < 1:
            self._throw_out("MsgSeqNum (34) is missing")
        elif frame.kind == "4" and frame[123] != "Y":
            self._reset(frame)
        elif frame.kind == "A" and frame[141] == "Y":
            self.memory.reset()
            self._early.clear()
            self._asked_to = 0
            self.memory.expected = frame.number(34) + 1
            self.send("A", [(98, "0"), (108, frame[108] or str(self.heartbeat_s)), (141, "Y")])
        elif frame.number(34) > self.memory.expected:
            if frame.kind == "2":
                self._resend(frame)
            self._ask(frame.number(34), frame)
        elif frame.number(34) < self.memory.expected:
            self._late(frame)
        else:
            self._due(frame)
            self._catch_up()

    def _consume(self, frame: Frame) -> None:
        """A message that is refused has had its number all the same (C4 8)."""
        if frame.number(34) == self.memory.expected:
            self.memory.expected += 1

    def _right_time(self, frame: Frame) -> bool:
        at = seconds_of(frame[52])
        if at is None:
            return False
        return not self.settings.check_clocks or abs(at - self.clock.now_ns() / 1e9) <= 120

    def _ask(self, seq: int, frame: Frame) -> None:
        self._early[seq] = frame
        if not self._asked_to:
            self._asked_to = seq - 1
            self.send("2", [(7, str(self.memory.expected)), (16, "0")])

    def _late(self, frame: Frame) -> None:
        if frame[43] != "Y":
            self._throw_out(f"MsgSeqNum too low, expecting {self.memory.expected} but received {frame[34]}")
        elif frame.kind == "4":
            pass
        elif 122 not in frame:
            self.reject(frame, 1, "Required tag missing", 122)
        elif (seconds_of(frame[122]) or 0) > (seconds_of(frame[52]) or 0):
            self.reject(frame, 10, "SendingTime accuracy problem", 122)
            self._throw_out()

    def _due(self, frame: Frame) -> None:
        seq = frame.number(34)
        if frame.kind == "4":
            new = frame.number(36)
            if new > seq:
                self.memory.expected = new
            else:
                self.memory.expected = seq + 1
                self._bad_reset(frame)
            return
        self.memory.expected = seq + 1
        if not self._knows(frame.kind):
            self.reject(frame, 11, "Invalid MsgType")
            return
        if (fault := _fault(frame)) is not None:
            self.reject(frame, *fault)
            return
        match frame.kind:
            case "3":
                self.memory.rejected += 1
            case "0" | "A":
                pass
            case "1":
                self.send("0", [(112, frame[112])])
            case "2":
                self._resend(frame)
            case "5":
                if self.leaving_ns:
                    self.end()
                else:
                    self.log_out()
            case _:
                self.business(frame)

    def _knows(self, kind: str) -> bool:
        """Whether there is such a MsgType in this version. T4 has borrowed two from 4.4 (C2)."""
        if self.version == "FIX.4.2":
            return kind in _OLD_KINDS[self.version] or (self.t4 and kind in ("BA", "BB"))
        return kind in _KINDS or (len(kind) == 2 and kind[0] in "AB" and kind[1] in string.ascii_uppercase)

    def _catch_up(self) -> None:
        while not self.over and self.memory.expected in self._early:
            frame = self._early.pop(self.memory.expected)
            if frame.kind in ("2", "A"):
                self.memory.expected += 1  # it was answered when it came
            else:
                self._due(frame)
        self._early = {seq: frame for seq, frame in self._early.items() if seq >= self.memory.expected}
        if self._asked_to and self.memory.expected > self._asked_to:
            self._asked_to = 0
            if self._early and not self.over:
                self._ask(min(self._early), self._early[min(self._early)])

    def _reset(self, frame: Frame) -> None:
        new = frame.number(36)
        if new < self.memory.expected:
            self._bad_reset(frame)
        else:
            self.memory.expected = new
            self._catch_up()

    def _bad_reset(self, frame: Frame) -> None:
        if 36 in frame:
            self.reject(frame, 5, _OUT_OF_RANGE, 36)
        else:
            self._consume(frame)
            self.reject(frame, 1, "Required tag missing", 36)

    def _resend(self, frame: Frame) -> None:
        """Application messages again, with 43=Y and 122; everything else as gaps (C4 10)."""
        first, last = max(frame.number(7), 1), frame.number(16)
        if last <= 0 or last >= self.memory.out:
            last = self.memory.out - 1
        gap = first
        for seq in range(first, last + 1):
            if seq in self.memory.sent:
                self._fill(gap, seq)
                self.again(seq)
                gap = seq + 1
        self._fill(gap, last + 1)

    def _fill(self, first: int, following: int) -> None:
        if first < following:
            now = timestamp(self.clock.now_ns())
            self._put("4", first, [(123, "Y"), (36, str(following))], now, original=now)


def _logon_fault(frame: Frame) -> str | None:
    """Why a Logon can't be taken, in words for 58."""
    for tag in (34, 98, 108):
        if tag not in frame:
            return f"Required tag missing ({tag})"
    if frame.number(34) < 1 or frame[98] != "0" or not 0 <= frame.number(108) <= 86_400:
        wrong = 34 if frame.number(34) < 1 else 98 if frame[98] != "0" else 108
        return f"{_OUT_OF_RANGE} ({wrong})"
    return None


def _fault(frame: Frame) -> tuple[int, str, int] | None:
    """What is wrong with a message that is due, whatever it is about: the reason (373), words, the tag (C4 8, 15)."""
    seen: set[int] = set()
    for tag, value in frame.fields:
        if not tag:
            return 0, "Invalid tag number", tag
        if not value:
            return 4, "Tag specified without a value", tag
        if tag in seen and tag in _ONCE:
            return 13, "Tag appears more than once", tag
        seen.add(tag)
    for tag in _NEEDS.get(frame.kind, ()):
        if tag not in frame:
            return 1, "Required tag missing", tag
    for counter, first in _GROUPS.items():
        if counter in frame and frame.number(counter) != sum(1 for tag, _ in frame.fields if tag == first):
            return 16, "Incorrect NumInGroup count for repeating group", counter
    return None
