"""A Tradovate leader and FIX followers on one desk, over real sockets and a real Postgres: copied exactly once."""

from pathlib import Path

from tests.practice import practice, until

FIX = ("--venue", "fix", "--logins", "3", "--accounts-per-login", "3")


async def test_fix_followers_copy_a_tradovate_leader_exactly_once(state_dir: Path) -> None:
    async with practice(state_dir, *FIX) as desk:
        venues = {adapter.capabilities.venue for adapter in desk.desk.adapters.values()}
        assert venues == {"tradovate", "fix"}
        for step in (3, 2, -1, -4, 5, -8, 3):
            await desk.leader(step)
        await desk.promise_holds()
        decisions = await desk.decisions()
        assert {copy.decision for copy in decisions} <= {"copied", "skipped"}
        assert sum(copy.decision == "copied" for copy in decisions) >= 7 * 6


async def test_sessions_broken_in_the_middle_copy_nothing_twice(state_dir: Path) -> None:
    """T-DUP, T-DROP: every FIX session breaks with orders on the way, answers are lost, and messages come twice."""
    async with practice(state_dir, *FIX) as desk:
        await desk.leader(3)
        await desk.control("events", login="", duplicate=0.3, drop_fills=0.2)
        for account in ("DEMO1001", "DEMO1004"):
            await desk.control("drop_answer", account=account)
        await desk.leader(2)
        for login in ("desk1", "desk3"):
            await desk.control("disconnect", login=login)
        await desk.leader(-4)
        await desk.control("clear")
        await until(lambda: all(desk.core.up.values()), 10)
        await desk.leader(1)
        await desk.promise_holds(10)


async def test_flatten_closes_fix_accounts_and_verifies_them(state_dir: Path) -> None:
    async with practice(state_dir, *FIX) as desk:
        await desk.leader(3)
        await desk.promise_holds()
        result = await desk.desk.flatten("all")
        assert not result.not_flat
        books = await desk.books()
        assert all(books.net(name, symbol) == 0 for name in desk.core.followers for symbol in ("ESH4", "MESH4"))
