"""When a contract stops trading and which one is the front month, by the product table's rules (`expiries.toml`).

For venues that say neither. Pure: dates come in. Called by the engine's rollover guard, the sandbox and the shell.
"""

import tomllib
from datetime import date, timedelta
from functools import cache, lru_cache
from importlib.resources import files

import msgspec

from schema.symbols import MONTHS, ContractKey, product
from schema.trading_day import at_chicago, nth_weekday

_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SATURDAY, _SUNDAY = 5, 6
_ONE = timedelta(days=1)
_LOOK_AHEAD_MONTHS = 30


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rule of `expiries.toml`, which explains the fields."""

    about: str
    at: str
    roll_days: int
    months_before: int = 0
    nth: int = 0
    weekday: str = ""
    day: int = 0
    business_day: int = 0
    moves: bool = False
    business_days_before: int = 0


class _Holiday(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    month: int = 0
    day: int = 0
    nth: int = 0
    weekday: str = ""
    easter: int | None = None
    since: int = 0
    from_saturday: bool = True


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rules: dict[str, Rule]
    holidays: dict[str, _Holiday]


@cache
def _file() -> _File:
    return msgspec.convert(tomllib.loads(files("schema").joinpath("expiries.toml").read_text("utf-8")), _File)


def rule_of(root: str) -> Rule:
    """The expiry rule of a root. Raises UnknownProduct."""
    return _file().rules[product(root).expiry]


@lru_cache(1024)
def expiry_day(key: ContractKey) -> date:
    """The last day a contract trades, by its rule. Raises UnknownProduct."""
    rule = rule_of(key.root)
    year, month = divmod(key.year * 12 + key.month_number - 1 - rule.months_before, 12)
    month += 1
    if rule.business_day:
        found = _business_day(year, month, rule.business_day)
    elif rule.day:
        found = date(year, month, rule.day)
    else:
        found = nth_weekday(year, month, rule.nth, _WEEKDAYS.index(rule.weekday))
    if rule.moves or not rule.business_days_before:
        while not is_business_day(found):
            found -= _ONE
    for _ in range(rule.business_days_before):
        found -= _ONE
        while not is_business_day(found):
            found -= _ONE
    return found


def expires_ns(key: ContractKey) -> int:
    """When a contract stops trading, by its rule (ns). Raises UnknownProduct."""
    hours, minutes = rule_of(key.root).at.split(":")
    return at_chicago(expiry_day(key), int(hours), int(minutes))


@lru_cache(1024)
def front_of(root: str, on: date) -> ContractKey:
    """The front month of a root on a trading day: the nearest of its cycle that the market has not left yet. Raises
    UnknownProduct."""
    known = product(root)
    roll_days = rule_of(root).roll_days
    start = on.year * 12 + on.month - 1
    for at in range(start, start + _LOOK_AHEAD_MONTHS):
        key = ContractKey(exchange=known.exchange, root=root, month=at // 12 * 100 + at % 12 + 1)
        if MONTHS[at % 12] in known.cycle and (expiry_day(key) - on).days > roll_days:
            return key
    raise AssertionError(f"no month of {root} in {_LOOK_AHEAD_MONTHS} months: its cycle is empty")


def is_business_day(day: date) -> bool:
    """Whether the exchanges' offices are open: neither a weekend nor one of the holidays of `expiries.toml`."""
    return day.weekday() < _SATURDAY and day not in _holidays(day.year)


def _business_day(year: int, month: int, number: int) -> date:
    """The numbered business day of a month; a negative number counts from its end."""
    first = date(year, month, 1)
    days = [first + timedelta(days=n) for n in range(31)]
    open_days = [day for day in days if day.month == month and is_business_day(day)]
    return open_days[number - 1] if number > 0 else open_days[number]


@lru_cache(128)
def _holidays(year: int) -> frozenset[date]:
    free: set[date] = set()
    for each in _file().holidays.values():
        if year < each.since:
            continue
        if each.easter is not None:
            day = _easter(year) + timedelta(days=each.easter)
        elif each.nth:
            day = nth_weekday(year, each.month, each.nth, _WEEKDAYS.index(each.weekday))
        else:
            day = date(year, each.month, each.day)
        if day.weekday() == _SUNDAY:
            day += _ONE
        elif day.weekday() == _SATURDAY and each.from_saturday:
            day -= _ONE
        free.add(day)
    return frozenset(free)


def _easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar (Meeus, Jones and Butcher)."""
    a, b, c = year % 19, year // 100, year % 100
    d, e, f = b // 4, b % 4, (b + 8) // 25
    g = (b - f + 1) // 3
    h = (19 * a + b - d - g + 15) % 30
    i, k = c // 4, c % 4
    m = (32 + 2 * e + 2 * i - h - k) % 7
    n = (a + 11 * h + 22 * m) // 451
    month, day = divmod(h + m - 7 * n + 114, 31)
    return date(year, month, day + 1)
