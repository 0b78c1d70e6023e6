"""The recorded ES evening three ways: candles built of stored trades, candles by SQL over them, candles by plain
arithmetic over the file - and the venue's own, from the practice venue's ProjectX door over a real socket."""

import csv
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from brokers.adapter import Credentials
from brokers.feed import FeedDown
from brokers.projectx.history import ProjectXHistory, logged_in
from brokers.recorded import RecordedHistory
from brokers.sandbox.server import desk_logins
from brokers.sandbox.settings import ProjectXSettings
from engine.backfill import Backfill
from engine.tickbars import differences
from schema.clock import SYSTEM_CLOCK, from_datetime
from schema.market import Interval, S
from schema.records import Bar, ConnectionConfig, Environment
from schema.store import Store
from schema.store_market import MarketStore
from tests.brokers.sandbox.projectx_client import ProjectXBench
from tests.brokers.sandbox.raw_client import running

MINUTE = Interval.parse("1m")
MINUTE_NS = 60 * S
OPENS_NS = from_datetime(datetime(2023, 12, 25, 23, tzinfo=UTC))
ENDS_NS = OPENS_NS + 60 * MINUTE_NS
BY_SQL = """
SELECT ts_ns - ts_ns % $1::bigint AS start_ns,
  (array_agg(price ORDER BY ts_ns, seq))[1], max(price), min(price),
  (array_agg(price ORDER BY ts_ns DESC, seq DESC))[1], sum(size)
FROM trades WHERE source = 'tape' AND symbol = 'ESH4' GROUP BY 1 ORDER BY 1
"""


def by_hand(path: Path, width_ns: int) -> list[Bar]:
    """Candles of the file's trades by plain arithmetic."""
    groups: dict[int, list[tuple[float, int]]] = {}
    with gzip.open(path, "rt") as file:
        for row in csv.DictReader(file):
            if row["event"] == "trade":
                whole = datetime.strptime(row["ts_utc"][:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
                at_ns = int(whole.timestamp()) * S + int(row["ts_utc"][20:-1])
                groups.setdefault(at_ns // width_ns * width_ns, []).append((float(row["price"]), int(row["size"])))
    return [
        Bar("ESH4", start_ns, p[0], max(p), min(p), p[-1], float(sum(size for _, size in trades)))
        for start_ns, trades in sorted(groups.items())
        for p in [[price for price, _ in trades]]
    ]


@pytest.mark.parametrize("interval", ["1m", "5m", "15s", "1h"])
async def test_candles_built_of_the_tapes_trades_are_those_of_sql_and_of_plain_arithmetic(
    market: MarketStore, store: Store, tape: Path, interval: str
) -> None:
    of = Interval.parse(interval)
    filling = Backfill(RecordedHistory(tape), market, SYSTEM_CLOCK)
    done = await filling.trades("ESH4", OPENS_NS, ENDS_NS)
    assert done.changed == done.rows == 2_973
    built = await filling.build("ESH4", of, OPENS_NS, ENDS_NS)
    kept = await market.bars("tape", "ESH4", of, limit=10**6)
    async with store.reading() as session:
        rows = await session.fetch(BY_SQL, of.count * S)
    assert kept == tuple(Bar("ESH4", *(row[place] for place in range(6))) for row in rows)
    assert kept == tuple(by_hand(tape, of.count * S))
    assert built.candles == len(kept) > 0 and built.compared == 0
    with pytest.raises(FeedDown, match="holds trades and no candles"):
        await filling.bars("ESH4", of, OPENS_NS, ENDS_NS)


@asynccontextmanager
async def played(tape: Path, folder: Path, **limits: Any) -> AsyncIterator[ProjectXHistory]:
    """The history of a login at a practice venue that has played the tape to its end."""
    options = {
        "logins": desk_logins(2, 2, ("projectx",)),
        "projectx": ProjectXSettings(**{"requests": 0, "bars": 0, **limits}),
        "tape": tape,
    }
    async with running(folder, options) as bench:
        playing = bench.sandbox.market
        playing.advance(ENDS_NS + S // 5 - playing.now_ns)
        at = ProjectXBench(bench)
        config = ConnectionConfig(
            connection="desk1",
            venue="projectx",
            environment=Environment.DEMO,
            username="desk1",
            rest_url=at.door["rest"],
        )
        secret = Credentials(username="desk1", password=at.login_of("desk1")["password"])
        async with logged_in(config, secret, SYSTEM_CLOCK) as history:
            yield history


async def test_the_venues_own_candles_of_the_tape_are_those_of_its_trades(
    market: MarketStore, tape: Path, tmp_path: Path
) -> None:
    async with played(tape, tmp_path) as history:
        filling = Backfill(history, market, SYSTEM_CLOCK)
        done = await filling.bars("ESH4", MINUTE, OPENS_NS, ENDS_NS)
        assert done.changed == done.rows == 60
        assert (await filling.bars("ESH4", MINUTE, OPENS_NS, ENDS_NS)).asked == ()
        five = await filling.bars("ESH4", Interval.parse("5m"), OPENS_NS, ENDS_NS)
        assert five.rows == 12
        with pytest.raises(FeedDown, match=r"symbol: .* has no contract ESZ9"):
            await filling.bars("ESZ9", MINUTE, OPENS_NS, ENDS_NS)
        with pytest.raises(FeedDown, match=r"interval: .* has no candles of 500t"):
            await filling.bars("ESH4", Interval.parse("500t"), OPENS_NS, ENDS_NS)
        with pytest.raises(FeedDown, match="tells no trades of the past"):
            await filling.trades("ESH4", OPENS_NS, ENDS_NS)
    theirs = await market.bars("projectx", "ESH4", MINUTE, limit=10**6)
    assert differences(theirs, by_hand(tape, MINUTE_NS)) == ()
    assert theirs == tuple(by_hand(tape, MINUTE_NS))
    fives = await market.bars("projectx", "ESH4", Interval.parse("5m"), limit=10**6)
    assert fives == tuple(by_hand(tape, 5 * MINUTE_NS))


async def test_a_history_that_asks_too_often_waits_for_its_turn(
    market: MarketStore, tape: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The venue allows eight requests for candles a second and says 429 to more; every window is told all the same."""
    monkeypatch.setattr("brokers.projectx.history._PAGE", 4)
    monkeypatch.setattr("brokers.projectx.history._PER_MIN", 10_000)
    async with played(tape, tmp_path, bars=8, bars_window_s=1.0) as history:
        began_ns = SYSTEM_CLOCK.now_ns()
        done = await Backfill(history, market, SYSTEM_CLOCK).bars("ESH4", MINUTE, OPENS_NS, ENDS_NS)
        assert SYSTEM_CLOCK.now_ns() - began_ns > S
    assert (done.rows, done.pages) == (60, 15)
    assert len(await market.bars("projectx", "ESH4", MINUTE, limit=99)) == 60


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("time,price\n", "line 1: can't be read .its columns are not"),
        ("ts_utc,event,side,price,size\n2023-12-25T23:00:00.5Z,trade,buy,4800\n", "line 2"),
        ("ts_utc,event,side,price,size\n2023-12-25T23:00:00.5Z,trade,up,4800,1\n", "line 2: can't be read .'up'"),
    ],
)
async def test_a_file_that_is_no_recording_is_named_with_its_line(
    market: MarketStore, tmp_path: Path, text: str, wrong: str
) -> None:
    path = tmp_path / "t.csv.gz"
    with gzip.open(path, "wt") as file:
        file.write(text)
    with pytest.raises(FeedDown, match=wrong):
        await Backfill(RecordedHistory(path), market, SYSTEM_CLOCK).trades("ESH4", OPENS_NS, ENDS_NS)
