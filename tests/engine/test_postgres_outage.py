"""A desk that can't write its journal sends nothing, says why, and goes on by itself."""

import contextlib
import os
import signal
from pathlib import Path

import psutil

from schema.postgres import EmbeddedPostgres
from schema.records import Guard
from tests.practice import PracticeDesk, practice, until


async def postmaster(desk: PracticeDesk) -> psutil.Process:
    """The desk's own Postgres."""
    server = EmbeddedPostgres(desk.settings.state_dir)
    await server.start()  # adopts the one that runs
    pid = server.pid
    await server.stop()
    assert pid is not None
    return psutil.Process(pid)


async def test_no_order_leaves_while_postgres_is_killed_and_work_resumes_by_itself(state_dir: Path) -> None:
    async with practice(state_dir) as desk:
        await desk.leader(+2)
        await desk.promise_holds()
        received = len((await desk.books()).received)
        server = await postmaster(desk)
        sessions = server.children(recursive=True)
        for process in (server, *sessions):  # it hangs first, the worst way to be gone
            os.kill(process.pid, signal.SIGSTOP)
        await desk.leader(+1, seen=False)
        await until(lambda: desk.desk.journal.down_reason != "", 5)
        assert "no order leaves" in desk.status().blocked
        assert len((await desk.books()).received) == received
        for process in (server, *sessions):
            os.kill(process.pid, signal.SIGKILL)
        await until(lambda: desk.desk.journal.down_reason == "", 10)
        assert desk.status().blocked == ""
        await desk.promise_holds(within_s=5)
        await desk.leader(-3)
        await desk.promise_holds()
        assert not await desk.off_target()


async def test_a_trade_of_the_leader_during_the_outage_is_followed_out_but_not_in(state_dir: Path) -> None:
    async with practice(state_dir) as desk:
        await desk.leader(+2)
        await desk.promise_holds()
        server = await postmaster(desk)
        os.kill(server.pid, signal.SIGSTOP)
        for session in server.children(recursive=True):
            os.kill(session.pid, signal.SIGKILL)
        await desk.leader(-2, seen=False)
        await until(lambda: desk.desk.journal.down_reason != "", 5)
        os.kill(server.pid, signal.SIGCONT)
        await until(lambda: desk.desk.journal.down_reason == "", 15)
        await desk.promise_holds(within_s=5)
        books = await desk.books()
        assert {account.account: account.positions for account in books.accounts if account.positions} == {}


async def test_the_kill_switch_closes_everybody_while_postgres_hangs_and_the_halt_is_stored_later(
    state_dir: Path,
) -> None:
    async with practice(state_dir) as desk:
        await desk.leader(+4)
        await desk.promise_holds()
        server = await postmaster(desk)
        processes = (server, *server.children(recursive=True))
        for process in processes:
            os.kill(process.pid, signal.SIGSTOP)
        await desk.leader(+1, seen=False)  # its commit hangs, and the worker with it
        await until(lambda: desk.desk.journal.down_reason != "", 8)
        result = await desk.desk.kill()
        assert result.not_flat == () and len(result.flat) == 21
        assert result.seconds < 1.0
        assert {str(account.positions) for account in (await desk.books()).accounts} == {"{}"}
        for process in processes:
            with contextlib.suppress(ProcessLookupError):  # a backend whose session was given up
                os.kill(process.pid, signal.SIGCONT)
        await until(lambda: desk.desk.journal.down_reason == "" and desk.status().guard == "desk halted", 15)
        await desk.settled(10)
        await desk.leader(+1)
        await desk.settled(5)
        books = await desk.books()
        assert {each.account for each in books.accounts if each.positions} == {"DEMO1000"}
        stored = await desk.store.load_config()
        assert stored.guard is Guard.HALT
        assert len(stored.flattened) == 21
