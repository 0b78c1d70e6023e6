"""Orders from the screen: typed, written on the ticket, placed on the ladder; shown first, and sent by a second key."""

from decimal import Decimal

import pytest

from engine.seat import OrderRow, Ticket
from schema.records import OrderType, Side, TimeInForce
from tests.tui.driving import Driver, desk
from tests.tui.scripted_seat import ScriptedSeat
from tui import commands, trading
from tui.commands import BadCommand, Known, MoveOrder, PlaceOrder
from tui.parsing import parse
from tui.ticket import OrderQuestion, TicketPage

KNOWN = Known(accounts=("LEAD1000", "DEMO1001"), followers=("DEMO1001",), groups=("main",))


def sent(seat: ScriptedSeat) -> list[str]:
    return [what for what, really in seat.asked if really]


async def asked(on: Driver) -> None:
    await on.until(lambda: isinstance(on.app.screen, OrderQuestion), "the question")


# --- words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "ticket"),
    [
        ("buy DEMO1001 2", Ticket(target="DEMO1001", side=Side.BUY, qty=2)),
        ("sell main 1 esz6", Ticket(target="main", side=Side.SELL, qty=1, symbol="ESZ6")),
        (
            "buy demo1001 2 ESZ6 @ 4795.25",
            Ticket(
                target="DEMO1001",
                side=Side.BUY,
                qty=2,
                symbol="ESZ6",
                order_type=OrderType.LIMIT,
                limit_price=Decimal("4795.25"),
            ),
        ),
        (
            "sell DEMO1001 1 @4795 gtc",
            Ticket(
                target="DEMO1001",
                side=Side.SELL,
                qty=1,
                order_type=OrderType.LIMIT,
                limit_price=Decimal(4795),
                time_in_force=TimeInForce.GTC,
            ),
        ),
        (
            "sell DEMO1001 1 ESZ6 stop 4790 limit 4789",
            Ticket(
                target="DEMO1001",
                side=Side.SELL,
                qty=1,
                symbol="ESZ6",
                order_type=OrderType.STOP_LIMIT,
                limit_price=Decimal(4789),
                stop_price=Decimal(4790),
            ),
        ),
    ],
)
def test_an_order_is_read_as_it_is_typed(line: str, ticket: Ticket) -> None:
    assert parse(line, KNOWN) == PlaceOrder(ticket)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("buy DEMO1001", ":buy needs a lots"),
        ("buy DEMO1001 x", "qty: 'x' is not a size"),
        ("buy DEMO1001 0", "qty: '0' is not a size"),
        ("buy DEMO1001 1.5", "qty: '1.5' is not a size"),
        ("buy all 1", "there is no 'all' here"),
        ("buy DEMO1001 1 @", "limit: write its price"),
        ("buy DEMO1001 1 @ -3", "limit: -3 is no price"),
        ("buy DEMO1001 1 @ nan", "limit: nan is no price"),
        ("buy DEMO1001 1 @ 4 @ 5", "there are two"),
        ("buy DEMO1001 1 ESZ6 NQZ6", "'NQZ6' is not understood"),
        ("move 77 abc", "price: 'abc' is not a number"),
    ],
)
def test_what_is_no_order_is_answered_in_a_sentence(line: str, says: str) -> None:
    with pytest.raises(BadCommand) as refused:
        parse(line, KNOWN)
    assert says in str(refused.value)


def test_a_command_being_typed_says_what_it_would_do() -> None:
    seat = ScriptedSeat()
    buy = parse("buy LEAD1000 2 ESH4 @ 4795", Known(accounts=tuple(seat.accounts)))
    assert isinstance(buy, PlaceOrder)
    said = trading.foresee(buy, seat.view)
    assert said.startswith("buy 2 ESH4 limit 4795 on LEAD1000 · market ")
    assert "worth 479,500" in said and "25 a tick" in said and said.endswith("it is flat, 20 followers copy it")
    group = trading.foresee(PlaceOrder(Ticket(target="main", side=Side.BUY, qty=1)), seat.view)
    assert group.endswith("20 followers get what its rule makes of it")
    assert trading.foresee(MoveOrder("9", Decimal(1), None), seat.view) == "order 9 does not work on any account"
    assert trading.foresee(commands.CancelOrders("all", ""), seat.view) == "nothing of that works now"


# --- commands ---------------------------------------------------------------------------------------------------------


async def test_an_order_that_is_typed_is_shown_and_a_second_key_sends_it() -> None:
    async with desk() as on:
        await on.command("buy DEMO1001 2 ESH4")
        await asked(on)
        await on.shows("buy 2 ESH4")
        assert sent(on.seat) == []
        await on.pilot.press("enter")
        assert isinstance(on.app.screen, OrderQuestion) and sent(on.seat) == [], "Enter alone sends nothing"
        held = on.seat.accounts["DEMO1001"].net_qty
        await on.pilot.press("y")
        await on.until(lambda: sent(on.seat) == ["place"], "the order")
        assert on.seat.accounts["DEMO1001"].net_qty == held + 2
        await on.shows("1 order sent")


async def test_while_an_order_is_typed_the_message_line_says_what_it_would_do() -> None:
    async with desk() as on:
        await on.type(":")
        await on.until(lambda: on.app.prompt.is_open, "the command line")
        await on.type("buy main 2 ")
        await on.shows("buy 2 ESH4 at market on main · market 48")
        await on.shows("20 followers get what its rule makes of it")
        await on.pilot.press("escape")
        assert on.seat.asked == []


async def test_leaving_the_question_sends_nothing() -> None:
    async with desk() as on:
        for key in ("n", "escape"):
            await on.command("sell main 1")
            await asked(on)
            await on.pilot.press(key)
            await on.shows("Nothing was sent.")
        assert sent(on.seat) == []


async def test_what_is_refused_says_why_and_with_nothing_to_send_no_key_sends() -> None:
    async with desk() as on:
        await on.seat.toggle("DEMO1001")
        await on.command("buy DEMO1001 1")
        await asked(on)
        await on.shows("NOT SENT: off: switched off by the trader")
        await on.pilot.press("y")
        await on.shows("Nothing was sent.")
        assert sent(on.seat) == []


async def test_an_order_is_moved_and_canceled_from_the_command_line() -> None:
    async with desk() as on:
        await on.command("buy DEMO1001 1 ESH4 @ 4700")
        await asked(on)
        await on.pilot.press("y")
        await on.until(lambda: on.seat.orders[0].status == "working", "the order")
        order_id = on.seat.orders[0].order_id
        await on.command(f"move {order_id} 4701.25")
        await asked(on)
        await on.pilot.press("y")
        await on.until(lambda: on.seat.orders[0].limit_price == Decimal("4701.25"), "the move")
        await on.command("cancel DEMO1001")
        await asked(on)
        await on.shows(f"order {order_id}")
        await on.pilot.press("y")
        await on.until(lambda: on.seat.orders[0].status == "canceled", "the cancel")
        assert sent(on.seat) == ["place", "move", "cancel"]
        await on.command(f"move {order_id} 4702")
        await on.shows(f"order: {order_id} does not work on any account")


# --- the ticket -------------------------------------------------------------------------------------------------------


async def test_the_ticket_begins_with_the_row_under_the_cursor_and_two_keys_send_it() -> None:
    async with desk() as on:
        await on.pilot.press("down", "o")
        await on.until(lambda: isinstance(on.app.screen, TicketPage), "the ticket")
        await on.shows("buy 1 ESH4 at market on DEMO1001")
        await on.shows("a tick")
        for _ in range(6):
            await on.pilot.press("enter")
        await on.pilot.press("enter")
        await asked(on)
        assert sent(on.seat) == []
        await on.pilot.press("y")
        await on.until(lambda: sent(on.seat) == ["place"], "the order")
        await on.shows("1 order sent")


async def test_a_limit_on_the_ticket_shows_its_distance_while_it_is_typed_and_bad_words_stay_on_their_line() -> None:
    async with desk() as on:
        await on.pilot.press("o")
        await on.until(lambda: isinstance(on.app.screen, TicketPage), "the ticket")
        page = on.app.screen
        assert isinstance(page, TicketPage)
        page.query_one("#type").focus()
        await on.pilot.press("space")  # limit
        await on.pilot.press("enter")
        await on.type("4700.25")
        await on.shows("limit 4700.25")
        await on.shows("ticks away")
        page.query_one("#qty").focus()
        await on.pilot.press("backspace")
        await on.type("x")
        await on.shows("qty: 'x' is not a size")
        page.query_one("#go").focus()
        await on.pilot.press("enter")
        await on.until(lambda: page.focused is not None and page.focused.id == "qty", "the focus on what is wrong")
        assert on.seat.asked == []
        await on.pilot.press("escape")
        await on.shows("Nothing was sent.")


async def test_a_ticket_on_a_position_closes_it() -> None:
    seat = ScriptedSeat(publish_every=100)
    seat.advance(400)
    position = next(row for row in seat.view("positions").rows if row.account == "DEMO1001")  # type: ignore[union-attr, arg-type]
    begun = trading.ticket_for(seat.view, position)
    assert (begun.target, begun.side, begun.qty, begun.symbol) == ("DEMO1001", Side.SELL, 2, "ESH4")


# --- the ladder -------------------------------------------------------------------------------------------------------


def press(on: Driver, kind: str, price: str = "4700", orders: tuple[OrderRow, ...] = ()) -> None:
    on.app.trading.ladder.asked(kind, "ESH4", Decimal(price), orders)


async def test_a_ladder_that_is_not_armed_places_nothing() -> None:
    async with desk() as on:
        for kind in ("buy", "sell", "buy_stop", "sell_stop", "cancel", "move"):
            press(on, kind)
        await on.shows("The ladder is not armed")
        assert on.seat.asked == []


async def test_an_armed_ladder_places_at_the_price_says_so_all_the_time_and_ends_by_itself() -> None:
    async with desk() as on:
        press(on, "arm")
        await on.shows("LADDER ARMED 10 s: 1 lot for LEAD1000")
        press(on, "buy")
        await on.until(lambda: sent(on.seat) == ["place"], "the order")
        row = on.seat.orders[0]
        assert (row.account, row.side, row.order_type, row.limit_price) == ("LEAD1000", "buy", "limit", 4700)
        on.app.trading.ladder.left_s = 1
        await on.until(lambda: not on.app.trading.ladder.armed, "the end of it")
        press(on, "sell")
        await on.shows("The ladder is not armed")
        assert sent(on.seat) == ["place"]


async def test_the_ladder_moves_and_cancels_its_own_orders_and_no_others() -> None:
    async with desk() as on:
        on.app.trading.ladder.choose("DEMO1001", 2)
        press(on, "arm")
        press(on, "sell_stop")
        await on.until(lambda: sent(on.seat) == ["place"], "the order")
        stop = on.seat.orders[0]
        assert (stop.account, stop.qty, stop.stop_price) == ("DEMO1001", 2, 4700)
        press(on, "move", "4700", (stop,))
        press(on, "move", "4702")
        await on.until(lambda: on.seat.orders[0].stop_price == 4702, "the move")
        press(on, "cancel", "4702", (on.seat.orders[1],))
        await on.shows("No order of DEMO1001 rests at this price.")
        press(on, "cancel", "4702", (on.seat.orders[0],))
        await on.until(lambda: on.seat.orders[0].status == "canceled", "the cancel")


async def test_what_the_desk_refuses_of_a_ladders_key_is_asked_about_and_disarms() -> None:
    async with desk() as on:
        await on.seat.toggle("DEMO1001")
        on.app.trading.ladder.choose("main", 1)
        press(on, "arm")
        press(on, "buy")
        await asked(on)
        assert sent(on.seat) == [] and not on.app.trading.ladder.armed
        await on.pilot.press("escape")
        await on.shows("Nothing was sent.")


async def test_no_single_key_of_the_screen_sends_an_order() -> None:
    """Every key of the ladder's and the ticket's, pressed once in every pane."""
    async with desk() as on:
        for pane in ("1", "3", "8"):
            await on.pilot.press(pane)
            for key in ("o", "escape", "t", "escape", "b", "B", "s", "S", "c", "v", "y", "enter", "escape"):
                await on.pilot.press(key)
        assert sent(on.seat) == []


async def test_on_the_depth_pane_two_keys_place_at_the_cursors_price_and_escape_disarms() -> None:
    async with desk() as on:
        await on.pilot.press("8")
        await on.until(lambda: on.app.focused is not None and on.app.focused.id == "depth", "the depth pane")
        pane = on.app._panes["depth"]
        await on.until(lambda: pane.price_at_hand is not None, "the ladder")
        await on.pilot.press("b")
        await on.shows("The ladder is not armed")
        assert on.seat.asked == []
        await on.pilot.press("down", "down", "t")
        await on.shows("LADDER ARMED")
        price = pane.price_at_hand
        await on.pilot.press("b")
        await on.until(lambda: sent(on.seat) == ["place"], "the order")
        assert (on.seat.orders[0].limit_price, on.seat.orders[0].account) == (price, "LEAD1000")
        await on.until(lambda: bool(pane.orders_at_hand), "the order on the ladder")
        await on.pilot.press("v", "down", "v")
        await on.until(lambda: on.seat.orders[0].limit_price == pane.price_at_hand != price, "the move")
        await on.until(lambda: bool(pane.orders_at_hand), "the order on the ladder")
        await on.pilot.press("c")
        await on.until(lambda: on.seat.orders[0].status == "canceled", "the cancel")
        await on.pilot.press("escape")
        await on.shows("The ladder is not armed any more.")
        await on.pilot.press("s")
        await on.shows("The ladder is not armed")
        assert sent(on.seat) == ["place", "move", "cancel"]
