"""`make bench`: every benchmark, printed and written to bench.json. p50 / p99 / max."""

import os
import platform
import sys
from pathlib import Path

import msgspec

from tests.bench import fanout
from tests.bench.figures import Figure, show

_SIGNALS = 200


def main() -> None:
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}, p50 / p99 / max")
    figures: list[Figure] = []
    for found in (
        lambda: fanout.measure(20, _SIGNALS),
        lambda: fanout.measure(20, _SIGNALS, screen=False),
        lambda: fanout.measure(100, _SIGNALS // 2),
    ):
        for line in found():
            figures.append(line)
            print(show(line), flush=True)
    Path("bench.json").write_bytes(msgspec.json.format(msgspec.json.encode(figures)))


if __name__ == "__main__":
    sys.exit(main())
