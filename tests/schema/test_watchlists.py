"""Every edit of a user's lists as a pure function, and filters in words."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.records import Side
from schema.watchlists import (
    FILTERS,
    LISTS,
    SYMBOLS_A_LIST,
    AddSymbols,
    DeleteFilter,
    DeleteList,
    Edit,
    ListRefused,
    MakeList,
    MoveSymbol,
    RemoveSymbols,
    RenameList,
    SavedFilter,
    SaveFilter,
    Scope,
    UserLists,
    Watched,
    Watchlist,
    edited,
    filter_of,
    find_list,
)

ES, NQ, BTC = (
    Watched(source=source, symbol=symbol)
    for source, symbol in (("desk", "ESZ6"), ("desk", "NQZ6"), ("binance", "BTCUSDT"))
)
MINE = UserLists(lists=(Watchlist(name="majors", symbols=(ES, NQ, BTC)),))


def after(*edits: Edit, mine: UserLists = MINE) -> UserLists:
    for edit in edits:
        mine, said = edited(mine, edit)
        assert said.endswith(".")
    return mine


def symbols(mine: UserLists, name: str = "majors") -> list[str]:
    held = find_list(mine, name)
    assert held is not None
    return [str(each) for each in held.symbols]


def any_case(word: str) -> Watched:
    return Watched.parse(word)


def test_symbols_are_added_at_the_end_once_and_a_list_is_made_by_its_first() -> None:
    cl = Watched(source="desk", symbol="CLF7")
    assert symbols(after(AddSymbols(name="MAJORS", symbols=(NQ, cl, cl)))) == ["ESZ6", "NQZ6", "BTCUSDT", "CLF7"]
    assert symbols(after(AddSymbols(name="oil", symbols=(cl,))), "oil") == ["CLF7"]
    assert after(AddSymbols(name="majors", symbols=(NQ,))) == MINE


def test_symbols_are_taken_off_and_moved_by_their_names() -> None:
    assert symbols(after(RemoveSymbols(name="majors", symbols=(any_case("esz6"), BTC)))) == ["NQZ6"]
    assert symbols(after(MoveSymbol(name="majors", symbol=any_case("binance:btcusdt"), by=-1))) == [
        "ESZ6",
        "BTCUSDT",
        "NQZ6",
    ]
    assert symbols(after(MoveSymbol(name="majors", symbol=ES, by=9))) == ["NQZ6", "BTCUSDT", "ESZ6"]
    assert symbols(after(MoveSymbol(name="majors", symbol=ES, by=-1))) == ["ESZ6", "NQZ6", "BTCUSDT"]


def test_lists_are_made_renamed_and_deleted_in_the_order_of_their_names() -> None:
    mine = after(MakeList(name=" Oil "), MakeList(name="agri"), RenameList(name="oil", new_name="energy"))
    assert [each.name for each in mine.lists] == ["agri", "energy", "majors"]
    assert [each.name for each in after(RenameList(name="majors", new_name="Majors")).lists] == ["Majors"]
    assert after(DeleteList(name="MAJORS")).lists == ()


FULL = UserLists(
    lists=tuple(
        Watchlist(name=f"l{number}", symbols=tuple(Watched(source="x", symbol=str(at)) for at in range(SYMBOLS_A_LIST)))
        for number in range(LISTS)
    ),
    filters=tuple(SavedFilter(name=str(number), scope=Scope.ORDERS, symbol="ES") for number in range(FILTERS)),
)


@pytest.mark.parametrize(
    ("mine", "edit", "sentence"),
    [
        (MINE, RemoveSymbols(name="major", symbols=(ES,)), "list: there is no 'major'; did you mean majors?"),
        (MINE, DeleteList(name="xyz"), "list: there is no 'xyz'; :list xyz makes one."),
        (
            MINE,
            RemoveSymbols(name="majors", symbols=(any_case("ESH6"),)),
            "symbol: 'ESH6' is not on majors; did you mean ESZ6?",
        ),
        (
            MINE,
            RemoveSymbols(name="majors", symbols=(any_case("desk:BTCUSDT"),)),
            "symbol: 'desk:BTCUSDT' is not on majors; did you mean binance:BTCUSDT?",
        ),
        (MINE, MakeList(name="Majors"), "list: there is a majors already; take another name."),
        (MINE, MakeList(name="\x1b[2J"), "list: '\\x1b[2J' is not a name; write 1 to 40 printable characters."),
        (MINE, RenameList(name="majors", new_name=" "), "list: '' is not a name; write 1 to 40 printable characters."),
        (
            FULL,
            AddSymbols(name="l1", symbols=(ES,)),
            "symbols: l1 would hold 201; a list takes 200, put the rest on another.",
        ),
        (FULL, MakeList(name="one more"), "list: there are 30 already, which is as many as there can be; delete one."),
        (
            FULL,
            SaveFilter(filter=SavedFilter(name="new", scope=Scope.TAPE, symbol="ES")),
            "filter: there are 100 already, which is as many as there can be; delete one.",
        ),
        (MINE, DeleteFilter(name="es"), "filter: there is no 'es'; save it first."),
        (
            MINE,
            SaveFilter(filter=SavedFilter(name="off", scope=Scope.TAPE, symbol="ES")),
            "filter: 'off' is not a name; 'off' takes filters off.",
        ),
        (
            MINE,
            SaveFilter(filter=SavedFilter(name="es", scope=Scope.ALERTS, side=Side.BUY)),
            "filter: an alert has no side and no size; filter alerts by symbol or account.",
        ),
    ],
)
def test_an_edit_that_can_not_be_made_is_one_sentence_and_changes_nothing(
    mine: UserLists, edit: Edit, sentence: str
) -> None:
    with pytest.raises(ListRefused) as refused:
        edited(mine, edit)
    assert str(refused.value) == sentence


NAMES = st.sampled_from(["a", "A", "b", "c"])
WATCHED = st.builds(Watched, source=st.sampled_from(["desk", "x"]), symbol=st.sampled_from(["ESZ6", "NQZ6", "CLF7"]))
SOME = st.lists(WATCHED, min_size=1, max_size=3).map(tuple)
EDITS = st.one_of(
    st.builds(AddSymbols, name=NAMES, symbols=SOME),
    st.builds(RemoveSymbols, name=NAMES, symbols=SOME),
    st.builds(MoveSymbol, name=NAMES, symbol=WATCHED, by=st.integers(-4, 4)),
    st.builds(MakeList, name=NAMES),
    st.builds(RenameList, name=NAMES, new_name=NAMES),
    st.builds(DeleteList, name=NAMES),
)


@given(st.lists(EDITS, max_size=30))
def test_no_edits_bring_a_symbol_twice_two_lists_of_one_name_or_change_another_list(edits: list[Edit]) -> None:
    mine = UserLists()
    for edit in edits:
        try:
            new, _ = edited(mine, edit)
        except ListRefused:
            continue
        folded = [each.name.casefold() for each in new.lists]
        assert folded == sorted(set(folded))
        assert all(len(set(each.symbols)) == len(each.symbols) for each in new.lists)
        touched = {each.casefold() for each in (edit.name, getattr(edit, "new_name", ""))}  # type: ignore[union-attr]
        assert [each for each in new.lists if each.name.casefold() not in touched] == [
            each for each in mine.lists if each.name.casefold() not in touched
        ]
        if isinstance(edit, MoveSymbol):
            for old, moved in zip(mine.lists, new.lists, strict=True):
                assert sorted(map(repr, old.symbols)) == sorted(map(repr, moved.symbols))
        mine = new


@pytest.mark.parametrize(
    ("words", "about"),
    [
        ("symbol=es", "scope=orders symbol=ES"),
        ("scope=alerts account=DEMO1003", "scope=alerts account=DEMO1003"),
        ("SIDE=Buy size>=5", "scope=orders side=buy size>=5"),
        ("scope=tape size=0.5 symbol=btcusdt", "scope=tape symbol=BTCUSDT size>=0.5"),
    ],
)
def test_a_filter_in_words_comes_back_in_words(words: str, about: str) -> None:
    made = filter_of("mine", words.split())
    assert made.about() == about
    assert filter_of("mine", made.about().split()) == made


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("", "filter: it asks nothing; write a condition, such as symbol=ES or size>=5."),
        ("scope=tape", "filter: it asks nothing; write a condition, such as symbol=ES or size>=5."),
        ("symbl=ES", "field: a filter has no 'symbl'; did you mean symbol?"),
        ("price=4", "field: a filter has no 'price'; write scope, symbol, account, side or size."),
        ("symbol", "symbol: 'symbol' is no condition; write symbol=VALUE, or size>=5."),
        ("side=long", "side: 'long' is not known; write buy or sell."),
        ("scope=order symbol=ES", "scope: 'order' is not known; did you mean orders?"),
        ("size>=lots", "size: 'lots' is not a number above 0; write one such as size>=5."),
        ("size>=nan", "size: 'nan' is not a number above 0; write one such as size>=5."),
        ("size>=-1", "size: '-1' is not a number above 0; write one such as size>=5."),
        ("scope=tape account=DEMO1", "filter: the tape names no accounts; filter it by symbol, side or size."),
    ],
)
def test_a_filter_that_can_not_be_meant_is_one_sentence(words: str, sentence: str) -> None:
    with pytest.raises(ListRefused) as refused:
        filter_of("mine", words.split())
    assert str(refused.value) == sentence


def test_filters_of_one_name_and_several_scopes_are_one_group() -> None:
    orders, alerts = filter_of("es", ["symbol=ES"]), filter_of("es", ["scope=alerts", "symbol=ES"])
    bigger = filter_of("es", ["symbol=ES", "size>=3"])
    mine = after(SaveFilter(filter=orders), SaveFilter(filter=alerts), SaveFilter(filter=bigger))
    assert mine.filters == (alerts, bigger)
    assert after(DeleteFilter(name="es"), mine=mine).filters == ()


def test_a_filter_shows_what_has_all_it_asks_for() -> None:
    asks = filter_of("es", ["symbol=ES", "side=buy", "size>=2", "account=demo1003"])
    assert asks.passes("ESZ6", Side.BUY, 2, "DEMO1003")
    assert not asks.passes("MESZ6", Side.BUY, 2, "DEMO1003"), "a root is not the end of another"
    assert not asks.passes("ESZ6", Side.SELL, 2, "DEMO1003")
    assert not asks.passes("ESZ6", None, 2, "DEMO1003")
    assert not asks.passes("ESZ6", Side.BUY, Decimal("1.9"), "DEMO1003")
    assert not asks.passes("ESZ6", Side.BUY, 2, "DEMO1004")
    alerts = filter_of("es", ["scope=alerts", "symbol=ES", "account=DEMO1003"])
    assert alerts.passes_text("DEMO1003: copy of ESZ6, rejected")
    assert not alerts.passes_text("DEMO1003: copy of MESZ6, rejected")
    assert not alerts.passes_text("DEMO10031: copy of ESZ6, rejected")
