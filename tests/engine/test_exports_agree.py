"""What the screen exports and what the shell exports beside the running desk are the same bytes."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from engine.export import WHAT, counted_rows
from tests.practice import practice
from tests.tui.shell import Shell


async def test_screen_and_shell_export_the_same_bytes(state_dir: Path) -> None:
    shell = Shell(state_dir)
    async with practice(state_dir) as desk:
        for qty in (+2, -1, +1):
            await desk.leader(qty)
            await desk.settled(5)
        await desk.control("market", paused=True)
        for account in (None, "DEMO1001"):
            for what in WHAT if account is None else set(WHAT) - {"alerts"}:
                await export_both(desk.desk.export(what, str(state_dir / "screen.csv"), account), shell, what, account)


async def export_both(screen: Coroutine[Any, Any, str], shell: Shell, what: str, account: str | None) -> None:
    ours = shell.state_dir / "screen.csv"
    theirs = shell.state_dir / "shell.csv"
    said = await screen
    only = ["--account", account] if account else []
    await asyncio.to_thread(shell.does, "export", what, "--out", str(theirs), *only)
    assert ours.read_bytes() == theirs.read_bytes()
    rows = ours.read_bytes().count(b"\r\n") - 1
    assert said == f"{counted_rows(what, rows)} written to {ours}."
    assert rows >= (0 if what == "alerts" else 1 if account or what == "positions" else 20)
