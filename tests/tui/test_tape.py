"""The tape: every trade is shown or counted, by whom it was made, and what came while it stood still."""

from decimal import Decimal

from engine.market.shown import Print, TapeShown
from engine.seat import Topic, View
from schema.market import Aggressor
from schema.watchlists import SaveFilter, filter_of
from tests.tui.driving import Driver, desk
from tests.tui.scripted_seat import ScriptedSeat
from tui.filtering import passing
from tui.panes.tape import Printed, TapePane


def trade(size: float, aggressor: Aggressor = Aggressor.BUY, held: str = "") -> Print:
    return Print(ts_ns=1_703_500_200_000_000_000, price=4812.25, size=size, aggressor=aggressor, held=held)


def told(prints: list[Print], trades: int, version: int, symbol: str = "ESH4") -> View:
    """`prints` are oldest first."""
    newest_first = tuple(reversed(prints))[:50]
    shown = TapeShown(symbol=symbol, version=version, prints=newest_first, trades=trades, heard_ns=1)
    return View(topic=Topic.TAPE, version=version, rows=(shown,))


def test_each_trade_is_taken_once_however_often_the_snapshot_repeats_it() -> None:
    pane = TapePane()
    first = [trade(2), trade(3, Aggressor.SELL)]
    pane.show(told(first, 2, 1), 1)
    pane.show(told(first, 2, 1), 1)
    pane.show(told([*first, trade(4)], 3, 2), 1)
    assert [row.size for row in pane._prints] == [4, 3, 2]
    assert (pane.bought, pane.sold, pane.unseen) == (6, 3, 0)


def test_trades_that_no_snapshot_held_are_counted_and_not_guessed() -> None:
    pane = TapePane()
    pane.show(told([trade(1)], 1, 1), 1)
    pane.show(told([trade(1)] * 70, 71, 2), 1)
    assert (len(pane._prints), pane.unseen, pane.bought) == (51, 20, 51)
    assert "unseen 20" in pane.summary()


def test_what_was_before_the_pane_began_is_not_unseen() -> None:
    pane = TapePane()
    pane.show(told([trade(1)] * 50, 3_000, 1), 1)
    assert (len(pane._prints), pane.unseen) == (50, 0)


def test_another_symbol_or_a_desk_that_counts_anew_begins_the_tape_anew() -> None:
    pane = TapePane()
    pane.show(told([trade(1)] * 9, 9, 1), 1)
    pane.show(told([trade(2)] * 3, 3, 2), 1)
    assert (len(pane._prints), pane.bought) == (3, 6)
    pane.show(told([trade(5)], 4, 3, "NQH4"), 1)
    assert (pane.symbol, pane.bought, pane.unseen) == ("NQH4", 5, 0)


def test_a_trade_that_is_kept_off_the_candles_is_shown_and_not_summed() -> None:
    pane = TapePane()
    pane.show(told([trade(1), trade(99, held="far outside the book")], 2, 1), 1)
    assert pane.bought == 1 and pane.row_state(pane._prints[0]) == "dim"
    assert "kept off the candles: far outside the book" in pane.detail(pane._prints[0])


def test_a_print_of_five_times_the_average_is_big_by_sign_and_weight() -> None:
    pane = TapePane()
    pane.show(told([trade(2)] * 30, 30, 1), 1)
    pane.show(told([trade(2)] * 30 + [trade(9)], 31, 2), 1)
    pane.show(told([trade(2)] * 30 + [trade(9), trade(12)], 32, 3), 1)
    newest, before, *_ = pane._prints
    assert (newest.big, before.big) == (True, False)
    assert [cell.text for cell in pane.cells_of(newest)][3] == "◆ +12" and pane.row_state(newest) == "strong"


def test_buyer_and_seller_are_told_by_letter_and_sign_as_well_as_colour() -> None:
    pane = TapePane()
    pane.show(told([trade(2, Aggressor.NONE), trade(2, Aggressor.SELL), trade(2)], 3, 1), 1)
    assert [(pane.cells_of(row)[2], pane.cells_of(row)[3].text) for row in pane._prints] == [
        (("B", "up"), "+2"),
        (("S", "down"), "-2"),
        (("·", "dim"), "2"),
    ]


def test_a_saved_filter_of_the_tape_passes_by_symbol_side_and_size() -> None:
    big = passing(filter_of("big", ["scope=tape", "symbol=ES", "side=buy", "size>=5"]))
    rows = [Printed(1, "ESH4", trade(size, side), False) for size in (4, 5) for side in Aggressor]
    assert [(row.size, row.aggressor) for row in rows if big(row)] == [(5, Aggressor.BUY)]
    assert not big(Printed(1, "NQH4", trade(9), False))


# --- on the screen


async def open_tape(on: Driver) -> TapePane:
    await on.pilot.press("9")
    pane = on.app.query_one(TapePane)
    await on.until(lambda: bool(pane.shown) and "TAPE ESH4 · " in on.text, "the tape")
    return pane


async def test_the_title_has_the_delta_with_its_sign_and_what_the_market_did_not_tell() -> None:
    async with desk() as on:
        tape = await open_tape(on)
        on.seat.trade(on.seat.price, 500.0, Aggressor.BUY)
        on.seat.publish()
        await on.until(lambda: tape.bought > 500, "the trade")
        delta = tape.bought - tape.sold
        await on.shows(f"delta ▲ +{delta:,.0f} bought {tape.bought:,.0f} sold {tape.sold:,.0f}")
        assert "gaps 1 missed 3 dropped 0" in on.text


async def test_scrolling_holds_the_tape_counts_what_comes_and_home_runs_it_again() -> None:
    async with desk() as on:
        tape = await open_tape(on)
        await on.pilot.press("down")
        top = tape.shown[0]
        for _ in range(7):
            on.seat.trade(on.seat.price, 3.0, Aggressor.SELL)
        on.seat.publish()
        await on.shows("PAUSED, 7 came")
        assert tape.shown[0] is top
        await on.pilot.press("home")
        await on.until(lambda: "PAUSED" not in on.text and tape.shown[0].number == top.number + 7, "it runs")


async def test_space_holds_and_runs() -> None:
    async with desk() as on:
        tape = await open_tape(on)
        await on.pilot.press("space")
        await on.shows("PAUSED, 0 came")
        on.seat.trade(on.seat.price, 3.0, Aggressor.SELL)
        on.seat.publish()
        await on.shows("PAUSED, 1 came")
        await on.pilot.press("space")
        await on.until(lambda: "PAUSED" not in on.text and tape.came == 0, "it runs")


async def test_plus_and_minus_step_through_the_least_size_also_while_it_stands_still() -> None:
    async with desk() as on:
        tape = await open_tape(on)
        await on.pilot.press("plus", "plus")
        await on.shows("size>=3")
        assert tape.shown and all(row.size >= 3 for row in tape.shown)
        await on.pilot.press("space", "minus")
        await on.shows("size>=2")
        assert min(row.size for row in tape.shown) == 2
        await on.pilot.press("minus")
        await on.until(lambda: min(row.size for row in tape.shown) == 1, "all sizes")


async def test_a_saved_filter_of_scope_tape_is_applied_by_name() -> None:
    async with desk() as on:
        tape = await open_tape(on)
        await on.seat.edit_lists(SaveFilter(filter=filter_of("sells", ["scope=tape", "side=sell"])))
        await on.command("filter sells")
        await on.until(lambda: {row.aggressor for row in tape.shown} == {Aggressor.SELL}, "sells alone")
        await on.shows("filter sells")


async def test_the_tape_goes_on_counting_while_it_is_not_on_screen() -> None:
    async with desk() as on:
        tape = on.app.query_one(TapePane) if on.app.query(TapePane) else None
        on.seat.trade(on.seat.price, 77.0, Aggressor.BUY)
        on.seat.publish()
        for _ in range(60):
            on.seat.trade(on.seat.price, 1.0, Aggressor.SELL)
            if _ % 20 == 19:
                on.seat.publish()
                await on.pilot.pause(0.2)
        tape = await open_tape(on)
        assert any(row.size == 77 for row in tape._prints) and tape.unseen == 0


def test_the_scripts_tape_is_sound() -> None:
    seat = ScriptedSeat(publish_every=1)
    seat.advance(60)
    shown = seat.view(Topic.TAPE).rows[0]
    assert isinstance(shown, TapeShown) and len(shown.prints) == 50 and shown.trades == 60
    assert Decimal(str(shown.prints[0].price)) == Decimal(str(seat.price))
