"""Orders as a trader types them: ``2 ESZ6 @ 4795.25``, ``1 stop 4790``. Pure; `tui/parsing.py` and `tui/ticket.py`
read them, `tui/trading.py` writes them."""

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

from engine.seat import OrderLine, OrderPlan, Ticket
from schema.records import OrderType, Side, TimeInForce
from tui.text import counted, exact_money, whole_money

HEADS = ("account", "order", "price", "market", "away", "worth", "tick", "holds", "")
_FORCES = {each.value: each for each in TimeInForce}


class BadOrder(ValueError):
    """Words that mean no order; one sentence naming the part and the remedy."""


def number(name: str, word: str) -> Decimal:
    """A price above 0. Raises BadOrder."""
    try:
        value = Decimal(word)
    except InvalidOperation:
        raise BadOrder(f"{name}: {word!r} is not a number; write one such as 4795.25.") from None
    if not value.is_finite() or value <= 0:
        raise BadOrder(f"{name}: {word} is no price; write one above 0.")
    return value


def lots(word: str) -> int:
    """A size. Raises BadOrder."""
    if not (word.isascii() and word.isdecimal() and int(word) > 0):
        raise BadOrder(f"qty: {word!r} is not a size; write whole lots, 1 or more.")
    return int(word)


def ticket_of(side: Side, target: str, qty: str, words: Sequence[str]) -> Ticket:
    """The ticket that ``TARGET QTY [SYMBOL] [@ PRICE | stop PRICE [limit PRICE]] [day | gtc | ioc | fok]`` means.
    Raises BadOrder."""
    symbol, limit, stop = "", None, None
    force = TimeInForce.DAY
    left = [part for word in words for part in (("@", word[1:]) if word.startswith("@") and word != "@" else (word,))]
    while left:
        word = left.pop(0)
        folded = word.casefold()
        if folded in ("@", "limit", "stop"):
            name = "stop" if folded == "stop" else "limit"
            if not left:
                raise BadOrder(f"{name}: write its price behind {word}, such as {word} 4795.25.")
            price = number(name, left.pop(0))
            if (stop if name == "stop" else limit) is not None:
                raise BadOrder(f"{name}: there are two of them; write one.")
            limit, stop = (limit, price) if name == "stop" else (price, stop)
        elif folded in _FORCES:
            force = _FORCES[folded]
        elif not symbol and word[0].isalpha():
            symbol = word.upper()
        else:
            raise BadOrder(f"order: {word!r} is not understood; write @ PRICE for a limit, stop PRICE for a stop.")
    kinds = {
        (False, False): OrderType.MARKET,
        (True, False): OrderType.LIMIT,
        (False, True): OrderType.STOP,
        (True, True): OrderType.STOP_LIMIT,
    }
    return Ticket(
        target=target,
        side=side,
        qty=lots(qty),
        symbol=symbol,
        order_type=kinds[limit is not None, stop is not None],
        limit_price=limit,
        stop_price=stop,
        time_in_force=force,
    )


def price_words(kind: OrderType, limit: Decimal | None, stop: Decimal | None) -> str:
    """``at market``, ``limit 4795.25``, ``stop 4790 limit 4789``."""
    parts = [f"stop {stop.normalize():f}"] if stop is not None else []
    parts += [f"limit {limit.normalize():f}"] if limit is not None else []
    return " ".join(parts) or ("at market" if kind is OrderType.MARKET else kind.replace("_", " "))


def ticket_words(ticket: Ticket) -> str:
    """``buy 2 ESZ6 limit 4795.25 on DEMO1001``."""
    symbol = ticket.symbol or "of the chart's contract"
    force = "" if ticket.time_in_force is TimeInForce.DAY else f" {ticket.time_in_force.upper()}"
    price = price_words(ticket.order_type, ticket.limit_price, ticket.stop_price)
    return f"{ticket.side} {ticket.qty} {symbol} {price}{force} on {ticket.target}"


def away_words(ticks: int | None) -> str:
    """How far the market is from an order's price."""
    if ticks is None:
        return ""
    return counted(ticks, "tick", "ticks") if ticks > 0 else "trades at once"


def line_row(line: OrderLine) -> tuple[str, ...]:
    """A line of a preview, under `HEADS`. What refuses it, or what came of it, is its last word."""
    worth = "" if line.notional is None else whole_money(line.notional)
    tick = "" if line.tick_value is None else exact_money(line.tick_value)
    copies = f"{counted(line.copies, 'follower copies', 'followers copy')} it" if line.copies else ""
    said = line.outcome or (f"NOT SENT: {line.refused}" if line.refused else "")
    order = f"order {line.order_id}" if line.order_id and line.origin else ""
    origin = f"the {line.origin}'s" if line.origin == "leader" else line.origin
    about = (said, "REAL MONEY" if line.live else "", order, origin, copies, line.note)
    return (
        line.account,
        f"{line.side} {line.qty} {line.symbol}",
        price_words(line.order_type, line.limit_price, line.stop_price),
        "?" if line.market is None else f"{line.market.normalize():f}",
        away_words(line.ticks),
        worth,
        tick,
        "?" if line.held is None else f"{line.held:+d}" if line.held else "flat",
        "; ".join(part for part in about if part),
    )


def came_of(plan: OrderPlan) -> tuple[str, bool]:
    """What came of a plan that was sent, in one line, and whether all of it went."""
    one, many = {"place": ("order", "orders"), "move": ("move", "moves"), "cancel": ("cancel", "cancels")}[plan.act]
    bad = [line for line in plan.lines if line.refused or line.outcome.startswith(("rejected", "unknown"))]
    good = [line for line in plan.lines if line not in bad]
    parts = [f"{line.account}: {line.outcome or line.refused}" for line in (*bad, *good)]
    shown = "; ".join(parts[:3]) + (f"; and {len(parts) - 3} more" if len(parts) > 3 else "")
    return f"{counted(plan.orders, one, many)} sent in {plan.seconds:.1f} s: {shown}.", not bad
