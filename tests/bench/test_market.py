"""What the market-data core promises of speed: a storm costs less than two fifths of a core, and no quote is old."""

import asyncio

import pytest
import uvloop

from engine.latency import percentile
from engine.market.kernel import why_missing
from tests.bench import market


def test_a_storm_of_quotes_costs_little_and_every_quote_is_shown_within_100_ms() -> None:
    if missing := why_missing():
        pytest.skip(f"there is no compiled kernel here: {missing}")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        share, _ = runner.run(market.run("compiled", market.RATE, 3))
        _, ages = runner.run(market.run("compiled", 20_000, 3))
    assert percentile(sorted(share), 50) <= 40
    assert percentile(sorted(ages), 99) <= 100
