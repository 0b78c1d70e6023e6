"""The acceptor's side of a FIX session (`protocols/fix.md C1, C4`), without I/O. `fix_front.py` drives one for each
login; its numbers and what it sent outlive every connection.

Written from the facts page: it must satisfy initiators that we did not write.
"""

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
    gets every application message once and in order."""

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
        self.up = False
        self.over = False
        self.heartbeat_s = 30
        self.heard_ns = self.said_ns = clock.now_ns()
        self.tested = False
        self.leaving = False
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
        head += [(49, self.sender), (52, at), (56, self.target)]
        if original:
            head.append((122, original))
        self.said_ns = self.clock.now_ns()
        self.write(build(self.version, kind, head + fields))

    def reject(self, frame: Frame, reason: int, text: str, tag: int = 0) -> None:
        """35=3, with the number of the message that was wrong."""
        fields: Fields = [(45, frame[34] or "0"), (58, text)]
        if tag:
            fields.append((371, str(tag)))
        self.send("3", [*fields, (372, frame.kind), (373, str(reason))])

    def business_reject(self, frame: Frame, reason: int, text: str) -> None:
        """35=j."""
        self.send("j", [(45, frame[34]), (58, text), (372, frame.kind), (380, str(reason))])

    def log_out(self, text: str = "") -> None:
        self.send("5", [(58, text)] if text else [])
        self.leaving = True

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
        if quiet_s >= 2.4 * self.heartbeat_s:
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
        if frame[141] == "Y" or self.settings.restart_numbers:
            self.memory.reset()
        self.heartbeat_s = max(frame.number(108), 1)
        self.up = True
        if seq < self.memory.expected and frame[43] != "Y":
            self._throw_out(f"MsgSeqNum too low, expecting {self.memory.expected} but received {frame[34]}")
            return
        answer: Fields = [(98, "0"), (108, frame[108])]
        if frame[141] == "Y":
            answer.append((141, "Y"))
        self.send("A", answer)
        if seq > self.memory.expected:
            self._ask(seq, frame)
        else:
            self.memory.expected = seq + 1

    def take(self, frame: Frame) -> None:
        """Any later message."""
        self.heard_ns, self.tested = self.clock.now_ns(), False
        if frame[8] != self.version:
            self._throw_out("Incorrect BeginString")
        elif (frame[49], frame[56]) != (self.target, self.sender):
            self.reject(frame, 9, "CompID problem")
            self._throw_out()
        elif not self._right_time(frame):
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
                self.reject(frame, 5, "Value is incorrect (out of range) for this tag", 36)
            return
        self.memory.expected = seq + 1
        known = _OLD_KINDS.get(self.version, _KINDS)
        if frame.kind not in known and not (
            self.version != "FIX.4.2" and len(frame.kind) == 2 and frame.kind[0] == "A"
        ):
            self.reject(frame, 11, "Invalid MsgType")
            return
        for tag, value in frame.fields:
            if not value:
                self.reject(frame, 4, "Tag specified without a value", tag)
                return
        for tag in _NEEDS.get(frame.kind, ()):
            if tag not in frame:
                self.reject(frame, 1, "Required tag missing", tag)
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
                if not self.leaving:
                    self.send("5", [])
                self.end()
            case _:
                self.business(frame)

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
            self.reject(frame, 5, "Value is incorrect (out of range) for this tag", 36)
        else:
            self.memory.expected = new
            self._catch_up()

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
