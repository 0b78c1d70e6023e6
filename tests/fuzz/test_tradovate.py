"""Tradovate under fire: the adapter's frames, entities, answers and logins.

Entities are those of the facts page with fields lost or holding anything, alone or in arrays, in frames that are right
or spoilt. Between them stand fills that are right: each is told once, whatever its neighbours are.
"""

from functools import partial
from random import Random
from typing import Any, cast

import aiohttp
import msgspec

from brokers.adapter import AdapterSettings, Credentials, Event, VenueError, Wanted
from brokers.budget import RequestBudget
from brokers.own import OwnOrders
from brokers.text import NOT_READ, utf8
from brokers.tradovate import entities
from brokers.tradovate.answers import judge
from brokers.tradovate.connection import Connection
from brokers.tradovate.directory import Directory
from brokers.tradovate.finding import find_orders
from brokers.tradovate.http import addresses
from brokers.tradovate.login import Login
from brokers.tradovate.market_data import MarketData, Watch
from brokers.tradovate.reads import read_exposure, read_instrument, read_snapshot
from brokers.tradovate.rest import Rest
from brokers.tradovate.session import Session
from brokers.tradovate.socket import StreamLost, VenueSocket
from brokers.tradovate.stream import Joined
from schema.clock import SYSTEM_CLOCK
from schema.records import ConnectionConfig, Environment, OrderType, Side
from tests.fuzz.running import (
    DEEP,
    LENGTHS,
    NASTY,
    Answers,
    Bare,
    as_json,
    assert_once,
    assert_sound,
    assert_told,
    bent,
    hammer,
    hopeless,
    is_json,
    junk,
    noise,
    on_one_loop,
    spoilt,
)

AT = "2026-11-21T02:19:48.541Z"
ENTITIES: dict[str, dict[str, Any]] = {
    "account": {"id": 11, "name": "DEMO11", "userId": 1, "active": True, "readonly": False},
    "contract": {"id": 21, "name": "NQH4", "contractMaturityId": 5},
    "order": {"id": 31, "accountId": 11, "action": "Buy", "contractId": 21, "timestamp": AT, "ordStatus": "Working"},
    "orderVersion": {"id": 41, "orderId": 31, "orderQty": 2, "orderType": "Limit", "price": 4990.25, "stopPrice": None},
    "command": {"id": 51, "orderId": 31, "commandType": "New", "commandStatus": "AtExecution", "clOrdId": "C1"},
    "commandReport": {
        "id": 61,
        "commandId": 51,
        "commandStatus": "RiskRejected",
        "rejectReason": "NoQuote",
        "text": "",
    },
    "executionReport": {"id": 62, "commandId": 51, "orderId": 31, "execType": "Rejected", "ordStatus": "Rejected"},
    "fill": {"id": 71, "orderId": 31, "action": "Sell", "qty": 1, "price": 5000.25, "contractId": 21, "timestamp": AT},
    "position": {"id": 81, "accountId": 11, "contractId": 21, "netPos": -2, "netPrice": 4990.25, "timestamp": AT},
    "cashBalance": {"id": 91, "accountId": 11, "amount": 250000.5, "realizedPnL": -12.5},
    "marginSnapshot": {"id": 11, "initialMargin": 12650.0, "totalUsedMargin": 12650.0},
    "accountRiskStatus": {"id": 11, "accountId": 11, "adminAction": "Normal", "liquidateOnly": None},
}
NEEDED = {"fill": ("id", "orderId", "action", "qty", "price"), "position": ("id", "accountId", "contractId", "netPos")}
OURS = {"id": 900_001, "accountId": 900_011, "action": "Buy", "contractId": 900_021, "ordStatus": "Working"}
Stream = tuple[list[bytes], int, int]
"""Frames, the fills in them that are right, the entities that nobody can read, both in whole frames."""


def _event(kind: str, entity: Any, **more: Any) -> bytes:
    return as_json({"e": "props", "d": {"entityType": kind, "eventType": "Updated", "entity": entity, **more}})


def _right(number: int) -> dict[str, Any]:
    return {
        "id": 910_000 + number,
        "orderId": 900_001,
        "action": "Buy",
        "qty": 1,
        "price": 5000.25,
        "contractId": 900_021,
    }


def _stream(random: Random) -> Stream:
    frames: list[bytes] = []
    right = hopeless_ones = 0
    for _ in range(random.randrange(1, 9)):
        messages: list[bytes] = []
        good = bad = 0
        for _ in range(random.randrange(1, 4)):
            what = random.random()
            kind = random.choice(sorted(ENTITIES))
            if what < 0.25:
                right_one = _right(right + good)
                beside = [bent(random, ENTITIES["fill"]) for _ in range(random.randrange(3))]
                messages.append(_event("fill", [*beside, right_one] if beside else right_one))
                bad += sum(hopeless(each, NEEDED["fill"]) for each in beside)
                good += 1
            elif what < 0.8:
                made = bent(random, ENTITIES[kind])
                messages.append(_event(kind, made))
                bad += hopeless(made, NEEDED.get(kind, ()))
            else:
                part = {"i": random.choice([1, 2, 10**30]), "s": random.choice([200, 404, "x"]), "d": junk(random)}
                messages.append(as_json(random.choice([part, {"e": junk(random), "d": junk(random)}, junk(random)])))
        frame = b"a[" + b",".join(messages) + b"]"
        broken = random.random() < 0.2
        if not broken and not is_json(frame[1:]):
            broken = True  # a NaN in it: nothing of the frame can be told apart
        elif broken:
            frame = random.choice([spoilt(random, frame), noise(random), b"h", b"a", b"a[]", b"a[1,2]", b"x"])
        frames.append(frame)
        if not broken:
            right, hopeless_ones = right + good, hopeless_ones + bad
    return frames, right, hopeless_ones


class Frames:
    """What stands for the WebSocket: these frames, then its end."""

    def __init__(self, frames: list[bytes]) -> None:
        self._frames = iter(frames)

    async def receive(self, timeout: float) -> Any:
        for frame in self._frames:
            return aiohttp.WSMessage(aiohttp.WSMsgType.TEXT, frame, None)
        return aiohttp.WSMessage(aiohttp.WSMsgType.CLOSED, None, None)

    async def send_frame(self, data: bytes, opcode: Any) -> None: ...
    async def close(self) -> None: ...


class Wire:
    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False

    def close(self) -> None: ...
    def abort(self) -> None: ...


class Desk:
    """A login of the adapter without a network, and what it told."""

    def __init__(self, answers: list[tuple[int, bytes]]) -> None:
        self.events: list[Event] = []
        self.directory = Directory()
        config = ConnectionConfig(
            connection="desk1",
            venue="tradovate",
            environment=Environment.DEMO,
            username="u",
            requests_per_min=10_000_000,
        )
        budget = RequestBudget(SYSTEM_CLOCK, 10_000_000, 10)
        http = cast(Any, Answers(answers))
        self.login = Login(config, Credentials(username="u", password="none"), http, budget, SYSTEM_CLOCK)
        self.login._access = "token"  # pyright: ignore[reportPrivateUsage]
        self.connection = Connection(
            config=config,
            settings=AdapterSettings(),
            clock=SYSTEM_CLOCK,
            random=Random(1),
            emit=self.events.append,
            urls=addresses(config),
            http=http,
            login=self.login,
            rest=Rest(http, self.login, budget),
            budget=budget,
            directory=self.directory,
        )
        self.own = OwnOrders("desk1", SYSTEM_CLOCK, 2.5, self.events.append, lambda _: self.session.release())
        self.session = Session(self.connection, self.own, set(), first=True)

    def joined(self, reply: entities.SyncReply) -> Joined:
        self.session.joined = Joined("desk1", self.directory, self.own, set(), reply)
        self.session.joined.start_emitting(self.events.append)
        return self.session.joined

    def assert_all_sound(self) -> None:
        assert_told(self.events, self.session.unreadable)


def _synced() -> entities.SyncReply:
    def at(kind: str, **ids: Any) -> dict[str, Any]:
        return {**ENTITIES[kind], **ids}

    given = {
        "accounts": [at("account"), at("account", id=900_011, name="DEMO900011")],
        "contracts": [at("contract"), at("contract", id=900_021, name="ESH4")],
        "orders": [OURS],
        "orderVersions": [at("orderVersion", id=900_041, orderId=900_001, orderQty=100)],
        "positions": [],
    }
    return entities.read_sync(msgspec.Raw(as_json(given)))[0]


async def _follows(stream: Stream) -> None:
    """Every fill that is right is told once, every message that nobody can read is counted, and only a `c` frame or a
    shutdown ends the stream."""
    frames, right, hopeless_ones = stream
    desk = Desk([(200, b"[]")])
    joined = desk.joined(_synced())
    socket = VenueSocket(cast(Any, Frames(frames)), cast(Any, Wire()), SYSTEM_CLOCK)
    try:
        await socket.serve(desk.session._on_event, desk.session._on_unreadable)  # pyright: ignore[reportPrivateUsage]
        raise AssertionError("the socket went on without frames")
    except StreamLost as lost:
        ended_early = str(lost) != "the connection was closed"
    desk.assert_all_sound()
    for event in joined.snapshot(0).fills:
        assert_sound(event, "snapshot")
    if ended_early:
        assert any(f.startswith(b"c") or b"shutdown" in f for f in frames), frames
        return
    assert_once(desk.events, "900001", range(910_000, 910_000 + right))
    hopeless_ones += sum(frame.startswith(b"a") and not is_json(frame[1:]) for frame in frames)
    assert desk.session.unreadable >= hopeless_ones, (
        f"{hopeless_ones} nobody can read, {desk.session.unreadable} counted"
    )
    desk.own.close()


def _alone(*messages: bytes, right: int = 0, bad: int = 0) -> Stream:
    return [b"a[" + b",".join(messages) + b"]"], right, bad


FILL = ENTITIES["fill"]
SEEDS: list[Stream] = [
    *(_alone(_event("fill", {**FILL, "price": each}), _event("fill", _right(0)), right=1) for each in NASTY),
    *(_alone(_event("fill", {**FILL, "price": Bare(each)})) for each in ("1e999999", "1e-999999", "-0", "0e-99999")),
    *(_alone(_event("fill", {**FILL, "qty": each})) for each in (0, -1, 2**63, 10**40, "x", Bare("9" * 5_000))),
    *(_alone(_event("fill", {**FILL, "id": each})) for each in (Bare("9" * 5_000), 2**63, "", -1)),
    *(_alone(_event("order", {**ENTITIES["order"], "id": each})) for each in (Bare("9" * 5_000), 2**63)),
    *(_alone(_event("order", {**ENTITIES["order"], "timestamp": each})) for each in NASTY),
    *(_alone(_event("order", {**ENTITIES["order"], "action": each})) for each in ("", "sell", "SELL", "Short")),
    *(_alone(_event("position", {**ENTITIES["position"], "netPos": each})) for each in (2**63, 10**40, 1.5, "1.5")),
    _alone(
        b'{"e":"props"}', b'{"e":"props","d":null}', b'{"e":"props","d":{"entityType":"fill","entity":null}}', bad=2
    ),
    *(_alone(_event("fill", {**FILL, "active": each})) for each in DEEP),
    ([b'a[{"e":"props","d":"\xfe"}]', b'a[{"e":"\xff"}]', b'c[1,"\xff"]'], 0, 1),
    _alone(_event("fill", []), _event("fill", [None]), _event("fill", _right(0)), right=1, bad=1),
]


@LENGTHS
def test_stream_tells_every_fill_and_counts_what_it_cannot_read(seconds: float) -> None:
    with on_one_loop() as run:
        hammer("tradovate stream", _stream, lambda stream: run(_follows(stream)), SEEDS, seconds)


# --- sync replies, answers, logins ------------------------------------------------------------------------------------

_LISTED = {collection: kind for kind, (collection, _) in entities.FOLLOWED.items()}


def _rows(random: Random, kind: str) -> list[Any]:
    return [junk(random) if random.random() < 0.1 else bent(random, ENTITIES[kind]) for _ in range(random.randrange(4))]


def _answers(random: Random) -> tuple[list[tuple[int, bytes]], bytes]:
    """What requests are answered with, and a sync reply."""
    made: list[tuple[int, bytes]] = []
    for _ in range(random.randrange(1, 6)):
        kind = random.choice(sorted(ENTITIES))
        body = as_json(
            random.choice(
                [
                    _rows(random, kind),
                    bent(random, ENTITIES[kind]),
                    bent(random, {"orderId": 31, "failureReason": "Success", "failureText": "", "commandId": 5}),
                    bent(random, {"accessToken": "t", "expirationTime": AT, "userId": 1, "userStatus": "Active"}),
                    bent(random, {"id": 5, "productId": 6, "expirationMonth": 202412, "expirationDate": AT}),
                    bent(random, {"id": 6, "name": "ES", "tickSize": 0.25, "valuePerPoint": 50}),
                    {
                        "p-ticket": "t",
                        "p-time": random.choice([0, -1, 16, Bare("1e308"), "NaN"]),
                        "p-captcha": junk(random),
                    },
                    junk(random),
                ]
            )
        )
        status = random.choice([200, 200, 200, 200, 200, 400, 401, 403, 404, 423, 429, 500, 302, 999])
        made.append((status, spoilt(random, body) if random.random() < 0.1 else body))
    reply = {name: _rows(random, kind) for name, kind in _LISTED.items() if random.random() < 0.8}
    return made, as_json(reply if random.random() < 0.9 else junk(random))


async def _answers_are_read(given: tuple[list[tuple[int, bytes]], bytes]) -> None:
    """Whatever a request is answered with: a result that is sound, or the port's own errors."""
    answers, reply = given
    desk = Desk(answers)
    for status, data in answers:
        judge(status, utf8(data), needs_order_id=True)
    try:
        read, unreadable = entities.read_sync(msgspec.Raw(reply))
    except NOT_READ:
        read = _synced()
    else:
        collections = msgspec.json.decode(reply, type=dict[str, msgspec.Raw])
        lists = [
            msgspec.json.decode(rows, type=list[msgspec.Raw] | None) for k, rows in collections.items() if k in _LISTED
        ]
        given_rows = sum(len(rows or ()) for rows in lists)
        rows = sum(len(getattr(read, name) or ()) for name in read.__struct_fields__)
        assert rows + len(unreadable) == given_rows, "a row of a sync reply is neither read nor counted"
    assert_sound(desk.joined(read).snapshot(0), "snapshot")
    wanted = Wanted(
        account="DEMO900011", cl_ord_id="C1", order_id="", symbol="ESH4", side=Side.BUY, qty=2,
        order_type=OrderType.LIMIT, sent_ns=0,
    )  # fmt: skip
    desk.directory.add_accounts([entities.Account(id=900_011, name="DEMO900011")])
    for asked in (
        lambda: read_instrument(desk.connection, "NQH4"),
        lambda: read_snapshot(desk.connection, desk.own, set(), set),
        lambda: read_exposure(desk.connection, set(), set),
        lambda: find_orders(desk.connection, desk.own, [wanted]),
        desk.login.log_in,
    ):
        try:
            assert_sound(await asked(), "read")
        except VenueError as error:
            assert str(error).isprintable(), str(error)[:80]
    desk.assert_all_sound()
    desk.own.close()


_LISTS_SEEDS = [
    ([(200, as_json({"p-ticket": "t", "p-time": wait}))], b"{}")
    for wait in (Bare("1e308"), -1, "NaN", "Infinity", None)
] + [([(200, as_json([{**FILL, "id": Bare("9" * 5_000)}]))], as_json({"fills": [{**FILL, "qty": -1}]}))]


@LENGTHS
def test_answers_are_read_or_refused_with_the_ports_own_errors(seconds: float) -> None:
    with on_one_loop() as run:
        hammer("tradovate answers", _answers, lambda given: run(_answers_are_read(given)), _LISTS_SEEDS, seconds)


# --- market data ------------------------------------------------------------------------------------------------------

_QUOTE = {
    "contractId": 900_021,
    "timestamp": AT,
    "entries": {
        "Bid": {"price": 5000.25, "size": 3},
        "Offer": {"price": 5000.5, "size": 0.5},
        "Trade": {"price": 5000},
    },
}
_BAR = {"timestamp": AT, "open": 1.5, "high": 2, "low": 1, "close": 2, "upVolume": 3, "downVolume": 4}


def _market(random: Random) -> list[bytes]:
    made: list[bytes] = []
    for _ in range(random.randrange(1, 9)):
        quotes = [bent(random, _QUOTE) for _ in range(random.randrange(3))]
        chart = {"id": random.choice([7, 8, 10**30]), "bars": [bent(random, _BAR) for _ in range(random.randrange(3))]}
        event = (
            {"e": "md", "d": {"quotes": quotes}} if random.random() < 0.5 else {"e": "chart", "d": {"charts": [chart]}}
        )
        made.append(as_json(event if random.random() < 0.9 else {"e": "md", "d": junk(random)}))
    return made


async def _market_is_told(messages: list[bytes]) -> None:
    desk = Desk([(200, b"[]")])
    desk.directory.add_contracts([entities.Contract(id=900_021, name="ESH4")])
    market = MarketData(desk.connection)
    market._charts[7] = partial(market._tell_bars, Watch("ESH4", 60, 100))  # pyright: ignore[reportPrivateUsage]
    socket = VenueSocket(cast(Any, Frames([b"a[" + each + b"]" for each in messages])), cast(Any, Wire()), SYSTEM_CLOCK)
    try:
        await socket.serve(market._on_event, market._on_unreadable)  # pyright: ignore[reportPrivateUsage]
    except StreamLost as lost:
        assert str(lost) in ("the connection was closed", "the venue shuts market data down")
    desk.assert_all_sound()


@LENGTHS
def test_market_data_never_ends_by_what_it_is_told(seconds: float) -> None:
    with on_one_loop() as run:
        hammer("tradovate market data", _market, lambda messages: run(_market_is_told(messages)), [], seconds)
