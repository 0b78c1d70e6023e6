"""The Tradovate door by the protocol page: framing, requests, the stream. Real sockets, raw frames."""

import json
from pathlib import Path
from typing import Any

from tests.brokers.sandbox.projectx_client import YEAR
from tests.brokers.sandbox.raw_client import Bench, RawSocket, running


async def test_golden_frames_open_authorize_and_refuse(bench: Bench) -> None:
    token = (await bench.login())["accessToken"]
    socket = await bench.open()
    assert socket.frames == ["o"]
    await socket.send("authorize\n1\n\n" + token)
    await socket.until(lambda: len(socket.frames) == 2)
    assert socket.frames[1] == 'a[{"s":200,"i":1}]'
    stranger = await bench.open()
    await stranger.send("authorize\n0\n\nnonsense")
    await stranger.until(lambda: len(stranger.frames) == 2)
    assert json.loads(stranger.frames[1][1:]) == [{"i": 0, "s": 401, "d": "Invalid access token"}]


async def test_a_quoted_token_a_pretty_printed_body_and_undefined_are_understood(bench: Bench) -> None:
    token = (await bench.login())["mdAccessToken"]
    socket = await bench.open("md")
    await socket.send(f'authorize\n1\n\n"{token}"')
    await socket.until(lambda: socket.answer(1))
    await socket.send('md/subscribequote\n2\n\n{\n  "symbol": "ESH4"\n}')
    assert (await socket.until(lambda: socket.answer(2)))["s"] == 200
    await socket.send("account/list\n3\nundefined\nundefined")
    assert len((await socket.until(lambda: socket.answer(3)))["d"]) == 5
    await socket.send("Contract/Find\n4\nname=ESH4\n")
    assert (await socket.until(lambda: socket.answer(4)))["d"]["name"] == "ESH4"
    await socket.send(json.dumps([]))
    await socket.send("executionReport/list\n5\n\n")
    assert (await socket.until(lambda: socket.answer(5)))["d"] == []
    await socket.send("tradingPermission/ldeps\n8\nmasterids=1")
    assert (await socket.until(lambda: socket.answer(8)))["d"] == []
    quotes = await socket.until(lambda: [m for m in socket.messages if m.get("e") == "md"])
    assert {"Bid", "Offer", "Trade"} <= quotes[0]["d"]["quotes"][0]["entries"].keys()


async def test_a_market_order_tells_its_whole_story_after_its_answer(bench: Bench) -> None:
    socket = await bench.synced()
    answer = await socket.ask("order/placeOrder", bench.order(orderQty=2, clOrdId="mine-1"))
    order_id = answer["d"]["orderId"]
    await socket.until(lambda: socket.events("cashBalance"))
    story = [(event["entityType"], event["eventType"]) for event in socket.events()]
    assert story[:3] == [("order", "Created"), ("orderVersion", "Created"), ("command", "Created")]
    assert socket.messages.index(answer) < next(n for n, m in enumerate(socket.messages) if m.get("e") == "props")
    assert [event["entity"]["clOrdId"] for event in socket.events("command")][-1] == "mine-1"
    statuses = [event["entity"]["ordStatus"] for event in socket.events("order")]
    assert statuses == ["PendingNew", "Working", "Filled"]
    fills = [event["entity"] for event in socket.events("fill")]
    assert sum(fill["qty"] for fill in fills) == 2
    assert {fill["orderId"] for fill in fills} == {order_id}
    assert "accountId" not in fills[0]
    assert set(fills[0]["tradeDate"]) == {"year", "month", "day"}
    position = socket.events("position")[-1]["entity"]
    assert (position["netPos"], position["accountId"]) == (2, bench.account_id())


async def test_lists_over_rest_and_the_stream_are_one_truth(bench: Bench) -> None:
    socket = await bench.synced()
    for side in ("Buy", "Sell", "Buy"):
        await socket.ask("order/placeorder", bench.order(action=side))
    token = bench.tokens["desk1"]["accessToken"]
    await socket.until(lambda: len(socket.events("fill")) == 3 and socket.events("fillPair"))
    for entity_type in ("order", "orderVersion", "command", "commandReport", "executionReport", "fill", "position"):
        newest = {event["entity"]["id"]: event["entity"] for event in socket.events(entity_type)}
        status, listed = await bench.rest(f"{entity_type}/list", token=token)
        assert status == 200
        assert {entity["id"]: entity for entity in listed} == newest
    pair = (await bench.rest("fillPair/list", token=token))[1][0]
    position = (await bench.rest("position/deps", token=token, query=f"masterid={bench.account_id()}"))[1][0]
    assert (pair["positionId"], position["netPos"]) == (position["id"], 1)


async def test_another_front_ends_trade_reaches_the_logins_stream_and_no_other(bench: Bench) -> None:
    leader, desk = await bench.synced("leader"), await bench.synced("desk1")
    await bench.control("trade", account="DEMO1000", side="sell", qty=3)
    await leader.until(lambda: sum(event["entity"]["qty"] for event in leader.events("fill")) == 3)
    assert leader.events("position")[-1]["entity"]["netPos"] == -3
    assert (await desk.ask("fill/list"))["d"] == []
    assert desk.events() == []


async def test_a_sync_is_once_per_socket_and_shows_only_what_was_asked_for(bench: Bench) -> None:
    socket = await bench.synced(accounts=[bench.account_id(number=1)])
    again = await socket.ask("user/syncrequest", {"users": [1]})
    assert again["s"] == 400
    await socket.ask("order/placeorder", bench.order())
    await socket.ask("order/placeorder", bench.order(accountId=bench.account_id(number=1)))
    await socket.until(lambda: socket.events("position"))
    assert {event["entity"]["accountId"] for event in socket.events("order")} == {bench.account_id(number=1)}
    fills_only = await bench.synced(users=[bench.tokens["desk1"]["userId"]], entityTypes=["fill"])
    synced = fills_only.messages[-1]["d"]
    assert len(synced["fills"]) >= 2
    assert synced["orders"] == []
    sharded = await bench.synced(
        splitResponses=True,
        entityTypes=["account"],
        shardingExpression={"divisor": 5, "remainder": bench.account_id() % 5, "expressionType": "modAccountId"},
    )
    assert [account["id"] for account in sharded.messages[-1]["d"]["accounts"]] == [bench.account_id()]


async def test_strict_entity_types_and_split_responses_are_switches(tmp_path: Path) -> None:
    async with running(tmp_path, strict_entity_types=True, split_responses=True) as bench:
        strict = await bench.synced()
        assert not any(strict.messages[-1]["d"].values())
        socket = await bench.open()
        await socket.ask("authorize", bench.tokens["desk1"]["accessToken"])
        number = await socket.request("user/syncrequest", {"splitResponses": True, "entityTypes": ["account", "user"]})
        await socket.until(lambda: any(m.get("i") == number and m["d"] == {} for m in socket.messages))
        parts = [m["d"] for m in socket.messages if m.get("i") == number]
        assert [list(part) for part in parts] == [["users"], ["accounts"], []]


async def test_wrong_password_is_http_200_with_error_text_and_no_token(bench: Bench) -> None:
    status, answer = await bench.rest("auth/accessTokenRequest", {"name": "desk1", "password": "wrong"})
    assert status == 200
    assert answer.keys() == {"errorText"}


async def test_a_third_session_ends_the_oldest(bench: Bench) -> None:
    first = await bench.synced()
    oldest = bench.tokens["desk1"]["accessToken"]
    renewed = (await bench.rest("auth/renewaccesstoken", token=oldest))[1]["accessToken"]
    await bench.login()
    assert (await bench.rest("account/list", token=oldest))[0] == 200
    assert not first.closed
    await bench.login()
    await first.until(lambda: first.closed)
    assert (await bench.rest("account/list", token=oldest))[0] == 401
    assert (await bench.rest("account/list", token=renewed))[0] == 401
    assert (await bench.rest("account/list", token=bench.tokens["desk1"]["accessToken"]))[0] == 200


async def test_renewing_extends_the_session_and_the_old_token_ends_when_it_ends(tmp_path: Path) -> None:
    async with running(tmp_path, token_lifetime_s=1.0) as bench:
        socket = await bench.synced()
        old = bench.tokens["desk1"]["accessToken"]
        status, renewed = await bench.rest("auth/renewaccesstoken", token=old)
        assert status == 200
        assert renewed["userId"] == bench.tokens["desk1"]["userId"]

        async def gone(token: str) -> bool:
            return (await bench.rest("account/list", token=token))[0] == 401

        while not await gone(old):
            assert (await socket.ask("account/list"))["s"] == 200
        while not await gone(renewed["accessToken"]):
            pass
        assert (await socket.ask("account/list"))["s"] == 401


async def test_an_idle_socket_hears_heartbeats_and_a_busy_one_hears_none(tmp_path: Path) -> None:
    async with running(tmp_path, heartbeat_s=0.5, client_silence_s=60.0) as bench:
        idle, busy = await bench.open(), await bench.synced()
        while "h" not in idle.frames:
            await busy.ask("account/list")
        assert "h" not in busy.frames


async def test_who_does_not_authorise_or_falls_silent_is_sent_away(tmp_path: Path) -> None:
    async with running(tmp_path, authorize_within_s=0.3, client_silence_s=0.9) as bench:
        nobody, silent = await bench.open(), await bench.synced()
        await nobody.until(lambda: nobody.closed)
        assert nobody.frames[-1] == 'c[3000,"Go away!"]'
        assert not silent.closed
        await silent.until(lambda: silent.closed)
        assert silent.frames[-1] == 'c[3000,"Go away!"]'


async def test_what_cant_be_read_is_answered_and_survived(bench: Bench) -> None:
    socket = await bench.synced()
    assert (await socket.ask("order/placeorder", {"action": "Buy"}))["s"] == 400
    assert (await socket.ask("order/placeorder", bench.order(action="Hold")))["s"] == 400
    assert (await socket.ask("order/placeorder", bench.order(orderQty=0)))["s"] == 400
    assert (await socket.ask("order/placeorder", "{broken"))["s"] == 400
    assert (await socket.ask("order/nonsense", {}))["s"] == 404
    assert (await socket.ask("order/cancelorder", {"orderId": 1}))["s"] == 404
    await socket.send("one line only")
    await socket.send("\n\n\n\n\n")
    await socket.send("account/list\nxx\n\n")
    status, answer = await bench.rest(
        "order/placeorder", {"symbol": "ESH4"}, token=bench.tokens["desk1"]["accessToken"]
    )
    assert status == 400
    assert "orderType" in answer["violations"][0]["description"]
    assert (await socket.ask("account/list"))["s"] == 200


async def test_refusals_are_http_200_with_the_pages_words(bench: Bench) -> None:
    socket = await bench.synced()
    foreign = bench.account_id("desk2")

    async def reason(**fields: object) -> str:
        answer = await socket.ask("order/placeorder", bench.order(**fields))
        assert answer["s"] == 200
        assert answer["d"]["failureText"]
        return answer["d"]["failureReason"]

    assert await reason(symbol="XXZ9") == "InvalidContract"
    assert await reason(symbol="ESM4") == "BackMonthProhibited"
    assert await reason(orderType="Limit", price=4800.1) == "InvalidPrice"
    assert await reason(orderType="Limit") == "InvalidPrice"
    assert await reason(orderType="Stop", stopPrice=4000) == "InvalidPrice"
    assert await reason(orderType="TrailingStop", stopPrice=9000) == "InvalidPrice"
    assert await reason(orderType="TrailingStop", action="Sell", stopPrice=4000, pegDifference=0.1) == "InvalidPrice"
    assert await reason(orderType="QTS", price=4000) == "Unsupported"
    assert await reason(accountId=foreign) == "Unauthorized"
    assert await reason(orderQty=50) == "NotEnoughLiquidity"
    assert await reason(orderQty=500) == "MaxOrderQtyLimitReached"
    await bench.control("account", account="DEMO1001", max_position=2)
    assert await reason(orderQty=3) == "MaxPosLimitReached"
    await bench.control("account", account="DEMO1001", liquidate_only=True)
    assert await reason() == "LiquidationOnly"
    await bench.control("account", account="DEMO1001", locked=True)
    assert await reason() == "TradingLocked"
    risk = await socket.until(lambda: [e for e in socket.events("accountRiskStatus") if e["eventType"] == "Updated"])
    assert risk[-1]["entity"]["adminAction"] == "LockTradingImmediately"
    await bench.control("session", open=False)
    await bench.control("account", account="DEMO1001", locked=False)
    assert await reason() == "SessionClosed"


async def test_an_account_may_be_named_by_id_or_by_spec(bench: Bench) -> None:
    socket = await bench.synced()
    by_name = bench.order(accountSpec="DEMO1003")
    del by_name["accountId"]
    answer = await socket.ask("order/placeorder", by_name)
    order = await socket.ask("order/item", query=f"id={answer['d']['orderId']}")
    assert order["d"]["accountId"] == bench.account_id(number=2)
    leader = await bench.synced("leader")
    anonymous = bench.order("leader")
    del anonymous["accountId"]
    assert "orderId" in (await leader.ask("order/placeorder", anonymous))["d"]


async def test_modify_and_cancel_change_a_resting_order(bench: Bench) -> None:
    socket = await bench.synced()
    placed = await socket.ask("order/placeorder", bench.order(orderType="Limit", price=4700.25, timeInForce="GTC"))
    order_id = placed["d"]["orderId"]
    body = {"orderId": order_id, "orderQty": 2, "orderType": "Limit", "price": 4701.25}
    assert "commandId" in (await socket.ask("order/modifyorder", body))["d"]
    versions = (await socket.ask("orderVersion/deps", query=f"masterid={order_id}"))["d"]
    assert [(v["orderQty"], v["price"], v["timeInForce"]) for v in versions] == [
        (1, 4700.25, "GTC"),
        (2, 4701.25, "GTC"),
    ]
    canceled = await socket.ask("order/cancelorder", {"orderId": order_id})
    assert "commandId" in canceled["d"]
    assert (await socket.ask("order/item", query=f"id={order_id}"))["d"]["ordStatus"] == "Canceled"
    assert (await socket.ask("order/cancelorder", {"orderId": order_id}))["d"]["failureReason"] == "TooLate"


async def test_liquidating_cancels_the_contracts_orders_and_closes_the_position(bench: Bench) -> None:
    socket = await bench.synced()
    contract_id = (await socket.ask("contract/find", query="name=ESH4"))["d"]["id"]
    await socket.ask("order/placeorder", bench.order(orderQty=3))
    resting = await socket.ask("order/placeorder", bench.order(orderType="Limit", price=4700))
    body = {"accountId": bench.account_id(), "contractId": contract_id, "admin": False}
    assert "orderId" in (await socket.ask("order/liquidateposition", body))["d"]
    order = await socket.ask("order/item", query=f"id={resting['d']['orderId']}")
    assert order["d"]["ordStatus"] == "Canceled"
    assert [p["netPos"] for p in (await socket.ask("position/list"))["d"]] == [0]
    assert (await socket.ask("order/liquidateposition", body))["d"] == {}


async def test_linked_orders_answer_all_their_ids(bench: Bench) -> None:
    socket = await bench.synced()
    low, high = {"action": "Sell", "orderType": "Stop", "stopPrice": 4700}, {"action": "Sell", "orderType": "Limit"}
    high |= {"price": 4900}
    oso = await socket.ask("order/placeoso", bench.order(bracket1=low, bracket2=high))
    assert oso["d"].keys() == {"orderId", "oso1Id", "oso2Id"}
    legs = [(await socket.ask("order/item", query=f"id={oso['d'][key]}"))["d"] for key in ("oso1Id", "oso2Id")]
    assert [leg["ordStatus"] for leg in legs] == ["Working", "Working"]
    assert [leg["ocoId"] for leg in legs] == [legs[1]["id"], legs[0]["id"]]
    assert {leg["parentId"] for leg in legs} == {oso["d"]["orderId"]}
    body = bench.order(action="Sell", orderType="Limit", price=4901, other=low)
    oco = await socket.ask("order/placeoco", body)
    assert oco["d"].keys() == {"orderId", "ocoId"}


async def test_a_trailing_stop_keeps_its_distance_and_changes_its_size_alone(bench: Bench) -> None:
    socket = await bench.synced()
    body = bench.order(action="Sell", orderType="TrailingStop", stopPrice=4700, pegDifference=5.25)
    order_id = (await socket.ask("order/placeorder", body))["d"]["orderId"]
    moved = {"orderId": order_id, "orderQty": 1, "orderType": "TrailingStop", "stopPrice": 4700, "pegDifference": 6}
    refused = (await socket.ask("order/modifyorder", moved))["d"]
    assert refused["failureReason"] == "TrailingStopNonOrderQtyModify"
    assert "commandId" in (await socket.ask("order/modifyorder", moved | {"orderQty": 2, "pegDifference": 5.25}))["d"]
    versions = (await socket.ask("orderVersion/deps", query=f"masterid={order_id}"))["d"]
    assert [(each["orderType"], each["orderQty"], each["stopPrice"], each["pegDifference"]) for each in versions] == [
        ("TrailingStop", 1, 4700, 5.25),
        ("TrailingStop", 2, 4700, 5.25),
    ]
    await socket.ask("order/cancelorder", {"orderId": order_id})
    assert (await socket.ask("order/item", query=f"id={order_id}"))["d"]["ordStatus"] == "Canceled"


async def test_brackets_are_suspended_behind_their_entry_and_go_with_it(bench: Bench) -> None:
    socket = await bench.synced()
    low = {"action": "Sell", "orderType": "Stop", "stopPrice": 4600, "clOrdId": "low"}
    high = {"action": "Sell", "orderType": "Limit", "price": 4900, "clOrdId": "high"}
    body = bench.order(orderType="Limit", price=4700, orderQty=3, clOrdId="entry", bracket1=low, bracket2=high)
    oso = (await socket.ask("order/placeoso", body))["d"]

    async def legs() -> list[dict[str, Any]]:
        return [(await socket.ask("order/item", query=f"id={oso[key]}"))["d"] for key in ("oso1Id", "oso2Id")]

    assert [leg["ordStatus"] for leg in await legs()] == ["Suspended", "Suspended"]
    versions = (await socket.ask("orderVersion/deps", query=f"masterid={oso['oso1Id']}"))["d"]
    assert [(each["orderQty"], each["stopPrice"]) for each in versions] == [(3, 4600)]
    commands = (await socket.ask("command/deps", query=f"masterid={oso['oso2Id']}"))["d"]
    assert [each["clOrdId"] for each in commands] == ["high"]
    moved = {"orderId": oso["oso1Id"], "orderQty": 3, "orderType": "Stop", "stopPrice": 4610}
    assert "commandId" in (await socket.ask("order/modifyorder", moved))["d"]
    assert [leg["ocoId"] for leg in await legs()] == [oso["oso2Id"], oso["oso1Id"]]
    await socket.ask("order/cancelorder", {"orderId": oso["orderId"]})
    assert [leg["ordStatus"] for leg in await legs()] == ["Canceled", "Canceled"]


async def test_the_generic_entity_operations_answer_by_the_page(bench: Bench) -> None:
    socket = await bench.synced()
    contract = (await socket.ask("contract/suggest", query="t=MES&l=1"))["d"]
    assert [each["name"] for each in contract] == ["MESH4"]
    maturity = (await socket.ask("contractMaturity/item", query=f"id={contract[0]['contractMaturityId']}"))["d"]
    assert (maturity["expirationMonth"], maturity["isFront"]) == (YEAR * 100 + 3, True)
    assert maturity["expirationDate"].startswith(f"{YEAR}-03-")
    product = (await socket.ask("product/item", query=f"id={maturity['productId']}"))["d"]
    assert (product["name"], product["tickSize"], product["valuePerPoint"]) == ("MES", 0.25, 5)
    assert (await socket.ask("exchange/item", query=f"id={product['exchangeId']}"))["d"]["name"] == "CME"
    ids = f"ids={bench.account_id()},{bench.account_id(number=1)},{bench.account_id('desk2')}"
    assert len((await socket.ask("account/items", query=ids))["d"]) == 2
    assert (await socket.ask("account/item", query=f"id={bench.account_id('desk2')}"))["s"] == 404
    rolled = await socket.ask("contract/rollcontract", {"name": "ESH4", "forward": True})
    assert rolled["d"]["name"] == "ESM4"
    cash = await socket.ask("cashBalance/getcashbalancesnapshot", {"accountId": bench.account_id()})
    assert cash["d"]["netLiq"] == 250_000
    assert (await socket.ask("auth/me"))["d"]["name"] == "desk1"


async def test_a_demo_login_sees_nothing_at_the_live_door(tmp_path: Path) -> None:
    async with running(tmp_path, environment="live") as bench:
        token = (await bench.login())["accessToken"]
        assert (await bench.rest("account/list", token=token)) == (200, [])
        socket = await bench.synced()
        assert socket.messages[-1]["d"]["accounts"] == []


def charts(socket: RawSocket, chart_id: int) -> list[dict[str, object]]:
    packets = [packet for m in socket.messages if m.get("e") == "chart" for packet in m["d"]["charts"]]
    return [packet for packet in packets if packet["id"] == chart_id]


async def test_a_chart_brings_history_its_end_and_the_newest_bar_until_either_id_cancels_it(bench: Bench) -> None:
    token = (await bench.login())["mdAccessToken"]
    socket = await bench.open("md")
    await socket.ask("authorize", token)
    description = {"underlyingType": "MinuteBar", "elementSize": 5, "elementSizeUnit": "UnderlyingUnits"}
    wish = {"symbol": "ESH4", "chartDescription": description, "timeRange": {"asMuchAsElements": 10}}
    ids = (await socket.ask("md/getChart", wish))["d"]
    await socket.until(lambda: any(packet.get("eoh") for packet in charts(socket, ids["historicalId"])))
    bars = [bar for packet in charts(socket, ids["historicalId"]) for bar in packet.get("bars", [])]
    assert len(bars) == 10
    await bench.control("market", paused=False)
    newest = (await socket.until(lambda: charts(socket, ids["realtimeId"])))[0]["bars"]
    assert newest[-1]["upVolume"] + newest[-1]["downVolume"] >= bars[-1]["upVolume"] + bars[-1]["downVolume"]
    ticks = {**wish, "chartDescription": {**description, "underlyingType": "Tick", "elementSize": 1}}
    tick_ids = (await socket.ask("md/getchart", ticks))["d"]
    packet = (await socket.until(lambda: charts(socket, tick_ids["realtimeId"])))[0]
    assert 4000 < (packet["bp"] + packet["tks"][0]["p"]) * packet["ts"] < 6000
    await socket.ask("md/cancelChart", {"subscriptionId": ids["realtimeId"]})
    await socket.ask("md/cancelChart", {"subscriptionId": tick_ids["historicalId"]})
    seen = len([m for m in socket.messages if m.get("e") == "chart"])
    await socket.ask("md/subscribeDOM", {"symbol": "ESH4"})
    dom = (await socket.until(lambda: [m for m in socket.messages if "doms" in m.get("d", {})]))[0]["d"]["doms"][0]
    assert dom["bids"][0]["price"] < dom["offers"][0]["price"]
    assert len([m for m in socket.messages if m.get("e") == "chart"]) == seen


async def test_the_oldest_ended_orders_leave_the_lists_with_all_that_is_theirs(tmp_path: Path) -> None:
    async with running(tmp_path, orders_kept=3) as bench:
        socket = await bench.synced()
        resting = await socket.ask("order/placeorder", bench.order(orderType="Limit", price=4700))
        for number in range(12):
            await socket.ask("order/placeorder", bench.order(action=("Buy", "Sell")[number % 2]))
        orders = {order["id"] for order in (await socket.ask("order/list"))["d"]}
        assert resting["d"]["orderId"] in orders
        assert 3 <= len(orders) <= 4
        for entity_type in ("orderVersion", "command", "executionReport", "fill"):
            assert {entity["orderId"] for entity in (await socket.ask(f"{entity_type}/list"))["d"]} <= orders
        assert [p["netPos"] for p in (await socket.ask("position/list"))["d"]] == [0]
        assert len((await bench.control("state"))["fills"]) == 12
