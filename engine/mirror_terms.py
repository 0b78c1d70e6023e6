"""What a leader's working orders ask of one follower. Pure: records and whole numbers in, terms out.

Quantities come from the target, as those of fills do. The leader's orders of one side and kind are rungs of a ladder,
in the order in which the market would reach them; climbing it moves the leader's position from rung to rung, and a
rung's copy has the lots that take the follower from one target to the next. So rounding never accumulates, and the
legs of a bracket add up to the follower's position. Ladders are alternatives of each other (a stop and a target of
the same position), so each begins at the position that is held now.
"""

from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import lru_cache

from engine.rules import capped, reducing_part, target_net
from schema.records import FollowerConfig, OrderType, Record, Rule, Side, SymbolMap
from schema.symbols import UnknownProduct, parse_contract, product

_STOPS = (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP)


def is_stop(kind: OrderType) -> bool:
    """Whether an order of this kind sleeps until the market reaches its stop price."""
    return kind in _STOPS


class Terms(Record, frozen=True):
    """What an order asks for. `qty` is all of it, lots that are filled already included. A trailing stop has its
    distance in `trail`, and in `stop_price` where it stands, as far as that is known."""

    side: Side
    qty: int
    order_type: OrderType
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail: Decimal | None = None

    @property
    def trigger(self) -> Decimal:
        """The price at which the market reaches it."""
        return self.limit_price if self.order_type is OrderType.LIMIT else self.stop_price  # type: ignore[return-value]

    @property
    def readable(self) -> bool:
        """Whether it waits for a price and says for which."""
        needs_limit = self.order_type in (OrderType.LIMIT, OrderType.STOP_LIMIT)
        needs_stop = is_stop(self.order_type)
        whole = (self.limit_price is not None or not needs_limit) and (self.stop_price is not None or not needs_stop)
        whole = whole and (self.trail is not None or self.order_type is not OrderType.TRAILING_STOP)
        return whole and (needs_limit or needs_stop)


class Rung(Record, frozen=True):
    """A working order of the leader, of which `left` lots may still be filled."""

    order_id: str
    terms: Terms
    left: int


class Size(Record, frozen=True):
    """What sizes a follower: its rule and scale, its cap, and the lots of what it holds that its newest plan asked
    for."""

    rule: Rule
    scale: Decimal
    by_plan: int
    max_position: int | None

    def target(self, leader_net: int) -> int:
        """What the follower should hold when the leader holds so much."""
        return capped(target_net(self.rule, self.scale, leader_net), self.by_plan, self.max_position)


class Share(Record, frozen=True):
    """A follower's part in one order of the leader, in signed lots: what its own order should still bring, and what
    the target alone asks of it, wherever the follower stands. `exit` when the leader's order reduces its position."""

    lots: int = 0
    due: int = 0
    exit: bool = False


@lru_cache(maxsize=4096)
def shares(
    rungs: tuple[Rung, ...],
    leader_net: int,
    net: int,
    coming: int,
    size: Size,
    *,
    protective: bool = False,
    early: int = 0,
) -> Mapping[str, Share]:
    """Each order's share by its id. `size` says what the follower should hold when the leader holds so much; `net`
    what it holds, and `coming` the signed lots of market orders on their way to it. With `protective` only what
    closes the leader's position counts. Asked for with every input, of every follower, and mostly as before.

    An exit never asks for more than is held now: a follower whose entry waits gets no stop that would open a
    position, and one whose exit is on its way keeps its stop until that has filled. `early` is how many lots exits
    of the follower have filled before its leader's; what it lacks beyond them are entries it did not get, and what it
    has is protected all the same.
    """
    found: dict[str, Share] = {}
    target = size.target
    ladders: dict[tuple[Side, bool], list[Rung]] = {}
    for rung in rungs:
        ladders.setdefault((rung.terms.side, is_stop(rung.terms.order_type)), []).append(rung)
    for (side, stops), ladder in ladders.items():
        # A buy stop and a sell limit lie above the market: the lowest is reached first.
        upward = (side is Side.BUY) == stops
        ladder.sort(key=lambda rung: ((rung.terms.trigger if upward else -rung.terms.trigger), rung.order_id))
        exit_side = leader_net * side.sign < 0
        base = target(leader_net)
        lacks = max(0, abs(base) - (abs(net) if net * base > 0 else 0) - early) if exit_side else 0
        open_lots = abs(net) if net * base > 0 else 0
        stand: int | None = None  # where the follower would stand if the market had come this far
        before, leader_at = base, leader_net
        for rung in ladder:
            leader_at += rung.left * side.sign
            if protective:
                leader_at = _toward_flat(leader_net, leader_at)
            after = target(leader_at)
            due = after - before
            if stand is None and due:
                held = net + (lacks if base > 0 else -lacks) if exit_side else net + coming
                stand = max(held, base) if due > 0 else min(held, base)
            lots = 0
            if stand is not None and due:
                reached = max(stand, after) if due > 0 else min(stand, after)
                lots = reached - stand
                if exit_side:
                    closing = reducing_part(stand, lots)
                    there = min(abs(closing), open_lots)
                    open_lots -= there
                    lots += (abs(closing) - there) * (-1 if lots > 0 else 1)
                stand = reached
            found[rung.order_id] = Share(lots=lots, due=due, exit=exit_side)
            before = after
    return found


def _toward_flat(leader_net: int, leader_at: int) -> int:
    """`leader_at`, kept between the leader's position and flat."""
    return max(0, min(leader_net, leader_at)) if leader_net >= 0 else min(0, max(leader_net, leader_at))


def terms_for(
    leader: Terms, follower: FollowerConfig, symbol: str, qty: int, *, inverted: bool, trails: bool = False
) -> Terms:
    """The follower's order for `leader`'s, of `qty` lots in all. `trails` when its venue trails stops by itself.

    An inverted follower trades the other way at the same price, which only the opposite kind of order can do: a buy
    limit waits for the market to fall to its price, and so does a sell stop. A stop limit becomes a limit at the
    stop's price. Prices keep to the follower's tick, away from the market: copying never makes an order more eager.

    A trailing stop keeps its distance, in any contract of the same price. Where the venue does not trail it is a stop
    where the leader's stands now, and an inverted follower's a limit there; the desk moves both after the market.
    """
    side, kind, limit, stop = leader.side, leader.order_type, leader.limit_price, leader.stop_price
    trail = None
    if inverted:
        side = Side.of(-side.sign)
        if kind is OrderType.LIMIT:
            kind, limit, stop = OrderType.STOP, None, limit
        else:
            kind, limit, stop = OrderType.LIMIT, stop, None
    tick = tick_of(symbol)
    if kind is OrderType.TRAILING_STOP and trails:
        trail = _on_tick(leader.trail, tick, down=False)
    elif kind is OrderType.TRAILING_STOP:
        kind = OrderType.STOP
    return Terms(
        side=side,
        qty=qty,
        order_type=kind,
        limit_price=_on_tick(limit, tick, down=side is Side.BUY),
        stop_price=_on_tick(stop, tick, down=side is Side.SELL),
        trail=trail,
    )


def tick_of(symbol: str) -> Decimal | None:
    try:
        return product(parse_contract(symbol).root).tick_size
    except UnknownProduct:
        return None


def on_tick(price: Decimal, symbol: str, side: Side) -> Decimal:
    """A stop's price on its contract's tick, away from the market."""
    rounded = _on_tick(price, tick_of(symbol), down=side is Side.SELL)
    assert rounded is not None
    return rounded


def _on_tick(price: Decimal | None, tick: Decimal | None, *, down: bool) -> Decimal | None:
    if price is None or tick is None or price % tick == 0:
        return price
    return (price / tick).to_integral_value(ROUND_FLOOR if down else ROUND_CEILING) * tick


def price_differs(entry: SymbolMap | None) -> str:
    """Why the leader's prices mean nothing in the follower's contract, or ''."""
    if entry is None or entry.leader_root == entry.follower_root:
        return ""
    try:
        ours, theirs = product(entry.follower_root), product(entry.leader_root)
    except UnknownProduct as unknown:
        return f"symbols: {unknown}"
    if theirs.micro == ours.root or ours.micro == theirs.root:
        return ""
    return (
        f"symbols: {entry.leader_root} orders can't rest in {entry.follower_root}, whose price is another; "
        "put this follower in a group that mirrors fills"
    )
