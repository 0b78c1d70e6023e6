"""Contract names and the product table."""

from decimal import Decimal

import pytest

from schema.records import SymbolMap
from schema.symbols import UnknownProduct, follower_symbol, parse_contract, product, products


@pytest.mark.parametrize(
    ("symbol", "parts"),
    [
        ("ESH4", ("ES", "H", "4")),
        ("MESZ5", ("MES", "Z", "5")),
        ("6EM4", ("6E", "M", "4")),
        ("M2KU4", ("M2K", "U", "4")),
        ("ESH24", ("ES", "H", "24")),
        ("ZFF4", ("ZF", "F", "4")),
    ],
)
def test_a_contract_is_root_month_and_year(symbol: str, parts: tuple[str, str, str]) -> None:
    contract = parse_contract(symbol)
    assert (contract.root, contract.month, contract.year) == parts
    assert str(contract) == symbol


@pytest.mark.parametrize("symbol", ["", "ES", "ESA4", "esh4", "ESH", "ESH4 C4800", "ESH444", "H4"])
def test_what_is_no_contract_is_refused(symbol: str) -> None:
    with pytest.raises(UnknownProduct, match="is not a contract; write root, month code and year, such as ESH4"):
        parse_contract(symbol)


def test_a_follower_trades_the_mapped_root_in_the_same_month() -> None:
    to_micro = SymbolMap(leader_root="ES", follower_root="MES", lot_factor=Decimal(10))
    assert follower_symbol("ESH4", to_micro) == "MESH4"
    with pytest.raises(UnknownProduct):
        follower_symbol("MESH4", to_micro)


def test_an_unknown_root_names_the_nearest() -> None:
    with pytest.raises(UnknownProduct) as unknown:
        product("MESS")
    assert str(unknown.value) == "the product table has no 'MESS'; did you mean MES?"


def test_every_micro_is_in_the_table_and_worth_a_whole_fraction_of_its_twin() -> None:
    pairs = [(entry, product(entry.micro)) for entry in products().values() if entry.micro]
    assert len(pairs) >= 10
    for big, small in pairs:
        assert big.point_value > small.point_value
        assert (big.point_value / small.point_value) % 1 == 0, big.root


def test_the_contracts_of_the_recorded_market_are_known_exactly() -> None:
    assert (product("ES").tick_size, product("ES").tick_value) == (Decimal("0.25"), Decimal("12.50"))
    assert (product("MES").tick_size, product("MES").tick_value) == (Decimal("0.25"), Decimal("1.25"))
