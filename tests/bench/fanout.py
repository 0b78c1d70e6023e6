"""Decision to last order sent, for 20 and 100 followers, the terminal painting, beside the floor of the same run."""

import os
import pty
import sys
import tempfile
from pathlib import Path

import msgspec

from tests.bench.figures import Figure, Floor, figure

ROOT = Path(__file__).parents[2]
_COLUMNS, _ROWS = "200", "50"


def measure(followers: int, signals: int, *, screen: bool = True) -> list[Figure]:
    """Run one desk in a pty (or without a screen) and turn its samples into figures."""
    with tempfile.TemporaryDirectory(prefix="copydesk-bench-") as name:
        folder = Path(name)
        arguments = ["--followers", str(followers), "--signals", str(signals), "--folder", name]
        if not screen:
            arguments.append("--no-screen")
        status = _in_pty([sys.executable, "-m", "tests.bench.fanout_desk", *arguments], folder / "screen.log")
        if status != 0:
            screen = (folder / "screen.log").read_bytes()[-3000:].decode(errors="replace")
            raise SystemExit(f"the desk ended with {status}:\n{screen}")
        samples = msgspec.json.decode((folder / "samples.json").read_bytes(), type=dict[str, list[float]])
    suffix = f"{followers} followers" + ("" if screen else ", no screen")
    floor = Floor.of(samples["floor"])
    return [
        figure(f"decision to last order sent, {suffix}", "ms", samples["fanout"], floor),
        figure(f"  of it: decide, {suffix}", "ms", samples["decide"]),
        figure(f"  of it: journal commit, {suffix}", "ms", samples["journal"]),
        figure(f"  of it: commit to last order sent, {suffix}", "ms", samples["send"], floor),
    ]


def _in_pty(command: list[str], log: Path) -> int:
    """Run `command` in a 200x50 terminal that reads everything; its exit status."""
    pid, master = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm-256color", COLORTERM="truecolor", COLUMNS=_COLUMNS, LINES=_ROWS, LC_ALL="C.UTF-8")
        os.chdir(ROOT)
        os.execvp(command[0], command)
    os.set_inheritable(master, False)
    import fcntl
    import struct
    import termios

    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", int(_ROWS), int(_COLUMNS), 0, 0))
    with log.open("wb") as kept:
        while True:
            try:
                data = os.read(master, 65536)
            except OSError:
                break
            if not data:
                break
            kept.seek(0)
            kept.write(data)
    _, status = os.waitpid(pid, 0)
    os.close(master)
    return os.waitstatus_to_exitcode(status)
