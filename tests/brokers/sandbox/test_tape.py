"""The recorded market, played without waiting."""

import gzip
import itertools
from pathlib import Path

import pytest

from brokers.sandbox.instruments import Catalogue
from brokers.sandbox.market_tape import TapeMarket, TapeUnreadable, read_tape
from brokers.sandbox.order_flow import Print
from brokers.sandbox.venue import Venue
from schema.clock import SYSTEM_CLOCK

HEADER = "ts_utc,event,side,price,size\n"
DAY = "2023-12-25T"


def write(path: Path, *rows: str, header: str = HEADER) -> Path:
    with gzip.open(path, "wt") as file:
        file.write(header + "".join(f"{row}\n" for row in rows))
    return path


def opened(path: Path) -> tuple[TapeMarket, Venue, list[Print]]:
    catalogue, ids, prints = Catalogue(), itertools.count(1), list[Print]()
    venue = Venue(catalogue, SYSTEM_CLOCK, lambda: next(ids))
    venue.prints = prints.append
    market = TapeMarket(path, catalogue.fronts)
    market.open(venue)
    return market, venue, prints


def test_the_recorded_evening_ends_where_it_ended_with_every_trade_played(tape: Path) -> None:
    rows = list(read_tape(tape, 0.25))
    trades = [row for row in rows if row.trade]
    market, venue, prints = opened(tape)
    assert abs(market.now_ns - trades[0].at_ns) < 1_000_000_000
    market.advance(rows[-1].at_ns - market.now_ns)
    for contract in venue.catalogue.fronts:
        book = venue.books[contract.contract_id]
        best = [contract.price(book.best_market(sign) or 0) for sign in (1, -1)]
        assert [str(price) for price in best] == ["4810.00", "4810.25"]
        played = [(p.ticks, p.qty, p.aggressor) for p in prints if p.contract is contract]
        assert played == [(row.ticks, row.size, row.sign) for row in trades]
    assert market.trades == len(trades) == 2_973
    market.advance(1_000_000_000)
    market.advance(60_000_000_000)
    assert market.trades > 2_973
    assert market.now_ns > rows[-1].at_ns


def test_what_stands_before_the_first_trade_is_loaded_at_once_and_quiet_is_skipped(tmp_path: Path) -> None:
    path = write(
        tmp_path / "t.csv.gz",
        DAY + "00:00:00.000000000Z,book,bid,4800.00,5",
        DAY + "00:00:00.000000000Z,book,ask,4800.25,6",
        DAY + "23:00:00.000000000Z,trade,buy,4800.25,1",
        DAY + "23:00:01.000000000Z,book,ask,4800.25,5",
        DAY + "23:30:00.500000000Z,trade,sell,4800.00,2",
    )
    market, venue, prints = opened(path)
    book = venue.books[venue.catalogue.fronts[0].contract_id]
    assert (book.touch(1), book.touch(-1), prints) == ((19_200, 5), (19_201, 6), [])
    market.advance(1_100_000_000)
    assert book.touch(-1) == (19_201, 5)
    market.advance(0)
    assert market.trades == 2
    before_ns = market.now_ns
    market.advance(1_000_000_000)
    assert book.touch(-1) == (19_201, 6), "the tape has started over"
    assert market.now_ns > before_ns


@pytest.mark.parametrize(
    ("rows", "header", "says"),
    [
        ([DAY + "00:00:00.0Z,book,bid,4800.00,5"], HEADER, "no trade"),
        ([DAY + "00:00:00.0Z,book,middle,4800.00,5"], HEADER, "line 2"),
        ([DAY + "00:00:00.0Z,book,bid,4800.00"], HEADER, "line 2"),
        ([], "time,price\n", "first line"),
    ],
)
def test_a_file_that_is_no_tape_is_refused_with_one_sentence(
    tmp_path: Path, rows: list[str], header: str, says: str
) -> None:
    with pytest.raises(TapeUnreadable, match=says):
        opened(write(tmp_path / "t.csv.gz", *rows, header=header))
    plain = tmp_path / "plain.csv"
    plain.write_text(HEADER)
    with pytest.raises(TapeUnreadable):
        opened(plain)
