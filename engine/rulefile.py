"""The rules file of `copydesk replay --rules`: other sizing for all followers, or for some.

TOML. `[default]` holds for everybody, `[accounts.NAME]` for one account and before it; what is left out stays as it was
recorded: kind, value, rounding, invert, max_position, max_order (a cap of "none" takes it away).
"""

import difflib
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

from msgspec.structs import replace

from engine.rules import RuleRefused, parse_rule
from schema.records import FollowerConfig

_CAPS = ("max_position", "max_order")
_KEYS = ("kind", "value", "rounding", "invert", *_CAPS)


class OtherRules:
    """What a rules file says. Made by `read`."""

    def __init__(self, name: str, default: dict[str, Any], accounts: dict[str, dict[str, Any]]) -> None:
        self._name = name
        self._default = default
        self._accounts = accounts

    @classmethod
    def read(cls, path: Path) -> "OtherRules":
        """The rules of a file. Raises RuleRefused."""
        try:
            found = tomllib.loads(path.read_text("utf-8"))
        except OSError as error:
            raise RuleRefused(f"rules: {path} can't be read ({error.strerror}); check the path.") from None
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise RuleRefused(f"rules: {path} is not valid TOML ({error}); correct it.") from None
        for key in found:
            if key not in ("default", "accounts"):
                raise RuleRefused(f"rules: {path} has {key!r}; write [default] or [accounts.NAME].")
        accounts = found.get("accounts", {})
        rules = cls(path.name, found.get("default", {}), accounts)
        if not isinstance(accounts, dict):
            raise RuleRefused(f"rules: accounts in {path} is not a table; write [accounts.NAME].")
        rules._check("default", rules._default)
        for account, section in rules._accounts.items():
            rules._check(f"accounts.{account}", section)
        return rules

    def _check(self, section: str, values: Any) -> None:
        place = f"rules: [{section}] of {self._name}"
        if not isinstance(values, dict):
            raise RuleRefused(f"{place} is not a table; write keys such as value = 0.5 under it.")
        for key, value in cast("dict[str, Any]", values).items():
            if key not in _KEYS:
                near = difflib.get_close_matches(key, _KEYS, n=1)
                hint = f"did you mean {near[0]}?" if near else f"write one of {', '.join(_KEYS)}."
                raise RuleRefused(f"{place} has no {key!r}; {hint}")
            if key == "invert" and not isinstance(value, bool):
                raise RuleRefused(f"{place}: invert is {value!r}; write true or false.")
            if (
                key in _CAPS
                and value != "none"
                and (not isinstance(value, int) or isinstance(value, bool) or value < 1)
            ):
                raise RuleRefused(f'{place}: {key} is {value!r}; write whole lots from 1 on, or "none".')
            if key in ("kind", "rounding", "value") and (
                isinstance(value, bool) or not isinstance(value, str | int | float)
            ):
                raise RuleRefused(f"{place}: {key} is {value!r}; write a word or a number.")

    def known(self, followers: Iterable[str]) -> None:
        """Every account of the file is one of `followers`. Raises RuleRefused."""
        there = sorted(followers)
        for account in self._accounts:
            if account not in there:
                near = difflib.get_close_matches(account, there, n=1)
                hint = f"did you mean {near[0]}?" if near else f"its followers are {', '.join(there) or 'none'}."
                raise RuleRefused(f"rules: the session has no follower {account}; {hint}")

    def apply(self, follower: FollowerConfig) -> FollowerConfig:
        """The follower with the file's rules. Raises RuleRefused when they make no rule together."""
        values = {**self._default, **self._accounts.get(follower.account, {})}
        was = follower.rule
        try:
            rule = parse_rule(
                str(values.get("kind", was.kind)),
                str(values.get("value", was.value)),
                str(values.get("rounding", was.rounding)),
                invert=values.get("invert", was.invert),
            )
        except RuleRefused as refused:
            raise RuleRefused(f"rules: {follower.account} in {self._name}: {refused}") from None
        caps = {key: None if values[key] == "none" else values[key] for key in _CAPS if key in values}
        return replace(follower, rule=rule, **caps)
