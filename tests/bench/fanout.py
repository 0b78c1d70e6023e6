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
    samples = _run(followers, signals, screen=screen, every_s=every_s, feed_speed=feed_speed)
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


def measure_loaded(followers: int, signals: int, quotes_per_s: int, *, screen: bool = True) -> list[Measured]:
    """The fan-out while so many quotes a second come in; its floor is the fan-out of the same run without them, a block
    of trades with and one without in turn."""
    samples = _run(followers, signals, screen=screen, load=quotes_per_s)
    suffix = f"{followers} followers" + ("" if screen else ", no screen")
    came = samples["quotes_per_s"][0]
    name = f"decision to last order sent, {suffix}, {came:,.0f} quotes/s (floor: none)"
    return [Measured(name, "ms", samples["loaded"], samples["fanout"])]


def _run(
    followers: int, signals: int, *, screen: bool, every_s: float = 0.1, load: int = 0, feed_speed: float = 0.0
) -> dict[str, list[float]]:
    with tempfile.TemporaryDirectory(prefix="copydesk-bench-") as name:
        folder = Path(name)
        arguments = ["--followers", str(followers), "--signals", str(signals), "--folder", name]
        arguments += ["--every", str(every_s), "--load", str(load), "--feed-speed", str(feed_speed)]
        if not screen:
            arguments.append("--no-screen")
        status = in_pty([sys.executable, "-m", "tests.bench.fanout_desk", *arguments], folder / "screen.log")
        if status != 0:
            shown = (folder / "screen.log").read_bytes()[-3000:].decode(errors="replace")
            raise SystemExit(f"the desk ended with {status}:\n{shown}")
        return msgspec.json.decode((folder / "samples.json").read_bytes(), type=dict[str, list[float]])


def in_pty(command: list[str], log: Path) -> int:
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
