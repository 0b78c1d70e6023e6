"""Trading from the screen: what is typed, written on the ticket or pressed on the ladder becomes an order of the desk.

`tui/carrying.py` hands it the commands, `tui/app.py` the keys and what the depth pane asks. Everything goes the same
way: the desk says what would go (`Seat.place` and its likes), the trader sees it and presses a second key, the desk
sends exactly that. On the ladder the second key is the one that places: the first armed it, for some seconds and in
sight.
"""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

from msgspec.structs import replace
from textual.app import App
from textual.timer import Timer

from engine.seat import (
    AccountRow,
    CommandRefused,
    OrderPlan,
    OrderRow,
    PositionRow,
    Role,
    Seat,
    Ticket,
    Topic,
)
from schema.records import LiveStatus, OrderType, Side
from tui import commands
from tui.keymap import called
from tui.order_words import came_of, price_words, ticket_words
from tui.panes.lines import MessageLine
from tui.text import counted, signed
from tui.ticket import Look, OrderQuestion, TicketPage, beside_market, chart_symbol

ARMED_S = 10
"""How long the ladder stays armed after the last key."""
_LIVE = tuple(LiveStatus)
_SIDES = {"buy": Side.BUY, "sell": Side.SELL, "buy_stop": Side.BUY, "sell_stop": Side.SELL}


class Trading:
    """Orders of one screen."""

    def __init__(self, app: App[Any], seat: Seat, message: MessageLine, ask: Callable[..., None]) -> None:
        """`ask` awaits a coroutine in a worker and says what it returns."""
        self._app = app
        self._seat = seat
        self._message = message
        self._ask = ask
        self.ladder = Ladder(app, seat, message, ask)

    def run(self, command: "commands.PlaceOrder | commands.MoveOrder | commands.CancelOrders") -> None:
        """Carry a command out, after asking."""
        match command:
            case commands.PlaceOrder(ticket):
                self._message.say(f"{ticket_words(ticket)}: asking the desk …")
                self._ask(self._shown(ticket_words(ticket), lambda shown: self._seat.place(ticket, shown)))
            case commands.MoveOrder(order_id, price, qty):
                self._message.say(f"Move {order_id}: asking the desk …")
                self._ask(self._moved(order_id, price, qty))
            case commands.CancelOrders(target, what):
                about = f"cancel {what or 'everything that works'} on {target}"
                self._message.say(f"{about}: asking the desk …")
                self._ask(self._shown(about, lambda shown: self._seat.cancel(target, what, shown)))

    async def _moved(self, order_id: str, price: Decimal, qty: int | None) -> str:
        account = account_of(self._seat.view, order_id)
        about = f"move order {order_id} of {account} to {price.normalize():f}"
        return await self._shown(about, lambda shown: self._seat.move(account, order_id, price, qty, shown))

    async def _shown(self, about: str, asked: Callable[[OrderPlan | None], Awaitable[OrderPlan]]) -> str:
        """Show what would go, and have it sent when the trader says so."""
        shown = await asked(None)
        if not await self._app.push_screen_wait(OrderQuestion(shown, about)):
            return "Nothing was sent."
        self._message.say(f"{about}: {counted(shown.orders, 'request goes', 'requests go')} …")
        return _came_of(await asked(shown))

    def open_ticket(self, begun: Ticket) -> None:
        """The page on which an order is written."""
        self._ask(self._ticket(begun))

    async def _ticket(self, begun: Ticket) -> str:
        return await self._app.push_screen_wait(TicketPage(self._seat, begun)) or "Nothing was sent."


def _came_of(plan: OrderPlan) -> str:
    said, whole = came_of(plan)
    if not whole:
        raise CommandRefused(said)
    return said


# --- what the screen knows --------------------------------------------------------------------------------------------


def working(look: Look) -> list[OrderRow]:
    """The orders that may still trade, newest first."""
    rows = look(Topic.ORDERS).rows
    return [row for row in rows if isinstance(row, OrderRow) and row.status in _LIVE]


def account_of(look: Look, order_id: str) -> str:
    """Whose working order this is. Raises CommandRefused."""
    names = {row.account for row in working(look) if row.order_id == order_id}
    if not names:
        raise CommandRefused(f"order: {order_id} does not work on any account; the orders pane lists what does.")
    if len(names) > 1:
        raise CommandRefused(
            f"order: {order_id} is an order of {' and of '.join(sorted(names))}; cancel it by account."
        )
    return names.pop()


def _accounts(look: Look) -> list[AccountRow]:
    return [row for row in look(Topic.ACCOUNTS).rows if isinstance(row, AccountRow)]


def ticket_for(look: Look, row: object) -> Ticket:
    """What a ticket begins with: the account of the row under the cursor, and for a position what would close it."""
    match row:
        case PositionRow() if row.net_qty:
            side = Side.of(-row.net_qty)
            return Ticket(target=row.account, side=side, qty=abs(row.net_qty), symbol=row.symbol)
        case PositionRow() | OrderRow():
            return Ticket(target=row.account, side=Side.BUY, qty=1, symbol=row.symbol)
        case AccountRow():
            return Ticket(target=row.account, side=Side.BUY, qty=1, symbol=chart_symbol(look))
        case _:
            leader = next((each.account for each in _accounts(look) if each.role is Role.LEADER), "")
            return Ticket(target=leader, side=Side.BUY, qty=1, symbol=chart_symbol(look))


def foresee(command: "commands.PlaceOrder | commands.MoveOrder | commands.CancelOrders", look: Look) -> str:
    """What a command that is being typed would do now, from what the screen has; the desk's own preview follows."""
    match command:
        case commands.PlaceOrder(ticket):
            return f"{beside_market(ticket, look)} · {_who(ticket.target, look)}"
        case commands.MoveOrder(order_id, price, qty):
            row = next((each for each in working(look) if each.order_id == order_id), None)
            if row is None:
                return f"order {order_id} does not work on any account"
            now = price_words(row.order_type, row.limit_price, row.stop_price)
            size = "" if qty is None or qty == row.qty else f", {row.qty} to {qty} lots"
            return f"{row.account} {row.side} {row.qty} {row.symbol} {now}: to {price.normalize():f}{size}"
        case commands.CancelOrders(target, what):
            rows = [row for row in working(look) if row.origin != "copy" and _among(row, target, what, look)]
            if not rows:
                return "nothing of that works now"
            named = ", ".join(f"{row.account} {row.side} {row.qty} {row.symbol}" for row in rows[:3])
            more = f" and {len(rows) - 3} more" if len(rows) > 3 else ""
            return f"cancels {counted(len(rows), 'order', 'orders')}: {named}{more}"


def _among(row: OrderRow, target: str, what: str, look: Look) -> bool:
    named = (
        target == "all"
        or target == row.account
        or target in {each.group for each in _accounts(look) if each.account == row.account}
    )
    return named and what.upper() in ("", row.order_id.upper(), row.symbol)


def _who(target: str, look: Look) -> str:
    """Whom an order is for, in words."""
    rows = _accounts(look)
    row = next((each for each in rows if each.account == target), None)
    if row is None:
        members = [each for each in rows if each.group == target and each.role is Role.FOLLOWER]
        on = sum(each.enabled for each in members)
        return f"{counted(on, 'follower gets', 'followers get')} what its rule makes of it"
    held = f"it holds {signed(row.net_qty)}" if row.net_qty else "it is flat"
    if row.role is not Role.LEADER:
        return held
    copies = sum(each.enabled for each in rows if each.group == row.group and each.role is Role.FOLLOWER)
    return f"{held}, {counted(copies, 'follower copies', 'followers copy')} it"


# --- the ladder -------------------------------------------------------------------------------------------------------


_LADDER_KEYS = (
    ("ladder_buy", "ladder_sell", "limit"),
    ("ladder_buy_stop", "ladder_sell_stop", "stop"),
    ("ladder_cancel", "cancel"),
    ("ladder_move", "move"),
    ("ladder_disarm", "disarm"),
)


class Ladder:
    """The depth pane's trading keys: dead until it is armed, which lasts `ARMED_S` seconds after the last key, and is
    said in the message line all the time. Where the desk refuses a part of what a key would do, the question comes."""

    def __init__(self, app: App[Any], seat: Seat, message: MessageLine, ask: Callable[..., None]) -> None:
        self._app = app
        self._seat = seat
        self._message = message
        self._ask = ask
        self.target = ""
        self.qty = 1
        self.left_s = 0
        self.taken: tuple[str, str] | None = None  # (account, order id) of the order that is being moved
        self._last = ""  # what came of the last key
        self._timer: Timer | None = None

    @property
    def armed(self) -> bool:
        return self.left_s > 0

    def choose(self, target: str, qty: int) -> str:
        """Whom the ladder trades for, and how many lots."""
        self.disarm()
        self.target, self.qty = target, qty
        return f"The ladder places {counted(qty, 'lot', 'lots')} for {target}, once it is armed."

    def arm(self) -> None:
        """The first of the two deliberate keys."""
        if not self.target:
            leader = next((row.account for row in _accounts(self._seat.view) if row.role is Role.LEADER), "")
            self.target = leader
        if not self.target:
            self._message.say("There is no leader to trade for; :ladder ACCOUNT LOTS names an account.", "refused")
            return
        self.left_s, self._last = ARMED_S, ""
        if self._timer is None:
            self._timer = self._app.set_interval(1.0, self._second)
        self._tell()

    def disarm(self, said: str = "") -> None:
        """Nothing is placed by a key any more."""
        was, self.left_s, self.taken = self.armed, 0, None
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        if was:
            self._message.say(said or "The ladder is not armed any more.")

    def _second(self) -> None:
        self.left_s -= 1
        if self.left_s > 0:
            self._tell()
        else:
            self.left_s = 1  # so that `disarm` says it
            self.disarm()

    def _tell(self) -> None:
        moving = f"  moving order {self.taken[1]}: {called('ladder_move')} puts it here" if self.taken else ""
        keys = "   ".join(f"{' '.join(map(called, ids))} {does}" for *ids, does in _LADDER_KEYS)
        self._message.say(
            f"LADDER ARMED {self.left_s} s: {counted(self.qty, 'lot', 'lots')} for {self.target}{moving}"
            f"   {keys}{self._last}",
            "refused",
        )

    def asked(self, kind: str, symbol: str, price: Decimal, orders: tuple[OrderRow, ...]) -> None:
        """A key of the ladder was pressed at a price; `orders` are those that rest there."""
        if kind == "arm":
            self.disarm() if self.armed else self.arm()
            return
        if kind == "disarm":
            self.disarm()
            return
        if not self.armed:
            self._message.say(
                f"The ladder is not armed: {called('ladder_arm')} arms it for some seconds, and the next key places.",
                "refused",
            )
            return
        self.left_s = ARMED_S
        if kind in _SIDES:
            self._ask(self._sent(self._place(_SIDES[kind], symbol, price, stops=kind.endswith("stop"))))
        elif kind == "cancel":
            self._cancel(orders)
        elif kind == "move":
            self._move(price, orders)

    def _place(self, side: Side, symbol: str, price: Decimal, *, stops: bool) -> Callable[..., Awaitable[OrderPlan]]:
        ticket = Ticket(target=self.target, side=side, qty=self.qty, symbol=symbol)
        if stops:
            ticket = replace(ticket, order_type=OrderType.STOP, stop_price=price)
        else:
            ticket = replace(ticket, order_type=OrderType.LIMIT, limit_price=price)
        return lambda shown=None: self._seat.place(ticket, shown)

    def _own(self, orders: tuple[OrderRow, ...]) -> list[OrderRow]:
        """Those that a key here may touch: of whom the ladder trades for, and no copy's."""
        groups = {row.account: row.group for row in _accounts(self._seat.view)}
        mine = [row for row in orders if self.target in (row.account, groups.get(row.account))]
        return [row for row in mine if row.origin != "copy"]

    def _cancel(self, orders: tuple[OrderRow, ...]) -> None:
        own = self._own(orders)
        if not own:
            self._message.say(f"No order of {self.target} rests at this price.", "refused")
        for row in own:
            self._ask(self._sent(lambda shown=None, row=row: self._seat.cancel(row.account, row.order_id, shown)))

    def _move(self, price: Decimal, orders: tuple[OrderRow, ...]) -> None:
        """The first `v` takes the order at the cursor up, the second puts it at the price that the cursor has then."""
        if self.taken is not None:
            (account, order_id), self.taken = self.taken, None
            self._ask(self._sent(lambda shown=None: self._seat.move(account, order_id, price, None, shown)))
            return
        own = self._own(orders)
        if len(own) != 1:
            many = f"{len(own)} orders rest" if own else "No order rests"
            self._message.say(f"{many} at this price for {self.target}; :move ORDER PRICE names one.", "refused")
            return
        self.taken = (own[0].account, own[0].order_id)
        self._tell()

    async def _sent(self, asked: Callable[..., Awaitable[OrderPlan]]) -> str:
        """Have the desk say what would go; all of it goes at once, anything less is asked about first."""
        shown = await asked()
        if not self.armed:
            return "Nothing was sent: the ladder was disarmed meanwhile."
        if shown.orders < len(shown.lines) or not shown.orders:
            self.disarm()
            if not await self._app.push_screen_wait(OrderQuestion(shown, "from the ladder")):
                return "Nothing was sent."
        said, whole = came_of(await asked(shown))
        self._last = f"   · {said}"
        if not whole:
            raise CommandRefused(said)
        return said
