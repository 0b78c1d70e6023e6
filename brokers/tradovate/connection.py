"""What the parts of one logged-in connection share; `adapter.py` builds it at every connect."""

import random as random_module
from dataclasses import dataclass

from brokers.adapter import AdapterSettings, Emit
from brokers.budget import RequestBudget
from brokers.tradovate.directory import Directory
from brokers.tradovate.http import Addresses, Http
from brokers.tradovate.login import Login
from brokers.tradovate.rest import Rest
from schema.clock import Clock
from schema.records import ConnectionConfig


@dataclass(frozen=True, slots=True, repr=False)
class Connection:
    config: ConnectionConfig
    settings: AdapterSettings
    clock: Clock
    random: random_module.Random
    emit: Emit
    urls: Addresses
    http: Http
    login: Login
    rest: Rest
    budget: RequestBudget
    directory: Directory
