"""Python's garbage collector, kept away from orders (`DESIGN.md`: the collector is the other enemy).

Once the desk is up everything alive is frozen and automatic full collections stop; they are run by hand when nothing
was copied for a while, and timed.
"""

import gc

from schema.clock import Clock

_THRESHOLDS = (700, 10, 1_000_000)


def settle(*, by_hand: bool = True) -> None:
    """Freeze what is alive now; from here on full collections happen only in `collect`. Not so with `by_hand`
    False: in a process without a desk nobody calls that."""
    gc.collect()
    gc.freeze()
    if by_hand:
        gc.set_threshold(*_THRESHOLDS)


def collect(clock: Clock) -> float:
    """One full collection of what was made since `settle`; milliseconds it took."""
    started_ns = clock.now_ns()
    gc.collect()
    return (clock.now_ns() - started_ns) / 1e6
