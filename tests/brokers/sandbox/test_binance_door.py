"""The Binance door as a plain client meets it, by `docs/binance.md` alone: payloads, requests, limits, faults."""

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from brokers.sandbox.binance_door import BinanceDoor
from brokers.sandbox.settings import BinanceSettings
from tests.brokers.sandbox.raw_client import Bench, running
from tests.practice import until


class Client:
    """One connection: frames as they came."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self.frames: list[Any] = []
        self.pings: list[bytes] = []
        self.closed: int | None = None
        self.answers_pings = True
        self._news = asyncio.Condition()
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        while True:
            message = await self.ws.receive()
            if message.type is aiohttp.WSMsgType.TEXT:
                self.frames.append(json.loads(message.data))
            elif message.type is aiohttp.WSMsgType.PING:
                self.pings.append(bytes(message.data))
                if self.answers_pings:
                    await self.ws.pong(message.data)
            elif message.type is not aiohttp.WSMsgType.PONG:
                self.closed = self.ws.close_code or 1006
            async with self._news:
                self._news.notify_all()
            if self.closed is not None:
                return

    async def until(self, holds: Callable[[], Any], within_s: float = 5.0) -> Any:
        async with asyncio.timeout(within_s), self._news:
            await self._news.wait_for(holds)
        return holds()

    async def ask(self, **wish: Any) -> dict[str, Any]:
        before = len(self.frames)
        await self.ws.send_json(wish)
        return await self.until(
            lambda: next((f for f in self.frames[before:] if "result" in f or "code" in f or "error" in f), None)
        )

    def of(self, stream: str) -> list[dict[str, Any]]:
        return [frame["data"] for frame in self.frames if frame.get("stream") == stream]

    async def close(self) -> None:
        self._reader.cancel()
        await self.ws.close()


class Door:
    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.addresses = bench.ready["venues"]["binance"]
        door = bench.sandbox.doors["binance"]
        assert isinstance(door, BinanceDoor)
        self.door = door
        self.clients: list[Client] = []

    async def connect(self, path: str = "/stream?streams=esusdt@trade") -> Client:
        ws = await self.bench.http.ws_connect(self.addresses["ws"] + path, autoping=False)
        self.clients.append(Client(ws))
        return self.clients[-1]

    async def get(self, endpoint: str, **query: Any) -> tuple[int, Any, Any]:
        url = f"{self.addresses['rest']}/api/v3/{endpoint}"
        async with self.bench.http.get(url, params=query) as answer:
            return answer.status, await answer.json(), answer.headers

    async def rows(self, endpoint: str, **query: Any) -> Any:
        status, rows, _ = await self.get(endpoint, **query)
        assert status == 200, rows
        return rows

    def trade(self, qty: int = 1, side: str = "buy", price: str = "4800.25") -> None:
        """A print at ES."""
        wish = {"order": "print", "symbol": self.door.markets["ESUSDT"].contract.symbol, "limit": price}
        answer = self.control(**wish, qty=qty, side=side)
        assert answer["ok"], answer

    def control(self, **wish: Any) -> dict[str, Any]:
        from brokers.sandbox.control import Control

        return Control(self.bench.sandbox).carry_out(json.dumps(wish).encode())

    def level(self, sign: int, ticks: int, size: int) -> None:
        self.bench.sandbox.venue.market_level(self.door.markets["ESUSDT"].contract.contract_id, sign, ticks, size)


@asynccontextmanager
async def opened(folder: Path, **settings: Any) -> AsyncIterator[Door]:
    async with running(folder, {"feeds": ("binance",), "binance": BinanceSettings(**settings)}) as bench:
        door = Door(bench)
        try:
            yield door
        finally:
            for client in door.clients:
                await client.close()


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    async with opened(tmp_path) as door:
        yield door


async def test_the_listing_names_symbols_with_tick_lot_and_limits(door: Door) -> None:
    info = await door.rows("exchangeInfo")
    assert [each["symbol"] for each in info["symbols"]] == door.addresses["symbols"] == ["ESUSDT", "MESUSDT"]
    filters = {each["filterType"]: each for each in info["symbols"][0]["filters"]}
    assert (filters["PRICE_FILTER"]["tickSize"], filters["LOT_SIZE"]["stepSize"]) == ("0.25000000", "1.00000000")
    weight = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000}
    assert weight in info["rateLimits"]
    assert len((await door.rows("exchangeInfo", symbol="ESUSDT"))["symbols"]) == 1
    assert len((await door.rows("exchangeInfo", symbols='["ESUSDT","MESUSDT"]'))["symbols"]) == 2
    assert (await door.rows("ping"), set(await door.rows("time"))) == ({}, {"serverTime"})


@pytest.mark.parametrize(
    ("endpoint", "query", "code"),
    [
        ("depth", {}, -1102), ("depth", {"symbol": "NOPE"}, -1121), ("klines", {"symbol": "ESUSDT"}, -1102),
        ("klines", {"symbol": "ESUSDT", "interval": "7m"}, -1120),
        ("trades", {"symbol": "ESUSDT", "limit": "x"}, -1100), ("trades", {"symbol": "ESUSDT", "limit": "0"}, -1130),
        ("exchangeInfo", {"symbol": "NOPE"}, -1121),
        ("klines", {"symbol": "ESUSDT", "interval": "1m", "timeZone": "+15:00"}, -1130),
        ("aggTrades", {"symbol": "ESUSDT", "fromId": "1", "startTime": "1"}, -1128),
    ],
)  # fmt: skip
async def test_a_wrong_request_is_refused_with_its_code(
    door: Door, endpoint: str, query: dict[str, str], code: int
) -> None:
    status, answer, _ = await door.get(endpoint, **query)
    assert (status, answer["code"]) == (400, code)


async def test_trades_have_numbers_without_holes_and_every_endpoint_agrees(door: Door) -> None:
    door.trade(3, "sell", "4799.75")
    newest = await door.rows("trades", symbol="ESUSDT", limit=1000)
    assert [row["id"] for row in newest] == list(range(newest[0]["id"], newest[0]["id"] + 1000))
    last = newest[-1]
    assert (last["price"], last["qty"], last["quoteQty"], last["isBuyerMaker"]) == (
        "4799.75000000", "3.00000000", "14399.25000000", True,
    )  # fmt: skip
    older = await door.rows("historicalTrades", symbol="ESUSDT", fromId=5, limit=3)
    assert [row["id"] for row in older] == [5, 6, 7]
    aggregates = await door.rows("aggTrades", symbol="ESUSDT", fromId=5, limit=3)
    assert [(row["f"], row["l"], row["p"], row["T"]) for row in aggregates] == [
        (row["id"], row["id"], row["price"], row["time"]) for row in older
    ]
    within = await door.rows("aggTrades", symbol="ESUSDT", startTime=older[0]["time"], endTime=older[2]["time"])
    assert [row["a"] for row in within] == [5, 6, 7]


async def test_candles_add_up_to_their_trades(door: Door) -> None:
    trades = []
    for from_id in itertools.count(1, 1000):
        page = await door.rows("historicalTrades", symbol="ESUSDT", fromId=from_id, limit=1000)
        trades += page
        if len(page) < 1000:
            break
    for interval, width_ms in (("1m", 60_000), ("5m", 300_000), ("1h", 3_600_000)):
        rows = await door.rows("klines", symbol="ESUSDT", interval=interval, startTime=0, limit=1000)
        assert [row[0] % width_ms for row in rows] == [0] * len(rows)
        assert [after[0] - before[0] for before, after in itertools.pairwise(rows)] == [width_ms] * (len(rows) - 1)
        for row in rows:
            mine = [each for each in trades if row[0] <= each["time"] <= row[6]]
            prices = [float(each["price"]) for each in mine]
            assert [float(text) for text in row[1:6]] == [
                prices[0], max(prices), min(prices), prices[-1], sum(float(each["qty"]) for each in mine),
            ]  # fmt: skip
            assert (row[8], float(row[9])) == (
                len(mine),
                sum(float(each["qty"]) for each in mine if not each["isBuyerMaker"]),
            )
            assert float(row[7]) == pytest.approx(sum(float(each["quoteQty"]) for each in mine))
    newest = await door.rows("klines", symbol="ESUSDT", interval="1m", limit=2)
    assert newest == (await door.rows("klines", symbol="ESUSDT", interval="1m", startTime=0, limit=1000))[-2:]


async def test_streams_say_what_happened_in_the_payloads_of_the_page(door: Door) -> None:
    names = ("trade", "aggTrade", "bookTicker", "depth@100ms", "depth5@100ms", "kline_1m")
    client = await door.connect("/stream?streams=" + "/".join(f"esusdt@{name}" for name in names))
    await client.ask(method="LIST_SUBSCRIPTIONS", id=1)
    door.trade(7)
    door.level(1, 4700 * 4, 9)
    trade = (await client.until(lambda: client.of("esusdt@trade")))[0]
    assert set(trade) == {"e", "E", "s", "t", "p", "q", "T", "m", "M"}
    assert (trade["s"], trade["p"], trade["q"], trade["m"]) == ("ESUSDT", "4800.25000000", "7.00000000", False)
    (aggregate,) = await client.until(lambda: client.of("esusdt@aggTrade"))
    assert (aggregate["f"], aggregate["l"], aggregate["p"]) == (trade["t"], trade["t"], trade["p"])
    depth = (await client.until(lambda: client.of("esusdt@depth@100ms")))[0]
    assert (depth["e"], depth["b"], depth["a"], depth["u"]) == (
        "depthUpdate", [["4700.00000000", "9.00000000"]], [], depth["U"],
    )  # fmt: skip
    partial = (await client.until(lambda: client.of("esusdt@depth5@100ms")))[0]
    assert (len(partial["bids"]), len(partial["asks"]), partial["lastUpdateId"]) == (5, 5, depth["u"])
    quote = (await client.until(lambda: client.of("esusdt@bookTicker")))[0]
    assert set(quote) == {"u", "s", "b", "B", "a", "A"} and float(quote["b"]) < float(quote["a"])
    kline = (await client.until(lambda: client.of("esusdt@kline_1m")))[-1]["k"]
    assert (kline["i"], kline["L"], kline["c"]) == ("1m", trade["t"], trade["p"])


async def test_a_snapshot_falls_within_the_updates_around_it(door: Door) -> None:
    client = await door.connect("/stream?streams=esusdt@depth@100ms")
    await client.ask(method="LIST_SUBSCRIPTIONS", id=1)
    for size in range(1, 6):
        door.level(1, 4700 * 4, size)
        snapshot = await door.rows("depth", symbol="ESUSDT", limit=5000)
        door.level(-1, 4900 * 4, size)
        updates = await client.until(
            lambda last=snapshot["lastUpdateId"]: [u for u in client.of("esusdt@depth@100ms") if u["u"] > last]
        )
        assert updates[0]["U"] <= snapshot["lastUpdateId"] + 1
    updates = client.of("esusdt@depth@100ms")
    assert all(after["U"] == before["u"] + 1 for before, after in itertools.pairwise(updates))


async def test_raw_streams_are_bare_until_combined_is_asked_for(door: Door) -> None:
    client = await door.connect("/ws/esusdt@trade")
    assert await client.ask(method="GET_PROPERTY", params=["combined"], id=2) == {"result": False, "id": 2}
    door.trade()
    assert (await client.until(lambda: [f for f in client.frames if f.get("e") == "trade"]))[0]["s"] == "ESUSDT"
    assert await client.ask(method="SET_PROPERTY", params=["combined", True], id=5) == {"result": None, "id": 5}
    door.trade()
    assert await client.until(lambda: client.of("esusdt@trade"))


async def test_requests_are_answered_by_their_id_and_mistakes_by_the_pages_errors(tmp_path: Path) -> None:
    async with opened(tmp_path, messages_per_s=50) as door:
        await _requests(door)


async def _requests(door: Door) -> None:
    client = await door.connect()
    said = []
    for wish in (
        {"method": "SUBSCRIBE", "params": ["mesusdt@trade"], "id": 1},
        {"method": "LIST_SUBSCRIPTIONS", "id": "abc"},
        {"method": "UNSUBSCRIBE", "params": ["esusdt@trade"], "id": None},
        {"method": "LIST_SUBSCRIPTIONS", "id": 3},
        {"method": "SUBSCRYBE", "params": ["a@trade"], "id": 4},
        {"method": "SUBSCRIBE", "params": ["a@trade"], "id": 1.5},
        {"params": [], "id": 6},
        {"method": "GET_PROPERTY", "params": ["speed"], "id": 7},
        {"method": "SET_PROPERTY", "params": ["combined", "yes"], "id": 8},
    ):
        said.append(await client.ask(**wish))
    assert said[:4] == [
        {"result": None, "id": 1},
        {"result": ["esusdt@trade", "mesusdt@trade"], "id": "abc"},
        {"result": None, "id": None},
        {"result": ["mesusdt@trade"], "id": 3},
    ]
    assert [each["code"] for each in said[4:]] == [2, 2, 2, 0, 1]
    assert said[7] == {"code": 0, "msg": "Unknown property", "id": 7}
    await client.ws.send_str("{nonsense")
    wrong = await client.until(lambda: [f for f in client.frames if f.get("code") == 3])
    assert wrong[0]["msg"].startswith("Invalid JSON: expected value at line 1 column")


async def test_more_than_five_messages_a_second_end_the_connection(door: Door) -> None:
    client = await door.connect()
    for _ in range(5):
        await client.ws.send_json({"method": "LIST_SUBSCRIPTIONS", "id": 1})
    await client.until(lambda: len(client.frames) == 5)
    assert client.closed is None
    await client.ws.ping()  # a frame counts like a message
    await client.until(lambda: client.closed is not None)
    assert door.bench.sandbox.house.requests["binance"]["too many messages"] == 1


async def test_more_than_the_streams_of_a_connection_end_it_or_are_refused(tmp_path: Path) -> None:
    three = [f"esusdt@kline_{each}" for each in ("1m", "3m", "5m")]
    async with opened(tmp_path, streams=3) as door:
        client = await door.connect()
        assert (await client.ask(method="SUBSCRIBE", params=three[:2], id=1))["result"] is None
        await client.ws.send_json({"method": "SUBSCRIBE", "params": three[2:], "id": 2})
        await client.until(lambda: client.closed is not None)
    async with opened(tmp_path, streams=3, over_streams_disconnects=False, wrapped_errors=True) as door:
        client = await door.connect()
        said = await client.ask(method="SUBSCRIBE", params=three, id=1)
        assert (said["error"]["code"], said["id"]) == (2, 1)
        assert client.closed is None


async def test_pings_want_their_payload_back_and_a_client_without_pongs_is_let_go(tmp_path: Path) -> None:
    async with opened(tmp_path, ping_s=0.1, pong_within_s=0.4, messages_per_s=50) as door:
        good, bad = await door.connect(), await door.connect()
        bad.answers_pings = False
        await bad.until(lambda: bad.closed is not None)
        assert bad.closed == 1008
        assert len(good.pings) >= 3 and good.closed is None


async def test_a_connection_ends_after_its_day(tmp_path: Path) -> None:
    async with opened(tmp_path, life_s=0.3) as door:
        client, started = await door.connect(), time.monotonic()
        await client.until(lambda: client.closed is not None)
        assert (client.closed, time.monotonic() - started > 0.25) == (1001, True)


async def test_too_many_connections_are_refused(tmp_path: Path) -> None:
    async with opened(tmp_path, attempts=3) as door:
        for _ in range(3):
            await door.connect()
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await door.connect()
        assert refused.value.status == 429


async def test_weight_is_counted_told_and_refused_and_going_on_is_a_ban(tmp_path: Path) -> None:
    async with opened(tmp_path, weight=60, weight_minute_by_clock=False, patience=2, ban_s=0.3) as door:
        _, _, headers = await door.get("depth", symbol="ESUSDT", limit=1000)
        assert headers["X-MBX-USED-WEIGHT-1M"] == "50"
        assert (await door.get("depth", symbol="ESUSDT"))[0] == 200
        said = [await door.get("trades", symbol="ESUSDT") for _ in range(3)]
        assert [status for status, _, _ in said] == [429, 429, 418]
        assert {answer["code"] for _, answer, _ in said} == {-1003}
        assert 1 <= int(said[0][2]["Retry-After"]) <= 60 and said[2][2]["Retry-After"] == "1"
        assert "IP banned until" in said[2][1]["msg"]
        assert (await door.get("ping"))[0] == 418


async def test_faults_that_are_ordered_happen(door: Door) -> None:
    client = await door.connect()
    await client.ask(method="LIST_SUBSCRIPTIONS", id=1)
    for fault, prints, comes in (
        ({"duplicate": 1.0}, 1, 2),
        ({"drop_fills": 1.0}, 1, 0),
        ({}, 1, 1),
    ):
        before = len(client.of("esusdt@trade"))
        assert door.control(order="events", login="binance", **fault)["ok"]
        door.trade(prints)
        market = door.door.markets["ESUSDT"]
        chart = door.bench.sandbox.charts[market.contract.contract_id]
        await until(lambda market=market, chart=chart: market.last_trade_id == chart.ticks[-1].tick_id, 2.0)
        await client.ask(method="LIST_SUBSCRIPTIONS", id=2)
        assert len(client.of("esusdt@trade")) - before == comes
    assert door.control(order="throttle", login="binance")["ok"]
    status, answer, headers = await door.get("ping")
    assert (status, answer["code"], int(headers["Retry-After"]) >= 1) == (429, -1003, True)
    assert door.control(order="shutdown", login="binance")["sockets"] == 1
    (ending,) = await client.until(lambda: client.of("!serverShutdown"))
    assert ending["e"] == "serverShutdown"
    assert door.control(order="disconnect", login="binance", refuse_s=0.2)["sockets"] == 1
    await client.until(lambda: client.closed is not None)
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await door.connect()
