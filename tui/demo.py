"""`copydesk demo`: the whole desk against the sandbox venues, every order over a real socket in a venue's own protocol.

Starts the sandbox as its own process, makes a fresh database for the session, sets up one leader and 20 followers
with mixed rules, a login's worth of them at each venue, and opens the desk, or (headless) runs it for a while, lets it
come to rest and reports.
"""

import asyncio
import itertools
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import msgspec

from brokers.adapter import Credentials
from brokers.sandbox.client import SandboxControl
from engine.collector import settle
from engine.practice import Door, connection_of
from engine.seat import StatusRow, Topic
from engine.thread import EngineThread, ThreadSeat
from schema.clock import SYSTEM_CLOCK
from schema.lock import StateDirLock
from schema.logs import open_log
from schema.records import (
    AccountConfig,
    ConnectionConfig,
    DriftPolicy,
    FollowerConfig,
    GroupConfig,
    Rounding,
    Rule,
    RuleKind,
    SymbolMap,
)
from schema.settings import Settings
from schema.store import Store
from schema.vault import Vault
from tui.demo_report import Books, DemoReport, books_of, demo_report

GROUP = "main"
CHART = "ESH4"
REQUESTS_PER_MIN = 600
VENUES = ("tradovate", "projectx", "fix", "ninjatrader")
_NAMES_NO_BALANCE = frozenset({"fix"})
"""Venues that do not say what an account is worth: a `percent` rule can't size there."""
_REST_TIMEOUT_S = 20.0
_QUIET_S = 1.5
_MICRO = (SymbolMap(leader_root="ES", follower_root="MES", lot_factor=Decimal(10)),)


def mixed_rules(accounts: dict[str, str]) -> list[FollowerConfig]:
    """A rule for each follower (account -> venue): every kind, every rounding, both directions, micros and a cap, over
    and over."""
    kinds: list[dict[str, Any]] = [
        {"rule": Rule()},
        {"rule": Rule(value=Decimal("0.5"))},
        {"rule": Rule(kind=RuleKind.FIXED, value=Decimal(1))},
        {"rule": Rule(kind=RuleKind.PERCENT, value=Decimal(100))},
        {"rule": Rule(value=Decimal("0.3")), "symbols": _MICRO},
        {"rule": Rule(value=Decimal(2)), "max_position": 8},
        {"rule": Rule(value=Decimal("0.5"), rounding=Rounding.UP)},
        {"rule": Rule(value=Decimal("0.25"), rounding=Rounding.NEAREST)},
        {"rule": Rule(invert=True)},
        {"rule": Rule(value=Decimal("0.1")), "symbols": _MICRO},
    ]
    unsized: dict[str, Any] = {"rule": Rule(value=Decimal("1.5"))}
    return [
        FollowerConfig(
            account=account,
            group=GROUP,
            **(unsized if _is_percent(kind) and venue in _NAMES_NO_BALANCE else kind),
        )
        for (account, venue), kind in zip(accounts.items(), itertools.cycle(kinds), strict=False)
    ]


def _is_percent(kind: dict[str, Any]) -> bool:
    return kind["rule"].kind is RuleKind.PERCENT


class Sandbox:
    """The sandbox venue as a child process; it ends when this process does."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.control_path = Path(tempfile.mkdtemp(prefix="copydesk-")) / "control.sock"
        log = (folder / "sandbox.log").open("ab")
        self._process = subprocess.Popen(  # noqa: S603 - our own module, our own options
            [sys.executable, "-m", "brokers.sandbox", "--control", str(self.control_path), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,  # a terminal that hangs up takes the seat, not the venue
        )
        log.close()
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            said = (folder / "sandbox.log").read_text("utf-8", "replace").splitlines()
            why = said[-1].removeprefix("Error: ") if said else f"its exit code is {self._process.returncode}."
            raise click.ClickException(f"the sandbox did not start: {why}")
        self.ready: dict[str, Any] = msgspec.json.decode(line)
        self.control = SandboxControl(self.control_path)

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        """End it and wait for its end."""
        self.control.close()
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.terminate()
        self._process.wait(timeout=10)
        shutil.rmtree(self.control_path.parent, ignore_errors=True)


async def set_up(
    settings: Settings,
    ready: dict[str, Any],
    *,
    rules: Callable[[dict[str, str]], list[FollowerConfig]] = mixed_rules,
    requests_per_min: int = REQUESTS_PER_MIN,
) -> None:
    """Write the sandbox's logins, the group and the followers' rules into the desk's database. The first account of
    the first login leads."""
    store = await Store.open(settings, SYSTEM_CLOCK)
    try:
        vault = Vault.open(settings)
        followers: dict[str, str] = {}
        for venue, place in ready["venues"].items():
            for login in place["logins"]:
                connection = _connection(venue, place, login["username"], requests_per_min)
                name = connection.connection
                secret = Credentials(username=name, password=login["password"], device_id=f"copydesk-{name}")
                await store.add_connection(connection, vault.seal_credentials(connection, secret))
                for account in login["accounts"]:
                    # FIX and NinjaTrader call an account by its name.
                    venue_id = account["name"] if venue in ("fix", "ninjatrader") else str(account["id"])
                    await store.put_account(AccountConfig(account=account["name"], connection=name, venue_id=venue_id))
                    followers[account["name"]] = venue
        leader = next(iter(followers))
        del followers[leader]
        await store.put_group(GroupConfig(group=GROUP, leader=leader, drift=DriftPolicy.AUTO))
        for follower in rules(followers):
            await store.put_follower(follower)
    finally:
        await store.close()


def _connection(venue: str, place: dict[str, Any], name: str, requests_per_min: int) -> ConnectionConfig:
    """A login at one of the sandbox's doors; `place` is what the ready line says of that door."""
    return connection_of(venue, msgspec.convert(place, Door), name, requests_per_min)


class Demo:
    """One practice session."""

    def __init__(
        self,
        settings: Settings,
        *,
        tape: Path | None,
        speed: float,
        seed: int,
        venues: Sequence[str] = VENUES,
        latency_ms: tuple[float, float, float] | None = None,
    ) -> None:
        """`venues`: where the followers' logins are, in turn. `latency_ms`: p50, p95 and maximum of the lognormal delay
        of every request on its way to its venue."""
        self._settings = settings.model_copy(
            update={
                "state_dir": settings.state_dir / "demo",
                "desk": "demo",
                "chart_symbol": CHART,
                "requests_per_min": REQUESTS_PER_MIN,
                "reconnect_cap_s": 2.0,
            }
        )
        self._options = ["--seed", str(seed), "--speed", str(speed), "--requests-per-min", str(REQUESTS_PER_MIN)]
        self._options += ["--limit", f"projectx.requests={REQUESTS_PER_MIN}"]
        for venue in venues:
            self._options += ["--venue", venue]
        if tape is not None:
            self._options += ["--tape", str(tape)]
        self._latency_ms = latency_ms

    def open(self, layout: str = "") -> int:
        """Open the desk's screen on the practice market; returns the exit code."""
        from tui.launch import sit_down

        return self.session(lambda sandbox, engine, seat: sit_down(engine, seat, self._settings, layout))

    def headless(self, seconds: float, *, as_json: bool) -> int:
        """Let the leader trade for `seconds`, let every order come to rest, and print the report. Exit code 1 when
        a pair is unaccounted for, an order was duplicated, or a follower does not stand where its rule says."""

        def work(sandbox: Sandbox, _engine: EngineThread, seat: ThreadSeat) -> int:
            settle()
            time.sleep(seconds)
            sandbox.control.order("leader", action="stop")
            status = self._rest(seat)
            books = books_of(sandbox.control.order("state"))
            found = asyncio.run(self._report(books, status))
            click.echo(msgspec.json.encode(found).decode() if as_json else found.as_text())
            return 0 if found.holds else 1

        return self.session(work)

    async def _report(self, books: Books, status: StatusRow) -> DemoReport:
        store = await Store.open(self._settings, SYSTEM_CLOCK)
        try:
            return await demo_report(store, books, GROUP, status.latency)
        finally:
            await store.close()

    def _rest(self, seat: ThreadSeat) -> StatusRow:
        """Wait until nothing has changed for a while and nothing is being asked for; the status then."""
        ends = time.monotonic() + _REST_TIMEOUT_S
        seen, since = None, time.monotonic()
        while True:
            row = seat.view(Topic.STATUS).rows[0]
            assert isinstance(row, StatusRow)
            counts = (row.signals, row.copied, row.skipped, row.rejected, row.expired)
            if counts != seen or row.unknown or row.undecided or row.drifting:
                seen, since = counts, time.monotonic()
            if time.monotonic() - since > _QUIET_S or time.monotonic() > ends:
                return row
            time.sleep(0.05)

    def session(self, work: Callable[[Sandbox, EngineThread, ThreadSeat], int]) -> int:
        """Set everything up, let the leader trade, run `work`, and end what was started; returns what `work` does."""
        folder = self._settings.state_dir
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with StateDirLock(folder):
            for entry in folder.iterdir():
                if entry.is_dir() and entry.name != "sessions":
                    shutil.rmtree(entry)
            open_log(self._settings)
            sandbox = Sandbox(folder, *self._options)
            try:
                asyncio.run(set_up(self._settings, sandbox.ready))
                engine = EngineThread(self._settings)
                seat = engine.start()
                if self._latency_ms is not None:
                    p50_ms, p95_ms, max_ms = self._latency_ms
                    sandbox.control.order("latency", p50_ms=p50_ms, p95_ms=p95_ms, max_ms=max_ms)
                sandbox.control.order("leader", action="start")
                try:
                    return work(sandbox, engine, seat)
                finally:
                    engine.stop()
            finally:
                sandbox.stop()
