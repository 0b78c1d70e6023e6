"""The venue that the FIX initiator of our own asks: its market stands still unless a test moves it."""

from collections.abc import AsyncIterator

import pytest

from tests.brokers.fix.door import Practice, practice


@pytest.fixture
async def venue() -> AsyncIterator[Practice]:
    async with practice() as found:
        found.order("market", paused=True)
        yield found
