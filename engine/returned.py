"""What a reconnect did, said in one sentence for each login. Part of the core.

``desk1: back after 12 s: 3 events missed, 1 exit applied, 2 entries skipped (7 ticks worse)``. Events are the leader's:
those that this login's followers met while it was down, or, for a leader's login, those that it told only now. Exits
are positions that were reduced for them, also by the way that stays open while the line is down. Ticks
worse is the price now against the price of the leader's fill, the worst of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from brokers import adapter as venue
from engine import events as ev
from engine.resync import ticks_worse
from engine.rules import reducing_part
from schema.records import Copy, Decision, Side, Signal, SignalKind

if TYPE_CHECKING:
    from engine.core import Core

_FRESH_NS = 5_000_000_000
_WAIT_FOR_PRICE_NS = 1_000_000_000


class Away:
    """A login that is down, or came back and is not told of yet (`back_ns`)."""

    __slots__ = ("back_ns", "events", "exits", "since_ns", "skipped")

    def __init__(self, since_ns: int) -> None:
        self.since_ns = since_ns
        self.back_ns = 0
        self.events: set[str] = set()
        self.exits: set[tuple[str, str]] = set()  # (follower, contract)
        self.skipped: list[tuple[str, Decimal, int]] = []  # (leader's contract, its fill's price, direction)


def stream_down(core: Core, event: venue.StreamDown) -> None:
    """A line was cut; one that is cut again before it was told of goes on being away."""
    if event.connection not in core.away:
        core.away[event.connection] = Away(event.received_ns)
    else:
        core.away[event.connection].back_ns = 0


def stream_up(core: Core, event: venue.StreamUp) -> None:
    """The line is back and its snapshot was taken in: what that did is counted, and told with the next price."""
    if away := core.away.get(event.connection):
        away.back_ns = event.received_ns
        tell(core)


def planned(core: Core, signal: Signal, copies: Sequence[Copy]) -> None:
    """A signal was planned: count what of it concerns logins that are away or are coming back just now."""
    if not core.away:
        return
    leads = core.away.get(core.connection_of(signal.leader)) if core.returning else None
    for copy in copies:
        connection = core.connection_of(copy.follower)
        away = leads if leads and core.returning == core.connection_of(signal.leader) else core.away.get(connection)
        if away is None or away.back_ns:
            continue
        if signal.kind is not SignalKind.CORRECTION:
            away.events.add(signal.source)
        comes_to = copy.net_before + core.inflight.on_the_way(copy.follower, copy.symbol)[0]
        delta = copy.target_net - comes_to
        if copy.decision is Decision.PENDING and copy.reducing:
            away.exits.add((copy.follower, copy.symbol))
        elif copy.decision is Decision.SKIPPED and reducing_part(comes_to, delta) != delta:
            away.skipped.append((signal.symbol, signal.price, Side.of(delta).sign))


def wanted(core: Core) -> set[str]:
    """Contracts whose price a sentence waits for. Only reads."""
    return {symbol for away in core.away.values() for symbol, _, _ in away.skipped}


def tell(core: Core) -> None:
    """Say what each login's return did, once its price is known or a second has passed."""
    for connection, away in list(core.away.items()):
        if not away.back_ns:
            continue
        worse = [w for w in (_worse(core, *skipped) for skipped in away.skipped) if w is not None]
        if away.skipped and not worse and core.now_ns - away.back_ns < _WAIT_FOR_PRICE_NS:
            continue
        del core.away[connection]
        parts = [
            _counted(len(away.events), "event", "events", "missed"),
            _counted(len(away.exits), "exit", "exits", "applied"),
            _counted(len(away.skipped), "entry", "entries", "skipped") + (f" ({_ticks(max(worse))})" if worse else ""),
        ]
        did = ", ".join(part for part in parts if part) or "nothing missed"
        text = f"{connection}: back after {(away.back_ns - away.since_ns) / 1e9:.0f} s: {did}"
        core.emit(ev.Alert(level="warn" if away.events or away.exits or away.skipped else "info", text=text))


def _worse(core: Core, symbol: str, price: Decimal, direction: int) -> int | None:
    now, said_ns = core.prices.get(symbol, (Decimal(0), 0))
    return ticks_worse(symbol, price, now, direction) if core.now_ns - said_ns <= _FRESH_NS else None


def _ticks(worse: int) -> str:
    if worse == 0:
        return "no worse"
    return _counted(abs(worse), "tick", "ticks", "worse" if worse > 0 else "better")


def _counted(count: int, one: str, many: str, did: str) -> str:
    return f"{count} {one if count == 1 else many} {did}" if count else ""
