"""`/` in the candles: the crosshair goes to a time or a price, into what is stored from before too."""

from datetime import UTC, datetime

import pytest

from schema.clock import from_datetime, to_datetime
from tests.tui.driving import Driver, desk
from tests.tui.test_candles_pane import MINUTE_NS, older, open_chart
from tui.panes.candles import CandlePane
from tui.panes.seeking import Sought, sought

NEWEST_NS = from_datetime(datetime(2026, 11, 25, 10, 30, tzinfo=UTC))


def at(text: str) -> Sought:
    return Sought(at_ns=from_datetime(datetime.fromisoformat(text).replace(tzinfo=UTC)))


def test_a_time_of_day_is_the_newest_and_a_price_is_a_number() -> None:
    def found(text: str) -> Sought:
        return sought(text, NEWEST_NS)

    assert found("10:15") == at("2026-11-25 10:15") and found(" 14:30 ") == at("2026-11-24 14:30")
    assert found("2026-11-20 09:00") == at("2026-11-20 09:00") and found("2026-11-20") == at("2026-11-20")
    assert found("-2h") == at("2026-11-25 08:30") and found("-1d") == at("2026-11-24 10:30")
    assert found("4,810.25") == Sought(price=4810.25)


@pytest.mark.parametrize("text", ["noon", "25:99", "2026-13-40", "-2y", "nan", "inf", ""])
def test_what_is_neither_is_one_sentence_with_the_remedy(text: str) -> None:
    with pytest.raises(ValueError, match="is neither a time nor a price: write a time such as 14:30"):
        sought(text, NEWEST_NS)


async def typed(on: Driver, text: str) -> None:
    names = {"-": "minus", ":": "colon", " ": "space", ".": "full_stop"}
    await on.pilot.press(*(names.get(letter, letter) for letter in text), "enter")


async def look(on: Driver, text: str) -> CandlePane:
    chart = await open_chart(on)
    await on.pilot.press("slash")
    await on.shows("Enter goes to a time such as 14:30")
    await typed(on, text)
    return chart


async def test_slash_puts_the_crosshair_on_the_bar_of_a_time() -> None:
    async with desk() as on:
        wanted = on.seat.bars[-100]
        await look(on, f"{to_datetime(wanted.start_ns):%H:%M}")
        await on.shows(f"{to_datetime(wanted.start_ns):%m-%d %H:%M} O {wanted.open:,.2f}")
        await on.pilot.press("escape")
        await on.until(lambda: "CANDLES · ESH4" in on.lines[2], "the newest again")


async def test_a_price_is_found_in_the_newest_bar_that_traded_there_and_n_goes_on() -> None:
    async with desk() as on:
        cells = on.seat.bars
        price = cells[-60].close
        hits = [bar.start_ns for bar in cells if bar.low <= price <= bar.high][::-1]
        chart = await look(on, f"{price:.2f}")
        for start_ns in hits[:3]:
            await on.until(lambda start_ns=start_ns: chart._cross_ns == start_ns, f"bar {start_ns}")
            await on.pilot.press("n")
        await on.pilot.press("N", "N")
        await on.until(lambda: chart._cross_ns == hits[min(3, len(hits) - 1) - 2], "two newer")


async def test_what_is_older_than_the_chart_is_asked_of_the_store() -> None:
    async with desk() as on:
        on.seat.stored = older(on.seat, 300)
        wanted_ns = on.seat.bars[0].start_ns - 200 * MINUTE_NS
        chart = await look(on, f"{to_datetime(wanted_ns):%Y-%m-%d %H:%M}")
        await on.until(lambda: chart._cross_ns == wanted_ns, "the bar of the store")
        await on.shows("C 4,000.00")
        assert len(on.seat.stored_asked) == 1


async def test_what_nobody_traded_is_said_once_all_that_is_stored_was_looked_at() -> None:
    async with desk() as on:
        on.seat.stored = older(on.seat, 300)
        chart = await look(on, "1234.25")
        await on.shows("No older bar traded at 1,234.25.")
        assert len(on.seat.stored_asked) == 2 and not chart._cross_ns
        await on.pilot.press("slash")
        await typed(on, "noon")
        await on.shows("'noon' is neither a time nor a price")
        await on.pilot.press("n")
        await on.shows("No price was looked for here; / does.")
