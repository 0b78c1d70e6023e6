"""Both kernels for tests that ask for one."""

import pytest

from engine.market.kernel import Choice, open_kernel, why_missing
from engine.market.market import Market
from engine.market.ports import Kernel, Limits


@pytest.fixture(params=["compiled", "python"])
def choice(request: pytest.FixtureRequest) -> Choice:
    if request.param == "compiled" and (missing := why_missing()):
        pytest.skip(f"there is no compiled kernel here: {missing}")
    return request.param


@pytest.fixture
def kernel(choice: Choice) -> Kernel:
    return open_kernel(choice, Limits(tape_kept=8))


@pytest.fixture
def market(choice: Choice) -> Market:
    return Market(choice)
