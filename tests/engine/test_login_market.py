"""A whole desk whose login tells a market: its book with our orders in it, its tape, its trades kept, its lies told."""

from pathlib import Path
from random import Random

from engine import health
from engine.desk import Desk
from engine.market.shown import BookShown, SessionShown, TapeShown, Truth
from engine.seat import AlertRow, Topic
from schema.clock import SYSTEM_CLOCK
from schema.market import FeedGap, Trade
from schema.settings import Settings
from schema.store import Store
from schema.store_market import TRADES
from schema.stretches import Stretch
from schema.vault import Vault
from tests.engine.market.telling import Teller
from tests.practice import LEADER, SYMBOL, PracticeDesk, practice, until

EVER = Stretch(0, 1 << 62)


def book(on: PracticeDesk) -> BookShown | None:
    (row,) = on.desk.view(Topic.DEPTH).rows or (None,)
    assert row is None or isinstance(row, BookShown)
    return row


def tape(on: PracticeDesk) -> tuple[TapeShown, SessionShown]:
    shown, session = on.desk.view(Topic.TAPE).rows
    assert isinstance(shown, TapeShown) and isinstance(session, SessionShown)
    return shown, session


def truth(on: PracticeDesk, symbol: str = SYMBOL) -> Truth:
    return next(row for row in on.desk.market.truth() if row.symbol == symbol)


async def test_the_chart_symbols_book_has_ten_levels_with_our_orders_marked_and_its_tape_every_trade(
    state_dir: Path,
) -> None:
    async with practice(state_dir) as on:
        await until(lambda: bool((shown := book(on)) and len(shown.bids) == len(shown.asks) == 10), 10)
        shown = book(on)
        assert shown is not None and shown.symbol == SYMBOL
        assert not (shown.crossed or shown.torn) and not any(level.own for level in (*shown.bids, *shown.asks))
        trades = tape(on)[0].trades
        await on.leader(2)
        await until(lambda: tape(on)[0].trades > trades, 5)
        bought = tape(on)[0].prints[0]
        assert bought.held == "" and bought.size >= 1
        assert tape(on)[1].last == bought.price
        at = shown.bids[3].price
        await on.control(
            "trade", account=LEADER, symbol=SYMBOL, side="buy", qty=3, type="limit", limit=str(at)
        )  # nobody sells there
        await until(lambda: any(level.own == 3 and level.price == at for level in book(on).bids), 5)  # type: ignore[union-attr]
        assert truth(on).lies == () and truth(on).source in ("tradovate", "projectx")
        await on.promise_holds()


async def test_a_logins_trades_are_kept_once_and_what_a_lost_line_cost_is_known(state_dir: Path) -> None:
    async with practice(state_dir, keep_market=True) as on:
        await until(lambda: truth(on).changes > 0 and truth(on).trades > 0, 10)
        source, heard = truth(on).source, list[object]()
        take = on.desk.market.take
        on.desk.market.take = lambda event: (heard.append(event), take(event))  # type: ignore[method-assign,assignment]
        for _ in range(3):
            await on.leader(1)
        before = truth(on).changes
        await on.control("disconnect")
        await until(lambda: truth(on).changes > before and truth(on).gaps > 0, 15)
        for _ in range(3):
            await on.leader(-1)
        market = on.store.market()
        try:
            told = [event for event in heard if isinstance(event, Trade)]

            async def kept() -> list[Trade]:
                return [each async for page in market.trades(source, SYMBOL, EVER) for each in page]

            stored = await kept()
            while len(stored) < len(told):  # another thread writes; the test's own time limit ends it
                told = [event for event in heard if isinstance(event, Trade)]
                stored = await kept()
            assert len({each.trade_id for each in stored}) == len(stored)
            lost = [event for event in heard if isinstance(event, FeedGap) and not event.of_depth]
            covered = await market.covered(source, SYMBOL, TRADES, EVER)
            assert len(covered) == len(lost) + 1
        finally:
            await market.close()
        await on.promise_holds()


async def test_what_a_source_says_that_can_not_be_is_an_alert_and_in_health_and_off_the_candles(
    settings: Settings, store: Store
) -> None:
    desk = Desk(settings, store, Vault.open(settings), SYSTEM_CLOCK, Random(1))
    await desk.open()
    try:
        feed = Teller(desk.market, "NQH4")
        feed.at_ns = SYSTEM_CLOCK.now_ns()
        feed.snapshot(bids=((17_000.0, 3),), asks=((17_000.25, 4),))
        feed.trade(0.0)
        feed.trade(17_000.25, -1)
        feed.trade(25_000.0)

        def alerts() -> set[str]:
            return {row.text for row in desk.view(Topic.ALERTS).rows if isinstance(row, AlertRow)}

        expected = {
            f"test said what can't be of NQH4: {what}, 1x; 3 of its trades are kept off the candles"
            for what in ("price 0 or none", "size below 0 or none", "trade far outside the book")
        }
        await until(lambda: expected <= alerts(), 5)
        session = desk.market.session("NQH4")
        assert session is not None and session.trades == 0

        def reported() -> tuple[Truth, ...]:
            said = health.report(desk.view, 1)
            return said.markets if said is not None else ()

        await until(lambda: bool(reported()), 5)
        (row,) = reported()
        assert (row.trades, row.held, len(row.lies)) == (3, 3, 3)
    finally:
        await desk.close()
