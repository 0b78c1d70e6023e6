"""What a read of the configuration brings, when reads overtake each other and the kill switch is pulled meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from engine.newest_config import NewestConfig
from schema.records import DeskConfig, Guard
from schema.store import StoreRefused

_OLD = DeskConfig(flattened=(("A", 1),))
_NEW = DeskConfig(flattened=(("A", 2),))


class Slow:
    """A database that answers each read when told to, with what it is told."""

    def __init__(self) -> None:
        self.asked: list[asyncio.Future[DeskConfig]] = []
        self.newest = NewestConfig(self._read)

    async def _read(self) -> DeskConfig:
        self.asked.append(asyncio.get_running_loop().create_future())
        return await self.asked[-1]

    async def begin(self) -> asyncio.Task[None]:
        reading = asyncio.create_task(self.newest.read())
        await asyncio.sleep(0)  # it has asked
        return reading


async def test_what_was_overtaken_by_a_newer_read_is_thrown_away() -> None:
    slow = Slow()
    first, second = await slow.begin(), await slow.begin()
    slow.asked[1].set_result(_NEW)
    await second
    slow.asked[0].set_result(_OLD)
    await first
    assert slow.newest.config == _NEW


async def test_no_read_from_before_a_kill_lifts_its_halt_however_late_it_comes() -> None:
    slow = Slow()
    before = await slow.begin()
    slow.newest.halt()
    while_owed = await slow.begin()
    slow.newest.halt_stored()
    slow.asked[0].set_result(_OLD)
    await before
    assert slow.newest.config.guard is Guard.HALT
    slow.asked[1].set_result(_NEW)
    await while_owed
    assert slow.newest.config.guard is Guard.HALT and slow.newest.config.flattened == _NEW.flattened
    lifted = await slow.begin()
    slow.asked[2].set_result(_NEW)
    await lifted
    assert slow.newest.config.guard is Guard.NONE


async def test_a_read_that_fails_or_cannot_be_traded_leaves_what_was_held() -> None:
    slow = Slow()
    first = await slow.begin()
    slow.asked[0].set_result(_NEW)
    await first
    refused = await slow.begin()
    slow.asked[1].set_exception(StoreRefused("a group without a leader"))
    with pytest.raises(StoreRefused):
        await refused
    assert slow.newest.config == _NEW
