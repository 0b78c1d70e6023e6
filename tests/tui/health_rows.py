"""Rows of the health pane as a desk tells them, for tests: well, unless a test says otherwise."""

from engine.shown import ConnectionShown, PostgresShown, ProcessShown
from schema.records import Environment
from tests.tui.scripted_seat import START_NS

S = 1_000_000_000


def connection(**changes: object) -> ConnectionShown:
    fields = {
        "connection": "login1",
        "venue": "tradovate",
        "environment": Environment.DEMO,
        "accounts": 5,
        "state": "up",
        "reason": "",
        "heard_ns": START_NS - 4 * S,
        "reconnects": 0,
        "unreadable": 0,
        "breaker": "closed",
        "failures": 0,
        "budget_left": 70,
        "budget_per_min": 80,
        "round_trip_ms": 3.2,
    }
    return ConnectionShown(**{**fields, **changes})  # type: ignore[arg-type]


def process(lag_p99_ms: float = 2.5) -> ProcessShown:
    return ProcessShown(
        pid=7,
        rss_mb=88.4,
        threads=5,
        fds=61,
        tasks=44,
        loop_lag_p50_ms=0.2,
        loop_lag_p99_ms=lag_p99_ms,
        collect_ms=12.0,
    )


def postgres(reason: str = "") -> PostgresShown:
    return PostgresShown(
        up=not reason,
        reason=reason,
        commits=12,
        commit_p50_ms=0.5,
        commit_p99_ms=1.9,
        commit_max_ms=2.4,
        waiting=3,
        flush_ms=0.8,
    )
