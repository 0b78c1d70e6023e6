"""One desk under its real screen, timed: run by `tests/bench/fanout.py` in a pty, writes its samples to a file.

The leader trades every 100 ms (`--every`) at market from another front end; the desk copies to N followers on logins
of five; each sample is leader's fill read from the socket -> last order's bytes at the socket, the journal's commit
included. With `--load` so many quotes a second come in on the engine's loop during every second block of trades, so
that those with and those without them see the same machine. Then, under the same painting screen, on the same loop and
at the same pace, the floor: the same bytes on as many prebuilt sockets. Only the warm-up is left out. The venue's
process is scheduled as a batch job (see `main`).
"""

import argparse
import asyncio
import os
import selectors
import signal
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import click
import msgspec

from brokers.tradovate import wire
from brokers.tradovate.translate import place_body
from engine.collector import settle
from engine.desk import TICK_S, Desk
from engine.seat import StatusRow, Topic
from engine.thread import EngineThread, ThreadSeat
from schema.clock import SYSTEM_CLOCK
from schema.market import Interval
from schema.records import ApprovedOrder, Copy, FollowerConfig, OrderType, Side, SignalKind
from schema.settings import Settings
from schema.store import Store
from tests.bench.quotes import SYMBOLS, QuoteFeed
from tests.practice import LEADER, SYMBOL
from tui.demo import GROUP, Sandbox, set_up
from tui.sit import sit

_PER_LOGIN = 5
_EVERY_S = 0.1
_WARM_UP = 20
_FLOOR_ROUNDS = 100
_BLOCK = 20  # trades with the quotes on, and with them off
_WEBSOCKET_HEADER = b"\x81\xfe\x01\x14\x00\x00\x00\x00"


class Driver(threading.Thread):
    """Makes the leader trade, then measures the floor and the publishing, then ends the screen."""

    def __init__(
        self,
        sandbox: Sandbox,
        engine: EngineThread,
        seat: ThreadSeat,
        *,
        signals: int,
        followers: int,
        screen: bool,
        every_s: float,
        load: int,
    ) -> None:
        super().__init__(name="driver", daemon=True)
        self._load = load
        self._feed: QuoteFeed | None = None
        self.loaded_ns: list[tuple[int, int]] = []  # when the quotes were on
        self._sandbox = sandbox
        self._engine = engine
        self._seat = seat
        self._signals = _WARM_UP + signals
        self._rounds = min(signals, _FLOOR_ROUNDS)
        self._followers = followers
        self._screen = screen
        self._every_s = every_s
        self.go = threading.Event()
        self.done = threading.Event()
        self.floor_ms: list[float] = []
        self.publish_ms: list[float] = []
        self.arrived_ns: dict[str, int] = {}
        self.failure = ""
        self.quotes_per_s = 0.0

    def run(self) -> None:
        self.go.wait(30)
        try:
            time.sleep(1)  # the first readings after the start are over
            if self._load:
                self._on_loop(self._open_feed())
            self._trade()
            if self._feed is not None:
                self._on_loop(self._feed.close())
                lasted_s = sum(until_ns - since_ns for since_ns, until_ns in self.loaded_ns) / 1e9
                self.quotes_per_s = self._feed.taken / lasted_s
            assert self._engine.desk is not None
            loop, desk = self._engine.loop, self._engine.desk
            self.publish_ms = asyncio.run_coroutine_threadsafe(publish(desk, self._rounds), loop).result(120)
            self.floor_ms = asyncio.run_coroutine_threadsafe(floor(self._followers, self._rounds), loop).result(120)
            received = self._sandbox.control.order("state")["received"]
            self.arrived_ns = {each["cl_ord_id"]: each["arrived_ns"] for each in received if each["cl_ord_id"]}
        except Exception as failure:  # noqa: BLE001 - any failure must end the screen and be reported by the parent
            self.failure = repr(failure)
        self.done.set()
        if self._screen:
            os.kill(os.getpid(), signal.SIGTERM)  # ends the screen as a trader's session manager would

    def _trade(self) -> None:
        for number in range(self._signals):
            if self._feed is not None and number >= _WARM_UP and (number - _WARM_UP) % _BLOCK == 0:
                self._switch(on=(number - _WARM_UP) // _BLOCK % 2 == 1)
            due = time.monotonic() + self._every_s
            side = "sell" if number % 2 else "buy"
            self._sandbox.control.order("trade", account=LEADER, symbol=SYMBOL, side=side, qty=1)
            time.sleep(max(0.0, due - time.monotonic()))
        if self._feed is not None:
            self._switch(on=False)
        ends = time.monotonic() + 20
        while time.monotonic() < ends:
            row = self._seat.view(Topic.STATUS).rows[0]
            assert isinstance(row, StatusRow)
            if row.copied == self._signals * self._followers:
                return
            time.sleep(0.05)
        raise RuntimeError(
            f"{row.copied} of {self._signals * self._followers} orders were copied: {row.signals} signals, "
            f"{row.skipped} skipped, {row.rejected} rejected, {row.expired} expired, {row.unknown} unknown"
        )

    async def _open_feed(self) -> None:
        assert self._engine.desk is not None
        self._feed = QuoteFeed(self._engine.desk.market)
        await self._feed.open(self._load)
        for symbol in SYMBOLS:
            self._feed.market.watch(symbol, Interval.parse("1m"))

    def _switch(self, *, on: bool) -> None:
        assert self._feed is not None
        self._engine.loop.call_soon_threadsafe(self._feed.go, on)
        now_ns = SYSTEM_CLOCK.now_ns()
        if on:
            self._showing = asyncio.run_coroutine_threadsafe(self._show(self._feed), self._engine.loop)
            self.loaded_ns.append((now_ns, 0))
        elif self.loaded_ns and not self.loaded_ns[-1][1]:
            self.loaded_ns[-1] = (self.loaded_ns[-1][0], now_ns)
            self._showing.cancel()
        time.sleep(5 * _EVERY_S)  # it is on, or over

    async def _show(self, feed: QuoteFeed) -> None:
        """The panes' snapshots, at the desk's frame rate."""
        while True:
            feed.show()
            await asyncio.sleep(TICK_S)

    def _on_loop(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._engine.loop).result(60)


async def publish(desk: Desk, rounds: int) -> list[float]:
    """Milliseconds of one publishing after every order and copy on the screen's lists changed hands once more."""
    samples: list[float] = []
    for _ in range(rounds):
        await asyncio.sleep(_EVERY_S)
        desk.core.seq += 1  # something happened: nothing may be taken over from the last publishing
        for kept in list(desk.core.recent.values())[-2 * len(desk.core.followers) :]:
            desk.views.copy_changed(*kept)
        started = time.perf_counter()
        desk.views.publish(SYSTEM_CLOCK.now_ns())
        samples.append((time.perf_counter() - started) * 1000)
    return samples


async def floor(followers: int, rounds: int) -> list[float]:
    """Milliseconds to write the orders of `followers` accounts to prebuilt sockets, one for each login."""
    logins = followers // _PER_LOGIN
    sink = socket.create_server(("127.0.0.1", 0), backlog=logins + 8)
    threading.Thread(target=_drain, args=(sink, logins), daemon=True).start()
    loop = asyncio.get_running_loop()
    transports: list[asyncio.WriteTransport] = []
    for _ in range(logins):
        transport, _protocol = await loop.create_connection(asyncio.Protocol, *sink.getsockname())
        transports.append(transport)
    message = _order_bytes()
    samples: list[float] = []
    for _ in range(rounds):
        await asyncio.sleep(_EVERY_S)
        started = time.perf_counter()
        for transport in transports:
            for _ in range(_PER_LOGIN):
                transport.write(message)
        samples.append((time.perf_counter() - started) * 1000)
    for transport in transports:
        transport.close()
    sink.close()
    return samples


def _order_bytes() -> bytes:
    order = ApprovedOrder(
        account="DEMO1001",
        venue_account_id="1001",
        symbol=SYMBOL,
        side=Side.BUY,
        qty=1,
        order_type=OrderType.MARKET,
        cl_ord_id="cd0123456789abcdef0123",
        reducing=False,
    )
    body = wire.encode(place_body(order, 1001))
    return _WEBSOCKET_HEADER + wire.request_frame("order/placeorder", 1234, body=body)


def _drain(sink: socket.socket, peers: int) -> None:
    selector = selectors.DefaultSelector()
    for _ in range(peers):
        peer, _ = sink.accept()
        selector.register(peer, selectors.EVENT_READ)
    left = peers
    while left:
        for key, _ in selector.select():
            peer: Any = key.fileobj
            if not peer.recv(65536):
                selector.unregister(peer)
                peer.close()
                left -= 1


async def samples_of(
    settings: Settings, followers: int, arrived_ns: dict[str, int], loaded_ns: list[tuple[int, int]]
) -> dict[str, list[float]]:
    """Milliseconds of each signal from the leader's fill to the last of its orders, and the stages, from the journal;
    `arrived_ns` is when the venue read each order (its clock counts as ours does). Signals that came while quotes did
    (`loaded_ns`) are apart, as `loaded`."""
    store = await Store.open(settings, SYSTEM_CLOCK)
    try:
        pairs = await store.recent_copies(1_000_000)
    finally:
        await store.close()
    signals: dict[str, list[Copy]] = defaultdict(list)
    for of, copy in pairs:
        if of.kind is SignalKind.LEADER_FILL:
            signals[copy.signal_id].append(copy)
    short = [copies for copies in signals.values() if sum(bool(copy.sent_ns) for copy in copies) != followers]
    if short:
        raise click.ClickException(f"{len(short)} of {len(signals)} signals did not go to every follower")
    everything = sorted(signals.values(), key=lambda copies: copies[0].received_ns)[_WARM_UP:]
    loaded, ordered = list[list[Copy]](), list[list[Copy]]()
    for copies in everything:
        under = any(since_ns <= copies[0].received_ns < until_ns for since_ns, until_ns in loaded_ns)
        (loaded if under else ordered).append(copies)
    return {
        "loaded": [(max(c.sent_ns for c in copies) - copies[0].received_ns) / 1e6 for copies in loaded],
        "fanout": [(max(c.sent_ns for c in copies) - copies[0].received_ns) / 1e6 for copies in ordered],
        "decide": [(copies[0].decided_ns - copies[0].received_ns) / 1e6 for copies in ordered],
        "journal": [(copies[0].journaled_ns - copies[0].decided_ns) / 1e6 for copies in ordered],
        "send": [(max(c.sent_ns for c in copies) - copies[0].journaled_ns) / 1e6 for copies in ordered],
        "arrived": [(max(arrived_ns[c.cl_ord_id] for c in cs) - cs[0].received_ns) / 1e6 for cs in ordered],
        "answered": [(max(c.acked_ns for c in copies) - copies[0].received_ns) / 1e6 for copies in ordered],
    }


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--followers", type=int, required=True)
    arguments.add_argument("--signals", type=int, required=True)
    arguments.add_argument("--folder", type=Path, required=True)
    arguments.add_argument("--every", type=float, default=_EVERY_S)
    arguments.add_argument("--no-screen", action="store_true")
    arguments.add_argument("--feed-speed", type=float, default=0.0)
    arguments.add_argument("--load", type=int, default=0)
    chosen = arguments.parse_args()
    followers: int = chosen.followers
    feed, feed_settings = _feed(chosen.folder, chosen.feed_speed)
    settings = Settings(
        state_dir=chosen.folder / "state",
        desk="bench",
        chart_symbol=SYMBOL,
        requests_per_min=100_000,
        **feed_settings,
    )
    sandbox = Sandbox(
        chosen.folder,
        *("--logins", str(followers // _PER_LOGIN), "--accounts-per-login", str(_PER_LOGIN)),
        *("--requests-per-min", "1000000", "--leader-script", "off", "--speed", "1"),
    )
    # The venue is another machine in life. Here, on two cores, each order would wake its process in the desk's place
    # (0.5 ms of every fan-out); as a batch job it preempts nobody when it wakes.
    os.sched_setscheduler(sandbox.pid, os.SCHED_BATCH, os.sched_param(0))
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
        driver = Driver(
            sandbox,
            engine,
            seat,
            signals=chosen.signals,
            followers=followers,
            screen=not chosen.no_screen,
            every_s=chosen.every,
            load=chosen.load,
        )
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
        samples = asyncio.run(samples_of(settings, followers, driver.arrived_ns, driver.loaded_ns))
        samples |= {"floor": driver.floor_ms, "publish": driver.publish_ms, "quotes_per_s": [driver.quotes_per_s]}
        (chosen.folder / "samples.json").write_bytes(msgspec.json.encode(samples))
    finally:
        sandbox.stop()
        if feed is not None:
            feed.stop()


def _feed(folder: Path, speed: float) -> tuple[Sandbox | None, dict[str, Any]]:
    """A venue of public market data at so many times the market's pace, and the settings that turn it on."""
    if not speed:
        return None, {}
    feed = Sandbox(folder, "--feed", "binance", "--speed", str(speed), "--leader-script", "off")
    os.sched_setscheduler(feed.pid, os.SCHED_BATCH, os.sched_param(0))
    at = feed.ready["venues"]["binance"]
    return feed, {
        "feeds": ("binance",),
        "binance_symbols": tuple(at["symbols"]),
        "binance_ws_url": at["ws"],
        "binance_rest_url": at["rest"],
    }


if __name__ == "__main__":
    main()
