"""`copydesk` on a configuration of one's own, in a real terminal: a contract that is not what we think arms nobody who
would trade it, the screen says so, and neither the screen nor anything stored shows a secret."""

import fcntl
import os
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

from engine.export import WHAT
from tests.tui.pty_terminal import COLUMNS, ROWS, Screen
from tests.tui.shell import ROOT, TOKEN, Shell, at, password_of, server_kept_up, venue

LOGINS = {
    "leader": ["DEMO1000"],
    "good": ["DEMO1001", "DEMO1002"],
    "ticks": ["DEMO2001", "DEMO2002"],
    "gone": ["DEMO3001"],
}

WRONG_TICKS = "tick size of ESH4 is 0.1 at tradovate and 0.25 in the product table: not armed, correct the one"


class Terminal:
    """`copydesk` in a terminal of its own; `written` is every byte it sent there."""

    def __init__(self, shell: Shell, **variables: str) -> None:
        self.screen = Screen()
        self.written = b""
        self._master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tui.cli"],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=ROOT,
            start_new_session=True,
            env=shell.environment(TERM="xterm-256color", COLORTERM="truecolor", LC_ALL="C.UTF-8", **variables),
        )
        os.close(slave)

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        ends = time.monotonic() + 15
        while self.process.poll() is None and time.monotonic() < ends:
            self.pump()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._master)

    def pump(self) -> None:
        """Read what has been written, waiting a moment for it."""
        if select.select([self._master], [], [], 0.02)[0]:
            try:
                data = os.read(self._master, 65536)
            except OSError:  # the other end is closed
                return
            self.written += data
            self.screen.feed(data)

    def shows(self, holds: Callable[[str], bool], within_s: float = 30.0) -> str:
        """Read until the screen's text does; the text."""
        ends = time.monotonic() + within_s
        while not holds(text := "\n".join(self.screen.lines)):
            assert self.process.poll() is None, f"copydesk ended: {text}"
            assert time.monotonic() < ends, f"not within {within_s} s:\n{text}"
            self.pump()
        return text

    def row(self, account: str) -> str:
        return next((line for line in self.screen.lines if f" {account} " in line), "")


def test_a_contract_that_differs_arms_nobody_and_no_secret_shows(state_dir: Path) -> None:
    shell = Shell(state_dir)
    with server_kept_up(state_dir), venue(state_dir.parent / "venue", LOGINS) as sandbox:
        sandbox.control.order("listing", login="ticks", symbol="ESH4", tick_size="0.1")
        sandbox.control.order("listing", login="gone", symbol="ESH4", listed=False)
        for name in LOGINS:
            more = ["--leader", "DEMO1000"] if name == "leader" else []
            shell.does("accounts", "add", name, *more, *at(sandbox), password=password_of(sandbox, name))
        with Terminal(shell, COPYDESK_CHART_SYMBOL="ESH4") as terminal:
            disarmed = ("DEMO2001", "DEMO2002", "DEMO3001")
            terminal.shows(lambda _: all(" disarmed " in terminal.row(account) for account in disarmed))
            terminal.shows(lambda _: all(" armed " in terminal.row(account) for account in ("DEMO1001", "DEMO1002")))
            # Whichever alert came last is shown, as far as the line is wide.
            terminal.shows(lambda text: "ticks: " + WRONG_TICKS[:40] in text or "gone: symbol: 127.0.0.1:" in text)

            sandbox.control.order("trade", account="DEMO1000", side="buy", qty=2, symbol="ESH4")

            # The copy ledger: copied where it may be, and the reason in each row where it may not.
            # What is read may end inside a frame, so all of it is waited for.
            def told(text: str) -> bool:
                ledger = [line for line in text.splitlines() if " skipped " in line]
                return (
                    text.count(" copied ") == 2
                    and sum("tick size of ESH4 is 0.1 at" in line for line in ledger) == 2
                    and sum("symbol: 127.0.0.1:" in line for line in ledger) == 1
                )

            terminal.shows(told)
            # Being switched off and on again arms nobody either.
            assert shell.does("accounts", "toggle", "DEMO2001") == "DEMO2001 is off.\n"
            terminal.shows(lambda _: " off " in terminal.row("DEMO2001"))
            assert shell.does("accounts", "toggle", "DEMO2001") == "DEMO2001 is on.\n"
            terminal.shows(lambda _: " disarmed " in terminal.row("DEMO2001"))
            sandbox.control.order("trade", account="DEMO1000", side="sell", qty=3, symbol="ESH4")
            terminal.shows(lambda text: text.count(" copied ") == 4)
            received = sandbox.control.order("state")["received"]
            assert sorted(each["account"] for each in received) == 2 * ["DEMO1001"] + 2 * ["DEMO1002"]

            said = [shell.does("export", what).encode() for what in WHAT]
            dump = shell.dump()
            alerts = "\n".join(dump["alerts"])
            assert "ticks: " + WRONG_TICKS in alerts and " has no contract ESH4; not armed" in alerts
        assert terminal.process.returncode == 0
        assert len(terminal.written) > 10_000 and len(dump["connections"]) == 4
        said += [terminal.written, *("\n".join(rows).encode() for rows in dump.values()), *shell.files().values()]
        for name in LOGINS:
            assert not [text for text in said if password_of(sandbox, name).encode() in text]
        assert not [text for text in said if TOKEN.search(text)]
