"""A group's settings as words: ``mode=orders``, ``late_ticks=4``. One table for `copydesk groups set` and `:set`.

A wrong word is answered with one sentence naming the field, and the nearest word that is right.
"""

from collections.abc import Iterable
from enum import StrEnum

from msgspec.structs import replace

from schema.records import DriftPolicy, Foreign, GroupConfig, LateJoin, Mode, Unfilled
from schema.words import near_words

CHOICES: dict[str, type[StrEnum]] = {
    "mode": Mode,
    "drift": DriftPolicy,
    "late": LateJoin,
    "unfilled": Unfilled,
    "foreign": Foreign,
}
COUNTS = ("late_ticks", "late_s", "unfilled_s")
FIELDS = (*CHOICES, *COUNTS, "leader")
_LARGEST = 1_000_000


class GroupRefused(ValueError):
    """A word that can't be meant; the text is one sentence naming the field and the remedy."""


def changed(group: GroupConfig, changes: Iterable[str]) -> GroupConfig:
    """The group with ``FIELD=VALUE`` words applied, all of them or none. Raises GroupRefused."""
    found: dict[str, object] = {}
    for change in changes:
        field, equals, value = change.partition("=")
        if not equals:
            raise GroupRefused(f"{change!r} is no change; write FIELD=VALUE, such as late=no_worse.")
        found[field] = _value(field, value)
    return replace(group, **found)


def _value(field: str, value: str) -> object:
    if field not in FIELDS:
        raise GroupRefused(f"field: a group has no {field!r}{near_words(field, FIELDS)}")
    if field == "leader":
        return value
    if field in CHOICES:
        words = [str(word) for word in CHOICES[field]]
        if value not in words:
            raise GroupRefused(f"{field}: {value!r} is not known{near_words(value, words)}")
        return CHOICES[field](value)
    if not value.isascii() or not value.isdigit() or int(value) > _LARGEST:
        raise GroupRefused(f"{field}: {value!r} is not a whole number; write one from 0 to {_LARGEST}.")
    return int(value)


def described(group: GroupConfig) -> str:
    """All settings of a group on one line, as words that `changed` takes."""
    return " ".join(f"{field}={getattr(group, field)}" for field in ("leader", *CHOICES, *COUNTS))
