"""`make bench`: every benchmark, printed as p50 / p99 / max and written to bench.json."""

import os
import platform
import sys
from pathlib import Path

import msgspec

from tests.bench import alone, fanout, hung, isolation, panic, recording, seat
from tests.bench.figures import Figure

_SIGNALS = 200


def main() -> None:
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}, p50 / p99 / max")
    print(
        "a leader's trade every 100 ms (every second with 100 followers, whose orders keep the venue busy longer); the "
        "venue is a batch process on the same machine and may not preempt the desk"
    )
    figures: list[Figure] = []
    for part in (
        lambda: fanout.measure(20, _SIGNALS),
        lambda: fanout.measure(20, _SIGNALS, screen=False),
        lambda: fanout.measure(100, _SIGNALS // 4, every_s=1.0),
        hung.measure,
        isolation.measure,
        alone.measure,
        recording.measure,
        panic.measure,
        seat.measure,
    ):
        for found in part():
            figures.append(found.figure())
            print(found.line(), flush=True)
    Path("bench.json").write_bytes(msgspec.json.format(msgspec.json.encode(figures)))


if __name__ == "__main__":
    sys.exit(main())
