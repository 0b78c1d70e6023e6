"""The shell beside a running desk: what it changes, the desk follows at once."""

import asyncio
from pathlib import Path

from schema.records import Decision
from tests.practice import LEADER, PracticeDesk, practice, until
from tests.tui.shell import Shell

AT_ONCE_S = 0.5
OFF, GONE, GONE_LOGIN = "DEMO1001", "DEMO1002", [f"DEMO{number}" for number in range(1016, 1021)]


async def received(desk: PracticeDesk, account: str) -> int:
    return len((await desk.control("state", account=account))["received"])


async def newest_copy(desk: PracticeDesk, account: str) -> tuple[Decision, str]:
    copy = next(copy for copy in await desk.decisions() if copy.follower == account)
    return copy.decision, copy.reason


async def test_a_running_desk_follows_the_shell_at_once(state_dir: Path) -> None:
    shell = Shell(state_dir)

    async def accounts(*arguments: str) -> str:
        return await asyncio.to_thread(shell.does, "accounts", *arguments)

    async with practice(state_dir) as desk:
        await desk.leader(+2)
        await desk.settled(5)
        assert f"{OFF:16} {'desk1':16} {'main':10} on " in await accounts("list")

        assert await accounts("toggle", OFF) == f"{OFF} is off.\n"
        await until(lambda: not desk.core.followers[OFF].enabled, AT_ONCE_S)
        assert f"{OFF:16} {'desk1':16} {'main':10} off" in await accounts("list")
        before = await received(desk, OFF)
        await desk.leader(-1)
        await desk.settled(5)
        assert await newest_copy(desk, OFF) == (Decision.SKIPPED, "off: switched off by the trader")
        assert await received(desk, OFF) == before

        assert await accounts("toggle", OFF) == f"{OFF} is on.\n"
        await until(lambda: desk.core.followers[OFF].enabled, AT_ONCE_S)
        await desk.leader(-1)
        await desk.leader(+1)
        await desk.settled(5)
        assert (await newest_copy(desk, OFF))[0] is Decision.COPIED


async def test_a_running_desk_goes_on_without_what_the_shell_removes(state_dir: Path) -> None:
    shell = Shell(state_dir)
    async with practice(state_dir) as desk:
        await desk.leader(+2)
        await desk.settled(5)
        for account in (GONE, *GONE_LOGIN):  # what is open can't be removed
            assert (await desk.desk.flatten(account)).not_flat == ()
            assert await asyncio.to_thread(shell.does, "accounts", "remove", account) == f"{account} is off the desk.\n"
        await until(lambda: not {GONE, *GONE_LOGIN} & set(desk.core.accounts), AT_ONCE_S)
        counts = {account: await received(desk, account) for account in (GONE, *GONE_LOGIN)}
        # What the venue still says of them does not disturb the desk.
        for account in (GONE, GONE_LOGIN[0]):
            await desk.control("trade", account=account, side="buy", qty=1, symbol="ESH4")
        await desk.leader(-1)
        await desk.settled(5)
        assert await newest_copy(desk, OFF) == (Decision.COPIED, "")
        assert counts == {account: await received(desk, account) for account in (GONE, *GONE_LOGIN)}
        refusal = await asyncio.to_thread(shell.refuses, "accounts", "remove", LEADER)
        assert refusal.startswith(f"account: {LEADER} leads group main with 14 followers;")
        assert await desk.off_target() == {}
