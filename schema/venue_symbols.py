"""What venues call a product's root, both ways, from `venue_symbols.toml`. Used by the venues' adapters and by the
sandbox's doors; a root that the table does not name is the same on both sides."""

import tomllib
from functools import cache
from importlib.resources import files

import msgspec


@cache
def _tables() -> dict[str, dict[str, str]]:
    text = files("schema").joinpath("venue_symbols.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), dict[str, dict[str, str]])


@cache
def _back(venue: str) -> dict[str, str]:
    return {theirs: ours for ours, theirs in _tables().get(venue, {}).items()}


def venue_root(venue: str, root: str) -> str:
    """The venue's name of a root: ES at ProjectX is EP."""
    return _tables().get(venue, {}).get(root, root)


def exchange_root(venue: str, root: str) -> str:
    """The exchange's name of a venue's root: ProjectX's EP is ES."""
    return _back(venue).get(root, root)
