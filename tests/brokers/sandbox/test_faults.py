"""Every fault of the control socket, as a client sees it on the wire."""

import asyncio
import time
from pathlib import Path

import aiohttp
import pytest

from tests.brokers.sandbox.raw_client import Bench, RawSocket, running


async def net(bench: Bench, account: str = "DEMO1001") -> int:
    """What the venue itself says an account holds of ES."""
    return (await bench.control("state", account=account))["accounts"][0]["positions"].get("ESH4", 0)


async def place(bench: Bench, socket: RawSocket, **fields: object) -> dict[str, object]:
    return (await socket.ask("order/placeorder", bench.order(**fields)))["d"]


async def test_latency_delays_answers_by_its_distribution_and_clear_ends_it(bench: Bench) -> None:
    socket = await bench.synced()

    async def waits_ms(count: int) -> list[float]:
        waits: list[float] = []
        for _ in range(count):
            began = time.perf_counter()
            await socket.ask("account/list")
            waits.append((time.perf_counter() - began) * 1e3)
        return sorted(waits)

    await bench.control("latency", login="desk1", p50_ms=80, p95_ms=160)
    slow = await waits_ms(11)
    assert 40 < slow[5] < 250
    assert slow[-1] > slow[0] * 1.2
    await bench.control("clear")
    assert (await waits_ms(5))[0] < slow[0]


async def test_a_reject_hits_the_named_account_so_many_times(bench: Bench) -> None:
    socket = await bench.synced()
    await bench.control("reject", account="DEMO1001", count=2, reason="MaxPosLimitReached", text="No more")
    for _ in range(2):
        refused = await place(bench, socket)
        assert refused == {"failureReason": "MaxPosLimitReached", "failureText": "No more"}
        assert "orderId" in await place(bench, socket, accountId=bench.account_id(number=1))
    assert "orderId" in await place(bench, socket)
    assert await net(bench) == 1


async def test_a_late_reject_comes_after_the_order_id(bench: Bench) -> None:
    socket = await bench.synced()
    await bench.control("late_reject", account="DEMO1001", reason="NotEnoughLiquidity", text="Late", after_s=0.1)
    placed = await place(bench, socket, clOrdId="late")
    assert placed.keys() == {"orderId"}
    await socket.until(lambda: [e for e in socket.events("order") if e["entity"]["ordStatus"] == "Rejected"])
    report = socket.events("commandReport")[-1]["entity"]
    assert (report["commandStatus"], report["rejectReason"]) == ("RiskRejected", "NotEnoughLiquidity")
    assert await net(bench) == 0


async def test_a_dropped_answer_leaves_the_order_alive(bench: Bench) -> None:
    socket = await bench.synced()
    await bench.control("drop_answer", account="DEMO1001")
    number = await socket.request("order/placeorder", bench.order(clOrdId="lost"))
    await socket.until(lambda: socket.events("fill"))
    await socket.ask("account/list")
    assert socket.answer(number) is None
    await bench.control("drop_answer", account="DEMO1001")
    with pytest.raises(aiohttp.ClientError):
        await bench.rest("order/placeorder", bench.order(), token=bench.tokens["desk1"]["accessToken"])
    assert await net(bench) == 2
    received = (await bench.control("state", account="DEMO1001"))["received"]
    assert [each["cl_ord_id"] for each in received] == ["lost", None]


async def test_a_5xx_may_stand_for_an_order_that_lives(bench: Bench) -> None:
    await bench.synced()
    await bench.control("http_error", account="DEMO1001", status=502)
    token = bench.tokens["desk1"]["accessToken"]
    assert (await bench.rest("order/placeorder", bench.order(), token=token))[0] == 502
    assert await net(bench) == 1


async def test_a_disconnect_at_a_frame_cuts_there_and_refuses_reconnects_for_its_time(bench: Bench) -> None:
    socket = await bench.synced()
    other = await bench.synced("desk2")
    await bench.control("disconnect", login="desk1", frame=3, refuse_s=0.4)
    before = len(socket.frames)
    for _ in range(3):
        await socket.request("account/list")
    await socket.until(lambda: socket.closed)
    assert len(socket.frames) == before + 2
    refused = await bench.open()
    await refused.request("authorize", bench.tokens["desk1"]["accessToken"])
    await refused.until(lambda: refused.closed)
    async with asyncio.timeout(3):
        while True:
            again = await bench.open()
            number = await again.request("authorize", bench.tokens["desk1"]["accessToken"])
            if await again.until(lambda s=again, n=number: s.answer(n) or s.closed) is not True:
                break
    assert (await other.ask("account/list"))["s"] == 200
    await bench.control("disconnect")
    await other.until(lambda: other.closed)
    await bench.control("disconnect", refuse_s=5)
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await bench.open()
    await bench.control("clear")
    await bench.open()


async def test_duplicated_events_come_twice_and_dropped_fills_never(bench: Bench) -> None:
    socket = await bench.synced()
    await bench.control("events", login="desk1", duplicate=1)
    await place(bench, socket)
    await socket.until(lambda: len(socket.events("marginSnapshot")) == 2)
    fills = [event["entity"]["id"] for event in socket.events("fill")]
    assert len(fills) == 2
    assert len(set(fills)) == 1
    await bench.control("events", login="desk1", drop_fills=1)
    await place(bench, socket)
    await socket.until(lambda: socket.events("position")[-1]["entity"]["netPos"] == 2)
    assert len(socket.events("fill")) == 2
    assert len((await socket.ask("fill/list"))["d"]) == 2


async def test_reordered_events_are_the_same_events_in_another_order(bench: Bench) -> None:
    socket = await bench.synced()
    stories: list[list[tuple[str, str]]] = []
    for number in range(6):
        await bench.control("events", login="desk1", reorder=number > 0)
        seen = len(socket.events())
        await place(bench, socket, accountId=bench.account_id(number=number % 5))
        await socket.until(lambda seen=seen: len(socket.events()) >= seen + len(stories[0] if stories else [0] * 15))
        await socket.ask("account/list")
        stories.append([(e["entityType"], e["entity"].get("ordStatus", "")) for e in socket.events()[seen:]])
    assert sorted(stories[1]) == sorted(stories[0])
    assert any(story != stories[0] for story in stories[1:5])


async def test_events_may_come_before_the_answer(bench: Bench) -> None:
    socket = await bench.synced()
    await bench.control("events", before_answer=True)
    number = await socket.request("order/placeorder", bench.order())
    answer = await socket.until(lambda: socket.answer(number))
    first = next(place for place, message in enumerate(socket.messages) if message.get("e") == "props")
    assert first < socket.messages.index(answer)


async def test_a_session_replay_tells_everything_again_as_created(bench: Bench) -> None:
    socket = await bench.synced()
    await place(bench, socket, orderQty=2)
    await socket.until(lambda: socket.events("marginSnapshot"))
    seen = len(socket.events())
    count = (await bench.control("replay", login="desk1"))["events"]
    await socket.until(lambda: len(socket.events()) == seen + count)
    again = socket.events()[seen:]
    assert {event["eventType"] for event in again} == {"Created"}
    assert {event["entityType"] for event in again} >= {"order", "command", "fill", "executionReport", "position"}
    assert [e["entity"]["id"] for e in again if e["entityType"] == "fill"] == [
        e["entity"]["id"] for e in socket.events()[:seen] if e["entityType"] == "fill"
    ]


async def test_throttled_requests_get_429_and_are_not_carried_out(bench: Bench) -> None:
    socket = await bench.synced()
    await bench.control("throttle", login="desk1", count=2)
    number = await socket.request("order/placeorder", bench.order(clOrdId="t"))
    assert await socket.until(lambda: socket.answer(number)) == {"s": 429, "i": number}
    token = bench.tokens["desk1"]["accessToken"]
    assert await bench.rest("order/placeorder", bench.order(), token=token) == (429, None)
    assert await net(bench) == 0
    received = (await bench.control("state"))["received"]
    assert [each["outcome"] for each in received] == ["refused 429", "refused 429"]


async def test_a_captcha_ticket_can_be_put_before_any_endpoint(bench: Bench) -> None:
    await bench.control("ticket", endpoint="auth/accessTokenRequest", wait_s=60, captcha=True)
    answer = await bench.login()
    assert answer["p-captcha"] is True
    assert answer["p-time"] == 60
    assert "accessToken" in await bench.login()


async def test_an_expired_token_is_401_on_both_ways_and_a_new_login_works(bench: Bench) -> None:
    socket = await bench.synced()
    assert (await bench.control("expire", login="desk1"))["tokens"] == 2
    assert (await socket.ask("account/list"))["s"] == 401
    assert (await bench.rest("account/list", token=bench.tokens["desk1"]["accessToken"]))[0] == 401
    await bench.login()
    again = await bench.synced()
    assert (await again.ask("account/list"))["s"] == 200


async def test_silence_says_nothing_not_even_a_heartbeat_and_ends(tmp_path: Path) -> None:
    async with running(tmp_path, heartbeat_s=0.2) as bench:
        silent, other = await bench.synced(), await bench.synced("desk2")
        await bench.control("silence", login="desk1", seconds=30)
        number = await silent.request("order/placeorder", bench.order())
        said = len(silent.frames)
        await other.until(lambda: other.frames.count("h") >= 3)
        assert await net(bench) == 1
        assert len(silent.frames) == said
        assert not silent.closed
        await bench.control("clear")
        await silent.until(lambda: silent.answer(number))


async def test_a_hang_leaves_requests_unread_until_it_ends(bench: Bench) -> None:
    socket = await bench.synced()
    await bench.control("hang", login="desk1", seconds=0.4)
    began = time.perf_counter()
    answer = await socket.ask("order/placeorder", bench.order())
    assert "orderId" in answer["d"]
    assert time.perf_counter() - began > 0.3


async def test_shutdown_and_go_away_are_said_on_the_wire(bench: Bench) -> None:
    socket = await bench.synced()
    await bench.control("shutdown", login="desk1", code="Maintenance", text="Soon")
    event = await socket.until(lambda: [m for m in socket.messages if m.get("e") == "shutdown"])
    assert event[0]["d"] == {"reasonCode": "Maintenance", "reason": "Soon"}
    await bench.control("go_away", login="desk1")
    await socket.until(lambda: socket.closed)
    assert socket.frames[-1] == 'c[3000,"Go away!"]'


async def test_messages_come_alone_together_and_as_entity_arrays(bench: Bench) -> None:
    socket = await bench.synced()
    for number in range(30):
        await place(bench, socket, action=("Buy", "Sell")[number % 2], orderQty=3)
    await bench.control("replay", login="desk1")
    await socket.until(lambda: len(socket.events("fill")) >= 60)
    frames = [frame for frame in socket.frames if '"e":"props"' in frame]
    assert any(frame.count('"e":"props"') > 1 for frame in frames)
    assert any(frame.count('"e":"props"') == 1 for frame in frames)
    assert any(isinstance(m["d"].get("entity"), list) for m in socket.messages if m.get("e") == "props")


async def test_a_wrong_control_order_gets_one_sentence(bench: Bench) -> None:
    with pytest.raises(AssertionError, match="there is no order 'dance'"):
        await bench.control("dance")
    with pytest.raises(AssertionError, match="DEMO9"):
        await bench.control("reject", account="DEMO9")
    with pytest.raises(AssertionError, match="colour"):
        await bench.control("clear", colour="red")
    with pytest.raises(AssertionError, match="InvalidContract"):
        await bench.control("trade", account="DEMO1000", symbol="NQH4")
