"""The depth ladder: known books become known lines, and the pane goes where its keys say while the market moves."""

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec import structs

from engine.market.market import Market
from engine.market.shown import BookLevel, BookShown, Print
from engine.market.tape_source import TapeSource
from engine.seat import OrderRow, PositionRow, Role, Topic, View
from schema.clock import SYSTEM_CLOCK
from schema.market import Aggressor, SessionState
from schema.records import OrderType, Side
from schema.symbols import twin_of
from tests.tui.driving import Driver, desk
from tui.app import CopydeskApp
from tui.panes import ladder as drawing
from tui.panes.depth import DepthPane
from tui.panes.drawn import Line, Run, differing

BOOK = BookShown(
    symbol="ESH4",
    version=1,
    bids=(BookLevel(price=4812.0, size=16.0), BookLevel(price=4811.75, size=40.0)),
    asks=(BookLevel(price=4812.5, size=7.0), BookLevel(price=4812.75, size=20.0)),
    own_elsewhere=(),
    state=SessionState.OPEN,
    crossed=False,
    torn=False,
    changes=1,
    heard_ns=10_000_000_000,
    tick_size=0.25,
)
LAST = Print(ts_ns=1, price=4812.5, size=3.0, aggressor=Aggressor.BUY)


def order(account: str, side: Side, price: str, **changes: object) -> OrderRow:
    row = OrderRow(
        account=account,
        order_id=f"{account}-{price}",
        cl_ord_id="",
        origin="copy",
        symbol="ESH4",
        side=side,
        order_type=OrderType.LIMIT,
        qty=2,
        filled_qty=0,
        avg_price=None,
        limit_price=Decimal(price),
        stop_price=None,
        status="working",
        text="",
        updated_ns=1,
    )
    return structs.replace(row, **changes)


def held(net: int, avg_price: str) -> PositionRow:
    return PositionRow(
        account="LEAD",
        group="main",
        role=Role.LEADER,
        symbol="ESH4",
        net_qty=net,
        target_net=None,
        avg_price=Decimal(avg_price),
        mark=4812.0,
        open_pnl=Decimal(0),
        realized_pnl=Decimal(0),
        drift="",
        as_of_ns=1,
    )


ORDERS = (
    order("LEAD", Side.BUY, "4811.75"),
    order("F1", Side.BUY, "4811.75"),
    order("F2", Side.BUY, "4811.75", filled_qty=1),
    order("F3", Side.BUY, "4811.75", status="canceled"),
    order("F4", Side.BUY, "4811.75", symbol="NQH4"),
    order("F5", Side.SELL, "4812.75", symbol="MESH4", qty=10),
    order("F6", Side.SELL, "4811.5", order_type=OrderType.STOP, limit_price=None, stop_price=Decimal("4811.50")),
)


def text(line: Line) -> str:
    return "".join(run.text for run in line)


def ladder(orders: tuple[OrderRow, ...] = ORDERS) -> drawing.Ladder:
    return drawing.ladder_of(BOOK, orders, {"LEAD"}, [held(2, "4811.90")], [LAST])


def test_a_known_book_with_orders_a_position_and_a_trade_is_these_lines() -> None:
    columns = drawing.Columns.of(80, len("4,812.25"))
    lines = [drawing.head(columns)]
    lines += [drawing.row(ladder(), ticks, columns, 40.0) for ticks in range(19251, 19245, -1)]  # 4812.75 to 4811.50
    assert [text(line) for line in lines] == [
        " orders/lots             bid entry     price last   ask             orders/lots ",
        "                                    4,812.75        20      ███▌    1/10µ       ",
        "                                    4,812.50 ▲3     7       █▎                  ",
        "                                    4,812.25                                    ",
        "                 ▎██      16 ♛+2    4,812.00                                    ",
        "    ♛1/2 2/3 ███████      40        4,811.75                                    ",
        "                                    4,811.50                        1/2s        ",
    ]
    looks = {run.text.strip(): run.look for run in lines[2] if run.text.strip()}
    assert looks == {"4,812.50": "last", "▲3": "traded", "7": "ask", "█▎": "ask-bar"}
    edge = next(run for run in lines[4] if run.text == "▎")
    assert edge.look == "bid-edge", "a quarter drawn in reverse: three quarters at the right"


def test_a_row_says_who_rests_there_with_how_many_orders_and_lots() -> None:
    shown = ladder()
    at = drawing.ticks_of(4811.75, shown.tick)
    assert shown.buys[at] == drawing.Working(1, 2, 2, 3) and shown.buys[at].text == "♛1/2 2/3"
    assert shown.sells[drawing.ticks_of(4812.75, shown.tick)].text == "1/10µ", "the micro twin's lots are marked"
    assert shown.sells[drawing.ticks_of(4811.5, shown.tick)].text == "1/2s", "a stop stands at its trigger, marked"
    assert len(shown.buys) == 1 and len(shown.sells) == 2


def test_spread_imbalance_and_distances_are_in_ticks_and_signed() -> None:
    shown = ladder()
    assert drawing.figures(shown) == ["spread 2 ticks", "imbalance ▲ +35%"]
    told = [
        drawing.distance(drawing.ticks_of(at, shown.tick), shown) for at in (4811.0, 4812.0, 4812.25, 4812.5, 4813.25)
    ]
    assert told == ["4 ticks below the bid", "at the bid", "inside the spread", "at the ask", "3 ticks above the ask"]


def test_the_badge_says_how_far_the_book_is_to_be_believed() -> None:
    now_ns = BOOK.heard_ns + 1_000_000_000
    badges = [
        drawing.badge_of(book, at_ns)
        for book, at_ns in (
            (BOOK, now_ns),
            (BOOK, now_ns + 5_000_000_000),
            (structs.replace(BOOK, torn=True), now_ns),
            (structs.replace(BOOK, crossed=True), now_ns),
            (structs.replace(BOOK, state=SessionState.HALTED), now_ns),
            (structs.replace(BOOK, heard_ns=0), now_ns),
        )
    ]
    assert badges == ["live", "stale", "gap", "crossed", "halted", "loading"]


def test_a_bar_has_an_eighth_for_every_eighth_of_its_size_and_one_for_anything() -> None:
    columns = drawing.Columns.of(80, 8)
    row = drawing.row(ladder(()), drawing.ticks_of(4812.5, Decimal("0.25")), columns, 40.0)
    bar = next(run.text for run in row if run.look == "ask-bar")
    assert len(bar) == columns.bar and round(7 / 40 * columns.bar * 8) == 8 * bar.count("█") + " ▏▎▍▌▋▊▉".index(
        bar.strip("█ ") or " "
    )
    tiny = drawing.row(ladder(()), drawing.ticks_of(4812.5, Decimal("0.25")), columns, 100_000.0)
    assert next(run.text for run in tiny if run.look == "ask-bar").strip() == "▏"


def test_a_line_has_its_width_whatever_room_there_is() -> None:
    shown = ladder()
    for width in range(20, 140):
        columns = drawing.Columns.of(width, 8)
        lengths = {len(text(drawing.row(shown, ticks, columns, 40.0))) for ticks in range(19244, 19256)}
        assert len(lengths) == 1 and max(lengths) <= width, width
        assert len(text(drawing.head(columns))) == max(lengths)


def test_only_runs_that_changed_are_repainted() -> None:
    old = (Run("abc"), Run("12", "bid"), Run("xyz"))
    assert list(differing(old, (Run("abc"), Run("13", "bid"), Run("xyz")))) == [(3, 2)]
    assert list(differing(old, (Run("abc"), Run("1", "bid"), Run("2"), Run("xyz")))) == [(3, 2)]
    assert list(differing(old, old)) == []


def test_the_twin_of_a_contract_is_its_micro_and_back() -> None:
    assert [twin_of(each) for each in ("ESH4", "MESH4", "ZNH4", "BTCUSDT")] == ["MESH4", "ESH4", "", ""]


# --- the pane


def pane(on: Driver) -> DepthPane:
    found = on.app.query_one(DepthPane)
    assert isinstance(found, DepthPane)
    return found


async def open_depth(on: Driver) -> DepthPane:
    await on.pilot.press("8")
    await on.shows("DEPTH · ESH4 · live")
    return pane(on)


async def test_the_ladder_stands_around_the_market_and_the_title_tells_of_it() -> None:
    async with desk() as on:
        await open_depth(on)
        assert "spread 1 tick" in on.text and "imbalance ▲ +33%" in on.text
        assert f"{on.seat.price:,.2f}" in on.text and f"{on.seat.price - 2.5:,.2f}" in on.text


async def test_the_cursor_stays_on_its_price_and_says_how_far_that_is_from_the_market() -> None:
    async with desk() as on:
        depth = await open_depth(on)
        await on.pilot.press("g", "down", "down")
        bid = Decimal(str(on.seat.price - 0.25))
        assert depth.price_at_hand == bid - Decimal("0.50")
        await on.shows(f"{bid - Decimal('0.50'):,.2f}  2 ticks below the bid")
        on.seat.price += 1.0
        on.seat.publish()
        await on.shows("6 ticks below the bid")
        assert depth.price_at_hand == bid - Decimal("0.50")


async def test_the_market_is_followed_until_the_ladder_is_scrolled_and_m_follows_it_again() -> None:
    async with desk() as on:
        depth = await open_depth(on)
        on.seat.price += 100
        on.seat.publish()
        await on.shows(f" {on.seat.price + 0.25:,.2f} ")
        await on.pilot.press("g", "pagedown", "pagedown")
        await on.shows("scrolled, m follows")
        on.seat.price += 100
        on.seat.publish()
        await on.pilot.pause(0.2)
        assert f" {on.seat.price + 0.25:,.2f} " not in on.text and not depth.follows
        await on.pilot.press("m")
        await on.shows(f" {on.seat.price + 0.25:,.2f} ")
        assert depth.follows


async def test_own_orders_are_marked_and_handed_to_whoever_acts_on_the_price(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str, Decimal]] = []

    def note(_app: CopydeskApp, event: DepthPane.Asked) -> None:
        asked.append((event.kind, event.symbol, event.price))

    monkeypatch.setattr(CopydeskApp, "on_depth_pane_asked", note, raising=False)
    async with desk() as on:
        depth = await open_depth(on)
        at = Decimal(str(on.seat.price - 1.0))
        on.seat.orders[:0] = [
            order("LEAD1000", Side.BUY, str(at), origin="leader"),
            order("DEMO1001", Side.BUY, str(at)),
            order("DEMO1002", Side.BUY, str(at)),
        ]
        on.seat.publish()
        await on.shows("♛1/2 2/4")
        assert f"{at:,.2f}" in on.line_of("♛1/2 2/4")
        await on.pilot.press("g", "down", "down", "down")
        await on.shows("buy 3 orders 6 lots")
        assert {row.account for row in depth.orders_at_hand} == {"LEAD1000", "DEMO1001", "DEMO1002"}
        depth.action_ask("cancel")
        await on.until(lambda: asked == [("cancel", "ESH4", at)], "the price that is asked for")


async def test_the_leaders_entry_is_marked_where_it_is() -> None:
    async with desk() as on:
        await open_depth(on)
        row = next(row for row in on.seat.view(Topic.POSITIONS).rows if getattr(row, "account", "") == "LEAD1000")
        assert isinstance(row, PositionRow)
        await on.shows(f"♛ {row.net_qty:+} @ {row.avg_price:,.2f}")


async def test_a_click_puts_the_cursor_on_the_price_and_the_wheel_scrolls() -> None:
    async with desk() as on:
        depth = await open_depth(on)
        line = next(y for y, each in enumerate(on.lines) if f" {on.seat.price + 0.5:,.2f} " in each)
        await on.pilot.click(DepthPane, offset=(10, line - depth.region.y))
        assert depth.price_at_hand == Decimal(str(on.seat.price + 0.5))


async def test_a_torn_book_says_gap() -> None:
    async with desk() as on:
        await open_depth(on)
        on.seat.torn = True
        on.seat.publish()
        await on.shows("DEPTH · ESH4 · gap")


async def test_one_changed_size_repaints_its_cells_alone() -> None:
    async with desk() as on:
        depth = await open_depth(on)
        view = on.seat.view(Topic.DEPTH)
        book = on.seat.book()
        asked: list[object] = []
        stock = depth.refresh
        depth.refresh = lambda *regions, **options: (asked.extend(regions), stock(*regions, **options))[1]  # type: ignore
        changed = structs.replace(book, bids=(structs.replace(book.bids[0], size=11.0), *book.bids[1:]))
        on.app.clock._painters.clear()
        depth.show(View(topic=Topic.DEPTH, version=view.version + 1, rows=(changed,)), depth._now_ns)
        assert 0 < len(asked) <= 4 and all(region.height == 1 for region in asked)  # type: ignore[attr-defined]
        assert sum(region.width for region in asked if region.y > 0) <= 24  # type: ignore[attr-defined]


def test_the_recorded_evenings_book_is_the_ladder(tape: Path) -> None:
    market = Market("auto")
    source = TapeSource(tape, "ESH4", 0.25, SYSTEM_CLOCK)

    async def play() -> None:
        await source.subscribe(["ESH4"])
        market.follow("ESH4", source="tape")
        await source.run(market.take)

    asyncio.run(play())
    book, told = market.book("ESH4"), market.tape("ESH4")
    assert book is not None and told is not None
    shown = drawing.ladder_of(book, (), (), (), told.prints)
    columns = drawing.Columns.of(100, 8)
    bid, ask = drawing.ticks_of(4810.0, shown.tick), drawing.ticks_of(4810.25, shown.tick)
    assert (shown.bid, shown.ask, shown.tick) == (bid, ask, Decimal("0.25"))
    assert f"{book.bids[0].size:.0f}" in text(drawing.row(shown, bid, columns, 100.0)).split("4,810.00")[0]
    assert f"{book.asks[0].size:.0f}" in text(drawing.row(shown, ask, columns, 100.0)).split("4,810.25")[1]
