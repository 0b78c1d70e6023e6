"""Market data: what a storm of quotes costs the engine, and how old a quote is when a frame shows it.

Another process sends records over a socket; the engine's loop takes them through book, candles of every symbol and, at
the desk's frame rate, the snapshots that panes and a watchlist would ask for.
"""

import asyncio
import time

import uvloop

from engine.desk import TICK_S
from engine.market.kernel import Choice, open_kernel
from engine.market.market import Market
from schema.market import Interval
from tests.bench.figures import Measured
from tests.bench.quotes import SYMBOLS, QuoteFeed

RATE = 400_000
_CALM = 20_000
_FOR_S = 8


def measure() -> list[Measured]:
    figures: list[Measured] = []
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        name = open_kernel().name
        share, _ = runner.run(run("auto", RATE))
        figures.append(Measured(f"a core's share for {RATE:,} quotes/s, {name} kernel", "%", share))
        share, ages = runner.run(run("auto", _CALM))
        figures.append(Measured(f"age of a quote when a frame shows it, {_CALM:,} quotes/s", "ms", ages))
        share, _ = runner.run(run("python", _CALM))
        figures.append(Measured(f"a core's share for {_CALM:,} quotes/s, Python twin", "%", share))
    return figures


async def run(choice: Choice, rate: int, for_s: float = _FOR_S) -> tuple[list[float], list[float]]:
    """Per second the share of a core that so many quotes cost, in percent; and the age of each quote in the frame that
    first shows it, ms. A sender that the machine keeps from its pace is made up for: the cost is that of a quote."""
    market = Market(choice)
    for symbol in SYMBOLS:
        market.watch(symbol, Interval.parse("1m"))
    for text in ("1s", "500t", "1000v", "8r"):
        market.watch(SYMBOLS[0], Interval.parse(text))
    feed = QuoteFeed(market)
    await feed.open(rate)
    shares: list[float] = []
    ages: list[float] = []
    feed.go(True)
    await asyncio.sleep(1)
    feed.aged = rate <= _CALM
    ends, taken, used_s, second = time.monotonic() + for_s, feed.taken, time.process_time(), time.monotonic() + 1
    while time.monotonic() < ends:
        await asyncio.sleep(TICK_S)
        feed.show()
        now_ns = time.time_ns()
        ages += [(now_ns - at_ns) / 1e6 for at_ns in feed.unseen_ns]
        del feed.unseen_ns[:]
        if time.monotonic() >= second:
            if feed.taken > taken:
                shares.append((time.process_time() - used_s) / (feed.taken - taken) * rate * 100)
            taken, used_s, second = feed.taken, time.process_time(), time.monotonic() + 1
    feed.go(False)
    lies = [truth for truth in market.truth() if truth.lies]
    if lies or market.kernel.refused() or feed.taken < rate * for_s / 4:
        raise SystemExit(f"{feed.taken:,} quotes came of {rate * for_s:,.0f}; lies: {lies[:2]}")
    await feed.close()
    return shares, ages
