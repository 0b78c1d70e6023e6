"""Replay: a recorded session through the engine as it is now, with every decision compared to the recorded one.

Called by `copydesk replay`. It needs no desk, no database and no venue: the core is given the recorded inputs and
nothing else, so a difference means that the core, or its product table, is not what it was.
"""

from collections.abc import Callable
from pathlib import Path
from random import Random

from engine import events as ev
from engine.core import Core
from engine.latency import Latencies
from engine.session import (
    Decided,
    DecidedUpTo,
    Ended,
    Header,
    SessionRefused,
    Torn,
    decided,
    products_digest,
    read,
)
from schema.records import Copy, Record

_DIFFERENCES_KEPT = 50


class Difference(Record, frozen=True):
    """One decision that is not what it was. `seq` numbers the input, `input` names it; `signal_id` and `follower` are
    empty when the difference is not about a pair. `recorded` and `now` are words."""

    seq: int
    at_ns: int
    input: str
    signal_id: str
    follower: str
    recorded: str
    now: str


class Replayed(Record, frozen=True):
    """How a replay ended. `decisions` are the pairs (and corrections) that were compared, `effects` all that the core
    asked for. `unrecorded` effects came after the last that a killed desk could record. `notes` are sentences."""

    session: str
    desk: str
    started_ns: int
    ended_ns: int
    inputs: int
    decisions: int
    effects: int
    unrecorded: int
    closed: bool
    different: int
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]

    @property
    def same(self) -> bool:
        return self.different == 0


class _Waiting(Record, frozen=True):
    """An input whose effects are to be compared when the record of them comes."""

    event: str
    at_ns: int
    decided: Decided


def core_of(header: Header) -> Core:
    """A core as the session's desk began with."""
    return Core(header.limits, Latencies(Random(0)))


def at_ns_of(event: ev.AnyInput) -> int:
    """When an input came."""
    return event.at_ns if isinstance(event, ev.Input) else event.received_ns


def replay(path: Path, each: Callable[[Copy, bool], None] | None = None) -> Replayed:
    """Replay the session recorded in `path`; `each` is called with every recorded decision and whether it is the same
    now. Raises SessionRefused."""
    frames = read(path)
    header = next(frames, None)
    if not isinstance(header, Header):
        raise SessionRefused(f"{path.name}: it has no beginning; choose one that `copydesk replay --list` shows.")
    work = _Replay(header, each)
    for frame in frames:
        if isinstance(frame, DecidedUpTo):
            work.compare(frame)
        elif isinstance(frame, Torn):
            work.notes.append(f"its last frame is torn ({frame.lost} bytes): the desk was killed, or its disk was full")
        elif isinstance(frame, Ended):
            work.closed = True
        elif not isinstance(frame, Header) and not work.take(frame):
            break
    return work.result()


class _Replay:
    """One replay on its way."""

    def __init__(self, header: Header, each: Callable[[Copy, bool], None] | None) -> None:
        self.core = core_of(header)
        self.notes: list[str] = []
        self.closed = False
        self._header = header
        self._each = each
        self._waiting: dict[int, _Waiting] = {}
        self._differences: list[Difference] = []
        self._different = 0
        self._decisions = 0
        self._effects = 0
        self._inputs = 0
        if header.products != products_digest():
            self.notes.append("the product table has changed since: point values and contracts may differ")

    def take(self, event: ev.AnyInput) -> bool:
        """Give the core one input; False when it broke on it, and nothing after it means anything."""
        self._inputs += 1
        try:
            effects = self.core.process(event)
        except Exception as failure:  # noqa: BLE001 - whatever breaks the core is what a replay is there to show
            broke = f"the core broke: {type(failure).__name__}: {failure}"
            self._differ(_Waiting(event=type(event).__name__, at_ns=at_ns_of(event), decided=_NOTHING), broke)
            return False
        if effects:
            self._waiting[self.core.seq] = _Waiting(
                event=type(event).__name__, at_ns=at_ns_of(event), decided=decided(self.core.seq, effects)
            )
        return True

    def compare(self, recorded: DecidedUpTo) -> None:
        """Compare what was recorded with what the core asked for now."""
        for was in recorded.decided:
            self._effects += 1
            self._decisions += len(was.copies)
            now = self._waiting.pop(was.seq, None)
            same = now is not None and now.decided.digest == was.digest
            if not same:
                held = now or _Waiting(event="", at_ns=0, decided=_NOTHING)
                self._compare_copies(was, held)
            if self._each is not None:
                mine = {(c.signal_id, c.follower): c for c in now.decided.copies} if now else {}
                for copy in was.copies:
                    self._each(copy, mine.get((copy.signal_id, copy.follower)) == copy)
        for seq in [seq for seq in self._waiting if seq <= recorded.seq]:
            now = self._waiting.pop(seq)
            self._effects += 1
            self._compare_copies(Decided(seq=seq, digest=b"", effects=""), now)

    def _compare_copies(self, was: Decided, now: _Waiting) -> None:
        before = {(copy.signal_id, copy.follower): copy for copy in was.copies}
        after = {(copy.signal_id, copy.follower): copy for copy in now.decided.copies}
        differing = [key for key in {**before, **after} if before.get(key) != after.get(key)]
        for key in differing:
            self._differ(now, words(after.get(key)), words(before.get(key)), was.seq, key)
        if not differing:
            mine, theirs = now.decided.effects or "nothing", was.effects or "nothing"
            if mine == theirs:
                mine, theirs = f"{mine}, with other contents", theirs
            self._differ(now, mine, theirs, was.seq)

    def _differ(
        self, at: _Waiting, now: str, recorded: str = "", seq: int = 0, pair: tuple[str, str] = ("", "")
    ) -> None:
        self._different += 1
        if len(self._differences) < _DIFFERENCES_KEPT:
            self._differences.append(
                Difference(
                    seq=seq or self.core.seq,
                    at_ns=at.at_ns,
                    input=at.event,
                    signal_id=pair[0],
                    follower=pair[1],
                    recorded=recorded,
                    now=now,
                )
            )

    def result(self) -> Replayed:
        return Replayed(
            session=self._header.session,
            desk=self._header.desk,
            started_ns=self._header.started_ns,
            ended_ns=self.core.now_ns,
            inputs=self._inputs,
            decisions=self._decisions,
            effects=self._effects,
            unrecorded=len(self._waiting),
            closed=self.closed,
            different=self._different,
            differences=tuple(self._differences),
            notes=tuple(self.notes),
        )


_NOTHING = Decided(seq=0, digest=b"", effects="")


def words(copy: Copy | None) -> str:
    """A decision in words: ``buy 2 ESH4 to +2 (held 0)``."""
    if copy is None:
        return "no decision"
    order = f"{copy.side} {copy.qty} {copy.symbol}" if copy.qty else f"nothing of {copy.symbol}"
    reason = f", {copy.reason}" if copy.reason else ""
    return f"{order} to {copy.target_net:+d} (held {copy.net_before:+d}){reason}"
