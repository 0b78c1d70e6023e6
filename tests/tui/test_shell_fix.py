"""`copydesk accounts add --venue fix`: tried at the counterparty first, then stored with its session; nothing secret
shown."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tui.shell import Shell, server_kept_up
from tui.demo import Sandbox


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="copydesk-test-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def test_fix_login_is_tried_and_stored_with_its_session(folder: Path) -> None:
    sandbox = Sandbox(folder, "--venue", "fix", "--logins", "1", "--accounts-per-login", "2")
    try:
        place = sandbox.ready["venues"]["fix"]
        (login,) = place["logins"]
        session = (
            "--venue", "fix", "--fix-address", f"{place['host']}:{place['port']}", "--no-tls",
            "--sender-comp-id", login["username"], "--target-comp-id", place["target_comp_id"],
        )  # fmt: skip
        shell = Shell(folder / "state")
        with server_kept_up(shell.state_dir):
            add = ("accounts", "add", login["username"], *session)
            for left_out, sentence in (
                (add, "only: FIX lists no accounts"),
                ((*add[:5], *add[7:], "--only", "DEMO1001"), "fix-address: '' is not HOST:PORT"),
                ((*add, "--only", "DEMO1001", "--dialect", "cqg"), "dialect: there is no 'cqg'"),
                ((*add, "--only", "DEMO1001", "--dialect", "t4"), "version: the dialect t4 speaks FIX.4.2"),
            ):
                assert sentence in shell.refuses(*left_out, password=login["password"])
            wrong = shell.refuses(*add, "--only", "DEMO1001", password="canary-wrong")
            assert "Invalid username or password" in wrong
            assert "canary" not in wrong
            said = shell.does(*add, "--only", "DEMO1001,DEMO1002", "--leader", "DEMO1001", password=login["password"])
            assert f"{login['username']}: 2 accounts in group main." in said
            listed = shell.does("accounts", "list")
            assert "DEMO1001" in listed and "DEMO1002" in listed
            assert f"{login['username']}: 2 accounts, logged in" in shell.does("doctor")
            assert login["password"] not in str(shell.dump())
    finally:
        sandbox.stop()
