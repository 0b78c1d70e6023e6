"""`copydesk accounts` with a ProjectX login: the API key as its secret, the policy said first, accounts picked."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tui.shell import Shell, server_kept_up
from tui.demo import Sandbox


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="copydesk-test-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def test_a_projectx_login_is_added_synced_and_examined(folder: Path) -> None:
    logins = [
        {"username": "boss", "accounts": ["DEMO1"], "password": "canary-boss"},
        {"username": "px", "accounts": ["DEMO2", "DEMO3"], "venue": "projectx", "password": "canary-key"},
    ]
    (folder / "logins.json").write_text(json.dumps(logins))
    sandbox = Sandbox(folder, "--accounts", str(folder / "logins.json"))
    shell = Shell(folder / "state")
    try:
        with server_kept_up(shell.state_dir):
            url = sandbox.ready["venues"]["projectx"]["rest"]
            at = ["--venue", "projectx", "--rest-url", url]
            wrong = shell("accounts", "add", "px", "--leader", "DEMO2", *at, password="canary-wrong")
            assert wrong.returncode == 1
            assert "refused the login of px: user name or key is wrong" in wrong.stderr
            asked = shell("accounts", "add", "px", "--leader", "DEMO2", "--only", "DEMO2", *at, password="canary-key")
            assert asked.returncode == 0, asked.stderr
            assert "forbids API trading from a VPS" in asked.stderr
            listed = shell.does("accounts", "sync", "px").splitlines()
            assert [line.split() for line in listed] == [
                ["DEMO2", "may", "trade", "leads", "main"],
                ["DEMO3", "may", "trade", "not", "on", "the", "desk"],
            ]
            assert "px: 1 account in group main" in shell.does("accounts", "sync", "px", "--add", "DEMO3")
            assert "follows in main, on" in shell.does("accounts", "sync", "px")
            assert "there is no nobody; the desk has px" in shell.refuses("accounts", "sync", "nobody")
            examined = shell("doctor").stdout
            assert "PASS  px: 2 accounts" in examined
            assert "NOTE  TopstepX forbids" in examined
            kept = json.dumps(shell.dump()) + (shell.state_dir / "copydesk.log").read_text()
            assert "canary" not in kept + wrong.stderr + asked.stdout
            assert sandbox.control.order("state")["received"] == []
    finally:
        sandbox.stop()
