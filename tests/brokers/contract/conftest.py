"""The contract runs on the loop the engine runs on, and counts what a card asserts."""

from typing import Any

import pytest
import uvloop

ASSERTED = pytest.StashKey[int]()


@pytest.fixture(scope="session")
def event_loop_policy() -> uvloop.EventLoopPolicy:
    return uvloop.EventLoopPolicy()


def pytest_assertion_pass(item: pytest.Item, **_: Any) -> None:
    item.stash[ASSERTED] = item.stash.get(ASSERTED, 0) + 1
