"""The configuration the desk goes by: the newest that was read, and never one from before a kill.

The database is read whenever somebody may have changed it, by several tasks; a read takes a while, and what it brought
waits in the inbox behind what came before it. So that nothing older overwrites something newer (a halt, most of all)
reads are numbered as they begin, what was overtaken is thrown away, and the desk takes `config` as it is when its core
is told, not as it was when it was read. Called by `engine/desk.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from engine.soundness import why_impossible
from schema.records import DeskConfig, Guard
from schema.store import StoreRefused


class NewestConfig:
    """`read_stored` reads the database's."""

    def __init__(self, read_stored: Callable[[], Awaitable[DeskConfig]]) -> None:
        self.config = DeskConfig()
        self._read_stored = read_stored
        self._begun = 0
        self._held = 0  # the number of the read that `config` is from
        self._halt_owed = False  # the kill switch was pulled, and the database does not hold it yet

    async def read(self) -> None:
        """Raises StoreRefused for one that can't be traded: `config` stays what it is."""
        self._begun += 1
        number = self._begun
        halt_owed = self._halt_owed  # at the end of the read the database may hold it, and what was read not
        config = await self._read_stored()
        if impossible := why_impossible(config):
            raise StoreRefused(f"the configuration in the database can't be traded: {impossible}")
        if number > self._held:
            self._held = number
            self.config = replace(config, guard=Guard.HALT) if halt_owed else config

    def halt(self) -> None:
        """The kill switch: from now on, whatever is being read."""
        self._halt_owed = True
        self._begun += 1
        self._held = self._begun
        self.config = replace(self.config, guard=Guard.HALT)

    def halt_stored(self) -> None:
        self._halt_owed = False
