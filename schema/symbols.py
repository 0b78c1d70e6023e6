"""Contract names and the product table: what a root is worth, and which contract a follower trades for a leader's.

Called by the engine's sizing and contract checks, the sandbox venue and the shell. The table is `products.toml`; a
name is always taken apart by its form and never by looking for a root somewhere inside it. The desk's records name a
contract as the exchange does (``ESZ6``); what one is for all time is its `ContractKey`. How each venue writes it is in
`schema/venue_symbols.py`.
"""

import difflib
import re
import tomllib
from datetime import date
from decimal import Decimal
from functools import cache, lru_cache
from importlib.resources import files

import msgspec

from schema.records import Record, SymbolMap

MONTHS = "FGHJKMNQUVXZ"
"""Month codes, January to December."""

_YEARS_BACK = {1: 1, 2: 50}
"""By the digits of a year: how long ago a contract may have ended and still be the one that is meant."""

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


class ContractKey(Record, frozen=True, order=True):
    """The one key of a contract: exchange, the exchange's root, and `month` as YYYYMM (202612: December 2026)."""

    exchange: str
    root: str
    month: int

    @property
    def year(self) -> int:
        return self.month // 100

    @property
    def month_number(self) -> int:
        """1 to 12."""
        return self.month % 100

    @property
    def code(self) -> str:
        """The month's letter."""
        return MONTHS[self.month_number - 1]

    @property
    def symbol(self) -> str:
        """The contract's name in the desk's records: ``ESZ6``."""
        return f"{self.root}{self.code}{self.year % 10}"

    def __str__(self) -> str:
        return f"{self.exchange} {self.root} {self.year}-{self.month_number:02d}"


class Product(Record, frozen=True):
    """What one contract of `root` is. `tick_value` is the money one tick is worth; `micro` the smaller twin's root,
    or '' when there is none. `cycle` are the codes of the months that are traded most, `expiry` is the name of a rule
    in `expiries.toml`."""

    root: str
    name: str
    exchange: str
    tick_size: Decimal
    tick_value: Decimal
    cycle: str
    expiry: str
    micro: str = ""

    @property
    def point_value(self) -> Decimal:
        return self.tick_value / self.tick_size


class _Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    exchange: str
    tick_size: Decimal
    tick_value: Decimal
    cycle: str
    expiry: str
    micro: str = ""


@lru_cache(maxsize=4096)
def parse_contract(symbol: str) -> Contract:
    """The parts of a contract name. Raises UnknownProduct when it does not have a contract's form."""
    found = _CONTRACT.fullmatch(symbol)
    if found is None:
        raise UnknownProduct(f"{symbol!r} is not a contract; write root, month code and year, such as ESH4.")
    return Contract(root=found[1], month=found[2], year=found[3])


def full_month(month_code: str, year_digits: str, on: date) -> int:
    """YYYYMM of a month code and the last one or two digits of a year, as meant on a day: a contract that ended within
    the last year (of two digits: the last 50 years) is still itself; an older one is taken for that of the next decade
    (or century)."""
    month, span = MONTHS.index(month_code), 10 ** len(year_digits)
    oldest = (on.year - _YEARS_BACK[len(year_digits)]) * 12 + on.month - 1
    year = oldest // 12 - oldest // 12 % span + int(year_digits)
    while year * 12 + month < oldest:
        year += span
    return year * 100 + month + 1


@lru_cache(maxsize=4096)
def key_of(symbol: str, on: date) -> ContractKey:
    """The contract that a name of the desk's records means on a day. Raises UnknownProduct: not a contract, or a root
    that the product table does not have."""
    contract = parse_contract(symbol)
    month = full_month(contract.month, contract.year, on)
    return ContractKey(exchange=product(contract.root).exchange, root=contract.root, month=month)


def follower_symbol(leader_symbol: str, entry: SymbolMap) -> str:
    """The contract a follower trades for `leader_symbol`: the mapped root in the same month (ESH4 -> MESH4).
    Raises UnknownProduct when the map is for another root."""
    contract = parse_contract(leader_symbol)
    if contract.root != entry.leader_root:
        raise UnknownProduct(f"the map of {entry.leader_root} does not fit {leader_symbol}; map {contract.root}.")
    return str(msgspec.structs.replace(contract, root=entry.follower_root))


@lru_cache(maxsize=4096)
def twin_of(symbol: str) -> str:
    """The contract of the same underlying and month in the other size, which trades at the same prices (ESH4 -> MESH4
    and back); '' when there is none."""
    try:
        contract = parse_contract(symbol)
        twins = [root for root, each in products().items() if each.micro == contract.root]
        root = product(contract.root).micro or (twins or [""])[0]
    except UnknownProduct:
        return ""
    return str(msgspec.structs.replace(contract, root=root)) if root else ""


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
    hint = f"did you mean {near[0]}?" if near else "add it to schema/products.toml, as the roots there are."
    raise UnknownProduct(f"the product table has no {root!r}; {hint}")
