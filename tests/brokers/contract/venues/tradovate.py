"""Tradovate on the contract's bench."""

from brokers.adapter import BrokerAdapter
from brokers.sandbox.orders import Reason
from brokers.sandbox.settings import DoorSettings
from brokers.tradovate.adapter import TradovateAdapter
from schema.records import ConnectionConfig, Environment
from tests.brokers.contract.bench import Bench
from tests.brokers.contract.line import websocket_frame
from tests.brokers.contract.venue import CONNECTION, USERNAME, Fact, Seat, Venue, rejects


def _build(seat: Seat) -> BrokerAdapter:
    address = f"127.0.0.1:{seat.port}/v1"
    config = ConnectionConfig(
        connection=CONNECTION,
        venue="tradovate",
        environment=seat.environment,
        username=USERNAME,
        rest_url=f"http://{address}",
        ws_url=f"ws://{address}/websocket",
        md_url=f"ws://{address}/md/websocket",
    )
    return TradovateAdapter(config, seat.credentials, seat.settings, seat.clock, seat.emit, seat.random)


def _garble(bench: Bench) -> int:
    order = '{"entityType":"order","eventType":"Created","entity":{"id":"%s"}}'
    said = (
        'a[{"e":"props","d":' + order % "none" + "}]",
        "a[{not json",
        'a[{"e":"props","d":{"entityType":"fill","entity":{"id":1,"qty":"many"}}}]',
    )
    assert bench.line is not None
    for text in said:
        assert bench.line.inject(websocket_frame(text), opened_with=b"GET /v1/websocket") == 1
    return len(said)


TRADOVATE = Venue(
    name="tradovate",
    door="tradovate",
    title="Tradovate",
    build=_build,
    garble=_garble,
    rejects=rejects(Reason.UNKNOWN, "Insufficient margin"),
    facts={
        "duplicate_tag_rejected": Fact(
            text="what the venue does with a clOrdId it has seen is not verified, so nothing relies on it",
            source="protocols/tradovate.md 1.3",
        ),
    },
    place="order/placeorder",
    modify="order/modifyorder",
    cancel="order/cancelorder",
    close="order/liquidateposition",
    options={"door": DoorSettings(requests_per_min=0, heartbeat_s=0.5)},
    other_kind=(Environment.LIVE, "DEMO1001"),
)
