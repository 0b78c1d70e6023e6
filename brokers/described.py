"""A contract as the product table has it, for venues that do not describe contracts themselves."""

from brokers.adapter import RequestRefused
from schema.records import Instrument, RejectClass
from schema.symbols import UnknownProduct, parse_contract, product


def described(symbol: str, venue_id: str) -> Instrument:
    """Raises RequestRefused when the table does not have it; whether the venue does shows with the first order."""
    try:
        known = product(parse_contract(symbol).root)
    except UnknownProduct as unknown:
        raise RequestRefused(str(unknown), RejectClass.CONTRACT) from None
    return Instrument(
        symbol=symbol,
        root=known.root,
        tick_size=known.tick_size,
        tick_value=known.tick_value,
        venue_id=venue_id,
        described=False,
    )
