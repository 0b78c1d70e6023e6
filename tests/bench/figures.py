"""What a benchmark prints and writes: percentiles beside the floor they are judged by, the load and the commit."""

import os
import subprocess
from functools import cache
from pathlib import Path

import msgspec

from engine.latency import percentile


class Bar(msgspec.Struct, frozen=True):
    """What a figure must stay under; None where nothing was promised."""

    p50: float | None = None
    p99: float | None = None

    def kept(self, p50: float, p99: float) -> bool:
        return (self.p50 is None or p50 <= self.p50) and (self.p99 is None or p99 <= self.p99)

    def __str__(self) -> str:
        return " / ".join("-" if each is None else f"{each:g}" for each in (self.p50, self.p99))


class Figure(msgspec.Struct):
    """One line of `bench.json`. `floor` is the p50 of the least the same work could take, measured in the same run;
    `ratio` is p50 over it; `load` is the machine's one-minute load average when it was measured."""

    name: str
    unit: str
    p50: float
    p99: float
    max: float
    floor: float | None
    ratio: float | None
    load: float
    commit: str
    bar: Bar | None = None


class Measured:
    """Samples of one thing, and of its floor if it has one."""

    def __init__(
        self, name: str, unit: str, samples: list[float], floor: list[float] | None = None, *, bar: Bar | None = None
    ) -> None:
        if not samples:
            raise SystemExit(f"{name}: nothing was measured")
        self.name = name
        self.unit = unit
        self._samples = sorted(samples)
        self._floor = sorted(floor) if floor else None
        self._bar = bar
        self._load = os.getloadavg()[0]

    def figure(self) -> Figure:
        p50 = percentile(self._samples, 50)
        floor = percentile(self._floor, 50) if self._floor else None
        return Figure(
            name=self.name,
            unit=self.unit,
            p50=p50,
            p99=percentile(self._samples, 99),
            max=self._samples[-1],
            floor=floor,
            ratio=p50 / floor if floor else None,
            load=self._load,
            commit=_commit(),
            bar=self._bar,
        )

    @property
    def kept(self) -> bool:
        """Whether it stays under its bar, if it has one."""
        return self._bar is None or self._bar.kept(percentile(self._samples, 50), percentile(self._samples, 99))

    def line(self) -> str:
        """For a person: p50 / p99 / max, the floor's the same way, and the ratio of the p50s."""
        line = f"{self.name:66} {_three(self._samples)} {self.unit:2}"
        if self._floor:
            line += f"   floor {_three(self._floor)}   x{self.figure().ratio or 0:.1f}"
        if self._bar:
            line += f"   bar {self._bar} {'kept' if self.kept else 'MISSED'}"
        return line


def _three(ordered: list[float]) -> str:
    return f"{percentile(ordered, 50):7.2f} / {percentile(ordered, 99):7.2f} / {ordered[-1]:7.2f}"


@cache
def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent,
        check=False,
    )
    return done.stdout.strip() or "unknown"
