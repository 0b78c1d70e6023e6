"""C-1500: quotes and bars."""

from brokers.adapter import BarsUpdated, MarketTold, QuoteUpdated, TellsHistory, TellsMarket
from schema.market import DepthChanged, DepthSnapshot, FeedGap, Interval, Trade
from tests.brokers.contract.bench import ES, MES, Bench
from tests.brokers.contract.cards import Group

card = Group("Market data", 1500)


async def it_is_refused(bench: Bench) -> None:
    """`watch` is refused in a sentence; no quote and no bar ever comes, nothing is asked of the venue."""
    with bench.refused() as words:
        await bench.adapter.watch(ES, 60, 10)
    assert "market data" in words[0]
    bench.foreign(1)
    await bench.marker()
    assert bench.of(QuoteUpdated) == bench.of(BarsUpdated) == []
    assert bench.nothing_reached()


async def no_bars_come(bench: Bench) -> None:
    """No bar ever comes; where there are prices, they come all the same."""
    if not bench.adapter.capabilities.market_data:
        with bench.refused():
            await bench.adapter.watch(ES, 60, 30)
    else:
        await bench.adapter.watch(ES, 60, 30)
        bench.foreign(3)
        await bench.until(lambda: bench.of(QuoteUpdated), "a quote")
    await bench.marker()
    assert bench.of(BarsUpdated) == []


async def a_wrong_name_is_silent(bench: Bench) -> None:
    """Nothing is told of a contract that the venue does not have, and no error comes; orders go on as ever."""
    if not bench.adapter.capabilities.market_data:
        with bench.refused():
            await bench.adapter.watch("NQH4", 60, 5)
    else:
        await bench.adapter.watch("NQH4", 60, 5)
    await bench.buy("a")
    await bench.filled("a", 1)
    assert bench.of(QuoteUpdated) == []


@card(1501, needs="market_data", without=it_is_refused)
async def quotes_come_with_both_sides(bench: Bench) -> None:
    """Bid below ask, of the contract that was asked for, and a last price."""
    await bench.adapter.watch(ES, 60, 10)
    bench.foreign(10)
    await bench.until(
        lambda: [q for e in bench.of(QuoteUpdated) if (q := e.quote).bid and q.ask and q.last], "a whole quote"
    )  # fmt: skip
    quote = next(e.quote for e in reversed(bench.of(QuoteUpdated)) if e.quote.bid and e.quote.ask)
    assert quote.symbol == ES
    assert quote.bid is not None and quote.ask is not None and quote.bid < quote.ask


@card(1505, needs="bars", without=no_bars_come)
async def bars_come_oldest_first(bench: Bench) -> None:
    """History in time order, each bar whole: low at the bottom, high at the top."""
    await bench.adapter.watch(ES, 60, 30)
    await bench.until(lambda: sum(len(e.bars) for e in bench.of(BarsUpdated)) >= 30, "thirty bars")
    bars = bench.of(BarsUpdated)[0].bars
    assert [bar.start_ns for bar in bars] == sorted({bar.start_ns for bar in bars})
    assert all(bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high for bar in bars)
    assert {(e.symbol, e.interval_s) for e in bench.of(BarsUpdated)} == {(ES, 60)}


@card(1510, needs="market_data", without=it_is_refused)
async def watching_twice_is_harmless(bench: Bench) -> None:
    """The second `watch` of the same changes nothing; one of another contract adds it."""
    await bench.adapter.watch(ES, 60, 5)
    await bench.adapter.watch(ES, 60, 5)
    await bench.adapter.watch(MES, 60, 5)
    bench.foreign(3)
    bench.foreign(3, symbol=MES)
    await bench.until(lambda: {e.quote.symbol for e in bench.of(QuoteUpdated)} == {ES, MES}, "quotes of both")
    assert {e.quote.symbol for e in bench.of(QuoteUpdated)} == {ES, MES}


@card(1515, needs="describes_contracts", without=a_wrong_name_is_silent)
async def a_contract_that_is_none_is_refused(bench: Bench) -> None:
    """`watch` of an unknown contract is RequestRefused, and orders go on as ever."""
    with bench.refused():
        await bench.adapter.watch("NQH4", 60, 5)
    await bench.buy("a")
    await bench.filled("a", 1)
    assert bench.of(QuoteUpdated) == []


@card(1520, needs="market_data", without=it_is_refused)
async def market_data_comes_back_with_the_line(bench: Bench) -> None:
    """After a broken line what was watched is watched again, without being asked for."""
    await bench.adapter.watch(ES, 60, 5)
    await bench.until(lambda: bench.of(QuoteUpdated), "a quote")
    bench.control("disconnect", login="desk1")
    await bench.back()
    count = len(bench.of(QuoteUpdated))

    def more() -> bool:
        bench.foreign(1, account="DEMO1002")
        return len(bench.of(QuoteUpdated)) > count

    await bench.until(more, "quotes come again", 8)
    assert bench.adapter.health().state == "up"


async def no_depth_comes(bench: Bench) -> None:
    """Its adapter has no such call, and no depth and no trade of the market ever comes."""
    assert not isinstance(bench.adapter, TellsMarket)
    bench.foreign(1)
    await bench.marker()
    assert bench.of(MarketTold) == []


def _stretches(bench: Bench) -> list[list[tuple[float, float]]]:
    """Price and size of every trade that was told, from gap to gap."""
    found: list[list[tuple[float, float]]] = [[]]
    for told in (e.event for e in bench.of(MarketTold)):
        if isinstance(told, Trade):
            found[-1].append((told.price, told.size))
        elif isinstance(told, FeedGap) and not told.of_depth:
            found.append([])
    return found


def _made(bench: Bench) -> list[tuple[float, float]]:
    """Every trade of the market, by the venue."""
    contract = bench.sandbox.venue.catalogue.by_symbol[ES]
    return [(float(contract.price(t.ticks)), t.size) for t in bench.sandbox.charts[contract.contract_id].ticks]


def _told(bench: Bench) -> int:
    return sum(map(len, _stretches(bench)))


def _book(bench: Bench) -> dict[tuple[int, float], float]:
    """The book that what was told adds up to."""
    book: dict[tuple[int, float], float] = {}
    for told in (e.event for e in bench.of(MarketTold)):
        if isinstance(told, DepthSnapshot):
            book.clear()
        if isinstance(told, DepthSnapshot | DepthChanged):
            for sign, levels in ((1, told.bids), (-1, told.asks)):
                book |= {(sign, price): size for price, size in levels}
    return {level: size for level, size in book.items() if size}


def _standing(bench: Bench) -> dict[tuple[int, float], float]:
    """Ten levels of each side, by the venue's own book."""
    contract = bench.sandbox.venue.catalogue.by_symbol[ES]
    book = bench.sandbox.venue.books[contract.contract_id]
    return {(sign, float(contract.price(at))): size for sign in (1, -1) for at, size in book.depth(sign, 10)}


@card(1525, needs="depth", without=no_depth_comes)
async def depth_and_every_trade_are_told(bench: Bench) -> None:
    """What is told of a followed market adds up to the venue's book, and to its trades, each once."""
    assert isinstance(bench.adapter, TellsMarket)
    await bench.adapter.follow(ES)
    await bench.adapter.follow(ES)
    await bench.until(lambda: _book(bench) == _standing(bench), "the book")
    before = _told(bench)
    for number in range(1, 6):
        bench.foreign(number, side="buy" if number % 2 else "sell")
    made = _made(bench)
    await bench.until(lambda: _told(bench) > before and _stretches(bench)[0][-1] == made[-1], "the trades")
    (told,) = _stretches(bench)
    assert told == made[-len(told) :] and len(told) >= before + 5
    await bench.until(lambda: _book(bench) == _standing(bench), "the book after the trades")


@card(1530, needs="depth", without=no_depth_comes)
async def what_a_broken_line_lost_of_a_market_is_told_later_or_is_a_gap(bench: Bench) -> None:
    """Trades made while the line was away come once each when it is back, or a gap comes before the next one. The book
    stands again."""
    assert isinstance(bench.adapter, TellsMarket)
    await bench.adapter.follow(ES)
    await bench.until(lambda: _book(bench) == _standing(bench), "the book")

    def more(than: int) -> bool:
        bench.foreign(1, side="sell" if bench.net("DEMO1002") > 0 else "buy", account="DEMO1002")
        return _told(bench) > than

    await bench.until(lambda: more(0), "a trade")
    bench.control("disconnect", login="desk1")
    bench.foreign(7)
    await bench.back()
    before = _told(bench)
    await bench.until(lambda: more(before), "trades come again", 8)
    made, begins = _made(bench), 0
    for stretch in _stretches(bench):
        at = next(n for n in range(begins, len(made)) if made[n : n + len(stretch)] == stretch)
        begins = at + len(stretch)
    assert len(_stretches(bench)) <= 2
    await bench.until(lambda: _book(bench) == _standing(bench), "the book", 8)


async def there_is_no_past(bench: Bench) -> None:
    """Its adapter has no such call, and no bar ever comes."""
    assert not isinstance(bench.adapter, TellsHistory)
    bench.foreign(1)
    await bench.marker()
    assert bench.of(BarsUpdated) == []


@card(1535, needs="bars", without=there_is_no_past)
async def candles_of_the_past_are_the_venues(bench: Bench) -> None:
    """Any time of them, oldest first, each once, also after a broken line."""
    assert isinstance(bench.adapter, TellsHistory)
    await bench.adapter.watch(ES, 60, 5)
    await bench.until(lambda: bench.of(BarsUpdated), "a bar")
    contract = bench.sandbox.venue.catalogue.by_symbol[ES]
    made = bench.sandbox.charts[contract.contract_id].candles(1)[-40:-1]
    own = [(bar.start_ns, float(contract.price(bar.close)), bar.up_volume + bar.down_volume) for bar in made]
    for cut in (False, True):
        if cut:
            bench.control("disconnect", login="desk1")
        pages = bench.adapter.history().bars(ES, Interval.parse("1m"), own[0][0], own[-1][0] + 1)
        told = [bar async for page in pages for bar in page]
        assert [(bar.start_ns, bar.close, bar.volume) for bar in told] == own
        assert {bar.symbol for bar in told} == {ES}
