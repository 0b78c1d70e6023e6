"""The depth ladder as lines of text: pure functions from a book, orders, trades and a position to rows of cells.

`depth.py` draws them. Prices are whole ticks here, so that a row is a price and nothing is compared as a float. A row
reads from left to right: buy orders at rest, a bar and the size of the bid, the leader's entry, the price, the last
trade, the ask's size and bar, sell orders at rest. What does not fit is left out from the outside.
"""

from collections.abc import Collection, Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

from engine.market.shown import BookShown, Print
from engine.seat import AccountRow, OrderRow, PositionRow, Role, View
from schema.market import Aggressor, SessionState
from schema.records import LiveStatus, OrderType, Side
from schema.symbols import twin_of
from tui.panes.drawn import Line, Run
from tui.text import DOWN, UP, average, counted, fit, hidden, signed

STALE_AFTER_NS = 5_000_000_000
CROWN = "♛"
_ALIVE = frozenset(map(str, LiveStatus))
_ORDERS, _SIZE, _ENTRY, _LAST = 12, 7, 6, 6  # cells
_BAR_LEAST, _BAR_MOST = 3, 16
_EIGHTHS = " ▏▎▍▌▋▊▉█"


class Working(NamedTuple):
    """Orders at rest at one price on one side: how many, and of how many lots in all. `stops`: some of them wait for
    a trigger; `twins`: some are of the smaller or bigger contract of the same underlying."""

    leader_orders: int = 0
    leader_lots: int = 0
    orders: int = 0
    lots: int = 0
    stops: bool = False
    twins: bool = False

    @property
    def text(self) -> str:
        """``♛1/2 20/40s``: one order of 2 lots of the leader, 20 of 40 lots of followers, some of them stops."""
        parts = [f"{CROWN}{self.leader_orders}/{self.leader_lots}"] if self.leader_orders else []
        parts += [f"{self.orders}/{self.lots}"] if self.orders else []
        return " ".join(parts) + ("µ" if self.twins else "") + ("s" if self.stops else "")


class Ladder(NamedTuple):
    """What there is to show of one contract, by price in ticks. `entry` is the leader's average (to the nearest tick)
    and `net` what it holds there."""

    tick: Decimal
    bids: dict[int, float]
    asks: dict[int, float]
    buys: dict[int, Working]
    sells: dict[int, Working]
    last: Print | None = None
    last_ticks: int | None = None
    entry: int | None = None
    net: int = 0

    @property
    def bid(self) -> int | None:
        """The best one."""
        return max(self.bids) if self.bids else None

    @property
    def ask(self) -> int | None:
        return min(self.asks) if self.asks else None

    @property
    def market(self) -> int | None:
        """The price around which the ladder is centred: the middle, else the side that is there, else the last."""
        bid, ask = self.bid, self.ask
        if bid is not None and ask is not None:
            return (bid + ask) // 2
        return bid if bid is not None else ask if ask is not None else self.last_ticks


def ticks_of(value: float | Decimal, tick: Decimal) -> int:
    """The nearest tick of a price."""
    return round(Decimal(str(value)) / tick)


def leaders_of(accounts: View) -> frozenset[str]:
    """The accounts that lead, of the topic ACCOUNTS."""
    rows = (row for row in accounts.rows if isinstance(row, AccountRow))
    return frozenset(row.account for row in rows if row.role is Role.LEADER)


def is_alive(order: OrderRow) -> bool:
    """It may still trade."""
    return order.status in _ALIVE and order.qty > order.filled_qty


def rests_at(order: OrderRow) -> Decimal | None:
    """The price at which a trader sees the order: its trigger, else its limit; None for one without a price."""
    waits = order.order_type in (OrderType.STOP, OrderType.STOP_LIMIT)
    return order.stop_price if waits and order.stop_price is not None else order.limit_price or order.stop_price


def resting(
    orders: Iterable[OrderRow], symbol: str, leaders: Collection[str], tick: Decimal
) -> tuple[dict[int, Working], dict[int, Working]]:
    """Buy and sell orders at rest in a contract or its twin, by price in ticks."""
    twin = twin_of(symbol)
    sides: dict[Side, dict[int, Working]] = {Side.BUY: {}, Side.SELL: {}}
    for order in orders:
        at = rests_at(order)
        if at is None or not is_alive(order) or order.symbol not in (symbol, twin):
            continue
        held, ticks, left = sides[order.side], ticks_of(at, tick), order.qty - order.filled_qty
        known = held.get(ticks, Working())
        stops = known.stops or order.stop_price is not None
        twins = known.twins or order.symbol != symbol
        if order.account in leaders:
            leader = (known.leader_orders + 1, known.leader_lots + left)
            held[ticks] = Working(*leader, known.orders, known.lots, stops, twins)
        else:
            held[ticks] = Working(
                known.leader_orders, known.leader_lots, known.orders + 1, known.lots + left, stops, twins
            )
    return sides[Side.BUY], sides[Side.SELL]


def ladder_of(
    book: BookShown,
    orders: Iterable[OrderRow],
    leaders: Collection[str],
    positions: Iterable[PositionRow],
    prints: Sequence[Print],
) -> Ladder:
    """Everything of one contract."""
    tick = Decimal(str(book.tick_size))
    buys, sells = resting(orders, book.symbol, leaders, tick)
    held = next(
        (row for row in positions if row.account in leaders and row.symbol == book.symbol and row.net_qty), None
    )
    last = next((each for each in prints if not each.held), None)
    return Ladder(
        tick,
        {ticks_of(level.price, tick): level.size for level in book.bids},
        {ticks_of(level.price, tick): level.size for level in book.asks},
        buys,
        sells,
        last,
        ticks_of(last.price, tick) if last else None,
        ticks_of(held.avg_price, tick) if held and not hidden() else None,
        held.net_qty if held else 0,
    )


def badge_of(book: BookShown, now_ns: int) -> str:
    """How far the book is to be believed: stale, gap, crossed, the session's state unless it is open, or live."""
    if not book.heard_ns:
        return "loading"
    if now_ns - book.heard_ns > STALE_AFTER_NS:
        return "stale"
    if book.torn:
        return "gap"
    if book.crossed:
        return "crossed"
    return "live" if book.state is SessionState.OPEN else str(book.state)


def size_text(size: float) -> str:
    """Lots in full, parts of one in four figures."""
    return f"{size:,.0f}" if size == int(size) else f"{size:.4g}"


def price_text(ticks: int, tick: Decimal) -> str:
    """With the decimals of the tick, two at least."""
    decimals = max(2, -int(tick.normalize().as_tuple().exponent))
    return f"{ticks * tick:,.{decimals}f}"


def figures(ladder: Ladder) -> list[str]:
    """Spread and imbalance, for the title."""
    parts: list[str] = []
    if ladder.bid is not None and ladder.ask is not None:
        parts.append(f"spread {counted(ladder.ask - ladder.bid, 'tick', 'ticks')}")
    bids, asks = sum(ladder.bids.values()), sum(ladder.asks.values())
    if bids + asks:
        share = (bids - asks) / (bids + asks)
        arrow = UP if share > 0 else DOWN if share < 0 else " "
        parts.append(f"imbalance {arrow} {share:+.0%}")
    return parts


def distance(ticks: int, ladder: Ladder) -> str:
    """How far a price is from the market: ``3 ticks above the ask``, ``at the bid``, ``inside the spread``."""
    bid, ask = ladder.bid, ladder.ask
    if bid is not None and ticks <= bid:
        return "at the bid" if ticks == bid else f"{counted(bid - ticks, 'tick', 'ticks')} below the bid"
    if ask is not None and ticks >= ask:
        return "at the ask" if ticks == ask else f"{counted(ticks - ask, 'tick', 'ticks')} above the ask"
    if bid is not None and ask is not None:
        return "inside the spread"
    if ladder.last_ticks is not None:
        return f"{signed(ticks - ladder.last_ticks)} ticks from the last trade"
    return "no market"


# --- rows -------------------------------------------------------------------------------------------------------------


class Columns(NamedTuple):
    """The width of each column, 0 for one that is left out; they stand one cell apart."""

    orders: int
    bar: int
    size: int
    entry: int
    price: int
    last: int

    @classmethod
    def of(cls, width: int, price_width: int) -> "Columns":
        """What fits into `width` cells: price and sizes first, then the last trade, the entry, orders, bars."""
        size = min(_SIZE, max(3, (width - price_width - 2) // 2))
        room = width - price_width - 2 * (size + 1)
        last = entry = orders = bar = 0
        if room > _LAST:
            last, room = _LAST, room - _LAST - 1
        if room > _ENTRY:
            entry, room = _ENTRY, room - _ENTRY - 1
        if room > 2 * _ORDERS + 1:
            orders, room = _ORDERS, room - 2 * (_ORDERS + 1)
        if room >= 2 * (_BAR_LEAST + 1):
            bar = min(_BAR_MOST, room // 2 - 1)
        return cls(orders, bar, size, entry, price_width, last)


def head(columns: Columns) -> Line:
    """The columns' names."""
    cells = [
        fit("orders/lots", columns.orders, right=True),
        " " * columns.bar,
        fit("bid", columns.size, right=True),
        fit("entry", columns.entry),
        fit("price", columns.price, right=True),
        fit("last", columns.last),
        fit("ask", columns.size),
        " " * columns.bar,
        fit("orders/lots", columns.orders),
    ]
    return (Run(" ".join(cell for cell in cells if cell), "head"),)


def row(ladder: Ladder, ticks: int, columns: Columns, most: float, at_cursor: bool = False) -> Line:
    """The line of one price; a bar is full at a size of `most`. Its runs have the same widths whatever they show."""
    bid, ask = ladder.bids.get(ticks, 0.0), ladder.asks.get(ticks, 0.0)
    best_bid, best_ask = ladder.bid, ladder.ask
    side = "bid" if best_bid is not None and ticks <= best_bid else ""
    side = "ask" if best_ask is not None and ticks >= best_ask else side
    traded = ladder.last is not None and ladder.last_ticks == ticks
    entered = ladder.entry == ticks
    entry = f"{CROWN}{signed(ladder.net)}" if entered else ""
    cells: list[Line] = [
        _orders(ladder.buys.get(ticks), columns.orders, right=True),
        _bar_to_the_left(bid, most, columns.bar),
        (Run(fit(size_text(bid) if bid else "", columns.size, right=True), "bid"),),
        (Run(fit(entry, columns.entry), "entry" if entered else ""),),
        (Run(fit(price_text(ticks, ladder.tick), columns.price, right=True), "last" if traded else side or "inside"),),
        (Run(fit(_last(ladder.last) if traded and ladder.last else "", columns.last), "traded" if traded else ""),),
        (Run(fit(size_text(ask) if ask else "", columns.size), "ask"),),
        _bar_to_the_right(ask, most, columns.bar),
        _orders(ladder.sells.get(ticks), columns.orders),
    ]
    line: list[Run] = []
    for cell in cells:
        if not any(run.text for run in cell):
            continue
        if line:
            line.append(Run(" "))
        line += [run for run in cell if run.text]
    return tuple(Run(run.text, f"{run.look}/cursor") for run in line) if at_cursor else tuple(line)


def _orders(working: Working | None, width: int, right: bool = False) -> Line:
    if working is None:
        return (Run(" " * width),)
    return (Run(fit(working.text, width, right), "leader" if working.leader_orders else "own"),)


def _last(last: Print) -> str:
    """Who crossed the spread, and with how many lots."""
    arrow = {Aggressor.BUY: UP, Aggressor.SELL: DOWN}.get(last.aggressor, "•")
    return f"{arrow}{size_text(last.size)}"


def _bar_to_the_right(size: float, most: float, width: int) -> Line:
    eighths = _filled(size, most, width)
    whole, rest = divmod(eighths, 8)
    text = "█" * whole + (_EIGHTHS[rest] if rest else "")
    return (Run(f"{text:<{width}}", "ask-bar"),) if width else ()


def _bar_to_the_left(size: float, most: float, width: int) -> Line:
    """There are no blocks that begin at the right: the last one is its opposite, drawn in reverse."""
    if not width:
        return ()
    eighths = _filled(size, most, width)
    whole, rest = divmod(eighths, 8)
    if not rest:
        return (Run(" " * (width - whole) + "█" * whole, "bid-bar"),)
    return (Run(" " * (width - whole - 1)), Run(_EIGHTHS[8 - rest], "bid-edge"), Run("█" * whole, "bid-bar"))


def _filled(size: float, most: float, width: int) -> int:
    """Eighths of cells; whatever is there has one."""
    if size <= 0 or most <= 0:
        return 0
    return max(1, min(8 * width, round(size / most * 8 * width)))


def cursor_text(ladder: Ladder, ticks: int, on_screen: bool) -> str:
    """The line under the title: the price under the cursor, how far it is from the market, and what rests there."""
    parts = [f"{price_text(ticks, ladder.tick)}  {distance(ticks, ladder)}"]
    for word, held in (("buy", ladder.buys.get(ticks)), ("sell", ladder.sells.get(ticks))):
        if held is not None:
            orders, lots = held.leader_orders + held.orders, held.leader_lots + held.lots
            parts.append(f"{word} {counted(orders, 'order', 'orders')} {counted(lots, 'lot', 'lots')}")
    if not on_screen:
        parts.append("off the screen")
    return " · ".join(parts)


def entry_text(positions: Iterable[PositionRow], leaders: Collection[str], symbol: str) -> str:
    """The leader's position and its average entry; empty when it is flat."""
    for each in positions:
        if each.account in leaders and each.symbol == symbol and each.net_qty:
            return f"{CROWN} {signed(each.net_qty)} @ {average(each.avg_price)}"
    return ""
