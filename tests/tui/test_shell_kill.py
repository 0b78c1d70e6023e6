"""`copydesk kill` as a real process: with no desk running, beside one that does, and when a login can't be closed."""

import asyncio
import subprocess
from pathlib import Path
from random import Random

from engine import events as ev
from engine.desk import Desk
from schema.clock import SYSTEM_CLOCK
from schema.records import Decision, Guard
from schema.vault import Vault
from tests.practice import SYMBOL, PracticeDesk, practice, until
from tests.tui.shell import Shell


async def shell(desk: PracticeDesk, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(lambda: Shell(desk.settings.state_dir)(*arguments, typed=typed))


async def open_now(desk: PracticeDesk) -> dict[str, tuple[dict[str, int], int]]:
    """Positions and working orders by account, by the venue's own books."""
    books = await desk.books()
    return {each.account: (each.positions, each.working) for each in books.accounts if each.positions or each.working}


async def test_kill_with_no_desk_running_closes_everything_and_the_next_desk_opens_nothing(state_dir: Path) -> None:
    async with practice(state_dir) as desk:
        await desk.leader(+4)
        await desk.settled(5)
        await desk.control("trade", account="DEMO1003", symbol=SYMBOL, side="buy", qty=1, type="limit", limit="3000")
        await desk.desk.close()
        assert len(await open_now(desk)) == 21

        refused = await shell(desk, "kill", typed="yes\n")
        assert refused.returncode == 1 and "kill: 'yes' is not all; nothing was done." in refused.stderr
        assert len(await open_now(desk)) == 21
        assert (await desk.store.load_config()).guard is Guard.NONE

        logins = (await desk.store.load_config()).connections
        broken = next(each for each in logins if each.connection == "desk2")
        sealed = await desk.store.sealed_credentials("desk2")
        await desk.store.add_connection(broken, b"\x01damaged")
        done = await shell(desk, "kill", "--yes", "--group", "main")
        assert done.returncode == 1 and "Traceback" not in done.stderr
        lost = set(desk.core.accounts_of("desk2"))
        assert {line.split()[0] for line in done.stderr.splitlines() if "NOT FLAT" in line} == lost
        assert set(await open_now(desk)) == lost, "one login that does not open kept others from closing"
        await desk.store.add_connection(broken, sealed)

        done = await shell(desk, "kill", typed="all\n")
        assert done.returncode == 0, (done.stdout, done.stderr)
        assert await open_now(desk) == {}
        assert sum(" flat after " in line for line in done.stdout.splitlines()) == 21
        print(done.stdout.splitlines()[-1])
        assert "21 of 21 accounts flat, checked with the venue, after " in done.stdout
        assert (await desk.store.load_config()).guard is Guard.HALT

        again = Desk(desk.settings, desk.store, Vault.open(desk.settings), SYSTEM_CLOCK, Random(1))
        desk.desk = again
        await again.open()
        again.core.flattening.clear()  # the 15 s that a kill may last are not waited for here
        await desk.leader(+2)
        await desk.settled(5)
        assert set(await open_now(desk)) == {"DEMO1000"}
        copies = [copy for signal, copy in again.core.recent.values() if signal.leader_net == 2]
        assert copies and {(copy.decision, copy.reason) for copy in copies} <= {
            (Decision.SKIPPED, "halted by the trader: desk"),
            (Decision.SKIPPED, "being flattened by the trader"),  # the configuration was read once more
        }


async def test_kill_beside_a_running_desk_is_not_fought_by_it(state_dir: Path) -> None:
    """The leader's own closing is a signal that would close every follower a second time, the other way round."""
    async with practice(state_dir) as desk:
        await desk.leader(+4)
        await desk.settled(5)
        await desk.desk.journal.flush()
        held = await shell(desk, "accounts", "remove", "DEMO1003")
        assert (held.returncode, held.stderr) == (
            1,
            "account: DEMO1003 had +1 ESH4 when its venue last spoke of it; close it first "
            "with `copydesk kill --account DEMO1003` or :flatten DEMO1003.\n",
        )
        wrong = await shell(desk, "kill", "--yes", "--account", "DEMO9999")
        assert wrong.returncode == 1 and wrong.stderr.startswith("account: there is no 'DEMO9999'; did you mean DEMO")
        done = await shell(desk, "kill", "--yes", "--account", "DEMO1003")
        assert done.returncode == 0, (done.stdout, done.stderr)
        assert "DEMO1003" not in await open_now(desk) and len(await open_now(desk)) == 20

        sent = len([each for each in (await desk.books()).received if each.cl_ord_id])
        done = await shell(desk, "kill", "--yes")
        assert done.returncode == 0, (done.stdout, done.stderr)
        assert await open_now(desk) == {}
        await until(lambda: desk.status().guard == "desk halted, DEMO1003 halted", 1)
        await desk.settled(5)
        await asyncio.sleep(0.5)
        assert await open_now(desk) == {}
        received = [each for each in (await desk.books()).received if each.cl_ord_id]
        assert len(received) == sent, "the desk sent orders of its own"

        assert "The desk opens again" in (await shell(desk, "guard", "all", "none")).stdout
        await until(lambda: desk.status().guard == "DEMO1003 halted", 1)
        # The 15 s that a kill may last are not waited for here.
        await desk.desk._handle(ev.FlattenEnded(at_ns=0, accounts=tuple(desk.core.accounts)))
        await desk.leader(+2)
        await desk.promise_holds()
        found = await open_now(desk)
        assert "DEMO1003" not in found and len(found) >= 18
