"""Stretches of the market's time, and what is left of some when others are taken away. Pure.

Coverage is made of them (`schema/store_market.py`), and so is what a backfill still has to ask for
(`engine/backfill.py`).
"""

from collections.abc import Iterable

from schema.records import Record


class Stretch(Record, frozen=True, order=True):
    """From `since_ns` on, `until_ns` excluded; Unix nanoseconds."""

    since_ns: int
    until_ns: int

    @property
    def length_ns(self) -> int:
        return max(0, self.until_ns - self.since_ns)


Stretches = tuple[Stretch, ...]


def joined(stretches: Iterable[Stretch], apart_ns: int = 0) -> Stretches:
    """The same time in as few stretches as can be, in order; those less than `apart_ns` apart become one."""
    found: list[Stretch] = []
    for each in sorted(each for each in stretches if each.length_ns):
        if found and each.since_ns - found[-1].until_ns <= apart_ns:
            found[-1] = Stretch(found[-1].since_ns, max(found[-1].until_ns, each.until_ns))
        else:
            found.append(each)
    return tuple(found)


def minus(wanted: Stretch, taken: Iterable[Stretch]) -> Stretches:
    """What of `wanted` is in none of `taken`, in order."""
    left: list[Stretch] = []
    at_ns = wanted.since_ns
    for each in joined(taken):
        if each.until_ns <= at_ns:
            continue
        if each.since_ns >= wanted.until_ns:
            break
        if each.since_ns > at_ns:
            left.append(Stretch(at_ns, each.since_ns))
        at_ns = each.until_ns
    if at_ns < wanted.until_ns:
        left.append(Stretch(at_ns, wanted.until_ns))
    return tuple(left)
