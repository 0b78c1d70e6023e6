"""Which contract the chart, the ladder and the tape show: the first that a leader trades, then what a trader chose."""

from pathlib import Path

import pytest

from engine.market.shown import BookShown, TapeShown
from engine.seat import Candles, CommandRefused, Topic
from tests.practice import SYMBOL, PracticeDesk, practice, until

MICRO = f"M{SYMBOL}"


def charted(on: PracticeDesk) -> Candles:
    (row,) = on.desk.view(Topic.CANDLES).rows or (
        Candles(symbol="", interval_s=60, bars=(), last=0.0, badge="loading"),
    )
    assert isinstance(row, Candles)
    return row


def shows(on: PracticeDesk, symbol: str) -> bool:
    """Candles of it, a book of it and a tape of it."""
    books = [row.symbol for row in on.desk.view(Topic.DEPTH).rows if isinstance(row, BookShown) and row.bids]
    tapes = [row.symbol for row in on.desk.view(Topic.TAPE).rows if isinstance(row, TapeShown)]
    found = charted(on)
    return found.symbol == symbol and len(found.bars) > 1 and books == tapes == [symbol]


async def test_without_a_setting_the_chart_is_of_what_the_leader_trades(state_dir: Path) -> None:
    async with practice(state_dir, keep_market=True, chart_symbol=None) as on:
        assert charted(on).symbol == ""
        await on.leader(2)
        await until(lambda: shows(on, SYMBOL), 10)
        await on.promise_holds()


async def test_a_trader_has_another_contract_charted_and_goes_back_to_all_of_the_first(state_dir: Path) -> None:
    async with practice(state_dir, keep_market=True) as on:
        await until(lambda: shows(on, SYMBOL), 10)
        before = len(charted(on).bars)
        assert await on.desk.chart(MICRO.lower()) == f"The chart, the ladder and the tape show {MICRO}."
        await until(lambda: shows(on, MICRO), 10)
        await on.leader(1)
        await on.desk.chart(SYMBOL)
        await until(lambda: shows(on, SYMBOL), 1)
        assert len(charted(on).bars) >= before
        with pytest.raises(CommandRefused, match=r"^symbol: 'GOLD' is not a contract"):
            await on.desk.chart("gold")
        with pytest.raises(CommandRefused, match=r"^symbol: \S+ does not know CLZ6"):
            await on.desk.chart("CLZ6")
        assert charted(on).symbol == SYMBOL
        await on.promise_holds()
