"""Seeded bugs, one patch each: proof that the simulation can fail. `python -m tests.sim.mutants` applies each to a
scratch copy of the repository and looks for the first seed that catches it.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
_NEEDED = ("engine", "brokers", "schema", "tests/sim", "tests/__init__.py")


def patches() -> list[Path]:
    """Every mutant, by number."""
    return sorted(HERE.glob("*.patch"))


@contextmanager
def mutated(patch: Path) -> Iterator[Path]:
    """A copy of the repository with the bug in it. Raises AssertionError when the patch no longer applies."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        copy = Path(folder)
        for name in _NEEDED:
            source, target = ROOT / name, copy / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, target)
        done = subprocess.run(["git", "apply", str(patch)], cwd=copy, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{patch.name} no longer applies: {done.stderr}"
        yield copy


def caught(patch: Path, seeds: int = 500) -> str:
    """The line that says which seed caught the mutant and by which promise, or ''."""
    with mutated(patch) as copy:
        done = subprocess.run(
            [sys.executable, "-m", "tests.sim", "--seeds", str(seeds), "--until-broken"],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": str(copy)},
            capture_output=True,
            text=True,
            check=False,
        )
    lines = done.stdout.splitlines()
    return next((line for line in lines if line.startswith("seed ")), "") if done.returncode else ""
