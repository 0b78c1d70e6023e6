"""NinjaTrader on the contract's bench."""

from brokers.adapter import BrokerAdapter
from brokers.ninjatrader.adapter import NinjaTraderAdapter
from brokers.sandbox.ninjatrader_door import NinjaTraderDoor
from brokers.sandbox.orders import Reason
from schema.records import ConnectionConfig, NinjaLogin
from tests.brokers.contract.bench import Bench
from tests.brokers.contract.venue import CONNECTION, USERNAME, Fact, Seat, Venue, rejects

_NO_TIME = Fact(
    text="an order is good for the day or until it is canceled, no other way", source="protocols/ninjatrader.md B3"
)


def _build(seat: Seat) -> BrokerAdapter:
    config = ConnectionConfig(
        connection=CONNECTION,
        venue="ninjatrader",
        environment=seat.environment,
        username=USERNAME,
        requests_per_min=seat.settings.requests_per_min,
        ninja=NinjaLogin(host="127.0.0.1", port=seat.port),
    )
    return NinjaTraderAdapter(
        config,
        seat.credentials,
        seat.settings,
        seat.clock,
        seat.emit,
        seat.random,
        accounts=seat.accounts,
        sessions=seat.sessions,
    )


def _named(bench: Bench, order_id: int) -> str:
    """Its adapter calls an order what NinjaTrader does: an order of the desk's by our id."""
    door = bench.sandbox.doors["ninjatrader"]
    assert isinstance(door, NinjaTraderDoor)
    return door.desktop(USERNAME).named(order_id)


def _garble(bench: Bench) -> int:
    assert bench.line is not None
    said = (b"2\0Filled|x1\0many\0", b"2\0MarketPosition|ES 03-34|DEMO1001\0many\0", b"9\0what\0")
    for each in said:
        assert bench.line.inject(each, opened_with=b"") >= 1
    return len(said)


NINJATRADER = Venue(
    name="ninjatrader",
    door="ninjatrader",
    title="NinjaTrader",
    build=_build,
    garble=_garble,
    rejects=rejects(Reason.NOT_ENOUGH_LIQUIDITY, "Insufficient margin"),
    facts={
        "duplicate_tag_rejected": Fact(
            text="what an order id that was used before does is not documented, so nothing relies on it",
            source="protocols/ninjatrader.md B3",
        ),
        "native_brackets": Fact(
            text="brackets come from a template in NinjaTrader alone, which the desk does not know",
            source="protocols/ninjatrader.md B3",
        ),
        "native_trailing": Fact(text="no order type trails a stop", source="protocols/ninjatrader.md B3"),
        "links_orders": Fact(
            text="no command places orders that belong together: an OCO id is given one order at a time",
            source="protocols/ninjatrader.md B3",
        ),
        "order_types:trailing_stop": Fact(text="no order type trails a stop", source="protocols/ninjatrader.md B3"),
        "times_in_force:ioc": _NO_TIME,
        "times_in_force:fok": _NO_TIME,
        "depth": Fact(
            text="prices only: there is no depth, and trades are not told", source="protocols/ninjatrader.md B7"
        ),
        "bars": Fact(text="prices only: there is no history", source="protocols/ninjatrader.md B7"),
        "lists_accounts": Fact(
            text="accounts can't be listed: those of the configuration are all there are",
            source="protocols/ninjatrader.md B2",
        ),
        "describes_contracts": Fact(
            text="there is no search and no description: tick size and value are the product table's",
            source="protocols/ninjatrader.md B7",
        ),
        "tokens_expire": Fact(
            text="there is no login, and so no token that ends", source="protocols/ninjatrader.md B1"
        ),
        "authenticates": Fact(text="there is no login and no secret", source="protocols/ninjatrader.md B1"),
        "answers_commands": Fact(
            text="a command has no answer: what it did shows in values, or not at all",
            source="protocols/ninjatrader.md B3",
        ),
        "tells_terms": Fact(
            text="values tell of an order a state and what is filled: not its account, side, quantity or prices",
            source="protocols/ninjatrader.md B4",
        ),
        "executions": Fact(
            text="there are no executions: lots are derived from filled quantities and average prices, their sum exact "
            "to the tick",
            source="protocols/ninjatrader.md B4",
        ),
        "tags_closes": Fact(
            text="the order that closes a position has an id of NinjaTrader's making",
            source="protocols/ninjatrader.md B3",
        ),
        "throttles": Fact(text="no limit is documented, and nothing says so", source="protocols/ninjatrader.md B5"),
        "exits_without_stream": Fact(
            text="while the port is closed orders leave by file, where a login says which folder that is",
            source="protocols/ninjatrader.md B3",
        ),
        "reject_reasons": Fact(
            text="a reject is a state without a word: the reason is in NinjaTrader's Log tab alone",
            source="protocols/ninjatrader.md B3",
        ),
    },
    place="PLACE",
    modify="CHANGE",
    cancel="CANCEL",
    close="CLOSEPOSITION",
    named=_named,
)
