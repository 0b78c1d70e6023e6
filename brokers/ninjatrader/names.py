"""NinjaTrader's words and the desk's: contracts, order states, numbers. Pure (`protocols/ninjatrader.md B4, B8`)."""

from datetime import date
from decimal import Decimal, InvalidOperation

from brokers.amounts import MOST_CONTRACTS, believable
from schema.records import DoneStatus, LiveStatus
from schema.symbols import key_of
from schema.venue_symbols import parts, render

_LONGEST_NUMBER = 64

VENUE = "ninjatrader"
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
    if len(text) > _LONGEST_NUMBER or "_" in text or not text.isascii():
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if believable(number) else None


def whole(text: str) -> int | None:
    """A count of contracts, signed where the key says so."""
    number = decimal(text)
    if number is None or number != number.to_integral_value() or abs(number) > MOST_CONTRACTS:
        return None
    return int(number)


def instrument_name(symbol: str, on: date, *, month_words: bool = False) -> str:
    """``ESZ6`` as NinjaTrader calls it: ``ES 12-26`` (or ``ES DEC26``), the contract that is meant on that day. Raises
    UnknownProduct."""
    return render(VENUE, key_of(symbol, on), other_form=month_words)


def symbol_of(instrument: str) -> str:
    """``ES 12-26``, ``ES DEC26`` or ``ES 12-26 Globex`` as the desk calls it. Raises UnknownProduct."""
    contract = parts(VENUE, " ".join(instrument.split(" ")[:2]))
    return f"{contract.root}{contract.month}{contract.year[-1]}"
