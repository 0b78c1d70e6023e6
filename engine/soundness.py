"""Whether a configuration can be traded at all: a pure check, made by `engine/desk.py` on everything it loads.

The store refuses such changes, and so do the tables; this is for rows that got past both (a trigger that was switched
off, a restored dump). A desk does not trade by them: one that opens refuses, one that runs keeps what it has. `copydesk
kill` does not ask: an exit passes every gate.
"""

from collections import Counter

from schema.records import DeskConfig, FollowerConfig


def why_impossible(config: DeskConfig) -> str:
    """The first thing that is impossible, in one sentence with its remedy; empty when there is none."""
    leads = {group.leader: group.group for group in config.groups}
    groups = {group.group for group in config.groups}
    accounts = {account.account for account in config.accounts}
    for group in config.groups:
        if group.leader not in accounts:
            return f"leader: {group.leader} of group {group.group} is no account of the desk; add it, or name another."
    times = Counter(follower.account for follower in config.followers)
    for follower in config.followers:
        name = follower.account
        if name in leads:
            return (
                f"account: {name} leads group {leads[name]} and follows in group {follower.group}, a circle; remove it "
                "as a follower, or give the group another leader."
            )
        if times[name] > 1:
            return f"account: {name} follows {times[name]} times; one position has one writer, keep one of its rows."
        if name not in accounts:
            return f"account: the follower {name} is no account of the desk; add it, or remove the follower."
        if follower.group not in groups:
            return f"group: {name} follows in {follower.group}, which is no group; put it into another."
        if fault := _rule_fault(follower):
            return fault
    places = Counter((each.connection, each.venue_id) for each in config.accounts)
    for account in config.accounts:
        if places[account.connection, account.venue_id] > 1:
            return (
                f"account: {account.account} and another are both account {account.venue_id} of {account.connection}; "
                "one position has one writer, remove one of the names."
            )
    return ""


def _rule_fault(follower: FollowerConfig) -> str:
    """What of a follower's rule and maps can't be carried out."""
    name = follower.account
    if not follower.rule.value.is_finite() or follower.rule.value <= 0:
        return f"rule: {name} copies by {follower.rule.value}; write a value above 0."
    for entry in follower.symbols:
        if not entry.lot_factor.is_finite() or entry.lot_factor <= 0:
            return f"symbols: {name} trades {entry.lot_factor} lots for each {entry.leader_root}; write more than 0."
    for roots in (
        [entry.leader_root for entry in follower.symbols],
        [entry.follower_root for entry in follower.symbols],
    ):
        if twice := next((root for root in roots if roots.count(root) > 1), ""):
            return f"symbols: {twice} is named by two maps of {name}; one position has one writer, keep one map."
    return ""
