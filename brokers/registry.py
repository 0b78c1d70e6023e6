"""The venues the desk knows, by name."""

from random import Random

from brokers.adapter import AdapterSettings, BrokerAdapter, Credentials, Emit
from brokers.tradovate.adapter import TradovateAdapter
from schema.clock import Clock
from schema.login import VENUES as VENUES
from schema.records import ConnectionConfig


def build_adapter(
    config: ConnectionConfig,
    credentials: Credentials,
    settings: AdapterSettings,
    clock: Clock,
    emit: Emit,
    random: Random,
) -> BrokerAdapter:
    """The adapter of `config.venue`, not yet connected. `config.venue` is one of VENUES: the store refuses others."""
    return TradovateAdapter(config, credentials, settings, clock, emit, random)
