"""The arm checklist: what would keep a follower's next copy from going, said before it is switched on. Reads the core
and changes nothing; `engine/desk.py` asks it for the page, and again in the moment of arming.

A FAIL is what would hold back or spoil an entry. What is only to be known, such as lots that are not the desk's, is a
NOTE and keeps nobody from being armed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import TYPE_CHECKING

from brokers.adapter import ConnectionHealth
from brokers.registry import VENUE_TABLE
from engine import guards, rollover
from engine.rules import clash, may_trade, symbol_for
from engine.shown import ArmCheck, ArmLine, VenuePolicy, Verdict
from schema.login import FOLLOW_ONLY
from schema.records import FollowerConfig, RuleKind, SignalKind

if TYPE_CHECKING:
    from engine.core import Core

_AHEAD_S = 1.0
"""How far the venue's clock may be ahead of ours: more, and the age of what comes from it can't be told."""


class Arming:
    """`health` tells of a login's connection, `reserved` how many of its requests are kept back for exits.
    `chart_symbol` counts as traded by every leader."""

    def __init__(
        self,
        core: Core,
        health: Callable[[str], ConnectionHealth | None],
        reserved: Callable[[str], int],
        chart_symbol: str = "",
    ) -> None:
        self._core = core
        self._health = health
        self._reserved = reserved
        self._chart_symbol = chart_symbol

    def lines(self, accounts: Iterable[str], acknowledged: Collection[str]) -> tuple[ArmLine, ...]:
        """One line for each of `accounts` (followers). `acknowledged` are the venues whose policy the trader took
        note of."""
        core = self._core
        return tuple(
            ArmLine(
                account=account,
                group=core.followers[account].group,
                on=core.followers[account].enabled,
                checks=tuple(self._checks(core.followers[account], acknowledged)),
            )
            for account in accounts
        )

    def policies(self, accounts: Iterable[str]) -> tuple[VenuePolicy, ...]:
        """What the venues of these accounts demand."""
        venues = dict.fromkeys(self._venue(account) for account in accounts)
        return tuple(VenuePolicy(venue=name, text=text) for name in venues if (text := _policy(name)))

    def _checks(self, follower: FollowerConfig, acknowledged: Collection[str]) -> Iterator[ArmCheck]:
        yield self._connection(follower)
        yield self._position(follower)
        yield from self._contracts(follower)
        yield self._foreign(follower)
        yield self._rule(follower)
        yield self._budget(follower)
        yield self._breaker(follower)
        yield self._guard(follower)
        yield self._policy_read(follower, acknowledged)
        yield self._leader(follower)
        yield self._clock(follower)

    def _venue(self, account: str) -> str:
        connection = self._core.connection_of(account)
        return next((each.venue for each in self._core.config.connections if each.connection == connection), "")

    # --- one check each ---------------------------------------------------------------------------------------------

    def _connection(self, follower: FollowerConfig) -> ArmCheck:
        down = self._down(follower.account)
        return _check("connection", down)

    def _down(self, account: str) -> str:
        core = self._core
        connection = core.connection_of(account)
        if core.up.get(connection):
            return ""
        return f"{connection} is down: {core.down_reason.get(connection) or 'not connected yet'}"

    def _position(self, follower: FollowerConfig) -> ArmCheck:
        core = self._core
        if not core.ledger.known(follower.account):
            return _check("position", "the venue has not said what it holds")
        _, unread = core.unread.get(core.connection_of(follower.account), (0, ""))
        return _check("position", unread)

    def _contracts(self, follower: FollowerConfig) -> Iterator[ArmCheck]:
        """What the leader trades, as the follower's venue has it; and how long it lives."""
        core, connection = self._core, self._core.connection_of(follower.account)
        leader = core.groups[follower.group].leader
        symbols = rollover.led_in(core, leader, self._chart_symbol)
        apart = [why for symbol in symbols if (why := clash(follower, symbol))]
        asked = [symbol_for(follower, symbol) for symbol in symbols if not clash(follower, symbol)]
        wrong = [core.instruments.get((connection, symbol)) or "" for symbol in asked]
        wrong += [
            error
            for (checked_on, symbol), error in core.instruments.items()
            if checked_on == connection and may_trade(follower, symbol)
        ]
        unread = [symbol for symbol in asked if (connection, symbol) not in core.instruments]
        if error := next(filter(None, wrong), ""):
            yield _check("contract", error)
        elif apart:
            yield _note("contract", apart[0])
        elif not symbols:
            yield _note("contract", "none yet: it is checked before the leader's first entry")
        elif unread:
            yield _check("contract", f"{unread[0]} has not been checked with the venue yet")
        else:
            yield ArmCheck(name="contract", verdict=Verdict.PASS, reason=", ".join(asked))
        yield _check("expiry", rollover.why_disarmed(core, follower))

    def _foreign(self, follower: FollowerConfig) -> ArmCheck:
        account = follower.account
        held = [
            f"{lots.foreign:+d} {lots.symbol}"
            for (owner, _), lots in sorted(self._core.lots.items())
            if owner == account and lots.foreign
        ]
        if not held:
            return _check("foreign", "")
        return _note("foreign", f"{' and '.join(held)} not the desk's: left alone, only a flatten closes them")

    def _rule(self, follower: FollowerConfig) -> ArmCheck:
        core = self._core
        if follower.rule.kind is not RuleKind.PERCENT:
            return _check("rule", "")
        leader = core.groups[follower.group].leader
        if core.scale(follower, leader, "") is not None:
            return _check("rule", "")
        missing = next((each for each in (follower.account, leader) if not core.money.get(each)), leader)
        return _check("rule", f"percent needs equities, and {missing}'s is not known; choose another rule")

    def _budget(self, follower: FollowerConfig) -> ArmCheck:
        connection = self._core.connection_of(follower.account)
        health = self._health(connection)
        if health is None or health.budget_per_min <= 0:
            return _check("budget", "")
        left = health.budget_left - self._reserved(connection)
        if left < 1:
            return _check(
                "budget",
                f"{connection} has {health.budget_left} of {health.budget_per_min} requests left this minute, all of "
                "them kept for exits; wait a minute",
            )
        return _check("budget", "")

    def _breaker(self, follower: FollowerConfig) -> ArmCheck:
        core = self._core
        connection = core.connection_of(follower.account)
        is_open = not core.breakers[connection].allows(core.now_ns)
        return _check("breaker", f"breaker of {connection} is open: its venue failed too often" if is_open else "")

    def _guard(self, follower: FollowerConfig) -> ArmCheck:
        core = self._core
        money = core.money.get(follower.account)
        if money is not None and money.liquidate_only:
            return _check("guard", "the venue lets this account only reduce")
        return _check("guard", guards.gate_of(core, follower))

    def _policy_read(self, follower: FollowerConfig, acknowledged: Collection[str]) -> ArmCheck:
        venue = self._venue(follower.account)
        if not _policy(venue) or venue in acknowledged:
            return _check("policy", "")
        return _check("policy", f"{VENUE_TABLE[venue].name} demands something of where a desk runs: p takes note of it")

    def _leader(self, follower: FollowerConfig) -> ArmCheck:
        core, group = self._core, self._core.groups[follower.group]
        if follower.account in core.leads:
            return _check("leader", f"{follower.account} leads {core.leads[follower.account][0].group} itself")
        if group.leader in core.followers:
            return _check("leader", f"its leader {group.leader} follows in {core.followers[group.leader].group}")
        if why := FOLLOW_ONLY.get(self._venue(group.leader), ""):
            return _check("leader", f"its leader {group.leader} can't lead: {why}")
        if down := self._down(group.leader):
            return _check("leader", f"its leader {group.leader}: {down}")
        if not core.ledger.known(group.leader):
            return _check("leader", f"what its leader {group.leader} holds is not known")
        if state := self._missed(follower):
            return _note("leader", state)
        return _check("leader", "")

    def _missed(self, follower: FollowerConfig) -> str:
        core, leader = self._core, self._core.groups[follower.group].leader
        held = [
            f"{net:+d} {symbol}" for (owner, symbol), net in sorted(core.leader_nets.items()) if owner == leader and net
        ]
        if not held or follower.enabled:
            return ""
        return f"its leader holds {' and '.join(held)}: that trade is missed, the next is joined"

    def _clock(self, follower: FollowerConfig) -> ArmCheck:
        """By the leader's fills: an entry that looks older than the deadline is never sent. The one that came soonest
        counts, as others may have waited for a lost line."""
        core, leader = self._core, self._core.groups[follower.group].leader
        late_s = [
            (signal.received_ns - signal.venue_ns) / 1e9
            for signal, _ in core.recent.values()
            if signal.leader == leader and signal.venue_ns and signal.kind is SignalKind.LEADER_FILL
        ]
        if late_s and not -_AHEAD_S <= min(late_s) <= core.limits.deadline_s:
            text = f"the leader's fills come {min(late_s):+.1f} s after their venue's time: set this machine's clock"
            return _check("clock", text)
        if late_s:
            return _check("clock", "")
        return _note("clock", "not compared yet: the leader has not traded since the desk opened")


def _policy(venue: str) -> str:
    return VENUE_TABLE[venue].policy if venue in VENUE_TABLE else ""


def _check(name: str, wrong: str) -> ArmCheck:
    return ArmCheck(name=name, verdict=Verdict.FAIL if wrong else Verdict.PASS, reason=wrong)


def _note(name: str, text: str) -> ArmCheck:
    return ArmCheck(name=name, verdict=Verdict.NOTE, reason=text)
