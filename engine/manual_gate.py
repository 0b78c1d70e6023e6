"""Whether an order of the trader's own may leave now. Functions of the core; no I/O. `engine/manual_plan.py` asks for
the preview, `engine/manual.py` again before the journal and after it.

What reduces what an account holds passes every gate, as of copies. Nothing passes while the account is being flattened,
or while nobody knows what it holds. Guards bind the leader too: the desk's own, and those of its groups when all of
them are guarded; a leader that may not trade would be the surest way to open what the trader halted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine import foreign, guards
from engine.rules import reducing_part
from schema.records import FollowerConfig, Guard

if TYPE_CHECKING:
    from engine.core import Core

NOT_KNOWN = "what it holds is not known: its venue has not said"
ASKED = "an earlier order's outcome is being asked for"
ON_ITS_WAY = "a copy's order is on its way here: look again"


def reduces(core: Core, account: str, symbol: str, lots: int, besides: str = "") -> bool:
    """Whether an order of so many signed lots only brings the account nearer to flat, whatever of what is on its way
    comes; False while what it holds is not known. `besides` is the tag of the order itself, when it is on its way
    already."""
    if not core.ledger.known(account):
        return False
    net = core.ledger.net(account, symbol)
    certain, buys, sells = core.inflight.on_the_way(account, symbol)
    coming = certain + core.manual.coming(account, symbol, besides)
    worst = (net, net + coming, net + coming + buys, net + coming - sells)
    return all(reducing_part(each, lots) == lots for each in worst)


def why_not(core: Core, account: str, symbol: str, lots: int, besides: str = "") -> str:
    """Why an order of so many signed lots may not leave now, or ''; `besides` as for `reduces`."""
    if account not in core.accounts:
        return "it is on this desk no more"
    if guards.being_flattened(core, account):
        return "being flattened by the trader"
    if not core.ledger.known(account):
        return NOT_KNOWN
    copied = foreign.lots_of(core, account, symbol).copied if account in core.followers else 0
    if reducing_part(copied, lots) and core.inflight.at(account, symbol):
        return ON_ITS_WAY  # both would close the same lots
    if reduces(core, account, symbol, lots, besides):
        return ""
    follower = core.followers.get(account)
    _, guarded = guard_of(core, account)
    reason = guarded or core.gate(account, symbol)
    if not reason and (core.manual.asking(account, symbol) or any(core.inflight.on_the_way(account, symbol)[1:])):
        reason = ASKED
    return reason or _flip(core, account, symbol, lots) or _cap(core, follower, symbol, lots, besides)


def guard_of(core: Core, account: str) -> tuple[Guard, str]:
    """The guard that binds the account's entries, and what it says; NONE and '' when nothing does."""
    if follower := core.followers.get(account):
        return guards.guard_of(core, follower)[0], guards.gate_of(core, follower)
    groups = core.leads.get(account, [])
    guard, who = core.config.guard, "desk"
    if guard is Guard.NONE and groups and all(group.guard is not Guard.NONE for group in groups):
        guard, who = groups[0].guard, f"group {', '.join(group.group for group in groups)}"
    return guard, "" if guard is Guard.NONE else f"{guards.WORDS[guard]} by the trader: {who}"


def _flip(core: Core, account: str, symbol: str, lots: int) -> str:
    if core.able(account).flips or not reducing_part(core.ledger.net(account, symbol), lots):
        return ""
    return f"its venue takes no order across zero: close {core.ledger.net(account, symbol):+d} first"


def _cap(core: Core, follower: FollowerConfig | None, symbol: str, lots: int, besides: str) -> str:
    if follower is None:
        return ""
    if follower.max_order is not None and abs(lots) > follower.max_order:
        return f"its max_order is {follower.max_order}"
    would = core.ledger.net(follower.account, symbol) + core.manual.coming(follower.account, symbol, besides) + lots
    would += core.manual.resting(follower.account, symbol, lots, besides)
    would += core.inflight.on_the_way(follower.account, symbol)[0]
    if follower.max_position is not None and abs(would) > follower.max_position:
        return f"its max_position is {follower.max_position}, it would hold {would:+d}"
    return ""
