"""A feed of quotes for benchmarks: a process that sends records at a pace, and the end of it on the engine's loop.

`python -m tests.bench.quotes --port P --rate R` connects, and sends while it is told to: four in a hundred records are
trades, the rest changes of one of the best ten levels, of 80 symbols in turn. Each is stamped as it leaves.
"""

import argparse
import asyncio
import os
import socket
import subprocess
import sys
import time
from array import array
from random import Random
from typing import cast

from engine.market.market import Market
from engine.market.packing import RECORD, Kind

SYMBOLS = tuple(f"Q{number:02}H4" for number in range(80))
_PANES = 4  # symbols whose book, tape and candles somebody looks at; of the others a watchlist shows the top
_BEAT_S = 0.001
_PREPARED = 40_000
_TRADES_IN_A_HUNDRED = 4
_TICK = 0.25


class QuoteFeed(asyncio.Protocol):
    """Takes what the process sends into a market, whole records at a time."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.taken = 0
        self.unseen_ns = array("q")
        """When the records left that no frame has shown yet; kept while `aged`."""
        self.aged = False
        self._rest = b""
        self._transport: asyncio.Transport | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._up = asyncio.Event()

    async def open(self, rate: int) -> None:
        """Follow the symbols and start the process, which waits for `go`."""
        numbers = [self.market.follow(name, source="bench", tick_size=_TICK) for name in SYMBOLS]
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: self, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        arguments = ["--port", str(port), "--rate", str(rate), "--first", str(numbers[0])]
        self._process = await asyncio.to_thread(
            subprocess.Popen, [sys.executable, "-m", "tests.bench.quotes", *arguments]
        )
        await asyncio.wait_for(self._up.wait(), 30)
        server.close()

    def go(self, on: bool) -> None:
        assert self._transport is not None
        self._transport.write(b"1" if on else b"0")

    async def close(self) -> None:
        assert self._transport is not None and self._process is not None
        self._transport.close()
        await asyncio.to_thread(self._process.wait, 10)

    def show(self) -> None:
        """What the panes of one frame ask for."""
        now_ns = time.time_ns()
        changed = self.market.frame()
        for symbol in changed:
            self.market.top(symbol)
        for symbol in SYMBOLS[:_PANES]:
            self.market.book(symbol)
            self.market.tape(symbol)
            self.market.session(symbol)
            for chart_symbol, interval in self.market.watched():
                if chart_symbol == symbol:
                    self.market.chart(symbol, interval, now_ns, indicators=("ema:20", "vwap"))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own does not say that it is one
        self._up.set()

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        whole = len(data) // RECORD.size * RECORD.size
        self._rest = data[whole:]
        records = memoryview(data)[:whole]
        self.market.batch(records)
        self.taken += whole // RECORD.size
        if self.aged:
            self.unseen_ns.extend(records.cast("q")[1 :: RECORD.size // 8])


def _prepare(random: Random, first: int) -> bytearray:
    """A stretch of records that can be sent over and over: at its end every market is where it began."""
    made = bytearray()
    for number in range(_PREPARED):
        symbol = number % len(SYMBOLS)
        side = random.choice((1, 2))
        middle = 20_000 + 40 * symbol
        away = random.randint(1, 10) * (1 if side == 2 else -1)
        trade = random.randrange(100) < _TRADES_IN_A_HUNDRED
        price = (middle + (random.choice((-1, 1)) if trade else away)) * _TICK
        kind = Kind.TRADE if trade else Kind.LEVEL
        made += RECORD.pack(0, 0, 0, 0, price, float(random.randint(1, 90)), first + symbol, kind, side, 0)
    return made


def main() -> None:
    arguments = argparse.ArgumentParser()
    for name in ("--port", "--rate", "--first"):
        arguments.add_argument(name, type=int, required=True)
    chosen = arguments.parse_args()
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))  # the market is another machine in life
    prepared = _prepare(Random(5), chosen.first)
    link = socket.create_connection(("127.0.0.1", chosen.port))
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    words, width = memoryview(prepared).cast("q"), RECORD.size // 8
    at = owed = 0.0
    while said := link.recv(1):
        if said == b"0":
            continue
        started, sent = time.monotonic(), 0
        link.setblocking(False)
        while True:
            try:
                said = link.recv(1)
                break
            except BlockingIOError:
                pass
            owed = min((time.monotonic() - started) * chosen.rate - sent, chosen.rate / 10)
            count = min(int(owed), _PREPARED - int(at))
            if count:
                stamps = memoryview(array("q", [time.time_ns()]) * count)
                begin = int(at) * width
                words[begin : begin + count * width : width] = stamps
                words[begin + 1 : begin + 1 + count * width : width] = stamps
                link.setblocking(True)
                link.sendall(memoryview(prepared)[int(at) * RECORD.size : (int(at) + count) * RECORD.size])
                link.setblocking(False)
                at, sent = (at + count) % _PREPARED, sent + count
            time.sleep(_BEAT_S)
        link.setblocking(True)
        if not said:
            return


if __name__ == "__main__":
    main()
