"""One desk per state directory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from schema.lock import StateDirBusy, StateDirLock, holder

ROOT = Path(__file__).parent.parent.parent
HOLD = (
    "import pathlib, sys\n"
    "from schema.lock import StateDirLock\n"
    "with StateDirLock(pathlib.Path(sys.argv[1])):\n"
    "    print('held', flush=True)\n"
    "    sys.stdin.read()\n"
)


def test_the_second_desk_is_refused_by_the_first_ones_pid_until_that_is_killed(tmp_path: Path) -> None:
    desk = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "state")],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert desk.stdout is not None and desk.stdin is not None
    assert desk.stdout.readline() == "held\n"
    assert holder(tmp_path / "state") == desk.pid
    with pytest.raises(StateDirBusy) as refused, StateDirLock(tmp_path / "state"):
        pass
    assert str(refused.value) == (
        f"state_dir: a desk is already running on {tmp_path / 'state'}, pid {desk.pid}; "
        "stop it or set another state_dir."
    )
    desk.kill()
    desk.wait()
    desk.stdout.close()
    desk.stdin.close()
    with StateDirLock(tmp_path / "state"):
        assert holder(tmp_path / "state") == os.getpid()
    assert holder(tmp_path / "state") is None


def test_a_state_directory_that_never_was_is_held_by_nobody(tmp_path: Path) -> None:
    assert holder(tmp_path / "nowhere") is None
