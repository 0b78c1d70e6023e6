"""Decision to last order sent, for so many followers, the terminal painting, beside the floor of the same run."""

import fcntl
import os
import pty
import struct
import sys
import tempfile
import termios
from pathlib import Path

import msgspec

from tests.bench.figures import Measured

ROOT = Path(__file__).parents[2]
_COLUMNS, _ROWS = 200, 50


def measure(
    followers: int, signals: int, *, screen: bool = True, every_s: float = 0.1, feed_speed: float = 0.0
) -> list[Measured]:
    """Run one desk in a pty (or without a screen), the leader trading every so many seconds, and turn its samples
    into figures. `feed_speed`: beside it the desk hears a feed of public market data, at so many times the market's
    pace."""
    with tempfile.TemporaryDirectory(prefix="copydesk-bench-") as name:
        folder = Path(name)
        arguments = ["--followers", str(followers), "--signals", str(signals), "--folder", name]
        arguments += ["--every", str(every_s)]
        if not screen:
            arguments.append("--no-screen")
        arguments += ["--feed-speed", str(feed_speed)]
        status = _in_pty([sys.executable, "-m", "tests.bench.fanout_desk", *arguments], folder / "screen.log")
        if status != 0:
            shown = (folder / "screen.log").read_bytes()[-3000:].decode(errors="replace")
            raise SystemExit(f"the desk ended with {status}:\n{shown}")
        samples = msgspec.json.decode((folder / "samples.json").read_bytes(), type=dict[str, list[float]])
    suffix = f"{followers} followers" + ("" if screen else ", no screen") + (", feed" if feed_speed else "")
    floor = samples["floor"]
    return [
        Measured(f"decision to last order sent, {suffix}", "ms", samples["fanout"], floor),
        Measured(f"- leader's fill read to decided, {suffix}", "ms", samples["decide"]),
        Measured(f"- decided to journal committed, {suffix}", "ms", samples["journal"]),
        Measured(f"- committed to last order sent, {suffix}", "ms", samples["send"], floor),
        Measured(f"leader's fill read to last order at the venue, {suffix}", "ms", samples["arrived"]),
        Measured(f"leader's fill read to last answer of the venue, {suffix}", "ms", samples["answered"]),
        Measured(f"publishing the views once, {suffix}", "ms", samples["publish"]),
    ]


def _in_pty(command: list[str], log: Path) -> int:
    """Run `command` in a 200x50 terminal that reads everything; its exit status."""
    pid, master = pty.fork()
    if pid == 0:
        os.environ.update(
            TERM="xterm-256color", COLORTERM="truecolor", COLUMNS=str(_COLUMNS), LINES=str(_ROWS), LC_ALL="C.UTF-8"
        )
        os.chdir(ROOT)
        os.execvp(command[0], command)
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
    with log.open("wb") as kept:
        while True:
            try:
                data = os.read(master, 65536)
            except OSError:  # Linux: how the end of a pty reads
                break
            if not data:
                break
            kept.seek(0)
            kept.write(data)
    _, status = os.waitpid(pid, 0)
    os.close(master)
    return os.waitstatus_to_exitcode(status)
