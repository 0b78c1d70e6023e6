"""One desk under its real screen, timed: run by `tests/bench/fanout.py` in a pty, writes its samples to a file.

The leader trades every 100 ms at market from another front end; the desk copies to N followers on sandbox logins of
five; each sample is leader event at our door -> last order's bytes at the socket, the journal's commit included. Then,
under the same painting screen and on the same loop, the floor: the same number of order bytes on prebuilt sockets.
"""

import argparse
import asyncio
import os
import selectors
import signal
import socket
import threading
import time
from pathlib import Path
from typing import Any

import click
import msgspec

from engine.collector import settle
from engine.seat import StatusRow, Topic
from engine.thread import EngineThread, ThreadSeat
from schema.clock import SYSTEM_CLOCK
from schema.records import FollowerConfig
from schema.settings import Settings
from schema.store import Store
from tests.practice import LEADER, SYMBOL
from tui.demo import GROUP, Sandbox, set_up
from tui.sit import sit

_EVERY_S = 0.1
_WARM_UP = 20
_ORDER_BYTES = (
    b'\x81\xfe\x01\x14\x00\x00\x00\x00order/placeorder\n1234\n\n{"accountSpec":"DEMO1001","accountId":1001,'
    b'"action":"Buy","symbol":"ESH4","orderQty":1,"orderType":"Market","timeInForce":"Day","isAutomated":true,'
    b'"clOrdId":"cd0123456789abcdef0123"}'
)


class Driver(threading.Thread):
    """Makes the leader trade, then measures the floor, then ends the screen."""

    def __init__(
        self,
        sandbox: Sandbox,
        engine: EngineThread,
        seat: ThreadSeat,
        *,
        signals: int,
        followers: int,
        screen: bool,
    ) -> None:
        super().__init__(name="driver", daemon=True)
        self._sandbox = sandbox
        self._engine = engine
        self._seat = seat
        self._signals = signals
        self._followers = followers
        self._screen = screen
        self.go = threading.Event()
        self.done = threading.Event()
        self.floor_ms: list[float] = []
        self.failure = ""

    def run(self) -> None:
        self.go.wait(30)
        time.sleep(2)
        try:
            for number in range(_WARM_UP + self._signals):
                due = time.monotonic() + _EVERY_S
                side = "sell" if number % 2 else "buy"
                self._sandbox.control.order("trade", account=LEADER, symbol=SYMBOL, side=side, qty=1)
                time.sleep(max(0.0, due - time.monotonic()))
            ends = time.monotonic() + 20
            while time.monotonic() < ends:
                row = self._seat.view(Topic.STATUS).rows[0]
                assert isinstance(row, StatusRow)
                if row.signals >= _WARM_UP + self._signals and not row.unknown and not row.undecided:
                    break
                time.sleep(0.05)
            loop = self._engine.loop
            self.floor_ms = asyncio.run_coroutine_threadsafe(floor(self._followers, self._signals), loop).result(120)
        except Exception as failure:  # noqa: BLE001 - any failure must end the screen and be reported by the parent
            self.failure = repr(failure)
        self.done.set()
        if self._screen:
            os.kill(os.getpid(), signal.SIGTERM)  # ends the screen as a trader's session manager would


async def floor(followers: int, rounds: int) -> list[float]:
    """Milliseconds to write one order to each of `followers` prebuilt sockets, every 100 ms."""
    sink = socket.create_server(("127.0.0.1", 0), backlog=followers + 8)
    threading.Thread(target=_drain, args=(sink, followers), daemon=True).start()
    loop = asyncio.get_running_loop()
    transports: list[asyncio.WriteTransport] = []
    for _ in range(followers):
        transport, _protocol = await loop.create_connection(asyncio.Protocol, *sink.getsockname())
        transports.append(transport)
    samples: list[float] = []
    for _ in range(rounds):
        await asyncio.sleep(_EVERY_S)
        started = time.perf_counter()
        for transport in transports:
            transport.write(_ORDER_BYTES)
        samples.append((time.perf_counter() - started) * 1000)
    for transport in transports:
        transport.close()
    sink.close()
    return samples


def _drain(sink: socket.socket, followers: int) -> None:
    selector = selectors.DefaultSelector()
    for _ in range(followers):
        peer, _ = sink.accept()
        selector.register(peer, selectors.EVENT_READ)
    left = followers
    while left:
        for key, _ in selector.select():
            peer: Any = key.fileobj
            if not peer.recv(65536):
                selector.unregister(peer)
                peer.close()
                left -= 1


async def samples_of(settings: Settings) -> dict[str, list[float]]:
    """Milliseconds of each signal: to the last order sent, and its stages, from the journal."""
    store = await Store.open(settings, SYSTEM_CLOCK)
    try:
        pairs = await store.recent_copies(1_000_000)
    finally:
        await store.close()
    signals: dict[str, list[Any]] = {}
    for _, copy in pairs:
        if copy.sent_ns:
            signals.setdefault(copy.signal_id, []).append(copy)
    ordered = sorted(signals.values(), key=lambda copies: copies[0].received_ns)[_WARM_UP:]
    return {
        "fanout": [(max(c.sent_ns for c in copies) - copies[0].received_ns) / 1e6 for copies in ordered],
        "decide": [(copies[0].decided_ns - copies[0].received_ns) / 1e6 for copies in ordered],
        "journal": [(copies[0].journaled_ns - copies[0].decided_ns) / 1e6 for copies in ordered],
        "send": [(max(c.sent_ns for c in copies) - copies[0].journaled_ns) / 1e6 for copies in ordered],
        "orders": [float(len(copies)) for copies in ordered],
    }


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--followers", type=int, required=True)
    arguments.add_argument("--signals", type=int, required=True)
    arguments.add_argument("--folder", type=Path, required=True)
    arguments.add_argument("--no-screen", action="store_true")
    chosen = arguments.parse_args()
    followers: int = chosen.followers
    settings = Settings(state_dir=chosen.folder / "state", desk="bench", chart_symbol=SYMBOL, requests_per_min=100_000)
    sandbox = Sandbox(
        chosen.folder,
        *("--logins", str(followers // 5), "--accounts-per-login", "5", "--requests-per-min", "1000000"),
        *("--leader-script", "off", "--speed", "1"),
    )
    try:
        asyncio.run(
            set_up(
                settings,
                sandbox.ready,
                rules=lambda accounts: [FollowerConfig(account=account, group=GROUP) for account in accounts],
                requests_per_min=100_000,
            )
        )
        engine = EngineThread(settings)
        seat = engine.start()
        driver = Driver(sandbox, engine, seat, signals=chosen.signals, followers=followers, screen=not chosen.no_screen)
        driver.start()
        try:
            if chosen.no_screen:
                settle()
                driver.go.set()
                driver.done.wait()
            else:
                sit(seat, after_first_paint=lambda: (settle(), driver.go.set()))
        finally:
            engine.stop()
        if driver.failure:
            raise click.ClickException(driver.failure)
        samples = asyncio.run(samples_of(settings))
        samples["floor"] = driver.floor_ms
        (chosen.folder / "samples.json").write_bytes(msgspec.json.encode(samples))
    finally:
        sandbox.stop()


if __name__ == "__main__":
    main()
