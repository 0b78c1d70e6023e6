"""The four floors hold: what a module imports, it imports from its own floor or below (`pyproject.toml`)."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CONTRACT = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["copydesk"]["floors"]
ORDER: list[str] = CONTRACT["order"]


def modules(floor: str) -> list[Path]:
    return sorted((ROOT / floor).rglob("*.py"))


@pytest.mark.parametrize("floor", ORDER)
def test_imports_run_only_downward(floor: str) -> None:
    above = set(ORDER[: ORDER.index(floor)])
    upward: list[str] = []
    for path in modules(floor):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            upward += [f"{path.relative_to(ROOT)}: {name}" for name in names if name.split(".")[0] in above]
    assert modules(floor)
    assert upward == []


@pytest.mark.parametrize("modules_and_banned", CONTRACT["never_import"].items(), ids=lambda item: item[0])
def test_these_never_load_a_terminal(modules_and_banned: tuple[str, list[str]]) -> None:
    """Every module is imported for real, in a process of its own where the banned ones can't be imported at all (a
    library that uses one only where it is installed goes on without it)."""
    names, banned = modules_and_banned
    wanted: list[str] = []
    for name in names.split():
        paths = modules(name) if name in ORDER else [ROOT / (name.replace(".", "/") + ".py")]
        wanted += [".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for p in paths]
    wanted = [name for name in wanted if not name.endswith("__main__")]
    code = (
        "import importlib, sys\n"
        "class Banned:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.split('.')[0] in {banned!r}: raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Banned())\n"
        f"for name in {wanted!r}: importlib.import_module(name)\n"
        f"print([name for name in sys.modules if name.split('.')[0] in {banned!r}])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def loaded(command: str, modules: str) -> str:
    """Those of some modules (an expression of `name`) that a command's help has loaded."""
    code = (
        "import sys\n"
        "from tui.cli import main\n"
        f"main([{command!r}, '--help'], standalone_mode=False)\n"
        f"print('LOADED', [name for name in sys.modules if {modules}])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().rpartition("LOADED ")[2]


def test_the_export_command_never_loads_textual() -> None:
    assert loaded("export", "name.split('.')[0] == 'textual'") == "[]"


def test_a_command_loads_its_own_module_alone() -> None:
    assert loaded("kill", "name in ('brokers.sandbox.server', 'tui.backfill')") == "[]"
    assert loaded("backfill", "name == 'tui.backfill'") == "['tui.backfill']"
    command = [sys.executable, "-m", "tui.cli", "bakcfill"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "'backfill'" in done.stderr


def test_only_risk_makes_approved_orders() -> None:
    makers = [
        path.relative_to(ROOT).as_posix()
        for floor in ORDER
        for path in modules(floor)
        if any(
            isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "ApprovedOrder"
            for node in ast.walk(ast.parse(path.read_text()))
        )
    ]
    assert makers == ["engine/risk.py"]


def test_an_attached_seat_loads_no_database_and_no_venue() -> None:
    """What it does without it need not wait for: its first frame is there a quarter sooner."""
    code = (
        "import sys, tui.attach, engine.remote, tui.sit\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('asyncpg', 'aiohttp', 'cryptography')"
        " or name in ('schema.store', 'engine.desk', 'engine.logins')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
