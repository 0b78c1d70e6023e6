"""What a benchmark prints: percentiles with the floor they are judged by, the machine's load and the commit."""

import os
import subprocess
from pathlib import Path

import msgspec

from engine.latency import percentile


class Floor(msgspec.Struct):
    """The least the same work could take, measured in the same run."""

    p50: float
    p99: float
    max: float

    @classmethod
    def of(cls, samples: list[float]) -> "Floor":
        ordered = sorted(samples)
        return cls(percentile(ordered, 50), percentile(ordered, 99), ordered[-1])


class Figure(msgspec.Struct):
    """One line of `bench.json`. `ratio` is p50 over the floor's p50, `load` the machine's one-minute load average."""

    name: str
    unit: str
    p50: float
    p99: float
    max: float
    floor: Floor | None
    ratio: float | None
    load: float
    commit: str


def figure(name: str, unit: str, samples: list[float], floor: Floor | None = None) -> Figure:
    """A figure from its samples."""
    ordered = sorted(samples)
    p50 = percentile(ordered, 50)
    return Figure(
        name=name.strip(),
        unit=unit,
        p50=p50,
        p99=percentile(ordered, 99),
        max=ordered[-1],
        floor=floor,
        ratio=p50 / floor.p50 if floor and floor.p50 else None,
        load=os.getloadavg()[0],
        commit=_commit(),
    )


def show(found: Figure) -> str:
    """One line for a person."""
    against = ""
    if found.floor is not None:
        against = f"   floor {found.floor.p50:.2f} / {found.floor.p99:.2f} / {found.floor.max:.2f}   x{found.ratio:.1f}"
    return f"{found.name:64} {found.p50:8.2f} / {found.p99:8.2f} / {found.max:8.2f} {found.unit}{against}"


def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent,
        check=False,
    )
    return done.stdout.strip() or "unknown"
