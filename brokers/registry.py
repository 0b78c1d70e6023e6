"""The venues the desk knows, by name. An adapter is imported when the first login of its venue is built."""

from collections.abc import Sequence
from random import Random

from brokers.adapter import AdapterSettings, BrokerAdapter, Credentials, Emit
from brokers.fix.numbers import MemorySessions, SessionStore
from brokers.tradovate.adapter import TradovateAdapter
from schema.clock import Clock
from schema.login import VENUES as VENUES
from schema.records import AccountConfig, ConnectionConfig


def build_adapter(
    config: ConnectionConfig,
    credentials: Credentials,
    settings: AdapterSettings,
    clock: Clock,
    emit: Emit,
    random: Random,
    *,
    accounts: Sequence[AccountConfig] = (),
    sessions: SessionStore | None = None,
) -> BrokerAdapter:
    """The adapter of `config.venue`, not yet connected. `config.venue` is one of VENUES: the store refuses others.
    `accounts` are the login's, for a venue that lists none; `sessions` keeps what a venue's session must not forget:
    without it, it is forgotten with the process."""
    if config.venue == "fix":
        from brokers.fix.adapter import FixAdapter

        mine = [account for account in accounts if account.connection == config.connection]
        kept = sessions if sessions is not None else MemorySessions()
        return FixAdapter(config, credentials, settings, clock, emit, random, accounts=mine, sessions=kept)
    return TradovateAdapter(config, credentials, settings, clock, emit, random)
