"""What an order, a move or a cancel of the trader would do, line by line, and what refuses it. Pure but for reading the
core; `engine/manuals.py` shows the lines, and asks for them again before anything is sent.

An order for a group gives its followers what each one's rule makes of the size, as if the leader had traded so many
from flat; the leader itself gets none of it. Prices must lie on the contract's tick and no farther from the market than
the collar; a stop that would trade at once is refused. Where nobody tells a price these can't be checked, and the line
says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from msgspec.structs import replace

from brokers.adapter import Capabilities
from engine import foreign, guards, manual_change, manual_gate
from engine.manual_rows import terms_of
from engine.mirror_terms import Terms, is_stop, price_differs, terms_for
from engine.rules import clash, map_for, reducing_part, symbol_for, target_net
from engine.seat import OrderLine, Ticket
from schema.records import Environment, FollowerConfig, LiveOrder, OrderType, Record, Side, TimeInForce
from schema.symbols import Product, UnknownProduct, parse_contract, product

if TYPE_CHECKING:
    from engine.core import Core

CHANGED = "changed since it was shown: look again"
NO_PRICE = "nobody tells the market's price: not checked against it"
_OLD_NS = 10_000_000_000


class Market(Record, frozen=True):
    """A contract's price now (0: nobody tells one) and how old it is."""

    price: Decimal
    age_ns: int


class Around(Record, frozen=True):
    """What the lines look at besides the core. `budgets` are the requests a login has left, and how many of these are
    kept for exits; `capabilities` are of the logins that run."""

    market: Callable[[str], Market]
    capabilities: Mapping[str, Capabilities]
    budgets: Mapping[str, tuple[int, int]]
    most_lots: int
    collar_percent: float


def order_lines(core: Core, ticket: Ticket, around: Around) -> tuple[OrderLine, ...]:
    """One line for each account that a ticket is about; its symbol is written out."""
    if group := core.groups.get(ticket.target):
        members = core.members.get(group.group, [])
        lines = [_share(core, ticket, follower, group.leader) for follower in members]
    else:
        lines = [_bare(core, ticket.target, ticket.symbol, terms_of(ticket))]
    spent: Counter[str] = Counter()
    return tuple(_judged(core, line, ticket, around, spent) for line in lines)


def _bare(core: Core, account: str, symbol: str, terms: Terms, refused: str = "") -> OrderLine:
    environments = {c.connection: c.environment for c in core.config.connections}
    return OrderLine(
        account=account,
        symbol=symbol,
        side=terms.side,
        qty=terms.qty,
        order_type=terms.order_type,
        limit_price=terms.limit_price,
        stop_price=terms.stop_price,
        live=environments.get(core.connection_of(account)) is Environment.LIVE,
        held=core.ledger.net(account, symbol) if core.ledger.known(account) else None,
        copies=sum(f.enabled for group in core.leads.get(account, []) for f in core.members.get(group.group, [])),
        refused=refused,
    )


def _share(core: Core, ticket: Ticket, follower: FollowerConfig, leader: str) -> OrderLine:
    """What a follower's rule makes of a ticket for its group."""
    symbol, asked = symbol_for(follower, ticket.symbol), terms_of(ticket)
    scale = core.scale(follower, leader, ticket.symbol)
    lots = target_net(follower.rule, scale, ticket.qty * ticket.side.sign) if scale is not None else 0
    refused = guards.off_of(core, follower, flat=False) if not follower.enabled else ""
    refused = refused or clash(follower, ticket.symbol)
    if not refused and ticket.order_type is not OrderType.MARKET:
        refused = price_differs(map_for(follower, ticket.symbol))
    if not refused and scale is None:
        refused = "equity of it or its leader is not known yet"
    if not refused and not lots:
        refused = f"its rule ({follower.rule}) makes no lot of it"
    if ticket.order_type is OrderType.MARKET:
        terms = replace(asked, side=Side.of(lots) if lots else asked.side, qty=abs(lots))
    else:
        terms = terms_for(asked, follower, symbol, abs(lots), inverted=follower.rule.invert)
    return _bare(core, follower.account, symbol, terms, refused)


def _judged(core: Core, line: OrderLine, ticket: Ticket, around: Around, spent: Counter[str]) -> OrderLine:
    """The line with its money, its distance from the market, and what refuses it."""
    line = _priced(line, ticket.symbol, around)
    if line.refused:
        return line
    lots = line.qty * line.side.sign
    refused = (
        _unable(core, line, ticket.time_in_force, around)
        or wrong_size(line, around)
        or manual_gate.why_not(core, line.account, line.symbol, lots)
        or wrong_price(line, around)
        or _spent(core, line, around, spent)
    )
    return replace(line, refused=refused, note="; ".join(filter(None, (line.note, _about_copies(core, line)))))


def _unable(core: Core, line: OrderLine, time_in_force: TimeInForce, around: Around) -> str:
    """What its venue can't do."""
    connection = core.connection_of(line.account)
    able = around.capabilities.get(connection)
    if able is None:
        return f"{connection or line.account} is not running: {core.down_reason.get(connection, 'not connected yet')}"
    if line.order_type not in able.order_types:
        return f"{able.venue} takes no {line.order_type.replace('_', ' ')} orders"
    if time_in_force not in able.times_in_force:
        return f"{able.venue} takes no {time_in_force.upper()} orders"
    return ""


def wrong_size(line: OrderLine, around: Around) -> str:
    """Why so many lots are refused, or ''."""
    if line.qty > around.most_lots:
        return f"qty: {line.qty} lots are more than order_lots allows ({around.most_lots})"
    return ""


def _product(symbol: str) -> Product | None:
    try:
        return product(parse_contract(symbol).root)
    except UnknownProduct:
        return None


def _priced(line: OrderLine, also: str, around: Around) -> OrderLine:
    """The line beside the market. A contract that nobody tells of has the price of the one it is traded for (`also`),
    where its twin's price is the same."""
    about, now = _product(line.symbol), around.market(line.symbol)
    twin = _product(also)
    same = (
        about is not None and twin is not None and (about.root in (twin.micro, twin.root) or twin.root == about.micro)
    )
    if not now.price and same:
        now = around.market(also)
    waits = _waits_at(line)
    at = line.limit_price or line.stop_price or now.price
    notes = [f"the price is {now.age_ns / 1e9:.0f} s old"] if now.price and now.age_ns > _OLD_NS else []
    notes += [NO_PRICE] if not now.price else []
    return replace(
        line,
        market=now.price or None,
        ticks=_ticks(line, waits, now.price, about) if waits is not None and now.price and about else None,
        notional=at * about.point_value * line.qty if about and at else None,
        tick_value=about.tick_value * line.qty if about else None,
        note="; ".join(filter(None, (line.note, *notes))),
    )


def _waits_at(line: OrderLine) -> Decimal | None:
    return line.stop_price if is_stop(line.order_type) else line.limit_price


def _ticks(line: OrderLine, at: Decimal, market: Decimal, about: Product) -> int:
    """How far the market has to go to the order; below 0 it is there already."""
    upward = (line.side.sign > 0) == is_stop(line.order_type)
    return int(((at - market if upward else market - at) / about.tick_size).to_integral_value())


def wrong_price(line: OrderLine, around: Around) -> str:
    """Why the prices of an order are refused, or ''."""
    about = _product(line.symbol)
    if about is None:
        return f"symbol: {line.symbol} is no contract of the product table"
    for name, price in (("stop", line.stop_price), ("limit", line.limit_price)):
        if price is None:
            continue
        near = (price / about.tick_size).to_integral_value() * about.tick_size
        if price != near:
            return f"{name}: {price:f} is off the tick of {about.tick_size.normalize():f}; {near:f} is the nearest"
        if line.market is not None:
            off = abs(price - line.market) / line.market * 100
            if off > Decimal(str(around.collar_percent)):
                return (
                    f"{name}: {price:f} is {off:.1f} % from the market ({line.market.normalize():f}), more than "
                    f"order_collar_percent allows ({around.collar_percent:g})"
                )
    if is_stop(line.order_type) and line.ticks is not None and line.ticks <= 0:
        return f"stop: {line.stop_price:f} is on the wrong side of the market: it would trade at once"
    return ""


def _spent(core: Core, line: OrderLine, around: Around, spent: Counter[str]) -> str:
    """Whether the login has requests left for it; orders of one preview take from the same."""
    connection = core.connection_of(line.account)
    left, kept = around.budgets.get(connection, (0, 0))
    if manual_gate.reduces(core, line.account, line.symbol, line.qty * line.side.sign):
        kept = 0
    spent[connection] += 1
    if spent[connection] > left - kept:
        return f"the requests of {connection} are spent for now: {left} left, {kept} kept for exits"
    return ""


def _about_copies(core: Core, line: OrderLine) -> str:
    """What an order at a follower does to its copies, in words."""
    if line.account not in core.followers:
        return ""
    copied = foreign.lots_of(core, line.account, line.symbol).copied
    closing = reducing_part(copied, line.qty * line.side.sign)
    if not closing:
        return ""
    does = "closes" if line.order_type is OrderType.MARKET else "if filled closes"
    if closing == -copied:
        return f"{does} its copies' {copied:+d}: it is out of the leader's open trade"
    return f"{does} {abs(closing)} of its copies' {copied:+d}: the leader's next trade, or a resync, opens them again"


# --- moves and cancels ------------------------------------------------------------------------------------------------


def line_of(core: Core, order: LiveOrder, terms: Terms | None) -> OrderLine:
    """What is to become of a working order; `terms` None: it goes."""
    now = terms or Terms(
        side=order.side,
        qty=order.qty,
        order_type=order.order_type,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
    )
    manual, leads = core.manual.mine(order), order.account in core.leads
    origin = "manual" if manual else "leader" if leads else "foreign"
    return replace(
        _bare(core, order.account, order.symbol, now, manual_change.why_not(core, order, terms)),
        order_id=order.order_id,
        origin="copy" if manual_change.is_copy(core, order) else origin,
    )


def move_line(core: Core, order: LiveOrder, price: Decimal, qty: int | None, around: Around) -> OrderLine:
    """A working order with another price, and size."""
    before = _trigger(order)
    limit, stop = order.limit_price, order.stop_price
    if order.order_type is OrderType.LIMIT:
        limit = price
    elif order.order_type is OrderType.STOP_LIMIT and stop is not None and limit is not None:
        limit, stop = limit + price - stop, price
    else:
        stop = price
    terms = Terms(
        side=order.side, qty=qty or order.qty, order_type=order.order_type, limit_price=limit, stop_price=stop
    )
    line = _priced(line_of(core, order, terms), order.symbol, around)
    was = "" if before is None else f"was {before.normalize():f}"
    refused = line.refused or _unable(core, line, TimeInForce.DAY, around)
    refused = refused or wrong_size(line, around) or wrong_price(line, around)
    if not refused and (terms.limit_price, terms.stop_price, terms.qty) == (
        order.limit_price,
        order.stop_price,
        order.qty,
    ):
        refused = "it stands there already"
    return replace(line, refused=refused, note="; ".join(filter(None, (was, line.note))))


def _trigger(order: LiveOrder) -> Decimal | None:
    return order.stop_price if is_stop(order.order_type) else order.limit_price


def cancel_lines(core: Core, accounts: Iterable[str], what: str, around: Around) -> tuple[OrderLine, ...]:
    """What works on accounts: all of it, of one contract, or one order by its id. Copies are left out of many."""
    found = [order for account in accounts for order in manual_change.working(core, account)]
    named = [order for order in found if what and order.order_id == what]
    if named:
        return tuple(_going(core, order, around) for order in named)
    wanted = [order for order in found if not what or order.symbol == what.upper()]
    lines = [_going(core, order, around) for order in wanted]
    own = [line for line in lines if line.origin != "copy"]
    return tuple(own or lines)


def _going(core: Core, order: LiveOrder, around: Around) -> OrderLine:
    return replace(_priced(line_of(core, order, None), order.symbol, around), note="")


# --- confirming -------------------------------------------------------------------------------------------------------


def confirmed(now: Iterable[OrderLine], shown: Iterable[OrderLine]) -> tuple[OrderLine, ...]:
    """The lines as they are now, of those that were shown; one that asks for something else is not sent and says so."""
    before = {(line.account, line.order_id): line for line in shown}
    found: list[OrderLine] = []
    for line in now:
        was = before.pop((line.account, line.order_id), None)
        if was is None:
            continue
        same = not was.refused and _asks(was) == _asks(line)
        found.append(line if same or line.refused else replace(line, refused=was.refused or CHANGED))
    gone = [line for line in before.values() if not line.refused]
    return (*found, *(replace(line, refused=manual_change.GONE if line.order_id else CHANGED) for line in gone))


def _asks(line: OrderLine) -> tuple[object, ...]:
    return line.symbol, line.side, line.qty, line.order_type, line.limit_price, line.stop_price
