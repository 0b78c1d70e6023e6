"""The sandbox's ProjectX door, statement by statement of `protocols/projectx.md`, by a client that knows only that.

One sandbox process serves all of these tests but the last ones; each logs in anew.
"""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.peers.door import Door, door, until, words
from tests.peers.projectx_client import RS, Gateway, Hub, gateway, hub

CONTRACT, SYMBOL_ID = "CON.F.US.EP.H34", "F.US.EP"  # listed after 2024, ESH4 is that of 2034
BUY, SELL = 0, 1
LIMIT, MARKET, STOP_LIMIT, STOP, TRAILING, JOIN_BID, JOIN_ASK = 1, 2, 3, 4, 5, 6, 7
LONG_AGO = {"startTimestamp": "2020-01-01T00:00:00Z"}
OPTIONS = ("--venue", "projectx", "--logins", "2", "--balance", "9000000")
ORDER = words(
    "id accountId contractId symbolId creationTimestamp updateTimestamp status type side size limitPrice stopPrice "
    "fillVolume filledPrice customTag"
)


@pytest.fixture(scope="module")
def at() -> Iterator[Door]:
    opened = Door(*OPTIONS, "--limit", "projectx.requests=0", "--limit", "projectx.ping_s=0.3")
    yield opened
    opened.close()


@pytest.fixture
async def px(at: Door) -> AsyncIterator[Gateway]:
    async with gateway(at.ready["venues"]["projectx"]["rest"], at.logins("projectx")[0]) as opened:
        yield opened


def account(px: Gateway) -> int:
    return px.login["accounts"][0]["id"]


def wish(px: Gateway, **fields: Any) -> dict[str, Any]:
    """A buy of one at market, every field there."""
    order = {"accountId": account(px), "contractId": CONTRACT, "type": MARKET, "side": BUY, "size": 1}
    return order | {"limitPrice": None, "stopPrice": None, "trailPrice": None, "customTag": None} | fields


async def last_price(px: Gateway) -> float:
    """By a round trip at market."""
    await px.good("Order/place", **wish(px))
    await px.good("Order/place", **wish(px, side=SELL))
    return (await trades(px))[-1]["price"]


async def trades(px: Gateway) -> list[dict[str, Any]]:
    """All of the account's, the oldest first."""
    found = (await px.good("Trade/search", accountId=account(px), **LONG_AGO))["trades"]
    return sorted(found, key=lambda trade: trade["id"])


async def known(px: Gateway, order_id: int) -> dict[str, Any]:
    found = (await px.good("Order/search", accountId=account(px), **LONG_AGO))["orders"]
    return next(order for order in found if order["id"] == order_id)


@pytest.fixture
async def user(at: Door, px: Gateway) -> AsyncIterator[Hub]:
    """The user hub, subscribed to everything of the first account."""
    async with hub(px, at.ready["venues"]["projectx"]["user_hub"], negotiate=True) as opened:
        assert await opened.invoke("SubscribeAccounts") == {"type": 3, "invocationId": "1", "result": None}
        for what in ("SubscribeOrders", "subscribepositions", "SUBSCRIBETRADES"):
            assert "error" not in await opened.invoke(what, account(px))
        yield opened


# --- 2.1, 2.2 ------------------------------------------------------------------------------------------------------


async def test_logging_in_validating_and_logging_out(px: Gateway) -> None:
    assert px.token.count(".") == 2
    assert await px.raw("Status/ping", method="GET", token="") == (200, "text/plain", "pong")
    status, _, text = await px.raw("Auth/loginKey", {"userName": px.login["username"], "apiKey": "no"}, token="")
    assert status == 200
    assert json.loads(text)["success"] is False
    assert json.loads(text)["errorCode"] in range(1, 11)
    assert json.loads(text)["token"] is None
    app = {"userName": px.login["username"], "deviceId": "d", "appId": "a", "verifyKey": "v"}
    assert (await px.good("Auth/loginApp", **app, password=px.login["password"]))["token"]
    assert (await px.post("Auth/loginApp", **app, password="no"))["errorCode"] == 2
    await px.log_in()
    renewed = await px.good("Auth/validate")
    px.token = renewed["newToken"] or px.token
    await px.good("Account/search", onlyActiveAccounts=True)
    for token in ("", "nonsense"):
        status, _, text = await px.raw("Account/search", {"onlyActiveAccounts": True}, token=token)
        assert (status, text) == (401, "")
    await px.good("Auth/logout")
    assert (await px.raw("Account/search", {"onlyActiveAccounts": True}))[0] == 401


async def test_accounts_and_contracts(px: Gateway) -> None:
    found = (await px.good("Account/search", onlyActiveAccounts=True))["accounts"]
    assert [each["id"] for each in found] == [each["id"] for each in px.login["accounts"]]
    assert set(found[0]) == set(words("id name balance canTrade isVisible simulated"))
    found = (await px.good("Contract/search", searchText="ES", live=False))["contracts"]
    assert {"F.US.EP", "F.US.MES"} <= {each["symbolId"] for each in found}, "a search is noisy"
    [wanted] = [each for each in found if each["id"] == CONTRACT]
    assert (wanted["name"], wanted["tickSize"], wanted["tickValue"]) == ("ESH4", 0.25, 12.5)
    assert wanted["activeContract"] is True
    assert (await px.good("Contract/searchById", contractId=CONTRACT))["contract"] == wanted
    assert wanted in (await px.good("Contract/available", live=False))["contracts"]
    assert (await px.post("Contract/searchById", contractId="CON.F.US.XX.Z25"))["success"] is False


# --- 2.3 -----------------------------------------------------------------------------------------------------------


async def test_every_order_type_rests_changes_and_ends(px: Gateway) -> None:
    price = await last_price(px)
    low, high = price - 50, price + 50
    for fields, shown in (
        ({"type": LIMIT, "limitPrice": low}, {"type": LIMIT, "limitPrice": low}),
        ({"type": STOP, "stopPrice": high}, {"stopPrice": high}),
        ({"type": STOP_LIMIT, "stopPrice": high, "limitPrice": high + 1}, {"stopPrice": high, "limitPrice": high + 1}),
        ({"type": TRAILING, "trailPrice": 50}, {"type": TRAILING}),
    ):
        placed = await px.good("Order/place", **wish(px, **fields))
        listed = (await px.good("Order/searchOpen", accountId=account(px)))["orders"]
        [order] = [each for each in listed if each["id"] == placed["orderId"]]
        assert set(order) >= set(ORDER)
        assert (order["status"], order["side"], order["size"]) == (1, BUY, 1)
        assert {name: order[name] for name in shown} == shown
        change = {"accountId": account(px), "orderId": placed["orderId"]}
        assert set(await px.good("Order/modify", **change, size=2)) == set(words("success errorCode errorMessage"))
        assert (await known(px, placed["orderId"]))["size"] == 2
        assert set(await px.good("Order/cancel", **change)) == set(words("success errorCode errorMessage"))
        assert (await known(px, placed["orderId"]))["status"] == 3
        assert (await px.post("Order/cancel", **change))["errorCode"] == 3
    joined = await px.good("Order/place", **wish(px, type=JOIN_BID))
    assert (await known(px, joined["orderId"]))["limitPrice"] <= price + 5
    await px.post("Order/cancel", accountId=account(px), orderId=joined["orderId"])


async def test_a_trailing_stop_follows_the_market(at: Door, px: Gateway) -> None:
    await at.control("market", paused=True)
    try:
        price = await last_price(px)
        await px.good("Order/place", **wish(px))
        stop = (await px.good("Order/place", **wish(px, type=TRAILING, side=SELL, trailPrice=5)))["orderId"]
        for traded, state in ((price + 4, 1), (price - 0.75, 1), (price - 1, 2)):
            await at.control("print", symbol="ESH4", limit=traded, qty=1, side="sell")
            assert (await known(px, stop))["status"] == state, traded
    finally:
        await at.control("market", paused=False)


async def test_refusals_have_the_pages_codes(at: Door, px: Gateway) -> None:
    price = await last_price(px)
    mine = {"accountId": account(px)}
    for fields, code in (
        ({"accountId": 9}, 1),
        ({"contractId": "CON.F.US.XX.Z25"}, 8),
        ({"contractId": "CON.F.US.EP.M24"}, 9),
        ({"type": LIMIT, "limitPrice": price + 0.1}, 2),
        ({"type": 0}, 2),
        ({"type": TRAILING}, 2),
        ({"size": 0}, 2),
    ):
        answer = await px.post("Order/place", **wish(px, **fields))
        assert (answer["success"], answer["errorCode"], answer["orderId"]) == (False, code, None), fields
    for reason, code in (
        ("NotEnoughLiquidity", 3),
        ("MaxPosLimitReached", 4),
        ("SessionClosed", 5),
        ("AnotherCommandPending", 6),
        ("UnknownReason", 7),
        ("TradingLocked", 10),
    ):
        await at.control("reject", account=px.login["accounts"][0]["name"], reason=reason, text="as ordered")
        answer = await px.post("Order/place", **wish(px))
        assert (answer["errorCode"], answer["errorMessage"]) == (code, "as ordered")
    resting = await px.good("Order/place", **wish(px, type=LIMIT, limitPrice=price - 50))
    for reason, code in (("OtherExecutionRelated", 3), ("AnotherCommandPending", 4), ("UnknownReason", 5)):
        await at.control("reject", account=px.login["accounts"][0]["name"], reason=reason)
        assert (await px.post("Order/cancel", **mine, orderId=resting["orderId"]))["errorCode"] == code
    await px.good("Order/cancel", **mine, orderId=resting["orderId"])
    for path, body, code in (
        ("Order/cancel", {"accountId": 9, "orderId": 1}, 1),
        ("Order/cancel", mine | {"orderId": 1}, 2),
        ("Order/modify", mine | {"orderId": 1, "size": 1}, 2),
        ("Position/closeContract", mine | {"contractId": CONTRACT}, 2),
        ("Position/closeContract", mine | {"contractId": "CON.F.US.XX.Z25"}, 3),
        ("Position/partialCloseContract", mine | {"contractId": CONTRACT, "size": 1}, 2),
        ("Order/search", {"accountId": 9, **LONG_AGO}, 1),
        ("Order/searchOpen", {"accountId": 9}, 1),
        ("Position/searchOpen", {"accountId": 9}, 1),
        ("Trade/search", {"accountId": 9}, 1),
    ):
        answer = await px.post(path, **body)
        assert (answer["success"], answer["errorCode"]) == (False, code), (path, body)


async def test_a_custom_tag_is_good_once_even_for_a_refused_order(px: Gateway) -> None:
    for fields in ({"type": LIMIT, "limitPrice": 0.13}, {}):
        tag = f"once-{bool(fields)}"
        await px.post("Order/place", **wish(px, **fields, customTag=tag))
        again = await px.post("Order/place", **wish(px, customTag=tag))
        assert (again["success"], again["errorCode"]) == (False, 2)
        assert "custom tag already in use" in again["errorMessage"]
    await px.good("Order/place", **wish(px, side=SELL))


async def test_positions_close_in_part_and_whole_and_trades_tell_what_they_earned(px: Gateway) -> None:
    await px.good("Order/place", **wish(px, size=3))
    mine = {"accountId": account(px), "contractId": CONTRACT}
    [held] = (await px.good("Position/searchOpen", accountId=account(px)))["positions"]
    assert set(held) == set(words("id accountId contractId creationTimestamp type size averagePrice"))
    assert (held["type"], held["size"]) == (1, 3)
    assert (await px.post("Position/partialCloseContract", **mine, size=4))["errorCode"] == 5
    assert "orderId" not in await px.good("Position/partialCloseContract", **mine, size=1)
    assert "orderId" not in await px.good("Position/closeContract", **mine)
    assert (await px.good("Position/searchOpen", accountId=account(px)))["positions"] == []
    told = (await trades(px))[-3:]
    assert [trade["side"] for trade in told] == [BUY, SELL, SELL]
    assert [trade["profitAndLoss"] is None for trade in told] == [True, False, False]
    wanted = words("id accountId contractId creationTimestamp price profitAndLoss fees side size voided orderId")
    assert set(told[0]) == set(wanted)


async def test_brackets_are_signed_and_live_as_recorded(px: Gateway, user: Hub) -> None:
    def legs(stop: int, target: int, stop_type: int = STOP, target_type: int = LIMIT) -> dict[str, Any]:
        return {
            "stopLossBracket": {"ticks": stop, "type": stop_type},
            "takeProfitBracket": {"ticks": target, "type": target_type},
        }

    for fields, says in (
        (legs(40, 40), "Invalid stop loss ticks (40). Ticks should be less than zero when longing."),
        (legs(-40, 40) | {"side": SELL}, "when going short."),
        (legs(-3, 40), "Price should be at least 4 ticks away"),
        (legs(-40, 40, stop_type=LIMIT), "Invalid stop loss type (Limit)"),
    ):
        answer = await px.post("Order/place", **wish(px, **fields))
        assert answer["errorCode"] == 2
        assert says in answer["errorMessage"]
    for stop_type in (STOP, TRAILING):
        tags = [f"b{stop_type}", f"b{stop_type}-SL", f"b{stop_type}-TP"]
        _, stop, target = tags

        def mine(tags: list[str] = tags) -> list[dict[str, Any]]:
            return [o for o in user.data("GatewayUserOrder") if o["customTag"] in tags]

        placed = await px.good("Order/place", **wish(px, **legs(-40, 60, stop_type), customTag=tags[0]))
        entry = placed["orderId"]
        await until(lambda mine=mine: len([o for o in mine() if o["status"] == 1]) == 2)
        told = mine()
        assert [o["status"] for o in told[:3]] == [6, 8, 8]
        assert [o["customTag"] for o in told[:3]] == tags
        assert [(o["limitPrice"], o["stopPrice"]) for o in told[1:3]] == [(None, None), (None, None)]
        assert all(o["parentOrderId"] == entry for o in told[1:3])
        assert "linkedOrderId" not in told[1]
        assert told[2]["linkedOrderId"] == told[1]["id"]
        filled = next(o for o in told if o["status"] == 2)["filledPrice"]
        awake = {o["customTag"]: o for o in told if o["status"] == 1}
        assert awake[stop]["stopPrice"] == filled - 10
        assert awake[target]["limitPrice"] == filled + 15
        assert awake[stop]["type"] == stop_type
        if stop_type == TRAILING:
            assert (awake[stop]["trailDistance"], awake[stop]["trailPrice"]) == (-40, 10)
        await px.good("Order/cancel", accountId=account(px), orderId=awake[target]["id"])
        await px.good("Position/closeContract", accountId=account(px), contractId=CONTRACT)
        left = (await px.good("Order/searchOpen", accountId=account(px)))["orders"]
        for each in left:
            assert "parentOrderId" not in each
            await px.good("Order/cancel", accountId=account(px), orderId=each["id"])


async def test_brackets_that_wait_are_in_no_list_and_closing_leaves_those_that_work(px: Gateway, user: Hub) -> None:
    price = await last_price(px)
    stop = {"stopLossBracket": {"ticks": -40, "type": STOP}}
    entry = (await px.good("Order/place", **wish(px, type=LIMIT, limitPrice=price - 50, **stop)))["orderId"]
    [child] = await until(
        lambda: [o for o in user.data("GatewayUserOrder") if o["status"] == 8 and o["parentOrderId"] == entry]
    )
    for path, more in (("Order/searchOpen", {}), ("Order/search", LONG_AGO)):
        listed = [each["id"] for each in (await px.good(path, accountId=account(px), **more))["orders"]]
        assert entry in listed
        assert child["id"] not in listed
    await px.good("Order/cancel", accountId=account(px), orderId=entry)
    await until(lambda: [o for o in user.data("GatewayUserOrder") if o["id"] == child["id"] and o["status"] == 3])
    await px.good("Order/place", **wish(px, **stop))
    await px.good("Position/closeContract", accountId=account(px), contractId=CONTRACT)
    [orphan] = (await px.good("Order/searchOpen", accountId=account(px)))["orders"]
    assert orphan["type"] == STOP
    await px.good("Order/cancel", accountId=account(px), orderId=orphan["id"])


# --- 2.4 -----------------------------------------------------------------------------------------------------------


async def test_the_user_hub_tells_an_orders_life(px: Gateway, user: Hub) -> None:
    user.messages.clear()
    placed = await px.good("Order/place", **wish(px, customTag="life"))
    await until(lambda: user.data("GatewayUserAccount"))
    orders = user.data("GatewayUserOrder")
    assert [o["status"] for o in orders] == [6, 2]
    assert set(orders[0]) >= set(ORDER)
    [trade] = user.data("GatewayUserTrade")
    assert (trade["orderId"], trade["size"], trade["side"]) == (placed["orderId"], 1, BUY)
    [held] = user.data("GatewayUserPosition")
    assert (held["type"], held["size"]) == (1, 1)
    assert "contractDisplayName" in held
    assert "commissions" in trade
    assert [e[0]["action"] for e in user.events("GatewayUserTrade")] == [0]
    assert {e[0]["action"] for e in user.events("GatewayUserOrder")} == {1, 2}
    await px.good("Order/place", **wish(px, side=SELL))
    await until(lambda: len(user.data("GatewayUserPosition")) == 2)
    closed = user.events("GatewayUserPosition")[-1][0]
    assert (closed["action"], closed["data"]["type"], closed["data"]["size"]) == (2, 0, 0)
    await user.invoke("UnsubscribeOrders", account(px))
    user.messages.clear()
    await px.good("Order/place", **wish(px))
    await px.good("Order/place", **wish(px, side=SELL))
    await until(lambda: len(user.data("GatewayUserTrade")) == 2)
    assert not user.events("GatewayUserOrder")


async def test_a_rejected_order_is_status_5_without_a_reason(at: Door, px: Gateway, user: Hub) -> None:
    name = px.login["accounts"][0]["name"]
    await at.control("account", account=name, max_order=1)
    user.messages.clear()
    refused = await px.post("Order/place", **wish(px, size=2, customTag="too large"))
    assert refused["errorMessage"]
    [told] = await until(lambda: [o for o in user.data("GatewayUserOrder") if o["status"] == 5])
    assert set(told) == set(ORDER)
    await at.control("account", account=name, max_order=0)


async def test_hubs_speak_signalr(at: Door, px: Gateway) -> None:
    doors = at.ready["venues"]["projectx"]
    async with hub(px, doors["user_hub"]) as opened:
        headers = {"Authorization": f"Bearer {px.token}", "Content-Type": "application/json"}
        done = await opened.invoke("SubscribeOrders", account(px), headers=headers)
        assert "error" not in done
        assert "Method does not exist" in (await opened.invoke("SubscribeContractDepth", CONTRACT))["error"]
        await until(lambda: sum(m["type"] == 6 for m in opened.messages) >= 3, what="pings are messages")
        assert opened.ws_pings == 0
        await at.control("shutdown", login=px.login["username"])
        await until(lambda: opened.closed)
        assert opened.messages[-1]["type"] == 7
    async with px.session.post(f"{doors['user_hub']}/negotiate?negotiateVersion=1") as answer:
        assert answer.status == 401
    async with px.session.ws_connect(f"{doors['user_hub']}?access_token={px.token}") as ws:
        await ws.send_str('{"protocol":"messagepack","version":1}' + RS)
        assert "error" in json.loads((await ws.receive()).data.rstrip(RS))


@pytest.mark.parametrize("which", ["wrapped=false", "flat_fills=true"])
async def test_payloads_may_be_bare(which: str) -> None:
    async with door(*OPTIONS, "--limit", f"projectx.{which}") as at:
        doors = at.ready["venues"]["projectx"]
        async with gateway(doors["rest"], at.logins("projectx")[0]) as px, hub(px, doors["user_hub"]) as opened:
            for what in ("Orders", "Positions", "Trades"):
                await opened.invoke(f"Subscribe{what}", account(px))
            await px.good("Order/place", **wish(px))
            await until(lambda: opened.events("GatewayUserPosition"))
            assert ("data" in opened.events("GatewayUserOrder")[0][0]) == (which == "flat_fills=true")
            assert "data" not in opened.events("GatewayUserTrade")[0][0]


async def test_a_second_login_says_gateway_logout(at: Door, px: Gateway) -> None:
    doors = at.ready["venues"]["projectx"]
    async with hub(px, doors["user_hub"]) as first, hub(px, doors["market_hub"]) as second:
        await px.log_in()
        await until(lambda: first.events("GatewayLogout") and second.events("GatewayLogout"))


# --- 2.5, 2.6, 2.7 -------------------------------------------------------------------------------------------------


async def test_too_many_requests_are_429() -> None:
    async with (
        door(*OPTIONS, "--limit", "projectx.bars=3") as at,
        gateway(at.ready["venues"]["projectx"]["rest"], at.logins("projectx")[0]) as px,
    ):
        bars = {"contractId": CONTRACT, "live": False, "startTime": "2020-01-01T00:00:00Z", "unit": 2}
        bars |= {"endTime": "2035-01-01T00:00:00Z", "unitNumber": 1, "limit": 1, "includePartialBar": True}
        answers = [(await px.raw("History/retrieveBars", bars))[0] for _ in range(5)]
        assert answers == [200, 200, 200, 429, 429]
        others = [(await px.raw("Account/search", {"onlyActiveAccounts": True}))[0] for _ in range(205)]
        assert others.index(429) in range(197, 201)


async def test_what_a_gap_hid_is_not_told_again(at: Door, px: Gateway) -> None:
    doors = at.ready["venues"]["projectx"]
    async with hub(px, doors["user_hub"]) as first:
        await first.invoke("SubscribeTrades", account(px))
        await at.control("disconnect", login=px.login["username"])
        await until(lambda: first.closed)
    await px.good("Order/place", **wish(px))
    async with hub(px, doors["user_hub"]) as second:
        await second.invoke("SubscribeTrades", account(px))
        await px.good("Order/place", **wish(px, side=SELL))
        await until(lambda: second.data("GatewayUserTrade"))
        assert [trade["side"] for trade in second.data("GatewayUserTrade")] == [SELL]


async def test_bars_come_newest_first_and_refuse_by_code(px: Gateway) -> None:
    wanted = {"contractId": CONTRACT, "live": False, "startTime": "2020-01-01T00:00:00Z", "unit": 2, "limit": 4}
    wanted |= {"endTime": "2035-01-01T00:00:00Z", "unitNumber": 1, "includePartialBar": True}
    for unit in range(1, 7):
        bars = (await px.good("History/retrieveBars", **wanted | {"unit": unit}))["bars"]
        assert 1 <= len(bars) <= 4
        assert set(bars[0]) == set("tohlcv")
        assert [bar["t"] for bar in bars] == sorted([bar["t"] for bar in bars], reverse=True)
    for changed, code in (({"contractId": "X"}, 1), ({"unit": 0}, 2), ({"unitNumber": 0}, 3), ({"limit": 20_001}, 4)):
        assert (await px.post("History/retrieveBars", **wanted | changed))["errorCode"] == code


async def test_the_market_hub_tells_quotes_as_changes_trades_and_a_ladder(at: Door, px: Gateway) -> None:
    async with hub(px, at.ready["venues"]["projectx"]["market_hub"]) as market:
        for what in ("Quotes", "Trades", "MarketDepth"):
            assert "error" not in await market.invoke(f"SubscribeContract{what}", CONTRACT)
        await until(lambda: len(market.events("GatewayQuote")) > 2 and len(market.events("GatewayTrade")) > 1, 10)
        assert {arguments[0] for arguments in market.events("GatewayQuote")} == {CONTRACT}
        first, second = market.events("GatewayQuote")[0][1], market.events("GatewayQuote")[1][1]
        assert set(first) >= set(
            words("symbol symbolName lastPrice bestBid bestAsk change changePercent open high low volume timestamp")
        )
        assert len(second) < len(first)
        assert first["symbol"] == SYMBOL_ID

        def rows(target: str) -> list[dict[str, Any]]:
            told = [arguments[1] for arguments in market.events(target)]
            return [row for each in told for row in (each if isinstance(each, list) else [each])]

        assert set(rows("GatewayTrade")[0]) >= set(words("symbolId price timestamp type volume"))
        depth = await until(lambda: rows("GatewayDepth"))
        assert depth[0]["type"] == 6
        assert {row["type"] for row in depth} <= set(range(12))
        assert set(depth[0]) == set(words("timestamp type price volume currentVolume"))
        for what in ("Quotes", "Trades", "MarketDepth"):
            await market.invoke(f"UnsubscribeContract{what}", CONTRACT)
        market.messages.clear()
        await until(lambda: len(market.messages) >= 2)
        assert {message["type"] for message in market.messages} == {6}


async def test_position_brackets_mode_refuses_and_may_leave_the_order() -> None:
    limits = ("--limit", "projectx.position_brackets=true", "--limit", "projectx.refused_bracket_leaves_order=true")
    async with (
        door(*OPTIONS, *limits) as at,
        gateway(at.ready["venues"]["projectx"]["rest"], at.logins("projectx")[0]) as px,
    ):
        brackets = {"stopLossBracket": {"ticks": -40, "type": STOP}}
        answer = await px.post("Order/place", **wish(px, **brackets, customTag="left"))
        assert answer["errorCode"] == 2
        says = "Brackets cannot be used with Position Brackets. You must enable Auto OCO Brackets."
        assert answer["errorMessage"] == says
        assert (await px.good("Position/searchOpen", accountId=account(px)))["positions"]
