"""What each venue can do, as its adapter says it: the desk places natively what is here, and holds the rest itself."""

from random import Random

import pytest

from brokers.adapter import AdapterSettings, BrokerAdapter, Credentials, TellsHistory, TellsMarket, Trails
from brokers.ninjatrader.capabilities import capabilities_of
from brokers.registry import build_adapter
from schema.clock import SYSTEM_CLOCK
from schema.records import (
    AccountConfig,
    ConnectionConfig,
    Environment,
    FixLogin,
    NinjaLogin,
    NinjaReadings,
    OrderType,
    TimeInForce,
)

PLAIN = {OrderType.MARKET, OrderType.LIMIT, OrderType.STOP}

MATRIX = {
    # venue: (links orders, trails stops, GTC, order types)
    "tradovate": (True, True, True, set(OrderType)),
    "projectx": (False, False, False, PLAIN),  # bracket ticks from the fill, and trailPrice and 3 unverified
    "fix": (False, False, True, PLAIN | {OrderType.STOP_LIMIT}),
    "ninjatrader": (False, False, True, PLAIN | {OrderType.STOP_LIMIT}),
}


def adapter_of(venue: str) -> BrokerAdapter:
    login = FixLogin(host="127.0.0.1", port=1, sender_comp_id="A", target_comp_id="B")
    config = ConnectionConfig(
        connection="one",
        venue=venue,
        environment=Environment.DEMO,
        username="one",
        fix=login if venue == "fix" else None,
    )
    return build_adapter(
        config,
        Credentials(username="one", password="two", device_id="three"),
        AdapterSettings(deadline_s=1, requests_per_min=60, reserved_for_exits=20, reconnect_cap_s=1),
        SYSTEM_CLOCK,
        lambda event: None,
        Random(1),
        accounts=(AccountConfig(account="DEMO1", connection="one", venue_id="1"),),
    )


@pytest.mark.parametrize("venue", MATRIX)
def test_a_venue_can_what_the_matrix_says(venue: str) -> None:
    able = adapter_of(venue).capabilities
    gtc = TimeInForce.GTC in able.times_in_force
    assert (able.links_orders, able.native_trailing, gtc, set(able.order_types)) == MATRIX[venue]


@pytest.mark.parametrize("venue", MATRIX)
def test_what_an_adapter_says_it_can_hangs_together(venue: str) -> None:
    adapter = adapter_of(venue)
    able = adapter.capabilities
    assert able.venue == venue
    assert able.order_types >= PLAIN
    assert able.native_brackets or not able.links_orders
    # A venue that trails stops has an adapter that can change one, and takes such orders.
    assert able.native_trailing == (OrderType.TRAILING_STOP in able.order_types)
    assert isinstance(adapter, Trails) or not able.native_trailing
    assert isinstance(adapter, TellsMarket) == able.depth
    assert isinstance(adapter, TellsHistory) == able.bars


@pytest.mark.parametrize(
    ("login", "asks", "exits"),
    [
        (NinjaLogin(host="127.0.0.1"), True, False),
        (NinjaLogin(host="127.0.0.1", readings=NinjaReadings.CACHE), False, False),
        (NinjaLogin(host="127.0.0.1", folder="/nowhere"), True, True),
    ],
)
def test_a_ninjatrader_can_what_its_login_is_set_to(login: NinjaLogin, asks: bool, exits: bool) -> None:
    """What accounts hold can be asked of new connections only, exits have the files beside the socket."""
    able = capabilities_of(login)
    assert (able.lists_positions, able.tells_gap, able.exits_without_stream) == (asks, asks, exits)
