"""Contract names and the product table: what a root is worth, and which contract a follower trades for a leader's.

Called by the engine's sizing and contract checks, the sandbox venue and the shell. The table is `products.toml`; a
name is always taken apart by its form and never by looking for a root somewhere inside it.
"""

import difflib
import re
import tomllib
from decimal import Decimal
from functools import cache, lru_cache
from importlib.resources import files

import msgspec

from schema.records import Record, SymbolMap

MONTHS = "FGHJKMNQUVXZ"
"""Month codes, January to December."""

_CONTRACT = re.compile(rf"([A-Z0-9]{{1,4}}?)([{MONTHS}])(\d{{1,2}})")


class UnknownProduct(ValueError):
    """A contract name that can't be read, or a root the product table does not have; one sentence for the screen."""


class Contract(Record, frozen=True):
    """A contract name's parts: ``ESH4`` is root ``ES``, month code ``H`` (March), year ``4`` (one or two digits)."""

    root: str
    month: str
    year: str

    def __str__(self) -> str:
        return f"{self.root}{self.month}{self.year}"


class Product(Record, frozen=True):
    """What one contract of `root` is. `tick_value` is the money one tick is worth; `micro` the smaller twin's root,
    or '' when there is none."""

    root: str
    name: str
    exchange: str
    tick_size: Decimal
    tick_value: Decimal
    micro: str = ""

    @property
    def point_value(self) -> Decimal:
        return self.tick_value / self.tick_size


class _Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    exchange: str
    tick_size: Decimal
    tick_value: Decimal
    micro: str = ""


@lru_cache(maxsize=4096)
def parse_contract(symbol: str) -> Contract:
    """The parts of a contract name. Raises UnknownProduct when it does not have a contract's form."""
    found = _CONTRACT.fullmatch(symbol)
    if found is None:
        raise UnknownProduct(f"{symbol!r} is not a contract; write root, month code and year, such as ESH4.")
    return Contract(root=found[1], month=found[2], year=found[3])


def follower_symbol(leader_symbol: str, entry: SymbolMap) -> str:
    """The contract a follower trades for `leader_symbol`: the mapped root in the same month (ESH4 -> MESH4).
    Raises UnknownProduct when the map is for another root."""
    contract = parse_contract(leader_symbol)
    if contract.root != entry.leader_root:
        raise UnknownProduct(f"the map of {entry.leader_root} does not fit {leader_symbol}; map {contract.root}.")
    return str(msgspec.structs.replace(contract, root=entry.follower_root))


@cache
def products() -> dict[str, Product]:
    """The whole table by root. The dictionary is shared: read it only."""
    text = files("schema").joinpath("products.toml").read_text("utf-8")
    rows = msgspec.convert(tomllib.loads(text), dict[str, _Row])
    return {root: Product(root=root, **msgspec.structs.asdict(row)) for root, row in rows.items()}


def product(root: str) -> Product:
    """The product of `root`. Raises UnknownProduct naming the nearest root there is."""
    table = products()
    if root in table:
        return table[root]
    near = difflib.get_close_matches(root, table, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else "add it to schema/products.toml with its tick size and value."
    raise UnknownProduct(f"the product table has no {root!r}; {hint}")
