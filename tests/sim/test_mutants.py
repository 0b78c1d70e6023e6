"""The simulation can fail: seeded bugs are caught. All of them run by `make mutants`, three of them here."""

from pathlib import Path

import pytest

from tests.sim.mutants import caught, mutated, patches

QUICK = ("03", "05", "08")


@pytest.mark.parametrize("patch", patches(), ids=lambda patch: patch.stem)
def test_the_patch_still_applies(patch: Path) -> None:
    with mutated(patch):
        pass


@pytest.mark.timeout(300)
@pytest.mark.parametrize("patch", [p for p in patches() if p.name[:2] in QUICK], ids=lambda patch: patch.stem)
def test_a_seeded_bug_is_caught(patch: Path) -> None:
    assert caught(patch, 60)
