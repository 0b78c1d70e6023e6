"""The contracts the sandbox lists, made from the product table; prices inside the venue are whole ticks.

Used by every other module of the sandbox. Contracts are dated by the venue's own clock, as names are at every venue:
one that opens in 2026 and lists ESH4 means March 2034, whatever market it plays. The first month of each root has a
market; the next one is listed so that it can be found and rolled to, and refuses orders.
"""

from datetime import date
from decimal import Decimal

from schema.expiry import expires_ns
from schema.records import Record
from schema.symbols import MONTHS, ContractKey, Product, key_of, product

_DIGITS = 15  # before or after the point: a price that has more is nobody's
MARGIN_TICKS = 1056
"""Initial margin of one contract in ticks (ES: 13,200.00; MES: 1,320.00). Maintenance is ten elevenths of it."""


class ListedContract(Record, frozen=True):
    """One listed contract. `expiration_month` is YYYYMM, `expires_ns` when it stops trading; a contract that is not
    `front` takes no orders."""

    contract_id: int
    maturity_id: int
    product_id: int
    symbol: str
    product: Product
    expiration_month: int
    expires_ns: int
    front: bool

    @property
    def initial_margin(self) -> Decimal:
        return self.product.tick_value * MARGIN_TICKS

    @property
    def maintenance_margin(self) -> Decimal:
        return self.product.tick_value * (MARGIN_TICKS * 10 // 11)

    def ticks(self, price: Decimal) -> int | None:
        """The price in whole ticks; None when it is between two of them, or none that a market has."""
        if abs(price.adjusted()) > _DIGITS:
            return None
        count = price / self.product.tick_size
        whole = count.to_integral_value()
        return int(whole) if count == whole else None

    def price(self, ticks: int) -> Decimal:
        return self.product.tick_size * ticks

    def money(self, ticks: int) -> Decimal:
        """What `ticks` (contracts times price difference) are worth."""
        return self.product.tick_value * ticks


class Catalogue:
    """The listed contracts of some front months, such as ``ESH4`` and ``MESH4``, each with its next quarter, as they
    are named on the day `today`. `fronts` have a market and stay its contracts for good; the venue may call the next
    month of a root its front one (`roll`).

    Raises UnknownProduct for a name that is no contract or a root the product table does not have.
    """

    def __init__(self, fronts: tuple[str, ...] = ("ESH4", "MESH4"), today: date = date(2023, 12, 25)) -> None:
        self.fronts: list[ListedContract] = []
        self.by_symbol: dict[str, ListedContract] = {}
        self.by_id: dict[int, ListedContract] = {}
        self.rolled_roots: set[str] = set()
        for number, symbol in enumerate(fronts):
            key = key_of(symbol, today)
            for step, front in enumerate((True, False)):
                at = key.year * 12 + key.month_number - 1 + 3 * step
                listed_key = ContractKey(exchange=key.exchange, root=key.root, month=at // 12 * 100 + at % 12 + 1)
                listed = ListedContract(
                    contract_id=560901 + 10 * number + step,
                    maturity_id=47801 + 10 * number + step,
                    product_id=701 + number,
                    symbol=f"{key.root}{MONTHS[at % 12]}{listed_key.year % 10}",
                    product=product(key.root),
                    expiration_month=listed_key.month,
                    expires_ns=expires_ns(listed_key),
                    front=front,
                )
                self.by_symbol[listed.symbol] = listed
                self.by_id[listed.contract_id] = listed
                if front:
                    self.fronts.append(listed)

    def is_front(self, contract: ListedContract) -> bool:
        """Whether the venue calls it the front month of its root now."""
        return contract.front != (contract.product.root in self.rolled_roots)

    def roll(self, root: str) -> None:
        """Call the next month of a root its front month from now on. The market stays where it is, as the old month's
        does at a venue for some days."""
        self.rolled_roots.add(root)

    def rolled(self, contract: ListedContract, *, forward: bool) -> ListedContract | None:
        """The next (or the previous) listed month of the same product."""
        return self.by_id.get(contract.contract_id + (1 if forward else -1))
