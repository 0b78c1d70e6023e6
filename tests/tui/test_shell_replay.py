"""T-REPLAY: `copydesk replay` on what real practice sessions left behind, one of them killed in the middle."""

import asyncio
import json
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import pytest

from engine.session import sessions
from schema.postgres import EmbeddedPostgres
from schema.records import Rule
from tests.engine.test_recorder import mutate_rules
from tests.tui.shell import ROOT, Shell


def killed_demo(shell: Shell) -> Path:
    """A practice desk that was killed with -9 while it copied; the session it left."""
    command = [sys.executable, "-m", "tui.cli", "demo", "--headless", "--seconds", "60", "--seed", "7"]
    demo = subprocess.Popen(command, cwd=ROOT, env=shell.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        ends = time.monotonic() + 40
        while not (found := sessions(shell.state_dir / "demo")) or found[0].stat().st_size < 300_000:
            assert demo.poll() is None and time.monotonic() < ends
            time.sleep(0.02)  # the desk is another process
    finally:
        demo.kill()
        demo.communicate()
        asyncio.run(EmbeddedPostgres(shell.state_dir / "demo").discard())
    return found[0]


@pytest.fixture
def shell(state_dir: Path) -> Shell:
    return Shell(state_dir)


def test_a_killed_practice_session_replays_and_a_changed_rule_does_not(shell: Shell) -> None:
    path = killed_demo(shell)
    found = json.loads(shell.does("replay", "--demo", "--json"))
    assert found["session"] == path.stem
    assert not found["closed"]
    assert found["different"] == 0 and found["decisions"] >= 20 and found["inputs"] > found["decisions"]
    said = shell.does("replay", "--demo")
    assert f"{found['inputs']:,} inputs, {found['decisions']:,} decisions, all the same" in said

    rules = shell.state_dir / "rules.toml"
    rules.write_text("[accounts.DEMO1001]\nvalue = 3\n")
    tried = shell.does("replay", "--demo", "--rules", str(rules))
    assert "DEMO1001     now       proportional 3 " in tried and "             recorded  proportional 1 " in tried
    rules.write_text("[accounts.DEMO1O01]\nvalue = 3\n")
    refused = shell.refuses("replay", "--demo", "--rules", str(rules))
    assert refused.startswith("rules: the session has no follower DEMO1O01; did you mean DEMO10")

    mutate_rules(path, "DEMO1001", Rule(value=Decimal(3)))
    done = shell("replay", str(path))
    assert done.returncode == 1 and done.stderr == ""
    assert "different\n\ninput " in done.stdout and ", DEMO1001, signal " in done.stdout
    assert "recorded  buy " in done.stdout or "recorded  sell " in done.stdout


def test_what_is_not_there_is_refused(shell: Shell) -> None:
    assert shell.refuses("replay").startswith("session: none is recorded in ")
    assert shell.refuses("replay", "2026") == (
        "session: there is no 2026; choose one that `copydesk replay --list` shows."
    )
    (shell.state_dir / "sessions").mkdir(parents=True)
    (shell.state_dir / "sessions" / "20260101-000000-deadbeef.inputs").write_bytes(b"nothing of the kind")
    assert shell.refuses("replay").startswith("20260101-000000-deadbeef.inputs: ")
    assert "20260101-000000-deadbeef" in shell.does("replay", "--list")
