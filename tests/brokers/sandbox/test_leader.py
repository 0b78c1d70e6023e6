"""The scripted leader: what it does, where it stops."""

import itertools
from collections import Counter
from decimal import Decimal
from random import Random

import pytest

from brokers.sandbox.accounts import Account
from brokers.sandbox.instruments import Catalogue
from brokers.sandbox.leader import Leader
from brokers.sandbox.market_synthetic import SyntheticMarket
from brokers.sandbox.orders import OrderStatus
from brokers.sandbox.venue import Venue
from schema.clock import SYSTEM_CLOCK
from schema.records import OrderType
from tests.brokers.sandbox.raw_client import Bench


def traded(seed: int, steps: int = 600) -> tuple[Venue, Leader, list[int], Counter[str]]:
    """A leader's run on the made-up market, a step every five of its seconds, with the position after each."""
    catalogue, ids = Catalogue(), itertools.count(1)
    venue = Venue(catalogue, SYSTEM_CLOCK, lambda: next(ids))
    venue.accounts[1] = Account(1, "A1", 1, Decimal(250_000))
    market = SyntheticMarket(Random(seed), catalogue.fronts, 0)
    market.open(venue)
    leader = Leader(venue, 1, catalogue.fronts[0], Random(seed))
    nets, actions = list[int](), Counter[str]()
    for _ in range(steps):
        actions[leader.step()] += 1
        for _ in range(50):
            market.advance(100_000_000)
            nets.append(venue.accounts[1].net(catalogue.fronts[0]))
    return venue, leader, nets, actions


@pytest.mark.parametrize("seed", [1, 7, 42])
def test_the_leader_does_everything_a_leader_does_and_stays_within_six(seed: int) -> None:
    venue, leader, nets, actions = traded(seed)
    assert max(map(abs, nets)) <= 6
    assert {"enter", "scale in", "scale out", "flip", "stop and reverse", "reprice"} <= actions.keys()
    flips = sum(1 for before, after in itertools.pairwise(nets) if before * after < 0)
    assert flips > 5
    stops = [order for order in venue.orders.values() if order.terms.order_type is OrderType.STOP]
    assert any(order.triggered and order.status is OrderStatus.FILLED for order in stops)
    limits = [order for order in venue.orders.values() if order.terms.order_type is OrderType.LIMIT]
    fills = Counter(fill.order_id for fill in venue.fills)
    assert any(fills[order.order_id] > 1 for order in limits), "some limits fill in parts"
    assert len(venue.fills) > 300
    leader.rest(flat=True)
    assert not list(venue.live_orders(1))
    assert venue.accounts[1].net(venue.catalogue.fronts[0]) == 0


def test_the_same_seed_leads_the_same_way() -> None:
    assert traded(3, 100)[2:] == traded(3, 100)[2:]


async def test_the_control_socket_starts_and_stops_the_leader(bench: Bench) -> None:
    socket = await bench.synced("leader")
    await bench.control("market", paused=False)
    await bench.control("leader", action="start", pace_s=0.01)
    await socket.until(lambda: len(socket.events("fill")) > 10)
    steps = (await bench.control("leader", action="stop", flat=True))["steps"]
    account = (await bench.control("state", account="DEMO1000"))["accounts"][0]
    assert (account["positions"], account["working"]) == ({}, 0)
    await bench.control("leader", action="step", steps=2)
    assert (await bench.control("leader", action="stop"))["steps"] == steps + 2
