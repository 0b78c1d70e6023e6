"""The contracts the sandbox lists, made from the product table; prices inside the venue are whole ticks.

Used by every other module of the sandbox. The front month of each root trades; the next one is listed so that it can
be found and rolled to, and refuses orders.
"""

from decimal import Decimal

from schema.records import Record
from schema.symbols import MONTHS, Product, parse_contract, product

MARGIN_TICKS = 1056
"""Initial margin of one contract in ticks (ES: 13,200.00; MES: 1,320.00). Maintenance is ten elevenths of it."""


class ListedContract(Record, frozen=True):
    """One listed contract. `expiration_month` is YYYYMM; a contract that is not `front` takes no orders."""

    contract_id: int
    maturity_id: int
    product_id: int
    symbol: str
    product: Product
    expiration_month: int
    front: bool

    @property
    def initial_margin(self) -> Decimal:
        return self.product.tick_value * MARGIN_TICKS

    @property
    def maintenance_margin(self) -> Decimal:
        return self.product.tick_value * (MARGIN_TICKS * 10 // 11)

    def ticks(self, price: Decimal) -> int | None:
        """The price in whole ticks; None when it is between two of them."""
        count = price / self.product.tick_size
        whole = count.to_integral_value()
        return int(whole) if count == whole else None

    def price(self, ticks: int) -> Decimal:
        return self.product.tick_size * ticks

    def money(self, ticks: int) -> Decimal:
        """What `ticks` (contracts times price difference) are worth."""
        return self.product.tick_value * ticks


class Catalogue:
    """The listed contracts of some front months, such as ``ESH4`` and ``MESH4``, each with its next quarter.

    Raises UnknownProduct for a name that is no contract or a root the product table does not have. `decade` makes a
    one-digit year a whole one.
    """

    def __init__(self, fronts: tuple[str, ...] = ("ESH4", "MESH4"), decade: int = 2020) -> None:
        self.fronts: list[ListedContract] = []
        self.by_symbol: dict[str, ListedContract] = {}
        self.by_id: dict[int, ListedContract] = {}
        for number, symbol in enumerate(fronts):
            name = parse_contract(symbol)
            month, year = MONTHS.index(name.month), decade + int(name.year[-1])
            for step, front in enumerate((True, False)):
                at = month + 3 * step
                code, when = MONTHS[at % 12], year + at // 12
                listed = ListedContract(
                    contract_id=560901 + 10 * number + step,
                    maturity_id=47801 + 10 * number + step,
                    product_id=701 + number,
                    symbol=f"{name.root}{code}{when % 10}",
                    product=product(name.root),
                    expiration_month=when * 100 + at % 12 + 1,
                    front=front,
                )
                self.by_symbol[listed.symbol] = listed
                self.by_id[listed.contract_id] = listed
                if front:
                    self.fronts.append(listed)

    def rolled(self, contract: ListedContract, *, forward: bool) -> ListedContract | None:
        """The next (or the previous) listed month of the same product."""
        return self.by_id.get(contract.contract_id + (1 if forward else -1))
