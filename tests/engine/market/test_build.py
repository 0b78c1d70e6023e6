"""The kernel is compiled when the environment is made; where that can't be, one line says so and the twin is used."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from engine.market import build
from engine.market.kernel import KernelMissing, open_kernel, why_missing
from engine.market.market import Market

MARKET = Path(build.__file__).parent
ASK = "from engine.market.market import Market; print(Market().kernel.name)"


def copy_of(folder: Path) -> Path:
    """The engine's source alone, as it comes: nothing compiled."""
    root = Path(__file__).parents[3]
    for floor in ("engine", "brokers", "schema"):
        shutil.copytree(root / floor, folder / floor, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    return folder


def run(folder: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), **environment},
        capture_output=True,
        text=True,
        check=True,
    )


def test_without_a_compiler_one_line_says_so_and_the_twin_is_used(tmp_path: Path) -> None:
    folder = copy_of(tmp_path)
    built = run(folder, "engine/market/build.py", CC="/no/such/compiler", PATH="/no/such/place")
    assert built.stderr.count("\n") == 1
    assert built.stderr.startswith("market data: no compiled kernel (")
    assert built.stderr.endswith("the Python twin is used.\n")
    assert run(folder, "-c", ASK).stdout.strip() == "python"


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler here")
def test_a_kernel_of_an_older_source_is_not_taken_for_the_new(tmp_path: Path) -> None:
    folder = copy_of(tmp_path)
    assert run(folder, "engine/market/build.py", CC="cc").stderr == ""
    assert run(folder, "-c", ASK).stdout.strip() == "compiled"
    with (folder / "engine/market/kernel.c").open("a") as source:
        source.write("/* newer */\n")
    assert run(folder, "-c", ASK).stdout.strip() == "python"
    ask = "from engine.market.kernel import why_missing; print(why_missing())"
    assert run(folder, "-c", ask).stdout.strip() == "it was compiled from another source"


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler here")
def test_the_kernel_compiles_without_a_warning(tmp_path: Path) -> None:
    strict = ("-O2", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-Wno-sign-conversion")
    done = subprocess.run(
        ["cc", "-std=c11", *strict, "-c", MARKET / "kernel.c", "-o", tmp_path / "kernel.o"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""


def test_the_kernel_can_be_chosen_and_one_that_is_missing_is_refused_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert Market("python").kernel.name == "python"
    assert Market().kernel.name == ("python" if why_missing() else "compiled")
    monkeypatch.setattr("engine.market.kernel.why_missing", lambda: "it was not compiled: test")
    with pytest.raises(KernelMissing, match=r"market_kernel: .*it was not compiled.*say auto, or run make"):
        open_kernel("compiled")
    assert open_kernel("auto").name == "python"
