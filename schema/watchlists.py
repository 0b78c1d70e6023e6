"""Watchlists and saved filters as records, and every edit of them as a pure function.

`schema/store_watchlists.py` keeps them, `engine/watching.py` shows them; `copydesk watch` and the `:` commands edit.

An edit names a list and symbols, never a number of a row: two seats that edit at once may each have seen another order.
"""

import os
import pwd
from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, TypeVar

from msgspec.structs import replace

from schema.records import Record, Side
from schema.symbols import UnknownProduct, parse_contract
from schema.words import near_words

SYMBOLS_A_LIST = 200
LISTS = 30
FILTERS = 100
_LONGEST_NAME = 40
_LARGEST = Decimal(10**12)


class ListRefused(ValueError):
    """An edit that can't be made; the text is one sentence naming the field and the remedy."""


class Watched(Record, frozen=True):
    """A symbol at a source. In an edit `source` may be empty: whichever has it."""

    source: str
    symbol: str

    def __str__(self) -> str:
        return self.symbol

    @classmethod
    def parse(cls, word: str) -> "Watched":
        """``ESZ6``, or ``binance:BTCUSDT`` where the source is named."""
        source, colon, symbol = word.partition(":")
        return cls(source=source.strip(), symbol=symbol.strip()) if colon else cls(source="", symbol=word.strip())


class Watchlist(Record, frozen=True):
    name: str
    symbols: tuple[Watched, ...] = ()


class Scope(StrEnum):
    """What a filter filters."""

    TAPE = "tape"
    ORDERS = "orders"
    ALERTS = "alerts"


class SavedFilter(Record, frozen=True):
    """What rows of a scope must have to be shown; what is empty or 0 asks nothing. `symbol` is a contract, a root (ES)
    or a feed's symbol. Filters of one name and several scopes are applied together."""

    name: str
    scope: Scope
    symbol: str = ""
    account: str = ""
    side: Side | None = None
    min_size: Decimal = Decimal(0)

    def about(self) -> str:
        """Its conditions in words that `filter_of` takes."""
        parts = [f"{field}={value}" for field in ("symbol", "account", "side") if (value := getattr(self, field))]
        parts += [f"size>={self.min_size.normalize():f}"] if self.min_size else []
        return " ".join([f"scope={self.scope}", *parts])

    def passes(self, symbol: str, side: Side | None, size: Decimal | float, account: str = "") -> bool:
        """Whether an order or a trade is shown. `side` is the aggressor's for a trade, None where nobody says."""
        if self.symbol and symbol.upper() != self.symbol and _root(symbol.upper()) != self.symbol:
            return False
        if self.account and account.casefold() != self.account.casefold():
            return False
        return (self.side is None or side is self.side) and size >= self.min_size

    def passes_text(self, text: str) -> bool:
        """Whether an alert is shown: it names the symbol, or a contract of the root, and the account."""
        words = [word.strip(".,:;()'").upper() for word in text.split()]
        named = not self.symbol or any(word == self.symbol or _root(word) == self.symbol for word in words)
        return named and (not self.account or self.account.upper() in words)


def _root(symbol: str) -> str:
    try:
        return parse_contract(symbol).root
    except UnknownProduct:
        return ""


class UserLists(Record, frozen=True):
    """Everything of one user, by name."""

    lists: tuple[Watchlist, ...] = ()
    filters: tuple[SavedFilter, ...] = ()


# --- edits ---------------------------------------------------------------------------------------------------


class AddSymbols(Record, frozen=True, tag=True):
    """To the end of a list, which is made when there is none; those that are on it stay where they are."""

    name: str
    symbols: tuple[Watched, ...]


class RemoveSymbols(Record, frozen=True, tag=True):
    name: str
    symbols: tuple[Watched, ...]


class MoveSymbol(Record, frozen=True, tag=True):
    """By so many places, down when above 0; at an end it stays there."""

    name: str
    symbol: Watched
    by: int


class MakeList(Record, frozen=True, tag=True):
    name: str


class RenameList(Record, frozen=True, tag=True):
    name: str
    new_name: str


class DeleteList(Record, frozen=True, tag=True):
    name: str


class SaveFilter(Record, frozen=True, tag=True):
    """Keep a filter, or replace the one of its name and scope."""

    filter: SavedFilter


class DeleteFilter(Record, frozen=True, tag=True):
    """All filters of a name."""

    name: str


Edit = AddSymbols | RemoveSymbols | MoveSymbol | MakeList | RenameList | DeleteList | SaveFilter | DeleteFilter


def edited(mine: UserLists, edit: Edit) -> tuple[UserLists, str]:
    """What an edit makes of a user's lists, and the sentence that says what was done. Raises ListRefused."""
    match edit:
        case AddSymbols():
            return _added(mine, edit)
        case RemoveSymbols():
            return _removed(mine, edit)
        case MoveSymbol():
            return _moved(mine, edit)
        case MakeList(name=name):
            return _with(mine, Watchlist(name=_new_name(mine, name))), f"{name.strip()} is a new watchlist."
        case RenameList():
            held = _list(mine, edit.name)
            rest = _without(mine, held)
            renamed = replace(held, name=_new_name(rest, edit.new_name))
            return _with(rest, renamed), f"{held.name} is now called {renamed.name}."
        case DeleteList(name=name):
            held = _list(mine, name)
            return _without(mine, held), f"{held.name} and its {_counted(len(held.symbols))} are deleted."
        case SaveFilter(filter=new):
            checked(new)
            kept = [each for each in mine.filters if (each.name, each.scope) != (new.name, new.scope)]
            if len(kept) >= FILTERS:
                raise ListRefused(f"filter: there are {FILTERS} already, which is as many as there can be; delete one.")
            return _filters(mine, [*kept, new]), f"Filter {new.name}: {new.about()}."
        case DeleteFilter(name=name):
            kept = [each for each in mine.filters if each.name != name]
            if len(kept) == len(mine.filters):
                raise ListRefused(
                    f"filter: there is no {name!r}{near_words(name, _filter_names(mine), '; save it first')}"
                )
            return _filters(mine, kept), f"Filter {name} is deleted."


def in_order(lists: Iterable[Watchlist]) -> tuple[Watchlist, ...]:
    """Lists as they are shown: by name."""
    return tuple(sorted(lists, key=lambda each: (each.name.casefold(), each.name)))


def find_list(mine: UserLists, name: str) -> Watchlist | None:
    """The list of a name, whatever its case."""
    return next((each for each in mine.lists if each.name.casefold() == name.strip().casefold()), None)


def _added(mine: UserLists, edit: AddSymbols) -> tuple[UserLists, str]:
    held = find_list(mine, edit.name) or Watchlist(name=_new_name(mine, edit.name))
    new = [each for each in dict.fromkeys(edit.symbols) if each not in held.symbols]
    if len(held.symbols) + len(new) > SYMBOLS_A_LIST:
        raise ListRefused(
            f"symbols: {held.name} would hold {len(held.symbols) + len(new)}; "
            f"a list takes {SYMBOLS_A_LIST}, put the rest on another."
        )
    if not new and edit.symbols:
        return mine, f"{_names(edit.symbols)}: on {held.name} already."
    return _with(mine, replace(held, symbols=(*held.symbols, *new))), f"{_names(new)} added to {held.name}."


def _removed(mine: UserLists, edit: RemoveSymbols) -> tuple[UserLists, str]:
    held = _list(mine, edit.name)
    gone = dict.fromkeys(on for each in edit.symbols for on in _on(held, each))
    kept = tuple(each for each in held.symbols if each not in gone)
    return _with(mine, replace(held, symbols=kept)), f"{_names(gone)} taken off {held.name}."


def _moved(mine: UserLists, edit: MoveSymbol) -> tuple[UserLists, str]:
    held = _list(mine, edit.name)
    moved = _on(held, edit.symbol)[0]
    at = held.symbols.index(moved)
    others = [each for each in held.symbols if each != moved]
    to = max(0, min(at + edit.by, len(others)))
    others.insert(to, moved)
    return _with(mine, replace(held, symbols=tuple(others))), f"{moved} is number {to + 1} of {held.name}."


def _on(held: Watchlist, wanted: Watched) -> list[Watched]:
    found = [
        each
        for each in held.symbols
        if each.symbol.casefold() == wanted.symbol.casefold()
        and wanted.source.casefold() in ("", each.source.casefold())
    ]
    if not found:
        asked = f"{wanted.source}:{wanted.symbol}" if wanted.source else wanted.symbol
        known = [f"{each.source}:{each.symbol}" if wanted.source else each.symbol for each in held.symbols]
        raise ListRefused(f"symbol: {asked!r} is not on {held.name}{near_words(asked, known, '; it is off already')}")
    return found


def _list(mine: UserLists, name: str) -> Watchlist:
    held = find_list(mine, name)
    if held is None:
        near = near_words(name, [each.name for each in mine.lists], f"; :list {name} makes one")
        raise ListRefused(f"list: there is no {name!r}{near}")
    return held


def _new_name(mine: UserLists, name: str) -> str:
    name = _named("list", name)
    if held := find_list(mine, name):
        raise ListRefused(f"list: there is a {held.name} already; take another name.")
    if len(mine.lists) >= LISTS:
        raise ListRefused(f"list: there are {LISTS} already, which is as many as there can be; delete one.")
    return name


def _named(field: str, name: str) -> str:
    name = name.strip()
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise ListRefused(f"{field}: {name!r} is not a name; write 1 to {_LONGEST_NAME} printable characters.")
    return name


def _with(mine: UserLists, held: Watchlist) -> UserLists:
    others = [each for each in mine.lists if each.name != held.name]
    return replace(mine, lists=in_order([*others, held]))


def _without(mine: UserLists, held: Watchlist) -> UserLists:
    return replace(mine, lists=tuple(each for each in mine.lists if each is not held))


def _filters(mine: UserLists, kept: Sequence[SavedFilter]) -> UserLists:
    return replace(mine, filters=tuple(sorted(kept, key=lambda each: (each.name, each.scope))))


def _filter_names(mine: UserLists) -> list[str]:
    return [each.name for each in mine.filters]


def _names(symbols: Iterable[Watched]) -> str:
    return ", ".join(str(each) for each in symbols)


def _counted(count: int) -> str:
    return f"{count} symbol{'' if count == 1 else 's'}"


# --- filters in words ----------------------------------------------------------------------------------------

FILTER_FIELDS = ("scope", "symbol", "account", "side", "size")
_CHOICES: dict[str, type[StrEnum]] = {"scope": Scope, "side": Side}
_Word = TypeVar("_Word", bound=StrEnum)


def filter_of(name: str, words: Iterable[str]) -> SavedFilter:
    """The filter that ``scope=orders symbol=ES side=buy size>=5`` describes; without a scope it is of orders. Raises
    ListRefused."""
    found: dict[str, Any] = {"name": name, "scope": Scope.ORDERS}
    for word in words:
        field, equals, value = word.partition("=")
        field = field.rstrip(">").strip().lower()
        value = value.strip()
        if field not in FILTER_FIELDS:
            raise ListRefused(f"field: a filter has no {field!r}{near_words(field, FILTER_FIELDS)}")
        if not equals or not value:
            raise ListRefused(f"{field}: {word!r} is no condition; write {field}=VALUE, or size>=5.")
        if field in _CHOICES:
            found[field] = _chosen(field, value, _CHOICES[field])
        elif field == "size":
            found["min_size"] = _size(value)
        else:
            found[field] = value.upper() if field == "symbol" else value
    made = SavedFilter(**found)
    checked(made)
    return made


def checked(new: SavedFilter) -> None:
    """Raises ListRefused when a filter can't be kept."""
    if _named("filter", new.name) != new.name or new.name.casefold() == "off":
        raise ListRefused(f"filter: {new.name!r} is not a name; 'off' takes filters off.")
    if not (new.symbol or new.account or new.side or new.min_size):
        raise ListRefused("filter: it asks nothing; write a condition, such as symbol=ES or size>=5.")
    if new.scope is Scope.ALERTS and (new.side or new.min_size):
        raise ListRefused("filter: an alert has no side and no size; filter alerts by symbol or account.")
    if new.scope is Scope.TAPE and new.account:
        raise ListRefused("filter: the tape names no accounts; filter it by symbol, side or size.")
    for field, text in (("symbol", new.symbol), ("account", new.account)):
        if text:
            _named(field, text)
    if not 0 <= new.min_size <= _LARGEST:
        raise ListRefused(f"size: {new.min_size} is not from 0 to {_LARGEST}.")


def _chosen(field: str, value: str, kind: type[_Word]) -> _Word:
    words = [str(word) for word in kind]
    if value.lower() not in words:
        raise ListRefused(f"{field}: {value!r} is not known{near_words(value, words)}")
    return kind(value.lower())


def _size(value: str) -> Decimal:
    try:
        size = Decimal(value)
    except InvalidOperation:
        size = Decimal("NaN")
    if not size.is_finite() or not 0 < size <= _LARGEST:
        raise ListRefused(f"size: {value!r} is not a number above 0; write one such as size>=5.")
    return size


def this_user() -> str:
    """Whose lists this process shows: the account of the machine that it runs under."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a user id without an entry, as in some containers
        return str(os.getuid())
