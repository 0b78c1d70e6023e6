"""The venues the desk knows: one row each. An adapter is imported when the first login of its venue is built."""

from collections.abc import Callable, Sequence
from importlib import import_module
from random import Random

from brokers.adapter import AdapterSettings, BrokerAdapter, Capabilities, Credentials, Emit
from brokers.projectx import POLICY as PROJECTX_POLICY
from brokers.sessions import MemorySessions, SessionStore
from schema.clock import Clock
from schema.login import VENUES as VENUES
from schema.records import AccountConfig, ConnectionConfig, Record


class Wanted(Record, frozen=True):
    """What an adapter is built of."""

    config: ConnectionConfig
    credentials: Credentials
    settings: AdapterSettings
    clock: Clock
    emit: Emit
    random: Random
    accounts: tuple[AccountConfig, ...]
    sessions: SessionStore


def _usual(wanted: Wanted) -> tuple[ConnectionConfig, Credentials, AdapterSettings, Clock, Emit, Random]:
    """What every adapter is built of, in the order in which each takes it."""
    return wanted.config, wanted.credentials, wanted.settings, wanted.clock, wanted.emit, wanted.random


def _tradovate(wanted: Wanted) -> BrokerAdapter:
    from brokers.tradovate.adapter import TradovateAdapter

    return TradovateAdapter(*_usual(wanted))


def _projectx(wanted: Wanted) -> BrokerAdapter:
    from brokers.projectx.adapter import ProjectXAdapter

    return ProjectXAdapter(*_usual(wanted))


def _fix(wanted: Wanted) -> BrokerAdapter:
    from brokers.fix.adapter import FixAdapter

    return FixAdapter(*_usual(wanted), accounts=wanted.accounts, sessions=wanted.sessions)


def _ninjatrader(wanted: Wanted) -> BrokerAdapter:
    from brokers.ninjatrader.adapter import NinjaTraderAdapter

    return NinjaTraderAdapter(*_usual(wanted), accounts=wanted.accounts, sessions=wanted.sessions)


class Venue(Record, frozen=True):
    """A venue's row: its name in sentences, its adapter, what it calls a login's proof (empty: it wants none), and what
    it demands of where a desk runs (one sentence to show before an account of it is armed; empty: nothing)."""

    name: str
    build: Callable[[Wanted], BrokerAdapter]
    proof: str = "Password"
    policy: str = ""


VENUE_TABLE: dict[str, Venue] = {
    "tradovate": Venue(name="Tradovate", build=_tradovate),
    "projectx": Venue(name="ProjectX", build=_projectx, proof="API key", policy=PROJECTX_POLICY),
    "fix": Venue(name="FIX", build=_fix),
    "ninjatrader": Venue(name="NinjaTrader", build=_ninjatrader, proof=""),
}


def capabilities_of(venue: str) -> Capabilities:
    """What a venue can do, whoever logs in. Imports its adapter."""
    found: Capabilities = import_module(f"brokers.{venue}.adapter").CAPABILITIES
    return found


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
    wanted = Wanted(
        config=config,
        credentials=credentials,
        settings=settings,
        clock=clock,
        emit=emit,
        random=random,
        accounts=tuple(account for account in accounts if account.connection == config.connection),
        sessions=sessions if sessions is not None else MemorySessions(),
    )
    return VENUE_TABLE[config.venue].build(wanted)
