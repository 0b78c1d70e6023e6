"""`:resync` shows the difference first, sends only on the trader's word, and says what it left out."""

from decimal import Decimal

from engine.seat import ResyncLine, ResyncPlan
from tests.tui.driving import desk
from tui.dialogs import ResyncQuestion, resync_rows


async def test_resync_shows_the_difference_and_sends_it_only_on_yes() -> None:
    async with desk() as on:
        on.seat._hold("DEMO1003", 0)
        on.seat.publish()
        await on.command("resync DEMO1003")
        await on.until(lambda: isinstance(on.app.screen, ResyncQuestion), "the question")
        await on.shows("5 ticks worse")
        assert on.line_of("DEMO1003  ESH4").split()[:8] != []
        await on.pilot.press("n")
        await on.shows("Nothing was sent.")
        assert on.seat.accounts["DEMO1003"].net_qty == 0
        await on.command("resync DEMO1003")
        await on.until(lambda: isinstance(on.app.screen, ResyncQuestion), "the question again")
        await on.pilot.press("y")
        await on.shows("1 correction sent")
        assert on.seat.accounts["DEMO1003"].net_qty == on.seat.leader_net


async def test_resync_of_followers_at_target_asks_nothing() -> None:
    async with desk(signals=0) as on:
        await on.command("resync all")
        await on.shows("20 followers stand at target: there is nothing to send.")


def test_the_table_names_what_is_not_known_and_what_is_left_out() -> None:
    line = ResyncLine(account="DEMO1", symbol="ESH4", leader_symbol="ESH4", held=2, target=0, delta=-2)
    held_back = ResyncLine(
        account="DEMO2",
        symbol="MESH4",
        leader_symbol="ESH4",
        held=0,
        target=10,
        delta=0,
        entry_price=Decimal("4800.00"),
        price=Decimal("4799.25"),
        ticks_worse=-3,
        note="entry held back: breaker of at-DEMO2 is open",
    )
    rows = resync_rows(
        ResyncPlan(target="all", accounts=3, lines=(line, held_back), unread=(("DEMO3", "at-DEMO3 is down"),))
    )
    assert rows[0][:5] == ("DEMO1", "ESH4", "+2", "+0", "sell 2")
    assert rows[1][-1] == "3 ticks better; entry held back: breaker of at-DEMO2 is open"
    assert rows[2] == ("DEMO3", "", "?", "?", "", "", "", "not read: at-DEMO3 is down")
