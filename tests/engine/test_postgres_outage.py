"""A desk that can't write its journal sends nothing, says why, and goes on by itself."""

import os
import signal
from pathlib import Path

from tests.practice import practice, until


async def test_no_order_leaves_while_postgres_is_gone_and_work_resumes_by_itself(tmp_path: Path) -> None:
    async with practice(tmp_path) as desk:
        await desk.leader(+2)
        await desk.settled(5)
        received = len((await desk.books()).commands)
        server = desk.postgres_pid()
        os.kill(server, signal.SIGSTOP)  # hangs first: the worst way to be gone
        await desk.leader(+1, seen=False)
        await until(lambda: desk.desk.journal.down_reason != "", 5)
        desk.desk.views.publish(desk.clock.now_ns())
        assert "no order leaves" in desk.status().blocked
        assert len((await desk.books()).commands) == received
        os.kill(server, signal.SIGKILL)
        await until(lambda: desk.desk.journal.down_reason == "", 10)
        await desk.promise_holds(10)
        await desk.leader(-3)
        await desk.promise_holds(5)
        assert desk.status().blocked == ""
