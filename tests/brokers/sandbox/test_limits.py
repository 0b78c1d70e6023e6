"""Budgets and p-tickets of the Tradovate door (`protocols/tradovate.md 1.5`)."""

import asyncio
from pathlib import Path
from typing import Any

from tests.brokers.sandbox.raw_client import Bench, running


async def test_a_user_over_budget_is_warned_with_423_and_then_gets_429_with_empty_bodies(tmp_path: Path) -> None:
    async with running(tmp_path, requests_per_min=3) as bench:
        socket = await bench.synced()  # one request: authorize is free
        token = bench.tokens["desk1"]["accessToken"]
        assert (await socket.ask("account/list"))["s"] == 200
        assert (await bench.rest("account/list", token=token))[0] == 200
        assert await bench.rest("account/list", token=token) == (423, None)
        assert await bench.rest("account/list", token=token) == (429, None)
        number = await socket.request("account/list")
        assert await socket.until(lambda: socket.answer(number)) == {"s": 429, "i": number}
        other = (await bench.login("desk2"))["accessToken"]
        assert (await bench.rest("account/list", token=other))[0] == 200


async def test_a_sixth_failed_login_needs_a_person(tmp_path: Path) -> None:
    async with running(tmp_path, failed_logins_per_hour=2) as bench:
        wrong = {"name": "desk1", "password": "wrong"}
        for _ in range(3):
            await bench.login()
        for _ in range(2):
            assert "errorText" in (await bench.rest("auth/accesstokenrequest", wrong))[1]
        status, ticket = await bench.rest("auth/accesstokenrequest", wrong)
        assert status == 200
        assert ticket["p-captcha"] is True
        assert ticket["p-time"] == 15
        again = (await bench.rest("auth/accesstokenrequest", wrong | {"p-ticket": ticket["p-ticket"]}))[1]
        assert again["p-captcha"] is True


async def _pass(bench: Bench, ask: Any) -> tuple[dict[str, Any], int]:
    """Repeat a request with its newest ticket until it passes; the answer and how many tickets that took."""
    tickets, answer = 0, await ask({})
    async with asyncio.timeout(8):
        while "p-ticket" in answer:
            tickets += 1
            answer = await ask({"p-ticket": answer["p-ticket"]})
    return answer, tickets


async def test_the_way_is_free_for_who_comes_back_with_the_ticket_after_its_time(tmp_path: Path) -> None:
    async with running(tmp_path, renewals_per_hour=1) as bench:
        token = (await bench.login())["accessToken"]
        await bench.rest("auth/renewaccesstoken", token=token)
        over = (await bench.rest("auth/renewaccesstoken", {}, token=token))[1]
        assert over.keys() == {"p-ticket", "p-time"}
        assert over["p-time"] == 15
        await bench.control("ticket", endpoint="auth/me", wait_s=0.2)

        async def me(extra: dict[str, Any]) -> dict[str, Any]:
            return (await bench.rest("auth/me", extra, token=token))[1]

        answer, tickets = await _pass(bench, me)
        assert answer["name"] == "desk1"
        assert tickets > 1, "an early return only gets another ticket"


async def test_a_sync_over_its_limit_gets_its_ticket_inside_d_with_status_200(tmp_path: Path) -> None:
    async with running(tmp_path, syncs_per_hour=1) as bench:
        await bench.synced()
        socket = await bench.open()
        await socket.ask("authorize", bench.tokens["desk1"]["accessToken"])
        answer = await socket.ask("user/syncrequest", {"users": [1]})
        assert answer["s"] == 200
        assert answer["d"].keys() == {"p-ticket", "p-time"}
        assert answer["d"]["p-time"] == 3
