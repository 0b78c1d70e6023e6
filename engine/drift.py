"""The drift pane's rows: who does not stand at its target, why, and what the desk will do about it. Reads the core and
changes nothing; called by `engine/views.py`.

What is said of the future is what `engine/recovery.py` does at the next tick, in the same order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine import foreign, guards, recovery, rollover
from engine.rules import reducing_part, symbol_for
from engine.shown import DriftRow
from schema.records import Decision, DriftPolicy, FollowerConfig

if TYPE_CHECKING:
    from engine.core import Core
    from engine.state import FollowerState

_TOLD = (Decision.SKIPPED, Decision.REJECTED, Decision.EXPIRED, Decision.UNKNOWN)
_EVERY_NS = 250_000_000
UNREAD = "the venue has not said what it holds"


class Drift:
    """Remembers since when each follower has been off its target."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._since: dict[tuple[str, str], int] = {}
        self._made_ns = 0
        self._rows: tuple[DriftRow, ...] = ()

    def rows(self) -> tuple[DriftRow, ...]:
        """By account, then contract; four times a second at most."""
        core = self._core
        if self._made_ns and core.now_ns - self._made_ns < _EVERY_NS:
            return self._rows
        self._made_ns = core.now_ns
        found = [self._row(*off) for off in recovery.drifting(core)]
        for follower in core.followers.values():
            if follower.enabled and not core.ledger.known(follower.account):
                found.append(self._unknown(follower))
        now_off = {(row.account, row.symbol) for row in found}
        self._since = {key: since_ns for key, since_ns in self._since.items() if key in now_off}
        self._rows = tuple(sorted(found, key=lambda row: (row.account, row.symbol)))
        return self._rows

    def _seen(self, account: str, symbol: str) -> int:
        return self._since.setdefault((account, symbol), self._core.now_ns)

    def _row(self, follower: FollowerConfig, symbol: str, target: int, held: int) -> DriftRow:
        core, account = self._core, follower.account
        own = foreign.held_by_copies(core, account, symbol)
        return DriftRow(
            account=account,
            group=follower.group,
            symbol=symbol,
            held=held,
            target=target,
            delta=target - own,
            foreign=held - own,
            why=why(core, account, symbol, own=own, target=target),
            since_ns=self._seen(account, symbol),
            will=will(core, follower, symbol, target - own),
        )

    def _unknown(self, follower: FollowerConfig) -> DriftRow:
        core, account = self._core, follower.account
        connection = core.connection_of(account)
        down = core.down_reason.get(connection) or "not connected yet"
        return DriftRow(
            account=account,
            group=follower.group,
            symbol="",
            held=None,
            target=None,
            delta=0,
            foreign=0,
            why=UNREAD if core.up.get(connection) else f"{connection} is down: {down}",
            since_ns=self._seen(account, ""),
            will="the venue is asked, and asked again; nothing is opened before",
        )


def why(core: Core, account: str, symbol: str, *, own: int, target: int) -> str:
    """What kept the follower from its target, as its newest copy that was not made tells it."""
    if own == target:
        return "lots that are not the desk's"
    connection = core.connection_of(account)
    if not core.up.get(connection):
        return f"{connection} is down: {core.down_reason.get(connection) or 'not connected yet'}"
    for (_, follower), (_, copy) in reversed(core.recent.items()):
        if follower == account and copy.symbol == symbol:
            if copy.decision in _TOLD and copy.reason:
                return f"{copy.decision}: {copy.reason}"
            if copy.filled_qty < copy.qty:
                return copy.reason or f"{copy.filled_qty} of {copy.qty} filled"
            break
    return "the venue holds something else than the copies add up to"


def will(core: Core, follower: FollowerConfig, symbol: str, delta: int) -> str:
    """What the desk does about it by itself, or what the trader can do."""
    account = follower.account
    by_hand = f":resync {account}"
    connection = core.connection_of(account)
    if guards.being_flattened(core, account):
        return "it is being flattened: nothing beside that"
    if not delta:
        return f"nothing: those lots are yours; :flatten {account} closes them"
    if not core.up.get(connection):
        return f"its venue is read again once {connection} is up"
    state, policy = _state(core, follower, symbol), core.groups[follower.group].drift
    chased = state is not None and core.now_ns < state.chase_until_ns
    if not core.ledger.known(core.groups[follower.group].leader):
        return "once the leader's venue has said what it holds"
    if policy is DriftPolicy.SHOW and not chased:
        return f"nothing by itself, its group only shows drift; {by_hand}"
    own = foreign.held_by_copies(core, account, symbol)
    reducing = reducing_part(own, delta)
    if state is None or not state.behind:
        return f"nothing more by itself; {by_hand}"
    soon = _soon(core, state)
    if reducing:
        return f"an exit of {abs(reducing)} goes {soon}"
    if gate := guards.gate_of(core, follower) or rollover.gate_of(core, connection, symbol):
        return f"entry held back: {gate}; {by_hand}"
    if state.hopeless:
        return "nothing in this trade: the venue refused it for good"
    if policy is not DriftPolicy.AUTO and not chased:
        return f"nothing, its group corrects exits only; {by_hand}"
    if gate := core.gate(account, symbol):
        return f"entry held back: {gate}"
    tried = f", after {state.attempts} tries" if state.attempts else ""
    return f"an entry of {abs(delta)} goes {soon}{tried}"


def _state(core: Core, follower: FollowerConfig, symbol: str) -> FollowerState | None:
    return next(
        (
            state
            for (account, leader_symbol), state in core.states.items()
            if account == follower.account and symbol_for(follower, leader_symbol) == symbol
        ),
        None,
    )


def _soon(core: Core, state: FollowerState) -> str:
    left_s = (state.retry_ns - core.now_ns) / 1e9
    return f"in {left_s:.0f} s" if left_s >= 1 else "now"
