"""ProjectX on the contract's bench."""

from brokers.adapter import BrokerAdapter
from brokers.projectx.adapter import ProjectXAdapter
from brokers.projectx.connection import Timing
from brokers.sandbox.orders import Reason
from brokers.sandbox.settings import ProjectXSettings
from schema.records import ConnectionConfig, Environment
from tests.brokers.contract.bench import Bench
from tests.brokers.contract.line import websocket_frame
from tests.brokers.contract.venue import CONNECTION, USERNAME, Fact, Seat, Venue, rejects

_TIMING = Timing(ping_s=0.3, silent_s=1.0, dead_s=6.0, poll_s=0.2, expect_s=0.3, check_s=0.02, bars_s=0.2)
_NO_TRAIL = Fact(text="whether trailPrice is a distance or a level is not verified", source="protocols/projectx.md 2.3")
_NO_TIME = Fact(text="an order has no field for how long it lives", source="protocols/projectx.md 2.3")


def _build(seat: Seat) -> BrokerAdapter:
    config = ConnectionConfig(
        connection=CONNECTION,
        venue="projectx",
        environment=seat.environment,
        username=USERNAME,
        rest_url=f"http://127.0.0.1:{seat.port}",
        requests_per_min=seat.settings.requests_per_min,
    )
    return ProjectXAdapter(config, seat.credentials, seat.settings, seat.clock, seat.emit, seat.random, _TIMING)


def _garble(bench: Bench) -> int:
    said = (
        '{"type":1,"target":"GatewayUserOrder","arguments":[{"action":1,"data":{"id":"none"}}]}\x1e',
        "{not json\x1e",
        '{"type":1,"target":"GatewayUserTrade","arguments":[]}\x1e',
    )
    assert bench.line is not None
    for text in said:
        assert bench.line.inject(websocket_frame(text), opened_with=b"GET /hubs/user") == 1
    return len(said)


PROJECTX = Venue(
    name="projectx",
    door="projectx",
    title="ProjectX",
    build=_build,
    garble=_garble,
    rejects=rejects(Reason.NOT_ENOUGH_LIQUIDITY, "Insufficient funds", closed="Outside trading hours"),
    facts={
        "order_types:stop_limit": Fact(
            text="the page of the place request leaves type 3 out; whether it is taken is not verified",
            source="protocols/projectx.md 2.3",
        ),
        "native_trailing": _NO_TRAIL,
        "links_orders": Fact(
            text="bracket ticks count from the fill, whose price an order of the desk's can't know",
            source="protocols/projectx.md 2.3",
        ),
        "order_types:trailing_stop": _NO_TRAIL,
        "times_in_force:gtc": _NO_TIME,
        "times_in_force:ioc": _NO_TIME,
        "times_in_force:fok": _NO_TIME,
    },
    place="order/place",
    modify="order/modify",
    cancel="order/cancel",
    close="position/closecontract",
    options={"projectx": ProjectXSettings(requests=0, ping_s=0.3, logout_on_second_login=False)},
    other_kind=(Environment.DEMO, "EXPRESS1001"),
)
