"""Contracts checked with their venue before anything trades in them: tick size and value must be what we think."""

import asyncio

from brokers.adapter import BrokerAdapter, RequestRefused, VenueError
from engine import events as ev
from engine.core import Core
from engine.rules import symbol_for
from schema.clock import Clock
from schema.records import Instrument
from schema.store import CheckedContract
from schema.symbols import MONTHS, UnknownProduct, parse_contract, product

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


def row(core: Core, checked: ev.InstrumentChecked) -> CheckedContract | None:
    """What `copydesk symbols` shows of a check; None when the venue described nothing."""
    found, known = checked.instrument, core.rolls.contracts.get((checked.connection, checked.symbol))
    if found is None or known is None:
        return None
    return CheckedContract(
        connection=checked.connection,
        symbol=checked.symbol,
        exchange=known.key.exchange,
        root=known.key.root,
        month=known.key.month,
        venue_symbol=found.venue_id if found.venue_id and not found.venue_id.isdigit() else checked.symbol,
        tick_size=found.tick_size,
        tick_value=found.tick_value,
        expires_ns=known.expires_ns,
        front=known.front,
        described=found.described,
        error=checked.error,
        checked_ns=checked.at_ns,
    )


def disagreement(found: Instrument, venue: str) -> str:
    """Why a contract may not trade, or '': the venue's tick size and value against the product table."""
    try:
        ours = product(parse_contract(found.symbol).root)
    except UnknownProduct as unknown:
        return f"symbol: {unknown}"
    contract = parse_contract(found.symbol)
    if found.month and (MONTHS[found.month % 100 - 1], str(found.month // 100)[-1]) != (
        contract.month,
        contract.year[-1],
    ):
        return f"month of {found.symbol} is {found.month} at {venue}: not armed, check the symbol map"
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
