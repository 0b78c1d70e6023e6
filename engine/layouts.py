"""Layouts of the screen for the seats: those that their user saved, and what a seat showed last.

`engine/desk.py` runs it beside the copying, which it never touches. What a layout says is the screen's business.
"""

import asyncio

from engine.seat import CommandRefused
from schema.layouts import LayoutEdit, UserLayouts
from schema.store import JournalDown, Store, StoreRefused


class Layouts:
    """The layouts of one user."""

    def __init__(self, store: Store, user: str) -> None:
        self._store = store
        self._user = user
        self._reading = asyncio.Lock()
        self._rows: tuple[UserLayouts, ...] = () if user else (UserLayouts(),)

    def rows(self) -> tuple[UserLayouts, ...]:
        """One row; none before they were read."""
        return self._rows

    async def edit(self, edit: LayoutEdit) -> str:
        """Make an edit for this seat and all others of its user. Raises CommandRefused."""
        if not self._user:
            raise CommandRefused("layout: this desk runs for nobody, so none is kept.")
        try:
            said = await self._store.edit_layouts(self._user, edit)
            await self.reload()
        except StoreRefused as refused:
            raise CommandRefused(str(refused)) from None
        except JournalDown as down:
            raise CommandRefused(f"layout: none can be kept now: {down}.") from None
        return said

    async def reload(self) -> None:
        """Read them again: this or another seat changed them. Raises JournalDown."""
        async with self._reading:  # in turn, so that what was read last is what was written last
            self._rows = (await self._store.layouts_of(self._user),)
