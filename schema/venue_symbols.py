"""What each venue calls a contract, both ways, from `venue_symbols.toml`. Used by the venues' adapters, the sandbox's
doors and `copydesk symbols`; a root that the table does not name is the same on both sides."""

import difflib
import re
import tomllib
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from functools import cache, lru_cache
from importlib.resources import files

import msgspec

from schema.symbols import MONTHS, Contract, ContractKey, UnknownProduct, full_month, product, products

_MONTH_WORDS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_PARTS = {
    "root": r"(?P<root>[A-Z0-9]{1,5})",
    "month": rf"(?P<month>[{MONTHS}])",
    "mm": r"(?P<mm>0[1-9]|1[0-2])",
    "mon": rf"(?P<mon>{'|'.join(_MONTH_WORDS)})",
    "year1": r"(?P<year>\d)",
    "year2": r"(?P<year>\d\d)",
    "exchange": r"(?P<exchange>[A-Z]+)",
}
_SAMPLE = ContractKey(exchange="CME", root="ES", month=202612)
_UNSCALED = Decimal(1)


class _Venue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    form: str
    other_form: str = ""
    product: str = "{root}"
    exchanges: dict[str, str] = {}
    roots: dict[str, str] = {}
    also: dict[str, str] = {}
    price_scale: dict[str, Decimal] = {}


@cache
def _tables() -> dict[str, _Venue]:
    text = files("schema").joinpath("venue_symbols.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), dict[str, _Venue])


def venues() -> tuple[str, ...]:
    """Every venue whose names are known."""
    return tuple(_tables())


@cache
def _patterns(venue: str) -> tuple[re.Pattern[str], ...]:
    table = _tables()[venue]
    return tuple(_pattern(form) for form in (table.form, table.other_form) if form)


def _pattern(form: str) -> re.Pattern[str]:
    pieces = re.split(r"\{(\w+)\}", form)
    return re.compile("".join(_PARTS[part] if at % 2 else re.escape(part) for at, part in enumerate(pieces)))


@cache
def _back(venue: str) -> Mapping[str, str]:
    table = _tables()[venue]
    return table.also | {theirs: ours for ours, theirs in table.roots.items()}


def venue_root(venue: str, root: str) -> str:
    """The venue's name of a root: ES at ProjectX is EP."""
    return _tables()[venue].roots.get(root, root)


def exchange_root(venue: str, root: str) -> str:
    """The exchange's name of a venue's root: ProjectX's EP is ES."""
    return _back(venue).get(root, root)


def venue_product(venue: str, root: str) -> str:
    """What the venue calls a product: ES at ProjectX is F.US.EP."""
    return _tables()[venue].product.format(root=venue_root(venue, root))


def price_scale(venue: str, root: str) -> Decimal:
    """What an exchange's price of a root is multiplied with at the venue; 1 almost everywhere."""
    return _tables()[venue].price_scale.get(root, _UNSCALED)


def render(venue: str, key: ContractKey, *, other_form: bool = False) -> str:
    """The venue's name of a contract; `other_form`: in the second way that the venue may have."""
    table = _tables()[venue]
    form = (other_form and table.other_form) or table.form
    return form.format(
        root=venue_root(venue, key.root),
        month=key.code,
        mm=f"{key.month_number:02d}",
        mon=_MONTH_WORDS[key.month_number - 1],
        year1=f"{key.year % 10}",
        year2=f"{key.year % 100:02d}",
        exchange=table.exchanges.get(key.exchange, key.exchange),
    )


@lru_cache(maxsize=4096)
def parts(venue: str, name: str) -> Contract:
    """The parts of a venue's name, the root as the exchange calls it; whether there is such a product is not looked
    at. Raises UnknownProduct when it does not have the form of the venue's names."""
    found = next((found for pattern in _patterns(venue) if (found := pattern.fullmatch(name))), None)
    if found is None:
        raise UnknownProduct(f"{name!r} is no contract of {venue}; its names look like {render(venue, _SAMPLE)!r}.")
    said = found.groupdict()
    return Contract(root=exchange_root(venue, said["root"]), month=_code(said), year=said["year"])


def _code(said: Mapping[str, str]) -> str:
    """The month's letter, from whichever part of a name says it."""
    if "month" in said:
        return said["month"]
    return MONTHS[int(said["mm"]) - 1 if "mm" in said else _MONTH_WORDS.index(said["mon"])]


def parse(venue: str, name: str, on: date) -> ContractKey:
    """The contract that a venue's name means on a day. Raises UnknownProduct with one sentence: not the form of the
    venue's names, a root that the product table does not have, or another exchange than the product's."""
    contract = parts(venue, name)
    if contract.root not in products():
        theirs = venue_root(venue, contract.root)
        names = {venue_root(venue, root): root for root in products()}
        near = difflib.get_close_matches(theirs, names, n=1, cutoff=0.5)
        ours = f" ({names[near[0]]})" if near and names[near[0]] != near[0] else ""
        hint = f"did you mean {near[0]}{ours}?" if near else "add it to schema/products.toml, as the roots there are."
        raise UnknownProduct(f"{name!r}: {venue} has no product {theirs!r} that the desk knows; {hint}")
    month = full_month(contract.month, contract.year, on)
    key = ContractKey(exchange=product(contract.root).exchange, root=contract.root, month=month)
    if (
        name not in (render(venue, key), render(venue, key, other_form=True))
        and contract.root not in _tables()[venue].also.values()
    ):
        raise UnknownProduct(
            f"{name!r}: {contract.root} is of {key.exchange}; {venue} calls it {render(venue, key)!r}."
        )
    return key
