"""What listeners in other processes cost the engine's frame, and that each symbol's turn comes."""

from engine.market.market import Market
from engine.seat_wire import MarketKind
from engine.tap import MADE_A_FRAME, Key, MarketTap, Taken
from schema.market import QuoteChanged, SymbolListed

SYMBOLS = tuple(f"S{number:02}" for number in range(3 * MADE_A_FRAME))


def _market() -> Market:
    market = Market("auto")
    for symbol in SYMBOLS:
        market.take(SymbolListed(source="test", symbol=symbol, ts_ns=1, received_ns=1, tick_size=0.25, size_step=1.0))
    return market


def _all_change(market: Market, at: int) -> None:
    for symbol in SYMBOLS:
        market.take(
            QuoteChanged(
                source="test",
                symbol=symbol,
                ts_ns=at,
                received_ns=at,
                bid=100.0,
                bid_size=float(at),
                ask=100.25,
                ask_size=5.0,
            )
        )


def test_a_frame_makes_few_books_all_quotes_and_whose_book_was_told_longest_ago_is_first() -> None:
    market = _market()
    tap = MarketTap(market)
    handed: list[Taken] = []
    tap.hand = lambda _, taken: handed.append(taken)
    tap.wanted = {(kind, symbol): 1 for kind in (MarketKind.DEPTH, MarketKind.QUOTE) for symbol in SYMBOLS}
    for frame in range(6):
        _all_change(market, 2 + frame)
        tap.frame(frame)
    for first, second, third in (handed[:3], handed[3:]):
        books = [{key[1] for key, _ in taken if key[0] is MarketKind.DEPTH} for taken in (first, second, third)]
        assert [len(each) for each in books] == [MADE_A_FRAME] * 3
        assert set.union(*books) == set(SYMBOLS)
        for taken in (first, second, third):
            assert sum(key[0] is MarketKind.QUOTE for key, _ in taken) == len(SYMBOLS)
    tap.frame(6)  # nothing has changed since, and two thirds of the books are still owed that
    tap.frame(7)
    assert {key[0] for taken in handed[6:] for key, _ in taken} == {MarketKind.DEPTH}
    tap.frame(8)
    assert len(handed) == 8, "what did not change is not told again"


def test_who_begins_to_listen_anew_is_told_what_is_known() -> None:
    market = _market()
    tap = MarketTap(market)
    handed: list[Taken] = []
    tap.hand = lambda _, taken: handed.append(taken)
    key: Key = (MarketKind.QUOTE, SYMBOLS[0])
    tap.wanted = {key: 1}
    tap.frame(1)
    tap.wanted = {key: 1, (MarketKind.QUOTE, "NOTHING"): 2}
    tap.frame(2)
    tap.wanted = {key: 3}
    tap.frame(3)
    tap.frame(4)
    assert [[asked for asked, _ in taken] for taken in handed] == [[key], [(MarketKind.QUOTE, "NOTHING")], [key]]
