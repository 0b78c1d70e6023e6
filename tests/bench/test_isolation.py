"""A venue that is down, slow, lies or spams holds up no copy at another. The bound is generous, for a loaded machine;
`make bench` has the figures, for each venue with each fault."""

from pathlib import Path
from statistics import median

import pytest

from tests.bench.isolation import four_venues, take_turns

FAULTY = (("fix", "down"), ("ninjatrader", "slow"), ("tradovate", "lying"), ("projectx", "spamming"))


@pytest.mark.parametrize(("venue", "fault"), FAULTY)
async def test_a_faulty_venue_does_not_delay_the_copies_at_the_others(venue: str, fault: str, state_dir: Path) -> None:
    async with four_venues(state_dir) as desk:
        without, beside = await take_turns(desk, venue, fault, rounds=2, trades=12)
        figures = [f"p50 {median(each):.2f}, worst {max(each):.2f} ms" for each in (without, beside)]
        print(f"without {figures[0]}; beside {figures[1]}")
        assert min(len(without), len(beside)) >= 200  # of 24 trades, at the three venues that are well
        assert median(beside) < 3 * median(without) + 5
