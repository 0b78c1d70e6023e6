"""Contracts checked with their venue before anything trades in them: tick size and value must be what we think."""

import asyncio

from brokers.adapter import BrokerAdapter, RequestRefused, VenueError
from engine import events as ev
from engine.core import Core
from engine.rules import symbol_for
from schema.clock import Clock
from schema.records import Instrument
from schema.symbols import UnknownProduct, parse_contract, product

_CHECK_TIMEOUT_S = 1.5


def needed(core: Core, leader: str, symbol: str) -> set[tuple[str, str]]:
    """(connection, symbol) pairs that must be checked before a signal of `leader` in `symbol` may open anything."""
    pairs = {(core.connection_of(leader), symbol)}
    for group in core.leads.get(leader, []):
        for follower in core.members.get(group.group, []):
            pairs.add((core.connection_of(follower.account), symbol_for(follower, symbol)))
    return {pair for pair in pairs if core.instruments.get(pair) is None}


async def check(adapter: BrokerAdapter, connection: str, symbol: str, clock: Clock) -> ev.InstrumentChecked | None:
    """Ask the venue for a contract and compare it; None when it could not be asked now."""
    try:
        async with asyncio.timeout(_CHECK_TIMEOUT_S):
            found = await adapter.instrument(symbol)
    except RequestRefused as refused:
        found, error = None, f"symbol: {refused}; not armed, check the symbol map and the month"
    except (VenueError, TimeoutError):
        return None
    else:
        error = disagreement(found, adapter.capabilities.venue)
    return ev.InstrumentChecked(
        at_ns=clock.now_ns(), connection=connection, symbol=symbol, instrument=found, error=error
    )


def disagreement(found: Instrument, venue: str) -> str:
    """Why a contract may not trade, or '': the venue's tick size and value against the product table."""
    try:
        ours = product(parse_contract(found.symbol).root)
    except UnknownProduct as unknown:
        return f"symbol: {unknown}"
    for field, theirs, expected in (
        ("tick size", found.tick_size, ours.tick_size),
        ("tick value", found.tick_value, ours.tick_value),
    ):
        if theirs != expected:
            return (
                f"{field} of {found.symbol} is {theirs.normalize():f} at {venue} and {expected.normalize():f} in the "
                "product table: not armed, correct the one that is wrong"
            )
    return ""
