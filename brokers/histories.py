"""Where candles and trades of the past come from: one row for each venue whose logins tell them.

Opened by `copydesk backfill`. A source that needs no login, and a recorded file, are opened by themselves.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from brokers.adapter import Credentials
from brokers.feed import History
from schema.clock import Clock
from schema.records import ConnectionConfig

OpenHistory = Callable[[ConnectionConfig, Credentials, Clock], AbstractAsyncContextManager[History]]


def _projectx(config: ConnectionConfig, credentials: Credentials, clock: Clock) -> AbstractAsyncContextManager[History]:
    from brokers.projectx.history import logged_in

    return logged_in(config, credentials, clock)


def _tradovate(
    config: ConnectionConfig, credentials: Credentials, clock: Clock
) -> AbstractAsyncContextManager[History]:
    from brokers.tradovate.history import logged_in

    return logged_in(config, credentials, clock)


HISTORY_TABLE: dict[str, OpenHistory] = {"projectx": _projectx, "tradovate": _tradovate}
