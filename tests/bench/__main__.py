"""`make bench`: every benchmark, printed as p50 / p99 / max and written to bench.json."""

import os
import platform
import sys
from pathlib import Path

import msgspec

from tests.bench import (
    alone,
    candles,
    fanout,
    hung,
    isolation,
    market,
    panic,
    recording,
    seats,
    subscribers,
    symbols,
    terminal,
)
from tests.bench.figures import Figure

_SIGNALS = 200
_FEED_SPEED = 100.0  # some 1,500 trades a second


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
        lambda: fanout.measure(20, _SIGNALS, screen=False, feed_speed=_FEED_SPEED),
        lambda: fanout.measure(100, _SIGNALS // 4, every_s=1.0),
        lambda: fanout.measure_loaded(20, 2 * _SIGNALS, market.RATE),
        hung.measure,
        isolation.measure,
        alone.measure,
        market.measure,
        recording.measure,
        panic.measure,
        terminal.measure,
        symbols.measure,
        candles.measure,
        subscribers.measure,
        seats.measure,
    ):
        for found in part():
            figures.append(found.figure())
            print(found.line(), flush=True)
    Path("bench.json").write_bytes(msgspec.json.format(msgspec.json.encode(figures)))


if __name__ == "__main__":
    sys.exit(main())
