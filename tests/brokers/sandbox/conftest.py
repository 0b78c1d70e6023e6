from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.brokers.sandbox.raw_client import Bench, running


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with running(tmp_path) as bench:
        yield bench
