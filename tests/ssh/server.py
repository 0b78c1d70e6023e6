"""A real sshd on loopback, for tests: its own host key, configuration and port, for the one user who runs the tests.

`client` is the command line that runs something there on a terminal of its own, as a trader's ssh does.
"""

import os
import pwd
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import pytest

from tests.tui.pty_terminal import ROOT

_WHERE = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
_UP_S = 10.0


def program(name: str) -> str:
    """Where a program is; skips the test, saying so, where it is not."""
    found = shutil.which(name, path=_WHERE)
    if found is None:
        pytest.skip(f"{name} is not installed here (Debian: openssh-server, openssh-client, tmux)")
    return found


class Sshd:
    """One server; a context manager. `folder` is empty and its own."""

    def __init__(self, folder: Path, *, compression: bool = False) -> None:
        self._folder = folder
        self._compression = compression
        self._sshd, self._ssh, keygen = program("sshd"), program("ssh"), program("ssh-keygen")
        folder.mkdir(mode=0o700, parents=True)
        for name in ("host", "user"):
            subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
        shutil.copy(folder / "user.pub", folder / "authorized")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._log = folder / "log"
        (folder / "config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {folder / 'host'}\nPidFile none\n"
            f"AuthorizedKeysFile {folder / 'authorized'}\nAuthenticationMethods publickey\nStrictModes no\nUsePAM no\n"
            "PermitRootLogin yes\nPrintMotd no\nPrintLastLog no\nAcceptEnv COLORTERM LC_ALL\nLogLevel VERBOSE\n"
        )

    def __enter__(self) -> Self:
        if os.geteuid() == 0:  # what the distribution's own start would make
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        command = [self._sshd, "-D", "-f", str(self._folder / "config"), "-E", str(self._log)]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        ends = time.monotonic() + _UP_S
        while not self._answers():
            assert self._process.poll() is None and time.monotonic() < ends, self.log
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(10)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as link:
                return link.recv(4) == b"SSH-"
        except OSError:
            return False

    @property
    def log(self) -> str:
        return self._log.read_text() if self._log.exists() else "sshd has not written a log"

    def client(self, command: Sequence[str], variables: Mapping[str, str], *, port: int = 0) -> list[str]:
        """`ssh -tt` that runs a command there, in the repository, with more variables in its environment."""
        words = ["cd", str(ROOT), "&&", "exec", "env", *(f"{name}={value}" for name, value in variables.items())]
        there = " ".join(word if word == "&&" else shlex.quote(word) for word in (*words, *command))
        options = [
            *("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "BatchMode=yes"),
            *("IdentitiesOnly=yes", f"Compression={'yes' if self._compression else 'no'}", "SendEnv=COLORTERM LC_ALL"),
        ]
        asked = [word for option in options for word in ("-o", option)]
        user = pwd.getpwuid(os.geteuid()).pw_name
        where = ["-p", str(port or self.port), "-i", str(self._folder / "user"), "-e", "none", "-F", "none"]
        return [self._ssh, "-tt", *where, *asked, f"{user}@127.0.0.1", there]
