"""A whole desk draws the market: its logins' candles from the sandbox's tape, and a feed's beside them."""

from pathlib import Path

from engine.desk import Desk
from engine.seat import Candles, Topic
from schema.market import Interval
from tests.engine.market.telling import Teller
from tests.practice import SYMBOL, practice, until


def candles_of(desk: Desk) -> Candles:
    (row,) = desk.view(Topic.CANDLES).rows
    assert isinstance(row, Candles)
    return row


async def test_a_tape_at_the_sandbox_draws_the_desks_candles(state_dir: Path, tape: Path) -> None:
    async with practice(state_dir, "--tape", str(tape), "--speed", "60") as on:
        await until(lambda: bool(on.desk.view(Topic.CANDLES).rows) and len(candles_of(on.desk).bars) >= 3, 20)
        await until(lambda: candles_of(on.desk).badge == "live", 10)
        shown = candles_of(on.desk)
        assert (shown.symbol, shown.interval_s, shown.interval, shown.gaps) == (SYMBOL, 60, "1m", ())
        starts = [bar.start_ns for bar in shown.bars]
        assert starts == sorted(set(starts))
        assert all(bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high for bar in shown.bars)
        assert 4_790 < shown.last < 4_820 and on.desk.market.mark(SYMBOL) > 0


async def test_a_feed_on_the_desks_loop_draws_the_chart_of_a_symbol_that_it_tells_of(state_dir: Path) -> None:
    async with practice(state_dir, chart_symbol=None) as on:
        market = on.desk.market
        market.symbol = "NQH4"
        market.watch("NQH4", Interval.parse("1m"))
        feed = Teller(market, "NQH4")
        feed.at_ns = on.desk.core.now_ns  # as live as the desk is
        await until(lambda: bool(on.desk.view(Topic.CANDLES).rows) and candles_of(on.desk).badge == "loading", 5)
        feed.snapshot(bids=((17_000.0, 3),), asks=((17_000.25, 4),))
        feed.trade(17_000.25, 2)
        await until(lambda: bool(candles_of(on.desk).bars), 5)
        shown = candles_of(on.desk)
        assert (shown.last, shown.bars[-1].volume, shown.badge) == (17_000.25, 2, "live")
