"""The ProjectX door by the protocol page: REST, error codes, hubs, brackets, faults. Plain clients, real sockets."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.brokers.sandbox.projectx_client import BUY, ES, LIMIT, MARKET, MES, SELL, STOP, ProjectXBench, projectx

DONE = {"success": True, "errorCode": 0, "errorMessage": None}


@pytest.fixture
async def px(tmp_path: Path) -> AsyncIterator[ProjectXBench]:
    async with projectx(tmp_path) as bench:
        yield bench


async def books(px: ProjectXBench, account: str = "DEMO1001") -> dict[str, Any]:
    """What the venue itself says of an account."""
    return (await px.control("state", account=account))["accounts"][0]


# --- tokens ---------------------------------------------------------------------------------------------------------


async def test_a_wrong_key_is_http_200_with_an_error_code(px: ProjectXBench) -> None:
    status, answer = await px.raw("Auth/loginKey", {"userName": "desk1", "apiKey": "wrong"})
    assert status == 200
    assert (answer["token"], answer["success"], answer["errorCode"]) == (None, False, 3)


async def test_a_token_reads_as_a_jwt_and_lasts_a_day(px: ProjectXBench) -> None:
    claims = (await px.log_in()).split(".")[1]
    now_s = (await px.control("state"))["now_ns"] / 1e9
    assert 86_390 < json.loads(base64.urlsafe_b64decode(claims + "=="))["exp"] - now_s < 86_410


async def test_without_a_token_401_has_no_body_and_validate_gives_the_next_one(px: ProjectXBench) -> None:
    assert await px.raw("Account/search", {"onlyActiveAccounts": True}) == (401, None)
    assert await px.raw("Account/search", {}, "made.up.token") == (401, None)
    first = await px.log_in()
    renewed = await px.ask("Auth/validate")
    assert renewed["success"]
    assert renewed["newToken"] not in (None, first)
    status, answer = await px.raw("Account/search", {}, renewed["newToken"])
    assert (status, answer["success"]) == (200, True)
    await px.control("expire", login="desk1")
    assert await px.raw("Auth/validate", {}, first) == (401, None)


async def test_logging_out_ends_the_token_and_ping_needs_none(px: ProjectXBench) -> None:
    token = await px.log_in()
    assert (await px.raw("auth/LOGOUT", {}, token))[1] == DONE
    assert (await px.raw("Account/search", {}, token))[0] == 401
    async with px.bench.http.get(f"{px.door['rest']}/api/Status/ping") as response:
        assert await response.text() == "pong"
    assert (await px.raw("Order/cancelAll", {}, await px.log_in()))[0] == 404


async def test_what_cannot_be_read_is_400(px: ProjectXBench) -> None:
    token = await px.log_in()
    assert (await px.raw("Order/place", {"accountId": px.account_id()}, token))[0] == 400
    assert (await px.raw("Order/place", ["x"], token))[0] == 400


# --- reading --------------------------------------------------------------------------------------------------------


async def test_a_login_lists_its_accounts_only(px: ProjectXBench) -> None:
    answer = await px.ask("Account/search", onlyActiveAccounts=True)
    assert [account["name"] for account in answer["accounts"]] == ["DEMO1001", "DEMO1002"]
    first = answer["accounts"][0]
    assert (first["balance"], first["canTrade"], first["isVisible"], first["simulated"]) == (250_000, True, True, True)
    await px.control("account", account="DEMO1001", locked=True)
    assert not (await px.ask("Account/search", onlyActiveAccounts=True))["accounts"][0]["canTrade"]
    for path in ("Order/searchOpen", "Position/searchOpen", "Trade/search"):
        foreign = await px.ask(path, accountId=px.account_id("desk2"))
        assert (foreign["success"], foreign["errorCode"]) == (False, 1)


async def test_contracts_carry_the_venues_roots_and_search_is_noisy(px: ProjectXBench) -> None:
    found = (await px.ask("Contract/search", searchText="ES", live=False))["contracts"]
    assert [each["id"] for each in found if each["activeContract"]] == [ES, MES]  # a micro answers to ES, too
    es = found[0]
    assert (es["name"], es["symbolId"], es["tickSize"], es["tickValue"]) == ("ESH4", "F.US.EP", 0.25, 12.5)
    assert (await px.ask("Contract/searchById", contractId=MES))["contract"]["symbolId"] == "F.US.MES"
    assert (await px.ask("Contract/searchById", contractId="CON.F.US.XX.H24"))["errorCode"] == 1
    available = (await px.ask("Contract/available", live=False))["contracts"]
    assert {each["id"] for each in available} == {ES, MES}


async def test_bars_come_newest_first_and_refuse_by_code(px: ProjectXBench) -> None:
    bars = {
        "contractId": ES, "live": False, "startTime": "2020-01-01T00:00:00Z", "endTime": "2099-01-01T00:00:00Z",
        "unit": 2, "unitNumber": 5, "limit": 3, "includePartialBar": True,
    }  # fmt: skip
    shown = (await px.ask("History/retrieveBars", **bars))["bars"]
    assert len(shown) == 3
    assert shown[0]["t"] > shown[1]["t"] > shown[2]["t"]
    assert set(shown[0]) == set("tohlcv")
    assert shown[0]["h"] >= max(shown[0]["o"], shown[0]["c"]) >= shown[0]["l"]
    whole = (await px.ask("History/retrieveBars", **(bars | {"includePartialBar": False})))["bars"]
    assert whole[0]["t"] == shown[1]["t"]
    for unit in (1, 3, 4, 5, 6):
        assert (await px.ask("History/retrieveBars", **(bars | {"unit": unit})))["success"], unit
    for wrong, code in (({"contractId": "x"}, 1), ({"unit": 0}, 2), ({"unitNumber": 0}, 3), ({"limit": 20_001}, 4)):
        assert (await px.ask("History/retrieveBars", **(bars | wrong)))["errorCode"] == code


# --- orders ---------------------------------------------------------------------------------------------------------


async def test_a_market_order_fills_and_the_books_agree(px: ProjectXBench) -> None:
    placed = await px.place(size=2, customTag="t1")
    assert placed == {"orderId": placed["orderId"], **DONE}
    account = {"accountId": px.account_id()}
    position = (await px.ask("Position/searchOpen", **account))["positions"][0]
    assert (position["contractId"], position["type"], position["size"]) == (ES, 1, 2)
    order = (await px.ask("Order/search", startTimestamp="2020-01-01T00:00:00Z", **account))["orders"][0]
    assert (order["id"], order["status"], order["fillVolume"], order["customTag"]) == (placed["orderId"], 2, 2, "t1")
    assert order["symbolId"] == "F.US.EP"
    trades = (await px.ask("Trade/search", startTimestamp="2020-01-01T00:00:00Z", **account))["trades"]
    assert sum(trade["size"] for trade in trades) == 2
    assert {trade["profitAndLoss"] for trade in trades} == {None}
    await px.place(side=SELL, size=2)
    closing = (await px.ask("Trade/search", **account))["trades"]
    assert any(trade["profitAndLoss"] is not None for trade in closing)
    assert (await px.ask("Position/searchOpen", **account))["positions"] == []


async def test_a_custom_tag_is_good_once_per_account_even_when_refused(px: ProjectXBench) -> None:
    refused = await px.place(size=1_000, customTag="a")
    assert (refused["success"], refused["errorCode"], refused["orderId"]) == (False, 4, None)
    again = await px.place(customTag="a")
    assert (again["success"], again["errorCode"]) == (False, 2)
    assert "custom tag already in use" in again["errorMessage"]
    assert (await px.place(customTag="a", accountId=px.account_id(number=1)))["success"]
    assert (await px.place(customTag="b"))["success"]
    assert (await px.place(customTag="b"))["errorCode"] == 2
    assert (await books(px))["positions"] == {"ESH4": 1}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"accountId": 7}, 1),
        ({"contractId": "CON.F.US.EP.H99"}, 8),
        ({"contractId": ES.replace(".H", ".M")}, 9),
        ({"size": 0}, 2),
        ({"size": 101}, 4),
        ({"type": LIMIT}, 2),
        ({"type": LIMIT, "limitPrice": 4800.13}, 2),
        ({"type": 5}, 2),
        ({"type": 0}, 2),
        ({"side": 3}, 2),
    ],
)
async def test_a_refused_order_is_http_200_and_leaves_no_position(
    px: ProjectXBench, fields: dict[str, Any], code: int
) -> None:
    answer = await px.place(**fields)
    assert (answer["success"], answer["errorCode"], answer["orderId"]) == (False, code, None)
    assert (await books(px))["positions"] == {}


async def test_a_closed_session_and_a_locked_account_have_their_codes(px: ProjectXBench) -> None:
    await px.control("account", account="DEMO1001", locked=True)
    assert (await px.place())["errorCode"] == 10
    await px.control("session", open=False)
    assert (await px.place(accountId=px.account_id(number=1)))["errorCode"] == 5


async def test_modify_keeps_what_is_not_given_and_cancel_ends_it(px: ProjectXBench) -> None:
    placed = await px.place(type=LIMIT, size=2, limitPrice=4000.25)
    which = {"accountId": px.account_id(), "orderId": placed["orderId"]}
    assert await px.ask("Order/modify", **which, limitPrice=4000.5) == DONE
    order = (await px.ask("Order/searchOpen", accountId=px.account_id()))["orders"][0]
    assert (order["limitPrice"], order["size"], order["status"]) == (4000.5, 2, 1)
    assert await px.ask("Order/modify", **which, size=1) == DONE
    assert (await px.ask("Order/modify", **which, limitPrice=4000.1))["errorCode"] == 3
    assert await px.ask("Order/cancel", **which) == DONE
    assert (await px.ask("Order/cancel", **which))["errorCode"] == 3
    assert (await px.ask("Order/cancel", accountId=px.account_id(), orderId=1))["errorCode"] == 2
    assert (await px.ask("Order/cancel", accountId=px.account_id("desk2"), orderId=placed["orderId"]))["errorCode"] == 1
    assert (await px.ask("Order/searchOpen", accountId=px.account_id()))["orders"] == []


# --- brackets -------------------------------------------------------------------------------------------------------


def brackets(stop: int, target: int, stop_type: int = STOP, target_type: int = LIMIT) -> dict[str, Any]:
    return {
        "stopLossBracket": {"ticks": stop, "type": stop_type},
        "takeProfitBracket": {"ticks": target, "type": target_type},
    }


async def test_the_life_of_a_bracket_is_the_recorded_one(px: ProjectXBench) -> None:
    hub = await px.subscribed()
    placed = await px.place(customTag="b1", **brackets(-40, 80))
    entry = placed["orderId"]
    await hub.until(lambda: [order for order in hub.data("GatewayUserOrder") if order["status"] == 1])
    orders = hub.data("GatewayUserOrder")
    first = {order["id"]: order for order in reversed(orders)}
    assert sorted(first) == [entry, *sorted(first)[1:]]
    stop, target = (order for order in first.values() if order["id"] != entry and order["parentOrderId"] == entry)
    if stop["type"] != STOP:
        stop, target = target, stop
    assert (first[entry]["status"], stop["status"], target["status"]) == (6, 8, 8)
    assert (stop["stopPrice"], target["limitPrice"]) == (None, None)
    assert (stop["customTag"], target["customTag"]) == ("b1-SL", "b1-TP")
    assert target["linkedOrderId"] == stop["id"]
    assert "linkedOrderId" not in stop
    await hub.until(lambda: {o["id"] for o in hub.data("GatewayUserOrder") if o["status"] == 1} >= {stop["id"]})
    filled = next(o for o in hub.data("GatewayUserOrder") if o["id"] == entry and o["status"] == 2)
    working = {o["id"]: o for o in hub.data("GatewayUserOrder") if o["status"] == 1}
    assert working[stop["id"]]["stopPrice"] == pytest.approx(round(filled["filledPrice"] * 4) / 4 - 10)
    assert working[target["id"]]["limitPrice"] == pytest.approx(round(filled["filledPrice"] * 4) / 4 + 20)
    cancel = {"accountId": px.account_id(), "orderId": target["id"]}
    assert (await px.ask("Order/cancel", **cancel))["success"]


async def test_waiting_children_are_seen_on_the_stream_only(px: ProjectXBench) -> None:
    await px.place(type=LIMIT, limitPrice=4000.25, **brackets(-8, 8))
    which = {"accountId": px.account_id()}
    open_orders = (await px.ask("Order/searchOpen", **which))["orders"]
    past = (await px.ask("Order/search", **which, startTimestamp="2020-01-01T00:00:00Z"))["orders"]
    assert len(open_orders) == len(past) == 1
    assert (await books(px))["working"] == 3


@pytest.mark.parametrize(
    ("side", "fields", "says"),
    [
        (BUY, brackets(40, 80), "Invalid stop loss ticks (40). Ticks should be less than zero when longing."),
        (SELL, brackets(-40, -80), "Ticks should be greater than zero when going short."),
        (BUY, brackets(-40, -80), "Invalid take profit ticks (-80)"),
        (BUY, brackets(-3, 80), "Price should be at least 4 ticks away"),
        (BUY, brackets(-40, 80, stop_type=LIMIT), "Invalid stop loss type (Limit)"),
    ],
)
async def test_unsigned_or_wrong_brackets_are_refused(
    px: ProjectXBench, side: int, fields: dict[str, Any], says: str
) -> None:
    answer = await px.place(side=side, **fields)
    assert answer["errorCode"] == 2
    assert says in answer["errorMessage"]
    assert (await books(px))["positions"] == {}


async def test_position_brackets_mode_refuses_and_may_leave_the_order(tmp_path: Path) -> None:
    async with projectx(tmp_path, position_brackets=True, refused_bracket_leaves_order=True) as px:
        answer = await px.place(**brackets(-40, 80))
        assert (answer["success"], answer["errorCode"]) == (False, 2)
        assert "You must enable Auto OCO Brackets" in answer["errorMessage"]
        assert (await books(px))["positions"] == {"ESH4": 1}


async def test_close_contract_leaves_the_brackets_working(px: ProjectXBench) -> None:
    await px.place(size=2, **brackets(-400, 400))
    which = {"accountId": px.account_id(), "contractId": ES}
    assert await px.ask("Position/partialCloseContract", **which, size=1) == DONE
    assert (await px.ask("Position/partialCloseContract", **which, size=5))["errorCode"] == 5
    assert await px.ask("Position/closeContract", **which) == DONE
    assert (await px.ask("Position/closeContract", **which))["errorCode"] == 2
    assert (await px.ask("Position/closeContract", accountId=px.account_id(), contractId="x"))["errorCode"] == 3
    found = await books(px)
    assert (found["positions"], found["working"]) == ({}, 2)


# --- hubs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("negotiate", [True, False])
async def test_a_hub_opens_with_and_without_negotiation(px: ProjectXBench, negotiate: bool) -> None:
    hub = await px.open(negotiate=negotiate)
    assert await hub.invoke("subscribeorders", px.account_id()) == {"type": 3, "invocationId": "1", "result": None}
    assert (await hub.invoke("SubscribeContractDepth", ES))["error"] == "Method does not exist."
    assert "error" in await hub.invoke("SubscribeOrders", px.account_id("desk2"))
    assert "error" in await hub.invoke("SubscribeOrders")


async def test_a_hub_wants_a_token_and_the_json_protocol(px: ProjectXBench) -> None:
    for address in (px.door["user_hub"], f"{px.door['user_hub']}?id=made-up", f"{px.door['user_hub']}?access_token=x"):
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await px.bench.http.ws_connect(address)
    token = await px.log_in()
    ws = await px.bench.http.ws_connect(f"{px.door['user_hub']}?access_token={token}")
    await ws.send_str('{"protocol":"messagepack","version":1}\x1e')
    assert "error" in json.loads((await ws.receive_str()).rstrip("\x1e"))
    assert (await ws.receive()).type is aiohttp.WSMsgType.CLOSE


async def test_messages_may_share_a_frame_or_be_cut(px: ProjectXBench) -> None:
    token = await px.log_in()
    ws = await px.bench.http.ws_connect(f"{px.door['user_hub']}?access_token={token}")
    invocation = json.dumps({"type": 1, "invocationId": "9", "target": "SubscribeAccounts", "arguments": []})
    text = f'{{"protocol":"json","version":1}}\x1e{{"type":6}}\x1e{invocation}\x1e'
    await ws.send_str(text[:50])
    await ws.send_str(text[50:])
    heard = ""
    while '"9"' not in heard:
        heard += await ws.receive_str()
    assert heard.startswith("{}\x1e")
    await ws.close()


async def test_pings_are_messages_and_a_silent_client_is_closed(tmp_path: Path) -> None:
    async with projectx(tmp_path, ping_s=0.2, client_silence_s=0.8) as px:
        hub = await px.open()
        await hub.until(lambda: {"type": 6} in hub.messages)
        await hub.until(lambda: hub.closed)
        assert hub.pings == 0
        assert hub.messages[-1] == {"type": 7, "error": "Connection closed with an error.", "allowReconnect": True}


async def test_the_stream_tells_an_orders_life_wrapped(px: ProjectXBench) -> None:
    hub = await px.subscribed()
    other = await px.subscribed("desk2")
    placed = await px.place(size=2, customTag="x")
    await hub.until(lambda: hub.events("GatewayUserPosition") and hub.events("GatewayUserAccount"))
    orders = [arguments[0] for arguments in hub.events("GatewayUserOrder")]
    assert (orders[0]["action"], orders[0]["data"]["status"]) == (1, 6)
    assert orders[-1]["data"]["status"] == 2
    assert {each["data"]["id"] for each in orders} == {placed["orderId"]}
    assert {each["data"]["customTag"] for each in orders} == {"x"}
    trades = [arguments[0] for arguments in hub.events("GatewayUserTrade")]
    assert sum(each["data"]["size"] for each in trades) == 2
    assert {each["action"] for each in trades} == {0}
    await px.ask("Position/closeContract", accountId=px.account_id(), contractId=ES)
    await hub.until(lambda: hub.data("GatewayUserPosition")[-1]["size"] == 0)
    closed = hub.events("GatewayUserPosition")[-1][0]
    assert (closed["action"], closed["data"]["type"]) == (2, 0)
    assert not other.events("GatewayUserOrder")
    await hub.invoke("UnsubscribeOrders", px.account_id())
    count = len(hub.events("GatewayUserOrder"))
    await px.place()
    await hub.until(lambda: hub.data("GatewayUserPosition")[-1]["size"] == 1)
    assert len(hub.events("GatewayUserOrder")) == count


async def test_payloads_may_be_bare(tmp_path: Path) -> None:
    async with projectx(tmp_path, wrapped=False) as px:
        hub = await px.subscribed()
        placed = await px.place()
        await hub.until(lambda: hub.events("GatewayUserPosition"))
        assert hub.events("GatewayUserOrder")[0][0]["id"] == placed["orderId"]
        assert hub.events("GatewayUserTrade")[0][0]["orderId"] == placed["orderId"]


async def test_a_rejected_order_is_status_5_without_a_reason(px: ProjectXBench) -> None:
    hub = await px.subscribed()
    await px.place(size=101)
    await hub.until(lambda: [o for o in hub.data("GatewayUserOrder") if o["status"] == 5])
    assert "reason" not in hub.data("GatewayUserOrder")[-1]


async def test_the_market_hub_sends_a_quote_then_changes(px: ProjectXBench) -> None:
    hub = await px.open("market")
    for target in ("SubscribeContractQuotes", "SubscribeContractTrades", "SubscribeContractMarketDepth"):
        assert (await hub.invoke(target, ES)).get("error") is None
    assert "error" in await hub.invoke("SubscribeContractQuotes", "CON.F.US.XX.H24")
    await hub.until(lambda: hub.events("GatewayQuote") and hub.events("GatewayDepth"))
    key, quote = hub.events("GatewayQuote")[0]
    assert (key, quote["symbol"], quote["symbolName"]) == (ES, "F.US.EP", "ESH4")
    assert quote["bestBid"] < quote["bestAsk"]
    rows = [row for _, data in hub.events("GatewayDepth") for row in (data if isinstance(data, list) else [data])]
    assert rows[0]["type"] == 6
    assert {row["type"] for row in rows[1:]} == {1, 2}
    await px.place(size=3)
    await hub.until(lambda: hub.events("GatewayTrade") and len(hub.events("GatewayQuote")) > 1)
    assert "symbolName" not in hub.events("GatewayQuote")[1][1]  # a delta names only what changed
    assert "volume" in hub.events("GatewayQuote")[1][1]


# --- limits and faults ----------------------------------------------------------------------------------------------


async def test_more_than_the_budget_is_429(tmp_path: Path) -> None:
    async with projectx(tmp_path, requests=5, bars=1) as px:
        token = await px.log_in()
        statuses = [(await px.raw("Account/search", {}, token))[0] for _ in range(6)]
        assert statuses == [200] * 5 + [429]
        assert (await px.raw("History/retrieveBars", {}, token))[0] == 400  # bars are counted apart
        assert (await px.raw("History/retrieveBars", {}, token))[0] == 429
        other = await px.log_in("desk2")
        assert (await px.raw("Account/search", {}, other))[0] == 200


async def test_a_second_login_and_an_expired_token_say_gateway_logout(px: ProjectXBench) -> None:
    hub = await px.subscribed()
    await px.log_in()
    await hub.until(lambda: hub.events("GatewayLogout"))
    second = await px.open("market")
    await px.control("expire", login="desk1")
    await second.until(lambda: second.events("GatewayLogout"))
    assert (await px.raw("Account/search", {}, px.tokens["desk1"]))[0] == 401


async def test_faults_of_the_control_socket_reach_this_door(px: ProjectXBench) -> None:
    """Rejects, late rejects, 429, lost answers, 5xx, empty lists, other listings: each as a client sees it."""
    hub = await px.subscribed()
    await px.control("reject", account="DEMO1001", reason="NotEnoughLiquidity", text="No money")
    assert (await px.place())["errorCode"] == 3
    await px.control("throttle", login="desk1")
    assert (await px.raw("Account/search", {}, px.tokens["desk1"]))[0] == 429
    await px.control("drop_answer", account="DEMO1001")
    with pytest.raises(aiohttp.ClientConnectionError):
        await px.place(customTag="lost")
    await px.control("http_error", account="DEMO1001", status=503)
    body = {"accountId": px.account_id(), "contractId": ES, "type": MARKET, "side": BUY, "size": 1}
    assert (await px.raw("Order/place", body, px.tokens["desk1"]))[0] == 503
    assert (await books(px))["positions"] == {"ESH4": 2}
    await px.control("late_reject", account="DEMO1001", after_s=0.05)
    late = await px.place()
    assert late["success"]
    await hub.until(lambda: hub.data("GatewayUserOrder")[-1]["status"] == 5)
    await px.control("empty", login="desk1", seconds=30)
    assert (await px.ask("Position/searchOpen", accountId=px.account_id()))["positions"] == []
    await px.control("clear")
    assert len((await px.ask("Position/searchOpen", accountId=px.account_id()))["positions"]) == 1
    await px.control("listing", login="desk1", symbol="ESH4", tick_size=0.5)
    assert (await px.ask("Contract/searchById", contractId=ES))["contract"]["tickSize"] == 0.5
    received = (await px.control("state", account="DEMO1001"))["received"]
    assert [each["cl_ord_id"] for each in received if each["endpoint"] == "order/place"][1] == "lost"


async def test_events_are_doubled_lost_and_told_again(px: ProjectXBench) -> None:
    hub = await px.subscribed()
    await px.control("events", login="desk1", duplicate=1.0)
    await px.place()
    await hub.until(lambda: len(hub.events("GatewayUserTrade")) == 2)
    assert hub.data("GatewayUserTrade")[0] == hub.data("GatewayUserTrade")[1]
    await px.control("events", login="desk1", drop_fills=1.0)
    await px.place()
    await hub.until(lambda: hub.data("GatewayUserPosition")[-1]["size"] == 2)
    assert len(hub.events("GatewayUserTrade")) == 2
    replayed = (await px.control("replay", login="desk1"))["events"]
    assert replayed == 5  # two orders, two trades, one position: of the subscribed account
    await hub.until(lambda: len(hub.events("GatewayUserTrade")) == 4)


async def test_hubs_break_fall_silent_and_are_closed_with_a_word(px: ProjectXBench) -> None:
    hub = await px.subscribed()
    await px.control("disconnect", login="desk1", frame=2)
    await px.place()
    await hub.until(lambda: hub.closed)
    again = await px.subscribed()
    await px.control("silence", login="desk1", seconds=0.4)
    await px.place()
    await asyncio.sleep(0.2)
    assert not again.events("GatewayUserOrder")
    await again.until(lambda: again.events("GatewayUserOrder"))
    await px.control("shutdown", login="desk1", text="Maintenance")
    await again.until(lambda: again.closed)
    assert again.messages[-1]["type"] == 7
    await px.control("disconnect", login="desk1", refuse_s=30)
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await px.open()


async def test_one_market_serves_both_doors(px: ProjectXBench) -> None:
    """A trade of the leader at Tradovate's door moves the market that ProjectX's followers see."""
    hub = await px.open("market")
    await hub.invoke("SubscribeContractTrades", ES)
    await asyncio.sleep(0.1)
    await px.control("trade", account="DEMO1000", side="buy", qty=3)
    await hub.until(lambda: hub.events("GatewayTrade"))
    names = [account["account"] for account in (await px.control("state"))["accounts"]]
    assert names == [f"DEMO{number}" for number in range(1000, 1005)]
