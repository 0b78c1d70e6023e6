"""The payloads of `docs/binance.md`, read from the page itself, so that page and tests can't drift apart."""

import re
from pathlib import Path

PAGE = (Path(__file__).parents[3] / "docs" / "binance.md").read_text()
TICKED = re.compile(r"`([^`]+)`")


def payload(first_cell: str) -> bytes:
    """The JSON in the table row that begins with this cell."""
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{first_cell}`"))
    return next(text for text in TICKED.findall(row)[::-1] if text[0] in "{[" and '"' in text).encode()


def combined(stream: str, data: bytes) -> bytes:
    return b'{"stream":"%b","data":%b}' % (stream.encode(), data)
