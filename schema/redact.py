"""Keeping secrets out of whatever is written down: by value, by the name they go under, and by their place in a text.

Called by the log (`schema/logs.py`) and by whoever keeps a raw venue message. Whoever learns a secret (the vault, a
login that gets a token) registers it; there is one register for the whole process, because a secret that one part
knows must not be written by any other.
"""

import re
from collections.abc import Mapping
from typing import Any, cast

HIDDEN = "[hidden]"
_SHORTEST = 4
_SECRET_NAME = re.compile(r"pass(word|phrase|wd)?$|^sec$|secret|token|authorization|credential|cookie|^sealed$", re.I)
_IN_TEXT = (
    re.compile(r"(\bbearer\s+)[^\s\"',]+", re.I),
    # "password": "...", 'sec'='...', accessToken: ...
    re.compile(
        r"""((?:password|passphrase|passwd|secret|\bsec|\w*token|authorization)["']?\s*[:=]\s*["']?)[^"'\s,}&]+""", re.I
    ),
    re.compile(r"(://[^/\s:@]*:)[^@/\s]+(?=@)"),  # user:password@host
    re.compile(r"(authorize\n\d+\n[^\n]*\n)\S+"),  # protocols/tradovate.md 1.4: the token is the frame's body
)


class Redactor:
    """Replaces what must not be written with `[hidden]`."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def register(self, *secrets: str) -> None:
        """From now on these never get through. Anything shorter than 4 characters would blot out ordinary text and is
        not taken."""
        fresh = {secret for secret in secrets if len(secret) >= _SHORTEST} - self._secrets
        if fresh:
            self._secrets |= fresh
            longest_first = sorted(self._secrets, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def text(self, text: str) -> str:
        """`text` without secrets."""
        if self._pattern is not None:
            text = self._pattern.sub(HIDDEN, text)
        for pattern in _IN_TEXT:
            text = pattern.sub(rf"\g<1>{HIDDEN}", text)
        return text

    def value(self, value: Any, name: str = "") -> Any:
        """`value` without secrets, through mappings and sequences; hidden whole when `name` is a secret's name."""
        if value is None or isinstance(value, (bool, int, float)):
            return value
        if _SECRET_NAME.search(name):
            return HIDDEN
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            items = cast(Mapping[object, object], value).items()
            return {self.text(str(key)): self.value(item, str(key)) for key, item in items}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self.value(item) for item in cast("list[object]", list(cast(Any, value)))]
        return self.text(value.decode(errors="replace") if isinstance(value, bytes) else repr(value))


REDACTOR = Redactor()
