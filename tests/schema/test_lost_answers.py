"""A commit whose answer is lost on the wire: nothing is sent twice, and nothing is left unsent."""

import asyncio
from pathlib import Path

import pytest

from schema import driver
from schema.clock import SYSTEM_CLOCK
from schema.settings import Settings, load_settings
from schema.store import Store
from tests.schema import rows


class Wire:
    """A wire between client and server that can lose the server's answers and then break."""

    def __init__(self, database_url: str, folder: Path) -> None:
        there = database_url.split("host=")[1].split("&")[0]
        folder.mkdir(parents=True, exist_ok=True)
        self.url = database_url.replace(there, str(folder))
        self.lose_answers = False
        self._path = folder / ".s.PGSQL.5432"
        self._target = f"{there.replace('%2F', '/')}/.s.PGSQL.5432"

    async def __aenter__(self) -> "Wire":
        self._server = await asyncio.start_unix_server(self._serve, self._path)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(self._target)

        async def ask() -> None:
            while data := await reader.read(65536):
                back.write(data)
            back.close()

        async def answer() -> None:
            while data := await there.read(65536):
                if self.lose_answers:
                    break
                writer.write(data)
            writer.close()

        await asyncio.gather(ask(), answer(), return_exceptions=True)


async def test_an_answer_lost_after_the_commit_is_still_our_commit(database_url: str, state_dir: Path) -> None:
    """The server commits and the wire dies before it says so: the next attempt must say True, or nobody would send."""
    async with Wire(database_url, state_dir) as wire:
        settings = load_settings(**{"state_dir": state_dir, "database_url": wire.url})
        store = await Store.open(settings, SYSTEM_CLOCK)
        first, second = rows.signal(1), rows.signal(2)
        assert await store.commit_signal(first, rows.copies(first, ["A"])) is True
        wire.lose_answers = True
        with pytest.raises(driver.JournalDown):
            await store.commit_signal(second, rows.copies(second, ["A"]))
        wire.lose_answers = False
        assert (await store.counts())[0] == 2, "it was committed"
        assert await store.commit_signal(second, rows.copies(second, ["A"])) is True
        assert await store.commit_signal(second, rows.copies(second, ["A"])) is False
        await store.close()


async def test_a_signal_somebody_else_committed_meanwhile_is_theirs(
    database_url: str, state_dir: Path, settings: Settings
) -> None:
    """The same lost answer, but the row is another desk's: then it is theirs to send."""
    async with Wire(database_url, state_dir) as wire:
        through = load_settings(**{"state_dir": state_dir, "database_url": wire.url})
        ours, theirs = await Store.open(through, SYSTEM_CLOCK), await Store.open(settings, SYSTEM_CLOCK)
        signal = rows.signal(1)
        assert await theirs.commit_signal(signal, rows.copies(signal, ["A"])) is True
        wire.lose_answers = True
        with pytest.raises(driver.JournalDown):
            await ours.commit_signal(signal, rows.copies(signal, ["A"]))
        wire.lose_answers = False
        assert await ours.commit_signal(signal, rows.copies(signal, ["A"])) is False
        await ours.close()
        await theirs.close()
