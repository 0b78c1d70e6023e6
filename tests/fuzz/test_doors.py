"""The practice doors that speak JSON under fire: Tradovate's frames and requests, ProjectX's hub records and requests.

What a client may ask is that of the facts page with fields lost or holding anything. Every request is answered with a
status below 500, and whoever asks next is served.
"""

from functools import partial
from random import Random
from typing import Any, cast
from unittest.mock import Mock

import msgspec
from aiohttp.streams import StreamReader
from aiohttp.test_utils import make_mocked_request

from brokers.sandbox.doors import User
from brokers.sandbox.projectx_door import ProjectXDoor
from brokers.sandbox.projectx_hub import SEPARATOR, Hub
from brokers.sandbox.settings import DoorSettings, ProjectXSettings
from brokers.sandbox.tradovate_front import TradovateFront
from brokers.sandbox.tradovate_rest import TradovateRest
from brokers.sandbox.tradovate_socket import Socket
from schema.clock import SYSTEM_CLOCK
from tests.fuzz.running import (
    DEEP,
    HUGE,
    LENGTHS,
    NASTY,
    as_json,
    bent,
    cut_up,
    hammer,
    junk,
    noise,
    on_one_loop,
    spoilt,
    word,
)
from tests.fuzz.venue import close_account, open_account, sandbox

AT = "2026-11-21T02:19:48.541Z"
TRADOVATE_ORDER: dict[str, Any] = {
    "accountSpec": "SIM1", "accountId": 0, "action": "Buy", "symbol": "ESH4", "orderQty": 2, "orderType": "Limit",
    "price": 4000.25, "stopPrice": 4001, "timeInForce": "Day", "clOrdId": "C1", "isAutomated": True,
}  # fmt: skip
LEG = {"action": "Sell", "orderType": "Limit", "price": 6000, "clOrdId": "C2", "timeInForce": "GTC"}
TRADOVATE: dict[str, dict[str, Any]] = {
    "order/placeorder": TRADOVATE_ORDER,
    "order/placeoco": {**TRADOVATE_ORDER, "other": LEG},
    "order/placeoso": {**TRADOVATE_ORDER, "bracket1": LEG, "bracket2": {**LEG, "orderType": "Stop", "stopPrice": 3000}},
    "order/modifyorder": {"orderId": 0, "orderQty": 3, "orderType": "Limit", "price": 4001, "isAutomated": True},
    "order/cancelorder": {"orderId": 0},
    "order/liquidateposition": {"accountId": 0, "contractId": 1, "admin": False},
    "order/list": {},
    "order/items": {"ids": "1,2,3"},
    "fill/deps": {"masterid": "7"},
    "contract/find": {"name": "ESH4"},
    "contract/item": {"id": 1},
    "contract/suggest": {"t": "ES", "l": 10},
    "user/syncrequest": {"users": [1], "entityTypes": ["order"]},
    "md/subscribequote": {"symbol": "ESH4"},
    "md/getchart": {
        "symbol": "ESH4",
        "chartDescription": {"underlyingType": "MinuteBar", "elementSize": 1, "elementSizeUnit": "UnderlyingUnits"},
        "timeRange": {"asMuchAsElements": 20},
    },
    "auth/accesstokenrequest": {"name": "DESK", "password": "x", "appId": "a", "appVersion": "1", "deviceId": "d"},
    "auth/renewaccesstoken": {},
    "auth/me": {},
}
PROJECTX_ORDER: dict[str, Any] = {
    "accountId": 0, "contractId": "CON.F.US.EP.H24", "type": 1, "side": 0, "size": 2, "limitPrice": 4000.25,
    "stopPrice": 4001, "trailPrice": None, "customTag": "C1", "stopLossBracket": {"ticks": 8, "type": 4},
    "takeProfitBracket": {"ticks": 8, "type": 1},
}  # fmt: skip
PROJECTX: dict[str, dict[str, Any]] = {
    "Order/place": PROJECTX_ORDER,
    "Order/modify": {"accountId": 0, "orderId": 0, "size": 3, "limitPrice": 4001, "stopPrice": None},
    "Order/cancel": {"accountId": 0, "orderId": 0},
    "Order/search": {"accountId": 0, "startTimestamp": AT, "endTimestamp": AT},
    "Order/searchOpen": {"accountId": 0},
    "Trade/search": {"accountId": 0, "startTimestamp": AT},
    "Position/searchOpen": {"accountId": 0},
    "Position/closeContract": {"accountId": 0, "contractId": "CON.F.US.EP.H24"},
    "Position/partialCloseContract": {"accountId": 0, "contractId": "CON.F.US.EP.H24", "size": 1},
    "Account/search": {"onlyActiveAccounts": True},
    "Contract/search": {"searchText": "ES", "live": False},
    "Contract/searchById": {"contractId": "CON.F.US.EP.H24"},
    "Contract/available": {"live": False},
    "History/retrieveBars": {
        "contractId": "CON.F.US.EP.H24", "live": False, "startTime": AT, "endTime": AT, "unit": 2, "unitNumber": 1,
        "limit": 20, "includePartialBar": True,
    },
    "Auth/loginKey": {"userName": "DESK", "apiKey": "x"},
    "Auth/validate": {},
}  # fmt: skip
Asked = list[tuple[str, bytes]]
"""Endpoints and bodies, in turn."""


def _asked(random: Random, requests: dict[str, dict[str, Any]]) -> Asked:
    made: Asked = []
    for _ in range(random.randrange(1, 7)):
        endpoint = random.choice(sorted(requests))
        body = as_json(
            bent(random, requests[endpoint]) if requests[endpoint] and random.random() < 0.9 else junk(random)
        )
        if random.random() < 0.1:
            body = random.choice([spoilt(random, body), noise(random), b"undefined", b"a=1&b=%ff", b"[" * 5_000])
        made.append((endpoint if random.random() < 0.95 else word(random), body))
    return made


def _request(path: str, body: bytes, token: str) -> Any:
    payload = StreamReader(Mock(), 2**20)
    payload.feed_data(body)
    payload.feed_eof()
    return make_mocked_request("POST", path, headers={"Authorization": f"Bearer {token}"}, payload=payload)


def _filled_in(endpoint: str, body: bytes, account_id: int, order_id: int) -> bytes:
    """The templates' zeros are this login's account and its last order."""
    return body.replace(b'"accountId":0', b'"accountId":%d' % account_id).replace(
        b'"orderId":0', b'"orderId":%d' % order_id
    )


async def _tradovate_serves(asked: Asked) -> None:
    """Over REST and over the socket: every request is answered, none with a fault of the venue's own."""
    account_id = open_account()
    front = TradovateFront(sandbox().house, DoorSettings(requests_per_min=10_000_000))
    front.add_user(User(user_id=1, name="DESK", password="pw", account_ids=[account_id]))
    sandbox().venue.events = front.on_event
    door = front._door  # pyright: ignore[reportPrivateUsage]
    rest = TradovateRest(door, set(), cast(Any, None))
    body = as_json({"name": "DESK", "password": "pw", "appId": "a", "appVersion": "1", "deviceId": "d"})
    answer: Any = await rest._serve(_request("/v1/auth/accesstokenrequest", body, ""))  # pyright: ignore[reportPrivateUsage]
    token = msgspec.json.decode(answer.body)["accessToken"]
    socket = Socket(door, cast(Any, None), None, cast(Any, None), lambda _: False)
    socket._on_frame(f"authorize\n1\n\n{token}")  # pyright: ignore[reportPrivateUsage]
    order_id, number = 0, 2
    for endpoint, given in asked:
        orders = [order.order_id for order in sandbox().venue.live_orders(account_id)]
        order_id = orders[-1] if orders else order_id
        body = _filled_in(endpoint, given, account_id, order_id)
        if endpoint.isascii() and endpoint.isprintable() and " " not in endpoint:
            answer = await rest._serve(_request(f"/v1/{endpoint}", body, token))  # pyright: ignore[reportPrivateUsage]
            assert answer.status < 500
        socket._outbox.clear()  # pyright: ignore[reportPrivateUsage]
        endpoint = endpoint.replace("\n", "")
        socket._on_frame(f"{endpoint}\n{number}\n\n{body.decode('utf-8', 'replace')}")  # pyright: ignore[reportPrivateUsage]
        if endpoint.strip() and endpoint.strip() != "[]":
            assert any(f'"i":{number}' in frame for frame in socket._outbox), (endpoint, body[:200])  # pyright: ignore[reportPrivateUsage]
        number += 1
    socket._on_frame(f"auth/me\n{number}\n\n")  # pyright: ignore[reportPrivateUsage]
    assert any(f'"i":{number}' in frame for frame in socket._outbox)  # pyright: ignore[reportPrivateUsage]
    door.stream.flush()
    close_account(account_id)


def _with(requests: dict[str, dict[str, Any]], endpoint: str, field: str, values: list[Any]) -> list[Asked]:
    return [[(endpoint, as_json({**requests[endpoint], field: each}))] for each in values]


_NUMBERS: list[Any] = [*HUGE, -1, 0.1, *DEEP]
_BYTES = [b"\xc1", b'{"a":"\xfe"}', b"[" * 5_000, b'{"a":' * 5_000, b"", b"null", b"[]", b"a=1&b=%ff"]
TRADOVATE_SEEDS = [
    *([("order/placeorder", each)] for each in _BYTES),
    *_with(TRADOVATE, "order/placeorder", "price", [*NASTY, *_NUMBERS]),
    *_with(TRADOVATE, "order/placeorder", "orderQty", [*NASTY, *_NUMBERS]),
    *_with(TRADOVATE, "order/placeorder", "expireTime", NASTY),
    *_with(TRADOVATE, "order/placeorder", "pegDifference", [*NASTY, *_NUMBERS]),
    *_with(TRADOVATE, "order/items", "ids", NASTY),
    *_with(TRADOVATE, "contract/suggest", "l", [*NASTY, *_NUMBERS]),
    *_with(TRADOVATE, "md/getchart", "timeRange", [{"asMuchAsElements": each} for each in (*_NUMBERS, *NASTY)]),
    *_with(TRADOVATE, "md/getchart", "timeRange", [{"asFarAsTimestamp": each} for each in NASTY]),
]


@LENGTHS
def test_tradovate_door_answers_whatever_is_asked(seconds: float) -> None:
    with on_one_loop() as run:
        make = partial(_asked, requests=TRADOVATE)
        hammer("tradovate door", make, lambda asked: run(_tradovate_serves(asked)), TRADOVATE_SEEDS, seconds)


async def _projectx_serves(asked: Asked) -> None:
    """Every request is answered, none with a fault of the venue's own."""
    account_id = open_account()
    front = ProjectXDoor(sandbox().house, ProjectXSettings(requests=10_000_000))
    front.add_user(User(user_id=1, name="DESK", password="pw", account_ids=[account_id]))
    sandbox().venue.events = front.on_event
    serve = front._rest._serve  # pyright: ignore[reportPrivateUsage]
    answer: Any = await serve(_request("/api/Auth/loginKey", as_json({"userName": "DESK", "apiKey": "pw"}), ""))
    token = msgspec.json.decode(answer.body)["token"]
    order_id = 0
    for endpoint, given in asked:
        orders = [order.order_id for order in sandbox().venue.live_orders(account_id)]
        order_id = orders[-1] if orders else order_id
        if endpoint.isascii() and endpoint.isprintable() and " " not in endpoint:
            answer = await serve(_request(f"/api/{endpoint}", _filled_in(endpoint, given, account_id, order_id), token))
            assert answer.status < 500
    answer = await serve(_request("/api/Account/search", b'{"onlyActiveAccounts":true}', token))
    assert msgspec.json.decode(answer.body)["success"]
    close_account(account_id)


PROJECTX_SEEDS = [
    *([("Order/place", each)] for each in _BYTES),
    *_with(PROJECTX, "Order/place", "limitPrice", [*NASTY, *_NUMBERS]),
    *_with(PROJECTX, "Order/place", "size", [*NASTY, *_NUMBERS]),
    *_with(
        PROJECTX, "Order/place", "stopLossBracket", [{"ticks": each, "type": 4} for each in (*_NUMBERS, 10**40, -8, 0)]
    ),
    *_with(PROJECTX, "Order/search", "startTimestamp", NASTY),
    *_with(PROJECTX, "History/retrieveBars", "startTime", NASTY),
    *_with(PROJECTX, "History/retrieveBars", "unitNumber", [*_NUMBERS, 10**40, 0, -1]),
    *_with(PROJECTX, "History/retrieveBars", "limit", [*_NUMBERS, 10**40, 0, -1]),
]


@LENGTHS
def test_projectx_door_answers_whatever_is_asked(seconds: float) -> None:
    with on_one_loop() as run:
        make = partial(_asked, requests=PROJECTX)
        hammer("projectx door", make, lambda asked: run(_projectx_serves(asked)), PROJECTX_SEEDS, seconds)


# --- the hub ----------------------------------------------------------------------------------------------------------

Records = tuple[list[bytes], Random]


def _records(random: Random) -> Records:
    made: list[bytes] = []
    for _ in range(random.randrange(1, 7)):
        target = random.choice(
            ["SubscribeAccounts", "SubscribeOrders", "UnsubscribeTrades", "SubscribePositions", word(random)]
        )
        frame = {
            "type": 1,
            "target": target,
            "arguments": [random.choice([1_000_000, junk(random)])],
            "invocationId": "7",
        }
        body = as_json(bent(random, frame) if random.random() < 0.8 else junk(random))
        made.append(spoilt(random, body) if random.random() < 0.1 else body)
    return made, random


async def _hub_hears(records: Records) -> None:
    """Every invocation that can be read is completed; anything else ends the connection with a close message."""
    said, random = records
    user = User(user_id=1, name="DESK", password="pw", account_ids=[1_000_000])
    session = Mock(user=user)
    hub = Hub(
        session, Mock(), None, ProjectXSettings(), sandbox().house.faults, SYSTEM_CLOCK,
        market=False, contract_known=lambda _: True, token_alive=lambda: True,
    )  # fmt: skip
    text = '{"protocol":"json","version":1}' + SEPARATOR
    text += SEPARATOR.join(each.decode("utf-8", "replace").replace(SEPARATOR, "") for each in said) + SEPARATOR
    probe = '{"type":1,"target":"SubscribeAccounts","arguments":[],"invocationId":"STILL THERE"}'
    buffer = ""
    for piece in cut_up(random, (text + probe + SEPARATOR).encode()):
        *whole, buffer = (buffer + piece.decode("latin-1")).split(SEPARATOR)
        for each in whole:
            hub._on_message(each)  # pyright: ignore[reportPrivateUsage]
    out = hub._outbox  # pyright: ignore[reportPrivateUsage]
    assert hub._closing or any("STILL THERE" in each for each in out), out[-3:]  # pyright: ignore[reportPrivateUsage]


@LENGTHS
def test_projectx_hub_completes_or_closes(seconds: float) -> None:
    with on_one_loop() as run:
        hammer("projectx door's hub", _records, lambda records: run(_hub_hears(records)), [], seconds)
