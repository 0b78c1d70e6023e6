"""When contracts stop trading, by the product table's rules, and which month is the front one."""

from datetime import date, timedelta

import pytest

from schema.expiry import expires_ns, expiry_day, front_of, is_business_day, rule_of
from schema.symbols import MONTHS, ContractKey, key_of, products
from schema.trading_day import chicago, trading_day


@pytest.mark.parametrize(
    ("symbol", "day"),
    [
        ("ESZ6", date(2026, 12, 18)),  # third Friday
        ("ESM6", date(2026, 6, 18)),  # the third Friday is Juneteenth
        ("6EZ6", date(2026, 12, 14)),  # second business day before the third Wednesday
        ("6CZ6", date(2026, 12, 15)),
        ("CLF7", date(2026, 12, 21)),  # the 25th is Christmas: three business days before the 24th
        ("QMF7", date(2026, 12, 18)),
        ("NGF7", date(2026, 12, 29)),
        ("HOF7", date(2026, 12, 31)),
        ("GCZ6", date(2026, 12, 29)),
        ("ZCZ6", date(2026, 12, 14)),
        ("ZNZ6", date(2026, 12, 21)),
        ("ZFZ6", date(2026, 12, 31)),
        ("LEZ6", date(2026, 12, 31)),
        ("HEZ6", date(2026, 12, 14)),
        ("NKDZ6", date(2026, 12, 10)),
        ("MBTX6", date(2026, 11, 27)),
    ],
)
def test_a_contract_expires_on_the_day_of_its_rule(symbol: str, day: date) -> None:
    key = key_of(symbol, date(2026, 6, 1))
    assert expiry_day(key) == day
    assert trading_day(expires_ns(key)) == day


def test_a_good_friday_moves_the_third_friday() -> None:
    assert expiry_day(ContractKey(exchange="CME", root="ES", month=200803)) == date(2008, 3, 20)


def test_the_stock_indices_stop_at_half_past_eight_in_chicago_summer_and_winter() -> None:
    for month in (202603, 202606, 202609, 202612):
        at = chicago(expires_ns(ContractKey(exchange="CME", root="ES", month=month)))
        assert (at.hour, at.minute) == (8, 30)


@pytest.mark.parametrize("root", products())
def test_the_front_month_is_in_the_cycle_and_never_within_the_days_it_is_left_before(root: str) -> None:
    day, before = date(2025, 1, 1), None
    while day < date(2029, 1, 1):
        key = front_of(root, day)
        assert key.code in products()[root].cycle
        assert (expiry_day(key) - day).days > rule_of(root).roll_days
        assert before is None or key.month >= before.month  # it never goes back
        before, day = key, day + timedelta(days=1)


def test_every_product_has_a_cycle_of_months_and_every_expiry_is_a_business_day() -> None:
    for root, product in products().items():
        assert product.cycle and set(product.cycle) <= set(MONTHS)
        for month in range(202601, 202613):
            assert is_business_day(expiry_day(ContractKey(exchange=product.exchange, root=root, month=month)))
