"""The desk's own Postgres: started as our child, adopted when a killed desk left it, stopped by the last one out.

Called by `schema/database.py`. Every process that uses the server holds a shared lock on one file, so the last to
leave stops it; a second file makes starting and stopping one at a time. Locks of killed processes go by themselves.
The server listens on a Unix socket in a 0700 folder only, and lets in nobody but the desk's own user (peer).
"""

import asyncio
import fcntl
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO
from urllib.parse import quote

import psutil
import structlog

from schema import driver
from schema.postgres_home import PostgresError as PostgresError
from schema.postgres_home import PostgresHome, prepare_home, processes_in, remove_cluster

_USER = "copydesk"
_DATABASE = "postgres"
_LOG_CAP = 10 * 2**20
_CONNECT_TIMEOUT_S = 2.0
_STOP_TIMEOUT_S = 10.0
_POLL_S = 0.01
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "fsync": "on",
    "synchronous_commit": "on",
    "max_connections": "40",
    "shared_buffers": "64MB",
    "huge_pages": "off",
    "io_method": "sync",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "log_min_error_statement": "panic",  # a failed statement's text stays out of the log
}
log = structlog.get_logger(__name__)


class EmbeddedPostgres:
    """One state directory's server, as one process uses it. `start` before anything else; not reusable after `stop`."""

    def __init__(self, state_dir: Path, *, start_timeout_s: float = 60.0) -> None:
        self._state_dir = state_dir
        self._start_timeout_s = start_timeout_s
        self._home: PostgresHome | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._use: IO[bytes] | None = None
        self._reviving = asyncio.Lock()

    async def start(self) -> str:
        """Start the server, or adopt the one that runs, and return its address. Raises PostgresError."""
        home = self._home = await asyncio.to_thread(prepare_home, self._state_dir)
        async with self._one_at_a_time(home):
            self._use = (home.control / "users.lock").open("ab")
            fcntl.flock(self._use, fcntl.LOCK_SH)
            if not await self.alive():
                try:
                    await self._launch(home)
                except BaseException:
                    self._use.close()
                    self._use = None
                    raise
        return self._dsn(home)

    async def stop(self) -> None:
        """Let go of the server; the last to do so stops it and waits for its end."""
        home, use = self._home, self._use
        if home is None or use is None:
            return
        self._use = None
        async with self._one_at_a_time(home):
            try:
                fcntl.flock(use, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            else:
                await self._shut_down(home)
            finally:
                use.close()

    async def ensure(self) -> None:
        """Start the server again if it died. Raises PostgresError when it will not start."""
        home = self._home
        if home is None or self._use is None:
            return
        async with self._reviving, self._one_at_a_time(home):
            if not await self.alive():
                log.warning("starting postgres again")
                await self._launch(home)

    async def discard(self) -> None:
        """Stop the server and delete its data. For practice and tests."""
        home = self._home
        await self.stop()
        if home is not None:
            await asyncio.to_thread(remove_cluster, home.cluster)
            await asyncio.to_thread(shutil.rmtree, home.control, ignore_errors=True)

    @property
    def pid(self) -> int | None:
        """The server's process id, None when it does not run."""
        process = _postmaster(self._home.data) if self._home else None
        return process.pid if process else None

    async def alive(self) -> bool:
        """Whether the server answers, proven by a real connection."""
        if self._home is None:
            return False
        if self._child is not None:
            self._child.poll()  # reaps it when it has died
        try:
            connection = await driver.connect(self._dsn(self._home), timeout=_CONNECT_TIMEOUT_S)
        except driver.NOT_READY:
            return False
        await connection.close(timeout=_CONNECT_TIMEOUT_S)
        return True

    # --- starting --------------------------------------------------------------------------------------------------

    @staticmethod
    def _dsn(home: PostgresHome) -> str:
        return f"postgresql://{_USER}@/{_DATABASE}?host={quote(str(home.sockets))}&port=5432"

    @asynccontextmanager
    async def _one_at_a_time(self, home: PostgresHome) -> AsyncGenerator[None]:
        with (home.control / "starting.lock").open("ab") as guard:
            try:
                async with asyncio.timeout(self._start_timeout_s):
                    while not _locked(guard):  # noqa: ASYNC110 - the other holder is another process
                        await asyncio.sleep(_POLL_S)
            except TimeoutError:
                raise PostgresError(
                    f"postgres: another desk has been starting it for {self._start_timeout_s:g} s; see {home.log}."
                ) from None
            yield

    async def _launch(self, home: PostgresHome) -> None:
        if not home.data.exists():
            await asyncio.to_thread(self._make_cluster, home)
        self._write_access(home)
        spawned: subprocess.Popen[bytes] | None = None
        try:
            async with asyncio.timeout(self._start_timeout_s):
                while not await self.alive():
                    if spawned is not None and spawned.poll() is not None:
                        raise PostgresError(f"postgres: it would not start: {_tail(home.log)} (see {home.log}).")
                    # One that runs and does not answer is starting, recovering, stopping or stuck: wait for it.
                    if spawned is None and _postmaster(home.data) is None:
                        await self._clear_stale_pid(home)
                        spawned = self._child = await asyncio.to_thread(self._spawn, home)
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            raise PostgresError(
                f"postgres: no answer within {self._start_timeout_s:g} s: {_tail(home.log)} (see {home.log})."
            ) from None

    @staticmethod
    def _run(
        home: PostgresHome, program: str, *options: str | Path, output: IO[bytes] | int
    ) -> subprocess.Popen[bytes]:
        """Start one of the server's programs: under its account, without a terminal, and with nothing of our
        environment (where a passphrase may be)."""
        account = home.account
        try:
            return subprocess.Popen(  # noqa: S603 - no shell, and every word is ours
                [home.programs / program, *options],
                cwd=home.cluster,
                env={"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/bin:/bin"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                umask=0o077,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            )
        except OSError as error:
            raise PostgresError(f"postgres: {program} can't be run ({error}); set COPYDESK_DATABASE_URL.") from error

    def _make_cluster(self, home: PostgresHome) -> None:
        """initdb beside the final place, so that a kill half-way leaves nothing that looks finished."""
        fresh = home.cluster / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        if home.account is not None:
            os.chown(fresh, home.account.uid, home.account.gid)
        options = ("-D", fresh, "-U", _USER, "-E", "UTF8", "--no-locale", "-A", "peer")
        with self._run(home, "initdb", *options, output=subprocess.PIPE) as child:
            try:
                output, _ = child.communicate(timeout=self._start_timeout_s)
            except subprocess.TimeoutExpired:
                child.kill()
                raise PostgresError(
                    f"postgres: its data could not be made within {self._start_timeout_s:g} s."
                ) from None
        if child.returncode != 0:
            said = " ".join(output.decode(errors="replace").split())[-300:]
            raise PostgresError(f"postgres: its data could not be made in {home.cluster}: {said}")
        fresh.rename(home.data)

    def _write_access(self, home: PostgresHome) -> None:
        """Only the desk's own user gets in, as the kernel names it."""
        try:
            user = pwd.getpwuid(os.geteuid()).pw_name
        except KeyError:
            raise PostgresError(
                f"postgres: user id {os.geteuid()} has no name on this machine; "
                "run as a user that has one or set COPYDESK_DATABASE_URL."
            ) from None
        for name, line in (("hba.conf", "local all all peer map=desk\n"), ("ident.conf", f'desk "{user}" {_USER}\n')):
            path = home.cluster / name
            path.write_text(line)
            path.chmod(0o644)

    def _spawn(self, home: PostgresHome) -> subprocess.Popen[bytes]:
        if home.log.exists() and home.log.stat().st_size > _LOG_CAP:
            home.log.rename(home.log.with_suffix(".log.1"))
        settings = {
            **_SETTINGS,
            "hba_file": str(home.cluster / "hba.conf"),
            "ident_file": str(home.cluster / "ident.conf"),
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with open(home.log, "ab", opener=_private) as output:
            return self._run(home, "postgres", "-D", home.data, "-k", home.sockets, *options, output=output)

    async def _clear_stale_pid(self, home: PostgresHome) -> None:
        """Remove the pid file of a server that is gone. Postgres does so itself, except when that process is a zombie
        or the number belongs to another program by now; but never while a process of the old server is left."""
        pid_file = home.data / "postmaster.pid"
        if not pid_file.exists() or _postmaster(home.data) is not None:
            return
        while await asyncio.to_thread(processes_in, home.data):  # noqa: ASYNC110 - other processes set no event
            await asyncio.sleep(_POLL_S)
        pid_file.unlink(missing_ok=True)

    # --- stopping --------------------------------------------------------------------------------------------------

    async def _shut_down(self, home: PostgresHome) -> None:
        for how in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            process = _postmaster(home.data)
            if process is None:
                break
            try:
                process.send_signal(how)
                async with asyncio.timeout(_STOP_TIMEOUT_S):
                    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                        if self._child is not None:
                            self._child.poll()
                        await asyncio.sleep(_POLL_S)
            except psutil.NoSuchProcess:
                break
            except TimeoutError:
                log.warning("postgres did not stop", signal=how.name)
        if self._child is not None:
            self._child.poll()
            self._child = None


def _locked(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _postmaster(data: Path) -> psutil.Process | None:
    """The living server of a data directory. A pid alone proves nothing: it may be a zombie's or another program's."""
    try:
        pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
        process = psutil.Process(pid)
        if process.status() != psutil.STATUS_ZOMBIE and str(data) in process.cmdline():
            return process
    except (OSError, ValueError, psutil.Error):
        return None
    return None


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _tail(path: Path) -> str:
    try:
        lines = path.read_text(errors="replace").splitlines()[-3:]
    except OSError:
        return "no log"
    return " / ".join(line.strip() for line in lines)
