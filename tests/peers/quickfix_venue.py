"""A counterparty made of the QuickFIX engine, which we did not write: it takes orders, fills them, answers status
requests, and remembers everything it was asked. Its session rules, numbers and resends are QuickFIX's own."""

import os
import socket
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

fix: Any = pytest.importorskip("quickfix", reason="the QuickFIX engine is not built: `make peers` does it")


def dictionary(version: str) -> Path:
    name = version.replace(".", "") + ".xml"
    for base in (Path(sys.prefix), Path(fix.__file__).parent, Path(fix.__file__).parents[1]):
        for found in (base / "share/quickfix" / name, base / name):
            if found.exists():
                return found
    pytest.skip(f"QuickFIX came without {name}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def settings(path: Path, *, role: str, version: str, port: int, sender: str, target: str, **more: str) -> Any:
    """QuickFIX settings of one session that keeps its numbers under `path`."""
    path.mkdir(parents=True, exist_ok=True)
    lines = [
        "[DEFAULT]",
        f"ConnectionType={role}",
        f"FileStorePath={path / 'store'}",
        "StartTime=00:00:00",
        "EndTime=00:00:00",
        "HeartBtInt=30",
        "ReconnectInterval=1",
        "UseDataDictionary=Y",
        f"DataDictionary={dictionary(version)}",
        f"SocketAcceptPort={port}" if role == "acceptor" else f"SocketConnectPort={port}\nSocketConnectHost=127.0.0.1",
        "SocketReuseAddress=Y",
        "SocketNodelay=Y",
        *(f"{key}={value}" for key, value in more.items()),
        "[SESSION]",
        f"BeginString={version}",
        f"SenderCompID={sender}",
        f"TargetCompID={target}",
    ]
    file = path / "quickfix.cfg"
    file.write_text("\n".join(lines) + "\n")
    return fix.SessionSettings(str(file))


class Report(msgspec.Struct):
    """What the venue was asked and said. `resent` are orders that came with 43=Y."""

    orders: dict[str, int]
    resent: list[str]
    admin_in: list[str]
    admin_out: list[str]
    logons: int


class Venue(fix.Application):
    """Fills every market order at once, lets limits rest."""

    def __init__(self, version: str) -> None:
        super().__init__()
        self.version = version
        self.lock = threading.Lock()
        self.orders: Counter[str] = Counter()
        self.resent: list[str] = []  # D that came with 43=Y
        self.rests: dict[str, dict[str, str]] = {}
        self.done: dict[str, dict[str, str]] = {}
        self.admin_in: list[str] = []
        self.admin_out: list[str] = []
        self.logons = 0
        self.next = 0

    def report(self) -> Report:
        return Report(dict(self.orders), self.resent, self.admin_in, self.admin_out, self.logons)

    def onCreate(self, session: Any) -> None: ...
    def onLogon(self, session: Any) -> None:
        self.logons += 1

    def onLogout(self, session: Any) -> None: ...
    def toAdmin(self, message: Any, session: Any) -> None:
        self.admin_out.append(message.toString().replace("\x01", "|"))

    def fromAdmin(self, message: Any, session: Any) -> None:
        self.admin_in.append(message.toString().replace("\x01", "|"))

    def toApp(self, message: Any, session: Any) -> None: ...

    def fromApp(self, message: Any, session: Any) -> None:
        fields = dict(part.split("=", 1) for part in message.toString().split("\x01")[:-1])
        with self.lock:
            match fields["35"]:
                case "D":
                    self._new(fields, session)
                case "G" | "F":
                    self._change(fields, session)
                case "H":
                    self._status(fields, session)
                case _:
                    raise fix.UnsupportedMessageType()

    def _new(self, order: dict[str, str], session: Any) -> None:
        self.orders[order["11"]] += 1
        if order.get("43") == "Y":
            self.resent.append(order["11"])
        self._say(order, session, kind="0", status="0", cum=0)
        if order["40"] == "1":
            self.done[order["11"]] = order
            fill = ("2" if self.version == "FIX.4.2" else "F", "2")
            self._say(order, session, kind=fill[0], status=fill[1], cum=int(order["38"]), last=int(order["38"]))
        else:
            self.rests[order["11"]] = order

    def _change(self, asked: dict[str, str], session: Any) -> None:
        order = self.rests.pop(asked["41"], None)
        if order is None:
            reject = self._message("9")
            for tag, text in ((37, "NONE"), (11, asked["11"]), (41, asked["41"]), (39, "8"), (102, "1"),
                              (434, "1" if asked["35"] == "F" else "2"), (58, "Unknown order")):  # fmt: skip
                reject.setField(tag, text)
            fix.Session.sendToTarget(reject, session)
            return
        order = {**order, **{tag: asked[tag] for tag in ("38", "44") if tag in asked}, "11": asked["11"]}
        order["chain"] = order.get("chain", asked["41"])
        if asked["35"] == "F":
            self.done[asked["11"]] = order
            self._say(order, session, kind="4", status="4", cum=0, orig=asked["41"])
        else:
            self.rests[asked["11"]] = order
            status = "5" if self.version == "FIX.4.2" else "0"
            self._say(order, session, kind="5", status=status, cum=0, orig=asked["41"])

    def _status(self, asked: dict[str, str], session: Any) -> None:
        order = self.done.get(asked["11"]) or self.rests.get(asked["11"])
        old = self.version == "FIX.4.2"
        if order is None:
            self._say(asked, session, kind="8" if old else "I", status="8", cum=0, refused="5", named="NONE", ask=True)
        elif asked["11"] in self.rests:
            self._say(order, session, kind="0" if old else "I", status="0", cum=0, ask=True)
        else:
            filled = order["40"] == "1"
            kind, status = ("2" if old else "I", "2") if filled else ("4" if old else "I", "4")
            self._say(order, session, kind=kind, status=status, cum=int(order["38"]) if filled else 0, ask=True)

    def _message(self, kind: str) -> Any:
        message = fix.Message()
        message.getHeader().setField(8, self.version)
        message.getHeader().setField(35, kind)
        return message

    def _say(
        self,
        order: dict[str, str],
        session: Any,
        *,
        kind: str,
        status: str,
        cum: int,
        last: int = 0,
        orig: str = "",
        refused: str = "",
        named: str = "",
        ask: bool = False,
    ) -> None:
        self.next += 1
        qty = int(order.get("38", "0"))
        fields = {
            37: named or f"O{order.get('chain', order['11'])}", 17: f"E{self.next}", 150: kind, 39: status,
            11: order["11"], 1: order.get("1", "SIM1"), 55: order["55"], 54: order["54"], 38: str(qty),
            40: order.get("40", "1"), 14: str(cum), 6: "5000.25" if cum else "0", 32: str(last),
            31: "5000.25" if last else "0", 151: str(qty - cum if status in "015" else 0),
            60: "20261121-02:19:48",
        }  # fmt: skip
        if self.version == "FIX.4.2":
            fields[20] = "3" if ask else "0"
        if orig:
            fields[41] = orig
        if refused:
            fields[103] = refused
        message = self._message("8")
        for tag, text in fields.items():
            message.setField(tag, text)
        fix.Session.sendToTarget(message, session)


class Running:
    """The venue as a process of its own: its threads and its memory are not the test's."""

    def __init__(self, path: Path, version: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.peers.quickfix_venue", str(path), version],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    @property
    def app(self) -> Report:
        """What the venue was asked and said, up to now."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("report\n")
        self._process.stdin.flush()
        return msgspec.json.decode(self._process.stdout.readline(), type=Report)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


def main(path: Path, version: str) -> None:
    port = free_port()
    app = Venue(version)
    chosen = settings(path, role="acceptor", version=version, port=port, sender="QT", target="DESK")
    store = fix.FileStoreFactory(chosen)
    acceptor = fix.SocketAcceptor(app, store, chosen)
    acceptor.start()
    print(port, flush=True)
    for _ in sys.stdin:
        with app.lock:
            print(msgspec.json.encode(app.report()).decode(), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
