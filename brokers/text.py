"""What a venue wrote, as it may reach a screen, a log or a database. Every adapter calls it."""

from collections.abc import Iterable

import msgspec

SHOWN_CHARS = 400  # of a venue's sentence
KEPT_CHARS = 2_000  # of a message that could not be read
NOT_READ = (msgspec.DecodeError, RecursionError)
"""What decoding JSON may raise: brackets in thousands are no error of its own to msgspec."""


def clean(text: str, limit: int = SHOWN_CHARS) -> str:
    """`text` as it may reach a screen or a log: what does not print (control characters, escapes, direction marks)
    becomes a space, and what is longer than `limit` characters is cut."""
    text = text[:limit]
    if text.isprintable():
        return text
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def utf8(data: bytes) -> bytes:
    """A venue's bytes as UTF-8, whatever they are: decoders of JSON raise something else than their own error for
    bytes that are not, and one strange character is no reason to lose a message."""
    return data if data.isascii() else data.decode("utf-8", "replace").encode()


def redact(raw: bytes, secrets: Iterable[str]) -> str:
    """An unreadable message as it may be kept: secrets replaced, then cleaned and cut."""
    text = raw.decode("utf-8", "replace")
    for secret in secrets:
        if secret:
            text = text.replace(secret, "[redacted]")
            text = text.replace(msgspec.json.encode(secret).decode()[1:-1], "[redacted]")
    return clean(text, KEPT_CHARS)
