"""What the screen does with watchlists and saved filters: which list is shown, which filters are on, and the edits.

`tui/app.py` gives it the panes and awaits its edits, each of which returns the sentence for the message line.
"""

from typing import Any

from engine.seat import CommandRefused, Seat, Topic, View, WatchlistRow
from schema.watchlists import AddSymbols, MakeList, MoveSymbol, RemoveSymbols, SavedFilter, SaveFilter, Scope, Watched
from schema.words import near_words
from tui.dialogs import lists_text
from tui.filtering import passing
from tui.grid import GridPane
from tui.keymap import called
from tui.panes.watch import WatchPane

_FIRST_LIST = "watch"  # what a list is called that was never given a name


class Lists:
    """The lists of this seat's user, at this seat."""

    def __init__(self, seat: Seat, pane: WatchPane, filtered: dict[Scope, GridPane[Any]]) -> None:
        self._seat = seat
        self._pane = pane
        self._filtered = filtered
        self._filter = ""
        self._filters_version = -1

    @property
    def view(self) -> View:
        return self._seat.view(Topic.WATCHLISTS)

    @property
    def name(self) -> str:
        """The list that is shown, or that will be made."""
        return self._pane.list_name or _FIRST_LIST

    @property
    def filters(self) -> list[SavedFilter]:
        return [row for row in self._seat.view(Topic.FILTERS).rows if isinstance(row, SavedFilter)]

    def text(self) -> str:
        """Every list and filter, for a page."""
        return lists_text([row for row in self.view.rows if isinstance(row, WatchlistRow)], self.filters)

    # --- edits -----------------------------------------------------------------------------------------------------

    async def add(self, symbols: tuple[Watched, ...]) -> str:
        return await self._seat.edit_lists(AddSymbols(name=self.name, symbols=symbols))

    async def remove(self, symbols: tuple[Watched, ...]) -> str:
        return await self._seat.edit_lists(RemoveSymbols(name=self.name, symbols=symbols))

    async def move(self, symbol: Watched, by: int) -> str:
        return await self._seat.edit_lists(MoveSymbol(name=self.name, symbol=symbol, by=by))

    async def show(self, name: str) -> str:
        """Show a list, and make it when there is none."""
        there = [each for each in self._pane.names if each.casefold() == name.casefold()]
        said = f"Watchlist {there[0]}." if there else await self._seat.edit_lists(MakeList(name=name))
        self._pane.choose(name)
        return said

    async def show_next(self) -> str:
        names = self._pane.names
        if not names:
            raise CommandRefused(f"There is no watchlist yet; {called('find')} finds a symbol for the first.")
        return await self.show(names[(names.index(self._pane.list_name) + 1) % len(names)])

    # --- filters ---------------------------------------------------------------------------------------------------

    async def filter(self, name: str, saved: SavedFilter | None) -> str:
        """Apply the filters of a name, after keeping `saved`; without a name take them off."""
        if saved is not None:
            await self._seat.edit_lists(SaveFilter(filter=saved))
        filters = [each for each in self.filters if each.name == name]
        if name and not filters:
            near = near_words(name, [each.name for each in self.filters], f"; :filter {name} symbol=ES saves one")
            raise CommandRefused(f"filter: there is no {name!r}{near}")
        self._filter = name
        self._apply()
        return f"Filter {name}: {', '.join(each.about() for each in filters)}." if name else "Every row is shown."

    def follow_filters(self) -> None:
        """Apply the chosen filters as they are saved now: any seat of the user may have changed them."""
        version = self._seat.view(Topic.FILTERS).version
        if version != self._filters_version:
            self._filters_version = version
            self._apply()

    def _apply(self) -> None:
        saved = {each.scope: each for each in self.filters if each.name == self._filter}
        for scope, pane in self._filtered.items():
            pane.set_keep(self._filter, passing(saved[scope]) if scope in saved else None)
