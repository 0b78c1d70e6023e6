import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.brokers.sandbox.raw_client import Bench, running

TAPE = Path(os.environ.get("COPYDESK_TAPE", Path(__file__).parents[4] / "shared/data/es-h4-2023-12-25.csv.gz"))


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with running(tmp_path) as bench:
        yield bench


@pytest.fixture
def tape() -> Path:
    if not TAPE.exists():
        pytest.skip(f"the recorded tape is not here: {TAPE}")
    return TAPE
