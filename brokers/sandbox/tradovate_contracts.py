"""What the Tradovate door lists of contracts, products and exchanges (`protocols/tradovate.md 1.8`).

Called once by `tradovate_records.py`: only which month is the front one, and what a listing fault says, can change
while the venue is open, and `tradovate_library.py` sees to that.
"""

from collections.abc import Iterator

from brokers.sandbox.instruments import Catalogue
from brokers.sandbox.tradovate_entities import (
    ContractEntity,
    ContractMaturityEntity,
    CurrencyEntity,
    Entity,
    NamedEntity,
    ProductEntity,
    timestamp,
)

CURRENCY_ID = 1
_GROUP_ID = 1


def contract_entities(catalogue: Catalogue) -> Iterator[tuple[str, Entity]]:
    """Entity types and entities; a product comes once for each of its months, always the same."""
    yield "currency", CurrencyEntity(id=CURRENCY_ID, name="USD", symbol="$")
    yield "contractGroup", NamedEntity(id=_GROUP_ID, name="Equities")
    exchanges: dict[str, int] = {}
    for listed in catalogue.by_symbol.values():
        product = listed.product
        exchange_id = exchanges.setdefault(product.exchange, len(exchanges) + 1)
        yield "exchange", NamedEntity(id=exchange_id, name=product.exchange)
        yield (
            "product",
            ProductEntity(
                id=listed.product_id,
                name=product.root,
                currency_id=CURRENCY_ID,
                product_type="Futures",
                description=product.name,
                exchange_id=exchange_id,
                contract_group_id=_GROUP_ID,
                status="Verified",
                value_per_point=product.point_value,
                price_format_type="Decimal",
                price_format=-int(product.tick_size.as_tuple().exponent),
                tick_size=product.tick_size,
            ),
        )
        yield (
            "contractMaturity",
            ContractMaturityEntity(
                id=listed.maturity_id,
                product_id=listed.product_id,
                expiration_month=listed.expiration_month,
                expiration_date=timestamp(listed.expires_ns),
                is_front=listed.front,
                archived=False,
                series_id=listed.product_id,
            ),
        )
        yield (
            "contract",
            ContractEntity(id=listed.contract_id, name=listed.symbol, contract_maturity_id=listed.maturity_id),
        )
