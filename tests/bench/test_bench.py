"""The benchmark itself works: a few signals without a screen, and the shape of what it writes."""

import msgspec

from tests.bench import fanout
from tests.bench.figures import Figure


def test_a_few_signals_give_figures_with_a_floor() -> None:
    found = fanout.measure(10, 10, screen=False)
    written = msgspec.json.decode(msgspec.json.encode([each.figure() for each in found]), type=list[Figure])
    first = written[0]
    assert first.name == "decision to last order sent, 10 followers, no screen"
    assert first.unit == "ms"
    assert 0 < first.p50 <= first.p99 <= first.max
    assert first.floor is not None and first.ratio is not None
    assert abs(first.ratio * first.floor - first.p50) < 1e-6
    assert first.commit and first.load >= 0
    assert all(each.line() for each in found)
