"""Guards: what the trader lets be opened, by the desk, a group or a follower. Functions of the core; no I/O.

The strictest of the three holds. A guard binds entries alone: what reduces always passes. Whoever missed an entry while
guarded stays out of that trade when the guard is lifted, and no correction opens later what a guard held back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from schema.records import FollowerConfig, Guard

if TYPE_CHECKING:
    from engine.core import Core

_STRICTNESS = {guard: number for number, guard in enumerate(Guard)}
_BY_TRADER = " by the trader"
WORDS = {
    Guard.NONE: "not guarded",
    Guard.HALT: "halted",
    Guard.REDUCE_ONLY: "reduce only",
    Guard.CLOSE_ONLY: "close only",
}


def guard_of(core: Core, follower: FollowerConfig) -> tuple[Guard, str]:
    """The guard that holds for a follower now, and who carries it: ``desk``, ``group main``, or its own name."""
    group = core.groups.get(follower.group)
    if core.config.guard is follower.guard is Guard.NONE and (group is None or group.guard is Guard.NONE):
        return Guard.NONE, "desk"  # as the rest would say, sooner: every order waits for it
    levels = (
        (core.config.guard, "desk"),
        (group.guard if group else Guard.NONE, f"group {follower.group}"),
        (follower.guard, follower.account),
    )
    return max(levels, key=lambda level: _STRICTNESS[level[0]])


def being_flattened(core: Core, account: str) -> bool:
    """Whether somebody closes this account just now: a copy's order beside it would close it twice."""
    return core.flattening.get(account, 0) > core.now_ns


def gate_of(core: Core, follower: FollowerConfig) -> str:
    """Why the trader lets this follower open nothing now, or ''."""
    if being_flattened(core, follower.account):
        return f"being flattened{_BY_TRADER}"
    guard, who = guard_of(core, follower)
    return "" if guard is Guard.NONE else f"{WORDS[guard]}{_BY_TRADER}: {who}"


def off_of(core: Core, follower: FollowerConfig, *, flat: bool) -> str:
    """Why a follower takes no part in what the leader does, or ''. `flat`: it holds nothing and nothing can come."""
    if not follower.enabled:
        return f"off: {follower.why_off}" if follower.why_off else f"off: switched off{_BY_TRADER}"
    if being_flattened(core, follower.account) or (flat and guard_of(core, follower)[0] is Guard.CLOSE_ONLY):
        return gate_of(core, follower)
    return ""


def rests_entries(core: Core, follower: FollowerConfig) -> bool:
    """Whether this follower's resting entry orders may stay at the venue: a halt leaves them, the stricter guards and
    a flatten cancel them."""
    if being_flattened(core, follower.account):
        return False
    return guard_of(core, follower)[0] in (Guard.NONE, Guard.HALT)


def held_back(reason: str) -> bool:
    """Whether a copy's reason says that the trader's own guard or switch held it back."""
    return _BY_TRADER in reason


def summary(core: Core) -> str:
    """What is guarded, the widest first, for the top of the screen: ``desk halted, group main close only``; or ''."""
    named = [("desk", core.config.guard)]
    named += [(f"group {group.group}", group.guard) for group in core.groups.values()]
    said = [f"{who} {WORDS[guard]}" for who, guard in named if guard is not Guard.NONE]
    single = [follower for follower in core.followers.values() if follower.guard is not Guard.NONE]
    if len(single) == 1:
        said.append(f"{single[0].account} {WORDS[single[0].guard]}")
    elif single:
        said.append(f"{len(single)} followers guarded")
    return ", ".join(said)


def sentence(target: str, guard: Guard) -> str:
    """What was done, for the message line. `target` is an account, a group or ``all``."""
    who = "The desk" if target == "all" else target
    match guard:
        case Guard.NONE:
            return f"{who} opens again from the next trade on; trades missed meanwhile stay missed."
        case Guard.HALT:
            return f"{who} is halted: nothing is opened, exits go."
        case Guard.REDUCE_ONLY:
            return f"{who} may only reduce: nothing is opened, resting entries are canceled, exits go."
        case Guard.CLOSE_ONLY:
            return f"{who} may only close: nothing is opened, and who gets flat joins no trade; exits go."
