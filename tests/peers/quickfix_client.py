"""An initiator made of the QuickFIX engine, which we did not write, as a process: it logs on to the sandbox's FIX door
and does what its standard input says, one JSON line an order: ``{"35": "D", "11": "C1", ...}`` sends a message,
``report`` prints everything that was received."""

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.peers.quickfix_venue import settings

fix: Any = pytest.importorskip("quickfix", reason="the QuickFIX engine is not built: `make peers` does it")


class Heard(msgspec.Struct):
    """What the client received: application messages and session messages as fields, and how often it logged on."""

    app: list[dict[str, str]]
    admin: list[dict[str, str]]
    logons: int


class Client(fix.Application):
    def __init__(self, password: str) -> None:
        super().__init__()
        self.password = password
        self.heard = Heard([], [], 0)
        self.session: Any = None
        self.lock = threading.Lock()

    def onCreate(self, session: Any) -> None:
        self.session = session

    def onLogon(self, session: Any) -> None:
        self.heard.logons += 1

    def onLogout(self, session: Any) -> None: ...

    def toAdmin(self, message: Any, session: Any) -> None:
        if message.getHeader().getField(35) == "A":
            message.setField(554, self.password)

    def fromAdmin(self, message: Any, session: Any) -> None:
        with self.lock:
            self.heard.admin.append(_fields(message))

    def toApp(self, message: Any, session: Any) -> None: ...

    def fromApp(self, message: Any, session: Any) -> None:
        with self.lock:
            self.heard.app.append(_fields(message))


def _fields(message: Any) -> dict[str, str]:
    return dict(part.split("=", 1) for part in message.toString().split("\x01")[:-1])


class Peer:
    """The client as the test sees it."""

    def __init__(self, path: Path, version: str, port: int, password: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.peers.quickfix_client", str(path), version, str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._write(password)

    def send(self, **fields: str) -> None:
        """``send(_35="D", _11="C1")``."""
        self._write(msgspec.json.encode({tag.lstrip("_"): value for tag, value in fields.items()}).decode())

    def heard(self) -> Heard:
        self._write("report")
        assert self._process.stdout is not None
        return msgspec.json.decode(self._process.stdout.readline(), type=Heard)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()


def main(path: Path, version: str, port: int) -> None:
    client = Client(sys.stdin.readline().strip())
    chosen = settings(path, role="initiator", version=version, port=port, sender="DESK", target="SANDBOX")
    store = fix.FileStoreFactory(chosen)
    initiator = fix.SocketInitiator(client, store, chosen)
    initiator.start()
    for line in sys.stdin:
        if line.strip() == "report":
            with client.lock:
                print(msgspec.json.encode(client.heard).decode(), flush=True)
            continue
        fields = msgspec.json.decode(line, type=dict[str, str])
        message = fix.Message()
        message.getHeader().setField(8, version)
        message.getHeader().setField(35, fields.pop("35"))
        for tag, value in fields.items():
            message.setField(int(tag), value)
        fix.Session.sendToTarget(message, client.session)
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
