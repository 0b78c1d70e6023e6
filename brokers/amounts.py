"""Numbers and times of a venue, as far as a market can have them. The adapters that read JSON or plain text decode with
it; FIX writes numbers in its own way (`fix/wire.py`).

What lies beyond is nobody's price, quantity or id. It would overflow a sum, a loop or a column of the journal, so a
message that holds it counts as unreadable.
"""

import math
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated

from msgspec import Meta

from schema.clock import from_datetime

MOST_CONTRACTS = 1_000_000
_LONGEST_NUMBER = 40  # digits; an average price may have as many as its division left
LARGEST_NS = 2**63 - 1  # the journal's columns

Id = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Contracts = Annotated[int, Meta(ge=0, le=MOST_CONTRACTS)]
Traded = Annotated[int, Meta(ge=1, le=MOST_CONTRACTS)]
"""Contracts of a fill: one of none, or of fewer, is no fill."""
NetContracts = Annotated[int, Meta(ge=-MOST_CONTRACTS, le=MOST_CONTRACTS)]


def believable(number: Decimal) -> bool:
    """Whether a price or an amount of money can be this."""
    if not number.is_finite():
        return False
    return -_LONGEST_NUMBER <= number.adjusted() <= 15 and len(number.as_tuple().digits) <= _LONGEST_NUMBER


def check(*numbers: Decimal | None) -> None:
    """Raises ValueError, which msgspec makes the message's, when one of them is nobody's."""
    for number in numbers:
        if number is not None and not believable(number):
            raise ValueError("a number is not one that a market has")


def check_wait(seconds: float | None) -> None:
    """Raises ValueError when a venue asks to be left alone for no length of time."""
    if seconds is not None and not 0 <= seconds < math.inf:
        raise ValueError("a wait is no number of seconds")


def time_ns(stamp: str | None) -> int:
    """Nanoseconds of an ISO 8601 time, which is UTC when it does not say; 0 when there is none or it is not one."""
    if not stamp:
        return 0
    try:
        at = datetime.fromisoformat(stamp)
        at_ns = from_datetime(at if at.tzinfo else at.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return 0
    return at_ns if 0 <= at_ns <= LARGEST_NS else 0
