"""The `:` commands as data: parsing, completion and help, without a terminal.

`tui/commandline.py` types into it, `tui/app.py` carries the parsed command out. A line that can't be meant gets one
sentence naming what is wrong and the nearest thing that exists.
"""

import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, Literal, NamedTuple

from engine.export_panes import EVERYTHING as EXPORTS
from engine.rules import RuleRefused, parse_rule
from engine.seat import Ticket
from schema.group_words import CHOICES, FIELDS, GroupRefused, changed
from schema.records import GroupConfig, Guard, RuleKind, Side
from schema.watchlists import (
    FILTER_FIELDS,
    DeleteFilter,
    DeleteList,
    ListRefused,
    RenameList,
    SavedFilter,
    Watched,
    filter_of,
)
from tui.order_words import BadOrder, lots, number, ticket_of


class BadCommand(ValueError):
    """The line can't be carried out; the text is one sentence for the message line."""


@dataclass(frozen=True, slots=True)
class Known:
    """The names that exist now, for checking and completing arguments."""

    accounts: tuple[str, ...] = ()
    followers: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    logins: tuple[str, ...] = ()
    themes: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    watched: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    layouts: tuple[str, ...] = ()
    panes: tuple[str, ...] = ()
    working: tuple[str, ...] = ()  # ids of the orders that may still trade


@dataclass(frozen=True, slots=True)
class Toggle:
    account: str


@dataclass(frozen=True, slots=True)
class Flatten:
    target: str


@dataclass(frozen=True, slots=True)
class Resync:
    target: str


@dataclass(frozen=True, slots=True)
class SetGuard:
    target: str
    guard: Guard


@dataclass(frozen=True, slots=True)
class Chart:
    symbol: str


@dataclass(frozen=True, slots=True)
class Acknowledge:
    contract: str


@dataclass(frozen=True, slots=True)
class Kill:
    pass


@dataclass(frozen=True, slots=True)
class SetGroup:
    group: str
    field: str
    value: str


@dataclass(frozen=True, slots=True)
class SetRule:
    account: str
    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class Manage:
    """What an account, its place or its rule is to be; `group` where one is named, ``none`` for no group."""

    what: Literal["arm", "rules", "lead", "join", "leave", "remove"]
    target: str
    group: str = ""


@dataclass(frozen=True, slots=True)
class Export:
    what: str
    path: str
    account: str | None


@dataclass(frozen=True, slots=True)
class ShowReport:
    """Of a trading day; None for today's."""

    day: str | None


@dataclass(frozen=True, slots=True)
class Why:
    account: str
    at: str | None


@dataclass(frozen=True, slots=True)
class AddLogin:
    pass


@dataclass(frozen=True, slots=True)
class Sync:
    login: str


@dataclass(frozen=True, slots=True)
class Watch:
    """Put symbols on the list that is shown."""

    symbols: tuple[Watched, ...]


@dataclass(frozen=True, slots=True)
class Unwatch:
    symbols: tuple[Watched, ...]


@dataclass(frozen=True, slots=True)
class ShowList:
    """Show a list, after making it when there is none."""

    name: str


@dataclass(frozen=True, slots=True)
class ShowLists:
    pass


@dataclass(frozen=True, slots=True)
class EditLists:
    edit: RenameList | DeleteList | DeleteFilter


@dataclass(frozen=True, slots=True)
class Filter:
    """Apply the filters of a name, none without one; `saved` is kept first."""

    name: str
    saved: SavedFilter | None = None


@dataclass(frozen=True, slots=True)
class ShowLayout:
    name: str


@dataclass(frozen=True, slots=True)
class SaveLayout:
    """Keep what is on the screen under a name."""

    name: str


@dataclass(frozen=True, slots=True)
class DeleteLayout:
    name: str


@dataclass(frozen=True, slots=True)
class ShowLayouts:
    pass


@dataclass(frozen=True, slots=True)
class PutPane:
    """Show a pane where the one at hand is."""

    pane: str


@dataclass(frozen=True, slots=True)
class PlaceOrder:
    ticket: Ticket


@dataclass(frozen=True, slots=True)
class MoveOrder:
    order_id: str
    price: Decimal
    qty: int | None


@dataclass(frozen=True, slots=True)
class CancelOrders:
    """All that works on the target; of one contract, or one order, when `what` names it."""

    target: str
    what: str


@dataclass(frozen=True, slots=True)
class SetLadder:
    """For whom and how many lots the ladder places once it is armed."""

    target: str
    qty: int


@dataclass(frozen=True, slots=True)
class Hide:
    pass


@dataclass(frozen=True, slots=True)
class ShowTerminal:
    pass


@dataclass(frozen=True, slots=True)
class SetTheme:
    name: str


@dataclass(frozen=True, slots=True)
class Quit:
    pass


@dataclass(frozen=True, slots=True)
class Help:
    pass


Command = (
    AddLogin
    | Sync
    | Toggle
    | Flatten
    | Resync
    | SetGroup
    | SetGuard
    | Acknowledge
    | Chart
    | Kill
    | SetRule
    | Manage
    | Export
    | ShowReport
    | Why
    | Watch
    | Unwatch
    | ShowList
    | ShowLists
    | EditLists
    | Filter
    | ShowLayout
    | SaveLayout
    | DeleteLayout
    | ShowLayouts
    | PutPane
    | PlaceOrder
    | MoveOrder
    | CancelOrders
    | SetLadder
    | Hide
    | ShowTerminal
    | SetTheme
    | Quit
    | Help
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
_GUARDS = {"halt": Guard.HALT, "reduce": Guard.REDUCE_ONLY, "closeonly": Guard.CLOSE_ONLY, "resume": Guard.NONE}

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
_BY_NAME = {syntax.name: syntax for syntax in SYNTAX}


def nearest(word: str, choices: Iterable[str]) -> str:
    """``; did you mean X?`` for the choice most like `word`, or an empty text."""
    by_folded = {choice.casefold(): choice for choice in choices}
    close = get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.7)
    return f"; did you mean {by_folded[close[0]]}?" if close else ""


def parse(line: str, known: Known) -> Command:
    """The command that `line` (without its colon) means. Raises BadCommand."""
    try:
        words = shlex.split(line)
    except ValueError:
        raise BadCommand("A quotation mark is never closed.") from None
    if not words:
        raise BadCommand("Type a command, such as :" + SYNTAX[0].example + ".")
    name, given = words[0].casefold(), words[1:]
    syntax = _BY_NAME.get(name)
    if syntax is None:
        hint = nearest(name, _BY_NAME)
        raise BadCommand(f"There is no command :{words[0]}{hint or '; :help lists them.'}")
    least = sum(not argument.optional for argument in syntax.arguments)
    if len(given) < least:
        raise BadCommand(f":{name} needs {_a(syntax.arguments[len(given)].name)}, as in :{syntax.example}.")
    takes = len(given) if syntax.arguments and syntax.arguments[-1].many else len(syntax.arguments)
    if len(given) > takes:
        raise BadCommand(f":{name} does not take {given[takes]!r}; write :{syntax.example}.")
    values = [_checked(_argument(syntax, at), word, known) for at, word in enumerate(given)]
    return _command(name, values)


def _argument(syntax: Syntax, at: int) -> Argument:
    """What the word in this place is; the last argument may be several words."""
    return syntax.arguments[min(at, len(syntax.arguments) - 1)]


def _command(name: str, values: Sequence[str]) -> Command:
    match name, *values:
        case "toggle", account:
            return Toggle(account)
        case "flatten", target:
            return Flatten(target)
        case "set", group, field, value:
            try:
                changed(GroupConfig(group=group, leader=""), [f"{field}={value}"])
            except GroupRefused as refused:
                raise BadCommand(str(refused)) from None
            return SetGroup(group, field, value)
        case ("buy" | "sell") as side, target, qty, *words:
            return _order(lambda: PlaceOrder(ticket_of(Side(side), target, qty, words)))
        case "cancel", target, *what:
            return CancelOrders(target, what[0] if what else "")
        case "move", order_id, price, *qty:
            return _order(lambda: MoveOrder(order_id, number("price", price), lots(qty[0]) if qty else None))
        case "ladder", target, qty:
            return _order(lambda: SetLadder(target, lots(qty)))
        case "resync", target:
            return Resync(target)
        case "kill", *_:
            return Kill()
        case "chart", symbol:
            return Chart(symbol)
        case "ack", contract:
            return Acknowledge(contract)
        case ("halt" | "reduce" | "closeonly" | "resume") as guard, target:
            return SetGuard(target, _GUARDS[guard])
        case "rule", account, kind, value:
            try:
                parse_rule(kind, value)
            except RuleRefused as refused:
                raise BadCommand(str(refused)) from None
            return SetRule(account, kind, value)
        case "rules", target:
            return Manage("rules", target)
        case "arm", *target:
            return Manage("arm", target[0] if target else "all")
        case "lead", account, *group:
            return Manage("lead", account, group[0] if group else "")
        case "group", account, "none":
            return Manage("leave", account)
        case "group", account, group:
            return Manage("join", account, group)
        case "remove", account:
            return Manage("remove", account)
        case "export", what, path, *account:
            return Export(what, path, account[0] if account else None)
        case "report", *day:
            return ShowReport(day[0] if day else None)
        case "why", account, *at:
            return Why(account, at[0] if at else None)
        case "add", *_:
            return AddLogin()
        case "sync", login:
            return Sync(login)
        case "watch", *symbols:
            return Watch(tuple(Watched.parse(symbol) for symbol in symbols))
        case "unwatch", *symbols:
            return Unwatch(tuple(Watched.parse(symbol) for symbol in symbols))
        case "list", held:
            return ShowList(held)
        case "list", held, "rename", new_name:
            return EditLists(RenameList(name=held, new_name=new_name))
        case "list", held, "delete":
            return EditLists(DeleteList(name=held))
        case "list", held, *_:
            raise BadCommand(f"list: write :list {held}, :list {held} rename NEW or :list {held} delete.")
        case "lists", *_:
            return ShowLists()
        case "filter", filter_name, *conditions:
            return _filter(filter_name, conditions)
        case "unfilter", filter_name:
            return EditLists(DeleteFilter(name=filter_name))
        case "layout", held:
            return ShowLayout(held)
        case "layout", held, "save":
            return SaveLayout(held)
        case "layout", held, *_:
            return DeleteLayout(held)
        case "layouts", *_:
            return ShowLayouts()
        case "pane", pane:
            return PutPane(pane)
        case "hide", *_:
            return Hide()
        case "terminal", *_:
            return ShowTerminal()
        case "theme", theme:
            return SetTheme(theme)
        case "help", *_:
            return Help()
        case _:
            return Quit()


def _order(made: Callable[[], Command]) -> Command:
    try:
        return made()
    except BadOrder as bad:
        raise BadCommand(str(bad)) from None


def _filter(name: str, conditions: Sequence[str]) -> Filter:
    if name.casefold() == "off" and not conditions:
        return Filter("")
    try:
        return Filter(name, filter_of(name, conditions) if conditions else None)
    except ListRefused as refused:
        raise BadCommand(str(refused)) from None


def _a(name: str) -> str:
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"


def _choices(argument: Argument, known: Known) -> tuple[str, ...]:
    if argument.source is None:
        return ()
    if isinstance(argument.source, tuple):
        return tuple(str(word) for word in argument.source)
    if argument.source == "targets":
        return ("all", *known.groups, *known.accounts)
    if argument.source == "ordered":
        return (*known.groups, *known.accounts)
    if argument.source == "sized":
        return (*known.groups, *known.followers)
    if argument.source == "places":
        return (*known.groups, "none")
    if argument.source == "filterable":
        return (*known.filters, "off")
    if argument.source == "guardable":
        return ("all", *known.groups, *known.followers)
    choices: Any = getattr(known, argument.source)
    return choices


def _checked(argument: Argument, word: str, known: Known) -> str:
    """`word` spelled as the desk spells it. Raises BadCommand when there is no such thing."""
    if argument.source is None:
        return word
    choices = _choices(argument, known)
    if word in choices:
        return word
    same = [choice for choice in choices if choice.casefold() == word.casefold()]
    if len(same) == 1:
        return same[0]
    if argument.free:
        return word
    if argument.source == "guardable" and word in known.accounts:
        raise BadCommand(f"account: {word} is not a follower; only a follower, a group or all can be guarded.")
    if argument.source == "followers" and word in known.accounts:
        raise BadCommand(f"account: {word} is not a follower; only a follower has a switch and a rule.")
    hint = nearest(word, choices)
    if not hint and isinstance(argument.source, tuple):
        hint = f"; write {', '.join(choices[:-1])} or {choices[-1]}."
    raise BadCommand(f"{argument.name}: there is no {word!r} here{hint or '.'}")


def complete(line: str, known: Known) -> list[str]:
    """Every whole line that `line` could become by finishing its last word, best first."""
    head, space, last = line.rpartition(" ")
    words = head.split() if space else []
    if not words:
        return [
            f"{syntax.name} " if syntax.arguments else syntax.name
            for syntax in SYNTAX
            if syntax.name.startswith(last.casefold())
        ]
    syntax = _BY_NAME.get(words[0].casefold())
    at = len(words) - 1
    if syntax is None or not syntax.arguments:
        return []
    if at >= len(syntax.arguments) and not syntax.arguments[-1].many:
        return []
    argument = _argument(syntax, at)
    folded = last.casefold()
    choices = _choices(argument, known)
    if syntax.name == "set" and at == 2:
        field = words[2].casefold()
        choices = known.accounts if field == "leader" else tuple(str(word) for word in CHOICES.get(field, ()))
    starting = [choice for choice in choices if choice.casefold().startswith(folded)]
    within = [choice for choice in choices if folded and folded in choice.casefold() and choice not in starting]
    more = " " if at + 1 < len(syntax.arguments) and not syntax.arguments[at + 1].optional else ""
    return [f"{head} {choice}{more}" for choice in (*starting, *within)]


def usage(line: str) -> str:
    """What the command being typed wants, for the line above it; empty when there is no such command."""
    word = line.split(" ", 1)[0].casefold()
    syntax = _BY_NAME.get(word)
    if syntax is None:
        return ""
    wants = " ".join(
        f"[{a.name}]{'…' if a.many else ''}" if a.optional else f"<{a.name}>{'…' if a.many else ''}"
        for a in syntax.arguments
    )
    return f":{syntax.name} {wants}".rstrip()
