"""What venues call contracts: every product, every month, there and back; and what is no contract of a venue."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.symbols import ContractKey, UnknownProduct, key_of, products
from schema.venue_symbols import exchange_root, parse, parts, price_scale, render, venue_product, venue_root, venues

DAYS = st.dates(date(2010, 1, 1), date(2060, 12, 31))


def within_a_year_back_and_nine_ahead(on: date, months: int) -> int:
    """YYYYMM of the month so many after the first that a one-digit year still reaches."""
    at = (on.year - 1) * 12 + on.month - 1 + months
    return at // 12 * 100 + at % 12 + 1


@pytest.mark.parametrize("venue", venues())
@given(on=DAYS, months=st.integers(0, 119))
def test_every_product_and_month_goes_to_the_venue_and_comes_back(venue: str, on: date, months: int) -> None:
    month = within_a_year_back_and_nine_ahead(on, months)
    for root, product in products().items():
        key = ContractKey(exchange=product.exchange, root=root, month=month)
        assert parse(venue, render(venue, key), on) == key
        assert key_of(key.symbol, on) == key


@pytest.mark.parametrize("venue", venues())
def test_no_two_products_have_one_name_at_a_venue(venue: str) -> None:
    names = [venue_root(venue, root) for root in products()]
    assert len(set(names)) == len(names)
    assert {exchange_root(venue, name) for name in names} == set(products())


@pytest.mark.parametrize(
    ("venue", "name"),
    [
        ("tradovate", "ESZ6"),
        ("fix", "ESZ6"),
        ("rithmic", "ESZ6"),
        ("projectx", "CON.F.US.EP.Z26"),
        ("ninjatrader", "ES 12-26"),
        ("sierrachart", "ESZ26_FUT_CME"),
        ("dxfeed", "/ESZ26:XCME"),
        ("tastytrade", "/ESZ6"),
    ],
)
def test_each_venue_writes_it_as_its_page_says(venue: str, name: str) -> None:
    key = ContractKey(exchange="CME", root="ES", month=202612)
    assert render(venue, key) == name
    assert parse(venue, name, date(2026, 11, 25)) == key


@given(on=DAYS, months=st.integers(0, 119))
def test_a_second_way_to_write_a_name_comes_back_to_the_same_contract(on: date, months: int) -> None:
    month = within_a_year_back_and_nine_ahead(on, months)
    for root, product in products().items():
        key = ContractKey(exchange=product.exchange, root=root, month=month)
        name = render("ninjatrader", key, other_form=True)
        assert name != render("ninjatrader", key)
        assert parse("ninjatrader", name, on) == key
    assert render("tradovate", key, other_form=True) == render("tradovate", key)


@pytest.mark.parametrize(
    ("venue", "name", "says"),
    [
        ("projectx", "CON.F.US.EPP.Z26", "projectx has no product 'EPP' that the desk knows; did you mean EP (ES)?"),
        ("projectx", "ESZ6", "'ESZ6' is no contract of projectx; its names look like 'CON.F.US.EP.Z26'."),
        ("projectx", "CON.F.US.EP.Z6", "is no contract of projectx"),
        ("projectx", "XCON.F.US.EP.Z26", "is no contract of projectx"),
        ("tradovate", "MESSZ6", "tradovate has no product 'MESS' that the desk knows; did you mean MES?"),
        ("tradovate", "ESZ6 C5000", "is no contract of tradovate"),
        ("ninjatrader", "ES 13-26", "is no contract of ninjatrader"),
        ("ninjatrader", "ES XXX26", "is no contract of ninjatrader"),
        ("dxfeed", "/ESZ26:XCBT", "ES is of CME; dxfeed calls it '/ESZ26:XCME'."),
    ],
)
def test_what_is_no_contract_of_a_venue_is_one_sentence(venue: str, name: str, says: str) -> None:
    with pytest.raises(UnknownProduct) as unknown:
        parse(venue, name, date(2026, 11, 25))
    assert says in str(unknown.value)
    assert len(str(unknown.value).splitlines()) == 1


def test_a_root_is_never_found_inside_another() -> None:
    assert parts("projectx", "CON.F.US.MES.H24").root == "MES"
    assert parts("projectx", "CON.F.US.EP.H24").root == "ES"
    assert parts("projectx", "CON.F.US.MNGE.H24").root == parts("projectx", "CON.F.US.MNG.H24").root == "MNG"
    assert venue_product("projectx", "ES") == "F.US.EP"


def test_a_one_digit_year_is_the_one_meant_on_that_day() -> None:
    for on, month in (
        (date(2023, 12, 25), 202403),
        (date(2024, 3, 18), 202403),  # expired on Friday, and still itself
        (date(2025, 3, 31), 202403),
        (date(2025, 4, 1), 203403),
        (date(2026, 11, 25), 203403),
    ):
        assert key_of("ESH4", on) == ContractKey(exchange="CME", root="ES", month=month), on
    assert key_of("ESH24", date(2026, 11, 25)).month == 202403


def test_prices_are_scaled_where_the_page_says_so() -> None:
    scaled = {(venue, root) for venue in venues() for root in products() if price_scale(venue, root) != 1}
    assert scaled == {("projectx", "HE")}
    assert price_scale("projectx", "HE") == Decimal("0.01")
