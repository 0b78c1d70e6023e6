"""A client of the sandbox's control socket, for the demo and the tests. Blocking: one JSON line out, one back."""

import socket
from pathlib import Path
from typing import Any

import msgspec

ANNOUNCED = "sandbox.json"
"""Where in the state directory `copydesk sandbox` says its doors and logins while it runs."""


class SandboxRefused(Exception):
    """The sandbox did not understand or would not do an order of the control socket; its own words."""


class SandboxControl:
    """One connection to the control socket at `path`. Not for several threads at once."""

    def __init__(self, path: str | Path, timeout_s: float = 10.0) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout_s)
        self._socket.connect(str(path))
        self._lines = self._socket.makefile("rb")

    def order(self, name: str, **arguments: Any) -> dict[str, Any]:
        """Send one control order and return its answer. The orders are listed in `brokers/sandbox/control.py`."""
        self._socket.sendall(msgspec.json.encode({"order": name, **arguments}) + b"\n")
        answer = msgspec.json.decode(self._lines.readline(), type=dict[str, Any])
        if not answer.get("ok"):
            raise SandboxRefused(str(answer.get("error", "no answer")))
        return answer

    def close(self) -> None:
        self._lines.close()
        self._socket.close()
