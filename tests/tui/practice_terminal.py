"""`copydesk demo` in a real terminal, for tests: the screen is read as a trader reads it, the venue is commanded and
its books are read over the sandbox's control socket, and the journal is read as `copydesk export` does."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Self, TypeVar

import psutil

from brokers.sandbox.client import SandboxControl
from schema.clock import SYSTEM_CLOCK
from schema.records import Copy, Signal, SignalKind
from schema.settings import load_settings
from schema.store import Store
from tests.practice import LEADER, SYMBOL
from tests.tui.pty_terminal import LOOKS, ROWS, Terminal
from tests.tui.shell import Shell
from tui.demo import GROUP
from tui.demo_report import Account, Books, account_for, books_of, off_rule

MESSAGE_LINE = ROWS - 2
EXIT_S = 5.0
_T = TypeVar("_T")


class PracticeTerminal(Terminal):
    """The practice desk at 200x50, its followers armed and its leader standing still and flat unless `leading`. What
    it started is ended on leaving, however the test went."""

    def __init__(self, state_dir: Path, *, leading: bool = False, ignore_hup: bool = False) -> None:
        self._home = state_dir / "demo"
        self._leading = leading
        self._shell = Shell(state_dir)
        command = self.command([sys.executable, "-m", "tui.cli", "demo", "--seed", "7"])
        super().__init__(command, self.variables(), ignore_hup=ignore_hup)
        self.children: list[psutil.Process] = []
        self.control: SandboxControl | None = None

    def variables(self) -> dict[str, str]:
        """The environment of the desk."""
        return self._shell.environment(**LOOKS, COPYDESK_LOG_LEVEL="info")

    def command(self, arguments: list[str]) -> list[str]:
        """What runs the desk; another way to it wraps this."""
        return arguments

    @property
    def home(self) -> Path:
        """The state directory of the practice desk."""
        return self._home

    @property
    def pid(self) -> int:
        """The desk's process."""
        return self.process.pid

    def __enter__(self) -> Self:
        try:
            self._sit_down()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _sit_down(self) -> None:
        self.until(lambda: "20 of 20 followers armed" in self.screen.lines[2], 20, "all followers armed")
        self.children = psutil.Process(self.pid).children(recursive=True)
        words = next(words for child in self.children if "--control" in (words := child.cmdline()))
        self.control = SandboxControl(words[words.index("--control") + 1])
        if not self._leading:
            self.order("leader", action="stop", flat=True)
            self.until(lambda: self.off_screen() == {}, 5, "everybody flat, on the screen too")

    def __exit__(self, *gone: object) -> None:
        super().__exit__(*gone)
        if self.control is not None:
            self.control.close()
        for child in self.children:  # a desk that was killed ends nothing itself
            if child.is_running():
                child.kill()

    # --- the venue -----------------------------------------------------------------------------------------------

    def order(self, name: str, **arguments: Any) -> dict[str, Any]:
        assert self.control is not None
        return self.control.order(name, **arguments)

    def leader_trades(self, signed_qty: int) -> None:
        """At market, from another front end."""
        side = "buy" if signed_qty > 0 else "sell"
        self.order("trade", account=LEADER, symbol=SYMBOL, side=side, qty=abs(signed_qty))

    def books(self) -> Books:
        return books_of(self.order("state"))

    def held(self) -> dict[str, str]:
        """What each account holds by the venue's books, in the words of the accounts pane."""
        return {
            each.account: " ".join(f"{net:+d} {symbol}" for symbol, net in each.positions.items()) or "flat"
            for each in self.books().accounts
        }

    def delays_ms(self) -> dict[int, float]:
        """For each fill of the leader that orders answered, by its time at the venue (ns): milliseconds until the
        last of those orders reached the venue."""
        state = self.order("state")
        arrived = {each["cl_ord_id"]: each["arrived_ns"] for each in state["received"] if each["cl_ord_id"]}
        filled = {str(fill["fill_id"]): fill["at_ns"] for fill in state["fills"] if fill["account"] == LEADER}
        last: dict[int, int] = {}
        for of, copy in self.journal():
            if of.kind is SignalKind.LEADER_FILL and copy.cl_ord_id in arrived:
                at_ns = filled[of.source]
                last[at_ns] = max(last.get(at_ns, 0), arrived[copy.cl_ord_id])
        return {at_ns: (then - at_ns) / 1e6 for at_ns, then in last.items()}

    # --- the journal ---------------------------------------------------------------------------------------------

    def _read(self, read: Callable[[Store], Awaitable[_T]]) -> _T:
        async def work() -> _T:
            store = await Store.open(load_settings(state_dir=self._home), SYSTEM_CLOCK)
            try:
                return await read(store)
            finally:
                await store.close()

        return asyncio.run(work())

    def journal(self) -> list[tuple[Signal, Copy]]:
        """Every pair, newest first."""
        return self._read(lambda store: store.recent_copies(1_000_000))

    def accounted(self) -> Account:
        return self._read(lambda store: account_for(store, self.books(), GROUP))

    def off_rule(self) -> dict[str, str]:
        return self._read(lambda store: off_rule(store, self.books(), GROUP))

    def promise_holds(self, within_s: float = 5.0) -> Account:
        """Nothing is missing, doubled or open, and everybody stands where the rule says, within so long."""
        ends = time.monotonic() + within_s
        while (found := self.accounted()).unaccounted or found.open or self.off_rule():
            assert time.monotonic() < ends, (found, self.off_rule())
        assert found.duplicates == 0
        return found

    # --- the screen ----------------------------------------------------------------------------------------------

    @property
    def text(self) -> str:
        return "\n".join(self.screen.lines)

    @property
    def message(self) -> str:
        return self.screen.lines[MESSAGE_LINE].strip()

    def row(self, account: str) -> str:
        """The account's line in the accounts pane."""
        return next((line for line in self.screen.lines if line[2:].startswith(f"{account} ")), "")

    def off_screen(self) -> dict[str, str]:
        """Accounts whose line does not show what the venue's books say they hold: what it says instead."""
        return {name: row for name, held in self.held().items() if f" {held} " not in (row := self.row(name))}

    def says(self, text: str, within_s: float = 5.0) -> float:
        """Read until the message line has the text, and the frame to its end; how many seconds the text took."""
        return self._whole(lambda: text in self.message, within_s, f"{text!r} in the message line")

    def shows(self, text: str, within_s: float = 5.0) -> float:
        """As `says`, anywhere on the screen."""
        return self._whole(lambda: text in self.text, within_s, repr(text))

    def _whole(self, holds: Callable[[], bool], within_s: float, what: str) -> float:
        took_s = self.until(holds, within_s, what)
        self.finish_frame()
        return took_s

    def go_to(self, account: str) -> None:
        """Move the accounts pane's cursor to an account."""
        self.press("1g")
        for _ in range(int(account[-2:])):
            self.press("j")
        self.says(f"{account} ·")

    def seat_cpu_s(self) -> float:
        """CPU seconds of the thread that paints."""
        pid = self.pid
        return next(each.user_time + each.system_time for each in psutil.Process(pid).threads() if each.id == pid)

    # --- the end -------------------------------------------------------------------------------------------------

    def wait_until(self, holds: Callable[[], bool], within_s: float, what: str) -> None:
        """As `until`, without reading: there may be no terminal any more."""
        deadline = time.monotonic() + within_s
        while not holds():
            assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
            time.sleep(0.02)

    def screen_is_gone(self) -> bool:
        """Whether the process has let go of its terminal."""
        streams = Path(f"/proc/{self.pid}/fd")
        return all((streams / str(fd)).readlink() == Path(os.devnull) for fd in range(3))

    def ends(self, within_s: float = EXIT_S) -> float:
        """Wait for the process's end, reading as a terminal does; how long it took. Its exit code must be 0 and no
        process that it started may be left."""
        started = time.monotonic()
        while self.process.poll() is None and time.monotonic() - started < within_s:
            if self.master >= 0 and self.slave is not None:
                self.pump(0.02)
            else:
                psutil.wait_procs([psutil.Process(self.process.pid)], timeout=0.02)
        took_s = time.monotonic() - started
        assert self.process.poll() == 0, f"exit code {self.process.poll()} after {took_s:.1f} s\n{self.text}"
        assert self.children
        assert [child for child in self.children if child.is_running()] == []
        return took_s

    def terminate(self) -> float:
        """SIGTERM, then `ends`."""
        self.process.send_signal(signal.SIGTERM)
        return self.ends()
