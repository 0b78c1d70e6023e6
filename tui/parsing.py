"""What a `:` line means, what completes it and what it lacks, without a terminal.

`tui/commandline.py` types into it. A line that can't be meant gets one sentence naming what is wrong and the nearest
thing that exists.
"""

import shlex
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from typing import Any

from engine.rules import RuleRefused, parse_rule
from schema.group_words import CHOICES, GroupRefused, changed
from schema.records import GroupConfig, Guard, Side
from schema.watchlists import (
    DeleteFilter,
    DeleteList,
    ListRefused,
    RenameList,
    Watched,
    filter_of,
)
from tui.commands import (
    Acknowledge,
    AddLogin,
    BadCommand,
    CancelOrders,
    Chart,
    Command,
    DeleteLayout,
    EditLists,
    Export,
    Filter,
    Flatten,
    Help,
    Hide,
    Kill,
    Known,
    Manage,
    MoveOrder,
    PlaceOrder,
    PutPane,
    Quit,
    Resync,
    SaveLayout,
    SetGroup,
    SetGuard,
    SetLadder,
    SetRule,
    SetTheme,
    ShowLayout,
    ShowLayouts,
    ShowList,
    ShowLists,
    ShowReport,
    ShowTerminal,
    Sync,
    Toggle,
    Unwatch,
    Watch,
    Why,
)
from tui.order_words import BadOrder, lots, number, ticket_of
from tui.syntax import BY_NAME, SYNTAX, Argument, Syntax

_GUARDS = {"halt": Guard.HALT, "reduce": Guard.REDUCE_ONLY, "closeonly": Guard.CLOSE_ONLY, "resume": Guard.NONE}


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
    syntax = BY_NAME.get(name)
    if syntax is None:
        hint = nearest(name, BY_NAME)
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
    syntax = BY_NAME.get(words[0].casefold())
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
    syntax = BY_NAME.get(word)
    if syntax is None:
        return ""
    wants = " ".join(
        f"[{a.name}]{'…' if a.many else ''}" if a.optional else f"<{a.name}>{'…' if a.many else ''}"
        for a in syntax.arguments
    )
    return f":{syntax.name} {wants}".rstrip()
