"""What can be looked up and watched: records of symbols, and those of the desk's own contracts.

`engine/symbol_search.py` searches them; a feed lists its symbols as the same records."""

import calendar
from collections.abc import Iterable, Iterator
from datetime import date
from typing import TYPE_CHECKING

from schema.expiry import expiry_day, front_of
from schema.records import Record
from schema.symbols import MONTHS, ContractKey, product, products
from schema.venue_symbols import render, venues

if TYPE_CHECKING:
    from schema.store_contracts import CheckedContract  # which loads a database, and a seat has none

DESK = "desk"
"""The source of contracts by the desk's own names (ESZ6), quoted by whichever login offers market data."""
_MONTHS_AHEAD = 15


class Listed(Record, frozen=True):
    """One symbol at one source. `names` are other words it is found by, such as its names at venues; of
    symbols equally long and equally well found the lowest `rank` comes first."""

    source: str
    symbol: str
    description: str = ""
    exchange: str = ""
    names: str = ""
    rank: int = 0


def contracts(on: date, said: "Iterable[CheckedContract]" = ()) -> list[Listed]:
    """The contracts a desk may watch on a day: of each product the months of its cycle from the front month on, and
    whatever venues have described that has not expired."""
    keys = {key: None for root in products() for key in _months(root, on)}
    spoken: dict[ContractKey, set[str]] = {}
    for each in said:
        if each.root in products() and expiry_day(each.key) >= on:
            keys[each.key] = None
            spoken.setdefault(each.key, set()).add(each.venue_symbol)
    return [listed(key, on, sorted(spoken.get(key, ()))) for key in keys]


def listed(key: ContractKey, on: date, spoken: Iterable[str] = ()) -> Listed:
    """One contract as it is looked up on a day, the nearest months first. `spoken` are names that venues said. Raises
    UnknownProduct."""
    month = f"{calendar.month_abbr[key.month_number]} {key.year}"
    names = dict.fromkeys([*(render(venue, key) for venue in venues()), *spoken])
    return Listed(
        source=DESK,
        symbol=key.symbol,
        description=f"{product(key.root).name} {month}",
        exchange=key.exchange,
        names=" ".join(name for name in names if name != key.symbol),
        rank=max(0, (key.year - on.year) * 12 + key.month_number - on.month),
    )


def _months(root: str, on: date) -> Iterator[ContractKey]:
    front, cycle = front_of(root, on), product(root).cycle
    start = front.year * 12 + front.month_number - 1
    for at in range(start, start + _MONTHS_AHEAD):
        if MONTHS[at % 12] in cycle:
            yield ContractKey(exchange=front.exchange, root=root, month=at // 12 * 100 + at % 12 + 1)
