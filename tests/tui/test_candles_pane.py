"""The candles pane by its keys: what is drawn, where one is, what the crosshair tells, and the bars of before."""

from decimal import Decimal

from engine.seat import CommandRefused
from schema.records import Bar, Side
from tests.tui.driving import Driver, desk
from tests.tui.scripted_seat import ScriptedSeat
from tests.tui.test_depth import order
from tui.panes.candles import CandlePane
from tui.panes.fills import fills_of, summed, told

MINUTE_NS = 60_000_000_000


def older(seat: ScriptedSeat, count: int) -> tuple[Bar, ...]:
    first = seat.bars[0]
    return tuple(
        Bar(
            symbol="ESH4",
            start_ns=first.start_ns - (count - at) * MINUTE_NS,
            open=4_000.0,
            high=4_001.0,
            low=3_999.0,
            close=4_000.0,
            volume=1.0,
        )
        for at in range(count)
    )


async def open_chart(on: Driver) -> CandlePane:
    await on.pilot.press("5", "z")
    await on.until(lambda: on.lines[2].startswith("▌CANDLES · ESH4 1m"), "the chart alone")
    return on.app.query_one(CandlePane)


async def test_c_goes_through_candles_line_and_volume() -> None:
    async with desk() as on:
        await open_chart(on)
        assert "┃" in on.text
        await on.pilot.press("c")
        await on.until(lambda: "· line" in on.lines[2] and "┃" not in on.text and "▀" in on.text, "a line")
        await on.pilot.press("c")
        await on.until(lambda: "· volume" in on.lines[2] and "▀" not in on.text and "█" in on.text, "volumes")
        await on.pilot.press("c")
        await on.until(lambda: "┃" in on.text, "candles")


async def test_studies_are_put_on_and_taken_off_by_their_letters() -> None:
    async with desk() as on:
        await open_chart(on)
        for key, name, glyph in (("s", "sma 20", "─"), ("e", "ema 9", "━"), ("v", "vwap", "═"), ("b", "bb 20 2", "·")):
            await on.pilot.press(key)
            await on.until(lambda n=name, g=glyph: n in on.lines[2] and g in "".join(on.lines[3:]), name)  # type: ignore[misc]
            await on.pilot.press(key)
            await on.until(lambda n=name: n not in on.lines[2], f"no {name}")  # type: ignore[misc]


async def test_r_goes_through_the_panels_under_the_chart() -> None:
    async with desk() as on:
        chart = await open_chart(on)
        for name in ("rsi 14 ", "macd 12 26 ", "atr 14 "):
            await on.pilot.press("r")
            await on.shows(name)
        assert chart.panel
        await on.pilot.press("r")
        await on.until(lambda: "atr 14" not in on.text, "none")


async def test_the_crosshair_tells_its_bar_and_the_view_goes_with_it() -> None:
    async with desk() as on:
        chart = await open_chart(on)
        await on.pilot.press("left", "left", "left")
        bar = on.seat.bars[-3]
        await on.shows(f"O {bar.open:,.2f} H {bar.high:,.2f} L {bar.low:,.2f} C {bar.close:,.2f} V {bar.volume:,.0f}")
        minutes = bar.start_ns // MINUTE_NS % 1440
        assert f"12-25 {minutes // 60:02}:{minutes % 60:02}" in on.lines[2]
        assert f"{bar.close:,.2f}" in on.text and "┄" in on.text and "┊" in on.text
        await on.pilot.press("up", "up")
        await on.until(lambda: chart._cross_price is not None and chart._cross_price > bar.close, "a level above")
        await on.pilot.press("escape")
        await on.until(lambda: on.lines[2].startswith("▌CANDLES") and "┊" not in on.text, "no crosshair")


async def test_a_click_puts_the_crosshair_on_the_bar_and_the_price_under_it() -> None:
    async with desk() as on:
        chart = await open_chart(on)
        frame = chart._frame
        assert frame is not None
        x, y = frame.plot_width - 12, 10
        await on.pilot.click(CandlePane, offset=(x, y))
        bar = chart.series.cells[frame.bar_at(x)]
        await on.shows(f"O {bar.open:,.2f} H {bar.high:,.2f}")
        label = f"{frame.price_at(y - 1):,.2f}"
        await on.until(lambda: label in on.lines[2 + y], "its price on the axis of that row")


async def test_zooming_out_merges_bars_and_brackets_change_the_interval() -> None:
    async with desk() as on:
        chart = await open_chart(on)
        await on.pilot.press("minus")
        await on.shows("ESH4 1m x2")
        assert 120 <= len(chart.series.cells) <= 122
        await on.pilot.press("plus", "right_square_bracket")
        await on.shows("CANDLES · ESH4 5m ·")
        cell = chart.series.cells[0]
        part = [bar for bar in on.seat.bars if bar.start_ns // (5 * MINUTE_NS) == cell.start_ns // (5 * MINUTE_NS)]
        assert (cell.open, cell.close) == (part[0].open, part[-1].close)
        await on.pilot.press("left_square_bracket", "left_square_bracket")
        await on.shows("CANDLES · ESH4 1m ·")


async def test_scrolling_back_asks_the_store_once_for_what_was_before_and_goes_on_into_it() -> None:
    async with desk() as on:
        on.seat.stored = older(on.seat, 300)
        chart = await open_chart(on)
        first_ns = on.seat.bars[0].start_ns
        await on.pilot.press("pageup", "pageup")
        await on.until(lambda: len(chart.series.cells) > 500, "the older bars")
        assert on.seat.stored_asked == [("ESH4", "1m", first_ns, 1_000)]
        await on.pilot.press("pageup", "pageup")
        await on.shows("bars back, no older are stored")
        await on.shows("4,000.00")
        await on.pilot.press("end")
        await on.until(lambda: "back" not in on.lines[2], "the newest again")
        assert len(on.seat.stored_asked) == 2, "and nothing is asked for that is known not to be there"


async def test_where_nothing_older_is_stored_the_key_says_so() -> None:
    async with desk() as on:
        await open_chart(on)
        await on.pilot.press("home")
        await on.shows("no older are stored")
        await on.pilot.press("end")
        await on.until(lambda: "no older" not in on.text, "the newest again")


async def test_a_view_of_the_past_stands_still_while_new_bars_come() -> None:
    async with desk() as on:
        chart = await open_chart(on)
        await on.pilot.press("minus", "minus", "plus", "plus", "pageup")
        await on.shows("back")
        frame = chart._frame
        assert frame is not None
        shown = chart.series.cells[frame.stop - 1].start_ns
        on.seat.advance(6_000)  # two minutes
        on.seat.publish()
        await on.until(lambda: chart.series.base[-1].start_ns == on.seat.bars[-1].start_ns, "the new bars")
        assert chart._frame is not None and chart.series.cells[chart._frame.stop - 1].start_ns == shown


async def test_a_store_that_can_not_be_read_is_said_and_asked_again_by_the_next_key() -> None:
    class Away(ScriptedSeat):
        async def stored_bars(self, symbol: str, interval: str, until_ns: int, limit: int) -> tuple[Bar, ...]:
            await super().stored_bars(symbol, interval, until_ns, limit)
            raise CommandRefused("candles: what is stored can't be read now: it is away.")

    seat = Away(publish_every=100)
    seat.advance(400)
    async with desk(seat=seat) as on:
        chart = await open_chart(on)
        await on.pilot.press("home")
        await on.shows("candles: what is stored can't be read now: it is away.")
        assert len(on.seat.bars) == len(chart.series.cells)
        asked = len(on.seat.stored_asked)
        await on.pilot.press("home")
        await on.until(lambda: len(on.seat.stored_asked) > asked, "asked again")


async def test_a_store_that_breaks_does_not_take_the_screen_down() -> None:
    class Broken(ScriptedSeat):
        async def stored_bars(self, symbol: str, interval: str, until_ns: int, limit: int) -> tuple[Bar, ...]:
            raise RuntimeError("the loop is closed")

    seat = Broken(publish_every=100)
    seat.advance(400)
    async with desk(seat=seat) as on:
        await open_chart(on)
        await on.pilot.press("home")
        await on.shows("It was not done: RuntimeError.")
        await on.pilot.press("end")
        await on.until(lambda: "┃" in on.text, "the chart")


async def test_fills_of_the_leader_and_its_copies_are_on_the_chart_and_under_the_crosshair() -> None:
    async with desk() as on:
        await open_chart(on)
        at_ns = on.seat.bars[-10].start_ns + 5_000_000_000
        on.seat.orders.insert(
            0,
            order("LEAD1000", Side.BUY, "4811", origin="leader", status="filled", filled_qty=2, updated_ns=at_ns,
                  avg_price=Decimal("4811.25")),
        )  # fmt: skip
        on.seat.publish()
        await on.shows("▲")
        assert "△" in on.text or "▽" in on.text, "the script's copies"
        await on.pilot.press(*["left"] * 10)
        await on.shows("♛ buy 2 @ 4,811.25")


def test_a_fill_counts_once_for_the_leader_or_for_the_copies_and_only_of_this_market() -> None:
    seat = ScriptedSeat(publish_every=100)
    seat.advance(400)
    rows = [
        order("LEAD1000", Side.BUY, "1", filled_qty=2, origin="leader", avg_price=Decimal("4811.25")),
        order("DEMO1001", Side.SELL, "1", filled_qty=3, origin="foreign"),
        order("DEMO1001", Side.BUY, "1", filled_qty=9, origin="copy"),  # which the ledger has
        order("DEMO1001", Side.BUY, "1", filled_qty=9, origin="foreign", symbol="NQH4"),
        order("DEMO1001", Side.BUY, "1", filled_qty=0, origin="foreign"),
    ]
    copies = [row for row in seat.copies if row.filled_qty]
    fills = fills_of(rows, seat.copies, "ESH4", {"LEAD1000"})
    total = summed(fills)
    assert (total.leader_bought, total.leader_sold) == (2, 0)
    assert (total.bought, total.sold) == (sum(row.filled_qty for row in copies), 3)
    in_orders = f"followers buy {2 * len(copies)} in {len(copies)} orders · followers sell 3 in 1 order"
    assert told(fills) == f"♛ buy 2 @ 4,811.25 · {in_orders}"
