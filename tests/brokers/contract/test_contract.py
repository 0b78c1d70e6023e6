"""Every card against every venue. A card that neither ran nor was declared fails, and so does one that asserts
nothing."""

import logging
from typing import Any

import pytest

from tests.brokers.contract import cases  # noqa: F401 - makes the cards
from tests.brokers.contract.bench import SECRET, bench_at
from tests.brokers.contract.cards import CARDS, Card, offers
from tests.brokers.contract.conftest import ASSERTED
from tests.brokers.contract.venue import Venue
from tests.brokers.contract.venues import VENUES


@pytest.mark.parametrize("card", [CARDS[number] for number in sorted(CARDS)], ids=lambda card: card.name)
@pytest.mark.parametrize("venue", VENUES.values(), ids=VENUES)
async def test_contract(
    venue: Venue, card: Card, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture, capfd: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    offered = offers(venue.capabilities, card.needs)
    run = card.run if offered else card.without
    assert run is not None
    async with bench_at(venue, need=card.needs, line=card.line) as bench:
        assert offered or bench.fact is not None, f"{venue.name} lacks {card.needs}, and no fact says why"
        if card.connect:
            await bench.adapter.connect()
        before = request.node.stash.get(ASSERTED, 0)
        await run(bench)
        assert request.node.stash.get(ASSERTED, 0) > before, f"{card.name} asserted nothing"
        await bench.settled()
    bench.audit()
    said = capfd.readouterr()
    assert SECRET not in caplog.text + said.out + said.err, "the login's secret was logged"
