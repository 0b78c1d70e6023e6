"""What can be looked for in a chart: a moment or a price. `candles.py` goes there."""

import re
from datetime import UTC, datetime, time
from math import isfinite
from typing import NamedTuple

from schema.clock import from_datetime, to_datetime
from schema.market import S

CAN_BE = "a time such as 14:30, 2026-11-25 14:30 or -2h (UTC, as the chart has it), or a price such as 4810.25"
_AGO = re.compile(r"-(\d{1,6})([mhdw])")
_AGO_S = {"m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


class Sought(NamedTuple):
    """A moment, or else a price."""

    at_ns: int = 0
    price: float = 0.0


def sought(text: str, newest_ns: int) -> Sought:
    """What `text` names, in a chart whose newest bar begins at `newest_ns`: a time of day is the newest that is not
    after it. Raises ValueError with one sentence."""
    text = text.strip().replace(",", "")
    if ago := _AGO.fullmatch(text):
        return Sought(at_ns=max(1, newest_ns - int(ago[1]) * _AGO_S[ago[2]] * S))
    newest = to_datetime(newest_ns)
    try:
        if ":" in text and "-" not in text:
            at = datetime.combine(newest.date(), time.fromisoformat(text), UTC)
            return Sought(at_ns=from_datetime(at) - (86_400 * S if at > newest else 0))
        if "-" in text:
            return Sought(at_ns=from_datetime(datetime.fromisoformat(text).replace(tzinfo=UTC)))
        price = float(text)
    except ValueError:
        price = float("nan")
    if not isfinite(price):
        raise ValueError(f"{text!r} is neither a time nor a price: write {CAN_BE}.")
    return Sought(price=price)
