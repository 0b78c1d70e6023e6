"""The table of `:` commands: their words, an example and what they do. Parsing, completion, the help, the palette and
the README come from it.
"""

from typing import NamedTuple

from engine.export_panes import EVERYTHING as EXPORTS
from schema.group_words import FIELDS
from schema.records import RuleKind
from schema.watchlists import (
    FILTER_FIELDS,
)


class Argument(NamedTuple):
    """One argument: what it is called in sentences, and the field of `Known` or the fixed words it comes from. With
    `free` other words are taken too; with `many`, for the last one, several."""

    name: str
    source: str | tuple[str, ...] | None
    optional: bool = False
    free: bool = False
    many: bool = False


class Syntax(NamedTuple):
    name: str
    arguments: tuple[Argument, ...]
    example: str
    does: str


_GUARDED = Argument("follower, group or all", "guardable")

_ORDERED = Argument("account or group", "ordered")
_LOTS = Argument("lots", None)
_AT = Argument("contract, @ price, stop price", ("@", "stop", "limit", "gtc"), optional=True, free=True, many=True)

_LIST_DOES = ("rename", "delete")
_LAYOUT_DOES = ("save", "delete")

SYNTAX: tuple[Syntax, ...] = (
    Syntax("toggle", (Argument("account", "followers"),), "toggle DEMO1001", "switch a follower on or off"),
    Syntax(
        "flatten",
        (Argument("account, group or all", "targets"),),
        "flatten all",
        "cancel orders and close positions, then check with the venue",
    ),
    Syntax("kill", (), "kill", "halt the desk, then flatten all"),
    Syntax("halt", (_GUARDED,), "halt all", "open nothing; exits go, resting entries stay"),
    Syntax("reduce", (_GUARDED,), "reduce main", "as halt, and cancel resting entries"),
    Syntax("closeonly", (_GUARDED,), "closeonly DEMO1001", "as reduce, and join no trade once flat"),
    Syntax("resume", (_GUARDED,), "resume all", "lift that guard; trades missed stay missed"),
    Syntax("ack", (Argument("contract", None),), "ack ESZ6", "go on opening in a contract that expires within 7 days"),
    Syntax(
        "resync",
        (Argument("account, group or all", "targets"),),
        "resync DEMO1001",
        "show what would bring followers to their targets, then send it",
    ),
    Syntax(
        "buy",
        (_ORDERED, _LOTS, _AT),
        "buy DEMO1001 2 ESZ6 @ 4795.25",
        "an order: @ 4795 limit, stop 4790, or at market; shown first",
    ),
    Syntax(
        "sell", (_ORDERED, _LOTS, _AT), "sell main 1 stop 4790", "as buy; a group's followers get their rule's size"
    ),
    Syntax(
        "cancel",
        (
            Argument("account, group or all", "targets"),
            Argument("contract or order", "working", optional=True, free=True),
        ),
        "cancel DEMO1000 ESZ6",
        "cancel what works there; shown first",
    ),
    Syntax(
        "move",
        (Argument("order", "working", free=True), Argument("price", None), Argument("lots", None, optional=True)),
        "move 10234 4794.75",
        "another price, and size; shown first",
    ),
    Syntax("ladder", (_ORDERED, _LOTS), "ladder DEMO1000 1", "for whom, and how many lots, the ladder places"),
    Syntax(
        "set",
        (Argument("group", "groups"), Argument("field", FIELDS), Argument("value", None)),
        "set main late no_worse",
        "how a group mirrors: mode, drift, late, unfilled, foreign, leader",
    ),
    Syntax(
        "rule",
        (Argument("account", "followers"), Argument("kind", tuple(RuleKind)), Argument("value", None)),
        "rule DEMO1001 proportional 0.5",
        "how a follower's size comes from the leader's",
    ),
    Syntax(
        "rules",
        (Argument("follower or group", "sized"),),
        "rules DEMO1001",
        "a page with a rule and a table of what it would do",
    ),
    Syntax(
        "arm",
        (Argument("follower, group or all", "guardable", optional=True),),
        "arm main",
        "the checklist, which arms who passes it",
    ),
    Syntax(
        "lead",
        (Argument("account", "accounts"), Argument("group", "groups", optional=True, free=True)),
        "lead DEMO1000 main",
        "make an account the leader of a group, which is made when there is none",
    ),
    Syntax(
        "group",
        (Argument("account", "accounts"), Argument("group or none", "places")),
        "group DEMO1001 main",
        "put an account into a group, or (none) take it out of its group",
    ),
    Syntax("remove", (Argument("account", "accounts"),), "remove DEMO1001", "take an account off the desk"),
    Syntax(
        "export",
        (Argument("what", EXPORTS), Argument("file", None), Argument("account", "accounts", optional=True)),
        "export copies copies.csv",
        "write a CSV file",
    ),
    Syntax(
        "report",
        (Argument("day", ("today", "yesterday"), optional=True, free=True),),
        "report yesterday",
        "P&L, copies, slippage and latency of a trading day, today's without one",
    ),
    Syntax(
        "why",
        (Argument("account", "followers"), Argument("time", None, optional=True)),
        "why DEMO1001 14:32",
        "the story of a copy: the last one, or the newest at or before a time",
    ),
    Syntax("add", (), "add", "add a login and pick its accounts"),
    Syntax(
        "sync",
        (Argument("login", "logins"),),
        "sync YOURNAME",
        "list a login's accounts as its venue has them now, and pick more",
    ),
    Syntax(
        "watch",
        (Argument("symbol", None, many=True),),
        "watch ESZ6 NQZ6",
        "put symbols on the watchlist; the symbol search finds one while you type",
    ),
    Syntax(
        "chart",
        (Argument("symbol", "watched", free=True),),
        "chart NQZ6",
        "have the chart, the ladder and the tape of every seat show it; a key of the watchlist does too",
    ),
    Syntax("unwatch", (Argument("symbol", "watched", free=True, many=True),), "unwatch NQZ6", "take symbols off it"),
    Syntax(
        "list",
        (
            Argument("list", "lists", free=True),
            Argument("rename or delete", _LIST_DOES, optional=True),
            Argument("new name", None, optional=True),
        ),
        "list majors",
        "show a watchlist, made when there is none; then rename NEW, or delete",
    ),
    Syntax("lists", (), "lists", "every watchlist and filter"),
    Syntax(
        "filter",
        (
            Argument("filter or off", "filterable", free=True),
            Argument("condition", tuple(f"{field}=" for field in FILTER_FIELDS), optional=True, free=True, many=True),
        ),
        "filter big symbol=ES size>=5",
        "show only such orders, or scope=alerts or tape; saved by that name",
    ),
    Syntax("unfilter", (Argument("filter", "filters"),), "unfilter big", "delete a saved filter"),
    Syntax(
        "layout",
        (Argument("layout", "layouts", free=True), Argument("save or delete", _LAYOUT_DOES, optional=True)),
        "layout trade",
        "show a layout of the screen; save keeps what is on it under that name",
    ),
    Syntax("layouts", (), "layouts", "every layout, and every pane there is"),
    Syntax("pane", (Argument("pane", "panes"),), "pane alerts", "show a pane where the one with the focus is"),
    Syntax("hide", (), "hide", "money and names off a shared screen, and back"),
    Syntax("terminal", (), "terminal", "what this terminal can show, and what to set"),
    Syntax("theme", (Argument("theme", "themes"),), "theme desk", "change the colours"),
    Syntax("help", (), "help", "show the keys and commands"),
    Syntax("quit", (), "quit", "leave the desk; asks first when positions are open"),
)
BY_NAME = {syntax.name: syntax for syntax in SYNTAX}
