"""The practice venue behind the doors that are fuzzed: one for the whole run, whose market stands still."""

import itertools
from decimal import Decimal
from functools import cache

from brokers.sandbox.accounts import Account
from brokers.sandbox.server import Login, Options, Sandbox
from schema.clock import SYSTEM_CLOCK

_ids = itertools.count(1_000_000)


@cache
def sandbox() -> Sandbox:
    """Its market is made once; every talk gets a door, a login and an account of its own."""
    return Sandbox(Options(logins=(Login(username="leader", accounts=("DEMO1",)),), seed=7), SYSTEM_CLOCK)


def open_account(name: str = "SIM1") -> int:
    """A new account at the venue; its id."""
    account_id = next(_ids)
    sandbox().venue.accounts[account_id] = Account(account_id, name, 1, Decimal(250_000))
    return account_id


def close_account(account_id: int) -> None:
    """Check that its books add up, and take away what would make the next talk slower."""
    venue = sandbox().venue
    venue.accounts[account_id].open_pnl(venue.marks())
    for order in list(venue.live_orders(account_id)):
        venue.expire(order.order_id)
