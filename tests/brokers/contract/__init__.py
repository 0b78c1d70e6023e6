"""The contract every adapter keeps: numbered cards, each run against every venue's sandbox door over real sockets.

A card (`cards.py`) names what it needs of a venue; a venue whose flags lack it runs the card's counterpart, which
proves that the adapter refuses. `venues/` has one small file a venue: how its door and adapter start, which of its
words mean what, and the fact behind every missing flag. `python -m tests.brokers.contract` writes `docs/adapters.md`.
"""

import pytest

# Cards assert outside of files that pytest takes for tests: their asserts explain themselves all the same.
pytest.register_assert_rewrite("tests.brokers.contract.cases", "tests.brokers.contract.bench")
