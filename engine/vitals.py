"""The health pane's rows: each login, the process, and the database, once a second. Reads; called by
`engine/views.py` on the engine's loop.
"""

import asyncio
import os
from collections import Counter

import psutil

from brokers.adapter import BrokerAdapter
from engine.core import Core
from engine.journal import Journal
from engine.latency import percentile
from engine.shown import ConnectionShown, PostgresShown, ProcessShown
from schema.records import ConnectionConfig


class Vitals:
    """How the desk is."""

    def __init__(self, core: Core, adapters: dict[str, BrokerAdapter], journal: Journal) -> None:
        self._core = core
        self._adapters = adapters
        self._journal = journal
        self._process = psutil.Process()

    def process(self, lags_ms: list[float], collect_ms: float) -> ProcessShown:
        """`lags_ms` is how late the engine's loop ran lately."""
        lags = sorted(lags_ms)
        with self._process.oneshot():
            rss_mb, threads = self._process.memory_info().rss / 2**20, self._process.num_threads()
        return ProcessShown(
            pid=os.getpid(),
            rss_mb=round(rss_mb, 1),
            threads=threads,
            fds=self._fds(),
            tasks=_tasks(),
            loop_lag_p50_ms=percentile(lags, 50),
            loop_lag_p99_ms=percentile(lags, 99),
            collect_ms=collect_ms,
        )

    def _fds(self) -> int:
        try:
            return self._process.num_fds()
        except (psutil.Error, OSError):  # a system that does not say keeps nothing else from being shown
            return -1

    def postgres(self) -> PostgresShown:
        journal = self._journal
        commits = sorted(journal.commits_ms)
        return PostgresShown(
            up=not journal.down_reason,
            reason=journal.down_reason,
            commits=len(commits),
            commit_p50_ms=percentile(commits, 50),
            commit_p99_ms=percentile(commits, 99),
            commit_max_ms=commits[-1] if commits else -1.0,
            waiting=journal.waiting_rows,
            flush_ms=journal.flush_ms,
        )

    def connections(self) -> tuple[ConnectionShown, ...]:
        """Every login of the configuration, in its order."""
        counts = Counter(account.connection for account in self._core.config.accounts)
        return tuple(self._connection(each, counts[each.connection]) for each in self._core.config.connections)

    def _connection(self, config: ConnectionConfig, accounts: int) -> ConnectionShown:
        core, name = self._core, config.connection
        breaker = core.breakers.get(name)
        adapter = self._adapters.get(name)
        health = adapter.health() if adapter is not None else None
        return ConnectionShown(
            connection=name,
            venue=config.venue,
            environment=config.environment,
            accounts=accounts,
            state=health.state if health else "starting",
            reason=core.down_reason.get(name, "") or (health.reason if health else ""),
            heard_ns=max(0, health.last_message_ns) if health else 0,
            reconnects=health.reconnects if health else 0,
            unreadable=health.unreadable if health else 0,
            breaker=breaker.state(core.now_ns) if breaker else "closed",
            failures=breaker.failures if breaker else 0,
            budget_left=health.budget_left if health else 0,
            budget_per_min=health.budget_per_min if health else 0,
            round_trip_ms=health.round_trip_ms if health else -1.0,
        )


def _tasks() -> int:
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:  # published without a loop, as tests do
        return 0
