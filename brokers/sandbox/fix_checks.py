"""What is demanded of an application message at the FIX door before anybody acts on it (`protocols/fix.md C3, C4 8`).
Pure; `fix_orders.py` calls it.
"""

import re
from decimal import Decimal

from brokers.sandbox.fix_wire import Frame, seconds_of
from schema.records import OrderType, TimeInForce

TYPES = {"1": OrderType.MARKET, "2": OrderType.LIMIT, "3": OrderType.STOP, "4": OrderType.STOP_LIMIT}
TIMES = {"0": TimeInForce.DAY, "1": TimeInForce.GTC, "3": TimeInForce.IOC, "4": TimeInForce.FOK}
_NEEDS = {
    ("FIX.4.2", "D"): (11, 21, 55, 54, 60, 40),
    ("FIX.4.4", "D"): (11, 54, 60, 40),
    ("FIX.4.2", "G"): (41, 11, 21, 55, 54, 60, 40),
    ("FIX.4.4", "G"): (41, 11, 54, 60, 40),
    ("FIX.4.2", "F"): (41, 11, 55, 54, 60),
    ("FIX.4.4", "F"): (41, 11, 54, 60),
    ("FIX.4.2", "H"): (11, 55, 54),
    ("FIX.4.4", "H"): (11, 54),
    ("FIX.4.2", "V"): (262, 263, 264, 267, 146),
    ("FIX.4.4", "V"): (262, 263, 264, 267, 146),
    ("FIX.4.4", "q"): (11, 530, 60),
    ("FIX.4.4", "AF"): (584, 585),
    ("FIX.4.4", "AN"): (710, 724, 1, 581, 60, 715),
}
_ASKED = ("D", "G", "F", "H", "q", "AF", "AN")
# Values that are in the standard and that this venue has no use for: an order with one is refused as such (103=11).
_UNUSED_TYPES = {"FIX.4.2": (), "FIX.4.4": ("J", "K")}
UNUSED_TIMES = ("6",)
_ONCE = frozenset({1, 11, 21, 37, 38, 40, 41, 44, 54, 55, 59, 60, 99, 126, 432, 530, 584, 585, 710})
_NUMBER = re.compile(r"-?\d{1,12}(\.\d{0,12})?")
"""A number as FIX writes one: no sign but minus, no powers of ten; longer ones are nobody's price."""


class BadMessage(Exception):
    """The session refuses it (35=3, `reason` and `tag`), or the business does (35=j, `business`)."""

    def __init__(self, text: str, *, reason: int = 0, tag: int = 0, business: int = -1) -> None:
        super().__init__(text)
        self.reason, self.tag, self.business = reason, tag, business


def check(frame: Frame, *, t4: bool) -> None:
    """What must be right before anybody acts on a message. Raises BadMessage."""
    for tag in _NEEDS.get((frame[8], frame.kind), ()):
        if tag not in frame:
            raise BadMessage("Required tag missing", reason=1, tag=tag)
    if frame.kind not in _ASKED:
        return
    seen: set[int] = set()
    for tag, _ in frame.fields:
        if tag in seen and tag in _ONCE:
            raise BadMessage("Tag appears more than once", reason=13, tag=tag)
        seen.add(tag)
    types, sides = (*TYPES, *_UNUSED_TYPES[frame[8]]), ("1", "2")
    if t4:
        types, sides = (*types, "J", "F"), (*sides, "0") if frame[40] == "F" else sides
    for tag, allowed in ((54, sides), (40, types), (59, (*TIMES, *UNUSED_TIMES)), (21, ("1", "2", "3"))):
        if tag in frame and frame[tag] not in allowed:
            raise BadMessage("Value is incorrect (out of range) for this tag", reason=5, tag=tag)
    for tag in (38, 44, 99):
        if tag in frame and number_of(frame[tag]) is None:
            raise BadMessage("Incorrect data format for value", reason=6, tag=tag)
    for tag in (60, 126):
        if tag in frame and seconds_of(frame[tag]) is None:
            raise BadMessage("Incorrect data format for value", reason=6, tag=tag)
    if frame.kind in "DG" and frame[59] == "6" and not {126, 432} & set(frame.first):
        raise BadMessage("Conditionally Required Field Missing (432)", business=5)


def number_of(text: str) -> Decimal | None:
    """A price or a quantity; None when it is none."""
    return Decimal(text) if _NUMBER.fullmatch(text) and text.isascii() else None
