"""The command line's words: each command is understood, each mistake gets one sentence, Tab knows what exists."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.records import Guard
from schema.watchlists import DeleteFilter, DeleteList, RenameList, Watched, filter_of
from tui.commands import (
    Acknowledge,
    BadCommand,
    Chart,
    EditLists,
    Export,
    Filter,
    Flatten,
    Help,
    Kill,
    Known,
    Quit,
    Resync,
    SetGroup,
    SetGuard,
    SetRule,
    SetTheme,
    ShowList,
    ShowLists,
    Toggle,
    Unwatch,
    Watch,
    Why,
)
from tui.parsing import complete, parse, usage
from tui.syntax import SYNTAX

KNOWN = Known(
    accounts=("LEAD1000", "DEMO1001", "DEMO1002"),
    followers=("DEMO1001", "DEMO1002"),
    groups=("main", "night"),
    themes=("desk", "light"),
    lists=("majors", "oil"),
    watched=("ESZ6", "NQZ6"),
    filters=("big",),
)


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("toggle DEMO1001", Toggle("DEMO1001")),
        ("TOGGLE demo1001", Toggle("DEMO1001")),
        ("flatten all", Flatten("all")),
        ("flatten night", Flatten("night")),
        ("flatten LEAD1000", Flatten("LEAD1000")),
        ("resync main", Resync("main")),
        ("set main late within", SetGroup("main", "late", "within")),
        ("set night LATE_TICKS 8", SetGroup("night", "late_ticks", "8")),
        ("resync demo1001", Resync("DEMO1001")),
        ("kill", Kill()),
        ("ack ESZ6", Acknowledge("ESZ6")),
        ("chart ESZ6", Chart("ESZ6")),
        ("halt all", SetGuard("all", Guard.HALT)),
        ("reduce main", SetGuard("main", Guard.REDUCE_ONLY)),
        ("closeonly DEMO1001", SetGuard("DEMO1001", Guard.CLOSE_ONLY)),
        ("resume all", SetGuard("all", Guard.NONE)),
        ("rule DEMO1002 proportional 0.5", SetRule("DEMO1002", "proportional", "0.5")),
        ("why DEMO1002", Why("DEMO1002", None)),
        ("why demo1002 14:32:05", Why("DEMO1002", "14:32:05")),
        ("export copies out.csv", Export("copies", "out.csv", None)),
        ('export orders "my file.csv" DEMO1001', Export("orders", "my file.csv", "DEMO1001")),
        ("watch esz6 binance:BTCUSDT", Watch((Watched.parse("esz6"), Watched(source="binance", symbol="BTCUSDT")))),
        ("unwatch nqz6 CLF7", Unwatch((Watched.parse("NQZ6"), Watched.parse("CLF7")))),
        ("list MAJORS", ShowList("majors")),
        ("list new", ShowList("new")),
        ("list majors rename mine", EditLists(RenameList(name="majors", new_name="mine"))),
        ("list majors delete", EditLists(DeleteList(name="majors"))),
        ("lists", ShowLists()),
        ("filter big", Filter("big")),
        ("filter off", Filter("")),
        ("filter new symbol=es size>=5", Filter("new", filter_of("new", ["symbol=ES", "size>=5"]))),
        ("unfilter big", EditLists(DeleteFilter(name="big"))),
        ("theme light", SetTheme("light")),
        ("help", Help()),
        ("quit", Quit()),
    ],
)
def test_a_command_is_understood(line: str, meant: object) -> None:
    assert parse(line, KNOWN) == meant


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("watch", ":watch needs a symbol, as in :watch ESZ6 NQZ6."),
        ("list majors rename", "list: write :list majors, :list majors rename NEW or :list majors delete."),
        ("list majors delete now", "list: write :list majors, :list majors rename NEW or :list majors delete."),
        ("list majors drop", "rename or delete: there is no 'drop' here; write rename or delete."),
        ("list a rename b c", ":list does not take 'c'; write :list majors."),
        ("filter big price=4", "field: a filter has no 'price'; write scope, symbol, account, side or size."),
        ("filter off symbol=ES", "filter: 'off' is not a name; 'off' takes filters off."),
        ("unfilter bigg", "filter: there is no 'bigg' here; did you mean big?"),
        ("", "Type a command, such as :toggle DEMO1001."),
        ("togle DEMO1001", "There is no command :togle; did you mean toggle?"),
        ("xyzzy", "There is no command :xyzzy; :help lists them."),
        ("toggle", ":toggle needs an account, as in :toggle DEMO1001."),
        ("toggle DEMO1001 now", ":toggle does not take 'now'; write :toggle DEMO1001."),
        ("toggle DEMO1003", "account: there is no 'DEMO1003' here; did you mean DEMO1002?"),
        ("toggle LEAD1000", "account: LEAD1000 is not a follower; only a follower has a switch and a rule."),
        ("halt LEAD1000", "account: LEAD1000 is not a follower; only a follower, a group or all can be guarded."),
        ("kill all", ":kill does not take 'all'; write :kill."),
        ("flatten everything", "account, group or all: there is no 'everything' here."),
        ("rule DEMO1001 proportional 0", "value: 0 would not copy the leader; write a number above 0, up to 1000."),
        ("rule DEMO1001 proportional -1", "value: -1 would not copy the leader; write a number above 0, up to 1000."),
        ("rule DEMO1001 proportional x", "value: 'x' is not a number; write one above 0, such as 0.5."),
        ("rule DEMO1001 fixd 1", "kind: there is no 'fixd' here; did you mean fixed?"),
        ("set main lat within", "field: there is no 'lat' here; did you mean late?"),
        ("set main late withn", "late: 'withn' is not known; did you mean within?"),
        ("set main late_s soon", "late_s: 'soon' is not a whole number; write one from 0 to 1000000."),
        ("set man late never", "group: there is no 'man' here; did you mean main?"),
        (
            "export trades x.csv",
            "what: there is no 'trades' here; write orders, copies, positions, accounts, alerts, report, "
            "candles, depth, tape, watchlists, drift, health, feeds or latency.",
        ),
        ("export orders", ":export needs a file, as in :export copies copies.csv."),
        ("theme dsk", "theme: there is no 'dsk' here; did you mean desk?"),
        ('export orders "x', "A quotation mark is never closed."),
    ],
)
def test_a_mistake_gets_one_sentence(line: str, sentence: str) -> None:
    with pytest.raises(BadCommand) as refused:
        parse(line, KNOWN)
    assert str(refused.value) == sentence


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("", [f"{s.name} " if s.arguments else s.name for s in SYNTAX]),
        ("f", ["flatten ", "filter "]),
        ("q", ["quit"]),
        ("toggle ", ["toggle DEMO1001", "toggle DEMO1002"]),
        ("toggle 1002", ["toggle DEMO1002"]),
        ("flatten n", ["flatten night", "flatten main"]),
        ("rule DEMO1001 p", ["rule DEMO1001 proportional ", "rule DEMO1001 percent "]),
        (
            "set main late n",
            ["set main late next_flat", "set main late never", "set main late no_worse", "set main late within"],
        ),
        ("export p", [f"export {what} " for what in ("positions", "copies", "report", "depth", "tape")]),
        ("report y", ["report yesterday", "report today"]),
        ("theme l", ["theme light"]),
        ("unwatch esz6 n", ["unwatch esz6 NQZ6"]),
        ("list m", ["list majors"]),
        ("list majors d", ["list majors delete"]),
        ("filter big s", ["filter big scope=", "filter big symbol=", "filter big side=", "filter big size="]),
        ("filter big symbol=ES acc", ["filter big symbol=ES account="]),
        ("nonsense x", []),
        ("theme light x", []),
    ],
)
def test_completion_knows_what_exists(line: str, completed: list[str]) -> None:
    assert complete(line, KNOWN) == completed


def test_usage_tells_the_rest_of_the_command() -> None:
    assert usage("rule DEMO1001") == ":rule <account> <kind> <value>"
    assert usage("export") == ":export <what> <file> [account]"
    assert usage("nonsense") == ""


@given(st.text(max_size=60))
def test_no_line_breaks_the_parser_or_the_completer(line: str) -> None:
    complete(line, KNOWN)
    try:
        parse(line, KNOWN)
    except BadCommand as refused:
        assert str(refused)
