"""Local programs that listen to the market at the desk's door: thousands of sockets, each told of one symbol.

A real desk, whose own tick takes the market's frames; the listeners are two processes of their own
(`python -m tests.bench.subscribers SOCKET COUNT FIRST`), which report how old each quote was when it was read: from the
moment the desk had it, the wait for its tick included. Both clocks are this machine's. Afterwards the door must hold
exactly what it held before.
"""

import asyncio
import json
import resource
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvloop

from engine import seat_wire as wire
from engine.desk import Desk
from engine.door import Door
from engine.latency import percentile
from engine.market.market import Market
from engine.remote import Link, connect
from engine.seat_wire import MarketKind, SeatRole
from engine.thread import ThreadSeat
from schema.clock import SYSTEM_CLOCK
from schema.market import QuoteChanged, SymbolListed
from schema.records import Quote
from tests.bench.figures import Measured
from tests.practice import practice, sockets_at, until

SUBSCRIBERS, MESSAGES_PER_S, SECONDS = 5_000, 14_000, 10
BAR_MS = 450.0
_SYMBOLS = tuple(f"Q{number:02}USDT" for number in range(50))
_PROCESSES = 2
_WARM_UP_S = 1.0
_CLOCK_MS = 2**20  # when a quote came travels as its size, so many milliseconds at most


def measure() -> list[Measured]:
    with (
        tempfile.TemporaryDirectory(prefix="copydesk-bench-") as name,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        ages = runner.run(_measure(Path(name)))
    name = f"quote to read, {SUBSCRIBERS:,} listeners, {len(ages) / SECONDS:,.0f} messages/s"
    if len(ages) < 0.95 * MESSAGES_PER_S * SECONDS or percentile(sorted(ages), 99) > BAR_MS:
        raise SystemExit(f"{name}: p99 {percentile(sorted(ages), 99):.0f} ms, the bar is {BAR_MS:.0f} ms at 14,000")
    return [Measured(name, "ms", ages)]


async def _measure(folder: Path) -> list[float]:
    folder.chmod(0o711)
    async with practice(folder / "state") as at:
        return await run(at.desk, folder / "state", SUBSCRIBERS, MESSAGES_PER_S, SECONDS)


async def run(desk: Desk, state_dir: Path, subscribers: int, messages_per_s: float, seconds: float) -> list[float]:
    """Age of each quote when it was read (ms)."""
    list_symbols(desk.market)
    async with opened(desk, state_dir) as door:
        nothing = door.counts()
        assert sockets_at(door.path) == 1 and nothing.seats == nothing.subscriptions == nothing.wanted == 0
        async with listeners(door.path, subscribers) as children:
            sat = door.counts()
            assert sockets_at(door.path) == 1 + subscribers
            assert (sat.seats, sat.subscriptions, sat.wanted) == (subscribers, subscribers, len(_SYMBOLS)), sat
            await quote(desk.market, messages_per_s / subscribers, _WARM_UP_S)
            say(children, b"measure\n")
            await quote(desk.market, messages_per_s / subscribers, seconds)
            ages = [age for said in await ask(children, b"tell\n") for age in json.loads(said)]
        await until(lambda: door.counts() == nothing, 10)
        await until(lambda: sockets_at(door.path) == 1, 10)
        assert not desk.tap.wanted
    return ages


@asynccontextmanager
async def opened(desk: Desk, state_dir: Path) -> AsyncIterator[Door]:
    """The desk's door, as `engine/thread.py` opens it."""
    door = Door(state_dir, "bench", ThreadSeat(desk, asyncio.get_running_loop()), desk.tap)
    door.start()
    try:
        await until(lambda: door.counts().tasks == 4, 5)  # its own, all begun
        yield door
    finally:
        await asyncio.to_thread(door.stop)


@asynccontextmanager
async def listeners(path: Path, count: int) -> AsyncIterator[list[Process]]:
    """The processes of so many, all of them listening; that none was dropped is asserted at the end."""
    children: list[Process] = []
    try:
        for number in range(_PROCESSES):
            each = count // _PROCESSES
            arguments = (str(path), str(each), str(number * each))
            children.append(
                await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "tests.bench.subscribers", *arguments),
                    stdin=PIPE,
                    stdout=PIPE,
                    limit=2**27,
                )
            )
        assert await ask(children, b"") == [b"listening\n"] * _PROCESSES
        yield children
        assert await ask(children, b"end\n") == [b"nobody was dropped\n"] * _PROCESSES
        assert [await asyncio.wait_for(child.wait(), 60) for child in children] == [0] * _PROCESSES
    finally:
        for child in children:
            if child.returncode is None:
                child.kill()


def say(children: list[Process], word: bytes) -> None:
    for child in children:
        assert child.stdin is not None
        child.stdin.write(word)


async def ask(children: list[Process], word: bytes) -> list[bytes]:
    """Say something to each, and hear what each answers."""
    say(children, word)
    answers: list[bytes] = []
    for child in children:
        assert child.stdout is not None
        answers.append(await asyncio.wait_for(child.stdout.readline(), 60))
    return answers


def list_symbols(market: Market) -> None:
    for symbol in _SYMBOLS:
        market.take(SymbolListed(source="bench", symbol=symbol, ts_ns=1, received_ns=1, tick_size=0.25, size_step=1.0))


async def quote(market: Market, times_per_s: float, seconds: float) -> None:
    """Change each symbol's quote so many times a second; each change is one message to each who listens to it."""
    loop = asyncio.get_running_loop()
    started, done = loop.time(), 0
    while (passed := loop.time() - started) < seconds:
        for number in range(done, int(passed * times_per_s * len(_SYMBOLS))):
            now_ns, symbol = SYSTEM_CLOCK.now_ns(), _SYMBOLS[number % len(_SYMBOLS)]
            bid = 100.0 + number // len(_SYMBOLS) % 50
            market.take(
                QuoteChanged(
                    source="bench",
                    symbol=symbol,
                    ts_ns=now_ns,
                    received_ns=now_ns,
                    bid=bid,
                    bid_size=1.0 + now_ns // 1_000_000 % _CLOCK_MS,
                    ask=bid + 0.25,
                    ask_size=5.0,
                )
            )
            done = number + 1
        await asyncio.sleep(0.005)


# --- a process that listens ---------------------------------------------------------------------------------------


async def listen(path: Path, count: int, first: int) -> None:
    ages: list[float] = []
    told = 0
    measuring = False

    def heard(message: wire.FromDesk) -> None:
        nonlocal told
        if isinstance(message, wire.Told):
            told += 1
            shown = wire.decode_shown(message)
            if measuring and isinstance(shown, Quote) and shown.bid_size is not None:
                ages.append((time.time_ns() / 1e6 - (shown.bid_size - 1.0)) % _CLOCK_MS)

    hello = wire.Hello(wire.VERSION, SeatRole.VIEWER)
    links: list[Link] = []
    for number in range(first, first + count):
        link = await connect(path, hello, heard)
        link.say(wire.Listen(MarketKind.QUOTE, (_SYMBOLS[number % len(_SYMBOLS)],)))
        links.append(link)
    await until(lambda: told >= count, 60)
    print("listening", flush=True)
    while (word := await asyncio.to_thread(sys.stdin.readline)) != "end\n":
        measuring = word == "measure\n"
        if not measuring:
            print(json.dumps(ages), flush=True)
    assert not any(link.ended.done() for link in links), "a listener was dropped"
    print("nobody was dropped", flush=True)


if __name__ == "__main__":
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as _runner:
        _runner.run(listen(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
