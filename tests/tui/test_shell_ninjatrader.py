"""`copydesk accounts add --venue ninjatrader`: no password is asked for, and NinjaTrader must show each account."""

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


def test_ninjatrader_accounts_are_named_and_must_be_shown(folder: Path) -> None:
    sandbox = Sandbox(
        folder, "--venue", "ninjatrader", "--logins", "1", "--accounts-per-login", "2",
        "--limit", f"ninjatrader.folder={folder / 'documents'}",
    )  # fmt: skip
    try:
        place = sandbox.ready["venues"]["ninjatrader"]
        (lead,) = sandbox.ready["logins"]
        address = f"{place['host']}:{place['ports']['desk1']}"
        shell = Shell(folder / "state")
        with server_kept_up(shell.state_dir):
            urls = (
                "--rest-url",
                sandbox.ready["rest"],
                "--ws-url",
                sandbox.ready["ws"],
                "--md-url",
                sandbox.ready["md"],
            )
            shell.does("accounts", "add", lead["username"], *urls, "--leader", "DEMO1000", password=lead["password"])
            bare = ("accounts", "add", "desktop", "--venue", "ninjatrader")
            add = (*bare, "--ninja-address", address)
            for words, sentence in (
                (add, "only: NinjaTrader lists no accounts"),
                ((*bare, "--only", "DEMO1001"), "ninja-address: '' is not HOST:PORT"),
                ((*bare, "--ninja-address", "box:99999", "--only", "DEMO1001"), "ninja-address: 'box:99999' is not"),
                ((*bare, "--ninja-address", "127.0.0.1:1", "--only", "DEMO1001"), "127.0.0.1:1 can't be reached"),
                (
                    (*add, "--only", "DEMO1001", "--leader", "DEMO1001"),
                    "leader: DEMO1001 can't lead: NinjaTrader tells",
                ),
                (
                    (*add, "--only", "DEMO1001,Sim101"),
                    "account: NinjaTrader shows nothing of Sim101; write its Account",
                ),
                ((*add, "--only", "DEMO1001", "--ninja-folder", "/nowhere"), "ninja-folder: /nowhere has no folder"),
            ):
                assert sentence in shell.refuses(*words)
            said = shell.does(*add, "--only", "DEMO1001,DEMO1002", "--ninja-folder", place["folders"]["desk1"])
            assert "desktop: 2 accounts in group main." in said
            listed = shell.does("accounts", "list")
            assert "DEMO1001" in listed and "DEMO1002" in listed
            refused = shell.refuses("groups", "set", "main", "leader=DEMO1001")
            assert "can't lead" in refused
            assert "desktop: 2 accounts, logged in" in shell.does("doctor")
            sandbox.control.order("empty", login="desk1", seconds=30)
            done = shell("doctor")
            assert done.returncode == 1
            assert "desktop: its venue shows nothing of DEMO1002" in done.stdout
            sandbox.control.order("clear")
            sandbox.control.order("trade", account="DEMO1002", side="buy", qty=2, symbol="ESH4")
            killed = shell.does("kill", "--account", "DEMO1002", "--yes")
            assert "DEMO1002" in killed and "flat after" in killed
    finally:
        sandbox.stop()
