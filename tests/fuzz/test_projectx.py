"""ProjectX under fire: the adapter's hub records, payloads and answers.

Payloads are those of the facts page with fields lost or holding anything, bare or wrapped, one or several, in records
that are right or spoilt. Between them stand trades that are right: each is told once, whatever its neighbours are.
"""

import asyncio
from random import Random
from typing import Any, cast

from brokers.adapter import AdapterSettings, Credentials, Event, VenueError, Wanted
from brokers.budget import RequestBudget
from brokers.own import OwnOrders
from brokers.projectx import wire
from brokers.projectx.connection import Connection, Timing
from brokers.projectx.facts import Facts
from brokers.projectx.finding import find_orders
from brokers.projectx.http import addresses
from brokers.projectx.hubs import Hub, _Records  # pyright: ignore[reportPrivateUsage]
from brokers.projectx.login import Login
from brokers.projectx.market_data import MarketData
from brokers.projectx.poll import Poll
from brokers.projectx.reads import read_exposure, read_instrument, read_snapshot
from brokers.projectx.rest import Rest
from brokers.projectx.session import Session
from schema.clock import SYSTEM_CLOCK
from schema.records import ConnectionConfig, Environment, OrderType, Side, VenueAccount
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

AT = "2026-11-21T02:19:48.541+00:00"
NQ, ES = "CON.F.US.ENQ.Z26", "CON.F.US.EP.Z26"
SHAPES: dict[str, dict[str, Any]] = {
    "Account": {"id": 11, "name": "DEMO11", "balance": 50000.5, "canTrade": True, "isVisible": True, "simulated": True},
    "Order": {
        "id": 31, "accountId": 11, "contractId": NQ, "creationTimestamp": AT, "updateTimestamp": AT, "status": 1,
        "type": 1, "side": 1, "size": 2, "limitPrice": 4990.25, "stopPrice": None, "fillVolume": 0, "customTag": "C1",
        "filledPrice": None, "parentOrderId": None, "linkedOrderId": None,
    },
    "Position": {"id": 81, "accountId": 11, "contractId": NQ, "type": 2, "size": 2, "averagePrice": 4990.25},
    "Trade": {
        "id": 71, "accountId": 11, "contractId": NQ, "creationTimestamp": AT, "price": 5000.25, "profitAndLoss": None,
        "fees": 1.4, "side": 1, "size": 1, "voided": False, "orderId": 31,
    },
    "Quote": {"symbol": "F.US.EP", "lastPrice": 5000.25, "bestBid": 5000, "bestAsk": 5000.25, "timestamp": AT},
}  # fmt: skip
NEEDED = {
    "Trade": ("id", "accountId", "contractId", "orderId", "side", "size", "price"),
    "Order": ("id", "accountId", "contractId", "status"),
    "Position": ("accountId", "contractId", "type", "size"),
    "Account": ("id", "name"),
}
Stream = tuple[str, int, int, Random]
"""What the hub says, the trades that are right, the payloads that nobody can read, the numbers that cut it up."""


def _right(number: int) -> dict[str, Any]:
    return {**SHAPES["Trade"], "id": 910_000 + number, "accountId": 900_011, "contractId": ES, "orderId": 900_001}


def _event(random: Random, kind: str, rows: list[Any]) -> bytes:
    """An invocation whose payloads come bare or wrapped, one or several."""
    said = [{"action": 1, "data": row} if random.random() < 0.5 else row for row in rows]
    argument = said[0] if len(said) == 1 and random.random() < 0.5 else said
    return as_json({"type": 1, "target": f"GatewayUser{kind}", "arguments": [argument]})


def _stream(random: Random) -> Stream:
    text, right, bad = "", 0, 0
    for _ in range(random.randrange(1, 9)):
        what, kind, before = random.random(), random.choice(sorted(NEEDED)), bad
        if what < 0.3:
            beside = [bent(random, SHAPES["Trade"]) for _ in range(random.randrange(3))]
            bad += sum(hopeless(each, NEEDED["Trade"]) for each in beside)
            record = _event(random, "Trade", [*beside, _right(right)])
            right += 1
        elif what < 0.7:
            rows = [bent(random, SHAPES[kind]) for _ in range(random.randrange(1, 3))]
            bad += sum(hopeless(each, NEEDED[kind]) for each in rows)
            record = _event(random, kind, rows)
        elif what < 0.85:
            frame = {"type": 1, "target": f"GatewayUser{kind}", "arguments": [junk(random)], "invocationId": "1"}
            record = as_json(
                random.choice([bent(random, frame), {"type": 3, "invocationId": junk(random)}, junk(random)])
            )
        else:
            good = as_json(bent(random, SHAPES[kind]))
            record = random.choice([spoilt(random, good), noise(random), b"", b"{}", b'{"type":6}', b"[]"])
        if not is_json(record) and what < 0.7:  # a NaN in it: nothing of the record can be told apart
            right -= what < 0.3
            bad = before + 1
        text += record.decode("utf-8", "replace").replace(wire.SEPARATOR, "") + wire.SEPARATOR
    return text, right, bad, random


class Desk:
    """A login of the adapter without a network, and what it told."""

    def __init__(self, answers: list[tuple[int, bytes]]) -> None:
        self.events: list[Event] = []
        config = ConnectionConfig(
            connection="desk1",
            venue="projectx",
            environment=Environment.DEMO,
            username="u",
            requests_per_min=10_000_000,
        )
        budget = RequestBudget(SYSTEM_CLOCK, 10_000_000, 10)
        http = cast(Any, Answers(answers))
        self.login = Login(config, Credentials(username="u", password="none"), http, budget, SYSTEM_CLOCK)
        self.own = OwnOrders("desk1", SYSTEM_CLOCK, 2.5, self.events.append, lambda _: self.facts.release(0))
        self.facts = Facts("desk1", SYSTEM_CLOCK, self.own, self.events.append)
        for account_id in (11, 900_011):
            name = f"DEMO{account_id}"
            self.facts.accounts[account_id] = VenueAccount(account=name, venue_id=str(account_id))
        self.connection = Connection(
            config=config,
            settings=AdapterSettings(),
            timing=Timing(),
            clock=SYSTEM_CLOCK,
            random=Random(1),
            emit=self.events.append,
            urls=addresses(config),
            host=http.host,
            login=self.login,
            rest=Rest(http, self.login, budget, budget),
            budget=budget,
            facts=self.facts,
            contract_ids={"ESZ6": ES},
        )
        self.poll = Poll(self.connection)
        self.session = Session(self.connection, self.poll, first=True)

    def hub(self) -> Hub:
        session = self.session
        return Hub("ws://127.0.0.1/x", SYSTEM_CLOCK, session._on_message, session._on_unreadable)  # pyright: ignore[reportPrivateUsage]

    def assert_all_sound(self) -> None:
        assert_told(self.events, self.session.unreadable)


async def _follows(stream: Stream) -> None:
    """Every trade that is right is told once, every payload that nobody can read is counted, and the hub stays, but
    for a message that ends it."""
    text, right, bad, random = stream
    desk = Desk([(200, b"{}")])
    records, hub = _Records(), desk.hub()
    places = sorted(random.randrange(len(text) + 1) for _ in range(3))
    for start, end in zip([0, *places], [*places, len(text)], strict=True):
        hub._on_records(records.parse_messages(text[start:end]), SYSTEM_CLOCK.now_ns())  # pyright: ignore[reportPrivateUsage]
    while hub._records:  # noqa: ASYNC110 - each turn of the loop takes one  # pyright: ignore[reportPrivateUsage]
        await asyncio.sleep(0)
    desk.assert_all_sound()
    if hub.lost.done():
        assert hub.lost.result().startswith("the venue closed the hub"), hub.lost.result()
        return
    assert_once(desk.events, "900001", range(910_000, 910_000 + right))
    assert desk.session.unreadable >= bad, f"{bad} nobody can read, {desk.session.unreadable} counted"
    desk.own.close()


def _alone(kind: str, *rows: Any, right: int = 0, bad: int = 0) -> Stream:
    text = as_json({"type": 1, "target": f"GatewayUser{kind}", "arguments": [list(rows)]}).decode() + wire.SEPARATOR
    return text, right, bad, Random(1)


TRADE, ORDER = SHAPES["Trade"], SHAPES["Order"]
SEEDS: list[Stream] = [
    *(_alone("Trade", {**TRADE, "price": each}, _right(0), right=1) for each in NASTY),
    *(
        _alone("Trade", {**TRADE, "price": Bare(each)}, _right(0), right=1)
        for each in ("1e999999", "1e-999999", "0e-9999")
    ),
    *(
        _alone("Trade", {**TRADE, "size": each}, _right(0), right=1)
        for each in (0, -1, 2**63, 10**40, Bare("9" * 5_000))
    ),
    *(_alone("Trade", {**TRADE, "side": each}, _right(0), right=1) for each in (2, -1, "x")),
    *(_alone("Trade", {**TRADE, "id": each}, _right(0), right=1) for each in (Bare("9" * 5_000), 2**63)),
    *(_alone("Trade", {**TRADE, "creationTimestamp": each}, _right(0), right=1) for each in NASTY),
    *(_alone("Trade", {**TRADE, "contractId": each}, _right(0), right=1) for each in ("", "ESZ6", "CON.F.US.EP.Q99")),
    *(_alone("Order", {**ORDER, "customTag": each}) for each in NASTY),
    *(_alone("Order", {**ORDER, "contractId": each}) for each in ("", "ESZ6")),
    *(_alone("Order", {**ORDER, "filledPrice": each, "fillVolume": 1}) for each in NASTY),
    *(_alone("Account", {**SHAPES["Account"], "name": each}) for each in NASTY),
    *(_alone("Trade", {**TRADE, "voided": each}, bad=1) for each in DEEP),
    _alone("Trade", None, [], {}, {"data": None}, _right(0), right=1, bad=3),
]


@LENGTHS
def test_hub_tells_every_trade_and_counts_what_it_cannot_read(seconds: float) -> None:
    with on_one_loop() as run:
        hammer("projectx hub", _stream, lambda stream: run(_follows(stream)), SEEDS, seconds)


# --- answers ----------------------------------------------------------------------------------------------------------

_LISTS = {"accounts": "Account", "orders": "Order", "positions": "Position", "trades": "Trade"}
_CONTRACT = {
    "id": ES,
    "name": "ESZ6",
    "tickSize": 0.25,
    "tickValue": 12.5,
    "activeContract": True,
    "symbolId": "F.US.EP",
}
_BAR = {"t": AT, "o": 1.5, "h": 2, "l": 1, "c": 2, "v": 3}
Given = tuple[list[tuple[int, bytes]], list[dict[str, Any]]]


def _answers(random: Random) -> Given:
    """What requests are answered with, and orders that the hub told before."""
    made: list[tuple[int, bytes]] = []
    for _ in range(random.randrange(1, 8)):
        said: dict[str, Any] = {"success": True, "errorCode": 0, "errorMessage": None, "token": "t", "orderId": 31}
        for name, kind in _LISTS.items():
            rows: list[Any] = [bent(random, SHAPES[kind]) for _ in range(random.randrange(3))]
            said[name] = rows if random.random() < 0.5 else [{**SHAPES[kind]}]
        said |= {
            "contracts": [bent(random, _CONTRACT)],
            "bars": [bent(random, _BAR)],
            "contract": bent(random, _CONTRACT),
        }
        body = as_json(bent(random, said) if random.random() < 0.9 else junk(random))
        status = random.choice([200, 200, 200, 200, 200, 400, 401, 403, 404, 429, 500, 302, 999])
        made.append((status, spoilt(random, body) if random.random() < 0.1 else body))
    return made, [bent(random, ORDER) for _ in range(random.randrange(3))]


async def _answers_are_read(given: Given) -> None:
    """Whatever a request is answered with: a result that is sound, or the port's own errors."""
    answers, orders = given
    desk = Desk(answers)
    hub = desk.hub()
    event = as_json({"type": 1, "target": "GatewayUserOrder", "arguments": [orders]}).decode("utf-8", "replace")
    hub._on_records([event.replace(wire.SEPARATOR, "")], SYSTEM_CLOCK.now_ns())  # pyright: ignore[reportPrivateUsage]
    assert not hub.lost.done()
    wanted = Wanted(
        account="DEMO900011", cl_ord_id="C1", order_id="", symbol="ESZ6", side=Side.BUY, qty=2,
        order_type=OrderType.LIMIT, sent_ns=SYSTEM_CLOCK.now_ns(),
    )  # fmt: skip
    market = MarketData(desk.connection)
    for asked in (
        lambda: read_instrument(desk.connection, "ESZ6"),
        lambda: read_snapshot(desk.connection, desk.session.disturbed),
        lambda: read_exposure(desk.connection),
        lambda: find_orders(desk.connection, [wanted]),
        lambda: desk.poll._ask(11),  # pyright: ignore[reportPrivateUsage]
        desk.login.log_in,
    ):
        try:
            assert_sound(await asked(), "read")
        except VenueError as error:
            assert str(error).isprintable(), str(error)[:80]
    quote = as_json({"type": 1, "target": "GatewayQuote", "arguments": [ES, bent(Random(1), SHAPES["Quote"])]}).decode()
    market._on_message(wire.hub_message(quote), quote, 1)  # pyright: ignore[reportPrivateUsage]
    desk.assert_all_sound()
    desk.own.close()


def _listed(**lists: Any) -> Given:
    return [(200, as_json({"success": True, "accounts": [SHAPES["Account"]], **lists}))], []


ANSWER_SEEDS: list[Given] = [
    _listed(orders=[{**ORDER, "contractId": "strange"}], trades=[], positions=[]),
    _listed(orders=[], trades=[{**TRADE, "contractId": "strange"}], positions=[]),
    _listed(orders=[ORDER], trades=[], positions=[{**SHAPES["Position"], "type": 7}]),
    (
        _listed(orders=[ORDER], trades=[TRADE], positions=[])[0],
        [{**ORDER, "id": 32, "status": 8, "parentOrderId": 31, "contractId": "strange"}],
    ),
]


@LENGTHS
def test_answers_are_read_or_refused_with_the_ports_own_errors(seconds: float) -> None:
    with on_one_loop() as run:
        hammer("projectx answers", _answers, lambda given: run(_answers_are_read(given)), ANSWER_SEEDS, seconds)
