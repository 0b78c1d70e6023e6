"""The sandbox's Tradovate door, statement by statement of `protocols/tradovate.md`, by a client that knows only that.

One sandbox process serves all of these tests; each logs in anew.
"""

import json
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.peers.door import Door, door, until, words
from tests.peers.tradovate_client import Rest, Socket, rest, socket

SYMBOL = "ESH4"
LIFTED = ("--requests-per-min", "0", "--limit", "me_per_hour=9999", "--limit", "renewals_per_hour=9999")


@pytest.fixture(scope="module")
def at() -> Iterator[Door]:
    opened = Door(
        *LIFTED, "--logins", "2", "--split-responses", "on", "--limit", "heartbeat_s=0.4", "--balance", "9000000"
    )
    yield opened
    opened.close()


@pytest.fixture
async def client(at: Door) -> AsyncIterator[Rest]:
    async with rest(at.ready["rest"], at.logins("tradovate")[1]) as opened:
        yield opened


def account(client: Rest) -> dict[str, Any]:
    return client.login["accounts"][0]


def body(client: Rest, **fields: Any) -> dict[str, Any]:
    """A buy of one at market."""
    mine = account(client)
    order = {"accountSpec": mine["name"], "accountId": mine["id"], "action": "Buy", "symbol": SYMBOL, "orderQty": 1}
    return order | {"orderType": "Market", "isAutomated": True} | fields


async def last_price(client: Rest) -> float:
    """By a round trip at market."""
    await client.post("order/placeorder", body(client))
    await client.post("order/placeorder", body(client, action="Sell"))
    return (await client.get("fill/list"))[-1]["price"]


async def order(client: Rest, order_id: int) -> dict[str, Any]:
    """The order joined with its newest version."""
    found = await client.get(f"order/item?id={order_id}")
    return (await client.get(f"orderVersion/deps?masterid={order_id}"))[-1] | found


# --- 1.1 ----------------------------------------------------------------------------------------------------


async def test_a_login_answers_all_its_keys_and_a_refused_one_is_status_200(client: Rest) -> None:
    assert set(client.token_answer) >= set(
        words(
            "accessToken mdAccessToken expirationTime userStatus userId name hasLive outdatedTaC hasFunded "
            "hasMarketData outdatedLiquidationPolicy passwordExpirationTime hibpHint hasSimPlus showKIDs"
        )
    )
    assert client.token_answer["expirationTime"].endswith("Z")
    refused = await client.log_in(password="not it")
    assert refused["errorText"]
    assert "accessToken" not in refused
    as_text = await client.call("POST", "AUTH/accessTokenRequest", client.credentials() | {"cid": "8"}, token="")
    assert as_text.json["accessToken"]
    too_long = await client.call(
        "POST", "auth/accesstokenrequest", client.credentials() | {"deviceId": "x" * 65}, token=""
    )
    assert too_long.status == 400


async def test_renewing_keeps_the_session_and_a_third_login_ends_the_oldest_silently(at: Door, client: Rest) -> None:
    first = client.token
    for _ in range(4):
        renewed = await client.get("auth/renewAccessToken")
        assert renewed["accessToken"]
        assert renewed["userId"] == client.token_answer["userId"]
    assert (await client.get("auth/me"))["userId"] == client.token_answer["userId"]
    async with socket(client.session, at.ready["ws"], first) as oldest:
        await client.log_in()
        await client.get("account/list")
        assert not oldest.closed
        await client.log_in()
        await until(lambda: oldest.closed)
        assert not [frame for frame in oldest.frames if frame.startswith("c")]
    assert (await client.call("GET", "account/list", token=first)).status == 401
    assert (await client.call("GET", "account/list", token="")).status in (401, 403)


# --- 1.2 ----------------------------------------------------------------------------------------------------


async def test_every_entity_has_the_generic_operations(client: Rest) -> None:
    for entity in words(
        "account accountRiskStatus cashBalance command commandReport contract contractMaturity currency "
        "exchange executionReport fill fillFee fillPair marginSnapshot order orderStrategy "
        "orderStrategyLink orderVersion position product tradingPermission user userAccountAutoLiq "
        "spreadDefinition contractGroup orderStrategyType property userProperty userPlugin"
    ):
        for operation in ("list", "items?ids=1,2", "deps?masterid=1", "ldeps?masterids=1,2", "suggest?t=E&l=3"):
            assert isinstance(await client.get(f"{entity}/{operation}"), list), (entity, operation)
        for operation in ("item?id=987654321", "find?name=nobody"):
            assert (await client.call("GET", f"{entity}/{operation}")).status == 404, (entity, operation)
    assert (await client.call("GET", "nonsense/list")).status == 404
    relaxed = await client.post("contract/find", {"name": SYMBOL})
    assert relaxed == await client.get(f"Contract/Find?name={SYMBOL}")
    assert set(relaxed) >= {"id", "name", "contractMaturityId"}
    maturity = await client.get(f"contractMaturity/item?id={relaxed['contractMaturityId']}")
    product = await client.get(f"product/item?id={maturity['productId']}")
    assert maturity["expirationMonth"] == 203403  # listed after 2024
    assert (product["tickSize"], product["valuePerPoint"]) == (0.25, 50)
    mine = (await client.get("account/list"))[0]
    assert isinstance(mine["id"], int)
    assert mine["accountType"] in ("Customer", "Giveup", "House", "Omnibus", "Wash")
    cash = await client.post("cashBalance/getcashbalancesnapshot", {"accountId": mine["id"]})
    assert set(cash) >= set(
        ["totalCashValue", "totalPnL", "initialMargin", "maintenanceMargin", "netLiq", "openPnL", "realizedPnL"]
    )


async def test_fills_and_positions_are_as_the_page_says(client: Rest) -> None:
    answer = await client.post("order/placeorder", body(client, orderQty=2, clOrdId="mine-1"))
    fill = (await client.get(f"fill/deps?masterid={answer['orderId']}"))[0]
    assert set(fill) >= set(words("id orderId contractId timestamp tradeDate action qty price active finallyPaired"))
    assert "accountId" not in fill
    assert set(fill["tradeDate"]) == {"year", "month", "day"}
    told = await client.get(f"order/item?id={answer['orderId']}")
    assert not {"clOrdId", "orderQty", "price"} & set(told)
    [command] = await client.get(f"command/deps?masterid={answer['orderId']}")
    assert (command["clOrdId"], command["commandType"], command["isAutomated"]) == ("mine-1", "New", True)
    reports = await client.get(f"commandReport/deps?masterid={command['id']}")
    assert [each["commandStatus"] for each in reports] == ["RiskPassed", "AtExecution"]
    executions = await client.get(f"executionReport/deps?masterid={command['id']}")
    assert executions[0]["execType"] == "New"
    assert executions[-1]["cumQty"] == 2
    await client.post("order/placeorder", body(client, orderQty=2, action="Sell"))
    [held] = [p for p in await client.get("position/list") if p["accountId"] == account(client)["id"]]
    assert held["netPos"] == 0, "a flat row remains"
    pair = (await client.get("fillPair/list"))[-1]
    assert set(pair) >= set(["positionId", "buyFillId", "sellFillId", "qty", "buyPrice", "sellPrice", "active"])


# --- 1.3 ----------------------------------------------------------------------------------------------------


async def test_every_order_type_and_time_in_force_rests_as_it_was_asked(client: Rest) -> None:
    price = await last_price(client)
    low, high = price - 50, price + 50
    for fields in (
        {"orderType": "Limit", "price": low},
        {"orderType": "Stop", "stopPrice": high},
        {"orderType": "StopLimit", "stopPrice": high, "price": high + 1},
        {"orderType": "TrailingStop", "stopPrice": high, "pegDifference": 50},
        {"orderType": "TrailingStopLimit", "stopPrice": high, "pegDifference": 50, "price": high + 1},
        {"orderType": "MIT", "price": low},
        {"orderType": "Limit", "price": low, "timeInForce": "GTC", "maxShow": 1, "text": "hello", "customTag50": "c"},
        {"orderType": "Limit", "price": low, "timeInForce": "GTD", "expireTime": "2099-01-01T00:00:00Z"},
        {"orderType": "Limit", "price": low, "stopPrice": None, "clOrdId": None, "expireTime": None},
        {"orderType": "Limit", "price": low, "accountSpec": None},
        {"orderType": "Limit", "price": low, "accountId": None},
    ):
        answer = await client.post("order/placeorder", body(client, **fields))
        told = await order(client, answer["orderId"])
        assert told["ordStatus"] == "Working", fields
        for name in ("orderType", "price", "stopPrice", "pegDifference", "timeInForce"):
            if fields.get(name) is not None:
                assert told[name] == fields[name], (name, fields)
        assert "commandId" in await client.post(
            "order/cancelorder", {"orderId": answer["orderId"], "isAutomated": True}
        )
    for fields in ({"timeInForce": "IOC"}, {"timeInForce": "FOK"}):
        answer = await client.post("order/placeorder", body(client, orderType="Limit", price=low, **fields))
        assert (await order(client, answer["orderId"]))["ordStatus"] == "Canceled"


async def test_a_date_ends_an_order_and_another_lets_one_go(client: Rest) -> None:
    price = await last_price(client)
    at = (datetime.now(UTC) + timedelta(seconds=0.6)).isoformat().replace("+00:00", "Z")
    low = {"orderType": "Limit", "price": price - 50}
    until_then = await client.post("order/placeorder", body(client, **low, timeInForce="GTD", expireTime=at))
    from_then = await client.post("order/placeorder", body(client, **low, activationTime=at))
    assert (await order(client, until_then["orderId"]))["ordStatus"] == "Working"
    assert (await order(client, from_then["orderId"]))["ordStatus"] in ("PendingNew", "Suspended")

    async def turned() -> bool:
        states = [(await order(client, each["orderId"]))["ordStatus"] for each in (until_then, from_then)]
        return states == ["Expired", "Working"]

    ends = time.monotonic() + 5
    while not await turned():
        assert time.monotonic() < ends
    await client.post("order/cancelorder", {"orderId": from_then["orderId"]})


async def test_a_trailing_stop_follows_the_market_and_only_its_quantity_may_change(at: Door, client: Rest) -> None:
    await at.control("market", paused=True)
    try:
        price = await last_price(client)
        await client.post("order/placeorder", body(client))
        stop = body(client, action="Sell", orderType="TrailingStop", stopPrice=price - 5, pegDifference=5)
        order_id = (await client.post("order/placeorder", stop))["orderId"]
        change = {"orderId": order_id, "orderQty": 1, "orderType": "TrailingStop", "stopPrice": price - 6}
        refused = await client.post("order/modifyorder", change)
        assert refused["failureReason"] == "TrailingStopNonOrderQtyModify"
        for traded, state in ((price + 4, "Working"), (price - 0.75, "Working"), (price - 1, "Filled")):
            await at.control("print", symbol=SYMBOL, limit=traded, qty=1, side="sell")
            assert (await order(client, order_id))["ordStatus"] == state, traded
    finally:
        await at.control("market", paused=False)


async def test_an_order_if_touched_waits_on_the_better_side(at: Door, client: Rest) -> None:
    await at.control("market", paused=True)
    try:
        price = await last_price(client)
        order_id = (await client.post("order/placeorder", body(client, orderType="MIT", price=price - 2)))["orderId"]
        for traded, state in ((price + 3, "Working"), (price - 1.75, "Working"), (price - 2, "Filled")):
            await at.control("print", symbol=SYMBOL, limit=traded, qty=1, side="sell")
            assert (await order(client, order_id))["ordStatus"] == state, traded
        await client.post("order/placeorder", body(client, action="Sell"))
    finally:
        await at.control("market", paused=False)


async def test_a_refusal_is_status_200_with_a_reason_of_the_page(at: Door, client: Rest) -> None:
    for reason in words(
        "AccountClosed AdvancedTrailingStopUnsupported AnotherCommandPending BackMonthProhibited "
        "ExecutionProviderNotConfigured ExecutionProviderUnavailable InvalidContract InvalidPrice "
        "LiquidationOnly LiquidationOnlyBeforeExpiration MaxOrderQtyIsNotSpecified "
        "MaxOrderQtyLimitReached MaxPosLimitMisconfigured MaxPosLimitReached MaxTotalPosLimitReached "
        "MultipleAccountPlanRequired NoQuote NotEnoughLiquidity OtherExecutionRelated ParentRejected "
        "RiskCheckTimeout SessionClosed TooLate TradingLocked TrailingStopNonOrderQtyModify Unauthorized "
        "UnknownReason Unsupported"
    ):
        await at.control("reject", account=account(client)["name"], reason=reason, text="as ordered")
        answer = await client.post("order/placeorder", body(client))
        assert answer == {"failureReason": reason, "failureText": "as ordered"}
    for fields, reason in (
        ({"symbol": "XXZ9"}, "InvalidContract"),
        ({"orderType": "Stop", "price": 9000}, "InvalidPrice"),
        ({"orderType": "TrailingStop", "stopPrice": 9000}, "InvalidPrice"),
        ({"orderType": "QTS", "price": 4000}, "Unsupported"),
    ):
        assert (await client.post("order/placeorder", body(client, **fields)))["failureReason"] == reason
    for fields in (
        {"symbol": "X" * 65},
        {"clOrdId": "c" * 65},
        {"orderQty": 0},
        {"orderType": "Foo"},
        {"action": "Hold"},
    ):
        wrong = await client.call("POST", "order/placeorder", body(client, **fields))
        assert wrong.status == 400, fields
        assert wrong.json["violations"][0]["description"]


async def test_a_change_must_resend_quantity_and_type(client: Rest) -> None:
    price = await last_price(client)
    placed = await client.post("order/placeorder", body(client, orderType="Limit", price=price - 50))
    only_price = await client.call("POST", "order/modifyorder", {"orderId": placed["orderId"], "price": price - 51})
    assert only_price.status == 400
    change = {"orderId": placed["orderId"], "orderQty": 3, "orderType": "Limit", "price": price - 51, "clOrdId": "m"}
    assert set(await client.post("order/modifyorder", change)) == {"commandId"}
    told = await order(client, placed["orderId"])
    assert (told["orderQty"], told["price"]) == (3, price - 51)
    await client.post("order/cancelorder", {"orderId": placed["orderId"], "clOrdId": "x", "customTag50": "t"})
    late = await client.post("order/cancelorder", {"orderId": placed["orderId"]})
    assert late["failureReason"] == "TooLate"


async def test_linked_orders_and_liquidation(client: Rest) -> None:
    price = await last_price(client)
    low, high = price - 50, price + 50
    guard = {"action": "Sell", "orderType": "Stop", "stopPrice": low}
    oco = await client.post("order/placeoco", body(client, action="Sell", orderType="Limit", price=high, other=guard))
    assert set(oco) == {"orderId", "ocoId"}
    assert (await order(client, oco["orderId"]))["ocoId"] == oco["ocoId"]
    legs = {"bracket1": {"action": "Sell", "orderType": "Limit", "price": high}, "bracket2": guard}
    oso = await client.post("order/placeoso", body(client, **legs))
    assert set(oso) == {"orderId", "oso1Id", "oso2Id"}
    first, second = [await order(client, oso[key]) for key in ("oso1Id", "oso2Id")]
    assert (first["ocoId"], second["ocoId"]) == (oso["oso2Id"], oso["oso1Id"])
    assert (first["parentId"], first["ordStatus"], first["orderQty"]) == (oso["orderId"], "Working", 1)
    without = await client.call("POST", "order/placeoso", body(client))
    assert without.status == 400
    contract = await client.get(f"contract/find?name={SYMBOL}")
    wish = {"accountId": account(client)["id"], "contractId": contract["id"], "admin": False, "customTag50": "c"}
    closing = await client.post("order/liquidateposition", wish | {"isAutomated": True})
    assert (await order(client, closing["orderId"]))["ordStatus"] == "Filled"
    for order_id in (oco["orderId"], oco["ocoId"], oso["oso1Id"], oso["oso2Id"]):
        assert (await order(client, order_id))["ordStatus"] == "Canceled"


async def test_a_dry_run_places_nothing(client: Rest) -> None:
    before = len(await client.get("order/list"))
    orders = [body(client), body(client, symbol="XXZ9"), body(client, orderType="Limit")]
    answer = await client.post("order/dryrun", {"orders": orders})
    assert [each["rejectReason"] for each in answer["orders"]] == ["Success", "InvalidContract", "InvalidPrice"]
    assert (await client.call("POST", "order/dryrun", {"orders": [body(client)] * 5})).status == 400
    assert len(await client.get("order/list")) == before


@pytest.mark.parametrize(("action", "target", "stop"), [("Sell", -30, 15), ("Buy", 30, -15)])
async def test_a_multibracket_strategy_places_its_exits_and_is_interrupted(
    at: Door, client: Rest, action: str, target: float, stop: float
) -> None:
    brackets = [{"qty": 2, "profitTarget": target, "stopLoss": stop, "trailingStop": False}]
    brackets.append({"qty": 1, "profitTarget": 2 * target, "stopLoss": stop, "trailingStop": True})
    params = {"entryVersion": {"orderQty": 3, "orderType": "Market"}, "brackets": brackets}
    mine = account(client)
    wish = {"accountId": mine["id"], "accountSpec": mine["name"], "symbol": SYMBOL, "action": action}
    wish |= {"orderStrategyTypeId": 2, "params": json.dumps(params), "uuid": "u-1", "customTag50": "c"}
    async with socket(client.session, at.ready["ws"], client.token) as ws:
        await ws.call("user/syncrequest", "", {"users": [client.token_answer["userId"]]})
        strategy = (await ws.call("orderStrategy/startOrderStrategy", "", wish))["d"]["orderStrategy"]
        links = await until(
            lambda: [e for e in ws.props("orderStrategyLink") if len(ws.props("orderStrategyLink")) == 5]
        )
        exits = [await order(client, link["orderId"]) for link in links[1:]]
        [fill] = await client.get(f"fill/deps?masterid={links[0]['orderId']}")
        assert [(each["orderQty"], each["orderType"]) for each in exits] == [
            (2, "Limit"),
            (2, "Stop"),
            (1, "Limit"),
            (1, "TrailingStop"),
        ]
        assert exits[0]["price"] == fill["price"] + target
        assert exits[1]["stopPrice"] == fill["price"] + stop
        assert all(each["action"] != action and each["ordStatus"] == "Working" for each in exits)
        wrong = params | {"brackets": [{"qty": 1, "profitTarget": -target, "stopLoss": stop}]}
        refused = await ws.call("orderStrategy/startOrderStrategy", "", wish | {"params": json.dumps(wrong)})
        assert refused["d"]["errorText"]
        ended = await ws.call("orderStrategy/interruptOrderStrategy", "", {"orderStrategyId": strategy["id"]})
        assert ended["d"]["orderStrategy"]["status"] != "ActiveStrategy"
        assert all([(await order(client, each["orderId"]))["ordStatus"] == "Canceled" for each in exits])
    await client.post("order/placeorder", body(client, orderQty=3, action="Buy" if action == "Sell" else "Sell"))


# --- 1.4 ----------------------------------------------------------------------------------------------------


async def test_framing_is_as_real_clients_send_it(at: Door, client: Rest) -> None:
    async with socket(client.session, at.ready["ws"]) as ws:
        await ws.raw("account/list\n2\n\n")
        assert (await ws.answer(2))["s"] == 401
        await ws.raw("authorize\n3\n\nInvalid")
        assert await ws.answer(3) == {"i": 3, "s": 401, "d": "Invalid access token"}
        await ws.raw(f'Authorize\n0\n\n"{client.token}"')
        assert await ws.answer(0) == {"i": 0, "s": 200}
        for number, frame in enumerate(
            (
                "account/list\n{}\n\n",
                "Account/List\n{}\nundefined\nundefined",
                f"contract/find\n{{}}\nname={SYMBOL}\n",
                'contract/find\n{}\n\n{{\n  "name": "' + SYMBOL + '"\n}}',
                "executionReport/list\n{}\n\n",
                "tradingPermission/ldeps\n{}\nmasterids=1",
                'contract/rollcontract\n{}\n\n{{"name":"' + SYMBOL + '","forward":true,"ifExpired":true}}',
            ),
            start=10,
        ):
            await ws.raw(frame.format(number))
            answer = await ws.answer(number)
            assert answer["s"] == 200, frame
            assert "d" in answer
        await ws.raw("nonsense\n50\n\n")
        assert (await ws.answer(50))["s"] == 404
        await ws.raw("order/placeorder\n51\n\n{bad")
        assert (await ws.answer(51))["s"] == 400
        await ws.raw("[]")
        await until(lambda: "h" in ws.frames)


async def test_no_heartbeat_comes_while_data_flows(at: Door, client: Rest) -> None:
    async with socket(client.session, at.ready["md"], client.token_answer["mdAccessToken"]) as ws:
        await ws.call("md/subscribeQuote", "", {"symbol": SYMBOL})
        await ws.call("md/subscribeDOM", "", {"symbol": SYMBOL})
        await until(lambda: len(ws.frames) > 25, 10)
        assert ws.frames[5:].count("h") == 0


async def test_sync_once_and_then_everything_from_any_front_end(at: Door, client: Rest) -> None:
    mine = account(client)
    async with socket(client.session, at.ready["ws"], client.token) as ws:
        pretty = json.dumps({"accounts": [mine["id"]]}, indent=2)
        snapshot = (await ws.call("user/syncrequest", "", pretty))["d"]
        assert set(snapshot) >= set(
            words(
                "users accounts accountRiskStatuses marginSnapshots userAccountAutoLiqs cashBalances currencies "
                "positions fillPairs orders contracts contractMaturities products exchanges spreadDefinitions "
                "commands commandReports executionReports orderVersions fills orderStrategies orderStrategyLinks "
                "userProperties properties userPlugins contractGroups orderStrategyTypes"
            )
        )
        assert [each["id"] for each in snapshot["accounts"]] == [mine["id"]]
        assert (await ws.call("user/syncrequest", "", {"accounts": [mine["id"]]}))["s"] != 200
        placed = await at.control("trade", account=mine["name"], symbol=SYMBOL, side="buy", qty=1)
        await until(lambda: [p for p in ws.props("order") if p["ordStatus"] == "Filled"])
        story = [event["d"]["entityType"] for event in ws.events if event["e"] == "props"]
        assert story[:3] == ["order", "orderVersion", "command"]
        assert {"commandReport", "executionReport", "fill", "position", "cashBalance"} <= set(story)
        assert {each["orderId"] for each in ws.props("fill")} == {placed["order_id"]}
        created = ws.of("props")[0]
        assert created["eventType"] == "Created"
        assert created["entity"]["ordStatus"] == "PendingNew"
    await client.post("order/placeorder", body(client, action="Sell"))


async def test_split_typed_and_sharded_syncs(at: Door, client: Rest) -> None:
    ids = [each["id"] for each in client.login["accounts"]]
    async with socket(client.session, at.ready["ws"], client.token) as ws:
        shard = {"divisor": 2, "remainder": 1, "expressionType": "modAccountId"}
        wish = {"splitResponses": True, "entityTypes": ["account", "cashBalance"], "shardingExpression": shard}
        await ws.raw(f"user/syncrequest\n77\n\n{json.dumps(wish)}")
        parts = await until(lambda: [a["d"] for a in ws.answers if a["i"] == 77 and not a["d"]] and ws.answers)
        told = [a["d"] for a in parts if a["i"] == 77]
        assert [set(part) for part in told] == [{"accounts"}, {"cashBalances"}, set()]
        assert [each["id"] for each in told[0]["accounts"]] == [each for each in ids if each % 2]
    async with socket(client.session, at.ready["ws"], client.token) as ws:
        both = {"users": [client.token_answer["userId"]], "shardingExpression": shard}
        assert (await ws.call("user/syncrequest", "", both))["s"] == 400
        empty = (await ws.call("user/syncrequest", "", {"users": [987654]}))["d"]
        assert not empty["accounts"]


async def test_a_replayed_session_a_shutdown_and_a_close_frame(at: Door, client: Rest) -> None:
    await last_price(client)
    async with socket(client.session, at.ready["ws"], client.token) as ws:
        snapshot = (await ws.call("user/syncrequest", "", {"users": [client.token_answer["userId"]]}))["d"]
        await at.control("replay", login=client.login["username"])
        await until(lambda: len(ws.props("fill")) == len(snapshot["fills"]))
        arrays = [e for e in ws.events if e["e"] == "props" and isinstance(e["d"]["entity"], list)]
        assert arrays, "an entity may be an array"
        await at.control("shutdown", login=client.login["username"], code="IPQuotaReached", text="too many")
        [told] = await until(lambda: ws.of("shutdown"))
        assert told == {"reasonCode": "IPQuotaReached", "reason": "too many"}
        await at.control("go_away", login=client.login["username"])
        await until(lambda: ws.closed)
        assert ws.frames[-1] == 'c[3000,"Go away!"]'


# --- 1.5 ----------------------------------------------------------------------------------------------------


async def test_limits_are_423_then_429_with_an_empty_body_and_tickets_are_status_200() -> None:
    async with (
        door("--requests-per-min", "12", "--logins", "1", "--limit", "syncs_per_hour=1") as at,
        rest(at.ready["rest"], at.logins("tradovate")[1]) as client,
    ):
        async with socket(client.session, at.ready["ws"], client.token) as ws:
            user = {"users": [client.token_answer["userId"]]}
            assert "accounts" in (await ws.call("user/syncrequest", "", user))["d"]
        async with socket(client.session, at.ready["ws"], client.token) as ws:
            ticket = (await ws.call("user/syncrequest", "", user))["d"]
            assert set(ticket) == {"p-ticket", "p-time"}
            await at.control("ticket", endpoint="account/list", wait_s=0.2, captcha=False)
            first = (await client.call("GET", "account/list")).json
            early = (await client.call("POST", "account/list", {"p-ticket": first["p-ticket"]})).json
            assert "p-ticket" in early
            statuses: list[int] = []
            for _ in range(14):
                answer = await client.call("GET", "account/list")
                statuses.append(answer.status)
                if answer.status == 429:
                    assert answer.text == ""
            assert statuses.index(423) == statuses.index(429) - 1
            assert await ws.call("account/list") == {"s": 429, "i": 3}
        for _ in range(5):
            assert (await client.log_in(password="wrong"))["errorText"]
        locked = await client.log_in()
        assert locked["p-captcha"] is True


# --- 1.7 ----------------------------------------------------------------------------------------------------


@pytest.fixture
async def market(at: Door, client: Rest) -> AsyncIterator[Socket]:
    async with socket(client.session, at.ready["md"], client.token_answer["mdAccessToken"]) as opened:
        yield opened


async def test_quotes_ladders_and_histograms(market: Socket) -> None:
    for kind in ("Quote", "DOM", "Histogram"):
        assert (await market.call(f"md/subscribe{kind}", "", {"symbol": SYMBOL}))["s"] == 200
    assert (await market.call("md/subscribequote", "", {"symbol": 560901}))["s"] == 200

    def first(key: str) -> list[dict[str, Any]]:
        return [event[key][0] for event in market.of("md") if key in event]

    quote = (await until(lambda: first("quotes")))[0]
    assert set(quote) == {"timestamp", "contractId", "entries"}
    assert {"Bid", "Offer", "TotalTradeVolume"} <= set(quote["entries"])
    ladder = (await until(lambda: first("doms")))[0]
    assert ladder["bids"][0]["price"] < ladder["offers"][0]["price"]
    histogram = (await until(lambda: first("histograms")))[0]
    assert {"contractId", "timestamp", "tradeDate", "base", "items", "refresh"} <= set(histogram)
    for kind in ("Quote", "DOM", "Histogram"):
        await market.call(f"md/unsubscribe{kind}", "", {"symbol": SYMBOL})


async def test_charts_come_with_history_an_end_and_what_follows_and_either_id_cancels(market: Socket) -> None:
    for which in ("historicalId", "realtimeId"):
        wish: dict[str, Any] = {
            "symbol": SYMBOL,
            "chartDescription": {"underlyingType": "MinuteBar", "elementSize": 1, "elementSizeUnit": "UnderlyingUnits"},
            "timeRange": {"asMuchAsElements": 5},
        }
        ids = (await market.call("md/getChart", "", wish))["d"]

        def parts(chart: int) -> list[dict[str, Any]]:
            return [part for event in market.of("chart") for part in event["charts"] if part["id"] == chart]

        await until(lambda ids=ids: [part for part in parts(ids["historicalId"]) if part.get("eoh")])
        bars = [bar for part in parts(ids["historicalId"]) for bar in part.get("bars", ())]
        assert 1 <= len(bars) <= 5
        assert set(bars[0]) == set(
            words("timestamp open high low close upVolume downVolume upTicks downTicks bidVolume offerVolume")
        )
        await until(lambda ids=ids: parts(ids["realtimeId"]), 10)
        assert (await market.call("md/cancelChart", "", {"subscriptionId": ids[which]}))["s"] == 200
    nothing = await market.call("md/getChart", "", wish | {"timeRange": {}})
    assert nothing["s"] == 400 or nothing["d"]["errorText"]


async def test_tick_charts_and_bars_of_volume_and_range(market: Socket) -> None:
    for unit, size in (("UnderlyingUnits", 1), ("Volume", 200), ("Range", 4)):
        description = {"underlyingType": "Tick", "elementSize": size, "elementSizeUnit": unit, "withHistogram": False}
        wish = {"symbol": SYMBOL, "chartDescription": description, "timeRange": {"asMuchAsElements": 20}}
        ids = (await market.call("md/getChart", "", wish))["d"]

        def parts(chart: int) -> list[dict[str, Any]]:
            return [part for event in market.of("chart") for part in event["charts"] if part["id"] == chart]

        await until(lambda ids=ids: [part for part in parts(ids["historicalId"]) if part.get("eoh")])
        [packet] = [part for part in parts(ids["historicalId"]) if not part.get("eoh")]
        if unit == "UnderlyingUnits":
            assert packet["s"] == "db"
            tick = packet["tks"][-1]
            assert 4_000 < (packet["bp"] + tick["p"]) * packet["ts"] < 6_000
            assert {"t", "p", "s", "id"} <= set(tick)
        elif unit == "Volume":
            assert all(bar["upVolume"] + bar["downVolume"] == size for bar in packet["bars"][:-1])
        else:
            assert all(round(4 * (bar["high"] - bar["low"])) <= size for bar in packet["bars"])
