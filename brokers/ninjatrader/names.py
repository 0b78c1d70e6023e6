"""NinjaTrader's words and the desk's: contracts, order states, numbers. Pure (`protocols/ninjatrader.md B4, B8`)."""

import re
from decimal import Decimal, InvalidOperation

from schema.records import DoneStatus, LiveStatus
from schema.symbols import MONTHS, UnknownProduct, parse_contract

_NUMBERED = re.compile(r"([A-Z0-9]{1,4}) (0[1-9]|1[0-2])-(\d{2})(?: .+)?")
_LETTERED = re.compile(r"([A-Z0-9]{1,4}) ([A-Z]{3})(\d{2})(?: .+)?")
_MONTH_WORDS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAY_NS = 86_400_000_000_000
_YEAR_DAYS = 365.2425

_LIVE = {
    "initialized": LiveStatus.PENDING,
    "submitted": LiveStatus.PENDING,
    "suspended": LiveStatus.SUSPENDED,
    "accepted": LiveStatus.WORKING,
    "working": LiveStatus.WORKING,
    "partfilled": LiveStatus.WORKING,
    "partiallyfilled": LiveStatus.WORKING,
    "triggerpending": LiveStatus.WORKING,
    "changepending": LiveStatus.WORKING,
    "changesubmitted": LiveStatus.WORKING,
    "cancelpending": LiveStatus.WORKING,
    "cancelsubmitted": LiveStatus.WORKING,
    "unknown": LiveStatus.PENDING,
}
_DONE = {
    "filled": DoneStatus.FILLED,
    "cancelled": DoneStatus.CANCELED,
    "canceled": DoneStatus.CANCELED,
    "rejected": DoneStatus.REJECTED,
}
CANCELING = frozenset({"cancelpending", "cancelsubmitted"})
CHANGED = frozenset({"changepending", "changesubmitted", "accepted", "working"})
"""States that follow a change; a partial fill may come by itself."""


def state_word(text: str) -> str:
    """An order state without its spelling: which one the socket uses for words of two parts is not verified."""
    return "".join(text.split()).lower()


def status_of(word: str) -> LiveStatus | DoneStatus | None:
    """What a state means; None when the desk does not know it."""
    return _DONE.get(word) or _LIVE.get(word)


def decimal(text: str) -> Decimal | None:
    """A number as NinjaTrader writes it in any country: a point, no separators. None when it is none."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() and "_" not in text else None


def whole(text: str) -> int | None:
    """A count of contracts, signed where the key says so."""
    number = decimal(text)
    if number is None or number != number.to_integral_value() or abs(number) > 1_000_000_000:
        return None
    return int(number)


def instrument_name(symbol: str, now_ns: int, *, month_words: bool = False) -> str:
    """``ESZ6`` as NinjaTrader calls it: ``ES 12-26`` (or ``ES DEC26``). A year of one digit is the one nearest to now.
    Raises UnknownProduct."""
    contract = parse_contract(symbol)
    month = MONTHS.index(contract.month)
    year = int(contract.year)
    if len(contract.year) == 1:
        now = 1970 + now_ns / _DAY_NS / _YEAR_DAYS
        year = min((year + 10 * decade for decade in range(196, 230)), key=lambda each: abs(each - now))
    if month_words:
        return f"{contract.root} {_MONTH_WORDS[month]}{year % 100:02d}"
    return f"{contract.root} {month + 1:02d}-{year % 100:02d}"


def symbol_of(instrument: str) -> str:
    """``ES 12-26``, ``ES DEC26`` or ``ES 12-26 Globex`` as the desk calls it. Raises UnknownProduct."""
    if found := _NUMBERED.fullmatch(instrument):
        month = int(found[2]) - 1
    elif (found := _LETTERED.fullmatch(instrument)) and found[2] in _MONTH_WORDS:
        month = _MONTH_WORDS.index(found[2])
    else:
        raise UnknownProduct(f"{instrument!r} is not a future of NinjaTrader's, such as ES 12-26.")
    return f"{found[1]}{MONTHS[month]}{found[3][-1]}"
