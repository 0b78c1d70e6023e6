"""What makes the new rows of a topic of its old ones, so that a seat is sent what changed alone. Pure; `seat_wire.py`
puts it into frames, `remote.py` applies it."""

from typing import Any

Items = tuple[Any, ...]
Runs = tuple[tuple[int, int, int], ...]
"""For each run (`fresh`, `start`, `stop`): the next `fresh` of the fresh rows, then the old rows `start` to `stop`."""
_AT_ONCE = 64  # rows compared in one go


class DoesNotFit(ValueError):
    """A change of other rows than these."""


def difference(old: Items, new: Items) -> tuple[Runs, Items]:
    """Runs and fresh rows that make `new` of `old`. A row is looked for where the one before it was found and, as rows
    are replaced and never changed, by its identity."""
    where = {id(row): at for at, row in enumerate(old)}
    runs: list[tuple[int, int, int]] = []
    fresh: list[Any] = []
    at = expected = pending = 0
    while at < len(new):
        start = expected
        if not (start < len(old) and (new[at] is old[start] or new[at] == old[start])):
            start = where.get(id(new[at]), -1)
        if start < 0:
            fresh.append(new[at])
            at, expected, pending = at + 1, expected + 1, pending + 1  # its neighbour may still stand at its place
            continue
        stop = start + 1
        at += 1
        while stop < len(old) and at < len(new):
            step = _AT_ONCE if new[at : at + _AT_ONCE] == old[stop : stop + _AT_ONCE] else 1
            if step == 1 and new[at] != old[stop]:
                break
            step = min(step, len(new) - at, len(old) - stop)
            stop, at = stop + step, at + step
        runs.append((pending, start, stop))
        expected, pending = stop, 0
    if pending:
        runs.append((pending, 0, 0))
    return tuple(runs), tuple(fresh)


def patched(old: Items, runs: Runs, fresh: Items) -> Items:
    """What `difference` described. Raises DoesNotFit."""
    new: list[Any] = []
    at = 0
    for count, start, stop in runs:
        if not 0 <= start <= stop <= len(old) or count < 0 or at + count > len(fresh):
            raise DoesNotFit("a change does not fit the rows before it")
        new += fresh[at : at + count]
        new += old[start:stop]
        at += count
    return tuple(new)
