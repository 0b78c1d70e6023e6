"""The recorded evening through the whole core: book, tape, candles, session figures; also with a line that breaks."""

import csv
import gzip
from collections import defaultdict
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from random import Random

import pytest

from brokers.feed import FeedDown
from engine.market.kernel import open_kernel, why_missing
from engine.market.market import Market
from engine.market.packing import pack
from engine.market.ports import Limits
from engine.market.tape_source import TapeSource
from schema.clock import SYSTEM_CLOCK
from schema.market import Interval, MarketEvent, SessionState, Trade
from schema.records import Bar

TICK = 0.25
MINUTE = Interval.parse("1m")
ROWS = 74_654


@cache
def rows_of(tape: Path) -> list[dict[str, str]]:
    with gzip.open(tape, "rt") as file:
        return list(csv.DictReader(file))


def minutes_of(tape: Path) -> list[Bar]:
    """One-minute candles by nothing but the text of the file."""
    minutes: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for row in rows_of(tape):
        if row["event"] == "trade":
            minutes[row["ts_utc"][:16]].append((float(row["price"]), int(row["size"])))
    bars: list[Bar] = []
    for minute, trades in minutes.items():
        prices = [price for price, _ in trades]
        start = datetime.strptime(minute, "%Y-%m-%dT%H:%M").replace(tzinfo=UTC)
        bars.append(
            Bar(
                symbol="ESH4",
                start_ns=int(start.timestamp()) * 1_000_000_000,
                open=prices[0],
                high=max(prices),
                low=min(prices),
                close=prices[-1],
                volume=sum(size for _, size in trades),
            )
        )
    return bars


async def play(market: Market, tape: Path, cuts: tuple[tuple[int, int], ...] = ()) -> TapeSource:
    source = TapeSource(tape, "ESH4", TICK, SYSTEM_CLOCK, cuts=cuts)
    await source.subscribe(["ESH4"])
    market.follow("ESH4", source="tape")
    market.watch("ESH4", MINUTE)
    await source.run(market.take)
    return source


def assert_whole(market: Market, tape: Path) -> None:
    """Everything at the end is what the file says, and nothing was held against it."""
    rows = rows_of(tape)
    sizes = [int(row["size"]) for row in rows if row["event"] == "trade"]
    book = market.book("ESH4", levels=20)
    assert book is not None and len(book.bids) == len(book.asks) == 20
    assert (book.bids[0].price, book.asks[0].price) == (4810.00, 4810.25)
    standing: dict[str, dict[float, int]] = {"bid": {}, "ask": {}}
    for row in rows:
        if row["event"] == "book":
            standing[row["side"]][float(row["price"])] = int(row["size"])
    bids = sorted(((p, s) for p, s in standing["bid"].items() if s), reverse=True)[:20]
    asks = sorted((p, s) for p, s in standing["ask"].items() if s)[:20]
    assert [(level.price, level.size) for level in book.bids] == bids
    assert [(level.price, level.size) for level in book.asks] == asks
    chart = market.chart("ESH4", MINUTE, SYSTEM_CLOCK.now_ns(), most=100)
    assert list(chart.bars) == minutes_of(tape)
    assert (chart.badge, chart.gaps, chart.partial) == ("live", (), ())
    session = market.session("ESH4")
    assert session is not None and session.state is SessionState.OPEN
    assert (session.trades, session.volume) == (len(sizes), sum(sizes)) == (2_973, sum(sizes))
    (truth,) = market.truth()
    assert (truth.trades, truth.lies, truth.held, truth.gaps, truth.missed) == (2_973, (), 0, 0, 0)


async def test_the_recorded_evening_stands_as_the_file_says(market: Market, tape: Path) -> None:
    source = await play(market, tape)
    assert_whole(market, tape)
    assert market.truth()[0].repeats == source.health().reconnects == 0
    session = market.session("ESH4")
    trades = [(float(r["price"]), int(r["size"])) for r in rows_of(tape) if r["event"] == "trade"]
    assert session is not None
    assert session.vwap == pytest.approx(sum(p * s for p, s in trades) / sum(s for _, s in trades), rel=1e-12)
    assert (session.open, session.high, session.low, session.last) == (
        trades[0][0],
        max(p for p, _ in trades),
        min(p for p, _ in trades),
        trades[-1][0],
    )
    shown = market.tape("ESH4", most=1_000)
    assert shown is not None
    assert [(p.price, p.size) for p in reversed(shown.prints)] == [(p, float(s)) for p, s in trades[-1_000:]]


async def test_a_hundred_disconnects_lose_no_trade_and_double_none(market: Market, tape: Path) -> None:
    random = Random(4)
    starts = sorted(random.sample(range(9_000, ROWS - 200), 100))
    cuts = tuple(
        (at, random.randint(1, min(120, after - at - 1) if after - at > 1 else 1))
        for at, after in zip(starts, [*starts[1:], ROWS], strict=True)
        if after - at > 1
    )
    source = await play(market, tape, cuts)
    assert source.health().reconnects == len(cuts) >= 99
    assert_whole(market, tape)
    assert market.truth()[0].repeats >= 300  # every return tells up to five trades again


async def test_a_disconnect_at_the_auction_and_one_at_the_very_end_are_made_good(market: Market, tape: Path) -> None:
    first_trade = next(n for n, row in enumerate(rows_of(tape), 1) if row["event"] == "trade")
    source = await play(market, tape, ((first_trade - 3, 30), (ROWS - 40, 1_000)))
    assert source.health().reconnects == 2
    assert_whole(market, tape)


async def test_both_kernels_say_the_same_of_the_recorded_evening_bit_for_bit(tape: Path) -> None:
    if missing := why_missing():
        pytest.skip(f"there is no compiled kernel here: {missing}")
    records = bytearray()

    def keep(event: MarketEvent) -> None:
        records.extend(pack(event, 0, isinstance(event, Trade)))

    source = TapeSource(tape, "ESH4", TICK, SYSTEM_CLOCK)
    await source.subscribe(["ESH4"])
    await source.run(keep)
    said: list[object] = []
    for choice in ("compiled", "python"):
        kernel = open_kernel(choice, Limits())
        kernel.symbol(TICK, 1.0)
        series = [kernel.series(0, *each, 5_000) for each in ((1, 60 * 10**9), (2, 100), (3, 500), (4, 8))]
        kernel.apply(records)
        said.append(
            (
                kernel.stats(0),
                kernel.book(0, 1, 5_000),
                kernel.book(0, 2, 5_000),
                kernel.tape(0, 5_000),
                [kernel.candles(each, 0, 5_000) for each in series],
                kernel.refused(),
            )
        )
    assert said[0] == said[1]


async def test_a_symbol_that_the_tape_does_not_have_is_refused_by_name(tape: Path) -> None:
    with pytest.raises(FeedDown, match="NQH4: the tape"):
        await TapeSource(tape, "ESH4", TICK, SYSTEM_CLOCK).subscribe(["NQH4"])


async def test_a_file_that_is_no_tape_ends_the_feed_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    with gzip.open(path, "wt") as file:
        file.write("when,what\n")
    source = TapeSource(path, "ESH4", TICK, SYSTEM_CLOCK)
    with pytest.raises(FeedDown, match="must name the columns"):
        await source.run(lambda _: None)
    assert source.health().ws_state == "down"
