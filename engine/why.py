"""Why: the story of one copy, told from the journal alone. Called by `engine/desk.py` and by `copydesk why`.

Nothing is guessed: what the journal does not hold is not told. Times are UTC, as on the screen.
"""

import difflib
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from engine.rules import rule_of, target_net
from engine.seat import CommandRefused
from schema.clock import from_datetime, to_datetime
from schema.records import Copy, Decision, Record, RuleKind, Signal, SignalKind
from schema.store import Store
from schema.store_why import Told

_FORMATS = (("%H:%M", 60), ("%H:%M:%S", 1), ("%Y-%m-%dT%H:%M", 60), ("%Y-%m-%dT%H:%M:%S", 1))
_NOT_ASKED = ("off:", "missed ", "equity ")
_HELD_BACK = ("cut to ", "entry held back")
_FOR_EVER_NS = 2**63 - 1


class Step(Record, frozen=True):
    """One step of the story: its name, and sentences."""

    name: str
    lines: tuple[str, ...]


class Moment(Record, frozen=True):
    """One of the six times; `at_ns` 0 when it has not come. `since_ns` is what passed since the one before that has
    come, `total_ns` since the first."""

    name: str
    at_ns: int
    since_ns: int
    total_ns: int


class Story(Record, frozen=True):
    """One copy from the leader's event to what followed it. `query_ms` is what asking the journal took."""

    signal: Signal
    copy: Copy
    steps: tuple[Step, ...]
    times: tuple[Moment, ...]
    query_ms: float

    def as_text(self) -> str:
        """The story for a person, lines up to some 110 wide."""
        copy = self.copy
        at = to_datetime(copy.received_ns)
        out = [f"{copy.follower}  {at:%Y-%m-%d} {clock(copy.received_ns)} UTC  {copy.symbol}  {copy.decision}", ""]
        for step in self.steps:
            out += [f"{step.name if not number else '':9} {line}" for number, line in enumerate(step.lines)]
        out += ["", "times (UTC)"]
        out += [
            f"{moment.name:9} {clock(moment.at_ns)}  {_ms(moment.since_ns):>12}  {_ms(moment.total_ns):>12} in all"
            if moment.at_ns
            else f"{moment.name:9} -"
            for moment in self.times
        ]
        return "\n".join(out)


async def why(store: Store, account: str, at: str | None = None, *, now_ns: int, signal_id: str | None = None) -> Story:
    """The story of the newest copy to `account` at or before `at` today (``14:32`` is the whole minute, a day may be
    written before it), of its last copy, or of its copy of `signal_id`. Raises CommandRefused and JournalDown."""
    since_ns, until_ns = moment(at, now_ns) if at else (0, _FOR_EVER_NS)
    asked = time.perf_counter()
    told = await (store.told_of(signal_id, account) if signal_id else store.told_at(account, since_ns, until_ns))
    took_ms = (time.perf_counter() - asked) * 1e3
    if told is None:
        raise CommandRefused(await _nothing(store, account, at, since_ns))
    return Story(
        signal=told.signal, copy=told.copy, steps=tuple(_steps(told)), times=tuple(_times(told.copy)), query_ms=took_ms
    )


def moment(text: str, now_ns: int) -> tuple[int, int]:
    """The time that `text` asks for: the first ns of its day, and the first after it. Raises CommandRefused."""
    for form, length_s in _FORMATS:
        try:
            at = datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
        if not form.startswith("%Y"):
            at = datetime.combine(to_datetime(now_ns).date(), at.timetz())
        day = at.replace(hour=0, minute=0, second=0)
        return from_datetime(day), from_datetime(at + timedelta(seconds=length_s))
    raise CommandRefused(
        f"time: {text!r} can't be read; write 14:32, 14:32:05 or 2026-11-21T14:32, UTC as on the screen."
    )


async def _nothing(store: Store, account: str, at: str | None, since_ns: int) -> str:
    """Why there is no such copy, and what to ask instead."""
    if at and (earlier := await store.told_at(account, 0, since_ns)):
        last = to_datetime(earlier.copy.received_ns)
        return (
            f"time: nothing was copied to {account} that day up to {at}; its last before is {last:%Y-%m-%dT%H:%M:%S}."
        )
    config = await store.load_config()
    followers = [follower.account for follower in config.followers]
    if account in {group.leader for group in config.groups}:
        return f"account: {account} leads; ask for one of its followers, such as {(followers or ['none yet'])[0]}."
    if account in followers:
        return f"account: nothing was copied to {account} {'that day ' if at else ''}yet; its rule is not asked before."
    near = difflib.get_close_matches(account, followers, n=1)
    return f"account: there is no follower {account}{f'; did you mean {near[0]}?' if near else '.'}"


async def undecided(store: Store, now_ns: int, deadline_s: float) -> tuple[list[tuple[Signal, Copy]], int]:
    """Pairs past their deadline without a decision, oldest first, and how many more are unknown and asked about.
    Raises JournalDown."""
    pairs = await store.open_copies()
    overdue = [
        pair
        for pair in pairs
        if pair[1].decision is Decision.PENDING and now_ns - pair[1].received_ns > deadline_s * 1e9
    ]
    return overdue, sum(copy.decision is Decision.UNKNOWN for _, copy in pairs)


# --- the steps -----------------------------------------------------------------------------------------------------


def _steps(told: Told) -> list[Step]:
    copy = told.copy
    steps = [
        Step(name="leader", lines=_leader(told.signal)),
        Step(name="plan", lines=(_plan(told.signal, copy),)),
        Step(name="checks", lines=(_checks(copy),)),
    ]
    if copy.journaled_ns or copy.decided_ns:
        steps.append(Step(name="commit", lines=(_commit(copy),)))
    if copy.qty:
        steps.append(Step(name="send", lines=(_send(copy),)))
        steps.append(Step(name="venue", lines=tuple(_venue(told))))
    reason = f": {copy.reason}" if copy.reason else ""
    steps.append(Step(name="outcome", lines=(f"{copy.decision}{reason}",)))
    if told.corrections:
        lines = tuple(
            f"{clock(each.received_ns)} {_order(each)}, {each.decision}{f': {each.reason}' if each.reason else ''}"
            for _, each in told.corrections
        )
        steps.append(Step(name="then", lines=lines))
    return steps


def _leader(signal: Signal) -> tuple[str, ...]:
    did = "bought" if signal.side == "buy" else "sold"
    before = signal.leader_net - signal.qty * signal.side.sign
    if signal.kind is SignalKind.LEADER_FILL:
        late_ms = (signal.received_ns - signal.venue_ns) / 1e6
        return (
            f"{signal.leader} {did} {signal.qty} {signal.symbol} at {signal.price:f}, from {before:+d} to "
            f"{signal.leader_net:+d} (fill {signal.source})",
            f"the venue's own time is {clock(signal.venue_ns)}, {late_ms:,.1f} ms before it was here",
        )
    if signal.kind is SignalKind.LEADER_POSITION:
        return (f"{signal.leader} held {signal.leader_net:+d} {signal.symbol} by its venue, {before:+d} by its fills",)
    if signal.kind is SignalKind.CORRECTION:
        return (
            f"no event: the desk brings the follower to its target, {signal.source}; {signal.leader} held "
            f"{signal.leader_net:+d} {signal.symbol}",
        )
    return (f"{signal.leader} {signal.kind}: {signal.source}; it held {signal.leader_net:+d} {signal.symbol}",)


def _plan(signal: Signal, copy: Copy) -> str:
    """The arithmetic in words: leader +3 x 0.5 = 1.5 -> +1, held 0, on the way 0 -> buy 1."""
    held = f"held {copy.net_before:+d}, on the way {copy.on_the_way:+d} -> {_order(copy)}"
    rule = rule_of(copy.rule)
    if copy.decision is Decision.SKIPPED and copy.reason.startswith(_NOT_ASKED):
        return f"the rule was not asked ({copy.reason}); {held}"
    if rule is None:
        return f"target {copy.target_net:+d}, {held}"
    if signal.leader_net == 0:
        told = "leader flat -> +0"
    elif rule.kind is RuleKind.FIXED:
        told = (
            f"{copy.scale.normalize():f} while the leader is in -> {target_net(rule, copy.scale, signal.leader_net):+d}"
        )
    else:
        exact = copy.scale * signal.leader_net * (-1 if rule.invert else 1)
        target = target_net(rule, copy.scale, signal.leader_net)
        times = f"{'-' if rule.invert else ''}{_number(copy.scale)}"
        told = f"leader {signal.leader_net:+d} x {times} = {_number(exact)} -> {target:+d}"
    told += f" ({rule})"
    if signal.kind is SignalKind.CORRECTION:
        return f"{told}, {held}"
    if target_net(rule, copy.scale, signal.leader_net) != copy.target_net:
        told += f", limited to {copy.target_net:+d}"
    return f"{told}, {held}"


def _order(copy: Copy) -> str:
    return f"{copy.side} {copy.qty}" if copy.qty else "no order"


def _checks(copy: Copy) -> str:
    if copy.decision is Decision.SKIPPED or copy.reason.startswith(_HELD_BACK):
        return copy.reason or "it was held back"
    return "it reduces, so it passes every gate" if copy.reducing else "every gate was open"


def _commit(copy: Copy) -> str:
    if not copy.journaled_ns:
        return "in the journal; the desk has not said when, so nothing was sent before"
    return f"in the journal {_ms(copy.journaled_ns - copy.decided_ns)} after the decision, before anything was sent"


def _send(copy: Copy) -> str:
    if not copy.sent_ns:
        return f"order {copy.cl_ord_id} was not seen leaving"
    return f"order {copy.cl_ord_id} was at the socket {_ms(copy.sent_ns - copy.journaled_ns)} after the commit"


def _venue(told: Told) -> list[str]:
    copy, order = told.copy, told.order
    if not copy.acked_ns:
        return [f"no answer: {copy.reason}" if copy.reason else "no answer yet"]
    since = f" {_ms(copy.acked_ns - copy.sent_ns)} after it was sent" if copy.sent_ns else ""
    if copy.decision is Decision.REJECTED:
        return [f"it refused{since}: {copy.reason}"]
    price = f" at {copy.avg_price.normalize():f}" if copy.avg_price is not None else ""
    lines = [f"it took the order as {copy.order_id}{since}; {copy.filled_qty} of {copy.qty} filled{price}"]
    if order is not None:
        lines.append(f"its last word: {order.status}{f', {order.text}' if order.text else ''}")
    lines += [
        f"fill {fill.fill_id}: {fill.qty} at {fill.price:f}, {clock(fill.venue_ns)} its time" for fill in told.fills
    ]
    return lines


def _times(copy: Copy) -> list[Moment]:
    moments: list[Moment] = []
    before_ns = copy.received_ns
    for name in ("received", "decided", "journaled", "sent", "acked", "filled"):
        at_ns: int = getattr(copy, f"{name}_ns")
        came = at_ns > 0
        moments.append(
            Moment(
                name=name,
                at_ns=at_ns,
                since_ns=at_ns - before_ns if came else 0,
                total_ns=at_ns - copy.received_ns if came else 0,
            )
        )
        before_ns = at_ns or before_ns
    return moments


def clock(at_ns: int) -> str:
    """The time of day, UTC, to the millisecond."""
    return f"{to_datetime(at_ns):%H:%M:%S.%f}"[:-3]


def _ms(span_ns: int) -> str:
    return f"{span_ns / 1e6:,.1f} ms"


def _number(value: Decimal) -> str:
    return f"{value.normalize():f}" if -value.normalize().as_tuple().exponent <= 4 else f"{value:.4f}"  # type: ignore[operator]
